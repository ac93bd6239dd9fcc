//! Scores of the edges between positions, as `skein scores` writes them, and the neighbours that `spex-static` draws by
//! them: the second stage of Spexphormer (`ops::attention::spexphormer`).
//!
//! A safetensors file. Of every layer L, `layer_L.keys` (N, c), I32, has the keys of the row of every position, each
//! once, and `layer_L.scores` (N, c), F64, what each is worth: a row sums to 1. Rows of fewer keys are filled with
//! their own position and score 0. The metadata say under `skein_scores` which run they are of.
//!
//! A run keeps the bytes in its folder, since every epoch draws anew: it goes on without the file that it was given.

use crate::settings::source::Source;
use crate::terminal::error::{Error, Result};
use crate::train::source::read;
use engine::{Params, Seed, Stream};
use ops::sample::weighted;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView, serialize};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// The name of the copy in the folder of a run.
pub(crate) const COPY: &str = "scores.safetensors";
/// Where the metadata say what the scores are of.
const METADATA: &str = "skein_scores";
/// The end of the names of the parameters that are drawn.
const NEIGHBOURS: &str = ".mha.attn.neighbours";

/// The scores of all layers.
#[derive(Debug, PartialEq)]
pub(crate) struct Scores(Vec<Layer>);

/// Of one layer: keys and scores (N, c).
#[derive(Debug, PartialEq)]
struct Layer {
    positions: usize,
    keys: Vec<u32>,
    scores: Vec<f64>,
}

/// Scores, and the bytes they were read from.
pub(crate) struct Given {
    pub(crate) scores: Scores,
    pub(crate) bytes: Vec<u8>,
}

/// The scores that a setting names, if it does: those in the `folder` of a run that goes on, else those of the file.
///
/// # Errors
/// If they cannot be read, have other bytes than the settings say, or are no scores.
pub(crate) fn given(setting: &Source, folder: Option<&Path>) -> Result<Option<Given>> {
    let Source::File { file, sha256 } = setting else {
        return Ok(None);
    };
    // A run that was killed right at its beginning may have no copy yet.
    let copy = folder.map(|folder| folder.join(COPY));
    let kept = copy.as_deref().filter(|copy| copy.exists());
    let path = kept.unwrap_or(Path::new(file));
    let wrong = |error: Error| match (&copy, kept) {
        (Some(copy), Some(_)) => error.hint(format!(
            "every epoch draws by these scores: remove {} to read {file} again",
            copy.display()
        )),
        (Some(copy), None) => error.hint(format!(
            "every epoch draws by these scores, and the run has lost its copy: restore {}",
            copy.display()
        )),
        (None, _) => error,
    };
    let bytes = read("scores", sha256.as_deref(), path).map_err(wrong)?;
    let scores = Scores::parse(&bytes).map_err(|what| {
        let message = format!("{}: {what}", path.display());
        wrong(
            Error::failure(message)
                .hint("skein scores RUN --out FILE.safetensors writes such a file"),
        )
    })?;
    Ok(Some(Given { scores, bytes }))
}

impl Scores {
    /// Of the edges of every row of every layer, from key to score, which need not sum to 1.
    pub(crate) fn of(layers: Vec<Vec<BTreeMap<u32, f64>>>) -> Scores {
        Scores(layers.into_iter().map(Layer::of).collect())
    }

    /// The bytes of a file of them; `of` is what they are of, in JSON.
    pub(crate) fn to_bytes(&self, of: &str) -> Result<Vec<u8>> {
        let mut stored: Vec<(String, Dtype, [usize; 2], Vec<u8>)> = Vec::new();
        for (number, layer) in self.0.iter().enumerate() {
            let shape = [layer.positions, layer.columns()];
            let keys = layer
                .keys
                .iter()
                .flat_map(|&key| (key as i32).to_le_bytes());
            let scores = layer.scores.iter().flat_map(|score| score.to_le_bytes());
            let name = |what| format!("layer_{number}.{what}");
            stored.push((name("keys"), Dtype::I32, shape, keys.collect()));
            stored.push((name("scores"), Dtype::F64, shape, scores.collect()));
        }
        let views = stored.iter().map(|(name, dtype, shape, bytes)| {
            let view = TensorView::new(*dtype, shape.to_vec(), bytes);
            (name, view.expect("as many bytes as the shape asks for"))
        });
        // One entry: several would stand in an order of chance.
        let metadata = HashMap::from([(METADATA.to_string(), of.to_string())]);
        Ok(serialize(views, Some(metadata))?)
    }

    /// Whether the beginning of a file is that of one of these.
    pub(crate) fn begins(text: &str) -> bool {
        text.contains(&format!("{{\"__metadata__\":{{\"{METADATA}\":"))
    }

    /// Out of the bytes of a file, or what is wrong with it.
    fn parse(bytes: &[u8]) -> std::result::Result<Scores, String> {
        let file = SafeTensors::deserialize(bytes)
            .map_err(|error| format!("not a safetensors file: {error}"))?;
        let layers = (0..file.len() / 2).map(|number| {
            let tensor = |what: &str, dtype| {
                let name = format!("layer_{number}.{what}");
                let found = file.tensor(&name);
                let found = found.map_err(|_| format!("these are no scores: no tensor {name}"))?;
                match (found.dtype(), found.shape()) {
                    (of, &[rows, columns]) if of == dtype => Ok((rows, columns, found.data())),
                    (of, shape) => Err(format!(
                        "{name} has type {of:?} and shape {shape:?}, expected {dtype:?} and two dimensions"
                    )),
                }
            };
            let (rows, columns, keys) = tensor("keys", Dtype::I32)?;
            if rows == 0 || columns == 0 {
                return Err(format!(
                    "layer_{number}.keys has shape [{rows}, {columns}], expected at least one row and one column"
                ));
            }
            let (other_rows, other_columns, scores) = tensor("scores", Dtype::F64)?;
            if (rows, columns) != (other_rows, other_columns) {
                return Err(format!(
                    "layer_{number}.keys has shape [{rows}, {columns}], layer_{number}.scores \
                     [{other_rows}, {other_columns}]: expected the same"
                ));
            }
            let keys = numbers(keys, i32::from_le_bytes);
            let scores = numbers(scores, f64::from_le_bytes);
            let is_key = |&key: &i32| usize::try_from(key).is_ok_and(|key| key < rows);
            if let Some(key) = keys.iter().find(|key| !is_key(key)) {
                return Err(format!(
                    "layer_{number}.keys has {key}, expected positions below {rows}"
                ));
            }
            let is_score = |score: &f64| score.is_finite() && *score >= 0.0;
            if let Some(score) = scores.iter().find(|score| !is_score(score)) {
                return Err(format!(
                    "layer_{number}.scores has {score}, expected numbers from 0"
                ));
            }
            Ok(Layer {
                positions: rows,
                keys: keys.into_iter().map(|key| key as u32).collect(),
                scores,
            })
        });
        let layers = layers.collect::<std::result::Result<Vec<Layer>, String>>()?;
        match file.len() % 2 {
            0 => Ok(Scores(layers)),
            _ => Err(format!(
                "these are no scores: {} tensors, expected keys and scores of every layer",
                file.len()
            )),
        }
    }

    /// Refuses scores of another number of layers or positions than the model of these parameters has.
    pub(crate) fn refuse_other(&self, params: &Params<f32>, file: &Source) -> Result<()> {
        let model: Vec<usize> = neighbours(params)
            .map(|place| params.values()[place].rows())
            .collect();
        let own: Vec<usize> = self.0.iter().map(|layer| layer.positions).collect();
        if own == model {
            return Ok(());
        }
        let told = |layers: &[usize]| match layers.first() {
            Some(positions) => format!("{} layers of {positions} positions", layers.len()),
            None => "no layers".to_string(),
        };
        let message = format!(
            "{file} has scores of {}, the model has {}",
            told(&own),
            told(&model)
        );
        Err(Error::usage(message)
            .hint("--layers and --max-len must be those of the run whose scores they are"))
    }

    /// Draws all neighbours of a model anew, those of epoch `epoch`: in every row as many as it has columns, without
    /// replacement; where fewer keys have a score all of these, the last again and again, and the row itself where
    /// none has one. Every layer has a stream of its own.
    pub(crate) fn draw(&self, params: &mut Params<f32>, seed: Seed, epoch: usize) {
        let stream = seed.stream("neighbours").at(epoch);
        let places: Vec<usize> = neighbours(params).collect();
        for (number, (layer, place)) in self.0.iter().zip(places).enumerate() {
            let value = &mut params.values_mut()[place];
            let count = value.cols();
            value
                .data_mut()
                .copy_from_slice(&layer.draw(count, stream.at(number)));
        }
    }
}

/// The places of the parameters that are drawn, in the order of the layers.
fn neighbours(params: &Params<f32>) -> impl Iterator<Item = usize> {
    let names = params.iter().enumerate();
    names.filter_map(|(place, (name, _))| name.ends_with(NEIGHBOURS).then_some(place))
}

/// The numbers in `bytes`, which start anywhere.
fn numbers<N, const B: usize>(bytes: &[u8], read: impl Fn([u8; B]) -> N) -> Vec<N> {
    let (chunks, _) = bytes.as_chunks::<B>();
    chunks.iter().map(|&chunk| read(chunk)).collect()
}

impl Layer {
    fn of(rows: Vec<BTreeMap<u32, f64>>) -> Layer {
        let columns = rows.iter().map(BTreeMap::len).max().unwrap_or(0).max(1);
        let (mut keys, mut scores) = (Vec::new(), Vec::new());
        for (position, row) in rows.iter().enumerate() {
            let sum: f64 = row.values().sum();
            keys.extend(row.keys());
            scores.extend(row.values().map(|score| score / sum));
            keys.resize((position + 1) * columns, position as u32);
            scores.resize((position + 1) * columns, 0.0);
        }
        Layer {
            positions: rows.len(),
            keys,
            scores,
        }
    }

    fn columns(&self) -> usize {
        self.keys.len() / self.positions.max(1)
    }

    /// Neighbours (N, count).
    fn draw(&self, count: usize, stream: Stream) -> Vec<f32> {
        let generator = &mut stream.generator();
        let mut drawn = Vec::with_capacity(self.positions * count);
        let columns = self.columns().max(1);
        let rows = self.keys.chunks(columns).zip(self.scores.chunks(columns));
        for (position, (keys, scores)) in rows.enumerate() {
            let positive = scores.iter().filter(|&&score| score > 0.0).count();
            let chosen = weighted::without_replacement(scores, count.min(positive), generator);
            drawn.extend(chosen.iter().map(|&column| keys[column as usize] as f32));
            let last = match positive {
                0 => position as f32,
                _ => drawn[drawn.len() - 1],
            };
            drawn.resize((position + 1) * count, last);
        }
        drawn
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::Tensor;

    /// Three positions: a row of three keys, one of one, one of none.
    fn scores() -> Scores {
        let rows = vec![
            BTreeMap::from([(0, 1.0), (1, 2.0), (2, 1.0)]),
            BTreeMap::from([(2, 5.0)]),
            BTreeMap::new(),
        ];
        Scores::of(vec![rows.clone(), rows])
    }

    fn params(layers: usize, positions: usize, count: usize) -> Params<f32> {
        let mut params = Params::default();
        for layer in 0..layers {
            let name = format!("model.transformer_{layer}{NEIGHBOURS}");
            params.add(format!("other_{layer}"), Tensor::filled(1, 1, 0.5));
            params.add(name, Tensor::filled(positions, count, 9.0));
        }
        params
    }

    #[test]
    fn rows_sum_to_one_and_come_back_as_they_were_written() {
        let scores = scores();
        let layer = &scores.0[0];
        assert_eq!(layer.keys, [0, 1, 2, 2, 1, 1, 2, 2, 2]);
        assert_eq!(
            layer.scores,
            [0.25, 0.5, 0.25, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]
        );
        let bytes = scores.to_bytes("{\"task\":\"image\"}").unwrap();
        assert!(Scores::begins(&String::from_utf8_lossy(&bytes)));
        assert_eq!(Scores::parse(&bytes).unwrap(), scores);
        assert_eq!(scores.to_bytes("{\"task\":\"image\"}").unwrap(), bytes);
    }

    #[test]
    fn what_is_drawn_is_a_function_of_seed_epoch_and_layer() {
        let drawn = |seed, epoch| {
            let mut params = params(2, 3, 2);
            scores().draw(&mut params, Seed(seed), epoch);
            assert!(
                params
                    .values()
                    .iter()
                    .step_by(2)
                    .all(|other| other.item() == 0.5)
            );
            [1, 3].map(|place| params.values()[place].data().to_vec())
        };
        let of_rows = |drawn: &[f32]| {
            // All positive ones, the last again; and the row itself.
            assert_eq!(drawn[2..], [2.0, 2.0, 2.0, 2.0]);
            [drawn[0], drawn[1]]
        };
        assert_eq!(drawn(1, 3), drawn(1, 3));
        let mut counts = [0; 3];
        let mut differ = [false; 3];
        for epoch in 0..3000 {
            let [one, other] = drawn(1, epoch);
            let pair = of_rows(&one);
            assert!(pair[0] < pair[1], "{pair:?}");
            // The key that is left out.
            counts[3 - (pair[0] + pair[1]) as usize] += 1;
            differ[0] |= one != other;
            differ[1] |= one != drawn(1, epoch + 1)[0];
            differ[2] |= one != drawn(2, epoch)[0];
        }
        assert_eq!(differ, [true; 3]);
        // 0 and 2: 1/4 * 1/3 * 2; the others 1/2 * 1/2 + 1/4 * 2/3 = 5/12; three deviations are 82.
        for (count, expected) in counts.iter().zip([1250, 500, 1250]) {
            assert!(i32::abs(count - expected) < 90, "{counts:?}");
        }
        // As many as there are columns, if there are so many.
        let mut wide = params(2, 3, 3);
        scores().draw(&mut wide, Seed(1), 0);
        assert_eq!(wide.values()[1].data()[..6], [0.0, 1.0, 2.0, 2.0, 2.0, 2.0]);
    }

    #[test]
    fn files_that_are_no_scores_are_refused() {
        let file = |tensors: &[(&str, Dtype, &[usize], &[u8])]| {
            let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
                (
                    name,
                    TensorView::new(*dtype, shape.to_vec(), bytes).unwrap(),
                )
            });
            Scores::parse(&serialize(views, None).unwrap()).unwrap_err()
        };
        let keys = |keys: [i32; 2]| keys.map(i32::to_le_bytes).concat();
        let numbers = |scores: [f64; 2]| scores.map(f64::to_le_bytes).concat();
        let (right, scores) = (keys([0, 1]), numbers([1.0, 1.0]));
        let both = |keys: &[u8], scores: &[u8]| {
            file(&[
                ("layer_0.keys", Dtype::I32, &[2, 1], keys),
                ("layer_0.scores", Dtype::F64, &[2, 1], scores),
            ])
        };
        let whole = scores.as_slice();
        let cases = [
            (
                Scores::parse(b"no scores").unwrap_err(),
                "not a safetensors file: ",
            ),
            (
                file(&[
                    ("w", Dtype::I32, &[2, 1], &right),
                    ("v", Dtype::I32, &[2, 1], &right),
                ]),
                "these are no scores: no tensor layer_0.keys",
            ),
            (
                file(&[("layer_0.keys", Dtype::I32, &[2, 1], &right)]),
                "these are no scores: 1 tensors, expected keys and scores of every layer",
            ),
            (
                file(&[
                    ("layer_0.keys", Dtype::F64, &[2, 1], whole),
                    ("layer_0.scores", Dtype::F64, &[2, 1], whole),
                ]),
                "layer_0.keys has type F64 and shape [2, 1], expected I32 and two dimensions",
            ),
            (
                file(&[
                    ("layer_0.keys", Dtype::I32, &[2, 1], &right),
                    ("layer_0.scores", Dtype::F64, &[1, 2], whole),
                ]),
                "layer_0.keys has shape [2, 1], layer_0.scores [1, 2]: expected the same",
            ),
            (
                file(&[
                    ("layer_0.keys", Dtype::I32, &[2, 0], &[]),
                    ("layer_0.scores", Dtype::F64, &[2, 0], &[]),
                ]),
                "layer_0.keys has shape [2, 0], expected at least one row and one column",
            ),
            (
                both(&keys([0, 2]), whole),
                "layer_0.keys has 2, expected positions below 2",
            ),
            (
                both(&keys([-1, 0]), whole),
                "layer_0.keys has -1, expected positions below 2",
            ),
            (
                both(&right, &numbers([1.0, f64::NAN])),
                "layer_0.scores has NaN, expected numbers from 0",
            ),
            (
                both(&right, &numbers([-0.5, 1.0])),
                "layer_0.scores has -0.5, expected numbers from 0",
            ),
        ];
        for (told, expected) in cases {
            assert!(told.starts_with(expected), "{told}");
        }
    }

    #[test]
    fn scores_of_another_model_are_refused() {
        let file = Source::File {
            file: "s.safetensors".into(),
            sha256: None,
        };
        let told = |layers, positions| {
            let refused = scores().refuse_other(&params(layers, positions, 2), &file);
            refused.unwrap_err().to_string()
        };
        scores().refuse_other(&params(2, 3, 7), &file).unwrap();
        let start = "error: s.safetensors has scores of 2 layers of 3 positions, the model has ";
        for (layers, positions, of_model) in [
            (
                2,
                4,
                "2 layers of 4 positions\nhint: --layers and --max-len",
            ),
            (1, 3, "1 layers of 3 positions\n"),
            (0, 3, "no layers\n"),
        ] {
            let told = told(layers, positions);
            assert!(told.starts_with(&format!("{start}{of_model}")), "{told}");
        }
    }
}
