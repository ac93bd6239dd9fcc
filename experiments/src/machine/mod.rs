//! What this machine tells: its clock, as far as one can be trusted, and its memory.

pub(crate) mod clock;
pub(crate) mod memory;
