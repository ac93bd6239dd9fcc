//! A trained model judged once more: any split, any data, either set of weights.
//!
//! An example is judged with the draws of its id, its split and the run's seed, so that the numbers of the run's own
//! test, and of its evaluations on dev, come out again to the last digit.

use crate::commands::data::found;
use crate::run::measured::Evaluation;
use crate::settings::choices::Protocol;
use crate::settings::product::ProductFlag;
use crate::show::grid::{Grid, cells, left, right};
use crate::terminal::error::{Error, Result};
use crate::terminal::output::{COLUMNS, answer, fitted, json, percent};
use crate::terminal::parse::{parse_count, parse_threads, threads};
use crate::terminal::progress::Progress;
use crate::train::data::{fingerprint, load};
use crate::train::trained::{Trained, Weights};
use crate::train::trainer::Trainer;
use clap::Args;
use datasets::Dataset;
use serde::Serialize;
use std::fmt::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Below the flags.
const HELP: &str = "\
Prints accuracy, loss and how the classes are confused. The random draws are
those of the run: on its own data, with the weights that its test was about
(best under protocol clean, last under paper), the test split gives the numbers
of its result.json exactly.";

/// Evaluates the model of a run
#[derive(Args, Debug)]
#[command(after_help = HELP)]
struct Flags {
    /// Folder of the run, such as runs/text-skein-s42
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// train, dev or test
    #[arg(
        long,
        value_name = "NAME",
        default_value = "test",
        hide_possible_values = true,
        value_parser = ["train", "dev", "test"]
    )]
    split: String,
    /// auto, builtin or the path of a data set [default: the data of the run]
    #[arg(long, value_name = "auto|builtin|PATH")]
    data: Option<String>,
    /// best, last, or the path of a .safetensors file [default: those of the test]
    #[arg(long, value_name = "best|last|FILE", value_parser = Weights::parse)]
    weights: Option<Weights>,
    /// Examples, drawn as in the run; 0: all [default: as many as the run takes of test
    /// or, for the other two, of dev]
    #[arg(long, value_name = "N", value_parser = parse_count)]
    examples: Option<usize>,
    /// Threads that share the work; the results do not depend on it [default: all cores]
    #[arg(long, value_name = "N", value_parser = parse_threads)]
    threads: Option<usize>,
    #[command(flatten)]
    product: ProductFlag,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What came of it.
#[derive(Serialize)]
struct Judgement<'a> {
    run: String,
    task: &'a str,
    attn: &'a str,
    features: usize,
    seed: u64,
    protocol: Protocol,
    weights: &'a str,
    data: &'a str,
    data_sha256: &'a str,
    split: &'a str,
    #[serde(flatten)]
    evaluation: Evaluation,
    classes: &'a [String],
    /// For each class, how many of its examples were taken for each.
    confusion: Vec<Vec<usize>>,
}

/// `skein evaluate`.
pub(super) fn command() -> super::Command {
    let example = "skein evaluate runs/text-skein-s42 --split dev";
    super::Command::new("evaluate", example, |flags: Flags| evaluate(&flags))
}

fn evaluate(flags: &Flags) -> Result<ExitCode> {
    let run = Trained::open(&flags.run)?;
    let mut config = run.config.clone();
    flags.product.over(&mut config.product);
    let task = config.task;
    if let Some(data) = &flags.data {
        config.data.clone_from(data);
        config = found(config.checked(task)?)?;
    }
    let data = load(&config).map_err(|error| {
        let gone = flags.data.is_none() && !Path::new(&config.data).exists();
        let error = Error::data(error);
        match gone {
            true => error.hint("the data of the run have gone; --data PATH names others"),
            false => error,
        }
    })?;
    let data_sha256 = fingerprint(&data);
    if flags.data.is_none() {
        run.refuse_other_data(&data_sha256)?;
    }
    run.refuse_other_classes(&data)?;
    let mut trainer = Trainer::new(&config, data, threads(flags.threads))?;
    let weights = run.load(flags.weights.as_ref(), trainer.params_mut())?;

    let data = trainer.data();
    let (split, count) = match flags.split.as_str() {
        "train" => (&data.train, config.eval_examples),
        "dev" => (&data.dev, config.eval_examples),
        _ => (&data.test, config.test_examples),
    };
    let mut confusion = vec![vec![0; data.classes.len()]; data.classes.len()];
    let count = flags.examples.unwrap_or(count);
    let mut progress = Progress::new(trainer.drawn(split, count).len(), 0);
    let evaluation = trainer.judge(
        split,
        count,
        |seen, all| {
            progress.at(seen);
            progress.examples(split.name, seen, all);
            ControlFlow::Continue(())
        },
        |example, predicted| confusion[example.label][predicted] += 1,
    );
    progress.finish();
    let judgement = Judgement {
        run: flags.run.display().to_string(),
        task: task.name(),
        attn: &config.attn,
        features: config.features,
        seed: config.seed,
        protocol: config.protocol,
        weights: &weights,
        data: &data.name,
        data_sha256: &data_sha256,
        split: split.name,
        evaluation: evaluation
            .map_err(|error| error.hint("the weights are too large; --weights names others"))?
            .expect("it never breaks off"),
        classes: &data.classes,
        confusion,
    };
    if flags.json {
        answer(&json(&judgement, true)?)?;
    } else {
        answer(&fitted(&page(&judgement, data)))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The judgement as it is printed.
fn page(judgement: &Judgement, data: &Dataset) -> String {
    let Evaluation {
        loss,
        accuracy,
        examples,
    } = judgement.evaluation;
    let drawn = match examples == split_size(judgement.split, data) {
        true => String::new(),
        false => format!(" of {}", split_size(judgement.split, data)),
    };
    let mut text = String::new();
    for (what, value) in [
        (
            "model",
            format!(
                "{}, features {}, seed {}",
                judgement.attn, judgement.features, judgement.seed
            ),
        ),
        ("weights", judgement.weights.to_string()),
        ("data", judgement.data.to_string()),
        (
            "split",
            format!("{}, {examples}{drawn} examples", judgement.split),
        ),
        ("accuracy", percent(accuracy)),
        ("loss", format!("{loss:.4}")),
    ] {
        let _ = writeln!(text, "{what:9} {value}"); // A string takes all.
    }
    text.push('\n');
    text.push_str(&confused(&judgement.confusion, judgement.classes));
    text
}

fn split_size(name: &str, data: &Dataset) -> usize {
    let splits = [&data.train, &data.dev, &data.test];
    let split = splits.into_iter().find(|split| split.name == name);
    split.map_or(0, |split| split.examples.len())
}

/// A row for each class, a column for what its examples were taken for; how many of a class were found, and how many of
/// those taken for it are of it. Names are cut where 80 columns ask for it.
fn confused(confusion: &[Vec<usize>], classes: &[String]) -> String {
    let letters = |text: &str, most: usize| text.chars().take(most).collect::<String>();
    let first = classes.iter().map(|name| name.chars().count()).max();
    let first = first.unwrap_or(0).clamp(9, 18);
    let width = ((COLUMNS - first - 9) / classes.len().max(1)).clamp(2, 15);
    let share = |part: usize, whole: usize| match whole {
        0 => "-".to_string(),
        _ => percent(part as f64 / whole as f64),
    };
    // Numbers may need all of the column, and stay apart.
    let names = classes.iter().map(|name| letters(name, width - 1));
    let mut grid = Grid::new([left("is", first)]);
    grid.columns
        .extend(names.map(|name| right(name, width - 1)));
    grid.columns.push(right("found", 8));
    for (label, (row, name)) in confusion.iter().zip(classes).enumerate() {
        let mut cells = cells![letters(name, first)];
        cells.extend(row.iter().map(usize::to_string));
        cells.push(share(row[label], row.iter().sum()));
        grid.rows.push(cells);
    }
    let mut last = cells!["right"];
    for label in 0..classes.len() {
        let taken = confusion.iter().map(|row| row[label]).sum();
        // Without decimals where there is no room for them.
        let right = share(confusion[label][label], taken);
        last.push(match right.len() > width - 1 {
            true => format!("{}%", right.split('.').next().unwrap_or("")),
            false => right,
        });
    }
    last.push(String::new());
    grid.rows.push(last);
    grid.text()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_classes_fit_eighty_columns() {
        let classes: Vec<String> = (0..10).map(|i| format!("a long name {i}")).collect();
        let confusion = vec![vec![1000; 10]; 10];
        let text = confused(&confusion, &classes);
        assert_eq!(text.lines().count(), 12);
        for line in text.lines() {
            assert!(line.chars().count() <= COLUMNS, "{line}");
        }
        assert!(text.lines().nth(1).unwrap().ends_with("10.00%"), "{text}");
    }

    #[test]
    fn a_class_that_does_not_occur_has_no_share() {
        let classes = ["no", "yes"].map(String::from);
        let text = confused(&[vec![3, 1], vec![0, 0]], &classes);
        let lines: Vec<Vec<&str>> = text
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(
            lines,
            [
                vec!["is", "no", "yes", "found"],
                vec!["no", "3", "1", "75.00%"],
                vec!["yes", "0", "0", "-"],
                vec!["right", "100.00%", "0.00%"],
            ]
        );
    }
}
