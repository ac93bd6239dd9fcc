//! Everything there is: train, look at runs, fetch data, study, measure. `skein` alone lists the commands.
//!
//! `cargo run --release --bin skein -- text --attn skein --data builtin`

use std::process::ExitCode;

fn main() -> ExitCode {
    experiments::commands::main()
}
