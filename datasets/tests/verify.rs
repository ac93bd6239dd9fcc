//! Reports about files on disk: sets made for the test, and the published ones where they are at hand.

use crate::support::{has, unpacked};
use datasets::{Black, DataError, Protocol, image, listops, pathfinder, retrieval, text, verify};
use std::fs;
use std::path::Path;

#[test]
fn a_small_set_of_reviews_is_described_and_is_not_the_published_one() {
    let root = tempfile::tempdir().unwrap();
    for (half, class, name, text) in [
        ("train", "neg", "0_1.txt", &b"caf\xc3\xa9"[..]),
        ("train", "pos", "0_9.txt", b"caf\xe9"),
        ("train", "pos", "1_9.txt", b"plain"),
        ("test", "neg", "0_1.txt", b"plain"),
        ("test", "pos", "0_9.txt", b"\xef\xbf\xbd\0"),
    ] {
        let folder = root.path().join(half).join(class);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(name), text).unwrap();
    }
    let report = text::verify(root.path()).unwrap();
    let page = report.to_string();
    for line in [
        "train: 3 texts: 1 ASCII, 1 more UTF-8, 1 neither; 0 hold U+FFFD, 0 hold NUL, 0 are empty",
        "test: 2 texts: 1 ASCII, 1 more UTF-8, 0 neither; 1 hold U+FFFD, 1 hold NUL, 0 are empty",
        "  train: 3 texts (1 neg, 2 pos), 3 distinct; bytes: mean 4, median 5, longest 5\n",
        "  texts in both train and test: 1, 1 copies of them in train\n",
        "not as published:",
        "train texts: 3, published: 25000",
        "texts in both halves: 1, published: 123",
    ] {
        assert!(page.contains(line), "{line:?} is not in\n{page}");
    }
    assert!(!report.as_published());
    assert!(text::verify(&root.path().join("none")).is_err());
}

#[test]
fn a_small_set_of_pairs_is_described() {
    let root = tempfile::tempdir().unwrap();
    let one = "1.0\tA\tB\tb'one'\tother\n";
    for (name, content) in [
        (
            "train",
            format!("{one}0.0\tA\tB\tone\tb'other'\n0.0\tA\tC\tchanged\tx\n"),
        ),
        ("eval", "0.0\tD\tE\tx\tone\n".to_string()),
        ("test", one.to_string()),
    ] {
        fs::write(
            root.path().join(format!("new_aan_pairs.{name}.tsv")),
            content,
        )
        .unwrap();
    }
    let page = retrieval::verify(root.path()).unwrap().to_string();
    for line in [
        "train.tsv: 3 pairs, 1 related, 2 unrelated; 2 distinct, 1 of them with both labels",
        "4 distinct documents, longest 7 bytes; 0.0% of the texts are over 4000 bytes; 2 bytes literals",
        "in common with new_aan_pairs.train.tsv: 1 pairs, 2 documents",
        "in common with new_aan_pairs.eval.tsv: 0 pairs, 1 documents",
        "5 papers by id; with more than one text: 1",
    ] {
        assert!(page.contains(line), "{line:?} is not in\n{page}");
    }
    fs::remove_file(root.path().join("new_aan_pairs.eval.tsv")).unwrap();
    assert!(retrieval::verify(root.path()).is_err());
    assert!(image::verify(root.path()).is_err());
}

fn published(report: Result<verify::Report, DataError>) -> String {
    let report = report.unwrap();
    println!("{report}");
    assert!(report.as_published(), "{report}");
    report.to_string()
}

#[test]
fn the_published_reviews_are_as_published() {
    if let Some((_root, path)) = unpacked("aclImdb.tar.gz", "aclImdb") {
        published(text::verify(&path));
    }
}

#[test]
fn the_published_pictures_are_as_published() {
    let Some((_root, path)) = unpacked("cifar-10-batches-bin.tar.xz", "cifar-10-batches-bin")
    else {
        return;
    };
    let page = published(image::verify(&path));
    has(&page, "60000 pictures: 60000 distinct in colour");
    // One byte changed is another file.
    let file = path.join("data_batch_4.bin");
    let mut bytes = fs::read(&file).unwrap();
    bytes[12_345_678] ^= 1;
    fs::write(&file, &bytes).unwrap();
    let report = image::verify(&path).unwrap();
    assert_eq!(report.differences.len(), 1, "{report}");
    assert!(report.differences[0].starts_with("md5 of data_batch_4.bin: "));
}

#[test]
fn pairs_of_real_papers_are_counted() {
    let Some((_root, path)) = unpacked("aan-citation-pairs.tar.xz", "aan-citation-pairs") else {
        return;
    };
    let report = retrieval::verify(&path.join("lra_release_format")).unwrap();
    println!("{report}");
    // It is no part of the benchmark's release, and the report says so.
    let counts = ["train.tsv: 12724,", "eval.tsv: 1558,", "test.tsv: 1554,"];
    assert_eq!(report.differences.len(), counts.len());
    for (line, count) in report.differences.iter().zip(counts) {
        assert!(line.contains(count), "{line}");
    }
}

#[test]
fn a_target_that_is_not_the_value_is_a_fault_with_its_line() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("basic_val.tsv");
    fs::write(
        &file,
        "Source\tTarget\n( ( ( [MAX 2 ) 9 ) ] )\t9\n( ( ( [MIN 2 ) 9 ) ] )\t9\n( ( ( [MAX 2 ) 9 ) ] )\t9\n",
    )
    .unwrap();
    // Of the folder, a missing file as well.
    for (path, faults) in [(root.path(), 2), (&file, 1)] {
        let report = listops::verify(path).unwrap();
        let fault = "basic_val.tsv, line 3: the Target is 9, the value of the expression 2";
        assert_eq!(report.faults[0], fault);
        assert_eq!(report.faults.len(), faults, "{report}");
        let page = report.to_string();
        for line in [
            "basic_val.tsv: 2 of 3 Targets confirmed",
            "2 distinct; words: mean 4, 4 to 4; Targets 0..9: [0, 0, 0, 0, 0, 0, 0, 0, 0, 3]",
            "wrong:\n  basic_val.tsv, line 3",
            "expressions in basic_val.tsv: 3, published: 2000",
            "expressions in basic_train.tsv: 0, published: 96000",
        ] {
            assert!(page.contains(line), "{line:?} is not in\n{page}");
        }
    }
    fs::remove_file(&file).unwrap();
    let error = listops::verify(root.path()).unwrap_err().to_string();
    assert!(error.contains("basic_train.tsv"), "{error}");
}

#[test]
fn expressions_made_elsewhere_are_confirmed() {
    let sample = unpacked("listops-generated-sample.tar.gz", "listops-generated");
    let Some((_root, path)) = sample else {
        return;
    };
    for (name, count) in [("basic_test.tsv", 1000), ("basic_val.tsv", 500)] {
        let report = listops::verify(&path.join(name)).unwrap();
        assert_eq!(report.faults, [""; 0], "{report}");
        let confirmed = format!("{name}: {count} of {count} Targets confirmed");
        assert!(report.facts[0].starts_with(&confirmed), "{report}");
    }
    let report = listops::verify(&path).unwrap();
    assert_eq!(report.faults, [""; 0], "{report}");
}

#[test]
fn a_folder_without_the_file_of_train_differs_and_one_without_another_is_wrong() {
    let root = tempfile::tempdir().unwrap();
    let shape = listops::Shape {
        train: 20,
        dev: 5,
        test: 5,
        ..listops::Shape::LRA
    };
    listops::write(root.path(), 1, &shape).unwrap();
    assert_eq!(listops::verify(root.path()).unwrap().faults, [""; 0]);
    let train = root.path().join("basic_train.tsv");
    fs::remove_file(&train).unwrap();
    let report = listops::verify(root.path()).unwrap();
    assert_eq!(report.faults, [""; 0], "{report}");
    let difference = format!("{train:?}: there is no such file; expected ");
    assert!(report.to_string().contains(&difference), "{report}");
    // What is in test too is removed from dev.
    let [dev, test] = ["val", "test"].map(|name| root.path().join(format!("basic_{name}.tsv")));
    fs::copy(&test, &dev).unwrap();
    let report = listops::verify(root.path()).unwrap();
    assert!(report.faults[0].contains("no expression is left for the dev split"));
    fs::remove_file(&test).unwrap();
    let report = listops::verify(root.path()).unwrap();
    let fault = format!("{test:?}: there is no such file; expected ");
    assert!(report.faults[0].starts_with(&fault), "{report}");
    // A file that is too small to be divided is a part of something else.
    let report = listops::verify(&dev).unwrap();
    assert_eq!(report.faults, [""; 0], "{report}");
    has(report.to_string(), ": no expression is left for the ");
}

#[test]
fn pairs_of_which_nothing_is_left_are_wrong() {
    let root = tempfile::tempdir().unwrap();
    retrieval::write(root.path(), 7, [6, 3, 4]).unwrap();
    let [train, test] = ["train", "test"].map(|name| format!("new_aan_pairs.{name}.tsv"));
    fs::copy(root.path().join(&test), root.path().join(&train)).unwrap();
    let report = retrieval::verify(root.path()).unwrap();
    let fault = format!("{train}\": no pair is left of this file; expected at least one");
    assert!(report.faults[0].contains(&fault), "{report}");
    assert_eq!(report.faults.len(), 1, "{report}");
}

#[test]
fn a_set_that_was_made_is_not_taken_for_the_published_one() {
    let root = tempfile::tempdir().unwrap();
    let shape = listops::Shape {
        train: 60,
        dev: 20,
        test: 20,
        ..listops::Shape::LRA
    };
    let easy = pathfinder::Settings::EASY;
    listops::write(root.path(), 1, &shape).unwrap();
    retrieval::write(root.path(), 1, [20, 10, 10]).unwrap();
    pathfinder::write(root.path(), 1, &easy, [8, 1, 1]).unwrap();
    for place in ["train/neg", "train/pos", "test/neg", "test/pos"] {
        fs::create_dir_all(root.path().join(place)).unwrap();
        fs::write(root.path().join(place).join("0.txt"), place).unwrap();
    }
    let here = root.path();
    let inner = here.join("curv_baseline");
    let file = here.join("basic_train.tsv");
    for made in [false, true] {
        if made {
            fs::write(here.join(datasets::MADE), "").unwrap();
        }
        for data in [
            text::load(here, 9, Protocol::Paper),
            listops::load(here, 9, Protocol::Paper),
            listops::load(&file, 9, Protocol::Paper),
            retrieval::load(here, 9, Protocol::Paper),
            pathfinder::load(here, Black::Kept, Protocol::Clean),
            pathfinder::load(&inner, Black::Kept, Protocol::Clean),
        ] {
            let data = data.unwrap();
            assert_eq!(data.builtin, made, "{}", data.name);
            assert_eq!(data.name.contains(" made by data make, at "), made);
        }
        for report in [
            text::verify(here),
            listops::verify(here),
            listops::verify(&file),
            retrieval::verify(here),
            pathfinder::verify(here),
        ] {
            let report = report.unwrap();
            let told = report
                .differences
                .iter()
                .any(|line| line == "made by data make");
            assert_eq!(told, made, "{report}");
        }
    }
}

#[test]
fn a_maximal_length_of_zero_is_refused_whatever_is_read() {
    let here = Path::new("none");
    for refused in [
        text::builtin(0, 0, Protocol::Clean),
        text::load(here, 0, Protocol::Clean),
        retrieval::builtin(0, 0, Protocol::Clean),
        retrieval::load(here, 0, Protocol::Clean),
        listops::load(here, 0, Protocol::Clean),
    ] {
        let error = refused.unwrap_err().to_string();
        let expected = "would be kept; expected a maximal length of at least 1";
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_page_says_how_far_it_is_as_published() {
    let page = |checksums| {
        let report = verify::Report {
            title: "data".to_string(),
            facts: vec![],
            differences: vec![],
            faults: vec![],
            checksums,
        };
        report.to_string()
    };
    assert_eq!(page(true), "data\nas published: yes\n");
    assert_eq!(
        page(false),
        "data\nas published: yes, as far as counts tell\n"
    );
}

#[test]
fn what_is_there_is_neither_replaced_nor_removed() {
    let shape = listops::Shape {
        train: 2,
        dev: 1,
        test: 1,
        ..listops::Shape::LRA
    };
    let easy = pathfinder::Settings::EASY;
    type Write<'a> = &'a dyn Fn(&Path) -> Result<(), DataError>;
    let writers: [(&str, Write); 3] = [
        ("basic_val.tsv", &|folder| listops::write(folder, 1, &shape)),
        ("new_aan_pairs.eval.tsv", &|folder| {
            retrieval::write(folder, 1, [2, 1, 1])
        }),
        ("curv_baseline", &|folder| {
            pathfinder::write(folder, 1, &easy, [2, 1, 1]).map(drop)
        }),
    ];
    for (name, write) in writers {
        for there in [name.to_string(), format!("{name}.part")] {
            let root = tempfile::tempdir().unwrap();
            let there = root.path().join(there);
            let letter = match there.to_str().unwrap().contains(".tsv") {
                true => there.clone(),
                false => {
                    fs::create_dir(&there).unwrap();
                    there.join("letter.txt")
                }
            };
            fs::write(&letter, "dear").unwrap();
            let error = write(root.path()).unwrap_err();
            assert_eq!(error.path, there);
            assert_eq!(error.problem, "it is there already");
            assert_eq!(fs::read(&letter).unwrap(), b"dear");
        }
        let root = tempfile::tempdir().unwrap();
        write(root.path()).unwrap();
        assert!(write(root.path()).is_err());
        let entries = fs::read_dir(root.path()).unwrap();
        let part = |name: &std::ffi::OsStr| Path::new(name).extension() == Some("part".as_ref());
        assert!(!entries.map(|e| e.unwrap().file_name()).any(|n| part(&n)));
    }
}

#[test]
fn written_pairs_are_read_as_the_built_in_ones() {
    let root = tempfile::tempdir().unwrap();
    retrieval::write(root.path(), 7, [6, 3, 4]).unwrap();
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 3);
    let read = retrieval::load(root.path(), 300, Protocol::Paper).unwrap();
    let built = retrieval::builtin(7, 300, Protocol::Paper).unwrap();
    for (read, built) in [
        (read.train, &built.train.examples[..6]),
        (read.dev, &built.dev.examples[..3]),
        (read.test, &built.test.examples[..4]),
    ] {
        assert_eq!(read.examples, built);
    }
    let report = retrieval::verify(root.path()).unwrap();
    let literals = "0.0% of the texts are over 4000 bytes; 12 bytes literals";
    assert!(report.to_string().contains(literals), "{report}");
    assert!(report.faults.is_empty());
    let error = retrieval::write(&root.path().join("none"), 7, [1, 1, 1]).unwrap_err();
    assert!(error.to_string().contains("cannot be written"), "{error}");
}
