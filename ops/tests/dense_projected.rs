//! Linformer, its unreduced sketch, Nyströmformer, Skyformer and kernelized attention against the
//! plainest dense loops: lengths, budgets, gaps and released behaviours that the reference cases do
//! not hold.

use engine::check::{Checked, check, normal};
use engine::{Draw, Draws, Seed, Stream, Tape, Tensor, Var};
use ops::attention::{Attention, Inputs, LayerShape, Options, Place, find};
use ops::dropout::Dropout;
use std::collections::BTreeMap;

use crate::plain::*;

/// Columns of a head.
const P: usize = 3;
/// Around the kernels' tiles and blocks too: 256 rows, 256 and 512 keys.
const LENGTHS: [usize; 8] = [1, 2, 3, 17, 129, 257, 513, 700];

/// One method on one example.
struct Setting {
    method: Box<dyn Attention<f64>>,
    /// q, k, v.
    x: [Tensor<f64>; 3],
    positions: Vec<u32>,
    padded_length: usize,
    stream: Stream,
    training: bool,
}

/// What came of it.
struct Run {
    output: Tensor<f64>,
    draws: BTreeMap<String, Draw>,
}

impl Setting {
    /// n tokens in a row, no padding.
    fn new(name: &str, options: Options, n: usize) -> Setting {
        let stream = Seed(41).stream(name).at(n);
        Setting {
            method: find::<f64>(name).unwrap().method(&options),
            x: ["q", "k", "v"].map(|name| normal(stream.stream(name), n, HEADS * P)),
            positions: (0..n as u32).collect(),
            padded_length: n,
            stream,
            training: false,
        }
    }

    fn with_positions(mut self, positions: Vec<u32>, padded_length: usize) -> Setting {
        assert_eq!(positions.len(), self.positions.len());
        (self.positions, self.padded_length) = (positions, padded_length);
        self
    }

    fn parameters(&self) -> Vec<(&'static str, Tensor<f64>)> {
        let shape = LayerShape {
            positions: self.padded_length,
            heads: HEADS,
            head_width: P,
        };
        self.method
            .parameters(shape, self.stream.stream("parameters"))
    }

    fn forward<'t>(&self, x: &[Var<'t, f64>], draws: &Draws) -> Var<'t, f64> {
        self.method.forward(&Inputs {
            q: Some(&x[0]),
            k: Some(&x[1]),
            v: &x[2],
            heads: HEADS,
            positions: &self.positions,
            padded_length: self.padded_length,
            parameters: &x[3..],
            draws,
            place: Place::default(),
            dropout: self.training.then(|| self.stream.stream("dropout")),
        })
    }

    fn run(&self) -> Run {
        let tape = Tape::forward_only();
        let own = self.parameters().into_iter().map(|(_, value)| value);
        let x: Vec<_> = self.x.iter().cloned().chain(own).collect();
        let x: Vec<_> = x.into_iter().map(|x| tape.leaf("input", x)).collect();
        let draws = Draws::recording(self.stream.stream("draws"));
        let output = self.forward(&x, &draws).into_value();
        Run {
            output,
            draws: draws.recorded(),
        }
    }

    /// The gradients with respect to q, k, v and the method's own parameters, against differences.
    fn check(&self) -> Vec<Checked> {
        let frozen = self.run().draws;
        let names = ["q", "k", "v"].into_iter();
        let mut inputs: Vec<_> = names.zip(self.x.iter().cloned()).collect();
        inputs.extend(self.parameters());
        check("method", self.stream, &inputs, |_, x| {
            let draws = Draws::replay(self.stream.stream("draws"), frozen.clone());
            self.forward(x, &draws)
        })
        .unwrap_or_else(|failure| panic!("{failure}"))
    }

    /// q, k, v of one head.
    fn head(&self, h: usize) -> [Rows; 3] {
        heads(&self.x, h)
    }
}

fn options(features: usize, released: bool) -> Options {
    Options {
        features,
        dropout: 0.25,
        released,
    }
}

fn rows(x: &Tensor<f64>) -> Rows {
    (0..x.rows()).map(|i| x.row(i).to_vec()).collect()
}

fn all_probabilities(q: &Rows, k: &Rows) -> Rows {
    q.iter().map(|q| probabilities(q, k)).collect()
}

fn product(a: &Rows, b: &Rows) -> Rows {
    let column = |row: &[f64], c: usize| row.iter().zip(b).map(|(a, b)| a * b[c]).sum();
    a.iter()
        .map(|row| (0..b[0].len()).map(|c| column(row, c)).collect())
        .collect()
}

fn transpose(a: &Rows) -> Rows {
    (0..a[0].len())
        .map(|j| a.iter().map(|row| row[j]).collect())
        .collect()
}

/// c I - A
fn minus(c: f64, a: &Rows) -> Rows {
    let entry = |i, j| if i == j { c } else { 0.0 };
    (0..a.len())
        .map(|i| (0..a.len()).map(|j| entry(i, j) - a[i][j]).collect())
        .collect()
}

fn largest_column_sum(a: &Rows) -> f64 {
    let sums = transpose(a).into_iter().map(|column| column.iter().sum());
    sums.fold(f64::NEG_INFINITY, f64::max)
}

/// Six times z <- z (13 - az (15 - az (7 - az))) / 4 from Aᵀ / c.
fn pseudo_inverse(a: &Rows, c: f64) -> Rows {
    let scaled = |a: Rows, s: f64| -> Rows {
        a.into_iter()
            .map(|row| row.into_iter().map(|x| x * s).collect())
            .collect()
    };
    let mut z = scaled(transpose(a), 1.0 / c);
    for _ in 0..6 {
        let az = product(a, &z);
        let inner = minus(15.0, &product(&az, &minus(7.0, &az)));
        z = scaled(product(&z, &minus(13.0, &product(&az, &inner))), 0.25);
    }
    z
}

fn differs(a: &Tensor<f64>, b: &Tensor<f64>) -> bool {
    a.data()
        .iter()
        .zip(b.data())
        .any(|(a, b)| (a - b).abs() > 1e-6)
}

/// n positions below `length` with gaps: single ones, runs, and a gap before the first.
fn gaps(n: usize) -> (Vec<u32>, usize) {
    let position = |i: usize| i + i / 5 + 2 * (i / 17) + 1;
    let positions = (0..n).map(|i| position(i) as u32).collect();
    (positions, position(n) + 3)
}

#[test]
fn linformer_mixes_the_columns_of_its_positions() {
    for name in ["linformer", "linformer-fixed"] {
        for n in LENGTHS {
            for features in [1, 5, 40] {
                let setting = || Setting::new(name, options(features, false), n);
                let (positions, length) = gaps(n);
                for setting in [setting(), setting().with_positions(positions, length)] {
                    let e = rows(&setting.parameters()[0].1);
                    assert_eq!(
                        (e.len(), e[0].len()),
                        (HEADS * features, setting.padded_length)
                    );
                    let want = [0, 1].map(|h| {
                        let [q, k, v] = setting.head(h);
                        let used = |row: &Vec<f64>| -> Vec<f64> {
                            setting
                                .positions
                                .iter()
                                .map(|&at| row[at as usize])
                                .collect()
                        };
                        let e: Rows = e[h * features..(h + 1) * features]
                            .iter()
                            .map(used)
                            .collect();
                        product(&all_probabilities(&q, &product(&e, &k)), &product(&e, &v))
                    });
                    let what = format!("{name}, n = {n} of {}", setting.padded_length);
                    assert_close(&setting.run().output, &want, &what);
                }
            }
        }
    }
}

#[test]
fn linformers_gradient_reaches_the_columns_in_use_alone() {
    for n in [1, 2, 30, 300] {
        let (positions, length) = gaps(n);
        let options = options(4, false);
        let setting = Setting::new("linformer", options, n).with_positions(positions, length);
        let checked = setting.check();
        assert_eq!(checked.len(), 4);
        assert!(checked.iter().all(|input| input.norm > 1e-6), "{checked:?}");

        let tape = Tape::new();
        let (_, e) = setting.parameters().remove(0);
        let x: Vec<_> = setting.x.iter().cloned().chain([e]).collect();
        let x: Vec<_> = x.into_iter().map(|x| tape.leaf("input", x)).collect();
        let y = setting.forward(&x, &Draws::live(setting.stream));
        let cotangent = normal(setting.stream.stream("cotangent"), n, HEADS * P);
        let de = tape.backward_from(&y, cotangent).of(&x[3]);
        for i in 0..de.rows() {
            for (position, &de) in de.row(i).iter().enumerate() {
                let in_use = setting.positions.contains(&(position as u32));
                assert_eq!(de != 0.0, in_use, "n = {n}, row {i}, position {position}");
            }
        }
    }
}

#[test]
fn linformer_fixed_is_a_projection_that_nothing_trains() {
    let deviation = |name, released| {
        let (n, features) = (400, 64);
        let setting = Setting::new(name, options(features, released), n);
        let e = &setting.parameters()[0].1;
        e.norm() / (e.data().len() as f64).sqrt()
    };
    // 51200 numbers: relative error of the deviation 0.3 %.
    for (name, released, want) in [
        ("linformer", false, 0.02),
        ("linformer", true, 0.02),
        ("linformer-fixed", false, 0.125),
        ("linformer-fixed", true, 0.02),
    ] {
        let got = deviation(name, released);
        assert!(
            (got / want - 1.0).abs() < 0.015,
            "{name}, {released}: {got} for {want}"
        );
    }
    let run = |released| {
        Setting::new("linformer-fixed", options(8, released), 20)
            .run()
            .output
    };
    assert!(differs(&run(false), &run(true)));

    for (name, trains) in [("linformer", true), ("linformer-fixed", false)] {
        let setting = Setting::new(name, options(8, false), 20);
        assert_eq!(setting.method.trains("e"), trains);
        let tape = Tape::new();
        let (_, e) = setting.parameters().remove(0);
        let x: Vec<_> = setting.x.iter().cloned().chain([e]).collect();
        let x: Vec<_> = x.into_iter().map(|x| tape.leaf("input", x)).collect();
        let y = setting.forward(&x, &Draws::live(setting.stream));
        let mut gradients = tape.backward_from(&y, normal(setting.stream, 20, HEADS * P));
        assert_eq!(gradients.take(&x[3]).is_some(), trains, "{name}");
        assert!(gradients.take(&x[2]).is_some());
    }
}

#[test]
fn linformer_jlt_sketches_the_values_of_exact_attention() {
    for n in LENGTHS {
        for features in [1, 5, 40] {
            let setting = Setting::new("linformer-jlt", options(features, false), n);
            let run = setting.run();
            let want = [0, 1].map(|h| {
                let [q, k, v] = setting.head(h);
                let Draw::Numbers(s) = &run.draws[&format!("s.doc0.layer0.head{h}")] else {
                    panic!("s are numbers")
                };
                assert_eq!(s.len(), n * features);
                let s: Rows = s.chunks(features).map(<[f64]>::to_vec).collect();
                let ps = product(&all_probabilities(&q, &k), &s);
                product(&ps, &product(&transpose(&s), &v))
            });
            let what = format!("linformer-jlt, n = {n}, r = {features}");
            assert_close(&run.output, &want, &what);
        }
    }
    Setting::new("linformer-jlt", options(5, false), 300).check();
}

#[test]
fn the_mean_of_linformer_jlt_over_its_draws_is_exact_attention() {
    let (n, features, draws) = (12, 6, 4000);
    let mut setting = Setting::new("linformer-jlt", options(features, false), n);
    let (mut sum, mut squares) = (vec![0.0; n * HEADS * P], vec![0.0; n * HEADS * P]);
    let stream = setting.stream;
    for draw in 0..draws {
        setting.stream = stream.at(draw);
        let output = setting.run().output;
        for ((y, sum), square) in output.data().iter().zip(&mut sum).zip(&mut squares) {
            *sum += y;
            *square += y * y;
        }
    }
    let exact = Setting {
        method: find::<f64>("softmax-nodrop")
            .unwrap()
            .method(&Options::default()),
        ..setting
    };
    let count = draws as f64;
    let exact = exact.run().output;
    let moments = sum.iter().zip(&squares).zip(exact.data());
    for ((sum, square), exact) in moments {
        let mean = sum / count;
        let error = ((square / count - mean * mean) / count).sqrt();
        // 72 entries, each beyond 4.5 standard errors with probability 7e-6.
        assert!(
            (mean - exact).abs() < 4.5 * error,
            "{mean} for {exact}, error {error}"
        );
    }
}

/// The rows of every landmark of n, and their number.
fn landmarks(n: usize, m: usize) -> Vec<(Vec<usize>, usize)> {
    (0..m)
        .map(|i| (i * n / m..(i + 1) * n / m).collect::<Vec<_>>())
        .map(|rows| (rows.clone(), rows.len()))
        .collect()
}

/// Both heads; `shared` as the released code divides.
fn nystrom(setting: &Setting, landmarks: &[(Vec<usize>, usize)], shared: bool) -> [Rows; HEADS] {
    let means = |x: &Rows| -> Rows {
        let mean = |(rows, length): &(Vec<usize>, usize)| {
            let sum = |c: usize| rows.iter().map(|&t| x[t][c]).sum::<f64>();
            (0..P).map(|c| sum(c) / *length as f64).collect()
        };
        landmarks.iter().map(mean).collect()
    };
    let a = [0, 1].map(|h| {
        let [q, k, _] = setting.head(h);
        all_probabilities(&means(&q), &means(&k))
    });
    let sums = [0, 1].map(|h| largest_column_sum(&a[h]));
    [0, 1].map(|h| {
        let [q, k, v] = setting.head(h);
        let c = if shared {
            sums[0].max(sums[1])
        } else {
            sums[h]
        };
        let mixed = product(&all_probabilities(&means(&q), &k), &v);
        let weighted = product(&pseudo_inverse(&a[h], c), &mixed);
        product(&all_probabilities(&q, &means(&k)), &weighted)
    })
}

fn exact(setting: &Setting) -> [Rows; HEADS] {
    [0, 1].map(|h| {
        let [q, k, v] = setting.head(h);
        product(&all_probabilities(&q, &k), &v)
    })
}

#[test]
fn nystrom_equals_the_dense_loop_and_exact_attention_when_every_row_is_a_landmark() {
    for n in LENGTHS {
        for m in [1, 2, 5, 30, 129] {
            let setting = Setting::new("nystrom", options(m, false), n);
            let want = match m >= n {
                true => exact(&setting),
                false => nystrom(&setting, &landmarks(n, m), false),
            };
            let what = format!("nystrom, n = {n}, m = {m}");
            assert_close(&setting.run().output, &want, &what);
        }
    }
    Setting::new("nystrom", options(20, false), 300).check();
}

#[test]
fn nystrom_as_released_averages_padding_and_divides_by_the_largest_sum_of_all_heads() {
    let m = 5;
    for (n, tail) in [(1, 9), (2, 0), (7, 0), (7, 23), (30, 40), (300, 100)] {
        let (positions, length) = gaps(n);
        let length = length + tail;
        let setting =
            Setting::new("nystrom", options(m, true), n).with_positions(positions, length);
        let places = landmarks(length, m);
        let rows_at = |places: &Vec<usize>| -> Vec<usize> {
            (0..n)
                .filter(|&t| places.contains(&(setting.positions[t] as usize)))
                .collect()
        };
        let padded: Vec<_> = places
            .iter()
            .map(|(places, length)| (rows_at(places), *length))
            .collect();
        let got = setting.run().output;
        let want = nystrom(&setting, &padded, true);
        assert_close(&got, &want, &format!("n = {n} of {length}"));
        setting.check();

        let plain = Setting::new("nystrom", options(m, false), n).run().output;
        assert!(
            differs(&got, &plain),
            "n = {n} of {length}: padding changes nothing"
        );
    }

    // Without padding the two differ in the scale alone.
    let setting = Setting::new("nystrom", options(m, true), 40);
    let got = setting.run().output;
    let landmarks = landmarks(40, m);
    assert_close(&got, &nystrom(&setting, &landmarks, true), "shared scale");
    let [shared, own] = [true, false].map(|shared| nystrom(&setting, &landmarks, shared));
    assert!(
        shared != own,
        "one scale for both heads changes one of them"
    );
    setting.check();
    // As many landmarks as padded rows: exact, whatever the tokens.
    let (positions, length) = gaps(6);
    let setting =
        Setting::new("nystrom", options(length, true), 6).with_positions(positions, length);
    assert_close(
        &setting.run().output,
        &exact(&setting),
        "as many landmarks as rows",
    );
}

/// exp(-|x - y|² / 2) of rows divided by width^¼.
fn gaussian(x: &Rows, y: &Rows, width: f64) -> Rows {
    let kernel = |x: &[f64], y: &[f64]| {
        let square: f64 = x
            .iter()
            .zip(y)
            .map(|(x, y)| ((x - y) / width.powf(0.25)).powi(2))
            .sum();
        (-square / 2.0).exp()
    };
    x.iter()
        .map(|x| y.iter().map(|y| kernel(x, y)).collect())
        .collect()
}

/// Both heads, with given samples; `released` as the released code scales.
fn skyformer(setting: &Setting, sampled: &[Vec<u32>; HEADS], released: bool) -> [Rows; HEADS] {
    let width = if released { 32.0 } else { P as f64 };
    let parts = [0, 1].map(|h| {
        let [q, k, v] = setting.head(h);
        let stacked: Rows = q.iter().chain(&k).cloned().collect();
        let s: Rows = sampled[h]
            .iter()
            .map(|&i| stacked[i as usize].clone())
            .collect();
        let mut m = gaussian(&s, &s, width);
        for (i, row) in m.iter_mut().enumerate() {
            row[i] += 0.1;
        }
        let sums: Vec<f64> = m.iter().map(|row| row.iter().sum()).collect();
        let normalised: Rows = (0..m.len())
            .map(|i| {
                (0..m.len())
                    .map(|j| m[i][j] / (sums[i] * sums[j]).sqrt())
                    .collect()
            })
            .collect();
        let left = product(&gaussian(&s, &k, width), &v);
        (gaussian(&q, &s, width), normalised, sums, left)
    });
    let largest = [0, 1].map(|h| largest_column_sum(&parts[h].1));
    [0, 1].map(|h| {
        let (right, normalised, sums, left) = &parts[h];
        let c = if released {
            largest[0].max(largest[1])
        } else {
            largest[h]
        };
        let scaled = |x: &Rows| -> Rows {
            let row = |(row, sum): (&Vec<f64>, &f64)| row.iter().map(|x| x / sum.sqrt()).collect();
            x.iter().zip(sums).map(row).collect()
        };
        let inner = scaled(&product(&pseudo_inverse(normalised, c), &scaled(left)));
        product(right, &inner)
    })
}

fn indices(run: &Run, name: &str) -> Vec<u32> {
    match &run.draws[name] {
        Draw::Indices(indices) => indices.clone(),
        Draw::Numbers(_) => panic!("{name} holds numbers"),
    }
}

#[test]
fn skyformer_equals_the_dense_loop() {
    for n in LENGTHS {
        for features in [1, 2, 7, 60] {
            let setting = Setting::new("skyformer", options(features, false), n);
            let run = setting.run();
            let sampled = [0, 1].map(|h| indices(&run, &format!("sampled.doc0.layer0.head{h}")));
            let d = (features / 2).max(1);
            for sampled in &sampled {
                let (queries, keys) = sampled.split_at(d / 2);
                assert_eq!(sampled.len(), d);
                assert!(queries.iter().all(|&i| (i as usize) < n));
                assert!(keys.iter().all(|&i| (n..2 * n).contains(&(i as usize))));
            }
            let want = skyformer(&setting, &sampled, false);
            let what = format!("skyformer, n = {n}, d = {d}");
            assert_close(&run.output, &want, &what);
        }
    }
    Setting::new("skyformer", options(20, false), 300).check();
}

#[test]
fn skyformer_as_released_shares_samples_and_scale_and_takes_heads_of_32_for_granted() {
    for n in [1, 2, 9, 40] {
        let setting = Setting::new("skyformer", options(20, true), n);
        let run = setting.run();
        assert_eq!(run.draws.len(), 1, "one draw for both heads");
        let sampled = indices(&run, "sampled.doc0.layer0.head0");
        let both = [sampled.clone(), sampled];
        let want = skyformer(&setting, &both, true);
        assert_close(&run.output, &want, &format!("n = {n}"));
        let plain = Setting::new("skyformer", options(20, false), n).run();
        assert_eq!(plain.draws.len(), 2);
        assert!(differs(&run.output, &plain.output), "n = {n}");
        setting.check();
    }
}

#[test]
fn kernelized_equals_the_dense_loop() {
    for n in LENGTHS {
        let setting = Setting::new("kernelized", options(1, false), n);
        let want = [0, 1].map(|h| {
            let [q, k, v] = setting.head(h);
            product(&gaussian(&q, &k, P as f64), &v)
        });
        let run = setting.run().output;
        assert_close(&run, &want, &format!("kernelized, n = {n}"));
        // Training drops nothing.
        let training = Setting {
            training: true,
            ..setting
        };
        assert_eq!(training.run().output.data(), run.data());
    }
    Setting::new("kernelized", options(1, false), 300).check();
}

#[test]
fn kernelized_as_released_drops_entries_of_the_kernel_in_training() {
    for n in [1, 2, 33, 300] {
        let mut setting = Setting::new("kernelized", options(1, true), n);
        let plain = Setting::new("kernelized", options(1, false), n)
            .run()
            .output;
        assert_eq!(
            setting.run().output.data(),
            plain.data(),
            "evaluation drops nothing"
        );
        setting.training = true;
        let want = [0, 1].map(|h| {
            let [q, k, v] = setting.head(h);
            let dropout = Dropout::new(0.25, setting.stream.stream("dropout").at(h).key());
            let mut kernel = gaussian(&q, &k, P as f64);
            for (i, row) in kernel.iter_mut().enumerate() {
                dropout.apply(i, 0, row);
            }
            product(&kernel, &v)
        });
        let got = setting.run().output;
        assert_close(&got, &want, &format!("n = {n}"));
        assert!(differs(&got, &plain));
        setting.check();
    }
}

#[test]
fn values_and_gradients_are_finite_in_f32_at_logits_of_80() {
    let (n, features) = (200, 64);
    let logit = (80.0 / (P as f64).sqrt()).sqrt();
    let names = [
        "linformer",
        "linformer-fixed",
        "linformer-jlt",
        "nystrom",
        "skyformer",
        "kernelized",
    ];
    for name in names {
        for released in [false, true] {
            let entry = find::<f32>(name).unwrap();
            let method = entry.method(&options(features, released));
            let stream = Seed(42).stream(name);
            let shape = LayerShape {
                positions: n,
                heads: HEADS,
                head_width: P,
            };
            let signs = |what| {
                let x = normal(stream.stream(what), n, HEADS * P);
                let sign = |i, j| if x.row(i)[j] > 0.0 { logit } else { -logit };
                Tensor::from_fn(n, HEADS * P, |i, j| sign(i, j) as f32)
            };
            let tape = Tape::new();
            let own = method.parameters(shape, stream.stream("parameters"));
            let own = own.into_iter().map(|(_, value)| value);
            let x: Vec<_> = ["q", "k", "v"].map(signs).into_iter().chain(own).collect();
            let x: Vec<_> = x.into_iter().map(|x| tape.leaf("input", x)).collect();
            let positions: Vec<u32> = (0..n as u32).collect();
            let y = method.forward(&Inputs {
                q: Some(&x[0]),
                k: Some(&x[1]),
                v: &x[2],
                heads: HEADS,
                positions: &positions,
                padded_length: n,
                parameters: &x[3..],
                draws: &Draws::live(stream.stream("draws")),
                place: Place::default(),
                dropout: None,
            });
            let finite = |x: &Tensor<f32>| x.data().iter().all(|x| x.is_finite());
            assert!(finite(y.value()), "{name}, released {released}: output");
            let gradients = tape.backward_from(&y, signs("cotangent"));
            for (i, x) in x.iter().enumerate() {
                let gradient = gradients.of(x);
                assert!(
                    finite(&gradient),
                    "{name}, released {released}: gradient {i}"
                );
            }
        }
    }
}
