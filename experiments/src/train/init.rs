//! A run that begins at weights which another has learnt: the file of its `init` setting, read when the run is new and
//! never again.

use crate::files::whole_file;
use crate::settings::config::Config;
use crate::settings::init::Init;
use crate::terminal::error::{Error, Result};
use crate::terminal::output::hex;
use engine::Params;
use models::load_safetensors;
use sha2::{Digest, Sha256};
use std::path::Path;

/// The configuration with the SHA-256 of the weights at which it begins; nothing is read where that is known already.
///
/// # Errors
/// If the file cannot be read.
pub(crate) fn settled(mut config: Config) -> Result<Config> {
    if let Init::Weights { file, sha256 } = &mut config.init
        && sha256.is_none()
    {
        *sha256 = Some(hash(&whole_file::read(Path::new(file))?));
    }
    Ok(config)
}

/// Sets the parameters of a new run to where it begins.
///
/// # Errors
/// If the file has other bytes than the settings say, or is not one of finite weights of exactly this model; then no
/// parameter has changed.
pub(crate) fn begin(init: &Init, params: &mut Params<f32>) -> Result<()> {
    let Init::Weights { file, sha256 } = init else {
        return Ok(());
    };
    let bytes = whole_file::read(Path::new(file))?;
    let found = hash(&bytes);
    if let Some(expected) = sha256
        && found != expected.to_lowercase()
    {
        let message = format!("{file} has SHA-256 {found}, expected {expected} as in the settings");
        let hint = format!("restore the file, or begin from what is there now with --init {file}");
        return Err(Error::failure(message).hint(hint));
    }
    load_safetensors(params, &bytes).map_err(|error| {
        Error::failure(error.to_string()).at(file).hint(
            "--attn, --max-len, --layers, --dim, --hidden, --features and the task must be those that the weights were \
             learnt with",
        )
    })
}

fn hash(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}
