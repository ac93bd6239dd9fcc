//! One example: forward and backward on a tape of its own; and where a number that is not finite came from.

use crate::terminal::error::Error;
use crate::train::profile::{Part, Stopwatch};
use datasets::loader::Place;
use datasets::{Dataset, Encoding, Example, Split};
use engine::gemm::multiply_adds;
use engine::{Draws, GradientSums, Params, Seed, Stream, Tape};
use models::{Document, Model, predicted};
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
        let example = &self.data.train.examples[place.example];
        let stream = |name| self.seed.stream(name).at(place.epoch).at(example.id);
        let documents = documents(example, &self.data.encoding);
        watch.lap(Part::Data);
        let bound = self.params.bind(tape);
        watch.lap(Part::Binding);
        let draws = Draws::live(stream("draws"));
        let logits = self
            .model
            .logits(&bound, &documents, &draws, Some(stream("dropout")));
        let loss = ops::cross_entropy(&logits, example.label);
        let gradients = tape.backward(&loss.clone().scale(share));
        watch.lap_tape(|| tape.records());
        bound.accumulate(gradients, sums);
        watch.lap(Part::Sums);
        Judged {
            loss: f64::from(loss.item()),
            predicted: predicted(logits.value()),
            right: predicted(logits.value()) == example.label,
            multiply_adds: multiply_adds() - before,
        }
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

    /// Runs the batch of a broken step again, on tapes with norms, to tell where it broke.
    pub(super) fn broken(&self, step: usize, share: f32, batch: &[Place]) -> Error {
        for &place in batch {
            let tape = Tape::traced();
            let sums = &mut self.params.zeros();
            self.visit(place, share, &tape, sums, &mut Stopwatch::new(false));
            let records = tape.records();
            let forward = records.iter().find(|node| infinite(node.value_norm));
            let backward = records
                .iter()
                .rev()
                .find(|node| infinite(node.gradient_norm));
            let (what, part) = match forward {
                Some(_) => ("loss", "value"),
                None => ("gradient", "gradient"),
            };
            if let Some(node) = forward.or(backward) {
                let (step, epoch) = (step + 1, place.epoch);
                let id = self.data.train.examples[place.example].id;
                return Error::failure(format!(
                    "step {step}: the {what} is not finite; in training example {id} (epoch {epoch}) \
                     the {part} of `{}` is the first that is not ({})",
                    node.name, node.location
                ))
                .hint(DIVERGED);
            }
        }
        let step = step + 1;
        Error::failure(format!(
            "step {step}: the sum of the gradients is not finite, though each example's is"
        ))
        .hint(DIVERGED)
    }
}
