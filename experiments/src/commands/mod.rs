//! One file or folder a command, and the list of all of them. `program` parses for all; `bench` is the two `bench_*`;
//! `paper` has the numbers of the paper, `next` what can be done after a run.

pub mod approx;
mod bench;
pub mod bench_attention;
pub mod bench_step;
mod completions;
pub mod conformance;
pub mod cost;
pub mod data;
mod diff;
pub mod evaluate;
pub mod explain;
mod man;
pub(crate) mod next;
pub(crate) mod paper;
pub mod predict;
mod program;
pub mod report;
pub mod scores;
mod study;
pub mod sweep;
pub mod table;
pub mod theory;
pub mod train;

use crate::settings::choices::Task;
use program::Command;
pub use program::main;

/// Every command of `skein`, under a word for what it is about: a new one is its file and a line here.
fn commands() -> Vec<(&'static str, Vec<Command>)> {
    let mut trains: Vec<Command> = Task::ALL.into_iter().map(train::command).collect();
    trains.push(sweep::command());
    vec![
        ("train", trains),
        (
            "runs",
            vec![
                table::command(),
                report::command(),
                diff::command(),
                evaluate::command(),
                predict::command(),
                scores::command(),
            ],
        ),
        ("data", vec![data::command()]),
        (
            "study",
            vec![
                explain::command(),
                study::command(),
                approx::command(),
                theory::command(),
                conformance::command(),
            ],
        ),
        ("measure", vec![cost::command(), bench::command()]),
        ("shell", vec![completions::command(), man::command()]),
    ]
}
