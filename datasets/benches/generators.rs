//! How many trees of ListOps and pictures of Pathfinder are made a second, on all threads: the built-in sets that are
//! made by the benchmark's own process, of which a run at full difficulty needs 100,000 and 200,000.
//!
//! `cargo bench -p datasets` (a name filters: `cargo bench -p datasets -- trees`). On a machine that does something
//! else at the same time, only the `fastest` column means anything.

use datasets::listops::{self, Shape};
use datasets::pathfinder::{self, Settings};
use datasets::{Black, Protocol};
use divan::Bencher;
use divan::counter::ItemsCount;

fn main() {
    divan::main();
}

/// The benchmark's whole set: candidates are grown 65,536 at a time, of which a small set would throw many away.
#[divan::bench(sample_count = 3, sample_size = 1)]
fn listops_trees(bencher: Bencher) {
    let Shape {
        train, dev, test, ..
    } = Shape::LRA;
    bencher
        .counter(ItemsCount::new(train + dev + test))
        .bench_local(|| listops::builtin(1, &Shape::LRA, Protocol::Clean).unwrap());
}

/// Of the settings with this name: the benchmark's hard ones, and those of short training.
#[divan::bench(args = ["lra", "easy"], sample_count = 5, sample_size = 1)]
fn pathfinder_pictures(bencher: Bencher, name: &str) {
    const COUNTS: [usize; 3] = [2_000, 250, 250];
    let settings = Settings::named(name).unwrap();
    bencher
        .counter(ItemsCount::new(COUNTS.iter().sum::<usize>()))
        .bench_local(|| pathfinder::builtin(1, &settings, COUNTS, Black::Kept).unwrap());
}
