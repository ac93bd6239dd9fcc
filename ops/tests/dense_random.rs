//! BigBird, Performer, Reformer and Informer against the plainest loops, written from their
//! formulas and not from the kernel: lengths and budgets that the reference cases do not hold, and
//! what the released code does otherwise.

use std::collections::BTreeMap;

use engine::check::{check, normal};
use engine::{Draw, Draws, Real, Seed, Stream, Tape, Tensor};
use ops::attention::{Attention, Inputs, LayerShape, Options, Place, find};

use crate::plain::*;

const WIDTH: usize = 3;
const METHODS: [&str; 5] = [
    "bigbird",
    "performer",
    "reformer",
    "informer",
    "informer-mask",
];

fn stream(name: &str) -> Stream {
    Seed(37).stream(name)
}

fn example(stream: Stream, n: usize) -> [Tensor<f64>; 3] {
    ["q", "k", "v"].map(|name| normal(stream.stream(name), n, HEADS * WIDTH))
}

fn build<T: Real>(name: &str, features: usize, released: bool) -> Box<dyn Attention<T>> {
    find::<T>(name).unwrap().method(&Options {
        features,
        dropout: 0.0,
        released,
    })
}

/// Output, draws and parameters of one run.
struct Run<T: Real> {
    output: Tensor<T>,
    draws: BTreeMap<String, Draw>,
    parameters: Vec<Tensor<T>>,
}

impl<T: Real> Run<T> {
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

/// A method on tensors, as one example of a batch that is padded to `padded_length`. Its parameters
/// come from one stream, its draws from another.
fn run<T: Real>(
    method: &dyn Attention<T>,
    [q, k, v]: &[Tensor<T>; 3],
    padded_length: usize,
    stream: Stream,
) -> Run<T> {
    let tape = Tape::forward_only();
    let [q, k, v] = [q, k, v].map(|x| tape.leaf("input", x.clone()));
    let positions: Vec<u32> = (0..v.rows() as u32).collect();
    let shape = LayerShape {
        positions: padded_length,
        heads: HEADS,
        head_width: WIDTH,
    };
    let parameters = method.parameters(shape, Seed(37).stream("parameters"));
    let leaves: Vec<_> = parameters
        .iter()
        .map(|(name, value)| tape.leaf(name, value.clone()))
        .collect();
    let draws = Draws::recording(stream);
    let output = method.forward(&Inputs {
        q: Some(&q),
        k: Some(&k),
        v: &v,
        heads: HEADS,
        positions: &positions,
        padded_length,
        parameters: &leaves,
        draws: &draws,
        place: Place::default(),
        dropout: None,
    });
    Run {
        output: output.into_value(),
        draws: draws.recorded(),
        parameters: parameters.into_iter().map(|(_, value)| value).collect(),
    }
}

/// Softmax attention of one query over the keys for which `sees` holds.
fn attend(q: &[f64], k: &Rows, v: &Rows, sees: impl Fn(usize) -> bool) -> Vec<f64> {
    let logits: Vec<f64> = (0..k.len())
        .map(|j| {
            if sees(j) {
                dot(q, &k[j]) / (WIDTH as f64).sqrt()
            } else {
                f64::NEG_INFINITY
            }
        })
        .collect();
    mix(&softmax(&logits), v)
}

fn exact(x: &[Tensor<f64>; 3]) -> [Rows; HEADS] {
    [0, 1].map(|h| {
        let [q, k, v] = heads(x, h);
        q.iter().map(|q| attend(q, &k, &v, |_| true)).collect()
    })
}

fn worst(got: &Tensor<f64>, want: &[Rows; HEADS]) -> f64 {
    let mut worst: f64 = 0.0;
    for (h, want) in want.iter().enumerate() {
        for (got, want) in head(got, h).iter().flatten().zip(want.iter().flatten()) {
            worst = worst.max((got - want).abs());
        }
    }
    worst
}

/// Shorter than every budget, ragged, and around the kernel's 256 rows of a tile.
const LENGTHS: [usize; 8] = [1, 2, 3, 7, 17, 64, 257, 300];
const BUDGETS: [usize; 4] = [1, 6, 40, 1000];

/// What rows of BigBird see, said as in the paper: by blocks.
fn bigbird(x: &[Tensor<f64>; 3], b: usize, blocks: usize, random: [Vec<usize>; 2]) -> [Rows; 2] {
    [0, 1].map(|h| {
        let [q, k, v] = heads(x, h);
        let r = random[h].len() / blocks;
        let last = blocks - 1;
        (0..q.len())
            .map(|i| {
                let row = i / b;
                attend(&q[i], &k, &v, |j| {
                    let column = j / b;
                    let global = row == 0 || row == last || column == 0 || column == last;
                    let window = column + 1 >= row && column <= row + 1;
                    global || window || random[h][row * r..(row + 1) * r].contains(&column)
                })
            })
            .collect()
    })
}

#[test]
fn bigbird_equals_masked_attention() {
    for n in LENGTHS {
        for features in BUDGETS {
            let what = format!("bigbird n = {n}, d = {features}");
            let x = example(stream("bigbird").at(n), n);
            let run = run(&*build("bigbird", features, false), &x, n, stream("draws"));
            let b = (features / 4).max(1);
            let blocks = n.div_ceil(b);
            let random = [0, 1].map(|h| run.indices("random_blocks", h));
            for (i, drawn) in random[0].chunks(3).enumerate() {
                let middle = i > 0 && i + 1 < blocks;
                let free: Vec<usize> = (1..blocks.max(2) - 1)
                    .filter(|&j| middle && j.abs_diff(i) > 1)
                    .collect();
                let mut distinct: Vec<_> = drawn.iter().filter(|j| free.contains(j)).collect();
                distinct.sort_unstable();
                distinct.dedup();
                assert_eq!(distinct.len(), free.len().min(3), "{what}, block {i}");
            }
            assert_close(&run.output, &bigbird(&x, b, blocks, random), &what);
        }
    }
}

#[test]
fn bigbird_is_exact_when_the_blocks_cover_everything() {
    // Seven blocks: first, last, three of the window, and all others random.
    for n in [28, 27, 25, 4, 1] {
        let x = example(stream("cover").at(n), n);
        let run = run(&*build("bigbird", 16, false), &x, n, stream("draws"));
        assert_close(&run.output, &exact(&x), &format!("bigbird n = {n}"));
    }
}

#[test]
fn released_bigbird_has_one_plan_within_1024_tokens_of_the_padded_length() {
    // Blocks of 4; at a padded length of 2048 random ones end with token 640, else with 1024.
    let method = build("bigbird", 16, true);
    for (padded, tokens) in [(2048, 640), (4096, 1024)] {
        let n = 1500;
        let x = example(stream("plan").at(n), n);
        let one = run(&*method, &x, padded, stream("draws").at(1));
        let other = run(&*method, &x, padded, stream("draws").at(2));
        assert_eq!(one.draws, other.draws, "one plan for everybody");
        let random = [0, 1].map(|h| one.indices("random_blocks", h));
        assert_ne!(random[0], random[1], "but one for each head");
        assert_eq!(random[0].len(), 3 * padded / 4);
        // The last rows see none of them anyway, so that all three are drawn.
        let behind = &random[0][1400 / 4 * 3..n / 4 * 3];
        assert!(behind.iter().all(|&j| j > 0 && j < tokens / 4));
        assert!(behind.iter().any(|&j| j > tokens / 4 * 9 / 10));

        assert_close(
            &one.output,
            &bigbird(&x, 4, padded / 4, random),
            "released bigbird",
        );
        // Which is not the registered method: there the example's last block is global, whatever is
        // drawn.
        let fresh = run(&*build("bigbird", 16, false), &x, padded, stream("draws"));
        let (got, registered) = (&one.output, &fresh.output);
        let last_row = |x: &Tensor<f64>| x.row(n - 1).to_vec();
        let all: Vec<f64> = exact(&x)
            .iter()
            .flat_map(|head| head[n - 1].clone())
            .collect();
        let off = |row: Vec<f64>| {
            let off = row.iter().zip(&all).map(|(a, b)| (a - b).abs());
            off.fold(0.0, f64::max)
        };
        assert!(off(last_row(registered)) < 1e-12 && off(last_row(got)) > 1e-3);
        let reach = fresh.indices("random_blocks", 0);
        assert!(reach.iter().any(|&j| j >= tokens / 4 && j < 1400 / 4));
    }
}

/// Released forms count padding, and are exact for fewer tokens.
#[test]
fn what_says_that_its_features_reach_an_example_is_exact_there() {
    let padded = 64;
    for name in ["bigbird", "nystrom", "informer", "informer-mask", "skein"] {
        for d in [4, 16, 24, 64] {
            let method = build::<f64>(name, d, true);
            let longest = (1..=padded).rfind(|&n| method.reaches(n, padded));
            let expected = match (name, d) {
                ("bigbird", 4) => Some(3),
                // Blocks of 4 and of 6: three of 16 and of 11. Of four blocks all are seen.
                ("bigbird", 16) => Some(12),
                ("bigbird", 24) => Some(18),
                ("nystrom", 4..64) => None,
                // The factor ⌈d / ln 64⌉ times 5.
                ("informer", 4) => Some(5),
                ("informer", 16) => Some(20),
                ("informer", 24) => Some(30),
                _ => Some(d),
            };
            assert_eq!(longest, expected, "{name}, {d} features");
            for n in (1..=padded).filter(|&n| method.reaches(n, padded)) {
                let x = example(stream("reached").at(n), n);
                let got = run(&*method, &x, padded, stream("draws"));
                assert_close(&got.output, &exact(&x), &format!("{name}, d {d}, n = {n}"));
            }
        }
    }
}

/// FAVOR+ with its factor m^-½, x̃ = scale x; `joint` takes the maximum of the keys over both heads.
fn performer(x: &[Tensor<f64>; 3], w: [Rows; 2], scale: f64, joint: bool) -> [Rows; 2] {
    let scaled = |x: &[f64]| x.iter().map(|x| x * scale).collect::<Vec<f64>>();
    let largest = |x: &[f64], w: &Rows| {
        let x = scaled(x);
        w.iter()
            .map(|w| dot(w, &x))
            .fold(f64::NEG_INFINITY, f64::max)
    };
    let key_c: Vec<f64> = (0..HEADS)
        .map(|h| {
            let [_, k, _] = heads(x, h);
            let maxima = k.iter().map(|k| largest(k, &w[h]));
            maxima.fold(f64::NEG_INFINITY, f64::max)
        })
        .collect();
    [0, 1].map(|h| {
        let [q, k, v] = heads(x, h);
        let w = &w[h];
        let feature = |x: &[f64], c: f64| -> Vec<f64> {
            let x = scaled(x);
            let each = |w: &Vec<f64>| {
                ((dot(w, &x) - dot(&x, &x) / 2.0 - c).exp() + 1e-4) / (w.len() as f64).sqrt()
            };
            w.iter().map(each).collect()
        };
        let c = if joint {
            key_c[0].max(key_c[1])
        } else {
            key_c[h]
        };
        let keys: Rows = k.iter().map(|k| feature(k, c)).collect();
        q.iter()
            .map(|q| {
                let query = feature(q, largest(q, w));
                let weights: Vec<f64> = keys.iter().map(|key| dot(&query, key)).collect();
                let sum: f64 = weights.iter().sum();
                let weights: Vec<f64> = weights.iter().map(|weight| weight / sum).collect();
                mix(&weights, &v)
            })
            .collect()
    })
}

fn rows_of(w: &[f64]) -> Rows {
    w.chunks(WIDTH).map(<[f64]>::to_vec).collect()
}

#[test]
fn performer_equals_its_dense_features() {
    for n in LENGTHS {
        for features in BUDGETS {
            let x = example(stream("performer").at(n), n);
            let run = run(
                &*build("performer", features, false),
                &x,
                n,
                stream("draws"),
            );
            let w = [0, 1].map(|h| rows_of(&run.numbers("w", h)));
            assert_eq!(w[0].len(), features);
            let want = performer(&x, w, (WIDTH as f64).powf(-0.25), false);
            assert_close(
                &run.output,
                &want,
                &format!("performer n = {n}, d = {features}"),
            );
        }
    }
}

#[test]
fn performer_nears_exact_attention_with_many_features() {
    let n = 50;
    // Short vectors: c grows with the number of features, and where exp(-c) nears ε = 1e-4, ε is
    // what is left.
    let [mut q, mut k, v] = example(stream("many").at(n), n);
    for x in q.data_mut().iter_mut().chain(k.data_mut()) {
        *x *= 0.3;
    }
    let x = [q, k, v];
    let error = |features: usize| {
        let seeds = 0..10;
        let total: f64 = seeds
            .map(|seed| {
                let draws = stream("many features").at(seed);
                let run = run(&*build("performer", features, false), &x, n, draws);
                let want = exact(&x);
                (0..HEADS)
                    .flat_map(|h| head(&run.output, h).concat())
                    .zip(want.concat().concat())
                    .map(|(got, want)| (got - want).powi(2))
                    .sum::<f64>()
            })
            .sum();
        (total / 10.0).sqrt()
    };
    // Like m^-½.
    let (few, many) = (error(16), error(1024));
    assert!(few / many > 5.0 && few / many < 13.0, "{few} -> {many}");
}

#[test]
fn released_performer_is_too_flat_and_never_redraws() {
    let (n, features) = (33, 20);
    let x = example(stream("released performer").at(n), n);
    let method = build("performer", features, true);
    let one = run(&*method, &x, n, stream("draws").at(1));
    let other = run(&*method, &x, n, stream("draws").at(2));
    assert_eq!(
        one.output.data(),
        other.output.data(),
        "W is not drawn anew"
    );
    assert!(!method.trains("w"), "but it is not learned either");
    let w = rows_of(one.parameters[0].data());
    assert_eq!(w.len(), features);
    let (once, twice) = ((WIDTH as f64).powf(-0.25), (WIDTH as f64).powf(-0.5));
    let want = performer(&x, [w.clone(), w.clone()], twice, true);
    assert_close(&one.output, &want, "released performer");
    // Each of the three counts.
    let apart = |scale, joint| {
        let other = performer(&x, [w.clone(), w.clone()], scale, joint);
        worst(&one.output, &other)
    };
    assert!(apart(once, true) > 1e-2 && apart(twice, false) > 1e-8);
    let fresh = build("performer", features, false);
    let [one, other] = [1, 2].map(|seed| run(&*fresh, &x, n, stream("draws").at(seed)).output);
    assert_ne!(one.data(), other.data());
}

/// One query of one round: what it gets, and its log-sum-exp.
fn round(q: &[f64], own: usize, seen: &[usize], k: &Rows, v: &Rows) -> (Vec<f64>, f64) {
    let logits: Vec<f64> = seen
        .iter()
        .map(|&j| if j == own { -1e5 } else { dot(q, &k[j]) })
        .collect();
    let values: Rows = seen.iter().map(|&j| v[j].clone()).collect();
    let max = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let lse = max + logits.iter().map(|s| (s - max).exp()).sum::<f64>().ln();
    (mix(&softmax(&logits), &values), lse)
}

/// LSH attention round by round; in `one_circle` the chunks run on from round to round.
fn reformer(
    x: &[Tensor<f64>; 3],
    rotations: [Vec<f64>; 2],
    chunk: usize,
    one_circle: bool,
) -> [Rows; 2] {
    [0, 1].map(|h| {
        let [q, _, v] = heads(x, h);
        let n = q.len();
        let k: Rows = q
            .iter()
            .map(|q| {
                let length = (dot(q, q) + 1e-6 * WIDTH as f64).sqrt();
                q.iter().map(|x| x / length).collect()
            })
            .collect();
        let half = rotations[h].len() / 2 / WIDTH;
        let mut sorted = Vec::new();
        for rotation in rotations[h].chunks(WIDTH * half) {
            let bucket = |i: usize| {
                let x: Vec<f64> = (0..half)
                    .map(|b| (0..WIDTH).map(|c| q[i][c] * rotation[c * half + b]).sum())
                    .collect();
                let both: Vec<f64> = x.iter().copied().chain(x.iter().map(|x| -x)).collect();
                (0..2 * half).fold(0, |best, b| if both[b] > both[best] { b } else { best })
            };
            let mut order: Vec<usize> = (0..n).collect();
            order.sort_by_key(|&i| (bucket(i), i));
            sorted.push(order);
        }
        let circles = if one_circle {
            vec![sorted.concat()]
        } else {
            sorted
        };
        let mut rounds = vec![Vec::new(); n];
        for circle in circles {
            let chunks: Vec<&[usize]> = circle.chunks(chunk).collect();
            for (c, own) in chunks.iter().enumerate() {
                let before = (c + chunks.len() - 1) % chunks.len();
                let mut seen = if before == c {
                    Vec::new()
                } else {
                    chunks[before].to_vec()
                };
                seen.extend_from_slice(own);
                for &i in *own {
                    rounds[i].push(round(&q[i], i, &seen, &k, &v));
                }
            }
        }
        rounds
            .into_iter()
            .map(|rounds| {
                assert_eq!(rounds.len(), 2);
                let (y, lse): (Rows, Vec<f64>) = rounds.into_iter().unzip();
                mix(&softmax(&lse), &y)
            })
            .collect()
    })
}

#[test]
fn reformer_equals_its_rounds_joined() {
    for n in LENGTHS {
        for features in BUDGETS {
            for released in [false, true] {
                let x = example(stream("reformer").at(n), n);
                let method = build("reformer", features, released);
                let run = run(&*method, &x, n, stream("draws"));
                let rotations = [0, 1].map(|h| run.numbers("rotations", h));
                let chunk = (features / 4).max(1);
                let half = rotations[0].len() / 2 / WIDTH;
                assert!(
                    half == 1
                        || half.is_power_of_two() && half <= n / chunk && 2 * half > n / chunk
                );
                let want = reformer(&x, rotations, chunk, released);
                let what = format!("reformer n = {n}, d = {features}, released: {released}");
                assert_close(&run.output, &want, &what);
            }
        }
    }
}

#[test]
fn released_reformer_looks_from_one_round_into_the_other() {
    let (n, features) = (64, 32);
    let x = example(stream("rounds"), n);
    let [one, other] = [false, true].map(|released| {
        run(
            &*build("reformer", features, released),
            &x,
            n,
            stream("draws"),
        )
    });
    assert_eq!(one.draws, other.draws);
    let differ = |i: usize| one.output.row(i) != other.output.row(i);
    let rows = (0..n).filter(|&i| differ(i)).count();
    // The first chunk of every round, of 8 rows in each head.
    assert!(rows > 0 && rows <= 2 * 2 * 8, "{rows} rows differ");
}

#[test]
fn reformer_with_chunks_of_the_whole_length_leaves_out_only_the_own_key() {
    for n in [2, 3, 20] {
        let x = example(stream("whole").at(n), n);
        let run = run(&*build("reformer", 80, false), &x, n, stream("draws"));
        let want = [0, 1].map(|h| {
            let [q, _, v] = heads(&x, h);
            let keys: Rows = q
                .iter()
                .map(|q| {
                    // `attend` divides the logits by √p, and reformer does not.
                    let length = ((dot(q, q) + 1e-6 * WIDTH as f64) / WIDTH as f64).sqrt();
                    q.iter().map(|x| x / length).collect()
                })
                .collect();
            (0..n)
                .map(|i| attend(&q[i], &keys, &v, |j| j != i))
                .collect()
        });
        assert_close(&run.output, &want, &format!("reformer n = {n}"));
    }
}

/// A logit of -1e5 has two digits after the point in f32: through its log-sum-exp the weights of a
/// single token's two rounds were off by as much as 0.4 %.
#[test]
fn a_token_alone_gets_its_value_in_f32() {
    let x = example(stream("alone"), 1)
        .map(|x| Tensor::from_fn(1, HEADS * WIDTH, |i, j| x.row(i)[j] as f32));
    for name in METHODS {
        let output = run(&*build::<f32>(name, 8, false), &x, 1, stream("draws")).output;
        for (got, want) in output.data().iter().zip(x[2].data()) {
            assert!(
                (got - want).abs() <= 1e-6 * want.abs(),
                "{name}: {got} is not {want}"
            );
        }
    }
}

/// Informer by its definition: sort by the measure, exact rows, means elsewhere.
fn informer(x: &[Tensor<f64>; 3], sampled: [Vec<usize>; 2], u: usize, length: usize) -> [Rows; 2] {
    [0, 1].map(|h| {
        let [q, k, v] = heads(x, h);
        let n = q.len();
        let measure: Vec<f64> = sampled[h]
            .chunks(u)
            .zip(&q)
            .map(|(keys, q)| {
                let dots: Vec<f64> = keys.iter().map(|&j| dot(q, &k[j])).collect();
                let max = dots.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                max - dots.iter().sum::<f64>() / length as f64
            })
            .collect();
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|&a, &b| measure[b].total_cmp(&measure[a])); // stable: ties to the first
        let mean = mix(&vec![1.0 / n as f64; n], &v);
        (0..n)
            .map(|i| {
                if order[..u].contains(&i) {
                    attend(&q[i], &k, &v, |_| true)
                } else {
                    mean.clone()
                }
            })
            .collect()
    })
}

/// u = U of `informer` for n tokens, n as `length`.
fn logarithmic(features: usize, n: usize, length: usize) -> usize {
    if n == 1 {
        return 1;
    }
    let ln = (length as f64).ln();
    n.min((features as f64 / ln).ceil() as usize * ln.ceil() as usize)
}

#[test]
fn informer_equals_its_definition_for_every_length_and_budget() {
    for n in LENGTHS {
        for features in BUDGETS {
            for name in ["informer", "informer-mask"] {
                let x = example(stream(name).at(n), n);
                let run = run(&*build(name, features, false), &x, n, stream("draws"));
                let sampled = [0, 1].map(|h| run.indices("sampled", h));
                let u = match name {
                    "informer" => logarithmic(features, n, n),
                    _ => features.min(n),
                };
                let what = format!("{name} n = {n}, d = {features}");
                assert_eq!(sampled[0].len(), n * u, "{what}");
                // Two tables of so many indices are never the same by chance.
                assert!(n * u < 20 || sampled[0] != sampled[1], "{what}");
                assert_close(&run.output, &informer(&x, sampled, u, n), &what);
                if u == n {
                    assert_close(&run.output, &exact(&x), &what);
                }
            }
        }
    }
}

#[test]
fn informer_mask_samples_among_all_tokens_and_no_padding() {
    let (n, padded) = (100, 1024);
    for released in [false, true] {
        let x = example(stream("range"), n);
        let method = build("informer-mask", 40, released);
        let sampled = run(&*method, &x, padded, stream("draws")).indices("sampled", 0);
        let mut counts = vec![0; n];
        sampled.iter().for_each(|&j| counts[j] += 1);
        // 40 are expected of each, with a standard deviation of 6.3.
        assert!(
            counts.iter().all(|count| (15..=65).contains(count)),
            "{counts:?}"
        );
    }
}

#[test]
fn released_informer_counts_padding_and_shares_its_sample() {
    let (n, padded, features) = (60, 4096, 20);
    for name in ["informer", "informer-mask"] {
        let x = example(stream("released").at(n), n);
        let run = run(&*build(name, features, true), &x, padded, stream("draws"));
        let table = run.indices("sampled", 0);
        assert!(!run.draws.contains_key(&Place::default().draw("sampled", 1)));
        let u = match name {
            "informer" => logarithmic(features, n, padded), // 27, for 25 by its own length
            _ => features,
        };
        assert_eq!(table.len(), n * u);
        let sampled = [table.clone(), table];
        assert_close(&run.output, &informer(&x, sampled.clone(), u, padded), name);
        // Not what the length of the example gives: the sum hardly counts.
        assert!(
            worst(&run.output, &informer(&x, sampled, u, n)) > 1e-2,
            "{name}"
        );
    }
    assert_ne!(
        logarithmic(features, n, padded),
        logarithmic(features, n, n)
    );
}

#[test]
fn gradients_of_the_released_forms_are_right() {
    for name in METHODS {
        for (n, features) in [(1, 8), (2, 8), (13, 8), (40, 20)] {
            let stream = stream("gradients").stream(name).at(n);
            let padded = 64;
            let method = build(name, features, true);
            let x = example(stream, n);
            let frozen = run(&*method, &x, padded, stream);
            let [q, k, v] = x;
            let inputs = [("q", q), ("k", k), ("v", v)];
            let positions: Vec<u32> = (0..n as u32).collect();
            let checked = check(name, stream, &inputs, |tape, x| {
                let own = frozen.parameters.iter();
                let own: Vec<_> = own.map(|w| tape.leaf("w", w.clone())).collect();
                method.forward(&Inputs {
                    q: Some(&x[0]),
                    k: Some(&x[1]),
                    v: &x[2],
                    heads: HEADS,
                    positions: &positions,
                    padded_length: padded,
                    parameters: &own,
                    draws: &Draws::replay(stream, frozen.draws.clone()),
                    place: Place::default(),
                    dropout: None,
                })
            });
            checked.unwrap_or_else(|failure| panic!("n = {n}: {failure}"));
        }
    }
}

#[test]
fn a_fixed_projection_gets_no_gradient() {
    let n = 9;
    let method = build::<f64>("performer", 8, true);
    let [q, k, v] = example(stream("constant"), n);
    let tape = Tape::new();
    let [q, k, v] = [q, k, v].map(|x| tape.leaf("input", x));
    let shape = LayerShape {
        positions: n,
        heads: HEADS,
        head_width: WIDTH,
    };
    let w = method.parameters(shape, stream("w")).remove(0).1;
    let w = tape.leaf("w", w);
    let draws = Draws::live(stream("draws"));
    let positions: Vec<u32> = (0..n as u32).collect();
    let y = method.forward(&Inputs {
        q: Some(&q),
        k: Some(&k),
        v: &v,
        heads: HEADS,
        positions: &positions,
        padded_length: n,
        parameters: std::slice::from_ref(&w),
        draws: &draws,
        place: Place::default(),
        dropout: None,
    });
    let mut gradients = tape.backward_from(&y, normal(stream("dy"), n, HEADS * WIDTH));
    assert!(gradients.take(&w).is_none() && gradients.take(&q).is_some());
}
