//! The loop: data, steps, evaluations, checkpoints, the test.

pub mod data;
pub mod experiment;
pub(crate) mod init;
pub(crate) mod ordered_sum;
pub mod profile;
pub(crate) mod reach;
pub(crate) mod trained;
pub mod trainer;
