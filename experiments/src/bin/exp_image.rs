//! Image: what does a small picture show?
//!
//! CIFAR-10 (Krizhevsky 2009) in grey: 32 x 32 pixels, whose values are the tokens, row by row; ten classes. Without
//! files, drawings of ten shapes in clutter take their place.
//!
//! `cargo run --release --bin exp_image -- --attn skein --data builtin`

use experiments::commands::train;
use experiments::settings::choices::Task;
use std::process::ExitCode;

fn main() -> ExitCode {
    train::main(Task::Image)
}
