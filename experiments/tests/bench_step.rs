//! `skein bench step` as a process: one JSON line, and one line for a wrong flag.

use crate::support::fits;
use serde_json::Value;
use std::process::Output;

fn bench_step(args: &[&str]) -> Output {
    crate::skein("bench step").args(args).output().unwrap()
}

/// A step that takes no time.
const TINY: [&str; 8] = [
    "--n",
    "48",
    "--batch",
    "3",
    "--features",
    "8",
    "--seconds",
    "0",
];

#[test]
fn a_step_is_one_line_of_json() {
    let output = bench_step(&TINY);
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["real_tokens"], 3 * 48);
    assert!(report["gflop"].as_f64().unwrap() > 0.0);
    if cfg!(target_os = "linux") {
        assert!(report["page_faults"].as_f64().unwrap() >= 0.0);
        assert!(report["peak_rss_mib"].as_f64().unwrap() > 1.0);
    }
}

#[test]
fn a_larger_model_has_more_to_do() {
    let gflop = |flags: &[&str]| {
        let output = bench_step(&[&TINY, flags].concat());
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        report["gflop"].as_f64().unwrap()
    };
    let [one, two] = [["--layers", "1"], ["--layers", "2"]].map(|flags| gflop(&flags));
    let wide = gflop(&["--dim", "128", "--heads", "4", "--hidden", "256"]);
    assert!(1.5 * one < two && 2.0 * two < wide, "{one} {two} {wide}");
}

#[test]
fn wrong_flags_are_one_line_and_a_hint() {
    for (args, expected) in [
        (["--n", "0"], "expected a whole number from 1 to"),
        (["--batch", "many"], "expected a whole number from 1 to"),
        (["--threads", "0"], "expected a whole number from 1 to 1024"),
        (["--seconds", "nan"], "expected a number of seconds"),
        (["--lengths", "short"], "short"),
        (["--attn", "skien"], "expected one of softmax"),
        (["--heads", "3"], "dim 64 does not divide into 3 heads"),
        (["--lenght", "3"], "--lenght"),
    ] {
        let output = bench_step(&args);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(
            text.starts_with("error: ") && text.contains(expected),
            "{text}"
        );
        assert!(text.lines().count() <= 2, "{text}");
    }
}

#[test]
fn a_profile_stands_beside_the_line() {
    let output = bench_step(&[&TINY[..], &["--profile"]].concat());
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 1);
    let text = String::from_utf8(output.stderr).unwrap();
    fits(&text);
    // Three examples of two layers; a step has all six.
    let calls = |name: &str| -> Option<usize> {
        let line = text.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse().ok()
    };
    assert_eq!(calls("skein"), Some(6), "{text}");
    let shares = text.lines().skip(2).filter_map(|line| {
        let share = line
            .split_whitespace()
            .find_map(|cell| cell.strip_suffix('%'));
        share.and_then(|share| share.parse::<f64>().ok())
    });
    let shares: Vec<f64> = shares.collect();
    let (whole, rows) = shares.split_last().unwrap();
    assert_eq!(*whole, 100.0);
    // All operators stand once more in their sum.
    let operators = text.lines().find(|line| line.starts_with("all operators"));
    let of_operators = operators.unwrap().split_whitespace();
    let twice = of_operators
        .filter_map(|cell| cell.strip_suffix('%'))
        .next();
    let sum = rows.iter().sum::<f64>() - twice.unwrap().parse::<f64>().unwrap();
    assert!((sum - 100.0).abs() < 2.0, "{sum}: {text}");
}
