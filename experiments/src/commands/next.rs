//! What can be done with a run that has ended: commands to be pasted.

use crate::settings::choices::Task;
use crate::terminal::output::shell_word;
use std::env::consts::EXE_EXTENSION;
use std::path::{Path, PathBuf};

/// What can be done with the run in `folder` now: commands to be pasted, a line each.
pub(super) fn next(task: Task, folder: &Path) -> String {
    let this = std::env::args_os().next().map(PathBuf::from);
    let by_cargo = std::env::var_os("CARGO").is_some();
    commands(task, folder, |name| {
        called(name, this.as_deref().filter(|_| !by_cargo))
    })
}

fn commands(task: Task, folder: &Path, call: impl Fn(&str) -> String) -> String {
    let folder = shell_word(folder);
    let of = |name: &str| format!("{} {folder}", call(name));
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

/// How the program `name` of this package is called, where `this` is how this one was; none if cargo did.
fn called(name: &str, this: Option<&Path>) -> String {
    let beside = this.map(|this| this.with_file_name(name));
    match beside {
        Some(found) if found == Path::new(name) => name.to_string(),
        Some(beside) if beside.with_extension(EXE_EXTENSION).exists() => shell_word(&beside),
        _ => format!("cargo run --release --bin {name} --"),
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
        let by_cargo = |name: &str| called(name, None);
        let told = commands(Task::Text, Path::new("runs/text-skein-s42"), by_cargo);
        let readme = include_str!("../../../README.md");
        assert!(readme.contains(&told), "the README should say\n{told}");
        let report = "run folder      runs/text-skein-s42\nreport          runs/text-skein-s42/report.html\n";
        has(readme, format!("{report}{told}"));
    }

    #[test]
    fn programs_are_called_as_this_one_was() {
        let folder = tempfile::tempdir().unwrap();
        let beside = folder.path().join(format!("table{EXE_SUFFIX}"));
        fs::write(beside, "").unwrap();
        let this = folder.path().join("exp_text");
        let there = folder.path().join("table");
        assert_eq!(
            called("table", Some(&this)),
            there.to_str().unwrap(),
            "beside it"
        );
        let from_cargo = "cargo run --release --bin evaluate --";
        assert_eq!(called("evaluate", Some(&this)), from_cargo, "not built");
        assert_eq!(called("table", Some(Path::new("exp_text"))), "table");
    }

    #[test]
    fn what_is_pasted_is_one_command_a_line() {
        let text = commands(Task::Image, Path::new("my runs/it's"), str::to_string);
        let expected =
            "next, for example:\n  evaluate 'my runs/it'\\''s'\n  table 'my runs/it'\\''s'\n";
        assert_eq!(text, expected);
        let text = commands(Task::Retrieval, Path::new("r"), str::to_string);
        has(&text, "\n  printf 'one paper\\tanother\\n' | predict r\n");
    }
}
