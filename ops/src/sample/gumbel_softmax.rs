//! The Gumbel-softmax relaxation of a draw (Jang, Gu, Poole 2017; Maddison, Mnih, Teh 2017).
//!
//! The index of the largest l_j + G_j, with G_j independent standard Gumbel, is a draw by
//! softmax(l). Put a softmax with temperature in the place of the largest, and the draw becomes a
//! smooth function of l at frozen noise:
//!
//! ```text
//! y = softmax((l + G) / temperature)
//! ```
//!
//! Its gradient is exact for the relaxed expectation E g(y), and biased for E g(one-hot draw): the
//! bias vanishes as the temperature goes to 0, where the variance grows without bound (tests). With
//! noise 0 and temperature 1 it is the softmax itself.

use engine::check::{Case, check, normal};
use engine::{Draws, Real, Tensor, Var, lanes};

/// Standard Gumbel noise (rows, cols), -ln of an exponential of mean 1, under the name `name`.
///
/// # Panics
/// If `draws` replays indices or another count of numbers under that name.
pub fn gumbel_noise<T: Real>(rows: usize, cols: usize, draws: &Draws, name: &str) -> Tensor<T> {
    let noise = draws.numbers(name, |generator| {
        (0..rows * cols)
            .map(|_| -libm::log(generator.exponential()))
            .collect()
    });
    assert_eq!(noise.len(), rows * cols, "draw {name}: {rows} x {cols}");
    Tensor::from_fn(rows, cols, |i, j| T::of(noise[i * cols + j]))
}

/// y = softmax((logits + noise) / temperature), every row apart: (m, n) to (m, n). The noise is a
/// constant.
///
/// # Panics
/// If the shapes differ, n is 0, or the temperature is not positive.
#[track_caller]
pub fn gumbel_softmax<'t, T: Real>(
    logits: &Var<'t, T>,
    noise: &Tensor<T>,
    temperature: f64,
) -> Var<'t, T> {
    assert!(
        logits.shape() == noise.shape() && logits.cols() > 0,
        "gumbel_softmax: logits {:?} and noise {:?} are not both (m, n) with n > 0",
        logits.shape(),
        noise.shape()
    );
    assert!(
        temperature > 0.0,
        "gumbel_softmax: temperature {temperature}"
    );
    node(logits, noise, T::of(1.0 / temperature))
}

/// dl = y * (dy - <dy, y>) / temperature. Saved: y.
fn node<'t, T: Real>(logits: &Var<'t, T>, noise: &Tensor<T>, inverse: T) -> Var<'t, T> {
    let cols = logits.cols();
    let mut y = Tensor::stale(logits.rows(), cols);
    let l = logits.value().data();
    relax(l, noise.data(), inverse, cols, y.data_mut());
    let saved = logits.tape().save(&y);
    logits
        .tape()
        .record("gumbel_softmax", [logits.node()], y, move |dy| {
            let mut dl = dy.into_owned(); // dy at first
            pull_back(saved.data(), inverse, cols, dl.data_mut());
            [dl]
        })
}

lanes! {
    fn relax<T>(l: &[T], noise: &[T], inverse: T, cols: usize, y: &mut [T]) {
        for (i, y) in y.chunks_exact_mut(cols).enumerate() {
            let row = i * cols..(i + 1) * cols;
            for ((y, &l), &noise) in y.iter_mut().zip(&l[row.clone()]).zip(&noise[row]) {
                *y = l + noise;
            }
            let largest = lanes::fold(y, y[0], |a, b| a.larger(b), |y| y);
            for y in y.iter_mut() {
                *y = ((*y - largest) * inverse).exp();
            }
            let scale = T::ONE / lanes::fold(y, T::ZERO, |a, b| a + b, |y| y);
            for y in y.iter_mut() {
                *y *= scale;
            }
        }
    }

    fn pull_back<T>(y: &[T], inverse: T, cols: usize, dl: &mut [T]) {
        for (y, d) in y.chunks_exact(cols).zip(dl.chunks_exact_mut(cols)) {
            let level = lanes::inner(y, d); // <dy, y>
            for (d, &y) in d.iter_mut().zip(y) {
                *d = y * (*d - level) * inverse;
            }
        }
    }
}

/// The gradient checks of this file.
pub fn cases() -> Vec<Case> {
    vec![Case::new("gumbel_softmax", |stream| {
        let mut checked = Vec::new();
        for (m, n, temperature) in [(1, 2, 1.0), (3, 5, 0.5), (2, 67, 2.0)] {
            let stream = stream.at(n);
            let noise = gumbel_noise(m, n, &Draws::live(stream), "noise");
            let logits = [("logits", normal(stream.stream("logits"), m, n))];
            checked.extend(check("gumbel_softmax", stream, &logits, |_, x| {
                gumbel_softmax(&x[0], &noise, temperature)
            })?);
        }
        Ok(checked)
    })]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{argmax_rows, chi_square};
    use engine::{Seed, Tape};

    #[test]
    fn the_largest_is_a_draw_by_softmax_at_every_temperature() {
        let logits = [0.0f64, 1.0, -1.0, 0.5];
        let total: f64 = logits.iter().map(|l| l.exp()).sum();
        let law: Vec<f64> = logits.iter().map(|l| l.exp() / total).collect();
        for temperature in [0.1, 1.0, 10.0] {
            let draws = Draws::live(Seed(1).stream("gumbel"));
            let tape = Tape::forward_only();
            let l = tape.leaf("l", Tensor::from_fn(100_000, 4, |_, j| logits[j]));
            let noise = gumbel_noise(100_000, 4, &draws, "noise");
            let y = gumbel_softmax(&l, &noise, temperature);
            let mut counts = [0.0; 4];
            for i in argmax_rows(y.value()) {
                counts[i as usize] += 1.0;
            }
            let statistic = chi_square(&counts, &law);
            assert!(statistic < 16.3, "3 degrees of freedom, 0.1 %: {statistic}");
        }
    }

    /// g(y) = (y_1 c_1 + y_2 c_2)²: not linear, so that a mixture of both is worth something else
    /// than a draw of one.
    const C: [f64; 2] = [2.0, -1.0];
    const LOGITS: [f64; 2] = [0.4, -0.3];

    /// Means over the noise of g, of its gradient in the first logit and of that squared. For two
    /// logits only G_1 - G_2 matters, which is logistic: ln(u / (1 - u)) for uniform u, here on a
    /// grid of midpoints instead of random.
    fn over_the_noise(logits: [f64; 2], temperature: f64) -> (f64, f64, f64) {
        let points = 20_000;
        let tape = Tape::new();
        let noise = Tensor::from_fn(points, 2, |i, j| {
            let u = (i as f64 + 0.5) / points as f64;
            if j == 0 { (u / (1.0 - u)).ln() } else { 0.0 }
        });
        let l = tape.leaf("l", Tensor::from_fn(points, 2, |_, j| logits[j]));
        let y = gumbel_softmax(&l, &noise, temperature);
        let worth = y.matmul(&tape.leaf("c", Tensor::from_slice(2, 1, &C)));
        let g = (&worth * &worth).sum();
        let dl = tape.backward(&g).of(&l);
        let count = points as f64;
        let mean =
            |f: &dyn Fn(f64) -> f64| (0..points).map(|i| f(dl.row(i)[0])).sum::<f64>() / count;
        (g.item() / count, mean(&|d| d), mean(&|d| d * d))
    }

    #[test]
    fn its_gradient_is_that_of_the_relaxed_expectation() {
        let step = 1e-4;
        let value = |l: f64| over_the_noise([l, LOGITS[1]], 0.7).0;
        let slope = (value(LOGITS[0] + step) - value(LOGITS[0] - step)) / (2.0 * step);
        let (_, gradient, _) = over_the_noise(LOGITS, 0.7);
        // The step's square; the grid is the same on both sides.
        assert!((gradient - slope).abs() < 1e-7, "{gradient} and {slope}");
    }

    #[test]
    fn for_the_discrete_expectation_its_bias_falls_with_the_temperature_and_its_variance_grows() {
        // E g = p_1 c_1² + p_2 c_2², so dE g / dl_1 = p_1 p_2 (c_1² - c_2²).
        let p = 1.0 / (1.0 + (LOGITS[1] - LOGITS[0]).exp());
        let exact = p * (1.0 - p) * (C[0] * C[0] - C[1] * C[1]);
        // Not from temperature 1: there, for this g, two biases of opposite signs nearly cancel.
        let measured = [0.5, 0.25, 0.1, 0.05].map(|temperature| {
            let (_, mean, square) = over_the_noise(LOGITS, temperature);
            ((mean - exact).abs() / exact, square - mean * mean)
        });
        // Measured: bias 20, 18, 9, 5 % and variance 1.3, 3.3, 9, 19.
        for pair in measured.windows(2) {
            assert!(pair[1].0 < 0.95 * pair[0].0, "bias, relative: {measured:?}");
            assert!(pair[1].1 > 1.5 * pair[0].1, "variance: {measured:?}");
        }
        let (first, last) = (measured[0].0, measured[3].0);
        assert!(first > 0.15 && last < 0.07, "{measured:?}");
    }
}
