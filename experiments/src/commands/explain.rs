//! What a tape tells about itself: one example through the real model, forward and backward, a line for every node.
//!
//! The example is a made-up text, one of a task, or one of a step of a run, to which `replay` goes back (`subject`). Two
//! methods can be told side by side (`compare`), and the norms of many steps (`scan`).

mod compare;
mod scan;
mod studied;
mod subject;
mod terminal;

pub(crate) use scan::{Scan, Steps};
pub(crate) use studied::Studied;
pub(crate) use subject::{Subject, Which, arrive};

use crate::files::out_file::{Known, OutFile, Own};
use crate::run::kept::Files;
use crate::settings::choices::{Task, method};
use crate::settings::product::{self, ProductFlag};
use crate::show::grid::{Grid, cells, left, right};
use crate::show::number::{bytes, micros, or_dash, three_digits};
use crate::terminal::error::{Error, Result};
use crate::terminal::output::{answer, json, tell};
use crate::terminal::parse::{parse_count, parse_seed, parse_threads, threads, whole};
use crate::train::replay::Replay;
use ::answer::tape::place;
use clap::Args;
use engine::{Params, Record, Tape};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use terminal::Terminal;

/// More tokens than this are no tiny example.
const MOST: usize = 16384;
/// Below the flags in the help text.
const COLUMNS: &str = "\
Prints the parameters, then every operator in the order of the forward pass:
its parents, the bytes it saves for backward, microseconds forward and
backward, the Euclidean norms of its value y and of the gradient dy that reached
it, and where it and its gradient are written. Without --task or --run the
example is a made-up text.

With --run the run goes back to before step N, from the nearest checkpoint, and
what is told are the bits of that step: each step on the way is compared with
metrics.jsonl. `--keep-every` of a run keeps checkpoints for this.";

/// Shows the tape of an example or of a step, node by node
#[derive(Args, Debug)]
#[command(after_help = COLUMNS)]
struct Flags {
    /// Attention method; an unknown name lists them
    #[arg(
        long,
        value_name = "NAME",
        required_unless_present_any = ["run", "diff", "json_question"],
        conflicts_with = "run"
    )]
    attn: Option<String>,
    /// Features: how many keys, rows or projections the method may use [default: 16, or
    /// those of the smoke budget of --task]
    #[arg(long, value_name = "N", value_parser = whole(1..=MOST), conflicts_with = "run")]
    features: Option<usize>,
    /// Tokens of the example, or where those of --task are cut [default: 64, or as the
    /// smoke budget of --task]
    #[arg(long, value_name = "N", value_parser = whole(1..=MOST), conflicts_with = "run")]
    tokens: Option<usize>,
    /// Seed of the parameters, draws and dropout
    #[arg(
        long,
        value_name = "N",
        default_value = "42",
        value_parser = parse_seed,
        conflicts_with = "run"
    )]
    seed: u64,
    /// The example is one of this task: text, listops, retrieval, pathfinder or image
    #[arg(
        long,
        value_name = "TASK",
        hide_possible_values = true,
        conflicts_with = "run"
    )]
    task: Option<Task>,
    /// The example is one of a step of this run
    #[arg(long, value_name = "RUN")]
    run: Option<PathBuf>,
    /// Which step, from 1, with the weights before it
    #[arg(long, value_name = "N", requires = "run", value_parser = whole(1..=usize::MAX))]
    step: Option<usize>,
    /// Its place in the batch, from 0 [default: 0]
    #[arg(long, value_name = "I", value_parser = parse_count, conflicts_with = "id")]
    example: Option<usize>,
    /// Its number in the train split
    #[arg(long, value_name = "N", value_parser = parse_count)]
    id: Option<usize>,
    /// Norms of gradients over these steps of the run, a row a node
    #[arg(
        long,
        value_name = "A..B",
        requires = "run",
        conflicts_with = "step",
        value_parser = Steps::parse
    )]
    scan: Option<Steps>,
    /// With --scan: all its numbers (.csv) or a heat map (.svg)
    #[arg(long, value_name = "FILE", requires = "scan")]
    out: Option<PathBuf>,
    /// Two methods side by side on the same parameters: --diff softmax skein
    #[arg(
        long,
        value_name = "NAME",
        num_args = 2,
        value_names = ["NAME", "NAME"],
        conflicts_with_all = ["attn", "run"]
    )]
    diff: Vec<String>,
    /// Print JSON, without times
    #[arg(long, conflicts_with = "scan")]
    json: bool,
    /// Answer a question in JSON, such as '{"ask": "method", "attn": "skein"}'
    #[arg(
        long = "ask",
        value_name = "QUESTION",
        exclusive = true,
        id = "json_question"
    )]
    ask: Option<String>,
    /// Also write every value and gradient into this folder: tape.json and
    /// tape.safetensors
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["scan", "diff"])]
    dump: Option<PathBuf>,
    /// Replace files that are there
    #[arg(long)]
    overwrite: bool,
    /// Threads that replay a run; the results do not depend on it [default: all cores]
    #[arg(long, value_name = "N", value_parser = parse_threads)]
    threads: Option<usize>,
    #[command(flatten)]
    product: ProductFlag,
}

/// `skein explain`.
pub(super) fn command() -> super::Command {
    let example = "skein explain --attn skein";
    super::Command::new("explain", example, |flags: Flags| explain(&flags))
}

fn explain(flags: &Flags) -> Result<ExitCode> {
    if let Some(question) = &flags.ask {
        let told = ::answer::answer(question).map_err(|refused| Error::usage(refused.0))?;
        answer(&(told + "\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    match flags.run {
        None => product::choose(flags.product.get())?,
        Some(_) if flags.product.is_given() => {
            let message = "--product: expected none beside --run";
            return Err(Error::usage(message).hint("a run is replayed with its own"));
        }
        Some(_) => {}
    }
    if let (Some(run), Some(steps)) = (&flags.run, flags.scan) {
        return scan(flags, run, steps);
    }
    if let [one, other] = &*flags.diff {
        return diff(flags, [one, other]);
    }
    let files = files(flags)?;
    let subject = subject(flags, flags.attn.as_deref().unwrap_or_default())?;
    if flags.json || flags.dump.is_some() {
        let tape = Tape::keeping();
        let studied = Studied::of(&subject, &tape);
        if let [Some(into_json), Some(into_numbers)] = &files {
            let Files { json, numbers } = Files::new(&tape, &studied.gradients, &studied.whole)?;
            into_numbers.write(&numbers)?;
            into_json.write(&json)?;
            if let Some(folder) = &flags.dump {
                tell(&format!(
                    "wrote tape.json and tape.safetensors into {}",
                    folder.display()
                ));
            }
        }
        if flags.json {
            answer(&studied.json()?)?;
            return Ok(ExitCode::SUCCESS);
        }
    }
    // Twice: the first pass pays for fresh memory, the second is what a step of training sees.
    subject.pass(&Tape::new());
    let tape = Tape::traced();
    let passed = subject.pass(&tape);
    let entry = method(subject.attn())?;
    let mut text = format!(
        "{}: {}\n{}: loss {:.4}\n\n",
        entry.name, entry.about, passed.example, passed.loss
    );
    text.push_str(&describe(&tape.records(), subject.params()));
    answer(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// The files of `--dump`.
fn files(flags: &Flags) -> Result<[Option<OutFile>; 2]> {
    let named: [Known; 2] = [
        ("tape.json", |text| text.starts_with("{\n  \"attn\": ")),
        ("tape.safetensors", |text| {
            text.contains("\"gradient.0") || text.contains("\"value.0")
        }),
    ];
    OutFile::all_in(flags.dump.as_deref(), flags.overwrite, "no tape", named)
}

fn which(flags: &Flags) -> Which {
    match flags.id {
        Some(id) => Which::Id(id),
        None => Which::Place(flags.example.unwrap_or(0)),
    }
}

/// What the flags say is to be explained, with this method if it is of no run.
fn subject(flags: &Flags, attn: &str) -> Result<Subject> {
    let which = which(flags);
    if let Some(folder) = &flags.run {
        let step = flags.step.ok_or_else(|| {
            let message = "--run RUN: expected --step N or --scan A..B beside it";
            Error::usage(message).hint("skein explain --run runs/text-skein-s42 --step 1")
        })?;
        let watch = &mut Terminal::default();
        let mut replay = Replay::open(folder, step - 1, threads(flags.threads), watch)?;
        let arrival = arrive(&mut replay, step, which, watch)?;
        return Ok(Subject::of_run(replay, arrival));
    }
    match flags.task {
        Some(task) => {
            let sizes = (flags.features, flags.tokens);
            Subject::of_task(task, attn, sizes, flags.seed, which)
        }
        None if flags.example.is_some() || flags.id.is_some() => {
            let message = "--example and --id: expected --task TASK or --run RUN beside them";
            Err(Error::usage(message).hint("the made-up text is the only one"))
        }
        None => Subject::made_up(
            attn,
            flags.features.unwrap_or(16),
            flags.tokens.unwrap_or(64),
            flags.seed,
        ),
    }
}

fn scan(flags: &Flags, run: &Path, steps: Steps) -> Result<ExitCode> {
    let out = match &flags.out {
        None => None,
        Some(path) => {
            let kind = scan::Kind::of(path)?;
            let own = Own {
                what: "no scan",
                is: kind.begins(),
            };
            Some((kind, path, OutFile::new(path, flags.overwrite, Some(&own))?))
        }
    };
    let watch = &mut Terminal::default();
    let mut replay = Replay::open(run, steps.first - 1, threads(flags.threads), watch)?;
    let scan = Scan::of(&mut replay, steps, which(flags), watch)?;
    if let Some((kind, path, out)) = &out {
        out.write(scan.file(*kind).as_bytes())?;
        tell(&format!("wrote {}", path.display()));
    }
    answer(&scan.table())?;
    Ok(ExitCode::SUCCESS)
}

fn diff(flags: &Flags, [one, other]: [&str; 2]) -> Result<ExitCode> {
    #[derive(Serialize)]
    struct Both<'a> {
        attn: [&'a str; 2],
        loss: [f64; 2],
        nodes: &'a [compare::Pair],
    }
    let (a, mut b) = (subject(flags, one)?, subject(flags, other)?);
    compare::share(&a, &mut b);
    let (loss, pairs) = compare::compare([&a, &b]);
    let attn = [a.attn(), b.attn()];
    if flags.json {
        let nodes = &pairs;
        answer(&json(&Both { attn, loss, nodes }, true)?)?;
    } else {
        answer(&format!(
            "{} (loss {:.4}) and {} (loss {:.4}) on the same parameters and example\n\n{}",
            attn[0],
            loss[0],
            attn[1],
            loss[1],
            compare::table(&pairs, attn)
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The records of a tape as two tables: the parameters bound to it, which come first, and all other
/// nodes; and their totals.
fn describe(records: &[Record], params: &Params<f32>) -> String {
    let (leaves, nodes) = records.split_at(params.values().len());
    let norm = |norm: Option<f64>| or_dash(norm, three_digits);
    let shape = |record: &Record| format!("{}x{}", record.shape.0, record.shape.1);

    let mut leaf_table = Grid::new([
        right("#", 0),
        right("shape", 0),
        right("|y|", 0),
        right("|dy|", 0),
        left("parameter", 0),
    ]);
    for (i, (leaf, (name, _))) in leaves.iter().zip(params.iter()).enumerate() {
        leaf_table.rows.push(cells![
            i,
            shape(leaf),
            norm(leaf.value_norm),
            norm(leaf.gradient_norm),
            name
        ]);
    }
    let mut node_table = Grid::new([
        right("#", 0),
        left("operator", 0),
        right("shape", 0),
        left("parents", 0),
        right("saved", 0),
        right("fwd", 0),
        right("bwd", 0),
        right("|y|", 0),
        right("|dy|", 0),
        left("its gradient is written at", 0),
    ]);
    for (i, node) in nodes.iter().enumerate() {
        let parents: Vec<String> = node.parents.iter().map(usize::to_string).collect();
        let written = place(node.location);
        node_table.rows.push(cells![
            leaves.len() + i,
            node.name,
            shape(node),
            parents.join(" "),
            bytes(node.saved_bytes),
            micros(node.forward),
            micros(node.backward),
            norm(node.value_norm),
            norm(node.gradient_norm),
            format!("{}:{}", written.file, written.line),
        ]);
    }
    let sum = |part: fn(&Record) -> Duration| micros(nodes.iter().map(part).sum());
    let saved = bytes(nodes.iter().map(|node| node.saved_bytes).sum());
    let (forward, backward) = (sum(|node| node.forward), sum(|node| node.backward));
    let count = format!("{} nodes", nodes.len());
    let total = format!("total ({} parameters)", params.count());
    node_table.rows.push(cells![
        "", count, "", "", saved, forward, backward, "", "", total
    ]);
    format!("{}\n{}", leaf_table.text(), node_table.text())
}
