//! What the programs are made of: a [`Command`] is its flags and what it does with them; `skein` has all of them, an
//! `exp_*` one.

use super::commands;
use crate::terminal::command_line::{HINT, parse, shared};
use crate::terminal::error::{Error, Result};
use crate::terminal::output::{answer, exit};
use clap::{ArgMatches, Args};
use std::fmt::Write;
use std::process::ExitCode;

/// What a command does with its flags.
type Run = Box<dyn Fn(&ArgMatches) -> Result<ExitCode>>;

/// A command of `skein`.
pub(super) struct Command {
    /// Its name, flags and help.
    flags: clap::Command,
    run: Run,
}

impl Command {
    /// A command with the flags `F`, whose help is the documentation of that type. `example` is a command line to be
    /// pasted, several in lines of their own.
    pub(super) fn new<F: Args>(
        name: &'static str,
        example: &str,
        run: impl Fn(F) -> Result<ExitCode> + 'static,
    ) -> Self {
        let flags = F::augment_args(clap::Command::new(name));
        Self::with(flags, example, move |matches| {
            run(F::from_arg_matches(matches).map_err(|error| Error::flags(&error, HINT))?)
        })
    }

    /// One whose flags no type describes alone.
    pub(super) fn with(
        flags: clap::Command,
        example: &str,
        run: impl Fn(&ArgMatches) -> Result<ExitCode> + 'static,
    ) -> Self {
        let notes = flags.get_after_help().map(|notes| format!("{notes}\n\n"));
        let mut notes = notes.unwrap_or_default().replace("\n\n\n", "\n\n") + "For example:";
        for line in example.lines() {
            write!(notes, "\n  {line}").expect("writing to a string");
        }
        Self {
            flags: shared(flags).after_help(notes),
            run: Box::new(run),
        }
    }

    /// Several under one name, such as `skein data get` and `skein data verify`.
    pub(super) fn group(name: &'static str, about: &'static str, inner: Vec<Command>) -> Self {
        let flags = shared(clap::Command::new(name)).about(about);
        let flags = flags.subcommand_required(true);
        let flags = flags.subcommands(inner.iter().map(|inner| inner.flags.clone()));
        Self {
            flags,
            run: Box::new(move |matches| one_of(&inner, matches)),
        }
    }
}

/// Does what the subcommand in `matches` says.
fn one_of(commands: &[Command], matches: &ArgMatches) -> Result<ExitCode> {
    let (name, matches) = matches.subcommand().expect("clap has asked for one");
    let command = commands
        .iter()
        .find(|command| command.flags.get_name() == name);
    (command.expect("clap knows no others").run)(matches)
}

/// The `main` of `skein`.
pub fn main() -> ExitCode {
    exit(skein())
}

fn skein() -> Result<ExitCode> {
    let matches = parse(flags(), std::env::args_os())?;
    if matches.subcommand().is_none() {
        answer(&overview())?;
        return Ok(ExitCode::SUCCESS);
    }
    let all: Vec<Command> = commands()
        .into_iter()
        .flat_map(|(_, group)| group)
        .collect();
    one_of(&all, &matches)
}

/// The `main` of a program called `name` that has only this command.
pub(super) fn main_of(command: Command, name: String) -> ExitCode {
    let matches = parse(command.flags.display_name(name), std::env::args_os());
    exit(matches.and_then(|matches| (command.run)(&matches)))
}

/// All flags of all commands.
pub(super) fn flags() -> clap::Command {
    let all = commands().into_iter().flat_map(|(_, group)| group);
    shared(clap::Command::new("skein"))
        .about("Linear-time attention by sketching, and what it is compared with")
        .override_help(overview())
        .subcommands(all.map(|command| command.flags))
}

/// All commands on one screen.
fn overview() -> String {
    let mut text = "\
        Linear-time attention by sketching, and what it is compared with.\n\
        Usage: skein COMMAND [FLAGS]; skein COMMAND --help says more\n"
        .to_string();
    for (group, commands) in commands() {
        for (i, command) in commands.iter().enumerate() {
            let about = command.flags.get_about().map(ToString::to_string);
            let about = about.unwrap_or_default();
            let sentence = about.split(['.', '\n']).next().unwrap_or_default();
            let group = if i == 0 { group } else { "" };
            writeln!(text, "{group:8} {:12} {sentence}", command.flags.get_name())
                .expect("writing to a string");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every command and every command within one, with the words that call it.
    fn all() -> Vec<(String, clap::Command)> {
        fn add(all: &mut Vec<(String, clap::Command)>, path: String, command: &clap::Command) {
            for inner in command.get_subcommands() {
                add(all, format!("{path} {}", inner.get_name()), inner);
            }
            all.push((path, command.clone()));
        }
        let mut all = Vec::new();
        add(&mut all, "skein".into(), &flags());
        all
    }

    #[test]
    fn the_commands_are_sound() {
        flags().debug_assert();
        let names: Vec<String> = all().into_iter().map(|(path, _)| path).collect();
        for name in ["skein text", "skein data get", "skein bench step", "skein"] {
            assert!(names.contains(&name.to_string()), "{names:?}");
        }
    }

    #[test]
    fn the_overview_is_one_screen() {
        let text = overview();
        assert!(text.lines().count() <= 24, "{text}");
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        for command in flags().get_subcommands() {
            let row = text.lines().find(|line| {
                line.get(8..)
                    .is_some_and(|row| row.starts_with(&format!(" {} ", command.get_name())))
            });
            let row = row.unwrap_or_else(|| panic!("{} is not there", command.get_name()));
            assert!(row.chars().count() > 30, "{row}: what is it for?");
        }
    }

    #[test]
    fn help_fits_eighty_columns_and_is_one_text() {
        for (path, command) in all() {
            let of = |flag: &str| {
                let args: Vec<&str> = path.split(' ').chain([flag]).collect();
                flags().try_get_matches_from(args).unwrap_err().render()
            };
            let help = of("--help").to_string();
            assert_eq!(help, of("-h").to_string());
            for line in help.lines() {
                assert!(line.chars().count() <= 80, "{path}: {line}");
            }
            if !command.has_subcommands() {
                let start = format!("\nUsage: {path} ");
                assert!(help.contains(&start), "{help}");
                assert!(help.contains("\nFor example:\n  "), "{help}");
            }
        }
    }

    /// What stands in the help of a command is understood by it.
    #[test]
    fn examples_are_commands() {
        let mut count = 0;
        for (path, command) in all() {
            let notes = command.get_after_help().map(ToString::to_string);
            let notes = notes.unwrap_or_default();
            let Some((_, examples)) = notes.split_once("For example:\n") else {
                continue;
            };
            for example in examples.lines() {
                let (_, said) = example.split_once("skein ").expect(example);
                let said = said.split(" >").next().unwrap().split(" |").next().unwrap();
                let said = format!("skein {said}");
                assert!(said.starts_with(&path), "{path}: {example}");
                let matches = flags().try_get_matches_from(said.split_whitespace());
                if let Err(error) = matches {
                    panic!("{example}: {error}");
                }
                count += 1;
            }
        }
        assert!(count >= 20, "{count}");
    }
}
