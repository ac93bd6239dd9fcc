//! One pass of what is explained through its model, with all that can be asked of it: for `--json`, `--dump` and the page
//! of `skein study` alike.

use super::subject::Subject;
use crate::run::kept::Told;
use crate::terminal::error::Result;
use crate::terminal::output::json;
use engine::{Gradients, Tape, Tensor};
use serde::Serialize;

/// The answer of `--json`, and tape.json.
#[derive(Serialize)]
pub(crate) struct Whole {
    attn: String,
    example: String,
    loss: f64,
    #[serde(flatten)]
    pub(crate) told: Told,
}

/// What a keeping tape has after a pass.
pub(crate) struct Studied {
    pub(crate) whole: Whole,
    /// Of every node.
    pub(crate) values: Vec<Tensor<f32>>,
    pub(crate) gradients: Gradients<f32>,
}

impl Studied {
    /// Passes `subject` through its model, on a tape that keeps.
    pub(crate) fn of(subject: &Subject, tape: &Tape<f32>) -> Self {
        let passed = subject.pass(tape);
        Studied {
            whole: Whole {
                attn: subject.attn().to_string(),
                example: passed.example,
                loss: passed.loss,
                told: Told::new(tape, subject.params(), &passed.draws),
            },
            values: tape.values(),
            gradients: passed.gradients,
        }
    }

    /// As `--json` prints it.
    pub(crate) fn json(&self) -> Result<String> {
        json(&self.whole, true)
    }
}
