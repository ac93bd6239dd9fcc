//! Thirty steps on the built-in corpus give the losses that are stored here, on every kind of CPU.
//!
//! Whatever changes what is computed (a gradient, a draw, the order of the data, the corpus)
//! changes a number by more than the tolerance; whatever only changes rounding does not. A gradient
//! of gelu that is 0.1 % too large moves the first gradient norm by 6e-4 and the losses of the last
//! ten steps by up to 3e-4. If a change is meant, the message of the failure says how to store the
//! new numbers.

use engine::cpu::Product;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Of a loss, relative. Between kinds of CPU only the matrix product rounds differently: its
/// kernels for AVX-512, for AVX and for none of them (`MMTEST_FEATURE=none cargo build`, a setting
/// of matrixmultiply) differ by at most 1.3e-7 in twelve such runs (three methods, seven seeds),
/// and no other column is sampled.
const LOSS: f64 = 1e-5;
/// Of the norm of a gradient, relative: at most 2.8e-6 in the same runs.
const NORM: f64 = 1e-4;

/// Fewer features than the texts have bytes, so that columns are sampled.
const FLAGS: &str = "--data builtin --budget smoke --features 32 --seed 42 --attn";

fn smoke(attn: &str, product: Product) {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let output = Command::new(env!("CARGO_BIN_EXE_exp_text"))
        .args(FLAGS.split(' '))
        .args([attn, "--product", product.name(), "--out"])
        .arg(&run)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    let answer = String::from_utf8_lossy(&output.stdout);
    assert!(answer.contains("built-in reviews (seeded grammar, not IMDb)"));
    assert!(answer.contains("token frequency"), "{answer}");

    let name = format!("tests/reference/smoke-{attn}.jsonl");
    let stored = Path::new(env!("CARGO_MANIFEST_DIR")).join(&name);
    let read = |path: &Path| fs::read_to_string(path).expect("a file of metrics");
    let (stored, got) = (read(&stored), read(&run.join("metrics.jsonl")));
    let renew = format!(
        "if this is meant: cargo run --release --bin skein -- text {FLAGS} {attn} --out NEW \
         && cp NEW/metrics.jsonl experiments/{name}"
    );
    assert_eq!(stored.lines().count(), got.lines().count(), "{renew}");
    for (stored, got) in stored.lines().zip(got.lines()) {
        let [before, now] = [stored, got].map(|line| serde_json::from_str::<Value>(line).unwrap());
        for (field, tolerance) in [
            ("/step", 0.0),
            ("/tokens", 0.0),
            ("/learning_rate", 0.0),
            ("/loss", LOSS),
            ("/gradient_norm", NORM),
            ("/dev/loss", LOSS),
        ] {
            let number = |line: &Value| line.pointer(field).map(|value| value.as_f64().unwrap());
            let right = match (number(&before), number(&now)) {
                (Some(before), Some(now)) => (now - before).abs() <= tolerance * before.abs(),
                (before, now) => before == now,
            };
            assert!(
                right,
                "{attn}, {field}: stored\n{stored}\ngot\n{got}\n{renew}"
            );
        }
    }
}

#[test]
fn thirty_steps_of_skeinformer_have_the_stored_losses() {
    smoke("skein", Product::Matrixmultiply);
}

#[test]
fn thirty_steps_of_exact_attention_have_the_stored_losses() {
    smoke("softmax", Product::Matrixmultiply);
}

#[test]
fn thirty_steps_with_the_product_in_fixed_order_have_the_stored_losses() {
    if Product::FixedOrder.is_available() {
        smoke("skein", Product::FixedOrder);
    }
}
