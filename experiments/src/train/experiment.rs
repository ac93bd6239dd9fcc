//! A run from its settings and data to the test, or to a pause.
//!
//! `skein TASK` calls `run` with its task, `skein sweep` for every cell of its grid. `start` opens the folder, new or
//! at a checkpoint; `session` trains and tests.

mod session;
mod start;

pub(crate) use start::{
    Checkpoint, Start, other_best, other_data, other_setting, other_settings, refuse_other_config,
};

use crate::machine::memory;
use crate::run::data_report::DataReport;
use crate::run::events::Events;
use crate::run::outcome::Outcome;
use crate::settings::config::Config;
use crate::terminal::error::{FULL, Result};
use crate::terminal::interrupt::Interrupt;
use crate::terminal::output::tell;
use crate::train::data::Data;
use crate::train::init;
use crate::train::reach::{self};
use crate::train::scores;
use crate::train::trainer::Trainer;
use datasets::shown;
use session::{Session, Stopped};
use start::{Opened, open};
use std::path::PathBuf;
use std::sync::Arc;

/// How the part of a run that one process does has ended.
pub(crate) enum End {
    /// With result.json.
    Finished(Box<Ended>),
    /// At `stop_after`.
    Paused,
    /// By a signal; the checkpoint is written.
    Interrupted,
}

/// A run that has ended.
pub(crate) struct Ended {
    pub(crate) folder: PathBuf,
    pub(crate) outcome: Outcome,
    /// What it has taken, in words.
    time: String,
}

impl Ended {
    /// The outcome as it is printed.
    pub(crate) fn table(&self) -> String {
        self.outcome.table(&self.time, &self.folder)
    }
}

/// The part of a run that one process does: nothing in it changes a number of the run.
pub(crate) struct Sitting {
    pub(crate) threads: usize,
    /// The step after which it pauses.
    pub(crate) stop_after: Option<usize>,
    /// Every so many steps a checkpoint is kept for good.
    pub(crate) keep_every: Option<usize>,
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
    let before = match start {
        Start::Resumed(folder) => Some(folder),
        Start::New { .. } => {
            init::begin(&config.init, trainer.params_mut())?;
            None
        }
    };
    let mut kept = None;
    if let Some(scores::Given { scores, bytes }) = scores::given(&config.scores, before)? {
        trainer.draw_by(scores, &config.scores)?;
        kept = Some(bytes);
    }
    let opened = open(config, start, threads, &data.sha256, &mut trainer)?;
    let folder = opened.run.folder().to_path_buf();
    if let Some(bytes) = kept
        && !folder.join(scores::COPY).exists()
    {
        opened.run.write(scores::COPY, &bytes)?;
    }
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
        true => {
            let mut events = Events::create(run.folder(), *done)?;
            let settings = config.to_toml().parse::<toml::Table>()?;
            events.settings(&shown::name(run.folder()), &settings)?;
            Some(events)
        }
        false => None,
    };
    let mut session = Session::new(config, data, opened, events);
    if sitting.profile {
        trainer.start_profile();
    }
    let end = match session.train(trainer, sitting, interrupt)? {
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
    let text = format!(
        "config: {}, {attn}, features {features}, seed {seed}, protocol {}, budget {}\n        \
         steps {steps}, batch {batch}, max-len {max_len}, learning rate {learning_rate:?}, warm-up {warmup}",
        config.task.name(),
        config.protocol.name(),
        config.budget.name()
    );
    match &*config.unusual() {
        "" => text,
        unusual => format!("{text}\n        {unusual}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::choices::{Budget, Task};
    use crate::terminal::output::{COLUMNS, wrapped};

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
        let readme = include_str!("../../../README.md");
        assert!(readme.contains(&told), "the README should say\n{told}");
    }
}
