//! A piece of a model on one sequence: the smoother of S3Attention, or a whole layer of it.
//!
//! Beside the expectations (`out`, and `d` before the name of what it is the gradient of) a file has the rows `x`, the
//! `positions` of them, the parameters and, for the layer, what the attention draws.

use super::case::Case;
use super::error::{Comparison, Kind, Measure, norm};
use super::operator::{own_parameters, positions};
use engine::{Draws, Real, Seed, Tape, Var};
use models::smoother::{Form, smooth};
use ops::attention::{Inputs, LayerShape, Options, Place, find};
use ops::fourier::OnRing;

/// The modules that are known.
pub(super) const NAMES: [&str; 2] = ["fourier_smoother", "s3_layer"];

/// Runs the case in `T`.
pub(super) fn check<T: Real>(case: &Case<'_>) -> Result<Vec<Measure>, String> {
    let shape = case.shape("x")?;
    let [n, width] = shape[..] else {
        return Err(format!("x has shape {shape:?}, expected [n, H]"));
    };
    let segments: usize = case.setting("segments")?;
    if segments == 0 || !width.is_multiple_of(segments) {
        return Err(format!("{width} columns are no {segments} segments"));
    }
    let (positions, length) = positions(case, n)?;
    if !length.is_power_of_two() {
        return Err(format!("length is {length}, expected a power of two"));
    }
    let kernel: usize = case.setting("kernel")?;
    let form = match case.text("activation")? {
        "relu" => Form::Paper,
        "elu" => Form::Released,
        other => return Err(format!("activation is {other:?}, expected relu or elu")),
    };
    let inputs = width
        .checked_mul(2)
        .and_then(|both| both.checked_mul(kernel));
    let inputs = inputs.ok_or("kernel is too large")?;

    let tape = Tape::new();
    let mut leaves: Vec<(String, Var<'_, T>)> = Vec::new();
    for (name, shape) in [
        ("x", (n, width)),
        ("filter_re", (length / 2 + 1, width)),
        ("filter_im", (length / 2 + 1, width)),
        ("stem", (inputs, width)),
        ("stem_bias", (1, width)),
        ("gain", (length, 1)),
        ("bias", (length, 1)),
    ] {
        leaves.push((name.to_string(), tape.leaf(name, case.matrix(name, shape)?)));
    }
    let [x, re, im, stem, stem_bias, gain, bias] = std::array::from_fn(|i| leaves[i].1.clone());
    let on = OnRing {
        places: length,
        positions: &positions,
        segments,
    };
    let mut out = smooth(
        form,
        &x,
        [&re, &im],
        [&stem, &stem_bias],
        [&gain, &bias],
        &on,
    );
    if case.module() == Some(NAMES[1]) {
        out = layer(case, &out, &on, &mut leaves)?;
    }
    let dout = case.matrix("dout", (n, width))?;
    let gradients = tape.backward_from(&out, dout);

    let expected: Vec<Vec<f64>> = leaves
        .iter()
        .map(|(name, leaf)| case.expected(&format!("d{name}"), leaf.shape()))
        .collect::<Result<_, _>>()?;
    let largest = expected.iter().map(|x| norm(x)).fold(0.0, f64::max);
    let tolerance = if T::NAME == f64::NAME { 1e-9 } else { 1e-5 };
    let mut comparison = Comparison::new::<T>(tolerance, largest, norm(&case.numbers("dout")?));
    let want = case.expected("out", (n, width))?;
    comparison.tensor(Kind::Output, "out", out.value().data(), &want)?;
    for ((name, leaf), want) in leaves.iter().zip(&expected) {
        let got = gradients.of(leaf);
        comparison.tensor(Kind::Gradient, &format!("d{name}"), got.data(), want)?;
    }
    Ok(comparison.measures())
}

/// The attention on smoothed rows, between its projections.
fn layer<'t, T: Real>(
    case: &Case<'_>,
    h: &Var<'t, T>,
    on: &OnRing<'_>,
    leaves: &mut Vec<(String, Var<'t, T>)>,
) -> Result<Var<'t, T>, String> {
    let heads: usize = case.setting("heads")?;
    if heads == 0 || !h.cols().is_multiple_of(heads) {
        return Err(format!("{} columns are no {heads} heads", h.cols()));
    }
    let q = linear(case, h, "q", leaves)?;
    let k = linear(case, h, "k", leaves)?;
    let v = linear(case, h, "v", leaves)?;
    let options = Options {
        features: case.indices("rows")?.len().max(1),
        ..Options::default()
    };
    let attention = find::<T>("s3").map_err(|error| error.to_string())?;
    let attention = attention.method(&options);
    let shape = LayerShape {
        positions: on.places,
        heads,
        head_width: h.cols() / heads,
    };
    let own = own_parameters(case, &*attention, shape, h.tape())?;
    let variables: Vec<Var<'t, T>> = own.iter().map(|(_, leaf)| leaf.clone()).collect();
    let drawn = ["rows", "channels"].map(|name| {
        let draw = case.draw(name)?;
        Ok::<_, String>((Place::default().draw(name, 0), draw))
    });
    let drawn = drawn.into_iter().collect::<Result<_, _>>()?;
    let mixed = attention.forward(&Inputs {
        q: Some(&q),
        k: Some(&k),
        v: &v,
        heads,
        positions: on.positions,
        padded_length: on.places,
        parameters: &variables,
        draws: &Draws::replay(Seed(0).stream("not in the case"), drawn),
        place: Place::default(),
        dropout: None,
    });
    leaves.extend(own.into_iter().filter(|(name, _)| !name.is_empty()));
    linear(case, &mixed, "o", leaves)
}

/// x Wᵀ + b with the parameters `w` and `b` of this end.
fn linear<'t, T: Real>(
    case: &Case<'_>,
    x: &Var<'t, T>,
    end: &str,
    leaves: &mut Vec<(String, Var<'t, T>)>,
) -> Result<Var<'t, T>, String> {
    let mut leaf = |name: String, shape| {
        let leaf = x.tape().leaf("parameter", case.matrix(&name, shape)?);
        leaves.push((name, leaf.clone()));
        Ok::<_, String>(leaf)
    };
    let w = leaf(format!("w{end}"), (x.cols(), x.cols()))?;
    let b = leaf(format!("b{end}"), (1, x.cols()))?;
    Ok(ops::linear(x, &w, &b))
}
