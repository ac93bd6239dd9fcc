//! The tests of experiments but those that are a process of their own, as one program (see Cargo.toml).

mod approx;
mod bench_attention;
mod bench_step;
mod classes;
mod completeness;
mod conformance;
mod cost;
mod data;
mod exp_text;
mod explain;
mod losses;
mod methods;
mod old_runs;
mod readme;
mod report;
mod rooms;
mod stopped;
mod support;
mod sweep;
mod table;
mod tasks;
mod tensorboard;
mod theory;
mod trained;
