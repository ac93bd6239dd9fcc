//! The lower floor of the crate, to be trusted rather than read: numbers, memory, matrix products and vector loops. All
//! `unsafe` code of the crate is here, and all that depends on the kind of CPU.
//!
//! Reading order: [`real`] (`f32` or `f64`); [`buffer`] (memory); [`mod@gemm`] (views of matrices and their product);
//! [`cpu`] (what depends on the kind of CPU) and [`mod@lanes`] (loops that are compiled for it); `product`, a second
//! product.

pub mod buffer;
pub mod cpu;
pub mod gemm;
pub mod lanes;
mod product;
pub mod real;
