//! What a tape tells about itself: one tiny example through the real model, forward and backward, a
//! line for every node.

use crate::settings::choices::method;
use crate::settings::product::{self, ProductFlag};
use crate::show::grid::{Grid, cells, left, right};
use crate::show::number::{bytes, micros, or_dash, three_digits};
use crate::terminal::error::Result;
use crate::terminal::error::refuse_more;
use crate::terminal::output::answer;
use crate::terminal::parse::{parse_seed, whole};
use clap::Args;
use engine::{Draws, Params, Record, Seed, Tape};
use models::{Document, Model, ModelConfig};
use ops::attention::Options;
use std::path::{MAIN_SEPARATOR_STR, Path};
use std::process::ExitCode;
use std::time::Duration;

/// What the example says, over and over, until it is long enough.
const TEXT: &[u8] =
    b"Every gradient stands in one file, at once below what it is the gradient of. ";
/// The rate of dropout of the paper's models.
const DROPOUT: f64 = 0.1;
/// More tokens than this are no tiny example.
const MOST: usize = 16384;
/// Below the flags in the help text.
const COLUMNS: &str = "\
Prints the parameters, then every operator in the order of the forward pass:
its parents, the bytes it saves for backward, microseconds forward and
backward, the Euclidean norms of its value y and of the gradient dy that reached
it, and where it and its gradient are written.";

/// Shows the tape of one tiny training step, node by node
#[derive(Args, Debug)]
#[command(after_help = COLUMNS)]
struct Flags {
    /// Attention method; an unknown name lists them
    #[arg(long, value_name = "NAME")]
    attn: String,
    /// Features: how many keys, rows or projections the method may use
    #[arg(long, value_name = "N", default_value = "16", value_parser = whole(1..=MOST))]
    features: usize,
    /// Tokens of the example
    #[arg(long, value_name = "N", default_value = "64", value_parser = whole(1..=MOST))]
    tokens: usize,
    /// Seed of the parameters, draws and dropout
    #[arg(long, value_name = "N", default_value = "42", value_parser = parse_seed)]
    seed: u64,
    #[command(flatten)]
    product: ProductFlag,
}

/// `skein explain`.
pub(super) fn command() -> super::Command {
    let example = "skein explain --attn skein";
    super::Command::new("explain", example, |flags: Flags| explain(&flags))
}

fn explain(flags: &Flags) -> Result<ExitCode> {
    product::choose(flags.product.get())?;
    let entry = method(&flags.attn)?;
    let options = Options {
        features: flags.features,
        dropout: DROPOUT,
        ..Options::default()
    };
    let method = entry.method(&options);
    let config = ModelConfig {
        dropout: DROPOUT,
        ..ModelConfig::new(512, flags.tokens.next_power_of_two(), 2, 1)
    };
    // The parameters, their gradient, and one head at work.
    let numbers = Model::numbers(&config, &*method);
    let bytes = 8.0 * numbers + entry.bytes(&options, flags.tokens, config.head_width());
    let what = format!(
        "{} with {} features and {} tokens",
        entry.name, flags.features, flags.tokens
    );
    refuse_more(&what, bytes, "smaller --features or --tokens take less")?;
    let seed = Seed(flags.seed);
    let (model, params) = Model::new(config, method, seed);
    let tokens = TEXT.iter().cycle().take(flags.tokens);
    let document = [Document::text(
        tokens.map(|&byte| u32::from(byte) + 1).collect(),
    )];

    // Twice: the first pass pays for fresh memory, the second is what a step of training sees.
    let pass = |tape: &Tape<f32>| {
        let bound = params.bind(tape);
        let draws = Draws::live(seed.stream("draws"));
        let loss = model.loss(&bound, &document, 1, &draws, Some(seed.stream("dropout")));
        tape.backward(&loss);
        loss.item()
    };
    pass(&Tape::new());
    let tape = Tape::traced();
    let loss = pass(&tape);

    let mut text = format!(
        "{}: {}\n{} tokens, {} features, seed {}, dropout {DROPOUT}, f32: loss {loss:.4}\n\n",
        entry.name, entry.about, flags.tokens, flags.features, flags.seed,
    );
    text.push_str(&describe(&tape.records(), &params));
    answer(&text)?;
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
        let location = node.location;
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
            format!("{}:{}", in_workspace(location.file()), location.line()),
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

/// The path of a source file from the root of the workspace, wherever it was compiled.
fn in_workspace(file: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    let path = Path::new(file);
    let path = root
        .and_then(|root| path.strip_prefix(root).ok())
        .unwrap_or(path);
    path.to_string_lossy().replace(MAIN_SEPARATOR_STR, "/")
}
