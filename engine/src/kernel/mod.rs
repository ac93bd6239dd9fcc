//! The lower floor of the crate, to be trusted rather than read: numbers, memory, matrix products and vector loops. All
//! `unsafe` code of the crate is here, and all that goes by the kind of CPU.
//!
//! Reading order: [`real`] (`f32` or `f64`); [`buffer`] (memory); [`mod@gemm`] (views of matrices and their product);
//! [`cpu`] (what the CPU can do) and [`mod@lanes`] (loops that are compiled for it); `product`, a second product, with
//! the cargo feature `small-gemm`.

pub mod buffer;
pub mod cpu;
pub mod gemm;
pub mod lanes;
#[cfg(feature = "small-gemm")]
mod product;
pub mod real;
