//! Gaussian sketches: S_ij independent, N(0, 1/d).
//!
//! E[S_ik S_jk] = [i = j] / d, and d columns add up to I. The oblivious Johnson-Lindenstrauss
//! guarantee (Definition 3.2, docs/paper.md 1.5) holds for d = O(log(1/delta) / epsilon²). There is no
//! structure to use: S is held, n d numbers, and a product costs n d c multiply-adds.

use super::{Sketch, assert_count};
use engine::{Draws, MatMut, MatRef, Real, Tensor, gemm};
use std::sync::Arc;

/// Draws n d standard normal numbers called `name`, row by row.
#[track_caller]
pub(super) fn draw<T: Real>(n: usize, d: usize, draws: &Draws, name: &str) -> Arc<dyn Sketch<T>> {
    let entries = draws.numbers(name, |generator| {
        (0..n * d).map(|_| generator.normal()).collect()
    });
    assert_count(name, entries.len(), n * d);
    Arc::new(Dense::new(n, d, &entries))
}

/// An S that is held as a matrix.
pub(super) struct Dense<T: Real> {
    s: Tensor<T>, // (n, d)
}

impl<T: Real> Dense<T> {
    /// S = `entries` / sqrt(d).
    pub(super) fn new(n: usize, d: usize, entries: &[f64]) -> Self {
        let scale = 1.0 / (d as f64).sqrt();
        Dense {
            s: Tensor::from_fn(n, d, |i, j| T::of(entries[i * d + j] * scale)),
        }
    }
}

impl<T: Real> Sketch<T> for Dense<T> {
    fn shape(&self) -> (usize, usize) {
        self.s.shape()
    }

    fn st_x(&self, x: MatRef<'_, T>, out: MatMut<'_, T>) {
        gemm(T::ONE, self.s.view().t(), x, T::ZERO, out);
    }

    fn s_y(&self, y: MatRef<'_, T>, out: MatMut<'_, T>) {
        gemm(T::ONE, self.s.view(), y, T::ZERO, out);
    }

    fn x_s(&self, x: MatRef<'_, T>, out: MatMut<'_, T>) {
        gemm(T::ONE, x, self.s.view(), T::ZERO, out);
    }

    fn y_st(&self, y: MatRef<'_, T>, out: MatMut<'_, T>) {
        gemm(T::ONE, y, self.s.view().t(), T::ZERO, out);
    }
}
