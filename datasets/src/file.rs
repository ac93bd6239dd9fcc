//! What every reader and writer does with a file that somebody has named: open it, quote from it in
//! an error, write it whole.

use crate::DataError;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Opens regular files only: opening a pipe can block for ever, and a device may have no end.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    match fs::metadata(path)?.is_file() {
        true => File::open(path),
        false => Err(io::Error::other("this is not a file")),
    }
}

/// The byte order mark that some editors put before a text; it says nothing that is not known.
pub(crate) const MARK: &[u8] = b"\xef\xbb\xbf";

/// Refuses what is no folder: `expected` should have been there, and `get` says where it is to be had.
pub(crate) fn refuse_no_folder(
    path: &Path,
    expected: &'static str,
    get: &'static str,
) -> Result<(), DataError> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(DataError::new(
            path,
            "this is a file, not a folder",
            expected,
            get,
        )),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Err(DataError::new(
            path,
            "there is no such folder",
            expected,
            get,
        )),
        Err(e) => Err(DataError::unreadable(path, expected, e)),
    }
}

/// Refuses a place where there is something: nothing is ever replaced.
pub(crate) fn refuse_existing(path: &Path) -> Result<(), DataError> {
    match path.symlink_metadata() {
        Ok(_) => Err(is_there(path)),
        Err(_) => Ok(()), // If it cannot be looked at, it cannot be written either, which says why.
    }
}

fn is_there(path: &Path) -> DataError {
    DataError::new(
        path,
        "it is there already",
        "a place for something new",
        "remove it (what ends in .part is left of an interrupted run), or write elsewhere",
    )
}

/// What has come of an attempt to make `path`; `expected` says where it could have been made.
pub(crate) fn made<T>(
    path: &Path,
    expected: &'static str,
    made: io::Result<T>,
) -> Result<T, DataError> {
    made.map_err(|e| match e.kind() {
        io::ErrorKind::AlreadyExists => is_there(path),
        _ => {
            let hint = "check its permissions and the free space";
            DataError::new(path, "cannot be written", expected, hint).caused_by(e)
        }
    })
}

/// Makes a new file in an existing folder, which has its name only once it is whole; `expected` says
/// which folder would do.
pub(crate) fn write(
    path: &Path,
    expected: &'static str,
    contents: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<(), DataError> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = Path::new(&part);
    refuse_existing(path)?;
    let out = made(part, expected, File::create_new(part))?;
    let mut out = BufWriter::with_capacity(1 << 20, out);
    let written = contents(&mut out)
        .and_then(|()| out.flush())
        .and_then(|()| out.get_ref().sync_all())
        .and_then(|()| fs::rename(part, path));
    if written.is_err() {
        let _ = fs::remove_file(part); // What went wrong first is the error worth telling.
    }
    made(path, expected, written)
}

/// The beginning of a field, for a message: printable, and of a bounded length whatever stands in
/// the file.
pub(crate) fn quoted(field: &[u8]) -> String {
    const SHOWN: usize = 20;
    let shown = field[..field.len().min(SHOWN)].escape_ascii();
    let dots = if field.len() > SHOWN { "..." } else { "" };
    format!("\"{shown}{dots}\"")
}
