//! `skein data`: where the data of the five tasks come from, and what is in them. The list of its
//! commands; the work of each is in a file of its own:
//!
//! 1. `get`: the published data, into the cache folder; beside it `manifest` (where they are
//!    published), `download` (one file from the network), `unpack` (members of an archive), `gauge`
//!    (how far they have come) and `background` (waiting that can be stopped);
//! 2. `make`: sets made by this program, in the layout of the published ones, and `made`, their folders;
//! 3. `verify`: a page about what is on the disk, and whether it is right;
//! 4. `show`: a few examples, for the eye.
//!
//! A run needs none of this: without data it makes its own, and [`cached`] finds what has been
//! fetched.

mod background;
mod download;
mod gauge;
mod get;
mod made;
mod make;
mod manifest;
mod show;
mod unpack;
mod verify;

pub use get::{Fetched, Get};
pub use manifest::{Archive, Manifest, Set};

use super::Command;
use crate::settings::choices::Task;
use crate::settings::config::Config;
use crate::terminal::error::{Error, Result};
use crate::terminal::interrupt::{INTERRUPTED, Interrupt};
use crate::terminal::output::{answer, fitted};
use datasets::shown;
use indicatif::DecimalBytes;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Below the flags of `get`.
const GET: &str = "\
The published archive comes as NAME.part: Ctrl-C stops, and the same command
goes on from there. It gets its name when size and checksum are right; what the
task needs of it is unpacked as NAME.unverified, and gets its name when it is as
published. listops, retrieval and pathfinder are in one archive of about 7.7 GB
without a published checksum: gzip's own and the contents are checked. An
archive put into the cache by hand is used as well.";

/// Downloads published data into the cache, where runs find them
#[derive(clap::Args, Debug)]
#[command(after_help = GET)]
struct GetFlags {
    /// Whose data: text, listops, retrieval, pathfinder or image
    #[arg(value_name = "TASK", hide_possible_values = true)]
    task: Task,
    /// Address of another copy of the archive, or, ending in /, of a folder that has
    /// it; tried before the published one; may be given more than once
    #[arg(long, value_name = "URL")]
    mirror: Vec<String>,
    /// Where archives and data are kept [default: skein-lab in $XDG_CACHE_HOME or
    /// ~/.cache]; runs look only there
    #[arg(long, value_name = "FOLDER")]
    cache: Option<PathBuf>,
}

/// `skein data`.
pub(super) fn command() -> Command {
    Command::group(
        "data",
        "Downloads, makes, verifies and shows the data of the tasks",
        vec![
            Command::new("get", "skein data get text", get),
            Command::new("make", "skein data make listops", |flags| {
                make::make(&flags)
            }),
            Command::new(
                "verify",
                "skein data verify listops made/listops-s2022",
                |flags| verify::verify(&flags),
            ),
            Command::new("show", "skein data show image", |flags| show::show(&flags)),
        ],
    )
}

fn get(flags: GetFlags) -> Result<ExitCode> {
    let no_home = || {
        Error::usage("there is no home folder for the cache").hint("say where with --cache FOLDER")
    };
    let get = Get {
        manifest: Manifest::published(),
        cache: flags.cache.or_else(cache_folder).ok_or_else(no_home)?,
        mirrors: flags.mirror,
        pause: Duration::from_secs(1),
        verify: verify::report,
    };
    let interrupt = Interrupt::install()?;
    let Some(Fetched { place, report }) = get.run(flags.task, &|| interrupt.requested())? else {
        return Ok(ExitCode::from(INTERRUPTED));
    };
    let place = shown::name(place);
    answer(&fitted(&format!("{report}{place}\n")))?;
    if report.as_published() {
        return Ok(ExitCode::SUCCESS);
    }
    let message = format!("{place} is not as published");
    let hint = format!(
        "remove it and its archive to get them again; --data {place} reads it all the same"
    );
    Err(Error::failure(message).hint(hint))
}

/// The folder in which downloaded data are kept, if there is a home folder for it. It may not
/// exist.
pub fn cache_folder() -> Option<PathBuf> {
    let named = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let caches = named.filter(|folder| folder.is_absolute());
    let caches = caches.or_else(|| Some(std::env::home_dir()?.join(".cache")))?;
    Some(caches.join("skein-lab"))
}

/// Where the published data of a task are in the cache, if `skein data get` has put them there: then they
/// have been verified.
pub fn cached(task: Task) -> Option<PathBuf> {
    let manifest = Manifest::published();
    let (set, _) = manifest.of(task)?;
    Some(cache_folder()?.join(&set.place)).filter(|place| place.exists())
}

/// The configuration with data that are there: `auto` is what has been fetched, else what is built in.
pub fn found(config: Config) -> Result<Config> {
    if config.data != "auto" {
        return Ok(config);
    }
    let task = config.task;
    let data = cached(task).and_then(|path| path.into_os_string().into_string().ok());
    let data = data.unwrap_or_else(|| "builtin".into());
    Config { data, ..config }.checked(task)
}

/// Refuses to write so many bytes of a task into `folder` if they are not free; `flag` names another
/// place.
fn refuse_full_disk(task: Task, bytes: u64, folder: &Path, flag: &str) -> Result<()> {
    let free = fs4::available_space(folder)
        .map_err(|cause| Error::file("cannot ask for the free space of", folder, &cause))?;
    if bytes <= free {
        return Ok(());
    }
    let message = format!(
        "{} needs about {} more in {}, where {} are free",
        task.name(),
        DecimalBytes(bytes),
        folder.display(),
        DecimalBytes(free)
    );
    let hint = format!("free some space, or choose another place with {flag}");
    Err(Error::failure(message).hint(hint))
}

/// Removes a folder, if it is there.
fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
            Err(Error::file("cannot remove", folder, &cause))
        }
        _ => Ok(()),
    }
}
