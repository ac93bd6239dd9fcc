//! Pairs of papers on the disk: what is in them, and whether they are the published ones.

use crate::protocol::{Digest, Protocol, copies, digest, text_digest};
use crate::verify::{COUNTS_ONLY, Encodings, Report};
use crate::{DataError, dataset};
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// The folder of the Retrieval pairs (see [`super::load`]).
///
/// Counts are compared with those of the Long Range Arena's own files.
pub fn verify(path: &Path) -> Result<Report, DataError> {
    super::check_folder(path)?;
    let mut report = Report::new(dataset::name("pairs of papers", path));
    struct Earlier {
        file: &'static str,
        pairs: HashSet<super::Key>,
        documents: HashSet<Digest>,
    }
    let mut earlier: Vec<Earlier> = vec![];
    // By the digest of the id. The same id with another text is a mistake of whoever made the pairs.
    let mut texts_of: HashMap<Digest, Digest> = HashMap::new();
    let mut two_texts: HashSet<Digest> = HashSet::new();
    for (file, published) in super::FILES.iter().zip([147_086, 18_090, 17_437]) {
        let mut encodings = Encodings::default();
        let (mut labels, mut literals, mut longest, mut over) = ([0usize; 2], 0, 0, 0);
        let mut pairs: HashMap<super::Key, usize> = HashMap::new();
        let mut contradictory = HashSet::new();
        let mut documents = HashSet::new();
        super::rows(&path.join(file), &mut |row| {
            labels[row.label] += 1;
            literals += row.literals;
            let digests = row.texts.each_ref().map(|text| text_digest(text));
            let key = super::key(digests);
            if *pairs.entry(key).or_insert(row.label) != row.label {
                contradictory.insert(key);
            }
            let ids = row.ids.map(|id| digest(id.as_bytes()));
            for ((text, digest), id) in row.texts.iter().zip(digests).zip(ids) {
                encodings.add(text);
                longest = longest.max(text.len());
                over += usize::from(text.len() > super::MAX_LEN);
                documents.insert(digest);
                if *texts_of.entry(id).or_insert(digest) != digest {
                    two_texts.insert(id);
                }
            }
        })?;
        let rows: usize = labels.iter().sum();
        let [unrelated, related] = labels;
        report.fact(format!(
            "{file}: {rows} pairs, {related} related, {unrelated} unrelated; {} distinct, {} of them with both labels",
            pairs.len(),
            contradictory.len()
        ));
        report.fact(format!(
            "  {} distinct documents, longest {longest} bytes; {:.1}% of the texts are over {} bytes; {literals} bytes \
             literals",
            documents.len(),
            100.0 * over as f64 / (2 * rows).max(1) as f64,
            super::MAX_LEN
        ));
        report.fact(format!("  {encodings}"));
        let pairs: HashSet<super::Key> = pairs.into_keys().collect();
        for before in &earlier {
            report.fact(format!(
                "  in common with {}: {} pairs, {} documents",
                before.file,
                pairs.intersection(&before.pairs).count(),
                documents.intersection(&before.documents).count()
            ));
        }
        report.compare(&format!("pairs in {file}"), rows, published);
        earlier.push(Earlier {
            file,
            pairs,
            documents,
        });
    }
    let split = |place: usize| {
        let earlier: &Earlier = &earlier[place];
        earlier.pairs.iter().copied().collect()
    };
    let mut splits: [Vec<super::Key>; 3] = [0, 1, 2].map(split);
    copies(&mut splits, |key| *key, Protocol::Clean);
    for (file, pairs) in super::FILES.iter().zip(splits) {
        if pairs.is_empty() {
            report.refused(Err(super::none_left(&path.join(file))));
        }
    }
    report.fact(format!(
        "{} papers by id; with more than one text: {}",
        texts_of.len(),
        two_texts.len()
    ));
    report.fact(COUNTS_ONLY);
    Ok(report)
}
