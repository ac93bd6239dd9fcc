//! Members of a `.tar.gz` into a folder: those that a manifest names, under their own names, and
//! nothing else. Called by [`get`](super::get()).
//!
//! What an archive says is not trusted: only plain files are taken, no link; the path of a member
//! is matched by its last names against patterns, and is written where the pattern says, so that no
//! member can lead out of the folder; sizes and numbers have bounds. Which forms of archives are
//! read, `datasets::archive` says. The folder is whole when all members are in it and gzip's
//! checksum has been reached; else it is removed.

use super::gauge::Gauge;
use super::manifest::{Set, is_plain};
use super::remove;
use crate::terminal::error::{Error, Result};
use datasets::archive::{self, Member};
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

/// An archive that unpacks to more than so many times its size is refused.
const EXPANSION: u64 = 64;
/// The most members that are written; Pathfinder has 200,200.
const MEMBERS: usize = 1_000_000;

/// What has come of it. But for `Whole`, there is no folder.
pub(super) enum Unpacked {
    Whole,
    Stopped,
    /// The archive cannot be read to its end, and why.
    Damaged(String),
}

/// Why it has failed.
enum Fault {
    /// See [`Unpacked::Damaged`].
    Damaged(io::Error),
    /// What is in the archive is not as expected, or the disk refused.
    Other(Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Fault::Other(error)
    }
}

/// Unpacks what `set` names of an archive, open and at `path`, as `folder`, in place of what an
/// earlier call has left there.
pub(super) fn unpack(
    archive: &File,
    path: &Path,
    set: &Set,
    folder: &Path,
    stop: &dyn Fn() -> bool,
) -> Result<Unpacked> {
    remove(folder)?;
    fs::create_dir(folder).map_err(|cause| Error::file("cannot create", folder, &cause))?;
    let Err(fault) = members(archive, path, set, folder, stop) else {
        return Ok(Unpacked::Whole);
    };
    remove(folder)?;
    match fault {
        _ if stop() => Ok(Unpacked::Stopped),
        Fault::Damaged(cause) => Ok(Unpacked::Damaged(cause.to_string())),
        Fault::Other(error) => Err(error),
    }
}

fn members(
    file: &File,
    path: &Path,
    set: &Set,
    folder: &Path,
    stop: &dyn Fn() -> bool,
) -> std::result::Result<(), Fault> {
    let failed = |reason: String| {
        // It keeps its name: another task may find in it what it needs.
        let hint = "remove the file to get it again, from another place if need be (--mirror URL)";
        Error::failure(format!("cannot unpack {}: {reason}", path.display())).hint(hint)
    };
    let unreadable = |cause: io::Error| Error::file("cannot read", path, &cause);
    let bytes = file.metadata().map_err(unreadable)?.len();
    let watched = Watched {
        file,
        gauge: Gauge::new(format!("unpacking {}", set.archive), Some(bytes)),
        read: 0,
        stop,
    };
    let unpacked = archive::unzipped(BufReader::with_capacity(1 << 16, watched));
    // One byte more than is allowed, to tell an archive that is too large from one that ends there.
    let limit = bytes.saturating_mul(EXPANSION).saturating_add(1 << 20);
    let patterns: Vec<Vec<&str>> = set
        .files
        .iter()
        .map(|file| {
            [
                &[set.place.as_str()][..],
                &file.split('/').collect::<Vec<_>>(),
            ]
            .concat()
        })
        .collect();
    let mut found = vec![0usize; patterns.len()];
    let mut room = set.unpacked_bytes.saturating_mul(2);
    let broken = |_, cause: io::Error| match cause.kind() {
        io::ErrorKind::Unsupported => Fault::Other(failed(cause.to_string())),
        _ => Fault::Damaged(cause),
    };
    let take = |mut file: Member<'_>| {
        let name = String::from_utf8_lossy(file.path).into_owned();
        let Some((pattern, steps)) = member(&patterns, &name).filter(|_| !file.is_link) else {
            return Ok(());
        };
        found[pattern] += 1;
        room = room
            .checked_sub(file.size)
            .filter(|_| found.iter().sum::<usize>() <= MEMBERS)
            .ok_or_else(|| failed(format!("there is far more in it than expected ({name})")))?;
        let target: PathBuf = folder.join(steps.join("/"));
        let inner = target.parent().expect("a file in the folder");
        fs::create_dir_all(inner).map_err(|cause| Error::file("cannot create", inner, &cause))?;
        let mut out = File::create_new(&target).map_err(|cause| match cause.kind() {
            io::ErrorKind::AlreadyExists => failed(format!("{name} is in it twice")),
            _ => Error::file("cannot write", &target, &cause),
        })?;
        copy(&mut file.contents, &mut out, &target)
    };
    let mut rest = archive::members(unpacked.take(limit), broken, take)?;
    if let Some(missing) = found.iter().position(|&count| count == 0) {
        let pattern = patterns[missing].join("/");
        return Err(failed(format!("there is no {pattern} in it")).into());
    }
    // What follows the last member; at its end, gzip compares its checksum.
    io::copy(&mut rest, &mut io::sink()).map_err(Fault::Damaged)?;
    match rest.limit() {
        0 => Err(failed(format!("it holds more than {limit} bytes")).into()),
        _ => Ok(()),
    }
}

/// Copies one member; what goes wrong is the archive's fault, or the disk's.
fn copy(entry: &mut impl Read, out: &mut File, target: &Path) -> std::result::Result<(), Fault> {
    let mut bytes = [0; 1 << 16];
    loop {
        let count = entry.read(&mut bytes).map_err(Fault::Damaged)?;
        if count == 0 {
            return Ok(());
        }
        io::Write::write_all(out, &bytes[..count])
            .map_err(|cause| Error::file("cannot write", target, &cause))?;
    }
}

/// The pattern in which the last names of a member's path end, and its path below the set's folder.
fn member<'a>(patterns: &[Vec<&str>], path: &'a str) -> Option<(usize, Vec<&'a str>)> {
    let steps: Vec<&str> = path.split('/').filter(|step| *step != ".").collect();
    if path.starts_with('/') || steps.contains(&"..") {
        return None;
    }
    let fits = |pattern: &Vec<&str>| {
        steps.len() >= pattern.len() && {
            let last = &steps[steps.len() - pattern.len()..];
            last.iter()
                .zip(pattern)
                .all(|(step, name)| is_plain(step) && fits(step, name))
        }
    };
    let pattern = patterns.iter().position(fits)?;
    let below = steps.len() + 1 - patterns[pattern].len();
    Some((pattern, steps[below..].to_vec()))
}

/// Whether a name is that of the pattern, in which one `*` is any text.
fn fits(name: &str, pattern: &str) -> bool {
    match pattern.split_once('*') {
        None => name == pattern,
        Some((start, end)) => {
            name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end)
        }
    }
}

/// The archive as it is read: shown, and ended by an error when somebody asks to stop.
struct Watched<'a> {
    file: &'a File,
    gauge: Gauge,
    read: u64,
    stop: &'a dyn Fn() -> bool,
}

impl Read for Watched<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if (self.stop)() {
            return Err(io::Error::other("stopped"));
        }
        let count = self.file.read(bytes)?;
        self.read += count as u64;
        self.gauge.set(self.read);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_by_their_last_names_and_never_outside() {
        let patterns = [vec!["set", "a", "*.txt"], vec!["set", "b.tsv"]];
        let found = |path| member(&patterns, path).map(|(i, steps)| (i, steps.join("/")));
        assert_eq!(found("set/a/1.txt"), Some((0, "a/1.txt".to_string())));
        assert_eq!(
            found("./x/set/set/a/1.txt"),
            Some((0, "a/1.txt".to_string()))
        );
        assert_eq!(found("release/set/b.tsv"), Some((1, "b.tsv".to_string())));
        for path in [
            "set/a/b/1.txt",
            "set/a/1.text",
            "set/a/.hidden.txt",
            "set/a/x\\y.txt",
            "set/a/c:.txt",
            "a/1.txt",
            "/set/a/1.txt",
            "../set/a/1.txt",
            "set/../set/b.tsv",
            "b.tsv",
            "",
        ] {
            assert_eq!(found(path), None, "{path}");
        }
    }

    #[test]
    fn a_star_is_any_text() {
        assert!(fits("1.txt", "*.txt") && fits(".txt", "*.txt") && fits("ab", "a*b"));
        assert!(!fits("a", "a*a") && !fits("1.tx", "*.txt") && !fits("b.tsv", "b"));
    }
}
