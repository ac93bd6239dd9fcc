//! Rows by their index: gather reads them, scatter adds to them; each is the backward of the other.
//!
//! On variables, [`gather()`] and [`scatter()`] make a node on the tape. On views, [`gather_rows`] and
//! [`scatter_add_rows`] are what the attention methods build their own nodes from: sampled keys are gathered from the
//! columns of one head, and their gradients are scattered back. Indices have no gradient, so they are no parents.

use engine::check::{Case, check, normal};
use engine::{MatMut, MatRef, Real, Tensor, Var, lanes};

/// y_i = x_{r_i} for the indices r in `rows`: (n, c) to (m, c). An index may come twice.
///
/// # Panics
/// If an index is not below n.
#[track_caller]
pub fn gather<'t, T: Real>(x: &Var<'t, T>, rows: &[u32]) -> Var<'t, T> {
    assert_below("gather", rows, x.rows());
    gather_node(x, rows)
}

/// dx_j = sum of dy_i over all i with r_i = j: the [`scatter()`] of dy.
fn gather_node<'t, T: Real>(x: &Var<'t, T>, rows: &[u32]) -> Var<'t, T> {
    let (n, c) = x.shape();
    let mut y = Tensor::stale(rows.len(), c); // (m, c)
    gather_rows(x.value().view(), rows, y.view_mut());
    let rows = rows.to_vec();
    x.tape().record("gather", [x.node()], y, move |dy| {
        let mut dx = Tensor::zeros(n, c);
        scatter_add_rows(dy.view(), &rows, dx.view_mut());
        [dx]
    })
}

/// y_j = sum of x_i over all i with r_i = j, for the indices r in `rows`: (m, c) to (n, c). Repeats add, in the order
/// of i; a row that no index names is 0.
///
/// # Panics
/// If an index is not below `n`, or there are not m of them.
#[track_caller]
pub fn scatter<'t, T: Real>(x: &Var<'t, T>, rows: &[u32], n: usize) -> Var<'t, T> {
    assert!(
        x.rows() == rows.len(),
        "scatter: {:?} to {} rows",
        x.shape(),
        rows.len()
    );
    assert_below("scatter", rows, n);
    scatter_node(x, rows, n)
}

/// dx_i = dy_{r_i}: the [`gather()`] of dy.
fn scatter_node<'t, T: Real>(x: &Var<'t, T>, rows: &[u32], n: usize) -> Var<'t, T> {
    let (m, c) = x.shape();
    let mut y = Tensor::zeros(n, c);
    scatter_add_rows(x.value().view(), rows, y.view_mut());
    let rows = rows.to_vec();
    x.tape().record("scatter", [x.node()], y, move |dy| {
        let mut dx = Tensor::stale(m, c);
        gather_rows(dy.view(), &rows, dx.view_mut());
        [dx]
    })
}

/// out_i = x_{r_i} on views: x (n, c), out (m, c) for m indices.
///
/// # Panics
/// If an index is not below n, or the shapes are not these.
#[track_caller]
pub fn gather_rows<T: Real>(x: MatRef<'_, T>, rows: &[u32], mut out: MatMut<'_, T>) {
    assert!(
        out.rows() == rows.len() && out.cols() == x.cols(),
        "gather: {} rows of {} x {} do not give {} x {}",
        rows.len(),
        x.rows(),
        x.cols(),
        out.rows(),
        out.cols()
    );
    assert_below("gather", rows, x.rows());
    for (i, &row) in rows.iter().enumerate() {
        out.row(i).copy_from_slice(x.row(row as usize));
    }
}

/// out_{r_i} += x_i on views, for i = 0, 1, 2, ...: x (m, c) for m indices, out (n, c).
///
/// # Panics
/// If an index is not below n, or the shapes are not these.
#[track_caller]
pub fn scatter_add_rows<T: Real>(x: MatRef<'_, T>, rows: &[u32], out: MatMut<'_, T>) {
    assert!(
        x.rows() == rows.len() && x.cols() == out.cols(),
        "scatter: {} x {} does not fit {} rows of {} x {}",
        x.rows(),
        x.cols(),
        rows.len(),
        out.rows(),
        out.cols()
    );
    assert_below("scatter", rows, out.rows());
    add_rows_at(x, rows, out);
}

/// The rows x_{r_i} of a view as a tensor of their own.
pub(crate) fn gathered<T: Real>(x: MatRef<'_, T>, rows: &[u32]) -> Tensor<T> {
    let mut y = Tensor::stale(rows.len(), x.cols());
    gather_rows(x, rows, y.view_mut());
    y
}

/// out_{r_i} = x_i on views: the inverse of [`gathered`] where no index comes twice.
pub(crate) fn put_rows<T: Real>(x: MatRef<'_, T>, rows: &[u32], mut out: MatMut<'_, T>) {
    for (i, &row) in rows.iter().enumerate() {
        out.row(row as usize).copy_from_slice(x.row(i));
    }
}

/// The rows of n that `rows` leaves out, rising.
pub(crate) fn others(n: usize, rows: &[u32]) -> Vec<u32> {
    let mut taken = vec![false; n];
    for &row in rows {
        taken[row as usize] = true;
    }
    (0..n as u32).filter(|&i| !taken[i as usize]).collect()
}

#[track_caller]
fn assert_below(operator: &str, rows: &[u32], n: usize) {
    if let Some(row) = rows.iter().find(|&&row| row as usize >= n) {
        panic!("{operator}: row {row} of {n} rows");
    }
}

lanes! {
    fn add_rows_at<T>(x: MatRef<'_, T>, rows: &[u32], out: MatMut<'_, T>) {
        let mut out = out;
        for (i, &row) in rows.iter().enumerate() {
            for (y, &x) in out.row(row as usize).iter_mut().zip(x.row(i)) {
                *y += x;
            }
        }
    }
}

lanes! {
    /// out += the sum of the rows x_{r_i}.
    pub(crate) fn sum_rows<T>(x: MatRef<'_, T>, rows: &[u32], out: &mut [T]) {
        for &row in rows {
            for (sum, &x) in out.iter_mut().zip(x.row(row as usize)) {
                *sum += x;
            }
        }
    }

    /// out_{r_i} += a x: the backward of [`sum_rows`].
    pub(crate) fn add_to_rows<T>(a: T, x: &[T], rows: &[u32], out: MatMut<'_, T>) {
        let mut out = out;
        for &row in rows {
            for (y, &x) in out.row(row as usize).iter_mut().zip(x) {
                *y += a * x;
            }
        }
    }
}

/// The gradient checks of this file.
pub fn cases() -> Vec<Case> {
    vec![
        Case::new("gather", |stream| {
            let x = normal(stream.stream("x"), 5, 3);
            check("gather", stream, &[("x", x)], |_, x| {
                gather(&x[0], &[4, 0, 0, 2, 4, 4, 1]) // row 3 is never read
            })
        }),
        Case::new("scatter", |stream| {
            let x = normal(stream.stream("x"), 6, 3);
            check("scatter", stream, &[("x", x)], |_, x| {
                scatter(&x[0], &[4, 0, 0, 2, 4, 4], 7)
            })
        }),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::Tape;

    #[test]
    fn gather_and_scatter_are_adjoint() {
        // <gather(x), y> = <x, scatter(y)> in whole numbers, so exactly.
        for (n, rows) in [(1, vec![0, 0, 0]), (9, vec![8, 3, 3, 0]), (4, vec![])] {
            let tape = Tape::forward_only();
            let x = tape.leaf("x", Tensor::from_fn(n, 5, |i, j| (7 * i + 3 * j) as f64));
            let y = Tensor::from_fn(rows.len(), 5, |i, j| (2 * i) as f64 - j as f64);
            let y = tape.leaf("y", y);
            let left = (&gather(&x, &rows) * &y).sum().item();
            let right = (&x * &scatter(&y, &rows, n)).sum().item();
            assert_eq!(left, right);
        }
    }

    #[test]
    fn rows_of_a_head_leave_the_other_columns_alone() {
        let x = Tensor::<f32>::from_fn(4, 6, |i, j| (10 * i + j) as f32);
        let mut picked = Tensor::filled(2, 5, -1.0);
        gather_rows(x.cols_in(2..4), &[3, 1], picked.view_mut().cols_in(1..3));
        assert_eq!(picked.row(0), [-1.0, 32.0, 33.0, -1.0, -1.0]);
        assert_eq!(picked.row(1), [-1.0, 12.0, 13.0, -1.0, -1.0]);

        let mut sums = Tensor::<f32>::filled(3, 3, 0.5);
        scatter_add_rows(
            x.cols_in(4..6),
            &[2, 0, 2, 2],
            sums.view_mut().cols_in(0..2),
        );
        assert_eq!(
            sums.data(),
            [14.5, 15.5, 0.5, 0.5, 0.5, 0.5, 62.5, 65.5, 0.5]
        );
    }

    #[test]
    #[should_panic(expected = "gather: row 4 of 4 rows")]
    fn a_row_that_is_not_there() {
        gather(&Tape::new().leaf("x", Tensor::<f32>::zeros(4, 1)), &[1, 4]);
    }

    #[test]
    #[should_panic(expected = "scatter: (2, 1) to 3 rows")]
    fn more_indices_than_rows() {
        scatter(
            &Tape::new().leaf("x", Tensor::<f32>::zeros(2, 1)),
            &[0, 0, 0],
            4,
        );
    }
}
