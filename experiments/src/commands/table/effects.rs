//! The forest plot: for every method and column the difference to one method, with its interval.

use super::compared::Compared;
use super::runs::Column;
use crate::numbers::paired::Verdict;
use crate::show::forest::{Effect, Forest, Group};

/// The comparisons of all columns in one picture.
pub(super) fn effects(family: &[Compared], columns: &[Column], against: &str) -> String {
    let group = |(place, column): (usize, &Column)| Group {
        title: column.title.clone(),
        effects: (family.iter())
            .filter(|one| one.column == place)
            .map(effect)
            .collect(),
    };
    let groups = columns.iter().enumerate().map(group);
    Forest {
        x: format!("difference in test accuracy to {against}, points, with its 95 % t interval"),
        said: "better or worse: p (Holm) at most 5 %".into(),
        open: "cannot tell".into(),
        groups: groups.filter(|group| !group.effects.is_empty()).collect(),
    }
    .svg()
}

fn effect(one: &Compared) -> Effect {
    let interval = one.interval();
    let numbers = match &interval {
        Some(interval) => format!("{} ({interval})", one.mean()),
        None => one.mean(),
    };
    let verdict = one.verdict();
    Effect {
        name: one.attn.clone(),
        mean: one.paired.mean,
        interval: one.paired.interval,
        is_said: matches!(verdict, Verdict::Better | Verdict::Worse),
        numbers,
        words: verdict.words().into(),
        pairs: one.paired.pairs,
    }
}
