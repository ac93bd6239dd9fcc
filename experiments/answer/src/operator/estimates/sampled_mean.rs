//! The mean of the rows of f under p = softmax(logits), estimated from d rows that are drawn by p, with replacement.
//!
//! ```text
//! y = (1/d) sum_k f_{i_k}                    E y = sum_i p_i f_i
//! ```
//!
//! Here the law is all that the logits decide, and a tape on which draws are constants gives them no gradient at all.
//! The gradient of E y comes from the score function alone, with any baseline b that does not depend on its draw:
//!
//! ```text
//! dlogits = E [ (1/d) sum_k (<f_{i_k}, dy> - b_k) d ln p_{i_k}/dlogits ]
//! ```
//!
//! Baselines change how far single draws scatter, not their mean.

use engine::{Tape, Tensor};
use ops::sample::{Baseline, weighted};

use super::{counts, law, ordered, own_file, refuse_many, refuse_rare};
use crate::operator::asked::{Making, Ready};
use crate::operator::derivation::file;
use crate::operator::draws::{Draw, Estimate, SAMPLES};
use crate::operator::samplers::baseline;
use crate::question::Refused;

const DRAW: &str = "through the draw";

/// f (n, c) and logits (1, n) to y (1, c), for d rows that are drawn.
pub(super) fn make(making: &Making<'_>) -> Result<Ready, Refused> {
    let (n, c, d) = (making.rows, making.columns, making.whole("d"));
    refuse_many(n, d)?;
    let baseline = baseline(making, d)?;
    let inputs = vec![making.input("f", (n, c))?, making.input("logits", (1, n))?];
    refuse_rare(&inputs[1].1)?;
    let p = law(&inputs[1].1);
    let indices = making.draws.indices("indices", n, |generator| {
        weighted::with_replacement(&p, d, generator)
    });
    let mut generator = making.frequencies();
    let sampled = weighted::with_replacement(&p, d * SAMPLES, &mut generator);
    let mut ready = Ready::new(own_file!("sampled_mean"), inputs, move |_, v| {
        ops::pool(&ops::gather(&v[0], &indices), d)
    });
    ready.shown.push(("p", Tensor::from_slice(1, n, &p)));
    ready.files.extend([
        file!("sample/score_function.rs", "score_function"),
        file!("sample/log_probability.rs", "log_probability"),
        file!("sample/weighted.rs", "with_replacement"),
    ]);
    ready.all_draws = Some(Box::new(move |x, dy| {
        let all = ordered(n, d);
        let counts = counts(&all, sampled.chunks_exact(d).map(<[u32]>::to_vec));
        let one = |indices| one(&p, x, dy, indices, baseline);
        Estimate {
            draws: all.into_iter().map(one).collect(),
            law: p.clone(),
            counts,
            truth: truth(x, dy),
            terms_of: Some(("logits", None)),
        }
        .answer()
    }));
    Ok(ready)
}

fn one(
    p: &[f64],
    x: &[Tensor<f64>],
    dy: &Tensor<f64>,
    indices: Vec<u32>,
    baseline: Baseline,
) -> Draw {
    let tape = Tape::new();
    let f = tape.leaf("f", x[0].clone());
    let y = ops::pool(&ops::gather(&f, &indices), indices.len());
    let df = tape.backward_from(&y, dy.clone()).of(&f);

    let of_law = Tape::new();
    let logits = of_law.leaf("logits", x[1].clone());
    let f = of_law.leaf("f", x[0].clone());
    let direction = of_law.leaf("dy", Tensor::from_slice(dy.cols(), 1, dy.data()));
    let rewards = ops::gather(&f, &indices).matmul(&direction); // (d, 1)
    let log_p = ops::sample::log_probability(&logits, &indices); // (d, 1)
    let estimate = ops::sample::score_function(&log_p, &rewards, baseline);
    let draw = of_law.backward(&estimate).of(&logits);
    Draw {
        probability: indices.iter().map(|&i| p[i as usize]).product(),
        quantities: vec![
            ("y", y.value().clone()),
            ("f", df),
            ("logits", Tensor::zeros(1, p.len())),
        ],
        terms: vec![(DRAW, draw)],
        indices,
    }
}

/// The expectation, which a tape sees as softmax(logits) f.
fn truth(x: &[Tensor<f64>], dy: &Tensor<f64>) -> Vec<(&'static str, Tensor<f64>)> {
    let tape = Tape::new();
    let (f, logits) = (
        tape.leaf("f", x[0].clone()),
        tape.leaf("logits", x[1].clone()),
    );
    let noise = Tensor::zeros(1, logits.cols());
    let y = ops::sample::gumbel_softmax(&logits, &noise, 1.0).matmul(&f);
    let gradients = tape.backward_from(&y, dy.clone());
    vec![
        ("y", y.value().clone()),
        ("f", gradients.of(&f)),
        ("logits", gradients.of(&logits)),
    ]
}
