//! The number type: `f32` to train, `f64` to check gradients.
//!
//! [`Real`] has exactly two implementations. Beside arithmetic it picks the matrix product (sgemm, of
//! which there are two, or dgemm) and carries the transcendental functions that stand in inner loops. Those are the
//! project's own, written without branches, so that [`lanes!`](crate::lanes!) compiles them to
//! vector code, and with every fused multiply-add spelt out ([`Real::mul_add`]), so that this code
//! gives the same bits on every instruction set.

use std::fmt::{Debug, Display, LowerExp};
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Sub, SubAssign};

use crate::cpu::Product;

/// A floating-point number of the engine: `f32` or `f64`.
pub trait Real:
    Copy
    + Default
    + PartialOrd
    + Send
    + Sync
    + Debug
    + Display
    + LowerExp
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + DivAssign
    + Sum
    + 'static
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// Minus infinity: a logit that is not there.
    const NEG_INFINITY: Self;
    /// The name of the type, for messages.
    const NAME: &'static str;

    /// The nearest number of this type.
    fn of(x: f64) -> Self;
    /// This number as `f64`, exactly.
    fn f64(self) -> f64;
    /// Neither infinite nor NaN.
    fn is_finite(self) -> bool;
    /// Square root, correctly rounded.
    fn sqrt(self) -> Self;
    /// Natural logarithm (scalar, from `libm`: the same bits on every platform).
    fn ln(self) -> Self;
    /// Absolute value.
    fn abs(self) -> Self;
    /// self * a + b, rounded once. One instruction where the machine has it (x86-64 since AVX2,
    /// Arm); elsewhere a function call, slow and with the same bits.
    fn mul_add(self, a: Self, b: Self) -> Self;

    /// e^x within about 1 ulp; 0 from about x = -87 (`f64`: -708) downwards, where results cease to
    /// be normal numbers (subnormal operands are slow).
    fn exp(self) -> Self;
    /// 2^x, as exact as [`Real::exp`] and in fewer operations: for softmax, which multiplies its logits by log2(e). 0
    /// where results would not be normal numbers. NaN for the NaN that arithmetic makes; for a NaN with other low bits
    /// the result may be finite.
    fn exp2(self) -> Self;
    /// (sin x, cos x), each within 1e-7 for `f32` up to |x| = 10,000.
    fn sin_cos(self) -> (Self, Self);
    /// The standard normal law at x: (Φ(x), φ(x)), its distribution function and its density.
    fn normal_law(self) -> (Self, Self);

    /// The larger of two numbers, the second if one is NaN; compiles to one instruction, where
    /// `f32::max` must treat NaN apart.
    #[inline(always)]
    fn larger(self, other: Self) -> Self {
        if self > other { self } else { other }
    }

    /// C = alpha A B + beta C on strided matrices; see [`gemm()`](crate::gemm()) for the checked
    /// form.
    ///
    /// # Safety
    /// Element (i, j) of a matrix lies at `pointer + i * row stride + j * column stride`; all
    /// elements of A (m x k), B (k x n) and C (m x n) must be inside live allocations, C must not
    /// overlap A or B, and distinct (i, j) of C must be distinct addresses. C is not read when
    /// `beta` is 0.
    #[allow(clippy::too_many_arguments)] // BLAS' own signature
    unsafe fn raw_gemm(
        m: usize,
        k: usize,
        n: usize,
        alpha: Self,
        a: *const Self,
        a_strides: (isize, isize),
        b: *const Self,
        b_strides: (isize, isize),
        beta: Self,
        c: *mut Self,
        c_strides: (isize, isize),
    );
}

/// What both implementations share, word for word.
macro_rules! shared {
    ($t:ident, $gemm:expr) => {
        const ZERO: Self = 0.0;
        const ONE: Self = 1.0;
        const NEG_INFINITY: Self = $t::NEG_INFINITY;
        const NAME: &'static str = stringify!($t);

        #[inline(always)]
        fn of(x: f64) -> Self {
            x as $t
        }

        #[inline(always)]
        fn f64(self) -> f64 {
            f64::from(self)
        }

        #[inline(always)]
        fn is_finite(self) -> bool {
            $t::is_finite(self)
        }

        #[inline(always)]
        fn sqrt(self) -> Self {
            $t::sqrt(self)
        }

        #[inline(always)]
        fn abs(self) -> Self {
            $t::abs(self)
        }

        #[inline(always)]
        fn mul_add(self, a: Self, b: Self) -> Self {
            $t::mul_add(self, a, b)
        }

        unsafe fn raw_gemm(
            m: usize,
            k: usize,
            n: usize,
            alpha: Self,
            a: *const Self,
            (a_row, a_column): (isize, isize),
            b: *const Self,
            (b_row, b_column): (isize, isize),
            beta: Self,
            c: *mut Self,
            (c_row, c_column): (isize, isize),
        ) {
            let gemm = $gemm;
            // SAFETY: the caller's contract is the one of both products.
            unsafe {
                gemm(
                    m, k, n, alpha, a, a_row, a_column, b, b_row, b_column, beta, c, c_row,
                    c_column,
                )
            }
        }
    };
}

/// Adding 1.5 * 2^23 rounds to an integer, which then stands in the low bits of the sum.
const ROUND: f32 = 12_582_912.0;

impl Real for f32 {
    shared!(
        f32,
        match Product::current() {
            Product::Matrixmultiply => matrixmultiply::sgemm,
            Product::FixedOrder => super::product::sgemm,
        }
    );

    fn ln(self) -> f32 {
        libm::logf(self)
    }

    /// x = n ln 2 + r with |r| <= ln 2 / 2; e^r by a polynomial of degree 6 (relative error 2e-9,
    /// fitted by weighted least squares to the minimax level); 2^n from its bits, as 2 * 2^(n-1) so
    /// that n = 128 still works.
    #[inline(always)]
    fn exp(self) -> f32 {
        const LN2_HIGH: f32 = 0.693_359_4; // 355 / 512, exactly: few bits, so that n * LN2_HIGH is exact
        const LN2_LOW: f32 = -2.121_944_4e-4;
        let x = if self > 89.0 { 89.0 } else { self };
        let rounded = x.mul_add(std::f32::consts::LOG2_E, ROUND);
        let n = rounded - ROUND;
        let r = n.mul_add(-LN2_LOW, n.mul_add(-LN2_HIGH, x));
        let mut p = 0.001_383_670_6_f32;
        p = p.mul_add(r, 0.008_374_901);
        p = p.mul_add(r, 0.041_668_23);
        p = p.mul_add(r, 0.166_664_18);
        p = p.mul_add(r, 0.499_999_9);
        p = p.mul_add(r, 1.0);
        p = p.mul_add(r, 1.0);
        let scale = f32::from_bits(rounded.to_bits().wrapping_add(126) << 23);
        let y = (p + p) * scale;
        if self < -87.0 { 0.0 } else { y }
    }

    /// x = n + r with |r| <= 1 / 2; 2^r by a polynomial of degree 6 (relative error 3e-9, fitted as
    /// above) that is 1 at 0; n added to the exponent of its bits, which gives infinity at 128.
    #[inline(always)]
    fn exp2(self) -> f32 {
        let x = if self > 128.0 { 128.0 } else { self };
        let rounded = x + ROUND;
        let r = x - (rounded - ROUND);
        let mut p = 1.532_647_6e-4_f32;
        p = p.mul_add(r, 0.001_339_081);
        p = p.mul_add(r, 0.009_618_506);
        p = p.mul_add(r, 0.055_503_6);
        p = p.mul_add(r, 0.240_226_48);
        p = p.mul_add(r, std::f32::consts::LN_2);
        p = p.mul_add(r, 1.0);
        let y = f32::from_bits(p.to_bits().wrapping_add(rounded.to_bits() << 23));
        if self < -126.0 { 0.0 } else { y }
    }

    /// x = n π/2 + r with |r| <= π/4, Taylor polynomials of r made minimax (Moshier's Cephes), and the quarter turns
    /// n mod 4 from the low bits. From 4 million on neighbouring numbers are a quarter turn apart: then sine and
    /// cosine of 0.
    #[inline(always)]
    fn sin_cos(self) -> (f32, f32) {
        const QUARTER_HIGH: f32 = std::f32::consts::FRAC_PI_2;
        const QUARTER_LOW: f32 = -4.371_139e-8; // π/2 - QUARTER_HIGH
        let x = if self.abs() > 4e6 { 0.0 } else { self };
        let rounded = x.mul_add(std::f32::consts::FRAC_2_PI, ROUND);
        let n = rounded - ROUND;
        let r = n.mul_add(-QUARTER_LOW, n.mul_add(-QUARTER_HIGH, x));
        let square = r * r;
        let mut sin = -1.951_529_6e-4_f32;
        sin = sin.mul_add(square, 8.332_161e-3);
        sin = sin.mul_add(square, -0.166_666_55);
        sin = (sin * square).mul_add(r, r);
        let mut cos = 2.443_315_7e-5_f32;
        cos = cos.mul_add(square, -1.388_731_6e-3);
        cos = cos.mul_add(square, 4.166_664_6e-2);
        cos = (cos * square).mul_add(square, square.mul_add(-0.5, 1.0));
        let turns = rounded.to_bits();
        let (s, c) = if turns & 1 == 0 {
            (sin, cos)
        } else {
            (cos, sin)
        };
        let negative = |bit: u32| (turns.wrapping_add(bit) & 2) << 30;
        (
            f32::from_bits(s.to_bits() ^ negative(0)),
            f32::from_bits(c.to_bits() ^ negative(1)),
        )
    }

    /// Φ(-a√2) = erfc(a) / 2 with erfc(a) = e^(-a²) t P(t), t = 1 / (1 + 0.45 a), for a >= 0 (the
    /// form of Abramowitz and Stegun 7.1.26 with a polynomial of degree 9 fitted to 1.2e-8); Φ(x) =
    /// 1 - Φ(-x) on the other side.
    #[inline(always)]
    fn normal_law(self) -> (f32, f32) {
        let a = self.abs() * std::f32::consts::FRAC_1_SQRT_2;
        let t = 1.0 / a.mul_add(0.45, 1.0);
        let mut p = -0.032_755_274_f32;
        p = p.mul_add(t, 0.144_566_28);
        p = p.mul_add(t, -0.194_586_79);
        p = p.mul_add(t, 0.005_258_964);
        p = p.mul_add(t, 0.087_355_404);
        p = p.mul_add(t, 0.063_871_72);
        p = p.mul_add(t, 0.193_501_97);
        p = p.mul_add(t, 0.224_636_74);
        p = p.mul_add(t, 0.254_284_34);
        p = p.mul_add(t, 0.253_866_64);
        let gauss = Real::exp(-a * a);
        let tail = 0.5 * (p * t) * gauss;
        let distribution = if self < 0.0 { tail } else { 1.0 - tail };
        (distribution, gauss * 0.398_942_3)
    }
}

/// As [`ROUND`], 1.5 * 2^52.
const ROUND64: f64 = 6_755_399_441_055_744.0;

/// e^r for |r| <= ln 2 / 2.
#[inline(always)]
fn exp_taylor(r: f64) -> f64 {
    let mut p = 1.0 / 6_227_020_800.0; // 1 / 13!
    for factorial in [
        479_001_600.0,
        39_916_800.0,
        3_628_800.0,
        362_880.0,
        40_320.0,
        5_040.0,
        720.0,
        120.0,
        24.0,
        6.0,
        2.0,
        1.0,
        1.0,
    ] {
        p = p.mul_add(r, 1.0 / factorial);
    }
    p
}

impl Real for f64 {
    shared!(f64, matrixmultiply::dgemm);

    fn ln(self) -> f64 {
        libm::log(self)
    }

    /// As for `f32`, with the Taylor polynomial of degree 13 (its remainder is below 5e-18).
    #[inline(always)]
    fn exp(self) -> f64 {
        const LN2_HIGH: f64 = 0.693_147_180_369_123_8;
        const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
        let x = if self > 710.0 { 710.0 } else { self };
        let rounded = x.mul_add(std::f64::consts::LOG2_E, ROUND64);
        let n = rounded - ROUND64;
        let p = exp_taylor(n.mul_add(-LN2_LOW, n.mul_add(-LN2_HIGH, x)));
        let scale = f64::from_bits(rounded.to_bits().wrapping_add(1022) << 52);
        let y = (p + p) * scale;
        if self < -708.0 { 0.0 } else { y }
    }

    /// As for `f32`, with the same polynomial as above.
    #[inline(always)]
    fn exp2(self) -> f64 {
        let x = if self > 1024.0 { 1024.0 } else { self };
        let rounded = x + ROUND64;
        let p = exp_taylor((x - (rounded - ROUND64)) * std::f64::consts::LN_2);
        let y = f64::from_bits(p.to_bits().wrapping_add(rounded.to_bits() << 52));
        if self < -1022.0 { 0.0 } else { y }
    }

    /// Scalar, from `libm`, as the next.
    fn sin_cos(self) -> (f64, f64) {
        libm::sincos(self)
    }

    /// Scalar, from `libm`: double precision is for checking gradients, not for speed.
    fn normal_law(self) -> (f64, f64) {
        let distribution = 0.5 * libm::erfc(-self * std::f64::consts::FRAC_1_SQRT_2);
        (
            distribution,
            Real::exp(-0.5 * self * self) * 0.398_942_280_401_432_7,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Worst error in units of the last place against `f64` (f32) or `libm` (f64).
    #[test]
    fn exp_is_within_its_stated_error() {
        fn error<T: Real>(worst: &mut f64, got: T, want: f64) {
            let epsilon = if T::NAME == "f32" {
                f64::from(f32::EPSILON)
            } else {
                f64::EPSILON
            };
            *worst = worst.max((got.f64() - want).abs() / (want * epsilon));
        }
        let mut worst = [0f64; 4];
        for i in 0..400_000 {
            let x = -86.9 + f64::from(i) * (175.6 / 400_000.0);
            let x32 = x as f32;
            error(&mut worst[0], Real::exp(x32), libm::exp(x32.into()));
            error(&mut worst[1], Real::exp(8.0 * x), libm::exp(8.0 * x));
            let x32 = (1.44 * x) as f32;
            error(&mut worst[2], Real::exp2(x32), libm::exp2(x32.into()));
            error(&mut worst[3], Real::exp2(11.5 * x), libm::exp2(11.5 * x));
        }
        // Measured: 0.74, 1.00, 0.54 and 0.99 in units of epsilon times the result.
        assert!(worst.iter().all(|&worst| worst < 1.2), "{worst:?}");
    }

    #[test]
    fn exp_at_its_ends() {
        fn ends<T: Real>(exp: fn(T) -> T, largest: f64) {
            assert_eq!(exp(T::ZERO), T::ONE);
            assert_eq!(exp(T::NEG_INFINITY), T::ZERO);
            assert_eq!(exp(T::of(-1e5)), T::ZERO);
            assert_eq!(exp(T::of(f64::INFINITY)), T::of(f64::INFINITY));
            assert!(exp(T::of(largest)).is_finite());
            assert_eq!(exp(T::of(largest + 0.1)), T::of(f64::INFINITY));
            assert!(exp(T::of(f64::NAN)).f64().is_nan());
        }
        ends::<f32>(Real::exp, 88.7);
        ends::<f64>(Real::exp, 709.7);
        ends::<f32>(Real::exp2, 127.99);
        ends::<f64>(Real::exp2, 1023.99);
    }

    #[test]
    fn sin_cos_is_within_its_stated_error() {
        let mut worst: f64 = 0.0;
        for i in 0..400_000 {
            let x = ((f64::from(i) - 200_000.0) * 0.05) as f32;
            let (sin, cos) = Real::sin_cos(x);
            let (want_sin, want_cos) = Real::sin_cos(f64::from(x));
            worst = worst.max((f64::from(sin) - want_sin).abs());
            worst = worst.max((f64::from(cos) - want_cos).abs());
        }
        assert!(worst < 1e-7, "{worst:e}");
        assert_eq!(Real::sin_cos(0f32), (0.0, 1.0));
        assert_eq!(Real::sin_cos(f32::MAX), (0.0, 1.0));
        assert!(Real::sin_cos(f32::NAN).0.is_nan() && Real::sin_cos(f32::NAN).1.is_nan());
    }

    #[test]
    fn normal_law_is_within_its_stated_error() {
        let mut worst: f64 = 0.0;
        for i in 0..20_000 {
            let x = -10.0 + f64::from(i) * 1e-3;
            let (distribution, density) = Real::normal_law(x as f32);
            let (want_distribution, want_density) = Real::normal_law(f64::from(x as f32));
            worst = worst.max((f64::from(distribution) - want_distribution).abs());
            worst = worst.max((f64::from(density) - want_density).abs());
        }
        // Measured: 1.5e-7, two and a half units in the last place of 1.
        assert!(worst < 2e-7, "{worst:e}");
    }
}
