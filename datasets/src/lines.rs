//! Files and pipes that are read line by line, by one set of rules.
//!
//! A line ends in LF or CRLF, the last one perhaps in neither. A byte order mark before the first line and empty lines
//! at the end are passed over; an empty line before others, a NUL, a CR in the midst of a line and a line that is too
//! long are one error with the line. No more than one line is held.
//!
//! Called by the readers of ListOps, Retrieval and Pathfinder, and by whoever reads examples a line each. Text has a
//! reader of its own for tables, whose fields may hold line breaks, and takes other files whole.

use crate::DataError;
use crate::file::MARK;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// The lines of a source.
pub struct Lines<R> {
    source: BufReader<R>,
    /// Bytes that a line may have, its end aside.
    longest: usize,
    /// Lines read so far.
    number: usize,
    line: Vec<u8>,
}

/// A line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Counted from 1.
    pub number: usize,
    /// Without its end.
    pub bytes: &'a [u8],
}

/// Why there is no next line.
#[derive(Debug)]
pub enum Fault {
    /// The source cannot be read.
    Unreadable(io::Error),
    /// What is wrong with which line.
    Line(usize, String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Unreadable(cause) => write!(f, "{cause}"),
            Fault::Line(number, what) => write!(f, "line {number}: {what}"),
        }
    }
}

impl Fault {
    /// The error about the file at `path`.
    pub(crate) fn at(self, path: &Path, expected: &str, hint: &str) -> DataError {
        match self {
            Fault::Unreadable(cause) => DataError::unreadable(path, expected, cause),
            Fault::Line(..) => DataError::new(path, self.to_string(), expected, hint),
        }
    }
}

impl<R: Read> Lines<R> {
    /// Those of `source`, of `longest` bytes at most.
    pub fn new(source: R, longest: usize) -> Self {
        Self {
            source: BufReader::with_capacity(1 << 16, source),
            longest,
            number: 0,
            line: Vec::new(),
        }
    }

    /// Whether [`next`](Self::next) would not have to wait: the whole of a line has come that is not empty.
    pub fn is_ready(&self) -> bool {
        let mut lines = self.source.buffer().split_inclusive(|&byte| byte == b'\n');
        lines.any(|line| line.ends_with(b"\n") && line != b"\n" && line != b"\r\n")
    }

    /// Whether what has not been read yet begins like this.
    pub(crate) fn begins_with(&mut self, bytes: &[u8]) -> Result<bool, Fault> {
        let buffer = self.source.fill_buf().map_err(Fault::Unreadable)?;
        Ok(buffer.starts_with(bytes))
    }

    /// The next line; none at the end, before which there may be empty ones.
    #[expect(clippy::should_implement_trait, reason = "it lends the line")]
    pub fn next(&mut self) -> Result<Option<Line<'_>>, Fault> {
        let mut empty = None;
        loop {
            let found = match self.read() {
                Ok(found) => found,
                Err(Fault::Line(number, what)) => {
                    return Err(match empty {
                        Some(empty) => is_empty(empty),
                        None => Fault::Line(number, what),
                    });
                }
                Err(fault) => return Err(fault),
            };
            match (found, empty) {
                (None, _) => return Ok(None),
                (Some(0), _) => empty = empty.or(Some(self.number)),
                (Some(_), Some(empty)) => return Err(is_empty(empty)),
                (Some(_), None) => return Ok(Some(self.last())),
            }
        }
    }

    /// The next line, which may be empty wherever it stands.
    pub(crate) fn next_or_empty(&mut self) -> Result<Option<Line<'_>>, Fault> {
        Ok(self.read()?.map(|_| self.last()))
    }

    /// The line that has been read.
    fn last(&self) -> Line<'_> {
        Line {
            number: self.number,
            bytes: &self.line,
        }
    }

    /// Reads the next line, whose length is returned, without its end.
    fn read(&mut self) -> Result<Option<usize>, Fault> {
        self.line.clear();
        // With the longest end, and one byte more to tell that it is too long.
        let mut limited = (&mut self.source).take(self.longest as u64 + 3);
        limited
            .read_until(b'\n', &mut self.line)
            .map_err(Fault::Unreadable)?;
        if self.line.is_empty() {
            return Ok(None);
        }
        self.number += 1;
        if self.line.ends_with(b"\n") {
            self.line.pop();
        }
        if self.line.ends_with(b"\r") {
            self.line.pop();
        }
        let wrong = |what: String| Err(Fault::Line(self.number, what));
        if self.line.len() > self.longest {
            return wrong(format!("more than {} bytes long", self.longest));
        }
        if self.number == 1 && self.line.starts_with(MARK) {
            self.line.drain(..MARK.len());
        }
        if let Some(place) = self.line.iter().position(|&b| b == 0 || b == b'\r') {
            let (byte, hint) = match self.line[place] {
                0 => ("a NUL", ""),
                _ => ("\\r", ", and no line break follows"),
            };
            return wrong(format!("{byte} at byte {}{hint}", place + 1));
        }
        Ok(Some(self.line.len()))
    }
}

fn is_empty(number: usize) -> Fault {
    Fault::Line(number, "the line is empty".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read of `bytes`, in lines of 5 bytes at most: the numbers and bytes of the lines, and the error after
    /// them.
    fn read(bytes: &[u8]) -> (Vec<(usize, String)>, Option<String>) {
        let mut lines = Lines::new(bytes, 5);
        let mut found = vec![];
        loop {
            match lines.next() {
                Ok(Some(Line { number, bytes })) => {
                    found.push((number, bytes.escape_ascii().to_string()));
                }
                Ok(None) => return (found, None),
                Err(fault) => return (found, Some(fault.to_string())),
            }
        }
    }

    #[test]
    fn a_mark_and_empty_lines_at_the_end_are_passed_over() {
        let two = vec![(1, "a".to_string()), (2, "b".to_string())];
        for bytes in [
            &b"a\nb"[..],
            b"a\nb\n",
            b"a\r\nb\r\n",
            b"\xef\xbb\xbfa\nb\n",
            b"a\nb\n\n\r\n\n",
            b"a\nb\r",
        ] {
            assert_eq!(read(bytes), (two.clone(), None), "{}", bytes.escape_ascii());
        }
        for nothing in [
            &b""[..],
            b"\n",
            b"\r\n\n",
            b"\xef\xbb\xbf",
            b"\xef\xbb\xbf\r\n",
        ] {
            assert_eq!(read(nothing), (vec![], None), "{}", nothing.escape_ascii());
        }
        // Elsewhere it is no mark.
        let (found, _) = read(b"a\n\xef\xbb\xbfb\n");
        assert_eq!(found[1], (2, r"\xef\xbb\xbfb".to_string()));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line_after_those_before_it() {
        for (bytes, before, wrong) in [
            (&b"a\n\nb\n"[..], 1, "line 2: the line is empty"),
            (b"\n\r\na\n", 0, "line 1: the line is empty"),
            (b"a\n\n\0\n", 1, "line 2: the line is empty"),
            (b"a\nb\0c\n", 1, "line 2: a NUL at byte 2"),
            (
                b"a\rb\n",
                0,
                "line 1: \\r at byte 2, and no line break follows",
            ),
            (
                b"a\r\r\n",
                0,
                "line 1: \\r at byte 2, and no line break follows",
            ),
            (b"12345\r\n123456\n", 1, "line 2: more than 5 bytes long"),
            (b"12345\n123456", 1, "line 2: more than 5 bytes long"),
            (
                b"\xef\xbb\xbf12\n1234567",
                1,
                "line 2: more than 5 bytes long",
            ),
        ] {
            let (found, told) = read(bytes);
            assert_eq!(
                (found.len(), told.as_deref()),
                (before, Some(wrong)),
                "{}",
                bytes.escape_ascii()
            );
        }
    }

    #[test]
    fn lines_that_may_be_empty_are_all_there() {
        let mut lines = Lines::new(&b"\n\na"[..], 5);
        let mut found = vec![];
        while let Some(line) = lines.next_or_empty().unwrap() {
            found.push((line.number, line.bytes.len()));
        }
        assert_eq!(found, [(1, 0), (2, 0), (3, 1)]);
    }
}
