//! The state of a run as a file that is either right or refused.
//!
//! A checkpoint is a header (magic, format, length, SHA-256) and the step with the state in bincode, written whole or
//! not at all. The two newest `checkpoint-<step>.bin` are kept, so that one is left if the other is lost, and
//! `best.bin`. What the state is, the training loop says; equal states give equal bytes.
//!
//! A cryptographic hash because a shorter checksum would save nothing that can be felt, and the project needs SHA-256
//! for downloads anyway. bincode, unmaintained, stays inside this file: it sees no byte that the hash has not vouched
//! for.

use crate::files::whole_file;
use crate::files::whole_file::Pending;
use crate::terminal::error::{Error, Result};
use bincode::config::{Config, Configuration, Fixint, Limit, LittleEndian};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

const MAGIC: [u8; 8] = *b"LRA-ckpt";
/// Raised whenever the header or what a state consists of changes.
const FORMAT: u32 = 1;
/// Magic, format (u32), length of the payload (u64), SHA-256 of these 20 bytes and the payload; little-endian.
const HEADER: usize = 20 + 32;
/// How many `checkpoint-<step>.bin` a folder keeps.
const KEPT: usize = 2;

/// The limit stops a state of another type, read as this one, from asking for all the memory there is: no part of a
/// state has more bytes than the state.
const LIMIT: usize = 1 << 30;
const CODING: Configuration<LittleEndian, Fixint, Limit<LIMIT>> = bincode::config::standard()
    .with_fixed_int_encoding()
    .with_limit();
/// Of states that are themselves beyond that limit, which is a constant.
const LARGE: Configuration<LittleEndian, Fixint> =
    bincode::config::standard().with_fixed_int_encoding();

/// Writes the checkpoint of `step` and removes all but the newest two.
pub(crate) fn save(folder: &Path, step: usize, state: &impl Serialize) -> Result<()> {
    pending(&numbered_path(folder, step), step, state)?.place()?;
    for (_, path) in numbered(folder)?.iter().rev().skip(KEPT) {
        fs::remove_file(path).map_err(|cause| Error::file("cannot remove", path, &cause))?;
    }
    Ok(())
}

/// Step and state of the newest checkpoint in `folder`.
pub(crate) fn newest<S: DeserializeOwned>(folder: &Path) -> Result<(usize, S)> {
    let all = numbered(folder)?;
    let Some((step, path)) = all.last() else {
        let message = format!("{} holds no checkpoint to continue from", folder.display());
        return Err(
            Error::failure(message).hint("start the run again, with --out FOLDER --overwrite")
        );
    };
    let read = read(path).and_then(|(stored, state)| match stored == *step {
        true => Ok((stored, state)),
        false => Err(damaged(
            path,
            &format!("its name says step {step}, its content step {stored}"),
        )),
    });
    read.map_err(|error| match all.iter().rev().nth(1) {
        Some((_, older)) => error.hint(format!("remove it to continue from {}", older.display())),
        None => {
            error.hint("it is the only one: start the run again, with --out FOLDER --overwrite")
        }
    })
}

/// The step of the newest checkpoint in `folder`, unread; none if there is none.
pub(crate) fn newest_step(folder: &Path) -> Result<Option<usize>> {
    match folder.exists() {
        true => Ok(numbered(folder)?.last().map(|(step, _)| *step)),
        false => Ok(None),
    }
}

/// The numbered checkpoints of a folder, oldest first.
fn numbered(folder: &Path) -> Result<Vec<(usize, PathBuf)>> {
    named(folder, step_of)
}

/// The checkpoints after at most `step` steps, kept or numbered, the newest first.
pub(crate) fn up_to(folder: &Path, step: usize) -> Result<Vec<(usize, PathBuf)>> {
    let mut found = named(folder, |name| step_of(name).or_else(|| kept_step_of(name)))?;
    found.retain(|(of, _)| *of <= step);
    found.reverse();
    Ok(found)
}

/// The files of a folder in whose name there is a step, by steps.
fn named(folder: &Path, step: fn(&str) -> Option<usize>) -> Result<Vec<(usize, PathBuf)>> {
    let cannot_list = |cause| Error::file("cannot list", folder, &cause);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(cannot_list)? {
        let path = entry.map_err(cannot_list)?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        if let Some(step) = name.and_then(step) {
            found.push((step, path));
        }
    }
    found.sort();
    Ok(found)
}

/// The step in the name of a numbered checkpoint.
pub(crate) fn step_of(name: &str) -> Option<usize> {
    step_between(name, "checkpoint-")
}

/// The step in the name of one that is kept for good.
pub(crate) fn kept_step_of(name: &str) -> Option<usize> {
    step_between(name, "kept-")
}

fn step_between(name: &str, start: &str) -> Option<usize> {
    let step = name.strip_prefix(start)?.strip_suffix(".bin")?;
    step.parse().ok()
}

/// Where a checkpoint of `step` is that is kept for good.
pub(crate) fn kept_path(folder: &Path, step: usize) -> PathBuf {
    folder.join(format!("kept-{step}.bin"))
}

/// Where the checkpoint of `step` is.
pub(crate) fn numbered_path(folder: &Path, step: usize) -> PathBuf {
    folder.join(format!("checkpoint-{step}.bin"))
}

/// Step and state as the file `path`, which has yet to get its name.
pub(crate) fn pending(path: &Path, step: usize, state: &impl Serialize) -> Result<Pending> {
    let payload = bincode::serde::encode_to_vec((step as u64, state), CODING)
        .map_err(|error| Error::failure(format!("cannot encode {}: {error}", path.display())))?;
    let mut header = Vec::with_capacity(HEADER);
    header.extend(MAGIC);
    header.extend(FORMAT.to_le_bytes());
    header.extend((payload.len() as u64).to_le_bytes());
    let hash = Sha256::new()
        .chain_update(&header)
        .chain_update(&payload)
        .finalize();
    header.extend(hash);
    Pending::with(path, &[&header, &payload])
}

/// Writes step and state as the file `path`.
pub(crate) fn write(path: &Path, step: usize, state: &impl Serialize) -> Result<()> {
    pending(path, step, state)?.place()
}

/// Step and state of the checkpoint `path`, which may be any file.
pub(crate) fn read<S: DeserializeOwned>(path: &Path) -> Result<(usize, S)> {
    let bytes = whole_file::read(path)?;
    let magic = &bytes[..bytes.len().min(MAGIC.len())];
    if !MAGIC.starts_with(magic) {
        let message = format!(
            "{} is not a checkpoint: it does not begin with {:?}",
            path.display(),
            "LRA-ckpt"
        );
        return Err(Error::failure(message));
    }
    if bytes.len() < HEADER {
        return Err(damaged(
            path,
            &format!(
                "truncated, {} bytes where the header alone has {HEADER}",
                bytes.len()
            ),
        ));
    }
    let (header, payload) = bytes.split_at(HEADER);
    let (fields, hash) = header.split_at(20);
    let format = u32::from_le_bytes(fields[8..12].try_into().expect("four bytes"));
    if format != FORMAT {
        let age = if format > FORMAT {
            "a newer"
        } else {
            "an older"
        };
        let message = format!(
            "{} was written by {age} version of this program (environment.toml says which): it has format {format}, \
             expected {FORMAT}",
            path.display()
        );
        return Err(Error::failure(message));
    }
    let length = u64::from_le_bytes(fields[12..20].try_into().expect("eight bytes"));
    match (payload.len() as u64).cmp(&length) {
        std::cmp::Ordering::Less => {
            let what = format!("truncated, {} of {length} bytes are left", payload.len());
            return Err(damaged(path, &what));
        }
        std::cmp::Ordering::Greater => {
            let what = format!("{} bytes where {length} were written", payload.len());
            return Err(damaged(path, &what));
        }
        std::cmp::Ordering::Equal => {}
    }
    if Sha256::new()
        .chain_update(fields)
        .chain_update(payload)
        .finalize()[..]
        != *hash
    {
        return Err(damaged(path, "altered, its checksum is another"));
    }
    match payload.len() <= LIMIT {
        true => decode(path, payload, CODING),
        false => decode(path, payload, LARGE),
    }
}

/// Step and state of the payload of `path`, all of it.
fn decode<S: DeserializeOwned>(
    path: &Path,
    payload: &[u8],
    coding: impl Config,
) -> Result<(usize, S)> {
    match bincode::serde::decode_from_slice::<(u64, S), _>(payload, coding) {
        Ok(((step, state), used)) if used == payload.len() => Ok((step as usize, state)),
        Ok((_, used)) => {
            let what = format!("{used} of {} bytes used", payload.len());
            Err(other_state(path, &what))
        }
        Err(error) => Err(other_state(path, &error.to_string())),
    }
}

fn damaged(path: &Path, what: &str) -> Error {
    Error::failure(format!("{} is damaged: {what}", path.display()))
}

fn other_state(path: &Path, what: &str) -> Error {
    let message = format!(
        "{} does not hold the state that this program keeps: {what}",
        path.display()
    );
    Error::failure(message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::asserts::has;
    use serde::Deserialize;

    #[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
    struct State {
        weights: Vec<f32>,
        best: Option<f64>,
        name: String,
    }

    fn state() -> State {
        State {
            weights: vec![0.1, -0.0, f32::MIN_POSITIVE / 2.0, 3.4e38],
            best: Some(0.625),
            name: "W_q".into(),
        }
    }

    #[test]
    fn what_is_read_is_what_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("best.bin");
        write(&path, 7, &state()).unwrap();
        let (step, read): (usize, State) = read(&path).unwrap();
        assert_eq!((step, &read), (7, &state()));
        assert!(read.weights[1].is_sign_negative());
    }

    #[test]
    fn every_truncation_is_refused_as_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("best.bin");
        write(&path, 7, &state()).unwrap();
        let bytes = fs::read(&path).unwrap();
        for length in 0..bytes.len() {
            fs::write(&path, &bytes[..length]).unwrap();
            let error = read::<State>(&path).unwrap_err().to_string();
            has(&error, "is damaged: truncated");
        }
    }

    #[test]
    fn every_flipped_bit_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("best.bin");
        write(&path, 7, &state()).unwrap();
        let bytes = fs::read(&path).unwrap();
        for bit in 0..8 * bytes.len() {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, &flipped).unwrap();
            let error = read::<State>(&path).unwrap_err().to_string();
            let expected = match bit / 8 {
                0..8 => "is not a checkpoint",
                8..12 => "version of this program",
                12..20 => "is damaged",
                _ => "altered, its checksum is another",
            };
            assert!(error.contains(expected), "bit {bit}: {error}");
        }
    }

    #[test]
    fn foreign_longer_and_newer_files_say_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("best.bin");
        fs::write(&path, b"PK\x03\x04 an archive").unwrap();
        has(
            read::<State>(&path).unwrap_err().to_string(),
            "is not a checkpoint",
        );

        write(&path, 7, &state()).unwrap();
        let mut bytes = fs::read(&path).unwrap();
        bytes.push(0);
        fs::write(&path, &bytes).unwrap();
        has(read::<State>(&path).unwrap_err().to_string(), "is damaged");

        bytes[8] = 2;
        fs::write(&path, &bytes).unwrap();
        let error = read::<State>(&path).unwrap_err().to_string();
        has(
            &error,
            "a newer version of this program (environment.toml says which): it has format 2, expected 1",
        );
    }

    #[test]
    fn the_state_of_another_program_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("best.bin");
        write(&path, 7, &state()).unwrap();
        let error = read::<u8>(&path).unwrap_err().to_string();
        assert!(error.contains("does not hold the state"), "{error}");
        // Read as a text, the bytes of these numbers claim a length of 2^62.
        write(&path, 7, &[2.0f64, 2.0]).unwrap();
        let error = read::<String>(&path).unwrap_err().to_string();
        assert!(error.contains("does not hold the state"), "{error}");
    }

    #[test]
    fn a_state_beyond_the_limit_of_its_parts_is_read_as_well() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("best.bin");
        write(&path, 7, &state()).unwrap();
        let bytes = fs::read(&path).unwrap();
        let (step, read): (usize, State) = decode(&path, &bytes[HEADER..], LARGE).unwrap();
        assert_eq!((step, read), (7, state()));
        let cut = decode::<State>(&path, &bytes[HEADER..bytes.len() - 1], LARGE);
        has(cut.unwrap_err().to_string(), "does not hold the state");
    }

    #[test]
    fn the_newest_two_are_kept_and_equal_states_are_equal_files() {
        let folder = tempfile::tempdir().unwrap();
        // As text, 1000 comes before 9.
        for step in [9, 200, 1000] {
            save(folder.path(), step, &state()).unwrap();
        }
        let steps: Vec<usize> = numbered(folder.path())
            .unwrap()
            .into_iter()
            .map(|(step, _)| step)
            .collect();
        assert_eq!(steps, [200, 1000]);
        assert_eq!(newest::<State>(folder.path()).unwrap(), (1000, state()));

        let again = tempfile::tempdir().unwrap();
        save(again.path(), 1000, &state()).unwrap();
        let bytes = |folder: &Path| fs::read(folder.join("checkpoint-1000.bin")).unwrap();
        assert_eq!(bytes(folder.path()), bytes(again.path()));
    }

    #[test]
    fn a_damaged_newest_one_names_the_older_one() {
        let folder = tempfile::tempdir().unwrap();
        has(
            newest::<State>(folder.path()).unwrap_err().to_string(),
            "holds no checkpoint",
        );

        save(folder.path(), 10, &state()).unwrap();
        save(folder.path(), 20, &state()).unwrap();
        let newer = folder.path().join("checkpoint-20.bin");
        fs::write(&newer, b"LRA").unwrap();
        let error = newest::<State>(folder.path()).unwrap_err().to_string();
        assert!(error.contains("checkpoint-20.bin is damaged"), "{error}");
        assert!(
            error.contains("hint: remove it to continue from")
                && error.contains("checkpoint-10.bin"),
            "{error}"
        );

        fs::remove_file(&newer).unwrap();
        assert_eq!(newest::<State>(folder.path()).unwrap().0, 10);
        fs::rename(folder.path().join("checkpoint-10.bin"), newer).unwrap();
        let error = newest::<State>(folder.path()).unwrap_err().to_string();
        has(&error, "its name says step 20, its content step 10");
    }
}
