//! Every registered method over the number of tokens: time forward and backward, memory, and how far
//! output and gradient are from those of exact attention. One head on one thread, dropout off;
//! inputs are the laws of [`crate::commands::approx`], drawn anew in every trial, the same for all methods.
//!
//! Quadratic methods take long at many tokens: a cell whose time, predicted from the method's cost
//! formula and its last cell, is over the limit is skipped, and says so.

use crate::commands::approx::input::{self, Head, Input, Setting};
use crate::commands::approx::spectral::spectral_norm;
use crate::commands::approx::trial::{Passed, difference, pass};
use crate::commands::approx::{parse_count, parse_scale};
use crate::commands::bench_step::parse_seconds;
use crate::files::out_file::OutFile;
use crate::machine::memory::lacking;
use crate::numbers::statistics::median;
use crate::settings::choices::method;
use crate::settings::product::{self, ProductFlag};
use crate::show::chart::{Chart, Point, Scale, Series, is_svg, svg};
use crate::show::grid::{Grid, cells, left, right};
use crate::show::number::{exact, four_places, or_dash, places};
use crate::terminal::error::Result;
use crate::terminal::error::refuse_more;
use crate::terminal::output::{answer, tell};
use crate::terminal::parse::{distinct, parse_seed, whole};
use clap::Args;
use engine::buffer::most_bytes;
use engine::{Seed, Stream, Tensor};
use ops::attention::softmax::Softmax;
use ops::attention::{Attention, Entry, Options, find, registry};
use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

const MOST_TRIALS: usize = 1000;
/// Multiply-adds a second before anything was measured: slow, so that the first cell of a long list
/// is rather skipped than waited for.
const SPEED: f64 = 1e10;
/// Forward and backward together, in forwards.
const FORWARDS: f64 = 3.5;
/// Errors below this stand at it in the chart: exact methods have none, and logarithms no zero.
const FLOOR: f64 = 1e-3;

/// Below the flags in the help text.
const NOTES: &str = "\
Times are medians over the trials. Peak is the most memory in tensors beside Q,
K and V, output and gradients included. Error is that of the output in the
spectral norm, relative to the exact output's; gradient error that of dQ, dK and
dV together in the Euclidean norm, relative to the exact ones'; both are means.
reformer (queries are its keys), skyformer and kernelized (a Gaussian kernel),
kl- and race (kernels to be learned) and linformer (before training) do not
approximate exact attention of these Q, K and V: their errors say how different
they are. --n takes long above 16384.";

/// Times every method and measures its error against exact attention
#[derive(Args, Debug)]
#[command(after_help = NOTES)]
struct Flags {
    /// Methods, a list [default: all]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    attn: Option<Vec<String>>,
    /// Tokens, a list [default: 256,512,1024,2048,4096,8192,16384]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = parse_count)]
    n: Option<Vec<usize>>,
    /// Features d of the methods
    #[arg(long, value_name = "N", default_value = "256", value_parser = parse_count)]
    features: usize,
    /// Law of the inputs, gauss or tokens
    #[arg(long, value_name = "NAME", default_value = "tokens", value_parser = parse_law)]
    input: Input,
    /// Standard deviation of the logits
    #[arg(long, value_name = "S", default_value = "1", value_parser = parse_scale)]
    scale: f64,
    /// Trials
    #[arg(long, value_name = "N", default_value = "3", value_parser = whole(1..=MOST_TRIALS))]
    trials: usize,
    /// Skip a cell that would take longer, in seconds
    #[arg(long, value_name = "S", default_value = "60", value_parser = parse_seconds)]
    limit: f64,
    /// Write attention.csv (after every n) and attention.svg there
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Replace files there that are by others
    #[arg(long, requires = "out")]
    overwrite: bool,
    /// Seed of every random number
    #[arg(long, value_name = "N", default_value = "42", value_parser = parse_seed)]
    seed: u64,
    #[command(flatten)]
    product: ProductFlag,
}

impl Flags {
    fn options(&self) -> Options {
        Options {
            features: self.features,
            ..Options::default()
        }
    }
}

fn parse_law(text: &str) -> std::result::Result<Input, String> {
    let laws = [Input::Gauss, Input::Tokens];
    let law = laws.into_iter().find(|law| law.name() == text);
    law.ok_or_else(|| "expected gauss or tokens".to_string())
}

/// One method at one number of tokens.
#[derive(Clone, Copy, Debug)]
enum Cell {
    Measured(Measured),
    /// It would have taken so many seconds.
    Skipped(f64),
    /// It would have taken so many bytes.
    TooLarge(f64),
}

#[derive(Clone, Copy, Debug)]
struct Measured {
    /// Median seconds.
    forward: f64,
    backward: f64,
    /// The most in tensors at once.
    bytes: u64,
    /// Of the output and of the gradient; `None` where exact attention was skipped.
    errors: Option<(f64, f64)>,
}

/// One trial's inputs, and what is exact for them.
struct Trial {
    head: Head,
    cotangent: Tensor<f32>,
    exact: Option<Passed>,
    stream: Stream,
}

/// All methods at one number of tokens.
struct Block {
    n: usize,
    cells: Vec<Cell>,
}

/// `skein bench attention`.
pub(super) fn command() -> super::Command {
    let example = "skein bench attention --n 1024,4096";
    super::Command::new("attention", example, |flags: Flags| bench(&flags))
}

fn bench(flags: &Flags) -> Result<ExitCode> {
    product::choose(flags.product.get())?;
    let methods: Vec<Entry<f32>> = match &flags.attn {
        None => registry(),
        Some(names) => distinct(names)
            .into_iter()
            .map(|name| method(name))
            .collect::<Result<_>>()?,
    };
    let lengths = match &flags.n {
        None => (8..=14).map(|power| 1 << power).collect(),
        Some(lengths) => {
            let mut lengths = distinct(lengths.iter().copied());
            lengths.sort_unstable();
            lengths
        }
    };
    // Q, K, V, the cotangent, and what is exact for them, of every trial.
    let longest = lengths.iter().copied().max().unwrap_or(0) as f64;
    let bytes = 8.0 * longest * (input::WIDTH * flags.trials * size_of::<f32>()) as f64;
    let what = format!("n = {longest} in {} trials", flags.trials);
    refuse_more(&what, bytes, "smaller --n or --trials take less")?;
    let [csv_file, svg_file] = OutFile::all_in(
        flags.out.as_deref(),
        flags.overwrite,
        "not by skein bench attention",
        [
            ("attention.csv", |text| text.starts_with(HEADER)),
            ("attention.svg", is_svg),
        ],
    )?;
    let mut blocks: Vec<Block> = Vec::new();
    for n in lengths {
        let start = Instant::now();
        let block = block(flags, &methods, n, blocks.last());
        tell(&format!("n = {n}: {:.1} s", start.elapsed().as_secs_f64()));
        blocks.push(block);
        if let Some(file) = &csv_file {
            // Now, so that whoever stops the program keeps it.
            file.write(csv(flags, &methods, &blocks).as_bytes())?;
        }
    }
    if let Some(file) = &svg_file {
        file.write(chart(&methods, &blocks).as_bytes())?;
    }
    answer(&table(flags, &methods, &blocks))?;
    Ok(ExitCode::SUCCESS)
}

/// Seconds that `trials` passes of a method should take: as at the fewer tokens before, by its
/// formula.
fn predicted(
    entry: &Entry<f32>,
    options: &Options,
    trials: usize,
    n: usize,
    before: Option<(usize, Measured)>,
) -> f64 {
    let cost = |n: usize| (entry.cost)(options, n as f64, input::WIDTH as f64).multiply_adds;
    let pass = match before {
        Some((fewer, cell)) => (cell.forward + cell.backward) * cost(n) / cost(fewer).max(1.0),
        None => FORWARDS * cost(n) / SPEED,
    };
    pass * trials as f64
}

fn block(flags: &Flags, methods: &[Entry<f32>], n: usize, before: Option<&Block>) -> Block {
    let options = flags.options();
    let exact = find::<f32>("softmax-nodrop").expect("exact attention is registered");
    let knows_exact = predicted(&exact, &options, flags.trials, n, None) <= flags.limit;
    let trials: Vec<Trial> = (0..flags.trials)
        .map(|trial| {
            let setting = Setting {
                input: flags.input,
                scale: Some(flags.scale),
                n,
            };
            let stream = setting.stream(Seed(flags.seed).stream("bench"), trial);
            let head = input::draw(flags.input, flags.scale, n, stream);
            let cotangent = stream.stream("cotangent");
            let cotangent = input::normal(n, input::WIDTH, 1.0, &mut cotangent.generator()); // (n, p)
            let softmax = Softmax { dropout: 0.0 };
            let exact = knows_exact.then(|| pass(&softmax, &head, Some(&cotangent), stream));
            Trial {
                head,
                cotangent,
                exact,
                stream,
            }
        })
        .collect();
    let cell = |(m, entry): (usize, &Entry<f32>)| {
        let before = before.and_then(|block| match block.cells[m] {
            Cell::Measured(cell) => Some((block.n, cell)),
            Cell::Skipped(_) | Cell::TooLarge(_) => None,
        });
        let seconds = predicted(entry, &options, flags.trials, n, before);
        let bytes = entry.bytes(&options, n, input::WIDTH);
        match seconds <= flags.limit {
            true if lacking(entry.name, bytes).is_some() => Cell::TooLarge(bytes),
            true => Cell::Measured(measure(entry.name, &*entry.method(&options), &trials)),
            false => Cell::Skipped(seconds),
        }
    };
    let cells = methods.iter().enumerate().map(cell).collect();
    Block { n, cells }
}

fn measure(name: &str, method: &dyn Attention<f32>, trials: &[Trial]) -> Measured {
    let (mut forward, mut backward, mut bytes) = (Vec::new(), Vec::new(), 0);
    let (mut output, mut gradient, mut known) = (0.0, 0.0, 0);
    for trial in trials {
        let stream = trial.stream.stream(name);
        let (got, held) = most_bytes(|| pass(method, &trial.head, Some(&trial.cotangent), stream));
        forward.push(got.forward.as_secs_f64());
        backward.push(got.backward.as_secs_f64());
        bytes = bytes.max(held);
        if let Some(exact) = &trial.exact {
            output += spectral_norm(&difference(&got.y, &exact.y)) / spectral_norm(&exact.y);
            gradient += gradient_error(&got, exact);
            known += 1;
        }
    }
    let mean = |sum: f64| sum / f64::from(known);
    let middle = |times: &[f64]| median(times).expect("there is a trial at least");
    Measured {
        forward: middle(&forward),
        backward: middle(&backward),
        bytes,
        errors: (known > 0).then(|| (mean(output), mean(gradient))),
    }
}

/// ||(dQ, dK, dV) - exact|| / ||exact||, Euclidean.
fn gradient_error(got: &Passed, exact: &Passed) -> f64 {
    let [got, exact] = [got, exact].map(|passed| {
        let gradients = passed.gradients.as_ref();
        gradients.expect("there was a cotangent")
    });
    let square = |norms: [f64; 3]| norms.iter().map(|norm| norm * norm).sum::<f64>();
    let off = square([0, 1, 2].map(|x| difference(&got[x], &exact[x]).norm()));
    (off / square([0, 1, 2].map(|x| exact[x].norm()))).sqrt()
}

fn table(flags: &Flags, methods: &[Entry<f32>], blocks: &[Block]) -> String {
    let mut text = format!(
        "{} s={}, {} features, one head of {} columns, 1 thread, trials: {}\n",
        flags.input.name(),
        flags.scale,
        flags.features,
        input::WIDTH,
        flags.trials
    );
    let mut marked = false;
    for block in blocks {
        let _ = writeln!(text, "\nn = {}", block.n);
        let mut grid = Grid::new([
            left("method", 17),
            right("fwd ms", 10),
            right("bwd ms", 10),
            right("peak KiB", 10),
            right("error", 9),
            right("gradient error", 15),
            left("", 0).gap(0),
        ]);
        for (entry, cell) in methods.iter().zip(&block.cells) {
            let exact = entry.method(&flags.options()).reaches(block.n, block.n);
            marked |= exact && matches!(cell, Cell::Measured(_));
            grid.rows.push(match cell {
                Cell::Skipped(seconds) => {
                    let limit = flags.limit;
                    let why = format!("skipped: about {seconds:.0} s, more than --limit {limit}");
                    cells![entry.name, why]
                }
                Cell::TooLarge(bytes) => {
                    let mib = bytes / f64::from(1 << 20);
                    let why = format!("skipped: needs {mib:.0} MiB, more memory than is free");
                    cells![entry.name, why]
                }
                Cell::Measured(cell) => cells![
                    entry.name,
                    places(3)(1e3 * cell.forward),
                    places(3)(1e3 * cell.backward),
                    places(0)(cell.bytes as f64 / 1024.0),
                    or_dash(cell.errors, |(error, _)| four_places(error)),
                    or_dash(cell.errors, |(_, gradient)| four_places(gradient)),
                    if exact { "*" } else { "" },
                ],
            });
        }
        text += &grid.text();
    }
    if marked {
        text.push_str("\n*: the features reach n, so that this is exact attention\n");
    }
    let skipped = |cell: &Cell| matches!(cell, Cell::Measured(cell) if cell.errors.is_none());
    if blocks.iter().flat_map(|block| &block.cells).any(skipped) {
        text.push_str("\n-: exact attention itself would take longer than --limit\n");
    }
    text
}

/// The first line of attention.csv.
const HEADER: &str = "input,scale,features,trials,n,method,forward_s,backward_s,peak_bytes,\
                      error,gradient_error,skipped_s\n";

fn csv(flags: &Flags, methods: &[Entry<f32>], blocks: &[Block]) -> String {
    let mut grid = Grid::of_csv(HEADER);
    for block in blocks {
        for (entry, cell) in methods.iter().zip(&block.cells) {
            let measured = match cell {
                Cell::Measured(cell) => Some(cell),
                Cell::Skipped(_) | Cell::TooLarge(_) => None,
            };
            let skipped = match cell {
                Cell::Skipped(seconds) => Some(*seconds),
                Cell::Measured(_) | Cell::TooLarge(_) => None,
            };
            let errors = measured.and_then(|cell| cell.errors);
            grid.rows.push(cells![
                flags.input.name(),
                flags.scale,
                flags.features,
                flags.trials,
                block.n,
                entry.name,
                exact(measured.map(|cell| cell.forward)),
                exact(measured.map(|cell| cell.backward)),
                exact(measured.map(|cell| cell.bytes as f64)),
                exact(errors.map(|(error, _)| error)),
                exact(errors.map(|(_, gradient)| gradient)),
                exact(skipped),
            ]);
        }
    }
    grid.csv()
}

/// A panel for every number of tokens: a point for every method.
fn chart(methods: &[Entry<f32>], blocks: &[Block]) -> String {
    let charts = blocks.iter().map(|block| {
        let series = methods.iter().zip(&block.cells).map(|(entry, cell)| {
            let point = match cell {
                Cell::Measured(cell) => cell.errors.map(|(error, _)| Point {
                    x: 1e3 * (cell.forward + cell.backward),
                    y: error.max(FLOOR),
                    error: 0.0,
                }),
                Cell::Skipped(_) | Cell::TooLarge(_) => None,
            };
            Series {
                name: entry.name.to_string(),
                points: point.into_iter().collect(),
            }
        });
        Chart {
            title: format!("n = {}", block.n),
            scales: [Scale::Logarithmic; 2],
            x: "time of forward and backward (ms)".to_string(),
            y: format!("error / norm of BV ({FLOOR}: that or less)"),
            series: series.collect(),
        }
    });
    svg(&charts.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::asserts::has;
    use clap::FromArgMatches;

    fn flags(args: &str) -> Flags {
        let command = Flags::augment_args(clap::Command::new("attention"));
        let matches = command.get_matches_from(["attention"].into_iter().chain(args.split(' ')));
        Flags::from_arg_matches(&matches).unwrap()
    }

    #[test]
    fn errors_are_zero_for_exact_attention_and_memory_is_that_of_tensors() {
        let flags = flags("--n 40 --features 8 --trials 2");
        let methods = registry::<f32>();
        let block = block(&flags, &methods, 40, None);
        let at =
            |name: &str| match block.cells[methods.iter().position(|m| m.name == name).unwrap()] {
                Cell::Measured(cell) => cell,
                other => panic!("{name}: {other:?}"),
            };
        assert_eq!(at("softmax-nodrop").errors, Some((0.0, 0.0)));
        let (error, gradient) = at("vmean").errors.unwrap();
        assert!(error > 0.05 && error < 2.0, "{error}");
        // It has no gradient of Q and K, and most of the others'.
        assert!(gradient > 0.01 && gradient < 2.0, "{gradient}");
        for entry in &methods {
            // Output and three gradients, (n, p) each, at least one of them at once.
            let bytes = at(entry.name).bytes;
            assert!(
                (40 * 32 * 4..4 << 20).contains(&bytes),
                "{}: {bytes}",
                entry.name
            );
        }
    }

    #[test]
    fn what_would_take_too_long_is_skipped_and_named() {
        let flags = flags("--n 64,128 --attn softmax-nodrop,vmean --limit 0");
        let methods: Vec<_> = ["softmax-nodrop", "vmean"]
            .map(|name| find(name).unwrap())
            .into();
        let block = block(&flags, &methods, 64, None);
        let skipped = |cell: &Cell| matches!(cell, Cell::Skipped(_));
        assert!(skipped(&block.cells[0]));
        let text = table(&flags, &methods, &[block]);
        has(
            &text,
            "softmax-nodrop    skipped: about 0 s, more than --limit 0",
        );
        // By the formula, from the cell before: four times the time at twice the tokens.
        let cell = Measured {
            forward: 1.0,
            backward: 2.0,
            bytes: 0,
            errors: None,
        };
        let seconds = predicted(&methods[0], &Options::default(), 2, 128, Some((64, cell)));
        assert!((seconds / 24.0 - 1.0).abs() < 0.1, "{seconds}");
    }
}
