//! Small files, read whole into what they hold.

use crate::files::whole_file;
use crate::terminal::error::{Error, Result};
use serde::de::DeserializeOwned;
use std::path::Path;

/// A TOML file as a `T`; what is wrong in it is said with its line.
pub(crate) fn read_toml<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = whole_file::read_text(path)?;
    toml::from_str(&text).map_err(|error| {
        let before = &text[..error.span().map_or(0, |span| span.start)];
        let line = 1 + before.matches('\n').count();
        let message = plain(error.message());
        Error::usage(format!("{}:{line}: {message}", path.display())).meant_in(error.message())
    })
}

/// A message of serde's on one line, and without the names of Rust's types.
pub(crate) fn plain(message: &str) -> String {
    let types = [
        ("usize", "a whole number"),
        ("u64", "a whole number"),
        ("f64", "a number"),
    ];
    let plain = types
        .iter()
        .fold(message.to_string(), |message, (name, said)| {
            message.replace(&format!("expected {name}"), &format!("expected {said}"))
        });
    plain.replace('\n', " ")
}

/// A file of JSON, if it is there.
pub(crate) fn json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    if !path.exists() {
        return Ok(None);
    }
    let read = serde_json::from_slice(&whole_file::read(path)?);
    read.map(Some).map_err(|error| {
        Error::failure(format!("{}: {error}", path.display())).hint(
            "the file was altered, or is of another version of this program: restore it, or move it \
             away",
        )
    })
}
