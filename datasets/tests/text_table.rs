//! Reviews as two tables: what Python's `csv.writer` writes is what is read, and what is refused with which words.

use crate::support::has;
use datasets::{DataError, Protocol, text};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// As `csv.writer(f, delimiter="\t")` of Python 3.11 wrote it, after the header: a plain text, a tab and a line break,
/// quotes, a quote inside only, bytes that are no UTF-8.
const WRITTEN: &[u8] = b"Source\tTarget\r\nplain\t0\r\n\"a\tb\nc\r\nd\"\t1\r\n\
    \"\"\"It\"\" was good, \"\"all\"\" of it\"\t1\r\nit's\t0\r\ncaf\xe9\t1\r\n";

const READ: [(&[u8], usize); 5] = [
    (b"plain", 0),
    (b"a\tb\nc\r\nd", 1),
    (b"\"It\" was good, \"all\" of it", 1),
    (b"it's", 0),
    (b"caf\xe9", 1),
];

fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        fs::write(root.path().join(name), bytes).unwrap();
    }
    root
}

fn refusal(path: &Path) -> DataError {
    let error = text::load(path, text::MAX_LEN, Protocol::Paper).unwrap_err();
    let line = error.to_string();
    assert!(!line.contains('\n') && line.len() < 600, "{line}");
    assert!(
        line.contains("; expected ") && line.contains("; hint: "),
        "{line}"
    );
    error
}

#[test]
fn a_table_is_read_as_pythons_csv_writer_has_written_it() {
    let lf: Vec<u8> = WRITTEN.iter().copied().filter(|&b| b != b'\r').collect();
    let marked = [b"\xef\xbb\xbf", WRITTEN].concat();
    for (written, text) in [
        (WRITTEN, READ[1].0),
        (&lf, b"a\tb\nc\nd"),
        (&marked, READ[1].0),
    ] {
        let root = folder(&[("train.tsv", written), ("test.tsv", written)]);
        let data = text::load(root.path(), text::MAX_LEN, Protocol::Paper).unwrap();
        for split in [&data.train, &data.test] {
            assert_eq!(split.examples.len(), READ.len());
            for (id, (example, (bytes, label))) in split.examples.iter().zip(READ).enumerate() {
                let bytes = if id == 1 { text } else { bytes };
                assert_eq!((example.id, example.label), (id, label));
                assert_eq!(example.documents, [bytes.into()]);
            }
        }
    }
}

/// The same texts, as a table and as files, are the same splits.
#[test]
fn a_table_is_divided_like_a_folder() {
    let mut table = b"Source\tTarget\n".to_vec();
    let root = folder(&[]);
    for half in ["train", "test"] {
        for (class, label) in [("neg", 0), ("pos", 1)] {
            let folder = root.path().join(half).join(class);
            fs::create_dir_all(&folder).unwrap();
            for i in 100..200 {
                let text = format!("{class} {i}");
                fs::write(folder.join(format!("{i}.txt")), &text).unwrap();
                if half == "train" {
                    table.extend(format!("{text}\t{label}\n").bytes());
                }
            }
        }
    }
    let test: &[u8] = b"Source\tTarget\nneg 100\t0\npos 7\t1\n";
    let tables = folder(&[("imdb_train.tsv", &table), ("imdb_test.tsv", test)]);
    fs::write(root.path().join("test/neg/0.txt"), "neg 100").unwrap();
    for class in ["neg", "pos"] {
        for i in 100..200 {
            fs::remove_file(root.path().join(format!("test/{class}/{i}.txt"))).unwrap();
        }
    }
    fs::write(root.path().join("test/pos/1.txt"), "pos 7").unwrap();
    for protocol in [Protocol::Clean, Protocol::Paper] {
        let [a, b] =
            [root.path(), tables.path()].map(|path| text::load(path, 5, protocol).unwrap());
        for (a, b) in [(&a.train, &b.train), (&a.dev, &b.dev), (&a.test, &b.test)] {
            assert_eq!(a.examples, b.examples, "{}", a.name);
        }
    }
    let report = text::verify(tables.path()).unwrap();
    assert!(!report.as_published());
    assert!(report.to_string().contains("200"), "{report}");
}

#[test]
fn what_is_no_table_is_refused_with_its_line() {
    let good: &[u8] = b"Source\tTarget\na\t0\nb\t1\n";
    let long = [
        b"Source\tTarget\na\t0\n\"".as_slice(),
        &vec![b'x'; 17 << 20],
    ]
    .concat();
    for (bytes, problem) in [
        (&b""[..], "the file is empty"),
        (
            b"Target\tSource\n0\ta\n",
            "line 1: the header is \"Target\", \"Source\"",
        ),
        (b"a\t0\nb\t1\n", "line 1: the header is \"a\", \"0\""),
        (b"Source\n", "line 1: columns: 1, not 2"),
        (
            b"Source\tTarget\r\na\t0\r\nb\r\n",
            "line 3: columns: 1, not 2",
        ),
        (b"Source\tTarget\na\t0\tx\n", "line 2: columns: 3, not 2"),
        (b"Source\tTarget\na\t0\tx\ty\n", "line 2: columns: 4, not 2"),
        (
            b"Source\tTarget\n\"a\nb\"\t0\nc\t2\n",
            "line 4: the Target is \"2\"",
        ),
        (b"Source\tTarget\na\t1.0\n", "line 2: the Target is \"1.0\""),
        (b"Source\tTarget\na\t0\n\t1\n", "line 3: the text is empty"),
        (
            b"Source\tTarget\na\t0\n\"b\t1\nc\t1\n",
            "line 3: the quote that opens a field here is never closed",
        ),
        (
            b"Source\tTarget\na\t0\n\"b\t1\r\nc\t1\nd \"e\"\t0\nf\t1\n",
            "line 3: the quote that opens a field here is closed in line 5, and the field goes on",
        ),
        (
            b"Source\tTarget\n\"a\" b\t0\n",
            "line 2: the quote that opens a field here is closed in line 2, and the field goes on",
        ),
        (
            b"Source\tTarget\na\t\"0\n",
            "line 2: the quote that opens a field here is never closed",
        ),
        (b"Source\tTarget\na\t0\nb\0c\t1\n", "line 3: a NUL"),
        (
            b"Source\tTarget\na\t0\nb\rc\t1\n",
            "line 3: columns: 1, not 2",
        ),
        (b"Source\tTarget\n", "line 1: no text follows the header"),
        (&long, "line 3: a record of more than 16777216 bytes"),
    ] {
        let root = folder(&[("train.tsv", good), ("test.tsv", bytes)]);
        let error = refusal(root.path());
        assert!(error.problem.starts_with(problem), "{error}");
        assert_eq!(error.path, root.path().join("test.tsv"));
    }
}

/// As Python's `csv.reader` takes it: only at its beginning does a quote open a field.
#[test]
fn a_quote_in_the_midst_of_a_field_is_a_letter() {
    let table = b"Source\tTarget\nhe said \"no\"\t0\n5\" tall\t1\n \"a\"\t0\nit's \"\t1\n\"\"\"\"\t0\n\"\"\"a\"\"\"\t1";
    let root = folder(&[
        ("train.tsv", table),
        ("test.tsv", b"Source\tTarget\na\t0\n"),
    ]);
    let data = text::load(root.path(), text::MAX_LEN, Protocol::Paper).unwrap();
    let texts: Vec<&[u8]> = data
        .train
        .examples
        .iter()
        .map(|e| &*e.documents[0])
        .collect();
    let wanted = [
        "he said \"no\"",
        "5\" tall",
        " \"a\"",
        "it's \"",
        "\"",
        "\"a\"",
    ];
    assert_eq!(texts, wanted.map(str::as_bytes));
}

/// macOS leaves `._train.tsv` beside the table that it copies, and Windows leaves its own.
#[test]
fn what_systems_leave_stands_in_no_way() {
    let good: &[u8] = b"Source\tTarget\na\t0\nb\t1\n";
    let root = folder(&[("train.tsv", good), ("my_test.tsv", good)]);
    let read = text::load(root.path(), 9, Protocol::Paper).unwrap();
    for left in [
        "._train.tsv",
        "._my_test.tsv",
        ".DS_Store",
        "desktop.ini",
        "Icon\r",
    ] {
        fs::write(root.path().join(left), "Mac OS X").unwrap();
    }
    fs::create_dir_all(root.path().join("__MACOSX/train")).unwrap();
    assert_eq!(text::load(root.path(), 9, Protocol::Paper).unwrap(), read);
    // Nor is a folder of nothing else a hint.
    for name in ["train.tsv", "my_test.tsv"] {
        fs::remove_file(root.path().join(name)).unwrap();
    }
    assert_eq!(refusal(root.path()).problem, "the folder is empty");
}

/// A line ends in \n, \r or \r\n, each of them once, inside of quotes too: as editors and Python count.
#[test]
fn lines_are_counted_whatever_ends_them() {
    let good: &[u8] = b"Source\tTarget\na\t0\nb\t1\n";
    // However the buffer cuts it: the ends of the long line fall on every place about 65,536.
    let long = |length: usize| {
        let text = "x".repeat(length);
        format!("Source\tTarget\r\n{text}\t0\r\nb\t9\r\n").into_bytes()
    };
    let mut cases = vec![
        (b"Source\tTarget\ra\t0\rb\t9\r".to_vec(), 3),
        (b"Source\tTarget\r\na\t0\r\nb\t9\r\n".to_vec(), 3),
        (b"Source\tTarget\r\r\n\na\t0\r\rb\t9".to_vec(), 6),
        (
            b"Source\tTarget\n\"a\rb\r\nc\n\"\t0\r\"b\rb\"\t9".to_vec(),
            6,
        ),
    ];
    cases.extend((65_500..65_540).map(|length| (long(length), 3)));
    for (bytes, line) in cases {
        let root = folder(&[("train.tsv", good), ("test.tsv", &bytes)]);
        let error = refusal(root.path());
        let problem = format!("line {line}: the Target is \"9\"");
        assert_eq!(error.problem, problem, "{} bytes", bytes.len());
    }
}

#[test]
fn a_table_that_is_missing_or_not_alone_is_said() {
    let good: &[u8] = b"Source\tTarget\na\t0\nb\t1\n";
    for names in [
        &["train.tsv"][..],
        &["my_test.tsv"],
        &["train.tsv", "a_test.tsv", "b_test.tsv"],
    ] {
        let root = folder(&names.iter().map(|&name| (name, good)).collect::<Vec<_>>());
        let error = refusal(root.path());
        has(&error.problem, "one is missing or there are several");
    }
    let root = folder(&[("untrain.tsv", good), ("test.csv", good)]);
    has(&refusal(root.path()).problem, "neither a folder train");
}
