//! Memory for tensors: one allocation function with a free list behind it.
//!
//! A fresh buffer of a few MiB costs one page fault for every 4 KiB, more than the arithmetic that
//! fills it. So a large [`Buffer`] that is dropped goes to a free list of its thread and is handed
//! out again with its old contents, to code that writes every element. Buffers start on 64-byte
//! boundaries: otherwise every vector access of an AVX-512 loop touches two cache lines.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};

use crate::real::Real;

/// Buffers below this many elements come straight from the system's allocator.
const SMALL: usize = 1024;
/// Bytes to which the first element is aligned.
const ALIGNMENT: usize = 64;

/// Bytes of buffers on one thread.
#[derive(Clone, Copy)]
struct Bytes {
    /// Handed out so far.
    handed_out: u64,
    /// In use: what this thread was handed less what it dropped, so below 0 where it drops what
    /// others were handed.
    in_use: i64,
    /// The peak of `in_use` since the last call of [`most_bytes`].
    most: i64,
}

thread_local!(static BYTES: Cell<Bytes> = const { Cell::new(Bytes {
    handed_out: 0,
    in_use: 0,
    most: 0,
}) });

/// The bytes of all buffers that this thread has asked for so far, reused ones included; subtract two calls to get
/// those between them.
pub fn allocated_bytes() -> u64 {
    BYTES.get().handed_out
}

/// What `work` returns, and the peak of the bytes of buffers that it holds on this thread, without those that were
/// there before.
pub fn most_bytes<R>(work: impl FnOnce() -> R) -> (R, u64) {
    let before = BYTES.get();
    BYTES.set(Bytes {
        most: before.in_use,
        ..before
    });
    let done = work();
    let after = BYTES.get();
    BYTES.set(Bytes {
        most: after.most.max(before.most),
        ..after
    });
    (done, (after.most - before.in_use) as u64)
}

/// Gives the free list of this thread back to the system.
pub fn release_free<T: Real>() {
    pool::<T, _>(|pool| pool.free.clear());
}

/// `len` numbers, the first on a 64-byte boundary.
pub struct Buffer<T: Real> {
    store: Vec<T>,
    start: usize,
    len: usize,
}

impl<T: Real> Buffer<T> {
    /// A buffer of numbers left over from before, whatever they are: for operations that write every element.
    pub fn stale(len: usize) -> Self {
        let bytes = BYTES.get();
        let more = len * size_of::<T>();
        let in_use = bytes.in_use + more as i64;
        BYTES.set(Bytes {
            handed_out: bytes.handed_out + more as u64,
            in_use,
            most: bytes.most.max(in_use),
        });
        let store = if len < SMALL {
            None
        } else {
            pool::<T, _>(|pool| pool.take(len)).flatten()
        };
        let store = store.unwrap_or_else(|| vec![T::ZERO; len + ALIGNMENT / size_of::<T>()]);
        let start = store.as_ptr().align_offset(ALIGNMENT);
        Buffer { store, start, len }
    }

    /// A buffer of `len` times `value`.
    pub fn filled(len: usize, value: T) -> Self {
        let mut buffer = Self::stale(len);
        buffer.fill(value);
        buffer
    }
}

impl<T: Real> Deref for Buffer<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        &self.store[self.start..self.start + self.len]
    }
}

impl<T: Real> DerefMut for Buffer<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.store[self.start..self.start + self.len]
    }
}

impl<T: Real> Clone for Buffer<T> {
    fn clone(&self) -> Self {
        let mut copy = Self::stale(self.len);
        copy.copy_from_slice(self);
        copy
    }
}

impl<T: Real> Drop for Buffer<T> {
    fn drop(&mut self) {
        // A thread that ends may drop its last buffers when the count is gone, and nobody asks.
        let _ = BYTES.try_with(|bytes| {
            let now = bytes.get();
            bytes.set(Bytes {
                in_use: now.in_use - (self.len * size_of::<T>()) as i64,
                ..now
            });
        });
        let store = std::mem::take(&mut self.store);
        if self.len >= SMALL {
            pool::<T, _>(|pool| pool.give_back(store));
        }
    }
}

type Pools = (RefCell<Pool<f32>>, RefCell<Pool<f64>>);

/// Calls `use_it` with this thread's free list for one type; `None` while the thread is ending.
fn pool<T: Real, R>(use_it: impl FnOnce(&mut Pool<T>) -> R) -> Option<R> {
    thread_local!(static POOLS: Pools = Pools::default());
    let use_pool = |(single, double): &Pools| {
        let pools: [&dyn Any; 2] = [single, double];
        let mut found = pools
            .into_iter()
            .filter_map(|pool| pool.downcast_ref::<RefCell<Pool<T>>>());
        let pool = found.next().expect("a number is f32 or f64");
        use_it(&mut pool.borrow_mut())
    };
    POOLS.try_with(use_pool).ok()
}

/// The free list of one thread: stores by their length.
struct Pool<T> {
    free: BTreeMap<usize, Vec<Vec<T>>>,
}

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Pool {
            free: BTreeMap::new(),
        }
    }
}

impl<T> Pool<T> {
    /// A store for `len` elements, at most four times as large as needed. When there is none,
    /// smaller free ones of together that size are released first, so that a run over ever longer
    /// examples does not pile them up.
    fn take(&mut self, len: usize) -> Option<Vec<T>> {
        let need = len + ALIGNMENT / size_of::<T>();
        if let Some(length) = self
            .free
            .range(need..=4 * need)
            .next()
            .map(|(&length, _)| length)
        {
            return self.pop(length);
        }
        let mut released = 0;
        while released < need {
            let Some((&length, _)) = self.free.range(..need).next_back() else {
                break;
            };
            self.pop(length);
            released += length;
        }
        None
    }

    fn pop(&mut self, length: usize) -> Option<Vec<T>> {
        let stores = self.free.get_mut(&length)?;
        let store = stores.pop();
        if stores.is_empty() {
            self.free.remove(&length);
        }
        store
    }

    fn give_back(&mut self, store: Vec<T>) {
        self.free.entry(store.len()).or_default().push(store);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_released_list_hands_nothing_out_again() {
        let len = 100 * SMALL;
        drop(Buffer::<f32>::filled(len, 7.0));
        assert_eq!(Buffer::<f32>::stale(len)[0], 7.0);
        release_free::<f32>();
        assert_eq!(Buffer::<f32>::stale(len)[0], 0.0);
    }

    #[test]
    fn a_dropped_buffer_is_handed_out_again() {
        let first = Buffer::<f32>::filled(5000, 1.0);
        let address = first.as_ptr();
        drop(first);
        let second = Buffer::<f32>::stale(4000);
        assert_eq!(second.as_ptr(), address);
        assert_eq!(second.len(), 4000);
    }

    #[test]
    fn bytes_are_counted_whether_fresh_or_not() {
        let before = allocated_bytes();
        drop(Buffer::<f32>::stale(5000));
        let kept = Buffer::<f32>::stale(5000);
        assert_eq!(allocated_bytes() - before, 2 * 5000 * 4);
        let (two, most) = most_bytes(|| {
            drop(Buffer::<f64>::stale(3000));
            let two = [(); 2].map(|()| Buffer::<f64>::stale(1000));
            let (_, inner) = most_bytes(|| Buffer::<f64>::stale(10));
            assert_eq!(inner, 80);
            two
        });
        assert_eq!(most, 24_000);
        drop((kept, two));
        assert_eq!(most_bytes(|| ()).1, 0);
    }

    #[test]
    fn every_buffer_starts_on_a_64_byte_boundary() {
        for len in [0, 1, 63, 1023, 1024, 5000, 100_000] {
            assert_eq!(
                Buffer::<f32>::stale(len).as_ptr().align_offset(ALIGNMENT),
                0
            );
            assert_eq!(
                Buffer::<f64>::stale(len).as_ptr().align_offset(ALIGNMENT),
                0
            );
        }
    }

    #[test]
    fn a_miss_releases_smaller_free_buffers() {
        let buffers: Vec<_> = (0..4).map(|_| Buffer::<f64>::stale(2000)).collect();
        drop(buffers);
        let _large = Buffer::<f64>::stale(100_000);
        pool::<f64, _>(|pool| assert!(pool.free.is_empty()));
    }
}
