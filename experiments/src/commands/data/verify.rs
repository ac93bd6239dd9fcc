//! `skein data verify`: one page about data on the disk (`datasets::verify`), and an exit code.

use crate::settings::choices::Task;
use crate::terminal::error::{Error, Result};
use crate::terminal::output::{answer, fitted};
use datasets::verify::Report;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Below the flags.
const HELP: &str = "\
Exit code 0: a run can use the data; of listops, a single file, however small,
and a folder without basic_train.tsv pass as parts. 1: they cannot be read,
leave a split empty (under protocol clean), or contradict themselves (every
Target of listops is computed anew, and lines with a wrong one are named;
pathfinder may name a picture twice, or show it under both labels), or, with
--published, they are not the published ones. A run refuses what leaves a split
empty, and says what contradicts itself in its notes.";

/// Reads data as a run would, and says on one page what they are
#[derive(clap::Args, Debug)]
#[command(after_help = HELP)]
pub(super) struct Flags {
    /// Whose data: text, listops, retrieval, pathfinder or image
    #[arg(value_name = "TASK", hide_possible_values = true)]
    task: Task,
    /// The folder or file, as for --data of a run
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// Whatever differs from the published set is an error, too
    #[arg(long)]
    published: bool,
}

pub(super) fn verify(flags: &Flags) -> Result<ExitCode> {
    let report = report(flags.task, &flags.path)?;
    answer(&fitted(&report.to_string()))?;
    let wrong = match (report.faults.len(), report.differences.len()) {
        (0, 0) => return Ok(ExitCode::SUCCESS),
        (0, _) if !flags.published => return Ok(ExitCode::SUCCESS),
        (0, n) => format!("{n} differences from the published data"),
        (1, _) => "1 thing in it is wrong".to_string(),
        (n, _) => format!("{n} things in it are wrong"),
    };
    let message = format!("{}: {wrong}", flags.path.display());
    Err(Error::failure(message)
        .hint("the page above says which; get the data again, or repair them"))
}

/// What is in the data at `path`.
pub(super) fn report(task: Task, path: &Path) -> Result<Report> {
    (task.entry().verify)(path).map_err(Error::data)
}
