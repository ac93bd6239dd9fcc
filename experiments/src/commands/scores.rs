//! The scores that an estimator on a graph of positions has learned, averaged over the examples it was trained on: what
//! `spex-static` draws its neighbours by.
//!
//! With a_ij / z_i the share that row i of an example gives to an edge
//! ([`spex_estimator`](ops::attention::spex_estimator)), the score of an edge between two positions is the mean of its
//! shares over all examples in which the position of the row holds a token, and over the heads; edges between the same
//! two add up. Then every row is divided by its sum. A position that holds no token in any example has no scores.

use crate::files::out_file::{OutFile, Own};
use crate::settings::config::{Config, ESTIMATOR};
use crate::settings::product::ProductFlag;
use crate::terminal::error::{Error, Result};
use crate::terminal::output::{answer, fitted};
use crate::terminal::parse::{parse_count, parse_threads, threads};
use crate::terminal::progress::Progress;
use crate::train::data::{fingerprint, load_of_run};
use crate::train::scores::Scores;
use crate::train::trained::{Trained, Weights};
use crate::train::trainer::Trainer;
use clap::Args;
use datasets::shown;
use engine::{Draw, Params};
use models::Document;
use ops::attention::Place;
use ops::attention::spex_estimator::SpexEstimator;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

/// Below the flags.
const HELP: &str = "\
Writes keys and scores of every layer and position, for --scores of a run of
spex-static: the shares that the network gives to the edges of its graph, as a
mean over the train split and over its heads. The same bytes for any number of
threads; a file that is interrupted is not there.";

/// Averages the scores of a spex-estimator-fixed
#[derive(Args, Debug)]
#[command(after_help = HELP)]
struct Flags {
    /// Folder of a run of spex-estimator-fixed, ended or stopped
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// Where they are written
    #[arg(long, value_name = "FILE.safetensors")]
    out: PathBuf,
    /// Replace the file, if it is there and none of these
    #[arg(long)]
    overwrite: bool,
    /// Examples of the train split, drawn as in an evaluation; 0: all
    #[arg(long, value_name = "N", default_value = "0", value_parser = parse_count)]
    examples: usize,
    /// best, last, or the path of a .safetensors file [default: those of the test]
    #[arg(long, value_name = "best|last|FILE", value_parser = Weights::parse)]
    weights: Option<Weights>,
    /// Threads that share the work; the results do not depend on it [default: all cores]
    #[arg(long, value_name = "N", value_parser = parse_threads)]
    threads: Option<usize>,
    #[command(flatten)]
    product: ProductFlag,
}

/// What the scores are of.
#[derive(Serialize)]
struct Of<'a> {
    run: String,
    task: &'a str,
    attn: &'a str,
    features: usize,
    heads: usize,
    seed: u64,
    weights: &'a str,
    data: &'a str,
    data_sha256: &'a str,
    examples: usize,
}

/// `skein scores`.
pub(super) fn command() -> super::Command {
    let example = "skein scores runs/image-spex-estimator-fixed-s42 --out scores.safetensors";
    super::Command::new("scores", example, |flags: Flags| write(&flags))
}

fn write(flags: &Flags) -> Result<ExitCode> {
    let run = Trained::open(&flags.run)?;
    let mut config = run.config.clone();
    flags.product.over(&mut config.product);
    if config.attn != ESTIMATOR {
        let message = format!(
            "{} is a run of {}, expected one of {ESTIMATOR}",
            flags.run.display(),
            config.attn
        );
        return Err(Error::usage(message).hint(format!(
            "skein {} --attn {ESTIMATOR} --dim 4 --heads 1 trains one",
            config.task.name()
        )));
    }
    if flags.out.extension().is_none_or(|end| end != "safetensors") {
        let message = format!(
            "--out {}: expected a name that ends in .safetensors",
            flags.out.display()
        );
        return Err(Error::usage(message).hint("--scores of a run takes only such"));
    }
    let own = Own {
        what: "no scores",
        is: Scores::begins,
    };
    let out = OutFile::new(&flags.out, flags.overwrite, Some(&own))?;
    let data = load_of_run(&config)?;
    let data_sha256 = fingerprint(&data);
    run.refuse_other_data(&data_sha256)?;
    run.refuse_other_classes(&data)?;
    let mut trainer = Trainer::new(&config, data, threads(flags.threads))?;
    let weights = run.load(flags.weights.as_ref(), trainer.params_mut())?;

    let mut sums = Sums::of(trainer.params(), &config);
    let train = &trainer.data().train;
    let all = trainer.drawn(train, flags.examples).len();
    let mut progress = Progress::new(all, 0);
    let mut seen = 0;
    trainer.watch(train, flags.examples, |documents, drawn| {
        sums.add(documents, drawn);
        seen += 1;
        progress.at(seen);
        progress.examples(train.name, seen, all);
    });
    progress.finish();
    let of = Of {
        run: flags.run.display().to_string(),
        task: config.task.name(),
        attn: &config.attn,
        features: config.features,
        heads: config.heads,
        seed: config.seed,
        weights: &weights,
        data: &trainer.data().name,
        data_sha256: &data_sha256,
        examples: all,
    };
    let of = serde_json::to_string(&of)?;
    out.write(&sums.scores()?.to_bytes(&of)?)?;
    answer(&fitted(&format!(
        "weights   {weights}\nscores    of {} layers, means over {all} examples: {}\n",
        config.layers,
        shown::name(&flags.out)
    )))?;
    Ok(ExitCode::SUCCESS)
}

/// Shares of edges, summed over examples and heads: rows are divided by their sums in the end, which makes means of
/// them.
struct Sums {
    layers: Vec<Layer>,
    heads: usize,
    /// Whether every position has a row.
    pad: bool,
}

struct Layer {
    /// As [`SpexEstimator::keys`] has them, (N, c).
    keys: Vec<u32>,
    /// (N, c)
    sums: Vec<f64>,
    positions: usize,
}

impl Sums {
    /// Of nothing yet.
    fn of(params: &Params<f32>, config: &Config) -> Sums {
        let estimator = SpexEstimator::new(config.features, true);
        let own = params
            .iter()
            .filter(|(name, _)| name.ends_with(".mha.attn.permutations"));
        let layers = own.map(|(_, permutations)| {
            let keys = estimator.keys(permutations);
            Layer {
                sums: vec![0.0; keys.len()],
                keys,
                positions: permutations.cols(),
            }
        });
        Sums {
            layers: layers.collect(),
            heads: config.heads,
            pad: config.pad,
        }
    }

    /// Adds what was noted of an example; of a document without tokens there is nothing.
    fn add(&mut self, documents: &[Document], noted: &BTreeMap<String, Draw>) {
        for (number, layer) in self.layers.iter_mut().enumerate() {
            let columns = layer.keys.len() / layer.positions;
            for (which, head) in (0..documents.len())
                .flat_map(|which| (0..self.heads).map(move |head| (which, head)))
            {
                let place = Place {
                    document: which,
                    layer: number,
                };
                let Some(Draw::Numbers(scores)) = noted.get(&place.draw("scores", head)) else {
                    continue;
                };
                for (i, &position) in documents[which].positions.iter().enumerate() {
                    let position = position as usize;
                    let row = if self.pad { position } else { i };
                    let sums = &mut layer.sums[position * columns..][..columns];
                    for (sum, score) in sums.iter_mut().zip(&scores[row * columns..]) {
                        *sum += score;
                    }
                }
            }
        }
    }

    fn scores(&self) -> Result<Scores> {
        let sums = self.layers.iter().flat_map(|layer| &layer.sums);
        if let Some(sum) = sums.into_iter().find(|sum| !sum.is_finite()) {
            let message = format!("the scores are not finite: a sum is {sum}");
            return Err(
                Error::failure(message).hint("the weights are too large; --weights names others")
            );
        }
        let rows = |layer: &Layer| -> Vec<BTreeMap<u32, f64>> {
            let columns = layer.keys.len() / layer.positions;
            let rows = layer.keys.chunks(columns).zip(layer.sums.chunks(columns));
            rows.map(|(keys, sums)| {
                let mut row = BTreeMap::new();
                let edges = keys.iter().zip(sums).filter(|(_, sum)| **sum > 0.0);
                for (&key, sum) in edges {
                    *row.entry(key).or_insert(0.0) += sum;
                }
                row
            })
            .collect()
        };
        Ok(Scores::of(self.layers.iter().map(rows).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::choices::{Budget, Task};
    use datasets::{Dataset, Encoding, Example, Split};
    use engine::{Seed, Tape, Tensor};
    use safetensors::SafeTensors;

    const LENGTH: usize = 16;

    /// Texts of which every third byte or so is 0, which is no token.
    fn data() -> Dataset {
        let generator = &mut Seed(4).stream("texts").generator();
        let mut split = |name| Split {
            name,
            examples: (0..40)
                .map(|id| {
                    let byte = |_| match generator.below(3) {
                        0 => 0,
                        _ => generator.below(256) as u8,
                    };
                    Example {
                        id,
                        label: id % 2,
                        documents: vec![(0..[5, 14, 0][id % 3]).map(byte).collect()],
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
                mask_zero: true,
            },
            classes: vec!["neg".into(), "pos".into()],
            train: split("train"),
            dev: split("dev"),
            test: split("test"),
            notes: Vec::new(),
        }
    }

    /// The normalised scores (N, N) of the first layer, example by example and edge by edge.
    fn plain(trainer: &Trainer, config: &Config) -> Vec<Vec<f64>> {
        let params = trainer.params();
        let tape = Tape::forward_only();
        let bound = params.bind(&tape);
        let named = |name: &str| {
            let name = format!("model.{name}");
            &bound[params.find(&name).unwrap()]
        };
        let of_layer = |name: &str| named(&format!("transformer_0.{name}"));
        let permutations = of_layer("mha.attn.permutations").value();
        let (w, p) = (config.features / 4, config.dim / config.heads);
        let mut sums = vec![vec![0.0; LENGTH]; LENGTH];
        for example in &trainer.data().train.examples {
            let (positions, tokens) = example.tokens(0, &trainer.data().encoding);
            if tokens.is_empty() {
                continue;
            }
            let (words, places) = (
                named("embeddings.word_embeddings.weight"),
                named("embeddings.position_embeddings.weight"),
            );
            let x = ops::embedding(&tokens, &positions, words, places);
            let x = ops::layer_norm(&x, of_layer("norm1.weight"), of_layer("norm1.bias"));
            let [q, k] = ["W_q", "W_k"].map(|map| {
                let [weight, bias] =
                    ["weight", "bias"].map(|end| of_layer(&format!("mha.{map}.{end}")));
                ops::linear(&x, weight, bias)
            });
            for h in 0..config.heads {
                for (i, &at) in positions.iter().enumerate() {
                    // Of the graph all edges of this position, then those whose ends hold tokens.
                    let at = at as usize;
                    let mut keys: Vec<usize> =
                        (at.saturating_sub(w)..=(at + w).min(LENGTH - 1)).collect();
                    for e in 0..permutations.rows() {
                        let to: Vec<usize> =
                            permutations.row(e).iter().map(|&to| to as usize).collect();
                        keys.extend([to[at], to.iter().position(|&to| to == at).unwrap()]);
                    }
                    let weigh = |&key: &usize| {
                        let j = positions.iter().position(|&other| other as usize == key)?;
                        let head =
                            |x: &Tensor<f32>, row: usize| x.row(row)[h * p..(h + 1) * p].to_vec();
                        let products = head(q.value(), i).into_iter().zip(head(k.value(), j));
                        let dot: f64 = products.map(|(q, k)| f64::from(q) * f64::from(k)).sum();
                        Some((key, (dot / (p as f64).sqrt()).clamp(-8.0, 8.0).exp()))
                    };
                    let weights: Vec<(usize, f64)> = keys.iter().filter_map(weigh).collect();
                    let all = 1e-6 + weights.iter().map(|(_, a)| a).sum::<f64>();
                    for (key, a) in weights {
                        sums[at][key] += a / all;
                    }
                }
            }
        }
        for row in &mut sums {
            let sum: f64 = row.iter().sum();
            row.iter_mut()
                .for_each(|score| *score /= sum.max(f64::MIN_POSITIVE));
        }
        sums
    }

    #[test]
    fn scores_are_the_means_of_the_shares_of_every_edge() {
        for (heads, pad) in [(1, false), (2, false), (1, true)] {
            let config = Config {
                attn: ESTIMATOR.into(),
                features: 9,
                max_len: LENGTH,
                layers: 1,
                dim: 4,
                heads,
                pad,
                ..Task::Text.preset(Budget::Smoke)
            };
            let bytes = [1, 2].map(|threads| {
                let trainer = Trainer::new(&config, data(), threads).unwrap();
                let mut sums = Sums::of(trainer.params(), &config);
                let train = &trainer.data().train;
                trainer.watch(train, 0, |documents, noted| sums.add(documents, noted));
                (sums.scores().unwrap().to_bytes("{}").unwrap(), trainer)
            });
            assert!(bytes[0].0 == bytes[1].0, "two threads give other bytes");
            let [(bytes, trainer), _] = bytes;
            if pad {
                continue; // Whoever reads rows of padding sees other keys: that it works is enough.
            }
            let want = plain(&trainer, &config);
            let file = SafeTensors::deserialize(&bytes).unwrap();
            let [keys, scores] =
                ["keys", "scores"].map(|what| file.tensor(&format!("layer_0.{what}")).unwrap());
            assert_eq!(keys.shape(), scores.shape());
            assert_eq!(keys.shape()[0], LENGTH);
            let columns = keys.shape()[1];
            let (keys, _) = keys.data().as_chunks::<4>();
            let (scores, _) = scores.data().as_chunks::<8>();
            for (at, want) in want.iter().enumerate() {
                let mut got = [0.0; LENGTH];
                for column in at * columns..(at + 1) * columns {
                    let key = i32::from_le_bytes(keys[column]) as usize;
                    let score = f64::from_le_bytes(scores[column]);
                    assert!(got[key] == 0.0 || score == 0.0, "a key comes once");
                    got[key] += score;
                }
                for (got, want) in got.iter().zip(want) {
                    // Measured: 2e-8.
                    assert!(
                        (got - want).abs() < 1e-6,
                        "row {at}: {got}, expected {want}"
                    );
                }
                // The last two positions hold no token in any example.
                let sum: f64 = got.iter().sum();
                let expected = if at < 14 { 1.0 } else { 0.0 };
                assert!((sum - expected).abs() < 1e-12, "row {at}: {sum}");
            }
        }
    }
}
