//! From one row for each token to one row for the example.

use engine::check::{Case, check, normal};
use engine::lanes::{self, add_up};
use engine::{MatRef, Real, Tensor, Var};

/// y = (the sum of the rows of x) / `divisor`: (n, c) to (1, c). With `divisor` = n that is the mean over the tokens;
/// with the padded length it is the released code's pooling, which shrinks short inputs.
///
/// # Panics
/// If `divisor` is 0.
#[track_caller]
pub fn pool<'t, T: Real>(x: &Var<'t, T>, divisor: usize) -> Var<'t, T> {
    assert!(divisor > 0, "pool: {:?} divided by 0", x.shape());
    node(x, divisor)
}

/// dx_i = dy / divisor for every row i: sum and broadcast are each other's backward.
fn node<'t, T: Real>(x: &Var<'t, T>, divisor: usize) -> Var<'t, T> {
    let n = x.rows();
    let divisor = T::of(divisor as f64);
    let mut y = Tensor::zeros(1, x.cols()); // (1, c)
    add_up(x.value().view(), y.data_mut());
    for y in y.data_mut() {
        *y /= divisor;
    }
    x.tape().record("pool", [x.node()], y, move |dy| {
        let mut row = dy.into_owned();
        for d in row.data_mut() {
            *d /= divisor;
        }
        let mut dx = Tensor::stale(n, row.cols());
        if row.cols() > 0 {
            for dx in dx.data_mut().chunks_exact_mut(row.cols()) {
                dx.copy_from_slice(row.data());
            }
        }
        [dx]
    })
}

/// The rows of matrices (n, c) less the mean of all their rows: for what depends on differences of rows alone, whose
/// digits are lost where all rows lie far from zero together.
pub(crate) fn centred<T: Real, const N: usize>(x: [MatRef<'_, T>; N]) -> [Tensor<T>; N] {
    let mut mean = vec![T::ZERO; x[0].cols()];
    for x in x {
        add_up(x, &mut mean);
    }
    let count: usize = x.iter().map(MatRef::rows).sum();
    lanes::scale(T::ONE / T::of(count as f64), &mut mean);
    x.map(|x| {
        let mut x = Tensor::from_view(x);
        for i in 0..x.rows() {
            lanes::subtract(&mean, x.row_mut(i));
        }
        x
    })
}

/// The gradient checks of this file.
pub fn cases() -> Vec<Case> {
    vec![Case::new("pool", |stream| {
        let mut checked = Vec::new();
        for (n, c, divisor) in [(1, 3, 1), (7, 5, 7), (9, 3, 16)] {
            let x = normal(stream.stream("x").at(n), n, c);
            checked.extend(check("pool", stream, &[("x", x)], |_, x| {
                pool(&x[0], divisor)
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
        for (n, c, divisor) in [(1, 1, 1), (6, 5, 6), (203, 65, 256)] {
            let tape = Tape::forward_only();
            let x = tape.leaf("x", normal(Seed(1).stream("pool"), n, c));
            let y = pool(&x, divisor);
            for j in 0..c {
                let sum: f64 = (0..n).map(|i| x.value().row(i)[j]).sum();
                assert!((y.value().data()[j] - sum / divisor as f64).abs() < 1e-14);
            }
        }
    }

    #[test]
    fn no_tokens_over_a_fixed_length() {
        let tape = Tape::new();
        let x = tape.leaf("x", Tensor::<f32>::zeros(0, 3));
        let y = pool(&x, 4);
        assert_eq!(y.value().data(), [0.0; 3]);
        let dx = tape.backward_from(&y, Tensor::filled(1, 3, 1.0)).of(&x);
        assert_eq!(dx.shape(), (0, 3));
    }

    #[test]
    #[should_panic(expected = "pool: (0, 3) divided by 0")]
    fn the_mean_of_no_tokens() {
        pool(&Tape::new().leaf("x", Tensor::<f32>::zeros(0, 3)), 0);
    }
}
