//! Pathfinder (Linsley et al. 2018): do the two marked ends belong to one path of dashes, or to two?
//!
//! Pictures of 32 x 32 grey values, which are the tokens, row by row; two classes. Without files, pictures are made by
//! the published procedure: its hard set (paths of 14 dashes) under `--budget paper`, an easy one (6 dashes, few other
//! paths) under `quick` and `smoke`. `quick` leaves black pixels out and starts with positions of which neighbours are
//! alike, without which it would learn nothing.
//!
//! `cargo run --release --bin exp_pathfinder -- --attn skein --data builtin`

use experiments::commands::train;
use experiments::settings::choices::Task;
use std::process::ExitCode;

fn main() -> ExitCode {
    train::main(Task::Pathfinder)
}
