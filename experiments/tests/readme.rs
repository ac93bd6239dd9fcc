//! What the README and the other documents say is so: line counts, where gradients stand, the list of methods,
//! commands, links, citations, recipes.
//!
//! Their Rust code is that of examples, and is compiled and run as a doc test of ops.

use crate::support::has;
use models::smoother::Form;
use models::{Model, ModelConfig};
use ops::attention::{LayerShape, Options};
use std::fs;
use std::path::{Path, PathBuf};

const CRATES: [&str; 5] = ["engine", "ops", "models", "datasets", "experiments"];

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn document(name: &str) -> String {
    fs::read_to_string(workspace().join(name)).unwrap()
}

/// The Rust files below a folder, if there is one, with their text.
fn rust_files(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            files.push((path, text));
        }
    }
    files
}

fn lines(folder: &Path) -> usize {
    let files = rust_files(folder);
    files.iter().map(|(_, text)| text.lines().count()).sum()
}

#[test]
fn line_counts_are_within_a_tenth() {
    let readme = document("README.md");
    let mut wrong = String::new();
    for name in CRATES {
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
fn the_readme_is_short() {
    let lines = document("README.md").lines().count();
    assert!(lines <= 160, "{lines} lines: more belongs into docs");
}

#[test]
fn every_operator_is_where_the_document_says() {
    let gradients = document("docs/gradients.md");
    let (_, section) = gradients.split_once("\n## Where the gradient").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let cases = engine::arithmetic::cases().into_iter().chain(ops::cases());
    for operator in cases.map(|case| case.operator) {
        let row = section
            .lines()
            .find(|row| row.contains(&format!("`{operator}`")));
        let row =
            row.unwrap_or_else(|| panic!("docs/gradients.md does not say where {operator} is"));
        let mut words = row.split([' ', '`', '(', ')', '[', ']']);
        let file = words.rfind(|word| word.ends_with(".rs"));
        let file = file.unwrap().replace("NAME", &operator.replace('-', "_"));
        let file = file.trim_start_matches("../");
        has(document(file), format!("\"{operator}\""));
    }
}

#[test]
fn the_methods_are_those_of_the_registry() {
    let text = document("docs/methods.md");
    let methods = experiments::settings::help::methods();
    let block = format!("```text\n{methods}```\n");
    assert!(text.contains(&block), "docs/methods.md should say\n{block}");

    let (_, families) = text.split_once("\n## By family\n").unwrap();
    let (families, _) = families.split_once("\n## ").unwrap();
    let rows: Vec<&str> = families
        .lines()
        .filter(|row| row.starts_with("| ["))
        .collect();
    let entries = ops::attention::registry::<f32>();
    assert_eq!(
        rows.len(),
        entries.len(),
        "a family for every method, and one only"
    );
    let yes = |holds| if holds { "yes" } else { "no" };
    for entry in entries {
        let (name, laws) = (entry.name, entry.laws);
        let row = rows
            .iter()
            .find(|row| row.starts_with(&format!("| [`{name}`](../")));
        let row = row.unwrap_or_else(|| panic!("no family has a row that starts | [`{name}`](../"));
        let cells = format!(
            " | {} | {} | {} | ",
            entry.cites,
            yes(laws.rows_sum_to_one),
            yes(laws.exact_at_full_budget)
        );
        assert!(row.contains(&cells), "{row}\nshould contain\n{cells}");
        let file = row
            .split(['(', ')'])
            .nth(1)
            .unwrap()
            .trim_start_matches("../");
        has(document(file), format!("\"{name}\""));
        has(document("README.md"), format!("`{name}`"));
    }
}

/// Both models have as many parameters, to less than a hidden unit of both layers.
#[test]
fn equal_parameters_are_equal() {
    let text = document("docs/methods.md");
    let (_, section) = text.split_once("\n## Equal parameters\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let numbers = |name: &str, hidden| {
        let config = ModelConfig {
            hidden,
            smoother: (name == "s3").then_some(Form::Paper),
            ..ModelConfig::new(512, 4096, 2, 1)
        };
        let entry = ops::attention::find::<f32>(name).unwrap();
        let method = entry.method(&Options::default());
        // Constants of a layer are no parameters.
        let shape = LayerShape {
            positions: 4096,
            heads: 2,
            head_width: 32,
        };
        let constant = |(name, [rows, cols]): (&str, [usize; 2])| match method.trains(name) {
            true => 0,
            false => rows * cols,
        };
        let constants: usize = method.shapes(shape).into_iter().map(constant).sum();
        Model::numbers(&config, &*method) - 2.0 * constants as f64
    };
    let rows: Vec<&str> = section
        .lines()
        .filter(|row| row.starts_with("| `"))
        .collect();
    assert!(rows.len() > 4, "{rows:?}");
    for row in rows {
        let name = row.split('`').nth(1).unwrap();
        let cell = row.split(" | ").nth(1).unwrap();
        let added: f64 = cell.replace(',', "").parse().unwrap();
        assert_eq!(
            numbers(name, 128) - numbers("skein", 128),
            2.0 * added,
            "{row}"
        );
        let (_, hidden) = row.split_once("--hidden ").unwrap();
        let hidden = hidden.split('`').next().unwrap().parse().unwrap();
        let differ = numbers(name, 128) - numbers("skein", hidden);
        assert!(differ.abs() <= 129.0, "{row}: {differ}");
    }
}

#[test]
fn examples_stand_in_documents_as_they_are() {
    for (name, example) in [
        ("docs/adding-a-method.md", "ops/examples/product.rs"),
        ("docs/gradients.md", "ops/examples/check_your_own.rs"),
    ] {
        let block = format!("```rust\n{}```\n", document(example));
        has(document(name), &block);
    }
}

/// Every recipe of CONTRIBUTING.md counts its files, and those without a NAME are there. Of ops, the
/// recipes of an operator and of a method have the files that mention one that is there.
#[test]
fn recipes_name_the_files_that_a_change_touches() {
    let text = document("CONTRIBUTING.md");
    let mut recipes = Vec::new();
    for section in text.split("\n## ").skip(1) {
        let heading = section.lines().next().unwrap();
        let Some((what, count)) = heading.split_once(": ") else {
            continue;
        };
        let rows = section.lines().filter(|row| row.starts_with("| `"));
        let files: Vec<&str> = rows.map(|row| row.split('`').nth(1).unwrap()).collect();
        assert_eq!(count, format!("{} files", files.len()), "{what}");
        for file in files.iter().filter(|file| !file.contains("NAME")) {
            assert!(workspace().join(file).exists(), "{what}: {file}");
        }
        recipes.push((what, files));
    }
    let of = |recipe: &str| recipes.iter().find(|(what, _)| *what == recipe).unwrap();
    for (recipe, name) in [("An operator", "relu"), ("A method", "bigbird")] {
        let files = of(recipe).1.iter().filter(|file| file.starts_with("ops/"));
        let mut named: Vec<String> = files.map(|file| file.replace("NAME", name)).collect();
        let mut met: Vec<String> = Vec::new();
        let other = |sign: char| !(sign.is_alphanumeric() || sign == '_');
        for folder in ["ops/src", "ops/tests"] {
            for (path, text) in rust_files(&workspace().join(folder)) {
                if text.split(other).any(|word| word == name) {
                    let path = path.strip_prefix(workspace()).unwrap();
                    met.push(path.to_str().unwrap().into());
                }
            }
        }
        named.sort();
        met.sort();
        assert_eq!(named, met, "{recipe}, for example {name}");
    }
    assert_eq!(recipes.len(), 5);
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

/// The README and whatever else is to be read, with its text.
fn documents() -> Vec<(PathBuf, String)> {
    let in_docs = fs::read_dir(workspace().join("docs")).unwrap();
    let in_docs = in_docs.map(|entry| entry.unwrap().path());
    let at_the_root =
        ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|name| workspace().join(name));
    let mut paths: Vec<PathBuf> = in_docs.chain(at_the_root).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    paths.sort();
    let with_text = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        (path, text)
    };
    paths.into_iter().map(with_text).collect()
}

/// The lines of a document that are no code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut code = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        !code && !fence
    })
}

/// What links to the headings of a document say.
fn anchors(text: &str) -> Vec<String> {
    let mut anchors: Vec<String> = Vec::new();
    for heading in prose(text).filter(|line| line.starts_with('#')) {
        let first = anchor(heading.trim_start_matches(['#', ' ']));
        let repeats = anchors.iter().filter(|other| **other == first).count();
        anchors.push(match repeats {
            0 => first,
            _ => format!("{first}-{repeats}"),
        });
    }
    anchors
}

#[test]
fn every_link_leads_to_a_file_and_a_heading_that_are_there() {
    let mut count = 0;
    let mut wrong = Vec::new();
    for (path, text) in documents() {
        for line in prose(&text) {
            let links = line.split("](").skip(1);
            let links = links.filter_map(|rest| rest.split(')').next());
            for link in links.filter(|link| !link.contains("://")) {
                count += 1;
                let (file, part) = link.split_once('#').unwrap_or((link, ""));
                let target = match file {
                    "" => path.clone(),
                    _ => path.parent().unwrap().join(file),
                };
                let there = target.exists()
                    && (part.is_empty()
                        || anchors(&fs::read_to_string(&target).unwrap()).contains(&part.into()));
                if !there {
                    wrong.push(format!("{}: {link}", path.display()));
                }
            }
        }
    }
    assert!(count > 100, "{count} links");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn facts_of_the_paper_are_numbered_in_order_and_comments_cite_those_there_are() {
    let text = document("docs/paper.md");
    let mut facts = Vec::new();
    let (mut chapter, mut number) = (0, 0);
    for line in prose(&text) {
        if let Some(heading) = line.strip_prefix("## ") {
            (chapter, number) = (chapter + 1, 0);
            assert!(heading.starts_with(&format!("{chapter} ")), "{heading}");
        } else if let Some(heading) = line.strip_prefix("### ") {
            number += 1;
            let fact = format!("{chapter}.{number}");
            assert!(
                heading.starts_with(&format!("{fact} ")),
                "{heading}: {fact}"
            );
            facts.push(fact);
        }
    }
    let mut cited = 0;
    for name in CRATES {
        for (path, text) in rust_files(&workspace().join(name)) {
            for rest in text.split("docs/paper.md ").skip(1) {
                let numbers =
                    rest.split(|sign: char| !(sign.is_ascii_digit() || ". ,".contains(sign)));
                let numbers = numbers.into_iter().next().unwrap().split([',', ' ']);
                let numbers = numbers.map(|number| number.trim_end_matches('.'));
                for fact in numbers.filter(|number| !number.is_empty()) {
                    cited += 1;
                    assert!(facts.contains(&fact.into()), "{}: {fact}", path.display());
                }
            }
        }
    }
    assert!(cited >= 8, "{cited} citations");
}

/// Every command that trains on Text, with `--print-config`: its flags are understood and fit together.
#[test]
fn the_commands_for_text_are_understood() {
    let start = "$ cargo run --release --bin skein -- text ";
    let documents = documents();
    let lines = documents.iter().flat_map(|(_, text)| text.lines());
    let commands: Vec<&str> = lines.filter_map(|line| line.strip_prefix(start)).collect();
    assert!(commands.len() >= 2, "{commands:?}");
    for flags in commands {
        let output = crate::skein("text")
            .args(flags.split_whitespace())
            .arg("--print-config")
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{flags}: {told}");
    }
}

/// Whatever command of `skein` a document names, there is.
#[test]
fn every_command_that_is_named_is_there() {
    let names = crate::commands::names();
    let mut count = 0;
    for (path, text) in documents() {
        let text = text
            .replace('\n', " ")
            .replace("cargo run --release --bin skein -- ", "`skein ");
        for rest in text.split("`skein ").skip(1) {
            let word = rest.split([' ', '`']).next().unwrap();
            let named = ["TASK", "COMMAND", "NAME"].contains(&word) || names.contains(&word.into());
            assert!(named, "{}: skein {word}", path.display());
            count += 1;
        }
        // Those of version 0.1.0, which the list of changes names.
        let old = [
            "exp_approx",
            "exp_theory",
            "exp_cost",
            "bench_step",
            "bench_attention",
        ];
        if !path.ends_with("CHANGELOG.md") {
            for old in old {
                assert!(
                    !text.contains(&format!("`{old}")),
                    "{}: {old}",
                    path.display()
                );
            }
        }
    }
    assert!(count > 50, "{count} commands");
}
