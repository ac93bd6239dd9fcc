//! A second product of `f32` matrices for the small and narrow ones of attention: the cargo feature
//! `avx512`. Called by [`crate::real`] in matrixmultiply's place, with its signature.
//!
//! Matrixmultiply copies A and B into panels first, which repays itself on large matrices. Here
//! nothing is copied but a B whose columns are not adjacent: the innermost loop reads a row of B and
//! multiplies it by single numbers of A, wherever they lie. A tile of C stays in registers; its sums
//! run over k in order, fused, so that no element depends on how C is cut into tiles. Machines
//! without AVX-512 are served by matrixmultiply.

#[cfg(not(target_arch = "x86_64"))]
pub(crate) use matrixmultiply::sgemm;

#[cfg(target_arch = "x86_64")]
pub(crate) use x86_64::sgemm;

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use crate::lanes::{Level, level};
    use std::arch::x86_64::*;
    use std::mem::MaybeUninit;

    /// Rows of a tile: with two vectors a row, 24 of the 32 registers hold sums.
    const ROWS: usize = 12;
    /// Columns of a tile, in two vectors.
    const COLS: usize = 2 * VECTOR;
    const VECTOR: usize = 16;
    /// Depth of a block of k, at most: as many rows of B's tile, 34 KiB, stay in the nearest cache. The 257 keys of
    /// attention by 256 columns are one block.
    const DEPTH: usize = 272;
    /// Numbers of a block of A, about: 256 KiB stay in the second cache while all columns of B go by.
    const BLOCK: usize = 1 << 16;

    /// A matrix in memory: where it begins, and the distances of its rows and columns.
    #[derive(Clone, Copy)]
    struct Source {
        start: *const f32,
        row: isize,
        col: isize,
    }

    impl Source {
        /// The part from (i, j) on; nothing is read.
        fn from(self, i: usize, j: usize) -> Self {
            let offset = i as isize * self.row + j as isize * self.col;
            let start = self.start.wrapping_offset(offset);
            Source { start, ..self }
        }
    }

    /// C = alpha A B + beta C, as `matrixmultiply::sgemm`.
    ///
    /// # Safety
    /// The contract of [`Real::raw_gemm`](crate::Real::raw_gemm).
    #[allow(clippy::too_many_arguments)] // BLAS' own signature
    pub(crate) unsafe fn sgemm(
        m: usize,
        k: usize,
        n: usize,
        alpha: f32,
        a: *const f32,
        a_row: isize,
        a_col: isize,
        b: *const f32,
        b_row: isize,
        b_col: isize,
        beta: f32,
        c: *mut f32,
        c_row: isize,
        c_col: isize,
    ) {
        if c_col != 1 || level() != Level::Avx512 {
            // SAFETY: the caller's contract is the one of matrixmultiply.
            return unsafe {
                matrixmultiply::sgemm(
                    m, k, n, alpha, a, a_row, a_col, b, b_row, b_col, beta, c, c_row, c_col,
                )
            };
        }
        let [a, b] = [(a, a_row, a_col), (b, b_row, b_col)].map(|(start, row, col)| Source {
            start,
            row,
            col,
        });
        // SAFETY: `level` has found AVX-512; the rest is the caller's contract.
        unsafe { product([m, k, n], alpha, a, b, beta, c, c_row) }
    }

    /// # Safety
    /// As [`sgemm`], with AVX-512 and adjacent columns of C.
    #[target_feature(enable = "avx512f")]
    unsafe fn product(
        [m, k, n]: [usize; 3],
        alpha: f32,
        a: Source,
        b: Source,
        mut beta: f32,
        c: *mut f32,
        c_row: isize,
    ) {
        let mut panel = [MaybeUninit::<f32>::uninit(); DEPTH * COLS];
        // Equal blocks: the last would else be a remainder, with a pass over C of its own.
        let depth = k.div_ceil(k.div_ceil(DEPTH).max(1)).max(1);
        let height = (BLOCK / depth).next_multiple_of(ROWS);
        for p in (0..k.max(1)).step_by(depth) {
            let depth = depth.min(k - p);
            for (top, j) in (0..m)
                .step_by(height)
                .flat_map(|top| (0..n).step_by(COLS).map(move |j| (top, j)))
            {
                let cols = COLS.min(n - j);
                // SAFETY: (p, j) is inside B, (i, p) inside A and (i, j) inside C, with `depth`,
                // `rows` and `cols` more; with k = 0 nothing of A and B is read. The panel holds
                // depth x cols numbers where it is given to a tile.
                unsafe {
                    let mut b = b.from(p, j);
                    if b.col != 1 {
                        b = copy(b, depth, cols, &mut panel);
                    }
                    for i in (top..m.min(top + height)).step_by(ROWS) {
                        let rows = ROWS.min(m - i);
                        let c = c.offset(i as isize * c_row).add(j);
                        // What comes next is on the way while this tile is computed: where A and C are
                        // not in cache yet, an eighth of the time (measured).
                        for next in i + ROWS..m.min(i + 2 * ROWS) {
                            if j == 0 && a.col == 1 {
                                for x in (0..depth).step_by(VECTOR) {
                                    _mm_prefetch::<_MM_HINT_T0>(a.from(next, p + x).start.cast());
                                }
                            }
                            let c = c.offset((next - i) as isize * c_row);
                            _mm_prefetch::<_MM_HINT_ET0>(c.cast());
                            _mm_prefetch::<_MM_HINT_ET0>(c.wrapping_add(VECTOR).cast());
                        }
                        let tile = TILES[usize::from(cols > VECTOR)][rows - 1];
                        tile(depth, cols, alpha, a.from(i, p), b, beta, c, c_row);
                    }
                }
            }
            beta = 1.0;
        }
    }

    /// The part of B in `panel`, with adjacent columns.
    ///
    /// # Safety
    /// B must have `depth` rows and `cols` columns; at most [`DEPTH`] and [`COLS`].
    #[target_feature(enable = "avx512f")]
    unsafe fn copy(
        b: Source,
        depth: usize,
        cols: usize,
        panel: &mut [MaybeUninit<f32>; DEPTH * COLS],
    ) -> Source {
        let (deep, wide) = match b.row {
            1 => (depth / 4 * 4, cols / VECTOR * VECTOR),
            _ => (0, 0),
        };
        for p in (0..deep).step_by(4) {
            for j in (0..wide).step_by(VECTOR) {
                // SAFETY: 4 rows and 16 columns from (p, j) on are inside B and the panel.
                unsafe { transpose(b.from(p, j), panel.as_mut_ptr().add(p * COLS + j).cast()) };
            }
        }
        for (p, row) in panel.chunks_exact_mut(COLS).take(depth).enumerate() {
            let done = if p < deep { wide } else { 0 };
            for (j, x) in row[..cols].iter_mut().enumerate().skip(done) {
                // SAFETY: (p, j) is inside B.
                x.write(unsafe { *b.from(p, j).start });
            }
        }
        Source {
            start: panel.as_ptr().cast(),
            row: COLS as isize,
            col: 1,
        }
    }

    /// 4 rows of 16 columns of B, whose rows are adjacent, to 4 rows of a panel.
    ///
    /// # Safety
    /// They must be there.
    #[target_feature(enable = "avx512f")]
    unsafe fn transpose(b: Source, panel: *mut f32) {
        // Quarter l of vector i is column 4 l + i.
        let columns: [__m512; 4] = std::array::from_fn(|i| {
            // SAFETY: the caller's contract.
            let quarter = |l: usize| unsafe { _mm_loadu_ps(b.from(0, 4 * l + i).start) };
            let x = _mm512_castps128_ps512(quarter(0));
            let x = _mm512_insertf32x4::<1>(x, quarter(1));
            let x = _mm512_insertf32x4::<2>(x, quarter(2));
            _mm512_insertf32x4::<3>(x, quarter(3))
        });
        // The 4 x 4 numbers of every quarter transposed: first pairs of columns, then both pairs.
        let pairs = [0, 2].map(|i| {
            let (x, y) = (columns[i], columns[i + 1]);
            [_mm512_unpacklo_ps(x, y), _mm512_unpackhi_ps(x, y)].map(|x| _mm512_castps_pd(x))
        });
        for (half, (&x, &y)) in pairs[0].iter().zip(&pairs[1]).enumerate() {
            let rows = [_mm512_unpacklo_pd(x, y), _mm512_unpackhi_pd(x, y)];
            for (i, row) in rows
                .map(|row| _mm512_castpd_ps(row))
                .into_iter()
                .enumerate()
            {
                // SAFETY: the caller's contract.
                unsafe { _mm512_storeu_ps(panel.add((2 * half + i) * COLS), row) };
            }
        }
    }

    type Tile = unsafe fn(usize, usize, f32, Source, Source, f32, *mut f32, isize);

    /// A function for every number of vectors and of rows.
    const TILES: [[Tile; ROWS]; 2] = [
        [
            tile::<1, 1>,
            tile::<2, 1>,
            tile::<3, 1>,
            tile::<4, 1>,
            tile::<5, 1>,
            tile::<6, 1>,
            tile::<7, 1>,
            tile::<8, 1>,
            tile::<9, 1>,
            tile::<10, 1>,
            tile::<11, 1>,
            tile::<12, 1>,
        ],
        [
            tile::<1, 2>,
            tile::<2, 2>,
            tile::<3, 2>,
            tile::<4, 2>,
            tile::<5, 2>,
            tile::<6, 2>,
            tile::<7, 2>,
            tile::<8, 2>,
            tile::<9, 2>,
            tile::<10, 2>,
            tile::<11, 2>,
            tile::<12, 2>,
        ],
    ];

    /// R rows and V vectors of C, the last of which may have columns to spare.
    ///
    /// # Safety
    /// As [`product`], for `depth` columns of A and rows of B, whose columns are adjacent, and
    /// `cols` columns of C: more than V - 1 vectors, V at most.
    #[allow(clippy::too_many_arguments)] // a product has as many
    #[target_feature(enable = "avx512f")]
    unsafe fn tile<const R: usize, const V: usize>(
        depth: usize,
        cols: usize,
        alpha: f32,
        a: Source,
        b: Source,
        beta: f32,
        c: *mut f32,
        c_row: isize,
    ) {
        let last: __mmask16 = u16::MAX >> (V * VECTOR - cols);
        let mask = |v: usize| if v + 1 < V { u16::MAX } else { last };
        let mut sums = [[_mm512_setzero_ps(); V]; R];
        // Every third row of A has a pointer of its own, from which addresses reach two more: one pointer for all would
        // be a chain of additions as long as the products of a step take.
        let mut x: [*const f32; ROWS.div_ceil(3)] =
            std::array::from_fn(|i| a.start.wrapping_offset(3 * i as isize * a.row));
        let mut row = b.start;
        // SAFETY: row p of B has `cols` columns, which the masks keep to; column p of A has R rows.
        // Outside of them, pointers are made but not used.
        unsafe {
            for _ in 0..depth {
                let mut y = [_mm512_setzero_ps(); V];
                for (v, y) in y.iter_mut().enumerate() {
                    *y = _mm512_maskz_loadu_ps(mask(v), row.wrapping_add(v * VECTOR));
                }
                for (i, sums) in sums.iter_mut().enumerate() {
                    let x = _mm512_set1_ps(*x[i / 3].offset((i % 3) as isize * a.row));
                    for (sum, &y) in sums.iter_mut().zip(&y) {
                        *sum = _mm512_fmadd_ps(x, y, *sum);
                    }
                }
                for x in &mut x {
                    *x = x.wrapping_offset(a.col);
                }
                row = row.wrapping_offset(b.row);
            }
            for (i, sums) in sums.iter().enumerate() {
                for (v, &sum) in sums.iter().enumerate() {
                    let c = c.offset(i as isize * c_row).add(v * VECTOR);
                    let mut y = _mm512_mul_ps(_mm512_set1_ps(alpha), sum);
                    if beta != 0.0 {
                        let c = _mm512_maskz_loadu_ps(mask(v), c);
                        y = _mm512_fmadd_ps(_mm512_set1_ps(beta), c, y);
                    }
                    _mm512_mask_storeu_ps(c, mask(v), y);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::lanes::{Level, limited_to};
    use crate::{MatMut, MatRef, Seed, gemm};

    /// Against the plain loop in f64, and against matrixmultiply, which serves everyone else.
    #[test]
    fn every_shape_and_stride_is_the_plain_product() {
        let mut generator = Seed(1).stream("matrices").generator();
        let sizes = [0, 1, 2, 11, 12, 13, 16, 17, 31, 32, 33, 65, 257];
        for case in 0..300 {
            let mut size = || sizes[generator.below(sizes.len())];
            let (m, k, n, spare) = (size(), size(), size(), size());
            let mut numbers = |count: usize| -> Vec<f32> {
                (0..count).map(|_| generator.normal() as f32).collect()
            };
            let [a, b] = [(m, k), (k, n)].map(|(rows, cols)| {
                let transposed = case % 2 == rows % 2;
                let (rows, cols) = if transposed {
                    (cols, rows)
                } else {
                    (rows, cols)
                };
                (numbers(rows * (cols + spare)), rows, cols, transposed)
            });
            let [a, b] = [&a, &b].map(|(numbers, rows, cols, transposed)| {
                let view = MatRef::new(numbers, *rows, cols + spare).cols_in(spare..cols + spare);
                if *transposed { view.t() } else { view }
            });
            let c = numbers(m * (n + spare));
            let (alpha, beta) = ([1.0, -0.3][case % 2], [0.0, 1.0, 0.7][case % 3]);
            let product = |limit: Level| {
                let mut c = c.clone();
                let view = MatMut::strided(&mut c, m, n, n + spare);
                limited_to(limit, || gemm(alpha, a, b, beta, view));
                c
            };
            let (mine, other) = (product(Level::Avx512), product(Level::Avx2));
            for i in 0..m {
                for j in 0..n + spare {
                    let at = i * (n + spare) + j;
                    if j >= n {
                        assert_eq!(mine[at], c[at], "beside C");
                        continue;
                    }
                    let terms = (0..k).map(|p| f64::from(a.at(i, p)) * f64::from(b.at(p, j)));
                    let (mut sum, mut size) = (0.0, 0.0);
                    for term in terms {
                        sum += term;
                        size += term.abs();
                    }
                    let kept = match beta {
                        0.0 => 0.0,
                        beta => f64::from(beta) * f64::from(c[at]),
                    };
                    let want = f64::from(alpha) * sum + kept;
                    // A rounding of each term and each partial sum.
                    let tolerance = (k + 3) as f64 * 6e-8 * (size + kept.abs());
                    for got in [mine[at], other[at]] {
                        let error = (f64::from(got) - want).abs();
                        assert!(
                            error <= tolerance,
                            "{m} x {k} x {n} at ({i}, {j}): {error:e}"
                        );
                    }
                }
            }
        }
    }

    /// As the row tiles of attention need it.
    #[test]
    fn rows_do_not_depend_on_how_c_is_cut() {
        let mut generator = Seed(2).stream("matrices").generator();
        let mut numbers =
            |count: usize| -> Vec<f32> { (0..count).map(|_| generator.normal() as f32).collect() };
        let (m, k, n) = (37, 300, 45);
        let (a, b) = (numbers(m * k), numbers(k * n));
        let (a, b) = (MatRef::new(&a, m, k), MatRef::new(&b, k, n));
        let mut whole = vec![0.0; m * n];
        gemm(1.0, a, b, 0.0, MatMut::new(&mut whole, m, n));
        for i in 0..m {
            let mut row = vec![0.0; n];
            gemm(
                1.0,
                a.rows_in(i..i + 1),
                b,
                0.0,
                MatMut::new(&mut row, 1, n),
            );
            assert_eq!(row, whole[i * n..][..n]);
        }
    }
}
