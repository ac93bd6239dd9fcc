//! How results are shown: tables and their numbers, curves, and the page about a run.

pub(crate) mod chart;
pub(crate) mod curve;
pub(crate) mod grid;
pub(crate) mod number;
pub(crate) mod page;
pub(crate) mod record;
