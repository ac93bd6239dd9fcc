//! CIFAR-10 on the disk: its checksums, and what is in it.

use crate::protocol::{Digest, digest};
use crate::verify::Report;
use crate::{DataError, dataset};
use md5::{Digest as _, Md5};
use std::collections::HashSet;
use std::path::Path;

/// MD5 of the six files of CIFAR-10, as public loaders have them.
const CIFAR_MD5: [&str; 6] = [
    "5dd7e06a14cb22eb9f671a540d1b7c25",
    "5ea93a67294ea407fff1d09f752e9692",
    "942cd6a4bcdd0dd3c604fbe906cb4421",
    "ae636b3ba5c66a11e91e8cb52e771fcb",
    "53f37980c15c3d472c316c40844f3f0d",
    "803d5f7f4d78ea53de84dbe85f74fb6d",
];

/// The folder or the archive of CIFAR-10 (see [`super::load`]).
pub fn verify(path: &Path) -> Result<Report, DataError> {
    let mut report = Report::new(dataset::name("CIFAR-10", path));
    report.checksums = true;
    let mut sums: [Md5; 6] = Default::default();
    let mut labels = [[0usize; 10]; 6];
    let (mut colour, mut grey) = (HashSet::<Digest>::new(), HashSet::<Digest>::new());
    let (mut planes, mut black, mut pictures) = ([0u64; 3], 0, 0usize);
    super::records(path, &mut |file, record| {
        sums[file].update(record);
        labels[file][usize::from(record[0])] += 1;
        colour.insert(digest(&record[1..]));
        let pixels = super::grey(&record[1..]);
        black += pixels.iter().filter(|&&pixel| pixel == 0).count();
        grey.insert(digest(&pixels));
        for (sum, plane) in planes
            .iter_mut()
            .zip(record[1..].chunks_exact(super::PIXELS))
        {
            *sum += plane.iter().map(|&value| u64::from(value)).sum::<u64>();
        }
        pictures += 1;
    })?;
    for (((name, sum), labels), published) in
        super::FILES.iter().zip(sums).zip(labels).zip(CIFAR_MD5)
    {
        let sum: String = sum.finalize().iter().map(|b| format!("{b:02x}")).collect();
        report.fact(format!("{name}: md5 {sum}; of each class {labels:?}"));
        report.compare(&format!("md5 of {name}"), sum.as_str(), published);
    }
    let mean = |sum: u64| sum as f64 / (255 * super::PIXELS * pictures.max(1)) as f64;
    let [r, g, b] = planes.map(mean);
    report.fact(format!("mean of R, G, B over all: {r:.5} {g:.5} {b:.5}"));
    report.fact(format!(
        "{pictures} pictures: {} distinct in colour, {} in grey",
        colour.len(),
        grey.len()
    ));
    let share = 100.0 * black as f64 / (super::PIXELS * pictures.max(1)) as f64;
    report.fact(format!("black pixels, in grey: {share:.2}%"));
    report.compare("distinct pictures", colour.len(), 60_000);
    Ok(report)
}
