//! What can be asked.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::entry::{self, Which};
use crate::scene::{Input, Scene};
use crate::{method, operator, redraws};

/// A question that has no answer, in one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

/// Refuses with what was expected.
pub(crate) fn refuse<X>(message: impl Into<String>) -> Result<X, Refused> {
    Err(Refused(message.into()))
}

#[derive(Deserialize)]
#[serde(tag = "ask", rename_all = "lowercase")]
enum Question {
    /// Which methods there are.
    Methods,
    /// What a method does to some Q, K, V, and its gradients.
    Method(Scene),
    /// One number of a gradient: terms, and finite differences.
    Entry(OfEntry),
    /// Every number of all gradients against finite differences.
    Check(Scene),
    /// Mean and spread over many draws.
    Redraws(OfRedraws),
    /// Which operators there are.
    Operators,
    /// An operator on its own: value, cotangents, finite differences, cost, derivation.
    Operator(operator::Asked),
}

/// `{"ask": "entry", "of": "k", "row": 2, "col": 1, "scene": {...}}`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfEntry {
    of: Input,
    row: usize,
    col: usize,
    scene: Scene,
}

/// `{"ask": "redraws", "count": 100, "features": [2, 4], "scene": {...}}`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfRedraws {
    count: usize,
    features: Vec<usize>,
    scene: Scene,
}

/// Answers a question, both in JSON.
///
/// # Errors
/// If it is no question, or asks for what is not there.
pub fn answer(question: &str) -> Result<String, Refused> {
    let question = serde_json::from_str(question)
        .map_err(|error| Refused(format!("this is no question: {error}")))?;
    match question {
        Question::Methods => written(&method::all()),
        Question::Method(scene) => written(&method::answer(&scene)?),
        Question::Entry(OfEntry {
            of,
            row,
            col,
            scene,
        }) => written(&entry::answer(&scene, Which { of, row, col })?),
        Question::Check(scene) => written(&entry::check(&scene)?),
        Question::Operators => written(&operator::all()?),
        Question::Operator(asked) => written(&operator::answer(&asked)?),
        Question::Redraws(OfRedraws {
            count,
            features,
            scene,
        }) => written(&redraws::answer(&scene, &features, count)?),
    }
}

fn written(answer: &impl Serialize) -> Result<String, Refused> {
    serde_json::to_string(answer).map_err(|error| Refused(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_question_is_refused_in_one_sentence() {
        for (question, told) in [
            ("", "this is no question: EOF while parsing a value"),
            ("{}", "missing field `ask`"),
            (r#"{"ask": "weather"}"#, "unknown variant `weather`"),
            (
                r#"{"ask": "method", "attn": "skein", "colour": 1}"#,
                "unknown field `colour`",
            ),
            (
                r#"{"ask": "method", "attn": "skien"}"#,
                "unknown attention method `skien`",
            ),
            (
                r#"{"ask": "method", "attn": "skein", "n": 1000000}"#,
                "n = 1000000: expected 1 to 64",
            ),
            (
                r#"{"ask": "method", "attn": "skein", "n": 2, "p": 1, "q": [[1.0]]}"#,
                "q: expected 2 rows of 1 number",
            ),
            (
                r#"{"ask": "method", "attn": "skein", "n": 1, "p": 1, "q": [[1e999]]}"#,
                "this is no question: number out of range",
            ),
            (
                r#"{"ask": "entry", "of": "k", "row": 8, "col": 0, "scene": {"attn": "skein"}}"#,
                "row 8, column 0: expected a row below 8 and a column below 3",
            ),
            (
                r#"{"ask": "redraws", "count": 0, "features": [2], "scene": {"attn": "skein"}}"#,
                "count = 0: expected 1 to 10000",
            ),
        ] {
            let refused = answer(question).unwrap_err().to_string();
            assert!(refused.contains(told), "{refused}");
            assert!(!refused.contains('\n'), "{refused}");
        }
    }
}
