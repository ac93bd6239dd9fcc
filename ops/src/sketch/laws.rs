//! What every family has to keep: E[S Sᵀ] = I, the adjoint identities, one S behind the four
//! products, the same bits on every instruction set, the same S at replayed draws.

use super::*;
use engine::check::normal;
use engine::lanes::{Level, limited_to};
use engine::{Seed, Stream, Tensor};

/// (n, d): single rows and columns, odd ones, powers of two, d above n where the family has that.
const SHAPES: [(usize, usize); 9] = [
    (1, 1),
    (1, 3),
    (2, 2),
    (3, 2),
    (7, 8),
    (16, 16),
    (33, 5),
    (64, 20),
    (100, 128),
];

/// Every family that has the shape, drawn.
fn sketches<T: Real>(n: usize, d: usize, stream: Stream) -> Vec<(Family, Arc<dyn Sketch<T>>)> {
    families(n)
        .into_iter()
        .enumerate()
        .filter(|(_, family)| family.has_shape(n, d))
        .map(|(which, family)| {
            let s = family.draw(n, d, &Draws::live(stream.at(which)), "s");
            (family, s)
        })
        .collect()
}

/// The four products as functions that make their output.
fn st_x<T: Real>(s: &Arc<dyn Sketch<T>>, x: &Tensor<T>) -> Tensor<T> {
    let mut out = Tensor::filled(s.shape().1, x.cols(), T::of(f64::NAN));
    s.st_x(x.view(), out.view_mut());
    out
}

fn s_y<T: Real>(s: &Arc<dyn Sketch<T>>, y: &Tensor<T>) -> Tensor<T> {
    let mut out = Tensor::filled(s.shape().0, y.cols(), T::of(f64::NAN));
    s.s_y(y.view(), out.view_mut());
    out
}

fn x_s<T: Real>(s: &Arc<dyn Sketch<T>>, x: &Tensor<T>) -> Tensor<T> {
    let mut out = Tensor::filled(x.rows(), s.shape().1, T::of(f64::NAN));
    s.x_s(x.view(), out.view_mut());
    out
}

fn y_st<T: Real>(s: &Arc<dyn Sketch<T>>, y: &Tensor<T>) -> Tensor<T> {
    let mut out = Tensor::filled(y.rows(), s.shape().0, T::of(f64::NAN));
    s.y_st(y.view(), out.view_mut());
    out
}

fn identity(n: usize) -> Tensor<f64> {
    Tensor::from_fn(n, n, |i, j| if i == j { 1.0 } else { 0.0 })
}

fn inner(a: &Tensor<f64>, b: &Tensor<f64>) -> f64 {
    assert_eq!(a.shape(), b.shape());
    a.data().iter().zip(b.data()).map(|(a, b)| a * b).sum()
}

/// Mean of S Sᵀ over `draws` draws and the standard error of each of its elements.
fn second_moment(family: &Family, n: usize, d: usize, draws: usize) -> (Vec<f64>, Vec<f64>) {
    let stream = Seed(1).stream("moment");
    let (mut sum, mut squares) = (vec![0.0; n * n], vec![0.0; n * n]);
    for draw in 0..draws {
        let s = family.draw(n, d, &Draws::live(stream.at(draw)), "s");
        let s_st = s_y(&s, &st_x(&s, &identity(n)));
        for ((sum, square), x) in sum.iter_mut().zip(&mut squares).zip(s_st.data()) {
            *sum += x;
            *square += x * x;
        }
    }
    let count = draws as f64;
    let errors = sum.iter().zip(&squares).map(|(sum, square)| {
        let mean = sum / count;
        ((square / count - mean * mean).max(0.0) / count).sqrt()
    });
    let errors = errors.collect();
    (sum.iter().map(|sum| sum / count).collect(), errors)
}

const DRAWS: usize = 20_000;

/// The element of E[S Sᵀ] - `want` that is furthest off in standard errors. 1e-9 is for those that
/// do not vary: (S Sᵀ)_ii of a CountSketch is 1 up to rounding.
fn furthest(moment: &(Vec<f64>, Vec<f64>), want: &[f64]) -> f64 {
    let (means, errors) = moment;
    (means.iter().zip(errors).zip(want))
        .map(|((mean, error), want)| (mean - want).abs() / error.max(1e-9))
        .fold(0.0, f64::max)
}

#[test]
fn the_second_moment_of_s_is_the_identity() {
    for (n, d) in [(6, 1), (11, 4), (8, 8)] {
        for family in families(n) {
            if !family.has_shape(n, d)
                || matches!(
                    family,
                    Family::Importance {
                        scheme: Scheme::DistinctBiased,
                        ..
                    }
                )
            {
                continue;
            }
            let moment = second_moment(&family, n, d, DRAWS);
            // Some 2,000 elements in all; 4.5 standard errors come once in 150,000.
            let furthest = furthest(&moment, identity(n).data());
            assert!(furthest < 4.5, "{family}, ({n}, {d}): {furthest}");
        }
    }
}

#[test]
fn weights_of_independent_draws_are_biased_for_distinct_ones_by_as_much_as_said() {
    let weights = [1.0, 2.0, 3.0, 4.0];
    let family = Family::Importance {
        weights: weights.into(),
        scheme: Scheme::DistinctBiased,
    };
    let moment = second_moment(&family, 4, 2, DRAWS);
    // Also a proof that the test above can fail.
    assert!(furthest(&moment, identity(4).data()) > 20.0);
    // P(i is one of two) / (2 p_i), from the law of successive draws.
    let p = weights.map(|w| w / 10.0);
    let want = Tensor::from_fn(4, 4, |i, j| {
        let second: f64 = (0..4)
            .filter(|&k| k != i)
            .map(|k| p[k] * p[i] / (1.0 - p[k]))
            .sum();
        if i == j {
            (p[i] + second) / (2.0 * p[i])
        } else {
            0.0
        }
    });
    assert!(furthest(&moment, want.data()) < 4.5);
    assert!(want.row(0)[0] > 1.1 && want.row(3)[3] < 0.9, "{want:?}");
}

#[test]
fn rows_of_weight_zero_come_last() {
    let weights: Arc<[f64]> = [0.0, 2.0, 0.0, 1.0].into();
    let moment = |scheme, d| {
        let weights = Arc::clone(&weights);
        second_moment(&Family::Importance { weights, scheme }, 4, d, DRAWS)
    };
    let diagonal = |x: [f64; 4]| Tensor::from_fn(4, 4, |i, j| if i == j { x[i] } else { 0.0 });
    let positive = diagonal([0.0, 1.0, 0.0, 1.0]);
    for (scheme, d) in [
        (Scheme::Replacement, 3),
        (Scheme::Distinct, 1),
        (Scheme::Distinct, 2),
    ] {
        let furthest = furthest(&moment(scheme, d), positive.data());
        assert!(furthest < 4.5, "{scheme:?}, d = {d}: {furthest}");
    }
    let furthest = furthest(&moment(Scheme::Distinct, 3), identity(4).data());
    assert!(furthest < 4.5, "{furthest}");
}

#[test]
fn adjoint_identities_hold_to_rounding() {
    for (n, d) in SHAPES {
        let stream = Seed(2).stream("adjoint").at(n).at(d);
        for (family, s) in sketches::<f64>(n, d, stream) {
            assert_eq!(s.shape(), (n, d));
            for c in [1, 3, 17] {
                let (x, y) = (normal(stream.at(0), n, c), normal(stream.at(1), d, c));
                let (sketched, lifted) = (st_x(&s, &x), s_y(&s, &y));
                let scale = (sketched.norm() * y.norm()).max(lifted.norm() * x.norm());
                let error = (inner(&sketched, &y) - inner(&x, &lifted)).abs();
                assert!(error <= 1e-12 * scale, "{family}, ({n}, {d}): {error:e}");

                let (x, y) = (normal(stream.at(2), c, n), normal(stream.at(3), c, d));
                let (sketched, lifted) = (x_s(&s, &x), y_st(&s, &y));
                let scale = (sketched.norm() * y.norm()).max(lifted.norm() * x.norm());
                let error = (inner(&sketched, &y) - inner(&x, &lifted)).abs();
                assert!(error <= 1e-12 * scale, "{family}, ({n}, {d}): {error:e}");
            }
        }
    }
}

#[test]
fn the_four_products_are_those_of_one_matrix() {
    for (n, d) in SHAPES {
        let stream = Seed(3).stream("dense").at(n).at(d);
        for (family, s) in sketches::<f64>(n, d, stream) {
            let dense = s_y(&s, &identity(d)); // (n, d)
            let close = |got: &Tensor<f64>, want: &dyn Fn(usize, usize) -> f64| {
                for i in 0..got.rows() {
                    for j in 0..got.cols() {
                        let (got, want) = (got.row(i)[j], want(i, j));
                        let error = (got - want).abs();
                        assert!(error < 1e-12 * (n + d) as f64, "{family}: {got}, {want}");
                    }
                }
            };
            let (x, y) = (normal(stream.at(0), n, 3), normal(stream.at(1), d, 3));
            close(&st_x(&s, &x), &|j, c| {
                (0..n).map(|i| dense.row(i)[j] * x.row(i)[c]).sum()
            });
            close(&s_y(&s, &y), &|i, c| {
                (0..d).map(|j| dense.row(i)[j] * y.row(j)[c]).sum()
            });
            let (x, y) = (normal(stream.at(2), 19, n), normal(stream.at(3), 19, d));
            close(&x_s(&s, &x), &|r, j| {
                (0..n).map(|i| dense.row(i)[j] * x.row(r)[i]).sum()
            });
            close(&y_st(&s, &y), &|r, i| {
                (0..d).map(|j| dense.row(i)[j] * y.row(r)[j]).sum()
            });
            assert_looks_like(&family, &dense);
        }
    }
}

/// The entries of S that the family's page promises.
fn assert_looks_like(family: &Family, s: &Tensor<f64>) {
    let (n, d) = s.shape();
    let of = |value: f64, values: &[f64]| values.iter().any(|v| (value - v).abs() < 1e-14);
    let in_row = |i: usize| s.row(i).iter().filter(|w| **w != 0.0).count();
    let in_column = |j: usize| (0..n).filter(|&i| s.row(i)[j] != 0.0).count();
    let every = |values: &[f64]| s.data().iter().all(|&w| of(w, values));
    let root = 1.0 / (d as f64).sqrt();
    let right = match family {
        Family::Gaussian => s.data().iter().all(|&w| w != 0.0 && w.abs() < 6.0 * root),
        Family::Rademacher { sparsity } => {
            let w = sparsity.sqrt() * root;
            every(&[w, -w, 0.0]) && (*sparsity > 1.0 || s.data().iter().all(|&w| w != 0.0))
        }
        Family::CountSketch { per_row } => {
            let w = 1.0 / (*per_row as f64).sqrt();
            every(&[w, -w, 0.0]) && (0..n).all(|i| in_row(i) == *per_row)
        }
        Family::Srht => every(&[root, -root]),
        Family::Uniform { replacement } => {
            every(&[(n as f64).sqrt() * root, 0.0])
                && (0..d).all(|j| in_column(j) == 1)
                && (*replacement || (0..n).all(|i| in_row(i) <= 1))
        }
        Family::Importance { scheme, .. } => {
            (0..d).all(|j| in_column(j) == 1)
                && (*scheme == Scheme::Replacement || (0..n).all(|i| in_row(i) <= 1))
        }
    };
    assert!(right, "{family} gave {s:?}");
}

#[test]
fn heads_are_sketched_in_place() {
    // Columns 2..5 of a wider matrix to columns 1..4 of another, whose others keep their values.
    for (family, s) in sketches::<f32>(9, 4, Seed(4).stream("heads")) {
        let wide = Tensor::from_fn(9, 6, |i, j| (i * 6 + j) as f32);
        let head = Tensor::from_view(wide.cols_in(2..5));
        let mut out = Tensor::filled(4, 5, -1.0);
        s.st_x(wide.cols_in(2..5), out.view_mut().cols_in(1..4));
        let want = st_x(&s, &head);
        for j in 0..4 {
            assert_eq!(out.row(j)[1..4], *want.row(j), "{family}");
            assert_eq!((out.row(j)[0], out.row(j)[4]), (-1.0, -1.0));
        }
    }
}

#[test]
fn every_instruction_set_gives_the_same_bits() {
    let stream = Seed(5).stream("bits");
    let single = |x: Tensor<f64>| Tensor::from_fn(x.rows(), x.cols(), |i, j| x.row(i)[j] as f32);
    for (family, s) in sketches::<f32>(100, 24, stream) {
        let tall = single(normal(stream.at(0), 100, 19));
        let wide = single(normal(stream.at(1), 19, 100));
        let run = |level| {
            limited_to(level, || {
                let (a, b) = (st_x(&s, &tall), x_s(&s, &wide));
                let results = [s_y(&s, &a), y_st(&s, &b), a, b];
                results.map(|x| x.data().iter().map(|x| x.to_bits()).collect::<Vec<_>>())
            })
        };
        let portable = run(Level::Portable);
        assert_eq!(run(Level::Avx2), portable, "{family}");
        assert_eq!(run(Level::Avx512), portable, "{family}");
    }
}

#[test]
fn replayed_draws_give_the_same_s_in_both_precisions() {
    let stream = Seed(6).stream("replay");
    for family in families(12) {
        let first = Draws::recording(stream);
        let s = family.draw::<f64>(12, 5, &first, "s");
        assert!(first.recorded().keys().all(|name| name.starts_with('s')));
        let second = Draws::replay(stream.at(99), first.recorded());
        let again = family.draw::<f32>(12, 5, &second, "s");
        let ones = (Tensor::filled(12, 1, 1.0), Tensor::filled(12, 1, 1.0));
        let (double, single) = (st_x(&s, &ones.0), st_x(&again, &ones.1));
        for (double, single) in double.data().iter().zip(single.data()) {
            let error = (double - f64::from(*single)).abs();
            assert!(error < 1e-5, "{family}: {double} and {single}");
        }
    }
}

#[test]
fn every_case_passes_and_no_gradient_is_zero() {
    for case in cases() {
        for input in case.run().unwrap_or_else(|failure| panic!("{failure}")) {
            assert!(input.norm > 1e-3, "{}: {}", case.operator, input.input);
        }
    }
}

#[test]
#[should_panic(expected = "sketch s: no S of 9 x 17 is Srht")]
fn more_columns_than_the_padded_transform_has() {
    let _ = Family::Srht.draw::<f32>(9, 17, &Draws::live(Seed(1).stream("s")), "s");
}

#[test]
#[should_panic(expected = "draw s.columns: 4 numbers where the shape asks for 5")]
fn draws_of_another_shape() {
    let draws = Draws::recording(Seed(1).stream("s"));
    let family = Family::CountSketch { per_row: 1 };
    let _ = family.draw::<f32>(4, 3, &draws, "s");
    let replay = Draws::replay(Seed(1).stream("s"), draws.recorded());
    let _ = family.draw::<f32>(5, 3, &replay, "s");
}
