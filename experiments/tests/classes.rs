//! Texts of three classes from the folder to the answers: trained, judged, predicted.

use crate::support::{has, printed, refused, stderr, write_texts};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Output, Stdio};

const CLASSES: [&str; 3] = ["politics", "sport", "weather"];

fn write(folder: &Path, classes: &[&str]) {
    write_texts(folder, [30, 30], classes, |half, class, i| {
        format!("{half}: {class} number {i}").into_bytes()
    });
}

fn run(name: &str, folder: &Path, args: &str, input: &str) -> Output {
    let mut command = crate::skein(name);
    command.current_dir(folder).args(args.split_whitespace());
    command.stdin(Stdio::piped());
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    child.wait_with_output().unwrap()
}

#[test]
fn three_classes_are_learnt_judged_and_named() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path();
    write(&folder.join("texts"), &CLASSES);
    let train = "--data texts --budget smoke --steps 2 --warmup 1 --eval-every 1 --batch 4 \
                 --eval-examples 6 --test-examples 0 --max-len 32 --features 8 --threads 1 --out run";
    let output = run("text", folder, train, "");
    printed(&output);
    let told = stderr(&output);
    has(&told, "train: 90 texts (30 politics, 30 sport, 30 weather)");
    let data = fs::read_to_string(folder.join("run/data.json")).unwrap();
    let data: serde_json::Value = serde_json::from_str(&data).unwrap();
    assert_eq!(data["classes"], serde_json::json!(CLASSES));

    let judged = run("evaluate", folder, "run", "");
    let page = printed(&judged);
    let heads: Vec<&str> = page
        .lines()
        .filter(|line| line.starts_with("is "))
        .collect();
    let heads: Vec<&str> = heads[0].split_whitespace().collect();
    assert_eq!(heads, ["is", "politics", "sport", "weather", "found"]);
    has(&page, "test, 90 examples");

    let predicted = run("predict", folder, "run", "rain\n");
    let answer = printed(&predicted);
    let fields: Vec<&str> = answer.trim_end().split('\t').collect();
    assert!(CLASSES.contains(&fields[0]), "{answer}");
    let probabilities = fields[1..].iter().zip(CLASSES).map(|(field, class)| {
        let (name, probability) = field.split_once(' ').unwrap();
        assert_eq!(name, class);
        probability.parse::<f64>().unwrap()
    });
    assert!((probabilities.sum::<f64>() - 1.0).abs() < 1e-3, "{answer}");

    // What it has learnt are these, in this order.
    write(&folder.join("others"), &["politics", "sport"]);
    let others = run("evaluate", folder, "run --data others", "");
    let told = refused(&others, 1);
    has(
        &told,
        "are politics, sport; expected those that the model has learnt, politics, sport, weather",
    );
}
