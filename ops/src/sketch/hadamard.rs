//! The fast Walsh-Hadamard transform: H x in N log2 N additions.
//!
//! H (N, N), N a power of two, has the entries H_ij = (-1)^(number of ones in i & j) (Sylvester's
//! order). H is symmetric and H H = N I. Since H_2N is (H_N, H_N; H_N, -H_N), one pass of sums and
//! differences at distance 1, 2, 4, ... each transforms in place.

use engine::{Real, lanes};

/// X <- H X for `x` (N, `width`), row by row in one slice: `width` columns at once.
///
/// # Panics
/// If N is not a power of two.
#[track_caller]
pub fn walsh_hadamard<T: Real>(x: &mut [T], width: usize) {
    if width == 0 {
        return;
    }
    assert!(
        x.len().is_multiple_of(width) && (x.len() / width).is_power_of_two(),
        "walsh_hadamard: {} numbers are no power of two of rows of {width}",
        x.len()
    );
    butterflies(x, width);
}

/// The last distance within a block of a single column, see below.
const BLOCK: usize = 16;

lanes! {
    fn butterflies<T>(x: &mut [T], width: usize) {
        let mut distance = width;
        if width == 1 {
            // Distances 1 to 8 inside registers: as a loop of its own each would be too short for
            // vectors. (Fewer than 16 numbers have no full block and go the general way.)
            let (blocks, rest) = x.as_chunks_mut::<BLOCK>();
            if rest.is_empty() {
                for block in blocks {
                    for bit in [1, 2, 4, 8] {
                        for i in 0..BLOCK {
                            if i & bit == 0 {
                                let (a, b) = (block[i], block[i | bit]);
                                block[i] = a + b;
                                block[i | bit] = a - b;
                            }
                        }
                    }
                }
                distance = BLOCK;
            }
        }
        while distance < x.len() {
            for pair in x.chunks_exact_mut(2 * distance) {
                let (low, high) = pair.split_at_mut(distance);
                for (low, high) in low.iter_mut().zip(high) {
                    let (a, b) = (*low, *high);
                    *low = a + b;
                    *high = a - b;
                }
            }
            distance *= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::Seed;
    use engine::lanes::{Level, limited_to};

    #[test]
    fn against_the_matrix_of_signs() {
        for rows in [1usize, 2, 4, 8, 16, 32, 128] {
            for width in [1, 2, 3, 16] {
                // Whole numbers: every sum is exact.
                let x: Vec<f64> = (0..rows * width)
                    .map(|k| ((7 * k * k + 3 * k) % 23) as f64 - 11.0)
                    .collect();
                let mut y = x.clone();
                walsh_hadamard(&mut y, width);
                for i in 0..rows {
                    for c in 0..width {
                        let want: f64 = (0..rows)
                            .map(|j| {
                                let sign = if (i & j).count_ones() % 2 == 0 {
                                    1.0
                                } else {
                                    -1.0
                                };
                                sign * x[j * width + c]
                            })
                            .sum();
                        assert_eq!(y[i * width + c], want, "({i}, {c}) of {rows} x {width}");
                    }
                }
                walsh_hadamard(&mut y, width);
                assert!(
                    y.iter().zip(&x).all(|(y, x)| *y == rows as f64 * x),
                    "H H = N I"
                );
            }
        }
    }

    #[test]
    fn every_instruction_set_gives_the_same_bits() {
        let mut generator = Seed(1).stream("hadamard").generator();
        let x: Vec<f32> = (0..1024 * 3).map(|_| generator.normal() as f32).collect();
        for (len, width) in [(1024, 1), (8, 1), (1024 * 3, 3)] {
            let run = |level| {
                let mut y = x[..len].to_vec();
                limited_to(level, || walsh_hadamard(&mut y, width));
                y.iter().map(|y| y.to_bits()).collect::<Vec<_>>()
            };
            let portable = run(Level::Portable);
            assert_eq!(run(Level::Avx2), portable);
            assert_eq!(run(Level::Avx512), portable);
        }
    }

    #[test]
    #[should_panic(expected = "walsh_hadamard: 12 numbers are no power of two of rows of 2")]
    fn six_rows() {
        walsh_hadamard(&mut [0.0f32; 12], 2);
    }
}
