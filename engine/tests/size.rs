//! The project stays small: crates below their ceilings of lines, and what of engine is to be read short enough for an
//! evening.

use std::fs;
use std::path::{Path, PathBuf};

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The Rust files below a folder.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// The folders of the crates, as the workspace lists them.
fn crates() -> Vec<String> {
    let manifest = text(&workspace().join("Cargo.toml"));
    let (_, members) = manifest.split_once("members = [").unwrap();
    let (members, _) = members.split_once(']').unwrap();
    let folders = members.split('"').skip(1).step_by(2);
    folders.map(String::from).collect()
}

/// The lines of `.ci/lines.toml`: a crate's folder and its ceiling.
fn ceilings() -> Vec<(String, usize)> {
    let ceilings = text(&workspace().join(".ci/lines.toml"));
    let rows = ceilings
        .lines()
        .filter(|row| !row.starts_with('#') && !row.is_empty());
    let read = |row: &str| {
        let (folder, ceiling) = row.split_once(" = ")?;
        Some((folder.trim_matches('"').to_string(), ceiling.parse().ok()?))
    };
    rows.map(|row| {
        read(row).unwrap_or_else(|| panic!(".ci/lines.toml: {row:?}, expected CRATE = LINES"))
    })
    .collect()
}

#[test]
fn no_crate_grows_beyond_its_ceiling() {
    let ceilings = ceilings();
    let listed: Vec<&String> = ceilings.iter().map(|(folder, _)| folder).collect();
    assert_eq!(
        listed,
        crates().iter().collect::<Vec<_>>(),
        ".ci/lines.toml lists the crates in the order of Cargo.toml"
    );
    let mut wrong = String::new();
    for (folder, ceiling) in &ceilings {
        let files = rust_files(&workspace().join(folder).join("src"));
        let lines: usize = files.iter().map(|file| text(file).lines().count()).sum();
        if lines > *ceiling {
            wrong += &format!(
                "{folder}/src has {lines} lines, its ceiling in .ci/lines.toml is {ceiling}\n"
            );
        }
    }
    assert!(
        wrong.is_empty(),
        "{wrong}who raises a ceiling says why in the commit"
    );
}

#[test]
fn what_is_to_be_read_stays_short() {
    let lines = |file: &str| {
        let path = workspace().join("engine").join(file);
        text(&path).lines().count()
    };
    let tape = lines("src/tape.rs");
    assert!(
        tape <= 300,
        "tape.rs has {tape} lines, expected at most 300"
    );
    let rest = [
        "src/gradients.rs",
        "src/trace.rs",
        "src/tensor.rs",
        "src/arithmetic.rs",
        "src/params.rs",
        "src/check.rs",
        "src/rng.rs",
        "src/draws.rs",
        "tests/tape.rs",
    ];
    let all = tape + rest.into_iter().map(lines).sum::<usize>();
    assert!(
        all <= 2200,
        "the files to be read have {all} lines, expected at most 2,200"
    );
}
