//! Every entry of the registry through the suite of laws, and every gradient case of the crate.

use engine::cpu::Product;
use engine::lanes::{Level, limited_to};
use engine::{Draws, Real, Seed, Stream, Tape, Tensor};
use ops::attention::{Attention, Options, find, registry, suite};

#[test]
fn every_entry_keeps_its_laws() {
    for entry in registry::<f64>() {
        suite::laws(&entry, Seed(9).stream("laws").stream(entry.name));
    }
}

#[test]
fn every_entry_has_right_gradients_that_are_not_zero_where_they_should_not_be() {
    for entry in registry::<f64>() {
        let method = entry.method(&Options {
            features: 4,
            dropout: 0.0,
            ..Options::default()
        });
        for n in suite::LENGTHS.into_iter().chain([suite::LONG]) {
            for dropout in [false, true] {
                let checked = suite::gradients(&entry, n, dropout, Seed(8).stream(entry.name));
                for input in checked
                    .unwrap_or_else(|failure| panic!("n = {n}, dropout {dropout}: {failure}"))
                {
                    let reads = method.reads();
                    let read = match input.input.as_str() {
                        "q" => reads.queries,
                        "k" => reads.keys,
                        _ => true,
                    };
                    let (name, input_name, norm) = (entry.name, input.input, input.norm);
                    // A batch norm follows b1 and b2, and takes them away.
                    let annulled =
                        name.starts_with("kl-generator") && ["b1", "b2"].contains(&&input_name[..]);
                    // Where queries are keys a token sees its own only when there is no other: of
                    // two, each sees the other.
                    let few = if reads.queries && !reads.keys { 2 } else { 1 };
                    let alone = n <= few && input_name != "v";
                    // A weighted mean of one value is that value, whatever q, k and parameters are; the weight
                    // of one value in a sum may depend on them or not.
                    let influences = match (alone, entry.laws.rows_sum_to_one) {
                        (true, true) => false,
                        (true, false) => continue,
                        _ => read && !annulled,
                    };
                    // Measured: 4e-14 where nothing influences; w1 before a batch norm of two samples has 4e-7.
                    assert_eq!(
                        norm > 1e-9,
                        influences,
                        "{name}, n = {n}: gradient of {input_name} has norm {norm:e}"
                    );
                }
            }
        }
    }
}

/// With matrixmultiply, of the loops: its product goes by the machine whatever the limit. The product in fixed order has
/// the same bits with AVX2 and AVX-512.
#[test]
fn every_entry_gives_the_same_bits_on_every_instruction_set() {
    let n = 300;
    for entry in registry::<f32>() {
        let method = entry.method(&Options {
            features: 16,
            ..Options::default()
        });
        let stream = Seed(7).stream(entry.name);
        let x = suite::example(stream, n)
            .map(|x| Tensor::from_fn(n, x.cols(), |i, j| x.row(i)[j] as f32));
        let run = || {
            let tape = Tape::new();
            let draws = Draws::live(stream.stream("draws"));
            let x = x.each_ref().map(|x| tape.leaf("input", x.clone()));
            let y = suite::on_tape(&*method, &x, stream.stream("parameters"), &draws);
            let gradients = tape.backward_from(&y, y.value().clone());
            let gradients = x.map(|x| gradients.of(&x));
            let all = std::iter::once(y.value()).chain(&gradients);
            all.flat_map(|x| x.data())
                .map(|x| x.to_bits())
                .collect::<Vec<u32>>()
        };
        for product in Product::available() {
            let levels = match product {
                Product::Matrixmultiply => [Level::Avx512, Level::Avx2, Level::Portable].as_slice(),
                Product::FixedOrder => &[Level::Avx512, Level::Avx2],
            };
            let bits = |&level: &Level| product.within(|| limited_to(level, run));
            let bits: Vec<_> = levels.iter().map(bits).collect();
            let same = bits.iter().all(|other| *other == bits[0]);
            assert!(same, "{}, {product:?}", entry.name);
        }
    }
}

/// Output and gradients of every entry in f32, by either product, beside those in f64 at the same draws.
#[test]
fn every_entry_follows_its_double_precision_with_both_products() {
    fn pass<T: Real>(
        method: &dyn Attention<T>,
        x: &[Tensor<f32>; 3],
        dy: &Tensor<f32>,
        stream: Stream,
        draws: &Draws,
    ) -> [Tensor<f64>; 4] {
        let of =
            |x: &Tensor<f32>| Tensor::from_fn(x.rows(), x.cols(), |i, j| T::of(x.row(i)[j].into()));
        let tape = Tape::new();
        let leaves = x.each_ref().map(|x| tape.leaf("input", of(x)));
        let y = suite::on_tape(method, &leaves, stream.stream("parameters"), draws);
        let gradients = tape.backward_from(&y, of(dy));
        let [dq, dk, dv] = leaves.each_ref().map(|leaf| gradients.of(leaf));
        [y.value(), &dq, &dk, &dv]
            .map(|x| Tensor::from_fn(x.rows(), x.cols(), |i, j| x.row(i)[j].f64()))
    }
    let n = 300;
    let options = Options {
        features: 16,
        ..Options::default()
    };
    for (single, double) in registry::<f32>().iter().zip(registry::<f64>()) {
        let (name, stream) = (single.name, Seed(7).stream(single.name));
        let narrow = |x: Tensor<f64>| Tensor::from_fn(n, x.cols(), |i, j| x.row(i)[j] as f32);
        let x = suite::example(stream, n).map(narrow);
        let [dy, _, _] = suite::example(stream.stream("cotangent"), n).map(narrow);
        let draws = Draws::recording(stream.stream("draws"));
        let want = pass(&*double.method(&options), &x, &dy, stream, &draws);
        let frozen = draws.recorded();
        for product in Product::available() {
            let draws = Draws::replay(stream.stream("draws"), frozen.clone());
            let got = product.within(|| pass(&*single.method(&options), &x, &dy, stream, &draws));
            let largest = want.iter().map(Tensor::norm).fold(0.0, f64::max);
            for (what, (got, want)) in ["y", "dq", "dk", "dv"].iter().zip(got.iter().zip(&want)) {
                let error = (got.data().iter().zip(want.data()))
                    .map(|(got, want)| (got - want).powi(2))
                    .sum::<f64>()
                    .sqrt();
                // Measured: 1.7e-6 of kl-generator-prf, 1.4e-6 of nystrom; gradients that are nearly 0 are sums of
                // larger terms.
                let size = want.norm().max(1e-2 * largest);
                assert!(
                    error < 5e-6 * size,
                    "{name} {product:?} {what}: {error:e} of {size:e}"
                );
            }
        }
    }
}

#[test]
fn names_are_unique_and_both_precisions_have_the_same() {
    let names: Vec<_> = registry::<f64>().iter().map(|entry| entry.name).collect();
    assert_eq!(
        names,
        registry::<f32>()
            .iter()
            .map(|entry| entry.name)
            .collect::<Vec<_>>()
    );
    for (i, name) in names.iter().enumerate() {
        assert!(!names[..i].contains(name), "{name} stands twice");
        assert!(find::<f32>(name).is_ok());
    }
}

#[test]
fn an_unknown_name_lists_the_known_ones() {
    let message = find::<f32>("skien")
        .err()
        .expect("no such method")
        .to_string();
    assert!(
        message.contains("`skien`") && message.contains("skein, skein-uniform"),
        "{message}"
    );
}
