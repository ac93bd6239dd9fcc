//! Estimates from drawn rows, of which all draws can be looked at: compositions of operators of ops, no gradient of their
//! own.
//!
//! 1. [`importance_sampling`]: a sum, from rows drawn with replacement, each over its probability;
//! 2. [`sampled_mean`]: an expectation, from rows that follow the law;
//! 3. [`column_sampling`]: B V, through columns of B and rows of V.

pub mod column_sampling;
pub mod importance_sampling;
pub mod sampled_mean;

use engine::{Tape, Tensor, Var};

use super::asked::{Making, Ready};
use super::catalogue::{Operator, Setting, Size, whole};
use super::draws::MOST_DRAWS;
use super::layers::softmax_of;
use crate::question::{Refused, refuse};

const GROUP: &str = "Estimates, with all their draws";

/// How many rows are drawn.
const D: Setting = whole("d", 4, |_, _| 2);
/// Of which the draws are: few enough to look at all.
const N: Size = Size {
    least: 1,
    most: 6,
    usual: 4,
};
/// Of the other axis.
const WIDTH: Size = Size {
    least: 1,
    most: 8,
    usual: 2,
};
/// The least probability of a row.
const LEAST: f64 = 1e-6;

const fn operator(
    name: &'static str,
    node: &'static str,
    (rows, columns): (Size, Size),
    settings: &'static [Setting],
    make: fn(&Making<'_>) -> Result<Ready, Refused>,
) -> Operator {
    Operator {
        name,
        node: Some(node),
        group: GROUP,
        rows,
        columns,
        settings,
        make,
    }
}

pub(super) fn operators() -> Vec<Operator> {
    vec![
        operator(
            "importance-sampling",
            "importance_sum",
            (N, WIDTH),
            const { &[D] },
            importance_sampling::make,
        ),
        operator(
            "sampled-mean",
            "pool",
            (N, WIDTH),
            const { &[D, super::samplers::BASELINE] },
            sampled_mean::make,
        ),
        operator(
            "column-sampling",
            "sketched_product",
            (WIDTH, N),
            const { &[column_sampling::SCHEME, D, whole("values", 8, |_, _| 2)] },
            column_sampling::make,
        ),
    ]
}

/// A file of this folder.
macro_rules! own_file {
    ($name:literal) => {
        crate::operator::derivation::File {
            path: concat!("experiments/answer/src/operator/estimates/", $name, ".rs"),
            text: include_str!(concat!($name, ".rs")),
            function: "make",
        }
    };
}
use own_file;

/// p = softmax(logits).
fn law(logits: &Tensor<f64>) -> Vec<f64> {
    softmax_of(logits).data().to_vec()
}

/// Refuses a law by which a row can hardly be drawn.
fn refuse_rare(logits: &Tensor<f64>) -> Result<(), Refused> {
    match law(logits).iter().all(|&p| p >= LEAST) {
        true => Ok(()),
        false => refuse(format!(
            "logits: expected probabilities of at least {LEAST}"
        )),
    }
}

/// All ways to draw d of n, one after another with replacement: index k of the list has the digits of k.
fn ordered(n: usize, d: usize) -> Vec<Vec<u32>> {
    let digits = |k: usize| {
        let digit = |place: usize| (k / n.pow((d - 1 - place) as u32) % n) as u32;
        (0..d).map(digit).collect()
    };
    (0..n.pow(d as u32)).map(digits).collect()
}

/// All sets of d below n, in rising order.
fn sets(n: usize, d: usize) -> Vec<Vec<u32>> {
    let mut sets = ordered(n, d);
    sets.retain(|set| set.is_sorted_by(|a, b| a < b));
    sets
}

fn refuse_many(n: usize, d: usize) -> Result<(), Refused> {
    match n.pow(d as u32) <= MOST_DRAWS {
        true => Ok(()),
        false => refuse(format!(
            "{d} of {n} rows: expected at most {MOST_DRAWS} ways to draw them, not {}",
            n.pow(d as u32)
        )),
    }
}

/// How often each of `draws` comes among `samples`.
fn counts(draws: &[Vec<u32>], samples: impl Iterator<Item = Vec<u32>>) -> Vec<usize> {
    let mut counts = vec![0; draws.len()];
    for sample in samples {
        if let Some(which) = draws.iter().position(|draw| *draw == sample) {
            counts[which] += 1;
        }
    }
    counts
}

/// p_{i_k} for the rows that were drawn, p = softmax(logits): row k of a softmax of equal rows, where it is 1 in the
/// one-hot of i_k: (1, n) to (d, 1).
fn probabilities<'t>(logits: &Var<'t, f64>, indices: &[u32]) -> Var<'t, f64> {
    let (tape, n, d) = (logits.tape(), logits.cols(), indices.len());
    let repeated = ops::gather(logits, &vec![0; d]); // (d, n)
    let p = ops::sample::gumbel_softmax(&repeated, &Tensor::zeros(d, n), 1.0);
    let picked = p * tape.leaf("one-hot", ops::sample::one_hot(indices, n));
    picked.matmul(&tape.leaf("ones", Tensor::filled(n, 1, 1.0)))
}

/// The gradient in the logits of the score function of a whole draw, whose estimate has the inner product `f` with dy.
fn through_the_draw(logits: &Tensor<f64>, indices: &[u32], f: f64) -> Tensor<f64> {
    let tape = Tape::new();
    let logits = tape.leaf("logits", logits.clone());
    let log_p = ops::sample::log_probability(&logits, indices).sum(); // of the draw as a whole
    let f = tape.leaf("f", Tensor::scalar(f));
    let estimate = ops::sample::score_function(&log_p, &f, ops::sample::Baseline::None);
    tape.backward(&estimate).of(&logits)
}

fn inner(a: &Tensor<f64>, b: &Tensor<f64>) -> f64 {
    a.data().iter().zip(b.data()).map(|(a, b)| a * b).sum()
}
