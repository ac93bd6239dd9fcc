//! The right to work on a cell, or to write what is known of all. It ends with its holder, also when that is killed; the
//! file stays, since removing it would leave two processes with locks on two files of one name.

use crate::terminal::error::{Error, Result};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Held as long as this is there.
pub(super) struct Lock {
    _file: File,
}

/// The name of a file about a cell, beside others of its kind: a trial's has a folder in it.
pub(super) fn file_of(cell: &str) -> String {
    cell.replace('/', "+")
}

fn path(grid: &Path, name: &str) -> PathBuf {
    grid.join(".locks").join(file_of(name))
}

impl Lock {
    /// Without leaving anything.
    pub(super) fn is_held(grid: &Path, name: &str) -> bool {
        let file = File::open(path(grid, name));
        file.is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
    }

    /// None if another process holds it.
    pub(super) fn take(grid: &Path, name: &str) -> Result<Option<Self>> {
        let path = path(grid, name);
        let file = open(&path)?;
        // `--list` holds a lock for an instant, which is not work on the cell.
        for _ in 0..10 {
            match file.try_lock() {
                Ok(()) => return Ok(Some(Self { _file: file })),
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(5)),
                Err(TryLockError::Error(cause)) => return Err(without(&path, &cause)),
            }
        }
        Ok(None)
    }

    /// As soon as no other process holds it, which is for what takes no time.
    pub(super) fn wait(grid: &Path, name: &str) -> Result<Self> {
        let path = path(grid, name);
        let file = open(&path)?;
        file.lock().map_err(|cause| without(&path, &cause))?;
        Ok(Self { _file: file })
    }
}

fn open(path: &Path) -> Result<File> {
    let folder = path.parent().expect("it is in the folder of a grid");
    fs::create_dir_all(folder).map_err(|cause| Error::file("cannot create", folder, &cause))?;
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .map_err(|cause| Error::file("cannot open", path, &cause))
}

fn without(path: &Path, cause: &std::io::Error) -> Error {
    Error::file("cannot lock", path, cause).hint("choose an --out on a file system that has locks")
}
