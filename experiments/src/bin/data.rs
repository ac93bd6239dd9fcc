//! The data of the five tasks: download what is published, make what can be made, verify and show either.
//!
//! `cargo run --release --bin data -- get text`

use std::process::ExitCode;

fn main() -> ExitCode {
    experiments::commands::data::main()
}
