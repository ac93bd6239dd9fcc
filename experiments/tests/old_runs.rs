//! Runs that older versions of this program have left (`old_runs/VERSION`): this one goes on with them, judges them,
//! and reads them for tables and pages.
//!
//! The rule for whoever changes the name of a setting, a file of a run or a set that is built in: the runs here are
//! read as before, or refused with an error that says which version reads them. They are never made again; a version
//! that writes other files adds runs of its own.

use flate2::read::GzDecoder;
use serde_json::Value;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// Relative, of every number that is not a count: between kinds of CPU the matrix product rounds differently, which
/// makes 3e-6 in the norm of a gradient and less elsewhere (see `losses.rs`).
const ROUNDING: f64 = 1e-5;

/// A copy of a run of this version, unpacked.
fn copy(version: &str, name: &str) -> (TempDir, PathBuf) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/old_runs");
    let from = from.join(version).join(name);
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join(name);
    fs::create_dir(&run).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        match name.strip_suffix(".gz") {
            Some(name) => {
                let mut packed = GzDecoder::new(File::open(&path).unwrap());
                io::copy(&mut packed, &mut File::create(run.join(name)).unwrap()).unwrap();
            }
            None => drop(fs::copy(&path, run.join(name)).unwrap()),
        }
    }
    (folder, run)
}

/// What a command prints that ends well.
fn printed(program: &str, run: &Path, flags: &[&str]) -> String {
    let mut command = Command::new(program);
    let output = command.arg(run).args(flags).stdin(Stdio::null()).output();
    let output = output.unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    String::from_utf8(output.stdout).unwrap()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn file(run: &Path, name: &str) -> String {
    fs::read_to_string(run.join(name)).unwrap()
}

/// Equal, but for rounding where a number is no whole one.
fn assert_same(old: &Value, new: &Value) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            assert!(old.keys().eq(new.keys()), "{old:?}\n{new:?}");
            old.values()
                .zip(new.values())
                .for_each(|(old, new)| assert_same(old, new));
        }
        (Value::Array(old), Value::Array(new)) => {
            assert_eq!(old.len(), new.len());
            old.iter()
                .zip(new)
                .for_each(|(old, new)| assert_same(old, new));
        }
        (Value::Number(one), Value::Number(other)) if one.is_f64() => {
            let [one, other] = [one, other].map(|number| number.as_f64().unwrap());
            assert!((one - other).abs() <= ROUNDING * one.abs(), "{old} {new}");
        }
        _ => assert_eq!(old, new),
    }
}

#[test]
fn a_stopped_run_goes_on_to_the_end_of_the_same_run() {
    let (_stopped, run) = copy("0.1.0", "stopped");
    let (_ended, ended) = copy("0.1.0", "ended");
    let begun = file(&run, "metrics.jsonl");
    let resume = Command::new(env!("CARGO_BIN_EXE_exp_listops"))
        .arg("--resume")
        .arg(&run)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&resume.stderr);
    assert_eq!(resume.status.code(), Some(0), "{told}");
    assert!(told.contains("goes on after step 2"), "{told}");

    let [old, new] = [&ended, &run].map(|run| file(run, "metrics.jsonl"));
    assert!(new.starts_with(&begun), "{new}");
    assert_eq!(old.lines().count(), new.lines().count(), "{new}");
    for (old, new) in old.lines().zip(new.lines()) {
        assert_same(&json(old), &json(new));
    }
    let [old, new] = [&ended, &run].map(|run| json(&file(run, "result.json")));
    for (name, old) in old.as_object().unwrap() {
        assert_same(old, &new[name]);
    }
}

#[test]
fn an_old_run_is_judged_as_it_was() {
    let evaluate = |run: &Path, flags: &[&str]| {
        let flags = [flags, &["--json"]].concat();
        json(&printed("evaluate", run, &flags))
    };
    let same = |old: &Value, new: &Value| {
        for name in ["loss", "accuracy", "examples"] {
            assert_same(&old[name], &new[name]);
        }
    };
    // A checkpoint, on the dev examples that the run has evaluated it on.
    let (_stopped, stopped) = copy("0.1.0", "stopped");
    let dev = json(file(&stopped, "metrics.jsonl").lines().last().unwrap());
    same(&dev["dev"], &evaluate(&stopped, &["--split", "dev"]));
    // The weights of the test.
    let (_ended, ended) = copy("0.1.0", "ended");
    let weights = ended.join("weights.safetensors");
    let weights = ["--weights", weights.to_str().unwrap()];
    let test = json(&file(&ended, "result.json"));
    same(&test["test"], &evaluate(&ended, &weights));

    let input = ended.join("input");
    fs::write(&input, "[MAX 2 9 [MIN 4 7 ] 0 ]\n[SM 1 1 ]\n").unwrap();
    let flags = [&[input.to_str().unwrap()], &weights[..]].concat();
    let labels = printed("predict", &ended, &flags);
    assert_eq!(labels.lines().count(), 2, "{labels}");
}

#[test]
fn an_old_run_is_read_for_tables_and_pages() {
    let (_ended, ended) = copy("0.1.0", "ended");
    let table = printed("table", &ended, &["--format", "csv"]);
    let mut rows = table.lines().map(|row| row.split(',').collect::<Vec<_>>());
    let (names, row) = (rows.next().unwrap(), rows.next().unwrap());
    let of = |name: &str| row[names.iter().position(|known| *known == name).unwrap()];
    assert_eq!([of("task"), of("method")], ["listops", "skein"]);
    let numbers = ["accuracy", "features", "steps", "parameters"];
    let numbers = numbers.map(|name| of(name).parse::<f64>().unwrap());
    assert_eq!(numbers, [12.5, 4.0, 4.0, 79242.0]);
    for name in ["ended", "stopped"] {
        let (_folder, run) = copy("0.1.0", name);
        printed("report", &run, &[]);
        assert!(file(&run, "report.html").contains("skein"), "{name}");
    }
}
