//! One line of the benchmark's five-column TSV, and the bytes literals in it.
//!
//! Called by `retrieval.rs` and `verify.rs`. Whatever stands in a file, it is one error with the line (`lines.rs`).
//! Quotes around a text are part of it, but for those around a bytes literal, which no text begins with: then the table
//! is one of Python's `csv.writer`, whose quotes nobody takes off here.

use crate::lines::{Line, Lines};
use crate::shown::quoted;
use crate::{DataError, file};
use std::path::Path;

/// The longest line taken, in bytes; those of the benchmark are a hundred times shorter.
const LONGEST: usize = 16 << 20;
/// The longest id taken, in bytes; those of the anthology have 8.
const ID: usize = 1024;

const COLUMNS: &str = "five columns between tabs: label, id, id, text, text";
const AGAIN: &str = "the file is damaged or not of this form; get it again";

/// A line, decoded.
pub(crate) struct Row {
    pub(crate) label: usize,
    /// The ids of the two papers.
    pub(crate) ids: [String; 2],
    /// The whole texts.
    pub(crate) texts: [Vec<u8>; 2],
    /// How many of the texts were bytes literals.
    pub(crate) literals: usize,
}

/// Calls `each` with every line of the file `path`.
pub(crate) fn rows(path: &Path, each: &mut dyn FnMut(Row)) -> Result<(), DataError> {
    let open = file::open(path).map_err(|e| DataError::unreadable(path, COLUMNS, e))?;
    let mut lines = Lines::new(open, LONGEST);
    while let Some(Line { number, bytes }) = lines
        .next()
        .map_err(|fault| fault.at(path, COLUMNS, AGAIN))?
    {
        each(parse(bytes).map_err(|wrong| {
            let problem = format!("line {number}: {}", wrong.problem);
            DataError::new(path, problem, wrong.expected, AGAIN)
        })?);
    }
    Ok(())
}

/// The two documents of a line of two texts between tabs, as columns 4 and 5 of the benchmark's files are, bytes
/// literals decoded; `max_len` bytes of each are kept.
///
/// # Errors
/// What is wrong with it, and what was expected.
pub fn documents(line: &[u8], max_len: usize) -> Result<Vec<Box<[u8]>>, String> {
    let texts: Vec<&[u8]> = line.split(|&byte| byte == b'\t').collect();
    if texts.len() != 2 {
        let columns = texts.len();
        return Err(format!(
            "{columns} columns between tabs, expected 2: the texts of a pair"
        ));
    }
    let document = |text| match decode(text) {
        Ok((bytes, _)) => Ok(bytes[..bytes.len().min(max_len)].into()),
        Err(wrong) => Err(format!("{}, expected {}", wrong.problem, wrong.expected)),
    };
    texts.into_iter().map(document).collect()
}

/// What is wrong with a line.
#[derive(Debug, PartialEq, Eq)]
struct Wrong {
    problem: String,
    expected: &'static str,
}

impl Wrong {
    fn new(problem: impl Into<String>, expected: &'static str) -> Self {
        let problem = problem.into();
        Wrong { problem, expected }
    }
}

fn parse(line: &[u8]) -> Result<Row, Wrong> {
    let mut columns = line.split(|&b| b == b'\t');
    let five: [Option<&[u8]>; 5] = std::array::from_fn(|_| columns.next());
    let [
        Some(label),
        Some(first),
        Some(second),
        Some(text),
        Some(other),
    ] = five
    else {
        let problem = format!("{} columns", five.iter().flatten().count());
        return Err(Wrong::new(problem, COLUMNS));
    };
    let more = columns.count();
    if more > 0 {
        return Err(Wrong::new(format!("{} columns", 5 + more), COLUMNS));
    }
    let label = match label {
        b"0.0" | b"0" => 0,
        b"1.0" | b"1" => 1,
        _ => {
            let problem = format!("the label is {}", quoted(label));
            return Err(Wrong::new(problem, "0.0 (unrelated) or 1.0 (related)"));
        }
    };
    let id = |column: usize, id: &[u8]| match std::str::from_utf8(id) {
        _ if id.len() > ID => {
            let length = id.len();
            let problem = format!("the id in column {column} has {length} bytes, more than {ID}");
            Err(Wrong::new(problem, "the id of a paper"))
        }
        Ok(id) if !id.is_empty() => Ok(id.to_string()),
        _ => {
            let problem = format!("the id in column {column} is {}", quoted(id));
            Err(Wrong::new(problem, "the id of a paper"))
        }
    };
    let ids = [id(2, first)?, id(3, second)?];
    let decoded = |column: usize, text: &[u8]| {
        decode(text).map_err(|wrong| Wrong {
            problem: format!("column {column}: {}", wrong.problem),
            ..wrong
        })
    };
    let (first, second) = (decoded(4, text)?, decoded(5, other)?);
    let literals = usize::from(first.1) + usize::from(second.1);
    Ok(Row {
        label,
        ids,
        texts: [first.0, second.0],
        literals,
    })
}

/// The bytes literal of a text, in ASCII and without tabs and line breaks: [`rows`] reads the same bytes.
pub(super) fn literal(text: &[u8]) -> Vec<u8> {
    // The escapes of Rust are among those of Python.
    let mut literal = b"b'".to_vec();
    literal.extend(text.escape_ascii());
    literal.push(b'\'');
    literal
}

/// The bytes of a text, and whether it was a literal. What does not begin as a bytes literal stands for itself.
///
/// Escapes are those of Python's `ast.literal_eval`: `\\ \' \" \a \b \f \n \r \t \v`, `\ooo` in octal digits (modulo
/// 256) and `\xhh`; of any other pair, the backslash stays, as there.
fn decode(text: &[u8]) -> Result<(Vec<u8>, bool), Wrong> {
    let quote = match text {
        [b'b', quote @ (b'\'' | b'"'), ..] => *quote,
        [b'"', b'b', b'\'' | b'"', .., b'"'] => {
            let expected = "b'...' alone: quotes mean nothing in these tables";
            return Err(Wrong::new(
                "a bytes literal stands between quotes",
                expected,
            ));
        }
        _ => return Ok((text.to_vec(), false)),
    };
    let expected = "a bytes literal of Python, b'...'";
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = &text[2..];
    // Where `rest` begins in the text, counted from 1.
    let place = |rest: &[u8]| text.len() - rest.len() + 1;
    loop {
        let (&byte, after) = rest
            .split_first()
            .ok_or_else(|| Wrong::new("the bytes literal has no closing quote", expected))?;
        if byte == quote {
            if after.is_empty() {
                return Ok((bytes, true));
            }
            let problem = format!(
                "{} more bytes after the bytes literal, which ends at byte {}",
                after.len(),
                place(rest)
            );
            return Err(Wrong::new(problem, expected));
        }
        if !byte.is_ascii() {
            let problem = format!("byte {} of the bytes literal is not ASCII", place(rest));
            return Err(Wrong::new(problem, expected));
        }
        if byte != b'\\' {
            bytes.push(byte);
            rest = after;
            continue;
        }
        let (&escape, after) = after
            .split_first()
            .ok_or_else(|| Wrong::new("the bytes literal ends in a backslash", expected))?;
        let plain = match escape {
            b'\\' | b'\'' | b'"' => Some(escape),
            b'a' => Some(7),
            b'b' => Some(8),
            b't' => Some(b'\t'),
            b'n' => Some(b'\n'),
            b'v' => Some(11),
            b'f' => Some(12),
            b'r' => Some(b'\r'),
            _ => None,
        };
        rest = after;
        if let Some(byte) = plain {
            bytes.push(byte);
        } else if escape == b'x' {
            let digit = |at: usize| rest.get(at).and_then(|&d| char::from(d).to_digit(16));
            let (Some(high), Some(low)) = (digit(0), digit(1)) else {
                let problem = format!("byte {}: \\x without two digits", place(rest) - 2);
                return Err(Wrong::new(problem, expected));
            };
            bytes.push((high << 4 | low) as u8);
            rest = &rest[2..];
        } else if let Some(first) = char::from(escape).to_digit(8) {
            let mut value = first;
            for _ in 0..2 {
                let Some((&next, after)) = rest.split_first() else {
                    break;
                };
                let Some(digit) = char::from(next).to_digit(8) else {
                    break;
                };
                value = value << 3 | digit;
                rest = after;
            }
            bytes.push(value as u8);
        } else {
            // Not an escape; the backslash stands for itself, and what follows is read again (it may be the end).
            bytes.push(b'\\');
            rest = &text[text.len() - after.len() - 1..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(text: &str) -> Vec<u8> {
        decode(text.as_bytes()).unwrap().0
    }

    /// Each against Python 3.11: `ast.literal_eval`.
    #[test]
    fn literals_are_what_python_makes_of_them() {
        assert_eq!(decoded(r"b'plain'"), b"plain");
        assert_eq!(decoded(r#"b"it's""#), b"it's");
        assert_eq!(decoded(r#"b'say "no"'"#), b"say \"no\"");
        assert_eq!(decoded(r"b'it\'s'"), b"it's");
        assert_eq!(decoded(r"b'a\tb\nc\rd\\e\\n'"), b"a\tb\nc\rd\\e\\n");
        assert_eq!(decoded(r"b'\x00\xe2\x80\x9Cx'"), b"\x00\xe2\x80\x9cx");
        assert_eq!(decoded(r"b'\a\b\f\v'"), [7, 8, 12, 11]);
        assert_eq!(decoded(r"b'\0\12\1234\777'"), [0, 10, 83, b'4', 255]);
        assert_eq!(decoded(r"b'\q\8\ '"), br"\q\8\ ");
        assert_eq!(decoded(r"b''"), b"");
        assert_eq!(decoded("plain \\n stays"), b"plain \\n stays");
        assert_eq!(decoded("bare b'x'"), b"bare b'x'");
    }

    #[test]
    fn a_literal_is_read_as_what_was_written() {
        let all: Vec<u8> = (0..=255).collect();
        let written = literal(&all);
        assert!(written.iter().all(|b| (b' '..=b'~').contains(b)));
        assert_eq!(decode(&written).unwrap(), (all, true));
    }

    #[test]
    fn literals_that_python_refuses_are_refused() {
        for (text, problem) in [
            ("b'open", "no closing quote"),
            ("b'", "no closing quote"),
            (r"b'\'", "no closing quote"),
            (r"b'\", "ends in a backslash"),
            ("b'a'b", "1 more bytes"),
            (
                "b'a' b'b'",
                "5 more bytes after the bytes literal, which ends at byte 4",
            ),
            ("b'caf\u{e9}'", "byte 6 of the bytes literal is not ASCII"),
            ("\"b'a'\"", "stands between quotes"),
            ("\"b\"\"it's\"\"\"", "stands between quotes"),
            (r"b'\x4'", "byte 3: \\x without two digits"),
            (r"b'abc\xg0'", "byte 6: \\x without two digits"),
            ("b'\\\u{e9}'", "is not ASCII"),
        ] {
            let wrong = decode(text.as_bytes()).unwrap_err();
            assert!(wrong.problem.contains(problem), "{text}: {wrong:?}");
        }
    }

    #[test]
    fn a_pair_has_two_texts() {
        let documents = documents(b"b'x\\n'\tlonger than six", 6).unwrap();
        assert_eq!(documents, [b"x\n"[..].into(), b"longer"[..].into()]);
        for (line, problem) in [
            (&b"one"[..], "1 columns between tabs, expected 2"),
            (b"a\tb\tc", "3 columns between tabs, expected 2"),
            (b"b'a\tb", "no closing quote, expected a bytes literal"),
        ] {
            let wrong = super::documents(line, 6).unwrap_err();
            assert!(wrong.contains(problem), "{wrong}");
        }
    }

    #[test]
    fn rows_have_five_columns() {
        let row = parse(b"1.0\tA\tB\tb'x\\n'\ty").unwrap();
        assert_eq!((row.label, row.literals), (1, 1));
        assert_eq!(row.ids, ["A", "B"]);
        assert_eq!(row.texts, [b"x\n".to_vec(), b"y".to_vec()]);
        for (line, problem) in [
            (&b"1.0"[..], "1 columns"),
            (b"1.0\tA\tB\tx", "4 columns"),
            (b"1.0\tA\tB\tx\ty\tz", "6 columns"),
            (b"2.0\tA\tB\tx\ty", "the label is \"2.0\""),
            (b"1.0 \tA\tB\tx\ty", "the label is \"1.0 \""),
            (b"nan\tA\tB\tx\ty", "the label is \"nan\""),
            (
                b"1.0\tA\tB\tx\t\"b\"\"it's\"\"\"",
                "column 5: a bytes literal stands between quotes",
            ),
            (b"1.0\t\tB\tx\ty", "the id in column 2 is \"\""),
            (b"1.0\tA\t\xff\tx\ty", "the id in column 3 is \"\\xff\""),
            (b"1.0\tA\tB\tx\tb'y", "column 5: the bytes literal has no"),
        ] {
            match parse(line) {
                Err(wrong) => assert!(wrong.problem.contains(problem), "{wrong:?}"),
                Ok(_) => panic!("{} was taken", line.escape_ascii()),
            }
        }
    }
}
