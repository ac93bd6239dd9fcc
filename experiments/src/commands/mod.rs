//! One file or folder a command.

pub mod approx;
pub mod bench_attention;
pub mod bench_step;
pub mod conformance;
pub mod cost;
pub mod data;
pub mod evaluate;
pub mod explain;
pub(crate) mod next;
pub(crate) mod paper;
pub mod predict;
pub mod report;
pub mod sweep;
pub mod table;
pub mod theory;
pub mod train;
