//! sweep from outside: several processes on one grid, signals, `kill -9`, cells that fail, and runs
//! that are those of exp_text to the byte. For Unix.

use crate::support::{has, printed, stderr, stdout, wait_for_lines, write_texts};
use engine::cpu::Product;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Files that equal runs have equal, byte for byte.
const SAME: [&str; 4] = [
    "metrics.jsonl",
    "weights.safetensors",
    "result.json",
    "config.toml",
];

/// A folder with a few short texts and a grid beside them.
pub(crate) struct Place(tempfile::TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        write_texts(
            &place.texts(),
            [20, 5],
            &["neg", "pos"],
            |half, class, i| {
                let letters = if class == "neg" {
                    "no bad "
                } else {
                    "go fine "
                };
                format!("{half} {i} {}", letters.repeat(1 + i % 7)).into_bytes()
            },
        );
        place
    }

    pub(crate) fn texts(&self) -> PathBuf {
        self.0.path().join("texts")
    }

    pub(crate) fn grid(&self) -> PathBuf {
        self.0.path().join("grid")
    }

    /// What every run has in common.
    pub(crate) fn settings(&self, steps: usize) -> Vec<String> {
        let every = steps / 4;
        let flags = format!(
            "--budget smoke --steps {steps} --batch 4 --warmup 4 --eval-every {every} --eval-examples 8 \
             --test-examples 8 --max-len 64 --features 8 --groups 2 --threads 1 --data"
        );
        let mut flags: Vec<String> = flags.split_whitespace().map(String::from).collect();
        flags.push(self.texts().to_str().unwrap().into());
        flags
    }

    /// vmean and skein with two seeds: four cells of so many steps.
    pub(crate) fn sweep(&self, steps: usize) -> Command {
        let mut command = crate::skein("sweep");
        command.args("--tasks text --methods vmean,skein --seeds 1,2 --out".split(' '));
        command.arg(self.grid()).args(self.settings(steps));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// One of the four with exp_text.
    fn alone(&self, attn: &str, seed: &str, steps: usize) -> PathBuf {
        let out = self.0.path().join(format!("alone-{attn}-{seed}"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_exp_text"));
        command.args(["--attn", attn, "--seed", seed, "--out"]);
        command.arg(&out).args(self.settings(steps));
        assert!(command.output().unwrap().status.success());
        out
    }

    /// All four are there, and are those of exp_text.
    fn check_runs(&self, steps: usize) {
        for (attn, seed) in [
            ("vmean", "1"),
            ("skein", "1"),
            ("vmean", "2"),
            ("skein", "2"),
        ] {
            let alone = self.alone(attn, seed, steps);
            let cell = self.grid().join(format!("text-{attn}-s{seed}"));
            for file in SAME {
                let bytes = |folder: &Path| fs::read(folder.join(file)).unwrap();
                assert!(bytes(&cell) == bytes(&alone), "{attn} {seed} {file}");
            }
            fs::remove_dir_all(alone).unwrap();
        }
    }
}

pub(crate) fn succeed(mut command: Command) -> String {
    printed(&command.output().unwrap())
}

/// "4 of 4 runs in ... have ended, 3 of them now": 3.
pub(crate) fn ended_now(text: &str) -> usize {
    let words: Vec<&str> = text.lines().next().unwrap().split(' ').collect();
    words[words.len() - 4].parse().unwrap()
}

#[test]
fn a_grid_is_trained_once_and_its_runs_are_those_of_exp_text() {
    let place = Place::new();
    let list = |flags: &str| {
        let mut command = place.sweep(12);
        command.arg("--list").args(flags.split_whitespace());
        succeed(command)
    };
    let planned = list("");
    assert!(planned.contains("   1  text-vmean-s1  new\n"), "{planned}");
    assert!(planned.contains("   4  text-skein-s2  new\n"), "{planned}");
    assert!(!place.grid().exists(), "--list has made something");

    let output = place.sweep(12).output().unwrap();
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(
        stdout(&output).starts_with("4 of 4 runs in "),
        "{}",
        stdout(&output)
    );
    assert_eq!(ended_now(&stdout(&output)), 4);
    assert_eq!(told.matches("data:   ").count(), 1, "{told}");
    assert!(told.contains("text-skein-s2: test accuracy "), "{told}");
    place.check_runs(12);

    let begun = fs::metadata(place.grid().join("text-vmean-s1/result.json")).unwrap();
    assert_eq!(ended_now(&succeed(place.sweep(12))), 0);
    let now = fs::metadata(place.grid().join("text-vmean-s1/result.json")).unwrap();
    assert_eq!(begun.modified().unwrap(), now.modified().unwrap());
    has(list(""), "   1  text-vmean-s1  ended, ");

    // The environment says what a run took.
    let environment = fs::read_to_string(place.grid().join("text-skein-s1/environment.toml"));
    let environment: toml::Table = environment.unwrap().parse().unwrap();
    assert!(environment["took"]["seconds_per_step"].as_float().unwrap() > 0.0);
}

/// What an earlier cell and its baseline held is not counted again.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[test]
fn the_memory_of_a_cell_is_that_of_the_run_alone() {
    let place = Place::new();
    // All rows of padding: 2,048 tokens an example.
    let flags = "--budget smoke --steps 2 --batch 1 --warmup 1 --eval-examples 1 --test-examples 1 \
                 --max-len 2000 --pad true --features 16 --threads 1 --data";
    let peak = |command: &str, what: &str, out: &Path, run: &Path| {
        let mut command = crate::skein(command);
        command.args(what.split(' ')).arg("--out").arg(out);
        command.args(flags.split_whitespace()).arg(place.texts());
        succeed(command);
        let text = fs::read_to_string(run.join("environment.toml")).unwrap();
        let environment: toml::Table = text.parse().unwrap();
        environment["took"]["peak_mib"].as_float().unwrap()
    };
    let (grid, run) = (place.grid(), place.0.path().join("alone"));
    let cell = grid.join("text-vmean-s1");
    let cells = "--tasks text --methods softmax,vmean --seeds 1";
    let cell = peak("sweep", cells, &grid, &cell);
    let alone = "--attn vmean --seed 1";
    let alone = peak("text", alone, &run, &run);
    // Around 26 MiB, to which an earlier cell used to add 19; pages of the program that only its end
    // has touched, and heaps in pieces, are worth four.
    assert!((cell - alone).abs() < 8.0, "{cell} MiB, alone {alone} MiB");
}

#[test]
fn every_run_has_events_where_they_are_asked_for() {
    let place = Place::new();
    let mut command = place.sweep(4);
    command.args(["--tensorboard", "--shard", "1/2"]);
    assert_eq!(ended_now(&succeed(command)), 2);
    for run in ["text-vmean-s1", "text-vmean-s2"] {
        let files = fs::read_dir(place.grid().join(run)).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        assert_eq!(names.filter(|name| name.contains("tfevents")).count(), 1);
    }
}

#[test]
fn shards_have_every_cell_once() {
    let place = Place::new();
    for (shard, cells) in [("1/3", 2), ("2/3", 1), ("3/3", 1)] {
        let mut command = place.sweep(12);
        command.args(["--shard", shard]);
        assert_eq!(ended_now(&succeed(command)), cells, "{shard}");
    }
    assert_eq!(ended_now(&succeed(place.sweep(12))), 0);
    place.check_runs(12);
}

#[test]
fn a_plan_shows_features_beside_the_lengths_of_the_data() {
    let place = Place::new();
    let list = |features: &str| {
        let mut command = place.sweep(12);
        command.args(["--list", "--methods", "vmean,skein,softmax-nodrop,bigbird"]);
        command.args(["--seeds", "1", "--set", features]);
        succeed(command)
    };
    let below = list("text.features=8");
    has(&below, "\n  features 8, learning rate 0.001, data /");
    let lengths = "\n  tokens of all 50 examples:\n    shortest 14, first quartile ";
    assert!(
        below.contains(lengths) && below.contains(", longest 64\n"),
        "{below}"
    );
    for cell in [
        "vmean-s1           new\n",
        "skein-s1           new\n",
        "bigbird-s1         new\n",
    ] {
        assert!(below.contains(cell), "{cell}: {below}");
    }
    let above = list("text.features=64");
    for cell in ["vmean-s1           new\n", "softmax-nodrop-s1  new\n"] {
        assert!(above.contains(cell), "{cell}: {above}");
    }
    for cell in ["skein-s1 ", "bigbird-s1 "] {
        let line = above.lines().find(|line| line.contains(cell)).unwrap();
        has(line, "new  features 64 >= first quartile ");
        assert!(line.ends_with(", exact in 100%"), "{above}");
    }
    // Data that are not there.
    fs::remove_dir_all(place.texts()).unwrap();
    let gone = list("text.features=8");
    assert!(gone.contains("\n  lengths not known: "), "{gone}");
}

#[test]
fn ablations_that_sketch_nothing_are_refused() {
    let place = Place::new();
    let sweep = |flags: &str| {
        let mut command = crate::skein("sweep");
        command.args("--preset ablation --tasks text --seeds 1 --out".split(' '));
        command.arg(place.grid()).args(place.settings(4));
        command.args(flags.split_whitespace()).output().unwrap()
    };
    for flags in ["--set text.features=64", "--set text.features=64 --list"] {
        let output = sweep(flags);
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{told}");
        let expected = "error: text-skein-s1: 64 features leave nothing to sketch, the longest example has 64 tokens: \
                        expected fewer than its first quartile, ";
        assert!(told.starts_with(expected), "{told}");
        has(
            &told,
            "\nhint: lower --features, as with --set text.features=",
        );
        assert!(!place.grid().exists());
    }
    // Part of the examples is no reason, and the other methods have no features.
    let listed = stdout(&sweep("--set text.features=40 --list"));
    assert!(
        listed.contains("text-skein-s1 ") && listed.contains(", exact in "),
        "{listed}"
    );
    let output = sweep("--set text.features=64 --methods softmax,softmax-nodrop --list");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

/// The first trees are enough to know the lengths of all.
#[test]
fn the_ablations_of_built_in_data_sketch_all_of_it() {
    let mut command = crate::skein("sweep");
    command.args("--preset ablation --tasks listops --data builtin --seeds 1 --list".split(' '));
    let list = succeed(command);
    let lengths = "\n  features 16, learning rate 0.001, data builtin\n  tokens of the first 2,000 train \
                   examples:\n    shortest 51, first quartile 8";
    assert!(list.contains(lengths), "{list}");
    assert_eq!(list.matches("  new\n").count(), 10, "{list}");
    // Its budget drops nothing.
    let mut command = crate::skein("sweep");
    command.args("--preset ablation --tasks pathfinder --data builtin --seeds 1 --list".split(' '));
    let list = succeed(command);
    let same = "pathfinder-softmax-s1            new  dropout is 0: the same as softmax-nodrop\n";
    assert!(list.contains(same), "{list}");
    assert_eq!(list.matches("  new\n").count(), 9, "{list}");
}

#[test]
fn processes_share_a_grid() {
    let place = Place::new();
    let children: Vec<Child> = (0..3).map(|_| place.sweep(60).spawn().unwrap()).collect();
    let mut ended = 0;
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        ended += ended_now(&stdout(&output));
    }
    assert_eq!(ended, 4);
    place.check_runs(60);
}

#[test]
fn a_killed_grid_goes_on_to_the_same_bytes() {
    let place = Place::new();
    let steps = 120;
    for (signal, run, after) in [
        ("-KILL", "text-vmean-s1", 40),
        ("-INT", "text-skein-s1", 20),
        ("-KILL", "text-vmean-s2", 9),
    ] {
        let mut child = place.sweep(steps).spawn().unwrap();
        assert!(
            wait_for_lines(&mut child, &place.grid().join(run), after),
            "it has ended already"
        );
        let id = child.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &id])
                .status()
                .unwrap()
                .success()
        );
        let output = child.wait_with_output().unwrap();
        let expected = if signal == "-INT" { Some(130) } else { None };
        assert_eq!(output.status.code(), expected, "{}", stderr(&output));
        if signal == "-INT" {
            assert!(stderr(&output).contains("the same command goes on with the grid"));
        }
        let mut command = place.sweep(steps);
        command.arg("--list");
        let list = succeed(command);
        let line = list.lines().find(|line| line.contains(run)).unwrap();
        assert!(
            line.ends_with(" of 120") && line.contains("  step "),
            "{list}"
        );
    }
    assert_eq!(ended_now(&succeed(place.sweep(steps))), 2);
    place.check_runs(steps);
}

/// The built-in texts take longer to make than a signal to come.
#[test]
fn a_signal_while_data_are_loaded_begins_no_run() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = crate::skein("sweep")
        .args("--tasks text --methods vmean --budget smoke --data builtin --out".split(' '))
        .arg(folder.path())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    told.read_line(&mut line).unwrap();
    assert!(line.starts_with("[1/3]"), "{line}");
    let id = child.id().to_string();
    let sent = Command::new("kill").args(["-INT", &id]).status().unwrap();
    assert!(sent.success());
    let mut rest = String::new();
    told.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest}");
    assert!(!folder.path().join("text-vmean-s1").exists(), "{rest}");
}

#[test]
fn a_cell_that_fails_stops_no_other_and_is_tried_again_when_that_is_asked_for() {
    let place = Place::new();
    // Killed while it wrote its first files; of somebody else; damaged.
    let [beginnings, thesis, damaged] =
        ["text-vmean-s1", "text-skein-s1", "text-vmean-s2"].map(|name| place.grid().join(name));
    for folder in [&beginnings, &thesis] {
        fs::create_dir_all(folder).unwrap();
    }
    fs::write(beginnings.join("config.toml"), "").unwrap();
    fs::write(beginnings.join(".environment.toml.tmp"), "[[sta").unwrap();
    fs::write(thesis.join("thesis.tex"), "years of work").unwrap();
    let mut run = place.sweep(12);
    run.args(["--shard", "3/4"]);
    succeed(run);
    fs::remove_file(damaged.join("result.json")).unwrap();
    fs::write(damaged.join("checkpoint-12.bin"), "LRA-ckpt").unwrap();

    let output = place.sweep(12).output().unwrap();
    let (told, answer) = (stderr(&output), stdout(&output));
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(answer.starts_with("2 of 4 runs in "), "{answer}");
    assert_eq!(ended_now(&answer), 2);
    let thesis_fails = "failed: text-skein-s1: ";
    assert!(
        answer.contains(thesis_fails) && answer.contains("it holds thesis.tex"),
        "{answer}"
    );
    assert!(answer.contains("failed: text-vmean-s2: "), "{answer}");
    assert!(told.ends_with(
        "error: 2 of 4 runs failed: see above\nhint: --retry-failed tries them again\n"
    ));
    assert_eq!(
        fs::read(thesis.join("thesis.tex")).unwrap(),
        b"years of work"
    );

    fs::remove_dir_all(thesis).unwrap();
    fs::remove_file(damaged.join("checkpoint-12.bin")).unwrap();
    // They would most likely fail again.
    let mut list = place.sweep(12);
    list.arg("--list");
    has(succeed(list), "  text-skein-s1  failed before\n");
    let output = place.sweep(12).output().unwrap();
    let answer = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{answer}");
    assert_eq!(ended_now(&answer), 0);
    has(&answer, "\nfailed before, and left alone: text-skein-s1: ");
    has(&answer, "\nfailed before, and left alone: text-vmean-s2: ");
    let told =
        "error: 2 of 4 runs have failed before: see above\nhint: --retry-failed tries them again\n";
    assert!(stderr(&output).ends_with(told), "{}", stderr(&output));
    let mut again = place.sweep(12);
    again.arg("--retry-failed");
    assert_eq!(ended_now(&succeed(again)), 2);
    place.check_runs(12);
    assert_eq!(ended_now(&succeed(place.sweep(12))), 0);
    assert_eq!(
        fs::read_dir(place.grid().join(".failed")).unwrap().count(),
        0
    );

    // Without data, every cell fails, and nothing is left.
    fs::remove_dir_all(place.grid()).unwrap();
    fs::remove_dir_all(place.texts()).unwrap();
    let output = place.sweep(12).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let answer = stdout(&output);
    has(&answer, "\nfailed: 4 runs: ");
    has(
        &answer,
        ": text-vmean-s1, text-skein-s1, text-vmean-s2, text-skein-s2\n",
    );
    assert!(!place.grid().join("text-vmean-s1").exists());
}

/// The cells of which a run has begun or ended are of the data that they were begun on, wherever these are now.
#[test]
fn other_data_are_refused_before_anything_is_trained() {
    let place = Place::new();
    let shard = |number: &str| {
        let mut command = place.sweep(12);
        command.args(["--shard", number]);
        command
    };
    succeed(shard("1/4"));
    let text = place.texts().join("train/pos/01.txt");
    let before = fs::read(&text).unwrap();
    let list = || {
        let mut command = place.sweep(12);
        command.arg("--list");
        command
    };
    let refused = |mut command: Command, expected: &str| {
        let output = command.output().unwrap();
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert_eq!(stdout(&output), "");
        let error = told.lines().find(|line| line.starts_with("error: "));
        let error = error.unwrap_or_else(|| panic!("{told}"));
        assert!(
            error.contains(expected) && error.contains("grid/text-vmean-s1"),
            "{told}"
        );
        assert!(told.contains("\nhint: "), "{told}");
        assert!(!told.contains("[1/4]"), "{told}");
    };
    let result = fs::read(place.grid().join("text-vmean-s1/result.json")).unwrap();
    for state in ["ended", "begun"] {
        fs::write(&text, "other").unwrap();
        let changed = "the data have changed since this run began: SHA-256 ";
        refused(place.sweep(12), changed);
        refused(list(), changed);
        assert_eq!(fs::read_dir(place.grid()).unwrap().count(), 2); // The run, and the locks.
        fs::write(&text, &before).unwrap();

        let away = place.0.path().join("away");
        fs::rename(place.texts(), &away).unwrap();
        refused(place.sweep(12), "texts");
        refused(list(), "texts");
        // Where they are makes no difference.
        let mut moved = place.sweep(12);
        moved.arg("--list").arg("--set");
        moved.arg(format!("text.data={}", away.display()));
        let expected = match state {
            "ended" => "1  text-vmean-s1  ended, ",
            _ => "1  text-vmean-s1  step 12 of 12\n",
        };
        let listed = succeed(moved);
        assert!(listed.contains(expected), "{listed}");
        fs::rename(&away, place.texts()).unwrap();
        let _ = fs::remove_file(place.grid().join("text-vmean-s1/result.json"));
    }
    // The result of another run is no end of this one.
    let path = place.grid().join("text-vmean-s1/result.json");
    let result = String::from_utf8(result).unwrap();
    fs::write(&path, result.replace("\"seed\": 1,", "\"seed\": 2,")).unwrap();
    refused(
        list(),
        "result.json is of text vmean with seed 2, features 8 and protocol clean, expected text vmean with seed 1",
    );
    fs::write(&path, &result).unwrap();

    // Data are loaded once for what was there and what is trained.
    let output = place.sweep(12).output().unwrap();
    assert_eq!(ended_now(&stdout(&output)), 3);
    assert_eq!(stderr(&output).matches("data:   ").count(), 1);
    assert!(!stderr(&output).contains("note:"), "{}", stderr(&output));
    place.check_runs(12);
}

/// What is built in may be made otherwise by another version.
#[test]
fn other_built_in_data_are_refused() {
    let place = Place::new();
    let sweep = |flags: &str| {
        let mut command = crate::skein("sweep");
        let cell = "--tasks listops --methods vmean --seeds 1 --budget smoke --steps 1 --warmup 0 --data builtin \
                    --batch 2 --eval-examples 2 --test-examples 2 --max-len 16 --out";
        command.args(cell.split_whitespace()).arg(place.grid());
        command.args(flags.split_whitespace());
        command
    };
    succeed(sweep(""));
    assert_eq!(ended_now(&succeed(sweep(""))), 0);
    let path = place.grid().join("listops-vmean-s1/result.json");
    let result: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let sha256 = result["data_sha256"].as_str().unwrap();
    let other = "0".repeat(64);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace(sha256, &other)).unwrap();
    for flags in ["", "--list"] {
        let output = sweep(flags).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let told = stderr(&output);
        let expected = format!("SHA-256 {sha256}, expected {other}\n");
        assert!(told.contains(&expected), "{told}");
    }
}

#[test]
fn a_grid_that_goes_on_with_other_code_says_so() {
    let place = Place::new();
    let mut one = place.sweep(12);
    one.args(["--shard", "1/4"]);
    succeed(one);
    let run = place.grid().join("text-vmean-s1");
    let read = |file: &str| fs::read_to_string(run.join(file)).unwrap();
    let environment: toml::Table = read("environment.toml").parse().unwrap();
    let code = environment["start"][0]["code"].as_str().unwrap();
    for file in ["result.json", "environment.toml"] {
        let other = read(file).replace(code, "0123456789abcdef");
        fs::write(run.join(file), other).unwrap();
    }
    let mut other = place.sweep(12);
    other.args(["--shard", "1/2"]);
    let output = other.output().unwrap();
    assert_eq!(ended_now(&stdout(&output)), 1);
    let note = "note:   other code, another product or another kind of CPU has computed 1 of the runs so far:";
    assert!(stderr(&output).contains(note), "{}", stderr(&output));
}

#[test]
fn what_the_grid_does_not_take_from_a_file_is_said() {
    let place = Place::new();
    let file = place.0.path().join("c.toml");
    fs::write(
        &file,
        "attn = \"skein\"\nseed = 42\nlearning_rate = 0.1\nbatch = 3\n",
    )
    .unwrap();
    let told = |flags: &[&str]| {
        let mut command = place.sweep(12);
        command.args(["--list", "--config"]).arg(&file).args(flags);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        stderr(&output)
    };
    let start = format!("note:   not taken from {}: ", file.display());
    let both = "attn (--methods has those of the grid), seed (--seeds has those of the grid)";
    assert_eq!(told(&[]), format!("{start}{both}\n"));
    let rates = "learning_rate (--rates has those of the grid)";
    assert_eq!(
        told(&["--rates", "1e-3,1e-4"]),
        format!("{start}{both}, {rates}\n")
    );
    fs::write(&file, "dropout = 0.2\n").unwrap();
    assert_eq!(told(&[]), "");
}

#[test]
fn other_settings_are_refused_before_anything_is_trained() {
    let place = Place::new();
    let mut one = place.sweep(12);
    one.args(["--shard", "4/4"]);
    succeed(one);
    let output = place.sweep(13).output().unwrap();
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{told}");
    has(&told, "the run has `steps = 12`, expected `steps = 13`");
    assert_eq!(told.lines().count(), 2, "{told}");
    assert_eq!(fs::read_dir(place.grid()).unwrap().count(), 2); // The run, and the locks.

    if Product::FixedOrder.is_available() {
        let mut two = crate::skein("sweep");
        let grid = "--tasks text,listops --methods vmean --set listops.product=fixed-order --out";
        two.args(grid.split(' ')).arg(place.0.path().join("two"));
        two.args(place.settings(12));
        let output = two.output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let told = stderr(&output);
        let expected = "this process computes with the product matrixmultiply already";
        assert!(told.contains(expected), "{told}");
        assert!(!place.0.path().join("two").exists());
    }

    let mut builtin = place.sweep(12);
    builtin.args(["--set", "text.data=builtin"]);
    let output = builtin.output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    has(stderr(&output), "expected `data = \"builtin\"`");
}
