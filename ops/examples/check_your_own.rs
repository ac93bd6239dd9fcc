//! An operator of your own, its gradient, and the check of it: `cargo run -p ops --example check_your_own`.
//!
//! Softplus, y = ln(1 + e^x):  dx = dy / (1 + e^-x).

use engine::check::{check, normal};
use engine::{Real, Seed, Tensor, Var};

fn softplus<'t, T: Real>(x: &Var<'t, T>, slope: fn(T) -> T) -> Var<'t, T> {
    let x_saved = x.save(); // the tape notes what is kept for backward
    let [rows, cols] = [x.rows(), x.cols()];
    let y = Tensor::from_fn(rows, cols, |i, j| (T::ONE + x_saved.row(i)[j].exp()).ln());
    x.tape().record("softplus", [x.node()], y, move |dy| {
        [Tensor::from_fn(rows, cols, |i, j| {
            dy.row(i)[j] * slope(x_saved.row(i)[j])
        })]
    })
}

fn main() {
    let stream = Seed(1).stream("softplus");
    let x = normal(stream.stream("x"), 5, 3);
    let of = |slope: fn(f64) -> f64| {
        let inputs = [("x", x.clone())];
        check("softplus", stream, &inputs, |_, v| softplus(&v[0], slope))
    };
    let checked = of(|x| 1.0 / (1.0 + (-x).exp())).expect("the right gradient");
    println!("right: error {:.0e}", checked[0].error);

    let failure = of(|x| 1.001 / (1.0 + (-x).exp())).expect_err("a tenth of a per cent off");
    println!("wrong: {failure}");
}
