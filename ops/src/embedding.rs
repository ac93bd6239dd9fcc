//! Token and position embedding: the only operator that reads tables.

use engine::check::{Case, check, normal};
use engine::{MatMut, MatRef, Real, Tensor, Var, lanes};

use crate::gather::scatter_add_rows;

/// y_i = words_{t_i} + places_{p_i} for the tokens t and their positions p: (n, c) from the tables words
/// (vocabulary, c) and places (length, c).
///
/// # Panics
/// If a token or a position has no row in its table, or there are not as many positions as tokens.
#[track_caller]
pub fn embedding<'t, T: Real>(
    tokens: &[u32],
    positions: &[u32],
    words: &Var<'t, T>,
    places: &Var<'t, T>,
) -> Var<'t, T> {
    assert!(
        words.cols() == places.cols(),
        "embedding: words {:?} and places {:?} differ in columns",
        words.shape(),
        places.shape()
    );
    assert!(
        tokens.len() == positions.len(),
        "embedding: {} tokens at {} positions",
        tokens.len(),
        positions.len()
    );
    for (what, indices, table) in [("token", tokens, words), ("position", positions, places)] {
        let rows = table.rows();
        if let Some(&index) = indices.iter().find(|&&index| index as usize >= rows) {
            panic!("embedding: {what} {index} in a table of {rows} rows");
        }
    }
    node(tokens, positions, words, places)
}

/// dwords_k = sum of dy_i over all i with t_i = k, dplaces likewise; both end at the last row that was read, so that
/// the gradient of a table costs what the example reads of it (see [`Tensor::add_rows`]). Saved: the indices.
fn node<'t, T: Real>(
    tokens: &[u32],
    positions: &[u32],
    words: &Var<'t, T>,
    places: &Var<'t, T>,
) -> Var<'t, T> {
    let mut y = Tensor::stale(tokens.len(), words.cols()); // (n, c)
    add_rows_of_both(
        tokens,
        positions,
        words.value().view(),
        places.value().view(),
        y.view_mut(),
    );
    let parents = [words.node(), places.node()];
    let (tokens, positions) = (tokens.to_vec(), positions.to_vec());
    words.tape().record("embedding", parents, y, move |dy| {
        let dwords = table_gradient(&tokens, &dy);
        // Without gaps row i was read at position i.
        let dplaces = if positions.iter().copied().eq(0..positions.len() as u32) {
            dy
        } else {
            table_gradient(&positions, &dy)
        };
        [dwords, dplaces]
    })
}

fn table_gradient<T: Real>(indices: &[u32], dy: &Tensor<T>) -> Tensor<T> {
    let rows = indices.iter().max().map_or(0, |&last| last as usize + 1);
    let mut table = Tensor::zeros(rows, dy.cols());
    scatter_add_rows(dy.view(), indices, table.view_mut());
    table
}

lanes! {
    fn add_rows_of_both<T>(
        tokens: &[u32],
        positions: &[u32],
        words: MatRef<'_, T>,
        places: MatRef<'_, T>,
        y: MatMut<'_, T>,
    ) {
        let mut y = y;
        for (i, (&token, &position)) in tokens.iter().zip(positions).enumerate() {
            let (word, place) = (words.row(token as usize), places.row(position as usize));
            for ((y, &word), &place) in y.row(i).iter_mut().zip(word).zip(place) {
                *y = word + place;
            }
        }
    }
}

/// The gradient checks of this file.
pub fn cases() -> Vec<Case> {
    vec![Case::new("embedding", |stream| {
        let inputs = [
            ("words", normal(stream.stream("words"), 6, 5)),
            ("places", normal(stream.stream("places"), 8, 5)),
        ];
        let mut checked = Vec::new();
        for (tokens, positions) in [
            (&[3][..], &[0][..]),
            (&[0, 2, 2, 5, 2], &[0, 1, 2, 3, 4]),
            (&[4, 4, 1], &[1, 5, 6]), // gaps
        ] {
            checked.extend(check("embedding", stream, &inputs, |_, tables| {
                embedding(tokens, positions, &tables[0], &tables[1])
            })?);
        }
        Ok(checked)
    })]
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::Tape;

    fn tables<T: Real>(tape: &Tape<T>) -> (Var<'_, T>, Var<'_, T>) {
        let words = Tensor::from_fn(5, 3, |i, j| T::of((10 * i + j) as f64));
        let places = Tensor::from_fn(4, 3, |i, _| T::of(100.0 * i as f64));
        (tape.leaf("words", words), tape.leaf("places", places))
    }

    #[test]
    fn rows_are_added_and_their_gradients_end_at_the_last_row_read() {
        let tape = Tape::<f32>::new();
        let (words, places) = tables(&tape);
        let y = embedding(&[2, 0, 2], &[0, 1, 3], &words, &places);
        assert_eq!(y.value().row(0), [20.0, 21.0, 22.0]);
        assert_eq!(y.value().row(1), [100.0, 101.0, 102.0]);
        assert_eq!(y.value().row(2), [320.0, 321.0, 322.0]);
        let dy = Tensor::from_fn(3, 3, |i, j| (1 + i) as f32 * [1.0, 10.0, 100.0][j]);
        let mut gradients = tape.backward_from(&y, dy);
        let dwords = gradients.take(&words).unwrap();
        assert_eq!(dwords.shape(), (3, 3));
        assert_eq!(
            dwords.data(),
            [2.0, 20.0, 200.0, 0.0, 0.0, 0.0, 4.0, 40.0, 400.0]
        );
        let dplaces = gradients.take(&places).unwrap();
        assert_eq!(dplaces.shape(), (4, 3));
        assert_eq!(dplaces.row(1), [2.0, 20.0, 200.0]);
        assert_eq!(dplaces.row(2), [0.0; 3]);
        assert_eq!(dplaces.row(3), [3.0, 30.0, 300.0]);
    }

    #[test]
    fn a_computed_table_gets_the_whole_gradient() {
        let tape = Tape::<f32>::new();
        let (words, places) = tables(&tape);
        let mix = tape.leaf("mix", Tensor::from_fn(3, 3, |i, j| (i + 2 * j) as f32));
        // Row 0 alone is read of five.
        let y = embedding(&[0], &[0], &words.matmul(&mix), &places).sum();
        let gradients = tape.backward(&y);
        let dwords = gradients.of(&words);
        assert_eq!(dwords.shape(), (5, 3));
        assert_eq!(dwords.row(0), [6.0, 9.0, 12.0]);
        assert_eq!(dwords.row(4), [0.0; 3]);
        assert_eq!(gradients.of(&mix).row(1), [1.0; 3]);
    }

    #[test]
    fn no_tokens() {
        let tape = Tape::<f32>::new();
        let (words, places) = tables(&tape);
        let y = embedding(&[], &[], &words, &places);
        assert_eq!(y.shape(), (0, 3));
        let gradients = tape.backward_from(&y, Tensor::zeros(0, 3));
        assert_eq!(gradients.of(&words).data(), [0.0; 15]);
    }

    #[test]
    #[should_panic(expected = "embedding: token 5 in a table of 5 rows")]
    fn a_token_outside_the_vocabulary() {
        let tape = Tape::<f32>::new();
        let (words, places) = tables(&tape);
        embedding(&[0, 5], &[0, 1], &words, &places);
    }

    #[test]
    #[should_panic(expected = "embedding: position 4 in a table of 4 rows")]
    fn a_position_outside_the_table() {
        let tape = Tape::<f32>::new();
        let (words, places) = tables(&tape);
        embedding(&[0, 1], &[0, 4], &words, &places);
    }
}
