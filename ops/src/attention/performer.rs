//! Performer (Choromanski et al. 2021, FAVOR+): positive random features of the softmax kernel,
//! linear time.
//!
//! With x̃ = p^-1/4 x, exp(q · k / √p) = exp(q̃ · k̃) is the mean over Gaussian w of exp(w · q̃ -
//! |q̃|²/2) exp(w · k̃ - |k̃|²/2) (their lemma 1). So with m rows w_r of W and
//!
//! ```text
//! φ_r(x) = exp(w_r · x̃ - |x̃|²/2 - c) + ε        y_i = φ(q_i) · sum_j φ(k_j) v_jᵀ / φ(q_i) · sum_j φ(k_j)
//! ```
//!
//! (a factor m^-½ cancels). c keeps the exponential at or below 1: for a query it is the largest of
//! its own w_r · q̃_i, for all keys together the largest w_r · k̃_j; ε = 1e-4 is added after it. So c
//! would cancel but for ε, and is differentiated like everything else.
//!
//! From features to y and back is the page of [`super::features`]. With E = φ - ε for F there, and rows x of queries or
//! keys,
//!
//! ```text
//! dS = dE * E, minus its sum at the place of the maximum that c is
//! dx̃_i = sum_r dS_ir w_r - (sum_r dE_ir E_ir) x̃_i
//! ```
//!
//! *W* is block-orthogonal (their section 3.2): blocks of p orthogonal rows, uniform, each row with
//! the length of an independent Gaussian vector. Draw `w` (m, p), anew for every example, layer and
//! head. The places of the maxima are constants of the backward pass (`query_maxima`, `key_maximum`).
//!
//! Not reproduced: in the released code c of the keys is a maximum over the whole batch, and padded
//! keys, zeros, count in the denominator (`--pad` for that).

use std::ops::Range;

use engine::gemm::pieces;
use engine::{Generator, MatMut, MatRef, Real, Stream, Tensor, Var, gemm, lanes};

use super::attend::{TILE_ROWS, Tile};
use super::features::{Features, context, context_backward, outputs, outputs_backward};
use super::{Attention, Cost, Entry, Inputs, Laws, LayerShape};

/// Added to every feature.
const EPSILON: f64 = 1e-4;

/// Attention by positive random features.
#[derive(Clone, Copy, Debug)]
pub struct Performer {
    /// m.
    pub features: usize,
    /// As released: x̃ = p^-1/2 x, so that the kernel is exp(q · k / p), √p times too flat.
    pub scaled_twice: bool,
    /// As released: W is drawn once with the model, one for all heads of a layer, kept with its
    /// weights and never redrawn. It is not trained.
    pub fixed: bool,
    /// As released: c of the keys is the largest of all heads together.
    pub joint_maximum: bool,
}

/// What backward needs of one head.
struct Head<T: Real> {
    range: Range<usize>,
    w: Tensor<T>,
    /// For every query the r of its largest w_r · q̃.
    query_maxima: Vec<u32>,
    /// j and r of the largest w_r · k̃_j of this head.
    key_maximum: (usize, usize),
    /// The head whose maximum is c of these keys.
    owner: usize,
    key_c: T,
}

impl<T: Real> Head<T> {
    /// The features of q and k of this head.
    fn features<'a>(&'a self, scale: T, [q, k]: [MatRef<'a, T>; 2]) -> [Exponentials<'a, T>; 2] {
        let of = |x, maximum| Exponentials {
            rows: Rows {
                x,
                w: &self.w,
                scale,
            },
            maximum,
        };
        let queries = of(q, Maximum::OfRow(&self.query_maxima));
        [queries, of(k, Maximum::OfAll(self.key_c))]
    }
}

/// Queries or keys of one head, and what they are multiplied with.
#[derive(Clone, Copy)]
struct Rows<'a, T: Real> {
    x: MatRef<'a, T>,
    w: &'a Tensor<T>,
    scale: T,
}

impl<T: Real> Rows<'_, T> {
    /// w_r · x̃_i for a tile of rows.
    fn products(&self, rows: &Range<usize>, tile: &mut Tile<T>) {
        gemm(
            self.scale,
            self.x.rows_in(rows.clone()),
            self.w.view().t(),
            T::ZERO,
            tile.view_mut(rows.len(), self.w.rows()),
        );
    }

    /// The feature with the largest product of every row, ties to the first, and the products.
    fn maxima(&self) -> Vec<(u32, T)> {
        let mut tile = Tile::new(TILE_ROWS.min(self.x.rows()), self.w.rows());
        let mut maxima = Vec::with_capacity(self.x.rows());
        for rows in pieces(self.x.rows(), TILE_ROWS) {
            self.products(&rows, &mut tile);
            maxima.extend(tile.s.chunks_exact(tile.stride).take(rows.len()).map(|s| {
                let s = &s[..self.w.rows()];
                let max = largest(s);
                let place = s.iter().position(|&s| s == max).unwrap_or(0); // NaN: any will do
                (place as u32, max)
            }));
        }
        maxima
    }
}

/// What c is.
#[derive(Clone, Copy)]
enum Maximum<'a, T> {
    /// For every row the product with this feature.
    OfRow(&'a [u32]),
    /// This number.
    OfAll(T),
}

/// E of some rows.
struct Exponentials<'a, T: Real> {
    rows: Rows<'a, T>,
    maximum: Maximum<'a, T>,
}

impl<T: Real> Features<T> for Exponentials<'_, T> {
    /// Of c where it is one number.
    type Gradient = T;

    fn count(&self) -> usize {
        self.rows.w.rows()
    }

    fn constant(&self) -> T {
        T::of(EPSILON)
    }

    fn forward(&mut self, rows: &Range<usize>, e: &mut Tile<T>) {
        let Rows { x, w, scale } = self.rows;
        self.rows.products(rows, e);
        let half = T::of(0.5) * scale * scale;
        for (row, i) in e.s.chunks_exact_mut(e.stride).zip(rows.clone()) {
            let row = &mut row[..w.rows()];
            let c = match self.maximum {
                Maximum::OfRow(places) => row[places[i] as usize],
                Maximum::OfAll(c) => c,
            };
            exp_minus(c, half * lanes::dot(x.row(i), x.row(i)), row);
        }
    }

    fn backward(
        &mut self,
        rows: &Range<usize>,
        e: &mut Tile<T>,
        de: &mut Tile<T>,
        mut dx: MatMut<'_, T>,
        dc: &mut T,
    ) {
        let Rows { x, w, scale } = self.rows;
        let mut sums = vec![T::ZERO; rows.len()];
        product_gradients(e, de, w.rows(), &mut sums);
        match self.maximum {
            Maximum::OfRow(places) => {
                for ((r, i), &sum) in rows.clone().enumerate().zip(&sums) {
                    e.s[r * e.stride + places[i] as usize] += -sum; // c is that product
                }
            }
            Maximum::OfAll(_) => *dc += -lanes::sum(&sums),
        }
        let ds = e.view(rows.len(), w.rows());
        gemm(scale, ds, w.view(), T::ZERO, dx.reborrow());
        for (r, i) in rows.clone().enumerate() {
            lanes::add_scaled(-sums[r] * scale * scale, x.row(i), dx.row(r));
        }
    }
}

impl Performer {
    /// x̃ = scale x.
    fn scale<T: Real>(&self, p: usize) -> T {
        let once = T::ONE / T::of(p as f64).sqrt().sqrt();
        if self.scaled_twice { once * once } else { once }
    }

    /// W of one head.
    fn projection<T: Real>(&self, x: &Inputs<'_, '_, T>, h: usize) -> Tensor<T> {
        if self.fixed {
            return x.parameters[0].value().clone();
        }
        let p = x.head(h).len();
        let w = x.draws.numbers(&x.place.draw("w", h), |generator| {
            orthogonal_gaussian(self.features, p, generator)
        });
        assert!(
            !w.is_empty() && w.len().is_multiple_of(p),
            "performer: {} numbers are no features for p = {p}",
            w.len()
        );
        Tensor::from_fn(w.len() / p, p, |r, c| T::of(w[r * p + c]))
    }

    /// Projections and maxima of all heads.
    fn heads<T: Real>(&self, x: &Inputs<'_, '_, T>) -> Vec<Head<T>> {
        let mut heads: Vec<Head<T>> = (0..x.heads)
            .map(|h| {
                let (range, w) = (x.head(h), self.projection(x, h));
                let scale = self.scale(range.len());
                let rows = |x: &'_ Var<'_, T>| {
                    let x = x.value().cols_in(range.clone());
                    Rows { x, w: &w, scale }.maxima()
                };
                let (n, m) = (x.v.rows(), w.rows());
                let name = x.place.draw("query_maxima", h);
                let query_maxima = x.draws.indices(&name, m, |_| {
                    rows(x.q()).into_iter().map(|(r, _)| r).collect()
                });
                let name = x.place.draw("key_maximum", h);
                let place = x.draws.indices(&name, n.max(m), |_| {
                    let (mut j, mut best) = (0, None);
                    for (i, (r, max)) in rows(x.k()).into_iter().enumerate() {
                        if best.is_none_or(|(_, largest)| max > largest) {
                            (j, best) = (i as u32, Some((r, max)));
                        }
                    }
                    vec![j, best.map_or(0, |(r, _)| r)]
                });
                let &[j, r] = &place[..] else {
                    panic!("draw {name}: {place:?} are no key and feature");
                };
                let (j, r) = (j as usize, r as usize);
                assert!(
                    query_maxima.len() == n && j < n && r < m,
                    "performer: maxima of {} queries, at key {j} and feature {r}, of {n} tokens and {m} features",
                    query_maxima.len()
                );
                let key_c =
                    scale * lanes::dot(x.k().value().cols_in(range.clone()).row(j), w.row(r));
                Head {
                    range,
                    w,
                    query_maxima,
                    key_maximum: (j, r),
                    owner: h,
                    key_c,
                }
            })
            .collect();
        if self.joint_maximum {
            let owner = x
                .draws
                .indices(&x.place.draw("key_head", 0), heads.len(), |_| {
                    let larger = |a: usize, b: usize| {
                        if heads[b].key_c > heads[a].key_c {
                            b
                        } else {
                            a
                        }
                    };
                    vec![(1..heads.len()).fold(0, larger) as u32]
                });
            let &[owner] = &owner[..] else {
                panic!("performer: {owner:?} is no head");
            };
            let owner = owner as usize;
            let key_c = heads[owner].key_c;
            for head in &mut heads {
                (head.owner, head.key_c) = (owner, key_c);
            }
        }
        heads
    }
}

impl<T: Real> Attention<T> for Performer {
    fn shapes(&self, shape: LayerShape) -> Vec<(&'static str, [usize; 2])> {
        let w = ("w", [self.features, shape.head_width]);
        self.fixed.then_some(w).into_iter().collect()
    }

    fn parameters(&self, shape: LayerShape, stream: Stream) -> Vec<(&'static str, Tensor<T>)> {
        if !self.fixed {
            return Vec::new();
        }
        let p = shape.head_width;
        let w = orthogonal_gaussian(self.features, p, &mut stream.stream("w").generator());
        let w = Tensor::from_fn(self.features, p, |r, c| T::of(w[r * p + c]));
        vec![("w", w)]
    }

    fn trains(&self, _: &str) -> bool {
        false
    }

    fn node<'t>(&self, x: &Inputs<'_, 't, T>) -> Var<'t, T> {
        let (tape, parents) = (x.v.tape(), [x.q().node(), x.k().node(), x.v.node()]);
        let (n, width) = x.v.shape();
        let heads = self.heads(x);
        let [q, k, v] = [x.q(), x.k(), x.v].map(Var::save);
        let scale = self.scale(width / x.heads);
        let mut y = Tensor::stale(n, width); // (n, heads p)
        let mut denominators = Tensor::stale(x.heads, n);
        let mut contexts = Vec::with_capacity(x.heads);
        for (h, head) in heads.iter().enumerate() {
            let [q, k, v] = [&q, &k, &v].map(|x| x.cols_in(head.range.clone())); // (n, p)
            let [mut queries, mut keys] = head.features(scale, [q, k]);
            let a = context(&mut keys, v); // (m, p + 1)
            let y = y.view_mut().cols_in(head.range.clone());
            outputs(&mut queries, &a, y, denominators.row_mut(h));
            contexts.push(tape.save(&a));
        }
        let (saved_y, denominators) = (tape.save(&y), tape.save(&denominators));

        tape.record("performer", parents, y, move |dy| {
            let [mut dq, mut dk, mut dv] = [0; 3].map(|_| Tensor::stale(n, width));
            let mut dc = vec![T::ZERO; heads.len()];
            for (h, (head, a)) in heads.iter().zip(&contexts).enumerate() {
                let [q, k, v, y, dy] =
                    [&q, &k, &v, &saved_y, &dy].map(|x| x.cols_in(head.range.clone()));
                let [dq, dk, dv] =
                    [&mut dq, &mut dk, &mut dv].map(|x| x.view_mut().cols_in(head.range.clone()));
                let [mut queries, mut keys] = head.features(scale, [q, k]);
                let (denominators, mut dc_of_head) = (denominators.row(h), T::ZERO);
                let da =
                    outputs_backward(&mut queries, a, [y, dy], denominators, dq, &mut dc_of_head);
                context_backward(&mut keys, v, &da, [dk, dv], &mut dc_of_head);
                dc[head.owner] += dc_of_head;
            }
            // c = w_r · k̃_j
            for (head, dc) in heads.iter().zip(dc) {
                let (j, r) = head.key_maximum;
                let dk = &mut dk.row_mut(j)[head.range.clone()];
                lanes::add_scaled(dc * scale, head.w.row(r), dk);
            }
            [dq, dk, dv]
        })
    }
}

/// W (m, p), row by row: blocks of p rows that are an orthogonal matrix, uniformly distributed, each
/// row as long as an independent Gaussian vector.
///
/// Gaussian rows are made orthogonal one after the other (Gram-Schmidt), which leaves the uniform
/// law; the released code takes the Q of a library's QR, whose signs are the library's.
fn orthogonal_gaussian(m: usize, p: usize, generator: &mut Generator) -> Vec<f64> {
    let mut w: Vec<f64> = (0..m * p).map(|_| generator.normal()).collect();
    for block in w.chunks_mut(p * p) {
        for r in 0..block.len() / p {
            let (before, row) = block.split_at_mut(r * p);
            let row = &mut row[..p];
            // Twice: once leaves rounding along the earlier rows where little is left.
            for before in before.chunks_exact(p).chain(before.chunks_exact(p)) {
                lanes::add_scaled(-lanes::dot(before, row), before, row);
            }
            lanes::scale(1.0 / lanes::dot(row, row).sqrt(), row);
        }
    }
    let mut gaussian = vec![0.0; p];
    for row in w.chunks_exact_mut(p) {
        gaussian.fill_with(|| generator.normal());
        lanes::scale(lanes::dot(&gaussian, &gaussian).sqrt(), row);
    }
    w
}

lanes! {
    /// s becomes exp(s - c - half).
    fn exp_minus<T>(c: T, half: T, s: &mut [T]) {
        for s in s {
            *s = (*s - c - half).exp();
        }
    }

    fn largest<T>(s: &[T]) -> T {
        lanes::fold(s, s[0], |a, b| a.larger(b), |s| s)
    }

    /// E becomes dS = dE * E, with its row sums.
    fn product_gradients<T>(e: &mut Tile<T>, de: &Tile<T>, cols: usize, sums: &mut [T]) {
        let rows = e.s.chunks_exact_mut(e.stride).zip(de.s.chunks_exact(de.stride));
        for ((e, de), sum) in rows.zip(sums) {
            let e = &mut e[..cols];
            for (e, &de) in e.iter_mut().zip(de) {
                *e *= de;
            }
            *sum = lanes::fold(e, T::ZERO, |a, b| a + b, |x| x);
        }
    }
}

/// `performer`.
pub fn entry<T: Real>() -> Entry<T> {
    Entry {
        name: "performer",
        about: "d positive random features of the softmax kernel",
        cites: "Choromanski et al. 2021, lemma 1 and section 3.2",
        laws: Laws {
            rows_sum_to_one: true,
            exact_at_full_budget: false,
            linear_memory: true,
            linear_time: true,
            random: true,
        },
        time: "n d p",
        cost: |options, n, p| {
            // The products with W are computed twice: for the maxima, then for the features.
            let d = options.features as f64;
            // W, A and dA; two tiles with all features.
            let of_features = d * (3.0 * p + 2.0 * n.min(TILE_ROWS as f64));
            Cost::new(
                4.0 * n * d * p + 2.0 * n * d * (p + 1.0),
                4.0 * n * p + 2.0 * n + of_features,
            )
        },
        build: |options| {
            Box::new(Performer {
                features: options.features,
                scaled_twice: options.released,
                fixed: options.released,
                joint_maximum: options.released,
            })
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::Seed;

    #[test]
    fn rows_of_a_block_are_orthogonal_and_as_long_as_gaussian_ones() {
        let (m, p) = (21, 8);
        let mut squares = 0.0;
        for seed in 0..200 {
            let w = orthogonal_gaussian(m, p, &mut Seed(seed).stream("w").generator());
            let row = |r: usize| &w[r * p..(r + 1) * p];
            for r in 0..m {
                squares += lanes::dot(row(r), row(r));
                for other in r / p * p..r {
                    let cosine = lanes::dot(row(r), row(other))
                        / (lanes::dot(row(r), row(r)) * lanes::dot(row(other), row(other))).sqrt();
                    assert!(cosine.abs() < 1e-14, "rows {other} and {r}: {cosine:e}");
                }
            }
        }
        // 4200 chi-square numbers of mean p and variance 2 p; four standard errors.
        let (mean, error) = (squares / 4200.0, (2.0 * p as f64 / 4200.0).sqrt());
        assert!((mean - p as f64).abs() < 4.0 * error, "{mean}");
    }
}
