//! Approximation error against the number of features, Figure 1 of the paper.
//!
//! `cargo run --release --bin exp_approx -- --n 1024`

use std::process::ExitCode;

fn main() -> ExitCode {
    experiments::commands::approx::main()
}
