//! A file under its final name is whole: it is written under a temporary name in the same folder, synced and renamed.
//! Used for every file of a run that is not appended to, and for data that are downloaded or made. Large ones are read
//! here, too: those that fit into memory.

use crate::machine::memory::lacking;
use crate::terminal::error::{Error, Result};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// A file that is on the disk under a temporary name: [`Pending::place`] gives it its own. If that does not come, it is
/// removed.
pub(crate) struct Pending {
    temporary: PathBuf,
    path: PathBuf,
}

impl Pending {
    /// `parts` one after the other, for the file `path`.
    pub(crate) fn with(path: &Path, parts: &[&[u8]]) -> Result<Self> {
        let pending = Self::made(path);
        let written = || -> io::Result<()> {
            let mut file = File::create(&pending.temporary)?;
            for part in parts {
                file.write_all(part)?;
            }
            file.sync_all()
        };
        written().map_err(|cause| Error::file("cannot write", path, &cause))?;
        Ok(pending)
    }

    /// What the caller has made under the name [`temporary`].
    pub(crate) fn made(path: &Path) -> Self {
        Self {
            temporary: temporary(path),
            path: path.to_path_buf(),
        }
    }

    /// Puts it in the place of an earlier file.
    pub(crate) fn place(mut self) -> Result<()> {
        rename(&self.temporary, &self.path)
            .map_err(|cause| Error::file("cannot write", &self.path, &cause))?;
        self.temporary.clear(); // There is nothing of that name any more.
        Ok(())
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        // It may never have been made; whatever went wrong first is the error worth telling.
        let _ = fs::remove_file(&self.temporary);
    }
}

/// Writes `parts` one after the other as the file `path`, in place of an earlier one; if that fails, the earlier one
/// is still there and the temporary one is not.
pub(crate) fn write(path: &Path, parts: &[&[u8]]) -> Result<()> {
    Pending::with(path, parts)?.place()
}

/// The name that the file `path` has before it is whole.
pub(crate) fn temporary(path: &Path) -> PathBuf {
    let name = path.file_name().expect("the name of a file");
    path.with_file_name(format!(".{}.tmp", name.display()))
}

/// More than this has what does not say its length only by mistake: a pipe, or a device such as /dev/zero.
const MOST_UNTOLD: u64 = 1 << 26;

/// The bytes of the file `path`, if there is memory for them.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    let cannot = |cause: io::Error| Error::file("cannot read", path, &cause);
    let length = fs::metadata(path).map_err(cannot)?.len();
    if let Some(message) = lacking(&path.display().to_string(), length as f64) {
        return Err(Error::failure(message).hint("is it the right file?"));
    }
    let most = length.max(MOST_UNTOLD);
    let mut bytes = Vec::with_capacity(length as usize);
    let file = File::open(path).map_err(cannot)?;
    file.take(most + 1)
        .read_to_end(&mut bytes)
        .map_err(cannot)?;
    match bytes.len() as u64 > most {
        false => Ok(bytes),
        true => {
            let message = format!("{}: expected a file that ends", path.display());
            Err(Error::failure(message).hint("is it the right file?"))
        }
    }
}

/// The text of the file `path`.
pub(crate) fn read_text(path: &Path) -> Result<String> {
    String::from_utf8(read(path)?).map_err(|_| {
        let cause = io::Error::new(io::ErrorKind::InvalidData, "it is not valid UTF-8");
        Error::file("cannot read", path, &cause)
    })
}

/// The name of what would have had this temporary name, if it is one.
pub(crate) fn of_temporary(name: &str) -> Option<&str> {
    name.strip_prefix('.')?.strip_suffix(".tmp")
}

/// Gives what is on the disk under a temporary name its final one, in the same folder.
pub(crate) fn rename(temporary: &Path, path: &Path) -> io::Result<()> {
    fs::rename(temporary, path)?;
    // The new name itself is on the disk only when the folder is; Windows has no such call.
    #[cfg(unix)]
    {
        let folder = path.parent().expect("a file has a folder");
        // The folder of `name` alone is the current one.
        let here = folder.as_os_str().is_empty();
        File::open(if here { Path::new(".") } else { folder })?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::asserts::has;

    #[test]
    fn a_file_larger_than_memory_is_refused_unread() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.safetensors");
        // Nothing but a length: it takes no room on the disk.
        File::create(&path).unwrap().set_len(1 << 43).unwrap();
        let error = read(&path).unwrap_err().to_string();
        has(&error, "weights.safetensors needs 8.80 TB of memory");
        fs::write(&path, b"whole").unwrap();
        assert_eq!(read(&path).unwrap(), b"whole");
        assert!(read(&folder.path().join("missing")).is_err());
    }

    #[test]
    fn parts_replace_the_earlier_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("result.json");
        write(&path, &[b"old and longer"]).unwrap();
        write(&path, &[b"ne", b"w"]).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    /// /dev/full answers every write with "no space left on device", whoever asks.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_leaves_the_earlier_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("result.json");
        write(&path, &[b"old"]).unwrap();
        std::os::unix::fs::symlink("/dev/full", folder.path().join(".result.json.tmp")).unwrap();
        let error = write(&path, &[b"new"]).unwrap_err().to_string();
        assert!(
            error.contains("cannot write") && error.contains("result.json: No space left"),
            "{error}"
        );
        assert!(error.contains("hint: free some space"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_missing_folder_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let error = write(&folder.path().join("gone/result.json"), &[b"new"])
            .unwrap_err()
            .to_string();
        assert!(error.contains("gone/result.json"), "{error}");
    }
}
