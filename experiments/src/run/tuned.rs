//! Settings that were chosen by trials on dev before the seeds of a grid: its tuned.toml.
//!
//! It follows from the folders of the trials, and holds no clock: equal trials have an equal file. Who averages over the
//! runs of a grid reads it, since methods that were given a learning rate each are compared all the same.

use crate::files::read::read_toml;
use crate::files::whole_file;
use crate::settings::choices::Task;
use crate::settings::config::{Config, Settings};
use crate::terminal::error::Result;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A value as people say it: 0 and 0.1, not 0.0.
pub(crate) fn said(value: &toml::Value) -> String {
    match value {
        toml::Value::Float(number) if number.fract() == 0.0 && number.abs() < 1e15 => {
            format!("{number}")
        }
        toml::Value::Float(number) => format!("{number:?}"),
        toml::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The name of the file in the folder of a grid.
pub(crate) const NAME: &str = "tuned.toml";

/// tuned.toml.
#[derive(Serialize, Deserialize, Default, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tuned {
    /// By the names of their cells.
    #[serde(default)]
    pub(crate) choice: Vec<Choice>,
}

/// What some cells were given, which differ in nothing but their seeds.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Choice {
    /// What the names of their folders have before `-s` and the seed.
    pub(crate) cells: String,
    pub(crate) task: Task,
    pub(crate) attn: String,
    pub(crate) setting: String,
    /// Of the trials: no cell has it.
    pub(crate) seed: u64,
    /// Of a trial.
    pub(crate) steps: usize,
    /// The chosen one.
    pub(crate) value: toml::Value,
    /// In the order in which they were asked for.
    pub(crate) trial: Vec<Trial>,
}

impl Choice {
    /// The settings of a run, a line each, with what its grid has in common in place of what was chosen.
    pub(crate) fn in_common(&self, settings: &str) -> String {
        let begins = format!("{} = ", self.setting);
        let values = self.trial.iter().map(|one| said(&one.value));
        let values: Vec<String> = values.collect();
        let line = |line: &str| match line.starts_with(&begins) {
            true => format!(
                "{begins}the best of {} in {} steps\n",
                values.join(", "),
                self.steps
            ),
            false => format!("{line}\n"),
        };
        settings.lines().map(line).collect()
    }
}

/// What came of a value.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Trial {
    pub(crate) value: toml::Value,
    /// On dev, of the weights with the lowest loss there; none of a trial whose numbers were none any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dev_accuracy: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dev_loss: Option<f64>,
}

impl Trial {
    /// Whether it is better than another: by accuracy, then by loss; equal ones are not.
    fn beats(&self, other: &Trial) -> bool {
        match (self.dev_accuracy, other.dev_accuracy) {
            (Some(one), Some(two)) if one == two => self.dev_loss < other.dev_loss,
            (Some(one), Some(two)) => one > two,
            (one, two) => one.is_some() && two.is_none(),
        }
    }
}

/// The best of some trials, the first of equal ones; none if none has ended.
pub(crate) fn best(trials: &[Trial]) -> Option<&Trial> {
    let best = trials
        .iter()
        .reduce(|best, next| if next.beats(best) { next } else { best });
    best.filter(|best| best.dev_accuracy.is_some())
}

impl Tuned {
    /// That of a grid; empty if nothing was chosen there.
    pub(crate) fn read(grid: &Path) -> Result<Self> {
        let path = grid.join(NAME);
        match path.exists() {
            true => read_toml(&path),
            false => Ok(Self::default()),
        }
    }

    /// Puts choices into the file of a grid, in place of earlier ones of the same cells; one at a time, so whoever
    /// calls it holds a lock.
    pub(crate) fn add(grid: &Path, choices: Vec<Choice>) -> Result<()> {
        let mut tuned = Self::read(grid)?;
        let before = tuned.choice.clone();
        let new = |known: &Choice| choices.iter().all(|choice| choice.cells != known.cells);
        tuned.choice.retain(new);
        tuned.choice.extend(choices);
        tuned.choice.sort_by(|a, b| a.cells.cmp(&b.cells));
        if tuned.choice == before {
            return Ok(());
        }
        let text = toml::to_string(&tuned).expect("numbers that TOML can hold, and strings");
        whole_file::write(&grid.join(NAME), &[text.as_bytes()])
    }

    /// The choice that the run in `folder` was given, if one was.
    pub(crate) fn of_run(folder: &Path, config: &Config) -> Result<Option<Choice>> {
        let name = folder.file_name().map(|name| name.to_string_lossy());
        let (Some(grid), Some(name)) = (folder.parent(), name) else {
            return Ok(None);
        };
        let is_of = |choice: &Choice| {
            name == format!("{}-s{}", choice.cells, config.seed)
                && (choice.task, &choice.attn) == (config.task, &config.attn)
                && Settings::NAMES.contains(&choice.setting.as_str())
                && config.value(&choice.setting) == choice.value
        };
        let tuned = Self::read(grid)?;
        Ok(tuned.choice.into_iter().find(is_of))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::choices::Budget;

    fn trial(value: f64, accuracy: Option<f64>, loss: f64) -> Trial {
        Trial {
            value: value.into(),
            dev_accuracy: accuracy,
            dev_loss: accuracy.map(|_| loss),
        }
    }

    #[test]
    fn the_best_has_the_highest_accuracy_then_the_lowest_loss_then_comes_first() {
        let chosen = |trials: &[Trial]| best(trials).map(|best| best.value.as_float().unwrap());
        let broken = trial(9.0, None, 0.0);
        let [low, high] = [trial(1.0, Some(0.5), 0.1), trial(2.0, Some(0.6), 0.9)];
        assert_eq!(
            chosen(&[broken.clone(), low.clone(), high.clone()]),
            Some(2.0)
        );
        let tie = trial(3.0, Some(0.6), 0.8);
        assert_eq!(chosen(&[high.clone(), tie.clone()]), Some(3.0));
        let equal = trial(4.0, Some(0.6), 0.8);
        assert_eq!(chosen(&[tie, equal]), Some(3.0));
        assert_eq!((chosen(&[broken]), chosen(&[])), (None, None));
    }

    #[test]
    fn choices_are_kept_by_cells_and_found_by_the_runs_that_have_them() {
        let grid = tempfile::tempdir().unwrap();
        let choice = |cells: &str, value: f64| Choice {
            cells: cells.into(),
            task: Task::Text,
            attn: "skein".into(),
            setting: "learning_rate".into(),
            seed: 9,
            steps: 30,
            value: value.into(),
            trial: vec![trial(value, Some(0.5), 0.7), trial(1.0, None, 0.0)],
        };
        let path = grid.path().join(NAME);
        let add = |choices| Tuned::add(grid.path(), choices).unwrap();
        add(vec![choice("text-skein-b", 0.1)]);
        add(vec![choice("text-skein-a", 0.2)]);
        let one_by_one = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        add(vec![choice("text-skein-b", 0.3)]);
        add(vec![
            choice("text-skein-b", 0.1),
            choice("text-skein-a", 0.2),
        ]);
        assert!(one_by_one == std::fs::read(&path).unwrap());

        let config = |seed, learning_rate| Config {
            seed,
            learning_rate,
            ..Task::Text.preset(Budget::Smoke)
        };
        let found = |name: &str, config: &Config| {
            let choice = Tuned::of_run(&grid.path().join(name), config).unwrap();
            choice.map(|choice| choice.cells)
        };
        let cells = Some("text-skein-a".to_string());
        assert_eq!(found("text-skein-a-s3", &config(3, 0.2)), cells);
        assert_eq!(found("text-skein-a-s3", &config(4, 0.2)), None);
        assert_eq!(found("text-skein-a-s3", &config(3, 0.1)), None);
        assert_eq!(found("text-skein-s3", &config(3, 0.2)), None);
        let elsewhere = Path::new("/nowhere/text-skein-a-s3");
        assert_eq!(Tuned::of_run(elsewhere, &config(3, 0.2)).unwrap(), None);
    }
}
