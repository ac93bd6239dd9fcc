//! What a command says: its answer on standard output, remarks on standard error. `println!` and
//! `eprintln!` would end a run of hours by a panic when the reader of a pipe has gone; these do not.
//! And the folder for what is written instead, and how a few things are written everywhere.

use crate::error::{Error, Result};
use std::fs;
use std::io::{self, Write};
use std::path::Path;

/// Writes the answer of a command to standard output. Who closes the pipe early (`| head -1`) has
/// read enough: no error.
pub fn answer(text: &str) -> Result<()> {
    offer(text).map(drop)
}

/// The same, for an answer that comes in parts; false if the reader has gone.
pub(crate) fn offer(text: &str) -> Result<bool> {
    let mut stdout = io::stdout().lock();
    let written = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
    match written {
        Err(cause) if cause.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(cause) => Err(Error::file(
            "cannot write to",
            Path::new("standard output"),
            &cause,
        )),
        Ok(()) => Ok(true),
    }
}

/// Writes a line to standard error; when that is closed, nobody is left to be told.
pub fn tell(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Makes the folder that `--out` names, if it does: what cannot be made is refused before all the
/// work rather than after it.
pub(crate) fn make_folder(out: Option<&Path>) -> Result<()> {
    match out {
        Some(out) => {
            fs::create_dir_all(out).map_err(|cause| Error::file("cannot make", out, &cause))
        }
        None => Ok(()),
    }
}

/// A share, 0 to 1.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.2}%", 100.0 * share)
}

/// Bytes as two digits each.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A field of CSV.
pub(crate) fn csv_field(field: &str) -> String {
    match field.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field.to_string(),
    }
}
