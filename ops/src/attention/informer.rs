//! Informer (Zhou et al. 2021, section 3.2, "ProbSparse" attention): exact attention for the
//! queries that seem to differ most from uniform, the mean of the values for all others.
//!
//! For one head:
//!
//! 1. *Sample*: U keys s_i1 .. s_iU for every query i, uniform with replacement.
//! 2. *Measure* (their equation 4, on the sample):  M_i = max_t q_i · k_s_it - (1/n) sum_t q_i ·
//!    k_s_it.  The dots are not scaled, and their sum over U keys is divided by n, so that the
//!    measure is nearly the maximum alone where U is small; as its authors' code has it, too.
//! 3. The u queries of the largest measure get exact attention, y_i = softmax(q_i Kᵀ / √p) V.
//! 4. All other rows are y_i = (1/n) sum_j v_j, so that dv_j has (1/n) of the sum of their dy.
//!
//! The measure is a maximum and a sum, one key at a time: nothing of n x U is held but the sample's
//! indices. No gradient goes through the choice of rows.
//!
//! `informer` has u = U = min(n, c ⌈ln n⌉) with c = ⌈d / ln n⌉, `informer-mask` u = U = min(n, d).
//! With u = n both are exact attention. Draw `sampled` (n, U); u follows from its size.
//!
//! Not reproduced: the released code draws one table for all examples of a batch. `informer` sees
//! padding there, keys, values and rows (`--pad` for that); `informer-mask` does not.

use engine::gemm::count_multiply_adds;
use engine::lanes::{add_up, short_inner};
use engine::{MatRef, Real, Tensor, Var, lanes};

use super::attend::Attend;
use super::{Attention, Cost, Entry, Inputs, Laws, Options};
use crate::gather::{others, sum_rows};
use crate::sample::top_k::top_k;
use crate::sample::uniform;

/// How many queries are exact, and keys sampled for each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Budget {
    /// ⌈d / ln n⌉ ⌈ln n⌉: d, rounded up.
    Logarithmic,
    /// d.
    Features,
}

impl Budget {
    /// u = U, for n tokens and `length` in the logarithms.
    fn of(self, features: usize, n: usize, length: usize) -> usize {
        match self {
            Budget::Features => features.min(n),
            Budget::Logarithmic => {
                // ln 1 is 0; one token is a budget of one whatever the factor.
                let ln = libm::log(length.max(2) as f64);
                let factor = (features as f64 / ln).ceil();
                n.min((factor * ln.ceil()) as usize)
            }
        }
    }

    /// Sampled dots, and the two products of the exact rows.
    fn cost(self, options: &Options, n: f64, p: f64) -> Cost {
        let u = self.of(options.features, n as usize, n as usize) as f64;
        // Forward holds y and the sampled keys, backward four matrices of its size.
        let numbers = (n * p + n * u).max(4.0 * n * p + 2.0 * n);
        Cost::new(3.0 * n * u * p, numbers)
    }
}

/// ProbSparse attention.
#[derive(Clone, Copy, Debug)]
pub struct Informer {
    /// d.
    pub features: usize,
    /// u and U.
    pub budget: Budget,
    /// As released: one sample of keys for all heads.
    pub shared: bool,
    /// As released: n in the budget and in the measure is the padded length, also where padding is
    /// left out.
    pub padded: bool,
}

/// The choice of one head, kept for backward.
struct Head {
    range: std::ops::Range<usize>,
    /// The exact rows, rising.
    rows: Vec<u32>,
    /// All other rows.
    others: Vec<u32>,
}

impl Informer {
    /// n as budget and measure count it.
    fn length(&self, n: usize, padded_length: usize) -> usize {
        if self.padded { padded_length.max(n) } else { n }
    }

    /// Forward of one head: writes its columns of y, and the normalisers of its exact rows.
    fn head<T: Real>(
        &self,
        x: &Inputs<'_, '_, T>,
        h: usize,
        y: &mut Tensor<T>,
        lse: &mut Tensor<T>,
    ) -> Head {
        let range = x.head(h);
        let [q, k, v] = [x.q(), x.k(), x.v].map(|x| x.value().cols_in(range.clone())); // (n, p)
        let (n, width) = (v.rows(), v.cols());
        let length = self.length(n, x.padded_length);
        let table = x.place.draw("sampled", if self.shared { 0 } else { h });
        let sampled = x.draws.indices(&table, n, |generator| {
            uniform::with_replacement(n, n * self.budget.of(self.features, n, length), generator)
        }); // (n, U)
        assert!(
            sampled.len().is_multiple_of(n) && sampled.len() <= n * n,
            "informer: {} sampled keys for {n} queries",
            sampled.len()
        );
        let u = sampled.len() / n;
        let rows = x.draws.distinct_indices(&x.place.draw("rows", h), n, |_| {
            let mut measures = vec![T::ZERO; n];
            measure(q, k, &sampled, T::of(length as f64), &mut measures);
            count_multiply_adds((sampled.len() * k.cols()) as u64);
            top_k(&measures, u)
        });

        let mut mean = vec![T::ZERO; width];
        add_up(v, &mut mean);
        lanes::scale(T::ONE / T::of(n as f64), &mut mean);
        let others = others(n, &rows);
        let mut y = y.view_mut().cols_in(range.clone());
        for &i in &others {
            y.row(i as usize).copy_from_slice(&mean);
        }
        *lse = Tensor::stale(1, rows.len());
        let attend = Attend {
            rows: Some(&rows),
            ..Attend::new(q, k, Some(v))
        };
        attend.forward(Some(y), lse.data_mut());
        Head {
            range,
            rows,
            others,
        }
    }
}

impl<T: Real> Attention<T> for Informer {
    fn reaches(&self, n: usize, padded_length: usize) -> bool {
        self.budget
            .of(self.features, n, self.length(n, padded_length))
            == n
    }

    fn node<'t>(&self, x: &Inputs<'_, 't, T>) -> Var<'t, T> {
        let (tape, parents) = (x.v.tape(), [x.q().node(), x.k().node(), x.v.node()]);
        let (n, width) = x.v.shape();
        let mut y = Tensor::stale(n, width); // (n, heads p)
        let mut lse = vec![Tensor::zeros(1, 0); x.heads];
        let heads: Vec<Head> = (0..x.heads)
            .map(|h| self.head(x, h, &mut y, &mut lse[h]))
            .collect();

        let [q, k, v] = [x.q(), x.k(), x.v].map(Var::save);
        let saved_y = tape.save(&y);
        let lse: Vec<_> = lse.iter().map(|lse| tape.save(lse)).collect();
        tape.record("informer", parents, y, move |dy| {
            let mut dq = Tensor::zeros(n, width);
            let mut dk = Tensor::zeros(n, width);
            let mut dv = Tensor::zeros(n, width);
            for (
                Head {
                    range,
                    rows,
                    others,
                },
                lse,
            ) in heads.iter().zip(&lse)
            {
                let [q, k, v, y, dy] =
                    [&q, &k, &v, &saved_y, &dy].map(|x| x.cols_in(range.clone()));
                let [dq, dk, mut dv] =
                    [&mut dq, &mut dk, &mut dv].map(|x| x.view_mut().cols_in(range.clone()));
                // y_i = sum_j v_j / n
                let mut share = vec![T::ZERO; v.cols()];
                sum_rows(dy, others, &mut share);
                lanes::scale(T::ONE / T::of(n as f64), &mut share);
                for j in 0..n {
                    lanes::add(&share, dv.row(j));
                }
                let attend = Attend {
                    rows: Some(rows),
                    ..Attend::new(q, k, Some(v))
                };
                attend.backward(lse.data(), &[], Some((y, dy, dv)), dq, dk);
            }
            [dq, dk, dv]
        })
    }
}

lanes! {
    /// max_t q_i · k_s_it - (1/length) sum_t q_i · k_s_it of every query i.
    fn measure<T>(q: MatRef<'_, T>, k: MatRef<'_, T>, sampled: &[u32], length: T, measures: &mut [T]) {
        let u = sampled.len() / measures.len();
        for (i, measure) in measures.iter_mut().enumerate() {
            let q = q.row(i);
            let (mut max, mut sum) = (T::NEG_INFINITY, T::ZERO);
            for &j in &sampled[i * u..(i + 1) * u] {
                let dot = short_inner(q, k.row(j as usize));
                max = max.larger(dot);
                sum += dot;
            }
            *measure = max - sum / length;
        }
    }
}

const LAWS: Laws = Laws {
    rows_sum_to_one: true,
    exact_at_full_budget: true,
    linear_memory: true,
    linear_time: true,
    random: true,
};

/// `informer`.
pub fn entry<T: Real>() -> Entry<T> {
    Entry {
        name: "informer",
        about: "about d queries exact, chosen on a sample; the mean elsewhere",
        cites: "Zhou et al. 2021, section 3.2",
        laws: LAWS,
        time: "n d p",
        cost: |options, n, p| Budget::Logarithmic.cost(options, n, p),
        build: |options| {
            Box::new(Informer {
                features: options.features,
                budget: Budget::Logarithmic,
                shared: options.released,
                padded: options.released,
            })
        },
    }
}

/// `informer-mask`.
pub fn entry_mask<T: Real>() -> Entry<T> {
    Entry {
        name: "informer-mask",
        about: "d queries exact, chosen on a sample; the mean elsewhere",
        cites: "Zhou et al. 2021, section 3.2; Chen et al. 2022, table 1, \"Informer w/ padding mask\"",
        laws: LAWS,
        time: "n d p",
        cost: |options, n, p| Budget::Features.cost(options, n, p),
        build: |options| {
            Box::new(Informer {
                features: options.features,
                budget: Budget::Features,
                shared: options.released,
                padded: options.released,
            })
        },
    }
}
