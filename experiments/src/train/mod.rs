//! The loop: data, steps, evaluations, checkpoints, the test.
//!
//! 1. [`data`]: read or made; `reach`: whether anything of them is sketched; `init`: weights to begin at;
//!    `scores`: by what every epoch draws its neighbours; `source`: the files of these two;
//! 2. [`trainer`]: a step and an evaluation, with `ordered_sum`, the gradient of a batch, and [`profile`], where a step's
//!    time goes;
//! 3. [`experiment`]: a run. Its `start` opens the folder, its `session` takes the steps, evaluates, and says when a
//!    checkpoint is written (`Session::save`);
//! 4. `trained`: the model of a run read back; `replay`: a run gone back to one of its steps.

pub mod data;
pub mod experiment;
pub(crate) mod init;
pub(crate) mod ordered_sum;
pub mod profile;
pub(crate) mod reach;
pub(crate) mod replay;
pub(crate) mod scores;
pub(crate) mod source;
pub(crate) mod trained;
pub mod trainer;
