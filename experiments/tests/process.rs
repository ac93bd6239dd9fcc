//! What only a process of its own can show: signals, limits, exit codes, what is written to a pipe. For Unix.
//!
//! The child is this program again, with a folder in its environment: the loop of a training run, without training.

use experiments::commands::data::found;
use experiments::run::folder::Run;
use experiments::settings::choices::Task;
use experiments::settings::config::Config;
use experiments::settings::given::Flags;
use experiments::terminal::error::Result;
use experiments::terminal::interrupt::{INTERRUPTED, Interrupt};
use experiments::terminal::output::exit;
use experiments::terminal::progress::Progress;
use serde::Serialize;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Output, Stdio};
use std::time::Duration;

/// In the environment of the child: where its run goes, how many steps it has, how many milliseconds each takes.
const SETTINGS: [&str; 3] = ["CHILD_FOLDER", "CHILD_STEPS", "CHILD_PAUSE"];

/// As the folder of a child's run: the child is to choose a name.
const UNNAMED: &str = "unnamed";
/// The files of a run before its first step.
const NEW_RUN: [&str; 5] = [
    "checkpoint-0.bin",
    "config.toml",
    "environment.toml",
    "metrics.jsonl",
    "timings.jsonl",
];

fn main() -> ExitCode {
    if let [Ok(folder), Ok(steps), Ok(pause)] = SETTINGS.map(std::env::var) {
        return exit(child(
            Path::new(&folder),
            steps.parse().unwrap(),
            pause.parse().unwrap(),
        ));
    }
    a_run_that_ends_exits_with_0_and_prints_plain_lines();
    a_closed_pipe_does_not_end_a_run();
    an_existing_folder_exits_with_2();
    a_run_without_a_name_takes_the_next_free_one();
    one_signal_finishes_the_step_and_writes_a_checkpoint();
    only_a_second_ctrl_c_stops_at_once();
    signals_that_are_no_ctrl_c_may_come_again();
    a_run_outlives_its_terminal_where_that_was_asked_for();
    a_limit_on_file_sizes_is_an_error_of_the_write();
    println!("process: all as expected");
    ExitCode::SUCCESS
}

#[derive(Serialize)]
struct Loss {
    loss: f32,
}

fn child(folder: &Path, steps: usize, pause: u64) -> Result<ExitCode> {
    let interrupt = Interrupt::install()?;
    let config = found(Config::resolve(Task::Text, &Flags::default())?)?;
    let out = Some(folder).filter(|folder| *folder != Path::new(UNNAMED));
    let mut run = Run::create(&config, out, false, 1, &Loss { loss: 0.5 })?;
    let mut progress = Progress::new(steps, 0);
    for step in 1..=steps {
        std::thread::sleep(Duration::from_millis(pause));
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

/// Waits for a child to come so far.
fn wait_until(mut reached: impl FnMut() -> bool) {
    for _ in 0..2000 {
        if reached() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("the child did not come so far within ten seconds");
}

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
    let start = "step 1/500  loss 0.5000  00:00:00 left  acc 50.0%  ";
    assert!(lines[0].starts_with(start), "{text}");
    assert_eq!(lines[1], "dev loss 0.5000");
    assert!(
        lines.iter().all(|line| line.chars().count() <= 80),
        "{text}"
    );
}

fn a_closed_pipe_does_not_end_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let mut child = command(&run, 50, 1).spawn().unwrap();
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(run.join("result.json").exists());
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

fn a_run_without_a_name_takes_the_next_free_one() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        let output = command(Path::new(UNNAMED), 5, 0)
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
    let expected = ["text-skein-s42", "text-skein-s42-2", "text-skein-s42-3"];
    assert_eq!(names(&folder.path().join("runs")), expected);
}

/// Whether whoever started this program has told it to ignore SIGHUP, which its children inherit.
fn hangups_are_ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_some_and(|mask| mask & 1 == 1)
}

fn one_signal_finishes_the_step_and_writes_a_checkpoint() {
    for signal in ["-INT", "-TERM", "-HUP", "-USR1", "-USR2", "-XCPU"] {
        if signal == "-HUP" && hangups_are_ignored() {
            continue; // As by `nohup`, under which a run goes on.
        }
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        let child = command(&run, 100_000, 2).spawn().unwrap();
        let metrics = run.join("metrics.jsonl");
        let lines = || fs::read_to_string(&metrics).map_or(0, |text| text.lines().count());
        wait_until(|| lines() > 0);
        send(signal, &child);
        let output = child.wait_with_output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(130),
            "{signal}: {}",
            stderr(&output)
        );
        let checkpoint = run.join(format!("checkpoint-{}.bin", lines()));
        assert!(checkpoint.exists(), "{signal}: {:?}", names(&run));
    }
}

fn only_a_second_ctrl_c_stops_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let a_minute = 60_000;
    let mut child = command(&run, 2, a_minute).spawn().unwrap();
    wait_until(|| run.join("checkpoint-0.bin").exists());
    // Nothing but the second Ctrl-C, and not one that comes at the same moment as the first.
    send("-TERM", &child);
    send("-INT", &child);
    std::thread::sleep(Duration::from_millis(100));
    assert!(child.try_wait().unwrap().is_none());
    send("-INT", &child);
    wait_until(|| child.try_wait().unwrap().is_some());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert_eq!(names(&run), NEW_RUN);
}

fn signals_that_are_no_ctrl_c_may_come_again() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let child = command(&run, 100, 500).spawn().unwrap();
    wait_until(|| run.join("checkpoint-0.bin").exists());
    // As Slurm sends them; the shell is faster than a process for each.
    let signals = "for s in TERM TERM USR1 USR1 HUP HUP INT TERM; do kill -$s $0; done";
    let mut shell = Command::new("sh");
    shell.args(["-c", signals, &child.id().to_string()]);
    assert!(shell.status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert!(run.join("checkpoint-1.bin").exists(), "{:?}", names(&run));
}

fn a_run_outlives_its_terminal_where_that_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    // What nohup does.
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' HUP && exec \"$0\""]);
    shell.arg(std::env::current_exe().unwrap());
    let child = with_settings(shell, &run, 20, 20).spawn().unwrap();
    wait_until(|| run.join("checkpoint-0.bin").exists());
    send("-HUP", &child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(run.join("result.json").exists());
}

fn a_limit_on_file_sizes_is_an_error_of_the_write() {
    let folder = tempfile::tempdir().unwrap();
    let this = std::env::current_exe().unwrap();
    // `ulimit -f` counts blocks of 512 or 1024 bytes.
    let limited = |run: &Path, steps| {
        let mut shell = Command::new("sh");
        shell.args(["-c", "ulimit -f 8 && exec \"$0\""]).arg(&this);
        with_settings(shell, run, steps, 0).output().unwrap()
    };

    // The checkpoint has 40,000 bytes, the lines of two steps a few.
    let run = folder.path().join("run");
    let output = limited(&run, 2);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("error: cannot write "), "{text}");
    assert!(text.contains("checkpoint-2.bin: File too large"), "{text}");
    assert!(
        text.contains("\nhint: raise the limit on file sizes (`ulimit -f`)\n"),
        "{text}"
    );
    assert_eq!(names(&run), NEW_RUN);

    // A thousand lines have 24,000.
    let output = limited(&folder.path().join("longer"), 1000);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("metrics.jsonl: File too large"),
        "{}",
        stderr(&output)
    );
}
