//! All settings of a run, each written once: its entry in [`config`]. What a file needs is above it in this list:
//!
//! 1. [`choices`], `product` and [`source`]: what a setting can be;
//! 2. [`config`]: the settings, and the check of each (`--warmup` is one); `setting` is how an entry is read;
//! 3. `preset`: what the budgets of the tasks have in place of the defaults;
//! 4. [`help`]: what help says beside the flags;
//! 5. [`given`]: what the command line says, and the settings that it comes to; `command`: the way back.

pub mod choices;
mod command;
pub mod config;
pub mod given;
pub mod help;
mod preset;
pub(crate) mod product;
mod setting;
pub mod source;
