//! Q, K and V as a model computes them from text: every layer and head.
//!
//! The model is the Text model before training, or one whose weights were saved. Its attention is
//! wrapped into one that keeps what passes by; between the layers stands the run's own method, or
//! exact attention. A text of n tokens is made of those of the test split, one after the other from
//! a random one on, since few have so many. A model that was trained with rows of padding computes
//! with them here too; what is kept are the n rows of tokens.

use super::input::Head;
use crate::commands::data::found;
use crate::settings::choices::{Budget, Protocol, Task};
use crate::settings::config::Config;
use crate::terminal::error::{Error, Result};
use crate::train::data::{fingerprint, load};

use crate::files::whole_file;
use crate::settings::product::ProductFlag;
use crate::train::trained::{Trained, Weights};
use crate::train::trainer::{self, refuse_not_finite};
use datasets::Dataset;
use engine::{Draws, Params, Stream, Tape, Tensor, Var};
use models::{Document, Model, ModelConfig, load_safetensors};
use ops::attention::softmax::Softmax;
use ops::attention::{Attention, Inputs, LayerShape, Options, Reads, find};
use safetensors::SafeTensors;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// A model's place in this experiment: what it reads, and what it is.
pub(super) struct Reader {
    texts: Dataset,
    model: Option<TrainedModel>,
}

/// What a trained model is made of.
struct TrainedModel {
    config: ModelConfig,
    params: Params<f32>,
    between: Between,
    /// Tokens of the longest text that it was trained on, as far as that is known: later rows of
    /// its position table were never trained.
    longest: usize,
}

/// The configuration of the run of `skein text` in `folder`.
pub(super) fn of_run(folder: &Path) -> Result<Config> {
    let config = Config::of_run(folder)?;
    if config.task != Task::Text {
        let message = format!("{} is a run of {}", folder.display(), config.task.name());
        return Err(Error::usage(message).hint("give the folder of a run of skein text"));
    }
    Ok(config)
}

/// The attention between the layers.
enum Between {
    Exact,
    Run { attn: String, options: Options },
}

impl Between {
    fn build(&self) -> Box<dyn Attention<f32>> {
        match self {
            Between::Exact => Box::new(Softmax { dropout: 0.0 }),
            Between::Run { attn, options } => find(attn)
                .expect("looked up when the run was read")
                .method(options),
        }
    }
}

impl Reader {
    /// Of texts as `--data` names them.
    pub(super) fn new(data: &str) -> Result<Reader> {
        let config = Config {
            data: data.to_string(),
            protocol: Protocol::Paper,
            ..Task::Text.preset(Budget::Paper)
        };
        let config = found(config.checked(Task::Text)?)?;
        let texts = load(&config).map_err(Error::data)?;
        if texts
            .test
            .examples
            .iter()
            .all(|example| example.documents[0].is_empty())
        {
            return Err(Error::failure(format!(
                "{}: all texts are empty",
                texts.name
            )));
        }
        Ok(Reader { texts, model: None })
    }

    /// With the weights of the run in `folder`: those of its test, or before there are any, those
    /// that a test would be about now. If the texts are to be its `own`, others are refused.
    pub(super) fn load_run(
        &mut self,
        folder: &Path,
        own: bool,
        product: &ProductFlag,
    ) -> Result<()> {
        of_run(folder)?;
        let run = Trained::open(folder)?;
        let mut config = run.config.clone();
        product.over(&mut config.product);
        if own {
            // Here texts are not cut as the run cuts them.
            let texts = load(&config).map_err(Error::data)?;
            run.refuse_other_data(&fingerprint(&texts))?;
        }
        run.refuse_other_classes(&self.texts)?;
        let classes = self.texts.classes.len();
        let (model, mut params) =
            trainer::model(&config, &Task::Text.encoding(config.black()), classes)?;
        let tested = folder.join("weights.safetensors");
        let weights = tested.exists().then_some(Weights::File(tested));
        run.load(weights.as_ref(), &mut params)?;
        self.model = Some(TrainedModel {
            config: model.config().clone(),
            params,
            between: Between::Run {
                attn: config.attn.clone(),
                options: Options {
                    features: config.features,
                    released: config.protocol == Protocol::Paper,
                    ..Options::default()
                },
            },
            longest: config.max_len,
        });
        Ok(())
    }

    /// With the weights in a file, and exact attention between the layers.
    pub(super) fn load_weights(&mut self, file: &Path) -> Result<()> {
        let bytes = whole_file::read(file)?;
        let place = file.display().to_string();
        let wrong = |message: String| Error::failure(message).at(&place);
        let bytes = without_own(&bytes).map_err(wrong)?;
        let config = sizes(&bytes).map_err(wrong)?;
        config
            .validate()
            .map_err(|error| wrong(error.to_string()))?;
        let between = Between::Exact;
        // Sizes of empty tensors are no numbers in the file.
        let numbers = Model::numbers(&config, &*between.build());
        if numbers > bytes.len() as f64 {
            return Err(wrong(format!(
                "weights of another model: their shapes are of {numbers:.0} numbers, more than there are"
            )));
        }
        let (_, mut params) = Model::new(config.clone(), between.build(), engine::Seed(0));
        load_safetensors(&mut params, &bytes).map_err(|error| wrong(error.to_string()))?;
        refuse_not_finite(&params).map_err(|error| error.at(&place).hint("name another file"))?;
        if self.texts.encoding.vocabulary > config.vocabulary {
            return Err(wrong(format!(
                "a model of {} words, texts need {}",
                config.vocabulary, self.texts.encoding.vocabulary
            )));
        }
        if self.texts.classes.len() != config.classes {
            return Err(wrong(format!(
                "a model of {} classes, texts have {}",
                config.classes,
                self.texts.classes.len()
            )));
        }
        self.model = Some(TrainedModel {
            longest: config.positions,
            config,
            params,
            between,
        });
        Ok(())
    }

    /// The name of the texts.
    pub(super) fn data(&self) -> &str {
        &self.texts.name
    }

    /// The longest text that it reads; any, before training.
    pub(super) fn longest(&self) -> usize {
        let model = self.model.as_ref();
        model.map_or(usize::MAX, |model| model.longest)
    }

    /// Every head of every layer from one random text, of the trained model, or of one random start
    /// before training.
    pub(super) fn heads(&self, trained: bool, n: usize, stream: Stream) -> Vec<Head> {
        let seen: Arc<Mutex<Vec<[Tensor<f32>; 3]>>> = Arc::default();
        let trained = self.model.as_ref().filter(|_| trained);
        let between = trained.map_or(&Between::Exact, |model| &model.between);
        let watched = Box::new(Watched {
            inner: between.build(),
            seen: Arc::clone(&seen),
        });
        let config = match trained {
            None => {
                let fresh = ModelConfig::new(self.texts.encoding.vocabulary, n, 2, 1);
                // Of the same sizes as the one that it is compared with.
                let sized = self.model.as_ref().map(|model| ModelConfig {
                    dim: model.config.dim,
                    hidden: model.config.hidden,
                    head_hidden: model.config.head_hidden,
                    heads: model.config.heads,
                    layers: model.config.layers,
                    ..fresh.clone()
                });
                sized.unwrap_or(fresh)
            }
            Some(model) => model.config.clone(),
        };
        let heads = config.heads;
        let documents = config.documents;
        // All streams of a model derive from a seed; here that is drawn.
        let seed = engine::Seed(stream.stream("start").key());
        let (model, start) = Model::new(config, watched, seed);
        let params = trained.map_or(&start, |model| &model.params);
        let tape = Tape::forward_only();
        let text = Document::text(self.tokens(n, stream.stream("text")));
        let texts = vec![text; documents];
        let draws = Draws::live(stream.stream("between"));
        model.logits(&params.bind(&tape), &texts, &draws, None);
        let seen = seen.lock().expect("no thread panicked with it");
        let all = seen.iter().enumerate().flat_map(|(layer, [q, k, v])| {
            (0..heads).map(move |head| {
                let p = v.cols() / heads;
                let columns =
                    |x: &Tensor<f32>| Tensor::from_fn(n, p, |i, j| x.row(i)[head * p + j]);
                Head {
                    place: format!("layer {layer}, head {head}"),
                    q: columns(q),
                    k: columns(k),
                    v: columns(v),
                } // (n, p)
            })
        });
        all.collect()
    }

    /// A text of n tokens.
    fn tokens(&self, n: usize, stream: Stream) -> Vec<u32> {
        let examples = &self.texts.test.examples;
        let first = stream.generator().below(examples.len());
        let from_first = (0..).map(|i| &examples[(first + i) % examples.len()]);
        let bytes = from_first.flat_map(|example| example.documents[0].iter());
        let token = |&byte: &u8| u32::from(byte) + u32::from(self.texts.encoding.offset);
        bytes.map(token).take(n).collect()
    }
}

/// An attention that keeps the Q, K and V of the first document.
struct Watched {
    inner: Box<dyn Attention<f32>>,
    seen: Arc<Mutex<Vec<[Tensor<f32>; 3]>>>,
}

impl Attention<f32> for Watched {
    /// All three, also where `inner` does not read them.
    fn reads(&self) -> Reads {
        Reads {
            queries: true,
            keys: true,
        }
    }

    fn shapes(&self, shape: LayerShape) -> Vec<(&'static str, [usize; 2])> {
        self.inner.shapes(shape)
    }

    fn parameters(&self, shape: LayerShape, stream: Stream) -> Vec<(&'static str, Tensor<f32>)> {
        self.inner.parameters(shape, stream)
    }

    fn trains(&self, parameter: &str) -> bool {
        self.inner.trains(parameter)
    }

    fn rotates(&self) -> bool {
        self.inner.rotates()
    }

    fn node<'t>(&self, x: &Inputs<'_, 't, f32>) -> Var<'t, f32> {
        if x.place.document == 0 {
            let values = [x.q(), x.k(), x.v].map(|x| x.value().clone());
            self.seen
                .lock()
                .expect("no thread panicked with it")
                .push(values);
        }
        self.inner.forward(x)
    }
}

/// The sizes of the model whose weights these are. Only heads cannot be told from them; the models
/// of the comparison have two.
fn sizes(bytes: &[u8]) -> std::result::Result<ModelConfig, String> {
    let file = SafeTensors::deserialize(bytes)
        .map_err(|error| format!("not a safetensors file, or a damaged one: {error}"))?;
    let shape = |name: &str| {
        let tensor = file.tensor(name);
        let shape = tensor.map_or(Vec::new(), |tensor| tensor.shape().to_vec());
        match shape[..] {
            [rows, cols] => Ok((rows, cols)),
            _ => Err(format!("weights of another model: no matrix {name}")),
        }
    };
    let (vocabulary, dim) = shape("model.embeddings.word_embeddings.weight")?;
    let (positions, _) = shape("model.embeddings.position_embeddings.weight")?;
    let (head_hidden, features) = shape("seq_classifer.mlpblock.0.weight")?;
    let (classes, _) = shape("seq_classifer.mlpblock.2.weight")?;
    let widen = |layer: usize| format!("model.transformer_{layer}.mlpblock.0.weight");
    let layers = (0..)
        .take_while(|&layer| shape(&widen(layer)).is_ok())
        .count();
    let hidden = shape(&widen(0)).map_or(1, |(hidden, _)| hidden);
    Ok(ModelConfig {
        dim,
        hidden,
        head_hidden,
        layers,
        ..ModelConfig::new(
            vocabulary,
            positions,
            classes,
            if features == dim { 1 } else { 2 },
        )
    })
}

/// The file without parameters that are a method's own.
fn without_own(bytes: &[u8]) -> std::result::Result<Vec<u8>, String> {
    let file = SafeTensors::deserialize(bytes)
        .map_err(|error| format!("not a safetensors file, or a damaged one: {error}"))?;
    let tensors = file.iter().filter(|(name, _)| !name.contains(".mha.attn."));
    safetensors::serialize(tensors, None).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::Seed;

    #[test]
    fn rows_of_padding_are_not_kept() {
        let mut reader = Reader::new("builtin").unwrap();
        let config = ModelConfig {
            pad: true,
            ..ModelConfig::new(reader.texts.encoding.vocabulary, 64, 2, 1)
        };
        let between = Between::Exact;
        let (_, params) = Model::new(config.clone(), between.build(), Seed(1));
        reader.model = Some(TrainedModel {
            longest: config.positions,
            config,
            params,
            between,
        });
        for head in reader.heads(true, 24, Seed(2).stream("trial")) {
            for x in [head.q, head.k, head.v] {
                assert_eq!(x.shape(), (24, 32), "{}", head.place);
            }
        }
    }
}
