//! Proposition 1 and Lemma 1 of the paper as experiments.
//!
//! `cargo run --release --bin exp_theory`

use std::process::ExitCode;

fn main() -> ExitCode {
    experiments::commands::theory::main()
}
