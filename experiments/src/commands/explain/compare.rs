//! Two methods on one example with the same parameters: their tapes side by side. Operators are paired in their order,
//! the attentions with each other; what one method has and the other has not stands alone.

use super::subject::Subject;
use crate::show::grid::{Grid, cells, left, right};
use crate::show::number::{or_dash, three_digits};
use answer::tape::{Node, nodes};
use engine::{Gradients, Tape, Tensor};
use ops::attention::names;
use serde::Serialize;

/// A node of both tapes: an operator of the model in its place, or a parameter of both.
#[derive(Serialize)]
pub(super) struct Pair {
    /// Its name on the first tape, and on the second if that is another.
    name: String,
    /// Its place on each; none where it is on one tape only.
    numbers: [Option<usize>; 2],
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
    let pair = |name: String, numbers: [Option<usize>; 2]| {
        let nothing = [None, None];
        let [va, ga] = numbers[0].map_or(nothing, |number| a.at(number));
        let [vb, gb] = numbers[1].map_or(nothing, |number| b.at(number));
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
            pairs.push(pair(name, [Some(one.number), Some(other.number)]));
        }
    }
    let operators: [Vec<&Node>; 2] = [a.computed().collect(), b.computed().collect()];
    let methods = names();
    let kind = |node: &Node| match methods.contains(&node.operator) {
        true => "attention",
        false => node.operator,
    };
    let kinds = operators
        .each_ref()
        .map(|nodes| nodes.iter().map(|node| kind(node)).collect::<Vec<_>>());
    for [one, other] in aligned([&kinds[0], &kinds[1]]) {
        let [one, other] = [one.map(|i| operators[0][i]), other.map(|i| operators[1][i])];
        let name = match (one, other) {
            (Some(one), Some(other)) if one.operator != other.operator => {
                format!("{} / {}", one.operator, other.operator)
            }
            (one, other) => one.or(other).map_or("", |node| node.operator).to_string(),
        };
        pairs.push(pair(
            name,
            [one, other].map(|node| node.map(|node| node.number)),
        ));
    }
    ([a.loss, b.loss], pairs)
}

/// The longest common part of two lists, in their order, as pairs of places; what is in one list only stands alone.
fn aligned([a, b]: [&[&str]; 2]) -> Vec<[Option<usize>; 2]> {
    // Of the lists from i and j on.
    let mut longest = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            longest[i][j] = match a[i] == b[j] {
                true => longest[i + 1][j + 1] + 1,
                false => longest[i + 1][j].max(longest[i][j + 1]),
            };
        }
    }
    let (mut i, mut j, mut pairs) = (0, 0, Vec::new());
    while i < a.len() || j < b.len() {
        let here = i < a.len() && j < b.len();
        if here && a[i] == b[j] {
            pairs.push([Some(i), Some(j)]);
            (i, j) = (i + 1, j + 1);
        } else if j == b.len() || here && longest[i + 1][j] >= longest[i][j + 1] {
            pairs.push([Some(i), None]);
            i += 1;
        } else {
            pairs.push([None, Some(j)]);
            j += 1;
        }
    }
    pairs
}

/// The second's parameters become those of the first where both have them.
pub(super) fn share(one: &Subject, other: &mut Subject) {
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
}

/// The pairs as a table.
pub(super) fn table(pairs: &[Pair], methods: [&str; 2]) -> String {
    let mut table = Grid::new([
        right(format!("# {}", methods[0]), 0),
        right(methods[1], 0),
        left("operator or parameter", 0),
        right(format!("|y| {}", methods[0]), 0),
        right(methods[1], 0),
        right("cosine", 0),
        right(format!("|dy| {}", methods[0]), 0),
        right(methods[1], 0),
        right("cosine", 0),
    ]);
    let cosine = |x: Option<f64>| or_dash(x, |x| format!("{x:.4}"));
    let norm = |x: Option<f64>| or_dash(x, three_digits);
    for pair in pairs {
        let Pair {
            value, gradient, ..
        } = pair;
        table.rows.push(cells![
            or_dash(pair.numbers[0], |number| number.to_string()),
            or_dash(pair.numbers[1], |number| number.to_string()),
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

#[cfg(test)]
mod tests {
    use super::aligned;

    #[test]
    fn what_is_in_one_list_only_stands_alone() {
        let (a, b) = (
            ["norm", "linear", "x", "add"],
            ["norm", "filter", "linear", "add", "y"],
        );
        let both = |i, j| [Some(i), Some(j)];
        let expected = [
            both(0, 0),
            [None, Some(1)],
            both(1, 2),
            [Some(2), None],
            both(3, 3),
            [None, Some(4)],
        ];
        assert_eq!(aligned([&a, &b]), expected);
        assert_eq!(aligned([&[], &["x"]]), [[None, Some(0)]]);
    }
}
