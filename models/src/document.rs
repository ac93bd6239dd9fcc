//! What a model reads: tokens and where they stand.

/// One document: its real tokens, no padding.
///
/// The positions rise; they are 0, 1, 2, ... in texts, and have gaps where some positions hold no token (black pixels,
/// in the protocol that leaves them out).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// The position of every token.
    pub positions: Vec<u32>,
    /// The tokens' ids.
    pub tokens: Vec<u32>,
}

impl Document {
    /// Tokens at the positions 0, 1, 2, ...
    pub fn text(tokens: Vec<u32>) -> Document {
        let positions = (0..tokens.len() as u32).collect();
        Document { positions, tokens }
    }

    /// Refuses what no model of so many `positions` can read; `which` of an example's documents it is.
    #[track_caller]
    pub(crate) fn check(&self, which: usize, positions: usize) {
        let (tokens, places) = (self.tokens.len(), self.positions.len());
        assert!(
            tokens == places,
            "model: document {which} has {tokens} tokens at {places} positions, expected one position a token"
        );
        assert!(
            self.positions.is_sorted_by(|a, b| a < b),
            "model: the positions of document {which} do not rise, expected each to be larger than the one before"
        );
        if let Some(&last) = self.positions.last() {
            assert!(
                (last as usize) < positions,
                "model: document {which} has position {last}, expected positions below {positions}"
            );
        }
    }

    /// The same document with a row for every position below `length`: token 0 where it has none.
    pub(crate) fn padded(&self, length: usize) -> Document {
        let mut tokens = vec![0; length];
        for (&position, &token) in self.positions.iter().zip(&self.tokens) {
            tokens[position as usize] = token;
        }
        Document::text(tokens)
    }

    /// It has no tokens.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty() && self.positions.is_empty()
    }
}
