//! From a command line to the folder of a run. Every folder here is a room; what a room needs is in the rooms above it
//! in this list, never below.
//!
//! 1. [`machine`]: its clock and its memory; [`terminal`]: what a command says, how it is stopped, how it fails;
//!    [`files`]: files that are whole or not there; [`numbers`]: ranges, means, differences over seeds.
//! 2. [`settings`]: the tasks, their budgets, and all settings of a run.
//! 3. [`run`]: the folder of a run, and every file in it.
//! 4. [`show`]: tables, curves and pages.
//! 5. [`train`]: the loop. Begin with `train::trainer`, a training step.
//! 6. [`commands`]: one file or folder a command.

pub mod commands;
pub mod files;
pub mod machine;
pub mod numbers;
pub mod run;
pub mod settings;
pub mod show;
pub mod terminal;
pub mod train;
