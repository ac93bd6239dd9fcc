//! What a run tells of its model beside losses: norms by layer, time by operator.

use super::learner::Learner;
use crate::run::measured::Norms;
use crate::run::measured::Operator;
use crate::run::measured::Operators;
use crate::train::profile::Stopwatch;
use datasets::loader::Place;
use engine::{GradientSums, Params, Record, Tape};
use std::time::{Duration, Instant};

/// Examples of which the operators are measured.
const MEASURED: usize = 4;

/// Norms of every layer, in the order of the model, without its constants: an index of a graph is no size.
pub(super) fn norms(params: &Params<f32>, gradient: &GradientSums<f32>) -> Vec<Norms> {
    let mut layers: Vec<Norms> = Vec::new();
    let all = params.iter().zip(&**gradient).zip(params.frozen());
    for (((name, value), gradient), _) in all.filter(|(_, frozen)| !**frozen) {
        let layer = layer(name);
        let place = layers.iter().position(|norms| norms.layer == layer);
        let place = place.unwrap_or_else(|| {
            layers.push(Norms {
                layer: layer.to_string(),
                parameters: 0.0,
                gradient: 0.0,
            });
            layers.len() - 1
        });
        layers[place].parameters += value.norm().powi(2);
        layers[place].gradient += gradient.norm().powi(2);
    }
    for norms in &mut layers {
        norms.parameters = norms.parameters.sqrt();
        norms.gradient = norms.gradient.sqrt();
    }
    layers
}

/// What the parameters of a layer have in common: `transformer_0` of `model.transformer_0.mha.W_q.weight`.
pub(super) fn layer(parameter: &str) -> &str {
    let inner = parameter.strip_prefix("model.").unwrap_or(parameter);
    inner.split('.').next().unwrap_or(inner)
}

/// Forward and backward of some of these training examples on this thread, by operator; nothing is learnt from them.
pub(super) fn operators(learner: &Learner, batch: &[Place]) -> Operators {
    let examples = &batch[..batch.len().min(MEASURED)];
    let mut sums = learner.params.zeros();
    let mut visit = |place| {
        let tape = Tape::timed();
        let watch = &mut Stopwatch::new(false);
        learner.visit(place, 1.0, &tape, &mut sums, watch);
        tape.records()
    };
    // The first pass pays for fresh memory.
    visit(examples[0]);
    let start = Instant::now();
    let records: Vec<Record> = examples.iter().flat_map(|&place| visit(place)).collect();
    let wall = start.elapsed();
    let milliseconds = |time: Duration| 1e3 * time.as_secs_f64();
    let mut operators: Vec<Operator> = Vec::new();
    // Leaves are no operators.
    for record in records.iter().filter(|record| !record.parents.is_empty()) {
        let place = operators.iter().position(|o| o.name == record.name);
        let place = place.unwrap_or_else(|| {
            operators.push(Operator {
                name: record.name.to_string(),
                calls: 0,
                forward_ms: 0.0,
                backward_ms: 0.0,
            });
            operators.len() - 1
        });
        operators[place].calls += 1;
        operators[place].forward_ms += milliseconds(record.forward);
        operators[place].backward_ms += milliseconds(record.backward);
    }
    operators.sort_by(|a, b| b.milliseconds().total_cmp(&a.milliseconds()));
    Operators {
        examples: examples.len(),
        tokens: examples.iter().map(|&place| learner.tokens(place)).sum(),
        wall_ms: milliseconds(wall),
        operators,
    }
}
