//! Pictures of Pathfinder on the disk: what is in them, and whether they are the published ones.

use crate::protocol::Protocol;
use crate::verify::{COUNTS_ONLY, Report};
use crate::{DataError, dataset, shown};
use std::path::Path;

/// The folder of the Pathfinder pictures (see [`super::load`]).
///
/// Counts are compared with those of the Long Range Arena's own files: 200 batches of 1,000, one of them with an empty
/// file.
pub fn verify(path: &Path) -> Result<Report, DataError> {
    let folder = super::locate(path)?;
    let mut report = Report::new(dataset::name("Pathfinder", &folder));
    let batches = super::batches(&folder)?;
    let (mut lines, mut empty, mut uneven) = (0usize, vec![], 0);
    let mut labels = [0usize; 2];
    let mut known = super::Known::default();
    let mut digests = vec![];
    let (mut lit, mut least, mut most, mut grey) = (0, usize::MAX, 0, 0u64);
    for batch in &batches {
        let rows = super::rows(&folder, batch)?;
        uneven += usize::from(rows.len() != 1000);
        lines += rows.len();
        for row in rows {
            let pixels = super::image(batch, &row)?;
            digests.extend(known.take(&row, pixels.as_deref()));
            match pixels {
                None => empty.push(row.file),
                Some(pixels) => {
                    labels[row.label] += 1;
                    let here = pixels.iter().filter(|&&pixel| pixel > 0).count();
                    (lit, least, most) = (lit + here, least.min(here), most.max(here));
                    grey += pixels.iter().map(|&pixel| u64::from(pixel)).sum::<u64>();
                }
            }
        }
    }
    let pictures = labels[0] + labels[1];
    let share = |part: f64| part / pictures.max(1) as f64;
    report.fact(format!(
        "{} batches, {} to {}; {lines} lines; batches of more or less than 1000: {uneven}",
        batches.len(),
        batches[0].number,
        batches[batches.len() - 1].number
    ));
    report.fact(format!(
        "{pictures} pictures, {} connected ({:.1}%), {} distinct; with both labels: {}; empty files: {}",
        labels[1],
        100.0 * share(labels[1] as f64),
        known.distinct(),
        known.contradictory(),
        empty.len()
    ));
    report.fact(format!(
        "pixels that are not black: mean {:.1}, {} to {most}; mean of all grey values: {:.2}",
        share(lit as f64),
        least.min(most),
        share(grey as f64) / super::PIXELS as f64
    ));
    for file in empty.iter().take(5) {
        report.fact(format!("empty: {}", shown::name(file)));
    }
    report.faults.extend(known.faults());
    match super::divide(&folder, digests, |digest| *digest, Protocol::Clean) {
        Ok((_, copies)) => report.fact(copies),
        refused => report.refused(refused.map(drop)),
    }
    report.fact(COUNTS_ONLY);
    report.compare("batches", batches.len(), 200);
    report.compare("lines", lines, 200_000);
    report.compare("empty files", empty.len(), 1);
    Ok(report)
}
