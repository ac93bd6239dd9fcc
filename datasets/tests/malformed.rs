//! No malformed file breaks a reader: what cannot be used is one error of bounded length that says
//! where, found in bounded time and with bounded memory, and never a panic.
//!
//! Two kinds of damage: named cases, a table a task, with words that the error must hold; and
//! random damage to a small set in perfect form, from fixed seeds. Each set is given to all that
//! reads it: the loader under both protocols, and `verify`. Files of hundreds of megabytes are
//! sparse, so that they take no room on the disk.
//!
//! Memory is counted at the system's allocator, for the whole process: one test at a time.

use datasets::{
    Black, DataError, Protocol, image, listops, pathfinder, retrieval, shown, text, verify,
};
use flate2::{Compression, Crc, write::GzEncoder, write::ZlibEncoder};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use std::alloc::{GlobalAlloc, Layout, System};
use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// Bytes that an error may cost beyond what was there before.
const MEMORY: usize = 64 << 20;
/// Characters of an error, its path aside.
const LINE: usize = 600;
/// The slowest cases (a whole CIFAR-10 of zeros) take a second or two; what takes this long hangs.
const PATIENCE: Duration = Duration::from_secs(60);

struct Counting;

/// The counts are the process's.
static ALONE: Mutex<()> = Mutex::new(());
static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is handed to the system's allocator unchanged; counting touches no memory of
// it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(live, Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Something that reads a set, without what it found.
type Reader = fn(&Path) -> Result<(), DataError>;

/// The first fault of a page, as an error.
fn faultless(path: &Path, report: Result<verify::Report, DataError>) -> Result<(), DataError> {
    match report?.faults.into_iter().next() {
        None => Ok(()),
        Some(fault) => Err(DataError {
            path: path.into(),
            problem: fault,
            expected: "no faults".into(),
            hint: "none".into(),
            source: None,
        }),
    }
}

/// A small set in perfect form, and what reads it.
struct Task {
    readers: &'static [Reader],
    /// Writes the set into an empty folder.
    make: fn(&Path),
    /// Whether an error about a file must tell the place in it.
    place: fn(&DataError) -> bool,
}

const TEXT: Task = Task {
    readers: &[
        |path| text::load(path, text::MAX_LEN, Protocol::Clean).map(drop),
        |path| text::load(path, text::MAX_LEN, Protocol::Paper).map(drop),
        |path| faultless(path, text::verify(path)),
    ],
    make: |root| {
        for (half, class) in [
            ("train", "neg"),
            ("train", "pos"),
            ("test", "neg"),
            ("test", "pos"),
        ] {
            for i in 0..30 {
                let file = format!("{half}/{class}/{i}_7.txt");
                put(root, &file, format!("{half} {class} {i}").as_bytes());
            }
        }
    },
    // A text is taken whole or not at all.
    place: |_| true,
};

/// The same task from tables.
const TABLES: Task = Task {
    readers: TEXT.readers,
    make: |root| {
        for half in ["train", "test"] {
            let mut bytes = b"Source\tTarget\r\n".to_vec();
            for i in 0..20 {
                let line = format!(
                    "\"a \"\"{half}\"\" of\n{i}\"\t{}\r\nplain {i}\t1\r\n",
                    i % 2
                );
                bytes.extend(line.as_bytes());
            }
            put(root, &format!("{half}.tsv"), &bytes);
        }
    },
    place: |error| has_place(error, &["line ", "the file is empty", "is left for"]),
};

const LISTOPS: Task = Task {
    readers: &[
        |path| listops::load(path, listops::MAX_LEN, Protocol::Clean).map(drop),
        |path| listops::load(path, listops::MAX_LEN, Protocol::Paper).map(drop),
        |path| faultless(path, listops::verify(path)),
    ],
    make: |root| {
        for (file, digit) in [("train", 1), ("val", 2), ("test", 3)] {
            let mut bytes = b"Source\tTarget\r\n".to_vec();
            for i in 0..10 {
                let line =
                    format!("( ( ( ( [MIN 0 ) ( ( ( [SM {digit} ) 9 ) ] ) ) {i} ) ] )\t0\r\n");
                bytes.extend(line.as_bytes());
            }
            put(root, &format!("basic_{file}.tsv"), &bytes);
        }
    },
    place: |error| has_place(error, &["line ", "the file is empty", "is left for"]),
};

const RETRIEVAL: Task = Task {
    readers: &[
        |path| retrieval::load(path, retrieval::MAX_LEN, Protocol::Clean).map(drop),
        |path| retrieval::load(path, retrieval::MAX_LEN, Protocol::Paper).map(drop),
        |path| faultless(path, retrieval::verify(path)),
    ],
    make: |root| {
        for file in ["train", "eval", "test"] {
            let line = |i| {
                format!(
                    "{}.0\tA{file}{i}\tB{i}\tb'a\\x41\\n\\'{i}'\tb\"it's {file}\"\n",
                    i % 2
                )
            };
            let lines: String = (0..10).map(line).collect();
            put(root, &format!("new_aan_pairs.{file}.tsv"), lines.as_bytes());
        }
    },
    place: |error| has_place(error, &["line ", "no pair is left", "not a folder"]),
};

const IMAGE: Task = Task {
    readers: &[
        |path| image::load(path, Black::Kept).map(drop),
        |path| faultless(path, image::verify(path)),
    ],
    make: |root| {
        for name in BATCHES {
            sparse(root, name, FILE as u64);
        }
    },
    place: |error| {
        has_place(
            error,
            &[
                "byte ",
                "entry ",
                "is damaged",
                "is not in it",
                "twice",
                "cannot be read",
            ],
        )
    },
};

const PATHFINDER: Task = Task {
    readers: &[
        |path| pathfinder::load(path, Black::Kept, Protocol::Clean).map(drop),
        |path| faultless(path, pathfinder::verify(path)),
    ],
    make: |root| {
        pathfinder::write(root, 0, &pathfinder::Settings::EASY, [8, 2, 2]).unwrap();
    },
    // A picture has a thousand bytes and is decoded as a whole.
    place: |error| {
        error.path.extension().is_none_or(|e| e == "png")
            || has_place(error, &["line ", "it has ", "batch "])
    },
};

/// Records of CIFAR-10: a label and three planes.
const RECORD: usize = 3073;
const FILE: usize = 10_000 * RECORD;
const BATCHES: [&str; 6] = [
    "data_batch_1.bin",
    "data_batch_2.bin",
    "data_batch_3.bin",
    "data_batch_4.bin",
    "data_batch_5.bin",
    "test_batch.bin",
];

/// Whether an error about a file (not about a folder, or a file that is not there) has one of these
/// words.
fn has_place(error: &DataError, words: &[&str]) -> bool {
    let line = error.to_string();
    !error.path.is_file() || words.iter().any(|word| line.contains(word))
}

fn put(root: &Path, file: &str, bytes: &[u8]) {
    let file = root.join(file);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, bytes).unwrap();
}

/// A file of zeros that takes no room on the disk.
fn sparse(root: &Path, file: &str, length: u64) {
    put(root, file, b"");
    lengthen(&root.join(file), length);
}

/// Zeros at the end, or a shorter file.
fn lengthen(file: &Path, length: u64) {
    let file = File::options().write(true).open(file).unwrap();
    file.set_len(length).unwrap();
}

fn overwrite(file: &Path, at: usize, bytes: &[u8]) {
    let mut file = File::options().write(true).open(file).unwrap();
    file.seek(SeekFrom::Start(at as u64)).unwrap();
    file.write_all(bytes).unwrap();
}

/// A pipe that nobody writes to: whoever opens it waits for ever.
fn pipe(root: &Path, file: &str) {
    let file = root.join(file);
    let _ = fs::remove_file(&file); // It need not be there.
    assert!(Command::new("mkfifo").arg(file).status().unwrap().success());
}

/// A link to itself in place of a file.
fn ring(root: &Path, file: &str) {
    let file = root.join(file);
    let _ = fs::remove_file(&file);
    symlink(&file, &file).unwrap();
}

fn folder_instead(root: &Path, file: &str) {
    fs::remove_file(root.join(file)).unwrap();
    fs::create_dir(root.join(file)).unwrap();
}

/// What each reader of `task` says about `path`, or which promise one of them has broken.
fn judge(task: &Task, path: &Path) -> Result<Vec<Option<String>>, String> {
    let outcome = |&reader: &Reader| {
        let (send, receive) = mpsc::channel();
        let path = path.to_path_buf();
        let at_work = thread::spawn(move || {
            let before = LIVE.load(Relaxed);
            PEAK.store(before, Relaxed);
            let read = reader(&path);
            let peak = PEAK.load(Relaxed).saturating_sub(before);
            let _ = send.send((read, peak)); // Nobody listens any more if it took too long.
        });
        let (error, peak) = match receive.recv_timeout(PATIENCE) {
            // What is taken is kept: a whole CIFAR-10 has 60 MB.
            Ok((Ok(()), peak)) if peak <= 2 * MEMORY => return Ok(None),
            Ok((Ok(()), peak)) => return Err(format!("{peak} bytes were in use")),
            Ok((Err(error), peak)) => (error, peak),
            Err(mpsc::RecvTimeoutError::Timeout) => return Err("the reader hangs".to_string()),
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                let panic = at_work.join().unwrap_err();
                let words = panic.downcast_ref::<String>().cloned();
                return Err(format!("a panic: {}", words.unwrap_or_default()));
            }
        };
        let line = error.to_string();
        let length = line.chars().count() - format!("{:?}", error.path).chars().count();
        for (kept, promise) in [
            (peak <= MEMORY, format!("{peak} bytes were in use")),
            (
                length <= LINE,
                format!("{length} characters beside the path"),
            ),
            (
                !line.contains(|c: char| c.is_control() || "\u{2028}\u{2029}".contains(c)),
                "more than one line".into(),
            ),
            (
                line.contains("; expected ") && line.contains("; hint: "),
                "no way out".into(),
            ),
            (
                line.starts_with(&format!("\"{}\": ", shown::name(&error.path))),
                "no path".into(),
            ),
            ((task.place)(&error), "no place in the file".into()),
        ] {
            if !kept {
                let start: String = line.chars().take(1000).collect();
                return Err(format!("{promise}: {start:?}"));
            }
        }
        Ok(Some(line))
    };
    task.readers.iter().map(outcome).collect()
}

/// A name; what is read, in the folder of the set; the damage to the set in that folder; words of
/// every reader's error, or none if all take the set nevertheless.
type Case = (
    &'static str,
    &'static str,
    fn(&Path),
    &'static [&'static str],
);

/// A case a line: its name, `in` what is read where that is not the whole set, the damage, and the words.
macro_rules! cases {
    ($($name:literal $(in $at:literal)?: $damage:expr => [$($word:literal),*];)*) => {
        [$(($name, concat!($($at)?), $damage, &[$($word),*])),*]
    };
}

fn check(task: &Task, cases: &[Case]) {
    let _alone = alone();
    let mut broken = vec![];
    for (name, at, damage, words) in cases {
        let root = tempfile::tempdir().unwrap();
        (task.make)(root.path());
        damage(root.path());
        match judge(task, &root.path().join(at)) {
            Err(promise) => broken.push(format!("{name}: {promise}")),
            Ok(outcomes) => {
                for (number, outcome) in outcomes.iter().enumerate() {
                    let told = match outcome {
                        None if !words.is_empty() => "taken",
                        Some(line) if words.is_empty() => line,
                        Some(line) if !words.iter().all(|word| line.contains(word)) => line,
                        _ => continue,
                    };
                    broken.push(format!("{name}, reader {number}, not {words:?}: {told}"));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn folders_of_reviews() {
    check(
        &TEXT,
        &cases! {
            "nothing wrong": |_| {} => [];
            "any bytes": |r| put(r, "train/neg/0_7.txt", b"\xef\xbb\xbf\0\r\xff\n") => [];
            "a text is empty": |r| put(r, "train/neg/3_7.txt", b"") => ["3_7.txt", "is empty"];
            "a text of 4 GB": |r| sparse(r, "train/neg/3_7.txt", 4 << 30) => ["3_7.txt", "4294967296 bytes"];
            "12 texts of 16 MiB, then an empty one": |r| {
                for i in 0..12 {
                    sparse(r, &format!("train/neg/{i}_7.txt"), 16 << 20);
                }
                put(r, "test/pos/9_7.txt", b"");
            } => ["9_7.txt", "is empty"];
            "a folder as a text": |r| folder_instead(r, "test/pos/3_7.txt") => ["3_7.txt"];
            "a pipe as a text": |r| pipe(r, "test/pos/3_7.txt") => ["3_7.txt", "not a file", "put a file in the place"];
            "a ring of links as a text": |r| ring(r, "test/pos/3_7.txt") => ["3_7.txt", "cannot be read"];
            "a link that leads nowhere as a text": |r| symlink("/nowhere", r.join("test/pos/31_7.txt")).unwrap()
                => ["31_7.txt", "cannot be read", "leads nowhere"];
            "a device as a text": |r| {
                fs::remove_file(r.join("test/pos/3_7.txt")).unwrap();
                symlink("/dev/zero", r.join("test/pos/3_7.txt")).unwrap();
            } => ["3_7.txt", "not a file"];
            "a name of 255 bytes that are no text": |r| {
                let name = [&[0xff; 251][..], b".txt"].concat();
                let name = std::ffi::OsStr::from_bytes(&name);
                fs::write(r.join("train/pos").join(name), "").unwrap();
            } => ["\\xff", "is empty"];
            "a name with line breaks": |r| put(r, "train/pos/a\n\u{2028}b.txt", b"") => ["a\\n\\u{2028}b"];
            "a ring of links as the folder" in "ring": |r| ring(r, "ring") => ["ring", "cannot be read"];
            "a ring of links as a class": |r| {
                fs::remove_dir_all(r.join("train/neg")).unwrap();
                ring(r, "train/neg");
            } => ["train/neg"];
            "a file as the folder" in "test/neg/0_7.txt": |_| {} => ["this is a file"];
            "a file as a class": |r| {
                fs::remove_dir_all(r.join("train/neg")).unwrap();
                put(r, "train/neg", b"");
            } => ["train/neg"];
            "a class without texts": |r| {
                fs::remove_dir_all(r.join("train/neg")).unwrap();
                put(r, "train/neg/x.bin", b"x");
            } => ["no *.txt"];
        },
    );
}

#[test]
fn tables_of_reviews() {
    check(
        &TABLES,
        &cases! {
            "nothing wrong": |_| {} => [];
            "a test table without texts": |r| put(r, "test.tsv", b"Source\tTarget\r\n\r\n")
                => ["test.tsv", "line 1", "no text follows", "get it again"];
            "a train table without texts": |r| put(r, "train.tsv", b"\xef\xbb\xbfSource\tTarget")
                => ["train.tsv", "line 1", "no text follows"];
            "12 texts of 15 MiB, then one without label": |r| {
                let mut table = b"Source\tTarget\n".to_vec();
                for _ in 0..12 {
                    table.resize(table.len() + (15 << 20), b'x');
                    table.extend(b"\t0\n");
                }
                put(r, "test.tsv", &[&table, &b"x\n"[..]].concat());
            } => ["test.tsv", "line 14", "columns: 1"];
        },
    );
}

/// Protocol paper takes these.
#[test]
fn reviews_of_which_nothing_is_left() {
    const READERS: &[Reader] = &[TEXT.readers[0], TEXT.readers[2]];
    check(
        &Task {
            readers: READERS,
            ..TABLES
        },
        &cases! {
            "the same texts in both tables": |r| { fs::copy(r.join("train.tsv"), r.join("test.tsv")).unwrap(); }
                => ["is left for the train split", "protocol paper"];
            "two texts, neither of them for development": |r| {
                let table = b"Source\tTarget\ntext 1\t0\ntext 2\t1\n";
                put(r, "train.tsv", table);
            } => ["is left for the dev split", "protocol paper"];
        },
    );
}

/// A line of ListOps alone in the file of train.
fn listops_line(root: &Path, line: &[u8]) {
    put(
        root,
        "basic_train.tsv",
        &[b"Source\tTarget\n", line, b"\n"].concat(),
    );
}

#[test]
fn files_of_listops() {
    check(
        &LISTOPS,
        &cases! {
            "nothing wrong": |_| {} => [];
            "an empty file": |r| put(r, "basic_val.tsv", b"") => ["basic_val.tsv", "is empty"];
            "a header and nothing else": |r| put(r, "basic_val.tsv", b"Source\tTarget") => ["is left for the dev"];
            "a header and nothing else to test on": |r| put(r, "basic_test.tsv", b"Source\tTarget\r\n")
                => ["is left for the test", "of its own"];
            "a byte order mark, and empty lines at the end": |r| {
                let file = r.join("basic_val.tsv");
                let bytes = fs::read(&file).unwrap();
                put(r, "basic_val.tsv", &[b"\xef\xbb\xbf", &bytes[..], b"\r\n\n"].concat());
            } => [];
            "another header": |r| put(r, "basic_val.tsv", b"Target\tSource\n7\t7\n") => ["line 1", "Target\\tSource"];
            "a binary file": |r| put(r, "basic_val.tsv", &[0xff; 9999]) => ["line 1", "\\xff"];
            "300 MB without a line break": |r| sparse(r, "basic_train.tsv", 300 << 20) => ["line 1", "262144 bytes"];
            "300 MB in the second line": |r| {
                listops_line(r, b"");
                lengthen(&r.join("basic_train.tsv"), 300 << 20);
            } => ["line 2", "is empty"];
            "300 MB in the third line": |r| {
                listops_line(r, b"7\t7");
                lengthen(&r.join("basic_train.tsv"), 300 << 20);
            } => ["line 3", "262144 bytes"];
            "4 million line breaks": |r| listops_line(r, &vec![b'\n'; 4 << 20]) => ["is left for the train"];
            "4 million line breaks before the last line": |r|
                listops_line(r, &[&vec![b'\n'; 4 << 20][..], b"7\t7"].concat())
                => ["line 2", "is empty"];
            "a million lines that are none": |r| listops_line(r, &b"7\n".repeat(1 << 20)) => ["line 2", "columns: 1"];
            "a line that is all brackets": |r| listops_line(r, &b"( ".repeat(1 << 17)) => ["line 2"];
            "lines that are all operators": |r| {
                let line = [&b"[MAX ".repeat(50_000)[..], b"\t7\n"].concat();
                listops_line(r, &line.repeat(40));
            } => ["line 2", "byte 25"];
            "an unbalanced bracket": |r| listops_line(r, b"( ( ( [MAX 2 ) 9 ) ] ) )\t9") => ["line 2", "byte 24"];
            "an open bracket": |r| listops_line(r, b"( ( ( [MAX 2 ) 9 ) ]\t9") => ["line 2", "open: 1"];
            "an unknown word": |r| listops_line(r, b"( ( [FIRST 2 ) ] )\t9") => ["line 2", "byte 5", "[FIRST"];
            "a long unknown word": |r| listops_line(r, &[&[0x1b; 9999][..], b"\t1"].concat())
                => ["line 2", "byte 1", "..."];
            "a NUL": |r| listops_line(r, b"( ( [MAX \0 ) ] )\t9") => ["line 2", "byte 10", "NUL"];
            "a Target of two digits": |r| listops_line(r, b"7\t10") => ["line 2", "\"10\""];
            "a long Target": |r| listops_line(r, &[b"7\t", &[b'9'; 9999][..]].concat()) => ["line 2", "Target"];
            "no Target": |r| listops_line(r, b"7\t") => ["line 2", "Target"];
            "one column": |r| listops_line(r, b"7") => ["line 2", "columns: 1"];
            "three columns": |r| listops_line(r, b"7\t7\t7") => ["line 2", "columns: 3"];
            "an early end of the line": |r| listops_line(r, b"( ( ( [MAX\n 2 ) 9 ) ] )\t9") => ["line 2"];
            "a line break in two": |r| listops_line(r, b"7\r\t7") => ["line 2", "\\r"];
            "a folder as a file": |r| folder_instead(r, "basic_val.tsv") => ["basic_val.tsv", "a folder"];
            "a pipe as a file": |r| pipe(r, "basic_val.tsv") => ["basic_val.tsv", "not a file"];
            "a pipe alone" in "pipe": |r| pipe(r, "pipe") => ["pipe", "not a file"];
            "a device alone" in "zero": |r| symlink("/dev/zero", r.join("zero")).unwrap() => ["not a file"];
            "a ring of links": |r| ring(r, "basic_val.tsv") => ["basic_val.tsv", "cannot be read"];
            "a single file without lines" in "one": |r| put(r, "one", b"Source\tTarget\n") => ["is left for the train"];
            "a file that is not there" in "none": |_| {} => ["there is no such file"];
            "a folder with one of the files": |r| {
                fs::remove_file(r.join("basic_val.tsv")).unwrap();
                fs::remove_file(r.join("basic_test.tsv")).unwrap();
            } => ["basic_val.tsv", "there is no such file"];
            "a folder with another of the files": |r| {
                fs::remove_file(r.join("basic_train.tsv")).unwrap();
                fs::remove_file(r.join("basic_val.tsv")).unwrap();
            } => ["there is no such file"];
        },
    );
}

/// Verified without a fault, but no use to a run.
#[test]
fn parts_of_listops() {
    check(
        &Task {
            readers: &LISTOPS.readers[..2],
            ..LISTOPS
        },
        &cases! {
            "a single file of one line" in "one": |r| put(r, "one", b"Source\tTarget\n7\t7\n") => ["is left for"];
            "a folder without the file of train": |r| fs::remove_file(r.join("basic_train.tsv")).unwrap()
                => ["basic_train.tsv", "there is no such file"];
        },
    );
}

/// A line of Retrieval alone in the file of train.
fn retrieval_line(root: &Path, line: &[u8]) {
    put(root, "new_aan_pairs.train.tsv", &[line, b"\n"].concat());
}

#[test]
fn files_of_retrieval() {
    check(
        &RETRIEVAL,
        &cases! {
            "nothing wrong": |_| {} => [];
            "texts that are not UTF-8": |r| retrieval_line(r, b"1.0\tA\tB\t\xff\xfe\t\x80") => [];
            "an empty file": |r| put(r, "new_aan_pairs.eval.tsv", b"") => ["eval.tsv", "no pair is left"];
            "an empty file to test on": |r| put(r, "new_aan_pairs.test.tsv", b"") => ["test.tsv", "no pair is left"];
            "a byte order mark, and empty lines at the end": |r| {
                let file = r.join("new_aan_pairs.eval.tsv");
                let bytes = fs::read(&file).unwrap();
                put(r, "new_aan_pairs.eval.tsv", &[b"\xef\xbb\xbf", &bytes[..], b"\r\n\n"].concat());
            } => [];
            "a wrong label": |r| retrieval_line(r, b"2.0\tA\tB\tx\ty") => ["line 1", "2.0"];
            "a long label": |r| retrieval_line(r, &[&[0x85; 9999][..], b"\tA\tB\tx\ty"].concat())
                => ["line 1", "\\x85"];
            "four columns": |r| retrieval_line(r, b"1.0\tA\tB\tx") => ["line 1", "4 columns"];
            "a million columns": |r| retrieval_line(r, &[b'\t'; 1 << 20]) => ["line 1", "1048577 columns"];
            "an empty id": |r| retrieval_line(r, b"1.0\t\tB\tx\ty") => ["line 1", "column 2"];
            "12 lines with ids of 8 MB": |r| {
                let id = "x".repeat(8_000_000);
                let line = |i| format!("1.0\t{id}{i:02}\tB{i}\tx\ty\n");
                let lines: String = (0..12).map(line).collect();
                put(r, "new_aan_pairs.train.tsv", lines.as_bytes());
            } => ["line 1", "column 2", "8000002 bytes", "more than 1024"];
            "40,000 lines with ids of 1 kB, then one of four columns": |r| {
                let line = |i| format!("1.0\t{i:0>1000}\tB{i:0>1000}\tx\ty\n");
                let lines: String = (0..40_000).map(line).collect();
                retrieval_line(r, &[lines.as_bytes(), b"1.0\tA\tB\tx"].concat());
            } => ["line 40001", "4 columns"];
            "a NUL": |r| retrieval_line(r, b"1.0\tA\tB\tx\0\ty") => ["line 1", "byte 10"];
            "an unterminated literal": |r| retrieval_line(r, b"1.0\tA\tB\tb'x\ty")
                => ["line 1", "column 4", "closing quote"];
            "a literal that ends early": |r| retrieval_line(r, b"1.0\tA\tB\tx\tb'y'y")
                => ["line 1", "column 5", "byte 4"];
            "a literal that ends in a backslash": |r| retrieval_line(r, b"1.0\tA\tB\tx\tb'y\\")
                => ["line 1", "backslash"];
            "a bad escape": |r| retrieval_line(r, b"1.0\tA\tB\tx\tb'\\xg0'") => ["line 1", "\\x"];
            "a literal that is not ASCII": |r| retrieval_line(r, b"1.0\tA\tB\tx\tb'\xff'") => ["line 1", "ASCII"];
            "an empty line": |r| retrieval_line(r, b"1.0\tA\tB\tx\ty\n\n1.0\tA\tB\tx\ty") => ["line 2", "is empty"];
            "4 million line breaks": |r| retrieval_line(r, &vec![b'\n'; 4 << 20]) => ["train.tsv", "no pair is left"];
            "300 MB without a line break": |r| sparse(r, "new_aan_pairs.train.tsv", 300 << 20)
                => ["line 1", "16777216 bytes"];
            "an unterminated literal of 16 MB": |r|
                retrieval_line(r, &[b"1.0\tA\tB\tx\tb'", &vec![b'y'; (16 << 20) - 20][..]].concat())
                => ["line 1", "closing quote"];
            "a folder as a file": |r| folder_instead(r, "new_aan_pairs.eval.tsv")
                => ["new_aan_pairs.eval.tsv", "this is not a file"];
            "a pipe as a file": |r| pipe(r, "new_aan_pairs.eval.tsv")
                => ["new_aan_pairs.eval.tsv", "this is not a file"];
            "a ring of links": |r| ring(r, "new_aan_pairs.eval.tsv")
                => ["new_aan_pairs.eval.tsv", "cannot be read", "back to itself"];
            "a ring of links as the folder" in "ring": |r| ring(r, "ring")
                => ["ring", "cannot be read", "back to itself"];
            "a file as the folder" in "new_aan_pairs.eval.tsv": |_| {} => ["this is a file"];
        },
    );
}

/// A header of tar whose checksum is right.
fn header(name: &[u8], size: &[u8; 12]) -> [u8; 512] {
    let mut header = [0; 512];
    header[..name.len()].copy_from_slice(name);
    header[100..124].copy_from_slice(b"0000644\x000000000\x000000000\0");
    header[124..136].copy_from_slice(size);
    header[136..148].copy_from_slice(b"00000000000\0");
    header[156] = b'0';
    header[257..265].copy_from_slice(b"ustar\x0000");
    seal(&mut header);
    header
}

fn seal(header: &mut [u8; 512]) {
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|&b| u32::from(b)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// `a.tar.gz` of these bytes and so many zeros.
fn archive(root: &Path, bytes: &[u8], zeros: usize) {
    let mut gzip = GzEncoder::new(
        File::create(root.join("a.tar.gz")).unwrap(),
        Compression::fast(),
    );
    gzip.write_all(bytes).unwrap();
    let block = vec![0; 1 << 20];
    for start in (0..zeros).step_by(block.len()) {
        gzip.write_all(&block[..block.len().min(zeros - start)])
            .unwrap();
    }
    gzip.finish().unwrap();
}

/// A header of this kind, with what it says about the next member, or about all.
fn more(kind: u8, says: &[u8]) -> Vec<u8> {
    let size = format!("{:011o}\0", says.len());
    let size = size.as_bytes().try_into().unwrap();
    let mut header = header(b"PaxHeaders/data_batch_1.bin", size);
    header[156] = kind;
    seal(&mut header);
    let mut bytes = [&header, says].concat();
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

/// The published archive in form; every picture is black and an airplane. One name is told by a header of pax and one by
/// GNU's, something is said about all files, and macOS has left a file of its own.
fn black_archive(root: &Path) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    let mut write = |bytes: &[u8]| gzip.write_all(bytes).unwrap();
    write(&more(b'g', b"18 comment=of git\n"));
    write(&header(b"._data_batch_1.bin", b"00000000001\0"));
    write(&[b'x'; 512]);
    for name in BATCHES {
        let name = format!("cifar-10-batches-bin/{name}");
        let shown = match &name[21..] {
            "data_batch_2.bin" => {
                write(&more(b'x', format!("46 path={name}\n").as_bytes()));
                "cut off"
            }
            "test_batch.bin" => {
                write(&more(b'L', format!("{name}\0").as_bytes()));
                "cut off"
            }
            _ => &name,
        };
        write(&header(shown.as_bytes(), b"00165163420\0"));
        write(&vec![0; FILE.next_multiple_of(512)]);
    }
    write(&[0; 1024]);
    let bytes = gzip.finish().unwrap();
    put(root, "a.tar.gz", &bytes);
    bytes
}

#[test]
fn files_of_images() {
    check(
        &IMAGE,
        &cases! {
            "nothing wrong": |_| {} => [];
            "a wrong label at the very end": |r| overwrite(&r.join("test_batch.bin"), FILE - RECORD, &[10])
                => ["test_batch.bin", "label 10", "byte 30726927", "record 9999"];
            "a file one byte short": |r| lengthen(&r.join("data_batch_3.bin"), FILE as u64 - 1)
                => ["data_batch_3.bin", "byte 30729999", "record 9999"];
            "an empty file": |r| put(r, "data_batch_3.bin", b"") => ["data_batch_3.bin", "byte 0"];
            "a file of 4 GB": |r| lengthen(&r.join("data_batch_3.bin"), 4 << 30) => ["data_batch_3.bin", "4294967296"];
            "a folder as a file": |r| folder_instead(r, "data_batch_3.bin") => ["data_batch_3.bin", "not a file"];
            "a pipe as a file": |r| pipe(r, "data_batch_3.bin") => ["data_batch_3.bin", "not a file"];
            "a ring of links": |r| ring(r, "data_batch_3.bin") => ["data_batch_3.bin", "cannot be read"];
            "a pipe as the archive" in "pipe": |r| pipe(r, "pipe") => ["pipe", "not a file"];
            "a device as the archive" in "zero": |r| symlink("/dev/zero", r.join("zero")).unwrap() => ["not a file"];
            "an empty archive" in "a.tar.gz": |r| put(r, "a.tar.gz", b"") => ["a.tar.gz"];
            "no archive" in "a.tar.gz": |r| put(r, "a.tar.gz", b"PK\x03\x04 of another kind") => ["cannot be unpacked"];
            "an archive of zeros" in "a.tar.gz": |r| archive(r, b"", 600 << 20) => ["data_batch_1.bin is not in it"];
            "a member of gigabytes" in "a.tar.gz": |r| archive(r, &header(b"data_batch_1.bin", b"77777777777\0"), 1024)
                => ["data_batch_1.bin", "8589934591"];
            "another member of gigabytes" in "a.tar.gz": |r|
                archive(r, &header(b"readme.html", b"77777777777\0"), 600 << 20)
                => ["cannot be unpacked"];
            "a member that is longer than any file" in "a.tar.gz": |r|
                archive(r, &header(b"readme.html", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), 1024)
                => ["cannot be unpacked", "entry 1"];
            "a member that ends in a record" in "a.tar.gz": |r|
                archive(r, &header(b"data_batch_1.bin", b"00165163420\0"), 5 * RECORD + 7)
                => ["data_batch_1.bin", "record 5", "byte 15365"];
            "a size that is no number under a name with line breaks" in "a.tar.gz": |r|
                archive(r, &header(b"\n\r\x1b\xe2\x80\xa8/data_batch_1.bin", b"\n\x1b[2Jxxxxxxx"), 1024)
                => ["cannot be unpacked", "entry 1"];
            "a wrong checksum" in "a.tar.gz": |r| {
                let mut header = header(b"data_batch_1.bin", b"00165163420\0");
                header[0] = b'D';
                archive(r, &header, 1024);
            } => ["cannot be unpacked", "checksum"];
            "a member that names another file" in "a.tar.gz": |r| {
                let mut header = header(b"data_batch_1.bin", b"00000000000\0");
                header[156] = b'2'; // a link
                header[157..167].copy_from_slice(b"/etc/hosts");
                seal(&mut header);
                archive(r, &header, 1024);
            } => ["data_batch_1.bin is a link in it"];
            "a long name that takes gigabytes" in "a.tar.gz": |r| {
                let mut header = header(b"././@LongLink", b"77777777777\0");
                header[156] = b'L';
                header[257..265].copy_from_slice(b"ustar  \0");
                seal(&mut header);
                archive(r, &header, 300 << 20);
            } => ["cannot be unpacked"];
            "a pax header that takes gigabytes" in "a.tar.gz": |r| {
                let mut header = header(b"x", b"77777777777\0");
                header[156] = b'x';
                seal(&mut header);
                archive(r, &header, 300 << 20);
            } => ["cannot be unpacked", "entry 1", "a header of 8589934591 bytes"];
            "a pax header of one number" in "a.tar.gz": |r|
                archive(r, &more(b'x', b"18446744073709551615 path=x\n"), 1024)
                => ["cannot be unpacked", "a pax header is damaged"];
            "a pax header without its end" in "a.tar.gz": |r| archive(r, &more(b'x', b"3 path=x"), 1024)
                => ["cannot be unpacked", "a pax header is damaged"];
            "a file whose size pax tells" in "a.tar.gz": |r| {
                let pax = more(b'x', b"17 size=30730000\n");
                let file = header(b"data_batch_1.bin", b"00000000000\0");
                archive(r, &[&pax[..], &file].concat(), 1024);
            } => ["entry 2", "another size", "pack the six files anew"];
            "a name for all files" in "a.tar.gz": |r| archive(r, &more(b'g', b"25 path=data_batch_1.bin\n"), 1024)
                => ["entry 1", "all files one name"];
            "a sparse file of GNU" in "a.tar.gz": |r| {
                let mut header = header(b"data_batch_1.bin", b"00000000000\0");
                header[156] = b'S';
                seal(&mut header);
                archive(r, &header, 1024);
            } => ["entry 1", "a sparse file", "pack the six files anew"];
            "a sparse file of pax" in "a.tar.gz": |r| archive(r, &more(b'x', b"22 GNU.sparse.major=1\n"), 1024)
                => ["entry 1", "a sparse file", "pack the six files anew"];
            "an archive that is whole" in "a.tar.gz": |r| drop(black_archive(r)) => [];
            "an archive whose own checksum is wrong" in "a.tar.gz": |r| {
                let bytes = black_archive(r);
                overwrite(&r.join("a.tar.gz"), bytes.len() - 8, &[bytes[bytes.len() - 8] ^ 1]);
            } => ["is damaged", "checksum"];
            "an archive without its last bytes" in "a.tar.gz": |r| {
                let bytes = black_archive(r);
                lengthen(&r.join("a.tar.gz"), bytes.len() as u64 - 4);
            } => ["is damaged"];
            "a folder without files" in "none": |r| fs::create_dir(r.join("none")).unwrap()
                => ["there is no such file"];
        },
    );
}

/// A PNG of these chunks, with the right checksums.
fn png(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    for (name, data) in chunks {
        bytes.extend((data.len() as u32).to_be_bytes());
        bytes.extend(*name);
        bytes.extend(*data);
        let mut crc = Crc::new();
        crc.update(*name);
        crc.update(data);
        bytes.extend(crc.sum().to_be_bytes());
    }
    bytes
}

/// The header of a PNG with pixels of 8 bits of grey.
fn ihdr(width: u32, height: u32) -> Vec<u8> {
    let mut data = [width.to_be_bytes(), height.to_be_bytes()].concat();
    data.extend([8, 0, 0, 0, 0]);
    data
}

fn zlib(zeros: usize) -> Vec<u8> {
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
    zlib.write_all(&vec![0; zeros]).unwrap();
    zlib.finish().unwrap()
}

/// The third picture.
fn picture(root: &Path, bytes: &[u8]) {
    put(root, "curv_baseline/imgs/0/sample_2.png", bytes);
}

/// The third picture, of 32 x 32 pixels, with these chunks between its header and its end.
fn chunks(root: &Path, chunks: &[(&[u8; 4], &[u8])]) {
    let (header, end) = (ihdr(32, 32), [(b"IEND", &b""[..])]);
    let header: [(&[u8; 4], &[u8]); 1] = [(b"IHDR", &header)];
    picture(root, &png(&[&header[..], chunks, &end[..]].concat()));
}

/// A line of metadata after eleven good ones.
fn metadata_line(root: &Path, line: &[u8]) {
    let file = root.join("curv_baseline/metadata/0.npy");
    let mut bytes = fs::read(&file).unwrap();
    bytes.extend(line);
    fs::write(file, bytes).unwrap();
}

#[test]
fn folders_of_pathfinder() {
    const METADATA: &str = "curv_baseline/metadata/0.npy";
    const PICTURE: &str = "curv_baseline/imgs/0/sample_2.png";
    check(
        &PATHFINDER,
        &cases! {
            "nothing wrong": |_| {} => [];
            "carriage returns and a byte order mark": |r| {
                let text = fs::read_to_string(r.join(METADATA)).unwrap();
                put(r, METADATA, format!("\u{feff}{}", text.replace('\n', "\r\n")).as_bytes());
            } => [];
            "an empty picture": |r| picture(r, b"") => [];
            "no PNG": |r| picture(r, b"GIF89a") => ["sample_2.png", "no PNG"];
            "a PNG of nothing": |r| picture(r, b"\x89PNG\r\n\x1a\n") => ["sample_2.png", "no PNG"];
            "a truncated PNG": |r| {
                let bytes = fs::read(r.join(PICTURE)).unwrap();
                picture(r, &bytes[..bytes.len() / 2]);
            } => ["sample_2.png", "no PNG"];
            "a PNG of terapixels": |r| picture(r, &png(&[(b"IHDR", &ihdr(1 << 30, 1 << 30))]))
                => ["1073741824 x 1073741824"];
            "a PNG of no pixels": |r| picture(r, &png(&[(b"IHDR", &ihdr(0, 32))])) => ["sample_2.png"];
            "a chunk of 2 GB": |r| {
                let mut bytes = png(&[(b"IHDR", &ihdr(32, 32)), (b"IDAT", b"x")]);
                bytes[33..37].copy_from_slice(&(i32::MAX as u32).to_be_bytes());
                picture(r, &bytes);
            } => ["sample_2.png", "no PNG"];
            "too few pixels": |r| chunks(r, &[(b"IDAT", &zlib(500))]) => ["sample_2.png"];
            "no pixels": |r| chunks(r, &[]) => ["sample_2.png"];
            "pixels that unpack to 60 MB": |r| chunks(r, &[(b"IDAT", &zlib(60 << 20)[..60_000])]) => [];
            "a colour profile that unpacks to 12 MB": |r| {
                let profile = [&b"x\0\0"[..], &zlib(12 << 20)].concat();
                chunks(r, &[(b"iCCP", &profile), (b"IDAT", &zlib(33 * 32))]);
            } => [];
            "a comment that unpacks to 12 MB": |r| {
                let comment = [&b"x\0\0"[..], &zlib(12 << 20)].concat();
                chunks(r, &[(b"zTXt", &comment), (b"IDAT", &zlib(33 * 32))]);
            } => [];
            "a moving picture of another size": |r| {
                let control = [&[0; 4][..], &ihdr(7, 9)[..8], &[0; 14]].concat();
                let frames = [0, 0, 0, 1, 0, 0, 0, 0];
                chunks(r, &[(b"acTL", &frames), (b"fcTL", &control), (b"IDAT", &zlib(9 * 8))]);
            } => ["sample_2.png"];
            "a chunk whose name is no text": |r| picture(r, &png(&[(b"IHDR", &ihdr(32, 32)), (b"\n\x1b\xff\0", b"")]))
                => ["sample_2.png"];
            "a picture of 4 GB": |r| sparse(r, PICTURE, 4 << 30) => ["sample_2.png", "4294967296 bytes"];
            "a folder as a picture": |r| folder_instead(r, PICTURE) => ["sample_2.png", "not a file"];
            "a pipe as a picture": |r| pipe(r, PICTURE) => ["sample_2.png", "not a file"];
            "a ring of links as a picture": |r| ring(r, PICTURE) => ["sample_2.png", "cannot be read"];
            "ten words": |r| metadata_line(r, b"imgs/0 sample_2.png 2 1 1.0 6 2 2 0.5 1\n")
                => ["0.npy", "line 13", "10 of 11"];
            "words without number": |r| metadata_line(r, &b"0 ".repeat(2000)) => ["line 13", "2000 of 11"];
            "a wrong label": |r| metadata_line(r, b"imgs/0 sample_2.png 2 2 1.0 6 2 2 0.5 1 1\n")
                => ["line 13", "label"];
            "a long label": |r|
                metadata_line(r, &[b"imgs/0 sample_2.png 2 ", &[b'9'; 4000][..], b" 1.0 6 2 2 0.5 1 1\n"].concat())
                => ["line 13", "label"];
            "a long label of control characters": |r|
                metadata_line(r, &[b"imgs/0 sample_2.png 2 ", &[0x1b; 4000][..], b" 1.0 6 2 2 0.5 1 1\n"].concat())
                => ["line 13", "label"];
            "a way out of the folder": |r| metadata_line(r, b"../.. hosts 2 1 1.0 6 2 2 0.5 1 1\n")
                => ["line 13", "leads out"];
            "a long way out of the folder": |r|
                metadata_line(r, &[b"imgs/0 ", &b"../".repeat(1300)[..], b" 2 1 1.0 6 2 2 0.5 1 1\n"].concat())
                => ["line 13", "leads out"];
            "a long name": |r| metadata_line(r, &[b"imgs/0 ", &[b'x'; 4000][..], b" 2 1 1.0 6 2 2 0.5 1 1\n"].concat())
                => ["line 13", "4000 bytes"];
            "a NUL": |r| metadata_line(r, b"imgs/0 \0 2 1 1.0 6 2 2 0.5 1 1\n") => ["line 13", "NUL"];
            "no UTF-8": |r| metadata_line(r, b"imgs/0 \xff 2 1 1.0 6 2 2 0.5 1 1\n") => ["line 13", "UTF-8"];
            "a binary array": |r| put(r, METADATA, b"\x93NUMPY\x01\0") => ["0.npy", "line 1", "numpy"];
            "300 MB without a line break": |r| sparse(r, METADATA, 300 << 20) => ["0.npy", "it has 314572800 bytes"];
            "190,000 pictures that are not there": |r| metadata_line(r, &b"a b 2 1 1 1 1 1 1 1 1\n".repeat(190_000))
                => ["a/b", "no such file", "line 13 of metadata/0.npy"];
            "a batch under two long names": |r| {
                let name = format!("curv_baseline/metadata/{:0>251}.npy", 0);
                fs::copy(r.join(METADATA), r.join(name)).unwrap();
            } => ["000.npy", "batch 0", "\"0.npy\""];
            "an empty file of metadata": |r| put(r, METADATA, b"") => ["0 pictures"];
            "a folder as metadata": |r| folder_instead(r, METADATA) => ["0.npy"];
            "a pipe as metadata": |r| pipe(r, METADATA) => ["0.npy", "not a file"];
            "a ring of links as metadata": |r| ring(r, METADATA) => ["0.npy", "cannot be read"];
            "nine pictures": |r| {
                let lines = fs::read_to_string(r.join(METADATA)).unwrap();
                let nine: Vec<&str> = lines.lines().take(9).collect();
                put(r, METADATA, nine.join("\n").as_bytes());
            } => ["9 pictures cannot be divided"];
            "no metadata": |r| fs::remove_file(r.join(METADATA)).unwrap() => ["metadata", "no file of metadata"];
        },
    );
}

/// One damage to the bytes of a file; places are shares of its length.
#[derive(Clone, Debug)]
enum Damage {
    Truncate(Index),
    Flip(Index, u8),
    Insert(Index, Vec<u8>),
    Delete(Index, usize),
    Duplicate(Index, usize),
    Splice(Index, &'static [u8]),
}

/// What readers look for, and what they do not.
const PIECES: &[&[u8]] = &[
    b"\0",
    b"\xef\xbb\xbf",
    b"\r",
    b"\n",
    b"\r\n",
    b"\t",
    b" ",
    b"'",
    b"\"",
    b"\\",
    b"b'",
    b"\\x",
    b"\\x4",
    b"(",
    b")",
    b"]",
    b"[MAX",
    b"[MED ]",
    b"-1",
    b"1e9",
    b"18446744073709551616",
    b"NaN",
    b"../",
    b"/",
    b"\xff\xfe",
    b"\x1b[2J",
    b"\xe2\x80\xa8",
    &[b'x'; 5000],
    &[0xff; 5000],
    &[b'\n'; 300],
    &[b'('; 300],
];

fn damages() -> impl Strategy<Value = Vec<Damage>> {
    use Damage::*;
    let place = any::<Index>;
    let damage = prop_oneof![
        place().prop_map(Truncate),
        (place(), 1..=255u8).prop_map(|(at, mask)| Flip(at, mask)),
        (place(), prop::collection::vec(any::<u8>(), 1..40))
            .prop_map(|(at, bytes)| Insert(at, bytes)),
        (place(), 1..40usize).prop_map(|(at, count)| Delete(at, count)),
        (place(), 1..400usize).prop_map(|(at, count)| Duplicate(at, count)),
        (place(), select(PIECES)).prop_map(|(at, piece)| Splice(at, piece)),
    ];
    prop::collection::vec(damage, 1..4)
}

fn damaged(bytes: &[u8], damages: &[Damage]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for damage in damages {
        let place = |at: &Index| at.index(bytes.len() + 1);
        let part = |at: &Index, count: usize| place(at)..(place(at) + count).min(bytes.len());
        match damage {
            Damage::Truncate(at) => bytes.truncate(place(at)),
            Damage::Flip(at, mask) => {
                let at = place(at);
                bytes
                    .iter_mut()
                    .skip(at)
                    .take(1)
                    .for_each(|byte| *byte ^= mask);
            }
            Damage::Insert(at, piece) => {
                drop(bytes.splice(place(at)..place(at), piece.iter().copied()))
            }
            Damage::Splice(at, piece) => {
                drop(bytes.splice(place(at)..place(at), piece.iter().copied()))
            }
            Damage::Delete(at, count) => drop(bytes.drain(part(at, *count))),
            Damage::Duplicate(at, count) => {
                let piece = bytes[part(at, *count)].to_vec();
                drop(bytes.splice(place(at)..place(at), piece));
            }
        }
    }
    bytes
}

/// Damages one of `files` of the set at a time, so many times, and has it judged. `mend` sees the
/// damaged bytes. At least a quarter must have been refused: what is taken says little.
fn damage_at_random(
    task: &Task,
    files: &[&str],
    read: &str,
    cases: u32,
    mend: fn(Vec<u8>) -> Vec<u8>,
) {
    let root = tempfile::tempdir().unwrap();
    (task.make)(root.path());
    damage_files(task, &root, files, read, cases, mend);
}

fn damage_files(
    task: &Task,
    root: &TempDir,
    files: &[&str],
    read: &str,
    cases: u32,
    mend: fn(Vec<u8>) -> Vec<u8>,
) {
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_time: 60_000,
        ..Config::default()
    };
    let seed = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(config, seed);
    let path = root.path().join(read);
    assert_eq!(judge(task, &path), Ok(vec![None; task.readers.len()]));
    let whole: Vec<(PathBuf, Vec<u8>)> = files
        .iter()
        .map(|file| root.path().join(file))
        .map(|file| (file.clone(), fs::read(file).unwrap()))
        .collect();
    let (refused, all) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let found = runner.run(&(0..whole.len(), damages()), |(number, damages)| {
        let (file, bytes) = &whole[number];
        fs::write(file, mend(damaged(bytes, &damages))).unwrap();
        let judged = judge(task, &path);
        fs::write(file, bytes).unwrap();
        let outcomes = judged.map_err(TestCaseError::fail)?;
        all.fetch_add(1, Relaxed);
        refused.fetch_add(usize::from(outcomes.iter().any(Option::is_some)), Relaxed);
        Ok(())
    });
    let (refused, all) = (refused.into_inner(), all.into_inner());
    println!("{refused} of {all} refused");
    if let Err(broken) = found {
        panic!("{broken}");
    }
    assert!(4 * refused >= all, "{refused} of {all} refused");
}

#[test]
fn reviews_damaged_at_random() {
    let _alone = alone();
    // Only an empty text is refused: the same damage with all but nothing left.
    let files = ["train/neg/0_7.txt", "test/pos/29_7.txt"];
    damage_at_random(&TEXT, &files, "", 32, |bytes| match bytes.len() % 2 {
        0 => bytes,
        _ => vec![],
    });
}

#[test]
fn tables_of_reviews_damaged_at_random() {
    let _alone = alone();
    damage_at_random(&TABLES, &["train.tsv", "test.tsv"], "", 128, |bytes| bytes);
}

#[test]
fn listops_damaged_at_random() {
    let _alone = alone();
    let files = ["basic_train.tsv", "basic_val.tsv", "basic_test.tsv"];
    damage_at_random(&LISTOPS, &files, "", 128, |bytes| bytes);
}

#[test]
fn retrieval_damaged_at_random() {
    let _alone = alone();
    let files = [
        "new_aan_pairs.train.tsv",
        "new_aan_pairs.eval.tsv",
        "new_aan_pairs.test.tsv",
    ];
    damage_at_random(&RETRIEVAL, &files, "", 128, |bytes| bytes);
}

#[test]
fn metadata_damaged_at_random() {
    let _alone = alone();
    damage_at_random(
        &PATHFINDER,
        &["curv_baseline/metadata/0.npy"],
        "",
        128,
        |bytes| bytes,
    );
}

#[test]
fn pictures_damaged_at_random() {
    let _alone = alone();
    let files = [
        "curv_baseline/imgs/0/sample_0.png",
        "curv_baseline/imgs/0/sample_7.png",
    ];
    damage_at_random(&PATHFINDER, &files, "", 64, |bytes| bytes);
    // With the checksums of its chunks put right, damage gets further.
    damage_at_random(&PATHFINDER, &files, "", 128, |mut bytes| {
        let mut at = 8;
        while let Some(length) = bytes.get(at..at + 4) {
            let length = length
                .iter()
                .fold(0, |n: usize, &b| n << 8 | usize::from(b));
            let Some(body) = bytes.get(at + 4..at + 8 + length) else {
                break;
            };
            let mut crc = Crc::new();
            crc.update(body);
            let sum = crc.sum().to_be_bytes();
            at += 8 + length;
            bytes
                .iter_mut()
                .skip(at)
                .zip(sum)
                .for_each(|(byte, sum)| *byte = sum);
            at += 4;
        }
        bytes
    });
}

#[test]
fn archives_damaged_at_random() {
    let _alone = alone();
    let task = Task {
        readers: &IMAGE.readers[..1],
        ..IMAGE
    };
    let root = tempfile::tempdir().unwrap();
    black_archive(root.path());
    damage_files(&task, &root, &["a.tar.gz"], "a.tar.gz", 24, |bytes| bytes);
    // The header of the first file, its checksum put right, and the beginning of that file.
    damage_files(&task, &root, &["a.tar.gz"], "a.tar.gz", 64, |bytes| {
        let noise = bytes.iter().rev().copied().enumerate();
        let mut header = header(b"cifar-10-batches-bin/data_batch_1.bin", b"00165163420\0");
        for (i, byte) in noise.take(40) {
            header[(97 * i + usize::from(byte)) % 157] = byte;
        }
        seal(&mut header);
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&header).unwrap();
        gzip.write_all(&[0; 4 * RECORD]).unwrap();
        gzip.finish().unwrap()
    });
}
