//! The affine map of every projection, feed-forward layer and classifier head.

use engine::check::{Case, check, normal};
use engine::lanes::add_up;
use engine::{MatMut, Real, Tensor, Var, gemm, lanes};

use crate::spread::in_order;

/// y = x Wᵀ + b: x (n, i), W (o, i), b (1, o) to (n, o).
///
/// # Panics
/// If the shapes are not these.
#[track_caller]
pub fn linear<'t, T: Real>(x: &Var<'t, T>, w: &Var<'t, T>, b: &Var<'t, T>) -> Var<'t, T> {
    assert!(
        w.cols() == x.cols() && b.shape() == (1, w.rows()),
        "linear: x {:?}, W {:?} and b {:?} are not (n, i), (o, i) and (1, o)",
        x.shape(),
        w.shape(),
        b.shape()
    );
    node(x, w, b)
}

/// Rows of a block: x, y, dx and dy of so many stay in the L2 cache until the block is done. Blocks are independent in forward; in backward their shares of dW and db are added in
/// their order, on however many threads ([`in_order`]).
const BLOCK: usize = 512;

/// y = x Wᵀ + b; dx = dy W, dW = dyᵀ x, db = the sum of the rows of dy. Saved: x and W.
fn node<'t, T: Real>(x: &Var<'t, T>, w: &Var<'t, T>, b: &Var<'t, T>) -> Var<'t, T> {
    let mut y = Tensor::stale(x.rows(), w.rows()); // (n, o)
    let (of_x, of_w, of_b) = (x.value().view(), w.value().view(), b.value().data());
    in_order(
        y.view_mut().row_pieces(BLOCK),
        || (),
        |(rows, y), ()| {
            gemm(
                T::ONE,
                of_x.rows_in(rows.clone()),
                of_w.t(),
                T::ZERO,
                y.reborrow(),
            );
            // Afterwards: to add the product to rows that hold b already is slower (measured: 10 %).
            add_to_rows(of_b, y.reborrow());
        },
        |_, ()| (),
    );
    let parents = [x.node(), w.node(), b.node()];
    let (tape, x, w) = (x.tape(), x.save(), w.save());
    tape.record("linear", parents, y, move |dy| {
        let (n, i, o) = (x.rows(), x.cols(), w.rows());
        let mut dx = Tensor::stale(n, i);
        let mut dw = Tensor::zeros(o, i);
        let mut db = Tensor::zeros(1, o);
        let [x, w, dy] = [&x, &w, &dy].map(Tensor::view);
        in_order(
            dx.view_mut().row_pieces(BLOCK),
            || (Tensor::stale(o, i), Tensor::stale(1, o)),
            |(rows, dx), (dw, db)| {
                let [x, dy] = [x, dy].map(|x| x.rows_in(rows.clone()));
                gemm(T::ONE, dy, w, T::ZERO, dx.reborrow());
                gemm(T::ONE, dy.t(), x, T::ZERO, dw.view_mut());
                db.data_mut().fill(T::ZERO);
                add_up(dy, db.data_mut());
            },
            |_, (more_dw, more_db)| {
                lanes::add(more_dw.data(), dw.data_mut());
                lanes::add(more_db.data(), db.data_mut());
            },
        );
        [dx, dw, db]
    })
}

lanes! {
    fn add_to_rows<T>(b: &[T], y: MatMut<'_, T>) {
        let mut y = y;
        for i in 0..y.rows() {
            for (y, &b) in y.row(i).iter_mut().zip(b) {
                *y += b;
            }
        }
    }
}

/// The gradient checks of this file.
pub fn cases() -> Vec<Case> {
    vec![Case::new("linear", |stream| {
        let mut checked = Vec::new();
        // The last has three blocks of rows.
        for (n, i, o) in [
            (1, 1, 1),
            (7, 5, 3),
            (1, 4, 9),
            (37, 6, 2),
            (2 * BLOCK + 1, 3, 2),
        ] {
            let stream = stream.at(n);
            let inputs = [
                ("x", normal(stream.stream("x"), n, i)),
                ("W", normal(stream.stream("W"), o, i)),
                ("b", normal(stream.stream("b"), 1, o)),
            ];
            checked.extend(check("linear", stream, &inputs, |_, v| {
                linear(&v[0], &v[1], &v[2])
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
        for (n, i, o) in [(1, 1, 1), (5, 3, 7), (300, 64, 65), (2 * BLOCK + 1, 3, 2)] {
            let stream = Seed(1).stream("linear").at(n);
            let tape = Tape::forward_only();
            let x = tape.leaf("x", normal(stream.stream("x"), n, i));
            let w = tape.leaf("W", normal(stream.stream("W"), o, i));
            let b = tape.leaf("b", normal(stream.stream("b"), 1, o));
            let y = linear(&x, &w, &b);
            for r in 0..n {
                for c in 0..o {
                    let mut want = b.value().row(0)[c];
                    for k in 0..i {
                        want += x.value().row(r)[k] * w.value().row(c)[k];
                    }
                    assert!((y.value().row(r)[c] - want).abs() < 1e-12 * i as f64);
                }
            }
        }
    }

    #[test]
    fn without_columns_only_the_bias_is_left() {
        let tape = Tape::new();
        let x = tape.leaf("x", Tensor::<f64>::zeros(3, 0));
        let w = tape.leaf("W", Tensor::zeros(2, 0));
        let b = tape.leaf("b", Tensor::from_slice(1, 2, &[0.5, -1.0]));
        let y = linear(&x, &w, &b);
        assert_eq!(y.value().data(), [0.5, -1.0, 0.5, -1.0, 0.5, -1.0]);
        let dy = Tensor::from_fn(3, 2, |i, j| (i + 10 * j) as f64);
        let gradients = tape.backward_from(&y, dy);
        assert_eq!(gradients.of(&b).data(), [3.0, 33.0]);
        assert_eq!(gradients.of(&x).shape(), (3, 0));
    }

    #[test]
    #[should_panic(expected = "linear: x (2, 3), W (4, 2) and b (1, 4) are not")]
    fn shapes_that_do_not_fit() {
        let tape = Tape::<f32>::new();
        let leaf = |n, c| tape.leaf("leaf", Tensor::zeros(n, c));
        linear(&leaf(2, 3), &leaf(4, 2), &leaf(1, 4));
    }
}
