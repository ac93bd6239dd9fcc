//! Attention: what a method is, and the list of them all.
//!
//! A method is a struct with its options and an implementation of [`Attention`]: one node on the
//! tape over all heads of a layer. It stands in one file with its derivation and one [`Entry`]; one
//! line in [`registry()`] makes it known to the flags, the tables, the reference cases and the suite
//! of laws. An ablation is another value of the same struct.
//!
//! Reading order:
//!
//! 1. [`method`], the contract; [`mod@registry`], the list;
//! 2. [`attend`], the kernel that nearly everything is made of;
//! 3. [`softmax`] and [`vmean`], exact attention and none;
//! 4. [`skein`], the method of the paper, and its ablations;
//! 5. fewer keys or rows through the same kernel: [`linformer`], [`linformer_jlt`], [`informer`],
//!    [`bigbird`], [`reformer`], [`nystrom`];
//! 6. kernels of their own: [`performer`]; [`kernelized`] and [`skyformer`] (on `gaussian`); the
//!    iteration `pseudo_inverse` serves nystrom and skyformer;
//! 7. [`suite`], the checks of every entry.

pub mod attend;
pub mod bigbird;
pub mod gaussian;
pub mod informer;
pub mod kernelized;
pub mod linformer;
pub mod linformer_jlt;
pub mod method;
pub mod nystrom;
pub mod performer;
pub mod pseudo_inverse;
pub mod reformer;
pub mod registry;
pub mod skein;
pub mod skyformer;
pub mod softmax;
pub mod suite;
pub mod vmean;

pub use method::{Attention, Cost, Entry, Inputs, Laws, LayerShape, Options, Place, Reads};
pub use registry::{UnknownMethod, find, names, registry};
