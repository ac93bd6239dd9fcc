//! All draws of an estimate, each with its probability, what it estimates and its gradients; and what their means are,
//! beside the truth.

use engine::Tensor;
use serde::Serialize;

use crate::scene::rows;

/// Draws that are looked at one by one.
pub(super) const MOST_DRAWS: usize = 256;
/// How far a mean over all draws is from the truth of an unbiased estimate, as a share of its largest number.
const ROUNDING: f64 = 1e-12;
/// Samples behind the frequencies.
pub(super) const SAMPLES: usize = 2000;

/// What a draw gives: y, then the gradients.
pub(super) type Quantities = Vec<(&'static str, Tensor<f64>)>;

/// A draw.
pub(super) struct Draw {
    pub(super) indices: Vec<u32>,
    pub(super) probability: f64,
    /// y, and the gradients of the inputs with the draw a constant.
    pub(super) quantities: Quantities,
    /// Terms of the gradient of the law, whether the tape has them or not.
    pub(super) terms: Quantities,
}

/// What an estimate is of.
pub(super) struct Estimate {
    pub(super) law: Vec<f64>,
    pub(super) draws: Vec<Draw>,
    /// How often each came in [`SAMPLES`].
    pub(super) counts: Vec<usize>,
    /// Of the quantities, and of the sum of the terms, if there are any.
    pub(super) truth: Quantities,
    /// The gradient to which the terms belong, and which of them the tape has.
    pub(super) terms_of: Option<(&'static str, Option<&'static str>)>,
}

/// The answer about all draws.
#[derive(Serialize)]
pub struct AllDraws {
    /// Probabilities of one index.
    law: Vec<f64>,
    draws: Vec<OneDraw>,
    /// How many samples are behind the frequencies.
    samples: usize,
    /// y and the gradients as a tape has them, draws constants.
    pub(super) means: Vec<Mean>,
    /// What the gradient of the law is made of.
    pub(super) terms: Option<Terms>,
}

/// A draw.
#[derive(Serialize)]
pub struct OneDraw {
    indices: Vec<u32>,
    probability: f64,
    /// The share of the samples in which it came.
    frequency: f64,
    quantities: Vec<Quantity>,
}

/// A matrix and what it is.
#[derive(Serialize)]
pub struct Quantity {
    pub(super) of: &'static str,
    pub(super) rows: Vec<Vec<f64>>,
}

/// A mean over all draws.
#[derive(Serialize)]
pub struct Mean {
    pub(super) of: &'static str,
    pub(super) mean: Vec<Vec<f64>>,
    truth: Vec<Vec<f64>>,
    /// The largest difference of the two.
    pub(super) error: f64,
    /// Whether that is rounding.
    pub(super) unbiased: bool,
    /// The standard deviation of the whole matrix.
    deviation: f64,
}

/// The gradient of the law, term by term.
#[derive(Serialize)]
pub struct Terms {
    of: &'static str,
    terms: Vec<Term>,
    /// All of them together.
    pub(super) complete: Mean,
}

/// A term.
#[derive(Serialize)]
pub struct Term {
    name: &'static str,
    /// Whether a tape on which draws are constants has it.
    recorded: bool,
    mean: Vec<Vec<f64>>,
    deviation: f64,
}

fn add(to: &mut Tensor<f64>, share: f64, x: &Tensor<f64>) {
    for (to, x) in to.data_mut().iter_mut().zip(x.data()) {
        *to += share * x;
    }
}

/// Mean and standard deviation of what the draws give.
fn moments<'a>(draws: impl Iterator<Item = (f64, &'a Tensor<f64>)> + Clone) -> (Tensor<f64>, f64) {
    let shape = draws.clone().next().map_or((0, 0), |(_, x)| x.shape());
    let mut mean = Tensor::zeros(shape.0, shape.1);
    for (probability, x) in draws.clone() {
        add(&mut mean, probability, x);
    }
    let distance = |x: &Tensor<f64>| {
        let differences = x.data().iter().zip(mean.data());
        differences.map(|(x, mean)| (x - mean).powi(2)).sum::<f64>()
    };
    let variance: f64 = draws
        .map(|(probability, x)| probability * distance(x))
        .sum();
    (mean, variance.sqrt())
}

fn beside(of: &'static str, mean: &Tensor<f64>, deviation: f64, truth: &Tensor<f64>) -> Mean {
    let pairs = mean.data().iter().zip(truth.data());
    let error = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    let sizes = truth.data().iter().map(|x| x.abs());
    // A truth of 0 is a sum of numbers that are as large as they scatter.
    let scale = sizes.fold(deviation.max(1.0), f64::max);
    Mean {
        of,
        mean: rows(mean),
        truth: rows(truth),
        error,
        unbiased: error <= ROUNDING * scale,
        deviation,
    }
}

impl Estimate {
    pub(super) fn answer(self) -> AllDraws {
        let draws = self.draws.iter();
        let quantity = |which: usize| {
            let draws = draws.clone();
            moments(draws.map(move |draw| (draw.probability, &draw.quantities[which].1)))
        };
        let names = self.draws.first().map_or(0, |draw| draw.quantities.len());
        let means = (0..names).map(|which| {
            let (of, truth) = &self.truth[which];
            let (mean, deviation) = quantity(which);
            beside(of, &mean, deviation, truth)
        });
        let terms = self.terms_of.map(|(of, recorded)| self.terms(of, recorded));
        let one = |(draw, &count): (&Draw, &usize)| OneDraw {
            indices: draw.indices.clone(),
            probability: draw.probability,
            frequency: count as f64 / SAMPLES as f64,
            quantities: draw
                .quantities
                .iter()
                .map(|(of, x)| Quantity { of, rows: rows(x) })
                .collect(),
        };
        AllDraws {
            means: means.collect(),
            terms,
            draws: self.draws.iter().zip(&self.counts).map(one).collect(),
            samples: SAMPLES,
            law: self.law,
        }
    }

    fn terms(&self, of: &'static str, recorded: Option<&'static str>) -> Terms {
        let names = self.draws.first().map_or(&[][..], |draw| &draw.terms);
        let terms = names.iter().enumerate().map(|(which, (name, _))| {
            let draws = self.draws.iter();
            let (mean, deviation) =
                moments(draws.map(|draw| (draw.probability, &draw.terms[which].1)));
            Term {
                name,
                recorded: recorded == Some(name),
                mean: rows(&mean),
                deviation,
            }
        });
        let whole: Vec<Tensor<f64>> = self
            .draws
            .iter()
            .map(|draw| {
                let mut whole = draw.terms[0].1.clone();
                for (_, term) in &draw.terms[1..] {
                    add(&mut whole, 1.0, term);
                }
                whole
            })
            .collect();
        let probabilities = self.draws.iter().map(|draw| draw.probability);
        let (mean, deviation) = moments(probabilities.zip(&whole));
        let truth = self.truth.iter().find(|(name, _)| *name == of);
        let truth = truth.map_or_else(|| Tensor::zeros(0, 0), |(_, truth)| truth.clone());
        Terms {
            of,
            terms: terms.collect(),
            complete: beside(of, &mean, deviation, &truth),
        }
    }
}
