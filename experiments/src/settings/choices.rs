//! What a run can choose between: the five tasks with what their examples are, the budgets, whose choices are
//! followed, and the attention methods of the registry.

use crate::terminal::error::{Error, Result};
use datasets::{Black, Encoding};
use ops::attention::{Entry, find, names};
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// The seed of the built-in sets, whatever that of the run is.
pub(crate) const BUILTIN: u64 = 2022;

/// A task of the Long Range Arena.
#[derive(Serialize, Deserialize, clap::ValueEnum, Clone, Copy, Debug, PartialEq)]
#[serde(rename_all = "lowercase")]
#[clap(rename_all = "lowercase")]
pub enum Task {
    /// Is a movie review, read byte by byte, in favour of the film?
    Text,
    /// What is the value of an expression of nested lists?
    ListOps,
    /// Does one of two papers, read byte by byte, cite the other?
    Retrieval,
    /// Are the two marked ends joined by a path of dashes?
    Pathfinder,
    /// What does a small picture show, read pixel by pixel?
    Image,
}

impl Task {
    /// All of them, in the order of the paper's tables.
    pub const ALL: [Task; 5] = [
        Task::Text,
        Task::ListOps,
        Task::Retrieval,
        Task::Pathfinder,
        Task::Image,
    ];

    /// What it is, and what reads, makes, writes and verifies its data.
    pub fn entry(self) -> &'static datasets::Task {
        datasets::TASKS[self as usize]
    }

    /// As in the names of binaries and folders.
    pub fn name(self) -> &'static str {
        self.entry().name
    }

    /// What `--max-len` may be: texts can be cut, pictures cannot.
    pub(crate) fn lengths(self) -> RangeInclusive<usize> {
        self.entry().lengths.clone()
    }

    /// Whether the tokens of an example are the pixels of a square picture, row by row.
    pub(crate) fn has_pictures(self) -> bool {
        self.entry().has_pictures()
    }

    /// The names of the classes of the set that is built in, or of the published one.
    pub(crate) fn classes(self, builtin: bool) -> Vec<String> {
        (self.entry().classes)(builtin)
    }

    /// How bytes become token ids.
    pub(crate) fn encoding(self, black: Black) -> Encoding {
        (self.entry().encoding)(black)
    }
}

/// Whose choices a run follows where the paper's released code departs from a careful experiment.
#[derive(Serialize, Deserialize, clap::ValueEnum, Clone, Copy, Debug, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// A dev split of its own, the best weights tested, mean over real tokens, constant beta1
    Clean,
    /// As released: dev = test on Text, last weights, mean over the padded length, cycled beta1
    Paper,
}

/// How much to train.
#[derive(Serialize, Deserialize, clap::ValueEnum, Clone, Copy, Debug, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Budget {
    /// Seconds: does everything work?
    Smoke,
    /// About 5 minutes on two cores: does it learn?
    Quick,
    /// The paper's settings: hours to days
    Paper,
}

/// What every row of a layer passes before it is projected to queries, keys and values.
#[derive(Serialize, Deserialize, clap::ValueEnum, Clone, Copy, Debug, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Smoother {
    /// The one that comes with the method
    Auto,
    /// Nothing
    None,
    /// A filter over frequencies: the other half of S3Attention
    Fourier,
}

/// The two forms of the Fourier smoother.
#[derive(Serialize, Deserialize, clap::ValueEnum, Clone, Copy, Debug, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// Segments of columns, three neighbours, ReLU
    Paper,
    /// As released: no segments, no neighbours, ELU
    Released,
}

/// How a token knows where it stands.
#[derive(Serialize, Deserialize, clap::ValueEnum, Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Positions {
    /// By a learned table that starts as normal numbers
    Learned,
    /// By one that starts as sines and cosines of the position
    Sincos,
    /// By one that starts as sines and cosines of a pixel's row and column
    Sincos2d,
    /// Queries and keys are turned by their positions; no table
    Rotary,
    /// Not at all, but by what the attention makes of positions
    None,
}

/// As on the command line.
impl std::fmt::Debug for Positions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Positions::Learned => "learned",
            Positions::Sincos => "sincos",
            Positions::Sincos2d => "sincos2d",
            Positions::Rotary => "rotary",
            Positions::None => "none",
        })
    }
}

impl Positions {
    /// As models know it.
    pub(crate) fn of_model(self) -> models::Places {
        match self {
            Positions::Learned => models::Places::Learned,
            Positions::Sincos => models::Places::Sines,
            Positions::Sincos2d => models::Places::Sines2d,
            Positions::Rotary => models::Places::Rotary,
            Positions::None => models::Places::None,
        }
    }
}

impl Smoother {
    /// The one that comes with a method.
    pub(crate) fn of(attn: &str) -> Smoother {
        match attn.starts_with("s3") {
            true => Smoother::Fourier,
            false => Smoother::None,
        }
    }
}

impl Form {
    /// As models know it.
    pub(crate) fn of_model(self) -> models::smoother::Form {
        match self {
            Form::Paper => models::smoother::Form::Paper,
            Form::Released => models::smoother::Form::Released,
        }
    }
}

impl Protocol {
    /// As on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Protocol::Clean => "clean",
            Protocol::Paper => "paper",
        }
    }
}

impl Budget {
    /// As on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Budget::Smoke => "smoke",
            Budget::Quick => "quick",
            Budget::Paper => "paper",
        }
    }
}

impl From<Protocol> for datasets::Protocol {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Clean => datasets::Protocol::Clean,
            Protocol::Paper => datasets::Protocol::Paper,
        }
    }
}

/// The method of this name.
pub(crate) fn method(name: &str) -> Result<Entry<f32>> {
    find::<f32>(name).map_err(|error| {
        Error::usage(error.to_string())
            .hint("skein text --list says what each is")
            .did_you_mean(name, names())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_has_its_entry() {
        let tasks = Task::ALL.iter().zip(datasets::TASKS);
        for (task, entry) in tasks {
            assert_eq!(format!("{task:?}").to_lowercase(), entry.name);
            assert_eq!(task.name(), entry.name);
        }
        assert_eq!(Task::ALL.len(), datasets::TASKS.len());
    }
}
