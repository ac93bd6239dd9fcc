//! Gradients through draws, one operator each: the estimators and relaxations of ops, on what has been drawn.

use engine::{Tape, Tensor};
use ops::sample::{Baseline, score_function, straight_through};

use super::asked::{Making, Ready};
use super::catalogue::{MOST, Operator, Setting, Size, whole, word};
use super::derivation::file;
use super::layers::TEMPERATURE;
use super::sums;
use crate::question::{Refused, refuse};

const GROUP: &str = "Samplers";

/// Of the score function; the constant one is 1.
pub(super) const BASELINE: Setting = word("baseline", &["none", "constant 1", "leave one out"]);

/// The baseline of a question, of d samples.
pub(super) fn baseline(making: &Making<'_>, d: usize) -> Result<Baseline, Refused> {
    match making.word("baseline") {
        "none" => Ok(Baseline::None),
        "constant 1" => Ok(Baseline::Constant(1.0)),
        _ if d > 1 => Ok(Baseline::LeaveOneOut),
        _ => refuse("baseline: expected two samples or more to leave one out"),
    }
}

const fn operator(
    name: &'static str,
    (rows, columns): (Size, Size),
    settings: &'static [Setting],
    make: fn(&Making<'_>) -> Result<Ready, Refused>,
) -> Operator {
    Operator {
        name,
        node: None,
        group: GROUP,
        rows,
        columns,
        settings,
        make,
    }
}

pub(super) fn operators() -> Vec<Operator> {
    let (rows, columns) = (Size::of(4), Size::of(3));
    vec![
        operator("importance_sum", (rows, columns), &[], importance_sum),
        operator(
            "log_probability",
            (Size::only(1), Size::of(4)),
            const { &[whole("draws", MOST, |_, _| 3)] },
            log_probability,
        ),
        operator(
            "score_function",
            (rows, Size::only(1)),
            const { &[BASELINE] },
            score,
        ),
        operator(
            "gumbel_softmax",
            (rows, columns),
            const { &[TEMPERATURE] },
            gumbel_softmax,
        ),
        operator("straight_through", (rows, columns), &[], through),
    ]
}

fn importance_sum(making: &Making<'_>) -> Result<Ready, Refused> {
    let (d, c) = (making.rows, making.columns);
    let inputs = vec![
        making.input("f", (d, c))?,
        making.probabilities("p", (d, 1))?,
    ];
    let file = file!("sample/importance_sum.rs", "importance_sum");
    Ok(Ready::new(file, inputs, |_, v| {
        ops::sample::importance_sum(&v[0], &v[1])
    }))
}

fn log_probability(making: &Making<'_>) -> Result<Ready, Refused> {
    let n = making.columns;
    let inputs = vec![making.input("logits", (1, n))?];
    let weights = super::layers::softmax_of(&inputs[0].1);
    let count = making.whole("draws");
    let indices = making.draws.indices("indices", n, |generator| {
        ops::sample::weighted::with_replacement(weights.data(), count, generator)
    });
    let file = file!("sample/log_probability.rs", "log_probability");
    Ok(Ready::new(file, inputs, move |_, v| {
        ops::sample::log_probability(&v[0], &indices)
    }))
}

fn score(making: &Making<'_>) -> Result<Ready, Refused> {
    let d = making.rows;
    let baseline = baseline(making, d)?;
    let inputs = vec![making.input("log_p", (d, 1))?, making.input("f", (d, 1))?];
    let (anchor, a) = (
        inputs[0].1.clone(),
        score_function::advantages(&inputs[1].1, baseline),
    );
    let file = file!("sample/score_function.rs", "score_function");
    let mut ready = Ready::new(file, inputs, move |_, v| {
        score_function(&v[0], &v[1], baseline)
    });
    ready.shown.push(("a", a.clone()));
    ready.held = Some((
        Box::new(move |_, v| score_function::anchored(&v[0], &v[1], a.clone(), &anchor)),
        "The value does not depend on log_p: differences are of the surrogate, its advantages and anchor held.",
    ));
    Ok(ready)
}

fn gumbel_softmax(making: &Making<'_>) -> Result<Ready, Refused> {
    let (m, n, temperature) = (making.rows, making.columns, making.number("temperature"));
    let inputs = vec![making.input("logits", (m, n))?];
    let noise: Tensor<f64> = ops::sample::gumbel_noise(m, n, &making.draws, "noise");
    let file = file!("sample/gumbel_softmax.rs", "gumbel_softmax");
    let held = noise.clone();
    let mut ready = Ready::new(file, inputs, move |_, v| {
        ops::sample::gumbel_softmax(&v[0], &held, temperature)
    });
    ready.shown.push(("G", noise.clone()));
    Ok(ready.with_sums(move |x, dy| {
        let tape = Tape::forward_only();
        let logits = tape.leaf("logits", x[0].clone());
        let y = ops::sample::gumbel_softmax(&logits, &noise, temperature);
        vec![sums::softmax(y.value(), dy, temperature)]
    }))
}

fn through(making: &Making<'_>) -> Result<Ready, Refused> {
    let (m, n) = (making.rows, making.columns);
    let inputs = vec![making.input("soft", (m, n))?];
    let soft = inputs[0].1.clone();
    let hard = straight_through::one_hot(&straight_through::argmax_rows(&soft), n);
    let file = file!("sample/straight_through.rs", "straight_through");
    let of_value = hard.clone();
    let mut ready = Ready::new(file, inputs, move |_, v| {
        straight_through(&v[0], of_value.clone())
    });
    ready.held = Some((
        Box::new(move |_, v| straight_through::anchored(&v[0], hard.clone(), &soft)),
        "The value is discrete: differences are of hard + soft − anchor, the anchor being soft itself, held.",
    ));
    Ok(ready)
}
