//! The straight-through estimator: a discrete value forward, the gradient of a soft one backward.
//!
//! Bengio, Léonard and Courville 2013 for probabilities, Jang, Gu and Poole 2017 for the relaxed
//! draw of [`gumbel_softmax`](super::gumbel_softmax()). The one-hot z of a draw by p goes on, and
//! whatever gradient it gets is handed to p as if z were p. For an expectation that is linear in z
//! this is unbiased, E <c, z> = <c, p>; otherwise it is not: for <c, z>² it follows 2 c_i <c, p>
//! where c_i² is right (a test shows both exactly).

use super::top_k::top_k;
use engine::check::{Case, check, normal};
use engine::{Real, Tensor, Var};

/// The value of `hard`, the gradient of `soft`; both (m, n).
///
/// # Panics
/// If the shapes differ.
#[track_caller]
pub fn straight_through<'t, T: Real>(soft: &Var<'t, T>, hard: Tensor<T>) -> Var<'t, T> {
    assert!(
        soft.shape() == hard.shape(),
        "straight_through: soft {:?} and hard {:?} differ",
        soft.shape(),
        hard.shape()
    );
    let anchor = soft.value().clone();
    node(soft, hard, &anchor)
}

/// y = hard + (soft - anchor) where the anchor is soft itself, held fixed: the difference is 0 and
/// its gradient is not, dsoft = dy. (With the anchor an argument, a check can move soft and leave
/// it behind; otherwise finite differences, which see a constant, would rightly disagree.)
///
/// # Panics
/// If the shapes differ.
#[track_caller]
pub fn anchored<'t, T: Real>(soft: &Var<'t, T>, hard: Tensor<T>, anchor: &Tensor<T>) -> Var<'t, T> {
    let shape = soft.shape();
    assert!(
        shape == hard.shape() && shape == anchor.shape(),
        "straight_through: soft {shape:?}, hard {:?} and anchor {:?} differ",
        hard.shape(),
        anchor.shape()
    );
    node(soft, hard, anchor)
}

/// dsoft = dy. Nothing is saved.
fn node<'t, T: Real>(soft: &Var<'t, T>, hard: Tensor<T>, anchor: &Tensor<T>) -> Var<'t, T> {
    let mut y = hard.into_owned();
    let moved = soft.value().data().iter().zip(anchor.data());
    for (y, (&soft, &anchor)) in y.data_mut().iter_mut().zip(moved) {
        *y += soft - anchor;
    }
    soft.tape()
        .record("straight_through", [soft.node()], y, |dy| [dy])
}

/// The index of the largest element of every row, the first of equals: with the columns as classes,
/// the draw that a relaxed one stands for.
///
/// # Panics
/// If there are no columns.
#[track_caller]
pub fn argmax_rows<T: Real>(soft: &Tensor<T>) -> Vec<u32> {
    (0..soft.rows()).map(|i| top_k(soft.row(i), 1)[0]).collect()
}

/// One row an index, with 1 at its column and 0 elsewhere: (m, n).
///
/// # Panics
/// If an index is not below n.
#[track_caller]
pub fn one_hot<T: Real>(indices: &[u32], n: usize) -> Tensor<T> {
    let mut rows = Tensor::zeros(indices.len(), n);
    for (i, &index) in indices.iter().enumerate() {
        assert!((index as usize) < n, "one_hot: index {index} of {n}");
        rows.row_mut(i)[index as usize] = T::ONE;
    }
    rows
}

/// The gradient checks of this file.
pub fn cases() -> Vec<Case> {
    vec![Case::new("straight_through", |stream| {
        let soft = normal(stream.stream("soft"), 3, 4);
        let hard = one_hot(&argmax_rows(&soft), 4);
        let anchor = soft.clone();
        check("straight_through", stream, &[("soft", soft)], |_, x| {
            anchored(&x[0], hard.clone(), &anchor)
        })
    })]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{gumbel_noise, gumbel_softmax};
    use engine::{Draws, Seed, Tape};

    const P: [f64; 3] = [0.2, 0.5, 0.3];
    const C: [f64; 3] = [2.0, -1.0, 0.5];

    /// Goes through all three draws by P: the mean gradient in p of g(<c, z>), straight through.
    fn mean_gradient(g: impl for<'t> Fn(Var<'t, f64>) -> Var<'t, f64>) -> [f64; 3] {
        let mut mean = [0.0; 3];
        for i in 0..3u32 {
            let tape = Tape::new();
            let p = tape.leaf("p", Tensor::from_slice(1, 3, &P));
            let z = straight_through(&p, one_hot(&[i], 3));
            assert_eq!(z.value().data()[i as usize], 1.0, "one-hot, exactly");
            let c = tape.leaf("c", Tensor::from_slice(3, 1, &C));
            let gradients = tape.backward(&g(z.matmul(&c)));
            for (mean, dp) in mean.iter_mut().zip(gradients.of(&p).data()) {
                *mean += P[i as usize] * dp;
            }
        }
        mean
    }

    #[test]
    fn unbiased_where_the_expectation_is_linear_in_the_draw() {
        for (got, want) in mean_gradient(|x| x).iter().zip(C) {
            assert!((got - want).abs() < 1e-15, "{got} is not {want}");
        }
    }

    #[test]
    fn biased_where_it_is_not() {
        let level: f64 = P.iter().zip(C).map(|(p, c)| p * c).sum();
        let got = mean_gradient(|x| &x * &x);
        for (got, c) in got.iter().zip(C) {
            let (right, followed) = (c * c, 2.0 * c * level);
            assert!((got - followed).abs() < 1e-15, "{got} is not {followed}");
            assert!((got - right).abs() > 0.1, "{got} should not be {right}");
        }
    }

    #[test]
    fn of_a_relaxed_draw_it_has_the_draws_value_and_the_relaxations_gradient() {
        let noise = gumbel_noise::<f32>(5, 7, &Draws::live(Seed(1).stream("straight")), "noise");
        let run = |hard: bool| {
            let tape = Tape::new();
            let logits = tape.leaf("l", Tensor::from_fn(5, 7, |i, j| ((i * j) % 3) as f32));
            let soft = gumbel_softmax(&logits, &noise, 0.5);
            let y = if hard {
                straight_through(&soft, one_hot(&argmax_rows(soft.value()), 7))
            } else {
                soft
            };
            let dy = Tensor::from_fn(5, 7, |i, j| i as f32 - 0.3 * j as f32);
            let value = y.value().clone();
            (value, tape.backward_from(&y, dy).of(&logits))
        };
        let ((hard, dhard), (soft, dsoft)) = (run(true), run(false));
        assert_eq!(dhard.data(), dsoft.data());
        assert_eq!(argmax_rows(&hard), argmax_rows(&soft));
        assert!(hard.data().iter().all(|&z| z == 0.0 || z == 1.0));
    }

    #[test]
    #[should_panic(expected = "straight_through: soft (2, 3) and hard (2, 2) differ")]
    fn shapes_that_differ() {
        let tape = Tape::new();
        let soft = tape.leaf("soft", Tensor::<f32>::zeros(2, 3));
        straight_through(&soft, one_hot(&[0, 1], 2));
    }
}
