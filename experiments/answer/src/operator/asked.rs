//! From a question about an operator to its inputs, and to the operator as a function on a tape.

use std::collections::BTreeMap;

use engine::check::normal;
use engine::{Draws, Generator, Seed, Stream, Tape, Tensor, Var};
use serde::{Deserialize, Serialize};

use super::catalogue::{Kind, Operator, Size};
use super::derivation::File;
use super::draws::AllDraws;
use super::sums::Sum;
use crate::question::{Refused, refuse};

/// `{"ask": "operator", "name": "layer_norm", "rows": 4, "columns": 3, "seed": 7, "inputs": {"x": [[...]]}}`. What is
/// not given is as the list has it, or drawn from the seed: most inputs, and dy, are standard normal.
#[derive(Deserialize, Clone, Debug)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// As in the list.
    pub name: String,
    /// Rows of the first input.
    pub rows: Option<usize>,
    /// Columns of the first input.
    pub columns: Option<usize>,
    /// What else decides shapes or values, by name.
    #[serde(default)]
    pub settings: BTreeMap<String, Value>,
    /// Of all that is not given.
    #[serde(default = "seven")]
    pub seed: u64,
    /// Of the draws alone, if it is another.
    pub draw_seed: Option<u64>,
    /// Inputs in place of those of the seed, by name.
    #[serde(default)]
    pub inputs: BTreeMap<String, Vec<Vec<f64>>>,
    /// The cotangent of the output.
    pub dy: Option<Vec<Vec<f64>>>,
}

fn seven() -> u64 {
    7
}

/// The value of a setting.
#[derive(Deserialize, Serialize, Clone, Debug, PartialEq)]
#[serde(untagged)]
pub enum Value {
    /// A size, an index, a rate.
    Number(f64),
    /// One of a few words.
    Word(String),
}

/// An operator as a function of its inputs.
pub(super) type Function = Box<dyn for<'t> Fn(&'t Tape<f64>, &[Var<'t, f64>]) -> Var<'t, f64>>;

/// A matrix and what it is called.
pub(super) type Called<'a> = (&'a str, Tensor<f64>);

/// An operator that is ready to run.
pub(super) struct Ready {
    /// By name, in the order in which it takes them.
    pub(super) inputs: Vec<Called<'static>>,
    pub(super) function: Function,
    /// Of what finite differences are taken, where that is another function, and why.
    pub(super) held: Option<(Function, &'static str)>,
    /// Constants that it was made with: S, a mask.
    pub(super) shown: Vec<Called<'static>>,
    /// Gradients part by part.
    pub(super) sums: Option<Sums>,
    /// The estimate that it is, with all its draws.
    pub(super) all_draws: Option<Enumerated>,
    /// Files that explain it, the operator's own first.
    pub(super) files: Vec<File>,
}

/// From inputs and dy to the parts of gradients.
pub(super) type Sums = Box<dyn Fn(&[Tensor<f64>], &Tensor<f64>) -> Vec<Sum>>;
/// From inputs and dy to all draws.
pub(super) type Enumerated = Box<dyn Fn(&[Tensor<f64>], &Tensor<f64>) -> AllDraws>;

impl Ready {
    /// An operator of these inputs.
    pub(super) fn new(
        file: File,
        inputs: Vec<Called<'static>>,
        function: impl for<'t> Fn(&'t Tape<f64>, &[Var<'t, f64>]) -> Var<'t, f64> + 'static,
    ) -> Self {
        Ready {
            inputs,
            function: Box::new(function),
            held: None,
            shown: Vec::new(),
            sums: None,
            all_draws: None,
            files: vec![file],
        }
    }

    pub(super) fn with_sums(
        mut self,
        sums: impl Fn(&[Tensor<f64>], &Tensor<f64>) -> Vec<Sum> + 'static,
    ) -> Self {
        self.sums = Some(Box::new(sums));
        self
    }
}

/// A question within its limits.
pub(super) struct Making<'a> {
    asked: &'a Asked,
    operator: &'a Operator,
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) settings: BTreeMap<&'static str, Value>,
    /// Of what is random in the operator; all is recorded.
    pub(super) draws: Draws,
}

fn within(name: &str, given: Option<usize>, size: Size) -> Result<usize, Refused> {
    let x = given.unwrap_or(size.usual);
    match (size.least..=size.most).contains(&x) {
        true => Ok(x),
        false if size.least == size.most => refuse(format!("{name} = {x}: expected {}", size.most)),
        false => refuse(format!(
            "{name} = {x}: expected {} to {}",
            size.least, size.most
        )),
    }
}

impl<'a> Making<'a> {
    pub(super) fn new(asked: &'a Asked, operator: &'a Operator) -> Result<Self, Refused> {
        let rows = within("rows", asked.rows, operator.rows)?;
        let columns = within("columns", asked.columns, operator.columns)?;
        let mut settings = BTreeMap::new();
        for setting in operator.settings {
            let usual = setting.kind.usual(rows, columns);
            let value = asked.settings.get(setting.name).cloned();
            let value = value.unwrap_or(usual);
            setting.kind.refuse_outside(setting.name, &value)?;
            settings.insert(setting.name, value);
        }
        let known: Vec<&str> = operator
            .settings
            .iter()
            .map(|setting| setting.name)
            .collect();
        refuse_unknown("settings", asked.settings.keys(), &known)?;
        let seed = asked.draw_seed.unwrap_or(asked.seed);
        Ok(Making {
            asked,
            operator,
            rows,
            columns,
            settings,
            draws: Draws::recording(Seed(seed).stream("draws")),
        })
    }

    /// A setting that is a whole number.
    pub(super) fn whole(&self, name: &str) -> usize {
        self.number(name) as usize
    }

    /// A setting that is a number.
    pub(super) fn number(&self, name: &str) -> f64 {
        match self.settings[name] {
            Value::Number(x) => x,
            Value::Word(_) => unreachable!("{name} of {} is a number", self.operator.name),
        }
    }

    /// A setting that is a word.
    pub(super) fn word(&self, name: &str) -> &str {
        match &self.settings[name] {
            Value::Word(word) => word,
            Value::Number(_) => unreachable!("{name} of {} is a word", self.operator.name),
        }
    }

    /// Of what the seed draws.
    fn stream(&self) -> Stream {
        Seed(self.asked.seed).stream("study")
    }

    /// Of samples that only show how often what comes.
    pub(super) fn frequencies(&self) -> Generator {
        self.stream().stream("frequencies").generator()
    }

    /// An input as it is given, or else standard normal.
    pub(super) fn input(
        &self,
        name: &'static str,
        (rows, columns): (usize, usize),
    ) -> Result<Called<'static>, Refused> {
        let drawn = || normal(self.stream().stream(name), rows, columns);
        Ok((
            name,
            self.given(name, (rows, columns))?.unwrap_or_else(drawn),
        ))
    }

    /// An input of probabilities, uniform on 0.1 to 0.9 unless it is given.
    pub(super) fn probabilities(
        &self,
        name: &'static str,
        (rows, columns): (usize, usize),
    ) -> Result<Called<'static>, Refused> {
        let mut generator = self.stream().stream(name).generator();
        let drawn = Tensor::from_fn(rows, columns, |_, _| 0.1 + 0.8 * generator.uniform());
        let x = self.given(name, (rows, columns))?.unwrap_or(drawn);
        match x.data().iter().all(|&p| p >= LEAST_PROBABILITY) {
            true => Ok((name, x)),
            false => refuse(format!(
                "{name}: expected probabilities of at least {LEAST_PROBABILITY}"
            )),
        }
    }

    fn given(
        &self,
        name: &str,
        (rows, columns): (usize, usize),
    ) -> Result<Option<Tensor<f64>>, Refused> {
        let given = self.asked.inputs.get(name);
        given
            .map(|given| matrix(name, given, (rows, columns)))
            .transpose()
    }

    /// dy as it is given, or else standard normal.
    pub(super) fn dy(&self, shape: (usize, usize)) -> Result<Tensor<f64>, Refused> {
        match &self.asked.dy {
            Some(given) => matrix("dy", given, shape),
            None => Ok(normal(self.stream().stream("dy"), shape.0, shape.1)),
        }
    }

    /// Refuses inputs that the operator does not have.
    pub(super) fn refuse_others(&self, ready: &Ready) -> Result<(), Refused> {
        let known: Vec<&str> = ready.inputs.iter().map(|(name, _)| *name).collect();
        refuse_unknown("inputs", self.asked.inputs.keys(), &known)
    }

    /// Indices below `bound` that nothing but the seed of the draws decides.
    pub(super) fn indices(&self, name: &str, count: usize, bound: usize) -> Vec<u32> {
        self.draws.indices(name, bound, |generator| {
            ops::sample::uniform::with_replacement(bound, count, generator)
        })
    }
}

/// Far enough from 0 for finite differences.
const LEAST_PROBABILITY: f64 = 0.01;

fn refuse_unknown<'a>(
    what: &str,
    given: impl Iterator<Item = &'a String>,
    known: &[&str],
) -> Result<(), Refused> {
    for name in given {
        if !known.contains(&name.as_str()) {
            let known = match known {
                [] => "none".to_string(),
                known => known.join(", "),
            };
            return refuse(format!("{what}: unknown {name:?}, expected {known}"));
        }
    }
    Ok(())
}

fn matrix(
    name: &str,
    given: &[Vec<f64>],
    (rows, columns): (usize, usize),
) -> Result<Tensor<f64>, Refused> {
    if given.len() != rows || given.iter().any(|row| row.len() != columns) {
        let count = |count: usize, what: &str| match count {
            1 => format!("1 {what}"),
            count => format!("{count} {what}s"),
        };
        return refuse(format!(
            "{name}: expected {} of {}",
            count(rows, "row"),
            count(columns, "number")
        ));
    }
    Ok(Tensor::from_fn(rows, columns, |i, j| given[i][j]))
}

impl Kind {
    fn usual(&self, rows: usize, columns: usize) -> Value {
        match self {
            Kind::Whole { usual, .. } => Value::Number(usual(rows, columns) as f64),
            Kind::Number { usual, .. } => Value::Number(*usual),
            Kind::Word(words) => Value::Word(words[0].into()),
        }
    }

    fn refuse_outside(&self, name: &str, value: &Value) -> Result<(), Refused> {
        let told = match value {
            Value::Number(x) => x.to_string(),
            Value::Word(word) => format!("{word:?}"),
        };
        let (fits, expected) = match (self, value) {
            (Kind::Whole { least, most, .. }, value) => {
                let fits = matches!(value, Value::Number(x)
                    if x.fract() == 0.0 && (*least as f64..=*most as f64).contains(x));
                (fits, format!("a whole number from {least} to {most}"))
            }
            (Kind::Number { least, most, .. }, value) => {
                let fits = matches!(value, Value::Number(x) if (*least..=*most).contains(x));
                (fits, format!("a number from {least} to {most}"))
            }
            (Kind::Word(words), value) => {
                let fits = matches!(value, Value::Word(word) if words.contains(&word.as_str()));
                (fits, words.join(", "))
            }
        };
        match fits {
            true => Ok(()),
            false => refuse(format!("{name} = {told}: expected {expected}")),
        }
    }
}
