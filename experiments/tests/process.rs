//! What only a process of its own can show: signals, limits, exit codes, what is written to a pipe.
//!
//! The child is this program again, with a folder in its environment: the loop of a training run, without training.

use experiments::config::{Config, Task};
use experiments::error::{self, Result};
use experiments::flags::Flags;
use experiments::interrupt::{INTERRUPTED, Interrupt};
use experiments::progress::Progress;
use experiments::run::Run;
use serde::Serialize;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Output, Stdio};
use std::time::Duration;

/// In the environment of the child: where its run goes, how many steps it has, how many milliseconds each takes.
const SETTINGS: [&str; 3] = ["CHILD_FOLDER", "CHILD_STEPS", "CHILD_PAUSE"];

fn main() -> ExitCode {
    if let [Ok(folder), Ok(steps), Ok(pause)] = SETTINGS.map(std::env::var) {
        return error::exit(child(
            Path::new(&folder),
            steps.parse().unwrap(),
            pause.parse().unwrap(),
        ));
    }
    a_run_that_ends_exits_with_0_and_prints_plain_lines();
    an_existing_folder_exits_with_2();
    #[cfg(unix)]
    {
        one_signal_finishes_the_step_and_writes_a_checkpoint();
        a_second_signal_stops_at_once();
        a_limit_on_file_sizes_is_an_error_of_the_write();
    }
    println!("process: all as expected");
    ExitCode::SUCCESS
}

#[derive(Serialize)]
struct Loss {
    loss: f32,
}

fn child(folder: &Path, steps: usize, pause: u64) -> Result<ExitCode> {
    let interrupt = Interrupt::install()?;
    let config = Config::resolve(Task::Text, &Flags::default(), &[("skein", "")])?;
    let mut run = Run::create(&config, Some(folder), false, 1)?;
    let mut progress = Progress::new(steps, 0);
    for step in 1..=steps {
        // In pieces: a signal ends the sleep of the thread that gets it, but a step is finished.
        (0..pause).for_each(|_| std::thread::sleep(Duration::from_millis(1)));
        run.log(step, &Loss { loss: 0.5 })?;
        progress.step(step, 0.5, 0.5, 1000);
        if interrupt.requested() {
            run.save(step, &Loss { loss: 0.5 })?;
            return Ok(ExitCode::from(INTERRUPTED));
        }
    }
    progress.note("dev loss 0.5000");
    run.save(steps, &vec![0.5f32; 10_000])?;
    run.finish(&Loss { loss: 0.5 })?;
    progress.finish();
    Ok(ExitCode::SUCCESS)
}

fn command(folder: &Path, steps: usize, pause: u64) -> Command {
    with_settings(
        Command::new(std::env::current_exe().unwrap()),
        folder,
        steps,
        pause,
    )
}

fn with_settings(mut command: Command, folder: &Path, steps: usize, pause: u64) -> Command {
    let values = [
        folder.to_str().unwrap().to_string(),
        steps.to_string(),
        pause.to_string(),
    ];
    command
        .envs(SETTINGS.into_iter().zip(values))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Waits until the run of a child has lines, so that it is in its loop.
fn in_its_loop(folder: &Path) {
    while fs::metadata(folder.join("metrics.jsonl")).map_or(0, |file| file.len()) == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(unix)]
fn send(signal: &str, child: &Child) {
    assert!(
        Command::new("kill")
            .args([signal, &child.id().to_string()])
            .status()
            .unwrap()
            .success()
    );
}

fn a_run_that_ends_exits_with_0_and_prints_plain_lines() {
    let folder = tempfile::tempdir().unwrap();
    let output = command(&folder.path().join("run"), 500, 0)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stderr(&output);
    let lines: Vec<&str> = text.lines().collect();
    // The other 499 steps come within the ten seconds in which nothing more is said.
    assert_eq!(lines.len(), 2, "{text}");
    assert!(
        lines[0].starts_with("step 1/500  loss 0.5000  acc 50.0%  "),
        "{text}"
    );
    assert_eq!(lines[1], "dev loss 0.5000");
    assert!(
        lines.iter().all(|line| line.chars().count() <= 80),
        "{text}"
    );
}

fn an_existing_folder_exits_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let output = command(folder.path(), 5, 0).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = stderr(&output);
    assert!(
        text.starts_with("error: ") && text.contains(" exists: "),
        "{text}"
    );
    assert!(text.contains("\nhint: --overwrite"), "{text}");
    assert_eq!(text.lines().count(), 2, "{text}");
}

#[cfg(unix)]
fn one_signal_finishes_the_step_and_writes_a_checkpoint() {
    for signal in ["-INT", "-TERM"] {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        let child = command(&run, 100_000, 2).spawn().unwrap();
        in_its_loop(&run);
        send(signal, &child);
        let output = child.wait_with_output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(130),
            "{signal}: {}",
            stderr(&output)
        );
        let steps = fs::read_to_string(run.join("metrics.jsonl"))
            .unwrap()
            .lines()
            .count();
        assert!(
            run.join(format!("checkpoint-{steps}.bin")).exists(),
            "{signal}: {:?}",
            names(&run)
        );
    }
}

#[cfg(unix)]
fn a_second_signal_stops_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    // The second step takes ten minutes.
    let child = command(&run, 1, 0)
        .env(SETTINGS[1], "2")
        .env(SETTINGS[2], "600000")
        .spawn()
        .unwrap();
    while !run.join("timings.jsonl").exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    send("-INT", &child);
    std::thread::sleep(Duration::from_millis(100));
    send("-INT", &child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert_eq!(
        names(&run),
        [
            "config.toml",
            "environment.toml",
            "metrics.jsonl",
            "timings.jsonl"
        ]
    );
}

#[cfg(unix)]
fn a_limit_on_file_sizes_is_an_error_of_the_write() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    // `ulimit -f` counts blocks of 512 or 1024 bytes; the checkpoint has 40,000 and the metrics of 2 steps a few.
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "ulimit -f 8 && exec \"$0\""])
        .arg(std::env::current_exe().unwrap());
    let output = with_settings(shell, &run, 2, 0).output().unwrap();
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("error: cannot write ") && text.contains("checkpoint-2.bin: File too large"),
        "{text}"
    );
    assert!(
        text.contains("\nhint: raise the limit on file sizes (`ulimit -f`)\n"),
        "{text}"
    );
    assert_eq!(
        names(&run),
        [
            "config.toml",
            "environment.toml",
            "metrics.jsonl",
            "timings.jsonl"
        ]
    );

    // The metrics themselves: 1,000 lines of 24 bytes.
    let run = folder.path().join("longer");
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "ulimit -f 8 && exec \"$0\""])
        .arg(std::env::current_exe().unwrap());
    let output = with_settings(shell, &run, 1000, 0).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("metrics.jsonl: File too large"),
        "{}",
        stderr(&output)
    );
}
