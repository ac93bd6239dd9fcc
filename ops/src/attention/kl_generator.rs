//! `kl-generator-prf` and `kl-generator-rks`: frequencies of [`super::kl`] from a small network on noise, one for all
//! heads.
//!
//! From standard normal noise (m, p/2), of at least one column, drawn for every example, a sample a row:
//!
//! ```text
//! U₁ = noise w1ᵀ + b1   (m, 2p)     X₁ = leaky(batch norm(U₁))
//! U₂ = X₁ w2ᵀ + b2      (m, 4p)     X₂ = leaky(batch norm(U₂))
//! W  = tanh(X₂ w3ᵀ + b3)   (m, p)
//! ```
//!
//! with m = d positive features, or m = d/2 waves. Of a column u of U, over its m samples with mean μ and σ = (mean of
//! (u - μ)² + 1e-5)^½,
//!
//! ```text
//! û = (u - μ) / σ       v = gain û + shift       x = leaky(v), which is v where v > 0, and v / 100 elsewhere
//!
//! dv = dx or dx / 100       dgain = sum dv û       dshift = sum dv
//! du = gain / σ (dv - mean(dv) - û mean(dv û))
//! ```
//!
//! as for a [layer norm](crate::layer_norm()), down a column. It takes away b1 and b2, whose gradient is 0 but for
//! rounding; the released network has them.

use engine::{Real, Stream, Tensor, Var, lanes};

use super::kl::{Frequencies, Kl, LAWS, Map, cost, noise, uniform};
use super::{Cost, Entry, Inputs, LayerShape};
use crate::layer_norm::EPSILON;
use crate::linear;

/// The slope of a leaky ReLU below 0.
const LEAK: f64 = 0.01;

/// A network from noise to frequencies.
#[derive(Clone, Copy, Debug)]
pub struct Generator {
    /// m
    pub rows: usize,
}

/// Columns of the noise, and of the results of the three layers.
fn widths(p: usize) -> [usize; 4] {
    [(p / 2).max(1), 2 * p, 4 * p, p]
}

/// leaky(gain û + shift) for u (m, c), gain and shift (1, c).
fn normalised<'t, T: Real>(
    name: &'static str,
    u: &Var<'t, T>,
    gain: &Var<'t, T>,
    shift: &Var<'t, T>,
) -> Var<'t, T> {
    let (m, c) = u.shape();
    let (tape, parents) = (u.tape(), [u, gain, shift].map(Var::node));
    let count = T::of(m as f64);
    let [mut mean, mut inverse] = [0; 2].map(|_| vec![T::ZERO; c]); // μ and 1 / σ
    lanes::add_up(u.value().view(), &mut mean);
    lanes::scale(T::ONE / count, &mut mean);
    let mut normal = u.value().clone(); // u - μ, then û
    for t in 0..m {
        let row = normal.row_mut(t);
        lanes::subtract(&mean, row);
        add_squares(row, &mut inverse);
    }
    for square in &mut inverse {
        *square = T::ONE / (*square / count + T::of(EPSILON)).sqrt();
    }
    let [gain, shift] = [gain, shift].map(Var::save);
    let mut x = Tensor::stale(m, c);
    for t in 0..m {
        let normal = normal.row_mut(t);
        lanes::multiply(&inverse, normal);
        leaky(normal, gain.data(), shift.data(), x.row_mut(t));
    }

    let normal = tape.save(&normal);
    tape.record(name, parents, x, move |dx| {
        let [mut dgain, mut dshift] = [0; 2].map(|_| Tensor::zeros(1, c));
        let mut du = dx.into_owned(); // dx at first, then dv
        for t in 0..m {
            let (normal, du) = (normal.row(t), du.row_mut(t));
            leaky_backward(normal, gain.data(), shift.data(), du);
            lanes::add(du, dshift.data_mut());
            add_products(normal, du, dgain.data_mut());
        }
        let [level, slope] = [&dshift, &dgain].map(|sum| {
            let mut mean = sum.data().to_vec();
            lanes::scale(T::ONE / count, &mut mean);
            mean
        });
        lanes::multiply(gain.data(), &mut inverse); // gain / σ
        for t in 0..m {
            normalised_backward(normal.row(t), &level, &slope, &inverse, du.row_mut(t));
        }
        [du, dgain, dshift]
    })
}

/// y = tanh x;  dx = dy (1 - y²).
fn tanh<'t, T: Real>(name: &'static str, x: &Var<'t, T>) -> Var<'t, T> {
    let mut y = x.value().clone();
    tanh_of(y.data_mut());
    let saved = x.tape().save(&y);
    x.tape().record(name, [x.node()], y, move |dy| {
        let mut dx = dy.into_owned();
        tanh_backward(saved.data(), dx.data_mut());
        [dx]
    })
}

lanes! {
    fn add_squares<T>(x: &[T], sums: &mut [T]) {
        for (sum, &x) in sums.iter_mut().zip(x) {
            *sum = x.mul_add(x, *sum);
        }
    }

    fn add_products<T>(x: &[T], y: &[T], sums: &mut [T]) {
        for ((sum, &x), &y) in sums.iter_mut().zip(x).zip(y) {
            *sum = x.mul_add(y, *sum);
        }
    }

    fn leaky<T>(normal: &[T], gain: &[T], shift: &[T], x: &mut [T]) {
        for (((x, &normal), &gain), &shift) in x.iter_mut().zip(normal).zip(gain).zip(shift) {
            let v = normal.mul_add(gain, shift);
            *x = if v > T::ZERO { v } else { T::of(LEAK) * v };
        }
    }

    /// dx becomes dv.
    fn leaky_backward<T>(normal: &[T], gain: &[T], shift: &[T], d: &mut [T]) {
        for (((d, &normal), &gain), &shift) in d.iter_mut().zip(normal).zip(gain).zip(shift) {
            let v = normal.mul_add(gain, shift);
            *d = if v > T::ZERO { *d } else { T::of(LEAK) * *d };
        }
    }

    /// dv becomes du = factor (dv - level - û slope).
    fn normalised_backward<T>(normal: &[T], level: &[T], slope: &[T], factor: &[T], d: &mut [T]) {
        let columns = level.iter().zip(slope).zip(factor);
        for ((d, &normal), ((&level, &slope), &factor)) in d.iter_mut().zip(normal).zip(columns) {
            *d = normal.mul_add(-slope, *d - level) * factor;
        }
    }

    /// tanh x = 1 - 2 / (e^2x + 1)
    fn tanh_of<T>(x: &mut [T]) {
        for x in x {
            *x = T::ONE - T::of(2.0) / ((*x + *x).exp() + T::ONE);
        }
    }

    fn tanh_backward<T>(y: &[T], d: &mut [T]) {
        for (d, &y) in d.iter_mut().zip(y) {
            *d *= T::ONE - y * y;
        }
    }
}

impl<T: Real> Frequencies<T> for Generator {
    const OF_HEADS: bool = false;

    fn shapes(&self, shape: LayerShape) -> Vec<(&'static str, [usize; 2])> {
        let [noise, first, second, p] = widths(shape.head_width);
        let layer = |w, b, from, to| [(w, [to, from]), (b, [1, to])];
        let norm = |gain, shift, width| [(gain, [1, width]), (shift, [1, width])];
        [
            layer("w1", "b1", noise, first),
            norm("gain1", "shift1", first),
            layer("w2", "b2", first, second),
            norm("gain2", "shift2", second),
            layer("w3", "b3", second, p),
        ]
        .concat()
    }

    /// Xavier's bounds for weights, torch's for biases; gains 1, shifts 0.
    fn parameters(&self, shape: LayerShape, stream: Stream) -> Vec<(&'static str, Tensor<T>)> {
        let [noise, first, second, p] = widths(shape.head_width);
        let layer = |w, b, from: usize, to: usize| {
            let (xavier, torch) = (6.0 / (from + to) as f64, 1.0 / from as f64);
            [
                uniform([to, from], xavier.sqrt(), w, stream),
                uniform([1, to], torch.sqrt(), b, stream),
            ]
        };
        let norm = |gain, shift, width| {
            [
                (gain, Tensor::filled(1, width, T::ONE)),
                (shift, Tensor::zeros(1, width)),
            ]
        };
        [
            layer("w1", "b1", noise, first),
            norm("gain1", "shift1", first),
            layer("w2", "b2", first, second),
            norm("gain2", "shift2", second),
            layer("w3", "b3", second, p),
        ]
        .concat()
    }

    fn node<'t>(&self, name: &'static str, x: &Inputs<'_, 't, T>) -> Var<'t, T> {
        let [w1, b1, gain1, shift1, w2, b2, gain2, shift2, w3, b3] = x.parameters else {
            panic!("{name}: {} parameters are no network", x.parameters.len());
        };
        let noise = x.v.tape().leaf("input", noise(x, self.rows, w1.cols()));
        let first = normalised(name, &linear(&noise, w1, b1), gain1, shift1); // (m, 2p)
        let second = normalised(name, &linear(&first, w2, b2), gain2, shift2); // (m, 4p)
        tanh(name, &linear(&second, w3, b3)) // (m, p)
    }
}

impl Kl<Generator> {
    /// `kl-generator-prf` with d features.
    pub fn generator_prf(features: usize) -> Self {
        Kl {
            name: "kl-generator-prf",
            frequencies: Generator { rows: features },
            map: Map::Positive,
        }
    }

    /// `kl-generator-rks` with d features: half of them cosines, half of them sines.
    pub fn generator_rks(features: usize, smoothing: f64) -> Self {
        Kl {
            name: "kl-generator-rks",
            frequencies: Generator {
                rows: (features / 2).max(1),
            },
            map: Map::Waves { smoothing },
        }
    }
}

/// With the network's products, and what it keeps of m rows: noise; U, û and X of two layers, the last two saved; both
/// of tanh.
fn cost_with_network(map: Map, m: f64, n: f64, p: f64) -> Cost {
    let [noise, first, second, p_out] = widths(p as usize).map(|width| width as f64);
    let attention = cost(map, m, n, p);
    Cost {
        multiply_adds: attention.multiply_adds
            + m * (noise * first + first * second + second * p_out),
        bytes: attention.bytes + 4.0 * m * (noise + 3.0 * (first + second) + 2.0 * p_out),
    }
}

/// `kl-generator-prf`.
pub fn entry<T: Real>() -> Entry<T> {
    Entry {
        name: "kl-generator-prf",
        about: "d positive features of frequencies from a network on noise",
        cites: "Chowdhury et al. 2022, Generator-PRF",
        laws: LAWS,
        time: "n d p",
        cost: |options, n, p| cost_with_network(Map::Positive, options.features as f64, n, p),
        build: |options| Box::new(Kl::generator_prf(options.features)),
    }
}

/// `kl-generator-rks`.
pub fn entry_rks<T: Real>() -> Entry<T> {
    Entry {
        name: "kl-generator-rks",
        about: "d/2 waves of frequencies from a network on noise",
        cites: "Chowdhury et al. 2022, Generator-RKS",
        laws: LAWS,
        time: "n d p",
        cost: |options, n, p| {
            let m = (options.features / 2).max(1) as f64;
            let smoothing = Map::SMOOTHING;
            cost_with_network(Map::Waves { smoothing }, m, n, p)
        },
        build: |options| Box::new(Kl::generator_rks(options.features, Map::SMOOTHING)),
    }
}
