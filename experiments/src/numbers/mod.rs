//! What a number in a file may be, and mean, standard error, median and quantiles of many.

pub(crate) mod range;
pub(crate) mod statistics;
