//! Uniform sampling.

use engine::Generator;

/// `count` independent indices, uniform on `0..n`; repeats occur.
pub fn with_replacement(n: usize, count: usize, generator: &mut Generator) -> Vec<u32> {
    (0..count).map(|_| generator.below(n) as u32).collect()
}

/// `count` distinct indices from `0..n`, every set equally likely, in rising order (Floyd's
/// algorithm; Bentley 1987).
///
/// # Panics
/// If `count > n`.
pub fn without_replacement(n: usize, count: usize, generator: &mut Generator) -> Vec<u32> {
    assert!(
        count <= n,
        "there are no {count} distinct indices below {n}"
    );
    let mut taken = vec![false; n];
    for last in n - count..n {
        let candidate = generator.below(last + 1);
        let index = if taken[candidate] { last } else { candidate };
        taken[index] = true;
    }
    (0..n as u32).filter(|&i| taken[i as usize]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::Seed;

    /// Chi-square of `counts` against equal expectations.
    fn chi_square(counts: &[f64]) -> f64 {
        let expected = counts.iter().sum::<f64>() / counts.len() as f64;
        counts
            .iter()
            .map(|c| (c - expected).powi(2) / expected)
            .sum()
    }

    #[test]
    fn with_replacement_is_uniform() {
        let mut counts = [0.0; 10];
        for i in with_replacement(10, 100_000, &mut Seed(1).stream("uniform").generator()) {
            counts[i as usize] += 1.0;
        }
        let statistic = chi_square(&counts);
        assert!(statistic < 27.9, "9 degrees of freedom, 0.1 %: {statistic}");
    }

    #[test]
    fn without_replacement_takes_every_set_equally_often() {
        let mut generator = Seed(2).stream("uniform").generator();
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..50_000 {
            *counts
                .entry(without_replacement(5, 2, &mut generator))
                .or_insert(0.0) += 1.0;
        }
        let counts: Vec<f64> = counts.into_values().collect();
        assert_eq!(counts.len(), 10, "all pairs occur");
        let statistic = chi_square(&counts);
        assert!(statistic < 27.9, "9 degrees of freedom, 0.1 %: {statistic}");
    }

    #[test]
    fn the_whole_range() {
        let mut generator = Seed(3).stream("uniform").generator();
        assert_eq!(without_replacement(4, 4, &mut generator), [0, 1, 2, 3]);
        assert!(without_replacement(4, 0, &mut generator).is_empty());
    }
}
