//! Folders of reviews: what is read, in which order, and what is refused with which words.

use crate::support::has;
use datasets::{DataError, Protocol, text};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A folder in the published layout, `count` texts a class and half.
fn folder(count: usize) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for half in ["train", "test"] {
        for class in ["neg", "pos"] {
            let folder = root.path().join(half).join(class);
            fs::create_dir_all(&folder).unwrap();
            for i in 0..count {
                let text = format!("{half} {class} {i}");
                fs::write(folder.join(format!("{i}_7.txt")), text).unwrap();
            }
        }
    }
    root
}

fn refusal(path: &Path, protocol: Protocol) -> DataError {
    match text::load(path, text::MAX_LEN, protocol) {
        Err(error) => {
            let line = error.to_string();
            assert!(!line.contains('\n'), "{line}");
            assert!(
                line.contains("; expected ") && line.contains("; hint: "),
                "{line}"
            );
            assert!(line.contains(&format!("{:?}", error.path)), "{line}");
            error
        }
        Ok(dataset) => panic!("{} was taken", dataset.name),
    }
}

#[test]
fn texts_come_in_the_order_of_their_paths_with_the_label_of_their_folder() {
    let root = folder(12);
    let dataset = text::load(root.path(), text::MAX_LEN, Protocol::Paper).unwrap();
    // By bytes: 0_7, 10_7, 11_7, 1_7, 2_7.
    let texts: Vec<(usize, usize, String)> = dataset
        .train
        .examples
        .iter()
        .map(|e| {
            let text = String::from_utf8(e.documents[0].to_vec()).unwrap();
            (e.id, e.label, text)
        })
        .collect();
    assert_eq!(texts[0], (0, 0, "train neg 0".to_string()));
    assert_eq!(texts[1], (1, 0, "train neg 10".to_string()));
    assert_eq!(texts[3], (3, 0, "train neg 1".to_string()));
    assert_eq!(texts[4], (4, 0, "train neg 2".to_string()));
    assert_eq!(texts[12], (12, 1, "train pos 0".to_string()));
    assert!(!dataset.builtin);
    assert!(
        dataset
            .name
            .ends_with(&format!("at {}", root.path().display()))
    );
}

#[test]
fn bytes_are_bytes_and_other_files_are_left_alone() {
    let root = folder(3);
    let neg = root.path().join("train/neg");
    fs::write(neg.join("0_7.txt"), [0xff, 0x00, 0xfe, b'<']).unwrap();
    fs::write(neg.join("notes.md"), "not a text").unwrap();
    for left in ["._0_7.txt", ".directory", "Thumbs.db", "Icon\r"] {
        fs::write(neg.join(left), "left by a file manager").unwrap();
    }
    fs::write(root.path().join("README"), "not a text").unwrap();
    let dataset = text::load(root.path(), 3, Protocol::Paper).unwrap();
    assert_eq!(dataset.train.examples.len(), 6);
    let tokens = dataset.train.examples[0].tokens(0, &dataset.encoding);
    assert_eq!(tokens, (vec![0, 1, 2], vec![256, 1, 255]));
}

#[test]
fn a_missing_folder_a_file_and_an_empty_folder_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let missing = root.path().join("nowhere");
    let error = refusal(&missing, Protocol::Clean);
    assert_eq!(error.path, missing);
    assert_eq!(error.problem, "there is no such folder");
    assert!(error.hint.contains("built-in"));

    let archive = root.path().join("aclImdb_v1.tar.gz");
    fs::write(&archive, "packed").unwrap();
    let error = refusal(&archive, Protocol::Clean);
    assert_eq!(error.problem, "this is a file, not a folder");
    assert!(error.hint.contains("unpack"));

    let empty = root.path().join("empty");
    fs::create_dir(&empty).unwrap();
    assert_eq!(
        refusal(&empty, Protocol::Clean).problem,
        "the folder is empty"
    );
}

#[test]
fn a_folder_one_level_off_gets_the_right_one_as_a_hint() {
    let root = folder(1);
    let outer = tempfile::tempdir().unwrap();
    let inner = outer.path().join("aclImdb");
    fs::rename(root.path(), &inner).unwrap();
    // Beside it, what an archive of macOS holds.
    fs::create_dir_all(outer.path().join("__MACOSX/train")).unwrap();
    let hint = refusal(outer.path(), Protocol::Clean).hint;
    assert_eq!(hint, format!("did you mean {inner:?}?"));
    let hint = refusal(&inner.join("train"), Protocol::Clean).hint;
    assert_eq!(hint, format!("did you mean {inner:?}?"));
}

#[test]
fn a_missing_half_class_or_text_is_named() {
    let missing = |part: &str| -> PathBuf {
        let root = folder(2);
        fs::remove_dir_all(root.path().join(part)).unwrap();
        let error = refusal(root.path(), Protocol::Clean);
        assert_eq!(error.problem, "there is no such folder");
        error.path.strip_prefix(root.path()).unwrap().to_path_buf()
    };
    assert_eq!(missing("test/pos"), Path::new("test/pos"));
    assert_eq!(missing("train/neg"), Path::new("train/neg"));
    assert_eq!(missing("test"), Path::new("test/neg"));

    let root = folder(1);
    fs::remove_file(root.path().join("test/neg/0_7.txt")).unwrap();
    let error = refusal(root.path(), Protocol::Clean);
    assert_eq!(error.path, root.path().join("test/neg"));
    assert_eq!(error.problem, "there is no *.txt in this folder");
}

#[test]
fn an_empty_file_and_an_unreadable_one_are_named() {
    let root = folder(2);
    let file = root.path().join("test/pos/1_7.txt");
    fs::write(&file, "").unwrap();
    let error = refusal(root.path(), Protocol::Clean);
    assert_eq!(
        (error.path, error.problem),
        (file.clone(), "the file is empty".to_string())
    );

    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap(); // a folder of that name cannot be read as a file
    let error = refusal(root.path(), Protocol::Clean);
    assert_eq!(
        (error.path, error.problem),
        (file, "cannot be read".to_string())
    );
    assert!(error.source.is_some());
}

#[test]
fn a_folder_too_small_for_a_dev_split_is_refused_under_clean_only() {
    let root = folder(1);
    for (class, text) in [("neg", "text 1"), ("pos", "text 2")] {
        // Neither is for development: see the pinned rule in protocol.rs.
        fs::write(root.path().join("train").join(class).join("0_7.txt"), text).unwrap();
    }
    let error = refusal(root.path(), Protocol::Clean);
    assert!(error.hint.contains("protocol paper"), "{error}");
    assert!(text::load(root.path(), text::MAX_LEN, Protocol::Paper).is_ok());
}

/// A name is shown on one line, and what is no letter in it by its escape, in names of sets as in errors.
#[test]
fn names_are_shown_without_what_turns_lines_round() {
    let outer = folder(1);
    let inner = outer.path().join("M\u{fc}ll\x1b[2J\n\u{202e}er");
    fs::create_dir(&inner).unwrap();
    for half in ["train", "test"] {
        fs::rename(outer.path().join(half), inner.join(half)).unwrap();
    }
    let shown = "M\u{fc}ll\\x1b[2J\\n\\u{202e}er";
    let data = text::load(&inner, text::MAX_LEN, Protocol::Paper).unwrap();
    assert!(
        data.name.starts_with(&format!("{shown} at /")),
        "{}",
        data.name
    );
    assert!(data.name.ends_with(&format!("/{shown}")), "{}", data.name);
    let hint = text::load(outer.path(), 9, Protocol::Paper)
        .unwrap_err()
        .hint;
    assert!(hint.ends_with(&format!("/{shown}\"?")), "{hint}");
    fs::write(inner.join("train/neg/0_7.txt"), "").unwrap();
    let error = text::load(&inner, 9, Protocol::Paper)
        .unwrap_err()
        .to_string();
    has(&error, format!("/{shown}/train/neg/0_7.txt\": "));
}

#[test]
fn a_maximal_length_of_zero_is_refused() {
    let root = folder(1);
    let error = text::load(root.path(), 0, Protocol::Paper).unwrap_err();
    assert!(error.to_string().contains("at least 1"), "{error}");
}

/// A folder of these classes, a text in each for every one of the names.
fn classes(names: [&[&str]; 2]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for (half, names) in ["train", "test"].iter().zip(names) {
        for class in names {
            let folder = root.path().join(half).join(class);
            fs::create_dir_all(&folder).unwrap();
            for i in 0..20 {
                let text = format!("{half} {class} {i}");
                fs::write(folder.join(format!("{i:02}.txt")), text).unwrap();
            }
        }
    }
    root
}

#[test]
fn folders_in_train_are_the_classes_in_the_order_of_their_names() {
    let names: &[&str] = &["politics", "sport", "Weather report"];
    let root = classes([names, names]);
    let train = root.path().join("train");
    for left in [".git", "__MACOSX", "sport/._00.txt"] {
        fs::create_dir_all(train.join(left)).unwrap();
    }
    fs::write(train.join("readme.md"), "no text").unwrap();
    let data = text::load(root.path(), 9, Protocol::Paper).unwrap();
    assert_eq!(data.classes, ["Weather report", "politics", "sport"]);
    for (split, half) in [(&data.train, "train"), (&data.test, "test")] {
        assert_eq!(split.examples.len(), 60);
        for example in &split.examples {
            let text = format!("{half} {}", data.classes[example.label]);
            assert_eq!(*example.documents[0], text.as_bytes()[..9]);
        }
    }
    has(
        data.notes.join("\n"),
        "60 texts (20 Weather report, 20 politics, 20 sport)",
    );
    let page = text::verify(root.path()).unwrap().to_string();
    has(
        &page,
        "classes: Weather report, politics, sport, published: neg, pos",
    );
    assert!(!page.contains("texts of class"), "{page}");
    // Splits and labels are those of two classes, whatever these are called.
    let two = classes([&["neg", "pos"]; 2]);
    let [neg, zen] = ["neg", "zen"].map(|name| two.path().join("train").join(name));
    let published = text::load(two.path(), 99, Protocol::Clean).unwrap();
    fs::rename(two.path().join("train/pos"), &zen).unwrap();
    fs::rename(two.path().join("test/pos"), two.path().join("test/zen")).unwrap();
    let other = text::load(two.path(), 99, Protocol::Clean).unwrap();
    assert_eq!(
        (&other.train, &other.dev),
        (&published.train, &published.dev)
    );
    assert_eq!(other.classes, ["neg", "zen"]);
    assert!(neg.is_dir());
}

/// The published set has 50,000 texts in `train/unsup`, and lists of addresses beside the classes.
#[test]
fn texts_without_a_label_are_passed_over_beside_neg_and_pos_and_said() {
    let root = classes([&["neg", "pos"]; 2]);
    let before = text::load(root.path(), 99, Protocol::Clean).unwrap();
    let train = root.path().join("train");
    fs::create_dir(train.join("unsup")).unwrap();
    fs::write(train.join("unsup/0_0.txt"), "of no class").unwrap();
    fs::write(train.join("urls_neg.txt"), "http://").unwrap();
    let mut after = text::load(root.path(), 99, Protocol::Clean).unwrap();
    let note = after.notes.pop().unwrap();
    assert_eq!(note, "texts without a label, in folders unsup: passed over");
    assert_eq!(after, before);
    // Where other classes are, it is one, which test has to have.
    let root = classes([&["neg", "unsup"], &["neg"]]);
    let error = refusal(root.path(), Protocol::Clean);
    assert_eq!(error.path, root.path().join("test/unsup"));
    // Beside neg and pos every other folder is a class.
    let root = classes([&["neg", "neutral", "pos"]; 2]);
    let data = text::load(root.path(), 99, Protocol::Clean).unwrap();
    assert_eq!(data.classes, ["neg", "neutral", "pos"]);
}

#[test]
fn classes_that_are_missing_alone_or_empty_are_named() {
    let told = |root: &TempDir| refusal(root.path(), Protocol::Clean);
    let two: &[&str] = &["a", "b"];
    let error = told(&classes([&["a", "b", "c"], two]));
    assert!(error.path.ends_with("test/c"), "{error}");
    has(&error.problem, "there is no such folder");
    has(&error.hint, "train and test need the same classes");
    assert!(
        told(&classes([two, &["a", "b", "c"]]))
            .path
            .ends_with("train/c")
    );
    let error = told(&classes([&["a"], &["a"]]));
    has(
        error.to_string(),
        "there is one class in it, a; expected two classes at least",
    );
    let bare = tempfile::tempdir().unwrap();
    fs::create_dir_all(bare.path().join("train")).unwrap();
    has(told(&bare).problem, "there is no folder of a class in it");
    let root = classes([two; 2]);
    let loose = root.path().join("test/notes.txt");
    fs::write(&loose, "of which class?").unwrap();
    let error = told(&root);
    assert_eq!(error.path, loose);
    has(&error.problem, "beside the folders of the classes");
    fs::remove_file(&loose).unwrap();
    let empty = root.path().join("test/b");
    fs::remove_dir_all(&empty).unwrap();
    fs::create_dir(&empty).unwrap();
    let error = told(&root);
    assert_eq!(
        (error.path, &error.problem[..]),
        (empty, "there is no *.txt in this folder")
    );
}
