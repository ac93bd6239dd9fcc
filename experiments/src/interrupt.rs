//! Signals. The first Ctrl-C (or SIGTERM) only raises a flag, which the training loop reads between steps; the second
//! stops the process at once. A limit on file sizes becomes an error of the write instead of the end of the process.

use crate::error::Result;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The exit code of a command that was interrupted, as shells have it for SIGINT.
pub const INTERRUPTED: u8 = 130;

/// Whether somebody has asked the process to stop.
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Begins to listen. To be called before anything is written; until then Ctrl-C ends the process,
    /// as is right while there is nothing to keep.
    pub fn install() -> Result<Self> {
        let asked = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first signal finds the flag down, then raises it.
            flag::register_conditional_shutdown(signal, INTERRUPTED.into(), Arc::clone(&asked))?;
            flag::register(signal, Arc::clone(&asked))?;
        }
        // By default this signal ends the process; with any handler, the write that was too long returns its error.
        #[cfg(unix)]
        flag::register(signal_hook::consts::SIGXFSZ, Arc::default())?;
        Ok(Self(asked))
    }

    /// True from the first signal on.
    pub fn requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
