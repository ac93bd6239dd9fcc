//! The time of one training step of the paper's Text model, as one JSON line.
//!
//! The data are random bytes with random labels; forward, backward, the sum over the batch and the
//! optimiser are those of every experiment. Give the machine nothing else to do.
//!
//! `cargo run --release --bin bench_step -- --attn skein --n 4096 --batch 16`

use clap::Parser;
use datasets::{Dataset, Encoding, Example, Split};
use engine::{Generator, Seed};
use experiments::config::{Budget, Config};
use experiments::error::{Error, Result, exit};
use experiments::task::Task;
use experiments::trainer::Trainer;
use serde::Serialize;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Lengths of a batch of 16 reviews at n = 4096, so that two programs can be given the same ones.
const REVIEWS: [usize; 16] = [
    890, 588, 1175, 946, 1258, 945, 395, 559, 805, 1191, 859, 745, 1339, 3516, 631, 814,
];
const LEAST_STEPS: usize = 3;
const MOST_STEPS: usize = 30;

/// Times one training step.
#[derive(Parser)]
#[command(max_term_width = 80)]
struct Flags {
    /// Attention method (exp_text --list shows them)
    #[arg(long, default_value = "skein")]
    attn: String,
    /// Features d of the method
    #[arg(long, default_value_t = 256)]
    features: usize,
    /// Longest example, and rows of the position table
    #[arg(long, default_value_t = 4096)]
    n: usize,
    /// Examples a step
    #[arg(long, default_value_t = 16)]
    batch: usize,
    /// Every example of n tokens, or lengths like those of IMDb reviews
    #[arg(long, value_enum, default_value = "full")]
    lengths: Lengths,
    /// Threads
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// How long to go on (at least 3 steps, at most 30)
    #[arg(long, default_value_t = 20.0)]
    seconds: f64,
}

#[derive(clap::ValueEnum, Serialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Lengths {
    Full,
    Imdb,
}

#[derive(Serialize)]
struct Report {
    attn: String,
    n: usize,
    batch: usize,
    lengths: Lengths,
    threads: usize,
    features: usize,
    /// Median of the steps after the first.
    step_s: f64,
    min_s: f64,
    max_s: f64,
    real_tokens: usize,
    tokens_per_s: f64,
    peak_rss_mib: Option<f64>,
    /// Operations of a step's matrix products, a multiply-add counting as two.
    gflop: f64,
    gflop_per_s: f64,
    /// Share of what the threads reach on fused multiply-adds in registers.
    share_of_peak: f64,
}

fn main() -> ExitCode {
    exit(bench(&Flags::parse()))
}

fn bench(flags: &Flags) -> Result<ExitCode> {
    for (flag, value) in [
        ("n", flags.n),
        ("batch", flags.batch),
        ("features", flags.features),
        ("threads", flags.threads),
    ] {
        if value == 0 {
            return Err(Error::usage(format!("--{flag} 0: expected at least 1")));
        }
    }
    let config = Config {
        attn: flags.attn.clone(),
        features: flags.features,
        batch: flags.batch,
        max_len: flags.n,
        steps: MOST_STEPS + 1,
        warmup: 1,
        ..Task::Text.preset(Budget::Paper)
    };
    let mut trainer = Trainer::new(&config, data(flags), flags.threads)?;
    let peak = engine::lanes::peak_multiply_adds() * flags.threads as f64;

    trainer.step(0)?;
    let end = Instant::now() + Duration::try_from_secs_f64(flags.seconds)?;
    let mut times = Vec::new();
    let mut last = None;
    while times.len() < LEAST_STEPS || (Instant::now() < end && times.len() < MOST_STEPS) {
        let start = Instant::now();
        last = Some(trainer.step(times.len() + 1)?);
        times.push(start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    let step_s = times[times.len() / 2];
    let (tokens, multiply_adds) = last.map_or((0, 0), |step| (step.tokens, step.multiply_adds));
    let report = Report {
        attn: flags.attn.clone(),
        n: flags.n,
        batch: flags.batch,
        lengths: flags.lengths,
        threads: flags.threads,
        features: flags.features,
        step_s,
        min_s: times[0],
        max_s: times[times.len() - 1],
        real_tokens: tokens,
        tokens_per_s: tokens as f64 / step_s,
        peak_rss_mib: peak_rss_mib(),
        gflop: 2e-9 * multiply_adds as f64,
        gflop_per_s: 2e-9 * multiply_adds as f64 / step_s,
        share_of_peak: multiply_adds as f64 / step_s / peak,
    };
    writeln!(io::stdout(), "{}", serde_json::to_string(&report)?)?;
    Ok(ExitCode::SUCCESS)
}

/// One batch of random bytes.
fn data(flags: &Flags) -> Dataset {
    let generator = &mut Seed(1).stream("bench").generator();
    let examples = (0..flags.batch)
        .map(|id| {
            let length = length(flags, id, generator);
            Example {
                id,
                label: generator.below(2),
                documents: vec![(0..length).map(|_| generator.below(256) as u8).collect()],
            }
        })
        .collect();
    let empty = |name| Split {
        name,
        examples: Vec::new(),
    };
    Dataset {
        name: "random bytes".into(),
        builtin: true,
        encoding: Encoding {
            offset: 1,
            vocabulary: 512,
            mask_zero: false,
        },
        classes: vec!["0".into(), "1".into()],
        train: Split {
            name: "train",
            examples,
        },
        dev: empty("dev"),
        test: empty("test"),
        notes: Vec::new(),
    }
}

fn length(flags: &Flags, example: usize, generator: &mut Generator) -> usize {
    match flags.lengths {
        Lengths::Full => flags.n,
        Lengths::Imdb if (flags.n, flags.batch) == (4096, REVIEWS.len()) => REVIEWS[example],
        // Log-normal with a median of a quarter of n, as reviews have it.
        Lengths::Imdb => {
            let n = flags.n as f64;
            let length = (0.7 * generator.normal()).exp() * n / 4.0;
            length.clamp(n / 32.0, n * 4000.0 / 4096.0).max(1.0) as usize
        }
    }
}

/// The most memory this process has had at once, where the system tells (Linux).
fn peak_rss_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024.0)
}
