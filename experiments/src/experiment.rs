//! A whole experiment: flags, data, the loop of steps, evaluations and checkpoints, the final test.
//!
//! Every `exp_*` binary is this with its task; `sweep` calls `run` for every cell of its grid. What
//! can be wrong with flags, data and folders is found before anything is written.

use crate::config::{Config, Protocol};
use crate::error::{Error, Result, exit};
use crate::events::Events;
use crate::flags::{self, Flags};
use crate::interrupt::{INTERRUPTED, Interrupt};
use crate::memory;
use crate::output::{answer, tell};
use crate::progress::Progress;
use crate::report::{self, DataReport};
use crate::run::{Run, Timing};
use crate::task::Task;
use crate::trainer::{Evaluation, Norms, State, Step, Trainer};
use datasets::Dataset;
use datasets::baseline::{self, Baseline};
use indicatif::HumanCount;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// Between two checkpoints that no evaluation asks for.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(120);

/// A checkpoint: the trainer, what decides about stopping, and what the run may not change.
#[derive(Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    /// The configuration as config.toml has it.
    pub(crate) config: String,
    /// [`fingerprint`] of the data.
    pub(crate) data: String,
    pub(crate) trainer: State,
    watch: EarlyStopping,
}

impl Checkpoint {
    /// Steps done at the evaluation with the lowest loss, if there was one.
    pub(crate) fn best_step(&self) -> Option<usize> {
        self.watch.best.map(|(step, _)| step)
    }
}

/// What is known of the evaluations so far.
#[derive(Serialize, Deserialize, Clone, Default)]
struct EarlyStopping {
    /// Steps done and outcome of the evaluation with the lowest loss.
    best: Option<(usize, Evaluation)>,
    /// Evaluations since then.
    waited: usize,
    /// Patience is at its end.
    stopped: bool,
}

/// An evaluation as metrics.jsonl has it.
#[derive(Serialize)]
struct Dev {
    dev: Evaluation,
    norms: Vec<Norms>,
}

/// result.json.
#[derive(Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) task: Task,
    pub(crate) attn: String,
    pub(crate) features: usize,
    pub(crate) seed: u64,
    pub(crate) protocol: Protocol,
    /// The name of the data set.
    pub(crate) data: String,
    pub(crate) builtin: bool,
    /// [`fingerprint`].
    pub(crate) data_sha256: String,
    /// Learned numbers.
    pub(crate) parameters: usize,
    /// That were done.
    pub(crate) steps: usize,
    pub(crate) tested_weights_of_step: usize,
    pub(crate) best_dev: Option<Evaluation>,
    pub(crate) test: Evaluation,
    /// Of always answering the most frequent class of train, 0 to 1.
    pub(crate) majority_accuracy: f64,
    /// Of a logistic regression on token frequencies, 0 to 1.
    pub(crate) token_frequency_accuracy: f64,
}

impl Outcome {
    /// That of the run in `folder`; none if it has not ended.
    pub(crate) fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join("result.json");
        let text = match fs::read(&path) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read.map_err(|cause| Error::file("cannot read", &path, &cause))?,
        };
        serde_json::from_slice(&text).map(Some).map_err(|error| {
            let message = format!("{}: expected the outcome of a run: {error}", path.display());
            Error::failure(message)
                .hint("restore it, or leave that run out; another version may have written it")
        })
    }
}

/// The `main` of the binary of a task.
pub fn main(task: Task) -> ExitCode {
    exit(experiment(task))
}

fn experiment(task: Task) -> Result<ExitCode> {
    let flags = Flags::parse(task)?;
    if flags.list {
        answer(&flags::methods())?;
        return Ok(ExitCode::SUCCESS);
    }
    let config = Config::resolve(task, &flags)?;
    if flags.print_config {
        answer(&config.to_toml())?;
        return Ok(ExitCode::SUCCESS);
    }
    match &flags.resume {
        Some(folder) => refuse_ended(folder)?,
        None => Run::refuse_existing(flags.out.as_deref(), flags.overwrite)?,
    }
    let data = Data::load(&config)?;
    introduce(&config);
    data.introduce(task);

    let start = match &flags.resume {
        Some(folder) => Start::Resumed(folder),
        None => Start::New {
            out: flags.out.as_deref(),
            overwrite: flags.overwrite,
        },
    };
    let interrupt = Interrupt::install()?;
    match run(
        &config,
        start,
        &data,
        &Sitting {
            threads: flags.threads(),
            stop_after: flags.stop_after,
            profile: flags.profile,
            tensorboard: flags.tensorboard,
        },
        &interrupt,
    )? {
        End::Finished { table, folder, .. } => {
            let hint = format!(
                "the run is complete, its outcome is in {}",
                folder.join("result.json").display()
            );
            answer(&table).map_err(|error| error.hint(hint))?;
            Ok(ExitCode::SUCCESS)
        }
        End::Paused => Ok(ExitCode::SUCCESS),
        End::Interrupted => Ok(ExitCode::from(INTERRUPTED)),
    }
}

/// The data of one run or of several, and what is known of them.
pub(crate) struct Data {
    set: Arc<Dataset>,
    sha256: String,
    /// Fitted when the first run has ended.
    baseline: OnceLock<Baseline>,
}

impl Data {
    /// The data that `config` asks for.
    pub(crate) fn load(config: &Config) -> Result<Self> {
        let set = config.task.load(config).map_err(Error::data)?;
        Ok(Self {
            sha256: fingerprint(&set),
            set: Arc::new(set),
            baseline: OnceLock::new(),
        })
    }

    /// What they are.
    pub(crate) fn introduce(&self, task: Task) {
        tell(&format!("data:   {}", self.set.name));
        for note in &self.set.notes {
            tell(&format!("        {note}"));
        }
        if self.set.builtin {
            tell(&format!(
                "        (`data get {}` fetches the published data, --data PATH names your own)",
                task.name()
            ));
        }
    }

    fn baseline(&self) -> Baseline {
        *self
            .baseline
            .get_or_init(|| baseline::token_frequencies(&self.set))
    }
}

/// Where a run begins.
#[derive(Clone, Copy)]
pub(crate) enum Start<'a> {
    /// In a folder of its own: see [`Run::create`].
    New {
        out: Option<&'a Path>,
        overwrite: bool,
    },
    /// At the newest checkpoint of a folder.
    Resumed(&'a Path),
}

/// How the part of a run that one process does has ended.
pub(crate) enum End {
    /// With result.json.
    Finished {
        folder: PathBuf,
        /// The outcome as it is printed.
        table: String,
        test: Evaluation,
    },
    /// At `stop_after`.
    Paused,
    /// By a signal; the checkpoint is written.
    Interrupted,
}

/// The part of a run that one process does: nothing in it changes a number of the run.
pub(crate) struct Sitting {
    pub(crate) threads: usize,
    /// The step after which it pauses.
    pub(crate) stop_after: Option<usize>,
    /// Whether it is printed where the time went.
    pub(crate) profile: bool,
    /// Whether there are events for TensorBoard.
    pub(crate) tensorboard: bool,
}

/// Trains and tests as `config` has it, from `start` to the end, to a pause or to a signal.
pub(crate) fn run(
    config: &Config,
    start: Start,
    data: &Data,
    sitting: &Sitting,
    interrupt: &Interrupt,
) -> Result<End> {
    let threads = sitting.threads;
    memory::forget_peak();
    let mut trainer = Trainer::new(config, Arc::clone(&data.set), threads)?;
    let (run, done, watch) = open(config, start, threads, &data.sha256, &mut trainer)?;
    let report = DataReport::new(&data.set, &data.sha256);
    run.write("data.json", &serde_json::to_vec_pretty(&report)?)?;
    tell(&format!(
        "run:    {} ({}), {} parameters, {threads} threads",
        run.folder().display(),
        match done {
            0 => "new".to_string(),
            _ => format!("goes on after step {done}"),
        },
        trainer.params().count(),
    ));
    let events = match sitting.tensorboard {
        true => Some(Events::create(run.folder(), done)?),
        false => None,
    };
    let mut session = Session {
        config,
        data,
        run,
        events,
        progress: Progress::new(config.steps, done),
        watch,
        began: Instant::now(),
        spent: Spent::default(),
    };
    if sitting.profile {
        trainer.start_profile();
    }
    let end = match session.train(&mut trainer, done, sitting.stop_after, interrupt)? {
        Stopped::AtTheEnd(steps) => session.test(&mut trainer, steps, interrupt)?,
        Stopped::Paused(steps) => session.leave("stopped", steps, End::Paused),
        Stopped::Interrupted(steps) => session.interrupted(steps),
    };
    if let Some(profile) = trainer.profile() {
        tell(profile.to_string().trim_end());
    }
    Ok(end)
}

/// What is about to be done; the rest of the settings is in config.toml.
pub(crate) fn introduce(config: &Config) {
    let Config {
        attn,
        features,
        seed,
        steps,
        batch,
        max_len,
        learning_rate,
        warmup,
        ..
    } = config;
    tell(&format!(
        "config: {}, {attn}, features {features}, seed {seed}, protocol {}, budget {}",
        config.task.name(),
        config.protocol.name(),
        config.budget.name()
    ));
    tell(&format!(
        "        steps {steps}, batch {batch}, max-len {max_len}, learning rate {learning_rate:?}, \
         warm-up {warmup}"
    ));
}

/// SHA-256 of every example in its place, cut as it is.
pub(crate) fn fingerprint(data: &Dataset) -> String {
    let mut hash = Sha256::new();
    let number = |hash: &mut Sha256, n: usize| hash.update((n as u64).to_le_bytes());
    for split in [&data.train, &data.dev, &data.test] {
        number(&mut hash, split.examples.len());
        for example in &split.examples {
            for n in [example.id, example.label, example.documents.len()] {
                number(&mut hash, n);
            }
            for document in &example.documents {
                number(&mut hash, document.len());
                hash.update(document);
            }
        }
    }
    hash.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn refuse_ended(folder: &Path) -> Result<()> {
    if !folder.join("result.json").exists() {
        return Ok(());
    }
    let message = format!(
        "the run in {} has ended: expected one that can go on",
        folder.display()
    );
    Err(Error::usage(message).hint("its outcome is in result.json"))
}

/// A new run, or the continued one: its folder, the steps behind it, and what is known of its
/// evaluations.
fn open(
    config: &Config,
    start: Start,
    threads: usize,
    data_sha256: &str,
    trainer: &mut Trainer,
) -> Result<(Run, usize, EarlyStopping)> {
    let folder = match start {
        Start::Resumed(folder) => folder,
        Start::New { out, overwrite } => {
            let mut run = Run::create(config, out, overwrite, threads)?;
            let watch = EarlyStopping::default();
            let first = checkpoint(config, data_sha256, trainer, &watch);
            run.save(0, &first).inspect_err(|_| {
                // Without a checkpoint nothing can go on from it.
                let _ = fs::remove_dir_all(run.folder());
            })?;
            return Ok((run, 0, watch));
        }
    };
    let accept = |checkpoint: Checkpoint| {
        refuse_other_config(config, &checkpoint.config)?;
        if checkpoint.data != data_sha256 {
            let message = format!(
                "the data have changed since this run began: SHA-256 {data_sha256}, expected {}",
                checkpoint.data
            );
            return Err(Error::failure(message).hint("restore them, or start a new run"));
        }
        trainer.restore(checkpoint.trainer)?;
        Ok(checkpoint.watch)
    };
    let (run, done, watch) = Run::resume(folder, config, threads, accept)?;
    mend_best(config, &run, done, &watch, trainer)?;
    Ok((run, done, watch))
}

fn checkpoint(config: &Config, data: &str, trainer: &Trainer, watch: &EarlyStopping) -> Checkpoint {
    Checkpoint {
        config: config.to_toml(),
        data: data.to_string(),
        trainer: trainer.state(),
        watch: watch.clone(),
    }
}

/// Data may move, and their content is checked; no other setting may differ from `begun`, that of
/// the checkpoint.
pub(crate) fn refuse_other_config(config: &Config, begun: &str) -> Result<()> {
    // Read and not compared as text: what is older than a setting has no line of it.
    let begun: Config = toml::from_str(begun).map_err(|error| {
        let message = format!("the checkpoint's configuration: {}", error.message());
        Error::failure(message).hint("another version of this program may have written it")
    })?;
    match other_setting(config, &begun) {
        None => Ok(()),
        Some((now, begun)) => {
            let message =
                format!("config.toml says `{now}`, expected `{begun}` as when the run began");
            Err(Error::usage(message).hint("restore that line, or start a new run"))
        }
    }
}

/// The first setting in which two configurations differ, but for the place of the data, as the
/// config.toml of each has it.
pub(crate) fn other_setting(one: &Config, other: &Config) -> Option<(String, String)> {
    let toml = |config: &Config| {
        let data = String::new();
        Config {
            data,
            ..config.clone()
        }
        .to_toml()
    };
    let (one, other) = (toml(one), toml(other));
    let mut pairs = one.lines().zip(other.lines());
    let (one, other) = pairs.find(|(one, other)| one != other)?;
    Some((one.to_string(), other.to_string()))
}

/// Sees to it that best.bin holds what the watch says.
///
/// It is written right after the checkpoint that knows of it; a process that was killed between the
/// two has left an older one, and the weights that belong in it are those of the checkpoint. One
/// that is newer than the checkpoint stands until its evaluation comes again.
fn mend_best(
    config: &Config,
    run: &Run,
    done: usize,
    watch: &EarlyStopping,
    trainer: &Trainer,
) -> Result<()> {
    let again = "start the run again, with --out FOLDER --overwrite";
    match watch.best {
        Some((best, _)) if best == done => run.save_best(done, &trainer.state()),
        Some((best, _)) if config.protocol == Protocol::Clean => {
            let (held, _) = run
                .best::<State>()
                .map_err(|error| error.hint(format!("the test needs it: {again}")))?;
            match held == best || held > done {
                true => Ok(()),
                false => Err(other_best(held, best).hint(again)),
            }
        }
        _ => Ok(()),
    }
}

pub(crate) fn other_best(held: usize, best: usize) -> Error {
    Error::failure(format!(
        "best.bin holds the weights of step {held}, expected those of step {best}, whose dev loss \
         was the lowest"
    ))
}

/// What TensorBoard is shown of an evaluation.
fn evaluated(split: &str, evaluation: &Evaluation) -> Vec<(String, f64)> {
    vec![
        (format!("{split}/loss"), evaluation.loss),
        (format!("{split}/accuracy"), evaluation.accuracy),
    ]
}

/// How training ended, and after how many steps.
enum Stopped {
    AtTheEnd(usize),
    Paused(usize),
    Interrupted(usize),
}

/// A run under way.
struct Session<'a> {
    config: &'a Config,
    data: &'a Data,
    run: Run,
    events: Option<Events>,
    progress: Progress,
    watch: EarlyStopping,
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

impl Session<'_> {
    fn train(
        &mut self,
        trainer: &mut Trainer,
        mut done: usize,
        stop_after: Option<usize>,
        interrupt: &Interrupt,
    ) -> Result<Stopped> {
        let config = self.config;
        let mut saved = Instant::now();
        while done < config.steps && !self.watch.stopped {
            if stop_after.is_some_and(|stop| done >= stop) {
                self.save(trainer, done)?;
                return Ok(Stopped::Paused(done));
            }
            let start = Instant::now();
            let step = trainer.step(done)?;
            done += 1;
            self.log(done, step, start.elapsed())?;
            if done.is_multiple_of(config.eval_every) || done == config.steps {
                let better = self.evaluate(trainer, done, interrupt)?;
                self.save(trainer, done)?;
                saved = Instant::now();
                if better {
                    // In this order: see `mend_best`.
                    self.run.save_best(done, &trainer.state())?;
                }
            } else if saved.elapsed() >= CHECKPOINT_EVERY {
                self.save(trainer, done)?;
                saved = Instant::now();
            }
            if interrupt.requested() {
                self.save(trainer, done)?;
                return Ok(Stopped::Interrupted(done));
            }
        }
        Ok(Stopped::AtTheEnd(done))
    }

    fn log(&mut self, done: usize, step: Step, took: Duration) -> Result<()> {
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
                tokens_per_second: step.tokens as f64 / seconds,
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

    fn save(&mut self, trainer: &Trainer, done: usize) -> Result<()> {
        let checkpoint = checkpoint(self.config, &self.data.sha256, trainer, &self.watch);
        self.run.save(done, &checkpoint)
    }

    /// The dev split: logs it and notices when patience ends. True if no loss was lower.
    fn evaluate(&mut self, trainer: &Trainer, done: usize, interrupt: &Interrupt) -> Result<bool> {
        let config = self.config;
        let progress = &mut self.progress;
        let mut told = false;
        let dev = trainer.evaluate(&trainer.data().dev, config.eval_examples, |seen, all| {
            progress.examples("dev", seen, all);
            if interrupt.requested() && !told {
                progress.note("stopping after this evaluation; once more stops at once");
                told = true;
            }
            ControlFlow::Continue(())
        });
        let dev = dev
            .map_err(|error| error.at(&format!("step {done}")))?
            .expect("it never breaks off");
        let norms = trainer.norms();
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
        Ok(better)
    }

    /// The test split, with the weights of the protocol; then weights.safetensors and result.json.
    fn test(mut self, trainer: &mut Trainer, steps: usize, interrupt: &Interrupt) -> Result<End> {
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
        let progress = &mut self.progress;
        let test = trainer.evaluate(&trainer.data().test, config.test_examples, |seen, all| {
            progress.examples("test", seen, all);
            match interrupt.requested() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        let step = format!("step {tested_weights_of_step}");
        let Some(test) = test.map_err(|error| error.at(&step))? else {
            return Ok(self.interrupted(steps));
        };
        let data = trainer.data();
        let baseline = self.data.baseline();
        let outcome = Outcome {
            task: config.task,
            attn: config.attn.clone(),
            features: config.features,
            seed: config.seed,
            protocol: config.protocol,
            data: data.name.clone(),
            builtin: data.builtin,
            data_sha256: self.data.sha256.clone(),
            parameters: trainer.params().count(),
            steps,
            tested_weights_of_step,
            best_dev: self.watch.best.map(|(_, dev)| dev),
            test,
            majority_accuracy: baseline.majority,
            token_frequency_accuracy: baseline.logistic,
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
        for shown in [
            self.show(steps, &evaluated("test", &test)),
            report::write(self.run.folder()),
        ] {
            if let Err(error) = shown {
                tell(&format!("note: the run has ended, but {error}"));
            }
        }
        let end = End::Finished {
            folder: self.run.folder().to_path_buf(),
            table: self.table(&outcome),
            test,
        };
        self.progress.finish();
        Ok(end)
    }

    /// The outcome as it is printed.
    fn table(&self, outcome: &Outcome) -> String {
        let Outcome { attn, data, .. } = outcome;
        let percent = |share: f64| format!("{:.2}%", 100.0 * share);
        let tested = outcome.tested_weights_of_step;
        let which = match tested == outcome.steps {
            true => "the last".to_string(),
            false => format!("of {}, lowest dev loss", outcome.steps),
        };
        let whole = self.began.elapsed().as_secs();
        let mut time = format!("{} min {:02} s in all", whole / 60, whole % 60);
        if self.spent.steps > 0 {
            time += &format!(
                "; {} steps at {} tokens a second",
                self.spent.steps,
                HumanCount((self.spent.tokens as f64 / self.spent.time.as_secs_f64()) as u64)
            );
        }
        let rows = [
            ("data", data.to_string()),
            (
                "model",
                format!("{attn}, the weights after step {tested} ({which})"),
            ),
            (
                "test accuracy",
                format!(
                    "{} of {} examples (loss {:.4})",
                    percent(outcome.test.accuracy),
                    outcome.test.examples,
                    outcome.test.loss
                ),
            ),
            (
                "token frequency",
                format!(
                    "{} (logistic regression, same data)",
                    percent(outcome.token_frequency_accuracy)
                ),
            ),
            ("majority class", percent(outcome.majority_accuracy)),
            ("time", time),
            ("run folder", self.run.folder().display().to_string()),
        ];
        rows.iter()
            .map(|(what, value)| format!("{what:15} {value}\n"))
            .collect()
    }

    fn interrupted(self, steps: usize) -> End {
        self.leave("interrupted", steps, End::Interrupted)
    }

    /// The end of a process, not of the run.
    fn leave(mut self, how: &str, steps: usize, end: End) -> End {
        let folder = self.run.folder().display();
        self.progress.note(&format!(
            "{how} after step {steps} of {}; go on with --resume {folder}",
            self.config.steps
        ));
        self.progress.finish();
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Budget;

    #[test]
    fn a_run_older_than_a_setting_goes_on() {
        let config = Task::Image.preset(Budget::Smoke);
        let newer = ["skip_black", "embedding_std", "sincos2d"];
        let of_then = config.to_toml();
        let of_then: Vec<&str> = of_then
            .lines()
            .filter(|line| !newer.iter().any(|name| line.starts_with(name)))
            .collect();
        let of_then = of_then.join("\n");
        let now: Config = toml::from_str(&of_then).unwrap();
        refuse_other_config(&now, &of_then).unwrap();

        let moved = Config {
            data: "/elsewhere".into(),
            ..now.clone()
        };
        refuse_other_config(&moved, &of_then).unwrap();
        let other = Config {
            sincos2d: !now.sincos2d,
            ..now.clone()
        };
        let told = refuse_other_config(&other, &of_then)
            .unwrap_err()
            .to_string();
        assert!(
            told.contains("says `sincos2d = true`, expected `sincos2d = false`"),
            "{told}"
        );
        let other = Config {
            groups: now.groups + 1,
            ..now
        };
        let told = refuse_other_config(&other, &of_then)
            .unwrap_err()
            .to_string();
        assert!(told.contains("says `groups = "), "{told}");
    }
}
