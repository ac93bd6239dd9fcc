//! From a command line to the folder of a run. Read in this order:
//!
//! 1. [`flags`]: what can be said on the command line, in every `exp_*` binary.
//! 2. [`config`]: what that resolves to, all settings of a run in one struct; [`task`]: the five tasks, with the
//!    presets of their budgets and where their data come from; `product`: which matrix product computes.
//! 3. [`run`]: the folder of a run, new or resumed; beside it `environment` (what computed it), `checkpoint` (its
//!    state as a file that is right or refused), `whole_file` (how such files are written), `range` (what numbers in
//!    them may be), `memory` (how much was held) and `clock` (how long it took, as far as a clock can be trusted).
//! 4. [`output`] and [`progress`]: what is said, and what is shown while it runs (on a `status_line`); [`interrupt`]:
//!    how it is stopped.
//! 5. [`trainer`]: a training step and an evaluation, with `ordered_sum` (the gradient of a batch) and [`profile`]
//!    (where a step's time goes); [`experiment`]: the loop around them, from flags to the test, with `events` (its
//!    numbers for TensorBoard) and `reach` (whether anything is sketched); [`sweep`]: many of them, tasks x methods x seeds; [`table`]: what came of them, beside
//!    the numbers of the `paper`.
//! 6. [`report`]: the page about a run; [`evaluate`] and [`predict`]: what is done with its model, which `trained`
//!    reads back.
//! 7. [`conformance`]: the reference cases; [`explain`]: what a tape tells about itself. They train nothing.
//! 8. [`approx`]: how far methods are from exact attention; [`theory`]: the paper's bounds against what
//!    happens; they train nothing either. These and reports draw with `chart`, and reckon with `statistics`.
//!    [`bench_attention`]: how long methods take for that; [`bench_step`] and [`cost`]: what a training step takes,
//!    beside the paper's numbers.
//! 9. [`data`]: the published data fetched, generated ones written, both verified and shown.
//! 10. [`error`]: how all of them fail.

pub mod approx;
pub mod bench_attention;
pub mod bench_step;
mod chart;
mod checkpoint;
mod clock;
pub mod config;
pub mod conformance;
pub mod cost;
pub mod data;
mod environment;
pub mod error;
pub mod evaluate;
mod events;
pub mod experiment;
pub mod explain;
pub mod flags;
pub mod interrupt;
mod memory;
mod ordered_sum;
mod out_file;
pub mod output;
mod paper;
pub mod predict;
mod product;
pub mod profile;
pub mod progress;
mod range;
mod reach;
pub mod report;
pub mod run;
mod statistics;
mod status_line;
pub mod sweep;
pub mod table;
pub mod task;
pub mod theory;
mod trained;
pub mod trainer;
mod whole_file;
