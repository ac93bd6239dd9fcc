//! Signals. Whatever asks the process to end only raises a flag, which the training loop reads between steps, and
//! evaluations between examples; Ctrl-C once more stops the process at once. A limit on file sizes becomes an error of
//! the write instead of the end of the process.
//!
//! Batch systems ask in several ways and more than once: Slurm sends SIGTERM twice within milliseconds, or whatever
//! `--signal` names; a connection that is lost sends SIGHUP. Only who sits at the terminal can mean "at once".

use crate::terminal::error::Result;
use signal_hook::consts::SIGINT;
use signal_hook::flag;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The exit code of a command that was interrupted and can be gone on with: that of shells for SIGINT, whichever signal
/// it was, so that a script has one to look for.
pub const INTERRUPTED: u8 = 130;

/// Whether somebody has asked the process to stop.
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Begins to listen. To be called before anything is written; until then Ctrl-C ends the process,
    /// as is right while there is nothing to keep.
    pub fn install() -> Result<Self> {
        let asked = Arc::new(AtomicBool::new(false));
        listen(&asked)?;
        Ok(Self(asked))
    }

    /// True from the first signal on.
    pub fn requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(unix)]
fn listen(asked: &Arc<AtomicBool>) -> Result<()> {
    use signal_hook::consts::{SIGHUP, SIGTERM, SIGUSR1, SIGUSR2, SIGXCPU, SIGXFSZ};
    use signal_hook::iterator::Signals;
    use signal_hook::low_level;
    use std::thread;
    use std::time::Duration;

    /// Ctrl-C that comes again so soon is the same one: a terminal sends it to every process of a command, and a
    /// wrapper among them (srun, mpirun, a container's) sends it on. No hand is so fast.
    const ECHO: Duration = Duration::from_millis(50);

    // By default this signal ends the process; with any handler, the write that was too long returns its error.
    flag::register(SIGXFSZ, Arc::default())?;
    for signal in [SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGXCPU, SIGHUP] {
        // nohup: the run is to outlive its terminal.
        if signal != SIGHUP || !is_ignored(signal) {
            flag::register(signal, Arc::clone(asked))?;
        }
    }
    let mut ctrl_c = Signals::new([SIGINT])?;
    let second = move || {
        ctrl_c.wait();
        thread::sleep(ECHO); // It does not ask a clock, which may go back.
        ctrl_c.pending().for_each(drop);
        ctrl_c.wait();
        low_level::exit(INTERRUPTED.into());
    };
    thread::Builder::new().spawn(second)?;
    Ok(())
}

/// Whether the process was started with this signal ignored. Where the system does not tell, it is left alone as if it
/// were.
#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_none_or(|mask| mask >> (signal - 1) & 1 == 1)
}

#[cfg(not(unix))]
fn listen(asked: &Arc<AtomicBool>) -> Result<()> {
    // In this order: the first signal finds the flag down, then raises it.
    flag::register_conditional_shutdown(SIGINT, INTERRUPTED.into(), Arc::clone(asked))?;
    for signal in [SIGINT, signal_hook::consts::SIGTERM] {
        flag::register(signal, Arc::clone(asked))?;
    }
    Ok(())
}
