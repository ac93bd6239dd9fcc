//! LM-Infinite (Han et al. 2024): every token sees a window around it and the first tokens of the example.
//!
//! With positions t, a window W and G first tokens, row i sees the keys
//!
//! ```text
//! |t_i - t_j| < W   or   j < G
//! ```
//!
//! (the shape of a Λ), and with R_t, which turns the columns c and c + ⌊p/2⌋ by the angle t 10000^(-c / ⌊p/2⌋) (rotary
//! positions, [`mod@crate::rotary`]), the logit is
//!
//! ```text
//! s_ij = q_iᵀ R(t_j - t_i) k_j / √p           in the window
//! s_ij = q_iᵀ R(±D) k_j / √p                  for a first token outside of it, behind i (-) or ahead (+)
//! ```
//!
//! so that no distance occurs that the window does not have: the ceiling D is W, or W - 1. One softmax over both parts.
//!
//! *How.* R(t_j - t_i) = R_(t_i)ᵀ R_(t_j), so the window is the kernel on turned rows R_t q and R_t k. A first token is
//! turned by ±D alone and meets plain queries. Rows are taken in stretches; all keys that the window of any of its rows
//! reaches stand next to one another, and of these each row sees a range ([`Attend::seen`]). First tokens ahead of a row
//! are the last ones of the G, those behind it the first ones; in the order (all G turned by D, all G turned by -D) what a
//! row sees of them is a range, too.
//!
//! The two parts are joined by their log-sum-exps, with l = ln(e^a + e^b) and a, b those of window and first tokens:
//!
//! ```text
//! y_i = e^(a - l) y_window + e^(b - l) y_first
//! ```
//!
//! Since e^(a - l) softmax_window(s) = exp(s - l), backward needs neither part's own y and lse: it is the kernel's for y,
//! dy and l, once on the window and once on the first tokens. Then dq = R_tᵀ (dq of the window) + (dq of the first
//! tokens), and likewise dk = R_tᵀ dk and R(±D)ᵀ dk. There are no parameters and no random choices.
//!
//! *What is adapted.* The original is for decoders that were trained with full attention and are not trained again: it
//! looks back only. Here it looks both ways and is trained, and first tokens see no more than others do. Position
//! means the place in the padded sequence, so gaps count. `lambda-mask` leaves the rotation out, for models that have
//! positions of their own, as the one here; then the ceiling does nothing, and W >= n is softmax attention (with
//! rotation: softmax attention of turned queries and keys). The released code can add top-k distant keys, and does not
//! in the commands that its page gives.

use std::ops::Range;

use engine::gemm::pieces;
use engine::lanes::add_up;
use engine::{MatMut, MatRef, Real, Tensor, Var, lanes};

use super::attend::Attend;
use super::{Attention, Cost, Entry, Inputs, Laws, Options};
use crate::gather::{gathered, scatter_add_rows};
use crate::rotary::{Angles, Turn, angles, rotate};

/// Rows of a stretch: as many as the window reaches to one side, so that of the keys of the stretch a row sees two
/// thirds; no fewer than repay packing the keys for a product, no more than a tile of the kernel.
const STRETCH: Range<usize> = 32..256;

/// A window and the first tokens.
#[derive(Clone, Copy, Debug)]
pub struct LmInfinite {
    /// W >= 1: a token sees those at less than this distance.
    pub window: usize,
    /// G: first tokens that everybody sees.
    pub globals: usize,
    /// D: the distance at which first tokens outside of the window are seen, W or W - 1. Not used without rotation.
    pub ceiling: usize,
    /// Whether queries and keys are turned by their positions.
    pub rotary: bool,
}

/// Rows next to one another, and the keys they see.
struct Stretch {
    rows: Range<usize>,
    /// Those in the window of any of the rows.
    keys: Range<usize>,
    /// Which of these each row sees; `None` where every row sees all.
    seen: Option<Vec<Range<u32>>>,
    /// First tokens outside of the window of some row: those ahead of it, then those behind it.
    first: Vec<u32>,
    /// How many of them are ahead.
    ahead: usize,
    /// Which of these each row sees.
    first_seen: Vec<Range<u32>>,
}

impl LmInfinite {
    fn stretches(&self, n: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        pieces(n, self.window.clamp(STRETCH.start, STRETCH.end))
    }

    fn stretch(&self, rows: Range<usize>, positions: &[u32]) -> Stretch {
        let window = self.window as u64;
        // How many of the tokens in order lie before the window of position t, and how many before its end.
        let before =
            |t: u32, of: &[u32]| of.partition_point(|&s| u64::from(s) + window <= t.into());
        let end =
            |t: u32, of: &[u32]| of.partition_point(|&s| u64::from(s) < u64::from(t) + window);
        let here = &positions[rows.clone()];
        let keys = before(here[0], positions)..end(here[here.len() - 1], positions);

        let in_window = &positions[keys.clone()];
        let range = |&t: &u32| before(t, in_window) as u32..end(t, in_window) as u32;
        let seen: Vec<_> = here.iter().map(range).collect();
        let all = seen.iter().all(|seen| seen.len() == keys.len());

        // Of the order (all G ahead, all G behind).
        let globals = &positions[..self.globals.min(positions.len())];
        let g = globals.len();
        let range = |&t: &u32| end(t, globals)..g + before(t, globals);
        let ranges: Vec<_> = here.iter().map(range).collect();
        let from = ranges.iter().fold(g, |from, range| from.min(range.start));
        let to = ranges.iter().fold(g, |to, range| to.max(range.end));
        let first_seen = ranges
            .iter()
            .map(|range| (range.start - from) as u32..(range.end - from) as u32);
        Stretch {
            rows,
            keys,
            seen: (!all).then_some(seen),
            first: (from as u32..g as u32).chain(0..(to - g) as u32).collect(),
            ahead: g - from,
            first_seen: first_seen.collect(),
        }
    }

    /// Pairs of a row and a key whose logits are computed, positions without gaps.
    fn pairs(&self, n: usize) -> usize {
        let (w, g) = (self.window, self.globals.min(n));
        self.stretches(n)
            .map(|rows| {
                let keys = (rows.end + w - 1).min(n) - rows.start.saturating_sub(w - 1);
                let ahead = g.saturating_sub(rows.start + w);
                let behind = rows.end.saturating_sub(w).min(g);
                rows.len() * (keys + ahead + behind)
            })
            .sum()
    }
}

/// The angles of R_t for the positions of an example, and for t = D.
struct Rotary<T: Real> {
    positions: Angles<T>,
    ceiling: Tensor<T>,
}

impl<T: Real> Rotary<T> {
    /// The rows of first tokens are turned by D; those behind, from row `ahead` on, the other way.
    fn turn_first(&self, turn: Turn, ahead: usize, mut x: MatMut<'_, T>) {
        for i in 0..x.rows() {
            let turn = if i < ahead { turn } else { turn.inverse() };
            rotate(turn, self.ceiling.row(0), x.row(i));
        }
    }
}

lanes! {
    /// y and lse of one part become those of it and another.
    fn join<T>(other: &Tensor<T>, other_lse: &[T], y: MatMut<'_, T>, lse: &mut [T]) {
        let mut y = y;
        for (i, (lse, &other_lse)) in lse.iter_mut().zip(other_lse).enumerate() {
            let max = lse.larger(other_lse);
            let [part, rest] = [(*lse - max).exp(), (other_lse - max).exp()];
            let sum = part + rest;
            let [part, rest] = [part / sum, rest / sum];
            for (y, &other) in y.row(i).iter_mut().zip(other.row(i)) {
                *y = part * *y + rest * other;
            }
            *lse = max + sum.ln();
        }
    }
}

/// The rows of x less one row.
fn less<T: Real>(row: &[T], x: MatRef<'_, T>) -> Tensor<T> {
    let mut x = Tensor::from_view(x);
    for i in 0..x.rows() {
        lanes::subtract(row, x.row_mut(i));
    }
    x
}

/// What both directions need of one layer.
struct Layer<T: Real> {
    positions: Vec<u32>,
    rotary: Option<Rotary<T>>,
}

impl<T: Real> Layer<T> {
    fn turn(&self, turn: Turn, tokens: &Range<usize>, x: MatMut<'_, T>) {
        if let Some(rotary) = &self.rotary {
            let positions = &self.positions[tokens.clone()];
            rotary.positions.turn(turn, positions, x);
        }
    }

    fn turn_first(&self, turn: Turn, ahead: usize, x: MatMut<'_, T>) {
        if let Some(rotary) = &self.rotary {
            rotary.turn_first(turn, ahead, x);
        }
    }

    /// What is taken from all keys of a stretch, of which no logit depends on it unless keys are turned by different
    /// angles: the mean of those in the window. The ds of a row sum to 0 over both parts, not over each, so that what
    /// keys have in common would cancel between them, with its rounding left.
    fn common(&self, stretch: &Stretch, k: MatRef<'_, T>) -> Vec<T> {
        let mut mean = vec![T::ZERO; k.cols()];
        if self.rotary.is_none() {
            add_up(k.rows_in(stretch.keys.clone()), &mut mean);
            lanes::scale(T::ONE / T::of(stretch.keys.len() as f64), &mut mean);
        }
        mean
    }

    /// R_t q of the rows and R_t k of the keys in the window.
    fn turned(&self, stretch: &Stretch, [q, k]: [MatRef<'_, T>; 2]) -> [Tensor<T>; 2] {
        let mut turned_q = Tensor::from_view(q.rows_in(stretch.rows.clone()));
        let mut turned_k = less(&self.common(stretch, k), k.rows_in(stretch.keys.clone()));
        self.turn(Turn::Forth, &stretch.rows, turned_q.view_mut());
        self.turn(Turn::Forth, &stretch.keys, turned_k.view_mut());
        [turned_q, turned_k]
    }

    /// Keys and values of the first tokens outside of the window.
    fn first(&self, stretch: &Stretch, [k, v]: [MatRef<'_, T>; 2]) -> [Tensor<T>; 2] {
        let [first_k, first_v] = [k, v].map(|x| gathered(x, &stretch.first));
        let mut first_k = less(&self.common(stretch, k), first_k.view());
        self.turn_first(Turn::Forth, stretch.ahead, first_k.view_mut());
        [first_k, first_v]
    }

    /// Writes y and lse of a stretch of rows of one head; q, k and v are the whole head.
    fn forward(
        &self,
        stretch: &Stretch,
        [q, k, v]: [MatRef<'_, T>; 3],
        mut y: MatMut<'_, T>,
        lse: &mut [T],
    ) {
        let [turned_q, turned_k] = self.turned(stretch, [q, k]); // (rows, p), (keys, p)
        let window = Attend {
            seen: stretch.seen.as_deref(),
            ..Attend::new(
                turned_q.view(),
                turned_k.view(),
                Some(v.rows_in(stretch.keys.clone())),
            )
        };
        window.forward(Some(y.reborrow()), lse);
        if stretch.first.is_empty() {
            return;
        }
        let [first_k, first_v] = self.first(stretch, [k, v]); // (up to 2 G, p)
        let first = Attend {
            seen: Some(&stretch.first_seen),
            ..Attend::new(
                q.rows_in(stretch.rows.clone()),
                first_k.view(),
                Some(first_v.view()),
            )
        };
        let mut first_y = Tensor::stale(y.rows(), y.cols()); // (rows, p)
        let mut first_lse = vec![T::ZERO; lse.len()];
        first.forward(Some(first_y.view_mut()), &mut first_lse);
        join(&first_y, &first_lse, y, lse);
    }

    /// Writes dq of a stretch of rows of one head, and adds to dk and dv of the whole head. y, dy and lse, of both parts
    /// together, are the stretch's.
    fn backward(
        &self,
        stretch: &Stretch,
        [q, k, v]: [MatRef<'_, T>; 3],
        [y, dy]: [MatRef<'_, T>; 2],
        lse: &[T],
        [mut dq, mut dk, mut dv]: [MatMut<'_, T>; 3],
    ) {
        let (rows, keys) = (&stretch.rows, &stretch.keys);
        let [turned_q, turned_k] = self.turned(stretch, [q, k]); // (rows, p), (keys, p)
        let window = Attend {
            seen: stretch.seen.as_deref(),
            ..Attend::new(
                turned_q.view(),
                turned_k.view(),
                Some(v.rows_in(keys.clone())),
            )
        };
        let mut window_dk = Tensor::zeros(keys.len(), k.cols());
        let output = Some((y, dy, dv.reborrow().rows_in(keys.clone())));
        window.backward(lse, &[], output, dq.reborrow(), window_dk.view_mut());
        self.turn(Turn::Back, rows, dq.reborrow());
        self.turn(Turn::Back, keys, window_dk.view_mut());
        for (j, dwindow) in keys.clone().zip(0..) {
            lanes::add(window_dk.row(dwindow), dk.row(j));
        }
        if stretch.first.is_empty() {
            return;
        }
        let [first_k, first_v] = self.first(stretch, [k, v]); // (up to 2 G, p)
        let first = Attend {
            seen: Some(&stretch.first_seen),
            ..Attend::new(
                q.rows_in(rows.clone()),
                first_k.view(),
                Some(first_v.view()),
            )
        };
        let mut first_dq = Tensor::stale(rows.len(), q.cols());
        let [mut first_dk, mut first_dv] = [0; 2].map(|_| Tensor::zeros(first_k.rows(), k.cols()));
        let output = Some((y, dy, first_dv.view_mut()));
        first.backward(lse, &[], output, first_dq.view_mut(), first_dk.view_mut());
        for i in 0..rows.len() {
            lanes::add(first_dq.row(i), dq.row(i));
        }
        self.turn_first(Turn::Back, stretch.ahead, first_dk.view_mut());
        scatter_add_rows(first_dk.view(), &stretch.first, dk);
        scatter_add_rows(first_dv.view(), &stretch.first, dv);
    }
}

impl<T: Real> Attention<T> for LmInfinite {
    fn rotates(&self) -> bool {
        self.rotary
    }

    fn node<'t>(&self, x: &Inputs<'_, 't, T>) -> Var<'t, T> {
        let (tape, parents) = (x.v.tape(), [x.q().node(), x.k().node(), x.v.node()]);
        let [q, k, v] = [x.q(), x.k(), x.v].map(Var::save);
        let heads: Vec<_> = (0..x.heads).map(|h| x.head(h)).collect();
        let (n, width) = v.shape();
        let last = x.positions[n - 1];
        let p = heads[0].len();
        let rotary = || Rotary {
            positions: Angles::new(last, p),
            ceiling: angles([self.ceiling].into_iter(), p),
        };
        let layer = Layer {
            positions: x.positions.to_vec(),
            rotary: self.rotary.then(rotary),
        };

        let mut y = Tensor::stale(n, width); // (n, heads p)
        let mut lse = Tensor::stale(x.heads, n);
        for rows in self.stretches(n) {
            let stretch = self.stretch(rows.clone(), &layer.positions);
            for (h, head) in heads.iter().enumerate() {
                let x = [&q, &k, &v].map(|x| x.cols_in(head.clone())); // (n, p)
                let y = y.view_mut().cols_in(head.clone()).rows_in(rows.clone());
                layer.forward(&stretch, x, y, &mut lse.row_mut(h)[rows.clone()]);
            }
        }
        let (saved_y, lse) = (tape.save(&y), tape.save(&lse));

        let method = *self;
        let name = if self.rotary {
            "lm-infinite"
        } else {
            "lambda-mask"
        };
        tape.record(name, parents, y, move |dy| {
            let mut dq = Tensor::stale(n, width); // every row is in one stretch
            let [mut dk, mut dv] = [0; 2].map(|_| Tensor::zeros(n, width));
            for rows in method.stretches(n) {
                let stretch = method.stretch(rows.clone(), &layer.positions);
                for (h, head) in heads.iter().enumerate() {
                    let x = [&q, &k, &v].map(|x| x.cols_in(head.clone())); // (n, p)
                    let output =
                        [&saved_y, &dy].map(|x| x.cols_in(head.clone()).rows_in(rows.clone()));
                    let [dq, dk, dv] =
                        [&mut dq, &mut dk, &mut dv].map(|x| x.view_mut().cols_in(head.clone()));
                    let gradients = [dq.rows_in(rows.clone()), dk, dv];
                    layer.backward(&stretch, x, output, &lse.row(h)[rows.clone()], gradients);
                }
            }
            [dq, dk, dv]
        })
    }
}

const LAWS: Laws = Laws {
    rows_sum_to_one: true,
    // W = d/2 leaves out keys of up to 2 W tokens.
    exact_at_full_budget: false,
    linear_memory: true,
    linear_time: true,
    random: false,
};

/// With a budget of d: W = D = d/2 and ten first tokens.
fn with(options: &Options, rotary: bool) -> LmInfinite {
    let window = (options.features / 2).max(1);
    LmInfinite {
        window,
        globals: 10,
        ceiling: window,
        rotary,
    }
}

fn cost(method: LmInfinite, n: f64, p: f64) -> Cost {
    Cost::new(
        2.0 * method.pairs(n as usize) as f64 * p,
        4.0 * n * p + 2.0 * n,
    )
}

/// `lm-infinite`.
pub fn entry<T: Real>() -> Entry<T> {
    Entry {
        name: "lm-infinite",
        about: "d/2 tokens to either side and 10 first ones, rotary distances",
        cites: "Han et al. 2024 (LM-Infinite), mask and distance limit; looks both ways",
        laws: LAWS,
        time: "n d p",
        cost: |options, n, p| cost(with(options, true), n, p),
        build: |options| Box::new(with(options, true)),
    }
}

/// `lambda-mask`.
pub fn entry_mask<T: Real>() -> Entry<T> {
    Entry {
        name: "lambda-mask",
        about: "a window of d/2 to either side and 10 first tokens",
        cites: "Han et al. 2024 (LM-Infinite), mask alone; looks both ways",
        laws: LAWS,
        time: "n d p",
        cost: |options, n, p| cost(with(options, false), n, p),
        build: |options| Box::new(with(options, false)),
    }
}
