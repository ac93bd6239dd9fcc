//! A run under way: steps, evaluations and checkpoints, then the test.

use super::start::{Checkpoint, EarlyStopping, Opened, checkpoint, other_best};
use super::{End, Ended, Sitting};
use crate::machine::clock::{Pause, a_second};
use crate::machine::memory;
use crate::run::events::Events;
use crate::run::folder::Run;
use crate::run::measured::{Evaluation, Norms, Timing};
use crate::run::outcome::Outcome;
use crate::settings::choices::Protocol;
use crate::settings::config::Config;
use crate::terminal::error::{Error, Result};
use crate::terminal::interrupt::Interrupt;
use crate::terminal::output::{shell_word, tell};
use crate::terminal::progress::Progress;
use crate::train::data::Data;
use crate::train::trainer::{DIVERGED, State, Step, Trainer};
use datasets::{Example, Split};
use indicatif::HumanCount;
use serde::Serialize;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// Between two checkpoints that no evaluation asks for.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(120);

/// An evaluation as metrics.jsonl has it.
#[derive(Serialize)]
struct Dev<'a> {
    dev: Evaluation,
    norms: &'a [Norms],
}

/// What TensorBoard is shown of an evaluation.
fn evaluated(split: &str, evaluation: &Evaluation) -> Vec<(String, f64)> {
    vec![
        (format!("{split}/loss"), evaluation.loss),
        (format!("{split}/accuracy"), evaluation.accuracy),
    ]
}

/// How training ended, and after how many steps.
pub(super) enum Stopped {
    AtTheEnd(usize),
    Paused(usize),
    Interrupted(usize),
}

/// A run under way.
pub(super) struct Session<'a> {
    config: &'a Config,
    data: &'a Data,
    run: Run,
    events: Option<Events>,
    progress: Progress,
    done: usize,
    watch: EarlyStopping,
    /// An evaluation comes before the next step, with this.
    due: Option<Vec<Norms>>,
    began: Instant,
    spent: Spent,
}

/// What the steps of this process have taken.
#[derive(Default)]
struct Spent {
    steps: usize,
    tokens: usize,
    time: Duration,
}

impl<'a> Session<'a> {
    /// That goes on from where a run is.
    pub(super) fn new(
        config: &'a Config,
        data: &'a Data,
        opened: Opened,
        events: Option<Events>,
    ) -> Self {
        let mut progress = Progress::new(config.steps, opened.done);
        let best = opened.watch.best;
        progress.evaluated(None, best.map(|(step, dev)| (step, dev.loss)));
        Self {
            config,
            data,
            run: opened.run,
            events,
            progress,
            done: opened.done,
            watch: opened.watch,
            due: opened.due,
            began: Instant::now(),
            spent: Spent::default(),
        }
    }

    /// The steps up to the end, a pause or a signal.
    pub(super) fn train(
        &mut self,
        trainer: &mut Trainer,
        sitting: &Sitting,
        interrupt: &Interrupt,
    ) -> Result<Stopped> {
        let config = self.config;
        let mut pause = Pause::new(CHECKPOINT_EVERY);
        let mut saved = true; // The run has just been opened, at a checkpoint.
        loop {
            let done = self.done;
            if interrupt.requested() {
                if !saved {
                    self.save(trainer)?;
                }
                return Ok(Stopped::Interrupted(done));
            }
            if let Some(norms) = self.due.take() {
                let Some(better) = self.evaluate(trainer, &norms, interrupt)? else {
                    self.due = Some(norms); // Somebody has asked to stop.
                    continue;
                };
                self.save(trainer)?;
                (saved, pause) = (true, Pause::new(CHECKPOINT_EVERY));
                if better {
                    // In this order: see `mend_best`.
                    self.run.save_best(done, &trainer.state())?;
                }
                continue;
            }
            if done == config.steps || self.watch.stopped {
                return Ok(Stopped::AtTheEnd(done));
            }
            if sitting.stop_after.is_some_and(|stop| done >= stop) {
                if !saved {
                    self.save(trainer)?;
                }
                return Ok(Stopped::Paused(done));
            }
            let start = Instant::now();
            let step = trainer
                .step(done)
                .map_err(|error| self.broken(trainer, error))?;
            self.done += 1;
            saved = false;
            self.log(step, start.elapsed())?;
            if self.done.is_multiple_of(config.eval_every) || self.done == config.steps {
                self.due = Some(trainer.norms());
            }
            if sitting
                .keep_every
                .is_some_and(|every| self.done.is_multiple_of(every))
            {
                self.run.keep(self.done, &self.checkpoint(trainer))?;
            }
            if pause.is_over() {
                self.save(trainer)?;
                (saved, pause) = (true, Pause::new(CHECKPOINT_EVERY));
            }
        }
    }

    fn log(&mut self, step: Step, took: Duration) -> Result<()> {
        let done = self.done;
        self.spent.steps += 1;
        self.spent.tokens += step.tokens;
        self.spent.time += took;
        self.progress
            .step(done, step.loss, step.accuracy, step.tokens);
        self.run.log(done, &step)?;
        self.show(
            done,
            &[
                ("train/loss".to_string(), step.loss),
                ("train/accuracy".to_string(), step.accuracy),
                ("train/learning_rate".to_string(), step.learning_rate),
                ("train/gradient_norm".to_string(), step.gradient_norm),
            ],
        )?;
        let seconds = took.as_secs_f64();
        self.run.log_timing(
            done,
            &Timing {
                seconds,
                tokens_per_second: a_second(step.tokens as f64, seconds),
                peak_mib: memory::peak(),
            },
        )
    }

    /// Numbers of a step for TensorBoard, if there are events.
    fn show(&mut self, step: usize, scalars: &[(String, f64)]) -> Result<()> {
        match &mut self.events {
            Some(events) => events.push(step, scalars),
            None => Ok(()),
        }
    }

    fn checkpoint(&self, trainer: &Trainer) -> Checkpoint {
        let due = self.due.as_deref();
        checkpoint(self.config, &self.data.sha256, trainer, &self.watch, due)
    }

    fn save(&mut self, trainer: &Trainer) -> Result<()> {
        let checkpoint = self.checkpoint(trainer);
        self.run.save(self.done, &checkpoint)
    }

    /// Writes the tape of the example that broke a step, if there is one, beside the run.
    fn broken(&self, trainer: &mut Trainer, error: Error) -> Error {
        let Some(files) = trainer.broken() else {
            return error;
        };
        let written = self
            .run
            .write("not-finite.json", &files.json)
            .and_then(|()| self.run.write("not-finite.safetensors", &files.numbers));
        match written {
            Ok(()) => tell(&format!(
                "note: the tape of that example is in {} and beside it",
                self.run.folder().join("not-finite.json").display()
            )),
            Err(other) => tell(&format!(
                "note: the tape of that example is not kept: {other}"
            )),
        }
        error
    }

    /// Loss and accuracy on a split, each example and the class that was predicted told to `each`; none if somebody has
    /// asked to stop.
    fn judge(
        &mut self,
        trainer: &Trainer,
        split: &Split,
        count: usize,
        interrupt: &Interrupt,
        each: impl FnMut(&Example, usize),
    ) -> Result<Option<Evaluation>> {
        let seen = |seen, all| {
            self.progress.examples(split.name, seen, all);
            match interrupt.requested() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        };
        let judged = trainer.judge(split, count, seen, each);
        judged.map_err(|error| error.hint(DIVERGED))
    }

    /// The dev split: logs it and notices when patience ends. True if its loss is the lowest so far; none if somebody has asked to
    /// stop.
    fn evaluate(
        &mut self,
        trainer: &Trainer,
        norms: &[Norms],
        interrupt: &Interrupt,
    ) -> Result<Option<bool>> {
        let (config, done) = (self.config, self.done);
        let dev = self.judge(
            trainer,
            &trainer.data().dev,
            config.eval_examples,
            interrupt,
            |_, _| (),
        );
        let Some(dev) = dev.map_err(|error| error.at(&format!("step {done}")))? else {
            return Ok(None);
        };
        let layers = norms.iter().flat_map(|norms| {
            [
                (format!("parameters/{}", norms.layer), norms.parameters),
                (format!("gradient/{}", norms.layer), norms.gradient),
            ]
        });
        let scalars: Vec<_> = evaluated("dev", &dev).into_iter().chain(layers).collect();
        self.run.log(done, &Dev { dev, norms })?;
        self.show(done, &scalars)?;
        let better = self.watch.best.is_none_or(|(_, best)| dev.loss < best.loss);
        if better {
            self.watch.best = Some((done, dev));
            self.watch.waited = 0;
        } else {
            self.watch.waited += 1;
            self.watch.stopped = config.patience > 0 && self.watch.waited >= config.patience;
        }
        let best = self.watch.best.map(|(step, dev)| (step, dev.loss));
        self.progress.evaluated(Some(dev.loss), best);
        let mark = if better { "  (best)" } else { "" };
        self.progress.note(&format!(
            "step {done}: dev loss {:.4}, accuracy {:.2}% of {} examples{mark}",
            dev.loss,
            100.0 * dev.accuracy,
            dev.examples
        ));
        if self.watch.stopped {
            let waited = self.watch.waited;
            self.progress.note(&format!(
                "no lower dev loss in {waited} evaluations: training stops here"
            ));
        }
        Ok(Some(better))
    }

    /// The test split, with the weights of the protocol; then weights.safetensors and result.json.
    pub(super) fn test(
        mut self,
        trainer: &mut Trainer,
        steps: usize,
        interrupt: &Interrupt,
    ) -> Result<End> {
        let config = self.config;
        let mut tested_weights_of_step = steps;
        if let (Protocol::Clean, Some((best, _))) = (config.protocol, self.watch.best) {
            let (held, state) = self.run.best::<State>()?;
            if held != best {
                return Err(other_best(held, best).hint("start the run again"));
            }
            trainer.restore(state)?;
            tested_weights_of_step = best;
        }
        let classes = trainer.data().classes.len();
        let mut confusion = vec![vec![0; classes]; classes];
        let test = self.judge(
            trainer,
            &trainer.data().test,
            config.test_examples,
            interrupt,
            |example, predicted| confusion[example.label][predicted] += 1,
        );
        let step = format!("step {tested_weights_of_step}");
        let Some(test) = test.map_err(|error| error.at(&step))? else {
            return Ok(self.interrupted(steps));
        };
        let data = trainer.data();
        let judged = trainer.drawn(&data.test, config.test_examples);
        let Some(baseline) = self.data.baseline(judged, || interrupt.requested()) else {
            return Ok(self.interrupted(steps));
        };
        let outcome = Outcome {
            task: config.task,
            attn: config.attn.clone(),
            features: config.features,
            seed: config.seed,
            protocol: config.protocol,
            data: data.name.clone(),
            builtin: data.builtin,
            data_sha256: self.data.sha256.clone(),
            computed_by: self.run.computed_by()?,
            parameters: trainer.params().count(),
            steps,
            tested_weights_of_step,
            best_dev: self.watch.best.map(|(_, dev)| dev),
            test,
            majority_accuracy: baseline.majority,
            token_frequency_accuracy: baseline.logistic,
            lengths: Some(self.data.sizes.lengths()),
            exact_examples: self.data.sizes.reach(config)?.map(|reach| reach.exact),
            confusion: Some(confusion),
        };
        self.run.write(
            "weights.safetensors",
            &models::to_safetensors(trainer.params()),
        )?;
        let operators = serde_json::to_vec_pretty(&trainer.operators())?;
        self.run.write("operators.json", &operators)?;
        self.run.finish(&outcome)?;
        // After the end of the run, since a resumed one would show it twice; and what fails here leaves a run that has
        // ended all the same.
        if let Err(error) = self.show(steps, &evaluated("test", &test)) {
            tell(&format!("note: the run has ended, but {error}"));
        }
        let end = End::Finished(Box::new(Ended {
            folder: self.run.folder().to_path_buf(),
            outcome,
            time: self.time(steps),
        }));
        self.progress.finish();
        Ok(end)
    }

    /// What this process has taken, as it is printed: all of the run, or what is after the step at which it was resumed.
    fn time(&self, steps: usize) -> String {
        let whole = self.began.elapsed().as_secs();
        let of = match steps - self.spent.steps {
            0 => "in all".to_string(),
            before => format!("since step {before}"),
        };
        let mut time = format!("{} min {:02} s {of}", whole / 60, whole % 60);
        let Spent { steps, tokens, .. } = self.spent;
        if steps > 0 {
            time += &format!("; {steps} steps");
        }
        if let Some(rate) = a_second(tokens as f64, self.spent.time.as_secs_f64()) {
            time += &format!(" at {} tokens a second", HumanCount(rate as u64));
        }
        time
    }

    pub(super) fn interrupted(self, steps: usize) -> End {
        self.leave("interrupted", steps, End::Interrupted)
    }

    /// The end of a process, not of the run.
    pub(super) fn leave(mut self, how: &str, steps: usize, end: End) -> End {
        let folder = shell_word(self.run.folder());
        self.progress.note(&format!(
            "{how} after step {steps} of {}; go on with --resume {folder}",
            self.config.steps
        ));
        self.progress.finish();
        end
    }
}
