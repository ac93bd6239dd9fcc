//! Where a run begins: new, or at a checkpoint that fits its settings and data.

use crate::run::environment;
use crate::run::folder::Run;
use crate::run::measured::{Evaluation, Norms};
use crate::settings::choices::Protocol;
use crate::settings::config::Config;
use crate::settings::source::Source;
use crate::terminal::error::{Error, Result};
use crate::train::trainer::{State, Trainer, refuse_not_finite};
use serde::{Deserialize, Deserializer, Serialize};
use std::path::Path;

/// Where a run begins.
#[derive(Clone, Copy)]
pub(crate) enum Start<'a> {
    /// In a folder of its own: see [`Run::create`].
    New {
        out: Option<&'a Path>,
        overwrite: bool,
    },
    /// At the newest checkpoint of a folder.
    Resumed(&'a Path),
}

/// A checkpoint: the trainer, what decides about stopping, and what the run may not change.
#[derive(Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    /// The configuration as config.toml has it.
    pub(crate) config: String,
    /// The [`fingerprint`](crate::train::data::fingerprint) of the data.
    pub(crate) data: String,
    pub(crate) trainer: State,
    pub(super) watch: EarlyStopping,
    /// In a checkpoint after whose step an evaluation is due: what that needs of the step, whose gradient is gone when
    /// the run goes on. Others end here, as older ones do.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "if_there")]
    pub(super) due: Option<Vec<Norms>>,
}

/// The last field of a checkpoint; whether there was one before its end, the reader of the file checks.
fn if_there<'de, D: Deserializer<'de>>(
    checkpoint: D,
) -> std::result::Result<Option<Vec<Norms>>, D::Error> {
    Ok(Option::deserialize(checkpoint).unwrap_or_default())
}

impl Checkpoint {
    /// Steps done at the evaluation with the lowest loss, if there was one.
    pub(crate) fn best_step(&self) -> Option<usize> {
        self.watch.best.map(|(step, _)| step)
    }
}

/// What is known of the evaluations so far.
#[derive(Serialize, Deserialize, Clone, Default)]
pub(super) struct EarlyStopping {
    /// Steps done and outcome of the evaluation with the lowest loss.
    pub(super) best: Option<(usize, Evaluation)>,
    /// Evaluations since then.
    pub(super) waited: usize,
    /// Patience is at its end.
    pub(super) stopped: bool,
}

/// A run that can go on.
pub(super) struct Opened {
    pub(super) run: Run,
    /// The steps behind it.
    pub(super) done: usize,
    pub(super) watch: EarlyStopping,
    /// See [`Checkpoint::due`].
    pub(super) due: Option<Vec<Norms>>,
}

/// A new run, or the continued one.
pub(super) fn open(
    config: &Config,
    start: Start,
    threads: usize,
    data_sha256: &str,
    trainer: &mut Trainer,
) -> Result<Opened> {
    let folder = match start {
        Start::Resumed(folder) => folder,
        Start::New { out, overwrite } => {
            let watch = EarlyStopping::default();
            let first = checkpoint(config, data_sha256, trainer, &watch, None);
            let run = Run::create(config, out, overwrite, threads, &first)?;
            if config.init != Source::Random {
                // Its file may go; a replay of the first steps begins here.
                run.keep(0, &first)?;
            }
            return Ok(Opened {
                run,
                done: 0,
                watch,
                due: None,
            });
        }
    };
    let accept = |checkpoint: Checkpoint| {
        refuse_other_config(config, &checkpoint.config)?;
        if checkpoint.data != data_sha256 {
            let hashes = [data_sha256, &checkpoint.data];
            return Err(other_data(config, folder, hashes, "start a new run"));
        }
        trainer.restore(checkpoint.trainer)?;
        refuse_not_finite(trainer.params()).map_err(|error| {
            let hint =
                "remove the newest checkpoint to go on from the one before, or start the run again";
            error.at(&folder.display().to_string()).hint(hint)
        })?;
        let is_due = checkpoint.due.is_some();
        Ok(((checkpoint.watch, checkpoint.due), is_due))
    };
    let (run, done, (watch, due)) = Run::resume(folder, config, threads, accept)?;
    if Config::of_run(folder)?.data != config.data {
        // The next start finds them there, too.
        run.write("config.toml", config.to_toml().as_bytes())?;
    }
    mend_best(config, &run, done, &watch, trainer)?;
    Ok(Opened {
        run,
        done,
        watch,
        due,
    })
}

pub(super) fn checkpoint(
    config: &Config,
    data: &str,
    trainer: &Trainer,
    watch: &EarlyStopping,
    due: Option<&[Norms]>,
) -> Checkpoint {
    Checkpoint {
        config: config.to_toml(),
        data: data.to_string(),
        trainer: trainer.state(),
        watch: watch.clone(),
        due: due.map(<[Norms]>::to_vec),
    }
}

/// Of a run whose data are no more what they were: their SHA-256, found and expected; `instead` is what else can be
/// done.
pub(crate) fn other_data(
    config: &Config,
    folder: &Path,
    [found, expected]: [&str; 2],
    instead: &str,
) -> Error {
    let (which, hint) = match config.data_folder() {
        Some(_) => ("the data", format!("restore them, or {instead}")),
        None => {
            let begun_by = environment::begun_by(&folder.join("environment.toml"));
            let before = begun_by.unwrap_or_else(|| "the version that began the run".into());
            let hint = format!("{before} makes those of the run; or {instead}");
            ("the built-in data", hint)
        }
    };
    let message =
        format!("{which} have changed since this run began: SHA-256 {found}, expected {expected}");
    Error::failure(message).hint(hint)
}

/// Data may move, and their content is checked; no other setting may differ from `begun`, that of
/// the checkpoint.
pub(crate) fn refuse_other_config(config: &Config, begun: &str) -> Result<()> {
    // Read and not compared as text: what is older than a setting has no line of it.
    let begun: Config = toml::from_str(begun).map_err(|error| {
        let message = error.message().replace('\n', " ");
        let message = format!("the checkpoint's configuration: {message}");
        Error::failure(message).hint("another version of this program may have written it")
    })?;
    match other_setting(config, &begun) {
        None => Ok(()),
        Some((now, begun)) => {
            let message =
                format!("config.toml says `{now}`, expected `{begun}` as when the run began");
            Err(Error::usage(message).hint("restore that line, or start a new run"))
        }
    }
}

/// The first setting in which two configurations differ.
pub(crate) fn other_setting(one: &Config, other: &Config) -> Option<(String, String)> {
    other_settings(one, other).into_iter().next()
}

/// The settings in which two configurations differ, but for the places of files, as the
/// config.toml of each has them.
pub(crate) fn other_settings(one: &Config, other: &Config) -> Vec<(String, String)> {
    let toml = |config: &Config| {
        let data = String::new();
        Config {
            data,
            init: config.init.content(),
            scores: config.scores.content(),
            ..config.clone()
        }
        .to_toml()
    };
    let (one, other) = (toml(one), toml(other));
    let pairs = one.lines().zip(other.lines());
    pairs
        .filter(|(one, other)| one != other)
        .map(|(one, other)| (one.to_string(), other.to_string()))
        .collect()
}

/// Sees to it that best.bin holds what the watch says.
///
/// It is written right after the checkpoint that knows of it; a process that was killed between the
/// two has left an older one, and the weights that belong in it are those of the checkpoint. One
/// that is newer than the checkpoint stands until its evaluation comes again.
fn mend_best(
    config: &Config,
    run: &Run,
    done: usize,
    watch: &EarlyStopping,
    trainer: &Trainer,
) -> Result<()> {
    let again = "start the run again, with --out FOLDER --overwrite";
    match watch.best {
        Some((best, _)) if best == done => run.save_best(done, &trainer.state()),
        Some((best, _)) if config.protocol == Protocol::Clean => {
            let (held, _) = run
                .best::<State>()
                .map_err(|error| error.hint(format!("the test needs it: {again}")))?;
            match held == best || held > done {
                true => Ok(()),
                false => Err(other_best(held, best).hint(again)),
            }
        }
        _ => Ok(()),
    }
}

pub(crate) fn other_best(held: usize, best: usize) -> Error {
    Error::failure(format!(
        "best.bin holds the weights of step {held}, expected those of step {best}, whose dev loss \
         was the lowest"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::choices::{Budget, Positions, Task};
    use crate::terminal::asserts::has;
    use std::fs;

    #[test]
    fn other_built_in_data_are_told_from_other_files() {
        let folder = tempfile::tempdir().unwrap();
        let old = include_bytes!("../../../tests/old_runs/0.1.0/stopped/environment.toml");
        fs::write(folder.path().join("environment.toml"), old).unwrap();
        let told = |data: &str| {
            let config = Config {
                data: data.into(),
                ..Task::ListOps.preset(Budget::Smoke)
            };
            other_data(&config, folder.path(), ["one", "two"], "start a new run").to_string()
        };
        assert_eq!(
            told("builtin"),
            "error: the built-in data have changed since this run began: SHA-256 one, expected two\n\
             hint: version 0.1.0 (commit 11b92c8e15f23864f3f88dbab8c116e774f64ba8) makes those of the run; or start a \
             new run"
        );
        assert_eq!(
            told("/trees"),
            "error: the data have changed since this run began: SHA-256 one, expected two\n\
             hint: restore them, or start a new run"
        );
    }

    #[test]
    fn a_run_older_than_a_setting_goes_on() {
        let config = Task::Image.preset(Budget::Smoke);
        let newer = [
            "skip_black",
            "embedding_std",
            "positions",
            "smoother",
            "s3",
            "product",
            "layers",
            "dim",
            "hidden",
            "heads",
            "init",
            "scores",
            "weight_decay",
        ];
        let of_then = config.to_toml();
        let of_then: Vec<&str> = of_then
            .lines()
            .filter(|line| !newer.iter().any(|name| line.starts_with(name)))
            .collect();
        let of_then = of_then.join("\n");
        let now: Config = toml::from_str(&of_then).unwrap();
        refuse_other_config(&now, &of_then).unwrap();

        let moved = Config {
            data: "/elsewhere".into(),
            ..now.clone()
        };
        refuse_other_config(&moved, &of_then).unwrap();
        let other = Config {
            positions: Positions::Sincos2d,
            ..now.clone()
        };
        let told = refuse_other_config(&other, &of_then)
            .unwrap_err()
            .to_string();
        has(
            &told,
            "says `positions = \"sincos2d\"`, expected `positions = \"learned\"`",
        );
        let other = Config {
            groups: now.groups + 1,
            ..now
        };
        let told = refuse_other_config(&other, &of_then)
            .unwrap_err()
            .to_string();
        assert!(told.contains("says `groups = "), "{told}");
    }
}
