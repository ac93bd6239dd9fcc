//! What the methods of a column were given after trials: a remark under the table.

use super::Column;
use crate::run::tuned::said;
use crate::settings::choices::Protocol;
use crate::terminal::parse::distinct;

/// Of a column whose runs are of a grid that was tuned.
pub(super) fn note(column: &Column) -> Option<String> {
    let tuned = || {
        let runs = column.runs.iter();
        runs.filter_map(|run| Some((run.config.attn.as_str(), run.tuned.as_ref()?)))
    };
    let (_, first) = tuned().next()?;
    let given = tuned().map(|(attn, choice)| format!("{attn} {}", said(&choice.value)));
    let values: Vec<String> = first.trial.iter().map(|one| said(&one.value)).collect();
    let paper = column
        .runs
        .iter()
        .any(|run| run.config.protocol == Protocol::Paper);
    Some(format!(
        "{}: {} was tuned: before its seeds, every method had {} trials on dev ({}), of {} steps with seed {}, and \
         then the best of them: {}.{}",
        column.title,
        first.setting.replace('_', " "),
        values.len(),
        values.join(", "),
        first.steps,
        first.seed,
        distinct(given).join(", "),
        match paper {
            true => " Under protocol paper dev is test, so that the numbers flatter every method.",
            false => "",
        }
    ))
}
