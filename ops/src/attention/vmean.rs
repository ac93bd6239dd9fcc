//! V-Mean: every row is the mean of the values,  y_i = (1/n) sum_j v_j. The paper's baseline
//! without attention, and the limit of Skeinformer with no sampled column.
//!
//! dv_j = (1/n) sum_i dy_i for every j. Queries and keys are not read, so that their projections
//! are not computed.

use engine::lanes::add_up;
use engine::{Real, Tensor, Var, lanes};

use super::{Attention, Cost, Entry, Inputs, Laws, Reads};

/// The mean of the values.
pub struct VMean;

/// Every row of the result is the mean of the rows of `x`.
fn mean_of_rows<T: Real>(x: &Tensor<T>) -> Tensor<T> {
    let mut mean = Tensor::zeros(1, x.cols());
    add_up(x.view(), mean.data_mut());
    lanes::scale(T::ONE / T::of(x.rows() as f64), mean.data_mut());
    let mut y = Tensor::stale(x.rows(), x.cols());
    for row in y.data_mut().chunks_exact_mut(x.cols()) {
        row.copy_from_slice(mean.data());
    }
    y
}

impl<T: Real> Attention<T> for VMean {
    fn reads(&self) -> Reads {
        Reads {
            queries: false,
            keys: false,
        }
    }

    fn node<'t>(&self, x: &Inputs<'_, 't, T>) -> Var<'t, T> {
        let y = mean_of_rows(x.v.value());
        x.v.tape()
            .record("vmean", [x.v.node()], y, |dy| [mean_of_rows(&dy)])
    }
}

/// `vmean`.
pub fn entry<T: Real>() -> Entry<T> {
    Entry {
        name: "vmean",
        about: "the mean of the values: no attention at all",
        cites: "Chen et al. 2022, section 5",
        laws: Laws {
            rows_sum_to_one: true,
            exact_at_full_budget: false,
            linear_memory: true,
            linear_time: true,
            random: false,
        },
        time: "n p",
        cost: |_, n, p| Cost::new(0.0, 2.0 * n * p),
        build: |_| Box::new(VMean),
    }
}
