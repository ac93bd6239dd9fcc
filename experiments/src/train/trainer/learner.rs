//! One example: forward and backward on a tape of its own; and where a number that is not finite came from.

use super::observed::layer;
use crate::run::kept::{Files, Told};
use crate::terminal::error::Error;
use crate::train::profile::{Part, Stopwatch};
use datasets::loader::Place;
use datasets::{Dataset, Encoding, Example, Split};
use engine::gemm::multiply_adds;
use engine::{
    Bound, Draw, Draws, GradientSums, Gradients, Params, Record, Seed, Stream, Tape, Tensor, Var,
};
use models::{Document, Model, predicted};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the examples of a step share and do not change.
pub(super) struct Learner {
    pub(super) seed: Seed,
    /// Other runs may learn from the same.
    pub(super) data: Arc<Dataset>,
    pub(super) model: Model<f32>,
    pub(super) params: Params<f32>,
}

/// One example's share of a step or an evaluation.
#[derive(Clone, Copy)]
pub(super) struct Judged {
    pub(super) loss: f64,
    pub(super) predicted: usize,
    pub(super) right: bool,
    pub(super) multiply_adds: u64,
}

/// A visit that is studied.
pub(crate) struct Traced {
    /// The number of the example in its set.
    pub(crate) id: usize,
    pub(crate) epoch: usize,
    pub(crate) tokens: usize,
    pub(crate) label: usize,
    pub(crate) predicted: usize,
    pub(crate) loss: f64,
    /// Of the share of the loss in that of its batch.
    pub(crate) gradients: Gradients<f32>,
    pub(crate) draws: BTreeMap<String, Draw>,
}

/// What a model reads of an example.
pub(crate) fn documents(example: &Example, encoding: &Encoding) -> Vec<Document> {
    let document = |which| {
        let (positions, tokens) = example.tokens(which, encoding);
        Document { positions, tokens }
    };
    (0..example.documents.len()).map(document).collect()
}

/// What to do about a training run whose loss is not finite, or a gradient that is too large.
pub(crate) const DIVERGED: &str = "a lower --learning-rate or a longer --warmup";

fn infinite(norm: Option<f64>) -> bool {
    norm.is_some_and(|norm| !norm.is_finite())
}

impl Learner {
    /// Real tokens of a visited example.
    pub(super) fn tokens(&self, place: Place) -> usize {
        self.data.train.examples[place.example].len(&self.data.encoding)
    }

    /// Forward and backward of one visit to a training example; adds `share` times its gradient to
    /// `sums`.
    pub(super) fn visit(
        &self,
        place: Place,
        share: f32,
        tape: &Tape<f32>,
        sums: &mut GradientSums<f32>,
        watch: &mut Stopwatch,
    ) -> Judged {
        let before = multiply_adds();
        let draws = Draws::live(self.stream("draws", place));
        let (bound, logits, loss) = self.forward(place, tape, &draws, watch);
        let gradients = tape.backward(&loss.clone().scale(share));
        watch.lap_tape(|| tape.records());
        bound.accumulate(gradients, sums);
        watch.lap(Part::Sums);
        Judged {
            loss: f64::from(loss.item()),
            predicted: predicted(logits.value()),
            right: predicted(logits.value()) == self.label(place),
            multiply_adds: multiply_adds() - before,
        }
    }

    /// The same visit on a tape that is to be studied; nothing is summed.
    pub(super) fn trace(&self, place: Place, share: f32, tape: &Tape<f32>) -> Traced {
        let draws = Draws::recording(self.stream("draws", place));
        let watch = &mut Stopwatch::new(false);
        let (_, logits, loss) = self.forward(place, tape, &draws, watch);
        let gradients = tape.backward(&loss.clone().scale(share));
        Traced {
            id: self.data.train.examples[place.example].id,
            epoch: place.epoch,
            tokens: self.tokens(place),
            label: self.label(place),
            predicted: predicted(logits.value()),
            loss: f64::from(loss.item()),
            gradients,
            draws: draws.recorded(),
        }
    }

    fn label(&self, place: Place) -> usize {
        self.data.train.examples[place.example].label
    }

    /// Where the random numbers of a visit come from.
    fn stream(&self, name: &str, place: Place) -> Stream {
        let id = self.data.train.examples[place.example].id;
        self.seed.stream(name).at(place.epoch).at(id)
    }

    /// Forward of a visit: the parameters on the tape, the logits and the loss.
    fn forward<'t>(
        &self,
        place: Place,
        tape: &'t Tape<f32>,
        draws: &Draws,
        watch: &mut Stopwatch,
    ) -> (Bound<'t, f32>, Var<'t, f32>, Var<'t, f32>) {
        let example = &self.data.train.examples[place.example];
        let documents = documents(example, &self.data.encoding);
        watch.lap(Part::Data);
        let bound = self.params.bind(tape);
        watch.lap(Part::Binding);
        let dropout = Some(self.stream("dropout", place));
        let logits = self.model.logits(&bound, &documents, draws, dropout);
        let loss = ops::cross_entropy(&logits, example.label);
        (bound, logits, loss)
    }

    /// Loss of one example in evaluation.
    pub(super) fn judge(&self, example: &Example, stream: Stream, tape: &Tape<f32>) -> Judged {
        let before = multiply_adds();
        let bound = self.params.bind(tape);
        let draws = Draws::live(stream.at(example.id));
        let documents = documents(example, &self.data.encoding);
        let logits = self.model.logits(&bound, &documents, &draws, None);
        Judged {
            loss: f64::from(ops::cross_entropy(&logits, example.label).item()),
            predicted: predicted(logits.value()),
            right: predicted(logits.value()) == example.label,
            multiply_adds: multiply_adds() - before,
        }
    }

    /// What the model reads of an example, and what its attention draws and notes in evaluation.
    pub(super) fn watch(
        &self,
        example: &Example,
        stream: Stream,
    ) -> (Vec<Document>, BTreeMap<String, Draw>) {
        let tape = Tape::forward_only();
        let bound = self.params.bind(&tape);
        let draws = Draws::recording(stream.at(example.id));
        let documents = documents(example, &self.data.encoding);
        self.model.logits(&bound, &documents, &draws, None);
        (documents, draws.recorded())
    }

    /// Judges the examples of a broken evaluation again, on tapes with norms, to tell where it broke. What to do about it
    /// depends on what is evaluated.
    pub(super) fn broken_evaluation(
        &self,
        split: &Split,
        indices: &[usize],
        stream: Stream,
    ) -> Error {
        let name = split.name;
        for &index in indices {
            let (tape, example) = (Tape::traced(), &split.examples[index]);
            self.judge(example, stream, &tape);
            let records = tape.records();
            if let Some(node) = records.iter().find(|node| infinite(node.value_norm)) {
                return Error::failure(format!(
                    "the {name} loss is not finite; in {name} example {} the value of `{}` is the \
                     first that is not ({})",
                    example.id, node.name, node.location
                ));
            }
        }
        Error::failure(format!(
            "the sum of the {name} losses is not finite, though each is"
        ))
    }

    /// Runs the batch of a broken step again, on tapes that keep all, to tell where it broke; with the tape of the example
    /// that did.
    pub(super) fn broken(
        &self,
        step: usize,
        share: f32,
        batch: &[Place],
    ) -> (Error, Option<Files>) {
        let step = step + 1;
        for &place in batch {
            let tape = Tape::keeping();
            let traced = self.trace(place, share, &tape);
            let records = tape.records();
            let forward = records.iter().position(|node| infinite(node.value_norm));
            let backward = || {
                records
                    .iter()
                    .rposition(|node| infinite(node.gradient_norm))
            };
            let (what, part) = match forward {
                Some(_) => ("loss", "value"),
                None => ("gradient", "gradient"),
            };
            let Some(number) = forward.or_else(backward) else {
                continue;
            };
            let values = match forward {
                Some(_) => tape.values().into_iter().nth(number),
                None => traced.gradients.all()[number].clone(),
            };
            let names: Vec<&str> = self.params.iter().map(|(name, _)| name).collect();
            let node = &records[number];
            let (place, row) = (
                layer_of(&records, &names, number),
                values.and_then(broken_row),
            );
            let row = row.map_or(String::new(), |row| format!(", row {row}"));
            let message = format!(
                "step {step}: the {what} is not finite; in training example {} (epoch {}) the {part} of `{}` in \
                 {place}{row} is the first that is not ({})",
                traced.id, traced.epoch, node.name, node.location
            );
            let told = Broken {
                step,
                example: traced.id,
                epoch: traced.epoch,
                first: number,
                told: Told::new(&tape, &self.params, &traced.draws),
            };
            let files = Files::new(&tape, &traced.gradients, &told).ok();
            return (Error::failure(message).hint(DIVERGED), files);
        }
        let message = format!(
            "step {step}: the sum of the gradients is not finite, though each example's is"
        );
        (Error::failure(message).hint(DIVERGED), None)
    }
}

/// What not-finite.json has.
#[derive(Serialize)]
struct Broken {
    step: usize,
    example: usize,
    epoch: usize,
    /// The node whose value, or else gradient, is the first that is not finite.
    first: usize,
    #[serde(flatten)]
    told: Told,
}

/// The first row with a number that is none: a token, where there is a row a token.
fn broken_row(x: Tensor<f32>) -> Option<usize> {
    (0..x.rows()).find(|&i| x.row(i).iter().any(|x| !x.is_finite()))
}

/// The layer of a node: of the parameter that it, or else the nearest node before it, has used.
fn layer_of<'a>(records: &[Record], parameters: &[&'a str], number: usize) -> &'a str {
    let used = |node: &Record| {
        let mut parents = node.parents.iter();
        parents.find_map(|&parent| parameters.get(parent).copied())
    };
    match parameters.get(number) {
        Some(parameter) => parameter,
        None => records[..=number]
            .iter()
            .rev()
            .find_map(used)
            .map_or("", layer),
    }
}
