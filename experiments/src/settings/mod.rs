//! All settings of a run: five tasks with their presets, a `--config` file, flags, and the struct that they resolve to.

pub mod config;
pub mod flags;
pub(crate) mod product;
pub mod task;
