//! Reviews as two tables, `train.tsv` and `test.tsv`: the other form in which the benchmark reads Text.
//!
//! The first line is `Source<TAB>Target`; each other record is a text and its label, 0 (neg) or 1 (pos). Quotes are
//! those of Python's `csv` between tabs, and `strict` as it calls it: a field that begins with `"` goes on to the next
//! `"` that is not doubled, over tabs and line breaks, and then the field must end. A quote in the midst of a field
//! that begins otherwise is a letter like all others, as there. A record ends in LF, CRLF or CR. Empty lines and a byte
//! order mark are passed over.
//!
//! The machine is written out because a table that nobody has quoted, with a `"` at the beginning of a review, must not
//! become fewer and longer reviews: the crates for CSV go on at such places as Python does when it is not strict.

use super::LONGEST;
use crate::file::{self, MARK};
use crate::lines::Fault;
use crate::{DataError, shown::quoted};
use std::io::{BufRead, BufReader};
use std::path::Path;

const EXPECTED: &str =
    "records of a text, a tab and 0 (neg) or 1 (pos), after a line Source<TAB>Target";
const AGAIN: &str = "quote a text that begins with a quote, or holds a tab or a line break, and double the quotes in it, \
                     as Python's csv.writer does; see skein data verify";
const HEADER: [&[u8]; 2] = [b"Source", b"Target"];

/// A record, taken apart.
#[derive(Default)]
struct Record {
    /// All fields, one after the other.
    bytes: Vec<u8>,
    /// Where the first two end: more are counted, and no use.
    ends: [usize; 2],
    fields: usize,
}

impl Record {
    fn end_field(&mut self) {
        if let Some(end) = self.ends.get_mut(self.fields) {
            *end = self.bytes.len();
        }
        self.fields += 1;
    }
}

/// Where in a field the next byte stands.
#[derive(Clone, Copy)]
enum Place {
    Start,
    /// In a field without quotes.
    Plain,
    Quoted,
    /// After a quote between quotes, which is the last one or the first of two.
    Quote,
}

struct Reader<R> {
    input: R,
    /// Of the next byte, counted from 1. A line ends at every \r, and every \n that does not follow one.
    line: usize,
    last: u8,
}

/// Calls `each` with label and text of every record of `file`, in their order. A table without texts is refused.
pub(super) fn records(file: &Path, mut each: impl FnMut(usize, &[u8])) -> Result<(), DataError> {
    let failed = |problem: String| DataError::new(file, problem, EXPECTED, AGAIN);
    let unreadable = |e| DataError::unreadable(file, EXPECTED, e);
    let mut input = BufReader::with_capacity(1 << 16, file::open(file).map_err(unreadable)?);
    if input.fill_buf().map_err(unreadable)?.starts_with(MARK) {
        input.consume(MARK.len());
    }
    let mut reader = Reader {
        input,
        line: 1,
        last: 0,
    };
    let mut record = Record::default();
    let (mut header, mut empty) = (true, true);
    while let Some(line) = reader
        .next(&mut record)
        .map_err(|fault| fault.at(file, EXPECTED, AGAIN))?
    {
        let [text_end, label_end] = record.ends;
        if record.fields != 2 {
            let found = record.fields;
            return Err(failed(format!("line {line}: columns: {found}, not 2")));
        }
        let (text, label) = (
            &record.bytes[..text_end],
            &record.bytes[text_end..label_end],
        );
        if header {
            header = false;
            if [text, label] != HEADER {
                let (text, label) = (quoted(text), quoted(label));
                return Err(failed(format!("line 1: the header is {text}, {label}")));
            }
            continue;
        }
        let label = match label {
            b"0" => 0,
            b"1" => 1,
            _ => {
                let label = quoted(label);
                return Err(failed(format!("line {line}: the Target is {label}")));
            }
        };
        if text.is_empty() {
            return Err(failed(format!("line {line}: the text is empty")));
        }
        each(label, text);
        empty = false;
    }
    if header {
        return Err(failed("the file is empty".into()));
    }
    if empty {
        let problem = "line 1: no text follows the header";
        let hint = "the file was cut off: get it again, or move texts of the other table into it";
        return Err(DataError::new(file, problem, EXPECTED, hint));
    }
    Ok(())
}

impl<R: BufRead> Reader<R> {
    /// Reads the next record, and returns the line in which it begins; none at the end.
    fn next(&mut self, record: &mut Record) -> Result<Option<usize>, Fault> {
        use Place::*;
        record.bytes.clear();
        record.fields = 0;
        let (mut begins, mut opens) = (None, 0);
        let mut place = Start;
        loop {
            let line = self.line;
            let Some(byte) = self.byte()? else {
                break;
            };
            let ends_line = byte == b'\r' || byte == b'\n';
            if ends_line && begins.is_none() {
                continue; // An empty line, or the second half of a line break.
            }
            begins = begins.or(Some(line));
            place = match (place, byte) {
                (_, 0) => return wrong(line, "a NUL"),
                (Start, b'"') => {
                    opens = line;
                    Quoted
                }
                (Quoted, b'"') => Quote,
                (Start | Plain | Quote, b'\t') => {
                    record.end_field();
                    Start
                }
                (Start | Plain | Quote, _) if ends_line => {
                    record.end_field();
                    return Ok(begins);
                }
                (Quote, _) if byte != b'"' => {
                    let what = "the quote that opens a field here is closed in line";
                    return wrong(opens, &format!("{what} {line}, and the field goes on"));
                }
                (_, byte) => {
                    if record.bytes.len() as u64 == LONGEST {
                        let what = format!("a record of more than {LONGEST} bytes");
                        return wrong(begins.unwrap_or(line), &what);
                    }
                    record.bytes.push(byte);
                    match place {
                        Start | Plain => Plain,
                        Quoted | Quote => Quoted,
                    }
                }
            };
        }
        if let Quoted = place {
            return wrong(opens, "the quote that opens a field here is never closed");
        }
        record.end_field();
        Ok(begins)
    }

    fn byte(&mut self) -> Result<Option<u8>, Fault> {
        let next = self.input.fill_buf().map_err(Fault::Unreadable)?;
        let Some(&byte) = next.first() else {
            return Ok(None);
        };
        self.input.consume(1);
        self.line += usize::from(byte == b'\r' || byte == b'\n' && self.last != b'\r');
        self.last = byte;
        Ok(Some(byte))
    }
}

fn wrong<T>(line: usize, what: &str) -> Result<T, Fault> {
    Err(Fault::Line(line, what.to_string()))
}
