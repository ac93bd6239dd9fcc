//! What the folder of a run says, read without the data or the model: by whoever makes a page of it.

use crate::config::{Config, read_toml};
use crate::environment::Took;
use crate::error::{Error, MISSING, Result};
use crate::experiment::Outcome;
use crate::run::Timing;
use crate::trainer::{Evaluation, Norms, Operators};
use datasets::Dataset;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};

/// data.json: what a run learns from, as its data report tells it.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub(crate) struct DataReport {
    pub(crate) name: String,
    pub(crate) builtin: bool,
    pub(crate) sha256: String,
    pub(crate) classes: Vec<String>,
    /// Examples of train, dev and test.
    pub(crate) examples: [usize; 3],
    pub(crate) notes: Vec<String>,
}

impl DataReport {
    pub(crate) fn new(data: &Dataset, sha256: &str) -> Self {
        DataReport {
            name: data.name.clone(),
            builtin: data.builtin,
            sha256: sha256.to_string(),
            classes: data.classes.clone(),
            examples: [&data.train, &data.dev, &data.test].map(|split| split.examples.len()),
            notes: data.notes.clone(),
        }
    }
}

/// A run, as far as it has come.
pub(super) struct Record {
    pub(super) folder: PathBuf,
    pub(super) config: Config,
    /// An entry for its start and every time it was resumed.
    pub(super) starts: Vec<toml::Table>,
    pub(super) steps: Vec<Step>,
    pub(super) evaluations: Vec<(usize, Dev)>,
    /// None where timings.jsonl is not there: a run may be kept for its numbers, without its clock.
    /// By step.
    pub(super) timings: Option<Vec<(usize, Timing)>>,
    /// What follows is there when the run has ended, or was begun by a program that keeps it.
    pub(super) result: Option<Outcome>,
    pub(super) data: Option<DataReport>,
    pub(super) operators: Option<Operators>,
}

/// A line of metrics.jsonl about a step.
#[derive(Deserialize, Clone, Copy)]
pub(super) struct Step {
    pub(super) step: usize,
    pub(super) loss: f64,
    pub(super) accuracy: f64,
    pub(super) learning_rate: f64,
    pub(super) gradient_norm: f64,
}

/// A line of metrics.jsonl about an evaluation.
#[derive(Deserialize)]
pub(super) struct Dev {
    pub(super) dev: Evaluation,
    #[serde(default)]
    pub(super) norms: Vec<Norms>,
}

/// What to do about a file that is not there.
const RESTORE: &str = "the folder of the run has lost it: restore it, or leave that run out";

impl Record {
    /// The run in `folder`.
    pub(super) fn read(folder: &Path) -> Result<Record> {
        #[derive(Deserialize)]
        struct Environment {
            start: Vec<toml::Table>,
        }
        let config = Config::of_run(folder)?;
        let environment = read_toml::<Environment>(&folder.join("environment.toml"));
        let environment = environment.map_err(|error| error.hint_if(MISSING, RESTORE))?;
        let (mut steps, mut evaluations) = (Vec::new(), Vec::new());
        lines(&folder.join("metrics.jsonl"), |step, line| {
            // Which of the two a line is, its fields say.
            match serde_json::from_str::<Dev>(line) {
                Ok(dev) => evaluations.push((step, dev)),
                Err(_) => steps.push(serde_json::from_str(line)?),
            }
            Ok(())
        })?;
        let path = folder.join("timings.jsonl");
        let mut timings = path.exists().then(Vec::new);
        if let Some(timings) = &mut timings {
            lines(&path, |step, line| {
                timings.push((step, serde_json::from_str(line)?));
                Ok(())
            })?;
        }
        Ok(Record {
            config,
            starts: environment.start,
            steps,
            evaluations,
            timings,
            result: Outcome::read(folder)?,
            data: json(&folder.join("data.json"))?,
            operators: json(&folder.join("operators.json"))?,
            folder: folder.to_path_buf(),
        })
    }

    /// What its steps took, as far as that is known.
    pub(super) fn took(&self) -> Option<Took> {
        let steps = self.timings.iter().flatten().map(|(_, timing)| *timing);
        Took::of(&steps.collect::<Vec<_>>())
    }

    /// Steps done.
    pub(super) fn done(&self) -> usize {
        self.steps.last().map_or(0, |step| step.step)
    }

    /// A number of every step.
    pub(super) fn over_steps(&self, of: impl Fn(&Step) -> f64) -> Vec<(usize, f64)> {
        self.steps
            .iter()
            .map(|step| (step.step, of(step)))
            .collect()
    }

    /// The run's name: that of its folder.
    pub(super) fn name(&self) -> String {
        let absolute = std::path::absolute(&self.folder).unwrap_or_default();
        let name = absolute.file_name().unwrap_or(self.folder.as_os_str());
        name.display().to_string()
    }
}

/// Hands each whole line of a file of JSON lines, with its step, to `take`. What a killed process, or one that is
/// writing, has left of a last line is no line.
fn lines(
    path: &Path,
    mut take: impl FnMut(usize, &str) -> std::result::Result<(), serde_json::Error>,
) -> Result<()> {
    #[derive(Deserialize)]
    struct Line {
        step: usize,
    }
    let text = fs::read_to_string(path)
        .map_err(|cause| Error::file("cannot read", path, &cause).hint_if(MISSING, RESTORE))?;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let Some(line) = line.strip_suffix('\n') else {
            break;
        };
        let read = serde_json::from_str::<Line>(line).and_then(|Line { step }| take(step, line));
        read.map_err(|error| {
            let place = format!("{}:{}", path.display(), number + 1);
            Error::failure(format!("{place}: expected a line of the run: {error}"))
                .hint("the file was altered: restore it")
        })?;
    }
    Ok(())
}

/// A file of JSON, if it is there.
fn json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    if !path.exists() {
        return Ok(None);
    }
    let bytes = fs::read(path).map_err(|cause| Error::file("cannot read", path, &cause))?;
    let read = serde_json::from_slice(&bytes);
    read.map(Some).map_err(|error| {
        Error::failure(format!("{}: {error}", path.display()))
            .hint("the file was altered, or is of another version of this program")
    })
}
