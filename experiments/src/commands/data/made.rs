//! The folder of a set that `skein data make` has made: what belongs to it, and how a new one comes there.
//!
//! Where there is no folder, the set appears whole: it is written beside its place and renamed. Where there is one, it
//! stays, as it may be a link, a mount point or in a folder that nobody may write to; the set is written inside, and
//! what the old one consists of makes room when the new one is there. Its files are known by their names, which follow
//! from [`MADE`]; where there is anything else, nothing is removed.
//!
//! Whenever a process is killed, [`MADE`] speaks of the set that is there, or of what is left of it.

use super::make::Record;
use super::remove;
use crate::files::whole_file;
use crate::terminal::error::{Error, Result};
use datasets::MADE;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Inside the folder of a set, the one that takes its place.
const NEW: &str = ".made.tmp";

/// Where a set is to be.
pub(super) struct Place {
    folder: PathBuf,
    /// Where it is made.
    pub(super) temporary: PathBuf,
    /// Whether there is a folder already.
    is_there: bool,
}

impl Place {
    /// A folder that does not exist, or, if `overwrite`, one with nothing but what `skein data make` has made.
    pub(super) fn find(folder: &Path, overwrite: bool) -> Result<Self> {
        let name = folder.file_name().ok_or_else(|| {
            let message = format!("{}: expected the name of a folder", folder.display());
            Error::usage(message).hint("--out FOLDER names it")
        })?;
        let is_there = folder.symlink_metadata().is_ok();
        if is_there && !overwrite {
            let message = format!("{} exists: nothing was written", folder.display());
            return Err(
                Error::usage(message).hint("--overwrite replaces it; --out names another place")
            );
        }
        if is_there {
            own(folder)?;
        }
        Ok(Self {
            folder: folder.to_path_buf(),
            temporary: match is_there {
                true => folder.join(NEW),
                false => folder.with_file_name(format!(".{}.tmp", name.display())),
            },
            is_there,
        })
    }

    /// The nearest folder to it that is there.
    pub(super) fn nearest(&self) -> Result<PathBuf> {
        let absolute = std::path::absolute(&self.folder)
            .map_err(|cause| Error::file("cannot find", &self.folder, &cause))?;
        let mut ancestors = absolute.ancestors();
        let found = ancestors.find(|folder| folder.is_dir());
        Ok(found.unwrap_or(Path::new(".")).to_path_buf())
    }

    /// Puts what has been made there.
    pub(super) fn take(&self) -> Result<()> {
        let cannot = |cause: io::Error| Error::file("cannot create", &self.folder, &cause);
        if !self.is_there {
            return whole_file::rename(&self.temporary, &self.folder).map_err(cannot);
        }
        // Once more, as making it may have taken long.
        for name in own(&self.folder)? {
            let path = self.folder.join(&name);
            match path.is_dir() {
                true => remove(&path)?,
                false => fs::remove_file(&path)
                    .map_err(|cause| Error::file("cannot remove", &path, &cause))?,
            }
        }
        let place = |name: &str| {
            let (from, to) = (self.temporary.join(name), self.folder.join(name));
            whole_file::rename(&from, &to)
                .map_err(|cause| Error::file("cannot create", &to, &cause))
        };
        place(MADE)?;
        for (name, _) in entries(&self.temporary)? {
            place(&name)?;
        }
        fs::remove_dir(&self.temporary).map_err(cannot)
    }
}

/// Names in the folder of a set, but for [`MADE`] and [`NEW`], if all that is in it belongs to the set.
fn own(folder: &Path) -> Result<Vec<String>> {
    let cannot = |why: String| {
        let message = format!("cannot overwrite {}: {why}", folder.display());
        Error::usage(message).hint("choose another --out")
    };
    if !folder.is_dir() {
        return Err(cannot("it is no folder".into()));
    }
    let mut found = entries(folder)?;
    found.retain(|(name, is_dir)| name != NEW || !is_dir);
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let path = folder.join(MADE);
    if !path.is_file() {
        let why = format!("there is no {MADE} in it, so skein data make has not made it");
        return Err(cannot(why));
    }
    let text =
        fs::read_to_string(&path).map_err(|cause| Error::file("cannot read", &path, &cause))?;
    let record: Record = toml::from_str(&text).map_err(|error| {
        cannot(format!(
            "{MADE} is not by skein data make: {}",
            error.message()
        ))
    })?;
    found.retain(|(name, _)| name != MADE);
    let names = found.iter().map(|(name, _)| name.clone()).collect();
    // Every entry with its path from the folder on.
    let mut unseen: Vec<(Vec<String>, bool)> = found
        .into_iter()
        .map(|(name, is_dir)| (vec![name], is_dir))
        .collect();
    while let Some((path, is_dir)) = unseen.pop() {
        let parts: Vec<&str> = path.iter().map(String::as_str).collect();
        if !record.has(&parts, is_dir) {
            let foreign = parts.join("/");
            let error = cannot(format!("{foreign} is no file of the set in it"));
            return Err(error.hint("move it away, or choose another --out"));
        }
        if is_dir {
            for (name, is_dir) in entries(&folder.join(parts.join("/")))? {
                unseen.push(([&path[..], &[name]].concat(), is_dir));
            }
        }
    }
    Ok(names)
}

/// What is in a folder, by name, and whether each is a folder itself. What is not UTF-8 is shown with other letters: no
/// name of ours has any.
fn entries(folder: &Path) -> Result<Vec<(String, bool)>> {
    let cannot = |cause| Error::file("cannot list", folder, &cause);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(cannot)? {
        let entry = entry.map_err(cannot)?;
        let is_dir = entry.file_type().map_err(cannot)?.is_dir();
        found.push((entry.file_name().display().to_string(), is_dir));
    }
    found.sort();
    Ok(found)
}

impl Record {
    /// Whether the set has a file or a folder with this path.
    fn has(&self, path: &[&str], is_dir: bool) -> bool {
        let Ok(files) = &self.task.entry().files else {
            return false;
        };
        let kind = self.settings.as_deref().unwrap_or_default();
        (files.has)(kind, &self.count, path, is_dir)
    }
}
