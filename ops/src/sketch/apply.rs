//! The four products with S as operators on variables.
//!
//! | operator | value | its backward |
//! |---|---|---|
//! | [`sketch_rows`] | Sᵀ X, n rows to d | [`lift_rows`] |
//! | [`lift_rows`] | S Y, d rows to n | [`sketch_rows`] |
//! | [`sketch_cols`] | X S, n columns to d | [`lift_cols`] |
//! | [`lift_cols`] | Y Sᵀ, d columns to n | [`sketch_cols`] |
//!
//! Linear maps: nothing is saved but S itself, which is a constant and no parent.

use super::{Sketch, families};
use engine::check::{Case, Checked, Failure, check, normal};
use engine::{Draws, Real, Stream, Tape, Tensor, Var};
use std::sync::Arc;

/// y = Sᵀ x: (n, c) to (d, c), for S (n, d).
///
/// # Panics
/// If x does not have n rows.
#[track_caller]
pub fn sketch_rows<'t, T: Real>(x: &Var<'t, T>, s: &Arc<dyn Sketch<T>>) -> Var<'t, T> {
    let (n, _) = s.shape();
    assert_fits("sketch_rows", x.shape(), x.rows() == n, s);
    sketch_rows_node(x, Arc::clone(s))
}

/// dx = S dy.
fn sketch_rows_node<'t, T: Real>(x: &Var<'t, T>, s: Arc<dyn Sketch<T>>) -> Var<'t, T> {
    let ((n, d), c) = (s.shape(), x.cols());
    let mut y = Tensor::stale(d, c);
    s.st_x(x.value().view(), y.view_mut());
    x.tape().record("sketch_rows", [x.node()], y, move |dy| {
        let mut dx = Tensor::stale(n, c);
        s.s_y(dy.view(), dx.view_mut());
        [dx]
    })
}

/// x = S y: (d, c) to (n, c), for S (n, d).
///
/// # Panics
/// If y does not have d rows.
#[track_caller]
pub fn lift_rows<'t, T: Real>(y: &Var<'t, T>, s: &Arc<dyn Sketch<T>>) -> Var<'t, T> {
    let (_, d) = s.shape();
    assert_fits("lift_rows", y.shape(), y.rows() == d, s);
    lift_rows_node(y, Arc::clone(s))
}

/// dy = Sᵀ dx.
fn lift_rows_node<'t, T: Real>(y: &Var<'t, T>, s: Arc<dyn Sketch<T>>) -> Var<'t, T> {
    let ((n, d), c) = (s.shape(), y.cols());
    let mut x = Tensor::stale(n, c);
    s.s_y(y.value().view(), x.view_mut());
    y.tape().record("lift_rows", [y.node()], x, move |dx| {
        let mut dy = Tensor::stale(d, c);
        s.st_x(dx.view(), dy.view_mut());
        [dy]
    })
}

/// y = x S: (r, n) to (r, d), for S (n, d).
///
/// # Panics
/// If x does not have n columns.
#[track_caller]
pub fn sketch_cols<'t, T: Real>(x: &Var<'t, T>, s: &Arc<dyn Sketch<T>>) -> Var<'t, T> {
    let (n, _) = s.shape();
    assert_fits("sketch_cols", x.shape(), x.cols() == n, s);
    sketch_cols_node(x, Arc::clone(s))
}

/// dx = dy Sᵀ.
fn sketch_cols_node<'t, T: Real>(x: &Var<'t, T>, s: Arc<dyn Sketch<T>>) -> Var<'t, T> {
    let ((n, d), r) = (s.shape(), x.rows());
    let mut y = Tensor::stale(r, d);
    s.x_s(x.value().view(), y.view_mut());
    x.tape().record("sketch_cols", [x.node()], y, move |dy| {
        let mut dx = Tensor::stale(r, n);
        s.y_st(dy.view(), dx.view_mut());
        [dx]
    })
}

/// x = y Sᵀ: (r, d) to (r, n), for S (n, d).
///
/// # Panics
/// If y does not have d columns.
#[track_caller]
pub fn lift_cols<'t, T: Real>(y: &Var<'t, T>, s: &Arc<dyn Sketch<T>>) -> Var<'t, T> {
    let (_, d) = s.shape();
    assert_fits("lift_cols", y.shape(), y.cols() == d, s);
    lift_cols_node(y, Arc::clone(s))
}

/// dy = dx S.
fn lift_cols_node<'t, T: Real>(y: &Var<'t, T>, s: Arc<dyn Sketch<T>>) -> Var<'t, T> {
    let ((n, d), r) = (s.shape(), y.rows());
    let mut x = Tensor::stale(r, n);
    s.y_st(y.value().view(), x.view_mut());
    y.tape().record("lift_cols", [y.node()], x, move |dx| {
        let mut dy = Tensor::stale(r, d);
        s.x_s(dx.view(), dy.view_mut());
        [dy]
    })
}

#[track_caller]
fn assert_fits<T: Real>(operator: &str, shape: (usize, usize), fits: bool, s: &Arc<dyn Sketch<T>>) {
    assert!(fits, "{operator}: {shape:?} does not fit S {:?}", s.shape());
}

/// Shapes (n, d, c) of the checks: a single row, odd ones, a power of two, more columns in S than
/// rows where the family has that. (None so small that a sparse S is likely to be 0.)
const SHAPES: [(usize, usize, usize); 4] = [(1, 12, 3), (5, 3, 2), (8, 8, 1), (11, 4, 3)];

/// Checks `operator` for every family and shape; `input` makes the shape of its input.
fn check_all(
    operator: &'static str,
    stream: Stream,
    input: fn(n: usize, d: usize, c: usize) -> (usize, usize),
    f: impl for<'t> Fn(&Var<'t, f64>, &Arc<dyn Sketch<f64>>) -> Var<'t, f64>,
) -> Result<Vec<Checked>, Failure> {
    let mut checked = Vec::new();
    for (n, d, c) in SHAPES {
        for (which, family) in families(n).into_iter().enumerate() {
            if !family.has_shape(n, d) {
                continue;
            }
            let stream = stream.at(n).at(which);
            let s = family.draw(n, d, &Draws::live(stream), "s");
            let (rows, cols) = input(n, d, c);
            let x = normal(stream.stream("x"), rows, cols);
            checked.extend(check(operator, stream, &[("x", x)], |_: &Tape<f64>, x| {
                f(&x[0], &s)
            })?);
        }
    }
    Ok(checked)
}

/// The gradient checks of this file.
pub fn cases() -> Vec<Case> {
    vec![
        Case::new("sketch_rows", |stream| {
            check_all("sketch_rows", stream, |n, _, c| (n, c), sketch_rows)
        }),
        Case::new("lift_rows", |stream| {
            check_all("lift_rows", stream, |_, d, c| (d, c), lift_rows)
        }),
        Case::new("sketch_cols", |stream| {
            check_all("sketch_cols", stream, |n, _, c| (c, n), sketch_cols)
        }),
        Case::new("lift_cols", |stream| {
            check_all("lift_cols", stream, |_, d, c| (c, d), lift_cols)
        }),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sketch::Family;
    use engine::Seed;

    #[test]
    #[should_panic(expected = "sketch_rows: (4, 2) does not fit S (5, 3)")]
    fn rows_that_do_not_fit() {
        let s = Family::Gaussian.draw(5, 3, &Draws::live(Seed(1).stream("s")), "s");
        sketch_rows(&Tape::new().leaf("x", Tensor::<f32>::zeros(4, 2)), &s);
    }

    #[test]
    #[should_panic(expected = "lift_cols: (2, 5) does not fit S (5, 3)")]
    fn columns_that_do_not_fit() {
        let s = Family::Srht.draw(5, 3, &Draws::live(Seed(1).stream("s")), "s");
        lift_cols(&Tape::new().leaf("y", Tensor::<f32>::zeros(2, 5)), &s);
    }
}
