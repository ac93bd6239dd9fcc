//! The time of one training step of the paper's Text model, as one JSON line.
//!
//! `cargo run --release --bin bench_step -- --attn skein --n 4096 --batch 16`

use std::process::ExitCode;

fn main() -> ExitCode {
    experiments::commands::bench_step::main()
}
