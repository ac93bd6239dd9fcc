//! The sizes of a model.

use ops::Dropout;
use ops::attention::LayerShape;

use crate::smoother::Form;

/// What the pooled vector of a document is divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// The number of its tokens: a mean.
    Mean,
    /// The number of positions, as if it were padded and the padding zero: short documents get short vectors.
    Padded,
}

/// How a token knows where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Places {
    /// By the row of a learned table, which starts as normal numbers.
    Learned,
    /// The same, from sines and cosines of the position.
    Sines,
    /// The same, from sines and cosines of a pixel's row and column: positions are the pixels of a square picture, row by
    /// row.
    Sines2d,
    /// Without a table: queries and keys are turned by their positions, in every layer ([`mod@ops::rotary`]).
    Rotary,
    /// Not at all, but by what the attention makes of positions.
    None,
}

impl Places {
    /// Whether there is a table.
    pub(crate) fn is_table(self) -> bool {
        !matches!(self, Places::Rotary | Places::None)
    }
}

/// The sizes of a model and what is random in it. A run builds one from its own settings.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelConfig {
    /// Rows of the word table: every token id is below.
    pub vocabulary: usize,
    /// Rows of the position table: every position is below. Also the padded length of [`Pooling::Padded`].
    pub positions: usize,
    /// Columns of a token's vector.
    pub dim: usize,
    /// Columns between the two linear maps of a layer.
    pub hidden: usize,
    /// Columns between the two linear maps of the head.
    pub head_hidden: usize,
    /// Attention heads, each `dim / heads` columns wide.
    pub heads: usize,
    /// Layers.
    pub layers: usize,
    /// Classes.
    pub classes: usize,
    /// Documents of an example: 1, or 2 for pairs.
    pub documents: usize,
    /// What the pooled vector is divided by.
    pub pooling: Pooling,
    /// Rate of dropout after the embedding, the attention and inside the feed-forward part.
    pub dropout: f64,
    /// Whether positions without a token are rows with token 0, which the attention sees and the pooling does not count:
    /// so the released code treats padding with some methods.
    pub pad: bool,
    /// Standard deviation of the embedding tables at the start.
    pub embedding_std: f64,
    /// How a token knows where it stands.
    pub places: Places,
    /// What smooths the rows of a layer before they are projected to queries, keys and values, if anything does.
    pub smoother: Option<Form>,
}

impl ModelConfig {
    /// Standard deviation of the embedding tables at the start in the reference.
    pub const EMBEDDING_STD: f64 = 0.02;

    /// The largest rate of dropout: what is kept is divided by one minus the rate.
    pub const MOST_DROPOUT: f64 = 0.99;

    /// Whether a model can have this rate of dropout: 0, or a rate that drops some elements and keeps some.
    pub fn takes_dropout(rate: f64) -> bool {
        rate == 0.0 || (Dropout::LEAST..=Self::MOST_DROPOUT).contains(&rate)
    }

    /// Whether the tables of a model can start with this standard deviation: from the smallest normal number of f32 to
    /// 10.
    pub fn takes_embedding_std(std: f64) -> bool {
        (f64::from(f32::MIN_POSITIVE)..=10.0).contains(&std)
    }

    /// The paper's sizes for all tasks (two layers, two heads of 32 columns) with mean pooling.
    pub fn new(vocabulary: usize, positions: usize, classes: usize, documents: usize) -> Self {
        ModelConfig {
            vocabulary,
            positions,
            dim: 64,
            hidden: 128,
            head_hidden: 128,
            heads: 2,
            layers: 2,
            classes,
            documents,
            pooling: Pooling::Mean,
            dropout: 0.1,
            pad: false,
            embedding_std: ModelConfig::EMBEDDING_STD,
            places: Places::Learned,
            smoother: None,
        }
    }

    /// The shape of a layer, for its attention.
    pub(crate) fn layer_shape(&self) -> LayerShape {
        LayerShape {
            positions: self.positions,
            heads: self.heads,
            head_width: self.head_width(),
        }
    }

    /// Columns of an attention head.
    ///
    /// # Panics
    /// If there are no heads.
    pub fn head_width(&self) -> usize {
        self.dim / self.heads
    }

    /// What the sum of the vectors of a document of `tokens` tokens is divided by.
    pub fn divisor(&self, tokens: usize) -> usize {
        match self.pooling {
            Pooling::Mean => tokens,
            Pooling::Padded => self.positions,
        }
    }

    /// Refuses sizes that no model can have.
    ///
    /// # Errors
    /// If a field has a value that no model can have; the message names the first one and says what was expected.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let sizes = [
            ("vocabulary", self.vocabulary),
            ("positions", self.positions),
            ("dim", self.dim),
            ("hidden", self.hidden),
            ("head_hidden", self.head_hidden),
            ("heads", self.heads),
            ("classes", self.classes),
        ];
        let wrong = |message| Err(ConfigError(message));
        for (field, size) in sizes {
            if size == 0 {
                return wrong(format!("{field} is 0, at least 1 is needed"));
            }
        }
        if !self.dim.is_multiple_of(self.heads) {
            return wrong(format!(
                "dim {} does not divide into {} heads",
                self.dim, self.heads
            ));
        }
        if !(1..=2).contains(&self.documents) {
            return wrong(format!(
                "documents is {}, expected 1 or 2 (pairs)",
                self.documents
            ));
        }
        if !Self::takes_embedding_std(self.embedding_std) {
            return wrong(format!(
                "embedding_std is {:?}, expected a positive number of f32 up to 10",
                self.embedding_std
            ));
        }
        let side = self.positions.isqrt();
        if self.places == Places::Sines && !self.dim.is_multiple_of(2) {
            return wrong(format!(
                "sincos of {} columns, expected a multiple of 2",
                self.dim
            ));
        }
        let is_grid = side * side == self.positions && self.dim.is_multiple_of(4);
        if self.places == Places::Sines2d && !is_grid {
            return wrong(format!(
                "sincos2d with {} positions of {} columns, expected those of a square picture and a multiple of 4",
                self.positions, self.dim
            ));
        }
        if !Self::takes_dropout(self.dropout) {
            return wrong(format!(
                "dropout is {:?}, expected 0 or a rate from {:e} to {}",
                self.dropout,
                Dropout::LEAST,
                Self::MOST_DROPOUT
            ));
        }
        Ok(())
    }
}

/// A configuration that describes no model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(String);

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "model configuration: {}", self.0)
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_sizes_are_refused_by_name() {
        let right = ModelConfig::new(512, 4096, 2, 1);
        assert_eq!(right.validate(), Ok(()));
        let without_layers = ModelConfig {
            layers: 0,
            ..right.clone()
        };
        assert_eq!(without_layers.validate(), Ok(()), "a bag of words");
        let message = |change: fn(&mut ModelConfig)| {
            let mut config = right.clone();
            change(&mut config);
            config.validate().unwrap_err().to_string()
        };
        assert!(message(|c| c.classes = 0).contains("classes is 0"));
        assert!(message(|c| c.heads = 3).contains("dim 64 does not divide into 3 heads"));
        assert!(message(|c| c.documents = 3).contains("documents is 3"));
        for std in [0.0, 1e-300, 1e-45, 11.0, f64::NAN] {
            let wrong = ModelConfig {
                embedding_std: std,
                ..right.clone()
            };
            let told = wrong.validate().unwrap_err().to_string();
            assert!(
                told.contains(&format!("embedding_std is {std:?}")),
                "{told}"
            );
        }
        let message_of_sincos2d = message(|c| (c.places, c.positions) = (Places::Sines2d, 2048));
        assert!(message_of_sincos2d.contains("sincos2d with 2048 positions"));
        let message_of_sincos2d = message(|c| (c.places, c.dim) = (Places::Sines2d, 66));
        assert!(message_of_sincos2d.contains("of 66 columns"));
        let message_of_sincos = message(|c| (c.places, c.dim, c.heads) = (Places::Sines, 63, 1));
        assert!(message_of_sincos.contains("sincos of 63 columns, expected a multiple of 2"));
        assert!(message(|c| c.dropout = 1.0).contains("dropout is 1"));
        assert!(message(|c| c.dropout = 1e-300).contains("dropout is 1e-300, expected 0 or"));
        assert!(message(|c| c.dropout = f64::NAN).contains("dropout is NaN"));
    }
}
