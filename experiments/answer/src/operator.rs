//! An operator on its own: its value, the cotangents that it gives back, finite differences beside every number of
//! them, what it costs, and its derivation, which is the page of its own source file.
//!
//! Gradients are those of the tape, and docs are read from the files of ops. The parts of some gradients are computed a
//! second time, by their formulas.
//!
//! 1. [`mod@catalogue`]: the operators, and within which sizes they are asked;
//! 2. `asked`: from a question to inputs and a function on a tape; `layers`, `sketches`, `samplers` and [`estimates`]
//!    say what these are;
//! 3. [`mod@answered`]: one pass forward and backward, and finite differences;
//! 4. [`mod@sums`]: gradients of which the formula has parts, part by part;
//! 5. [`mod@draws`]: all draws of an estimate, with their probabilities;
//! 6. [`mod@derivation`]: docs and source.

pub mod answered;
mod asked;
pub mod catalogue;
pub mod derivation;
pub mod draws;
pub mod estimates;
mod layers;
mod samplers;
mod sketches;
pub mod sums;

pub use answered::{Answer, answer};
pub use asked::Asked;
pub use catalogue::all;

#[cfg(test)]
mod tests;
