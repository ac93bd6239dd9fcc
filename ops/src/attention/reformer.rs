//! Reformer (Kitaev et al. 2020, section 2): tokens see those that hash to the same place.
//!
//! Queries are keys: k_j = q_j / (|q_j|² + 1e-6 p)^½ (the length of a key is 1, so that a query
//! does not prefer long ones). For one head and hash rounds h = 1 .. H:
//!
//! 1. *Hash*: with a random R_h (p, buckets / 2), the bucket of token i is argmax of [q_i R_h, -q_i
//!    R_h]: close vectors often share it (Andoni et al. 2015).
//! 2. *Sort*: the tokens by bucket, within a bucket by position, and cut into chunks of c, the last
//!    may be shorter.
//! 3. *Attend*: the queries of a chunk see the keys of the chunk before (the first those of the
//!    last) and of their own, softmax(q · k). A token's own key has logit -1e5: it is seen only
//!    when there is nothing else.
//! 4. *Join*: y_i = sum_h w_ih y_ih with w_i the softmax over h of the log-sum-exp lse_ih.
//!
//! Since w_ih softmax_h(s) = exp(s - lse_i) with lse_i = ln sum_h exp(lse_ih), step 4 is one softmax
//! over all keys met in all rounds, a key met twice counting twice. So backward needs neither y_ih
//! nor lse_ih: it is the kernel's, chunk by chunk, for y_i, dy_i and the joint lse_i. Then, with r =
//! |q|² + 1e-6 p,
//!
//! ```text
//! k = q r^-½:    dq += r^-½ dk - r^-3/2 (q · dk) q
//! ```
//!
//! Draw `rotations` (H, p, buckets / 2), standard normal, anew for every example, layer and head;
//! the buckets follow from it and the queries, and are constants of the backward pass.
//!
//! With c >= n a chunk holds every token, and the result is exact attention with these keys and
//! without the own one.
//!
//! Not reproduced: in the released code the projections have no bias (the parameters are there, and
//! dead), but this method gets rows that are projected already; and one padded example gives all
//! examples of its batch a bucket for padding.

use std::ops::Range;

use engine::gemm::pieces;
use engine::{MatRef, Real, Tensor, Var, gemm, lanes};

use super::attend::{Attend, SelfLogit, TILE_ROWS};
use super::{Attention, Cost, Entry, Inputs, Laws, Reads};
use crate::gather::{gathered, put_rows, scatter_add_rows};

/// Added to a mean square before its root is divided by.
const EPSILON: f64 = 1e-6;
/// The logit of a token's own key.
const OWN: f64 = -1e5;

/// Attention among tokens of one hash.
#[derive(Clone, Copy, Debug)]
pub struct Reformer {
    /// H: hash rounds.
    pub hashes: usize,
    /// c: tokens of a chunk.
    pub chunk: usize,
    /// As released: the rounds stand one behind the other in one circle, so that the first chunk of
    /// a round sees the last of the round before; else each round is a circle of its own.
    pub one_circle: bool,
}

/// The order of one head, kept for backward.
struct Head {
    range: Range<usize>,
    /// The tokens of all rounds, sorted: entry e is a token of round e / n.
    sorted: Vec<u32>,
}

/// The entries of one chunk and of those it sees, as tokens.
struct Chunk<'a> {
    entries: Range<usize>,
    queries: &'a [u32],
    keys: Vec<u32>,
}

impl Reformer {
    /// Buckets of an example of `n` tokens: the power of two at or below 2 n / c, two at least, so
    /// that a bucket fills half a chunk or more.
    fn buckets(&self, n: usize) -> usize {
        let most = (2 * (n / self.chunk)).max(2);
        1 << most.ilog2()
    }

    /// All chunks of all rounds, in the order of the entries.
    fn chunks<'a>(&self, sorted: &'a [u32]) -> Vec<Chunk<'a>> {
        let circle = if self.one_circle {
            sorted.len()
        } else {
            sorted.len() / self.hashes
        };
        let mut chunks = Vec::new();
        for entries in pieces(sorted.len(), circle) {
            let mut before = pieces(circle, self.chunk)
                .last()
                .map_or(0..0, |last| last.start + entries.start..entries.end);
            for chunk in pieces(circle, self.chunk) {
                let chunk = chunk.start + entries.start..chunk.end + entries.start;
                let queries = &sorted[chunk.clone()];
                let mut keys = Vec::with_capacity(before.len() + queries.len());
                if before != chunk {
                    keys.extend_from_slice(&sorted[before]);
                }
                keys.extend_from_slice(queries);
                before = chunk.clone();
                chunks.push(Chunk {
                    entries: chunk,
                    queries,
                    keys,
                });
            }
        }
        chunks
    }
}

impl Chunk<'_> {
    /// Softmax attention of the chunk's queries over its keys. A token alone in its example sees
    /// itself, at any logit: one that is not large keeps the digits of its log-sum-exp.
    fn attend<'a, T: Real>(
        &'a self,
        q: &'a Tensor<T>,
        k: &'a Tensor<T>,
        v: &'a Tensor<T>,
        alone: bool,
    ) -> Attend<'a, T> {
        let own = SelfLogit {
            queries: self.queries,
            keys: &self.keys,
            logit: T::of(OWN),
        };
        Attend {
            scale: T::ONE,
            own: (!alone).then_some(own),
            ..Attend::new(q.view(), k.view(), Some(v.view()))
        }
    }
}

/// The bucket of every token in every round, (H, n): the argmax of [q R, -q R], ties to the first.
fn buckets<T: Real>(q: MatRef<'_, T>, rotations: &[T], hashes: usize) -> Vec<u32> {
    let (n, p) = (q.rows(), q.cols());
    let half = rotations.len() / (hashes * p);
    let mut rotated = Tensor::stale(TILE_ROWS.min(n), half);
    let mut buckets = Vec::with_capacity(hashes * n);
    for rotation in rotations.chunks_exact(p * half) {
        for rows in pieces(n, TILE_ROWS) {
            gemm(
                T::ONE,
                q.rows_in(rows.clone()),
                MatRef::new(rotation, p, half),
                T::ZERO,
                rotated.view_mut().rows_in(0..rows.len()),
            );
            buckets.extend((0..rows.len()).map(|r| {
                let row = rotated.row(r);
                let both = row.iter().copied().chain(row.iter().map(|&x| -x));
                let (mut largest, mut bucket) = (row[0], 0);
                for (b, x) in both.enumerate() {
                    if x > largest {
                        (largest, bucket) = (x, b as u32);
                    }
                }
                bucket
            }));
        }
    }
    buckets
}

/// The tokens by bucket, equal ones by position, round after round.
fn sorted(buckets: &[u32], n: usize) -> Vec<u32> {
    let mut all = Vec::with_capacity(buckets.len());
    for round in buckets.chunks_exact(n) {
        let mut order: Vec<u32> = (0..n as u32).collect();
        order.sort_by_key(|&i| round[i as usize]);
        all.extend(order);
    }
    all
}

/// (|q_i|² + 1e-6 p)^-½ of every row.
fn inverse_lengths<T: Real>(q: MatRef<'_, T>) -> Vec<T> {
    let small = T::of(EPSILON * q.cols() as f64);
    let inverse = |q: &[T]| T::ONE / (lanes::dot(q, q) + small).sqrt();
    (0..q.rows()).map(|i| inverse(q.row(i))).collect()
}

/// The keys: queries of length one.
fn keys<T: Real>(q: MatRef<'_, T>) -> Tensor<T> {
    let mut k = Tensor::from_view(q); // (n, p)
    for (i, inverse) in inverse_lengths(q).into_iter().enumerate() {
        lanes::scale(inverse, k.row_mut(i));
    }
    k
}

/// dq of [`keys`]: k = q r^-½.
fn keys_backward<T: Real>(q: MatRef<'_, T>, dk: &Tensor<T>, dq: &mut Tensor<T>) {
    for (i, inverse) in inverse_lengths(q).into_iter().enumerate() {
        let along = lanes::dot(q.row(i), dk.row(i)) * inverse * inverse * inverse;
        lanes::add_scaled(inverse, dk.row(i), dq.row_mut(i));
        lanes::add_scaled(-along, q.row(i), dq.row_mut(i));
    }
}

impl Reformer {
    fn head<T: Real>(
        &self,
        x: &Inputs<'_, '_, T>,
        h: usize,
        y: &mut Tensor<T>,
        lse: &mut [T],
    ) -> Head {
        let range = x.head(h);
        let [q, v] = [x.q(), x.v].map(|x| x.value().cols_in(range.clone())); // (n, p)
        let (n, p, hashes) = (q.rows(), q.cols(), self.hashes);
        let rotations = x.draws.numbers(&x.place.draw("rotations", h), |generator| {
            let count = hashes * p * self.buckets(n) / 2;
            (0..count).map(|_| generator.normal()).collect()
        });
        assert!(
            !rotations.is_empty() && rotations.len().is_multiple_of(hashes * p),
            "reformer: {} numbers are no rotations of {hashes} rounds for p = {p}",
            rotations.len()
        );
        let of_a_round = 2 * rotations.len() / (hashes * p);
        let buckets = x
            .draws
            .indices(&x.place.draw("buckets", h), of_a_round, |_| {
                let rotations: Vec<T> = rotations.iter().map(|&r| T::of(r)).collect();
                buckets(q, &rotations, hashes)
            });
        assert!(
            buckets.len() == hashes * n,
            "reformer: {} buckets for {hashes} rounds of {n} tokens",
            buckets.len()
        );
        let sorted = sorted(&buckets, n);

        let k = keys(q);
        // y_ih and lse_ih in the order of (h, i).
        let mut round_y = Tensor::stale(hashes * n, p);
        let mut round_lse = vec![T::ZERO; hashes * n];
        for chunk in &self.chunks(&sorted) {
            let q = gathered(q, chunk.queries); // (c, p)
            let k = gathered(k.view(), &chunk.keys); // (2 c, p)
            let v = gathered(v, &chunk.keys);
            let mut chunk_y = Tensor::stale(q.rows(), p);
            let mut chunk_lse = vec![T::ZERO; q.rows()];
            let attend = chunk.attend(&q, &k, &v, n == 1);
            attend.forward(Some(chunk_y.view_mut()), &mut chunk_lse);
            // Entry e is token sorted[e] of round e / n.
            let place = |e: usize| (e / n * n) as u32 + sorted[e];
            let places: Vec<u32> = chunk.entries.clone().map(place).collect();
            put_rows(chunk_y.view(), &places, round_y.view_mut());
            for (&place, lse) in places.iter().zip(chunk_lse) {
                round_lse[place as usize] = lse;
            }
        }
        for (i, joint) in lse.iter_mut().enumerate() {
            let of_round = |h: usize| round_lse[h * n + i];
            let max = (1..hashes).fold(of_round(0), |max, h| max.larger(of_round(h)));
            let sum: T = (0..hashes).map(|h| (of_round(h) - max).exp()).sum();
            *joint = max + sum.ln();
            let y = &mut y.row_mut(i)[range.clone()];
            y.fill(T::ZERO);
            for h in 0..hashes {
                let weight = (of_round(h) - max).exp() / sum;
                lanes::add_scaled(weight, round_y.row(h * n + i), y);
            }
        }
        Head { range, sorted }
    }

    fn head_backward<T: Real>(
        &self,
        head: &Head,
        [q, v, y, dy]: [MatRef<'_, T>; 4],
        lse: &[T],
        [dq_heads, dv_heads]: [&mut Tensor<T>; 2],
    ) {
        let (n, p) = (q.rows(), q.cols());
        let keys = keys(q);
        let [mut dq, mut dk] = [0; 2].map(|_| Tensor::zeros(n, p));
        let mut dv = dv_heads.view_mut().cols_in(head.range.clone());
        for chunk in &self.chunks(&head.sorted) {
            let [q, y, dy] = [q, y, dy].map(|x| gathered(x, chunk.queries)); // (c, p)
            let [k, v] = [keys.view(), v].map(|x| gathered(x, &chunk.keys)); // (2 c, p)
            let lse: Vec<T> = chunk.queries.iter().map(|&i| lse[i as usize]).collect();
            let mut chunk_dq = Tensor::stale(q.rows(), p);
            let [mut chunk_dk, mut chunk_dv] = [0; 2].map(|_| Tensor::zeros(k.rows(), p));
            chunk.attend(&q, &k, &v, n == 1).backward(
                &lse,
                &[],
                Some((y.view(), dy.view(), chunk_dv.view_mut())),
                chunk_dq.view_mut(),
                chunk_dk.view_mut(),
            );
            scatter_add_rows(chunk_dq.view(), chunk.queries, dq.view_mut());
            scatter_add_rows(chunk_dk.view(), &chunk.keys, dk.view_mut());
            scatter_add_rows(chunk_dv.view(), &chunk.keys, dv.reborrow());
        }
        keys_backward(q, &dk, &mut dq);
        let mut out = dq_heads.view_mut().cols_in(head.range.clone());
        for i in 0..n {
            out.row(i).copy_from_slice(dq.row(i));
        }
    }
}

impl<T: Real> Attention<T> for Reformer {
    fn reads(&self) -> Reads {
        Reads {
            queries: true,
            keys: false,
        }
    }

    fn node<'t>(&self, x: &Inputs<'_, 't, T>) -> Var<'t, T> {
        let (tape, parents) = (x.v.tape(), [x.q().node(), x.v.node()]);
        let (n, width) = x.v.shape();
        let mut y = Tensor::stale(n, width); // (n, heads p)
        let mut lse = Tensor::stale(x.heads, n);
        let heads: Vec<Head> = (0..x.heads)
            .map(|h| self.head(x, h, &mut y, lse.row_mut(h)))
            .collect();

        let [q, v] = [x.q(), x.v].map(Var::save);
        let (saved_y, lse) = (tape.save(&y), tape.save(&lse));
        let reformer = *self;
        tape.record("reformer", parents, y, move |dy| {
            let mut dq = Tensor::stale(n, width);
            let mut dv = Tensor::zeros(n, width);
            for (h, head) in heads.iter().enumerate() {
                let views = [&q, &v, &saved_y, &dy].map(|x| x.cols_in(head.range.clone()));
                reformer.head_backward(head, views, lse.row(h), [&mut dq, &mut dv]);
            }
            [dq, dv]
        })
    }
}

/// `reformer`.
pub fn entry<T: Real>() -> Entry<T> {
    Entry {
        name: "reformer",
        about: "tokens see those that hash alike: 2 rounds, chunks of d/4",
        cites: "Kitaev et al. 2020, section 2",
        laws: Laws {
            rows_sum_to_one: true,
            exact_at_full_budget: false,
            linear_memory: true,
            // Buckets fill half a chunk, so the rotations take n² p / c multiply-adds.
            linear_time: false,
            random: true,
        },
        time: "n d p + n² p / d",
        cost: |options, n, p| {
            // Two rounds of n queries on two chunks of d/4 keys; two rounds of hashing to so many
            // buckets.
            let c = (options.features as f64 / 4.0).max(1.0);
            let buckets = (2.0 * n / c).max(2.0).log2().floor().exp2();
            // With a chunk for all tokens they see each other once a round.
            let c = c.min(n / 2.0);
            Cost::new(8.0 * n * c * p + n * p * buckets, 7.3 * n * p)
        },
        build: |options| {
            Box::new(Reformer {
                hashes: 2,
                chunk: (options.features / 4).max(1),
                one_circle: options.released,
            })
        },
    }
}
