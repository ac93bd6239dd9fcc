//! What a training run shows while it works: a bar on a terminal, else plain lines, a few a minute. Both go to
//! standard error; nothing of it is kept, and nothing computed depends on it.

use crate::machine::clock::{Pause, a_second};
use crate::terminal::output::tell;
use crate::terminal::status_line::StatusLine;
use indicatif::{FormattedDuration, HumanCount, ProgressBar};
use std::time::{Duration, Instant};

/// Between two plain lines about steps.
const PAUSE: Duration = Duration::from_secs(10);
/// What is shown is a mean over about the last twenty steps.
const DECAY: f64 = 0.95;
/// Columns of the bar, where there is room for one.
const SHORTEST: usize = 8;
const LONGEST: usize = 24;

/// The display of one run.
pub struct Progress {
    /// Where the bar is; without a line there are plain ones.
    line: Option<StatusLine>,
    bar: ProgressBar,
    done: usize,
    all: usize,
    /// Of what is under way, the most important first.
    facts: Vec<String>,
    /// Of the evaluations so far: the loss of the last, the step and the loss of the best.
    last: Option<f64>,
    best: Option<(usize, f64)>,
    /// Since it last said something.
    pause: Option<Pause>,
    began: Instant,
    /// Since when the step under way has been under way.
    since: Instant,
    first: usize,
    recent: Recent,
}

/// Sums over the latest steps, each step counting less with every one that follows.
#[derive(Default)]
struct Recent {
    steps: f64,
    loss: f64,
    accuracy: f64,
    tokens: f64,
    seconds: f64,
}

impl Progress {
    /// The display of a run of `steps` steps that has `done` of them behind it.
    pub fn new(steps: usize, done: usize) -> Self {
        Self::on(StatusLine::stderr(), steps, done)
    }

    fn on(line: Option<StatusLine>, steps: usize, done: usize) -> Self {
        Self {
            bar: StatusLine::bar(line.as_ref(), None, "{msg}"),
            line,
            done,
            all: steps,
            facts: Vec::new(),
            last: None,
            best: None,
            pause: None,
            began: Instant::now(),
            since: Instant::now(),
            first: done,
            recent: Recent::default(),
        }
    }

    /// Shows that `step` steps are done, the last of them with this mean loss, accuracy (0 to 1) and number of tokens.
    pub fn step(&mut self, step: usize, loss: f64, accuracy: f64, tokens: usize) {
        self.recent.add(
            loss,
            accuracy,
            tokens as f64,
            self.since.elapsed().as_secs_f64(),
        );
        self.since = Instant::now();
        let each = self
            .began
            .elapsed()
            .div_f64(step.saturating_sub(self.first).max(1) as f64);
        let left = each.mul_f64(self.all.saturating_sub(step) as f64);
        self.done = step;
        self.facts = self.recent.describe(left).into();
        self.show();
        self.say_at_times(|it| format!("step {step}/{}  {}", it.all, it.facts.join("  ")));
    }

    /// Shows that `done` of `all` examples have been looked at for something other than a step, such as "dev".
    pub fn examples(&mut self, what: &str, done: usize, all: usize) {
        let text = format!(
            "{what} {}/{}",
            HumanCount(done as u64),
            HumanCount(all as u64)
        );
        self.facts = vec![text.clone()];
        self.show();
        self.say_at_times(|_| text);
        self.since = Instant::now();
    }

    /// Moves the bar of what has no steps, such as an evaluation alone.
    pub fn at(&mut self, done: usize) {
        self.done = done;
    }

    /// Remembers the loss of the last evaluation, if one is known, and step and loss of the best.
    pub fn evaluated(&mut self, last: Option<f64>, best: Option<(usize, f64)>) {
        (self.last, self.best) = (last, best);
    }

    /// Prints a line that stays, such as the outcome of an evaluation.
    pub fn note(&mut self, line: &str) {
        self.show(); // As wide as the terminal is now: it is drawn again below the line.
        self.bar.suspend(|| tell(line));
        self.since = Instant::now();
    }

    /// Removes the bar.
    pub fn finish(self) {
        self.bar.finish_and_clear();
    }

    fn show(&self) {
        if let Some(line) = &self.line {
            self.bar.set_message(self.text(line.room()));
        }
    }

    /// At most `room` columns: how far it is, what is under way, a bar, what the evaluations have said; what has no room
    /// is left out.
    fn text(&self, room: usize) -> String {
        let mut text = format!("{}/{}", self.done, self.all);
        let mut add = |facts: &[String], room: usize| {
            for fact in facts {
                if text.len() + 2 + fact.len() > room {
                    break;
                }
                text += &format!("  {fact}");
            }
            text.len()
        };
        add(&self.facts, room);
        let last = self.last.map(|loss| format!("dev {loss:.4}"));
        let best = self
            .best
            .map(|(at, loss)| format!("best {loss:.4} at {at}"));
        let said: Vec<String> = last.into_iter().chain(best).collect();
        let used = add(&said, room.saturating_sub(SHORTEST + 1));
        let length = room.saturating_sub(used + 1).min(LONGEST);
        if length < SHORTEST {
            return text;
        }
        let full = length * self.done.min(self.all) / self.all.max(1);
        format!("{}{} {text}", "█".repeat(full), "░".repeat(length - full))
    }

    fn say_at_times(&mut self, line: impl FnOnce(&Self) -> String) {
        if self.line.is_none() && self.pause.as_mut().is_none_or(Pause::is_over) {
            tell(&line(self));
            self.pause = Some(Pause::new(PAUSE));
        }
    }
}

impl Recent {
    fn add(&mut self, loss: f64, accuracy: f64, tokens: f64, seconds: f64) {
        self.steps = DECAY * self.steps + 1.0;
        self.loss = DECAY * self.loss + loss;
        self.accuracy = DECAY * self.accuracy + accuracy;
        self.tokens = DECAY * self.tokens + tokens;
        self.seconds = DECAY * self.seconds + seconds;
    }

    /// The most important first: on a narrow terminal the last are left out.
    fn describe(&self, left: Duration) -> [String; 4] {
        let speed = a_second(self.tokens, self.seconds)
            .map_or("?".to_string(), |rate| HumanCount(rate as u64).to_string());
        [
            format!("loss {:.4}", self.loss / self.steps),
            format!("{} left", FormattedDuration(left)),
            format!("acc {:.1}%", 100.0 * self.accuracy / self.steps),
            format!("{speed} tokens/s"),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::status_line::tests::Screen;

    /// After step 12,345 of 50,000, some seconds into it.
    fn under_way(columns: u16) -> (Screen, Progress) {
        let (screen, line) = Screen::new(columns);
        let mut progress = Progress::on(Some(line), 50_000, 12_344);
        progress.since -= Duration::from_secs(1);
        progress.evaluated(Some(0.6297), Some((12_000, 0.5721)));
        progress.step(12_345, 0.625, 0.5, 123_456);
        // The clock has had a say in these.
        progress.facts[1] = "00:31:22 left".into();
        progress.facts[3] = "123,456 tokens/s".into();
        progress.show();
        progress.bar.force_draw();
        (screen, progress)
    }

    #[test]
    fn the_bar_stays_one_line_that_says_what_there_is_room_for() {
        let facts = [
            "12345/50000",
            "loss 0.6250",
            "00:31:22 left",
            "acc 50.0%",
            "123,456 tokens/s",
            "dev 0.6297",
            "best 0.5721 at 12000",
        ];
        for (columns, told, bar) in [
            (10, 0, 0), // Cut.
            (20, 1, 0),
            (40, 3, 0),
            (60, 4, 8),
            (80, 5, 10),
            (100, 6, 18),
            (120, 7, 16),
            (128, 7, 24),
            (200, 7, 24),
        ] {
            let (screen, _progress) = under_way(columns);
            let shown = screen.contents();
            let full = bar * 12_345 / 50_000;
            let drawn = format!("{}{} ", "█".repeat(full), "░".repeat(bar - full));
            let expected = match told {
                0 => "12345/500".to_string(),
                _ => drawn.trim_start().to_string() + &facts[..told].join("  "),
            };
            assert_eq!(shown, expected, "{columns}");
            assert!(shown.chars().count() < columns.into(), "{shown}");
        }
    }

    #[test]
    fn another_width_is_another_line_at_once() {
        let (screen, mut progress) = under_way(120);
        screen.narrow(40);
        progress.note("a note");
        let shown = screen.contents();
        assert_eq!(shown, "12345/50000  loss 0.6250  00:31:22 left");
        screen.narrow(20);
        progress.examples("dev", 640, 25_000);
        progress.bar.force_draw();
        assert_eq!(screen.contents(), "12345/50000");
        screen.narrow(80);
        progress.examples("dev", 640, 25_000);
        progress.bar.force_draw();
        let shown = screen.contents();
        assert!(
            shown.starts_with('█') && shown.contains("░ 12345/50000  dev 640/25,000  dev 0.6297"),
            "{shown}"
        );
        progress.finish();
        assert_eq!(screen.contents(), "");
    }

    #[test]
    fn an_evaluation_alone_moves_the_bar() {
        let (screen, line) = Screen::new(80);
        let mut progress = Progress::on(Some(line), 25_000, 0);
        progress.at(640);
        progress.examples("test", 640, 25_000);
        progress.bar.force_draw();
        let shown = screen.contents();
        assert!(shown.ends_with("░ 640/25000  test 640/25,000"), "{shown}");
    }

    #[test]
    fn what_is_shown_is_a_mean_of_the_latest_steps() {
        let mut recent = Recent::default();
        (0..200).for_each(|_| recent.add(9.0, 0.0, 100.0, 1.0));
        (0..200).for_each(|_| recent.add(0.5, 1.0, 1000.0, 0.5));
        assert_eq!(
            recent.describe(Duration::from_secs(61)),
            [
                "loss 0.5003",
                "00:01:01 left",
                "acc 100.0%",
                "1,999 tokens/s"
            ]
        );
    }
}
