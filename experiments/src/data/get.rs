//! `data get`: the published data of a task into the cache folder.
//!
//! The archive is downloaded if it is not there ([`download`](super::download)), and what the task
//! reads is unpacked if it is not there ([`unpack`](super::unpack)). Both appear under their names
//! only whole, so that what is there is used without another look, by [`cached`](super::cached)
//! too.

use super::download::{Download, part_size};
use super::manifest::{Archive, Manifest, Set};
use super::unpack::unpack;
use crate::error::{Error, Result};
use crate::output::tell;
use crate::task::Task;
use indicatif::DecimalBytes;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How the data of tasks are fetched.
pub struct Get {
    /// What there is, and where.
    pub manifest: Manifest,
    /// The folder for archives and sets; it is made if need be.
    pub cache: PathBuf,
    /// Addresses that are tried before the published one, in this order: of the file, or, with a
    /// `/` at the end, of a folder that has it.
    pub mirrors: Vec<String>,
    /// Before a connection that broke is made again.
    pub pause: Duration,
}

impl Get {
    /// Fetches the data of `task` and returns where they are. `None`: `stop` said so, and what has
    /// come is kept.
    ///
    /// # Errors
    /// Whatever stands in the way: too little space, no address that works, contents that are not
    /// the published ones.
    pub fn run(&self, task: Task, stop: &dyn Fn() -> bool) -> Result<Option<PathBuf>> {
        let Some((set, archive)) = self.manifest.of(task) else {
            let message = format!("there is nothing to download for {}", task.name());
            return Err(Error::usage(message));
        };
        let place = self.cache.join(&set.place);
        let is_archive = set.files.is_empty();
        if !is_archive && place.exists() {
            return Ok(Some(place));
        }
        fs::create_dir_all(&self.cache)
            .map_err(|cause| Error::file("cannot create", &self.cache, &cause))
            .map_err(|error| error.hint("--cache FOLDER names another place"))?;
        self.refuse_full_disk(set, archive)?;
        let download = Download {
            archive,
            cache: &self.cache,
            urls: self.urls(archive),
            pause: self.pause,
            stop,
        };
        let Some(file) = download.run()? else {
            return Ok(None);
        };
        if is_archive {
            return Ok(Some(file));
        }
        let unpacked = unpack(&file, set, &self.cache, stop)?;
        if unpacked.is_some() {
            tell(&format!(
                "{} is unpacked; {} is kept for other tasks, and may be removed",
                place.display(),
                file.display()
            ));
        }
        Ok(unpacked)
    }

    fn urls(&self, archive: &Archive) -> Vec<String> {
        let of_mirror = |mirror: &String| match mirror.ends_with('/') {
            true => format!("{mirror}{}", archive.file),
            false => mirror.clone(),
        };
        let mirrors = self.mirrors.iter().map(of_mirror);
        mirrors.chain([archive.url.clone()]).collect()
    }

    /// Before the first byte: is there room for what is still to come?
    fn refuse_full_disk(&self, set: &Set, archive: &Archive) -> Result<()> {
        let to_come = match self.cache.join(&archive.file).exists() {
            true => 0,
            false => archive
                .size()
                .saturating_sub(part_size(archive, &self.cache)),
        };
        let needed = to_come.saturating_add(set.unpacked_bytes);
        let free = free_space(&self.cache)?;
        if needed <= free {
            return Ok(());
        }
        let message = format!(
            "{} needs about {} more in {}, where {} are free",
            set.task.name(),
            DecimalBytes(needed),
            self.cache.display(),
            DecimalBytes(free)
        );
        Err(Error::failure(message).hint("free some space, or choose another place with --cache"))
    }
}

fn free_space(folder: &Path) -> Result<u64> {
    fs4::available_space(folder)
        .map_err(|cause| Error::file("cannot ask for the free space of", folder, &cause))
}
