//! table from outside, on folders of runs that are written here.

use crate::support::{fits, has};
use experiments::settings::choices::{Budget, Task};
use experiments::settings::config::Config;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

/// A run that has ended, in `folder`/<task>-<attn>-s<seed>: accuracy in percent, seconds a step.
pub(crate) fn write_run(
    folder: &Path,
    task: Task,
    attn: &str,
    seed: u64,
    accuracy: f64,
    seconds: Option<f64>,
) -> PathBuf {
    let config = Config {
        attn: attn.into(),
        features: 256,
        seed,
        data: "builtin".into(),
        ..task.preset(Budget::Quick)
    };
    let run = folder.join(format!("{}-{attn}-s{seed}", task.name()));
    write(&run, &config, accuracy);
    if let Some(seconds) = seconds {
        let text = format!(
            "[[start]]\nfrom_step = 0\nseed = {seed}\nthreads = 2\ngit_commit = \"1a2b3c\"\n\
             rustc = \"rustc 1.89.0\"\nengine = \"0.1.0\"\nmatrixmultiply = \"0.3.11\"\ncpu = \"a\"\n\
             cpu_features = []\n[took]\nseconds = 100.0\nseconds_per_step = {seconds:?}\n\
             tokens_per_second = 1000.0\npeak_mib = 90.5\n"
        );
        fs::write(run.join("environment.toml"), text).unwrap();
    }
    run
}

pub(crate) fn write(run: &Path, config: &Config, accuracy: f64) {
    fs::create_dir_all(run).unwrap();
    fs::write(run.join("config.toml"), config.to_toml()).unwrap();
    let result = serde_json::json!({
        "task": config.task,
        "attn": config.attn,
        "features": config.features,
        "seed": config.seed,
        "protocol": config.protocol,
        "data": "texts, \"made\" here",
        "builtin": config.data == "builtin",
        "data_sha256": format!("sha of {}", config.task.name()),
        "parameters": 173954,
        "steps": 1000,
        "tested_weights_of_step": 800,
        "best_dev": {"loss": 0.5, "accuracy": 0.7, "examples": 1000},
        "test": {"loss": 0.5, "accuracy": accuracy / 100.0, "examples": 5000},
        "majority_accuracy": 0.5,
        "token_frequency_accuracy": 0.67 + 0.01 * (config.seed % 10) as f64, // Of examples of its own.
    });
    fs::write(run.join("result.json"), result.to_string()).unwrap();
}

/// Two tasks, three methods, up to three seeds; one number is missing.
fn grid(folder: &Path) {
    for (seed, text, listops) in [(1, 60.0, 35.0), (2, 62.0, 36.0), (3, 61.0, 34.0)] {
        write_run(folder, Task::Text, "softmax-nodrop", seed, text, Some(0.25));
        write_run(
            folder,
            Task::Text,
            "skein",
            seed,
            text + 1.0 + seed as f64,
            Some(0.125),
        );
        write_run(folder, Task::ListOps, "skein", seed, listops, None);
    }
    write_run(folder, Task::ListOps, "softmax-nodrop", 2, 37.5, None);
    write_run(folder, Task::Text, "vmean", 1, 65.5, Some(0.0625));
}

pub(crate) fn table(args: &[&Path], flags: &str) -> Output {
    let mut command = crate::skein("table");
    command.args(args).args(flags.split_whitespace());
    command.output().unwrap()
}

fn stdout(output: Output) -> String {
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert_eq!(told, "");
    String::from_utf8(output.stdout).unwrap()
}

fn refused(output: Output, code: i32) -> String {
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{told}");
    assert_eq!(output.stdout, b"");
    assert!(
        told.lines().count() <= 2 && told.starts_with("error: "),
        "{told}"
    );
    told
}

#[test]
fn markdown() {
    let folder = tempfile::tempdir().unwrap();
    grid(folder.path());
    let text = stdout(table(&[folder.path()], ""));
    fits(&text);
    let expected = "\
Test accuracy, %: mean ± standard deviation (runs); the paper's beside it

| method          |             Text | paper |          ListOps | paper |
| --------------- | ---------------: | ----: | ---------------: | ----: |
| softmax-nodrop  | 61.00 ± 1.00 (3) | 59.44 |        37.50 (1) | 38.17 |
| vmean           |        65.50 (1) | 65.29 |                – | 28.78 |
| skein           | 64.00 ± 1.73 (3) | 62.47 | 35.00 ± 1.00 (3) | 38.73 |
| token frequency |            69.00 |       |            69.00 |       |
| majority class  |            50.00 |       |            50.00 |       |

Difference to softmax-nodrop over the same seeds, points: mean ± standard error
(pairs)

| method |             Text |   ListOps |
| ------ | ---------------: | --------: |
| vmean  |        +5.50 (1) |         – |
| skein  | +3.00 ± 0.58 (3) | -1.50 (1) |

Text: difference to softmax-nodrop over the same seeds, points

| method | difference |  95 % interval | pairs | verdict  |
| ------ | ---------: | -------------: | ----: | -------- |
| vmean  |      +5.50 |              – |     1 | one seed |
| skein  |      +3.00 | +0.52 to +5.48 |     3 | better   |

| method |  p (t) | p (Holm) | p (sign-flip) | seeds for 1 point |
| ------ | -----: | -------: | ------------: | ----------------: |
| vmean  |      – |        – |             – |                 – |
| skein  | 0.0351 |   0.0351 |        0.2500 |                10 |

Text: costs; multiply-adds of one head in one layer forward, n = 1024

| method         | parameters | M mult-adds | s/step | tokens/s | MiB |
| -------------- | ---------: | ----------: | -----: | -------: | --: |
| softmax-nodrop |     173954 |        67.1 |  0.250 |     1000 |  90 |
| vmean          |     173954 |         0.0 |  0.062 |     1000 |  90 |
| skein          |     173954 |        28.0 |  0.125 |     1000 |  90 |
";
    assert!(text.starts_with(expected), "{text}");
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for note in [
        "| skein | 173954 | 2.6 | – | – | – | ",
        "Text: texts, \"made\" here, a stand-in for the benchmark's data; 5000 test examples; protocol \
         clean, budget quick, 1200 steps of 32, max-len 1024, learning rate 0.001, features 256. ",
        "The paper's numbers: Chen et al. 2022, Table 1.",
        "ListOps: no method beats the majority class, 50.00 %, by more than two standard errors of the test examples \
         (1.37 points): differences between methods say nothing there.",
        "7 runs missing of the grid of 2 columns, 3 methods and 3 seeds: Text: vmean (seeds 2 3); ListOps: \
         softmax-nodrop (seeds 1 3), vmean.",
        "One seed: no interval and no p value, since one difference has no spread: Text: vmean; ListOps: skein.",
        "adjusted for the one comparison of this table: where it is at most 5 %, a method is called better or worse,",
        "p (sign-flip) supposes no distribution; of 3 pairs it cannot be below 0.25, so that it cannot speak at 5 %.",
    ] {
        assert!(flat.contains(note), "{note}\n{text}");
    }
}

#[test]
fn latex() {
    let folder = tempfile::tempdir().unwrap();
    grid(folder.path());
    let text = stdout(table(&[folder.path()], "--format latex --against vmean"));
    let expected = "\
% Test accuracy, %: mean ± standard deviation (runs); the paper's beside it
\\begin{tabular}{lrrrr}
\\toprule
method & Text & paper & ListOps & paper \\\\
\\midrule
softmax-nodrop & 61.00 $\\pm$ 1.00 (3) & 59.44 & 37.50 (1) & 38.17 \\\\
vmean & 65.50 (1) & 65.29 & -- & 28.78 \\\\
skein & 64.00 $\\pm$ 1.73 (3) & 62.47 & 35.00 $\\pm$ 1.00 (3) & 38.73 \\\\
token frequency & 69.00 &  & 69.00 &  \\\\
majority class & 50.00 &  & 50.00 &  \\\\
\\bottomrule
\\end{tabular}
";
    assert!(text.contains(expected), "{text}");
    assert!(text.contains("\nskein & $-$3.50 (1) & -- \\\\\n"), "{text}");
    let text = stdout(table(&[folder.path()], "--format latex"));
    let expected = "\
method & difference & 95 \\% interval & pairs & verdict & p (t) & p (Holm) & p (sign-flip) & seeds for 1 point \\\\
\\midrule
vmean & +5.50 & -- & 1 & one seed & -- & -- & -- & -- \\\\
skein & +3.00 & +0.52 to +5.48 & 3 & better & 0.0351 & 0.0351 & 0.2500 & 10 \\\\
";
    has(text, expected);
}

#[test]
fn csv() {
    let folder = tempfile::tempdir().unwrap();
    grid(folder.path());
    let text = stdout(table(&[folder.path()], "--format csv"));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 1 + 5);
    let expected = "Text,text,skein,3,1 2 3,64,1.7320508075688772,softmax-nodrop,3,\
                    0.5773502691896257,3,62.47,173954,";
    assert!(lines[3].starts_with(expected), "{}", lines[3]);
    has(lines[3], ",\"texts, \"\"made\"\" here\",");
    let end = |line: &str| -> Vec<String> {
        let mut end: Vec<String> = line.rsplit(',').take(7).map(String::from).collect();
        end.reverse();
        end
    };
    let names = "interval_low,interval_high,p_t,p_holm,p_sign_flip,verdict,seeds_for_one_point";
    assert!(lines[0].ends_with(names), "{}", lines[0]);
    let numbers = end(lines[3]);
    let [low, high, p] = [0, 1, 2].map(|i| numbers[i].parse::<f64>().unwrap());
    let half = 4.302_652_729_9 / 3f64.sqrt();
    assert!((low - (3.0 - half)).abs() < 1e-6 && (high - (3.0 + half)).abs() < 1e-6);
    assert!((p - (1.0 - (27.0f64 / 29.0).sqrt())).abs() < 1e-9, "{p}");
    assert_eq!(numbers[3..], [numbers[2].as_str(), "0.25", "better", "10"]);
    assert_eq!(end(lines[2]), ["", "", "", "", "", "one seed", ""]);
    assert_eq!(end(lines[1]), [""; 7]);
    assert!(
        lines[4].starts_with("ListOps,listops,softmax-nodrop,1,2,37.5,,"),
        "{}",
        lines[4]
    );
}

#[test]
fn five_tasks_have_an_average_and_more_than_one_table() {
    let folder = tempfile::tempdir().unwrap();
    for (i, task) in Task::ALL.into_iter().enumerate() {
        write_run(folder.path(), task, "skein", 1, 40.0 + i as f64, None);
    }
    let text = stdout(table(&[folder.path()], ""));
    fits(&text);
    let cells: Vec<&str> = text.split('|').map(str::trim).collect();
    let average = cells.windows(2).any(|pair| pair == ["42.00", "58.08"]);
    assert!(average && cells.contains(&"Avg"), "{text}");
    assert!(!text.contains("Difference to"), "{text}");
}

/// What older results do not tell is not marked; what neither sketches nor could is not, either.
#[test]
fn methods_that_sketched_nothing_are_marked() {
    let folder = tempfile::tempdir().unwrap();
    let with_exact = |attn: &str, seed: u64, exact: Option<usize>| {
        let run = write_run(
            folder.path(),
            Task::Text,
            attn,
            seed,
            60.0 + seed as f64,
            None,
        );
        let path = run.join("result.json");
        let mut result: serde_json::Value =
            serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        result["lengths"] = serde_json::json!({
            "examples": 400, "shortest": 14, "first_quartile": 30, "median": 40, "longest": 64,
        });
        if let Some(exact) = exact {
            result["exact_examples"] = exact.into();
        }
        fs::write(&path, result.to_string()).unwrap();
    };
    for seed in [1, 2] {
        with_exact("softmax-nodrop", seed, None);
        with_exact("skein", seed, Some(400));
        with_exact("skein-uniform", seed, Some(48));
    }
    write_run(folder.path(), Task::Text, "nystrom", 1, 60.0, None);
    write_run(folder.path(), Task::Text, "softmax", 1, 60.0, None);
    write_run(folder.path(), Task::Pathfinder, "softmax", 1, 60.0, None);
    let text = stdout(table(&[folder.path()], "--against softmax-nodrop"));
    for row in [
        "| softmax-nodrop  |  61.50 ± 0.71 (2) |",
        "| nystrom         |         60.00 (1) |",
        "| skein           | 61.50 ± 0.71 (2)* |",
        "| skein-uniform   |  61.50 ± 0.71 (2) |",
        "| skein         | +0.00 ± 0.00 (2)* |",
    ] {
        assert!(text.contains(row), "{row}\n{text}");
    }
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for note in [
        "* Nothing was sketched: the features leave nothing out of the longest example,",
        "Text: skein-uniform is exact attention in 12.00% of the examples",
        "Pathfinder: softmax: dropout is 0: the same as softmax-nodrop.",
    ] {
        assert!(flat.contains(note), "{note}\n{text}");
    }
    assert!(!flat.contains("Text: softmax: dropout"), "{text}");
    let csv = stdout(table(&[folder.path()], "--format csv"));
    let last: Vec<&str> = csv
        .lines()
        .map(|line| line.rsplit(',').nth(7).unwrap())
        .collect();
    assert_eq!(last, ["exact", "", "", "", "1", "0.12", ""]);
}

#[test]
fn runs_of_other_settings_have_a_column_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    for (batch, seed, accuracy) in [(32, 1, 60.0), (32, 2, 61.0), (64, 1, 70.0)] {
        let config = Config {
            seed,
            batch,
            data: "builtin".into(),
            ..Task::Text.preset(Budget::Quick)
        };
        write(
            &folder.path().join(format!("b{batch}-s{seed}")),
            &config,
            accuracy,
        );
    }
    let text = stdout(table(&[folder.path()], ""));
    has(
        &text,
        "| skein           | 60.50 ± 0.71 (2) | 62.47 | 70.00 (1) | 62.47 |",
    );
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for (title, batch) in [("Text (a)", 32), ("Text (b)", 64)] {
        let note =
            format!("{title} is not averaged with the others, of other settings: batch = {batch}");
        assert!(flat.contains(&note), "{text}");
    }
}

/// Alters the result of a run.
pub(crate) fn alter(run: &Path, change: impl FnOnce(&mut serde_json::Value)) {
    let path = run.join("result.json");
    let mut result = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut result);
    fs::write(path, result.to_string()).unwrap();
}

/// Says that these have computed a run: code, product, kernel path.
pub(crate) fn computed_by(run: &Path, computers: &[[&str; 3]]) {
    let computer = |[code, product, kernel]: &[&str; 3]| serde_json::json!({"code": code, "product": product, "kernel": kernel});
    alter(run, |result| {
        result["computed_by"] = computers.iter().map(computer).collect();
    });
}

const HERE: [&str; 3] = ["c0de", "matrixmultiply 0.3.11", "avx2"];

#[test]
fn runs_that_something_else_has_computed_are_not_averaged_unasked() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = [(1, 60.0), (2, 62.0)].map(|(seed, accuracy)| {
        let run = write_run(folder.path(), Task::Text, "skein", seed, accuracy, None);
        computed_by(&run, &[HERE]);
        run
    });
    let flat = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let printed = flat(stdout(table(&[folder.path()], "")));
    assert!(printed.contains("| 61.00 ± 1.41 (2) |"), "{printed}");
    assert!(!printed.contains("differ"), "{printed}");

    let sha = "0123456789abcdef0123456789abcdee";
    let [code, product, kernel] = HERE;
    let groups = |what: &str, here: &str, other: &str| {
        let [a, b] = [&a, &b].map(|path| path.display());
        format!("differ in {what}, expected the same: {what} {here} ({a}); {what} {other} ({b})")
    };
    for (what, here, other, computer) in [
        ("code", code, "0dd", ["0dd", product, kernel]),
        (
            "product",
            product,
            "fixed-order",
            [code, "fixed-order", kernel],
        ),
        ("kernel path", kernel, "avx512", [code, product, "avx512"]),
        ("SHA-256 of the data", "sha of text", sha, HERE),
    ] {
        computed_by(&b, &[computer]);
        if what.starts_with("SHA") {
            alter(&b, |result| result["data_sha256"] = sha.into());
        }
        let told = refused(table(&[folder.path()], ""), 2);
        let expected = format!(
            "error: Text: runs of the same settings {}",
            groups(what, here, other)
        );
        assert!(told.starts_with(&expected), "{told}");
        has(&told, "average over all of them with --mix\n");
        let mixed = flat(stdout(table(&[folder.path()], "--mix")));
        assert!(mixed.contains("| 61.00 ± 1.41 (2) |"), "{mixed}");
        let what = format!("averaged over runs that differ in {what}, as --mix has it: ");
        assert!(mixed.contains(&what), "{mixed}");
    }
    let csv = stdout(table(&[folder.path()], "--mix --format csv"));
    let both = format!("sha of text + {sha},c0de,matrixmultiply 0.3.11,avx2,,,,,,,,\n");
    assert!(csv.ends_with(&both), "{csv}");
}

#[test]
fn a_mixture_has_every_run_and_a_pair_a_seed() {
    let folder = tempfile::tempdir().unwrap();
    let mut there = Vec::new();
    for (name, code, softmax, skein) in [("a", "aaaa", 60.0, 61.0), ("b", "bbbb", 70.0, 74.0)] {
        for (attn, accuracy) in [("softmax", softmax), ("skein", skein)] {
            let place = folder.path().join(name);
            let run = write_run(&place, Task::Text, attn, 1, accuracy, None);
            computed_by(&run, &[[code, HERE[1], HERE[2]]]);
            there.push(run);
        }
    }
    let told = refused(table(&[folder.path()], ""), 2);
    for group in there.chunks(2) {
        // By method in the order of the registry.
        has(&told, format!("({} and 1 more)", group[0].display()));
    }
    let text = stdout(table(&[folder.path()], "--mix"));
    assert!(text.contains("| 67.50 ± 9.19 (2) |"), "{text}");
    // The mean of 1 and 4, not of 14 and -9, and one pair: both are of one seed.
    assert!(text.contains("| skein  | +2.50 (1) |"), "{text}");
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(!flat.contains("Left out"), "{text}");
}

#[test]
fn what_computed_older_runs_is_unknown_and_not_that_of_newer_ones() {
    let folder = tempfile::tempdir().unwrap();
    for (seed, seconds) in [(1, Some(0.25)), (2, None)] {
        write_run(folder.path(), Task::Text, "skein", seed, 60.0, seconds);
    }
    stdout(table(&[folder.path()], ""));
    let newer = write_run(folder.path(), Task::Text, "skein", 3, 60.0, None);
    computed_by(&newer, &[HERE]);
    let told = refused(table(&[folder.path()], ""), 2);
    for part in [
        "code unknown, product unknown, kernel path unknown (",
        "code c0de, product matrixmultiply 0.3.11, kernel path avx2 (",
        "with --mix; unknown is what older versions did not record",
    ] {
        assert!(told.contains(part), "{told}");
    }
    // Begun by one and ended by another, runs are of both.
    for seed in 1..=3 {
        let run = folder.path().join(format!("text-skein-s{seed}"));
        let _ = fs::remove_file(run.join("environment.toml"));
        computed_by(&run, &[["unknown"; 3], HERE]);
    }
    let text = stdout(table(&[folder.path()], ""));
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let note = "Text: begun and ended by different code, product or kernel path: ";
    assert!(flat.contains(note), "{text}");
    computed_by(&newer, &[HERE]);
    let told = refused(table(&[folder.path()], ""), 2);
    assert!(told.contains("kernel path unknown + avx2 ("), "{told}");
}

/// environment.toml and result.json say the same unless somebody has altered one.
#[test]
fn what_either_file_says_counts() {
    let folder = tempfile::tempdir().unwrap();
    for seed in [1, 2] {
        let run = write_run(folder.path(), Task::Text, "skein", seed, 60.0, Some(0.5));
        computed_by(&run, &[HERE]);
        let path = run.join("environment.toml");
        let kernel = if seed == 1 { HERE[2] } else { "avx512" };
        let facts = format!(
            "cpu = \"a\"\ncode = \"{}\"\nproduct = \"{}\"\nkernel = \"{kernel}\"\n",
            HERE[0], HERE[1]
        );
        let text = fs::read_to_string(&path).unwrap();
        fs::write(path, text.replace("cpu = \"a\"\n", &facts)).unwrap();
    }
    let told = refused(table(&[folder.path()], ""), 2);
    assert!(told.contains("kernel path avx2 + avx512 ("), "{told}");
}

#[test]
fn there_is_no_average_of_tasks_that_different_code_has_computed() {
    let folder = tempfile::tempdir().unwrap();
    for (i, task) in Task::ALL.into_iter().enumerate() {
        let run = write_run(folder.path(), task, "skein", 1, 40.0 + i as f64, None);
        computed_by(&run, &[HERE]);
        if task == Task::Image {
            computed_by(&run, &[["0dd", HERE[1], HERE[2]]]);
        }
    }
    let text = stdout(table(&[folder.path()], ""));
    let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(!text.contains("Avg"), "{text}");
    let note = "The columns differ in code: Text, code c0de; ";
    assert!(flat(&text).contains(note), "{text}");
    assert!(flat(&text).contains("Image, code 0dd; there is no average of them without --mix"));
    let text = stdout(table(&[folder.path()], "--mix"));
    assert!(text.contains("Avg") && flat(&text).contains(note), "{text}");
}

#[test]
fn built_in_data_and_files_are_different_settings() {
    let folder = tempfile::tempdir().unwrap();
    write_run(folder.path(), Task::Text, "skein", 1, 60.0, None);
    let run = write_run(folder.path(), Task::Text, "skein", 2, 70.0, None);
    alter(&run, |result| {
        result["builtin"] = false.into();
        result["data_sha256"] = "other".into();
    });
    let text = stdout(table(&[folder.path()], ""));
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for note in [
        "data = \"builtin\", SHA-256 of the data sha of text",
        "data = \"files\", SHA-256 of the data other",
    ] {
        let note = format!("is not averaged with the others, of other settings: {note}");
        assert!(flat.contains(&note), "{text}");
    }
}

/// The results in this repository, of a version that kept less.
#[test]
fn the_table_of_the_readme_comes_out() {
    let sweep = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/sweep");
    let text = stdout(table(&[&sweep], ""));
    for row in [
        "| softmax-nodrop  | 60.84 ± 0.71 (3) | 59.44 | 35.25 ± 1.71 (3) | 38.17 |",
        "| skein-uniform   | 60.90 ± 0.84 (3) | 64.48 | 31.27 ± 1.10 (3) | 30.02 |",
    ] {
        assert!(text.contains(row), "{text}");
    }
    assert!(!text.contains("differ in"), "{text}");
}

#[test]
fn numbers_that_no_run_has_written_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let run = write_run(folder.path(), Task::Text, "skein", 1, 60.0, Some(0.5));
    let draw = |wrong: &str| {
        let mut command = crate::skein("table");
        let svg = folder.path().join("loss.svg");
        command.arg(folder.path()).arg("--curves").arg(svg);
        let told = refused(
            command.output().unwrap(),
            if wrong == "environment.toml" { 2 } else { 1 },
        );
        assert!(told.contains(&format!("text-skein-s1/{wrong}")), "{told}");
        told
    };
    write_lines(&run, 0.7, 0.5);
    stdout(table(&[folder.path()], ""));
    let share = "expected a share from 0 to 1";
    let amount = "expected a finite number from 0 on";
    let count = "expected a count from 1 to 2^32";
    for (file, right, wrong, expected) in [
        (
            "result.json",
            "\"accuracy\":0.6,",
            "\"accuracy\":37.5,",
            share,
        ),
        ("result.json", "\"loss\":0.5", "\"loss\":-0.5", amount),
        ("result.json", "\"examples\":5000", "\"examples\":0", count),
        (
            "result.json",
            "\"majority_accuracy\":0.5",
            "\"majority_accuracy\":50",
            share,
        ),
        (
            "result.json",
            "\"token_frequency_accuracy\":0.68",
            "\"token_frequency_accuracy\":68",
            share,
        ),
        (
            "result.json",
            "\"parameters\":173954",
            "\"parameters\":0",
            count,
        ),
        (
            "result.json",
            "\"steps\":1000",
            "\"steps\":700",
            "expected one of the 700 that were done",
        ),
        (
            "environment.toml",
            "seconds = 100.0",
            "seconds = -100.0",
            amount,
        ),
        (
            "environment.toml",
            "seconds_per_step = 0.5",
            "seconds_per_step = nan",
            amount,
        ),
        (
            "environment.toml",
            "peak_mib = 90.5",
            "peak_mib = -1.0",
            amount,
        ),
        (
            "metrics.jsonl",
            "\"accuracy\":0.6,",
            "\"accuracy\":6,",
            share,
        ),
        (
            "metrics.jsonl",
            "\"loss\":0.6",
            "\"loss\":1e999",
            "number out of range",
        ),
        (
            "metrics.jsonl",
            "{\"step\":7,",
            "{\"step\":8,",
            "metrics.jsonl:7: expected a line of the run: step 8, expected 7",
        ),
        (
            "result.json",
            "\"accuracy\":0.6,",
            "\"accuracy\":0.60001,",
            "of 5000 examples: expected a whole number of right ones",
        ),
        (
            "metrics.jsonl",
            "\"dev\":{\"loss\":0.",
            "\"dev\":{\"loss\":-0.",
            amount,
        ),
        (
            "timings.jsonl",
            "\"seconds\":0.5",
            "\"seconds\":-0.5",
            amount,
        ),
    ] {
        let before = fs::read_to_string(run.join(file)).unwrap();
        assert!(before.contains(right), "{file}: {right}: {before}");
        fs::write(run.join(file), before.replacen(right, wrong, 1)).unwrap();
        let told = draw(file);
        assert!(told.contains(expected), "{told}");
        fs::write(run.join(file), before).unwrap();
    }
    stdout(table(&[folder.path()], ""));
}

#[test]
fn what_is_left_out_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let [grid, copy, other, open] =
        ["grid", "copy", "other", "open"].map(|name| folder.path().join(name));
    write_run(&grid, Task::Text, "skein", 1, 60.0, None);
    write_run(&copy, Task::Text, "skein", 1, 60.0, None);
    write_run(&other, Task::Text, "skein", 1, 61.0, None);
    let run = write_run(&open, Task::Text, "skein", 2, 61.0, None);
    fs::remove_file(run.join("result.json")).unwrap();
    let text = stdout(table(&[&grid, &copy, &open, &grid], ""));
    assert!(text.contains("| 60.00 (1) |"), "{text}");
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    has(&flat, "copy/text-skein-s1, which has the same result as");
    assert!(flat.contains("1 not ended and left out: "), "{text}");
    // Of older runs nobody knows what computed them.
    let text = stdout(table(&[&grid, &other], ""));
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    has(&flat, "other/text-skein-s1, which has ANOTHER result");
    for folder in [&grid, &other] {
        computed_by(&folder.join("text-skein-s1"), &[HERE]);
    }
    let told = refused(table(&[&grid, &other], ""), 1);
    has(&told, "code, product and kernel path, and other results");
    has(&told, "hint: one of them was altered");
}

#[test]
fn wrong_input_is_one_line_and_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path();
    assert!(refused(table(&[], ""), 2).contains("<FOLDER>..."));
    assert!(refused(table(&[&empty.join("gone")], ""), 1).contains("cannot list"));
    has(
        refused(table(&[empty], ""), 2),
        "holds no runs\nhint: expected a folder such as",
    );
    let run = write_run(empty, Task::Text, "skein", 1, 60.0, None);
    let told = refused(table(&[empty], "--against softmax"), 2);
    has(&told, "none of the runs is of it; expected one of skein");
    assert!(refused(table(&[empty], "--format html"), 2).contains("markdown, latex, csv"));

    let result = fs::read_to_string(run.join("result.json")).unwrap();
    let mislabelled = result.replace("\"seed\":1", "\"seed\":2");
    fs::write(run.join("result.json"), mislabelled).unwrap();
    assert!(refused(table(&[empty], ""), 1).contains("expected text skein with seed 1"));
    fs::write(run.join("result.json"), &result[..100]).unwrap();
    assert!(refused(table(&[empty], ""), 1).contains("expected the outcome of a run: EOF"));
    fs::remove_file(run.join("result.json")).unwrap();
    assert!(refused(table(&[empty], ""), 2).contains("none of the 1 runs has ended"));
    fs::write(run.join("result.json"), &result).unwrap();
    fs::remove_file(run.join("config.toml")).unwrap();
    assert!(refused(table(&[empty], ""), 1).contains("has a result.json and no config.toml"));
}

/// metrics.jsonl and timings.jsonl: an evaluation every ten of thirty steps.
fn write_lines(run: &Path, first_loss: f64, seconds: f64) {
    let (mut metrics, mut timings) = (String::new(), String::new());
    for step in 1..=1000 {
        metrics += &format!(
            "{{\"step\":{step},\"loss\":0.6,\"accuracy\":0.5,\"tokens\":100,\"learning_rate\":0.001,\
             \"gradient_norm\":1.5}}\n"
        );
        timings +=
            &format!("{{\"step\":{step},\"seconds\":{seconds},\"tokens_per_second\":50.0}}\n");
        if step % 100 == 0 {
            let loss = first_loss - 0.0001 * f64::from(step);
            metrics += &format!(
                "{{\"step\":{step},\"dev\":{{\"loss\":{loss},\"accuracy\":0.6,\"examples\":10}}}}\n"
            );
        }
    }
    fs::write(run.join("metrics.jsonl"), metrics).unwrap();
    fs::write(run.join("timings.jsonl"), timings).unwrap();
}

#[test]
fn the_figures_have_axes_and_a_line_for_each_method() {
    let folder = tempfile::tempdir().unwrap();
    let grid = folder.path().join("grid");
    let image = folder.path().join("loss.svg");
    let draw = |flag: &str| {
        let mut command = crate::skein("table");
        command.arg(&grid).args([flag, image.to_str().unwrap()]);
        command.output().unwrap()
    };
    for (attn, loss, seconds) in [("skein", 0.7, 0.5), ("vmean", 0.9, 0.1)] {
        for seed in [1, 2] {
            let run = write_run(&grid, Task::Text, attn, seed, 60.0, Some(seconds));
            write_lines(&run, loss + 0.05 * seed as f64, seconds);
        }
    }
    let told = refused(draw("--sensitivity"), 2);
    has(&told, "sweep --preset sensitivity makes such runs");
    assert!(!image.exists());
    stdout(draw("--curves"));
    let svg = fs::read_to_string(&image).unwrap();
    for text in [
        "dev loss, nats",
        "steps",
        "training, s (evaluations apart)",
        "skein",
        "vmean",
    ] {
        assert!(svg.contains(&format!(">{text}</text>")), "{text}: {svg}");
    }
    // Two lines in two panels, and two in the legend; the seconds are those of the steps.
    assert_eq!(svg.matches("<polyline").count(), 6, "{svg}");
    // Without its clock a run is in the panel over steps; when all are, that is the only one.
    fs::remove_file(grid.join("text-skein-s1/timings.jsonl")).unwrap();
    let text = stdout(draw("--curves"));
    let words: Vec<&str> = text.split_whitespace().collect();
    assert!(
        words
            .join(" ")
            .contains("Not drawn against seconds, without a timings.jsonl: ")
            && text.contains("text-skein-s1"),
        "{text}"
    );
    let svg = fs::read_to_string(&image).unwrap();
    assert_eq!(svg.matches("<polyline").count(), 6, "{svg}");
    fs::remove_file(grid.join("text-skein-s2/timings.jsonl")).unwrap();
    stdout(draw("--curves"));
    let svg = fs::read_to_string(&image).unwrap();
    assert_eq!(svg.matches("<polyline").count(), 5, "{svg}");
    for seed in [1, 2] {
        fs::remove_file(grid.join(format!("text-vmean-s{seed}/timings.jsonl"))).unwrap();
    }
    stdout(draw("--curves"));
    let svg = fs::read_to_string(&image).unwrap();
    assert_eq!(svg.matches("<polyline").count(), 4, "{svg}");
    assert!(!svg.contains("training, s"), "{svg}");

    fs::remove_file(grid.join("text-skein-s1/metrics.jsonl")).unwrap();
    let told = refused(draw("--curves"), 1);
    assert!(told.contains("text-skein-s1/metrics.jsonl"), "{told}");

    for batch in [64, 96] {
        for rate in [1e-4, 1e-3] {
            let config = Config {
                learning_rate: rate,
                batch,
                data: "builtin".into(),
                ..Task::Text.preset(Budget::Quick)
            };
            write(&grid.join(format!("{batch}-{rate}")), &config, 62.0);
        }
    }
    stdout(draw("--sensitivity"));
    let svg = fs::read_to_string(&image).unwrap();
    for text in [
        "test accuracy, %",
        "highest learning rate",
        "skein, batch 96",
        "paper, batch 64",
    ] {
        assert!(svg.contains(&format!(">{text}</text>")), "{text}: {svg}");
    }
    assert!(!svg.contains("paper, batch 96"), "{svg}");
    let mut command = crate::skein("table");
    command.arg(&grid).args(["--sensitivity", "thesis.tex"]);
    assert!(refused(command.output().unwrap(), 2).contains("expected the name of an .svg file"));

    // Nor a picture by somebody else, unless that was asked for.
    fs::write(
        &image,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\"></svg>",
    )
    .unwrap();
    let told = refused(draw("--sensitivity"), 2);
    assert!(told.contains("exists and is not by this program"), "{told}");
    let mut command = crate::skein("table");
    command
        .arg(&grid)
        .arg("--sensitivity")
        .arg(&image)
        .arg("--overwrite");
    stdout(command.output().unwrap());
    has(fs::read_to_string(&image).unwrap(), "skein, batch 96");
    command.arg("--curves").arg(&image);
    let told = refused(command.output().unwrap(), 2);
    assert!(told.contains("name the same file"), "{told}");

    // No line goes from one set of data to another.
    for batch in [64, 96] {
        alter(&grid.join(format!("{batch}-0.0001")), |result| {
            result["data_sha256"] = "other".into();
        });
    }
    let told = refused(draw("--sensitivity"), 2);
    has(&told, "no runs differ in nothing but learning rate");
}
