//! A run that begins at weights which another has learnt: the file of its `init` setting, read when the run is new and
//! never again.

use crate::settings::source::Source;
use crate::terminal::error::{Error, Result};
use crate::train::source::read;
use engine::Params;
use models::load_safetensors;
use std::path::Path;

/// Sets the parameters of a new run to where it begins.
///
/// # Errors
/// If the file has other bytes than the settings say, or is not one of finite weights of exactly this model; then no
/// parameter has changed.
pub(crate) fn begin(init: &Source, params: &mut Params<f32>) -> Result<()> {
    let Source::File { file, sha256 } = init else {
        return Ok(());
    };
    let bytes = read("init", sha256.as_deref(), Path::new(file))?;
    load_safetensors(params, &bytes).map_err(|error| {
        Error::failure(error.to_string()).at(file).hint(
            "--attn, --max-len, --layers, --dim, --hidden, --features and the task must be those that the weights were \
             learnt with",
        )
    })
}
