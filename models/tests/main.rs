//! The tests of models, as one program (see Cargo.toml).

mod forward;
mod gradients;
mod parameters;
mod reference;
