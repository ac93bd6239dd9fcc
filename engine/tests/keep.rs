//! What tapes tell of themselves: a timed one, a plain one, and one that is to be studied, which changes nothing.

use engine::check::normal;
use engine::{Gradients, Seed, Tape, Tensor, Var};

/// (x + x) * x, summed; the middle is used once, x three times.
fn cubic<'t>(x: &Var<'t, f64>) -> (Var<'t, f64>, Var<'t, f64>) {
    let twice = x + x;
    let y = (&twice * x).sum();
    (twice, y)
}

#[test]
fn every_value_and_every_cotangent_is_kept() {
    let x = normal(Seed(1).stream("x"), 2, 3);
    let tape = Tape::keeping();
    let leaf = tape.leaf("x", x.clone());
    let (twice, y) = cubic(&leaf);
    let gradients = tape.backward(&y);
    // d(2 x²) = 4 x: in two shares, of which the second is what the product adds.
    let times = |a: f64| Tensor::from_fn(2, 3, |i, j| a * x.row(i)[j]);
    assert_eq!(gradients.of(&leaf).data(), times(4.0).data());
    assert_eq!(gradients.of(&twice).data(), x.data());
    assert_eq!(gradients.of(&y).item(), 1.0);
    let values = tape.values();
    assert_eq!(values.len(), tape.records().len());
    assert_eq!(values[0].data(), x.data());
    assert_eq!(values[1].data(), times(2.0).data());
    let norms: Vec<_> = gradients
        .all()
        .iter()
        .map(|dy| dy.as_ref().map(Tensor::norm))
        .collect();
    let traced: Vec<_> = tape
        .records()
        .iter()
        .map(|record| record.gradient_norm)
        .collect();
    assert_eq!(norms, traced);
}

#[test]
fn the_gradient_has_the_bits_of_a_plain_tape() {
    let x = normal(Seed(2).stream("x"), 5, 4);
    let gradient = |tape: &Tape<f64>| {
        let leaf = tape.leaf("x", x.clone());
        let (_, y) = cubic(&leaf);
        tape.backward(&y).of(&leaf)
    };
    assert_eq!(
        gradient(&Tape::keeping()).data(),
        gradient(&Tape::new()).data()
    );
}

#[test]
fn a_note_knows_the_node_that_made_it() {
    let noted = |tape: Tape<f64>| {
        let x = tape.leaf("x", Tensor::scalar(3.0));
        let notes = tape.notes();
        notes.add(|| ("forward".into(), Tensor::scalar(1.0)));
        let y = tape.record("same", [x.node()], Tensor::scalar(3.0), move |dy| {
            notes.add(|| ("backward".into(), dy.clone()));
            [dy]
        });
        tape.backward(&y.scale(2.0));
        tape
    };
    let tape = noted(Tape::keeping());
    let notes = tape.noted();
    let told: Vec<_> = notes
        .iter()
        .map(|note| (note.node, note.name.as_str()))
        .collect();
    assert_eq!(told, [(1, "forward"), (1, "backward")]);
    assert_eq!(notes[1].value.item(), 2.0);
}

#[test]
fn nothing_is_computed_for_notes_that_nobody_keeps() {
    for tape in [Tape::<f64>::new(), Tape::traced()] {
        tape.notes().add(|| unreachable!("nobody keeps it"));
    }
}

#[test]
fn no_time_is_taken() {
    let tape = Tape::keeping();
    let x = tape.leaf("x", Tensor::scalar(3.0));
    let (_, y) = cubic(&x);
    tape.backward(&y);
    let mut records = tape.records().into_iter();
    assert!(records.all(|record| record.forward.is_zero() && record.backward.is_zero()));
}

#[test]
#[should_panic(expected = "this tape keeps neither values nor notes; use Tape::keeping()")]
fn another_tape_has_no_values() {
    Tape::<f64>::traced().values();
}

#[test]
fn a_gradient_that_is_taken_is_gone() {
    let tape = Tape::keeping();
    let x = tape.leaf("x", Tensor::scalar(3.0));
    let (twice, y) = cubic(&x);
    let mut gradients: Gradients<f64> = tape.backward(&y);
    assert_eq!(gradients.take(&twice).map(|dy| dy.item()), Some(3.0));
    assert!(gradients.take(&twice).is_none());
}

#[test]
fn a_timed_tape_asks_for_no_norm() {
    let tape = Tape::timed();
    let x = tape.leaf("x", Tensor::scalar(3.0));
    x.save();
    let (twice, _) = cubic(&x);
    tape.backward(&twice);
    let records = tape.records();
    assert_eq!((records[1].name, records[1].saved_bytes), ("add", 0));
    let norms = [records[1].value_norm, records[0].gradient_norm];
    assert_eq!(norms, [None; 2]);
}

#[test]
#[should_panic(expected = "a plain tape keeps no records")]
fn a_plain_tape_tells_nothing() {
    Tape::<f64>::new().records();
}
