//! `skein bench attention` as a process: what it prints and writes, and how it refuses.

use crate::stopped::first_kept;
use crate::support::{fits, refused_with, replaces_only_when_asked};
use ops::attention::{names, registry};
use std::fs;
use std::process::Output;

fn bench_attention(args: &[&str]) -> Output {
    crate::skein("bench attention").args(args).output().unwrap()
}

#[test]
fn every_method_has_a_row_a_record_and_a_place_in_the_legend() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("new");
    let output = bench_attention(&[
        "--n",
        "64,33",
        "--features",
        "8",
        "--trials",
        "1",
        "--out",
        out.to_str().unwrap(),
    ]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{told}");
    let text = String::from_utf8(output.stdout).unwrap();
    fits(&text);
    let csv = fs::read_to_string(out.join("attention.csv")).unwrap();
    let svg = fs::read_to_string(out.join("attention.svg")).unwrap();
    for name in names() {
        let begin = format!("{name:17} ");
        let rows = text.lines().filter(|row| row.starts_with(&begin));
        assert_eq!(rows.count(), 2, "{text}");
        assert_eq!(csv.matches(&format!(",{name},")).count(), 2);
        assert_eq!(svg.matches(&format!(">{name}<")).count(), 1);
    }
    // Eight blocks of 2 tokens are not all seen, so that no method is exact.
    assert!(!text.contains('*'), "{text}");
    // Fewer tokens first, whatever the order of the list.
    assert!(text.find("n = 33") < text.find("n = 64"));
}

#[test]
fn methods_that_leave_nothing_out_are_marked() {
    let output = bench_attention(&["--n", "33", "--features", "33", "--trials", "1"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let marked = text.lines().filter(|line| line.ends_with('*'));
    let marked: Vec<&str> = marked.filter_map(|line| line.split(' ').next()).collect();
    let expected: Vec<&str> = registry::<f32>()
        .iter()
        .filter(|entry| entry.laws.exact_at_full_budget)
        .map(|entry| entry.name)
        .collect();
    assert_eq!(marked, expected, "{text}");
    fits(&text);
    assert!(
        text.ends_with("\n*: the features reach n, so that this is exact attention\n"),
        "{text}"
    );
}

#[test]
fn who_stops_it_keeps_the_numbers_of_tokens_that_were_measured() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = crate::skein("bench attention");
    let flags = "--attn softmax --n 16,16384 --trials 3 --limit 1000 --out";
    command.args(flags.split(' ')).arg(folder.path());
    let csv = first_kept(&mut command, &folder.path().join("attention.csv"));
    assert!(csv.contains(",16,softmax,") && csv.lines().count() == 2);
}

#[test]
fn files_by_others_are_replaced_only_when_asked() {
    let flags = "--n 16 --attn vmean --features 4 --trials 1";
    let files = ["attention.csv", "attention.svg"];
    replaces_only_when_asked(
        bench_attention,
        flags,
        &files,
        "not by skein bench attention",
    );
}

#[test]
fn wrong_flags_are_one_line_and_write_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("new");
    for (args, expected) in [
        (["--n", "0"], "expected a whole number from 1 to"),
        (["--input", "run"], "expected gauss or tokens"),
        (["--trials", "0"], "expected a whole number from 1 to 1000"),
        (["--limit", "nan"], "expected a number of seconds"),
        (["--attn", "skien"], "expected one of softmax"),
    ] {
        let output = bench_attention(&[&args[..], &["--out", out.to_str().unwrap()]].concat());
        refused_with(&output, expected);
        assert!(!out.exists());
    }
}
