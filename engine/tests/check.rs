//! The gradient checker on functions that bend within its first step.

use engine::check::{Checked, Failure, check};
use engine::{Seed, Tensor};

/// y = √(x² + 1e-6) at x = 1e-3, where a step of 1e-3 sees another slope; the pullback is off by `factor`.
fn bent(factor: f64) -> Result<Vec<Checked>, Failure> {
    let x = Tensor::from_slice(1, 2, &[1e-3, -1.5e-3]);
    check("bent", Seed(5).stream("bent"), &[("x", x)], |tape, x| {
        let kept = x[0].save();
        let root = |x: f64| (x * x + 1e-6).sqrt();
        let y = Tensor::from_fn(1, 2, |_, j| root(kept.data()[j]));
        tape.record("bent", [x[0].node()], y, move |dy| {
            let slope = |x: f64| factor * x / root(x);
            [Tensor::from_fn(1, 2, |_, j| {
                dy.data()[j] * slope(kept.data()[j])
            })]
        })
    })
}

#[test]
fn a_shorter_step_lets_a_right_gradient_pass_and_no_wrong_one() {
    let checked = bent(1.0).unwrap();
    assert!(checked[0].error <= engine::check::TOLERANCE);
    for wrong in [1.00001, 0.99, 0.0] {
        bent(wrong).expect_err("a wrong gradient");
    }
}
