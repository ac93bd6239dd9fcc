//! Parameters: named tensors, bound to a tape by reference.

use std::ops::{Deref, Index};

use crate::arithmetic::Var;
use crate::gradients::Gradients;
use crate::lanes;
use crate::real::Real;
use crate::tape::Tape;
use crate::tensor::Tensor;

/// The handle of one parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParamId(usize);

/// The named parameters of a model, in the order they were added.
#[derive(Clone)]
pub struct Params<T: Real> {
    names: Vec<String>,
    values: Vec<Tensor<T>>,
    frozen: Vec<bool>,
}

/// A sum of gradients for every parameter: derefs to a slice of tensors, in the order of the
/// parameters.
///
/// The gradient of a table ends at the last row that was read (see [`Tensor::add_rows`]). Rows that no gradient has
/// reached are skipped, both in adding and in clearing.
#[derive(Clone, Default)]
pub struct GradientSums<T: Real> {
    sums: Vec<Tensor<T>>,
    /// How many numbers of each, from its first on, gradients have reached; the others are 0.
    reached: Vec<usize>,
}

/// All parameters as leaves of one tape.
pub struct Bound<'t, T: Real>(Vec<Var<'t, T>>);

impl<T: Real> Default for Params<T> {
    fn default() -> Self {
        Params {
            names: Vec::new(),
            values: Vec::new(),
            frozen: Vec::new(),
        }
    }
}

impl<T: Real> Params<T> {
    /// Adds a parameter.
    ///
    /// # Panics
    /// If there is a parameter of this name.
    pub fn add(&mut self, name: impl Into<String>, value: Tensor<T>) -> ParamId {
        let name = name.into();
        assert!(
            !self.names.contains(&name),
            "there is a parameter {name} already"
        );
        self.names.push(name);
        self.values.push(value);
        self.frozen.push(false);
        ParamId(self.values.len() - 1)
    }

    /// Makes a parameter a constant: kept with the others, never changed by an optimiser (whose weight decay would
    /// change it without any gradient).
    ///
    /// # Panics
    /// If `id` is that of other parameters and not in these.
    pub fn freeze(&mut self, id: ParamId) {
        self.frozen[id.0] = true;
    }

    /// For every parameter, in order, whether it is a constant; see [`Params::freeze`].
    pub fn frozen(&self) -> &[bool] {
        &self.frozen
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor<T>)> {
        self.names.iter().map(String::as_str).zip(&self.values)
    }

    /// The values, in order.
    pub fn values(&self) -> &[Tensor<T>] {
        &self.values
    }

    /// The values, in order, to be written (shapes must stay).
    pub fn values_mut(&mut self) -> &mut [Tensor<T>] {
        &mut self.values
    }

    /// The parameter called `name`.
    pub fn find(&self, name: &str) -> Option<ParamId> {
        self.names
            .iter()
            .position(|known| known == name)
            .map(ParamId)
    }

    /// How many numbers all parameters hold together.
    pub fn count(&self) -> usize {
        self.values
            .iter()
            .map(|value| value.rows() * value.cols())
            .sum()
    }

    /// Makes every parameter a leaf of `tape`; no number is copied.
    pub fn bind<'t>(&self, tape: &'t Tape<T>) -> Bound<'t, T> {
        Bound(
            self.values
                .iter()
                .map(|value| tape.leaf("parameter", value.clone()))
                .collect(),
        )
    }

    /// Zeros for every parameter: where gradients are summed.
    pub fn zeros(&self) -> GradientSums<T> {
        let zeros = |value: &Tensor<T>| Tensor::zeros(value.rows(), value.cols());
        GradientSums {
            sums: self.values.iter().map(zeros).collect(),
            reached: vec![0; self.values.len()],
        }
    }
}

impl<T: Real> GradientSums<T> {
    /// Begins again with zeros.
    pub fn clear(&mut self) {
        for (sum, reached) in self.sums.iter_mut().zip(&mut self.reached) {
            sum.data_mut()[..std::mem::take(reached)].fill(T::ZERO);
        }
    }

    /// Adds the sums of other gradients of the same parameters.
    ///
    /// # Panics
    /// If `other` has a sum that is larger than the one here.
    pub fn add(&mut self, other: &GradientSums<T>) {
        for (place, sum) in other.sums.iter().enumerate() {
            self.add_numbers(place, &sum.data()[..other.reached[place]]);
        }
    }

    fn add_to(&mut self, place: usize, gradient: &Tensor<T>) {
        let sum = &self.sums[place];
        assert!(
            gradient.cols() == sum.cols() && gradient.rows() <= sum.rows(),
            "the gradient of parameter {place} is {:?}, the parameter {:?}",
            gradient.shape(),
            sum.shape()
        );
        self.add_numbers(place, gradient.data());
    }

    fn add_numbers(&mut self, place: usize, gradient: &[T]) {
        let reached = &mut self.reached[place];
        *reached = gradient.len().max(*reached);
        lanes::add(gradient, &mut self.sums[place].data_mut()[..gradient.len()]);
    }
}

impl<T: Real> Deref for GradientSums<T> {
    type Target = [Tensor<T>];

    fn deref(&self) -> &[Tensor<T>] {
        &self.sums
    }
}

impl<T: Real> Index<ParamId> for Params<T> {
    type Output = Tensor<T>;

    fn index(&self, id: ParamId) -> &Tensor<T> {
        &self.values[id.0]
    }
}

impl<'t, T: Real> Index<ParamId> for Bound<'t, T> {
    type Output = Var<'t, T>;

    fn index(&self, id: ParamId) -> &Var<'t, T> {
        &self.0[id.0]
    }
}

impl<T: Real> Bound<'_, T> {
    /// Adds the gradient of every parameter to its sum.
    ///
    /// # Panics
    /// If the gradients are not those of this tape, or the sums not those of these parameters.
    pub fn accumulate(&self, mut gradients: Gradients<T>, sums: &mut GradientSums<T>) {
        for (place, leaf) in self.0.iter().enumerate() {
            if let Some(gradient) = gradients.take(leaf) {
                sums.add_to(place, &gradient);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_of_several_examples_add_up() {
        let mut params = Params::<f64>::default();
        let w = params.add("w", Tensor::scalar(3.0));
        params.add("unused", Tensor::zeros(2, 2));
        assert_eq!(params.count(), 5);
        assert_eq!(params.find("w"), Some(w));
        let mut sums = params.zeros();
        for x in [1.0, 10.0] {
            let tape = Tape::new();
            let bound = params.bind(&tape);
            let x = tape.leaf("x", Tensor::scalar(x));
            let y = &bound[w] * &x;
            bound.accumulate(tape.backward(&y), &mut sums);
        }
        assert_eq!(sums[0].item(), 11.0);
        assert_eq!(sums[1].data(), [0.0; 4]);
    }

    #[test]
    fn sums_that_end_early_add_up_and_are_cleared_whole() {
        let mut params = Params::<f64>::default();
        params.add("table", Tensor::zeros(4, 2));
        let ending_at = |row: usize| {
            let tape = Tape::new();
            let bound = params.bind(&tape);
            let table = &bound[ParamId(0)];
            let y = tape.record("read", [table.node()], Tensor::scalar(0.0), move |_| {
                [Tensor::filled(row, 2, 1.0)]
            });
            let mut sums = params.zeros();
            bound.accumulate(tape.backward(&y), &mut sums);
            sums
        };
        for order in [[1, 3], [3, 1]] {
            let mut sums = ending_at(order[0]);
            sums.add(&ending_at(order[1]));
            let want = [2.0, 2.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0];
            assert_eq!(sums[0].data(), want, "{order:?}");
            sums.clear();
            assert_eq!(sums[0].data(), [0.0; 8], "{order:?}");
            sums.add(&ending_at(2));
            let want = [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0];
            assert_eq!(sums[0].data(), want, "{order:?}");
        }
    }

    #[test]
    #[should_panic(expected = "there is a parameter w already")]
    fn names_are_unique() {
        let mut params = Params::<f32>::default();
        params.add("w", Tensor::scalar(0.0));
        params.add("w", Tensor::scalar(0.0));
    }
}
