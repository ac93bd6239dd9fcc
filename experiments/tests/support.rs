//! What tests ask of texts, folders and the outputs of commands. A failure says where it was asked.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Whether these words stand in a text; if not, shows it.
#[track_caller]
pub(crate) fn has(text: impl AsRef<str>, words: impl AsRef<str>) {
    let (text, words) = (text.as_ref(), words.as_ref());
    assert!(text.contains(words), "no {words:?} in\n{text}");
}

/// Whether a terminal of 80 columns has room for a text.
#[track_caller]
pub(crate) fn fits(text: impl AsRef<str>) {
    for line in text.as_ref().lines() {
        let letters = line.chars().count();
        assert!(letters <= 80, "{letters} letters: {line}");
    }
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// What a command that ends well prints.
#[track_caller]
pub(crate) fn printed(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
    stdout(output)
}

/// What a command says that must fail with this code: one line about what is wrong, at most one about what to do.
#[track_caller]
pub(crate) fn refused(output: &Output, code: i32) -> String {
    let told = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{told}");
    let few = told.starts_with("error: ") && told.lines().count() <= 2;
    assert!(few, "{told}");
    told
}

/// The names in a folder, sorted; none if it is not there.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
    let mut names: Vec<String> = entries
        .map(|entry| name(entry).into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// The files of a run into a folder of their own.
pub(crate) fn copy(run: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for name in names(run) {
        fs::copy(run.join(&name), to.join(&name)).unwrap();
    }
}

/// Whether a command replaces the files `names` that others have written only with `--overwrite`, and its own always.
#[track_caller]
pub(crate) fn replaces_only_when_asked(
    run: impl Fn(&[&str]) -> Output,
    flags: &str,
    names: &[&str],
    others: &str,
) {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let mut args: Vec<&str> = flags.split(' ').chain(["--out", out]).collect();
    for _ in 0..2 {
        printed(&run(&args));
    }
    for name in names {
        let file = folder.path().join(name);
        fs::write(&file, "mine").unwrap();
        let told = refused(&run(&args), 2);
        has(&told, format!(" exists and is {others}: "));
        has(&told, "hint: --overwrite replaces it");
        assert_eq!(fs::read(&file).unwrap(), b"mine");
        args.push("--overwrite");
        printed(&run(&args));
        args.pop();
        assert_ne!(fs::read(&file).unwrap(), b"mine");
    }
    assert_eq!(self::names(folder.path()).len(), names.len());
}

/// Whether wrong flags, the output of a command with which is here, are refused with these words and no answer.
#[track_caller]
pub(crate) fn refused_with(output: &Output, words: &str) {
    assert_eq!(stdout(output), "");
    has(refused(output, 2), words);
}

/// Whether a command ends well whose reader goes before it answers.
#[track_caller]
pub(crate) fn outlives_its_reader(command: &mut Command) {
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), stderr(&output).contains("error: ")),
        (Some(0), false)
    );
}

/// Texts as `{train,test}/CLASS/NUMBER.txt`, so many of each class in each half; `text` makes one of half, class and
/// number.
pub(crate) fn write_texts(
    folder: &Path,
    counts: [usize; 2],
    classes: &[&str],
    text: impl Fn(&str, &str, usize) -> Vec<u8>,
) {
    for (half, count) in ["train", "test"].iter().zip(counts) {
        for class in classes {
            let folder = folder.join(half).join(class);
            fs::create_dir_all(&folder).unwrap();
            for i in 0..count {
                fs::write(folder.join(format!("{i:02}.txt")), text(half, class, i)).unwrap();
            }
        }
    }
}

/// Lines of metrics that a run has so far.
pub(crate) fn lines(run: &Path) -> usize {
    fs::read_to_string(run.join("metrics.jsonl")).map_or(0, |text| text.lines().count())
}

/// Waits until the run of a child has `count` lines of metrics; false if the child has ended.
pub(crate) fn wait_for_lines(child: &mut Child, run: &Path, count: usize) -> bool {
    let start = Instant::now();
    while lines(run) < count {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "no progress");
        std::thread::sleep(Duration::from_millis(1));
    }
    true
}
