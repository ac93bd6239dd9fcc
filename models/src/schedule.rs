//! The one-cycle schedule (Smith 2018): a linear rise to the peak rate, a linear fall to almost nothing.
//!
//! The numbers are those of PyTorch's OneCycleLR with linear annealing and its defaults: step 0 has a 25th of the peak,
//! step `warmup - 1` the peak, the last step 4e-6 of it. With `cycled` (PyTorch's default, which the released code
//! leaves on without saying so) β₁ mirrors the rate, 0.95 down to 0.85 and back.

/// Peak over first rate.
const FIRST: f64 = 25.0;
/// First over last rate.
const LAST: f64 = 1e4;
/// β₁ when it is not cycled.
const BETA1: f64 = 0.9;
/// β₁ at both ends of a cycle.
const BETA1_ENDS: f64 = 0.95;
/// β₁ at the peak of the rate.
const BETA1_PEAK: f64 = 0.85;

/// Rate and β₁ of every step of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OneCycle {
    peak: f64,
    warmup: usize,
    steps: usize,
    cycled: bool,
}

impl OneCycle {
    /// A schedule over `steps` steps, of which the first `warmup` rise to `peak`.
    ///
    /// With a warm-up of 1, step 0 has the peak rate; with 0, the rate one step after the peak.
    ///
    /// # Errors
    /// If there are no steps, more steps of warm-up than steps, or the peak is not a positive finite number.
    pub fn new(
        peak: f64,
        warmup: usize,
        steps: usize,
        cycled: bool,
    ) -> Result<OneCycle, ScheduleError> {
        if !(peak.is_finite() && peak > 0.0) {
            return Err(ScheduleError::Peak(peak));
        }
        if steps == 0 {
            return Err(ScheduleError::NoSteps);
        }
        if warmup > steps {
            return Err(ScheduleError::Warmup { warmup, steps });
        }
        Ok(OneCycle {
            peak,
            warmup,
            steps,
            cycled,
        })
    }

    /// The learning rate of a step, counted from 0.
    ///
    /// # Panics
    /// If `step` is not below the number of steps.
    #[track_caller]
    pub fn rate(&self, step: usize) -> f64 {
        let first = self.peak / FIRST;
        self.between(step, first, self.peak, first / LAST)
    }

    /// Adam's β₁ of a step, counted from 0.
    ///
    /// # Panics
    /// If `step` is not below the number of steps.
    #[track_caller]
    pub fn beta1(&self, step: usize) -> f64 {
        if self.cycled {
            self.between(step, BETA1_ENDS, BETA1_PEAK, BETA1_ENDS)
        } else {
            self.between(step, BETA1, BETA1, BETA1)
        }
    }

    /// On the lines from `first` at step 0 over `top` at step `warmup - 1` to `last` at step `steps - 1`.
    #[track_caller]
    fn between(&self, step: usize, first: f64, top: f64, last: f64) -> f64 {
        assert!(
            step < self.steps,
            "OneCycle: step {step} of {}, counted from 0",
            self.steps
        );
        let line = |from: f64, to: f64, part: f64| (to - from) * part + from;
        let (step, summit) = (step as f64, self.warmup as f64 - 1.0);
        if step < summit {
            line(first, top, step / summit)
        } else if step == summit {
            top
        } else {
            line(
                top,
                last,
                (step - summit) / (self.steps as f64 - 1.0 - summit),
            )
        }
    }
}

/// Settings that make no schedule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ScheduleError {
    /// The peak rate is zero, negative, infinite or not a number.
    Peak(f64),
    /// No steps.
    NoSteps,
    /// The warm-up is longer than the run.
    Warmup {
        /// Steps of warm-up.
        warmup: usize,
        /// Steps of the run.
        steps: usize,
    },
}

impl std::fmt::Display for ScheduleError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ScheduleError::Peak(peak) => {
                write!(
                    f,
                    "the peak learning rate is {peak}, expected a positive number"
                )
            }
            ScheduleError::NoSteps => write!(f, "a schedule needs at least 1 step"),
            ScheduleError::Warmup { warmup, steps } => {
                write!(
                    f,
                    "a warm-up of {warmup} steps does not fit into {steps} steps"
                )
            }
        }
    }
}

impl std::error::Error for ScheduleError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every step of a run of 40 with 8 of warm-up and peak 0.01, by PyTorch's scheduler.
    const RATES: [f64; 40] = [
        0.0004,
        0.0017714285714285714,
        0.003142857142857143,
        0.004514285714285715,
        0.005885714285714286,
        0.007257142857142858,
        0.008628571428571428,
        0.01,
        0.009687501250000001,
        0.0093750025,
        0.009062503750000001,
        0.008750005,
        0.00843750625,
        0.0081250075,
        0.00781250875,
        0.00750001,
        0.0071875112500000005,
        0.0068750124999999995,
        0.00656251375,
        0.006250015,
        0.00593751625,
        0.0056250175,
        0.00531251875,
        0.00500002,
        0.00468752125,
        0.0043750225,
        0.00406252375,
        0.0037500249999999997,
        0.0034375262499999996,
        0.0031250274999999996,
        0.0028125287499999995,
        0.0025000300000000003,
        0.0021875312500000002,
        0.0018750325000000002,
        0.0015625337499999992,
        0.001250035,
        0.0009375362499999991,
        0.0006250374999999999,
        0.00031253874999999896,
        3.999999999976245e-08,
    ];
    const BETAS: [f64; 40] = [
        0.95,
        0.9357142857142857,
        0.9214285714285714,
        0.9071428571428571,
        0.8928571428571428,
        0.8785714285714286,
        0.8642857142857143,
        0.85,
        0.853125,
        0.85625,
        0.859375,
        0.8624999999999999,
        0.865625,
        0.86875,
        0.871875,
        0.875,
        0.8781249999999999,
        0.88125,
        0.8843749999999999,
        0.8875,
        0.890625,
        0.8937499999999999,
        0.896875,
        0.8999999999999999,
        0.903125,
        0.90625,
        0.9093749999999999,
        0.9125,
        0.9156249999999999,
        0.91875,
        0.921875,
        0.9249999999999999,
        0.928125,
        0.9312499999999999,
        0.934375,
        0.9375,
        0.9406249999999999,
        0.94375,
        0.9468749999999999,
        0.95,
    ];

    #[test]
    fn rates_and_betas_are_those_of_pytorch() {
        let schedule = OneCycle::new(0.01, 8, 40, true).unwrap();
        for step in 0..40 {
            assert_eq!(schedule.rate(step), RATES[step], "{step}");
            assert_eq!(schedule.beta1(step), BETAS[step], "{step}");
        }
        let constant = OneCycle::new(0.01, 8, 40, false).unwrap();
        assert_eq!(constant.rate(5), schedule.rate(5));
        assert!((0..40).all(|step| constant.beta1(step) == 0.9));
    }

    #[test]
    fn warm_ups_of_every_length() {
        let rates = |warmup| {
            let schedule = OneCycle::new(1.0, warmup, 4, false).unwrap();
            [0, 1, 2, 3].map(|step| schedule.rate(step))
        };
        let last = 4e-6;
        let close = |got: [f64; 4], want: [f64; 4]| {
            let near = got.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-12);
            assert!(near, "{got:?} {want:?}");
        };
        let fall = (1.0 - last) / 4.0;
        close(
            rates(0),
            [1.0 - fall, 1.0 - 2.0 * fall, 1.0 - 3.0 * fall, last],
        );
        let fall = (1.0 - last) / 3.0;
        close(rates(1), [1.0, 1.0 - fall, 1.0 - 2.0 * fall, last]);
        close(rates(4), [0.04, 0.36, 0.68, 1.0]);
        assert_eq!(OneCycle::new(1.0, 1, 1, true).unwrap().rate(0), 1.0);
    }

    #[test]
    fn impossible_settings_are_refused() {
        let message = |peak, warmup, steps| {
            let error = OneCycle::new(peak, warmup, steps, true).unwrap_err();
            error.to_string()
        };
        assert_eq!(
            message(1e-4, 80, 20),
            "a warm-up of 80 steps does not fit into 20 steps"
        );
        assert!(message(1e-4, 0, 0).contains("at least 1 step"));
        for peak in [f64::NAN, f64::INFINITY, 0.0, -1.0] {
            assert!(message(peak, 1, 2).contains("expected a positive number"));
        }
    }

    #[test]
    #[should_panic(expected = "OneCycle: step 4 of 4")]
    fn a_step_past_the_last() {
        let _ = OneCycle::new(1.0, 1, 4, false).unwrap().beta1(4);
    }
}
