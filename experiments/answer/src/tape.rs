//! What a whole tape tells: its nodes, the norms of values and gradients, and where each is written.

use std::panic::Location;

use engine::{Draw, Note, Real, Record};
use serde::Serialize;
use std::collections::BTreeMap;

/// A line of a source file.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its path from the root of the workspace.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
}

/// Where an operator is written.
pub fn place(location: &Location<'_>) -> Place {
    // Compilers name a file from the root of the workspace or by its whole path.
    let root = env!("CARGO_MANIFEST_DIR").trim_end_matches("experiments/answer");
    let file = location.file().replace('\\', "/");
    let root = root.replace('\\', "/");
    Place {
        file: file.strip_prefix(&root).unwrap_or(&file).to_string(),
        line: location.line(),
    }
}

/// A node of a tape.
#[derive(Serialize, Clone, Debug)]
pub struct Node {
    /// Its place on the tape, from 0.
    pub number: usize,
    /// What recorded it.
    pub operator: &'static str,
    /// The parameter that it is, if it is one.
    pub parameter: Option<String>,
    /// Rows and columns of its value.
    pub shape: (usize, usize),
    /// The nodes from which it was computed.
    pub parents: Vec<usize>,
    /// Bytes that it keeps for backward and no earlier node does.
    pub saved_bytes: usize,
    /// Multiply-adds of matrix products, forward and backward.
    pub multiply_adds: [u64; 2],
    /// The Euclidean norm of its value.
    pub value_norm: Option<f64>,
    /// That of the gradient that reached it; none if none did.
    pub gradient_norm: Option<f64>,
    /// Where it and its gradient are written.
    pub written: Place,
}

/// The nodes of a traced or keeping tape, of which the first ones are these parameters.
pub fn nodes<'a>(records: &[Record], parameters: impl IntoIterator<Item = &'a str>) -> Vec<Node> {
    let mut parameters = parameters.into_iter();
    let node = |(number, record): (usize, &Record)| Node {
        number,
        operator: record.name,
        parameter: parameters.next().map(String::from),
        shape: record.shape,
        parents: record.parents.clone(),
        saved_bytes: record.saved_bytes,
        multiply_adds: [record.forward_multiply_adds, record.backward_multiply_adds],
        value_norm: record.value_norm,
        gradient_norm: record.gradient_norm,
        written: place(record.location),
    };
    records.iter().enumerate().map(node).collect()
}

/// A part of an operator's inside, without its numbers.
#[derive(Serialize, Clone, Debug)]
pub struct Noted {
    /// The node whose inside it is of.
    pub node: usize,
    /// Its name.
    pub name: String,
    /// Rows and columns.
    pub shape: (usize, usize),
    /// Its Euclidean norm.
    pub norm: f64,
}

/// The notes of a tape.
pub fn noted<T: Real>(notes: &[Note<T>]) -> Vec<Noted> {
    let noted = |note: &Note<T>| Noted {
        node: note.node,
        name: note.name.clone(),
        shape: note.value.shape(),
        norm: note.value.norm(),
    };
    notes.iter().map(noted).collect()
}

/// What was drawn, by name; indices as they are, and of numbers how many.
pub fn drawn(draws: &BTreeMap<String, Draw>) -> BTreeMap<String, Drawn> {
    let drawn = |draw: &Draw| match draw {
        Draw::Indices(indices) => Drawn::Indices(indices.clone()),
        Draw::Numbers(numbers) => Drawn::Count(numbers.len()),
    };
    let draws = draws.iter();
    draws
        .map(|(name, draw)| (name.clone(), drawn(draw)))
        .collect()
}

/// A draw of a tape.
#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "lowercase")]
pub enum Drawn {
    /// Which rows, columns, blocks, ...
    Indices(Vec<u32>),
    /// How many random numbers.
    Count(usize),
}
