//! No operator without a gradient check: whatever stands on the tape of a model must have one.

use engine::{Draws, Seed, Tape};
use models::{Document, Model, ModelConfig};
use ops::attention::{Options, registry};
use std::collections::BTreeSet;

/// Leaves: they are not computed.
const LEAVES: [&str; 2] = ["parameter", "input"];

/// The names on the tapes of models with every registered method: one document and a pair, with
/// more and fewer tokens than features, and without any; dropout on.
fn met() -> BTreeSet<&'static str> {
    let documents = [
        Document {
            positions: vec![0, 1, 3, 6, 7, 9],
            tokens: vec![4, 1, 1, 5, 2, 3],
        },
        Document::text(vec![3, 5]),
        Document::default(),
    ];
    let pairs = [[0, 1], [1, 2]].map(|pair| pair.map(|which: usize| documents[which].clone()));
    let examples = documents.iter().map(|document| vec![document.clone()]);
    let examples: Vec<_> = examples.chain(pairs.map(Vec::from)).collect();

    let mut names = BTreeSet::new();
    for entry in registry::<f64>() {
        for example in &examples {
            let config = ModelConfig {
                dim: 8,
                dropout: 0.25,
                ..ModelConfig::new(6, 10, 3, example.len())
            };
            let options = Options {
                features: 4,
                dropout: 0.25,
                ..Options::default()
            };
            let (model, params) = Model::new(config, entry.method(&options), Seed(3));
            let tape = Tape::traced();
            let bound = params.bind(&tape);
            let draws = Draws::live(Seed(3).stream("draws"));
            let dropout = Some(Seed(3).stream("dropout"));
            let loss = model.loss(&bound, example, 1, &draws, dropout);
            tape.backward(&loss);
            for record in tape.records() {
                // A leaf by its name has no parents, and a node without parents is a leaf.
                assert_eq!(LEAVES.contains(&record.name), record.parents.is_empty());
                names.insert(record.name);
            }
        }
    }
    names
}

#[test]
fn every_operator_on_the_tape_of_a_model_has_a_gradient_check() {
    let mut cases = ops::cases();
    cases.extend(engine::arithmetic::cases());
    let checked: BTreeSet<&str> = cases.iter().map(|case| case.operator).collect();
    let met = met();
    for name in [
        "embedding",
        "dropout",
        "skein",
        "softmax",
        "vmean",
        "pair",
        "cross_entropy",
    ] {
        assert!(met.contains(name), "no {name} among {met:?}");
    }
    for name in met.iter().filter(|name| !LEAVES.contains(name)) {
        assert!(checked.contains(name), "{name} has no gradient check");
    }
}
