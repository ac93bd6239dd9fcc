//! A sum over n terms estimated from d of them, with weights that may carry a gradient.
//!
//! For indices i_1 .. i_d drawn with replacement by probabilities p, the sum of
//! f_{i_k} / (d p_{i_k}) is unbiased for the sum of all f_i (Drineas, Kannan, Mahoney 2006;
//! docs/paper.md 1.4). The sampled f and p come from wherever the caller computes them, usually
//! [`gather()`](crate::gather()) of all.
//!
//! Is its gradient unbiased? (Tests enumerate every draw.) In f, yes. In p alone, no: the expectation of the estimate
//! does not depend on p, but the mean of this gradient is -f_i / p_i, because the draws depend on p, too, which this
//! operator cannot see. The [`score_function`](super::score_function()) of the same draws is exactly the missing part.
//! So make p a parent together with it, or where the draws do not follow p, or to study the biased term alone.

use engine::check::{Case, check, normal};
use engine::{Real, Tensor, Var, lanes};

/// y = (1/d) sum_k f_k / p_k: f (d, c), one row a sample, and p (d, 1), the probability of each, to
/// (1, c).
///
/// # Panics
/// If the shapes are not these, d is 0, or a probability is not positive.
#[track_caller]
pub fn importance_sum<'t, T: Real>(f: &Var<'t, T>, p: &Var<'t, T>) -> Var<'t, T> {
    let d = f.rows();
    assert!(
        d > 0 && p.shape() == (d, 1),
        "importance_sum: f {:?} and p {:?} are not (d, c) and (d, 1) with d > 0",
        f.shape(),
        p.shape()
    );
    if let Some(k) = p.value().data().iter().position(|&p| p <= T::ZERO) {
        let p = p.value().data()[k];
        panic!("importance_sum: sample {k} has probability {p} and cannot have been drawn");
    }
    node(f, p)
}

/// df_k = dy / (d p_k) and dp_k = -<dy, f_k> / (d p_k²). Saved: f and p.
fn node<'t, T: Real>(f: &Var<'t, T>, p: &Var<'t, T>) -> Var<'t, T> {
    let (d, c) = f.shape();
    let mut y = Tensor::zeros(1, c);
    weighted_sum(f.value().data(), p.value().data(), y.data_mut());
    let parents = [f.node(), p.node()];
    let (tape, f, p) = (f.tape(), f.save(), p.save());
    tape.record("importance_sum", parents, y, move |dy| {
        let (mut df, mut dp) = (Tensor::stale(d, c), Tensor::stale(d, 1));
        pull_back(f.data(), p.data(), dy.data(), df.data_mut(), dp.data_mut());
        [df, dp]
    })
}

lanes! {
    fn weighted_sum<T>(f: &[T], p: &[T], y: &mut [T]) {
        let d = T::of(p.len() as f64);
        if y.is_empty() {
            return;
        }
        for (f, &p) in f.chunks_exact(y.len()).zip(p) {
            let weight = T::ONE / (d * p);
            for (y, &f) in y.iter_mut().zip(f) {
                *y = weight.mul_add(f, *y);
            }
        }
    }

    fn pull_back<T>(f: &[T], p: &[T], dy: &[T], df: &mut [T], dp: &mut [T]) {
        let d = T::of(p.len() as f64);
        let c = dy.len();
        for (k, (dp, &p)) in dp.iter_mut().zip(p).enumerate() {
            let weight = T::ONE / (d * p);
            let row = k * c..(k + 1) * c;
            *dp = -lanes::inner(dy, &f[row.clone()]) * weight / p;
            for (df, &dy) in df[row].iter_mut().zip(dy) {
                *df = weight * dy;
            }
        }
    }
}

/// The gradient checks of this file.
pub fn cases() -> Vec<Case> {
    vec![Case::new("importance_sum", |stream| {
        let mut checked = Vec::new();
        for (d, c) in [(1, 1), (1, 5), (4, 3), (7, 130)] {
            let stream = stream.at(c);
            let mut generator = stream.stream("p").generator();
            let inputs = [
                ("f", normal(stream.stream("f"), d, c)),
                ("p", Tensor::from_fn(d, 1, |_, _| 0.3 + generator.uniform())),
            ];
            checked.extend(check("importance_sum", stream, &inputs, |_, x| {
                importance_sum(&x[0], &x[1])
            })?);
        }
        Ok(checked)
    })]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gather;
    use crate::sample::{Baseline, log_probability, score_function};
    use engine::Tape;

    const F: [f64; 3] = [2.0, -1.0, 0.5];
    const LOGITS: [f64; 3] = [0.3, -0.4, 0.9];

    /// What all 3² draws of two indices by p = softmax(LOGITS) give on average.
    #[derive(Default)]
    struct Means {
        y: f64,
        df: [f64; 3],
        dp: [f64; 3],
        /// Through p = softmax(logits).
        dlogits: [f64; 3],
    }

    /// With `complete`, the estimate passes through the score function of its draw.
    fn expectations(complete: bool) -> Means {
        let (law, mut means) = (law(), Means::default());
        for draw in 0..9u32 {
            let indices = [draw / 3, draw % 3];
            let chance = law[indices[0] as usize] * law[indices[1] as usize];
            let leaf_f = || Tensor::from_slice(3, 1, &F);

            let tape = Tape::new();
            let (f, p) = (
                tape.leaf("f", leaf_f()),
                tape.leaf("p", Tensor::from_slice(3, 1, &law)),
            );
            let y = importance_sum(&gather(&f, &indices), &gather(&p, &indices));
            let gradients = tape.backward(&y);
            means.y += chance * y.item();
            add(&mut means.df, chance, &gradients.of(&f));
            add(&mut means.dp, chance, &gradients.of(&p));

            let tape = Tape::new();
            let f = tape.leaf("f", leaf_f());
            let logits = tape.leaf("logits", Tensor::from_slice(1, 3, &LOGITS));
            let log_p = log_probability(&logits, &indices); // (2, 1)
            let mut y = importance_sum(&gather(&f, &indices), &exp(&log_p));
            if complete {
                y = score_function(&log_p.sum(), &y, Baseline::None);
            }
            add(&mut means.dlogits, chance, &tape.backward(&y).of(&logits));
        }
        means
    }

    fn add(mean: &mut [f64; 3], chance: f64, gradient: &Tensor<f64>) {
        for (mean, gradient) in mean.iter_mut().zip(gradient.data()) {
            *mean += chance * gradient;
        }
    }

    fn exp<'t>(x: &Var<'t, f64>) -> Var<'t, f64> {
        let y = Tensor::from_fn(x.rows(), x.cols(), |i, j| x.value().row(i)[j].exp());
        let saved = y.clone();
        x.tape().record("exp", [x.node()], y, move |dy| {
            [Tensor::from_fn(dy.rows(), dy.cols(), |i, j| {
                dy.row(i)[j] * saved.row(i)[j]
            })]
        })
    }

    fn law() -> [f64; 3] {
        let total: f64 = LOGITS.iter().map(|l| l.exp()).sum();
        LOGITS.map(|l| l.exp() / total)
    }

    fn assert_close(got: &[f64], want: &[f64]) {
        for (got, want) in got.iter().zip(want) {
            assert!((got - want).abs() < 1e-12, "{got} is not {want}");
        }
    }

    #[test]
    fn the_estimate_and_its_gradient_in_f_are_unbiased() {
        let means = expectations(false);
        assert_close(&[means.y], &[F.iter().sum()]);
        assert_close(&means.df, &[1.0; 3]);
    }

    #[test]
    fn the_gradient_in_p_alone_is_biased_by_minus_f_over_p() {
        let (means, law) = (expectations(false), law());
        let bias = [0, 1, 2].map(|i| -F[i] / law[i]);
        assert_close(&means.dp, &bias);
        // Through the softmax: p * (dp - <dp, p>). The right gradient is 0.
        let inner: f64 = bias.iter().zip(&law).map(|(dp, p)| dp * p).sum();
        let through = [0, 1, 2].map(|i| law[i] * (bias[i] - inner));
        assert!(through.iter().all(|g| g.abs() > 0.1), "{through:?}");
        assert_close(&means.dlogits, &through);
    }

    #[test]
    fn with_the_score_function_it_is_unbiased() {
        assert_close(&expectations(true).dlogits, &[0.0; 3]);
    }

    #[test]
    #[should_panic(expected = "importance_sum: sample 1 has probability 0 and cannot")]
    fn what_cannot_have_been_drawn() {
        let tape = Tape::new();
        let f = tape.leaf("f", Tensor::<f32>::zeros(2, 3));
        let p = tape.leaf("p", Tensor::from_slice(2, 1, &[0.5, 0.0]));
        importance_sum(&f, &p);
    }
}
