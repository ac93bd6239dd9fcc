//! One trial: inputs, the exact output and its gradient, and how far every method is off.

use super::input::{Head, normal};
use super::method::Method;
use super::spectral::spectral_norm;
use engine::{Draws, Stream, Tape, Tensor};
use ops::attention::softmax::Softmax;
use ops::attention::{Attention, Inputs, LayerShape, Place};
use std::time::{Duration, Instant};

/// What one method with one d gave on one head.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Errors {
    /// ||BV - R||_2
    pub(super) spectral: f64,
    /// The same over ||BV||_2.
    pub(super) relative: f64,
    /// ||dX - dX of the exact output||_F over that of the latter, X = Q, K, V.
    pub(super) gradient: Option<[f64; 3]>,
}

/// One head in one trial.
pub(super) struct Measured {
    pub(super) place: String,
    /// ||BV||_2
    pub(super) norm: f64,
    /// By method, then by d.
    pub(super) errors: Vec<Vec<Errors>>,
}

/// Output and, if asked for, gradients; and the time of both.
pub(crate) struct Passed {
    pub(crate) y: Tensor<f32>,
    pub(crate) gradients: Option<[Tensor<f32>; 3]>,
    pub(crate) forward: Duration,
    pub(crate) backward: Duration,
}

/// All methods on one head.
pub(super) fn measure(
    head: &Head,
    methods: &[Method],
    budgets: &[usize],
    gradient: bool,
    stream: Stream,
) -> Measured {
    let (n, p) = head.v.shape();
    let cotangent =
        gradient.then(|| normal(n, p, 1.0, &mut stream.stream("cotangent").generator())); // (n, p)
    let cotangent = cotangent.as_ref();
    let exact = pass(&Softmax { dropout: 0.0 }, head, cotangent, stream);
    let norm = spectral_norm(&exact.y);
    let errors_at = |method: &Method, d: usize| {
        let stream = stream.stream(&method.name).at(d);
        let got = pass(&*method.build(d), head, cotangent, stream);
        let spectral = spectral_norm(&difference(&got.y, &exact.y));
        let gradients = exact.gradients.as_ref().zip(got.gradients.as_ref());
        Errors {
            spectral,
            relative: spectral / norm,
            gradient: gradients.map(|(exact, got)| {
                [0, 1, 2].map(|x| difference(&got[x], &exact[x]).norm() / exact[x].norm())
            }),
        }
    };
    let errors = methods.iter().map(|method| match method.has_budget() {
        true => budgets.iter().map(|&d| errors_at(method, d)).collect(),
        false => vec![errors_at(method, 1); budgets.len()], // any budget
    });
    Measured {
        place: head.place.clone(),
        norm,
        errors: errors.collect(),
    }
}

/// Forward, and backward from the cotangent.
pub(crate) fn pass(
    method: &dyn Attention<f32>,
    head: &Head,
    cotangent: Option<&Tensor<f32>>,
    stream: Stream,
) -> Passed {
    let tape = match cotangent {
        Some(_) => Tape::new(),
        None => Tape::forward_only(),
    };
    let (n, p) = head.v.shape();
    let [q, k, v] = [&head.q, &head.k, &head.v].map(|x| tape.leaf("input", x.clone()));
    let shape = LayerShape {
        positions: n,
        heads: 1,
        head_width: p,
    };
    let parameters: Vec<_> = method
        .parameters(shape, stream.stream("parameters"))
        .into_iter()
        .map(|(_, value)| tape.leaf("parameter", value))
        .collect();
    let positions: Vec<u32> = (0..n as u32).collect();
    let reads = method.reads();
    let start = Instant::now();
    let y = method.forward(&Inputs {
        q: reads.queries.then_some(&q),
        k: reads.keys.then_some(&k),
        v: &v,
        heads: 1,
        positions: &positions,
        padded_length: n,
        parameters: &parameters,
        draws: &Draws::live(stream.stream("draws")),
        place: Place::default(),
        dropout: None,
    }); // (n, p)
    let forward = start.elapsed();
    let start = Instant::now();
    let gradients = cotangent.map(|dy| {
        let gradients = tape.backward_from(&y, dy.clone());
        [&q, &k, &v].map(|x| gradients.of(x))
    });
    let backward = start.elapsed();
    Passed {
        y: y.value().clone(),
        gradients,
        forward,
        backward,
    }
}

/// a - b, in f64.
pub(crate) fn difference(a: &Tensor<f32>, b: &Tensor<f32>) -> Tensor<f64> {
    Tensor::from_fn(a.rows(), a.cols(), |i, j| {
        f64::from(a.row(i)[j]) - f64::from(b.row(i)[j])
    })
}
