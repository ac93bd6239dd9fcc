//! Dropout with a mask that is never stored: forward and backward compute it from a key.
//!
//! Whether element (i, j) is kept is a pure function of the key, i and j, so a kernel may visit a matrix tile by tile,
//! in any order and more than once. Two elements share a 32-bit hash: 16 bits decide each, and a block of 32 columns
//! costs 16 hashes side by side. So the rate is rounded to the nearest multiple of 1/65536.

use engine::check::{Case, check, normal};
use engine::{Real, Seed, Stream, Tensor, Var, lanes};
use std::ops::Range;

/// Columns of a block: hash k of a block decides its columns k (low half) and k + 16 (high half).
const BLOCK: usize = 32;
/// The number of values of 16 bits.
const STEPS: u32 = 1 << 16;

/// A mask over a matrix of any size: each element is set to 0 with probability rate', the multiple of 1/65536 nearest
/// to the given rate, else multiplied by 1 / (1 - rate').
#[derive(Clone, Copy, Debug)]
pub struct Dropout {
    /// An element is dropped when its 16 bits are below this: rate' = dropped / 65536.
    dropped: u32,
    /// Row i takes its key from child i.
    rows: Stream,
}

impl Dropout {
    /// The smallest rate that drops anything: lower ones are rounded to 0.
    pub const LEAST: f64 = 0.5 / STEPS as f64;

    /// The mask of `key`, which comes from [`Stream::key`].
    ///
    /// # Panics
    /// If `rate` is not from 0 to below 1, or rounds to 1.
    #[track_caller]
    pub fn new(rate: f64, key: u64) -> Dropout {
        let dropped = (rate * f64::from(STEPS)).round();
        assert!(
            dropped >= 0.0 && dropped < f64::from(STEPS),
            "dropout: rate {rate} is not in 0..1"
        );
        Dropout {
            dropped: dropped as u32,
            rows: Seed(key).stream("dropout"),
        }
    }

    /// What a kept element is multiplied by: 1 / (1 - rate').
    fn scale(self) -> f64 {
        f64::from(STEPS) / f64::from(STEPS - self.dropped)
    }

    /// Multiplies `x`, the elements of columns `first_column`.. of row `row`, by 0 or 1 / (1 - rate').
    ///
    /// # Panics
    /// If `first_column` is not a multiple of 32.
    #[track_caller]
    pub fn apply<T: Real>(&self, row: usize, first_column: usize, x: &mut [T]) {
        mask_row(*self, row, first_block(first_column), x);
    }

    /// Multiplies a tile of the transposed matrix: `x` has a row of `stride` elements for every column from
    /// `first_column` on, and each begins with the elements of `rows`.
    ///
    /// # Panics
    /// If `first_column` is not a multiple of 32.
    #[track_caller]
    pub fn apply_transposed<T: Real>(
        &self,
        rows: Range<usize>,
        first_column: usize,
        x: &mut [T],
        stride: usize,
    ) {
        let keys: Vec<[u32; 2]> = rows.map(|row| halves(self.rows.at(row).key())).collect();
        mask_transposed(*self, &keys, first_block(first_column), x, stride);
    }

    /// Multiplies every element of a matrix in place.
    fn apply_to<T: Real>(self, x: &mut Tensor<T>) {
        let cols = x.cols();
        if cols > 0 {
            mask_rows(self, cols, x.data_mut());
        }
    }
}

#[track_caller]
fn first_block(first_column: usize) -> u32 {
    assert!(
        first_column.is_multiple_of(BLOCK),
        "dropout: column {first_column} does not begin a block of {BLOCK}"
    );
    (first_column / BLOCK) as u32
}

/// y = m * x, m the mask; y is x unchanged, and no node is recorded, without one.
///
/// dx = m * dy. Nothing is saved.
pub fn dropout<'t, T: Real>(x: Var<'t, T>, dropout: Option<Dropout>) -> Var<'t, T> {
    let Some(mask) = dropout else { return x };
    let (tape, parent) = (x.tape(), x.node());
    let mut y = x.into_value().into_owned();
    mask.apply_to(&mut y);
    tape.record("dropout", [parent], y, move |dy| {
        let mut dx = dy.into_owned();
        mask.apply_to(&mut dx);
        [dx]
    })
}

lanes! {
    fn mask_row<T>(mask: Dropout, row: usize, first_block: u32, x: &mut [T]) {
        multiply(mask, row, first_block, x);
    }

    fn mask_transposed<T>(mask: Dropout, keys: &[[u32; 2]], first_block: u32, x: &mut [T], stride: usize) {
        let scale = T::of(mask.scale());
        let factor = |bits: u32| if bits < mask.dropped { T::ZERO } else { scale };
        for (block, x) in (first_block..).zip(x.chunks_mut(BLOCK * stride)) {
            let (low, high) = x.split_at_mut(x.len().min(BLOCK / 2 * stride));
            let mut high = high.chunks_exact_mut(stride);
            let first = block.wrapping_mul(BLOCK as u32 / 2);
            for (k, low) in (0..).zip(low.chunks_exact_mut(stride)) {
                let counter = first.wrapping_add(k);
                match high.next() {
                    Some(high) => {
                        for ((low, high), &key) in low.iter_mut().zip(high).zip(keys) {
                            let bits = hash(key, counter);
                            *low *= factor(bits % STEPS);
                            *high *= factor(bits / STEPS);
                        }
                    }
                    None => {
                        for (low, &key) in low.iter_mut().zip(keys) {
                            *low *= factor(hash(key, counter) % STEPS);
                        }
                    }
                }
            }
        }
    }

    fn mask_rows<T>(mask: Dropout, cols: usize, x: &mut [T]) {
        for (row, x) in x.chunks_exact_mut(cols).enumerate() {
            multiply(mask, row, 0, x);
        }
    }
}

#[inline(always)]
fn multiply<T: Real>(mask: Dropout, row: usize, first_block: u32, x: &mut [T]) {
    let scale = T::of(mask.scale());
    let key = halves(mask.rows.at(row).key());
    let (blocks, rest) = x.as_chunks_mut::<BLOCK>();
    let mut block = first_block;
    for x in blocks {
        for (x, factor) in x.iter_mut().zip(factors(mask.dropped, scale, key, block)) {
            *x *= factor;
        }
        block += 1;
    }
    if !rest.is_empty() {
        for (x, factor) in rest
            .iter_mut()
            .zip(factors(mask.dropped, scale, key, block))
        {
            *x *= factor;
        }
    }
}

/// The 32 factors of a block.
#[inline(always)]
fn factors<T: Real>(dropped: u32, scale: T, key: [u32; 2], block: u32) -> [T; BLOCK] {
    let mut factors = [T::ZERO; BLOCK];
    let (low, high) = factors.split_at_mut(BLOCK / 2);
    let first = block.wrapping_mul(BLOCK as u32 / 2);
    for (k, (low, high)) in low.iter_mut().zip(high).enumerate() {
        let bits = hash(key, first.wrapping_add(k as u32));
        *low = if bits % STEPS < dropped {
            T::ZERO
        } else {
            scale
        };
        *high = if bits / STEPS < dropped {
            T::ZERO
        } else {
            scale
        };
    }
    factors
}

/// A key as [`hash`] takes it: the low half, the high half.
fn halves(key: u64) -> [u32; 2] {
    [key as u32, (key >> 32) as u32]
}

/// A counter hash: the rounds of lowbias32 (Wellons 2018: multiplications and shifts found by search for least bias)
/// over the counter, with one half of the row's key before them and the other half between, so that rows whose first
/// halves happen to be neighbours are still no shifts of each other.
#[inline(always)]
fn hash(key: [u32; 2], counter: u32) -> u32 {
    let mut h = counter ^ key[0];
    h = (h ^ (h >> 16)).wrapping_mul(0x7feb_352d);
    h = h.wrapping_add(key[1]);
    h = (h ^ (h >> 15)).wrapping_mul(0x846c_a68b);
    h ^ (h >> 16)
}

/// The gradient checks of this file.
pub fn cases() -> Vec<Case> {
    vec![Case::new("dropout", |stream| {
        let mask = Dropout::new(0.3, stream.stream("mask").key());
        let mut checked = Vec::new();
        for (n, c) in [(1, 3), (5, 37), (2, 64)] {
            let x = normal(stream.stream("x").at(n), n, c);
            checked.extend(check("dropout", stream, &[("x", x)], |_, x| {
                dropout(x[0].clone(), Some(mask))
            })?);
        }
        Ok(checked)
    })]
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::Tape;
    use engine::lanes::{Level, limited_to};

    /// The mask itself: what it makes of ones.
    fn mask(rate: f64, key: u64, n: usize, c: usize) -> Vec<f64> {
        let mut ones = Tensor::filled(n, c, 1.0);
        Dropout::new(rate, key).apply_to(&mut ones);
        ones.data().to_vec()
    }

    fn kept(mask: &[f64]) -> Vec<f64> {
        mask.iter().map(|&m| f64::from(u8::from(m > 0.0))).collect()
    }

    #[test]
    fn a_mask_keeps_its_golden_values() {
        // If this fails, no stored loss of a run with dropout can be met again.
        let mut row = [1f32; 40];
        Dropout::new(0.5, 42).apply(3, 64, &mut row);
        let bits: String = row
            .iter()
            .map(|&m| if m == 0.0 { '.' } else { '2' })
            .collect();
        assert_eq!(bits, "2..22..2.22....2.22....2.22.2..222.22...");
        assert!(row.iter().all(|&m| m == 0.0 || m == 2.0));
    }

    #[test]
    fn elements_are_kept_as_often_as_stated_and_the_mean_stays() {
        let (n, c) = (2048, 512);
        let count = (n * c) as f64;
        for (key, rate) in [0.0, 0.1, 0.25, 0.5, 0.9].into_iter().enumerate() {
            let rounded = (rate * 65536.0f64).round() / 65536.0;
            let mask = mask(rate, key as u64, n, c);
            let keep = 1.0 - rounded;
            let error = (keep * rounded / count).sqrt();
            let frequency = kept(&mask).iter().sum::<f64>() / count;
            assert!(
                (frequency - keep).abs() <= 4.0 * error,
                "{rate}: {frequency}"
            );
            let mean = mask.iter().sum::<f64>() / count;
            assert!((mean - 1.0).abs() <= 4.0 * error / keep, "{rate}: {mean}");
            assert!(
                mask.iter()
                    .all(|&m| m == 0.0 || (m * keep - 1.0).abs() < 1e-15)
            );
        }
    }

    #[test]
    fn elements_rows_and_keys_look_independent() {
        let (n, c) = (1024, 256);
        let rate = 0.3;
        let a = kept(&mask(rate, 1, n, c));
        let b = kept(&mask(rate, 2, n, c));
        // Correlation of two sequences of independent coin flips: standard error 1 / sqrt(length).
        let correlation = |what: &str, a: &[f64], b: &[f64]| {
            let length = a.len().min(b.len());
            let covariance: f64 = a.iter().zip(b).map(|(a, b)| (a - 0.7) * (b - 0.7)).sum();
            let r = covariance / (length as f64 * 0.21);
            assert!(r.abs() < 4.0 / (length as f64).sqrt(), "{what}: {r}");
        };
        correlation("neighbouring keys", &a, &b);
        for (what, shift) in [
            ("neighbours", 1),
            ("halves of one hash", 16),
            ("neighbouring blocks", 32),
            ("neighbouring rows", c),
            ("rows two apart", 2 * c),
            ("diagonal neighbours", c + 1),
        ] {
            correlation(what, &a[shift..], &a);
        }
        // The numbers kept in a row, and in a column, scatter as binomial ones do (variance of a variance: 2 / count).
        let scatter = |what: &str, sums: Vec<f64>, each: usize| {
            let (mean, variance) = (each as f64 * 0.7, each as f64 * 0.21);
            let ratio = sums.iter().map(|s| (s - mean) * (s - mean)).sum::<f64>()
                / (sums.len() as f64 * variance);
            let error = (2.0 / sums.len() as f64).sqrt();
            assert!((ratio - 1.0).abs() < 4.0 * error, "{what}: {ratio}");
        };
        scatter("rows", a.chunks(c).map(|row| row.iter().sum()).collect(), c);
        let column = |j: usize| a.iter().skip(j).step_by(c).sum();
        scatter("columns", (0..c).map(column).collect(), n);
    }

    #[test]
    fn the_mask_does_not_depend_on_how_a_row_is_split_nor_on_the_instruction_set() {
        let c = 205;
        let dropout = Dropout::new(0.4, 9);
        let mut whole = Tensor::<f32>::filled(3, c, 1.0);
        dropout.apply_to(&mut whole);
        for level in [Level::Portable, Level::Avx2, Level::Avx512] {
            for piece in [32, 64, 96, 256] {
                for i in 0..3 {
                    let mut row = vec![1f32; c];
                    for (k, x) in row.chunks_mut(piece).enumerate() {
                        limited_to(level, || dropout.apply(i, k * piece, x));
                    }
                    assert_eq!(row, whole.row(i), "{level:?}, pieces of {piece}");
                }
            }
        }
        // As tiles of the transposed matrix, two rows and some columns at a time.
        for level in [Level::Portable, Level::Avx2, Level::Avx512] {
            for piece in [32, 64, 96, 256] {
                for k in 0..c.div_ceil(piece) {
                    let columns = k * piece..((k + 1) * piece).min(c);
                    let mut x = vec![1f32; columns.len() * 5];
                    limited_to(level, || {
                        dropout.apply_transposed(1..3, columns.start, &mut x, 5);
                    });
                    for (x, j) in x.chunks_exact(5).zip(columns) {
                        let want = [whole.row(1)[j], whole.row(2)[j], 1.0, 1.0, 1.0];
                        assert_eq!(x, want, "{level:?}, pieces of {piece}, column {j}");
                    }
                }
            }
        }
        let double = Tensor::filled(3, c, 1f64);
        let tape = Tape::new();
        let double = super::dropout(tape.leaf("x", double), Some(dropout));
        let same = |(a, b): (&f32, &f64)| (*a == 0.0) == (*b == 0.0);
        assert!(whole.data().iter().zip(double.value().data()).all(same));
    }

    #[test]
    fn forward_and_backward_multiply_by_the_same_mask() {
        let (n, c) = (7, 45);
        let given = mask(0.25, 3, n, c);
        let tape = Tape::new();
        let x = tape.leaf("x", normal(Seed(1).stream("x"), n, c));
        let y = dropout(x.clone(), Some(Dropout::new(0.25, 3)));
        let dy = normal(Seed(1).stream("dy"), n, c);
        let dx = tape.backward_from(&y, dy.clone()).of(&x);
        for (i, m) in given.iter().enumerate() {
            assert_eq!(y.value().data()[i], x.value().data()[i] * m);
            assert_eq!(dx.data()[i], dy.data()[i] * m);
        }
    }

    #[test]
    fn without_a_mask_there_is_no_node() {
        let tape = Tape::traced();
        let x = tape.leaf("x", Tensor::scalar(1f32));
        dropout(x, None);
        assert_eq!(tape.records().len(), 1);
    }

    #[test]
    fn the_least_rate_is_the_first_that_drops() {
        assert_eq!(Dropout::new(Dropout::LEAST, 0).dropped, 1);
        assert_eq!(Dropout::new(Dropout::LEAST.next_down(), 0).dropped, 0);
    }

    #[test]
    #[should_panic(expected = "dropout: rate 1 is not in 0..1")]
    fn a_rate_of_one() {
        Dropout::new(1.0, 0);
    }

    #[test]
    #[should_panic(expected = "dropout: column 16 does not begin a block of 32")]
    fn a_column_inside_a_block() {
        Dropout::new(0.5, 0).apply(0, 16, &mut [0f32; 4]);
    }
}
