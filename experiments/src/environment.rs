//! What a run was computed with: environment.toml, one entry for its start and one for every time it was resumed.
//! Nothing in it is read to compute anything.

use crate::config::read_toml;
use crate::error::Result;
use crate::whole_file;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;

/// The file, whose entries TOML writes as `[[start]]`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    start: Vec<Environment>,
}

/// One program on one machine.
#[derive(Serialize, Deserialize, Clone, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Environment {
    /// Steps that the run had behind it.
    from_step: usize,
    seed: u64,
    threads: usize,
    /// Of the source that the program was built from; "-dirty" if it had been changed since.
    git_commit: String,
    rustc: String,
    engine: String,
    matrixmultiply: String,
    /// Whether the project's own product takes its place on machines with AVX-512 (a cargo feature).
    #[serde(default)]
    avx512_product: bool,
    cpu: String,
    /// Those that the kernels choose by.
    cpu_features: Vec<String>,
}

impl Environment {
    /// This program on this machine.
    pub(crate) fn current(from_step: usize, seed: u64, threads: usize) -> Self {
        Self {
            from_step,
            seed,
            threads,
            git_commit: env!("BUILT_FROM").into(),
            rustc: env!("BUILT_BY").into(),
            engine: env!("CARGO_PKG_VERSION").into(), // One version for the whole workspace.
            matrixmultiply: env!("BUILT_WITH_MATRIXMULTIPLY").into(),
            avx512_product: cfg!(feature = "avx512"),
            cpu: cpu(),
            cpu_features: cpu_features(),
        }
    }

    /// Writes the record of a run that starts.
    pub(crate) fn write(self, path: &Path) -> Result<()> {
        write(path, &File { start: vec![self] })
    }

    /// Adds to the record of a run that is resumed. True if the run began with another program or kind of CPU: then
    /// its bits may differ from those of an uninterrupted run.
    pub(crate) fn append(self, path: &Path) -> Result<bool> {
        let mut file: File = read_toml(path)?;
        let same_bits = |e: &Environment| {
            (
                e.git_commit.clone(),
                e.rustc.clone(),
                e.avx512_product,
                e.cpu.clone(),
                e.cpu_features.clone(),
            )
        };
        let differs = file
            .start
            .iter()
            .any(|earlier| same_bits(earlier) != same_bits(&self));
        file.start.push(self);
        write(path, &file)?;
        Ok(differs)
    }
}

fn write(path: &Path, file: &File) -> Result<()> {
    let text = toml::to_string(file).expect("numbers that TOML can hold, and strings");
    whole_file::write(path, &[text.as_bytes()])
}

/// The model of the CPU where the system tells it, else its architecture.
fn cpu() -> String {
    let described = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = described
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    model
        .map_or(std::env::consts::ARCH, |(_, name)| name)
        .to_string()
}

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
fn cpu_features() -> Vec<String> {
    let all = [
        ("avx2", is_x86_feature_detected!("avx2")),
        ("fma", is_x86_feature_detected!("fma")),
        ("avx512f", is_x86_feature_detected!("avx512f")),
    ];
    all.iter()
        .filter(|(_, found)| *found)
        .map(|(name, _)| name.to_string())
        .collect()
}

#[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
fn cpu_features() -> Vec<String> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_start_is_recorded_and_a_change_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("environment.toml");
        Environment::current(0, 42, 2).write(&path).unwrap();
        assert!(!Environment::current(10, 42, 1).append(&path).unwrap());
        let elsewhere = Environment {
            cpu: "another".into(),
            ..Environment::current(20, 42, 1)
        };
        assert!(elsewhere.append(&path).unwrap());
        let file: File = read_toml(&path).unwrap();
        let starts: Vec<_> = file
            .start
            .iter()
            .map(|e| (e.from_step, e.threads))
            .collect();
        assert_eq!(starts, [(0, 2), (10, 1), (20, 1)]);
    }

    #[test]
    fn the_build_is_known() {
        let here = Environment::current(0, 42, 2);
        assert!(here.rustc.starts_with("rustc 1."), "{}", here.rustc);
        assert!(
            here.matrixmultiply.starts_with("0."),
            "{}",
            here.matrixmultiply
        );
        assert!(!here.cpu.is_empty() && !here.git_commit.is_empty());
    }
}
