//! The built-in corpus: film reviews from a seeded grammar, for a machine without data.
//!
//! Every review opens with a question about one of K aspects (acting, plot, music, camera) and then holds opinions
//! about all of them, each aspect's drawn for itself, among sentences about the story, the production and the visit.
//! The label is the opinion about the aspect that was asked about. So no sum over the text tells it: it takes the
//! product of "which aspect stands in the question" and "what is said about that aspect".
//!
//! Byte frequencies see the opinions but not the interaction. The best linear rule on them follows the majority of the
//! K independent signs, S of them summed: it is right with probability 1/2 + E|S|/(2K), 69% for K = 4 and K = 5.
//!
//! The design is balanced: example i has label i mod 2 and asks about aspect (i / 2) mod K; everything else is drawn
//! from the stream (seed, split, i), so an example is a pure function of these and any part can be made alone.

use super::grammar::{Grammar, Kept, Rule};
use crate::protocol::{Source, digest};
use engine::rng::{Generator, Seed, Stream};
use std::collections::HashSet;

/// Number of training texts, as many as IMDb has.
pub(super) const TRAIN: usize = 25_000;
/// Number of test texts.
pub(super) const TEST: usize = 5_000;

// What follows sets how hard the corpus is. A small byte-level model finds single bytes and products with the question
// long before words, so each aspect is rated in a notation of its own, whose bytes stand nowhere else in the text. How
// much of it there is per 100 bytes of text is the share of opinions times the length of the notation:
// `measured_strength` prints it.

/// The aspects, and how each is rated: (name of its rules, good, bad).
const ASPECTS: [(&str, &str, &str); 4] = [
    ("acting", "8.8/10", "2.2/10"),
    ("plot", "!!!", "???"),
    ("music", "+++", "---"),
    ("camera", ":)))", ":((("),
];
/// Share of the sentences that are opinions; the aspects take turns, in a new order each round.
const OPINIONS: f64 = 0.6;

/// Median of the length aimed at, in bytes; sentences are not cut, so the texts come out some 80 bytes longer.
const MEDIAN: f64 = 900.0;
/// Standard deviation of its logarithm: 0.78 has IMDb's mean of 1.35 medians.
const SPREAD: f64 = 0.78;
/// Its bounds. However short, a review has an opinion about every aspect.
const LENGTHS: (f64, f64) = (250.0, 8000.0);
/// Probability that a sentence is followed by a paragraph break, in IMDb's notation.
const PARAGRAPH: f64 = 0.12;

/// All texts of the two splits for `seed`; no text is in both, nor twice in one.
pub(super) fn sources(seed: Seed, max_len: usize) -> (Vec<Source>, Vec<Source>) {
    let mut writer = Writer::new();
    let mut seen = HashSet::with_capacity(TRAIN + TEST);
    let mut split = |name: &str, count: usize| -> Vec<Source> {
        let stream = seed.stream("reviews").stream(name);
        (0..count)
            .map(|id| {
                let (label, asked) = (id % 2, id / 2 % ASPECTS.len());
                let mut attempt = 0;
                loop {
                    let text = writer.write(stream.at(id).at(attempt), asked, label == 1);
                    let digest = digest(text);
                    if seen.insert(digest) {
                        return Source::new(id, label, text, digest, max_len);
                    }
                    attempt += 1;
                }
            })
            .collect()
    };
    (split("train", TRAIN), split("test", TEST))
}

/// Writes reviews, one after the other, into one buffer.
struct Writer {
    grammar: Grammar,
    mark: Rule,
    question: [Rule; ASPECTS.len()],
    /// `[bad, good]` of each aspect.
    opinion: [[Rule; 2]; ASPECTS.len()],
    opening: Rule,
    /// What is neither for nor against the film; the story is told twice as often as the rest.
    filler: [Rule; 4],
    closing: Rule,
    kept: Kept,
    text: Vec<u8>,
}

impl Writer {
    fn new() -> Self {
        let grammar = Grammar::parse(include_str!("reviews.grammar"));
        let rule = |name: &str| grammar.rule(name);
        Writer {
            mark: rule("mark"),
            question: ASPECTS.map(|(name, ..)| rule(&format!("{name}.question"))),
            opinion: ASPECTS
                .map(|(name, ..)| ["bad", "good"].map(|side| rule(&format!("{name}.{side}")))),
            opening: rule("opening"),
            filler: ["story", "story", "production", "viewing"].map(rule),
            closing: rule("closing"),
            kept: grammar.kept(),
            text: Vec::new(),
            grammar,
        }
    }

    /// The review of `stream` that asks about aspect `asked` and finds it `good` or bad.
    fn write(&mut self, stream: Stream, asked: usize, good: bool) -> &[u8] {
        let generator = &mut stream.generator();
        self.kept.clear();
        self.text.clear();
        let mut opinions = [false; ASPECTS.len()];
        opinions.fill_with(|| generator.below(2) == 1);
        opinions[asked] = good;
        let length = libm::exp(libm::log(MEDIAN) + SPREAD * generator.normal());
        let length = length.clamp(LENGTHS.0, LENGTHS.1) as usize;

        self.sentence(self.question[asked], generator);
        self.text.push(b' ');
        self.sentence(self.opening, generator);
        let mut turns: Vec<usize> = Vec::new();
        let mut rounds = 0;
        while self.text.len() < length || rounds < 1 || (rounds == 1 && !turns.is_empty()) {
            self.text
                .extend_from_slice(if generator.uniform() < PARAGRAPH {
                    b"<br /><br />"
                } else {
                    b" "
                });
            if generator.uniform() < OPINIONS {
                if turns.is_empty() {
                    turns.extend(0..ASPECTS.len());
                    generator.shuffle(&mut turns);
                    rounds += 1;
                }
                if let Some(aspect) = turns.pop() {
                    self.opinion(aspect, opinions[aspect], generator);
                }
            } else {
                let filler = self.filler[generator.below(self.filler.len())];
                self.sentence(filler, generator);
            }
        }
        self.text.push(b' ');
        self.sentence(self.closing, generator);
        &self.text
    }

    fn opinion(&mut self, aspect: usize, good: bool, generator: &mut Generator) {
        let (_, praise, blame) = ASPECTS[aspect];
        let mark = if good { praise } else { blame };
        self.kept.set(self.mark, mark.as_bytes());
        self.sentence(self.opinion[aspect][usize::from(good)], generator);
    }

    fn sentence(&mut self, rule: Rule, generator: &mut Generator) {
        self.grammar
            .expand(rule, &mut self.kept, generator, &mut self.text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(count: usize) -> Vec<(usize, bool, String)> {
        let mut writer = Writer::new();
        let stream = Seed(7).stream("reviews of a test");
        (0..count)
            .map(|id| {
                let (asked, good) = (id / 2 % ASPECTS.len(), id % 2 == 1);
                let text = writer.write(stream.at(id), asked, good).to_vec();
                (asked, good, String::from_utf8(text).unwrap())
            })
            .collect()
    }

    /// At each of the first places, no two aspects have the same byte, and all questions about one aspect have the
    /// same: a model can read the aspect off a byte at a fixed position.
    #[test]
    fn the_question_tells_the_aspect_by_bytes_at_fixed_positions() {
        let mut openings: [HashSet<String>; ASPECTS.len()] = Default::default();
        for (asked, _, text) in texts(400) {
            openings[asked].insert(text[..12].to_string());
        }
        assert!(openings.iter().all(|same| same.len() == 1), "{openings:?}");
        let openings: Vec<&[u8]> = openings.iter().flatten().map(|s| s.as_bytes()).collect();
        let telling = |&place: &usize| {
            let bytes: HashSet<u8> = openings.iter().map(|opening| opening[place]).collect();
            bytes.len() == ASPECTS.len()
        };
        let telling: Vec<usize> = (0..12).filter(telling).collect();
        assert!(
            telling[0] == 0 && telling.len() >= 6,
            "only {telling:?} of {openings:?}"
        );
    }

    /// The label can be had from the text: the marks of the aspect asked about all say the same, and it is the label.
    #[test]
    fn every_review_says_what_its_label_says() {
        for (asked, good, text) in texts(400) {
            for (aspect, (name, praise, blame)) in ASPECTS.iter().enumerate() {
                let (for_it, against) = (text.matches(praise).count(), text.matches(blame).count());
                assert_eq!(
                    for_it.min(against),
                    0,
                    "{name} is praised and blamed in {text}"
                );
                assert!(for_it + against > 0, "{name} is left out of {text}");
                assert!(
                    aspect != asked || (for_it > 0) == good,
                    "{name}: {good} in {text}"
                );
            }
        }
    }

    /// Outside the question and the marks, no byte of a mark stands in a text, so counting single bytes reads the
    /// marks.
    #[test]
    fn the_bytes_of_the_marks_stand_nowhere_else() {
        for (_, _, text) in texts(400) {
            let (_, mut rest) = text
                .split_once('?')
                .map(|(a, b)| (a, b.to_string()))
                .unwrap();
            for (_, praise, blame) in ASPECTS {
                rest = rest.replace(praise, "").replace(blame, "");
            }
            let stray = rest.find(|c: char| "8023!?+-:()".contains(c));
            assert_eq!(stray, None, "{:?} in {text}", stray.map(|at| &rest[at..]));
            assert!(
                text.is_ascii() && !text.contains(['{', '}', '[', ']']) && !text.contains("  ")
            );
        }
    }

    /// The opinions about the other aspects are coins, whatever was asked and answered.
    #[test]
    fn the_other_opinions_are_independent_of_the_label() {
        let texts = texts(4000);
        for (aspect, (name, praise, _)) in ASPECTS.iter().enumerate() {
            for label in [false, true] {
                let others: Vec<bool> = texts
                    .iter()
                    .filter(|(asked, good, _)| *asked != aspect && *good == label)
                    .map(|(.., text)| text.contains(praise))
                    .collect();
                let share = others.iter().filter(|&&p| p).count() as f64 / others.len() as f64;
                // 1,500 coins: four standard errors.
                assert!(
                    (share - 0.5).abs() < 0.052,
                    "{name} praised in {share}, label {label}"
                );
            }
        }
    }

    /// The strength of each notation: opinions, and characters of the mark, per 100 bytes.
    #[test]
    fn measured_strength() {
        let texts = texts(1000);
        let bytes: usize = texts.iter().map(|(.., text)| text.len()).sum();
        for (name, praise, blame) in ASPECTS {
            let marks: usize = texts
                .iter()
                .map(|(.., text)| text.matches(praise).count() + text.matches(blame).count())
                .sum();
            let per_100 = 100.0 * marks as f64 / bytes as f64;
            println!("{name}: {per_100:.3} marks per 100 bytes");
            assert!((0.15..0.35).contains(&per_100), "{name}: {per_100}");
        }
    }
}
