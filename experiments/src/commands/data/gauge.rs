//! How far a download, a checksum or an unpacking has come: a bar on a terminal, else a plain line
//! now and then. Both go to standard error.

use crate::machine::clock::Pause;
use crate::terminal::output::tell;
use crate::terminal::status_line::StatusLine;
use indicatif::{DecimalBytes, ProgressBar};
use std::time::Duration;

/// Between two plain lines.
const PAUSE: Duration = Duration::from_secs(10);

/// The display of one piece of work that is counted in bytes. It disappears with its value.
pub(super) struct Gauge {
    /// A bar that is hidden prints plain lines.
    bar: ProgressBar,
    what: String,
    /// Since it last said something.
    pause: Option<Pause>,
}

impl Gauge {
    /// `what` is done or read, such as "checking reviews.tar.gz"; how many bytes that are, if it is
    /// known.
    pub(super) fn new(what: String, bytes: Option<u64>) -> Self {
        Self::on(StatusLine::stderr(), what, bytes)
    }

    fn on(line: Option<StatusLine>, what: String, bytes: Option<u64>) -> Self {
        let template = match bytes {
            Some(_) => {
                "{msg} {wide_bar} {decimal_bytes}/{decimal_total_bytes}  {decimal_bytes_per_sec}  {eta} left"
            }
            None => "{msg} {spinner} {decimal_bytes}  {decimal_bytes_per_sec}",
        };
        let bar = StatusLine::bar(line.as_ref(), bytes, template);
        bar.set_message(what.clone());
        let pause = None;
        Self { bar, what, pause }
    }

    /// Counts from here when it tells how fast it goes; `bytes` if their number has become known.
    pub(super) fn begin(&mut self, done: u64, bytes: Option<u64>) {
        if let Some(bytes) = bytes {
            self.bar.set_length(bytes);
        }
        self.bar.set_position(done);
        self.bar.reset_eta();
    }

    /// Shows that `done` bytes are done.
    pub(super) fn set(&mut self, done: u64) {
        self.bar.set_position(done);
        if !self.bar.is_hidden() || !self.pause.as_mut().is_none_or(Pause::is_over) {
            return;
        }
        let shown = DecimalBytes(done);
        match self.bar.length() {
            Some(all) => {
                let share = 100 * u128::from(done) / u128::from(all.max(1));
                let all = DecimalBytes(all);
                tell(&format!("{}: {shown} of {all} ({share}%)", self.what));
            }
            None => tell(&format!("{}: {shown}", self.what)),
        }
        self.pause = Some(Pause::new(PAUSE));
    }

    /// Prints a line that stays.
    pub(super) fn note(&self, line: &str) {
        self.bar.suspend(|| tell(line));
    }
}

impl Drop for Gauge {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::status_line::tests::Screen;

    #[test]
    fn the_bar_fits_eighty_columns_and_is_cut_below() {
        let (screen, line) = Screen::new(80);
        let what = "cifar-10-binary.tar.gz".to_string();
        let mut gauge = Gauge::on(Some(line), what, Some(170_052_171));
        gauge.begin(100_000_000, None);
        gauge.set(123_456_789);
        gauge.bar.force_draw();
        let shown = screen.contents();
        assert_eq!(shown.lines().count(), 1, "{shown}");
        assert!(shown.contains("123.46 MB/170.05 MB"), "{shown}");
        assert!(shown.ends_with(" left"), "{shown}");
        screen.narrow(20);
        gauge.bar.force_draw();
        assert_eq!(screen.contents(), "cifar-10-binary.tar");
        drop(gauge);
        assert_eq!(screen.contents(), "");
    }
}
