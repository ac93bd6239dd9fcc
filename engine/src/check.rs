//! The gradient checker: analytic cotangents against finite differences, in `f64`.
//!
//! For an operator f, a random cotangent c and the number L = sum(c * f(x)), the tape's dL/dx is
//! compared with central differences of L, one input at a time: every coordinate when there are
//! few, else random directions. The cotangent is never all ones (the gradient of softmax attention
//! over equal values under ones is exactly 0, and so would be that of a wrong softmax). One
//! Richardson step removes the h² term, so that step 1e-3 leaves about 1e-12 of truncation and
//! 1e-12 of rounding. The error is relative to the scale of that input's own gradient. A function may bend within a
//! step (a batch norm of two like samples), so what fails is measured with shorter ones: a wrong gradient fails all.

use std::{fmt, iter};

use crate::arithmetic::Var;
use crate::rng::Stream;
use crate::tape::Tape;
use crate::tensor::Tensor;

/// The largest error that passes. Right gradients measure 1e-12 to 1e-9; a term that is 0.1 % off
/// measures about 1e-3.
pub const TOLERANCE: f64 = 1e-7;
/// Inputs with at most this many elements are checked coordinate by coordinate.
const FEW: usize = 128;
/// An input's gradient counts as at least this part of the largest one among the inputs: one that
/// is exactly 0 (of the query of a single key, say) differs from 0 by rounding on both sides.
const FLOOR: f64 = 1e-4;
/// Directions for larger inputs.
const DIRECTIONS: usize = 32;
/// The first, and those for what fails with it.
const STEPS: [f64; 3] = [1e-3, 1.25e-4, 1.6e-5];

/// The gradient check of an operator. Tests go through the lists of cases, and miss none.
pub struct Case {
    /// The name the operator records on tapes.
    pub operator: &'static str,
    run: Box<dyn Fn(Stream) -> Result<Vec<Checked>, Failure> + Send + Sync>,
}

impl Case {
    /// A case of `operator` that draws its inputs and directions from the stream it is given.
    pub fn new(
        operator: &'static str,
        run: impl Fn(Stream) -> Result<Vec<Checked>, Failure> + Send + Sync + 'static,
    ) -> Case {
        Case {
            operator,
            run: Box::new(run),
        }
    }

    /// Runs the check on the stream of its own name.
    ///
    /// # Errors
    /// The first gradient that is wrong.
    pub fn run(&self) -> Result<Vec<Checked>, Failure> {
        (self.run)(crate::rng::Seed(20).stream("check").stream(self.operator))
    }
}

/// An input whose gradient is right.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The input.
    pub input: String,
    /// The largest error, relative to the gradient's scale.
    pub error: f64,
    /// The Euclidean norm of its gradient: 0 where the output does not depend on it.
    pub norm: f64,
}

/// A gradient that is wrong.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The operator.
    pub operator: String,
    /// The input.
    pub input: String,
    /// The coordinate or direction.
    pub place: String,
    /// By finite differences.
    pub expected: f64,
    /// By the tape.
    pub got: f64,
    /// |expected - got| relative to the gradient's scale.
    pub error: f64,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure {
            operator,
            input,
            place,
            expected,
            got,
            error,
        } = self;
        write!(
            f,
            "gradient of {operator} with respect to {input} at {place}: expected {expected:.12e} (finite differences), \
             got {got:.12e}, error {error:.1e} > {TOLERANCE:.0e}"
        )
    }
}

impl std::error::Error for Failure {}

/// A tensor of independent standard normal numbers.
pub fn normal(stream: Stream, rows: usize, cols: usize) -> Tensor<f64> {
    let mut generator = stream.generator();
    Tensor::from_fn(rows, cols, |_, _| generator.normal())
}

fn inner(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

fn leaves<'t>(tape: &'t Tape<f64>, values: &[Tensor<f64>]) -> Vec<Var<'t, f64>> {
    values
        .iter()
        .map(|value| tape.leaf("input", value.clone()))
        .collect()
}

/// Checks the gradient of `f` with respect to each of `inputs` at their values.
///
/// `f` must be a pure function of its variables: the same draws every time it is called.
///
/// # Errors
/// The first coordinate or direction whose error is above [`TOLERANCE`].
///
/// # Panics
/// If `f` does, or if a gradient has another shape than its input.
pub fn check(
    operator: &str,
    stream: Stream,
    inputs: &[(&str, Tensor<f64>)],
    f: impl for<'t> Fn(&'t Tape<f64>, &[Var<'t, f64>]) -> Var<'t, f64>,
) -> Result<Vec<Checked>, Failure> {
    let values: Vec<Tensor<f64>> = inputs.iter().map(|(_, value)| value.clone()).collect();

    let tape = Tape::new();
    let variables = leaves(&tape, &values);
    let output = f(&tape, &variables);
    let cotangent = normal(stream.stream("cotangent"), output.rows(), output.cols());
    let gradients = tape.backward_from(&output, cotangent.clone());

    // L at the inputs with number `which` moved by `step` along `direction`.
    let loss = |which: usize, direction: &[f64], step: f64| -> f64 {
        let mut moved = values.clone();
        for (x, d) in moved[which].data_mut().iter_mut().zip(direction) {
            *x += step * d;
        }
        let tape = Tape::forward_only();
        let output = f(&tape, &leaves(&tape, &moved));
        inner(output.value().data(), cotangent.data())
    };
    let slope = |which: usize, direction: &[f64], step: f64| -> f64 {
        let central = |h: f64| (loss(which, direction, h) - loss(which, direction, -h)) / (2.0 * h);
        (4.0 * central(step / 2.0) - central(step)) / 3.0
    };
    let norms = variables.iter().map(|x| gradients.of(x).norm());
    let floor = FLOOR * norms.fold(0.0, f64::max);

    let mut checked = Vec::new();
    for (which, (input, value)) in inputs.iter().enumerate() {
        let gradient = gradients.of(&variables[which]);
        assert_eq!(
            gradient.shape(),
            value.shape(),
            "gradient of {operator} with respect to {input}: shapes"
        );
        let (norm, gradient) = (gradient.norm(), gradient.data());
        let len = gradient.len();
        let mut worst: f64 = 0.0;
        let mut compare = |place: String, direction: &[f64], scale: f64| {
            let got = inner(gradient, direction);
            let measure = |step: f64| {
                let expected = slope(which, direction, step);
                let scale = scale.max(floor).max(f64::MIN_POSITIVE);
                (expected, (expected - got).abs() / scale)
            };
            let (expected, error) = measure(STEPS[0]);
            let passes = |error: f64| error <= TOLERANCE;
            let mut errors =
                iter::once(error).chain(STEPS[1..].iter().map(|&step| measure(step).1));
            if let Some(error) = errors.find(|&error| passes(error)) {
                worst = worst.max(error);
                return Ok(());
            }
            let (operator, input) = (operator.to_string(), (*input).to_string());
            Err(Failure {
                operator,
                input,
                place,
                expected,
                got,
                error,
            })
        };
        if len <= FEW {
            let sizes = gradient.iter().map(|g| g.abs());
            let largest = sizes.fold(0.0, f64::max);
            for i in 0..len {
                let mut direction = vec![0.0; len];
                direction[i] = 1.0;
                let place = format!("({}, {})", i / value.cols(), i % value.cols());
                compare(place, &direction, largest)?;
            }
        } else {
            for i in 0..DIRECTIONS {
                let direction = normal(stream.stream(input).at(i), len, 1);
                let length = direction.norm();
                let unit: Vec<f64> = direction.data().iter().map(|d| d / length).collect();
                // A unit direction sees about norm / sqrt(len) of the gradient.
                let scale = norm / (len as f64).sqrt();
                compare(format!("random direction {i}"), &unit, scale)?;
            }
        }
        checked.push(Checked {
            input: (*input).to_string(),
            error: worst,
            norm,
        });
    }
    Ok(checked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gemm::gemm;
    use crate::rng::Seed;

    /// y = x Aᵀ for a fixed A, then a planted mistake in the pullback.
    fn planted(
        mistake: fn(Tensor<f64>, &Tensor<f64>) -> Tensor<f64>,
        rows: usize,
    ) -> Result<Vec<Checked>, Failure> {
        let stream = Seed(5).stream("planted");
        let a = normal(stream.stream("a"), 6, 6);
        let x = normal(stream.stream("x"), rows, 6);
        check("planted", stream, &[("x", x)], |tape, x| {
            let mut y = Tensor::stale(rows, 6);
            gemm(1.0, x[0].value().view(), a.view().t(), 0.0, y.view_mut());
            let a = a.clone();
            tape.record("planted", [x[0].node()], y, move |dy| {
                let mut dx = Tensor::stale(dy.rows(), 6);
                gemm(1.0, dy.view(), a.view(), 0.0, dx.view_mut());
                [mistake(dx, &dy)]
            })
        })
    }

    fn altered(dx: Tensor<f64>, to: impl Fn(usize, usize, f64) -> f64) -> Tensor<f64> {
        Tensor::from_fn(dx.rows(), dx.cols(), |i, j| to(i, j, dx.row(i)[j]))
    }

    #[test]
    fn a_right_gradient_passes_and_each_planted_error_is_rejected() {
        for rows in [6, 40] {
            // by coordinate, by direction
            let checked = planted(|dx, _| dx, rows).unwrap();
            assert!(checked[0].error < 1e-9, "{checked:?}");

            let failure = planted(|dx, _| altered(dx, |_, _, g| 1.001 * g), rows);
            let failure = failure.expect_err("0.1 % off");
            let names = (failure.operator.as_str(), failure.input.as_str());
            assert_eq!(names, ("planted", "x"));
            let factor = failure.got / failure.expected;
            assert!((factor - 1.001).abs() < 1e-6, "{failure}");

            planted(
                |dx, dy| altered(dx, |i, j, g| g - 0.01 * dy.row(i)[j]),
                rows,
            )
            .expect_err("a missing term");
            planted(
                |dx, _| altered(dx, |i, _, g| if i == 2 { 0.0 } else { g }),
                rows,
            )
            .expect_err("a forgotten row");
            planted(|dx, _| Tensor::zeros(dx.rows(), 6), rows).expect_err("a gradient of zero");
        }
        planted(|dx, _| Tensor::from_fn(6, 6, |i, j| dx.row(j)[i]), 6).expect_err("transposed");
    }

    #[test]
    fn forgotten_accumulation_is_rejected() {
        // y = x * x, whose pullback forgets that x is used twice.
        let stream = Seed(5).stream("accumulation");
        let x = normal(stream, 3, 3);
        let result = check("square", stream, &[("x", x)], |tape, x| {
            let kept = x[0].save();
            let y = Tensor::from_fn(3, 3, |i, j| kept.row(i)[j] * kept.row(i)[j]);
            tape.record("square", [x[0].node()], y, move |dy| {
                [Tensor::from_fn(3, 3, |i, j| dy.row(i)[j] * kept.row(i)[j])]
            })
        });
        let failure = result.expect_err("half the gradient");
        let missing = failure.got * 2.0 - failure.expected;
        assert!(missing.abs() < 1e-6, "{failure}");
    }

    #[test]
    fn an_input_without_influence_has_norm_zero() {
        let stream = Seed(5).stream("zero");
        let inputs = ["x", "unused"].map(|name| (name, normal(stream.stream(name), 2, 2)));
        let checked = check("add", stream, &inputs, |_, x| &x[0] + &x[0]).unwrap();
        assert!(checked[0].norm > 0.0);
        assert_eq!(checked[1].norm, 0.0);
    }
}
