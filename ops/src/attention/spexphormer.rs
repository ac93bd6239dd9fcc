//! Spexphormer (Shirzad et al. 2024) on a sequence: every row attends to a few keys, drawn for it from a sparse graph by
//! estimated probabilities.
//!
//! For one head:
//!
//! 1. *Candidates*: row i may see the set {j : |i - j| <= w} ∪ {π(i), π⁻¹(i) : e random permutations π}, a window and
//!    an expander graph, c <= 2 w + 1 + 2 e keys.
//! 2. *Estimate*: with a random A (p', p) of entries N(0, 1/p'), a = A q and b = A k have inner products near those of q
//!    and k (Johnson and Lindenstrauss), and P_i = softmax over the candidates of a_i · b_j / √p.
//! 3. *Neighbours*: k of the candidates, drawn without replacement with probabilities P_i; all where there are fewer.
//! 4. *Attend*: y_i = softmax(q_i · k_j / √p) v_j over the set of its neighbours.
//!
//! Steps 1 to 3 are constants of the backward pass. Step 4 has lists of keys that differ from row to row; with N_i that
//! of row i, and lists read in the order of the rows,
//!
//! ```text
//! ds_ij = P_ij (dy_i · v_j - dy_i · y_i)     dq_i = sum_(j in N_i) ds_ij k_j / √p
//! dk_j += ds_ij q_i / √p                      dv_j += P_ij dy_i
//! ```
//!
//! Draws: `permutations` (e, n) and `projection` (p', p), one for all heads, `neighbours` (n, k) for each head, where a
//! short row repeats its last. `probabilities` are noted: those of step 2, all rows one after another, j rising. Where
//! neighbours are given, steps 1 to 3 are skipped.
//!
//! *What is adapted.* The original classifies the nodes of one fixed graph. It trains a narrow network on all edges
//! ([`super::spex_estimator`]), stores its attention scores for every layer and edge, and trains the wide network on
//! neighbours drawn from these once an epoch; its claim, which step 2 uses, is that the scores of narrow and wide
//! networks agree. Sequences come once, so there is nothing to store: the random projection stands for the narrow
//! network, and the graph has a window in place of given edges. The wide network's scores are clamped at ±8 there, not
//! divided by √p, and scaled by what an edge's type has learned; here step 4 is plain softmax attention over the
//! neighbours, and with w and k at least n softmax attention itself.
//!
//! `spex-static` has the two stages of the original on what sequences do share, their positions: step 4 alone, with
//! neighbours that are a constant of the layer, `neighbours` (N, k), position numbers, one set for all heads. Keys that
//! hold no token in an example are not there; a row that has none left sees itself. They start as a uniform draw from
//! the candidates of step 1 among the N positions, which without more is fixed random sparse attention. Who trains it
//! writes others in their place, once an epoch, drawn from the scores that a `spex-estimator-fixed` has learned. Draw
//! `neighbours` (n, k): those of the layer that hold a token, one for all heads.
//!
//! The names are theirs: w = d/4, e = d/8, k = d/4, p' = 8.

use engine::gemm::count_multiply_adds;
use engine::lanes::{fold, short_inner};
use engine::{Generator, MatMut, MatRef, Real, Stream, Tensor, Var, lanes};

use super::graph::{Expander, dots, mix, permutations, spread, token_at, window, window_edges};
use super::{Attention, Cost, Entry, Inputs, Laws, LayerShape, Options};
use crate::sample::log_weighted::LogWeighted;
use crate::sample::uniform;

/// Attention to sampled neighbours.
#[derive(Clone, Copy, Debug)]
pub struct Spexphormer {
    /// w: candidates to either side.
    pub window: usize,
    /// e: random permutations.
    pub permutations: usize,
    /// k >= 1: neighbours of a row.
    pub neighbours: usize,
    /// p' >= 1: columns of the projection, p at most.
    pub width: usize,
    /// Whether the neighbours are a constant of the layer, in place of steps 1 to 3.
    pub fixed: bool,
}

/// Every row's set of keys, one after another.
struct Sets {
    /// Where the set of each row begins, and the last one ends.
    starts: Vec<usize>,
    keys: Vec<u32>,
}

impl Sets {
    /// Of `rows` (n, k), in which keys may come twice.
    fn new(n: usize, mut rows: Vec<u32>) -> Sets {
        assert!(
            !rows.is_empty() && rows.len().is_multiple_of(n),
            "spexphormer: {} neighbours of {n} rows",
            rows.len()
        );
        let k = rows.len() / n;
        let mut seen = Seen::new(n);
        let mut starts = vec![0];
        let mut end = 0;
        for i in 0..n {
            for e in i * k..(i + 1) * k {
                let j = rows[e];
                if seen.first(j, i) {
                    rows[end] = j;
                    end += 1;
                }
            }
            starts.push(end);
        }
        rows.truncate(end);
        Sets { starts, keys: rows }
    }

    fn of(&self, i: usize) -> &[u32] {
        &self.keys[self.starts[i]..self.starts[i + 1]]
    }
}

/// Repeats the last key up to the end of its row.
fn fill(keys: &mut Vec<u32>, end: usize) {
    keys.resize(end, keys[keys.len() - 1]);
}

/// Which keys a row has met: for each the last row that has, while rows are visited in their order.
struct Seen(Vec<u32>);

impl Seen {
    fn new(n: usize) -> Seen {
        Seen(vec![u32::MAX; n])
    }

    /// Whether row i has not met key j before.
    fn first(&mut self, j: u32, i: usize) -> bool {
        std::mem::replace(&mut self.0[j as usize], i as u32) != i as u32
    }
}

/// The projected queries and keys of one head, and who may see whom.
struct Pilot<'a, T: Real> {
    /// a / √p (n, p')
    a: Tensor<T>,
    /// (n, p')
    b: Tensor<T>,
    /// The same numbers (p', n): a window is adjacent columns.
    b_columns: Tensor<T>,
    w: usize,
    expander: &'a Expander,
}

impl<T: Real> Pilot<'_, T> {
    /// Calls `each` with the candidates of every row, first the window, and their logits.
    fn rows(&self, mut each: impl FnMut(&[u32], &[T])) {
        let (n, width) = self.a.shape();
        let (mut ends, mut seen) = (self.expander.ends(), Seen::new(n));
        let (mut candidates, mut logits) = (Vec::new(), Vec::new());
        let all_columns: Vec<u32> = (0..width as u32).collect();
        let mut total = 0;
        for i in 0..n {
            let window = window(i, self.w, n);
            candidates.clear();
            candidates.extend(window.clone());
            let outside = ends.of(i).iter().filter(|j| !window.contains(j));
            candidates.extend(outside.filter(|&&j| seen.first(j, i)));
            logits.resize(candidates.len(), T::ZERO);
            let (near, far) = logits.split_at_mut(window.len());
            let adjacent = window.start as usize..window.end as usize;
            estimate(
                self.a.row(i),
                self.b_columns.cols_in(adjacent),
                &all_columns,
                self.b.view(),
                &candidates[window.len()..],
                near,
                far,
            );
            total += candidates.len();
            each(&candidates, &logits);
        }
        count_multiply_adds((total * width) as u64);
    }

    /// The probabilities of step 2, all rows one after another, keys rising.
    fn probabilities(&self) -> Vec<f64> {
        let (mut all, mut row) = (Vec::new(), Vec::new());
        self.rows(|candidates, logits| {
            let mut p = logits.to_vec();
            softmax_row(&mut p);
            row.clear();
            row.extend(candidates.iter().copied().zip(p.iter().map(|p| p.f64())));
            row.sort_unstable_by_key(|&(j, _)| j);
            all.extend(row.iter().map(|&(_, p)| p));
        });
        all
    }
}

impl Spexphormer {
    /// Steps 1 to 3 for one head.
    fn sets<T: Real>(
        &self,
        x: &Inputs<'_, '_, T>,
        h: usize,
        expander: &Expander,
        projection: &Tensor<T>,
    ) -> Sets {
        let range = x.head(h);
        let (n, p) = (x.v.rows(), range.len());
        let pilot = || {
            let project = |scale: T, x: &Var<'_, T>| {
                let x = x.value().cols_in(range.clone());
                Tensor::product(scale, x, projection.view().t())
            };
            let b = project(T::ONE, x.k());
            Pilot {
                a: project(T::ONE / T::of(p as f64).sqrt(), x.q()),
                b_columns: Tensor::from_fn(b.cols(), n, |c, j| b.row(j)[c]),
                b,
                w: self.window,
                expander,
            }
        };
        let noted = x.place.draw("probabilities", h);
        x.draws.note(&noted, || pilot().probabilities());
        let k = self.neighbours.min(n);
        let rows = x
            .draws
            .indices(&x.place.draw("neighbours", h), n, |generator| {
                let mut all = Vec::with_capacity(n * k);
                let mut row = LogWeighted::default();
                pilot().rows(|candidates, logits| {
                    let count = k.min(candidates.len());
                    let chosen = row.without_replacement(logits, count, generator);
                    let end = all.len() + k;
                    all.extend(chosen.iter().map(|&c| candidates[c as usize]));
                    fill(&mut all, end);
                });
                all
            });
        Sets::new(n, rows)
    }

    /// Step 1 among all positions of a layer, and of every row's candidates as many as it may have, all alike, (N, k).
    fn start(&self, length: usize, generator: &mut Generator) -> Vec<u32> {
        // A window over all positions leaves nothing for permutations to add, of which there may then be very many.
        let count = match self.window < length {
            true => self.permutations,
            false => 0,
        };
        let expander = Expander::among(permutations(count, length, generator), length);
        let k = self.neighbours.min(length);
        let mut ends = expander.ends();
        let mut all = Vec::with_capacity(length * k);
        for i in 0..length {
            let mut candidates: Vec<u32> = window(i, self.window, length).collect();
            candidates.extend(ends.of(i));
            candidates.sort_unstable();
            candidates.dedup();
            let count = k.min(candidates.len());
            let chosen = uniform::without_replacement(candidates.len(), count, generator);
            all.extend(chosen.iter().map(|&c| candidates[c as usize]));
            fill(&mut all, (i + 1) * k);
        }
        all
    }

    /// The layer's `neighbours` (N, k), as far as they hold tokens.
    fn fixed_sets<T: Real>(x: &Inputs<'_, '_, T>) -> Sets {
        let (n, neighbours) = (x.v.rows(), x.parameters[0].value());
        let name = x.place.draw("neighbours", 0);
        let rows = x.draws.indices(&name, n, |_| {
            let mut all = Vec::with_capacity(n * neighbours.cols());
            for (i, &position) in x.positions.iter().enumerate() {
                let row = neighbours.row(position as usize).iter();
                all.extend(row.filter_map(|&key| token_at(x.positions, key)));
                if all.len() == i * neighbours.cols() {
                    all.push(i as u32);
                }
                fill(&mut all, (i + 1) * neighbours.cols());
            }
            all
        });
        Sets::new(n, rows)
    }

    /// The sets of every head, or one for all of them.
    fn all_sets<T: Real>(&self, x: &Inputs<'_, '_, T>) -> Vec<Sets> {
        if self.fixed {
            return vec![Self::fixed_sets(x)];
        }
        let (expander, projection) = (Expander::draw(x, self.permutations), self.projection(x));
        (0..x.heads)
            .map(|h| self.sets(x, h, &expander, &projection))
            .collect()
    }

    /// A (p', p).
    fn projection<T: Real>(&self, x: &Inputs<'_, '_, T>) -> Tensor<T> {
        let p = x.head(0).len();
        let numbers = x
            .draws
            .numbers(&x.place.draw("projection", 0), |generator| {
                let width = self.width.min(p);
                let deviation = 1.0 / (width as f64).sqrt();
                (0..width * p)
                    .map(|_| deviation * generator.normal())
                    .collect()
            });
        assert!(
            !numbers.is_empty() && numbers.len().is_multiple_of(p),
            "spexphormer: {} numbers are no projection of {p} columns",
            numbers.len()
        );
        let numbers: Vec<T> = numbers.into_iter().map(T::of).collect();
        Tensor::from_slice(numbers.len() / p, p, &numbers)
    }
}

impl<T: Real> Attention<T> for Spexphormer {
    fn shapes(&self, shape: LayerShape) -> Vec<(&'static str, [usize; 2])> {
        let k = self.neighbours.min(shape.positions);
        let own = [("neighbours", [shape.positions, k])];
        own.into_iter().filter(|_| self.fixed).collect()
    }

    fn parameters(&self, shape: LayerShape, stream: Stream) -> Vec<(&'static str, Tensor<T>)> {
        let start = |(name, [rows, cols]): (&'static str, [usize; 2])| {
            let keys = self.start(rows, &mut stream.stream(name).generator());
            let keys: Vec<T> = keys.into_iter().map(|key| T::of(key.into())).collect();
            (name, Tensor::from_slice(rows, cols, &keys))
        };
        let shapes = Attention::<T>::shapes(self, shape);
        shapes.into_iter().map(start).collect()
    }

    fn trains(&self, parameter: &str) -> bool {
        parameter != "neighbours"
    }

    fn node<'t>(&self, x: &Inputs<'_, 't, T>) -> Var<'t, T> {
        let (tape, parents) = (x.v.tape(), [x.q().node(), x.k().node(), x.v.node()]);
        let [q, k, v] = [x.q(), x.k(), x.v].map(Var::save);
        let (n, width) = v.shape();
        let sets = self.all_sets(x);
        let heads: Vec<_> = (0..x.heads).map(|h| x.head(h)).collect();
        let mut y = Tensor::stale(n, width); // (n, heads p)
        let mut lse = Tensor::stale(x.heads, n);
        for (h, (head, sets)) in heads.iter().zip(sets.iter().cycle()).enumerate() {
            let x = [&q, &k, &v].map(|x| x.cols_in(head.clone())); // (n, p)
            attend(sets, x, y.view_mut().cols_in(head.clone()), lse.row_mut(h));
            count_multiply_adds(2 * (sets.keys.len() * head.len()) as u64);
        }
        let (saved_y, lse) = (tape.save(&y), tape.save(&lse));

        tape.record("spexphormer", parents, y, move |dy| {
            let mut dq = Tensor::stale(n, width);
            let [mut dk, mut dv] = [0; 2].map(|_| Tensor::zeros(n, width));
            for (h, (head, sets)) in heads.iter().zip(sets.iter().cycle()).enumerate() {
                let x = [&q, &k, &v].map(|x| x.cols_in(head.clone()));
                let output = [&saved_y, &dy].map(|x| x.cols_in(head.clone()));
                let gradients =
                    [&mut dq, &mut dk, &mut dv].map(|x| x.view_mut().cols_in(head.clone()));
                attend_backward(sets, x, output, lse.row(h), gradients);
                count_multiply_adds(5 * (sets.keys.len() * head.len()) as u64);
            }
            [dq, dk, dv]
        })
    }
}

/// Logits become probabilities; the result is their log-sum-exp.
#[inline(always)]
fn softmax<T: Real>(s: &mut [T]) -> T {
    let max = fold(s, T::NEG_INFINITY, |a, b| a.larger(b), |s| s);
    for s in s.iter_mut() {
        *s = (*s - max).exp();
    }
    let sum = fold(s, T::ZERO, |a, b| a + b, |s| s);
    for s in s.iter_mut() {
        *s /= sum;
    }
    max + sum.ln()
}

lanes! {
    /// The logits of one row's candidates: `near` of the window, which is what `window` (p', |near|) has of b, `far` of
    /// a list. `all_columns` is 0, 1, ... p'.
    fn estimate<T>(
        a: &[T],
        window: MatRef<'_, T>,
        all_columns: &[u32],
        b: MatRef<'_, T>,
        list: &[u32],
        near: &mut [T],
        far: &mut [T],
    ) {
        mix(a, window, all_columns, near);
        dots(T::ONE, a, b, list, far);
    }

    /// Logits become probabilities.
    fn softmax_row<T>(s: &mut [T]) {
        softmax(s);
    }

    /// Step 4 for one head: writes y (n, p) and lse (n).
    fn attend<T>(sets: &Sets, x: [MatRef<'_, T>; 3], y: MatMut<'_, T>, lse: &mut [T]) {
        let ([q, k, v], mut y) = (x, y);
        let scale = T::ONE / T::of(q.cols() as f64).sqrt();
        let mut p = Vec::new();
        for (i, lse) in lse.iter_mut().enumerate() {
            let keys = sets.of(i);
            p.resize(keys.len(), T::ZERO);
            dots(scale, q.row(i), k, keys, &mut p);
            *lse = softmax(&mut p);
            mix(&p, v, keys, y.row(i));
        }
    }

    /// Writes dq, and adds to dk and dv.
    fn attend_backward<T>(
        sets: &Sets,
        x: [MatRef<'_, T>; 3],
        output: [MatRef<'_, T>; 2],
        lse: &[T],
        gradients: [MatMut<'_, T>; 3],
    ) {
        let ([q, k, v], [y, dy], [mut dq, mut dk, mut dv]) = (x, output, gradients);
        let scale = T::ONE / T::of(q.cols() as f64).sqrt();
        let (mut p, mut dp) = (Vec::new(), Vec::new());
        for (i, &lse) in lse.iter().enumerate() {
            let (keys, q, dy) = (sets.of(i), q.row(i), dy.row(i));
            p.resize(keys.len(), T::ZERO);
            dp.resize(keys.len(), T::ZERO);
            dots(scale, q, k, keys, &mut p);
            for p in p.iter_mut() {
                *p = (*p - lse).exp();
            }
            spread(&p, dy, keys, &mut dv);
            dots(T::ONE, dy, v, keys, &mut dp);
            let inner = short_inner(dy, y.row(i));
            for (p, &dp) in p.iter_mut().zip(&dp) {
                *p = scale * (*p * (dp - inner)); // ds / √p
            }
            mix(&p, k, keys, dq.row(i));
            spread(&p, q, keys, &mut dk);
        }
    }
}

impl Spexphormer {
    /// With a budget of d, for heads of any width.
    fn of_budget(options: &Options, fixed: bool) -> Spexphormer {
        let d = options.features;
        Spexphormer {
            window: d / 4,
            permutations: (d / 8).max(1),
            neighbours: (d / 4).max(2),
            width: 8,
            fixed,
        }
    }
}

const LAWS: Laws = Laws {
    rows_sum_to_one: true,
    // k = d/4.
    exact_at_full_budget: false,
    linear_memory: true,
    linear_time: true,
    random: true,
};

/// `spexphormer`.
pub fn entry<T: Real>() -> Entry<T> {
    Entry {
        name: "spexphormer",
        about: "d/4 keys a row, drawn by estimated scores of window and expander",
        cites: "Shirzad et al. 2024 (Spexphormer), one stage in place of two",
        laws: LAWS,
        time: "n d p",
        cost: |options, n, p| {
            let method = Spexphormer::of_budget(options, false);
            let [w, e, k] =
                [method.window, method.permutations, method.neighbours].map(|x| x as f64);
            let (k, width) = (k.min(n), p.min(method.width as f64));
            // Of the 2 e ends those outside the window, each once.
            let in_window = window_edges(n, w);
            let outside = (n - in_window / n) * (1.0 - (1.0 - 1.0 / n).powf(2.0 * e));
            let candidates = in_window + n * outside;
            let forward = n * (2.0 * e + 2.0 * k + p + 3.0 * width + 3.0);
            Cost::new(
                2.0 * n * p * width + candidates * width + 2.0 * n * k * p,
                forward.max(n * (4.0 * p + k + 3.0)),
            )
        },
        build: |options| Box::new(Spexphormer::of_budget(options, false)),
    }
}

/// `spex-static`.
pub fn entry_static<T: Real>() -> Entry<T> {
    Entry {
        name: "spex-static",
        about: "d/4 fixed keys for each position, random or by learned scores",
        cites: "Shirzad et al. 2024 (Spexphormer), the second stage, on positions",
        laws: Laws {
            random: false,
            ..LAWS
        },
        cost: |options, n, p| {
            let k = (Spexphormer::of_budget(options, true).neighbours as f64).min(n);
            Cost::new(2.0 * n * k * p, n * (4.0 * p + k + 3.0))
        },
        build: |options| Box::new(Spexphormer::of_budget(options, true)),
        ..entry()
    }
}
