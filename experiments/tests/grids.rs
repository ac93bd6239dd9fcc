//! The design of a grid from outside: axes of any setting, a setting that trials choose, what is planned, and job
//! arrays. For Unix.

use crate::support::{fits, has, names, printed, refused, stderr, stdout};
use crate::sweep::{Place, ended_now, succeed};
use std::fs;
use std::path::Path;
use std::process::{Child, Command};

/// vmean and skein with the seeds 1 and 2, and other flags.
fn sweep(place: &Place, steps: usize, flags: &str) -> Command {
    let mut command = place.sweep(steps);
    command.args(flags.split_whitespace());
    command
}

/// The same with seeds of its own.
fn seeded(place: &Place, seeds: &str, flags: &str) -> Command {
    let mut command = crate::skein("sweep");
    command.args("--tasks text --methods vmean,skein --out".split(' '));
    command.arg(place.grid()).args(place.settings(4));
    command
        .args(["--seeds", seeds])
        .args(flags.split_whitespace());
    command
}

fn runs(grid: &Path) -> Vec<String> {
    let all = names(grid).into_iter();
    all.filter(|name| grid.join(name).join("result.json").exists())
        .collect()
}

fn setting(run: &Path, name: &str) -> toml::Value {
    let text = fs::read_to_string(run.join("config.toml")).unwrap();
    let mut table: toml::Table = text.parse().unwrap();
    table.remove(name).unwrap()
}

#[test]
fn any_setting_is_an_axis_whose_values_are_in_the_names_of_the_runs() {
    let place = Place::new();
    let flags = "--axis layers=0,1 --axis text.weight-decay=0,0.1";
    let output = seeded(&place, "1", flags).output().unwrap();
    assert_eq!(ended_now(&printed(&output)), 8);
    let expected = [
        "text-skein-layers=0-weight-decay=0-s1",
        "text-skein-layers=0-weight-decay=0.1-s1",
        "text-skein-layers=1-weight-decay=0-s1",
        "text-skein-layers=1-weight-decay=0.1-s1",
        "text-vmean-layers=0-weight-decay=0-s1",
        "text-vmean-layers=0-weight-decay=0.1-s1",
        "text-vmean-layers=1-weight-decay=0-s1",
        "text-vmean-layers=1-weight-decay=0.1-s1",
    ];
    assert_eq!(runs(&place.grid()), expected);
    let run = place.grid().join(expected[1]);
    assert_eq!(setting(&run, "layers"), 0.into());
    assert_eq!(setting(&run, "weight_decay"), 0.1.into());
    // In another order and written otherwise, with one value more.
    let flags = "--axis weight-decay=0.0,1e-1 --axis layers=1,0,2 --shard 1/12";
    let again = seeded(&place, "1", flags).output().unwrap();
    assert!(
        stdout(&again).starts_with("1 of 1 runs"),
        "{}",
        stdout(&again)
    );
    assert_eq!(ended_now(&printed(&again)), 0);

    // Every combination is a column of its own.
    let table = crate::skein("table").arg(place.grid()).output().unwrap();
    has(printed(&table), "Text (d)");
}

#[test]
fn a_grid_of_rates_and_batches_is_found_by_either_flag() {
    let place = Place::new();
    // The settings of the place have a batch, which stands against an axis of them.
    let both = sweep(&place, 4, "--rates 1e-3,1e-4 --batches 2").output();
    let told = refused(&both.unwrap(), 2);
    has(&told, "'--batches <N,...>'");
    let list = |flags: &str| succeed(seeded(&place, "1", &format!("--list {flags}")));
    let rates = list("--rates 1e-3,1e-4");
    has(&rates, "  text-vmean-lr1e-3-s1  new\n");
    assert_eq!(rates, list("--axis learning-rate=0.001,1e-4"));
    assert_eq!(rates, list("--axis lr=1e-3,0.0001"));
}

#[test]
fn what_is_wrong_with_an_axis_is_one_line_that_names_it() {
    let place = Place::new();
    for (flags, expected) in [
        (
            "--axis layrs=1",
            "'layrs=1' for '--axis <SETTING=VALUE,...>': no setting is called layrs: did you mean layers?",
        ),
        (
            "--axis layers=1,2,1",
            "'--axis <SETTING=VALUE,...>': 1 is there twice",
        ),
        (
            "--axis layers=1 --axis text.layers=2",
            "--axis text.layers: --axis layers is there, too: expected one axis",
        ),
        (
            "--axis lr=1,2 --rates 1",
            "--axis learning-rate: --rates is there, too",
        ),
        (
            "--axis features=1,2",
            "--axis features: --features is there, too: expected one of the two",
        ),
        (
            "--axis listops.layers=1",
            "--axis listops.layers: the grid does not have this task",
        ),
        (
            "--axis layers=1,2 --set text.layers=3",
            "--set text.layers: the grid compares several of these\nhint: see --axis layers",
        ),
        (
            "--axis hidden=0,4",
            "text-vmean-hidden=0-s1: --axis hidden: hidden = 0: expected at least 1\nhint: leave 0 out",
        ),
        (
            "--tune lr=1e-3,1e-4 --axis lr=1e-3",
            "--axis learning-rate: --tune is to choose it",
        ),
        (
            "--tune features=1,2",
            "--tune features: --features is there, too",
        ),
        (
            "--tune lr=1e-3,1e-4 --set text.learning-rate=1",
            "--set text.learning_rate: --tune is to choose it",
        ),
        (
            "--tune lr=1e-3,-1",
            "text-vmean: --tune learning-rate=-1: learning_rate = -1.0: expected a positive number",
        ),
        (
            "--tune seed=1,2",
            "'--tune <SETTING=VALUE,...>': expected a setting without a list of its own, --seeds",
        ),
        (
            "--tune protocol=clean,paper",
            "text-vmean: --tune protocol=paper: expected a setting that leaves the data",
        ),
        ("--tune-steps 3", "--tune"),
        (
            "--tune lr=1e-3,1e-4 --seeds 1000000",
            "--seeds 1000000: that is the seed of the trials",
        ),
        ("--shard auto", "expected a job of an array"),
        ("--array 3", "--slurm"),
    ] {
        let output = sweep(&place, 4, flags).output().unwrap();
        let told = refused(&output, 2);
        has(&told, expected);
    }
    let many: Vec<String> = (1..4000).map(|n| n.to_string()).collect();
    let many = format!(
        "--axis hidden={} --axis dim=2,4,6,8,10,12,14",
        many.join(",")
    );
    has(
        refused(&sweep(&place, 4, &many).output().unwrap(), 2),
        "a grid of 111972 runs: expected at most 100000",
    );
    assert!(!place.grid().exists());
}

#[test]
fn trials_on_dev_choose_a_setting_of_every_method_before_its_seeds() {
    let place = Place::new();
    let tune = "--tune learning-rate=1e-9,1e-2,1e30 --tune-steps 4";
    let listed = succeed(sweep(&place, 8, &format!("{tune} --list")));
    has(
        &listed,
        "\n  learning-rate: every method has the best of 3 trials on dev\n",
    );
    let output = sweep(&place, 8, tune).output().unwrap();
    assert_eq!(ended_now(&printed(&output)), 4, "{}", stderr(&output));
    let told = stderr(&output);
    has(&told, "[trial 1/3]  .tune/text-vmean-lr1e-9\n");
    has(&told, ".tune/text-skein-lr1e-2: dev accuracy ");
    has(&told, "tuned:  text-skein: learning-rate ");
    assert_eq!(told.matches("tuned:  ").count(), 2, "{told}");

    let tuned = fs::read_to_string(place.grid().join("tuned.toml")).unwrap();
    let table: toml::Table = tuned.parse().unwrap();
    let choices = table["choice"].as_array().unwrap();
    assert_eq!(choices.len(), 2);
    for choice in choices {
        let cells = choice["cells"].as_str().unwrap();
        assert_eq!(choice["steps"], 4.into());
        let trials = choice["trial"].as_array().unwrap();
        assert_eq!(trials.len(), 3);
        let of =
            |trial: &toml::Value, field: &str| trial.get(field).and_then(toml::Value::as_float);
        let best = trials.iter().max_by(|a, b| {
            let key = |trial: &toml::Value| {
                let accuracy = of(trial, "dev_accuracy").unwrap_or(-1.0);
                (accuracy, -of(trial, "dev_loss").unwrap_or(f64::INFINITY))
            };
            key(a).partial_cmp(&key(b)).unwrap()
        });
        assert_eq!(best.unwrap()["value"], choice["value"]);
        for seed in [1, 2] {
            let run = place.grid().join(format!("{cells}-s{seed}"));
            assert_eq!(setting(&run, "learning_rate"), choice["value"]);
            assert_eq!(setting(&run, "steps"), 8.into());
        }
        let trial = place.grid().join(format!(".tune/{cells}-lr1e-2"));
        assert_eq!(setting(&trial, "seed"), 1_000_000.into());
        let result = fs::read_to_string(trial.join("result.json")).unwrap();
        let result: serde_json::Value = serde_json::from_str(&result).unwrap();
        let kept = of(&trials[1], "dev_accuracy");
        assert_eq!(result["best_dev"]["accuracy"].as_f64(), kept);
    }
    // Nothing is done again, and what says so is written again if it is lost.
    fs::remove_file(place.grid().join("tuned.toml")).unwrap();
    let output = sweep(&place, 8, tune).output().unwrap();
    assert_eq!(ended_now(&printed(&output)), 0);
    assert!(!stderr(&output).contains("[trial"), "{}", stderr(&output));
    let again = fs::read_to_string(place.grid().join("tuned.toml")).unwrap();
    assert_eq!(again, tuned);

    // One column, whatever each was given, and no trial in it.
    let table = crate::skein("table").arg(place.grid()).output().unwrap();
    let table = printed(&table);
    assert!(
        !table.contains("Text (b)") && !table.contains("1000000 "),
        "{table}"
    );
    let note = table.replace('\n', " ");
    let expected = "Text: learning rate was tuned: before its seeds, every method had 3 trials on dev (1e-9, 0.01, \
                    1e30), of 4 steps with seed 1000000, and then the best of them: ";
    has(&note, expected);
    has(&note, ", learning rate tuned, ");
    for attn in ["vmean", "skein"] {
        let row = table
            .lines()
            .find(|line| line.starts_with(&format!("| {attn} ")));
        has(row.unwrap(), " (2) ");
    }
}

#[test]
fn processes_share_trials_and_choose_the_same() {
    let place = Place::new();
    let tune = "--tune lr=1e-3,1e-2";
    let start = || sweep(&place, 12, tune).spawn().unwrap();
    let children: Vec<Child> = (0..3).map(|_| start()).collect();
    let mut ended = 0;
    let mut trials = 0;
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        ended += ended_now(&stdout(&output));
        trials += stderr(&output).matches("dev accuracy").count();
    }
    assert_eq!((ended, trials), (4, 4));
    let shared = fs::read(place.grid().join("tuned.toml")).unwrap();
    let metrics = |run: &str| fs::read(place.grid().join(run).join("metrics.jsonl")).unwrap();
    let run = metrics("text-skein-s2");
    fs::remove_dir_all(place.grid()).unwrap();
    succeed(sweep(&place, 12, tune));
    assert!(shared == fs::read(place.grid().join("tuned.toml")).unwrap());
    assert!(run == metrics("text-skein-s2"));
}

#[test]
fn trials_that_all_break_are_said_once_a_method() {
    let place = Place::new();
    let output = sweep(&place, 4, "--tune lr=1e30,1e31").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let answer = stdout(&output);
    has(
        &answer,
        "failed: 4 runs: none of the trials of --tune learning-rate has numbers at its end: ",
    );
    assert_eq!(
        stderr(&output).matches("[trial").count(),
        4,
        "{}",
        stderr(&output)
    );
    assert!(!place.grid().join("tuned.toml").exists());
}

#[test]
fn a_plan_says_hours_memory_and_seeds_without_training() {
    let place = Place::new();
    let plan = |seeds: &str| {
        let output = seeded(&place, seeds, "--plan").output().unwrap();
        let text = printed(&output);
        (text, stderr(&output))
    };
    let (text, told) = plan("1,2");
    assert!(!place.grid().exists(), "--plan has made something");
    assert_eq!(
        told.matches("plan:   3 steps of text ").count(),
        2,
        "{told}"
    );
    has(
        &text,
        ": 4 of 4 runs: 0 ended, 0 begun, 4 new; 0 failed before\n",
    );
    has(&text, "of 3 steps done for this\n");
    has(&text, "\nmemory: ");
    has(
        &text,
        "all have fewer than 3 pairs: run a pilot of three seeds first\n",
    );
    let command = text.lines().last().unwrap();
    assert!(command.ends_with(" --seeds 1,2,3"), "{command}");
    assert!(
        !command.contains("--plan") && !command.contains("--seeds 1,2 "),
        "{command}"
    );
    for line in text.lines().filter(|line| *line != command).skip(1) {
        fits(line);
    }

    succeed(seeded(&place, "1,2,3", ""));
    let (text, told) = plan("1,2,3,4");
    assert!(!told.contains("plan:"), "{told}");
    has(
        &text,
        ": 8 of 8 runs: 6 ended, 0 begun, 2 new; 0 failed before\n",
    );
    has(&text, "of the steps of 3 runs\n");
    has(&text, " seen at most, data included\n");
    has(&text, "seeds:  to see one point beside vmean (");
    has(&text, "seeds: the spread of 3 pairs is ");
    assert!(!text.contains("pilot"), "{text}");
    let (text, _) = plan("1,2,3");
    has(&text, "\ntime:   none, since nothing is left\n");
}

#[test]
fn a_plan_counts_the_trials_that_are_left() {
    let place = Place::new();
    let output = seeded(&place, "1,2", "--plan --tune lr=1e-3,1e-2")
        .output()
        .unwrap();
    has(printed(&output), "\ntrials: 4 are left before these\n");
}

#[test]
fn an_array_of_jobs_shares_a_grid_out() {
    let place = Place::new();
    let part = |id: &str, shard: &str| {
        let mut command = sweep(&place, 4, &format!("--shard {shard}"));
        for (name, value) in [("ID", id), ("MIN", "5"), ("COUNT", "3")] {
            command.env(format!("SLURM_ARRAY_TASK_{name}"), value);
        }
        command.env("SLURM_ARRAY_JOB_ID", "77").output().unwrap()
    };
    for (id, cells) in [("5", 2), ("6", 1), ("7", 1)] {
        assert_eq!(ended_now(&printed(&part(id, "auto"))), cells, "{id}");
    }
    let environment = place.grid().join("text-skein-s1/environment.toml");
    let environment: toml::Table = fs::read_to_string(environment).unwrap().parse().unwrap();
    assert_eq!(environment["start"][0]["job"].as_str(), Some("77_6"));
    let none = part("6", "auto/9");
    has(
        stderr(&none),
        "note:   shard 7/9 has none of the 4 runs: nothing to do\n",
    );
    assert!(printed(&none).starts_with("0 of 0 runs"));
    let kubernetes = sweep(&place, 4, "--shard auto/4")
        .env("JOB_COMPLETION_INDEX", "3")
        .output();
    assert!(printed(&kubernetes.unwrap()).starts_with("1 of 1 runs"));
}

#[test]
fn several_processes_of_one_start_are_refused() {
    let place = Place::new();
    let mut text = crate::skein("text");
    text.args(place.settings(4));
    for mut command in [sweep(&place, 4, ""), text] {
        let output = command.env("OMPI_COMM_WORLD_SIZE", "2").output().unwrap();
        let told = refused(&output, 2);
        has(
            &told,
            "2 processes were started at once (OMPI_COMM_WORLD_SIZE)",
        );
    }
    assert!(!place.grid().exists());
    let mut list = sweep(&place, 4, "--list");
    list.env("OMPI_COMM_WORLD_SIZE", "2");
    succeed(list);
}

#[test]
fn a_grid_is_written_as_a_job_array() {
    let place = Place::new();
    let file = place.texts().with_file_name("grid.sbatch");
    let write = |flags: &str| {
        let mut command = sweep(&place, 4, flags);
        command.arg("--slurm").arg(&file).output().unwrap()
    };
    let answer = printed(&write("--array 3 --constraint zen3"));
    has(&answer, "\njobs: 3, cores of each: 1, memory: ");
    has(&answer, "\n  sbatch ");
    let script = fs::read_to_string(&file).unwrap();
    for line in [
        "#!/bin/bash\n# Written by skein sweep --slurm: 4 runs of ",
        "\n#SBATCH --array=0-2\n",
        "\n#SBATCH --cpus-per-task=1\n",
        "\n#SBATCH --signal=USR1@120\n",
        "\n#SBATCH --requeue\n",
        "\n#SBATCH --open-mode=append\n",
        "\n#SBATCH --constraint=zen3\n",
        " --shard auto/3\ncode=$?\n",
    ] {
        has(&script, line);
    }
    assert!(
        !script.contains("--slurm ") && !script.contains("--array 3"),
        "{script}"
    );
    let checked = Command::new("bash").arg("-n").arg(&file).status().unwrap();
    assert!(checked.success());
    // Its command is that of the grid.
    let command = script
        .lines()
        .find(|line| line.ends_with("--shard auto/3"))
        .unwrap();
    let listed = Command::new("bash")
        .args(["-c", &format!("{command} --list")])
        .env("SLURM_ARRAY_TASK_ID", "1")
        .output()
        .unwrap();
    has(printed(&listed), ": 1 of 4 runs\n");

    printed(&write("")); // It is its own.
    fs::write(&file, "#!/bin/bash\n# mine\n").unwrap();
    has(
        refused(&write(""), 2),
        " exists and is no job array of this program",
    );
    printed(&write("--overwrite"));
}
