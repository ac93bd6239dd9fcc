//! What has come of a run: its result.json.

use crate::config::{Config, Protocol};
use crate::environment::Computer;
use crate::error::{Error, Result};
use crate::output::{percent, shell_word};
use crate::range;
use crate::reach::Lengths;
use crate::task::Task;
use crate::trainer::Evaluation;
use datasets::shown;
use serde::{Deserialize, Serialize};
use std::env::consts::EXE_EXTENSION;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// result.json.
#[derive(Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) task: Task,
    pub(crate) attn: String,
    pub(crate) features: usize,
    pub(crate) seed: u64,
    pub(crate) protocol: Protocol,
    /// The name of the data set.
    pub(crate) data: String,
    pub(crate) builtin: bool,
    /// [`fingerprint`](super::fingerprint).
    pub(crate) data_sha256: String,
    /// In the order of the starts, each once; none in results that are older than the record.
    #[serde(default)]
    pub(crate) computed_by: Vec<Computer>,
    /// Learned numbers.
    #[serde(deserialize_with = "range::count")]
    pub(crate) parameters: usize,
    /// That were done.
    #[serde(deserialize_with = "range::count")]
    pub(crate) steps: usize,
    pub(crate) tested_weights_of_step: usize,
    pub(crate) best_dev: Option<Evaluation>,
    pub(crate) test: Evaluation,
    /// Of always answering the most frequent class of train, 0 to 1; on the examples of `test`, of which
    /// older results took the whole split.
    #[serde(deserialize_with = "range::share")]
    pub(crate) majority_accuracy: f64,
    /// Of a logistic regression on token frequencies, likewise.
    #[serde(deserialize_with = "range::share")]
    pub(crate) token_frequency_accuracy: f64,
    /// Of train, dev and test together. Older results lack this and what follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) lengths: Option<Lengths>,
    /// Examples of these that the features leave nothing out of, so that the method is exact attention there; none
    /// where features have no say in that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) exact_examples: Option<usize>,
}

impl Outcome {
    /// The part of the examples, 0 to 1, of which nothing was sketched; none where that is not known.
    pub(crate) fn exact(&self) -> Option<f64> {
        let all = self.lengths?.examples;
        Some(self.exact_examples? as f64 / all as f64)
    }

    /// That of the run in `folder`; none if it has not ended.
    pub(crate) fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join("result.json");
        let text = match fs::read(&path) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read.map_err(|cause| Error::file("cannot read", &path, &cause))?,
        };
        let wrong = |what: String| {
            let message = format!("{}: expected the outcome of a run: {what}", path.display());
            Error::failure(message)
                .hint("restore it, or leave that run out; another version may have written it")
        };
        let outcome: Self =
            serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
        let (tested, steps) = (outcome.tested_weights_of_step, outcome.steps);
        match tested <= steps {
            true => Ok(Some(outcome)),
            false => Err(wrong(format!(
                "weights of step {tested} were tested: expected one of the {steps} that were done"
            ))),
        }
    }

    /// A result.json beside the config.toml of another run is nobody's.
    pub(crate) fn refuse_other_run(&self, config: &Config, folder: &Path) -> Result<()> {
        let said = (self.task, &self.attn, self.seed);
        if said == (config.task, &config.attn, config.seed) {
            return Ok(());
        }
        let message = format!(
            "{}: result.json is of {} {} with seed {}, expected {} {} with seed {} as in config.toml",
            folder.display(),
            self.task.name(),
            self.attn,
            self.seed,
            config.task.name(),
            config.attn,
            config.seed
        );
        Err(Error::failure(message).hint("restore one of the two files"))
    }

    /// As it is printed, with the time that it took.
    pub(super) fn table(&self, time: &str, folder: &Path) -> String {
        let tested = self.tested_weights_of_step;
        let which = match tested == self.steps {
            true => "the last".to_string(),
            false => format!("of {}, lowest dev loss", self.steps),
        };
        let rows = [
            ("data", self.data.clone()),
            (
                "model",
                format!("{}, the weights after step {tested} ({which})", self.attn),
            ),
            (
                "test accuracy",
                format!(
                    "{} of {} examples (loss {:.4})",
                    percent(self.test.accuracy),
                    self.test.examples,
                    self.test.loss
                ),
            ),
            (
                "token frequency",
                format!(
                    "{} (logistic regression, same data)",
                    percent(self.token_frequency_accuracy)
                ),
            ),
            ("majority class", percent(self.majority_accuracy)),
            ("time", time.to_string()),
            ("run folder", shown::name(folder)),
        ];
        let report = folder.join("report.html");
        let report = report
            .exists()
            .then(|| ("report", report.display().to_string()));
        rows.iter()
            .chain(&report)
            .map(|(what, value)| format!("{what:15} {value}\n"))
            .collect()
    }
}

/// What can be done with the run in `folder` now: commands to be pasted, a line each.
pub(super) fn next(task: Task, folder: &Path) -> String {
    let this = std::env::args_os().next().map(PathBuf::from);
    let by_cargo = std::env::var_os("CARGO").is_some();
    commands(task, folder, |name| {
        called(name, this.as_deref().filter(|_| !by_cargo))
    })
}

fn commands(task: Task, folder: &Path, call: impl Fn(&str) -> String) -> String {
    let folder = shell_word(folder);
    let of = |name: &str| format!("{} {folder}", call(name));
    let some = match task {
        Task::Text => Some("echo 'A wonderful film.'"),
        Task::ListOps => Some("echo '[MAX 2 9 [MIN 4 7 ] 0 ]'"),
        Task::Retrieval => Some("printf 'one paper\\tanother\\n'"),
        Task::Pathfinder | Task::Image => None, // Pictures are files, and none is sure to be there.
    };
    let mut text = "next, for example:\n".to_string();
    for command in [
        Some(of("evaluate")),
        some.map(|some| format!("{some} | {}", of("predict"))),
        Some(of("table")),
    ] {
        text.extend(command.map(|command| format!("  {command}\n")));
    }
    text
}

/// How the program `name` of this package is called, where `this` is how this one was; none if cargo did.
fn called(name: &str, this: Option<&Path>) -> String {
    let beside = this.map(|this| this.with_file_name(name));
    match beside {
        Some(found) if found == Path::new(name) => name.to_string(),
        Some(beside) if beside.with_extension(EXE_EXTENSION).exists() => shell_word(&beside),
        _ => format!("cargo run --release --bin {name} --"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::env::consts::EXE_SUFFIX;

    #[test]
    fn the_readme_ends_a_run_as_the_program_does() {
        let by_cargo = |name: &str| called(name, None);
        let told = commands(Task::Text, Path::new("runs/text-skein-s42"), by_cargo);
        let readme = include_str!("../../../README.md");
        assert!(readme.contains(&told), "the README should say\n{told}");
        let report = "run folder      runs/text-skein-s42\nreport          runs/text-skein-s42/report.html\n";
        assert!(
            readme.contains(&format!("{report}{told}")),
            "the README should say\n{report}{told}"
        );
    }

    #[test]
    fn programs_are_called_as_this_one_was() {
        let folder = tempfile::tempdir().unwrap();
        let beside = folder.path().join(format!("table{EXE_SUFFIX}"));
        fs::write(beside, "").unwrap();
        let this = folder.path().join("exp_text");
        let there = folder.path().join("table");
        assert_eq!(
            called("table", Some(&this)),
            there.to_str().unwrap(),
            "beside it"
        );
        let from_cargo = "cargo run --release --bin evaluate --";
        assert_eq!(called("evaluate", Some(&this)), from_cargo, "not built");
        assert_eq!(called("table", Some(Path::new("exp_text"))), "table");
    }

    #[test]
    fn what_is_pasted_is_one_command_a_line() {
        let text = commands(Task::Image, Path::new("my runs/it's"), str::to_string);
        let expected =
            "next, for example:\n  evaluate 'my runs/it'\\''s'\n  table 'my runs/it'\\''s'\n";
        assert_eq!(text, expected);
        let text = commands(Task::Retrieval, Path::new("r"), str::to_string);
        assert!(
            text.contains("\n  printf 'one paper\\tanother\\n' | predict r\n"),
            "{text}"
        );
    }
}
