//! How many seeds a difference of one point needs, from the runs there are: differences to one method over the same
//! seeds, whose spread is all that counts, since pairs are what is tested.

use super::plan::{Cell, Plan};
use super::work::State;
use crate::numbers::statistics::deviation;
use crate::settings::choices::Task;
use crate::terminal::parse::distinct;

/// In percent.
pub(super) const ONE_POINT: f64 = 1.0;
/// Pairs of which a spread says anything.
pub(super) const LEAST_PAIRS: usize = 3;

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
