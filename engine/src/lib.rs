//! A minimal reverse-mode automatic differentiation over matrices.
//!
//! Reading order:
//!
//! 1. [`tensor`]: contiguous matrices, shared until written;
//! 2. [`tape`]: the tape, its pullbacks, `backward`: the heart, read this one twice;
//! 3. [`arithmetic`]: `+ - *`, `scale`, `matmul`, `sum` with their gradients;
//! 4. [`check`]: how every gradient of the project is checked;
//! 5. [`params`]: named parameters;
//! 6. [`rng`] and [`draws`]: randomness as a function of a seed and a path, and choices that can be
//!    replayed;
//! 7. underneath: [`real`] (f32 or f64), [`mod@gemm`] (views and the product), [`mod@lanes`]
//!    (vector loops), [`buffer`] (memory); `kernel` (a second product, with the cargo feature
//!    `small-gemm`).
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

pub mod arithmetic;
pub mod buffer;
pub mod check;
pub mod draws;
pub mod gemm;
pub mod lanes;
pub mod params;
pub mod real;
pub mod rng;
#[cfg(feature = "small-gemm")]
mod small_gemm;
pub mod tape;
pub mod tensor;

pub use crate::gemm::{MatMut, MatRef, gemm};
pub use draws::{Draw, Draws};
pub use params::{Bound, GradientSums, ParamId, Params};
pub use real::Real;
pub use rng::{Generator, Seed, Stream};
pub use tape::{Gradients, Node, Record, Tape, Var};
pub use tensor::Tensor;
