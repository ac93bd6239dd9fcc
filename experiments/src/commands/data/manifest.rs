//! Where the originals are and what of them is kept: `manifest.toml`, or another one in a test.

use crate::settings::choices::Task;
use crate::terminal::error::{Error, Result};
use serde::Deserialize;

/// What can be downloaded, and which tasks it serves.
#[derive(Deserialize, Clone, Debug)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Files as their publishers serve them.
    #[serde(rename = "archive")]
    pub archives: Vec<Archive>,
    /// The data of the tasks.
    #[serde(rename = "set")]
    pub sets: Vec<Set>,
}

/// A file as its publisher serves it.
#[derive(Deserialize, Clone, Debug)]
#[serde(deny_unknown_fields)]
pub struct Archive {
    /// Its name, here and there.
    pub file: String,
    /// Its published home.
    pub url: String,
    /// Its size, where that is published.
    pub bytes: Option<u64>,
    /// Its size, roughly, where no other is known.
    pub about_bytes: Option<u64>,
    /// Its MD5 in hexadecimal digits, where that is published.
    pub md5: Option<String>,
    /// Its SHA-256 in hexadecimal digits, where that is published.
    pub sha256: Option<String>,
}

/// The data of a task.
#[derive(Deserialize, Clone, Debug)]
#[serde(deny_unknown_fields)]
pub struct Set {
    /// Whose data these are.
    pub task: Task,
    /// The `file` of the archive in which they are.
    pub archive: String,
    /// Their file or folder, below the cache folder.
    pub place: String,
    /// The members of the archive that make up the folder: paths below `place`, in which `*` is any
    /// part of a name. If there are none, the archive itself is what the task reads.
    #[serde(default)]
    pub files: Vec<String>,
    /// Room for these, roughly.
    #[serde(default)]
    pub unpacked_bytes: u64,
}

impl Manifest {
    /// The published homes.
    pub fn published() -> Self {
        Self::parse(include_str!("../../../manifest.toml")).expect("the manifest of this program")
    }

    /// Reads a manifest.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self> {
        let manifest: Self = toml::from_str(text)?;
        for archive in &manifest.archives {
            archive.check().map_err(|e| e.at(&archive.file))?;
        }
        for set in &manifest.sets {
            let archive = manifest.archives.iter().find(|a| a.file == set.archive);
            let steps = |path: &str| path.split('/').all(is_plain);
            let files = set.files.iter();
            let error = if archive.is_none() {
                "there is no such archive"
            } else if !is_plain(&set.place) || !files.into_iter().all(|file| steps(file)) {
                "expected names without `..`, joined by `/`"
            } else if set.files.is_empty() && set.place != set.archive {
                "without files, the place is the archive"
            } else if set.files.is_empty() && !archive.is_some_and(Archive::has_checksum) {
                "without files, nothing but a checksum verifies the archive before it has its name"
            } else {
                continue;
            };
            return Err(Error::failure(error).at(&format!("{}: {}", set.task.name(), set.archive)));
        }
        Ok(manifest)
    }

    /// The data of `task` and the archive they are in, if there are any.
    pub fn of(&self, task: Task) -> Option<(&Set, &Archive)> {
        let set = self.sets.iter().find(|set| set.task == task)?;
        let archive = self.archives.iter().find(|a| a.file == set.archive)?;
        Some((set, archive))
    }
}

impl Archive {
    fn check(&self) -> Result<()> {
        let hex = |sum: &Option<String>, digits| {
            sum.as_ref().is_none_or(|sum| {
                sum.len() == digits && sum.bytes().all(|b| b"0123456789abcdef".contains(&b))
            })
        };
        if !is_plain(&self.file) {
            return Err(Error::failure("expected the name of a file"));
        }
        if self.bytes.is_some() == self.about_bytes.is_some() {
            return Err(Error::failure("expected bytes or about_bytes"));
        }
        if !hex(&self.md5, 32) || !hex(&self.sha256, 64) {
            return Err(Error::failure("expected 32 and 64 lower-case hex digits"));
        }
        Ok(())
    }

    /// Its size, or roughly its size.
    pub(super) fn size(&self) -> u64 {
        self.bytes.or(self.about_bytes).unwrap_or(0)
    }

    /// Whether one is published.
    pub(super) fn has_checksum(&self) -> bool {
        self.md5.is_some() || self.sha256.is_some()
    }

    /// Whether a file of so many bytes can be it, whatever is in it.
    pub(super) fn can_have(&self, bytes: u64) -> bool {
        match (self.bytes, self.about_bytes) {
            (Some(exact), _) => bytes == exact,
            (_, about) => {
                about.is_none_or(|about| (about / 2..=about.saturating_mul(2)).contains(&bytes))
            }
        }
    }
}

/// Whether this is a name of one file or folder on every system, and no hidden one.
pub(super) fn is_plain(name: &str) -> bool {
    let wrong = |c: char| c.is_control() || "/\\:".contains(c);
    !name.is_empty() && !name.starts_with('.') && !name.contains(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_has_published_data() {
        let manifest = Manifest::published();
        for task in Task::ALL {
            let (set, archive) = manifest.of(task).expect("a set of every task");
            assert!(archive.url.starts_with("https://") && archive.url.ends_with(&archive.file));
            assert!(set.files.is_empty() || set.unpacked_bytes > 0);
        }
    }

    #[test]
    fn a_manifest_that_leads_out_of_the_cache_is_refused() {
        let manifest = |file: &str, place: &str, member: &str| {
            Manifest::parse(&format!(
                "[[archive]]\nfile = '{file}'\nurl = 'http://x/a'\nbytes = 1\n\
                 [[set]]\ntask = 'text'\narchive = 'a'\nplace = '{place}'\nfiles = ['{member}']"
            ))
        };
        manifest("a", "folder", "b/*.txt").unwrap();
        for [file, place, member] in [
            ["../a", "folder", "b"],
            ["a", "..", "b"],
            ["a", "/tmp", "b"],
            ["a", "folder", "../b"],
            ["a", "folder", "/b"],
            ["other", "folder", "b"],
        ] {
            let refused = manifest(file, place, member);
            assert!(refused.is_err(), "{file} {place} {member}");
        }
    }

    #[test]
    fn an_archive_that_is_read_itself_has_a_checksum() {
        let manifest = |sum: &str| {
            Manifest::parse(&format!(
                "[[archive]]\nfile = 'a'\nurl = 'http://x/a'\nbytes = 1\n{sum}\n\
                 [[set]]\ntask = 'image'\narchive = 'a'\nplace = 'a'"
            ))
        };
        let sum = "0".repeat(32);
        manifest(&format!("md5 = '{sum}'")).unwrap();
        let error = manifest("").unwrap_err().to_string();
        assert!(error.contains("nothing but a checksum verifies"), "{error}");
    }

    #[test]
    fn a_size_is_exact_or_rough() {
        let manifest = Manifest::published();
        let (_, reviews) = manifest.of(Task::Text).unwrap();
        assert!(reviews.can_have(84_125_825) && !reviews.can_have(84_125_824));
        let (_, lra) = manifest.of(Task::ListOps).unwrap();
        assert!(lra.can_have(7_654_321_000) && !lra.can_have(7_654_321));
    }
}
