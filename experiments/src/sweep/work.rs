//! A cell and its run: how far it is, whose turn it is, and the run itself.

use super::plan::Cell;
use crate::checkpoint;
use crate::config::{Config, read_toml};
use crate::error::{Error, Result};
use crate::experiment::{self, Data, End, Outcome, Sitting, Start};
use crate::interrupt::Interrupt;
use crate::output::tell;
use crate::run::beyond_beginnings;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

/// How far a cell is.
pub(super) enum State {
    New,
    /// With a checkpoint after this many steps.
    Begun(usize),
    /// With this accuracy on the test split.
    Ended(f64),
}

/// What became of a cell when it was its turn.
pub(super) enum Turn {
    /// It had ended before.
    Before,
    Now,
    /// Another process works on it.
    Elsewhere,
    Interrupted,
}

/// What a process keeps from cell to cell.
pub(super) struct Work<'a> {
    grid: &'a Path,
    threads: usize,
    tensorboard: bool,
    /// Those of the last cell, with its configuration; or why there are none.
    data: Option<(Config, Result<Data>)>,
}

impl<'a> Work<'a> {
    pub(super) fn new(grid: &'a Path, threads: usize, tensorboard: bool) -> Self {
        Work {
            grid,
            threads,
            tensorboard,
            data: None,
        }
    }

    /// Does what is left of a cell, if it is nobody else's turn.
    pub(super) fn turn(
        &mut self,
        cell: &Cell,
        number: usize,
        all: usize,
        interrupt: &Interrupt,
    ) -> Result<Turn> {
        if let State::Ended(_) = cell.state(self.grid)? {
            return Ok(Turn::Before);
        }
        let Some(_lock) = Lock::take(self.grid, &cell.name)? else {
            return Ok(Turn::Elsewhere);
        };
        let folder = self.grid.join(&cell.name);
        let mut since = String::new();
        // Now nobody else changes it.
        let start = match cell.state(self.grid)? {
            State::Ended(_) => return Ok(Turn::Before),
            State::Begun(step) => {
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
        tell(&format!("[{number}/{all}]  {}", cell.name));
        experiment::introduce(&cell.config);
        let began = Instant::now();
        let sitting = Sitting {
            threads: self.threads,
            stop_after: None,
            profile: false,
            tensorboard: self.tensorboard,
        };
        let data = self.data_of(&cell.config)?;
        if interrupt.requested() {
            return Ok(Turn::Interrupted);
        }
        match experiment::run(&cell.config, start, data, &sitting, interrupt)? {
            End::Finished { test, .. } => {
                let seconds = began.elapsed().as_secs();
                tell(&format!(
                    "{}: test accuracy {:.2}% of {} examples, {} min {:02} s{since}",
                    cell.name,
                    100.0 * test.accuracy,
                    test.examples,
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
            }
            self.data = Some((config.clone(), data));
        }
        let (_, data) = self.data.as_ref().expect("it was put there");
        data.as_ref().map_err(Error::clone)
    }
}

impl Cell {
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
        Ok(match (ended, begun) {
            (Some(ended), _) => State::Ended(ended.test.accuracy),
            (None, step) => State::Begun(step.unwrap_or(0)),
        })
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

/// The right to work on a cell. It ends with its holder, also when that is killed; the file stays,
/// since removing it would leave two processes with locks on two files of one name.
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Without leaving anything.
    pub(super) fn is_held(grid: &Path, name: &str) -> bool {
        let file = File::open(grid.join(".locks").join(name));
        file.is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
    }

    /// None if another process holds it.
    fn take(grid: &Path, name: &str) -> Result<Option<Self>> {
        let folder = grid.join(".locks");
        fs::create_dir_all(&folder)
            .map_err(|cause| Error::file("cannot create", &folder, &cause))?;
        let path = folder.join(name);
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(|cause| Error::file("cannot open", &path, &cause))?;
        // `--list` holds a lock for an instant, which is not work on the cell.
        for _ in 0..10 {
            match file.try_lock() {
                Ok(()) => return Ok(Some(Self { _file: file })),
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(5)),
                Err(TryLockError::Error(cause)) => {
                    return Err(Error::file("cannot lock", &path, &cause)
                        .hint("choose an --out on a file system that has locks"));
                }
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Budget;
    use crate::task::Task;
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
        let mut work = Work::new(folder.path(), 1, false);
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
