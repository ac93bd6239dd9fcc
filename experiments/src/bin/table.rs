//! The paper's Table 1 from the folders of runs.
//!
//! `cargo run --release --bin table -- runs/sweep`

use std::process::ExitCode;

fn main() -> ExitCode {
    experiments::commands::table::main()
}
