//! Shows what the ListOps task is made of: the data report, the baseline, and a few short expressions.
//!
//! `cargo run --release -p datasets --example show_listops [PATH] [clean|paper]`; without a path, the benchmark's 100,000
//! trees are grown.

use datasets::listops::{self, Shape};
use datasets::{Protocol, baseline};
use std::path::Path;
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next();
    let protocol = arguments
        .next()
        .map_or(Ok(Protocol::Clean), |p| p.parse())?;
    let start = Instant::now();
    let dataset = match &path {
        Some(path) => listops::load(Path::new(path), listops::MAX_LEN, protocol)?,
        None => listops::builtin(0, &Shape::LRA, protocol)?,
    };
    println!("{} ({:.2?})", dataset.name, start.elapsed());
    for note in &dataset.notes {
        println!("  {note}");
    }
    let start = Instant::now();
    let found = baseline::token_frequencies(&dataset);
    println!("  {found} ({:.2?})", start.elapsed());
    for example in &dataset.train.examples[..3] {
        let words = listops::words(&example.documents[0]);
        println!("\ntrain {}, value {}:\n{words}", example.id, example.label);
    }
    Ok(())
}
