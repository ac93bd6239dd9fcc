//! Shows what the Pathfinder task is made of: the data report, the baseline, and a contact sheet, a
//! row a class.
//!
//! `cargo run --release -p datasets --example show_pathfinder SHEET.png [SETTINGS|PATH]
//! [clean|paper]`; settings are those of the generator, such as `lra` (the default) or `easy`, of
//! which 8,000 + 1,000 + 1,000 pictures are drawn.

use datasets::pathfinder::{self, Settings};
use datasets::{Protocol, baseline, image};
use std::path::Path;
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let sheet = arguments.next().ok_or("give the name of the sheet")?;
    let what = arguments.next().unwrap_or("lra".into());
    let protocol = arguments
        .next()
        .map_or(Ok(Protocol::Clean), |p| p.parse())?;
    let start = Instant::now();
    let dataset = match Settings::named(&what) {
        Ok(settings) => pathfinder::builtin(0, &settings, [8_000, 1_000, 1_000], protocol)?,
        Err(_) if Path::new(&what).exists() => pathfinder::load(Path::new(&what), protocol)?,
        Err(names) => return Err(names.into()),
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
