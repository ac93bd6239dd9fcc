//! `skein man`: the manual pages of `skein` and its commands.

use super::program;
use crate::terminal::command_line::which_command;
use crate::terminal::error::Result;
use crate::terminal::output::answer;
use clap_mangen::Man;
use std::process::ExitCode;

/// Prints the manual page of a command
#[derive(clap::Args, Debug)]
struct Flags {
    /// Its name, such as `text` or `data get` [default: skein itself]
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,
}

/// `skein man`.
pub(super) fn command() -> program::Command {
    let example = "skein man text | man -l -\nskein man data get > skein-data-get.1";
    program::Command::new("man", example, |flags: Flags| {
        answer(&page(&flags.command)?)?;
        Ok(ExitCode::SUCCESS)
    })
}

/// The page of the command with these names, in the language of `man`.
fn page(names: &[String]) -> Result<String> {
    let mut all = program::flags();
    all.build();
    let mut command = &all;
    for name in names {
        command = match command.find_subcommand(name) {
            Some(inner) => inner,
            None => return Err(which_command(&all, names)),
        };
    }
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page)?;
    Ok(String::from_utf8(page)?)
}
