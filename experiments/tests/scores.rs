//! The two stages of `spex-static` from outside: an estimator is trained, `skein scores` writes what it has learned,
//! and a run draws its neighbours by these, epoch for epoch, to the same bits however it was interrupted.

use crate::support::{copy, has, printed, refused, stderr, write_texts};
use safetensors::SafeTensors;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

/// Nine steps of batches of eight out of 34 texts: two epochs and a bit, and two batches across their borders.
const TINY: &str = "\
budget = \"smoke\"
steps = 9
warmup = 1
eval_every = 3
batch = 8
max_len = 32
features = 8
hidden = 8
";

struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy(&stage_one().join("run"), &folder.path().join("estimator"));
        fs::copy(
            stage_one().join("s.safetensors"),
            folder.path().join("s.safetensors"),
        )
        .unwrap();
        Bench { folder }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A run of spex-static, where `flags` say nothing else.
    fn begin(&self, name: &str, flags: &str) -> Output {
        let attn = match flags.contains("--attn") {
            true => String::new(),
            false => "--attn spex-static".into(),
        };
        let flags = format!("{attn} {flags}");
        text(&self.at(name), &flags)
    }

    /// With the scores of the estimator.
    fn with_scores(&self, name: &str, flags: &str) -> Output {
        let file = self.at("s.safetensors");
        self.begin(name, &format!("--scores {} {flags}", file.display()))
    }

    fn resume(&self, name: &str, flags: &str) -> Output {
        skein(&format!(
            "text --resume {} {flags}",
            self.at(name).display()
        ))
    }
}

fn skein(args: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_skein"));
    let command = command.args(args.split_whitespace());
    command.stdin(Stdio::null()).output().unwrap()
}

/// A run of [`TINY`] on the texts.
fn text(out: &Path, flags: &str) -> Output {
    let folder = stage_one_folder();
    let [config, texts] = ["tiny.toml", "texts"].map(|name| folder.join(name));
    skein(&format!(
        "text --config {} --data {} --out {} {flags}",
        config.display(),
        texts.display(),
        out.display()
    ))
}

fn stage_one_folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("scores")
}

/// A run of the estimator, and its scores.
fn stage_one() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = stage_one_folder();
        let _ = fs::remove_dir_all(&folder);
        write_texts(
            &folder.join("texts"),
            [20, 10],
            &["neg", "pos"],
            |half, class, i| {
                let word = if class == "pos" {
                    "abc nop "
                } else {
                    "nop qrs "
                };
                format!("{}{i} {half}", word.repeat(1 + i % 4)).into_bytes()
            },
        );
        fs::write(folder.join("tiny.toml"), TINY).unwrap();
        let run = folder.join("run");
        printed(&text(&run, "--attn spex-estimator-fixed --dim 4 --heads 1"));
        printed(&scores(&run, &folder.join("s.safetensors"), ""));
        folder
    })
}

fn scores(run: &Path, out: &Path, flags: &str) -> Output {
    skein(&format!(
        "scores {} --out {} {flags}",
        run.display(),
        out.display()
    ))
}

fn same(one: &Path, other: &Path) {
    for name in ["metrics.jsonl", "weights.safetensors"] {
        let [one, other] = [one, other].map(|run| fs::read(run.join(name)).unwrap());
        assert!(one == other, "{name}");
    }
}

#[test]
fn a_table_is_the_same_for_any_number_of_threads_and_says_what_it_is_of() {
    let bench = Bench::new();
    let first = fs::read(bench.at("s.safetensors")).unwrap();
    let run = stage_one().join("run");
    let again = bench.at("again.safetensors");
    for flags in ["--threads 1", "--threads 3"] {
        // Its own file it replaces.
        let told = printed(&scores(&run, &again, flags));
        has(&told, "weights   the best on dev, after step ");
        has(&told, "scores    of 2 layers, means over 34 examples: ");
        assert!(fs::read(&again).unwrap() == first, "{flags}");
    }
    let (_, header) = SafeTensors::read_metadata(&first).unwrap();
    let of = &header.metadata().as_ref().unwrap()["skein_scores"];
    let of: Value = serde_json::from_str(of).unwrap();
    let result = fs::read_to_string(run.join("result.json")).unwrap();
    let result: Value = serde_json::from_str(&result).unwrap();
    for name in ["task", "attn", "features", "seed", "data", "data_sha256"] {
        assert_eq!(of[name], result[name], "{name}");
    }
    let file = SafeTensors::deserialize(&first).unwrap();
    let mut found = file.names();
    found.sort_unstable();
    let expected = [
        "layer_0.keys",
        "layer_0.scores",
        "layer_1.keys",
        "layer_1.scores",
    ];
    assert_eq!(found, expected);
    assert_eq!(file.tensor("layer_1.keys").unwrap().shape()[0], 32);

    // Others' it does not.
    fs::write(&again, "mine").unwrap();
    let told = refused(&scores(&run, &again, ""), 2);
    has(&told, "exists and is no scores: nothing was written");
    let told = printed(&scores(&run, &again, "--overwrite --weights last"));
    has(&told, "weights   the last, after step 9\n");
}

#[test]
fn scores_are_of_runs_of_the_estimator_alone() {
    let bench = Bench::new();
    let run = bench.at("static");
    printed(&bench.begin("static", "--steps 1"));
    let out = bench.at("t.safetensors");
    let told = refused(&scores(&run, &out, ""), 2);
    has(
        &told,
        "is a run of spex-static, expected one of spex-estimator-fixed",
    );
    has(
        &told,
        "hint: skein text --attn spex-estimator-fixed --dim 4 --heads 1",
    );
    let told = refused(&scores(&bench.at("nothing"), &out, ""), 2);
    has(&told, "is not the folder of a run");
    let told = refused(&scores(&bench.at("estimator"), &bench.at("t.bin"), ""), 2);
    has(&told, "t.bin: expected a name that ends in .safetensors");
    assert!(!out.exists());
}

#[test]
fn a_run_that_was_stopped_anywhere_has_the_bits_of_one_that_was_not() {
    let bench = Bench::new();
    printed(&bench.with_scores("whole", "--threads 1"));
    let whole = bench.at("whole");
    let config = fs::read_to_string(whole.join("config.toml")).unwrap();
    has(&config, "s.safetensors@sha256:");
    printed(&bench.with_scores("two", "--threads 2"));
    same(&whole, &bench.at("two"));
    let [kept, given] = [whole.join("scores.safetensors"), bench.at("s.safetensors")];
    assert!(fs::read(&kept).unwrap() == fs::read(&given).unwrap());

    // Within an epoch and at its border, the file itself gone.
    for step in 1..=8 {
        printed(&bench.with_scores(&format!("cut{step}"), &format!("--stop-after {step}")));
    }
    fs::remove_file(&given).unwrap();
    for step in 1..=8 {
        let name = format!("cut{step}");
        // Once more before the end.
        printed(&bench.resume(&name, &format!("--stop-after {}", step + 1)));
        if step < 8 {
            printed(&bench.resume(&name, ""));
        }
        same(&whole, &bench.at(&name));
    }

    // What is judged are the neighbours of the best step, which are kept with its weights.
    let judged = printed(&skein(&format!("evaluate {} --json", whole.display())));
    let judged: Value = serde_json::from_str(&judged).unwrap();
    let result = fs::read_to_string(whole.join("result.json")).unwrap();
    let result: Value = serde_json::from_str(&result).unwrap();
    assert_eq!(judged["loss"], result["test"]["loss"]);
    let input = bench.at("input");
    fs::write(&input, "abc nop\n").unwrap();
    printed(&skein(&format!(
        "predict {} {}",
        whole.display(),
        input.display()
    )));

    // They are drawn by the scores, and others without.
    let weights = fs::read(whole.join("weights.safetensors")).unwrap();
    let keys = fs::read(&kept).unwrap();
    let [weights, keys] = [&weights, &keys].map(|bytes| SafeTensors::deserialize(bytes).unwrap());
    let name = "model.transformer_1.mha.attn.neighbours";
    let neighbours = weights.tensor(name).unwrap();
    assert_eq!(neighbours.shape(), [32, 2]);
    let keys = keys.tensor("layer_1.keys").unwrap();
    let columns = keys.shape()[1];
    let (neighbours, _) = neighbours.data().as_chunks::<4>();
    let (keys, _) = keys.data().as_chunks::<4>();
    for (row, keys) in neighbours.chunks(2).zip(keys.chunks(columns)) {
        for key in row.iter().map(|&key| f32::from_le_bytes(key) as i32) {
            assert!(keys.iter().any(|&other| i32::from_le_bytes(other) == key));
        }
    }
    printed(&bench.begin("random", ""));
    let [one, other] =
        ["whole", "random"].map(|run| fs::read(bench.at(run).join("metrics.jsonl")).unwrap());
    assert!(one != other);
}

#[test]
fn a_run_that_has_lost_its_scores_says_so() {
    let bench = Bench::new();
    printed(&bench.with_scores("run", "--stop-after 4"));
    let (run, given) = (bench.at("run"), bench.at("s.safetensors"));
    let kept = run.join("scores.safetensors");
    fs::write(&kept, "others").unwrap();
    let told = refused_at_the_end(&bench.resume("run", ""), 1);
    has(&told, "scores.safetensors has SHA-256 ");
    has(&told, "hint: every epoch draws by these scores: remove ");
    // Without it those that were given are read again, and kept again.
    fs::remove_file(&kept).unwrap();
    fs::rename(&given, bench.at("moved")).unwrap();
    let told = refused_at_the_end(&bench.resume("run", ""), 1);
    has(&told, "cannot read ");
    has(&told, "the run has lost its copy: restore ");
    fs::rename(bench.at("moved"), &given).unwrap();
    printed(&bench.resume("run", "--stop-after 5"));
    assert!(kept.exists());

    // A new run in its place keeps its own.
    printed(&bench.begin("run", "--overwrite --steps 1"));
    assert!(!kept.exists());
}

/// The two lines at the end, after what a run says of its data.
fn refused_at_the_end(output: &Output, code: i32) -> String {
    let told = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{told}");
    let lines: Vec<&str> = told.lines().collect();
    let start = lines.len().saturating_sub(2);
    assert!(
        lines[start].starts_with("error: ") && lines[start + 1].starts_with("hint: "),
        "{told}"
    );
    lines[start..].join("\n")
}

#[test]
fn scores_that_do_not_fit_are_refused_before_there_is_a_folder() {
    let bench = Bench::new();
    for (flags, expected) in [
        (
            "--layers 3",
            "has scores of 2 layers of 32 positions, the model has 3 layers of 32 positions",
        ),
        (
            "--max-len 64",
            "has scores of 2 layers of 32 positions, the model has 2 layers of 64 positions",
        ),
    ] {
        has(
            refused_at_the_end(&bench.with_scores("run", flags), 2),
            expected,
        );
    }
    let told = refused_at_the_end(&bench.with_scores("run", "--attn skein"), 2);
    has(
        &told,
        ": expected random, since skein draws nothing by scores: spex-static does",
    );
    let told = refused_at_the_end(&bench.begin("run", "--scores missing.safetensors"), 1);
    has(&told, "cannot read ");
    let weights = bench.at("estimator").join("weights.safetensors");
    let told = refused_at_the_end(
        &bench.begin("run", &format!("--scores {}", weights.display())),
        1,
    );
    has(&told, "these are no scores: no tensor layer_0.keys");
    has(
        &told,
        "hint: skein scores RUN --out FILE.safetensors writes such a file",
    );

    // The settings of a run name the bytes.
    printed(&bench.with_scores("first", "--steps 1"));
    let given = bench.at("s.safetensors");
    let mut bytes = fs::read(&given).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&given, bytes).unwrap();
    let config = bench.at("first").join("config.toml");
    let told = skein(&format!(
        "text --config {} --out {}",
        config.display(),
        bench.at("run").display()
    ));
    let told = refused_at_the_end(&told, 1);
    has(&told, "has SHA-256 ");
    has(
        &told,
        "hint: restore the file, or begin a run with what is there now: --scores ",
    );
    assert!(!bench.at("run").exists());
}

/// On pictures, as they are meant.
#[test]
fn both_stages_on_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let few = "--data builtin --budget smoke --steps 2 --warmup 1 --eval-every 2 --eval-examples 4 --test-examples 4 \
               --batch 2 --features 16";
    let [one, two, table] = ["one", "two", "s.safetensors"].map(at);
    printed(&skein(&format!(
        "image --attn spex-estimator-fixed --dim 4 --heads 1 {few} --out {one}"
    )));
    let told = printed(&skein(&format!("scores {one} --out {table} --examples 20")));
    has(&told, "of 2 layers, means over 20 examples: ");
    printed(&skein(&format!(
        "image --attn spex-static --scores {table} {few} --out {two} --stop-after 1"
    )));
    printed(&skein(&format!("image --resume {two}")));
    printed(&skein(&format!("evaluate {two}")));
}
