//! The checks of every entry of the registry: gradients at frozen draws, and the laws it claims.
//!
//! `tests/suite.rs` runs them over the registry; they also work on a method outside of it.

use engine::check::{Case, Checked, Failure, check, normal};
use engine::{Draw, Draws, Real, Stream, Tape, Tensor, Var};
use std::collections::BTreeMap;

use super::{Attention, Entry, Inputs, LayerShape, Options, Place, registry};

/// Heads and columns of a head in the suite's examples.
const HEADS: usize = 2;
const WIDTH: usize = 3;
/// The budget d in the suite's examples: below some of their lengths, above others.
const FEATURES: usize = 4;
/// Lengths of the suite's examples: 1, 2, odd, around the budget, above it.
pub const LENGTHS: [usize; 6] = [1, 2, 3, 5, 9, 14];
/// The length of one more example: several tiles of queries and, where all keys are seen, several blocks of keys.
pub const LONG: usize = 600;

/// One attention on tensors: the output, and what was drawn.
pub struct Run<T: Real> {
    /// (n, heads p)
    pub output: Tensor<T>,
    /// The draws, to be replayed.
    pub draws: BTreeMap<String, Draw>,
}

/// q, k, v of `n` tokens as the suite uses them.
pub fn example(stream: Stream, n: usize) -> [Tensor<f64>; 3] {
    ["q", "k", "v"].map(|name| normal(stream.stream(name), n, HEADS * WIDTH))
}

/// Runs a method on tensors with HEADS heads, without gradient; parameters and draws from `stream`.
///
/// # Panics
/// As [`Attention::forward`].
pub fn run<T: Real>(method: &dyn Attention<T>, x: &[Tensor<T>; 3], stream: Stream) -> Run<T> {
    run_with(
        method,
        x,
        stream.stream("parameters"),
        stream.stream("draws"),
    )
}

/// As [`run`], with a stream of its own for the method's parameters, which every example shares.
fn run_with<T: Real>(
    method: &dyn Attention<T>,
    x: &[Tensor<T>; 3],
    parameters: Stream,
    draws: Stream,
) -> Run<T> {
    let (tape, draws) = (Tape::forward_only(), Draws::recording(draws));
    let leaves = x.each_ref().map(|x| tape.leaf("input", x.clone()));
    let output = on_tape(method, &leaves, parameters, &draws);
    Run {
        output: output.into_value(),
        draws: draws.recorded(),
    }
}

/// The output of a method on the leaves q, k, v of a tape.
///
/// # Panics
/// As [`Attention::forward`].
pub fn on_tape<'t, T: Real>(
    method: &dyn Attention<T>,
    [q, k, v]: &[Var<'t, T>; 3],
    parameters: Stream,
    draws: &Draws,
) -> Var<'t, T> {
    let n = v.rows();
    let positions: Vec<u32> = (0..n as u32).collect();
    let shape = LayerShape {
        positions: n,
        heads: HEADS,
        head_width: v.cols() / HEADS,
    };
    let parameters: Vec<_> = method
        .parameters(shape, parameters)
        .into_iter()
        .map(|(name, value)| v.tape().leaf(name, value))
        .collect();
    let reads = method.reads();
    method.forward(&Inputs {
        q: reads.queries.then_some(q),
        k: reads.keys.then_some(k),
        v,
        heads: HEADS,
        positions: &positions,
        padded_length: n,
        parameters: &parameters,
        draws,
        place: Place::default(),
        dropout: None,
    })
}

/// Checks the gradient of an entry with respect to q, k, v and its own parameters at length `n`,
/// draws frozen; with `dropout`, as in training.
///
/// # Errors
/// The first gradient that is wrong.
///
/// # Panics
/// As [`Attention::forward`].
pub fn gradients(
    entry: &Entry<f64>,
    n: usize,
    dropout: bool,
    stream: Stream,
) -> Result<Vec<Checked>, Failure> {
    let method = entry.method(&Options {
        features: FEATURES,
        dropout: 0.25,
        ..Options::default()
    });
    let stream = stream.at(n);
    let [q, k, v] = example(stream, n);
    let frozen = run(&*method, &[q.clone(), k.clone(), v.clone()], stream).draws;
    let positions: Vec<u32> = (0..n as u32).collect();
    let shape = LayerShape {
        positions: n,
        heads: HEADS,
        head_width: WIDTH,
    };
    let parameters = method.parameters(shape, stream.stream("parameters"));
    let mut inputs = vec![("q", q), ("k", k), ("v", v)];
    let trained = parameters.iter().filter(|(name, _)| method.trains(name));
    inputs.extend(trained.cloned());
    check(entry.name, stream, &inputs, |tape, x| {
        let reads = method.reads();
        let mut trained = x[3..].iter().cloned();
        let own: Vec<_> = parameters
            .iter()
            .map(|(name, value)| {
                let leaf = || tape.leaf(name, value.clone());
                let trained = method.trains(name).then(|| trained.next());
                trained.flatten().unwrap_or_else(leaf)
            })
            .collect();
        method.forward(&Inputs {
            q: reads.queries.then_some(&x[0]),
            k: reads.keys.then_some(&x[1]),
            v: &x[2],
            heads: HEADS,
            positions: &positions,
            padded_length: n,
            parameters: &own,
            draws: &Draws::replay(stream.stream("draws"), frozen.clone()),
            place: Place::default(),
            dropout: dropout.then_some(stream.stream("dropout")),
        })
    })
}

/// The gradient check of every entry, at every length, in evaluation and in training.
pub fn cases() -> Vec<Case> {
    registry::<f64>()
        .into_iter()
        .map(|entry| {
            Case::new(entry.name, move |stream| {
                let mut checked = Vec::new();
                for n in LENGTHS {
                    for dropout in [false, true] {
                        checked.extend(gradients(&entry, n, dropout, stream)?);
                    }
                }
                Ok(checked)
            })
        })
        .collect()
}

/// Checks the laws that an entry claims.
///
/// # Panics
/// If a law does not hold; the message says which.
pub fn laws(entry: &Entry<f64>, stream: Stream) {
    let name = entry.name;
    let build = |features| {
        entry.method(&Options {
            features,
            dropout: 0.25,
            ..Options::default()
        })
    };
    let difference = |a: &Tensor<f64>, b: &Tensor<f64>| {
        a.data()
            .iter()
            .zip(b.data())
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f64::max)
    };
    let shape = LayerShape {
        positions: 7,
        heads: HEADS,
        head_width: WIDTH,
    };
    for released in [false, true] {
        let method = entry.method(&Options {
            features: FEATURES,
            released,
            ..Options::default()
        });
        let values = method.parameters(shape, stream.stream("shapes"));
        let shapes = values
            .iter()
            .map(|(name, value)| (*name, value.shape().into()));
        assert!(
            shapes.eq(method.shapes(shape)),
            "{name}: its parameters are {values:?}, said to be {:?}",
            method.shapes(shape)
        );
    }
    for n in LENGTHS {
        let x = example(stream.at(n), n);
        let first = run(&*build(FEATURES), &x, stream).output;
        assert_eq!(
            first.shape(),
            (n, HEADS * WIDTH),
            "{name}: shape of the output at n = {n}"
        );
        let again = run(&*build(FEATURES), &x, stream).output;
        assert!(
            first.data() == again.data(),
            "{name}: the same seed gives other bits at n = {n}"
        );

        if entry.laws.rows_sum_to_one {
            let [q, k, v] = x.clone();
            let ones = Tensor::filled(n, v.cols(), 1.0);
            let output = run(&*build(FEATURES), &[q, k, ones], stream).output;
            let error = output
                .data()
                .iter()
                .map(|y| (y - 1.0).abs())
                .fold(0.0, f64::max);
            assert!(
                error < 1e-12,
                "{name}: rows do not sum to one at n = {n}: off by {error:e}"
            );
        }
        let exact = run(&super::softmax::Softmax { dropout: 0.0 }, &x, stream).output;
        for d in [FEATURES, n.max(FEATURES)] {
            let method = build(d);
            let reaches = method.reaches(n, n);
            if !entry.laws.exact_at_full_budget {
                assert!(
                    !reaches,
                    "{name}: {d} features reach n = {n}, but no law says so"
                );
                continue;
            }
            assert!(
                reaches || n > d,
                "{name}: {d} features do not reach n = {n}"
            );
            let error = difference(&run(&*method, &x, stream).output, &exact);
            assert_eq!(
                error < 1e-12,
                reaches,
                "{name}: {d} features reach n = {n}: {reaches}, but it is off by {error:e}"
            );
        }
    }

    let n = 14;
    let x = example(stream.at(n), n);
    let [one, other] =
        [1, 2].map(|seed| run_with(&*build(FEATURES), &x, stream, stream.at(seed)).output);
    let differ = one.data() != other.data();
    assert_eq!(
        differ, entry.laws.random,
        "{name}: two seeds differ: {differ}, claimed: {}",
        entry.laws.random
    );

    // Logits of +-80: queries and keys in {-1, 1}, scaled.
    let big = (80.0 / (WIDTH as f64).sqrt()).sqrt();
    let [q, k, v] = x.map(|t| {
        Tensor::from_fn(
            n,
            HEADS * WIDTH,
            |i, j| if t.row(i)[j] > 0.0 { big } else { -big },
        )
    });
    let x = [q, k, v];
    finite(name, &*build(FEATURES), &x, stream);
    if let Ok(entry) = super::find::<f32>(name) {
        let method = entry.method(&Options {
            features: FEATURES,
            ..Options::default()
        });
        let x = x.map(|t| Tensor::from_fn(n, HEADS * WIDTH, |i, j| t.row(i)[j] as f32));
        finite(name, &*method, &x, stream);
    }
}

/// The output and the gradients of q, k and v are finite.
fn finite<T: Real>(name: &str, method: &dyn Attention<T>, x: &[Tensor<T>; 3], stream: Stream) {
    let (tape, draws) = (Tape::new(), Draws::live(stream.stream("draws")));
    let leaves = x.each_ref().map(|x| tape.leaf("input", x.clone()));
    let y = on_tape(method, &leaves, stream.stream("parameters"), &draws);
    let mut generator = stream.stream("cotangent").generator();
    let dy = Tensor::from_fn(y.rows(), y.cols(), |_, _| T::of(generator.normal()));
    let gradients = tape.backward_from(&y, dy);
    let all = leaves.each_ref().map(|leaf| gradients.of(leaf));
    for (what, tensor) in ["output", "dq", "dk", "dv"]
        .iter()
        .zip([y.value()].into_iter().chain(&all))
    {
        let finite = tensor.data().iter().all(|x| x.is_finite());
        assert!(
            finite,
            "{name}: {what} is not finite in {} at logits of +-80",
            T::NAME
        );
    }
}
