//! `skein approx`: the same numbers for any number of threads, known orders of methods, the tables of
//! the released code, models as inputs, and wrong flags.

use crate::stopped::first_kept;
use crate::support::{fits, has, outlives_its_reader, refused_with, replaces_only_when_asked};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const TINY: [&str; 8] = ["--n", "40", "--d", "4,16", "--trials", "3", "--scale", "1"];

fn command(args: &[&str]) -> Command {
    let mut command = crate::skein("approx");
    command.args(args);
    command
}

fn run(args: &[&str]) -> Output {
    command(args).output().unwrap()
}

/// What a run that succeeds prints.
fn printed(args: &[&str]) -> String {
    let output = run(args);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{complaint}");
    String::from_utf8(output.stdout).unwrap()
}

/// The first number of the line of `method`, without its error.
fn first_number(text: &str, method: &str) -> f64 {
    let line = text
        .lines()
        .find(|line| line.starts_with(&format!("{method} ")));
    let cell = line.expect(method).split_whitespace().nth(1).unwrap();
    cell.split('(').next().unwrap().parse().expect(cell)
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let folder = tempfile::tempdir().unwrap();
    let files = |threads: &str| {
        let out = folder.path().join(threads);
        let mut args = TINY.to_vec();
        args.extend([
            "--input",
            "gauss,tokens",
            "--gradient",
            "--variants",
            "--threads",
            threads,
        ]);
        args.extend(["--out", out.to_str().unwrap()]);
        let text = printed(&args);
        let mut names: Vec<_> = fs::read_dir(&out)
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["approx.csv", "approx.svg"]);
        fits(&text);
        let read = |name: &str| fs::read_to_string(out.join(name)).unwrap();
        (text, read("approx.csv"), read("approx.svg"))
    };
    let (one, two) = (files("1"), files("2"));
    assert!(one == two);
    // Two inputs, 19 methods and 7 variants, two budgets.
    assert_eq!(one.1.lines().count(), 1 + 2 * 26 * 2);
    let columns = one.1.lines().next().unwrap().split(',').count();
    assert!(one.1.lines().all(|line| line.split(',').count() == columns));
    assert!(!one.1.contains("NaN"), "{}", one.1);
    assert!(one.2.starts_with("<svg ") && one.2.ends_with("</svg>\n"));
}

#[test]
fn who_stops_it_keeps_the_blocks_that_were_measured() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let flags = "--input gauss --attn skein --n 16,8192 --d 4 --scale 1 --trials 20 --out";
    let args: Vec<&str> = flags.split(' ').chain([out]).collect();
    let csv = first_kept(&mut command(&args), &folder.path().join("approx.csv"));
    assert!(
        csv.contains("gauss,1,16,") && csv.lines().count() == 2,
        "{csv}"
    );
}

#[test]
fn exact_methods_are_exact_and_vmean_has_no_gradient_of_queries() {
    let mut args = TINY.to_vec();
    args.extend([
        "--input",
        "gauss",
        "--attn",
        "softmax,skein,vmean",
        "--gradient",
    ]);
    let text = printed(&args);
    assert_eq!(first_number(&text, "softmax"), 0.0);
    let queries = text.split("||dQ").nth(1).unwrap();
    assert_eq!(first_number(queries, "vmean"), 1.0);
    // As many features as tokens.
    let full = printed(&[
        "--input",
        "tokens",
        "--n",
        "16",
        "--d",
        "16",
        "--trials",
        "2",
        "--attn",
        "skein,nystrom,informer",
    ]);
    for method in ["skein", "nystrom", "informer"] {
        assert!(first_number(&full, method) < 1e-5, "{full}");
    }
    assert_eq!(full.matches(")*\n").count(), 2 * 3, "{full}");
    let mark = "\n  *: d reaches n, so that this is exact attention\n";
    assert!(full.contains(mark) && !text.contains("*"), "{full}{text}");
}

/// Every start of the Text model has a large mean of values, which Linformer's mixtures lose.
#[test]
fn the_order_of_figure_1_on_a_model_before_training() {
    let text = printed(&[
        "--input",
        "init",
        "--n",
        "128",
        "--d",
        "16,32",
        "--trials",
        "4",
        "--attn",
        "skein,informer,vmean,linformer-fixed",
    ]);
    has(&text, "init n=128: 4 trials, mean of 4 heads");
    assert!(text.contains("  16 yes, 32 yes\n"), "{text}");
}

#[test]
fn the_weights_of_a_run_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let trained = Command::new(env!("CARGO_BIN_EXE_exp_text"))
        .args([
            "--budget",
            "smoke",
            "--steps",
            "2",
            "--batch",
            "2",
            "--max-len",
            "48",
        ])
        .args([
            "--data",
            "builtin",
            "--eval-examples",
            "2",
            "--test-examples",
            "2",
        ])
        .args([
            "--warmup",
            "1",
            "--attn",
            "linformer",
            "--features",
            "8",
            "--out",
            &path("run"),
        ])
        .output()
        .unwrap();
    assert!(
        trained.status.success(),
        "{}",
        String::from_utf8_lossy(&trained.stderr)
    );
    let small = ["--d", "8", "--trials", "2", "--attn", "skein,vmean"];
    let with = |more: &[&str]| printed(&[&small, more].concat());
    let run_folder = path("run");
    // Two default lengths, both cut to what the model was trained on; it has 64 positions.
    let of_run = with(&["--run", &run_folder]);
    assert_eq!(
        of_run
            .matches("run n=48: 2 trials, mean of 4 heads")
            .count(),
        1,
        "{of_run}"
    );
    let weights = path("run/weights.safetensors");
    let of_weights = with(&["--weights", &weights, "--n", "48"]);
    assert_ne!(
        of_run, of_weights,
        "another attention stands between the layers"
    );
    // Models before and after training side by side.
    let both = with(&["--run", &run_folder, "--input", "init,run", "--n", "48"]);
    assert!(
        both.contains("init n=48") && both.ends_with(&of_run),
        "{both}"
    );

    // Texts are those of the run, or others if they are named.
    let texts = path("texts");
    for place in ["train/neg", "train/pos", "test/neg", "test/pos"] {
        let folder = Path::new(&texts).join(place);
        fs::create_dir_all(&folder).unwrap();
        for i in 0..20 {
            fs::write(folder.join(format!("{i}.txt")), place.repeat(10 + i)).unwrap();
        }
    }
    let config = path("run/config.toml");
    let written = fs::read_to_string(&config).unwrap();
    let of_texts = written.replace("data = \"builtin\"", &format!("data = {texts:?}"));
    fs::write(&config, of_texts).unwrap();
    let told = |more: &[&str]| {
        let output = run(&[&small[..], &["--run", &run_folder], more].concat());
        [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap())
    };
    // These are not what the run has learnt from.
    let [nothing, said] = told(&[]);
    assert_eq!(nothing, "");
    has(
        &said,
        "error: the data have changed since this run began: SHA-256 ",
    );
    let [other, said] = told(&["--data", &texts]);
    assert!(said.starts_with("data: ") && said.lines().next().unwrap().contains(&texts));
    assert_ne!(other, of_run);
    let [same, said] = told(&["--data", "builtin"]);
    assert!(said.starts_with("data: built-in reviews"), "{said}");
    assert_eq!(same, of_run);
    fs::write(&config, written).unwrap();

    let refused = |args: &[&str]| {
        let output = run(args);
        assert_eq!(output.stdout.len(), 0);
        String::from_utf8(output.stderr).unwrap()
    };
    let message = refused(&["--run", &run_folder, "--n", "49"]);
    has(&message, "--n 49: the model reads 48 tokens at most");
    // Before its test a run has no such file, but the best weights so far.
    fs::remove_file(&weights).unwrap();
    assert_eq!(with(&["--run", &run_folder]), of_run);
    fs::write(&weights, b"damaged").unwrap();
    for source in [["--run", &run_folder], ["--weights", &weights]] {
        let message = refused(&source);
        assert!(message.contains("not a safetensors file"), "{message}");
    }
    let other = fs::read_to_string(&config)
        .unwrap()
        .replace("\"text\"", "\"image\"");
    fs::write(&config, other).unwrap();
    let message = refused(&["--run", &run_folder]);
    assert!(
        message.contains("is a run of image") && message.contains("skein text"),
        "{message}"
    );
}

/// Rows with one made-up method or number each.
#[test]
fn tables_that_disagree_or_are_damaged_are_failures() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let args = ["--reference", path, "--input", "gauss", "--trials", "4"];
    let with = |rows: &str| {
        let text = format!("method,n,d,scale,mean,std\n{rows}\n");
        fs::write(folder.path().join("approx_gauss.csv"), text).unwrap();
        let output = run(&args);
        let [out, err] = [output.stdout, output.stderr].map(|x| String::from_utf8(x).unwrap());
        (output.status.code(), out, err)
    };
    let (code, text, _) = with("vmean,64,0,1,0.72,0.3\nskeinformer,64,16,1,0.55,0.3");
    assert_eq!(code, Some(0), "{text}");
    has(&text, "2 cells against the reference: 2 within 3");
    let (code, text, _) = with("skeinformer,64,16,1,5,0.1");
    assert_eq!(code, Some(1));
    assert!(
        text.contains("skeinformer ") && text.contains("DISAGREES"),
        "{text}"
    );
    for damaged in [
        "skeinformer,64,16,1,NaN,1",
        "skien,64,16,1,1,1",
        "vmean,64,0,1,1",
        "vmean,0,0,1,1,1",
    ] {
        let (code, text, error) = with(damaged);
        assert_eq!((code, text.as_str()), (Some(1), ""));
        assert!(
            error.contains("approx_gauss.csv:2: ") && error.contains("is no row"),
            "{error}"
        );
    }
}

/// A part of the published comparison, where its tables are at hand.
#[test]
fn the_released_code_has_the_same_errors() {
    let tables = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/reference");
    if !tables.join("approx_gauss.csv").exists() {
        eprintln!(
            "no reference tables at {}: nothing compared",
            tables.display()
        );
        return;
    }
    let text = printed(&[
        "--reference",
        tables.to_str().unwrap(),
        "--n",
        "1024",
        "--d",
        "16,64",
        "--scale",
        "1",
        "--trials",
        "6",
    ]);
    // 13 methods with two budgets and V-Mean, two inputs.
    assert!(text.contains("54 cells against the reference: "), "{text}");
    assert!(text.contains("agrees"), "{text}");
}

#[test]
fn wrong_flags_say_what_was_expected() {
    let folder = tempfile::tempdir().unwrap();
    let run_there = |args: &[&str]| {
        let mut command = command(args);
        command.current_dir(folder.path()).output().unwrap()
    };
    for (args, expected) in [
        (
            vec!["--attn", "skien"],
            "`skien`: expected one of softmax, ",
        ),
        (
            vec!["--input", "gaus"],
            "[possible values: gauss, tokens, init, run]",
        ),
        (vec!["--n", "0"], "expected a whole number from 1 to 65536"),
        (vec!["--d", "4,"], "expected a whole number from 1 to 65536"),
        (
            vec!["--trials", "1"],
            "expected a whole number from 2 to 10000",
        ),
        (vec!["--scale", "0"], "a number from 0.001 to 20"),
        (
            vec!["--threads", "0"],
            "expected a whole number from 1 to 1024",
        ),
        (vec!["--input", "run"], "add --run FOLDER or --weights FILE"),
        (
            vec!["--run", "x", "--input", "gauss"],
            "of no use without the input `run`",
        ),
        (vec!["--run", "x", "--weights", "y"], "cannot be used with"),
        (
            vec!["--reference", "x", "--input", "init"],
            "tables of gauss and tokens only",
        ),
        (
            vec!["--reference", "x", "--gradient"],
            "cannot be used with",
        ),
    ] {
        refused_with(&run_there(&args), expected);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_folder_that_cannot_be_made_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, b"").unwrap();
    let output = run(&[
        "--input",
        "gauss",
        "--n",
        "65536",
        "--out",
        file.join("x").to_str().unwrap(),
    ]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        error.starts_with("error: cannot make ") && error.contains("file/x: "),
        "{error}"
    );
}

#[test]
fn files_by_others_are_replaced_only_when_asked() {
    let flags = "--input gauss --n 16 --d 4 --trials 2 --attn vmean";
    let files = ["approx.csv", "approx.svg"];
    replaces_only_when_asked(run, flags, &files, "not by skein approx");
}

#[test]
fn help_is_one_text_of_eighty_columns() {
    let help = printed(&["--help"]);
    assert_eq!(help, printed(&["-h"]));
    fits(&help);
    assert!(!help.contains("\nwith\n"), "{help}");
}

#[test]
fn a_closed_pipe_is_no_error() {
    let mut args = TINY.to_vec();
    args.extend(["--input", "gauss", "--attn", "vmean"]);
    outlives_its_reader(&mut command(&args));
}
