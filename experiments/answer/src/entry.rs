//! One number of dQ, dK or dV: its terms, and finite differences beside it.
//!
//! A gradient is linear in the cotangent of the output: dK_jc is the sum over the rows i of what dy_i alone gives. That
//! is a decomposition of every method's gradient, whatever its inside. Where the inside is softmax attention, the term
//! of dK_jc for row i is ds_ij q_ic / √p, and what reaches it through a virtual key.

use engine::Tensor;
use serde::Serialize;

use crate::finite::{Finite, Number};
use crate::question::{Refused, refuse};
use crate::scene::{Input, Numbers, Passed, Precision, Scene};
use crate::tape::{Place, place};
use std::collections::BTreeMap;

/// One number of the gradients.
#[derive(Clone, Copy, Debug)]
pub struct Which {
    /// In whose gradient.
    pub of: Input,
    /// In which row.
    pub row: usize,
    /// In which column.
    pub col: usize,
}

/// What row i of dy adds to it.
#[derive(Serialize)]
pub struct Term {
    /// The row of the output.
    row: usize,
    value: f64,
}

/// The answer about one number.
#[derive(Serialize)]
pub struct Answer {
    of: Input,
    row: usize,
    col: usize,
    /// By the method's backward.
    value: f64,
    /// By that of exact attention.
    exact: f64,
    finite: Finite,
    /// By size, the largest first; they sum to the value.
    terms: Vec<Term>,
    /// Where the operator, and so its gradient, is written.
    written: Place,
}

/// One number of a gradient, opened.
///
/// # Errors
/// If the scene is beyond the limits, there is no such method, or no such number.
pub fn answer(scene: &Scene, which: Which) -> Result<Answer, Refused> {
    let Which { of, row, col } = which;
    let numbers = scene.numbers()?;
    scene.refuse_outside(row, col)?;
    let passed = scene.pass(&numbers, scene.given(&numbers)?)?;
    let exact = scene.exact().pass(&numbers, BTreeMap::new())?;
    let at = |passed: &Passed| passed.dx[of as usize].row(row)[col];

    let alone = |i: usize| -> Result<Term, Refused> {
        let dy = Tensor::from_fn(scene.n, scene.p, |r, c| {
            if r == i { numbers.dy.row(r)[c] } else { 0.0 }
        });
        let x = numbers.x.clone();
        let value = at(&scene.pass(&Numbers { x, dy }, passed.draws.clone())?);
        Ok(Term { row: i, value })
    };
    let mut terms = (0..scene.n).map(alone).collect::<Result<Vec<_>, _>>()?;
    terms.sort_by(|a, b| b.value.abs().total_cmp(&a.value.abs()));
    Ok(Answer {
        of,
        row,
        col,
        value: at(&passed),
        exact: at(&exact),
        finite: finite(scene, &numbers, &passed, which)?,
        terms,
        written: place(passed.record.location),
    })
}

/// The largest error of a gradient that was computed in `f32`; in `f64` it is that of the project's checks.
const TOLERANCE_F32: f64 = 1e-4;

/// Central differences of sum(y dy) in one number, with one Richardson step, draws frozen, in `f64`.
fn finite(
    scene: &Scene,
    numbers: &Numbers,
    passed: &Passed,
    which: Which,
) -> Result<Finite, Refused> {
    let Which { of, row, col } = which;
    let tolerance = match scene.precision {
        Precision::F64 => engine::check::TOLERANCE,
        Precision::F32 => TOLERANCE_F32,
    };
    let scene = Scene {
        precision: Precision::F64,
        ..scene.clone()
    };
    let loss = |step: f64| -> Result<f64, Refused> {
        let mut x = numbers.x.clone();
        x[of as usize].row_mut(row)[col] += step;
        let dy = numbers.dy.clone();
        let y = scene.output(&Numbers { x, dy }, passed.draws.clone())?;
        let products = y.data().iter().zip(numbers.dy.data());
        Ok(products.map(|(y, dy)| y * dy).sum())
    };
    let gradient = &passed.dx[of as usize];
    let sizes = gradient.data().iter().map(|x| x.abs());
    let number = Number {
        value: gradient.row(row)[col],
        scale: sizes.fold(f64::MIN_POSITIVE, f64::max),
        tolerance,
    };
    number.beside(loss)
}

/// One number that disagrees.
#[derive(Serialize)]
pub struct Wrong {
    of: Input,
    row: usize,
    col: usize,
    value: f64,
    finite: Finite,
}

/// The answer about all numbers.
#[derive(Serialize)]
pub struct Checked {
    /// How many were compared.
    compared: usize,
    /// The largest error of those that agree.
    largest_error: f64,
    /// Those that do not.
    wrong: Vec<Wrong>,
}

/// The most numbers that are compared in one answer.
const MOST: usize = 3 * 1024;

/// Every number of dQ, dK and dV against finite differences.
///
/// # Errors
/// As [`answer()`], and if there are too many numbers.
pub fn check(scene: &Scene) -> Result<Checked, Refused> {
    let numbers = scene.numbers()?;
    let passed = scene.pass(&numbers, scene.given(&numbers)?)?;
    let compared = 3 * scene.n * scene.p;
    if compared > MOST {
        return refuse(format!(
            "{compared} numbers: expected at most {MOST}, 3 n p of them"
        ));
    }
    let (mut largest_error, mut wrong): (f64, _) = (0.0, Vec::new());
    for of in Input::ALL {
        for place in 0..scene.n * scene.p {
            let (row, col) = (place / scene.p, place % scene.p);
            let finite = finite(scene, &numbers, &passed, Which { of, row, col })?;
            if finite.agrees {
                largest_error = largest_error.max(finite.error);
            } else {
                let value = passed.dx[of as usize].row(row)[col];
                wrong.push(Wrong {
                    of,
                    row,
                    col,
                    value,
                    finite,
                });
            }
        }
    }
    Ok(Checked {
        compared,
        largest_error,
        wrong,
    })
}

#[cfg(test)]
mod tests {
    use crate::answer;
    use ops::attention::names;
    use serde_json::Value;

    fn asked(question: &str) -> Value {
        let answer = answer(question).unwrap_or_else(|refused| panic!("{question}: {refused}"));
        serde_json::from_str(&answer).unwrap()
    }

    #[test]
    fn the_terms_of_every_method_sum_to_its_number_and_differences_agree() {
        for name in names() {
            for of in ["q", "k", "v"] {
                let answer = asked(&format!(
                    r#"{{"ask": "entry", "of": "{of}", "row": 3, "col": 1,
                        "scene": {{"attn": "{name}", "n": 6, "p": 4}}}}"#
                ));
                let number = |of: &Value| of.as_f64().unwrap();
                let terms = answer["terms"].as_array().unwrap();
                let sum: f64 = terms.iter().map(|term| number(&term["value"])).sum();
                let sizes: f64 = terms.iter().map(|term| number(&term["value"]).abs()).sum();
                let value = number(&answer["value"]);
                assert!(
                    (sum - value).abs() <= 1e-12 * sizes,
                    "{name}, {of}: {answer}"
                );
                assert_eq!(answer["finite"]["agrees"], true, "{name}, {of}: {answer}");
            }
        }
    }

    #[test]
    fn a_planted_error_is_found_where_it_is() {
        let scene = |planted: &str| {
            asked(&format!(
                r#"{{"ask": "check", "attn": "skein", "n": 6, "p": 2{planted}}}"#
            ))
        };
        let right = scene("");
        assert_eq!(right["wrong"].as_array().unwrap().len(), 0, "{right}");
        assert_eq!(right["compared"], 36);
        let wrong = scene(r#", "planted": {"of": "k", "row": 4, "col": 1, "by": 0.001}"#);
        let found = wrong["wrong"].as_array().unwrap();
        assert_eq!(found.len(), 1, "{wrong}");
        let Value::Object(found) = &found[0] else {
            panic!("{wrong}")
        };
        assert_eq!(
            (&found["of"], &found["row"], &found["col"]),
            (&"k".into(), &4.into(), &1.into())
        );
    }
}
