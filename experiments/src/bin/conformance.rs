//! The reference cases of a folder against the registered methods, a line each.
//!
//! `cargo run --release --bin conformance -- FOLDER`

use std::process::ExitCode;

fn main() -> ExitCode {
    experiments::commands::conformance::main()
}
