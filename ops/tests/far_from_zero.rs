//! f32 against f64 where rows lie far from zero together: what depends on differences of rows alone must not lose the
//! digits that they have in common.

use engine::{Draws, Real, Seed, Stream, Tape, Tensor};
use ops::attention::{Attention, Options, find, registry, suite};

const N: usize = 100;
/// Two heads.
const COLUMNS: usize = 64;
/// What is smaller is nothing but rounding.
const NOTHING: f64 = 1e-6;

fn to<T: Real, S: Real>(x: &Tensor<S>) -> Tensor<T> {
    Tensor::from_fn(x.rows(), x.cols(), |i, j| T::of(x.row(i)[j].f64()))
}

/// Output and gradients of q, k and v.
fn passed<T: Real>(
    method: &dyn Attention<T>,
    inputs: &[Tensor<f32>; 3],
    dy: &Tensor<f32>,
    stream: Stream,
    draws: &Draws,
) -> [Tensor<f64>; 4] {
    let tape = Tape::new();
    let [q, k, v] = inputs.each_ref().map(|x| tape.leaf("input", to(x)));
    let y = suite::on_tape(
        method,
        &[q.clone(), k.clone(), v.clone()],
        stream.stream("parameters"),
        draws,
    );
    let gradients = tape.backward_from(&y, to(dy));
    let [dq, dk, dv] = [q, k, v].map(|x| to(&gradients.of(&x)));
    [to(y.value()), dq, dk, dv]
}

/// How far f32 is off with the choices of f64, relative to each of output, dq, dk and dv; `None` where there is nothing.
fn errors(name: &str, [q_offset, k_offset]: [f64; 2]) -> [Option<f64>; 4] {
    let options = Options {
        features: 16,
        ..Options::default()
    };
    let stream = Seed(3).stream(name);
    let mut generator = Seed(3).stream("rows").generator();
    let mut rows =
        |offset: f64| Tensor::from_fn(N, COLUMNS, |_, _| (offset + generator.normal()) as f32);
    let (inputs, dy) = ([rows(q_offset), rows(k_offset), rows(0.0)], rows(0.0));
    let draws = Draws::recording(stream.stream("draws"));
    let exact = find::<f64>(name).unwrap().method(&options);
    let want = passed(&*exact, &inputs, &dy, stream, &draws);
    let draws = Draws::replay(stream.stream("draws"), draws.recorded());
    let method = find::<f32>(name).unwrap().method(&options);
    let got = passed(&*method, &inputs, &dy, stream, &draws);
    std::array::from_fn(|i| {
        let (got, want) = (&got[i], &want[i]);
        let off = Tensor::from_fn(N, COLUMNS, |i, j| got.row(i)[j] - want.row(i)[j]);
        (want.norm() > NOTHING).then(|| off.norm() / want.norm())
    })
}

#[test]
fn a_gaussian_kernel_keeps_its_digits_at_any_common_offset() {
    for name in ["kernelized", "skyformer"] {
        for offset in [0.0, 100.0, 1000.0, 10_000.0] {
            let errors = errors(name, [offset; 2]);
            // Measured: 1.0e-6. Without the mean taken from the rows, 5e-3 at 100 and 0.6 at 1,000.
            let right = |error: &Option<f64>| error.is_some_and(|error| error < 3e-6);
            assert!(errors.iter().all(right), "{name}, {offset}: {errors:?}");
        }
    }
}

/// Positive features of kl- weigh a key by exp(-|k|²) as well, so that offsets count; of small ones the digits are kept.
#[test]
fn positive_features_keep_their_digits_at_small_offsets() {
    for name in ["kl-gmm-prf", "kl-fastfood-prf", "kl-generator-prf"] {
        for offset in [1.0, 3.0] {
            let errors = errors(name, [offset; 2]);
            // Measured: 7.3e-5, of dq of kl-fastfood-prf at 3.
            let right = |error: &Option<f64>| error.is_some_and(|error| error < 3e-4);
            assert!(errors.iter().all(right), "{name}, {offset}: {errors:?}");
        }
    }
}

/// Softmax does not depend on what all keys have in common. Where a method computes logits of the keys as they are,
/// these are right to a part of 6e-8, and probabilities to 6e-8 times the logit, 1,000 at most here.
#[test]
fn keys_far_from_zero_cost_no_more_digits_than_their_logits() {
    for entry in registry::<f32>() {
        for offset in [100.0, 1000.0] {
            let mut errors = errors(entry.name, [0.0, offset]);
            // Positive features of kl- weigh a key by exp(-|k|²), too: of keys that far from zero the nearest one has all
            // the weight, and of the gradients of queries and keys nothing but rounding is left.
            if entry.name.starts_with("kl-") && entry.name.ends_with("-prf") {
                errors[1..3].fill(None);
            }
            // Measured: 3.4e-7 times the offset, and 1.3e-6 where keys are mixtures that make an offset larger.
            let right = |error: &f64| *error < 4e-6 * offset;
            let name = entry.name;
            assert!(
                errors.iter().flatten().all(right),
                "{name}, {offset}: {errors:?}"
            );
        }
    }
    // Sums over the sampled keys less sums over all.
    for name in ["skein-nonorm", "skein-one-nonorm"] {
        let errors = errors(name, [0.0, 1000.0]);
        let right = |error: &Option<f64>| error.is_some_and(|error| error < 1e-6);
        assert!(errors.iter().all(right), "{name}: {errors:?}");
    }
}
