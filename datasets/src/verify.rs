//! One page about files on disk: what is in them, and whether it is what was published.
//!
//! Each task has a function `verify` in its module. It reads a set as its loader does, so that a file that the loader cannot read is the same
//! [`DataError`], and counts what the loader does not look at. A set may be in perfect form and still not be the
//! published one: that is said line by line under "not as published", and is no error. What contradicts itself, such as
//! a Target that is not the value of its expression, is said under "wrong", and so is, in the loader's words, what
//! leaves one of the splits of [`Protocol::Clean`](crate::Protocol::Clean) without an example. All of it comes out of the loader's own code: it
//! refuses the latter, and says the former in its notes. Parts of ListOps are verified as well ([`crate::listops::verify`]). Called
//! by `skein data verify`, and by whoever wants to know before training.

use crate::DataError;
use std::fmt;

/// What was found. It prints as one page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What was read.
    pub title: String,
    /// What is in it, a line each.
    pub facts: Vec<String>,
    /// What differs from the published set, a line each; empty for the published one.
    pub differences: Vec<String>,
    /// What contradicts itself or cannot be divided into splits, a line each, whoever has made it.
    pub faults: Vec<String>,
    /// Whether checksums of the files are published, and were compared; if not, counts were.
    pub checksums: bool,
}

impl Report {
    /// Whether it is the published set, as far as counts and checksums tell.
    pub fn as_published(&self) -> bool {
        self.differences.is_empty() && self.faults.is_empty()
    }

    /// About a set of this name, which `skein data make` may have made.
    pub(crate) fn new((title, made): (String, bool)) -> Self {
        let made = made.then(|| "made by data make".to_string());
        Report {
            title,
            facts: vec![],
            differences: made.into_iter().collect(),
            faults: vec![],
            checksums: false,
        }
    }

    /// Notes what the loader refuses, in its words.
    pub(crate) fn refused(&mut self, checked: Result<(), DataError>) {
        self.faults
            .extend(checked.err().map(|error| error.to_string()));
    }

    pub(crate) fn fact(&mut self, line: impl Into<String>) {
        self.facts.push(line.into());
    }

    /// Notes a difference if `found` is not `published`.
    pub(crate) fn compare<V: PartialEq + fmt::Display>(
        &mut self,
        what: &str,
        found: V,
        published: V,
    ) {
        if found != published {
            let line = format!("{what}: {found}, published: {published}");
            self.differences.push(line);
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.title)?;
        for fact in &self.facts {
            writeln!(f, "  {fact}")?;
        }
        if self.as_published() {
            let how_far = if self.checksums {
                ""
            } else {
                ", as far as counts tell"
            };
            return writeln!(f, "as published: yes{how_far}");
        }
        for (heading, lines) in [
            ("wrong:", &self.faults),
            ("not as published:", &self.differences),
        ] {
            if !lines.is_empty() {
                writeln!(f, "{heading}")?;
            }
            for line in lines {
                writeln!(f, "  {line}")?;
            }
        }
        Ok(())
    }
}

/// Counts of bytes that tell an encoding.
#[derive(Default)]
pub(crate) struct Encodings {
    texts: usize,
    ascii: usize,
    utf8: usize,
    /// Texts with U+FFFD, the trace of an earlier wrong decoding.
    replaced: usize,
    empty: usize,
    nul: usize,
}

impl Encodings {
    pub(crate) fn add(&mut self, text: &[u8]) {
        self.texts += 1;
        self.ascii += usize::from(text.is_ascii());
        self.empty += usize::from(text.is_empty());
        self.nul += usize::from(text.contains(&0));
        if let Ok(text) = std::str::from_utf8(text) {
            self.utf8 += 1;
            self.replaced += usize::from(text.contains('\u{fffd}'));
        }
    }
}

impl fmt::Display for Encodings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} texts: {} ASCII, {} more UTF-8, {} neither; {} hold U+FFFD, {} hold NUL, {} are empty",
            self.texts,
            self.ascii,
            self.utf8 - self.ascii,
            self.texts - self.utf8,
            self.replaced,
            self.nul,
            self.empty
        )
    }
}

/// Said of sets whose files nobody has published the checksums of.
pub(crate) const COUNTS_ONLY: &str =
    "no checksums of these files are published: nothing but counts is compared with them";
