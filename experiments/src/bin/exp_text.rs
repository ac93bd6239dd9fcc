//! Text: is a movie review, read byte by byte, in favour of the film?
//!
//! IMDb reviews (Maas et al. 2011) as the Long Range Arena has them: tokens are byte + 1, at most 4,000 of them, two
//! classes. Without data on the machine, a built-in corpus of review-like English takes their place.
//!
//! `cargo run --release --bin exp_text -- --attn skein --data builtin`

use experiments::commands::train;
use experiments::settings::choices::Task;
use std::process::ExitCode;

fn main() -> ExitCode {
    train::main(Task::Text)
}
