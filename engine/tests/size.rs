//! The upper floor stays small enough to be read in an evening.

use std::fs;
use std::path::Path;

fn lines(file: &str) -> usize {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    fs::read_to_string(path).expect(file).lines().count()
}

#[test]
fn what_is_to_be_read_stays_short() {
    let tape = lines("src/tape.rs");
    assert!(
        tape <= 300,
        "tape.rs has {tape} lines, expected at most 300"
    );
    let rest = [
        "src/trace.rs",
        "src/tensor.rs",
        "src/arithmetic.rs",
        "src/params.rs",
        "src/check.rs",
        "src/rng.rs",
        "src/draws.rs",
        "tests/tape.rs",
    ];
    let all = tape + rest.into_iter().map(lines).sum::<usize>();
    assert!(
        all <= 2200,
        "the files to be read have {all} lines, expected at most 2,200"
    );
}
