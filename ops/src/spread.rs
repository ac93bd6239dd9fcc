//! One long example on several threads: tiles are computed side by side, their results added in order.
//!
//! As a rule each thread has an example of its own, and loops stay on it. A caller with fewer examples than threads
//! calls [`over_threads`] inside a rayon pool; then all threads of the pool compute the tiles of
//! [`attend`](crate::attention::attend) and the blocks of [`linear`](crate::linear()). The cuts and the order of the
//! additions depend on the shapes alone, so neither `over_threads` nor the number of threads changes a bit.

use engine::gemm::{count_multiply_adds, uncounted};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

thread_local!(static OVER_THREADS: Cell<bool> = const { Cell::new(false) });

/// Runs `work` on this thread; its loops over tiles may use the other threads of this thread's rayon pool. Bytes of
/// buffers are counted by the thread that asks for them, so those of the other threads do not count on this one.
pub fn over_threads<R>(work: impl FnOnce() -> R) -> R {
    let before = OVER_THREADS.replace(true);
    let result = work();
    OVER_THREADS.set(before);
    result
}

/// Calls `work` for every item with a scratch, then, in the order of the items, `end` with that scratch: on one thread
/// item after item with one scratch; over threads with two scratches for each thread.
pub(crate) fn in_order<I: Send, S: Send>(
    items: impl Iterator<Item = I>,
    scratch: impl Fn() -> S,
    work: impl Fn(&mut I, &mut S) + Sync,
    mut end: impl FnMut(&I, &S),
) {
    if !OVER_THREADS.get() || rayon::current_num_threads() == 1 {
        let mut scratch = scratch();
        for mut item in items {
            work(&mut item, &mut scratch);
            end(&item, &scratch);
        }
        return;
    }
    let mut items: Vec<I> = items.collect();
    let at_once = items.len().min(2 * rayon::current_num_threads()).max(1);
    let mut scratches: Vec<S> = (0..at_once).map(|_| scratch()).collect();
    for items in items.chunks_mut(at_once) {
        let count = AtomicU64::new(0);
        rayon::scope(|scope| {
            let (work, count) = (&work, &count);
            for (item, scratch) in items.iter_mut().zip(&mut scratches) {
                scope.spawn(move |_| {
                    let ((), multiply_adds) = uncounted(|| work(item, scratch));
                    count.fetch_add(multiply_adds, Ordering::Relaxed);
                });
            }
        });
        count_multiply_adds(count.into_inner());
        for (item, scratch) in items.iter().zip(&scratches) {
            end(item, scratch);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::gemm::multiply_adds;

    #[test]
    fn every_item_once_and_ends_in_order_whatever_the_threads() {
        let run = || {
            let before = multiply_adds();
            let mut seen = Vec::new();
            let work = |item: &mut usize, scratch: &mut usize| {
                count_multiply_adds(1);
                *scratch = 10 * *item;
            };
            in_order(
                0..21,
                || 0,
                work,
                |item, scratch| seen.push((*item, *scratch)),
            );
            (seen, multiply_adds() - before)
        };
        let plain = run();
        assert_eq!(plain.0, (0..21).map(|i| (i, 10 * i)).collect::<Vec<_>>());
        assert_eq!(plain.1, 21);
        for threads in [1, 2, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            let pool = pool.build().unwrap();
            assert_eq!(pool.install(|| over_threads(run)), plain, "{threads}");
        }
    }
}
