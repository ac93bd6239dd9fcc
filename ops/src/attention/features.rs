//! Attention by features: the kernel of methods whose weights are products of features, in linear time.
//! [`super::performer`], [`super::kl`] and [`super::race`] are made of it, as others are of [`super::attend`].
//!
//! Of m features φ(x) of a query or a key, whose products are the weights,
//!
//! ```text
//! y_i = sum_j φ(q_i) · φ(k_j) v_j / sum_j φ(q_i) · φ(k_j)
//! ```
//!
//! and the sums over j can be taken first. With U = [V 1] and features in rows of Φ:
//!
//! ```text
//! A = Φ_kᵀ U    (m, p + 1)                            B = Φ_q A    (n, p + 1)
//! y_i = B_i[..p] / B_i[p]
//!
//! dB_i = (dy_i, -dy_i · y_i) / B_i[p]                 dA = Φ_qᵀ dB
//! dΦ_q = dB Aᵀ        dΦ_k = U dAᵀ                    dU = Φ_k dA
//! ```
//!
//! How features are made of q and k, and their gradient, is the method's: `Features`. What they have in common, a
//! constant ε in all of them, is never added: with Φ = F + ε,
//!
//! ```text
//! A = F_kᵀ U + ε 1 (sum_j u_j)ᵀ        B = F_q A + ε 1 (sum_r A_r)ᵀ
//! dA = F_qᵀ dB + ε 1 (sum_i dB_i)ᵀ     dU = F_k dA + ε 1 (sum_r dA_r)ᵀ
//! ```
//!
//! so that an F far below ε keeps its digits. Forward and backward work on tiles of rows, and backward makes the
//! features again: no n x m matrix is stored.

use std::ops::Range;

use engine::gemm::pieces;
use engine::lanes::add_up;
use engine::{MatMut, MatRef, Real, Tensor, gemm, lanes};

use super::attend::{TILE_ROWS, Tile};

/// How the features F of the rows of a matrix x (n, p) are made: of queries or of keys of one head.
pub(super) trait Features<T: Real> {
    /// The gradient of what they are made of besides x.
    type Gradient;

    /// m
    fn count(&self) -> usize;

    /// ε
    fn constant(&self) -> T {
        T::ZERO
    }

    /// Writes F (rows, m) of these rows of x.
    fn forward(&mut self, rows: &Range<usize>, f: &mut Tile<T>);

    /// Writes dx of these rows (rows, p) and adds to the other gradient, from F of these rows, which the last
    /// `forward` made, and dF; both may be overwritten.
    fn backward(
        &mut self,
        rows: &Range<usize>,
        f: &mut Tile<T>,
        df: &mut Tile<T>,
        dx: MatMut<'_, T>,
        gradient: &mut Self::Gradient,
    );
}

/// Columns [x 1] of a tile of rows, (rows, p + 1).
fn with_one<T: Real>(x: MatRef<'_, T>, rows: &Range<usize>, out: &mut Tensor<T>) {
    for (r, i) in rows.clone().enumerate() {
        let (last, row) = out.row_mut(r).split_last_mut().expect("p + 1 columns");
        row.copy_from_slice(x.row(i));
        *last = T::ONE;
    }
}

/// The sum of the first `rows` rows of `x`.
fn sum_of_rows<T: Real>(x: &Tensor<T>, rows: usize) -> Vec<T> {
    let mut sum = vec![T::ZERO; x.cols()];
    add_up(x.view().rows_in(0..rows), &mut sum);
    sum
}

/// Adds ε times `row` to every row of `x`: the constant part of every feature.
fn add_constant<T: Real>(constant: T, row: &[T], x: &mut MatMut<'_, T>) {
    if constant == T::ZERO {
        return;
    }
    for i in 0..x.rows() {
        lanes::add_scaled(constant, row, x.row(i));
    }
}

/// A (m, p + 1): the features of all keys times [V 1].
pub(super) fn context<T: Real>(keys: &mut impl Features<T>, v: MatRef<'_, T>) -> Tensor<T> {
    let (n, m, p) = (v.rows(), keys.count(), v.cols());
    let mut f = Tile::new(TILE_ROWS.min(n), m);
    let mut u = Tensor::stale(TILE_ROWS.min(n), p + 1);
    let mut a = Tensor::zeros(m, p + 1);
    let mut sum = vec![T::ZERO; p + 1];
    for rows in pieces(n, TILE_ROWS) {
        let height = rows.len();
        keys.forward(&rows, &mut f);
        with_one(v, &rows, &mut u);
        lanes::add(&sum_of_rows(&u, height), &mut sum);
        let u = u.view().rows_in(0..height);
        gemm(T::ONE, f.view(height, m).t(), u, T::ONE, a.view_mut());
    }
    add_constant(keys.constant(), &sum, &mut a.view_mut());
    a
}

/// Writes dk and dv (n, p) from dA (m, p + 1), and adds to the gradient of the keys' features.
pub(super) fn context_backward<T: Real, F: Features<T>>(
    keys: &mut F,
    v: MatRef<'_, T>,
    da: &Tensor<T>,
    [mut dk, mut dv]: [MatMut<'_, T>; 2],
    gradient: &mut F::Gradient,
) {
    let (n, m, p) = (v.rows(), keys.count(), v.cols());
    let [mut f, mut df] = [0; 2].map(|_| Tile::new(TILE_ROWS.min(n), m));
    let mut u = Tensor::stale(TILE_ROWS.min(n), p + 1);
    let sum = sum_of_rows(da, m);
    for rows in pieces(n, TILE_ROWS) {
        let height = rows.len();
        keys.forward(&rows, &mut f);
        // A = Fᵀ [V 1] + ε 1 (sum [V 1])ᵀ:  dV = F dA + ε 1 (sum dA)ᵀ,  dF = [V 1] dAᵀ
        let mut dv = dv.reborrow().rows_in(rows.clone());
        let f_view = f.view(height, m);
        gemm(T::ONE, f_view, da.cols_in(0..p), T::ZERO, dv.reborrow());
        add_constant(keys.constant(), &sum[..p], &mut dv);
        with_one(v, &rows, &mut u);
        let u = u.view().rows_in(0..height);
        gemm(T::ONE, u, da.view().t(), T::ZERO, df.view_mut(height, m));
        let dk = dk.reborrow().rows_in(rows.clone());
        keys.backward(&rows, &mut f, &mut df, dk, gradient);
    }
}

/// Writes y (n, p) and the denominators B[p] (n).
pub(super) fn outputs<T: Real>(
    queries: &mut impl Features<T>,
    a: &Tensor<T>,
    mut y: MatMut<'_, T>,
    denominators: &mut [T],
) {
    let (n, m, p) = (y.rows(), queries.count(), y.cols());
    let mut f = Tile::new(TILE_ROWS.min(n), m);
    let mut b = Tensor::stale(TILE_ROWS.min(n), p + 1);
    let sum = sum_of_rows(a, m);
    for rows in pieces(n, TILE_ROWS) {
        let height = rows.len();
        queries.forward(&rows, &mut f);
        let mut b_rows = b.view_mut().rows_in(0..height);
        gemm(
            T::ONE,
            f.view(height, m),
            a.view(),
            T::ZERO,
            b_rows.reborrow(),
        );
        add_constant(queries.constant(), &sum, &mut b_rows);
        for (r, i) in rows.clone().enumerate() {
            let b = b.row(r);
            denominators[i] = b[p];
            y.row(i).copy_from_slice(&b[..p]);
            lanes::scale(T::ONE / b[p], y.row(i));
        }
    }
}

/// Writes dq (n, p), adds to the gradient of the queries' features, and returns dA (m, p + 1).
pub(super) fn outputs_backward<T: Real, F: Features<T>>(
    queries: &mut F,
    a: &Tensor<T>,
    [y, dy]: [MatRef<'_, T>; 2],
    denominators: &[T],
    mut dq: MatMut<'_, T>,
    gradient: &mut F::Gradient,
) -> Tensor<T> {
    let (n, m, p) = (y.rows(), queries.count(), y.cols());
    let [mut f, mut df] = [0; 2].map(|_| Tile::new(TILE_ROWS.min(n), m));
    let mut db = Tensor::stale(TILE_ROWS.min(n), p + 1);
    let mut da = Tensor::zeros(m, p + 1);
    let mut sum = vec![T::ZERO; p + 1];
    for rows in pieces(n, TILE_ROWS) {
        let height = rows.len();
        // y = B[..p] / B[p]
        for (r, i) in rows.clone().enumerate() {
            let db = db.row_mut(r);
            db[..p].copy_from_slice(dy.row(i));
            db[p] = -lanes::dot(dy.row(i), y.row(i));
            lanes::scale(T::ONE / denominators[i], db);
        }
        lanes::add(&sum_of_rows(&db, height), &mut sum);
        queries.forward(&rows, &mut f);
        // B = F A + ε 1 (sum A)ᵀ:  dA += Fᵀ dB,  dF = dB Aᵀ
        let db = db.view().rows_in(0..height);
        gemm(T::ONE, f.view(height, m).t(), db, T::ONE, da.view_mut());
        gemm(T::ONE, db, a.view().t(), T::ZERO, df.view_mut(height, m));
        let dq = dq.reborrow().rows_in(rows.clone());
        queries.backward(&rows, &mut f, &mut df, dq, gradient);
    }
    add_constant(queries.constant(), &sum, &mut da.view_mut());
    da
}
