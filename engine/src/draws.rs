//! Random choices, drawn before they are used, recorded and replayed.
//!
//! An operator that samples asks a [`Draws`] for its choice by name (`pilot.doc0.layer1.head0`).
//! Live, the choice comes from the stream of that name; in replay it is whatever was recorded or
//! given. So gradients are checked at frozen draws, reference cases bring their own indices, and
//! everything a method treats as a constant can be looked up by its name.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::rng::{Generator, Stream};

/// One choice.
#[derive(Clone, Debug, PartialEq)]
pub enum Draw {
    /// Indices of rows, columns, blocks, ...
    Indices(Vec<u32>),
    /// Random numbers (a projection, rotations), row by row.
    Numbers(Vec<f64>),
}

/// The choices of one example.
pub struct Draws {
    stream: Stream,
    given: BTreeMap<String, Draw>,
    log: Option<RefCell<BTreeMap<String, Draw>>>,
    rules: RefCell<BTreeMap<String, (usize, bool)>>,
}

impl Draws {
    /// Every choice is drawn from `stream`, and not recorded.
    pub fn live(stream: Stream) -> Draws {
        Draws {
            log: None,
            ..Draws::recording(stream)
        }
    }

    /// Every choice is drawn from `stream` and recorded.
    pub fn recording(stream: Stream) -> Draws {
        Draws::replay(stream, BTreeMap::new())
    }

    /// Choices in `given` are returned as they are, the rest is drawn from `stream`; all are
    /// recorded.
    pub fn replay(stream: Stream, given: BTreeMap<String, Draw>) -> Draws {
        Draws {
            stream,
            given,
            log: Some(RefCell::default()),
            rules: RefCell::default(),
        }
    }

    fn take(&self, name: &str, live: impl FnOnce() -> Draw) -> Draw {
        let draw = self.given.get(name).cloned().unwrap_or_else(live);
        if let Some(log) = &self.log {
            log.borrow_mut().insert(name.to_string(), draw.clone());
        }
        draw
    }

    /// The indices called `name`, all below `bound`.
    ///
    /// # Panics
    /// If numbers were given under that name, or an index is not below `bound`.
    #[track_caller]
    pub fn indices(
        &self,
        name: &str,
        bound: usize,
        live: impl FnOnce(&mut Generator) -> Vec<u32>,
    ) -> Vec<u32> {
        if self.log.is_some() {
            let mut rules = self.rules.borrow_mut();
            rules.insert(name.to_string(), (bound, false));
        }
        let live = || Draw::Indices(live(&mut self.stream.stream(name).generator()));
        let Draw::Indices(indices) = self.take(name, live) else {
            panic!("draw {name}: indices expected, numbers injected");
        };
        if let Some(index) = indices.iter().find(|&&index| index as usize >= bound) {
            panic!("draw {name}: index {index} is not below {bound}");
        }
        indices
    }

    /// As [`Draws::indices`], none of them twice.
    ///
    /// # Panics
    /// As [`Draws::indices`], and if an index comes twice.
    #[track_caller]
    pub fn distinct_indices(
        &self,
        name: &str,
        bound: usize,
        live: impl FnOnce(&mut Generator) -> Vec<u32>,
    ) -> Vec<u32> {
        let indices = self.indices(name, bound, live);
        if let Some(rule) = self.rules.borrow_mut().get_mut(name) {
            rule.1 = true;
        }
        let mut seen = vec![false; bound];
        for &index in &indices {
            let twice = std::mem::replace(&mut seen[index as usize], true);
            assert!(!twice, "draw {name}: index {index} comes twice");
        }
        indices
    }

    /// The random numbers called `name`.
    ///
    /// # Panics
    /// If indices were given under that name.
    #[track_caller]
    pub fn numbers(&self, name: &str, live: impl FnOnce(&mut Generator) -> Vec<f64>) -> Vec<f64> {
        let live = || Draw::Numbers(live(&mut self.stream.stream(name).generator()));
        let Draw::Numbers(numbers) = self.take(name, live) else {
            panic!("draw {name}: numbers expected, indices injected");
        };
        numbers
    }

    /// Records numbers that were computed, not drawn, such as the probabilities behind a choice. `numbers` is called
    /// only if choices are recorded.
    pub fn note(&self, name: &str, numbers: impl FnOnce() -> Vec<f64>) {
        if let Some(log) = &self.log {
            let noted = Draw::Numbers(numbers());
            log.borrow_mut().insert(name.to_string(), noted);
        }
    }

    /// Of the indices that were recorded, by name: the bound, and whether none may come twice.
    pub fn rules(&self) -> BTreeMap<String, (usize, bool)> {
        self.rules.borrow().clone()
    }

    /// What was recorded, by name; to be given to [`Draws::replay`].
    pub fn recorded(&self) -> BTreeMap<String, Draw> {
        let log = self.log.as_ref();
        log.map(|log| log.borrow().clone()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seed;

    #[test]
    fn replay_returns_what_was_recorded_and_draws_the_rest() {
        let stream = Seed(1).stream("draws");
        let draw = |draws: &Draws, name: &str| {
            draws.indices(name, 100, |generator| {
                (0..4).map(|_| generator.below(100) as u32).collect()
            })
        };
        let first = Draws::recording(stream);
        let (a, b) = (draw(&first, "a"), draw(&first, "b"));
        assert_ne!(a, b);

        let mut given = first.recorded();
        given.insert("a".into(), Draw::Indices(vec![7]));
        given.remove("b");
        let second = Draws::replay(stream, given);
        assert_eq!(draw(&second, "a"), [7]);
        assert_eq!(
            draw(&second, "b"),
            b,
            "a choice does not depend on the others"
        );
        assert_eq!(draw(&Draws::live(stream), "a"), a);
        assert_eq!(second.rules()["b"], (100, false));
    }

    fn injected(indices: &[u32]) -> Draws {
        let given = [("a".to_string(), Draw::Indices(indices.to_vec()))];
        Draws::replay(Seed(1).stream("draws"), given.into())
    }

    #[test]
    #[should_panic(expected = "draw a: index 4 is not below 4")]
    fn an_injected_index_beyond_the_bound() {
        injected(&[3, 4]).indices("a", 4, |_| unreachable!("it is given"));
    }

    #[test]
    #[should_panic(expected = "draw a: index 3 comes twice")]
    fn an_injected_index_that_comes_twice() {
        let draws = injected(&[3, 0, 3]);
        assert_eq!(draws.indices("a", 4, |_| unreachable!()), [3, 0, 3]);
        draws.distinct_indices("a", 4, |_| unreachable!());
    }

    #[test]
    fn notes_are_kept_only_when_somebody_records() {
        let live = Draws::live(Seed(1).stream("notes"));
        live.note("p", || unreachable!("nobody records"));
        assert!(live.recorded().is_empty());
    }
}
