//! A whole experiment: flags, data, the loop of steps, evaluations and checkpoints, the final test.
//!
//! Every `exp_*` binary is this with its task and its loader of data.

use crate::config::{Config, Protocol, Task};
use crate::error::{Error, Result, exit};
use crate::flags::{self, Flags};
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::run::Run;
use crate::trainer::{Evaluation, State, Step, Trainer};
use datasets::{Dataset, baseline};
use ops::attention;
use serde::{Deserialize, Serialize};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Between two checkpoints that no evaluation asks for.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(120);
/// The exit code of a run that Ctrl-C stopped.
const INTERRUPTED: u8 = 130;

/// A checkpoint: the trainer, and what decides about stopping.
#[derive(Serialize, Deserialize)]
struct Checkpoint {
    trainer: State,
    watch: Watch,
}

/// What is known of the evaluations so far.
#[derive(Serialize, Deserialize, Clone, Default)]
struct Watch {
    /// Steps done and outcome of the evaluation with the lowest loss.
    best: Option<(usize, Evaluation)>,
    /// Evaluations since then.
    waited: usize,
    /// Patience is at its end.
    stopped: bool,
}

/// A step as metrics.jsonl has it.
#[derive(Serialize)]
struct Dev {
    dev: Evaluation,
}

#[derive(Serialize)]
struct Timing {
    seconds: f64,
    tokens_per_second: f64,
}

/// result.json.
#[derive(Serialize)]
struct Outcome<'a> {
    task: &'a str,
    attn: &'a str,
    seed: u64,
    protocol: Protocol,
    data: &'a str,
    builtin: bool,
    parameters: usize,
    steps: usize,
    tested_weights_of_step: usize,
    best_dev: Option<Evaluation>,
    test: Evaluation,
    majority_accuracy: f64,
    byte_frequency_accuracy: f64,
}

/// The `main` of a binary: its task, and how its data are loaded.
pub fn main(task: Task, load: impl Fn(&Config) -> Result<Dataset>) -> ExitCode {
    exit(experiment(task, load))
}

fn experiment(task: Task, load: impl Fn(&Config) -> Result<Dataset>) -> Result<ExitCode> {
    let flags = Flags::parse(task)?;
    let registry = attention::registry::<f32>();
    let methods: Vec<(&str, &str)> = registry
        .iter()
        .map(|entry| (entry.name, entry.about))
        .collect();
    if flags.list {
        print!("{}", flags::list(&methods));
        return Ok(ExitCode::SUCCESS);
    }
    let config = Config::resolve(task, &flags, &methods)?;
    if flags.print_config {
        print!("{}", config.to_toml());
        return Ok(ExitCode::SUCCESS);
    }
    let interrupt = Interrupt::install()?;

    let data = load(&config)?;
    eprintln!("data: {}", data.name);
    for note in &data.notes {
        eprintln!("      {note}");
    }
    let mut trainer = Trainer::new(&config, data, flags.threads())?;
    let (run, done, watch) = open(&config, &flags, &mut trainer)?;
    eprintln!(
        "run:  {} in {}, {} parameters, {} threads",
        config.attn,
        run.folder().display(),
        trainer.params().count(),
        flags.threads()
    );
    let mut session = Session {
        config: &config,
        run,
        progress: Progress::new(config.steps, done),
        watch,
    };
    match session.train(&mut trainer, done, flags.stop_after, &interrupt)? {
        End::Finished(steps) => session.test(&mut trainer, steps, &interrupt),
        End::Paused(steps) => {
            let folder = session.run.folder().display();
            session.progress.note(&format!(
                "stopped after step {steps}; continue with --resume {folder}"
            ));
            Ok(ExitCode::SUCCESS)
        }
        End::Interrupted(steps) => Ok(session.interrupted(steps)),
    }
}

/// A new run, or the continued one: its folder, the steps behind it, and what is known of its evaluations.
fn open(config: &Config, flags: &Flags, trainer: &mut Trainer) -> Result<(Run, usize, Watch)> {
    let Some(folder) = &flags.resume else {
        let run = Run::create(
            config,
            flags.out.as_deref(),
            flags.overwrite,
            flags.threads(),
        )?;
        return Ok((run, 0, Watch::default()));
    };
    if folder.join("result.json").exists() {
        let message = format!(
            "the run in {} has ended: there is nothing to resume",
            folder.display()
        );
        return Err(Error::usage(message).hint("its outcome is in result.json"));
    }
    let (run, done, checkpoint) = Run::resume::<Checkpoint>(folder, config, flags.threads())?;
    trainer.restore(checkpoint.trainer)?;
    Ok((run, done, checkpoint.watch))
}

/// How training ended, and after how many steps.
enum End {
    Finished(usize),
    Paused(usize),
    Interrupted(usize),
}

/// A run under way.
struct Session<'a> {
    config: &'a Config,
    run: Run,
    progress: Progress,
    watch: Watch,
}

impl Session<'_> {
    fn train(
        &mut self,
        trainer: &mut Trainer,
        mut done: usize,
        stop_after: Option<usize>,
        interrupt: &Interrupt,
    ) -> Result<End> {
        let config = self.config;
        let mut saved = Instant::now();
        if done == 0 {
            self.save(trainer, 0)?;
        }
        while done < config.steps && !self.watch.stopped {
            if stop_after.is_some_and(|stop| done >= stop) {
                self.save(trainer, done)?;
                return Ok(End::Paused(done));
            }
            let start = Instant::now();
            let step = trainer.step(done)?;
            done += 1;
            self.log(done, step, start.elapsed())?;
            if done.is_multiple_of(config.eval_every) || done == config.steps {
                self.evaluate(trainer, done)?;
                self.save(trainer, done)?;
                saved = Instant::now();
            } else if saved.elapsed() >= CHECKPOINT_EVERY {
                self.save(trainer, done)?;
                saved = Instant::now();
            }
            if interrupt.requested() {
                self.save(trainer, done)?;
                return Ok(End::Interrupted(done));
            }
        }
        Ok(End::Finished(done))
    }

    fn log(&mut self, done: usize, step: Step, took: Duration) -> Result<()> {
        self.progress
            .step(done, step.loss, step.accuracy, step.tokens);
        self.run.log(done, &step)?;
        let seconds = took.as_secs_f64();
        self.run.log_timing(
            done,
            &Timing {
                seconds,
                tokens_per_second: step.tokens as f64 / seconds,
            },
        )
    }

    fn save(&mut self, trainer: &Trainer, done: usize) -> Result<()> {
        self.run.save(
            done,
            &Checkpoint {
                trainer: trainer.state(),
                watch: self.watch.clone(),
            },
        )
    }

    /// The dev split: logs it, keeps the best weights, and notices when patience ends.
    fn evaluate(&mut self, trainer: &Trainer, done: usize) -> Result<()> {
        let config = self.config;
        let progress = &mut self.progress;
        let dev = trainer.evaluate(&trainer.data().dev, config.eval_examples, |seen, all| {
            progress.examples("dev", seen, all)
        });
        self.run.log(done, &Dev { dev })?;
        let better = self.watch.best.is_none_or(|(_, best)| dev.loss < best.loss);
        if better {
            self.watch.best = Some((done, dev));
            self.watch.waited = 0;
            self.run.save_best(done, &trainer.state())?;
        } else {
            self.watch.waited += 1;
            self.watch.stopped = config.patience > 0 && self.watch.waited >= config.patience;
        }
        let mark = if better { "  (best)" } else { "" };
        self.progress.note(&format!(
            "step {done}: dev loss {:.4}, accuracy {:.2}% on {} examples{mark}",
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
        Ok(())
    }

    /// The test split, with the weights of the protocol; then result.json and weights.safetensors.
    fn test(
        mut self,
        trainer: &mut Trainer,
        steps: usize,
        interrupt: &Interrupt,
    ) -> Result<ExitCode> {
        let config = self.config;
        let mut tested_weights_of_step = steps;
        if config.protocol == Protocol::Clean && self.watch.best.is_some() {
            let (step, state) = self.run.best::<State>()?;
            trainer.restore(state)?;
            tested_weights_of_step = step;
        }
        let progress = &mut self.progress;
        let test = trainer.evaluate(&trainer.data().test, config.test_examples, |seen, all| {
            progress.examples("test", seen, all)
        });
        if interrupt.requested() {
            return Ok(self.interrupted(steps));
        }
        let data = trainer.data();
        let baseline = baseline::byte_frequencies(data);
        let outcome = Outcome {
            task: config.task.name(),
            attn: &config.attn,
            seed: config.seed,
            protocol: config.protocol,
            data: &data.name,
            builtin: data.builtin,
            parameters: trainer.params().count(),
            steps,
            tested_weights_of_step,
            best_dev: self.watch.best.map(|(_, dev)| dev),
            test,
            majority_accuracy: baseline.majority,
            byte_frequency_accuracy: baseline.logistic,
        };
        self.run.write(
            "weights.safetensors",
            &models::to_safetensors(trainer.params()),
        )?;
        self.run.finish(&outcome)?;
        let folder = self.run.folder().to_path_buf();
        self.progress.finish();
        println!("data            {}", data.name);
        println!(
            "model           {} with the weights of step {tested_weights_of_step}",
            config.attn
        );
        println!(
            "test accuracy   {:.2}% of {} examples (loss {:.4})",
            100.0 * test.accuracy,
            test.examples,
            test.loss
        );
        println!(
            "byte frequency  {:.2}% (logistic regression, same data)",
            100.0 * baseline.logistic
        );
        println!("majority class  {:.2}%", 100.0 * baseline.majority);
        println!("run folder      {}", folder.display());
        Ok(ExitCode::SUCCESS)
    }

    fn interrupted(mut self, steps: usize) -> ExitCode {
        let folder = self.run.folder().display().to_string();
        self.progress.note(&format!(
            "interrupted after step {steps}; continue with --resume {folder}"
        ));
        self.progress.finish();
        ExitCode::from(INTERRUPTED)
    }
}
