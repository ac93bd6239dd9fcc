//! The subsampled randomised Hadamard transform (Ailon and Chazelle 2006; Tropp 2011).
//!
//! ```text
//! S = E diag(signs) H P / sqrt(d)
//! ```
//!
//! with H the +-1 matrix of [`super::hadamard`] of size N, the next power of two from n; P (N, d)
//! picks d distinct columns of it, all sets equally likely; E keeps the first n rows (the same as
//! padding n by zeros). The transform spreads every vector evenly, so that picking coordinates
//! loses little of any. E[P Pᵀ] = (d/N) I and H H = N I give E[S Sᵀ] = I, and d = N = n gives I
//! itself. A product costs N log2 N additions a column; S is n signs and d indices.

use super::hadamard::walsh_hadamard;
use super::rademacher::draw_signs;
use super::{Sketch, assert_count};
use crate::sample::uniform;
use engine::{Draws, MatMut, MatRef, Real, Tensor};
use std::sync::Arc;

/// Draws n signs, called `name.signs`, and d distinct indices below N, called `name.picks`.
#[track_caller]
pub(super) fn draw<T: Real>(n: usize, d: usize, draws: &Draws, name: &str) -> Arc<dyn Sketch<T>> {
    let padded = n.next_power_of_two();
    let signs = draw_signs(n, draws, name);
    let name = format!("{name}.picks");
    let picks = draws.indices(&name, padded, |generator| {
        uniform::without_replacement(padded, d, generator)
    });
    assert_count(&name, picks.len(), d);
    let scale = 1.0 / (d as f64).sqrt();
    Arc::new(Srht {
        signs: signs.iter().map(|sign| T::of(sign * scale)).collect(),
        picks,
        padded,
    })
}

struct Srht<T> {
    /// +-1/sqrt(d), n of them.
    signs: Vec<T>,
    /// d columns of H.
    picks: Vec<u32>,
    /// N.
    padded: usize,
}

impl<T: Real> Sketch<T> for Srht<T> {
    fn shape(&self) -> (usize, usize) {
        (self.signs.len(), self.picks.len())
    }

    fn st_x(&self, x: MatRef<'_, T>, mut out: MatMut<'_, T>) {
        let (n, d) = self.shape();
        assert_eq!((x.rows(), out.rows()), (n, d), "Sᵀ X: rows");
        let mut padded = Tensor::stale(self.padded, x.cols()); // (N, c)
        for (i, &sign) in self.signs.iter().enumerate() {
            for (y, &x) in padded.row_mut(i).iter_mut().zip(x.row(i)) {
                *y = sign * x;
            }
        }
        padded.data_mut()[n * x.cols()..].fill(T::ZERO);
        walsh_hadamard(padded.data_mut(), x.cols());
        for (j, &pick) in self.picks.iter().enumerate() {
            out.row(j).copy_from_slice(padded.row(pick as usize));
        }
    }

    fn s_y(&self, y: MatRef<'_, T>, mut out: MatMut<'_, T>) {
        let (n, d) = self.shape();
        assert_eq!((y.rows(), out.rows()), (d, n), "S Y: rows");
        let mut padded = Tensor::zeros(self.padded, y.cols()); // (N, c)
        for (j, &pick) in self.picks.iter().enumerate() {
            padded.row_mut(pick as usize).copy_from_slice(y.row(j));
        }
        walsh_hadamard(padded.data_mut(), y.cols());
        for (i, &sign) in self.signs.iter().enumerate() {
            for (x, &y) in out.row(i).iter_mut().zip(padded.row(i)) {
                *x = sign * y;
            }
        }
    }

    fn x_s(&self, x: MatRef<'_, T>, mut out: MatMut<'_, T>) {
        let (n, d) = self.shape();
        assert_eq!((x.cols(), out.cols()), (n, d), "X S: columns");
        let mut padded = vec![T::ZERO; self.padded];
        for r in 0..x.rows() {
            for ((y, &x), &sign) in padded.iter_mut().zip(x.row(r)).zip(&self.signs) {
                *y = sign * x;
            }
            padded[n..].fill(T::ZERO);
            walsh_hadamard(&mut padded, 1);
            for (y, &pick) in out.row(r).iter_mut().zip(&self.picks) {
                *y = padded[pick as usize];
            }
        }
    }

    fn y_st(&self, y: MatRef<'_, T>, mut out: MatMut<'_, T>) {
        let (n, d) = self.shape();
        assert_eq!((y.cols(), out.cols()), (d, n), "Y Sᵀ: columns");
        let mut padded = vec![T::ZERO; self.padded];
        for r in 0..y.rows() {
            padded.fill(T::ZERO);
            for (&y, &pick) in y.row(r).iter().zip(&self.picks) {
                padded[pick as usize] = y;
            }
            walsh_hadamard(&mut padded, 1);
            for ((x, &y), &sign) in out.row(r).iter_mut().zip(&padded).zip(&self.signs) {
                *x = sign * y;
            }
        }
    }
}
