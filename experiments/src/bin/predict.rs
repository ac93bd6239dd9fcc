//! Labels and probabilities for texts or pictures, by the model of a run.
//!
//! `head -3 reviews.txt | cargo run --release --bin predict -- runs/text-skein-s42`

use std::process::ExitCode;

fn main() -> ExitCode {
    experiments::commands::predict::main()
}
