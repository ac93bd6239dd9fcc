//! What `explain` prints, for every method.

use crate::support::{has, names as files, outlives_its_reader, printed, refused, stderr, stdout};
use ops::attention::names;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn command(args: &[&str]) -> Command {
    let mut command = crate::skein("explain");
    command.args(args);
    command
}

#[test]
fn every_method_shows_where_each_gradient_is_written() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let methods = experiments::settings::help::methods();
    for name in names() {
        let output = command(&["--attn", name]).output().unwrap();
        assert!(output.status.success());
        let text = stdout(&output);
        let about = text
            .lines()
            .next()
            .and_then(|line| line.strip_prefix(&format!("{name}: ")));
        assert!(
            about.is_some_and(|about| methods.contains(&format!("  {about}\n"))),
            "{text}"
        );
        assert!(
            text.lines()
                .nth(1)
                .is_some_and(|line| line.starts_with("64 tokens, "))
        );
        for line in text.lines().skip(1) {
            assert!(line.chars().count() <= 120, "{line}");
        }
        let nodes: Vec<&str> = text.lines().filter(|line| line.contains(".rs:")).collect();
        // Two layers of about fifteen nodes, what stands before, and what stands after them.
        assert!(nodes.len() > 30, "{text}");
        for node in nodes {
            let place = node.split_whitespace().last().unwrap();
            let (file, line) = place.split_once(':').unwrap();
            let source = fs::read_to_string(workspace.join(file)).expect(file);
            let line = source.lines().nth(line.parse::<usize>().unwrap() - 1);
            // Noise that a method draws is an input of the tape.
            let is_node =
                line.is_some_and(|line| line.contains("record(") || line.contains(".leaf("));
            assert!(is_node, "{node}: {line:?}");
        }
        let total = text.lines().last().unwrap();
        assert!(
            total.contains(" nodes ") && total.contains(" total ("),
            "{total}"
        );
    }
}

#[test]
fn numbers_other_than_the_times_are_those_of_the_seed() {
    let without_times = |seed: &str| {
        let output = command(&["--attn", "skein", "--seed", seed, "--tokens", "5"]).output();
        let text = stdout(&output.unwrap());
        let lines = text.lines().take_while(|line| !line.contains("operator"));
        lines.map(str::to_string).collect::<Vec<_>>()
    };
    assert_eq!(without_times("7"), without_times("7"));
    assert_ne!(without_times("7"), without_times("8"));
}

#[test]
fn wrong_flags_say_what_was_expected() {
    let wrong = |args: &[&str]| {
        let output = command(args).output().unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
        String::from_utf8(output.stderr).unwrap()
    };
    let message = wrong(&["--attn", "skien"]);
    has(&message, "`skien`: expected one of softmax, ");
    let message = wrong(&["--attn", "skein", "--tokens", "0"]);
    has(&message, "expected a whole number from 1 to 16384");
    let message = wrong(&["--attn", "skein", "--features", "many"]);
    has(&message, "expected a whole number from 1 to 16384");
    assert!(wrong(&[]).contains("--attn <NAME>"));
}

#[test]
fn help_is_one_text_of_eighty_columns() {
    let help = |flag| stdout(&command(&[flag]).output().unwrap());
    assert_eq!(help("--help"), help("-h"));
    assert!(
        help("-h").lines().all(|line| line.chars().count() <= 80),
        "{}",
        help("-h")
    );
}

#[test]
fn a_closed_pipe_is_no_error() {
    outlives_its_reader(&mut command(&["--attn", "softmax"]));
}

fn explained(args: &[&str]) -> Output {
    command(args).output().unwrap()
}

fn json(args: &[&str]) -> Value {
    let text = printed(&explained(args));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn json_has_the_numbers_of_the_table_and_no_times() {
    let told = json(&["--attn", "skein", "--json"]);
    assert_eq!(told, json(&["--attn", "skein", "--json"]));
    let table = printed(&explained(&["--attn", "skein"]));
    let nodes = told["nodes"].as_array().unwrap();
    let of_skein: Vec<&Value> = nodes
        .iter()
        .filter(|node| node["operator"] == "skein")
        .collect();
    assert_eq!(of_skein.len(), 2);
    for node in of_skein {
        let line = format!(
            "{}:{}",
            node["written"]["file"].as_str().unwrap(),
            node["written"]["line"]
        );
        let number = format!("{} skein", node["number"]);
        let mut lines = table.lines();
        let row = lines
            .find(|row| row.trim_start().starts_with(&number))
            .unwrap();
        has(row, &line);
        let norm = node["gradient_norm"].as_f64().unwrap();
        let shown = row
            .split_whitespace()
            .rev()
            .nth(1)
            .unwrap()
            .parse::<f64>()
            .unwrap();
        // As 9.5e-2 it has two digits.
        assert!((shown / norm - 1.0).abs() < 0.05, "{row}: {norm}");
    }
    let names: Vec<&str> = told["notes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|note| note["name"].as_str().unwrap())
        .collect();
    assert!(names.contains(&"dk of the virtual key.head0"), "{names:?}");
    assert!(told["draws"]["columns.doc0.layer1.head0"]["indices"].is_array());
}

#[test]
fn a_dump_has_every_value_and_gradient() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("dump");
    let dump = |more: &[&str]| {
        let mut args = vec![
            "--attn",
            "skein",
            "--tokens",
            "9",
            "--dump",
            out.to_str().unwrap(),
        ];
        args.extend(more);
        explained(&args)
    };
    printed(&dump(&[]));
    assert_eq!(files(&out), ["tape.json", "tape.safetensors"]);
    let told = fs::read_to_string(out.join("tape.json")).unwrap();
    let told: Value = serde_json::from_str(&told).unwrap();
    let bytes = fs::read(out.join("tape.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let norm = |name: &str| {
        let tensor = tensors.tensor(name).ok()?;
        let numbers = tensor.data().chunks_exact(4);
        let squares = numbers.map(|x| f64::from(f32::from_le_bytes(x.try_into().unwrap())).powi(2));
        Some(squares.sum::<f64>().sqrt())
    };
    for node in told["nodes"].as_array().unwrap() {
        let name = format!(
            "{:03}.{}",
            node["number"].as_u64().unwrap(),
            node["operator"].as_str().unwrap()
        );
        let near = |got: Option<f64>, want: &Value| match want.as_f64() {
            Some(want) => (got.unwrap() - want).abs() <= 1e-9 * want.max(1e-30),
            None => got.is_none(),
        };
        assert!(
            near(norm(&format!("value.{name}")), &node["value_norm"]),
            "{node}"
        );
        assert!(
            near(norm(&format!("gradient.{name}")), &node["gradient_norm"]),
            "{node}"
        );
    }
    // Its own files, but not others'.
    printed(&dump(&[]));
    fs::write(out.join("tape.json"), "mine").unwrap();
    has(refused(&dump(&[]), 2), "tape.json exists and is no tape");
    printed(&dump(&["--overwrite"]));
}

#[test]
fn every_task_has_an_example() {
    for task in ["text", "listops", "retrieval", "pathfinder", "image"] {
        let text = printed(&explained(&[
            "--attn",
            "vmean",
            "--task",
            task,
            "--example",
            "1",
        ]));
        has(&text, format!("{task}, "));
        has(&text, " of the batch: loss ");
        let by_id = printed(&explained(&[
            "--attn", "vmean", "--task", task, "--id", "0",
        ]));
        has(&by_id, "train example 0 of ");
    }
}

#[test]
fn two_methods_differ_from_their_attention_on() {
    let args = [
        "--diff",
        "softmax-nodrop",
        "skein",
        "--tokens",
        "24",
        "--features",
        "6",
    ];
    let told = json(&[&args[..], &["--json"]].concat());
    let nodes = told["nodes"].as_array().unwrap();
    let attention = nodes
        .iter()
        .position(|node| node["name"] == "softmax / skein")
        .unwrap();
    for (number, node) in nodes.iter().enumerate() {
        let same = node["value"]["cosine"]
            .as_f64()
            .is_none_or(|cosine| cosine > 1.0 - 1e-12);
        // Parameters stand first, and all of them are shared.
        assert!(same || number >= attention, "{node}");
    }
    assert!(nodes[attention]["value"]["cosine"].as_f64().unwrap() < 0.9999);
    let table = printed(&explained(&args));
    has(&table, "on the same parameters and example");
    has(&table, "softmax / skein");
    let same = json(&["--diff", "skein", "skein", "--json"]);
    for node in same["nodes"].as_array().unwrap() {
        assert_eq!(
            node["value"]["norms"][0], node["value"]["norms"][1],
            "{node}"
        );
        assert_eq!(
            node["gradient"]["norms"][0], node["gradient"]["norms"][1],
            "{node}"
        );
    }
    // A method with parameters of its own, and one that draws noise.
    for other in ["linformer", "kl-generator-prf", "race", "s3"] {
        let table = printed(&explained(&["--diff", "skein", other, "--tokens", "16"]));
        has(&table, format!("{other} (loss "));
        // Both end with the loss, however many nodes each has.
        let last = table.trim_end().lines().last().unwrap();
        has(last, "cross_entropy");
        assert!(!last.contains(" - "), "{last}");
    }
}

#[test]
fn a_question_is_answered_as_it_is_on_the_page() {
    let told = json(&["--ask", r#"{"ask": "method", "attn": "skein"}"#]);
    assert_eq!(told["attn"], "skein");
    let told = refused(
        &explained(&["--ask", r#"{"ask": "method", "attn": "skien"}"#]),
        2,
    );
    has(&told, "unknown attention method `skien`");
}

/// A run of a small text model: its task's smoke budget, `more` beside it.
fn run(folder: &Path, more: &[&str]) -> Output {
    let mut run = crate::skein("text");
    run.args(
        "--attn skein --data builtin --budget smoke --steps 12 --eval-every 6 --threads 2"
            .split(' '),
    );
    run.arg("--out").arg(folder).args(more);
    run.output().unwrap()
}

/// What the steps of a run have in metrics.jsonl.
fn losses(folder: &Path) -> Vec<f64> {
    let text = fs::read_to_string(folder.join("metrics.jsonl")).unwrap();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter_map(|line| line["loss"].as_f64()).collect()
}

#[test]
fn a_run_goes_back_to_any_of_its_steps() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    printed(&run(&out, &["--keep-every", "4", "--stop-after", "5"]));
    let mut resume = crate::skein("text");
    resume.arg("--resume").arg(&out).args(["--keep-every", "4"]);
    printed(&resume.output().unwrap());
    let before = files(&out);
    for kept in ["kept-4.bin", "kept-8.bin", "kept-12.bin"] {
        assert!(before.iter().any(|name| name == kept), "{before:?}");
    }
    let path = out.to_str().unwrap();
    let back = |step: usize, place: usize| {
        let (step_text, place) = (step.to_string(), place.to_string());
        let args = ["--run", path, "--step", &step_text, "--example", &place];
        let output = explained(&[&args[..], &["--json"]].concat());
        has(
            stderr(&output),
            format!("step {step} replayed: its line is that of "),
        );
        let told: Value = serde_json::from_str(&printed(&output)).unwrap();
        told["loss"].as_f64().unwrap()
    };
    for step in [1, 12] {
        back(step, 0);
    }
    // The mean over the batch of eight is the loss that the run has written.
    let mean = (0..8).map(|place| back(6, place)).sum::<f64>() / 8.0;
    let written = losses(&out)[5];
    assert!((mean - written).abs() < 1e-12 * written, "{mean} {written}");
    let beyond = explained(&["--run", path, "--step", "6", "--example", "8"]);
    assert_eq!(beyond.status.code(), Some(2));
    has(stderr(&beyond), "--example 8: expected 0 to 7");
    assert_eq!(
        files(&out),
        before,
        "nothing in the folder of the run changes"
    );

    // Step 12 begins at kept-8: nothing before it is looked at, nor does a torn last line count.
    let metrics = out.join("metrics.jsonl");
    let text = fs::read_to_string(&metrics).unwrap();
    let other = text.replacen("\"loss\":0.", "\"loss\":1.", 1);
    fs::write(&metrics, other.clone() + "{\"step\":13,\"loss\":0.6").unwrap();
    let output = explained(&["--run", path, "--step", "12"]);
    assert!(!stderr(&output).contains("note: "), "{}", stderr(&output));
    printed(&output);
    // A damaged one is passed over.
    let kept = fs::read(out.join("kept-8.bin")).unwrap();
    fs::write(out.join("kept-8.bin"), &kept[..100]).unwrap();
    has(
        stderr(&explained(&["--run", path, "--step", "11"])),
        "note: an earlier one is taken: ",
    );
    fs::write(out.join("kept-8.bin"), kept).unwrap();
    fs::write(&metrics, &text).unwrap();

    // Without checkpoints from its start, to the same numbers.
    let told = |out: &Path| json(&["--run", out.to_str().unwrap(), "--step", "12", "--json"]);
    let with = told(&out);
    for name in before.iter().filter(|name| name.ends_with(".bin")) {
        fs::remove_file(out.join(name)).unwrap();
    }
    assert_eq!(told(&out)["nodes"], with["nodes"]);
    assert_eq!(told(&out)["draws"], with["draws"]);

    for (args, words) in [
        (vec!["--step", "13"], "step 13: expected 1 to 12"),
        (vec!["--step", "0"], "expected a whole number from 1"),
        (
            vec!["--step", "1", "--id", "999999"],
            "there is no train example of this number",
        ),
        (vec![], "expected --step N or --scan A..B"),
        (
            vec!["--step", "1", "--attn", "skein"],
            "cannot be used with",
        ),
    ] {
        let args = [vec!["--run", path], args].concat();
        has(refused(&explained(&args), 2), words);
    }
    // A line that is another is said, and it goes on.
    fs::write(&metrics, other).unwrap();
    let output = explained(&["--run", path, "--step", "2"]);
    has(stderr(&output), "note: step 1 is another than in ");
    has(printed(&output), "step 2 of ");

    // Kept checkpoints are files of a run.
    fs::write(out.join("kept-4.bin"), "of the old run").unwrap();
    printed(&run(&out, &["--overwrite"]));
    assert!(!out.join("kept-4.bin").exists());
}

#[test]
fn a_scan_is_a_table_a_file_of_numbers_and_a_picture() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    printed(&run(&out, &[]));
    let path = out.to_str().unwrap();
    let scan = |more: &[&str]| explained(&[&["--run", path, "--scan", "3..9"], more].concat());
    let table = printed(&scan(&[]));
    has(&table, "|dy| of");
    has(&table, "3 to 9");
    let csv = folder.path().join("scan.csv");
    printed(&scan(&["--out", csv.to_str().unwrap()]));
    let text = fs::read_to_string(&csv).unwrap();
    let of_step = json(&["--run", path, "--step", "5", "--json"]);
    let nodes = of_step["nodes"].as_array().unwrap();
    assert_eq!(text.lines().count(), 1 + 7 * nodes.len());
    for node in nodes {
        let start = format!("{},", node["number"]);
        let mut lines = text.lines().filter(|line| line.starts_with(&start));
        let line = lines
            .find(|line| line.split(',').nth(2) == Some("5"))
            .unwrap();
        let norm: f64 = line.rsplit(',').next().unwrap().parse().unwrap();
        assert_eq!(
            Some(norm),
            node["gradient_norm"].as_f64().or(Some(0.0)),
            "{line}"
        );
    }
    let svg = folder.path().join("scan.svg");
    printed(&scan(&["--out", svg.to_str().unwrap()]));
    let picture = fs::read_to_string(&svg).unwrap();
    assert!(picture.starts_with("<svg") && picture.trim_end().ends_with("</svg>"));
    has(
        refused(&scan(&["--out", "scan.txt"]), 2),
        "expected a name that ends in .csv or .svg",
    );
    has(
        refused(&explained(&["--run", path, "--scan", "9..3"]), 2),
        "expected two steps such as 650..750",
    );
    has(
        refused(&explained(&["--run", path, "--scan", "9..13"]), 2),
        "step 13: expected 1 to 12",
    );
}
