//! What the rooms of runs, tapes and grids ask: a path of the server, a question in JSON, an answer in JSON or a sentence.

use super::curves::{self, Curves};
use super::jobs::{Jobs, Status};
use super::list::Runs;
use super::{grid, means, run, source, work};
use crate::terminal::error::Error;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Why there is no answer.
#[derive(Debug)]
pub(super) struct Refusal {
    /// Whether what was named is not there; else the question is wrong, or what it is about.
    pub(super) is_missing: bool,
    pub(super) sentence: String,
}

impl Refusal {
    /// What was asked for is not there.
    pub(super) fn missing(sentence: impl Into<String>) -> Self {
        Refusal {
            is_missing: true,
            sentence: sentence.into(),
        }
    }

    /// The question is none.
    pub(super) fn wrong(sentence: impl Into<String>) -> Self {
        Refusal {
            is_missing: false,
            sentence: sentence.into(),
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Refusal::wrong(error.sentence())
    }
}

/// Answers these questions. What it keeps is for speed alone: without it the same questions have the same answers.
pub(super) struct Desk {
    runs: Runs,
    curves: Curves,
    jobs: Jobs,
}

/// The name of a run, as the list has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    run: String,
}

/// No more than the path says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

impl Desk {
    /// A desk for the runs below these folders.
    pub(super) fn new(folders: Vec<PathBuf>) -> Self {
        Desk {
            runs: Runs::new(folders),
            curves: Curves::default(),
            jobs: Jobs::default(),
        }
    }

    /// Whether questions come to this path.
    pub(super) fn has(path: &str) -> bool {
        [
            "/runs", "/run", "/curves", "/grid", "/means", "/tape", "/scan", "/judge", "/source",
        ]
        .contains(&path)
    }

    /// The answer to a question that came to `path`.
    pub(super) fn answer(&self, path: &str, question: &str) -> Result<String, Refusal> {
        match path {
            "/runs" => {
                let Nothing {} = read(question)?;
                written(&self.runs.list())
            }
            "/run" => {
                let asked: Named = read(question)?;
                written(&run::Told::of(&self.runs.find(&asked.run)?))
            }
            "/curves" => {
                let asked: curves::Asked = read(question)?;
                let found = self.runs.find(&asked.run)?;
                self.curves.answer(&found, &asked)
            }
            "/grid" => written(&grid::told(&self.runs, &read(question)?)?),
            "/means" => written(&means::told(&self.runs, &self.curves, &read(question)?)?),
            "/tape" => {
                let asked: work::OfTape = read(question)?;
                let found = self.runs.find(&asked.run)?;
                let status = self.jobs.ask(asked.work(&found)?, asked.stop);
                under_way(status, |done| done.tape(asked.node))
            }
            "/scan" => {
                let asked: work::OfScan = read(question)?;
                let found = self.runs.find(&asked.run)?;
                let status = self.jobs.ask(asked.work(&found)?, asked.stop);
                under_way(status, work::Done::scan)
            }
            "/judge" => {
                let asked: work::OfJudge = read(question)?;
                let found = self.runs.find(&asked.run)?;
                let status = self.jobs.ask(asked.work(&found)?, asked.stop);
                under_way(status, work::Done::judged)
            }
            "/source" => written(&source::part(&read(question)?)?),
            _ => Err(Refusal::missing("there is no such page")),
        }
    }
}

/// What is said of work: how far it is, or what has come of it.
fn under_way(
    status: Status,
    told: impl FnOnce(&work::Done) -> Result<String, Refusal>,
) -> Result<String, Refusal> {
    match status {
        Status::Done(done) => told(&done),
        Status::Failed(sentence) => Err(Refusal::wrong(sentence)),
        Status::Working(how_far) => written(&how_far),
    }
}

/// A question from its JSON.
fn read<T: DeserializeOwned>(question: &str) -> Result<T, Refusal> {
    serde_json::from_str(question)
        .map_err(|error| Refusal::wrong(format!("expected another question: {error}")))
}

/// An answer as JSON.
pub(super) fn written(answer: &impl Serialize) -> Result<String, Refusal> {
    serde_json::to_string(answer).map_err(|error| Refusal::wrong(error.to_string()))
}
