//! Files of ListOps on the disk: every Target computed anew, and whether they are the published ones.

use crate::protocol::{Digest, Protocol, copies, digest};
use crate::verify::{COUNTS_ONLY, Report};
use crate::{DataError, dataset, shown};
use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

/// The folder of the ListOps files, whole or in part, or one of them (see [`super::load`]).
///
/// The value of every expression is computed anew; a Target that is another is a fault, with its line. Counts are
/// compared with those of the Long Range Arena's own files. A folder without the file of train, and a single file that
/// is too small to be divided, are parts of a set: what the loader says of them is a difference, no fault.
pub fn verify(path: &Path) -> Result<Report, DataError> {
    let mut report = Report::new(dataset::name("ListOps", path));
    let whole = path.is_dir();
    // What is there and cannot be reached is read like the others, and that says why not.
    let missing = |file: &Path| {
        let found = file.symlink_metadata();
        found.is_err_and(|e| e.kind() == io::ErrorKind::NotFound)
    };
    let here: Vec<(PathBuf, Option<usize>)> = match whole {
        false => {
            let known = |file| Path::new(file) == Path::new(path.file_name().unwrap_or_default());
            vec![(path.to_path_buf(), super::FILES.into_iter().position(known))]
        }
        true => {
            let all = (0..)
                .zip(super::FILES)
                .map(|(i, f)| (path.join(f), Some(i)));
            all.filter(|(file, _)| !missing(file)).collect()
        }
    };
    if here.is_empty() {
        // The loader says what is missing, and where it may be.
        super::load(path, super::MAX_LEN, Protocol::Paper)?;
    }
    let published = [96_000, 2_000, 2_000];
    let mut earlier: Vec<(String, HashSet<Digest>)> = vec![];
    // As the loader divides them.
    let mut splits: [Vec<Digest>; 3] = Default::default();
    for (file, place) in &here {
        let name = shown::name(file.file_name().unwrap_or_default());
        let (mut labels, mut words, mut longest) = ([0usize; 10], 0, 0);
        let mut shortest = usize::MAX;
        let mut distinct = HashSet::new();
        let found = super::expressions(file, &mut |codes, target| {
            labels[usize::from(target)] += 1;
            words += codes.len();
            longest = longest.max(codes.len());
            shortest = shortest.min(codes.len());
            let digest = digest(codes);
            distinct.insert(digest);
            let split = match *place {
                Some(place) if whole => place,
                _ => super::place(&digest),
            };
            splits[split].push(digest);
        })?;
        report.fact(found.to_string());
        report.fact(format!(
            "  {} distinct; words: mean {}, {} to {longest}; Targets 0..9: {labels:?}",
            distinct.len(),
            words / found.expressions.max(1),
            shortest.min(longest)
        ));
        for (before, seen) in &earlier {
            let both = distinct.intersection(seen).count();
            report.fact(format!("  in common with {before}: {both}"));
        }
        for wrong in &found.mismatches {
            report.faults.push(format!(
                "{name}, line {}: the Target is {}, the value of the expression {}",
                wrong.line, wrong.got, wrong.expected
            ));
        }
        let more = found.wrong - found.mismatches.len();
        if more > 0 {
            report
                .faults
                .push(format!("{name}: {more} more such lines"));
        }
        if let Some(place) = *place {
            let what = format!("expressions in {name}");
            report.compare(&what, found.expressions, published[place]);
        } else {
            report
                .differences
                .push(format!("{name} is none of the published files"));
        }
        earlier.push((name, distinct));
    }
    for (file, count) in super::FILES.iter().zip(published) {
        if !earlier.iter().any(|(name, _)| name == file) {
            report.compare(&format!("expressions in {file}"), 0, count);
        }
    }
    let empty = splits.iter().all(Vec::is_empty);
    copies(&mut splits, |digest| *digest, Protocol::Clean);
    for (place, split) in ["train", "dev", "test"].into_iter().enumerate() {
        let file = path.join(super::FILES[place]);
        let absent = whole && missing(&file);
        let refused = if absent {
            super::expressions(&file, &mut |_, _| ()).map(drop)
        } else if splits[place].is_empty() {
            Err(super::none_left(path, split))
        } else {
            Ok(())
        };
        let part = match whole {
            true => absent && place == 0,
            false => !empty,
        };
        match (refused, part) {
            (Err(error), true) => report.differences.push(error.to_string()),
            (refused, _) => report.refused(refused),
        }
    }
    report.fact(COUNTS_ONLY);
    Ok(report)
}
