//! Models of other sizes than the paper's, and runs that begin at the weights of another: through every command that
//! builds the model of a run again.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Texts of two classes, 40 to learn from and 20 to be tested on.
fn write_texts(folder: &Path) {
    for (half, count) in [("train", 20), ("test", 10)] {
        for (class, word) in [("neg", "nop qrs "), ("pos", "abc nop ")] {
            let folder = folder.join(half).join(class);
            fs::create_dir_all(&folder).unwrap();
            for i in 0..count {
                let text = word.repeat(2 + i % 5) + &i.to_string() + half;
                fs::write(folder.join(format!("{i}.txt")), text).unwrap();
            }
        }
    }
}

/// Four steps of `vmean`, which draws nothing, without dropout, and an evaluation after each.
const TINY: &str = "\
budget = \"smoke\"
attn = \"vmean\"
dropout = 0.0
steps = 4
warmup = 1
eval_every = 1
batch = 4
max_len = 32
features = 4
";

struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_texts(&folder.path().join("texts"));
        fs::write(folder.path().join("tiny.toml"), TINY).unwrap();
        Bench { folder }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A run of [`TINY`], where `flags` say nothing else.
    fn begin(&self, name: &str, flags: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_exp_text"));
        let config = self.at("tiny.toml");
        if !flags.contains("--config") {
            command.arg("--config").arg(config);
        }
        command.arg("--data").arg(self.at("texts"));
        command.arg("--out").arg(self.at(name));
        command.args(["--threads", "1"]);
        command.args(flags.split_whitespace()).stdin(Stdio::null());
        command.output().unwrap()
    }

    /// A run that ends well.
    fn train(&self, name: &str, flags: &str) -> PathBuf {
        printed(self.begin(name, flags));
        self.at(name)
    }

    /// The flag that begins at the weights of a run.
    fn init(&self, run: &str) -> String {
        format!(
            "--init {}",
            self.at(run).join("weights.safetensors").display()
        )
    }
}

fn printed(output: Output) -> String {
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    String::from_utf8(output.stdout).unwrap()
}

/// The two lines of a command that fails with this code.
fn refused(output: &Output, code: i32) -> String {
    let told = String::from_utf8_lossy(&output.stderr).to_string();
    assert_eq!(output.status.code(), Some(code), "{told}");
    let lines: Vec<&str> = told.lines().collect();
    let start = lines.len().saturating_sub(2);
    assert!(
        lines[start].starts_with("error: ") && lines[start + 1].starts_with("hint: "),
        "{told}"
    );
    lines[start..].join("\n")
}

fn command(name: &str, run: &Path, flags: &[&str]) -> Output {
    let mut command = crate::skein(name);
    command.arg(run).args(flags).stdin(Stdio::null());
    command.output().unwrap()
}

fn json(run: &Path, name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(run.join(name)).unwrap()).unwrap()
}

/// The first evaluation of a run, after one step.
fn first_dev(run: &Path) -> Value {
    let metrics = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let line = metrics
        .lines()
        .find(|line| line.contains("\"dev\""))
        .unwrap();
    serde_json::from_str::<Value>(line).unwrap()["dev"].clone()
}

#[test]
fn a_run_of_other_sizes_goes_on_and_is_judged_and_stands_apart_in_tables() {
    let bench = Bench::new();
    let sizes = "--layers 3 --dim 24 --hidden 20 --heads 3 --weight-decay 0.01 --attn skein";
    let run = bench.train("whole", sizes);
    // Tables of 512 words and 32 positions; of each layer two norms, four maps, and two; the last norm; the classifier.
    let layer = 2 * 48 + 4 * (24 * 24 + 24) + (24 * 20 + 20) + (20 * 24 + 24);
    let parameters = (512 + 32) * 24 + 3 * layer + 48 + (24 * 20 + 20) + (20 * 2 + 2);
    assert_eq!(json(&run, "result.json")["parameters"], parameters);

    let cut = bench.at("cut");
    printed(bench.begin("cut", &format!("{sizes} --stop-after 2")));
    let resume = Command::new(env!("CARGO_BIN_EXE_exp_text"))
        .arg("--resume")
        .arg(&cut)
        .output();
    printed(resume.unwrap());
    for name in ["metrics.jsonl", "weights.safetensors", "config.toml"] {
        assert!(
            fs::read(run.join(name)).unwrap() == fs::read(cut.join(name)).unwrap(),
            "{name}"
        );
    }

    let judged = printed(command("evaluate", &run, &["--json"]));
    let judged: Value = serde_json::from_str(&judged).unwrap();
    assert_eq!(judged["loss"], json(&run, "result.json")["test"]["loss"]);
    let input = bench.at("input");
    fs::write(&input, "abc nop\n").unwrap();
    printed(command("predict", &run, &[input.to_str().unwrap()]));
    printed(command("report", &run, &[]));

    bench.train("usual", "--attn skein --seed 43");
    let table = crate::skein("table")
        .args([&run, &bench.at("usual")])
        .output();
    let table = printed(table.unwrap());
    let table = table.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        table.contains("layers 3, dim 24, hidden 20, heads 3, weight decay 0.01"),
        "{table}"
    );
    assert!(
        table.contains("Text (a)") && table.contains("Text (b)"),
        "{table}"
    );
}

#[test]
fn weight_decay_makes_weights_smaller() {
    let bench = Bench::new();
    let norm = |decay: &str| {
        let run = bench.train(decay, &format!("--lr 1e-2 --weight-decay {decay}"));
        let metrics = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
        let last = metrics
            .lines()
            .rfind(|line| line.contains("\"norms\""))
            .unwrap();
        let last: Value = serde_json::from_str(last).unwrap();
        last["norms"][0]["parameters"].as_f64().unwrap()
    };
    assert!(norm("5") < 0.95 * norm("0"));
}

#[test]
fn a_run_begins_at_the_weights_of_another_and_does_not_need_them_again() {
    let bench = Bench::new();
    let first = bench.train("first", "");
    // A rate at which no weight moves.
    let still = format!("--steps 1 --lr 1e-37 {}", bench.init("first"));
    let second = bench.train("second", &still);
    let weights = "weights.safetensors";
    let judged = printed(command(
        "evaluate",
        &first,
        &[
            "--split",
            "dev",
            "--json",
            "--weights",
            first.join(weights).to_str().unwrap(),
        ],
    ));
    let judged: Value = serde_json::from_str(&judged).unwrap();
    for name in ["loss", "accuracy", "examples"] {
        assert_eq!(first_dev(&second)[name], judged[name], "{name}");
    }
    let random = bench.train("random", "--steps 1 --lr 1e-37");
    assert_ne!(first_dev(&random)["loss"], judged["loss"]);
    let config = fs::read_to_string(second.join("config.toml")).unwrap();
    let line = config
        .lines()
        .find(|line| line.starts_with("init = "))
        .unwrap();
    assert!(line.contains("first/weights.safetensors@sha256:"), "{line}");

    // To the end, and to the same end without the file.
    let whole = bench.train("whole", &bench.init("first"));
    printed(bench.begin("cut", &format!("{} --stop-after 1", bench.init("first"))));
    fs::rename(&first, bench.at("gone")).unwrap();
    let resume = Command::new(env!("CARGO_BIN_EXE_exp_text"))
        .arg("--resume")
        .arg(bench.at("cut"))
        .output();
    printed(resume.unwrap());
    for name in ["metrics.jsonl", weights] {
        let [one, other] = [&whole, &bench.at("cut")].map(|run| fs::read(run.join(name)).unwrap());
        assert!(one == other, "{name}");
    }

    // The settings of a run name the bytes: other ones are refused.
    fs::create_dir(&first).unwrap();
    fs::copy(random.join(weights), first.join(weights)).unwrap();
    let config = whole.join("config.toml");
    let again = format!("--config {}", config.display());
    let told = refused(&bench.begin("again", &again), 1);
    assert!(
        told.contains("has SHA-256 ") && told.contains(" as in the settings"),
        "{told}"
    );
    assert!(!bench.at("again").exists());
}

#[test]
fn weights_that_do_not_fit_are_refused_before_there_is_a_folder() {
    let bench = Bench::new();
    bench.train("first", "--steps 1");
    let init = bench.init("first");
    for (flags, expected) in [
        (
            "--dim 32",
            "model.embeddings.word_embeddings.weight has shape [512, 64], expected [512, 32]",
        ),
        ("--layers 1", "unexpected (model.transformer_1."),
        (
            "--hidden 64",
            "mlpblock.0.weight has shape [128, 64], expected [64, 64]",
        ),
        (
            "--max-len 64",
            "model.embeddings.position_embeddings.weight has shape [32, 64], expected [64, 64]",
        ),
    ] {
        let told = refused(&bench.begin("second", &format!("{init} {flags}")), 1);
        assert!(
            told.contains("these weights are of another model: ") && told.contains(expected),
            "{told}"
        );
        assert!(!bench.at("second").exists());
    }

    let weights = bench.at("first").join("weights.safetensors");
    let mut bytes = fs::read(&weights).unwrap();
    let last = bytes.len() - 4;
    bytes[last..].copy_from_slice(&f32::NAN.to_le_bytes());
    let broken = bench.at("broken.safetensors");
    fs::write(&broken, &bytes).unwrap();
    let told = refused(
        &bench.begin("second", &format!("--init {}", broken.display())),
        1,
    );
    assert!(told.contains("is not finite in f32"), "{told}");
    fs::write(&broken, "no weights").unwrap();
    let told = refused(
        &bench.begin("second", &format!("--init {}", broken.display())),
        1,
    );
    assert!(
        told.contains("broken.safetensors: not a safetensors file"),
        "{told}"
    );
    let told = refused(&bench.begin("second", "--init missing.safetensors"), 1);
    assert!(told.contains("cannot read "), "{told}");
    assert!(!bench.at("second").exists());
}

#[test]
fn a_model_of_no_layers_is_a_bag_of_words() {
    let bench = Bench::new();
    let run = bench.train("bag", "--layers 0");
    let parameters = (512 + 32) * 64 + 128 + (64 * 128 + 128) + (128 * 2 + 2);
    assert_eq!(json(&run, "result.json")["parameters"], parameters);
    printed(command("report", &run, &[]));
    let judged = printed(command("evaluate", &run, &["--json"]));
    let judged: Value = serde_json::from_str(&judged).unwrap();
    assert_eq!(judged["loss"], json(&run, "result.json")["test"]["loss"]);
}

#[test]
fn a_grid_of_other_sizes_reads_its_weights_once_and_goes_on() {
    let bench = Bench::new();
    bench.train("first", "");
    let sweep = || {
        let mut command = crate::skein("sweep");
        command.args(["--tasks", "text", "--methods", "vmean", "--seeds", "1,2"]);
        command.arg("--config").arg(bench.at("tiny.toml"));
        command.arg("--data").arg(bench.at("texts"));
        command.arg("--out").arg(bench.at("grid"));
        command.args(bench.init("first").split(' '));
        command.output().unwrap()
    };
    printed(sweep());
    printed(sweep());
    let config = fs::read_to_string(bench.at("grid/text-vmean-s2/config.toml")).unwrap();
    assert!(config.contains("weights.safetensors@sha256:"), "{config}");
    fs::write(bench.at("first/weights.safetensors"), "others").unwrap();
    let told = refused(&sweep(), 2);
    assert!(told.contains("the run has `init = "), "{told}");
}
