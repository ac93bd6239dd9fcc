//! The code of the program as a hash: what decides its numbers beside settings, data and CPU. Called by build.rs, which
//! compiles this file as well, before there is a crate.

use sha2::{Digest, Sha256};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The crates that the program is made of.
pub(crate) const CRATES: [&str; 6] = [
    "engine",
    "ops",
    "models",
    "datasets",
    "experiments/answer",
    "experiments",
];

/// The first 16 digits of the SHA-256 of the sources of all crates and of Cargo.lock, in the workspace at `root`. Tests
/// beside the sources, benchmarks and texts do not count, nor do line endings and the place of the workspace; git is
/// not asked, so that an archive of the sources has the same.
pub(crate) fn hash(root: &Path) -> io::Result<String> {
    let mut files = vec![PathBuf::from("Cargo.lock")];
    for name in CRATES {
        add(root, &Path::new(name).join("src"), &mut files)?;
    }
    // By their names as the hash has them, whatever the separator of folders is here.
    let mut named: Vec<(String, PathBuf)> = files
        .into_iter()
        .map(|file| (file.to_string_lossy().replace('\\', "/"), file))
        .collect();
    named.sort();
    let mut hash = Sha256::new();
    for (name, file) in named {
        let text = fs::read(root.join(file))?;
        // Lines may end as git checks them out on Windows.
        let lines: Vec<&[u8]> = text
            .split(|&byte| byte == b'\n')
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
            .collect();
        hash.update(format!("{name}\n{}\n", lines.len()));
        for line in lines {
            hash.update(line);
            hash.update(b"\n");
        }
    }
    let digits = hash.finalize();
    Ok(digits[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

/// The files in `folder` and below, as paths from `root` on; hidden ones are an editor's.
fn add(root: &Path, folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            add(root, &path, files)?;
        } else if !entry.file_name().to_string_lossy().starts_with('.') {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A workspace of small files.
    fn workspace(line_end: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text.replace('\n', line_end)).unwrap();
        };
        write("Cargo.lock", "version = 4\n");
        for name in CRATES {
            write(&format!("{name}/src/lib.rs"), "mod a;\n\nmod b;\n");
            write(&format!("{name}/src/a/b.rs"), "const A: usize = 1;\n");
        }
        folder
    }

    #[test]
    fn the_hash_is_of_sources_and_of_nothing_else() {
        let folder = workspace("\n");
        let first = hash(folder.path()).unwrap();
        assert_eq!(first.len(), 16);
        assert_eq!(hash(workspace("\n").path()).unwrap(), first);
        assert_eq!(hash(workspace("\r\n").path()).unwrap(), first);
        for text in [
            "README.md",
            "docs/curves.md",
            "ops/tests/main.rs",
            "ops/benches/kernels.rs",
        ] {
            let path = folder.path().join(text);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "more").unwrap();
        }
        assert_eq!(hash(folder.path()).unwrap(), first);
        let mut seen = vec![first];
        for source in ["Cargo.lock", "ops/src/a/b.rs", "models/src/new.rs"] {
            fs::write(folder.path().join(source), "other").unwrap();
            let other = hash(folder.path()).unwrap();
            assert!(!seen.contains(&other), "{source}");
            seen.push(other);
        }
        // Nor is it the same what stands in which file.
        let [one, two] =
            ["lib.rs", "a/b.rs"].map(|name| folder.path().join("engine/src").join(name));
        let [text, other] = [&one, &two].map(|path| fs::read(path).unwrap());
        fs::write(one, other).unwrap();
        fs::write(two, text).unwrap();
        assert!(!seen.contains(&hash(folder.path()).unwrap()));
        fs::remove_file(folder.path().join("Cargo.lock")).unwrap();
        assert!(hash(folder.path()).is_err());
    }

    #[test]
    fn all_crates_of_the_workspace_count() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let workspace = fs::read_to_string(root.join("Cargo.toml")).unwrap();
        let workspace: toml::Table = workspace.parse().unwrap();
        let members: Vec<&str> = workspace["workspace"]["members"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(toml::Value::as_str)
            // For a browser: no part of the program.
            .filter(|member| !["models/wasm", "experiments/answer/module"].contains(member))
            .collect();
        assert_eq!(members, CRATES);
    }
}
