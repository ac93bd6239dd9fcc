//! What a training run shows while it works: a bar on a terminal, else plain lines, a few a minute. Both go to
//! standard error; nothing of it is kept, and nothing computed depends on it.

use crate::clock::{Pause, a_second};
use crate::output::tell;
use indicatif::{FormattedDuration, HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

/// Between two plain lines about steps.
const PAUSE: Duration = Duration::from_secs(10);
/// What is shown is a mean over about the last twenty steps.
const DECAY: f64 = 0.95;

/// The display of one run.
pub struct Progress {
    /// A bar that is hidden prints plain lines.
    bar: ProgressBar,
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
        let target = match io::stderr().is_terminal() {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        Self::on(target, steps, done)
    }

    fn on(target: ProgressDrawTarget, steps: usize, done: usize) -> Self {
        let style = ProgressStyle::with_template("{wide_bar} {pos}/{len}  {msg}")
            .expect("a valid template");
        let bar = ProgressBar::with_draw_target(Some(steps as u64), target).with_style(style);
        bar.set_position(done as u64);
        Self {
            bar,
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
        let steps = self.bar.length().expect("it was given") as usize;
        let each = self
            .began
            .elapsed()
            .div_f64(step.saturating_sub(self.first).max(1) as f64);
        let left = each.mul_f64(steps.saturating_sub(step) as f64);
        let text = self.recent.describe(left);
        self.bar.set_position(step as u64);
        self.bar.set_message(text.clone());
        self.say_at_times(|| format!("step {step}/{steps}  {text}"));
    }

    /// Shows that `done` of `all` examples have been looked at for something other than a step, such as "dev".
    pub fn examples(&mut self, what: &str, done: usize, all: usize) {
        let text = format!(
            "{what} {}/{}",
            HumanCount(done as u64),
            HumanCount(all as u64)
        );
        self.bar.set_message(text.clone());
        self.say_at_times(|| text);
        self.since = Instant::now();
    }

    /// Moves the bar of what has no steps, such as an evaluation alone.
    pub fn at(&mut self, done: usize) {
        self.bar.set_position(done as u64);
    }

    /// Prints a line that stays, such as the outcome of an evaluation.
    pub fn note(&mut self, line: &str) {
        self.bar.suspend(|| tell(line));
        self.since = Instant::now();
    }

    /// Removes the bar.
    pub fn finish(self) {
        self.bar.finish_and_clear();
    }

    fn say_at_times(&mut self, line: impl FnOnce() -> String) {
        if self.bar.is_hidden() && self.pause.as_mut().is_none_or(Pause::is_over) {
            tell(&line());
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

    fn describe(&self, left: Duration) -> String {
        format!(
            "loss {:.4}  acc {:.1}%  {} tokens/s  {} left",
            self.loss / self.steps,
            100.0 * self.accuracy / self.steps,
            a_second(self.tokens, self.seconds).map_or("?".to_string(), |rate| {
                HumanCount(rate as u64).to_string()
            }),
            FormattedDuration(left),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use indicatif::InMemoryTerm;

    #[test]
    fn the_bar_fits_eighty_columns() {
        let screen = InMemoryTerm::new(5, 80);
        let target = ProgressDrawTarget::term_like(Box::new(screen.clone()));
        let mut progress = Progress::on(target, 50_000, 12_344);
        progress.since -= Duration::from_secs(1);
        progress.step(12_345, 0.625, 0.5, 123_456);
        progress.bar.force_draw();
        let shown = screen.contents();
        assert_eq!(shown.lines().count(), 1, "{shown}");
        assert!(
            shown.contains(" 12345/50000  loss 0.6250  acc 50.0%  ") && shown.ends_with(" left"),
            "{shown}"
        );
        assert!(shown.starts_with('█'), "{shown}");
        progress.examples("dev", 640, 25_000);
        progress.bar.force_draw();
        assert!(
            screen.contents().ends_with("12345/50000  dev 640/25,000"),
            "{}",
            screen.contents()
        );
        progress.finish();
        assert_eq!(screen.contents(), "");
    }

    #[test]
    fn an_evaluation_alone_moves_the_bar() {
        let screen = InMemoryTerm::new(5, 80);
        let target = ProgressDrawTarget::term_like(Box::new(screen.clone()));
        let mut progress = Progress::on(target, 25_000, 0);
        progress.at(640);
        progress.examples("test", 640, 25_000);
        progress.bar.force_draw();
        let shown = screen.contents();
        assert!(shown.ends_with(" 640/25000  test 640/25,000"), "{shown}");
    }

    #[test]
    fn what_is_shown_is_a_mean_of_the_latest_steps() {
        let mut recent = Recent::default();
        (0..200).for_each(|_| recent.add(9.0, 0.0, 100.0, 1.0));
        (0..200).for_each(|_| recent.add(0.5, 1.0, 1000.0, 0.5));
        assert_eq!(
            recent.describe(Duration::from_secs(61)),
            "loss 0.5003  acc 100.0%  1,999 tokens/s  00:01:01 left"
        );
    }
}
