//! Retrieval: does one of two papers cite the other?
//!
//! Papers of the ACL Anthology Network (Radev et al. 2013) as the Long Range Arena has them: tokens are byte + 1, at
//! most 4,000 of each paper. One encoder reads both; the classifier sees u, v, u * v and u - v of their pooled vectors.
//! Without files, made-up papers that share a subject or do not take their place.
//!
//! `cargo run --release --bin exp_retrieval -- --attn skein --data builtin`

use experiments::commands::train;
use experiments::settings::choices::Task;
use std::process::ExitCode;

fn main() -> ExitCode {
    train::main(Task::Retrieval)
}
