//! What a command says: its answer on standard output, remarks on standard error. `println!` and
//! `eprintln!` would end a run of hours by a panic when the reader of a pipe has gone; these do not,
//! and they show what would move the cursor or turn a line round as escapes (`datasets::shown`),
//! wherever it has come from. And how a few things are written everywhere.

use crate::terminal::error::{Error, Result};
use datasets::shown;
use serde::Serialize;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use terminal_size::{Height, Width, terminal_size_of};

/// Columns of a terminal that does not say how many it has.
pub(crate) const COLUMNS: usize = 80;

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

/// Writes a line to standard error, broken at blanks where that is a terminal; when it is closed, nobody is left to be
/// told.
pub fn tell(line: &str) {
    let line = shown::page(line);
    let _ = match screen() {
        Some(width) => writeln!(io::stderr(), "{}", wrapped(&line, width)),
        None => writeln!(io::stderr(), "{line}"),
    };
}

/// Columns of the terminal that standard error is; none if it is a pipe or a file, where a line of any length stays
/// one, so that `grep` finds all of it.
pub(crate) fn screen() -> Option<usize> {
    let stderr = io::stderr();
    stderr
        .is_terminal()
        .then(|| columns(terminal_size_of(stderr)))
}

/// An answer in sentences as standard output takes it: broken at blanks for a terminal, as it is for a pipe.
pub(crate) fn fitted(text: &str) -> String {
    let stdout = io::stdout();
    match stdout.is_terminal() {
        true => wrapped(text, columns(terminal_size_of(stdout))) + "\n",
        false => text.to_string(),
    }
}

fn columns(size: Option<(Width, Height)>) -> usize {
    size.map_or(COLUMNS, |(Width(width), _)| width.into())
}

/// Every line of `text` in lines of at most `width` columns, the later ones further in than its first.
pub(crate) fn wrapped(text: &str, width: usize) -> String {
    // A quarter of a narrow terminal is enough.
    let lines = text
        .lines()
        .map(|line| broken(line, width, hang(line).min(width / 4)));
    lines.collect::<Vec<_>>().join("\n")
}

/// Where the second line of a long one begins: two columns right of its text, which follows an indentation, or a label
/// such as `error: ` or of a table.
fn hang(line: &str) -> usize {
    const LONGEST_LABEL: usize = 24;
    let blanks = |text: &str| text.chars().take_while(|&letter| letter == ' ').count();
    let label = match line.find("  ") {
        Some(end) if end <= LONGEST_LABEL => &line[..end],
        _ => match line.split(' ').next() {
            Some(word) if word.ends_with(':') => word,
            _ => "",
        },
    };
    label.chars().count() + blanks(&line[label.len()..]) + 2
}

/// A line in lines of at most `width` columns, all but the first with `hang` blanks before; blanks at which it is not
/// broken stay, and a word that is longer stays whole.
pub(crate) fn broken(line: &str, width: usize, hang: usize) -> String {
    let (mut text, mut rest, mut indent) = (String::new(), line.trim_end_matches(' '), 0);
    loop {
        let room = width.saturating_sub(indent);
        // The first byte that has no room.
        let Some((end, _)) = rest.char_indices().nth(room) else {
            return text + rest;
        };
        let text_begins = rest.len() - rest.trim_start_matches(' ').len();
        let ends = rest.match_indices(' ').map(|(at, _)| at);
        let mut ends = ends.filter(|&at| at > text_begins);
        let at = ends.clone().take_while(|&at| at <= end).last();
        let Some(at) = at.or(ends.next()) else {
            return text + rest;
        };
        text += rest[..at].trim_end_matches(' ');
        text.push('\n');
        text.extend(std::iter::repeat_n(' ', hang));
        (rest, indent) = (rest[at..].trim_start_matches(' '), hang);
    }
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

/// A share, 0 to 1.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.2}%", 100.0 * share)
}

/// Bytes as two digits each.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A path as a shell takes it.
pub(crate) fn shell_word(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |letter: char| letter.is_alphanumeric() || "/._-+=:@%,".contains(letter);
    match !text.is_empty() && text.chars().all(plain) {
        true => text,
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

/// The last line of `main`: prints the error, if it is one, and gives its exit code.
pub fn exit(outcome: Result<ExitCode>) -> ExitCode {
    outcome.unwrap_or_else(|error| {
        tell(&error.to_string());
        ExitCode::from(error.code)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_broken_at_blanks_and_hang() {
        let data = "data:   built-in reviews\n        train: 25000 texts (12500 neg), 25000 distinct; bytes: mean 1307\n";
        let expected = "data:   built-in reviews\n        train: 25000 texts (12500 neg),\n          25000 distinct; bytes: mean\n          1307";
        assert_eq!(wrapped(data, 40), expected);
        // As wide as the terminal is no longer; of what is shorter every blank stays.
        assert_eq!(wrapped("a  bc d", 7), "a  bc d");
        assert_eq!(wrapped("softmax    1  2", 80), "softmax    1  2");
        let error = "error: unknown method `skin`: expected one of softmax, skein";
        let expected =
            "error: unknown method `skin`:\n         expected one of softmax,\n         skein";
        assert_eq!(wrapped(error, 36), expected);
        let row = "test accuracy   99.74% of 5000 examples (loss 0.0149)";
        let expected = "test accuracy   99.74% of 5000 examples\n          (loss 0.0149)";
        assert_eq!(wrapped(row, 40), expected);
        assert_eq!(wrapped("", 40), "");
    }

    #[test]
    fn a_word_that_is_longer_than_the_line_stays_whole() {
        let path = "/a/folder/with/a/very/long/name/that/somebody/chose";
        assert_eq!(wrapped(path, 20), path);
        let told = format!("note:   see {path} there");
        assert_eq!(
            wrapped(&told, 20),
            format!("note:   see\n     {path}\n     there")
        );
        let narrow = wrapped("data:   built-in reviews (seeded grammar)", 1);
        assert_eq!(narrow, "data:\nbuilt-in\nreviews\n(seeded\ngrammar)");
        assert_eq!(wrapped("ends in blanks   ", 14), "ends in blanks");
    }

    #[test]
    fn letters_of_several_bytes_are_one_column() {
        assert_eq!(wrapped("ä² ö² ü² ß²", 5), "ä² ö²\n ü²\n ß²");
        assert_eq!(broken("ä² ö² ü² ß²", 5, 0), "ä² ö²\nü² ß²");
    }

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
