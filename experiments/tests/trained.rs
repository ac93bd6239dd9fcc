//! `evaluate` and `predict` from outside: the numbers of the run come out again, to the last digit; pipes; what is
//! wrong is said in a line.

use crate::support::{copy, has, printed, write_texts};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

fn command(name: &str, args: &[&str]) -> Command {
    let mut command = crate::skein(name);
    command.args(args);
    command.stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// One line that says what was wrong, and one that says what to do; before them there may be a note.
fn refused(output: &Output, code: i32) -> String {
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{told}");
    let lines: Vec<&str> = told
        .lines()
        .filter(|line| !line.starts_with("note: "))
        .collect();
    assert!(
        lines.len() == 2 && lines[0].starts_with("error: ") && lines[1].starts_with("hint: "),
        "{told}"
    );
    told
}

fn evaluate(run: &Path, flags: &str) -> Output {
    let mut args = vec![run.to_str().unwrap()];
    args.extend(flags.split_whitespace());
    command("evaluate", &args).output().unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_str(&printed(output)).unwrap()
}

fn predict(run: &Path, flags: &str, input: &[u8]) -> Output {
    let mut args = vec![run.to_str().unwrap()];
    args.extend(flags.split_whitespace());
    let mut command = command("predict", &args);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // Who finds a mistake stops reading.
    let _ = stdin.write_all(input);
    drop(stdin);
    child.wait_with_output().unwrap()
}

/// Reviews: 80 to learn from, 20 to be tested on; the words of the classes differ, and so do the texts of two
/// `letters`.
fn write_reviews(folder: &Path, letters: [&str; 2]) {
    write_texts(folder, [40, 10], &["neg", "pos"], |half, class, i| {
        let letters = letters[usize::from(class == "pos")];
        let word = letters.chars().cycle().skip(i % 7);
        let text: String = word.take(20 + i).collect();
        format!("{text} {i} {half}").into_bytes()
    });
}

/// A run of each protocol, and the folder of its texts. Not all examples are evaluated, and few steps are made, so that
/// not all of them are right.
fn runs() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("trained");
        let _ = fs::remove_dir_all(&folder);
        write_reviews(&folder.join("texts"), ["nop qrs tuv", "abc nop def"]);
        for protocol in ["clean", "paper"] {
            train(&folder.join(protocol), &folder.join("texts"), protocol);
        }
        folder
    })
}

fn train(out: &Path, texts: &Path, protocol: &str) {
    train_until(out, texts, protocol, "9");
}

fn train_until(out: &Path, texts: &Path, protocol: &str, step: &str) {
    let flags = "--budget smoke --steps 9 --warmup 2 --lr 3e-3 --eval-every 2 --eval-examples 5 --batch 4 \
                 --test-examples 14 --max-len 32 --features 8 --protocol";
    let mut args: Vec<&str> = flags.split_whitespace().collect();
    let paths = [texts.to_str().unwrap(), out.to_str().unwrap()];
    args.extend([protocol, "--data", paths[0], "--out", paths[1]]);
    args.extend(["--stop-after", step]);
    printed(&command("text", &args).output().unwrap());
}

fn result(run: &Path) -> Value {
    serde_json::from_slice(&fs::read(run.join("result.json")).unwrap()).unwrap()
}

fn assert_same(got: &Value, expected: &Value) {
    for field in ["loss", "accuracy", "examples"] {
        assert!(expected[field].is_number());
        assert_eq!(got[field], expected[field], "{field}");
    }
}

#[test]
fn the_numbers_of_the_run_come_out_again() {
    for protocol in ["clean", "paper"] {
        let run = runs().join(protocol);
        let outcome = result(&run);
        let test = json(&evaluate(&run, "--json --threads 3"));
        assert_same(&test, &outcome["test"]);
        assert_eq!(test["data_sha256"], outcome["data_sha256"]);
        let confusion = test["confusion"].as_array().unwrap();
        let cell = |i: usize, j: usize| confusion[i][j].as_u64().unwrap();
        assert_eq!(cell(0, 0) + cell(0, 1) + cell(1, 0) + cell(1, 1), 14);
        let right = (cell(0, 0) + cell(1, 1)) as f64 / 14.0;
        assert_eq!(test["accuracy"].as_f64().unwrap(), right);

        let dev = json(&evaluate(&run, "--json --split dev --weights best"));
        assert_same(&dev, &outcome["best_dev"]);
        let file = run.join("weights.safetensors");
        let exchanged = evaluate(&run, &format!("--json --weights {}", file.display()));
        assert_same(&json(&exchanged), &outcome["test"]);

        let last = json(&evaluate(&run, "--json --weights last --split dev"));
        let metrics = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
        let line = metrics
            .lines()
            .rfind(|line| line.contains("\"dev\""))
            .unwrap();
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(last["loss"], line["dev"]["loss"]);
    }
}

/// What a process leaves that is killed between a checkpoint and the best weights that it knows of.
#[test]
fn best_weights_that_are_older_than_the_checkpoint_says_are_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let [run, stopped] = ["run", "stopped"].map(|name| folder.path().join(name));
    copy(&runs().join("clean"), &run);
    let best = result(&run)["tested_weights_of_step"].as_u64().unwrap();
    assert!(best > 2, "{best}");
    train_until(&stopped, &runs().join("texts"), "clean", "2");
    fs::copy(stopped.join("best.bin"), run.join("best.bin")).unwrap();
    if best == 9 {
        // They are in the checkpoint.
        assert_same(&json(&evaluate(&run, "--json")), &result(&run)["test"]);
    } else {
        let told = refused(&evaluate(&run, ""), 1);
        has(&told, "best.bin holds the weights of step 2");
    }
}

#[test]
fn any_split_of_any_data_can_be_judged() {
    let run = runs().join("clean");
    let train = json(&evaluate(&run, "--json --split train --examples 0"));
    assert!(train["examples"].as_u64().unwrap() > 60, "{train}");
    assert_eq!(train["split"], "train");

    let other = tempfile::tempdir().unwrap();
    write_reviews(other.path(), ["xyz", "abc"]);
    let data = other.path().to_str().unwrap();
    let judged = json(&evaluate(
        &run,
        &format!("--json --examples 0 --data {data}"),
    ));
    assert_eq!(judged["examples"], 20);
    assert_ne!(judged["data_sha256"], result(&run)["data_sha256"]);

    let page = printed(&evaluate(&run, ""));
    for part in [
        "model     skein, features 8, seed 42\n",
        "weights   the best on dev, after step ",
        "split     test, 14 of 20 examples\n",
        "\nis ",
        "\nright ",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let short = page.lines().filter(|line| !line.starts_with("data "));
    assert!(short.clone().all(|line| line.len() <= 80), "{page}");
}

/// Labels are numbers: what they mean is what the run has learnt.
#[test]
fn data_of_other_classes_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    copy(&runs().join("clean"), &run);
    let path = run.join("data.json");
    let written = fs::read_to_string(&path).unwrap();
    let mut report: Value = serde_json::from_str(&written).unwrap();
    assert_eq!(report["classes"], serde_json::json!(["neg", "pos"]));
    let learnt = |report: &mut Value, classes: &[&str]| {
        report["classes"] = serde_json::json!(classes);
        fs::write(&path, report.to_string()).unwrap();
    };
    let texts = runs().join("texts");
    let weights = run.join("weights.safetensors");
    for classes in [
        &["bad", "good"][..],
        &["pos", "neg"],
        &["neg", "so-so", "pos"],
    ] {
        learnt(&mut report, classes);
        let expected = format!(
            "the classes of the data are neg, pos; expected those that the model has learnt, {}\n",
            classes.join(", ")
        );
        for flags in [
            "".to_string(),
            format!("--data {}", texts.display()),
            format!("--weights {}", weights.display()),
        ] {
            let output = evaluate(&run, &flags);
            assert_eq!(output.stdout, b"");
            let told = refused(&output, 1);
            assert!(told.contains(&expected), "{told}");
        }
    }
    // Answers are named as they were learnt.
    learnt(&mut report, &["bad", "good"]);
    let labels = printed(&predict(&run, "", b"abc\n"));
    assert!(
        labels.contains("\tbad ") && labels.contains("\tgood "),
        "{labels}"
    );
    // Nor does a run go on with other classes.
    fs::remove_file(run.join("result.json")).unwrap();
    let resume = ["--resume", run.to_str().unwrap()];
    let resume = || command("text", &resume).output().unwrap();
    let told = text(&resume().stderr);
    has(
        &told,
        "expected those that the model has learnt, bad, good\n",
    );

    // Older runs do not say theirs.
    fs::remove_file(&path).unwrap();
    let unknown = "note: unknown which classes the run has learnt: taken to be ";
    for output in [evaluate(&run, "--json"), predict(&run, "", b"abc\n")] {
        printed(&output);
        let told = text(&output.stderr);
        assert!(told.contains(&format!("{unknown}neg, pos\n")), "{told}");
    }
    printed(&resume());
    assert_eq!(fs::read_to_string(&path).unwrap(), written);
}

/// What data a run has is known without its checkpoints, too.
#[test]
fn other_data_are_refused_without_checkpoints() {
    let folder = tempfile::tempdir().unwrap();
    let [run, texts] = ["run", "texts"].map(|name| folder.path().join(name));
    write_reviews(&texts, ["nop", "abc"]);
    train(&run, &texts, "clean");
    for file in ["best.bin", "checkpoint-8.bin", "checkpoint-9.bin"] {
        fs::remove_file(run.join(file)).unwrap();
    }
    let flags = format!(
        "--json --weights {}",
        run.join("weights.safetensors").display()
    );
    assert_same(&json(&evaluate(&run, &flags)), &result(&run)["test"]);
    write_reviews(&texts, ["xyz", "abc"]);
    let told = refused(&evaluate(&run, &flags), 1);
    assert!(
        told.contains("the data have changed since this run began"),
        "{told}"
    );
    fs::remove_file(run.join("data.json")).unwrap();
    let output = evaluate(&run, &flags);
    printed(&output);
    let note = "note: without its checkpoints it is not known whether the data are the run's\n";
    assert!(text(&output.stderr).contains(note));
}

#[test]
fn weights_of_another_model_or_data_of_another_run_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let told = refused(&evaluate(folder.path(), ""), 2);
    assert!(told.contains("is not the folder of a run"), "{told}");
    let told = refused(&evaluate(&runs().join("clean"), "--split all"), 2);
    assert!(told.contains("'all'"), "{told}");

    let run = folder.path().join("run");
    copy(&runs().join("clean"), &run);
    let settings = fs::read_to_string(run.join("config.toml")).unwrap();
    // As many parameters, another model.
    let other = settings.replace("\"skein\"", "\"skein-uniform\"");
    fs::write(run.join("config.toml"), other).unwrap();
    let file = run.join("weights.safetensors");
    for weights in ["best", "last", file.to_str().unwrap()] {
        let told = refused(&evaluate(&run, &format!("--weights {weights}")), 2);
        assert!(told.contains("expected `attn = \"skein\"`"), "{told}");
        let told = refused(&predict(&run, &format!("--weights {weights}"), b"abc\n"), 2);
        assert!(told.contains("expected `attn = \"skein\"`"), "{told}");
    }
    fs::write(run.join("config.toml"), &settings).unwrap();
    let bytes = fs::read(run.join("best.bin")).unwrap();
    fs::write(run.join("best.bin"), &bytes[..bytes.len() - 1]).unwrap();
    let output = evaluate(&run, "");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("best.bin is damaged: truncated"));
    let told = refused(&evaluate(&run, "--weights best.bin"), 2);
    assert!(told.contains("a .safetensors file"), "{told}");

    let linformer = folder.path().join("other.safetensors");
    let weights = fs::read(run.join("weights.safetensors")).unwrap();
    fs::write(&linformer, &weights[..weights.len() - 4]).unwrap();
    let output = evaluate(&run, &format!("--weights {}", linformer.display()));
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("not a safetensors file"));

    let moved = folder.path().join("texts");
    write_reviews(&moved, ["abc", "xyz"]);
    let data = format!("data = {}", toml::Value::from(moved.to_str().unwrap()));
    let was = settings.lines().find(|line| line.starts_with("data = "));
    fs::write(
        run.join("config.toml"),
        settings.replace(was.unwrap(), &data),
    )
    .unwrap();
    let told = refused(&evaluate(&run, "--weights last"), 1);
    has(&told, "the data have changed since this run began");
    fs::remove_dir_all(&moved).unwrap();
    let told = refused(&evaluate(&run, "--weights last"), 1);
    has(&told, "hint: the data of the run have gone");
}

/// The texts of the test split, in its order, a line each.
fn test_lines() -> String {
    let mut lines = String::new();
    for class in ["neg", "pos"] {
        for i in 0..10 {
            let file = runs().join(format!("texts/test/{class}/{i:02}.txt"));
            lines += &fs::read_to_string(file).unwrap();
            lines.push('\n');
        }
    }
    lines
}

#[test]
fn the_texts_of_the_test_get_what_they_got_there() {
    let run = runs().join("clean");
    let test = json(&evaluate(&run, "--json --examples 0"));
    let plain = printed(&predict(&run, "", test_lines().as_bytes()));
    let labels: Vec<&str> = plain
        .lines()
        .map(|line| line.split('\t').next().unwrap())
        .collect();
    let mut confusion = [[0u64; 2]; 2];
    for (i, label) in labels.iter().enumerate() {
        confusion[i / 10][usize::from(*label == "pos")] += 1;
    }
    assert_eq!(test["confusion"], serde_json::json!(confusion));

    // Loss, from the probabilities.
    let lines = printed(&predict(&run, "--format jsonl", test_lines().as_bytes()));
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |(i, line): (usize, &Value)| {
        assert_eq!(line["input"], (i + 1).to_string());
        assert_eq!(line["label"], labels[i]);
        line["probabilities"][["neg", "pos"][i / 10]]
            .as_f64()
            .unwrap()
    };
    let loss = -lines.iter().enumerate().map(of).map(f64::ln).sum::<f64>() / 20.0;
    let expected = test["loss"].as_f64().unwrap();
    assert!((loss - expected).abs() < 1e-6, "{loss} {expected}");

    let csv = printed(&predict(
        &run,
        "--format csv --threads 1",
        test_lines().as_bytes(),
    ));
    let rows: Vec<&str> = csv.lines().collect();
    assert_eq!((rows.len(), rows[0]), (21, "input,label,neg,pos"));
    let first: Vec<&str> = rows[1].split(',').collect();
    let p: f64 = first[2].parse().unwrap();
    assert_eq!(p, lines[0]["probabilities"]["neg"].as_f64().unwrap());
}

#[test]
fn files_are_read_by_lines_or_whole() {
    let run = runs().join("clean");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("two.txt");
    fs::write(&file, "abc def\r\nnop").unwrap();
    let path = file.to_str().unwrap();
    let lines = printed(&predict(&run, path, b""));
    assert_eq!(lines, printed(&predict(&run, "-", b"abc def\nnop\n")));
    assert_eq!(lines.lines().count(), 2);
    let whole = printed(&predict(&run, &format!("--whole --format csv {path}"), b""));
    assert_eq!(whole.lines().count(), 2);
    assert!(
        whole
            .lines()
            .nth(1)
            .unwrap()
            .starts_with(&format!("{path},")),
        "{whole}"
    );
    let told = text(&predict(&run, "nowhere.txt", b"").stderr);
    assert!(told.contains("cannot read nowhere.txt"), "{told}");
}

#[test]
fn a_bad_line_is_named_after_the_answers_before_it() {
    let run = runs().join("clean");
    let output = predict(&run, "", b"abc\ndef\n\nghi\n");
    assert_eq!(text(&output.stdout).lines().count(), 2);
    let told = refused(&output, 1);
    assert!(
        told.starts_with("error: standard input, line 3: the line is empty"),
        "{told}"
    );
    for (input, wrong) in [
        (&b"abc\nde\0f\n"[..], "line 2: a NUL at byte 3"),
        (
            b"abc\nde\rf\n",
            "line 2: \\r at byte 3, and no line break follows",
        ),
    ] {
        let output = predict(&run, "", input);
        assert_eq!(text(&output.stdout).lines().count(), 1);
        let told = refused(&output, 1);
        assert!(told.contains(wrong), "{told}");
    }
    for nothing in [&b""[..], b"\n\r\n", b"\xef\xbb\xbf"] {
        assert_eq!(printed(&predict(&run, "", nothing)), "");
    }
}

/// What comes through a pipe is answered although an empty line follows, which may be the last.
#[test]
fn a_mark_and_empty_lines_at_the_end_are_passed_over() {
    use std::io::{BufRead, BufReader};
    let run = runs().join("clean");
    let plain = printed(&predict(&run, "--format csv", b"abc def\nnop\n"));
    let around = b"\xef\xbb\xbfabc def\r\nnop\r\n\r\n\n";
    assert_eq!(printed(&predict(&run, "--format csv", around)), plain);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("two.txt");
    fs::write(&file, around).unwrap();
    let path = file.to_str().unwrap();
    let files = printed(&predict(&run, &format!("{path} {path}"), b""));
    assert_eq!(files.lines().count(), 4);

    let mut command = command("predict", &[run.to_str().unwrap()]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"abc def\n\n").unwrap();
    let mut answer = String::new();
    let mut answers = BufReader::new(child.stdout.take().unwrap());
    answers.read_line(&mut answer).unwrap();
    assert!(answer.contains('\t'), "{answer}");
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

/// Names that would move the cursor are shown as escapes, on every output.
#[test]
fn names_reach_the_terminal_escaped() {
    let name = "\u{fc}\x1b[2J\n\u{202e}";
    let shown = "\u{fc}\\x1b[2J\\n\\u{202e}";
    let folder = tempfile::tempdir().unwrap();
    let outer = folder.path().join(name);
    fs::create_dir(&outer).unwrap();
    let (run, texts) = (outer.join("run"), outer.join("texts"));
    write_reviews(&texts, ["nop qrs tuv", "abc nop def"]);
    let flags =
        "--budget smoke --steps 2 --warmup 1 --batch 2 --max-len 32 --attn vmean --eval-examples 2";
    let mut args: Vec<&str> = flags.split_whitespace().collect();
    args.extend(["--test-examples", "2", "--data", texts.to_str().unwrap()]);
    args.extend(["--out", run.to_str().unwrap()]);
    let trained = command("text", &args).output().unwrap();
    let file = outer.join("lines");
    fs::write(&file, "abc\n").unwrap();
    let [run, texts, file] = [&run, &texts, &file].map(|path| path.to_str().unwrap());
    let call = |name: &str, args: &[&str]| command(name, args).output().unwrap();
    for (output, code) in [
        (trained, 0),
        (call("evaluate", &[run]), 0),
        (call("predict", &[run, "--format", "csv", file]), 0),
        (
            call(
                "predict",
                &[run, "--format", "csv", outer.join("none").to_str().unwrap()],
            ),
            1,
        ),
        (call("table", &[outer.to_str().unwrap()]), 0),
        (call("table", &[texts]), 2),
        (call("data", &["verify", "text", texts]), 0),
        (call("data", &["show", "text", "--data", texts]), 0),
        (call("data", &["verify", "listops", texts]), 1),
        (call("report", &[run]), 0),
    ] {
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        let all = stdout + &stderr;
        assert!(!all.contains(['\x1b', '\u{202e}']), "{all:?}");
        assert!(all.contains(shown), "{all:?}");
    }
    // A program that reads JSON or TOML finds the name itself.
    let config = printed(&call("text", &["--print-config", "--data", texts]));
    assert!(!config.contains(['\x1b', '\u{202e}']), "{config:?}");
    let config: toml::Table = config.parse().unwrap();
    assert_eq!(config["data"].as_str(), Some(texts));
    let output = call("predict", &[run, "--format", "jsonl", file]);
    let line = printed(&output);
    assert!(!line.contains(['\x1b', '\u{202e}']), "{line:?}");
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["input"], format!("{file}:1"));
}

#[test]
fn a_pipe_is_answered_while_it_is_open_and_may_be_closed() {
    use std::io::{BufRead, BufReader};
    let run = runs().join("clean");
    let mut command = command("predict", &[run.to_str().unwrap()]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap());
    for _ in 0..2 {
        stdin.write_all(b"abc def\n").unwrap();
        let mut answer = String::new();
        answers.read_line(&mut answer).unwrap();
        assert!(
            answer.starts_with("pos\t") || answer.starts_with("neg\t"),
            "{answer}"
        );
    }
    drop(answers);
    // Answers go nowhere now; until that is noticed, lines are taken.
    while stdin.write_all(b"abc def\n").is_ok() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), text(&output.stderr)),
        (Some(0), String::new())
    );
}

/// One step of each other task, on what is built in.
#[test]
fn every_task_has_its_inputs() {
    let folder = tempfile::tempdir().unwrap();
    let run = |task: &str, binary: &str| {
        let out = folder.path().join(task);
        let flags = "--data builtin --budget smoke --batch 2 --attn vmean --stop-after 1 --out";
        let mut args: Vec<&str> = flags.split_whitespace().collect();
        args.push(out.to_str().unwrap());
        assert!(command(binary, &args).output().unwrap().status.success());
        out
    };
    let columns = |output: &Output| {
        let lines = printed(output);
        lines
            .lines()
            .map(|line| line.split('\t').count())
            .collect::<Vec<_>>()
    };

    // What a model does not know that has learnt made data.
    let noted = |output: Output, words: &str| {
        let told = text(&output.stderr);
        let note = told
            .lines()
            .find(|line| line.starts_with("note: this model has learnt "));
        assert!(note.is_some_and(|note| note.contains(words)), "{told}");
        output
    };
    let marked = |input: &[u8]| [b"\xef\xbb\xbf", input, b"\n\n"].concat();

    let listops = run("listops", "listops");
    let input = b"[MAX 2 9 [MIN 4 7 ] 0 ]\n( ( ( [MAX 2 ) 9 ) ] )\n";
    let last = "--weights last";
    let output = noted(predict(&listops, last, input), "generated expressions");
    assert_eq!(columns(&output), [11, 11]);
    let around = printed(&predict(&listops, last, &marked(input)));
    assert_eq!(around, printed(&output));
    let told = refused(&predict(&listops, last, b"[MAX 2 9 ]\n[MAX 2 ten ]\n"), 1);
    has(&told, "standard input, line 2: byte 8: no word: \"ten\"");
    let told = refused(&predict(&listops, "", input), 1);
    assert!(told.contains("best.bin is not there yet"), "{told}");

    let retrieval = run("retrieval", "retrieval");
    let input = b"b'an\\nother'\tone text\n";
    let output = noted(predict(&retrieval, last, input), "made-up papers");
    assert_eq!(columns(&output), [3]);
    let around = printed(&predict(&retrieval, last, &marked(input)));
    assert_eq!(around, printed(&output));
    let told = refused(&predict(&retrieval, last, b"\"b'x'\"\ty\n"), 1);
    assert!(told.contains("stands between quotes"), "{told}");
    let told = refused(&predict(&retrieval, last, b"one text\n"), 1);
    has(&told, "line 1: 1 columns between tabs, expected 2");
    let told = refused(&predict(&retrieval, "--whole", b"one text\n"), 2);
    has(&told, "--whole: this is a run of retrieval");

    // Pictures of one task do for the other.
    let easy = datasets::pathfinder::Settings::EASY;
    datasets::pathfinder::write(folder.path(), 1, &easy, [1, 1, 1]).unwrap();
    let picture = |i| {
        folder
            .path()
            .join(format!("curv_baseline/imgs/0/sample_{i}.png"))
    };
    let image = run("image", "image");
    let pathfinder = run("pathfinder", "pathfinder");
    for (run, count, made) in [
        (image, 11, "drawings"),
        (pathfinder, 3, "generated pictures"),
    ] {
        let [one, two] = [0, 1].map(|i| picture(i).display().to_string());
        let files = noted(predict(&run, &format!("{last} {one} {two}"), b""), made);
        assert_eq!(columns(&files), [count, count]);
        let piped = predict(&run, last, &marked(format!("{one}\n{two}\n").as_bytes()));
        assert_eq!(text(&piped.stdout), text(&files.stdout));
        let dash = predict(
            &run,
            &format!("{last} -"),
            format!("{one}\n{two}\n").as_bytes(),
        );
        assert_eq!(printed(&dash), text(&files.stdout));
        let mixed = predict(
            &run,
            &format!("{last} {one} -"),
            format!("{two}\n").as_bytes(),
        );
        assert_eq!(printed(&mixed), text(&files.stdout));
        let told = refused(
            &predict(&run, last, format!("{one}\nnone.png\n").as_bytes()),
            1,
        );
        has(&told, "line 2: \"none.png\": there is no such file");
    }
}

/// The bytes of a file of weights in which one number is another.
fn with_number(weights: &[u8], number: f32) -> Vec<u8> {
    let mut bytes = weights.to_vec();
    let last = bytes.len() - 4;
    bytes[last..].copy_from_slice(&number.to_le_bytes());
    bytes
}

/// The checkpoint `path` with NaN for its first weight, and the checksum of that.
fn break_checkpoint(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    // A header of 52 bytes; the step; two texts, each after its length; two lengths.
    let length = |bytes: &[u8], at: usize| {
        u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize
    };
    let mut at = 52 + 8;
    for _ in 0..2 {
        at += 8 + length(&bytes, at);
    }
    at += 8 + 8;
    bytes[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    let hash = Sha256::new()
        .chain_update(&bytes[..20])
        .chain_update(&bytes[52..]);
    let hash = hash.finalize();
    bytes[20..52].copy_from_slice(&hash);
    fs::write(path, bytes).unwrap();
}

#[test]
fn weights_that_are_no_numbers_are_named_and_no_learning_rate_is_blamed() {
    let folder = tempfile::tempdir().unwrap();
    let run = runs().join("clean");
    let weights = fs::read(run.join("weights.safetensors")).unwrap();
    for (number, expected) in [
        (f32::NAN, " is not finite in f32: expected weights that are"),
        (
            f32::INFINITY,
            " is not finite in f32: expected weights that are",
        ),
    ] {
        let file = folder.path().join("broken.safetensors");
        fs::write(&file, with_number(&weights, number)).unwrap();
        let flags = format!("--weights {}", file.display());
        for output in [evaluate(&run, &flags), predict(&run, &flags, b"abc nop\n")] {
            let told = refused(&output, 1);
            assert!(told.contains(expected), "{told}");
            assert!(told.contains("hint: --weights names others"), "{told}");
        }
    }
    let begun = folder.path().join("begun");
    train_until(&begun, &runs().join("texts"), "clean", "5");
    break_checkpoint(&begun.join("checkpoint-5.bin"));
    let told = refused(&evaluate(&begun, "--weights last"), 1);
    has(&told, "the last, after step 5: the weights are not finite");
    let before = fs::read(begun.join("metrics.jsonl")).unwrap();
    let args = ["--resume", begun.to_str().unwrap()];
    let resumed = command("text", &args).output().unwrap();
    let told = text(&resumed.stderr);
    has(&told, "begun: the weights are not finite: `");
    has(&told, "hint: remove the newest checkpoint");
    assert_eq!(fs::read(begun.join("metrics.jsonl")).unwrap(), before);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_gives_the_same_command_again() {
    let run = runs().join("clean");
    for (name, stdin) in [
        ("evaluate", Stdio::null()),
        (
            "predict",
            fs::File::open(run.join("config.toml")).unwrap().into(),
        ),
    ] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let mut command = command(name, &[run.to_str().unwrap()]);
        let output = command.stdin(stdin).stdout(full).output().unwrap();
        let told = text(&output.stderr);
        let expected = "No space left on device (os error 28)\nhint: free some space, then give the same command again\n";
        assert!(told.ends_with(expected), "{told}");
    }
}

#[test]
fn a_setting_that_was_altered_in_a_run_is_not_to_be_given_by_a_flag() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    train_until(&run, &runs().join("texts"), "clean", "1");
    let config = fs::read_to_string(run.join("config.toml")).unwrap();
    fs::write(
        run.join("config.toml"),
        config.replace("batch = 4", "batch = 0"),
    )
    .unwrap();
    let args = ["--resume", run.to_str().unwrap()];
    let resumed = command("text", &args).output().unwrap();
    for output in [evaluate(&run, ""), resumed] {
        let told = refused(&output, 2);
        assert!(told.contains("batch = 0: expected at least 1"), "{told}");
        assert!(told.contains("hint: config.toml was altered"), "{told}");
    }
    fs::write(run.join("config.toml"), config).unwrap();
    fs::remove_file(run.join("timings.jsonl")).unwrap();
    let resumed = command("text", &args).output().unwrap();
    let told = text(&resumed.stderr);
    has(&told, "hint: the folder of the run has lost it");
}
