//! All elementary operators through the laws they share: right gradients that are not zero, the same bits on every
//! instruction set, the same values in both precisions, a record that says where the gradient is written.
//! (`suite.rs` does the same for the attention methods.)

use engine::check::normal;
use engine::cpu::Product;
use engine::lanes::{Level, limited_to};
use engine::{Real, Seed, Tape, Tensor, Var};
use ops::fourier::OnRing;
use ops::{Dropout, attention};

type Apply<T> = Box<dyn for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T>>;

/// An operator with the shapes of its inputs; every input is a standard normal matrix.
struct Example<T: Real> {
    name: &'static str,
    file: &'static str,
    shapes: Vec<(usize, usize)>,
    apply: Apply<T>,
}

/// Every elementary operator once, on `n` rows of `c` columns where it takes them.
fn examples<T: Real>(n: usize, c: usize) -> Vec<Example<T>> {
    fn example<T: Real>(
        name: &'static str,
        file: &'static str,
        shapes: &[(usize, usize)],
        apply: impl for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T> + 'static,
    ) -> Example<T> {
        Example {
            name,
            file,
            shapes: shapes.to_vec(),
            apply: Box::new(apply),
        }
    }
    // Indices that repeat and leave gaps, below n.
    let rows: Vec<u32> = (0..2 * n).map(|i| (i * i % n) as u32).collect();
    let (tokens, positions, indices) = (rows.clone(), rows.clone(), rows);
    let mask = Dropout::new(0.3, 7);
    let places = n.next_power_of_two();
    vec![
        example("linear", "linear.rs", &[(n, c), (5, c), (1, 5)], |x| {
            ops::linear(&x[0], &x[1], &x[2])
        }),
        example(
            "layer_norm",
            "layer_norm.rs",
            &[(n, c), (1, c), (1, c)],
            |x| ops::layer_norm(&x[0], &x[1], &x[2]),
        ),
        example("gelu", "gelu.rs", &[(n, c)], |x| ops::gelu(x[0].clone())),
        example("relu", "relu.rs", &[(n, c)], |x| ops::relu(x[0].clone())),
        example("dropout", "dropout.rs", &[(n, c)], move |x| {
            ops::dropout(x[0].clone(), Some(mask))
        }),
        example("embedding", "embedding.rs", &[(n, c), (n, c)], move |x| {
            ops::embedding(&tokens, &positions, &x[0], &x[1])
        }),
        example("pool", "pooling.rs", &[(n, c)], move |x| {
            ops::pool(&x[0], 2 * n)
        }),
        example("pair", "pair.rs", &[(1, c), (1, c)], |x| {
            ops::pair(&x[0], &x[1])
        }),
        example("cross_entropy", "cross_entropy.rs", &[(1, c)], move |x| {
            ops::cross_entropy(&x[0], c - 1)
        }),
        example("gather", "gather.rs", &[(n, c)], {
            let indices = indices.clone();
            move |x| ops::gather(&x[0], &indices)
        }),
        example("scatter", "gather.rs", &[(2 * n, c)], move |x| {
            ops::scatter(&x[0], &indices, n + 1)
        }),
        example("rotary", "rotary.rs", &[(n, c)], move |x| {
            let positions: Vec<u32> = (0..n as u32).map(|i| 100 * i).collect();
            ops::rotary(&x[0], 1, &positions)
        }),
        example(
            "fourier_filter",
            "fourier.rs",
            &[(n, c), (places / 2 + 1, c), (places / 2 + 1, c)],
            move |x| {
                let on = OnRing {
                    places,
                    positions: &(0..n as u32).collect::<Vec<_>>(),
                    segments: if c.is_multiple_of(4) { c / 4 } else { c },
                };
                ops::fourier_filter(&x[0], [&x[1], &x[2]], &on)
            },
        ),
        example("beside", "beside.rs", &[(n, c), (n, 3)], |x| {
            ops::beside(&x[0], &x[1])
        }),
        example(
            "convolution",
            "convolution.rs",
            &[(n, c), (3 * c, 5), (1, 5)],
            |x| ops::convolution(&x[0], &x[1], &x[2]),
        ),
        example(
            "position_norm",
            "position_norm.rs",
            &[(n, c), (2 * n, 1), (2 * n, 1)],
            move |x| {
                let positions: Vec<u32> = (0..n as u32).map(|i| 2 * i).collect();
                ops::position_norm(&x[0], &x[1], &x[2], &positions)
            },
        ),
        example("elu", "elu.rs", &[(n, c)], |x| ops::elu(x[0].clone())),
    ]
}

/// Families of shapes: one row, odd ones, the model's widths.
const SHAPES: [(usize, usize); 6] = [(1, 4), (1, 64), (3, 5), (7, 67), (33, 64), (130, 128)];

/// Value and gradients of an example for a random cotangent.
fn run<T: Real>(example: &Example<T>) -> Vec<Tensor<T>> {
    let stream = Seed(4).stream("elementary").stream(example.name);
    let random = |name: &str, i: usize, (rows, cols): (usize, usize)| {
        let x = normal(stream.stream(name).at(i), rows, cols);
        Tensor::from_fn(rows, cols, |i, j| T::of(x.row(i)[j]))
    };
    let tape = Tape::traced();
    let inputs: Vec<Var<'_, T>> = (example.shapes.iter().enumerate())
        .map(|(i, &shape)| tape.leaf("input", random("input", i, shape)))
        .collect();
    let y = (example.apply)(&inputs);
    let dy = random("cotangent", 0, y.shape());
    let gradients = tape.backward_from(&y, dy);

    let records = tape.records();
    assert_eq!(records.len(), inputs.len() + 1, "{}", example.name);
    let record = &records[inputs.len()];
    assert_eq!(record.name, example.name);
    let written = record.location.file();
    assert!(
        written.ends_with(&format!("ops/src/{}", example.file)),
        "the gradient of {} is written in {written}?",
        example.name
    );

    let mut results = vec![y.value().clone()];
    results.extend(inputs.iter().map(|input| gradients.of(input)));
    results
}

#[test]
fn every_case_passes_and_no_gradient_is_zero() {
    let methods: Vec<_> = attention::registry::<f64>()
        .iter()
        .map(|entry| entry.name)
        .collect();
    // Sampling and sketching have laws of their own, beside them; here only their gradients.
    let folders: Vec<_> = (ops::sample::cases().iter())
        .chain(&ops::sketch::cases())
        .map(|case| case.operator)
        .collect();
    let mut operators = Vec::new();
    for case in ops::cases() {
        let checked = case.run().unwrap_or_else(|failure| panic!("{failure}"));
        assert!(!checked.is_empty(), "{} checks nothing", case.operator);
        if methods.contains(&case.operator) {
            continue; // which of their gradients may be zero, suite.rs knows
        }
        if !folders.contains(&case.operator) {
            operators.push(case.operator);
        }
        for input in checked {
            assert!(
                input.norm > 1e-3,
                "gradient of {} with respect to {} has norm {:e}",
                case.operator,
                input.input,
                input.norm
            );
        }
    }
    let examples: Vec<_> = examples::<f64>(1, 4).iter().map(|e| e.name).collect();
    assert_eq!(operators, examples, "cases and examples");
}

#[test]
fn every_instruction_set_gives_the_same_bits() {
    for (n, c) in SHAPES {
        for example in examples::<f32>(n, c) {
            let bits = |level| {
                let results = limited_to(level, || run(&example));
                let bits = |x: &Tensor<f32>| x.data().iter().map(|x| x.to_bits()).collect();
                results.iter().map(bits).collect::<Vec<Vec<u32>>>()
            };
            let portable = bits(Level::Portable);
            for level in [Level::Avx2, Level::Avx512] {
                assert_eq!(bits(level), portable, "{}, ({n}, {c})", example.name);
            }
            // Without AVX2 there is no product in fixed order.
            if Product::FixedOrder.is_available() {
                let [one, other] = [Level::Avx2, Level::Avx512]
                    .map(|level| Product::FixedOrder.within(|| bits(level)));
                assert_eq!(one, other, "{}, ({n}, {c}), fixed order", example.name);
            }
        }
    }
}

#[test]
fn single_precision_follows_double_precision_with_both_products() {
    // Measured: 4.2e-7 of an array's largest element (the sums in layer_norm); rounding alone is 6e-8.
    const TOLERANCE: f64 = 2e-6;
    let cases = SHAPES
        .into_iter()
        .flat_map(|shape| Product::available().map(move |by| (shape, by)));
    for ((n, c), product) in cases {
        for (single, double) in examples::<f32>(n, c).iter().zip(&examples::<f64>(n, c)) {
            let single_run = product.within(|| run(single));
            for (which, (got, want)) in single_run.iter().zip(&run(double)).enumerate() {
                assert_eq!(got.shape(), want.shape());
                let largest = want.data().iter().fold(0f64, |a, x| a.max(x.abs()));
                for (got, want) in got.data().iter().zip(want.data()) {
                    let error = (f64::from(*got) - want).abs() / largest.max(1e-3);
                    assert!(
                        error < TOLERANCE,
                        "{}, ({n}, {c}), {product:?}, array {which}: {got} is not {want}, {error:e}",
                        single.name
                    );
                }
            }
        }
    }
}
