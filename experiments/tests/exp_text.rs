//! exp_text from outside: a process, its exit code, what it prints and what it leaves on the disk.
//!
//! Runs are tiny, on texts that this file writes; the built-in corpus, which takes a second to
//! make, is for `losses.rs`.

use crate::support::{fits, has, lines, names, stderr, stdout, wait_for_lines, write_texts};
use engine::cpu::Product;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

/// Twelve steps, an evaluation every three.
const TINY: &str = "\
budget = \"smoke\"
steps = 12
batch = 5
learning_rate = 3e-3
warmup = 4
eval_every = 3
eval_examples = 16
test_examples = 16
max_len = 64
groups = 3
";

/// Files that equal runs have equal, byte for byte.
const SAME: [&str; 5] = [
    "metrics.jsonl",
    "data.json",
    "weights.safetensors",
    "result.json",
    "config.toml",
];

fn exp_text() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_exp_text"));
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A new run in `out`: [`TINY`] on the texts, where `flags`, separated by spaces, say nothing else.
fn new_run(out: &Path, flags: &str) -> Command {
    let mut command = exp_text();
    command.args([OsStr::new("--config"), tiny().as_os_str()]);
    command.args([OsStr::new("--out"), out.as_os_str()]);
    command.args(flags.split_whitespace());
    command
}

fn resume(folder: &Path, flags: &str) -> Command {
    let mut command = exp_text();
    command.args([OsStr::new("--resume"), folder.as_os_str()]);
    command.args(flags.split_whitespace());
    command
}

/// Runs a command that is expected to end well.
fn succeed(mut command: Command) -> Output {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    output
}

/// Runs a command that is expected to fail: one line that says what was wrong, at most one that
/// says what to do, and they come last. Returns the two.
fn refuse(mut command: Command, code: i32) -> String {
    let output = command.output().unwrap();
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(!text.contains("panicked"), "{text}");
    let lines: Vec<&str> = text.lines().collect();
    let errors = lines.iter().filter(|line| line.starts_with("error: "));
    assert_eq!(errors.count(), 1, "{text}");
    let start = lines.iter().position(|line| line.starts_with("error: "));
    let last = &lines[start.unwrap()..];
    assert!(
        last.len() == 1 || (last.len() == 2 && last[1].starts_with("hint: ")),
        "{text}"
    );
    assert_eq!(stdout(&output), "");
    last.join("\n")
}

/// The file with the settings of [`TINY`], and the texts beside it.
fn tiny() -> &'static Path {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    FILE.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        write_texts(&folder.join("texts"), [40, 10], &["neg", "pos"], easy_text);
        let file = folder.join("tiny.toml");
        let data = toml::Value::from(folder.join("texts").to_str().unwrap());
        fs::write(&file, format!("{TINY}data = {data}\n")).unwrap();
        file
    })
}

/// A short text that a model tells apart at once from those of the other class; no text comes twice.
fn easy_text(half: &str, class: &str, i: usize) -> Vec<u8> {
    let letters = match class {
        "neg" => b"nopqrstuvwxyz ",
        _ => b"abcdefghijklm ",
    };
    // A small linear congruential generator.
    let mut state = i as u32 * 7919 + half.len() as u32;
    let mut letter = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        letters[(state >> 16) as usize % letters.len()]
    };
    let mut text: Vec<u8> = (0..10 + 7 * i % 90).map(|_| letter()).collect();
    text.push(0xff); // Bytes are bytes: this is not UTF-8.
    text
}

fn assert_same(one: &Path, other: &Path, files: &[&str]) {
    for file in files {
        let bytes = |folder: &Path| fs::read(folder.join(file)).unwrap();
        let (one, other) = (bytes(one), bytes(other));
        assert!(!one.is_empty(), "{file} is empty");
        assert!(one == other, "{file} differs");
    }
}

fn assert_same_run(one: &Path, other: &Path) {
    assert_same(one, other, &SAME);
    let checkpoints: Vec<String> = names(one)
        .into_iter()
        .filter(|name| name.ends_with(".bin"))
        .collect();
    assert!(checkpoints.contains(&"best.bin".to_string()));
    for checkpoint in checkpoints {
        // The last but one depends on where the run was interrupted.
        if other.join(&checkpoint).exists() {
            assert_same(one, other, &[&checkpoint]);
        }
    }
}

fn send(signal: &str, child: &Child) {
    let id = child.id().to_string();
    let sent = Command::new("kill").args([signal, &id]).status().unwrap();
    assert!(sent.success());
}

// What is computed.

#[test]
fn the_number_of_threads_changes_no_byte() {
    for product in Product::available().map(Product::name) {
        for attn in ["skein", "softmax"] {
            same_over_threads(&format!("--attn {attn} --product {product}"));
        }
    }
}

fn same_over_threads(flags: &str) {
    let folder = tempfile::tempdir().unwrap();
    let [one, two] = ["1", "2"].map(|threads| {
        let out = folder.path().join(threads);
        succeed(new_run(&out, &format!("{flags} --threads {threads}")));
        out
    });
    assert_same(&one, &two, &SAME);
    assert_same(
        &one,
        &two,
        &["best.bin", "checkpoint-9.bin", "checkpoint-12.bin"],
    );
}

#[test]
fn a_run_keeps_its_product() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    if !Product::FixedOrder.is_available() {
        let error = refuse(new_run(&at("run"), "--product fixed-order"), 2);
        has(&error, "expected AVX2 and FMA, or AVX-512");
        assert!(error.contains("hint: --product matrixmultiply"), "{error}");
        assert!(!at("run").exists());
        return;
    }
    let (whole, parts, other) = (at("whole"), at("parts"), at("other"));
    succeed(new_run(&whole, "--product fixed-order"));
    succeed(new_run(&parts, "--product fixed-order --stop-after 5"));
    let error = refuse(resume(&parts, "--product matrixmultiply"), 2);
    has(&error, "--product cannot be given with --resume");
    succeed(resume(&parts, ""));
    assert_same_run(&whole, &parts);

    succeed(new_run(&other, ""));
    let read = |run: &Path, file: &str| fs::read_to_string(run.join(file)).unwrap();
    for (run, product) in [(&parts, "fixed-order"), (&other, "matrixmultiply")] {
        let line = format!("product = \"{product}");
        for file in ["config.toml", "environment.toml"] {
            assert!(read(run, file).contains(&line), "{file}");
        }
    }

    // The model of a run is judged with its product: the same loss to the last digit.
    let result: serde_json::Value = serde_json::from_str(&read(&whole, "result.json")).unwrap();
    let judge = |flags: &str| {
        let mut evaluate = crate::skein("evaluate");
        evaluate
            .arg(&whole)
            .arg("--json")
            .args(flags.split_whitespace());
        let judged: serde_json::Value = serde_json::from_str(&stdout(&succeed(evaluate))).unwrap();
        judged["loss"].as_f64().unwrap()
    };
    assert_eq!(Some(judge("")), result["test"]["loss"].as_f64());
    // The other rounds otherwise with AVX2, and alike with AVX-512.
    let other = judge("--product matrixmultiply");
    assert!((other / judge("") - 1.0).abs() < 1e-4, "{other}");
}

#[test]
fn a_run_says_where_nothing_is_sketched() {
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str, flags: &str| {
        let out = folder.path().join(name);
        let told = stderr(&succeed(new_run(&out, flags)));
        let result = fs::read(out.join("result.json")).unwrap();
        let result: serde_json::Value = serde_json::from_slice(&result).unwrap();
        let notes = told.lines().filter(|line| line.starts_with("note: "));
        let note = notes.map(String::from).collect::<Vec<_>>().join("; ");
        let exact = result["exact_examples"].as_u64();
        (note, exact, result["lengths"]["examples"].as_u64().unwrap())
    };
    let (note, exact, all) = run("whole", "--features 64");
    let expected = "note:   nothing is sketched: n <= features (longest example 64 tokens), so that this is exact attention";
    assert_eq!((note.as_str(), exact), (expected, Some(all)));
    let (note, exact, all) = run("part", "--features 40");
    let some = exact.unwrap();
    assert!(0 < some && some < all, "{some} of {all}");
    let expected = format!("note:   features reach n in {some} of {all} examples (");
    assert!(
        note.starts_with(&expected) && note.ends_with("%): these are exact"),
        "{note}"
    );
    assert_eq!(run("none", "--features 2"), (String::new(), Some(0), all));
    for attn in ["vmean", "softmax"] {
        let (note, exact, _) = run(attn, &format!("--features 64 --attn {attn}"));
        assert_eq!((note.as_str(), exact), ("", None), "{attn}");
    }
}

#[test]
fn a_run_tells_what_it_does_and_what_came_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let output = succeed(new_run(&out, "--threads 2"));
    let told = stderr(&output);
    let expected = [
        "config: text, skein, features 32, seed 42, protocol clean, budget smoke",
        "        steps 12, batch 5, max-len 64, learning rate 0.003, warm-up 4",
        "data:   texts at ",
        "run:    ",
        "step 3: dev loss 0.",
        "step 12: dev loss 0.",
    ];
    let mut rest = told.lines();
    for start in expected {
        assert!(rest.any(|line| line.starts_with(start)), "{start}: {told}");
    }
    // To a pipe, the longest line is one.
    let rule = "        protocol clean: dev = the texts of train whose SHA-256, first 8 bytes, is 0 modulo 10; train ";
    assert!(told.contains(rule), "{told}");
    let answer = stdout(&output);
    let (table, next) = answer.split_once("next, for example:\n").unwrap();
    let commands: Vec<&str> = next.lines().collect();
    assert_eq!(commands.len(), 3, "{next}");
    for (command, program) in commands.iter().zip(["evaluate", "predict", "table"]) {
        let folder = format!(" {}", out.display());
        assert!(
            command.contains(program) && command.ends_with(&folder),
            "{command}"
        );
    }
    let rows: Vec<&str> = table.lines().map(|line| line[..15].trim()).collect();
    let expected = [
        "data",
        "model",
        "test accuracy",
        "token frequency",
        "majority class",
        "time",
        "run folder",
        "report",
    ];
    assert_eq!(rows, expected);
    // The texts are easy: what trains, learns them.
    has(&answer, "test accuracy   100.00% of 16 examples");
    let expected = [
        "best.bin",
        "checkpoint-12.bin",
        "checkpoint-9.bin",
        "config.toml",
        "data.json",
        "environment.toml",
        "metrics.jsonl",
        "operators.json",
        "report.html",
        "result.json",
        "timings.jsonl",
        "weights.safetensors",
    ];
    assert_eq!(names(&out), expected);
}

#[test]
fn the_protocol_chooses_the_weights_that_are_tested() {
    let folder = tempfile::tempdir().unwrap();
    // So low a rate that the dev loss stays as it is: the first evaluation is the best.
    let flags = "--lr 1e-37 --protocol";
    let best_and_tested = ["clean", "paper"].map(|protocol| {
        let out = folder.path().join(protocol);
        succeed(new_run(&out, &format!("{flags} {protocol}")));
        let metrics = fs::read_to_string(out.join("metrics.jsonl")).unwrap();
        let mut best = (0, f64::INFINITY);
        for line in metrics.lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            if let Some(loss) = line["dev"]["loss"].as_f64().filter(|loss| *loss < best.1) {
                best = (line["step"].as_u64().unwrap(), loss);
            }
        }
        let result = fs::read_to_string(out.join("result.json")).unwrap();
        let result: serde_json::Value = serde_json::from_str(&result).unwrap();
        assert_eq!(result["best_dev"]["loss"].as_f64(), Some(best.1));
        (best.0, result["tested_weights_of_step"].as_u64().unwrap())
    });
    assert_eq!(best_and_tested, [(3, 3), (3, 12)]);
}

// Interruptions.

#[test]
fn a_run_that_is_stopped_and_resumed_has_the_bytes_of_one_that_was_not() {
    let folder = tempfile::tempdir().unwrap();
    // The second ends early: its rate is so low that the dev loss stays as it is.
    for (name, flags) in [("plain", ""), ("patience", "--lr 1e-37 --patience 2")] {
        let whole = folder.path().join(format!("{name}-whole"));
        let parts = folder.path().join(format!("{name}-parts"));
        succeed(new_run(&whole, flags));
        let flags = format!("{flags} --stop-after 1 --threads 1");
        let output = succeed(new_run(&parts, &flags));
        let told = stderr(&output);
        let expected = format!(
            "stopped after step 1 of 12; go on with --resume {}",
            parts.display()
        );
        assert_eq!(told.lines().last(), Some(expected.as_str()), "{told}");
        assert_eq!(stdout(&output), "");
        for (stop, threads) in [(3, 2), (4, 1), (8, 2), (8, 2)] {
            let flags = format!("--stop-after {stop} --threads {threads}");
            succeed(resume(&parts, &flags));
        }
        assert!(!parts.join("result.json").exists());
        let told = stderr(&succeed(resume(&parts, "")));
        assert!(told.contains("(goes on after step 8)"), "{told}");
        let last = fs::read_to_string(whole.join("metrics.jsonl")).unwrap();
        let last = last.lines().last().unwrap().to_string();
        let expected = if name == "plain" { 12 } else { 9 };
        assert!(
            last.starts_with(&format!("{{\"step\":{expected},\"dev\"")),
            "{last}"
        );
        assert_same_run(&whole, &parts);
    }
}

#[test]
fn a_run_cannot_stop_after_a_step_that_is_behind_it() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    succeed(new_run(&run, "--stop-after 7"));
    let all = || {
        names(&run)
            .into_iter()
            .map(|name| fs::read(run.join(name)).unwrap())
    };
    let before: Vec<_> = all().collect();
    let error = refuse(resume(&run, "--stop-after 6"), 2);
    let expected = "--stop-after 6: the run in ";
    assert!(error.contains(expected), "{error}");
    assert!(error.contains(" is at step 7 already"), "{error}");
    assert!(all().eq(before));
    // That it is there is no mistake.
    succeed(resume(&run, "--stop-after 7"));
}

#[test]
fn an_interrupted_or_killed_run_continues_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let flags = "--steps 200 --eval-every 25 --lr 1e-3";
    let whole = folder.path().join("whole");
    succeed(new_run(&whole, flags));
    for (signal, code) in [("-INT", Some(130)), ("-KILL", None)] {
        let run = folder.path().join(signal);
        let mut child = new_run(&run, flags).spawn().unwrap();
        // Steps that a killed process has done since its last checkpoint are done again.
        let mut interruptions = 0;
        for (i, count) in [1, 26, 40, 110, 163].into_iter().enumerate() {
            // On a busy machine the child may be faster than this loop.
            if !wait_for_lines(&mut child, &run, count) {
                break;
            }
            std::thread::sleep(Duration::from_micros(700 * i as u64));
            send(signal, &child);
            let output = child.wait_with_output().unwrap();
            let told = stderr(&output);
            if output.status.code() == code {
                interruptions += 1;
                if signal == "-INT" {
                    let last = told.lines().last().unwrap();
                    assert!(last.starts_with("interrupted after step "), "{told}");
                    assert!(last.contains(" of 200; go on with --resume "), "{told}");
                }
            }
            child = match run.join("result.json").exists() {
                true => exp_text().arg("--list").spawn().unwrap(), // Nothing is left to do.
                false => resume(&run, "").spawn().unwrap(),
            };
        }
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(interruptions > 0, "{signal}: always too late");
        assert_same_run(&whole, &run);
    }
}

#[test]
fn an_evaluation_that_is_interrupted_comes_again_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    // A tenth of these are the dev split, more than are judged between two looks at signals.
    let table = |from: usize, to: usize| -> String {
        let text = |i: usize| format!("{i} is {}\t{}\n", ["odd", "even"][i % 2], i % 2);
        "Source\tTarget\n".to_string() + &(from..to).map(text).collect::<String>()
    };
    fs::write(folder.path().join("train.tsv"), table(0, 6_000)).unwrap();
    fs::write(folder.path().join("test.tsv"), table(6_000, 6_400)).unwrap();
    let flags = format!(
        "--attn vmean --eval-examples 0 --test-examples 0 --data {}",
        folder.path().display()
    );
    let (whole, run) = (folder.path().join("whole"), folder.path().join("run"));
    succeed(new_run(&whole, &flags));
    let mut child = new_run(&run, &flags).spawn().unwrap();
    let mut interrupted = Vec::new();
    // The lines of steps and evaluations so far: after 3 steps, 4 lines and 3 steps, and so on comes an evaluation.
    for count in [3, 7, 11, 15, 16] {
        if !wait_for_lines(&mut child, &run, count) {
            break;
        }
        for signal in ["-TERM", "-TERM"] {
            send(signal, &child);
        }
        let output = child.wait_with_output().unwrap();
        if output.status.code() == Some(0) {
            child = exp_text().arg("--list").spawn().unwrap(); // It was too late.
            break;
        }
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(130), "{told}");
        assert!(told.contains("interrupted after step "), "{told}");
        let metrics = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
        let last: serde_json::Value =
            serde_json::from_str(metrics.lines().last().unwrap()).unwrap();
        let step = last["step"].as_u64().unwrap();
        assert!(run.join(format!("checkpoint-{step}.bin")).exists());
        if step.is_multiple_of(3) && last["dev"].is_null() {
            interrupted.push(step);
        }
        child = resume(&run, "").spawn().unwrap();
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(!interrupted.is_empty(), "always too late");
    assert_same_run(&whole, &run);

    // A checkpoint of before the evaluation, beside the lines of after it: killed before the next checkpoint.
    let again = folder.path().join("again");
    let mut child = new_run(&again, &flags).spawn().unwrap();
    assert!(wait_for_lines(&mut child, &again, 3));
    send("-TERM", &child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    if again.join("checkpoint-3.bin").exists() && lines(&again) == 3 {
        let before = fs::read(again.join("checkpoint-3.bin")).unwrap();
        succeed(resume(&again, "--stop-after 3"));
        assert_eq!(lines(&again), 4);
        assert_ne!(fs::read(again.join("checkpoint-3.bin")).unwrap(), before);
        fs::write(again.join("checkpoint-3.bin"), before).unwrap();
        fs::remove_file(again.join("best.bin")).unwrap();
        succeed(resume(&again, ""));
        assert_same_run(&whole, &again);
    }
}

#[test]
fn a_run_killed_between_checkpoint_and_best_weights_tests_the_best_ones() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, run) = (folder.path().join("whole"), folder.path().join("run"));
    succeed(new_run(&whole, ""));
    succeed(new_run(&run, "--stop-after 3"));
    let best = run.join("best.bin");
    let old = fs::read(&best).unwrap();
    succeed(resume(&run, "--stop-after 6"));
    assert_ne!(fs::read(&best).unwrap(), old, "step 6 is no new best");
    fs::write(&best, &old).unwrap();
    succeed(resume(&run, "--stop-after 7"));
    assert_ne!(fs::read(&best).unwrap(), old);

    // Later it cannot be mended.
    let newer = fs::read(&best).unwrap();
    fs::write(&best, &old).unwrap();
    let error = refuse(resume(&run, ""), 1);
    let expected = "best.bin holds the weights of step 3, expected those of step 6";
    assert!(error.contains(expected), "{error}");
    fs::write(&best, &newer[..100]).unwrap();
    let error = refuse(resume(&run, ""), 1);
    assert!(error.contains("best.bin is damaged: truncated"), "{error}");
    fs::remove_file(&best).unwrap();
    let error = refuse(resume(&run, ""), 1);
    assert!(error.contains("cannot read"), "{error}");
    fs::write(&best, &newer).unwrap();
    succeed(resume(&run, ""));
    assert_same_run(&whole, &run);
}

#[test]
fn a_damaged_checkpoint_is_refused_and_the_older_one_leads_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, run) = (folder.path().join("whole"), folder.path().join("run"));
    succeed(new_run(&whole, ""));
    succeed(new_run(&run, "--stop-after 8"));
    let newest = run.join("checkpoint-8.bin");
    let bytes = fs::read(&newest).unwrap();
    let mut altered = bytes.clone();
    altered[bytes.len() / 2] ^= 1;
    for (bytes, expected) in [
        (&bytes[..bytes.len() / 2], "is damaged: truncated"),
        (&altered, "is damaged: altered, its checksum is another"),
    ] {
        fs::write(&newest, bytes).unwrap();
        let before = fs::read(run.join("metrics.jsonl")).unwrap();
        let error = refuse(resume(&run, ""), 1);
        assert!(error.contains(expected), "{error}");
        let hint = format!(
            "hint: remove it to continue from {}",
            run.join("checkpoint-6.bin").display()
        );
        assert!(error.ends_with(&hint), "{error}");
        assert_eq!(fs::read(run.join("metrics.jsonl")).unwrap(), before);
    }
    fs::remove_file(&newest).unwrap();
    succeed(resume(&run, ""));
    assert_same_run(&whole, &run);
}

#[test]
fn a_run_keeps_its_configuration_and_its_data() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, run) = (folder.path().join("whole"), folder.path().join("run"));
    let data = folder.path().join("texts");
    write_texts(&data, [40, 10], &["neg", "pos"], easy_text);
    let flags = format!("--data {}", data.display());
    succeed(new_run(&whole, &flags));
    succeed(new_run(&run, &format!("{flags} --stop-after 5")));
    let error = refuse(resume(&run, "--steps 20"), 2);
    let expected = "--steps cannot be given with --resume: a run keeps its configuration";
    assert!(error.contains(expected), "{error}");

    let config = run.join("config.toml");
    let written = fs::read_to_string(&config).unwrap();
    let altered = |from: &str, to: &str| {
        assert!(written.contains(from));
        fs::write(&config, written.replace(from, to)).unwrap();
        refuse(resume(&run, ""), 2)
    };
    let error = altered("learning_rate = 0.003", "learning_rate = 0.004");
    let expected = "config.toml says `learning_rate = 0.004`, expected `learning_rate = 0.003`";
    assert!(error.contains(expected), "{error}");
    let error = altered("attn = \"skein\"", "attn = \"vmean\"");
    assert!(error.contains("expected `attn = \"skein\"`"), "{error}");
    fs::write(&config, &written).unwrap();

    let text = data.join("train/pos/03.txt");
    let kept = fs::read(&text).unwrap();
    fs::write(&text, b"another text").unwrap();
    let environment = fs::read(run.join("environment.toml")).unwrap();
    let error = refuse(resume(&run, ""), 1);
    assert!(error.contains("the data have changed"), "{error}");
    // Whoever is refused has changed nothing.
    assert_eq!(fs::read(run.join("environment.toml")).unwrap(), environment);
    fs::write(&text, &kept).unwrap();

    // The same data in another place are the same data.
    let moved = folder.path().join("moved");
    fs::rename(&data, &moved).unwrap();
    let error = refuse(resume(&run, ""), 1);
    assert!(error.contains("there is no such folder"), "{error}");
    assert!(error.contains("--data PATH says where they are"), "{error}");
    let there = format!("--data {}", moved.display());
    fs::write(moved.join("train/pos/03.txt"), b"another text").unwrap();
    let error = refuse(resume(&run, &there), 1);
    assert!(error.contains("the data have changed"), "{error}");
    assert_eq!(fs::read_to_string(&config).unwrap(), written);
    fs::write(moved.join("train/pos/03.txt"), kept).unwrap();
    succeed(resume(&run, &format!("{there} --stop-after 7")));
    // From then on the run knows it.
    let (old, new) = (data.to_str().unwrap(), moved.to_str().unwrap());
    let now = fs::read_to_string(&config).unwrap();
    assert_eq!(now, written.replace(old, new));
    succeed(resume(&run, ""));
    assert_same(&whole, &run, &["metrics.jsonl", "weights.safetensors"]);

    let error = refuse(resume(&run, ""), 2);
    has(&error, "has ended: expected one that can go on");
}

// Bad input.

#[test]
fn bad_flags_leave_nothing_behind() {
    let names =
        "unknown attention method `skien`: expected one of softmax, softmax-nodrop, vmean, ";
    let folder = tempfile::tempdir().unwrap();
    for (flags, expected) in [
        ("--attn skien", names),
        ("--features 0", "features = 0: expected at least 1"),
        ("--batch 0", "batch = 0: expected at least 1"),
        (
            "--lr nan",
            "learning_rate = NaN: expected a positive number",
        ),
        (
            "--budget smoke --warmup 31",
            "warmup = 31: expected at most the number of steps, 30",
        ),
        ("--threads 0", "expected a whole number from 1 to 1024"),
        ("--config missing.toml", "cannot read missing.toml"),
    ] {
        let mut command = exp_text();
        command.args(flags.split_whitespace());
        command.current_dir(folder.path());
        let error = refuse(command, if flags.starts_with("--config") { 1 } else { 2 });
        assert!(error.contains(expected), "{flags}: {error}");
    }
    assert!(self::names(folder.path()).is_empty());
}

#[test]
fn bad_data_are_named_with_what_was_expected() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("nothing")).unwrap();
    fs::write(path("file"), "a file").unwrap();
    for name in ["a-class-is-missing", "no-texts", "an-empty-text", "few"] {
        write_texts(&path(name), [40, 10], &["neg", "pos"], easy_text);
    }
    fs::remove_dir_all(path("a-class-is-missing/test/neg")).unwrap();
    fs::remove_dir_all(path("no-texts/test/pos")).unwrap();
    fs::create_dir(path("no-texts/test/pos")).unwrap();
    fs::write(path("an-empty-text/train/neg/07.txt"), "").unwrap();
    for class in ["neg", "pos"] {
        for i in 1..40 {
            fs::remove_file(path("few/train").join(class).join(format!("{i:02}.txt"))).unwrap();
        }
    }
    let layout = "expected text files as {train,test}/CLASS/*.txt, as of neg and pos, or tables train.tsv and test.tsv";
    for (name, what, expected) in [
        ("missing", "missing\": there is no such folder", layout),
        ("nothing", "nothing\": the folder is empty", layout),
        ("file", "file\": this is a file, not a folder", layout),
        (
            "a-class-is-missing",
            "test/neg\": there is no such folder",
            layout,
        ),
        ("no-texts", "test/pos\": there is no *.txt", layout),
        (
            "an-empty-text",
            "train/neg/07.txt\": the file is empty",
            "expected the bytes of one text",
        ),
        (
            "few",
            "no text is left for the dev split",
            "expected enough texts",
        ),
    ] {
        let flags = format!("--data {}", path(name).display());
        let error = refuse(new_run(&path("run"), &flags), 1);
        assert!(error.contains(what), "{name}: {error}");
        assert!(error.contains(expected), "{name}: {error}");
        assert!(error.contains("\nhint: "), "{name}: {error}");
        assert!(!path("run").exists(), "{name}");
    }
}

#[test]
fn folders_that_cannot_be_a_run_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("thesis")).unwrap();
    fs::write(path("thesis/thesis.tex"), "years of work").unwrap();
    let error = refuse(new_run(&path("thesis"), ""), 2);
    has(&error, "thesis exists: expected the name of a new folder");
    let error = refuse(new_run(&path("thesis"), "--overwrite"), 2);
    assert!(error.contains("it is not the folder of a run"), "{error}");
    let error = refuse(new_run(&path("thesis/thesis.tex/run"), ""), 1);
    assert!(error.contains("cannot create"), "{error}");
    for name in ["thesis", "missing"] {
        let error = refuse(resume(&path(name), ""), 2);
        assert!(error.contains("is not the folder of a run"), "{error}");
    }
    // Nor are files of other programs that have the name of one.
    for (name, text) in [
        ("config.toml", "[package]\n"),
        ("metrics.jsonl", "{\"mine\":1}\n"),
        ("timings.jsonl", "{}\n"),
        ("environment.toml", "python = 3\n"),
    ] {
        let other = path("thesis").join(name);
        fs::create_dir(&other).unwrap();
        fs::write(other.join(name), text).unwrap();
        let error = refuse(new_run(&other, "--overwrite"), 2);
        assert!(error.contains("it is not the folder of a run"), "{error}");
        assert_eq!(fs::read_to_string(other.join(name)).unwrap(), text);
        fs::remove_dir_all(&other).unwrap();
    }
    assert_eq!(names(folder.path()), ["thesis"]);
    assert_eq!(names(&path("thesis")), ["thesis.tex"]);

    // A folder where a file is expected is unreadable for everybody, root included.
    fs::create_dir_all(path("odd/config.toml")).unwrap();
    let error = refuse(resume(&path("odd"), ""), 1);
    assert!(error.contains("cannot read"), "{error}");
}

#[test]
fn an_existing_run_is_replaced_only_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    succeed(new_run(&run, "--stop-after 1"));
    let error = refuse(new_run(&run, ""), 2);
    has(&error, "exists: expected the name of a new folder");
    let expected = "hint: --overwrite replaces the run in it, --resume FOLDER continues it";
    assert!(error.ends_with(expected), "{error}");
    assert!(run.join("checkpoint-1.bin").exists());
    succeed(new_run(&run, "--overwrite --attn vmean"));
    let config = fs::read_to_string(run.join("config.toml")).unwrap();
    assert!(config.contains("attn = \"vmean\""), "{config}");
    assert!(!run.join("checkpoint-1.bin").exists());

    let error = refuse(new_run(&run, ""), 2);
    let expected = "hint: --overwrite replaces the run in it, which has ended";
    assert!(error.ends_with(expected), "{error}");
}

#[test]
fn a_run_is_replaced_where_it_is_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    succeed(new_run(&path("run"), ""));
    let before = names(&path("run"));
    // There is no room for the first checkpoint of the new one.
    let error = refuse(limited(&new_run(&path("run"), "--overwrite"), 100), 1);
    has(&error, "checkpoint-0.bin: File too large");
    assert_eq!(names(&path("run")), before);

    std::os::unix::fs::symlink("run", path("link")).unwrap();
    succeed(new_run(&path("link"), "--overwrite --stop-after 1"));
    assert!(path("link").is_symlink());
    assert!(path("run/checkpoint-1.bin").exists() && !path("run/result.json").exists());

    // What is refused is refused before the data are read.
    fs::write(path("run/notes.txt"), "mine").unwrap();
    let output = new_run(&path("link"), "--overwrite").output().unwrap();
    let told = stderr(&output);
    assert!(told.starts_with("error: cannot overwrite "), "{told}");
    assert!(path("run/checkpoint-1.bin").exists());
}

#[test]
fn an_unwritable_folder_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let locked = folder.path().join("locked");
    fs::create_dir(&locked).unwrap();
    fs::set_permissions(&locked, PermissionsExt::from_mode(0o555)).unwrap();
    // Nothing is unwritable for root.
    if File::create(locked.join("probe")).is_err() {
        let error = refuse(new_run(&locked.join("run"), ""), 1);
        assert!(error.contains("cannot create"), "{error}");
        assert!(error.contains("ermission denied"), "{error}");
        has(&error, "\nhint: choose a place that you may use");
    }
    #[cfg(target_os = "linux")]
    {
        let error = refuse(new_run(Path::new("/proc/self/run"), ""), 1);
        assert!(error.contains("cannot create /proc/self/run"), "{error}");
    }
}

/// The same command under a limit on the size of files, in blocks of 512 or 1024 bytes, as the
/// shell has it.
fn limited(command: &Command, blocks: usize) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit -f {blocks} && exec \"$0\" \"$@\"")]);
    shell.arg(command.get_program()).args(command.get_args());
    shell.stdout(Stdio::piped()).stderr(Stdio::piped());
    shell
}

#[test]
fn a_full_disk_loses_nothing_that_was_saved() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, run) = (folder.path().join("whole"), folder.path().join("run"));
    succeed(new_run(&whole, ""));

    // A run that cannot even write its first checkpoint leaves no folder.
    let error = refuse(limited(&new_run(&run, ""), 100), 1);
    has(&error, "checkpoint-0.bin: File too large");
    has(&error, "\nhint: raise the limit on file sizes");
    assert!(!run.exists());

    succeed(new_run(&run, "--stop-after 4"));
    let before = names(&run);
    let error = refuse(limited(&resume(&run, ""), 100), 1);
    assert!(error.contains("File too large"), "{error}");
    assert_eq!(names(&run), before);
    succeed(resume(&run, ""));
    assert_same_run(&whole, &run);
}

#[test]
fn a_loss_that_is_not_finite_names_step_example_and_operator() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let error = refuse(new_run(&out, "--lr 1e30"), 1);
    let start = "error: step 2: the loss is not finite; in training example ";
    assert!(error.starts_with(start), "{error}");
    assert!(error.contains(" (epoch 0) the value of `"), "{error}");
    let (_, place) = error.split_once("` in transformer_").expect(&error);
    assert!(place.contains(", row "), "{error}");
    assert!(
        place.contains(" is the first that is not (ops/src/"),
        "{error}"
    );
    assert!(place.contains(".rs:"), "{error}");
    // The tape of that example, whose first node that is not finite it names.
    let told = fs::read_to_string(out.join("not-finite.json")).unwrap();
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let first = told["first"].as_u64().unwrap() as usize;
    for (number, node) in told["nodes"].as_array().unwrap().iter().enumerate() {
        let finite = !node["value_norm"].is_null();
        assert!(finite || number >= first, "node {number}: {node}");
        assert!(!finite || number != first, "node {number}: {node}");
    }
    assert!(out.join("not-finite.safetensors").exists());
    succeed(new_run(&out, "--overwrite"));
    assert!(!out.join("not-finite.json").exists());

    let out = folder.path().join("again");
    let error = refuse(new_run(&out, "--lr 1e30"), 1);
    assert!(
        error.ends_with("\nhint: a lower --learning-rate or a longer --warmup"),
        "{error}"
    );

    // After the last step only an evaluation can notice.
    let out = folder.path().join("one step");
    let error = refuse(new_run(&out, "--steps 1 --warmup 1 --lr 1e30"), 1);
    let start = "error: step 1: the dev loss is not finite; in dev example ";
    assert!(error.starts_with(start), "{error}");
    assert!(!out.join("result.json").exists());
}

// What is printed.

#[test]
fn the_configuration_that_is_printed_is_the_one_of_a_run_from_it() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let mut command = new_run(&out, "--attn skein-uniform --seed 7 --print-config");
    let printed = stdout(&succeed(command));
    assert!(!out.exists());
    let file = folder.path().join("mine.toml");
    fs::write(&file, &printed).unwrap();
    command = exp_text();
    command.arg("--config").arg(&file).arg("--out").arg(&out);
    succeed(command);
    let config = fs::read_to_string(out.join("config.toml")).unwrap();
    assert_eq!(config, printed);
}

#[test]
fn help_and_list_fit_eighty_columns() {
    for flag in ["--help", "-h", "--list", "--version"] {
        let mut command = exp_text();
        command.arg(flag).env("COLUMNS", "200");
        let output = succeed(command);
        let text = stdout(&output);
        assert!(stderr(&output).is_empty() && !text.is_empty(), "{flag}");
        if flag != "--list" {
            fits(&text);
        }
    }
}

#[test]
fn a_closed_pipe_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let closed = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        writer
    };
    for flag in ["--list", "--print-config", "--help"] {
        let mut command = exp_text();
        command.arg(flag).stdout(closed());
        let output = succeed(command);
        assert_eq!(stderr(&output), "", "{flag}");
    }
    let out = folder.path().join("run");
    let mut command = new_run(&out, "");
    command.stdout(closed()).stderr(closed());
    succeed(command);
    assert!(out.join("result.json").exists());

    // An error keeps its exit code when nobody reads it.
    let mut command = new_run(&out, "");
    command.stdout(closed()).stderr(closed());
    assert_eq!(command.status().unwrap().code(), Some(2));
}

#[cfg(target_os = "linux")]
#[test]
fn a_profile_is_printed_at_the_end_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let [plain, profiled] = ["plain", "profiled"].map(|name| folder.path().join(name));
    succeed(new_run(&plain, ""));
    let pause = succeed(new_run(&profiled, "--profile --stop-after 5"));
    let end = succeed(resume(&profiled, "--profile"));
    for (output, steps) in [(&pause, 5), (&end, 7)] {
        let text = stderr(output);
        let table = text
            .find("profile: ")
            .map(|start| &text[start..])
            .expect(&text);
        assert!(
            table.starts_with(&format!("profile: {steps} steps of ")),
            "{text}"
        );
        assert!(
            table.contains("\nskein ") && table.contains("\n(optimiser) "),
            "{text}"
        );
    }
    for name in SAME {
        let [one, other] = [&plain, &profiled].map(|run| fs::read(run.join(name)).unwrap());
        assert!(one == other, "{name}");
    }
}

#[test]
fn an_answer_that_cannot_be_written_is_an_error() {
    let mut command = exp_text();
    command.arg("--list");
    command.stdout(File::options().write(true).open("/dev/full").unwrap());
    let error = refuse(command, 1);
    has(&error, "cannot write to standard output: No space left");
}
