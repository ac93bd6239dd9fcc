//! What several of these tests need: published sets where they are at hand, and what says that data are the same.

use datasets::Dataset;
use sha2::{Digest, Sha256};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Unpacks `archive` of `../../shared/data`, seen from this crate, and returns the folder that it holds. Where it is
/// missing, says so to the terminal itself (what a passing test prints by the macros is not shown) and returns `None`.
pub(crate) fn unpacked(archive: &str, folder: &str) -> Option<(TempDir, PathBuf)> {
    let skip = |reason: &str, archive: &Path| {
        let _ = writeln!(std::io::stderr(), "SKIPPED {folder}: {reason} {archive:?}");
    };
    let archive = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../shared/data")
        .join(archive);
    if !archive.is_file() {
        skip("there is no", &archive);
        return None;
    }
    let root = tempfile::tempdir().unwrap();
    let mut tar = Command::new("tar");
    tar.arg("xf").arg(&archive).arg("-C").arg(root.path());
    if !tar.status().is_ok_and(|status| status.success()) {
        skip("tar cannot unpack", &archive);
        return None;
    }
    let path = root.path().join(folder);
    Some((root, path))
}

/// SHA-256 over labels and documents of all splits, with `end` behind every document.
pub(crate) fn fingerprint(dataset: &Dataset, end: &[u8]) -> String {
    let mut hash = Sha256::new();
    for split in [&dataset.train, &dataset.dev, &dataset.test] {
        for example in &split.examples {
            hash.update([example.label as u8]);
            for document in &example.documents {
                hash.update(document);
                hash.update(end);
            }
        }
    }
    hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

/// Whether these words stand in a text; if not, shows it.
#[track_caller]
pub(crate) fn has(text: impl AsRef<str>, words: impl AsRef<str>) {
    let (text, words) = (text.as_ref(), words.as_ref());
    assert!(text.contains(words), "no {words:?} in\n{text}");
}
