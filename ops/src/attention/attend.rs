//! The kernel: softmax attention of n queries over m keys, in tiles: no n x m matrix is ever stored.
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
//! dy_i · v_j by M_ij. A query's own key may have a constant in place of its logit
//! ([`SelfLogit`]); its ds is 0 then. A query may see a range of the keys only ([`Attend::seen`]); its other P are 0.
//!
//! Tiles hold s log2(e), since 2^x takes fewer operations than e^x: log2(e) is part of the scale of
//! the product that makes them.
//!
//! Forward works on tiles of queries, backward on pairs of a tile and a block of keys, whose shares of dq, dk and dv are
//! added in a fixed order: so tiles of one long example can be [spread](crate::spread) over threads and give the same
//! bits.
//!
//! These are plain functions on views. A method gathers its rows and columns, calls them, and
//! records one node.

mod whole;

use engine::buffer::Buffer;
use engine::gemm::pieces;
use engine::lanes::{LANES, fold, short_inner};
use engine::{MatMut, MatRef, Real, gemm, lanes};

use crate::dropout::Dropout;
use crate::spread::in_order;
use std::f64::consts::{LN_2, LOG2_E};
use std::ops::Range;

/// Queries of a tile: enough that packing the keys for the product is repaid, few enough that a tile
/// stays in cache.
pub(super) const TILE_ROWS: usize = 256;
/// Queries of a tile that spans all keys (forward with energies).
const FULL_TILE_ROWS: usize = 64;
/// Up to this many keys are one block; more are taken in blocks of `KEY_BLOCK` with a running
/// maximum.
const ONE_BLOCK: usize = 512;
const KEY_BLOCK: usize = 256;
/// The logit of a key that a query does not see, in base 2: far below every real one and finite, since the difference
/// of two infinities is no number.
const UNSEEN: f64 = -1e30;

/// The inputs of one attention.
#[derive(Clone, Copy)]
pub struct Attend<'a, T: Real> {
    /// The matrix whose rows are the queries, p columns.
    pub q: MatRef<'a, T>,
    /// The rows of q that are queries (n), none twice; `None` for all. Query i has row `rows[i]` of y, dy and dq as of q;
    /// other rows are neither read nor written. lse, weights and masks are indexed by i.
    pub rows: Option<&'a [u32]>,
    /// Keys (m, p), m >= 1.
    pub k: MatRef<'a, T>,
    /// Values (m, w), any w; `None` when only lse (or the energies) are wanted.
    pub v: Option<MatRef<'a, T>>,
    /// Added to every query's logit of a key (m), finite; empty for none.
    pub bias: &'a [T],
    /// Multiplies q · k: 1 / sqrt(p) as a rule.
    pub scale: T,
    /// Dropout on the probabilities, by query row and key.
    pub dropout: Option<Dropout>,
    /// A constant logit for every query's own key.
    pub own: Option<SelfLogit<'a, T>>,
    /// The keys that each query sees, a range of them (n); `None` for all. A query that sees none gets an lse below
    /// -1e29 and a row of y without meaning: joined with another part by their lse, it has no weight.
    pub seen: Option<&'a [Range<u32>]>,
}

/// A constant logit wherever a query meets its own key.
#[derive(Clone, Copy)]
pub struct SelfLogit<'a, T> {
    /// The name of each query (n).
    pub queries: &'a [u32],
    /// The name of each key (m).
    pub keys: &'a [u32],
    /// The logit where the two names are the same, finite; no gradient goes through it.
    pub logit: T,
}

/// Scratch of one call: a tile of logits. Backward has a query a row and a key a column; forward, which works on
/// many queries side by side, a key a row.
pub(super) struct Tile<T: Real> {
    pub(super) stride: usize,
    pub(super) s: Buffer<T>,
}

impl<T: Real> Tile<T> {
    pub(super) fn new(rows: usize, cols: usize) -> Self {
        // Rows whose distance is a power of two would compete for the same few cache lines.
        let mut stride = cols.next_multiple_of(16);
        if stride.is_multiple_of(64) {
            stride += 16;
        }
        Tile {
            stride,
            s: Buffer::stale(rows * stride),
        }
    }

    pub(super) fn view(&self, rows: usize, cols: usize) -> MatRef<'_, T> {
        MatRef::new(&self.s[..rows * self.stride], rows, self.stride).cols_in(0..cols)
    }

    pub(super) fn view_mut(&mut self, rows: usize, cols: usize) -> MatMut<'_, T> {
        MatMut::strided(&mut self.s, rows, cols, self.stride)
    }
}

/// Scratch of forward for a tile of queries.
struct Forward<T: Real> {
    tile: Tile<T>,
    running: Running<T>,
    q: Buffer<T>,
    /// Sums of P v so far.
    out: Buffer<T>,
}

impl<T: Real> Forward<T> {
    fn new(attend: &Attend<'_, T>, keys: usize, queries: usize) -> Self {
        let tile = Tile::new(keys, queries.next_multiple_of(LANES));
        Forward {
            running: Running::new(tile.stride),
            tile,
            q: Buffer::stale(queries * attend.q.cols()),
            out: Buffer::stale(queries * attend.v.map_or(0, |v| v.cols())),
        }
    }
}

/// Scratch of backward for a tile of queries and a block of keys.
struct Backward<T: Real> {
    /// Those of which q, dy, D and lse are here.
    rows: Range<usize>,
    q: Buffer<T>,
    dy: Buffer<T>,
    d: [T; TILE_ROWS],
    /// In base 2.
    lse: [T; TILE_ROWS],
    tile: Tile<T>,
    dp: Tile<T>,
    masked: Tile<T>,
    /// What the tile and the block give.
    dq: Buffer<T>,
    dk: Buffer<T>,
    dv: Buffer<T>,
}

impl<T: Real> Backward<T> {
    fn new(attend: &Attend<'_, T>, queries: usize, keys: usize) -> Self {
        let (p, width) = (attend.q.cols(), attend.v.map_or(0, |v| v.cols()));
        let only_if = |needed: bool| if needed { queries } else { 0 };
        Backward {
            rows: 0..0,
            q: Buffer::stale(queries * p),
            dy: Buffer::stale(queries * width),
            d: [T::ZERO; TILE_ROWS],
            lse: [T::ZERO; TILE_ROWS],
            tile: Tile::new(queries, keys),
            dp: Tile::new(only_if(attend.v.is_some()), keys),
            masked: Tile::new(only_if(attend.dropout.is_some()), keys),
            dq: Buffer::stale(queries * p),
            dk: Buffer::stale(keys * p),
            dv: Buffer::stale(keys * width),
        }
    }
}

/// The `rows x cols` matrix that a buffer begins with.
fn leading<T: Real>(buffer: &[T], rows: usize, cols: usize) -> MatRef<'_, T> {
    MatRef::new(&buffer[..rows * cols], rows, cols)
}

fn leading_mut<T: Real>(buffer: &mut [T], rows: usize, cols: usize) -> MatMut<'_, T> {
    MatMut::new(&mut buffer[..rows * cols], rows, cols)
}

impl<'a, T: Real> Attend<'a, T> {
    /// Softmax attention with logits q · k / sqrt(p), no bias, no dropout.
    pub fn new(q: MatRef<'a, T>, k: MatRef<'a, T>, v: Option<MatRef<'a, T>>) -> Self {
        let scale = T::ONE / T::of(q.cols() as f64).sqrt();
        Attend {
            q,
            rows: None,
            k,
            v,
            bias: &[],
            scale,
            dropout: None,
            own: None,
            seen: None,
        }
    }

    fn key_block(&self) -> usize {
        let m = self.k.rows();
        if m <= ONE_BLOCK { m } else { KEY_BLOCK }
    }

    /// The bias of every key in base 2; zeros where there is none.
    fn bias_base_2(&self) -> Vec<T> {
        if self.bias.is_empty() {
            vec![T::ZERO; self.k.rows()]
        } else {
            self.bias.iter().map(|&b| base_2(b)).collect()
        }
    }

    /// n
    fn queries(&self) -> usize {
        self.rows.map_or(self.q.rows(), <[u32]>::len)
    }

    /// Where query i is.
    fn row(&self, i: usize) -> usize {
        self.rows.map_or(i, |rows| rows[i] as usize)
    }

    /// The rows of `x` that belong to a tile of queries, copied together.
    fn gather(&self, x: MatRef<'_, T>, tile: &Range<usize>, together: &mut Buffer<T>) {
        let rows = together.chunks_exact_mut(x.cols().max(1));
        for (out, i) in rows.zip(tile.clone()) {
            out.copy_from_slice(x.row(self.row(i)));
        }
    }

    /// Stops where the parts do not fit together.
    #[track_caller]
    fn check(&self, lse: &[T], output: Option<(usize, usize)>) {
        let (n, m, p) = (self.queries(), self.k.rows(), self.q.cols());
        assert!(
            m > 0 && self.k.cols() == p && [0, m].contains(&self.bias.len()),
            "attend: queries of {p} columns, keys ({m}, {}), biases of {}",
            self.k.cols(),
            self.bias.len()
        );
        assert!(
            self.own
                .is_none_or(|own| own.queries.len() == n && own.keys.len() == m),
            "attend: {n} queries and {m} keys, of which not all have names"
        );
        assert!(
            self.seen.is_none_or(|seen| seen.len() == n),
            "attend: {n} queries, of which not all have a range of keys"
        );
        assert!(lse.len() == n, "attend: {n} queries, {} lse", lse.len());
        let fits = match (self.v, output) {
            (Some(v), Some(shape)) => v.rows() == m && shape == (self.q.rows(), v.cols()),
            (v, output) => v.is_none() && output.is_none(),
        };
        assert!(
            fits,
            "attend: {m} keys, values {:?} and output {output:?}, which go together",
            self.v.map(|v| (v.rows(), v.cols()))
        );
    }

    /// Writes y (rows of q, w), unless there are no values, and lse (n).
    ///
    /// Tiles are transposed here, a key a row: maxima and sums of many queries run side by side, and
    /// y = P V finds P in the order in which the product reads it.
    ///
    /// # Panics
    /// If a shape is not the one stated here and at the fields, there is no key, or only one of y and the values is
    /// there.
    #[track_caller]
    pub fn forward(&self, mut y: Option<MatMut<'_, T>>, lse: &mut [T]) {
        self.check(lse, y.as_ref().map(MatMut::shape));
        let (n, m) = (self.queries(), self.k.rows());
        let block = self.key_block();
        let height = TILE_ROWS.min(n);
        let bias = self.bias_base_2();
        let work = |rows: &mut Range<usize>, scratch: &mut Forward<T>| {
            let Forward { tile, running, .. } = scratch;
            self.gather(self.q, rows, &mut scratch.q);
            let q = leading(&scratch.q, rows.len(), self.q.cols());
            running.begin();
            for keys in pieces(m, block) {
                self.transposed_logits(q, rows, &keys, tile);
                online_softmax(tile, rows.len(), &bias[keys.clone()], running);
                if let Some(dropout) = self.dropout {
                    let p = &mut tile.s[..keys.len() * tile.stride];
                    dropout.apply_transposed(rows.clone(), keys.start, p, tile.stride);
                }
                if let Some(v) = self.v {
                    let mut out = leading_mut(&mut scratch.out, rows.len(), v.cols());
                    if keys.start > 0 {
                        for (r, &shrink) in running.shrink[..rows.len()].iter().enumerate() {
                            lanes::scale(shrink, out.row(r));
                        }
                    }
                    let beta = if keys.start == 0 { T::ZERO } else { T::ONE };
                    let p = tile.view(keys.len(), rows.len()).t();
                    gemm(T::ONE, p, v.rows_in(keys), beta, out);
                }
            }
        };
        in_order(
            pieces(n, TILE_ROWS),
            || Forward::new(self, block, height),
            work,
            |rows, scratch| self.finish(rows, scratch, &mut y, lse),
        );
    }

    /// As [`Attend::forward`], and adds weights_i P_ij² of every query to energies_j (m).
    ///
    /// A tile of 64 queries spans all keys here, so that its sums are known at once.
    ///
    /// # Panics
    /// As [`Attend::forward`], and if weights or energies have another length, or there is dropout.
    #[track_caller]
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
        self.check(lse, y.as_ref().map(MatMut::shape));
        assert!(
            weights.len() == self.queries() && energies.len() == self.k.rows(),
            "attend: weights of {} queries and energies of {} keys",
            weights.len(),
            energies.len()
        );
        let (n, m) = (self.queries(), self.k.rows());
        let bias = self.bias_base_2();
        // With the energies that a tile gives.
        type Scratch<T> = (Forward<T>, Vec<T>);
        let work = |rows: &mut Range<usize>, (scratch, energies): &mut Scratch<T>| {
            let Forward { tile, running, .. } = scratch;
            self.gather(self.q, rows, &mut scratch.q);
            let q = leading(&scratch.q, rows.len(), self.q.cols());
            running.begin();
            self.transposed_logits(q, rows, &(0..m), tile);
            online_softmax(tile, rows.len(), &bias, running);
            // P = s / sum
            let mut squares = [T::ZERO; FULL_TILE_ROWS];
            for ((square, &sum), i) in squares.iter_mut().zip(&running.sum).zip(rows.clone()) {
                *square = weights[i] / (sum * sum);
            }
            tile_energies(tile, &squares, energies);
            if let Some(v) = self.v {
                let p = tile.view(m, rows.len()).t();
                let out = leading_mut(&mut scratch.out, rows.len(), v.cols());
                gemm(T::ONE, p, v, T::ZERO, out);
            }
        };
        in_order(
            pieces(n, FULL_TILE_ROWS),
            || (Forward::new(self, m, FULL_TILE_ROWS), vec![T::ZERO; m]),
            work,
            |rows, (scratch, more)| {
                lanes::add(more, energies);
                self.finish(rows, scratch, &mut y, lse);
            },
        );
    }

    /// sᵀ = scale K Qᵀ in base 2 for a block of keys and a tile of queries, without the bias; unseen keys hidden.
    fn transposed_logits(
        &self,
        q: MatRef<'_, T>,
        rows: &Range<usize>,
        keys: &Range<usize>,
        tile: &mut Tile<T>,
    ) {
        let s = tile.view_mut(keys.len(), rows.len());
        let k = self.k.rows_in(keys.clone());
        gemm(base_2(self.scale), k, q.t(), T::ZERO, s);
        if let Some(own) = self.own {
            let (queries, keys) = (&own.queries[rows.clone()], &own.keys[keys.clone()]);
            set_same(tile, keys, queries, base_2(own.logit));
        }
        if let Some(seen) = self.seen {
            hide(tile, keys.clone(), &seen[rows.clone()]);
        }
    }

    /// lse = max + ln sum and y = out / sum for a tile of queries.
    fn finish(
        &self,
        rows: &Range<usize>,
        Forward { running, out, .. }: &Forward<T>,
        y: &mut Option<MatMut<'_, T>>,
        lse: &mut [T],
    ) {
        for (r, i) in rows.clone().enumerate() {
            lse[i] = running.max[r] * T::of(LN_2) + running.sum[r].ln();
        }
        if let Some(y) = y {
            let rows = rows.clone().map(|i| self.row(i));
            for ((row, out), &sum) in rows
                .zip(out.chunks_exact(y.cols().max(1)))
                .zip(&running.sum)
            {
                scaled_copy(T::ONE / sum, out, y.row(row));
            }
        }
    }

    /// Writes dq (rows of q, p) and adds to dk (m, p) and dv (m, w).
    ///
    /// `output` is (y, dy, dv) and is `None` when there are no values; `lse` is what forward gave;
    /// `dlse` (n) may be empty for zeros.
    ///
    /// # Panics
    /// As [`Attend::forward`], for the shapes stated here.
    #[track_caller]
    pub fn backward(
        &self,
        lse: &[T],
        dlse: &[T],
        output: Option<(MatRef<'_, T>, MatRef<'_, T>, MatMut<'_, T>)>,
        mut dq: MatMut<'_, T>,
        mut dk: MatMut<'_, T>,
    ) {
        self.check(lse, output.as_ref().map(|(y, _, _)| y.shape()));
        if let Some((y, dy, dv)) = &output {
            assert!(
                dy.shape() == y.shape() && dv.shape() == (self.k.rows(), y.cols()),
                "attend: y {:?}, dy {:?}, dv {:?}",
                y.shape(),
                dy.shape(),
                dv.shape()
            );
        }
        assert!(
            dq.shape() == self.q.shape()
                && dk.shape() == self.k.shape()
                && [0, lse.len()].contains(&dlse.len()),
            "attend: dq {:?}, dk {:?}, {} dlse",
            dq.shape(),
            dk.shape(),
            dlse.len()
        );
        let (n, m) = (self.queries(), self.k.rows());
        let block = self.key_block();
        let bias = self.bias_base_2();
        let (given, mut dv) = output.map(|(y, dy, dv)| ((y, dy), dv)).unzip();
        let work = |(rows, keys): &mut (Range<usize>, Range<usize>), scratch: &mut Backward<T>| {
            if scratch.rows != *rows {
                self.prepare(rows, lse, dlse, given, scratch);
            }
            let (height, width) = (rows.len(), keys.len());
            let Backward { tile, dp, .. } = scratch;
            let q = leading(&scratch.q, height, self.q.cols());
            // s = scale q kᵀ in base 2
            let k = self.k.rows_in(keys.clone());
            gemm(
                base_2(self.scale),
                q,
                k.t(),
                T::ZERO,
                tile.view_mut(height, width),
            );
            let own = self.own.map_or(T::ZERO, |own| base_2(own.logit));
            self.set_own(rows, keys, tile, own);
            // P = 2^(s + bias - lse)
            probabilities(tile, &bias[keys.clone()], &scratch.lse[..height]);
            self.forget_unseen(rows, keys, tile);
            if let Some(v) = self.v {
                let dy = leading(&scratch.dy, height, v.cols());
                let v = v.rows_in(keys.clone());
                gemm(T::ONE, dy, v.t(), T::ZERO, dp.view_mut(height, width));
                // y = P v:  dv = Pᵀ dy,  dp = dy vᵀ;  with dropout y = (P M) v:  dv = (P M)ᵀ dy,
                // dp = (dy vᵀ) M
                let dv = leading_mut(&mut scratch.dv, width, v.cols());
                if self.dropout.is_some() {
                    let masked = &mut scratch.masked;
                    masked.s.copy_from_slice(&tile.s);
                    self.drop_probabilities(rows, keys, masked);
                    self.drop_probabilities(rows, keys, dp);
                    gemm(T::ONE, masked.view(height, width).t(), dy, T::ZERO, dv);
                } else {
                    gemm(T::ONE, tile.view(height, width).t(), dy, T::ZERO, dv);
                }
                // ds = P (dp - D)
                logit_gradients(tile, dp, width, &scratch.d[..height]);
            } else {
                // no values: dp = 0
                let stride = tile.stride;
                for (s, &d) in tile.s.chunks_exact_mut(stride).zip(&scratch.d[..height]) {
                    lanes::scale(-d, &mut s[..width]);
                }
            }
            self.set_own(rows, keys, tile, T::ZERO);
            // s = scale q kᵀ:  dq = scale ds k,  dk = scale dsᵀ q
            let ds = tile.view(height, width);
            let dq = leading_mut(&mut scratch.dq, height, q.cols());
            gemm(self.scale, ds, k, T::ZERO, dq);
            let dk = leading_mut(&mut scratch.dk, width, q.cols());
            gemm(self.scale, ds.t(), q, T::ZERO, dk);
        };
        let tiles = pieces(n, TILE_ROWS);
        in_order(
            tiles.flat_map(|rows| pieces(m, block).map(move |keys| (rows.clone(), keys))),
            || Backward::new(self, TILE_ROWS.min(n), block),
            work,
            |(rows, keys), scratch| {
                if keys.start == 0 {
                    for i in rows.clone() {
                        dq.row(self.row(i)).fill(T::ZERO);
                    }
                }
                add_rows(&scratch.dq, self.rows, rows.clone(), dq.reborrow());
                add_rows(&scratch.dk, None, keys.clone(), dk.reborrow());
                if let Some(dv) = &mut dv {
                    add_rows(&scratch.dv, None, keys.clone(), dv.reborrow());
                }
            },
        );
    }

    /// What backward needs of a tile of queries, whatever the keys.
    fn prepare(
        &self,
        rows: &Range<usize>,
        lse: &[T],
        dlse: &[T],
        given: Option<(MatRef<'_, T>, MatRef<'_, T>)>,
        scratch: &mut Backward<T>,
    ) {
        scratch.rows = rows.clone();
        self.gather(self.q, rows, &mut scratch.q);
        // D = dy · y - dlse
        let d = &mut scratch.d[..rows.len()];
        d.fill(T::ZERO);
        if let Some((y, dy)) = given {
            self.gather(dy, rows, &mut scratch.dy);
            let dy = leading(&scratch.dy, rows.len(), dy.cols());
            row_products(y, self.rows, rows.clone(), dy, d);
        }
        if !dlse.is_empty() {
            lanes::subtract(&dlse[rows.clone()], d);
        }
        for (tile, &lse) in scratch.lse.iter_mut().zip(&lse[rows.clone()]) {
            *tile = base_2(lse);
        }
    }

    /// `value` where a query of the tile meets its own key.
    fn set_own(&self, rows: &Range<usize>, keys: &Range<usize>, tile: &mut Tile<T>, value: T) {
        if let Some(own) = self.own {
            let (queries, keys) = (&own.queries[rows.clone()], &own.keys[keys.clone()]);
            set_same(tile, queries, keys, value);
        }
    }

    /// P = 0 where a query of the tile does not see a key of the block.
    fn forget_unseen(&self, rows: &Range<usize>, keys: &Range<usize>, tile: &mut Tile<T>) {
        if let Some(seen) = self.seen {
            let within = |key: u32| (key as usize).clamp(keys.start, keys.end) - keys.start;
            let rows = tile
                .s
                .chunks_exact_mut(tile.stride)
                .zip(&seen[rows.clone()]);
            for (p, seen) in rows {
                p[..within(seen.start)].fill(T::ZERO);
                p[within(seen.end)..keys.len()].fill(T::ZERO);
            }
        }
    }

    /// p = P M for a tile of queries and a block of keys.
    fn drop_probabilities(&self, rows: &Range<usize>, keys: &Range<usize>, tile: &mut Tile<T>) {
        if let Some(dropout) = self.dropout {
            for (row, p) in rows.clone().zip(tile.s.chunks_exact_mut(tile.stride)) {
                dropout.apply(row, keys.start, &mut p[..keys.len()]);
            }
        }
    }
}

/// x log2(e): what 2 has to be raised to for e^x.
fn base_2<T: Real>(x: T) -> T {
    x * T::of(LOG2_E)
}

/// What the online softmax knows of the queries of a tile: the largest logit so far in base 2, the sum of
/// 2^(s - max), and what sums over earlier keys are to be multiplied by for the present maximum.
/// As wide as the tile, of which the last numbers may belong to no query.
struct Running<T> {
    max: Vec<T>,
    sum: Vec<T>,
    shrink: Vec<T>,
}

impl<T: Real> Running<T> {
    fn new(width: usize) -> Self {
        let [max, sum, shrink] = [(); 3].map(|()| vec![T::ZERO; width]);
        Running { max, sum, shrink }
    }

    fn begin(&mut self) {
        self.max.fill(T::NEG_INFINITY);
        self.sum.fill(T::ZERO);
    }
}

lanes! {
    /// y = a x
    fn scaled_copy<T>(a: T, x: &[T], y: &mut [T]) {
        for (y, &x) in y.iter_mut().zip(x) {
            *y = a * x;
        }
    }

    /// d_r = y_i · dy_r, where i is the row of y that belongs to query r of the tile.
    fn row_products<T>(
        y: MatRef<'_, T>,
        rows: Option<&[u32]>,
        tile: Range<usize>,
        dy: MatRef<'_, T>,
        d: &mut [T],
    ) {
        for ((r, d), i) in d.iter_mut().enumerate().zip(tile) {
            let i = rows.map_or(i, |rows| rows[i] as usize);
            *d = short_inner(y.row(i), dy.row(r));
        }
    }

    /// Rows of y, as many as `at` says, get those of x added: rows `at`, or `rows[at]`.
    fn add_rows<T>(x: &[T], rows: Option<&[u32]>, at: Range<usize>, y: MatMut<'_, T>) {
        let mut y = y;
        for (x, i) in x.chunks_exact(y.cols().max(1)).zip(at) {
            let y = y.row(rows.map_or(i, |rows| rows[i] as usize));
            for (y, &x) in y.iter_mut().zip(x) {
                *y += x;
            }
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

    /// s becomes [`UNSEEN`] where the query of a column does not see the key of a row.
    fn hide<T>(tile: &mut Tile<T>, keys: Range<usize>, seen: &[Range<u32>]) {
        for (s, key) in tile.s.chunks_exact_mut(tile.stride).zip(keys) {
            let key = key as u32;
            for (s, seen) in s.iter_mut().zip(seen) {
                let sees = (seen.start <= key) & (key < seen.end);
                *s = if sees { *s } else { T::of(UNSEEN) };
            }
        }
    }

    /// The online softmax (Milakov and Gimelshein 2018) for a block of keys, a key a row of the
    /// tile: s becomes 2^(s + bias - max) with the running maximum.
    fn online_softmax<T>(tile: &mut Tile<T>, rows: usize, bias: &[T], running: &mut Running<T>) {
        let stride = tile.stride;
        let s = &mut tile.s[..bias.len() * stride];
        for c in (0..rows).step_by(LANES) {
            let old: [T; LANES] = std::array::from_fn(|r| running.max[c + r]);
            let mut max = old;
            for (s, &b) in s.chunks_exact(stride).zip(bias) {
                for (max, &s) in max.iter_mut().zip(&s[c..c + LANES]) {
                    *max = max.larger(s + b);
                }
            }
            let mut sum = [T::ZERO; LANES];
            for (s, &b) in s.chunks_exact_mut(stride).zip(bias) {
                for ((s, &max), sum) in s[c..c + LANES].iter_mut().zip(&max).zip(&mut sum) {
                    *s = (*s + b - max).exp2();
                    *sum += *s;
                }
            }
            for r in 0..LANES {
                let shrink = (old[r] - max[r]).exp2();
                running.sum[c + r] = running.sum[c + r].mul_add(shrink, sum[r]);
                (running.max[c + r], running.shrink[c + r]) = (max[r], shrink);
            }
        }
    }

    /// energies_j = sum of square_i s_ij² over the queries; a square of 0 is a query that is not
    /// there.
    fn tile_energies<T>(tile: &Tile<T>, squares: &[T; FULL_TILE_ROWS], energies: &mut [T]) {
        for (s, energy) in tile.s.chunks_exact(tile.stride).zip(energies) {
            let mut lanes = [T::ZERO; FULL_TILE_ROWS];
            for ((&s, &square), lane) in s.iter().zip(squares).zip(&mut lanes) {
                *lane = if square > T::ZERO { square * (s * s) } else { T::ZERO };
            }
            *energy = fold(&lanes, T::ZERO, |a, b| a + b, |x| x);
        }
    }

    /// s becomes P = 2^(s + bias - lse), all in base 2.
    fn probabilities<T>(tile: &mut Tile<T>, bias: &[T], lse: &[T]) {
        for (s, &lse) in tile.s.chunks_exact_mut(tile.stride).zip(lse) {
            for (s, &b) in s.iter_mut().zip(bias) {
                *s = (*s + b - lse).exp2();
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
