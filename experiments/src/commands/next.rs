//! What can be done with a run that has ended: commands to be pasted.

use crate::settings::choices::Task;
use crate::terminal::output::shell_word;
use std::env::consts::EXE_EXTENSION;
use std::path::{Path, PathBuf};

/// What can be done with the run in `folder` now: commands to be pasted, a line each.
pub(super) fn next(task: Task, folder: &Path) -> String {
    commands(task, folder, &program())
}

/// How `skein` is called, by whoever has called this program.
pub(super) fn program() -> String {
    let this = std::env::args_os().next().map(PathBuf::from);
    let by_cargo = std::env::var_os("CARGO").is_some();
    called(this.as_deref().filter(|_| !by_cargo))
}

fn commands(task: Task, folder: &Path, skein: &str) -> String {
    let folder = shell_word(folder);
    let of = |name: &str| format!("{skein} {name} {folder}");
    let some = task.entry().example;
    let mut text = "next, for example:\n".to_string();
    for command in [
        Some(of("evaluate")),
        some.map(|some| format!("{some} | {}", of("predict"))),
        Some(of("table")),
    ] {
        text.extend(command.map(|command| format!("  {command}\n")));
    }
    text
}

/// How `skein` is called, where `this` is how this program was; none if cargo did.
fn called(this: Option<&Path>) -> String {
    let beside = this.map(|this| this.with_file_name("skein"));
    match beside {
        Some(found) if found == Path::new("skein") => "skein".to_string(),
        Some(beside) if beside.with_extension(EXE_EXTENSION).exists() => shell_word(&beside),
        _ => "cargo run --release --bin skein --".to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::asserts::has;
    use std::env::consts::EXE_SUFFIX;
    use std::fs;

    #[test]
    fn the_readme_ends_a_run_as_the_program_does() {
        let told = commands(Task::Text, Path::new("runs/text-skein-s42"), &called(None));
        let readme = include_str!("../../../README.md");
        assert!(readme.contains(&told), "the README should say\n{told}");
        let report = "run folder      runs/text-skein-s42\nreport          runs/text-skein-s42/report.html\n";
        has(readme, format!("{report}{told}"));
    }

    #[test]
    fn skein_is_called_as_this_program_was() {
        let folder = tempfile::tempdir().unwrap();
        let this = folder.path().join("exp_text");
        let from_cargo = "cargo run --release --bin skein --";
        assert_eq!(called(Some(&this)), from_cargo, "not built");
        assert_eq!(called(None), from_cargo);
        let there = folder.path().join(format!("skein{EXE_SUFFIX}"));
        fs::write(there, "").unwrap();
        let beside = folder.path().join("skein");
        for this in [this, beside.clone()] {
            assert_eq!(called(Some(&this)), beside.to_str().unwrap(), "beside it");
        }
        for this in ["exp_text", "skein"] {
            assert_eq!(called(Some(Path::new(this))), "skein", "on the path");
        }
    }

    #[test]
    fn what_is_pasted_is_one_command_a_line() {
        let text = commands(Task::Image, Path::new("my runs/it's"), "skein");
        let expected = "next, for example:\n  skein evaluate 'my runs/it'\\''s'\n  skein table 'my runs/it'\\''s'\n";
        assert_eq!(text, expected);
        let text = commands(Task::Retrieval, Path::new("r"), "skein");
        has(
            &text,
            "\n  printf 'one paper\\tanother\\n' | skein predict r\n",
        );
    }
}
