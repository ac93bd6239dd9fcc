//! Runs one by one: a row each with all settings, results and where it was computed (`--runs`), or the command that makes
//! it again (`--commands`). Nothing is averaged, so that runs of any settings and origins stand side by side.

use super::runs::Run;
use crate::run::environment::{Computer, machines};
use crate::show::grid::{Grid, left};
use crate::terminal::error::Result;
use crate::terminal::output::{json, percent};
use datasets::shown;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use std::fmt::Write;

/// Names and values, in an order that files keep.
struct Row(Vec<(String, Value)>);

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// All settings by their names in config.toml, then the rest; no name twice.
fn row(run: &Run) -> Result<Row> {
    let settings = serde_json::to_value(&run.config)?;
    // In the order of the file, which a map does not keep.
    let text = run.config.to_toml();
    let names = text.lines().filter_map(|line| line.split_once(" = "));
    let of_settings = names.map(|(name, _)| (name.to_string(), settings[name].clone()));
    let outcome = &run.outcome;
    let best = outcome.best_dev;
    let took = run.took;
    let mut row = vec![("folder".to_string(), json!(shown::name(&run.folder)))];
    row.extend(of_settings);
    let mut add = |name: &str, value: Value| row.push((name.to_string(), value));
    add("test_accuracy", json!(outcome.test.accuracy));
    add("test_loss", json!(outcome.test.loss));
    add("tested_examples", json!(outcome.test.examples));
    add("dev_accuracy", json!(best.map(|dev| dev.accuracy)));
    add("dev_loss", json!(best.map(|dev| dev.loss)));
    add("majority_accuracy", json!(outcome.majority_accuracy));
    let token_frequency = outcome.token_frequency_accuracy;
    add("token_frequency_accuracy", json!(token_frequency));
    add("exact", json!(outcome.exact()));
    add("parameters", json!(outcome.parameters));
    add("steps_done", json!(outcome.steps));
    add("tested_step", json!(outcome.tested_weights_of_step));
    add("data_name", json!(outcome.data));
    add("data_sha256", json!(outcome.data_sha256));
    for (name, value) in Computer::facts(&run.computed_by) {
        let name = match name {
            "product" => "computed_by_product".to_string(),
            other => other.replace(' ', "_"),
        };
        add(&name, json!(value));
    }
    for (name, value) in machines(&run.folder.join("environment.toml"))? {
        add(&name.to_lowercase(), json!(value));
    }
    add("seconds", json!(took.map(|took| took.seconds)));
    add(
        "seconds_per_step",
        json!(took.map(|took| took.seconds_per_step)),
    );
    let tokens = took.and_then(|took| took.tokens_per_second);
    add("tokens_per_second", json!(tokens));
    add("peak_mib", json!(took.and_then(|took| took.peak_mib)));
    Ok(Row(row))
}

/// Shares are from 0 to 1 and times in seconds, as in the files of a run; what is not known is null.
pub(super) fn as_json(runs: &[Run]) -> Result<String> {
    let rows = runs.iter().map(row).collect::<Result<Vec<Row>>>()?;
    json(&rows, true)
}

/// The same, where what is not known is empty.
pub(super) fn as_csv(runs: &[Run]) -> Result<String> {
    let rows = runs.iter().map(row).collect::<Result<Vec<Row>>>()?;
    let names = rows.first().map_or(&[][..], |Row(first)| first);
    let mut grid = Grid::new(names.iter().map(|(name, _)| left(name, 0)));
    let cell = |(_, value): &(String, Value)| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    grid.rows = (rows.iter().map(|Row(row)| row.iter().map(cell).collect())).collect();
    Ok(grid.csv())
}

/// Every run as a remark, its folder, result and origin, and the command that makes it again: lines for a shell.
pub(super) fn commands(runs: &[Run]) -> String {
    let mut text = String::new();
    for run in runs {
        let origin = Computer::facts(&run.computed_by);
        let origin = origin.map(|(name, value)| format!("{name} {value}"));
        let _ = writeln!(
            text,
            "# {}: {}, {}\n{}",
            shown::name(&run.folder),
            percent(run.outcome.test.accuracy),
            origin.join(", "),
            run.config.command()
        );
    }
    text
}
