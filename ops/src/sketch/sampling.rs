//! Sub-sampling: every column of S has one entry, at the row that was drawn (docs/paper.md 1.4,
//! Definition 3.1; Drineas, Kannan and Mahoney 2006).
//!
//! B S Sᵀ V is then a sum over d columns of B and rows of V, each over how likely it was:
//! E[S Sᵀ] = I asks for weight² = 1 / E[how often i comes].
//!
//! | rows drawn | weight of row i | E[S Sᵀ] = I |
//! |---|---|---|
//! | uniform, with or without replacement | sqrt(n/d) | exactly |
//! | by p, with replacement | 1 / sqrt(d p_i) | exactly |
//! | by p, without: [`Scheme::Distinct`] | 1 / sqrt(pi_i), pi_i from [`weighted::race`] | exactly |
//! | by p, without: [`Scheme::DistinctBiased`] | 1 / sqrt(d p_i) | no: see there |
//!
//! Where p_i = 0 row i is not drawn with replacement, and (S Sᵀ)_ii = 0: right for a product
//! in which it is multiplied by 0. Without replacement it is drawn once no other is left.

use super::entries::{Entries, Entry};
use super::{Sketch, assert_count};
use crate::sample::{uniform, weighted};
use engine::{Draws, Real};
use std::sync::Arc;

/// How rows are drawn by importance, and what they weigh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Independent draws, 1 / sqrt(d p_i): Proposition 1.
    Replacement,
    /// Distinct rows, 1 / sqrt(pi_i) with pi_i the probability of being drawn given the arrival
    /// times of the others. Unbiased, and exact at d = n. (S Sᵀ has uncorrelated elements; with the
    /// best weights and d far below n, E||B V - B S Sᵀ V||² is about W²/(d - 1), W the sum of
    /// ||B^(i)|| ||V_(i)||, where independent draws have (W² - ||B V||²)/d.)
    Distinct,
    /// Distinct rows with the weights that belong to independent ones (the released Skeinformer
    /// code computes these, and leaves them unused). Biased: (S Sᵀ)_ii is on average
    /// P(i is drawn) / (d p_i), below 1 where p_i is large and above where it is small. For
    /// comparison.
    DistinctBiased,
}

/// Draws d rows called `name.rows`.
#[track_caller]
pub(super) fn uniform<T: Real>(
    n: usize,
    d: usize,
    replacement: bool,
    draws: &Draws,
    name: &str,
) -> Arc<dyn Sketch<T>> {
    let rows = draws.indices(&format!("{name}.rows"), n, |generator| {
        if replacement {
            uniform::with_replacement(n, d, generator)
        } else {
            uniform::without_replacement(n, d, generator)
        }
    });
    let weight = (n as f64 / d as f64).sqrt();
    picks(n, d, name, &rows, |_| weight)
}

/// Draws d rows called `name.rows` with replacement, else n arrival times called `name.times`.
#[track_caller]
pub(super) fn importance<T: Real>(
    weights: &[f64],
    d: usize,
    scheme: Scheme,
    draws: &Draws,
    name: &str,
) -> Arc<dyn Sketch<T>> {
    let n = weights.len();
    // Of a negative number and of one that is not a number the larger is 0: not drawn.
    let total: f64 = weights.iter().map(|weight| weight.max(0.0)).sum();
    let independent = |i: u32| 1.0 / (d as f64 * weights[i as usize] / total).sqrt();
    let race = || {
        let name = format!("{name}.times");
        let times = draws.numbers(&name, |generator| {
            (0..n).map(|_| generator.exponential()).collect()
        });
        assert_count(&name, times.len(), n);
        weighted::race(weights, &times, d)
    };
    match scheme {
        Scheme::Replacement => {
            let rows = draws.indices(&format!("{name}.rows"), n, |generator| {
                weighted::with_replacement(weights, d, generator)
            });
            picks(n, d, name, &rows, |k| independent(rows[k]))
        }
        Scheme::Distinct => {
            let race = race();
            picks(n, d, name, &race.indices, |k| {
                1.0 / race.inclusion[k].sqrt()
            })
        }
        Scheme::DistinctBiased => {
            let race = race();
            picks(n, d, name, &race.indices, |k| independent(race.indices[k]))
        }
    }
}

/// S with the entry `weight(k)` at (rows_k, k).
#[track_caller]
fn picks<T: Real>(
    n: usize,
    d: usize,
    name: &str,
    rows: &[u32],
    weight: impl Fn(usize) -> f64,
) -> Arc<dyn Sketch<T>> {
    assert_count(name, rows.len(), d);
    let entries = rows.iter().enumerate().map(|(k, &i)| {
        let w = weight(k);
        assert!(
            w.is_finite(),
            "sketch {name}: row {i} has probability 0 and was drawn"
        );
        Entry {
            i,
            j: k as u32,
            w: T::of(w),
        }
    });
    Arc::new(Entries::new(n, d, name, entries.collect()))
}
