//! What this machine tells: its clock, as far as one can be trusted, its memory, and what a batch system gave of it.

pub(crate) mod allocation;
pub(crate) mod clock;
pub(crate) mod memory;
