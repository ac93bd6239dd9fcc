//! What is compared in the paper, and what else is compared often, under a name.

use super::axis::Axis;
use crate::commands::paper;
use crate::settings::choices::Task;
use clap::ValueEnum;
use ops::attention;
use std::fmt::Write;

/// A comparison.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq)]
pub(super) enum Preset {
    /// Table 1: every method on every task
    Table1,
    /// The ablations of Table 1, and the same one factor at a time
    Ablation,
    /// Figure 3: skein on Text, learning rates x batches
    Sensitivity,
    /// Every method that is registered, on every task
    Field,
}

/// What is compared with what.
#[derive(Default)]
pub(super) struct Compared {
    pub(super) tasks: Vec<Task>,
    pub(super) methods: Vec<String>,
    pub(super) seeds: Vec<u64>,
    /// In the order of their places.
    pub(super) axes: Vec<Axis>,
}

impl Preset {
    pub(super) fn compared(self) -> Compared {
        // `softmax` drops probabilities, and no other of these does: `softmax-nodrop` differs from skein by sketching
        // alone.
        let ablation = [
            "softmax",
            "softmax-nodrop",
            "skein",
            "skein-uniform",
            "skein-nonorm",
            "skein-simplenorm",
            "skein-nopilot",
            "skein-one-uniform",
            "skein-one-nonorm",
            "skein-one-simple",
        ];
        let methods: &[&str] = match self {
            Preset::Table1 => &paper::methods(),
            Preset::Ablation => &ablation,
            Preset::Sensitivity => &["skein"],
            Preset::Field => &attention::names(),
        };
        let tasks: &[Task] = match self {
            Preset::Sensitivity => &[Task::Text],
            _ => &Task::ALL,
        };
        let axes = match self {
            Preset::Sensitivity => vec![
                rates([1e-5, 1e-4, 1e-3]),
                Axis::new("batch", [64, 128].map(toml::Value::Integer).to_vec()),
            ],
            _ => Vec::new(),
        };
        Compared {
            tasks: tasks.to_vec(),
            methods: methods.iter().map(|name| name.to_string()).collect(),
            seeds: Vec::new(),
            axes,
        }
    }

    pub(super) fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }

    /// Whether cells are compared for what their sketches do, so that one without a sketch is a mistake.
    pub(super) fn compares_sketches(self) -> bool {
        matches!(self, Preset::Ablation | Preset::Field)
    }
}

fn rates<const N: usize>(rates: [f64; N]) -> Axis {
    Axis::new("learning_rate", rates.map(toml::Value::Float).to_vec())
}

/// The presets as a table.
pub(super) fn presets() -> String {
    let mut table = String::new();
    for preset in Preset::value_variants() {
        let value = preset.to_possible_value().expect("none is skipped");
        let help = value.get_help().map(ToString::to_string);
        let help = help.unwrap_or_default();
        writeln!(table, "  {:12} {help}", value.get_name()).expect("writing to a string");
    }
    table
}
