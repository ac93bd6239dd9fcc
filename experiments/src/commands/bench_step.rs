//! The time of one training step, and what else it takes.
//!
//! The data are random bytes with random labels; forward, backward, the sum over the batch and the
//! optimiser are those of every experiment. Give the machine nothing else to do.

use crate::machine::clock::a_second;
use crate::machine::memory;
use crate::numbers::statistics::median;
use crate::settings::choices::{Budget, Task, method};
use crate::settings::config::Config;
use crate::settings::product::{self, ProductFlag};
use crate::terminal::error::Result;
use crate::terminal::error::refuse_more;
use crate::terminal::output::{answer, tell};
use crate::terminal::parse::{parse_threads, whole};
use crate::train::profile::Profile;
use crate::train::trainer::{self, Trainer};
use clap::Args;
use datasets::{Black, Dataset, Example};
use engine::cpu::Product;
use engine::lanes::{Level, level};
use engine::{Generator, Real, Seed};
use serde::{Deserialize, Serialize};
use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Lengths of a batch of 16 reviews at n = 4096, so that two programs can be given the same ones.
const REVIEWS: [usize; 16] = [
    890, 588, 1175, 946, 1258, 945, 395, 559, 805, 1191, 859, 745, 1339, 3516, 631, 814,
];
/// A longer example, or a larger batch, is a mistake of typing.
const MOST: usize = 1 << 20;
const LEAST_STEPS: usize = 3;
const MOST_STEPS: usize = 30;

/// Below the flags in the help text.
const NOTES: &str = "\
Prints one JSON line: the median, the shortest and the longest time of the steps
after the first, the most memory the process has had, fresh pages of memory a
step, the operations of a step's matrix products, and their share of what the
threads reach on multiply-adds in registers.";

/// Times one training step of the Text model on random bytes
#[derive(Args, Debug)]
#[command(after_help = NOTES)]
struct Flags {
    /// Attention method (skein text --list shows them)
    #[arg(long, value_name = "NAME", default_value = "skein")]
    attn: String,
    /// Features d of the method
    #[arg(long, value_name = "N", default_value = "256", value_parser = parse_count)]
    features: usize,
    /// Longest example, and rows of the position table
    #[arg(long, value_name = "N", default_value = "4096", value_parser = parse_count)]
    n: usize,
    /// Examples a step
    #[arg(long, value_name = "N", default_value = "16", value_parser = parse_count)]
    batch: usize,
    /// Layers of the encoder
    #[arg(long, value_name = "N", default_value = "2", value_parser = parse_count)]
    layers: usize,
    /// Columns of a token's vector
    #[arg(long, value_name = "N", default_value = "64", value_parser = parse_count)]
    dim: usize,
    /// Columns between the two linear maps of a layer, and of the classifier
    #[arg(long, value_name = "N", default_value = "128", value_parser = parse_count)]
    hidden: usize,
    /// Attention heads, which share the columns out among them
    #[arg(long, value_name = "N", default_value = "2", value_parser = parse_count)]
    heads: usize,
    /// Every example of n tokens, or lengths like those of IMDb reviews
    #[arg(long, value_enum, default_value = "full")]
    lengths: Lengths,
    /// Threads
    #[arg(long, value_name = "N", default_value = "2", value_parser = parse_threads)]
    threads: usize,
    /// How long to go on (at least 3 steps, at most 30)
    #[arg(long, value_name = "S", default_value = "20", value_parser = parse_seconds)]
    seconds: f64,
    #[command(flatten)]
    product: ProductFlag,
    /// Also print, to standard error, where the time of the steps went, by operator
    #[arg(long)]
    profile: bool,
}

#[derive(clap::ValueEnum, Serialize, Deserialize, Clone, Copy, Debug)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Lengths {
    Full,
    Imdb,
}

/// What is timed.
pub(crate) struct Request {
    /// The task, whose model it is, and of its settings the method, features, batch and length.
    pub(crate) config: Config,
    pub(crate) lengths: Lengths,
    pub(crate) threads: usize,
    pub(crate) seconds: f64,
    /// Steps beside the first.
    pub(crate) least_steps: usize,
    pub(crate) profile: bool,
}

#[derive(Serialize, Deserialize, Clone, Debug)]
pub(crate) struct Report {
    pub(crate) attn: String,
    pub(crate) n: usize,
    pub(crate) batch: usize,
    pub(crate) lengths: Lengths,
    pub(crate) threads: usize,
    pub(crate) features: usize,
    pub(crate) layers: usize,
    pub(crate) dim: usize,
    pub(crate) hidden: usize,
    pub(crate) heads: usize,
    #[serde(with = "product")]
    pub(crate) product: Product,
    /// Median of the steps after the first.
    pub(crate) step_s: f64,
    pub(crate) min_s: f64,
    pub(crate) max_s: f64,
    pub(crate) real_tokens: usize,
    /// This and the other two rates: none where the clock stood still.
    pub(crate) tokens_per_s: Option<f64>,
    pub(crate) peak_rss_mib: Option<f64>,
    /// Fresh pages of memory a step, of all threads, in the mean over the timed steps.
    pub(crate) page_faults: Option<f64>,
    /// Operations of a step's matrix products, a multiply-add counting as two.
    pub(crate) gflop: f64,
    pub(crate) gflop_per_s: Option<f64>,
    /// Share of what the threads reach on fused multiply-adds in registers.
    pub(crate) share_of_peak: Option<f64>,
}

pub(crate) fn parse_count(text: &str) -> std::result::Result<usize, String> {
    whole(1..=MOST)(text)
}

pub(crate) fn parse_seconds(text: &str) -> std::result::Result<f64, String> {
    let seconds = text.parse().ok().filter(|s| (0.0..=1e6).contains(s));
    let seconds = seconds.map(|seconds: f64| seconds + 0.0); // -0 is 0
    seconds.ok_or_else(|| "expected a number of seconds from 0 to 1000000".to_string())
}

/// `skein bench step`.
pub(super) fn command() -> super::Command {
    let example = "skein bench step --attn skein --n 4096 --batch 16";
    super::Command::new("step", example, |flags: Flags| bench(&flags))
}

fn bench(flags: &Flags) -> Result<ExitCode> {
    method(&flags.attn)?;
    let request = Request {
        config: Config {
            attn: flags.attn.clone(),
            features: flags.features,
            batch: flags.batch,
            max_len: flags.n,
            layers: flags.layers,
            dim: flags.dim,
            hidden: flags.hidden,
            heads: flags.heads,
            product: flags.product.get(),
            ..Task::Text.preset(Budget::Paper)
        },
        lengths: flags.lengths,
        threads: flags.threads,
        seconds: flags.seconds,
        least_steps: LEAST_STEPS,
        profile: flags.profile,
    };
    let (report, profile) = measure(request)?;
    answer(&format!("{}\n", serde_json::to_string(&report)?))?;
    if let Some(profile) = profile {
        tell(profile.to_string().trim_end());
    }
    Ok(ExitCode::SUCCESS)
}

/// Refuses steps that do not fit into memory, the examples included.
pub(crate) fn refuse_too_large(config: &Config, threads: usize) -> Result<()> {
    let bytes = config.task.entry().documents as f64 * config.max_len as f64 * config.batch as f64;
    let what = format!("{} examples of {} tokens", config.batch, config.max_len);
    refuse_more(&what, bytes, "smaller --n or --batch take less")?;
    trainer::refuse_too_large(config, threads)
}

/// Times steps until the time of the request is over, and the first one before.
pub(crate) fn measure(request: Request) -> Result<(Report, Option<Profile>)> {
    let Request {
        config,
        lengths,
        threads,
        seconds,
        least_steps,
        profile,
    } = request;
    let config = Config {
        steps: MOST_STEPS + 1,
        warmup: 1,
        ..config
    };
    refuse_too_large(&config, threads)?;
    let mut trainer = Trainer::new(&config, data(&config, lengths), threads)?;
    let peak = peak_multiply_adds() * threads as f64;

    trainer.step(0)?;
    if profile {
        trainer.start_profile();
    }
    let end = Instant::now() + Duration::try_from_secs_f64(seconds)?;
    let mut times = Vec::new();
    let mut last = None;
    let faults = memory::page_faults();
    while times.len() < least_steps || (Instant::now() < end && times.len() < MOST_STEPS) {
        let start = Instant::now();
        last = Some(trainer.step(times.len() + 1)?);
        times.push(start.elapsed().as_secs_f64());
    }
    let page_faults = (memory::page_faults().zip(faults))
        .map(|(now, then)| now.saturating_sub(then) as f64 / times.len() as f64);
    times.sort_by(f64::total_cmp);
    let step_s = median(&times).expect("there is a step at least");
    let (tokens, multiply_adds) = last.map_or((0, 0), |step| (step.tokens, step.multiply_adds));
    let report = Report {
        attn: config.attn,
        n: config.max_len,
        batch: config.batch,
        lengths,
        threads,
        features: config.features,
        layers: config.layers,
        dim: config.dim,
        hidden: config.hidden,
        heads: config.heads,
        product: config.product,
        step_s,
        min_s: times[0],
        max_s: times[times.len() - 1],
        real_tokens: tokens,
        tokens_per_s: a_second(tokens as f64, step_s),
        peak_rss_mib: memory::peak(),
        page_faults,
        gflop: 2e-9 * multiply_adds as f64,
        gflop_per_s: a_second(2e-9 * multiply_adds as f64, step_s),
        share_of_peak: a_second(multiply_adds as f64, step_s * peak),
    };
    Ok((report, trainer.profile().cloned()))
}

/// Multiply-adds of `f32` a second that one core reaches on numbers in registers with fused instructions: the ceiling
/// that a matrix product is measured against. Takes milliseconds.
fn peak_multiply_adds() -> f64 {
    let (a, b) = black_box((0.999f32, 0.001));
    let start = Instant::now();
    let count = chains(a, b);
    count as f64 / start.elapsed().as_secs_f64()
}

engine::lanes! {
    /// Some multiply-adds in registers, and how many they were: sums that do not wait for each other, a dozen vectors of
    /// them, more than hide the latency of every port, and fewer than there are registers.
    fn chains<T>(a: T, b: T) -> u64 {
        match level() {
            Level::Avx512 => chains_of::<T, 192>(|x| x.mul_add(a, b)),
            Level::Avx2 => chains_of::<T, 96>(|x| x.mul_add(a, b)),
            // Without the instruction a fused step would be a call; the product has no use for it.
            Level::Portable if cfg!(target_arch = "x86_64") => chains_of::<T, 48>(|x| x * a + b),
            Level::Portable => chains_of::<T, 48>(|x| x.mul_add(a, b)),
        }
    }
}

#[inline(always)]
fn chains_of<T: Real, const N: usize>(step: impl Fn(T) -> T) -> u64 {
    const ROUNDS: u64 = 400_000;
    let mut x = black_box([T::ONE; N]);
    for _ in 0..ROUNDS {
        for x in &mut x {
            *x = step(*x);
        }
    }
    black_box(x);
    N as u64 * ROUNDS
}

/// One batch of random tokens, in the vocabulary, classes and documents of the task.
pub(crate) fn data(config: &Config, lengths: Lengths) -> Dataset {
    let encoding = config.task.encoding(Black::Kept); // every byte is a token
    let classes = config.task.classes(true);
    let symbols = (encoding.vocabulary - usize::from(encoding.offset)).min(256);
    let generator = &mut Seed(1).stream("bench").generator();
    let examples = (0..config.batch).map(|id| Example {
        id,
        label: generator.below(classes.len()),
        documents: (0..config.task.entry().documents)
            .map(|_| {
                let length = length(config, lengths, id, generator);
                (0..length)
                    .map(|_| generator.below(symbols) as u8)
                    .collect()
            })
            .collect(),
    });
    let splits = [examples.collect(), Vec::new(), Vec::new()];
    Dataset::of(
        "random tokens".into(),
        true,
        encoding,
        classes,
        splits,
        Vec::new(),
    )
}

fn length(config: &Config, lengths: Lengths, example: usize, generator: &mut Generator) -> usize {
    match lengths {
        Lengths::Full => config.max_len,
        Lengths::Imdb if (config.max_len, config.batch) == (4096, REVIEWS.len()) => {
            REVIEWS[example]
        }
        // Log-normal with a median of a quarter of n, as reviews have it.
        Lengths::Imdb => {
            let n = config.max_len as f64;
            let length = (0.7 * generator.normal()).exp() * n / 4.0;
            length.clamp(n / 32.0, n * 4000.0 / 4096.0).max(1.0) as usize
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two steps of two examples and more, with and without a profile.
    fn steps(task: Task, profile: bool) -> (Vec<trainer::Step>, Option<Profile>) {
        let config = Config {
            batch: 3,
            groups: 2,
            max_len: 40,
            features: 8,
            steps: 2,
            warmup: 1,
            ..task.preset(Budget::Smoke)
        };
        let mut trainer = Trainer::new(&config, data(&config, Lengths::Imdb), 2).unwrap();
        if profile {
            trainer.start_profile();
        }
        let steps = (0..2).map(|step| trainer.step(step).unwrap()).collect();
        (steps, trainer.profile().cloned())
    }

    #[test]
    fn a_profile_counts_every_operation_and_changes_no_number() {
        for task in [Task::Text, Task::Retrieval, Task::ListOps] {
            let (with, profile) = steps(task, true);
            let (without, none) = steps(task, false);
            assert!(none.is_none());
            for (with, without) in with.iter().zip(&without) {
                assert_eq!(with.loss.to_bits(), without.loss.to_bits());
                let norms = [with, without].map(|step| step.gradient_norm.to_bits());
                assert_eq!(norms[0], norms[1]);
            }
            let profile = profile.unwrap();
            let counted: u64 = with.iter().map(|step| step.multiply_adds).sum();
            assert_eq!(profile.multiply_adds(), counted);
            // Two steps, three examples, two layers; both documents of a pair.
            let documents = if task == Task::Retrieval { 2 } else { 1 };
            assert_eq!(profile.calls("skein"), 2 * 3 * 2 * documents);
            assert_eq!(profile.calls("cross_entropy"), 2 * 3);
        }
    }

    #[test]
    fn tokens_are_of_the_task() {
        for task in Task::ALL {
            let config = Config {
                batch: 4,
                ..task.preset(Budget::Smoke)
            };
            let data = data(&config, Lengths::Full);
            for example in &data.train.examples {
                assert!(example.label < data.classes.len());
                let tokens = config.max_len * example.documents.len();
                assert_eq!(example.len(&data.encoding), tokens);
                let (_, ids) = example.tokens(0, &data.encoding);
                assert!(
                    ids.iter()
                        .all(|&id| (id as usize) < data.encoding.vocabulary)
                );
            }
        }
    }
}
