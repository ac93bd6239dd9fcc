//! The tests of experiments but those that are a process of their own, as one program (see Cargo.toml).

mod approx;
mod begun;
mod bench_attention;
mod bench_step;
mod classes;
mod commands;
mod comparisons;
mod completeness;
mod conformance;
mod cost;
mod curves;
mod data;
mod diff;
mod exp_text;
mod explain;
mod grids;
mod losses;
mod methods;
mod old_runs;
mod readme;
mod report;
mod rooms;
mod scores;
mod stopped;
mod study;
mod study_grid;
mod study_runs;
mod support;
mod sweep;
mod table;
mod tasks;
mod tensorboard;
mod theory;
mod trained;

use std::process::Command;

/// `skein` with a command, such as "sweep" or "bench step".
fn skein(command: &str) -> Command {
    let mut skein = Command::new(env!("CARGO_BIN_EXE_skein"));
    skein.args(command.split(' '));
    skein
}
