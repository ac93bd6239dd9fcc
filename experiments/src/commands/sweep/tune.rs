//! A setting that every method is given after its own trials: the best of the same few values, on dev.
//!
//! A method that is compared with a learning rate that suits another one is not compared. So before the seeds of its cells,
//! every method, at every task and every combination of the other axes, tries the same values, with a seed that no cell
//! has; the trials are runs as any others, in the grid's folder `.tune`, where `skein table` does not look. The best by
//! dev accuracy, then dev loss, then in the order of the list is what the cells get; what trials have ended is all that
//! is needed to know it, so that several processes choose the same, and tuned.toml in the grid's folder says it.

use super::axis::{Axis, flag};
use super::failed;
use super::lock::Lock;
use super::plan::{Cell, Plan};
use super::work::State;
use crate::run::tuned::{self, Choice, Trial, Tuned, said};
use crate::settings::config::{Config, Settings};
use crate::terminal::error::{Error, Result};
use serde::Deserialize;
use std::path::Path;

/// Of every trial. Any would do that nobody gives to a cell; what the cells have may change, and this may not.
pub(super) const TRIAL_SEED: u64 = 1_000_000;

/// The trials for some cells, which differ in nothing but their seeds.
pub(super) struct Group {
    /// What the names of their folders have before `-s` and the seed.
    pub(super) cells: String,
    pub(super) setting: &'static str,
    values: Vec<toml::Value>,
    pub(super) trials: Vec<Cell>,
    /// Once all trials have ended.
    pub(super) choice: Option<Choice>,
}

impl Group {
    /// For cells of this name, one of which has this configuration.
    pub(super) fn new(
        cells: String,
        config: &Config,
        tune: &Axis,
        steps: Option<usize>,
    ) -> Result<Self> {
        let trial = |value: &toml::Value| {
            let name = format!(".tune/{cells}{}", tune.piece(value));
            let short = shortened(config, steps);
            let trial =
                with(&short, tune.setting, value).and_then(|trial| match trial.same_data(config) {
                    true => Ok(trial),
                    false => Err(Error::usage(
                        "expected a setting that leaves the data as they are",
                    )
                    .hint("an --axis compares such settings")),
                });
            let named = |error: Error| {
                let value = said(value);
                error
                    .at(&format!("--tune {}={value}", flag(tune.setting)))
                    .at(&cells)
            };
            Ok(Cell {
                name,
                pieces: tune.piece(value),
                config: trial.map_err(named)?,
                group: None,
            })
        };
        let trials: Result<Vec<Cell>> = tune.values.iter().map(trial).collect();
        Ok(Group {
            setting: tune.setting,
            values: tune.values.clone(),
            trials: trials?,
            choice: None,
            cells,
        })
    }

    /// What the trials come to; none while one has not ended, or if none of them has numbers at its end.
    ///
    /// # Errors
    /// If one is of other settings.
    pub(super) fn judged(&self, grid: &Path) -> Result<Option<Choice>> {
        let mut trials = Vec::new();
        for (value, cell) in self.values.iter().zip(&self.trials) {
            let dev = match cell.state(grid)? {
                State::Ended(outcome) => outcome.best_dev,
                _ => match failed::read(grid, &cell.name)? {
                    Some(mark) if mark.is_of_the_numbers() => None,
                    _ => return Ok(None),
                },
            };
            trials.push(Trial {
                value: value.clone(),
                dev_accuracy: dev.map(|dev| dev.accuracy),
                dev_loss: dev.map(|dev| dev.loss),
            });
        }
        let Some(best) = tuned::best(&trials) else {
            return Ok(None);
        };
        let config = &self.trials[0].config;
        Ok(Some(Choice {
            cells: self.cells.clone(),
            task: config.task,
            attn: config.attn.clone(),
            setting: self.setting.to_string(),
            seed: TRIAL_SEED,
            steps: config.steps,
            value: best.value.clone(),
            trial: trials,
        }))
    }
}

/// Of a group of which no trial has numbers at its end.
pub(super) fn without_best(setting: &str) -> Error {
    let message = format!(
        "none of the trials of --tune {} has numbers at its end",
        flag(setting)
    );
    Error::failure(message).hint("give it other values")
}

impl Plan {
    /// Gives the cells what their trials have chosen, as far as these have ended.
    pub(super) fn settle(&mut self, grid: &Path) -> Result<()> {
        for group in 0..self.groups.len() {
            self.settle_group(grid, group)?;
        }
        Ok(())
    }

    /// The same for the cells of one group; whether they have it.
    pub(super) fn settle_group(&mut self, grid: &Path, group: usize) -> Result<bool> {
        if self.groups[group].choice.is_some() {
            return Ok(true);
        }
        let name = &self.groups[group].cells;
        let judged = self.groups[group].judged(grid);
        let Some(choice) = judged.map_err(|error| error.at(name))? else {
            return Ok(false);
        };
        let setting = self.groups[group].setting;
        for cell in &mut self.cells {
            if cell.group == Some(group) {
                let config = with(&cell.config, setting, &choice.value);
                cell.config = config.map_err(|error| error.at(&cell.name))?;
            }
        }
        self.groups[group].choice = Some(choice);
        Ok(true)
    }

    /// Writes what has been chosen.
    pub(super) fn record(&self, grid: &Path) -> Result<()> {
        let choices = self.groups.iter().filter_map(|group| group.choice.clone());
        let choices: Vec<Choice> = choices.collect();
        if choices.is_empty() {
            return Ok(());
        }
        let _lock = Lock::wait(grid, tuned::NAME)?;
        Tuned::add(grid, choices)
    }
}

/// A trial in place of a run: its seed, and as many steps, with a warm-up that is as large a part of them. Nobody looks
/// at its test, which one example is enough for.
fn shortened(config: &Config, steps: Option<usize>) -> Config {
    let steps = steps.unwrap_or(config.steps);
    let part = config.warmup as f64 * steps as f64 / config.steps as f64;
    Config {
        seed: TRIAL_SEED,
        steps,
        warmup: (part.ceil() as usize).min(steps),
        eval_every: config.eval_every.min(steps),
        test_examples: 1,
        ..config.clone()
    }
}

/// A configuration with another value of a setting.
fn with(config: &Config, setting: &str, value: &toml::Value) -> Result<Config> {
    let table = toml::Table::from_iter([(setting.to_string(), value.clone())]);
    let task = config.task;
    let given = Settings::deserialize(table)?;
    config.clone().overlaid(&given).checked(task)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::choices::{Budget, Task};

    #[test]
    fn a_trial_warms_up_as_long_as_a_run_in_proportion() {
        let config = Config {
            steps: 1200,
            warmup: 100,
            eval_every: 200,
            ..Task::Text.preset(Budget::Quick)
        };
        let of = |steps| {
            let trial = shortened(&config, steps);
            (trial.steps, trial.warmup, trial.eval_every)
        };
        assert_eq!(of(None), (1200, 100, 200));
        assert_eq!(of(Some(300)), (300, 25, 200));
        assert_eq!(of(Some(1)), (1, 1, 1));
        assert_eq!(shortened(&config, None).seed, TRIAL_SEED);
    }
}
