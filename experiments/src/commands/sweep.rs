//! Many runs as one command: tasks x methods x seeds, Table 1 of the paper and what else is made of
//! such grids.
//!
//! A grid is a folder, a cell of it the folder of a run, the same to the bit as that of `skein TASK`
//! with these settings. Nothing else is kept about a grid: what is done follows from the
//! folders, so that the same command goes on where any earlier one was stopped, however that happened.
//! Who works on a cell holds the lock of its file in `.locks`, and the system takes the lock back when
//! the process ends; so several processes can share a grid, and shards can be put into one folder later.
//!
//! Before it is trained, a plan shows how far the features of every method reach into its data; ablations are refused
//! where that is everywhere, since they would be the same run under several names.
//!
//! The cells come from `sweep/plan.rs`; what is done about one is `sweep/work.rs`.

mod plan;
mod work;

use crate::settings::choices::Task;
use crate::settings::config::Config;
use crate::settings::product;
use crate::show::grid::{self, Grid, cells};
use crate::terminal::error::{Error, FULL, Result};
use crate::terminal::interrupt::{INTERRUPTED, Interrupt};
use crate::terminal::output::{answer, fitted, percent, tell};
use crate::terminal::parse::{distinct, threads};
use crate::train::data;
use crate::train::reach::{Reach, Sizes, twin};
use crate::train::trainer::refuse_too_large;
use datasets::{DataError, shown};
use plan::{Cell, SweepFlags};
use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;
use work::{Lock, State, Turn, Work};

/// `skein sweep`.
pub(super) fn command() -> super::Command {
    let example = "skein sweep --tasks text,listops --methods softmax,skein --seeds 1,2,3";
    super::Command::with(SweepFlags::command(), example, |matches| {
        sweep(&SweepFlags::of(matches)?)
    })
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
    // A grid that was begun with other settings, or on other data, is refused before anything is trained.
    let states = cells
        .iter()
        .map(|(_, cell)| cell.state(&grid))
        .collect::<Result<Vec<State>>>()?;
    let mut work = Work::new(&grid, threads(flags.threads), flags.tensorboard);
    let both = || cells.iter().map(|(_, cell)| *cell).zip(&states);
    work.refuse_other_data(both())?;
    if flags.list || flags.compares_sketches() {
        let sizes = sizes(&cells);
        if flags.compares_sketches() {
            refuse_exact(&cells, &sizes)?;
        }
        if flags.list {
            answer(&listing(&grid, all.len(), &cells, &states, &sizes)?)?;
            return Ok(ExitCode::SUCCESS);
        }
    }
    for (cell, state) in both() {
        if !matches!(state, State::Ended(_)) {
            refuse_too_large(&cell.config, threads(flags.threads))
                .map_err(|error| error.at(&cell.name))?;
            product::choose(cell.config.product).map_err(|error| error.at(&cell.name))?;
        }
    }
    work.tell_of_other_code(both());
    let interrupt = Interrupt::install()?;
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
        shown::name(grid)
    );
    for (_, cell) in &waiting {
        let _ = writeln!(text, "under way in another process: {}", cell.name);
    }
    for error in &failed {
        let _ = writeln!(text, "failed: {}", error.trim_start_matches("error: "));
    }
    answer(&fitted(&text))?;
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

/// The lengths of a task's data, or why they are not known.
type TaskSizes = std::result::Result<Sizes, DataError>;

/// Of every task.
fn sizes(cells: &[(usize, &Cell)]) -> Vec<(Task, TaskSizes)> {
    let tasks = distinct(cells.iter().map(|(_, cell)| cell.config.task));
    let of = |task: Task| {
        let config = first_of(cells, task);
        (task, data::sizes(config))
    };
    tasks.into_iter().map(of).collect()
}

/// The settings that all cells of a task have, but for the axes of the grid.
fn first_of<'a>(cells: &[(usize, &'a Cell)], task: Task) -> &'a Config {
    let mut configs = cells.iter().map(|(_, cell)| &cell.config);
    let first = configs.find(|config| config.task == task);
    first.expect("the task is that of a cell")
}

/// How far the features of a cell reach, where that is known and has a say.
fn reach(cell: &Cell, sizes: &[(Task, TaskSizes)]) -> Result<Option<Reach>> {
    let task = cell.config.task;
    match sizes.iter().find(|(of, _)| *of == task) {
        Some((_, Ok(sizes))) => sizes.reach(&cell.config),
        _ => Ok(None),
    }
}

/// Ablations that sketch nothing are all the same.
fn refuse_exact(cells: &[(usize, &Cell)], sizes: &[(Task, TaskSizes)]) -> Result<()> {
    for (_, cell) in cells {
        let Some(reach) = reach(cell, sizes)?.filter(Reach::is_whole) else {
            continue;
        };
        let Config { task, features, .. } = cell.config;
        let message = format!(
            "{}: {features} features leave nothing to sketch, the longest example has {} tokens: expected fewer \
             than its first quartile, {}",
            cell.name, reach.lengths.longest, reach.lengths.first_quartile
        );
        let fewer = (reach.lengths.median / 8).max(1);
        return Err(Error::usage(message).hint(format!(
            "lower --features, as with --set {}.features={fewer}",
            task.name()
        )));
    }
    Ok(())
}

/// The cells as `--list` prints them.
fn listing(
    grid: &Path,
    all: usize,
    cells: &[(usize, &Cell)],
    states: &[State],
    sizes: &[(Task, TaskSizes)],
) -> Result<String> {
    let mut text = format!("{}: {} of {all} runs\n", shown::name(grid), cells.len());
    for (task, sizes) in sizes {
        let config = first_of(cells, *task);
        let _ = writeln!(
            text,
            "{}: budget {}, protocol {}, steps {}, batch {}, max-len {},\n  features {}, learning rate {:?}, data {}",
            task.name(),
            config.budget.name(),
            config.protocol.name(),
            config.steps,
            config.batch,
            config.max_len,
            config.features,
            config.learning_rate,
            config.data
        );
        let _ = match sizes {
            Ok(sizes) => writeln!(
                text,
                "  tokens of {}:\n    {}",
                sizes.whose,
                sizes.lengths()
            ),
            Err(error) => writeln!(text, "  lengths not known: {error}"),
        };
    }
    let word = || grid::left("", 0).gap(2);
    let mut table = Grid::new([grid::right("", 4), word(), word()]);
    for ((i, cell), state) in cells.iter().zip(states) {
        let state = match state {
            State::Ended(outcome) => {
                format!("ended, {}", percent(outcome.test.accuracy))
            }
            _ if Lock::is_held(grid, &cell.name) => "under way".to_string(),
            State::Begun(step, _) => format!("step {step} of {}", cell.config.steps),
            State::New => "new".to_string(),
        };
        let reach = reach(cell, sizes)?.and_then(|reach| reach.plan());
        let exact = reach.or_else(|| twin(&cell.config));
        let exact = exact.map_or(String::new(), |plan| format!("  {plan}"));
        let state = format!("{state}{exact}");
        table.rows.push(cells![i + 1, cell.name, state]);
    }
    Ok(text + &table.text())
}
