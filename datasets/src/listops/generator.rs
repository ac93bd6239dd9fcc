//! The generator of the benchmark's ListOps trees (`listops.py` of Long Range Arena, after Nangia and Bowman 2018).
//!
//! A tree grows from depth 1. At a depth below the largest, one uniform number r says what stands there: r > 1/4 is a
//! digit, uniform; otherwise an operator of k arguments, k uniform in 2..=max_args, which grow first, from left to
//! right; only then is the operator itself drawn, uniform among the four. At the largest depth there are digits only.
//! The length of a digit is 1, of an operator 2 (its own word and the closing bracket) and its arguments'.
//!
//! One number names a tree: candidate c of a seed is grown from the stream (seed, "listops", c), and is the same
//! whoever grows it. Candidates whose length is not strictly between the limits are dropped, and so are those whose
//! words an earlier candidate has: among equals the smallest c stays. What is left, in the order of c, fills train,
//! then dev, then test. (The benchmark's own order is that of a Python set: arbitrary. Candidates are exchangeable, so
//! any order has the same law.)

use super::{CLOSE, DIGIT, MAX, MED, MIN, Shape, Tree};
use crate::protocol::{Digest, digest};
use engine::rng::{Generator, Seed, Stream};
use rayon::prelude::*;
use std::collections::HashSet;

/// Above this, r is a digit.
const OPERATOR: f64 = 0.25;
/// Candidates grown in parallel before any is looked at; the result does not depend on it.
const BLOCK: usize = 1 << 16;
/// After so many candidates in a row without a new tree, `trees` gives up.
const PATIENCE: usize = 1 << 21;

/// What [`trees`] found.
pub(super) struct Harvest {
    /// In the order of candidates.
    pub(super) trees: Vec<Tree>,
    /// Candidates looked at, the last one kept included.
    pub(super) candidates: usize,
    /// Candidates of a good length whose words an earlier one has.
    pub(super) copies: usize,
}

/// The first `count` distinct trees of `seed`; fewer if the limits allow no more, or hardly any.
pub(super) fn trees(seed: Seed, shape: &Shape, count: usize) -> Harvest {
    let stream = seed.stream("listops");
    let mut harvest = Harvest {
        trees: Vec::new(),
        candidates: 0,
        copies: 0,
    };
    let mut seen: HashSet<Digest> = HashSet::new();
    let (mut block, mut last) = (0, 0);
    while harvest.trees.len() < count && block - last <= PATIENCE {
        // The order of a parallel iterator is that of its range, whatever the number of threads.
        let grown: Vec<(usize, Digest, Tree)> = (block..block + BLOCK)
            .into_par_iter()
            .map_init(
                || Grower::new(shape),
                |grower, candidate| {
                    let tree = grower.tree(stream.at(candidate))?;
                    Some((candidate, digest(&tree.codes), tree))
                },
            )
            .flatten_iter()
            .collect();
        block += BLOCK;
        for (candidate, digest, tree) in grown {
            if harvest.trees.len() == count {
                break;
            }
            harvest.candidates = candidate + 1;
            if seen.insert(digest) {
                harvest.trees.push(tree);
                last = block;
            } else {
                harvest.copies += 1;
            }
        }
    }
    harvest
}

/// Grows trees, one after the other, in the same buffers.
struct Grower<'a> {
    shape: &'a Shape,
    codes: Vec<u8>,
    /// Values of the arguments of all operators that are open, the innermost one's last.
    values: Vec<u8>,
    /// The length that the tree will have at least: words that stand, and one for each argument to come.
    length: usize,
}

impl<'a> Grower<'a> {
    fn new(shape: &'a Shape) -> Self {
        Grower {
            shape,
            codes: Vec::new(),
            values: Vec::new(),
            length: 0,
        }
    }

    /// The tree of `stream`, unless its length is outside the limits.
    fn tree(&mut self, stream: Stream) -> Option<Tree> {
        self.codes.clear();
        self.values.clear();
        self.length = 1;
        let value = self.grow(1, &mut stream.generator())?;
        (self.length > self.shape.min_length && self.length < self.shape.max_length).then(|| Tree {
            codes: self.codes.as_slice().into(),
            value,
        })
    }

    /// The value of what grows at `depth`; `None` as soon as the tree is certain to be too long.
    fn grow(&mut self, depth: usize, generator: &mut Generator) -> Option<u8> {
        if depth >= self.shape.max_depth || generator.uniform() > OPERATOR {
            let digit = generator.below(10) as u8;
            self.codes.push(DIGIT + digit);
            return Some(digit);
        }
        let arguments = 2 + generator.below(self.shape.max_args - 1);
        self.length += 1 + arguments;
        if self.length >= self.shape.max_length {
            return None;
        }
        let place = self.codes.len();
        self.codes.push(CLOSE); // until the operator is drawn
        let first = self.values.len();
        for _ in 0..arguments {
            let value = self.grow(depth + 1, generator)?;
            self.values.push(value);
        }
        let operator = generator.below(4) as u8;
        self.codes[place] = operator;
        self.codes.push(CLOSE);
        let value = apply(operator, &mut self.values[first..]);
        self.values.truncate(first);
        Some(value)
    }
}

/// The value of an operator. The median of an even number of arguments is the mean of the two in the middle, truncated.
fn apply(operator: u8, arguments: &mut [u8]) -> u8 {
    arguments.sort_unstable();
    let n = arguments.len();
    match operator {
        MIN => arguments[0],
        MAX => arguments[n - 1],
        MED => (arguments[(n - 1) / 2] + arguments[n / 2]) / 2,
        _ => (arguments.iter().map(|&v| usize::from(v)).sum::<usize>() % 10) as u8,
    }
}

#[cfg(test)]
mod tests {
    use super::super::SUM;
    use super::*;

    #[test]
    fn operators_have_their_values() {
        for (operator, arguments, value) in [
            (MIN, vec![3, 1, 2], 1),
            (MAX, vec![3, 1, 9, 2], 9),
            (MED, vec![9, 1, 5], 5),
            (MED, vec![2, 1], 1),
            (MED, vec![9, 8, 0, 1], 4),
            (SUM, vec![9, 9, 9], 7),
            (SUM, vec![0, 0], 0),
        ] {
            let mut given = arguments.clone();
            assert_eq!(
                apply(operator, &mut given),
                value,
                "{operator} of {arguments:?}"
            );
        }
    }

    #[test]
    fn the_promised_length_is_the_length() {
        let shape = Shape {
            min_length: 0,
            max_length: 400,
            ..Shape::LRA
        };
        let mut grower = Grower::new(&shape);
        let stream = Seed(4).stream("promise");
        let mut lengths = HashSet::new();
        for tree in (0..2000).filter_map(|i| grower.tree(stream.at(i))) {
            assert!(tree.codes.len() < 400);
            lengths.insert(tree.codes.len());
        }
        assert!(lengths.contains(&1) && lengths.len() > 50, "{lengths:?}");
    }

    #[test]
    fn limits_that_allow_few_trees_end() {
        let shape = Shape {
            min_length: 0,
            max_length: 2,
            ..Shape::LRA
        };
        let harvest = trees(Seed(1), &shape, 11);
        assert_eq!(harvest.trees.len(), 10, "there are ten digits");
    }
}
