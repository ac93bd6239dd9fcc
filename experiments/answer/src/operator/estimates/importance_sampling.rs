//! The sum of the rows of f, estimated from d of them: drawn with replacement by p = softmax(logits), each divided by
//! d times its probability.
//!
//! ```text
//! y = (1/d) sum_k f_{i_k} / p_{i_k}          E y = sum_i f_i, whatever p is
//! ```
//!
//! A tape takes the draws for constants. Of the logits it then sees the weights 1 / (d p) alone, and the mean of that
//! gradient is not the gradient of E y, which is 0. What is left out is the law of the draw itself:
//!
//! ```text
//! dlogits = E [ d<y, dy>/dlogits at these draws  +  <y, dy> d ln P(draw)/dlogits ]          P(draw) = p_{i_1} ... p_{i_d}
//!               through the weights                through the draw (the score function)
//! ```

use engine::{Tape, Tensor, Var};
use ops::sample::weighted;

use super::through_the_draw;
use super::{counts, inner, law, ordered, own_file, probabilities, refuse_many, refuse_rare};
use crate::operator::asked::{Making, Ready};
use crate::operator::derivation::file;
use crate::operator::draws::{Draw, Estimate, SAMPLES};
use crate::question::Refused;

const WEIGHTS: &str = "through the weights 1 / (d p)";
const DRAW: &str = "through the draw";

/// f (n, c) and logits (1, n) to y (1, c), for d rows that are drawn.
pub(super) fn make(making: &Making<'_>) -> Result<Ready, Refused> {
    let (n, c, d) = (making.rows, making.columns, making.whole("d"));
    refuse_many(n, d)?;
    let inputs = vec![making.input("f", (n, c))?, making.input("logits", (1, n))?];
    refuse_rare(&inputs[1].1)?;
    let p = law(&inputs[1].1);
    let indices = making.draws.indices("indices", n, |generator| {
        weighted::with_replacement(&p, d, generator)
    });
    let mut generator = making.frequencies();
    let sampled = weighted::with_replacement(&p, d * SAMPLES, &mut generator);
    let mut ready = Ready::new(own_file!("importance_sampling"), inputs, move |_, v| {
        estimated(&v[0], &v[1], &indices)
    });
    ready.shown.push(("p", Tensor::from_slice(1, n, &p)));
    ready.files.extend([
        file!("sample/importance_sum.rs", "importance_sum"),
        file!("sample/score_function.rs", "score_function"),
        file!("sample/weighted.rs", "with_replacement"),
    ]);
    ready.all_draws = Some(Box::new(move |x, dy| {
        let all = ordered(n, d);
        let counts = counts(&all, sampled.chunks_exact(d).map(<[u32]>::to_vec));
        Estimate {
            draws: all
                .into_iter()
                .map(|indices| one(&p, x, dy, indices))
                .collect(),
            law: p.clone(),
            counts,
            truth: truth(x, dy),
            terms_of: Some(("logits", Some(WEIGHTS))),
        }
        .answer()
    }));
    Ok(ready)
}

/// y for the rows that were drawn.
fn estimated<'t>(f: &Var<'t, f64>, logits: &Var<'t, f64>, indices: &[u32]) -> Var<'t, f64> {
    let p = probabilities(logits, indices); // (d, 1)
    ops::sample::importance_sum(&ops::gather(f, indices), &p)
}

fn one(p: &[f64], x: &[Tensor<f64>], dy: &Tensor<f64>, indices: Vec<u32>) -> Draw {
    let tape = Tape::new();
    let (f, logits) = (
        tape.leaf("f", x[0].clone()),
        tape.leaf("logits", x[1].clone()),
    );
    let y = estimated(&f, &logits, &indices);
    let gradients = tape.backward_from(&y, dy.clone());
    let weights = gradients.of(&logits);
    let draw = through_the_draw(&x[1], &indices, inner(y.value(), dy));
    Draw {
        probability: indices.iter().map(|&i| p[i as usize]).product(),
        quantities: vec![
            ("y", y.value().clone()),
            ("f", gradients.of(&f)),
            ("logits", weights.clone()),
        ],
        terms: vec![(WEIGHTS, weights), (DRAW, draw)],
        indices,
    }
}

/// The sum itself, which no logit changes.
fn truth(x: &[Tensor<f64>], dy: &Tensor<f64>) -> Vec<(&'static str, Tensor<f64>)> {
    let tape = Tape::new();
    let f = tape.leaf("f", x[0].clone());
    let y = ops::pool(&f, 1);
    let df = tape.backward_from(&y, dy.clone()).of(&f);
    vec![
        ("y", y.value().clone()),
        ("f", df),
        ("logits", Tensor::zeros(1, x[1].cols())),
    ]
}
