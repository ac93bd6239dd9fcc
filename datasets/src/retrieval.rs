//! The Retrieval task: does one of two documents cite the other, byte by byte?
//!
//! [`load`] reads the pairs of the Long Range Arena (papers of the ACL Anthology Network, Radev et al. 2013) from the
//! folder of `new_aan_pairs.{train,eval,test}.tsv`; [`builtin`] makes pairs of its own where there is no data
//! (`retrieval/papers.rs`). How one line is read is in `retrieval/row.rs`.
//!
//! # Format
//! No header; five columns between tabs; quotes mean nothing. Label (`1.0` or `0.0`), two ids, two texts. A text is a
//! Python bytes literal, `b'...'` or `b"..."`, or stands as it is ([`write()`] writes literals). Literals are decoded
//! under both protocols; the released preparation takes the bytes of a column as they stand, and so every line break as
//! two tokens.
//!
//! # Splits
//! Train, dev and test are the three files, under both protocols. Under `clean`, a pair of train or dev of which a
//! later split has a copy is removed: the same two whole texts, in whichever order, since neither order nor line breaks
//! at the end of a text have a part in what relates two papers. One paper may be in many pairs, of all splits.

mod papers;
mod row;
mod verify;

use crate::protocol::{Digest, copies, copies_line, text_digest};
use crate::task::{Files, Input, Made, Task};
use crate::{DataError, Dataset, Encoding, Example, Protocol, dataset, file, shown};
use engine::rng::Seed;
pub use row::documents;
pub(crate) use row::rows;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
pub use verify::verify;

/// The bytes of each document that the reference keeps.
pub const MAX_LEN: usize = 4000;

/// Pairs of [`builtin`] in train, dev and test.
pub const COUNTS: [usize; 3] = [papers::TRAIN, papers::DEV, papers::TEST];

/// As in Text: token id = byte + 1, in a table of 512 rows.
const ENCODING: Encoding = Encoding {
    offset: 1,
    vocabulary: 512,
    mask_zero: false,
};

/// The names of the classes, by label.
const CLASSES: [&str; 2] = ["unrelated", "related"];

/// The files of train, dev and test.
pub const FILES: [&str; 3] = [
    "new_aan_pairs.train.tsv",
    "new_aan_pairs.eval.tsv",
    "new_aan_pairs.test.tsv",
];

const LAYOUT: &str = "the folder of new_aan_pairs.train.tsv, .eval.tsv and .test.tsv";
const GET: &str = "take tsv_data of lra_release.gz, or use the built-in pairs, which need no data";

/// The task.
pub static TASK: Task = Task {
    name: "retrieval",
    about: "Retrieval (pairs of papers as bytes)",
    lengths: 1..=MAX_LEN,
    least_builtin: 1,
    documents: 2,
    classes: |_| classes(),
    encoding: |_| ENCODING,
    load: |path, wish| load(path, wish.max_len, wish.protocol),
    builtin: |wish, making| builtin(making.seed, wish.max_len, wish.protocol),
    made: Made {
        teaches: "made-up papers, related if they agree in a field: it knows no papers and citations",
        first: false,
        fills: false,
        few: None,
    },
    verify,
    files: Ok(Files {
        counts: &COUNTS,
        limited: false,
        bytes: 600,
        kinds: &[],
        write: |folder, seed, _, counts| {
            let count = |split: usize| counts.get(split).copied().unwrap_or(0);
            write(folder, seed, [0, 1, 2].map(count))
        },
        has: |_, _, path, is_folder| matches!(path, [name] if !is_folder && FILES.contains(name)),
    }),
    input: Input::Line(|line, wish| documents(line, wish.max_len)),
    takes_files: false,
    readable: ("bytes", |document| shown::bytes(document)),
    cut: "",
    example: Some("printf 'one paper\\tanother\\n'"),
};

/// Reads the pairs in the folder `path` and keeps `max_len` bytes of each document (the reference keeps [`MAX_LEN`]).
///
/// The ids are the places in the files, from 0.
pub fn load(path: &Path, max_len: usize, protocol: Protocol) -> Result<Dataset, DataError> {
    dataset::refuse_zero_length(path, max_len, "byte of a text", MAX_LEN)?;
    check_folder(path)?;
    let mut splits: [Vec<Pair>; 3] = Default::default();
    for (file, pairs) in FILES.iter().zip(&mut splits) {
        *pairs = read(&path.join(file), max_len)?;
    }
    let notes = FILES.iter().zip(&splits).map(|(file, pairs)| {
        let related = pairs.iter().filter(|pair| pair.example.label == 1).count();
        let cut = pairs.iter().map(|pair| pair.cut).sum::<usize>();
        let empty = pairs.iter().filter(|pair| pair.empty).count();
        let mut line = format!(
            "{file}: {} pairs, {related} related; documents cut at {max_len}: {:.1}%",
            pairs.len(),
            100.0 * cut as f64 / (2 * pairs.len()).max(1) as f64
        );
        if empty > 0 {
            line += &format!("; pairs with an empty document: {empty}");
        }
        let same = pairs.iter().filter(|pair| pair.key[0] == pair.key[1]);
        match same.count() {
            0 => {}
            same => line += &format!("; pairs of a text with itself: {same}"),
        }
        line
    });
    let mut notes: Vec<String> = notes.collect();
    let found = copies(&mut splits, |pair| pair.key, protocol);
    notes.push(copies_line("pair", found, protocol == Protocol::Clean));
    for (pairs, file) in splits.iter().zip(FILES) {
        if pairs.is_empty() {
            return Err(none_left(&path.join(file)));
        }
    }
    let (name, made) = dataset::name("pairs of papers", path);
    let splits = splits.map(|pairs| pairs.into_iter().map(|pair| pair.example).collect());
    Ok(assembled(name, made, splits, notes, protocol))
}

/// Makes the built-in pairs of `seed`: 20,000 + 2,000 + 5,000 pairs of made-up papers, of which `max_len` bytes are
/// kept (`retrieval/papers.rs` says what relates them, and why no linear rule on byte frequencies tells it).
///
/// An error says that `max_len` is 0.
pub fn builtin(seed: u64, max_len: usize, protocol: Protocol) -> Result<Dataset, DataError> {
    let place = Path::new("built-in pairs of papers");
    dataset::refuse_zero_length(place, max_len, "byte of a text", MAX_LEN)?;
    let split = |(name, count)| {
        let example = |id| {
            let (label, texts) = papers::pair(Seed(seed), name, id);
            let kept = |text: Vec<u8>| text[..text.len().min(max_len)].into();
            Example {
                id,
                label,
                documents: texts.map(kept).into(),
            }
        };
        (0..count).map(example).collect()
    };
    let splits = [
        ("train", papers::TRAIN),
        ("dev", papers::DEV),
        ("test", papers::TEST),
    ];
    let name = format!("built-in pairs of papers (seeded, not AAN), seed {seed}");
    let notes = vec!["the three splits are drawn from streams of their own".to_string()];
    let splits = splits.map(split);
    Ok(assembled(name, true, splits, notes, protocol))
}

/// The names of the classes, by label.
pub fn classes() -> Vec<String> {
    CLASSES.map(String::from).to_vec()
}

/// Writes the built-in pairs of `seed`, whole, as the benchmark's three files into an existing folder: so many for
/// train, dev and test. A file has its final name only once it is whole. The ids are `A<split><number>` and
/// `B<split><number>`.
///
/// The first pairs of each file are those of [`builtin`], which has as many as [`COUNTS`] says.
pub fn write(folder: &Path, seed: u64, counts: [usize; 3]) -> Result<(), DataError> {
    let splits = ["train", "dev", "test"];
    for ((name, split), count) in FILES.iter().zip(splits).zip(counts) {
        let expected = "a folder that can be written to, with room for about 600 bytes a pair";
        file::write(&folder.join(name), expected, |out| {
            for id in 0..count {
                let (label, [one, other]) = papers::pair(Seed(seed), split, id);
                write!(out, "{label}.0\tA{split}{id}\tB{split}{id}\t")?;
                out.write_all(&row::literal(&one))?;
                out.write_all(b"\t")?;
                out.write_all(&row::literal(&other))?;
                out.write_all(b"\n")?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn assembled(
    name: String,
    builtin: bool,
    splits: [Vec<Example>; 3],
    mut notes: Vec<String>,
    protocol: Protocol,
) -> Dataset {
    let [a, b, c] = splits.each_ref().map(Vec::len);
    notes.push(format!(
        "protocol {protocol}: train {a}, dev {b}, test {c} pairs"
    ));
    Dataset::of(name, builtin, ENCODING, classes(), splits, notes)
}

/// A pair with what is known of its whole texts.
struct Pair {
    example: Example,
    key: Key,
    /// How many of its documents were cut.
    cut: usize,
    empty: bool,
}

fn read(file: &Path, max_len: usize) -> Result<Vec<Pair>, DataError> {
    let mut pairs = Vec::new();
    rows(file, &mut |row| {
        let kept = |text: &[u8]| text[..text.len().min(max_len)].into();
        pairs.push(Pair {
            example: Example {
                id: pairs.len(),
                label: row.label,
                documents: row.texts.iter().map(|text| kept(text)).collect(),
            },
            key: key(row.texts.each_ref().map(|text| text_digest(text))),
            cut: row.texts.iter().filter(|text| text.len() > max_len).count(),
            empty: row.texts.iter().any(Vec::is_empty),
        });
    })?;
    Ok(pairs)
}

/// What the copies of a pair have in common: the digests of both whole texts, the smaller one first.
pub(crate) type Key = [Digest; 2];

pub(crate) fn key(mut digests: [Digest; 2]) -> Key {
    digests.sort_unstable();
    digests
}

/// Of a file without pairs, or whose pairs the protocol has removed.
pub(crate) fn none_left(file: &Path) -> DataError {
    DataError::new(
        file,
        "no pair is left of this file",
        "at least one pair, of which no later file has a copy",
        GET,
    )
}

/// Refuses what is not the folder of the three files, and says where they may be.
pub(crate) fn check_folder(path: &Path) -> Result<(), DataError> {
    file::refuse_no_folder(path, LAYOUT, GET)?;
    for name in FILES {
        let file = path.join(name);
        match fs::metadata(&file) {
            Ok(found) if found.is_file() => {}
            Ok(_) => return Err(DataError::new(&file, "this is not a file", LAYOUT, GET)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let inner = ["tsv_data", "lra_release_format"].map(|inner| path.join(inner));
                let hint = match inner.iter().find(|inner| inner.join(name).is_file()) {
                    Some(inner) => file::did_you_mean(inner),
                    None => GET.to_string(),
                };
                let problem = format!("there is no file {name} in it");
                return Err(DataError::new(path, problem, LAYOUT, hint));
            }
            Err(e) => return Err(DataError::unreadable(&file, LAYOUT, e)),
        }
    }
    Ok(())
}
