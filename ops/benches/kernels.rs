//! How long the kernels take at the sizes of the Text model: n = 4096, heads of 32 columns, 256
//! features.
//!
//! `cargo bench -p ops` (a name filters: `cargo bench -p ops -- attend`). One thread; on a machine
//! that does something else at the same time, only the `fastest` column means anything.

use divan::Bencher;
use divan::counter::ItemsCount;
use engine::gemm::multiply_adds;
use engine::{MatMut, MatRef, Seed, Tensor, gemm};
use ops::attention::attend::Attend;

fn main() {
    divan::main();
}

/// Rows of a sequence, columns of a head.
const N: usize = 4096;
const P: usize = 32;

/// The first of two heads of a (rows, 64) matrix, as a layer has them.
fn head(x: &Tensor<f32>) -> MatRef<'_, f32> {
    x.cols_in(0..P)
}

fn random(name: &str, rows: usize, cols: usize) -> Tensor<f32> {
    let mut generator = Seed(1).stream(name).generator();
    Tensor::from_fn(rows, cols, |_, _| generator.normal() as f32)
}

/// Times `work` and says how many multiply-adds of products a second it does.
fn bench(bencher: Bencher, mut work: impl FnMut()) {
    let before = multiply_adds();
    work();
    let count = multiply_adds() - before;
    bencher.counter(ItemsCount::new(count)).bench_local(work);
}

/// Queries and keys of an attention: sampled columns, pilot rows, exact.
const ATTENTIONS: [(usize, usize); 3] = [(N - 248, 257), (248, N), (N, N)];

#[divan::bench(args = ATTENTIONS)]
fn attend_forward(bencher: Bencher, (rows, keys): (usize, usize)) {
    let [q, k, v] = [("q", rows), ("k", keys), ("v", keys)].map(|(x, n)| random(x, n, 2 * P));
    let (mut y, mut lse) = (Tensor::zeros(rows, P), vec![0.0; rows]);
    bench(bencher, || {
        Attend::new(head(&q), head(&k), Some(head(&v))).forward(Some(y.view_mut()), &mut lse);
    });
}

#[divan::bench]
fn attend_forward_with_energies(bencher: Bencher) {
    let (rows, keys) = ATTENTIONS[1];
    let [q, k, v] = [("q", rows), ("k", keys), ("v", keys)].map(|(x, n)| random(x, n, 2 * P));
    let (mut y, mut lse) = (Tensor::zeros(rows, P), vec![0.0; rows]);
    let (weights, mut energies) = (vec![1.0; rows], vec![0.0; keys]);
    bench(bencher, || {
        Attend::new(head(&q), head(&k), Some(head(&v))).forward_with_energies(
            &weights,
            Some(y.view_mut()),
            &mut lse,
            &mut energies,
        );
    });
}

#[divan::bench(args = ATTENTIONS)]
fn attend_backward(bencher: Bencher, (rows, keys): (usize, usize)) {
    let [q, dy] = ["q", "dy"].map(|x| random(x, rows, 2 * P));
    let [k, v] = ["k", "v"].map(|x| random(x, keys, 2 * P));
    let (mut y, mut lse) = (Tensor::zeros(rows, P), vec![0.0; rows]);
    let attend = Attend::new(head(&q), head(&k), Some(head(&v)));
    attend.forward(Some(y.view_mut()), &mut lse);
    let [mut dk, mut dv] = [(); 2].map(|()| Tensor::zeros(keys, 2 * P));
    let mut dq = Tensor::zeros(rows, P);
    bench(bencher, || {
        let output = (y.view(), head(&dy), dv.view_mut().cols_in(0..P));
        attend.backward(
            &lse,
            &[],
            Some(output),
            dq.view_mut(),
            dk.view_mut().cols_in(0..P),
        );
    });
}

/// The products of the model, as (m, k, n): projections, the feed-forward, a weight's gradient; then
/// those of a tile of attention.
const PRODUCTS: [(usize, usize, usize); 7] = [
    (N, 64, 64),
    (N, 64, 128),
    (N, 128, 64),
    (64, N, 64),
    (257, 32, 256),
    (256, 257, 32),
    (257, 256, 32),
];

#[divan::bench(args = PRODUCTS)]
fn product(bencher: Bencher, (m, k, n): (usize, usize, usize)) {
    let (a, b) = (random("a", m, k), random("b", k, n));
    products(bencher, a.view(), b.view());
}

#[divan::bench(args = PRODUCTS)]
fn product_with_a_transposed(bencher: Bencher, (m, k, n): (usize, usize, usize)) {
    let (a, b) = (random("a", k, m), random("b", k, n));
    products(bencher, a.view().t(), b.view());
}

#[divan::bench(args = PRODUCTS)]
fn product_with_b_transposed(bencher: Bencher, (m, k, n): (usize, usize, usize)) {
    let (a, b) = (random("a", m, k), random("b", n, k));
    products(bencher, a.view(), b.view().t());
}

fn products(bencher: Bencher, a: MatRef<'_, f32>, b: MatRef<'_, f32>) {
    let mut c = vec![0.0; a.rows() * b.cols()];
    bench(bencher, || {
        gemm(1.0, a, b, 0.0, MatMut::new(&mut c, a.rows(), b.cols()));
    });
}
