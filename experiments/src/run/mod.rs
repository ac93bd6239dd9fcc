//! The folder of a run, and every file in it.

pub(crate) mod checkpoint;
pub(crate) mod data_report;
pub(crate) mod environment;
pub(crate) mod events;
pub mod folder;
pub mod measured;
pub(crate) mod outcome;
