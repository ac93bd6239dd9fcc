//! `skein` as one program: its list of commands, wrong ones, completions, manual pages, and that an `exp_*` program is
//! one of its commands.

use std::process::{Command, Output};

fn skein(args: &[&str]) -> Output {
    let mut skein = Command::new(env!("CARGO_BIN_EXE_skein"));
    skein.args(args).output().unwrap()
}

fn printed(output: Output) -> String {
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.is_empty(), "{told}");
    String::from_utf8(output.stdout).unwrap()
}

fn refused(output: Output) -> String {
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(output.stdout.is_empty());
    let lines: Vec<&str> = told.lines().collect();
    assert!(
        lines.len() == 2 && lines[0].starts_with("error: ") && lines[1].starts_with("hint: "),
        "{told}"
    );
    told
}

/// The commands that `skein` lists.
pub(crate) fn names() -> Vec<String> {
    let list = printed(skein(&[]));
    // After what it is for and how it is called.
    let rows = list.lines().skip(2);
    let names = rows.map(|row| row[9..].split(' ').next().unwrap().to_string());
    names.collect()
}

#[test]
fn all_commands_are_on_one_screen() {
    let list = printed(skein(&[]));
    assert_eq!(list, printed(skein(&["--help"])));
    assert_eq!(list, printed(skein(&["help"])));
    assert!(list.lines().count() <= 24, "{list}");
    assert!(
        list.lines().all(|line| line.chars().count() <= 80),
        "{list}"
    );
    let names = names();
    for name in ["text", "sweep", "diff", "data", "approx", "bench", "man"] {
        assert!(names.contains(&name.to_string()), "{names:?}");
    }
    for name in names {
        let help = printed(skein(&[&name, "--help"]));
        assert!(help.contains(&format!("\nUsage: skein {name} ")), "{help}");
        assert_eq!(help, printed(skein(&["help", &name])));
    }
}

#[test]
fn what_is_mistyped_is_one_error_and_a_hint() {
    for (args, expected) in [
        (
            &["swep"][..],
            "unknown command `skein swep`: expected one of text, ",
        ),
        (&["swep"], "hint: did you mean `sweep`? skein --help says"),
        (
            &["exp_cost", "--scale"],
            "did you mean `cost`? skein --help",
        ),
        (
            &["bench"],
            "skein bench: which command? expected one of step, attention\n",
        ),
        (
            &["bench", "setp"],
            "did you mean `step`? skein bench --help says",
        ),
        (&["--attn", "skein"], "unexpected argument '--attn' found"),
        (
            &["text", "--atn", "skein"],
            "a similar argument exists: '--attn'",
        ),
        (&["table", "-1"], "unexpected argument '-1' found"),
        (
            &["theory", "--trials", "-1"],
            "invalid value '-1' for '--trials <N>'",
        ),
        (
            &["diff", "one"],
            "required arguments were not provided: <OTHER>",
        ),
        (
            &["completions", "tcsh"],
            "invalid value 'tcsh' for '<SHELL>'",
        ),
        (
            &["man", "data", "gett"],
            "`skein data gett`: expected one of get, make, ",
        ),
        (&["man", "data", "gett"], "did you mean `get`?"),
    ] {
        let told = refused(skein(args));
        assert!(told.contains(expected), "{args:?}: {told}");
    }
}

#[test]
fn completions_and_manual_pages_are_of_every_command() {
    let names = names();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = printed(skein(&["completions", shell]));
        for name in names
            .iter()
            .map(String::as_str)
            .chain(["verify", "print-config"])
        {
            assert!(script.contains(name), "{shell}: {name}");
        }
    }
    for name in &names {
        let page = printed(skein(&["man", name]));
        assert!(page.starts_with(".ie"), "{page}");
        assert!(page.contains(&format!("\n.TH skein-{name} 1")), "{page}");
    }
    // Every flag that help shows.
    let help = printed(skein(&["table", "--help"]));
    let flags: Vec<&str> = help
        .split_whitespace()
        .filter(|word| word.starts_with("--"))
        .collect();
    assert!(flags.len() > 5, "{flags:?}");
    let page = printed(skein(&["man", "table"])).replace("\\-", "-");
    for flag in flags {
        assert!(page.contains(flag), "{flag}: {page}");
    }
    assert!(printed(skein(&["man"])).contains("skein\\-text"));
    assert!(printed(skein(&["man", "data", "get"])).contains("\\-\\-mirror"));
}

/// bash itself completes by what it is given.
#[cfg(unix)]
#[test]
fn bash_completes_a_command_and_a_flag() {
    let script = printed(skein(&["completions", "bash"]));
    let complete = |words: &str| {
        let last = words.split(' ').count() - 1;
        let ask = format!(
            "{script}\nCOMP_WORDS=({words}); COMP_CWORD={last}\n\
             _skein skein \"${{COMP_WORDS[{last}]}}\" \"${{COMP_WORDS[{last}-1]}}\"\n\
             printf '%s\\n' \"${{COMPREPLY[@]}}\""
        );
        let output = Command::new("bash").args(["-c", &ask]).output();
        output.map(|output| String::from_utf8(output.stdout).unwrap())
    };
    let Ok(swept) = complete("skein sw") else {
        eprintln!("SKIPPED: there is no bash");
        return;
    };
    assert_eq!(swept, "sweep\n");
    assert_eq!(complete("skein text --stop").unwrap(), "--stop-after\n");
    assert_eq!(complete("skein data ve").unwrap(), "verify\n");
}

#[test]
fn exp_text_is_skein_text() {
    let exp_text = |args: &[&str]| {
        let mut exp_text = Command::new(env!("CARGO_BIN_EXE_exp_text"));
        exp_text.args(args).output().unwrap()
    };
    for flags in [
        &["--list"][..],
        &["--print-config", "--data", "builtin", "--seed", "7"],
    ] {
        let args = [&["text"], flags].concat();
        assert_eq!(printed(exp_text(flags)), printed(skein(&args)));
    }
    let help = printed(exp_text(&["--help"]));
    let of_skein = printed(skein(&["text", "--help"]));
    assert_eq!(
        help.replace("Usage: exp_text ", "Usage: skein text "),
        of_skein
    );
    let told = refused(exp_text(&["--steps", "many"]));
    assert_eq!(told, refused(skein(&["text", "--steps", "many"])));
}
