//! A tape as two files: what its nodes are, in JSON, and the numbers, in safetensors.
//!
//! The numbers are named `value.012.layer-norm` and `gradient.012.layer-norm` by the node's place on the tape, and
//! `note.012.dk of the virtual key.head0`. A gradient that ends early, as those of tables do, is filled up with zeros.

use crate::terminal::error::Result;
use answer::tape::{Drawn, Node, Noted, drawn, nodes, noted};
use engine::{Draw, Gradients, Params, Tape};
use models::to_safetensors;
use serde::Serialize;
use std::collections::BTreeMap;

/// What a tape tells of its nodes.
#[derive(Serialize)]
pub(crate) struct Told {
    pub(crate) nodes: Vec<Node>,
    pub(crate) notes: Vec<Noted>,
    pub(crate) draws: BTreeMap<String, Drawn>,
}

impl Told {
    /// Of a keeping tape that has run backward, to which these parameters are bound.
    pub(crate) fn new(
        tape: &Tape<f32>,
        params: &Params<f32>,
        draws: &BTreeMap<String, Draw>,
    ) -> Self {
        Told {
            nodes: nodes(&tape.records(), params.iter().map(|(name, _)| name)),
            notes: noted(&tape.noted()),
            draws: drawn(draws),
        }
    }
}

/// The bytes of both files.
pub(crate) struct Files {
    pub(crate) json: Vec<u8>,
    pub(crate) numbers: Vec<u8>,
}

impl Files {
    /// Of a keeping tape, its gradients, and what is told of it.
    pub(crate) fn new(
        tape: &Tape<f32>,
        gradients: &Gradients<f32>,
        told: &impl Serialize,
    ) -> Result<Self> {
        let mut json = serde_json::to_vec_pretty(told)?;
        json.push(b'\n');
        let mut numbers = Params::default();
        let (records, values) = (tape.records(), tape.values());
        let named = |what: &str, number: usize, name: &str| format!("{what}.{number:03}.{name}");
        for (number, (record, value)) in records.iter().zip(&values).enumerate() {
            numbers.add(named("value", number, record.name), value.clone());
            if let Some(gradient) = &gradients.all()[number] {
                let whole = gradient.clone().of_height(value.rows());
                numbers.add(named("gradient", number, record.name), whole);
            }
        }
        for note in tape.noted() {
            let name = named("note", note.node, &note.name);
            // Of two of one name, as of two documents, the first.
            if numbers.find(&name).is_none() {
                numbers.add(name, note.value);
            }
        }
        Ok(Files {
            json,
            numbers: to_safetensors(&numbers),
        })
    }
}
