//! The runs that are compared, read from their folders, and the columns they make.

use crate::config::{Config, read_toml};
use crate::environment::Took;
use crate::error::{Error, Result};
use crate::experiment::Outcome;
use crate::flags::distinct;
use crate::statistics::mean;
use crate::task::Task;
use datasets::shown;
use ops::attention::names;
use std::fs;
use std::path::{Path, PathBuf};

/// Folders of folders of runs are looked into so far.
const DEPTH: usize = 3;
/// A run that has ended.
pub(super) struct Run {
    pub(super) folder: PathBuf,
    pub(super) config: Config,
    pub(super) outcome: Outcome,
    pub(super) took: Option<Took>,
}

impl Run {
    /// All that must be equal where numbers are averaged, a line each: the settings but for method
    /// and seed, and the data by what they are, not by where.
    fn settings(&self) -> String {
        self.common().to_toml()
    }

    pub(super) fn common(&self) -> Config {
        Config {
            attn: String::new(),
            seed: 0,
            data: self.outcome.data_sha256.clone(),
            ..self.config.clone()
        }
    }

    /// Test accuracy in percent.
    pub(super) fn accuracy(&self) -> f64 {
        100.0 * self.outcome.test.accuracy
    }
}

/// The runs of one task with the same settings.
pub(super) struct Column {
    pub(super) task: Task,
    /// "Text", or "Text (b)" if it is not the only one of its task.
    pub(super) title: String,
    pub(super) settings: String,
    /// By method in the order of the registry, then by seed; no seed twice.
    pub(super) runs: Vec<Run>,
}

impl Column {
    /// The runs of a method.
    pub(super) fn of(&self, attn: &str) -> Vec<&Run> {
        let runs = self.runs.iter();
        runs.filter(|run| run.config.attn == attn).collect()
    }

    /// The part of the examples, 0 to 1, of which the features of a method leave nothing out, so that it is exact
    /// attention there; none where that is not known, or features have no say.
    pub(super) fn exact(&self, attn: &str) -> Option<f64> {
        let runs = self.of(attn);
        let known = runs.iter().filter_map(|run| run.outcome.exact());
        known.reduce(f64::max)
    }

    /// Differences to `against` in points of percent over the seeds that both have.
    pub(super) fn differences(&self, attn: &str, against: &str) -> Vec<f64> {
        let others = self.of(against);
        let pair = |run: &&Run| {
            let other = others
                .iter()
                .find(|other| other.config.seed == run.config.seed)?;
            Some(run.accuracy() - other.accuracy())
        };
        self.of(attn).iter().filter_map(pair).collect()
    }

    /// A baseline's accuracy in percent: the mean over seeds, each of which may draw test examples of its own.
    pub(super) fn baseline(&self, of: fn(&Outcome) -> f64) -> Option<f64> {
        let seeds = distinct(self.runs.iter().map(|run| run.config.seed));
        let of_seed = |seed: &u64| {
            let run = self.runs.iter().find(|run| run.config.seed == *seed)?;
            Some(100.0 * of(&run.outcome))
        };
        mean(&seeds.iter().filter_map(of_seed).collect::<Vec<_>>())
    }
}

/// The folders of runs in `folder`, itself included.
pub(super) fn find_runs(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    add_runs(folder, DEPTH, &mut found)?;
    Ok(found)
}

fn add_runs(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<()> {
    if folder.join("config.toml").is_file() {
        found.push(folder.to_path_buf());
        return Ok(());
    }
    if folder.join("result.json").is_file() {
        let message = format!(
            "{} has a result.json and no config.toml: expected both",
            folder.display()
        );
        return Err(Error::failure(message).hint("without its settings a run cannot be compared"));
    }
    let mut below = Vec::new();
    let cannot_list = |cause| Error::file("cannot list", folder, &cause);
    for entry in fs::read_dir(folder).map_err(cannot_list)? {
        let path = entry.map_err(cannot_list)?.path();
        let hidden = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with('.');
        if path.is_dir() && !path.file_name().is_some_and(hidden) {
            below.push(path);
        }
    }
    below.sort();
    match depth {
        0 => Ok(()),
        _ => below
            .iter()
            .try_for_each(|path| add_runs(path, depth - 1, found)),
    }
}

/// The run in a folder; none if it has not ended.
pub(super) fn read_run(folder: &Path) -> Result<Option<Run>> {
    let Some(outcome) = Outcome::read(folder)? else {
        return Ok(None);
    };
    let config: Config = read_toml(&folder.join("config.toml"))?;
    let said = (outcome.task, &outcome.attn, outcome.seed);
    if said != (config.task, &config.attn, config.seed) {
        let message = format!(
            "{}: result.json is of {} {} with seed {}, expected {} {} with seed {} as in config.toml",
            folder.display(),
            outcome.task.name(),
            outcome.attn,
            outcome.seed,
            config.task.name(),
            config.attn,
            config.seed
        );
        return Err(Error::failure(message).hint("restore one of the two files"));
    }
    let environment = folder.join("environment.toml");
    let took = match environment.exists() {
        true => Took::read(&environment)?,
        false => None,
    };
    Ok(Some(Run {
        folder: folder.to_path_buf(),
        config,
        outcome,
        took,
    }))
}

/// The place of a method in the registry; what is not there comes last.
pub(super) fn rank(attn: &str) -> usize {
    let all = names();
    let place = all.iter().position(|name| *name == attn);
    place.unwrap_or(all.len())
}

/// The runs by task and settings; a seed that is there twice counts once, with a remark.
pub(super) fn columns(runs: Vec<Run>, remarks: &mut Vec<String>) -> Vec<Column> {
    let mut columns: Vec<Column> = Vec::new();
    for task in Task::ALL {
        let first = columns.len();
        for run in runs.iter().filter(|run| run.config.task == task) {
            let settings = run.settings();
            if columns.iter().all(|column| column.settings != settings) {
                columns.push(Column {
                    task,
                    title: String::new(),
                    settings,
                    runs: Vec::new(),
                });
            }
        }
        let of_task = &mut columns[first..];
        // Not by the order in which the folders were named.
        of_task.sort_by(|a, b| a.settings.cmp(&b.settings));
        let count = of_task.len();
        for (i, column) in of_task.iter_mut().enumerate() {
            column.title = match count {
                1 => format!("{task:?}"),
                2..=26 => format!("{task:?} ({})", char::from(b'a' + i as u8)),
                _ => format!("{task:?} ({})", i + 1),
            };
        }
    }
    for run in runs {
        let settings = run.settings();
        let Some(column) = columns.iter_mut().find(|c| c.settings == settings) else {
            continue;
        };
        let key = (&run.config.attn, run.config.seed);
        let same = |other: &&Run| (&other.config.attn, other.config.seed) == key;
        match column.runs.iter().find(same) {
            None => column.runs.push(run),
            Some(other) => {
                let what = match run.outcome.test == other.outcome.test {
                    true => "has the same result",
                    false => "has ANOTHER result",
                };
                remarks.push(format!(
                    "Left out: {}, which {what} as {} with the same settings and seed.",
                    shown::name(&run.folder),
                    shown::name(&other.folder)
                ));
            }
        }
    }
    for column in &mut columns {
        column
            .runs
            .sort_by_key(|run| (rank(&run.config.attn), run.config.seed));
    }
    columns
}

/// What the runs of a column have in common, for people.
pub(super) fn describe(column: &Column) -> String {
    let Some(run) = column.runs.first() else {
        return String::new();
    };
    let c = &run.config;
    let stand_in = match run.outcome.builtin {
        true => ", a stand-in for the benchmark's data",
        false => "",
    };
    format!(
        "{}: {}{stand_in}; {} test examples; protocol {}, budget {}, {} steps of {}, max-len {}, \
         learning rate {:?}, features {}.",
        column.title,
        run.outcome.data,
        run.outcome.test.examples,
        c.protocol.name(),
        c.budget.name(),
        c.steps,
        c.batch,
        c.max_len,
        c.learning_rate,
        c.features
    )
}
