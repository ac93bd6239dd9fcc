//! The Retrieval task as its users see it: the built-in pairs, files in the benchmark's form, and what is refused with
//! which words.

use crate::support::{fingerprint, has, unpacked};
use datasets::{Dataset, Example, Protocol, Split, baseline, retrieval};
use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;
use tempfile::TempDir;

static PAIRS: LazyLock<Dataset> =
    LazyLock::new(|| retrieval::builtin(0, retrieval::MAX_LEN, Protocol::Clean).unwrap());

#[test]
fn the_pairs_keep_their_bits() {
    let golden = "22d1841841897c6c4444d8721481824c8d81b584515516110694fec0db0818d9";
    assert_eq!(fingerprint(&PAIRS, b"\0"), golden);
    let other = retrieval::builtin(1, retrieval::MAX_LEN, Protocol::Clean).unwrap();
    assert_ne!(fingerprint(&other, b"\0"), golden);
}

#[test]
fn the_pairs_are_balanced_and_token_frequencies_follow_the_majority_of_fields() {
    let splits = [&PAIRS.train, &PAIRS.dev, &PAIRS.test];
    assert_eq!(
        splits.map(|split| split.examples.len()),
        [20_000, 2_000, 5_000]
    );
    for split in splits {
        let related = split.examples.iter().filter(|e| e.label == 1).count();
        assert_eq!(2 * related, split.examples.len());
        assert!(split.examples.iter().all(|e| e.documents.len() == 2));
    }
    let longest = PAIRS.train.examples.iter().flat_map(|e| &e.documents);
    assert!(longest.map(|d| d.len()).max() < Some(320));
    let found = baseline::token_frequencies(&PAIRS);
    println!("differences: {found}");
    // The majority's 1/2 + E|S|/8 = 11/16 is the best of linear rules on them; four standard errors of it, 5,000 times.
    assert!((found.logistic - 0.6875).abs() < 0.0262, "{found}");
    // One document alone tells nothing: four standard errors of a fair coin.
    let mut alone = PAIRS.clone();
    for split in [&mut alone.train, &mut alone.dev, &mut alone.test] {
        for example in &mut split.examples {
            example.documents.truncate(1);
        }
    }
    let found = baseline::token_frequencies(&alone);
    println!("the first alone: {found}");
    assert!((found.logistic - 0.5).abs() < 0.029, "{found}");
}

/// What is there to be found: in the field of the mark, the letters of both papers. The sets of their bytes are enough.
#[test]
fn which_bytes_stand_in_the_papers_tells_the_label() {
    let fields = [
        (b'#', b"ABCD"),
        (b'@', b"JKLM"),
        (b'%', b"STUV"),
        (b'&', b"2345"),
    ];
    let mut agree = [0; 4];
    for (i, example) in PAIRS.test.examples.iter().enumerate() {
        let [(mark, one), (other_mark, other)] = [0, 1].map(|which| {
            let set: HashSet<u8> = example.documents[which].iter().copied().collect();
            let only = |bytes: &[u8]| {
                let found: Vec<&u8> = bytes.iter().filter(|byte| set.contains(byte)).collect();
                assert_eq!(found.len(), 1, "one of them stands in the paper");
                *found[0]
            };
            (only(b"#@%&"), fields.map(|(_, letters)| only(letters)))
        });
        assert_eq!(mark, other_mark);
        let asked = fields.iter().position(|&(m, _)| m == mark).unwrap();
        assert_eq!(asked, i / 2 % 4);
        assert_eq!(usize::from(one[asked] == other[asked]), example.label);
        for field in 0..4 {
            agree[field] += usize::from(one[field] == other[field]);
        }
    }
    // Four standard errors of a fair coin, 3,750 times, beside the 625 that are set.
    assert!(agree.iter().all(|n| n.abs_diff(2500) < 123), "{agree:?}");
}

/// The folder of three files of these contents.
fn folder(contents: [&[u8]; 3]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for (name, content) in ["train", "eval", "test"].iter().zip(contents) {
        let file = root.path().join(format!("new_aan_pairs.{name}.tsv"));
        fs::write(file, content).unwrap();
    }
    root
}

const ONE: &[u8] = b"1.0\tA\tB\tb'one'\tb'other'\n";

#[test]
fn rows_become_examples() {
    let train = b"0.0\tA\tB\tb'a\\tb\\xff'\t\"quoted\"\r\n1.0\tA\tC\tplain\tb\"it's\"\n1.0\tA\tD\tb''\tlast";
    let root = folder([train, b"1.0\tE\tF\tx\ty\n", ONE]);
    let dataset = retrieval::load(root.path(), 4, Protocol::Clean).unwrap();
    let texts = |example: &Example| [0, 1].map(|d| example.documents[d].to_vec());
    let examples = &dataset.train.examples;
    assert_eq!(examples.len(), 3);
    assert_eq!(
        texts(&examples[0]),
        [b"a\tb\xff".to_vec(), b"\"quo".to_vec()]
    );
    assert_eq!(texts(&examples[1]), [b"plai".to_vec(), b"it's".to_vec()]);
    assert_eq!(texts(&examples[2]), [b"".to_vec(), b"last".to_vec()]);
    let labels: Vec<(usize, usize)> = examples.iter().map(|e| (e.id, e.label)).collect();
    assert_eq!(labels, [(0, 0), (1, 1), (2, 1)]);
    assert_eq!(
        (dataset.encoding.offset, dataset.encoding.vocabulary),
        (1, 512)
    );
    let notes = dataset.notes.join("\n");
    let line = "new_aan_pairs.train.tsv: 3 pairs, 2 related; documents cut at 4: 33.3%; pairs with an empty document: 1";
    assert!(notes.contains(line), "{notes}");
}

#[test]
fn a_byte_order_mark_and_empty_lines_at_the_end_are_passed_over() {
    let plain = folder([b"1.0\tA\tB\tx\ty\n0.0\tC\tD\tv\tw\n", ONE, ONE]);
    let marked = b"\xef\xbb\xbf1.0\tA\tB\tx\ty\r\n0.0\tC\tD\tv\tw\r\n\r\n\n";
    let marked = folder([marked, &[ONE, b"\n"].concat(), ONE]);
    let [plain, marked] =
        [plain, marked].map(|root| retrieval::load(root.path(), 9, Protocol::Paper).unwrap());
    assert_eq!((plain.train, plain.dev), (marked.train, marked.dev));
}

#[test]
fn clean_removes_copies_of_later_pairs() {
    // The pair of test as it is, exchanged, and with line breaks at the end; that of dev; one that shares a paper, and
    // one of a paper with itself.
    let many = [
        ONE,
        b"1.0\tB\tA\tb'other'\tb'one'\n",
        b"0.0\tB\tA\tb'other\\r\\n'\tb'one\\n'\n",
        b"0.0\tX\tY\tv\tw\n",
        b"1.0\tA\tC\tb'one'\tb'third'\n",
        b"1.0\tA\tA\tone\tone\n",
    ]
    .concat();
    // Whatever is cut off.
    for max_len in [2, 9] {
        let dev = b"0.0\tE\tF\tw\tv\n1.0\tB\tA\tb'other'\tb'one'\n0.0\tE\tF\tp\tq\n";
        let root = folder([&many, dev, ONE]);
        let clean = retrieval::load(root.path(), max_len, Protocol::Clean).unwrap();
        let ids = |split: &Split| split.examples.iter().map(|e| e.id).collect::<Vec<_>>();
        assert_eq!(ids(&clean.train), [4, 5]);
        assert_eq!(ids(&clean.dev), [0, 2]);
        let notes = clean.notes.join("\n");
        assert!(notes.contains("later split: 5 (all removed)"), "{notes}");
        assert!(notes.contains("train.tsv: 6 pairs, 4 related"), "{notes}");
        assert!(notes.contains("pairs of a text with itself: 1"), "{notes}");
        let paper = retrieval::load(root.path(), max_len, Protocol::Paper).unwrap();
        assert_eq!([&paper.train, &paper.dev].map(|s| s.examples.len()), [6, 3]);
        let notes = paper.notes.join("\n");
        assert!(notes.contains("later split: 5 (none removed)"), "{notes}");
    }
    // Nothing left.
    let root = folder([ONE, b"0.0\tE\tF\tv\tw\n", ONE]);
    let refused = retrieval::load(root.path(), 9, Protocol::Clean)
        .unwrap_err()
        .to_string();
    has(&refused, "train.tsv\": no pair is left");
}

fn refusal(path: &Path) -> String {
    match retrieval::load(path, retrieval::MAX_LEN, Protocol::Clean) {
        Err(error) => {
            let line = error.to_string();
            assert!(!line.contains('\n') && line.contains("; hint: "), "{line}");
            assert!(line.len() < 600, "{line}");
            line
        }
        Ok(dataset) => panic!("{} was taken", dataset.name),
    }
}

#[test]
fn what_is_wrong_is_said_with_file_and_line() {
    let long = [b"1.0\tA\tB\t".as_slice(), &vec![b'x'; 17 << 20]].concat();
    for (second, problem) in [
        (&b"\r\n\n1.0\tA\tB\tx\n"[..], "line 2: the line is empty"),
        (b"1.0\tA\tB\tx\n", "line 2: 4 columns"),
        (b"7.0\tA\tB\tx\ty\n", "line 2: the label is \"7.0\""),
        (
            b"1.0\tA\tB\tx\tb'y\n",
            "line 2: column 5: the bytes literal has no closing quote",
        ),
        (
            b"1.0\tA\tB\tb'\\xz'\ty\n",
            "line 2: column 4: byte 3: \\x without two digits",
        ),
        (b"\0\0\0", "line 2: a NUL at byte 1"),
        (
            b"1.0\tA\tB\tx\rz\ty\n",
            "line 2: \\r at byte 10, and no line break follows",
        ),
        (
            b"1.0\tA\tB\tx\ty\r\r\n",
            "line 2: \\r at byte 12, and no line break follows",
        ),
        (
            b"1.0\tA\tB\t\"b\"\"it's\"\"\"\ty\n",
            "line 2: column 4: a bytes literal stands between quotes",
        ),
        (b"\x1f\x8b\x08\xff\xfe", "line 2: 1 columns"),
        (&long, "line 2: more than 16777216 bytes long"),
    ] {
        let root = folder([ONE, &[ONE, second].concat(), ONE]);
        let refused = refusal(root.path());
        assert!(refused.contains("new_aan_pairs.eval.tsv\": "), "{refused}");
        assert!(refused.contains(problem), "{refused}");
    }
    let root = folder([b"0.0\tE\tF\tv\tw\n", b"", ONE]);
    assert!(refusal(root.path()).contains("eval.tsv\": no pair is left"));
}

#[test]
fn what_is_no_folder_of_pairs_is_refused() {
    let root = folder([ONE, ONE, ONE]);
    assert!(refusal(&root.path().join("none")).contains("there is no such folder"));
    let file = root.path().join("new_aan_pairs.test.tsv");
    assert!(refusal(&file).contains("this is a file"));
    fs::remove_file(&file).unwrap();
    assert!(refusal(root.path()).contains("there is no file new_aan_pairs.test.tsv in it"));
    let outer = tempfile::tempdir().unwrap();
    fs::rename(root.path(), outer.path().join("tsv_data")).unwrap();
    assert!(refusal(outer.path()).contains("there is no file new_aan_pairs.train.tsv in it"));
    let inner = outer.path().join("tsv_data/new_aan_pairs.train.tsv");
    assert!(inner.is_file() && refusal(outer.path()).contains("did you mean"));
    let error = retrieval::load(outer.path(), 0, Protocol::Clean).unwrap_err();
    assert!(error.to_string().contains("a maximal length of at least 1"));
}

/// The pairs made from papers of AAN, where they are at hand: `../../shared/data` seen from this crate.
#[test]
fn pairs_of_real_papers_have_their_known_counts() {
    let (archive, folder) = ("aan-citation-pairs.tar.xz", "aan-citation-pairs");
    let Some((_root, path)) = unpacked(archive, folder) else {
        return;
    };
    assert!(refusal(&path).contains("did you mean"));
    let path = path.join("lra_release_format");
    let dataset = retrieval::load(&path, retrieval::MAX_LEN, Protocol::Clean).unwrap();
    let splits = [&dataset.train, &dataset.dev, &dataset.test];
    // The files have 12,724, 1,558 and 1,554 pairs, half of each related. Of 7 of train (3 related) a later file has the
    // two texts exchanged, and of 1 of dev (related); no pair has a copy in the same order.
    assert_eq!(
        splits.map(|split| split.examples.len()),
        [12_717, 1_557, 1_554]
    );
    let related = splits.map(|split| split.examples.iter().filter(|e| e.label == 1).count());
    assert_eq!(related, [6_362 - 3, 779 - 1, 777]);
    let found = baseline::token_frequencies(&dataset);
    println!("{found}");
    // 63.26% when this was written.
    assert!((0.625..0.64).contains(&found.logistic), "{found}");
}
