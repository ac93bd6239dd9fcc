//! The plainest loops over rows of numbers, for the tests that compare methods with their formulas.

use engine::Tensor;

pub(crate) const HEADS: usize = 2;

pub(crate) type Rows = Vec<Vec<f64>>;

/// The columns of head `h`.
pub(crate) fn head(x: &Tensor<f64>, h: usize) -> Rows {
    let p = x.cols() / HEADS;
    (0..x.rows())
        .map(|i| x.row(i)[h * p..(h + 1) * p].to_vec())
        .collect()
}

/// Those of q, k and v.
pub(crate) fn heads(x: &[Tensor<f64>; 3], h: usize) -> [Rows; 3] {
    [0, 1, 2].map(|which| head(&x[which], h))
}

pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

pub(crate) fn softmax(logits: &[f64]) -> Vec<f64> {
    let max = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let e: Vec<f64> = logits.iter().map(|s| (s - max).exp()).collect();
    let sum: f64 = e.iter().sum();
    e.iter().map(|e| e / sum).collect()
}

/// Row i of softmax(Q Kᵀ / √p) for the query q_i.
pub(crate) fn probabilities(q: &[f64], k: &Rows) -> Vec<f64> {
    let p = q.len() as f64;
    let logits: Vec<f64> = k.iter().map(|k| dot(q, k) / p.sqrt()).collect();
    softmax(&logits)
}

/// The sum of the rows of v by their weights.
pub(crate) fn mix(weights: &[f64], v: &Rows) -> Vec<f64> {
    (0..v[0].len())
        .map(|c| weights.iter().zip(v).map(|(w, v)| w * v[c]).sum())
        .collect()
}

/// Relative to the largest entry wanted. Measured: at most 1.1e-14, of any method.
const TOLERANCE: f64 = 1e-13;

pub(crate) fn assert_close(got: &Tensor<f64>, want: &[Rows; HEADS], what: &str) {
    let entries = want.iter().flatten().flatten();
    let scale = entries.fold(0.0f64, |largest, x| largest.max(x.abs()));
    for (h, want) in want.iter().enumerate() {
        for (i, (got, want)) in head(got, h).iter().zip(want).enumerate() {
            for (got, want) in got.iter().zip(want) {
                assert!(
                    (got - want).abs() <= TOLERANCE * scale,
                    "{what}, head {h}, row {i}: {got} is not {want}, off by {:e}",
                    (got - want).abs() / scale
                );
            }
        }
    }
}
