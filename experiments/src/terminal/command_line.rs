//! A command line against the flags of a command: help, version and errors are the same for all of them.

use crate::terminal::error::{Error, Result};
use clap::ArgMatches;
use clap::error::ErrorKind;
use std::ffi::{OsStr, OsString};

/// What to do about a wrong flag.
pub(crate) const HINT: &str = "--help lists the flags";

/// The columns of a help text.
const WIDTH: usize = 80;

/// `command` with what every command has: a version, help of 80 columns, and -1 as a wrong value, not as an unknown
/// flag.
pub(crate) fn shared(command: clap::Command) -> clap::Command {
    let command = command.version(env!("CARGO_PKG_VERSION"));
    command.max_term_width(WIDTH).mut_args(|arg| {
        let takes_value = arg.get_long().is_some() && arg.get_action().takes_values();
        arg.allow_negative_numbers(takes_value)
    })
}

/// What `args`, the name of the program first, say to `command`. Help and version are printed, and end the program
/// here.
///
/// # Errors
///
/// What is wrong in one line, and what to do about it.
pub(crate) fn parse(
    mut command: clap::Command,
    args: impl IntoIterator<Item = impl Into<OsString>>,
) -> Result<ArgMatches> {
    let args: Vec<OsString> = args.into_iter().map(Into::into).collect();
    match command.try_get_matches_from_mut(&args) {
        Ok(matches) => Ok(matches),
        Err(help) if !help.use_stderr() => help.exit(),
        Err(error) => match error.kind() {
            ErrorKind::InvalidSubcommand | ErrorKind::MissingSubcommand => {
                Err(which_command(&command, args.iter().skip(1)))
            }
            _ => Err(Error::flags(&error, HINT)),
        },
    }
}

/// An error about the first of `words` that names no command of `program`, or one that is lacking.
pub(crate) fn which_command(
    program: &clap::Command,
    words: impl IntoIterator<Item = impl AsRef<OsStr>>,
) -> Error {
    let (mut command, mut path) = (program, program.get_name().to_string());
    let mut words = words.into_iter().skip_while(|word| word.as_ref() == "help");
    let wrong = loop {
        let Some(word) = words.next() else {
            break None;
        };
        let word = word.as_ref();
        match command.find_subcommand(word) {
            Some(inner) => {
                command = inner;
                path += &format!(" {}", inner.get_name());
            }
            None => break Some(word.to_string_lossy().into_owned()),
        }
    };
    let names = command.get_subcommands().map(clap::Command::get_name);
    let known: Vec<&str> = names.filter(|name| *name != "help").collect();
    let expected = format!("expected one of {}", known.join(", "));
    let hint = format!("{path} --help says what each does");
    match wrong {
        Some(word) if known.is_empty() => Error::usage(format!(
            "{path} has no command `{word}`: expected a flag, if anything"
        ))
        .hint(hint),
        None => Error::usage(format!("{path}: which command? {expected}")).hint(hint),
        Some(word) => Error::usage(format!("unknown command `{path} {word}`: {expected}"))
            .hint(hint)
            // The name of a binary of version 0.1.0.
            .did_you_mean(word.trim_start_matches("exp_"), known),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(args: &[&str]) -> String {
        let inner = |name: &'static str| shared(clap::Command::new(name));
        let data = inner("data").subcommand_required(true);
        let data = data.subcommands([inner("get"), inner("make")]);
        let text = inner("text").arg(clap::Arg::new("steps").long("steps"));
        let program = clap::Command::new("skein").subcommands([text, data, inner("evaluate")]);
        let told = parse(program, [&["skein"], args].concat());
        told.unwrap_err().to_string()
    }

    #[test]
    fn a_wrong_command_is_told_from_a_wrong_flag() {
        let all = "expected one of text, data, evaluate\nhint: ";
        let of_data = "expected one of get, make\nhint: ";
        let says = "--help says what each does";
        for (args, expected) in [
            (
                &["txt", "--steps", "1"][..],
                format!("unknown command `skein txt`: {all}did you mean `text`? skein {says}"),
            ),
            (
                &["exp_text"],
                format!("unknown command `skein exp_text`: {all}did you mean `text`? skein {says}"),
            ),
            (
                &["zebra"],
                format!("unknown command `skein zebra`: {all}skein {says}"),
            ),
            (
                &["help", "txt"],
                format!("unknown command `skein txt`: {all}did you mean `text`? skein {says}"),
            ),
            (
                &["help", "text", "foo"],
                format!(
                    "skein text has no command `foo`: expected a flag, if anything\nhint: skein text {says}"
                ),
            ),
            (
                &["data"],
                format!("skein data: which command? {of_data}skein data {says}"),
            ),
            (
                &["data", "gett"],
                format!(
                    "unknown command `skein data gett`: {of_data}did you mean `get`? skein data {says}"
                ),
            ),
            (
                &["text", "--sign"],
                format!("unexpected argument '--sign' found\nhint: {HINT}"),
            ),
        ] {
            assert_eq!(error(args), format!("error: {expected}"));
        }
    }
}
