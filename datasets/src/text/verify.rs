//! Reviews on the disk: what is in them, and whether they are the published ones.

use super::{CLASSES, Set};
use crate::DataError;
use crate::protocol::{Digest, Protocol, Source, divide, half_report, in_both, text_digest};
use crate::verify::{Encodings, Report};
use std::collections::HashSet;
use std::path::Path;

/// The folder of the IMDb reviews, or of texts of other classes (see [`super::load`]).
pub fn verify(path: &Path) -> Result<Report, DataError> {
    let mut halves: [Vec<Source>; 2] = Default::default();
    let mut encodings: [Encodings; 2] = Default::default();
    let mut seen: [HashSet<Digest>; 2] = Default::default();
    let set = Set::find(path)?;
    let classes = &set.classes;
    let mut labels = [(); 2].map(|()| vec![0usize; classes.len()]);
    set.texts(&mut |half, label, text| {
        let digest = text_digest(text);
        encodings[half].add(text);
        seen[half].insert(digest);
        labels[half][label] += 1;
        // No byte is kept: all that is told of a text from here on is its digest and its length.
        let id = halves[half].len();
        halves[half].push(Source::new(id, label, text, digest, 0));
    })?;
    let mut report = Report::new(super::name(path));
    let found = [("train", 24_904), ("test", 24_801)];
    for ((name, _), sources) in found.iter().zip(&halves) {
        report.fact(half_report(name, sources, classes, None));
    }
    report.compare("classes", classes.join(", "), CLASSES.join(", "));
    report.fact(in_both(&halves[0], &seen[1]).1);
    for (half, (name, distinct)) in found.into_iter().enumerate() {
        report.fact(format!("{name}: {}", encodings[half]));
        let name = |what: &str| format!("{name} {what}");
        report.compare(&name("texts"), halves[half].len(), 25_000);
        for (class, &of_class) in classes.iter().zip(&labels[half]) {
            if CLASSES.contains(&class.as_str()) {
                report.compare(&name(&format!("texts of class {class}")), of_class, 12_500);
            }
        }
        report.compare(&name("distinct texts"), seen[half].len(), distinct);
    }
    let both = seen[0].intersection(&seen[1]).count();
    report.compare("texts in both halves", both, 123);
    let [train, test] = halves;
    let division = divide(train, test, classes, super::MAX_LEN, Protocol::Clean);
    report.refused(super::refuse_empty(path, &division));
    Ok(report)
}
