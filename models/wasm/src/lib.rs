//! engine, ops and models as WebAssembly: the loss of a small model on one example and its gradient, by every method.
//!
//! Compiled for wasm32-unknown-unknown this is a module that imports nothing, neither clock nor threads nor system; the
//! test of this crate runs it, and compares what it computes with what this machine does.

use std::cell::RefCell;

use engine::{Draws, Real, Seed, Tape};
use models::{Document, Model, ModelConfig};
use ops::attention::{Options, find};
use ops::spread::over_threads;

/// The loss of a classifier with the attention called `attn`, then its gradient with respect to all parameters.
///
/// # Panics
/// If there is no such method.
pub fn gradient<T: Real>(attn: &str) -> Vec<T> {
    let options = Options {
        features: 3,
        dropout: 0.25,
        ..Options::default()
    };
    let config = ModelConfig {
        dim: 6,
        hidden: 5,
        head_hidden: 4,
        layers: 1,
        ..ModelConfig::new(6, 8, 3, 1)
    };
    let method = find(attn).unwrap().method(&options);
    let (model, params) = Model::<T>::new(config, method, Seed(9));
    let documents = [Document::text(vec![4, 1, 1, 5, 2, 0, 3])];
    let stream = Seed(9).stream("example");
    let (draws, dropout) = (Draws::live(stream), stream.stream("dropout"));
    let tape = Tape::new();
    let bound = params.bind(&tape);
    // Over threads, of which there is one where there are none.
    let (loss, gradients) = over_threads(|| {
        let loss = model.loss(&bound, &documents, 1, &draws, Some(dropout));
        (loss.item(), tape.backward(&loss))
    });
    let mut sums = params.zeros();
    bound.accumulate(gradients, &mut sums);
    let gradients = sums.iter().flat_map(|sum| sum.data());
    std::iter::once(&loss).chain(gradients).copied().collect()
}

thread_local!(static NUMBERS: RefCell<Vec<f64>> = const { RefCell::new(Vec::new()) });

/// Computes [`gradient`] by the method of this index, in `f64` if `double` is 1 and in `f32` if it is 0; returns how
/// many numbers there are.
#[unsafe(no_mangle)]
pub extern "C" fn compute(method: u32, double: u32) -> u32 {
    let name = ops::attention::names()[method as usize];
    let numbers = if double == 1 {
        gradient::<f64>(name)
    } else {
        let single = gradient::<f32>(name);
        single.into_iter().map(f64::from).collect()
    };
    let count = numbers.len() as u32;
    NUMBERS.set(numbers);
    count
}

/// The bits of one of the numbers that were computed last.
#[unsafe(no_mangle)]
pub extern "C" fn number(index: u32) -> u64 {
    NUMBERS.with_borrow(|numbers| numbers[index as usize].to_bits())
}
