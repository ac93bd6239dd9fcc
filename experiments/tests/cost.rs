//! `skein cost` as a process: cells in processes of their own, its files, and how it refuses.

use crate::stopped::first_kept;
use crate::support::{has, refused_with};
use std::fs;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

fn cost(args: &[&str]) -> Output {
    crate::skein("cost").args(args).output().unwrap()
}

#[test]
fn a_task_is_a_table_a_csv_and_a_markdown() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("new");
    let output = cost(&[
        "--tasks",
        "image",
        "--attn",
        "vmean,skein",
        "--features",
        "16",
        "--batch",
        "2",
        "--seconds",
        "0",
        "--out",
        out.to_str().unwrap(),
    ]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{told}");
    let text = String::from_utf8(output.stdout).unwrap();
    // The paper's minutes, and how many examples it held at once.
    for row in ["vmean ", "skein "] {
        let line = text
            .lines()
            .find(|line| line.starts_with(row))
            .expect(&text);
        assert_eq!(line.split_whitespace().count(), 10, "{line}");
    }
    assert!(text.contains(" 11.86   256\n"), "{text}");
    for name in ["cost.csv", "cost.md"] {
        let file = fs::read_to_string(out.join(name)).unwrap();
        assert!(file.contains("skein") && file.contains("11.86"), "{file}");
    }
}

#[test]
fn who_stops_it_keeps_the_cells_that_were_measured() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = crate::skein("cost");
    let flags = "--tasks image --attn vmean,softmax --batch 16 --seconds 0 --out";
    command.args(flags.split(' ')).arg(folder.path());
    let csv = first_kept(&mut command, &folder.path().join("cost.csv"));
    assert!(csv.contains("\nimage,vmean,") && csv.lines().count() == 2);
}

#[test]
fn a_text_by_somebody_else_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let quick = "--attn vmean --features 4 --batch 1 --seconds 0 --tasks image --out";
    let args: Vec<&str> = quick.split(' ').chain(folder.path().to_str()).collect();
    let markdown = folder.path().join("cost.md");
    // What it has made itself is, version 0.1.0 included.
    assert_eq!(cost(&args).status.code(), Some(0));
    let made = fs::read_to_string(&markdown).unwrap();
    let mark = "<!-- measured by skein cost -->\n";
    assert!(made.starts_with(mark), "{made}");
    let before = made.replace(mark, "<!-- measured by exp_cost -->\n");
    fs::write(&markdown, before).unwrap();
    assert_eq!(cost(&args).status.code(), Some(0));
    assert!(fs::read_to_string(&markdown).unwrap().starts_with(mark));
    fs::write(&markdown, "# What training takes\n").unwrap();
    fs::remove_file(folder.path().join("cost.csv")).unwrap();
    let output = cost(&args);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
    has(&told, "cost.md exists and is not by skein cost");
    let kept = fs::read_to_string(&markdown).unwrap();
    assert_eq!(kept, "# What training takes\n");
    assert!(!folder.path().join("cost.csv").exists());

    fs::write(folder.path().join("scale.md"), "").unwrap();
    let output = cost(&["--scale", "--out", folder.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));

    // When it is asked for, it is; but not all that may stand in the place of a file.
    let args = [&args[..], &["--overwrite"]].concat();
    assert_eq!(cost(&args).status.code(), Some(0));
    assert!(fs::read_to_string(&markdown).unwrap().contains("vmean"));
    let csv = folder.path().join("cost.csv");
    fs::remove_file(&csv).unwrap();
    fs::create_dir(&csv).unwrap();
    let output = cost(&args);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("cost.csv is a folder: expected"), "{told}");
}

/// It and the process of its cell: nobody is left that measures.
#[cfg(target_os = "linux")]
#[test]
fn a_signal_stops_it_with_its_cell() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = crate::skein("cost");
    // The second cell takes minutes.
    command.args(["--scale", "--attn", "vmean", "--seconds", "1000", "--out"]);
    command.arg(folder.path());
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let cells = format!("/proc/{0}/task/{0}/children", child.id());
    let cell = loop {
        let cells = fs::read_to_string(&cells).unwrap();
        if let Some(cell) = cells.split_whitespace().next() {
            break cell.to_string();
        }
        thread::sleep(Duration::from_millis(5));
    };
    let kill = |signal: &str, id: &str| {
        let killed = Command::new("kill")
            .args([signal, id])
            .stderr(Stdio::null())
            .status();
        killed.unwrap().success()
    };
    // Not before it listens: the cell is begun after that.
    assert!(kill("-TERM", &child.id().to_string()));
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(!kill("-0", &cell), "the cell goes on");
}

/// Linformer with many features takes longer than a process may compute here.
#[cfg(target_os = "linux")]
#[test]
fn what_cannot_be_measured_does_not_take_the_others_along() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("new");
    let output = Command::new("sh")
        .args(["-c", "ulimit -t 2; exec \"$0\" \"$@\""])
        .args([env!("CARGO_BIN_EXE_skein"), "cost"])
        .args(["--tasks", "image", "--attn", "linformer,vmean", "--out"])
        .arg(&out)
        .args(["--features", "8000", "--batch", "1", "--seconds", "0"])
        .args(["--threads", "1"])
        .output()
        .unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    has(
        &told,
        "error: image, linformer, 1024 tokens, 1 examples: its process ended with",
    );
    assert!(
        told.ends_with("error: measurements missing: 1, see above\n"),
        "{told}"
    );
    let file = fs::read_to_string(out.join("cost.csv")).unwrap();
    assert!(
        file.contains("image,vmean,") && !file.contains("linformer"),
        "{file}"
    );
}

#[test]
fn wrong_flags_are_one_line_and_write_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("new");
    for (args, expected) in [
        (&["--batch", "0"][..], "expected a whole number from 1 to"),
        (&["--tasks", "texts"], "texts"),
        (&["--attn", "skien"], "expected one of softmax"),
        (&["--scale", "--tasks", "text"], "cannot be used with"),
        (&["--seconds", "inf"], "expected a number of seconds"),
        (&["--cell", "{"], "--cell {"),
    ] {
        let output = cost(&[args, &["--out", out.to_str().unwrap()]].concat());
        refused_with(&output, expected);
        assert!(!out.exists());
    }
}
