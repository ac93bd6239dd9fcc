//! The folder of a run, and every file in it:
//!
//! 1. [`measured`]: what is measured of a run, as its files have it; `data_report` and `outcome`: data.json and result.json;
//! 2. `environment`: what computed it;
//! 3. `checkpoint`: a state as a file that is right or refused (`save` writes it, `newest` reads it);
//! 4. [`folder`]: the folder, new, resumed or replaced; `events`: its numbers for TensorBoard; `kept`: a tape as files;
//! 5. `tuned`: what the trials of a grid have chosen.

pub(crate) mod checkpoint;
pub(crate) mod data_report;
pub(crate) mod environment;
pub(crate) mod events;
pub mod folder;
pub(crate) mod kept;
pub mod measured;
pub(crate) mod outcome;
pub(crate) mod tuned;
