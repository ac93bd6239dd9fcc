//! Pseudo-inverses of small matrices by matrix products alone, one a head, for [`super::nystrom`]
//! and [`super::skyformer`].
//!
//! Xiong et al. 2021 (Nyströmformer), after Razavi et al. 2014: for a matrix A (m, m),
//!
//! ```text
//! Z_0 = Aᵀ / c,  c = the largest column sum of A        Z_t+1 = Z_t (13 I - X (15 I - X (7 I - X))) / 4,  X = A Z_t
//! ```
//!
//! converges to the pseudo-inverse, to third order, since no eigenvalue of A Z_0 = A Aᵀ / c is above
//! one: if the rows of A sum to one (Nyströmformer), |A|² <= |A|_1 |A|_∞ = c; if A is symmetric with
//! spectral radius one (Skyformer), c >= 1. Six steps are taken, whether they are enough or not, and
//! Z_6 is what the methods use. With
//!
//! ```text
//! X = A Z        P = 7 I - X        Q = 15 I - X P        R = 13 I - X Q        Z' = Z R / 4
//! ```
//!
//! one step backwards is, line by line from the last,
//!
//! ```text
//! dR = Zᵀ dZ' / 4      dZ = dZ' Rᵀ / 4
//! dQ = -Xᵀ dR          dX = -dR Qᵀ
//! dP = -Xᵀ dQ          dX -= dQ Pᵀ
//!                      dX -= dP
//! dA += dX Zᵀ          dZ += Aᵀ dX
//! ```
//!
//! and in the end dA += dZ_0ᵀ / c, dc = -<dZ_0, Z_0> / c, which goes to every entry of the column
//! whose sum is the largest (of equal ones, the first). Z_0 .. Z_6 are kept, X to R are computed
//! again.

use engine::lanes::add_up;
use engine::{MatRef, Real, Tape, Tensor, gemm, lanes};

const STEPS: usize = 6;

/// The matrices of all heads of a layer and what the iteration made of them.
pub(super) struct PseudoInverses<T: Real> {
    matrices: Vec<Tensor<T>>,
    /// Z_0 .. Z_6 of every head.
    iterates: Vec<[Tensor<T>; STEPS + 1]>,
    /// For every head the c of its Z_0.
    divisors: Vec<ColumnSum<T>>,
}

/// The sum of a column of the matrix of a head.
#[derive(Clone, Copy)]
struct ColumnSum<T> {
    head: usize,
    column: usize,
    sum: T,
}

impl<T: Real> PseudoInverses<T> {
    /// Inverts a matrix for every head. With `shared_scale`, c is the largest column sum of all
    /// heads, for each of them, as in the released code (there of the whole batch, too).
    pub(super) fn new(tape: &Tape<T>, matrices: Vec<Tensor<T>>, shared_scale: bool) -> Self {
        let mut divisors: Vec<_> = (0..matrices.len())
            .map(|head| largest_column_sum(head, &matrices[head]))
            .collect();
        if shared_scale {
            let larger = |a: ColumnSum<T>, b: ColumnSum<T>| if b.sum > a.sum { b } else { a };
            if let Some(largest) = divisors.iter().copied().reduce(larger) {
                divisors.fill(largest);
            }
        }
        let iterates = matrices
            .iter()
            .zip(&divisors)
            .map(|(a, c)| iterate(a, c.sum))
            .collect::<Vec<_>>();
        for kept in matrices.iter().chain(iterates.iter().flatten()) {
            tape.save(kept);
        }
        PseudoInverses {
            matrices,
            iterates,
            divisors,
        }
    }

    /// A of a head.
    pub(super) fn matrix(&self, head: usize) -> &Tensor<T> {
        &self.matrices[head]
    }

    /// Z_6 of a head.
    pub(super) fn inverse(&self, head: usize) -> &Tensor<T> {
        &self.iterates[head][STEPS]
    }

    /// The gradients of the matrices from those of their inverses.
    pub(super) fn backward(&self, dinverses: Vec<Tensor<T>>) -> Vec<Tensor<T>> {
        let mut dmatrices = Vec::new();
        let mut dsums = Vec::new();
        for (head, dinverse) in dinverses.into_iter().enumerate() {
            let a = &self.matrices[head];
            let mut da = Tensor::zeros(a.rows(), a.cols());
            let mut dz = dinverse;
            for z in self.iterates[head][..STEPS].iter().rev() {
                dz = step_backward(a, z, &dz, &mut da);
            }
            // Z_0 = Aᵀ / c
            let c = self.divisors[head].sum;
            for i in 0..a.rows() {
                for (j, da) in da.row_mut(i).iter_mut().enumerate() {
                    *da += dz.row(j)[i] / c;
                }
            }
            dsums.push(-lanes::dot(dz.data(), self.iterates[head][0].data()) / c);
            dmatrices.push(da);
        }
        // c = sum over i of A_ij for one j
        for (divisor, dsum) in self.divisors.iter().zip(dsums) {
            let da = &mut dmatrices[divisor.head];
            for i in 0..da.rows() {
                da.row_mut(i)[divisor.column] += dsum;
            }
        }
        dmatrices
    }
}

fn largest_column_sum<T: Real>(head: usize, a: &Tensor<T>) -> ColumnSum<T> {
    let mut sums = Tensor::zeros(1, a.cols());
    add_up(a.view(), sums.data_mut());
    let sums = sums.data();
    let mut column = 0;
    for j in 1..sums.len() {
        if sums[j] > sums[column] {
            column = j;
        }
    }
    ColumnSum {
        head,
        column,
        sum: sums[column],
    }
}

/// alpha A B
fn product<T: Real>(alpha: f64, a: MatRef<'_, T>, b: MatRef<'_, T>) -> Tensor<T> {
    Tensor::product(T::of(alpha), a, b)
}

/// A + c I
pub(super) fn plus_diagonal<T: Real>(mut a: Tensor<T>, c: f64) -> Tensor<T> {
    for i in 0..a.rows() {
        a.row_mut(i)[i] += T::of(c);
    }
    a
}

/// I (m, m)
pub(super) fn identity<T: Real>(m: usize) -> Tensor<T> {
    plus_diagonal(Tensor::zeros(m, m), 1.0)
}

/// X, P, Q, R of a step.
fn polynomials<T: Real>(a: &Tensor<T>, z: &Tensor<T>) -> [Tensor<T>; 4] {
    let x = product(1.0, a.view(), z.view());
    let mut p = x.clone();
    lanes::scale(-T::ONE, p.data_mut());
    let p = plus_diagonal(p, 7.0);
    let q = plus_diagonal(product(-1.0, x.view(), p.view()), 15.0);
    let r = plus_diagonal(product(-1.0, x.view(), q.view()), 13.0);
    [x, p, q, r]
}

fn iterate<T: Real>(a: &Tensor<T>, c: T) -> [Tensor<T>; STEPS + 1] {
    let first = Tensor::from_fn(a.cols(), a.rows(), |i, j| a.row(j)[i] / c);
    let mut z = first;
    std::array::from_fn(|step| {
        if step > 0 {
            let [_, _, _, r] = polynomials(a, &z);
            z = product(0.25, z.view(), r.view());
        }
        z.clone()
    })
}

/// Returns dZ, adds to dA.
fn step_backward<T: Real>(
    a: &Tensor<T>,
    z: &Tensor<T>,
    dnext: &Tensor<T>,
    da: &mut Tensor<T>,
) -> Tensor<T> {
    let [x, p, q, r] = polynomials(a, z);
    // Z' = Z R / 4
    let dr = product(0.25, z.view().t(), dnext.view());
    let mut dz = product(0.25, dnext.view(), r.view().t());
    // R = 13 I - X Q
    let mut dx = product(-1.0, dr.view(), q.view().t());
    let dq = product(-1.0, x.view().t(), dr.view());
    // Q = 15 I - X P
    gemm(-T::ONE, dq.view(), p.view().t(), T::ONE, dx.view_mut());
    let dp = product(-1.0, x.view().t(), dq.view());
    // P = 7 I - X
    lanes::subtract(dp.data(), dx.data_mut());
    // X = A Z
    gemm(T::ONE, dx.view(), z.view().t(), T::ONE, da.view_mut());
    gemm(T::ONE, a.view().t(), dx.view(), T::ONE, dz.view_mut());
    dz
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::Seed;
    use engine::check::{check, normal};

    /// Positive, strongly diagonal, rows that sum to one: six steps invert it.
    fn stochastic(stream: engine::Stream, m: usize) -> Tensor<f64> {
        let noise = normal(stream, m, m);
        let mut a = Tensor::from_fn(m, m, |i, j| {
            (noise.row(i)[j] + if i == j { 4.0 } else { 0.0 }).exp()
        });
        for i in 0..m {
            let sum = lanes::sum(a.row(i));
            lanes::scale(1.0 / sum, a.row_mut(i));
        }
        a
    }

    #[test]
    fn six_steps_invert_a_matrix_that_is_far_from_singular() {
        let tape = Tape::new();
        for m in [1, 2, 7] {
            let a = stochastic(Seed(3).stream("inverse"), m);
            let inverses = PseudoInverses::new(&tape, vec![a.clone()], false);
            let product = product(1.0, a.view(), inverses.inverse(0).view());
            let rest = plus_diagonal(product, -1.0).norm();
            // Measured: 0 to 1e-15.
            assert!(rest < 1e-12, "m = {m}: {rest:e}");
        }
    }

    #[test]
    fn the_gradient_is_right_with_a_scale_of_its_own_and_with_a_shared_one() {
        let stream = Seed(3).stream("gradient");
        let inputs = [
            ("a", stochastic(stream.at(0), 5)),
            ("b", stochastic(stream.at(1), 5)),
        ];
        let sum = |m: &Tensor<f64>| largest_column_sum(0, m).sum;
        assert!((sum(&inputs[0].1) - sum(&inputs[1].1)).abs() > 0.01);
        for shared_scale in [false, true] {
            check("pseudo-inverse", stream, &inputs, |tape, x| {
                let matrices = vec![x[0].save(), x[1].save()];
                let inverses = PseudoInverses::new(tape, matrices, shared_scale);
                let [a, b] = [0, 1].map(|h| inverses.inverse(h).clone());
                let both =
                    Tensor::from_fn(
                        10,
                        5,
                        |i, j| {
                            if i < 5 { a.row(i)[j] } else { b.row(i - 5)[j] }
                        },
                    );
                tape.record("both", [x[0].node(), x[1].node()], both, move |dy| {
                    let dy = dy.view();
                    let halves = [0..5, 5..10];
                    let dinverses = halves.map(|rows| Tensor::from_view(dy.rows_in(rows)));
                    let gradients = inverses.backward(dinverses.into());
                    gradients.try_into().expect("two heads")
                })
            })
            .unwrap_or_else(|failure| panic!("shared scale {shared_scale}: {failure}"));
        }
    }
}
