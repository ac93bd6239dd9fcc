//! What is said on a command line, read: the flags of a command, numbers in their ranges, lists.

use crate::machine::allocation;
use std::num::NonZero;
use std::ops::RangeInclusive;

/// More threads than any one machine has.
const MOST_THREADS: usize = 1024;

/// A whole number; its range is checked where it is used.
pub(crate) fn parse_count(text: &str) -> Result<usize, String> {
    text.parse()
        .map_err(|_| "expected a whole number such as 256".to_string())
}

/// A seed.
pub(crate) fn parse_seed(text: &str) -> Result<u64, String> {
    // Not every reader of TOML takes a larger one.
    let seed = text.parse().ok().filter(|&seed| seed < 1 << 63);
    seed.ok_or_else(|| "expected a whole number below 2^63".to_string())
}

/// A number.
pub(crate) fn parse_number(text: &str) -> Result<f64, String> {
    text.parse()
        .map_err(|_| "expected a number such as 0.1 or 1e-4".to_string())
}

/// How many threads.
pub(crate) fn parse_threads(text: &str) -> Result<usize, String> {
    whole(1..=MOST_THREADS)(text)
}

/// A parser of the whole numbers in `range`; one that ends at `usize::MAX` has no end to speak of.
pub(crate) fn whole(
    range: RangeInclusive<usize>,
) -> impl Fn(&str) -> Result<usize, String> + Clone {
    move |text| {
        let number = text.parse().ok().filter(|n| range.contains(n));
        number.ok_or_else(|| match (range.start(), range.end()) {
            (least, &usize::MAX) => format!("expected a whole number from {least}"),
            (least, most) => format!("expected a whole number from {least} to {most}"),
        })
    }
}

/// As many threads as were asked for, else as the machine offers, of which a job may have asked for fewer: not every
/// batch system keeps its jobs on their cores.
pub(crate) fn threads(asked: Option<usize>) -> usize {
    let offered = || std::thread::available_parallelism().map_or(1, NonZero::get);
    asked.unwrap_or_else(|| {
        offered().min(allocation::cores(&allocation::variable).unwrap_or(MOST_THREADS))
    })
}

/// Each once, in the order of their first places.
pub(crate) fn distinct<X: PartialEq>(all: impl IntoIterator<Item = X>) -> Vec<X> {
    let mut distinct = Vec::new();
    for x in all {
        if !distinct.contains(&x) {
            distinct.push(x);
        }
    }
    distinct
}
