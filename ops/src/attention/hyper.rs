//! HyperAttention (Han et al. 2024, Algorithms 1 to 3) and KDEformer (Zandieh et al. 2023): exact attention among
//! queries and keys that hash alike, and a weighted sample that stands for all other keys.
//!
//! For one head:
//!
//! 1. *Hash*: with the planes W (p, 7), the bucket of a row x is the pattern of the signs of x W.
//! 2. *Sort* the queries by their buckets and the keys by theirs, within a bucket by position. The buckets stand in the
//!    order of the Gray code: neighbours differ in one sign.
//! 3. *Blocks*: cut both orders into blocks of b, the last may be shorter. The queries of block t see the keys B_t of
//!    block t exactly.
//! 4. *Samples*: J, s keys drawn with replacement by probabilities P_j. A query sees those outside its block, each with
//!    the weight 1 / (s P_j).
//!
//! So with l_ij = q_i · k_j / √p, for a query i of block t,
//!
//! ```text
//! y_i = (sum over B_t of e^l_ij v_j + sum over J \ B_t of e^l_ij v_j / (s P_j))
//!       / (sum over B_t of e^l_ij + sum over J \ B_t of e^l_ij / (s P_j))
//! ```
//!
//! Numerator and denominator are unbiased for those of softmax attention: the mean of a sampled term is the sum over
//! all keys outside the block. And y_i is softmax attention over the listed keys with the biases 0 and -ln(s P_j), a key
//! that was drawn twice listed twice: the kernel ([`super::attend`]), block by block. With b >= n there is one block,
//! nothing is outside, and the result is exact.
//!
//! *Backward* is the kernel's with the same lists; the gradients of the listed keys and values are added to their rows.
//! Buckets, J and P are constants.
//!
//! The methods differ in P alone ([`Sampler`]):
//!
//! ```text
//! hyper          P_j = 1 / n
//! kdeformer      P_j ∝ |(v_j, 1)| / λ + 1 / n     λ the largest eigenvalue of (V, 1)ᵀ (V, 1), of the order of n
//! hyper-pilots   P_j ∝ p̂_j + 1 / n                p̂ skein's column probabilities (equation 5), from s pilot rows
//! ```
//!
//! `hyper-pilots` is of this project, and in no paper: it samples where the probabilities of the pilots times the
//! lengths of the values are large. 1 / n is in it for the reason that it is in kdeformer: a key that no pilot looks at
//! can be drawn, and weighs 2 n / s at most.
//!
//! λ is what 20 power iterations from the vector of ones give (the length of the last product).
//!
//! W is a constant of the layer, one for all heads; J is drawn anew for every example, layer and head. Draws: `samples`
//! (s), `pilot`; `query_buckets`, `key_buckets` (n) and `probabilities` (n) are computed, and stand among the draws so
//! that finite differences see the same ones.
//!
//! What the released codes do otherwise:
//!
//! * Both sort by the Gray code of a bucket, which takes its inverse: neighbours then differ in up to four signs.
//! * hyper: except in half precision samples of the own block are not left out, and count twice. A short last block is
//!   filled with zero keys that get the logit 0. Below 4,096 tokens attention is exact. Causal masking is not here.
//! * kdeformer: the exponentials are summed without subtracting a maximum, and overflow; the logits are not divided by
//!   √p; the power iteration starts at random; gradients would flow through P.

use std::ops::Range;

use engine::gemm::pieces;
use engine::{MatRef, Real, Stream, Tensor, Var, gemm, lanes};

use super::attend::{Attend, TILE_ROWS};
use super::skein::{column_weights, distinct};
use super::{Attention, Cost, Entry, Inputs, Laws, LayerShape, Options};
use crate::gather::{gathered, scatter_add_rows};
use crate::sample::{uniform, weighted};

/// Columns of W.
const PLANES: usize = 7;
/// Power iterations for λ.
const ITERATIONS: usize = 20;

/// How the samples are drawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sampler {
    /// Every key alike: `hyper`.
    Uniform,
    /// By the lengths of the values: `kdeformer`.
    ValueNorms,
    /// By skein's column probabilities: `hyper-pilots`.
    Pilots,
}

/// Exact attention in blocks of sorted rows, and a weighted sample of the other keys.
#[derive(Clone, Copy, Debug)]
pub struct Hyper {
    /// b, rows of a block.
    pub block: usize,
    /// s, and the number of pilot rows.
    pub samples: usize,
    /// P.
    pub sampler: Sampler,
}

/// The choices of one head, kept for backward.
struct Head<T> {
    range: Range<usize>,
    /// All queries, sorted.
    queries: Vec<u32>,
    /// All keys, sorted.
    keys: Vec<u32>,
    samples: Vec<Sample<T>>,
}

struct Sample<T> {
    key: u32,
    /// The block in which the key is.
    block: u32,
    /// -ln(s P_j)
    bias: T,
}

/// A block of queries and the keys that it sees.
struct Block<'a, T> {
    /// Where its queries are in the sorted order.
    places: Range<usize>,
    queries: &'a [u32],
    keys: Vec<u32>,
    bias: Vec<T>,
}

impl Hyper {
    fn new(options: &Options, sampler: Sampler) -> Hyper {
        let half = (options.features / 2).max(1);
        Hyper {
            block: half,
            samples: half,
            sampler,
        }
    }

    /// P (n).
    fn probabilities<T: Real>(
        &self,
        x: &Inputs<'_, '_, T>,
        h: usize,
        [q, k, v]: [MatRef<'_, T>; 3],
    ) -> Vec<f64> {
        let n = v.rows();
        if self.sampler == Sampler::Uniform {
            return vec![1.0 / n as f64; n];
        }
        let name = x.place.draw("probabilities", h);
        let probabilities = x.draws.numbers(&name, |_| {
            let importance = match self.sampler {
                Sampler::Pilots => {
                    let pilots = x.draws.indices(&x.place.draw("pilot", h), n, |generator| {
                        uniform::with_replacement(n, self.samples.min(n), generator)
                    });
                    pilot_shares([q, k, v], &pilots)
                }
                _ => value_norms(v),
            };
            mixed_with_uniform(&importance)
        });
        assert!(
            probabilities.len() == n,
            "hyper: {} probabilities for {n} keys",
            probabilities.len()
        );
        probabilities
    }

    /// Steps 1, 2 and 4 of one head.
    fn head<T: Real>(&self, x: &Inputs<'_, '_, T>, h: usize) -> Head<T> {
        let range = x.head(h);
        let [q, k, v] = [x.q(), x.k(), x.v].map(|x| x.value().cols_in(range.clone())); // (n, p)
        let n = v.rows();
        let sorted = |rows: MatRef<'_, T>, name: &str| {
            let name = x.place.draw(name, h);
            let buckets = x.draws.indices(&name, 1 << PLANES, |_| {
                buckets(rows, x.parameters[0].value())
            });
            sorted(&buckets, n)
        };
        let [queries, keys] = [sorted(q, "query_buckets"), sorted(k, "key_buckets")];
        let mut block_of = vec![0; n];
        for (place, &key) in keys.iter().enumerate() {
            block_of[key as usize] = (place / self.block) as u32;
        }

        let probabilities = self.probabilities(x, h, [q, k, v]);
        let drawn = x
            .draws
            .indices(&x.place.draw("samples", h), n, |generator| {
                weighted::with_replacement(&probabilities, self.samples, generator)
            });
        let count = drawn.len() as f64;
        let sample = |&key: &u32| Sample {
            key,
            block: block_of[key as usize],
            bias: T::of(-libm::log(count * probabilities[key as usize])),
        };
        Head {
            range,
            queries,
            keys,
            samples: drawn.iter().map(sample).collect(),
        }
    }

    /// Step 3: who sees whom in a head.
    fn blocks<'a, T: Real>(&self, head: &'a Head<T>) -> impl Iterator<Item = Block<'a, T>> {
        let places = pieces(head.keys.len(), self.block);
        places.zip(0..).map(|(places, block)| {
            let own = head.keys[places.clone()].iter();
            let own = own.map(|&key| (key, T::ZERO));
            let outside = head.samples.iter().filter(move |s| s.block != block);
            let (keys, bias) = own.chain(outside.map(|s| (s.key, s.bias))).unzip();
            Block {
                queries: &head.queries[places.clone()],
                places,
                keys,
                bias,
            }
        })
    }

    /// What one head of n tokens and p columns costs.
    fn cost(&self, n: f64, p: f64) -> Cost {
        let (b, s) = (self.block as f64, self.samples as f64);
        // Pairs inside the blocks, of which the last may be shorter; and, on average, with samples outside of them.
        let (full, rest) = ((n / b).floor(), n % b);
        let inside = full * b * b + rest * rest;
        let pairs = inside + s * (n - inside / n);
        // For P; the pilots also hold a tile of 64 rows (80 with its gaps) for all keys. It is then the memory of one of
        // the four matrices: y, dq, dk, dv.
        let pilots = n * (1.0 - (1.0 - 1.0 / n).powf(s.min(n)));
        let (sampling, tile) = match self.sampler {
            Sampler::Uniform => (0.0, 0.0),
            Sampler::ValueNorms => (n * p * p, 0.0),
            Sampler::Pilots => (pilots * n * p, 80.0 * n),
        };
        let hashing = 2.0 * n * p * PLANES as f64;
        Cost::new(
            hashing + sampling + 2.0 * pairs * p,
            3.0 * n * p + tile.max(n * p) + 3.0 * n + 3.0 * s,
        )
    }
}

impl<T: Real> Block<'_, T> {
    /// Softmax attention of the block's queries among all of `q`, over the keys that it sees.
    fn attend<'a>(&'a self, q: MatRef<'a, T>, k: &'a Tensor<T>, v: &'a Tensor<T>) -> Attend<'a, T> {
        Attend {
            rows: Some(self.queries),
            bias: &self.bias,
            ..Attend::new(q, k.view(), Some(v.view()))
        }
    }
}

/// The bucket of every row of `x`: plane r is bit r.
fn buckets<T: Real>(x: MatRef<'_, T>, planes: &Tensor<T>) -> Vec<u32> {
    let mut products = Tensor::stale(TILE_ROWS.min(x.rows()), planes.cols());
    let mut buckets = Vec::with_capacity(x.rows());
    for rows in pieces(x.rows(), TILE_ROWS) {
        let tile = products.view_mut().rows_in(0..rows.len());
        gemm(
            T::ONE,
            x.rows_in(rows.clone()),
            planes.view(),
            T::ZERO,
            tile,
        );
        buckets.extend((0..rows.len()).map(|r| {
            let signs = products.row(r).iter().rev();
            signs.fold(0, |bucket, &product| {
                2 * bucket + u32::from(product > T::ZERO)
            })
        }));
    }
    buckets
}

/// The rows 0 .. n by the place of their bucket in the Gray code, equal ones by position.
fn sorted(buckets: &[u32], n: usize) -> Vec<u32> {
    assert!(
        buckets.len() == n,
        "hyper: {} buckets for {n} tokens",
        buckets.len()
    );
    let mut rows: Vec<u32> = (0..n as u32).collect();
    rows.sort_by_cached_key(|&i| place_in_gray_code(buckets[i as usize]));
    rows
}

/// The number whose Gray code, number ^ (number >> 1), is `code`: each of its bits is the parity of the bits of the
/// code from there up.
fn place_in_gray_code(code: u32) -> u32 {
    (0..u32::BITS).fold(0, |place, shift| place ^ (code >> shift))
}

/// |(v_j, 1)| / λ
fn value_norms<T: Real>(v: MatRef<'_, T>) -> Vec<f64> {
    let (n, p) = (v.rows(), v.cols());
    let products = Tensor::product(T::ONE, v.t(), v); // (p, p)
    let mut sums = vec![T::ZERO; p];
    lanes::add_up(v, &mut sums);
    // (V, 1)ᵀ (V, 1)
    let gram = Tensor::from_fn(p + 1, p + 1, |i, j| match (i < p, j < p) {
        (true, true) => products.row(i)[j].f64(),
        (false, false) => n as f64,
        _ => sums[i.min(j)].f64(),
    });
    let length = |x: &[f64]| lanes::dot(x, x).sqrt();
    let mut x = vec![1.0; p + 1];
    let mut eigenvalue = 1.0;
    for _ in 0..ITERATIONS {
        lanes::scale(1.0 / length(&x), &mut x);
        x = (0..=p).map(|i| lanes::dot(gram.row(i), &x)).collect();
        eigenvalue = length(&x);
    }
    let norm = |v: &[T]| (lanes::dot(v, v).f64() + 1.0).sqrt();
    (0..n).map(|j| norm(v.row(j)) / eigenvalue).collect()
}

/// p̂ of these pilots: skein's column probabilities.
fn pilot_shares<T: Real>([q, k, v]: [MatRef<'_, T>; 3], pilots: &[u32]) -> Vec<f64> {
    let (rows, multiplicity) = distinct(pilots, v.rows());
    let mut weights = vec![T::ZERO; v.rows()];
    let attend = Attend {
        rows: Some(&rows),
        ..Attend::new(q, k, None)
    };
    let mut lse = vec![T::ZERO; rows.len()];
    attend.forward_with_energies(&multiplicity, None, &mut lse, &mut weights);
    column_weights(v, &mut weights);
    let total: f64 = weights.iter().map(|w| w.f64()).sum();
    weights.iter().map(|w| w.f64() / total).collect()
}

/// P_j ∝ a_j + 1 / n.
fn mixed_with_uniform(importance: &[f64]) -> Vec<f64> {
    let share = 1.0 / importance.len() as f64;
    let total: f64 = importance.iter().map(|a| a + share).sum();
    // The shares of values that are all zero are 0 / 0. Of values that are not finite P does not matter: the output is
    // not finite either.
    match total.is_finite() {
        true => importance.iter().map(|a| (a + share) / total).collect(),
        false => vec![share; importance.len()],
    }
}

impl<T: Real> Attention<T> for Hyper {
    fn shapes(&self, shape: LayerShape) -> Vec<(&'static str, [usize; 2])> {
        vec![("planes", [shape.head_width, PLANES])]
    }

    fn parameters(&self, shape: LayerShape, stream: Stream) -> Vec<(&'static str, Tensor<T>)> {
        let mut generator = stream.stream("planes").generator();
        let planes = Tensor::from_fn(shape.head_width, PLANES, |_, _| T::of(generator.normal()));
        vec![("planes", planes)]
    }

    fn trains(&self, _: &str) -> bool {
        false
    }

    fn node<'t>(&self, x: &Inputs<'_, 't, T>) -> Var<'t, T> {
        let (tape, parents) = (x.v.tape(), [x.q().node(), x.k().node(), x.v.node()]);
        let [q, k, v] = [x.q(), x.k(), x.v].map(Var::save);
        let heads: Vec<Head<T>> = (0..x.heads).map(|h| self.head(x, h)).collect();

        let mut y = Tensor::stale(v.rows(), v.cols()); // (n, heads p)
        let mut lse = Tensor::stale(x.heads, v.rows()); // by place in the order of the queries
        for (h, head) in heads.iter().enumerate() {
            let [q, k, v] = [&q, &k, &v].map(|x| x.cols_in(head.range.clone())); // (n, p)
            for block in self.blocks(head) {
                let [k, v] = [k, v].map(|x| gathered(x, &block.keys)); // (b + s, p) or fewer
                block.attend(q, &k, &v).forward(
                    Some(y.view_mut().cols_in(head.range.clone())),
                    &mut lse.row_mut(h)[block.places.clone()],
                );
            }
        }

        let (saved_y, lse) = (tape.save(&y), tape.save(&lse));
        let hyper = *self;
        tape.record("hyper", parents, y, move |dy| {
            let mut dq = Tensor::stale(dy.rows(), dy.cols()); // every query is in one block
            let mut dk = Tensor::zeros(dy.rows(), dy.cols());
            let mut dv = Tensor::zeros(dy.rows(), dy.cols());
            for (h, head) in heads.iter().enumerate() {
                let [q, k, v, y, dy] =
                    [&q, &k, &v, &saved_y, &dy].map(|x| x.cols_in(head.range.clone())); // (n, p)
                let [mut dq, mut dk, mut dv] =
                    [&mut dq, &mut dk, &mut dv].map(|x| x.view_mut().cols_in(head.range.clone()));
                for block in hyper.blocks(head) {
                    let [k, v] = [k, v].map(|x| gathered(x, &block.keys)); // (b + s, p) or fewer
                    let [mut block_dk, mut block_dv] =
                        [&k, &v].map(|x| Tensor::zeros(x.rows(), x.cols()));
                    block.attend(q, &k, &v).backward(
                        &lse.row(h)[block.places.clone()],
                        &[],
                        Some((y, dy, block_dv.view_mut())),
                        dq.reborrow(),
                        block_dk.view_mut(),
                    );
                    scatter_add_rows(block_dk.view(), &block.keys, dk.reborrow());
                    scatter_add_rows(block_dv.view(), &block.keys, dv.reborrow());
                }
            }
            [dq, dk, dv]
        })
    }
}

const LAWS: Laws = Laws {
    rows_sum_to_one: true,
    // A block has half as many keys as there are features.
    exact_at_full_budget: false,
    linear_memory: true,
    linear_time: true,
    random: true,
};

/// `hyper`.
pub fn entry<T: Real>() -> Entry<T> {
    Entry {
        name: "hyper",
        about: "d/2 keys that hash alike, d/2 samples for all others",
        cites: "Han et al. 2024 (HyperAttention), Algorithms 1 to 3",
        laws: LAWS,
        time: "n d p",
        cost: |options, n, p| Hyper::new(options, Sampler::Uniform).cost(n, p),
        build: |options| Box::new(Hyper::new(options, Sampler::Uniform)),
    }
}

/// `kdeformer`.
pub fn entry_kdeformer<T: Real>() -> Entry<T> {
    Entry {
        name: "kdeformer",
        about: "hyper, sampled by the lengths of the values",
        cites: "Zandieh et al. 2023 (KDEformer)",
        laws: LAWS,
        time: "n d p + n p²",
        cost: |options, n, p| Hyper::new(options, Sampler::ValueNorms).cost(n, p),
        build: |options| Box::new(Hyper::new(options, Sampler::ValueNorms)),
    }
}

/// `hyper-pilots`.
pub fn entry_pilots<T: Real>() -> Entry<T> {
    Entry {
        name: "hyper-pilots",
        about: "hyper, sampled by skein's column probabilities from d/2 pilots",
        cites: "Han et al. 2024, Algorithm 3, with the probabilities of Chen et al. 2022, equation 5",
        laws: LAWS,
        time: "n d p",
        cost: |options, n, p| Hyper::new(options, Sampler::Pilots).cost(n, p),
        build: |options| Box::new(Hyper::new(options, Sampler::Pilots)),
    }
}
