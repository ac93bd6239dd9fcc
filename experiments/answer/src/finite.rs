//! Finite differences beside a number of a gradient.

use serde::Serialize;

use crate::question::Refused;

/// Finite differences beside a number.
#[derive(Serialize, Clone, Copy, Debug)]
pub struct Finite {
    /// By differences of the output.
    pub difference: f64,
    /// |difference - value| relative to the scale of that gradient.
    pub error: f64,
    /// Whether the error is below the tolerance.
    pub agrees: bool,
}

/// The largest step of the differences; what disagrees is measured with shorter ones, since a function may bend.
const STEPS: [f64; 3] = [1e-3, 1.25e-4, 1.6e-5];

/// A number of a gradient.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number {
    pub(crate) value: f64,
    /// The largest number of its gradient, of which the error is a share.
    pub(crate) scale: f64,
    /// The largest error that agrees.
    pub(crate) tolerance: f64,
}

impl Number {
    /// Central differences, with one Richardson step, of `loss`: sum(y dy) with the input moved by a step.
    pub(crate) fn beside(
        self,
        loss: impl Fn(f64) -> Result<f64, Refused>,
    ) -> Result<Finite, Refused> {
        let central = |h: f64| -> Result<f64, Refused> { Ok((loss(h)? - loss(-h)?) / (2.0 * h)) };
        let measure = |step: f64| -> Result<Finite, Refused> {
            let difference = (4.0 * central(step / 2.0)? - central(step)?) / 3.0;
            let error = (difference - self.value).abs() / self.scale;
            Ok(Finite {
                difference,
                error,
                agrees: error <= self.tolerance,
            })
        };
        let first = measure(STEPS[0])?;
        for &step in &STEPS[1..] {
            if first.agrees {
                break;
            }
            let shorter = measure(step)?;
            if shorter.agrees {
                return Ok(shorter);
            }
        }
        Ok(first)
    }
}
