//! Tells `environment.rs` what the program is built from: the hash of its code, the git commit, the compiler, the version
//! of matrixmultiply; and hands it the source files that a page shows. Whatever cannot be found out, as the commit in a source archive without git, is "unknown".

#[path = "src/run/environment/source.rs"]
mod source;

use std::path::Path;
use std::process::Command;
use std::{env, fs};

fn main() {
    let root = Path::new("..");
    let rustc = env::var("RUSTC").unwrap_or("rustc".into());
    let lock = fs::read_to_string("../Cargo.lock").unwrap_or_default();
    let matrixmultiply = lock
        .split("[[package]]")
        .find(|package| package.contains("\nname = \"matrixmultiply\"\n"))
        .and_then(|package| package.split("version = \"").nth(1)?.split('"').next())
        .map(str::to_string);
    let known = |fact: Option<String>| fact.unwrap_or("unknown".into());
    let commit = output(
        "git",
        &[
            "describe",
            "--always",
            "--dirty",
            "--abbrev=40",
            "--exclude=*",
        ],
    );
    println!(
        "cargo::rustc-env=BUILT_CODE={}",
        known(source::hash(root).ok())
    );
    println!("cargo::rustc-env=BUILT_FROM={}", known(commit));
    println!(
        "cargo::rustc-env=BUILT_BY={}",
        known(output(&rustc, &["--version"]))
    );
    println!(
        "cargo::rustc-env=BUILT_WITH_MATRIXMULTIPLY={}",
        known(matrixmultiply)
    );

    let sources = Path::new(&env::var("OUT_DIR").expect("cargo sets it")).join("sources.rs");
    fs::write(sources, nodes(root)).expect("cargo's own folder takes a file");

    // Whether the source has been changed since the commit is asked again when any of it changes.
    for path in [&["Cargo.lock"], &source::CRATES[..]].concat() {
        println!("cargo::rerun-if-changed={}", root.join(path).display());
    }
    for file in ["HEAD", "index"] {
        if let Some(path) = output("git", &["rev-parse", "--git-path", file]) {
            println!("cargo::rerun-if-changed={path}");
        }
    }
}

/// The source files that a node of a tape can name, as the constant of `skein study`: name and text of each.
fn nodes(root: &Path) -> String {
    let mut list = String::from("const SOURCES: &[(&str, &str)] = &[\n");
    let mut folders: Vec<_> = ["ops/src", "models/src", "engine/src"]
        .map(|name| root.join(name))
        .into();
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.path() {
                path if path.is_dir() => folders.push(path),
                path if path.extension().is_some_and(|end| end == "rs") => files.push(path),
                _ => {}
            }
        }
    }
    files.sort();
    for path in files {
        let text = fs::read_to_string(&path).unwrap_or_default();
        let name = path
            .strip_prefix(root)
            .expect("a file below it")
            .to_string_lossy();
        if text.contains("record(") || text.contains(".leaf(") {
            let name = name.replace('\\', "/");
            list += &format!(
                "({name:?}, include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/../{name}\"))),\n"
            );
        }
    }
    list + "];\n"
}

/// The first line that a program prints, if it succeeds.
fn output(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines()
        .next()
        .filter(|_| output.status.success())
        .map(str::to_string)
}
