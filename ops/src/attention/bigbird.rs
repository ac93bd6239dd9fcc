//! BigBird (Zaheer et al. 2020, section 2, in the blocked form of their appendix D): every block of
//! rows sees a few blocks of keys.
//!
//! The n rows are cut into blocks of b (the last may be shorter), numbered 0 .. last. Query block i
//! sees the set of key blocks
//!
//! ```text
//! S_i = {0, last} ∪ {i - 1, i, i + 1} ∪ {its r random blocks}        S_0 = S_last = all
//! ```
//!
//! and y = softmax attention over the keys of S_i: the kernel on the gathered rows, block by block.
//! A random block that the others hold already changes nothing: S_i is a set. So with few blocks
//! every S_i is everything and the result is exact attention.
//!
//! Draw `random_blocks` (blocks, r): r distinct blocks among those that block i does not see
//! anyway; where there are fewer, its own number fills the row.

use std::ops::Range;

use engine::{Generator, MatRef, Real, Seed, Tensor, Var};

use super::attend::Attend;
use super::{Attention, Cost, Entry, Inputs, Laws};
use crate::gather::{gathered, scatter_add_rows};
use crate::sample::uniform;

/// How random blocks are drawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Plan {
    /// Anew for every example, layer, head and epoch, among all its blocks.
    Fresh,
    /// As released. Blocks are those of the padded length: `last` is the last of them, global
    /// rows and keys only for an example that reaches it, and padding blocks hold no keys. Random
    /// ones come from the first 1024 tokens (at a padded length of 2048 the first 640), so that
    /// longer inputs see nothing random behind; they are drawn from one fixed seed, the same for
    /// every example, layer and step.
    ///
    /// The law of the released plan, not its numbers (those of NumPy's generator). Tokens are
    /// counted in the compact order, also where masked pixels lie between them.
    Released,
}

/// Block-sparse attention.
#[derive(Clone, Copy, Debug)]
pub struct BigBird {
    /// b: rows of a block.
    pub block: usize,
    /// r: random blocks of a block of rows.
    pub random: usize,
    /// How they are drawn.
    pub plan: Plan,
}

/// A stretch of rows and the keys it sees; all of them where `keys` is `None`.
struct Stretch {
    rows: Range<usize>,
    keys: Option<Vec<u32>>,
}

impl BigBird {
    /// The number of blocks of an example of `n` tokens, those without tokens included.
    fn blocks(&self, n: usize, padded_length: usize) -> usize {
        let length = match self.plan {
            Plan::Fresh => n,
            Plan::Released => padded_length.max(n),
        };
        length.div_ceil(self.block)
    }

    /// Random blocks are drawn among so many first ones, those left out that are seen anyway.
    fn candidates(&self, blocks: usize, padded_length: usize) -> usize {
        match self.plan {
            Plan::Fresh => blocks,
            Plan::Released => {
                let tokens = if padded_length == 2048 { 640 } else { 1024 };
                blocks.min(tokens / self.block)
            }
        }
    }

    /// `random_blocks` (blocks, r).
    fn draw(&self, blocks: usize, padded_length: usize, generator: &mut Generator) -> Vec<u32> {
        let mut drawn = Vec::with_capacity(blocks * self.random);
        let candidates = self.candidates(blocks, padded_length);
        for i in 0..blocks {
            let seen = seen_anyway(i, blocks);
            let left = candidates - seen.iter().filter(|&&j| (j as usize) < candidates).count();
            let count = self.random.min(left);
            let picked = uniform::without_replacement(left, count, generator);
            // Counted over the candidates that are left.
            let block = |c: u32| seen.iter().fold(c, |c, &j| if j <= c { c + 1 } else { c });
            drawn.extend(picked.into_iter().map(block));
            drawn.extend((count..self.random).map(|_| i as u32));
        }
        drawn
    }

    /// Who sees whom in an example of `n` tokens.
    fn stretches(&self, n: usize, blocks: usize, random: &[u32]) -> Vec<Stretch> {
        assert!(
            random.len().is_multiple_of(blocks),
            "bigbird: {random:?} are no random blocks of {blocks} blocks"
        );
        let r = random.len() / blocks;
        // None in a block of padding.
        let rows = |i: usize| (i * self.block).min(n)..((i + 1) * self.block).min(n);
        (0..n.div_ceil(self.block))
            .map(|i| {
                let mut seen = seen_anyway(i, blocks);
                seen.extend(&random[i * r..(i + 1) * r]);
                seen.sort_unstable();
                seen.dedup();
                let keys = seen.into_iter().flat_map(|j| rows(j as usize));
                let keys: Vec<u32> = keys.map(|j| j as u32).collect();
                Stretch {
                    rows: rows(i),
                    keys: (keys.len() < n).then_some(keys),
                }
            })
            .collect()
    }
}

/// The blocks that block i sees whatever is drawn, rising.
fn seen_anyway(i: usize, blocks: usize) -> Vec<u32> {
    let (i, last) = (i as u32, blocks as u32 - 1);
    if i == 0 || i == last {
        return (0..=last).collect();
    }
    let mut seen = vec![0, i - 1, i, i + 1, last];
    seen.dedup();
    seen
}

/// The rows of `x` that a stretch sees, gathered unless they are all.
fn seen<'a, T: Real>(
    x: MatRef<'a, T>,
    keys: &Option<Vec<u32>>,
    gathered_rows: &'a mut Option<Tensor<T>>,
) -> MatRef<'a, T> {
    match keys {
        None => x,
        Some(keys) => gathered_rows.insert(gathered(x, keys)).view(),
    }
}

impl<T: Real> Attention<T> for BigBird {
    /// Seven blocks, fewer features than tokens: a block sees itself, its neighbours, the first, the last, and three.
    fn reaches(&self, n: usize, padded_length: usize) -> bool {
        let blocks = self.blocks(n, padded_length);
        let candidates = self.candidates(blocks, padded_length);
        let with_rows = n.div_ceil(self.block);
        (0..with_rows).all(|i| {
            let seen = seen_anyway(i, blocks);
            let seen = |j: usize| seen.contains(&(j as u32));
            let all_drawn = (0..candidates).filter(|&j| !seen(j)).count() <= self.random;
            (0..with_rows).all(|j| seen(j) || (j < candidates && all_drawn))
        })
    }

    fn node<'t>(&self, x: &Inputs<'_, 't, T>) -> Var<'t, T> {
        let (tape, parents) = (x.v.tape(), [x.q().node(), x.k().node(), x.v.node()]);
        let [q, k, v] = [x.q(), x.k(), x.v].map(Var::save);
        let n = v.rows();
        let blocks = self.blocks(n, x.padded_length);
        let heads: Vec<(Range<usize>, Vec<Stretch>)> = (0..x.heads)
            .map(|h| {
                let random =
                    x.draws
                        .indices(&x.place.draw("random_blocks", h), blocks, |generator| {
                            let mut fixed = Seed(42).stream("bigbird").at(h).generator();
                            let generator = match self.plan {
                                Plan::Fresh => generator,
                                Plan::Released => &mut fixed,
                            };
                            self.draw(blocks, x.padded_length, generator)
                        });
                (x.head(h), self.stretches(n, blocks, &random))
            })
            .collect();

        let mut y = Tensor::stale(n, v.cols()); // (n, heads p)
        let mut lse = Tensor::stale(x.heads, n);
        for (h, (head, stretches)) in heads.iter().enumerate() {
            let [q, k, v] = [&q, &k, &v].map(|x| x.cols_in(head.clone())); // (n, p)
            for Stretch { rows, keys } in stretches {
                let [mut seen_k, mut seen_v] = [None, None];
                let [k, v] = [seen(k, keys, &mut seen_k), seen(v, keys, &mut seen_v)];
                Attend::new(q.rows_in(rows.clone()), k, Some(v)).forward(
                    Some(y.view_mut().cols_in(head.clone()).rows_in(rows.clone())),
                    &mut lse.row_mut(h)[rows.clone()],
                );
            }
        }
        let (saved_y, lse) = (tape.save(&y), tape.save(&lse));

        tape.record("bigbird", parents, y, move |dy| {
            let mut dq = Tensor::stale(n, dy.cols()); // every row is in one stretch
            let mut dk = Tensor::zeros(n, dy.cols());
            let mut dv = Tensor::zeros(n, dy.cols());
            for (h, (head, stretches)) in heads.iter().enumerate() {
                let [q, k, v, y, dy] = [&q, &k, &v, &saved_y, &dy].map(|x| x.cols_in(head.clone()));
                for Stretch { rows, keys } in stretches {
                    let [q, y, dy] = [q, y, dy].map(|x| x.rows_in(rows.clone()));
                    let [mut seen_k, mut seen_v] = [None, None];
                    let [k, v] = [seen(k, keys, &mut seen_k), seen(v, keys, &mut seen_v)];
                    let [dq, mut dk, mut dv] =
                        [&mut dq, &mut dk, &mut dv].map(|x| x.view_mut().cols_in(head.clone()));
                    let dq = dq.rows_in(rows.clone());
                    let (attend, lse) = (Attend::new(q, k, Some(v)), &lse.row(h)[rows.clone()]);
                    match keys {
                        None => attend.backward(lse, &[], Some((y, dy, dv)), dq, dk),
                        Some(keys) => {
                            let mut seen_dk = Tensor::zeros(keys.len(), k.cols());
                            let mut seen_dv = Tensor::zeros(keys.len(), v.cols());
                            let output = Some((y, dy, seen_dv.view_mut()));
                            attend.backward(lse, &[], output, dq, seen_dk.view_mut());
                            scatter_add_rows(seen_dk.view(), keys, dk.reborrow());
                            scatter_add_rows(seen_dv.view(), keys, dv.reborrow());
                        }
                    }
                }
            }
            [dq, dk, dv]
        })
    }
}

/// `bigbird`.
pub fn entry<T: Real>() -> Entry<T> {
    Entry {
        name: "bigbird",
        about: "blocks of d/4 rows see first, last, neighbour and 3 random blocks",
        cites: "Zaheer et al. 2020, section 2 and appendix D",
        laws: Laws {
            rows_sum_to_one: true,
            // Seven blocks at most then, of which a row sees its own, two neighbours, first, last
            // and three more.
            exact_at_full_budget: true,
            linear_memory: true,
            linear_time: true,
            random: true,
        },
        time: "n d p",
        cost: |options, n, p| {
            // The first and the last block see all keys, their neighbours 7 blocks, the rest 8.
            let b = (options.features / 4).max(1) as f64;
            let pairs = match n <= 7.0 * b {
                true => n * n,
                false => 2.0 * b * n + 2.0 * b * 7.0 * b + (n - 4.0 * b) * 8.0 * b,
            };
            Cost::new(2.0 * pairs.min(n * n) * p, 4.0 * n * p + n)
        },
        build: |options| {
            Box::new(BigBird {
                block: (options.features / 4).max(1),
                random: 3,
                plan: if options.released {
                    Plan::Released
                } else {
                    Plan::Fresh
                },
            })
        },
    }
}
