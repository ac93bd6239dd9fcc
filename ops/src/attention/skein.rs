//! Skeinformer (Chen et al. 2022, Algorithm 1) and its ablations.
//!
//! With P = softmax(Q Kᵀ / √p) and a budget d, for one head:
//!
//! 1. *Pilots*: d rows J, uniform with replacement, get exact attention P_J V.
//! 2. *Column probabilities* (equation 5): p̂_i ∝ (sum over pilots j of P_ji²)^½ ‖v_i‖.
//! 3. *Columns*: d distinct keys J', drawn without replacement with probabilities p̂.
//! 4. *Adaptive row normalisation* (equation 6): a row i sees its sampled keys exactly, and every
//!    other key as the geometric mean g_i of its sampled entries, g_i = exp(mean over J' of q_i ·
//!    k_j / √p).
//! 5. *Pilot reutilisation*: the rows J of the output are the exact ones.
//!
//! Step 4 is softmax attention over one more key (docs/paper.md 2.13). Since the mean of q_i · k_j is q_i · k̄ with k̄
//! the mean sampled key, the n - d keys that are not sampled contribute (n - d) g_i = exp(q_i · k̄
//! / √p + ln(n - d)) to the normaliser and g_i sum_{j ∉ J'} v_j to the numerator. So
//!
//! ```text
//! Y = softmax attention over the keys (K_J', k̄) with biases (0, ln(n - d)) and values (V_J', v̄), v̄ the mean of V outside J'
//! ```
//!
//! stable by construction; k̄ is the *virtual key*, below the extra one. With d = n it is gone and the result is exact attention.
//! The gradient of the extra key goes back to its parts: dk̄/d to every sampled key, dv̄/(n - d) to
//! every value that is not sampled.
//!
//! J, p̂ and J' are constants of the backward pass. A pilot drawn r times counts r times in p̂,
//! once in the output.

use engine::lanes::short_inner;
use engine::{MatMut, MatRef, Notes, Real, Tensor, Var, lanes};

use super::attend::Attend;
use super::{Attention, Cost, Entry, Inputs, Laws, Options};
use crate::gather::{add_to_rows, gather_rows, others, scatter_add_rows, sum_rows};
use crate::pooling::centred;
use crate::sample::{uniform, weighted};

/// How columns are chosen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Columns {
    /// By the probabilities estimated from pilot rows.
    Pilots,
    /// Uniformly.
    Uniform,
}

/// How rows are normalised.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Normalisation {
    /// Columns that are not sampled count as the geometric mean of the sampled ones (equation 6).
    Adaptive,
    /// Softmax over the sampled columns.
    Simple,
    /// The exact row sums over all keys, O(n²): the sampled part of exact attention, rows sum to
    /// less than one.
    Exact,
}

/// Skeinformer. The ablations of the paper's table are other values of this struct; they are not
/// one-factor-at-a-time: each of them but `skein` itself leaves the pilot rows out of the output. So
/// there are `skein-one-uniform`, `skein-one-simple` and `skein-one-nonorm`, which keep them
/// (`skein-nopilot` is of one factor already).
#[derive(Clone, Copy, Debug)]
pub struct Skein {
    /// d; an example of n < d tokens is treated with d = n, which is exact.
    pub features: usize,
    /// How columns are chosen.
    pub columns: Columns,
    /// How rows are normalised.
    pub normalisation: Normalisation,
    /// Whether the exact pilot rows go into the output.
    pub reuse: bool,
}

/// The choices and normalisers of one head, kept for backward.
struct Head<T: Real> {
    range: std::ops::Range<usize>,
    /// Distinct pilot rows in the output; empty without reuse.
    pilots: Vec<u32>,
    pilots_lse: Tensor<T>,
    /// All other rows.
    others: Vec<u32>,
    /// Normalisers of the other rows: over their sampled keys, or over all keys for
    /// `Normalisation::Exact`.
    others_lse: Tensor<T>,
    columns: Vec<u32>,
    /// Their keys and values: d rows, cheaper to keep than to gather and to sum again.
    selected: Selected<T>,
}

/// The sampled keys and values, with the extra key of adaptive normalisation as the last one.
struct Selected<T: Real> {
    k: Tensor<T>,
    v: Tensor<T>,
    bias: Vec<T>,
}

impl Skein {
    fn has_extra_key(&self, n: usize, d: usize) -> bool {
        self.normalisation == Normalisation::Adaptive && d < n
    }

    /// The keys less their mean, for `Normalisation::Exact`. Probabilities do not depend on what all keys have in
    /// common, and nor does the sampled part of them; but dq is a sum over the sampled keys less a sum over all, of
    /// which that is the larger part where keys lie far from zero.
    fn centred<T: Real>(&self, k: MatRef<'_, T>) -> Option<Tensor<T>> {
        let exact = self.normalisation == Normalisation::Exact;
        exact.then(|| {
            let [k] = centred([k]);
            k
        })
    }

    /// Steps 1 and 5, and the sums of step 2. Draws pilots and gives those that stand in the output, with their
    /// normalisers: none without reuse. Writes their rows of y. The energies (n), sums of P_ji² over the pilots j,
    /// are empty when columns do not need them.
    fn pilots<T: Real>(
        &self,
        x: &Inputs<'_, '_, T>,
        h: usize,
        [q, k, v]: [MatRef<'_, T>; 3],
        y: MatMut<'_, T>,
    ) -> (Vec<u32>, Tensor<T>, Vec<T>) {
        let n = v.rows();
        let by_energy = self.columns == Columns::Pilots;
        if !self.reuse && !by_energy {
            return (Vec::new(), Tensor::zeros(1, 0), Vec::new());
        }
        let drawn = x.draws.indices(&x.place.draw("pilot", h), n, |generator| {
            uniform::with_replacement(n, self.features.min(n), generator)
        });
        let (rows, multiplicity) = distinct(&drawn, n);
        let mut lse = Tensor::stale(1, rows.len());
        let mut energies = vec![T::ZERO; if by_energy { n } else { 0 }];
        let attend = Attend {
            rows: Some(&rows),
            ..Attend::new(q, k, self.reuse.then_some(v))
        };
        let output = self.reuse.then_some(y);
        if by_energy {
            attend.forward_with_energies(&multiplicity, output, lse.data_mut(), &mut energies);
        } else {
            attend.forward(output, lse.data_mut());
        }
        match self.reuse {
            true => (rows, x.v.tape().save(&lse), energies),
            false => (Vec::new(), Tensor::zeros(1, 0), energies),
        }
    }

    /// Step 3: d distinct columns.
    fn columns<T: Real>(
        &self,
        x: &Inputs<'_, '_, T>,
        h: usize,
        v: MatRef<'_, T>,
        energies: Vec<T>,
    ) -> Vec<u32> {
        let n = v.rows();
        let d = self.features.min(n);
        let place = x.place.draw("columns", h);
        if self.columns == Columns::Uniform {
            return x.draws.distinct_indices(&place, n, |generator| {
                uniform::without_replacement(n, d, generator)
            });
        }
        // Equation 5, up to its denominator.
        let mut weights = energies;
        column_weights(v, &mut weights);
        x.draws.note(&x.place.draw("probabilities", h), || {
            let total: f64 = weights.iter().map(|w| w.f64()).sum();
            weights.iter().map(|w| w.f64() / total).collect()
        });
        x.draws.distinct_indices(&place, n, |generator| {
            weighted::without_replacement(&weights, d, generator)
        })
    }

    /// The keys and values of step 4: those of J', and the one that stands for all others.
    fn select<T: Real>(&self, k: MatRef<'_, T>, v: MatRef<'_, T>, columns: &[u32]) -> Selected<T> {
        let (n, p, d) = (k.rows(), k.cols(), columns.len());
        let extra = usize::from(self.has_extra_key(n, d));
        let mut keys = Tensor::zeros(d + extra, p);
        let mut values = Tensor::zeros(d + extra, p);
        gather_rows(k, columns, keys.view_mut().rows_in(0..d));
        gather_rows(v, columns, values.view_mut().rows_in(0..d));
        let mut bias = Vec::new();
        if extra == 1 {
            let (sampled, mean) = keys.data_mut().split_at_mut(d * p);
            for key in sampled.chunks_exact(p) {
                lanes::add(key, mean);
            }
            lanes::scale(T::ONE / T::of(d as f64), mean);
            // Summed directly: the difference of two sums would lose digits as d nears n.
            let rest = values.row_mut(d);
            sum_rows(v, &others(n, columns), rest);
            lanes::scale(T::ONE / T::of((n - d) as f64), rest);
            bias = vec![T::ZERO; d + 1];
            bias[d] = T::of(libm::log((n - d) as f64));
        }
        Selected {
            k: keys,
            v: values,
            bias,
        }
    }

    /// The backward of [`Skein::select`]: adds the parts' shares to dk and dv (n, p).
    fn select_backward<T: Real>(
        &self,
        dselected: &Selected<T>,
        columns: &[u32],
        mut dk: MatMut<'_, T>,
        mut dv: MatMut<'_, T>,
    ) {
        let (n, d) = (dk.rows(), columns.len());
        scatter_add_rows(dselected.k.view().rows_in(0..d), columns, dk.reborrow());
        scatter_add_rows(dselected.v.view().rows_in(0..d), columns, dv.reborrow());
        if self.has_extra_key(n, d) {
            // k̄ = sum over J' of k_j / d
            let share = T::ONE / T::of(d as f64);
            add_to_rows(share, dselected.k.row(d), columns, dk);
            // v̄ = sum outside J' of v_j / (n - d)
            let share = T::ONE / T::of((n - d) as f64);
            add_to_rows(share, dselected.v.row(d), &others(n, columns), dv);
        }
    }

    /// Forward of one head: writes its columns of y.
    fn head<T: Real>(&self, x: &Inputs<'_, '_, T>, h: usize, y: &mut Tensor<T>) -> Head<T> {
        let range = x.head(h);
        let [q, k, v] = [x.q(), x.k(), x.v].map(|x| x.value().cols_in(range.clone())); // (n, p)
        let centred = self.centred(k);
        let k = centred.as_ref().map_or(k, Tensor::view);
        let mut y = y.view_mut().cols_in(range.clone());

        let (pilots, pilots_lse, energies) = self.pilots(x, h, [q, k, v], y.reborrow());
        let columns = self.columns(x, h, v, energies);

        let others = others(v.rows(), &pilots);
        let selected = self.select(k, v, &columns);
        let mut others_lse = Tensor::stale(1, others.len());
        let attend = Attend {
            rows: Some(&others),
            bias: &selected.bias,
            ..Attend::new(q, selected.k.view(), Some(selected.v.view()))
        };
        attend.forward(Some(y.reborrow()), others_lse.data_mut());
        if self.normalisation == Normalisation::Exact {
            // y = exp(lse over the selected - lse over all) softmax over the selected
            let selected_lse = others_lse.clone();
            let all = Attend {
                rows: Some(&others),
                ..Attend::new(q, k, None)
            };
            all.forward(None, others_lse.data_mut());
            let lse = selected_lse.data().iter().zip(others_lse.data());
            for (&row, (&selected, &all)) in others.iter().zip(lse) {
                lanes::scale((selected - all).exp(), y.row(row as usize));
            }
        }
        let tape = x.v.tape();
        let others_lse = tape.save(&others_lse);
        let selected = Selected {
            k: tape.save(&selected.k),
            v: tape.save(&selected.v),
            bias: selected.bias,
        };
        Head {
            range,
            pilots,
            pilots_lse,
            others,
            others_lse,
            columns,
            selected,
        }
    }

    /// Backward of one head.
    fn head_backward<T: Real>(
        &self,
        (h, head): (usize, &Head<T>),
        notes: &Notes<T>,
        [q, k, v, y, dy]: [&Tensor<T>; 5],
        [dq, dk, dv]: [&mut Tensor<T>; 3],
    ) {
        let range = || head.range.clone();
        let [q, k, v, y, dy] = [q, k, v, y, dy].map(|x| x.cols_in(range())); // (n, p)
        let centred = self.centred(k);
        let k = centred.as_ref().map_or(k, Tensor::view);
        let [mut dq, mut dk, mut dv] = [dq, dk, dv].map(|x| x.view_mut().cols_in(range()));

        // y_J = softmax(q_J Kᵀ) V
        if !head.pilots.is_empty() {
            let attend = Attend {
                rows: Some(&head.pilots),
                ..Attend::new(q, k, Some(v))
            };
            let lse = head.pilots_lse.data();
            attend.note(notes, ("the pilot rows", h), lse, &[], Some([y, dy]));
            attend.backward(
                lse,
                &[],
                Some((y, dy, dv.reborrow())),
                dq.reborrow(),
                dk.reborrow(),
            );
        }

        let rows = &head.others;
        let selected = &head.selected;
        let mut dselected = Selected {
            k: Tensor::zeros(selected.k.rows(), k.cols()),
            v: Tensor::zeros(selected.v.rows(), v.cols()),
            bias: Vec::new(),
        };
        // Exact: y_i = sum over J' of exp(s_ij - lse_i) v_j with lse over all keys. The sampled
        // part is not normalised by itself (D = 0 up to rounding, said by dlse = dy · y), and what
        // dlse remains goes to all keys: dlse_i = -dy_i · y_i.
        let exact = self.normalisation == Normalisation::Exact;
        let inner: Vec<T> = if exact {
            let inner = |&i: &u32| lanes::dot(dy.row(i as usize), y.row(i as usize));
            rows.iter().map(inner).collect()
        } else {
            Vec::new()
        };
        let attend = Attend {
            rows: Some(rows),
            bias: &selected.bias,
            ..Attend::new(q, selected.k.view(), Some(selected.v.view()))
        };
        let lse = head.others_lse.data();
        attend.note(notes, ("the other rows", h), lse, &inner, Some([y, dy]));
        attend.backward(
            lse,
            &inner,
            Some((y, dy, dselected.v.view_mut())),
            dq.reborrow(),
            dselected.k.view_mut(),
        );
        if exact {
            let dlse: Vec<T> = inner.iter().map(|&inner| -inner).collect();
            let mut more_dq = Tensor::stale(q.rows(), q.cols());
            let all = Attend {
                rows: Some(rows),
                ..Attend::new(q, k, None)
            };
            all.backward(
                head.others_lse.data(),
                &dlse,
                None,
                more_dq.view_mut(),
                dk.reborrow(),
            );
            for &row in rows {
                lanes::add(more_dq.row(row as usize), dq.row(row as usize));
            }
        }
        if self.has_extra_key(q.rows(), head.columns.len()) {
            let last = |x: &Tensor<T>| Tensor::from_slice(1, x.cols(), x.row(x.rows() - 1));
            let of = |what: &str| format!("{what} of the virtual key.head{h}");
            notes.add(|| (of("k"), last(&selected.k)));
            notes.add(|| (of("v"), last(&selected.v)));
            notes.add(|| {
                (
                    of("bias"),
                    Tensor::filled(1, 1, selected.bias[head.columns.len()]),
                )
            });
            notes.add(|| (of("dk"), last(&dselected.k)));
            notes.add(|| (of("dv"), last(&dselected.v)));
        }
        self.select_backward(&dselected, &head.columns, dk, dv);
    }
}

lanes! {
    /// Energies become their square roots times the lengths of the values.
    pub(super) fn column_weights<T>(v: MatRef<'_, T>, energies: &mut [T]) {
        for (i, energy) in energies.iter_mut().enumerate() {
            *energy = energy.sqrt() * short_inner(v.row(i), v.row(i)).sqrt();
        }
    }
}

impl<T: Real> Attention<T> for Skein {
    fn reaches(&self, n: usize, _: usize) -> bool {
        n <= self.features
    }

    fn node<'t>(&self, x: &Inputs<'_, 't, T>) -> Var<'t, T> {
        let (tape, parents) = (x.v.tape(), [x.q().node(), x.k().node(), x.v.node()]);
        let mut y = Tensor::stale(x.v.rows(), x.v.cols());
        let heads: Vec<Head<T>> = (0..x.heads).map(|h| self.head(x, h, &mut y)).collect();

        let [q, k, v] = [x.q(), x.k(), x.v].map(Var::save);
        let saved_y = tape.save(&y);
        let (skein, notes) = (*self, tape.notes());
        tape.record("skein", parents, y, move |dy| {
            let mut dq = Tensor::stale(dy.rows(), dy.cols()); // every row is a pilot or another
            let mut dk = Tensor::zeros(dy.rows(), dy.cols());
            let mut dv = Tensor::zeros(dy.rows(), dy.cols());
            for head in heads.iter().enumerate() {
                skein.head_backward(
                    head,
                    &notes,
                    [&q, &k, &v, &saved_y, &dy],
                    [&mut dq, &mut dk, &mut dv],
                );
            }
            [dq, dk, dv]
        })
    }
}

/// The distinct numbers below n in `drawn`, rising, and how often each occurs.
pub(super) fn distinct<T: Real>(drawn: &[u32], n: usize) -> (Vec<u32>, Vec<T>) {
    let mut counts = vec![0u32; n];
    for &i in drawn {
        counts[i as usize] += 1;
    }
    let rows: Vec<u32> = (0..n as u32).filter(|&i| counts[i as usize] > 0).collect();
    let multiplicity = rows
        .iter()
        .map(|&i| T::of(f64::from(counts[i as usize])))
        .collect();
    (rows, multiplicity)
}

impl Skein {
    fn laws(&self) -> Laws {
        let exact = matches!(self.normalisation, Normalisation::Exact);
        Laws {
            rows_sum_to_one: !exact,
            exact_at_full_budget: true,
            linear_memory: true,
            linear_time: !exact,
            random: true,
        }
    }

    fn time(&self) -> &'static str {
        match self.normalisation {
            Normalisation::Exact => "n² p + n d p",
            _ => "n d p",
        }
    }

    /// This variant with the features that were asked for.
    fn with(self, options: &Options) -> Skein {
        Skein {
            features: options.features,
            ..self
        }
    }

    /// What one head of n tokens and p columns costs.
    fn cost(&self, n: f64, p: f64) -> Cost {
        let d = n.min(self.features as f64);
        let by_energy = self.columns == Columns::Pilots;
        let exact = self.normalisation == Normalisation::Exact;
        let adaptive = self.normalisation == Normalisation::Adaptive;
        // Distinct rows among d pilots, on average; all keys see them: products with K, and with V if they are reused.
        let pilots = n * (1.0 - (1.0 - 1.0 / n).powf(d));
        let of_pilots = f64::from(u8::from(by_energy || self.reuse) + u8::from(self.reuse));
        // The other rows see the d columns and the extra key; `Exact` has products with all of K for their sums.
        let others = if self.reuse { n - pilots } else { n };
        let keys = if adaptive { d + 1.0 } else { d };
        let sums = if exact { n } else { 0.0 };
        let products = of_pilots * pilots * n + others * (2.0 * keys + sums);
        // Forward holds y, `Exact` two more of its size, and for the energies the tile of 64 pilots with all keys;
        // backward holds four.
        let matrices = if exact { 4.0 } else { 2.0 };
        let tile = if by_energy { 114.0 } else { 0.0 };
        let forward = matrices * n * p + tile * n;
        Cost::new(products * p, forward.max(4.0 * n * p + 2.0 * n))
    }
}

/// Makes the entry of every row: its function and name; how columns are chosen and rows normalised, and whether the pilot
/// rows go into the output; what it is, and what it cites.
macro_rules! variants {
    ($(
        $entry:ident $name:literal: $columns:ident $normalisation:ident $reuse:literal
        $about:literal $cites:expr;
    )+) => {$(
        #[doc = concat!("`", $name, "`.")]
        pub fn $entry<T: Real>() -> Entry<T> {
            const VARIANT: Skein = Skein {
                features: 256,
                columns: Columns::$columns,
                normalisation: Normalisation::$normalisation,
                reuse: $reuse,
            };
            Entry {
                name: $name,
                about: $about,
                cites: $cites,
                laws: VARIANT.laws(),
                time: VARIANT.time(),
                cost: |options, n, p| VARIANT.with(options).cost(n, p),
                build: |options| Box::new(VARIANT.with(options)),
            }
        }
    )+};
}

/// What the one-factor ablations cite.
const ONE_FACTOR: &str =
    "Chen et al. 2022, Algorithm 1; in the paper's ablation two factors differ";

variants! {
    entry "skein": Pilots Adaptive true
        "d sampled columns, adaptive row normalisation, d exact pilot rows"
        "Chen et al. 2022, Algorithm 1";
    entry_uniform "skein-uniform": Uniform Adaptive false
        "skein with uniform columns and no pilots"
        "Chen et al. 2022, table 1, \"w/o column sampling\"";
    entry_nonorm "skein-nonorm": Pilots Exact false
        "sampled columns of exact attention, nothing for the others"
        "Chen et al. 2022, table 1, \"w/o row normalization\"";
    entry_simplenorm "skein-simplenorm": Pilots Simple false
        "softmax over the sampled columns"
        "Chen et al. 2022, table 1, \"w/ simple row normalization\"";
    entry_nopilot "skein-nopilot": Pilots Adaptive false
        "skein without the exact pilot rows in the output"
        "Chen et al. 2022, table 1, \"w/o pilot sampling reutilization\"";
    entry_one_uniform "skein-one-uniform": Uniform Adaptive true
        "skein, but with uniform columns"
        ONE_FACTOR;
    entry_one_simple "skein-one-simple": Pilots Simple true
        "skein, but with softmax over the sampled columns"
        ONE_FACTOR;
    entry_one_nonorm "skein-one-nonorm": Pilots Exact true
        "skein, but with exact row sums, nothing for columns not sampled"
        ONE_FACTOR;
}
