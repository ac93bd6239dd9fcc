//! Importance sampling: draws with probabilities proportional to weights.
//!
//! With replacement by an alias table. Without replacement by exponential races: give every index
//! an independent arrival time E_i / w_i with E_i exponential of mean 1; the first `count` arrivals
//! are distributed as successive draws without replacement with probabilities proportional to w
//! among the indices that are left (Efraimidis and Spirakis 2006; the same law as Gumbel top-k).
//! One pass, no sequential dependence.

use super::alias::AliasTable;
use engine::{Generator, Real};

/// `count` independent indices with probabilities proportional to `weights`; repeats occur. A
/// weight that is negative or NaN counts as 0, and an index of weight 0 is never drawn.
///
/// # Panics
/// If no weight is positive, or their sum is not finite.
#[track_caller]
pub fn with_replacement<T: Real>(
    weights: &[T],
    count: usize,
    generator: &mut Generator,
) -> Vec<u32> {
    let table = AliasTable::new(weights);
    (0..count).map(|_| table.draw(generator)).collect()
}

/// `count` distinct indices with probabilities proportional to `weights`, in rising order.
///
/// An index of weight 0 is taken only when fewer than `count` weights are positive (uniformly among
/// those). A weight that is NaN counts as 0: the output of the attention is NaN then in any case, and the run stops.
///
/// # Panics
/// If `count` exceeds the number of weights.
#[track_caller]
pub fn without_replacement<T: Real>(
    weights: &[T],
    count: usize,
    generator: &mut Generator,
) -> Vec<u32> {
    let times = std::iter::repeat_with(|| generator.exponential());
    let arrivals = arrivals(weights, times, count);
    let mut chosen: Vec<u32> = arrivals[..count].iter().map(|arrival| arrival.2).collect();
    chosen.sort_unstable();
    chosen
}

/// The outcome of a race: who came first, and how likely that was.
#[derive(Clone, Debug, PartialEq)]
pub struct Race {
    /// The `count` winners, in rising order: a sample without replacement.
    pub indices: Vec<u32>,
    /// For each of them the probability pi_i of being a winner given the times of all others.
    pub inclusion: Vec<f64>,
}

/// As [`without_replacement`] from given `times` (independent exponentials of mean 1, one a
/// weight), with inclusion probabilities.
///
/// The probability that i is among the first `count` has no closed form, and it is not
/// count * w_i / sum w (that may exceed 1). But given the times of the others, i wins if it arrives
/// before tau, the `count`-th of them: pi_i = 1 - exp(-w_i tau). For a winner, tau is the first
/// arrival that did not win. So E[1{i wins} / pi_i] = 1 exactly, whatever tau is, and the sum of
/// f_i / pi_i over the winners is unbiased for the sum of f over all indices (the rank conditioning
/// estimator of Cohen and Kaplan 2008; Kool et al. 2020 use it for gradients). Two cases are known
/// without conditioning, and taken so: of a single winner pi_i = w_i / sum w (1 / pi_i above would
/// have infinite variance); and where not all winners have positive weights, the positive ones won
/// with probability 1 and the others are a uniform sample.
///
/// # Panics
/// If `count` exceeds the number of weights, or there are not as many times as weights.
#[track_caller]
pub fn race<T: Real>(weights: &[T], times: &[f64], count: usize) -> Race {
    assert!(
        times.len() == weights.len(),
        "race: {} times for {} weights",
        times.len(),
        weights.len()
    );
    let mut arrivals = arrivals(weights, times.iter().copied(), count);
    let (winners, others) = arrivals.split_at_mut(count);
    winners.sort_unstable_by_key(|arrival| arrival.2);
    let first_loser = others.iter().min_by(|a, b| in_order(a, b));
    let positive = winners.iter().filter(|winner| !winner.0).count();
    let uniform = (count - positive) as f64 / (weights.len() - positive).max(1) as f64;
    let total = || weights.iter().map(|w| w.f64().max(0.0)).sum::<f64>(); // max(NaN, 0) = 0
    let inclusion = winners.iter().map(|&(zero, _, i)| {
        let weight = weights[i as usize].f64();
        match first_loser {
            _ if zero => uniform,
            _ if count == 1 => weight / total(),
            Some(&(false, tau, _)) => -libm::expm1(-weight * tau),
            Some(&(true, ..)) | None => 1.0,
        }
    });
    Race {
        inclusion: inclusion.collect(),
        indices: winners.iter().map(|arrival| arrival.2).collect(),
    }
}

/// (has weight 0, arrival time, index)
type Arrival = (bool, f64, u32);

fn in_order(a: &Arrival, b: &Arrival) -> std::cmp::Ordering {
    a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(&b.2))
}

/// All arrivals, the first `count` of them in front (in no order).
#[track_caller]
fn arrivals<T: Real>(
    weights: &[T],
    times: impl Iterator<Item = f64>,
    count: usize,
) -> Vec<Arrival> {
    assert!(
        count <= weights.len(),
        "there are no {count} distinct indices among {}",
        weights.len()
    );
    if count == 0 {
        return Vec::new();
    }
    let mut arrivals: Vec<Arrival> = weights
        .iter()
        .zip(times)
        .zip(0..)
        .map(|((weight, time), i)| {
            let weight = weight.f64();
            let positive = weight > 0.0;
            (!positive, if positive { time / weight } else { time }, i)
        })
        .collect();
    arrivals.select_nth_unstable_by(count - 1, in_order);
    arrivals
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::chi_square;
    use engine::Seed;

    #[test]
    fn with_replacement_follows_the_weights_and_neighbours_are_independent() {
        let weights = [1.0f64, 0.0, 2.0, 3.0, 4.0];
        let mut generator = Seed(3).stream("weighted").generator();
        let mut counts = [0.0; 25];
        for pair in with_replacement(&weights, 200_000, &mut generator).chunks_exact(2) {
            counts[(5 * pair[0] + pair[1]) as usize] += 1.0;
        }
        let (mut observed, mut law) = (Vec::new(), Vec::new());
        for (i, count) in counts.iter().enumerate() {
            let p = weights[i / 5] * weights[i % 5] / 100.0;
            if p > 0.0 {
                observed.push(*count);
                law.push(p);
            } else {
                assert_eq!(*count, 0.0);
            }
        }
        let statistic = chi_square(&observed, &law);
        assert!(
            statistic < 37.7,
            "15 degrees of freedom, 0.1 %: {statistic}"
        );
    }

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

    #[test]
    fn a_race_picks_what_sampling_without_replacement_picks() {
        let weights = [0.5f32, 3.0, 0.0, 1.0, 7.0, 0.2, 0.0];
        for seed in 0..50 {
            let stream = Seed(seed).stream("race");
            let mut generator = stream.generator();
            let times: Vec<f64> = (0..7).map(|_| generator.exponential()).collect();
            for count in 0..=7 {
                assert_eq!(
                    race(&weights, &times, count).indices,
                    without_replacement(&weights, count, &mut stream.generator())
                );
            }
        }
    }

    #[test]
    fn sums_over_a_race_are_unbiased() {
        // Two of the seven have weight 0: they count only where more than five are wanted.
        let weights = [0.5f64, 3.0, 0.0, 1.0, 7.0, 0.2, 0.0];
        let terms = [1.0, -2.0, 3.0, 4.0, -1.0, 1.5, 2.5];
        let mut generator = Seed(6).stream("race").generator();
        for count in 1..=7 {
            let want: f64 = (0..7)
                .filter(|&i| weights[i] > 0.0 || count > 5)
                .map(|i| terms[i])
                .sum();
            let draws = 40_000;
            let (mut sum, mut squares) = (0.0, 0.0);
            for _ in 0..draws {
                let times: Vec<f64> = (0..7).map(|_| generator.exponential()).collect();
                let race = race(&weights, &times, count);
                let estimate: f64 = (race.indices.iter().zip(&race.inclusion))
                    .map(|(&i, pi)| terms[i as usize] / pi)
                    .sum();
                sum += estimate;
                squares += estimate * estimate;
            }
            let mean = sum / f64::from(draws);
            let error = ((squares / f64::from(draws) - mean * mean).max(0.0) / f64::from(draws))
                .sqrt()
                .max(1e-12);
            assert!(
                (mean - want).abs() < 4.0 * error,
                "{count} of 7: {mean} +- {error} is not {want}"
            );
        }
    }
}
