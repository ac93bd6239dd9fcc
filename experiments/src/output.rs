//! What a command says: its answer on standard output, remarks on standard error. `println!` and
//! `eprintln!` would end a run of hours by a panic when the reader of a pipe has gone; these do not,
//! and they show what would move the cursor or turn a line round as escapes (`datasets::shown`),
//! wherever it has come from. And the folder for what is written instead, and how a few things are
//! written everywhere.

use crate::error::{Error, Result};
use datasets::shown;
use serde::Serialize;
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
        .write_all(shown::page(text).as_bytes())
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
    let _ = writeln!(io::stderr(), "{}", shown::page(line));
}

/// A value as a line of JSON, or as several.
pub(crate) fn json(value: &impl Serialize, pretty: bool) -> Result<String> {
    let text = match pretty {
        true => serde_json::to_string_pretty(value)?,
        false => serde_json::to_string(value)?,
    };
    Ok(escaped(&text) + "\n")
}

/// JSON or TOML of which a terminal shows every character: what it would not show is written as an escape that both
/// have, so that whoever reads the text finds it again.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 1);
    for c in text.chars() {
        match shown::is_visible(c) || c == '\n' {
            true => escaped.push(c),
            false => {
                for half in c.encode_utf16(&mut [0; 2]) {
                    escaped.push_str(&format!("\\u{half:04x}"));
                }
            }
        }
    }
    escaped
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_holds_every_letter_and_shows_no_control() {
        for name in [
            "M\u{fc}ller \u{6f22}",
            "a\x1b\n\u{7f}\u{85}\u{202e}\u{e0041}b",
        ] {
            for pretty in [false, true] {
                let text = json(&[name], pretty).unwrap();
                assert!(
                    text.chars().all(|c| shown::is_visible(c) || c == '\n'),
                    "{text:?}"
                );
                let read: Vec<String> = serde_json::from_str(&text).unwrap();
                assert_eq!(read, [name]);
            }
        }
        assert_eq!(
            json(&"\u{202e}\u{e0041}", false).unwrap(),
            "\"\\u202e\\udb40\\udc41\"\n"
        );
    }
}
