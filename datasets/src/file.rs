//! What every reader and writer does with a file or folder that somebody has named: open it, list it, write it whole.

use crate::{DataError, shown};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Opens regular files only: opening a pipe can block for ever, and a device may have no end.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    match fs::metadata(path)?.is_file() {
        true => File::open(path),
        false => Err(io::Error::other("this is not a file")),
    }
}

/// The byte order mark that some editors put before a text; it says nothing that is not known.
pub(crate) const MARK: &[u8] = b"\xef\xbb\xbf";

/// What systems and their file managers leave in folders and archives, in lower case.
const OF_SYSTEMS: [&str; 8] = [
    "__macosx",
    "icon\r",
    "thumbs.db",
    "ehthumbs.db",
    "ehthumbs_vista.db",
    "desktop.ini",
    "$recycle.bin",
    "system volume information",
];

/// Whether a system leaves files or folders of this name; `._name` is what macOS knows of the file `name`.
pub(crate) fn is_of_system(name: &[u8]) -> bool {
    let is = |known: &&str| name.eq_ignore_ascii_case(known.as_bytes());
    name.starts_with(b"._") || OF_SYSTEMS.iter().any(is)
}

/// Whether nobody has put a file or folder of this name among data: it is hidden, or a system has left it.
pub(crate) fn is_left_behind(name: &[u8]) -> bool {
    let hidden = name.starts_with(b".") && name != b"." && name != b"..";
    hidden || is_of_system(name)
}

/// What somebody has put into a folder ([`is_left_behind`] is passed over), sorted: the file system's own order differs
/// between machines.
pub(crate) fn list(folder: &Path, expected: &'static str) -> Result<Vec<PathBuf>, DataError> {
    let listed = fs::read_dir(folder).and_then(|entries| {
        entries
            .map(|entry| Ok(entry?.path()))
            .collect::<io::Result<Vec<PathBuf>>>()
    });
    let mut entries = listed.map_err(|e| DataError::unreadable(folder, expected, e))?;
    let left = |name: &OsStr| is_left_behind(name.as_encoded_bytes());
    entries.retain(|entry| !entry.file_name().is_some_and(left));
    entries.sort_unstable();
    Ok(entries)
}

/// A hint.
pub(crate) fn did_you_mean(path: &Path) -> String {
    format!("did you mean {}?", shown::quoted_name(path))
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_systems_leave_is_no_data() {
        for left in [
            "._0_7.txt",
            ".DS_Store",
            ".directory",
            "__MACOSX",
            "Icon\r",
            "Thumbs.db",
            "thumbs.db",
            "desktop.ini",
            "Desktop.ini",
            "$RECYCLE.BIN",
            "System Volume Information",
        ] {
            assert!(is_left_behind(left.as_bytes()), "{left}");
        }
        for data in [
            "0_7.txt",
            "a.",
            "Icon",
            "thumbs.db.txt",
            ".",
            "..",
            "MACOSX",
        ] {
            assert!(!is_left_behind(data.as_bytes()), "{data}");
        }
    }
}
