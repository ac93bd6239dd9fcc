//! ListOps (Nangia and Bowman 2018) as the Long Range Arena has it: what is the value, 0 to 9, of an expression of
//! nested lists such as `[MAX 2 9 [MIN 4 7 ] 0 ]`?
//!
//! Tokens are words: operators, digits and, under protocol `clean`, closing brackets; up to 2,000 of them, ten classes.
//! Without files, trees are grown by the benchmark's own procedure, 96,000 + 2,000 + 2,000, between a quarter of
//! `--max-len` and `--max-len` words long.
//!
//! `cargo run --release --bin exp_listops -- --attn skein --data builtin`

use experiments::commands::train;
use experiments::settings::choices::Task;
use std::process::ExitCode;

fn main() -> ExitCode {
    train::main(Task::ListOps)
}
