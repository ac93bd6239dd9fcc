//! Exact softmax attention, the target of every other method:  Y = softmax(Q Kᵀ / √p) V.
//!
//! `softmax` drops probabilities in training as the paper's "Standard" does, `softmax-nodrop` does
//! not ("w/o dropout"). The gradient is derived on the page of the kernel, [`super::attend`].

use engine::{Real, Tensor, Var};

use super::attend::Attend;
use super::{Attention, Cost, Entry, Inputs, Laws};

/// Softmax attention over all keys.
pub struct Softmax {
    /// Rate of dropout on the probabilities.
    pub dropout: f64,
}

impl Softmax {
    /// What one head of n tokens and p columns costs.
    pub(super) fn cost(n: f64, p: f64) -> Cost {
        Cost::new(2.0 * n * n * p, 4.0 * n * p + n)
    }
}

impl<T: Real> Attention<T> for Softmax {
    fn node<'t>(&self, x: &Inputs<'_, 't, T>) -> Var<'t, T> {
        let (tape, parents) = (x.v.tape(), [x.q().node(), x.k().node(), x.v.node()]);
        let (q, k, v) = (x.q().save(), x.k().save(), x.v.save());
        let heads = x.heads_with_dropout(self.dropout);

        let n = v.rows();
        let mut y = Tensor::stale(n, v.cols()); // (n, heads p)
        let mut lse = Tensor::stale(x.heads, n);
        for (h, (head, dropout)) in heads.iter().enumerate() {
            let [q, k, v] = [&q, &k, &v].map(|x| x.cols_in(head.clone())); // (n, p)
            let attend = Attend {
                dropout: *dropout,
                ..Attend::new(q, k, Some(v))
            };
            attend.forward(Some(y.view_mut().cols_in(head.clone())), lse.row_mut(h));
        }
        let (saved_y, lse) = (tape.save(&y), tape.save(&lse));
        let notes = tape.notes();

        tape.record("softmax", parents, y, move |dy| {
            let mut dq = Tensor::stale(n, dy.cols());
            let mut dk = Tensor::zeros(n, dy.cols());
            let mut dv = Tensor::zeros(n, dy.cols());
            for (h, (head, dropout)) in heads.into_iter().enumerate() {
                let [q, k, v, y, dy] = [&q, &k, &v, &saved_y, &dy].map(|x| x.cols_in(head.clone()));
                let [dq, dk, dv] =
                    [&mut dq, &mut dk, &mut dv].map(|x| x.view_mut().cols_in(head.clone()));
                let attend = Attend {
                    dropout,
                    ..Attend::new(q, k, Some(v))
                };
                let output = Some([y, dy]);
                attend.note(&notes, ("all rows", h), lse.row(h), &[], output);
                attend.backward(lse.row(h), &[], Some((y, dy, dv)), dq, dk);
            }
            [dq, dk, dv]
        })
    }
}

const LAWS: Laws = Laws {
    rows_sum_to_one: true,
    exact_at_full_budget: false,
    linear_memory: true,
    linear_time: false,
    random: false,
};

/// `softmax`, with dropout on the probabilities.
pub fn entry<T: Real>() -> Entry<T> {
    Entry {
        name: "softmax",
        about: "exact attention, dropout on the probabilities in training",
        cites: "Vaswani et al. 2017, equation 1",
        // Dropped probabilities do not sum to one, but an evaluation drops none.
        laws: LAWS,
        time: "n² p",
        cost: |_, n, p| Softmax::cost(n, p),
        build: |options| {
            Box::new(Softmax {
                dropout: options.dropout,
            })
        },
    }
}

/// `softmax-nodrop`.
pub fn entry_nodrop<T: Real>() -> Entry<T> {
    Entry {
        name: "softmax-nodrop",
        about: "exact attention",
        cites: "Vaswani et al. 2017, equation 1",
        laws: LAWS,
        time: "n² p",
        cost: |_, n, p| Softmax::cost(n, p),
        build: |_| Box::new(Softmax { dropout: 0.0 }),
    }
}
