//! Attention without softmax:  Y = Q S  with  S = Kᵀ V / n,  for every head.
//!
//! dQ = dY Sᵀ, and with dS = Qᵀ dY:  dK = V dSᵀ / n,  dV = K dS / n.

use engine::{Real, Tensor, Var, gemm};
use ops::attention::{Attention, Cost, Entry, Inputs, Laws}; // as a file of ops: use super::{...}

/// Queries times the sum of all key-value products.
pub struct Product;

impl<T: Real> Attention<T> for Product {
    fn node<'t>(&self, x: &Inputs<'_, 't, T>) -> Var<'t, T> {
        let (tape, parents) = (x.v.tape(), [x.q().node(), x.k().node(), x.v.node()]);
        let (q, k, v) = (x.q().save(), x.k().save(), x.v.save()); // (n, heads p)
        let heads: Vec<_> = (0..x.heads).map(|h| x.head(h)).collect(); // a head is a range of columns
        let share = T::of(1.0 / v.rows() as f64);

        let mut y = Tensor::stale(v.rows(), v.cols()); // (n, heads p)
        let mut products = Vec::new();
        for head in &heads {
            let [q, k, v] = [&q, &k, &v].map(|x| x.cols_in(head.clone())); // (n, p), nothing is copied
            let s = Tensor::product(share, k.t(), v); // (p, p)
            let y = y.view_mut().cols_in(head.clone());
            gemm(T::ONE, q, s.view(), T::ZERO, y);
            products.push(tape.save(&s));
        }

        tape.record("product", parents, y, move |dy| {
            let [mut dq, mut dk, mut dv] = [(); 3].map(|()| Tensor::stale(dy.rows(), dy.cols()));
            for (head, s) in heads.into_iter().zip(products) {
                let [q, k, v, dy] = [&q, &k, &v, &dy].map(|x| x.cols_in(head.clone()));
                let [dq, dk, dv] =
                    [&mut dq, &mut dk, &mut dv].map(|x| x.view_mut().cols_in(head.clone()));
                let ds = Tensor::product(T::ONE, q.t(), dy); // (p, p)
                gemm(T::ONE, dy, s.view().t(), T::ZERO, dq);
                gemm(share, v, ds.view().t(), T::ZERO, dk);
                gemm(share, k, ds.view(), T::ZERO, dv);
            }
            [dq, dk, dv] // one for each parent: the compiler counts them
        })
    }
}

/// Its line of the registry.
pub fn entry<T: Real>() -> Entry<T> {
    Entry {
        name: "product",
        about: "queries times the sum of key-value products, no softmax",
        cites: "Katharopoulos et al. 2020, without the feature map",
        laws: Laws {
            linear_memory: true,
            linear_time: true,
            ..Laws::default()
        },
        time: "n p²",
        cost: |_, n, p| Cost {
            multiply_adds: 2.0 * n * p * p,
            bytes: 4.0 * (4.0 * n * p + 2.0 * p * p),
        },
        build: |_| Box::new(Product),
    }
}

/// What the suite does with every entry of the registry.
fn main() {
    use engine::Seed;
    use ops::attention::suite;
    let stream = Seed(1).stream("product");
    suite::laws(&entry(), stream);
    for n in suite::LENGTHS {
        let checked = suite::gradients(&entry(), n, true, stream).unwrap();
        assert!(checked.iter().all(|input| input.norm > 0.0));
    }
    println!("product: its laws hold, its gradients are right");
}
