//! Model, optimiser and data of a run, and the two things done with them: a training step and an
//! evaluation.
//!
//! One example, one tape, one thread. The examples of a batch are spread over a fixed number of
//! groups as a function of their lengths alone; a group adds up its gradients in its order, the
//! groups are added in theirs. So the number of threads, and which thread takes which group,
//! changes no bit, and memory grows with the threads, not with the batch.

mod learner;
mod observed;
mod sizes;

pub(crate) use learner::{DIVERGED, Traced, documents};

use crate::run::kept::Files;
use crate::run::measured::{Evaluation, Norms, Operators};
use crate::settings::choices::Protocol;
use crate::settings::config::Config;
use crate::settings::product;
use crate::settings::source::Source;
use crate::terminal::error::{Error, Result};
use crate::train::ordered_sum::OrderedSum;
use crate::train::profile::{Part, Profile, Stopwatch, Work};
use crate::train::scores::Scores;
use datasets::loader::{Loader, Place};
use datasets::{Dataset, Encoding, Example, Split, groups};
use engine::buffer::release_free;
use engine::{Draw, GradientSums, Params, Seed, Stream, Tape};
use learner::{Judged, Learner};
use models::{AdamW, Document, Model, OneCycle};
use ops::spread::over_threads;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sizes::Sizes;
use std::collections::BTreeMap;
use std::mem::take;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Examples of an evaluation between two signs of life.
const SHARE: usize = 256;
/// Examples that are watched at a time: what is noted of one may be as large as its activations.
const WATCHED: usize = 16;
/// What a trainer has as many numbers of as there are parameters: these, two means of the optimiser, the gradient.
const COPIES: usize = 4;

/// Everything a run computes with.
pub struct Trainer {
    learner: Learner,
    optimiser: AdamW<f32>,
    schedule: OneCycle,
    loader: Loader,
    /// By which the neighbours of an epoch are drawn, if they are.
    scores: Option<Scores>,
    /// Into how many groups a batch is divided, if it has as many examples.
    groups: usize,
    /// The gradient of the latest step.
    gradient: GradientSums<f32>,
    /// Where groups sum their gradients; kept, so that a step allocates nothing large.
    free: Vec<GradientSums<f32>>,
    threads: rayon::ThreadPool,
    /// Where the time of steps goes, if somebody asked.
    profile: Option<Profile>,
    /// The tape of the example that broke the latest step.
    broken: Option<Files>,
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

/// What a checkpoint keeps of a trainer.
#[derive(Serialize, Deserialize, Clone)]
pub struct State {
    params: Vec<Vec<f32>>,
    optimiser: AdamW<f32>,
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

/// Refuses parameters with numbers that are none: whatever is computed with them says nothing.
pub(crate) fn refuse_not_finite(params: &Params<f32>) -> Result<()> {
    let broken = params.iter().find_map(|(name, value)| {
        let number = value.data().iter().find(|number| !number.is_finite());
        Some((name, number?))
    });
    broken.map_or(Ok(()), |(name, number)| {
        let message = format!("the weights are not finite: `{name}` holds {number}");
        Err(Error::failure(message))
    })
}

/// The model of a configuration as it is before training, for documents of this encoding; from here on, this process
/// computes with its product.
pub(crate) fn model(
    config: &Config,
    encoding: &Encoding,
    classes: usize,
) -> Result<(Model<f32>, Params<f32>)> {
    let sizes = Sizes::of(config, encoding, classes)?;
    sizes.refuse_too_large(1, 1, 1)?;
    product::choose(config.product)?;
    let method = sizes.method();
    Ok(Model::new(sizes.model, method, Seed(config.seed)))
}

/// Refuses at once a configuration whose training does not fit into the memory there is, while its data are still to
/// be read.
pub(crate) fn refuse_too_large(config: &Config, threads: usize) -> Result<()> {
    let (sizes, copies, working) = needs(config, threads)?;
    sizes.refuse_too_large(copies, working, 1)
}

/// The bytes that training takes at least, with examples of so many tokens; data not counted.
pub(crate) fn least_bytes(config: &Config, threads: usize, tokens: usize) -> Result<f64> {
    let (sizes, copies, working) = needs(config, threads)?;
    Ok(sizes.bytes(copies, working, tokens))
}

/// The sizes of a model before there are data, how many copies of its parameters training has, and how many threads
/// work at a time.
fn needs(config: &Config, threads: usize) -> Result<(Sizes, usize, usize)> {
    let encoding = config.task.encoding(config.black());
    let classes = config.task.classes(true).len();
    let sizes = Sizes::of(config, &encoding, classes)?;
    // Those of a trainer; two sums of groups for each thread that works on one; a state for a checkpoint, three, and
    // its bytes.
    let working = threads.min(config.groups).min(config.batch);
    let sums = (2 * working).min(config.groups).min(config.batch);
    Ok((sizes, COPIES + sums + 6, working))
}

impl Trainer {
    /// A fresh model for `data`, as `config` has it.
    pub fn new(config: &Config, data: impl Into<Arc<Dataset>>, threads: usize) -> Result<Trainer> {
        let data = data.into();
        let seed = Seed(config.seed);
        let sizes = Sizes::of(config, &data.encoding, data.classes.len())?;
        let working = threads.min(config.groups).min(config.batch);
        sizes.refuse_too_large(COPIES, working, sizes.longest(&data))?;
        let (model, params) = model(config, &data.encoding, data.classes.len())?;
        let cycled = config.protocol == Protocol::Paper;
        Ok(Trainer {
            optimiser: AdamW::new(&params, config.weight_decay),
            schedule: OneCycle::new(config.learning_rate, config.warmup, config.steps, cycled)?,
            loader: Loader::new(seed, data.train.examples.len(), config.batch),
            scores: None,
            groups: config.groups,
            gradient: params.zeros(),
            free: Vec::new(),
            threads: rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()?,
            profile: None,
            broken: None,
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

    /// From here on every epoch begins with neighbours that are drawn by these scores, which `file` has named.
    ///
    /// # Errors
    /// If they are of another number of layers or positions.
    pub(crate) fn draw_by(&mut self, scores: Scores, file: &Source) -> Result<()> {
        scores.refuse_other(&self.learner.params, file)?;
        self.scores = Some(scores);
        Ok(())
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
    /// broke. If the optimiser refuses the gradient: the step, the parameter and the number. Nothing has changed then,
    /// but for the neighbours of an epoch that begins.
    pub fn step(&mut self, step: usize) -> Result<Step> {
        let profiled = self.profile.is_some();
        let start = Instant::now();
        let mut alone = Stopwatch::new(profiled);
        let batch = self.begin(step);
        let learner = &self.learner;
        let lengths: Vec<usize> = batch.iter().map(|&place| learner.tokens(place)).collect();
        let groups = groups::groups(&lengths, self.groups);
        let share = 1.0 / batch.len() as f32;
        let sum = OrderedSum::new(take(&mut self.gradient), take(&mut self.free));
        let next = AtomicUsize::new(0);
        let spread = groups.len() < self.threads.current_num_threads();
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
                    let tape = if profiled { Tape::timed() } else { Tape::new() };
                    let mut visit =
                        || learner.visit(batch[slot], share, &tape, &mut sums, &mut watch);
                    // Where there is a thread without a group, long examples are for all.
                    let outcome = if spread { over_threads(visit) } else { visit() };
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
        if !loss.is_finite() {
            return Err(self.break_off(step, share, &batch));
        }
        let squares: f64 = self.gradient.iter().map(|sum| sum.norm().powi(2)).sum();
        alone.lap(Part::Sums);
        let learning_rate = self.schedule.rate(step);
        let updated = self.optimiser.step(
            &mut self.learner.params,
            &self.gradient,
            learning_rate,
            self.schedule.beta1(step),
        );
        if let Err(refused) = updated {
            return Err(match squares.is_finite() {
                true => Error::from(refused).hint(DIVERGED),
                false => self.break_off(step, share, &batch),
            });
        }
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

    /// Where a step broke, and the tape of the example that did it, to be asked for.
    fn break_off(&mut self, step: usize, share: f32, batch: &[Place]) -> Error {
        let (error, files) = self.learner.broken(step, share, batch);
        self.broken = files;
        error
    }

    /// The tape of the example that broke the latest step, once.
    pub(crate) fn broken(&mut self) -> Option<Files> {
        self.broken.take()
    }

    /// The examples of the batch of step `step`, counted from 0, in its order; all is ready for it then.
    pub(crate) fn begin(&mut self, step: usize) -> Vec<Place> {
        let batch = self.loader.batch(step).places;
        self.draw_neighbours(step, batch[0].epoch);
        batch
    }

    /// Forward and backward of one example of a batch of `count`, with the present parameters and the draws and dropout
    /// of its place, on a tape that is to be studied: its gradients are the share that a step adds up.
    pub(crate) fn trace(&self, place: Place, count: usize, tape: &Tape<f32>) -> Traced {
        self.learner.trace(place, 1.0 / count as f32, tape)
    }

    /// Before the first step whose batch begins in an epoch: they lie among the parameters, so that a checkpoint within
    /// the epoch has them.
    fn draw_neighbours(&mut self, step: usize, epoch: usize) {
        let Some(scores) = &self.scores else {
            return;
        };
        if step == 0 || self.loader.batch(step - 1).places[0].epoch != epoch {
            scores.draw(&mut self.learner.params, self.learner.seed, epoch);
        }
    }

    /// Norms of every layer, in the order of the model; call it right after a step, whose gradient is still there.
    pub(crate) fn norms(&self) -> Vec<Norms> {
        observed::norms(&self.learner.params, &self.gradient)
    }

    /// Where the time of a few training examples goes, by operator, on this thread; nothing is learnt from them.
    pub(crate) fn operators(&self) -> Operators {
        observed::operators(&self.learner, &self.loader.batch(0).places)
    }

    /// The places in `split` of the examples that [`Trainer::evaluate`] looks at.
    pub(crate) fn drawn(&self, split: &Split, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..split.examples.len()).collect();
        if count > 0 && count < order.len() {
            let stream = evaluation(self.learner.seed, split.name);
            stream.stream("order").generator().shuffle(&mut order);
            order.truncate(count);
        }
        order
    }

    /// Tells `each` the documents of the examples that [`Trainer::evaluate`] looks at, in their order, and what the
    /// attention draws and notes when they are judged.
    pub(crate) fn watch(
        &self,
        split: &Split,
        count: usize,
        mut each: impl FnMut(&[Document], &BTreeMap<String, Draw>),
    ) {
        let stream = evaluation(self.learner.seed, split.name);
        for indices in self.drawn(split, count).chunks(WATCHED) {
            let watch = |&index: &usize| self.learner.watch(&split.examples[index], stream);
            let watched: Vec<_> = self
                .threads
                .install(|| indices.par_iter().with_max_len(1).map(watch).collect());
            for (documents, drawn) in &watched {
                each(documents, drawn);
            }
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
        let order = self.drawn(split, count);
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

/// Where the draws of an evaluation come from, each example's at its id.
pub(crate) fn evaluation(seed: Seed, split: &str) -> Stream {
    seed.stream("evaluation").stream(split)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::bench_step::{Lengths, data};
    use crate::settings::choices::{Budget, Task};

    fn trainer(scale: f32) -> Trainer {
        let config = Config {
            batch: 2,
            max_len: 20,
            ..Task::Text.preset(Budget::Smoke)
        };
        let mut trainer = Trainer::new(&config, data(&config, Lengths::Full), 1).unwrap();
        let params = trainer.params_mut();
        let last = |(name, _): (&str, _)| name == "seq_classifer.mlpblock.2.weight";
        let last = params.iter().position(last).unwrap();
        for weight in params.values_mut()[last].data_mut() {
            *weight *= scale;
        }
        trainer
    }

    /// At the first step whose batch begins in an epoch, and at no other; by any number of threads, and by a trainer that
    /// goes on from any step.
    #[test]
    fn every_epoch_begins_with_neighbours_drawn_by_the_scores() {
        let config = Config {
            attn: "spex-static".into(),
            features: 8,
            batch: 3,
            max_len: 16,
            steps: 20,
            ..Task::Text.preset(Budget::Smoke)
        };
        let seven = Config {
            batch: 7,
            ..config.clone()
        };
        let set = data(&seven, Lengths::Full);
        let row: BTreeMap<u32, f64> = (0..16).map(|key| (key, 1.0 + f64::from(key))).collect();
        let scores = || Scores::of(vec![vec![row.clone(); 16]; 2]);
        let trainer = |threads| {
            let mut trainer = Trainer::new(&config, set.clone(), threads).unwrap();
            trainer.draw_by(scores(), &Source::Random).unwrap();
            trainer
        };
        let own = |trainer: &Trainer| -> Vec<f32> {
            let own = trainer
                .params()
                .iter()
                .filter(|(name, _)| name.ends_with(".neighbours"));
            own.flat_map(|(_, value)| value.data().to_vec()).collect()
        };
        let bits = |trainer: &Trainer| serde_json::to_string(&trainer.state()).unwrap();
        let mut one = trainer(1);
        let start = own(&one);
        for step in 0..12 {
            let mut other = trainer(2);
            other.restore(one.state()).unwrap();
            let before = own(&one);
            one.step(step).unwrap();
            other.step(step).unwrap();
            assert!(bits(&other) == bits(&one), "step {step}");
            let epoch = 3 * step / 7;
            let begins = step == 0 || epoch != 3 * (step - 1) / 7;
            assert_eq!(own(&one) != before, begins, "step {step}");
            let mut drawn = one.params().clone();
            scores().draw(&mut drawn, Seed(config.seed), epoch);
            assert!(
                drawn
                    .values()
                    .iter()
                    .zip(one.params().values())
                    .all(|(a, b)| a.data() == b.data())
            );
        }
        assert_ne!(own(&one), start);
        // Without scores they stay.
        let mut still = Trainer::new(&config, set.clone(), 1).unwrap();
        for step in 0..5 {
            still.step(step).unwrap();
        }
        assert_eq!(own(&still), start);
    }

    /// In f64 the norm of such a gradient is finite, and so is the loss.
    #[test]
    fn a_gradient_that_the_optimiser_cannot_hold_stops_the_step_and_changes_nothing() {
        trainer(1.0).step(0).unwrap();
        let mut trainer = trainer(1e22);
        let before = serde_json::to_string(&trainer.state()).unwrap();
        let error = trainer.step(0).unwrap_err().to_string();
        let start = "error: step 1: the gradient of model.embeddings.word_embeddings.weight holds ";
        assert!(error.starts_with(start), "{error}");
        let (_, end) = error.split_at(start.len());
        let expected = "expected sizes below sqrt(f32::MAX), whose squares are finite\nhint: a lower --learning-rate";
        assert!(end.contains(expected), "{error}");
        assert!(serde_json::to_string(&trainer.state()).unwrap() == before);
    }
}
