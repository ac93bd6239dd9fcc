//! S3Attention (Wang et al. 2024), its attention: a few keys for all tokens, and a few channels for all channels.
//!
//! Two cheap parts of Q, K and V, each normalised and then averaged. With fixed sets S1 of tokens and S2 of the p
//! columns (channels) of a head,
//!
//! ```text
//! Y1 = softmax(Q K_S1ᵀ / √p) V_S1                               rows: every token sees the tokens S1
//! C  = softmax(Qᵀ K[:, S2] / √n) (p, s2),   Y2 = V[:, S2] Cᵀ    columns: every channel sees the channels S2
//! Y  = (LN1(Y1) + LN2(Y2)) / 2
//! ```
//!
//! where LN normalises a row over the columns of all heads ([`layer_norm`](crate::layer_norm())), with gains and biases
//! `gain1 bias1 gain2 bias2` of its own, which start at 1 and 0. (The factor 1/2 is that of Algorithm 1 and of the
//! released code; equation 1 leaves it out.) Rows need not sum to one. With S1 = all tokens Y1 is softmax attention.
//!
//! Each part is a node of its own. Y1 is [`super::attend`] over gathered rows. Y2 passes a p x s2 matrix between two
//! products with n rows; with A = Qᵀ K[:, S2] / √n, backwards
//!
//! ```text
//! dV[:, S2] = dY2 C        dC = dY2ᵀ V[:, S2]        dA_cs = C_cs (dC_cs - sum_t C_ct dC_ct)
//! dQ = K[:, S2] dAᵀ / √n        dK[:, S2] = Q dA / √n
//! ```
//!
//! Dropout of probabilities acts on both softmaxes: C is C M then, with a mask M, and dC is M times what it is above
//! before it is used in dA.
//!
//! *What is drawn.* S1 and S2 belong to the layer, the same for all heads and examples: training moves information into
//! these columns, so drawing them anew would be another method. The layer has a random order of all positions and one of
//! the p channels, constants kept with its weights. S1 are the first s1 positions of that order at which the example has
//! a token, S2 the first s2 channels: draws `rows` and `channels`. s1 = min(d, n), s2 = min(d, p).
//!
//! *What is adapted.* The released code divides by the padded length under the root of C, and sets padded keys and
//! values to zero, where they still count in the softmaxes; here there is no padding, and n is the tokens. The Fourier
//! smoother that the paper puts before Q, K and V is no part of the attention. `s3-rows` and `s3-columns` are one part
//! alone, without the 1/2.

use std::ops::Range;

use engine::gemm::pieces;
use engine::{MatMut, MatRef, Real, Stream, Tensor, Var, gemm, lanes};

use super::attend::{Attend, TILE_ROWS};
use super::{Attention, Cost, Entry, Inputs, Laws, LayerShape, Options};
use crate::dropout::Dropout;
use crate::gather::{gathered, scatter_add_rows};
use crate::layer_norm;

/// Skeleton attention.
#[derive(Clone, Copy, Debug)]
pub struct S3 {
    /// d: tokens of S1, and channels of S2 where a head has so many.
    pub features: usize,
    /// Whether there is the part of the rows, Y1.
    pub rows: bool,
    /// Whether there is the part of the columns, Y2.
    pub columns: bool,
    /// Rate of dropout on the probabilities.
    pub dropout: f64,
}

/// The first `count` numbers of a stored order.
fn first<T: Real>(order: &Tensor<T>, count: usize) -> Vec<u32> {
    order.data()[..count]
        .iter()
        .map(|i| i.f64() as u32)
        .collect()
}

impl S3 {
    /// S1: the tokens at the first positions of the order that have one.
    fn tokens<T: Real>(&self, x: &Inputs<'_, '_, T>, order: &Tensor<T>) -> Vec<u32> {
        let n = x.v.rows();
        x.draws.distinct_indices(&x.place.draw("rows", 0), n, |_| {
            let token = |t: u32| x.positions.binary_search(&t).ok().map(|i| i as u32);
            let present = first(order, order.cols()).into_iter().filter_map(token);
            present.take(self.features).collect()
        })
    }

    /// S2.
    fn channels<T: Real>(&self, x: &Inputs<'_, '_, T>, order: &Tensor<T>) -> Vec<u32> {
        let p = x.head(0).len();
        x.draws
            .distinct_indices(&x.place.draw("channels", 0), p, |_| {
                first(order, self.features.min(p))
            })
    }

    /// Y1 (n, heads p).
    fn of_rows<'t, T: Real>(&self, x: &Inputs<'_, 't, T>, tokens: Vec<u32>) -> Var<'t, T> {
        let (tape, parents) = (x.v.tape(), [x.q().node(), x.k().node(), x.v.node()]);
        let [q, k, v] = [x.q(), x.k(), x.v].map(Var::save);
        let heads = x.heads_with_dropout(self.dropout);
        let (n, width) = v.shape();
        let mut y = Tensor::stale(n, width); // (n, heads p)
        let mut lse = Tensor::stale(x.heads, n);
        for (h, (head, dropout)) in heads.iter().enumerate() {
            let [q, k, v] = [&q, &k, &v].map(|x| x.cols_in(head.clone())); // (n, p)
            let [k, v] = [k, v].map(|x| gathered(x, &tokens)); // (s1, p)
            let attend = Attend {
                dropout: *dropout,
                ..Attend::new(q, k.view(), Some(v.view()))
            };
            attend.forward(Some(y.view_mut().cols_in(head.clone())), lse.row_mut(h));
        }
        let (saved_y, lse) = (tape.save(&y), tape.save(&lse));

        tape.record("s3-rows", parents, y, move |dy| {
            let mut dq = Tensor::stale(n, width);
            let [mut dk, mut dv] = [0; 2].map(|_| Tensor::zeros(n, width));
            for (h, (head, dropout)) in heads.into_iter().enumerate() {
                let [q, k, v, y, dy] = [&q, &k, &v, &saved_y, &dy].map(|x| x.cols_in(head.clone()));
                let [k, v] = [k, v].map(|x| gathered(x, &tokens));
                let attend = Attend {
                    dropout,
                    ..Attend::new(q, k.view(), Some(v.view()))
                };
                let [mut seen_dk, mut seen_dv] =
                    [0; 2].map(|_| Tensor::zeros(tokens.len(), head.len()));
                let [dq, dk, dv] =
                    [&mut dq, &mut dk, &mut dv].map(|x| x.view_mut().cols_in(head.clone()));
                let output = Some((y, dy, seen_dv.view_mut()));
                attend.backward(lse.row(h), &[], output, dq, seen_dk.view_mut());
                scatter_add_rows(seen_dk.view(), &tokens, dk);
                scatter_add_rows(seen_dv.view(), &tokens, dv);
            }
            [dq, dk, dv]
        })
    }

    /// Y2 (n, heads p).
    fn of_columns<'t, T: Real>(&self, x: &Inputs<'_, 't, T>, channels: Vec<u32>) -> Var<'t, T> {
        let (tape, parents) = (x.v.tape(), [x.q().node(), x.k().node(), x.v.node()]);
        let [q, k, v] = [x.q(), x.k(), x.v].map(Var::save);
        // Not the masks of the other part.
        let stream = x.dropout.map(|stream| stream.stream("channels"));
        let heads = Inputs {
            dropout: stream,
            ..*x
        }
        .heads_with_dropout(self.dropout);
        let (n, width) = v.shape();
        let scale = T::ONE / T::of(n as f64).sqrt();
        let mut y = Tensor::stale(n, width); // (n, heads p)
        let mut probabilities = Vec::with_capacity(x.heads);
        for (head, dropout) in &heads {
            let [q, k, v] = [&q, &k, &v].map(|x| x.cols_in(head.clone())); // (n, p)
            let mut c = Tensor::zeros(head.len(), channels.len()); // (p, s2)
            for (rows, k) in tiles(k, &channels) {
                gemm(scale, q.rows_in(rows).t(), k.view(), T::ONE, c.view_mut());
            }
            softmax(&mut c);
            let masked = masked(&c, *dropout);
            let mut y = y.view_mut().cols_in(head.clone());
            for (rows, v) in tiles(v, &channels) {
                gemm(
                    T::ONE,
                    v.view(),
                    masked.view().t(),
                    T::ZERO,
                    y.reborrow().rows_in(rows),
                );
            }
            probabilities.push(tape.save(&c));
        }

        tape.record("s3-columns", parents, y, move |dy| {
            let mut dq = Tensor::stale(n, width);
            let [mut dk, mut dv] = [0; 2].map(|_| Tensor::zeros(n, width));
            for ((head, dropout), c) in heads.into_iter().zip(&probabilities) {
                let [q, k, v, dy] = [&q, &k, &v, &dy].map(|x| x.cols_in(head.clone()));
                let [mut dq, mut dk, mut dv] =
                    [&mut dq, &mut dk, &mut dv].map(|x| x.view_mut().cols_in(head.clone()));
                // Y2 = V' (C M)ᵀ:  dV' = dY2 C M,  dC = (dY2ᵀ V') M
                let cm = masked(c, dropout);
                let mut dc = Tensor::zeros(c.rows(), c.cols());
                let mut dcolumns = Tensor::stale(TILE_ROWS.min(n), channels.len());
                for (rows, v) in tiles(v, &channels) {
                    let dy = dy.rows_in(rows.clone());
                    gemm(T::ONE, dy.t(), v.view(), T::ONE, dc.view_mut());
                    let mut dv_tile = dcolumns.view_mut().rows_in(0..rows.len());
                    gemm(T::ONE, dy, cm.view(), T::ZERO, dv_tile.reborrow());
                    add_columns(dv_tile.as_ref(), &channels, dv.reborrow().rows_in(rows));
                }
                let mut da = masked(&dc, dropout);
                softmax_backward(c, &mut da);
                // A = Qᵀ K' / √n:  dQ = K' dAᵀ / √n,  dK' = Q dA / √n
                for (rows, k) in tiles(k, &channels) {
                    gemm(
                        scale,
                        k.view(),
                        da.view().t(),
                        T::ZERO,
                        dq.reborrow().rows_in(rows.clone()),
                    );
                    let mut dk_tile = dcolumns.view_mut().rows_in(0..rows.len());
                    gemm(
                        scale,
                        q.rows_in(rows.clone()),
                        da.view(),
                        T::ZERO,
                        dk_tile.reborrow(),
                    );
                    add_columns(dk_tile.as_ref(), &channels, dk.reborrow().rows_in(rows));
                }
            }
            [dq, dk, dv]
        })
    }
}

/// The chosen columns of x, in tiles of rows.
fn tiles<'a, T: Real>(
    x: MatRef<'a, T>,
    channels: &'a [u32],
) -> impl Iterator<Item = (Range<usize>, Tensor<T>)> + 'a {
    pieces(x.rows(), TILE_ROWS).map(move |rows| {
        let mut columns = Tensor::stale(rows.len(), channels.len());
        for (r, i) in rows.clone().enumerate() {
            let row = x.row(i);
            for (column, &channel) in columns.row_mut(r).iter_mut().zip(channels) {
                *column = row[channel as usize];
            }
        }
        (rows, columns)
    })
}

/// Adds the columns of x to those of `out` from which [`tiles`] took them.
fn add_columns<T: Real>(x: MatRef<'_, T>, channels: &[u32], mut out: MatMut<'_, T>) {
    for i in 0..x.rows() {
        let out = out.row(i);
        for (&x, &channel) in x.row(i).iter().zip(channels) {
            out[channel as usize] += x;
        }
    }
}

/// x M.
fn masked<T: Real>(x: &Tensor<T>, dropout: Option<Dropout>) -> Tensor<T> {
    let mut x = x.clone();
    if let Some(mask) = dropout {
        for c in 0..x.rows() {
            mask.apply(c, 0, x.row_mut(c));
        }
    }
    x
}

/// Rows of logits become probabilities.
fn softmax<T: Real>(x: &mut Tensor<T>) {
    for c in 0..x.rows() {
        let row = x.row_mut(c);
        exponentials(row);
        lanes::scale(T::ONE / lanes::sum(row), row);
    }
}

/// dC becomes dA = C (dC - sum of C dC), row by row.
fn softmax_backward<T: Real>(c: &Tensor<T>, d: &mut Tensor<T>) {
    for row in 0..c.rows() {
        let (c, d) = (c.row(row), d.row_mut(row));
        let inner = lanes::dot(c, d);
        for (d, &c) in d.iter_mut().zip(c) {
            *d = c * (*d - inner);
        }
    }
}

lanes! {
    /// x becomes e^(x - max).
    fn exponentials<T>(x: &mut [T]) {
        let max = lanes::fold(x, T::NEG_INFINITY, |a, b| a.larger(b), |x| x);
        for x in x {
            *x = (*x - max).exp();
        }
    }
}

/// An order of the numbers below `count`, as numbers.
fn order<T: Real>(count: usize, stream: Stream) -> Tensor<T> {
    let mut order: Vec<u32> = (0..count as u32).collect();
    stream.generator().shuffle(&mut order);
    Tensor::from_fn(1, count, |_, i| T::of(order[i].into()))
}

impl<T: Real> Attention<T> for S3 {
    fn shapes(&self, shape: LayerShape) -> Vec<(&'static str, [usize; 2])> {
        let width = shape.heads * shape.head_width;
        let rows = [
            ("order", shape.positions),
            ("gain1", width),
            ("bias1", width),
        ];
        let columns = [
            ("channel_order", shape.head_width),
            ("gain2", width),
            ("bias2", width),
        ];
        let parts = self
            .rows
            .then_some(rows)
            .into_iter()
            .chain(self.columns.then_some(columns));
        parts
            .flatten()
            .map(|(name, cols)| (name, [1, cols]))
            .collect()
    }

    fn parameters(&self, shape: LayerShape, stream: Stream) -> Vec<(&'static str, Tensor<T>)> {
        let start = |(name, [_, cols]): (&'static str, [usize; 2])| {
            let value = match name {
                "order" | "channel_order" => order(cols, stream.stream(name)),
                "gain1" | "gain2" => Tensor::filled(1, cols, T::ONE),
                _ => Tensor::zeros(1, cols),
            };
            (name, value)
        };
        Attention::<T>::shapes(self, shape)
            .into_iter()
            .map(start)
            .collect()
    }

    fn trains(&self, parameter: &str) -> bool {
        !["order", "channel_order"].contains(&parameter)
    }

    fn node<'t>(&self, x: &Inputs<'_, 't, T>) -> Var<'t, T> {
        let (of_rows, of_columns) = x.parameters.split_at(if self.rows { 3 } else { 0 });
        let rows = self.rows.then(|| {
            let y = self.of_rows(x, self.tokens(x, of_rows[0].value()));
            layer_norm(&y, &of_rows[1], &of_rows[2])
        });
        let columns = self.columns.then(|| {
            let y = self.of_columns(x, self.channels(x, of_columns[0].value()));
            layer_norm(&y, &of_columns[1], &of_columns[2])
        });
        match (rows, columns) {
            (Some(rows), Some(columns)) => (rows + columns).scale(T::of(0.5)),
            (rows, columns) => rows.or(columns).expect("s3: one part at least"),
        }
    }
}

impl S3 {
    /// This variant with the budget that was asked for.
    fn with(self, options: &Options) -> S3 {
        S3 {
            features: options.features,
            dropout: options.dropout,
            ..self
        }
    }

    /// What one head of n tokens and p columns costs.
    fn cost(&self, n: f64, p: f64) -> Cost {
        let d = self.features as f64;
        let keys = |part: bool, most: f64| if part { d.min(most) } else { 0.0 };
        let products = 2.0 * n * p * (keys(self.rows, n) + keys(self.columns, p));
        // What the layer norms keep and pass back, and what a part does.
        let matrices = match (self.rows, self.columns) {
            (true, true) => 8.0,
            (true, false) => 5.0,
            _ => 4.0,
        };
        Cost::new(products, matrices * n * p + 3.0 * n)
    }
}

/// Makes the entry of every row: its function and name; whether it has the rows, and the columns; what it is.
macro_rules! variants {
    ($($entry:ident $name:literal: $rows:literal $columns:literal $about:literal;)+) => {$(
        #[doc = concat!("`", $name, "`.")]
        pub fn $entry<T: Real>() -> Entry<T> {
            const VARIANT: S3 = S3 {
                features: 0,
                rows: $rows,
                columns: $columns,
                dropout: 0.0,
            };
            Entry {
                name: $name,
                about: $about,
                cites: "Wang et al. 2024 (S3Attention), Algorithm 1",
                laws: Laws {
                    rows_sum_to_one: false,
                    exact_at_full_budget: false,
                    linear_memory: true,
                    linear_time: true,
                    random: false,
                },
                time: "n d p",
                cost: |options, n, p| VARIANT.with(options).cost(n, p),
                build: |options| Box::new(VARIANT.with(options)),
            }
        }
    )+};
}

variants! {
    entry "s3": true true "d fixed tokens for all tokens, d fixed channels for all channels";
    entry_rows "s3-rows": true false "s3 without its channels: d fixed tokens for all tokens";
    entry_columns "s3-columns": false true "s3 without its tokens: d fixed channels for all channels";
}
