//! Tasks x methods x seeds as one grid that can be stopped, continued and shared: Table 1 of the paper.
//!
//! `cargo run --release --bin sweep -- --tasks text,listops --methods softmax,skein --seeds 1,2,3`

use std::process::ExitCode;

fn main() -> ExitCode {
    experiments::commands::sweep::main()
}
