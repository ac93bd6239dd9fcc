//! Mean and spread of a method's output and gradients over many draws, beside exact attention.
//!
//! Of X, one of y, dQ, dK, dV, over r draws, and X* of exact attention, all as Frobenius norms relative to that of X*:
//!
//! ```text
//! bias = |mean X - X*|        deviation = (mean of |X - mean X|²)^½        error = (mean of |X - X*|²)^½
//! ```
//!
//! so that error² = bias² + deviation². A mean of r draws is itself off by deviation / r^½: a bias of that size is none.

use engine::{Draws, Seed, Tensor};
use serde::Serialize;
use std::collections::BTreeMap;

use crate::question::{Refused, refuse};
use crate::scene::{Passed, Scene};

/// The most draws of one answer.
const MOST: usize = 10_000;
/// The most rows of attention of one answer: a few seconds.
const WORK: usize = 200_000;

/// Of one of y, dQ, dK, dV; none where that of exact attention is 0.
#[derive(Serialize)]
pub struct Spread {
    bias: Option<f64>,
    deviation: Option<f64>,
    error: Option<f64>,
}

/// At one number of features.
#[derive(Serialize)]
pub struct At {
    features: usize,
    y: Spread,
    dq: Spread,
    dk: Spread,
    dv: Spread,
}

/// The answer about many draws.
#[derive(Serialize)]
pub struct Answer {
    count: usize,
    at: Vec<At>,
}

/// Of X - X* over the draws so far, by Welford's recurrences: sums of squares would lose a small deviation beside a
/// large bias.
struct Sums {
    exact: Tensor<f64>,
    count: f64,
    mean: Tensor<f64>,
    /// The sum of |X - mean X|².
    squares: f64,
}

impl Sums {
    fn of(exact: &Tensor<f64>) -> Self {
        Sums {
            exact: exact.clone(),
            count: 0.0,
            mean: Tensor::zeros(exact.rows(), exact.cols()),
            squares: 0.0,
        }
    }

    fn add(&mut self, x: &Tensor<f64>) {
        self.count += 1.0;
        let means = self.mean.data_mut().iter_mut();
        for (mean, (x, exact)) in means.zip(x.data().iter().zip(self.exact.data())) {
            let before = x - exact - *mean;
            *mean += before / self.count;
            self.squares += before * (x - exact - *mean);
        }
    }

    fn spread(&self) -> Spread {
        let norm = self.exact.norm();
        let relative = |x: f64| (norm > 0.0).then(|| x / norm);
        let (bias, deviation) = (self.mean.norm(), (self.squares / self.count).sqrt());
        Spread {
            bias: relative(bias),
            deviation: relative(deviation),
            error: relative((bias * bias + deviation * deviation).sqrt()),
        }
    }
}

fn parts(passed: &Passed) -> [&Tensor<f64>; 4] {
    let [dq, dk, dv] = &passed.dx;
    [&passed.y, dq, dk, dv]
}

/// `count` draws at each of these numbers of features.
///
/// # Errors
/// If the scene is beyond the limits, there is no such method, or the count is 0 or too large.
pub fn answer(scene: &Scene, features: &[usize], count: usize) -> Result<Answer, Refused> {
    if !(1..=MOST).contains(&count) {
        return refuse(format!("count = {count}: expected 1 to {MOST}"));
    }
    if !(1..=64).contains(&features.len()) {
        return refuse("features: expected 1 to 64 numbers of them");
    }
    let work = count * features.len() * scene.n;
    if work > WORK {
        return refuse(format!(
            "{work} rows of attention: expected at most {WORK}, fewer draws, features or tokens"
        ));
    }
    let numbers = scene.numbers()?;
    let exact = scene.exact().pass(&numbers, BTreeMap::new())?;
    let at = |&features: &usize| {
        let scene = Scene {
            features,
            ..scene.clone()
        };
        scene.numbers()?;
        let mut sums = parts(&exact).map(Sums::of);
        for draw in 0..count {
            let seed = scene.draw_seed.unwrap_or(scene.seed);
            let stream = Seed(seed).stream("redraw").at(draw);
            let passed = scene.pass_drawing(&numbers, &Draws::live(stream))?;
            for (sums, x) in sums.iter_mut().zip(parts(&passed)) {
                sums.add(x);
            }
        }
        let [y, dq, dk, dv] = sums.each_ref().map(Sums::spread);
        Ok(At {
            features,
            y,
            dq,
            dk,
            dv,
        })
    };
    let at = features.iter().map(at).collect::<Result<_, _>>()?;
    Ok(Answer { count, at })
}

#[cfg(test)]
mod tests {
    use crate::answer;
    use serde_json::Value;

    fn asked(attn: &str, features: &str) -> Value {
        let question = format!(
            r#"{{"ask": "redraws", "count": 200, "features": {features}, "scene": {{"attn": "{attn}"}}}}"#
        );
        serde_json::from_str(&answer(&question).unwrap()).unwrap()
    }

    fn number(answer: &Value, at: usize, part: &str, what: &str) -> f64 {
        answer["at"][at][part][what].as_f64().unwrap()
    }

    #[test]
    fn what_is_not_random_has_no_spread() {
        let exact = asked("softmax-nodrop", "[1]");
        let fixed = asked("s3", "[2]");
        for part in ["y", "dq", "dk", "dv"] {
            assert_eq!(number(&exact, 0, part, "error"), 0.0);
            assert_eq!(number(&fixed, 0, part, "deviation"), 0.0);
            assert!(number(&fixed, 0, part, "bias") > 0.0);
        }
    }

    #[test]
    fn the_error_is_made_of_bias_and_deviation_and_falls_with_the_features() {
        let skein = asked("skein", "[2, 4, 8]");
        for part in ["y", "dq", "dk", "dv"] {
            for at in 0..2 {
                let [bias, deviation, error] =
                    ["bias", "deviation", "error"].map(|what| number(&skein, at, part, what));
                let whole = (bias * bias + deviation * deviation).sqrt();
                assert!((whole - error).abs() < 1e-12, "{whole} {error}");
                assert!(deviation > 0.0);
            }
            assert!(number(&skein, 1, part, "error") < number(&skein, 0, part, "error"));
            // As many features as tokens.
            assert!(number(&skein, 2, part, "error") < 1e-14);
        }
    }
}
