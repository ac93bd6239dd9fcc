//! What a task is: its plain facts, and what reads, makes, writes and verifies its data.
//!
//! Each has a module, and in it a `TASK`; [`TASKS`](crate::TASKS) lists them.

use crate::verify::Report;
use crate::{Black, DataError, Dataset, Encoding, Protocol};
use std::ops::RangeInclusive;
use std::path::Path;

/// A task.
pub struct Task {
    /// As in the names of commands and folders.
    pub name: &'static str,
    /// As in a sentence.
    pub about: &'static str,
    /// To how many tokens documents may be cut.
    pub lengths: RangeInclusive<usize>,
    /// The shortest length of the set that is built in: of shorter examples there are too few.
    pub least_builtin: usize,
    /// Documents of an example.
    pub documents: usize,
    /// The names of the classes: of the set that is built in, or of the published one.
    pub classes: fn(bool) -> Vec<String>,
    /// How bytes become token ids.
    pub encoding: fn(Black) -> Encoding,
    /// Reads a set from a folder or a file.
    pub load: fn(&Path, &Wish) -> Result<Dataset, DataError>,
    /// Makes the set that is built in.
    pub builtin: fn(&Wish, &Making) -> Result<Dataset, DataError>,
    /// What is built in.
    pub made: Made,
    /// Says what is in files, and whether they are what was published.
    pub verify: fn(&Path) -> Result<Report, DataError>,
    /// The set as files; or why there are none.
    pub files: Result<Files, &'static str>,
    /// What an example is read from.
    pub input: Input,
    /// Whether a file with line breaks in it may be one document.
    pub takes_files: bool,
    /// What the tokens of a document are called, and the document as people read it.
    pub readable: (&'static str, fn(&[u8]) -> String),
    /// What follows, if anything does, from the end of a document being cut off.
    pub cut: &'static str,
    /// A shell command that writes an example; none where examples are files.
    pub example: Option<&'static str>,
}

impl Task {
    /// Whether the tokens of an example are the pixels of a square picture, row by row.
    pub fn has_pictures(&self) -> bool {
        matches!(self.input, Input::Picture(_))
    }
}

/// What an example consists of.
pub type Documents = Vec<Box<[u8]>>;

/// Makes some examples of a seed, so many of each class at least.
pub type Few = fn(u64, usize, Black) -> Result<Dataset, DataError>;

/// What a single example is read from.
#[derive(Clone, Copy)]
pub enum Input {
    /// A line: its documents, or what is wrong with it.
    Line(fn(&[u8], &Wish) -> Result<Documents, String>),
    /// A file: its pixels.
    Picture(fn(&Path) -> Result<Box<[u8]>, DataError>),
}

/// How data are wanted.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    /// Tokens that are kept of a document.
    pub max_len: usize,
    /// Whom splits and tokens follow.
    pub protocol: Protocol,
    /// What the black pixels of a picture are.
    pub black: Black,
}

/// Which set is to be made.
#[derive(Clone, Copy, Debug)]
pub struct Making {
    /// Everything in it follows from this.
    pub seed: u64,
    /// How hard and large.
    pub size: Size,
    /// The most examples of a split, where a part can be made alone ([`Made::first`]).
    pub most: usize,
}

/// How hard and large a set is, where there are several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// As the benchmark's.
    Whole,
    /// For minutes of training.
    Quick,
    /// For seconds.
    Smoke,
}

/// What is to be known of the set that is built in.
pub struct Made {
    /// What it teaches a model, and what not.
    pub teaches: &'static str,
    /// Whether the first examples can be made without the others.
    pub first: bool,
    /// Whether its examples are as long as the length that they are made for.
    pub fills: bool,
    /// Some examples for the eye, where the whole set would take long.
    pub few: Option<Few>,
}

/// The files of a set that is made.
pub struct Files {
    /// How many examples each part of the published or built-in set has.
    pub counts: &'static [usize],
    /// Whether there are no more than these, and at least two.
    pub limited: bool,
    /// Bytes of an example on the disk, roughly.
    pub bytes: u64,
    /// Kinds of examples, the usual one first; empty where there is one kind.
    pub kinds: &'static [&'static str],
    /// Writes so many examples of a seed and a kind into an empty folder.
    pub write: fn(&Path, u64, &str, &[usize]) -> Result<(), DataError>,
    /// Whether a set of this kind and counts has a file, or a folder, with this path.
    pub has: fn(&str, &[usize], &[&str], bool) -> bool,
}

/// Whether this is a number less than `end`.
pub(crate) fn below(number: Option<&str>, end: usize) -> bool {
    let digits = number.filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
    let number = digits.and_then(|digits| digits.parse::<usize>().ok());
    number.is_some_and(|number| number < end)
}

#[cfg(test)]
mod tests {
    use crate::{Black, TASKS};

    #[test]
    fn names_are_distinct_and_facts_agree() {
        for (i, task) in TASKS.iter().enumerate() {
            assert!(TASKS[..i].iter().all(|other| other.name != task.name));
            assert!(task.lengths.contains(&task.least_builtin), "{}", task.name);
            let vocabulary = (task.encoding)(Black::Kept).vocabulary;
            assert!(vocabulary > 15, "{}", task.name);
            assert_eq!(task.has_pictures(), task.example.is_none(), "{}", task.name);
            assert!((task.classes)(true).len() >= 2, "{}", task.name);
        }
    }
}
