//! What has come of a run: its result.json.

use crate::files::whole_file;
use crate::numbers::range;
use crate::run::environment::Computer;
use crate::run::measured::{Evaluation, Lengths};
use crate::settings::choices::{Protocol, Task};
use crate::settings::config::Config;
use crate::terminal::error::{Error, Result};
use crate::terminal::output::percent;
use datasets::shown;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// result.json.
#[derive(Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) task: Task,
    pub(crate) attn: String,
    pub(crate) features: usize,
    pub(crate) seed: u64,
    pub(crate) protocol: Protocol,
    /// The name of the data set.
    pub(crate) data: String,
    pub(crate) builtin: bool,
    /// The fingerprint of its examples (`train::data::fingerprint`).
    pub(crate) data_sha256: String,
    /// In the order of the starts, each once; none in results that are older than the record.
    #[serde(default)]
    pub(crate) computed_by: Vec<Computer>,
    /// Learned numbers.
    #[serde(deserialize_with = "range::count")]
    pub(crate) parameters: usize,
    /// That were done.
    #[serde(deserialize_with = "range::count")]
    pub(crate) steps: usize,
    pub(crate) tested_weights_of_step: usize,
    pub(crate) best_dev: Option<Evaluation>,
    pub(crate) test: Evaluation,
    /// Of always answering the most frequent class of train, 0 to 1; on the examples of `test`, of which
    /// older results took the whole split.
    #[serde(deserialize_with = "range::share")]
    pub(crate) majority_accuracy: f64,
    /// Of a logistic regression on token frequencies, likewise.
    #[serde(deserialize_with = "range::share")]
    pub(crate) token_frequency_accuracy: f64,
    /// Of train, dev and test together. Older results lack this and what follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) lengths: Option<Lengths>,
    /// Examples of these that the features leave nothing out of, so that the method is exact attention there; none
    /// where features have no say in that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) exact_examples: Option<usize>,
    /// For each class in the order of data.json, how many of its examples of `test` were taken for each. Older results
    /// lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) confusion: Option<Vec<Vec<usize>>>,
}

impl Outcome {
    /// The part of the examples, 0 to 1, of which nothing was sketched; none where that is not known.
    pub(crate) fn exact(&self) -> Option<f64> {
        let all = self.lengths?.examples;
        Some(self.exact_examples? as f64 / all as f64)
    }

    /// That of the run in `folder`; none if it has not ended.
    pub(crate) fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join("result.json");
        if !path.exists() {
            return Ok(None);
        }
        let text = whole_file::read(&path)?;
        let wrong = |what: String| {
            let message = format!("{}: expected the outcome of a run: {what}", path.display());
            Error::failure(message)
                .hint("restore it, or leave that run out; another version may have written it")
        };
        let outcome: Self =
            serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
        let (tested, steps) = (outcome.tested_weights_of_step, outcome.steps);
        if tested > steps {
            return Err(wrong(format!(
                "weights of step {tested} were tested: expected one of the {steps} that were done"
            )));
        }
        if !outcome.confusion_is_of_test() {
            let Evaluation {
                accuracy, examples, ..
            } = outcome.test;
            return Err(wrong(format!(
                "the matrix of confusion is not one of {examples} examples, of which {accuracy} are right"
            )));
        }
        for evaluation in [Some(outcome.test), outcome.best_dev].into_iter().flatten() {
            let Evaluation {
                accuracy, examples, ..
            } = evaluation;
            if !evaluation.counts_whole_examples() {
                return Err(wrong(format!(
                    "accuracy {accuracy} of {examples} examples: expected a whole number of right ones"
                )));
            }
        }
        Ok(Some(outcome))
    }

    /// Whether the matrix of confusion, if there is one, has a row and a column for each class and counts what `test` does.
    fn confusion_is_of_test(&self) -> bool {
        let Some(rows) = &self.confusion else {
            return true;
        };
        let square = rows.iter().all(|row| row.len() == rows.len());
        let all = rows
            .iter()
            .flatten()
            .try_fold(0usize, |sum, count| sum.checked_add(*count));
        let right = || {
            rows.iter()
                .enumerate()
                .map(|(class, row)| row[class])
                .sum::<usize>()
        };
        let Evaluation {
            accuracy, examples, ..
        } = self.test;
        let slip = |right: usize| (accuracy * examples as f64 - right as f64).abs();
        square && all == Some(examples) && slip(right()) <= 1e-9 * examples as f64
    }

    /// A result.json beside the metrics.jsonl of another run is nobody's, either.
    pub(crate) fn refuse_other_steps(&self, last: usize, folder: &Path) -> Result<()> {
        if self.steps == last {
            return Ok(());
        }
        let message = format!(
            "{}: result.json is of {} steps, expected {last} as in metrics.jsonl",
            folder.display(),
            self.steps
        );
        Err(Error::failure(message).hint("restore one of the two files"))
    }

    /// A result.json beside the config.toml of another run is nobody's.
    pub(crate) fn refuse_other_run(&self, config: &Config, folder: &Path) -> Result<()> {
        let said = (self.task, &self.attn, self.features, self.seed);
        let is_of_it = said == (config.task, &config.attn, config.features, config.seed)
            && self.protocol == config.protocol;
        if is_of_it && self.steps > config.steps {
            let message = format!(
                "{}: result.json is of {} steps, expected at most {} as in config.toml",
                folder.display(),
                self.steps,
                config.steps
            );
            return Err(Error::failure(message).hint("restore one of the two files"));
        }
        if is_of_it {
            return Ok(());
        }
        let message = format!(
            "{}: result.json is of {}, expected {} as in config.toml",
            folder.display(),
            said_of(
                self.task,
                &self.attn,
                self.features,
                self.protocol,
                self.seed
            ),
            said_of(
                config.task,
                &config.attn,
                config.features,
                config.protocol,
                config.seed
            )
        );
        Err(Error::failure(message).hint("restore one of the two files"))
    }

    /// As it is printed, with the time that it took.
    pub(crate) fn table(&self, time: &str, folder: &Path) -> String {
        let tested = self.tested_weights_of_step;
        let which = match tested == self.steps {
            true => "the last".to_string(),
            false => format!("of {}, lowest dev loss", self.steps),
        };
        let rows = [
            ("data", self.data.clone()),
            (
                "model",
                format!("{}, the weights after step {tested} ({which})", self.attn),
            ),
            (
                "test accuracy",
                format!(
                    "{} of {} examples (loss {:.4})",
                    percent(self.test.accuracy),
                    self.test.examples,
                    self.test.loss
                ),
            ),
            (
                "token frequency",
                format!(
                    "{} (logistic regression, same data)",
                    percent(self.token_frequency_accuracy)
                ),
            ),
            ("majority class", percent(self.majority_accuracy)),
            ("time", time.to_string()),
            ("run folder", shown::name(folder)),
        ];
        let report = folder.join("report.html");
        let report = report
            .exists()
            .then(|| ("report", report.display().to_string()));
        rows.iter()
            .chain(&report)
            .map(|(what, value)| format!("{what:15} {value}\n"))
            .collect()
    }
}

/// What a run is of, for people.
fn said_of(task: Task, attn: &str, features: usize, protocol: Protocol, seed: u64) -> String {
    let (task, protocol) = (task.name(), protocol.name());
    format!("{task} {attn} with seed {seed}, features {features} and protocol {protocol}")
}
