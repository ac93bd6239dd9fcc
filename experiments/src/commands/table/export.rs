//! Runs that have ended, for TensorBoard: settings and all numbers of metrics.jsonl, as `--tensorboard` writes them while
//! a run is under way.

use super::runs::Run;
use crate::run::events::Events;
use crate::show::record;
use crate::terminal::error::{Error, Result};
use crate::terminal::output::shell_word;
use crate::terminal::parse::distinct;
use datasets::shown;
use std::fs;
use std::path::{Path, PathBuf};

/// Writes a folder for each run, called as its own, and says how to look at them.
///
/// # Errors
/// If one of the folders is there already, or two would be called the same.
pub(super) fn tensorboard(runs: &[Run], log: &Path) -> Result<String> {
    let name = |run: &Run| {
        let absolute = std::path::absolute(&run.folder).unwrap_or_default();
        log.join(absolute.file_name().unwrap_or(run.folder.as_os_str()))
    };
    let folders: Vec<PathBuf> = runs.iter().map(name).collect();
    if distinct(&folders).len() < folders.len() {
        let message = "two of the runs have folders of the same name: expected other names";
        return Err(Error::usage(message).hint("export them one grid after the other"));
    }
    if let Some(there) = folders.iter().find(|folder| folder.exists()) {
        let message = format!(
            "{} is there already: expected a new folder",
            there.display()
        );
        return Err(Error::usage(message).hint("name another folder with --tensorboard"));
    }
    // All that can be wrong with a run first.
    let read = |run: &Run| record::metrics(&run.folder.join("metrics.jsonl"));
    let metrics = runs.iter().map(read).collect::<Result<Vec<_>>>()?;
    for ((run, folder), (steps, evaluations)) in runs.iter().zip(&folders).zip(metrics) {
        fs::create_dir_all(folder).map_err(|cause| Error::file("cannot create", folder, &cause))?;
        let mut events = Events::create(folder, 0)?;
        let settings = run.config.to_toml().parse::<toml::Table>()?;
        events.settings(&shown::name(&run.folder), &settings)?;
        let named = |(tag, number): (&str, f64)| (tag.to_string(), number);
        for step in steps {
            let scalars = [
                ("train/loss", step.loss),
                ("train/accuracy", step.accuracy),
                ("train/learning_rate", step.learning_rate),
                ("train/gradient_norm", step.gradient_norm),
            ];
            events.push(step.step, &scalars.map(named))?;
        }
        for (step, line) in evaluations {
            let mut scalars = vec![
                ("dev/loss".to_string(), line.dev.loss),
                ("dev/accuracy".to_string(), line.dev.accuracy),
            ];
            for norms in line.norms {
                scalars.push((format!("parameters/{}", norms.layer), norms.parameters));
                scalars.push((format!("gradient/{}", norms.layer), norms.gradient));
            }
            events.push(step, &scalars)?;
        }
        let test = &run.outcome.test;
        let scalars = [("test/loss", test.loss), ("test/accuracy", test.accuracy)];
        events.push(run.outcome.steps, &scalars.map(named))?;
    }
    let (count, log) = (runs.len(), shell_word(log));
    Ok(format!(
        "runs written: {count}; tensorboard --logdir {log}\n"
    ))
}
