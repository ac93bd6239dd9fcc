//! What a run learns from: its data.json.

use crate::files::read::json;
use crate::numbers::range;
use crate::terminal::error::{Error, Result};
use datasets::Dataset;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// data.json: what a run learns from, as its data report tells it.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub(crate) struct DataReport {
    pub(crate) name: String,
    pub(crate) builtin: bool,
    pub(crate) sha256: String,
    pub(crate) classes: Vec<String>,
    /// Examples of train, dev and test.
    #[serde(deserialize_with = "range::counts")]
    pub(crate) examples: [usize; 3],
    pub(crate) notes: Vec<String>,
}

impl DataReport {
    pub(crate) fn new(data: &Dataset, sha256: &str) -> Self {
        DataReport {
            name: data.name.clone(),
            builtin: data.builtin,
            sha256: sha256.to_string(),
            classes: data.classes.clone(),
            examples: [&data.train, &data.dev, &data.test].map(|split| split.examples.len()),
            notes: data.notes.clone(),
        }
    }

    /// That of the run in `folder`; none if an older program began it.
    pub(crate) fn read(folder: &Path) -> Result<Option<Self>> {
        json(&folder.join("data.json"))
    }

    /// Labels are numbers: a model has learnt which class each is, and can say nothing of others.
    pub(crate) fn refuse_other_classes(&self, data: &Dataset) -> Result<()> {
        if self.classes == data.classes {
            return Ok(());
        }
        let message = format!(
            "{}: the classes of the data are {}; expected those that the model has learnt, {}",
            data.name,
            data.classes.join(", "),
            self.classes.join(", ")
        );
        Err(Error::failure(message).hint("name data of these classes with --data PATH"))
    }
}
