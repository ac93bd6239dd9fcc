//! The tape: what it adds up, what it refuses, what it records.

use engine::{Gradients, Tape, Tensor, Var};

fn twice(x: &Tensor<f64>) -> Tensor<f64> {
    Tensor::from_fn(x.rows(), x.cols(), |i, j| 2.0 * x.row(i)[j])
}

fn double<'t>(x: &Var<'t, f64>) -> Var<'t, f64> {
    let pullback = |dy| [twice(&dy)];
    x.tape()
        .record("double", [x.node()], twice(x.value()), pullback)
}

#[test]
fn cotangents_of_a_variable_used_twice_are_added() {
    let tape = Tape::new();
    let x = tape.leaf("x", Tensor::scalar(3.0));
    let y = double(&x);
    let (a, b) = (x.item(), y.item());
    let parents = [x.node(), y.node()];
    let z = tape.record("both", parents, Tensor::scalar(a * b), move |dz| {
        [Tensor::scalar(dz.item() * b), Tensor::scalar(dz.item() * a)]
    });
    assert_eq!(z.item(), 18.0);
    assert_eq!(tape.backward(&z).of(&x).item(), 12.0);
}

#[test]
fn what_the_output_does_not_depend_on_has_gradient_zero() {
    let tape = Tape::new();
    let x = tape.leaf("x", Tensor::scalar(3.0));
    let unused = tape.leaf("unused", Tensor::<f64>::zeros(2, 2));
    let mut gradients = tape.backward(&double(&x));
    assert_eq!(gradients.of(&unused).data(), [0.0; 4]);
    assert!(gradients.take(&unused).is_none());
    assert_eq!(gradients.take(&x).map(|g| g.item()), Some(2.0));
}

#[test]
#[should_panic(expected = "and double is none")]
fn a_computed_variable_has_no_gradient_to_ask_for() {
    let tape = Tape::new();
    let y = double(&tape.leaf("x", Tensor::scalar(1.0)));
    tape.backward(&y).of(&y);
}

/// A sum of the first row alone, as a table's gradient may end early.
fn sum_of_first_row<'t>(x: &Var<'t, f64>) -> Var<'t, f64> {
    let (cols, sum) = (x.cols(), x.value().row(0).iter().sum());
    let pullback = move |dy: Tensor<f64>| [Tensor::filled(1, cols, dy.item())];
    x.tape()
        .record("first", [x.node()], Tensor::scalar(sum), pullback)
}

#[test]
fn a_gradient_that_ends_early_reaches_a_pullback_whole() {
    let tape = Tape::new();
    let x = tape.leaf("x", Tensor::from_fn(3, 2, |i, j| (2 * i + j) as f64));
    // Its pullback returns as many rows as it is given.
    let y = sum_of_first_row(&double(&x));
    let mut gradients = tape.backward(&y);
    assert_eq!(gradients.of(&x).data(), [2.0, 2.0, 0.0, 0.0, 0.0, 0.0]);
    assert_eq!(gradients.take(&x).map(|g| g.rows()), Some(3));
}

#[test]
#[should_panic(expected = "returned (2, 1) for x, which is (1, 1)")]
fn a_pullback_that_returns_another_shape() {
    let tape = Tape::new();
    let x = tape.leaf("x", Tensor::scalar(1.0));
    let wrong = |_| [Tensor::<f64>::zeros(2, 1)];
    let y = tape.record("wrong", [x.node()], Tensor::scalar(1.0), wrong);
    tape.backward(&y);
}

#[test]
#[should_panic(expected = "and x is none")]
fn gradients_are_those_of_one_tape_even_where_another_stood() {
    let mut earlier = None;
    for _ in 0..2 {
        let tape = Tape::new(); // at the same address each time
        let x = tape.leaf("x", Tensor::<f64>::scalar(1.0));
        if let Some(gradients) = earlier.replace(tape.backward(&double(&x))) {
            Gradients::of(&gradients, &x);
        }
    }
}

#[test]
#[should_panic(expected = "this variable stands on another tape")]
fn variables_of_two_tapes_do_not_mix() {
    let (one, other) = (Tape::new(), Tape::new());
    let x = one.leaf("x", Tensor::<f64>::scalar(1.0));
    let y = other.leaf("y", Tensor::scalar(1.0));
    let _ = &x + &y;
}

#[test]
#[should_panic(expected = "this tape has run backward already")]
fn a_tape_runs_backward_once() {
    let tape = Tape::new();
    let y = double(&tape.leaf("x", Tensor::scalar(1.0)));
    tape.backward(&y);
    tape.backward(&y);
}

#[test]
fn the_record_survives_backward() {
    let tape = Tape::traced();
    let x = tape.leaf("x", Tensor::filled(1, 2, 3.0));
    let kept = tape.save(x.value());
    let pullback = move |dy: Tensor<f64>| [Tensor::filled(1, kept.cols(), dy.item())];
    let y = tape.record("sum", [x.node()], Tensor::scalar(6.0), pullback);
    tape.backward(&y);
    let records = tape.records();
    assert_eq!((records[0].name, records[1].name), ("x", "sum"));
    assert_eq!(records[1].parents, [0]);
    assert_eq!(records[1].saved_bytes, 16);
    // Its scalar value and the gradient of `x`: 1 and 2 numbers; `kept` shares the memory of x.
    assert_eq!(records[1].allocated_bytes, 8 + 16);
    assert_eq!(records[0].value_norm, Some(18f64.sqrt()));
    assert_eq!(records[0].gradient_norm, Some(2f64.sqrt()));
    assert!(records[1].location.file().ends_with("tape.rs"));
}
