//! The discrete Fourier transform on a ring of N places, N a power of two, of many real columns at once.
//!
//! ```text
//! X_f = sum_t x_t w^(f t),   w = e^(-2 π i / N),   f = 0 .. N - 1
//! ```
//!
//! **Two real columns in one complex.** With z = x + i y of real x and y, X_(N-f) is the conjugate of X_f, so that
//!
//! ```text
//! X_f = (Z_f + conj Z_(N-f)) / 2        Y_f = (Z_f - conj Z_(N-f)) / 2i
//! ```
//!
//! and back Z_f = X_f + i Y_f, Z_(N-f) = conj X_f + i conj Y_f. The first half of the columns is the real part, the
//! second the imaginary part, each a plane (N, columns / 2). Of a spectrum the rows 0 .. N / 2 are kept; the rows 0 and
//! N / 2 are real.
//!
//! **Radix two, in order** (Stockham): at each of log2 N stages, with n places left and s sequences side by side, the
//! rows p and p + n / 2 of every sequence become
//!
//! ```text
//! y_(2p) = x_p + x_(p + n/2)        y_(2p + 1) = (x_p - x_(p + n/2)) e^(-2 π i p / n)
//! ```
//!
//! from one pair of planes into another, without a reversal of bits: s rows follow one another in memory and share
//! their factor. The inverse transform is the same with real and imaginary parts exchanged.
//!
//! A transform from a crate takes its factors from the system's sine, whose last bit differs between systems; these come
//! from `libm`, so a spectrum has the same bits everywhere.

use engine::{Real, Tensor, lanes};
use std::f64::consts::TAU;

/// The factors of a ring of N places.
pub(super) struct Ring<T> {
    places: usize,
    /// cos and -sin of 2 π j / N, for j below N / 2.
    factors: [Vec<T>; 2],
}

/// Real and imaginary parts of a spectrum, (N / 2 + 1, columns) each.
pub(super) type Spectrum<T> = [Tensor<T>; 2];

impl<T: Real> Ring<T> {
    /// Of so many places, a power of two.
    pub(super) fn new(places: usize) -> Self {
        let angle = |j: usize| TAU * j as f64 / places as f64;
        let all = |of: fn(f64) -> f64| (0..places / 2).map(|j| T::of(of(angle(j)))).collect();
        Ring {
            places,
            factors: [all(libm::cos), all(|angle| -libm::sin(angle))],
        }
    }

    /// N.
    pub(super) fn places(&self) -> usize {
        self.places
    }

    /// Rows of a spectrum.
    pub(super) fn frequencies(&self) -> usize {
        self.places / 2 + 1
    }

    /// Whether that frequency is its own opposite: there a spectrum of real columns has no imaginary part.
    pub(super) fn is_real(&self, frequency: usize) -> bool {
        frequency == 0 || 2 * frequency == self.places
    }

    /// The spectrum of real columns, (N, columns).
    pub(super) fn spectrum(&self, x: &Tensor<T>) -> Spectrum<T> {
        let columns = x.cols();
        let half = columns.div_ceil(2);
        let plane = |first: usize| {
            Tensor::from_fn(self.places, half, |t, j| match first + j < columns {
                true => x.row(t)[first + j],
                false => T::ZERO, // an odd column has nobody beside it
            })
        };
        let [zr, zi] = self.transform([plane(0), plane(half)]);
        let [mut re, mut im] = [0; 2].map(|_| Tensor::stale(self.frequencies(), columns));
        for f in 0..self.frequencies() {
            let opposite = (self.places - f) % self.places;
            let z = [zr.row(f), zi.row(f), zr.row(opposite), zi.row(opposite)];
            separate(z, re.row_mut(f), im.row_mut(f));
        }
        [re, im]
    }

    /// The real columns (N, columns) of a spectrum: the inverse of [`Ring::spectrum`].
    pub(super) fn signal(&self, [re, im]: &Spectrum<T>) -> Tensor<T> {
        let columns = re.cols();
        let half = columns.div_ceil(2);
        let [mut zr, mut zi] = [0; 2].map(|_| Tensor::zeros(self.places, half));
        for f in 0..self.frequencies() {
            let scale = T::ONE / T::of(self.places as f64);
            let opposite = (self.places - f) % self.places;
            let (re, im) = (re.row(f), im.row(f));
            join(re, im, scale, zr.row_mut(f), zi.row_mut(f));
            if opposite != f {
                join(re, im, -scale, zr.row_mut(opposite), zi.row_mut(opposite));
            }
        }
        let [zi, zr] = self.transform([zi, zr]);
        Tensor::from_fn(self.places, columns, |t, j| match j < half {
            true => zr.row(t)[j],
            false => zi.row(t)[j - half],
        })
    }

    /// The transform of complex columns, real and imaginary parts (N, columns).
    fn transform(&self, mut z: [Tensor<T>; 2]) -> [Tensor<T>; 2] {
        let width = z[0].cols();
        let mut next = [0; 2].map(|_| Tensor::stale(self.places, width));
        let mut side_by_side = 1;
        while side_by_side < self.places {
            let [zr, zi] = &z;
            let [next_r, next_i] = &mut next;
            let [cos, sin] = &self.factors;
            stage(
                [zr.data(), zi.data()],
                [next_r.data_mut(), next_i.data_mut()],
                side_by_side * width,
                [cos, sin],
                side_by_side,
            );
            std::mem::swap(&mut z, &mut next);
            side_by_side *= 2;
        }
        z
    }
}

lanes! {
    /// One stage: blocks of `block` numbers, a row of every sequence, with every `step`-th factor.
    fn stage<T>(x: [&[T]; 2], y: [&mut [T]; 2], block: usize, factors: [&[T]; 2], step: usize) {
        if block == 0 {
            return;
        }
        let [yr, yi] = y;
        let (low_r, high_r) = x[0].split_at(x[0].len() / 2);
        let (low_i, high_i) = x[1].split_at(x[1].len() / 2);
        let low = low_r.chunks_exact(block).zip(low_i.chunks_exact(block));
        let high = high_r.chunks_exact(block).zip(high_i.chunks_exact(block));
        let out = yr.chunks_exact_mut(2 * block).zip(yi.chunks_exact_mut(2 * block));
        for (p, (((ar, ai), (br, bi)), (yr, yi))) in low.zip(high).zip(out).enumerate() {
            let (c, s) = (factors[0][p * step], factors[1][p * step]);
            let (even_r, odd_r) = yr.split_at_mut(block);
            let (even_i, odd_i) = yi.split_at_mut(block);
            for k in 0..block {
                let (dr, di) = (ar[k] - br[k], ai[k] - bi[k]);
                even_r[k] = ar[k] + br[k];
                even_i[k] = ai[k] + bi[k];
                odd_r[k] = dr.mul_add(c, -(di * s));
                odd_i[k] = dr.mul_add(s, di * c);
            }
        }
    }

    /// The rows X_f | Y_f of two columns each from Z_f and Z_(N-f), `z` as real, imaginary, real, imaginary.
    fn separate<T>(z: [&[T]; 4], re: &mut [T], im: &mut [T]) {
        let half = T::of(0.5);
        let [zr, zi, or, oi] = z;
        let (x_re, y_re) = re.split_at_mut(zr.len());
        let (x_im, y_im) = im.split_at_mut(zr.len());
        for (j, (re, im)) in x_re.iter_mut().zip(x_im).enumerate() {
            *re = half * (zr[j] + or[j]);
            *im = half * (zi[j] - oi[j]);
        }
        for (j, (re, im)) in y_re.iter_mut().zip(y_im).enumerate() {
            *re = half * (zi[j] + oi[j]);
            *im = half * (or[j] - zr[j]);
        }
    }

    /// |scale| (X_f + i Y_f) from the rows X_f | Y_f of two columns each; with a negative scale of their conjugates.
    fn join<T>(re: &[T], im: &[T], scale: T, zr: &mut [T], zi: &mut [T]) {
        let (x_re, y_re) = re.split_at(zr.len());
        let (x_im, y_im) = im.split_at(zr.len());
        let size = scale.larger(-scale);
        for (j, (zr, zi)) in zr.iter_mut().zip(zi).enumerate() {
            *zr = size * x_re[j];
            *zi = scale * x_im[j];
            if j < y_re.len() {
                *zr = (-scale).mul_add(y_im[j], *zr);
                *zi = size.mul_add(y_re[j], *zi);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::Seed;
    use engine::check::normal;
    use engine::lanes::{Level, limited_to};

    #[test]
    fn against_the_sum_that_defines_it_and_back() {
        for (places, columns) in [(1, 1), (2, 3), (4, 2), (8, 5), (64, 1), (128, 6)] {
            let x = normal(Seed(1).stream("ring").at(places), places, columns);
            let ring = Ring::new(places);
            let spectrum = ring.spectrum(&x);
            for f in 0..ring.frequencies() {
                for j in 0..columns {
                    let (mut re, mut im) = (0.0, 0.0);
                    for t in 0..places {
                        let angle = TAU * ((f * t) % places) as f64 / places as f64;
                        re += x.row(t)[j] * angle.cos();
                        im -= x.row(t)[j] * angle.sin();
                    }
                    let [got_re, got_im] = [0, 1].map(|part: usize| spectrum[part].row(f)[j]);
                    assert!((got_re - re).abs() < 1e-12, "{places}, {f}: {got_re} {re}");
                    assert!((got_im - im).abs() < 1e-12, "{places}, {f}: {got_im} {im}");
                    assert!(!ring.is_real(f) || got_im == 0.0);
                }
            }
            let back = ring.signal(&spectrum);
            for (back, x) in back.data().iter().zip(x.data()) {
                assert!((back - x).abs() < 1e-14, "{places}: {back} {x}");
            }
        }
    }

    #[test]
    fn f32_keeps_its_digits_and_every_instruction_set_gives_the_same_bits() {
        let x = normal(Seed(2).stream("ring"), 4096, 6);
        let single = Tensor::from_fn(4096, 6, |t, j| x.row(t)[j] as f32);
        let exact = Ring::<f64>::new(4096).spectrum(&x);
        let run = |level| limited_to(level, || Ring::<f32>::new(4096).spectrum(&single));
        let [re, im] = run(Level::Portable);
        let mut worst = 0f64;
        for (got, want) in re.data().iter().zip(exact[0].data()) {
            worst = worst.max((f64::from(*got) - want).abs());
        }
        // A coefficient is about 64 large.
        assert!(worst < 64.0 * 1e-6, "{worst:e}");
        for level in [Level::Avx2, Level::Avx512] {
            let [other_re, other_im] = run(level);
            assert_eq!(other_re.data(), re.data());
            assert_eq!(other_im.data(), im.data());
        }
    }

    #[test]
    fn a_golden_value() {
        // Bits that hold on every system: whole numbers in, and factors from libm.
        let x = Tensor::from_fn(16, 1, |t, _| ((5 * t * t + 3 * t) % 17) as f32);
        let [re, im] = Ring::new(16).spectrum(&x);
        let bits = |x: &Tensor<f32>| x.data().iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        let expected = [
            [
                0x42c8_0000,
                0xc0c8_1599,
                0x40bf_0ed8,
                0x410e_40ea,
                0xc0c0_0000,
                0xc14a_5f10,
                0xc1df_c3b6,
                0xc0bf_ae1d,
                0xc140_0000,
            ],
            [
                0,
                0xc0df_ca8e,
                0x401a_8278,
                0xc128_632a,
                0x4190_0000,
                0x414b_061e,
                0x3ed4_13c0,
                0x4143_8401,
                0,
            ],
        ];
        assert_eq!([bits(&re), bits(&im)], expected);
    }
}
