//! The report of a run as one HTML file that needs nothing else: outcome, curves, norms by layer, time by operator,
//! configuration, the command, environment, data. It is made when a run ends, and by `skein report` of any run, or of several side by
//! side.
//!
//! Everything in it comes from the files of the run (`show/record.rs`); neither data nor model are needed again.
//! `show/page.rs` writes it, and what its script does is in `show/page`, where `skein study` has it from, too.

use crate::commands::table::runs_in;
use crate::files::out_file::{OutFile, Own};
use crate::show::page;
use crate::show::record::Record;
use crate::terminal::error::Result;
use crate::terminal::output::tell;

use clap::Args;
use datasets::shown;
use std::path::PathBuf;
use std::process::ExitCode;

/// Makes the report of a run, or compares several
#[derive(Args, Debug)]
struct Flags {
    /// Folders of runs, such as runs/text-skein-s42, or folders that hold such folders,
    /// as a grid of sweep does; the runs need not have ended
    #[arg(value_name = "FOLDER", required = true)]
    folders: Vec<PathBuf>,
    /// The page [default: report.html in the folder of the run; of several runs,
    /// comparison.html here]
    #[arg(long, value_name = "FILE.html")]
    out: Option<PathBuf>,
    /// Replace that file, although it is no report
    #[arg(long, requires = "out")]
    overwrite: bool,
}

/// `skein report`.
pub(super) fn command() -> super::Command {
    let example = "skein report runs/text-skein-s42 runs/text-vmean-s42";
    super::Command::new("report", example, |flags: Flags| report(&flags))
}

/// How a report is known.
const REPORT: Own = Own {
    what: "no report",
    is: |text| text.starts_with(page::START),
};

fn report(flags: &Flags) -> Result<ExitCode> {
    let records: Vec<Record> = runs_in(&flags.folders)?
        .iter()
        .map(|run| Record::read(run))
        .collect::<Result<_>>()?;
    let (default, page) = match &records[..] {
        [one] => (one.folder.join("report.html"), page::one(one)),
        several => (
            PathBuf::from("comparison.html"),
            page::several(several, &names(several)),
        ),
    };
    let out = flags.out.as_ref().unwrap_or(&default);
    OutFile::new(out, flags.overwrite, Some(&REPORT))?.write(page.as_bytes())?;
    tell(&format!("report: {}", shown::name(out)));
    Ok(ExitCode::SUCCESS)
}

/// What tells the runs apart: the names of their folders, or else the paths.
fn names(runs: &[Record]) -> Vec<String> {
    let mut names: Vec<String> = runs.iter().map(Record::name).collect();
    let mut distinct = names.clone();
    distinct.sort();
    distinct.dedup();
    if distinct.len() < names.len() {
        names = runs.iter().map(|run| shown::name(&run.folder)).collect();
    }
    names
}
