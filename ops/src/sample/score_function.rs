//! The score-function estimator of the gradient of an expectation (REINFORCE, Williams 1992).
//!
//! For L = E f(i) over i drawn by p, with f and p both depending on the parameters,
//!
//! ```text
//! grad L = E [ grad f(i) + (f(i) - b) grad log p(i) ]
//! ```
//!
//! for every baseline b that does not depend on i, because E grad log p(i) = 0. It asks nothing of
//! f, not even that it can be differentiated; the price is variance, which the baseline lowers. The
//! first term is what a tape sees by itself; the second comes from this node, written as the
//! surrogate whose value is the plain mean of f (Schulman et al. 2015, eq. 4).

use engine::check::{Case, check, normal};
use engine::{Real, Tensor, Var};

/// What is subtracted from f; none of them changes the expectation of the gradient.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Baseline {
    /// Nothing.
    None,
    /// A number known before the draw: a running mean, a prediction.
    Constant(f64),
    /// For each sample the mean of f over the others (Kool, van Hoof, Welling 2019). The mean over
    /// all samples would shrink the gradient by 1 - 1/d: it is not independent of the sample.
    LeaveOneOut,
}

/// y = mean of f: of independent samples with log probabilities log_p (d, 1) and rewards f (d, 1), to (1, 1). The gradient in f is that of the mean; the gradient in log_p is that of
/// the law.
///
/// # Panics
/// If the shapes are not these, d is 0, or d is 1 with [`Baseline::LeaveOneOut`].
#[track_caller]
pub fn score_function<'t, T: Real>(
    log_p: &Var<'t, T>,
    f: &Var<'t, T>,
    baseline: Baseline,
) -> Var<'t, T> {
    let d = f.rows();
    assert!(
        d > 0 && f.cols() == 1 && log_p.shape() == f.shape(),
        "score_function: log_p {:?} and f {:?} are not both (d, 1) with d > 0",
        log_p.shape(),
        f.shape()
    );
    assert!(
        d > 1 || baseline != Baseline::LeaveOneOut,
        "score_function: LeaveOneOut needs two samples"
    );
    node(log_p, f, advantages(f.value(), baseline), log_p.value())
}

/// f_k - b_k: a constant of the backward pass.
pub fn advantages<T: Real>(f: &Tensor<T>, baseline: Baseline) -> Tensor<T> {
    let d = f.rows();
    let total = engine::lanes::sum(f.data());
    Tensor::from_fn(d, 1, |k, _| {
        let f = f.data()[k];
        match baseline {
            Baseline::None => f,
            Baseline::Constant(b) => f - T::of(b),
            Baseline::LeaveOneOut => f - (total - f) / T::of(d as f64 - 1.0),
        }
    })
}

/// y = (1/d) sum_k [ f_k + a_k (log_p_k - anchor_k) ] where the anchor is log_p itself, held fixed:
/// the second term is 0 and its gradient is not. (With the advantages a and the anchor arguments, a
/// check can move log_p and leave them behind.)
///
/// # Panics
/// If log_p, f, a and the anchor are not all (d, 1).
#[track_caller]
pub fn anchored<'t, T: Real>(
    log_p: &Var<'t, T>,
    f: &Var<'t, T>,
    a: Tensor<T>,
    anchor: &Tensor<T>,
) -> Var<'t, T> {
    let shape = (f.rows(), 1);
    assert!(
        [log_p.shape(), f.shape(), a.shape(), anchor.shape()] == [shape; 4],
        "score_function: log_p {:?}, f {:?}, a {:?} and anchor {:?} are not all (d, 1)",
        log_p.shape(),
        f.shape(),
        a.shape(),
        anchor.shape()
    );
    node(log_p, f, a, anchor)
}

/// df_k = dy / d and dlog_p_k = a_k dy / d. Saved: a.
fn node<'t, T: Real>(
    log_p: &Var<'t, T>,
    f: &Var<'t, T>,
    a: Tensor<T>,
    anchor: &Tensor<T>,
) -> Var<'t, T> {
    let d = f.rows();
    let moved = Tensor::from_fn(d, 1, |k, _| log_p.value().data()[k] - anchor.data()[k]);
    let count = T::of(d as f64);
    let total = engine::lanes::sum(f.value().data()) + engine::lanes::dot(a.data(), moved.data());
    let y = Tensor::scalar(total / count);
    let a = f.tape().save(&a);
    let parents = [log_p.node(), f.node()];
    f.tape().record("score_function", parents, y, move |dy| {
        let share = dy.item() / count;
        let mut dlog_p = a.into_owned();
        engine::lanes::scale(share, dlog_p.data_mut());
        [dlog_p, Tensor::filled(d, 1, share)]
    })
}

/// The gradient checks of this file.
pub fn cases() -> Vec<Case> {
    vec![Case::new("score_function", |stream| {
        let mut checked = Vec::new();
        for (d, baseline) in [
            (1, Baseline::None),
            (4, Baseline::Constant(0.7)),
            (5, Baseline::LeaveOneOut),
        ] {
            let stream = stream.at(d);
            let (log_p, f) = (
                normal(stream.stream("log_p"), d, 1),
                normal(stream.stream("f"), d, 1),
            );
            let a = advantages(&f, baseline);
            let inputs = [("log_p", log_p.clone()), ("f", f)];
            checked.extend(check("score_function", stream, &inputs, |_, x| {
                anchored(&x[0], &x[1], a.clone(), &log_p)
            })?);
        }
        Ok(checked)
    })]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gather;
    use crate::sample::log_probability;
    use engine::Tape;

    const F: [f64; 3] = [4.0, 5.0, 7.0];
    const LOGITS: [f64; 3] = [0.3, -0.4, 0.9];

    fn law() -> [f64; 3] {
        let total: f64 = LOGITS.iter().map(|l| l.exp()).sum();
        LOGITS.map(|l| l.exp() / total)
    }

    /// dL/dl_j = p_j (f_j - sum p f), by the softmax.
    fn exact() -> [f64; 3] {
        let law = law();
        let mean: f64 = law.iter().zip(F).map(|(p, f)| p * f).sum();
        [0, 1, 2].map(|j| law[j] * (F[j] - mean))
    }

    /// Goes through all 3^d draws of d indices: expectation of the value, of the gradients in the
    /// logits and in f, and the summed variance of the former.
    fn expectations(
        d: u32,
        estimate: impl for<'t> Fn(&Var<'t, f64>, &Var<'t, f64>) -> Var<'t, f64>,
    ) -> (f64, [f64; 3], [f64; 3], f64) {
        let (mut y, mut dl, mut df, mut squares) = (0.0, [0.0; 3], [0.0; 3], 0.0);
        for draw in 0..3u32.pow(d) {
            let indices: Vec<u32> = (0..d).map(|k| draw / 3u32.pow(k) % 3).collect();
            let chance: f64 = indices.iter().map(|&i| law()[i as usize]).product();
            let tape = Tape::new();
            let logits = tape.leaf("logits", Tensor::from_slice(1, 3, &LOGITS));
            let f = tape.leaf("f", Tensor::from_slice(3, 1, &F));
            let output = estimate(&log_probability(&logits, &indices), &gather(&f, &indices));
            y += chance * output.item();
            let gradients = tape.backward(&output);
            let (in_logits, in_f) = (gradients.of(&logits), gradients.of(&f));
            for j in 0..3 {
                dl[j] += chance * in_logits.data()[j];
                df[j] += chance * in_f.data()[j];
                squares += chance * in_logits.data()[j].powi(2);
            }
        }
        (y, dl, df, squares - dl.iter().map(|g| g * g).sum::<f64>())
    }

    fn assert_close(got: &[f64], want: &[f64]) {
        for (got, want) in got.iter().zip(want) {
            assert!((got - want).abs() < 1e-12, "{got} is not {want}");
        }
    }

    #[test]
    fn every_baseline_is_unbiased_and_lowers_the_variance() {
        let mut variances = Vec::new();
        for (d, baseline) in [
            (1, Baseline::None),
            (3, Baseline::None),
            (3, Baseline::Constant(5.5)),
            (3, Baseline::LeaveOneOut),
        ] {
            let (y, dl, df, variance) =
                expectations(d, |log_p, f| score_function(log_p, f, baseline));
            let mean: f64 = law().iter().zip(F).map(|(p, f)| p * f).sum();
            assert_close(&[y], &[mean]);
            assert_close(&dl, &exact());
            assert_close(&df, &law()); // dL/df_j = p_j
            variances.push(variance);
        }
        let [one, three, constant, leave_one_out] = variances[..] else {
            unreachable!("four variances");
        };
        assert!(
            (one / three - 3.0).abs() < 1e-9,
            "three samples, a third: {one}, {three}"
        );
        // Measured: 0.04 and 0.09 of the one without a baseline.
        assert!(constant < 0.1 * three, "{constant} and {three}");
        assert!(leave_one_out < 0.2 * three, "{leave_one_out} and {three}");
    }

    #[test]
    fn the_mean_of_all_samples_as_a_baseline_shrinks_the_gradient() {
        // What LeaveOneOut's page claims, and a proof that the test above can fail.
        let (_, dl, _, _) = expectations(3, |log_p, f| {
            let mean = engine::lanes::sum(f.value().data()) / 3.0;
            score_function(log_p, f, Baseline::Constant(mean))
        });
        assert_close(&dl, &exact().map(|g| g * (2.0 / 3.0)));
    }

    #[test]
    #[should_panic(expected = "score_function: LeaveOneOut needs two samples")]
    fn one_left_out_of_one() {
        let tape = Tape::new();
        let x = tape.leaf("x", Tensor::<f32>::zeros(1, 1));
        score_function(&x, &x, Baseline::LeaveOneOut);
    }
}
