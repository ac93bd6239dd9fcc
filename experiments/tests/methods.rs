//! Every registered method trains, gives the same bits on one thread and on two, and goes on from a
//! saved state as if it had never stopped; following the released code or not.

use datasets::{Dataset, Encoding, Example, Split};
use engine::Seed;
use experiments::settings::choices::{Budget, Protocol, Task};
use experiments::settings::config::Config;
use experiments::train::trainer::Trainer;
use ops::attention::names;
use std::ops::ControlFlow;

/// A few random texts of ragged lengths, the shortest of one byte.
fn data() -> Dataset {
    let generator = &mut Seed(4).stream("texts").generator();
    let split = |name, count, generator: &mut engine::Generator| Split {
        name,
        examples: (0..count)
            .map(|id| {
                let length = [1, 2, 37, 64, 50, 9][id % 6];
                let text = (0..length).map(|_| generator.below(256) as u8).collect();
                Example {
                    id,
                    label: id % 2,
                    documents: vec![text],
                }
            })
            .collect(),
    };
    Dataset {
        name: "random texts".into(),
        builtin: true,
        encoding: Encoding {
            offset: 1,
            vocabulary: 512,
            mask_zero: false,
        },
        classes: vec!["neg".into(), "pos".into()],
        train: split("train", 12, generator),
        dev: split("dev", 6, generator),
        test: split("test", 6, generator),
        notes: Vec::new(),
    }
}

fn bits(trainer: &Trainer) -> Vec<u32> {
    let values = trainer.params().values().iter();
    values
        .flat_map(|value| value.data().iter().map(|x| x.to_bits()))
        .collect()
}

#[test]
fn every_method_trains_resumes_and_gives_the_same_bits_on_one_thread_and_two() {
    for name in names() {
        for (protocol, pad) in [(Protocol::Clean, false), (Protocol::Paper, true)] {
            let config = Config {
                attn: name.into(),
                features: 8,
                steps: 3,
                batch: 5,
                warmup: 1,
                max_len: 64,
                protocol,
                pad,
                ..Task::Text.preset(Budget::Smoke)
            };
            let what = format!("{}, {protocol:?}", name);
            let trainer = |threads| Trainer::new(&config, data(), threads).unwrap();

            let mut one = trainer(1);
            let start = bits(&one);
            let losses: Vec<f64> = (0..3).map(|step| one.step(step).unwrap().loss).collect();
            assert!(
                losses.iter().all(|loss| loss.is_finite()),
                "{what}: {losses:?}"
            );
            assert!(bits(&one) != start, "{what}: training changes nothing");

            let mut two = trainer(2);
            let mut resumed = trainer(2);
            for (step, &loss) in losses.iter().enumerate() {
                assert_eq!(two.step(step).unwrap().loss, loss, "{what}: two threads");
                if step == 0 {
                    resumed.restore(two.state()).unwrap();
                } else {
                    resumed.step(step).unwrap();
                }
            }
            assert!(
                bits(&two) == bits(&one),
                "{what}: two threads give other bits than one"
            );
            assert!(
                bits(&resumed) == bits(&one),
                "{what}: a restored state gives other bits"
            );

            let dev = &one.data().dev;
            let evaluate = |trainer: &Trainer| {
                let outcome = trainer.evaluate(dev, 0, |_, _| ControlFlow::Continue(()));
                outcome.unwrap().unwrap()
            };
            let evaluation = evaluate(&one);
            assert!(
                evaluation.loss.is_finite() && evaluation.examples == 6,
                "{what}"
            );
            assert_eq!(evaluate(&two), evaluation, "{what}: evaluation");
        }
    }
}

/// Threads without an example of their own help with the tiles of a long one.
#[test]
fn a_batch_of_one_gives_the_same_bits_on_any_number_of_threads() {
    let mut data = data();
    for example in &mut data.train.examples {
        example.documents[0] = example.documents[0].repeat(700)[..700].into();
    }
    let config = Config {
        features: 300,
        batch: 1,
        max_len: 700,
        ..Task::Text.preset(Budget::Smoke)
    };
    let after = |threads| {
        let mut trainer = Trainer::new(&config, data.clone(), threads).unwrap();
        let steps = [0, 1, 2].map(|step| trainer.step(step).unwrap());
        (bits(&trainer), steps.map(|step| step.multiply_adds))
    };
    let one = after(1);
    for threads in [2, 3] {
        assert!(after(threads) == one, "{threads} threads");
    }
}
