//! What a method does to V, and its gradients, beside those of exact attention.

use std::collections::BTreeMap;

use engine::{Draw, Record, Tensor};
use ops::attention::{LayerShape, Options, registry};
use serde::Serialize;

use crate::question::Refused;
use crate::scene::{Drawn, Numbers, Passed, Precision, Scene, entry, rows};
use crate::tape::{Place, place};

/// The largest share of y by which W V may miss it, W the matrix of the method.
const ROUNDING: f64 = 1e-9;
/// The same of a method that computes in `f32`.
const ROUNDING_F32: f64 = 1e-4;

/// A method of the list.
#[derive(Serialize)]
pub struct Named {
    name: &'static str,
    about: &'static str,
    cites: &'static str,
    time: &'static str,
    random: bool,
    /// Whether it has parameters of its own, which the seed draws.
    learned: bool,
}

/// All methods.
pub fn all() -> Vec<Named> {
    let named = |entry: ops::attention::Entry<f64>| Named {
        name: entry.name,
        about: entry.about,
        cites: entry.cites,
        time: entry.time,
        random: entry.laws.random,
        learned: learned(&entry),
    };
    registry().into_iter().map(named).collect()
}

fn learned(entry: &ops::attention::Entry<f64>) -> bool {
    let shape = LayerShape {
        positions: 8,
        heads: 1,
        head_width: 4,
    };
    !entry.method(&Options::default()).shapes(shape).is_empty()
}

/// The numbers of one method.
#[derive(Serialize)]
pub struct Shown {
    /// W (n, n) with y = W V at these draws, the keys of a virtual one spread over those it stands for; none of a method
    /// whose output is no matrix times V.
    weights: Option<Vec<Vec<f64>>>,
    /// (n, p)
    y: Vec<Vec<f64>>,
    dq: Vec<Vec<f64>>,
    dk: Vec<Vec<f64>>,
    dv: Vec<Vec<f64>>,
}

/// A part of a method's inside.
#[derive(Serialize)]
pub struct Noted {
    name: String,
    rows: Vec<Vec<f64>>,
}

/// The answer about a method.
#[derive(Serialize)]
pub struct Answer {
    attn: &'static str,
    about: &'static str,
    cites: &'static str,
    /// Q, K, V and dy (n, p).
    q: Vec<Vec<f64>>,
    k: Vec<Vec<f64>>,
    v: Vec<Vec<f64>>,
    dy: Vec<Vec<f64>>,
    method: Shown,
    exact: Shown,
    /// Cosines between the rows of the method's dQ, dK, dV and the exact ones; none where one is 0.
    cosines: Cosines,
    draws: BTreeMap<String, Drawn>,
    /// Of the indices among them.
    rules: BTreeMap<String, Rule>,
    notes: Vec<Noted>,
    /// Where the operator, and so its gradient, is written.
    written: Place,
    saved_bytes: usize,
    multiply_adds: [u64; 2],
}

/// What indices in place of those that were drawn may be.
#[derive(Serialize)]
pub struct Rule {
    /// All below this.
    bound: usize,
    /// None twice.
    distinct: bool,
}

impl Rule {
    fn of((bound, distinct): (usize, bool)) -> Self {
        Rule { bound, distinct }
    }
}

/// By row.
#[derive(Serialize)]
pub struct Cosines {
    dq: Vec<Option<f64>>,
    dk: Vec<Option<f64>>,
    dv: Vec<Option<f64>>,
}

/// What the method of a scene gives, and what exact attention does.
///
/// # Errors
/// If the scene is beyond the limits, or there is no such method.
pub fn answer(scene: &Scene) -> Result<Answer, Refused> {
    let numbers = scene.numbers()?;
    let entry = entry::<f64>(&scene.attn)?;
    let passed = scene.pass(&numbers, scene.given(&numbers)?)?;
    let exact_scene = scene.exact();
    let exact = exact_scene.pass(&numbers, BTreeMap::new())?;
    let cosine = |which: usize| cosines(&passed.dx[which], &exact.dx[which]);
    let cosines = Cosines {
        dq: cosine(0),
        dk: cosine(1),
        dv: cosine(2),
    };
    let Record {
        saved_bytes,
        forward_multiply_adds,
        backward_multiply_adds,
        location,
        ..
    } = passed.record;
    let drawn = |draw: &Draw| match draw {
        Draw::Indices(indices) => Drawn::Indices(indices.clone()),
        Draw::Numbers(numbers) => Drawn::Numbers(numbers.clone()),
    };
    let noted = passed.notes.iter().map(|note| Noted {
        name: note.name.clone(),
        rows: rows(&note.value),
    });
    let (draws, rules) = (passed.draws.iter(), passed.rules.iter());
    Ok(Answer {
        attn: entry.name,
        about: entry.about,
        cites: entry.cites,
        q: rows(&numbers.x[0]),
        k: rows(&numbers.x[1]),
        v: rows(&numbers.x[2]),
        dy: rows(&numbers.dy),
        cosines,
        draws: draws
            .map(|(name, draw)| (name.clone(), drawn(draw)))
            .collect(),
        rules: rules
            .map(|(name, &rule)| (name.clone(), Rule::of(rule)))
            .collect(),
        notes: noted.collect(),
        written: place(location),
        saved_bytes,
        multiply_adds: [forward_multiply_adds, backward_multiply_adds],
        method: shown(scene, &numbers, &passed)?,
        exact: shown(&exact_scene, &numbers, &exact)?,
    })
}

fn shown(scene: &Scene, numbers: &Numbers, passed: &Passed) -> Result<Shown, Refused> {
    let [dq, dk, dv] = passed.dx.each_ref().map(rows);
    Ok(Shown {
        weights: weights(scene, numbers, passed)?.as_ref().map(rows),
        y: rows(&passed.y),
        dq,
        dk,
        dv,
    })
}

/// W with y = W V: what the method, all draws as they are, makes of the columns of the identity, p at a time.
fn weights(
    scene: &Scene,
    numbers: &Numbers,
    passed: &Passed,
) -> Result<Option<Tensor<f64>>, Refused> {
    let Scene { n, p, .. } = *scene;
    let mut w = Tensor::zeros(n, n);
    for first in (0..n).step_by(p) {
        let columns = Numbers {
            x: [
                numbers.x[0].clone(),
                numbers.x[1].clone(),
                Tensor::from_fn(n, p, |i, c| f64::from(u8::from(i == first + c))),
            ],
            dy: numbers.dy.clone(),
        };
        let y = scene.output(&columns, passed.draws.clone())?;
        for i in 0..n {
            for c in 0..p.min(n - first) {
                w.row_mut(i)[first + c] = y.row(i)[c];
            }
        }
    }
    let product = Tensor::product(1.0, w.view(), numbers.x[2].view());
    let norm = passed.y.norm().max(f64::MIN_POSITIVE);
    let miss = product.data().iter().zip(passed.y.data());
    let miss = miss.map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
    let rounding = match scene.precision {
        Precision::F64 => ROUNDING,
        Precision::F32 => ROUNDING_F32,
    };
    Ok((miss / norm <= rounding).then_some(w))
}

fn cosines(a: &Tensor<f64>, b: &Tensor<f64>) -> Vec<Option<f64>> {
    let inner = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let cosine = |i: usize| {
        let (a, b) = (a.row(i), b.row(i));
        let lengths = (inner(a, a) * inner(b, b)).sqrt();
        (lengths > 0.0).then(|| inner(a, b) / lengths)
    };
    (0..a.rows()).map(cosine).collect()
}

#[cfg(test)]
mod tests {
    use crate::answer;
    use ops::attention::names;
    use serde_json::Value;

    fn method(scene: &str) -> Value {
        let question = format!(r#"{{"ask": "method", {scene}}}"#);
        let answer = answer(&question).unwrap_or_else(|refused| panic!("{scene}: {refused}"));
        serde_json::from_str(&answer).unwrap()
    }

    fn numbers(rows: &Value) -> Vec<f64> {
        let rows = rows.as_array().unwrap().iter();
        rows.flat_map(|row| row.as_array().unwrap())
            .map(|x| x.as_f64().unwrap())
            .collect()
    }

    #[test]
    fn every_method_answers_at_several_lengths() {
        for name in names() {
            for n in [1, 2, 9] {
                let answer = method(&format!(r#""attn": "{name}", "n": {n}, "p": 4"#));
                assert_eq!(answer["attn"], name);
                for part in ["y", "dq", "dk", "dv"] {
                    assert_eq!(numbers(&answer["method"][part]).len(), 4 * n, "{name}");
                }
            }
        }
    }

    #[test]
    fn exact_attention_is_what_it_is_compared_with() {
        let answer = method(r#""attn": "softmax-nodrop""#);
        assert_eq!(answer["method"], answer["exact"]);
        let weights = numbers(&answer["method"]["weights"]);
        for row in weights.chunks(8) {
            assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-14);
            assert!(row.iter().all(|&weight| weight > 0.0));
        }
        let cosines = answer["cosines"]["dk"].as_array().unwrap();
        assert!(
            cosines
                .iter()
                .all(|c| (c.as_f64().unwrap() - 1.0).abs() < 1e-14)
        );
    }

    /// The virtual key is spread over the keys that it stands for: every row of W sums to 1, and the keys that are
    /// not sampled share one weight in rows that are no pilots.
    #[test]
    fn skein_s_weights_are_those_of_its_virtual_key() {
        let answer = method(r#""attn": "skein", "n": 8, "features": 3"#);
        let indices = |name: &str| -> Vec<usize> {
            let drawn = &answer["draws"][name]["indices"];
            let drawn = drawn.as_array().unwrap().iter();
            drawn.map(|x| x.as_u64().unwrap() as usize).collect()
        };
        let (pilots, columns) = (
            indices("pilot.doc0.layer0.head0"),
            indices("columns.doc0.layer0.head0"),
        );
        let weights = numbers(&answer["method"]["weights"]);
        let mut others = 0;
        for (i, row) in weights.chunks(8).enumerate() {
            assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-14);
            let rest = (0..8).filter(|j| !columns.contains(j)).map(|j| row[j]);
            let rest: Vec<f64> = rest.collect();
            let same = rest.iter().all(|w| (w - rest[0]).abs() < 1e-15);
            assert_eq!(same, !pilots.contains(&i), "row {i}: {rest:?}");
            others += usize::from(same);
        }
        assert!(others > 0);
        let noted: Vec<&str> = answer["notes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|note| note["name"].as_str().unwrap())
            .collect();
        for name in ["dk of the virtual key.head0", "ds of the other rows.head0"] {
            assert!(noted.contains(&name), "{noted:?}");
        }
        let file = answer["written"]["file"].as_str().unwrap();
        assert_eq!(file, "ops/src/attention/skein.rs");
    }

    #[test]
    fn what_is_no_matrix_times_v_has_no_weights() {
        let answer = method(r#""attn": "spex-estimator""#);
        assert!(answer["method"]["weights"].is_null());
        assert!(!answer["exact"]["weights"].is_null());
    }

    #[test]
    fn given_numbers_and_draws_are_taken() {
        let drawn = r#""draws": {"columns.doc0.layer0.head0": {"indices": [0, 1]}}"#;
        let given = format!(
            r#""attn": "skein-uniform", "n": 3, "p": 1, "features": 2, "k": [[0], [0], [0]],
               "v": [[1], [2], [6]], {drawn}"#
        );
        let answer = method(&given);
        // All logits are 0, so that the mean of V is right whatever the columns.
        assert_eq!(numbers(&answer["method"]["y"]), [3.0; 3]);
        assert_eq!(
            answer["draws"]["columns.doc0.layer0.head0"]["indices"][1],
            1
        );
    }

    #[test]
    fn the_draws_have_a_seed_of_their_own() {
        let [one, other] = [3, 4].map(|seed| {
            method(&format!(
                r#""attn": "linformer", "seed": 7, "draw_seed": {seed}"#
            ))
        });
        assert_eq!(one["method"], other["method"]);
        let [one, other] =
            [3, 4].map(|seed| method(&format!(r#""attn": "skein", "draw_seed": {seed}"#)));
        assert_eq!(one["q"], other["q"]);
        assert_ne!(one["draws"], other["draws"]);
    }

    /// What a method has drawn it takes back, whatever its indices are of.
    #[test]
    fn every_method_takes_its_own_draws() {
        for name in names() {
            let scene = format!(r#""attn": "{name}", "n": 13, "p": 4"#);
            let drawn = method(&scene);
            let again = method(&format!(r#"{scene}, "draws": {}"#, drawn["draws"]));
            for part in ["y", "dq", "dk", "dv"] {
                // What is taken at a given place may be rounded otherwise than what is found there.
                let [drawn, again] =
                    [&drawn, &again].map(|answer| numbers(&answer["method"][part]));
                let largest = drawn.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
                let near = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-9 * largest;
                assert!(drawn.iter().zip(&again).all(near), "{name}, {part}");
            }
        }
    }

    #[test]
    fn draws_that_do_not_fit_are_refused() {
        let maxima = r#""query_maxima.doc0.layer0.head0": {"indices": [7, 7, 7, 7, 7, 7, 7, 7]}"#;
        let question =
            format!(r#"{{"ask": "method", "attn": "performer", "draws": {{{maxima}}}}}"#);
        let refused = answer(&question).unwrap_err().to_string();
        assert!(refused.contains("expected indices below 4"), "{refused}");
        // What only the method knows: a permutation with one index twice.
        let scene = r#""attn": "spexphormer", "n": 4, "p": 4"#;
        let drawn = method(scene)["draws"].as_object().unwrap().clone();
        let (name, own) = drawn
            .iter()
            .find(|(name, _)| name.starts_with("permutations"))
            .unwrap();
        let mut indices: Vec<u64> = own["indices"]
            .as_array()
            .unwrap()
            .iter()
            .map(|x| x.as_u64().unwrap())
            .collect();
        indices[0] = indices[1];
        let question = format!(
            r#"{{"ask": "method", {scene}, "draws": {{"{name}": {{"indices": {indices:?}}}}}}}"#
        );
        let refused = answer(&question).unwrap_err().to_string();
        assert!(refused.starts_with("draws: "), "{refused}");
        // Pilots are drawn with replacement.
        let pilots = r#""draws": {"pilot.doc0.layer0.head0": {"indices": [1, 1, 2, 2]}}"#;
        method(&format!(r#""attn": "skein", {pilots}"#));
        for (draws, told) in [
            (
                r#"{"column": {"indices": [0]}}"#,
                "expected one of [\"columns.doc0",
            ),
            (
                r#"{"columns.doc0.layer0.head0": {"indices": [0]}}"#,
                "expected 4 indices",
            ),
            (
                r#"{"columns.doc0.layer0.head0": {"numbers": [0, 0, 0, 0]}}"#,
                "expected 4 indices",
            ),
            (
                r#"{"columns.doc0.layer0.head0": {"indices": [0, 1, 2, 8]}}"#,
                "expected indices below 8",
            ),
            (
                r#"{"columns.doc0.layer0.head0": {"indices": [0, 1, 2, 2]}}"#,
                "expected no index twice",
            ),
        ] {
            let question =
                format!(r#"{{"ask": "method", "attn": "skein-uniform", "draws": {draws}}}"#);
            let refused = answer(&question).unwrap_err().to_string();
            assert!(refused.contains(told), "{refused}");
        }
    }
}
