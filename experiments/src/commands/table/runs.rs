//! The runs that are compared, read from their folders, and the columns they make.

use crate::files::read::read_toml;
use crate::numbers::statistics::mean;
use crate::run::environment::{Computer, Took};
use crate::run::outcome::Outcome;
use crate::run::tuned::{Choice, Tuned};
use crate::settings::choices::Task;
use crate::settings::config::Config;
use crate::terminal::error::{Error, Result};
use crate::terminal::parse::distinct;
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
    pub(super) computed_by: Vec<Computer>,
    pub(super) took: Option<Took>,
    /// What trials of its grid have chosen for it.
    pub(super) tuned: Option<Choice>,
}

/// What a run was computed from and by, beside its settings: names and values of data, code, product and kernel path.
pub(super) type Origin = Vec<(&'static str, String)>;

impl Run {
    /// What the runs of a column have in common, a line each: the settings but for method and seed. Files may have
    /// moved, and what is in them is a matter of [`Run::origin`]; what trials have chosen for each method is what they
    /// were chosen from.
    fn settings(&self) -> String {
        let settings = self.common().to_toml();
        match &self.tuned {
            Some(choice) => choice.in_common(&settings),
            None => settings,
        }
    }

    pub(super) fn common(&self) -> Config {
        let data = match self.outcome.builtin {
            true => "builtin",
            false => "files",
        };
        Config {
            data: data.into(),
            ..self.config.but_method_and_seed()
        }
    }

    /// What must be equal, too, where numbers are averaged or compared, unless somebody has asked for a mixture.
    pub(super) fn origin(&self) -> Origin {
        origin_of([self])
    }

    /// Test accuracy in percent.
    pub(super) fn accuracy(&self) -> f64 {
        100.0 * self.outcome.test.accuracy
    }
}

/// What these runs were computed from and by: in a mixture, all of it.
pub(super) fn origin_of<'a>(runs: impl IntoIterator<Item = &'a Run> + Clone) -> Origin {
    let data = runs.clone().into_iter();
    let data = distinct(data.map(|run| run.outcome.data_sha256.as_str()));
    let computers = runs.into_iter().flat_map(|run| &run.computed_by);
    let computers = distinct(computers.cloned());
    let mut origin = vec![("SHA-256 of the data", data.join(" + "))];
    origin.extend(Computer::facts(&computers));
    origin
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

    /// Differences to `against` in points of percent over the seeds that both have, one a seed: in a mixture, the mean of
    /// what each has several times, since these are no independent runs.
    pub(super) fn differences(&self, attn: &str, against: &str) -> Vec<f64> {
        let others = self.of(against);
        let pair = |run: &&Run| {
            let of_seed = others
                .iter()
                .filter(|other| other.config.seed == run.config.seed);
            // In a mixture, one of the same origin if there is one.
            let other = of_seed.max_by_key(|other| other.origin() == run.origin())?;
            Some(run.accuracy() - other.accuracy())
        };
        let runs = self.of(attn);
        let of_seed = |seed: u64| {
            let of_seed = runs.iter().filter(|run| run.config.seed == seed);
            mean(&of_seed.filter_map(pair).collect::<Vec<_>>())
        };
        let seeds = distinct(runs.iter().map(|run| run.config.seed));
        seeds.into_iter().filter_map(of_seed).collect()
    }

    /// A baseline's accuracy in percent: the mean over seeds, each of which may draw test examples of its own, and over
    /// sets of data in a mixture.
    pub(super) fn baseline(&self, of: fn(&Outcome) -> f64) -> Option<f64> {
        let drawn = |run: &Run| (run.config.seed, run.outcome.data_sha256.clone());
        let of_one = |one: &(u64, String)| {
            let run = self.runs.iter().find(|run| drawn(run) == *one)?;
            Some(100.0 * of(&run.outcome))
        };
        let each = distinct(self.runs.iter().map(drawn));
        mean(&each.iter().filter_map(of_one).collect::<Vec<_>>())
    }

    /// The runs by their origin.
    pub(super) fn origins(&self) -> Vec<(Origin, Vec<&Run>)> {
        let origins = distinct(self.runs.iter().map(Run::origin));
        let group = |origin: Origin| {
            let runs = self.runs.iter().filter(|run| run.origin() == origin);
            let runs = runs.collect();
            (origin, runs)
        };
        origins.into_iter().map(group).collect()
    }
}

/// The names of what differs between these.
pub(super) fn differing<'a>(origins: impl IntoIterator<Item = &'a Origin>) -> Vec<&'static str> {
    let each = distinct(origins.into_iter().flatten());
    let names = distinct(each.iter().map(|(name, _)| *name));
    let values = |of: &str| each.iter().filter(|(name, _)| *name == of).count();
    names.into_iter().filter(|name| values(name) > 1).collect()
}

/// Those parts of an origin that are called so, for people.
pub(super) fn described(origin: &Origin, names: &[&str]) -> String {
    let parts = origin.iter().filter(|(name, _)| names.contains(name));
    let parts: Vec<String> = parts
        .map(|(name, value)| format!("{name} {value}"))
        .collect();
    parts.join(", ")
}

/// The folders of runs in `folders`, themselves included, each once.
///
/// # Errors
/// If one of them has none.
pub(crate) fn runs_in(folders: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for folder in folders {
        let before = all.len();
        add_runs(folder, DEPTH, &mut all)?;
        if all.len() == before {
            let message = format!(
                "{} is not the folder of a run and holds no runs",
                folder.display()
            );
            return Err(Error::usage(message)
                .hint("expected a folder such as runs/text-skein-s42, or one that holds such"));
        }
    }
    Ok(distinct(all))
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
    outcome.refuse_other_run(&config, folder)?;
    let environment = folder.join("environment.toml");
    let took = match environment.exists() {
        true => Took::read(&environment)?,
        false => None,
    };
    let tuned = Tuned::of_run(folder, &config)?;
    Ok(Some(Run {
        tuned,
        folder: folder.to_path_buf(),
        config,
        computed_by: Computer::of_run(Some(&outcome.computed_by), &environment)?,
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

/// The runs by task and settings; a seed that is there twice with one origin counts once, with a remark.
///
/// # Errors
/// If these two have other results, though it is known what computed them.
pub(super) fn columns(runs: Vec<Run>, remarks: &mut Vec<String>) -> Result<Vec<Column>> {
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
        let key = (&run.config.attn, run.config.seed, run.origin());
        let same = |other: &&Run| {
            let (attn, seed, origin) = &key;
            other.config.attn == **attn && other.config.seed == *seed && other.origin() == *origin
        };
        match column.runs.iter().find(same) {
            None => column.runs.push(run),
            Some(other) => {
                let [name, others] = [&run, other].map(|run| shown::name(&run.folder));
                let same = run.outcome.test == other.outcome.test;
                if !same && !run.outcome.computed_by.is_empty() {
                    let message = format!(
                        "{others} and {name} have the same settings, seed, data, code, product and kernel path, and \
                         other results"
                    );
                    return Err(Error::failure(message)
                        .hint("one of them was altered: leave one out, or run it again"));
                }
                let what = match same {
                    true => "has the same result",
                    false => "has ANOTHER result",
                };
                remarks.push(format!(
                    "Left out: {name}, which {what} as {others} with the same settings and seed."
                ));
            }
        }
    }
    for column in &mut columns {
        column
            .runs
            .sort_by_key(|run| (rank(&run.config.attn), run.config.seed));
    }
    Ok(columns)
}

/// What the runs of a column have in common, for people.
pub(super) fn describe(column: &Column) -> String {
    let Some(run) = column.runs.first() else {
        return String::new();
    };
    let c = &run.config;
    let data = distinct(column.runs.iter().map(|run| run.outcome.data.as_str()));
    let stand_in = match run.outcome.builtin {
        true => ", a stand-in for the benchmark's data",
        false => "",
    };
    let is_tuned = |choice: &Choice| choice.setting == "learning_rate";
    let rate = match run.tuned.as_ref().is_some_and(is_tuned) {
        true => "tuned".to_string(),
        false => format!("{:?}", c.learning_rate),
    };
    let unusual = match run.common().unusual() {
        unusual if unusual.is_empty() => unusual,
        unusual => format!(", {unusual}"),
    };
    format!(
        "{}: {}{stand_in}; {} test examples; protocol {}, budget {}, {} steps of {}, max-len {}, \
         learning rate {rate}, features {}{unusual}.",
        column.title,
        data.join(" + "),
        run.outcome.test.examples,
        c.protocol.name(),
        c.budget.name(),
        c.steps,
        c.batch,
        c.max_len,
        c.features
    )
}
