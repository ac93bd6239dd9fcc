//! The rectifier of the classifier heads.

use engine::check::{Case, check, normal};
use engine::{Real, Var, lanes};

/// y = max(x, 0), in place.
///
/// dx = dy where y > 0, else 0: at x = 0, where there is no derivative, the one of the left side. Saved: y.
pub fn relu<'t, T: Real>(x: Var<'t, T>) -> Var<'t, T> {
    let (tape, parent) = (x.tape(), x.node());
    let mut y = x.into_value().into_owned();
    rectify(y.data_mut());
    let saved = tape.save(&y);
    tape.record("relu", [parent], y, move |dy| {
        let mut dx = dy.into_owned();
        pass_where_positive(saved.data(), dx.data_mut());
        [dx]
    })
}

lanes! {
    fn rectify<T>(y: &mut [T]) {
        for y in y {
            *y = T::ZERO.larger(*y); // this way round NaN stays NaN
        }
    }

    fn pass_where_positive<T>(y: &[T], dx: &mut [T]) {
        for (dx, &y) in dx.iter_mut().zip(y) {
            *dx = if y > T::ZERO { *dx } else { T::ZERO };
        }
    }
}

/// The gradient checks of this file.
pub fn cases() -> Vec<Case> {
    vec![Case::new("relu", |stream| {
        let mut checked = Vec::new();
        for (n, c) in [(1, 2), (7, 5), (9, 64)] {
            // A distance from the kink that no finite difference crosses.
            let mut x = normal(stream.stream("x").at(n), n, c);
            for x in x.data_mut() {
                *x += 0.1f64.copysign(*x);
            }
            x.data_mut()[0] = 1.0; // so that the smallest case has a gradient
            checked.extend(check("relu", stream, &[("x", x)], |_, x| {
                relu(x[0].clone())
            })?);
        }
        Ok(checked)
    })]
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::{Tape, Tensor};

    #[test]
    fn both_sides_and_the_kink() {
        let tape = Tape::new();
        let x = tape.leaf("x", Tensor::from_slice(1, 4, &[-2.0, 0.0, 3.0, 1e-30]));
        let y = relu(x.clone());
        assert_eq!(y.value().data(), [0.0, 0.0, 3.0, 1e-30]);
        assert_eq!(x.value().data()[0], -2.0, "x is held and left alone");
        let dx = tape.backward_from(&y, Tensor::filled(1, 4, 5.0)).of(&x);
        assert_eq!(dx.data(), [0.0, 0.0, 5.0, 5.0]);
    }

    #[test]
    fn a_number_that_is_none_stays_visible() {
        let tape = Tape::forward_only();
        assert!(
            relu(tape.leaf("x", Tensor::scalar(f32::NAN)))
                .item()
                .is_nan()
        );
    }
}
