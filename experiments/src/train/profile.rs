//! Where the time of training steps goes: the operators of the tapes, forward and backward, and all
//! that is no operator, adding up to the wall clock times the number of threads.
//!
//! Every thread has a `Stopwatch`; what passes between two of its laps belongs to one `Part`, or to
//! the nodes of a tape, which keep their own times. A watch that is off asks no clock. No number of
//! a run depends on it.

use crate::machine::clock::a_second;
use crate::show::grid::{Grid, cells, left, right};
use crate::show::number::{or_dash, places};
use engine::Record;
use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

/// What is no operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// The batch, its groups, and tokens out of bytes.
    Data,
    /// Parameters onto the tape.
    Binding,
    /// What a tape takes beside its operators: its list, memory given back, this profile.
    Tape,
    /// Gradients set to zero, summed over the examples and over the groups; their norm.
    Sums,
    Optimiser,
    /// Threads that have nothing to do: while others finish, and while one does what cannot be
    /// shared.
    Waiting,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Part::Data => "(data)",
            Part::Binding => "(binding)",
            Part::Tape => "(tape)",
            Part::Sums => "(gradient sums)",
            Part::Optimiser => "(optimiser)",
            Part::Waiting => "(waiting)",
        }
    }
}

/// What the nodes of one name took.
#[derive(Clone, Copy, Debug, Default)]
struct Operator {
    calls: u64,
    forward: Duration,
    backward: Duration,
    multiply_adds: u64,
    bytes: u64,
}

/// What was done on one thread, or on several together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Work {
    operators: BTreeMap<&'static str, Operator>,
    parts: BTreeMap<Part, Duration>,
}

impl Work {
    fn add(&mut self, part: Part, time: Duration) {
        *self.parts.entry(part).or_default() += time;
    }

    fn add_node(&mut self, node: &Record) {
        let operator = self.operators.entry(node.name).or_default();
        operator.calls += 1;
        operator.forward += node.forward;
        operator.backward += node.backward;
        operator.multiply_adds += node.forward_multiply_adds + node.backward_multiply_adds;
        operator.bytes += node.allocated_bytes;
    }

    /// Adds the work of another thread.
    pub(crate) fn join(&mut self, other: &Work) {
        for (name, more) in &other.operators {
            let operator = self.operators.entry(name).or_default();
            operator.calls += more.calls;
            operator.forward += more.forward;
            operator.backward += more.backward;
            operator.multiply_adds += more.multiply_adds;
            operator.bytes += more.bytes;
        }
        for (&part, &time) in &other.parts {
            self.add(part, time);
        }
    }

    fn time(&self) -> Duration {
        let operators = self.operators.values();
        let operators: Duration = operators.map(|one| one.forward + one.backward).sum();
        operators + self.parts.values().sum::<Duration>()
    }
}

/// The stopwatch of one thread.
pub(crate) struct Stopwatch(Option<(Work, Instant)>);

impl Stopwatch {
    /// A watch that runs from now on, or one that is off and measures nothing.
    pub(crate) fn new(on: bool) -> Stopwatch {
        Stopwatch(on.then(|| (Work::default(), Instant::now())))
    }

    /// The time since the last lap, and a new lap.
    fn since(&mut self) -> Option<(&mut Work, Duration)> {
        let (work, last) = self.0.as_mut()?;
        let now = Instant::now();
        let since = now.saturating_duration_since(*last);
        *last = now;
        Some((work, since))
    }

    /// What passed since the last lap belongs to `part`.
    pub(crate) fn lap(&mut self, part: Part) {
        if let Some((work, since)) = self.since() {
            work.add(part, since);
        }
    }

    /// What passed since the last lap belongs to the nodes of a tape but its leaves, and what they
    /// do not account for to the tape itself.
    pub(crate) fn lap_tape(&mut self, records: impl FnOnce() -> Vec<Record>) {
        if let Some((work, since)) = self.since() {
            let mut accounted = Duration::ZERO;
            for node in records().iter().filter(|node| !node.parents.is_empty()) {
                work.add_node(node);
                accounted += node.forward + node.backward;
            }
            work.add(Part::Tape, since.saturating_sub(accounted));
        }
        self.lap(Part::Tape); // what reading the records took
    }

    /// What passed since the last lap was other threads' work: how long that took.
    pub(crate) fn lap_others(&mut self) -> Duration {
        self.since().map_or(Duration::ZERO, |(_, since)| since)
    }

    /// What it measured.
    pub(crate) fn work(self) -> Work {
        self.0.map(|(work, _)| work).unwrap_or_default()
    }
}

/// Where the time of training steps went. Its `Display` is a table of at most 80 columns.
#[derive(Clone, Debug)]
pub struct Profile {
    threads: usize,
    steps: u32,
    /// Of all steps.
    wall: Duration,
    work: Work,
}

impl Profile {
    pub(crate) fn new(threads: usize) -> Profile {
        Profile {
            threads,
            steps: 0,
            wall: Duration::ZERO,
            work: Work::default(),
        }
    }

    /// Adds a step that took `wall`: `alone`, the work of one thread while the others waited, and
    /// `shared`, that of all threads in the time `together`.
    pub(crate) fn add_step(
        &mut self,
        wall: Duration,
        alone: &Work,
        together: Duration,
        shared: &Work,
    ) {
        let threads = self.threads as u32;
        // A clock that went back in between has measured less in all than in the part.
        let alone_time = wall.saturating_sub(together);
        let waited = (threads * together).saturating_sub(shared.time());
        self.work.add(Part::Waiting, waited);
        self.work.add(Part::Waiting, (threads - 1) * alone_time);
        self.work.join(alone);
        self.work.join(shared);
        self.wall += wall;
        self.steps += 1;
    }

    /// Multiply-adds of all operators, of all steps.
    #[cfg(test)]
    pub(crate) fn multiply_adds(&self) -> u64 {
        let operators = self.work.operators.values();
        operators.map(|operator| operator.multiply_adds).sum()
    }

    /// Nodes of the operator `name`, of all steps.
    #[cfg(test)]
    pub(crate) fn calls(&self, name: &str) -> u64 {
        let operator = self.work.operators.get(name);
        operator.map_or(0, |operator| operator.calls)
    }

    /// The wall clock times the number of threads.
    fn thread_time(&self) -> Duration {
        self.wall * self.threads as u32
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.thread_time();
        let steps = f64::from(self.steps.max(1));
        let ms = |time: Duration| time.as_secs_f64() * 1e3 / steps;
        let share = |time: f64| match whole.as_secs_f64() {
            0.0 => "0.0%".to_string(), // A clock that stood.
            whole => format!("{:.1}%", 100.0 * time / whole),
        };
        writeln!(
            f,
            "profile: {} steps of {:.1} ms on {} threads, {:.1} ms of thread time a step",
            self.steps,
            ms(self.wall),
            self.threads,
            ms(whole)
        )?;
        let mut grid = Grid::new([
            left("operator", 20),
            right("calls", 7),
            right("fwd ms", 9),
            right("bwd ms", 9),
            right("ms", 9),
            right("share", 6),
            right("GFLOP/s", 7),
            right("MiB", 6),
        ]);
        let mut operators: Vec<_> = self.work.operators.iter().collect();
        operators.sort_by_key(|(_, one)| std::cmp::Reverse(one.forward + one.backward));
        let mut sum = Operator::default();
        let row = |name: &str, one: &Operator| {
            let time = one.forward + one.backward;
            let gflop = 2e-9 * one.multiply_adds as f64;
            let rate = a_second(gflop, time.as_secs_f64());
            cells![
                name,
                places(0)(one.calls as f64 / steps),
                places(3)(ms(one.forward)),
                places(3)(ms(one.backward)),
                places(3)(ms(time)),
                share(time.as_secs_f64()),
                or_dash(rate.filter(|_| one.multiply_adds > 0), places(1)),
                places(1)(one.bytes as f64 / steps / 1024.0 / 1024.0),
            ]
        };
        for (name, one) in operators {
            grid.rows.push(row(name, one));
            sum.calls += one.calls;
            sum.forward += one.forward;
            sum.backward += one.backward;
            sum.multiply_adds += one.multiply_adds;
            sum.bytes += one.bytes;
        }
        grid.rows.push(row("all operators", &sum));
        let mut part = |name: &str, seconds: f64| {
            let ms = places(3)(seconds * 1e3 / steps);
            let share = share(seconds);
            grid.rows.push(cells![name, "", "", "", ms, share, "", ""]);
        };
        for (what, time) in &self.work.parts {
            part(what.name(), time.as_secs_f64());
        }
        let other = whole.as_secs_f64() - self.work.time().as_secs_f64();
        part("(not accounted for)", other);
        part("wall clock x threads", whole.as_secs_f64());
        f.write_str(&grid.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(parts: &[(Part, u64)]) -> Work {
        let mut work = Work::default();
        for &(part, ms) in parts {
            work.add(part, Duration::from_millis(ms));
        }
        work
    }

    #[test]
    fn rows_add_up_to_the_wall_clock_times_the_threads() {
        let mut profile = Profile::new(3);
        let mut shared = work(&[(Part::Data, 20), (Part::Sums, 30)]);
        shared.operators.insert(
            "linear",
            Operator {
                calls: 4,
                forward: Duration::from_millis(40),
                backward: Duration::from_millis(80),
                multiply_adds: 6_000_000_000,
                bytes: 3 << 20,
            },
        );
        let alone = work(&[(Part::Optimiser, 25)]);
        let ms = Duration::from_millis;
        profile.add_step(ms(100), &alone, ms(70), &shared);
        // 3 x 70 less 170 of work, and two threads for the other 30.
        assert_eq!(profile.work.parts[&Part::Waiting], ms(40 + 60));
        let text = profile.to_string();
        let numbers = |start: &str| -> Vec<f64> {
            let line = text.lines().find(|line| line.starts_with(start));
            let line = line.unwrap_or_else(|| panic!("{start}: {text}"));
            let cells = line[20..].split_whitespace();
            cells
                .filter_map(|cell| cell.trim_end_matches('%').parse().ok())
                .collect()
        };
        assert_eq!(
            numbers("linear"),
            [4.0, 40.0, 80.0, 120.0, 40.0, 100.0, 3.0]
        );
        assert_eq!(numbers("(waiting)"), [100.0, 33.3]);
        // 30 ms alone, of which 25 were the optimiser's.
        assert_eq!(numbers("(not accounted for)"), [5.0, 1.7]);
        assert_eq!(numbers("wall clock x threads"), [300.0, 100.0]);
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }

    #[test]
    fn a_watch_that_is_off_measures_nothing() {
        let mut watch = Stopwatch::new(false);
        watch.lap(Part::Data);
        watch.lap_tape(|| panic!("nobody asked for the nodes"));
        assert_eq!(watch.lap_others(), Duration::ZERO);
        assert_eq!(watch.work().time(), Duration::ZERO);
    }
}
