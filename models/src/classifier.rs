//! The classifier: one document, or a pair, to the logits of its classes and the loss.
//!
//! ```text
//! u = sum of the encoder's rows / divisor                        (1, dim) for every document, with the same parameters
//! f = u, or for a pair [u, v, u * v, u - v]                      (1, dim) or (1, 4 dim)
//! logits = relu(f W_1ᵀ + b_1) W_2ᵀ + b_2                          (1, classes)
//! ```

use engine::{Bound, Draws, Params, Real, Seed, Stream, Tensor, Var};
use ops::attention::Attention;

use crate::config::ModelConfig;
use crate::document::Document;
use crate::encoder::{Encoder, Pass};
use crate::parts::{Initialiser, Linear};
use crate::smoother;

/// A classifier of documents or of pairs. It holds no number: parameters are bound to every tape anew, so that many
/// threads use one model.
pub struct Model<T: Real> {
    config: ModelConfig,
    method: Box<dyn Attention<T>>,
    encoder: Encoder,
    widen: Linear,
    classify: Linear,
}

impl<T: Real> Model<T> {
    /// How many numbers the parameters of such a model hold, computed without making it. A float, since sizes from
    /// outside may multiply to more than an integer holds.
    pub fn numbers(config: &ModelConfig, method: &dyn Attention<T>) -> f64 {
        let [
            vocabulary,
            positions,
            dim,
            hidden,
            head_hidden,
            layers,
            classes,
        ] = [
            config.vocabulary,
            config.positions,
            config.dim,
            config.hidden,
            config.head_hidden,
            config.layers,
            config.classes,
        ]
        .map(|size| size as f64);
        let linear = |inputs: f64, outputs: f64| inputs * outputs + outputs;
        let own = method.shapes(config.layer_shape());
        let own: f64 = own
            .iter()
            .map(|(_, [rows, cols])| *rows as f64 * *cols as f64)
            .sum();
        let norm = 2.0 * dim;
        let smoother = config
            .smoother
            .map_or(0.0, |form| smoother::numbers(form, positions, dim));
        let own = own + smoother;
        let layer =
            2.0 * norm + 4.0 * linear(dim, dim) + own + linear(dim, hidden) + linear(hidden, dim);
        let features = match config.documents {
            1 => dim,
            _ => 4.0 * dim,
        };
        let head = linear(features, head_hidden) + linear(head_hidden, classes);
        let places = match config.places.is_table() {
            true => positions,
            false => 0.0,
        };
        (vocabulary + places) * dim + layers * layer + norm + head
    }

    /// A model around an attention method, and its parameters at their start.
    ///
    /// # Panics
    /// If `config` is not valid; [`ModelConfig::validate`] returns that as an error.
    #[track_caller]
    pub fn new(
        config: ModelConfig,
        method: Box<dyn Attention<T>>,
        seed: Seed,
    ) -> (Model<T>, Params<T>) {
        if let Err(error) = config.validate() {
            panic!("{error}");
        }
        let mut params = Params::default();
        let mut start = Initialiser {
            params: &mut params,
            stream: seed.stream("init"),
            embedding_std: config.embedding_std,
        };
        let features = match config.documents {
            1 => config.dim,
            _ => 4 * config.dim,
        };
        let encoder = Encoder::start(&mut start, &config, &*method);
        // The reference spells it so.
        let widen = start.linear("seq_classifer.mlpblock.0", features, config.head_hidden);
        let classify = start.linear(
            "seq_classifer.mlpblock.2",
            config.head_hidden,
            config.classes,
        );
        let model = Model {
            config,
            method,
            encoder,
            widen,
            classify,
        };
        (model, params)
    }

    /// Its sizes.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The logits of one example, (1, classes).
    ///
    /// `draws` are the attention's random choices, `dropout` the stream of this example's masks: `None` in evaluation.
    /// They, the parameters and the documents decide every bit of the result; nothing else does. A document without
    /// tokens counts as a pooled vector of zeros, as one that is all padding does in the reference.
    ///
    /// # Panics
    /// If there are not as many documents as [`ModelConfig::documents`], a token is not below
    /// [`ModelConfig::vocabulary`], a position not below [`ModelConfig::positions`], positions do not rise, or a
    /// document has not one position for each token.
    #[track_caller]
    pub fn logits<'t>(
        &self,
        bound: &Bound<'t, T>,
        documents: &[Document],
        draws: &Draws,
        dropout: Option<Stream>,
    ) -> Var<'t, T> {
        assert!(
            documents.len() == self.config.documents,
            "model: an example of {} document(s), this model reads {}",
            documents.len(),
            self.config.documents
        );
        for (which, document) in documents.iter().enumerate() {
            document.check(which, self.config.positions);
        }
        let pooled = |which: usize| {
            let document = &documents[which];
            let pass = Pass {
                config: &self.config,
                method: &*self.method,
                bound,
                draws,
                which,
                dropout: dropout.map(|example| example.at(which)),
            };
            self.pooled(&pass, document)
        };
        let features = match documents.len() {
            1 => pooled(0),
            _ => ops::pair(&pooled(0), &pooled(1)),
        };
        let hidden = ops::relu(self.widen.apply(bound, &features)); // (1, head_hidden)
        self.classify.apply(bound, &hidden)
    }

    /// The cross-entropy of one example's logits and its label, (1, 1); see [`Model::logits`].
    ///
    /// # Panics
    /// If the label is not below [`ModelConfig::classes`], or as [`Model::logits`] does.
    #[track_caller]
    pub fn loss<'t>(
        &self,
        bound: &Bound<'t, T>,
        documents: &[Document],
        label: usize,
        draws: &Draws,
        dropout: Option<Stream>,
    ) -> Var<'t, T> {
        ops::cross_entropy(&self.logits(bound, documents, draws, dropout), label)
    }

    fn pooled<'t>(&self, pass: &Pass<'_, 't, T>, document: &Document) -> Var<'t, T> {
        if document.is_empty() {
            let tape = self.classify.tape(pass.bound);
            return tape.leaf("input", Tensor::zeros(1, self.config.dim));
        }
        let rows = if self.config.pad {
            let padded = document.padded(self.config.positions);
            let rows = self.encoder.forward(pass, &padded); // (positions, dim)
            ops::gather(&rows, &document.positions)
        } else {
            self.encoder.forward(pass, document)
        }; // (n, dim)
        ops::pool(&rows, self.config.divisor(document.tokens.len())) // (1, dim)
    }
}

/// The class with the largest logit, of equal ones the first.
pub fn predicted<T: Real>(logits: &Tensor<T>) -> usize {
    let logits = logits.data();
    (0..logits.len()).fold(0, |best, class| {
        if logits[class] > logits[best] {
            class
        } else {
            best
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equal_logits_the_first_is_predicted() {
        let logits = |data: &[f32]| Tensor::from_slice(1, data.len(), data);
        assert_eq!(predicted(&logits(&[0.5])), 0);
        assert_eq!(predicted(&logits(&[-1.0, 2.0, 2.0])), 1);
        assert_eq!(predicted(&logits(&[3.0, 2.0, 2.0])), 0);
    }
}
