//! The operators: one differentiable operator a file, forward, then at once its backward, then its gradient check.

pub mod attention;
pub mod dropout;
pub mod gather;
pub mod sample;

use engine::check::Case;

pub use dropout::{Dropout, dropout};
pub use gather::{gather, gather_rows, scatter, scatter_add_rows};

/// The gradient checks of every operator in this crate.
pub fn cases() -> Vec<Case> {
    [gather::cases(), dropout::cases()]
        .into_iter()
        .flatten()
        .collect()
}
