//! The source of nodes: the files that a tape can name are part of the program.

use super::asked::Refusal;
use serde::{Deserialize, Serialize};

include!(concat!(env!("OUT_DIR"), "/sources.rs"));

/// Lines that are shown before and after the one that is asked for.
const AROUND: usize = 30;

/// Which line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    file: String,
    line: usize,
}

/// Some lines of a file.
#[derive(Serialize)]
pub(super) struct Part<'a> {
    file: &'a str,
    /// The line that was asked for, and the first one here, from 1.
    line: usize,
    first: usize,
    lines: Vec<&'a str>,
}

/// The lines around one.
pub(super) fn part(asked: &Asked) -> Result<Part<'static>, Refusal> {
    let found = SOURCES.iter().find(|(name, _)| *name == asked.file);
    let (file, text) = found.ok_or_else(|| {
        Refusal::missing(format!("{}: no node is written in such a file", asked.file))
    })?;
    let all = text.lines().count();
    if !(1..=all).contains(&asked.line) {
        let sentence = format!(
            "{file}: expected a line from 1 to {all}, not {}",
            asked.line
        );
        return Err(Refusal::missing(sentence));
    }
    let before = (asked.line - 1).saturating_sub(AROUND);
    Ok(Part {
        file,
        line: asked.line,
        first: before + 1,
        lines: text
            .lines()
            .skip(before)
            .take(asked.line + AROUND - before)
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::explain::Subject;
    use engine::Tape;

    #[test]
    fn every_node_of_every_method_has_its_source() {
        for attn in ops::attention::names() {
            let subject = Subject::made_up(attn, 4, 9, 1).unwrap();
            let tape = Tape::keeping();
            subject.pass(&tape);
            for record in tape.records() {
                let place = answer::tape::place(record.location);
                let (file, line) = (place.file, place.line as usize);
                let asked = Asked { file, line };
                let part = part(&asked).unwrap_or_else(|_| panic!("{attn}: {}", asked.file));
                let shown = part.lines[part.line - part.first];
                let is_node = shown.contains("record(") || shown.contains(".leaf(");
                assert!(is_node, "{attn}: {}:{line}: {shown}", asked.file);
            }
        }
    }

    #[test]
    fn only_such_files_are_shown() {
        let asked = |file: &str, line| {
            let file = file.to_string();
            part(&Asked { file, line })
        };
        for file in ["ops/src/../src/linear.rs", "/etc/passwd", "Cargo.toml", ""] {
            assert!(asked(file, 1).is_err(), "{file}");
        }
        for line in [0, 1_000_000, usize::MAX] {
            assert!(asked("ops/src/linear.rs", line).is_err(), "{line}");
        }
        assert_eq!(asked("ops/src/linear.rs", 1).unwrap().first, 1);
    }
}
