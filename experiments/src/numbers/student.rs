//! Student's t distribution, central for intervals and p values, and noncentral for the power of a test.
//!
//! The central one is statrs'; the noncentral one is an integral of a normal distribution over the spread that a sample
//! of normal numbers may have.

use statrs::distribution::{ContinuousCDF, StudentsT};
use statrs::function::{erf::erfc, gamma::ln_gamma};
use std::f64::consts::{LN_2, SQRT_2};

/// The number that a t with so many degrees of freedom, 1 or more, is below with probability `p`.
pub(crate) fn quantile(p: f64, freedom: usize) -> f64 {
    central(freedom).inverse_cdf(p)
}

/// The probability that a t is at least as far from 0 as this one, on either side.
pub(crate) fn two_sided(t: f64, freedom: usize) -> f64 {
    (2.0 * central(freedom).sf(t.abs())).min(1.0)
}

fn central(freedom: usize) -> StudentsT {
    StudentsT::new(0.0, 1.0, freedom.max(1) as f64).expect("a scale and degrees of freedom above 0")
}

/// The power of a two-sided t test at `level` of `count` normal numbers, two or more, whose mean is `effect` of their
/// standard deviations from 0: the probability that a noncentral t is beyond the quantiles of the central one.
pub(crate) fn power(effect: f64, count: usize, level: f64) -> f64 {
    /// Places at which the integrand is looked at; it ends flat on both sides.
    const PLACES: usize = 1000;
    let freedom = (count.max(2) - 1) as f64;
    let critical = quantile(1.0 - level / 2.0, count.max(2) - 1);
    let shift = effect.abs() * (count as f64).sqrt();
    // The standard deviation of the sample, in those of the numbers, is s: freedom s^2 has a chi-squared law. Its mean is
    // near 1, its standard deviation at most 1 / sqrt(2 freedom).
    let reach = 10.0 / (2.0 * freedom).sqrt();
    let (low, high) = ((1.0 - reach).max(0.0), 1.0 + reach);
    let log_scale = LN_2 + 0.5 * freedom * (0.5 * freedom).ln() - ln_gamma(0.5 * freedom);
    let width = (high - low) / PLACES as f64;
    let part = |place: usize| {
        let s = low + (place as f64 + 0.5) * width;
        let density = (log_scale + (freedom - 1.0) * s.ln() - 0.5 * freedom * s * s).exp();
        density * (below(shift - critical * s) + below(-shift - critical * s))
    };
    let power = (0..PLACES).map(part).sum::<f64>() * width;
    power.min(1.0)
}

/// The probability that a standard normal number is below `x`.
fn below(x: f64) -> f64 {
    0.5 * erfc(-x / SQRT_2)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fisher and Yates 1963, table III, with the digits that later tables have.
    #[test]
    fn quantiles_are_the_published_ones() {
        for (p, freedom, expected) in [
            (0.975, 1, 12.706_204_7),
            (0.975, 2, 4.302_652_7),
            (0.975, 3, 3.182_446_3),
            (0.975, 4, 2.776_445_1),
            (0.975, 5, 2.570_581_8),
            (0.975, 9, 2.262_157_2),
            (0.975, 10, 2.228_138_9),
            (0.975, 19, 2.093_024_1),
            (0.975, 30, 2.042_272_5),
            (0.975, 100, 1.983_971_5),
            (0.995, 2, 9.924_843_2),
            (0.995, 5, 4.032_143_0),
            (0.995, 10, 3.169_272_7),
            (0.9, 7, 1.414_923_9),
        ] {
            let got = quantile(p, freedom);
            assert!((got - expected).abs() < 1e-6, "{p} {freedom}: {got}");
            assert!((quantile(1.0 - p, freedom) + expected).abs() < 1e-6);
        }
    }

    /// With one degree of freedom, and with two, there are closed forms.
    #[test]
    fn quantiles_and_probabilities_are_those_of_the_closed_forms_and_undo_each_other() {
        for p in [0.6, 0.8, 0.95, 0.975, 0.999, 0.999_999] {
            let one = (std::f64::consts::PI * (p - 0.5)).tan();
            let two = (2.0 * p - 1.0) * (2.0 / (4.0 * p * (1.0 - p))).sqrt();
            for (freedom, expected) in [(1, one), (2, two)] {
                let got = quantile(p, freedom);
                assert!((got / expected - 1.0).abs() < 1e-9, "{p} {freedom}: {got}");
            }
            for freedom in (1..40).chain([99, 999]) {
                // Of 999 degrees of freedom, 6.5e-10 were seen; of few, 1e-15.
                let back = 1.0 - two_sided(quantile(p, freedom), freedom) / 2.0;
                assert!((back - p).abs() < 1e-8, "{p} {freedom}: {back}");
            }
        }
        assert_eq!(two_sided(0.0, 3), 1.0);
        assert_eq!(two_sided(f64::INFINITY, 3), 0.0);
    }

    /// G*Power 3.1 (Faul et al. 2007), two dependent means, 5 %, two-sided.
    #[test]
    fn powers_are_the_published_ones() {
        for (effect, count, expected) in [
            (0.5, 34, 0.8077775),
            (0.8, 15, 0.8213105),
            (0.2, 199, 0.8017),
        ] {
            let got = power(effect, count, 0.05);
            assert!((got - expected).abs() < 5e-5, "{effect} {count}: {got}");
            assert!(power(effect, count - 1, 0.05) < 0.8);
        }
        // Without an effect it is the rate of false alarms; of two numbers, the places of the integral leave 2.2e-5.
        for count in [2, 3, 10, 100, 1000] {
            let got = power(0.0, count, 0.05);
            assert!((got - 0.05).abs() < 3e-5, "{count}: {got}");
            assert!(power(9.0, count, 0.05) >= power(0.5, count, 0.05));
        }
    }
}
