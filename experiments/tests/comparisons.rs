//! What table says of differences, draws of them, and says of runs one by one: on folders of runs that are written here.

use crate::support::{fits, has, printed, refused, stderr};
use crate::table::{alter, computed_by, table, write, write_run};
use experiments::settings::choices::{Budget, Positions, Task};
use experiments::settings::config::Config;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Three seeds of softmax and of methods whose differences to it are these.
fn differences(folder: &Path, task: Task, methods: &[(&str, [f64; 3])]) {
    for (i, softmax) in [60.0, 61.0, 62.0].into_iter().enumerate() {
        let seed = i as u64 + 1;
        write_run(folder, task, "softmax", seed, softmax, None);
        for (attn, by) in methods {
            write_run(folder, task, attn, seed, softmax + by[i], None);
        }
    }
}

#[test]
fn equal_differences_have_no_interval_and_no_number_that_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let methods = [("vmean", [1.0; 3]), ("skein", [0.0; 3])];
    differences(folder.path(), Task::Text, &methods);
    for format in ["markdown", "latex", "csv"] {
        let svg = folder.path().join("effects.svg");
        let flags = format!("--format {format} --effects {}", svg.display());
        let text = printed(&table(&[folder.path()], &flags));
        let svg = fs::read_to_string(svg).unwrap();
        for wrong in ["NaN", "inf"] {
            assert!(!text.contains(wrong) && !svg.contains(wrong), "{text}{svg}");
        }
    }
    let text = printed(&table(&[folder.path()], ""));
    fits(&text);
    for row in [
        "| vmean | +1.00 | – | 3 | cannot tell |",
        "| skein | +0.00 | – | 3 | the same |",
        // Of two comparisons.
        "| vmean | – | 0.5000 | 0.2500 | – |",
        "| skein | – | 1.0000 | 1.0000 | – |",
    ] {
        has(flat(&text), row);
    }
    has(
        flat(&text),
        "there is no spread and no interval: p (Holm) is made of p (sign-flip) there.",
    );
}

#[test]
fn a_family_is_all_comparisons_of_all_columns() {
    let folder = tempfile::tempdir().unwrap();
    let text = [
        ("vmean", [-8.0, -8.3, -7.9]),
        ("linformer", [2.0, 3.0, 4.0]),
        ("skein", [0.5, -0.7, 0.3]),
    ];
    differences(folder.path(), Task::Text, &text);
    differences(
        folder.path(),
        Task::ListOps,
        &[("skein", [-3.0, -3.3, -2.8])],
    );
    let text = printed(&table(&[folder.path()], ""));
    fits(&text);
    for row in [
        "| vmean | -8.07 | -8.58 to -7.55 | 3 | worse |",
        // Alone it would be better: p is 0.0351.
        "| linformer | +3.00 | +0.52 to +5.48 | 3 | cannot tell |",
        "| linformer | 0.0351 | 0.0702 | 0.2500 | 10 |",
        "| skein | +0.03 | -1.56 to +1.63 | 3 | cannot tell |",
        "ListOps: difference to softmax over the same seeds, points",
        "| skein | -3.03 | -3.66 to -2.41 | 3 | worse |",
        "adjusted for all 4 comparisons of this table",
        "6 runs missing of the grid of 2 columns, 4 methods and 3 seeds: ListOps: vmean, linformer.",
    ] {
        has(flat(&text), row);
    }
}

#[test]
fn five_seeds_or_six_are_said_to_speak_or_not() {
    let folder = tempfile::tempdir().unwrap();
    for seed in 1..=6u64 {
        let by = [0.1, 0.0][seed as usize % 2];
        write_run(folder.path(), Task::Text, "softmax", seed, 60.0, None);
        write_run(folder.path(), Task::Text, "skein", seed, 63.0 + by, None);
        if seed < 6 {
            write_run(folder.path(), Task::Text, "vmean", seed, 58.0 - by, None);
        }
    }
    let text = printed(&table(&[folder.path()], ""));
    has(
        flat(&text),
        "; of 5 pairs it cannot be below 0.0625, so that it cannot speak at 5 %.",
    );
    has(&text, "|        0.0312 | ");
    has(
        flat(&text),
        "1 run missing of the grid of 1 columns, 3 methods and 6 seeds: Text: vmean (seed 6).",
    );
}

#[test]
fn methods_that_do_not_beat_the_majority_are_named() {
    let folder = tempfile::tempdir().unwrap();
    for (task, attn, accuracy) in [
        (Task::Text, "softmax", 50.0),
        (Task::Text, "vmean", 51.3),
        (Task::Text, "skein", 51.5),
        (Task::Image, "softmax", 70.0),
        (Task::Image, "skein", 49.0),
    ] {
        write_run(folder.path(), task, attn, 1, accuracy, None);
    }
    let text = flat(&printed(&table(&[folder.path()], "")));
    has(
        &text,
        "Text: these do not beat the majority class, 50.00 %, by more than two standard errors of the test examples \
         (1.41 points): softmax, vmean.",
    );
    has(
        &text,
        "Image: skein does not beat the majority class, 50.00 %, ",
    );
}

#[test]
fn effects_are_drawn_with_their_verdicts() {
    let folder = tempfile::tempdir().unwrap();
    let grid = folder.path().join("grid");
    let image = folder.path().join("effects.svg");
    let draw = |flags: &[&str]| {
        let mut command = crate::skein("table");
        command.arg(&grid).arg("--effects").arg(&image).args(flags);
        command.output().unwrap()
    };
    write_run(&grid, Task::Text, "skein", 1, 60.0, None);
    let told = refused(&draw(&[]), 2);
    has(told, "--effects: expected a method to compare with");
    let told = refused(&draw(&["--against", "skein"]), 2);
    has(told, "--effects: no method has a seed that skein has, too");
    assert!(!image.exists());
    let methods = [("vmean", [-8.0, -8.3, -7.9]), ("skein", [0.5, -0.7, 0.3])];
    differences(&grid, Task::Text, &methods);
    differences(&grid, Task::ListOps, &[("skein", [3.0, 3.3, 2.8])]);
    printed(&draw(&[]));
    let svg = fs::read_to_string(&image).unwrap();
    for text in [
        "Text",
        "ListOps",
        "vmean",
        "difference in test accuracy to softmax, points, with its 95 % t interval",
        "\u{2212}8.07 (\u{2212}8.58 to \u{2212}7.55)",
        "worse",
        "better",
        "cannot tell",
    ] {
        assert!(svg.contains(&format!(">{text}</text>")), "{text}: {svg}");
    }
    // Three rows and two markers of the legend, of which one each is hollow.
    let markers: Vec<&str> = svg
        .lines()
        .filter(|line| line.starts_with("<circle"))
        .collect();
    let hollow = markers
        .iter()
        .filter(|line| line.contains("fill=\"white\""));
    assert_eq!((markers.len(), hollow.count()), (5, 2), "{svg}");
    // Its own pictures are replaced, others are not; and two pictures are two files.
    printed(&draw(&[]));
    let same = image.to_str().unwrap();
    let told = refused(&draw(&["--curves", same]), 2);
    has(
        told,
        "--effects and --curves name the same file: expected two",
    );
}

#[test]
fn every_run_has_a_row_with_all_settings() {
    let folder = tempfile::tempdir().unwrap();
    let run = write_run(folder.path(), Task::Text, "skein", 1, 60.0, Some(0.25));
    computed_by(&run, &[["c0de", "matrixmultiply 0.3.11", "avx2"]]);
    // Of other data and code: nothing is averaged.
    let other = write_run(folder.path(), Task::Text, "skein", 2, 61.0, None);
    alter(&other, |result| result["data_sha256"] = "other".into());
    let open = write_run(folder.path(), Task::Text, "skein", 3, 60.0, None);
    fs::remove_file(open.join("result.json")).unwrap();

    let output = table(&[folder.path()], "--runs --format json");
    let told = stderr(&output);
    has(&told, "1 not ended and left out: ");
    let rows: Vec<serde_json::Map<String, Value>> =
        serde_json::from_str(&printed(&output)).unwrap();
    assert_eq!(rows.len(), 2);
    let config = fs::read_to_string(run.join("config.toml")).unwrap();
    let config: toml::Table = config.parse().unwrap();
    for (name, value) in &config {
        let value = serde_json::to_value(value).unwrap();
        assert_eq!(rows[0][name], value, "{name}");
    }
    assert!(config.len() > 25 && rows[0].len() > config.len() + 20);
    for (name, value) in [
        ("test_accuracy", 0.6.into()),
        ("dev_loss", 0.5.into()),
        ("tested_step", 800.into()),
        ("parameters", 173954.into()),
        ("commit", "1a2b3c".into()),
        ("cpu", "a".into()),
        ("code", "c0de + unknown".into()),
        ("kernel_path", "avx2 + unknown".into()),
        ("product", "matrixmultiply".into()),
        ("seconds", 100.0.into()),
        ("threads", "2".into()),
        ("folder", run.to_str().unwrap().into()),
    ] {
        let value: Value = value;
        assert_eq!(rows[0][name], value, "{name}");
    }
    assert_eq!(rows[1]["seconds"], Value::Null);
    assert_eq!(rows[1]["commit"], "unknown");

    for flags in ["--runs", "--runs --format csv"] {
        let csv = printed(&table(&[folder.path()], flags));
        let lines: Vec<&str> = csv.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(
            lines[0].starts_with("folder,task,attn,features,seed,"),
            "{}",
            lines[0]
        );
        // The only commas in a field are those in the name of the data.
        let fields = |line: &str| {
            line.replace("\"texts, \"\"made\"\" here\"", "")
                .split(',')
                .count()
        };
        assert_eq!(fields(lines[0]), rows[0].len());
        assert!(
            lines[1..]
                .iter()
                .all(|line| fields(line) == fields(lines[0])),
            "{csv}"
        );
    }
    for (flags, expected) in [
        (
            "--runs --format markdown",
            "--format markdown: expected csv or json with --runs",
        ),
        (
            "--format json",
            "--format json: expected markdown, latex or csv without --runs",
        ),
        (
            "--runs --commands",
            "'--runs' cannot be used with '--commands'",
        ),
        ("--runs --mix", "'--runs' cannot be used with '--mix'"),
        ("--commands --format csv", "cannot be used with"),
    ] {
        has(refused(&table(&[folder.path()], flags), 2), expected);
    }
}

/// Through a shell and the parser to the same configuration.
#[cfg(unix)]
#[test]
fn the_commands_of_runs_give_their_settings_again() {
    let folder = tempfile::tempdir().unwrap();
    let preset = |task: Task, budget: Budget| Config {
        data: "builtin".into(),
        ..task.preset(budget)
    };
    let configs = [
        preset(Task::Text, Budget::Quick),
        Config {
            attn: "vmean".into(),
            seed: 7,
            learning_rate: 1.0 / 30_000.0,
            positions: Positions::Learned,
            skip_black: false,
            ..preset(Task::Pathfinder, Budget::Quick)
        },
        Config {
            data: "/my data/it's \"here\" $HOME".into(),
            features: 100,
            pad: true,
            ..preset(Task::Text, Budget::Paper)
        },
    ];
    let names = ["plain", "other", "quoted"];
    for (name, config) in names.iter().zip(&configs) {
        write(&folder.path().join(name), config, 60.0);
    }
    let text = printed(&table(&[folder.path()], "--commands"));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 6, "{text}");
    assert!(lines[3].starts_with("skein text --attn skein "), "{text}");
    for (remark, command) in lines.chunks(2).map(|pair| (pair[0], pair[1])) {
        let at = names
            .iter()
            .position(|name| remark.contains(&format!("/{name}: 60.00%, code ")));
        let config = &configs[at.unwrap()];
        let program = env!("CARGO_BIN_EXE_skein");
        let script = command.replacen("skein ", &format!("'{program}' "), 1) + " --print-config";
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(printed(&output), config.to_toml(), "{command}");
    }
}
