//! The log probability of indices under a softmax: what the score function differentiates.

use engine::check::{Case, check, normal};
use engine::{Real, Tensor, Var};

/// y_k = l_{i_k} - ln sum_j e^{l_j} for the indices i: logits (1, n) to (d, 1). An index may come
/// twice.
///
/// # Panics
/// If the logits are not one row, n is 0, or an index is not below n.
#[track_caller]
pub fn log_probability<'t, T: Real>(logits: &Var<'t, T>, indices: &[u32]) -> Var<'t, T> {
    let (rows, n) = logits.shape();
    assert!(
        rows == 1 && n > 0,
        "log_probability: logits {:?} are not (1, n) with n > 0",
        logits.shape()
    );
    if let Some(i) = indices.iter().find(|&&i| i as usize >= n) {
        panic!("log_probability: index {i} of {n} logits");
    }
    node(logits, indices)
}

/// With p = softmax(l): dl_j = sum of dy_k over k with i_k = j, minus p_j sum_k dy_k. Saved: p.
fn node<'t, T: Real>(logits: &Var<'t, T>, indices: &[u32]) -> Var<'t, T> {
    let l = logits.value().data();
    let largest = l.iter().fold(l[0], |a, &b| a.larger(b));
    let mut p = Tensor::from_fn(1, l.len(), |_, j| (l[j] - largest).exp()); // (1, n)
    let total = engine::lanes::sum(p.data());
    engine::lanes::scale(T::ONE / total, p.data_mut());
    let log_total = total.ln();
    let y = Tensor::from_fn(indices.len(), 1, |k, _| {
        l[indices[k] as usize] - largest - log_total
    });
    let p = logits.tape().save(&p);
    let indices = indices.to_vec();
    logits
        .tape()
        .record("log_probability", [logits.node()], y, move |dy| {
            let mut dl = p.into_owned();
            engine::lanes::scale(-engine::lanes::sum(dy.data()), dl.data_mut());
            for (&i, &dy) in indices.iter().zip(dy.data()) {
                dl.data_mut()[i as usize] += dy;
            }
            [dl]
        })
}

/// The gradient checks of this file.
pub fn cases() -> Vec<Case> {
    vec![Case::new("log_probability", |stream| {
        let mut checked = Vec::new();
        for (n, indices) in [(2, vec![1]), (5, vec![4, 0, 0, 2]), (67, vec![66, 3, 3, 3])] {
            let stream = stream.at(n);
            let logits = normal(stream.stream("logits"), 1, n);
            checked.extend(check(
                "log_probability",
                stream,
                &[("logits", logits)],
                |_, x| log_probability(&x[0], &indices),
            )?);
        }
        Ok(checked)
    })]
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::Tape;

    #[test]
    fn against_the_plain_formula_and_finite_at_large_logits() {
        let tape = Tape::forward_only();
        let l = [0.5f64, -1.0, 2.0];
        let total: f64 = l.iter().map(|l| l.exp()).sum();
        for shift in [0.0, 800.0, -800.0] {
            let logits = tape.leaf("logits", Tensor::from_fn(1, 3, |_, j| l[j] + shift));
            let y = log_probability(&logits, &[2, 0, 2]);
            for (got, i) in y.value().data().iter().zip([2, 0, 2]) {
                let want = l[i] - total.ln();
                // Adding 800 to a logit rounds it to 1e-13.
                assert!((got - want).abs() < 2e-13, "{got} is not {want}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "log_probability: index 3 of 3 logits")]
    fn an_index_that_is_not_there() {
        log_probability(&Tape::new().leaf("l", Tensor::<f32>::zeros(1, 3)), &[0, 3]);
    }
}
