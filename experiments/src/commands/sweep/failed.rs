//! What has failed in a grid: a mark for every cell, kept until it is tried again, and what the causes come to.
//!
//! A cell that has failed would most likely fail again, after as long. So its mark is in the grid's folder `.failed`, and
//! it is left alone until somebody says `--retry-failed`. A mark is not in the folder of the run, which may not exist,
//! or be of somebody else, which is why the cell failed.

use super::lock::file_of;
use crate::files::read::read_toml;
use crate::files::whole_file;
use crate::terminal::error::{Error, FULL, Result};
use crate::train::trainer::DIVERGED;
use serde::{Deserialize, Serialize};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// Why a cell has failed.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub(in crate::commands) struct Mark {
    pub(in crate::commands) cause: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::commands) hint: Option<String>,
}

impl Mark {
    pub(super) fn of(error: &Error) -> Self {
        let (cause, hint) = error.parts();
        Self {
            cause: cause.to_string(),
            hint: hint.map(String::from),
        }
    }

    /// Whether the numbers of the run were none any more, as they would be every time.
    pub(super) fn is_of_the_numbers(&self) -> bool {
        self.hint.as_deref() == Some(DIVERGED)
    }
}

fn path(grid: &Path, cell: &str) -> PathBuf {
    grid.join(".failed").join(format!("{}.toml", file_of(cell)))
}

/// That of a cell, if it has failed.
pub(in crate::commands) fn read(grid: &Path, cell: &str) -> Result<Option<Mark>> {
    let path = path(grid, cell);
    match path.exists() {
        true => read_toml(&path).map(Some),
        false => Ok(None),
    }
}

/// Marks a cell. A disk that is full is no fault of it: then there is no mark, nor room for one.
pub(super) fn mark(grid: &Path, cell: &str, error: &Error) -> Result<()> {
    if error.is_refusal(FULL) {
        return Ok(());
    }
    let path = path(grid, cell);
    let folder = path.parent().expect("it is in the folder of a grid");
    fs::create_dir_all(folder).map_err(|cause| Error::file("cannot create", folder, &cause))?;
    let text = toml::to_string(&Mark::of(error)).expect("strings");
    whole_file::write(&path, &[text.as_bytes()])
}

/// Takes the mark away.
pub(super) fn clear(grid: &Path, cell: &str) -> Result<()> {
    let path = path(grid, cell);
    match fs::remove_file(&path) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::file("cannot remove", &path, &cause))
        }
        _ => Ok(()),
    }
}

/// The cells that have failed, a line for every cause: most of them have few.
pub(super) fn summary(failed: &[(String, Mark)]) -> String {
    let mut causes: Vec<(String, Vec<&str>)> = Vec::new();
    for (cell, mark) in failed {
        let cause = mark.cause.trim_start_matches(&format!("{cell}: "));
        let general = cause.replace(cell.as_str(), "CELL");
        match causes.iter_mut().find(|(known, _)| *known == general) {
            Some((_, cells)) => cells.push(cell),
            None => causes.push((general, vec![cell])),
        }
    }
    let mut text = String::new();
    for (cause, cells) in &causes {
        let _ = match cells[..] {
            [cell] => writeln!(text, "failed: {cell}: {}", cause.replace("CELL", cell)),
            _ => writeln!(
                text,
                "failed: {} runs: {cause}: {}",
                cells.len(),
                cells.join(", ")
            ),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_says_why_and_goes_when_it_is_cleared() {
        let grid = tempfile::tempdir().unwrap();
        let grid = grid.path();
        let cell = ".tune/text-skein-lr1e0";
        assert_eq!(read(grid, cell).unwrap(), None);
        clear(grid, cell).unwrap();
        let error = Error::failure("step 3: no number\nof f32").hint(DIVERGED);
        mark(grid, cell, &error).unwrap();
        let kept = read(grid, cell).unwrap().unwrap();
        assert_eq!(kept, Mark::of(&error));
        assert!(kept.is_of_the_numbers());
        clear(grid, cell).unwrap();
        assert_eq!(read(grid, cell).unwrap(), None);
        assert!(!Mark::of(&Error::failure("no file")).is_of_the_numbers());
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        mark(grid, cell, &Error::file("cannot write", grid, &full)).unwrap();
        assert_eq!(read(grid, cell).unwrap(), None);
    }

    #[test]
    fn cells_of_one_cause_share_a_line() {
        let failed = |cell: &str, cause: &str| {
            let mark = Mark::of(&Error::failure(cause).at(cell));
            (cell.to_string(), mark)
        };
        let all = [
            failed("a-s1", "cannot read grid/a-s1/config.toml"),
            failed("b-s1", "no data"),
            failed("a-s2", "cannot read grid/a-s2/config.toml"),
        ];
        let expected = "failed: 2 runs: cannot read grid/CELL/config.toml: a-s1, a-s2\nfailed: b-s1: no data\n";
        assert_eq!(summary(&all), expected);
    }
}
