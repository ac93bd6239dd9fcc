//! What training takes, Tables 2 and 3 of Chen et al. 2022: operations, time, tokens a second and
//! memory of every method and task, beside the paper's numbers; and over the number of tokens and
//! examples.
//!
//! Every cell is a process of its own, since the most memory that a process has held is only known
//! for all it did: this program runs itself with `cost --cell`, which times steps as
//! [`crate::commands::bench_step`] does, on random tokens of the task's full length.

use crate::commands::bench_step::{self, Lengths, Report, Request, parse_count, parse_seconds};
use crate::commands::paper;
use crate::files::out_file::{Known, OutFile};
use crate::settings::choices::{Budget, Task, method};
use crate::settings::config::Config;
use crate::settings::product::{self, ProductFlag};
use crate::show::chart::{Chart, Point, Scale, Series, is_svg, svg};
use crate::show::grid::{Column, Grid, cells, left, right};
use crate::show::number::{exact, or_dash, places, two_places};
use crate::terminal::error::{Error, Result};
use crate::terminal::interrupt::{INTERRUPTED, Interrupt};
use crate::terminal::output::{answer, tell};
use crate::terminal::parse::{distinct, parse_threads, threads};
use clap::Args;
use engine::cpu::Product;
use ops::attention::{Entry, Options, find};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

/// Columns of a head in the models of the paper.
const HEAD: f64 = 32.0;
/// Examples of a step of `--scale` over tokens, and tokens of its examples over the batch.
const SCALE_BATCH: usize = 4;
const SCALE_N: usize = 1024;
/// Between two looks whether a cell has been measured.
const GLANCE: Duration = Duration::from_millis(20);
/// How its Markdown begins: what it may replace.
const START: &str = "<!-- measured by skein cost -->\n\n";
/// How it began in version 0.1.0.
const START_BEFORE: &str = "<!-- measured by exp_cost -->\n\n";

/// Below the flags in the help text.
const NOTES: &str = "\
Every example is random tokens of the task's full length (Text and Retrieval
4000, ListOps 2000, pictures 1024), as the paper padded them. A row:
  Mops   multiply-adds of one head forward, millions: the registry's formula,
         and the leading term of the paper's Table 3
  GFLOP  operations of a step's matrix products, counted, forward and backward
  MiB    the most memory the process has held, data included
  min    minutes per 1,000 steps of the paper's batch: time of a step times
         that batch over --batch, nothing for evaluations; beside it those of
         Table 2 (NAACL 2022; one V100, evaluations included) and how many
         examples its memory held at once";

/// Measures what training takes, every method and task
#[derive(Args, Debug)]
#[command(after_help = NOTES)]
struct Flags {
    /// Tasks, a list [default: all five]
    #[arg(
        long,
        value_name = "LIST",
        value_enum,
        value_delimiter = ',',
        hide_possible_values = true
    )]
    tasks: Option<Vec<Task>>,
    /// Methods, a list [default: those of the paper; with --scale
    /// softmax-nodrop,vmean,skein]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    attn: Option<Vec<String>>,
    /// Features d of the methods
    #[arg(long, value_name = "N", default_value = "256", value_parser = parse_count)]
    features: usize,
    /// Examples a step; time grows with it and memory does not
    #[arg(long, value_name = "N", default_value = "16", value_parser = parse_count, conflicts_with = "scale")]
    batch: usize,
    /// Instead: the Text model over 1,024 to 16,384 tokens (4 examples a step) and over
    /// 1 to 256 examples (1,024 tokens each)
    #[arg(long, conflicts_with = "tasks")]
    scale: bool,
    /// How long to time each cell after its first step (at least one more, at most 30)
    #[arg(long, value_name = "S", default_value = "2", value_parser = parse_seconds)]
    seconds: f64,
    /// Threads [default: all cores]
    #[arg(long, value_name = "N", value_parser = parse_threads)]
    threads: Option<usize>,
    #[command(flatten)]
    product: ProductFlag,
    /// Write cost.csv and cost.md there; with --scale scale.csv, scale.md and scale.svg;
    /// the .csv after every cell, the others at the end
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Replace files there that are by others
    #[arg(long, requires = "out")]
    overwrite: bool,
    /// One cell as JSON, for this program itself
    #[arg(long, value_name = "JSON", hide = true)]
    cell: Option<String>,
}

/// What one process measures.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
struct Cell {
    task: Task,
    attn: String,
    features: usize,
    /// Tokens of a document.
    n: usize,
    batch: usize,
    threads: usize,
    seconds: f64,
    #[serde(with = "product")]
    product: Product,
}

/// A cell and what came of it.
struct Measured {
    cell: Cell,
    report: Report,
}

/// `skein cost`.
pub(super) fn command() -> super::Command {
    let example = "skein cost --tasks text --attn skein,softmax";
    super::Command::new("cost", example, |flags: Flags| cost(&flags))
}

fn cost(flags: &Flags) -> Result<ExitCode> {
    if let Some(cell) = &flags.cell {
        let cell: Cell = serde_json::from_str(cell)
            .map_err(|error| Error::usage(format!("--cell {cell}: {error}")))?;
        let report = cell.measure()?;
        answer(&format!("{}\n", serde_json::to_string(&report)?))?;
        return Ok(ExitCode::SUCCESS);
    }
    product::choose(flags.product.get())?;
    let default = match flags.scale {
        true => ["softmax-nodrop", "vmean", "skein"].to_vec(),
        false => paper::methods(),
    };
    let methods = match &flags.attn {
        None => default.into_iter().map(str::to_string).collect(),
        Some(names) => distinct(names.iter().cloned()),
    };
    for name in &methods {
        method(name)?;
    }
    let interrupt = Interrupt::install()?;
    match flags.scale {
        true => scale(flags, &methods, &interrupt),
        false => tables(flags, &methods, &interrupt),
    }
}

/// Whether this text is Markdown of this command.
fn is_own(text: &str) -> bool {
    [START, START_BEFORE]
        .iter()
        .any(|start| text.starts_with(start))
}

impl Flags {
    /// Before the first cell: each is to fit into memory.
    fn begin<'a>(&self, cells: impl IntoIterator<Item = &'a Cell>) -> Result<()> {
        for cell in cells {
            bench_step::refuse_too_large(&cell.config(), cell.threads)
                .map_err(|error| error.at(cell.task.name()))?;
        }
        Ok(())
    }

    /// Files in the folder of `--out`.
    fn files<const N: usize>(&self, files: [Known; N]) -> Result<[Option<OutFile>; N]> {
        let out = self.out.as_deref();
        OutFile::all_in(out, self.overwrite, "not by skein cost", files)
    }

    fn cell(&self, task: Task, attn: &str, n: usize, batch: usize) -> Cell {
        Cell {
            task,
            attn: attn.to_string(),
            features: self.features,
            n,
            batch,
            threads: threads(self.threads),
            seconds: self.seconds,
            product: self.product.get(),
        }
    }
}

impl Cell {
    fn config(&self) -> Config {
        Config {
            attn: self.attn.clone(),
            features: self.features,
            max_len: self.n,
            batch: self.batch,
            product: self.product,
            ..self.task.preset(Budget::Paper)
        }
    }

    fn method(&self) -> (Entry<f32>, Options) {
        let options = Options {
            features: self.features,
            ..Options::default()
        };
        let entry = find::<f32>(&self.attn).expect("looked up when the flags were read");
        (entry, options)
    }

    /// Whether the features leave nothing out, so that it is the cost of exact attention.
    fn is_exact(&self) -> bool {
        let (entry, options) = self.method();
        entry.method(&options).reaches(self.n, self.n)
    }

    fn measure(&self) -> Result<Report> {
        let request = Request {
            config: self.config(),
            lengths: Lengths::Full,
            threads: self.threads,
            seconds: self.seconds,
            least_steps: 1,
            profile: false,
        };
        Ok(bench_step::measure(request)?.0)
    }

    /// Measures in a process of its own; none if somebody has asked to stop.
    fn run(self, interrupt: &Interrupt) -> Result<Option<Measured>> {
        let failed = |what: &str| {
            Error::failure(format!(
                "{}, {}, {} tokens, {} examples: {what}",
                self.task.name(),
                self.attn,
                self.n,
                self.batch
            ))
        };
        let no_process = |cause: io::Error| failed(&format!("no process: {cause}"));
        let mut child = Command::new(std::env::current_exe()?)
            .args(["cost", "--cell", &serde_json::to_string(&self)?])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(no_process)?;
        // Its answer is one line, for which a pipe has room.
        while child.try_wait().map_err(no_process)?.is_none() {
            if interrupt.requested() {
                let _ = child.kill(); // It may just have ended.
                let _ = child.wait();
                return Ok(None);
            }
            thread::sleep(GLANCE);
        }
        let output = child.wait_with_output().map_err(no_process)?;
        if !output.status.success() {
            if interrupt.requested() {
                return Ok(None); // It was asked as well.
            }
            return Err(failed(&format!("its process ended with {}", output.status)));
        }
        let report: Report = serde_json::from_slice(&output.stdout)
            .map_err(|error| failed(&format!("its process answered no report: {error}")))?;
        tell(&format!(
            "{:10} {:16} n {:5}, batch {:3}: {:.3} s a step",
            self.task.name(),
            self.attn,
            self.n,
            self.batch,
            report.step_s
        ));
        Ok(Some(Measured { cell: self, report }))
    }
}

impl Measured {
    /// Minutes per 1,000 steps of the batch of the budget `paper`.
    fn minutes(&self) -> f64 {
        let batch = self.cell.task.preset(Budget::Paper).batch;
        self.report.step_s / self.cell.batch as f64 * batch as f64 * 1000.0 / 60.0
    }

    /// Millions of multiply-adds of one head forward: the registry's formula, and the paper's.
    fn operations(&self) -> (f64, Option<f64>) {
        let Cell {
            attn, features, n, ..
        } = &self.cell;
        let (entry, options) = self.cell.method();
        let n = *n as f64;
        let ours = (entry.cost)(&options, n, HEAD).multiply_adds;
        let paper = paper::multiply_adds(attn, n, HEAD, *features as f64);
        (1e-6 * ours, paper.map(|count| 1e-6 * count))
    }
}

fn tables(flags: &Flags, methods: &[String], interrupt: &Interrupt) -> Result<ExitCode> {
    let tasks = distinct(flags.tasks.clone().unwrap_or(Task::ALL.to_vec()));
    let mut cells = Vec::new();
    for &task in &tasks {
        let n = task.preset(Budget::Paper).max_len;
        cells.extend(
            methods
                .iter()
                .map(|attn| flags.cell(task, attn, n, flags.batch)),
        );
    }
    flags.begin(&cells)?;
    let [csv_file, markdown_file] = flags.files([
        ("cost.csv", |text| text.starts_with(HEADER)),
        ("cost.md", is_own),
    ])?;
    let (count, mut all) = (cells.len(), Vec::new());
    if !run(cells, &mut all, csv_file.as_ref(), interrupt)? {
        return Ok(ExitCode::from(INTERRUPTED));
    }
    if let (Some(file), false) = (&markdown_file, all.is_empty()) {
        file.write(markdown(&tasks, &all).as_bytes())?;
    }
    answer(&text(&tasks, &all))?;
    missing(count - all.len())
}

/// Adds to `all` what could be measured, and writes it to `file` after every cell, so that whoever stops the program
/// keeps it; of the others it is said why not. False if somebody has asked to stop.
fn run(
    cells: Vec<Cell>,
    all: &mut Vec<Measured>,
    file: Option<&OutFile>,
    interrupt: &Interrupt,
) -> Result<bool> {
    for cell in cells {
        if interrupt.requested() {
            return Ok(false);
        }
        match cell.run(interrupt) {
            Ok(Some(measured)) => all.push(measured),
            Ok(None) => return Ok(false),
            Err(error) => {
                tell(&error.to_string());
                continue;
            }
        }
        if let Some(file) = file {
            file.write(csv(all).as_bytes())?;
        }
    }
    Ok(true)
}

/// How a command ends that has answered without so many measurements.
fn missing(count: usize) -> Result<ExitCode> {
    match count {
        0 => Ok(ExitCode::SUCCESS),
        _ => Err(Error::failure(format!(
            "measurements missing: {count}, see above"
        ))),
    }
}

/// What holds for all cells of a task.
fn caption(cell: &Cell) -> String {
    let documents = match cell.task.entry().documents {
        1 => String::new(),
        several => format!("{several} x "),
    };
    format!(
        "{}: {documents}{} tokens, {} examples a step, {} features, {} threads",
        cell.task.name(),
        cell.n,
        cell.batch,
        cell.features,
        cell.threads
    )
}

/// The cells of a row.
fn row(one: &Measured) -> Vec<String> {
    let (ours, paper) = one.operations();
    let minutes = paper::minutes(&one.cell.attn, one.cell.task);
    let report = &one.report;
    cells![
        one.cell.attn,
        two_places(ours),
        or_dash(paper, two_places),
        places(1)(report.gflop),
        places(3)(report.step_s),
        or_dash(report.tokens_per_s, places(0)),
        or_dash(report.peak_rss_mib, places(0)),
        two_places(one.minutes()),
        or_dash(minutes, |(minutes, _)| places(2)(minutes)),
        or_dash(minutes, |(_, at_once)| at_once.to_string()),
    ]
}

/// Measurements of a task, if there are any: its caption, its rows under these columns, and what to say below.
fn by_task<'a>(
    tasks: &'a [Task],
    all: &'a [Measured],
    columns: [Column; 10],
) -> impl Iterator<Item = (Grid, String)> + 'a {
    tasks.iter().filter_map(move |&task| {
        let cells: Vec<_> = all.iter().filter(|one| one.cell.task == task).collect();
        let grid = Grid {
            caption: caption(&cells.first()?.cell),
            rows: cells.iter().map(|one| row(one)).collect(),
            ..Grid::new(columns.clone())
        };
        Some((grid, exact_attention(cells)))
    })
}

/// A line about cells that sketch nothing, if there are any.
fn exact_attention<'a>(cells: impl IntoIterator<Item = &'a Measured>) -> String {
    let exact = cells.into_iter().filter(|one| one.cell.is_exact());
    let names = distinct(exact.map(|one| format!("{} ({} tokens)", one.cell.attn, one.cell.n)));
    match names.is_empty() {
        true => String::new(),
        false => format!(
            "exact attention, since the features reach n: {}\n",
            names.join(", ")
        ),
    }
}

fn text(tasks: &[Task], all: &[Measured]) -> String {
    let columns = [
        left("method", 16),
        right("Mops", 6),
        right("paper", 6),
        right("GFLOP", 7),
        right("s/step", 6),
        right("tok/s", 7),
        right("MiB", 5),
        right("min", 6),
        right("paper", 5),
        right("mem", 5),
    ];
    let blocks = by_task(tasks, all, columns)
        .map(|(grid, note)| format!("{}\n{}{note}\n", grid.caption, grid.text()));
    blocks.collect::<String>()
        + "paper: Table 3 (Mops), Table 2 (min, and mem: examples held at once), NAACL 2022\n"
}

fn markdown(tasks: &[Task], all: &[Measured]) -> String {
    let columns = [
        left("method", 0),
        right("Mops a head", 0),
        right("Table 3", 0),
        right("GFLOP a step", 0),
        right("s a step", 0),
        right("tokens/s", 0),
        right("MiB", 0),
        right("min / 1,000 steps", 0),
        right("Table 2", 0),
        right("at once", 0),
    ];
    let blocks = by_task(tasks, all, columns).map(|(grid, note)| {
        let note = match note.is_empty() {
            true => note,
            false => note + "\n",
        };
        format!("{}\n\n{}\n{note}", grid.caption, grid.markdown())
    });
    START.to_string() + &blocks.collect::<String>()
}

/// The first line of cost.csv and scale.csv.
const HEADER: &str = "task,method,features,n,batch,threads,multiply_adds_a_head,\
                      paper_multiply_adds_a_head,gflop_a_step,step_s,min_s,max_s,tokens_per_s,\
                      peak_mib,page_faults_a_step,minutes_per_1000_steps,\
                      paper_minutes_per_1000_steps,paper_examples_at_once\n";

fn csv(all: &[Measured]) -> String {
    let mut grid = Grid::of_csv(HEADER);
    for one in all {
        let Measured { cell, report } = one;
        let (ours, paper) = one.operations();
        let minutes = paper::minutes(&cell.attn, cell.task);
        grid.rows.push(cells![
            cell.task.name(),
            cell.attn,
            cell.features,
            cell.n,
            cell.batch,
            cell.threads,
            1e6 * ours,
            exact(paper.map(|paper| 1e6 * paper)),
            report.gflop,
            report.step_s,
            report.min_s,
            report.max_s,
            exact(report.tokens_per_s),
            exact(report.peak_rss_mib),
            exact(report.page_faults),
            one.minutes(),
            exact(minutes.map(|(minutes, _)| minutes)),
            exact(minutes.map(|(_, at_once)| at_once as f64)),
        ]);
    }
    grid.csv()
}

/// The Text model over tokens and over examples.
fn scale(flags: &Flags, methods: &[String], interrupt: &Interrupt) -> Result<ExitCode> {
    let cells = |n_and_batch: [(usize, usize); 5]| -> Vec<Cell> {
        let of_one = |attn| n_and_batch.map(|(n, batch)| flags.cell(Task::Text, attn, n, batch));
        methods.iter().flat_map(|attn| of_one(attn)).collect()
    };
    let lengths = cells([10, 11, 12, 13, 14].map(|power| (1 << power, SCALE_BATCH)));
    let batches = cells([0, 2, 4, 6, 8].map(|power| (SCALE_N, 1 << power)));
    flags.begin(lengths.iter().chain(&batches))?;
    let [csv_file, markdown_file, svg_file] = flags.files([
        ("scale.csv", |text| text.starts_with(HEADER)),
        ("scale.md", is_own),
        ("scale.svg", is_svg),
    ])?;
    let count = lengths.len() + batches.len();
    let (mut all, file) = (Vec::new(), csv_file.as_ref());
    if !run(lengths, &mut all, file, interrupt)? {
        return Ok(ExitCode::from(INTERRUPTED));
    }
    let of_lengths = all.len();
    if !run(batches, &mut all, file, interrupt)? {
        return Ok(ExitCode::from(INTERRUPTED));
    }
    let (lengths, batches) = all.split_at(of_lengths);
    let table = scale_table(methods, lengths, batches);
    if let (Some(markdown), Some(svg), false) = (&markdown_file, &svg_file, all.is_empty()) {
        markdown.write(format!("{START}{table}").as_bytes())?;
        svg.write(scale_chart(methods, &all).as_bytes())?;
    }
    answer(&table)?;
    missing(count - all.len())
}

/// Two tables in Markdown, which reads well as it is.
fn scale_table(methods: &[String], lengths: &[Measured], batches: &[Measured]) -> String {
    let mut text = String::new();
    let mut table = |caption: &str, first: &str, all: &[Measured], x: fn(&Cell) -> usize| {
        let mut grid = Grid::new([
            left("method", 16),
            right(first, 8),
            right("s a step", 8),
            right("us/token", 8),
            right("MiB", 8),
        ]);
        for attn in methods {
            for Measured { cell, report } in all.iter().filter(|one| one.cell.attn == *attn) {
                grid.rows.push(cells![
                    attn,
                    x(cell),
                    places(3)(report.step_s),
                    or_dash(report.tokens_per_s, |rate| places(2)(1e6 / rate)),
                    or_dash(report.peak_rss_mib, places(1)),
                ]);
            }
        }
        text += &format!("{caption}\n\n{}\n", grid.markdown());
    };
    let of = |all: &[Measured]| {
        all.first()
            .map_or((0, 0), |one| (one.cell.features, one.cell.threads))
    };
    let (features, threads) = of(lengths);
    let common = format!("Text model, {features} features, {threads} threads");
    table(
        &format!("{common}; {SCALE_BATCH} examples a step."),
        "tokens n",
        lengths,
        |cell| cell.n,
    );
    table(
        &format!("{common}; examples of {SCALE_N} tokens."),
        "batch",
        batches,
        |cell| cell.batch,
    );
    text + &exact_attention(lengths.iter().chain(batches))
}

/// Time and memory, over tokens and over examples.
fn scale_chart(methods: &[String], all: &[Measured]) -> String {
    let chart = |over_tokens: bool, memory: bool| Chart {
        // Differences between batches are small.
        scales: match (over_tokens, memory) {
            (false, true) => [Scale::Logarithmic, Scale::Linear],
            _ => [Scale::Logarithmic; 2],
        },
        title: match over_tokens {
            true => format!("{SCALE_BATCH} examples a step"),
            false => format!("examples of {SCALE_N} tokens"),
        },
        x: match over_tokens {
            true => "tokens of an example".to_string(),
            false => "examples a step".to_string(),
        },
        y: match memory {
            true => "most memory held (MiB)".to_string(),
            false => "time of a step (s)".to_string(),
        },
        series: methods
            .iter()
            .map(|attn| {
                let points = all.iter().filter(|one| {
                    let fixed = match over_tokens {
                        true => one.cell.batch == SCALE_BATCH,
                        false => one.cell.n == SCALE_N,
                    };
                    one.cell.attn == *attn && fixed
                });
                let point = |one: &Measured| Point {
                    x: match over_tokens {
                        true => one.cell.n as f64,
                        false => one.cell.batch as f64,
                    },
                    y: match memory {
                        true => one.report.peak_rss_mib.unwrap_or(f64::NAN),
                        false => one.report.step_s,
                    },
                    error: 0.0,
                };
                let mut points: Vec<Point> = points.map(point).collect();
                // 1,024 tokens and 4 examples are of both series: one point is enough.
                points.sort_by(|one, other| one.x.total_cmp(&other.x));
                points.dedup_by(|one, other| one.x == other.x);
                Series {
                    name: attn.clone(),
                    points,
                }
            })
            .collect(),
    };
    svg(&[
        chart(true, false),
        chart(true, true),
        chart(false, false),
        chart(false, true),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(task: Task, attn: &str, n: usize, batch: usize) -> Measured {
        Measured {
            cell: Cell {
                task,
                attn: attn.to_string(),
                features: 256,
                n,
                batch,
                threads: 2,
                seconds: 0.0,
                product: product::default(),
            },
            report: Report {
                attn: attn.to_string(),
                n,
                batch,
                lengths: Lengths::Full,
                threads: 2,
                features: 256,
                layers: 2,
                dim: 64,
                hidden: 128,
                heads: 2,
                product: product::default(),
                step_s: 123.456,
                min_s: 123.0,
                max_s: 124.0,
                real_tokens: n * batch,
                tokens_per_s: Some(123_456.7),
                peak_rss_mib: Some(1234.5),
                page_faults: None,
                gflop: 12345.6,
                gflop_per_s: Some(100.0),
                share_of_peak: Some(0.5),
            },
        }
    }

    #[test]
    fn minutes_are_scaled_to_the_papers_batch() {
        let one = measured(Task::Text, "skein", 4000, 16);
        // 128 examples a step there.
        assert!((one.minutes() - 123.456 * 8.0 * 1000.0 / 60.0).abs() < 1e-6);
        let (ours, paper) = one.operations();
        // 4 n d p, and the registry's count of the same.
        assert!((paper.unwrap() - 4.0 * 4000.0 * 256.0 * 32.0 * 1e-6).abs() < 1e-9);
        assert!((ours / paper.unwrap() - 1.0).abs() < 0.2, "{ours}");
    }

    #[test]
    fn tables_fit_a_terminal_and_have_a_row_for_every_cell() {
        let cells = paper::methods();
        let all: Vec<_> = (Task::ALL.iter())
            .flat_map(|&task| cells.iter().map(move |attn| measured(task, attn, 4000, 16)))
            .collect();
        let text = text(&Task::ALL, &all);
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{} {line}", line.len());
        }
        let skein = |text: &str| {
            let rows = text.lines().filter(|line| !line.starts_with("<!--"));
            rows.filter(|line| line.contains("skein ")).count()
        };
        assert_eq!(skein(&text), 5);
        assert_eq!(skein(&markdown(&Task::ALL, &all)), 5);
        let columns = |line: &str| line.split(',').count();
        let csv = csv(&all);
        let header = columns(csv.lines().next().unwrap());
        assert!(csv.lines().all(|line| columns(line) == header));
        assert_eq!(csv.lines().count(), 1 + 5 * cells.len());
    }

    #[test]
    fn cells_whose_features_leave_nothing_out_are_named() {
        let note = "exact attention, since the features reach n: skein (256 tokens), bigbird (256 tokens)\n";
        let all = ["softmax", "skein", "bigbird", "linformer"]
            .map(|attn| measured(Task::Text, attn, 256, 4));
        assert!(text(&[Task::Text], &all).contains(note));
        assert!(markdown(&[Task::Text], &all).ends_with(&format!("\n\n{note}\n")));
        assert!(scale_table(&[], &all, &[]).ends_with(note));
        assert_eq!(
            exact_attention(&[measured(Task::Text, "skein", 257, 4)]),
            ""
        );
    }

    #[test]
    fn a_point_measured_twice_is_drawn_once() {
        let all: Vec<_> = [(1024, 4), (2048, 4), (1024, 1), (1024, 4), (1024, 16)]
            .map(|(n, batch)| measured(Task::Text, "skein", n, batch))
            .into();
        let svg = scale_chart(&["skein".to_string()], &all);
        // Two over tokens and three over examples, for time and for memory; and one in the legend.
        assert_eq!(svg.matches("<circle").count(), 2 * (2 + 3) + 1);
    }
}
