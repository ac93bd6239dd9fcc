//! Gradients of which the formula has parts, part by part.
//!
//! The formulas are those of the operators' docs, computed here by plain loops: that the parts add up to the gradient of
//! the tape is a second check of it.

use engine::{Real, Tensor};
use serde::Serialize;

use crate::scene::rows;

/// A gradient as a sum.
pub struct Sum {
    /// The input whose gradient it is.
    pub(super) of: &'static str,
    /// By name, as the formula has them.
    pub(super) parts: Vec<(&'static str, Tensor<f64>)>,
}

/// A sum beside the gradient of the tape.
#[derive(Serialize)]
pub struct Shown {
    of: &'static str,
    parts: Vec<Part>,
    sum: Vec<Vec<f64>>,
    /// Between the sum and the gradient of the tape.
    pub(super) largest_difference: f64,
}

/// A part of a sum.
#[derive(Serialize)]
pub struct Part {
    name: &'static str,
    rows: Vec<Vec<f64>>,
}

impl Sum {
    /// Beside the gradient that it is to be.
    pub(super) fn shown(self, gradient: &Tensor<f64>) -> Shown {
        let total = |i: usize, j: usize| self.parts.iter().map(|(_, part)| part.row(i)[j]).sum();
        let sum: Tensor<f64> = Tensor::from_fn(gradient.rows(), gradient.cols(), total);
        let differences = sum.data().iter().zip(gradient.data());
        let differences = differences.map(|(a, b)| (a - b).abs());
        Shown {
            of: self.of,
            largest_difference: differences.fold(0.0, f64::max),
            parts: self
                .parts
                .iter()
                .map(|(name, part)| Part {
                    name,
                    rows: rows(part),
                })
                .collect(),
            sum: rows(&sum),
        }
    }
}

/// dx of [`ops::layer_norm()`] and of [`ops::position_norm()`]: `gain(i, j)` is what x̂_ij is multiplied by.
pub(super) fn normalised(
    x: &Tensor<f64>,
    dy: &Tensor<f64>,
    gain: impl Fn(usize, usize) -> f64,
) -> Sum {
    let (n, c) = x.shape();
    let mut parts = [(); 3].map(|()| Tensor::zeros(n, c));
    for i in 0..n {
        let mean_of = |f: &dyn Fn(usize) -> f64| (0..c).map(f).sum::<f64>() / c as f64;
        let mean = mean_of(&|j| x.row(i)[j]);
        let variance = mean_of(&|j| (x.row(i)[j] - mean).powi(2));
        let sigma = (variance + ops::layer_norm::EPSILON).sqrt();
        let normal = |j: usize| (x.row(i)[j] - mean) / sigma; // x̂
        let d = |j: usize| dy.row(i)[j] * gain(i, j); // dx̂
        let level = mean_of(&d);
        let slope = mean_of(&|j| d(j) * normal(j));
        for j in 0..c {
            parts[0].row_mut(i)[j] = d(j) / sigma;
            parts[1].row_mut(i)[j] = -level / sigma;
            parts[2].row_mut(i)[j] = -normal(j) * slope / sigma;
        }
    }
    let [first, second, third] = parts;
    Sum {
        of: "x",
        parts: vec![
            ("dx̂ / σ", first),
            ("−mean(dx̂) / σ", second),
            ("−x̂ mean(dx̂ * x̂) / σ", third),
        ],
    }
}

/// dx of [`ops::gelu()`].
pub(super) fn gelu(x: &Tensor<f64>, dy: &Tensor<f64>) -> Sum {
    let part = |of: fn(f64) -> f64| {
        Tensor::from_fn(x.rows(), x.cols(), |i, j| dy.row(i)[j] * of(x.row(i)[j]))
    };
    Sum {
        of: "x",
        parts: vec![
            ("dy Φ(x)", part(|x| x.normal_law().0)),
            ("dy x φ(x)", part(|x| x * x.normal_law().1)),
        ],
    }
}

/// dlogits of a softmax with a temperature, by rows, from its value y.
pub(super) fn softmax(y: &Tensor<f64>, dy: &Tensor<f64>, temperature: f64) -> Sum {
    let inner = |i: usize| {
        let products = y.row(i).iter().zip(dy.row(i));
        products.map(|(y, dy)| y * dy).sum::<f64>()
    };
    let part = |of: &dyn Fn(usize, usize) -> f64| {
        Tensor::from_fn(y.rows(), y.cols(), |i, j| {
            y.row(i)[j] * of(i, j) / temperature
        })
    };
    Sum {
        of: "logits",
        parts: vec![
            ("y * dy / temperature", part(&|i, j| dy.row(i)[j])),
            ("−y <dy, y> / temperature", part(&|i, _| -inner(i))),
        ],
    }
}

/// dlogits of [`ops::cross_entropy()`], with p = softmax(logits).
pub(super) fn cross_entropy(p: &Tensor<f64>, label: usize, dloss: f64) -> Sum {
    let label = |j: usize| f64::from(u8::from(j == label));
    Sum {
        of: "logits",
        parts: vec![
            (
                "dloss p",
                Tensor::from_fn(1, p.cols(), |_, j| dloss * p.row(0)[j]),
            ),
            (
                "−dloss e_label",
                Tensor::from_fn(1, p.cols(), |_, j| -dloss * label(j)),
            ),
        ],
    }
}
