//! A second product of `f32` matrices, for the small and narrow ones of attention: [`Product::FixedOrder`]. Called by
//! [`crate::real`] in matrixmultiply's place, with its signature.
//!
//! Matrixmultiply copies A and B into panels first, which repays itself on large matrices. Here
//! nothing is copied but a B whose columns are not adjacent: the innermost loop reads a row of B and
//! multiplies it by single numbers of A, wherever they lie. A tile of C stays in registers; its sums
//! run over k in order, fused, so that no element depends on how C is cut into tiles, and AVX2 and
//! AVX-512 give the same bits.
//!
//! [`Product::FixedOrder`]: crate::cpu::Product::FixedOrder

/// Not called: [`Product::choose`](crate::cpu::Product::choose) has refused.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) use matrixmultiply::sgemm;

#[cfg(target_arch = "x86_64")]
pub(crate) use x86_64::sgemm;

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use crate::cpu::{self, Level, ProductError, level};
    use std::arch::x86_64::*;
    use std::mem::MaybeUninit;

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

    /// C = alpha (begin C + A B) + beta C with A (m, k), B (k, n) and C (m, n), whose columns are adjacent. C is not
    /// read where `begin` and `beta` are 0.
    #[derive(Clone, Copy)]
    struct Product {
        m: usize,
        k: usize,
        n: usize,
        begin: f32,
        alpha: f32,
        a: Source,
        b: Source,
        beta: f32,
        c: *mut f32,
        c_row: isize,
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
        debug_assert!(c_col == 1, "columns of C are adjacent");
        let source = |(start, row, col)| Source { start, row, col };
        let product = Product {
            m,
            k,
            n,
            begin: 0.0,
            alpha,
            a: source((a, a_row, a_col)),
            b: source((b, b_row, b_col)),
            beta,
            c,
            c_row,
        };
        // SAFETY: `level` has found the instruction set; the rest is the caller's contract.
        unsafe {
            match level() {
                Level::Avx512 => avx512(product),
                Level::Avx2 => avx2(product),
                Level::Portable => panic!("{}", ProductError::Lacking(cpu::Product::FixedOrder)),
            }
        }
    }

    /// An instruction set: its vectors, and the tiles of C that fit its registers.
    ///
    /// # Safety
    /// All functions need the instruction set; they are inlined where it is enabled.
    trait Vectors {
        type Vector: Copy;
        /// Numbers of a vector.
        const LANES: usize;
        /// Depth of a block of k where sums can go on from block to block, at most: as many rows of B's tile, and of
        /// A's if its rows are adjacent, stay in the L1 cache.
        const DEPTH: usize;
        /// [`tile`] with one and with two vectors a row, for every number of rows.
        const TILES: [&[unsafe fn(Product)]; 2];

        /// `x` in all places.
        unsafe fn splat(x: f32) -> Self::Vector;
        /// a b + c, rounded once.
        unsafe fn multiply_add(a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
        /// The first `count` numbers, 1 to `LANES`, and zeros.
        unsafe fn load(from: *const f32, count: usize) -> Self::Vector;
        /// Writes the first `count` numbers, 1 to `LANES`.
        unsafe fn store(x: Self::Vector, to: *mut f32, count: usize);
        /// 4 rows of `LANES` columns of B, whose rows are adjacent, to 4 rows of a panel.
        unsafe fn transpose(b: Source, panel: *mut f32);
    }

    /// Depth of a block of k, at most.
    const DEPTH: usize = 272;
    /// Numbers of a block of A, about: 256 KiB stay in the L2 cache while all columns of B go by.
    const BLOCK: usize = 1 << 16;
    /// Columns of the panel: two vectors of AVX-512.
    const WIDTH: usize = 32;
    type Panel = [MaybeUninit<f32>; DEPTH * WIDTH];
    /// Numbers of a cache line.
    const LINE: usize = 16;

    /// # Safety
    /// As [`sgemm`], with the instruction set.
    #[inline(always)]
    unsafe fn product<S: Vectors>(x: Product) {
        let mut panel: Panel = [MaybeUninit::uninit(); DEPTH * WIDTH];
        let (rows, cols) = (S::TILES[0].len(), 2 * S::LANES); // of a tile
        // If all that C had is scaled before the sum or all of it after, sums stay in C from block to block and the
        // blocks do not show. Else every block is added to C, and must be as deep for all instruction sets.
        let goes_on = x.alpha == 1.0 || x.beta == 0.0;
        let most = if goes_on { S::DEPTH } else { DEPTH };
        // Equal blocks: the last would else be a remainder, with a pass over C of its own.
        let depth = x.k.div_ceil(x.k.div_ceil(most).max(1)).max(1);
        let height = (BLOCK / depth).next_multiple_of(rows);
        for p in (0..x.k.max(1)).step_by(depth) {
            let depth = depth.min(x.k - p);
            let beta = if p == 0 { x.beta } else { 1.0 };
            let (begin, alpha, beta) = match goes_on {
                true if p + depth < x.k => (beta, 1.0, 0.0),
                true => (beta, x.alpha, 0.0),
                false => (0.0, x.alpha, beta),
            };
            for (top, j) in (0..x.m)
                .step_by(height)
                .flat_map(|top| (0..x.n).step_by(cols).map(move |j| (top, j)))
            {
                let n = cols.min(x.n - j);
                // SAFETY: (p, j) is inside B, (i, p) inside A and (i, j) inside C, with k, m and n
                // more; with k = 0 nothing of A and B is read. The panel holds k x n numbers where it
                // is given to a tile.
                unsafe {
                    let mut b = x.b.from(p, j);
                    if b.col != 1 {
                        b = copy::<S>(b, depth, n, &mut panel);
                    }
                    for i in (top..x.m.min(top + height)).step_by(rows) {
                        let tile = Product {
                            m: rows.min(x.m - i),
                            k: depth,
                            n,
                            begin,
                            alpha,
                            a: x.a.from(i, p),
                            b,
                            beta,
                            c: x.c.offset(i as isize * x.c_row).add(j),
                            ..x
                        };
                        // What comes next is on the way while this tile is computed: where A and C are
                        // not in cache yet, an eighth of the time (measured).
                        for next in rows..(2 * rows).min(x.m - i) {
                            if j == 0 && x.a.col == 1 {
                                for p in (0..depth).step_by(LINE) {
                                    _mm_prefetch::<_MM_HINT_T0>(tile.a.from(next, p).start.cast());
                                }
                            }
                            let c = tile.c.offset(next as isize * x.c_row);
                            for j in (0..cols).step_by(LINE) {
                                _mm_prefetch::<_MM_HINT_ET0>(c.wrapping_add(j).cast());
                            }
                        }
                        S::TILES[usize::from(n > S::LANES)][tile.m - 1](tile);
                    }
                }
            }
        }
    }

    /// The part of B in `panel`, with adjacent columns.
    ///
    /// # Safety
    /// B must have `depth` rows and `cols` columns: at most [`DEPTH`], and two vectors.
    #[inline(always)]
    unsafe fn copy<S: Vectors>(b: Source, depth: usize, cols: usize, panel: &mut Panel) -> Source {
        let (deep, wide) = match b.row {
            1 => (depth / 4 * 4, cols / S::LANES * S::LANES),
            _ => (0, 0),
        };
        for p in (0..deep).step_by(4) {
            for j in (0..wide).step_by(S::LANES) {
                // SAFETY: 4 rows and a vector of columns from (p, j) on are inside B and the panel.
                unsafe { S::transpose(b.from(p, j), panel.as_mut_ptr().add(p * WIDTH + j).cast()) };
            }
        }
        for (p, row) in panel.chunks_exact_mut(WIDTH).take(depth).enumerate() {
            let done = if p < deep { wide } else { 0 };
            for (j, x) in row[..cols].iter_mut().enumerate().skip(done) {
                // SAFETY: (p, j) is inside B.
                x.write(unsafe { *b.from(p, j).start });
            }
        }
        Source {
            start: panel.as_ptr().cast(),
            row: WIDTH as isize,
            col: 1,
        }
    }

    /// A product of R rows and V vectors of C, the last of which may have columns to spare.
    ///
    /// # Safety
    /// As [`product`], with adjacent columns of B, and n: more than V - 1 vectors, V at most.
    #[inline(always)]
    unsafe fn tile<S: Vectors, const R: usize, const V: usize>(tile: Product) {
        let Product { n, a, b, c_row, .. } = tile;
        let count = |v: usize| match v + 1 < V {
            true => S::LANES,
            false => n - (V - 1) * S::LANES,
        };
        let c = |i: usize, v: usize| {
            let row = tile.c.wrapping_offset(i as isize * c_row);
            row.wrapping_add(v * S::LANES)
        };
        // Every third row of A has a pointer of its own, from which addresses reach two more: one pointer for all would
        // be a chain of additions as long as the products of a step take.
        let mut x: [*const f32; 4] =
            std::array::from_fn(|i| a.start.wrapping_offset(3 * i as isize * a.row));
        let mut row = b.start;
        // SAFETY: row p of B has n columns, which the counts keep to; column p of A has R rows.
        // Outside of them, pointers are made but not used.
        unsafe {
            let zero = S::splat(0.0);
            let mut sums = [[zero; V]; R];
            if tile.begin != 0.0 {
                let begin = S::splat(tile.begin);
                for (i, sums) in sums.iter_mut().enumerate() {
                    for (v, sum) in sums.iter_mut().enumerate() {
                        let c = S::load(c(i, v), count(v));
                        *sum = S::multiply_add(begin, c, zero);
                    }
                }
            }
            for _ in 0..tile.k {
                let mut y = [zero; V];
                for (v, y) in y.iter_mut().enumerate() {
                    *y = S::load(row.wrapping_add(v * S::LANES), count(v));
                }
                for (i, sums) in sums.iter_mut().enumerate() {
                    let x = S::splat(*x[i / 3].offset((i % 3) as isize * a.row));
                    for (sum, &y) in sums.iter_mut().zip(&y) {
                        *sum = S::multiply_add(x, y, *sum);
                    }
                }
                for x in &mut x {
                    *x = x.wrapping_offset(a.col);
                }
                row = row.wrapping_offset(b.row);
            }
            let (alpha, beta) = (S::splat(tile.alpha), S::splat(tile.beta));
            for (i, sums) in sums.iter().enumerate() {
                for (v, &sum) in sums.iter().enumerate() {
                    let c = c(i, v);
                    let mut y = S::multiply_add(alpha, sum, zero);
                    if tile.beta != 0.0 {
                        y = S::multiply_add(beta, S::load(c, count(v)), y);
                    }
                    S::store(y, c, count(v));
                }
            }
        }
    }

    macro_rules! tiles {
        ($tile:ident: $($rows:literal)+) => {
            [&[$($tile::<$rows, 1>),+], &[$($tile::<$rows, 2>),+]]
        };
    }

    /// 16 numbers a vector, 32 registers.
    struct Avx512;

    /// # Safety
    /// As [`product`].
    #[target_feature(enable = "avx512f")]
    unsafe fn avx512(x: Product) {
        // SAFETY: the caller's contract.
        unsafe { product::<Avx512>(x) }
    }

    /// # Safety
    /// As [`tile`].
    #[target_feature(enable = "avx512f")]
    unsafe fn avx512_tile<const R: usize, const V: usize>(x: Product) {
        // SAFETY: the caller's contract.
        unsafe { tile::<Avx512, R, V>(x) }
    }

    impl Vectors for Avx512 {
        type Vector = __m512;
        const LANES: usize = 16;
        /// The 257 keys of attention by 256 columns are one block.
        const DEPTH: usize = 272;
        /// Up to 24 registers hold sums.
        const TILES: [&[unsafe fn(Product)]; 2] = tiles!(avx512_tile: 1 2 3 4 5 6 7 8 9 10 11 12);

        #[inline(always)]
        unsafe fn splat(x: f32) -> __m512 {
            // SAFETY: the caller's contract.
            unsafe { _mm512_set1_ps(x) }
        }

        #[inline(always)]
        unsafe fn multiply_add(a: __m512, b: __m512, c: __m512) -> __m512 {
            // SAFETY: the caller's contract.
            unsafe { _mm512_fmadd_ps(a, b, c) }
        }

        #[inline(always)]
        unsafe fn load(from: *const f32, count: usize) -> __m512 {
            // SAFETY: the mask keeps to the numbers that are there.
            unsafe { _mm512_maskz_loadu_ps(u16::MAX >> (16 - count), from) }
        }

        #[inline(always)]
        unsafe fn store(x: __m512, to: *mut f32, count: usize) {
            // SAFETY: the mask keeps to the numbers that are there.
            unsafe { _mm512_mask_storeu_ps(to, u16::MAX >> (16 - count), x) }
        }

        #[inline(always)]
        unsafe fn transpose(b: Source, panel: *mut f32) {
            // SAFETY: the numbers are there. Quarter l of vector i is column 4 l + i.
            unsafe {
                let mut columns = [_mm512_setzero_ps(); 4];
                for (i, x) in columns.iter_mut().enumerate() {
                    let quarter = |l: usize| b.from(0, 4 * l + i).start;
                    *x = _mm512_castps128_ps512(_mm_loadu_ps(quarter(0)));
                    *x = _mm512_insertf32x4::<1>(*x, _mm_loadu_ps(quarter(1)));
                    *x = _mm512_insertf32x4::<2>(*x, _mm_loadu_ps(quarter(2)));
                    *x = _mm512_insertf32x4::<3>(*x, _mm_loadu_ps(quarter(3)));
                }
                // The 4 x 4 numbers of every quarter transposed: first pairs of columns, then both pairs.
                let [a, b, c, d] = columns;
                let [ab, cd] = [_mm512_unpacklo_ps(a, b), _mm512_unpacklo_ps(c, d)];
                _mm512_storeu_ps(panel, _mm512_shuffle_ps::<0x44>(ab, cd));
                _mm512_storeu_ps(panel.add(WIDTH), _mm512_shuffle_ps::<0xee>(ab, cd));
                let [ab, cd] = [_mm512_unpackhi_ps(a, b), _mm512_unpackhi_ps(c, d)];
                _mm512_storeu_ps(panel.add(2 * WIDTH), _mm512_shuffle_ps::<0x44>(ab, cd));
                _mm512_storeu_ps(panel.add(3 * WIDTH), _mm512_shuffle_ps::<0xee>(ab, cd));
            }
        }
    }

    /// 8 numbers a vector, 16 registers.
    struct Avx2;

    /// # Safety
    /// As [`product`].
    #[target_feature(enable = "avx2,fma")]
    unsafe fn avx2(x: Product) {
        // SAFETY: the caller's contract.
        unsafe { product::<Avx2>(x) }
    }

    /// # Safety
    /// As [`tile`].
    #[target_feature(enable = "avx2,fma")]
    unsafe fn avx2_tile<const R: usize, const V: usize>(x: Product) {
        // SAFETY: the caller's contract.
        unsafe { tile::<Avx2, R, V>(x) }
    }

    impl Vectors for Avx2 {
        type Vector = __m256;
        const LANES: usize = 8;
        const DEPTH: usize = 128;
        /// Up to 12 registers hold sums.
        const TILES: [&[unsafe fn(Product)]; 2] = tiles!(avx2_tile: 1 2 3 4 5 6);

        #[inline(always)]
        unsafe fn splat(x: f32) -> __m256 {
            // SAFETY: the caller's contract.
            unsafe { _mm256_set1_ps(x) }
        }

        #[inline(always)]
        unsafe fn multiply_add(a: __m256, b: __m256, c: __m256) -> __m256 {
            // SAFETY: the caller's contract.
            unsafe { _mm256_fmadd_ps(a, b, c) }
        }

        #[inline(always)]
        unsafe fn load(from: *const f32, count: usize) -> __m256 {
            // SAFETY: the mask keeps to the numbers that are there.
            unsafe {
                let places = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
                let mask = _mm256_cmpgt_epi32(_mm256_set1_epi32(count as i32), places);
                _mm256_maskload_ps(from, mask)
            }
        }

        #[inline(always)]
        unsafe fn store(x: __m256, to: *mut f32, count: usize) {
            let mut numbers = [0.0; 8];
            // SAFETY: `count` numbers may be written. Stores through a mask are slow on some machines.
            unsafe {
                if count == 8 {
                    _mm256_storeu_ps(to, x);
                } else {
                    _mm256_storeu_ps(numbers.as_mut_ptr(), x);
                    to.copy_from_nonoverlapping(numbers.as_ptr(), count);
                }
            }
        }

        #[inline(always)]
        unsafe fn transpose(b: Source, panel: *mut f32) {
            // SAFETY: the numbers are there. Half l of vector i is column 4 l + i.
            unsafe {
                let mut columns = [_mm256_setzero_ps(); 4];
                for (i, x) in columns.iter_mut().enumerate() {
                    let half = |l: usize| b.from(0, 4 * l + i).start;
                    *x = _mm256_castps128_ps256(_mm_loadu_ps(half(0)));
                    *x = _mm256_insertf128_ps::<1>(*x, _mm_loadu_ps(half(1)));
                }
                // As for AVX-512.
                let [a, b, c, d] = columns;
                let [ab, cd] = [_mm256_unpacklo_ps(a, b), _mm256_unpacklo_ps(c, d)];
                _mm256_storeu_ps(panel, _mm256_shuffle_ps::<0x44>(ab, cd));
                _mm256_storeu_ps(panel.add(WIDTH), _mm256_shuffle_ps::<0xee>(ab, cd));
                let [ab, cd] = [_mm256_unpackhi_ps(a, b), _mm256_unpackhi_ps(c, d)];
                _mm256_storeu_ps(panel.add(2 * WIDTH), _mm256_shuffle_ps::<0x44>(ab, cd));
                _mm256_storeu_ps(panel.add(3 * WIDTH), _mm256_shuffle_ps::<0xee>(ab, cd));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::cpu::{Level, Product, limited_to};
    use crate::{MatMut, MatRef, Seed, gemm};

    /// Against the plain loop in f64, with matrixmultiply's beside it; and to the bit against sums in order.
    #[test]
    fn every_shape_and_stride_is_the_plain_product() {
        let in_order = Product::FixedOrder.is_available();
        let mut generator = Seed(1).stream("matrices").generator();
        let sizes = [
            0, 1, 2, 5, 6, 7, 8, 9, 11, 12, 13, 16, 17, 31, 32, 33, 65, 257, 300,
        ];
        for case in 0..400 {
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
            let by = |product: Product, limit: Level| {
                let mut c = c.clone();
                let view = MatMut::strided(&mut c, m, n, n + spare);
                limited_to(limit, || product.within(|| gemm(alpha, a, b, beta, view)));
                c
            };
            let other = by(Product::Matrixmultiply, Level::Avx512);
            let mine = match in_order {
                true => by(Product::FixedOrder, Level::Avx2),
                false => other.clone(),
            };
            if in_order {
                let wide = by(Product::FixedOrder, Level::Avx512);
                assert_eq!(wide, mine, "{m} x {k} x {n}: AVX-512 and AVX2");
            }
            for i in 0..m {
                for j in 0..n + spare {
                    let at = i * (n + spare) + j;
                    if j >= n {
                        assert_eq!(mine[at], c[at], "beside C");
                        continue;
                    }
                    if in_order && (alpha == 1.0 || beta == 0.0) {
                        let begin = if beta == 0.0 { 0.0 } else { beta * c[at] };
                        let sum = (0..k).fold(begin, |sum, p| a.at(i, p).mul_add(b.at(p, j), sum));
                        assert_eq!(mine[at], alpha * sum, "{m} x {k} x {n}: order");
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
        for product in Product::available() {
            product.within(|| {
                let mut whole = vec![0.0; m * n];
                gemm(1.0, a, b, 0.0, MatMut::new(&mut whole, m, n));
                for i in 0..m {
                    let (a, mut row) = (a.rows_in(i..i + 1), vec![0.0; n]);
                    gemm(1.0, a, b, 0.0, MatMut::new(&mut row, 1, n));
                    assert_eq!(row, whole[i * n..][..n], "{}", product.name());
                }
            });
        }
    }
}
