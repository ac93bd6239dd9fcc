//! One head of one attention on one sequence: output, probabilities, gradients.
//!
//! A tensor of the file is an input (`q k v`), the cotangent of the output (`dout`), an expectation
//! (`out`, `probabilities`, and `d` before the name of an input or of a parameter), a parameter of
//! the method's own if it has one of that name, or else a draw. The method must ask for every draw,
//! so that nothing is drawn anew in its place.

use super::case::Case;
use super::error::{Comparison, Kind, Measure, norm};
use super::method::{Method, build};
use engine::{Draw, Draws, Real, Seed, Tape, Var};
use ops::attention::{Inputs, LayerShape, Place};
use std::collections::BTreeMap;

/// The inputs of every method.
const INPUTS: [&str; 3] = ["q", "k", "v"];
/// What a method that samples by it notes beside its draws; expected then, and where a case has it.
const NOTED: &str = "probabilities";

/// Runs the case in `T`.
pub(super) fn check<T: Real>(case: &Case<'_>, method: &Method) -> Result<Vec<Measure>, String> {
    let shape = case.shape("q")?;
    let (n, p) = match shape[..] {
        [n, p] if n > 0 && p > 0 => (n, p),
        _ => {
            return Err(format!(
                "q has shape {shape:?}, expected [n, p], none of them 0"
            ));
        }
    };
    let attention = build::<T>(case, method, [n, p])?;
    let head = |name: &str| case.matrix::<T>(name, (n, p));

    let tape = Tape::new();
    let mut leaves: Vec<(String, Var<'_, T>)> = Vec::new();
    for name in INPUTS {
        leaves.push((name.to_string(), tape.leaf("input", head(name)?)));
    }
    let shape = LayerShape {
        positions: n,
        heads: 1,
        head_width: p,
    };
    // Their values come from the file.
    for (own, [rows, cols]) in attention.shapes(shape) {
        let names = case.names();
        let name = names.iter().find(|name| name.eq_ignore_ascii_case(own));
        let name = name.ok_or_else(|| format!("tensor {own}, a parameter of it, is missing"))?;
        leaves.push((
            name.to_string(),
            tape.leaf("parameter", case.matrix(name, (rows, cols))?),
        ));
    }
    let draws = draws(case, method, &leaves)?;

    let variables: Vec<Var<'_, T>> = leaves.iter().map(|(_, leaf)| leaf.clone()).collect();
    let positions: Vec<u32> = (0..n as u32).collect();
    let reads = attention.reads();
    let replay = Draws::replay(Seed(0).stream("not in the case"), draws.clone());
    let out = attention.forward(&Inputs {
        q: reads.queries.then_some(&variables[0]),
        k: reads.keys.then_some(&variables[1]),
        v: &variables[2],
        heads: 1,
        positions: &positions,
        padded_length: n,
        parameters: &variables[3..],
        draws: &replay,
        place: Place::default(),
        dropout: None,
    });
    let recorded = replay.recorded();
    if let Some(name) = draws.keys().find(|name| !recorded.contains_key(*name)) {
        return Err(format!("the method never asked for the draw {name}"));
    }
    if out.shape() != (n, p) {
        return Err(format!(
            "the output has shape {:?}, expected ({n}, {p})",
            out.shape()
        ));
    }
    let gradients = tape.backward_from(&out, head("dout")?);

    // Constants have no gradient, whatever the case says.
    let trained = match attention.trains() {
        true => leaves.len(),
        false => INPUTS.len(),
    };
    let leaves = &leaves[..trained];
    let expected: Vec<Vec<f64>> = leaves
        .iter()
        .map(|(name, _)| case.numbers(&format!("d{name}")))
        .collect::<Result<_, _>>()?;
    let largest = expected.iter().map(|x| norm(x)).fold(0.0, f64::max);
    let tolerance = if T::NAME == f64::NAME { 1e-9 } else { 1e-5 };
    let mut comparison = Comparison::new::<T>(tolerance, largest, norm(&case.numbers("dout")?));
    comparison.tensor(
        Kind::Output,
        "out",
        out.value().data(),
        &case.numbers("out")?,
    )?;
    match recorded.get(&Place::default().draw(NOTED, 0)) {
        Some(Draw::Numbers(got)) => {
            comparison.tensor(Kind::Output, NOTED, got, &case.numbers(NOTED)?)?;
        }
        _ if case.has(NOTED) && !method.unread.contains(&NOTED) => {
            return Err(format!("the method noted no {NOTED}"));
        }
        _ => {}
    }
    for ((name, leaf), want) in leaves.iter().zip(&expected) {
        let got = gradients.of(leaf);
        comparison.tensor(Kind::Gradient, &format!("d{name}"), got.data(), want)?;
    }
    Ok(comparison.measures())
}

/// Whatever else the file holds, under the names by which a method asks for it.
fn draws<T: Real>(
    case: &Case<'_>,
    method: &Method,
    leaves: &[(String, Var<'_, T>)],
) -> Result<BTreeMap<String, Draw>, String> {
    let is_leaf = |name: &str| leaves.iter().any(|(leaf, _)| leaf == name);
    let is_gradient = |name: &str| name.strip_prefix('d').is_some_and(|of| case.has(of));
    let mut draws = BTreeMap::new();
    for name in case.names() {
        let known = ["out", "dout", NOTED].contains(&name) || method.unread.contains(&name);
        if !(known || is_leaf(name) || is_gradient(name)) {
            draws.insert(Place::default().draw(name, 0), case.draw(name)?);
        }
    }
    Ok(draws)
}
