//! What is drawn of runs: curves, and the page about a run.

pub(crate) mod chart;
pub(crate) mod curve;
pub(crate) mod page;
pub(crate) mod record;
