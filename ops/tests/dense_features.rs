//! Methods whose weights are products of learned features, against the plainest loops over those weights: other
//! lengths, budgets and widths than the reference cases hold, and limits in which a method is something simpler.

use std::collections::BTreeMap;

use engine::check::{check, normal};
use engine::{Draw, Draws, Seed, Stream, Tape, Tensor, Var};
use ops::attention::kl::Kl;
use ops::attention::race::{Average, Race};
use ops::attention::{Attention, Inputs, LayerShape, Place};

use crate::plain::*;

/// Around the kernel's tiles of 256 rows, too.
const LENGTHS: [usize; 7] = [1, 2, 3, 17, 256, 257, 600];

/// One method on one example of two heads.
struct Setting {
    method: Box<dyn Attention<f64>>,
    x: [Tensor<f64>; 3],
    parameters: BTreeMap<&'static str, Tensor<f64>>,
    names: Vec<&'static str>,
    positions: Vec<u32>,
    stream: Stream,
}

impl Setting {
    /// n tokens, p columns a head; parameters as they start.
    fn new(method: impl Attention<f64> + 'static, what: &str, n: usize, p: usize) -> Setting {
        let stream = Seed(43).stream(what).at(n).at(p);
        let shape = LayerShape {
            positions: n,
            heads: HEADS,
            head_width: p,
        };
        let parameters = method.parameters(shape, stream.stream("parameters"));
        Setting {
            x: ["q", "k", "v"].map(|name| normal(stream.stream(name), n, HEADS * p)),
            names: parameters.iter().map(|(name, _)| *name).collect(),
            parameters: parameters.into_iter().collect(),
            positions: (0..n as u32).collect(),
            method: Box::new(method),
            stream,
        }
    }

    fn forward<'t>(&self, x: &[Var<'t, f64>], draws: &Draws) -> Var<'t, f64> {
        self.method.forward(&Inputs {
            q: Some(&x[0]),
            k: Some(&x[1]),
            v: &x[2],
            heads: HEADS,
            positions: &self.positions,
            padded_length: self.positions[self.positions.len() - 1] as usize + 1,
            parameters: &x[3..],
            draws,
            place: Place::default(),
            dropout: None,
        })
    }

    fn inputs(&self) -> Vec<(&'static str, Tensor<f64>)> {
        let own = self
            .names
            .iter()
            .map(|&name| (name, self.parameters[name].clone()));
        let x = ["q", "k", "v"].into_iter().zip(self.x.iter().cloned());
        x.chain(own).collect()
    }

    /// The output, and what was drawn; `given` in place of draws.
    fn run(&self, given: BTreeMap<String, Draw>) -> (Tensor<f64>, BTreeMap<String, Draw>) {
        let tape = Tape::forward_only();
        let inputs = self.inputs().into_iter();
        let x: Vec<_> = inputs.map(|(_, x)| tape.leaf("input", x)).collect();
        let draws = Draws::replay(self.stream.stream("draws"), given);
        let output = self.forward(&x, &draws).into_value();
        (output, draws.recorded())
    }

    /// Rows of a parameter.
    fn rows(&self, name: &str) -> Rows {
        let x = &self.parameters[name];
        (0..x.rows()).map(|i| x.row(i).to_vec()).collect()
    }

    /// Gains and shifts that are not the start's.
    fn scattered(mut self) -> Setting {
        for name in ["gain1", "shift1", "gain2", "shift2"] {
            let shape = self.parameters[name].shape();
            let x = normal(self.stream.stream(name), shape.0, shape.1);
            self.parameters.insert(name, x);
        }
        self
    }

    fn set(&mut self, name: &'static str, value: f64) {
        let (rows, cols) = self.parameters[name].shape();
        self.parameters
            .insert(name, Tensor::filled(rows, cols, value));
    }

    /// Gradients against differences, draws frozen; of constants there are none.
    fn check(&self) {
        let frozen = self.run(BTreeMap::new()).1;
        let trains = |name: &str| ["q", "k", "v"].contains(&name) || self.method.trains(name);
        let (own, constants): (Vec<_>, Vec<_>) = self
            .inputs()
            .into_iter()
            .partition(|(name, _)| trains(name));
        let names: Vec<_> = self.inputs().into_iter().map(|(name, _)| name).collect();
        let checked = check("method", self.stream, &own, |tape, x| {
            let mut trained = x.iter().cloned();
            let mut constants = constants.iter();
            let mut next = |name: &str| match trains(name) {
                true => trained.next().unwrap(),
                false => tape.leaf("input", constants.next().unwrap().1.clone()),
            };
            let x: Vec<_> = names.iter().map(|name| next(name)).collect();
            let draws = Draws::replay(self.stream.stream("draws"), frozen.clone());
            self.forward(&x, &draws)
        });
        checked.unwrap_or_else(|failure| panic!("{failure}"));
    }
}

fn numbers(draws: &BTreeMap<String, Draw>, what: &str, cols: usize) -> Rows {
    match &draws[&Place::default().draw(what, 0)] {
        Draw::Numbers(numbers) => numbers.chunks(cols).map(<[f64]>::to_vec).collect(),
        Draw::Indices(_) => panic!("{what} are indices"),
    }
}

fn noise(value: f64, count: usize) -> BTreeMap<String, Draw> {
    let name = Place::default().draw("noise", 0);
    [(name, Draw::Numbers(vec![value; count]))].into()
}

/// Both heads of an example whose query i weighs key j of head h by `weight(h, q_i, k_j)`.
fn weighted(x: &[Tensor<f64>; 3], weight: impl Fn(usize, &[f64], &[f64]) -> f64) -> [Rows; HEADS] {
    [0, 1].map(|h| {
        let [q, k, v] = heads(x, h);
        q.iter()
            .map(|q| {
                let weights: Vec<f64> = k.iter().map(|k| weight(h, q, k)).collect();
                let sum: f64 = weights.iter().sum();
                mix(&weights, &v).iter().map(|y| y / sum).collect()
            })
            .collect()
    })
}

/// x' = p^-¼ x
fn scaled(x: &[f64]) -> Vec<f64> {
    let scale = (x.len() as f64).powf(-0.25);
    x.iter().map(|x| x * scale).collect()
}

/// sum_t exp(w_t · q' - |q'|²) exp(w_t · k' - |k'|²)
fn positive(w: &Rows, q: &[f64], k: &[f64]) -> f64 {
    let (q, k) = (scaled(q), scaled(k));
    let feature = |w: &[f64], x: &[f64]| (dot(w, x) - dot(x, x)).exp();
    w.iter().map(|w| feature(w, &q) * feature(w, &k)).sum()
}

/// κ / m sum_t cos w_t · (q' - k') + s²
fn waves(w: &Rows, kappa: f64, smoothing: f64, q: &[f64], k: &[f64]) -> f64 {
    let (q, k) = (scaled(q), scaled(k));
    let difference: Vec<f64> = q.iter().zip(&k).map(|(q, k)| q - k).collect();
    let sum: f64 = w.iter().map(|w| dot(w, &difference).cos()).sum();
    kappa * sum / w.len() as f64 + smoothing * smoothing
}

#[test]
fn kl_gmm_prf_equals_the_loop_over_its_frequencies() {
    for n in LENGTHS {
        for (m, p) in [(1, 3), (6, 1), (40, 3), (70, 5)] {
            let setting = Setting::new(Kl::gmm_prf(m), "kl-gmm-prf", n, p);
            let (output, draws) = setting.run(BTreeMap::new());
            let noise = numbers(&draws, "noise", p);
            assert_eq!(noise.len(), m);
            let (mean, log_var) = (setting.rows("mean"), setting.rows("log_var"));
            let w = [0, 1].map(|h| -> Rows {
                let entry = |n: &[f64], c: usize| mean[h][c] + (log_var[h][c] / 2.0).exp() * n[c];
                let row = |n: &Vec<f64>| (0..p).map(|c| entry(n, c)).collect();
                noise.iter().map(row).collect()
            });
            let want = weighted(&setting.x, |h, q, k| positive(&w[h], q, k));
            assert_close(&output, &want, &format!("kl-gmm-prf, n {n}, m {m}, p {p}"));
        }
    }
}

#[test]
fn kl_gmm_prf_without_noise_weighs_keys_by_their_length_alone() {
    let (m, n, p) = (5, 40, 3);
    let mut setting = Setting::new(Kl::gmm_prf(m), "length", n, p);
    setting.set("mean", 0.0);
    let want = weighted(&setting.x, |_, _, k| (-dot(k, k) / (p as f64).sqrt()).exp());
    let (output, _) = setting.run(noise(0.0, m * p));
    assert_close(&output, &want, "no noise");
}

/// With standard normal frequencies the kernel tends to exp(-|q' - k'|² / 2), in the mean of few features soonest for
/// short q and k.
#[test]
fn kl_gmm_tends_to_the_gaussian_kernel() {
    let (n, p) = (30, 3);
    let gaussian = |_: usize, q: &[f64], k: &[f64]| {
        let (q, k) = (scaled(q), scaled(k));
        let square: f64 = q.iter().zip(&k).map(|(q, k)| (q - k).powi(2)).sum();
        (-square / 2.0).exp()
    };
    let error = |setting: &Setting| {
        let (output, want) = (
            setting.run(BTreeMap::new()).0,
            weighted(&setting.x, gaussian),
        );
        let mut worst: f64 = 0.0;
        for (h, want) in want.iter().enumerate() {
            let (got, want) = (head(&output, h), want.iter().flatten());
            for (got, want) in got.iter().flatten().zip(want) {
                worst = worst.max((got - want).abs());
            }
        }
        worst
    };
    let halved = |mut setting: Setting| {
        for x in &mut setting.x[..2] {
            x.data_mut().iter_mut().for_each(|x| *x /= 2.0);
        }
        setting
    };
    let errors = [100, 10_000].map(|m| {
        let mut prf = halved(Setting::new(Kl::gmm_prf(m), "gaussian", n, p));
        prf.set("mean", 0.0);
        prf.set("log_var", 0.0);
        let mut rks = halved(Setting::new(Kl::gmm_rks(4 * m, 0.0), "gaussian", n, p));
        rks.set("mean", 0.0);
        let identity = |i, j| if i % p == j { 1.0 } else { 0.0 };
        let sigma = Tensor::from_fn(HEADS * p, p, identity);
        rks.parameters.insert("sigma", sigma);
        [error(&prf), error(&rks)]
    });
    for which in [0, 1] {
        let [few, many] = errors.map(|errors| errors[which]);
        assert!(many < 0.2 * few && many < 0.1, "{errors:?}");
    }
}

#[test]
fn kl_gmm_rks_equals_the_loop_over_its_pairs() {
    for n in LENGTHS {
        for (d, p, smoothing) in [(1, 3, 1.0), (6, 1, 0.36), (40, 3, 1.0), (300, 5, 0.36)] {
            let setting = Setting::new(Kl::gmm_rks(d, smoothing), "kl-gmm-rks", n, p);
            let (output, draws) = setting.run(BTreeMap::new());
            let noise = numbers(&draws, "noise", p);
            assert_eq!(noise.len(), p.max(d / 4));
            let (mean, sigma) = (setting.rows("mean"), setting.rows("sigma"));
            let w = [0, 1].map(|h| -> Rows {
                let signed = |n: &Vec<f64>, sign: f64| -> Vec<f64> {
                    let moved = mix(n, &sigma[h * p..(h + 1) * p].to_vec());
                    moved
                        .iter()
                        .zip(&mean[h])
                        .map(|(w, mean)| w + sign * mean)
                        .collect()
                };
                noise
                    .iter()
                    .flat_map(|n| [signed(n, 1.0), signed(n, -1.0)])
                    .collect()
            });
            let want = weighted(&setting.x, |h, q, k| waves(&w[h], 2.0, smoothing, q, k));
            assert_close(&output, &want, &format!("kl-gmm-rks, n {n}, d {d}, p {p}"));
        }
    }
}

/// W of both kinds of features, from the parameters and the permutation.
fn fastfood(setting: &Setting, draws: &BTreeMap<String, Draw>, p: usize) -> Rows {
    let Draw::Indices(permutation) = &draws[&Place::default().draw("permutation", 0)] else {
        panic!("a permutation is of indices")
    };
    let size = permutation.len();
    let [flip, gauss, scale] = ["flip", "gauss", "scale"].map(|name| setting.rows(name).remove(0));
    let sign = |i: usize, j: usize| {
        if (i & j).count_ones().is_multiple_of(2) {
            1.0
        } else {
            -1.0
        }
    };
    let hadamard = |x: &[f64]| -> Vec<f64> {
        let entry = |i| (0..size).map(|j| sign(i, j) * x[j]).sum();
        (0..size).map(entry).collect()
    };
    let column = |c: usize| -> Vec<f64> {
        let unit: Vec<f64> = (0..size)
            .map(|i| if i == c { flip[i] } else { 0.0 })
            .collect();
        let mixed = hadamard(&unit);
        let permuted: Vec<f64> = (0..size)
            .map(|i| gauss[i] * mixed[permutation[i] as usize])
            .collect();
        let mixed = hadamard(&permuted);
        (0..size)
            .map(|i| scale[i] * mixed[i] / (size as f64).sqrt())
            .collect()
    };
    let columns: Rows = (0..p).map(column).collect();
    (0..size)
        .map(|i| columns.iter().map(|column| column[i]).collect())
        .collect()
}

#[test]
fn kl_fastfood_equals_the_loop_over_the_matrix_it_stands_for() {
    for n in LENGTHS {
        for p in [1, 2, 3, 6, 8] {
            let what = format!("kl-fastfood, n {n}, p {p}");
            let mut setting = Setting::new(Kl::fastfood_prf(), "kl-fastfood", n, p);
            // Further from nothing than the start.
            for x in setting.parameters.values_mut() {
                x.data_mut().iter_mut().for_each(|x| *x *= 2.0);
            }
            let (output, draws) = setting.run(BTreeMap::new());
            let w = fastfood(&setting, &draws, p);
            assert_eq!(w.len(), p.next_power_of_two());
            let want = weighted(&setting.x, |_, q, k| positive(&w, q, k));
            assert_close(&output, &want, &format!("{what}, prf"));

            setting.method = Box::new(Kl::fastfood_rks(0.7));
            let (output, _) = setting.run(draws);
            let want = weighted(&setting.x, |_, q, k| waves(&w, 1.0, 0.7, q, k));
            assert_close(&output, &want, &format!("{what}, rks"));
        }
    }
}

/// S = G = B = 1 and the identity for the permutation: W = √P I.
#[test]
fn kl_fastfood_of_ones_reads_every_column_for_itself() {
    let (n, p) = (20, 4);
    let mut setting = Setting::new(Kl::fastfood_rks(0.5), "ones", n, p);
    for name in ["flip", "gauss", "scale"] {
        setting.set(name, 1.0);
    }
    let name = Place::default().draw("permutation", 0);
    let (output, _) = setting.run([(name, Draw::Indices((0..p as u32).collect()))].into());
    let want = weighted(&setting.x, |_, q, k| {
        let (q, k) = (scaled(q), scaled(k));
        let cosines = q.iter().zip(&k).map(|(q, k)| (2.0 * (q - k)).cos());
        cosines.sum::<f64>() / p as f64 + 0.25
    });
    assert_close(&output, &want, "ones");
}

/// The network on noise, a sample after the other, batch norms by column.
fn generated(setting: &Setting, mut x: Rows) -> Rows {
    let linear = |x: &Rows, layer: usize| -> Rows {
        let w = setting.rows(&format!("w{layer}"));
        let b = setting.rows(&format!("b{layer}")).remove(0);
        let row = |x: &Vec<f64>| w.iter().zip(&b).map(|(w, b)| dot(w, x) + b).collect();
        x.iter().map(row).collect()
    };
    for layer in [1, 2] {
        x = linear(&x, layer);
        let [gain, shift] =
            ["gain", "shift"].map(|name| setting.rows(&format!("{name}{layer}")).remove(0));
        let m = x.len() as f64;
        for c in 0..gain.len() {
            let mean = x.iter().map(|row| row[c]).sum::<f64>() / m;
            let variance = x.iter().map(|row| (row[c] - mean).powi(2)).sum::<f64>() / m;
            for row in &mut x {
                let v = gain[c] * (row[c] - mean) / (variance + 1e-5).sqrt() + shift[c];
                row[c] = v.max(0.01 * v);
            }
        }
    }
    let tanh = |row: Vec<f64>| row.into_iter().map(f64::tanh).collect();
    linear(&x, 3).into_iter().map(tanh).collect()
}

#[test]
fn kl_generator_equals_the_loop_over_its_samples() {
    for n in LENGTHS {
        for (d, p) in [(1, 3), (2, 1), (7, 6), (90, 3)] {
            let what = format!("kl-generator, n {n}, d {d}, p {p}");
            for (kind, m) in [("prf", d), ("rks", (d / 2).max(1))] {
                let setting = Setting::new(Kl::generator_prf(d), "kl-generator", n, p);
                let mut setting = setting.scattered();
                if kind == "rks" {
                    setting.method = Box::new(Kl::generator_rks(d, 1.0));
                }
                let (output, draws) = setting.run(BTreeMap::new());
                let noise = numbers(&draws, "noise", (p / 2).max(1));
                assert_eq!(noise.len(), m);
                let w = generated(&setting, noise);
                let want = weighted(&setting.x, |_, q, k| match kind {
                    "prf" => positive(&w, q, k),
                    _ => waves(&w, 1.0, 1.0, q, k),
                });
                assert_close(&output, &want, &format!("{what}, {kind}"));
            }
        }
    }
}

/// The features of a table's corners, by their definition.
fn corners(planes: &[Vec<f64>], beta: f64, x: &[f64]) -> Vec<f64> {
    let y: Vec<f64> = planes.iter().map(|plane| dot(plane, x).tanh()).collect();
    let logit = |corner: usize| {
        let signed = |(t, y): (usize, &f64)| if corner >> (3 - t) & 1 == 1 { *y } else { -y };
        beta * y.iter().enumerate().map(signed).sum::<f64>()
    };
    softmax(&(0..16).map(logit).collect::<Vec<_>>())
}

#[test]
fn race_equals_the_loop_over_its_corners() {
    for n in LENGTHS {
        for (tables, p) in [(1, 3), (3, 1), (5, 6)] {
            let what = format!("race, n {n}, tables {tables}, p {p}");
            let average = Average::Sum;
            let mut setting = Setting::new(Race { tables, average }, "race", n, p);
            setting.set("log_beta", 0.4);
            let planes = setting.rows("hyperplanes");
            assert_eq!(planes.len(), 4 * tables);
            let features = |x: &[f64]| -> Vec<f64> {
                planes
                    .chunks(4)
                    .flat_map(|table| corners(table, 0.4f64.exp(), x))
                    .collect()
            };
            let want = weighted(&setting.x, |_, q, k| dot(&features(q), &features(k)));
            assert_close(&setting.run(BTreeMap::new()).0, &want, &what);

            let average = Average::Bucket;
            setting.method = Box::new(Race { tables, average });
            let want = [0, 1].map(|h| -> Rows {
                let [q, k, v] = heads(&setting.x, h);
                let keys: Rows = k.iter().map(|k| features(k)).collect();
                let bucket = |r: usize| -> Vec<f64> {
                    let weights: Vec<f64> = keys.iter().map(|phi| phi[r]).collect();
                    let sum = weights.iter().sum::<f64>() + 1e-6;
                    mix(&weights, &v).iter().map(|y| y / sum).collect()
                };
                let buckets: Rows = (0..16 * tables).map(bucket).collect();
                q.iter().map(|q| mix(&features(q), &buckets)).collect()
            });
            assert_close(
                &setting.run(BTreeMap::new()).0,
                &want,
                &format!("{what}, bucket"),
            );
        }
    }
}

#[test]
fn race_without_planes_is_the_mean_of_the_values() {
    for (average, rows_sum) in [(Average::Sum, 1.0), (Average::Bucket, 3.0)] {
        let mut setting = Setting::new(Race { tables: 3, average }, "mean", 40, 3);
        setting.set("hyperplanes", 0.0);
        // A bucket holds 40 / 16 keys, and 1e-6.
        let less = match average {
            Average::Sum => 1.0,
            Average::Bucket => 2.5 / (2.5 + 1e-6),
        };
        let want = [0, 1].map(|h| {
            let [q, _, v] = heads(&setting.x, h);
            vec![mix(&[rows_sum * less / 40.0; 40], &v); q.len()]
        });
        assert_close(&setting.run(BTreeMap::new()).0, &want, "no planes");
    }
}

#[test]
fn gradients_over_several_tiles_are_right() {
    Setting::new(Kl::gmm_prf(20), "gradients", 300, 3).check();
    Setting::new(Kl::gmm_rks(20, 0.36), "gradients", 300, 3).check();
    Setting::new(Kl::fastfood_prf(), "gradients", 300, 6).check();
    let generator = Setting::new(Kl::generator_rks(40, 1.0), "gradients", 300, 4);
    generator.scattered().check();
    let generator = Setting::new(Kl::generator_prf(20), "gradients", 300, 4);
    generator.scattered().check();
    for average in [Average::Sum, Average::Bucket] {
        Setting::new(Race { tables: 2, average }, "gradients", 300, 3).check();
    }
}
