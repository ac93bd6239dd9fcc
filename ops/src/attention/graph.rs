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
const NONE: u32 = u32::MAX;

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

    /// Both ends of every permutation, seen from i; some may be the same, or i.
    pub(super) fn ends(&self, i: usize) -> impl Iterator<Item = u32> {
        self.numbered_ends(i).map(|(_, end)| end)
    }

    /// The same, each with its number below 2 e.
    pub(super) fn numbered_ends(&self, i: usize) -> impl Iterator<Item = (usize, u32)> {
        let places = (i..self.permutations.len()).step_by(self.n);
        let both = places.flat_map(|place| [self.permutations[place], self.inverses[place]]);
        both.enumerate().filter(|&(_, end)| end != NONE)
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

/// out_e = x · k_j for the keys j of a list, times `scale`. As the two that follow, for use inside
/// [`lanes!`](engine::lanes!) bodies.
#[inline(always)]
pub(super) fn dots<T: Real>(scale: T, x: &[T], k: MatRef<'_, T>, keys: &[u32], out: &mut [T]) {
    for (out, &j) in out.iter_mut().zip(keys) {
        *out = scale * short_inner(x, k.row(j as usize));
    }
}

/// y = the sum of weight_e v_j over a list.
#[inline(always)]
pub(super) fn mix<T: Real>(weights: &[T], v: MatRef<'_, T>, keys: &[u32], y: &mut [T]) {
    y.fill(T::ZERO);
    for (&weight, &j) in weights.iter().zip(keys) {
        for (y, &v) in y.iter_mut().zip(v.row(j as usize)) {
            *y = weight.mul_add(v, *y);
        }
    }
}

/// out_j += weight_e x for the keys j of a list.
#[inline(always)]
pub(super) fn spread<T: Real>(weights: &[T], x: &[T], keys: &[u32], out: &mut MatMut<'_, T>) {
    for (&weight, &j) in weights.iter().zip(keys) {
        for (out, &x) in out.row(j as usize).iter_mut().zip(x) {
            *out = weight.mul_add(x, *out);
        }
    }
}
