//! Fast multipole attention (Kang, Tran, De Sterck 2023), the bidirectional form: near keys one by one, far ones as
//! summaries of groups that grow with the distance.
//!
//! Tokens are grouped by their number:
//!
//! * *Near*: in blocks of m. A query sees the tokens of its own block and of the two beside it.
//! * *Far*, on levels l = 0, 1, ...: in groups of w = m 2^l, on every level with three groups or more. Each group has S
//!   summaries, keys k̄ and values v̄. A query in group a sees those of group g if the two do not touch but their parents
//!   do, the groups ⌊a/2⌋ and ⌊g/2⌋ of the next level: |a - g| >= 2 and |⌊a/2⌋ - ⌊g/2⌋| <= 1.
//!
//! So a query sees every token once, by itself or in a group: blocks that do not touch meet on level 0 if their parents
//! touch, and else go up; on the level above the last there are two groups, which touch. It sees 3 m tokens and at most
//! 3 S summaries a level:
//!
//! ```text
//! y_i = softmax attention of q_i over the near k_j, v_j and the far k̄_s, v̄_s, all in one softmax
//! ```
//!
//! All queries of a block see the same, since groups are made of whole blocks: the kernel ([`super::attend`]) on the
//! listed rows, block by block.
//!
//! The summaries s = 1 .. S of a group, for keys and likewise for values ([`Pool`]):
//!
//! ```text
//! fma           k̄_s = b_s + sum_t w_st * k_t                t runs over the group's tokens, * is by columns
//!               dk_t += w_st * dk̄_s     dw_st += k_t * dk̄_s     db_s += dk̄_s
//! fma-average   k̄_s = the mean of k_t over the s-th of S runs of w / S tokens
//!               dk_t += dk̄_s / (tokens of the run)
//! ```
//!
//! w and b are those of a convolution of its own for every column, as long as its stride: one set a level for all of
//! its groups and for all heads. Parameters `wk`, `wv` (rows: level, then s, then t) and `bk`, `bv` (rows: level, then
//! s); their levels are those of the padded length, of which a shorter example uses the first. They start uniform in
//! ±w^-½, as the convolution of the released code.
//!
//! With `scale_by_size` (an option of the paper, off by default) a summary counts as often as the tokens that it stands
//! for: the log of the run's tokens is added to its logit, or the log of the group's tokens / S.
//!
//! With n <= 2 m nothing is far and the result is exact; so it is with n <= 4 m and runs of one token (S = m).
//!
//! Adaptations: the released code takes n = m 2^K only. Here the last group of a level may be short: its mean is of the
//! tokens there are and a run without tokens is not there; its learned sum leaves out the others. The released causal
//! form gives blocks that do not exist a logit of 0; here nobody sees them.

use std::ops::Range;

use engine::gemm::{count_multiply_adds, pieces};
use engine::{MatMut, MatRef, Real, Stream, Tensor, Var, lanes};

use super::attend::Attend;
use super::{Attention, Cost, Entry, Inputs, Laws, LayerShape};
use crate::gather::{gather_rows, scatter_add_rows};

/// What a summary is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pool {
    /// A learned sum over the group: `fma`.
    Learned,
    /// The mean of a part of the group: `fma-average`.
    Average,
}

/// Attention over near tokens and summaries of far ones.
#[derive(Clone, Copy, Debug)]
pub struct Fma {
    /// m, tokens of a block.
    pub block: usize,
    /// S, summaries of a group; divides m.
    pub summaries: usize,
    /// What these are.
    pub pool: Pool,
    /// Whether a summary counts as often as the tokens that it stands for.
    pub scale_by_size: bool,
}

/// The groups of one width in an example.
struct Level {
    /// w, tokens of a group.
    width: usize,
    groups: usize,
    /// Its summaries among those of all levels, group after group.
    rows: Range<usize>,
}

/// A summary: the tokens that it stands for, and, if it is learned, where its w and b are.
struct Summary {
    row: usize,
    tokens: Range<usize>,
    weights: Range<usize>,
    bias: usize,
}

/// A block of queries and what it sees.
struct Block<T> {
    queries: Range<usize>,
    near: Vec<u32>,
    /// Rows of the summaries.
    far: Vec<u32>,
    bias: Vec<T>,
}

impl Fma {
    /// m = d/4, up to four summaries.
    pub fn new(features: usize, pool: Pool) -> Fma {
        let block = (features / 4).max(1);
        Fma {
            block,
            // The largest power of two up to 4 that divides m.
            summaries: 1 << block.trailing_zeros().min(2),
            pool,
            scale_by_size: false,
        }
    }

    /// The levels of `n` tokens.
    fn levels(&self, n: usize) -> Vec<Level> {
        let widths = (0..).map(|l| self.block << l);
        let mut start = 0;
        widths
            .take_while(|&width| n.div_ceil(width) >= 3)
            .map(|width| {
                let groups = n.div_ceil(width);
                let summaries = match self.pool {
                    Pool::Learned => groups * self.summaries,
                    Pool::Average => n.div_ceil(width / self.summaries),
                };
                start += summaries;
                Level {
                    width,
                    groups,
                    rows: start - summaries..start,
                }
            })
            .collect()
    }

    /// The summaries of `n` tokens, level after level.
    fn all_summaries(&self, n: usize) -> impl Iterator<Item = Summary> {
        let Fma {
            block,
            summaries,
            pool,
            ..
        } = *self;
        let levels = self.levels(n).into_iter().enumerate();
        levels.flat_map(move |(l, Level { width, rows, .. })| {
            // The weights of the levels below: those have block + 2 block + ... = width - block offsets.
            let below = summaries * (width - block);
            rows.enumerate().map(move |(i, row)| {
                let (group, s) = (i / summaries, i % summaries);
                let (start, tokens) = match pool {
                    Pool::Learned => (group * width, width),
                    Pool::Average => (i * (width / summaries), width / summaries),
                };
                let tokens = start..(start + tokens).min(n);
                let first = below + s * width;
                Summary {
                    row,
                    weights: first..first + tokens.len(),
                    tokens,
                    bias: l * summaries + s,
                }
            })
        })
    }

    /// ln of the tokens for which every summary counts; empty if each counts once.
    fn log_sizes<T: Real>(&self, n: usize) -> Vec<T> {
        let share = match self.pool {
            Pool::Learned => self.summaries as f64,
            Pool::Average => 1.0,
        };
        let log = |summary: Summary| T::of(libm::log(summary.tokens.len() as f64 / share));
        match self.scale_by_size {
            true => self.all_summaries(n).map(log).collect(),
            false => Vec::new(),
        }
    }

    /// What every block of `n` tokens sees.
    fn blocks<'a, T: Real>(
        &'a self,
        n: usize,
        levels: &'a [Level],
        log_sizes: &'a [T],
    ) -> impl Iterator<Item = Block<T>> + 'a {
        pieces(n, self.block).map(move |queries| {
            let start = queries.start.saturating_sub(self.block);
            let near: Vec<u32> = (start as u32..(queries.end + self.block).min(n) as u32).collect();
            let far = levels.iter().flat_map(|level| {
                let own = queries.start / level.width;
                // The children of the parents beside the own one, and of that itself.
                let family = (own / 2 * 2).saturating_sub(2)..(own / 2 * 2 + 4).min(level.groups);
                let apart = family.filter(move |group| group.abs_diff(own) >= 2);
                apart.flat_map(|group| {
                    let first = level.rows.start + group * self.summaries;
                    first as u32..(first + self.summaries).min(level.rows.end) as u32
                })
            });
            let far: Vec<u32> = far.collect();
            let bias = match log_sizes {
                [] => Vec::new(),
                sizes => (near.iter().map(|_| T::ZERO))
                    .chain(far.iter().map(|&row| sizes[row as usize]))
                    .collect(),
            };
            Block {
                queries,
                near,
                far,
                bias,
            }
        })
    }

    /// The summaries of x (n, p); `own` are w and b if they are learned.
    fn pool<T: Real>(&self, x: MatRef<'_, T>, own: Option<&[Tensor<T>; 2]>) -> Tensor<T> {
        let count = self
            .levels(x.rows())
            .last()
            .map_or(0, |level| level.rows.end);
        let mut pooled = Tensor::zeros(count, x.cols());
        for summary in self.all_summaries(x.rows()) {
            let (x, out) = (x.rows_in(summary.tokens), pooled.row_mut(summary.row));
            if let Some([w, b]) = own {
                out.copy_from_slice(b.row(summary.bias));
                add_products(w.view().rows_in(summary.weights), x, out);
                count_multiply_adds((x.rows() * x.cols()) as u64);
            } else {
                lanes::add_up(x, out);
                lanes::scale(T::ONE / T::of(x.rows() as f64), out);
            }
        }
        pooled
    }

    /// The backward of [`Fma::pool`]: adds to dx (n, p), and to dw and db, `down`.
    fn pool_backward<T: Real>(
        &self,
        x: MatRef<'_, T>,
        own: Option<&[Tensor<T>; 2]>,
        dpooled: &Tensor<T>,
        mut dx: MatMut<'_, T>,
        mut down: Option<&mut [Tensor<T>; 2]>,
    ) {
        for summary in self.all_summaries(x.rows()) {
            let dout = dpooled.row(summary.row);
            let x = x.rows_in(summary.tokens.clone());
            let dx = dx.reborrow().rows_in(summary.tokens);
            if let (Some([w, _]), Some([dw, db])) = (own, &mut down) {
                lanes::add(dout, db.row_mut(summary.bias));
                let dw = dw.view_mut().rows_in(summary.weights.clone());
                add_products_backward(w.view().rows_in(summary.weights), x, dout, dw, dx);
            } else {
                add_to_all(T::ONE / T::of(x.rows() as f64), dout, dx);
            }
        }
    }

    /// What one head of n tokens and p columns costs.
    fn cost(&self, n: f64, p: f64) -> Cost {
        let levels = self.levels(n as usize);
        let pairs = |block: Block<f32>| block.queries.len() * (block.near.len() + block.far.len());
        let pairs: usize = self.blocks(n as usize, &levels, &[]).map(pairs).sum();
        let summaries = levels.last().map_or(0, |level| level.rows.end) as f64;
        // Learned: every token goes into S sums a level; w and b have gradients.
        let (sums, own) = match self.pool {
            Pool::Learned => (
                self.summaries * levels.len() * n as usize,
                self.summaries * levels.iter().map(|level| level.width + 1).sum::<usize>(),
            ),
            Pool::Average => (0, 0),
        };
        Cost::new(
            2.0 * (pairs + sums) as f64 * p,
            4.0 * n * p + n + 4.0 * summaries * p + 2.0 * own as f64 * p,
        )
    }
}

lanes! {
    /// out += sum_t w_t * x_t
    fn add_products<T>(w: MatRef<'_, T>, x: MatRef<'_, T>, out: &mut [T]) {
        for t in 0..x.rows() {
            for ((out, &w), &x) in out.iter_mut().zip(w.row(t)).zip(x.row(t)) {
                *out = w.mul_add(x, *out);
            }
        }
    }

    /// The backward of [`add_products`]: dw_t += x_t * dout, dx_t += w_t * dout.
    fn add_products_backward<T>(
        w: MatRef<'_, T>,
        x: MatRef<'_, T>,
        dout: &[T],
        dw: MatMut<'_, T>,
        dx: MatMut<'_, T>,
    ) {
        let (mut dw, mut dx) = (dw, dx);
        for t in 0..x.rows() {
            for ((dw, &x), &dout) in dw.row(t).iter_mut().zip(x.row(t)).zip(dout) {
                *dw = x.mul_add(dout, *dw);
            }
            for ((dx, &w), &dout) in dx.row(t).iter_mut().zip(w.row(t)).zip(dout) {
                *dx = w.mul_add(dout, *dx);
            }
        }
    }

    /// dx_t += a dout, for every row of dx.
    fn add_to_all<T>(a: T, dout: &[T], dx: MatMut<'_, T>) {
        let mut dx = dx;
        for t in 0..dx.rows() {
            for (dx, &dout) in dx.row(t).iter_mut().zip(dout) {
                *dx = a.mul_add(dout, *dx);
            }
        }
    }
}

impl<T: Real> Block<T> {
    /// The rows that it sees, of `x` and then of its summaries.
    fn seen(&self, x: MatRef<'_, T>, pooled: &Tensor<T>) -> Tensor<T> {
        let (near, all) = (self.near.len(), self.near.len() + self.far.len());
        let mut seen = Tensor::stale(all, x.cols());
        gather_rows(x, &self.near, seen.view_mut().rows_in(0..near));
        gather_rows(pooled.view(), &self.far, seen.view_mut().rows_in(near..all));
        seen
    }

    /// The backward of [`Block::seen`]: adds to dx and to the gradient of the summaries.
    fn seen_backward(&self, dseen: &Tensor<T>, dx: MatMut<'_, T>, dpooled: &mut Tensor<T>) {
        let near = self.near.len();
        scatter_add_rows(dseen.view().rows_in(0..near), &self.near, dx);
        let far = dseen.view().rows_in(near..dseen.rows());
        scatter_add_rows(far, &self.far, dpooled.view_mut());
    }

    /// Softmax attention of its queries among all of `q`, over the keys that it sees.
    fn attend<'a>(&'a self, q: MatRef<'a, T>, k: &'a Tensor<T>, v: &'a Tensor<T>) -> Attend<'a, T> {
        Attend {
            bias: &self.bias,
            ..Attend::new(q.rows_in(self.queries.clone()), k.view(), Some(v.view()))
        }
    }
}

/// What backward needs of one layer.
struct Saved<T: Real> {
    fma: Fma,
    heads: Vec<Range<usize>>,
    /// q, k, v, y (n, heads p).
    x: [Tensor<T>; 4],
    /// w and b for keys and for values.
    own: Option<[[Tensor<T>; 2]; 2]>,
    /// k̄ and v̄ of every head.
    pooled: Vec<[Tensor<T>; 2]>,
    lse: Tensor<T>,
}

impl<T: Real> Attention<T> for Fma {
    fn shapes(&self, shape: LayerShape) -> Vec<(&'static str, [usize; 2])> {
        let levels = self.levels(shape.positions);
        // Of a layer that is too short for summaries there is nothing to learn.
        if self.pool == Pool::Average || levels.is_empty() {
            return Vec::new();
        }
        let widths: usize = levels.iter().map(|level| level.width).sum();
        let w = [self.summaries * widths, shape.head_width];
        let b = [self.summaries * levels.len(), shape.head_width];
        vec![("wk", w), ("wv", w), ("bk", b), ("bv", b)]
    }

    fn parameters(&self, shape: LayerShape, stream: Stream) -> Vec<(&'static str, Tensor<T>)> {
        let levels = match Attention::<T>::shapes(self, shape).is_empty() {
            true => return Vec::new(),
            false => self.levels(shape.positions),
        };
        // Uniform in ±w^-½; so many rows has a summary of a group of w tokens.
        let start = |name, rows_of: fn(usize) -> usize| {
            let of_level = |&Level { width, .. }: &Level| {
                let bound = 1.0 / (width as f64).sqrt();
                std::iter::repeat_n(bound, self.summaries * rows_of(width))
            };
            let bounds: Vec<f64> = levels.iter().flat_map(of_level).collect();
            let mut generator = stream.stream(name).generator();
            let start = Tensor::from_fn(bounds.len(), shape.head_width, |row, _| {
                T::of(bounds[row] * (2.0 * generator.uniform() - 1.0))
            });
            (name, start)
        };
        vec![
            start("wk", |width| width),
            start("wv", |width| width),
            start("bk", |_| 1),
            start("bv", |_| 1),
        ]
    }

    fn node<'t>(&self, x: &Inputs<'_, 't, T>) -> Var<'t, T> {
        assert!(
            self.block.is_multiple_of(self.summaries),
            "fma: {} summaries do not divide a block of {} tokens",
            self.summaries,
            self.block
        );
        let tape = x.v.tape();
        let [q, k, v] = [x.q(), x.k(), x.v].map(Var::save);
        let own = match x.parameters {
            [wk, wv, bk, bv] => Some([[wk, bk], [wv, bv]].map(|of| of.map(Var::save))),
            _ => None,
        };
        let n = v.rows();
        let (levels, log_sizes) = (self.levels(n), self.log_sizes(n));
        let heads: Vec<_> = (0..x.heads).map(|h| x.head(h)).collect();
        let mut pooled = Vec::with_capacity(x.heads);
        let mut y = Tensor::stale(n, v.cols()); // (n, heads p)
        let mut lse = Tensor::stale(x.heads, n);
        for (h, head) in heads.iter().enumerate() {
            let [q, k, v] = [&q, &k, &v].map(|x| x.cols_in(head.clone())); // (n, p)
            let own = own.as_ref();
            let pooled_k = self.pool(k, own.map(|[keys, _]| keys)); // (summaries, p)
            let pooled_v = self.pool(v, own.map(|[_, values]| values));
            for block in self.blocks(n, &levels, &log_sizes) {
                let rows = block.queries.clone();
                let [k, v] = [block.seen(k, &pooled_k), block.seen(v, &pooled_v)]; // (near + far, p)
                block.attend(q, &k, &v).forward(
                    Some(y.view_mut().cols_in(head.clone()).rows_in(rows.clone())),
                    &mut lse.row_mut(h)[rows],
                );
            }
            pooled.push([tape.save(&pooled_k), tape.save(&pooled_v)]);
        }

        let saved = Saved {
            fma: *self,
            heads,
            x: [q, k, v, tape.save(&y)],
            own,
            pooled,
            lse: tape.save(&lse),
        };
        let [q, k, v] = [x.q(), x.k(), x.v].map(Var::node);
        if let [wk, wv, bk, bv] = x.parameters {
            let shapes = [[wk, bk], [wv, bv]].map(|of| of.map(Var::shape));
            let [wk, wv, bk, bv] = [wk, wv, bk, bv].map(Var::node);
            tape.record("fma", [q, k, v, wk, wv, bk, bv], y, move |dy| {
                let mut down = shapes.map(|of| of.map(|(rows, cols)| Tensor::zeros(rows, cols)));
                let [dq, dk, dv] = saved.backward(&dy, Some(&mut down));
                let [[dwk, dbk], [dwv, dbv]] = down;
                [dq, dk, dv, dwk, dwv, dbk, dbv]
            })
        } else {
            tape.record("fma", [q, k, v], y, move |dy| saved.backward(&dy, None))
        }
    }
}

impl<T: Real> Saved<T> {
    /// dq, dk, dv; adds to the gradients of w and b, `down`, for keys and for values.
    fn backward(
        &self,
        dy: &Tensor<T>,
        mut down: Option<&mut [[Tensor<T>; 2]; 2]>,
    ) -> [Tensor<T>; 3] {
        let (n, width) = dy.shape();
        let (levels, log_sizes) = (self.fma.levels(n), self.fma.log_sizes(n));
        let mut dq = Tensor::stale(n, width); // every query is in one block
        let [mut dk, mut dv] = [(); 2].map(|()| Tensor::zeros(n, width));
        for (h, head) in self.heads.iter().enumerate() {
            let [q, k, v, y, dy] = [&self.x[0], &self.x[1], &self.x[2], &self.x[3], dy]
                .map(|x| x.cols_in(head.clone())); // (n, p)
            let [mut dq, mut dk, mut dv] =
                [&mut dq, &mut dk, &mut dv].map(|x| x.view_mut().cols_in(head.clone()));
            let zeros = |x: &Tensor<T>| Tensor::zeros(x.rows(), x.cols());
            let [pooled_k, pooled_v] = &self.pooled[h];
            let [mut dpooled_k, mut dpooled_v] = [pooled_k, pooled_v].map(zeros);

            // y = softmax over near and far
            for block in self.fma.blocks(n, &levels, &log_sizes) {
                let rows = block.queries.clone();
                let [k, v] = [block.seen(k, pooled_k), block.seen(v, pooled_v)]; // (near + far, p)
                let [mut block_dk, mut block_dv] = [&k, &v].map(zeros);
                let [y, dy] = [y, dy].map(|x| x.rows_in(rows.clone()));
                block.attend(q, &k, &v).backward(
                    &self.lse.row(h)[rows.clone()],
                    &[],
                    Some((y, dy, block_dv.view_mut())),
                    dq.reborrow().rows_in(rows),
                    block_dk.view_mut(),
                );
                block.seen_backward(&block_dk, dk.reborrow(), &mut dpooled_k);
                block.seen_backward(&block_dv, dv.reborrow(), &mut dpooled_v);
            }
            // The far ones to their tokens
            for (which, (x, dpooled, dx)) in [(k, dpooled_k, dk), (v, dpooled_v, dv)]
                .into_iter()
                .enumerate()
            {
                let own = self.own.as_ref().map(|own| &own[which]);
                let down = down.as_mut().map(|down| &mut down[which]);
                self.fma.pool_backward(x, own, &dpooled, dx, down);
            }
        }
        [dq, dk, dv]
    }
}

/// `fma`.
pub fn entry<T: Real>() -> Entry<T> {
    Entry {
        name: "fma",
        about: "near blocks of d/4 exactly, far groups by learned sums",
        cites: "Kang, Tran, De Sterck 2023 (Fast Multipole Attention)",
        laws: LAWS,
        time: "n d p + n p log n",
        cost: |options, n, p| Fma::new(options.features, Pool::Learned).cost(n, p),
        build: |options| Box::new(Fma::new(options.features, Pool::Learned)),
    }
}

/// `fma-average`.
pub fn entry_average<T: Real>() -> Entry<T> {
    Entry {
        name: "fma-average",
        about: "fma with means in place of learned sums",
        laws: Laws {
            // A mean of values is one of them weighted; a learned sum is not.
            rows_sum_to_one: true,
            ..LAWS
        },
        cost: |options, n, p| Fma::new(options.features, Pool::Average).cost(n, p),
        build: |options| Box::new(Fma::new(options.features, Pool::Average)),
        ..entry()
    }
}

const LAWS: Laws = Laws {
    rows_sum_to_one: false,
    // Blocks of d/4 tokens: half as many tokens as features are exact.
    exact_at_full_budget: false,
    linear_memory: true,
    // A level more for twice the tokens.
    linear_time: false,
    random: false,
};
