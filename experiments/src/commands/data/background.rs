//! Work in a thread of its own, for what may be long without a look at whether somebody has asked to stop: waiting for
//! the network, reading all there is, writing a set. Whoever stops leaves it behind; it ends with the process.

use std::sync::mpsc::{self, Receiver, SyncSender, TryRecvError};
use std::thread;
use std::time::Duration;

/// Between two looks whether there is something new, or somebody has asked to stop. It is slept, and no clock is asked
/// whether it is over: one that goes back would not say so.
pub(super) const GLANCE: Duration = Duration::from_millis(5);

/// What comes next of work in the background.
pub(super) enum Next<T> {
    Came(T),
    /// Nothing more.
    Ended,
    /// Somebody has asked to stop before it came.
    Stopped,
}

/// Begins `work`; what it sends is received, of which so many may be `ahead`.
pub(super) fn begin<T: Send + 'static>(
    ahead: usize,
    work: impl FnOnce(SyncSender<T>) + Send + 'static,
) -> Receiver<T> {
    let (sender, receiver) = mpsc::sync_channel(ahead);
    thread::spawn(|| work(sender));
    receiver
}

/// Begins `work`, which sends its outcome.
pub(super) fn begin_one<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Receiver<T> {
    begin(1, |outcome| {
        let _ = outcome.send(work()); // Nobody may wait for it any more.
    })
}

/// Waits for the next.
pub(super) fn next<T>(from: &Receiver<T>, stop: &dyn Fn() -> bool) -> Next<T> {
    while !stop() {
        match from.try_recv() {
            Ok(next) => return Next::Came(next),
            Err(TryRecvError::Disconnected) => return Next::Ended,
            Err(TryRecvError::Empty) => thread::sleep(GLANCE),
        }
    }
    Next::Stopped
}
