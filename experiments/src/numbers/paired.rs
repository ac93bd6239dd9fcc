//! What differences over the same seeds say: the mean with its 95 % t interval, the probability of as much without a
//! difference, by Student's t and by flipping signs, all comparisons of a family together (Holm), and how many seeds it
//! takes to see a difference.
//!
//! The t interval and its p value suppose that differences are normal, or nearly. The sign-flip test supposes only that
//! a difference and its opposite are as probable if the methods are equal; of n pairs, its p value cannot be below
//! 2 / 2^n, so that it can say nothing at 5 % before there are six.

use crate::numbers::statistics::{deviation, mean};
use crate::numbers::student;
use engine::Seed;

/// The rate of false alarms that a verdict may have, and that intervals leave out.
pub(crate) const LEVEL: f64 = 0.05;
/// The probability with which planned seeds see a difference.
pub(crate) const POWER: f64 = 0.8;
/// More seeds than this are not counted.
pub(crate) const MOST_SEEDS: usize = 1000;
/// Of more pairs than this, not all patterns of signs are gone through.
const MOST_EXACT: usize = 20;
/// Patterns that are drawn then.
const PATTERNS: usize = 100_000;
/// Differences of rounding only: accuracies in percent are further apart.
const ROUNDING: f64 = 1e-9;

/// Differences over the same seeds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Paired {
    pub(crate) mean: f64,
    pub(crate) pairs: usize,
    /// Standard deviation of the differences; none of one pair. 0 where they differ by rounding only.
    pub(crate) spread: Option<f64>,
    /// The 95 % t interval of the mean; none without a spread.
    pub(crate) interval: Option<[f64; 2]>,
    /// Of Student's t test, two-sided; none without a spread.
    pub(crate) p: Option<f64>,
    /// Of the sign-flip test, two-sided; none of one pair.
    pub(crate) sign_flip: Option<f64>,
}

/// What may be said of a difference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Verdict {
    Better,
    Worse,
    CannotTell,
    /// In every pair.
    Same,
    /// One pair has no spread.
    OneSeed,
}

impl Paired {
    /// None of no pairs.
    pub(crate) fn of(differences: &[f64]) -> Option<Paired> {
        let (mean, pairs) = (mean(differences)?, differences.len());
        let spread = deviation(differences).map(|spread| match spread < ROUNDING {
            true => 0.0,
            false => spread,
        });
        let error = spread.map(|spread| spread / (pairs as f64).sqrt());
        let error = error.filter(|error| *error > 0.0);
        let half = error.map(|error| error * student::quantile(1.0 - LEVEL / 2.0, pairs - 1));
        Some(Paired {
            mean,
            pairs,
            spread,
            interval: half.map(|half| [mean - half, mean + half]),
            p: error.map(|error| student::two_sided(mean / error, pairs - 1)),
            sign_flip: (pairs > 1).then(|| sign_flip(differences)),
        })
    }

    /// The p value that counts among those of a family: that of t, or where all differences are equal, of the sign-flip
    /// test, which needs no spread.
    pub(crate) fn decisive(&self) -> Option<f64> {
        self.p.or(self.sign_flip)
    }

    /// By the decisive p value, adjusted for its family.
    pub(crate) fn verdict(&self, adjusted: Option<f64>) -> Verdict {
        match adjusted {
            None => Verdict::OneSeed,
            Some(_) if self.spread == Some(0.0) && self.mean.abs() < ROUNDING => Verdict::Same,
            Some(p) if p > LEVEL => Verdict::CannotTell,
            Some(_) if self.mean > 0.0 => Verdict::Better,
            Some(_) => Verdict::Worse,
        }
    }
}

impl Verdict {
    /// As a table says it.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Verdict::Better => "better",
            Verdict::Worse => "worse",
            Verdict::CannotTell => "cannot tell",
            Verdict::Same => "the same",
            Verdict::OneSeed => "one seed",
        }
    }
}

/// The p values of a family, in its order, so that at most one family in twenty has a false alarm at 5 %, however the
/// members depend on each other: the smallest times their number, the next times one less, and so on, none smaller than
/// the one before it (Holm 1979).
pub(crate) fn holm(family: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..family.len()).collect();
    order.sort_by(|&a, &b| family[a].total_cmp(&family[b]));
    let mut adjusted = vec![1.0; family.len()];
    let mut least = 0.0f64;
    for (rank, &member) in order.iter().enumerate() {
        let left = (family.len() - rank) as f64;
        least = least.max((left * family[member]).min(1.0));
        adjusted[member] = least;
    }
    adjusted
}

/// The smallest p value that the sign-flip test can reach with so many pairs.
pub(crate) fn least_sign_flip(pairs: usize) -> f64 {
    match pairs {
        0 => 1.0,
        1..=MOST_EXACT => 2.0 / 2f64.powi(pairs as i32),
        _ => 1.0 / (1 + PATTERNS) as f64,
    }
}

/// The part of all patterns of signs that give a mean as far from 0 as that of these differences, on either side: exact
/// up to 20 pairs; of more, from 100,000 patterns that are always the same, the one that was seen counted with them.
fn sign_flip(differences: &[f64]) -> f64 {
    let sum: f64 = differences.iter().sum();
    let size: f64 = differences.iter().map(|x| x.abs()).sum();
    // Equal sums may differ in their last digits.
    let as_far = |other: f64| other.abs() >= sum.abs() - 1e-9 * size;
    if differences.len() > MOST_EXACT {
        let mut generator = Seed(0).stream("sign-flip").generator();
        let mut drawn = || {
            let signs = differences.chunks(64).map(|chunk| {
                let word = generator.word();
                let signed = |(i, x): (usize, &f64)| if word >> i & 1 == 1 { -x } else { *x };
                chunk.iter().enumerate().map(signed).sum::<f64>()
            });
            signs.sum::<f64>()
        };
        let found = (0..PATTERNS).filter(|_| as_far(drawn())).count();
        return (1 + found) as f64 / (1 + PATTERNS) as f64;
    }
    // The first sign stays: the other half of the patterns are the mirror images of these. Each has one sign other than
    // the one before it (Gray code).
    let patterns = 1usize << (differences.len() - 1);
    let mut signed = differences.to_vec();
    let (mut of_pattern, mut found) = (sum, 0);
    for pattern in 1..=patterns {
        found += usize::from(as_far(of_pattern));
        let flipped = pattern.trailing_zeros() as usize + 1;
        if pattern < patterns {
            of_pattern -= 2.0 * signed[flipped];
            signed[flipped] = -signed[flipped];
        }
    }
    found as f64 / patterns as f64
}

/// The fewest pairs, two or more, of which a t test at 5 % sees a difference with a power of 80 %, if this is the
/// standard deviation of the differences: by the noncentral t distribution. None if they are more than [`MOST_SEEDS`].
pub(crate) fn seeds_needed(difference: f64, spread: f64) -> Option<usize> {
    let enough = |count: usize| student::power(difference / spread, count, LEVEL) >= POWER;
    // Power grows with the number of pairs.
    let (mut few, mut many) = (1, MOST_SEEDS);
    if !enough(many) {
        return None;
    }
    while many - few > 1 {
        let middle = (few + many) / 2;
        match enough(middle) {
            true => many = middle,
            false => few = middle,
        }
    }
    Some(many)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numbers::statistics::Mean;
    use engine::Generator;

    /// Three standard errors of a rate of 5 % in so many trials are 0.65 points.
    const TRIALS: usize = 10_000;

    /// The part of many trials in which something holds of so many differences, drawn one by one.
    fn rate(
        name: &str,
        count: usize,
        draw: impl Fn(&mut Generator) -> f64,
        holds: impl Fn(&Paired) -> bool,
    ) -> f64 {
        let mut generator = Seed(20).stream(name).at(count).generator();
        let trial = |_: &usize| {
            let differences: Vec<f64> = (0..count).map(|_| draw(&mut generator)).collect();
            holds(&Paired::of(&differences).unwrap())
        };
        (0..TRIALS).filter(trial).count() as f64 / TRIALS as f64
    }

    #[test]
    fn an_interval_by_hand() {
        // Mean 3, deviation 1, so that t is 3 sqrt(3) with 2 degrees of freedom: p = 1 - t / sqrt(2 + t^2).
        let paired = Paired::of(&[2.0, 3.0, 4.0]).unwrap();
        let [low, high] = paired.interval.unwrap();
        let half = 4.302_652_729_911_275 / 3f64.sqrt();
        assert!((low - (3.0 - half)).abs() < 1e-9 && (high - (3.0 + half)).abs() < 1e-9);
        let p = 1.0 - (27.0f64 / 29.0).sqrt();
        assert!((paired.p.unwrap() - p).abs() < 1e-12);
        assert_eq!((paired.pairs, paired.spread), (3, Some(1.0)));
        // All three have one sign: two patterns of eight are as far from 0.
        assert_eq!(paired.sign_flip, Some(0.25));
        assert_eq!(paired.verdict(paired.p), Verdict::Better);
        assert_eq!(paired.verdict(Some(0.06)), Verdict::CannotTell);
        let worse = Paired::of(&[-2.0, -3.0, -4.0]).unwrap();
        assert_eq!(worse.verdict(worse.p), Verdict::Worse);
    }

    #[test]
    fn without_a_spread_there_is_no_interval_and_nothing_is_not_a_number() {
        assert_eq!(Paired::of(&[]), None);
        let one = Paired::of(&[5.5]).unwrap();
        assert_eq!((one.mean, one.spread, one.interval), (5.5, None, None));
        assert_eq!((one.p, one.sign_flip, one.decisive()), (None, None, None));
        assert_eq!(one.verdict(one.decisive()), Verdict::OneSeed);
        let equal = |difference: f64, pairs: usize| Paired::of(&vec![difference; pairs]).unwrap();
        let few = equal(1.0, 3);
        assert_eq!((few.interval, few.p), (None, None));
        assert_eq!((few.spread, few.decisive()), (Some(0.0), Some(0.25)));
        assert_eq!(few.verdict(few.decisive()), Verdict::CannotTell);
        let many = equal(-1.0, 8);
        assert_eq!(many.decisive(), Some(2.0 / 256.0));
        assert_eq!(many.verdict(many.decisive()), Verdict::Worse);
        let same = equal(0.0, 3);
        assert_eq!(same.decisive(), Some(1.0));
        assert_eq!(same.verdict(Some(1.0)), Verdict::Same);
        // Of the same numbers of right answers, in other last digits.
        let rounded = Paired::of(&[62.4 - 61.2, 61.6 - 60.4, 61.3 - 60.1]).unwrap();
        assert_eq!((rounded.spread, rounded.p), (Some(0.0), None));
    }

    /// Against all patterns, written out.
    #[test]
    fn signs_are_flipped_in_every_way() {
        let mut generator = Seed(1).stream("signs").generator();
        for count in 1..=9 {
            let differences: Vec<f64> = (0..count)
                .map(|_| (4.0 * generator.normal()).round() / 4.0 + 0.5)
                .collect();
            let sum = |pattern: usize| -> f64 {
                let signed = |(i, x): (usize, &f64)| if pattern >> i & 1 == 1 { -x } else { *x };
                differences.iter().enumerate().map(signed).sum()
            };
            let all = 1 << count;
            let as_far = |pattern: &usize| sum(*pattern).abs() >= sum(0).abs();
            let expected = (0..all).filter(as_far).count() as f64 / all as f64;
            assert_eq!(sign_flip(&differences), expected, "{differences:?}");
        }
        let equal = [0.1; 20];
        assert_eq!(sign_flip(&equal), least_sign_flip(20));
        // Of 21, a thousandth or so may come from the draws.
        let mut shifted: Vec<f64> = (0..21).map(|_| generator.normal() + 0.5).collect();
        let drawn = sign_flip(&shifted);
        let t = Paired::of(&shifted).unwrap().p.unwrap();
        assert!((drawn - t).abs() < 0.01, "{drawn}, {t}");
        assert_eq!(drawn, sign_flip(&shifted));
        shifted.iter_mut().for_each(|x| *x = x.abs() + 1.0);
        assert_eq!(sign_flip(&shifted), least_sign_flip(21));
    }

    #[test]
    fn holm_by_hand() {
        let adjusted = holm(&[0.01, 0.04, 0.03, 0.005]);
        let expected = [0.03, 0.06, 0.06, 0.02];
        for (got, expected) in adjusted.iter().zip(expected) {
            assert!((got - expected).abs() < 1e-15, "{adjusted:?}");
        }
        assert_eq!(holm(&[0.5, 0.9]), [1.0, 1.0]);
        assert_eq!((holm(&[0.03]), holm(&[])), (vec![0.03], vec![]));
    }

    #[test]
    fn intervals_cover_and_tests_raise_no_more_false_alarms_than_they_say() {
        for count in [2, 3, 5, 10] {
            let normal = |generator: &mut Generator| 1.5 + 0.7 * generator.normal();
            let covered = rate("cover", count, normal, |paired| {
                let [low, high] = paired.interval.unwrap();
                (low..=high).contains(&1.5)
            });
            assert!((covered - 0.95).abs() < 0.007, "{count}: {covered}");
            let none = |generator: &mut Generator| 0.7 * generator.normal();
            let alarms = rate("alarms", count, none, |paired| paired.p <= Some(LEVEL));
            assert!((alarms - 0.05).abs() < 0.007, "{count}: {alarms}");
        }
    }

    /// Heavy tails, too, of which t knows nothing; and before there are six pairs, none at all.
    #[test]
    fn the_sign_flip_test_keeps_its_level_and_cannot_speak_of_five_pairs() {
        let normal = |generator: &mut Generator| generator.normal();
        let heavy = |generator: &mut Generator| generator.normal() / generator.normal();
        let speaks = |paired: &Paired| paired.sign_flip <= Some(LEVEL);
        for count in [3, 5] {
            assert!(least_sign_flip(count) > LEVEL);
            let obvious = |generator: &mut Generator| 50.0 + generator.normal();
            assert_eq!(rate("few", count, obvious, speaks), 0.0);
        }
        assert_eq!(least_sign_flip(3), 0.25);
        for count in [6, 8] {
            let rates = [
                rate("normal", count, normal, speaks),
                rate("heavy", count, heavy, speaks),
            ];
            // 2 of 64 patterns, or 12 of 256, are at most 5 %.
            let exact = [0.03125, 0.046875][usize::from(count == 8)];
            for rate in rates {
                assert!(
                    rate <= 0.05 && (rate - exact).abs() < 0.007,
                    "{count}: {rate}"
                );
            }
        }
    }

    #[test]
    fn holm_keeps_the_rate_of_families_with_a_false_alarm() {
        let mut generator = Seed(20).stream("families").generator();
        let (mut alarms, mut unadjusted, mut found) = (0, 0, 0);
        for _ in 0..TRIALS {
            // Eight methods against one, whose numbers are in all differences; two of them are better.
            let against: Vec<f64> = (0..5).map(|_| generator.normal()).collect();
            let member = |of: usize| {
                let better = if of < 2 { 4.0 } else { 0.0 };
                let differences = against.iter().map(|x| better + generator.normal() - x);
                Paired::of(&differences.collect::<Vec<_>>())
                    .unwrap()
                    .p
                    .unwrap()
            };
            let family: Vec<f64> = (0..8).map(member).collect();
            let any = |family: &[f64]| usize::from(family[2..].iter().any(|&p| p <= LEVEL));
            let adjusted = holm(&family);
            alarms += any(&adjusted);
            unadjusted += any(&family);
            found += usize::from(adjusted[0] <= LEVEL);
        }
        let [alarms, unadjusted, found] =
            [alarms, unadjusted, found].map(|count| count as f64 / TRIALS as f64);
        assert!(alarms <= 0.05, "{alarms}");
        // What it is for, and that it leaves something to be found.
        assert!(unadjusted > 0.1 && found > 0.3, "{unadjusted} {found}");
    }

    #[test]
    fn as_many_seeds_as_were_planned_see_the_difference_as_often_as_was_said() {
        for spread in [0.4, 0.8, 1.5] {
            let count = seeds_needed(1.0, spread).unwrap();
            let mut generator = Seed(20).stream("planned").at(count).generator();
            let trial = |_: &usize| {
                let differences = (0..count).map(|_| 1.0 + spread * generator.normal());
                let Mean { mean, error } = Mean::of(&differences.collect::<Vec<_>>());
                student::two_sided(mean / error, count - 1) <= LEVEL
            };
            let seen = (0..TRIALS).filter(trial).count() as f64 / TRIALS as f64;
            let said = student::power(1.0 / spread, count, LEVEL);
            assert!((seen - said).abs() < 0.02, "{spread}: {seen}, not {said}");
            assert!(said >= POWER && seen > POWER - 0.02, "{spread}: {seen}");
            let fewer = student::power(1.0 / spread, count - 1, LEVEL);
            assert!(count == 2 || fewer < POWER, "{spread}: {fewer}");
        }
        // G*Power, two dependent means.
        assert_eq!(seeds_needed(0.5, 1.0), Some(34));
        assert_eq!(seeds_needed(-0.8, 1.0), Some(15));
        assert_eq!(seeds_needed(1.0, 0.001), Some(2));
        assert_eq!(seeds_needed(0.01, 1.0), None);
    }
}
