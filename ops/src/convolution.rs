//! A convolution over few neighbouring rows.
//!
//! With W in blocks W_t of c rows, t = 0 .. k - 1, k odd, and h = (k - 1) / 2, where rows beyond the ends of x are zero:
//!
//! ```text
//! y_i = sum_t x_(i + t - h) W_t + b
//!
//! dx_i = sum_t dy_(i - t + h) W_tᵀ        dW_t = sum_i x_(i + t - h)ᵀ dy_i        db = the sum of the rows of dy
//! ```
//!
//! For every t one product of the rows that have such a neighbour; k = 1 is a [`linear`](mod@crate::linear) map.

use engine::check::{Case, check, normal};
use engine::lanes::add_up;
use engine::{Real, Tensor, Var, gemm};
use std::ops::Range;

/// x (n, c) with W (k c, o), k odd, and b (1, o) to (n, o), as on the module's page.
///
/// # Panics
/// If the shapes are not these.
#[track_caller]
pub fn convolution<'t, T: Real>(x: &Var<'t, T>, w: &Var<'t, T>, b: &Var<'t, T>) -> Var<'t, T> {
    let c = x.cols();
    assert!(
        c > 0
            && w.rows().is_multiple_of(c)
            && (w.rows() / c) % 2 == 1
            && b.shape() == (1, w.cols()),
        "convolution: x {:?}, W {:?} and b {:?} are not (n, c), (k c, o) with k odd and (1, o)",
        x.shape(),
        w.shape(),
        b.shape()
    );
    node(x, w, b)
}

/// The taps: for every t the rows of W, those of y that have the neighbour, and the neighbours in x.
fn taps(n: usize, c: usize, k: usize) -> impl Iterator<Item = [Range<usize>; 3]> {
    let h = (k - 1) / 2;
    (0..k).filter_map(move |t| {
        let (first, last) = (h.saturating_sub(t), (n + h).saturating_sub(t).min(n));
        let neighbours = || first + t - h..last + t - h;
        (first < last).then(|| [t * c..(t + 1) * c, first..last, neighbours()])
    })
}

/// Saved: x and W.
fn node<'t, T: Real>(x: &Var<'t, T>, w: &Var<'t, T>, b: &Var<'t, T>) -> Var<'t, T> {
    let (n, c, o) = (x.rows(), x.cols(), w.cols());
    let k = w.rows() / c;
    let mut y = Tensor::stale(n, o);
    for i in 0..n {
        y.row_mut(i).copy_from_slice(b.value().data());
    }
    for [block, rows, neighbours] in taps(n, c, k) {
        let (x, w) = (x.value().view(), w.value().view());
        let y = y.view_mut().rows_in(rows);
        gemm(T::ONE, x.rows_in(neighbours), w.rows_in(block), T::ONE, y);
    }
    let parents = [x.node(), w.node(), b.node()];
    let (tape, x, w) = (x.tape(), x.save(), w.save());
    tape.record("convolution", parents, y, move |dy| {
        let (mut dx, mut dw) = (Tensor::zeros(n, c), Tensor::zeros(k * c, o));
        let mut db = Tensor::zeros(1, o);
        add_up(dy.view(), db.data_mut());
        for [block, rows, neighbours] in taps(n, c, k) {
            let dy = dy.view().rows_in(rows);
            let (x, w) = (x.view().rows_in(neighbours.clone()), w.view());
            let w = w.rows_in(block.clone());
            gemm(T::ONE, dy, w.t(), T::ONE, dx.view_mut().rows_in(neighbours));
            gemm(T::ONE, x.t(), dy, T::ZERO, dw.view_mut().rows_in(block));
        }
        [dx, dw, db]
    })
}

/// The gradient checks of this file.
pub fn cases() -> Vec<Case> {
    vec![Case::new("convolution", |stream| {
        let mut checked = Vec::new();
        // Fewer rows than taps, too.
        for (n, c, o, k) in [(1, 2, 3, 1), (1, 2, 2, 3), (2, 1, 2, 5), (7, 3, 2, 3)] {
            let stream = stream.at(n).at(k);
            let inputs = [
                ("x", normal(stream.stream("x"), n, c)),
                ("W", normal(stream.stream("W"), k * c, o)),
                ("b", normal(stream.stream("b"), 1, o)),
            ];
            checked.extend(check("convolution", stream, &inputs, |_, v| {
                convolution(&v[0], &v[1], &v[2])
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
        for (n, c, o, k) in [(1, 1, 1, 1), (2, 3, 2, 5), (9, 2, 3, 3), (300, 8, 5, 3)] {
            let stream = Seed(1).stream("convolution").at(n);
            let tape = Tape::forward_only();
            let x = tape.leaf("x", normal(stream.stream("x"), n, c));
            let w = tape.leaf("W", normal(stream.stream("W"), k * c, o));
            let b = tape.leaf("b", normal(stream.stream("b"), 1, o));
            let y = convolution(&x, &w, &b);
            for i in 0..n {
                for j in 0..o {
                    let mut want = b.value().row(0)[j];
                    for t in 0..k {
                        let Some(from) = (i + t).checked_sub(k / 2).filter(|from| *from < n) else {
                            continue;
                        };
                        for a in 0..c {
                            want += x.value().row(from)[a] * w.value().row(t * c + a)[j];
                        }
                    }
                    assert!((y.value().row(i)[j] - want).abs() < 1e-12);
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "convolution: x (2, 3), W (6, 4) and b (1, 4) are not")]
    fn an_even_number_of_taps() {
        let tape = Tape::<f32>::new();
        let leaf = |n, c| tape.leaf("leaf", Tensor::zeros(n, c));
        convolution(&leaf(2, 3), &leaf(6, 4), &leaf(1, 4));
    }
}
