//! S3Attention, LM-Infinite, Spexphormer and its estimator against the plainest loops, written from their formulas and
//! not from the kernels: lengths, budgets, gaps between positions, ties and settings that the reference cases do not
//! hold.

use std::collections::BTreeMap;

use engine::check::{Checked, check, normal};
use engine::{Draw, Draws, Seed, Stream, Tape, Tensor, Var};
use ops::attention::lm_infinite::LmInfinite;
use ops::attention::s3::S3;
use ops::attention::spex_estimator::SpexEstimator;
use ops::attention::spexphormer::Spexphormer;
use ops::attention::{Attention, Inputs, LayerShape, Options, Place, find};
use ops::dropout::Dropout;

use crate::plain::*;

/// Columns of a head.
const P: usize = 5;
/// Shorter than every budget, ragged, and around the kernel's tiles: stretches of 32 rows, tiles of 256, 512 keys.
const LENGTHS: [usize; 8] = [1, 2, 3, 17, 64, 129, 257, 600];
const BUDGETS: [usize; 4] = [1, 6, 40, 2000];

/// One method on one example.
struct Setting<'a> {
    method: &'a dyn Attention<f64>,
    /// q, k, v.
    x: [Tensor<f64>; 3],
    positions: Vec<u32>,
    padded_length: usize,
    parameters: Vec<(&'static str, Tensor<f64>)>,
    /// Draws that are not left to chance.
    given: BTreeMap<String, Draw>,
    stream: Stream,
    training: bool,
}

/// What came of it.
struct Run {
    output: Tensor<f64>,
    draws: BTreeMap<String, Draw>,
}

impl Run {
    fn indices(&self, what: &str, h: usize) -> Vec<usize> {
        match &self.draws[&Place::default().draw(what, h)] {
            Draw::Indices(indices) => indices.iter().map(|&i| i as usize).collect(),
            Draw::Numbers(_) => panic!("{what} holds numbers"),
        }
    }

    fn numbers(&self, what: &str, h: usize) -> Vec<f64> {
        match &self.draws[&Place::default().draw(what, h)] {
            Draw::Numbers(numbers) => numbers.clone(),
            Draw::Indices(_) => panic!("{what} holds indices"),
        }
    }
}

impl<'a> Setting<'a> {
    /// n tokens in a row, no padding.
    fn new(method: &'a dyn Attention<f64>, n: usize) -> Setting<'a> {
        Setting::at(method, (0..n as u32).collect(), n)
    }

    fn at(
        method: &'a dyn Attention<f64>,
        positions: Vec<u32>,
        padded_length: usize,
    ) -> Setting<'a> {
        let n = positions.len();
        let stream = Seed(53).stream("sparse").at(n);
        let shape = LayerShape {
            positions: padded_length,
            heads: HEADS,
            head_width: P,
        };
        Setting {
            method,
            x: ["q", "k", "v"].map(|name| normal(stream.stream(name), n, HEADS * P)),
            positions,
            padded_length,
            parameters: method.parameters(shape, stream.stream("parameters")),
            given: BTreeMap::new(),
            stream,
            training: false,
        }
    }

    /// Parameters that are trained, anywhere but where they start.
    fn trained_away(mut self) -> Setting<'a> {
        for (name, value) in &mut self.parameters {
            if self.method.trains(name) {
                let moved = normal(self.stream.stream(name), value.rows(), value.cols());
                *value = Tensor::from_fn(value.rows(), value.cols(), |i, j| {
                    0.5 + 0.5 * moved.row(i)[j]
                });
            }
        }
        self
    }

    fn parameter(&self, name: &str) -> &[f64] {
        let found = self.parameters.iter().find(|(own, _)| *own == name);
        found.unwrap().1.data()
    }

    fn forward<'t>(&self, x: &[Var<'t, f64>], own: &[Var<'t, f64>], draws: &Draws) -> Var<'t, f64> {
        self.method.forward(&Inputs {
            q: Some(&x[0]),
            k: Some(&x[1]),
            v: &x[2],
            heads: HEADS,
            positions: &self.positions,
            padded_length: self.padded_length,
            parameters: own,
            draws,
            place: Place::default(),
            dropout: self.training.then(|| self.stream.stream("dropout")),
        })
    }

    fn run(&self) -> Run {
        let tape = Tape::forward_only();
        let x = self.x.each_ref().map(|x| tape.leaf("input", x.clone()));
        let own = self
            .parameters
            .iter()
            .map(|(name, value)| tape.leaf(name, value.clone()));
        let own: Vec<_> = own.collect();
        let draws = Draws::replay(self.stream.stream("draws"), self.given.clone());
        let output = self.forward(&x, &own, &draws).into_value();
        Run {
            output,
            draws: draws.recorded(),
        }
    }

    /// The gradients of q, k, v and of all parameters that are trained, against differences, at frozen draws.
    fn check(&self) -> Vec<Checked> {
        let frozen = self.run().draws;
        let mut inputs: Vec<_> = ["q", "k", "v"]
            .into_iter()
            .zip(self.x.iter().cloned())
            .collect();
        let trained = self
            .parameters
            .iter()
            .filter(|(name, _)| self.method.trains(name));
        inputs.extend(trained.cloned());
        check("method", self.stream, &inputs, |tape, x| {
            let mut trained = x[3..].iter().cloned();
            let own = self
                .parameters
                .iter()
                .map(|(name, value)| match self.method.trains(name) {
                    true => trained.next().unwrap(),
                    false => tape.leaf(name, value.clone()),
                });
            let own: Vec<_> = own.collect();
            let draws = Draws::replay(self.stream.stream("draws"), frozen.clone());
            self.forward(&x[..3], &own, &draws)
        })
        .unwrap_or_else(|failure| panic!("{failure}"))
    }

    /// q, k, v of one head.
    fn head(&self, h: usize) -> [Rows; 3] {
        heads(&self.x, h)
    }

    /// Softmax attention.
    fn exact(&self) -> [Rows; HEADS] {
        [0, 1].map(|h| {
            let [q, k, v] = self.head(h);
            q.iter().map(|q| mix(&probabilities(q, &k), &v)).collect()
        })
    }
}

fn build(name: &str, features: usize) -> Box<dyn Attention<f64>> {
    find::<f64>(name).unwrap().method(&Options {
        features,
        dropout: 0.25,
        ..Options::default()
    })
}

/// n positions with gaps: single ones, runs, and a gap before the first; and a length above them.
fn gaps(n: usize) -> (Vec<u32>, usize) {
    let position = |i: usize| 3 + i + i / 4 + 9 * (i / 11);
    let positions = (0..n).map(|i| position(i) as u32).collect();
    (positions, position(n) + 3)
}

fn norms(checked: &[Checked]) -> BTreeMap<&str, f64> {
    checked
        .iter()
        .map(|input| (input.input.as_str(), input.norm))
        .collect()
}

/// R_t x.
fn turned(t: f64, x: &[f64]) -> Vec<f64> {
    let half = x.len() / 2;
    let mut y = x.to_vec();
    for c in 0..half {
        let angle = t * 10000f64.powf(-(c as f64) / half as f64);
        y[c] = angle.cos() * x[c] - angle.sin() * x[half + c];
        y[half + c] = angle.sin() * x[c] + angle.cos() * x[half + c];
    }
    y
}

/// Every pair by itself: seen or not, at its own distance or at the ceiling.
fn lm_infinite(method: &LmInfinite, setting: &Setting<'_>) -> [Rows; HEADS] {
    let t = |i: usize| f64::from(setting.positions[i]);
    let (w, d) = (method.window as f64, method.ceiling as f64);
    [0, 1].map(|h| {
        let [q, k, v] = setting.head(h);
        let n = q.len();
        let row = |i: usize| {
            let logit = |j: usize| {
                let distance = t(j) - t(i);
                if distance.abs() >= w && j >= method.globals {
                    return f64::NEG_INFINITY;
                }
                let angle = if method.rotary {
                    distance.clamp(-d, d)
                } else {
                    0.0
                };
                dot(&q[i], &turned(angle, &k[j])) / (P as f64).sqrt()
            };
            let logits: Vec<f64> = (0..n).map(logit).collect();
            mix(&softmax(&logits), &v)
        };
        (0..n).map(row).collect()
    })
}

/// Window, first tokens, ceiling: as registered, more first tokens than the window holds, none, far too many of both.
const WINDOWS: [(usize, usize, usize); 8] = [
    (1, 10, 1),
    (3, 10, 3),
    (20, 10, 20),
    (20, 10, 19),
    (40, 0, 40),
    (7, 300, 6),
    (300, 400, 300),
    (1_000_000, 10, 1_000_000),
];

fn windows() -> impl Iterator<Item = LmInfinite> {
    WINDOWS.into_iter().flat_map(|(window, globals, ceiling)| {
        [true, false].map(|rotary| LmInfinite {
            window,
            globals,
            ceiling,
            rotary,
        })
    })
}

#[test]
fn lm_infinite_equals_its_pairs() {
    for method in windows() {
        for n in LENGTHS {
            let (positions, length) = gaps(n);
            for setting in [
                Setting::new(&method, n),
                Setting::at(&method, positions, length),
            ] {
                let what = format!("{method:?}, n = {n} of {}", setting.padded_length);
                assert_close(
                    &setting.run().output,
                    &lm_infinite(&method, &setting),
                    &what,
                );
            }
        }
    }
}

#[test]
fn registered_windows_are_half_the_budget() {
    for (name, rotary) in [("lm-infinite", true), ("lambda-mask", false)] {
        for d in [1, 2, 16, 129] {
            let window = (d / 2).max(1);
            let method = LmInfinite {
                window,
                globals: 10,
                ceiling: window,
                rotary,
            };
            let (registered, same) = (build(name, d), Setting::new(&method, 150));
            let setting = Setting::new(&*registered, 150);
            assert_eq!(
                setting.run().output.data(),
                same.run().output.data(),
                "{name}, {d}"
            );
        }
    }
}

#[test]
fn a_window_of_everything_is_softmax_attention() {
    for n in LENGTHS {
        let [rotary, plain] = [true, false].map(|rotary| LmInfinite {
            window: n,
            globals: 10,
            ceiling: n,
            rotary,
        });
        let setting = Setting::new(&plain, n);
        assert_close(
            &setting.run().output,
            &setting.exact(),
            &format!("lambda-mask, n = {n}"),
        );

        let setting = Setting::new(&rotary, n);
        let want = [0, 1].map(|h| {
            let [q, k, v] = setting.head(h);
            let turn = |x: Rows| -> Rows { (0..n).map(|t| turned(t as f64, &x[t])).collect() };
            let (q, k) = (turn(q), turn(k));
            q.iter().map(|q| mix(&probabilities(q, &k), &v)).collect()
        });
        assert_close(
            &setting.run().output,
            &want,
            &format!("lm-infinite, n = {n}"),
        );
    }
}

#[test]
fn lm_infinite_has_right_gradients_with_gaps_and_on_both_sides_of_the_window() {
    for method in windows() {
        for n in [1, 2, 15, 75] {
            let (positions, length) = gaps(n);
            Setting::at(&method, positions, length).check();
        }
    }
}

#[test]
fn queries_of_zero_see_the_mean_of_what_they_see() {
    let n = 90;
    for method in windows() {
        let mut setting = Setting::new(&method, n);
        setting.x[0] = Tensor::zeros(n, HEADS * P);
        let want = [0, 1].map(|h| {
            let [_, _, v] = setting.head(h);
            let row = |i: usize| {
                let sees = |j: usize| i.abs_diff(j) < method.window || j < method.globals;
                let count = (0..n).filter(|&j| sees(j)).count() as f64;
                let weights: Vec<f64> = (0..n)
                    .map(|j| if sees(j) { 1.0 / count } else { 0.0 })
                    .collect();
                mix(&weights, &v)
            };
            (0..n).map(row).collect()
        });
        assert_close(&setting.run().output, &want, &format!("{method:?}"));
    }
}

/// Layer norm of rows over the columns of both heads.
fn normalised(rows: &[Rows; HEADS], gain: &[f64], bias: &[f64]) -> [Rows; HEADS] {
    let all = |i: usize| {
        rows.iter()
            .flat_map(|head| head[i].clone())
            .collect::<Vec<f64>>()
    };
    let normal = |i: usize| {
        let row = all(i);
        let mean = row.iter().sum::<f64>() / row.len() as f64;
        let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / row.len() as f64;
        let x = row.iter().map(|x| (x - mean) / (variance + 1e-5).sqrt());
        let x = x
            .zip(gain)
            .zip(bias)
            .map(|((x, gain), bias)| x * gain + bias);
        x.collect::<Vec<f64>>()
    };
    [0, 1].map(|h| {
        (0..rows[0].len())
            .map(|i| normal(i)[h * P..(h + 1) * P].to_vec())
            .collect()
    })
}

/// Both parts of S3, masks of dropout on their probabilities.
fn s3(setting: &Setting<'_>, method: &S3, tokens: &[usize], channels: &[usize]) -> [Rows; HEADS] {
    let mask = |h: usize, row: usize, probabilities: &mut [f64], columns: bool| {
        if setting.training {
            let stream = setting.stream.stream("dropout");
            let stream = if columns {
                stream.stream("channels")
            } else {
                stream
            };
            Dropout::new(method.dropout, stream.at(h).key()).apply(row, 0, probabilities);
        }
    };
    let rows = || {
        [0, 1].map(|h| {
            let [q, k, v] = setting.head(h);
            let [k, v] = [k, v].map(|x| -> Rows { tokens.iter().map(|&j| x[j].clone()).collect() });
            let row = |(i, q): (usize, &Vec<f64>)| {
                let mut p = probabilities(q, &k);
                mask(h, i, &mut p, false);
                mix(&p, &v)
            };
            q.iter().enumerate().map(row).collect::<Rows>()
        })
    };
    let columns = || {
        [0, 1].map(|h| {
            let [q, k, v] = setting.head(h);
            let n = q.len();
            let of_channel = |c: usize| {
                let logit =
                    |&s: &usize| (0..n).map(|i| q[i][c] * k[i][s]).sum::<f64>() / (n as f64).sqrt();
                let mut p = softmax(&channels.iter().map(logit).collect::<Vec<f64>>());
                mask(h, c, &mut p, true);
                p
            };
            let by_channel: Rows = (0..P).map(of_channel).collect();
            let entry = |i: usize, c: usize| {
                channels
                    .iter()
                    .zip(&by_channel[c])
                    .map(|(&s, p)| p * v[i][s])
                    .sum()
            };
            (0..n)
                .map(|i| (0..P).map(|c| entry(i, c)).collect())
                .collect::<Rows>()
        })
    };
    let norm = |part: &[Rows; HEADS], gain: &str, bias: &str| {
        normalised(part, setting.parameter(gain), setting.parameter(bias))
    };
    match (method.rows, method.columns) {
        (true, false) => norm(&rows(), "gain1", "bias1"),
        (false, true) => norm(&columns(), "gain2", "bias2"),
        _ => {
            let (rows, columns) = (
                norm(&rows(), "gain1", "bias1"),
                norm(&columns(), "gain2", "bias2"),
            );
            let half = |h: usize, i: usize, c: usize| (rows[h][i][c] + columns[h][i][c]) / 2.0;
            [0, 1].map(|h| {
                (0..rows[0].len())
                    .map(|i| (0..P).map(|c| half(h, i, c)).collect())
                    .collect()
            })
        }
    }
}

fn s3_parts() -> impl Iterator<Item = S3> {
    let parts = [
        ("s3", true, true),
        ("s3-rows", true, false),
        ("s3-columns", false, true),
    ];
    parts.into_iter().flat_map(|(name, rows, columns)| {
        BUDGETS.map(|features| {
            let method = S3 {
                features,
                rows,
                columns,
                dropout: 0.25,
            };
            // The registered one is this one.
            let (registered, same) = (build(name, features), Setting::new(&method, 20));
            let setting = Setting::new(&*registered, 20);
            assert_eq!(
                setting.run().output.data(),
                same.run().output.data(),
                "{name}"
            );
            method
        })
    })
}

#[test]
fn s3_equals_its_two_parts() {
    for method in s3_parts() {
        for n in LENGTHS {
            let (positions, length) = gaps(n);
            for setting in [
                Setting::new(&method, n),
                Setting::at(&method, positions, length),
            ] {
                for training in [false, true] {
                    let mut setting = Setting {
                        training,
                        ..Setting::at(&method, setting.positions.clone(), length)
                    };
                    setting = setting.trained_away();
                    let run = setting.run();
                    let what = format!("{method:?}, n = {n} of {length}, training: {training}");
                    // The first of the layer's order that the example has.
                    let order = |name: &str| setting.parameter(name).iter().map(|&t| t as u32);
                    let present = |t: u32| setting.positions.iter().position(|&s| s == t);
                    let [mut tokens, mut channels] = [Vec::new(), Vec::new()];
                    if method.rows {
                        tokens = order("order")
                            .filter_map(present)
                            .take(method.features)
                            .collect();
                        assert_eq!(run.indices("rows", 0), tokens, "{what}");
                        assert_eq!(tokens.len(), method.features.min(n), "{what}");
                    }
                    if method.columns {
                        channels = order("channel_order")
                            .map(|c| c as usize)
                            .take(method.features)
                            .collect();
                        assert_eq!(run.indices("channels", 0), channels, "{what}");
                        assert_eq!(channels.len(), method.features.min(P), "{what}");
                    }
                    assert_close(
                        &run.output,
                        &s3(&setting, &method, &tokens, &channels),
                        &what,
                    );
                }
            }
        }
    }
}

#[test]
fn s3_of_all_tokens_is_half_the_layer_norm_of_softmax_attention() {
    for n in LENGTHS {
        let method = build("s3", n);
        let mut setting = Setting::new(&*method, n);
        for (name, value) in &mut setting.parameters {
            if ["gain2", "bias2"].contains(name) {
                *value = Tensor::zeros(1, HEADS * P);
            }
        }
        let (ones, zeros) = ([0.5; HEADS * P], [0.0; HEADS * P]);
        let want = normalised(&setting.exact(), &ones, &zeros);
        assert_close(&setting.run().output, &want, &format!("s3, n = {n}"));
    }
}

#[test]
fn s3_has_right_gradients_and_none_of_its_orders() {
    for method in s3_parts() {
        for n in [1, 2, 15, 75] {
            let (positions, length) = gaps(n);
            let setting = Setting {
                training: true,
                ..Setting::at(&method, positions, length).trained_away()
            };
            let checked = setting.check();
            let norms = norms(&checked);
            assert!(!norms.contains_key("order") && !norms.contains_key("channel_order"));
            assert!(
                norms
                    .iter()
                    .filter(|(name, _)| name.len() > 1)
                    .all(|(_, &norm)| norm > 1e-3)
            );
        }
    }
}

#[test]
fn s3_keeps_its_tokens_and_channels_whatever_the_example() {
    let method = build("s3", 3);
    let [one, other] = [1, 2].map(|at| {
        let setting = Setting::new(&*method, 30);
        Setting {
            stream: setting.stream.at(at),
            ..setting
        }
        .run()
    });
    assert_eq!(one.indices("rows", 0), other.indices("rows", 0));
    assert_eq!(one.indices("channels", 0), other.indices("channels", 0));
    assert_eq!(one.draws.len(), 2, "one choice for both heads");
}

/// The candidates of row i, rising.
fn candidates(i: usize, n: usize, w: usize, permutations: &[usize]) -> Vec<usize> {
    let joined = |j: usize| permutations.chunks(n).any(|to| to[i] == j || to[j] == i);
    (0..n)
        .filter(|&j| i.abs_diff(j) <= w || joined(j))
        .collect()
}

#[test]
fn spexphormer_samples_its_candidates_and_attends_to_the_sample() {
    for features in BUDGETS {
        let method = build("spexphormer", features);
        for n in LENGTHS {
            let setting = Setting::new(&*method, n);
            let run = setting.run();
            let what = format!("spexphormer n = {n}, d = {features}");
            let (w, e) = (features / 4, (features / 8).max(1));
            let k = (features / 4).max(2).min(n);
            let permutations = run.indices("permutations", 0);
            assert_eq!(permutations.len(), e * n, "{what}");
            for to in permutations.chunks(n) {
                let mut sorted = to.to_vec();
                sorted.sort_unstable();
                assert!(sorted.into_iter().eq(0..n), "{what}");
            }
            let projection = run.numbers("projection", 0);
            assert_eq!(projection.len(), P * P, "{what}"); // p' = 8 at most p
            let project =
                |x: &Vec<f64>| -> Vec<f64> { projection.chunks(P).map(|a| dot(a, x)).collect() };

            let want = [0, 1].map(|h| {
                let [q, k_rows, v] = setting.head(h);
                let [a, b] = [&q, &k_rows].map(|x| x.iter().map(project).collect::<Rows>());
                let neighbours = run.indices("neighbours", h);
                assert_eq!(neighbours.len(), n * k, "{what}");
                let mut noted = run.numbers("probabilities", h).into_iter();
                (0..n)
                    .map(|i| {
                        let candidates = candidates(i, n, w, &permutations);
                        let logits = candidates
                            .iter()
                            .map(|&j| dot(&a[i], &b[j]) / (P as f64).sqrt());
                        let law = softmax(&logits.collect::<Vec<f64>>());
                        let off = law.iter().map(|p| (p - noted.next().unwrap()).abs());
                        assert!(off.fold(0.0, f64::max) < 1e-13, "{what}, row {i}");

                        let mut sample = neighbours[i * k..(i + 1) * k].to_vec();
                        sample.sort_unstable();
                        sample.dedup();
                        assert_eq!(sample.len(), k.min(candidates.len()), "{what}, row {i}");
                        assert!(
                            sample.iter().all(|j| candidates.contains(j)),
                            "{what}, row {i}"
                        );
                        let logits = sample
                            .iter()
                            .map(|&j| dot(&q[i], &k_rows[j]) / (P as f64).sqrt());
                        let values: Rows = sample.iter().map(|&j| v[j].clone()).collect();
                        mix(&softmax(&logits.collect::<Vec<f64>>()), &values)
                    })
                    .collect()
            });
            assert_close(&run.output, &want, &what);
        }
    }
}

/// Neighbours of one row are drawn by its probabilities: its single one follows them.
#[test]
fn a_single_neighbour_follows_the_estimate() {
    let n = 12;
    let method = Spexphormer {
        window: 2,
        permutations: 1,
        neighbours: 1,
        width: 3,
        fixed: false,
    };
    let mut setting = Setting::new(&method, n);
    let first = setting.run();
    for name in ["permutations", "projection"] {
        let name = Place::default().draw(name, 0);
        setting
            .given
            .insert(name.clone(), first.draws[&name].clone());
    }
    let permutations = first.indices("permutations", 0);
    let candidates = candidates(5, n, 2, &permutations);
    let before: usize = (0..5)
        .map(|i| self::candidates(i, n, 2, &permutations).len())
        .sum();
    let law = &first.numbers("probabilities", 0)[before..before + candidates.len()];
    let draws = 4000;
    let mut counts = vec![0.0; candidates.len()];
    for at in 0..draws {
        setting.stream = setting.stream.at(at);
        let drawn = setting.run().indices("neighbours", 0)[5];
        counts[candidates.iter().position(|&j| j == drawn).unwrap()] += 1.0;
    }
    for (count, p) in counts.iter().zip(law) {
        let (expected, error) = (
            f64::from(draws as u32) * p,
            (f64::from(draws as u32) * p * (1.0 - p)).sqrt(),
        );
        assert!(
            (count - expected).abs() < 4.0 * error,
            "{counts:?}, {law:?}"
        );
    }
}

#[test]
fn spexphormer_with_all_keys_is_softmax_attention() {
    for n in LENGTHS {
        let method = Spexphormer {
            window: n,
            permutations: 1,
            neighbours: n + 7,
            width: 8,
            fixed: false,
        };
        let setting = Setting::new(&method, n);
        assert_close(
            &setting.run().output,
            &setting.exact(),
            &format!("spexphormer n = {n}"),
        );
    }
}

#[test]
fn given_neighbours_are_a_set_in_any_order() {
    let (n, k) = (9, 4);
    let method = build("spexphormer", 8);
    let mut setting = Setting::new(&*method, n);
    // The same key again, and again not next to it.
    let rows: Vec<u32> = (0..n as u32)
        .flat_map(|i| [i, (i + 3) % 9, i, (i + 1) % 9])
        .collect();
    assert_eq!(rows.len(), n * k);
    for h in 0..HEADS {
        let name = Place::default().draw("neighbours", h);
        setting.given.insert(name, Draw::Indices(rows.clone()));
    }
    let want = [0, 1].map(|h| {
        let [q, k, v] = setting.head(h);
        let row = |i: usize| {
            let set = [i, (i + 3) % 9, (i + 1) % 9];
            let [k, v] = [&k, &v].map(|x| -> Rows { set.iter().map(|&j| x[j].clone()).collect() });
            mix(&probabilities(&q[i], &k), &v)
        };
        (0..n).map(row).collect()
    });
    assert_close(&setting.run().output, &want, "given neighbours");
    setting.check();
}

/// What a row of a layer's neighbours leaves in an example: the tokens at these positions, or the row itself.
#[test]
fn spex_static_sees_the_neighbours_that_hold_tokens() {
    for features in BUDGETS {
        let method = build("spex-static", features);
        for n in LENGTHS {
            let (positions, length) = gaps(n);
            for setting in [
                Setting::new(&*method, n),
                Setting::at(&*method, positions, length),
            ] {
                let what = format!("spex-static n = {n}, d = {features}");
                let neighbours: Vec<usize> = setting
                    .parameter("neighbours")
                    .iter()
                    .map(|&p| p as usize)
                    .collect();
                let count = (features / 4).max(2).min(setting.padded_length);
                assert_eq!(neighbours.len(), setting.padded_length * count, "{what}");
                let want = [0, 1].map(|h| {
                    let [q, k, v] = setting.head(h);
                    let row = |i: usize| {
                        let at = setting.positions[i] as usize;
                        let seen = &neighbours[at * count..(at + 1) * count];
                        let seen =
                            (0..n).filter(|&j| seen.contains(&(setting.positions[j] as usize)));
                        let mut seen: Vec<usize> = seen.collect();
                        if seen.is_empty() {
                            seen.push(i);
                        }
                        let [k, v] = [&k, &v]
                            .map(|x| -> Rows { seen.iter().map(|&j| x[j].clone()).collect() });
                        mix(&probabilities(&q[i], &k), &v)
                    };
                    (0..n).map(row).collect()
                });
                assert_close(&setting.run().output, &want, &what);
            }
        }
    }
}

#[test]
fn the_first_neighbours_of_spex_static_are_any_of_window_and_permutations() {
    let (n, w, e) = (400, 3, 2);
    let method = Spexphormer {
        window: w,
        permutations: e,
        neighbours: 5,
        width: 8,
        fixed: true,
    };
    let setting = Setting::new(&method, n);
    let mut outside = 0;
    for (i, row) in setting.parameter("neighbours").chunks(5).enumerate() {
        assert!(row.is_sorted_by(|a, b| a < b), "{row:?}");
        let far = row
            .iter()
            .filter(|&&j| (j as usize).abs_diff(i) > w)
            .count();
        assert!(far <= 2 * e, "{row:?}");
        outside += far;
    }
    // 5 of 11 candidates, of which 4 are ends outside of the window but for one in a hundred.
    let expected = (n * 5 * 4) as f64 / 11.0;
    assert!(
        (outside as f64 / expected - 1.0).abs() < 0.1,
        "{outside}, expected about {expected}"
    );
}

#[test]
fn spex_static_with_all_keys_is_softmax_attention() {
    for n in LENGTHS {
        let method = Spexphormer {
            window: n,
            permutations: 1,
            neighbours: n + 7,
            width: 8,
            fixed: true,
        };
        let setting = Setting::new(&method, n);
        let what = format!("spex-static n = {n}");
        assert_close(&setting.run().output, &setting.exact(), &what);
    }
}

#[test]
fn spex_static_is_spexphormer_with_its_neighbours() {
    for n in LENGTHS {
        let [one, other] = ["spex-static", "spexphormer"].map(|name| build(name, 24));
        let fixed = Setting::new(&*one, n);
        let mut drawn = Setting::new(&*other, n);
        let neighbours = fixed.parameter("neighbours").iter();
        let neighbours: Vec<u32> = neighbours.map(|&p| p as u32).collect();
        for h in 0..HEADS {
            let name = Place::default().draw("neighbours", h);
            drawn.given.insert(name, Draw::Indices(neighbours.clone()));
        }
        assert_eq!(fixed.run().output.data(), drawn.run().output.data());
    }
}

/// A file of weights may hold any number.
#[test]
fn numbers_that_are_no_positions_lead_nowhere() {
    let n = 9;
    let (positions, length) = gaps(n);
    for name in ["spex-static", "spex-estimator-fixed"] {
        let method = build(name, 8);
        let mut setting = Setting::at(&*method, positions.clone(), length);
        for (_, value) in setting
            .parameters
            .iter_mut()
            .filter(|(own, _)| !method.trains(own))
        {
            let wrong = [-1e300, 1e300, 0.5, -0.0, 4e9];
            let (rows, cols) = value.shape();
            *value = Tensor::from_fn(rows, cols, |i, j| wrong[(i + j) % 5]);
        }
        assert!(setting.run().output.data().iter().all(|y| y.is_finite()));
        // Position 0 holds no token: everybody is alone.
        if name == "spex-static" {
            assert_eq!(setting.run().output.data(), setting.x[2].data());
        }
    }
}

#[test]
fn spex_static_has_right_gradients_and_none_of_its_neighbours() {
    for (n, features) in [(1, 8), (2, 8), (15, 1), (40, 20), (40, 400)] {
        let method = build("spex-static", features);
        let (positions, length) = gaps(n);
        let checked = Setting::at(&*method, positions, length).check();
        assert_eq!(norms(&checked).len(), 3);
    }
}

#[test]
fn spexphormer_has_right_gradients() {
    for (n, features) in [(1, 8), (2, 8), (15, 1), (40, 20), (40, 400)] {
        let method = build("spexphormer", features);
        Setting::new(&*method, n).check();
    }
}

/// The edges of row i and their types: j is a token, and permutations are of all positions, or of the tokens alone.
fn edges(
    setting: &Setting<'_>,
    method: &SpexEstimator,
    permutations: &[usize],
    i: usize,
) -> Vec<(usize, usize)> {
    let n = setting.positions.len();
    let (positions, length): (Vec<usize>, usize) = match method.fixed {
        true => (
            setting.positions.iter().map(|&p| p as usize).collect(),
            setting.padded_length,
        ),
        false => ((0..n).collect(), n),
    };
    let at = positions[i];
    let mut edges = vec![(i, 2)];
    for j in (0..n).filter(|&j| j != i && at.abs_diff(positions[j]) <= method.window) {
        edges.push((j, 0));
    }
    for to in permutations.chunks(length) {
        let back = to.iter().position(|&p| p == at).unwrap();
        for end in [to[at], back] {
            edges.extend(positions.iter().position(|&p| p == end).map(|j| (j, 1)));
        }
    }
    edges
}

/// The edges of every row of a head, each with its share of the row's weight.
fn shares(
    setting: &Setting<'_>,
    method: &SpexEstimator,
    permutations: &[usize],
    h: usize,
) -> Vec<Vec<(usize, f64)>> {
    let (scale, bias) = (
        setting.parameter("edge_scale"),
        setting.parameter("edge_bias"),
    );
    let [q, k, _] = setting.head(h);
    let row = |i: usize| {
        let edges = edges(setting, method, permutations, i).into_iter();
        let weighed = edges.map(|(j, t)| {
            let l = dot(&q[i], &k[j]) / (P as f64).sqrt();
            let x = (l * scale[t] + bias[t]) / method.temperature;
            (j, x.clamp(-8.0, 8.0).exp())
        });
        let mut weighed: Vec<(usize, f64)> = weighed.collect();
        let sum = 1e-6 + weighed.iter().map(|(_, a)| a).sum::<f64>();
        weighed.iter_mut().for_each(|(_, a)| *a /= sum);
        weighed
    };
    (0..q.len()).map(row).collect()
}

/// Every edge by itself.
fn spex_estimator(
    setting: &Setting<'_>,
    method: &SpexEstimator,
    permutations: &[usize],
) -> [Rows; HEADS] {
    let length = setting.parameter("v_scale")[0];
    [0, 1].map(|h| {
        let [_, _, v] = setting.head(h);
        let row = |edges: Vec<(usize, f64)>| {
            let mut sum = vec![0.0; P];
            for (j, share) in edges {
                let size = dot(&v[j], &v[j]).sqrt();
                for (sum, v) in sum.iter_mut().zip(&v[j]) {
                    *sum += if size > 0.0 {
                        share * length * v / size
                    } else {
                        0.0
                    };
                }
            }
            sum
        };
        let rows = shares(setting, method, permutations, h);
        rows.into_iter().map(row).collect()
    })
}

#[test]
fn spex_estimator_equals_its_edges() {
    for features in [1, 6, 40, 400] {
        for (temperature, n) in [1.0, 0.1]
            .into_iter()
            .flat_map(|cold| LENGTHS.map(|n| (cold, n)))
        {
            let method = SpexEstimator {
                window: features / 4,
                permutations: (features / 8).max(1),
                temperature,
                fixed: false,
            };
            for setting in [
                Setting::new(&method, n),
                Setting::new(&method, n).trained_away(),
            ] {
                let run = setting.run();
                let permutations = run.indices("permutations", 0);
                assert_eq!(permutations.len(), method.permutations * n);
                let want = spex_estimator(&setting, &method, &permutations);
                assert_close(&run.output, &want, &format!("{method:?}, n = {n}"));
            }
            let registered = build("spex-estimator", features);
            let [one, other] = [&*registered as &dyn Attention<f64>, &method]
                .map(|method| Setting::new(method, n).run());
            let same = one.output.data() == other.output.data();
            assert_eq!(same, temperature == 1.0);
        }
    }
}

/// On one graph of positions, with and without gaps; and what is noted of it.
#[test]
fn spex_estimator_fixed_equals_its_edges_and_notes_their_shares() {
    for features in [1, 6, 40, 400] {
        let method = SpexEstimator::new(features, true);
        for n in LENGTHS {
            let (positions, length) = gaps(n);
            for setting in [
                Setting::new(&method, n).trained_away(),
                Setting::at(&method, positions, length).trained_away(),
            ] {
                let what = format!("{method:?}, n = {n}");
                let length = setting.padded_length;
                let constants = setting.parameter("permutations");
                assert_eq!(constants.len(), method.permutations * length, "{what}");
                let permutations: Vec<usize> = constants.iter().map(|&p| p as usize).collect();
                let run = setting.run();
                let want = spex_estimator(&setting, &method, &permutations);
                assert_close(&run.output, &want, &what);

                let constants = Tensor::from_slice(method.permutations, length, constants);
                let keys = method.keys(&constants); // (N, c)
                let columns = keys.len() / length;
                for h in 0..HEADS {
                    let noted = run.numbers("scores", h); // (n, c)
                    assert_eq!(noted.len(), n * columns, "{what}");
                    let rows = shares(&setting, &method, &permutations, h);
                    for (i, (noted, row)) in noted.chunks(columns).zip(rows).enumerate() {
                        let at = setting.positions[i] as usize;
                        let mut left = vec![0.0; length];
                        for (key, score) in keys[at * columns..].iter().zip(noted) {
                            left[*key as usize] += score;
                        }
                        for (j, share) in row {
                            left[setting.positions[j] as usize] -= share;
                        }
                        assert!(left.iter().all(|x| x.abs() < 1e-13), "{what}, row {i}");
                    }
                }
            }
        }
    }
}

#[test]
fn spex_estimator_fixed_is_the_plain_one_with_its_permutations() {
    for n in LENGTHS {
        let [fixed, plain] = [true, false].map(|fixed| SpexEstimator::new(24, fixed));
        let one = Setting::new(&fixed, n);
        let mut other = Setting::new(&plain, n);
        let permutations = one.parameter("permutations").iter();
        let permutations: Vec<u32> = permutations.map(|&p| p as u32).collect();
        let name = Place::default().draw("permutations", 0);
        other.given.insert(name, Draw::Indices(permutations));
        let [one, other] = [one, other].map(|setting| setting.run());
        assert_eq!(one.output.data(), other.output.data());
        for h in 0..HEADS {
            assert_eq!(one.numbers("scores", h), other.numbers("scores", h));
        }
    }
}

#[test]
fn spex_estimator_fixed_has_right_gradients_and_none_of_its_graph() {
    for n in [1, 2, 15, 40] {
        let method = build("spex-estimator-fixed", 16);
        let (positions, length) = gaps(n);
        let setting = Setting::at(&*method, positions, length).trained_away();
        let checked = setting.check();
        let norms = norms(&checked);
        assert!(!norms.contains_key("permutations"));
        assert!(
            n == 1 || norms.values().all(|&norm| norm > 1e-3),
            "{norms:?}"
        );
    }
}

#[test]
fn spex_estimator_has_right_gradients() {
    for n in [1, 2, 15, 40] {
        let method = build("spex-estimator", 16);
        let setting = Setting::new(&*method, n).trained_away();
        let checked = setting.check();
        let norms = norms(&checked);
        assert!(
            n == 1 || norms.values().all(|&norm| norm > 1e-3),
            "{norms:?}"
        );
    }
}

/// Exponents of ±17.9, ±10.7 and ±3.6, so that no difference reaches over a clamp.
#[test]
fn spex_estimator_has_right_gradients_where_exponents_are_clamped() {
    let method = SpexEstimator {
        window: 3,
        permutations: 2,
        temperature: 0.5,
        fixed: false,
    };
    let mut setting = Setting::new(&method, 40);
    for x in &mut setting.x[..2] {
        *x = Tensor::from_fn(40, HEADS * P, |i, j| 2.0 * x.row(i)[j].signum());
    }
    let checked = setting.check();
    assert!(norms(&checked).values().all(|&norm| norm > 1e-3));
}

#[test]
fn values_of_zero_have_no_direction_and_no_gradient() {
    let n = 20;
    let method = build("spex-estimator", 16);
    let mut setting = Setting::new(&*method, n);
    setting.x[2] = Tensor::zeros(n, HEADS * P);
    assert!(setting.run().output.data().iter().all(|&y| y == 0.0));
    let tape = Tape::new();
    let x = setting.x.each_ref().map(|x| tape.leaf("input", x.clone()));
    let own = setting
        .parameters
        .iter()
        .map(|(name, value)| tape.leaf(name, value.clone()));
    let own: Vec<_> = own.collect();
    let y = setting.forward(&x, &own, &Draws::live(setting.stream));
    let gradients = tape.backward_from(&y, normal(setting.stream.stream("dy"), n, HEADS * P));
    for leaf in x.iter().chain(&own) {
        assert!(gradients.of(leaf).data().iter().all(|&d| d == 0.0));
    }
}
