//! Text: is a movie review, read byte by byte, in favour of the film?
//!
//! IMDb reviews (Maas et al. 2011) as the Long Range Arena has them: tokens are byte + 1, at most 4,000 of them, two
//! classes. Without data on the machine, a built-in corpus of review-like English takes their place.
//!
//! `cargo run --release --bin exp_text -- --attn skein`

use datasets::{DataError, Dataset, text};
use experiments::config::{Config, Task};
use experiments::experiment;
use std::process::ExitCode;

/// The built-in corpus is the same whatever the seed of the run.
const CORPUS: u64 = 2022;

fn main() -> ExitCode {
    experiment::main(Task::Text, load)
}

fn load(config: &Config) -> Result<Dataset, DataError> {
    let protocol = config.protocol.into();
    match config.data_folder() {
        None => Ok(text::builtin(CORPUS, config.max_len, protocol)),
        Some(folder) => text::load(folder, config.max_len, protocol),
    }
}
