//! What every reader does with a file that somebody has named: open it, and quote from it in an
//! error.

use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Opens a file and nothing else: whoever opens a pipe may wait for ever, and a device may have no
/// end.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    match fs::metadata(path)?.is_file() {
        true => File::open(path),
        false => Err(io::Error::other("this is not a file")),
    }
}

/// The beginning of a field, for a message: printable, and of a bounded length whatever stands in
/// the file.
pub(crate) fn quoted(field: &[u8]) -> String {
    const SHOWN: usize = 20;
    let shown = field[..field.len().min(SHOWN)].escape_ascii();
    let dots = if field.len() > SHOWN { "..." } else { "" };
    format!("\"{shown}{dots}\"")
}
