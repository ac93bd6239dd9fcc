//! The paper's Table 1 from the folders of runs: means and deviations over seeds, differences over the
//! same seeds, costs, and the paper's numbers beside them.
//!
//! Of a run it reads config.toml, result.json and environment.toml, nothing else. Only runs that agree
//! in all settings but method and seed share a column; a task that was run with several settings has a column
//! for each. If the runs of a column differ in their data, or in what computed them, there is no table, unless
//! `--mix` asks for it. Figures 2 and 3 of the paper (`table/figures.rs`) also read
//! metrics.jsonl and timings.jsonl.
//!
//! `table/runs.rs` reads the runs, `table/compared.rs` has what their differences say and `table/effects.rs` the picture
//! of that, `table/gaps.rs` what they leave open; `table/listing.rs` has a row or a command a run,
//! `table/export.rs` its events for TensorBoard.
//! `table/tuned.rs` says what they were given after trials.

mod compared;
mod effects;
mod export;
mod figures;
mod gaps;
mod listing;
mod runs;
mod tuned;

use crate::commands::paper;
use crate::files::out_file::{OutFile, Own};
use crate::numbers::statistics::{deviation, mean, standard_error};
use crate::run::environment::Took;
use crate::run::outcome::Outcome;
use crate::settings::choices::Task;
use crate::show::chart::is_svg;
use crate::show::grid::{Grid, cells, left, right};
use crate::show::number::exact;
use crate::terminal::error::{Error, Result};
use crate::terminal::output::{COLUMNS, answer, broken, percent, tell};
use crate::terminal::parse::distinct;
use crate::train::reach::twin;
use clap::Args;
use compared::{Compared, family, statistics};
use datasets::shown;
use ops::attention::find;
pub(crate) use runs::runs_in;
use runs::{
    Column, Origin, Run, columns, describe, described, differing, origin_of, rank, read_run,
};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Where there is no number.
const MISSING: &str = "–";
/// Why there is no page of all runs.
const MANY: &str = "a row for every run has more columns than a page has room for";
/// Behind the numbers of a method that sketched nothing.
const EXACT: &str = "*";

/// Prints Table 1 of runs: accuracy, differences, costs
#[derive(Args, Debug)]
struct Flags {
    /// Folders of runs, or folders that hold such folders, as a grid of sweep does
    #[arg(value_name = "FOLDER", required = true)]
    folders: Vec<PathBuf>,
    /// markdown, latex or csv; with --runs csv or json
    /// [default: markdown, with --runs csv]
    #[arg(long, value_enum, value_name = "NAME", hide_possible_values = true)]
    format: Option<Format>,
    /// Method that the others are compared with over the seeds that both have
    /// [default: softmax, or softmax-nodrop where there is no softmax]
    #[arg(long, value_name = "METHOD")]
    against: Option<String>,
    /// Average over runs that differ in data, code, product or kernel path, too
    #[arg(long)]
    mix: bool,
    /// Instead a row for every run: all settings, result, origin, time
    #[arg(long, conflicts_with_all = ["commands", "against", "mix", "effects", "curves", "sensitivity"])]
    runs: bool,
    /// Instead the commands that make the runs again, with a remark of each
    #[arg(long, conflicts_with_all = ["format", "against", "mix", "effects", "curves", "sensitivity"])]
    commands: bool,
    /// Instead write events of the runs, settings among them, into a folder for each in
    /// FOLDER, for `tensorboard --logdir FOLDER`
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["runs", "commands", "format", "against", "mix"])]
    #[arg(conflicts_with_all = ["effects", "curves", "sensitivity"])]
    tensorboard: Option<PathBuf>,
    /// Also draw the differences with their intervals, a row for every method and task
    #[arg(long, value_name = "FILE.svg")]
    effects: Option<PathBuf>,
    /// Also draw the dev loss against seconds and steps (Figure 2 of the paper)
    #[arg(long, value_name = "FILE.svg")]
    curves: Option<PathBuf>,
    /// Also draw accuracy and time against the learning rate, a line a batch (Figure 3)
    #[arg(long, value_name = "FILE.svg")]
    sensitivity: Option<PathBuf>,
    /// Replace these files, although others have drawn them
    #[arg(long)]
    overwrite: bool,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug)]
enum Format {
    Markdown,
    Latex,
    Csv,
    Json,
}

/// Everything that is printed.
struct Comparison {
    columns: Vec<Column>,
    methods: Vec<String>,
    against: Option<String>,
    /// Every method and column with pairs.
    compared: Vec<Compared>,
    /// Whether an average of the five tasks is one of numbers of the same origin, or asked for.
    averages: bool,
    /// What was left out and why, a remark each.
    remarks: Vec<String>,
}

/// `skein table`.
pub(super) fn command() -> super::Command {
    let example = "skein table runs/sweep";
    super::Command::new("table", example, |flags: Flags| table(&flags))
}

fn table(flags: &Flags) -> Result<ExitCode> {
    flags.refuse_format()?;
    flags.refuse_one_file()?;
    if flags.runs || flags.commands || flags.tensorboard.is_some() {
        return each(flags);
    }
    let picture = |path: &Option<PathBuf>| path.as_ref().map(|path| flags.picture(path));
    let effects_file = picture(&flags.effects).transpose()?;
    let curves_file = picture(&flags.curves).transpose()?;
    let sensitivity_file = picture(&flags.sensitivity).transpose()?;
    let mut comparison = Comparison::of(flags)?;
    // All that can fail first.
    let effects = effects_file.map(|file| Ok((file, comparison.effects()?)));
    let columns = &comparison.columns;
    let remarks = &mut comparison.remarks;
    let curves = curves_file.map(|file| Ok((file, figures::curves(columns, remarks)?)));
    let sensitivity =
        sensitivity_file.map(|file| Ok((file, figures::sensitivity(columns, flags.mix)?)));
    let pictures: Vec<(OutFile, String)> = [effects, curves, sensitivity]
        .into_iter()
        .flatten()
        .collect::<Result<_>>()?;
    for (file, picture) in pictures {
        file.write(picture.as_bytes())?;
    }
    answer(&match flags.format {
        Some(Format::Latex) => comparison.latex(),
        Some(Format::Csv) => comparison.csv(),
        _ => comparison.markdown(),
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The runs one by one.
fn each(flags: &Flags) -> Result<ExitCode> {
    let (runs, open) = ended(&flags.folders)?;
    answer(&match (&flags.tensorboard, flags.commands, flags.format) {
        (Some(folder), _, _) => export::tensorboard(&runs, folder)?,
        (None, true, _) => listing::commands(&runs),
        (None, false, Some(Format::Json)) => listing::as_json(&runs)?,
        (None, false, _) => listing::as_csv(&runs)?,
    })?;
    if let Some(remark) = left_out(&open) {
        tell(&remark);
    }
    Ok(ExitCode::SUCCESS)
}

/// The runs in these folders that have ended, one or more, and the names of those that have not.
fn ended(folders: &[PathBuf]) -> Result<(Vec<Run>, Vec<String>)> {
    let found = runs_in(folders)?;
    let (mut runs, mut open) = (Vec::new(), Vec::new());
    for folder in &found {
        match read_run(folder)? {
            Some(run) => runs.push(run),
            None => open.push(shown::name(folder)),
        }
    }
    if runs.is_empty() {
        let message = format!("none of the {} runs has ended", found.len());
        return Err(Error::usage(message).hint("a run that has ended has a result.json"));
    }
    Ok((runs, open))
}

fn left_out(open: &[String]) -> Option<String> {
    let names = open.join(", ");
    (!open.is_empty()).then(|| format!("{} not ended and left out: {names}", open.len()))
}

impl Flags {
    /// A row for every run is for programs, and nothing else is in JSON.
    fn refuse_format(&self) -> Result<()> {
        let (name, expected, hint) = match (self.runs, self.format) {
            (true, Some(Format::Markdown)) => ("markdown", "csv or json with --runs", MANY),
            (true, Some(Format::Latex)) => ("latex", "csv or json with --runs", MANY),
            (false, Some(Format::Json)) => {
                let hint = "--runs --format json has a row for every run";
                ("json", "markdown, latex or csv without --runs", hint)
            }
            _ => return Ok(()),
        };
        let message = format!("--format {name}: expected {expected}");
        Err(Error::usage(message).hint(hint))
    }

    /// Pictures are files of their own.
    fn refuse_one_file(&self) -> Result<()> {
        let files = [
            ("--effects", &self.effects),
            ("--curves", &self.curves),
            ("--sensitivity", &self.sensitivity),
        ];
        for (i, (flag, file)) in files.iter().enumerate() {
            let same = |other: &&(&str, &Option<PathBuf>)| file.is_some() && other.1 == *file;
            if let Some((other, _)) = files[i + 1..].iter().find(same) {
                let message = format!("{flag} and {other} name the same file: expected two");
                return Err(Error::usage(message));
            }
        }
        Ok(())
    }

    /// The file of a picture.
    fn picture(&self, path: &Path) -> Result<OutFile> {
        if path.extension().is_none_or(|extension| extension != "svg") {
            let message = format!("{}: expected the name of an .svg file", path.display());
            return Err(Error::usage(message).hint("such as loss.svg"));
        }
        let own = Own {
            what: "not by this program",
            is: is_svg,
        };
        OutFile::new(path, self.overwrite, Some(&own))
    }
}

impl Comparison {
    fn of(flags: &Flags) -> Result<Self> {
        let (runs, open) = ended(&flags.folders)?;
        let mut remarks: Vec<String> = left_out(&open).into_iter().collect();
        let columns = columns(runs, &mut remarks)?;
        for column in &columns {
            mixture(column, flags.mix, &mut remarks)?;
        }
        let averages = agree(&columns, flags.mix, &mut remarks);
        let all = columns.iter().flat_map(|column| &column.runs);
        let mut methods = distinct(all.map(|run| run.config.attn.clone()));
        methods.sort_by_key(|attn| (rank(attn), attn.clone()));
        let there = |name: &&str| methods.iter().any(|method| method == name);
        let against = match flags.against.as_deref() {
            Some(name) if !there(&name) => {
                let message = format!(
                    "--against {name}: none of the runs is of it; expected one of {}",
                    methods.join(", ")
                );
                let known = methods.iter().map(String::as_str);
                let error = Error::usage(message).hint("--help lists the flags");
                return Err(error.did_you_mean(name, known));
            }
            Some(name) => Some(name.to_string()),
            None => {
                let default = ["softmax", "softmax-nodrop"].into_iter().find(there);
                default.map(String::from)
            }
        };
        let compared = against
            .as_ref()
            .map_or_else(Vec::new, |name| family(&columns, &methods, name));
        Ok(Self {
            columns,
            methods,
            against,
            compared,
            averages,
            remarks,
        })
    }

    /// The picture of all differences.
    fn effects(&self) -> Result<String> {
        match &self.against {
            Some(against) if !self.compared.is_empty() => {
                Ok(effects::effects(&self.compared, &self.columns, against))
            }
            Some(against) => {
                let message = format!("--effects: no method has a seed that {against} has, too");
                Err(Error::usage(message).hint("expected runs of two methods with the same seeds"))
            }
            None => {
                let message = "--effects: expected a method to compare with: there is no softmax";
                Err(Error::usage(message).hint("name one with --against METHOD"))
            }
        }
    }

    /// Whether there is an average of the five tasks.
    fn is_whole(&self) -> bool {
        self.averages && has_all_tasks(&self.columns)
    }

    fn accuracies(&self) -> Grid {
        let mut grid = grid(
            "Test accuracy, %: mean ± standard deviation (runs); the paper's beside it".into(),
        );
        for column in &self.columns {
            grid.columns
                .extend([right(&column.title, 0), right("paper", 0)]);
        }
        if self.is_whole() {
            grid.columns.extend([right("Avg", 0), right("paper", 0)]);
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
                row.push(with_deviation(&accuracies) + mark(column, attn));
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
                row.extend([number(column.baseline(of), 2), String::new()]);
            }
            row.resize(grid.columns.len(), String::new());
            grid.rows.push(row);
        };
        baseline("token frequency", TOKEN_FREQUENCY);
        baseline("majority class", MAJORITY);
        grid
    }

    fn differences(&self, against: &str) -> Grid {
        let title = format!(
            "Difference to {against} over the same seeds, points: mean ± standard error (pairs)"
        );
        let mut grid = grid(title);
        let titles = self.columns.iter().map(|column| right(&column.title, 0));
        grid.columns.extend(titles);
        for attn in self.methods.iter().filter(|attn| *attn != against) {
            let cell = |column: &Column| {
                let differences = column.differences(attn, against);
                with_error(&differences) + mark(column, attn)
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
        let mut grid = grid(title);
        let titles = ["parameters", "M mult-adds", "s/step", "tokens/s", "MiB"];
        grid.columns.extend(titles.map(|title| right(title, 0)));
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

    /// The tables, each with how many of its columns stay together.
    fn grids(&self) -> Vec<(Grid, usize)> {
        let differences = self.against.as_ref().map(|name| self.differences(name));
        let against = self.against.iter();
        let statistics = against.flat_map(|against| {
            let columns = self.columns.iter().enumerate();
            columns.filter_map(move |(i, column)| statistics(&self.compared, i, column, against))
        });
        let costs = self.columns.iter().map(|column| (self.costs(column), 5));
        [(self.accuracies(), 2)]
            .into_iter()
            .chain(differences.map(|grid| (grid, 1)))
            .chain(statistics.map(|grid| (grid, compared::TOGETHER)))
            .chain(costs)
            .collect()
    }

    /// What the columns are, and what there is to know about them.
    fn notes(&self) -> Vec<String> {
        let mut notes: Vec<String> = self.columns.iter().map(describe).collect();
        notes.extend(gaps::at_majority(&self.columns));
        notes.extend(gaps::missing(&self.columns, &self.methods));
        notes.extend(compared::notes(&self.compared, &self.columns));
        notes.extend(self.columns.iter().filter_map(tuned::note));
        for task in Task::ALL {
            let of_task: Vec<&Column> = self
                .columns
                .iter()
                .filter(|column| column.task == task)
                .collect();
            if of_task.len() < 2 {
                continue;
            }
            let origins: Vec<Origin> = of_task.iter().map(|c| origin_of(&c.runs)).collect();
            let other_origin = differing(&origins);
            for (column, origin) in of_task.iter().zip(&origins) {
                let lines = column.settings.lines();
                let common = |line: &&str| {
                    let mut others = of_task.iter();
                    others.all(|other| other.settings.lines().any(|its| its == *line))
                };
                let settings = lines.filter(|line| !common(line)).map(String::from);
                let origin = described(origin, &other_origin);
                let all: Vec<String> = settings
                    .chain((!origin.is_empty()).then_some(origin))
                    .collect();
                notes.push(format!(
                    "{} is not averaged with the others, of other settings: {}",
                    column.title,
                    all.join(", ")
                ));
            }
        }
        if columns_of_exact(&self.columns, |part| part == 1.0).count() > 0 {
            notes.push(format!(
                "{EXACT} Nothing was sketched: the features leave nothing out of the longest example, so that this is \
                 exact attention under another name."
            ));
        }
        for (column, attn, part) in columns_of_exact(&self.columns, |part| part > 0.0 && part < 1.0)
        {
            notes.push(format!(
                "{}: {attn} is exact attention in {} of the examples, of which its features leave nothing out.",
                column.title,
                percent(part)
            ));
        }
        for column in &self.columns {
            let softmax = column.of("softmax");
            if let Some(same) = softmax.first().and_then(|run| twin(&run.config)) {
                notes.push(format!("{}: softmax: {same}.", column.title));
            }
        }
        notes.push(
            "Seconds a step are medians of a run, evaluations apart, averaged over runs; MiB the most \
             memory of any of them, data included. The paper's numbers: Chen et al. 2022, Table 1. With --commands, \
             skein table prints what makes these runs again."
                .into(),
        );
        notes.extend(self.remarks.iter().cloned());
        notes
    }

    fn markdown(&self) -> String {
        let mut text = String::new();
        for (grid, together) in self.grids() {
            text += &paragraph(&grid.caption);
            for part in grid.narrow(COLUMNS, together) {
                text += &part.markdown();
                text.push('\n');
            }
        }
        for note in self.notes() {
            text += &paragraph(&note);
        }
        text.trim_end().to_string() + "\n"
    }

    /// Tabulars for the package booktabs, with the notes as comments.
    fn latex(&self) -> String {
        let mut text = String::from("% \\usepackage{booktabs}\n");
        for note in self.notes() {
            for line in paragraph(&note).trim_end().lines() {
                let _ = writeln!(text, "% {line}");
            }
        }
        for (grid, _) in self.grids() {
            let _ = writeln!(text, "\n% {}", grid.caption);
            text += &grid.latex();
        }
        text
    }

    /// A line for every method of every column, with the names of the fields first. Accuracies and
    /// differences are in percent; `exact` is the part of the examples, 0 to 1, of which nothing was sketched.
    fn csv(&self) -> String {
        let mut grid = Grid::of_csv(
            "column,task,method,runs,seeds,accuracy,deviation,against,difference,\
             difference_error,pairs,paper,parameters,multiply_adds,seconds_per_step,\
             tokens_per_second,peak_mib,token_frequency,majority,protocol,budget,\
             features,steps,batch,learning_rate,max_len,data,data_sha256,code,product,\
             kernel_path,exact",
        );
        grid.columns
            .extend(compared::FIELDS.map(|name| left(name, 0)));
        for (place, column) in self.columns.iter().enumerate() {
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
                let data = distinct(runs.iter().map(|run| run.outcome.data.as_str()));
                let origin = origin_of(runs.iter().copied());
                let mut fields = cells![
                    column.title,
                    column.task.name(),
                    attn,
                    runs.len(),
                    seeds.join(" "),
                    exact(mean(&accuracies)),
                    exact(deviation(&accuracies)),
                    self.against.clone().unwrap_or_default(),
                    exact(mean(&pairs)),
                    exact(standard_error(&pairs)),
                    pairs.len(),
                    exact(paper::accuracy(attn, column.task)),
                    outcome.parameters,
                    exact(costs.multiply_adds),
                    exact(costs.seconds_per_step),
                    exact(costs.tokens_per_second),
                    exact(costs.peak_mib),
                    exact(column.baseline(TOKEN_FREQUENCY)),
                    exact(column.baseline(MAJORITY)),
                    config.protocol.name(),
                    config.budget.name(),
                    config.features,
                    config.steps,
                    config.batch,
                    config.learning_rate,
                    config.max_len,
                    data.join(" + "),
                ];
                fields.extend(origin.into_iter().map(|(_, value)| value));
                fields.push(exact(column.exact(attn)));
                let of_it = |one: &&Compared| one.column == place && one.attn == *attn;
                fields.extend(match self.compared.iter().find(of_it) {
                    Some(compared) => compared.fields().to_vec(),
                    None => vec![String::new(); compared::FIELDS.len()],
                });
                grid.rows.push(fields);
            }
        }
        grid.csv()
    }
}

/// A table of methods.
fn grid(caption: String) -> Grid {
    Grid {
        caption,
        ..Grid::new([left("method", 0)])
    }
}

/// A paragraph in lines of at most 80 columns; words that are longer stay whole.
fn paragraph(text: &str) -> String {
    broken(text, COLUMNS, 0) + "\n\n"
}

/// Whether there is exactly one column of each of the five tasks.
fn has_all_tasks(columns: &[Column]) -> bool {
    columns.iter().map(|column| column.task).eq(Task::ALL)
}

/// Refuses a column of several origins, or says what differs if a mixture is asked for; and names runs that are
/// themselves of several.
fn mixture(column: &Column, mix: bool, remarks: &mut Vec<String>) -> Result<()> {
    let title = &column.title;
    let several = column.runs.iter().filter(|run| run.computed_by.len() > 1);
    let several: Vec<String> = several
        .map(|run| run.folder.display().to_string())
        .collect();
    if !several.is_empty() {
        remarks.push(format!(
            "{title}: begun and ended by different code, product or kernel path: {}",
            several.join(", ")
        ));
    }
    let origins = column.origins();
    let names = differing(origins.iter().map(|(origin, _)| origin));
    if names.is_empty() {
        return Ok(());
    }
    let what = names.join(", ");
    let groups: Vec<String> = origins
        .iter()
        .map(|(origin, runs)| format!("{} ({})", described(origin, &names), folders(runs)))
        .collect();
    let groups = groups.join("; ");
    if mix {
        remarks.push(format!(
            "{title}: averaged over runs that differ in {what}, as --mix has it: {groups}"
        ));
        return Ok(());
    }
    let message =
        format!("{title}: runs of the same settings differ in {what}, expected the same: {groups}");
    let unknown = origins.iter().any(|(origin, _)| {
        origin
            .iter()
            .any(|(name, value)| names.contains(name) && value == "unknown")
    });
    let why = match unknown {
        true => "; unknown is what older versions did not record",
        false => "",
    };
    Err(Error::usage(message).hint(format!(
        "make a table of each, or average over all of them with --mix{why}"
    )))
}

/// The first of the folders and how many there are.
fn folders(runs: &[&Run]) -> String {
    let first = runs.first().map(|run| run.folder.display().to_string());
    let first = first.unwrap_or_default();
    match runs.len() {
        1 => first,
        count => format!("{first} and {} more", count - 1),
    }
}

/// Whether all columns were computed by the same, or a mixture is asked for; a remark says what differs.
fn agree(columns: &[Column], mix: bool, remarks: &mut Vec<String>) -> bool {
    // Their data differ, of course.
    let by = |column: &Column| origin_of(&column.runs).split_off(1);
    let origins: Vec<Origin> = columns.iter().map(by).collect();
    let names = differing(&origins);
    if names.is_empty() {
        return true;
    }
    let each = columns.iter().zip(&origins);
    let each: Vec<String> = each
        .map(|(column, origin)| format!("{}, {}", column.title, described(origin, &names)))
        .collect();
    let average = match has_all_tasks(columns) && !mix {
        true => "; there is no average of them without --mix",
        false => "",
    };
    remarks.push(format!(
        "The columns differ in {}: {}{average}",
        names.join(", "),
        each.join("; ")
    ));
    mix
}

const TOKEN_FREQUENCY: fn(&Outcome) -> f64 = |outcome| outcome.token_frequency_accuracy;
const MAJORITY: fn(&Outcome) -> f64 = |outcome| outcome.majority_accuracy;

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
        let took = |of: fn(&Took) -> Option<f64>| {
            let known = runs.iter().filter_map(|run| of(run.took.as_ref()?));
            mean(&known.collect::<Vec<f64>>())
        };
        let peaks = runs.iter().filter_map(|run| run.took?.peak_mib);
        let multiply_adds = runs.first().and_then(|run| {
            let entry = find::<f32>(&run.config.attn).ok()?;
            let options = run.config.options();
            let p = run.config.dim as f64 / run.config.heads as f64;
            Some((entry.cost)(&options, run.config.max_len as f64, p).multiply_adds)
        });
        Self {
            multiply_adds,
            seconds_per_step: took(|took| Some(took.seconds_per_step)),
            tokens_per_second: took(|took| took.tokens_per_second),
            peak_mib: peaks.reduce(f64::max),
        }
    }
}

/// What stands behind the numbers of a method.
fn mark(column: &Column, attn: &str) -> &'static str {
    match column.exact(attn) {
        Some(1.0) => EXACT,
        _ => "",
    }
}

/// The methods that are exact attention in such a part of the examples.
fn columns_of_exact(
    columns: &[Column],
    part: impl Fn(f64) -> bool,
) -> impl Iterator<Item = (&Column, String, f64)> {
    columns.iter().flat_map(move |column| {
        let methods = distinct(column.runs.iter().map(|run| run.config.attn.clone()));
        let known = methods
            .into_iter()
            .filter_map(|attn| column.exact(&attn).map(|exact| (column, attn, exact)));
        known
            .filter(|(_, _, exact)| part(*exact))
            .collect::<Vec<_>>()
    })
}

/// "62.31 ± 0.42 (3)", "62.31 (1)": the mean of accuracies and how far each may be off.
fn with_deviation(numbers: &[f64]) -> String {
    let mean = mean(numbers).map(|mean| format!("{mean:.2}"));
    with_spread(mean, deviation(numbers), numbers.len())
}

/// The mean of differences with its sign, and how far it may be off.
fn with_error(numbers: &[f64]) -> String {
    let mean = mean(numbers).map(|mean| format!("{mean:+.2}"));
    with_spread(mean, standard_error(numbers), numbers.len())
}

fn with_spread(mean: Option<String>, spread: Option<f64>, count: usize) -> String {
    match (mean, spread) {
        (None, _) => MISSING.into(),
        (Some(mean), None) => format!("{mean} ({count})"),
        (Some(mean), Some(spread)) => format!("{mean} ± {spread:.2} ({count})"),
    }
}

fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or(MISSING.into(), |value| format!("{value:.digits$}"))
}
