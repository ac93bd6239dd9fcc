//! Q, K, V and dy, a method and its draws, and one pass forward and backward of them.

use std::collections::BTreeMap;

use engine::check::normal;
use engine::{Draw, Draws, Note, Real, Record, Seed, Tape, Tensor};
use ops::attention::{Attention, Entry, Inputs, LayerShape, Options, Place, find};
use serde::{Deserialize, Serialize};

use crate::question::{Refused, refuse};
use crate::quiet;

/// Tokens that are shown in full.
const TOKENS: usize = 64;
/// Columns of the head.
const COLUMNS: usize = 64;
/// Of some methods the work grows with its third power.
const FEATURES: usize = 256;

/// One of the three inputs of attention.
#[derive(Deserialize, Serialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Input {
    /// Queries.
    Q,
    /// Keys.
    K,
    /// Values.
    V,
}

impl Input {
    /// All three, in the order in which methods take them.
    pub const ALL: [Input; 3] = [Input::Q, Input::K, Input::V];
}

/// In which numbers a method computes.
#[derive(Deserialize, Serialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// As gradients are checked.
    #[default]
    F64,
    /// As models are trained.
    F32,
}

/// A draw as questions give it and answers have it.
#[derive(Deserialize, Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Drawn {
    /// Rows, columns, blocks, ...
    Indices(Vec<u32>),
    /// A projection, rotations, ..., row by row.
    Numbers(Vec<f64>),
}

/// An error on purpose, in one number of a gradient.
#[derive(Deserialize, Clone, Copy, Debug)]
#[serde(deny_unknown_fields)]
pub struct Planted {
    /// In whose gradient.
    pub of: Input,
    /// In which row.
    pub row: usize,
    /// In which column.
    pub col: usize,
    /// The share by which that number is too large: 0.001 is 0.1 %.
    pub by: f64,
}

/// One head of attention. What is not given is drawn from the seed: Q, K, V and dy are standard normal.
#[derive(Deserialize, Clone, Debug)]
#[serde(deny_unknown_fields)]
pub struct Scene {
    /// The method's name.
    pub attn: String,
    /// Tokens.
    #[serde(default = "eight")]
    pub n: usize,
    /// Columns of the head.
    #[serde(default = "three")]
    pub p: usize,
    /// d, of which the method takes what it needs.
    #[serde(default = "four")]
    pub features: usize,
    /// Of all that is not given.
    #[serde(default = "seven")]
    pub seed: u64,
    /// Of the draws alone, if it is another.
    pub draw_seed: Option<u64>,
    /// Whether the released code is followed where it differs.
    #[serde(default)]
    pub released: bool,
    /// In which numbers the method computes.
    #[serde(default)]
    pub precision: Precision,
    /// Queries (n, p).
    pub q: Option<Vec<Vec<f64>>>,
    /// Keys (n, p).
    pub k: Option<Vec<Vec<f64>>>,
    /// Values (n, p).
    pub v: Option<Vec<Vec<f64>>>,
    /// The cotangent of the output (n, p).
    pub dy: Option<Vec<Vec<f64>>>,
    /// Draws in place of those of the seed, by name.
    #[serde(default)]
    pub draws: BTreeMap<String, Drawn>,
    /// A mistake to be found.
    pub planted: Option<Planted>,
}

fn eight() -> usize {
    8
}
fn three() -> usize {
    3
}
fn four() -> usize {
    4
}
fn seven() -> u64 {
    7
}

/// The numbers of a scene.
pub(crate) struct Numbers {
    /// q, k, v (n, p)
    pub(crate) x: [Tensor<f64>; 3],
    /// (n, p)
    pub(crate) dy: Tensor<f64>,
}

/// What one pass has given, in `f64` whatever it computed in.
pub(crate) struct Passed {
    /// (n, p)
    pub(crate) y: Tensor<f64>,
    /// dq, dk, dv (n, p)
    pub(crate) dx: [Tensor<f64>; 3],
    pub(crate) draws: BTreeMap<String, Draw>,
    /// Of the indices among them: the bound, and whether none may come twice.
    pub(crate) rules: BTreeMap<String, (usize, bool)>,
    pub(crate) notes: Vec<Note<f64>>,
    /// Of the method's node.
    pub(crate) record: Record,
}

fn within(name: &str, x: usize, most: usize) -> Result<(), Refused> {
    match (1..=most).contains(&x) {
        true => Ok(()),
        false => refuse(format!("{name} = {x}: expected 1 to {most}")),
    }
}

impl Scene {
    /// Refuses sizes beyond the limits, and numbers that do not fit them.
    pub(crate) fn numbers(&self) -> Result<Numbers, Refused> {
        within("n", self.n, TOKENS)?;
        within("p", self.p, COLUMNS)?;
        within("features", self.features, FEATURES)?;
        if let Some(Planted {
            of: _,
            row,
            col,
            by,
        }) = self.planted
        {
            self.refuse_outside(row, col)?;
            if !by.is_finite() {
                return refuse("planted: expected a finite share");
            }
        }
        let stream = Seed(self.seed).stream("study");
        let matrix = |name: &str, given: &Option<Vec<Vec<f64>>>| {
            let (n, p) = (self.n, self.p);
            let Some(rows) = given else {
                return Ok(normal(stream.stream(name), n, p));
            };
            if rows.len() != n || rows.iter().any(|row| row.len() != p) {
                let s = if p == 1 { "" } else { "s" };
                return refuse(format!("{name}: expected {n} rows of {p} number{s}"));
            }
            Ok(Tensor::from_fn(n, p, |i, c| rows[i][c]))
        };
        Ok(Numbers {
            x: [
                matrix("q", &self.q)?,
                matrix("k", &self.k)?,
                matrix("v", &self.v)?,
            ],
            dy: matrix("dy", &self.dy)?,
        })
    }

    /// Refuses a place that is in none of the matrices.
    pub(crate) fn refuse_outside(&self, row: usize, col: usize) -> Result<(), Refused> {
        let Scene { n, p, .. } = *self;
        match row < n && col < p {
            true => Ok(()),
            false => refuse(format!(
                "row {row}, column {col}: expected a row below {n} and a column below {p}"
            )),
        }
    }

    pub(crate) fn options(&self) -> Options {
        Options {
            features: self.features,
            released: self.released,
            ..Options::default()
        }
    }

    /// The draws that the question brings.
    ///
    /// # Errors
    /// If they cannot stand in place of those of the method.
    pub(crate) fn given(&self, numbers: &Numbers) -> Result<BTreeMap<String, Draw>, Refused> {
        let draw = |drawn: &Drawn| match drawn {
            Drawn::Indices(indices) => Draw::Indices(indices.clone()),
            Drawn::Numbers(numbers) => Draw::Numbers(numbers.clone()),
        };
        let given = self.draws.iter();
        let given: BTreeMap<_, _> = given
            .map(|(name, drawn)| (name.clone(), draw(drawn)))
            .collect();
        if !given.is_empty() {
            let own = self.pass(numbers, BTreeMap::new())?;
            refuse_others(&given, &own)?;
            // What only the method itself knows of its draws it says by stopping.
            let tried = quiet::without_panic(|| self.pass(numbers, given.clone()));
            tried.map_err(|what| Refused(format!("draws: {what}")))??;
        }
        Ok(given)
    }

    fn replay(&self, draws: BTreeMap<String, Draw>) -> Draws {
        let seed = self.draw_seed.unwrap_or(self.seed);
        Draws::replay(Seed(seed).stream("draws"), draws)
    }

    /// One pass of its method with these draws and, from the seed, all others.
    ///
    /// # Errors
    /// If there is no such method.
    pub(crate) fn pass(
        &self,
        numbers: &Numbers,
        draws: BTreeMap<String, Draw>,
    ) -> Result<Passed, Refused> {
        self.pass_drawing(numbers, &self.replay(draws))
    }

    /// The same with draws from anywhere.
    pub(crate) fn pass_drawing(&self, numbers: &Numbers, draws: &Draws) -> Result<Passed, Refused> {
        let mut passed = match self.precision {
            Precision::F64 => pass(&entry::<f64>(&self.attn)?, self, numbers, draws),
            Precision::F32 => pass(&entry::<f32>(&self.attn)?, self, numbers, draws),
        };
        if let Some(Planted { of, row, col, by }) = self.planted {
            passed.dx[of as usize].row_mut(row)[col] *= 1.0 + by;
        }
        Ok(passed)
    }

    /// The output alone.
    pub(crate) fn output(
        &self,
        numbers: &Numbers,
        draws: BTreeMap<String, Draw>,
    ) -> Result<Tensor<f64>, Refused> {
        let draws = self.replay(draws);
        Ok(match self.precision {
            Precision::F64 => output(&entry::<f64>(&self.attn)?, self, numbers, &draws),
            Precision::F32 => output(&entry::<f32>(&self.attn)?, self, numbers, &draws),
        })
    }

    /// Exact attention of the same numbers.
    pub(crate) fn exact(&self) -> Scene {
        Scene {
            attn: "softmax-nodrop".into(),
            draws: BTreeMap::new(),
            planted: None,
            ..self.clone()
        }
    }
}

/// Refuses draws that cannot stand in place of those of the method.
fn refuse_others(given: &BTreeMap<String, Draw>, own: &Passed) -> Result<(), Refused> {
    for (name, draw) in given {
        let (bound, distinct) = own.rules.get(name).copied().unwrap_or((usize::MAX, false));
        match (draw, own.draws.get(name)) {
            (Draw::Numbers(given), Some(Draw::Numbers(own))) if given.len() == own.len() => {}
            (Draw::Indices(given), Some(Draw::Indices(own))) if given.len() == own.len() => {
                if given.iter().any(|&index| index as usize >= bound) {
                    return refuse(format!("draws: {name}: expected indices below {bound}"));
                }
                let mut sorted = given.clone();
                sorted.sort_unstable();
                if distinct && !sorted.is_sorted_by(|a, b| a < b) {
                    return refuse(format!("draws: {name}: expected no index twice"));
                }
            }
            (_, Some(Draw::Numbers(own))) => {
                return refuse(format!("draws: {name}: expected {} numbers", own.len()));
            }
            (_, Some(Draw::Indices(own))) => {
                return refuse(format!("draws: {name}: expected {} indices", own.len()));
            }
            (_, None) => {
                let known: Vec<&String> = own.draws.keys().collect();
                return refuse(format!("draws: {name:?}: expected one of {known:?}"));
            }
        }
    }
    Ok(())
}

/// The method called `name`.
pub(crate) fn entry<T: Real>(name: &str) -> Result<Entry<T>, Refused> {
    find(name).map_err(|unknown| Refused(unknown.to_string()))
}

/// A tensor in other numbers.
pub(crate) fn in_numbers<S: Real, T: Real>(x: &Tensor<S>) -> Tensor<T> {
    Tensor::from_fn(x.rows(), x.cols(), |i, j| T::of(x.row(i)[j].f64()))
}

fn pass<T: Real>(entry: &Entry<T>, scene: &Scene, numbers: &Numbers, draws: &Draws) -> Passed {
    let method = entry.method(&scene.options());
    let tape = Tape::keeping();
    let [q, k, v] = numbers
        .x
        .each_ref()
        .map(|x| tape.leaf("input", in_numbers(x)));
    let y = on_tape(&*method, scene, &tape, [&q, &k, &v], draws);
    let gradients = tape.backward_from(&y, in_numbers(&numbers.dy));
    let notes = tape.noted().into_iter().map(|note| Note {
        node: note.node,
        name: note.name,
        value: in_numbers(&note.value),
    });
    let records = tape.records();
    Passed {
        y: in_numbers(y.value()),
        dx: [&q, &k, &v].map(|x| in_numbers(&gradients.of(x))),
        draws: draws.recorded(),
        rules: draws.rules(),
        notes: notes.collect(),
        record: records[records.len() - 1].clone(),
    }
}

fn output<T: Real>(
    entry: &Entry<T>,
    scene: &Scene,
    numbers: &Numbers,
    draws: &Draws,
) -> Tensor<f64> {
    let tape = Tape::forward_only();
    let method = entry.method(&scene.options());
    let [q, k, v] = numbers
        .x
        .each_ref()
        .map(|x| tape.leaf("input", in_numbers(x)));
    in_numbers(on_tape(&*method, scene, &tape, [&q, &k, &v], draws).value())
}

/// The output of a method on the leaves q, k, v of a tape.
fn on_tape<'t, T: Real>(
    method: &dyn Attention<T>,
    scene: &Scene,
    tape: &'t Tape<T>,
    [q, k, v]: [&engine::Var<'t, T>; 3],
    draws: &Draws,
) -> engine::Var<'t, T> {
    let n = v.rows();
    let positions: Vec<u32> = (0..n as u32).collect();
    let shape = LayerShape {
        positions: n,
        heads: 1,
        head_width: v.cols(),
    };
    let stream = Seed(scene.seed).stream("parameters");
    let own = method.parameters(shape, stream).into_iter();
    let own: Vec<_> = own.map(|(name, value)| tape.leaf(name, value)).collect();
    let reads = method.reads();
    method.forward(&Inputs {
        q: reads.queries.then_some(q),
        k: reads.keys.then_some(k),
        v,
        heads: 1,
        positions: &positions,
        padded_length: n,
        parameters: &own,
        draws,
        place: Place::default(),
        dropout: None,
    })
}

/// The rows of a matrix, as answers have them.
pub(crate) fn rows(x: &Tensor<f64>) -> Vec<Vec<f64>> {
    (0..x.rows()).map(|i| x.row(i).to_vec()).collect()
}
