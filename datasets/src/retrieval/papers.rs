//! The built-in pairs: made-up papers that agree about what is asked or do not, for a machine without data.
//!
//! A paper has four fields: task, data, method and theory. Each field has four letters of its own, and a paper writes
//! formulae of one of them (`KKKKK`) about every field, in rounds, with an English word that says nothing before each
//! round. In a pair, the papers have, field by field, the same letter or another. Both papers say in every round which
//! field they ask about, by its mark (`##`). The label is whether they agree in that field.
//!
//! # What it takes to tell the label
//! What one document says alone tells nothing: every letter is as likely in a related pair as in another. It takes the
//! product of both, letter by letter, as in the features [u, v, u * v, u - v] of the pair classifier. And it takes
//! the product with the mark, as in the built-in reviews: a linear rule on how much the byte frequencies of the papers
//! differ sees in how many fields they agree, not which one is asked about. The best follows the majority of the four
//! independent signs, S of them summed: it is right with probability 1/2 + E|S|/8 = 69%.
//!
//! It does not take the order of the bytes. Which of them stand in the papers, a mark and a letter of its field, tells
//! the label to a rule that is not linear: `tests/retrieval.rs` has one that is always right, and README a model
//! without attention, V-mean, that gets 80% in five minutes (skein 98%).
//!
//! The design is balanced: pair i has label i mod 2 and asks about field (i / 2) mod 4; everything else comes from the
//! stream (seed, split, i).

use engine::rng::{Generator, Seed};

/// Number of training pairs.
pub(super) const TRAIN: usize = 20_000;
/// Number of pairs for development.
pub(super) const DEV: usize = 2_000;
/// Number of test pairs.
pub(super) const TEST: usize = 5_000;

// What follows sets how hard the pairs are: fewer or shorter formulae, more letters or words: harder.

/// Mark and letters of each field; they stand nowhere else in a text.
const FIELDS: [(u8, &[u8; 4]); 4] = [
    (b'#', b"ABCD"),
    (b'@', b"JKLM"),
    (b'%', b"STUV"),
    (b'&', b"2345"),
];
/// Rounds: formulae of each field.
const ROUNDS: usize = 8;
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
    let (label, asked) = (id % 2, id / 2 % FIELDS.len());
    let mut g = seed.stream("papers").stream(split).at(id).generator();
    let letters = FIELDS.map(|(_, letters)| {
        let mut letters = *letters;
        g.shuffle(&mut letters);
        letters
    });
    let agree: [bool; FIELDS.len()] = std::array::from_fn(|field| match field == asked {
        true => label == 1,
        false => g.below(2) == 1,
    });
    let mut text = |second: bool| {
        let letter = |field: usize| letters[field][usize::from(second && !agree[field])];
        paper(&mut g, FIELDS[asked].0, letter)
    };
    (label, [text(false), text(true)])
}

/// Writes a paper: in every round the mark, a word, and a formula about every field.
fn paper(g: &mut Generator, mark: u8, letter: impl Fn(usize) -> u8) -> Vec<u8> {
    let mut text = Vec::with_capacity(500);
    let mut order: [usize; FIELDS.len()] = std::array::from_fn(|field| field);
    for _ in 0..ROUNDS {
        text.extend([mark, mark, b' ']);
        text.extend(WORDS[g.below(WORDS.len())].bytes());
        g.shuffle(&mut order);
        for field in order {
            text.push(b' ');
            let length = FORMULA.0 + g.below(FORMULA.1 - FORMULA.0 + 1);
            text.extend(std::iter::repeat_n(letter(field), length));
        }
        // A round ends as a sentence does.
        text.extend(b". ");
    }
    text
}
