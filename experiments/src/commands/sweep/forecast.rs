//! What a grid takes before it is trained: hours, memory, and seeds.
//!
//! A step is as long as the steps of the runs there are, of any seed and at any learning rate; where there are none, as
//! a few steps that are done here on the data of the cell and thrown away. Evaluations are not timed, and are reckoned:
//! forward alone is a third of forward and backward. Patience may end runs sooner, so the hours are the most.

use super::again::Again;
use super::failed;
use super::plan::{Cell, Plan};
use super::seeds::{LEAST_PAIRS, ONE_POINT, differences};
use super::work::State;
use crate::commands::next;
use crate::numbers::paired::seeds_needed;
use crate::run::data_report::DataReport;
use crate::run::folder::timings;
use crate::settings::config::Config;
use crate::settings::source::Source;
use crate::show::grid::{self, Grid, cells};
use crate::terminal::error::{Error, Result};
use crate::terminal::output::tell;
use crate::terminal::parse::distinct;
use crate::train::data;
use crate::train::trainer::{Trainer, least_bytes};
use datasets::{Dataset, shown};
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// Steps that are timed where there is no run; one before them makes what they use again.
const TRIAL_STEPS: usize = 3;
/// What forward alone takes of a training step.
const FORWARD: f64 = 1.0 / 3.0;
const MIB: f64 = 1_048_576.0;

/// What is known of the steps of some cells.
struct Pace {
    /// Of all cells that take as long.
    of: Config,
    seconds_per_step: f64,
    /// None: a few steps were done for it.
    runs: Option<usize>,
    /// Examples of dev and test.
    judged: [usize; 2],
    peak_mib: Option<f64>,
}

/// Those that a run of these settings still takes after `behind` steps, on data with so many examples of dev and test:
/// an evaluation is reckoned as a third of training on as many examples.
pub(in crate::commands) fn seconds_left(
    config: &Config,
    behind: usize,
    seconds_per_step: f64,
    [dev, test]: [usize; 2],
) -> f64 {
    let left = config.steps.saturating_sub(behind);
    let judged = |wanted: usize, there: usize| match wanted {
        0 => there,
        some => some.min(there),
    };
    let evaluations = left.div_ceil(config.eval_every);
    let examples =
        evaluations * judged(config.eval_examples, dev) + judged(config.test_examples, test);
    let one = seconds_per_step / config.batch as f64;
    left as f64 * seconds_per_step + FORWARD * one * examples as f64
}

/// What is left of a grid.
pub(super) struct Forecast<'a> {
    plan: &'a Plan,
    mine: Vec<usize>,
    states: Vec<State>,
    failed: usize,
    threads: usize,
    paces: Vec<Pace>,
    /// Seconds of every cell of `mine` that is left.
    pub(super) cells: Vec<(usize, f64)>,
    /// Of the trials of a group that are left.
    pub(super) groups: Vec<(usize, f64)>,
    trials: usize,
    /// The most that is reckoned, and whose.
    reckoned: Option<(f64, String)>,
}

/// What decides how long a step takes.
fn pace_of(config: &Config) -> Config {
    Config {
        seed: 0,
        learning_rate: 1.0,
        warmup: 0,
        steps: 1,
        eval_every: 1,
        eval_examples: 0,
        test_examples: 0,
        patience: 0,
        weight_decay: 0.0,
        init: Source::Random,
        ..config.clone()
    }
}

impl<'a> Forecast<'a> {
    /// Of the cells in these places.
    pub(super) fn of(grid: &Path, plan: &'a Plan, mine: &[usize], threads: usize) -> Result<Self> {
        let state = |cell: &Cell| cell.state(grid);
        let states: Vec<State> = plan.cells.iter().map(state).collect::<Result<_>>()?;
        let mut forecast = Forecast {
            plan,
            mine: mine.to_vec(),
            states,
            failed: 0,
            threads,
            paces: Vec::new(),
            cells: Vec::new(),
            groups: Vec::new(),
            trials: 0,
            reckoned: None,
        };
        let mut timer = Timer {
            threads,
            data: None,
        };
        for &i in mine {
            let cell = &plan.cells[i];
            let behind = match &forecast.states[i] {
                State::Ended(_) => continue,
                State::Begun(step, _) => *step,
                State::New => 0,
            };
            forecast.failed += usize::from(failed::read(grid, &cell.name)?.is_some());
            let seconds = forecast.seconds(grid, cell, behind, &mut timer)?;
            forecast.cells.push((i, seconds));
            let tokens = cell.config.max_len * cell.config.task.entry().documents;
            let bytes = least_bytes(&cell.config, threads, tokens)?;
            if forecast
                .reckoned
                .as_ref()
                .is_none_or(|(most, _)| bytes > *most)
            {
                forecast.reckoned = Some((bytes, cell.name.clone()));
            }
        }
        let groups = mine.iter().filter_map(|&i| plan.cells[i].group);
        for group in distinct(groups) {
            if plan.groups[group].choice.is_some() {
                continue;
            }
            let mut seconds = 0.0;
            for cell in &plan.groups[group].trials {
                let behind = match cell.state(grid)? {
                    State::Ended(_) => continue,
                    State::Begun(step, _) => step,
                    State::New => 0,
                };
                if failed::read(grid, &cell.name)?.is_none() {
                    forecast.trials += 1;
                    seconds += forecast.seconds(grid, cell, behind, &mut timer)?;
                }
            }
            forecast.groups.push((group, seconds));
        }
        Ok(forecast)
    }

    /// Those that a cell still takes.
    fn seconds(
        &mut self,
        grid: &Path,
        cell: &Cell,
        behind: usize,
        timer: &mut Timer,
    ) -> Result<f64> {
        let config = &cell.config;
        let of = pace_of(config);
        let known = self.paces.iter().position(|pace| pace.of == of);
        let place = match known {
            Some(place) => place,
            None => {
                let pace = match self.measured(grid, &of)? {
                    Some(pace) => pace,
                    None => timer.time(cell, of).map_err(|error| error.at(&cell.name))?,
                };
                self.paces.push(pace);
                self.paces.len() - 1
            }
        };
        let pace = &self.paces[place];
        Ok(seconds_left(
            config,
            behind,
            pace.seconds_per_step,
            pace.judged,
        ))
    }

    /// From the runs and trials that there are.
    fn measured(&self, grid: &Path, of: &Config) -> Result<Option<Pace>> {
        let trials = self.plan.groups.iter().flat_map(|group| &group.trials);
        let alike = self.plan.cells.iter().chain(trials);
        let alike = alike.filter(|cell| pace_of(&cell.config) == *of);
        let (mut seconds, mut steps, mut runs) = (0.0, 0, 0);
        let mut judged = None;
        let mut peak_mib: Option<f64> = None;
        for cell in alike {
            let folder = grid.join(&cell.name);
            let Some(timings) = timings(&folder)?.filter(|timings| !timings.is_empty()) else {
                continue;
            };
            let Some(report) = DataReport::read(&folder)? else {
                continue;
            };
            judged = Some([report.examples[1], report.examples[2]]);
            seconds += timings.iter().map(|timing| timing.seconds).sum::<f64>();
            steps += timings.len();
            runs += 1;
            let peaks = timings.iter().filter_map(|timing| timing.peak_mib);
            peak_mib = peaks.chain(peak_mib).reduce(f64::max);
        }
        Ok(judged.map(|judged| Pace {
            of: of.clone(),
            seconds_per_step: seconds / steps as f64,
            runs: Some(runs),
            judged,
            peak_mib,
        }))
    }

    /// All seconds, of one process.
    fn total(&self) -> f64 {
        let all = self.cells.iter().chain(&self.groups);
        all.map(|(_, seconds)| seconds).sum()
    }

    /// The most memory that a run was seen to take, or takes by what is reckoned, in MiB.
    pub(super) fn most_mib(&self) -> f64 {
        let reckoned = self.reckoned.iter().map(|(bytes, _)| bytes / MIB);
        let seen = self.paces.iter().filter_map(|pace| pace.peak_mib);
        reckoned.chain(seen).fold(0.0, f64::max)
    }

    /// As `--plan` prints it.
    pub(super) fn text(&self, grid: &Path) -> Result<String> {
        let (all, mine) = (self.plan.cells.len(), self.mine.len());
        let mut text = format!("{}: {mine} of {all} runs", shown::name(grid));
        let count = |is: fn(&State) -> bool| {
            let states = self.mine.iter().map(|&i| &self.states[i]);
            states.filter(|state| is(state)).count()
        };
        let _ = writeln!(
            text,
            ": {} ended, {} begun, {} new; {} failed before",
            count(|state| matches!(state, State::Ended(_))),
            count(|state| matches!(state, State::Begun(..))),
            count(|state| matches!(state, State::New)),
            self.failed
        );
        if !self.plan.groups.is_empty() {
            let _ = writeln!(text, "trials: {} are left before these", self.trials);
        }
        text += &self.time();
        let _ = match &self.reckoned {
            None => writeln!(text, "memory: none, since nothing is left"),
            Some((bytes, cell)) => writeln!(
                text,
                "memory: {:.0} MiB at least, without data ({cell})",
                bytes / MIB
            ),
        };
        let seen = self.paces.iter().filter_map(|pace| pace.peak_mib);
        if let Some(most) = seen.reduce(f64::max) {
            let _ = writeln!(text, "        {most:.0} MiB seen at most, data included");
        }
        Ok(text + &self.seeds())
    }

    fn time(&self) -> String {
        if self.cells.is_empty() && self.trials == 0 {
            return "time:   none, since nothing is left\n".to_string();
        }
        let mut text = format!(
            "time:   {} at most, one process of {} threads on this machine\n",
            duration(self.total()),
            self.threads
        );
        let word = || grid::left("", 0).gap(2);
        let number = || grid::right("", 0).gap(2);
        let mut table = Grid::new([grid::left("", 6), word(), number(), word(), word()]);
        let name = |cell: &Cell| {
            let Config { task, attn, .. } = &cell.config;
            format!("{} {attn}{}", task.name(), cell.pieces)
        };
        let places = || self.cells.iter().map(|(i, _)| &self.plan.cells[*i]);
        for row in distinct(places().map(name)) {
            let mut of_row = places().filter(|cell| name(cell) == row);
            let count = of_row.clone().count();
            let first = of_row.next().expect("the row is of a cell");
            let of = pace_of(&first.config);
            let Some(pace) = self.paces.iter().find(|pace| pace.of == of) else {
                continue;
            };
            let source = match pace.runs {
                None => format!("of {TRIAL_STEPS} steps done for this"),
                Some(1) => "of the steps of 1 run".to_string(),
                Some(runs) => format!("of the steps of {runs} runs"),
            };
            let runs = if count == 1 { "run" } else { "runs" };
            let seconds = format!("{:.4} s a step", pace.seconds_per_step);
            table
                .rows
                .push(cells!["", row, count, runs, format!("{seconds}  {source}")]);
        }
        text += &table.text();
        text += "        an evaluation is reckoned as a third of training on as many examples\n";
        text
    }

    fn seeds(&self) -> String {
        let all = differences(self.plan, &self.states);
        let Some(first) = all.first() else {
            return "seeds:  one method has no difference to another\n".to_string();
        };
        let mut text = format!(
            "seeds:  to see one point beside {} (one t test of pairs at 5%, power 80%)\n",
            first.against
        );
        let word = || grid::left("", 0).gap(2);
        let number = || grid::right("", 0).gap(2);
        let mut table = Grid::new([grid::left("", 6), word(), number(), word()]);
        let mut open = 0;
        for row in &all {
            let Some(spread) = row.spread() else {
                open += 1;
                continue;
            };
            let name = format!("{} {}{}", row.task.name(), row.attn, row.pieces);
            let seeds =
                seeds_needed(ONE_POINT, spread).map_or("over 1000".into(), |n| n.to_string());
            let why = format!(
                "seeds: the spread of {} pairs is {spread:.2} points",
                row.points.len()
            );
            table.rows.push(cells!["", name, seeds, why]);
        }
        text += &table.text();
        if open > 0 {
            let which = if open == all.len() { "all" } else { "some" };
            let _ = writeln!(
                text,
                "        {which} have fewer than {LEAST_PAIRS} pairs: run a pilot of three seeds first\n  {}",
                self.pilot()
            );
        }
        text
    }

    /// The command of the same grid with three seeds.
    fn pilot(&self) -> String {
        let seeds = distinct(self.plan.cells.iter().map(|cell| cell.config.seed));
        let first: Vec<String> = match seeds.get(..LEAST_PAIRS) {
            Some(first) => first.iter().map(u64::to_string).collect(),
            None => ["1", "2", "3"].map(String::from).to_vec(),
        };
        let again = Again::here().without("--plan", false);
        let again = again.without("--seeds", true).without("--shard", true);
        let again = again.with(&["--seeds", &first.join(",")]);
        again.text(&next::program())
    }
}

/// Steps that are done to be timed.
struct Timer {
    threads: usize,
    /// Those of the last cell.
    data: Option<(Config, Arc<Dataset>)>,
}

impl Timer {
    fn time(&mut self, cell: &Cell, of: Config) -> Result<Pace> {
        let config = &cell.config;
        let data = self.data_of(config)?;
        tell(&format!(
            "plan:   {TRIAL_STEPS} steps of {} {}{}",
            config.task.name(),
            config.attn,
            cell.pieces
        ));
        let judged = [&data.dev, &data.test].map(|split| split.examples.len());
        let config = Config {
            steps: config.steps.max(TRIAL_STEPS + 1),
            ..config.clone()
        };
        let mut trainer = Trainer::new(&config, data, self.threads)?;
        trainer.step(0)?;
        let start = Instant::now();
        for step in 1..=TRIAL_STEPS {
            trainer.step(step)?;
        }
        Ok(Pace {
            of,
            seconds_per_step: start.elapsed().as_secs_f64() / TRIAL_STEPS as f64,
            runs: None,
            judged,
            peak_mib: None,
        })
    }

    fn data_of(&mut self, config: &Config) -> Result<Arc<Dataset>> {
        if let Some((last, data)) = &self.data
            && last.same_data(config)
        {
            return Ok(Arc::clone(data));
        }
        self.data = None; // First the old ones go.
        let data = Arc::new(data::load(config).map_err(Error::data)?);
        self.data = Some((config.clone(), Arc::clone(&data)));
        Ok(data)
    }
}

/// For people.
pub(super) fn duration(seconds: f64) -> String {
    match seconds {
        ..90.0 => format!("{:.0} s", seconds.ceil()),
        ..5400.0 => format!("{:.0} min", (seconds / 60.0).ceil()),
        ..172_800.0 => format!("{:.1} hours", seconds / 3600.0),
        _ => format!("{:.1} days", seconds / 86_400.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_said_in_the_unit_that_fits() {
        let said = [0.2, 61.0, 91.0, 5399.0, 5400.0, 172_800.0].map(duration);
        let expected = ["1 s", "61 s", "2 min", "90 min", "1.5 hours", "2.0 days"];
        assert_eq!(said, expected);
    }
}
