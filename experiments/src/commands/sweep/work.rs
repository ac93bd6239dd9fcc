//! A cell and its run: how far it is, whose turn it is, and the run itself.

use super::failed::{self, Mark};
use super::lock::Lock;
use super::plan::Cell;
use super::tune::{Group, TRIAL_SEED};
use crate::files::read::read_toml;
use crate::run::checkpoint;
use crate::run::data_report::DataReport;
use crate::run::environment::Computer;
use crate::run::folder::beyond_beginnings;
use crate::run::outcome::Outcome;
use crate::settings::config::Config;
use crate::show::page;
use crate::terminal::error::{Error, Result};
use crate::terminal::interrupt::Interrupt;
use crate::terminal::output::tell;
use crate::train::data::Data;
use crate::train::experiment::{self, End, Sitting, Start};
use datasets::shown;
use std::path::Path;
use std::time::Instant;

/// How far a cell is.
pub(super) enum State {
    New,
    /// With a checkpoint after this many steps, on data of this SHA-256 if that was recorded.
    Begun(usize, Option<String>),
    Ended(Box<Outcome>),
}

impl State {
    /// SHA-256 of the data of the run, as far as it is known.
    fn data_sha256(&self) -> Option<&str> {
        match self {
            State::New => None,
            State::Begun(_, sha256) => sha256.as_deref(),
            State::Ended(outcome) => Some(&outcome.data_sha256),
        }
    }
}

/// What became of a cell when it was its turn.
pub(super) enum Turn {
    /// It had ended before.
    Before,
    Now,
    /// Another process works on it.
    Elsewhere,
    /// It has failed before, and is to be left alone.
    Failed(Mark),
    Interrupted,
}

/// What became of the trials of a group.
pub(super) enum Tried {
    All,
    /// Another process works on one of them.
    Elsewhere,
    /// One has failed before, and is to be left alone.
    Failed(Mark),
    Interrupted,
}

/// What a process keeps from cell to cell.
pub(super) struct Work<'a> {
    grid: &'a Path,
    threads: usize,
    tensorboard: bool,
    /// Whether cells are tried again that have failed.
    retry: bool,
    /// Those of the last cell, with its configuration; or why there are none.
    data: Option<(Config, Result<Data>)>,
    /// The SHA-256 of all that have been loaded.
    known: Vec<(Config, String)>,
}

impl<'a> Work<'a> {
    pub(super) fn new(grid: &'a Path, threads: usize, tensorboard: bool, retry: bool) -> Self {
        Work {
            grid,
            threads,
            tensorboard,
            retry,
            data: None,
            known: Vec::new(),
        }
    }

    /// Refuses a grid of which a run has begun or ended on other data than its cell has now, or whose data cannot be
    /// read. Data without such runs are not loaded, others once.
    pub(super) fn refuse_other_data<'c>(
        &mut self,
        cells: impl IntoIterator<Item = (&'c Cell, &'c State)>,
    ) -> Result<()> {
        for (cell, state) in cells {
            self.refuse_other(cell, state)?;
        }
        Ok(())
    }

    fn refuse_other(&mut self, cell: &Cell, state: &State) -> Result<()> {
        let Some(begun) = state.data_sha256() else {
            return Ok(());
        };
        let known = self.known.iter();
        let known = known.clone().find(|(of, _)| of.same_data(&cell.config));
        let folder = self.grid.join(&cell.name);
        let place = shown::name(&folder).to_string();
        let sha256 = match known {
            Some((_, sha256)) => sha256.clone(),
            None => match self.data_of(&cell.config) {
                Ok(data) => data.sha256.clone(),
                Err(error) => return Err(error.at(&place)),
            },
        };
        match sha256 == *begun {
            true => Ok(()),
            false => {
                let hashes = [&sha256, begun];
                let error =
                    experiment::other_data(&cell.config, &folder, hashes, "give another --out");
                Err(error.at(&place))
            }
        }
    }

    /// A grid that goes on with another program is one that `skein table` does not average.
    pub(super) fn tell_of_other_code<'c>(
        &self,
        cells: impl IntoIterator<Item = (&'c Cell, &'c State)>,
    ) {
        let mut others = 0;
        for (cell, state) in cells {
            let result = match state {
                State::New => continue,
                State::Begun(..) => None,
                State::Ended(outcome) => Some(&outcome.computed_by[..]),
            };
            let environment = self.grid.join(&cell.name).join("environment.toml");
            // What is wrong with that file is said when it is the cell's turn.
            let by = Computer::of_run(result, &environment);
            let here = Computer::here(cell.config.product);
            others += usize::from(by.is_ok_and(|by| by != [here]));
        }
        if others > 0 {
            tell(&format!(
                "note:   other code, another product or another kind of CPU has computed {others} of the runs \
                 so far:\n        `skein table` averages those of this program with them only if --mix is given"
            ));
        }
    }

    /// Does what is left of a cell, if it is nobody else's turn; `label` is what it is called on the way. A failure is
    /// kept as the mark of the cell.
    pub(super) fn turn(&mut self, cell: &Cell, label: &str, interrupt: &Interrupt) -> Result<Turn> {
        let grid = self.grid;
        let turn = self.tried(cell, label, interrupt);
        match &turn {
            Ok(Turn::Before | Turn::Now) => failed::clear(grid, &cell.name)?,
            Ok(_) => {}
            Err(error) => failed::mark(grid, &cell.name, error).unwrap_or_else(|other| {
                tell(&format!("note:   that is not kept: {other}"));
            }),
        }
        turn
    }

    /// Does what is left of the trials of a group.
    pub(super) fn try_all(&mut self, group: &Group, interrupt: &Interrupt) -> Result<Tried> {
        let mut tried = Tried::All;
        let count = group.trials.len();
        for (i, cell) in group.trials.iter().enumerate() {
            if interrupt.requested() {
                return Ok(Tried::Interrupted);
            }
            let label = format!("trial {}/{count}", i + 1);
            match self.turn(cell, &label, interrupt) {
                Ok(Turn::Before | Turn::Now) => {}
                Ok(Turn::Elsewhere) => tried = Tried::Elsewhere,
                // Its numbers are none any more, as they would be again: another value is the best.
                Ok(Turn::Failed(mark)) if mark.is_of_the_numbers() => {}
                Ok(Turn::Failed(mark)) => return Ok(Tried::Failed(mark)),
                Ok(Turn::Interrupted) => return Ok(Tried::Interrupted),
                Err(error) if Mark::of(&error).is_of_the_numbers() => {
                    tell(&format!("{}: {}", cell.name, error.parts().0));
                }
                Err(error) => return Err(error.at(&cell.name)),
            }
        }
        Ok(tried)
    }

    fn tried(&mut self, cell: &Cell, label: &str, interrupt: &Interrupt) -> Result<Turn> {
        let state = cell.state(self.grid)?;
        if let State::Ended(_) = state {
            self.refuse_other(cell, &state)?; // Another process may have ended it since.
            return Ok(Turn::Before);
        }
        if let Some(mark) = failed::read(self.grid, &cell.name)?
            && !(self.retry && !(cell.is_trial() && mark.is_of_the_numbers()))
        {
            return Ok(Turn::Failed(mark));
        }
        let Some(_lock) = Lock::take(self.grid, &cell.name)? else {
            return Ok(Turn::Elsewhere);
        };
        let folder = self.grid.join(&cell.name);
        let mut since = String::new();
        // Now nobody else changes it.
        let state = cell.state(self.grid)?;
        let start = match state {
            State::Ended(_) => {
                self.refuse_other(cell, &state)?;
                return Ok(Turn::Before);
            }
            State::Begun(step, _) => {
                since = format!(" since step {step}");
                Start::Resumed(&folder)
            }
            State::New => {
                refuse_other(&folder)?;
                // In place of what a process has left that was killed before its first checkpoint.
                Start::New {
                    out: Some(&folder),
                    overwrite: true,
                }
            }
        };
        tell(&format!("[{label}]  {}", cell.name));
        experiment::introduce(&cell.config);
        let began = Instant::now();
        let sitting = Sitting {
            threads: self.threads,
            stop_after: None,
            keep_every: None,
            profile: false,
            tensorboard: self.tensorboard,
        };
        let data = self.data_of(&cell.config)?;
        if interrupt.requested() {
            return Ok(Turn::Interrupted);
        }
        match experiment::run(&cell.config, start, data, &sitting, interrupt)? {
            End::Finished(ended) => {
                let outcome = &ended.outcome;
                let (split, judged) = match outcome.best_dev {
                    Some(dev) if cell.is_trial() => ("dev", dev),
                    _ => ("test", outcome.test),
                };
                if !cell.is_trial() {
                    page::write_at_end(&ended.folder);
                }
                let seconds = began.elapsed().as_secs();
                tell(&format!(
                    "{}: {split} accuracy {:.2}% of {} examples, {} min {:02} s{since}",
                    cell.name,
                    100.0 * judged.accuracy,
                    judged.examples,
                    seconds / 60,
                    seconds % 60
                ));
                Ok(Turn::Now)
            }
            End::Interrupted | End::Paused => Ok(Turn::Interrupted),
        }
    }

    /// The data of a cell: those of the one before, if they are the same.
    fn data_of(&mut self, config: &Config) -> Result<&Data> {
        let last = self.data.as_ref();
        if last.is_none_or(|(last, _)| !last.same_data(config)) {
            // First the old ones go.
            self.data = None;
            let data = Data::load(config);
            if let Ok(data) = &data {
                data.introduce(config.task);
                self.known.retain(|(known, _)| !known.same_data(config));
                self.known.push((config.clone(), data.sha256.clone()));
            }
            self.data = Some((config.clone(), data));
        }
        let (_, data) = self.data.as_ref().expect("it was put there");
        data.as_ref().map_err(Error::clone)
    }
}

impl Cell {
    /// Whether nobody looks at its test.
    fn is_trial(&self) -> bool {
        self.config.seed == TRIAL_SEED && self.name.starts_with(".tune/")
    }

    /// How far the run in its folder is.
    ///
    /// # Errors
    /// If that has other settings: equal names would hide it.
    pub(super) fn state(&self, grid: &Path) -> Result<State> {
        let folder = grid.join(&self.name);
        let begun = checkpoint::newest_step(&folder)?;
        let ended = Outcome::read(&folder)?;
        if begun.is_none() && ended.is_none() {
            return Ok(State::New);
        }
        let begun_with: Config = read_toml(&folder.join("config.toml"))?;
        let data = |config: &Config| format!("data = {:?}", config.data);
        let differs = experiment::other_setting(&begun_with, &self.config).or_else(|| {
            // Files may have moved, but built-in data are no files.
            let built_in = |config: &Config| config.data == "builtin";
            (built_in(&begun_with) != built_in(&self.config))
                .then(|| (data(&begun_with), data(&self.config)))
        });
        if let Some((theirs, ours)) = differs {
            let message = format!("the run has `{theirs}`, expected `{ours}`");
            return Err(Error::usage(message)
                .at(&folder.display().to_string())
                .hint("give the grid's settings again, or another --out"));
        }
        match ended {
            Some(ended) => {
                ended.refuse_other_run(&begun_with, &folder)?;
                Ok(State::Ended(Box::new(ended)))
            }
            None => {
                let data = DataReport::read(&folder).ok().flatten();
                let step = begun.unwrap_or(0);
                Ok(State::Begun(step, data.map(|data| data.sha256)))
            }
        }
    }
}

/// Refuses a folder in which there is more than a process has left that was killed before its first checkpoint.
fn refuse_other(folder: &Path) -> Result<()> {
    let Some(name) = beyond_beginnings(folder)? else {
        return Ok(());
    };
    let message = format!(
        "{} is not the folder of a run: it holds {name}",
        folder.display()
    );
    Err(Error::usage(message).hint("move it away, or choose another --out"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::choices::{Budget, Task};
    use datasets::pathfinder;

    #[test]
    fn other_data_are_loaded_where_black_pixels_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let settings = &pathfinder::Settings::EASY;
        pathfinder::write(folder.path(), 1, settings, [10, 1, 1]).unwrap();
        let config = |attn: &str, skip_black| Config {
            attn: attn.into(),
            data: folder.path().to_str().unwrap().into(),
            skip_black,
            ..Task::Pathfinder.preset(Budget::Smoke)
        };
        let mut work = Work::new(folder.path(), 1, false, false);
        // The configuration that the kept data were loaded for.
        let mut loaded_for = |config: &Config| {
            work.data_of(config).unwrap();
            work.data.as_ref().unwrap().0.clone()
        };
        let first = config("vmean", false);
        assert_eq!(loaded_for(&first), first);
        assert_eq!(loaded_for(&config("skein", false)), first);
        let other = config("skein", true);
        assert_eq!(loaded_for(&other), other);
    }
}
