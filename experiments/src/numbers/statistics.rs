//! What many numbers come to, of trials, runs and steps alike: their mean and how far it may be off,
//! and the number in their middle.

/// A mean with its standard error.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mean {
    pub(crate) mean: f64,
    pub(crate) error: f64,
}

impl Mean {
    /// Of two numbers or more.
    pub(crate) fn of(numbers: &[f64]) -> Mean {
        Mean {
            mean: mean(numbers).unwrap_or(f64::NAN),
            error: standard_error(numbers).unwrap_or(f64::NAN),
        }
    }
}

/// None of no numbers.
pub(crate) fn mean(numbers: &[f64]) -> Option<f64> {
    match numbers.len() {
        0 => None,
        count => Some(numbers.iter().sum::<f64>() / count as f64),
    }
}

/// How far one number may be off, with n - 1 in the denominator; none of fewer than two numbers.
pub(crate) fn deviation(numbers: &[f64]) -> Option<f64> {
    variance(numbers).map(f64::sqrt)
}

/// How far their mean may be off; none of fewer than two numbers.
pub(crate) fn standard_error(numbers: &[f64]) -> Option<f64> {
    variance(numbers).map(|variance| (variance / numbers.len() as f64).sqrt())
}

fn variance(numbers: &[f64]) -> Option<f64> {
    let (mean, count) = (mean(numbers)?, numbers.len() as f64);
    let squares: f64 = numbers.iter().map(|x| (x - mean).powi(2)).sum();
    (numbers.len() > 1).then(|| squares / (count - 1.0))
}

/// The upper one of two in the middle; none of no numbers.
pub(crate) fn median(numbers: &[f64]) -> Option<f64> {
    sorted(numbers).get(numbers.len() / 2).copied()
}

/// The smallest number that a part of `part` does not exceed; there must be one.
pub(crate) fn quantile(numbers: &[f64], part: f64) -> f64 {
    let at = (part * numbers.len() as f64).ceil() as usize;
    sorted(numbers)[at.clamp(1, numbers.len()) - 1]
}

fn sorted(numbers: &[f64]) -> Vec<f64> {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_and_how_far_they_may_be_off() {
        let numbers = [1.0, 2.0, 3.0, 6.0];
        let got = Mean::of(&numbers);
        assert_eq!(got.mean, 3.0);
        assert!((got.error - (14.0f64 / 3.0 / 4.0).sqrt()).abs() < 1e-15);
        assert!((deviation(&numbers).unwrap() - (14.0f64 / 3.0).sqrt()).abs() < 1e-15);
        assert_eq!((mean(&[5.0]), deviation(&[5.0])), (Some(5.0), None));
        assert_eq!((mean(&[]), standard_error(&[])), (None, None));
    }

    #[test]
    fn medians_and_quantiles_are_numbers_of_the_list() {
        let numbers = [3.0, 1.0, 2.0, 4.0];
        assert_eq!(quantile(&numbers, 0.5), 2.0);
        assert_eq!(quantile(&numbers, 0.9), 4.0);
        assert_eq!(quantile(&numbers, 0.0), 1.0);
        assert_eq!((median(&numbers), median(&[])), (Some(3.0), None));
    }
}
