//! Attention along the edges of a graph: what [`super::spexphormer`] and [`super::spex_estimator`] share.
//!
//! Every row has a list of keys of its own, so no product of matrices serves them all: a row takes dot products with the
//! keys of its list ([`dots`]), a weighted sum over it ([`mix`]), and backwards adds multiples of one row to all of them
//! ([`spread`]). The first is the backward of the last two, and they of it.
//!
//! The edges are those of a window, |i - j| <= w by token number, and those of an [`Expander`].

use engine::lanes::short_inner;
use engine::{MatMut, MatRef, Real};

use super::Inputs;
use std::ops::Range;

/// Random permutations π of the n tokens; each gives edges from i to π(i) and back, so that every token has two ends of
/// each. A few of them connect all tokens within about log n steps (a random regular graph is an expander).
pub(super) struct Expander {
    n: usize,
    /// (e, n)
    permutations: Vec<u32>,
    /// (e, n)
    inverses: Vec<u32>,
}

impl Expander {
    /// Draw `permutations` (e, n), one for all heads: `count` of them unless they are given.
    pub(super) fn draw<T: Real>(x: &Inputs<'_, '_, T>, count: usize) -> Expander {
        let n = x.v.rows();
        let permutations = x
            .draws
            .indices(&x.place.draw("permutations", 0), n, |generator| {
                let mut all = Vec::with_capacity(count * n);
                for _ in 0..count {
                    all.extend(0..n as u32);
                    let start = all.len() - n;
                    generator.shuffle(&mut all[start..]);
                }
                all
            });
        let mut inverses = vec![u32::MAX; permutations.len()];
        for (e, &to) in permutations.iter().enumerate() {
            inverses[e / n * n + to as usize] = (e % n) as u32;
        }
        assert!(
            permutations.len().is_multiple_of(n) && !inverses.contains(&u32::MAX),
            "expander: {} indices are no permutations of {n} tokens",
            permutations.len()
        );
        Expander {
            n,
            permutations,
            inverses,
        }
    }

    /// The number of ends of all tokens.
    pub(super) fn edges(&self) -> usize {
        2 * self.permutations.len()
    }

    /// Both ends of every permutation, seen from i; some may be the same, or i.
    pub(super) fn ends(&self, i: usize) -> impl Iterator<Item = u32> {
        let places = (i..self.permutations.len()).step_by(self.n);
        places.flat_map(|place| [self.permutations[place], self.inverses[place]])
    }
}

/// The tokens j of n with |i - j| <= w.
pub(super) fn window(i: usize, w: usize, n: usize) -> Range<u32> {
    i.saturating_sub(w) as u32..i.saturating_add(w + 1).min(n) as u32
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
