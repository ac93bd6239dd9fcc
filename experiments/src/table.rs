//! The paper's Table 1 from the folders of runs: means and deviations over seeds, differences over the
//! same seeds, costs, and the paper's numbers beside them.
//!
//! Of a run it reads config.toml, result.json and environment.toml, nothing else. Only runs that agree
//! in everything but method and seed share a column; a task that was run with several settings, or on
//! several sets of data, has a column for each. Figures 2 and 3 of the paper (`table/figures.rs`) also read
//! metrics.jsonl and timings.jsonl.

mod figures;

use crate::approx;
use crate::config::{Config, Protocol, read_toml};
use crate::environment::Took;
use crate::error::{Error, Result, exit};
use crate::experiment::Outcome;
use crate::output::answer;
use crate::paper;
use crate::task::Task;
use crate::whole_file;
use clap::Parser;
use models::ModelConfig;
use ops::attention::{Options, find, registry};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Columns of a terminal, beyond which a table is cut in two.
const WIDTH: usize = 80;
/// Folders of folders of runs are looked into so far.
const DEPTH: usize = 3;
/// Where there is no number.
const MISSING: &str = "–";

/// Prints the paper's Table 1 of runs: accuracy, differences over the same seeds, costs
#[derive(Parser, Debug)]
#[command(max_term_width = 80, version)]
struct Flags {
    /// Folders of runs, or folders that hold such folders, as a grid of sweep does
    #[arg(value_name = "FOLDER", required = true)]
    folders: Vec<PathBuf>,
    /// markdown, latex or csv
    #[arg(long, value_enum, value_name = "NAME", hide_possible_values = true)]
    #[arg(default_value = "markdown")]
    format: Format,
    /// Method that the others are compared with over the seeds that both have
    /// [default: softmax, or softmax-nodrop where there is no softmax]
    #[arg(long, value_name = "METHOD")]
    against: Option<String>,
    /// Also draw the dev loss against seconds and steps (Figure 2 of the paper)
    #[arg(long, value_name = "FILE.svg")]
    curves: Option<PathBuf>,
    /// Also draw accuracy and time against the learning rate, a line a batch (Figure 3)
    #[arg(long, value_name = "FILE.svg")]
    sensitivity: Option<PathBuf>,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug)]
enum Format {
    Markdown,
    Latex,
    Csv,
}

/// A run that has ended.
struct Run {
    folder: PathBuf,
    config: Config,
    outcome: Outcome,
    took: Option<Took>,
}

impl Run {
    /// All that must be equal where numbers are averaged, a line each: the settings but for method
    /// and seed, and the data by what they are, not by where.
    fn settings(&self) -> String {
        self.common().to_toml()
    }

    fn common(&self) -> Config {
        Config {
            attn: String::new(),
            seed: 0,
            data: self.outcome.data_sha256.clone(),
            ..self.config.clone()
        }
    }

    /// Test accuracy in percent.
    fn accuracy(&self) -> f64 {
        100.0 * self.outcome.test.accuracy
    }
}

/// The runs of one task with the same settings.
struct Column {
    task: Task,
    /// "Text", or "Text (b)" if it is not the only one of its task.
    title: String,
    settings: String,
    /// By method in the order of the registry, then by seed; no seed twice.
    runs: Vec<Run>,
}

impl Column {
    /// The runs of a method.
    fn of(&self, attn: &str) -> Vec<&Run> {
        let runs = self.runs.iter();
        runs.filter(|run| run.config.attn == attn).collect()
    }

    /// Differences to `against` in points of percent over the seeds that both have.
    fn differences(&self, attn: &str, against: &str) -> Vec<f64> {
        let others = self.of(against);
        let pair = |run: &&Run| {
            let other = others
                .iter()
                .find(|other| other.config.seed == run.config.seed)?;
            Some(run.accuracy() - other.accuracy())
        };
        self.of(attn).iter().filter_map(pair).collect()
    }
}

/// Everything that is printed.
struct Comparison {
    columns: Vec<Column>,
    methods: Vec<String>,
    against: Option<String>,
    /// What was left out and why, a remark each.
    remarks: Vec<String>,
}

/// The `main` of the binary.
pub fn main() -> ExitCode {
    exit(approx::flags().and_then(|flags| table(&flags)))
}

fn table(flags: &Flags) -> Result<ExitCode> {
    let comparison = Comparison::of(&flags.folders, flags.against.as_deref())?;
    // All that can fail first.
    let columns = &comparison.columns;
    let curves = flags.curves.as_ref().map(|_| figures::curves(columns));
    let sensitivity = flags.sensitivity.as_ref();
    let sensitivity = sensitivity.map(|_| figures::sensitivity(columns));
    for (path, figure) in [(&flags.curves, curves), (&flags.sensitivity, sensitivity)] {
        if let (Some(path), Some(figure)) = (path, figure.transpose()?) {
            refuse_other(path)?;
            whole_file::write(path, &[figure.as_bytes()])?;
        }
    }
    answer(&match flags.format {
        Format::Markdown => comparison.markdown(),
        Format::Latex => comparison.latex(),
        Format::Csv => comparison.csv(),
    })?;
    Ok(ExitCode::SUCCESS)
}

/// A mistyped name must not cost a text: nothing but pictures is replaced.
fn refuse_other(path: &Path) -> Result<()> {
    let is_svg = path.extension().is_some_and(|extension| extension == "svg");
    match is_svg && !path.is_dir() {
        true => Ok(()),
        false => {
            let message = format!("{}: expected the name of an .svg file", path.display());
            Err(Error::usage(message).hint("such as loss.svg"))
        }
    }
}

/// The folders of runs in `folder`, itself included.
fn find_runs(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<()> {
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
            .try_for_each(|path| find_runs(path, depth - 1, found)),
    }
}

/// The run in a folder; none if it has not ended.
fn read_run(folder: &Path) -> Result<Option<Run>> {
    let result = folder.join("result.json");
    if !result.exists() {
        return Ok(None);
    }
    let text =
        fs::read_to_string(&result).map_err(|cause| Error::file("cannot read", &result, &cause))?;
    let outcome: Outcome = serde_json::from_str(&text).map_err(|error| {
        let message = format!(
            "{}: expected the outcome of a run: {error}",
            result.display()
        );
        Error::failure(message).hint("restore it, or leave that run out")
    })?;
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
fn rank(attn: &str) -> usize {
    let all = registry::<f32>();
    let place = all.iter().position(|entry| entry.name == attn);
    place.unwrap_or(all.len())
}

impl Comparison {
    fn of(folders: &[PathBuf], against: Option<&str>) -> Result<Self> {
        let mut found = Vec::new();
        for folder in folders {
            let before = found.len();
            find_runs(folder, DEPTH, &mut found)?;
            if found.len() == before {
                let message = format!("{} holds no runs", folder.display());
                return Err(Error::usage(message).hint(
                    "expected a folder such as runs/text-skein-s42, or one that holds such",
                ));
            }
        }
        let found = approx::distinct(found);
        let mut remarks = Vec::new();
        let mut runs = Vec::new();
        let mut open = Vec::new();
        for folder in &found {
            match read_run(folder)? {
                Some(run) => runs.push(run),
                None => open.push(folder.display().to_string()),
            }
        }
        if !open.is_empty() {
            let count = open.len();
            remarks.push(format!(
                "{count} not ended and left out: {}",
                open.join(", ")
            ));
        }
        let columns = columns(runs, &mut remarks);
        if columns.is_empty() {
            let message = format!("none of the {} runs has ended", found.len());
            return Err(Error::usage(message).hint("a run that has ended has a result.json"));
        }
        let all = columns.iter().flat_map(|column| &column.runs);
        let mut methods = approx::distinct(all.map(|run| run.config.attn.clone()));
        methods.sort_by_key(|attn| (rank(attn), attn.clone()));
        let there = |name: &&str| methods.iter().any(|method| method == name);
        let against = match against {
            Some(name) if !there(&name) => {
                let message = format!(
                    "--against {name}: none of the runs is of it; expected one of {}",
                    methods.join(", ")
                );
                return Err(Error::usage(message).hint("--help lists the flags"));
            }
            Some(name) => Some(name.to_string()),
            None => {
                let default = ["softmax", "softmax-nodrop"].into_iter().find(there);
                default.map(String::from)
            }
        };
        Ok(Self {
            columns,
            methods,
            against,
            remarks,
        })
    }

    /// Whether there is exactly one column of each of the five tasks, so that there is an average.
    fn is_whole(&self) -> bool {
        let tasks = self.columns.iter().map(|column| column.task);
        tasks.eq(Task::ALL)
    }

    fn accuracies(&self) -> Grid {
        let mut grid = Grid::new(
            "Test accuracy, %: mean ± standard deviation (runs); the paper's beside it",
            2,
        );
        for column in &self.columns {
            grid.header.extend([column.title.clone(), "paper".into()]);
        }
        if self.is_whole() {
            grid.header.extend(["Avg".into(), "paper".into()]);
        }
        for attn in &self.methods {
            let mut row = vec![attn.clone()];
            let mut means = Vec::new();
            let mut papers = Vec::new();
            for column in &self.columns {
                let runs = column.of(attn);
                let accuracies: Vec<f64> = runs.iter().map(|run| run.accuracy()).collect();
                means.extend(mean(&accuracies));
                let paper = paper::accuracy(attn, column.task);
                papers.extend(paper);
                row.push(with_spread(&accuracies, Spread::Deviation));
                row.push(number(paper, 2));
            }
            if self.is_whole() {
                let of_five = |numbers: &[f64]| mean(numbers).filter(|_| numbers.len() == 5);
                row.push(number(of_five(&means), 2));
                row.push(number(of_five(&papers), 2));
            }
            grid.rows.push(row);
        }
        let mut baseline = |name: &str, of: fn(&Outcome) -> f64| {
            let mut row = vec![name.to_string()];
            for column in &self.columns {
                // The same data: the same number in all.
                let value = column.runs.first().map(|run| 100.0 * of(&run.outcome));
                row.extend([number(value, 2), String::new()]);
            }
            row.resize(grid.header.len(), String::new());
            grid.rows.push(row);
        };
        baseline("token frequency", |outcome| {
            outcome.token_frequency_accuracy
        });
        baseline("majority class", |outcome| outcome.majority_accuracy);
        grid
    }

    fn differences(&self, against: &str) -> Grid {
        let title = format!(
            "Difference to {against} over the same seeds, points: mean ± standard error (pairs)"
        );
        let mut grid = Grid::new(&title, 1);
        let titles = self.columns.iter().map(|column| column.title.clone());
        grid.header.extend(titles);
        for attn in self.methods.iter().filter(|attn| *attn != against) {
            let cell = |column: &Column| {
                let differences = column.differences(attn, against);
                with_spread(&differences, Spread::Error)
            };
            let cells = self.columns.iter().map(cell);
            grid.rows
                .push([attn.clone()].into_iter().chain(cells).collect());
        }
        grid
    }

    fn costs(&self, column: &Column) -> Grid {
        let title = format!(
            "{}: costs; multiply-adds of one head in one layer forward, n = {}",
            column.title,
            column.runs.first().map_or(0, |run| run.config.max_len)
        );
        let mut grid = Grid::new(&title, 5);
        grid.header
            .extend(["parameters", "M mult-adds", "s/step", "tokens/s", "MiB"].map(String::from));
        for attn in &self.methods {
            let runs = column.of(attn);
            if let Some(first) = runs.first() {
                let costs = Costs::of(&runs);
                grid.rows.push(vec![
                    attn.clone(),
                    first.outcome.parameters.to_string(),
                    number(costs.multiply_adds.map(|count| count / 1e6), 1),
                    number(costs.seconds_per_step, 3),
                    number(costs.tokens_per_second, 0),
                    number(costs.peak_mib, 0),
                ]);
            }
        }
        grid
    }

    fn grids(&self) -> Vec<Grid> {
        let differences = self.against.as_ref().map(|name| self.differences(name));
        let costs = self.columns.iter().map(|column| self.costs(column));
        [self.accuracies()]
            .into_iter()
            .chain(differences)
            .chain(costs)
            .collect()
    }

    /// What the columns are, and what there is to know about them.
    fn notes(&self) -> Vec<String> {
        let mut notes: Vec<String> = self.columns.iter().map(describe).collect();
        for task in Task::ALL {
            let of_task: Vec<&Column> = self
                .columns
                .iter()
                .filter(|column| column.task == task)
                .collect();
            if of_task.len() < 2 {
                continue;
            }
            for column in &of_task {
                let lines = column.settings.lines();
                let common = |line: &&str| {
                    let mut others = of_task.iter();
                    others.all(|other| other.settings.lines().any(|its| its == *line))
                };
                let differing: Vec<&str> = lines.filter(|line| !common(line)).collect();
                notes.push(format!(
                    "{} is not averaged with the others, of other settings: {}",
                    column.title,
                    differing
                        .join(", ")
                        .replace("data = ", "SHA-256 of data = ")
                ));
            }
        }
        notes.push(
            "Seconds a step are medians of a run, evaluations apart, averaged over runs; MiB the most \
             memory of any of them, data included. The paper's numbers: Chen et al. 2022, Table 1."
                .into(),
        );
        notes.extend(self.remarks.iter().cloned());
        notes
    }

    fn markdown(&self) -> String {
        let mut text = String::new();
        for grid in self.grids() {
            text += &wrapped(&grid.title);
            for part in grid.parts() {
                text += &grid.markdown(&part);
                text.push('\n');
            }
        }
        for note in self.notes() {
            text += &wrapped(&note);
        }
        text.trim_end().to_string() + "\n"
    }

    /// Tabulars for the package booktabs, with the notes as comments.
    fn latex(&self) -> String {
        let mut text = String::from("% \\usepackage{booktabs}\n");
        for note in self.notes() {
            for line in wrapped(&note).trim_end().lines() {
                let _ = writeln!(text, "% {line}");
            }
        }
        for grid in self.grids() {
            let _ = writeln!(text, "\n% {}", grid.title);
            text += &grid.latex();
        }
        text
    }

    /// A line for every method of every column, with the names of the fields first. Accuracies and
    /// differences are in percent.
    fn csv(&self) -> String {
        let mut text = "column,task,method,runs,seeds,accuracy,deviation,against,difference,\
                        difference_error,pairs,paper,parameters,multiply_adds,seconds_per_step,\
                        tokens_per_second,peak_mib,token_frequency,majority,protocol,budget,\
                        features,steps,batch,learning_rate,max_len,data,data_sha256\n"
            .to_string();
        for column in &self.columns {
            for attn in &self.methods {
                let runs = column.of(attn);
                let Some(first) = runs.first() else { continue };
                let accuracies: Vec<f64> = runs.iter().map(|run| run.accuracy()).collect();
                let seeds: Vec<String> = runs.iter().map(|r| r.config.seed.to_string()).collect();
                let pairs = match &self.against {
                    Some(against) if against != attn => column.differences(attn, against),
                    _ => Vec::new(),
                };
                let costs = Costs::of(&runs);
                let (config, outcome) = (&first.config, &first.outcome);
                let exact = |number: Option<f64>| number.map_or(String::new(), |x| x.to_string());
                let name = |value: &dyn std::fmt::Debug| format!("{value:?}").to_lowercase();
                let fields = [
                    column.title.clone(),
                    column.task.name().into(),
                    attn.clone(),
                    runs.len().to_string(),
                    seeds.join(" "),
                    exact(mean(&accuracies)),
                    exact(Spread::Deviation.of(&accuracies)),
                    self.against.clone().unwrap_or_default(),
                    exact(mean(&pairs)),
                    exact(Spread::Error.of(&pairs)),
                    pairs.len().to_string(),
                    exact(paper::accuracy(attn, column.task)),
                    outcome.parameters.to_string(),
                    exact(costs.multiply_adds),
                    exact(costs.seconds_per_step),
                    exact(costs.tokens_per_second),
                    exact(costs.peak_mib),
                    (100.0 * outcome.token_frequency_accuracy).to_string(),
                    (100.0 * outcome.majority_accuracy).to_string(),
                    name(&config.protocol),
                    name(&config.budget),
                    config.features.to_string(),
                    config.steps.to_string(),
                    config.batch.to_string(),
                    config.learning_rate.to_string(),
                    config.max_len.to_string(),
                    outcome.data.clone(),
                    outcome.data_sha256.clone(),
                ];
                text += &fields.map(|field| quoted(&field)).join(",");
                text.push('\n');
            }
        }
        text
    }
}

/// The runs by task and settings; a seed that is there twice counts once, with a remark.
fn columns(runs: Vec<Run>, remarks: &mut Vec<String>) -> Vec<Column> {
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
                    run.folder.display(),
                    other.folder.display()
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
fn describe(column: &Column) -> String {
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
        format!("{:?}", c.protocol).to_lowercase(),
        format!("{:?}", c.budget).to_lowercase(),
        c.steps,
        c.batch,
        c.max_len,
        c.learning_rate,
        c.features
    )
}

/// What the runs of a method cost.
struct Costs {
    /// Of one head in one layer forward, an example of `max_len` tokens; none of an unknown method.
    multiply_adds: Option<f64>,
    seconds_per_step: Option<f64>,
    tokens_per_second: Option<f64>,
    peak_mib: Option<f64>,
}

impl Costs {
    fn of(runs: &[&Run]) -> Self {
        let took = |of: fn(&Took) -> f64| {
            let known = runs.iter().filter_map(|run| run.took.as_ref()).map(of);
            mean(&known.collect::<Vec<f64>>())
        };
        let peaks = runs.iter().filter_map(|run| run.took?.peak_mib);
        let multiply_adds = runs.first().and_then(|run| {
            let entry = find::<f32>(&run.config.attn).ok()?;
            let options = Options {
                features: run.config.features,
                dropout: run.config.dropout,
                released: run.config.protocol == Protocol::Paper,
            };
            // The width of a head is the same whatever the other sizes are.
            let p = ModelConfig::new(1, 1, 1, 1).head_width();
            Some((entry.cost)(&options, run.config.max_len as f64, p as f64).multiply_adds)
        });
        Self {
            multiply_adds,
            seconds_per_step: took(|took| took.seconds_per_step),
            tokens_per_second: took(|took| took.tokens_per_second),
            peak_mib: peaks.reduce(f64::max),
        }
    }
}

fn mean(numbers: &[f64]) -> Option<f64> {
    match numbers.len() {
        0 => None,
        count => Some(numbers.iter().sum::<f64>() / count as f64),
    }
}

/// How far numbers, or their mean, may be off.
#[derive(Clone, Copy)]
enum Spread {
    /// Of one number: with n - 1 in the denominator.
    Deviation,
    /// Of their mean.
    Error,
}

impl Spread {
    /// None of fewer than two numbers.
    fn of(self, numbers: &[f64]) -> Option<f64> {
        let (mean, count) = (mean(numbers)?, numbers.len() as f64);
        let squares: f64 = numbers.iter().map(|x| (x - mean).powi(2)).sum();
        let deviation = (squares / (count - 1.0)).sqrt();
        let spread = match self {
            Spread::Deviation => deviation,
            Spread::Error => deviation / count.sqrt(),
        };
        (numbers.len() > 1).then_some(spread)
    }
}

/// "62.31 ± 0.42 (3)", "62.31 (1)"; a difference with its sign.
fn with_spread(numbers: &[f64], spread: Spread) -> String {
    let Some(mean) = mean(numbers) else {
        return MISSING.into();
    };
    let mean = match spread {
        Spread::Deviation => format!("{mean:.2}"),
        Spread::Error => format!("{mean:+.2}"),
    };
    match spread.of(numbers) {
        Some(spread) => format!("{mean} ± {spread:.2} ({})", numbers.len()),
        None => format!("{mean} ({})", numbers.len()),
    }
}

fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or(MISSING.into(), |value| format!("{value:.digits$}"))
}

/// A field of CSV.
fn quoted(field: &str) -> String {
    match field.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field.to_string(),
    }
}

/// A paragraph in lines of at most 80 columns, words that are longer apart.
fn wrapped(text: &str) -> String {
    let mut lines = String::new();
    let mut length = 0;
    for word in text.split_whitespace() {
        let width = word.chars().count();
        if length > 0 {
            let fits = length + 1 + width <= WIDTH;
            lines.push(if fits { ' ' } else { '\n' });
            length = if fits { length + 1 } else { 0 };
        }
        lines += word;
        length += width;
    }
    lines + "\n\n"
}

/// A table as text: a column of methods, then columns that belong together in groups.
struct Grid {
    title: String,
    /// Columns of a group.
    group: usize,
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Grid {
    fn new(title: &str, group: usize) -> Self {
        Self {
            title: title.to_string(),
            group,
            header: vec!["method".to_string()],
            rows: Vec::new(),
        }
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().chain([&self.header]);
        let widths = cells.map(|row| row[column].chars().count());
        widths.max().unwrap_or(0)
    }

    /// Columns, beside the first, of tables that are no wider than a terminal.
    fn parts(&self) -> Vec<Vec<usize>> {
        let mut parts: Vec<Vec<usize>> = vec![Vec::new()];
        let mut width = WIDTH;
        let columns: Vec<usize> = (1..self.header.len()).collect();
        for group in columns.chunks(self.group) {
            let wide: usize = group.iter().map(|&c| self.width(c) + 3).sum();
            if width + wide > WIDTH {
                width = self.width(0) + 4;
                parts.push(Vec::new());
            }
            width += wide;
            parts.last_mut().expect("it has one").extend(group);
        }
        parts.remove(0);
        parts
    }

    fn markdown(&self, columns: &[usize]) -> String {
        let mut text = String::new();
        let rule: Vec<String> = (0..self.header.len())
            .map(|c| match c {
                0 => "-".repeat(self.width(0)),
                _ => "-".repeat(self.width(c).max(2) - 1) + ":",
            })
            .collect();
        for row in [&self.header, &rule].into_iter().chain(&self.rows) {
            let _ = write!(text, "| {:1$} |", row[0], self.width(0));
            for &c in columns {
                let _ = write!(text, " {:>1$} |", row[c], self.width(c));
            }
            text.push('\n');
        }
        text
    }

    fn latex(&self) -> String {
        let mut text = format!(
            "\\begin{{tabular}}{{l{}}}\n\\toprule\n",
            "r".repeat(self.header.len() - 1)
        );
        for (i, row) in [&self.header].into_iter().chain(&self.rows).enumerate() {
            let cells: Vec<String> = row.iter().map(|cell| latex(cell)).collect();
            let _ = writeln!(text, "{} \\\\", cells.join(" & "));
            if i == 0 {
                text.push_str("\\midrule\n");
            }
        }
        text + "\\bottomrule\n\\end{tabular}\n"
    }
}

fn latex(cell: &str) -> String {
    let mut text = String::new();
    for letter in cell.chars() {
        match letter {
            '±' => text.push_str("$\\pm$"),
            '–' => text.push_str("--"),
            '%' | '&' | '_' | '#' | '$' | '{' | '}' => text.extend(['\\', letter]),
            '\\' | '^' | '~' => text.push(' '),
            _ => text.push(letter),
        }
    }
    // A minus, not a hyphen.
    match text.strip_prefix('-') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_digit()) => format!("$-${rest}"),
        _ => text,
    }
}
