//! What `explain` prints, for every method.

use crate::support::{has, outlives_its_reader, stdout};
use ops::attention::names;
use std::fs;
use std::path::Path;
use std::process::Command;

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
