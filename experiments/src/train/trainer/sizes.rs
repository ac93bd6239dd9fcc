//! How large a model and its training are, before anything of that size is made.

use crate::settings::choices::{Protocol, Smoother};
use crate::settings::config::Config;
use crate::terminal::error::{Error, Result, refuse_more};
use datasets::{Dataset, Encoding};
use models::{Model, ModelConfig, Pooling};
use ops::attention::{Attention, Entry, Options, find};

/// The sizes of the model of a configuration.
pub(super) struct Sizes {
    pub(super) model: ModelConfig,
    entry: Entry<f32>,
    options: Options,
}

impl Sizes {
    /// For documents of this encoding.
    pub(super) fn of(config: &Config, encoding: &Encoding, classes: usize) -> Result<Sizes> {
        let model = ModelConfig {
            pooling: match config.protocol {
                Protocol::Clean => Pooling::Mean,
                Protocol::Paper => Pooling::Padded,
            },
            dim: config.dim,
            hidden: config.hidden,
            head_hidden: config.hidden,
            heads: config.heads,
            layers: config.layers,
            dropout: config.dropout,
            pad: config.pad,
            embedding_std: config.embedding_std,
            places: config.positions.of_model(),
            smoother: (config.smoother() == Smoother::Fourier).then(|| config.s3.of_model()),
            ..ModelConfig::new(
                encoding.vocabulary,
                config.position_rows(),
                classes,
                config.task.entry().documents,
            )
        };
        model
            .validate()
            .map_err(|error| Error::usage(error.to_string()).hint("--dim and --heads set them"))?;
        let options = config.options();
        let entry = find::<f32>(&config.attn)?;
        Ok(Sizes {
            model,
            entry,
            options,
        })
    }

    pub(super) fn method(&self) -> Box<dyn Attention<f32>> {
        self.entry.method(&self.options)
    }

    /// Tokens of the longest example that such a model may meet in these data.
    pub(super) fn longest(&self, data: &Dataset) -> usize {
        if self.model.pad {
            return self.model.positions;
        }
        let splits = [&data.train, &data.dev, &data.test].into_iter();
        let examples = splits.flat_map(|split| &split.examples);
        let tokens = examples.map(|example| example.len(&data.encoding));
        tokens.max().unwrap_or(1)
    }

    /// Refuses what does not fit into the memory there is: `copies` of all parameters, and on each of `working` threads
    /// an example of `tokens` tokens, forward and backward. That is a lower bound: what passes may still need more.
    pub(super) fn refuse_too_large(
        &self,
        copies: usize,
        working: usize,
        tokens: usize,
    ) -> Result<()> {
        let numbers = Model::numbers(&self.model, &*self.method());
        let bytes = self.bytes(copies, working, tokens);
        let (attn, features) = (self.entry.name, self.options.features);
        let what = format!("{attn} with {features} features ({numbers:.0} parameters)");
        let hint = "smaller --features, --dim, --hidden, --layers, --groups, --max-len or --threads take less";
        refuse_more(&what, bytes, hint)
    }

    /// What that takes at least.
    pub(super) fn bytes(&self, copies: usize, working: usize, tokens: usize) -> f64 {
        let numbers = Model::numbers(&self.model, &*self.method());
        copies as f64 * size_of::<f32>() as f64 * numbers
            + working as f64 * self.bytes_of_example(tokens)
    }

    /// What forward and backward of an example hold at least: what the tape saves of every layer, and one head of the
    /// attention at work.
    fn bytes_of_example(&self, tokens: usize) -> f64 {
        let ModelConfig {
            dim,
            hidden,
            layers,
            ..
        } = self.model;
        let saved = layers as f64 * tokens as f64 * (4 * dim + hidden) as f64;
        let width = self.model.head_width() as f64;
        let attention = (self.entry.cost)(&self.options, tokens as f64, width);
        // A model of no layers has none.
        size_of::<f32>() as f64 * saved + layers.min(1) as f64 * attention.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::choices::{Budget, Task};
    use datasets::Black;
    use engine::buffer::most_bytes;
    use engine::{Draws, Seed, Tape};
    use models::Document;
    use ops::attention::registry;

    #[test]
    fn settings_without_a_word_about_sizes_are_the_paper_s() {
        let config = Config {
            max_len: 1000,
            ..Task::Retrieval.preset(Budget::Paper)
        };
        let encoding = Task::Retrieval.encoding(Black::Kept);
        let sizes = Sizes::of(&config, &encoding, 2).unwrap();
        assert_eq!(
            sizes.model,
            ModelConfig::new(encoding.vocabulary, 1024, 2, 2)
        );
    }

    /// Heads of three columns, for which nothing is made.
    #[test]
    fn every_method_computes_with_odd_sizes() {
        for entry in registry::<f32>() {
            let config = Config {
                attn: entry.name.into(),
                features: 5,
                max_len: 40,
                layers: 1,
                dim: 9,
                hidden: 7,
                heads: 3,
                ..Task::Text.preset(Budget::Smoke)
            };
            let encoding = Task::Text.encoding(Black::Kept);
            let (model, params) = super::super::model(&config, &encoding, 2).unwrap();
            let sizes = Sizes::of(&config, &encoding, 2).unwrap();
            let numbers = Model::numbers(&sizes.model, &*sizes.method());
            assert_eq!(params.count() as f64, numbers, "{}", entry.name);
            let tape = Tape::new();
            let bound = params.bind(&tape);
            let draws = Draws::live(Seed(1).stream("draws"));
            let document = [Document::text(vec![7; 33])];
            let loss = model.loss(&bound, &document, 1, &draws, None);
            assert!(loss.item().is_finite(), "{}", entry.name);
            tape.backward(&loss);
        }
    }

    #[test]
    fn what_is_reckoned_for_an_example_is_held_and_not_much_less() {
        let tokens = 300;
        for entry in registry::<f32>() {
            let config = Config {
                attn: entry.name.into(),
                features: 64,
                max_len: tokens,
                ..Task::Text.preset(Budget::Smoke)
            };
            let sizes = Sizes::of(&config, &Task::Text.encoding(Black::Kept), 2).unwrap();
            let (model, params) = Model::new(sizes.model.clone(), sizes.method(), Seed(1));
            let document = [Document::text(vec![7; tokens])];
            let ((), held) = most_bytes(|| {
                let tape = Tape::new();
                let bound = params.bind(&tape);
                let (draws, dropout) = (
                    Draws::live(Seed(1).stream("draws")),
                    Seed(1).stream("dropout"),
                );
                let loss = model.loss(&bound, &document, 1, &draws, Some(dropout));
                tape.backward(&loss);
            });
            let share = sizes.bytes_of_example(tokens) / held as f64;
            assert!((0.3..=1.0).contains(&share), "{}: {share}", entry.name);
        }
    }
}
