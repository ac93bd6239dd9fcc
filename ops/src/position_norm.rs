//! Normalisation of every row with a gain and a bias of its position: what batch normalisation with a channel a position
//! is for a batch of one (S3Attention's smoother, which couples the examples of a batch as released).
//!
//! For a row x of c numbers at position t, with mean m and deviation σ = (mean of (x - m)² + 1e-5)^½:
//!
//! ```text
//! x̂ = (x - m) / σ                         y = gain_t x̂ + bias_t
//!
//! dgain_t = dy · x̂                        dbias_t = sum of dy          dx̂ = gain_t dy
//! dx = (dx̂ - mean(dx̂) - x̂ mean(dx̂ * x̂)) / σ                          as in layer_norm
//! ```

use engine::check::{Case, check, normal};
use engine::lanes::{short_inner, short_sum};
use engine::{Real, Tensor, Var, lanes};

use crate::layer_norm::EPSILON;

/// y as on the module's page: x (n, c) at rising `positions`, gain and bias (N, 1) to (n, c).
///
/// # Panics
/// If the shapes are not these, c is 0, or the positions do not rise below N.
#[track_caller]
pub fn position_norm<'t, T: Real>(
    x: &Var<'t, T>,
    gain: &Var<'t, T>,
    bias: &Var<'t, T>,
    positions: &[u32],
) -> Var<'t, T> {
    let (n, c) = x.shape();
    assert!(
        c > 0 && gain.cols() == 1 && bias.shape() == gain.shape(),
        "position_norm: x {:?}, gain {:?} and bias {:?} are not (n, c), (N, 1) and (N, 1)",
        x.shape(),
        gain.shape(),
        bias.shape()
    );
    assert!(
        positions.len() == n
            && positions.is_sorted_by(|a, b| a < b)
            && positions
                .last()
                .is_none_or(|&last| (last as usize) < gain.rows()),
        "position_norm: {} positions for {n} rows, which have to rise below {}",
        positions.len(),
        gain.rows()
    );
    node(x, gain, bias, positions)
}

/// Saved: x, gain, and two numbers a row (mean, 1 / deviation).
fn node<'t, T: Real>(
    x: &Var<'t, T>,
    gain: &Var<'t, T>,
    bias: &Var<'t, T>,
    positions: &[u32],
) -> Var<'t, T> {
    let (n, c) = x.shape();
    let mut y = Tensor::stale(n, c);
    let mut moments = Tensor::stale(n, 2);
    for (i, &t) in positions.iter().enumerate() {
        let affine = [gain, bias].map(|x| x.value().data()[t as usize]);
        normalise(x.value().row(i), affine, moments.row_mut(i), y.row_mut(i));
    }
    let parents = [x.node(), gain.node(), bias.node()];
    let (tape, x, gain) = (x.tape(), x.save(), gain.save());
    let (moments, positions) = (tape.save(&moments), positions.to_vec());
    tape.record("position_norm", parents, y, move |dy| {
        let mut dx = dy.into_owned(); // dy at first
        let [mut dgain, mut dbias] = [0; 2].map(|_| Tensor::zeros(gain.rows(), 1));
        let mut normal = vec![T::ZERO; c]; // x̂
        for (i, &t) in positions.iter().enumerate() {
            let t = t as usize;
            let (gain, moments) = (gain.data()[t], moments.row(i));
            let [of_gain, of_bias] = pull_back(x.row(i), gain, moments, &mut normal, dx.row_mut(i));
            dgain.data_mut()[t] = of_gain;
            dbias.data_mut()[t] = of_bias;
        }
        [dx, dgain, dbias]
    })
}

lanes! {
    fn normalise<T>(x: &[T], affine: [T; 2], moments: &mut [T], y: &mut [T]) {
        let count = T::of(x.len() as f64);
        let mean = short_sum(x) / count;
        for (y, &x) in y.iter_mut().zip(x) {
            *y = x - mean;
        }
        let inverse = T::ONE / (short_inner(y, y) / count + T::of(EPSILON)).sqrt();
        for y in y {
            *y = (*y * inverse).mul_add(affine[0], affine[1]);
        }
        moments[0] = mean;
        moments[1] = inverse;
    }

    /// dx (dy at first) of a row; returns dgain and dbias of its position.
    fn pull_back<T>(x: &[T], gain: T, moments: &[T], normal: &mut [T], dx: &mut [T]) -> [T; 2] {
        let count = T::of(x.len() as f64);
        let (mean, inverse) = (moments[0], moments[1]);
        for (normal, &x) in normal.iter_mut().zip(x) {
            *normal = (x - mean) * inverse;
        }
        let (dgain, dbias) = (short_inner(dx, normal), short_sum(dx));
        let (level, slope) = (gain * dbias / count, gain * dgain / count);
        for (d, &normal) in dx.iter_mut().zip(&*normal) {
            *d = normal.mul_add(-slope, gain * *d - level) * inverse;
        }
        [dgain, dbias]
    }
}

/// The gradient checks of this file.
pub fn cases() -> Vec<Case> {
    vec![Case::new("position_norm", |stream| {
        let mut checked = Vec::new();
        // Not c = 1 or 2, as in layer_norm.
        for (positions, c, length) in [(&[2][..], 4, 3), (&[0, 1, 4], 3, 5), (&[1, 3], 67, 4)] {
            let stream = stream.at(c);
            let inputs = [
                ("x", normal(stream.stream("x"), positions.len(), c)),
                ("gain", normal(stream.stream("gain"), length, 1)),
                ("bias", normal(stream.stream("bias"), length, 1)),
            ];
            checked.extend(check("position_norm", stream, &inputs, |_, v| {
                position_norm(&v[0], &v[1], &v[2], positions)
            })?);
        }
        Ok(checked)
    })]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer_norm;
    use engine::{Seed, Tape};

    #[test]
    fn with_gains_of_one_it_is_the_layer_norm() {
        let tape = Tape::forward_only();
        let leaf = |x| tape.leaf("leaf", x);
        let x = leaf(normal(Seed(1).stream("position_norm"), 5, 67));
        let ones = |rows, cols| leaf(Tensor::filled(rows, cols, 1.0));
        let zeros = |rows, cols| leaf(Tensor::zeros(rows, cols));
        let y = position_norm(&x, &ones(9, 1), &zeros(9, 1), &[0, 2, 3, 7, 8]);
        let want = layer_norm(&x, &ones(1, 67), &zeros(1, 67));
        assert_eq!(y.value().data(), want.value().data());
    }

    #[test]
    #[should_panic(expected = "position_norm: 2 positions for 2 rows, which have to rise below 3")]
    fn a_position_without_a_gain() {
        let tape = Tape::<f32>::new();
        let leaf = |n, c| tape.leaf("leaf", Tensor::zeros(n, c));
        position_norm(&leaf(2, 4), &leaf(3, 1), &leaf(3, 1), &[0, 3]);
    }
}
