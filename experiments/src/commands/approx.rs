//! Approximation error against the number of features d, Figure 1 of Chen et al. 2022: how far is
//! the output R (n, p) of a method from exact attention on the same Q, K, V,
//!
//! ```text
//! ||B V - R||_2    B = softmax(Q Kᵀ / √p)
//! ```
//!
//! (the spectral norm, also relative to ||B V||_2), and how far are its gradients? Mean and
//! standard error over trials, in each of which inputs and every random choice are drawn anew; the
//! same inputs for all methods and d. Trials are spread over threads, each on one, and put together
//! in their order: the number of threads changes no bit. Read in this order:
//!
//! 1. here: the flags, the trials, the tables;
//! 2. `input`: the laws of Q, K and V; `model`: those of a model that reads text;
//! 3. `method`: what is compared, with estimators that only this experiment has;
//! 4. `trial`: one trial; `spectral`: the norm;
//! 5. `reference`: the comparison with the tables of an independent program.

pub(crate) mod input;
mod method;
mod model;
mod reference;
pub(crate) mod spectral;
pub(crate) mod trial;

use crate::files::out_file::OutFile;
use crate::numbers::statistics::Mean;
use crate::settings::product::{self, ProductFlag};
use crate::show::chart::{Chart, Point, Scale, Series, is_svg, svg};
use crate::show::grid::{Grid, cells, left, right};
use crate::show::number::{exact, with_error};
use crate::terminal::error::refuse_more;
use crate::terminal::error::{Error, Result};
use crate::terminal::output::{answer, tell};
use crate::terminal::parse::{distinct, parse_seed, parse_threads, threads, whole};
use clap::Args;
use engine::Seed;
use input::{Input, Setting};
use method::Method;
use model::Reader;
use rayon::prelude::*;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;
use trial::{Errors, Measured};

/// More tokens than this take hours.
const MOST_TOKENS: usize = 65536;
const MOST_TRIALS: usize = 10_000;
/// Columns of numbers that fit beside the names.
const COLUMNS_A_TABLE: usize = 5;
/// The methods of Figure 1, in the order it finds.
const FIGURE: [&str; 4] = ["skein", "informer", "vmean", "linformer-fixed"];
/// How many times larger is much larger.
const MUCH: f64 = 2.0;

/// Below the flags in the help text.
const NOTES: &str = "\
Inputs: gauss, independent normal tokens; tokens, few symbols often repeated,
with positions; init, every head of the Text model before training; run, the
same of the model of --run or --weights. --scale is the standard deviation of
the logits of the first two. d is what --features is elsewhere.

Prints the mean error relative to ||BV|| in the spectral norm, with the
standard error of its last digits in parentheses. With --reference the exit
code is 1 unless 98 % of the cells are within 3 standard errors and all are
within 5.";

/// Measures distances to exact attention, over features d
#[derive(Args, Debug)]
#[command(after_help = NOTES)]
struct Flags {
    /// gauss, tokens, init, run, a list of them [default: gauss,tokens,init; with
    /// --run or --weights: run]
    #[arg(
        long,
        value_name = "LIST",
        value_enum,
        value_delimiter = ',',
        hide_possible_values = true
    )]
    input: Option<Vec<Input>>,
    /// Folder of a run of `skein text` whose weights compute Q, K and V
    #[arg(long, value_name = "FOLDER", conflicts_with = "weights")]
    run: Option<PathBuf>,
    /// File of weights of the Text model, safetensors; exact attention between its
    /// layers
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// Texts for init and run: auto, builtin or the path of a data set [default: those
    /// of --run, else builtin]
    #[arg(long, value_name = "auto|builtin|PATH")]
    data: Option<String>,
    /// Methods, a list [default: those of Figure 1 and all others that approximate]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    attn: Option<Vec<String>>,
    /// Add estimators with the exact B (Definition 3.1 and others) and released forms
    #[arg(long)]
    variants: bool,
    /// Features, a list [default: 16,32,64,128,256]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = parse_count)]
    d: Option<Vec<usize>>,
    /// Tokens, a list [default: 1024,4096; for a run at most as many as it reads]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = parse_count)]
    n: Option<Vec<usize>>,
    /// Standard deviations of the logits, a list [default: 1,3]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = parse_scale)]
    scale: Option<Vec<f64>>,
    /// Trials
    #[arg(long, value_name = "N", default_value = "20", value_parser = parse_trials)]
    trials: usize,
    /// Also the error of dQ, dK and dV for a random cotangent
    #[arg(long)]
    gradient: bool,
    /// Compare with approx_gauss.csv and approx_tokens.csv in FOLDER; lists restrict
    /// the comparison
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["variants", "gradient", "run", "weights"])]
    reference: Option<PathBuf>,
    /// Write approx.csv (after every input and n) and approx.svg there
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Replace files there that are by others
    #[arg(long, requires = "out")]
    overwrite: bool,
    /// Seed of every random number
    #[arg(long, value_name = "N", default_value = "42", value_parser = parse_seed)]
    seed: u64,
    /// Threads that share the trials; no number depends on it [default: all cores]
    #[arg(long, value_name = "N", value_parser = parse_threads)]
    threads: Option<usize>,
    #[command(flatten)]
    product: ProductFlag,
}

pub(crate) fn parse_count(text: &str) -> std::result::Result<usize, String> {
    whole(1..=MOST_TOKENS)(text)
}

pub(crate) fn parse_trials(text: &str) -> std::result::Result<usize, String> {
    whole(2..=MOST_TRIALS)(text)
}

pub(crate) fn parse_scale(text: &str) -> std::result::Result<f64, String> {
    let scale = text.parse().ok().filter(|s| (1e-3..=20.0).contains(s));
    scale.ok_or_else(|| "expected a number from 0.001 to 20".to_string())
}

/// What is measured.
struct Request {
    settings: Vec<Setting>,
    methods: Vec<Method>,
    budgets: Vec<usize>,
    trials: usize,
    gradient: bool,
    seed: Seed,
}

impl Request {
    /// Refuses a method at a d and an n that does not fit into memory, a trial on every thread.
    fn refuse_too_large(&self, threads: usize) -> Result<()> {
        let working = threads.min(self.trials) as f64;
        for Setting { n, .. } in &self.settings {
            for method in &self.methods {
                for &d in &self.budgets {
                    let bytes = working * method.bytes(*n, d);
                    let what =
                        format!("{} with n = {n}, d = {d} on {working} threads", method.name);
                    refuse_more(&what, bytes, "smaller --n, --d or --threads take less")?;
                }
            }
        }
        Ok(())
    }
}

/// All trials of one setting.
struct Block {
    setting: Setting,
    /// By trial, then by head.
    trials: Vec<Vec<Measured>>,
}

impl Block {
    /// Over trials, of one head or of the mean of all heads.
    fn mean(&self, head: Option<usize>, of: impl Fn(&Measured) -> f64) -> Mean {
        let numbers: Vec<f64> = self
            .trials
            .iter()
            .map(|heads| per_trial(heads, head, &of))
            .collect();
        Mean::of(&numbers)
    }

    /// The same of the errors of a method at a budget, by their places.
    fn error(
        &self,
        head: Option<usize>,
        (m, b): (usize, usize),
        of: impl Fn(&Errors) -> f64,
    ) -> Mean {
        self.mean(head, |measured| of(&measured.errors[m][b]))
    }
}

fn per_trial(heads: &[Measured], head: Option<usize>, of: impl Fn(&Measured) -> f64) -> f64 {
    match head {
        Some(head) => of(&heads[head]),
        None => heads.iter().map(of).sum::<f64>() / heads.len() as f64,
    }
}

/// `skein approx`.
pub(super) fn command() -> super::Command {
    let example = "skein approx --n 1024 --attn skein,informer";
    super::Command::new("approx", example, |flags: Flags| approx(&flags))
}

fn approx(flags: &Flags) -> Result<ExitCode> {
    if flags.run.is_none() {
        product::choose(flags.product.get())?;
    }
    let rows = match &flags.reference {
        Some(folder) => Some(reference_rows(flags, folder)?),
        None => None,
    };
    let inputs = inputs(flags)?;
    let methods = match &rows {
        Some(rows) => reference::methods(rows),
        None => methods(flags)?,
    };
    let reader = match inputs.iter().all(|input| input.is_law()) {
        true => None,
        false => Some(reader(flags)?),
    };
    let settings = match &rows {
        Some(rows) => distinct(rows.iter().map(|row| row.setting)),
        None => settings(flags, &inputs, reader.as_ref())?,
    };
    let budgets = match &rows {
        Some(rows) => distinct(rows.iter().map(|row| row.d.max(1))),
        None => distinct(flags.d.clone().unwrap_or(vec![16, 32, 64, 128, 256])),
    };
    let request = Request {
        settings,
        methods,
        budgets,
        trials: flags.trials,
        gradient: flags.gradient,
        seed: Seed(flags.seed),
    };
    let threads = threads(flags.threads);
    request.refuse_too_large(threads)?;
    let [csv_file, svg_file] = OutFile::all_in(
        flags.out.as_deref(),
        flags.overwrite,
        "not by skein approx",
        [
            ("approx.csv", |text| text.starts_with(HEADER)),
            ("approx.svg", is_svg),
        ],
    )?;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()?;
    let blocks: Vec<Block> = pool.install(|| {
        measure(&request, reader.as_ref(), |blocks| match &csv_file {
            Some(file) => file.write(csv(&request, blocks).as_bytes()),
            None => Ok(()),
        })
    })?;

    if let Some(file) = &svg_file {
        file.write(chart(&request, &blocks).as_bytes())?;
    }
    let Some(rows) = rows else {
        answer(&tables(&request, &blocks))?;
        return Ok(ExitCode::SUCCESS);
    };
    let (text, holds) = reference::compare(&rows, |row| {
        let block = blocks.iter().find(|block| block.setting == row.setting);
        let method = request
            .methods
            .iter()
            .position(|method| method.name == row.method);
        let budget = request.budgets.iter().position(|&d| d == row.d.max(1));
        let (block, method, budget) = (block.zip(method).zip(budget))
            .map(|((block, method), budget)| (block, method, budget))
            .expect("the request was made of the rows");
        block.error(None, (method, budget), |errors| errors.relative)
    });
    answer(&text)?;
    Ok(match holds {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn inputs(flags: &Flags) -> Result<Vec<Input>> {
    let trained = flags.run.is_some() || flags.weights.is_some();
    let inputs = match &flags.input {
        Some(inputs) => distinct(inputs.iter().copied()),
        None if flags.reference.is_some() => vec![Input::Gauss, Input::Tokens],
        None if trained => vec![Input::Run],
        None => vec![Input::Gauss, Input::Tokens, Input::Init],
    };
    let reads_run = inputs.contains(&Input::Run);
    if reads_run && !trained {
        let error = Error::usage("--input run: whose weights?");
        return Err(error.hint("add --run FOLDER or --weights FILE"));
    }
    if trained && !reads_run {
        let error = Error::usage("--run and --weights are of no use without the input `run`");
        return Err(error.hint("add it: --input run"));
    }
    if flags.reference.is_some() && !inputs.iter().all(|input| input.is_law()) {
        return Err(Error::usage(
            "--reference: there are tables of gauss and tokens only",
        ));
    }
    Ok(inputs)
}

fn methods(flags: &Flags) -> Result<Vec<Method>> {
    let defaults = || method::DEFAULT.map(str::to_string).to_vec();
    let mut methods = Vec::new();
    for name in distinct(flags.attn.clone().unwrap_or_else(defaults)) {
        methods.push(Method::registered(&name)?);
    }
    if flags.variants {
        methods.extend(method::variants());
    }
    Ok(methods)
}

fn reader(flags: &Flags) -> Result<Reader> {
    let data = match (&flags.data, &flags.run) {
        (Some(data), _) => data.clone(),
        (None, Some(folder)) => model::of_run(folder)?.data,
        (None, None) => "builtin".to_string(),
    };
    let mut reader = Reader::new(&data)?;
    tell(&format!("data: {}", reader.data()));
    match (&flags.run, &flags.weights) {
        (Some(folder), _) => reader.load_run(folder, flags.data.is_none(), &flags.product)?,
        (None, Some(file)) => reader.load_weights(file)?,
        (None, None) => {}
    }
    Ok(reader)
}

fn settings(flags: &Flags, inputs: &[Input], reader: Option<&Reader>) -> Result<Vec<Setting>> {
    let scales = distinct(flags.scale.clone().unwrap_or(vec![1.0, 3.0]));
    let mut settings = Vec::new();
    for &input in inputs {
        let longest = match (input, reader) {
            (Input::Run, Some(reader)) => reader.longest(),
            _ => usize::MAX,
        };
        let lengths = match &flags.n {
            Some(lengths) => lengths.clone(),
            None => [1024, 4096].map(|n: usize| n.min(longest)).to_vec(),
        };
        for n in distinct(lengths) {
            if n > longest {
                let message = format!("--n {n}: the model reads {longest} tokens at most");
                return Err(Error::usage(message));
            }
            let scales = match input.is_law() {
                true => scales.iter().map(|&scale| Some(scale)).collect(),
                false => vec![None],
            };
            settings.extend(scales.into_iter().map(|scale| Setting { input, scale, n }));
        }
    }
    Ok(settings)
}

/// The rows that the lists of the command line leave.
fn reference_rows(flags: &Flags, folder: &Path) -> Result<Vec<reference::Row>> {
    let mut rows = reference::read(folder, &inputs(flags)?)?;
    if let Some(names) = &flags.attn {
        if let Some(unknown) = names
            .iter()
            .find(|name| !rows.iter().any(|row| row.method == **name))
        {
            let known = distinct(rows.iter().map(|row| row.method.as_str()));
            let message = format!("--attn {unknown}: the tables have {}", known.join(", "));
            return Err(Error::usage(message).did_you_mean(unknown, known));
        }
        rows.retain(|row| names.contains(&row.method));
    }
    let kept = |list: &Option<Vec<usize>>, x| list.as_ref().is_none_or(|list| list.contains(&x));
    let scaled = |scale: Option<f64>| {
        let list = flags.scale.as_ref();
        list.is_none_or(|list| scale.is_some_and(|scale| list.contains(&scale)))
    };
    rows.retain(|row| {
        let of_d = row.d == 0 || kept(&flags.d, row.d);
        of_d && kept(&flags.n, row.setting.n) && scaled(row.setting.scale)
    });
    match rows.is_empty() {
        true => Err(Error::usage("--reference: no row is left to compare with")
            .hint("its tables have n = 1024, 4096 and scales 1, 3")),
        false => Ok(rows),
    }
}

/// All trials of all settings; after those of each, `keep` is given what there is, so that whoever stops the program
/// has it.
fn measure(
    request: &Request,
    reader: Option<&Reader>,
    keep: impl Fn(&[Block]) -> Result<()>,
) -> Result<Vec<Block>> {
    let root = request.seed.stream("approx");
    let mut blocks = Vec::new();
    for &setting in &request.settings {
        let start = Instant::now();
        let trial = |trial: usize| -> Vec<Measured> {
            let stream = setting.stream(root, trial);
            let inputs = stream.stream("inputs");
            let heads = match (setting.scale, reader) {
                (Some(scale), _) => vec![input::draw(setting.input, scale, setting.n, inputs)],
                (None, Some(reader)) => {
                    let trained = setting.input == Input::Run;
                    reader.heads(trained, setting.n, inputs)
                }
                (None, None) => unreachable!("a model's inputs have a reader"),
            };
            let measured = heads.iter().enumerate().map(|(h, head)| {
                let (methods, budgets) = (&request.methods, &request.budgets);
                trial::measure(
                    head,
                    methods,
                    budgets,
                    request.gradient,
                    stream.stream("head").at(h),
                )
            });
            measured.collect()
        };
        // Short pieces: the last trials would wait for one thread otherwise.
        let trials = (0..request.trials)
            .into_par_iter()
            .with_max_len(1)
            .map(trial)
            .collect();
        let seconds = start.elapsed().as_secs_f64();
        tell(&format!(
            "{setting}: {} trials in {seconds:.1} s",
            request.trials
        ));
        blocks.push(Block { setting, trials });
        keep(&blocks)?;
    }
    Ok(blocks)
}

/// What is printed.
fn tables(request: &Request, blocks: &[Block]) -> String {
    let mut text = String::new();
    for block in blocks {
        let norm = block.mean(None, |measured| measured.norm);
        let heads = block.trials[0].len();
        let of_heads = match heads {
            1 => String::new(),
            heads => format!(", mean of {heads} heads"),
        };
        let _ = writeln!(
            text,
            "{}: {} trials{of_heads}, ||BV|| = {}",
            block.setting,
            request.trials,
            with_error(norm)
        );
        let _ = writeln!(text, "||BV - R|| / ||BV||, spectral");
        let n = block.setting.n;
        text.push_str(&table(request, n, |at| {
            block.error(None, at, |errors| errors.relative)
        }));
        if request.gradient {
            for (x, name) in ["dQ", "dK", "dV"].into_iter().enumerate() {
                let _ = writeln!(text, "||{name} - exact|| / ||exact||, Frobenius");
                text.push_str(&table(request, n, |at| {
                    block.error(None, at, |errors| {
                        errors.gradient.map_or(f64::NAN, |g| g[x])
                    })
                }));
            }
        }
        if let Some(order) = order(request, block) {
            text.push_str(&order);
        }
        text.push('\n');
    }
    text
}

/// Methods by budgets, as many budgets a time as fit; those that approximate nothing of `n` tokens are marked.
fn table(request: &Request, n: usize, value: impl Fn((usize, usize)) -> Mean) -> String {
    let mut text = String::new();
    let mut marked = false;
    for (piece, budgets) in request.budgets.chunks(COLUMNS_A_TABLE).enumerate() {
        let mut grid = Grid::new([left("  d", 16)]);
        grid.columns
            .extend(budgets.iter().map(|d| right(d.to_string(), 11)));
        for (m, method) in request.methods.iter().enumerate() {
            let mut row = cells![method.name];
            for (b, &d) in budgets.iter().enumerate() {
                let exact = method.build(d).reaches(n, n);
                marked |= exact;
                let mark = if exact { "*" } else { "" };
                row.push(with_error(value((m, piece * COLUMNS_A_TABLE + b))) + mark);
            }
            grid.rows.push(row);
        }
        text += &grid.text();
    }
    if marked {
        text.push_str("  *: d reaches n, so that this is exact attention\n");
    }
    text
}

/// Whether Skeinformer <= Informer <= V-Mean << Linformer, for every d: by the means, and where
/// neighbours come in the other order by whether that could be chance. `None` without the four.
fn order(request: &Request, block: &Block) -> Option<String> {
    let place = |name: &str| {
        request
            .methods
            .iter()
            .position(|method| method.name == name)
    };
    let [skein, informer, vmean, linformer] = FIGURE.map(place);
    let figure = [skein?, informer?, vmean?, linformer?];
    let mut text = "Figure 1, skein <= informer <= vmean << linformer-fixed:".to_string();
    for (b, d) in request.budgets.iter().enumerate() {
        // Trial by trial, since all methods have the same inputs.
        let excess = |a: usize, factor: f64, c: usize| {
            let difference = |heads: &Vec<Measured>| {
                let error = |m: usize| per_trial(heads, None, |head| head.errors[m][b].spectral);
                factor * error(a) - error(c)
            };
            Mean::of(&block.trials.iter().map(difference).collect::<Vec<_>>())
        };
        let steps = [
            excess(figure[0], 1.0, figure[1]),
            excess(figure[1], 1.0, figure[2]),
            excess(figure[2], MUCH, figure[3]),
        ];
        let word = if steps.iter().all(|step| step.mean <= 0.0) {
            "yes"
        } else if steps.iter().all(|step| step.mean <= 2.0 * step.error) {
            "even"
        } else {
            "no"
        };
        if b % 8 == 0 {
            text.push_str("\n ");
        }
        let _ = write!(
            text,
            " {d} {word}{}",
            if b + 1 < request.budgets.len() {
                ","
            } else {
                ""
            }
        );
    }
    text.push_str("\n  (even: a step the other way by less than 2 standard errors; <<: twice)\n");
    Some(text)
}

/// The first line of approx.csv.
const HEADER: &str = "input,scale,n,head,method,d,trials,norm,norm_se,error,error_se,\
                      relative,relative_se,dq,dq_se,dk,dk_se,dv,dv_se\n";

/// A line for every head, method and d; `all` is the mean of the heads.
fn csv(request: &Request, blocks: &[Block]) -> String {
    let mut grid = Grid::of_csv(HEADER);
    for block in blocks {
        let Setting { input, scale, n } = block.setting;
        let heads = &block.trials[0];
        let each = (0..heads.len()).map(|h| (Some(h), heads[h].place.replace(", ", " ")));
        let each: Vec<_> = match heads.len() {
            1 => vec![],
            _ => each.collect(),
        };
        let all = (None, "all".to_string());
        for (head, place) in each.into_iter().chain([all]) {
            let norm = block.mean(head, |measured| measured.norm);
            for (m, method) in request.methods.iter().enumerate() {
                for (b, d) in request.budgets.iter().enumerate() {
                    let mut row = cells![
                        input.name(),
                        exact(scale),
                        n,
                        place,
                        method.name,
                        d,
                        request.trials,
                    ];
                    let error = |of: fn(&Errors) -> f64| block.error(head, (m, b), of);
                    let gradient = |x: usize| match request.gradient {
                        true => Some(block.error(head, (m, b), |errors| {
                            errors.gradient.map_or(f64::NAN, |gradient| gradient[x])
                        })),
                        false => None,
                    };
                    for value in [
                        Some(norm),
                        Some(error(|errors| errors.spectral)),
                        Some(error(|errors| errors.relative)),
                        gradient(0),
                        gradient(1),
                        gradient(2),
                    ] {
                        row.push(exact(value.map(|value| value.mean)));
                        row.push(exact(value.map(|value| value.error)));
                    }
                    grid.rows.push(row);
                }
            }
        }
    }
    grid.csv()
}

/// A panel for every setting: the error itself, as in Figure 1.
fn chart(request: &Request, blocks: &[Block]) -> String {
    let charts = blocks.iter().map(|block| {
        let series = request.methods.iter().enumerate().map(|(m, method)| {
            let points = request.budgets.iter().enumerate().map(|(b, &d)| {
                let Mean { mean, error } = block.error(None, (m, b), |errors| errors.spectral);
                Point {
                    x: d as f64,
                    y: mean,
                    error,
                }
            });
            Series {
                name: method.name.clone(),
                points: points.collect(),
            }
        });
        Chart {
            title: block.setting.to_string(),
            x: "features d (count)".to_string(),
            y: "spectral norm of BV - R (units of V)".to_string(),
            scales: [Scale::Logarithmic; 2],
            series: series.collect(),
        }
    });
    svg(&charts.collect::<Vec<_>>())
}
