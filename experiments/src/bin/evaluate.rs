//! The model of a run judged once more: any split, any data, either set of weights.
//!
//! `cargo run --release --bin evaluate -- runs/text-skein-s42 --split dev`

use std::process::ExitCode;

fn main() -> ExitCode {
    experiments::commands::evaluate::main()
}
