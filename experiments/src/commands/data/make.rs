//! `skein data make`: sets made by this program, in the layout of the published ones, for other programs
//! or for `--data`.
//!
//! With a set goes `made.toml` ([`MADE`]), which says what it is, so that nobody takes it for the published one; only a
//! folder that has one, and no file of anybody else, is replaced by `--overwrite` ([`made`](super::made)).

use super::background::{self, GLANCE, Next};
use super::made::Place;
use super::{refuse_full_disk, remove};
use crate::files::whole_file;
use crate::settings::choices::Task;
use crate::terminal::error::{Error, Result};
use crate::terminal::interrupt::{INTERRUPTED, Interrupt};
use crate::terminal::output::answer;
use crate::terminal::parse::{parse_seed, whole};
use datasets::{Files, MADE, shown};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::TryRecvError;
use std::thread;

/// A few times the largest part of a published set; more is a mistake of typing.
const MOST: usize = 1_000_000;
/// For the work to end when its folder has gone: so many looks whether it has, about a second.
const LOOKS: usize = 200;

/// Below the flags.
const HELP: &str = "\
listops: expressions by the benchmark's own procedure, as its TSV files
retrieval: the built-in pairs of papers, as the benchmark's TSV files
text: the built-in reviews, a file each, as {train,test}/{neg,pos}/ID.txt
pathfinder: pictures by the benchmark's own procedure, in its layout
image has no such set: runs draw its pictures themselves.";

/// Writes a generated set in the layout of the published one
#[derive(clap::Args, Debug)]
#[command(after_help = HELP)]
pub(super) struct Flags {
    /// Whose data: text, listops, retrieval or pathfinder
    #[arg(value_name = "TASK", hide_possible_values = true)]
    task: Task,
    /// Folder of the set, new [default: made/TASK-sSEED]
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Seed of the set; that of the built-in sets of runs is the default
    #[arg(long, value_name = "N", default_value = "2022", value_parser = parse_seed)]
    seed: u64,
    /// How many for train, dev and test; for text, train and test [default: as many
    /// as the benchmark or the built-in set has]
    #[arg(long, value_name = "N,N,N", value_delimiter = ',', value_parser = whole(1..=MOST))]
    count: Vec<usize>,
    /// Which pictures of pathfinder: lra (the benchmark's hard ones), lra-9, lra-6,
    /// sample or easy [default: lra]
    #[arg(long, value_name = "NAME")]
    settings: Option<String>,
    /// Replace the set in that folder
    #[arg(long)]
    overwrite: bool,
}

/// What `made.toml` says.
#[derive(Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) task: Task,
    seed: u64,
    pub(super) count: Vec<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) settings: Option<String>,
    program: String,
}

pub(super) fn make(flags: &Flags) -> Result<ExitCode> {
    let task = flags.task;
    let count = counts(task, &flags.count)?;
    let (files, kind) = (files(task)?, kind(flags)?);
    let default = || PathBuf::from(format!("made/{}-s{}", task.name(), flags.seed));
    let folder = flags.out.clone().unwrap_or_else(default);
    let place = Place::find(&folder, flags.overwrite)?;
    refuse_full_disk(task, bytes(files, &count), &place.nearest()?, "--out")?;
    let temporary = place.temporary.clone();
    let interrupt = Interrupt::install()?;
    remove(&temporary)?;
    fs::create_dir_all(&temporary)
        .map_err(|cause| Error::file("cannot create", &temporary, &cause))?;
    let filled = background::begin_one({
        let (folder, seed, count) = (temporary.clone(), flags.seed, count.clone());
        let kind = kind.unwrap_or_default().to_string();
        move || (files.write)(&folder, seed, &kind, &count).map_err(Error::data)
    });
    let written = match background::next(&filled, &|| interrupt.requested()) {
        Next::Came(written) => written,
        Next::Ended => panic!("the work on {} has panicked", temporary.display()),
        Next::Stopped => {
            // It ends with its folder, or soon after; what it writes meanwhile would stay.
            for _ in 0..LOOKS {
                let _ = remove(&temporary);
                if !matches!(filled.try_recv(), Err(TryRecvError::Empty)) {
                    break;
                }
                thread::sleep(GLANCE);
            }
            remove(&temporary)?;
            return Ok(ExitCode::from(INTERRUPTED));
        }
    };
    let written = written.and_then(|()| {
        let record = Record {
            task,
            seed: flags.seed,
            count: count.clone(),
            settings: kind.map(str::to_string),
            program: concat!("skein-lab ", env!("CARGO_PKG_VERSION"), ", data make").to_string(),
        };
        let record = toml::to_string(&record)?;
        whole_file::write(&temporary.join(MADE), &[record.as_bytes()])
    });
    if let Err(error) = written.and_then(|()| place.take()) {
        let _ = remove(&temporary); // What went wrong first is the error worth telling.
        return Err(error);
    }
    let numbers: Vec<String> = count.iter().map(usize::to_string).collect();
    answer(&format!(
        "{}: {} examples of {}, seed {}\n",
        shown::name(&folder),
        numbers.join(" + "),
        task.name(),
        flags.seed
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// The files of a set of the task.
fn files(task: Task) -> Result<&'static Files> {
    task.entry().files.as_ref().map_err(|why| {
        let name = task.name();
        let message = format!("{name}: there is nothing to write: {why}");
        Error::usage(message).hint(format!(
            "runs draw them when they begin (--data builtin); data show {name} draws some"
        ))
    })
}

/// How many examples each file or folder of the set has.
fn counts(task: Task, given: &[usize]) -> Result<Vec<usize>> {
    let files = files(task)?;
    let (full, name) = (files.counts, task.name());
    let list = |counts: &[usize], between: &str| {
        let counts: Vec<String> = counts.iter().map(usize::to_string).collect();
        counts.join(between)
    };
    if given.is_empty() {
        return Ok(full.to_vec());
    }
    if given.len() != full.len() {
        let (found, expected) = (given.len(), full.len());
        let message = format!("--count has {found} numbers, expected {expected} for {name}");
        return Err(Error::usage(message).hint(format!("such as --count {}", list(full, ","))));
    }
    let few = |(given, full): (&usize, &usize)| (2..=*full).contains(given);
    if files.limited && !given.iter().zip(full).all(few) {
        let most: Vec<String> = full.iter().map(|most| format!("2 to {most}")).collect();
        let (given, most) = (list(given, ","), most.join(" and "));
        let message = format!("--count {given}: expected {most} for {name}");
        return Err(Error::usage(message).hint("the built-in set has so many"));
    }
    Ok(given.to_vec())
}

/// Room for so many examples, roughly.
fn bytes(files: &Files, count: &[usize]) -> u64 {
    count.iter().map(|&n| n as u64 * files.bytes).sum()
}

/// Which kind of examples it has; none if there is one kind only.
fn kind(flags: &Flags) -> Result<Option<&str>> {
    let kinds = files(flags.task)?.kinds;
    match (&flags.settings, kinds) {
        (None, _) => Ok(kinds.first().copied()),
        (Some(_), []) => {
            let message = format!("--settings: {} has none", flags.task.name());
            Err(Error::usage(message).hint("leave it out; pathfinder has"))
        }
        (Some(name), _) if kinds.contains(&name.as_str()) => Ok(Some(name)),
        (Some(name), _) => {
            let task = flags
                .task
                .entry()
                .about
                .split(' ')
                .next()
                .unwrap_or_default();
            let message = format!(
                "no {task} settings {name:?}: there are {}",
                kinds.join(", ")
            );
            let error = Error::usage(message).hint("see data make --help");
            Err(error.did_you_mean(name, kinds.iter().copied()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::asserts::has;

    #[test]
    fn a_set_that_does_not_fit_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let place = Place::find(&root.path().join("made/new/set"), false).unwrap();
        let above = place.nearest().unwrap();
        assert_eq!(above, root.path());
        let bytes = |task, count: &[usize]| bytes(files(task).unwrap(), count);
        assert_eq!(bytes(Task::Retrieval, &[1000, 10, 10]), 612_000);
        let needed = bytes(Task::ListOps, &[1 << 50, 1, 1]);
        let error = refuse_full_disk(Task::ListOps, needed, &above, "--out").unwrap_err();
        let error = error.to_string();
        has(&error, "listops needs about 7.88 EB more in ");
        assert!(error.contains("choose another place with --out"), "{error}");
    }
}
