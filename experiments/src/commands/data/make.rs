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
use datasets::listops::{self, Shape};
use datasets::pathfinder::{self, Settings};
use datasets::{Dataset, MADE, Protocol, Split, retrieval, shown, text};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::TryRecvError;
use std::thread;

/// A few times the largest part of a published set; more is a mistake of typing.
const MOST: usize = 1_000_000;
/// For the work to end when its folder has gone: so many looks whether it has, about a second.
const LOOKS: usize = 200;
/// The pictures of Pathfinder if no others are asked for.
const SETTINGS: &str = "lra";

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
    let settings = settings(flags)?;
    let default = || PathBuf::from(format!("made/{}-s{}", task.name(), flags.seed));
    let folder = flags.out.clone().unwrap_or_else(default);
    let place = Place::find(&folder, flags.overwrite)?;
    refuse_full_disk(task, bytes(task, &count), &place.nearest()?, "--out")?;
    let temporary = place.temporary.clone();
    let interrupt = Interrupt::install()?;
    remove(&temporary)?;
    fs::create_dir_all(&temporary)
        .map_err(|cause| Error::file("cannot create", &temporary, &cause))?;
    let filled = background::begin_one({
        let (folder, seed, count) = (temporary.clone(), flags.seed, count.clone());
        move || fill(task, &folder, seed, &settings, &count)
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
            settings: (task == Task::Pathfinder)
                .then(|| flags.settings.as_deref().unwrap_or(SETTINGS).to_string()),
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

/// How many examples each file or folder of the set has.
fn counts(task: Task, given: &[usize]) -> Result<Vec<usize>> {
    let full = match task {
        Task::Text => vec![text::COUNTS[0], text::COUNTS[1]],
        Task::ListOps => vec![Shape::LRA.train, Shape::LRA.dev, Shape::LRA.test],
        Task::Retrieval => retrieval::COUNTS.to_vec(),
        Task::Pathfinder => pathfinder::COUNTS.to_vec(),
        Task::Image => {
            let message = "image: there is nothing to write: the built-in drawings are grey and have classes of \
                           their own, so CIFAR-10's files cannot hold them";
            let hint =
                "runs draw them when they begin (--data builtin); data show image draws some";
            return Err(Error::usage(message).hint(hint));
        }
    };
    if given.is_empty() {
        return Ok(full);
    }
    if given.len() != full.len() {
        let message = format!(
            "--count has {} numbers, expected {} for {}",
            given.len(),
            full.len(),
            task.name()
        );
        let example: Vec<String> = full.iter().map(usize::to_string).collect();
        return Err(Error::usage(message).hint(format!("such as --count {}", example.join(","))));
    }
    let few = |(given, full): (&usize, &usize)| given <= full;
    if task == Task::Text && !(given.iter().zip(&full).all(few) && given.iter().all(|&n| n >= 2)) {
        let [train, test] = text::COUNTS;
        let message = format!(
            "--count {},{}: expected 2 to {train} and 2 to {test} for text",
            given[0], given[1]
        );
        return Err(Error::usage(message).hint("the built-in reviews are so many"));
    }
    Ok(given.to_vec())
}

/// Room for so many examples, roughly: a file takes a block of 4,096 bytes, however short it is.
fn bytes(task: Task, count: &[usize]) -> u64 {
    let of_one = match task {
        Task::ListOps => 7000, // Some 1,000 words of 5 to 7 bytes.
        Task::Retrieval => 600,
        Task::Text | Task::Pathfinder | Task::Image => 4200,
    };
    count.iter().map(|&n| n as u64 * of_one).sum()
}

/// How pictures of Pathfinder are drawn.
fn settings(flags: &Flags) -> Result<Settings> {
    if flags.settings.is_some() && flags.task != Task::Pathfinder {
        let message = format!("--settings: {} has none", flags.task.name());
        return Err(Error::usage(message).hint("leave it out; pathfinder has"));
    }
    let name = flags.settings.as_deref().unwrap_or(SETTINGS);
    Settings::named(name).map_err(|message| {
        let known = Settings::NAMED.map(|(known, _)| known);
        let error = Error::usage(message).hint("see skein data make --help");
        error.did_you_mean(name, known)
    })
}

/// Writes the set into an empty folder.
fn fill(task: Task, folder: &Path, seed: u64, settings: &Settings, count: &[usize]) -> Result<()> {
    match (task, count) {
        (Task::ListOps, &[train, dev, test]) => {
            let shape = Shape {
                train,
                dev,
                test,
                ..Shape::LRA
            };
            listops::write(folder, seed, &shape).map_err(Error::data)
        }
        (Task::Retrieval, &[train, dev, test]) => {
            retrieval::write(folder, seed, [train, dev, test]).map_err(Error::data)
        }
        (Task::Pathfinder, &[train, dev, test]) => {
            pathfinder::write(folder, seed, settings, [train, dev, test]).map_err(Error::data)?;
            Ok(())
        }
        (Task::Text, &[train, test]) => {
            // This protocol removes nothing, so that train and test are the source.
            let data = text::builtin(seed, usize::MAX, Protocol::Paper).map_err(Error::data)?;
            write_texts(folder, &data, &data.train, train)?;
            write_texts(folder, &data, &data.test, test)
        }
        _ => unreachable!("counts() refuses other tasks"),
    }
}

/// The first texts of a split, as `{train,test}/{neg,pos}/ID.txt`; ids of one length, so that names
/// sort as ids do.
fn write_texts(folder: &Path, data: &Dataset, split: &Split, count: usize) -> Result<()> {
    let folder = |label: usize| folder.join(split.name).join(&data.classes[label]);
    for label in 0..data.classes.len() {
        let folder = folder(label);
        fs::create_dir_all(&folder)
            .map_err(|cause| Error::file("cannot create", &folder, &cause))?;
    }
    for example in &split.examples[..count] {
        let file = folder(example.label).join(format!("{:05}.txt", example.id));
        fs::write(&file, &example.documents[0])
            .map_err(|cause| Error::file("cannot write", &file, &cause))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_that_does_not_fit_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let place = Place::find(&root.path().join("made/new/set"), false).unwrap();
        let above = place.nearest().unwrap();
        assert_eq!(above, root.path());
        assert_eq!(bytes(Task::Retrieval, &[1000, 10, 10]), 612_000);
        let needed = bytes(Task::ListOps, &[1 << 50, 1, 1]);
        let error = refuse_full_disk(Task::ListOps, needed, &above, "--out").unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains("listops needs about 7.88 EB more in "),
            "{error}"
        );
        assert!(error.contains("choose another place with --out"), "{error}");
    }
}
