//! Shows what the Text task is made of: the data report, the baseline, and the beginning of a few texts.
//!
//! `cargo run --release -p datasets --example show_text [PATH] [clean|paper]`; without a path, the built-in reviews.

use datasets::{Protocol, baseline, text};
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
        Some(path) => text::load(Path::new(path), text::MAX_LEN, protocol)?,
        None => text::builtin(0, text::MAX_LEN, protocol),
    };
    println!("{} ({:.2?})", dataset.name, start.elapsed());
    for note in &dataset.notes {
        println!("  {note}");
    }
    let start = Instant::now();
    let found = baseline::token_frequencies(&dataset);
    println!("  {found} ({:.2?})", start.elapsed());
    let middle = dataset.train.examples.len() / 2;
    for example in &dataset.train.examples[middle..middle + 3] {
        let class = &dataset.classes[example.label];
        let text = String::from_utf8_lossy(&example.documents[0]);
        println!("\ntrain {}, {class}:\n{text}", example.id);
    }
    Ok(())
}
