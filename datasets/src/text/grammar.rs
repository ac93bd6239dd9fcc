//! Expands a context-free grammar into text; called by `reviews.rs`, which holds the one grammar there is.
//!
//! The form of a grammar is told at the top of `reviews.grammar`. It is part of the program, so a mistake in it is a
//! panic with the line, met by any test; it is never read from outside.

use engine::rng::Generator;
use std::collections::HashMap;

/// The index of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rule(usize);

/// A grammar, ready to expand.
pub(super) struct Grammar {
    names: Vec<&'static str>,
    /// Of each rule, its alternatives.
    alternatives: Vec<Vec<Vec<Piece>>>,
}

/// A part of an alternative.
#[derive(Debug)]
enum Piece {
    Text(&'static str),
    /// `{name}`: a fresh draw.
    Fresh(Rule),
    /// `{^name}`: a fresh draw that begins with a capital.
    Capital(Rule),
    /// `{NAME}`: the draw kept for this text.
    Kept(Rule),
}

/// The draws that a text keeps, by rule; empty where none was made yet.
pub(super) struct Kept(Vec<Vec<u8>>);

impl Grammar {
    /// Reads a grammar.
    pub(super) fn parse(text: &'static str) -> Self {
        // Rules may be used before they stand in the text: names first.
        let mut names = Vec::new();
        let mut lines = Vec::new(); // (line number, rule, alternative)
        for (number, line) in (1..).zip(text.lines()) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
                Some(name) => names.push(name),
                None => lines.push((number, names.len().checked_sub(1), line)),
            }
        }
        let mut rules = HashMap::new();
        for (index, &name) in names.iter().enumerate() {
            let known = rules.insert(name, Rule(index));
            assert!(known.is_none(), "grammar: rule [{name}] stands twice");
        }
        let mut alternatives: Vec<Vec<Vec<Piece>>> = names.iter().map(|_| Vec::new()).collect();
        for (number, rule, line) in lines {
            let Some(rule) = rule else {
                panic!("grammar, line {number}: an alternative before the first rule");
            };
            alternatives[rule].push(parse_alternative(line, number, &rules));
        }
        for (name, alternatives) in names.iter().zip(&alternatives) {
            assert!(!alternatives.is_empty(), "grammar: rule [{name}] is empty");
        }
        Grammar {
            names,
            alternatives,
        }
    }

    /// The rule called `name`.
    pub(super) fn rule(&self, name: &str) -> Rule {
        match self.names.iter().position(|known| *known == name) {
            Some(index) => Rule(index),
            None => panic!("grammar: there is no rule [{name}]"),
        }
    }

    /// The memory of a new text.
    pub(super) fn kept(&self) -> Kept {
        Kept(vec![Vec::new(); self.names.len()])
    }

    /// Appends a draw from `rule` to `out`.
    pub(super) fn expand(
        &self,
        rule: Rule,
        kept: &mut Kept,
        generator: &mut Generator,
        out: &mut Vec<u8>,
    ) {
        let alternatives = &self.alternatives[rule.0];
        for piece in &alternatives[generator.below(alternatives.len())] {
            match *piece {
                Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
                Piece::Fresh(rule) => self.expand(rule, kept, generator, out),
                Piece::Capital(rule) => {
                    let start = out.len();
                    self.expand(rule, kept, generator, out);
                    out[start].make_ascii_uppercase();
                }
                Piece::Kept(rule) => {
                    if kept.0[rule.0].is_empty() {
                        let mut draw = Vec::new();
                        self.expand(rule, kept, generator, &mut draw);
                        kept.0[rule.0] = draw;
                    }
                    out.extend_from_slice(&kept.0[rule.0]);
                }
            }
        }
    }
}

impl Kept {
    /// Forgets everything, for the next text.
    pub(super) fn clear(&mut self) {
        self.0.iter_mut().for_each(Vec::clear);
    }

    /// Sets what `{NAME}` stands for.
    pub(super) fn set(&mut self, rule: Rule, text: &[u8]) {
        self.0[rule.0].clear();
        self.0[rule.0].extend_from_slice(text);
    }
}

fn parse_alternative(
    line: &'static str,
    number: usize,
    rules: &HashMap<&'static str, Rule>,
) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = line;
    while let Some(open) = rest.find('{') {
        let Some(length) = rest[open..].find('}') else {
            panic!(
                "grammar, line {number}: no brace closes {:?}",
                &rest[open..]
            );
        };
        if open > 0 {
            pieces.push(Piece::Text(&rest[..open]));
        }
        let slot = &rest[open + 1..open + length];
        let name = slot.trim_start_matches('^').to_ascii_lowercase();
        let Some(&rule) = rules.get(name.as_str()) else {
            panic!("grammar, line {number}: there is no rule [{name}]");
        };
        pieces.push(if slot.starts_with('^') {
            Piece::Capital(rule)
        } else if slot == name {
            Piece::Fresh(rule)
        } else {
            Piece::Kept(rule)
        });
        rest = &rest[open + length + 1..];
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::rng::Seed;

    const SMALL: &str = "# a comment\n[start]\n{HERO} meets {hero}, {HERO} leaves. {^thing}\n\n[hero]\nAnn\nBea\n\
                         Cleo\n[thing]\nrain\n";

    fn draw(grammar: &Grammar, kept: &mut Kept, index: usize) -> String {
        let mut out = Vec::new();
        let mut generator = Seed(1).stream("grammar").at(index).generator();
        grammar.expand(grammar.rule("start"), kept, &mut generator, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn kept_draws_stay_and_fresh_draws_vary() {
        let grammar = Grammar::parse(SMALL);
        let mut differ = false;
        for index in 0..50 {
            let text = draw(&grammar, &mut grammar.kept(), index);
            let (hero, rest) = text.split_once(" meets ").unwrap();
            let (other, rest) = rest.split_once(", ").unwrap();
            assert_eq!(rest, format!("{hero} leaves. Rain"));
            differ |= hero != other;
        }
        assert!(differ);
    }

    #[test]
    fn a_kept_draw_can_be_set_and_forgotten() {
        let grammar = Grammar::parse(SMALL);
        let mut kept = grammar.kept();
        kept.set(grammar.rule("hero"), b"Zoe");
        assert!(draw(&grammar, &mut kept, 0).starts_with("Zoe meets "));
        kept.clear();
        assert!(!draw(&grammar, &mut kept, 0).starts_with("Zoe"));
    }

    #[test]
    #[should_panic(expected = "line 3: there is no rule [nobody]")]
    fn an_unknown_rule_names_its_line() {
        Grammar::parse("[start]\na\n{nobody}\n");
    }

    #[test]
    #[should_panic(expected = "rule [empty] is empty")]
    fn an_empty_rule_is_refused() {
        Grammar::parse("[start]\na\n[empty]\n");
    }
}
