//! A tensor as a picture: up to 64 x 64 numbers as they are, more of them in tiles.

use engine::Tensor;
use serde::Serialize;

/// Rows and columns of a picture.
const MOST: usize = 64;

/// Rows of numbers; what is not finite becomes null in JSON.
type Rows = Vec<Vec<f64>>;

/// A tensor, or its tiles.
#[derive(Serialize, Debug, PartialEq)]
pub(super) struct Tiles {
    /// Of the tensor.
    rows: usize,
    cols: usize,
    /// Rows and columns of a tile; the last ones may be smaller. 1 x 1: these are the numbers themselves.
    tile: [usize; 2],
    mean: Rows,
    /// Where a tile has more than one number.
    #[serde(skip_serializing_if = "Option::is_none")]
    min: Option<Rows>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max: Option<Rows>,
}

impl Tiles {
    /// Of a tensor, as if it had `rows` rows: those that are missing are zeros.
    pub(super) fn of(tensor: &Tensor<f32>, rows: usize) -> Self {
        let cols = tensor.cols();
        let [height, width] = [rows, cols].map(|length| length.div_ceil(MOST).max(1));
        let numbers = |i: usize, j: usize| {
            let rows = i * height..((i + 1) * height).min(rows);
            rows.flat_map(move |row| {
                (j * width..((j + 1) * width).min(cols)).map(move |col| match row < tensor.rows() {
                    true => f64::from(tensor.row(row)[col]),
                    false => 0.0,
                })
            })
        };
        let picture = |of: &dyn Fn(&mut dyn Iterator<Item = f64>) -> f64| -> Rows {
            let row = |i| {
                (0..cols.div_ceil(width))
                    .map(|j| of(&mut numbers(i, j)))
                    .collect()
            };
            (0..rows.div_ceil(height)).map(row).collect()
        };
        let is_whole = height * width == 1;
        // What is no number must not be passed over by min and max.
        let extreme = |better: fn(f64, f64) -> bool| {
            picture(&|tile| {
                tile.reduce(|a, b| if a.is_nan() || better(a, b) { a } else { b })
                    .unwrap_or(0.0)
            })
        };
        Tiles {
            rows,
            cols,
            tile: [height, width],
            mean: picture(&|tile| {
                let (count, sum) = tile.fold((0.0, 0.0), |(count, sum), x| (count + 1.0, sum + x));
                sum / count
            }),
            min: (!is_whole).then(|| extreme(|a, b| a <= b)),
            max: (!is_whole).then(|| extreme(|a, b| a >= b)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_tensor_is_shown_as_it_is() {
        let tensor = Tensor::from_fn(64, 3, |i, j| (10 * i + j) as f32);
        let tiles = Tiles::of(&tensor, 64);
        assert_eq!((tiles.tile, tiles.mean.len()), ([1, 1], 64));
        assert_eq!(tiles.mean[63], [630.0, 631.0, 632.0]);
        assert_eq!(tiles.min, None);
    }

    #[test]
    fn tiles_of_a_large_one_count_each_number_once() {
        // 130 rows in tiles of 3: the last has one row.
        let tensor = Tensor::from_fn(130, 65, |i, j| (1000 * i + j) as f32);
        let tiles = Tiles::of(&tensor, 130);
        assert_eq!(tiles.tile, [3, 2]);
        assert_eq!((tiles.mean.len(), tiles.mean[0].len()), (44, 33));
        let (min, max) = (tiles.min.unwrap(), tiles.max.unwrap());
        assert_eq!(
            (min[0][0], max[0][0], tiles.mean[0][0]),
            (0.0, 2001.0, 1000.5)
        );
        assert_eq!((min[43][32], max[43][32]), (129_064.0, 129_064.0));
    }

    #[test]
    fn rows_that_are_missing_are_zeros_and_what_is_no_number_stays_none() {
        let tiles = Tiles::of(&Tensor::from_slice(1, 2, &[1.0, f32::NAN]), 2);
        assert_eq!(tiles.mean[1], [0.0, 0.0]);
        assert!(tiles.mean[0][1].is_nan());
        let large = Tensor::from_fn(65, 1, |i, _| if i == 0 { 1.0 } else { f32::NAN });
        let tiles = Tiles::of(&large, 65);
        assert!(tiles.min.unwrap()[0][0].is_nan() && tiles.max.unwrap()[0][0].is_nan());
    }
}
