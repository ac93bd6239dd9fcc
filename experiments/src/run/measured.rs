//! What is measured of a run and kept in its files: losses, norms, times, lengths.

use crate::numbers::range;
use serde::{Deserialize, Serialize};

/// What an evaluation reports.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
pub struct Evaluation {
    /// Mean cross-entropy, in nats.
    #[serde(deserialize_with = "range::amount")]
    pub loss: f64,
    /// Share that was classified rightly, 0 to 1.
    #[serde(deserialize_with = "range::share")]
    pub accuracy: f64,
    /// Examples looked at.
    #[serde(deserialize_with = "range::count")]
    pub examples: usize,
}

impl Evaluation {
    /// Whether the accuracy is one that so many examples can have, as far as f64 tells.
    pub(crate) fn counts_whole_examples(&self) -> bool {
        let right = self.accuracy * self.examples as f64;
        (right - right.round()).abs() <= 1e-9 * self.examples as f64
    }
}

/// Euclidean norms of one layer.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub(crate) struct Norms {
    /// What the names of its parameters begin with.
    pub(crate) layer: String,
    /// Of its parameters.
    #[serde(deserialize_with = "range::amount")]
    pub(crate) parameters: f64,
    /// Of the gradient of the latest step.
    #[serde(deserialize_with = "range::amount")]
    pub(crate) gradient: f64,
}

/// operators.json: where the time of a few training examples goes.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub(crate) struct Operators {
    #[serde(deserialize_with = "range::count")]
    pub(crate) examples: usize,
    pub(crate) tokens: usize,
    /// Of all of it, on one thread.
    #[serde(deserialize_with = "range::amount")]
    pub(crate) wall_ms: f64,
    /// The slowest first.
    pub(crate) operators: Vec<Operator>,
}

/// One operator's share of [`Operators`].
#[derive(Serialize, Deserialize, Clone, Debug)]
pub(crate) struct Operator {
    pub(crate) name: String,
    pub(crate) calls: usize,
    #[serde(deserialize_with = "range::amount")]
    pub(crate) forward_ms: f64,
    #[serde(deserialize_with = "range::amount")]
    pub(crate) backward_ms: f64,
}

impl Operator {
    pub(crate) fn milliseconds(&self) -> f64 {
        self.forward_ms + self.backward_ms
    }
}

/// What the clock and the system say of a step: a line of timings.jsonl.
#[derive(Serialize, Deserialize, Clone, Copy, Debug)]
pub struct Timing {
    /// Of forward, backward and optimiser.
    #[serde(deserialize_with = "range::amount")]
    pub seconds: f64,
    /// Real tokens; none where the clock says that the step took no time.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "range::amount_if_any"
    )]
    pub tokens_per_second: Option<f64>,
    /// The most memory that the process has held since the run began or was resumed, in MiB, data
    /// included; where the system tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "range::amount_if_any")]
    pub peak_mib: Option<f64>,
}

/// Tokens of the documents of a data set.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
pub(crate) struct Lengths {
    /// The examples, of one document each or of two.
    pub(crate) examples: usize,
    pub(crate) shortest: usize,
    pub(crate) first_quartile: usize,
    pub(crate) median: usize,
    pub(crate) longest: usize,
}
