//! A minimal reverse-mode automatic differentiation over matrices.
//!
//! Two floors. The upper one is to be read, in this order:
//!
//! 1. [`tensor`]: contiguous matrices, shared until written;
//! 2. [`tape`]: the tape, its pullbacks, `backward`: the heart, read this one twice; [`gradients`]: what that returns;
//! 3. [`arithmetic`]: variables, and `+ - *`, `scale`, `matmul`, `sum` on them with their gradients;
//! 4. [`check`]: how every gradient of the project is checked;
//! 5. [`params`]: named parameters;
//! 6. [`rng`] and [`draws`]: randomness as a function of a seed and a path, and choices that can be
//!    replayed;
//! 7. [`trace`]: records of time, memory and norms of a tape; [`keep`]: a tape that is to be studied, with all values,
//!    cotangents and notes.
//!
//! The lower one, the folder `kernel`, is to be trusted: [`real`] (f32 or f64), [`buffer`] (memory), [`mod@gemm`] (views
//! and their product), [`cpu`] (which of two products computes) and [`mod@lanes`] (vector loops for the CPU at hand).
//!
//! ```
//! use engine::{Tape, Tensor};
//!
//! let tape = Tape::new();
//! let x = tape.leaf("x", Tensor::from_slice(1, 2, &[3.0, 4.0]));
//! let y = (&x * &x).sum(); // 9 + 16
//! let gradients = tape.backward(&y);
//! assert_eq!(y.item(), 25.0);
//! assert_eq!(gradients.of(&x).data(), [6.0, 8.0]);
//! ```
//!
//! # Without an operating system
//!
//! engine, ops and models compile for wasm32-unknown-unknown as they are, and compute there what they compute here
//! (`models/wasm` runs every method in an interpreter). What is missing there:
//!
//! * a clock: only [`Tape::timed`] and [`Tape::traced`] read one, and panic there;
//! * random numbers of the system: every generator is made from a [`Seed`], and `rand` is built without them;
//! * threads: rayon runs everything on the caller's;
//! * wide vectors: loops and products are compiled for the target as it is, and [`cpu::Product::FixedOrder`] is refused.
//!
//! # Tapes do not mix
//!
//! Variables of two tapes do not mix (an operator that is given some panics), and none outlives its
//! tape:
//!
//! ```compile_fail
//! use engine::{Tape, Tensor, Var};
//!
//! fn escape<'t>() -> Var<'t, f32> {
//!     let tape = Tape::new();
//!     tape.leaf("x", Tensor::scalar(1.0)) // error: `tape` does not live long enough
//! }
//! ```

// Every public function that can fail or panic says when.
#![warn(clippy::missing_errors_doc, clippy::missing_panics_doc)]

pub mod arithmetic;
pub mod check;
pub mod draws;
pub mod gradients;
pub mod keep;
mod kernel;
pub mod params;
pub mod rng;
pub mod tape;
pub mod tensor;
pub mod trace;

pub use kernel::{buffer, cpu, gemm, lanes, real};

pub use arithmetic::Var;
pub use draws::{Draw, Draws};
pub use gemm::{MatMut, MatRef, gemm};
pub use gradients::Gradients;
pub use keep::{Note, Notes};
pub use params::{Bound, GradientSums, ParamId, Params};
pub use real::Real;
pub use rng::{Generator, Seed, Stream};
pub use tape::{Node, Tape};
pub use tensor::Tensor;
pub use trace::Record;
