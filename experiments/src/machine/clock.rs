//! What is made of clocks. One may stand, go back or jump by a year: in a virtual machine that has been moved, by a fault,
//! by whoever replays a program. Then a time is wrong, and no more than that.

use std::time::{Duration, Instant};

/// So many in such a time, a second; none where the clock says that it took no time.
pub(crate) fn a_second(count: f64, seconds: f64) -> Option<f64> {
    Some(count / seconds).filter(|rate| rate.is_finite())
}

/// What is to be done again after a while.
pub(crate) struct Pause {
    length: Duration,
    since: Instant,
}

impl Pause {
    /// That begins now.
    pub(crate) fn new(length: Duration) -> Self {
        let since = Instant::now();
        Self { length, since }
    }

    /// Whether it is over. A clock that has gone back makes it begin anew, not last until the clock is where it was.
    pub(crate) fn is_over(&mut self) -> bool {
        self.is_over_at(Instant::now())
    }

    fn is_over_at(&mut self, now: Instant) -> bool {
        if now < self.since {
            self.since = now;
        }
        now - self.since >= self.length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_time_is_no_rate() {
        assert_eq!(a_second(30.0, 2.0), Some(15.0));
        assert_eq!((a_second(30.0, 0.0), a_second(0.0, 0.0)), (None, None));
    }

    #[test]
    fn a_pause_ends_whatever_the_clock_has_done_before() {
        let mut pause = Pause::new(Duration::from_secs(10));
        let year = Duration::from_secs(365 * 24 * 3600);
        let start = pause.since + year;
        pause.since = start;
        let at =
            |pause: &mut Pause, seconds| pause.is_over_at(start + Duration::from_secs(seconds));
        assert!(!at(&mut pause, 9) && at(&mut pause, 10));
        // A year back, and on from there.
        assert!(!pause.is_over_at(start - year));
        assert!(!pause.is_over_at(start - year + Duration::from_secs(9)));
        assert!(pause.is_over_at(start - year + Duration::from_secs(10)));
    }
}
