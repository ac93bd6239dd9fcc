//! Files that a command writes for a flag such as `--out`: never in place of what is not its own, unless `--overwrite`
//! says so.

use crate::files::whole_file;
use crate::terminal::error::{Error, Result};
use datasets::shown;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// A file that a flag such as `--out` names, for what a command has to say. It is looked at before all the work: what
/// is there stays unless the command has written it or `--overwrite` was given, and what cannot be written is refused.
pub(crate) struct OutFile(PathBuf);

/// How a command knows what it has written.
pub(crate) struct Own {
    /// What a file is not if it is another's: "no report".
    pub(crate) what: &'static str,
    /// By the beginning of the file.
    pub(crate) is: fn(&str) -> bool,
}

/// The name of a file, and how the command knows its own by the beginning.
pub(crate) type Known = (&'static str, fn(&str) -> bool);

/// Bytes by which files are recognised.
const BEGINNING: u64 = 4096;

impl OutFile {
    /// The file `path`; without `own`, nothing that is there is known to be the command's.
    pub(crate) fn new(path: &Path, overwrite: bool, own: Option<&Own>) -> Result<Self> {
        let shown = shown::name(path);
        let no_name = |what: &str| {
            let message = format!("{shown}{what}: expected the name of a file");
            Error::usage(message).hint("name another place")
        };
        if path.file_name().is_none() || path.as_os_str().as_encoded_bytes().ends_with(b"/") {
            return Err(no_name(""));
        }
        let mut place = path.to_path_buf();
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => return Err(no_name(" is a folder")),
            Ok(found) if !found.is_file() => return Err(no_name(" is no file")),
            Ok(_) => {
                let is_own = own.is_some_and(|own| begins(path, own.is));
                if !overwrite && !is_own {
                    let not = own.map_or(String::new(), |own| format!(" and is {}", own.what));
                    let message = format!("{shown} exists{not}: nothing was written");
                    return Err(Error::usage(message)
                        .hint("--overwrite replaces it; or name another place"));
                }
                // Behind a link, as a run is.
                if let Ok(behind) = path.canonicalize() {
                    place = behind;
                }
            }
            Err(_) if path.is_symlink() => return Err(no_name(" is a link that leads nowhere")),
            Err(_) => {} // If it cannot be written either, that is said.
        }
        // What is there may be left of a killed process, and is replaced when the time comes.
        let temporary = whole_file::temporary(&place);
        match OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&temporary)
        {
            Ok(_) => {
                let _ = fs::remove_file(&temporary); // It is empty.
                Ok(Self(place))
            }
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => Ok(Self(place)),
            Err(cause) => Err(Error::file("cannot write", path, &cause)),
        }
    }

    /// Files in the folder that `--out` names, which is made if need be, by their names and beginnings; none without it.
    pub(crate) fn all_in<const N: usize>(
        out: Option<&Path>,
        overwrite: bool,
        what: &'static str,
        files: [Known; N],
    ) -> Result<[Option<Self>; N]> {
        let Some(out) = out else {
            return Ok(files.map(|_| None));
        };
        fs::create_dir_all(out).map_err(|cause| Error::file("cannot make", out, &cause))?;
        let mut found = Vec::new();
        for (name, is) in files {
            let own = Own { what, is };
            found.push(Some(Self::new(&out.join(name), overwrite, Some(&own))?));
        }
        Ok(found.try_into().map_err(drop).expect("as many as files"))
    }

    /// Writes it, in place of an earlier one.
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<()> {
        whole_file::write(&self.0, &[bytes])
    }
}

/// Whether a file begins so; one that cannot be read does not.
fn begins(path: &Path, so: fn(&str) -> bool) -> bool {
    let mut beginning = Vec::new();
    let read = File::open(path).and_then(|file| file.take(BEGINNING).read_to_end(&mut beginning));
    read.is_ok() && so(&String::from_utf8_lossy(&beginning))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::asserts::has;

    const NOTES: Own = Own {
        what: "no notes",
        is: |text| text.starts_with("notes"),
    };

    #[test]
    fn only_what_is_the_command_s_own_is_replaced_unasked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        let open = |overwrite| OutFile::new(&path, overwrite, Some(&NOTES));
        open(false).unwrap().write(b"notes 1").unwrap();
        open(false).unwrap().write(b"notes 2").unwrap();
        let unknown = OutFile::new(&path, false, None).err().unwrap().to_string();
        has(&unknown, "a.txt exists: nothing was written");
        fs::write(&path, "a letter").unwrap();
        let refused = open(false).err().unwrap().to_string();
        has(&refused, "a.txt exists and is no notes: nothing");
        has(&refused, "hint: --overwrite replaces it");
        assert_eq!(fs::read(&path).unwrap(), b"a letter");
        open(true).unwrap().write(b"notes 3").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"notes 3");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_cannot_be_a_file_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| {
            let file = OutFile::new(&folder.path().join(name), true, Some(&NOTES));
            file.err().unwrap().to_string()
        };
        assert!(at("..").contains(": expected the name of a file"));
        assert!(at("new/").contains("new/: expected the name of a file"));
        assert!(at("missing/a.txt").contains("cannot write "));
        fs::create_dir(folder.path().join("b")).unwrap();
        assert!(at("b").contains("b is a folder: expected the name of a file"));
        assert!(at("b/").contains("b/: expected the name of a file"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn devices_stay_and_links_are_followed() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let open = |name| OutFile::new(&path(name), true, None);
        symlink("/dev/null", path("null")).unwrap();
        symlink(path("nothing"), path("lost")).unwrap();
        symlink(path("a.txt"), path("link")).unwrap();
        fs::write(path("a.txt"), "old").unwrap();
        for (name, why) in [
            ("null", "is no file"),
            ("lost", "is a link that leads nowhere"),
        ] {
            let refused = open(name).err().unwrap().to_string();
            assert!(refused.contains(why), "{refused}");
        }
        open("link").unwrap().write(b"new").unwrap();
        assert_eq!(fs::read(path("a.txt")).unwrap(), b"new");
        assert!(path("link").is_symlink());
    }
}
