//! The published IMDb reviews, where they are at hand: `../../shared/data` seen from this crate. Elsewhere the test
//! says that it is skipped, and passes.

use crate::support::unpacked;
use datasets::{Protocol, baseline, text};

#[test]
fn the_published_reviews_have_their_known_counts() {
    let Some((_root, path)) = unpacked("aclImdb.tar.gz", "aclImdb") else {
        return;
    };
    let paper = text::load(&path, text::MAX_LEN, Protocol::Paper).unwrap();
    assert_eq!(paper.train.examples.len(), 25_000);
    assert_eq!(paper.test.examples.len(), 25_000);
    assert_eq!(paper.dev.examples, paper.test.examples);
    let report = paper.notes.join("\n");
    for known in [
        "train: 25000 texts (12500 neg, 12500 pos), 24904 distinct",
        "mean 1325, median 979, longest 13704",
        "test: 25000 texts (12500 neg, 12500 pos), 24801 distinct",
        "texts in both train and test: 123,",
    ] {
        assert!(report.contains(known), "{known:?} is not in\n{report}");
    }

    // 24,877 texts of train are not in test; 2,445 of them are in dev by the published rule, computed independently.
    let clean = text::load(&path, text::MAX_LEN, Protocol::Clean).unwrap();
    let sizes = [&clean.train, &clean.dev, &clean.test].map(|split| split.examples.len());
    assert_eq!(sizes, [22_432, 2_445, 25_000]);

    let found = baseline::token_frequencies(&clean);
    println!("{found}");
    // 66.20% when this was written.
    assert!((0.655..0.67).contains(&found.logistic), "{found}");
}
