//! Variables, and the operators on them: `+`, `-`, `*`, [`Var::scale`], [`Var::matmul`] and [`Var::sum`].
//!
//! The operators live in the crate of the tape because Rust lets only the crate of a type implement them; with them
//! engine is a complete, readable automatic differentiation of its own. `+`, `-` and `*` take variables by value or by
//! reference: `a + b` and `a - b` reuse the memory of `a` when nobody else holds it, `&a + &b` leaves both alone.
//! (`a * b` keeps both for backward.) All three panic where shapes differ or the variables stand on different tapes.

use std::ops::{Add, Mul, Neg, Sub};

use crate::check::{Case, check, normal};
use crate::lanes;
use crate::real::Real;
use crate::rng::Seed;
use crate::tape::{Node, Tape};
use crate::tensor::Tensor;

/// A value on a tape.
#[derive(Clone)]
pub struct Var<'t, T: Real> {
    pub(crate) tape: &'t Tape<T>,
    pub(crate) node: Node,
    pub(crate) value: Tensor<T>,
}

impl<'t, T: Real> Var<'t, T> {
    /// The tape it stands on.
    pub fn tape(&self) -> &'t Tape<T> {
        self.tape
    }

    /// Its place on the tape.
    pub fn node(&self) -> Node {
        self.node
    }

    /// Its value.
    pub fn value(&self) -> &Tensor<T> {
        &self.value
    }

    /// Its value, given up: operators that work in place take a variable by value and reuse its memory through this
    /// when nobody else holds it.
    pub fn into_value(self) -> Tensor<T> {
        self.value
    }

    /// Its value, noted as saved for backward; see [`Tape::save`].
    pub fn save(&self) -> Tensor<T> {
        self.tape.save(&self.value)
    }

    /// (rows, cols)
    pub fn shape(&self) -> (usize, usize) {
        self.value.shape()
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.value.rows()
    }

    /// The number of columns.
    pub fn cols(&self) -> usize {
        self.value.cols()
    }

    /// The only element of a `1 x 1` variable; panics as [`Tensor::item`] does.
    #[track_caller]
    pub fn item(&self) -> T {
        self.value.item()
    }
}

#[track_caller]
fn same_shape<T: Real>(operator: &str, a: &Var<'_, T>, b: &Var<'_, T>) {
    assert!(
        a.shape() == b.shape(),
        "{operator}: shapes {:?} and {:?} differ",
        a.shape(),
        b.shape()
    );
}

/// c = a + b; both get dc.
fn add<'t, T: Real>(a: Var<'t, T>, b: &Var<'t, T>) -> Var<'t, T> {
    let (tape, parents) = (a.tape(), [a.node(), b.node()]);
    let mut c = a.into_value().into_owned();
    lanes::add(b.value().data(), c.data_mut());
    tape.record("add", parents, c, |dc| [dc.clone(), dc])
}

/// c = a - b; da = dc, db = -dc.
fn subtract<'t, T: Real>(a: Var<'t, T>, b: &Var<'t, T>) -> Var<'t, T> {
    let (tape, parents) = (a.tape(), [a.node(), b.node()]);
    let mut c = a.into_value().into_owned();
    lanes::subtract(b.value().data(), c.data_mut());
    tape.record("subtract", parents, c, |dc| {
        [dc.clone(), times(dc, -T::ONE)]
    })
}

/// c = a * b, element by element; da = dc * b, db = dc * a. Saved: a and b.
fn multiply<'t, T: Real>(a: Var<'t, T>, b: &Var<'t, T>) -> Var<'t, T> {
    let (saved_a, saved_b) = (a.save(), b.save());
    let mut c = a.value().clone();
    lanes::multiply(b.value().data(), c.data_mut());
    a.tape()
        .record("multiply", [a.node(), b.node()], c, move |dc| {
            let mut da = dc.clone();
            lanes::multiply(saved_b.data(), da.data_mut());
            let mut db = dc;
            lanes::multiply(saved_a.data(), db.data_mut());
            [da, db]
        })
}

/// C = A B, (m, k) times (k, n); dA = dC Bᵀ, dB = Aᵀ dC. Saved: A and B.
fn matmul<'t, T: Real>(a: &Var<'t, T>, b: &Var<'t, T>) -> Var<'t, T> {
    let (saved_a, saved_b) = (a.save(), b.save());
    let c = Tensor::product(T::ONE, saved_a.view(), saved_b.view());
    a.tape()
        .record("matmul", [a.node(), b.node()], c, move |dc| {
            let da = Tensor::product(T::ONE, dc.view(), saved_b.view().t());
            let db = Tensor::product(T::ONE, saved_a.view().t(), dc.view());
            [da, db]
        })
}

fn times<T: Real>(x: Tensor<T>, a: T) -> Tensor<T> {
    let mut y = x.into_owned();
    lanes::scale(a, y.data_mut());
    y
}

impl<'t, T: Real> Var<'t, T> {
    /// y = a x; dx = a dy.
    pub fn scale(self, a: T) -> Var<'t, T> {
        let (tape, x) = (self.tape(), self.node());
        tape.record("scale", [x], times(self.into_value(), a), move |dy| {
            [times(dy, a)]
        })
    }

    /// The matrix product, (m, k) times (k, n).
    ///
    /// # Panics
    /// If `self` has not as many columns as `b` has rows, or the two stand on different tapes.
    #[track_caller]
    pub fn matmul(&self, b: &Var<'t, T>) -> Var<'t, T> {
        assert!(
            self.cols() == b.rows(),
            "matmul: {:?} times {:?} does not fit",
            self.shape(),
            b.shape()
        );
        matmul(self, b)
    }

    /// The sum of all elements, `1 x 1`; every element gets ds.
    pub fn sum(&self) -> Var<'t, T> {
        let (rows, cols) = self.shape();
        let s = Tensor::scalar(lanes::sum(self.value().data()));
        self.tape().record("sum", [self.node()], s, move |ds| {
            [Tensor::filled(rows, cols, ds.item())]
        })
    }
}

/// `a op b` for values and references alike.
macro_rules! operator {
    ($trait:ident, $method:ident, $sign:literal, $function:ident) => {
        impl<'t, T: Real> $trait for Var<'t, T> {
            type Output = Var<'t, T>;
            #[track_caller]
            fn $method(self, other: Var<'t, T>) -> Var<'t, T> {
                same_shape($sign, &self, &other);
                $function(self, &other)
            }
        }
        impl<'t, T: Real> $trait<&Var<'t, T>> for Var<'t, T> {
            type Output = Var<'t, T>;
            #[track_caller]
            fn $method(self, other: &Var<'t, T>) -> Var<'t, T> {
                same_shape($sign, &self, other);
                $function(self, other)
            }
        }
        impl<'t, T: Real> $trait<Var<'t, T>> for &Var<'t, T> {
            type Output = Var<'t, T>;
            #[track_caller]
            fn $method(self, other: Var<'t, T>) -> Var<'t, T> {
                same_shape($sign, self, &other);
                $function(self.clone(), &other)
            }
        }
        impl<'t, T: Real> $trait for &Var<'t, T> {
            type Output = Var<'t, T>;
            #[track_caller]
            fn $method(self, other: &Var<'t, T>) -> Var<'t, T> {
                same_shape($sign, self, other);
                $function(self.clone(), other)
            }
        }
    };
}

operator!(Add, add, "+", add);
operator!(Sub, sub, "-", subtract);
operator!(Mul, mul, "*", multiply);

impl<'t, T: Real> Neg for Var<'t, T> {
    type Output = Var<'t, T>;
    fn neg(self) -> Var<'t, T> {
        self.scale(-T::ONE)
    }
}

/// The gradient checks of this file.
pub fn cases() -> Vec<Case> {
    let pair = |name, rows, cols| {
        let stream = Seed(11).stream(name);
        [
            ("a", normal(stream.stream("a"), rows, cols)),
            ("b", normal(stream.stream("b"), rows, cols)),
        ]
    };
    vec![
        Case::new("add", move |stream| {
            check("add", stream, &pair("add", 3, 5), |_, x| &x[0] + &x[1])
        }),
        Case::new("subtract", move |stream| {
            check("subtract", stream, &pair("subtract", 3, 5), |_, x| {
                &x[0] - &x[1]
            })
        }),
        Case::new("multiply", move |stream| {
            check("multiply", stream, &pair("multiply", 3, 5), |_, x| {
                &(&x[0] * &x[1]) * &x[0]
            })
        }),
        Case::new("scale", move |stream| {
            check("scale", stream, &pair("scale", 4, 3), |_, x| {
                -x[0].clone().scale(0.3)
            })
        }),
        Case::new("matmul", move |stream| {
            let a = normal(stream.stream("a"), 3, 5);
            let b = normal(stream.stream("b"), 5, 2);
            check("matmul", stream, &[("a", a), ("b", b)], |_, x| {
                x[0].matmul(&x[1])
            })
        }),
        Case::new("sum", move |stream| {
            check("sum", stream, &pair("sum", 7, 11)[..1], |_, x| {
                (&x[0] * &x[0]).sum()
            })
        }),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tape::Tape;

    #[test]
    fn every_case_passes() {
        for case in cases() {
            case.run().unwrap();
        }
    }

    #[test]
    fn operators_leave_shared_operands_alone() {
        let tape = Tape::new();
        let a = tape.leaf("a", Tensor::scalar(2.0));
        let b = tape.leaf("b", Tensor::scalar(5.0));
        let c = &(&a + &b) - &(&a * &b); // 7 - 10
        assert_eq!((a.item(), b.item(), c.item()), (2.0, 5.0, -3.0));
        let gradients = tape.backward(&c);
        assert_eq!(
            (gradients.of(&a).item(), gradients.of(&b).item()),
            (-4.0, -1.0)
        );
    }

    #[test]
    #[should_panic(expected = "+: shapes (1, 1) and (2, 1) differ")]
    fn shapes_that_differ() {
        let tape = Tape::new();
        let _ = tape.leaf("a", Tensor::<f32>::zeros(1, 1)) + tape.leaf("b", Tensor::zeros(2, 1));
    }
}
