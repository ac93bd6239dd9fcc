//! Softmax attention with its values sketched, the "unreduced JLT" of the paper's table:
//!
//! ```text
//! Y = D⁻¹ A S Sᵀ V = P (S Sᵀ V),   S (n, r) of independent N(0, 1/r)
//! ```
//!
//! (Wang et al. 2020, equation 5, before their reduction to [`super::linformer`]). S is a
//! Johnson-Lindenstrauss transform: E[S Sᵀ] = I, so the mean over S of Y is exact attention, for any
//! r; and it follows the form P S Sᵀ V of a sketch, at the price of all n² probabilities. It is
//! softmax attention over the values W = S (Sᵀ V) by [`super::attend`]: neither P nor S Sᵀ is stored,
//! and since S Sᵀ is symmetric, dV = S (Sᵀ dW).
//!
//! The draw is `s` (n, r), one a head, a constant of the backward pass; r is --features however short
//! the example. There is no released code: whether the paper drew S anew for every pass, as is done
//! here, is not known.

use engine::{MatMut, MatRef, Real, Tensor, Var, gemm};

use super::attend::Attend;
use super::{Attention, Cost, Entry, Inputs, Laws};

/// Softmax attention over sketched values.
#[derive(Clone, Copy, Debug)]
pub struct LinformerJlt {
    /// r, columns of S.
    pub features: usize,
}

/// Writes S Sᵀ X (n, p).
fn sketched<T: Real>(s: &Tensor<T>, x: MatRef<'_, T>, out: MatMut<'_, T>) {
    let inner = Tensor::product(T::ONE, s.view().t(), x); // (r, p)
    gemm(T::ONE, s.view(), inner.view(), T::ZERO, out);
}

impl LinformerJlt {
    fn sketch<T: Real>(&self, x: &Inputs<'_, '_, T>, h: usize) -> Tensor<T> {
        let (n, r) = (x.v.rows(), self.features);
        let deviation = 1.0 / (r as f64).sqrt();
        let numbers = x.draws.numbers(&x.place.draw("s", h), |generator| {
            (0..n * r).map(|_| deviation * generator.normal()).collect()
        });
        assert!(
            numbers.len() == n * r,
            "linformer-jlt: {} numbers are no S ({n}, {r})",
            numbers.len()
        );
        Tensor::from_fn(n, r, |i, j| T::of(numbers[i * r + j]))
    }
}

impl<T: Real> Attention<T> for LinformerJlt {
    fn node<'t>(&self, x: &Inputs<'_, 't, T>) -> Var<'t, T> {
        let (tape, parents) = (x.v.tape(), [x.q().node(), x.k().node(), x.v.node()]);
        let [q, k] = [x.q(), x.k()].map(Var::save);
        let v = x.v.value();
        let (n, cols) = v.shape();
        let mut w = Tensor::stale(n, cols); // (n, heads p)
        let mut y = Tensor::stale(n, cols);
        let mut lse = Tensor::stale(x.heads, n);
        let mut sketches = Vec::new();
        for h in 0..x.heads {
            let head = x.head(h);
            let s = self.sketch(x, h);
            sketched(
                &s,
                v.cols_in(head.clone()),
                w.view_mut().cols_in(head.clone()),
            );
            let [q, k, w] = [&q, &k, &w].map(|x| x.cols_in(head.clone())); // (n, p)
            let y = y.view_mut().cols_in(head.clone());
            Attend::new(q, k, Some(w)).forward(Some(y), lse.row_mut(h));
            sketches.push((head, tape.save(&s)));
        }
        let [w, saved_y, lse] = [&w, &y, &lse].map(|x| tape.save(x));

        tape.record("linformer-jlt", parents, y, move |dy| {
            let [mut dq, mut dv] = [0; 2].map(|_| Tensor::stale(n, cols));
            let [mut dk, mut dw] = [0; 2].map(|_| Tensor::zeros(n, cols));
            for (h, (head, s)) in sketches.into_iter().enumerate() {
                let [q, k, w, y, dy] = [&q, &k, &w, &saved_y, &dy].map(|x| x.cols_in(head.clone()));
                let [dq, dk, dv] =
                    [&mut dq, &mut dk, &mut dv].map(|x| x.view_mut().cols_in(head.clone()));
                // Y = P W
                Attend::new(q, k, Some(w)).backward(
                    lse.row(h),
                    &[],
                    Some((y, dy, dw.view_mut().cols_in(head.clone()))),
                    dq,
                    dk,
                );
                // W = S Sᵀ V
                sketched(&s, dw.cols_in(head), dv);
            }
            [dq, dk, dv]
        })
    }
}

/// `linformer-jlt`.
pub fn entry<T: Real>() -> Entry<T> {
    Entry {
        name: "linformer-jlt",
        about: "exact probabilities on values sketched to d rows",
        cites: "Wang et al. 2020, equation 5; Chen et al. 2022, table 1, \"w/ unreduced JLT\"",
        laws: Laws {
            rows_sum_to_one: false,
            exact_at_full_budget: false,
            linear_memory: true,
            linear_time: false,
            random: true,
        },
        time: "n² p + n d p",
        cost: |options, n, p| {
            let r = options.features as f64;
            // S is drawn in f64, which takes two more of its size for a while.
            let numbers = (6.0 * n * p + n * r).max(2.0 * n * p + 3.0 * n * r);
            Cost::new(2.0 * n * n * p + 2.0 * n * r * p, numbers)
        },
        build: |options| {
            Box::new(LinformerJlt {
                features: options.features,
            })
        },
    }
}
