//! Sampling of indices, and gradients through it.
//!
//! A draw is a constant of the backward pass: no gradient goes through a choice. The first five files draw; the others
//! are for research on the gradient that this leaves out. Each of those has a test that enumerates all draws and says
//! whether its gradient is unbiased, and if not, how large the bias is.
//!
//! 1. [`uniform`]: with and without replacement;
//! 2. [`alias`]: a table that draws by weight in constant time;
//! 3. [`weighted`]: by weight, with replacement (that table) and without (exponential races), the
//!    latter also with the inclusion probabilities that make estimates unbiased;
//! 4. [`log_weighted`]: the last of these for many short rows, from the logarithms of their weights;
//! 5. [`mod@top_k`]: the largest scores, nothing drawn;
//! 6. [`mod@importance_sum`]: a sum estimated from a sample, differentiable in the terms and in the
//!    weights 1 / (d p);
//! 7. [`mod@log_probability`] and [`mod@score_function`]: the gradient of the law itself
//!    (REINFORCE), unbiased, with baselines;
//! 8. [`mod@gumbel_softmax`] and [`mod@straight_through`]: relaxations, biased, of low variance.

pub mod alias;
pub mod gumbel_softmax;
pub mod importance_sum;
pub mod log_probability;
pub mod log_weighted;
pub mod score_function;
pub mod straight_through;
pub mod top_k;
pub mod uniform;
pub mod weighted;

use engine::check::Case;

pub use gumbel_softmax::{gumbel_noise, gumbel_softmax};
pub use importance_sum::importance_sum;
pub use log_probability::log_probability;
pub use score_function::{Baseline, score_function};
pub use straight_through::{argmax_rows, one_hot, straight_through};
pub use top_k::top_k;

/// The gradient checks of this folder.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(importance_sum::cases());
    cases.extend(log_probability::cases());
    cases.extend(score_function::cases());
    cases.extend(gumbel_softmax::cases());
    cases.extend(straight_through::cases());
    cases
}

/// Pearson's statistic of `counts` against `probabilities` (which sum to 1).
#[cfg(test)]
pub(crate) fn chi_square(counts: &[f64], probabilities: &[f64]) -> f64 {
    let total: f64 = counts.iter().sum();
    counts
        .iter()
        .zip(probabilities)
        .map(|(count, p)| (count - total * p).powi(2) / (total * p))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_passes() {
        for case in cases() {
            for input in case.run().unwrap_or_else(|failure| panic!("{failure}")) {
                assert!(input.norm > 1e-3, "{}: {}", case.operator, input.input);
            }
        }
    }

    #[test]
    fn a_wrong_law_fails_the_chi_square_test() {
        // The counts of a fair die against one whose six is 10 % too likely.
        let counts = [10_000.0; 6];
        let mut probabilities = [(1.0 - 1.1 / 6.0) / 5.0; 6];
        probabilities[5] = 1.1 / 6.0;
        assert!(chi_square(&counts, &probabilities) > 20.5, "5, 0.1 %");
    }
}
