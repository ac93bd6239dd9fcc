//! How far a tensor is off, and how far it may be.

use engine::Real;
use std::fmt;

/// A norm below this is that of a tensor of zeros, rounded.
const ZERO: f64 = 1e-12;
/// A tensor counts as at least this part of the largest gradient of its case.
const FLOOR: f64 = 1e-3;

/// What a tensor is in its case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Computed forward.
    Output,
    /// Computed backward.
    Gradient,
    /// Along steps of training.
    Training,
}

/// One tensor compared.
#[derive(Debug)]
pub(super) struct Measure {
    /// `f64` or `f32`.
    pub(super) precision: &'static str,
    pub(super) kind: Kind,
    pub(super) tensor: String,
    pub(super) error: f64,
    pub(super) tolerance: f64,
}

impl Measure {
    /// Within its tolerance; an error that is not a number is not.
    pub(super) fn passes(&self) -> bool {
        self.error <= self.tolerance
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Measure {
            precision,
            tensor,
            error,
            tolerance,
            ..
        } = self;
        write!(
            f,
            "{precision} {tensor}: error {error:.2e}, tolerance {tolerance:.0e}"
        )
    }
}

/// The tensors of one case computed in `T`, compared one by one.
pub(super) struct Comparison {
    precision: &'static str,
    tolerance: f64,
    /// The largest norm among the expected gradients.
    largest_gradient: f64,
    /// What a tensor that should be zero is compared with.
    scale_of_zero: f64,
    measures: Vec<Measure>,
}

impl Comparison {
    pub(super) fn new<T: Real>(tolerance: f64, largest_gradient: f64, scale_of_zero: f64) -> Self {
        Comparison {
            precision: T::NAME,
            tolerance,
            largest_gradient,
            scale_of_zero,
            measures: Vec::new(),
        }
    }

    /// ||got - want|| / max(||want||, 1e-3 of the largest gradient); where zeros are expected,
    /// ||got|| / their scale.
    pub(super) fn tensor<T: Real>(
        &mut self,
        kind: Kind,
        tensor: &str,
        got: &[T],
        want: &[f64],
    ) -> Result<(), String> {
        if got.len() != want.len() {
            return Err(format!(
                "{tensor}: {} numbers expected, {} computed",
                want.len(),
                got.len()
            ));
        }
        let error = if norm(want) < ZERO {
            norm_of(got.iter().map(|x| x.f64())) / self.scale_of_zero
        } else {
            let difference = norm_of(got.iter().zip(want).map(|(got, want)| got.f64() - want));
            difference / norm(want).max(FLOOR * self.largest_gradient)
        };
        self.push(kind, tensor.to_string(), error);
        Ok(())
    }

    /// Numbers that are each a result of its own, such as the losses of all steps: the largest
    /// relative error.
    pub(super) fn sequence(&mut self, tensor: &str, pairs: impl IntoIterator<Item = (f64, f64)>) {
        let errors = pairs
            .into_iter()
            .map(|(got, want)| ((got - want) / want).abs());
        // Not f64::max, which takes NaN for nothing; by total_cmp it is the largest.
        let error = errors.max_by(f64::total_cmp).unwrap_or(0.0);
        self.push(Kind::Training, tensor.to_string(), error);
    }

    fn push(&mut self, kind: Kind, tensor: String, error: f64) {
        self.measures.push(Measure {
            precision: self.precision,
            kind,
            tensor,
            error,
            tolerance: self.tolerance,
        });
    }

    pub(super) fn measures(self) -> Vec<Measure> {
        self.measures
    }
}

/// The Euclidean norm.
pub(super) fn norm(x: &[f64]) -> f64 {
    norm_of(x.iter().copied())
}

fn norm_of(x: impl Iterator<Item = f64>) -> f64 {
    x.map(|x| x * x).sum::<f64>().sqrt()
}

/// The worst error of every kind, f64 before f32, as the cells of a line.
pub(super) fn cells(measures: &[Measure]) -> Vec<String> {
    let mut cells = Vec::new();
    for precision in [f64::NAME, f32::NAME] {
        for kind in [Kind::Output, Kind::Gradient, Kind::Training] {
            let of_kind = measures
                .iter()
                .filter(|measure| measure.precision == precision && measure.kind == kind);
            let worst = of_kind
                .map(|measure| measure.error.abs())
                .max_by(f64::total_cmp);
            cells.push(match worst {
                None => "-".to_string(),
                Some(0.0) => "0".to_string(),
                Some(error) => format!("{error:.0e}"),
            });
        }
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(got: &[f64], want: &[f64]) -> f64 {
        let mut comparison = Comparison::new::<f64>(1e-9, 10.0, 4.0);
        comparison.tensor(Kind::Output, "x", got, want).unwrap();
        comparison.measures().pop().unwrap().error
    }

    #[test]
    fn an_error_is_relative_to_the_tensor_the_largest_gradient_or_the_cotangent() {
        assert_eq!(error(&[3.0, 5.0], &[3.0, 4.0]), 0.2);
        // 1e-3 of the largest gradient is 0.01.
        assert_eq!(error(&[0.003, 0.0], &[0.001, 0.0]), 0.2);
        assert_eq!(error(&[3.0, 4.0], &[0.0, 1e-13]), 1.25);
    }

    #[test]
    fn what_is_not_a_number_never_passes_and_is_shown() {
        let mut comparison = Comparison::new::<f64>(1e-9, 1.0, 1.0);
        comparison
            .tensor(Kind::Output, "x", &[f64::NAN], &[1.0])
            .unwrap();
        comparison
            .tensor(Kind::Output, "y", &[1.0], &[1.0])
            .unwrap();
        comparison.sequence("z", [(1.0, 1.0), (f64::NAN, 1.0), (1.0, 1.0)]);
        let measures = comparison.measures();
        let passes: Vec<bool> = measures.iter().map(Measure::passes).collect();
        assert_eq!(passes, [false, true, false]);
        assert_eq!(cells(&measures), ["NaN", "-", "NaN", "-", "-", "-"]);
    }

    #[test]
    fn another_number_of_numbers_is_an_error() {
        let mut comparison = Comparison::new::<f32>(1e-5, 1.0, 1.0);
        let result = comparison.tensor(Kind::Output, "out", &[1f32], &[1.0, 2.0]);
        assert_eq!(
            result,
            Err("out: 2 numbers expected, 1 computed".to_string())
        );
    }
}
