//! `skein theory`: bounds hold, the same numbers for any number of threads, and wrong flags.

use crate::stopped::first_kept;
use crate::support::{fits, outlives_its_reader, refused_with, replaces_only_when_asked, stdout};
use std::fs;
use std::process::{Command, Output};

const TINY: [&str; 6] = ["--n", "32", "--d", "4,16", "--trials", "50"];

fn command(args: &[&str]) -> Command {
    let mut command = crate::skein("theory");
    command.args(args);
    command
}

fn run(args: &[&str]) -> Output {
    command(args).output().unwrap()
}

#[test]
fn bounds_hold_and_the_number_of_threads_changes_no_bit() {
    let folder = tempfile::tempdir().unwrap();
    let files = |threads: &str| {
        let out = folder.path().join(threads);
        let mut args = TINY.to_vec();
        args.extend(["--threads", threads, "--out", out.to_str().unwrap()]);
        let output = run(&args);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let text = String::from_utf8(output.stdout).unwrap();
        fits(&text);
        let read = |name: &str| fs::read_to_string(out.join(name)).unwrap();
        let names = ["proposition1.csv", "lemma1.csv", "theory.svg"];
        assert_eq!(fs::read_dir(&out).unwrap().count(), names.len());
        (text, names.map(read))
    };
    let (one, two) = (files("1"), files("2"));
    assert!(one == two);

    let [proposition, lemma, svg] = one.1;
    // Two inputs, five laws, two d, two deltas; then without the laws.
    assert_eq!(proposition.lines().count(), 1 + 2 * 5 * 2 * 2);
    assert_eq!(lemma.lines().count(), 1 + 2 * 2 * 2);
    let number = |line: &str, column: usize| -> f64 {
        line.split(',').nth(column).unwrap().parse().expect(line)
    };
    for line in proposition.lines().skip(1) {
        // error, its standard error, the bound of the mean; violations of 50 at delta 0.1 or less
        assert!(
            number(line, 7) <= number(line, 9) + 4.0 * number(line, 8),
            "{line}"
        );
        assert!(number(line, 13) <= 5.0, "{line}");
        assert!(number(line, 11) <= number(line, 12), "{line}");
    }
    for line in lemma.lines().skip(1) {
        let (n, c, required, at_best) = (
            number(line, 2),
            number(line, 9),
            number(line, 12),
            number(line, 13),
        );
        assert!(
            c <= 1.0 / n && required >= at_best && at_best > 2.0 * n * n,
            "{line}"
        );
    }
    assert!(svg.starts_with("<svg ") && !svg.contains("NaN"));
}

#[test]
fn who_stops_it_keeps_the_inputs_that_were_measured() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let flags = "--input gauss --n 16,2048 --d 16 --beta 1 --delta 0.1 --trials 2000 --out";
    let args: Vec<&str> = flags.split(' ').chain([out]).collect();
    let csv = first_kept(&mut command(&args), &folder.path().join("lemma1.csv"));
    assert!(
        csv.contains("\ngauss,1,16,") && csv.lines().count() == 2,
        "{csv}"
    );
}

#[test]
fn files_by_others_are_replaced_only_when_asked() {
    let flags = "--input gauss --n 16 --d 4 --beta 1 --trials 4";
    let files = ["proposition1.csv", "lemma1.csv", "theory.svg"];
    replaces_only_when_asked(run, flags, &files, "not by skein theory");
}

#[test]
fn wrong_flags_say_what_was_expected() {
    for (args, expected) in [
        (["--input", "init"], "expected gauss or tokens"),
        (["--n", "1"], "expected a whole number from 2 to 8192"),
        (["--beta", "0"], "expected a number from 1e-6 to 1"),
        (
            ["--delta", "0.5"],
            "expected a number from 1e-300 to below 0.5",
        ),
        (["--delta", "0.1,0.2,0.3,0.4"], "expected three at most"),
        (["--trials", "1"], "expected a whole number from 2"),
    ] {
        refused_with(&run(&args), expected);
    }
}

#[test]
fn help_is_one_text_of_eighty_columns() {
    let help = |flag| stdout(&run(&[flag]));
    assert_eq!(help("--help"), help("-h"));
    fits(help("-h"));
}

#[test]
fn a_closed_pipe_is_no_error() {
    outlives_its_reader(&mut command(&TINY));
}
