//! Whole models against PyTorch: logits, loss, and the losses of forty steps of AdamW, which no wrong gradient
//! survives.
//!
//! The cases in `tests/reference/` were computed in float64 with PyTorch from the formulas of the paper and agree with
//! the released code; token 0 is padding there. A case holds the parameters under the reference's names, four rows of
//! tokens with their labels, the indices the method drew, and what is expected.

use std::collections::{BTreeMap, HashMap};

use engine::{Draw, Draws, Params, Real, Seed, Tape, Tensor};
use models::{AdamW, Document, Model, ModelConfig, OneCycle, Pooling, load_safetensors};
use ops::attention::{Options, find};
use safetensors::SafeTensors;
use safetensors::tensor::serialize;

struct Case<'a> {
    file: SafeTensors<'a>,
    settings: HashMap<String, String>,
}

impl<'a> Case<'a> {
    fn read(bytes: &'a [u8]) -> Case<'a> {
        let settings = SafeTensors::read_metadata(bytes).unwrap().1;
        Case {
            file: SafeTensors::deserialize(bytes).unwrap(),
            settings: settings.metadata().clone().unwrap(),
        }
    }

    fn setting<S: std::str::FromStr<Err: std::fmt::Debug>>(&self, name: &str) -> S {
        self.settings[name].parse().unwrap()
    }

    fn numbers(&self, name: &str) -> Vec<f64> {
        let bytes = self.file.tensor(name).unwrap().data().as_chunks::<8>().0;
        bytes
            .iter()
            .map(|&bytes| f64::from_le_bytes(bytes))
            .collect()
    }

    fn indices(&self, name: &str) -> Vec<u32> {
        let bytes = self.file.tensor(name).unwrap().data().as_chunks::<8>().0;
        bytes
            .iter()
            .map(|&bytes| i64::from_le_bytes(bytes) as u32)
            .collect()
    }

    fn model<T: Real>(&self) -> (Model<T>, Params<T>) {
        let hidden = self.setting("hidden");
        let config = ModelConfig {
            dim: self.setting("dim"),
            hidden,
            head_hidden: hidden,
            heads: self.setting("heads"),
            layers: self.setting("layers"),
            pooling: match self.settings["pool"].as_str() {
                "padded" => Pooling::Padded,
                "mean" => Pooling::Mean,
                other => panic!("pooling {other}"),
            },
            dropout: 0.0,
            ..ModelConfig::new(
                self.setting("vocab"),
                self.setting("length"),
                self.setting("classes"),
                1 + usize::from(self.setting::<bool>("dual")),
            )
        };
        let name = match self.settings["attn"].as_str() {
            "softmax" => "softmax-nodrop",
            other => other,
        };
        let options = Options {
            features: self.setting("d"),
            dropout: 0.0,
            ..Options::default()
        };
        let method = find(name).unwrap().method(&options);
        let (model, mut params) = Model::new(config, method, Seed(0));
        let names = self.file.names();
        let parameters: Vec<_> = names
            .into_iter()
            .filter_map(|name| {
                Some((
                    name.strip_prefix("param.")?,
                    self.file.tensor(name).unwrap(),
                ))
            })
            .collect();
        load_safetensors(&mut params, &serialize(parameters, None).unwrap()).unwrap();
        (model, params)
    }

    /// The documents, the label and the draws of every row.
    fn rows(&self, documents: usize) -> Vec<(Vec<Document>, usize, BTreeMap<String, Draw>)> {
        let length: usize = self.setting("length");
        let document = |which: usize, row: usize| {
            let tokens = self.indices(&format!("tokens_{which}"));
            let real = (0..length as u32).zip(tokens[row * length..][..length].iter().copied());
            let (positions, tokens) = real.filter(|&(_, token)| token != 0).unzip();
            Document { positions, tokens }
        };
        let labels = self.indices("labels");
        let rows = labels.iter().enumerate().map(|(row, &label)| {
            let draws = self.file.names().into_iter().filter_map(|name| {
                let (before, after) = name.split_once(&format!(".row{row}."))?;
                Some((
                    format!("{before}.{after}"),
                    Draw::Indices(self.indices(name)),
                ))
            });
            let documents = (0..documents).map(|which| document(which, row)).collect();
            (documents, label as usize, draws.collect())
        });
        rows.collect()
    }
}

/// Euclidean distance relative to what is expected.
fn error(got: &[f64], want: &[f64]) -> f64 {
    let norm = |x: &mut dyn Iterator<Item = f64>| x.map(|x| x * x).sum::<f64>().sqrt();
    assert_eq!(got.len(), want.len());
    norm(&mut got.iter().zip(want).map(|(got, want)| got - want)) / norm(&mut want.iter().copied())
}

/// The worst error of the logits and of the mean loss, and the worst of the losses of the first `steps` steps with
/// either schedule. `moved` is added to one parameter first.
fn errors<T: Real>(bytes: &[u8], steps: usize, moved: f64) -> [f64; 2] {
    let case = Case::read(bytes);
    let (model, mut params) = case.model::<T>();
    params.values_mut()[4].data_mut()[0] += T::of(moved); // a weight of the first layer's queries
    let rows = case.rows(model.config().documents);

    // Mean loss, its gradients and all logits.
    let run = |params: &Params<T>| {
        let mut sums = params.zeros();
        let (mut loss, mut logits) = (0.0, Vec::new());
        let share = 1.0 / rows.len() as f64;
        for (documents, label, given) in &rows {
            let tape = Tape::new();
            let bound = params.bind(&tape);
            let draws = Draws::replay(Seed(0).stream("nothing else is drawn"), given.clone());
            let y = model.logits(&bound, documents, &draws, None);
            logits.extend(y.value().data().iter().map(|x| x.f64()));
            let is_drawn = |draw: &&Draw| matches!(draw, Draw::Indices(_));
            assert_eq!(
                draws.recorded().values().filter(is_drawn).count(),
                given.len()
            );
            let one = ops::cross_entropy(&y, *label);
            loss += one.item().f64() * share;
            let gradients = tape.backward_from(&one, Tensor::scalar(T::of(share)));
            bound.accumulate(gradients, &mut sums);
        }
        (loss, sums, logits)
    };
    let (loss, _, logits) = run(&params);
    let logits = error(&logits, &case.numbers("logits"));
    let forward = logits.max(error(&[loss], &case.numbers("loss")));

    let mut training: f64 = 0.0;
    for (cycled, expected) in [(false, "losses"), (true, "losses_cycled")] {
        let (peak, total) = (case.setting("lr"), case.setting("steps"));
        let schedule = OneCycle::new(peak, case.setting("warmup"), total, cycled).unwrap();
        let mut params = params.clone();
        let mut adamw = AdamW::new(&params, case.setting("weight_decay"));
        for (step, want) in case.numbers(expected).into_iter().enumerate().take(steps) {
            let (loss, sums, _) = run(&params);
            training = training.max(error(&[loss], &[want]));
            adamw
                .step(
                    &mut params,
                    &sums,
                    schedule.rate(step),
                    schedule.beta1(step),
                )
                .unwrap();
        }
    }
    [forward, training]
}

const SOFTMAX: &[u8] = include_bytes!("reference/model_softmax_dual_padded.safetensors");
const SKEIN: &[u8] = include_bytes!("reference/model_skein_single_mean_gaps.safetensors");

#[test]
fn double_precision_follows_pytorch_through_forty_steps() {
    for case in [SOFTMAX, SKEIN] {
        let [forward, training] = errors::<f64>(case, 40, 0.0);
        // Measured: 4e-16 and 4e-14 with AVX-512; the order of sums differs between CPUs.
        assert!(
            forward < 1e-14 && training < 1e-12,
            "{forward:e} {training:e}"
        );
    }
}

#[test]
fn single_precision_follows_pytorch_through_ten_steps() {
    for case in [SOFTMAX, SKEIN] {
        let [forward, training] = errors::<f32>(case, 10, 0.0);
        // Measured: 2e-7 and 5e-7.
        assert!(
            forward < 2e-6 && training < 1e-5,
            "{forward:e} {training:e}"
        );
    }
}

#[test]
fn one_weight_that_is_slightly_off_is_noticed() {
    for case in [SOFTMAX, SKEIN] {
        let [forward, training] = errors::<f64>(case, 40, 1e-6);
        assert!(
            forward > 1e-12 && training > 1e-10,
            "{forward:e} {training:e}"
        );
    }
}
