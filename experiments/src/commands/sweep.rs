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
//! The cells come from `sweep/flags.rs` and `plan.rs`, of axes (`axis.rs`, `preset.rs`) and a `shard.rs` of them; what is done about one
//! is `sweep/work.rs`, under its `lock.rs`, and what has failed is left alone (`failed.rs`). Trials may choose a setting
//! first (`tune.rs`). `forecast.rs` says beforehand what all of it takes, and `seeds.rs` how many seeds; `slurm.rs` writes
//! it as a job array, with the command of `again.rs`.

mod again;
mod axis;
pub(super) mod failed;
mod flags;
pub(super) mod forecast;
mod lock;
mod plan;
mod preset;
mod seeds;
mod shard;
mod slurm;
mod tune;
mod work;

use crate::run::tuned::said;
use crate::settings::choices::Task;
use crate::settings::config::Config;
use crate::settings::product;
use crate::show::grid::{self, Grid, cells};
use crate::terminal::error::{Error, FULL, Result};
use crate::terminal::interrupt::{INTERRUPTED, Interrupt};
use crate::terminal::output::{answer, fitted, percent, tell};
use crate::terminal::parse::{distinct, threads};
use crate::terminal::ranks::refuse_several;
use crate::train::data;
use crate::train::reach::{Reach, Sizes, twin};
use crate::train::trainer::refuse_too_large;
use axis::flag;
use datasets::{DataError, shown};
use failed::Mark;
use flags::SweepFlags;
use lock::Lock;
use plan::{Cell, Plan};
use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use work::{State, Tried, Turn, Work};

/// How long it is until somebody looks again whether the trials in another process have ended.
const LOOK: Duration = Duration::from_millis(200);

/// `skein sweep`.
pub(super) fn command() -> super::Command {
    let example = "skein sweep --tasks text,listops --methods softmax,skein --seeds 1,2,3\n\
                   skein sweep --tasks text --methods softmax,skein --axis features=16,32\n\
                   skein sweep --tasks text --methods softmax,skein --tune lr=3e-4,1e-3 --plan";
    super::Command::with(SweepFlags::command(), example, |matches| {
        sweep(&SweepFlags::of(matches)?)
    })
}

fn sweep(flags: &SweepFlags) -> Result<ExitCode> {
    let only_says = flags.list || flags.plan || flags.slurm.is_some();
    if !only_says {
        refuse_several(
            "start one in each job of an array, with --shard auto; processes on one machine share a grid as they are",
        )?;
    }
    let grid = flags.folder();
    let mut plan = flags.plan()?;
    plan.settle(&grid)?;
    let is_mine = |i: &usize| flags.shard.is_none_or(|shard| shard.has(*i));
    let mine: Vec<usize> = (0..plan.cells.len()).filter(is_mine).collect();
    let cells: Vec<(usize, &Cell)> = mine.iter().map(|&i| (i, &plan.cells[i])).collect();
    // A grid that was begun with other settings, or on other data, is refused before anything is trained.
    let states = cells
        .iter()
        .map(|(_, cell)| cell.state(&grid))
        .collect::<Result<Vec<State>>>()?;
    let threads = threads(flags.threads);
    let mut work = Work::new(&grid, threads, flags.tensorboard, flags.retry_failed);
    let both = || cells.iter().map(|(_, cell)| *cell).zip(&states);
    work.refuse_other_data(both())?;
    let groups = distinct(cells.iter().filter_map(|(_, cell)| cell.group));
    let trials = groups.iter().flat_map(|&group| &plan.groups[group].trials);
    for trial in trials {
        work.refuse_other_data([(trial, &trial.state(&grid)?)])?;
    }
    if flags.list || flags.compares_sketches() {
        let sizes = sizes(&cells);
        if flags.compares_sketches() {
            refuse_exact(&cells, &sizes)?;
        }
        if flags.list {
            let text = listing(&grid, &plan, &cells, &states, &sizes)?;
            answer(&text)?;
            return Ok(ExitCode::SUCCESS);
        }
    }
    for (cell, state) in both() {
        if !matches!(state, State::Ended(_)) {
            refuse_too_large(&cell.config, threads).map_err(|error| error.at(&cell.name))?;
            product::choose(cell.config.product).map_err(|error| error.at(&cell.name))?;
        }
    }
    if flags.plan {
        let forecast = forecast::Forecast::of(&grid, &plan, &mine, threads)?;
        answer(&forecast.text(&grid)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(path) = &flags.slurm {
        let text = slurm::write(flags, path, &grid, &plan, threads)?;
        answer(&text)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let (Some(shard), []) = (flags.shard, &mine[..]) {
        let count = plan.cells.len();
        tell(&format!(
            "note:   shard {}/{} has none of the {count} runs: nothing to do",
            shard.number, shard.of
        ));
    }
    work.tell_of_other_code(both());
    let interrupt = Interrupt::install()?;
    plan.record(&grid)?;
    let Some(done) = train(&mut plan, &mine, &grid, &mut work, &interrupt)? else {
        tell("the same command goes on with the grid");
        return Ok(ExitCode::from(INTERRUPTED));
    };
    done.end(&grid, mine.len())
}

/// What became of the cells.
#[derive(Default)]
struct Done {
    /// Ended when it was their turn.
    before: usize,
    now: usize,
    failed: Vec<(String, Mark)>,
    /// Failed in an earlier process, and left alone.
    skipped: Vec<(String, Mark)>,
    /// Under way in another process.
    elsewhere: Vec<String>,
}

/// Every cell, each after its trials; none if a signal has come.
fn train(
    plan: &mut Plan,
    mine: &[usize],
    grid: &Path,
    work: &mut Work,
    interrupt: &Interrupt,
) -> Result<Option<Done>> {
    let all = plan.cells.len();
    let mut done = Done::default();
    // Of groups whose trials have failed: each is tried once.
    let mut broken: Vec<Option<Error>> = vec![None; plan.groups.len()];
    let mut waiting = mine.to_vec();
    let mut has_told = false;
    loop {
        let mut elsewhere = Vec::new();
        let mut trials_elsewhere = false;
        let tried = done.now + done.failed.len();
        for i in waiting {
            if interrupt.requested() {
                return Ok(None);
            }
            let turn = match prepare(plan, i, grid, work, &mut broken, interrupt) {
                Ok(Turn::Now) => work.turn(&plan.cells[i], &format!("{}/{all}", i + 1), interrupt),
                Ok(Turn::Elsewhere) => {
                    trials_elsewhere = true;
                    Ok(Turn::Elsewhere)
                }
                other => other,
            };
            let name = || plan.cells[i].name.clone();
            match turn {
                Ok(Turn::Before) => done.before += 1,
                Ok(Turn::Now) => done.now += 1,
                Ok(Turn::Elsewhere) => elsewhere.push(i),
                Ok(Turn::Failed(mark)) => done.skipped.push((name(), mark)),
                Ok(Turn::Interrupted) => return Ok(None),
                Err(error) => {
                    let again = "free some space; the same command then goes on with it";
                    let error = error.at(&name()).hint_if(FULL, again);
                    tell(&error.to_string());
                    done.failed.push((name(), Mark::of(&error)));
                }
            }
        }
        waiting = elsewhere;
        // Meanwhile the other process may have been stopped: its cells are looked at once more, until
        // there is nothing to do but to wait.
        let nothing_new = done.now + done.failed.len() == tried;
        if waiting.is_empty() || (nothing_new && !trials_elsewhere) {
            break;
        }
        if nothing_new {
            if !has_told {
                tell("note:   waiting for trials that are under way in another process");
                has_told = true;
            }
            std::thread::sleep(LOOK);
        }
    }
    let name = |i: usize| plan.cells[i].name.clone();
    done.elsewhere = waiting.into_iter().map(name).collect();
    Ok(Some(done))
}

/// The trials before a cell, as far as they are still to be done; `Now` is its own turn.
fn prepare(
    plan: &mut Plan,
    cell: usize,
    grid: &Path,
    work: &mut Work,
    broken: &mut [Option<Error>],
    interrupt: &Interrupt,
) -> Result<Turn> {
    let Some(group) = plan.cells[cell].group else {
        return Ok(Turn::Now);
    };
    if plan.groups[group].choice.is_some() {
        return Ok(Turn::Now);
    }
    if let Some(error) = &broken[group] {
        return Err(error.clone());
    }
    let mut settle = || -> Result<Turn> {
        match work.try_all(&plan.groups[group], interrupt)? {
            Tried::Elsewhere => return Ok(Turn::Elsewhere),
            Tried::Failed(mark) => return Ok(Turn::Failed(mark)),
            Tried::Interrupted => return Ok(Turn::Interrupted),
            Tried::All => {}
        }
        let setting = plan.groups[group].setting;
        if !plan.settle_group(grid, group)? {
            return Err(tune::without_best(setting));
        }
        plan.record(grid)?;
        let group = &plan.groups[group];
        if let Some(choice) = &group.choice {
            tell(&format!(
                "tuned:  {}: {} {}, the best of {} on dev",
                group.cells,
                flag(setting),
                said(&choice.value),
                choice.trial.len()
            ));
        }
        Ok(Turn::Now)
    };
    settle().inspect_err(|error| broken[group] = Some(error.clone()))
}

impl Done {
    /// What is said at the end, and whether it was one.
    fn end(self, grid: &Path, count: usize) -> Result<ExitCode> {
        let mut text = format!(
            "{} of {count} runs in {} have ended, {} of them now\n",
            self.before + self.now,
            shown::name(grid),
            self.now
        );
        for name in &self.elsewhere {
            let _ = writeln!(text, "under way in another process: {name}");
        }
        text += &failed::summary(&self.failed);
        let earlier = failed::summary(&self.skipped);
        text += &earlier.replace("failed: ", "failed before, and left alone: ");
        answer(&fitted(&text))?;
        let again = "--retry-failed tries them again";
        match (self.failed.len(), self.skipped.len()) {
            (0, 0) => Ok(ExitCode::SUCCESS),
            (0, before) => {
                let message = format!("{before} of {count} runs have failed before: see above");
                Err(Error::failure(message).hint(again))
            }
            (failed, _) => {
                let message = format!("{failed} of {count} runs failed: see above");
                Err(Error::failure(message).hint(again))
            }
        }
    }
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

/// The settings of a task that have several values, or that trials are to choose, a line each.
fn several(cells: &[(usize, &Cell)], plan: &Plan, task: Task) -> String {
    let of_task = || cells.iter().filter(|(_, cell)| cell.config.task == task);
    let groups = of_task().filter_map(|(_, cell)| Some(&plan.groups[cell.group?]));
    let open = distinct(groups.map(|group| (group.setting, group.trials.len())));
    let mut text = String::new();
    for &(setting, count) in &open {
        let name = flag(setting);
        let _ = writeln!(
            text,
            "  {name}: every method has the best of {count} trials on dev"
        );
    }
    let pieces = distinct(of_task().map(|(_, cell)| cell.pieces.as_str()));
    if pieces.iter().any(|pieces| !pieces.is_empty()) {
        let count = pieces.len();
        let _ = writeln!(
            text,
            "  with every method and seed: {count} combinations of axes, in the names of the runs"
        );
    }
    text
}

/// The cells as `--list` prints them.
fn listing(
    grid: &Path,
    plan: &Plan,
    cells: &[(usize, &Cell)],
    states: &[State],
    sizes: &[(Task, TaskSizes)],
) -> Result<String> {
    let all = plan.cells.len();
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
        text += &several(cells, plan, *task);
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
            state => {
                let has_failed = failed::read(grid, &cell.name)?.is_some();
                let step = match state {
                    State::Begun(step, _) => format!("step {step} of {}", cell.config.steps),
                    _ if has_failed => String::new(),
                    _ => "new".to_string(),
                };
                let failed = if has_failed { "failed before " } else { "" };
                format!("{failed}{step}").trim_end().to_string()
            }
        };
        let reach = reach(cell, sizes)?.and_then(|reach| reach.plan());
        let exact = reach.or_else(|| twin(&cell.config));
        let exact = exact.map_or(String::new(), |plan| format!("  {plan}"));
        let state = format!("{state}{exact}");
        table.rows.push(cells![i + 1, cell.name, state]);
    }
    Ok(text + &table.text())
}
