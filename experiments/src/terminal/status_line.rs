//! The line of a terminal on which bars are drawn, again and again. It stays one line and leaves nothing behind,
//! however wide the terminal is or has become. Used by `progress` and `data/gauge`, which say what stands in it.

use crate::terminal::output::{COLUMNS, screen};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};
use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// Drawings a second at most.
const HERTZ: u8 = 20;

/// Such a line.
///
/// The terminal is asked for its width whenever something is drawn, and its last column stays empty. The cursor rests
/// at the start of the line: when a terminal becomes narrower, most break what is too long, and then all of it is
/// still behind the cursor, where the next drawing removes it.
#[derive(Clone)]
pub(crate) struct StatusLine(Arc<Line>);

struct Line {
    columns: Box<dyn Fn() -> usize + Send + Sync>,
    write: Box<Sink>,
    /// What is about to be drawn.
    text: Mutex<String>,
}

type Sink = dyn Fn(&str) -> io::Result<()> + Send + Sync;

impl StatusLine {
    /// That of standard error; none if it is no terminal, or one that can only print.
    pub(crate) fn stderr() -> Option<Self> {
        let prints_only = match std::env::var_os("TERM") {
            Some(name) => name == "dumb",
            None => cfg!(unix),
        };
        screen().filter(|_| !prints_only)?;
        Some(Self::on(
            || screen().unwrap_or(COLUMNS),
            |text| io::stderr().write_all(text.as_bytes()),
        ))
    }

    fn on(
        columns: impl Fn() -> usize + Send + Sync + 'static,
        write: impl Fn(&str) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Line {
            columns: Box::new(columns),
            write: Box::new(write),
            text: Mutex::default(),
        }))
    }

    /// Columns that it may use now.
    pub(crate) fn room(&self) -> usize {
        // indicatif divides by it.
        (self.0.columns)().saturating_sub(1).max(2)
    }

    /// A bar of `length` on `line`, hidden if there is none.
    pub(crate) fn bar(line: Option<&Self>, length: Option<u64>, template: &str) -> ProgressBar {
        let target = match line {
            Some(line) => ProgressDrawTarget::term_like_with_hz(Box::new(line.clone()), HERTZ),
            None => ProgressDrawTarget::hidden(),
        };
        let style = ProgressStyle::with_template(template).expect("a valid template");
        ProgressBar::with_draw_target(length, target).with_style(style)
    }
}

impl fmt::Debug for StatusLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StatusLine")
    }
}

/// One line needs no moving about: what is written is kept until it is complete.
impl TermLike for StatusLine {
    fn width(&self) -> u16 {
        u16::try_from(self.room()).unwrap_or(u16::MAX)
    }

    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write_str(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        let mut line = self.0.text.lock().unwrap_or_else(PoisonError::into_inner);
        line.push_str(text);
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        Ok(())
    }

    /// Draws: from the start of the line, cut, then everything behind it removed, and back to the start.
    fn flush(&self) -> io::Result<()> {
        let mut line = self.0.text.lock().unwrap_or_else(PoisonError::into_inner);
        let text = std::mem::take(&mut *line);
        let cut: String = text.trim_end().chars().take(self.room()).collect();
        (self.0.write)(&format!("\r{cut}\x1b[J\r"))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use indicatif::InMemoryTerm;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A terminal in memory, which says that it has so many columns.
    pub(crate) struct Screen {
        shown: InMemoryTerm,
        columns: Arc<AtomicUsize>,
    }

    impl Screen {
        pub(crate) fn new(columns: u16) -> (Self, StatusLine) {
            let screen = Self {
                shown: InMemoryTerm::new(5, columns),
                columns: Arc::new(AtomicUsize::new(columns.into())),
            };
            let (shown, told) = (screen.shown.clone(), Arc::clone(&screen.columns));
            let line = StatusLine::on(
                move || told.load(Ordering::Relaxed),
                move |text| shown.write_str(text),
            );
            (screen, line)
        }

        pub(crate) fn narrow(&self, columns: usize) {
            self.columns.store(columns, Ordering::Relaxed);
        }

        pub(crate) fn contents(&self) -> String {
            self.shown.contents()
        }
    }

    #[test]
    fn a_line_is_cut_at_the_width_that_the_terminal_has_now() {
        let (screen, line) = Screen::new(20);
        let bar = StatusLine::bar(Some(&line), Some(10), "{msg}");
        bar.set_message("abcdefghijklmnopqrstuvwxyz");
        bar.force_draw();
        assert_eq!(screen.contents(), "abcdefghijklmnopqrs");
        screen.narrow(10);
        bar.force_draw();
        assert_eq!(screen.contents(), "abcdefghi");
        bar.set_message("short");
        bar.force_draw();
        assert_eq!(screen.contents(), "short");
        bar.suspend(|| line.0.shown_for_good("a note that stays\r\n"));
        assert_eq!(screen.contents(), "a note that stays\nshort");
        screen.narrow(1);
        bar.force_draw();
        bar.finish_and_clear();
        assert_eq!(screen.contents(), "a note that stays");
    }

    /// A terminal that has become narrower has broken the line in two; the cursor is still at its start.
    #[test]
    fn what_a_narrower_terminal_has_broken_is_removed() {
        let (screen, line) = Screen::new(20);
        let bar = StatusLine::bar(Some(&line), Some(10), "{msg}");
        bar.set_message("one line");
        bar.force_draw();
        line.0.shown_for_good("\x1b[Jone \r\nline\x1b[A\r");
        assert_eq!(screen.contents(), "one\nline");
        bar.force_draw();
        assert_eq!(screen.contents(), "one line");
    }

    impl Line {
        /// Written by somebody else.
        fn shown_for_good(&self, text: &str) {
            (self.write)(text).unwrap();
        }
    }
}
