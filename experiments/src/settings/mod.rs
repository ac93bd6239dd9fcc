//! All settings of a run, each written once: its entry in [`config`]. An arrow goes down this list, never up:
//!
//! 1. [`given`]: what the command line says, and the settings that it comes to;
//! 2. `help`: what help says beside the flags;
//! 3. `preset`: what the budgets of the tasks have in place of the defaults;
//! 4. [`config`]: the settings; `setting` is how an entry is read;
//! 5. `product`, `init` and [`choices`]: what a setting can be.

pub mod choices;
pub mod config;
pub mod given;
pub mod help;
pub mod init;
mod preset;
pub(crate) mod product;
mod setting;
