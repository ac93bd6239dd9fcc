//! Skyformer (Chen et al. 2021): Kernelized Attention ([`super::kernelized`]) by a Nyström
//! approximation of a positive definite matrix around it.
//!
//! C = κ(Q, K) with κ(x, y) = exp(-|x - y|² / 2) of rows divided by p^¼ is not symmetric, but it is
//! the upper right block of the kernel matrix of the 2n rows of [Q; K], which is. For one head, with
//! d sampled rows S of [Q; K], half of them queries, half of them keys:
//!
//! ```text
//! H = κ(S, K) V                                         (d, p)
//! M = κ(S, S) + γ I,  γ = 0.1                           (d, d)
//! N = D^-½ M D^-½,  D = diag(M 1)                       (d, d), so that the iteration converges
//! Y = κ(Q, S) D^-½ N⁺ D^-½ H                            (n, p)
//! ```
//!
//! N⁺ is [`super::pseudo_inverse`], the products with κ are [`super::gaussian`] (M is the kernel
//! times I). With r = D^-½ as a column and w = N⁺ (r ∘ H), so that Y = κ(Q, S) G with G = r ∘ w,
//! given dG backwards:
//!
//! ```text
//! G = r ∘ w:                  dw = r ∘ dG,  dr_i = dG_i · w_i
//! w = N⁺ u,  u = r ∘ H:       dN⁺ = dw uᵀ,  du = N⁺ᵀ dw,  dH = r ∘ du,  dr_i += du_i · H_i
//! N_ij = r_i M_ij r_j:        dM_ij = r_i dN_ij r_j,  dr_i += sum_j (dN_ij N_ij + dN_ji N_ji) / r_i
//! r_i = D_i^-½,  D = M 1:     dM_ij += -r_i³ dr_i / 2
//! ```
//!
//! and dH, dM, dY go back through κ to Q, K, V and the sampled rows. The draw is `sampled` (d):
//! indices into the 2n rows, uniform with replacement, the first half queries, the rest keys. It is a
//! constant of the backward pass. Since repeats may occur (γ keeps M regular), d is --features / 2
//! however short the example.
//!
//! With [`Options::released`](super::Options) it follows the released code where that differs within one example: it
//! draws one `sampled` for all heads, scales by 32^¼ whatever p is, and divides every head's start of
//! the iteration by the largest column sum of all heads. There that is the largest of the whole batch
//! and the uniform numbers behind `sampled` are shared by it, too: an example would depend on its
//! batch mates, so neither is reproduced.

use engine::{Real, Tensor, Var, lanes};

use super::gaussian::Gaussian;
use super::pseudo_inverse::{PseudoInverses, identity, plus_diagonal};
use super::{Attention, Cost, Entry, Inputs, Laws};
use crate::sample::uniform;

/// γ, what keeps M regular.
const RIDGE: f64 = 0.1;

/// Skyformer.
#[derive(Clone, Copy, Debug)]
pub struct Skyformer {
    /// d, sampled rows of [Q; K]: the first half are queries.
    pub samples: usize,
    /// One draw for all heads (released) instead of one a head.
    pub shared_samples: bool,
    /// Rows are divided by 32^¼ (released) instead of p^¼.
    pub width_32: bool,
    /// Z_0 of every head is divided by the largest column sum of all heads (released).
    pub shared_scale: bool,
}

/// What backward needs of one head.
struct Head<T: Real> {
    range: std::ops::Range<usize>,
    sampled: Vec<u32>,
    /// S (d, p).
    rows: Tensor<T>,
    /// r (1, d).
    r: Tensor<T>,
    /// H (d, p).
    h: Tensor<T>,
}

impl Skyformer {
    fn sampled<T: Real>(&self, x: &Inputs<'_, '_, T>, h: usize) -> Vec<u32> {
        let (n, d) = (x.v.rows(), self.samples);
        let head = if self.shared_samples { 0 } else { h };
        x.draws
            .indices(&x.place.draw("sampled", head), 2 * n, |generator| {
                let mut sampled = uniform::with_replacement(n, d / 2, generator);
                let keys = uniform::with_replacement(n, d - d / 2, generator);
                sampled.extend(keys.into_iter().map(|key| n as u32 + key));
                sampled
            })
    }

    fn scale<T: Real>(&self, p: usize) -> T {
        let width = if self.width_32 { 32 } else { p };
        T::ONE / T::of(width as f64).sqrt()
    }
}

/// r ∘ X: row i of X times r_i.
fn scaled_rows<T: Real>(r: &Tensor<T>, x: &Tensor<T>) -> Tensor<T> {
    let mut y = x.clone();
    for (i, &r) in r.data().iter().enumerate() {
        lanes::scale(r, y.row_mut(i));
    }
    y
}

/// N and r (1, d) of M: N takes its place.
fn normalised<T: Real>(mut m: Tensor<T>) -> (Tensor<T>, Tensor<T>) {
    let mut r = Tensor::stale(1, m.rows());
    for (i, r) in r.data_mut().iter_mut().enumerate() {
        *r = T::ONE / lanes::sum(m.row(i)).sqrt();
    }
    for (i, &r_i) in r.data().iter().enumerate() {
        lanes::scale(r_i, m.row_mut(i));
        lanes::multiply(r.data(), m.row_mut(i));
    }
    (m, r)
}

/// dM, in place of dN. `dr` is what came to r by other ways.
fn normalised_backward<T: Real>(
    n: &Tensor<T>,
    r: &Tensor<T>,
    mut dn: Tensor<T>,
    dr: &mut [T],
) -> Tensor<T> {
    let (d, r) = (dr.len(), r.data());
    // N_ij = r_i M_ij r_j
    for i in 0..d {
        let products = (0..d).map(|j| dn.row(i)[j] * n.row(i)[j] + dn.row(j)[i] * n.row(j)[i]);
        dr[i] += products.sum::<T>() / r[i];
    }
    for i in 0..d {
        lanes::scale(r[i], dn.row_mut(i));
        lanes::multiply(r, dn.row_mut(i));
        // r = D^-½,  D = M 1
        let dsum = -T::of(0.5) * r[i] * r[i] * r[i] * dr[i];
        for dm in dn.row_mut(i) {
            *dm += dsum;
        }
    }
    dn
}

impl<T: Real> Attention<T> for Skyformer {
    fn node<'t>(&self, x: &Inputs<'_, 't, T>) -> Var<'t, T> {
        let (tape, parents) = (x.v.tape(), [x.q().node(), x.k().node(), x.v.node()]);
        let [q, k, v] = [x.q(), x.k(), x.v].map(Var::save);
        let n = v.rows();
        let scale = self.scale::<T>(x.head(0).len());
        let mut matrices = Vec::new();
        let mut heads = Vec::new();
        for h in 0..x.heads {
            let range = x.head(h);
            let [q, k, v] = [&q, &k, &v].map(|x| x.cols_in(range.clone())); // (n, p)
            let sampled = self.sampled(x, h);
            let (d, p) = (sampled.len(), v.cols());
            let mut rows = Tensor::stale(d, p); // S
            for (row, &i) in sampled.iter().enumerate() {
                let i = i as usize;
                let row = rows.row_mut(row);
                row.copy_from_slice(if i < n { q.row(i) } else { k.row(i - n) });
            }
            let mut m = Tensor::stale(d, d);
            let unit = identity(d);
            Gaussian::new(scale, rows.view(), rows.view(), unit.view()).forward(m.view_mut());
            let (matrix, r) = normalised(plus_diagonal(m, RIDGE));
            matrices.push(matrix);
            let mut mixed = Tensor::stale(d, p); // H
            Gaussian::new(scale, rows.view(), k, v).forward(mixed.view_mut());
            heads.push(Head {
                range,
                sampled,
                rows: tape.save(&rows),
                h: tape.save(&mixed),
                r: tape.save(&r),
            });
        }

        let inverses = PseudoInverses::new(tape, matrices, self.shared_scale);
        let mut y = Tensor::stale(n, v.cols()); // (n, heads p)
        let mut solved = Vec::new(); // w of every head
        for (h, head) in heads.iter().enumerate() {
            let u = scaled_rows(&head.r, &head.h);
            let w = Tensor::product(T::ONE, inverses.inverse(h).view(), u.view());
            let g = scaled_rows(&head.r, &w);
            solved.push(tape.save(&w));
            let q = q.cols_in(head.range.clone());
            let y = y.view_mut().cols_in(head.range.clone());
            Gaussian::new(scale, q, head.rows.view(), g.view()).forward(y);
        }

        tape.record("skyformer", parents, y, move |dy| {
            let [mut dq, mut dk, mut dv] = [0; 3].map(|_| Tensor::zeros(n, dy.cols()));
            let mut drows: Vec<Tensor<T>> = Vec::new();
            let mut dr: Vec<Vec<T>> = Vec::new();
            let mut dinverses = Vec::new();
            for (h, head) in heads.iter().enumerate() {
                let [q, k, v, dy] = [&q, &k, &v, &dy].map(|x| x.cols_in(head.range.clone()));
                let [dq, dk, dv] =
                    [&mut dq, &mut dk, &mut dv].map(|x| x.view_mut().cols_in(head.range.clone()));
                let (d, p) = head.rows.shape();
                // Y = κ(Q, S) G
                let w = &solved[h];
                let g = scaled_rows(&head.r, w);
                let (mut ds, mut dg) = (Tensor::zeros(d, p), Tensor::zeros(d, p));
                Gaussian::new(scale, q, head.rows.view(), g.view()).backward(
                    dy,
                    dq,
                    ds.view_mut(),
                    dg.view_mut(),
                );
                // G = r ∘ w,  w = N⁺ u,  u = r ∘ H
                let u = scaled_rows(&head.r, &head.h);
                let dw = scaled_rows(&head.r, &dg);
                let du = Tensor::product(T::ONE, inverses.inverse(h).view().t(), dw.view());
                dinverses.push(Tensor::product(T::ONE, dw.view(), u.view().t()));
                dr.push(
                    (0..d)
                        .map(|i| {
                            lanes::dot(dg.row(i), w.row(i)) + lanes::dot(du.row(i), head.h.row(i))
                        })
                        .collect(),
                );
                // H = κ(S, K) V
                let dh = scaled_rows(&head.r, &du);
                Gaussian::new(scale, head.rows.view(), k, v).backward(
                    dh.view(),
                    ds.view_mut(),
                    dk,
                    dv,
                );
                drows.push(ds);
            }

            let dmatrices = inverses.backward(dinverses);
            let per_head = heads
                .iter()
                .zip(dmatrices)
                .zip(drows.iter_mut().zip(&mut dr));
            for (h, ((head, dn), (ds, dr))) in per_head.enumerate() {
                let (d, p) = head.rows.shape();
                let dm = normalised_backward(inverses.matrix(h), &head.r, dn, dr);
                // M = κ(S, S) I + γ I
                let unit = identity(d);
                let (mut dright, mut dunit) = (Tensor::zeros(d, p), Tensor::zeros(d, d));
                Gaussian::new(scale, head.rows.view(), head.rows.view(), unit.view()).backward(
                    dm.view(),
                    ds.view_mut(),
                    dright.view_mut(),
                    dunit.view_mut(),
                );
                lanes::add(dright.data(), ds.data_mut());
                // S are rows of [Q; K]
                for (row, &i) in head.sampled.iter().enumerate() {
                    let i = i as usize;
                    let (into, i) = if i < n {
                        (&mut dq, i)
                    } else {
                        (&mut dk, i - n)
                    };
                    lanes::add(ds.row(row), &mut into.row_mut(i)[head.range.clone()]);
                }
            }
            [dq, dk, dv]
        })
    }
}

/// `skyformer`.
pub fn entry<T: Real>() -> Entry<T> {
    Entry {
        name: "skyformer",
        about: "Gaussian kernel through d/2 sampled rows",
        cites: "Chen et al. 2021 (Skyformer)",
        laws: Laws {
            rows_sum_to_one: false,
            exact_at_full_budget: false,
            linear_memory: true,
            linear_time: true,
            random: true,
        },
        time: "n d p + d³",
        cost: |options, n, p| {
            let s = options.features as f64 / 2.0;
            let small = 25.0 * s.powi(3) + 2.0 * s * s * p;
            Cost::new(4.0 * n * s * p + small, 5.0 * n * p + 20.0 * s * s)
        },
        build: |options| {
            Box::new(Skyformer {
                samples: (options.features / 2).max(1),
                shared_samples: options.released,
                width_32: options.released,
                shared_scale: options.released,
            })
        },
    }
}
