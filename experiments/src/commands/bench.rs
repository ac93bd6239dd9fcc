//! `skein bench`: the benchmarks.

use super::program::Command;
use super::{bench_attention, bench_step};

/// `skein bench`.
pub(super) fn command() -> Command {
    Command::group(
        "bench",
        "Times a training step, or every method of attention",
        vec![bench_step::command(), bench_attention::command()],
    )
}
