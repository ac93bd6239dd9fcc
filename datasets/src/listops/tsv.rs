//! The benchmark's files of ListOps: `basic_{train,val,test}.tsv`.
//!
//! The first line is `Source<TAB>Target`; each other line is an expression as printed (`evaluator.rs` tells how) and
//! its value as one digit. Lines are those of `lines.rs` (Python's `csv.writer` ends them in CRLF, and so does
//! [`write()`]), and have 256 KiB at most, so that a file that is something else cannot fill the memory. No field is
//! quoted, since none holds what `csv.writer` quotes: a quote is no word of an expression.

use super::evaluator::evaluate;
use super::{CLOSE, DIGIT, OPERATORS, Tree};
use crate::lines::{Fault, Line, Lines};
use crate::shown::quoted;
use crate::{DataError, file};
use rayon::prelude::*;
use std::io::{self, Write};
use std::path::Path;

const HEADER: &[u8] = b"Source\tTarget";
/// Bytes of the longest line that is read. The benchmark's longest have about 14,000.
const LONGEST: usize = 1 << 18;
/// Bytes of lines that are gathered and then read in parallel.
const CHUNK: usize = 4 << 20;
/// The most lines of these: the result kept for a short line is larger than the line.
const LINES: usize = 1 << 14;

const EXPECTED: &str =
    "lines of an expression, a tab and its value, after a line Source<TAB>Target";
const AGAIN: &str =
    "unpack lra_release.gz again and give the folder listops-1000, or use the built-in trees";

/// One line of a file.
pub(super) struct Row {
    /// Counted from 1, the header's.
    pub(super) line: usize,
    /// The tree; its value is the one computed here.
    pub(super) tree: Tree,
    /// The value that the file gives.
    pub(super) target: u8,
}

/// Writes the file of `trees`, as the benchmark has it.
pub(super) fn write(out: &mut impl Write, trees: &[Tree]) -> io::Result<()> {
    out.write_all(HEADER)?;
    out.write_all(b"\r\n")?;
    let mut line = Vec::new();
    for tree in trees {
        line.clear();
        print(&tree.codes, &mut line);
        line.extend_from_slice(&[b'\t', b'0' + tree.value, b'\r', b'\n']);
        out.write_all(&line)?;
    }
    Ok(())
}

/// Appends the printed form. What opens an operator of k arguments is k + 1 parentheses, so the codes are read from the
/// end, and the bytes turned round.
pub(super) fn print(codes: &[u8], line: &mut Vec<u8>) {
    let start = line.len();
    // Arguments met so far, of each operator that is open (seen from the end).
    let mut arguments: Vec<usize> = Vec::new();
    let words = |word: &[u8], line: &mut Vec<u8>| {
        if line.len() > start {
            line.push(b' ');
        }
        line.extend(word.iter().rev());
    };
    for (place, &code) in codes.iter().enumerate().rev() {
        // The root is nobody's argument; everything else but a bracket is one, and is closed as a pair with it.
        if code == CLOSE {
            if place + 1 < codes.len() {
                words(b")", line);
            }
            words(b")", line);
            words(b"]", line);
            arguments.push(0);
            continue;
        }
        if code >= DIGIT {
            if !arguments.is_empty() {
                words(b")", line);
            }
            words(&[b'0' + (code - DIGIT)], line);
        } else {
            words(
                format!("[{}", OPERATORS[usize::from(code)]).as_bytes(),
                line,
            );
            for _ in 0..=arguments.pop().unwrap_or(0) {
                words(b"(", line);
            }
        }
        if let Some(count) = arguments.last_mut() {
            *count += 1;
        }
    }
    line[start..].reverse();
}

/// Hands each row of the file to `take`, in the order of lines.
pub(super) fn read(path: &Path, mut take: impl FnMut(Row)) -> Result<(), DataError> {
    let unreadable = |e| DataError::unreadable(path, EXPECTED, e);
    let wrong = |line: usize, what: &str| {
        DataError::new(path, format!("line {line}: {what}"), EXPECTED, AGAIN)
    };
    if path.is_dir() {
        return Err(DataError::new(
            path,
            "this is a folder, not a file",
            EXPECTED,
            AGAIN,
        ));
    }
    let open = file::open(path).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => DataError::new(path, "there is no such file", EXPECTED, AGAIN),
        _ => unreadable(e),
    })?;
    let mut lines = Lines::new(open, LONGEST);
    let failed = |fault: Fault| fault.at(path, EXPECTED, AGAIN);

    match lines.next().map_err(failed)? {
        None => return Err(DataError::new(path, "the file is empty", EXPECTED, AGAIN)),
        Some(Line { bytes: HEADER, .. }) => {}
        Some(Line { number, bytes }) => {
            let header = quoted(bytes);
            return Err(wrong(number, &format!("the header is {header}")));
        }
    }

    let mut bytes: Vec<u8> = Vec::new();
    // The number of each of these lines, and where it ends.
    let mut ends: Vec<(usize, usize)> = Vec::new();
    loop {
        bytes.clear();
        ends.clear();
        let mut more = Ok(true);
        while bytes.len() < CHUNK && ends.len() < LINES {
            match lines.next() {
                Ok(Some(line)) => {
                    bytes.extend_from_slice(line.bytes);
                    ends.push((line.number, bytes.len()));
                }
                end => {
                    more = end.map(|_| false);
                    break;
                }
            }
        }
        let rows: Vec<Result<Row, String>> = (0..ends.len())
            .into_par_iter()
            .map(|i| {
                let start = i.checked_sub(1).map_or(0, |before| ends[before].1);
                let (number, end) = ends[i];
                row(&bytes[start..end], number)
            })
            .collect();
        for (row, (number, _)) in rows.into_iter().zip(&ends) {
            take(row.map_err(|what| wrong(*number, &what))?);
        }
        // What is wrong with the next line is told after what is wrong with those before it.
        if !more.map_err(failed)? {
            return Ok(());
        }
    }
}

/// What stands in a line.
fn row(line: &[u8], number: usize) -> Result<Row, String> {
    let mut fields = line.split(|&byte| byte == b'\t');
    let (source, target, more) = (fields.next(), fields.next(), fields.count());
    let (Some(source), Some(target), 0) = (source, target, more) else {
        let found = line.iter().filter(|&&byte| byte == b'\t').count() + 1;
        return Err(format!("columns: {found}, not 2"));
    };
    let &[target @ b'0'..=b'9'] = target else {
        let target = quoted(target);
        return Err(format!("the Target is {target}, not a digit"));
    };
    let (codes, value) =
        evaluate(source).map_err(|(column, what)| format!("byte {column}: {what}"))?;
    Ok(Row {
        line: number,
        tree: Tree {
            codes: codes.into(),
            value,
        },
        target: target - b'0',
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_what_is_read() {
        for text in [
            "7",
            "( ( ( [MAX 2 ) 9 ) ] )",
            "( ( ( [MIN ( ( ( [SM 5 ) 5 ) ] ) ) 3 ) ] )",
            "( ( ( ( [SM 3 ) ( ( ( [MAX 2 ) ( ( ( [MED 1 ) 6 ) ] ) ) ] ) ) 4 ) ] )",
        ] {
            let (codes, _) = evaluate(text.as_bytes()).unwrap();
            let mut line = Vec::new();
            print(&codes, &mut line);
            assert_eq!(String::from_utf8(line).unwrap(), text);
        }
    }
}
