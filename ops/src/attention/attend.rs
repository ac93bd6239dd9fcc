//! The kernel: softmax attention of some queries over some keys, in tiles, nothing n x m ever
//! stored.
//!
//! With logits s_ij = scale q_i · k_j + bias_j, rows of probabilities P_i = softmax(s_i), the
//! kernel computes
//!
//! ```text
//! y_i   = sum_j P_ij v_j                lse_i = ln sum_j exp(s_ij)
//! ```
//!
//! and, given dy and dlse, with s and P recomputed tile by tile (Dao et al. 2022, FlashAttention,
//! on a CPU):
//!
//! ```text
//! dv_j  = sum_i P_ij dy_i               D_i  = dy_i · y_i - dlse_i
//! ds_ij = P_ij (dy_i · v_j - D_i)       dq_i = scale sum_j ds_ij k_j      dk_j = scale sum_i ds_ij q_i
//! ```
//!
//! since sum_j P_ij (dy_i · v_j) = dy_i · y_i and d lse_i / d s_ij = P_ij. Dropout on the
//! probabilities (v_j weighted by P_ij M_ij with the mask M) leaves D_i as it is and multiplies
//! dy_i · v_j by M_ij. A query's own key may have a constant in place of its logit ([`Own`]); its
//! ds is 0 then.
//!
//! These are plain functions on views. A method gathers its rows and columns, calls them, and
//! records one node.

use engine::buffer::Buffer;
use engine::lanes::{LANES, fold};
use engine::{MatMut, MatRef, Real, gemm, lanes};

use crate::dropout::Dropout;

/// Rows of a tile: enough that packing the keys for the product is repaid, few enough that a tile
/// stays in cache.
pub(super) const TILE_ROWS: usize = 128;
/// Rows of a tile that spans all keys (forward with energies).
const FULL_TILE_ROWS: usize = 64;
/// Up to this many keys are one block; more are taken in blocks of `KEY_BLOCK` with a running
/// maximum.
const ONE_BLOCK: usize = 512;
const KEY_BLOCK: usize = 256;

/// One attention: what goes in.
#[derive(Clone, Copy)]
pub struct Attend<'a, T: Real> {
    /// Queries (n, p).
    pub q: MatRef<'a, T>,
    /// Keys (m, p), m >= 1.
    pub k: MatRef<'a, T>,
    /// Values (m, p); `None` when only lse (or the energies) are wanted.
    pub v: Option<MatRef<'a, T>>,
    /// Added to every query's logit of a key (m); empty for none.
    pub bias: &'a [T],
    /// Multiplies q · k: 1 / sqrt(p) as a rule.
    pub scale: T,
    /// Dropout on the probabilities, by query row and key.
    pub dropout: Option<Dropout>,
    /// A logit of its own for a query's own key.
    pub own: Option<Own<'a, T>>,
}

/// A constant logit wherever a query meets its own key.
#[derive(Clone, Copy)]
pub struct Own<'a, T> {
    /// Who each query is (n).
    pub queries: &'a [u32],
    /// Who each key is (m).
    pub keys: &'a [u32],
    /// The logit where the two are the same; no gradient goes through it.
    pub logit: T,
}

/// Scratch of one call: the tile of logits, and what goes with its rows.
pub(super) struct Tile<T: Real> {
    pub(super) stride: usize,
    pub(super) s: Buffer<T>,
    max: Vec<T>,
    sum: Vec<T>,
}

impl<T: Real> Tile<T> {
    pub(super) fn new(rows: usize, block: usize) -> Self {
        // Rows whose distance is a power of two would compete for the same few cache lines.
        let mut stride = block.next_multiple_of(16);
        if stride.is_multiple_of(64) {
            stride += 16;
        }
        Tile {
            stride,
            s: Buffer::stale(rows * stride),
            max: vec![T::ZERO; rows],
            sum: vec![T::ZERO; rows],
        }
    }

    pub(super) fn view(&self, rows: usize, cols: usize) -> MatRef<'_, T> {
        MatRef::new(&self.s[..rows * self.stride], rows, self.stride).cols_in(0..cols)
    }

    pub(super) fn view_mut(&mut self, rows: usize, cols: usize) -> MatMut<'_, T> {
        MatMut::strided(&mut self.s, rows, cols, self.stride)
    }
}

/// `0..n` in pieces of `size`.
pub(super) fn pieces(n: usize, size: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    (0..n)
        .step_by(size)
        .map(move |start| start..(start + size).min(n))
}

impl<'a, T: Real> Attend<'a, T> {
    /// Softmax attention with logits q · k / sqrt(p), no bias, no dropout.
    pub fn new(q: MatRef<'a, T>, k: MatRef<'a, T>, v: Option<MatRef<'a, T>>) -> Self {
        let scale = T::ONE / T::of(q.cols() as f64).sqrt();
        Attend {
            q,
            k,
            v,
            bias: &[],
            scale,
            dropout: None,
            own: None,
        }
    }

    fn key_block(&self) -> usize {
        let m = self.k.rows();
        if m <= ONE_BLOCK { m } else { KEY_BLOCK }
    }

    fn bias_in(&self, keys: std::ops::Range<usize>) -> &'a [T] {
        if self.bias.is_empty() {
            &[]
        } else {
            &self.bias[keys]
        }
    }

    /// s = scale Q Kᵀ for a tile of rows and a block of keys, without the bias.
    fn logits(
        &self,
        rows: &std::ops::Range<usize>,
        keys: &std::ops::Range<usize>,
        tile: &mut Tile<T>,
    ) {
        let s = tile.view_mut(rows.len(), keys.len());
        gemm(
            self.scale,
            self.q.rows_in(rows.clone()),
            self.k.rows_in(keys.clone()).t(),
            T::ZERO,
            s,
        );
        if let Some(Own { logit, .. }) = self.own {
            self.set_own(rows, keys, tile, logit);
        }
    }

    /// `value` where a query of the tile meets its own key.
    fn set_own(
        &self,
        rows: &std::ops::Range<usize>,
        keys: &std::ops::Range<usize>,
        tile: &mut Tile<T>,
        value: T,
    ) {
        if let Some(own) = self.own {
            set_same(
                tile,
                &own.queries[rows.clone()],
                &own.keys[keys.clone()],
                value,
            );
        }
    }

    /// p = P M for a tile of rows and a block of keys.
    fn drop_probabilities(
        &self,
        rows: &std::ops::Range<usize>,
        keys: &std::ops::Range<usize>,
        tile: &mut Tile<T>,
    ) {
        if let Some(dropout) = self.dropout {
            for (row, p) in rows.clone().zip(tile.s.chunks_exact_mut(tile.stride)) {
                dropout.apply(row, keys.start, &mut p[..keys.len()]);
            }
        }
    }

    /// Writes y (n, p), unless there are no values, and lse (n).
    pub fn forward(&self, mut y: Option<MatMut<'_, T>>, lse: &mut [T]) {
        assert_eq!(
            self.v.is_some(),
            y.is_some(),
            "attend: values and output go together"
        );
        let (n, m) = (self.q.rows(), self.k.rows());
        let width = self.v.map_or(0, |v| v.cols());
        let block = self.key_block();
        let mut tile = Tile::new(TILE_ROWS.min(n), block);
        let mut out = Buffer::stale(TILE_ROWS.min(n) * width);
        for rows in pieces(n, TILE_ROWS) {
            tile.max.fill(T::NEG_INFINITY);
            tile.sum.fill(T::ZERO);
            let out = &mut out[..rows.len() * width];
            for keys in pieces(m, block) {
                self.logits(&rows, &keys, &mut tile);
                online_softmax(
                    &mut tile,
                    rows.len(),
                    keys.len(),
                    self.bias_in(keys.clone()),
                    keys.start == 0,
                    out,
                );
                self.drop_probabilities(&rows, &keys, &mut tile);
                if let Some(v) = self.v {
                    let beta = if keys.start == 0 { T::ZERO } else { T::ONE };
                    let out = MatMut::new(out, rows.len(), width);
                    gemm(
                        T::ONE,
                        tile.view(rows.len(), keys.len()),
                        v.rows_in(keys),
                        beta,
                        out,
                    );
                }
            }
            for (r, i) in rows.clone().enumerate() {
                lse[i] = tile.max[r] + tile.sum[r].ln();
                if let Some(y) = &mut y {
                    scaled_copy(
                        T::ONE / tile.sum[r],
                        &out[r * width..(r + 1) * width],
                        y.row(i),
                    );
                }
            }
        }
    }

    /// As [`Attend::forward`], and adds weights_i P_ij² of every query to energies_j (m).
    ///
    /// A tile spans all keys here, so that its probabilities are normalised at once: scratch is `64
    /// x m`.
    pub fn forward_with_energies(
        &self,
        weights: &[T],
        mut y: Option<MatMut<'_, T>>,
        lse: &mut [T],
        energies: &mut [T],
    ) {
        assert!(
            self.dropout.is_none(),
            "attend: energies are those of the probabilities without dropout"
        );
        let (n, m) = (self.q.rows(), self.k.rows());
        let mut tile = Tile::new(FULL_TILE_ROWS.min(n), m);
        for rows in pieces(n, FULL_TILE_ROWS) {
            tile.max.fill(T::NEG_INFINITY);
            tile.sum.fill(T::ZERO);
            self.logits(&rows, &(0..m), &mut tile);
            online_softmax(&mut tile, rows.len(), m, self.bias, true, &mut []);
            normalise_with_energies(&mut tile, m, &weights[rows.clone()], energies);
            for (r, i) in rows.clone().enumerate() {
                lse[i] = tile.max[r] + tile.sum[r].ln();
            }
            if let (Some(v), Some(y)) = (self.v, &mut y) {
                gemm(
                    T::ONE,
                    tile.view(rows.len(), m),
                    v,
                    T::ZERO,
                    y.reborrow().rows_in(rows),
                );
            }
        }
    }

    /// Writes dq (n, p) and adds to dk (m, p) and dv (m, p).
    ///
    /// `output` is (y, dy, dv) and is `None` when there are no values; `lse` is what forward gave;
    /// `dlse` (n) may be empty for zeros.
    pub fn backward(
        &self,
        lse: &[T],
        dlse: &[T],
        mut output: Option<(MatRef<'_, T>, MatRef<'_, T>, MatMut<'_, T>)>,
        mut dq: MatMut<'_, T>,
        mut dk: MatMut<'_, T>,
    ) {
        assert_eq!(
            self.v.is_some(),
            output.is_some(),
            "attend: values and output go together"
        );
        let (n, m) = (self.q.rows(), self.k.rows());
        let block = self.key_block();
        let mut tile = Tile::new(TILE_ROWS.min(n), block);
        let mut dp = Tile::new(
            if self.v.is_some() {
                TILE_ROWS.min(n)
            } else {
                0
            },
            block,
        );
        let mut masked = Tile::new(
            if self.dropout.is_some() {
                TILE_ROWS.min(n)
            } else {
                0
            },
            block,
        );
        let mut d = [T::ZERO; TILE_ROWS];
        for rows in pieces(n, TILE_ROWS) {
            // D = dy · y - dlse
            for (r, i) in rows.clone().enumerate() {
                let dlse = if dlse.is_empty() { T::ZERO } else { dlse[i] };
                d[r] = output
                    .as_ref()
                    .map_or(T::ZERO, |(y, dy, _)| lanes::dot(y.row(i), dy.row(i)))
                    - dlse;
            }
            let lse = &lse[rows.clone()];
            for keys in pieces(m, block) {
                let (height, width) = (rows.len(), keys.len());
                self.logits(&rows, &keys, &mut tile);
                // P = exp(s - lse)
                probabilities(&mut tile, width, self.bias_in(keys.clone()), lse);
                if let (Some(v), Some((_, dy, dv))) = (self.v, &mut output) {
                    let dy = dy.rows_in(rows.clone());
                    let dv = dv.reborrow().rows_in(keys.clone());
                    gemm(
                        T::ONE,
                        dy,
                        v.rows_in(keys.clone()).t(),
                        T::ZERO,
                        dp.view_mut(height, width),
                    );
                    // y = P v:  dv += Pᵀ dy,  dp = dy vᵀ;  with dropout y = (P M) v:  dv += (P M)ᵀ
                    // dy,  dp = (dy vᵀ) M
                    if self.dropout.is_some() {
                        masked.s.copy_from_slice(&tile.s);
                        self.drop_probabilities(&rows, &keys, &mut masked);
                        self.drop_probabilities(&rows, &keys, &mut dp);
                        gemm(T::ONE, masked.view(height, width).t(), dy, T::ONE, dv);
                    } else {
                        gemm(T::ONE, tile.view(height, width).t(), dy, T::ONE, dv);
                    }
                    // ds = P (dp - D)
                    logit_gradients(&mut tile, &dp, width, &d[..height]);
                } else {
                    // no values: dp = 0
                    let stride = tile.stride;
                    for (s, &d) in tile.s.chunks_exact_mut(stride).zip(&d[..height]) {
                        lanes::scale(-d, &mut s[..width]);
                    }
                }
                self.set_own(&rows, &keys, &mut tile, T::ZERO);
                // s = scale q kᵀ:  dq += scale ds k,  dk += scale dsᵀ q
                let beta = if keys.start == 0 { T::ZERO } else { T::ONE };
                let ds = tile.view(height, width);
                let dq = dq.reborrow().rows_in(rows.clone());
                gemm(self.scale, ds, self.k.rows_in(keys.clone()), beta, dq);
                gemm(
                    self.scale,
                    ds.t(),
                    self.q.rows_in(rows.clone()),
                    T::ONE,
                    dk.reborrow().rows_in(keys),
                );
            }
        }
    }
}

lanes! {
    /// y = a x
    fn scaled_copy<T>(a: T, x: &[T], y: &mut [T]) {
        for (y, &x) in y.iter_mut().zip(x) {
            *y = a * x;
        }
    }

    /// `value` where a row and a column of the tile have the same name.
    fn set_same<T>(tile: &mut Tile<T>, rows: &[u32], cols: &[u32], value: T) {
        for (s, row) in tile.s.chunks_exact_mut(tile.stride).zip(rows) {
            for (s, col) in s.iter_mut().zip(cols) {
                *s = if row == col { value } else { *s };
            }
        }
    }

    /// The online softmax (Milakov and Gimelshein 2018) for a block of keys: s becomes exp(s + bias
    /// - max) with the running maximum; sums and, after the first block, the rows of `out` are
    /// brought to the new maximum.
    fn online_softmax<T>(tile: &mut Tile<T>, rows: usize, cols: usize, bias: &[T], first: bool, out: &mut [T]) {
        let width = out.len() / rows.max(1);
        for r in 0..rows {
            let s = &mut tile.s[r * tile.stride..r * tile.stride + cols];
            for (s, &b) in s.iter_mut().zip(bias) {
                *s += b;
            }
            let old = tile.max[r];
            let new = fold(s, old, |a, b| a.larger(b), |s| s);
            let mut lanes = [T::ZERO; LANES];
            let mut blocks = s.chunks_exact_mut(LANES);
            for block in &mut blocks {
                for (s, lane) in block.iter_mut().zip(&mut lanes) {
                    *s = (*s - new).exp();
                    *lane += *s;
                }
            }
            for (s, lane) in blocks.into_remainder().iter_mut().zip(&mut lanes) {
                *s = (*s - new).exp();
                *lane += *s;
            }
            let block_sum = fold(&lanes, T::ZERO, |a, b| a + b, |x| x);
            tile.max[r] = new;
            if first {
                tile.sum[r] = block_sum;
            } else {
                let shrink = (old - new).exp();
                tile.sum[r] = tile.sum[r] * shrink + block_sum;
                for out in &mut out[r * width..(r + 1) * width] {
                    *out *= shrink;
                }
            }
        }
    }

    /// s becomes P = s / sum; energies += weight P².
    fn normalise_with_energies<T>(tile: &mut Tile<T>, cols: usize, weights: &[T], energies: &mut [T]) {
        for ((s, &sum), &weight) in tile.s.chunks_exact_mut(tile.stride).zip(&tile.sum).zip(weights) {
            let inverse = T::ONE / sum;
            for (s, energy) in s[..cols].iter_mut().zip(energies.iter_mut()) {
                *s *= inverse;
                *energy += weight * (*s * *s);
            }
        }
    }

    /// s becomes P = exp(s + bias - lse).
    fn probabilities<T>(tile: &mut Tile<T>, cols: usize, bias: &[T], lse: &[T]) {
        for (s, &lse) in tile.s.chunks_exact_mut(tile.stride).zip(lse) {
            let s = &mut s[..cols];
            for (s, &b) in s.iter_mut().zip(bias) {
                *s += b;
            }
            for s in s {
                *s = (*s - lse).exp();
            }
        }
    }

    /// P becomes ds = P (dp - D).
    fn logit_gradients<T>(p: &mut Tile<T>, dp: &Tile<T>, cols: usize, d: &[T]) {
        let rows = p.s.chunks_exact_mut(p.stride).zip(dp.s.chunks_exact(dp.stride));
        for ((p, dp), &d) in rows.zip(d) {
            for (p, &dp) in p[..cols].iter_mut().zip(dp) {
                *p *= dp - d;
            }
        }
    }
}
