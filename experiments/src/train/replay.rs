//! Going back to a step of a run: from the nearest checkpoint before it, or from the start, to the same bits, every line
//! compared with metrics.jsonl. Nothing in the folder is changed.

use crate::files::whole_file;
use crate::run::checkpoint;
use crate::run::folder::line;
use crate::settings::config::Config;
use crate::terminal::error::{Error, Result};
use crate::terminal::output::tell;
use crate::terminal::progress::Progress;
use crate::train::data::{fingerprint, load_of_run};
use crate::train::experiment::{Checkpoint, other_data, refuse_other_config};
use crate::train::init;
use crate::train::scores::{self, Given};
use crate::train::trained::Trained;
use crate::train::trainer::Trainer;
use std::path::{Path, PathBuf};

/// A run as it was after some of its steps.
pub(crate) struct Replay {
    folder: PathBuf,
    pub(crate) config: Config,
    pub(crate) trainer: Trainer,
    /// The steps behind it.
    done: usize,
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
    pub(crate) fn open(folder: &Path, done: usize, threads: usize) -> Result<Self> {
        let run = Trained::open(folder)?;
        let lines = lines(folder)?;
        refuse_beyond(folder, lines.len(), done + 1)?;
        let (learnt, config) = (run.data_sha256(), run.config);
        let data = load_of_run(&config)?;
        let sha256 = fingerprint(&data);
        let mut trainer = Trainer::new(&config, data, threads)?;
        if let Some(Given { scores, .. }) = scores::given(&config.scores, Some(folder))? {
            trainer.draw_by(scores, &config.scores)?;
        }
        let mut begun = None;
        for (step, path) in checkpoint::up_to(folder, done)? {
            let (stored, state) = match checkpoint::read::<Checkpoint>(&path) {
                Ok(read) => read,
                Err(error) => {
                    tell(&format!("note: an earlier one is taken: {error}"));
                    continue;
                }
            };
            if stored != step {
                tell(&format!(
                    "note: an earlier one is taken: {} holds step {stored}",
                    path.display()
                ));
                continue;
            }
            refuse_other_config(&config, &state.config)?;
            if state.data != sha256 {
                let hashes = [sha256.as_str(), &state.data];
                return Err(other_data(&config, folder, hashes, "study another run"));
            }
            trainer.restore(state.trainer)?;
            begun = Some(stored);
            break;
        }
        if begun.is_none() {
            refuse_other_data(learnt.as_deref(), &config, folder, &sha256)?;
            init::begin(&config.init, trainer.params_mut())
                .map_err(|error| error.hint("the run began at these weights: restore the file"))?;
        }
        Ok(Self {
            folder: folder.to_path_buf(),
            config,
            trainer,
            done: begun.unwrap_or(0),
            lines,
            differs: None,
        })
    }

    /// Refuses a step, counted from 1, that the run has not taken.
    pub(crate) fn refuse_beyond(&self, step: usize) -> Result<()> {
        refuse_beyond(&self.folder, self.lines.len(), step)
    }

    /// Takes the steps up to `done`.
    ///
    /// # Errors
    /// As of a step.
    pub(crate) fn go_to(&mut self, done: usize) -> Result<()> {
        let mut progress = Progress::new(done, self.done);
        while self.done < done {
            self.step()?;
            progress.at(self.done);
        }
        progress.finish();
        Ok(())
    }

    /// Takes the next step, and says the first time that its line is another than that of the run.
    pub(crate) fn step(&mut self) -> Result<()> {
        let step = self.trainer.step(self.done)?;
        self.done += 1;
        let line = String::from_utf8_lossy(&line(self.done, &step)?).into_owned();
        let was = self.lines.get(self.done - 1).map_or("", String::as_str);
        if line != was && self.differs.is_none() {
            self.differs = Some(self.done);
            tell(&format!(
                "note: step {} is another than in {}, as on another kind of CPU or by other code:\n  {line}\n  {was}",
                self.done,
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
