//! Reviews as two tables, `train.tsv` and `test.tsv`: the other form in which the benchmark reads Text.
//!
//! The first line is `Source<TAB>Target`; each other record is a text and its label, 0 (neg) or 1 (pos). Quotes are
//! those of Python's `csv.writer` between tabs: a text that holds a tab, a line break or a quote stands in `"`, and a
//! quote in it is doubled. Empty lines and a byte order mark are passed over. What csv-core does of this is the state
//! machine; here are limits, places and labels.

use super::LONGEST;
use crate::DataError;
use crate::file::{self, quoted};
use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use std::io::{BufRead, BufReader};
use std::path::Path;

const EXPECTED: &str =
    "records of a text, a tab and 0 (neg) or 1 (pos), after a line Source<TAB>Target";
const AGAIN: &str = "quote a text that holds a tab, a line break or a quote, as Python's csv.writer does; see data verify";
const HEADER: [&[u8]; 2] = [b"Source", b"Target"];

/// A record, taken apart.
struct Record {
    /// Where it begins, counted from 1, the header's.
    line: usize,
    /// Line breaks read so far: every \r, and every \n that does not follow one.
    breaks: usize,
    /// The last byte read.
    last: u8,
    /// All fields, one after the other.
    bytes: Vec<u8>,
    /// Where each ends; two is right, and a third is kept to know that there is one.
    ends: [usize; 3],
    fields: usize,
}

impl Record {
    /// Counts the line breaks in the next bytes of the file.
    fn pass(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.breaks += usize::from(byte == b'\r' || byte == b'\n' && self.last != b'\r');
            self.last = byte;
        }
    }
}

/// Calls `each` with label and text of every record of `file`, in their order. A table without texts is refused.
pub(super) fn records(file: &Path, mut each: impl FnMut(usize, &[u8])) -> Result<(), DataError> {
    let failed = |problem: String| DataError::new(file, problem, EXPECTED, AGAIN);
    let unreadable = |e| DataError::unreadable(file, EXPECTED, e);
    let mut input = BufReader::with_capacity(1 << 16, file::open(file).map_err(unreadable)?);
    let mut reader = ReaderBuilder::new().delimiter(b'\t').build();
    let mut record = Record {
        line: 1,
        breaks: 0,
        last: 0,
        bytes: Vec::new(),
        ends: [0; 3],
        fields: 0,
    };
    let (mut header, mut empty) = (true, true);
    while next(&mut reader, &mut input, &mut record)
        .map_err(unreadable)?
        .map_err(failed)?
    {
        let line = record.line;
        let [text_end, label_end, _] = record.ends;
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

/// Reads the next record; false at the end of the file, and what is wrong if it is too large.
fn next(
    reader: &mut Reader,
    input: &mut impl BufRead,
    record: &mut Record,
) -> std::io::Result<Result<bool, String>> {
    while let Some(&first @ (b'\r' | b'\n')) = input.fill_buf()?.first() {
        record.pass(&[first]);
        input.consume(1);
    }
    record.line = record.breaks + 1;
    record.fields = 0;
    let mut written = 0;
    loop {
        let chunk = input.fill_buf()?;
        let (result, read, bytes_out, ends_out) = reader.read_record(
            chunk,
            &mut record.bytes[written..],
            &mut record.ends[record.fields..],
        );
        record.pass(&chunk[..read]);
        input.consume(read);
        written += bytes_out;
        record.fields += ends_out;
        let Record { bytes, line, .. } = &mut *record;
        match result {
            ReadRecordResult::InputEmpty => {}
            ReadRecordResult::OutputFull if bytes.len() as u64 > LONGEST => {
                let what = "a record of more than";
                return Ok(Err(format!("line {line}: {what} {LONGEST} bytes")));
            }
            ReadRecordResult::OutputFull => {
                bytes.resize((2 * bytes.len()).clamp(1 << 14, LONGEST as usize + 1), 0);
            }
            ReadRecordResult::OutputEndsFull => {
                return Ok(Err(format!("line {line}: more than 2 columns")));
            }
            ReadRecordResult::Record => return Ok(Ok(true)),
            ReadRecordResult::End => return Ok(Ok(false)),
        }
    }
}
