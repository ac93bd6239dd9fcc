//! How many seeds a difference of one point needs, from the runs there are: differences to one method over the same
//! seeds, whose spread is all that counts. Seeds move all methods together, so that their own spread would ask for more.

use super::plan::{Cell, Plan};
use super::work::State;
use crate::numbers::statistics::deviation;
use crate::settings::choices::Task;
use crate::terminal::parse::distinct;

/// In percent.
pub(super) const ONE_POINT: f64 = 1.0;
/// Pairs of which a spread says anything.
pub(super) const LEAST_PAIRS: usize = 3;
/// More than these are not counted.
const MOST: usize = 1000;
/// Normal quantiles of a two-sided level of 5 % and a power of 80 %.
const LEVEL: f64 = 1.959_964;
const POWER: f64 = 0.841_621;

/// The differences of a method to another one.
pub(super) struct Differences<'a> {
    pub(super) task: Task,
    pub(super) attn: &'a str,
    pub(super) pieces: &'a str,
    pub(super) against: &'a str,
    /// In points, a seed each.
    pub(super) points: Vec<f64>,
}

impl Differences<'_> {
    /// The standard deviation of one, if there are enough of them.
    pub(super) fn spread(&self) -> Option<f64> {
        deviation(&self.points).filter(|_| self.points.len() >= LEAST_PAIRS)
    }
}

/// Of every method at every task and combination of axes, to softmax, or to the first method where there is none.
pub(super) fn differences<'a>(plan: &'a Plan, states: &[State]) -> Vec<Differences<'a>> {
    let row = |cell: &'a Cell| {
        let (task, attn) = (cell.config.task, cell.config.attn.as_str());
        (task, cell.pieces.as_str(), attn)
    };
    let rows = distinct(plan.cells.iter().map(row));
    let accuracies = |wanted: &(Task, &str, &str)| -> Vec<(u64, f64)> {
        let of_row = plan.cells.iter().zip(states);
        let of_row = of_row.filter(|(cell, _)| row(cell) == *wanted);
        let ended = of_row.filter_map(|(cell, state)| match state {
            State::Ended(outcome) => Some((cell.config.seed, 100.0 * outcome.test.accuracy)),
            _ => None,
        });
        ended.collect()
    };
    let mut all = Vec::new();
    for &(task, pieces, attn) in &rows {
        let mut beside = rows
            .iter()
            .filter(|other| (other.0, other.1) == (task, pieces));
        let first = beside.clone().next().map_or(attn, |other| other.2);
        let softmax = beside.find(|other| other.2 == "softmax");
        let against = softmax.map_or(first, |other| other.2);
        if against == attn {
            continue;
        }
        let others = accuracies(&(task, pieces, against));
        let pair = |(seed, accuracy): (u64, f64)| {
            let other = others.iter().find(|(of, _)| *of == seed)?;
            Some(accuracy - other.1)
        };
        let own = accuracies(&(task, pieces, attn));
        all.push(Differences {
            task,
            attn,
            pieces,
            against,
            points: own.into_iter().filter_map(pair).collect(),
        });
    }
    all
}

/// The fewest seeds with which a t test of pairs at 5 % sees a difference four times out of five, if this is the spread
/// of one: by normal quantiles, with the term for the few degrees of freedom (Guenther 1981). None if they are more than
/// 1000.
pub(super) fn needed(difference: f64, spread: f64) -> Option<usize> {
    let pairs = ((LEVEL + POWER) * spread / difference).powi(2) + LEVEL * LEVEL / 2.0;
    let pairs = pairs.ceil().max(LEAST_PAIRS as f64);
    (pairs <= MOST as f64).then_some(pairs as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tables of the power of t tests have 34, 10, 6 and 4 pairs at effects of 0.5, 1, 1.5 and 2.
    #[test]
    fn the_seeds_are_those_of_tables_or_one_less() {
        let of = |effect: f64| needed(1.0, 1.0 / effect);
        assert_eq!([0.5, 1.0, 1.5, 2.0].map(of), [34, 10, 6, 4].map(Some));
        assert_eq!(needed(1.0, 0.0), Some(3));
        assert_eq!(needed(1.0, 20.0), None);
    }
}
