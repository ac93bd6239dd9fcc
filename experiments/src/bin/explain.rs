//! The tape of one tiny example, node by node.
//!
//! `cargo run --release --bin explain -- --attn skein`

use std::process::ExitCode;

fn main() -> ExitCode {
    experiments::commands::explain::main()
}
