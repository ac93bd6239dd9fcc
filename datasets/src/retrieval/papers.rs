//! The built-in pairs: made-up papers that share a subject or do not, for a machine without data.
//!
//! A paper has two parts of as many words: first what it is about, then what it refers to. Every other word of a part is
//! a formula, a few of the four letters of that part's subject (`KQQT`); the other words are lower-case English that
//! says nothing. Capitals stand in formulae only. Two papers are related if their first parts have the same subject.
//!
//! # Why the product of the pooled vectors decides
//! Every letter is as likely in a related pair as in another, in each document alone: whatever is a sum of a function of
//! one document and a function of the other is at chance. It takes the product of both, letter by letter, as in the
//! features [u, v, u * v, u - v] of the pair classifier.
//!
//! # Why byte frequencies do not
//! A related pair shares the subject of its first parts and has two subjects apart in its second parts; an unrelated pair
//! the other way round. Both parts have the same number of words, drawn alike. So the frequencies of the bytes of both
//! documents, together, have the very same distribution in both classes: no function of them, linear or not, is better
//! than chance, as long as the texts are not cut (`WORDS` says how long they are). A model has to weigh the first part
//! more than the second, from its position table, before it multiplies.
//!
//! The design is balanced: pair i has label i mod 2; everything else comes from the stream (seed, split, i).

use engine::rng::{Generator, Seed};

/// Number of training pairs.
pub(super) const TRAIN: usize = 20_000;
/// Number of pairs for development.
pub(super) const DEV: usize = 2_000;
/// Number of test pairs.
pub(super) const TEST: usize = 5_000;

// What follows sets how hard the pairs are: more letters a subject, fewer formulae or longer texts: harder. A second part
// with fewer formulae than the first (`REFERENCES` below `FORMULAE`): easier, also for frequencies.

/// The letters of formulae.
const LETTERS: &[u8; 16] = b"ABCDEFGHJKLMNPQR";
/// Letters of a subject. A pair needs three subjects without a letter in common.
const SUBJECT: usize = 4;
/// Formulae of the first part; as many words stand between them. A part is about 130 bytes long.
const FORMULAE: usize = 12;
/// Formulae of the second part.
const REFERENCES: usize = 12;
/// Letters of a formula, at least and at most.
const FORMULA: (usize, usize) = (4, 6);

/// Words that say nothing.
const WORDS: [&str; 48] = [
    "the", "a", "of", "and", "we", "show", "that", "is", "in", "for", "with", "model", "data",
    "as", "by", "method", "results", "on", "text", "from", "this", "to", "be", "are", "given",
    "each", "word", "set", "which", "where", "can", "has", "more", "than", "language", "used",
    "both", "new", "over", "these", "first", "any", "at", "use", "also", "see", "or", "find",
];

/// Label and texts of pair `id` of a split.
pub(super) fn pair(seed: Seed, split: &str, id: usize) -> (usize, [Vec<u8>; 2]) {
    let label = id % 2;
    let mut g = seed.stream("papers").stream(split).at(id).generator();
    let mut letters = *LETTERS;
    g.shuffle(&mut letters);
    let subject = |number: usize| &letters[number * SUBJECT..][..SUBJECT];
    let (shared, one, other) = (subject(0), subject(1), subject(2));
    let mut text = |own: &[u8]| {
        let parts = match label {
            1 => [shared, own],
            _ => [own, shared],
        };
        let mut text = Vec::with_capacity(300);
        part(&mut g, parts[0], FORMULAE, &mut text);
        part(&mut g, parts[1], REFERENCES, &mut text);
        text
    };
    (label, [text(one), text(other)])
}

/// Writes one part: formulae and other words in turn.
fn part(g: &mut Generator, subject: &[u8], formulae: usize, text: &mut Vec<u8>) {
    for _ in 0..formulae {
        text.extend(WORDS[g.below(WORDS.len())].bytes());
        text.push(b' ');
        let length = FORMULA.0 + g.below(FORMULA.1 - FORMULA.0 + 1);
        text.extend((0..length).map(|_| subject[g.below(SUBJECT)]));
        text.push(b' ');
    }
    // A part ends as a sentence does.
    text.pop();
    text.extend(b". ");
}
