//! The two protocols: what becomes of copies, and which texts of Text are for training, for development and for testing
//! under each.
//!
//! `paper` does as the released code did, `clean` as a careful experimenter would. Of Text, both see the two published
//! halves, train and test, and are the same for a folder and for the built-in corpus; how they divide them is a
//! function of the texts, not of their order. What they do to another task is told in its module.

use crate::dataset::{Example, Split};
use crate::file::MARK;
use sha2::{Digest as _, Sha256};
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::Hash;

/// Whom the splits and tokens follow. Image is the same under both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// A careful experimenter: an example that is also in a later split is removed. The dev split of Text is a tenth of
    /// train, chosen by a hash of the text; ListOps has its closing brackets.
    #[default]
    Clean,
    /// The released code: nothing is removed. The dev split of Text is the test set itself, on which training stops;
    /// ListOps has no brackets.
    Paper,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protocol::Clean => "clean",
            Protocol::Paper => "paper",
        })
    }
}

/// A SHA-256.
pub(crate) type Digest = [u8; 32];

/// The [`Digest`] of `bytes`.
pub(crate) fn digest(bytes: &[u8]) -> Digest {
    Sha256::digest(bytes).into()
}

/// The [`Digest`] by which texts are copies of each other. It is that of the whole text, before any cut: splits do not
/// depend on the maximal length. What editors and file transfers put around a text makes no other text of it: a byte
/// order mark, and line breaks at the end.
pub(crate) fn text_digest(text: &[u8]) -> Digest {
    let text = text.strip_prefix(MARK).unwrap_or(text);
    let end = text
        .iter()
        .rposition(|&byte| byte != b'\n' && byte != b'\r');
    digest(&text[..end.map_or(0, |last| last + 1)])
}

/// Finds the examples of train, dev and test of which a later split has a copy, that is one of the same `key`, and
/// removes them under `clean`. Returns how many there were in each split.
pub(crate) fn copies<T, K: Eq + Hash>(
    splits: &mut [Vec<T>; 3],
    key: impl Fn(&T) -> K,
    protocol: Protocol,
) -> [usize; 3] {
    let mut later: HashSet<K> = HashSet::new();
    let mut found = [0; 3];
    for (split, found) in splits.iter_mut().zip(&mut found).rev() {
        let here: Vec<K> = split.iter().map(&key).collect();
        *found = here.iter().filter(|key| later.contains(key)).count();
        if protocol == Protocol::Clean {
            split.retain(|example| !later.contains(&key(example)));
        }
        later.extend(here);
    }
    found
}

/// A line about so many [`copies`] of examples, one of which is called `one`.
pub(crate) fn copies_line(one: &str, found: [usize; 3], removed: bool) -> String {
    let kept = if removed { "all" } else { "none" };
    match found.iter().sum() {
        0 => format!("no {one} has a copy in a later split"),
        found => format!("{one}s with a copy in a later split: {found} ({kept} removed)"),
    }
}

/// What decides about the split of an example: the first 8 bytes of its digest, as a number, modulo 10.
pub(crate) fn modulo_ten(digest: &Digest) -> u64 {
    let (first, _) = digest.split_at(8);
    first.iter().fold(0, |h: u64, &b| h << 8 | u64::from(b)) % 10
}

/// Whether the text with this digest is for development: its first 16 hexadecimal digits, as a number, is divisible by
/// 10.
fn is_dev(digest: &Digest) -> bool {
    modulo_ten(digest) == 0
}

/// An example with what is known of its whole text.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    example: Example,
    digest: Digest,
    /// Of the whole text.
    bytes: usize,
}

impl Source {
    /// The source of one text, of which `max_len` bytes are kept, with its [`text_digest`].
    pub(crate) fn new(
        id: usize,
        label: usize,
        text: &[u8],
        digest: Digest,
        max_len: usize,
    ) -> Self {
        Source {
            example: Example {
                id,
                label,
                documents: vec![text[..text.len().min(max_len)].into()],
            },
            digest,
            bytes: text.len(),
        }
    }
}

/// The three splits and the data report.
pub(crate) struct Division {
    pub(crate) train: Split,
    pub(crate) dev: Split,
    pub(crate) test: Split,
    pub(crate) notes: Vec<String>,
}

/// Divides the two published halves as `protocol` says.
pub(crate) fn divide(
    train: Vec<Source>,
    test: Vec<Source>,
    classes: &[String],
    max_len: usize,
    protocol: Protocol,
) -> Division {
    let mut notes = vec![
        half_report("train", &train, classes, Some(max_len)),
        half_report("test", &test, classes, Some(max_len)),
    ];
    let tested: HashSet<Digest> = test.iter().map(|source| source.digest).collect();
    let (copies, found) = in_both(&train, &tested);

    let (train, dev, test) = match protocol {
        Protocol::Clean => {
            let removed = if copies > 0 { " (all removed)" } else { "" };
            notes.push(format!("{found}{removed}"));
            let (dev, train): (Vec<_>, Vec<_>) = train
                .into_iter()
                .filter(|source| !tested.contains(&source.digest))
                .partition(|source| is_dev(&source.digest));
            (examples(train), examples(dev), examples(test))
        }
        Protocol::Paper => {
            let kept = if copies > 0 { " (none removed)" } else { "" };
            notes.push(format!("{found}{kept}"));
            let test = examples(test);
            (examples(train), test.clone(), test)
        }
    };
    notes.push(match protocol {
        Protocol::Clean => format!(
            "protocol clean: dev = the texts of train whose SHA-256, first 8 bytes, is 0 modulo 10; train {}, dev {}, \
             test {}",
            train.len(),
            dev.len(),
            test.len()
        ),
        Protocol::Paper => format!(
            "protocol paper: dev = test, so stopping sees the test set; train {}, test {}",
            train.len(),
            test.len()
        ),
    });
    let split = |name, examples| Split { name, examples };
    Division {
        train: split("train", train),
        dev: split("dev", dev),
        test: split("test", test),
        notes,
    }
}

fn examples(sources: Vec<Source>) -> Vec<Example> {
    sources.into_iter().map(|source| source.example).collect()
}

/// How many texts of train are in test too, copies counted one by one, and a line about it.
pub(crate) fn in_both(train: &[Source], tested: &HashSet<Digest>) -> (usize, String) {
    let copies = train.iter().filter(|s| tested.contains(&s.digest));
    let both: HashSet<Digest> = copies.clone().map(|source| source.digest).collect();
    match (copies.count(), both.len()) {
        (0, _) => (0, "no text is in both train and test".to_string()),
        (copies, both) => {
            let line =
                format!("texts in both train and test: {both}, {copies} copies of them in train");
            (copies, line)
        }
    }
}

/// One line about one published half, with how many texts are longer than `max_len` if there is one.
pub(crate) fn half_report(
    name: &str,
    sources: &[Source],
    classes: &[String],
    max_len: Option<usize>,
) -> String {
    let of_class = |label| sources.iter().filter(|s| s.example.label == label).count();
    let per_class: Vec<String> = (0..)
        .zip(classes)
        .map(|(label, class)| format!("{} {class}", of_class(label)))
        .collect();

    let mut labels: HashMap<Digest, usize> = HashMap::with_capacity(sources.len());
    let mut contradictory = HashSet::new();
    for source in sources {
        let label = source.example.label;
        if *labels.entry(source.digest).or_insert(label) != label {
            contradictory.insert(source.digest);
        }
    }

    let mut lengths: Vec<usize> = sources.iter().map(|source| source.bytes).collect();
    lengths.sort_unstable();
    let count = lengths.len().max(1);
    let mut line = format!(
        "{name}: {} texts ({}), {} distinct; bytes: mean {}, median {}, longest {}",
        sources.len(),
        per_class.join(", "),
        labels.len(),
        lengths.iter().sum::<usize>() / count,
        lengths.get(lengths.len() / 2).unwrap_or(&0),
        lengths.last().unwrap_or(&0),
    );
    if let Some(max_len) = max_len {
        let longer = lengths.iter().filter(|&&length| length > max_len).count();
        let share = 100.0 * longer as f64 / count as f64;
        line += &format!("; cut at {max_len}: {longer} ({share:.1}%)");
    }
    if !contradictory.is_empty() {
        line += &format!("; in two classes at once: {}", contradictory.len());
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::rng::Seed;

    const MAX_LEN: usize = 6;

    fn sources(texts: &[(usize, String)]) -> Vec<Source> {
        let source = |(id, (label, text)): (usize, &(usize, String))| {
            let text = text.as_bytes();
            Source::new(id, *label, text, text_digest(text), MAX_LEN)
        };
        texts.iter().enumerate().map(source).collect()
    }

    fn texts(from: usize, to: usize) -> Vec<(usize, String)> {
        (from..to).map(|i| (i % 2, format!("text {i}"))).collect()
    }

    fn divided(
        train: &[(usize, String)],
        test: &[(usize, String)],
        protocol: Protocol,
    ) -> Division {
        let classes = ["neg".to_string(), "pos".to_string()];
        divide(sources(train), sources(test), &classes, MAX_LEN, protocol)
    }

    /// The texts of a split, found again by id.
    fn names(split: &Split, texts: &[(usize, String)]) -> HashSet<String> {
        let name = |example: &Example| texts[example.id].1.clone();
        split.examples.iter().map(name).collect()
    }

    #[test]
    fn the_dev_split_is_a_tenth_and_does_not_depend_on_the_order() {
        let (mut train, test) = (texts(0, 2000), texts(2000, 2100));
        let first = divided(&train, &test, Protocol::Clean);
        let dev = names(&first.dev, &train);
        assert_eq!(first.train.examples.len() + first.dev.examples.len(), 2000);
        // Four standard deviations of a binomial(2000, 1/10) are 54.
        assert!(dev.len().abs_diff(200) <= 54, "{} in dev", dev.len());
        Seed(1).stream("order").generator().shuffle(&mut train);
        let second = divided(&train, &test, Protocol::Clean);
        assert_eq!(names(&second.dev, &train), dev);
        // Nor on the other texts.
        let third = divided(&train[..1000], &test, Protocol::Clean);
        assert!(names(&third.dev, &train).is_subset(&dev));
    }

    /// The rule as README and notes tell it, from the outside: `printf 'text 7' | sha256sum` and so on.
    #[test]
    fn the_dev_rule_is_pinned() {
        let dev: Vec<usize> = (0..60)
            .filter(|i| is_dev(&digest(format!("text {i}").as_bytes())))
            .collect();
        assert_eq!(dev, GOLDEN_DEV);
    }
    const GOLDEN_DEV: &[usize] = &[21, 24, 25, 33, 47];

    #[test]
    fn clean_removes_from_train_what_is_in_test_and_keeps_copies_on_one_side() {
        let (mut train, mut test) = (texts(0, 100), texts(100, 150));
        train.extend(texts(0, 100)); // every text twice
        train.push((0, "text 120".to_string()));
        train.push((1, "text 120".to_string()));
        test.push((0, "text 120".to_string()));
        let clean = divided(&train, &test, Protocol::Clean);
        assert_eq!(clean.train.examples.len() + clean.dev.examples.len(), 200);
        let (in_train, in_dev) = (names(&clean.train, &train), names(&clean.dev, &train));
        assert!(in_train.is_disjoint(&in_dev));
        assert!(!in_train.contains("text 120") && !in_dev.contains("text 120"));
        assert_eq!(clean.test.examples.len(), 51);
        let report = clean.notes.join("\n");
        for part in [
            "train: 202 texts (101 neg, 101 pos), 101 distinct",
            "in two classes at once: 1",
            "texts in both train and test: 1, 2 copies of them in train (all removed)",
        ] {
            assert!(report.contains(part), "{part:?} is not in\n{report}");
        }
    }

    /// Whatever stands around it, a text is in one split only.
    #[test]
    fn line_breaks_at_the_end_and_a_mark_make_no_other_text() {
        let around = |text: &str| {
            [
                text.to_string(),
                format!("{text}\n"),
                format!("\u{feff}{text}\r\n\r\n"),
            ]
        };
        let train: Vec<(usize, String)> = (0..60)
            .flat_map(|i| around(&format!("text {i}")).map(|text| (i % 2, text)))
            .collect();
        let test = vec![(0, "text 7\n".to_string())];
        let clean = divided(&train, &test, Protocol::Clean);
        let dev: Vec<usize> = clean.dev.examples.iter().map(|e| e.id / 3).collect();
        let thrice: Vec<usize> = GOLDEN_DEV.iter().flat_map(|&i| [i; 3]).collect();
        assert_eq!(dev, thrice);
        assert!(!clean.train.examples.iter().any(|e| e.id / 3 == 7));
        // What the model sees is still every byte.
        assert_eq!(&*clean.dev.examples[1].documents[0], b"text 2");
        assert_eq!(
            &*clean.dev.examples[2].documents[0],
            "\u{feff}tex".as_bytes()
        );
        // Within a text, line breaks are bytes like all others.
        for (one, other) in [("a\nb", "a\r\nb"), ("\na", "a"), ("a ", "a")] {
            assert_ne!(text_digest(one.as_bytes()), text_digest(other.as_bytes()));
        }
        assert_eq!(text_digest(b"\r\n"), digest(b""));
    }

    #[test]
    fn copies_are_found_in_later_splits_and_removed_under_clean() {
        let splits = [vec!["a", "b", "c", "c"], vec!["b", "d"], vec!["c", "b"]];
        for (protocol, left) in [
            (Protocol::Clean, [vec!["a"], vec!["d"], vec!["c", "b"]]),
            (Protocol::Paper, splits.clone()),
        ] {
            let mut splits = splits.clone();
            assert_eq!(copies(&mut splits, |s| *s, protocol), [3, 1, 0]);
            assert_eq!(splits, left);
        }
    }

    #[test]
    fn paper_tests_on_what_it_stops_on_and_removes_nothing() {
        let (train, test) = (texts(0, 60), texts(50, 100));
        let paper = divided(&train, &test, Protocol::Paper);
        assert_eq!(paper.dev.examples, paper.test.examples);
        assert_eq!((paper.dev.name, paper.test.name), ("dev", "test"));
        assert_eq!(paper.train.examples.len(), 60);
        assert_eq!(paper.test.examples.len(), 50);
        assert!(paper.notes.join("\n").contains("(none removed)"));
    }

    #[test]
    fn ids_are_those_of_the_source_under_both_protocols() {
        let (train, test) = (texts(0, 60), texts(60, 80));
        for protocol in [Protocol::Clean, Protocol::Paper] {
            let division = divided(&train, &test, protocol);
            for example in &division.train.examples {
                assert_eq!(example.label, train[example.id].0);
                let kept = &train[example.id].1.as_bytes()[..MAX_LEN];
                assert_eq!(&*example.documents[0], kept);
            }
        }
    }
}
