//! Proposition 1 and Lemma 1 of Chen et al. 2022 (docs/paper.md 1.7, 1.8) as experiments, in f64.
//!
//! *Proposition 1.* Columns are drawn with replacement by probabilities
//!
//! ```text
//! p_i >= beta p*_i    p*_i = ||B^(i)|| ||V_(i)|| / sum of the same        (their equation 3)
//! ```
//!
//! and S has the weights of Definition 3.1. Then with probability 1 - delta
//!
//! ```text
//! ||B V - B S Sᵀ V||_F² <= eta² ||B||_F² ||V||_F² / (beta d)              (4)
//! eta = 1 + sqrt((8 / beta) ln(1 / delta))
//! ```
//!
//! and its mean is at most the same without eta². How often is (4) violated, and how far is it from
//! what happens? The probability is one over S: B and V are drawn once, S in every trial.
//!
//! *Lemma 1.* If ||B^(i)||² / n >= C for all i, d >= (2 / C²) ln(2 n / delta) pilot rows are enough
//! for the estimate p̂ (equation 5) to satisfy (3) with beta = sqrt(1/3), with probability
//! 1 - delta. How large is beta = min_i p̂_i / p*_i really, and what does the lemma ask for? Rows
//! of B sum to 1, so the squared norms of its n columns sum to at most n, and C <= 1/n always: the
//! lemma asks for more than 2 n² pilots, of n rows. A condition that rows can fulfil is relative:
//! if b_ji² is at most kappa times its mean over j, Chernoff's bound in the place of Hoeffding's
//! gives 12 kappa ln(2 n / delta).

mod output;

use crate::commands::approx::input::{self, Input, Setting};
use crate::commands::approx::{parse_count, parse_scale, parse_trials};
use crate::files::out_file::OutFile;
use crate::numbers::statistics::{Mean, quantile};
use crate::show::chart::is_svg;
use crate::terminal::error::refuse_more;
use crate::terminal::error::{Error, Result};
use crate::terminal::output::{answer, tell};
use crate::terminal::parse::{distinct, parse_seed, parse_threads, threads, whole};
use clap::Args;
use engine::{Draws, Seed, Stream, Tensor, gemm};
use ops::sample::uniform;
use ops::sketch::{Family, Scheme};
use output::{LEMMA, PROPOSITION, chart, lemma_csv, proposition_csv, tables};
use rayon::prelude::*;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

/// B is held, n² numbers of eight bytes.
const MOST_TOKENS: usize = 8192;

/// What Lemma 1 promises.
fn promised() -> f64 {
    (1.0f64 / 3.0).sqrt()
}

/// Below the flags in the help text.
const NOTES: &str = "\
Proposition 1, for every law of columns: the mean squared error as a part of
its bound, and for every delta its (1 - delta)-quantile as a part of the bound
(4) and how many trials violate that. A law `beta` has p = beta p* and the rest
of its mass on the least important column, so that beta is exact; pilots are
those of Lemma 1.

Lemma 1: beta of the estimate from d pilot rows, and how often it reaches
sqrt(1/3); then the d that the lemma asks for, with the C of these inputs and
with the largest C there can be, 1/n; and what a relative condition asks for.";

/// Sets Proposition 1 and Lemma 1 against measured errors
#[derive(Args, Debug)]
#[command(after_help = NOTES)]
struct Flags {
    /// gauss, tokens, or both
    #[arg(
        long,
        value_name = "LIST",
        value_enum,
        value_delimiter = ',',
        default_value = "gauss,tokens",
        hide_possible_values = true
    )]
    input: Vec<Input>,
    /// Standard deviations of the logits, a list
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "1", value_parser = parse_scale)]
    scale: Vec<f64>,
    /// Tokens, a list
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "256,1024", value_parser = whole(2..=MOST_TOKENS))]
    n: Vec<usize>,
    /// Columns and pilot rows drawn, a list
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "16,64,256", value_parser = parse_count)]
    d: Vec<usize>,
    /// Quality of the probabilities, a list
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "1,0.5,0.1", value_parser = parse_beta)]
    beta: Vec<f64>,
    /// Probabilities of failure, a list of at most three
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "0.1,0.01", value_parser = parse_delta)]
    delta: Vec<f64>,
    /// Trials: draws of S, and of pilots
    #[arg(long, value_name = "N", default_value = "400", value_parser = parse_trials)]
    trials: usize,
    /// Write proposition1.csv, lemma1.csv (both after every input) and theory.svg there
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
}

fn parse_beta(text: &str) -> std::result::Result<f64, String> {
    let beta = text.parse().ok().filter(|b| (1e-6..=1.0).contains(b));
    beta.ok_or_else(|| "expected a number from 1e-6 to 1".to_string())
}

fn parse_delta(text: &str) -> std::result::Result<f64, String> {
    // The logarithms of 1 / delta and 2 n / delta are to be finite.
    let delta = text.parse().ok().filter(|d| (1e-300..0.5).contains(d));
    delta.ok_or_else(|| "expected a number from 1e-300 to below 0.5".to_string())
}

/// Probabilities of columns.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Columns {
    /// (3) holds with this beta and no larger one.
    Beta(f64),
    Uniform,
    /// p̂, from as many pilot rows as columns are drawn, anew in every trial.
    Pilots,
}

/// B and V of one head, and what both statements are made of.
struct Product {
    b: Tensor<f64>,  // (n, n)
    v: Tensor<f64>,  // (n, p)
    bv: Tensor<f64>, // (n, p)
    /// p*.
    best: Vec<f64>,
    /// ||V_(i)||
    v_norms: Vec<f64>,
    /// ||B||_F² ||V||_F²
    size: f64,
    /// min_i ||B^(i)||² / n
    c: f64,
    /// max_i of max_j b_ji² over mean_j b_ji².
    kappa: f64,
}

/// What came of one law of columns and one d.
struct Proposition {
    columns: Columns,
    d: usize,
    /// The mean over trials where it is drawn.
    beta: f64,
    /// ||BV - B S Sᵀ V||_F² / (||B||_F² ||V||_F²).
    mean: Mean,
    /// The mean of the bound of its expectation, 1 / (beta d).
    expected: f64,
    /// For every delta.
    bounds: Vec<Bound>,
}

struct Bound {
    delta: f64,
    /// The mean over trials of eta² / (beta d).
    bound: f64,
    /// The (1 - delta)-quantile of the error.
    quantile: f64,
    violations: usize,
}

/// What came of d pilots.
struct Lemma {
    d: usize,
    beta: Mean,
    /// The smallest of all trials.
    least: f64,
    /// Trials with beta >= sqrt(1/3).
    kept: usize,
}

/// All of one setting.
struct Block {
    setting: Setting,
    c: f64,
    kappa: f64,
    propositions: Vec<Proposition>,
    lemmas: Vec<Lemma>,
}

/// `skein theory`.
pub(super) fn command() -> super::Command {
    let example = "skein theory --n 256 --out bounds";
    super::Command::new("theory", example, |flags: Flags| theory(&flags))
}

fn theory(flags: &Flags) -> Result<ExitCode> {
    if let Some(other) = flags.input.iter().find(|input| !input.is_law()) {
        let message = format!("--input {}: expected gauss or tokens", other.name());
        return Err(Error::usage(message));
    }
    if flags.delta.len() > 3 {
        return Err(Error::usage("--delta: expected three at most"));
    }
    let threads = threads(flags.threads);
    refuse_too_large(flags, threads)?;
    let [proposition, lemma, picture] = OutFile::all_in(
        flags.out.as_deref(),
        flags.overwrite,
        "not by skein theory",
        [
            ("proposition1.csv", |text| text.starts_with(PROPOSITION)),
            ("lemma1.csv", |text| text.starts_with(LEMMA)),
            ("theory.svg", is_svg),
        ],
    )?;
    let mut settings = Vec::new();
    for &input in &flags.input {
        for &n in &flags.n {
            let each = flags.scale.iter().map(|&scale| Some(scale));
            settings.extend(each.map(|scale| Setting { input, scale, n }));
        }
    }
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()?;
    let write = |file: &Option<OutFile>, text: String| match file {
        Some(file) => file.write(text.as_bytes()),
        None => Ok(()),
    };
    let mut blocks: Vec<Block> = Vec::new();
    for setting in distinct(settings) {
        blocks.push(pool.install(|| block(flags, setting)));
        // Now, so that whoever stops the program keeps them.
        write(&proposition, proposition_csv(flags, &blocks))?;
        write(&lemma, lemma_csv(flags, &blocks))?;
    }
    write(&picture, chart(&blocks))?;
    answer(&tables(flags, &blocks))?;
    Ok(ExitCode::SUCCESS)
}

/// Refuses what does not fit into memory: B (n, n), and on every thread its d columns, in f64.
fn refuse_too_large(flags: &Flags, threads: usize) -> Result<()> {
    let most = |list: &[usize]| list.iter().copied().max().unwrap_or(0) as f64;
    let (n, d, working) = (
        most(&flags.n),
        most(&flags.d),
        threads.min(flags.trials) as f64,
    );
    let what = format!("n = {n}, d = {d} on {working} threads");
    let bytes = 8.0 * n * (n + working * d);
    refuse_more(&what, bytes, "smaller --n, --d or --threads take less")
}

/// Both experiments on one pair of B and V.
fn block(flags: &Flags, setting: Setting) -> Block {
    let start = Instant::now();
    let stream = setting.stream(Seed(flags.seed).stream("theory"), 0);
    let product = Product::draw(&setting, stream.stream("inputs"));
    let betas = flags.beta.iter().map(|&beta| Columns::Beta(beta));
    let laws = distinct(betas.chain([Columns::Uniform, Columns::Pilots]));
    let budgets = distinct(flags.d.iter().copied());
    let mut propositions = Vec::new();
    for &columns in &laws {
        for &d in &budgets {
            let stream = stream.stream(&format!("{columns:?}")).at(d);
            propositions.push(product.proposition(columns, d, flags, stream));
        }
    }
    let lemma = |&d| product.lemma(d, flags.trials, stream.stream("lemma").at(d));
    let lemmas = budgets.iter().map(lemma).collect();
    let seconds = start.elapsed().as_secs_f64();
    tell(&format!(
        "{setting}: {} trials in {seconds:.1} s",
        flags.trials
    ));
    Block {
        setting,
        c: product.c,
        kappa: product.kappa,
        propositions,
        lemmas,
    }
}

/// eta² / (beta d), the bound (4) over ||B||_F² ||V||_F².
fn bound(beta: f64, d: usize, delta: f64) -> f64 {
    let eta = 1.0 + (8.0 / beta * (1.0 / delta).ln()).sqrt();
    eta * eta / (beta * d as f64)
}

/// The pilots that Lemma 1 asks for.
fn required(n: usize, c: f64, delta: f64) -> f64 {
    2.0 / (c * c) * (2.0 * n as f64 / delta).ln()
}

/// Those that are enough where no b_ji² is more than kappa times its column's mean: by Chernoff's
/// bound a sum of d is within half of its mean but for 2 exp(-d / (12 kappa)).
fn relative(n: usize, kappa: f64, delta: f64) -> f64 {
    12.0 * kappa * (2.0 * n as f64 / delta).ln()
}

impl Product {
    fn draw(setting: &Setting, stream: Stream) -> Product {
        let scale = setting.scale.expect("a law has a scale");
        let head = input::draw(setting.input, scale, setting.n, stream);
        let [q, k, v] = [&head.q, &head.k, &head.v].map(widened); // (n, p)
        let (n, p) = v.shape();
        let mut b = Tensor::stale(n, n);
        let root = 1.0 / (p as f64).sqrt();
        gemm(root, q.view(), k.view().t(), 0.0, b.view_mut());
        for i in 0..n {
            let row = b.row_mut(i);
            let max = row.iter().fold(f64::MIN, |max, &s| max.max(s));
            row.iter_mut().for_each(|s| *s = (*s - max).exp());
            let sum: f64 = row.iter().sum();
            row.iter_mut().for_each(|s| *s /= sum);
        }
        Product::new(b, v)
    }

    fn new(b: Tensor<f64>, v: Tensor<f64>) -> Product {
        let (n, p) = v.shape();
        let mut bv = Tensor::stale(n, p);
        gemm(1.0, b.view(), v.view(), 0.0, bv.view_mut());
        let (mut energies, mut largest) = (vec![0.0f64; n], vec![0.0f64; n]);
        for i in 0..n {
            for ((energy, largest), b) in energies.iter_mut().zip(&mut largest).zip(b.row(i)) {
                *energy += b * b;
                *largest = largest.max(b * b);
            }
        }
        let squares = |i: usize| v.row(i).iter().map(|v| v * v).sum::<f64>();
        let v_norms: Vec<f64> = (0..n).map(|i| squares(i).sqrt()).collect();
        let ratio = |i: usize| largest[i] / (energies[i] / n as f64);
        Product {
            best: normalised(energies.iter().zip(&v_norms).map(|(e, v)| e.sqrt() * v)),
            size: energies.iter().sum::<f64>() * v.norm().powi(2),
            c: energies
                .iter()
                .fold(f64::MAX, |min, e| min.min(e / n as f64)),
            kappa: (0..n).map(ratio).fold(0.0, f64::max),
            b,
            v,
            bv,
            v_norms,
        }
    }

    fn n(&self) -> usize {
        self.v.rows()
    }

    /// p̂ (equation 5) from d rows.
    fn estimate(&self, d: usize, stream: Stream) -> Vec<f64> {
        let mut generator = stream.stream("pilot").generator();
        let mut energies = vec![0.0; self.n()];
        for j in uniform::with_replacement(self.n(), d, &mut generator) {
            for (energy, b) in energies.iter_mut().zip(self.b.row(j as usize)) {
                *energy += b * b;
            }
        }
        normalised(
            energies
                .iter()
                .zip(&self.v_norms)
                .map(|(e, v)| e.sqrt() * v),
        )
    }

    /// The largest beta of (3).
    fn beta(&self, p: &[f64]) -> f64 {
        let ratios = p.iter().zip(&self.best).map(|(p, best)| p / best);
        ratios.fold(1.0, f64::min)
    }

    /// The probabilities of a law that is not drawn.
    fn probabilities(&self, columns: Columns) -> Option<Vec<f64>> {
        let n = self.n();
        match columns {
            Columns::Pilots => None,
            Columns::Uniform => Some(vec![1.0 / n as f64; n]),
            Columns::Beta(beta) => {
                let mut p: Vec<f64> = self.best.iter().map(|best| beta * best).collect();
                let least = (0..n).min_by(|&i, &j| self.best[i].total_cmp(&self.best[j]));
                p[least.unwrap_or(0)] += 1.0 - beta;
                Some(p)
            }
        }
    }

    /// ||BV - B S Sᵀ V||_F² / (||B||_F² ||V||_F²) for one S.
    fn error(&self, p: &[f64], d: usize, stream: Stream) -> f64 {
        let family = Family::Importance {
            weights: p.into(),
            scheme: Scheme::Replacement,
        };
        let s = family.draw::<f64>(self.n(), d, &Draws::live(stream), "s"); // (n, d)
        let (mut bs, mut sv) = (Tensor::stale(self.n(), d), Tensor::stale(d, self.v.cols()));
        s.x_s(self.b.view(), bs.view_mut());
        s.st_x(self.v.view(), sv.view_mut());
        let mut difference = self.bv.clone();
        gemm(-1.0, bs.view(), sv.view(), 1.0, difference.view_mut());
        difference.norm().powi(2) / self.size
    }

    fn proposition(
        &self,
        columns: Columns,
        d: usize,
        flags: &Flags,
        stream: Stream,
    ) -> Proposition {
        let fixed = self.probabilities(columns);
        let trial = |trial: usize| {
            let stream = stream.at(trial);
            let drawn = match &fixed {
                Some(_) => Vec::new(),
                None => self.estimate(d, stream),
            };
            let p = fixed.as_deref().unwrap_or(&drawn);
            (self.beta(p), self.error(p, d, stream))
        };
        let trials: Vec<(f64, f64)> = (0..flags.trials).into_par_iter().map(trial).collect();
        let mean = |of: &dyn Fn(&(f64, f64)) -> f64| {
            trials.iter().map(of).sum::<f64>() / trials.len() as f64
        };
        let errors: Vec<f64> = trials.iter().map(|trial| trial.1).collect();
        let bounds = flags.delta.iter().map(|&delta| Bound {
            delta,
            bound: mean(&|trial| bound(trial.0, d, delta)),
            quantile: quantile(&errors, 1.0 - delta),
            violations: trials
                .iter()
                .filter(|trial| trial.1 > bound(trial.0, d, delta))
                .count(),
        });
        Proposition {
            columns,
            d,
            beta: mean(&|trial| trial.0),
            mean: Mean::of(&errors),
            expected: mean(&|trial| 1.0 / (trial.0 * d as f64)),
            bounds: bounds.collect(),
        }
    }

    fn lemma(&self, d: usize, trials: usize, stream: Stream) -> Lemma {
        let trial = |trial: usize| self.beta(&self.estimate(d, stream.at(trial)));
        let betas: Vec<f64> = (0..trials).into_par_iter().map(trial).collect();
        Lemma {
            d,
            beta: Mean::of(&betas),
            least: betas.iter().copied().fold(1.0, f64::min),
            kept: betas.iter().filter(|&&beta| beta >= promised()).count(),
        }
    }
}

/// The same numbers in f64.
fn widened(x: &Tensor<f32>) -> Tensor<f64> {
    Tensor::from_fn(x.rows(), x.cols(), |i, j| f64::from(x.row(i)[j]))
}

/// Over their sum.
fn normalised(weights: impl Iterator<Item = f64>) -> Vec<f64> {
    let weights: Vec<f64> = weights.collect();
    let total: f64 = weights.iter().sum();
    weights.iter().map(|weight| weight / total).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product(n: usize) -> Product {
        let setting = Setting {
            input: Input::Gauss,
            scale: Some(1.0),
            n,
        };
        Product::draw(&setting, Seed(1).stream("test"))
    }

    #[test]
    fn laws_have_the_beta_they_say() {
        let product = product(40);
        for beta in [1.0, 0.5, 0.01] {
            let p = product.probabilities(Columns::Beta(beta)).unwrap();
            assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            assert!((product.beta(&p) - beta).abs() < 1e-12);
        }
        let uniform = product.probabilities(Columns::Uniform).unwrap();
        let largest = product.best.iter().copied().fold(0.0, f64::max);
        assert!((product.beta(&uniform) - 1.0 / (40.0 * largest)).abs() < 1e-12);
        assert!(product.c <= 1.0 / 40.0 && product.kappa >= 1.0);
    }

    /// E||BV - B S Sᵀ V||² = (W² - ||BV||²) / d under p*, W the sum of ||B^(i)|| ||V_(i)||.
    #[test]
    fn the_mean_error_is_the_one_that_is_known() {
        let product = product(30);
        let b = |i: usize, j: usize| product.b.row(i)[j];
        let column = |j: usize| (0..30).map(|i| b(i, j).powi(2)).sum::<f64>().sqrt();
        let w: f64 = (0..30).map(|j| column(j) * product.v_norms[j]).sum();
        let want = (w * w - product.bv.norm().powi(2)) / 8.0 / product.size;
        let p = product.probabilities(Columns::Beta(1.0)).unwrap();
        let stream = Seed(2).stream("trials");
        let errors: Vec<f64> = (0..4000)
            .map(|i| product.error(&p, 8, stream.at(i)))
            .collect();
        let got = Mean::of(&errors);
        let off = (got.mean - want) / got.error;
        assert!(off.abs() < 4.0, "{got:?}, expected {want}");
    }

    /// Every row the same: any pilot tells all, and C is as large as it gets only for the identity.
    #[test]
    fn the_lemma_where_it_is_known() {
        let v = Tensor::from_fn(6, 2, |i, j| (1 + i + j) as f64);
        let same = Product::new(
            Tensor::from_fn(6, 6, |_, j| (j + 1) as f64 / 21.0),
            v.clone(),
        );
        assert_eq!(same.kappa, 1.0);
        assert!(same.lemma(1, 20, Seed(3).stream("x")).least > 1.0 - 1e-12);
        let identity = Product::new(Tensor::from_fn(6, 6, |i, j| f64::from(u8::from(i == j))), v);
        assert_eq!(identity.c, 1.0 / 6.0);
        assert_eq!(identity.kappa, 6.0);
        assert_eq!(identity.lemma(5, 20, Seed(3).stream("x")).kept, 0);
        assert!((required(6, 1.0 / 6.0, 0.1) - 72.0 * 120f64.ln()).abs() < 1e-9);
    }
}
