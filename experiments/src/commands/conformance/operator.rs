//! One attention on one sequence, a head unless the case says `heads`: output, probabilities, gradients.
//!
//! A tensor of the file is an input (`q k v`, `positions` of the tokens in a padded `length`), the cotangent of the
//! output (`dout`), an expectation (`out`, `probabilities`, and `d` before the name of an input or of a parameter), a
//! parameter of the method's own if it has one of that name, or else a draw, which all heads share. The method must
//! ask for every draw, so that nothing is drawn anew in its place; constants of its own that it would draw them from
//! may be missing.

use super::case::Case;
use super::error::{Comparison, Kind, Measure, norm};
use super::method::{Method, build};
use engine::{Draw, Draws, Real, Seed, Tape, Tensor, Var};
use ops::attention::{Attention, Inputs, LayerShape, Place};
use std::collections::BTreeMap;

/// The inputs of every method.
const INPUTS: [&str; 3] = ["q", "k", "v"];
/// Where the tokens stand, if not at 0, 1, 2, ...
const POSITIONS: &str = "positions";
/// What a method that samples by it notes beside its draws; expected then, and where a case has it.
const NOTED: &str = "probabilities";

/// Runs the case in `T`.
pub(super) fn check<T: Real>(case: &Case<'_>, method: &Method) -> Result<Vec<Measure>, String> {
    let shape = case.shape("q")?;
    let heads: usize = case.setting_or("heads", 1)?;
    let (n, width) = match shape[..] {
        [n, width] if n > 0 && width > 0 && heads > 0 && width.is_multiple_of(heads) => (n, width),
        _ => {
            return Err(format!(
                "q has shape {shape:?}, expected [n, {heads} p], none of them 0"
            ));
        }
    };
    let (positions, padded_length) = positions(case, n)?;
    let attention = build::<T>(case, method, [padded_length, width])?;
    let rows = |name: &str| case.matrix::<T>(name, (n, width));

    let tape = Tape::new();
    let mut leaves: Vec<(String, Var<'_, T>)> = Vec::new();
    for name in INPUTS {
        leaves.push((name.to_string(), tape.leaf("input", rows(name)?)));
    }
    let shape = LayerShape {
        positions: padded_length,
        heads,
        head_width: width / heads,
    };
    leaves.extend(own_parameters(case, &*attention, shape, &tape)?);
    let draws = draws(case, method, &leaves)?;

    let variables: Vec<Var<'_, T>> = leaves.iter().map(|(_, leaf)| leaf.clone()).collect();
    let reads = attention.reads();
    let given = (0..heads).flat_map(|h| {
        let place = move |what: &str| Place::default().draw(what, h);
        draws
            .iter()
            .map(move |(what, draw)| (place(what), draw.clone()))
    });
    let replay = Draws::replay(Seed(0).stream("not in the case"), given.collect());
    let out = attention.forward(&Inputs {
        q: reads.queries.then_some(&variables[0]),
        k: reads.keys.then_some(&variables[1]),
        v: &variables[2],
        heads,
        positions: &positions,
        padded_length,
        parameters: &variables[3..],
        draws: &replay,
        place: Place::default(),
        dropout: None,
    });
    let recorded = replay.recorded();
    let mut names = draws.keys().map(|what| Place::default().draw(what, 0));
    if let Some(name) = names.find(|name| !recorded.contains_key(name)) {
        return Err(format!("the method never asked for the draw {name}"));
    }
    if out.shape() != (n, width) {
        return Err(format!(
            "the output has shape {:?}, expected ({n}, {width})",
            out.shape()
        ));
    }
    let gradients = tape.backward_from(&out, rows("dout")?);

    // Constants have no gradient, whatever the case says.
    let own = attention.shapes(shape);
    let constants = own.iter().map(|(own, _)| !attention.trains(own));
    let mut constants = [false; INPUTS.len()].into_iter().chain(constants);
    leaves.retain(|_| constants.next() == Some(false));
    let expected: Vec<Vec<f64>> = leaves
        .iter()
        .map(|(name, leaf)| case.expected(&format!("d{name}"), leaf.shape()))
        .collect::<Result<_, _>>()?;
    let largest = expected.iter().map(|x| norm(x)).fold(0.0, f64::max);
    let tolerance = if T::NAME == f64::NAME { 1e-9 } else { 1e-5 };
    let mut comparison = Comparison::new::<T>(tolerance, largest, norm(&case.numbers("dout")?));
    comparison.tensor(
        Kind::Output,
        "out",
        out.value().data(),
        &case.expected("out", (n, width))?,
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

/// The parameters of a method's own by their names in the case. A constant that is drawn, since the case lacks it or
/// brings what is drawn from it, has no name there.
pub(super) fn own_parameters<'t, T: Real>(
    case: &Case<'_>,
    attention: &dyn Attention<T>,
    shape: LayerShape,
    tape: &'t Tape<T>,
) -> Result<Vec<(String, Var<'t, T>)>, String> {
    let names = case.names();
    let own = |(own, start): (&'static str, Tensor<T>)| {
        let name = names.iter().find(|name| name.eq_ignore_ascii_case(own));
        let (name, value) = match name {
            Some(name) if attention.trains(own) || case.holds_numbers(name) => {
                (name.to_string(), case.matrix(name, start.shape())?)
            }
            _ if !attention.trains(own) => (String::new(), start),
            _ => return Err(format!("tensor {own}, a parameter of it, is missing")),
        };
        Ok((name, tape.leaf("parameter", value)))
    };
    let all = attention.parameters(shape, Seed(0).stream("not in the case"));
    all.into_iter().map(own).collect()
}

/// The positions of `n` tokens, and the padded length.
pub(super) fn positions(case: &Case<'_>, n: usize) -> Result<(Vec<u32>, usize), String> {
    let length: usize = case.setting_or("length", n)?;
    let positions = match case.has(POSITIONS) {
        true => case.indices(POSITIONS)?,
        false => (0..n as u32).collect(),
    };
    let rising = positions.is_sorted_by(|a, b| a < b);
    let last = positions.last().map_or(0, |&last| last as usize);
    match positions.len() == n && rising && last < length {
        true => Ok((positions, length)),
        false => Err(format!(
            "expected {n} rising positions below the length {length}"
        )),
    }
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
        let known =
            ["out", "dout", NOTED, POSITIONS].contains(&name) || method.unread.contains(&name);
        if !(known || is_leaf(name) || is_gradient(name)) {
            draws.insert(name.to_string(), case.draw(name)?);
        }
    }
    Ok(draws)
}
