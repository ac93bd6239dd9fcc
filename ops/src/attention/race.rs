//! RACE attention (Joshi et al., arXiv 2510.04008): a query weighs a key by how alike the two hash, softly; linear
//! time.
//!
//! A table has P = 4 random planes, which divide space into 16 corners c in {-1, 1}^4. A row of x belongs to all of
//! them, by a softmax, so that hashing can be differentiated. With the products s of x and the planes:
//!
//! ```text
//! y = tanh(s)        φ_c(x) = exp(β y · c) / sum over corners c' of exp(β y · c')
//! ```
//!
//! (x is not normalised). The kernel of a table, φ(q) · φ(k), is near (1 - angle / π)^P for large β; L tables are
//! features side by side, 16 L of them, and `race` is attention by features ([`super::features`]):
//!
//! ```text
//! y_i = sum_l φ_l(q_i) · sum_j φ_l(k_j) v_jᵀ / sum_l φ_l(q_i) · sum_j φ_l(k_j)
//! ```
//!
//! *Corners by doubling.* The softmax is a product over the planes, with a_t = 1 / (1 + exp(-2 β y_t)): a_t where c_t
//! = 1, 1 - a_t where c_t = -1. So four exponentials make 16 features. Corners are counted in binary, plane 0 the
//! highest digit, 0 for -1. Backwards, g = dφ * φ, and b_t = β y_t:
//!
//! ```text
//! db_t = sum_c g_c c_t - (2 a_t - 1) sum_c g_c       since dφ_c / db_t = φ_c (c_t - mean of c_t)
//! dβ  += sum_t db_t y_t        ds_t = β db_t (1 - y_t²)        dx = dS planes
//! ```
//!
//! *Planes* are N(0, 1), drawn with the model, one set for all heads, and constant. β is learned, one for a layer, by
//! its logarithm, from p^-½ on. L = d / 16.
//!
//! *`race-bucket`* is the released code, whose tables give means of the values in a bucket, and are summed:
//!
//! ```text
//! y_i = sum_l φ_l(q_i) · M_l,       M_l = sum_j φ_l(k_j) v_jᵀ / (sum_j φ_l(k_j) + 1e-6)     row by row
//! ```
//!
//! The features of a table sum to 1. So with A = [M 1/L] in place of sums the denominators are 1, and it is the same
//! attention. Its rows sum to L, not to 1. Backwards, for one row of sums (B, b) and its M = B / (b + 1e-6):
//!
//! ```text
//! dB = dM / (b + 1e-6)        db = -dM · M / (b + 1e-6)
//! ```
//!
//! The release averages over several such ensembles; here it is one.

use std::ops::Range;

use engine::{MatMut, MatRef, Real, Stream, Tensor, Var, gemm, lanes};

use super::attend::{TILE_ROWS, Tile};
use super::features::{Features, context, context_backward, outputs, outputs_backward};
use super::{Attention, Cost, Entry, Inputs, Laws, LayerShape, Options};

/// P
const PLANES: usize = 4;
const CORNERS: usize = 1 << PLANES;
/// Added to the weight of a bucket.
const EPSILON: f64 = 1e-6;

/// Attention by soft hashes.
#[derive(Clone, Copy, Debug)]
pub struct Race {
    /// L
    pub tables: usize,
    /// What is divided by its weight.
    pub average: Average,
}

/// Where means are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Average {
    /// Of all keys, by their weight for a query.
    Sum,
    /// In every bucket of every table.
    Bucket,
}

/// The corners of some rows.
struct Corners<'a, T: Real> {
    /// (n, p)
    x: MatRef<'a, T>,
    /// (4 L, p)
    planes: &'a Tensor<T>,
    beta: T,
    /// y and a of the tile's rows, (rows, 4 L).
    y: Tile<T>,
    a: Tile<T>,
}

impl<'a, T: Real> Corners<'a, T> {
    fn new(x: MatRef<'a, T>, planes: &'a Tensor<T>, beta: T) -> Self {
        let [y, a] = [0; 2].map(|_| Tile::new(TILE_ROWS.min(x.rows()), planes.rows()));
        Corners {
            x,
            planes,
            beta,
            y,
            a,
        }
    }
}

impl<T: Real> Features<T> for Corners<'_, T> {
    /// Of β.
    type Gradient = f64;

    fn count(&self) -> usize {
        self.planes.rows() / PLANES * CORNERS
    }

    fn forward(&mut self, rows: &Range<usize>, phi: &mut Tile<T>) {
        let (height, planes) = (rows.len(), self.planes.rows());
        let (x, y) = (
            self.x.rows_in(rows.clone()),
            self.y.view_mut(height, planes),
        );
        gemm(T::ONE, x, self.planes.view().t(), T::ZERO, y);
        for r in 0..height {
            let y = &mut self.y.s[r * self.y.stride..][..planes];
            let a = &mut self.a.s[r * self.a.stride..][..planes];
            let phi = &mut phi.s[r * phi.stride..][..planes / PLANES * CORNERS];
            corners(self.beta, y, a, phi);
        }
    }

    fn backward(
        &mut self,
        rows: &Range<usize>,
        phi: &mut Tile<T>,
        dphi: &mut Tile<T>,
        dx: MatMut<'_, T>,
        dbeta: &mut f64,
    ) {
        let (height, planes) = (rows.len(), self.planes.rows());
        for r in 0..height {
            let y = &mut self.y.s[r * self.y.stride..][..planes]; // becomes ds
            let a = &self.a.s[r * self.a.stride..][..planes];
            let phi = &phi.s[r * phi.stride..][..planes / PLANES * CORNERS];
            let dphi = &dphi.s[r * dphi.stride..][..planes / PLANES * CORNERS];
            *dbeta += corners_backward(self.beta, y, a, phi, dphi).f64();
        }
        let ds = self.y.view(height, planes);
        gemm(T::ONE, ds, self.planes.view(), T::ZERO, dx);
    }
}

lanes! {
    /// s in `y` becomes tanh s; writes a and φ.
    fn corners<T>(beta: T, y: &mut [T], a: &mut [T], phi: &mut [T]) {
        let two = T::of(2.0);
        for (y, a) in y.iter_mut().zip(a.iter_mut()) {
            *y = T::ONE - two / ((two * *y).exp() + T::ONE);
            *a = T::ONE / (T::ONE + (-two * beta * *y).exp());
        }
        let (a, phi) = (a.as_chunks::<PLANES>().0, phi.as_chunks_mut::<CORNERS>().0);
        for (a, phi) in a.iter().zip(phi) {
            phi[0] = T::ONE;
            let mut corners = 1;
            for &a in a.iter().rev() { // the last plane is the lowest digit
                let (without, with) = phi[..2 * corners].split_at_mut(corners);
                for (without, with) in without.iter_mut().zip(with) {
                    *with = *without * a;
                    *without *= T::ONE - a;
                }
                corners *= 2;
            }
        }
    }

    /// y becomes ds; the sum of db_t y_t is returned.
    fn corners_backward<T>(beta: T, y: &mut [T], a: &[T], phi: &[T], dphi: &[T]) -> T {
        let mut dbeta = T::ZERO;
        let (y, a) = (y.as_chunks_mut::<PLANES>().0, a.as_chunks::<PLANES>().0);
        let (phi, dphi) = (phi.as_chunks::<CORNERS>().0, dphi.as_chunks::<CORNERS>().0);
        for ((y, a), (phi, dphi)) in y.iter_mut().zip(a).zip(phi.iter().zip(dphi)) {
            let mut g = [T::ZERO; CORNERS];
            for ((g, &phi), &dphi) in g.iter_mut().zip(phi).zip(dphi) {
                *g = phi * dphi;
            }
            // Sums over a digit, the highest first; of its two halves, their difference is that plane's.
            let mut differences = [T::ZERO; PLANES];
            let mut half = CORNERS / 2;
            for difference in &mut differences {
                let (low, high) = g[..2 * half].split_at_mut(half);
                for (low, &high) in low.iter_mut().zip(high.iter()) {
                    *difference += high - *low;
                    *low += high;
                }
                half /= 2;
            }
            for ((y, &a), difference) in y.iter_mut().zip(a).zip(differences) {
                let db = difference - (a + a - T::ONE) * g[0];
                dbeta = db.mul_add(*y, dbeta);
                *y = beta * db * (T::ONE - *y * *y);
            }
        }
        dbeta
    }
}

/// Sums (B, b) of buckets become (M, 1 / L); 1 / (b + 1e-6) of each is returned.
fn means<T: Real>(sums: &mut Tensor<T>) -> Vec<T> {
    let (rows, p) = (sums.rows(), sums.cols() - 1);
    let tables = T::of((rows / CORNERS) as f64);
    let mean = |r| {
        let row = sums.row_mut(r);
        let inverse = T::ONE / (row[p] + T::of(EPSILON));
        lanes::scale(inverse, &mut row[..p]);
        row[p] = T::ONE / tables;
        inverse
    };
    (0..rows).map(mean).collect()
}

/// (dM, anything) becomes (dB, db).
fn means_backward<T: Real>(means: &Tensor<T>, inverses: &[T], d: &mut Tensor<T>) {
    let p = means.cols() - 1;
    for (r, &inverse) in inverses.iter().enumerate() {
        let (m, d) = (&means.row(r)[..p], d.row_mut(r));
        d[p] = -lanes::dot(&d[..p], m);
        lanes::scale(inverse, d);
    }
}

/// What backward needs of one head.
struct Head<T: Real> {
    columns: Range<usize>,
    /// A (16 L, p + 1)
    a: Tensor<T>,
    /// Of the buckets, if means are taken there.
    inverses: Vec<T>,
}

impl<T: Real> Attention<T> for Race {
    fn shapes(&self, shape: LayerShape) -> Vec<(&'static str, [usize; 2])> {
        let planes = [PLANES * self.tables, shape.head_width];
        vec![("hyperplanes", planes), ("log_beta", [1, 1])]
    }

    fn parameters(&self, shape: LayerShape, stream: Stream) -> Vec<(&'static str, Tensor<T>)> {
        let p = shape.head_width;
        let mut generator = stream.stream("hyperplanes").generator();
        let planes = Tensor::from_fn(PLANES * self.tables, p, |_, _| T::of(generator.normal()));
        let log_beta = Tensor::scalar(T::of(-0.5 * libm::log(p as f64)));
        vec![("hyperplanes", planes), ("log_beta", log_beta)]
    }

    fn trains(&self, parameter: &str) -> bool {
        parameter != "hyperplanes"
    }

    fn node<'t>(&self, x: &Inputs<'_, 't, T>) -> Var<'t, T> {
        let tape = x.v.tape();
        let [planes, log_beta] = [&x.parameters[0], &x.parameters[1]];
        let parents = [x.q().node(), x.k().node(), x.v.node(), log_beta.node()];
        let [q, k, v, planes] = [x.q(), x.k(), x.v, planes].map(Var::save);
        let beta = log_beta.value().item().exp();
        let mut y = Tensor::stale(v.rows(), v.cols()); // (n, heads p)
        let mut denominators = Tensor::stale(x.heads, v.rows());
        let mut heads = Vec::with_capacity(x.heads);
        for h in 0..x.heads {
            let columns = x.head(h);
            let [q, k, v] = [&q, &k, &v].map(|x| x.cols_in(columns.clone())); // (n, p)
            let [mut queries, mut keys] = [q, k].map(|x| Corners::new(x, &planes, beta));
            let mut a = context(&mut keys, v); // (16 L, p + 1)
            let inverses = match self.average {
                Average::Sum => Vec::new(),
                Average::Bucket => means(&mut a),
            };
            let y = y.view_mut().cols_in(columns.clone());
            outputs(&mut queries, &a, y, denominators.row_mut(h));
            let a = tape.save(&a);
            heads.push(Head {
                columns,
                a,
                inverses,
            });
        }
        let (saved_y, denominators) = (tape.save(&y), tape.save(&denominators));
        let average = self.average;

        tape.record("race", parents, y, move |dy| {
            let [mut dq, mut dk, mut dv] = [0; 3].map(|_| Tensor::stale(dy.rows(), dy.cols()));
            let mut dbeta = 0.0;
            for (h, head) in heads.into_iter().enumerate() {
                let [q, k, v, y, dy] =
                    [&q, &k, &v, &saved_y, &dy].map(|x| x.cols_in(head.columns.clone()));
                let [dq, dk, dv] =
                    [&mut dq, &mut dk, &mut dv].map(|x| x.view_mut().cols_in(head.columns.clone()));
                let [mut queries, mut keys] = [q, k].map(|x| Corners::new(x, &planes, beta));
                let (a, denominators) = (&head.a, denominators.row(h));
                let mut da =
                    outputs_backward(&mut queries, a, [y, dy], denominators, dq, &mut dbeta);
                if average == Average::Bucket {
                    means_backward(a, &head.inverses, &mut da);
                }
                context_backward(&mut keys, v, &da, [dk, dv], &mut dbeta);
            }
            // β = exp(log_beta)
            [dq, dk, dv, Tensor::scalar(T::of(dbeta) * beta)]
        })
    }
}

/// L
fn tables(options: &Options) -> usize {
    (options.features / CORNERS).max(1)
}

fn cost(options: &Options, n: f64, p: f64) -> Cost {
    let (planes, features) = (
        (PLANES * tables(options)) as f64,
        (CORNERS * tables(options)) as f64,
    );
    // y, dq, dk, dv and denominators; A and its gradient; φ, dφ, y and a of a tile.
    Cost::new(
        2.0 * n * planes * p + 2.0 * n * features * (p + 1.0),
        4.0 * n * p
            + n
            + 2.0 * features * (p + 1.0)
            + 2.0 * (features + planes) * n.min(TILE_ROWS as f64),
    )
}

const LAWS: Laws = Laws {
    rows_sum_to_one: true,
    exact_at_full_budget: false,
    linear_memory: true,
    linear_time: true,
    random: false,
};

/// `race`.
pub fn entry<T: Real>() -> Entry<T> {
    Entry {
        name: "race",
        about: "keys that hash alike weigh more: soft hashes of d/16 tables",
        cites: "Joshi et al. 2025, algorithm 1",
        laws: LAWS,
        time: "n d p",
        cost,
        build: |options| {
            Box::new(Race {
                tables: tables(options),
                average: Average::Sum,
            })
        },
    }
}

/// `race-bucket`.
pub fn entry_bucket<T: Real>() -> Entry<T> {
    Entry {
        name: "race-bucket",
        about: "race with means in every bucket, summed over the tables",
        cites: "Joshi et al. 2025, released code",
        laws: Laws {
            rows_sum_to_one: false,
            ..LAWS
        },
        time: "n d p",
        cost,
        build: |options| {
            Box::new(Race {
                tables: tables(options),
                average: Average::Bucket,
            })
        },
    }
}
