//! Attention along the edges of a graph: what [`super::spexphormer`] and [`super::spex_estimator`] share.
//!
//! Every row has a list of keys of its own, so no product of matrices serves them all: a row takes dot products with the
//! keys of its list ([`dots`]), a weighted sum over it ([`mix`]), and backwards adds multiples of one row to all of them
//! ([`spread`]). The first is the backward of the last two, and they of it.
//!
//! The edges are those of a window, |i - j| <= w by token number, and those of an [`Expander`]. In a graph that is the
//! same for all examples they are edges between positions ([`near`], [`Expander::fixed`]): those to a position that holds
//! no token are not there.

use engine::lanes::short_inner;
use engine::{Generator, MatMut, MatRef, Real, Tensor};

use super::Inputs;
use std::ops::Range;

/// Random permutations π of the n tokens; each gives edges from i to π(i) and back, so that every token has two ends of
/// each. A few of them connect all tokens within about log n steps (a random regular graph is an expander).
pub(super) struct Expander {
    n: usize,
    /// (e, n), [`NONE`] where the end is a position without a token.
    permutations: Vec<u32>,
    /// (e, n), likewise.
    inverses: Vec<u32>,
}

/// In place of a token where there is none.
pub(super) const NONE: u32 = u32::MAX;

/// `count` random permutations of the numbers below n, (count, n).
pub(super) fn permutations(count: usize, n: usize, generator: &mut Generator) -> Vec<u32> {
    let mut all = Vec::with_capacity(count * n);
    for _ in 0..count {
        all.extend(0..n as u32);
        let start = all.len() - n;
        generator.shuffle(&mut all[start..]);
    }
    all
}

/// The token at a position that a constant of the layer names, if there is one. What such constants are in a file of
/// weights is not known to be a position.
pub(super) fn token_at<T: Real>(positions: &[u32], position: T) -> Option<u32> {
    let token = positions.binary_search(&(position.f64() as u32));
    token.ok().map(|i| i as u32)
}

impl Expander {
    /// Draw `permutations` (e, n), one for all heads: `count` of them unless they are given.
    pub(super) fn draw<T: Real>(x: &Inputs<'_, '_, T>, count: usize) -> Expander {
        let n = x.v.rows();
        let permutations = x
            .draws
            .indices(&x.place.draw("permutations", 0), n, |generator| {
                permutations(count, n, generator)
            });
        Expander::among(permutations, n)
    }

    /// Of `permutations` (e, n).
    ///
    /// # Panics
    /// If they are none.
    pub(super) fn among(permutations: Vec<u32>, n: usize) -> Expander {
        let mut inverses = vec![NONE; permutations.len()];
        for (e, &to) in permutations.iter().enumerate() {
            inverses[e / n * n + to as usize] = (e % n) as u32;
        }
        assert!(
            permutations.len().is_multiple_of(n) && !inverses.contains(&NONE),
            "expander: {} indices are no permutations of {n} tokens",
            permutations.len()
        );
        Expander {
            n,
            permutations,
            inverses,
        }
    }

    /// Of `permutations` (e, N) of all positions, constants of the layer, what joins the positions of an example.
    pub(super) fn fixed<T: Real>(permutations: &Tensor<T>, positions: &[u32]) -> Expander {
        let n = positions.len();
        let mut ends = Vec::with_capacity(permutations.rows() * n);
        let mut inverses = vec![NONE; permutations.rows() * n];
        for e in 0..permutations.rows() {
            for (i, &position) in positions.iter().enumerate() {
                let end = token_at(positions, permutations.row(e)[position as usize]);
                ends.push(end.unwrap_or(NONE));
                if let Some(j) = end {
                    inverses[e * n + j as usize] = i as u32;
                }
            }
        }
        Expander {
            n,
            permutations: ends,
            inverses,
        }
    }

    /// The number of ends of all tokens.
    pub(super) fn edges(&self) -> usize {
        let all = self.permutations.iter().chain(&self.inverses);
        all.filter(|&&end| end != NONE).count()
    }

    /// 2 e, ends of one token where all positions hold tokens.
    pub(super) fn most_ends(&self) -> usize {
        2 * self.permutations.len() / self.n
    }

    /// The ends of token i that are there, each with its number below 2 e.
    pub(super) fn numbered_ends(&self, i: usize) -> impl Iterator<Item = (usize, u32)> {
        let places = (i..self.permutations.len()).step_by(self.n);
        let both = places.flat_map(|place| [self.permutations[place], self.inverses[place]]);
        both.enumerate().filter(|&(_, end)| end != NONE)
    }

    /// The ends of one token after another.
    pub(super) fn ends(&self) -> Ends<'_> {
        Ends {
            expander: self,
            start: usize::MAX,
            block: Vec::new(),
        }
    }
}

/// Tokens whose ends are read together: as many as have their numbers on one line of cache, of which a single token
/// would use one number in each of 2 e lines.
const TOGETHER: usize = 16;

/// Reads the ends of an [`Expander`].
pub(super) struct Ends<'a> {
    expander: &'a Expander,
    /// The first token of the block that has been read.
    start: usize,
    /// ([`TOGETHER`], 2 e)
    block: Vec<u32>,
}

impl Ends<'_> {
    /// Both ends of every permutation, seen from i; some may be the same, or i, or [`NONE`].
    pub(super) fn of(&mut self, i: usize) -> &[u32] {
        let (n, count) = (self.expander.n, self.expander.most_ends());
        let start = i - i % TOGETHER;
        if self.start != start {
            self.start = start;
            self.block.resize(TOGETHER * count, 0);
            let both = [&self.expander.permutations, &self.expander.inverses];
            for (side, to) in both.into_iter().enumerate() {
                for (e, to) in to.chunks_exact(n).enumerate() {
                    for (r, &to) in to[start..n.min(start + TOGETHER)].iter().enumerate() {
                        self.block[r * count + 2 * e + side] = to;
                    }
                }
            }
        }
        &self.block[(i - start) * count..(i - start + 1) * count]
    }
}

/// The tokens j of n with |i - j| <= w.
pub(super) fn window(i: usize, w: usize, n: usize) -> Range<u32> {
    i.saturating_sub(w) as u32..i.saturating_add(w + 1).min(n) as u32
}

/// The tokens whose positions are at most w from that of token i.
pub(super) fn near(positions: &[u32], i: usize, w: usize) -> Range<u32> {
    let at = positions[i] as usize;
    let start = positions.partition_point(|&p| (p as usize) < at.saturating_sub(w));
    let end = positions.partition_point(|&p| p as usize <= at.saturating_add(w));
    start as u32..end as u32
}

/// The sum of the sizes of all windows.
pub(super) fn window_edges(n: f64, w: f64) -> f64 {
    let w = w.min(n - 1.0);
    n * (2.0 * w + 1.0) - w * (w + 1.0)
}

/// Columns that are taken together: accumulators of so many stay in registers, whatever the length of the list.
const BLOCK: usize = 32;
/// The same for what is left, and for the few columns of an estimate.
const FEW: usize = 8;
/// Keys of a list that take their last additions together.
const LIST: usize = 64;

/// out_e = x · k_j for the keys j of a list, times `scale`. As the two that follow, for use inside
/// [`lanes!`](engine::lanes!) bodies.
#[inline(always)]
pub(super) fn dots<T: Real>(scale: T, x: &[T], k: MatRef<'_, T>, keys: &[u32], out: &mut [T]) {
    out.fill(T::ZERO);
    let (blocks, rest) = x.as_chunks::<BLOCK>();
    let (few, last) = rest.as_chunks::<FEW>();
    for (at, x) in (0..).step_by(BLOCK).zip(blocks) {
        add_dots(x, k, at, keys, out);
    }
    for (at, x) in (BLOCK * blocks.len()..).step_by(FEW).zip(few) {
        add_dots(x, k, at, keys, out);
    }
    if !last.is_empty() {
        let at = x.len() - last.len();
        for (out, &j) in out.iter_mut().zip(keys) {
            *out += short_inner(last, &k.row(j as usize)[at..]);
        }
    }
    for out in out {
        *out *= scale;
    }
}

/// As [`dots`] for the columns from `at` on, added.
///
/// A product of rows leaves four sums, and these become one in a loop of its own: there four sums of many keys stand
/// side by side, where the last additions of one key would take longer than its products.
#[inline(always)]
fn add_dots<T: Real, const N: usize>(
    x: &[T; N],
    k: MatRef<'_, T>,
    at: usize,
    keys: &[u32],
    out: &mut [T],
) {
    let (x, k) = (*x, k.cols_in(at..at + N));
    let mut fours = [[T::ZERO; 4]; LIST];
    for (out, keys) in out.chunks_mut(LIST).zip(keys.chunks(LIST)) {
        for (four, &j) in fours.iter_mut().zip(keys) {
            *four = inner_in_fours(&x, k.row(j as usize).try_into().expect("N columns"));
        }
        for (out, four) in out.iter_mut().zip(&fours) {
            *out += (four[0] + four[2]) + (four[1] + four[3]);
        }
    }
}

/// Four sums of x_i y_i, in the order of [`short_inner`].
#[inline(always)]
fn inner_in_fours<T: Real, const N: usize>(x: &[T; N], y: &[T; N]) -> [T; 4] {
    if N == FEW {
        return std::array::from_fn(|c| x[c + 4].mul_add(y[c + 4], x[c] * y[c]));
    }
    let lanes: [T; 16] = std::array::from_fn(|c| x[c + 16].mul_add(y[c + 16], x[c] * y[c]));
    std::array::from_fn(|c| (lanes[c] + lanes[c + 8]) + (lanes[c + 4] + lanes[c + 12]))
}

/// y = the sum of weight_e v_j over a list.
#[inline(always)]
pub(super) fn mix<T: Real>(weights: &[T], v: MatRef<'_, T>, keys: &[u32], y: &mut [T]) {
    let (blocks, rest) = y.as_chunks_mut::<BLOCK>();
    let (few, last) = rest.as_chunks_mut::<FEW>();
    let mut at = 0;
    for y in blocks {
        mix_block(weights, v, at, keys, y);
        at += BLOCK;
    }
    for y in few {
        mix_block(weights, v, at, keys, y);
        at += FEW;
    }
    last.fill(T::ZERO);
    if !last.is_empty() {
        for (&weight, &j) in weights.iter().zip(keys) {
            for (y, &v) in last.iter_mut().zip(&v.row(j as usize)[at..]) {
                *y = weight.mul_add(v, *y);
            }
        }
    }
}

/// As [`mix`] for the columns from `at` on.
#[inline(always)]
fn mix_block<T: Real, const N: usize>(
    weights: &[T],
    v: MatRef<'_, T>,
    at: usize,
    keys: &[u32],
    y: &mut [T; N],
) {
    let v = v.cols_in(at..at + N);
    let mut sum = [T::ZERO; N];
    for (&weight, &j) in weights.iter().zip(keys) {
        let v: &[T; N] = v.row(j as usize).try_into().expect("N columns");
        for (sum, &v) in sum.iter_mut().zip(v) {
            *sum = weight.mul_add(v, *sum);
        }
    }
    *y = sum;
}

/// out_j += weight_e x for the keys j of a list.
#[inline(always)]
pub(super) fn spread<T: Real>(weights: &[T], x: &[T], keys: &[u32], out: &mut MatMut<'_, T>) {
    let (blocks, rest) = x.as_chunks::<BLOCK>();
    for (at, x) in (0..).step_by(BLOCK).zip(blocks) {
        let (x, mut out) = (*x, out.reborrow().cols_in(at..at + BLOCK));
        for (&weight, &j) in weights.iter().zip(keys) {
            let out: &mut [T; BLOCK] = out.row(j as usize).try_into().expect("BLOCK columns");
            // In registers: written one by one, numbers are not known to lie apart from `x`, and are taken one by one.
            let mut sum = *out;
            for (sum, &x) in sum.iter_mut().zip(&x) {
                *sum = weight.mul_add(x, *sum);
            }
            *out = sum;
        }
    }
    if !rest.is_empty() {
        let at = x.len() - rest.len();
        for (&weight, &j) in weights.iter().zip(keys) {
            for (out, &x) in out.row(j as usize)[at..].iter_mut().zip(rest) {
                *out = weight.mul_add(x, *out);
            }
        }
    }
}
