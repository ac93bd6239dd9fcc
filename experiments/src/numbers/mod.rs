//! What a number in a file may be, and what many of them come to: mean, error, median.

pub(crate) mod range;
pub(crate) mod statistics;
