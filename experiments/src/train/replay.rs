//! Going back to a step of a run: from the nearest checkpoint before it, or from the start, to the same bits, every line
//! compared with metrics.jsonl. Nothing in the folder is changed, and nothing is printed: what is found on the way is said
//! to a [`Watch`].

use crate::files::whole_file;
use crate::run::checkpoint;
use crate::run::folder::line;
use crate::settings::config::Config;
use crate::terminal::error::{Error, Result};
use crate::train::data::{fingerprint, load_of_run};
use crate::train::experiment::{Checkpoint, other_data, refuse_other_config};
use crate::train::init;
use crate::train::scores::{self, Given};
use crate::train::trained::Trained;
use crate::train::trainer::{State, Trainer};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Whoever waits for a replay.
pub(crate) trait Watch {
    /// Is told what was found on the way, a sentence each.
    fn remark(&mut self, remark: String);

    /// Is told that `done` of `all` steps are behind, and may break off.
    fn at(&mut self, done: usize, all: usize) -> ControlFlow<()>;
}

/// A run as it was after some of its steps.
pub(crate) struct Replay {
    folder: PathBuf,
    pub(crate) config: Config,
    pub(crate) trainer: Trainer,
    /// What the model is before it is given anything.
    fresh: State,
    /// SHA-256 of the data that are here, and of those that data.json names.
    data: String,
    learnt: Option<String>,
    /// The steps behind it; none before it has been anywhere.
    at: Option<usize>,
    /// What metrics.jsonl has of every step, from the first.
    lines: Vec<String>,
    /// The first step whose line is another.
    differs: Option<usize>,
}

impl Replay {
    /// The run in `folder` at the newest state that is not after `done` steps.
    ///
    /// # Errors
    /// If it has not come so far, its data or settings have changed, or a file of it is damaged.
    pub(crate) fn open(
        folder: &Path,
        done: usize,
        threads: usize,
        watch: &mut dyn Watch,
    ) -> Result<Self> {
        let run = Trained::open(folder)?;
        let lines = lines(folder)?;
        refuse_beyond(folder, lines.len(), done + 1)?;
        let (learnt, config) = (run.data_sha256(), run.config);
        let data = load_of_run(&config)?;
        let sha256 = fingerprint(&data);
        let mut trainer = Trainer::new(&config, data, threads)?;
        let fresh = trainer.state();
        if let Some(Given { scores, .. }) = scores::given(&config.scores, Some(folder))? {
            trainer.draw_by(scores, &config.scores)?;
        }
        let mut replay = Self {
            folder: folder.to_path_buf(),
            config,
            trainer,
            fresh,
            data: sha256,
            learnt,
            at: None,
            lines,
            differs: None,
        };
        replay.go_back(done, watch)?;
        Ok(replay)
    }

    /// Goes to the newest state that is not after `done` steps: where it is, if nothing nearer is kept.
    ///
    /// # Errors
    /// As of [`Replay::open`].
    pub(crate) fn go_back(&mut self, done: usize, watch: &mut dyn Watch) -> Result<()> {
        self.lines = lines(&self.folder)?;
        self.refuse_beyond(done + 1)?;
        let here = self.at.filter(|at| *at <= done);
        self.at = None; // What fails on the way leaves it nowhere.
        for (step, path) in checkpoint::up_to(&self.folder, done)? {
            if here.is_some_and(|here| here >= step) {
                break;
            }
            let (stored, state) = match checkpoint::read::<Checkpoint>(&path) {
                Ok(read) => read,
                Err(error) => {
                    watch.remark(format!("note: an earlier one is taken: {error}"));
                    continue;
                }
            };
            if stored != step {
                watch.remark(format!(
                    "note: an earlier one is taken: {} holds step {stored}",
                    path.display()
                ));
                continue;
            }
            refuse_other_config(&self.config, &state.config)?;
            if state.data != self.data {
                let hashes = [self.data.as_str(), &state.data];
                let instead = "study another run";
                return Err(other_data(&self.config, &self.folder, hashes, instead));
            }
            self.trainer.restore(state.trainer)?;
            (self.at, self.differs) = (Some(stored), None);
            return Ok(());
        }
        if here.is_none() {
            refuse_other_data(
                self.learnt.as_deref(),
                &self.config,
                &self.folder,
                &self.data,
            )?;
            self.trainer.restore(self.fresh.clone())?;
            init::begin(&self.config.init, self.trainer.params_mut())
                .map_err(|error| error.hint("the run began at these weights: restore the file"))?;
            self.differs = None;
        }
        self.at = here.or(Some(0));
        Ok(())
    }

    /// The folder of the run.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The steps that the run has taken.
    pub(crate) fn taken(&self) -> usize {
        self.lines.len()
    }

    fn done(&self) -> usize {
        self.at.unwrap_or(0)
    }

    /// Refuses a step, counted from 1, that the run has not taken.
    pub(crate) fn refuse_beyond(&self, step: usize) -> Result<()> {
        refuse_beyond(&self.folder, self.lines.len(), step)
    }

    /// Takes the steps up to `done`, of `all` that are to be taken.
    ///
    /// # Errors
    /// As of a step; that it was broken off.
    pub(crate) fn go_to(&mut self, done: usize, all: usize, watch: &mut dyn Watch) -> Result<()> {
        while self.done() < done {
            self.step(all, watch)?;
        }
        Ok(())
    }

    /// Takes the next step of `all`, and says the first time that its line is another than that of the run.
    pub(crate) fn step(&mut self, all: usize, watch: &mut dyn Watch) -> Result<()> {
        self.advance(watch)?;
        match watch.at(self.done(), all) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Error::failure("the replay was broken off")),
        }
    }

    /// Takes the next step for its line alone, and is before it again.
    pub(crate) fn compare(&mut self, watch: &mut dyn Watch) -> Result<()> {
        let (state, at) = (self.trainer.state(), self.at);
        self.advance(watch)?;
        self.trainer.restore(state)?;
        self.at = at;
        Ok(())
    }

    fn advance(&mut self, watch: &mut dyn Watch) -> Result<()> {
        let before = self.done();
        self.at = None;
        let step = self.trainer.step(before)?;
        let done = before + 1;
        self.at = Some(done);
        let line = String::from_utf8_lossy(&line(done, &step)?).into_owned();
        let was = self.lines.get(before).map_or("", String::as_str);
        if line != was && self.differs.is_none() {
            self.differs = Some(done);
            watch.remark(format!(
                "note: step {done} is another than in {}, as on another kind of CPU or by other code:\n  {line}\n  {was}",
                self.folder.join("metrics.jsonl").display()
            ));
        }
        Ok(())
    }

    /// The first step whose line was another than that of the run, if there was one.
    pub(crate) fn differs(&self) -> Option<usize> {
        self.differs
    }
}

fn refuse_beyond(folder: &Path, taken: usize, step: usize) -> Result<()> {
    match step <= taken {
        true => Ok(()),
        false => {
            let message = format!("step {step}: expected 1 to {taken}");
            let broken = folder.join("not-finite.json");
            Err(Error::usage(message).hint(match broken.exists() {
                true => format!("the step that broke the run is in {}", broken.display()),
                false => format!("{} has taken no more steps", folder.display()),
            }))
        }
    }
}

/// Refuses other data than those that a run without checkpoints says it has learnt from.
fn refuse_other_data(
    learnt: Option<&str>,
    config: &Config,
    folder: &Path,
    found: &str,
) -> Result<()> {
    match learnt {
        Some(learnt) if learnt != found => Err(other_data(
            config,
            folder,
            [found, learnt],
            "study another run",
        )),
        _ => Ok(()),
    }
}

/// The lines of steps, not those of evaluations; each has to be there.
fn lines(folder: &Path) -> Result<Vec<String>> {
    let path = folder.join("metrics.jsonl");
    let text = whole_file::read_text(&path)?;
    // What a killed process may have left of a last line is no line.
    let text = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
    let mut lines: Vec<String> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let start = format!("{{\"step\":{},\"loss\":", lines.len() + 1);
        if line.starts_with(&start) {
            lines.push(line.to_string());
        } else if !line.contains("\"dev\":") {
            let message = format!(
                "{}:{}: expected step {}",
                path.display(),
                number + 1,
                lines.len() + 1
            );
            return Err(Error::failure(message).hint("restore the file"));
        }
    }
    Ok(lines)
}
