//! B V estimated from d columns of B and the rows of V that belong to them: B S Sᵀ V with one entry in every column of S.
//!
//! ```text
//! y = sum_k w_k B^(i_k) V_(i_k)              w = 1 / (d p_i), n / d where rows are drawn uniformly
//! ```
//!
//! S is a constant of the tape, its draws and its weights. In B and V the gradient is unbiased, wherever the estimate
//! is. Rows are drawn by p = softmax(logits): no gradient reaches the logits, neither through the weights nor through the
//! draw. E y = B V does not depend on p, so that the two terms which are left out cancel on average, whatever each is.
//!
//! Distinct rows with the weights of independent ones are biased: the mean of y is not B V. (Distinct rows with the
//! weights that make them unbiased depend on times of arrival, a number that is not discrete: there is no list of draws.)

use std::collections::BTreeMap;

use engine::{Draw as Drawn, Draws, Seed, Tape, Tensor};
use ops::sample::{uniform, weighted};
use ops::sketch::{Family, Scheme, sketched_product};

use super::{counts, inner, law, ordered, own_file, probabilities, refuse_many, refuse_rare};
use super::{sets, through_the_draw};
use crate::operator::asked::{Making, Ready};
use crate::operator::catalogue::{Setting, word};
use crate::operator::derivation::file;
use crate::operator::draws::{Draw, Estimate, SAMPLES};
use crate::question::{Refused, refuse};

const WEIGHTS: &str = "through the weights 1 / (d p)";
const DRAW: &str = "through the draw";

/// How rows are drawn.
pub(super) const SCHEME: Setting = word(
    "scheme",
    &[
        "by weight",
        "uniform",
        "uniform, distinct",
        "by weight, distinct, biased",
    ],
);

/// How rows are drawn, and what decides it.
#[derive(Clone, Copy, PartialEq)]
struct Rows {
    uniform: bool,
    distinct: bool,
}

impl Rows {
    fn family(self, p: &[f64]) -> Family {
        let scheme = match self.distinct {
            true => Scheme::DistinctBiased,
            false => Scheme::Replacement,
        };
        match self.uniform {
            true => Family::Uniform {
                replacement: !self.distinct,
            },
            false => Family::Importance {
                weights: p.into(),
                scheme,
            },
        }
    }

    /// The name and value of what is drawn, where these rows are to be drawn.
    fn given(self, indices: &[u32], p: &[f64]) -> BTreeMap<String, Drawn> {
        let (name, drawn) = match self.distinct && !self.uniform {
            false => ("s.rows", Drawn::Indices(indices.to_vec())),
            // A race, which these win.
            true => {
                let time = |(i, p): (u32, &f64)| if indices.contains(&i) { *p } else { 2.0 * p };
                let times = (0..).zip(p).map(time);
                ("s.times", Drawn::Numbers(times.collect()))
            }
        };
        BTreeMap::from([(name.to_string(), drawn)])
    }

    fn probability(self, indices: &[u32], p: &[f64]) -> f64 {
        let n = p.len() as f64;
        let d = indices.len() as u32;
        match (self.uniform, self.distinct) {
            (true, false) => n.powi(-(d as i32)),
            (true, true) => 1.0 / sets(p.len(), d as usize).len() as f64,
            (false, false) => indices.iter().map(|&i| p[i as usize]).product(),
            (false, true) => successive(indices, p, 1.0),
        }
    }
}

/// The probability that these rows come first, in any order, of draws without replacement; `left` is that of the rows
/// that are left.
fn successive(indices: &[u32], p: &[f64], left: f64) -> f64 {
    if indices.is_empty() {
        return 1.0;
    }
    let first = |k: usize| {
        let own = p[indices[k] as usize];
        let others: Vec<u32> = [&indices[..k], &indices[k + 1..]].concat();
        own / left * successive(&others, p, left - own)
    };
    (0..indices.len()).map(first).sum()
}

/// B (m, n) and V (n, p), with logits (1, n) where rows are drawn by weight, to y (m, p).
pub(super) fn make(making: &Making<'_>) -> Result<Ready, Refused> {
    let (m, n, d) = (making.rows, making.columns, making.whole("d"));
    let scheme = making.word("scheme");
    let rows = Rows {
        uniform: scheme.starts_with("uniform"),
        distinct: scheme.contains("distinct"),
    };
    refuse_many(n, d)?;
    if rows.distinct && d > n {
        return refuse(format!("d = {d}: expected at most {n} distinct rows"));
    }
    let mut inputs = vec![
        making.input("B", (m, n))?,
        making.input("V", (n, making.whole("values")))?,
    ];
    let p = if rows.uniform {
        vec![1.0 / n as f64; n]
    } else {
        inputs.push(making.input("logits", (1, n))?);
        refuse_rare(&inputs[2].1)?;
        law(&inputs[2].1)
    };
    let s = rows.family(&p).draw::<f64>(n, d, &making.draws, "s");
    let sampled = samples(rows, &p, d, making);
    let mut ready = Ready::new(own_file!("column_sampling"), inputs, move |_, v| {
        sketched_product(&v[0], &v[1], &s)
    });
    ready.shown.push(("p", Tensor::from_slice(1, n, &p)));
    ready.files.extend([
        file!("sketch/product.rs", "sketched_product"),
        file!("sketch/sampling.rs", "importance"),
        file!("sample/score_function.rs", "score_function"),
    ]);
    ready.all_draws = Some(Box::new(move |x, dy| {
        let all = if rows.distinct {
            sets(n, d)
        } else {
            ordered(n, d)
        };
        let counts = counts(&all, sampled.iter().cloned());
        let one = |indices| one(rows, &p, x, dy, indices);
        Estimate {
            draws: all.into_iter().map(one).collect(),
            law: p.clone(),
            counts,
            truth: truth(x, dy),
            terms_of: (!rows.uniform && !rows.distinct).then_some(("logits", None)),
        }
        .answer()
    }));
    Ok(ready)
}

/// What the samplers of ops draw.
fn samples(rows: Rows, p: &[f64], d: usize, making: &Making<'_>) -> Vec<Vec<u32>> {
    let mut generator = making.frequencies();
    let draw = |_| match (rows.uniform, rows.distinct) {
        (true, false) => uniform::with_replacement(p.len(), d, &mut generator),
        (true, true) => uniform::without_replacement(p.len(), d, &mut generator),
        (false, false) => weighted::with_replacement(p, d, &mut generator),
        (false, true) => weighted::without_replacement(p, d, &mut generator),
    };
    (0..SAMPLES).map(draw).collect()
}

fn one(rows: Rows, p: &[f64], x: &[Tensor<f64>], dy: &Tensor<f64>, indices: Vec<u32>) -> Draw {
    let draws = Draws::replay(Seed(0).stream("given"), rows.given(&indices, p));
    let s = rows
        .family(p)
        .draw::<f64>(p.len(), indices.len(), &draws, "s");
    let tape = Tape::new();
    let (b, v) = (tape.leaf("B", x[0].clone()), tape.leaf("V", x[1].clone()));
    let y = sketched_product(&b, &v, &s);
    let gradients = tape.backward_from(&y, dy.clone());
    let mut quantities = vec![
        ("y", y.value().clone()),
        ("B", gradients.of(&b)),
        ("V", gradients.of(&v)),
    ];
    let mut terms = Vec::new();
    if let Some(logits) = x.get(2) {
        quantities.push(("logits", Tensor::zeros(1, p.len())));
        let weights = through_the_weights(x, dy, &indices);
        let draw = through_the_draw(logits, &indices, inner(y.value(), dy));
        terms = vec![(WEIGHTS, weights), (DRAW, draw)];
    }
    Draw {
        probability: rows.probability(&indices, p),
        quantities,
        terms,
        indices,
    }
}

/// The gradient in the logits of the same estimate, as an [`ops::sample::importance_sum()`] of the products of a column
/// of B with a row of V, written as rows.
fn through_the_weights(x: &[Tensor<f64>], dy: &Tensor<f64>, indices: &[u32]) -> Tensor<f64> {
    let (m, columns) = dy.shape();
    let product = |i: usize, at: usize| x[0].row(at / columns)[i] * x[1].row(i)[at % columns];
    let tape = Tape::new();
    let logits = tape.leaf("logits", x[2].clone());
    let products = tape.leaf(
        "products",
        Tensor::from_fn(x[1].rows(), m * columns, product),
    );
    let of_rows = ops::gather(&products, indices);
    let y = ops::sample::importance_sum(&of_rows, &probabilities(&logits, indices));
    let dy = Tensor::from_slice(1, m * columns, dy.data());
    tape.backward_from(&y, dy).of(&logits)
}

/// B V itself, which no logit changes.
fn truth(x: &[Tensor<f64>], dy: &Tensor<f64>) -> Vec<(&'static str, Tensor<f64>)> {
    let tape = Tape::new();
    let (b, v) = (tape.leaf("B", x[0].clone()), tape.leaf("V", x[1].clone()));
    let y = b.matmul(&v);
    let gradients = tape.backward_from(&y, dy.clone());
    let mut truth = vec![
        ("y", y.value().clone()),
        ("B", gradients.of(&b)),
        ("V", gradients.of(&v)),
    ];
    if let Some(logits) = x.get(2) {
        truth.push(("logits", Tensor::zeros(1, logits.cols())));
    }
    truth
}
