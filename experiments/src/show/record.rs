//! What the folder of a run says, read without the data or the model: by whoever makes a page of it.

use crate::files::read::json;
use crate::files::read::read_toml;
use crate::files::whole_file;
use crate::numbers::range;
use crate::run::data_report::DataReport;
use crate::run::environment::{Computer, Took};
use crate::run::measured::{Evaluation, Norms, Operators, Timing};
use crate::run::outcome::Outcome;
use crate::settings::config::Config;
use crate::terminal::error::{Error, MISSING, Result};
use datasets::shown;
use serde::Deserialize;
use serde::de::{Error as _, IgnoredAny};
use std::path::{Path, PathBuf};

/// A run, as far as it has come.
pub(crate) struct Record {
    pub(crate) folder: PathBuf,
    pub(crate) config: Config,
    /// An entry for its start and every time it was resumed.
    pub(crate) starts: Vec<toml::Table>,
    pub(crate) computed_by: Vec<Computer>,
    /// Whether metrics.jsonl is there: a run may be kept for its outcome.
    pub(crate) has_metrics: bool,
    pub(crate) steps: Vec<Step>,
    pub(crate) evaluations: Evaluations,
    /// None where timings.jsonl is not there: a run may be kept for its numbers, without its clock.
    /// By step.
    pub(crate) timings: Option<Vec<(usize, Timing)>>,
    /// What follows is there when the run has ended, or was begun by a program that keeps it.
    pub(crate) result: Option<Outcome>,
    pub(crate) data: Option<DataReport>,
    pub(crate) operators: Option<Operators>,
}

/// A line of metrics.jsonl about a step.
#[derive(Deserialize, Clone, Copy)]
pub(crate) struct Step {
    pub(crate) step: usize,
    #[serde(deserialize_with = "range::amount")]
    pub(crate) loss: f64,
    #[serde(deserialize_with = "range::share")]
    pub(crate) accuracy: f64,
    #[serde(deserialize_with = "range::amount")]
    pub(crate) learning_rate: f64,
    #[serde(deserialize_with = "range::amount")]
    pub(crate) gradient_norm: f64,
}

/// A line of metrics.jsonl about an evaluation.
#[derive(Deserialize)]
pub(crate) struct Dev {
    pub(crate) dev: Evaluation,
    #[serde(default)]
    pub(crate) norms: Vec<Norms>,
}

/// Evaluations, each after its step.
pub(crate) type Evaluations = Vec<(usize, Dev)>;

/// What to do about a file that is not there.
const RESTORE: &str = "the folder of the run has lost it: restore it, or leave that run out";

impl Record {
    /// The run in `folder`.
    pub(crate) fn read(folder: &Path) -> Result<Record> {
        #[derive(Deserialize)]
        struct Environment {
            start: Vec<toml::Table>,
        }
        let config = Config::of_run(folder)?;
        let path = folder.join("environment.toml");
        let environment: Option<Environment> = match path.exists() {
            true => Some(read_toml(&path)?),
            false => None,
        };
        let result = Outcome::read(folder)?;
        if let Some(result) = &result {
            result.refuse_other_run(&config, folder)?;
        }
        let computed_by = result.as_ref().map(|result| &result.computed_by[..]);
        let computed_by = Computer::of_run(computed_by, &path)?;
        let path = folder.join("metrics.jsonl");
        let has_metrics = path.exists();
        let (steps, evaluations) = match has_metrics {
            true => metrics(&path)?,
            false => (Vec::new(), Vec::new()),
        };
        if let (Some(result), Some(last)) = (&result, steps.last()) {
            result.refuse_other_steps(last.step, folder)?;
        }
        let path = folder.join("timings.jsonl");
        let mut timings = path.exists().then(Vec::new);
        if let Some(timings) = &mut timings {
            lines(&path, |line, text| {
                timings.push((line.step, serde_json::from_str(text)?));
                Ok(())
            })?;
        }
        Ok(Record {
            config,
            starts: environment.map_or(Vec::new(), |environment| environment.start),
            computed_by,
            has_metrics,
            steps,
            evaluations,
            timings,
            result,
            data: DataReport::read(folder)?,
            operators: json(&folder.join("operators.json"))?,
            folder: folder.to_path_buf(),
        })
    }

    /// SHA-256 of its data, where that is known.
    pub(crate) fn data_sha256(&self) -> Option<&str> {
        let ended = self.result.as_ref().map(|result| &*result.data_sha256);
        ended.or(self.data.as_ref().map(|data| &*data.sha256))
    }

    /// What its steps took, as far as that is known.
    pub(crate) fn took(&self) -> Option<Took> {
        let steps = self.timings.iter().flatten().map(|(_, timing)| *timing);
        Took::of(&steps.collect::<Vec<_>>())
    }

    /// Steps done.
    pub(crate) fn done(&self) -> usize {
        match (&self.result, self.steps.last()) {
            (Some(result), None) => result.steps,
            (_, last) => last.map_or(0, |step| step.step),
        }
    }

    /// A number of every step.
    pub(crate) fn over_steps(&self, of: impl Fn(&Step) -> f64) -> Vec<(usize, f64)> {
        self.steps
            .iter()
            .map(|step| (step.step, of(step)))
            .collect()
    }

    /// The run's name: that of its folder.
    pub(crate) fn name(&self) -> String {
        let absolute = std::path::absolute(&self.folder).unwrap_or_default();
        let name = absolute.file_name().unwrap_or(self.folder.as_os_str());
        shown::name(name)
    }
}

/// What tells lines apart: only those of evaluations have a `dev`.
#[derive(Deserialize)]
pub(crate) struct Line {
    pub(crate) step: usize,
    dev: Option<IgnoredAny>,
}

/// The steps and, by step, the evaluations of a metrics.jsonl.
pub(crate) fn metrics(path: &Path) -> Result<(Vec<Step>, Evaluations)> {
    let (mut steps, mut evaluations) = (Vec::new(), Vec::new());
    lines(path, |line, text| {
        match line.dev {
            Some(_) => evaluations.push((line.step, serde_json::from_str(text)?)),
            None => steps.push(serde_json::from_str(text)?),
        }
        Ok(())
    })?;
    Ok((steps, evaluations))
}

/// Hands each whole line of a file of JSON lines to `take`: one for every step from the first on, those of evaluations
/// after the line of their step. What a killed process, or one that is writing, has left of a last line is no line.
pub(crate) fn lines(
    path: &Path,
    take: impl FnMut(Line, &str) -> std::result::Result<(), serde_json::Error>,
) -> Result<()> {
    let text = whole_file::read_text(path).map_err(|error| error.hint_if(MISSING, RESTORE))?;
    Lines::default().take(path, &text, take)
}

/// Such a file, as far as it was read: it may be growing.
#[derive(Default)]
pub(crate) struct Lines {
    /// Steps so far.
    done: usize,
    /// Lines so far.
    number: usize,
}

impl Lines {
    /// Hands over the whole lines of `text`, which follows what was read before.
    pub(crate) fn take(
        &mut self,
        path: &Path,
        text: &str,
        mut take: impl FnMut(Line, &str) -> std::result::Result<(), serde_json::Error>,
    ) -> Result<()> {
        for line in text.split_inclusive('\n') {
            let Some(line) = line.strip_suffix('\n') else {
                break;
            };
            self.number += 1;
            let read = serde_json::from_str::<Line>(line).and_then(|read| {
                let expected = match read.dev {
                    Some(_) => self.done,
                    None => self.done + 1,
                };
                if read.step != expected {
                    let found = read.step;
                    return Err(serde_json::Error::custom(format!(
                        "step {found}, expected {expected}"
                    )));
                }
                self.done = expected;
                take(read, line)
            });
            read.map_err(|error| {
                let place = format!("{}:{}", path.display(), self.number);
                Error::failure(format!("{place}: expected a line of the run: {error}"))
                    .hint("the file was altered: restore it")
            })?;
        }
        Ok(())
    }
}

impl Line {
    /// Whether it is of an evaluation.
    pub(crate) fn is_dev(&self) -> bool {
        self.dev.is_some()
    }
}
