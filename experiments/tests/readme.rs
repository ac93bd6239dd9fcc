//! What the README says is so: line counts, where gradients stand, the list of methods, commands.
//!
//! Its Rust code is compiled and run as a doc test of this crate.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn readme() -> String {
    fs::read_to_string(workspace().join("README.md")).unwrap()
}

/// Lines of the Rust files in a folder, 0 if it is not there.
fn lines(folder: &Path) -> usize {
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    let count = |path: PathBuf| match path.extension() {
        _ if path.is_dir() => lines(&path),
        Some(extension) if extension == "rs" => fs::read_to_string(path).unwrap().lines().count(),
        _ => 0,
    };
    entries.map(|entry| count(entry.unwrap().path())).sum()
}

#[test]
fn line_counts_are_within_a_tenth() {
    let readme = readme();
    let mut wrong = String::new();
    for name in ["engine", "ops", "models", "datasets", "experiments"] {
        let folder = workspace().join(name);
        let src = lines(&folder.join("src"));
        let tests: usize = ["tests", "examples", "benches"]
            .map(|kind| lines(&folder.join(kind)))
            .iter()
            .sum();
        let start = format!("| [{name}]({name}/src/lib.rs) | ");
        let row = readme.lines().find_map(|row| row.strip_prefix(&start));
        let stated: Vec<usize> = row
            .unwrap_or("")
            .split(" | ")
            .take(2)
            .filter_map(|cell| cell.replace(',', "").parse().ok())
            .collect();
        let near = |(stated, counted): (&usize, &usize)| stated.abs_diff(*counted) * 10 <= *counted;
        if stated.len() != 2 || !stated.iter().zip(&[src, tests]).all(near) {
            // To the nearest fifty where that is near enough, with a comma for thousands.
            let [src, tests] = [src, tests].map(|n| {
                let n = if n < 500 { n } else { (n + 25) / 50 * 50 };
                match n / 1000 {
                    0 => n.to_string(),
                    thousands => format!("{thousands},{:03}", n % 1000),
                }
            });
            wrong += &format!("{start}{src} | {tests} | ...\n");
        }
    }
    assert!(wrong.is_empty(), "the README should say\n{wrong}");
}

#[test]
fn every_operator_is_where_the_readme_says() {
    let readme = readme();
    let (_, section) = readme.split_once("\n## Where the gradient").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let cases = engine::arithmetic::cases().into_iter().chain(ops::cases());
    for operator in cases.map(|case| case.operator) {
        let row = section
            .lines()
            .find(|row| row.contains(&format!("`{operator}`")));
        let row = row.unwrap_or_else(|| panic!("the README does not say where {operator} is"));
        let mut words = row.split([' ', '`', '(', ')', '[', ']']);
        let file = words.rfind(|word| word.ends_with(".rs"));
        let file = file.unwrap().replace("NAME", &operator.replace('-', "_"));
        let text = fs::read_to_string(workspace().join(&file)).expect(&file);
        assert!(
            text.contains(&format!("\"{operator}\"")),
            "{operator} is not in {file}"
        );
    }
}

#[test]
fn the_methods_are_those_of_the_registry() {
    let methods = experiments::flags::methods();
    let block = format!("```text\n{methods}```\n");
    assert!(readme().contains(&block), "the README should say\n{block}");
}

/// What a link to a heading says: small letters, hyphens for blanks, no other signs.
fn anchor(heading: &str) -> String {
    let letters = heading.chars().filter_map(|letter| match letter {
        ' ' => Some('-'),
        '-' | '_' => Some(letter),
        _ => letter.is_alphanumeric().then_some(letter),
    });
    letters.collect::<String>().to_lowercase()
}

#[test]
fn every_file_that_is_linked_is_there() {
    let readme = readme();
    let links = readme.split("](").skip(1);
    let links: Vec<&str> = links
        .filter_map(|rest| rest.split(')').next())
        .filter(|link| !link.contains("://"))
        .collect();
    assert!(links.len() > 20, "{links:?}");
    for link in links {
        let (file, part) = link.split_once('#').unwrap_or((link, ""));
        let path = workspace().join(file);
        assert!(path.exists(), "{link}");
        if !part.is_empty() {
            let text = fs::read_to_string(path).unwrap();
            let headings = text.lines().filter(|line| line.starts_with('#'));
            let mut anchors = headings.map(|line| anchor(line.trim_start_matches(['#', ' '])));
            assert!(anchors.any(|anchor| anchor == part), "{link}");
        }
    }
}

/// Every command for exp_text, with `--print-config`: its flags are understood and fit together.
#[test]
fn the_commands_for_exp_text_are_understood() {
    let readme = readme();
    let start = "$ cargo run --release --bin exp_text -- ";
    let commands: Vec<&str> = readme
        .lines()
        .filter_map(|line| line.strip_prefix(start))
        .collect();
    assert!(commands.len() >= 2, "{commands:?}");
    for flags in commands {
        let output = Command::new(env!("CARGO_BIN_EXE_exp_text"))
            .args(flags.split_whitespace())
            .arg("--print-config")
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{flags}: {told}");
    }
}
