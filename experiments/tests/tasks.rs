//! The five tasks as their users run them. What all have in common is tested through exp_text, in
//! `exp_text.rs`.

use crate::support::{fits, stderr};
use datasets::listops;
use experiments::settings::choices::{Budget, Task};
use experiments::settings::config::Config;
use experiments::train::trainer::Trainer;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn run(task: Task, flags: &str) -> Output {
    let mut command = crate::skein(task.name());
    command.args(flags.split_whitespace());
    command.output().unwrap()
}

#[test]
fn every_task_trains_on_what_is_built_in() {
    for task in Task::ALL {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("run");
        let flags = format!(
            "--data builtin --budget smoke --steps 2 --warmup 1 --eval-every 2 --eval-examples 4 \
             --test-examples 4 --batch 2 --features 16 --out {}",
            out.display()
        );
        let output = run(task, &flags);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let told = stderr(&output);
        let fetch = format!("`skein data get {}` fetches", task.name());
        assert!(told.contains(&fetch), "{told}");
        let result: Value =
            serde_json::from_slice(&fs::read(out.join("result.json")).unwrap()).unwrap();
        assert_eq!(result["task"], task.name());
        assert_eq!(result["builtin"], true);
        // Baselines are of the four examples that the model is judged on.
        for name in ["majority_accuracy", "token_frequency_accuracy"] {
            let share = result[name].as_f64().unwrap();
            assert_eq!((4.0 * share).fract(), 0.0, "{name}: {share}");
        }
    }
}

/// As many features as tokens would make these three the same to the bit.
#[test]
fn methods_differ_from_the_first_step_of_the_quick_trees() {
    let quick = Config {
        data: "builtin".into(),
        batch: 4,
        ..Task::ListOps.preset(Budget::Quick)
    };
    let shape = listops::Shape {
        train: 100,
        dev: 1,
        test: 1,
        min_length: quick.max_len / 4,
        max_length: quick.max_len,
        ..listops::Shape::LRA
    };
    let data = listops::builtin(2022, &shape, datasets::Protocol::Clean).unwrap();
    let losses = |attn: &str| -> Vec<f64> {
        let config = Config {
            attn: attn.into(),
            ..quick.clone()
        };
        let mut trainer = Trainer::new(&config, data.clone(), 1).unwrap();
        (0..3)
            .map(|done| trainer.step(done).unwrap().loss)
            .collect()
    };
    let [exact, skein, uniform] = ["softmax-nodrop", "skein", "skein-uniform"].map(losses);
    for step in 0..3 {
        let [exact, skein, uniform] = [&exact, &skein, &uniform].map(|losses| losses[step]);
        let differ = exact != skein && exact != uniform && skein != uniform;
        assert!(differ, "step {}: {exact} {skein} {uniform}", step + 1);
    }
}

/// The released configurations: batch, learning rate, warm-up, evaluation interval, most steps,
/// patience, and the longest input with the rows of the position table.
#[test]
fn the_paper_budgets_are_the_paper_s() {
    let of = |task: Task| {
        let c = task.preset(Budget::Paper);
        assert_eq!((c.features, c.dropout, c.patience), (256, 0.1, 10));
        (
            (c.batch, c.learning_rate, c.warmup, c.eval_every, c.steps),
            (c.max_len, c.position_rows()),
        )
    };
    assert_eq!(of(Task::Text), ((128, 1e-4, 80, 500, 50_000), (4000, 4096)));
    let listops = ((256, 1e-4, 1000, 500, 20_000), (2000, 2048));
    assert_eq!(of(Task::ListOps), listops);
    let retrieval = ((64, 1e-4, 800, 300, 60_000), (4000, 4096));
    assert_eq!(of(Task::Retrieval), retrieval);
    let pathfinder = ((512, 2e-4, 312, 312, 31_200), (1024, 1024));
    assert_eq!(of(Task::Pathfinder), pathfinder);
    assert_eq!(
        of(Task::Image),
        ((256, 1e-4, 175, 50, 50_000), (1024, 1024))
    );
}

#[test]
fn help_names_the_task_and_fits_eighty_columns() {
    for task in Task::ALL {
        let output = run(task, "--help");
        let help = String::from_utf8(output.stdout).unwrap();
        assert!(help.contains(task.entry().about), "{help}");
        fits(&help);
        for budget in ["smoke", "quick", "paper"] {
            let flags = format!("--budget {budget} --data builtin --print-config");
            let output = run(task, &flags);
            assert!(output.status.success(), "{}", stderr(&output));
        }
    }
}

#[test]
fn pictures_are_not_cut() {
    for task in [Task::Pathfinder, Task::Image] {
        let told = stderr(&run(task, "--max-len 512 --print-config"));
        assert!(
            told.starts_with("error: max_len = 512: expected at least 1024"),
            "{told}"
        );
    }
}

#[test]
fn trees_too_short_to_be_told_apart_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let flags = format!("--data builtin --max-len 3 --out {}", out.display());
    let output = run(Task::ListOps, &flags);
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(
        told.starts_with("error: max_len = 3: expected at least 8"),
        "{told}"
    );
    assert!(!out.exists());
}

#[test]
fn auto_is_what_the_cache_holds_and_else_what_is_built_in() {
    let cache = tempfile::tempdir().unwrap();
    let data = || {
        let output = Command::new(env!("CARGO_BIN_EXE_exp_listops"))
            .arg("--print-config")
            .env("XDG_CACHE_HOME", cache.path())
            .output()
            .unwrap();
        let config: toml::Table = String::from_utf8(output.stdout).unwrap().parse().unwrap();
        config["data"].as_str().unwrap().to_string()
    };
    assert_eq!(data(), "builtin");
    let place = cache.path().join("skein-lab/listops-1000");
    fs::create_dir_all(&place).unwrap();
    assert_eq!(data(), place.to_str().unwrap());
}

#[test]
fn every_program_says_its_name_and_version() {
    let folder = Path::new(env!("CARGO_BIN_EXE_skein")).parent().unwrap();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin");
    for source in fs::read_dir(sources).unwrap() {
        let source = source.unwrap().path();
        let name = source.file_stem().unwrap().to_str().unwrap();
        let program = folder
            .join(name)
            .with_extension(std::env::consts::EXE_EXTENSION);
        let output = Command::new(program).arg("--version").output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(said, format!("{name} {}\n", env!("CARGO_PKG_VERSION")));
    }
}
