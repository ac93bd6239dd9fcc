//! Shows what the Retrieval task is made of: the data report, the baseline, and the beginning of a few pairs.
//!
//! `cargo run --release -p datasets --example show_retrieval [PATH] [clean|paper]`; without a path, the built-in pairs.

use datasets::{Protocol, baseline, retrieval};
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
        Some(path) => retrieval::load(Path::new(path), retrieval::MAX_LEN, protocol)?,
        None => retrieval::builtin(0, retrieval::MAX_LEN, protocol),
    };
    println!("{} ({:.2?})", dataset.name, start.elapsed());
    for note in &dataset.notes {
        println!("  {note}");
    }
    let start = Instant::now();
    let found = baseline::token_frequencies(&dataset);
    println!("  {found} ({:.2?})", start.elapsed());
    for example in &dataset.train.examples[..2] {
        println!(
            "\ntrain {}, {}:",
            example.id, dataset.classes[example.label]
        );
        for document in &example.documents {
            let shown = &document[..document.len().min(400)];
            println!("- {}", String::from_utf8_lossy(shown));
        }
    }
    Ok(())
}
