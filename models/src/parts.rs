//! The pairs of parameters that everything is made of, and how they start.
//!
//! A parameter starts as the reference's would: tables from N(0, 0.02²) unless the configuration says otherwise, linear
//! maps and their biases from U(-1/√inputs, 1/√inputs), gains 1, shifts 0. It is drawn in f64 from the stream of its
//! own name, so that f32 and f64 models start alike and adding a parameter moves no other.

use std::f64::consts::{PI, SQRT_2};

use engine::{Bound, ParamId, Params, Real, Stream, Tape, Tensor, Var};

/// Adds parameters to a model that is being built.
pub(crate) struct Initialiser<'a, T: Real> {
    pub(crate) params: &'a mut Params<T>,
    /// The stream whose children have the parameters' names.
    pub(crate) stream: Stream,
    /// Standard deviation of the tables.
    pub(crate) embedding_std: f64,
}

impl<T: Real> Initialiser<'_, T> {
    /// A table of embeddings (rows, cols).
    pub(crate) fn table(&mut self, name: &str, rows: usize, cols: usize) -> ParamId {
        self.normal(name.to_string(), rows, cols, self.embedding_std)
    }

    /// A table (side^axes, cols) of the places of a line or a square, row by row: sines and cosines of the number along
    /// each axis, so that near places have vectors of a large inner product (Vaswani et al. 2017, 3.5). The waves are 2
    /// to 2 `side` places long, at equal ratios.
    pub(crate) fn sines(&mut self, name: &str, side: usize, axes: u32, cols: usize) -> ParamId {
        let part = cols / (2 * axes as usize);
        let amplitude = SQRT_2 * self.embedding_std;
        let value = Tensor::from_fn(side.pow(axes), cols, |position, col| {
            let axis = (col / part) as u32 / 2;
            let place = position / side.pow(axes - 1 - axis) % side;
            let share = ((col % part) as f64 + 0.5) / part as f64;
            let angle = place as f64 * PI * libm::pow(side as f64, -share);
            let wave = match (col / part) % 2 {
                0 => libm::sin(angle),
                _ => libm::cos(angle),
            };
            T::of(amplitude * wave)
        });
        self.params.add(name, value)
    }

    pub(crate) fn normal(
        &mut self,
        name: String,
        rows: usize,
        cols: usize,
        deviation: f64,
    ) -> ParamId {
        let mut generator = self.stream.stream(&name).generator();
        let value = Tensor::from_fn(rows, cols, |_, _| T::of(deviation * generator.normal()));
        self.params.add(name, value)
    }

    pub(crate) fn uniform(
        &mut self,
        name: String,
        rows: usize,
        cols: usize,
        bound: f64,
    ) -> ParamId {
        let mut generator = self.stream.stream(&name).generator();
        let value = Tensor::from_fn(rows, cols, |_, _| {
            T::of(bound * (2.0 * generator.uniform() - 1.0))
        });
        self.params.add(name, value)
    }

    pub(crate) fn linear(&mut self, name: &str, inputs: usize, outputs: usize) -> Linear {
        let bound = 1.0 / (inputs as f64).sqrt();
        Linear {
            weight: self.uniform(format!("{name}.weight"), outputs, inputs, bound),
            bias: self.uniform(format!("{name}.bias"), 1, outputs, bound),
        }
    }

    pub(crate) fn norm(&mut self, name: &str, cols: usize) -> Norm {
        let mut add = |end, value| {
            self.params
                .add(format!("{name}.{end}"), Tensor::filled(1, cols, value))
        };
        Norm {
            gain: add("weight", T::ONE),
            shift: add("bias", T::ZERO),
        }
    }
}

/// A linear map: weight (outputs, inputs) and bias (1, outputs).
#[derive(Clone, Copy)]
pub(crate) struct Linear {
    weight: ParamId,
    bias: ParamId,
}

impl Linear {
    /// The tape its parameters are bound to.
    pub(crate) fn tape<'t, T: Real>(self, bound: &Bound<'t, T>) -> &'t Tape<T> {
        bound[self.weight].tape()
    }

    pub(crate) fn apply<'t, T: Real>(self, bound: &Bound<'t, T>, x: &Var<'t, T>) -> Var<'t, T> {
        ops::linear(x, &bound[self.weight], &bound[self.bias])
    }
}

/// A layer norm: gain (1, cols) and shift (1, cols).
#[derive(Clone, Copy)]
pub(crate) struct Norm {
    gain: ParamId,
    shift: ParamId,
}

impl Norm {
    pub(crate) fn apply<'t, T: Real>(self, bound: &Bound<'t, T>, x: &Var<'t, T>) -> Var<'t, T> {
        ops::layer_norm(x, &bound[self.gain], &bound[self.shift])
    }
}
