//! Questions about gradients and their answers: one function for a page, for scripts and for tests.
//!
//! Nothing here reads a clock or a file or starts a thread, so that the same code answers natively and as WebAssembly.
//!
//! 1. [`question`]: what can be asked, and within which limits;
//! 2. [`scene`]: Q, K, V, dy and a method, and one pass forward and backward;
//! 3. [`method`]: what a method does to V and what its gradients are, beside exact attention;
//! 4. [`entry`]: one number of dQ, dK or dV: its terms, and finite differences beside it;
//! 5. [`redraws`]: mean and spread over many draws;
//! 6. [`operator`]: an operator on its own, its derivation, and estimates with all their draws;
//! 7. [`tape`]: what a whole tape tells. ([`finite`]: finite differences. `quiet`: draws that a method refuses.)

pub mod entry;
pub mod finite;
pub mod method;
pub mod operator;
pub mod question;
mod quiet;
pub mod redraws;
pub mod scene;
pub mod tape;

pub use question::{Refused, answer};
