//! The operators that can be asked about: their sizes and settings. What they do stands in their own docs.

use serde::Serialize;

use super::asked::{Asked, Making, Ready, Value};
use super::derivation;
use super::{estimates, layers, samplers, sketches};
use crate::question::{Refused, refuse};

/// Rows and columns that are shown in full.
pub(super) const MOST: usize = 64;

/// A number of rows or columns.
#[derive(Serialize, Clone, Copy, Debug)]
pub struct Size {
    pub(super) least: usize,
    pub(super) most: usize,
    pub(super) usual: usize,
}

impl Size {
    /// Up to all that is shown.
    pub(super) const fn of(usual: usize) -> Size {
        Size {
            least: 1,
            most: MOST,
            usual,
        }
    }

    /// Always the same.
    pub(super) const fn only(size: usize) -> Size {
        Size {
            least: size,
            most: size,
            usual: size,
        }
    }
}

/// What else decides shapes or values.
pub(super) struct Setting {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
}

/// What a setting may be.
pub(super) enum Kind {
    /// A whole number; what it usually is may follow from rows and columns.
    Whole {
        least: usize,
        most: usize,
        usual: fn(usize, usize) -> usize,
    },
    /// Any number.
    Number { least: f64, most: f64, usual: f64 },
    /// One of these, usually the first.
    Word(&'static [&'static str]),
}

/// A whole number from 1 on.
pub(super) const fn whole(
    name: &'static str,
    most: usize,
    usual: fn(usize, usize) -> usize,
) -> Setting {
    Setting {
        name,
        kind: Kind::Whole {
            least: 1,
            most,
            usual,
        },
    }
}

/// One of some words.
pub(super) const fn word(name: &'static str, words: &'static [&'static str]) -> Setting {
    Setting {
        name,
        kind: Kind::Word(words),
    }
}

/// An operator of the list.
pub(super) struct Operator {
    /// As tapes record it, or of an estimate what it does.
    pub(super) name: &'static str,
    /// The node that it is about, if that has another name.
    pub(super) node: Option<&'static str>,
    /// Those that belong together.
    pub(super) group: &'static str,
    pub(super) rows: Size,
    pub(super) columns: Size,
    pub(super) settings: &'static [Setting],
    pub(super) make: fn(&Making<'_>) -> Result<Ready, Refused>,
}

/// All operators, in the order of the list.
pub(super) fn operators() -> Vec<Operator> {
    let mut operators = Vec::new();
    operators.extend(layers::operators());
    operators.extend(sketches::operators());
    operators.extend(samplers::operators());
    operators.extend(estimates::operators());
    operators
}

/// The operator of a question.
pub(super) fn find(name: &str) -> Result<Operator, Refused> {
    let all = operators();
    let names: Vec<&str> = all.iter().map(|operator| operator.name).collect();
    let told = format!(
        "unknown operator {name:?}, expected one of {}",
        names.join(", ")
    );
    let found = all.into_iter().find(|operator| operator.name == name);
    found.map_or_else(|| refuse(told), Ok)
}

/// An operator as the list has it.
#[derive(Serialize)]
pub struct Listed {
    name: &'static str,
    group: &'static str,
    /// The first sentence of its docs.
    about: String,
    /// The formula with the shapes.
    takes: String,
    rows: Size,
    columns: Size,
    settings: Vec<ListedSetting>,
    /// Names and, at the usual sizes, shapes.
    inputs: Vec<(&'static str, [usize; 2])>,
    /// Whether something is drawn.
    random: bool,
}

/// A setting as the list has it.
#[derive(Serialize)]
pub struct ListedSetting {
    name: &'static str,
    /// At the usual sizes.
    usual: Value,
    /// Least and most, of a number.
    range: Option<[f64; 2]>,
    whole: bool,
    /// What it can be, if it is a word.
    words: &'static [&'static str],
}

/// The list.
///
/// # Errors
/// If an operator refuses its usual sizes, which a test excludes.
pub fn all() -> Result<Vec<Listed>, Refused> {
    operators().iter().map(listed).collect()
}

fn listed(operator: &Operator) -> Result<Listed, Refused> {
    let asked = Asked::usual(operator.name);
    let making = Making::new(&asked, operator)?;
    let ready = (operator.make)(&making)?;
    let setting = |setting: &Setting| ListedSetting {
        name: setting.name,
        usual: making.settings[setting.name].clone(),
        range: match setting.kind {
            Kind::Whole { least, most, .. } => Some([least as f64, most as f64]),
            Kind::Number { least, most, .. } => Some([least, most]),
            Kind::Word(_) => None,
        },
        whole: matches!(setting.kind, Kind::Whole { .. }),
        words: match setting.kind {
            Kind::Word(words) => words,
            _ => &[],
        },
    };
    let (about, takes) = derivation::summary(&ready.files[0]);
    let inputs = ready.inputs.iter();
    Ok(Listed {
        name: operator.name,
        group: operator.group,
        about,
        takes,
        rows: operator.rows,
        columns: operator.columns,
        settings: operator.settings.iter().map(setting).collect(),
        inputs: inputs
            .map(|(name, x)| (*name, [x.rows(), x.cols()]))
            .collect(),
        random: !making.draws.recorded().is_empty(),
    })
}

impl Asked {
    /// Everything as the list has it.
    pub(super) fn usual(name: &str) -> Asked {
        Asked {
            name: name.into(),
            rows: None,
            columns: None,
            settings: Default::default(),
            seed: 7,
            draw_seed: None,
            inputs: Default::default(),
            dy: None,
        }
    }
}
