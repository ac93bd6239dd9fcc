//! HyperAttention, KDEformer, their hybrid and fast multipole attention against the plainest loops, written from their
//! definitions: lengths, budgets, ties, padding and gaps that the reference cases do not hold, and the limits in which
//! they are softmax attention.

use std::collections::BTreeMap;

use engine::check::{check, normal};
use engine::{Draw, Draws, Seed, Stream, Tape, Tensor, Var};
use ops::attention::fma::{Fma, Pool};
use ops::attention::hyper::{Hyper, Sampler};
use ops::attention::{Attention, Inputs, LayerShape, Options, Place, find};

use crate::plain::*;

/// Columns of a head.
const P: usize = 3;
/// Shorter than every budget, ragged, and around the kernel's 256 rows of a tile.
const LENGTHS: [usize; 8] = [1, 2, 3, 7, 17, 64, 257, 300];

/// A method on an example of which some positions may hold no token.
struct Setting<'a> {
    method: &'a dyn Attention<f64>,
    x: [Tensor<f64>; 3],
    positions: Vec<u32>,
    padded_length: usize,
    stream: Stream,
}

impl<'a> Setting<'a> {
    fn new(method: &'a dyn Attention<f64>, x: [Tensor<f64>; 3], stream: Stream) -> Setting<'a> {
        let n = x[0].rows();
        Setting {
            method,
            x,
            positions: (0..n as u32).collect(),
            padded_length: n,
            stream,
        }
    }

    fn parameters(&self) -> Vec<(&'static str, Tensor<f64>)> {
        let shape = LayerShape {
            positions: self.padded_length,
            heads: HEADS,
            head_width: P,
        };
        let stream = self.stream.stream("parameters");
        self.method.parameters(shape, stream)
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
            dropout: None,
        })
    }

    /// The output, and what was drawn.
    fn run(&self) -> (Tensor<f64>, BTreeMap<String, Draw>) {
        let tape = Tape::forward_only();
        let own = self.parameters().into_iter().map(|(_, value)| value);
        let x = self.x.iter().cloned().chain(own);
        let x: Vec<_> = x.map(|x| tape.leaf("input", x)).collect();
        let draws = Draws::recording(self.stream.stream("draws"));
        let output = self.forward(&x, &draws).into_value();
        (output, draws.recorded())
    }

    /// The gradients of q, k, v and the parameters that are trained, against differences at frozen draws; their norms.
    fn check(&self, what: &str) -> Vec<f64> {
        let frozen = self.run().1;
        let own = self.parameters();
        let names = ["q", "k", "v"].into_iter();
        let mut inputs: Vec<_> = names.zip(self.x.iter().cloned()).collect();
        let trained = own.iter().filter(|(name, _)| self.method.trains(name));
        inputs.extend(trained.cloned());
        let checked = check(what, self.stream, &inputs, |tape, x| {
            let mut trained = x[3..].iter().cloned();
            let mut x = x[..3].to_vec();
            x.extend(
                own.iter()
                    .map(|(name, value)| match self.method.trains(name) {
                        true => trained.next().unwrap(),
                        false => tape.leaf(name, value.clone()),
                    }),
            );
            let draws = Draws::replay(self.stream.stream("draws"), frozen.clone());
            self.forward(&x, &draws)
        });
        let checked = checked.unwrap_or_else(|failure| panic!("{what}: {failure}"));
        checked.into_iter().map(|input| input.norm).collect()
    }
}

fn example(stream: Stream, n: usize) -> [Tensor<f64>; 3] {
    ["q", "k", "v"].map(|name| normal(stream.stream(name), n, HEADS * P))
}

fn build(name: &str, features: usize) -> Box<dyn Attention<f64>> {
    find::<f64>(name).unwrap().method(&Options {
        features,
        ..Options::default()
    })
}

fn exact(x: &[Tensor<f64>; 3]) -> [Rows; HEADS] {
    [0, 1].map(|h| {
        let [q, k, v] = heads(x, h);
        q.iter().map(|q| mix(&probabilities(q, &k), &v)).collect()
    })
}

fn rows(x: &Tensor<f64>) -> Rows {
    (0..x.rows()).map(|i| x.row(i).to_vec()).collect()
}

// HyperAttention and its relatives.

const SAMPLED: [(&str, Sampler); 3] = [
    ("hyper", Sampler::Uniform),
    ("kdeformer", Sampler::ValueNorms),
    ("hyper-pilots", Sampler::Pilots),
];

/// The block of every row: by the place of its signs in a list of all patterns of which neighbours differ in one.
fn blocks(x: &Rows, planes: &Rows, b: usize) -> Vec<usize> {
    // The list for one bit more: this one, and this one backwards with the bit set.
    let patterns = (0..7).fold(vec![0], |list: Vec<usize>, bit| {
        let back = list.iter().rev().map(|pattern| pattern + (1 << bit));
        list.iter().copied().chain(back).collect()
    });
    let place = |x: &Vec<f64>| {
        let product = |plane: usize| (0..P).map(|c| x[c] * planes[c][plane]).sum::<f64>();
        let signs: usize = (0..7).map(|r| usize::from(product(r) > 0.0) << r).sum();
        patterns.iter().position(|&pattern| pattern == signs)
    };
    let mut order: Vec<usize> = (0..x.len()).collect();
    order.sort_by_key(|&i| (place(&x[i]), i));
    let mut blocks = vec![0; x.len()];
    for (place, i) in order.into_iter().enumerate() {
        blocks[i] = place / b;
    }
    blocks
}

fn normalised(weights: Vec<f64>) -> Vec<f64> {
    let total: f64 = weights.iter().sum();
    weights.iter().map(|w| w / total).collect()
}

/// kdeformer's P; the products with (V, 1) and its transpose one after the other.
fn by_value_norms(v: &Rows) -> Vec<f64> {
    let v: Rows = v.iter().map(|v| [v.as_slice(), &[1.0]].concat()).collect();
    let mut x = vec![1.0; P + 1];
    let mut lambda = 0.0;
    for _ in 0..20 {
        let length = dot(&x, &x).sqrt();
        let unit: Vec<f64> = x.iter().map(|x| x / length).collect();
        let products: Vec<f64> = v.iter().map(|v| dot(v, &unit)).collect();
        x = mix(&products, &v);
        lambda = dot(&x, &x).sqrt();
    }
    let share = 1.0 / v.len() as f64;
    let weight = |v: &Vec<f64>| dot(v, v).sqrt() / lambda + share;
    normalised(v.iter().map(weight).collect())
}

/// P of hyper-pilots: half equation 5, half uniform.
fn by_pilots(q: &Rows, k: &Rows, v: &Rows, pilots: &[u32]) -> Vec<f64> {
    let rows: Rows = pilots
        .iter()
        .map(|&j| probabilities(&q[j as usize], k))
        .collect();
    let weight = |i: usize| {
        let energy: f64 = rows.iter().map(|row| row[i].powi(2)).sum();
        energy.sqrt() * dot(&v[i], &v[i]).sqrt()
    };
    let shares = normalised((0..v.len()).map(weight).collect());
    shares
        .iter()
        .map(|p| (p + 1.0 / v.len() as f64) / 2.0)
        .collect()
}

/// The output of a head by its definition.
fn hyper([q, k, v]: &[Rows; 3], blocks: [Vec<usize>; 2], samples: &[u32], p: &[f64]) -> Rows {
    let [query_blocks, key_blocks] = blocks;
    (0..q.len())
        .map(|i| {
            let logit = |j: usize| dot(&q[i], &k[j]) / (P as f64).sqrt();
            let inside = |j: &usize| key_blocks[*j] == query_blocks[i];
            let own = (0..k.len()).filter(inside).map(|j| (j, logit(j)));
            let samples = samples.iter().map(|&j| j as usize);
            let count = samples.len() as f64;
            let others = samples.filter(|j| !inside(j));
            let others = others.map(|j| (j, logit(j) - (count * p[j]).ln()));
            let (keys, logits): (Vec<_>, Vec<_>) = own.chain(others).unzip();
            let values: Rows = keys.into_iter().map(|j| v[j].clone()).collect();
            mix(&softmax(&logits), &values)
        })
        .collect()
}

fn assert_hyper(name: &str, features: usize, x: [Tensor<f64>; 3], stream: Stream) {
    let n = x[0].rows();
    let what = format!("{name} n = {n}, d = {features}");
    let method = build(name, features);
    let setting = Setting::new(&*method, x, stream);
    let (output, draws) = setting.run();
    let planes = rows(&setting.parameters()[0].1);
    let b = (features / 2).max(1);
    let want = [0, 1].map(|h| {
        let x = heads(&setting.x, h);
        let draw = |what: &str| match draws.get(&Place::default().draw(what, h)) {
            Some(Draw::Indices(indices)) => indices.clone(),
            _ => panic!("{what} are indices"),
        };
        let p = match name {
            "hyper" => vec![1.0 / n as f64; n],
            "kdeformer" => by_value_norms(&x[2]),
            _ => {
                let pilots = draw("pilot");
                assert_eq!(pilots.len(), b.min(n), "{what}");
                by_pilots(&x[0], &x[1], &x[2], &pilots)
            }
        };
        match draws.get(&Place::default().draw("probabilities", h)) {
            Some(Draw::Numbers(noted)) => {
                for (got, want) in noted.iter().zip(&p) {
                    assert!((got - want).abs() < 1e-12, "{what}: P {got} is not {want}");
                }
            }
            other => assert!(other.is_none() && name == "hyper", "{what}: {other:?}"),
        }
        let samples = draw("samples");
        assert_eq!(samples.len(), b, "{what}");
        let blocks = [&x[0], &x[1]].map(|rows| blocks(rows, &planes, b));
        hyper(&x, blocks, &samples, &p)
    });
    assert_close(&output, &want, &what);
}

#[test]
fn hyper_and_its_relatives_equal_their_blocks_and_weighted_samples() {
    for (name, _) in SAMPLED {
        for n in LENGTHS {
            for features in [1, 6, 40, 1000] {
                let stream = Seed(51).stream(name).at(n);
                assert_hyper(name, features, example(stream, n), stream);
            }
        }
    }
}

#[test]
fn rows_that_hash_alike_keep_their_order() {
    for (name, _) in SAMPLED {
        let stream = Seed(52).stream(name);
        let n = 21;
        let [q, k, v] = example(stream, n);
        // Every third row is new.
        let [q, k] = [q, k].map(|x| Tensor::from_fn(n, HEADS * P, |i, j| x.row(i / 3 * 3)[j]));
        let zeros = Tensor::zeros(n, HEADS * P);
        assert_hyper(name, 8, [q, k, v.clone()], stream);
        assert_hyper(name, 8, [zeros.clone(), zeros, v], stream);
    }
}

/// Equation 5 is 0 / 0 then.
#[test]
fn values_that_are_zero_are_sampled_alike() {
    let stream = Seed(53).stream("zeros");
    let n = 30;
    let [q, k, _] = example(stream, n);
    let method = build("hyper-pilots", 8);
    let setting = Setting::new(&*method, [q, k, Tensor::zeros(n, HEADS * P)], stream);
    let (output, draws) = setting.run();
    assert!(output.data().iter().all(|&y| y == 0.0));
    let noted = &draws[&Place::default().draw("probabilities", 1)];
    assert_eq!(*noted, Draw::Numbers(vec![1.0 / n as f64; n]));
}

#[test]
fn one_block_is_exact_and_many_samples_come_near() {
    for (name, sampler) in SAMPLED {
        let stream = Seed(54).stream(name);
        let n = 40;
        let x = example(stream, n);
        let want = exact(&x);
        let error = |block, samples, seed| {
            let method = Hyper {
                block,
                samples,
                sampler,
            };
            let (got, _) = Setting::new(&method, x.clone(), stream.at(seed)).run();
            let of_head = |h: usize| head(&got, h).concat().into_iter().zip(want[h].concat());
            let errors = (0..HEADS).flat_map(of_head);
            errors.map(|(got, want)| (got - want).powi(2)).sum::<f64>()
        };
        for block in [n, n + 1] {
            assert!(error(block, 5, 0) < 1e-26, "{name}, blocks of {block}");
        }
        let mean = |samples: usize| {
            let total: f64 = (0..10).map(|seed| error(5, samples, seed)).sum();
            (total / 10.0).sqrt()
        };
        // Like s^-½: by 8.
        let (few, many) = (mean(100), mean(6400));
        eprintln!("{name}: {few:.4} with 100 samples, {many:.4} with 6400");
        assert!(
            few / many > 5.5 && few / many < 12.0,
            "{name}: {few} -> {many}"
        );
    }
}

// Fast multipole attention.

/// What row i sees: keys, values, and what is added to their logits.
struct Seen {
    k: Rows,
    v: Rows,
    bias: Vec<f64>,
}

/// `own` are wk, wv, bk, bv.
fn seen(fma: &Fma, i: usize, [_, k, v]: &[Rows; 3], own: &[Rows]) -> Seen {
    let (n, m, s) = (k.len(), fma.block, fma.summaries);
    let near: Vec<usize> = (0..n).filter(|j| (i / m).abs_diff(j / m) <= 1).collect();
    let mut times = vec![0; n];
    near.iter().for_each(|&j| times[j] += 1);
    let of = |x: &Rows| -> Rows { near.iter().map(|&j| x[j].clone()).collect() };
    let mut seen = Seen {
        k: of(k),
        v: of(v),
        bias: vec![0.0; near.len()],
    };
    let (mut first_w, mut first_b, mut w) = (0, 0, m);
    while n.div_ceil(w) >= 3 {
        let a = i / w;
        for g in (0..n.div_ceil(w)).filter(|g| a.abs_diff(*g) >= 2 && (a / 2).abs_diff(g / 2) <= 1)
        {
            let group: Vec<usize> = (g * w..n.min((g + 1) * w)).collect();
            group.iter().for_each(|&t| times[t] += 1);
            for r in 0..s {
                let run: Vec<usize> = match fma.pool {
                    Pool::Learned => group.clone(),
                    Pool::Average => {
                        let in_run = |t: &&usize| (**t - g * w) / (w / s) == r;
                        group.iter().filter(in_run).copied().collect()
                    }
                };
                if run.is_empty() {
                    continue;
                }
                let sum = |x: &Rows, which: usize| -> Vec<f64> {
                    let column = |c: usize| match fma.pool {
                        Pool::Average => {
                            run.iter().map(|&t| x[t][c]).sum::<f64>() / run.len() as f64
                        }
                        Pool::Learned => {
                            let weight = |t: usize| own[which][first_w + r * w + t - g * w][c];
                            let sum: f64 = run.iter().map(|&t| weight(t) * x[t][c]).sum();
                            sum + own[which + 2][first_b + r][c]
                        }
                    };
                    (0..P).map(column).collect()
                };
                seen.k.push(sum(k, 0));
                seen.v.push(sum(v, 1));
                let size = match fma.pool {
                    Pool::Learned => run.len() as f64 / s as f64,
                    Pool::Average => run.len() as f64,
                };
                seen.bias
                    .push(if fma.scale_by_size { size.ln() } else { 0.0 });
            }
        }
        (first_w, first_b, w) = (first_w + s * w, first_b + s, 2 * w);
    }
    assert!(times.iter().all(|&times| times == 1), "every token once");
    seen
}

fn fma(method: &Fma, x: &[Tensor<f64>; 3], own: &[Rows]) -> [Rows; HEADS] {
    [0, 1].map(|h| {
        let x = heads(x, h);
        let row = |i: usize| {
            let seen = seen(method, i, &x, own);
            let logit = |(k, bias): (&Vec<f64>, &f64)| dot(&x[0][i], k) / (P as f64).sqrt() + bias;
            let logits: Vec<f64> = seen.k.iter().zip(&seen.bias).map(logit).collect();
            mix(&softmax(&logits), &seen.v)
        };
        (0..x[0].len()).map(row).collect()
    })
}

/// Blocks and summaries.
const SIZES: [(usize, usize); 7] = [(1, 1), (2, 1), (3, 3), (4, 4), (8, 4), (10, 2), (500, 4)];

#[test]
fn fma_equals_its_levels() {
    for pool in [Pool::Learned, Pool::Average] {
        for n in LENGTHS {
            for ((block, summaries), scale_by_size) in SIZES
                .into_iter()
                .flat_map(|size| [(size, false), (size, true)])
            {
                let method = Fma {
                    block,
                    summaries,
                    pool,
                    scale_by_size,
                };
                let stream = Seed(55).stream("fma").at(n);
                let setting = Setting::new(&method, example(stream, n), stream);
                let own: Vec<Rows> = setting.parameters().iter().map(|(_, x)| rows(x)).collect();
                let want = fma(&method, &setting.x, &own);
                assert_close(&setting.run().0, &want, &format!("{method:?}, n = {n}"));
            }
        }
    }
}

#[test]
fn fma_is_exact_for_two_blocks_or_single_tokens() {
    for n in [1usize, 2, 9, 15, 16] {
        for (block, summaries, pool) in [
            (n.div_ceil(2), 1, Pool::Learned),
            (n.div_ceil(2), 1, Pool::Average),
            (n.div_ceil(4), n.div_ceil(4), Pool::Average),
        ] {
            let method = Fma {
                block,
                summaries,
                pool,
                scale_by_size: true,
            };
            let stream = Seed(56).stream("limit").at(n);
            let setting = Setting::new(&method, example(stream, n), stream);
            let what = format!("{method:?}, n = {n}");
            assert_close(&setting.run().0, &exact(&setting.x), &what);
        }
    }
}

/// Groups are of tokens, wherever they stand; the parameters are those of the padded length.
#[test]
fn a_short_example_with_gaps_uses_the_first_levels() {
    let (n, padded) = (21, 100);
    for pool in [Pool::Learned, Pool::Average] {
        let method = Fma {
            block: 4,
            summaries: 2,
            pool,
            scale_by_size: true,
        };
        let stream = Seed(57).stream("short");
        let mut setting = Setting::new(&method, example(stream, n), stream);
        setting.padded_length = padded;
        setting.positions = (0..n as u32).map(|i| 4 * i + i % 3).collect();
        let own: Vec<Rows> = setting.parameters().iter().map(|(_, x)| rows(x)).collect();
        let want = fma(&method, &setting.x, &own);
        assert_close(&setting.run().0, &want, &format!("{method:?}"));

        let norms = setting.check("fma");
        assert!(norms.iter().all(|&norm| norm > 1e-3), "{norms:?}");
        if pool == Pool::Average {
            assert!(own.is_empty() && norms.len() == 3);
            continue;
        }
        // Widths 4, 8, 16 and 32 for 100 positions, of which 21 tokens use 4 and 8: of one summary 12 of 60 rows.
        assert_eq!(
            own.iter().map(Vec::len).collect::<Vec<_>>(),
            [120, 120, 8, 8]
        );
        let tape = Tape::new();
        let own = setting.parameters().into_iter().map(|(_, value)| value);
        let x = setting.x.iter().cloned().chain(own);
        let x: Vec<_> = x.map(|x| tape.leaf("input", x)).collect();
        let y = setting.forward(&x, &Draws::live(stream));
        let gradients = tape.backward_from(&y, y.value().clone());
        for (parameter, used) in x[3..].iter().zip([24, 24, 4, 4]) {
            let gradient = rows(&gradients.of(parameter));
            let zero = |row: &Vec<f64>| row.iter().all(|&g| g == 0.0);
            assert!(!gradient[..used].iter().any(zero) && gradient[used..].iter().all(zero));
        }
    }
}

#[test]
fn gradients_of_scaled_summaries_and_of_ties_are_right() {
    for pool in [Pool::Learned, Pool::Average] {
        for (n, block, summaries) in [(13, 2, 2), (30, 4, 4), (40, 3, 1)] {
            let method = Fma {
                block,
                summaries,
                pool,
                scale_by_size: true,
            };
            let stream = Seed(58).stream("scaled").at(n);
            Setting::new(&method, example(stream, n), stream).check("scaled fma");
        }
    }
    for (name, sampler) in SAMPLED {
        let method = Hyper {
            block: 4,
            samples: 9,
            sampler,
        };
        let stream = Seed(58).stream(name);
        let [q, k, v] = example(stream, 15);
        let q = Tensor::from_fn(15, HEADS * P, |i, j| q.row(i / 5)[j]);
        Setting::new(&method, [q, k, v], stream).check(name);
    }
}
