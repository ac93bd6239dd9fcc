//! The derivation of an operator: the docs of its own file, and the source beside them.
//!
//! Both are the file itself, as it was when this was compiled: nothing is told twice.

use serde::Serialize;

use crate::tape::Node;

/// A file that explains an operator.
#[derive(Clone, Copy)]
pub(super) struct File {
    /// From the root of the workspace.
    pub(super) path: &'static str,
    pub(super) text: &'static str,
    /// The function that it is about: of a file with several operators, docs of others are left out.
    pub(super) function: &'static str,
}

/// A file of ops, and the function in it.
macro_rules! file {
    ($path:literal, $function:literal) => {
        crate::operator::derivation::File {
            path: concat!("ops/src/", $path),
            text: include_str!(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../../ops/src/",
                $path
            )),
            function: $function,
        }
    };
}
pub(super) use file;

/// Docs as they stand above something.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
pub struct Doc {
    /// The function or constant that it is about; none of what the file begins with.
    pub(super) of: Option<String>,
    /// The line of its first word, from 1.
    pub(super) line: usize,
    /// In Markdown, without the signs of a comment.
    pub(super) text: String,
}

/// A file with its docs apart, and without its tests.
#[derive(Serialize)]
pub struct Source {
    pub(super) file: &'static str,
    pub(super) docs: Vec<Doc>,
    /// The lines of the file, the first of which is line 1.
    pub(super) lines: Vec<&'static str>,
    /// Where the operator begins, forward, if it is in this file.
    pub(super) forward: Option<usize>,
    /// Where its backward begins.
    pub(super) backward: Option<usize>,
}

/// The sources of an operator that has recorded these nodes.
pub(super) fn sources(files: &[File], nodes: &[Node]) -> Vec<Source> {
    let source = |file: &File| {
        let node = nodes.iter().find(|node| node.written.file == file.path);
        let lines = lines(file.text);
        let recorded = node.map(|node| node.written.line as usize);
        // Of an operator that only stands beside the one on the tape.
        let recorded = recorded.or_else(|| {
            let at = lines.iter().position(|line| line.contains(".record(\""))?;
            Some(at + 1)
        });
        Source {
            file: file.path,
            docs: docs(file),
            forward: recorded.and_then(|line| forward(&lines, line)),
            backward: recorded.and_then(|line| backward(&lines, line)),
            lines,
        }
    };
    files.iter().map(source).collect()
}

/// The first paragraph of a file's docs, and that of its function's.
pub(super) fn summary(file: &File) -> (String, String) {
    let docs = docs(file);
    let first = |of: Option<&str>| {
        let doc = docs.iter().find(|doc| doc.of.as_deref() == of);
        let lines = doc.map_or("", |doc| &doc.text).lines();
        let lines: Vec<&str> = lines.take_while(|line| !line.is_empty()).collect();
        lines.join(" ")
    };
    (first(None), first(Some(file.function)))
}

fn lines(text: &'static str) -> Vec<&'static str> {
    text.lines()
        .take_while(|line| !line.starts_with("#[cfg(test)]"))
        .collect()
}

/// The function around a line.
fn forward(lines: &[&str], line: usize) -> Option<usize> {
    let begins = |text: &&str| text.starts_with("fn ") || text.starts_with("pub fn ");
    let above = lines.get(..line)?;
    Some(above.iter().rposition(begins)? + 1)
}

/// The closure that is recorded on a line, or below it: it takes a cotangent, whose name begins with d.
fn backward(lines: &[&str], line: usize) -> Option<usize> {
    let below = lines.get(line - 1..)?;
    Some(line + below.iter().position(|text| text.contains("|d"))?)
}

/// The docs of a file, down to its gradient checks.
fn docs(file: &File) -> Vec<Doc> {
    let lines = lines(file.text);
    let mut docs = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let sign = ["//!", "///"].into_iter().find(|sign| is(lines[at], sign));
        let Some(sign) = sign else {
            at += 1;
            continue;
        };
        let start = at;
        while at < lines.len() && is(lines[at], sign) {
            at += 1;
        }
        let text: Vec<&str> = lines[start..at]
            .iter()
            .map(|line| {
                let rest = &line.trim_start()[sign.len()..];
                rest.strip_prefix(' ').unwrap_or(rest)
            })
            .collect();
        if text[0].starts_with("The gradient checks of") {
            break;
        }
        let of = (sign == "///").then(|| item(&lines[at..]));
        docs.push(Doc {
            of,
            line: start + 1,
            text: text.join("\n"),
        });
    }
    let several = file.text.matches("record(\"").count() > 1;
    let own = |doc: &Doc| {
        let name = doc.of.as_deref().unwrap_or(file.function);
        !several || name.starts_with(file.function)
    };
    docs.retain(own);
    docs
}

fn is(line: &str, sign: &str) -> bool {
    line.trim_start().starts_with(sign)
}

/// The name of what comes next.
fn item(lines: &[&str]) -> String {
    let lines = lines.iter().map(|line| line.trim_start());
    let next = lines
        .skip_while(|line| line.starts_with('#'))
        .find(|line| !line.is_empty());
    let words = next
        .unwrap_or("")
        .split(|sign: char| !sign.is_alphanumeric() && sign != '_');
    let mut words = words.filter(|word| {
        let before = [
            "pub", "crate", "super", "fn", "const", "struct", "enum", "in",
        ];
        !word.is_empty() && !before.contains(word)
    });
    words.next().unwrap_or("").to_string()
}
