//! `skein data get`: the published data of a task into the cache folder.
//!
//! The archive is downloaded if it is not there ([`download`](super::download)), and what the task
//! reads is unpacked if it is not there ([`unpack`](super::unpack)). Both have their names only when
//! they have been verified, so that [`cached`](super::cached) uses what is there without another
//! look: an archive by its checksum or by what is in it, a set as NAME.unverified, which it remains
//! when it is not the published one. An archive that cannot be read to its end becomes
//! NAME.damaged, so that the next call gets another.

use super::background::{self, Next};
use super::download::{Download, hold, part_size};
use super::manifest::{Archive, Manifest, Set};
use super::unpack::{Unpacked, unpack};
use crate::files::whole_file;
use crate::settings::choices::Task;
use crate::terminal::error::{Error, Result};
use crate::terminal::output::tell;
use datasets::shown;
use datasets::verify::Report;
use std::fs::{self, File};
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
    /// What is in the data of a task at this place.
    pub verify: fn(Task, &Path) -> Result<Report>,
}

/// Data that are in the cache.
pub struct Fetched {
    /// Where; NAME.unverified if they have come and are not the published ones.
    pub place: PathBuf,
    /// What is in them.
    pub report: Report,
}

impl Get {
    /// Fetches the data of `task`. `None`: `stop` said so, and what has come is kept.
    ///
    /// # Errors
    /// Whatever stands in the way: too little space, no address that works, contents that cannot be
    /// the published ones.
    pub fn run(&self, task: Task, stop: &dyn Fn() -> bool) -> Result<Option<Fetched>> {
        let Some((set, archive)) = self.manifest.of(task) else {
            let message = format!("there is nothing to download for {}", task.name());
            return Err(Error::usage(message));
        };
        let place = self.cache.join(&set.place);
        let is_archive = set.files.is_empty();
        if !is_archive && place.exists() {
            return self.verified(task, place, stop);
        }
        fs::create_dir_all(&self.cache)
            .map_err(|cause| Error::file("cannot create", &self.cache, &cause))
            .map_err(|error| error.hint("--cache FOLDER names another place"))?;
        self.refuse_lack_of_space(set, archive)?;
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
            return self.verified(task, file, stop); // Its checksum is right, whatever the report says.
        }
        self.unpacked(set, &file, place, stop)
    }

    /// With the report about what is there.
    fn verified(
        &self,
        task: Task,
        place: PathBuf,
        stop: &dyn Fn() -> bool,
    ) -> Result<Option<Fetched>> {
        let (verify, at) = (self.verify, place.clone());
        let report = background::begin_one(move || verify(task, &at));
        match background::next(&report, stop) {
            Next::Came(report) => Ok(Some(Fetched {
                place,
                report: report?,
            })),
            Next::Ended => panic!("the look at {} has panicked", place.display()),
            Next::Stopped => Ok(None),
        }
    }

    /// The set out of the archive at `path`, as the folder `place` if it is the published one.
    fn unpacked(
        &self,
        set: &Set,
        path: &Path,
        place: PathBuf,
        stop: &dyn Fn() -> bool,
    ) -> Result<Option<Fetched>> {
        // While this process holds the archive, no other writes to the same temporary folder.
        let archive = File::open(path).map_err(|cause| Error::file("cannot read", path, &cause))?;
        hold(&archive, path, "unpacking")?;
        if place.exists() {
            return self.verified(set.task, place, stop);
        }
        let unverified = self.cache.join(format!("{}.unverified", set.place));
        match unpack(&archive, path, set, &unverified, stop)? {
            Unpacked::Whole => {}
            Unpacked::Stopped => return Ok(None),
            Unpacked::Damaged(reason) => {
                let aside = self.cache.join(format!("{}.damaged", set.archive));
                whole_file::rename(path, &aside)
                    .map_err(|cause| Error::file("cannot rename", path, &cause))?;
                let message = format!(
                    "cannot unpack {}: {reason}; it is {} now",
                    path.display(),
                    aside.display()
                );
                return Err(Error::failure(message).hint(
                    "the same command gets it again, from another place if need be (--mirror URL)",
                ));
            }
        }
        let fetched = self.verified(set.task, unverified.clone(), stop)?;
        let as_published = |fetched: &Fetched| fetched.report.as_published();
        if !fetched.as_ref().is_some_and(as_published) {
            return Ok(fetched);
        }
        whole_file::rename(&unverified, &place)
            .map_err(|cause| Error::file("cannot create", &place, &cause))?;
        let [before, now] = [&unverified, &place].map(shown::name);
        tell(&format!(
            "{now} is unpacked; {} is kept for other tasks, and may be removed",
            shown::name(path)
        ));
        Ok(fetched.map(|Fetched { mut report, .. }| {
            report.title = report.title.replace(&before, &now);
            Fetched { place, report }
        }))
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
    fn refuse_lack_of_space(&self, set: &Set, archive: &Archive) -> Result<()> {
        let to_come = match self.cache.join(&archive.file).exists() {
            true => 0,
            false => archive
                .size()
                .saturating_sub(part_size(archive, &self.cache)),
        };
        let needed = to_come.saturating_add(set.unpacked_bytes);
        super::refuse_full_disk(set.task, needed, &self.cache, "--cache")
    }
}
