//! The one error of this crate: every message names the path, what is wrong, what was expected, and a way out.

use crate::shown;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// The most characters that are shown of the operating system's reason, or a library's.
const SOURCE: usize = 100;

/// Data that cannot be used. It prints as one line.
#[derive(Debug)]
pub struct DataError {
    /// The file or folder at fault.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: String,
    /// What should have been there.
    pub expected: String,
    /// What the user can do about it.
    pub hint: String,
    /// The reason of the operating system, or of what unpacks gzip and tar, if there is one.
    pub source: Option<io::Error>,
}

impl DataError {
    pub(crate) fn new(
        path: &Path,
        problem: impl Into<String>,
        expected: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        DataError {
            path: path.to_path_buf(),
            problem: problem.into(),
            expected: expected.into(),
            hint: hint.into(),
            source: None,
        }
    }

    /// What cannot be opened, listed or read, with what helps against such a reason.
    pub(crate) fn unreadable(path: &Path, expected: impl Into<String>, e: io::Error) -> Self {
        let hint = match e.kind() {
            io::ErrorKind::PermissionDenied => {
                "check its permissions, and those of the folders around it"
            }
            io::ErrorKind::NotFound => {
                "if it is a link, it leads nowhere; else something has removed it meanwhile"
            }
            // From `file::open`.
            io::ErrorKind::Other => "put a file in the place of the folder, pipe or device",
            _ => "if it is a link, see that it does not lead back to itself; else check the disk",
        };
        DataError::new(path, "cannot be read", expected, hint).caused_by(e)
    }

    pub(crate) fn caused_by(mut self, source: io::Error) -> Self {
        self.source = Some(source);
        self
    }
}

impl fmt::Display for DataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Whatever a path holds, the line stays one line.
        write!(f, "{}: {}", shown::quoted_name(&self.path), self.problem)?;
        if let Some(source) = &self.source {
            // Libraries quote what stands in files, whatever and however long it is.
            let source: String = source.to_string().chars().take(SOURCE).collect();
            write!(f, " ({})", shown::name(source))?;
        }
        write!(f, "; expected {}; hint: {}", self.expected, self.hint)
    }
}

impl std::error::Error for DataError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // The reason is part of the line already: reporting the chain must not print it twice.
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use io::ErrorKind;

    #[test]
    fn the_hint_is_about_the_reason() {
        for (reason, hint) in [
            (ErrorKind::PermissionDenied.into(), "its permissions"),
            (ErrorKind::NotFound.into(), "leads nowhere"),
            (io::Error::other("this is not a file"), "put a file"),
            (ErrorKind::TimedOut.into(), "check the disk"),
        ] {
            let error = DataError::unreadable(Path::new("x"), "a text", reason);
            assert!(error.hint.contains(hint), "{error}");
            assert!(error.to_string().starts_with("\"x\": cannot be read ("));
        }
    }
}
