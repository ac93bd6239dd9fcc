//! What training takes, Tables 2 and 3 of the paper: every method and task.
//!
//! `cargo run --release --bin exp_cost -- --tasks text --attn skein,softmax`

use std::process::ExitCode;

fn main() -> ExitCode {
    experiments::commands::cost::main()
}
