//! `skein diff`: runs that are the same, runs that are not, and what is no run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::OnceLock;

fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("diff");
        let _ = fs::remove_dir_all(&folder);
        for (name, flags) in [
            ("one", "--seed 1 --threads 1"),
            ("same", "--seed 1 --threads 2"),
            ("other", "--seed 2"),
            ("stopped", "--seed 1 --stop-after 2"),
        ] {
            let mut command = crate::skein("listops");
            command.args("--budget smoke --data builtin --attn vmean".split(' '));
            command.args("--max-len 24 --steps 4 --warmup 1 --eval-every 2".split(' '));
            command.args("--eval-examples 4 --test-examples 4 --batch 2".split(' '));
            command
                .args(flags.split(' '))
                .arg("--out")
                .arg(folder.join(name));
            let output = command.output().unwrap();
            let told = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(0), "{told}");
        }
        folder
    })
}

fn diff(one: &str, other: &str, flags: &[&str]) -> Output {
    let mut command = crate::skein("diff");
    command.args([one, other]).args(flags);
    command.current_dir(folder()).output().unwrap()
}

fn printed(output: &Output, code: i32) -> String {
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{told}");
    assert!(told.is_empty(), "{told}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// A copy of the run `one` in which a word of a file is another.
fn altered(name: &str, file: &str, from: &str, to: &str) {
    let copy = folder().join(name);
    let _ = fs::remove_dir_all(&copy);
    fs::create_dir(&copy).unwrap();
    for entry in fs::read_dir(folder().join("one")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, copy.join(path.file_name().unwrap())).unwrap();
    }
    let text = fs::read_to_string(copy.join(file)).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(copy.join(file), text.replacen(from, to, 1)).unwrap();
}

#[test]
fn runs_that_differ_in_nothing_but_threads_are_equal() {
    let expected = "\
        - one\n+ same\n\
        settings     the same\n\
        data         the same\n\
        code         the same\n\
        product      the same\n\
        kernel path  the same\n\
        machine      different, which changes no number by itself\n  - threads 1\n  + threads 2\n\
        numbers      equal to the bit over 4 steps\n\
        test         the same\n";
    assert_eq!(printed(&diff("one", "same", &[]), 0), expected);
}

#[test]
fn another_seed_is_told_with_the_first_line_that_differs() {
    let text = printed(&diff("one", "other", &[]), 1);
    let start = "\
        - one\n+ other\n\
        settings     different\n  - seed = 1\n  + seed = 2\n\
        data         the same\n";
    assert!(text.starts_with(start), "{text}");
    let start = "\nnumbers      different from step 1 on: accuracy, ";
    assert!(text.contains(start), "{text}");
    for (sign, run) in [('-', "one"), ('+', "other")] {
        let metrics = fs::read_to_string(folder().join(run).join("metrics.jsonl")).unwrap();
        let first = metrics.lines().next().unwrap();
        assert!(text.contains(&format!("\n  {sign} {first}\n")), "{text}");
    }
    // By how much, there and over all steps; in points of the test.
    let read = |run: &str| -> Vec<serde_json::Value> {
        let metrics = fs::read_to_string(folder().join(run).join("metrics.jsonl")).unwrap();
        let lines = metrics.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let (one, other) = (read("one"), read("other"));
    let losses = |place: &str| -> Vec<(u64, f64, f64)> {
        let both = one.iter().zip(&other);
        both.filter_map(|(a, b)| {
            let loss = |line: &serde_json::Value| line.pointer(place)?.as_f64();
            Some((a["step"].as_u64()?, loss(a)?, loss(b)?))
        })
        .collect()
    };
    let (_, from, to) = losses("/loss")[0];
    let row = format!("\n  loss: {from} -> {to}, by {:+.4} (", to - from);
    assert!(text.contains(&row), "{row}{text}");
    for (name, place) in [("loss", "/loss"), ("dev.loss", "/dev/loss")] {
        let all = losses(place);
        let most = all.iter().map(|(_, from, to)| (to - from).abs());
        let most = most.fold(0.0, f64::max);
        let (step, from, to) = *all.iter().rfind(|(_, a, b)| (a - b).abs() == most).unwrap();
        let row = format!("\n  {name}, most: {from} -> {to}, by {:+.4} ", to - from);
        assert!(text.contains(&row), "{row}{text}");
        assert!(text.contains(&format!(" in step {step}\n")), "{text}");
    }
    assert!(text.contains(" points\n"), "{text}");
}

#[test]
fn a_run_that_stopped_is_not_equal_to_one_that_went_on() {
    let text = printed(&diff("one", "stopped", &[]), 1);
    let end = "\
        numbers      equal to the bit over 2 steps; then only - goes on\n\
        test         only - has ended\n";
    assert!(text.ends_with(end), "{text}");
    let text = printed(&diff("stopped", "stopped", &[]), 0);
    assert!(
        text.ends_with("over 2 steps\ntest         neither has ended\n"),
        "{text}"
    );
}

#[test]
fn the_last_bit_counts_and_what_explains_it_is_told() {
    let metrics = fs::read_to_string(folder().join("one/metrics.jsonl")).unwrap();
    let third = metrics
        .lines()
        .find(|line| line.starts_with("{\"step\":3,"));
    let rate = third.unwrap().split("\"gradient_norm\":").nth(1).unwrap();
    let rate: f64 = rate.split([',', '}']).next().unwrap().parse().unwrap();
    let next = f64::from_bits(rate.to_bits() + 1);
    altered(
        "bit",
        "metrics.jsonl",
        &format!("{rate:?}"),
        &format!("{next:?}"),
    );
    for flags in [&[][..], &["--numbers"]] {
        let text = printed(&diff("one", "bit", flags), 1);
        let row = "numbers      different from step 3 on: gradient_norm\n";
        assert!(text.contains(row), "{text}");
        let row = format!("  gradient_norm: {rate} -> {next}, by +");
        assert!(text.contains(&row), "{row} {text}");
        let rows = "  loss: the same in all 4 of them\n  dev.loss: the same in all 2 of them\n";
        assert!(text.contains(rows), "{text}");
    }

    let environment = fs::read_to_string(folder().join("one/environment.toml")).unwrap();
    let product = environment
        .lines()
        .find(|line| line.starts_with("product = "));
    altered(
        "product",
        "environment.toml",
        product.unwrap(),
        "product = \"another\"",
    );
    let text = printed(&diff("one", "product", &[]), 1);
    assert!(text.contains("\nproduct      different\n"), "{text}");
    assert!(text.contains(" + another\n"), "{text}");
    // Its numbers are the same.
    printed(&diff("one", "product", &["--numbers"]), 0);
}

#[test]
fn what_is_no_run_is_an_error_with_exit_code_2() {
    altered("cut", "metrics.jsonl", "{\"step\":2,", "{\"stop\":2,");
    for other in ["none", ".", "cut"] {
        let output = diff("one", other, &[]);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(
            output.stdout.is_empty() && told.starts_with("error: "),
            "{told}"
        );
        assert_eq!(told.lines().count(), 2, "{told}");
    }
}
