//! Importance sampling without replacement by exponential races.
//!
//! Give every index an independent arrival time E_i / w_i with E_i exponential of mean 1; the first
//! `count` arrivals are distributed as successive draws without replacement with probabilities
//! proportional to w among the indices that are left (Efraimidis and Spirakis 2006; the same law as
//! Gumbel top-k). One pass, no sequential dependence.

use engine::{Generator, Real};

/// `count` distinct indices with probabilities proportional to `weights`, in rising order.
///
/// An index of weight 0 is taken only when fewer than `count` weights are positive (uniformly among
/// those). A weight that is not a number counts as 0: the output is not a number then in any case,
/// and the run stops there.
///
/// # Panics
/// If `count` exceeds the number of weights.
pub fn without_replacement<T: Real>(
    weights: &[T],
    count: usize,
    generator: &mut Generator,
) -> Vec<u32> {
    assert!(
        count <= weights.len(),
        "there are no {count} distinct indices among {}",
        weights.len()
    );
    if count == 0 {
        return Vec::new();
    }
    let mut arrivals: Vec<(bool, f64, u32)> = weights
        .iter()
        .enumerate()
        .map(|(i, weight)| {
            let (weight, time) = (weight.f64(), generator.exponential());
            let positive = weight > 0.0;
            (
                !positive,
                if positive { time / weight } else { time },
                i as u32,
            )
        })
        .collect();
    let order = |a: &(bool, f64, u32), b: &(bool, f64, u32)| {
        a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(&b.2))
    };
    arrivals.select_nth_unstable_by(count - 1, order);
    let mut chosen: Vec<u32> = arrivals[..count].iter().map(|arrival| arrival.2).collect();
    chosen.sort_unstable();
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::Seed;

    #[test]
    fn pairs_follow_the_law_of_successive_draws() {
        let weights = [1.0f64, 2.0, 3.0, 4.0];
        let total: f64 = weights.iter().sum();
        let mut generator = Seed(4).stream("weighted").generator();
        let draws = 100_000;
        let mut counts = [[0.0; 4]; 4];
        for _ in 0..draws {
            let pair = without_replacement(&weights, 2, &mut generator);
            counts[pair[0] as usize][pair[1] as usize] += 1.0;
        }
        let mut statistic = 0.0;
        for i in 0..4 {
            for j in i + 1..4 {
                let (a, b) = (weights[i], weights[j]);
                let probability = a / total * b / (total - a) + b / total * a / (total - b);
                let expected = f64::from(draws) * probability;
                statistic += (counts[i][j] - expected).powi(2) / expected;
            }
        }
        assert!(statistic < 20.5, "5 degrees of freedom, 0.1 %: {statistic}");
    }

    #[test]
    fn weight_zero_is_taken_only_when_nothing_else_is_left() {
        let mut generator = Seed(5).stream("weighted").generator();
        for _ in 0..100 {
            assert_eq!(
                without_replacement(&[0.0f32, 1e-30, 0.0, 5.0], 2, &mut generator),
                [1, 3]
            );
            let three = without_replacement(&[0.0f32, 1e-30, 0.0, f32::NAN], 3, &mut generator);
            assert!(three.contains(&1) && three.len() == 3);
        }
    }
}
