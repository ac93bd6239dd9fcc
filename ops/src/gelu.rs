//! The Gaussian error linear unit (Hendrycks and Gimpel 2016), in its exact form, not the one with tanh.

use engine::check::{Case, check, normal};
use engine::{Real, Tensor, Var, lanes};

/// y = x Φ(x), Φ the distribution function of the standard normal law and φ its density.
///
/// dx = dy (Φ(x) + x φ(x)). Saved: that slope, written over x. Forward has computed Φ and φ already; to compute them
/// again in backward would double the cost.
pub fn gelu<'t, T: Real>(x: Var<'t, T>) -> Var<'t, T> {
    let (tape, parent) = (x.tape(), x.node());
    let mut slope = x.into_value().into_owned(); // x at first
    let mut y = Tensor::stale(slope.rows(), slope.cols());
    value_and_slope(slope.data_mut(), y.data_mut());
    let slope = tape.save(&slope);
    tape.record("gelu", [parent], y, move |dy| {
        let mut dx = dy.into_owned();
        lanes::multiply(slope.data(), dx.data_mut());
        [dx]
    })
}

lanes! {
    /// x in, its slope out.
    fn value_and_slope<T>(x: &mut [T], y: &mut [T]) {
        for (x, y) in x.iter_mut().zip(y) {
            let (distribution, density) = x.normal_law();
            *y = *x * distribution;
            *x = x.mul_add(density, distribution);
        }
    }
}

/// The gradient checks of this file.
pub fn cases() -> Vec<Case> {
    vec![Case::new("gelu", |stream| {
        let mut checked = Vec::new();
        for (n, c) in [(1, 1), (7, 5), (9, 64)] {
            let x = normal(stream.stream("x").at(n), n, c);
            checked.extend(check("gelu", stream, &[("x", x)], |_, x| {
                gelu(x[0].clone())
            })?);
        }
        Ok(checked)
    })]
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::Tape;

    fn values<T: Real>(x: &[f64]) -> Vec<f64> {
        let tape = Tape::<T>::forward_only();
        let x = Tensor::from_fn(1, x.len(), |_, j| T::of(x[j]));
        let y = gelu(tape.leaf("x", x));
        y.value().data().iter().map(|y| y.f64()).collect()
    }

    #[test]
    fn values_equal_the_error_function() {
        let x: Vec<f64> = (0..2001).map(|i| f64::from(i) * 0.01 - 10.0).collect();
        let want = |x: f64| 0.5 * x * (1.0 + libm::erf(x / 2f64.sqrt()));
        for (i, y) in values::<f64>(&x).into_iter().enumerate() {
            assert!((y - want(x[i])).abs() < 1e-15 * (1.0 + x[i].abs()));
        }
        for (i, y) in values::<f32>(&x).into_iter().enumerate() {
            let error = (y - want(x[i])).abs();
            // Measured: 2.6e-7 of max(1, |x|), of which rounding x to f32 is a half.
            assert!(error < 4e-7 * x[i].abs().max(1.0), "{}: {error:e}", x[i]);
        }
    }

    #[test]
    fn far_from_zero_it_is_the_identity_or_zero() {
        assert_eq!(values::<f32>(&[1e4, -1e4, 0.0]), [1e4, 0.0, 0.0]);
    }

    #[test]
    fn an_input_that_somebody_holds_is_left_alone() {
        let tape = Tape::new();
        let x = tape.leaf("x", Tensor::filled(1, 3, 0.5));
        gelu(x.clone());
        assert_eq!(x.value().data(), [0.5; 3]);
    }
}
