//! The reference cases, and whether the runner would notice if one of them were not met.
//!
//! `tests/reference/` holds a part of the reference cases, computed in float64 with PyTorch from
//! the formulas of the paper. The whole model among them is stored in two pieces: parameters, batch
//! and losses are those of `models/tests/reference/`; what else is expected of it stands in
//! `parts/`.

use crate::support::has;
use engine::cpu::Product;
use experiments::commands::conformance::{Counts, files, run};
use safetensors::SafeTensors;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use tempfile::TempDir;

const MODEL: &str = "model_skein_single_mean_gaps.safetensors";

fn reference() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference")
}

/// A file, copied where it can be altered: metadata, and tensors as type, shape and bytes.
struct Editable {
    settings: HashMap<String, String>,
    tensors: HashMap<String, (safetensors::Dtype, Vec<usize>, Vec<u8>)>,
}

impl Editable {
    fn read(path: &Path) -> Editable {
        let bytes = fs::read(path).unwrap();
        let header = SafeTensors::read_metadata(&bytes).unwrap().1;
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let tensors = file.iter().map(|(name, tensor)| {
            let copy = (
                tensor.dtype(),
                tensor.shape().to_vec(),
                tensor.data().to_vec(),
            );
            (name.to_string(), copy)
        });
        Editable {
            settings: header.metadata().clone().unwrap_or_default(),
            tensors: tensors.collect(),
        }
    }

    fn operator(name: &str) -> Editable {
        Editable::read(&reference().join(name).with_extension("safetensors"))
    }

    /// The whole model, from its pieces.
    fn model() -> Editable {
        let first = reference()
            .join("../../../models/tests/reference")
            .join(MODEL);
        let second = reference().join("parts").join(MODEL);
        let mut case = Editable::read(&first);
        let rest = Editable::read(&second.with_extension("expected.safetensors"));
        case.tensors.extend(rest.tensors);
        case
    }

    fn write(&self, path: &Path) {
        let views = self.tensors.iter().map(|(name, (dtype, shape, bytes))| {
            let view = safetensors::tensor::TensorView::new(*dtype, shape.clone(), bytes);
            (name, view.unwrap())
        });
        let bytes = safetensors::serialize(views, Some(self.settings.clone())).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Multiplies every number of a tensor.
    fn scale(&mut self, tensor: &str, factor: f64) {
        for chunk in self
            .tensors
            .get_mut(tensor)
            .expect(tensor)
            .2
            .as_chunks_mut()
            .0
        {
            *chunk = (f64::from_le_bytes(*chunk) * factor).to_le_bytes();
        }
    }

    fn set_index(&mut self, tensor: &str, index: i64) {
        self.tensors.get_mut(tensor).expect(tensor).2[..8].copy_from_slice(&index.to_le_bytes());
    }
}

/// Runs the cases and gives the counts and what was printed.
fn run_all(files: &[PathBuf]) -> (Counts, String) {
    let mut printed = Vec::new();
    let counts = run(files, &mut printed).unwrap();
    (counts, String::from_utf8(printed).unwrap())
}

fn conformance(args: &[&str], folder: &Path) -> Output {
    crate::skein("conformance")
        .args(args)
        .arg(folder)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn every_operator_case_passes() {
    for product in Product::available() {
        product.within(every_operator_case);
    }
}

fn every_operator_case() {
    let (counts, printed) = run_all(&files(&reference()).unwrap());
    // Softmax and the two skeins without reuse and with adaptive norm are run under two names each.
    let (cases, passed) = (8, 11);
    let expected = Counts {
        cases,
        passed,
        ..Counts::default()
    };
    assert_eq!(counts, expected, "{printed}");
    assert!(
        printed.lines().all(|line| line.chars().count() <= 100),
        "{printed}"
    );
    let last = printed.lines().last().unwrap();
    assert_eq!(
        last,
        "11 runs of 8 cases: 11 passed, 0 failed, 0 not registered"
    );
}

#[test]
fn a_whole_model_passes() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join(MODEL);
    Editable::model().write(&file);
    let (counts, printed) = run_all(&[file]);
    assert_eq!((counts.passed, counts.failed), (1, 0), "{printed}");
}

/// Beside this repository there may be all of the reference cases.
#[test]
fn all_reference_cases_pass_where_they_are() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    for (folder, least) in [("golden", 47), ("golden-more", 118)] {
        let folder = shared.join(folder);
        if !folder.is_dir() {
            println!("skipped: there is no {}", folder.display());
            continue;
        }
        let (counts, printed) = run_all(&files(&folder).unwrap());
        assert_eq!((counts.failed, counts.not_registered), (0, 0), "{printed}");
        assert!(counts.passed >= least, "{printed}");
    }
}

/// Several heads, positions with gaps, features that the case says, pieces of a model.
#[test]
fn a_case_of_every_method_of_the_citing_systems_passes() {
    let (counts, printed) = run_all(&files(&reference().join("citing")).unwrap());
    assert_eq!((counts.cases, counts.passed), (20, 20), "{printed}");
}

#[test]
fn what_a_case_says_beside_its_tensors_is_checked() {
    let folder = TempDir::new().unwrap();
    let citing = |name: &str| Editable::operator(&format!("citing/{name}"));
    let mut heads = citing("s3_heads2_n64");
    heads.settings.insert("heads".into(), "3".into());
    heads.write(&folder.path().join("a-heads.safetensors"));
    let mut length = citing("lm_infinite_n64");
    length.settings.insert("length".into(), "63".into());
    length.write(&folder.path().join("b-length.safetensors"));
    let mut features = citing("hyper_n64");
    features.settings.insert("features".into(), "many".into());
    features.write(&folder.path().join("c-features.safetensors"));
    let mut module = citing("module_fourier_smoother_n1");
    module.settings.insert("activation".into(), "tanh".into());
    module.write(&folder.path().join("d-activation.safetensors"));
    module.settings.insert("module".into(), "decoder".into());
    module.write(&folder.path().join("e-module.safetensors"));
    let mut segments = citing("module_fourier_smoother_n1");
    segments.settings.insert("segments".into(), "3".into());
    segments.write(&folder.path().join("f-segments.safetensors"));
    let mut expected = citing("lm_infinite_n64");
    let dk = expected.tensors.get_mut("dk").unwrap();
    dk.1.reverse();
    expected.write(&folder.path().join("g-expected.safetensors"));
    let (counts, printed) = run_all(&files(folder.path()).unwrap());
    assert_eq!((counts.failed, counts.not_registered), (6, 1), "{printed}");
    for expected in [
        "q has shape [64, 8], expected [n, 3 p], none of them 0",
        "expected 64 rising positions below the length 63",
        "features is \"many\" in the metadata: invalid digit",
        "activation is \"tanh\", expected relu or elu",
        "4 columns are no 3 segments",
        "dk has shape [8, 64], expected [64, 8]",
        "decoder",
    ] {
        assert!(printed.contains(expected), "{expected}: {printed}");
    }
}

#[test]
fn what_is_slightly_off_fails_with_exit_code_1() {
    // An error of 1e-4 shows in both precisions, one of 1e-7 in f64 alone; models have more room.
    let planted: [(&str, &str, f64, &[&str]); 15] = [
        ("softmax_n64", "out", 1e-4, &["f64", "f32"]),
        ("softmax_n64", "dq", 1e-4, &["f64", "f32"]),
        ("softmax_n64", "dk", 1e-7, &["f64"]),
        ("vmean_n64", "dv", f64::NAN, &["f64", "f32"]),
        ("skein_full_n64", "out", 1e-7, &["f64"]),
        ("skein_full_n64", "dq", 1e-4, &["f64", "f32"]),
        ("skein_full_n64", "probabilities", 1e-4, &["f64", "f32"]),
        ("skein_no_norm_n64", "dk", 1e-4, &["f64", "f32"]),
        (MODEL, "logits", 1e-2, &["f64", "f32"]),
        (
            MODEL,
            "grad.model.transformer_1.mha.W_q.weight",
            1e-2,
            &["f64", "f32"],
        ),
        (MODEL, "losses", 1e-6, &["f64"]),
        (MODEL, "losses_cycled", 1e-2, &["f64", "f32"]),
        (MODEL, "final.seq_classifer.mlpblock.0.bias", 1e-2, &["f64"]),
        (MODEL, "lrs", 1e-6, &["f64"]),
        (MODEL, "beta1_cycled", 1e-6, &["f64"]),
    ];
    for (case, tensor, change, precisions) in planted {
        let folder = TempDir::new().unwrap();
        let mut altered = match case {
            MODEL => Editable::model(),
            case => Editable::operator(case),
        };
        altered.scale(tensor, 1.0 + change);
        altered.write(&folder.path().join("altered.safetensors"));
        let output = conformance(&[], folder.path());
        let printed = text(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{case} {tensor}: {printed}");
        assert!(printed.contains("  FAIL\n"), "{printed}");
        for precision in ["f64", "f32"] {
            assert_eq!(
                printed.contains(&format!("\n    {precision} {tensor}: error ")),
                precisions.contains(&precision),
                "{case} {tensor} in {precision}: {printed}"
            );
        }
    }
}

#[test]
fn a_file_that_is_no_case_fails_alone() {
    let folder = TempDir::new().unwrap();
    let place = |name: &str| folder.path().join(name).with_extension("safetensors");
    let whole = fs::read(reference().join("vmean_n64.safetensors")).unwrap();
    fs::write(place("a-cut"), &whole[..whole.len() - 1]).unwrap();
    fs::write(place("b-empty"), b"").unwrap();
    fs::write(place("c-text"), b"This is no tensor at all.").unwrap();
    fs::create_dir(place("d-folder")).unwrap();
    let alter = |name: &str, mut case: Editable, change: &dyn Fn(&mut Editable)| {
        change(&mut case);
        case.write(&place(name));
    };
    let skein = || Editable::operator("skein_full_n64");
    alter("e-foreign", skein(), &|case| case.settings.clear());
    alter("f-without-out", skein(), &|case| {
        _ = case.tensors.remove("out")
    });
    alter("g-without-dk", skein(), &|case| {
        _ = case.tensors.remove("dk")
    });
    alter("h-without-pilot", skein(), &|case| {
        _ = case.tensors.remove("pilot")
    });
    alter("i-without-p", skein(), &|case| {
        _ = case.tensors.remove("probabilities")
    });
    alter("j-negative", skein(), &|case| case.set_index("pilot", -3));
    alter("k-beyond", skein(), &|case| case.set_index("columns", 64));
    alter("l-extra", skein(), &|case| {
        let extra = case.tensors["pilot"].clone();
        case.tensors.insert("hashes".to_string(), extra);
    });
    alter("m-short", skein(), &|case| {
        let k = case.tensors.get_mut("k").unwrap();
        (k.1, k.2) = (vec![63, 8], k.2[..63 * 8 * 8].to_vec());
    });
    alter("n-norm", skein(), &|case| {
        _ = case.settings.insert("norm".into(), "cubic".into())
    });
    let model = Editable::model;
    alter("o-draw", model(), &|case| {
        _ = case.tensors.remove("pilot.doc0.row2.layer1.head0")
    });
    alter("p-param", model(), &|case| {
        _ = case.tensors.remove("param.model.norm.weight")
    });
    alter("q-final", model(), &|case| {
        _ = case.tensors.remove("final.model.norm.weight")
    });
    alter("r-steps", model(), &|case| {
        _ = case.settings.insert("steps".into(), "many".into())
    });
    alter("s-stranger", model(), &|case| {
        let extra = case.tensors["logits"].clone();
        case.tensors.insert("tokens_1".to_string(), extra);
    });
    fs::write(place("t-good"), &whole).unwrap();

    let output = conformance(&[], folder.path());
    let printed = text(&output.stdout);
    let expected = [
        ("a-cut", "not a safetensors file, or a damaged one: "),
        ("b-empty", "not a safetensors file, or a damaged one: "),
        ("c-text", "not a safetensors file, or a damaged one: "),
        ("d-folder", "cannot read "),
        (
            "e-foreign",
            "no reference case: its metadata do not say `attn`",
        ),
        ("f-without-out", "tensor out is missing"),
        ("g-without-dk", "tensor dk is missing"),
        ("h-without-pilot", "tensor pilot is missing"),
        ("i-without-p", "tensor probabilities is missing"),
        ("j-negative", "pilot holds -3, expected indices"),
        ("k-beyond", "panicked: "),
        (
            "l-extra",
            "the method never asked for the draw hashes.doc0.layer0.head0",
        ),
        ("m-short", "k has shape [63, 8], expected [64, 8]"),
        ("n-norm", "no skein has norm=cubic and reuse=true"),
        (
            "o-draw",
            "the draw pilot.doc0.layer1.head0 of a row is missing",
        ),
        (
            "p-param",
            "param.*: these weights are of another model: 1 missing (model.norm.weight)",
        ),
        ("q-final", "tensor final.model.norm.weight is missing"),
        (
            "r-steps",
            "steps is \"many\" in the metadata: invalid digit found in string",
        ),
        (
            "s-stranger",
            "tensor tokens_1 has no meaning in a case of this model",
        ),
    ];
    let mut lines = printed.lines().skip(2);
    for (name, why) in expected {
        let (line, below) = (lines.next().unwrap(), lines.next().unwrap());
        assert!(line.starts_with(name) && line.ends_with("  FAIL"), "{line}");
        assert!(below.starts_with(&format!("    {why}")), "{name}: {below}");
    }
    let line = lines.next().unwrap();
    assert!(
        line.starts_with("t-good") && line.ends_with("  ok"),
        "{line}"
    );
    let last = lines.next().unwrap();
    assert_eq!(
        last,
        "20 runs of 20 cases: 1 passed, 19 failed, 0 not registered"
    );
    assert_eq!((output.status.code(), lines.next()), (Some(1), None));
}

/// Each would end the process if it were allocated.
#[test]
fn a_case_whose_sizes_do_not_fit_fails_alone() {
    let folder = TempDir::new().unwrap();
    let place = |name: &str| folder.path().join(name).with_extension("safetensors");
    let huge = || "1000000000000".to_string();
    let of_a_model = "the metadata are of a model with ";
    let mut expected = Vec::new();
    for (setting, why) in [
        ("classes", of_a_model),
        (
            "d",
            "linformer with 1000000000000 features and 48 tokens needs ",
        ),
        ("dim", "skein with 4 features and 48 tokens needs "),
        ("hidden", of_a_model),
        ("layers", of_a_model),
        (
            "length",
            "skein with 4 features and 1000000000000 tokens needs ",
        ),
        ("vocab", of_a_model),
    ] {
        let mut case = Editable::model();
        case.settings.insert(setting.into(), huge());
        if setting == "d" {
            case.settings.insert("attn".into(), "linformer".into());
        }
        case.write(&place(setting));
        let methods = if setting == "d" { 2 } else { 1 };
        expected.extend(vec![(setting, why); methods]);
    }
    let skein = || Editable::operator("skein_full_n64");
    let mut case = skein();
    case.settings.insert("attn".into(), "bigbird".into());
    case.settings.insert("block".into(), u64::MAX.to_string());
    case.write(&place("w-block"));
    expected.push((
        "w-block",
        "4 times 18446744073709551615 is no number of features",
    ));
    let mut case = skein();
    case.settings.insert("attn".into(), "nystrom".into());
    case.settings.insert("landmarks".into(), "0".into());
    case.write(&place("x-no-landmarks"));
    expected.push((
        "x-no-landmarks",
        "the sizes of the case leave the method no feature",
    ));
    let mut case = skein();
    let q = case.tensors.get_mut("q").unwrap();
    (q.1, q.2) = (vec![1_000_000_000_000, 0], Vec::new());
    case.write(&place("y-empty-q"));
    expected.push((
        "y-empty-q",
        "q has shape [1000000000000, 0], expected [n, 1 p], none of them 0",
    ));
    // Nothing but a length.
    fs::File::create(place("z-long"))
        .unwrap()
        .set_len(1 << 43)
        .unwrap();
    let long = format!("{} needs 8.80 TB of memory", place("z-long").display());
    expected.push(("z-long", &long));
    skein().write(&place("zz-good"));

    let output = conformance(&[], folder.path());
    let printed = text(&output.stdout);
    let mut lines = printed.lines().skip(2);
    for (name, why) in expected {
        let (line, below) = (lines.next().unwrap(), lines.next().unwrap());
        assert!(line.starts_with(name) && line.ends_with("  FAIL"), "{line}");
        let why = why.replace("linformer", line.split_whitespace().nth(1).unwrap());
        assert!(below.starts_with(&format!("    {why}")), "{name}: {below}");
    }
    let line = lines.next().unwrap();
    assert!(
        line.starts_with("zz-good") && line.ends_with("  ok"),
        "{line}"
    );
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_method_that_is_not_registered_fails_with_all_only() {
    let folder = TempDir::new().unwrap();
    let mut case = Editable::operator("softmax_n64");
    case.settings
        .insert("attn".to_string(), "not_yet".to_string());
    case.write(&folder.path().join("case.safetensors"));
    let output = conformance(&[], folder.path());
    let printed = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{printed}");
    has(&printed, "case  not-yet           not registered\n");
    assert!(printed.ends_with("1 runs of 1 cases: 0 passed, 0 failed, 1 not registered\n"));
    assert_eq!(
        conformance(&["--all"], folder.path()).status.code(),
        Some(1)
    );
}

#[test]
fn a_folder_that_is_missing_or_empty_is_an_error() {
    let folder = TempDir::new().unwrap();
    let output = conformance(&[], folder.path());
    let message = text(&output.stderr);
    assert!(
        message.starts_with("error: no reference case in "),
        "{message}"
    );
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    let output = conformance(&[], &folder.path().join("none"));
    let message = text(&output.stderr);
    assert!(
        message.starts_with("error: cannot read the folder "),
        "{message}"
    );
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
}

#[test]
fn a_closed_pipe_is_no_panic() {
    let mut child = crate::skein("conformance")
        .arg(reference())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), text(&output.stderr)),
        (Some(1), String::new())
    );
}
