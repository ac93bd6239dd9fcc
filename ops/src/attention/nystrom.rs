//! Nyströmformer (Xiong et al. 2021): attention by way of m landmarks, means of neighbouring rows,
//!
//! ```text
//! Y = F A⁺ B V,   F = softmax(Q K̃ᵀ / √p) (n, m),  A = softmax(Q̃ K̃ᵀ / √p) (m, m),  B = softmax(Q̃ Kᵀ / √p) (m, n)
//! ```
//!
//! with landmark i = the mean of rows ⌊i n/m⌋ .. ⌊(i+1) n/m⌋ of Q, of K. That is two [`super::attend`]
//! around one small matrix: U = attend(Q̃, K, V), W = A⁺ U, Y = attend(Q, K̃, W); and A itself is
//! attend(Q̃, K̃, I). A⁺ is six steps of an iteration, [`super::pseudo_inverse`]. Backwards, attend
//! by attend:
//!
//! ```text
//! Y = attend(Q, K̃, W):    dQ, dK̃, dW
//! W = A⁺ U:               dA⁺ = dW Uᵀ,  dU = A⁺ᵀ dW
//! U = attend(Q̃, K, V):    dQ̃, dK, dV
//! A = attend(Q̃, K̃, I):    dQ̃, dK̃
//! landmarks:              dQ_t += dQ̃_i / length of i, for t in i; dK likewise
//! ```
//!
//! Nothing is drawn. With as many landmarks as rows every row is its own landmark and F = A = B, so
//! that F A⁺ B = A: the iteration would come close, exact attention is computed instead
//! ([`super::softmax`]); so it is for fewer rows than landmarks. (The skip connection by a
//! convolution, an option of the original, is not used by the paper.)
//!
//! With [`Options::released`](super::Options) it follows the released code where that differs within one example: its
//! landmarks are means over the padded length, rows of padding counting as zeros (so those beyond the
//! last token are zero, and F gives them weight), and every head's iteration starts from Aᵀ divided
//! by the largest column sum of all heads. There that is the largest of the whole batch: an example
//! would depend on its batch mates, which is not reproduced.

use engine::{MatMut, MatRef, Real, Tensor, Var, lanes};

use super::attend::Attend;
use super::pseudo_inverse::{PseudoInverses, identity};
use super::softmax::Softmax;
use super::{Attention, Cost, Entry, Inputs, Laws};

/// Nyströmformer.
#[derive(Clone, Copy, Debug)]
pub struct Nystrom {
    /// m.
    pub landmarks: usize,
    /// Landmarks are means over the padded length, padding counting as zeros (released).
    pub padded_landmarks: bool,
    /// Z_0 of every head is divided by the largest column sum of all heads (released).
    pub shared_scale: bool,
}

/// The rows of one landmark.
#[derive(Clone, Debug)]
struct Landmark {
    rows: std::ops::Range<usize>,
    /// What their sum is divided by.
    length: usize,
}

/// What backward needs of one head.
struct Head<T: Real> {
    range: std::ops::Range<usize>,
    /// Q̃, K̃ (m, p).
    landmarks: [Tensor<T>; 2],
    /// U = B V, W = A⁺ U (m, p).
    u: Tensor<T>,
    w: Tensor<T>,
    /// Of F, A and B.
    lse: [Tensor<T>; 3],
}

impl Nystrom {
    fn landmarks(&self, positions: &[u32], padded_length: usize) -> Vec<Landmark> {
        let (n, m) = (positions.len(), self.landmarks);
        let total = if self.padded_landmarks {
            padded_length
        } else {
            n
        };
        let row = |place: usize| match self.padded_landmarks {
            true => positions.partition_point(|&position| (position as usize) < place),
            false => place,
        };
        (0..m)
            .map(|i| {
                let (start, end) = (i * total / m, (i + 1) * total / m);
                Landmark {
                    rows: row(start)..row(end),
                    length: end - start,
                }
            })
            .collect()
    }
}

/// Landmark i is the sum of its rows of `x` divided by its length.
fn means<T: Real>(landmarks: &[Landmark], x: MatRef<'_, T>) -> Tensor<T> {
    let mut means = Tensor::zeros(landmarks.len(), x.cols());
    for (i, landmark) in landmarks.iter().enumerate() {
        for t in landmark.rows.clone() {
            lanes::add(x.row(t), means.row_mut(i));
        }
        lanes::scale(T::ONE / T::of(landmark.length as f64), means.row_mut(i));
    }
    means
}

/// Adds to dx.
fn means_backward<T: Real>(landmarks: &[Landmark], dmeans: &Tensor<T>, mut dx: MatMut<'_, T>) {
    for (i, landmark) in landmarks.iter().enumerate() {
        let share = T::ONE / T::of(landmark.length as f64);
        for t in landmark.rows.clone() {
            lanes::add_scaled(share, dmeans.row(i), dx.row(t));
        }
    }
}

impl<T: Real> Attention<T> for Nystrom {
    fn reaches(&self, n: usize, padded_length: usize) -> bool {
        let rows = if self.padded_landmarks {
            padded_length
        } else {
            n
        };
        rows <= self.landmarks
    }

    fn node<'t>(&self, x: &Inputs<'_, 't, T>) -> Var<'t, T> {
        let (n, cols) = x.v.shape();
        let m = self.landmarks;
        if Attention::<T>::reaches(self, n, x.padded_length) {
            return Softmax { dropout: 0.0 }.forward(x);
        }
        let (tape, parents) = (x.v.tape(), [x.q().node(), x.k().node(), x.v.node()]);
        let [q, k, v] = [x.q(), x.k(), x.v].map(Var::save);
        let landmarks = self.landmarks(x.positions, x.padded_length);
        let mut matrices = Vec::new();
        let mut heads = Vec::new();
        for h in 0..x.heads {
            let range = x.head(h);
            let [q, k, v] = [&q, &k, &v].map(|x| x.cols_in(range.clone())); // (n, p)
            let [mean_q, mean_k] = [q, k].map(|x| means(&landmarks, x)); // Q̃, K̃ (m, p)
            let (mut a, mut u) = (Tensor::stale(m, m), Tensor::stale(m, v.cols()));
            let [mut lse_a, mut lse_b] = [0; 2].map(|_| Tensor::stale(1, m));
            let unit = identity(m);
            Attend::new(mean_q.view(), mean_k.view(), Some(unit.view()))
                .forward(Some(a.view_mut()), lse_a.data_mut());
            Attend::new(mean_q.view(), k, Some(v)).forward(Some(u.view_mut()), lse_b.data_mut());
            matrices.push(a);
            heads.push((range, [mean_q, mean_k], u, [lse_a, lse_b]));
        }

        let inverses = PseudoInverses::new(tape, matrices, self.shared_scale);
        let mut y = Tensor::stale(n, cols); // (n, heads p)
        let heads: Vec<Head<T>> = heads
            .into_iter()
            .enumerate()
            .map(|(h, (range, landmarks, u, [lse_a, lse_b]))| {
                let w = Tensor::product(T::ONE, inverses.inverse(h).view(), u.view());
                let mut lse_f = Tensor::stale(1, n);
                let q = q.cols_in(range.clone());
                Attend::new(q, landmarks[1].view(), Some(w.view()))
                    .forward(Some(y.view_mut().cols_in(range.clone())), lse_f.data_mut());
                Head {
                    range,
                    landmarks: landmarks.map(|x| tape.save(&x)),
                    u: tape.save(&u),
                    w: tape.save(&w),
                    lse: [lse_f, lse_a, lse_b].map(|x| tape.save(&x)),
                }
            })
            .collect();
        let saved_y = tape.save(&y);

        tape.record("nystrom", parents, y, move |dy| {
            let mut dq = Tensor::stale(n, cols);
            let [mut dk, mut dv] = [0; 2].map(|_| Tensor::zeros(n, cols));
            let mut dinverses = Vec::new();
            let mut dlandmarks = Vec::new();
            for (h, head) in heads.iter().enumerate() {
                let [q, k, v, y, dy] =
                    [&q, &k, &v, &saved_y, &dy].map(|x| x.cols_in(head.range.clone()));
                let [dq, dk, dv] =
                    [&mut dq, &mut dk, &mut dv].map(|x| x.view_mut().cols_in(head.range.clone()));
                let [mean_q, mean_k] = &head.landmarks;
                let [lse_f, _, lse_b] = &head.lse;
                let [mut dmean_k, mut dw] = [0; 2].map(|_| Tensor::zeros(m, v.cols()));
                let mut dmean_q = Tensor::stale(m, v.cols());
                // Y = attend(Q, K̃, W)
                Attend::new(q, mean_k.view(), Some(head.w.view())).backward(
                    lse_f.data(),
                    &[],
                    Some((y, dy, dw.view_mut())),
                    dq,
                    dmean_k.view_mut(),
                );
                // W = A⁺ U
                dinverses.push(Tensor::product(T::ONE, dw.view(), head.u.view().t()));
                let du = Tensor::product(T::ONE, inverses.inverse(h).view().t(), dw.view());
                // U = attend(Q̃, K, V)
                Attend::new(mean_q.view(), k, Some(v)).backward(
                    lse_b.data(),
                    &[],
                    Some((head.u.view(), du.view(), dv)),
                    dmean_q.view_mut(),
                    dk,
                );
                dlandmarks.push([dmean_q, dmean_k]);
            }

            let unit = identity(m);
            let mut dunit = Tensor::zeros(m, m); // I is a constant
            let dmatrices = inverses.backward(dinverses);
            let per_head = heads.iter().zip(dmatrices).zip(dlandmarks);
            for (h, ((head, da), [mut dmean_q, mut dmean_k])) in per_head.enumerate() {
                let [mean_q, mean_k] = &head.landmarks;
                // A = attend(Q̃, K̃, I)
                let mut more = Tensor::stale(m, mean_q.cols());
                Attend::new(mean_q.view(), mean_k.view(), Some(unit.view())).backward(
                    head.lse[1].data(),
                    &[],
                    Some((inverses.matrix(h).view(), da.view(), dunit.view_mut())),
                    more.view_mut(),
                    dmean_k.view_mut(),
                );
                lanes::add(more.data(), dmean_q.data_mut());
                let [dq, dk] = [&mut dq, &mut dk].map(|x| x.view_mut().cols_in(head.range.clone()));
                means_backward(&landmarks, &dmean_q, dq);
                means_backward(&landmarks, &dmean_k, dk);
            }
            [dq, dk, dv]
        })
    }
}

/// `nystrom`.
pub fn entry<T: Real>() -> Entry<T> {
    Entry {
        name: "nystrom",
        about: "through d landmarks and a pseudo-inverse by iteration",
        cites: "Xiong et al. 2021 (Nyströmformer)",
        laws: Laws {
            rows_sum_to_one: false,
            exact_at_full_budget: true,
            linear_memory: true,
            linear_time: true,
            random: false,
        },
        time: "n d p + d³",
        cost: |options, n, p| {
            // Four products with n rows; 24 of the iteration, A times I, and what is small.
            let m = options.features as f64;
            if m >= n {
                return Softmax::cost(n, p);
            }
            let small = 25.0 * m.powi(3) + 2.0 * m * m * p;
            Cost::new(4.0 * n * m * p + small, 4.0 * n * p + n + 21.0 * m * m)
        },
        build: |options| {
            Box::new(Nystrom {
                landmarks: options.features,
                padded_landmarks: options.released,
                shared_scale: options.released,
            })
        },
    }
}
