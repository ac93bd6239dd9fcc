//! The Text task: of which class is a text, byte by byte; is a film review for or against the film?
//!
//! [`load`] reads a folder in the layout of the IMDb reviews (Maas et al. 2011), `{train,test}/CLASS/*.txt`, the
//! published one or any other of that form, or the benchmark's tables `train.tsv` and `test.tsv` (`text/tsv.rs` says
//! how they are quoted); [`builtin`] makes a corpus of its own where there is no data. Bytes are
//! bytes: nothing is decoded, lower-cased or stripped, and text that is not UTF-8 is as good as any.
//!
//! # Classes
//! The folders in train are the classes, two or more, and test has the same; their labels are their places in the order
//! of their names. The published reviews have the classes neg and pos, and beside these a folder `unsup` of texts
//! without a label, which is passed over. Tables have neg and pos.

mod grammar;
mod reviews;
mod tsv;
mod verify;

use crate::file::{self, did_you_mean};
use crate::protocol::{Division, Protocol, Source, divide, text_digest};
use crate::task::{Files, Input, Made, Task, below};
use crate::{DataError, Dataset, Encoding, Split, dataset, shown};
use engine::rng::Seed;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
pub use verify::verify;

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

/// The classes of the published reviews; the place of each is its label, as in the reference.
const CLASSES: [&str; 2] = ["neg", "pos"];
/// What stands beside these: texts without a label.
const UNLABELLED: &str = "unsup";

/// The benchmark's tables; what stands before, as in `imdb_train.tsv`, is free.
const TABLES: [&str; 2] = ["train.tsv", "test.tsv"];

const LAYOUT: &str =
    "text files as {train,test}/CLASS/*.txt, as of neg and pos, or tables train.tsv and test.tsv";
const GET: &str = "unpack aclImdb_v1.tar.gz and give the folder aclImdb, or use the built-in reviews, which need no data";

/// The task.
pub static TASK: Task = Task {
    name: "text",
    about: "Text (movie reviews as bytes)",
    lengths: 1..=MAX_LEN,
    least_builtin: 1,
    documents: 1,
    classes: |_| classes(),
    encoding: |_| ENCODING,
    load: |path, wish| load(path, wish.max_len, wish.protocol),
    builtin: |wish, making| builtin(making.seed, wish.max_len, wish.protocol),
    made: Made {
        teaches: "made-up reviews: it knows their grammar, not English",
        first: false,
        fills: false,
        few: None,
    },
    verify,
    files: Ok(Files {
        counts: &COUNTS,
        limited: true,
        bytes: 4200, // A file takes a block of 4,096 bytes, however short it is.
        kinds: &[],
        write: |folder, seed, _, counts| write(folder, seed, counts),
        has: |_, counts, path, is_folder| match (path, is_folder) {
            (["train" | "test"] | ["train" | "test", "neg" | "pos"], true) => true,
            ([split @ ("train" | "test"), "neg" | "pos", name], false) => {
                let number = name.strip_suffix(".txt").filter(|number| number.len() == 5);
                let count = counts.get(usize::from(*split == "test"));
                below(number, count.copied().unwrap_or(0))
            }
            _ => false,
        },
    }),
    input: Input::Line(|line, wish| Ok(vec![line[..line.len().min(wish.max_len)].into()])),
    takes_files: true,
    readable: ("bytes", |document| shown::bytes(document)),
    cut: "",
    example: Some("echo 'A wonderful film.'"),
};

/// Reads the texts in the folder `path` and keeps `max_len` bytes of each (the reference keeps [`MAX_LEN`]).
///
/// The ids are the places in the order of sorted paths, or in the table. Files not called `*.txt` are left alone, and
/// so are those that are hidden or left by a system; beside the two tables, so is every other file.
pub fn load(path: &Path, max_len: usize, protocol: Protocol) -> Result<Dataset, DataError> {
    dataset::refuse_zero_length(path, max_len, "byte of a text", MAX_LEN)?;
    let set = Set::find(path)?;
    let mut sources = [vec![], vec![]];
    set.texts(&mut |half, label, text| {
        let half = &mut sources[half];
        let digest = text_digest(text);
        half.push(Source::new(half.len(), label, text, digest, max_len));
    })?;
    let [train, test] = sources;
    let mut division = divide(train, test, &set.classes, max_len, protocol);
    division.notes.extend(set.note);
    refuse_empty(path, &division)?;
    let (name, made) = name(path);
    Ok(assembled(name, made, set.classes, division))
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
    Ok(assembled(name, true, classes(), division))
}

/// Writes the first of the built-in texts of `seed`, so many of train and of test, into an existing folder, as
/// `{train,test}/{neg,pos}/ID.txt`; ids of one length, so that names sort as ids do.
pub fn write(folder: &Path, seed: u64, counts: &[usize]) -> Result<(), DataError> {
    // This protocol removes nothing, so that train and test are the source.
    let data = builtin(seed, usize::MAX, Protocol::Paper)?;
    let expected = "a folder that can be written to, with room for the texts";
    for (Split { name, examples }, &count) in [&data.train, &data.test].into_iter().zip(counts) {
        let folders = data
            .classes
            .iter()
            .map(|class| folder.join(name).join(class));
        let folders: Vec<PathBuf> = folders.collect();
        for folder in &folders {
            file::made(folder, expected, fs::create_dir_all(folder))?;
        }
        for example in &examples[..count.min(examples.len())] {
            let file = folders[example.label].join(format!("{:05}.txt", example.id));
            file::made(&file, expected, fs::write(&file, &example.documents[0]))?;
        }
    }
    Ok(())
}

/// The names of the classes of the published reviews, by label.
pub fn classes() -> Vec<String> {
    CLASSES.map(String::from).to_vec()
}

fn assembled(name: String, builtin: bool, classes: Vec<String>, division: Division) -> Dataset {
    Dataset {
        name,
        builtin,
        encoding: ENCODING,
        classes,
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
    let is_half = path.ends_with("train") || path.ends_with("test");
    match path.parent() {
        Some(parent) if is_half || path.join("pos").is_dir() => {
            wrong(problem, did_you_mean(parent))
        }
        _ => wrong(problem, GET.into()),
    }
}

/// A set on the disk.
pub(crate) struct Set {
    /// The folders train and test, or the tables.
    halves: [PathBuf; 2],
    /// The names of the folders of the classes, by label; none if these are tables.
    folders: Vec<OsString>,
    /// The same, as they are shown.
    pub(crate) classes: Vec<String>,
    /// What was passed over.
    note: Option<String>,
}

impl Set {
    /// The set at `path`, none of whose texts has been looked at.
    pub(crate) fn find(path: &Path) -> Result<Self, DataError> {
        let halves = halves(path)?;
        if halves[0].extension().is_some() {
            return Ok(Set {
                halves,
                folders: Vec::new(),
                classes: classes(),
                note: None,
            });
        }
        let mut folders: Vec<OsString> = Vec::new();
        for half in halves.iter().filter(|half| half.is_dir()) {
            let entries = file::list(half, LAYOUT)?.into_iter();
            let inner = entries.filter(|entry| entry.is_dir());
            folders.extend(inner.filter_map(|entry| Some(entry.file_name()?.to_owned())));
        }
        folders.sort_unstable();
        folders.dedup();
        let is_published = CLASSES
            .iter()
            .all(|class| folders.iter().any(|f| f == class));
        let with_unlabelled = folders.len();
        folders.retain(|folder| !is_published || folder != UNLABELLED);
        let set = Set {
            classes: folders.iter().map(shown::name).collect(),
            note: (folders.len() < with_unlabelled)
                .then(|| format!("texts without a label, in folders {UNLABELLED}: passed over")),
            halves,
            folders,
        };
        if set.folders.len() < 2 {
            let problem = match &set.classes[..] {
                [only] => format!("there is one class in it, {only}"),
                _ => "there is no folder of a class in it".to_string(),
            };
            let hint = "put the texts of each class into a folder of its own, in train and in test";
            return Err(DataError::new(path, problem, "two classes at least", hint));
        }
        // The published reviews have lists of addresses there.
        if set.classes != CLASSES {
            set.refuse_loose_texts()?;
        }
        Ok(set)
    }

    /// Refuses texts that are in no class.
    fn refuse_loose_texts(&self) -> Result<(), DataError> {
        for half in self.halves.iter().filter(|half| half.is_dir()) {
            let entries = file::list(half, LAYOUT)?;
            if let Some(file) = entries.iter().find(|file| is_text(file) && file.is_file()) {
                let problem = "this text is beside the folders of the classes";
                let hint = "move it into the folder of its class, or away";
                return Err(DataError::new(file, problem, LAYOUT, hint));
            }
        }
        Ok(())
    }

    /// Calls `each` with the half (0 is train, 1 test), the label and the whole bytes of every text, in the order of
    /// ids. One text is held at a time.
    pub(crate) fn texts(&self, each: &mut dyn FnMut(usize, usize, &[u8])) -> Result<(), DataError> {
        for (number, half) in self.halves.iter().enumerate() {
            let mut each = |label: usize, text: &[u8]| each(number, label, text);
            match half.extension() {
                Some(_) => tsv::records(half, each)?,
                None => self.folder_texts(half, &mut each)?,
            }
        }
        Ok(())
    }

    /// Calls `each` with label and text of every file of `train` or `test`, in the order of sorted paths.
    fn folder_texts(
        &self,
        half: &Path,
        each: &mut dyn FnMut(usize, &[u8]),
    ) -> Result<(), DataError> {
        let again = "was the archive unpacked completely?";
        for (label, class) in self.folders.iter().enumerate() {
            let folder = half.join(class);
            if !folder.is_dir() {
                let hint = format!("train and test need the same classes; {again}");
                let problem = "there is no such folder";
                return Err(DataError::new(&folder, problem, LAYOUT, hint));
            }
            let mut files = file::list(&folder, LAYOUT)?;
            files.retain(|file| is_text(file));
            if files.is_empty() {
                let problem = "there is no *.txt in this folder";
                let hint = format!("one text a file; {again}");
                return Err(DataError::new(&folder, problem, LAYOUT, hint));
            }
            for file in files {
                let text = read(&file)?;
                if text.is_empty() {
                    let hint = "remove it, or unpack the archive again";
                    let problem = "the file is empty";
                    return Err(DataError::new(
                        &file,
                        problem,
                        "the bytes of one text",
                        hint,
                    ));
                }
                each(label, &text);
            }
        }
        Ok(())
    }
}

fn is_text(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "txt")
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
