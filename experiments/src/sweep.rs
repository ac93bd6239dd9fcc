//! Many runs as one command: tasks x methods x seeds, Table 1 of the paper and what else is made of
//! such grids.
//!
//! A grid is a folder, a cell of it the folder of a run, the same to the bit as that of the `exp_*`
//! binary with these settings. Nothing else is kept about a grid: what is done follows from the
//! folders, so that the same command goes on where any earlier one was stopped, however that happened.
//! Who works on a cell holds the lock of its file in `.locks`, and the system takes the lock back when
//! the process ends; so several processes can share a grid, and shards can be put into one folder later.
//!
//! The cells come from `sweep/plan.rs`; what is done about one is `sweep/work.rs`.

mod plan;
mod work;

use crate::error::{Error, FULL, Result, exit};
use crate::flags::{distinct, threads};
use crate::interrupt::{INTERRUPTED, Interrupt};
use crate::output::{answer, tell};
use plan::{Cell, SweepFlags};
use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;
use work::{Lock, State, Turn, Work};

/// The `main` of the binary.
pub fn main() -> ExitCode {
    exit(SweepFlags::parse_from(std::env::args_os()).and_then(|flags| sweep(&flags)))
}

fn sweep(flags: &SweepFlags) -> Result<ExitCode> {
    let grid = flags.folder();
    let all = flags.plan()?;
    let mine = |i: usize| {
        let number = i + 1;
        flags
            .shard
            .is_none_or(|shard| number % shard.of == shard.number % shard.of)
    };
    let cells: Vec<(usize, &Cell)> = all.iter().enumerate().filter(|(i, _)| mine(*i)).collect();
    // A grid that was begun with other settings is refused before anything is trained.
    let states = cells
        .iter()
        .map(|(_, cell)| cell.state(&grid))
        .collect::<Result<Vec<State>>>()?;
    if flags.list {
        answer(&listing(&grid, all.len(), &cells, &states))?;
        return Ok(ExitCode::SUCCESS);
    }
    let interrupt = Interrupt::install()?;
    let mut work = Work::new(&grid, threads(flags.threads), flags.tensorboard);
    let (mut before, mut now, mut failed) = (0, 0, Vec::new());
    let mut waiting: Vec<(usize, &Cell)> = cells.clone();
    loop {
        let mut elsewhere = Vec::new();
        let tried = now + failed.len();
        for (i, cell) in waiting {
            if interrupt.requested() {
                return Ok(left());
            }
            match work.turn(cell, i + 1, all.len(), &interrupt) {
                Ok(Turn::Before) => before += 1,
                Ok(Turn::Now) => now += 1,
                Ok(Turn::Elsewhere) => elsewhere.push((i, cell)),
                Ok(Turn::Interrupted) => return Ok(left()),
                Err(error) => {
                    let again = "free some space; the same command then goes on with it";
                    let error = error.at(&cell.name).hint_if(FULL, again);
                    tell(&error.to_string());
                    failed.push(error.to_string());
                }
            }
        }
        waiting = elsewhere;
        // Meanwhile the other process may have been stopped: its cells are looked at once more, until
        // there is nothing to do but to wait.
        if waiting.is_empty() || now + failed.len() == tried {
            break;
        }
    }
    let mut text = format!(
        "{} of {} runs in {} have ended, {now} of them now\n",
        before + now,
        cells.len(),
        grid.display()
    );
    for (_, cell) in &waiting {
        let _ = writeln!(text, "under way in another process: {}", cell.name);
    }
    for error in &failed {
        let _ = writeln!(text, "failed: {}", error.trim_start_matches("error: "));
    }
    answer(&text)?;
    match failed.len() {
        0 => Ok(ExitCode::SUCCESS),
        count => {
            let message = format!("{count} of {} runs failed: see above", cells.len());
            Err(Error::failure(message).hint("the same command tries them again"))
        }
    }
}

/// After a signal.
fn left() -> ExitCode {
    tell("the same command goes on with the grid");
    ExitCode::from(INTERRUPTED)
}

/// The cells as `--list` prints them.
fn listing(grid: &Path, all: usize, cells: &[(usize, &Cell)], states: &[State]) -> String {
    let mut text = format!("{}: {} of {all} runs\n", grid.display(), cells.len());
    for task in distinct(cells.iter().map(|(_, cell)| cell.config.task)) {
        let of_task = cells.iter().find(|(_, cell)| cell.config.task == task);
        let Some((_, Cell { config, .. })) = of_task else {
            continue;
        };
        let _ = writeln!(
            text,
            "{}: budget {}, protocol {}, steps {}, batch {}, max-len {},\n  learning rate {:?}, data {}",
            task.name(),
            config.budget.name(),
            config.protocol.name(),
            config.steps,
            config.batch,
            config.max_len,
            config.learning_rate,
            config.data
        );
    }
    let width = cells.iter().map(|(_, cell)| cell.name.len()).max();
    let width = width.unwrap_or(0);
    for ((i, cell), state) in cells.iter().zip(states) {
        let state = match state {
            State::Ended(accuracy) => format!("ended, {:.2}%", 100.0 * accuracy),
            _ if Lock::is_held(grid, &cell.name) => "under way".to_string(),
            State::Begun(step) => format!("step {step} of {}", cell.config.steps),
            State::New => "new".to_string(),
        };
        let _ = writeln!(text, "{:4}  {:width$}  {state}", i + 1, cell.name);
    }
    text
}
