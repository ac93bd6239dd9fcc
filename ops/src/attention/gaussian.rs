//! The Gaussian kernel times a matrix, in tiles: no n x m matrix is ever stored. [`super::kernelized`] and
//! [`super::skyformer`] are made of it, as others are of [`super::attend`].
//!
//! With K_ij = exp(e_ij), e_ij = -scale |x_i - y_j|² / 2 = scale (x_i · y_j - |x_i|² / 2 - |y_j|² / 2),
//!
//! ```text
//! out_i = sum_j K_ij v_j
//! ```
//!
//! and backwards, with K recomputed tile by tile,
//!
//! ```text
//! dv_j  = sum_i K_ij dout_i                             de_ij = K_ij (dout_i · v_j)
//! dx_i  = scale (sum_j de_ij y_j - x_i sum_j de_ij)     dy_j  = scale (sum_i de_ij x_i - y_j sum_i de_ij)
//! ```
//!
//! Dropout multiplies K_ij by its mask M_ij in all of these. K is at most one up to rounding, so nothing
//! overflows; a point far from all others gets a row of zeros, there is no normaliser to divide by.
//!
//! Far from zero, squares and inner product are large and nearly cancel: where all points lie at a distance R, e has an
//! error of scale R² rounding errors, in f32 0.01 at R = 100 √32 and nothing but error at ten times that. But K depends
//! on differences only. So c, the mean of all x and y together, which makes the squares smallest, is first subtracted
//! from both, in one pass over the n + m rows. The formulas stay, with x - c and y - c in place of x and y. The kernel
//! does not depend on c, so no gradient flows through it: the sum of all dx_i and dy_j, which would be -dc, is 0 by the
//! formulas above.

use engine::gemm::pieces;
use engine::lanes::fold;
use engine::{MatMut, MatRef, Real, Tensor, gemm, lanes};

use super::attend::{TILE_ROWS, Tile};
use crate::dropout::Dropout;
use crate::pooling::centred;
use std::ops::Range;

/// Columns of a tile.
const BLOCK: usize = 256;

/// The inputs of one product with a kernel.
#[derive(Clone, Copy)]
pub(super) struct Gaussian<'a, T: Real> {
    /// Left points (n, p).
    pub(super) x: MatRef<'a, T>,
    /// Right points (m, p).
    pub(super) y: MatRef<'a, T>,
    /// What the kernel multiplies (m, w).
    pub(super) v: MatRef<'a, T>,
    /// Multiplies squared distances: 1 / √p where rows are to be divided by p^¼.
    pub(super) scale: T,
    /// Dropout on the kernel, by row and column.
    pub(super) dropout: Option<Dropout>,
}

/// x (n, p) and y (m, p) less their common mean, and scale |x_i - c|² / 2, scale |y_j - c|² / 2.
struct Centred<T: Real> {
    points: [Tensor<T>; 2],
    half_squares: [Vec<T>; 2],
}

impl<'a, T: Real> Gaussian<'a, T> {
    /// exp(-scale |x - y|² / 2) times V, nothing dropped.
    pub(super) fn new(scale: T, x: MatRef<'a, T>, y: MatRef<'a, T>, v: MatRef<'a, T>) -> Self {
        let dropout = None;
        Gaussian {
            x,
            y,
            v,
            scale,
            dropout,
        }
    }

    /// What the products are made of: x and y less their common mean.
    fn centred(&self) -> Centred<T> {
        let points = centred([self.x, self.y]);
        let half = T::of(0.5) * self.scale;
        let half_squares = |points: &Tensor<T>| -> Vec<T> {
            let square = |i: usize| half * lanes::dot(points.row(i), points.row(i));
            (0..points.rows()).map(square).collect()
        };
        Centred {
            half_squares: points.each_ref().map(half_squares),
            points,
        }
    }

    fn tile(&self) -> Tile<T> {
        Tile::new(TILE_ROWS.min(self.x.rows()), BLOCK.min(self.y.rows()))
    }

    /// K, with its mask, for a tile of rows and a block of columns.
    fn kernel(
        &self,
        rows: &Range<usize>,
        cols: &Range<usize>,
        centred: &Centred<T>,
        tile: &mut Tile<T>,
    ) {
        let [x, y] = centred.points.each_ref().map(Tensor::view);
        let [x_squares, y_squares] = &centred.half_squares;
        gemm(
            self.scale,
            x.rows_in(rows.clone()),
            y.rows_in(cols.clone()).t(),
            T::ZERO,
            tile.view_mut(rows.len(), cols.len()),
        );
        exponentials(tile, &x_squares[rows.clone()], &y_squares[cols.clone()]);
        if let Some(dropout) = self.dropout {
            for (row, k) in rows.clone().zip(tile.s.chunks_exact_mut(tile.stride)) {
                dropout.apply(row, cols.start, &mut k[..cols.len()]);
            }
        }
    }

    /// Writes out (n, w).
    pub(super) fn forward(&self, mut out: MatMut<'_, T>) {
        let (n, m) = (self.x.rows(), self.y.rows());
        let centred = self.centred();
        let mut tile = self.tile();
        for rows in pieces(n, TILE_ROWS) {
            for cols in pieces(m, BLOCK) {
                self.kernel(&rows, &cols, &centred, &mut tile);
                let beta = if cols.start == 0 { T::ZERO } else { T::ONE };
                gemm(
                    T::ONE,
                    tile.view(rows.len(), cols.len()),
                    self.v.rows_in(cols),
                    beta,
                    out.reborrow().rows_in(rows.clone()),
                );
            }
        }
    }

    /// Adds to dx (n, p), dy (m, p) and dv (m, w).
    pub(super) fn backward(
        &self,
        dout: MatRef<'_, T>,
        mut dx: MatMut<'_, T>,
        mut dy: MatMut<'_, T>,
        mut dv: MatMut<'_, T>,
    ) {
        let (n, m) = (self.x.rows(), self.y.rows());
        let centred = self.centred();
        let [x, y] = centred.points.each_ref().map(Tensor::view);
        let (mut tile, mut dkernel) = (self.tile(), self.tile());
        // Row sums of de would also be dout · out, but out would have to be kept for it.
        let (mut row_sums, mut col_sums) = (vec![T::ZERO; n], vec![T::ZERO; m]);
        for rows in pieces(n, TILE_ROWS) {
            let dout = dout.rows_in(rows.clone());
            for cols in pieces(m, BLOCK) {
                let (height, width) = (rows.len(), cols.len());
                self.kernel(&rows, &cols, &centred, &mut tile);
                // out = K v:  dv += Kᵀ dout,  dK = dout vᵀ
                let v = self.v.rows_in(cols.clone());
                gemm(
                    T::ONE,
                    tile.view(height, width).t(),
                    dout,
                    T::ONE,
                    dv.reborrow().rows_in(cols.clone()),
                );
                gemm(
                    T::ONE,
                    dout,
                    v.t(),
                    T::ZERO,
                    dkernel.view_mut(height, width),
                );
                // K = exp(e):  de = K dK
                exponent_gradients(
                    &mut tile,
                    &dkernel,
                    &mut row_sums[rows.clone()],
                    &mut col_sums[cols.clone()],
                );
                // e = scale (x yᵀ - ...):  dx += scale de y,  dy += scale deᵀ x
                let de = tile.view(height, width);
                let dx = dx.reborrow().rows_in(rows.clone());
                gemm(self.scale, de, y.rows_in(cols.clone()), T::ONE, dx);
                let dy = dy.reborrow().rows_in(cols);
                gemm(self.scale, de.t(), x.rows_in(rows.clone()), T::ONE, dy);
            }
        }
        // e = scale (... - |x|² / 2 - |y|² / 2)
        for (i, &sum) in row_sums.iter().enumerate() {
            lanes::add_scaled(-self.scale * sum, x.row(i), dx.row(i));
        }
        for (j, &sum) in col_sums.iter().enumerate() {
            lanes::add_scaled(-self.scale * sum, y.row(j), dy.row(j));
        }
    }
}

lanes! {
    /// scale x · y becomes K = exp(scale x · y - x_square - y_square).
    fn exponentials<T>(tile: &mut Tile<T>, x_squares: &[T], y_squares: &[T]) {
        for (k, &x_square) in tile.s.chunks_exact_mut(tile.stride).zip(x_squares) {
            for (k, &y_square) in k.iter_mut().zip(y_squares) {
                *k = (*k - x_square - y_square).exp();
            }
        }
    }

    /// K becomes de = K dK, whose sums over both directions are added up.
    fn exponent_gradients<T>(k: &mut Tile<T>, dk: &Tile<T>, row_sums: &mut [T], col_sums: &mut [T]) {
        let rows = k.s.chunks_exact_mut(k.stride).zip(dk.s.chunks_exact(dk.stride));
        for ((k, dk), row_sum) in rows.zip(row_sums) {
            let k = &mut k[..col_sums.len()];
            for ((k, &dk), col_sum) in k.iter_mut().zip(dk).zip(col_sums.iter_mut()) {
                *k *= dk;
                *col_sum += *k;
            }
            *row_sum += fold(k, T::ZERO, |a, b| a + b, |x| x);
        }
    }
}
