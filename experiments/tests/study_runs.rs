//! The rooms of runs and tapes of `skein study`: what the server tells of runs, that it reads nothing else, and that the
//! page shows the numbers of `skein explain`.

use crate::study::Server;
use crate::support::{copy, has, names, printed, refused};
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

/// A run of twelve steps of a small model.
fn run(folder: &Path) -> Output {
    let mut run = crate::skein("text");
    run.args(
        "--attn skein --data builtin --budget smoke --steps 12 --eval-every 6 --threads 2"
            .split(' '),
    );
    run.arg("--out").arg(folder).output().unwrap()
}

fn asked(server: &Server, path: &str, question: &Value) -> (u16, Value) {
    let (status, text) = server.post(path, &question.to_string());
    (status, serde_json::from_str(&text).unwrap_or(text.into()))
}

fn answered(server: &Server, path: &str, question: &Value) -> Value {
    let (status, answer) = asked(server, path, question);
    assert_eq!(status, 200, "{path} {question}: {answer}");
    answer
}

/// The answer to what takes time.
fn awaited(server: &Server, path: &str, question: &Value) -> Value {
    let start = Instant::now();
    loop {
        let answer = answered(server, path, question);
        if answer["state"] == "done" {
            return answer;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "{answer}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_run_and_its_tapes_are_told_as_explain_tells_them() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("runs");
    let out = runs.join("grid/one");
    printed(&run(&out));
    let before = names(&out);
    let server = Server::of(&[&runs]);
    let list = answered(&server, "/runs", &json!({}));
    let listed = &list[0];
    let name = listed["name"].as_str().unwrap();
    assert!(name.ends_with("/runs/grid/one"), "{name}");
    for (field, value) in [
        ("task", json!("text")),
        ("attn", json!("skein")),
        ("state", json!("ended")),
        ("done", json!(12)),
        ("steps", json!(12)),
        ("broken", Value::Null),
    ] {
        assert_eq!(listed[field], value, "{field}");
    }
    let result: Value =
        serde_json::from_str(&fs::read_to_string(out.join("result.json")).unwrap()).unwrap();
    assert_eq!(listed["test"], result["test"]);
    let whole = answered(&server, "/run", &json!({ "run": name }));
    assert_eq!(whole["result"], result);
    assert_eq!(whole["settings"]["attn"], "skein");
    assert_eq!(whole["broken"], json!([]));

    // Curves are the lines of metrics.jsonl.
    let metrics = fs::read_to_string(out.join("metrics.jsonl")).unwrap();
    let lines: Vec<Value> = metrics
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |dev: bool, number: &str| -> Vec<Value> {
        let lines = lines.iter().filter(|line| line["dev"].is_null() != dev);
        let lines = lines.map(|line| (line, if dev { &line["dev"] } else { line }));
        lines
            .map(|(line, of)| json!([line["step"], of[number]]))
            .collect()
    };
    let told = answered(&server, "/curves", &json!({ "run": name }));
    let curve = |told: &Value, name: &str| -> Value {
        let curves = told["curves"].as_array().unwrap();
        let found = curves.iter().find(|curve| curve["name"] == name).unwrap();
        found["points"].clone()
    };
    assert_eq!(curve(&told, "loss"), json!(of(false, "loss")));
    assert_eq!(curve(&told, "dev loss"), json!(of(true, "loss")));
    assert_eq!(
        curve(&told, "gradient norm"),
        json!(of(false, "gradient_norm"))
    );
    assert!(told["layers"].as_array().unwrap().len() > 2);
    let part = answered(
        &server,
        "/curves",
        &json!({ "run": name, "from": 3, "to": 5 }),
    );
    assert_eq!(curve(&part, "loss"), json!(of(false, "loss")[2..5]));
    let new = answered(&server, "/curves", &json!({ "run": name, "since": 11 }));
    assert_eq!(curve(&new, "loss"), json!(of(false, "loss")[11..]));

    // The tape is that of explain, whichever way one goes to it.
    let path = out.to_str().unwrap();
    for (step, example) in [(7, 2), (3, 0), (12, 1)] {
        let texts = [step, example].map(|number: usize| number.to_string());
        let mut explain = crate::skein("explain");
        explain.args(["--run", path, "--step", &texts[0], "--example", &texts[1]]);
        let explained: Value =
            serde_json::from_str(&printed(&explain.arg("--json").output().unwrap())).unwrap();
        let question = json!({ "run": name, "step": step, "example": example });
        let answer = awaited(&server, "/tape", &question);
        assert_eq!(answer["tape"], explained, "step {step}");
        assert_eq!(answer["taken"], 12);
        has(
            answer["remarks"].to_string(),
            format!("step {step} replayed: its line is that of "),
        );
        assert!(!answer["shown"][0]["text"].as_str().unwrap().is_empty());
    }
    // Its numbers: a picture of up to 64 x 64, whose norm is that of the node.
    let question = json!({ "run": name, "step": 12, "example": 1 });
    let tape = awaited(&server, "/tape", &question);
    let nodes = tape["tape"]["nodes"].as_array().unwrap();
    let small = nodes.iter().rev().find(|node| {
        let shape = node["shape"].as_array().unwrap();
        let reached = node["gradient_norm"]
            .as_f64()
            .is_some_and(|norm| norm > 0.0);
        reached && shape.iter().all(|length| length.as_u64().unwrap() <= 64)
    });
    let node = small.unwrap();
    let mut question = question.clone();
    question["node"] = node["number"].clone();
    let numbers = awaited(&server, "/tape", &question);
    for (what, norm) in [("value", "value_norm"), ("gradient", "gradient_norm")] {
        let rows = numbers[what]["mean"].as_array().unwrap();
        let squares = rows.iter().flat_map(|row| row.as_array().unwrap());
        let found: f64 = squares.map(|x| x.as_f64().unwrap().powi(2)).sum();
        let norm = node[norm].as_f64().unwrap();
        assert!(
            (found.sqrt() - norm).abs() <= 1e-9 * norm,
            "{what} of {node}"
        );
    }
    // The source at its line.
    let written = &node["written"];
    let source = answered(&server, "/source", written);
    let at = written["line"].as_u64().unwrap() - source["first"].as_u64().unwrap();
    has(source["lines"][at as usize].as_str().unwrap(), "record(");

    // Norms over steps are those of the tapes.
    let question = json!({ "run": name, "first": 6, "last": 8, "example": 2 });
    let scan = awaited(&server, "/scan", &question);
    let tape = awaited(
        &server,
        "/tape",
        &json!({ "run": name, "step": 7, "example": 2 }),
    );
    for (node, norms) in tape["tape"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .zip(scan["scan"]["norms"].as_array().unwrap())
    {
        let norm = node["gradient_norm"].as_f64().unwrap_or(0.0);
        assert_eq!(norms[1].as_f64(), Some(norm), "{node}");
    }

    // The model judged again: the run's own numbers.
    let count = result["test"]["examples"].clone();
    let question = json!({ "run": name, "split": "test", "examples": count });
    let judged = &awaited(&server, "/judge", &question)["judged"];
    for field in ["accuracy", "loss", "examples"] {
        assert_eq!(judged[field], result["test"][field], "{field}");
    }
    let confusion = judged["confusion"].as_array().unwrap();
    let sum = |row: &Value| -> u64 {
        let row = row.as_array().unwrap().iter();
        row.map(|count| count.as_u64().unwrap()).sum()
    };
    assert_eq!(confusion.iter().map(sum).sum::<u64>(), count);
    let right: u64 = (0..2)
        .map(|label| confusion[label][label].as_u64().unwrap())
        .sum();
    assert_eq!(
        right as f64 / count.as_f64().unwrap(),
        result["test"]["accuracy"].as_f64().unwrap()
    );
    assert_eq!(names(&out), before, "nothing is written");
    the_page_shows(&server, name);
}

/// What a browser shows of the rooms.
fn the_page_shows(server: &Server, name: &str) {
    let Some(room) = server.opened(&format!("#run&run={}", name.replace('/', "%2F"))) else {
        return;
    };
    has(&room, "data-done=\"12\"");
    has(&room, "data-curves=\"Loss\"");
    let question = json!({ "run": name, "step": 7, "example": 2 });
    let tape = awaited(server, "/tape", &question);
    let node = &tape["tape"]["nodes"].as_array().unwrap().last().unwrap()["number"];
    let hash = format!(
        "#tape&run={}&step=7&example=2&node={node}",
        name.replace('/', "%2F")
    );
    let shown = server.opened(&hash).unwrap();
    let number = |before: &str| {
        let (_, rest) = shown
            .split_once(before)
            .unwrap_or_else(|| panic!("no {before}: {shown}"));
        let (_, value) = rest.split_once("value=\"").unwrap();
        value.split_once('"').unwrap().0.parse::<f64>().ok()
    };
    for node in tape["tape"]["nodes"].as_array().unwrap() {
        let row = format!("data-node=\"{}\"", node["number"]);
        let norm = node["gradient_norm"].as_f64();
        if norm.is_some() {
            assert_eq!(number(&row), norm, "{node}");
        }
    }
    let (before, _) = shown.split_once("id=\"loss\"").unwrap();
    let (_, loss) = before.rsplit_once("<data value=\"").unwrap();
    let (loss, _) = loss.split_once('"').unwrap();
    assert_eq!(loss.parse().ok(), tape["tape"]["loss"].as_f64());
    // The last node is one number, its norm without its sign.
    let last = &tape["tape"]["nodes"].as_array().unwrap()[node.as_u64().unwrap() as usize];
    let value = number("data-matrix=\"node.value\"").unwrap();
    assert_eq!(Some(value.abs()), last["value_norm"].as_f64());
    let gradient = number("data-matrix=\"node.gradient\"").unwrap();
    assert_eq!(Some(gradient.abs()), last["gradient_norm"].as_f64());
    has(&shown, "class=\"here\"");
}

#[test]
fn what_is_not_in_the_list_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("runs");
    fs::create_dir_all(runs.join("a")).unwrap();
    fs::create_dir_all(folder.path().join("beside")).unwrap();
    for run in [runs.join("a"), folder.path().join("beside")] {
        fs::write(run.join("config.toml"), "").unwrap();
    }
    let server = Server::of(&[&runs]);
    let name = |tail: &str| format!("{}/{tail}", runs.display());
    for wrong in [
        name("../beside"),
        name("a/.."),
        folder.path().join("beside").display().to_string(),
        "/etc".into(),
        "..".into(),
        String::new(),
        "a\u{0}b".into(),
    ] {
        for (path, more) in [
            ("/run", json!({})),
            ("/curves", json!({})),
            ("/tape", json!({ "step": 1 })),
            ("/scan", json!({ "first": 1, "last": 2 })),
            ("/judge", json!({ "split": "test", "examples": 1 })),
        ] {
            let mut question = more;
            question["run"] = json!(wrong);
            let (status, told) = server.post(path, &question.to_string());
            assert_eq!(status, 404, "{path} {question}: {told}");
            has(&told, "there is no such run in the list");
            assert!(!told.contains('\n'), "{told}");
        }
    }
    for (file, line) in [
        ("ops/src/../../Cargo.toml", 1),
        ("/etc/passwd", 1),
        ("ops/src/linear.rs", 0),
    ] {
        let question = json!({ "file": file, "line": line });
        assert_eq!(asked(&server, "/source", &question).0, 404, "{question}");
    }
    for (path, question) in [
        ("/runs", "{\"run\": 1}"),
        ("/tape", "{"),
        ("/tape", "{\"run\": \"a\"}"),
        ("/curves", "{\"run\": \"a\", \"from\": -1}"),
    ] {
        let (status, told) = server.post(path, question);
        assert_eq!(status, 400, "{path} {question}: {told}");
        assert!(!told.contains('\n') && !told.is_empty(), "{told:?}");
    }
    let gone = crate::skein("study")
        .arg("no-such-folder")
        .output()
        .unwrap();
    has(refused(&gone, 2), "no-such-folder: expected a folder");
}

#[test]
fn a_run_that_is_broken_is_said_in_a_sentence_and_one_that_grows_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("runs");
    let out = runs.join("whole");
    printed(&run(&out));
    for broken in ["empty", "lost", "strange", "growing"] {
        copy(&out, &runs.join(broken));
    }
    fs::write(runs.join("empty/metrics.jsonl"), "").unwrap();
    fs::remove_file(runs.join("empty/result.json")).unwrap();
    fs::remove_file(runs.join("lost/config.toml")).unwrap();
    fs::write(runs.join("strange/config.toml"), "steps = \"many\"\n").unwrap();
    fs::write(runs.join("strange/metrics.jsonl"), "no line\n").unwrap();
    let growing = runs.join("growing/metrics.jsonl");
    fs::remove_file(runs.join("growing/result.json")).unwrap();
    let text = fs::read_to_string(&growing).unwrap();
    let half = text.len() / 2;
    fs::write(&growing, &text[..half]).unwrap();

    let server = Server::of(&[&runs]);
    let list = answered(&server, "/runs", &json!({}));
    let listed = |name: &str| {
        let list = list.as_array().unwrap().iter();
        let end = format!("/{name}");
        let mut found = list.filter(|run| run["name"].as_str().unwrap().ends_with(&end));
        found.next().unwrap().clone()
    };
    let name = |run: &str| listed(run)["name"].as_str().unwrap().to_string();
    assert_eq!(listed("empty")["done"], 0);
    assert_eq!(listed("empty")["loss"], Value::Null);
    for (run, words) in [
        ("lost", "it has no config.toml"),
        ("strange", "config.toml:1"),
    ] {
        let broken = listed(run)["broken"].as_str().unwrap().to_string();
        has(&broken, words);
        assert!(!broken.contains('\n'), "{broken}");
        let told = answered(&server, "/run", &json!({ "run": name(run) }));
        has(told["broken"][0].as_str().unwrap(), words);
    }
    // Nothing to draw is no failure; what is no line is one.
    let told = answered(&server, "/curves", &json!({ "run": name("empty") }));
    assert_eq!(told["done"], 0);
    let (status, told) = asked(&server, "/curves", &json!({ "run": name("strange") }));
    assert_eq!(status, 400);
    has(
        told.as_str().unwrap(),
        "metrics.jsonl:1: expected a line of the run",
    );
    let question = json!({ "run": name("empty"), "step": 1 });
    let start = Instant::now();
    let told = loop {
        let (status, told) = asked(&server, "/tape", &question);
        if status != 200 {
            break told;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "{told}");
        std::thread::sleep(Duration::from_millis(20));
    };
    has(told.as_str().unwrap(), "step 1: expected 1 to 0");

    // Half a line waits for the rest.
    let question = json!({ "run": name("growing") });
    let first = answered(&server, "/curves", &question);
    let done = first["done"].as_u64().unwrap() as usize;
    assert_eq!(listed("growing")["done"], done);
    let whole = |text: &str| {
        let lines = text.matches('\n').count();
        lines - text.matches("\"dev\":").count()
    };
    let end = text[..half].rfind('\n').unwrap() + 1;
    assert_eq!(done, whole(&text[..end]));
    let mut file = fs::OpenOptions::new().append(true).open(&growing).unwrap();
    file.write_all(&text.as_bytes()[half..]).unwrap();
    let mut question = question.clone();
    question["since"] = json!(done);
    let rest = answered(&server, "/curves", &question);
    assert_eq!(rest["done"], 12);
    let points = rest["curves"][0]["points"].as_array().unwrap();
    assert_eq!(points.len(), 12 - done);
    assert_eq!(points[0][0], done + 1);
}
