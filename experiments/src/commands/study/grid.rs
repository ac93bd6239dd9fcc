//! A grid: the runs in one folder as task x method x other settings x seed, how far each cell is, what is missing, and
//! what is left to do.
//!
//! As nothing else is kept about a grid, its cells are those of the runs that there are: every method and every seed of
//! the folder, in every column. A column is what a mean may be over: runs that agree in all settings but method and seed.

use super::asked::Refusal;
use super::list::{Found, Runs, State, Summary, tail};
use crate::commands::sweep::failed::{self, Mark};
use crate::commands::sweep::forecast::seconds_left;
use crate::numbers::statistics::median;
use crate::run::data_report::DataReport;
use crate::run::measured::{Evaluation, Timing};
use crate::run::tuned::Tuned;
use crate::settings::config::Config;
use crate::terminal::parse::distinct;
use datasets::shown;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// Steps at the end of timings.jsonl of which the median is taken,
const LATEST: usize = 50;
/// and the bytes in which they are.
const TAIL: u64 = 1 << 13;

/// What is asked: a grid by its name, or the first.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    grid: Option<String>,
}

/// How far a cell is.
#[derive(Serialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Stage {
    Ended,
    Running,
    Stopped,
    /// Not begun.
    New,
    /// And left alone until it is tried again.
    Failed,
}

/// The answer.
#[derive(Serialize)]
struct Told {
    /// The names of all grids.
    grids: Vec<String>,
    /// Which of them this is; none if there are none.
    grid: Option<String>,
    seeds: Vec<u64>,
    columns: Vec<Column>,
    /// What is no cell, a sentence each.
    remarks: Vec<String>,
}

/// The runs that agree in all settings but method and seed.
#[derive(Serialize)]
pub(super) struct Column {
    /// The task, and in what it differs from other columns of it.
    pub(super) title: String,
    pub(super) rows: Vec<Row>,
}

/// The cells of a method, by seed.
#[derive(Serialize)]
pub(super) struct Row {
    pub(super) attn: String,
    pub(super) cells: Vec<Cell>,
}

/// A run, or the place of one.
#[derive(Serialize)]
pub(super) struct Cell {
    pub(super) seed: u64,
    /// Its name in the list of runs; none if it is not there.
    name: Option<String>,
    pub(super) stage: Stage,
    /// Why it has failed.
    cause: Option<String>,
    pub(super) done: usize,
    steps: usize,
    dev: Option<Evaluation>,
    pub(super) test: Option<Evaluation>,
    /// What it still takes; none if nothing is left, or nothing tells.
    left: Option<Left>,
    #[serde(skip)]
    pub(super) found: Option<Found>,
}

/// What a cell still takes at most.
#[derive(Serialize, Clone)]
struct Left {
    seconds: f64,
    seconds_per_step: f64,
    /// Whether that is of its own steps, or of those of runs beside it.
    own: bool,
}

/// A run with its settings.
struct Run {
    found: Found,
    config: Config,
    settings: String,
    summary: Summary,
    state: State,
    /// The median of its latest steps.
    seconds_per_step: Option<f64>,
    judged: Option<[usize; 2]>,
}

/// A grid in full.
pub(super) struct Grid {
    seeds: Vec<u64>,
    pub(super) columns: Vec<Column>,
    remarks: Vec<String>,
}

/// The answer, as it is written.
pub(super) fn told(runs: &Runs, asked: &Asked) -> Result<impl Serialize + use<>, Refusal> {
    let mut all = by_folder(runs);
    let grids: Vec<String> = all.keys().cloned().collect();
    let grid = asked.grid.clone().or_else(|| grids.first().cloned());
    let found = match &grid {
        None => Vec::new(),
        Some(name) => all.remove(name).ok_or_else(|| missing(name))?,
    };
    let of = Grid::of(found);
    Ok(Told {
        grids,
        grid,
        seeds: of.seeds,
        columns: of.columns,
        remarks: of.remarks,
    })
}

fn missing(name: &str) -> Refusal {
    let name = shown::name(name);
    Refusal::missing(format!("{name}: there is no such grid in the list"))
}

/// The runs by the name of the folder that they are in.
fn by_folder(runs: &Runs) -> BTreeMap<String, Vec<Found>> {
    let mut all: BTreeMap<String, Vec<Found>> = BTreeMap::new();
    for found in runs.all() {
        let folder = match found.name.rsplit_once('/') {
            Some((folder, _)) => folder,
            None => ".",
        };
        all.entry(folder.to_string()).or_default().push(found);
    }
    all
}

impl Grid {
    /// The grid of this name.
    pub(super) fn find(runs: &Runs, name: &str) -> Result<Self, Refusal> {
        let found = by_folder(runs).remove(name);
        found.map(Grid::of).ok_or_else(|| missing(name))
    }

    fn of(found: Vec<Found>) -> Self {
        let mut remarks = Vec::new();
        let mut broken: BTreeMap<String, String> = BTreeMap::new();
        let mut runs = Vec::new();
        let place = found.first().cloned();
        for found in found {
            match Run::read(found.clone()) {
                Ok(run) => runs.push(run),
                Err(refused) => {
                    remarks.push(format!("{}: {}", found.name, refused.sentence));
                    broken.insert(found.name, refused.sentence);
                }
            }
        }
        let mut seeds = distinct(runs.iter().map(|run| run.config.seed));
        seeds.sort_unstable();
        let known = ops::attention::names();
        let rank = |attn: &String| known.iter().position(|name| name == attn);
        let mut methods = distinct(runs.iter().map(|run| run.config.attn.clone()));
        methods.sort_by_key(|attn| rank(attn).unwrap_or(known.len()));
        let mut keys = distinct(runs.iter().map(|run| (run.config.task, &run.settings)));
        keys.sort_by_key(|(task, _)| *task as usize);
        let lines: Vec<(&'static str, Vec<&str>)> = keys
            .iter()
            .map(|(task, settings)| (task.name(), settings.lines().collect()))
            .collect();
        let mut columns = Vec::new();
        for (task, settings) in &keys {
            let of_column: Vec<&Run> = runs
                .iter()
                .filter(|run| run.settings == **settings)
                .collect();
            let mut rows = Vec::new();
            for attn in &methods {
                let cell = |&seed: &u64| {
                    let of_cell = |run: &&&Run| (&run.config.attn, run.config.seed) == (attn, seed);
                    let mut all: Vec<&Run> = of_column.iter().filter(of_cell).copied().collect();
                    // One that has ended, else one under way, says most.
                    all.sort_by_key(|run| (run.state != State::Ended, run.state != State::Running));
                    for other in all.iter().skip(1) {
                        remarks.push(format!(
                            "{} is left out: {} has its settings and seed, too",
                            other.found.name, all[0].found.name
                        ));
                    }
                    match all.first() {
                        Some(run) => run.cell(&of_column),
                        None => gap(place.as_ref(), &of_column, attn, seed, &broken),
                    }
                };
                rows.push(Row {
                    attn: attn.clone(),
                    cells: seeds.iter().map(cell).collect(),
                });
            }
            let own: Vec<&str> = settings.lines().collect();
            columns.push(Column {
                title: title(task.name(), &own, &lines),
                rows,
            });
        }
        Grid {
            seeds,
            columns,
            remarks,
        }
    }
}

/// The task, and the settings that not all of its columns have.
fn title(task: &str, own: &[&str], all: &[(&str, Vec<&str>)]) -> String {
    let same = all.iter().filter(|(other, _)| *other == task);
    let differs = |line: &&&str| same.clone().any(|(_, lines)| !lines.contains(*line));
    let differing = own.iter().filter(differs).copied();
    [task]
        .into_iter()
        .chain(differing)
        .collect::<Vec<_>>()
        .join(", ")
}

impl Run {
    fn read(found: Found) -> Result<Self, Refusal> {
        let folder = &found.folder;
        let config = Config::of_run(folder)?;
        let summary = Summary::of(&config, folder)?;
        let settings = config.but_method_and_seed().to_toml();
        // Methods that were given a learning rate each by the same trials are compared all the same.
        let tuned = match found.is_below {
            true => Tuned::of_run(folder, &config)?,
            false => None,
        };
        let settings = match &tuned {
            Some(choice) => choice.in_common(&settings),
            None => settings,
        };
        let data = DataReport::read(folder)?;
        Ok(Run {
            state: State::of(folder),
            seconds_per_step: pace(&folder.join("timings.jsonl")),
            judged: data.map(|data| [data.examples[1], data.examples[2]]),
            found,
            config,
            settings,
            summary,
        })
    }

    /// Its cell, beside those of its column.
    fn cell(&self, column: &[&Run]) -> Cell {
        let mark = mark(&self.found, &self.file_name());
        let stage = match (self.state, &mark) {
            (State::Ended, _) => Stage::Ended,
            (State::Running, _) => Stage::Running,
            (State::Stopped, Some(_)) => Stage::Failed,
            (State::Stopped, None) if self.summary.done == 0 => Stage::New,
            (State::Stopped, None) => Stage::Stopped,
        };
        Cell {
            seed: self.config.seed,
            name: Some(self.found.name.clone()),
            stage,
            cause: mark
                .filter(|_| stage == Stage::Failed)
                .map(|mark| mark.cause),
            done: self.summary.done,
            steps: self.config.steps,
            dev: self.summary.dev,
            test: self.summary.test,
            left: match stage {
                Stage::Ended | Stage::Failed => None,
                _ => self.left(self.summary.done, self.seconds_per_step, column),
            },
            found: Some(self.found.clone()),
        }
    }

    fn file_name(&self) -> String {
        let name = self.found.folder.file_name();
        name.unwrap_or_default().to_string_lossy().into_owned()
    }

    /// What a run as this one takes after `done` steps, by its own pace, else by that of its method in the column.
    fn left(&self, done: usize, own: Option<f64>, column: &[&Run]) -> Option<Left> {
        let of_method = column
            .iter()
            .filter(|run| run.config.attn == self.config.attn);
        let paces: Vec<f64> = of_method.filter_map(|run| run.seconds_per_step).collect();
        let seconds_per_step = own.or_else(|| median(&paces))?;
        let judged = self.judged.or(column.iter().find_map(|run| run.judged));
        let judged = judged.unwrap_or([0, 0]);
        Some(Left {
            seconds: seconds_left(&self.config, done, seconds_per_step, judged),
            seconds_per_step,
            own: own.is_some(),
        })
    }

    /// What the names of cells of its column have between method and seed, if it has the name of a cell.
    fn pieces(&self) -> Option<String> {
        let name = self.file_name();
        let rest =
            name.strip_prefix(&format!("{}-{}", self.config.task.name(), self.config.attn))?;
        let pieces = rest.strip_suffix(&format!("-s{}", self.config.seed))?;
        Some(pieces.to_string())
    }
}

/// A cell of a column that has no run of it.
fn gap(
    place: Option<&Found>,
    column: &[&Run],
    attn: &str,
    seed: u64,
    broken: &BTreeMap<String, String>,
) -> Cell {
    let first = column[0];
    let name = column.iter().find_map(|run| run.pieces());
    let name = name.map(|pieces| format!("{}-{attn}{pieces}-s{seed}", first.config.task.name()));
    // What a run of its method takes, if the column has one.
    let like = column.iter().find(|run| run.config.attn == attn);
    let mark = name
        .as_ref()
        .zip(place)
        .and_then(|(name, place)| mark(place, name));
    let beside = |name: &String| {
        let (folder, _) = first.found.name.rsplit_once('/').unwrap_or_default();
        let whole = format!("{folder}/{name}");
        broken
            .get_key_value(&whole)
            .map(|(name, why)| (name.clone(), why.clone()))
    };
    let broken = name.as_ref().and_then(beside);
    let (name, cause) = match (broken, mark) {
        (Some((name, why)), _) => (Some(name), Some(why)),
        (None, mark) => (None, mark.map(|mark| mark.cause)),
    };
    Cell {
        seed,
        name,
        stage: match cause {
            Some(_) => Stage::Failed,
            None => Stage::New,
        },
        left: like
            .filter(|_| cause.is_none())
            .and_then(|like| like.left(0, None, column)),
        cause,
        done: 0,
        steps: first.config.steps,
        dev: None,
        test: None,
        found: None,
    }
}

/// Why a cell beside `found` has failed, if it has. A mark that cannot be read is one.
fn mark(found: &Found, cell: &str) -> Option<Mark> {
    let grid = found.folder.parent().filter(|_| found.is_below)?;
    match failed::read(grid, cell) {
        Ok(mark) => mark,
        Err(error) => Some(Mark {
            cause: error.sentence(),
            hint: None,
        }),
    }
}

/// The median of the latest steps in timings.jsonl; none without any.
fn pace(path: &Path) -> Option<f64> {
    let bytes = tail(path, TAIL).ok()?;
    // Half a line at the beginning and at the end is none.
    let lines = bytes.rsplit(|&byte| byte == b'\n');
    let timings = lines.filter_map(|line| serde_json::from_slice::<Timing>(line).ok());
    let latest: Vec<f64> = timings.take(LATEST).map(|timing| timing.seconds).collect();
    median(&latest)
}
