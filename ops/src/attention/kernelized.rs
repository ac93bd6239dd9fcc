//! Kernelized Attention (Chen et al. 2021, Skyformer): a Gaussian kernel in place of the softmax kernel exp(q · k / √p),
//! and rows that are not normalised,
//!
//! ```text
//! Y = C V,   C_ij = κ(q_i / p^¼, k_j / p^¼),   κ(x, y) = exp(-|x - y|² / 2).
//! ```
//!
//! Since κ = exp(q · k / √p) / (exp(|q|² / 2√p) exp(|k|² / 2√p)), C is the unnormalised softmax
//! matrix A scaled from both sides, D_Q^-½ A D_K^-½ with (D_Q)_ii = exp(|q_i|² / √p), no entry of
//! which exceeds one. O(n²) time; its approximation in O(n) is [`super::skyformer`].
//! The gradient is derived on the page of [`super::gaussian`].
//!
//! The released code drops entries of C in training, at the rate of the attention probabilities;
//! the method does not ([`Kernelized::dropout`]). Nothing in it couples an example to its batch
//! mates: padded keys are masked.

use engine::{Real, Tensor, Var};

use super::gaussian::Gaussian;
use super::{Attention, Cost, Entry, Inputs, Laws};

/// Kernelized Attention.
pub struct Kernelized {
    /// Rate of dropout on C in training: 0, and the attention's rate in the released code.
    pub dropout: f64,
}

impl<T: Real> Attention<T> for Kernelized {
    fn node<'t>(&self, x: &Inputs<'_, 't, T>) -> Var<'t, T> {
        let (tape, parents) = (x.v.tape(), [x.q().node(), x.k().node(), x.v.node()]);
        let (q, k, v) = (x.q().save(), x.k().save(), x.v.save());
        let heads = x.heads_with_dropout(self.dropout);

        let scale = T::ONE / T::of(x.head(0).len() as f64).sqrt();
        let mut y = Tensor::stale(v.rows(), v.cols()); // (n, heads p)
        for (head, dropout) in &heads {
            let [q, k, v] = [&q, &k, &v].map(|x| x.cols_in(head.clone())); // (n, p)
            let gaussian = Gaussian {
                dropout: *dropout,
                ..Gaussian::new(scale, q, k, v)
            };
            gaussian.forward(y.view_mut().cols_in(head.clone()));
        }

        tape.record("kernelized", parents, y, move |dy| {
            let [mut dq, mut dk, mut dv] = [0; 3].map(|_| Tensor::zeros(dy.rows(), dy.cols()));
            for (head, dropout) in heads {
                let [q, k, v, dy] = [&q, &k, &v, &dy].map(|x| x.cols_in(head.clone()));
                let [dq, dk, dv] =
                    [&mut dq, &mut dk, &mut dv].map(|x| x.view_mut().cols_in(head.clone()));
                let gaussian = Gaussian {
                    dropout,
                    ..Gaussian::new(scale, q, k, v)
                };
                gaussian.backward(dy, dq, dk, dv);
            }
            [dq, dk, dv]
        })
    }
}

/// `kernelized`.
pub fn entry<T: Real>() -> Entry<T> {
    Entry {
        name: "kernelized",
        about: "Gaussian kernel in place of the softmax, rows not normalised",
        cites: "Chen et al. 2021 (Skyformer), Kernelized Attention",
        laws: Laws {
            rows_sum_to_one: false,
            exact_at_full_budget: false,
            linear_memory: true,
            linear_time: false,
            random: false,
        },
        time: "n² p",
        // Queries and keys less their mean are two of the six.
        cost: |_, n, p| Cost::new(2.0 * n * n * p, 6.0 * n * p),
        build: |options| {
            let dropout = if options.released {
                options.dropout
            } else {
                0.0
            };
            Box::new(Kernelized { dropout })
        },
    }
}
