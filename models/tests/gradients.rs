//! The gradient of whole models, every parameter, against finite differences: at frozen draws, with dropout.

use std::collections::BTreeMap;
use std::rc::Rc;

use engine::check::{Checked, check};
use engine::{Draw, Draws, Params, Seed, Stream, Tape, Tensor};
use models::smoother::Form;
use models::{Document, Model, ModelConfig, Places, Pooling};
use ops::attention::{Options, find};

/// A model and all that decides its output beside the values of its parameters.
struct Frozen {
    model: Model<f64>,
    params: Params<f64>,
    documents: Vec<Document>,
    stream: Stream,
    draws: BTreeMap<String, Draw>,
}

impl Frozen {
    fn new(attn: &str, config: ModelConfig) -> Frozen {
        let stream = Seed(9).stream(attn).at(config.documents);
        let options = Options {
            features: 3,
            dropout: 0.25,
            ..Options::default()
        };
        let documents = [
            Document {
                positions: vec![0, 1, 3, 6, 7],
                tokens: vec![4, 1, 1, 5, 2],
            },
            Document::text(vec![3, 5, 0, 3]),
        ];
        let documents = documents[..config.documents].to_vec();
        let method = find(attn).unwrap().method(&options);
        let (model, mut params) = Model::new(config, method, Seed(9));
        let mut generator = stream.stream("parameters").generator();
        for value in params.values_mut() {
            // Away from the start, whose tables are so small that the first layer sees almost equal rows.
            for x in value.data_mut() {
                *x += 0.3 * generator.normal();
            }
        }
        let mut frozen = Frozen {
            model,
            params,
            documents,
            stream,
            draws: BTreeMap::new(),
        };
        frozen.draws = frozen.run(frozen.params.values(), None).1;
        frozen
    }

    /// The logits at these values of the parameters, and what was drawn; with a cotangent, the parameters' gradients in
    /// the place of the logits.
    fn run(
        &self,
        values: &[Tensor<f64>],
        cotangent: Option<Tensor<f64>>,
    ) -> (Vec<Tensor<f64>>, BTreeMap<String, Draw>) {
        let mut params = self.params.clone();
        params.values_mut().clone_from_slice(values);
        let tape = Tape::new();
        let bound = params.bind(&tape);
        let draws = Draws::replay(self.stream.stream("draws"), self.draws.clone());
        let dropout = Some(self.stream.stream("dropout"));
        let logits = self.model.logits(&bound, &self.documents, &draws, dropout);
        let tensors = match cotangent {
            None => vec![logits.value().clone()],
            Some(cotangent) => {
                let mut sums = params.zeros();
                bound.accumulate(tape.backward_from(&logits, cotangent), &mut sums);
                sums.to_vec()
            }
        };
        (tensors, draws.recorded())
    }
}

/// Checks all N parameters of a model. The checker makes the variables and a model binds its parameters itself, so the
/// model stands on the checker's tape as one operator, whose pullback runs a tape of its own.
fn checked<const N: usize>(attn: &'static str, config: ModelConfig) -> Vec<Checked> {
    let frozen = Rc::new(Frozen::new(attn, config));
    let inputs: Vec<(&str, Tensor<f64>)> = frozen
        .params
        .iter()
        .map(|(name, value)| (name, value.clone()))
        .collect();
    assert_eq!(inputs.len(), N, "parameters");
    check(attn, frozen.stream, &inputs, |tape, x| {
        let values: Vec<Tensor<f64>> = x.iter().map(|x| x.value().clone()).collect();
        let logits = frozen.run(&values, None).0.remove(0);
        let frozen = Rc::clone(&frozen);
        tape.record(
            "model",
            std::array::from_fn::<_, N, _>(|i| x[i].node()),
            logits,
            {
                move |dy| {
                    let gradients = frozen.run(&values, Some(dy)).0;
                    gradients.try_into().unwrap_or_else(|_| unreachable!())
                }
            },
        )
    })
    .unwrap_or_else(|failure| panic!("{failure}"))
}

fn tiny(layers: usize, documents: usize) -> ModelConfig {
    ModelConfig {
        dim: 6,
        hidden: 5,
        head_hidden: 4,
        layers,
        ..ModelConfig::new(6, 8, 3, documents)
    }
}

/// Parameters without influence: shifting every key shifts all logits of a row alike.
fn without_gradient(checked: &[Checked]) -> Vec<&str> {
    let largest = checked.iter().map(|c| c.norm).fold(0.0, f64::max);
    let none = checked.iter().filter(|c| c.norm < 1e-12 * largest);
    none.map(|c| c.input.as_str()).collect()
}

#[test]
fn one_document_through_two_layers_of_softmax() {
    let checked = checked::<40>("softmax", tiny(2, 1));
    // Dropped probabilities do not sum to one, but a shift of the keys still cancels in the softmax below them.
    assert_eq!(
        without_gradient(&checked),
        [
            "model.transformer_0.mha.W_k.bias",
            "model.transformer_1.mha.W_k.bias"
        ]
    );
}

#[test]
fn a_pair_through_one_layer_of_skein() {
    let checked = checked::<24>("skein", tiny(1, 2));
    assert_eq!(
        without_gradient(&checked),
        ["model.transformer_0.mha.W_k.bias"]
    );
}

#[test]
fn padded_pooling_and_a_method_that_reads_values_alone() {
    let config = ModelConfig {
        pooling: Pooling::Padded,
        ..tiny(1, 1)
    };
    let checked = checked::<24>("vmean", config);
    assert_eq!(
        without_gradient(&checked),
        ["W_q.weight", "W_q.bias", "W_k.weight", "W_k.bias"]
            .map(|name| format!("model.transformer_0.mha.{name}"))
    );
}

#[test]
fn a_layer_behind_a_smoother_of_either_form() {
    for form in [Form::Paper, Form::Released] {
        let config = ModelConfig {
            smoother: Some(form),
            ..tiny(1, 1)
        };
        let checked = checked::<30>("softmax", config);
        assert_eq!(
            without_gradient(&checked),
            ["model.transformer_0.mha.W_k.bias"],
            "{form:?}"
        );
    }
}

#[test]
fn tokens_that_know_their_places_by_turns_or_not_at_all() {
    for (places, without) in [
        // A shift of all keys turns with them.
        (Places::Rotary, &[][..]),
        (Places::None, &["model.transformer_0.mha.W_k.bias"]),
    ] {
        let config = ModelConfig {
            places,
            ..tiny(1, 1)
        };
        let checked = checked::<23>("softmax", config);
        assert_eq!(without_gradient(&checked), without, "{places:?}");
    }
}
