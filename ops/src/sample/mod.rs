//! Sampling of indices. What is drawn is a constant of the backward pass: no gradient goes through a choice.
//!
//! [`uniform`]: with and without replacement; [`weighted`]: by importance, without replacement.

pub mod uniform;
pub mod weighted;
