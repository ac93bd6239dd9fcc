//! AdamW (Loshchilov and Hutter 2019): Adam with weight decay apart from the gradient.
//!
//! With step t = 1, 2, ..., rate r, decay λ, and for every number θ of every parameter with gradient g:
//!
//! ```text
//! θ ← θ - r λ θ
//! m ← β₁ m + (1 - β₁) g          v ← β₂ v + (1 - β₂) g²
//! θ ← θ - r m / (1 - β₁ᵗ) / (√(v / (1 - β₂ᵗ)) + ε)
//! ```
//!
//! β₁ may change from step to step (a cycled momentum, see [`crate::schedule`]); the correction 1 - β₁ᵗ then uses the
//! current one, as PyTorch does. Everything that is the same for all numbers is computed in f64 and rounded once.
//!
//! A gradient whose square is not finite (in f32, 1.8e19 or more) would make v infinite for the rest of the run: its
//! parameter would never move again, and no loss would show it. Such a step is refused before anything changes.

use engine::lanes::fold;
use engine::{Params, Real, Tensor};
use serde::{Deserialize, Serialize};

/// β₂, the decay of the mean of squared gradients.
pub const BETA2: f64 = 0.999;
/// ε, added to the root of that mean.
pub const EPSILON: f64 = 1e-6;

/// The state of the optimiser; serialised, it is part of a checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdamW<T> {
    weight_decay: f64,
    /// Steps done, t.
    step: u64,
    /// m, parameter by parameter.
    first: Vec<Vec<T>>,
    /// v, likewise.
    second: Vec<Vec<T>>,
}

/// The numbers of one step that do not depend on the parameter.
#[derive(Clone, Copy)]
struct Factors<T> {
    /// 1 - r λ
    keep: T,
    beta1: T,
    /// 1 - β₁
    rest1: T,
    beta2: T,
    /// 1 - β₂
    rest2: T,
    /// √(1 - β₂ᵗ)
    root2: T,
    epsilon: T,
    /// r / (1 - β₁ᵗ)
    rate: T,
}

engine::lanes! {
    /// Whether v can take the square of every number.
    fn squares_are_finite<T>(g: &[T]) -> bool {
        fold(g, true, |a, b| a & b, |g| (g * g).is_finite())
    }

    fn update<T>(f: Factors<T>, g: &[T], m: &mut [T], v: &mut [T], theta: &mut [T]) {
        for (((theta, &g), m), v) in theta.iter_mut().zip(g).zip(m).zip(v) {
            *m = f.beta1.mul_add(*m, f.rest1 * g);
            *v = f.beta2.mul_add(*v, f.rest2 * g * g);
            *theta = f.keep * *theta - f.rate * *m / ((*v).sqrt() / f.root2 + f.epsilon);
        }
    }
}

impl<T: Real> AdamW<T> {
    /// The state before the first step; `weight_decay` is λ, and holds for every parameter that is
    /// not frozen.
    pub fn new(params: &Params<T>, weight_decay: f64) -> AdamW<T> {
        let zeros = || {
            let zeros = |value: &Tensor<T>| vec![T::ZERO; value.data().len()];
            params.values().iter().map(zeros).collect()
        };
        AdamW {
            weight_decay,
            step: 0,
            first: zeros(),
            second: zeros(),
        }
    }

    /// Whether this state was made for parameters of these sizes: ask it of a state from a checkpoint.
    pub fn fits(&self, params: &Params<T>) -> bool {
        let fits = |state: &[Vec<T>]| {
            let lengths = state.iter().map(Vec::len);
            lengths.eq(params.values().iter().map(|value| value.data().len()))
        };
        fits(&self.first) && fits(&self.second)
    }

    /// One step along the summed gradients, at a rate and a β₁ of this step.
    ///
    /// # Errors
    /// If the square of a gradient, or the rate with its correction, is not finite in `T`. Then neither the state nor a
    /// parameter has changed.
    ///
    /// # Panics
    /// If the state or the gradients are not those of parameters of these sizes.
    #[track_caller]
    pub fn step(
        &mut self,
        params: &mut Params<T>,
        grads: &[Tensor<T>],
        rate: f64,
        beta1: f64,
    ) -> Result<(), StepError> {
        assert!(
            self.fits(params),
            "AdamW: this state belongs to other parameters"
        );
        assert!(
            grads.len() == params.values().len(),
            "AdamW: {} gradients for {} parameters",
            grads.len(),
            params.values().len()
        );
        for ((name, value), grad) in params.iter().zip(grads) {
            assert!(
                grad.shape() == value.shape(),
                "AdamW: {name} is {:?}, its gradient {:?}",
                value.shape(),
                grad.shape()
            );
        }
        let step = self.step + 1;
        let t = step as f64;
        let factors = Factors {
            keep: T::of(1.0 - rate * self.weight_decay),
            beta1: T::of(beta1),
            rest1: T::of(1.0 - beta1),
            beta2: T::of(BETA2),
            rest2: T::of(1.0 - BETA2),
            root2: T::of((1.0 - libm::pow(BETA2, t)).sqrt()),
            epsilon: T::of(EPSILON),
            rate: T::of(rate / (1.0 - libm::pow(beta1, t))),
        };
        if !factors.rate.is_finite() {
            return Err(StepError::Rate {
                step,
                rate,
                precision: T::NAME,
            });
        }
        let frozen = params.frozen().to_vec();
        let trained = params.iter().zip(grads).zip(&frozen);
        for ((name, _), grad) in trained
            .filter(|(_, frozen)| !**frozen)
            .map(|(both, _)| both)
        {
            if !squares_are_finite(grad.data()) {
                let too_large = |g: &&T| !(**g * **g).is_finite();
                let value = grad.data().iter().find(too_large);
                return Err(StepError::Gradient {
                    step,
                    parameter: name.to_string(),
                    value: value.map_or(f64::NAN, |g| g.f64()),
                    precision: T::NAME,
                });
            }
        }
        self.step = step;
        let state = self.first.iter_mut().zip(&mut self.second).zip(frozen);
        for ((value, grad), ((m, v), frozen)) in
            params.values_mut().iter_mut().zip(grads).zip(state)
        {
            if !frozen {
                update(factors, grad.data(), m, v, value.data_mut());
            }
        }
        Ok(())
    }
}

/// A step that was refused.
#[derive(Clone, Debug, PartialEq)]
pub enum StepError {
    /// A gradient that is not finite, or whose square is not.
    Gradient {
        /// Counted from 1.
        step: u64,
        /// Whose gradient.
        parameter: String,
        /// The first such number in it.
        value: f64,
        /// What it was computed in.
        precision: &'static str,
    },
    /// A rate that is not finite with its correction, r / (1 - β₁ᵗ).
    Rate {
        /// Counted from 1.
        step: u64,
        /// r.
        rate: f64,
        /// What it was to be used in.
        precision: &'static str,
    },
}

impl std::fmt::Display for StepError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StepError::Gradient {
                step,
                parameter,
                value,
                precision,
            } => write!(
                f,
                "step {step}: the gradient of {parameter} holds {value:e}, expected sizes below \
                 sqrt({precision}::MAX), whose squares are finite"
            ),
            StepError::Rate {
                step,
                rate,
                precision,
            } => write!(
                f,
                "step {step}: the learning rate is {rate:e}, expected one that is finite in {precision} when it is \
                 divided by 1 - beta1^{step}"
            ),
        }
    }
}

impl std::error::Error for StepError {}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::Seed;
    use engine::lanes::{Level, limited_to};

    fn one(values: &[f64]) -> Params<f64> {
        let mut params = Params::default();
        params.add("w", Tensor::from_slice(1, values.len(), values));
        params
    }

    /// Three steps of torch.optim.AdamW's formula in 50-digit arithmetic: rates 0.01, 0.02, 0.005, β₁ 0.95, 0.9, 0.85,
    /// decay 0.1.
    #[test]
    fn three_steps_give_the_expected_numbers() {
        let mut params = one(&[0.5, -1.0, 2.0]);
        let mut adamw = AdamW::new(&params, 0.1);
        let steps = [
            ([0.1, -0.2, 0.0], 0.01, 0.95),
            ([-0.3, 0.05, 1e-4], 0.02, 0.9),
            ([0.2, 0.4, -3.0], 0.005, 0.85),
        ];
        let want = [
            [0.489500099999, -0.98900004999975, 1.998],
            [0.5005227992308651, -0.984133034822865, 1.9793287509990165],
            [0.4997732445900457, -0.9864629714580799, 1.981703811899066],
        ];
        for ((grad, rate, beta1), want) in steps.into_iter().zip(want) {
            let grads = [Tensor::from_slice(1, 3, &grad)];
            adamw.step(&mut params, &grads, rate, beta1).unwrap();
            for (&got, want) in params.values()[0].data().iter().zip(want) {
                // Measured: 2.3e-16.
                assert!((got - want).abs() <= 4e-16 * want.abs(), "{got} {want}");
            }
        }
        assert_eq!(adamw.step, 3);
    }

    #[test]
    fn every_instruction_set_gives_the_same_bits() {
        let run = |level| {
            limited_to(level, || {
                let mut generator = Seed(4).stream("adamw").generator();
                let mut normal = || Tensor::from_fn(3, 41, |_, _| generator.normal() as f32);
                let mut params = Params::default();
                params.add("w", normal());
                let mut adamw = AdamW::new(&params, 0.01);
                for step in 1..=5 {
                    let beta1 = 0.95 - 0.01 * f64::from(step);
                    adamw.step(&mut params, &[normal()], 0.01, beta1).unwrap();
                }
                let data = params.values()[0].data();
                data.iter().map(|x| x.to_bits()).collect::<Vec<_>>()
            })
        };
        let portable = run(Level::Portable);
        assert_eq!(run(Level::Avx2), portable);
        assert_eq!(run(Level::Avx512), portable);
    }

    #[test]
    fn a_state_that_was_saved_continues_with_the_same_bits() {
        let grads = |step: usize| {
            let mut generator = Seed(4).stream("saved").at(step).generator();
            [Tensor::from_fn(1, 3, |_, _| generator.normal())]
        };
        let mut params = one(&[0.5, -1.0, 2.0]);
        let mut adamw = AdamW::new(&params, 0.01);
        adamw.step(&mut params, &grads(0), 0.01, 0.9).unwrap();
        let text = serde_json::to_string(&adamw).unwrap();
        let mut again: AdamW<f64> = serde_json::from_str(&text).unwrap();
        let mut params_again = params.clone();
        assert!(again.fits(&params) && !again.fits(&one(&[1.0])));
        adamw.step(&mut params, &grads(1), 0.01, 0.9).unwrap();
        again.step(&mut params_again, &grads(1), 0.01, 0.9).unwrap();
        assert_eq!(params.values()[0].data(), params_again.values()[0].data());
        assert_eq!(adamw, again);
    }

    #[test]
    fn a_frozen_parameter_is_not_even_decayed() {
        let mut params = one(&[1.0, 2.0]);
        let fixed = params.add("fixed", Tensor::scalar(3.0));
        params.freeze(fixed);
        let grads = [Tensor::from_slice(1, 2, &[0.5, 0.0]), Tensor::scalar(0.0)];
        let mut adamw = AdamW::new(&params, 0.1);
        adamw.step(&mut params, &grads, 0.1, 0.9).unwrap();
        assert!(params.values()[0].row(0)[1] < 2.0, "decayed");
        assert_eq!(params[fixed].item(), 3.0);
    }

    #[test]
    fn what_v_cannot_hold_is_refused_and_changes_nothing() {
        let mut params = Params::<f32>::default();
        params.add("first", Tensor::scalar(1.0));
        params.add("w", Tensor::from_slice(1, 70, &[1.0; 70]));
        let fixed = params.add("fixed", Tensor::scalar(1.0));
        params.freeze(fixed);
        let mut adamw = AdamW::new(&params, 0.1);
        let grads = |g: f32| {
            let mut of_w = Tensor::filled(1, 70, 0.5);
            of_w.data_mut()[67] = g;
            [Tensor::scalar(1.0), of_w, Tensor::scalar(0.0)]
        };
        adamw.step(&mut params, &grads(0.5), 0.1, 0.9).unwrap();
        let (before, then) = (adamw.clone(), params.clone());
        let values = |params: &Params<f32>| {
            let values = params.values().iter();
            values.flat_map(|v| v.data().to_vec()).collect::<Vec<_>>()
        };
        for g in [1.85e19, -f32::MAX, f32::INFINITY, f32::NAN] {
            let refused = adamw.step(&mut params, &grads(g), 0.1, 0.9).unwrap_err();
            let want = format!(
                "step 2: the gradient of w holds {:e}, expected sizes below sqrt(f32::MAX), whose squares are finite",
                f64::from(g)
            );
            assert_eq!(refused.to_string(), want);
            assert_eq!(adamw, before);
            assert_eq!(values(&params), values(&then));
        }
        let refused = adamw.step(&mut params, &grads(0.5), 1e38, 0.9);
        let told = refused.unwrap_err().to_string();
        assert!(
            told.starts_with("step 2: the learning rate is 1e38, expected one"),
            "{told}"
        );
        assert_eq!(adamw, before);

        // The largest that there may be: however long it comes, the parameter moves, and comes back.
        let most = 1.84e19;
        for step in 0..20_000 {
            let g = if step < 10_000 { most } else { -most };
            adamw.step(&mut params, &grads(g), 0.1, 0.9).unwrap();
            let v = adamw.second[1][67];
            assert!(v.is_finite() && v > 0.0, "step {step}: {v}");
        }
        assert!((params.values()[1].data()[67]).abs() < 1e4);
    }

    #[test]
    #[should_panic(expected = "AdamW: w is (1, 2), its gradient (2, 1)")]
    fn a_gradient_of_another_shape() {
        let mut params = one(&[1.0, 2.0]);
        let _ = AdamW::new(&params, 0.0).step(&mut params, &[Tensor::zeros(2, 1)], 0.1, 0.9);
    }
}
