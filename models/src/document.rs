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
