//! The report of a run, or several runs side by side, as one HTML file.
//!
//! `cargo run --release --bin report -- runs/text-skein-s42 runs/text-vmean-s42`

use std::process::ExitCode;

fn main() -> ExitCode {
    experiments::commands::report::main()
}
