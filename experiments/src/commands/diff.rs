//! `skein diff`: where two runs differ. What may explain it comes first, settings, data, and what computed them, and where;
//! then the first line of metrics.jsonl that is not the same, by how much, how far losses are apart, and the test.

use super::Command;
use crate::run::environment::{Computer, machines};
use crate::run::measured::Evaluation;
use crate::run::outcome::Outcome;
use crate::show::record::{Record, lines};
use crate::terminal::error::{Error, Result};
use crate::terminal::output::answer;
use crate::terminal::parse::distinct;
use crate::train::experiment::other_settings;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Below the flags in the help text.
const NOTES: &str = "\
Says which settings differ, whether data (SHA-256), code, product and kernel
path are the same, and the first line of metrics.jsonl in which a number is
another, to the bit, by how much, and how far losses are apart later. Where the
data are and on which machine of one kind, with how many threads, makes no
difference. Exit code 0: the same in all of this. 1: not the same. 2: they
cannot be compared.";

/// Says where two runs differ, in settings and in numbers
#[derive(clap::Args, Debug)]
#[command(after_help = NOTES)]
struct Flags {
    /// Folder of a run
    #[arg(value_name = "RUN")]
    one: PathBuf,
    /// Folder of the other
    #[arg(value_name = "OTHER")]
    other: PathBuf,
    /// Only numbers decide the exit code, as after a change of the code that is to keep
    /// them
    #[arg(long)]
    numbers: bool,
}

/// `skein diff`.
pub(super) fn command() -> Command {
    let example = "skein diff runs/text-skein-s42 runs/text-skein-s42-2";
    Command::new("diff", example, |flags: Flags| {
        let page = Page::of(&flags.one, &flags.other).map_err(Error::not_an_answer)?;
        answer(&page.text).map_err(Error::not_an_answer)?;
        Ok(match page.numbers || (page.causes && !flags.numbers) {
            false => ExitCode::SUCCESS,
            true => ExitCode::FAILURE,
        })
    })
}

/// What is printed of two runs.
struct Page {
    text: String,
    /// Whether a setting, the data or what computed them differs.
    causes: bool,
    /// Whether a number does.
    numbers: bool,
}

impl Page {
    fn of(one: &Path, other: &Path) -> Result<Self> {
        let records = [Record::read(one)?, Record::read(other)?];
        let metrics = [metrics(one)?, metrics(other)?];
        let mut page = Page {
            text: format!("- {}\n+ {}\n", one.display(), other.display()),
            causes: false,
            numbers: false,
        };
        page.causes(&records);
        page.machines(&[machines_of(one)?, machines_of(other)?]);
        page.metrics(&metrics);
        page.test(&records);
        Ok(page)
    }

    /// A row, and below it what differs, a line of the one and a line of the other.
    fn row(&mut self, what: &str, says: &str, pairs: &[(String, String)]) {
        writeln!(self.text, "{what:12} {says}").expect("writing to a string");
        for (one, other) in pairs {
            write!(self.text, "  - {one}\n  + {other}\n").expect("writing to a string");
        }
    }

    /// What may explain other numbers.
    fn causes(&mut self, [one, other]: &[Record; 2]) {
        let mut rows = vec![("settings", other_settings(&one.config, &other.config))];
        let sha256 = |record: &Record| record.data_sha256().unwrap_or("unknown").to_string();
        let facts = |record: &Record| {
            let computed_by = Computer::facts(&record.computed_by);
            [("data", sha256(record))].into_iter().chain(computed_by)
        };
        for ((what, one), (_, other)) in facts(one).zip(facts(other)) {
            let differ = one != other;
            rows.push((what, differ.then_some((one, other)).into_iter().collect()));
        }
        for (what, differing) in rows {
            self.causes |= !differing.is_empty();
            let says = match differing.is_empty() {
                true => "the same",
                false => "different",
            };
            self.row(what, says, &differing);
        }
    }

    /// Where they were computed: by itself that changes no number, and no exit code.
    fn machines(&mut self, [one, other]: &[[(&'static str, String); 6]; 2]) {
        let pairs = one.iter().zip(other).filter(|(one, other)| one != other);
        let text = |(name, value): &(&str, String)| format!("{name} {value}");
        let pairs: Vec<(String, String)> =
            pairs.map(|(one, other)| (text(one), text(other))).collect();
        let says = match pairs.is_empty() {
            true => "the same",
            false => "different, which changes no number by itself",
        };
        self.row("machine", says, &pairs);
    }

    /// The first line in which they differ. Numbers are written in their shortest exact form: the same text is the same
    /// bits.
    fn metrics(&mut self, lines: &[Vec<Line>; 2]) {
        let [one, other] = lines;
        let mut pairs = one.iter().zip(other);
        let same = pairs.clone().take_while(|(one, other)| one == other);
        let steps = same.map(|(one, _)| one.step).max().unwrap_or(0);
        let differing = pairs.find(|(one, other)| one != other);
        self.numbers |= differing.is_some() || one.len() != other.len();
        match differing {
            Some((one, other)) => {
                let step = one.step.min(other.step);
                let names = one.differs_in(other).join(", ");
                let says = format!("different from step {step} on: {names}");
                self.row("numbers", &says, &[(one.text.clone(), other.text.clone())]);
                let [from, to] = [one.numbers(), other.numbers()];
                let pairs = from
                    .iter()
                    .filter_map(|(name, from)| Some((name, *from, *to.get(name)?)));
                for (name, from, to) in pairs.filter(|(_, from, to)| from != to) {
                    self.line(&format!("{name}: {}", apart(from, to)));
                }
                self.losses(lines);
            }
            None => {
                let goes_on = match one.len().cmp(&other.len()) {
                    std::cmp::Ordering::Equal => "",
                    std::cmp::Ordering::Greater => "; then only - goes on",
                    std::cmp::Ordering::Less => "; then only + goes on",
                };
                let says = format!("equal to the bit over {steps} steps{goes_on}");
                self.row("numbers", &says, &[]);
            }
        }
    }

    /// How far losses are apart over the steps that both have.
    fn losses(&mut self, [one, other]: &[Vec<Line>; 2]) {
        for name in ["loss", "dev.loss"] {
            let of = |line: &Line| Some((line.step, *line.numbers().get(name)?));
            let others: BTreeMap<usize, f64> = other.iter().filter_map(of).collect();
            let both = one.iter().filter_map(of);
            let both = both.filter_map(|(step, from)| Some((step, from, *others.get(&step)?)));
            let both: Vec<(usize, f64, f64)> = both.collect();
            let gap = |(_, from, to): &(usize, f64, f64)| (to - from).abs();
            let most = both.iter().max_by(|a, b| gap(a).total_cmp(&gap(b)));
            let (Some(most), Some(last)) = (most, both.last()) else {
                continue;
            };
            let at = |(step, from, to): &(usize, f64, f64)| {
                format!("{} in step {step}", apart(*from, *to))
            };
            if gap(most) == 0.0 {
                self.line(&format!("{name}: the same in all {} of them", both.len()));
                continue;
            }
            self.line(&format!("{name}, most: {}", at(most)));
            if last.0 != most.0 {
                self.line(&format!("{name}, last: {}", at(last)));
            }
        }
    }

    /// Below a row.
    fn line(&mut self, says: &str) {
        writeln!(self.text, "  {says}").expect("writing to a string");
    }

    /// What came of them, if they have ended.
    fn test(&mut self, [one, other]: &[Record; 2]) {
        let (says, differing) = match (&one.result, &other.result) {
            (None, None) => ("neither has ended", None),
            (Some(_), None) => ("only - has ended", None),
            (None, Some(_)) => ("only + has ended", None),
            (Some(one), Some(other)) if tested(one) == tested(other) => ("the same", None),
            (Some(one), Some(other)) => ("different", Some((tested(one), tested(other)))),
        };
        self.numbers |= one.result.is_some() != other.result.is_some() || differing.is_some();
        self.row("test", says, differing.as_slice());
        if let (Some(_), Some(one), Some(other)) = (differing, &one.result, &other.result) {
            let [from, to] = [one, other].map(|result| 100.0 * result.test.accuracy);
            self.line(&format!("accuracy: {:+.2} points", to - from));
        }
    }
}

/// What a test has shown, floats in their shortest exact form.
fn tested(result: &Outcome) -> String {
    let Evaluation {
        loss,
        accuracy,
        examples,
    } = result.test;
    let step = result.tested_weights_of_step;
    format!("weights of step {step}: loss {loss:?}, accuracy {accuracy:?} of {examples} examples")
}

/// A line of metrics.jsonl.
#[derive(PartialEq)]
struct Line {
    step: usize,
    text: String,
}

impl Line {
    /// The names of what is not in the other line, or not the same there.
    fn differs_in(&self, other: &Line) -> Vec<String> {
        let [one, other] = [self, other].map(Line::named);
        let names = distinct(one.keys().chain(other.keys()));
        let differing = names
            .into_iter()
            .filter(|name| one.get(*name) != other.get(*name));
        differing.cloned().collect()
    }

    fn named(&self) -> Map<String, Value> {
        serde_json::from_str(&self.text).expect("it was read before")
    }

    /// All numbers in it, by their places: `dev.loss`, `norms.0.gradient`.
    fn numbers(&self) -> BTreeMap<String, f64> {
        let mut numbers = BTreeMap::new();
        let mut open: Vec<(String, Value)> = self.named().into_iter().collect();
        while let Some((place, value)) = open.pop() {
            match value {
                Value::Number(number) => numbers.extend(number.as_f64().map(|x| (place, x))),
                Value::Object(fields) => {
                    let inner = fields.into_iter();
                    open.extend(inner.map(|(name, value)| (format!("{place}.{name}"), value)));
                }
                Value::Array(items) => {
                    let inner = items.into_iter().enumerate();
                    open.extend(inner.map(|(i, value)| (format!("{place}.{i}"), value)));
                }
                _ => {}
            }
        }
        numbers
    }
}

/// "0.5 -> 0.25, by -0.25 (-50 %)", with digits enough to tell them apart.
fn apart(from: f64, to: f64) -> String {
    let by = to - from;
    let part = match by / from.abs() {
        part if !part.is_finite() => String::new(),
        part if part.abs() < 1e-3 => format!(" ({part:+.1e} of it)"),
        part => format!(" ({:+.1} %)", 100.0 * part),
    };
    let by = match by.abs() {
        _ if by.fract() == 0.0 => format!("{by:+}"),
        1e-4..1e6 => format!("{by:+.4}"),
        _ => format!("{by:+.1e}"),
    };
    format!("{from} -> {to}, by {by}{part}")
}

/// Where a run was computed.
fn machines_of(folder: &Path) -> Result<[(&'static str, String); 6]> {
    machines(&folder.join("environment.toml"))
}

/// The lines of the run in `folder`.
fn metrics(folder: &Path) -> Result<Vec<Line>> {
    let mut all = Vec::new();
    lines(&folder.join("metrics.jsonl"), |line, text| {
        serde_json::from_str::<Map<String, Value>>(text)?;
        all.push(Line {
            step: line.step,
            text: text.to_string(),
        });
        Ok(())
    })?;
    Ok(all)
}
