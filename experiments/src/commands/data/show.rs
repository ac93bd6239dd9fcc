//! `skein data show`: a few examples for the eye, as a run would see them: texts as lines, pictures as
//! characters or as a PNG.

use super::found;
use crate::files::out_file::OutFile;
use crate::settings::choices::{BUILTIN, Budget, Task};
use crate::settings::config::Config;
use crate::terminal::error::{Error, Result};
use crate::terminal::output::{COLUMNS, answer};
use crate::terminal::parse::whole;
use crate::train::data;
use datasets::{Dataset, Example, image, shown};
use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Lines of a text that are shown.
const LINES: usize = 4;

/// Below the flags.
const HELP: &str = "\
Texts are cut to four lines; control characters and bytes that are no text are
shown as escapes. Pictures are drawn in characters, or with --out as a PNG.";

/// Prints a few examples, or draws them
#[derive(clap::Args, Debug)]
#[command(after_help = HELP)]
pub(super) struct Flags {
    /// Whose data: text, listops, retrieval, pathfinder or image
    #[arg(value_name = "TASK", hide_possible_values = true)]
    task: Task,
    /// builtin; the path of a data set; or auto: what `skein data get` has put
    /// into the cache, else builtin
    #[arg(long, value_name = "auto|builtin|PATH", default_value = "auto")]
    data: String,
    /// How many examples; with --out, how many of each class [default: 3; 8]
    #[arg(long, value_name = "N", value_parser = whole(1..=1000))]
    count: Option<usize>,
    /// Of which split: train, dev or test
    #[arg(
        long,
        value_name = "NAME",
        default_value = "train",
        hide_possible_values = true,
        value_parser = ["train", "dev", "test"]
    )]
    split: String,
    /// Draw pictures as a PNG, a row a class
    #[arg(long, value_name = "FILE.png")]
    out: Option<PathBuf>,
    /// Replace that file
    #[arg(long)]
    overwrite: bool,
}

pub(super) fn show(flags: &Flags) -> Result<ExitCode> {
    let task = flags.task;
    let pictures = task.has_pictures();
    if flags.out.is_some() && !pictures {
        let message = format!("--out draws pictures; {} has none", task.name());
        return Err(Error::usage(message).hint("image and pathfinder have"));
    }
    let out = match &flags.out {
        Some(out) if out.file_name().is_none() => {
            let message = format!("--out {}: expected the name of a file", out.display());
            return Err(Error::usage(message).hint("such as --out pictures.png"));
        }
        // Nothing in a PNG says whose it is.
        Some(out) => Some((out, OutFile::new(out, flags.overwrite, None)?)),
        None => None,
    };
    let data = load(flags)?;
    let split = match flags.split.as_str() {
        "train" => &data.train,
        "dev" => &data.dev,
        _ => &data.test,
    };
    if let Some((out, file)) = out {
        let columns = flags.count.unwrap_or(8);
        let sheet = image::contact_sheet(split, &data.classes, columns)?;
        file.write(&sheet)?;
        let mut text = format!("{}: {}\n", shown::name(out), data.name);
        for (row, class) in data.classes.iter().enumerate() {
            let _ = writeln!(text, "  row {}: {class}", row + 1); // A string takes all.
        }
        answer(&text)?;
        return Ok(ExitCode::SUCCESS);
    }
    let width = match terminal_size::terminal_size() {
        Some((width, _)) => usize::from(width.0).max(20),
        None => COLUMNS,
    };
    let mut text = format!("{}\n", data.name);
    let count = flags.count.unwrap_or(3).min(split.examples.len());
    for number in 0..count {
        // From all over the split: files are often in the order of their labels.
        let example = &split.examples[number * split.examples.len() / count];
        let _ = write!(
            text,
            "\n{} {}, {}",
            split.name, example.id, data.classes[example.label]
        );
        text.push_str(&describe(task, example, width));
    }
    answer(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// The data as a run would have them, as long as they are; what is made as long as is asked for is short, to be
/// readable.
fn load(flags: &Flags) -> Result<Dataset> {
    let task = flags.task;
    let quick = task.preset(Budget::Quick);
    let config = found(Config {
        data: flags.data.clone(),
        max_len: *task.lengths().end(),
        ..quick.clone()
    })?;
    let made = &task.entry().made;
    if config.data == "builtin" {
        if let Some(few) = made.few {
            let each = flags.count.unwrap_or(8);
            return few(BUILTIN, each, config.black()).map_err(Error::data);
        }
        if made.fills {
            return data::load(&Config {
                max_len: quick.max_len,
                ..config
            })
            .map_err(Error::data);
        }
    }
    data::load(&config).map_err(Error::data)
}

/// What follows the label: sizes, and what the documents say.
fn describe(task: Task, example: &Example, width: usize) -> String {
    let mut text = String::new();
    let (unit, readable) = task.entry().readable;
    for (number, document) in example.documents.iter().enumerate() {
        let start = if number == 0 { ": " } else { "\nand " };
        let shown = readable(document);
        text += &match task.has_pictures() {
            true => format!("\n{shown}"),
            false => format!("{start}{} {unit}\n{}", document.len(), lines(&shown, width)),
        };
    }
    text.push('\n');
    text
}

/// The first lines of a text, cut at the width of the screen.
fn lines(text: &str, width: usize) -> String {
    let room = width - 2;
    let mut letters = text.chars().peekable();
    let mut shown = Vec::new();
    for number in 1..=LINES {
        let line: String = letters.by_ref().take(room).collect();
        if line.is_empty() {
            break;
        }
        match number == LINES && letters.peek().is_some() {
            true => {
                let cut: String = line.chars().take(room - 3).collect();
                shown.push(format!("  {cut}..."));
            }
            false => shown.push(format!("  {line}")),
        }
    }
    shown.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_at_the_width() {
        assert_eq!(lines("abc", 20), "  abc");
        let long = lines(&"x".repeat(1000), 20);
        assert_eq!(long.lines().count(), LINES);
        assert!(long.lines().all(|line| line.len() == 20), "{long}");
        assert!(long.ends_with("xxx..."));
        let exact = lines(&"x".repeat(18 * LINES), 20);
        assert!(exact.ends_with("xxxx") && exact.lines().count() == LINES);
    }
}
