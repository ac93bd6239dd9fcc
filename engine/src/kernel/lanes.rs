//! Loops compiled for the widest vectors of the machine, chosen at run time, with the same bits on
//! all of them.
//!
//! [`lanes!`](crate::lanes!) takes a function and compiles its body three times: for AVX-512, for
//! AVX2 and for the target as it is (SSE2 on x86-64, NEON on Arm). Multiply-adds are fused where
//! they are written so ([`Real::mul_add`]) and nowhere else (Rust never contracts `a * b + c` on its
//! own), and sums run over a fixed number of lanes, so the instruction set changes the speed and
//! nothing else; tests run every path. Slices that are read together have the same length, which is not checked.

pub use crate::cpu::{Level, level, limited_to};
use crate::gemm::MatRef;
use crate::real::Real;

/// Defines a function over slices of `T: Real` whose body is compiled for every [`Level`]; see the
/// module's page.
///
/// ```
/// engine::lanes! {
///     /// y += a x
///     pub fn axpy<T>(a: T, x: &[T], y: &mut [T]) {
///         for (y, &x) in y.iter_mut().zip(x) {
///             *y = a.mul_add(x, *y);
///         }
///     }
/// }
/// let mut y = [1.0f32, 2.0];
/// axpy(2.0, &[10.0, 20.0], &mut y);
/// assert_eq!(y, [21.0, 42.0]);
/// ```
#[macro_export]
macro_rules! lanes {
    ($($(#[$meta:meta])* $vis:vis fn $name:ident<$t:ident>($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)? $body:block)+) => {$(
        $(#[$meta])*
        $vis fn $name<$t: $crate::Real>($($argument: $type),*) $(-> $result)? {
            #[inline(always)]
            fn body<$t: $crate::Real>($($argument: $type),*) $(-> $result)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma")]
                fn avx512<$t: $crate::Real>($($argument: $type),*) $(-> $result)? {
                    body($($argument),*)
                }
                #[target_feature(enable = "avx2,fma")]
                fn avx2<$t: $crate::Real>($($argument: $type),*) $(-> $result)? {
                    body($($argument),*)
                }
                match $crate::lanes::level() {
                    // SAFETY: `level` has found these features on this machine.
                    $crate::lanes::Level::Avx512 => return unsafe { avx512($($argument),*) },
                    // SAFETY: as above.
                    $crate::lanes::Level::Avx2 => return unsafe { avx2($($argument),*) },
                    $crate::lanes::Level::Portable => {}
                }
            }
            body($($argument),*)
        }
    )+};
}

/// Partial sums run side by side in this many lanes, whatever the width of the machine's vectors.
pub const LANES: usize = 64;
/// The lanes of rows of few columns, where folding [`LANES`] would cost more than the row.
const FEW: usize = 16;

/// Combines `x` to one number in a fixed order: element i goes to lane i mod [`LANES`], then the
/// lanes are folded in halves. For use inside [`lanes!`](crate::lanes!) bodies; `first` is the
/// neutral element of `combine`.
#[inline(always)]
pub fn fold<T: Real, A: Copy>(
    x: &[T],
    first: A,
    combine: impl Fn(A, A) -> A,
    each: impl Fn(T) -> A,
) -> A {
    fold_over::<T, A, LANES>(x, first, combine, each)
}

/// The sum of x_i y_i over [`LANES`] lanes, for use inside [`lanes!`](crate::lanes!) bodies.
#[inline(always)]
pub fn inner<T: Real>(x: &[T], y: &[T]) -> T {
    inner_over::<T, LANES>(x, y)
}

/// The sum of x_i over 16 lanes, for rows of few columns.
#[inline(always)]
pub fn short_sum<T: Real>(x: &[T]) -> T {
    fold_over::<T, T, FEW>(x, T::ZERO, |a, b| a + b, |x| x)
}

/// The sum of x_i y_i over 16 lanes, for rows of few columns.
#[inline(always)]
pub fn short_inner<T: Real>(x: &[T], y: &[T]) -> T {
    inner_over::<T, FEW>(x, y)
}

#[inline(always)]
fn fold_over<T: Real, A: Copy, const N: usize>(
    x: &[T],
    first: A,
    combine: impl Fn(A, A) -> A,
    each: impl Fn(T) -> A,
) -> A {
    let mut lanes = [first; N];
    let (blocks, rest) = x.as_chunks::<N>();
    for x in blocks {
        for (lane, &x) in lanes.iter_mut().zip(x) {
            *lane = combine(*lane, each(x));
        }
    }
    for (lane, &x) in lanes.iter_mut().zip(rest) {
        *lane = combine(*lane, each(x));
    }
    fold_lanes(lanes, combine)
}

#[inline(always)]
fn inner_over<T: Real, const N: usize>(x: &[T], y: &[T]) -> T {
    let mut lanes = [T::ZERO; N];
    let ((xs, x_rest), (ys, y_rest)) = (x.as_chunks::<N>(), y.as_chunks::<N>());
    for (x, y) in xs.iter().zip(ys) {
        for ((lane, &x), &y) in lanes.iter_mut().zip(x).zip(y) {
            *lane = x.mul_add(y, *lane);
        }
    }
    for ((lane, &x), &y) in lanes.iter_mut().zip(x_rest).zip(y_rest) {
        *lane = x.mul_add(y, *lane);
    }
    fold_lanes(lanes, |a, b| a + b)
}

#[inline(always)]
fn fold_lanes<A: Copy, const N: usize>(mut lanes: [A; N], combine: impl Fn(A, A) -> A) -> A {
    let mut half = N / 2;
    while half > 0 {
        let (low, high) = lanes.split_at_mut(half);
        for (low, &high) in low.iter_mut().zip(high.iter()) {
            *low = combine(*low, high);
        }
        half /= 2;
    }
    lanes[0]
}

lanes! {
    /// The sum of `x`.
    pub fn sum<T>(x: &[T]) -> T {
        fold(x, T::ZERO, |a, b| a + b, |x| x)
    }

    /// The sum of x_i², in f64.
    pub fn squares<T>(x: &[T]) -> f64 {
        fold(x, 0.0, |a, b| a + b, |x| x.f64() * x.f64())
    }

    /// The sum of x_i y_i.
    pub fn dot<T>(x: &[T], y: &[T]) -> T {
        inner(x, y)
    }

    /// y += x
    pub fn add<T>(x: &[T], y: &mut [T]) {
        for (y, &x) in y.iter_mut().zip(x) {
            *y += x;
        }
    }

    /// y -= x
    pub fn subtract<T>(x: &[T], y: &mut [T]) {
        for (y, &x) in y.iter_mut().zip(x) {
            *y -= x;
        }
    }

    /// y *= x, element by element
    pub fn multiply<T>(x: &[T], y: &mut [T]) {
        for (y, &x) in y.iter_mut().zip(x) {
            *y *= x;
        }
    }

    /// y *= a
    pub fn scale<T>(a: T, y: &mut [T]) {
        for y in y {
            *y *= a;
        }
    }

    /// y += a x
    pub fn add_scaled<T>(a: T, x: &[T], y: &mut [T]) {
        for (y, &x) in y.iter_mut().zip(x) {
            *y = a.mul_add(x, *y);
        }
    }

    /// sums += all rows of x, in their order
    pub fn add_up<T>(x: MatRef<'_, T>, sums: &mut [T]) {
        for i in 0..x.rows() {
            for (sum, &x) in sums.iter_mut().zip(x.row(i)) {
                *sum += x;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seed;

    #[test]
    fn every_instruction_set_gives_the_same_bits() {
        let mut generator = Seed(3).stream("lanes").generator();
        let x: Vec<f32> = (0..1000).map(|_| generator.normal() as f32).collect();
        let run = |level| {
            limited_to(level, || {
                let mut y = x.clone();
                exponentials(&mut y);
                (
                    sum(&x).to_bits(),
                    dot(&x, &y).to_bits(),
                    y.iter().map(|y| y.to_bits()).collect::<Vec<_>>(),
                    squares(&y).to_bits(),
                )
            })
        };
        let portable = run(Level::Portable);
        assert_eq!(run(Level::Avx2), portable);
        assert_eq!(run(Level::Avx512), portable);
    }

    lanes! {
        fn exponentials<T>(y: &mut [T]) {
            for y in y {
                *y = y.exp() + y.exp2();
            }
        }
    }

    #[test]
    fn sums_of_any_length() {
        for n in [0, 1, 63, 64, 65, 200] {
            let x: Vec<f64> = (0..n).map(f64::from).collect();
            assert_eq!(sum(&x), f64::from(n) * (f64::from(n) - 1.0) / 2.0);
            assert_eq!(
                dot(&x, &vec![2.0; n as usize]),
                f64::from(n) * (f64::from(n) - 1.0)
            );
        }
    }
}
