//! What token frequencies alone can do: the accuracy a sequence model has to beat.
//!
//! Logistic regression on how often each byte stands in a text; of a pair, on how much the two texts differ in that,
//! byte by byte. It sees neither order nor position nor products, so its distance to a model's accuracy is what the
//! model got from these. Called by the experiments, which print it beside the model's accuracy; it is deterministic, in
//! f64.

use crate::{Dataset, Example};
use engine::rng::Seed;
use std::fmt;

/// Test accuracies, in [0, 1].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Baseline {
    /// Of always answering the most frequent class of train.
    pub majority: f64,
    /// Of L2-regularised logistic regression on token frequencies, fitted on train.
    pub logistic: f64,
}

impl fmt::Display for Baseline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "majority class {:.2}%, logistic regression on token frequencies {:.2}%",
            100.0 * self.majority,
            100.0 * self.logistic
        )
    }
}

/// Penalty lambda/2 |w|^2 beside the mean log-loss, on standardised features: weak, since examples outnumber features;
/// on IMDb and on the built-in reviews, a tenth and ten times of it move the accuracy by less than 0.1 points.
const PENALTY: f64 = 1e-3;
/// The fit ends when no derivative of the objective is larger (1e-4 and 1e-6 give the same accuracy to 0.01 points) ...
const TOLERANCE: f64 = 1e-5;
/// ... or after so many steps. IMDb takes 345: bytes that stand in a handful of texts move slowly.
const STEPS: usize = 1000;
/// It is fitted on at most so many examples, 51 MB of features; of more, those that a fixed stream draws. IMDb has as
/// many; 256 weights have settled by then.
const FITTED: usize = 25_000;

/// Fits on the train split (25,000 examples of it, if there are more) and measures on the test split. With more than
/// two classes, one regression a class, and the largest answer counts.
///
/// # Panics
/// If train or test is empty.
pub fn token_frequencies(dataset: &Dataset) -> Baseline {
    token_frequencies_until(dataset, || false).expect("nobody stops it")
}

/// The same, unless somebody wants to `stop` before the regression of a class: there may be many, of a second each.
///
/// # Panics
/// If train or test is empty.
pub fn token_frequencies_until(dataset: &Dataset, stop: impl Fn() -> bool) -> Option<Baseline> {
    let (train, test) = (&dataset.train.examples, &dataset.test.examples);
    assert!(
        !train.is_empty() && !test.is_empty(),
        "token_frequencies: train or test is empty"
    );
    let classes = dataset.classes.len();

    let mut counts = vec![0usize; classes];
    train.iter().for_each(|example| counts[example.label] += 1);
    let largest = counts.iter().max();
    let majority = counts.iter().position(|count| Some(count) == largest);

    let train = sample(train);
    let scale = Scale::of(&train);
    let x = scale.apply(&train); // (n, p)
    let bound = Bound::of(&x, scale.width());
    // Two classes need one regression: the other is its mirror image.
    let fitted = if classes == 2 { 1..2 } else { 0..classes };
    let models: Vec<(usize, Vec<f64>)> = fitted
        .map(|class| {
            let y: Vec<bool> = train.iter().map(|e| e.label == class).collect();
            (!stop()).then(|| (class, fit(&x, &y, &bound)))
        })
        .collect::<Option<_>>()?;

    let predict = |row: &[f64]| {
        let scores = models.iter().map(|(class, w)| (*class, dot(w, row)));
        if classes == 2 {
            return scores.map(|(_, s)| usize::from(s > 0.0)).next();
        }
        scores
            .reduce(|best, next| if next.1 > best.1 { next } else { best })
            .map(|(class, _)| class)
    };
    let right = test
        .iter()
        .filter(|example| predict(&scale.apply(&[example])) == Some(example.label));
    let share = |right: usize| right as f64 / test.len() as f64;
    Some(Baseline {
        majority: share(test.iter().filter(|e| Some(e.label) == majority).count()),
        logistic: share(right.count()),
    })
}

/// The examples to fit on.
fn sample(train: &[Example]) -> Vec<&Example> {
    let mut all: Vec<&Example> = train.iter().collect();
    if all.len() > FITTED {
        Seed(0).stream("baseline").generator().shuffle(&mut all);
        all.truncate(FITTED);
    }
    all
}

/// Frequencies of the 256 bytes; of a pair, their absolute differences: with their signs, a rule that is the same from
/// both sides, as "these belong together" is, would have no linear trace.
fn features(example: &Example) -> [f64; 256] {
    let frequencies = |document: &[u8]| {
        let mut counts = [0u32; 256];
        document.iter().for_each(|&b| counts[usize::from(b)] += 1);
        let length = document.len().max(1) as f64;
        counts.map(|count| f64::from(count) / length)
    };
    match &*example.documents {
        [] => [0.0; 256],
        [document] => frequencies(document),
        [first, second, ..] => {
            let mut f = frequencies(first);
            let differ = |(a, b): (&mut f64, f64)| *a = (*a - b).abs();
            f.iter_mut().zip(frequencies(second)).for_each(differ);
            f
        }
    }
}

/// Standardisation by the mean and deviation of train; a byte that is as frequent in every text is left out.
struct Scale {
    mean: Vec<f64>,
    deviation: Vec<f64>,
    /// The features with a deviation, p - 1 of them.
    kept: Vec<usize>,
}

impl Scale {
    fn of(train: &[&Example]) -> Self {
        let width = 256;
        let n = train.len() as f64;
        let (mut mean, mut deviation) = (vec![0.0; width], vec![0.0; width]);
        for example in train {
            let f = features(example);
            mean.iter_mut().zip(f).for_each(|(m, f)| *m += f / n);
        }
        for example in train {
            let f = features(example);
            for ((d, m), f) in deviation.iter_mut().zip(&mean).zip(f) {
                *d += (f - m) * (f - m) / n;
            }
        }
        deviation.iter_mut().for_each(|d| *d = d.sqrt());
        // The rounding of a mean of equal numbers looks like a deviation of 1e-17.
        let kept = (0..width).filter(|&j| deviation[j] > 1e-12).collect();
        Scale {
            mean,
            deviation,
            kept,
        }
    }

    /// p: the features and a last column of ones, for the intercept.
    fn width(&self) -> usize {
        self.kept.len() + 1
    }

    /// The standardised features of `examples`, row by row.
    fn apply(&self, examples: &[&Example]) -> Vec<f64> {
        let mut x = Vec::with_capacity(examples.len() * self.width());
        for example in examples {
            let f = features(example);
            let feature = |&j: &usize| (f[j] - self.mean[j]) / self.deviation[j];
            x.extend(self.kept.iter().map(feature));
            x.push(1.0);
        }
        x // (n, p)
    }
}

/// In four lanes: a single sum is one long chain of additions.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (a4, a1) = a.as_chunks::<4>();
    let (b4, b1) = b.as_chunks::<4>();
    let mut lanes = [0.0; 4];
    for (a, b) in a4.iter().zip(b4) {
        for i in 0..4 {
            lanes[i] += a[i] * b[i];
        }
    }
    let rest: f64 = a1.iter().zip(b1).map(|(a, b)| a * b).sum();
    (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]) + rest
}

/// The Cholesky factor L of X'X/(4n) + penalty, an upper bound of the Hessian wherever the weights are.
///
/// The Hessian of the mean log-loss is X' diag(s(1-s)) X / n with s(1-s) <= 1/4 (Boehning 1992). A step
/// w - (bound)^-1 gradient can therefore only go down, without a step length to choose, and one factorisation serves
/// all steps and all classes. On texts as hard to tell apart as reviews, s(1-s) is near 1/4 and the steps are near
/// Newton's.
struct Bound {
    factor: Vec<f64>, // (p, p), lower triangle
    p: usize,
}

impl Bound {
    fn of(x: &[f64], p: usize) -> Self {
        let n = (x.len() / p) as f64;
        let mut a = vec![0.0; p * p];
        for row in x.chunks_exact(p) {
            for (i, &xi) in row.iter().enumerate() {
                let line = &mut a[i * p..i * p + i + 1];
                line.iter_mut().zip(row).for_each(|(a, &xj)| *a += xi * xj);
            }
        }
        a.iter_mut().for_each(|a| *a /= 4.0 * n);
        (0..p - 1).for_each(|i| a[i * p + i] += PENALTY);
        // L in place, row by row: L_ij = (A_ij - sum_k<j L_ik L_jk) / L_jj.
        for i in 0..p {
            for j in 0..=i {
                let s = a[i * p + j] - dot(&a[i * p..i * p + j], &a[j * p..j * p + j]);
                a[i * p + j] = if i == j { s.sqrt() } else { s / a[j * p + j] };
            }
        }
        Bound { factor: a, p }
    }

    /// (L L')^-1 g, in place.
    fn solve(&self, g: &mut [f64]) {
        let (l, p) = (&self.factor, self.p);
        for i in 0..p {
            g[i] = (g[i] - dot(&l[i * p..i * p + i], &g[..i])) / l[i * p + i];
        }
        for i in (0..p).rev() {
            g[i] /= l[i * p + i];
            let gi = g[i];
            let line = &l[i * p..i * p + i];
            g[..i].iter_mut().zip(line).for_each(|(g, l)| *g -= l * gi);
        }
    }
}

/// Minimises the mean log-loss of `y` plus the penalty, which spares the intercept, the last weight.
fn fit(x: &[f64], y: &[bool], bound: &Bound) -> Vec<f64> {
    let p = bound.p;
    let n = y.len() as f64;
    let mut w = vec![0.0; p];
    for _ in 0..STEPS {
        // The gradient: sum_i (s_i - y_i) x_i / n + penalty.
        let mut g: Vec<f64> = w.iter().map(|w| PENALTY * w).collect();
        g[p - 1] = 0.0;
        for (row, &y) in x.chunks_exact(p).zip(y) {
            let s = 1.0 / (1.0 + libm::exp(-dot(&w, row)));
            let r = (s - f64::from(u8::from(y))) / n;
            g.iter_mut().zip(row).for_each(|(g, x)| *g += r * x);
        }
        if g.iter().all(|g| g.abs() < TOLERANCE) {
            break;
        }
        bound.solve(&mut g);
        w.iter_mut().zip(&g).for_each(|(w, g)| *w -= g);
    }
    w
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Encoding, Split};
    use engine::rng::Seed;

    fn dataset(classes: usize, train: Vec<Example>, test: Vec<Example>) -> Dataset {
        let split = |name, examples| Split { name, examples };
        Dataset {
            name: "made for a test".to_string(),
            builtin: true,
            encoding: Encoding {
                offset: 1,
                vocabulary: 512,
                mask_zero: false,
            },
            classes: (0..classes).map(|c| c.to_string()).collect(),
            dev: split("dev", test.clone()),
            train: split("train", train),
            test: split("test", test),
            notes: vec![],
        }
    }

    /// Texts of random letters in which the letter of the label stands `extra` times more.
    fn letters(count: usize, classes: usize, extra: usize, seed: u64) -> Vec<Example> {
        let mut generator = Seed(seed).stream("letters").generator();
        let text = |id: usize, generator: &mut engine::rng::Generator| {
            let label = id % classes;
            let mut text: Vec<u8> = (0..60).map(|_| b'a' + generator.below(20) as u8).collect();
            text.extend(std::iter::repeat_n(b'a' + label as u8, extra));
            Example {
                id,
                label,
                documents: vec![text.into()],
            }
        };
        (0..count).map(|id| text(id, &mut generator)).collect()
    }

    #[test]
    fn it_finds_what_frequencies_tell() {
        for classes in [2, 5] {
            let (train, test) = (letters(600, classes, 12, 1), letters(300, classes, 12, 2));
            let found = token_frequencies(&dataset(classes, train, test));
            assert!(found.logistic > 0.97, "{classes} classes: {found}");
            assert_eq!(found.majority, 1.0 / classes as f64);
        }
    }

    #[test]
    fn it_finds_nothing_where_there_is_nothing() {
        let (train, test) = (letters(2000, 2, 0, 1), letters(2000, 2, 0, 2));
        let found = token_frequencies(&dataset(2, train, test));
        // Four standard errors of a fair coin, 2000 times.
        assert!((found.logistic - 0.5).abs() < 0.045, "{found}");
    }

    /// Two texts of random letters, the second of which begins as the first does, or not.
    #[test]
    fn a_pair_is_what_its_texts_differ_in() {
        let pairs = |seed| {
            let mut generator = Seed(seed).stream("pairs").generator();
            let mut text =
                || -> Vec<u8> { (0..30).map(|_| b'a' + generator.below(20) as u8).collect() };
            let pair = |id: usize| {
                let (first, second, copied) = (text(), text(), if id % 2 == 1 { 25 } else { 0 });
                let second = [&first[..copied], &second[copied..]].concat();
                Example {
                    id,
                    label: id % 2,
                    documents: vec![first.into(), second.into()],
                }
            };
            (0..600).map(pair).collect()
        };
        let found = token_frequencies(&dataset(2, pairs(1), pairs(2)));
        assert!(found.logistic > 0.97, "{found}");
    }

    /// By place, every second example would have the same label.
    #[test]
    fn of_many_examples_a_fixed_sample_is_fitted() {
        let train = letters(2 * FITTED, 2, 1, 1);
        let drawn = sample(&train);
        assert_eq!(drawn.len(), FITTED);
        assert_eq!(drawn, sample(&train));
        let ones = drawn.iter().filter(|example| example.label == 1).count();
        // Four standard deviations: half of the population is drawn.
        assert!(ones.abs_diff(FITTED / 2) < 4 * 56, "{ones}");
        assert_eq!(
            sample(&train[..FITTED]),
            train[..FITTED].iter().collect::<Vec<_>>()
        );
    }

    /// Every text has the same frequencies: there is no feature, and the answer is the intercept's.
    #[test]
    fn texts_that_are_all_alike_leave_the_majority() {
        let alike = |id: usize| Example {
            id,
            label: usize::from(id.is_multiple_of(4)),
            documents: vec![b"same".as_slice().into()],
        };
        let found = token_frequencies(&dataset(
            2,
            (0..40).map(alike).collect(),
            (0..40).map(alike).collect(),
        ));
        assert_eq!((found.majority, found.logistic), (0.75, 0.75));
    }

    /// The gradient of the whole objective is zero at the fit, by central differences of the objective itself.
    #[test]
    fn the_fit_is_the_minimum() {
        let train = letters(300, 2, 3, 4);
        let train: Vec<&Example> = train.iter().collect();
        let scale = Scale::of(&train);
        let (x, p) = (scale.apply(&train), scale.width());
        let y: Vec<bool> = train.iter().map(|e| e.label == 1).collect();
        let w = fit(&x, &y, &Bound::of(&x, p));
        let objective = |w: &[f64]| -> f64 {
            let loss: f64 = x
                .chunks_exact(p)
                .zip(&y)
                .map(|(row, &y)| {
                    let z: f64 = row.iter().zip(w).map(|(x, w)| x * w).sum();
                    libm::log1p(libm::exp(if y { -z } else { z }))
                })
                .sum();
            let penalty: f64 = w[..p - 1].iter().map(|w| w * w).sum();
            loss / y.len() as f64 + PENALTY / 2.0 * penalty
        };
        for j in 0..p {
            let at = |h: f64| {
                let mut w = w.clone();
                w[j] += h;
                objective(&w)
            };
            let slope = (at(1e-4) - at(-1e-4)) / 2e-4;
            assert!(slope.abs() < 2.0 * TOLERANCE, "weight {j}: slope {slope:e}");
        }
    }
}
