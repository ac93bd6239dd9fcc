//! Views of matrices with two strides, and their product.
//!
//! Transposes and heads are views, which copy nothing: a transpose swaps the strides, a head is a block of columns. The one product of the project, [`gemm()`], checks shapes and bounds and hands the
//! views to matrixmultiply, or to `product`: see [`Product`](crate::cpu::Product).

use std::cell::Cell;
use std::ops::Range;

use crate::real::Real;

thread_local!(static MULTIPLY_ADDS: Cell<u64> = const { Cell::new(0) });

/// The multiply-adds of all products on this thread so far; subtract two calls to get those between them.
pub fn multiply_adds() -> u64 {
    MULTIPLY_ADDS.get()
}

/// Counts multiply-adds of products that [`gemm()`] did not compute, or not on this thread.
pub fn count_multiply_adds(more: u64) {
    MULTIPLY_ADDS.set(MULTIPLY_ADDS.get() + more);
}

/// What `work` returns and the multiply-adds of its products, which do not count on this thread.
pub fn uncounted<R>(work: impl FnOnce() -> R) -> (R, u64) {
    let before = MULTIPLY_ADDS.get();
    let done = work();
    (done, MULTIPLY_ADDS.replace(before) - before)
}

/// `0..n` in pieces of `size`, the last of which may be shorter: rows that are worked on together.
///
/// # Panics
/// If `size` is 0.
pub fn pieces(n: usize, size: usize) -> impl Iterator<Item = Range<usize>> {
    (0..n)
        .step_by(size)
        .map(move |start| start..(start + size).min(n))
}

/// A `rows x cols` matrix inside a slice: element (i, j) is `data[i * row_stride + j *
/// col_stride]`.
#[derive(Clone, Copy)]
pub struct MatRef<'a, T> {
    data: &'a [T],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

/// As [`MatRef`], to be written; its columns are always adjacent.
pub struct MatMut<'a, T> {
    data: &'a mut [T],
    rows: usize,
    cols: usize,
    row_stride: usize,
}

/// One past the largest index of a view; 0 when it is empty.
fn extent(rows: usize, cols: usize, row_stride: usize, col_stride: usize) -> usize {
    if rows == 0 || cols == 0 {
        0
    } else {
        (rows - 1) * row_stride + (cols - 1) * col_stride + 1
    }
}

impl<'a, T: Real> MatRef<'a, T> {
    /// The contiguous row-major matrix in `data`.
    ///
    /// # Panics
    /// If `data` has another length than `rows * cols`.
    pub fn new(data: &'a [T], rows: usize, cols: usize) -> Self {
        assert_eq!(
            data.len(),
            rows * cols,
            "MatRef: {} numbers are no {rows} x {cols} matrix",
            data.len()
        );
        MatRef {
            data,
            rows,
            cols,
            row_stride: cols,
            col_stride: 1,
        }
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// (rows, cols)
    pub fn shape(&self) -> (usize, usize) {
        (self.rows, self.cols)
    }

    /// Element (i, j).
    ///
    /// # Panics
    /// If there is no such element.
    #[track_caller]
    pub fn at(&self, i: usize, j: usize) -> T {
        assert!(
            i < self.rows && j < self.cols,
            "element ({i}, {j}) of a {} x {} matrix",
            self.rows,
            self.cols
        );
        self.data[i * self.row_stride + j * self.col_stride]
    }

    /// The transpose; nothing is copied.
    pub fn t(self) -> Self {
        MatRef {
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
            ..self
        }
    }

    /// The rows in `range`.
    ///
    /// # Panics
    /// If `range` ends beyond the last one.
    #[track_caller]
    pub fn rows_in(self, range: Range<usize>) -> Self {
        assert!(
            range.end <= self.rows,
            "rows {range:?} of a {} x {} matrix",
            self.rows,
            self.cols
        );
        let start = (range.start * self.row_stride).min(self.data.len());
        MatRef {
            data: &self.data[start..],
            rows: range.len(),
            ..self
        }
    }

    /// The columns in `range`: a head.
    ///
    /// # Panics
    /// If `range` ends beyond the last one.
    #[track_caller]
    pub fn cols_in(self, range: Range<usize>) -> Self {
        assert!(
            range.end <= self.cols,
            "columns {range:?} of a {} x {} matrix",
            self.rows,
            self.cols
        );
        self.t().rows_in(range).t()
    }

    /// Row i as a slice.
    ///
    /// # Panics
    /// If there is no row i, or the columns are not adjacent (a transposed view).
    #[inline]
    #[track_caller]
    pub fn row(&self, i: usize) -> &'a [T] {
        assert!(
            self.col_stride == 1 && i < self.rows,
            "row {i} of {} (column stride {})",
            self.rows,
            self.col_stride
        );
        &self.data[i * self.row_stride..i * self.row_stride + self.cols]
    }
}

impl<'a, T: Real> MatMut<'a, T> {
    /// The contiguous row-major matrix in `data`.
    ///
    /// # Panics
    /// If `data` has another length than `rows * cols`.
    pub fn new(data: &'a mut [T], rows: usize, cols: usize) -> Self {
        Self::strided(data, rows, cols, cols)
    }

    /// The row-major matrix in `data` whose rows begin `row_stride >= cols` apart.
    ///
    /// # Panics
    /// If `data` is too short or the rows would overlap.
    pub fn strided(data: &'a mut [T], rows: usize, cols: usize, row_stride: usize) -> Self {
        assert!(
            row_stride >= cols && extent(rows, cols, row_stride, 1) <= data.len(),
            "MatMut: {} numbers hold no {rows} x {cols} matrix with row stride {row_stride}",
            data.len()
        );
        MatMut {
            data,
            rows,
            cols,
            row_stride,
        }
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// (rows, cols)
    pub fn shape(&self) -> (usize, usize) {
        (self.rows, self.cols)
    }

    /// The same view for reading.
    pub fn as_ref(&self) -> MatRef<'_, T> {
        MatRef {
            data: self.data,
            rows: self.rows,
            cols: self.cols,
            row_stride: self.row_stride,
            col_stride: 1,
        }
    }

    /// The same view for a shorter time.
    pub fn reborrow(&mut self) -> MatMut<'_, T> {
        MatMut {
            data: self.data,
            rows: self.rows,
            cols: self.cols,
            row_stride: self.row_stride,
        }
    }

    /// The rows in `range`.
    ///
    /// # Panics
    /// If `range` ends beyond the last one.
    #[track_caller]
    pub fn rows_in(self, range: Range<usize>) -> Self {
        assert!(
            range.end <= self.rows,
            "rows {range:?} of a {} x {} matrix",
            self.rows,
            self.cols
        );
        let start = (range.start * self.row_stride).min(self.data.len());
        MatMut {
            data: &mut self.data[start..],
            rows: range.len(),
            ..self
        }
    }

    /// The rows in pieces of `size`, the last of which may be shorter, each with its range.
    ///
    /// # Panics
    /// If `size` is 0.
    pub fn row_pieces(self, size: usize) -> impl Iterator<Item = (Range<usize>, MatMut<'a, T>)> {
        let (cols, row_stride, mut data) = (self.cols, self.row_stride, self.data);
        pieces(self.rows, size).map(move |rows| {
            // The last row may end before its stride does.
            let end = (rows.len() * row_stride).min(data.len());
            let (piece, after) = std::mem::take(&mut data).split_at_mut(end);
            data = after;
            let piece = MatMut::strided(piece, rows.len(), cols, row_stride);
            (rows, piece)
        })
    }

    /// The columns in `range`: a head.
    ///
    /// # Panics
    /// If `range` ends beyond the last one.
    #[track_caller]
    pub fn cols_in(self, range: Range<usize>) -> Self {
        assert!(
            range.end <= self.cols,
            "columns {range:?} of a {} x {} matrix",
            self.rows,
            self.cols
        );
        let start = range.start.min(self.data.len());
        MatMut {
            data: &mut self.data[start..],
            cols: range.len(),
            ..self
        }
    }

    /// Row i as a slice.
    ///
    /// # Panics
    /// If there is no row i.
    #[inline]
    #[track_caller]
    pub fn row(&mut self, i: usize) -> &mut [T] {
        assert!(i < self.rows, "row {i} of {}", self.rows);
        &mut self.data[i * self.row_stride..i * self.row_stride + self.cols]
    }
}

/// C = alpha A B + beta C. C is not read when `beta` is 0, so it may be stale.
///
/// # Panics
/// If the shapes do not fit: A (m x k), B (k x n), C (m x n).
#[track_caller]
pub fn gemm<T: Real>(alpha: T, a: MatRef<'_, T>, b: MatRef<'_, T>, beta: T, c: MatMut<'_, T>) {
    assert!(
        a.cols == b.rows && c.rows == a.rows && c.cols == b.cols,
        "gemm: {} x {} times {} x {} does not give {} x {}",
        a.rows,
        a.cols,
        b.rows,
        b.cols,
        c.rows,
        c.cols
    );
    for (name, len, extent) in [
        (
            "A",
            a.data.len(),
            extent(a.rows, a.cols, a.row_stride, a.col_stride),
        ),
        (
            "B",
            b.data.len(),
            extent(b.rows, b.cols, b.row_stride, b.col_stride),
        ),
        ("C", c.data.len(), extent(c.rows, c.cols, c.row_stride, 1)),
    ] {
        assert!(
            extent <= len,
            "gemm: view {name} ends at {extent}, its data at {len}"
        );
    }
    count_multiply_adds((a.rows * a.cols * b.cols) as u64);
    let strides = |row: usize, col: usize| (row as isize, col as isize);
    // SAFETY: the three extents were just checked against the slices that back them; C is borrowed
    // mutably, so it overlaps neither A nor B; the rows of a `MatMut` begin row_stride >= cols
    // apart, so distinct (i, j) of C are distinct addresses.
    unsafe {
        T::raw_gemm(
            a.rows,
            a.cols,
            b.cols,
            alpha,
            a.data.as_ptr(),
            strides(a.row_stride, a.col_stride),
            b.data.as_ptr(),
            strides(b.row_stride, b.col_stride),
            beta,
            c.data.as_mut_ptr(),
            strides(c.row_stride, 1),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::Product;

    #[test]
    fn product_of_heads_and_transposes_equals_the_plain_loop() {
        let a: Vec<f64> = (0..35).map(|i| f64::from(i) * 0.7 - 3.0).collect(); // (5, 7)
        let b: Vec<f64> = (0..24).map(|i| 2.0 - f64::from(i)).collect(); // (6, 4)
        let a = MatRef::new(&a, 5, 7).cols_in(2..6); // (5, 4)
        let b = MatRef::new(&b, 6, 4).rows_in(1..4).t(); // (4, 3)
        let mut c = vec![1.0; 5 * 8];
        gemm(2.0, a, b, 0.5, MatMut::new(&mut c, 5, 8).cols_in(3..6));
        for i in 0..5 {
            for j in 0..8 {
                let want = if (3..6).contains(&j) {
                    0.5 + 2.0 * (0..4).map(|k| a.at(i, k) * b.at(k, j - 3)).sum::<f64>()
                } else {
                    1.0
                };
                assert!((c[i * 8 + j] - want).abs() < 1e-12, "({i}, {j})");
            }
        }
    }

    /// Whether multiply-adds are fused is seen in the sum: (1 + 2^-12)² - 1 without its last bit, if its square is
    /// rounded first.
    #[test]
    fn the_product_says_what_it_multiplies_with() {
        let x = 1.0 + 2.0f32.powi(-12);
        for product in Product::available() {
            let mut y = [0.0];
            let (a, b) = ([1.0, x], [-1.0, x]);
            let (a, b) = (MatRef::new(&a, 1, 2), MatRef::new(&b, 2, 1));
            product.within(|| gemm(1.0, a, b, 0.0, MatMut::new(&mut y, 1, 1)));
            let unfused = 2.0f32.powi(-11);
            match product.instructions() {
                "avx512" | "avx2" | "neon" => assert_eq!(y, [unfused + 2.0f32.powi(-24)]),
                "avx" | "portable" => assert_eq!(y, [unfused]),
                other => panic!("{other}"),
            }
        }
    }

    #[test]
    fn products_are_counted() {
        let before = multiply_adds();
        let (a, b, mut c) = ([1.0f32; 6], [1.0; 12], [0.0; 8]);
        let (a, b) = (MatRef::new(&a, 2, 3), MatRef::new(&b, 3, 4));
        gemm(1.0, a, b, 0.0, MatMut::new(&mut c, 2, 4));
        assert_eq!(multiply_adds() - before, 24);
    }

    #[test]
    fn empty_products() {
        let mut c = [5.0f32; 6];
        gemm(
            1.0,
            MatRef::new(&[], 2, 0),
            MatRef::new(&[], 0, 3),
            0.0,
            MatMut::new(&mut c, 2, 3),
        );
        assert_eq!(c, [0.0; 6]);
        gemm(
            1.0,
            MatRef::new(&[], 0, 2),
            MatRef::new(&[0.0f32; 6], 2, 3),
            0.0,
            MatMut::new(&mut [], 0, 3),
        );
    }

    #[test]
    #[should_panic(expected = "gemm: 2 x 2 times 3 x 1 does not give 2 x 1")]
    fn shapes_that_do_not_fit() {
        let (a, b, mut c) = ([0.0f32; 4], [0.0; 3], [0.0; 2]);
        gemm(
            1.0,
            MatRef::new(&a, 2, 2),
            MatRef::new(&b, 3, 1),
            0.0,
            MatMut::new(&mut c, 2, 1),
        );
    }
}
