//! What a command says on a terminal or into a pipe, how it is stopped, how it fails.

#[cfg(test)]
pub(crate) mod asserts;
pub(crate) mod command_line;
pub mod error;
pub mod interrupt;
pub mod output;
pub(crate) mod parse;
pub mod progress;
pub(crate) mod status_line;
