//! The spectral norm of a tall matrix X (n, p): the largest singular value, the square root of the
//! largest eigenvalue of Xᵀ X.
//!
//! p is the width of a head, so that Xᵀ X (p, p) is small and Jacobi's rotations find all of its
//! eigenvalues: no starting vector, no gap between eigenvalues that convergence would depend on.
//! What is not 0 yet beside the diagonal bounds the error: every eigenvalue is within its Frobenius
//! norm of a diagonal element (Weyl).

use crate::terminal::output::tell;
use engine::{Real, Tensor, gemm};

/// Rotations stop when the Frobenius norm beside the diagonal is this part of the whole: the
/// eigenvalue is then right to this part, the singular value to half of it.
const TOLERANCE: f64 = 1e-14;
/// Sweeps over all pairs; convergence is quadratic, ten are plenty for hundreds of columns.
const MOST_SWEEPS: usize = 60;

/// ||X||_2, computed in f64. Not a number if an element is not finite. If it is less exact than the
/// tolerance has it, that is said on standard error.
pub(crate) fn spectral_norm<T: Real>(x: &Tensor<T>) -> f64 {
    let (n, p) = x.shape();
    let wide = Tensor::<f64>::from_fn(n, p, |i, j| x.row(i)[j].f64());
    // Brought to 1 first: squares of tiny or huge elements stay in range.
    let largest = wide.data().iter().fold(0.0f64, |max, x| max.max(x.abs()));
    if !wide.data().iter().all(|x| x.is_finite()) {
        return f64::NAN;
    }
    if largest == 0.0 {
        return 0.0;
    }
    let unit = Tensor::from_fn(n, p, |i, j| wide.row(i)[j] / largest);
    let mut gram = Tensor::zeros(p, p);
    gemm(1.0, unit.view().t(), unit.view(), 0.0, gram.view_mut());
    let (eigenvalue, beside) = largest_eigenvalue(gram.data_mut(), p, MOST_SWEEPS);
    if beside > TOLERANCE {
        tell(&format!(
            "note:   {MOST_SWEEPS} sweeps leave a spectral norm ({n} x {p}) right to a part of {beside:.0e} only"
        ));
    }
    largest * eigenvalue.max(0.0).sqrt()
}

/// The largest eigenvalue of a symmetric matrix (p, p) by cyclic Jacobi rotations (Golub and Van
/// Loan, section 8.5), and which part of the whole is left beside the diagonal; `a`, not all 0, is
/// overwritten.
fn largest_eigenvalue(a: &mut [f64], p: usize, most_sweeps: usize) -> (f64, f64) {
    let whole = a.iter().map(|x| x * x).sum::<f64>().sqrt();
    let part_beside = |a: &[f64]| {
        let beside = (0..p * p).filter(|at| at / p != at % p);
        beside.map(|at| a[at] * a[at]).sum::<f64>().sqrt() / whole
    };
    let mut beside = part_beside(a);
    for _ in 0..most_sweeps {
        if beside <= TOLERANCE {
            break;
        }
        for i in 0..p {
            for j in i + 1..p {
                rotate(a, p, i, j);
            }
        }
        beside = part_beside(a);
    }
    let largest = (0..p).map(|i| a[i * p + i]).fold(f64::MIN, f64::max);
    (largest, beside)
}

/// The rotation in the plane of i and j that makes a_ij zero.
fn rotate(a: &mut [f64], p: usize, i: usize, j: usize) {
    let off = a[i * p + j];
    if off == 0.0 {
        return;
    }
    let tau = (a[j * p + j] - a[i * p + i]) / (2.0 * off);
    // The smaller of the two angles; hypot cannot overflow.
    let t = tau.signum() / (tau.abs() + tau.hypot(1.0));
    let c = 1.0 / t.hypot(1.0);
    let s = t * c;
    for k in 0..p {
        let (x, y) = (a[k * p + i], a[k * p + j]);
        (a[k * p + i], a[k * p + j]) = (c * x - s * y, s * x + c * y);
    }
    for k in 0..p {
        let (x, y) = (a[i * p + k], a[j * p + k]);
        (a[i * p + k], a[j * p + k]) = (c * x - s * y, s * x + c * y);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::Seed;

    fn random(n: usize, p: usize, seed: u64) -> Tensor<f64> {
        let mut generator = Seed(seed).stream("matrix").generator();
        Tensor::from_fn(n, p, |_, _| generator.normal())
    }

    /// The plainest loop: v <- Xᵀ X v, as often as it takes.
    fn by_power_iteration(x: &Tensor<f64>) -> f64 {
        let (n, p) = x.shape();
        let mut v: Vec<f64> = (0..p).map(|j| 1.0 + j as f64 / 7.0).collect();
        let mut norm = 0.0;
        for _ in 0..20_000 {
            let xv: Vec<f64> = (0..n)
                .map(|i| x.row(i).iter().zip(&v).map(|(a, b)| a * b).sum())
                .collect();
            let mut next = vec![0.0; p];
            for (i, xv) in xv.iter().enumerate() {
                for (next, a) in next.iter_mut().zip(x.row(i)) {
                    *next += a * xv;
                }
            }
            norm = next.iter().map(|a| a * a).sum::<f64>().sqrt();
            v = next.iter().map(|a| a / norm).collect();
        }
        norm.sqrt()
    }

    #[test]
    fn equals_the_limit_of_the_power_iteration() {
        for (n, p) in [(1, 1), (1, 5), (5, 1), (7, 3), (3, 7), (40, 8), (65, 32)] {
            let x = random(n, p, (n * 100 + p) as u64);
            let (got, want) = (spectral_norm(&x), by_power_iteration(&x));
            assert!((got / want - 1.0).abs() < 1e-12, "{n} x {p}: {got}, {want}");
        }
    }

    /// Equal and nearly equal largest singular values, where the power iteration would not do.
    #[test]
    fn known_singular_values() {
        let diagonal = |d: &[f64]| {
            Tensor::<f64>::from_fn(d.len(), d.len(), |i, j| if i == j { d[i] } else { 0.0 })
        };
        assert_eq!(spectral_norm(&diagonal(&[1.0, 3.0, 3.0])), 3.0);
        assert_eq!(spectral_norm(&diagonal(&[2.0, -5.0])), 5.0);
        assert_eq!(spectral_norm(&Tensor::<f64>::zeros(4, 3)), 0.0);
        // u vᵀ has one singular value, ||u|| ||v||, also at the ends of the range.
        for scale in [1.0, 1e-160, 1e160] {
            let x = Tensor::<f64>::from_fn(2, 2, |i, j| scale * [3.0, 4.0][i] * [1.0, 1.0][j]);
            let want = scale * 5.0 * 2f64.sqrt();
            assert!((spectral_norm(&x) / want - 1.0).abs() < 1e-14);
        }
        assert!(spectral_norm(&Tensor::<f64>::filled(2, 2, f64::NAN)).is_nan());
    }

    #[test]
    fn what_few_sweeps_leave_beside_the_diagonal_is_known() {
        let x = random(40, 8, 1);
        let mut gram = Tensor::zeros(8, 8);
        gemm(1.0, x.view().t(), x.view(), 0.0, gram.view_mut());
        let within = |sweeps| largest_eigenvalue(gram.clone().data_mut(), 8, sweeps);
        let (right, beside) = within(MOST_SWEEPS);
        assert!(beside <= TOLERANCE, "{beside}");
        for sweeps in [0, 1, 2] {
            let (eigenvalue, beside) = within(sweeps);
            assert!(beside > TOLERANCE, "{sweeps}: {beside}");
            // Weyl's bound, with room for rounding.
            let error = (eigenvalue - right).abs();
            assert!(
                error <= (beside + TOLERANCE) * gram.norm(),
                "{sweeps}: {error}"
            );
        }
    }

    #[test]
    fn single_precision_is_widened_before_it_is_squared() {
        let x = Tensor::<f32>::from_fn(1000, 1, |_, _| 0.1);
        let want = f64::from(0.1f32) * 1000f64.sqrt();
        assert!((spectral_norm(&x) / want - 1.0).abs() < 1e-14);
    }
}
