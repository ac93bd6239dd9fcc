//! Weighted draws in constant time from an alias table (Walker 1977; built as Vose 1991 does it).
//!
//! m cells of equal probability; a cell keeps its own index with probability `accept` and else
//! gives its alias. Filling them is bookkeeping: a cell whose index needs less than 1 / m is topped
//! up by one that needs more, so every cell has at most two indices. O(m) to build, two random
//! words a draw. Called by [`weighted::with_replacement`](super::weighted::with_replacement).

use engine::{Generator, Real};

/// A discrete law on `0..n`, ready to be drawn from.
pub struct AliasTable {
    cells: Vec<Cell>,
}

struct Cell {
    accept: f64,
    index: u32,
    alias: u32,
}

impl AliasTable {
    /// The law with probabilities proportional to `weights`. A weight that is negative or NaN
    /// counts as 0; an index of weight 0 is never drawn, not even by a rounding error.
    ///
    /// # Panics
    /// If no weight is positive, or their sum is not finite.
    #[track_caller]
    pub fn new<T: Real>(weights: &[T]) -> AliasTable {
        // Only positive weights get a cell: with one for a weight of 0, the last cell left over
        // when rounding has used up its donors could be just that one, and would be accepted.
        let positive: Vec<(u32, f64)> = (0..)
            .zip(weights.iter().map(|weight| weight.f64()))
            .filter(|&(_, weight)| weight > 0.0)
            .collect();
        let total = positive.iter().fold(0.0, |sum, &(_, weight)| sum + weight);
        assert!(
            !positive.is_empty() && total.is_finite(),
            "alias table: the {} weights sum to {total}",
            weights.len()
        );
        let m = positive.len() as f64;
        let mut share: Vec<f64> = positive.iter().map(|&(_, w)| w / total * m).collect();
        let mut cells: Vec<Cell> = positive
            .iter()
            .map(|&(index, _)| Cell {
                accept: 1.0,
                index,
                alias: index,
            })
            .collect();
        let (mut small, mut large): (Vec<usize>, Vec<usize>) =
            (0..share.len()).partition(|&cell| share[cell] < 1.0);
        while let (Some(&needy), Some(&donor)) = (small.last(), large.last()) {
            small.pop();
            cells[needy].accept = share[needy];
            cells[needy].alias = cells[donor].index;
            // In this order: share[donor] - (1 - share[needy]) would round twice near 1.
            share[donor] = (share[donor] + share[needy]) - 1.0;
            if share[donor] < 1.0 {
                large.pop();
                small.push(donor);
            }
        }
        // What is left has share 1 up to rounding, and keeps accept = 1.
        AliasTable { cells }
    }

    /// One index.
    pub fn draw(&self, generator: &mut Generator) -> u32 {
        let cell = &self.cells[generator.below(self.cells.len())];
        if generator.uniform() < cell.accept {
            cell.index
        } else {
            cell.alias
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::chi_square;
    use engine::Seed;

    /// The law that the cells stand for, without drawing.
    fn law(table: &AliasTable, n: usize) -> Vec<f64> {
        let mut law = vec![0.0; n];
        for cell in &table.cells {
            law[cell.index as usize] += cell.accept / table.cells.len() as f64;
            law[cell.alias as usize] += (1.0 - cell.accept) / table.cells.len() as f64;
        }
        law
    }

    #[test]
    fn the_cells_stand_for_the_weights() {
        let mut generator = Seed(1).stream("alias").generator();
        for n in [1, 2, 3, 10, 257] {
            // Over 13 powers of ten.
            let weights: Vec<f64> = (0..n)
                .map(|_| 10f64.powf(4.0 * generator.normal()))
                .collect();
            let total: f64 = weights.iter().sum();
            for (got, weight) in law(&AliasTable::new(&weights), n).iter().zip(&weights) {
                let want = weight / total;
                assert!((got - want).abs() < 1e-15, "{got:e} is not {want:e}");
            }
        }
    }

    #[test]
    fn draws_follow_the_weights() {
        let weights: Vec<f32> = (1..=10).map(|i| (i * i) as f32).collect();
        let table = AliasTable::new(&weights);
        let mut generator = Seed(2).stream("alias").generator();
        let mut counts = [0.0; 10];
        for _ in 0..100_000 {
            counts[table.draw(&mut generator) as usize] += 1.0;
        }
        let law: Vec<f64> = weights.iter().map(|w| f64::from(*w) / 385.0).collect();
        let statistic = chi_square(&counts, &law);
        assert!(statistic < 27.9, "9 degrees of freedom, 0.1 %: {statistic}");
    }

    #[test]
    fn weight_zero_is_never_drawn() {
        let table = AliasTable::new(&[0.0, 0.1, f64::NAN, 0.2, -1.0, 0.7, 0.0]);
        let law = law(&table, 7);
        assert!([0, 2, 4, 6].iter().all(|&i| law[i] == 0.0), "{law:?}");
        let mut generator = Seed(3).stream("alias").generator();
        assert!((0..1000).all(|_| [1, 3, 5].contains(&table.draw(&mut generator))));
    }

    #[test]
    #[should_panic(expected = "alias table: the 2 weights sum to 0")]
    fn nothing_to_draw() {
        AliasTable::new(&[0.0f32, f32::NAN]);
    }
}
