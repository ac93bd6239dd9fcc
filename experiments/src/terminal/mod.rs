//! What a command says on a terminal or into a pipe, how it is stopped, how it fails:
//!
//! 1. [`error`]: an error and its hint; [`output`]: answers, remarks, and the exit code;
//! 2. `command_line` and `parse`: what was said, and the values of flags;
//! 3. [`progress`], on a `status_line`; [`interrupt`]: signals; `ranks`: several processes at once.

#[cfg(test)]
pub(crate) mod asserts;
pub(crate) mod command_line;
pub mod error;
pub mod interrupt;
pub mod output;
pub(crate) mod parse;
pub mod progress;
pub(crate) mod ranks;
pub(crate) mod status_line;
