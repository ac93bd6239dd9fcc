//! What a run can choose between: the five tasks with what their examples are, the budgets, whose choices are
//! followed, and the attention methods of the registry.

use crate::terminal::error::{Error, Result};
use datasets::{Black, Encoding, image, listops, pathfinder, retrieval, text};
use ops::attention::{Entry, find, names};
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// Built-in sets are the same whatever the seed of the run.
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

    /// As in the names of binaries and folders.
    pub fn name(self) -> &'static str {
        match self {
            Task::Text => "text",
            Task::ListOps => "listops",
            Task::Retrieval => "retrieval",
            Task::Pathfinder => "pathfinder",
            Task::Image => "image",
        }
    }

    /// As in a sentence.
    pub fn about(self) -> &'static str {
        match self {
            Task::Text => "Text (movie reviews as bytes)",
            Task::ListOps => "ListOps (values of nested lists)",
            Task::Retrieval => "Retrieval (pairs of papers as bytes)",
            Task::Pathfinder => "Pathfinder (are two ends joined, pixel by pixel)",
            Task::Image => "Image (small pictures, pixel by pixel)",
        }
    }

    /// What `--max-len` may be: texts can be cut, pictures cannot.
    pub(crate) fn lengths(self) -> RangeInclusive<usize> {
        match self {
            Task::Text => 1..=text::MAX_LEN,
            Task::ListOps => 1..=listops::MAX_LEN,
            Task::Retrieval => 1..=retrieval::MAX_LEN,
            Task::Pathfinder | Task::Image => image::PIXELS..=image::PIXELS,
        }
    }

    /// The shortest `--max-len` for the set that is built in: shorter trees of ListOps are too few.
    pub(crate) fn least_builtin(self) -> usize {
        match self {
            Task::ListOps => 8,
            _ => *self.lengths().start(),
        }
    }

    /// Documents of an example.
    pub(crate) fn documents(self) -> usize {
        match self {
            Task::Retrieval => 2,
            Task::Text | Task::ListOps | Task::Pathfinder | Task::Image => 1,
        }
    }

    /// Whether the tokens of an example are the pixels of a square picture, row by row.
    pub(crate) fn has_pictures(self) -> bool {
        matches!(self, Task::Pathfinder | Task::Image)
    }

    /// The names of the classes of the set that is built in, or of the published one.
    pub(crate) fn classes(self, builtin: bool) -> Vec<String> {
        match self {
            Task::Text => text::classes(),
            Task::ListOps => listops::classes(),
            Task::Retrieval => retrieval::classes(),
            Task::Pathfinder => pathfinder::classes(),
            Task::Image => image::classes(builtin),
        }
    }

    /// How bytes become token ids.
    pub(crate) fn encoding(self, black: Black) -> Encoding {
        match self {
            Task::Text => text::encoding(),
            Task::ListOps => listops::encoding(),
            Task::Retrieval => retrieval::encoding(),
            Task::Pathfinder => pathfinder::encoding(black),
            Task::Image => image::encoding(black),
        }
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
