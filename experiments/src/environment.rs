//! What a run was computed with, and what that took: environment.toml, one entry for its start, one
//! for every time it was resumed, and one for its end. Nothing in it changes a number of a run; what
//! the steps took is read again for tables.

use crate::clock::a_second;
use crate::config::read_toml;
use crate::error::Result;
use crate::run::Timing;
use crate::statistics::median;
use crate::whole_file::Pending;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;

/// The file, whose entries TOML writes as `[[start]]`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    start: Vec<Environment>,
    /// Of a run that has ended.
    took: Option<Took>,
}

/// What the steps of a run took, over all its starts.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Took {
    /// Of all steps together, evaluations not counted.
    pub(crate) seconds: f64,
    /// Median.
    pub(crate) seconds_per_step: f64,
    /// Real tokens; none where the clock stood still.
    pub(crate) tokens_per_second: Option<f64>,
    /// The most memory that the process has held, in MiB, data included; where the system tells it.
    pub(crate) peak_mib: Option<f64>,
}

impl Took {
    /// From the steps; none if there are none.
    pub(crate) fn of(steps: &[Timing]) -> Option<Self> {
        let each: Vec<f64> = steps.iter().map(|step| step.seconds).collect();
        let seconds: f64 = each.iter().sum();
        let tokens = |step: &Timing| Some(step.seconds * step.tokens_per_second?);
        let tokens: f64 = steps.iter().filter_map(tokens).sum();
        Some(Self {
            seconds,
            seconds_per_step: median(&each)?,
            tokens_per_second: a_second(tokens, seconds),
            peak_mib: steps
                .iter()
                .filter_map(|step| step.peak_mib)
                .reduce(f64::max),
        })
    }

    /// Adds it to the record of a run.
    pub(crate) fn write(self, path: &Path) -> Result<()> {
        let file: File = read_toml(path)?;
        let took = Some(self);
        write(path, &File { took, ..file })
    }

    /// What the run with this record took, if it has ended and says so.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>> {
        Ok(read_toml::<File>(path)?.took)
    }
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
    /// Whether the project's own product takes its place on machines with AVX2 or AVX-512 (a cargo feature).
    #[serde(default, alias = "avx512_product")]
    small_gemm: bool,
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
            small_gemm: cfg!(feature = "small-gemm"),
            cpu: cpu(),
            cpu_features: cpu_features(),
        }
    }

    /// The record of a run that starts, which has yet to get its name.
    pub(crate) fn pending(self, path: &Path) -> Result<Pending> {
        let start = vec![self];
        pending(path, &File { start, took: None })
    }

    /// Adds to the record of a run that is resumed. True if the run began with another program or kind of CPU: then
    /// its bits may differ from those of an uninterrupted run.
    pub(crate) fn append(self, path: &Path) -> Result<bool> {
        let mut file: File = read_toml(path)?;
        // All but what differs between any two starts, and changes no bit.
        let build = |e: &Environment| Environment {
            from_step: 0,
            seed: 0,
            threads: 0,
            ..e.clone()
        };
        let here = build(&self);
        let differs = file.start.iter().any(|earlier| build(earlier) != here);
        file.start.push(self);
        write(path, &file)?;
        Ok(differs)
    }
}

/// The version of this program that began the run with this record, if it can be read.
pub(crate) fn begun_by(path: &Path) -> Option<String> {
    let file: File = read_toml(path).ok()?;
    let Environment {
        engine, git_commit, ..
    } = file.start.first()?;
    Some(format!("version {engine} (commit {git_commit})"))
}

fn write(path: &Path, file: &File) -> Result<()> {
    pending(path, file)?.place()
}

fn pending(path: &Path, file: &File) -> Result<Pending> {
    let text = toml::to_string(file).expect("numbers that TOML can hold, and strings");
    Pending::with(path, &[text.as_bytes()])
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
        let first = Environment::current(0, 42, 2).pending(&path);
        first.unwrap().place().unwrap();
        assert!(!Environment::current(10, 42, 1).append(&path).unwrap());
        let before = fs::read(&path).unwrap();
        for elsewhere in [
            Environment {
                matrixmultiply: "0.0.1".into(),
                ..Environment::current(20, 42, 1)
            },
            Environment {
                engine: "0.0.1".into(),
                ..Environment::current(20, 42, 1)
            },
            Environment {
                cpu: "another".into(),
                ..Environment::current(20, 42, 1)
            },
        ] {
            fs::write(&path, &before).unwrap();
            assert!(elsewhere.append(&path).unwrap());
        }
        let file: File = read_toml(&path).unwrap();
        let starts: Vec<_> = file
            .start
            .iter()
            .map(|e| (e.from_step, e.threads))
            .collect();
        assert_eq!(starts, [(0, 2), (10, 1), (20, 1)]);
    }

    #[test]
    fn what_the_steps_took_is_added_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("environment.toml");
        let first = Environment::current(0, 42, 2).pending(&path);
        first.unwrap().place().unwrap();
        let read = || Took::read(&path).unwrap();
        assert_eq!(read(), None);
        let timing = |seconds, tokens_per_second, peak_mib| Timing {
            seconds,
            tokens_per_second,
            peak_mib,
        };
        let steps = [
            timing(4.0, Some(100.0), Some(90.0)),
            timing(1.0, Some(100.0), Some(70.0)),
            timing(2.0, Some(450.0), None),
        ];
        let took = Took::of(&steps).unwrap();
        took.write(&path).unwrap();
        let expected = Took {
            seconds: 7.0,
            seconds_per_step: 2.0,
            tokens_per_second: Some(200.0),
            peak_mib: Some(90.0),
        };
        assert_eq!(read(), Some(expected));
        // The clock stood still, in one step and in all.
        let still = timing(0.0, None, Some(95.0));
        let took = Took::of(&[&steps[..], &[still]].concat()).unwrap();
        let expected = Took {
            peak_mib: Some(95.0),
            ..expected
        };
        assert_eq!(took, expected);
        let took = Took::of(&[still]).unwrap();
        assert_eq!((took.seconds, took.tokens_per_second), (0.0, None));
        took.write(&path).unwrap();
        assert_eq!(read(), Some(took));
        assert_eq!(Took::of(&[]), None);
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
