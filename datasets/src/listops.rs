//! The ListOps task: the value, 0..9, of an expression of nested lists.
//!
//! `[MAX 2 9 [MIN 4 7 ] 0 ]` is 9. The operators are MIN, MAX, MED (the median, of an even number of arguments the mean
//! of the two in the middle, truncated) and SM (the sum modulo 10); there are 2 to 10 arguments, up to 10 levels, and
//! 500 to 2000 words. [`builtin`] grows such trees by the procedure of the Long Range Arena (`listops/generator.rs`),
//! so these are its task and not a stand-in, though not its files; [`load`] reads the benchmark's TSV files
//! (`listops/tsv.rs`), and computes every value of them anew (`listops/evaluator.rs`).
//!
//! A document is a row of codes, one byte a word: 0 MIN, 1 MAX, 2 MED, 3 SM, 4..13 the digits 0..9, 14 the closing
//! bracket. Token id = code + 1. There are two published tokenisations, and the protocol chooses: [`Protocol::Paper`]
//! has ids 1..=14 and no brackets, as the copy of the benchmark that the paper used, whose tokeniser keeps letters and
//! digits only (where a list ends can then not be told, so neither can the value be, in general); [`Protocol::Clean`]
//! has 1..=15, with the closing bracket, as the benchmark has it today. Opening brackets are part of the operator's
//! word and parentheses of the printed form are dropped, in both.

mod evaluator;
mod generator;
mod tsv;
mod verify;

use crate::dataset::{self, Dataset, Encoding, Example, Split};
use crate::protocol::{Digest, Protocol, copies, digest, modulo_ten};
use crate::task::{Files, Input, Made, Task};
use crate::{DataError, file, listops::tsv::Row, shown};
use engine::rng::Seed;
use std::collections::HashSet;
use std::path::Path;
pub use verify::verify;

/// The words of each expression that the reference keeps. Trees of [`Shape::LRA`] are shorter.
pub const MAX_LEN: usize = 2000;

/// Token id = code + 1; the reference's table has 32 rows.
const ENCODING: Encoding = Encoding {
    offset: 1,
    vocabulary: 32,
    mask_zero: false,
};

const MIN: u8 = 0;
const MAX: u8 = 1;
const MED: u8 = 2;
const SUM: u8 = 3;
/// Code of the digit 0; the other digits follow.
const DIGIT: u8 = 4;
const CLOSE: u8 = 14;

/// Names of the operators, by code.
const OPERATORS: [&str; 4] = ["MIN", "MAX", "MED", "SM"];
/// Files of the benchmark, in the order train, dev, test.
pub const FILES: [&str; 3] = ["basic_train.tsv", "basic_val.tsv", "basic_test.tsv"];

/// Trees of train, dev and test of the benchmark.
const COUNTS: [usize; 3] = [Shape::LRA.train, Shape::LRA.dev, Shape::LRA.test];

/// How many trees are grown, and which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Trees for training.
    pub train: usize,
    /// Trees for development.
    pub dev: usize,
    /// Trees for testing.
    pub test: usize,
    /// Levels of the deepest tree; on the last one stand digits only.
    pub max_depth: usize,
    /// The most arguments that an operator has; the fewest are 2.
    pub max_args: usize,
    /// Trees are longer than this; the length counts operators, digits and closing brackets.
    pub min_length: usize,
    /// Trees are shorter than this.
    pub max_length: usize,
}

impl Shape {
    /// The benchmark's.
    pub const LRA: Shape = Shape {
        train: 96_000,
        dev: 2_000,
        test: 2_000,
        max_depth: 10,
        max_args: 10,
        min_length: 500,
        max_length: 2000,
    };

    /// The benchmark's, with so many trees for train, dev and test.
    fn of(counts: &[usize]) -> Shape {
        let count = |split: usize| counts.get(split).copied().unwrap_or(0);
        let [train, dev, test] = [0, 1, 2].map(count);
        Shape {
            train,
            dev,
            test,
            ..Shape::LRA
        }
    }

    /// What is wrong with the numbers, if anything is: (problem, expected).
    fn fault(&self) -> Option<(String, &'static str)> {
        let sizes = [self.train, self.dev, self.test];
        let total = sizes.iter().try_fold(0usize, |sum, &n| sum.checked_add(n));
        if sizes.contains(&0) {
            Some((
                format!("a split of {sizes:?} is empty"),
                "at least 1 tree a split",
            ))
        } else if !(1..=100).contains(&self.max_depth) {
            let problem = format!("max_depth is {}", self.max_depth);
            Some((problem, "1 to 100 levels"))
        } else if !(2..=1000).contains(&self.max_args) {
            let problem = format!("max_args is {}", self.max_args);
            Some((problem, "2 to 1000 arguments"))
        } else if self.max_length > 1 << 15 {
            let problem = format!("max_length is {}", self.max_length);
            Some((problem, "32768 words at most"))
        } else if self.max_length < self.min_length.saturating_add(2) {
            let (from, to) = (self.min_length, self.max_length);
            let problem = format!(
                "no tree is longer than min_length {from} and shorter than max_length {to}"
            );
            Some((problem, "room for a length strictly between the two"))
        } else if total.is_none_or(|n| n.saturating_mul(self.max_length) > 1 << 32) {
            Some((
                format!("{sizes:?} trees of up to {} words", self.max_length),
                "no more than 4 GiB of words in all",
            ))
        } else {
            None
        }
    }
}

/// The task.
pub static TASK: Task = Task {
    name: "listops",
    about: "ListOps (values of nested lists)",
    lengths: 1..=MAX_LEN,
    least_builtin: 8, // Shorter trees are too few.
    documents: 1,
    classes: |_| classes(),
    encoding: |_| ENCODING,
    load: |path, wish| load(path, wish.max_len, wish.protocol),
    // The benchmark's trees, in proportion: its lengths are 500 to 2,000.
    builtin: |wish, making| {
        let counts = COUNTS.map(|count| count.min(making.most));
        let shape = Shape {
            min_length: wish.max_len / 4,
            max_length: wish.max_len,
            ..Shape::of(&counts)
        };
        builtin(making.seed, &shape, wish.protocol)
    },
    made: Made {
        teaches: "generated expressions: longer, shorter or deeper ones than those are new to it",
        first: true,
        fills: true,
        few: None,
    },
    verify,
    files: Ok(Files {
        counts: &COUNTS,
        limited: false,
        bytes: 7000, // Some 1,000 words of 5 to 7 bytes.
        kinds: &[],
        write: |folder, seed, _, counts| write(folder, seed, &Shape::of(counts)),
        has: |_, _, path, is_folder| matches!(path, [name] if !is_folder && FILES.contains(name)),
    }),
    input: Input::Line(|line, wish| Ok(vec![document(line, wish.max_len, wish.protocol)?])),
    takes_files: false,
    readable: ("words", words),
    cut: ", so that their values cannot be known",
    example: Some("echo '[MAX 2 9 [MIN 4 7 ] 0 ]'"),
};

/// A tree and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Tree {
    /// With brackets, in the order in which they are printed.
    codes: Box<[u8]>,
    value: u8,
}

/// Grows the trees of `seed`: `shape` says how many and which, `protocol` how they become tokens.
///
/// An error says what is wrong with the shape, or that it allows too few distinct trees.
pub fn builtin(seed: u64, shape: &Shape, protocol: Protocol) -> Result<Dataset, DataError> {
    let (splits, found) = grow(seed, shape)?;
    let Shape {
        max_depth,
        max_args,
        min_length,
        max_length,
        ..
    } = shape;
    let name = format!(
        "generated ListOps (the benchmark's procedure, not its files), {min_length} < length < {max_length}, seed {seed}"
    );
    let mut notes = vec![format!(
        "depth to {max_depth}, arguments to {max_args}; {found}"
    )];
    let mut first = 0;
    let splits = splits.map(|trees| {
        let sources = (first..).zip(trees).map(|(id, tree)| Source {
            id,
            label: tree.value,
            digest: digest(&tree.codes),
            codes: tree.codes,
        });
        let sources: Vec<Source> = sources.collect();
        first += sources.len();
        sources
    });
    let splits = assemble(splits, shape.max_length, protocol, &mut notes);
    Ok(assembled(name, true, splits, notes))
}

/// The names of the classes, by label.
pub fn classes() -> Vec<String> {
    (0..10).map(|digit| digit.to_string()).collect()
}

/// The document of one expression, printed as in the benchmark's files, `( ( ( [MAX 2 ) 9 ) ] )`, or as people read it,
/// `[MAX 2 9 ]`; `max_len` words of it are kept.
///
/// # Errors
/// What is wrong with it, and at which byte, counted from 1.
pub fn document(text: &[u8], max_len: usize, protocol: Protocol) -> Result<Box<[u8]>, String> {
    let read = match text.contains(&b'(') {
        true => evaluator::evaluate(text).map(|(codes, _)| codes),
        false => evaluator::plain(text),
    };
    let codes = read.map_err(|(column, what)| format!("byte {column}: {what}"))?;
    let brackets = protocol == Protocol::Clean;
    let kept = codes.into_iter().filter(|&code| brackets || code != CLOSE);
    Ok(kept.take(max_len).collect())
}

/// A document as people read it: `[MAX 2 9 ]`. Whatever is no code of a word is shown as `?`.
pub fn words(codes: &[u8]) -> String {
    let word = |&code: &u8| match code {
        MIN..=SUM => format!("[{}", OPERATORS[usize::from(code)]),
        DIGIT..CLOSE => (code - DIGIT).to_string(),
        CLOSE => "]".into(),
        _ => "?".into(),
    };
    codes.iter().map(word).collect::<Vec<_>>().join(" ")
}

/// Writes the trees of `seed` as the benchmark's three files, `basic_{train,val,test}.tsv`, into an existing folder. A
/// file has its final name only once it is whole. [`Shape::LRA`] takes about 660 MB.
pub fn write(folder: &Path, seed: u64, shape: &Shape) -> Result<(), DataError> {
    let (splits, _) = grow(seed, shape)?;
    for (name, trees) in FILES.iter().zip(splits) {
        let expected = "a folder that can be written to, with room for about 7 bytes a word";
        file::write(&folder.join(name), expected, |out| tsv::write(out, &trees))?;
    }
    Ok(())
}

/// The trees of train, dev and test, and a line on how they were found.
fn grow(seed: u64, shape: &Shape) -> Result<([Vec<Tree>; 3], String), DataError> {
    let hint = "the benchmark has 96000, 2000 and 2000 trees of 500 to 2000 words, 10 levels and up to 10 arguments";
    let place = Path::new("generated ListOps");
    if let Some((problem, expected)) = shape.fault() {
        return Err(DataError::new(place, problem, expected, hint));
    }
    let count = shape.train + shape.dev + shape.test;
    let harvest = generator::trees(Seed(seed), shape, count);
    let got = harvest.trees.len();
    if got < count {
        return Err(DataError::new(
            place,
            format!("{got} distinct trees were found within the limits, then hardly any more"),
            format!("limits that allow {count}"),
            hint,
        ));
    }
    let found = format!(
        "{count} distinct trees among {} candidates, {} copies dropped",
        harvest.candidates, harvest.copies
    );
    let mut trees = harvest.trees.into_iter();
    let splits =
        [shape.train, shape.dev, shape.test].map(|n| trees.by_ref().take(n).collect::<Vec<_>>());
    Ok((splits, found))
}

/// Reads the folder of `basic_{train,val,test}.tsv`, or a single such file, and keeps `max_len` words of each
/// expression (the reference keeps [`MAX_LEN`]).
///
/// The ids are the places in train, dev and test, one after the other. A single file is divided by the SHA-256 of each
/// expression's codes (with brackets), its first 8 bytes as a number modulo 10: 0 is for development, 1 for testing.
/// Under [`Protocol::Clean`] an expression that is also in dev or test is removed from train, and from dev if it is in
/// test; it is the same expression if its codes are, with brackets and before any cut. A Target that is not the value of its expression is kept as it is. The notes count them and name the first,
/// and [`verify()`] names more.
pub fn load(path: &Path, max_len: usize, protocol: Protocol) -> Result<Dataset, DataError> {
    dataset::refuse_zero_length(path, max_len, "word of an expression", MAX_LEN)?;
    let mut notes = Vec::new();
    let mut splits: [Vec<Source>; 3] = Default::default();
    let mut id = 0;
    let mut source = |row: Row| {
        id += 1;
        Source {
            id: id - 1,
            label: row.target,
            digest: digest(&row.tree.codes),
            codes: row.tree.codes,
        }
    };
    if path.is_dir() {
        let inner = path.join("listops-1000");
        if !FILES.iter().any(|file| path.join(file).exists()) && inner.is_dir() {
            return Err(DataError::new(
                path,
                "there is no basic_train.tsv in it",
                "the files basic_train.tsv, basic_val.tsv and basic_test.tsv",
                file::did_you_mean(&inner),
            ));
        }
        for (split, file) in splits.iter_mut().zip(FILES) {
            let file = path.join(file);
            let found = scan(&file, |row| split.push(source(row)))?;
            notes.push(found.to_string());
        }
    } else {
        let found = scan(path, |row| {
            let source = source(row);
            splits[place(&source.digest)].push(source);
        })?;
        notes.push(found.to_string());
        notes.push(
            "a single file, divided by the SHA-256 of the codes, first 8 bytes, modulo 10: 0 is dev, 1 is test".into(),
        );
    }
    let splits = assemble(splits, max_len, protocol, &mut notes);
    for split in &splits {
        if split.examples.is_empty() {
            return Err(none_left(path, split.name));
        }
    }
    let (name, made) = dataset::name("ListOps", path);
    Ok(assembled(name, made, splits, notes))
}

/// The split, 0 to 2, of an expression in a single file.
pub(crate) fn place(digest: &Digest) -> usize {
    match modulo_ten(digest) {
        0 => 1,
        1 => 2,
        _ => 0,
    }
}

/// Of a split without expressions, or whose expressions the protocol has removed.
pub(crate) fn none_left(path: &Path, split: &str) -> DataError {
    DataError::new(
        path,
        format!("no expression is left for the {split} split"),
        "expressions for train, dev and test",
        "give each of the three files expressions of its own, or a larger single file",
    )
}

/// What was found in one file.
pub(crate) struct Verified {
    /// Expressions read.
    pub(crate) expressions: usize,
    /// How many have a Target that is not their value.
    pub(crate) wrong: usize,
    /// The first of these, [`Verified::SHOWN`] at most.
    pub(crate) mismatches: Vec<Mismatch>,
    /// Name of the file.
    file: String,
}

/// A Target that is not the value of its expression.
pub(crate) struct Mismatch {
    /// Number of the line, counted from 1; the header's is 1.
    pub(crate) line: usize,
    /// The value of the expression.
    pub(crate) expected: u8,
    /// The Target in the file.
    pub(crate) got: u8,
}

impl Verified {
    /// The most mismatches that are kept.
    const SHOWN: usize = 1000;
}

impl std::fmt::Display for Verified {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Verified {
            expressions, wrong, ..
        } = self;
        let confirmed = expressions - wrong;
        write!(
            f,
            "{}: {confirmed} of {expressions} Targets confirmed",
            self.file
        )?;
        for (i, mismatch) in self.mismatches.iter().take(5).enumerate() {
            let Mismatch {
                line,
                expected,
                got,
            } = mismatch;
            let comma = if i == 0 { "; wrong: " } else { ", " };
            write!(f, "{comma}line {line} (expected {expected}, got {got})")?;
        }
        if *wrong > 5 {
            write!(f, " and {} more", wrong - 5)?;
        }
        Ok(())
    }
}

/// Computes the value of every expression of a TSV file anew and compares it with the Target; `each` sees the codes,
/// with brackets, and the Target. A wrong Target is a finding, not an error.
pub(crate) fn expressions(
    path: &Path,
    each: &mut dyn FnMut(&[u8], u8),
) -> Result<Verified, DataError> {
    scan(path, |row| each(&row.tree.codes, row.target))
}

/// Reads a file, confirms its Targets, and hands on its rows.
fn scan(path: &Path, mut take: impl FnMut(Row)) -> Result<Verified, DataError> {
    let file = path.file_name().unwrap_or_default();
    let mut found = Verified {
        expressions: 0,
        wrong: 0,
        mismatches: Vec::new(),
        file: shown::name(file),
    };
    tsv::read(path, |row| {
        found.expressions += 1;
        if row.target != row.tree.value {
            found.wrong += 1;
            if found.mismatches.len() < Verified::SHOWN {
                found.mismatches.push(Mismatch {
                    line: row.line,
                    expected: row.tree.value,
                    got: row.target,
                });
            }
        }
        take(row);
    })?;
    Ok(found)
}

/// An expression on its way into a split.
struct Source {
    id: usize,
    label: u8,
    /// With brackets, whole.
    codes: Box<[u8]>,
    /// Of these: how an expression is printed makes no other expression of it.
    digest: Digest,
}

/// The three splits under `protocol`: copies reported (and removed where it says so), tokens chosen, cut.
fn assemble(
    mut splits: [Vec<Source>; 3],
    max_len: usize,
    protocol: Protocol,
    notes: &mut Vec<String>,
) -> [Split; 3] {
    let before = splits.each_ref().map(|sources| {
        let distinct: HashSet<&Digest> = sources.iter().map(|source| &source.digest).collect();
        (sources.len(), distinct.len())
    });
    let shared = copies(&mut splits, |source| source.digest, protocol);
    let mut known = ["train", "dev", "test"].into_iter().zip(before).zip(shared);
    let made = splits.map(|sources| {
        let ((name, (total, distinct)), shared) = known.next().unwrap_or_default();
        let (mut cut, mut words, mut longest) = (0, 0, 0);
        let mut labels = [0usize; 10];
        let mut examples = Vec::with_capacity(sources.len());
        for source in sources {
            let mut codes = source.codes;
            if protocol == Protocol::Paper {
                codes = codes.iter().copied().filter(|&c| c != CLOSE).collect();
            }
            words += codes.len();
            longest = longest.max(codes.len());
            if codes.len() > max_len {
                cut += 1;
                codes = codes[..max_len].into();
            }
            let label = usize::from(source.label);
            labels[label] += 1;
            examples.push(Example {
                id: source.id,
                label,
                documents: vec![codes],
            });
        }
        let kept = match (shared, protocol) {
            (0, _) => "",
            (_, Protocol::Clean) => " (removed)",
            (_, Protocol::Paper) => " (none removed)",
        };
        notes.push(format!(
            "{name}: {total} expressions, {distinct} distinct, {shared} also in a later split{kept}; words: mean {}, \
             longest {longest}; cut at {max_len}: {cut}; labels 0..9: {labels:?}",
            words / examples.len().max(1),
        ));
        Split { name, examples }
    });
    notes.push(match protocol {
        Protocol::Clean => "protocol clean: ids 1..4 MIN MAX MED SM, 5..14 digits, 15 the closing bracket".into(),
        Protocol::Paper => {
            "protocol paper: ids 1..4 MIN MAX MED SM, 5..14 digits, no brackets, so that lists have no visible end"
                .into()
        }
    });
    made
}

fn assembled(name: String, builtin: bool, splits: [Split; 3], notes: Vec<String>) -> Dataset {
    let [train, dev, test] = splits;
    Dataset {
        name,
        builtin,
        encoding: ENCODING,
        classes: classes(),
        train,
        dev,
        test,
        notes,
    }
}
