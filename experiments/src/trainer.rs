//! Model, optimiser and data of a run, and the two things done with them: a training step and an
//! evaluation.
//!
//! One example, one tape, one thread. The examples of a batch are spread over a fixed number of
//! groups as a function of their lengths alone; a group adds up its gradients in its order, the
//! groups are added in theirs. So the number of threads, and which thread takes which group,
//! changes no bit, and memory grows with the threads, not with the batch.

use crate::config::{Config, Protocol};
use crate::error::{Error, Result};
use crate::ordered_sum::OrderedSum;
use crate::profile::{Part, Profile, Stopwatch, Work};
use datasets::loader::{Loader, Place};
use datasets::{Dataset, Encoding, Example, Split, groups};
use engine::buffer::release_free;
use engine::gemm::multiply_adds;
use engine::{Draws, GradientSums, Params, Record, Seed, Stream, Tape};
use models::{AdamW, Document, Model, ModelConfig, OneCycle, Pooling, predicted};
use ops::attention;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::mem::take;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Examples of an evaluation between two signs of life.
const SHARE: usize = 256;

/// Examples of which the operators are measured.
const MEASURED: usize = 4;

/// Everything a run computes with.
pub struct Trainer {
    learner: Learner,
    optimiser: AdamW<f32>,
    schedule: OneCycle,
    loader: Loader,
    /// Into how many groups a batch is divided, if it has as many examples.
    groups: usize,
    /// The gradient of the latest step.
    gradient: GradientSums<f32>,
    /// Where groups sum their gradients; kept, so that a step allocates nothing large.
    free: Vec<GradientSums<f32>>,
    threads: rayon::ThreadPool,
    /// Where the time of steps goes, if somebody asked.
    profile: Option<Profile>,
}

/// What the examples of a step share and do not change.
struct Learner {
    seed: Seed,
    /// Other runs may learn from the same.
    data: Arc<Dataset>,
    model: Model<f32>,
    params: Params<f32>,
}

/// What a training step reports.
#[derive(Serialize, Clone, Copy, Debug)]
pub struct Step {
    /// Mean cross-entropy of the batch, in nats.
    pub loss: f64,
    /// Share of the batch that was classified rightly, 0 to 1, dropout on.
    pub accuracy: f64,
    /// Learning rate of this step.
    pub learning_rate: f64,
    /// Euclidean norm of the whole gradient.
    pub gradient_norm: f64,
    /// Real tokens of the batch.
    pub tokens: usize,
    /// Multiply-adds of all matrix products, forward and backward.
    #[serde(skip)]
    pub multiply_adds: u64,
}

/// What an evaluation reports.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
pub struct Evaluation {
    /// Mean cross-entropy, in nats.
    pub loss: f64,
    /// Share that was classified rightly, 0 to 1.
    pub accuracy: f64,
    /// Examples looked at.
    pub examples: usize,
}

/// Euclidean norms of one layer.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub(crate) struct Norms {
    /// What the names of its parameters begin with.
    pub(crate) layer: String,
    /// Of its parameters.
    pub(crate) parameters: f64,
    /// Of the gradient of the latest step.
    pub(crate) gradient: f64,
}

/// operators.json: where the time of a few training examples goes.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub(crate) struct Operators {
    pub(crate) examples: usize,
    pub(crate) tokens: usize,
    /// Of all of it, on one thread.
    pub(crate) wall_ms: f64,
    /// The slowest first.
    pub(crate) operators: Vec<Operator>,
}

/// One operator's share of [`Operators`].
#[derive(Serialize, Deserialize, Clone, Debug)]
pub(crate) struct Operator {
    pub(crate) name: String,
    pub(crate) calls: usize,
    pub(crate) forward_ms: f64,
    pub(crate) backward_ms: f64,
}

impl Operator {
    pub(crate) fn milliseconds(&self) -> f64 {
        self.forward_ms + self.backward_ms
    }
}

/// What a checkpoint keeps of a trainer.
#[derive(Serialize, Deserialize)]
pub struct State {
    params: Vec<Vec<f32>>,
    optimiser: AdamW<f32>,
}

/// One example's share of a step or an evaluation.
#[derive(Clone, Copy)]
struct Judged {
    loss: f64,
    predicted: usize,
    right: bool,
    multiply_adds: u64,
}

impl State {
    /// Sets all parameters to those of the checkpoint.
    ///
    /// # Errors
    /// If it belongs to another model; then none is changed.
    pub(crate) fn write_to(&self, params: &mut Params<f32>) -> Result<()> {
        let lengths = params.values().iter().map(|value| value.data().len());
        if !lengths.eq(self.params.iter().map(Vec::len)) || !self.optimiser.fits(params) {
            return Err(Error::failure(
                "the checkpoint belongs to another model than the run's configuration",
            )
            .hint("config.toml was altered: restore it, or start again"));
        }
        for (value, saved) in params.values_mut().iter_mut().zip(&self.params) {
            value.data_mut().copy_from_slice(saved);
        }
        Ok(())
    }
}

/// The model of a configuration as it is before training, for documents of this encoding.
pub(crate) fn model(
    config: &Config,
    encoding: &Encoding,
    classes: usize,
) -> Result<(Model<f32>, Params<f32>)> {
    let sizes = ModelConfig {
        pooling: match config.protocol {
            Protocol::Clean => Pooling::Mean,
            Protocol::Paper => Pooling::Padded,
        },
        dropout: config.dropout,
        pad: config.pad,
        embedding_std: config.embedding_std,
        sincos2d: config.sincos2d,
        ..ModelConfig::new(
            encoding.vocabulary,
            config.position_rows(),
            classes,
            config.task.documents(),
        )
    };
    sizes.validate()?;
    let entry = attention::find::<f32>(&config.attn)?;
    let method = (entry.build)(&attention::Options {
        features: config.features,
        dropout: config.dropout,
        released: config.protocol == Protocol::Paper,
    });
    Ok(Model::new(sizes, method, Seed(config.seed)))
}

/// What a model reads of an example.
pub(crate) fn documents(example: &Example, encoding: &Encoding) -> Vec<Document> {
    let document = |which| {
        let (positions, tokens) = example.tokens(which, encoding);
        Document { positions, tokens }
    };
    (0..example.documents.len()).map(document).collect()
}

impl Trainer {
    /// A fresh model for `data`, as `config` has it.
    pub fn new(config: &Config, data: impl Into<Arc<Dataset>>, threads: usize) -> Result<Trainer> {
        let data = data.into();
        let seed = Seed(config.seed);
        let (model, params) = model(config, &data.encoding, data.classes.len())?;
        let cycled = config.protocol == Protocol::Paper;
        Ok(Trainer {
            optimiser: AdamW::new(&params, 0.0),
            schedule: OneCycle::new(config.learning_rate, config.warmup, config.steps, cycled)?,
            loader: Loader::new(seed, data.train.examples.len(), config.batch),
            groups: config.groups,
            gradient: params.zeros(),
            free: Vec::new(),
            threads: rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()?,
            profile: None,
            learner: Learner {
                seed,
                data,
                model,
                params,
            },
        })
    }

    /// The data.
    pub fn data(&self) -> &Dataset {
        &self.learner.data
    }

    /// The parameters as they are.
    pub fn params(&self) -> &Params<f32> {
        &self.learner.params
    }

    /// The parameters as they are, to be written (shapes must stay).
    pub(crate) fn params_mut(&mut self) -> &mut Params<f32> {
        &mut self.learner.params
    }

    /// From here on it is measured where the time of training steps goes; no number changes.
    pub fn start_profile(&mut self) {
        self.profile = Some(Profile::new(self.threads.current_num_threads()));
    }

    /// Where the time of training steps went since [`Trainer::start_profile`].
    pub fn profile(&self) -> Option<&Profile> {
        self.profile.as_ref()
    }

    /// What a checkpoint needs to continue from here.
    pub fn state(&self) -> State {
        State {
            params: self
                .learner
                .params
                .values()
                .iter()
                .map(|value| value.data().to_vec())
                .collect(),
            optimiser: self.optimiser.clone(),
        }
    }

    /// Continues from `state`.
    ///
    /// # Errors
    /// If it belongs to another model.
    pub fn restore(&mut self, state: State) -> Result<()> {
        state.write_to(&mut self.learner.params)?;
        self.optimiser = state.optimiser;
        Ok(())
    }

    /// Step `step`, counted from 0: forward and backward of its batch, then the optimiser.
    ///
    /// # Errors
    /// If the loss or the gradient is not finite: the step, the example and the operator that
    /// broke.
    pub fn step(&mut self, step: usize) -> Result<Step> {
        let profiled = self.profile.is_some();
        let start = Instant::now();
        let mut alone = Stopwatch::new(profiled);
        let batch = self.loader.batch(step).places;
        let learner = &self.learner;
        let lengths: Vec<usize> = batch.iter().map(|&place| learner.tokens(place)).collect();
        let groups = groups::groups(&lengths, self.groups);
        let share = 1.0 / batch.len() as f32;
        let sum = OrderedSum::new(take(&mut self.gradient), take(&mut self.free));
        let next = AtomicUsize::new(0);
        alone.lap(Part::Data);

        // Every thread takes the next group until there is none.
        let work = self.threads.broadcast(|_| {
            let mut watch = Stopwatch::new(profiled);
            let mut outcomes = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(group) = groups.get(number) else {
                    break (outcomes, watch.work());
                };
                let mut sums = sum.zeros(|| learner.params.zeros());
                watch.lap(Part::Sums);
                for &slot in group {
                    let tape = Tape::new();
                    let outcome = learner.visit(batch[slot], share, &tape, &mut sums, &mut watch);
                    drop(tape);
                    watch.lap(Part::Tape);
                    outcomes.push((slot, outcome));
                }
                sum.give(number, sums);
                watch.lap(Part::Sums);
            }
        });
        (self.gradient, self.free) = sum.end();
        let (outcomes, shared): (Vec<_>, Vec<Work>) = work.into_iter().unzip();
        let together = alone.lap_others();

        // In the order of the batch, so that the groups do not matter here either.
        let mut in_order: Vec<(usize, Judged)> = outcomes.into_iter().flatten().collect();
        in_order.sort_by_key(|&(slot, _)| slot);
        let outcomes = || in_order.iter().map(|&(_, outcome)| outcome);
        let count = batch.len() as f64;
        let loss = outcomes().map(|outcome| outcome.loss).sum::<f64>() / count;
        let squares: f64 = self.gradient.iter().map(|sum| sum.norm().powi(2)).sum();
        if !(loss.is_finite() && squares.is_finite()) {
            return Err(self.learner.broken(step, &batch));
        }
        alone.lap(Part::Sums);
        let learning_rate = self.schedule.rate(step);
        self.optimiser.step(
            &mut self.learner.params,
            &self.gradient,
            learning_rate,
            self.schedule.beta1(step),
        );
        alone.lap(Part::Optimiser);
        if let Some(profile) = &mut self.profile {
            let mut work = Work::default();
            for one in &shared {
                work.join(one);
            }
            profile.add_step(start.elapsed(), &alone.work(), together, &work);
        }
        Ok(Step {
            loss,
            accuracy: outcomes().filter(|outcome| outcome.right).count() as f64 / count,
            learning_rate,
            gradient_norm: squares.sqrt(),
            tokens: lengths.iter().sum(),
            multiply_adds: outcomes().map(|outcome| outcome.multiply_adds).sum(),
        })
    }

    /// Norms of every layer, in the order of the model; call it right after a step, whose gradient is still there.
    pub(crate) fn norms(&self) -> Vec<Norms> {
        let mut layers: Vec<Norms> = Vec::new();
        for ((name, value), gradient) in self.learner.params.iter().zip(&*self.gradient) {
            let layer = layer(name);
            let place = layers.iter().position(|norms| norms.layer == layer);
            let place = place.unwrap_or_else(|| {
                layers.push(Norms {
                    layer: layer.to_string(),
                    parameters: 0.0,
                    gradient: 0.0,
                });
                layers.len() - 1
            });
            layers[place].parameters += value.norm().powi(2);
            layers[place].gradient += gradient.norm().powi(2);
        }
        for norms in &mut layers {
            norms.parameters = norms.parameters.sqrt();
            norms.gradient = norms.gradient.sqrt();
        }
        layers
    }

    /// Forward and backward of some training examples on this thread, by operator; nothing is learnt from them.
    pub(crate) fn operators(&self) -> Operators {
        let batch = self.loader.batch(0).places;
        let examples = &batch[..batch.len().min(MEASURED)];
        let mut sums = self.learner.params.zeros();
        let mut visit = |place| {
            let tape = Tape::new();
            let watch = &mut Stopwatch::new(false);
            self.learner.visit(place, 1.0, &tape, &mut sums, watch);
            tape.records()
        };
        // The first pass pays for fresh memory.
        visit(examples[0]);
        let start = Instant::now();
        let records: Vec<Record> = examples.iter().flat_map(|&place| visit(place)).collect();
        let wall = start.elapsed();
        let milliseconds = |time: Duration| 1e3 * time.as_secs_f64();
        let mut operators: Vec<Operator> = Vec::new();
        // Leaves are no operators.
        for record in records.iter().filter(|record| !record.parents.is_empty()) {
            let place = operators.iter().position(|o| o.name == record.name);
            let place = place.unwrap_or_else(|| {
                operators.push(Operator {
                    name: record.name.to_string(),
                    calls: 0,
                    forward_ms: 0.0,
                    backward_ms: 0.0,
                });
                operators.len() - 1
            });
            operators[place].calls += 1;
            operators[place].forward_ms += milliseconds(record.forward);
            operators[place].backward_ms += milliseconds(record.backward);
        }
        operators.sort_by(|a, b| b.milliseconds().total_cmp(&a.milliseconds()));
        Operators {
            examples: examples.len(),
            tokens: examples
                .iter()
                .map(|&place| self.learner.tokens(place))
                .sum(),
            wall_ms: milliseconds(wall),
            operators,
        }
    }

    /// Loss and accuracy of the present parameters on the first `count` examples of a seeded order
    /// of `split` (0: all); an example is judged with the same draws every time. `seen` is told how
    /// many are done and may break off: then there is no outcome.
    ///
    /// # Errors
    /// If the loss is not finite: the example and the operator that broke.
    pub fn evaluate(
        &self,
        split: &Split,
        count: usize,
        seen: impl FnMut(usize, usize) -> ControlFlow<()>,
    ) -> Result<Option<Evaluation>> {
        self.judge(split, count, seen, |_, _| ())
    }

    /// The same; `each` is told every example and the class that was predicted.
    pub(crate) fn judge(
        &self,
        split: &Split,
        count: usize,
        mut seen: impl FnMut(usize, usize) -> ControlFlow<()>,
        mut each: impl FnMut(&Example, usize),
    ) -> Result<Option<Evaluation>> {
        let stream = evaluation(self.learner.seed, split.name);
        let mut order: Vec<usize> = (0..split.examples.len()).collect();
        if count > 0 && count < order.len() {
            stream.stream("order").generator().shuffle(&mut order);
            order.truncate(count);
        }
        let (mut loss, mut right) = (0.0, 0);
        for (share, indices) in order.chunks(SHARE).enumerate() {
            let outcomes: Vec<Judged> = self.threads.install(|| {
                let judge = |&index: &usize| {
                    let tape = Tape::forward_only();
                    self.learner.judge(&split.examples[index], stream, &tape)
                };
                indices.par_iter().with_max_len(1).map(judge).collect()
            });
            for (&index, outcome) in indices.iter().zip(outcomes) {
                each(&split.examples[index], outcome.predicted);
                loss += outcome.loss;
                right += usize::from(outcome.right);
            }
            if !loss.is_finite() {
                return Err(self.learner.broken_evaluation(split, indices, stream));
            }
            let done = share * SHARE + indices.len();
            if done < order.len() && seen(done, order.len()).is_break() {
                return Ok(None);
            }
        }
        let examples = order.len();
        Ok(Some(Evaluation {
            loss: loss / examples as f64,
            accuracy: right as f64 / examples as f64,
            examples,
        }))
    }
}

impl Drop for Trainer {
    /// The threads end in their own time; what they keep for later tensors goes at once, so that the
    /// next run in this process does not begin with it.
    fn drop(&mut self) {
        self.threads.broadcast(|_| release_free::<f32>());
    }
}

/// What the parameters of a layer have in common: `transformer_0` of `model.transformer_0.mha.W_q.weight`.
fn layer(parameter: &str) -> &str {
    let inner = parameter.strip_prefix("model.").unwrap_or(parameter);
    inner.split('.').next().unwrap_or(inner)
}

/// Where the draws of an evaluation come from, each example's at its id.
pub(crate) fn evaluation(seed: Seed, split: &str) -> Stream {
    seed.stream("evaluation").stream(split)
}

/// What to do about a loss that is not finite.
const HINT: &str = "a lower --learning-rate or a longer --warmup";

fn infinite(norm: Option<f64>) -> bool {
    norm.is_some_and(|norm| !norm.is_finite())
}

impl Learner {
    /// Real tokens of a visited example.
    fn tokens(&self, place: Place) -> usize {
        self.data.train.examples[place.example].len(&self.data.encoding)
    }

    /// Forward and backward of one visit to a training example; adds `share` times its gradient to
    /// `sums`.
    fn visit(
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
    fn judge(&self, example: &Example, stream: Stream, tape: &Tape<f32>) -> Judged {
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

    /// Judges the examples of a broken evaluation again, on tapes with norms, to tell where it broke.
    fn broken_evaluation(&self, split: &Split, indices: &[usize], stream: Stream) -> Error {
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
                ))
                .hint(HINT);
            }
        }
        Error::failure(format!(
            "the sum of the {name} losses is not finite, though each is"
        ))
        .hint(HINT)
    }

    /// Runs the batch of a broken step again, on tapes with norms, to tell where it broke.
    fn broken(&self, step: usize, batch: &[Place]) -> Error {
        for &place in batch {
            let tape = Tape::traced();
            let sums = &mut self.params.zeros();
            self.visit(place, 1.0, &tape, sums, &mut Stopwatch::new(false));
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
                .hint(HINT);
            }
        }
        let step = step + 1;
        Error::failure(format!(
            "step {step}: the sum of the gradients is not finite, though each example's is"
        ))
        .hint(HINT)
    }
}
