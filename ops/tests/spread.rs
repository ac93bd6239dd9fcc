//! One long example over several threads: every method gives the same bits and counts the same products as on one.

use engine::cpu::Product;
use engine::gemm::multiply_adds;
use engine::{Draws, Seed, Tape, Tensor};
use ops::attention::{Inputs, LayerShape, Options, Place, registry};
use ops::spread::over_threads;

const HEADS: usize = 2;
const WIDTH: usize = 8;
/// More than two tiles of queries, and more keys than are one block.
const N: usize = 700;

/// The bits of output and gradients of a method, and the multiply-adds that they took on this thread.
fn outcome(name: &str) -> (Vec<u32>, u64) {
    let entry = registry::<f32>()
        .into_iter()
        .find(|entry| entry.name == name);
    let method = entry.unwrap().method(&Options {
        features: 520,
        dropout: 0.1,
        ..Options::default()
    });
    let before = multiply_adds();
    let mut generator = Seed(7).stream("inputs").generator();
    let [q, k, v, dy] =
        [0; 4].map(|_| Tensor::from_fn(N, HEADS * WIDTH, |_, _| generator.normal() as f32));
    let positions: Vec<u32> = (0..N as u32).collect();
    let shape = LayerShape {
        positions: N,
        heads: HEADS,
        head_width: WIDTH,
    };
    let own = method.parameters(shape, Seed(7).stream("parameters"));
    let draws = Draws::live(Seed(7).stream("draws"));
    let tape = Tape::new();
    let inputs = [q, k, v].map(|x| tape.leaf("input", x));
    let own: Vec<_> = own
        .into_iter()
        .map(|(name, x)| tape.leaf(name, x))
        .collect();
    let reads = method.reads();
    let y = method.forward(&Inputs {
        q: reads.queries.then_some(&inputs[0]),
        k: reads.keys.then_some(&inputs[1]),
        v: &inputs[2],
        heads: HEADS,
        positions: &positions,
        padded_length: N,
        parameters: &own,
        draws: &draws,
        place: Place::default(),
        dropout: Some(Seed(7).stream("dropout")),
    });
    let gradients = tape.backward_from(&y, dy);
    let all = inputs
        .iter()
        .map(|x| gradients.of(x))
        .chain([y.value().clone()]);
    let bits = all.flat_map(|x| x.data().iter().map(|x| x.to_bits()).collect::<Vec<_>>());
    (bits.collect(), multiply_adds() - before)
}

#[test]
fn every_method_gives_the_same_bits_over_any_number_of_threads() {
    let methods = registry::<f32>().into_iter().map(|entry| entry.name);
    for (name, product) in methods.flat_map(|name| Product::available().map(move |by| (name, by))) {
        let alone = product.within(|| outcome(name));
        for threads in [1, 2, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            let spread = pool.build_scoped(
                |thread| product.within(|| thread.run()),
                |pool| pool.install(|| over_threads(|| outcome(name))),
            );
            let spread = spread.unwrap();
            assert!(
                spread.0 == alone.0,
                "{name}, {product:?}, {threads} threads"
            );
            assert_eq!(spread.1, alone.1, "{name}, {product:?}, {threads} threads");
        }
    }
}
