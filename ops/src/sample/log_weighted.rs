//! Importance sampling without replacement from the logarithms of weights: for many short rows, whose logits need not
//! become probabilities first.
//!
//! The law is that of [`weighted::without_replacement`](super::weighted::without_replacement), by the same races: index
//! j with weight e^(s_j) arrives at the time E_j e^(max s - s_j), E_j exponential of mean 1, and the first `count` are
//! the sample. There a row takes a logarithm an index, one after another, in double precision, and a selection that
//! moves its arrivals about. Here all E_j of a row come side by side from 32 random bits each, in single precision, and
//! the last time that wins is found by bisection over the bits of the times (those of positive numbers have their order),
//! each step of which counts a row without a branch.
//!
//! So a probability is right within 2^-23, the grid of the random numbers, and weights below e^-80 of the largest count
//! as e^-80 of it, as do those whose logit is NaN.

use engine::lanes::fold;
use engine::{Generator, Real, lanes};

/// The longest delay: its exponential times the largest E is finite in single precision.
const MOST: f64 = 80.0;

/// Draws from one row after another.
#[derive(Default)]
pub struct LogWeighted {
    /// 32 random bits an index.
    bits: Vec<u32>,
    /// The bits of the times of arrival.
    times: Vec<u32>,
    chosen: Vec<u32>,
}

impl LogWeighted {
    /// `count` distinct indices with probabilities proportional to e^logit among those that are left, in rising order.
    ///
    /// # Panics
    /// If `count` exceeds the number of logits.
    #[track_caller]
    pub fn without_replacement<T: Real>(
        &mut self,
        logits: &[T],
        count: usize,
        generator: &mut Generator,
    ) -> &[u32] {
        assert!(
            count <= logits.len(),
            "there are no {count} distinct indices among {}",
            logits.len()
        );
        self.bits.resize(logits.len(), 0);
        for pair in self.bits.chunks_mut(2) {
            let word = generator.word();
            pair[0] = word as u32;
            if let Some(second) = pair.get_mut(1) {
                *second = (word >> 32) as u32;
            }
        }
        self.times.resize(logits.len(), 0);
        race(logits, &self.bits, count, &mut self.times, &mut self.chosen);
        &self.chosen
    }
}

lanes! {
    /// Writes the times of arrival, and the indices of the first `count`.
    fn race<T>(logits: &[T], bits: &[u32], count: usize, times: &mut [u32], chosen: &mut Vec<u32>) {
        let max = fold(logits, T::NEG_INFINITY, |a, b| a.larger(b), |s| s);
        for ((time, &logit), &bits) in times.iter_mut().zip(logits).zip(bits) {
            let delay = max - logit;
            // Also where it is NaN.
            let delay = if delay < T::of(MOST) { delay } else { T::of(MOST) };
            *time = (exponential(bits) * delay.exp().f64() as f32).to_bits();
        }

        // Fewer than `count` times are at most `low`, which no time is, and at least `count` at most `high`.
        let (mut low, mut high) = (0, f32::INFINITY.to_bits());
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            let arrived = times.iter().map(|&time| u32::from(time <= middle)).sum::<u32>() as usize;
            if arrived < count {
                low = middle;
            } else {
                high = middle;
                if arrived == count {
                    break;
                }
            }
        }
        chosen.resize(times.len(), 0);
        let mut taken = 0;
        for (j, &time) in (0..).zip(times.iter()) {
            // Overwritten by the next unless it is taken.
            chosen[taken] = j;
            taken += usize::from(time <= high);
        }
        chosen.truncate(taken);
        // Of equal times the first win.
        while chosen.len() > count {
            let last = chosen.iter().rposition(|&j| times[j as usize] == high);
            chosen.remove(last.expect("only equal times are too many"));
        }
    }
}

/// Exponential with mean 1, -ln v with v the middle of one of 2^23 equal parts of (0, 1) that random bits choose.
///
/// v = 2^n m with √½ <= m < √2, and ln m by the polynomial of Moshier's Cephes.
#[inline(always)]
fn exponential(bits: u32) -> f32 {
    const ROOT_HALF: u32 = 0x3f35_04f3;
    const MANTISSA: u32 = (1 << 23) - 1;
    let v = ((bits >> 9) as i32 as f32 + 0.5) * (1.0 / (1 << 23) as f32);
    let above = v.to_bits().wrapping_sub(ROOT_HALF);
    let n = (above as i32 >> 23) as f32;
    let f = f32::from_bits((above & MANTISSA) + ROOT_HALF) - 1.0;
    let square = f * f;
    let mut p = 7.037_683_6e-2_f32;
    p = p.mul_add(f, -0.115_146_1);
    p = p.mul_add(f, 0.116_769_99);
    p = p.mul_add(f, -0.124_201_41);
    p = p.mul_add(f, 0.142_493_23);
    p = p.mul_add(f, -0.166_680_58);
    p = p.mul_add(f, 0.200_007_15);
    p = p.mul_add(f, -0.249_999_94);
    p = p.mul_add(f, 0.333_333_3);
    let ln = (p * f).mul_add(square, square.mul_add(-0.5, f));
    -n.mul_add(std::f32::consts::LN_2, ln)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::chi_square;
    use crate::sample::weighted;
    use engine::Seed;
    use engine::lanes::{Level, limited_to};

    #[test]
    fn exponential_is_minus_the_logarithm() {
        let mut worst: f64 = 0.0;
        for part in (0..1 << 23).step_by(97).chain([1, (1 << 23) - 1]) {
            let v = (f64::from(part) + 0.5) / f64::from(1 << 23);
            let want = -libm::log(v);
            // The low bits are not used.
            let got = exponential(part << 9 | part & 511);
            assert!(got > 0.0 && got < 17.0);
            worst = worst.max((f64::from(got) - want).abs() / want);
        }
        // Measured: 1.6e-7.
        assert!(worst < 2.4e-7, "{worst:e}");
    }

    #[test]
    fn every_instruction_set_gives_the_same_bits() {
        let mut generator = Seed(3).stream("logits").generator();
        let logits: Vec<f32> = (0..193).map(|_| 3.0 * generator.normal() as f32).collect();
        let bits: Vec<u32> = logits.iter().map(|_| generator.word() as u32).collect();
        let run = |level| {
            let (mut times, mut chosen) = (vec![0; 193], Vec::new());
            limited_to(level, || race(&logits, &bits, 64, &mut times, &mut chosen));
            (times, chosen)
        };
        let portable = run(Level::Portable);
        assert_eq!(run(Level::Avx2), portable);
        assert_eq!(run(Level::Avx512), portable);
    }

    #[test]
    fn pairs_follow_the_law_of_successive_draws() {
        let weights = [1.0f64, 2.0, 3.0, 4.0];
        let logits = weights.map(|w| w.ln() - 300.0);
        let total: f64 = weights.iter().sum();
        let mut generator = Seed(4).stream("logits").generator();
        let mut row = LogWeighted::default();
        let draws = 100_000;
        let (mut observed, mut law) = (Vec::new(), Vec::new());
        let mut counts = [[0.0; 4]; 4];
        for _ in 0..draws {
            let pair = row.without_replacement(&logits, 2, &mut generator);
            counts[pair[0] as usize][pair[1] as usize] += 1.0;
        }
        for i in 0..4 {
            for j in i + 1..4 {
                let (a, b) = (weights[i], weights[j]);
                law.push(a / total * b / (total - a) + b / total * a / (total - b));
                observed.push(counts[i][j]);
            }
        }
        let statistic = chi_square(&observed, &law);
        assert!(statistic < 20.5, "5 degrees of freedom, 0.1 %: {statistic}");
    }

    /// How often each of many indices is among the winners, against the races of `weighted`.
    #[test]
    fn many_indices_win_as_often_as_by_their_weights() {
        let (n, count, draws) = (100, 30, 20_000);
        let mut generator = Seed(5).stream("logits").generator();
        let logits: Vec<f32> = (0..n).map(|_| 2.0 * generator.normal() as f32).collect();
        let weights: Vec<f32> = logits.iter().map(|&s| libm::expf(s)).collect();
        let mut row = LogWeighted::default();
        let mut wins = vec![[0.0f64; 2]; n];
        for _ in 0..draws {
            for &j in row.without_replacement(&logits, count, &mut generator) {
                wins[j as usize][0] += 1.0;
            }
            for j in weighted::without_replacement(&weights, count, &mut generator) {
                wins[j as usize][1] += 1.0;
            }
        }
        for [a, b] in wins {
            let p = (a + b) / f64::from(2 * draws);
            let error = (2.0 * f64::from(draws) * p * (1.0 - p)).sqrt().max(1.0);
            assert!((a - b).abs() < 4.5 * error, "{a} and {b} times");
        }
    }

    #[test]
    fn indices_rise_and_come_once_and_the_smallest_weights_last() {
        let mut generator = Seed(6).stream("logits").generator();
        let mut row = LogWeighted::default();
        for n in [1, 2, 7, 64, 200] {
            let logits: Vec<f32> = (0..n).map(|_| 9.0 * generator.normal() as f32).collect();
            for count in [0, 1, n / 2, n] {
                let chosen = row.without_replacement(&logits, count, &mut generator);
                assert_eq!(chosen.len(), count);
                assert!(
                    chosen.is_sorted_by(|a, b| a < b) && chosen.iter().all(|&j| (j as usize) < n)
                );
            }
        }
        let logits = [f32::NEG_INFINITY, -1e30, 0.0, f32::NAN, -3.0];
        for _ in 0..100 {
            let chosen = row.without_replacement(&logits, 2, &mut generator);
            assert_eq!(chosen, [2, 4]);
        }
        let nothing = [f32::NAN; 5];
        assert_eq!(
            row.without_replacement(&nothing, 3, &mut generator).len(),
            3
        );
    }

    #[test]
    fn of_equal_times_the_first_win() {
        let (mut times, mut chosen) = ([0; 5], Vec::new());
        let bits = [9, 7, 1, 7, 7].map(|part: u32| part << 9);
        race(&[0.5f32; 5], &bits, 3, &mut times, &mut chosen);
        assert_eq!(chosen, [0, 1, 3]);
    }
}
