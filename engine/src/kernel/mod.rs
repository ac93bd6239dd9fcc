//! The lower floor of the crate, to be trusted rather than read: numbers, memory, matrix products and vector loops. All
//! `unsafe` code of the crate is here, and all that goes by the kind of CPU.
//!
//! 1. [`real`]: `f32` or `f64`;
//! 2. [`buffer`]: memory;
//! 3. [`mod@gemm`]: views of matrices, and their product;
//! 4. [`cpu`]: what the CPU can do; [`mod@lanes`]: loops that are compiled for it;
//! 5. `product`: a second product, with the cargo feature `small-gemm`.

pub mod buffer;
pub mod cpu;
pub mod gemm;
pub mod lanes;
#[cfg(feature = "small-gemm")]
mod product;
pub mod real;
