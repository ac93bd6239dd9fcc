//! A whole experiment: flags, data, the loop of steps, evaluations and checkpoints, the final test.
//!
//! Every `exp_*` binary is this with its task; `sweep` calls `run` for every cell of its grid. What
//! can be wrong with flags, data and folders is found before anything is written. Then `start` opens the folder, new or
//! at a checkpoint, `session` trains and tests, and `outcome` is what stays.

mod outcome;
mod session;
mod start;

pub(crate) use outcome::Outcome;
pub(crate) use start::{
    Checkpoint, Start, other_best, other_data, other_setting, refuse_other_config,
};

use crate::checkpoint;
use crate::config::Config;
use crate::error::{Error, FULL, Result, exit};
use crate::events::Events;
use crate::flags::{self, Flags};
use crate::interrupt::{INTERRUPTED, Interrupt};
use crate::memory;
use crate::output::{answer, escaped, fitted, hex, tell};
use crate::product;
use crate::reach::{self, Sizes};
use crate::report::DataReport;
use crate::run::Run;
use crate::task::Task;
use crate::trainer::{Evaluation, Trainer, refuse_too_large};
use datasets::baseline::{self, Baseline};
use datasets::{Dataset, shown};
use session::{Session, Stopped};
use sha2::{Digest, Sha256};
use start::{Opened, open};
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// The `main` of the binary of a task.
pub fn main(task: Task) -> ExitCode {
    exit(experiment(task))
}

fn experiment(task: Task) -> Result<ExitCode> {
    let flags = Flags::parse(task)?;
    if flags.list {
        answer(&fitted(&flags::list()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let config = Config::resolve(task, &flags)?;
    if flags.print_config {
        answer(&escaped(&config.to_toml()))?;
        return Ok(ExitCode::SUCCESS);
    }
    product::choose(config.product)?;
    match &flags.resume {
        Some(folder) => {
            refuse_ended(folder)?;
            refuse_behind(folder, flags.stop_after)?;
        }
        None => Run::refuse_existing(&config, flags.out.as_deref(), flags.overwrite)?,
    }
    refuse_too_large(&config, flags.threads())?;
    let data = Data::load(&config).map_err(|error| {
        let gone = config.data_folder().is_some_and(|path| !path.exists());
        match gone && flags.resume.is_some() {
            true => {
                error.hint("if the data of the run have moved, --data PATH says where they are")
            }
            false => error,
        }
    })?;
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
            let text = fitted(&table) + &outcome::next(task, &folder);
            answer(&text).map_err(|error| error.hint(hint))?;
            Ok(ExitCode::SUCCESS)
        }
        End::Paused => Ok(ExitCode::SUCCESS),
        End::Interrupted => Ok(ExitCode::from(INTERRUPTED)),
    }
}

/// The data of one run or of several, and what is known of them.
pub(crate) struct Data {
    set: Arc<Dataset>,
    pub(crate) sha256: String,
    sizes: Sizes,
    /// Fitted when a run has ended; on the test examples in these places.
    baseline: RefCell<Option<(Vec<usize>, Baseline)>>,
}

impl Data {
    /// The data that `config` asks for.
    pub(crate) fn load(config: &Config) -> Result<Self> {
        let set = config.task.load(config).map_err(Error::data)?;
        Ok(Self {
            sha256: fingerprint(&set),
            sizes: Sizes::of(&set),
            set: Arc::new(set),
            baseline: RefCell::default(),
        })
    }

    /// Says what they are.
    pub(crate) fn introduce(&self, task: Task) {
        tell(&self.introduction(task));
    }

    fn introduction(&self, task: Task) -> String {
        let mut text = format!("data:   {}", self.set.name);
        for note in &self.set.notes {
            text += &format!("\n        {note}");
        }
        if self.set.builtin {
            text += &format!(
                "\n        (`data get {}` fetches the published data, --data PATH names your own)",
                task.name()
            );
        }
        text
    }

    /// What token frequencies alone can do on the test examples in `places`.
    fn baseline(&self, places: Vec<usize>) -> Baseline {
        if let Some((of, baseline)) = &*self.baseline.borrow()
            && *of == places
        {
            return *baseline;
        }
        let examples = &self.set.test.examples;
        let baseline = if places.len() == examples.len() {
            baseline::token_frequencies(&self.set)
        } else {
            let mut judged = Dataset::clone(&self.set);
            judged.test.examples = places.iter().map(|&i| examples[i].clone()).collect();
            baseline::token_frequencies(&judged)
        };
        self.baseline.replace(Some((places, baseline)));
        baseline
    }
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
    if let Start::Resumed(folder) = start
        && let Some(begun) = DataReport::read(folder)?
    {
        begun.refuse_other_classes(&data.set)?;
    }
    let mut trainer = Trainer::new(config, Arc::clone(&data.set), threads)?;
    let opened = open(config, start, threads, &data.sha256, &mut trainer)?;
    let folder = opened.run.folder().to_path_buf();
    go_on(config, data, opened, &mut trainer, sitting, interrupt).map_err(|error| {
        let again = format!(
            "free some space; --resume {} then goes on",
            folder.display()
        );
        error.hint_if(FULL, again)
    })
}

/// A run that has been opened, to the end, to a pause or to a signal.
fn go_on(
    config: &Config,
    data: &Data,
    opened: Opened,
    trainer: &mut Trainer,
    sitting: &Sitting,
    interrupt: &Interrupt,
) -> Result<End> {
    let Opened { run, done, .. } = &opened;
    if let Some(note) = reach::note(config, &data.sizes)? {
        tell(&format!("note:   {note}"));
    }
    let report = DataReport::new(&data.set, &data.sha256);
    run.write("data.json", &serde_json::to_vec_pretty(&report)?)?;
    tell(&format!(
        "run:    {} ({}), {} parameters, {} threads",
        shown::name(run.folder()),
        match *done {
            0 => "new".to_string(),
            done => format!("goes on after step {done}"),
        },
        trainer.params().count(),
        sitting.threads
    ));
    let events = match sitting.tensorboard {
        true => Some(Events::create(run.folder(), *done)?),
        false => None,
    };
    let mut session = Session::new(config, data, opened, events);
    if sitting.profile {
        trainer.start_profile();
    }
    let end = match session.train(trainer, sitting.stop_after, interrupt)? {
        Stopped::AtTheEnd(steps) => session.test(trainer, steps, interrupt)?,
        Stopped::Paused(steps) => session.leave("stopped", steps, End::Paused),
        Stopped::Interrupted(steps) => session.interrupted(steps),
    };
    if let Some(profile) = trainer.profile() {
        tell(profile.to_string().trim_end());
    }
    Ok(end)
}

/// Says what is about to be done.
pub(crate) fn introduce(config: &Config) {
    tell(&introduction(config));
}

/// The rest of the settings is in config.toml.
fn introduction(config: &Config) -> String {
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
    format!(
        "config: {}, {attn}, features {features}, seed {seed}, protocol {}, budget {}\n        \
         steps {steps}, batch {batch}, max-len {max_len}, learning rate {learning_rate:?}, warm-up {warmup}",
        config.task.name(),
        config.protocol.name(),
        config.budget.name()
    )
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
    hex(&hash.finalize())
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

/// Nobody can stop where the run has already been.
fn refuse_behind(folder: &Path, stop_after: Option<usize>) -> Result<()> {
    let newest = checkpoint::newest_step(folder)?;
    match (newest, stop_after) {
        (Some(done), Some(stop)) if stop < done => {
            let message = format!(
                "--stop-after {stop}: the run in {} is at step {done} already, expected {done} or more",
                folder.display()
            );
            Err(Error::usage(message).hint("leave --stop-after out to go on to the end"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Budget;
    use crate::output::{COLUMNS, wrapped};

    /// What the README prints of a run, as a terminal of 80 columns has it.
    #[test]
    fn the_readme_introduces_the_built_in_reviews_as_the_program_does() {
        let config = Config {
            data: "builtin".into(),
            ..Task::Text.preset(Budget::Quick)
        };
        let data = Data::load(&config).unwrap();
        let told = [introduction(&config), data.introduction(Task::Text)].join("\n");
        let told = wrapped(&told, COLUMNS);
        let readme = include_str!("../../README.md");
        assert!(readme.contains(&told), "the README should say\n{told}");
    }

    #[test]
    fn baselines_are_of_the_examples_that_the_model_is_judged_on() {
        let config = Config {
            data: "builtin".into(),
            ..Task::ListOps.preset(Budget::Smoke)
        };
        let data = Data::load(&config).unwrap();
        let all = data.set.test.examples.len();
        let whole = data.baseline((0..all).collect());
        assert_eq!(whole, baseline::token_frequencies(&data.set));
        // Of the most frequent label of train, which most of these have.
        let mut train = vec![0; data.set.classes.len()];
        for example in &data.set.train.examples {
            train[example.label] += 1;
        }
        let most = (0..train.len()).max_by_key(|&label| train[label]).unwrap();
        let is_most = |&place: &usize| data.set.test.examples[place].label == most;
        let right: Vec<usize> = (0..all).filter(is_most).take(3).collect();
        let wrong = (0..all).find(|place| !is_most(place)).unwrap();
        let drawn = data.baseline([&right[..], &[wrong]].concat());
        assert_eq!(drawn.majority, 0.75);
        assert_eq!(data.baseline(right).majority, 1.0);
        assert_eq!(data.baseline((0..all).collect()), whole);
    }
}
