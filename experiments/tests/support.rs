//! What tests ask of texts, folders and the outputs of commands. A failure says where it was asked.

use std::fs;
use std::path::Path;
use std::process::Output;

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
