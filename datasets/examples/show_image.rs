//! Shows what the Image task is made of: the data report, the baseline, and a contact sheet, a row a class.
//!
//! `cargo run --release -p datasets --example show_image SHEET.png [PATH] [clean|paper]`; without a path, the built-in
//! drawings.

use datasets::{Protocol, baseline, image};
use std::path::Path;
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let sheet = arguments.next().ok_or("give the name of the sheet")?;
    let path = arguments.next();
    let protocol = arguments
        .next()
        .map_or(Ok(Protocol::Clean), |p| p.parse())?;
    let start = Instant::now();
    let dataset = match &path {
        Some(path) => image::load(Path::new(path), protocol)?,
        None => image::builtin(0, protocol),
    };
    println!("{} ({:.2?})", dataset.name, start.elapsed());
    for note in &dataset.notes {
        println!("  {note}");
    }
    let classes = dataset.classes.len();
    std::fs::write(&sheet, image::contact_sheet(&dataset.train, classes, 12)?)?;
    println!("  {}: {}", sheet, dataset.classes.join(", "));
    let start = Instant::now();
    let found = baseline::token_frequencies(&dataset);
    println!("  {found} ({:.2?})", start.elapsed());
    Ok(())
}
