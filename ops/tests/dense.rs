//! The attention methods against the plainest dense loops, written from the paper's formulas and
//! not from the kernel: lengths, budgets and options that the reference cases do not hold.

use engine::check::normal;
use engine::{Draw, Draws, Seed, Stream, Tape};
use ops::attention::{Attention, Inputs, Options, Place, find, suite};
use ops::dropout::Dropout;

use crate::plain::*;

/// Algorithm 1, steps 6 to 12, literally: geometric means, equation 6, imputed columns, exact pilot
/// rows.
fn skein(q: &Rows, k: &Rows, v: &Rows, pilots: &[u32], columns: &[u32]) -> Rows {
    let (n, d) = (q.len(), columns.len());
    let p = q[0].len() as f64;
    (0..n)
        .map(|i| {
            if pilots.contains(&(i as u32)) {
                return mix(&probabilities(&q[i], k), v);
            }
            let a: Vec<f64> = columns
                .iter()
                .map(|&j| (dot(&q[i], &k[j as usize]) / p.sqrt()).exp())
                .collect();
            let g = a.iter().product::<f64>().powf(1.0 / d as f64);
            let row_sum = a.iter().sum::<f64>() + (n - d) as f64 * g;
            (0..v[0].len())
                .map(|c| {
                    let sampled: f64 = a
                        .iter()
                        .zip(columns)
                        .map(|(a, &j)| a * v[j as usize][c])
                        .sum();
                    let rest: f64 = (0..n)
                        .filter(|i| !columns.contains(&(*i as u32)))
                        .map(|i| v[i][c])
                        .sum();
                    (sampled + g * rest) / row_sum
                })
                .collect()
        })
        .collect()
}

fn build(name: &str, features: usize) -> Box<dyn Attention<f64>> {
    find::<f64>(name).unwrap().method(&Options {
        features,
        ..Options::default()
    })
}

fn indices(run: &suite::Run<f64>, name: &str) -> Vec<u32> {
    match &run.draws[name] {
        Draw::Indices(indices) => indices.clone(),
        Draw::Numbers(_) => panic!("{name} holds numbers"),
    }
}

fn stream(name: &str) -> Stream {
    Seed(31).stream(name)
}

/// Around the kernel's blocks and tiles too: 64, 256 rows, 256, 512 keys.
const LENGTHS: [usize; 9] = [1, 2, 3, 17, 64, 129, 257, 513, 700];

#[test]
fn softmax_equals_the_dense_loop() {
    for n in LENGTHS {
        let x = suite::example(stream("softmax").at(n), n);
        let got = suite::run(&*build("softmax", 1), &x, stream("draws")).output;
        let want = [0, 1].map(|h| {
            let [q, k, v] = [0, 1, 2].map(|which| head(&x[which], h));
            q.iter().map(|q| mix(&probabilities(q, &k), &v)).collect()
        });
        assert_close(&got, &want, &format!("softmax n = {n}"));
    }
}

#[test]
fn skein_equals_algorithm_1_for_every_length_and_budget() {
    for n in LENGTHS {
        for features in [1, 5, 300, 1000] {
            let x = suite::example(stream("skein").at(n), n);
            let run = suite::run(&*build("skein", features), &x, stream("draws").at(n));
            let want = [0, 1].map(|h| {
                let [q, k, v] = [0, 1, 2].map(|which| head(&x[which], h));
                let pilots = indices(&run, &format!("pilot.doc0.layer0.head{h}"));
                let columns = indices(&run, &format!("columns.doc0.layer0.head{h}"));
                assert_eq!(
                    (pilots.len(), columns.len()),
                    (features.min(n), features.min(n))
                );
                // Equation 5, for the record of probabilities.
                let rows: Rows = pilots
                    .iter()
                    .map(|&j| probabilities(&q[j as usize], &k))
                    .collect();
                let mut p_hat: Vec<f64> = (0..n)
                    .map(|i| {
                        let energy: f64 = rows.iter().map(|row| row[i].powi(2)).sum();
                        energy.sqrt() * dot(&v[i], &v[i]).sqrt()
                    })
                    .collect();
                let total: f64 = p_hat.iter().sum();
                p_hat.iter_mut().for_each(|p| *p /= total);
                let Draw::Numbers(noted) =
                    &run.draws[&format!("probabilities.doc0.layer0.head{h}")]
                else {
                    panic!("probabilities are numbers")
                };
                for (got, want) in noted.iter().zip(&p_hat) {
                    assert!(
                        (got - want).abs() < 1e-12,
                        "n = {n}, d = {features}: p-hat {got} is not {want}"
                    );
                }
                skein(&q, &k, &v, &pilots, &columns)
            });
            assert_close(
                &run.output,
                &want,
                &format!("skein n = {n}, d = {features}"),
            );
        }
    }
}

#[test]
fn the_ablations_equal_their_rows_of_the_table() {
    for n in [1, 2, 17, 129, 700] {
        for features in [1, 5, 300] {
            let x = suite::example(stream("ablations").at(n), n);
            let q_k_v = |h| [0, 1, 2].map(|which| head(&x[which], h));
            let columns = |run: &suite::Run<f64>, h: usize| {
                indices(run, &format!("columns.doc0.layer0.head{h}"))
            };
            let what = |name: &str| format!("{name} n = {n}, d = {features}");

            for name in ["skein-uniform", "skein-nopilot"] {
                let run = suite::run(&*build(name, features), &x, stream("draws").at(n));
                assert_eq!(
                    run.draws.contains_key("pilot.doc0.layer0.head0"),
                    name == "skein-nopilot"
                );
                let want = [0, 1].map(|h| {
                    let [q, k, v] = q_k_v(h);
                    skein(&q, &k, &v, &[], &columns(&run, h))
                });
                assert_close(&run.output, &want, &what(name));
            }

            let run = suite::run(
                &*build("skein-simplenorm", features),
                &x,
                stream("draws").at(n),
            );
            let want = [0, 1].map(|h| {
                let [q, k, v] = q_k_v(h);
                let pick = |x: &Rows| -> Rows {
                    columns(&run, h)
                        .iter()
                        .map(|&j| x[j as usize].clone())
                        .collect()
                };
                q.iter()
                    .map(|q| mix(&probabilities(q, &pick(&k)), &pick(&v)))
                    .collect()
            });
            assert_close(&run.output, &want, &what("skein-simplenorm"));

            let run = suite::run(&*build("skein-nonorm", features), &x, stream("draws").at(n));
            let want = [0, 1].map(|h| {
                let [q, k, v] = q_k_v(h);
                let columns = columns(&run, h);
                q.iter()
                    .map(|q| {
                        let mut p = probabilities(q, &k);
                        (0..n)
                            .filter(|j| !columns.contains(&(*j as u32)))
                            .for_each(|j| p[j] = 0.0);
                        mix(&p, &v)
                    })
                    .collect()
            });
            assert_close(&run.output, &want, &what("skein-nonorm"));
        }
    }
}

/// Pilot rows are exact; the others are those of the ablation.
#[test]
fn the_ablations_of_one_factor_keep_the_pilot_rows() {
    for n in [1, 2, 17, 129, 700] {
        for features in [1, 5, 300] {
            let x = suite::example(stream("one factor").at(n), n);
            for name in ["skein-one-uniform", "skein-one-simple", "skein-one-nonorm"] {
                let run = suite::run(&*build(name, features), &x, stream("draws").at(n));
                let want = [0, 1].map(|h| {
                    let [q, k, v] = [0, 1, 2].map(|which| head(&x[which], h));
                    let [pilots, columns] = ["pilot", "columns"]
                        .map(|what| indices(&run, &format!("{what}.doc0.layer0.head{h}")));
                    let mut rows = skein(&q, &k, &v, &pilots, &columns);
                    let others = (0..n).filter(|i| !pilots.contains(&(*i as u32)));
                    for i in others.filter(|_| name != "skein-one-uniform") {
                        let mut p = probabilities(&q[i], &k);
                        (0..n)
                            .filter(|j| !columns.contains(&(*j as u32)))
                            .for_each(|j| p[j] = 0.0);
                        let sampled: f64 = match name {
                            "skein-one-simple" => p.iter().sum(),
                            _ => 1.0,
                        };
                        p.iter_mut().for_each(|p| *p /= sampled);
                        rows[i] = mix(&p, &v);
                    }
                    rows
                });
                let what = format!("{name} n = {n}, d = {features}");
                assert_close(&run.output, &want, &what);
                let estimated = run.draws.contains_key("probabilities.doc0.layer0.head0");
                assert_eq!(estimated, name != "skein-one-uniform");
            }
        }
    }
}

#[test]
fn dropout_on_probabilities_follows_its_mask() {
    let rate = 0.25;
    let method = find::<f64>("softmax").unwrap().method(&Options {
        features: 1,
        dropout: rate,
        ..Options::default()
    });
    for n in [1, 33, 300, 700] {
        let x = suite::example(stream("dropout").at(n), n);
        let cotangent = normal(stream("cotangent"), n, x[0].cols());
        let positions: Vec<u32> = (0..n as u32).collect();
        let masks = stream("masks").at(n);

        let tape = Tape::new();
        let [q, k, v] = x.clone().map(|x| tape.leaf("input", x));
        let draws = Draws::live(stream("draws"));
        let y = method.forward(&Inputs {
            q: Some(&q),
            k: Some(&k),
            v: &v,
            heads: HEADS,
            positions: &positions,
            padded_length: n,
            parameters: &[],
            draws: &draws,
            place: Place::default(),
            dropout: Some(masks),
        });
        let gradients = tape.backward_from(&y, cotangent.clone());

        // y_i = sum_j P_ij M_ij v_j; dv_j = sum_i P_ij M_ij dy_i; ds = P (M dp - sum_j P M dp); dq
        // = ds k / √p.
        let mut want: [Vec<Rows>; 4] = Default::default();
        for h in 0..HEADS {
            let [q, k, v] = [0, 1, 2].map(|which| head(&x[which], h));
            let dy = head(&cotangent, h);
            let dropout = Dropout::new(rate, masks.at(h).key());
            let p = q[0].len();
            let (mut y, mut dq) = (Rows::new(), Rows::new());
            let (mut dk, mut dv) = (vec![vec![0.0; p]; n], vec![vec![0.0; p]; n]);
            for i in 0..n {
                let probability = probabilities(&q[i], &k);
                let mut mask = vec![1.0; n];
                dropout.apply(i, 0, &mut mask);
                let kept: Vec<f64> = probability.iter().zip(&mask).map(|(p, m)| p * m).collect();
                y.push(mix(&kept, &v));
                let dp: Vec<f64> = (0..n).map(|j| mask[j] * dot(&dy[i], &v[j])).collect();
                let mean = dot(&probability, &dp);
                let ds: Vec<f64> = (0..n)
                    .map(|j| probability[j] * (dp[j] - mean) / (p as f64).sqrt())
                    .collect();
                dq.push(mix(&ds, &k));
                for j in 0..n {
                    for c in 0..p {
                        dk[j][c] += ds[j] * q[i][c];
                        dv[j][c] += kept[j] * dy[i][c];
                    }
                }
            }
            for (all, one) in want.iter_mut().zip([y, dq, dk, dv]) {
                all.push(one);
            }
        }
        let [y_want, dq, dk, dv] = want.map(|heads| <[Rows; HEADS]>::try_from(heads).unwrap());
        assert_close(y.value(), &y_want, &format!("output n = {n}"));
        assert_close(&gradients.of(&q), &dq, &format!("dq n = {n}"));
        assert_close(&gradients.of(&k), &dk, &format!("dk n = {n}"));
        assert_close(&gradients.of(&v), &dv, &format!("dv n = {n}"));
    }
}
