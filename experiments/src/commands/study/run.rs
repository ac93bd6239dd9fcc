//! What the files of a run say of it beside its curves. What cannot be read is said in a sentence, and the rest is there.

use super::asked::Refusal;
use super::list::{Found, State};
use crate::files::read::read_toml;
use crate::run::data_report::DataReport;
use crate::run::outcome::Outcome;
use crate::settings::config::Config;
use crate::terminal::error::Result;
use serde::Serialize;

/// A run in full.
#[derive(Serialize)]
pub(super) struct Told {
    name: String,
    state: State,
    /// Names and values as config.toml has them.
    settings: Option<toml::Table>,
    /// As environment.toml has it.
    environment: Option<toml::Table>,
    /// As result.json has it.
    result: Option<Outcome>,
    /// As data.json has it.
    data: Option<DataReport>,
    /// What could not be read, a sentence each.
    broken: Vec<String>,
}

impl Told {
    pub(super) fn of(found: &Found) -> Self {
        let mut broken = Vec::new();
        let folder = &found.folder;
        fn known<T>(read: Result<T>, broken: &mut Vec<String>) -> Option<T> {
            read.map_err(|error| broken.push(Refusal::from(error).sentence))
                .ok()
        }
        let table = |name: &str, broken: &mut Vec<String>| {
            let path = folder.join(name);
            path.exists()
                .then(|| known(read_toml(&path), broken))
                .flatten()
        };
        let config = known(Config::of_run(folder), &mut broken);
        let result = known(Outcome::read(folder), &mut broken).flatten();
        if let (Some(config), Some(result)) = (&config, &result) {
            known(result.refuse_other_run(config, folder), &mut broken);
        }
        let environment = table("environment.toml", &mut broken);
        let data = known(DataReport::read(folder), &mut broken).flatten();
        Told {
            name: found.name.clone(),
            state: State::of(folder),
            // All of them, those that an older run does not name included.
            settings: config.and_then(|config| toml::from_str(&config.to_toml()).ok()),
            environment,
            result,
            data,
            broken,
        }
    }
}
