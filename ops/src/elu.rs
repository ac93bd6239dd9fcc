//! The exponential linear unit (Clevert, Unterthiner and Hochreiter 2016), of S3Attention's released smoother.

use engine::check::{Case, check, normal};
use engine::{Real, Var, lanes};

/// y = x where x > 0, else exp(x) - 1, in place.
///
/// dx = dy where y > 0, else dy (y + 1). Saved: y.
pub fn elu<'t, T: Real>(x: Var<'t, T>) -> Var<'t, T> {
    let (tape, parent) = (x.tape(), x.node());
    let mut y = x.into_value().into_owned();
    bend(y.data_mut());
    let saved = tape.save(&y);
    tape.record("elu", [parent], y, move |dy| {
        let mut dx = dy.into_owned();
        pass_bent(saved.data(), dx.data_mut());
        [dx]
    })
}

lanes! {
    fn bend<T>(y: &mut [T]) {
        for y in y {
            // Of the smaller one, so that nothing overflows that is not taken.
            let below = if *y > T::ZERO { T::ZERO } else { *y };
            *y = if *y > T::ZERO { *y } else { below.exp() - T::ONE };
        }
    }

    fn pass_bent<T>(y: &[T], dx: &mut [T]) {
        for (dx, &y) in dx.iter_mut().zip(y) {
            *dx *= if y > T::ZERO { T::ONE } else { T::ONE + y };
        }
    }
}

/// The gradient checks of this file.
pub fn cases() -> Vec<Case> {
    vec![Case::new("elu", |stream| {
        let mut checked = Vec::new();
        for (n, c) in [(1, 2), (7, 5), (9, 64)] {
            // A distance from the kink of the second derivative.
            let mut x = normal(stream.stream("x").at(n), n, c);
            for x in x.data_mut() {
                *x += 0.1f64.copysign(*x);
            }
            checked.extend(check("elu", stream, &[("x", x)], |_, x| elu(x[0].clone()))?);
        }
        Ok(checked)
    })]
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::{Tape, Tensor};

    #[test]
    fn both_sides_and_far_out() {
        let tape = Tape::new();
        let x = tape.leaf("x", Tensor::from_slice(1, 4, &[-1.0, 0.0, 3.0, -1e4]));
        let y = elu(x.clone());
        let want = [(-1f64).exp() - 1.0, 0.0, 3.0, -1.0];
        for (y, want) in y.value().data().iter().zip(want) {
            assert!((y - want).abs() < 1e-15, "{y} {want}");
        }
        let dx = tape.backward_from(&y, Tensor::filled(1, 4, 2.0)).of(&x);
        for (dx, want) in dx.data().iter().zip([2.0 * (-1f64).exp(), 2.0, 2.0, 0.0]) {
            assert!((dx - want).abs() < 1e-15, "{dx} {want}");
        }
    }

    #[test]
    fn a_number_that_is_none_stays_visible() {
        let tape = Tape::forward_only();
        let y = elu(tape.leaf("x", Tensor::scalar(f32::NAN)));
        assert!(y.item().is_nan());
    }
}
