//! Two matrices side by side.

use engine::check::{Case, check, normal};
use engine::{Real, Tensor, Var};

/// y = \[a, b\]: (n, c) and (n, d) to (n, c + d).
///
/// # Panics
/// If they do not have the same number of rows.
#[track_caller]
pub fn beside<'t, T: Real>(a: &Var<'t, T>, b: &Var<'t, T>) -> Var<'t, T> {
    assert!(
        a.rows() == b.rows(),
        "beside: {:?} and {:?} have other numbers of rows",
        a.shape(),
        b.shape()
    );
    node(a, b)
}

/// With dy = \[d1, d2\]: da = d1, db = d2.
fn node<'t, T: Real>(a: &Var<'t, T>, b: &Var<'t, T>) -> Var<'t, T> {
    let (n, c, d) = (a.rows(), a.cols(), b.cols());
    let mut y = Tensor::stale(n, c + d);
    for i in 0..n {
        let (left, right) = y.row_mut(i).split_at_mut(c);
        left.copy_from_slice(a.value().row(i));
        right.copy_from_slice(b.value().row(i));
    }
    let parents = [a.node(), b.node()];
    a.tape().record("beside", parents, y, move |dy| {
        let (mut da, mut db) = (Tensor::stale(n, c), Tensor::stale(n, d));
        for i in 0..n {
            let (left, right) = dy.row(i).split_at(c);
            da.row_mut(i).copy_from_slice(left);
            db.row_mut(i).copy_from_slice(right);
        }
        [da, db]
    })
}

/// The gradient checks of this file.
pub fn cases() -> Vec<Case> {
    vec![Case::new("beside", |stream| {
        let mut checked = Vec::new();
        for (n, c, d) in [(1, 1, 1), (3, 2, 5)] {
            let stream = stream.at(n);
            let inputs = [
                ("a", normal(stream.stream("a"), n, c)),
                ("b", normal(stream.stream("b"), n, d)),
            ];
            checked.extend(check("beside", stream, &inputs, |_, x| {
                beside(&x[0], &x[1])
            })?);
        }
        Ok(checked)
    })]
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::Tape;

    #[test]
    fn the_rows_of_both() {
        let tape = Tape::new();
        let a = tape.leaf("a", Tensor::from_slice(2, 1, &[1.0, 2.0]));
        let y = beside(&a, &beside(&a, &a));
        assert_eq!(y.value().data(), [1.0, 1.0, 1.0, 2.0, 2.0, 2.0]);
        let dy = Tensor::from_slice(2, 3, &[1.0, 10.0, 100.0, 2.0, 20.0, 200.0]);
        assert_eq!(tape.backward_from(&y, dy).of(&a).data(), [111.0, 222.0]);
    }

    #[test]
    #[should_panic(expected = "beside: (2, 3) and (1, 3) have other numbers of rows")]
    fn other_rows() {
        let tape = Tape::<f32>::new();
        let leaf = |n| tape.leaf("leaf", Tensor::zeros(n, 3));
        beside(&leaf(2), &leaf(1));
    }
}
