//! A replay as the terminal sees it: a bar, and its remarks.

use crate::terminal::output::tell;
use crate::terminal::progress::Progress;
use crate::train::replay::Watch;
use std::ops::ControlFlow;

/// Standard error.
#[derive(Default)]
pub(super) struct Terminal {
    progress: Option<Progress>,
}

impl Watch for Terminal {
    fn remark(&mut self, remark: String) {
        match &mut self.progress {
            Some(progress) => progress.note(&remark),
            None => tell(&remark),
        }
    }

    fn at(&mut self, done: usize, all: usize) -> ControlFlow<()> {
        let progress = self
            .progress
            .get_or_insert_with(|| Progress::new(all, done));
        progress.at(done);
        ControlFlow::Continue(())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some(progress) = self.progress.take() {
            progress.finish();
        }
    }
}
