//! Linformer (Wang et al. 2020): softmax attention over r mixtures of keys and values,
//!
//! ```text
//! Y = softmax(Q (E K)ᵀ / √p) E V,   E (r, length) for every head and layer
//! ```
//!
//! (their equation 7 with one projection for keys and values, "key-value sharing"). Row t of K is
//! mixed by the column of E that belongs to its position, so columns at positions without a token
//! are not used, and get no gradient. With K' = E K and V' = E V the method is [`super::attend`] over
//! r keys, and backwards
//!
//! ```text
//! dK = Eᵀ dK'        dV = Eᵀ dV'        dE = dK' Kᵀ + dV' Vᵀ        at the columns of E in use.
//! ```
//!
//! It is linear in n with E as large as the position table, and no sketch of softmax attention: S
//! has moved inside the softmax, which even r = n does not make exact ([`super::linformer_jlt`]
//! keeps it outside). No random choices besides the start of E; r is --features however short the
//! example, as E's shape says.
//!
//! `linformer` trains E from N(0, 0.02²). `linformer-fixed` never does: E is drawn with the model, a
//! constant, with the standard deviation 1/√r of a Johnson-Lindenstrauss projection (the mean of
//! Eᵀ E is I). The released code meant to train E, but on a GPU its E is no parameter: the paper's
//! Linformer is a fixed projection, and since it starts at 0.02 (not 1/√r = 0.0625 for r = 256) its
//! keys and values are shrunk. That is `linformer-fixed` with
//! [`Options::released`](super::Options). Nothing couples an example to its batch mates.

use engine::gemm::pieces;
use engine::{MatMut, MatRef, Real, Stream, Tensor, Var, gemm};

use super::attend::Attend;
use super::{Attention, Cost, Entry, Inputs, Laws, LayerShape};

/// Tokens whose columns of E are gathered at a time where positions have gaps.
const BLOCK: usize = 256;
/// Standard deviation of E at the start in the released code.
const RELEASED: f64 = 0.02;

/// Linformer.
#[derive(Clone, Copy, Debug)]
pub struct Linformer {
    /// r, rows of E.
    pub features: usize,
    /// Standard deviation of E at the start.
    pub deviation: f64,
    /// Whether E is trained.
    pub trained: bool,
}

/// The columns of `e` that belong to `positions`: a view where these follow one another, else a copy.
fn columns_at<'a, T: Real>(
    e: MatRef<'a, T>,
    positions: &[u32],
    copy: &'a mut Tensor<T>,
) -> MatRef<'a, T> {
    if let Some(columns) = consecutive(positions) {
        return e.cols_in(columns);
    }
    *copy = Tensor::from_fn(e.rows(), positions.len(), |i, j| {
        e.row(i)[positions[j] as usize]
    });
    copy.view()
}

/// The positions as a range, where they are one.
fn consecutive(positions: &[u32]) -> Option<std::ops::Range<usize>> {
    let (first, last) = (
        positions[0] as usize,
        positions[positions.len() - 1] as usize,
    );
    (last - first + 1 == positions.len()).then(|| first..last + 1)
}

/// Writes E X for every X (n, p) to its `out` (r, p).
fn project<T: Real, const N: usize>(
    e: MatRef<'_, T>,
    positions: &[u32],
    x: [MatRef<'_, T>; N],
    mut out: [MatMut<'_, T>; N],
) {
    let mut copy = Tensor::zeros(0, 0);
    for tokens in pieces(positions.len(), BLOCK) {
        let e = columns_at(e, &positions[tokens.clone()], &mut copy); // (r, tokens)
        let beta = if tokens.start == 0 { T::ZERO } else { T::ONE };
        for (x, out) in x.iter().zip(&mut out) {
            gemm(T::ONE, e, x.rows_in(tokens.clone()), beta, out.reborrow());
        }
    }
}

/// Writes Eᵀ dout to every dx (n, p).
fn project_backward<T: Real, const N: usize>(
    e: MatRef<'_, T>,
    positions: &[u32],
    dout: [MatRef<'_, T>; N],
    mut dx: [MatMut<'_, T>; N],
) {
    let mut copy = Tensor::zeros(0, 0);
    for tokens in pieces(positions.len(), BLOCK) {
        let e = columns_at(e, &positions[tokens.clone()], &mut copy); // (r, tokens)
        for (dout, dx) in dout.iter().zip(&mut dx) {
            let dx = dx.reborrow().rows_in(tokens.clone());
            gemm(T::ONE, e.t(), *dout, T::ZERO, dx);
        }
    }
}

/// Writes the sum of dout xᵀ to the columns of dE (r, length) in use.
fn projection_gradient<T: Real, const N: usize>(
    positions: &[u32],
    x: [MatRef<'_, T>; N],
    dout: [MatRef<'_, T>; N],
    mut de: MatMut<'_, T>,
) {
    for tokens in pieces(positions.len(), BLOCK) {
        let positions = &positions[tokens.clone()];
        let sum = |mut columns: MatMut<'_, T>| {
            for (i, (x, dout)) in x.iter().zip(&dout).enumerate() {
                let beta = if i == 0 { T::ZERO } else { T::ONE };
                let x = x.rows_in(tokens.clone()).t();
                gemm(T::ONE, *dout, x, beta, columns.reborrow());
            }
        };
        if let Some(columns) = consecutive(positions) {
            sum(de.reborrow().cols_in(columns));
        } else {
            let mut columns = Tensor::stale(de.rows(), positions.len());
            sum(columns.view_mut());
            for i in 0..de.rows() {
                let de = de.row(i);
                for (&position, &column) in positions.iter().zip(columns.row(i)) {
                    de[position as usize] = column;
                }
            }
        }
    }
}

impl<T: Real> Attention<T> for Linformer {
    fn shapes(&self, shape: LayerShape) -> Vec<(&'static str, [usize; 2])> {
        let rows = shape.heads.saturating_mul(self.features);
        vec![("e", [rows, shape.positions])]
    }

    fn parameters(&self, shape: LayerShape, stream: Stream) -> Vec<(&'static str, Tensor<T>)> {
        let mut generator = stream.stream("e").generator();
        let rows = shape.heads * self.features;
        let e = Tensor::from_fn(rows, shape.positions, |_, _| {
            T::of(self.deviation * generator.normal())
        });
        vec![("e", e)]
    }

    fn trains(&self, _: &str) -> bool {
        self.trained
    }

    fn node<'t>(&self, x: &Inputs<'_, 't, T>) -> Var<'t, T> {
        let tape = x.v.tape();
        let [q, k, v] = [x.q(), x.k(), x.v].map(Var::save);
        let e = x.parameters[0].save();
        let (r, n) = (self.features, v.rows());
        let heads: Vec<_> = (0..x.heads).map(|h| x.head(h)).collect();
        let [mut keys, mut values] = [0; 2].map(|_| Tensor::stale(x.heads * r, heads[0].len()));
        let mut y = Tensor::stale(n, v.cols()); // (n, heads p)
        let mut lse = Tensor::stale(x.heads, n);
        for (h, head) in heads.iter().enumerate() {
            let [q, k, v] = [&q, &k, &v].map(|x| x.cols_in(head.clone())); // (n, p)
            let rows = h * r..(h + 1) * r;
            let mixed = [&mut keys, &mut values].map(|x| x.view_mut().rows_in(rows.clone()));
            project(e.view().rows_in(rows.clone()), x.positions, [k, v], mixed);
            let [keys, values] = [&keys, &values].map(|x| x.view().rows_in(rows.clone()));
            Attend::new(q, keys, Some(values))
                .forward(Some(y.view_mut().cols_in(head.clone())), lse.row_mut(h));
        }

        let saved = Saved {
            heads,
            positions: x.positions.to_vec(),
            x: [q, k, v, tape.save(&y)],
            e,
            mixed: [tape.save(&keys), tape.save(&values)],
            lse: tape.save(&lse),
        };
        let [q, k, v, e] = [x.q(), x.k(), x.v, &x.parameters[0]].map(Var::node);
        if self.trained {
            tape.record("linformer", [q, k, v, e], y, move |dy| {
                let mut de = Tensor::zeros(saved.e.rows(), saved.e.cols());
                let [dq, dk, dv] = saved.backward(&dy, Some(&mut de));
                [dq, dk, dv, de]
            })
        } else {
            tape.record("linformer", [q, k, v], y, move |dy| {
                saved.backward(&dy, None)
            })
        }
    }
}

/// What backward needs of one layer.
struct Saved<T: Real> {
    heads: Vec<std::ops::Range<usize>>,
    positions: Vec<u32>,
    /// q, k, v, y (n, heads p).
    x: [Tensor<T>; 4],
    /// E (heads r, length).
    e: Tensor<T>,
    /// K', V' (heads r, p).
    mixed: [Tensor<T>; 2],
    lse: Tensor<T>,
}

impl<T: Real> Saved<T> {
    /// dq, dk, dv; writes dE if it is wanted.
    fn backward(&self, dy: &Tensor<T>, mut de: Option<&mut Tensor<T>>) -> [Tensor<T>; 3] {
        let (r, n) = (self.e.rows() / self.heads.len(), dy.rows());
        let [mut dq, mut dk, mut dv] = [0; 3].map(|_| Tensor::stale(n, dy.cols()));
        for (h, head) in self.heads.iter().enumerate() {
            let [q, k, v, y, dy] = [&self.x[0], &self.x[1], &self.x[2], &self.x[3], dy]
                .map(|x| x.cols_in(head.clone())); // (n, p)
            let [dq, dk, dv] =
                [&mut dq, &mut dk, &mut dv].map(|x| x.view_mut().cols_in(head.clone()));
            let rows = h * r..(h + 1) * r;
            let [keys, values] = [0, 1].map(|i| self.mixed[i].view().rows_in(rows.clone()));
            let e = self.e.view().rows_in(rows.clone());

            // Y = softmax(Q K'ᵀ / √p) V'
            let [mut dkeys, mut dvalues] = [0; 2].map(|_| Tensor::zeros(r, head.len()));
            Attend::new(q, keys, Some(values)).backward(
                self.lse.row(h),
                &[],
                Some((y, dy, dvalues.view_mut())),
                dq,
                dkeys.view_mut(),
            );
            // K' = E K,  V' = E V
            let dmixed = [dkeys.view(), dvalues.view()];
            project_backward(e, &self.positions, dmixed, [dk, dv]);
            if let Some(de) = &mut de {
                let de = de.view_mut().rows_in(rows);
                projection_gradient(&self.positions, [k, v], dmixed, de);
            }
        }
        [dq, dk, dv]
    }
}

const LAWS: Laws = Laws {
    rows_sum_to_one: false,
    exact_at_full_budget: false,
    linear_memory: true,
    linear_time: true,
    random: false,
};

/// `linformer`.
pub fn entry<T: Real>() -> Entry<T> {
    Entry {
        name: "linformer",
        about: "d learned mixtures of keys and values",
        cites: "Wang et al. 2020, equation 7",
        laws: LAWS,
        time: "n d p",
        cost: |options, n, p| {
            let r = options.features as f64;
            // Mixtures with their gradients; dE is as large as E.
            Cost::new(4.0 * n * r * p, 4.0 * n * p + 4.0 * r * p + n * r)
        },
        build: |options| {
            Box::new(Linformer {
                features: options.features,
                deviation: RELEASED,
                trained: true,
            })
        },
    }
}

/// `linformer-fixed`.
pub fn entry_fixed<T: Real>() -> Entry<T> {
    Entry {
        name: "linformer-fixed",
        about: "d random mixtures of keys and values, drawn once, not trained",
        cites: "Wang et al. 2020, equation 7, as the experiments of Chen et al. 2022 ran it",
        laws: LAWS,
        time: "n d p",
        cost: |options, n, p| {
            let r = options.features as f64;
            Cost::new(4.0 * n * r * p, 4.0 * n * p + 4.0 * r * p)
        },
        build: |options| {
            let meant = 1.0 / (options.features as f64).sqrt();
            Box::new(Linformer {
                features: options.features,
                deviation: if options.released { RELEASED } else { meant },
                trained: false,
            })
        },
    }
}
