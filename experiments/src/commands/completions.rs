//! `skein completions`: what a shell needs to complete the commands and flags of `skein`.

use super::program;
use crate::terminal::error::Result;
use crate::terminal::output::answer;
use clap_complete::aot::{Shell, generate};
use std::process::ExitCode;

/// Prints the completions of a shell
#[derive(clap::Args, Debug)]
struct Flags {
    /// bash, elvish, fish, powershell or zsh
    #[arg(value_name = "SHELL", hide_possible_values = true)]
    shell: Shell,
}

/// `skein completions`.
pub(super) fn command() -> program::Command {
    let example = "skein completions bash > ~/.local/share/bash-completion/completions/skein";
    program::Command::new("completions", example, |flags: Flags| {
        answer(&script(flags.shell)?)?;
        Ok(ExitCode::SUCCESS)
    })
}

fn script(shell: Shell) -> Result<String> {
    let mut script = Vec::new();
    generate(shell, &mut program::flags(), "skein", &mut script);
    Ok(String::from_utf8(script)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn every_command_is_named_in_every_shell() {
        for &shell in Shell::value_variants() {
            let script = script(shell).unwrap();
            for command in program::flags().get_subcommands() {
                let name = command.get_name();
                assert!(script.contains(name), "{shell}: {name}");
            }
            for flag in ["stop-after", "mirror", "print-config"] {
                assert!(script.contains(flag), "{shell}: {flag}");
            }
        }
    }
}
