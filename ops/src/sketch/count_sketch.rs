//! CountSketch: every row of S has one entry, +-1, at a random column (Charikar, Chen and
//! Farach-Colton 2002; Clarkson and Woodruff 2013). With k entries +-1/sqrt(k), one in each of k
//! blocks of columns, it is the sparse embedding OSNAP of Nelson and Nguyen 2013 (in the block form
//! of Kane and Nelson 2014).
//!
//! (S Sᵀ)_ii = 1 always; off the diagonal the signs make it 0 on average. A product costs k n c
//! multiply-adds whatever d is.

use super::Sketch;
use super::assert_count;
use super::entries::{Entries, Entry};
use super::rademacher::draw_signs;
use engine::{Draws, Real};
use std::sync::Arc;

/// Draws n k columns, called `name.columns`, and as many signs, called `name.signs`.
#[track_caller]
pub(super) fn draw<T: Real>(
    n: usize,
    d: usize,
    per_row: usize,
    draws: &Draws,
    name: &str,
) -> Arc<dyn Sketch<T>> {
    assert!(per_row > 0, "sketch {name}: rows without entries");
    // Block b is columns floor(b d / k) .. floor((b + 1) d / k); k <= d, so none is empty.
    let start = |block: usize| block * d / per_row;
    let name_columns = format!("{name}.columns");
    let columns = draws.indices(&name_columns, d, |generator| {
        let mut columns = Vec::with_capacity(n * per_row);
        for _ in 0..n {
            for block in 0..per_row {
                let width = start(block + 1) - start(block);
                columns.push((start(block) + generator.below(width)) as u32);
            }
        }
        columns
    });
    assert_count(&name_columns, columns.len(), n * per_row);
    let signs = draw_signs(n * per_row, draws, name);
    let scale = 1.0 / (per_row as f64).sqrt();
    let entries = columns.iter().zip(&signs).enumerate();
    let entries = entries.map(|(at, (&j, sign))| Entry {
        i: (at / per_row) as u32,
        j,
        w: T::of(sign * scale),
    });
    Arc::new(Entries::new(n, d, name, entries.collect()))
}
