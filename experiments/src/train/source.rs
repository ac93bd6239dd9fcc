//! The files that settings name, `init` and `scores`: read when a run is new, known by their SHA-256 from then on.

use crate::files::whole_file;
use crate::settings::config::Config;
use crate::settings::source::Source;
use crate::terminal::error::{Error, Result};
use crate::terminal::output::hex;
use sha2::{Digest, Sha256};
use std::path::Path;

/// The configuration with the SHA-256 of the files it names; nothing is read where that is known already.
///
/// # Errors
/// If a file cannot be read.
pub(crate) fn settled(mut config: Config) -> Result<Config> {
    settle(&mut config.init)?;
    settle(&mut config.scores)?;
    Ok(config)
}

/// The same for one of them.
pub(crate) fn settle(source: &mut Source) -> Result<()> {
    if let Source::File { file, sha256 } = source
        && sha256.is_none()
    {
        *sha256 = Some(hash(&whole_file::read(Path::new(file))?));
    }
    Ok(())
}

/// The bytes that a setting names, out of the file at `path`.
///
/// # Errors
/// If it cannot be read, or has other bytes than the settings say.
pub(crate) fn read(setting: &str, sha256: Option<&str>, path: &Path) -> Result<Vec<u8>> {
    let bytes = whole_file::read(path)?;
    let found = hash(&bytes);
    match sha256 {
        Some(expected) if found != expected.to_lowercase() => {
            let file = path.display();
            let message =
                format!("{file} has SHA-256 {found}, expected {expected} as in the settings");
            let hint = format!(
                "restore the file, or begin a run with what is there now: --{setting} {file}"
            );
            Err(Error::failure(message).hint(hint))
        }
        _ => Ok(bytes),
    }
}

fn hash(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}
