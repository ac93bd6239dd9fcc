//! Two methods on one example with the same parameters: their tapes side by side.

use super::subject::Subject;
use crate::show::grid::{Grid, cells, left, right};
use crate::show::number::{or_dash, three_digits};
use crate::terminal::error::Result;
use answer::tape::{Node, nodes};
use engine::{Gradients, Tape, Tensor};
use serde::Serialize;

/// A node of both tapes: an operator of the model in its place, or a parameter of both.
#[derive(Serialize)]
pub(super) struct Pair {
    /// Its name on the first tape, and on the second if that is another.
    name: String,
    /// Its place on each.
    numbers: [usize; 2],
    /// Norms of the value on each, and the cosine between them.
    value: Beside,
    /// Those of the gradient.
    gradient: Beside,
}

/// One thing on two tapes.
#[derive(Serialize)]
struct Beside {
    norms: [Option<f64>; 2],
    cosine: Option<f64>,
}

impl Beside {
    fn of([a, b]: [Option<&Tensor<f32>>; 2]) -> Self {
        let norm = |x: &Tensor<f32>| x.norm();
        let both = a.zip(b).filter(|(a, b)| a.cols() == b.cols());
        Beside {
            norms: [a.map(norm), b.map(norm)],
            cosine: both.and_then(|(a, b)| cosine(a, b)),
        }
    }
}

/// Between what may end early: the rest are zeros.
fn cosine(a: &Tensor<f32>, b: &Tensor<f32>) -> Option<f64> {
    let pairs = a.data().iter().zip(b.data());
    let inner: f64 = pairs.map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
    let lengths = a.norm() * b.norm();
    (lengths > 0.0).then(|| inner / lengths)
}

/// One method's tape.
struct Side {
    nodes: Vec<Node>,
    values: Vec<Tensor<f32>>,
    gradients: Gradients<f32>,
    parameters: usize,
    loss: f64,
}

impl Side {
    fn of(subject: &Subject) -> Self {
        let tape = Tape::keeping();
        let passed = subject.pass(&tape);
        let params = subject.params();
        Side {
            nodes: nodes(&tape.records(), params.iter().map(|(name, _)| name)),
            values: tape.values(),
            gradients: passed.gradients,
            parameters: params.values().len(),
            loss: passed.loss,
        }
    }

    fn at(&self, number: usize) -> [Option<&Tensor<f32>>; 2] {
        let gradient = self.gradients.all()[number].as_ref();
        [Some(&self.values[number]), gradient]
    }

    /// The nodes that are computed. Noise that a method draws is a leaf of the tape and has no partner.
    fn computed(&self) -> impl Iterator<Item = &Node> {
        let nodes = self.nodes[self.parameters..].iter();
        nodes.filter(|node| !node.parents.is_empty())
    }
}

/// Both losses, and the pairs: parameters of the same name, then operators in their order.
pub(super) fn compare(subjects: [&Subject; 2]) -> ([f64; 2], Vec<Pair>) {
    let [a, b] = subjects.map(Side::of);
    let pair = |name: String, numbers: [usize; 2]| {
        let ([va, ga], [vb, gb]) = (a.at(numbers[0]), b.at(numbers[1]));
        Pair {
            name,
            numbers,
            value: Beside::of([va, vb]),
            gradient: Beside::of([ga, gb]),
        }
    };
    let mut pairs = Vec::new();
    for one in &a.nodes[..a.parameters] {
        let other = b.nodes[..b.parameters]
            .iter()
            .find(|other| other.parameter == one.parameter);
        if let Some(other) = other {
            let name = one.parameter.clone().unwrap_or_default();
            pairs.push(pair(name, [one.number, other.number]));
        }
    }
    for (one, other) in a.computed().zip(b.computed()) {
        let name = match one.operator == other.operator {
            true => one.operator.to_string(),
            false => format!("{} / {}", one.operator, other.operator),
        };
        pairs.push(pair(name, [one.number, other.number]));
    }
    ([a.loss, b.loss], pairs)
}

/// The second's parameters become those of the first where both have them.
pub(super) fn share(one: &Subject, other: &mut Subject) -> Result<()> {
    let known: Vec<(String, Tensor<f32>)> = one
        .params()
        .iter()
        .map(|(name, value)| (name.to_string(), value.clone()))
        .collect();
    let params = other.params_mut();
    let names: Vec<String> = params.iter().map(|(name, _)| name.to_string()).collect();
    for (name, value) in names.iter().zip(params.values_mut()) {
        let shared = known.iter().find(|(of, _)| of == name);
        if let Some((_, shared)) = shared.filter(|(_, shared)| shared.shape() == value.shape()) {
            *value = shared.clone();
        }
    }
    Ok(())
}

/// The pairs as a table.
pub(super) fn table(pairs: &[Pair], names: [&str; 2]) -> String {
    let mut table = Grid::new([
        right("#", 0),
        left("operator or parameter", 0),
        right(format!("|y| {}", names[0]), 0),
        right(names[1], 0),
        right("cosine", 0),
        right(format!("|dy| {}", names[0]), 0),
        right(names[1], 0),
        right("cosine", 0),
    ]);
    let cosine = |x: Option<f64>| or_dash(x, |x| format!("{x:.4}"));
    let norm = |x: Option<f64>| or_dash(x, three_digits);
    for pair in pairs {
        let Pair {
            value, gradient, ..
        } = pair;
        table.rows.push(cells![
            pair.numbers[0],
            pair.name,
            norm(value.norms[0]),
            norm(value.norms[1]),
            cosine(value.cosine),
            norm(gradient.norms[0]),
            norm(gradient.norms[1]),
            cosine(gradient.cosine),
        ]);
    }
    table.text()
}
