//! The largest scores, as Informer chooses its rows: nothing is drawn.

use engine::Real;
use std::cmp::Ordering;

/// The indices of the `k` largest scores, in rising order. Of equal scores the first ones are
/// taken; NaN is smaller than all others. O(n).
///
/// With scores log w_i plus Gumbel noise this is
/// [`weighted::without_replacement`](super::weighted::without_replacement) in law (Gumbel top-k;
/// Yellott 1977, Kool et al. 2019), which a test checks.
///
/// # Panics
/// If `k` exceeds the number of scores.
#[track_caller]
pub fn top_k<T: Real>(scores: &[T], k: usize) -> Vec<u32> {
    assert!(
        k <= scores.len(),
        "top_k: there are no {k} scores among {}",
        scores.len()
    );
    if k == 0 {
        return Vec::new();
    }
    let mut order: Vec<u32> = (0..scores.len() as u32).collect();
    order.select_nth_unstable_by(k - 1, |&a, &b| {
        let (score, other) = (scores[a as usize].f64(), scores[b as usize].f64());
        let larger_first = other.partial_cmp(&score).unwrap_or(Ordering::Equal);
        (score.is_nan().cmp(&other.is_nan()))
            .then(larger_first)
            .then(a.cmp(&b))
    });
    order.truncate(k);
    order.sort_unstable();
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{chi_square, gumbel_noise};
    use engine::{Draws, Seed};

    #[test]
    fn against_a_stable_sort() {
        let mut generator = Seed(1).stream("top_k").generator();
        for n in [1, 2, 7, 64] {
            // Few distinct values: many ties.
            let scores: Vec<f64> = (0..n).map(|_| generator.below(5) as f64 - 2.0).collect();
            for k in 0..=n {
                let mut order: Vec<u32> = (0..n as u32).collect();
                order.sort_by(|&a, &b| scores[b as usize].total_cmp(&scores[a as usize]));
                order.truncate(k);
                order.sort_unstable();
                assert_eq!(top_k(&scores, k), order, "{k} of {scores:?}");
            }
        }
    }

    #[test]
    fn zeros_tie_whatever_their_sign_and_what_is_not_a_number_comes_last() {
        assert_eq!(top_k(&[-0.0f32, 0.0, 0.0], 1), [0]);
        let scores = [f32::NAN, f32::NEG_INFINITY, 1.0, f32::NAN];
        assert_eq!(top_k(&scores, 2), [1, 2]);
        assert_eq!(top_k(&scores, 3), [0, 1, 2]);
        assert!(top_k::<f32>(&[], 0).is_empty());
    }

    #[test]
    fn with_gumbel_noise_it_draws_without_replacement() {
        let weights = [1.0f64, 2.0, 3.0, 4.0];
        let draws = 100_000;
        let noise = gumbel_noise::<f64>(
            draws,
            4,
            &Draws::live(Seed(2).stream("top_k")),
            "gumbel top-k",
        );
        let mut counts = [[0.0; 4]; 4];
        for r in 0..draws {
            let scores: Vec<f64> = (noise.row(r).iter().zip(weights))
                .map(|(g, w)| g + w.ln())
                .collect();
            let pair = top_k(&scores, 2);
            counts[pair[0] as usize][pair[1] as usize] += 1.0;
        }
        let (mut observed, mut law) = (Vec::new(), Vec::new());
        for i in 0..4 {
            for j in i + 1..4 {
                let (a, b) = (weights[i] / 10.0, weights[j] / 10.0);
                observed.push(counts[i][j]);
                law.push(a * b / (1.0 - a) + b * a / (1.0 - b));
            }
        }
        let statistic = chi_square(&observed, &law);
        assert!(statistic < 20.5, "5 degrees of freedom, 0.1 %: {statistic}");
    }

    #[test]
    #[should_panic(expected = "top_k: there are no 3 scores among 2")]
    fn more_than_there_are() {
        top_k(&[1.0f32, 2.0], 3);
    }
}
