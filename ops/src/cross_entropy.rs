//! The loss of every classifier.
//!
//! ```text
//! z = logits - their maximum        p = softmax(logits) = exp(z) / sum of exp(z)
//! loss = -ln p_label = ln(sum of exp(z)) - z_label
//! dlogits = dloss (p - e_label)     e_label the row with 1 at the label
//! ```
//!
//! No exponential of z overflows, and one of them is 1. Since p_k is the derivative of ln(sum of exp) by logit k, and
//! the maximum cancels, the gradient needs p alone.

use engine::check::{Case, check, normal};
use engine::{Real, Tensor, Var};

/// loss = -ln p_label with p = softmax(logits): (1, classes) to (1, 1). The loss is NaN unless all logits are finite:
/// otherwise minus infinity at another class would go unnoticed.
///
/// # Panics
/// If the logits are not one row, or `label` is not below the number of classes.
#[track_caller]
pub fn cross_entropy<'t, T: Real>(logits: &Var<'t, T>, label: usize) -> Var<'t, T> {
    let (rows, classes) = logits.shape();
    assert!(
        rows == 1 && label < classes,
        "cross_entropy: label {label} of logits ({rows}, {classes})"
    );
    node(logits, label)
}

/// dlogits = dloss (p - e_label). Saved: p.
fn node<'t, T: Real>(logits: &Var<'t, T>, label: usize) -> Var<'t, T> {
    let x = logits.value().data();
    let largest = x[1..].iter().fold(x[0], |largest, &x| largest.larger(x));
    let mut p = Tensor::from_fn(1, x.len(), |_, k| (x[k] - largest).exp());
    let sum = p.data().iter().copied().sum::<T>();
    for p in p.data_mut() {
        *p /= sum;
    }
    let loss = match x.iter().all(|x| x.is_finite()) {
        true => sum.ln() - (x[label] - largest),
        false => T::of(f64::NAN),
    };
    let (tape, p) = (logits.tape(), logits.tape().save(&p));
    tape.record(
        "cross_entropy",
        [logits.node()],
        Tensor::scalar(loss),
        move |dloss| {
            let dloss = dloss.item();
            let mut dlogits = p.into_owned(); // p at first
            dlogits.data_mut()[label] -= T::ONE;
            for d in dlogits.data_mut() {
                *d *= dloss;
            }
            [dlogits]
        },
    )
}

/// The gradient checks of this file.
pub fn cases() -> Vec<Case> {
    vec![Case::new("cross_entropy", |stream| {
        let mut checked = Vec::new();
        for (classes, label) in [(2, 1), (10, 3), (3, 0)] {
            let logits = normal(stream.stream("logits").at(classes), 1, classes);
            checked.extend(check(
                "cross_entropy",
                stream,
                &[("logits", logits)],
                |_, x| cross_entropy(&x[0], label),
            )?);
        }
        Ok(checked)
    })]
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::Tape;

    fn loss_and_gradient<T: Real>(logits: &[T], label: usize) -> (f64, Vec<f64>) {
        let tape = Tape::new();
        let logits = tape.leaf("logits", Tensor::from_slice(1, logits.len(), logits));
        let loss = cross_entropy(&logits, label);
        let gradient = tape.backward(&loss).of(&logits);
        let gradient = gradient.data().iter().map(|g| g.f64()).collect();
        (loss.item().f64(), gradient)
    }

    #[test]
    fn values_equal_the_definition() {
        let logits = [0.3, -1.2, 2.0];
        let sum: f64 = logits.iter().map(|&x| libm::exp(x)).sum();
        for label in 0..3 {
            let (loss, gradient) = loss_and_gradient(&logits, label);
            let p = |k: usize| libm::exp(logits[k]) / sum;
            assert!((loss + libm::log(p(label))).abs() < 1e-15);
            for (k, g) in gradient.into_iter().enumerate() {
                let want = p(k) - f64::from(u8::from(k == label));
                assert!((g - want).abs() < 1e-15);
            }
        }
    }

    #[test]
    fn logits_of_any_size() {
        let (loss, gradient) = loss_and_gradient(&[1e4f32, -1e4], 1);
        assert_eq!((loss, gradient), (2e4, vec![1.0, -1.0]));
        let (loss, gradient) = loss_and_gradient(&[-3e38f32, -3e38], 0);
        assert!((loss - std::f64::consts::LN_2).abs() < 1e-7);
        assert_eq!(gradient, [-0.5, 0.5]);
    }

    #[test]
    fn an_infinite_logit_is_no_finite_loss_whatever_its_class() {
        let infinity = f32::INFINITY;
        for logits in [[0.0, -infinity], [-infinity, 0.0], [0.0, infinity]] {
            assert!(loss_and_gradient(&logits, 0).0.is_nan(), "{logits:?}");
        }
        // What f32 cannot hold.
        assert_eq!(loss_and_gradient(&[3e38f32, -3e38], 1).0, f64::INFINITY);
    }

    #[test]
    fn one_class_is_certain() {
        assert_eq!(loss_and_gradient(&[5.0f64], 0), (0.0, vec![0.0]));
    }

    #[test]
    #[should_panic(expected = "cross_entropy: label 2 of logits (1, 2)")]
    fn a_label_that_is_no_class() {
        loss_and_gradient(&[0.0f32; 2], 2);
    }
}
