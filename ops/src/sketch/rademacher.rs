//! Signs: S_ij independent, 0 with probability 1 - 1/s, else +-sqrt(s/d) with equal chances.
//!
//! s = 1 are Rademacher's signs, held as a matrix. s = 3 is Achlioptas 2003, s = sqrt(n) the very
//! sparse projection of Li, Hastie and Church 2006; those are held as their n d / s entries, drawn
//! without looking at the zeros: the gap to the next entry is geometric. The mean of S_ij² is 1/d
//! for every s, so E[S Sᵀ] = I; the variance of a product grows with s where its vectors have few
//! large elements.

use super::entries::{Entries, Entry};
use super::gaussian::Dense;
use super::{Sketch, assert_count};
use engine::{Draws, Generator, Real};
use std::sync::Arc;

/// Draws the flat positions i d + j of the entries that are not 0, called `name.positions` (not for
/// s = 1), and their signs, called `name.signs`.
#[track_caller]
pub(super) fn draw<T: Real>(
    n: usize,
    d: usize,
    sparsity: f64,
    draws: &Draws,
    name: &str,
) -> Arc<dyn Sketch<T>> {
    assert!(
        sparsity >= 1.0 && sparsity.is_finite(),
        "sketch {name}: one entry in {sparsity} is not 0?"
    );
    if sparsity == 1.0 {
        let entries = draw_signs(n * d, draws, name);
        return Arc::new(Dense::new(n, d, &entries));
    }
    assert!(
        u32::try_from(n * d).is_ok(),
        "sketch {name}: {n} x {d} positions"
    );
    let positions = draws.indices(&format!("{name}.positions"), n * d, |generator| {
        positions(n * d, sparsity, generator)
    });
    let signs = draw_signs(positions.len(), draws, name);
    let scale = (sparsity / d as f64).sqrt();
    let entries = positions.iter().zip(&signs).map(|(&position, sign)| Entry {
        i: position / d as u32,
        j: position % d as u32,
        w: T::of(sign * scale),
    });
    Arc::new(Entries::new(n, d, name, entries.collect()))
}

/// Every number below `end` with probability 1 / `sparsity`, in rising order. The gap before the
/// next one is g with probability (1 - q)^g q, q = 1 / s: floor(ln u / ln(1 - q)) for uniform u.
fn positions(end: usize, sparsity: f64, generator: &mut Generator) -> Vec<u32> {
    let rate = libm::log1p(-1.0 / sparsity);
    let mut positions = Vec::new();
    let mut next = 0usize;
    loop {
        // A float beyond the range of usize becomes its largest number.
        let gap = (libm::log(generator.uniform()) / rate) as usize;
        next = next.saturating_add(gap);
        if next >= end {
            return positions;
        }
        positions.push(next as u32);
        next += 1;
    }
}

/// `count` independent signs, called `name.signs`: 64 from a word.
#[track_caller]
pub(super) fn draw_signs(count: usize, draws: &Draws, name: &str) -> Vec<f64> {
    let name = format!("{name}.signs");
    let signs = draws.numbers(&name, |generator| {
        let mut signs = Vec::with_capacity(count);
        while signs.len() < count {
            let word = generator.word();
            let bits = (0..64).map(|bit| if word >> bit & 1 == 0 { 1.0 } else { -1.0 });
            signs.extend(bits.take(count - signs.len()));
        }
        signs
    });
    assert_count(&name, signs.len(), count);
    signs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::chi_square;
    use engine::Seed;

    #[test]
    fn every_position_is_as_likely_and_neighbours_are_independent() {
        let mut generator = Seed(1).stream("positions").generator();
        // The patterns of four neighbours, at the end of a range where a mistake would show.
        let (rounds, q) = (50_000, 1.0 / 3.0);
        let mut counts = [0.0; 16];
        for _ in 0..rounds {
            let pattern = positions(9, 3.0, &mut generator)
                .into_iter()
                .filter(|&position| position >= 5)
                .fold(0, |pattern, position| pattern | 1 << (position - 5));
            counts[pattern] += 1.0;
        }
        let law: Vec<f64> = (0..16u32)
            .map(|pattern| {
                let ones = pattern.count_ones() as i32;
                f64::powi(q, ones) * f64::powi(1.0 - q, 4 - ones)
            })
            .collect();
        let statistic = chi_square(&counts, &law);
        assert!(
            statistic < 37.7,
            "15 degrees of freedom, 0.1 %: {statistic}"
        );
    }

    #[test]
    fn signs_are_fair_and_uncorrelated() {
        let draws = Draws::live(Seed(2).stream("signs"));
        let signs = draw_signs(100_003, &draws, "s");
        assert!(signs.iter().all(|&s| s == 1.0 || s == -1.0));
        // Four standard errors, 1 / sqrt(100,000) each; 64 apart are the same bit of two words.
        for lag in [1, 63, 64] {
            let products = signs.iter().zip(&signs[lag..]).map(|(a, b)| a * b);
            let mean = products.sum::<f64>() / 100_000.0;
            assert!(mean.abs() < 0.0127, "lag {lag}: {mean}");
        }
        let mean = signs.iter().sum::<f64>() / 100_003.0;
        assert!(mean.abs() < 0.0127, "{mean}");
    }

    #[test]
    fn one_entry_in_s_is_held() {
        let draws = Draws::recording(Seed(3).stream("sparse"));
        let _ = draw::<f32>(10_000, 50, 100.0, &draws, "s");
        let engine::Draw::Indices(positions) = &draws.recorded()["s.positions"] else {
            panic!("positions are indices");
        };
        // 5,000 expected with standard deviation 70.
        assert!((4_700..5_300).contains(&positions.len()));
    }
}
