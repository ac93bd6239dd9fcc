//! Time, memory and error of every attention method over the number of tokens.
//!
//! `cargo run --release --bin bench_attention -- --n 1024,4096`

use std::process::ExitCode;

fn main() -> ExitCode {
    experiments::commands::bench_attention::main()
}
