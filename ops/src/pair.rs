//! How two pooled documents are put side by side for a pair classifier.

use engine::check::{Case, check, normal};
use engine::{Real, Tensor, Var};

/// y = [u, v, u * v, u - v]: two times (1, c) to (1, 4c).
///
/// # Panics
/// If u and v are not rows of one length.
#[track_caller]
pub fn pair<'t, T: Real>(u: &Var<'t, T>, v: &Var<'t, T>) -> Var<'t, T> {
    assert!(
        u.rows() == 1 && u.shape() == v.shape(),
        "pair: {:?} and {:?} are not (1, c) both",
        u.shape(),
        v.shape()
    );
    node(u, v)
}

/// With dy = [d1, d2, d3, d4]: du = d1 + d3 * v + d4, dv = d2 + d3 * u - d4. Saved: u and v.
fn node<'t, T: Real>(u: &Var<'t, T>, v: &Var<'t, T>) -> Var<'t, T> {
    let c = u.cols();
    let (tape, parents, u, v) = (u.tape(), [u.node(), v.node()], u.save(), v.save());
    let mut y = Tensor::stale(1, 4 * c);
    for (j, (&u, &v)) in u.data().iter().zip(v.data()).enumerate() {
        for (part, value) in [u, v, u * v, u - v].into_iter().enumerate() {
            y.data_mut()[part * c + j] = value;
        }
    }
    tape.record("pair", parents, y, move |dy| {
        let d = |part: usize, j: usize| dy.data()[part * c + j];
        let du = Tensor::from_fn(1, c, |_, j| d(0, j) + d(2, j) * v.data()[j] + d(3, j));
        let dv = Tensor::from_fn(1, c, |_, j| d(1, j) + d(2, j) * u.data()[j] - d(3, j));
        [du, dv]
    })
}

/// The gradient checks of this file.
pub fn cases() -> Vec<Case> {
    vec![Case::new("pair", |stream| {
        let mut checked = Vec::new();
        for c in [1, 5, 64] {
            let stream = stream.at(c);
            let inputs = [
                ("u", normal(stream.stream("u"), 1, c)),
                ("v", normal(stream.stream("v"), 1, c)),
            ];
            checked.extend(check("pair", stream, &inputs, |_, x| pair(&x[0], &x[1]))?);
        }
        Ok(checked)
    })]
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::Tape;

    #[test]
    fn the_four_parts_in_their_order() {
        let tape = Tape::forward_only();
        let u = tape.leaf("u", Tensor::from_slice(1, 2, &[2.0, -3.0]));
        let v = tape.leaf("v", Tensor::from_slice(1, 2, &[5.0, 7.0]));
        assert_eq!(
            pair(&u, &v).value().data(),
            [2.0, -3.0, 5.0, 7.0, 10.0, -21.0, -3.0, -10.0]
        );
    }

    #[test]
    fn a_document_paired_with_itself_gets_both_gradients() {
        let tape = Tape::new();
        let u = tape.leaf("u", Tensor::scalar(3.0));
        let y = pair(&u, &u); // [u, u, u², 0]
        let dy = Tensor::from_slice(1, 4, &[1.0, 10.0, 100.0, 1000.0]);
        assert_eq!(tape.backward_from(&y, dy).of(&u).item(), 611.0);
    }

    #[test]
    #[should_panic(expected = "pair: (1, 2) and (1, 3) are not (1, c) both")]
    fn documents_of_two_widths() {
        let tape = Tape::<f32>::new();
        let leaf = |c| tape.leaf("leaf", Tensor::zeros(1, c));
        pair(&leaf(2), &leaf(3));
    }
}
