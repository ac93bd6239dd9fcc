//! The Text task: is a film review for or against the film, byte by byte.
//!
//! [`load`] reads a folder in the layout of the IMDb reviews (Maas et al. 2011), `{train,test}/{neg,pos}/*.txt`, the
//! published one or any other of that form, or the benchmark's tables `train.tsv` and `test.tsv` (`text/tsv.rs` says
//! how they are quoted); [`builtin`] makes a corpus of its own where there is no data. Bytes are
//! bytes: nothing is decoded, lower-cased or stripped, and text that is not UTF-8 is as good as any.

mod grammar;
mod reviews;
mod tsv;

use crate::file::{self, did_you_mean};
use crate::protocol::{Division, Protocol, Source, divide, text_digest};
use crate::{DataError, Dataset, Encoding, dataset, shown};
use engine::rng::Seed;
use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The bytes of each text that the reference keeps.
pub const MAX_LEN: usize = 4000;

/// Bytes of the longest text that is read; the published reviews have 13,704 at most.
const LONGEST: u64 = 16 << 20;

/// Texts of [`builtin`] in train and test.
pub const COUNTS: [usize; 2] = [reviews::TRAIN, reviews::TEST];

/// Token id = byte + 1; the reference's table has 512 rows, of which 257 can occur.
const ENCODING: Encoding = Encoding {
    offset: 1,
    vocabulary: 512,
    mask_zero: false,
};

/// The folder of each class; its place is its label, as in the reference.
const CLASSES: [&str; 2] = ["neg", "pos"];

/// The benchmark's tables; what stands before, as in `imdb_train.tsv`, is free.
const TABLES: [&str; 2] = ["train.tsv", "test.tsv"];

const LAYOUT: &str = "text files as {train,test}/{neg,pos}/*.txt, or tables train.tsv and test.tsv";
const GET: &str = "unpack aclImdb_v1.tar.gz and give the folder aclImdb, or use the built-in reviews, which need no data";

/// Reads the reviews in the folder `path` and keeps `max_len` bytes of each (the reference keeps [`MAX_LEN`]).
///
/// The ids are the places in the order of sorted paths, or in the table. Files not called `*.txt` are left alone, and
/// so are those that are hidden or left by a system; beside the two tables, so is every other file.
pub fn load(path: &Path, max_len: usize, protocol: Protocol) -> Result<Dataset, DataError> {
    dataset::refuse_zero_length(path, max_len, "byte of a text", MAX_LEN)?;
    let mut sources = [vec![], vec![]];
    texts(path, &mut |half, label, text| {
        let half = &mut sources[half];
        let digest = text_digest(text);
        half.push(Source::new(half.len(), label, text, digest, max_len));
    })?;
    let [train, test] = sources;
    let division = divide(train, test, &classes(), max_len, protocol);
    refuse_empty(path, &division)?;
    let (name, made) = name(path);
    Ok(assembled(name, made, division))
}

/// Refuses an empty split. Neither half was empty, and test is whole; the protocol can have taken all of train.
pub(crate) fn refuse_empty(path: &Path, division: &Division) -> Result<(), DataError> {
    let mut splits = [&division.train, &division.dev].into_iter();
    match splits.find(|split| split.examples.is_empty()) {
        None => Ok(()),
        Some(split) => Err(DataError::new(
            path,
            format!("no text is left for the {} split", split.name),
            "enough texts for a train split and a tenth of it for development",
            "add texts, or take protocol paper, which tests on what it stops on",
        )),
    }
}

/// What the set at `path` is called, and whether `skein data make` has made it.
pub(crate) fn name(path: &Path) -> (String, bool) {
    let what = path.file_name().unwrap_or(OsStr::new("reviews"));
    dataset::name(&shown::name(what), path)
}

/// Calls `each` with the half (0 is train, 1 test), the label and the whole bytes of every text, in the order of ids.
/// One text is held at a time.
pub(crate) fn texts(
    path: &Path,
    each: &mut dyn FnMut(usize, usize, &[u8]),
) -> Result<(), DataError> {
    for (number, half) in halves(path)?.iter().enumerate() {
        let mut each = |label: usize, text: &[u8]| each(number, label, text);
        match half.extension() {
            Some(_) => tsv::records(half, each)?,
            None => folder_texts(half, &mut each)?,
        }
    }
    Ok(())
}

/// Makes the built-in corpus of `seed`: 25,000 + 5,000 film reviews from a grammar (`text/reviews.rs` says which, and
/// why byte frequencies alone do not tell the label), of which `max_len` bytes are kept.
///
/// An error says that `max_len` is 0.
pub fn builtin(seed: u64, max_len: usize, protocol: Protocol) -> Result<Dataset, DataError> {
    let place = Path::new("built-in reviews");
    dataset::refuse_zero_length(place, max_len, "byte of a text", MAX_LEN)?;
    let (train, test) = reviews::sources(Seed(seed), max_len);
    let name = format!("built-in reviews (seeded grammar, not IMDb), seed {seed}");
    let division = divide(train, test, &classes(), max_len, protocol);
    Ok(assembled(name, true, division))
}

/// The names of the classes, by label.
pub fn classes() -> Vec<String> {
    CLASSES.map(String::from).to_vec()
}

/// How bytes become token ids.
pub fn encoding() -> Encoding {
    ENCODING
}

fn assembled(name: String, builtin: bool, division: Division) -> Dataset {
    Dataset {
        name,
        builtin,
        encoding: ENCODING,
        classes: classes(),
        train: division.train,
        dev: division.dev,
        test: division.test,
        notes: division.notes,
    }
}

/// The folders `train` and `test` in `path`, or the tables; refuses what has neither, and says where they may be.
fn halves(path: &Path) -> Result<[PathBuf; 2], DataError> {
    let wrong = |problem: &str, hint: String| Err(DataError::new(path, problem, LAYOUT, hint));
    file::refuse_no_folder(path, LAYOUT, GET)?;
    let folders = ["train", "test"].map(|half| path.join(half));
    if folders.iter().any(|half| half.is_dir()) {
        return Ok(folders); // A missing half is reported with its own path.
    }
    let entries = file::list(path, LAYOUT)?;
    let tables = TABLES.map(|name| {
        let mut found = entries.iter().filter(|entry| is_called(entry, name));
        (found.next(), found.next())
    });
    match tables {
        [(Some(train), None), (Some(test), None)] => return Ok([train.clone(), test.clone()]),
        [(None, _), (None, _)] => {}
        _ => {
            let hint =
                "name the two, of which there must be one each, as in train.tsv and test.tsv";
            let problem =
                "of a table *train.tsv and a table *test.tsv, one is missing or there are several";
            return wrong(problem, hint.into());
        }
    }
    if entries.is_empty() {
        return wrong("the folder is empty", GET.into());
    }
    let problem = "there is neither a folder train nor a folder test in it";
    if let Some(inner) = entries.iter().find(|inner| inner.join("train").is_dir()) {
        return wrong(problem, did_you_mean(inner));
    }
    match path.parent() {
        Some(parent) if path.join("pos").is_dir() => wrong(problem, did_you_mean(parent)),
        _ => wrong(problem, GET.into()),
    }
}

/// Calls `each` with label and text of every file of `train` or `test`, in the order of sorted paths.
fn folder_texts(half: &Path, each: &mut dyn FnMut(usize, &[u8])) -> Result<(), DataError> {
    for (label, class) in CLASSES.iter().enumerate() {
        let folder = half.join(class);
        if !folder.is_dir() {
            return Err(DataError::new(
                &folder,
                "there is no such folder",
                LAYOUT,
                "both halves need both classes; was the archive unpacked completely?",
            ));
        }
        let mut files = file::list(&folder, LAYOUT)?;
        files.retain(|file| file.extension().is_some_and(|extension| extension == "txt"));
        if files.is_empty() {
            return Err(DataError::new(
                &folder,
                "there is no *.txt in this folder",
                LAYOUT,
                "one text a file; was the archive unpacked completely?",
            ));
        }
        for file in files {
            let text = read(&file)?;
            if text.is_empty() {
                return Err(DataError::new(
                    &file,
                    "the file is empty",
                    "the bytes of one text",
                    "remove it, or unpack the archive again",
                ));
            }
            each(label, &text);
        }
    }
    Ok(())
}

/// A text, whole.
fn read(file: &Path) -> Result<Vec<u8>, DataError> {
    let unreadable = |e| DataError::unreadable(file, "a text file", e);
    let open = file::open(file).map_err(unreadable)?;
    let size = open.metadata().map_err(unreadable)?.len();
    if size > LONGEST {
        return Err(DataError::new(
            file,
            format!("it has {size} bytes"),
            format!("one text, of {LONGEST} bytes at most"),
            "is it a text at all? Remove it, or cut it",
        ));
    }
    let mut text = Vec::with_capacity(size as usize);
    open.take(LONGEST)
        .read_to_end(&mut text)
        .map_err(unreadable)?;
    Ok(text)
}

/// Whether the file has this name, or ends in `_` and this name.
fn is_called(file: &Path, name: &str) -> bool {
    let before = file
        .file_name()
        .and_then(|found| found.as_encoded_bytes().strip_suffix(name.as_bytes()));
    before.is_some_and(|before| before.is_empty() || before.ends_with(b"_")) && file.is_file()
}
