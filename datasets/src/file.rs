//! What every reader and writer does with a file that somebody has named: open it, quote from it in
//! an error, write it whole.

use crate::DataError;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Opens a file and nothing else: whoever opens a pipe may wait for ever, and a device may have no
/// end.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    match fs::metadata(path)?.is_file() {
        true => File::open(path),
        false => Err(io::Error::other("this is not a file")),
    }
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

/// Makes a file in an existing folder, which has its name only once it is whole; `expected` says
/// which folder would do.
pub(crate) fn write(
    path: &Path,
    expected: &'static str,
    contents: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<(), DataError> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let written = File::create(&part).and_then(|out| {
        let mut out = BufWriter::with_capacity(1 << 20, out);
        contents(&mut out)?;
        out.flush()?;
        out.get_ref().sync_all()?;
        fs::rename(&part, path)
    });
    written.map_err(|e| {
        let _ = fs::remove_file(&part); // It may not even exist.
        let hint = "check its permissions and the free space";
        DataError::new(path, "cannot be written", expected, hint).caused_by(e)
    })
}

/// The beginning of a field, for a message: printable, and of a bounded length whatever stands in
/// the file.
pub(crate) fn quoted(field: &[u8]) -> String {
    const SHOWN: usize = 20;
    let shown = field[..field.len().min(SHOWN)].escape_ascii();
    let dots = if field.len() > SHOWN { "..." } else { "" };
    format!("\"{shown}{dots}\"")
}
