//! What methods cost: nothing n x n and nothing n x d is ever held, the bytes of one forward and
//! backward grow like n, and the formulas of the registry say how many bytes and multiply-adds.
//!
//! Measured at the system's allocator, so that no memory escapes the count; each measurement runs
//! on a thread of its own, whose free list of buffers starts empty.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use engine::cpu::Product;
use engine::gemm::multiply_adds;
use engine::{Draws, Seed, Tape, Tensor};
use ops::attention::{Entry, Inputs, LayerShape, Options, Place, registry};

struct Counting;

/// The counts are the process's: one test at a time, since what another allocates between its measurements counts, too.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static TOTAL: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is handed to the system's allocator unchanged; counting touches no memory of
// it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(live, Relaxed);
        TOTAL.fetch_add(layout.size(), Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One forward and backward of a method.
struct Spent {
    /// The most bytes that live at once.
    peak: usize,
    /// All bytes that are asked for.
    total: usize,
    /// Multiply-adds of forward.
    multiply_adds: u64,
}

fn spend(
    name: &'static str,
    product: Product,
    n: usize,
    features: usize,
    heads: usize,
    head_width: usize,
) -> Spent {
    let work = move || {
        let entry = registry::<f32>()
            .into_iter()
            .find(|entry| entry.name == name)
            .unwrap();
        let method = entry.method(&Options {
            features,
            dropout: 0.1,
            ..Options::default()
        });
        let mut generator = Seed(6).stream("memory").generator();
        let [q, k, v, dy] = [0; 4]
            .map(|_| Tensor::from_fn(n, heads * head_width, |_, _| generator.normal() as f32));
        let positions: Vec<u32> = (0..n as u32).collect();
        let shape = LayerShape {
            positions: n,
            heads,
            head_width,
        };
        let own = method.parameters(shape, Seed(6).stream("parameters"));
        let draws = Draws::live(Seed(6).stream("draws"));

        let (live, total) = (LIVE.load(Relaxed), TOTAL.load(Relaxed));
        PEAK.store(live, Relaxed);
        let products = multiply_adds();
        let tape = Tape::new();
        let [q, k, v] = [q, k, v].map(|x| tape.leaf("input", x));
        let own: Vec<_> = own
            .into_iter()
            .map(|(name, x)| tape.leaf(name, x))
            .collect();
        let reads = method.reads();
        let y = method.forward(&Inputs {
            q: reads.queries.then_some(&q),
            k: reads.keys.then_some(&k),
            v: &v,
            heads,
            positions: &positions,
            padded_length: n,
            parameters: &own,
            draws: &draws,
            place: Place::default(),
            dropout: Some(Seed(6).stream("dropout")),
        });
        let products = multiply_adds() - products;
        drop(tape.backward_from(&y, dy));
        Spent {
            peak: PEAK.load(Relaxed) - live,
            total: TOTAL.load(Relaxed) - total,
            multiply_adds: products,
        }
    };
    let thread = std::thread::spawn(move || product.within(work));
    thread.join().unwrap()
}

/// Every method with either product.
fn all() -> impl Iterator<Item = (Entry<f32>, Product)> {
    Product::available()
        .flat_map(|product| registry().into_iter().map(move |entry| (entry, product)))
}

#[test]
fn memory_of_every_method_that_claims_it_grows_like_n() {
    let _alone = alone();
    for (entry, product) in all() {
        if !entry.laws.linear_memory {
            continue;
        }
        let (name, n, features) = (entry.name, 2048, 64);
        let Spent { peak, total, .. } = spend(name, product, n, features, 2, 32);
        let twice = spend(name, product, 2 * n, features, 2, 32);
        let (peak_twice, total_twice) = (twice.peak, twice.total);
        let ratio = |twice: usize, once: usize| twice as f64 / once as f64;
        assert!(
            ratio(peak_twice, peak) <= 2.1,
            "{name}: peak {peak} at n, {peak_twice} at 2 n"
        );
        // Where time is quadratic so is the number of products, each of which allocates and frees a
        // buffer for packing.
        if entry.laws.linear_time {
            // That in fixed order has no such buffers, whose size is fixed.
            let most = match product {
                Product::Matrixmultiply => 2.1,
                Product::FixedOrder => 2.15,
            };
            assert!(
                ratio(total_twice, total) <= most,
                "{name}: allocated {total} at n, {total_twice} at 2 n"
            );
        }
        // One n x n matrix of f32 alone has 16 MiB.
        assert!(peak < n * n * 4 / 2, "{name}: {peak} bytes at n = {n}");
    }
}

#[test]
fn multiply_adds_are_those_of_the_formulas() {
    let _alone = alone();
    for entry in registry::<f32>() {
        // The last with more features than tokens.
        let sizes = [
            (2048, 64, 32),
            (2048, 32, 32),
            (1000, 100, 16),
            (200, 900, 16),
        ];
        for (n, features, p) in sizes {
            let by = Product::Matrixmultiply;
            let got = spend(entry.name, by, n, features, 1, p).multiply_adds as f64;
            let options = Options {
                features,
                ..Options::default()
            };
            let want = (entry.cost)(&options, n as f64, p as f64).multiply_adds;
            // How many pilots are distinct is chance.
            let name = entry.name;
            assert!(
                (got - want).abs() <= 0.04 * want,
                "{name}, n {n}, d {features}, p {p}: {got}, by its formula {want}"
            );
        }
    }
}

/// What a method allocates is known before it does: features far beyond the tokens are as many as these to methods
/// that sample tokens, and real sizes to others.
#[test]
fn bytes_of_many_features_are_those_of_the_formulas() {
    let _alone = alone();
    let p = 16;
    for entry in registry::<f32>() {
        let name = entry.name;
        for (n, features) in [(128, 600), (2000, 300)] {
            // What is small beside the matrices of d features comes and goes there.
            if n > features && name != "nystrom" {
                continue;
            }
            // From d to 2 d, so that what does not depend on d does not count.
            let got =
                |features| spend(name, Product::Matrixmultiply, n, features, 1, p).peak as f64;
            let got = got(2 * features) - got(features);
            let want = |features| {
                let options = Options {
                    features,
                    ..Options::default()
                };
                (entry.cost)(&options, n as f64, p as f64).bytes
            };
            let want = want(2 * features) - want(features);
            assert!(
                (got - want).abs() <= 0.35 * want,
                "{name}, n {n}, d {features}: {got}, by its formula {want}"
            );
        }
    }
}

#[test]
fn bytes_are_those_of_the_formulas() {
    let _alone = alone();
    for (entry, product) in all() {
        for (n, features, p) in [(4096, 64, 32), (4096, 32, 16)] {
            // From n to 2 n, so that tiles and packing buffers of fixed size do not count.
            let got = |n| spend(entry.name, product, n, features, 1, p).peak as f64;
            let got = got(2 * n) - got(n);
            let options = Options {
                features,
                ..Options::default()
            };
            let want = |n: usize| (entry.cost)(&options, n as f64, p as f64).bytes;
            let want = want(2 * n) - want(n);
            let name = entry.name;
            assert!(
                (got - want).abs() <= 0.2 * want,
                "{name}, n {n} to {}, d {features}, p {p}: {got}, by its formula {want}",
                2 * n
            );
        }
    }
}
