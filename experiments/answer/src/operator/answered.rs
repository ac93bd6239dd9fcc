//! One pass of an operator forward and backward, and finite differences beside every number that it gives back.

use std::collections::BTreeMap;

use engine::{Draw, Tape, Tensor};
use serde::Serialize;

use super::asked::{Asked, Making, Ready, Value};
use super::catalogue::{Operator, find};
use super::derivation::{self, Source};
use super::draws::AllDraws;
use super::sums;
use crate::finite::{Finite, Number};
use crate::question::{Refused, refuse};
use crate::quiet;
use crate::scene::{Drawn, rows};
use crate::tape::{Node, Place, nodes};

/// Numbers that are compared with finite differences: four passes forward each.
const MOST_COMPARED: usize = 3 * 1024;
/// A gradient counts as at least this share of the largest one, as in the checks of the project: one that is exactly 0
/// differs from 0 by rounding.
const FLOOR: f64 = 1e-4;

/// A matrix with its name.
#[derive(Serialize)]
pub struct Named {
    name: &'static str,
    rows: Vec<Vec<f64>>,
}

fn named((name, x): &(&'static str, Tensor<f64>)) -> Named {
    Named {
        name,
        rows: rows(x),
    }
}

/// The cotangent that goes out to an input.
#[derive(Serialize)]
pub struct Gradient {
    pub(super) of: &'static str,
    pub(super) rows: Vec<Vec<f64>>,
    /// None where there are too many numbers.
    pub(super) finite: Option<Compared>,
}

/// A gradient beside finite differences.
#[derive(Serialize)]
pub struct Compared {
    differences: Vec<Vec<f64>>,
    /// Where the error is largest.
    largest: Where,
    /// The places that do not agree.
    pub(super) wrong: Vec<Where>,
}

/// A number beside its finite difference.
#[derive(Serialize, Clone, Copy)]
pub struct Where {
    row: usize,
    col: usize,
    value: f64,
    finite: Finite,
}

/// The answer about an operator.
#[derive(Serialize)]
pub struct Answer {
    name: &'static str,
    group: &'static str,
    about: String,
    takes: String,
    rows: usize,
    columns: usize,
    settings: BTreeMap<&'static str, Value>,
    /// In the order in which it takes them.
    inputs: Vec<Named>,
    y: Vec<Vec<f64>>,
    dy: Vec<Vec<f64>>,
    pub(super) gradients: Vec<Gradient>,
    /// How many numbers were compared with finite differences, and how many there may be at most.
    compared: usize,
    most_compared: usize,
    /// Of what the differences are, where that is not the operator itself.
    held: Option<&'static str>,
    /// Constants: S, a mask, probabilities.
    shown: Vec<Named>,
    pub(super) sums: Vec<sums::Shown>,
    draws: BTreeMap<String, Drawn>,
    /// What the tape has recorded beside the inputs.
    nodes: Vec<Node>,
    saved_bytes: usize,
    multiply_adds: [u64; 2],
    /// Where the operator, and so its gradient, is written.
    written: Place,
    /// Docs and source.
    sources: Vec<Source>,
    pub(super) all_draws: Option<AllDraws>,
}

/// Value, cotangents and costs of an operator, with its derivation.
///
/// # Errors
/// If there is no such operator, or sizes, settings or inputs are beyond its limits.
pub fn answer(asked: &Asked) -> Result<Answer, Refused> {
    let operator = find(&asked.name)?;
    let making = Making::new(asked, &operator)?;
    // All that an operator refuses is refused before; what is forgotten ends in a sentence as well.
    let worked = quiet::without_panic(|| {
        let ready = (operator.make)(&making)?;
        making.refuse_others(&ready)?;
        worked(&operator, &making, &ready)
    });
    worked.map_err(Refused)?
}

fn worked(operator: &Operator, making: &Making<'_>, ready: &Ready) -> Result<Answer, Refused> {
    let values: Vec<Tensor<f64>> = ready.inputs.iter().map(|(_, x)| x.clone()).collect();
    let tape = Tape::keeping();
    let leaf = |x: &Tensor<f64>| tape.leaf("input", x.clone());
    let leaves: Vec<_> = values.iter().map(leaf).collect();
    let y = (ready.function)(&tape, &leaves);
    let dy = making.dy(y.shape())?;
    let gradients = tape.backward_from(&y, dy.clone());
    let dx: Vec<Tensor<f64>> = leaves.iter().map(|x| gradients.of(x)).collect();

    let mut recorded = nodes(&tape.records(), []);
    recorded.retain(|node| !node.parents.is_empty()); // what is computed
    let about = operator.node.unwrap_or(operator.name);
    let node = recorded.iter().find(|node| node.operator == about);
    let node = node.or(recorded.last());
    let none = || Place {
        file: ready.files[0].path.into(),
        line: 1,
    };
    let written = node.map_or_else(none, |node| node.written.clone());

    let count: usize = values.iter().map(|x| x.data().len()).sum();
    let sizes = dx.iter().flat_map(|dx| dx.data()).map(|x| x.abs());
    let largest = sizes.fold(0.0, f64::max);
    let gradients = ready.inputs.iter().zip(&dx).enumerate();
    let gradients = gradients.map(|(which, ((of, _), dx))| {
        let finite = match count <= MOST_COMPARED {
            true => Some(compared(ready, &values, &dy, (which, dx, FLOOR * largest))?),
            false => None,
        };
        Ok(Gradient {
            of,
            rows: rows(dx),
            finite,
        })
    });
    let sums = ready.sums.as_ref().map(|sums| sums(&values, &dy));
    let sums = sums.into_iter().flatten().map(|sum| {
        let which = ready.inputs.iter().position(|(name, _)| *name == sum.of);
        sum.shown(&dx[which.unwrap_or(0)])
    });
    let drawn = |draw: &Draw| match draw {
        Draw::Indices(indices) => Drawn::Indices(indices.clone()),
        Draw::Numbers(numbers) => Drawn::Numbers(numbers.clone()),
    };
    let (summary, draws) = (
        derivation::summary(&ready.files[0]),
        making.draws.recorded(),
    );
    let [forward, backward] = [0, 1].map(|which| {
        let adds = recorded.iter().map(|node| node.multiply_adds[which]);
        adds.sum::<u64>()
    });
    Ok(Answer {
        name: operator.name,
        group: operator.group,
        about: summary.0,
        takes: summary.1,
        rows: making.rows,
        columns: making.columns,
        settings: making.settings.clone(),
        inputs: ready.inputs.iter().map(named).collect(),
        y: rows(y.value()),
        dy: rows(&dy),
        gradients: gradients.collect::<Result<_, Refused>>()?,
        compared: if count <= MOST_COMPARED { count } else { 0 },
        most_compared: MOST_COMPARED,
        held: ready.held.as_ref().map(|(_, why)| *why),
        shown: ready.shown.iter().map(named).collect(),
        sums: sums.collect(),
        draws: draws
            .iter()
            .map(|(name, draw)| (name.clone(), drawn(draw)))
            .collect(),
        saved_bytes: recorded.iter().map(|node| node.saved_bytes).sum(),
        multiply_adds: [forward, backward],
        sources: derivation::sources(&ready.files, &recorded),
        nodes: recorded,
        written,
        all_draws: ready.all_draws.as_ref().map(|all| all(&values, &dy)),
    })
}

/// The gradient of input `which` beside finite differences of sum(y dy).
fn compared(
    ready: &Ready,
    values: &[Tensor<f64>],
    dy: &Tensor<f64>,
    (which, dx, floor): (usize, &Tensor<f64>, f64),
) -> Result<Compared, Refused> {
    let function = ready
        .held
        .as_ref()
        .map_or(&ready.function, |(held, _)| held);
    let sizes = dx.data().iter().map(|x| x.abs());
    let scale = sizes.fold(floor.max(f64::MIN_POSITIVE), f64::max);
    let finite = |row: usize, col: usize| -> Result<Where, Refused> {
        let loss = |step: f64| {
            let tape = Tape::forward_only();
            let mut moved = values.to_vec();
            moved[which].row_mut(row)[col] += step;
            let leaves: Vec<_> = moved.into_iter().map(|x| tape.leaf("input", x)).collect();
            let y = function(&tape, &leaves);
            let products = y.value().data().iter().zip(dy.data());
            Ok(products.map(|(y, dy)| y * dy).sum())
        };
        let number = Number {
            value: dx.row(row)[col],
            scale,
            tolerance: engine::check::TOLERANCE,
        };
        Ok(Where {
            row,
            col,
            value: number.value,
            finite: number.beside(loss)?,
        })
    };
    let all = (0..dx.rows()).map(|row| {
        let row = (0..dx.cols()).map(|col| finite(row, col));
        row.collect::<Result<Vec<_>, _>>()
    });
    let all = all.collect::<Result<Vec<_>, _>>()?;
    // What is no number is the largest error of all.
    let size = |at: &&Where| match at.finite.error.is_nan() {
        true => f64::INFINITY,
        false => at.finite.error,
    };
    let places = || all.iter().flatten();
    let largest = places().max_by(|a, b| size(a).total_cmp(&size(b)));
    let Some(&largest) = largest else {
        return refuse("an input without numbers has no gradient");
    };
    Ok(Compared {
        differences: all
            .iter()
            .map(|row| row.iter().map(|at| at.finite.difference).collect())
            .collect(),
        largest,
        wrong: places().filter(|at| !at.finite.agrees).copied().collect(),
    })
}
