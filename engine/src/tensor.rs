//! The tensor: a contiguous row-major matrix, shared until it is written.

use std::ops::Range;
use std::sync::Arc;

use crate::buffer::Buffer;
use crate::gemm::{MatMut, MatRef, gemm};
use crate::lanes;
use crate::real::Real;

/// A `rows x cols` matrix. Cloning shares the numbers; writing to a shared one copies it first.
///
/// Everything is a matrix: a vector is `1 x n` or `n x 1`, a number is `1 x 1`, a head is a block
/// of columns.
#[derive(Clone)]
pub struct Tensor<T: Real> {
    rows: usize,
    cols: usize,
    data: Arc<Buffer<T>>,
}

impl<T: Real> Tensor<T> {
    fn wrap(rows: usize, cols: usize, buffer: Buffer<T>) -> Self {
        Tensor {
            rows,
            cols,
            data: Arc::new(buffer),
        }
    }

    /// All elements 0.
    pub fn zeros(rows: usize, cols: usize) -> Self {
        Self::filled(rows, cols, T::ZERO)
    }

    /// All elements `value`.
    pub fn filled(rows: usize, cols: usize, value: T) -> Self {
        Self::wrap(rows, cols, Buffer::filled(rows * cols, value))
    }

    /// Arbitrary (stale) elements, for a caller that writes every one of them.
    pub fn stale(rows: usize, cols: usize) -> Self {
        Self::wrap(rows, cols, Buffer::stale(rows * cols))
    }

    /// Element (i, j) is `f(i, j)`.
    pub fn from_fn(rows: usize, cols: usize, mut f: impl FnMut(usize, usize) -> T) -> Self {
        let mut tensor = Self::stale(rows, cols);
        let data = tensor.data_mut();
        for i in 0..rows {
            for j in 0..cols {
                data[i * cols + j] = f(i, j);
            }
        }
        tensor
    }

    /// The rows one after the other in `data`.
    ///
    /// # Panics
    /// If `data` has another length than `rows * cols`.
    #[track_caller]
    pub fn from_slice(rows: usize, cols: usize, data: &[T]) -> Self {
        assert_eq!(
            data.len(),
            rows * cols,
            "from_slice: {} numbers are no {rows} x {cols} tensor",
            data.len()
        );
        let mut tensor = Self::stale(rows, cols);
        tensor.data_mut().copy_from_slice(data);
        tensor
    }

    /// A copy of a view.
    ///
    /// # Panics
    /// If its columns are not adjacent (a transposed view).
    #[track_caller]
    pub fn from_view(view: MatRef<'_, T>) -> Self {
        let mut tensor = Self::stale(view.rows(), view.cols());
        for i in 0..view.rows() {
            tensor.row_mut(i).copy_from_slice(view.row(i));
        }
        tensor
    }

    /// alpha A B: A (m, k), B (k, n) to (m, n).
    ///
    /// # Panics
    /// If A has not as many columns as B has rows.
    #[track_caller]
    pub fn product(alpha: T, a: MatRef<'_, T>, b: MatRef<'_, T>) -> Self {
        let mut c = Self::stale(a.rows(), b.cols());
        gemm(alpha, a, b, T::ZERO, c.view_mut());
        c
    }

    /// A `1 x 1` tensor.
    pub fn scalar(value: T) -> Self {
        Self::filled(1, 1, value)
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

    /// The size in bytes.
    pub fn bytes(&self) -> usize {
        self.rows * self.cols * size_of::<T>()
    }

    /// All elements, row by row.
    pub fn data(&self) -> &[T] {
        &self.data
    }

    /// All elements, to be written; copies them first if another tensor shares them.
    pub fn data_mut(&mut self) -> &mut [T] {
        let buffer: &mut Buffer<T> = Arc::make_mut(&mut self.data);
        buffer
    }

    /// Row i.
    ///
    /// # Panics
    /// If there is no row i.
    pub fn row(&self, i: usize) -> &[T] {
        &self.data[i * self.cols..(i + 1) * self.cols]
    }

    /// Row i, to be written; panics as [`Tensor::row`] does.
    pub fn row_mut(&mut self, i: usize) -> &mut [T] {
        let cols = self.cols;
        &mut self.data_mut()[i * cols..(i + 1) * cols]
    }

    /// The only element of a `1 x 1` tensor.
    ///
    /// # Panics
    /// If the tensor is not `1 x 1`.
    #[track_caller]
    pub fn item(&self) -> T {
        assert_eq!(
            self.shape(),
            (1, 1),
            "item: a {} x {} tensor is not one number",
            self.rows,
            self.cols
        );
        self.data[0]
    }

    /// The whole matrix as a view.
    pub fn view(&self) -> MatRef<'_, T> {
        MatRef::new(&self.data, self.rows, self.cols)
    }

    /// The columns in `range` as a view: a head.
    ///
    /// # Panics
    /// If `range` ends beyond the last column.
    pub fn cols_in(&self, range: Range<usize>) -> MatRef<'_, T> {
        self.view().cols_in(range)
    }

    /// The whole matrix as a view to be written.
    pub fn view_mut(&mut self) -> MatMut<'_, T> {
        let (rows, cols) = self.shape();
        MatMut::new(self.data_mut(), rows, cols)
    }

    /// Nobody else holds these numbers, so that writing them copies nothing.
    fn is_unique(&self) -> bool {
        Arc::strong_count(&self.data) == 1
    }

    /// An address that tells whose numbers these are, to count shared ones once.
    pub(crate) fn address(&self) -> usize {
        self.data.as_ptr() as usize
    }

    /// `self` where nobody else holds its numbers, else a copy: for operators that write their result over an input
    /// or a cotangent which they use for the last time.
    pub fn into_owned(mut self) -> Self {
        self.data_mut();
        self
    }

    /// Adds `other` to the first rows of `self`.
    ///
    /// The two have the same number of columns; the one with fewer rows counts as 0 in the others. So
    /// the gradient of a table can end at the last row that was read.
    ///
    /// # Panics
    /// If the numbers of columns differ.
    #[track_caller]
    pub fn add_rows(self, other: Tensor<T>) -> Self {
        assert_eq!(
            self.cols,
            other.cols,
            "add_rows: {:?} and {:?}",
            self.shape(),
            other.shape()
        );
        // Into the longer one; of equals into the one that nobody else holds.
        let swap = self.rows < other.rows
            || (self.rows == other.rows && !self.is_unique() && other.is_unique());
        let (mut sum, part) = if swap { (other, self) } else { (self, other) };
        let shared = part.rows * part.cols;
        lanes::add(part.data(), &mut sum.data_mut()[..shared]);
        sum
    }

    /// With rows of zeros at its end where it has fewer than `rows`.
    pub fn of_height(self, rows: usize) -> Self {
        if self.rows < rows {
            Tensor::zeros(rows, self.cols).add_rows(self)
        } else {
            self
        }
    }

    /// The Euclidean norm of all elements, summed in f64.
    pub fn norm(&self) -> f64 {
        lanes::squares(&self.data).sqrt()
    }
}

impl<T: Real> std::fmt::Debug for Tensor<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{} x {} {}", self.rows, self.cols, T::NAME)?;
        for i in 0..self.rows.min(8) {
            writeln!(
                f,
                "  {:.4?}{}",
                &self.row(i)[..self.cols.min(8)],
                if self.cols > 8 { " ..." } else { "" }
            )?;
        }
        if self.rows > 8 {
            writeln!(f, "  ...")
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_shares_until_it_is_written() {
        let a = Tensor::<f32>::zeros(2, 3);
        let mut b = a.clone();
        assert_eq!(a.address(), b.address());
        b.row_mut(1)[2] = 5.0;
        assert_eq!(a.data(), [0.0; 6]);
        assert_eq!(b.data(), [0.0, 0.0, 0.0, 0.0, 0.0, 5.0]);
    }

    #[test]
    fn add_rows_of_all_kinds_of_ownership() {
        let long = Tensor::<f64>::from_fn(3, 2, |i, j| (i * 2 + j) as f64);
        let short = Tensor::<f64>::filled(2, 2, 10.0);
        let want = [10.0, 11.0, 12.0, 13.0, 4.0, 5.0];
        let copy = |t: &Tensor<f64>| Tensor::from_view(t.view());
        assert_eq!(long.clone().add_rows(short.clone()).data(), want);
        assert_eq!(copy(&long).add_rows(copy(&short)).data(), want);
        assert_eq!(short.clone().add_rows(long.clone()).data(), want);
        assert_eq!(copy(&short).add_rows(long.clone()).data(), want);
        let twice = [20.0; 4];
        assert_eq!(short.clone().add_rows(short.clone()).data(), twice);
        assert_eq!(copy(&short).add_rows(short.clone()).data(), twice);
        assert_eq!(short.clone().add_rows(copy(&short)).data(), twice);
        assert_eq!(short.data(), [10.0; 4]);
    }
}
