//! The operators: one differentiable operator a file, forward, then at once its backward, then its gradient check.
//!
//! Reading order:
//!
//! 1. [`mod@linear`], [`mod@layer_norm`], [`mod@gelu`], [`mod@relu`]: the layers of an encoder;
//! 2. [`mod@dropout`]: a mask that is never stored;
//! 3. [`mod@embedding`], [`pooling`], [`mod@pair`], [`mod@cross_entropy`]: from tokens to rows, from rows to one row,
//!    from that to a loss;
//! 4. [`mod@gather`]: rows by their index, and back; [`mod@rotary`]: positions as turns;
//! 5. [`fourier`], [`mod@beside`], [`mod@convolution`], [`mod@position_norm`], [`mod@elu`]: the smoother of S3Attention;
//! 6. [`sample`]: how indices are drawn, and gradients through draws;
//! 7. [`sketch`]: a random matrix in the place of the identity in a product;
//! 8. [`spread`]: one long example on several threads; [`attention`]: the kernel, the methods and their registry.
//!
//! An operator that can be misused stands in two functions: the public one says what fits, and panics at its caller's
//! line; `node` below it computes, and records this crate's line as the place where the gradient is written.

// Every public function that can fail or panic says when.
#![warn(clippy::missing_errors_doc, clippy::missing_panics_doc)]

pub mod attention;
pub mod beside;
pub mod convolution;
pub mod cross_entropy;
pub mod dropout;
pub mod elu;
pub mod embedding;
pub mod fourier;
pub mod gather;
pub mod gelu;
pub mod layer_norm;
pub mod linear;
pub mod pair;
pub mod pooling;
pub mod position_norm;
pub mod relu;
pub mod rotary;
pub mod sample;
pub mod sketch;
pub mod spread;

use engine::check::Case;

pub use beside::beside;
pub use convolution::convolution;
pub use cross_entropy::cross_entropy;
pub use dropout::{Dropout, dropout};
pub use elu::elu;
pub use embedding::embedding;
pub use fourier::fourier_filter;
pub use gather::{gather, gather_rows, scatter, scatter_add_rows};
pub use gelu::gelu;
pub use layer_norm::layer_norm;
pub use linear::linear;
pub use pair::pair;
pub use pooling::pool;
pub use position_norm::position_norm;
pub use relu::relu;
pub use rotary::rotary;

/// The gradient checks of every operator in this crate.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(linear::cases());
    cases.extend(layer_norm::cases());
    cases.extend(gelu::cases());
    cases.extend(relu::cases());
    cases.extend(dropout::cases());
    cases.extend(embedding::cases());
    cases.extend(pooling::cases());
    cases.extend(pair::cases());
    cases.extend(cross_entropy::cases());
    cases.extend(gather::cases());
    cases.extend(rotary::cases());
    cases.extend(fourier::cases());
    cases.extend(beside::cases());
    cases.extend(convolution::cases());
    cases.extend(position_norm::cases());
    cases.extend(elu::cases());
    cases.extend(sample::cases());
    cases.extend(sketch::cases());
    cases.extend(attention::suite::cases());
    cases
}

/// The Rust code of these documents is a test: the files of `examples`.
#[cfg(doctest)]
#[doc = include_str!("../../docs/adding-a-method.md")]
#[doc = include_str!("../../docs/gradients.md")]
struct Documents;
