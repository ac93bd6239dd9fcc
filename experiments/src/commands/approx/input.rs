//! The laws of Q, K and V: two that need no data, and what a model computes.
//!
//! With n tokens, 64 columns of X and heads of p = 32:
//!
//! ```text
//! gauss     X ~ N(0, 1)
//! tokens    X = LayerNorm(E[t] + P / 2)    E (256, 64), P (n, 64) ~ N(0, 1), P(t) ∝ 1 / (t + 1)
//! both      Q = X W_q, K = X W_k, V = X W_v;    W_q, W_k ~ sqrt(s) N(0, 1/64), W_v ~ N(0, 1/64)
//! ```
//!
//! so that under `gauss` q · k / √p has standard deviation s. `tokens` repeats few symbols often,
//! as texts do: columns of B differ in weight. `init` and `run` are the heads of a model that reads
//! text, see [`super::model`]. All of it is drawn anew in every trial.

use engine::{Generator, Stream, Tensor, gemm};
use std::fmt;

/// Columns of X.
const DIM: usize = 64;
/// Columns of a head.
pub(crate) const WIDTH: usize = 32;
/// Symbols of `tokens`.
const SYMBOLS: usize = 256;
/// LayerNorm's, as in the models.
const EPSILON: f64 = 1e-5;

/// A law of inputs.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
#[clap(rename_all = "lowercase")]
pub(crate) enum Input {
    /// Independent normal tokens
    Gauss,
    /// Few symbols, often repeated, with positions
    Tokens,
    /// The Text model before training
    Init,
    /// The Text model of a run
    Run,
}

impl Input {
    /// As on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Input::Gauss => "gauss",
            Input::Tokens => "tokens",
            Input::Init => "init",
            Input::Run => "run",
        }
    }

    /// Whether it is drawn without a model.
    pub(crate) fn is_law(self) -> bool {
        matches!(self, Input::Gauss | Input::Tokens)
    }
}

/// Inputs of one length: a point of the experiment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Setting {
    pub(crate) input: Input,
    /// s; `None` where a model says how large logits are.
    pub(crate) scale: Option<f64>,
    pub(crate) n: usize,
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.input.name())?;
        if let Some(scale) = self.scale {
            write!(f, " s={scale}")?;
        }
        write!(f, " n={}", self.n)
    }
}

impl Setting {
    /// What all random numbers of one trial derive from.
    pub(crate) fn stream(&self, root: Stream, trial: usize) -> Stream {
        let stream = root.stream(self.input.name()).at(self.n);
        let stream = match self.scale {
            Some(scale) => stream.stream(&scale.to_string()),
            None => stream,
        };
        stream.at(trial)
    }
}

/// Q, K and V (n, p) of one head.
pub(crate) struct Head {
    /// Which, for a model: `layer 0, head 1`.
    pub(crate) place: String,
    pub(crate) q: Tensor<f32>,
    pub(crate) k: Tensor<f32>,
    pub(crate) v: Tensor<f32>,
}

/// One draw of a law.
///
/// # Panics
/// If `input` is a model's.
pub(crate) fn draw(input: Input, scale: f64, n: usize, stream: Stream) -> Head {
    let x = match input {
        Input::Gauss => normal(n, DIM, 1.0, &mut stream.stream("x").generator()),
        Input::Tokens => tokens(n, stream),
        Input::Init | Input::Run => panic!("{}: drawn by no law", input.name()),
    }; // (n, 64)
    let deviation = 1.0 / (DIM as f64).sqrt();
    let project = |name: &str, factor: f64| {
        let w = normal(
            DIM,
            WIDTH,
            factor * deviation,
            &mut stream.stream(name).generator(),
        ); // (64, p)
        let mut y = Tensor::stale(n, WIDTH);
        gemm(1.0, x.view(), w.view(), 0.0, y.view_mut());
        y // (n, p)
    };
    Head {
        place: String::new(),
        q: project("W_q", scale.sqrt()),
        k: project("W_k", scale.sqrt()),
        v: project("W_v", 1.0),
    }
}

/// Independent normal numbers.
pub(crate) fn normal(
    rows: usize,
    cols: usize,
    deviation: f64,
    generator: &mut Generator,
) -> Tensor<f32> {
    Tensor::from_fn(rows, cols, |_, _| (deviation * generator.normal()) as f32)
}

/// X of `tokens`.
fn tokens(n: usize, stream: Stream) -> Tensor<f32> {
    let embedding = normal(SYMBOLS, DIM, 1.0, &mut stream.stream("E").generator());
    let mut x = normal(n, DIM, 0.5, &mut stream.stream("P").generator());
    let frequencies: Vec<f64> = (1..=SYMBOLS).map(|rank| 1.0 / rank as f64).collect();
    let mut generator = stream.stream("t").generator();
    let symbols = ops::sample::weighted::with_replacement(&frequencies, n, &mut generator);
    for (i, &t) in symbols.iter().enumerate() {
        let row = x.row_mut(i);
        for (x, e) in row.iter_mut().zip(embedding.row(t as usize)) {
            *x += e;
        }
        normalise(row);
    }
    x
}

/// LayerNorm without gain and shift.
fn normalise(row: &mut [f32]) {
    let count = row.len() as f64;
    let mean = row.iter().map(|&x| f64::from(x)).sum::<f64>() / count;
    let square = |x: &f32| (f64::from(*x) - mean).powi(2);
    let variance = row.iter().map(square).sum::<f64>() / count;
    let inverse = 1.0 / (variance + EPSILON).sqrt();
    for x in row {
        *x = ((f64::from(*x) - mean) * inverse) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::Seed;

    #[test]
    fn logits_have_the_deviation_that_the_scale_says() {
        for (input, tolerance) in [(Input::Gauss, 0.12), (Input::Tokens, 0.35)] {
            for scale in [1.0, 3.0] {
                let head = draw(input, scale, 300, Seed(1).stream("law"));
                let mut logits = Tensor::stale(300, 300);
                let scaled = 1.0 / (WIDTH as f32).sqrt();
                gemm(
                    scaled,
                    head.q.view(),
                    head.k.view().t(),
                    0.0,
                    logits.view_mut(),
                );
                let deviation = logits.norm() / 300.0;
                let off = (deviation / scale - 1.0).abs();
                assert!(off < tolerance, "{input:?} s={scale}: {deviation}");
                let of_v = head.v.norm() / (300.0 * WIDTH as f64).sqrt();
                assert!((of_v - 1.0).abs() < 0.1, "{of_v}");
            }
        }
    }

    #[test]
    fn few_symbols_make_similar_rows() {
        let x = tokens(200, Seed(2).stream("law"));
        for i in 0..200 {
            let row = x.row(i);
            let mean: f32 = row.iter().sum::<f32>() / DIM as f32;
            let square: f32 = row.iter().map(|x| x * x).sum::<f32>() / DIM as f32;
            assert!(mean.abs() < 1e-6 && (square - 1.0).abs() < 1e-3);
        }
        // The most frequent of 256 is every sixth: about 5 pairs in 100 are of one symbol.
        let dot = |i: usize, j: usize| {
            x.row(i)
                .iter()
                .zip(x.row(j))
                .map(|(a, b)| a * b)
                .sum::<f32>()
        };
        let pairs = (0..200).flat_map(|i| (0..i).map(move |j| (i, j)));
        let similar = pairs.filter(|&(i, j)| dot(i, j) > 40.0).count();
        assert!((400..2500).contains(&similar), "{similar} of 19900");
    }
}
