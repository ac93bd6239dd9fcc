//! Layer normalisation of every row (Ba, Kiros, Hinton 2016), before each sublayer and after the last.
//!
//! For a row x of c numbers with mean m and deviation σ = (mean of (x - m)² + 1e-5)^½:
//!
//! ```text
//! x̂ = (x - m) / σ                         y = x̂ * gain + bias
//!
//! dgain = sum over rows of dy * x̂         dbias = sum over rows of dy         dx̂ = dy * gain
//! dx = (dx̂ - mean(dx̂) - x̂ mean(dx̂ * x̂)) / σ
//! ```
//!
//! The last line: m and σ depend on x, too. dm/dx_j = 1 / c and dσ/dx_j = x̂_j / c, so dx̂_i/dx_j is
//! (\[i = j\] - 1 / c - x̂_i x̂_j / c) / σ.

use engine::check::{Case, check, normal};
use engine::lanes::{short_inner, short_sum};
use engine::{Real, Tensor, Var, lanes};

/// Added to the variance, as in the reference.
pub const EPSILON: f64 = 1e-5;

/// y = x̂ * gain + bias, where a row x̂ is (x - mean) / sqrt(variance + 1e-5), with the mean and the variance (divided
/// by c) of that row: x (n, c), gain and bias (1, c) to (n, c).
///
/// # Panics
/// If the shapes are not these, or c is 0.
#[track_caller]
pub fn layer_norm<'t, T: Real>(x: &Var<'t, T>, gain: &Var<'t, T>, bias: &Var<'t, T>) -> Var<'t, T> {
    let c = x.cols();
    assert!(
        c > 0 && gain.shape() == (1, c) && bias.shape() == (1, c),
        "layer_norm: x {:?}, gain {:?} and bias {:?} are not (n, c), (1, c) and (1, c)",
        x.shape(),
        gain.shape(),
        bias.shape()
    );
    node(x, gain, bias)
}

/// Saved: x, gain, and two numbers a row (mean, 1 / deviation); from them x̂ is computed again.
fn node<'t, T: Real>(x: &Var<'t, T>, gain: &Var<'t, T>, bias: &Var<'t, T>) -> Var<'t, T> {
    let (n, c) = x.shape();
    let mut y = Tensor::stale(n, c);
    let mut moments = Tensor::stale(n, 2);
    normalise(
        x.value().data(),
        gain.value().data(),
        bias.value().data(),
        moments.data_mut(),
        y.data_mut(),
    );
    let parents = [x.node(), gain.node(), bias.node()];
    let (tape, x, gain) = (x.tape(), x.save(), gain.save());
    let moments = tape.save(&moments);
    tape.record("layer_norm", parents, y, move |dy| {
        let mut dx = dy.into_owned(); // dy at first
        let (mut dgain, mut dbias) = (Tensor::zeros(1, c), Tensor::zeros(1, c));
        pull_back(
            x.data(),
            gain.data(),
            moments.data(),
            dx.data_mut(),
            dgain.data_mut(),
            dbias.data_mut(),
        );
        [dx, dgain, dbias]
    })
}

lanes! {
    fn normalise<T>(x: &[T], gain: &[T], bias: &[T], moments: &mut [T], y: &mut [T]) {
        let c = gain.len();
        let count = T::of(c as f64);
        let rows = x.chunks_exact(c).zip(y.chunks_exact_mut(c));
        for ((x, y), moments) in rows.zip(moments.chunks_exact_mut(2)) {
            let mean = short_sum(x) / count;
            for (y, &x) in y.iter_mut().zip(x) {
                *y = x - mean;
            }
            // About the mean, in a second pass over a row in cache: x² - mean² would lose the digits they share.
            let variance = short_inner(y, y) / count;
            let inverse = T::ONE / (variance + T::of(EPSILON)).sqrt();
            for ((y, &gain), &bias) in y.iter_mut().zip(gain).zip(bias) {
                *y = (*y * inverse).mul_add(gain, bias);
            }
            moments[0] = mean;
            moments[1] = inverse;
        }
    }

    /// dx (dy at first), dgain and dbias as on the module's page.
    fn pull_back<T>(x: &[T], gain: &[T], moments: &[T], dx: &mut [T], dgain: &mut [T], dbias: &mut [T]) {
        let c = gain.len();
        let count = T::of(c as f64);
        let mut normal = vec![T::ZERO; c]; // x̂
        let rows = x.chunks_exact(c).zip(dx.chunks_exact_mut(c));
        for ((x, d), moments) in rows.zip(moments.chunks_exact(2)) {
            let (mean, inverse) = (moments[0], moments[1]);
            let columns = dbias.iter_mut().zip(&mut *dgain).zip(gain);
            let row = x.iter().zip(&mut *d).zip(&mut normal);
            for (((&x, d), normal), ((dbias, dgain), &gain)) in row.zip(columns) {
                *normal = (x - mean) * inverse;
                *dbias += *d;
                *dgain = d.mul_add(*normal, *dgain);
                *d *= gain; // dy becomes dx̂
            }
            let level = short_sum(d) / count;
            let slope = short_inner(d, &normal) / count;
            for (d, &normal) in d.iter_mut().zip(&normal) {
                *d = normal.mul_add(-slope, *d - level) * inverse;
            }
        }
    }
}

/// The gradient checks of this file.
pub fn cases() -> Vec<Case> {
    vec![Case::new("layer_norm", |stream| {
        let mut checked = Vec::new();
        // Not c = 1 or 2: there x̂ is 0 or (1, -1) whatever x is, and dx nothing but the 1e-5.
        for (n, c) in [(1, 4), (5, 3), (3, 67), (1, 8)] {
            let stream = stream.at(c);
            let inputs = [
                ("x", normal(stream.stream("x"), n, c)),
                ("gain", normal(stream.stream("gain"), 1, c)),
                ("bias", normal(stream.stream("bias"), 1, c)),
            ];
            checked.extend(check("layer_norm", stream, &inputs, |_, v| {
                layer_norm(&v[0], &v[1], &v[2])
            })?);
        }
        Ok(checked)
    })]
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::{Seed, Tape};

    #[test]
    fn values_equal_the_plain_loop() {
        for (n, c) in [(1, 1), (4, 5), (3, 64), (2, 131)] {
            let stream = Seed(1).stream("layer_norm").at(c);
            let tape = Tape::forward_only();
            let x = tape.leaf("x", normal(stream.stream("x"), n, c));
            let gain = tape.leaf("gain", normal(stream.stream("gain"), 1, c));
            let bias = tape.leaf("bias", normal(stream.stream("bias"), 1, c));
            let y = layer_norm(&x, &gain, &bias);
            for i in 0..n {
                let row = x.value().row(i);
                let mean = row.iter().sum::<f64>() / c as f64;
                let squares = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>();
                let deviation = (squares / c as f64 + 1e-5).sqrt();
                for (j, &y) in y.value().row(i).iter().enumerate() {
                    let (gain, bias) = (gain.value().data()[j], bias.value().data()[j]);
                    let want = (row[j] - mean) / deviation * gain + bias;
                    assert!((y - want).abs() < 1e-13);
                }
            }
        }
    }

    #[test]
    fn rows_far_from_zero_keep_their_digits() {
        // Mean 1000, deviation 0.5: the mean square would lose all of it in f32.
        let tape = Tape::forward_only();
        let sign = |j: usize| if j.is_multiple_of(2) { 1f32 } else { -1.0 };
        let x = Tensor::from_fn(1, 64, |_, j| 1000.0 + 0.5 * sign(j));
        let (gain, bias) = (Tensor::filled(1, 64, 1.0), Tensor::zeros(1, 64));
        let y = layer_norm(
            &tape.leaf("x", x),
            &tape.leaf("gain", gain),
            &tape.leaf("bias", bias),
        );
        for (j, &y) in y.value().data().iter().enumerate() {
            assert!((y - sign(j)).abs() < 1e-4, "{y}");
        }
    }

    #[test]
    fn a_row_of_one_value_is_the_bias_and_its_gradient_is_zero() {
        let tape = Tape::new();
        let x = tape.leaf("x", Tensor::filled(2, 4, 7.25));
        let gain = tape.leaf("gain", Tensor::filled(1, 4, 3.0));
        let bias = tape.leaf("bias", Tensor::from_slice(1, 4, &[1.0, 2.0, 3.0, 4.0]));
        let y = layer_norm(&x, &gain, &bias);
        assert_eq!(y.value().row(1), bias.value().row(0));
        let gradients = tape.backward_from(&y, Tensor::filled(2, 4, 1.0));
        assert_eq!(gradients.of(&x).data(), [0.0; 8]);
        assert_eq!(gradients.of(&gain).data(), [0.0; 4]);
        assert_eq!(gradients.of(&bias).data(), [2.0; 4]);
    }

    #[test]
    #[should_panic(expected = "layer_norm: x (2, 3), gain (1, 2) and bias (1, 3) are not")]
    fn shapes_that_do_not_fit() {
        let tape = Tape::<f32>::new();
        let leaf = |n, c| tape.leaf("leaf", Tensor::zeros(n, c));
        layer_norm(&leaf(2, 3), &leaf(1, 2), &leaf(1, 3));
    }
}
