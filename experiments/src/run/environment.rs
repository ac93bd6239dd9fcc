//! What a run was computed with, and what that took: environment.toml, one entry for its start, one
//! for every time it was resumed, and one for its end. Nothing in it changes a number of a run; what
//! computed it, and what the steps took, is read again by whoever compares runs.

#[cfg(test)]
mod source;

use crate::files::read::read_toml;
use crate::files::whole_file::Pending;
use crate::machine::allocation;
use crate::machine::clock::a_second;
use crate::numbers::range;
use crate::numbers::statistics::median;
use crate::run::measured::Timing;
use crate::terminal::error::Result;
use crate::terminal::parse::distinct;
use engine::cpu::Product;
use serde::de::IgnoredAny;
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
    #[serde(deserialize_with = "range::amount")]
    pub(crate) seconds: f64,
    /// Median.
    #[serde(deserialize_with = "range::amount")]
    pub(crate) seconds_per_step: f64,
    /// Real tokens; none where the clock stood still.
    #[serde(default, deserialize_with = "range::amount_if_any")]
    pub(crate) tokens_per_second: Option<f64>,
    /// The most memory that the process has held, in MiB, data included; where the system tells it.
    #[serde(default, deserialize_with = "range::amount_if_any")]
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

const MATRIXMULTIPLY: &str = env!("BUILT_WITH_MATRIXMULTIPLY");

/// What is written for a fact that an older program did not keep, or that cannot be found out.
const UNKNOWN: &str = "unknown";

fn unknown() -> String {
    UNKNOWN.into()
}

/// What decides the bits of a run beside its settings and its data.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Computer {
    /// A hash of the program's sources and of Cargo.lock.
    pub(crate) code: String,
    /// Whose product of matrices: "fixed-order", or matrixmultiply with its version.
    pub(crate) product: String,
    /// The instructions that loops and products are computed with, such as "avx2".
    pub(crate) kernel: String,
}

impl Computer {
    /// This program on this machine, with this matrix product.
    pub(crate) fn here(product: Product) -> Self {
        Self {
            code: env!("BUILT_CODE").into(),
            product: match product {
                Product::Matrixmultiply => format!("{} {MATRIXMULTIPLY}", product.name()),
                Product::FixedOrder => product.name().into(),
            },
            kernel: product.instructions().into(),
        }
    }

    /// What computed the run with these records: that of result.json (none before its end), and environment.toml. They
    /// say the same unless a file was altered; then it is what either says. Of a run that is older than both records,
    /// all is unknown.
    pub(crate) fn of_run(result: Option<&[Self]>, environment: &Path) -> Result<Vec<Self>> {
        let mut all = result.unwrap_or_default().to_vec();
        if environment.exists() {
            all.extend(Self::of_starts(environment)?);
        }
        if all.is_empty() {
            all.push(Self {
                code: unknown(),
                product: unknown(),
                kernel: unknown(),
            });
        }
        Ok(distinct(all))
    }

    /// What computed the run with this environment.toml, in the order of its starts.
    pub(crate) fn of_starts(environment: &Path) -> Result<Vec<Self>> {
        let file: File = read_toml(environment)?;
        Ok(distinct(file.start.iter().map(Environment::computer)))
    }

    /// What it is by name, of a run that several may have computed.
    pub(crate) fn facts(all: &[Self]) -> [(&'static str, String); 3] {
        let fact = |of: fn(&Self) -> &String| {
            let values = distinct(all.iter().map(|one| of(one).as_str()));
            values.join(" + ")
        };
        [
            ("code", fact(|one| &one.code)),
            ("product", fact(|one| &one.product)),
            ("kernel path", fact(|one| &one.kernel)),
        ]
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
    /// Of older programs, a cargo feature.
    #[serde(default, alias = "avx512_product", skip_serializing)]
    small_gemm: IgnoredAny,
    /// This and the next two: see [`Computer`].
    #[serde(default = "unknown")]
    code: String,
    #[serde(default = "unknown")]
    product: String,
    #[serde(default = "unknown")]
    kernel: String,
    cpu: String,
    /// Those that the kernels choose by.
    cpu_features: Vec<String>,
    /// This and the job, where they are told; older programs did not ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    job: Option<String>,
}

impl Environment {
    /// This program on this machine.
    pub(crate) fn current(from_step: usize, seed: u64, threads: usize, product: Product) -> Self {
        let Computer {
            code,
            product,
            kernel,
        } = Computer::here(product);
        Self {
            from_step,
            seed,
            threads,
            git_commit: env!("BUILT_FROM").into(),
            rustc: env!("BUILT_BY").into(),
            engine: env!("CARGO_PKG_VERSION").into(), // One version for the whole workspace.
            matrixmultiply: MATRIXMULTIPLY.into(),
            small_gemm: IgnoredAny,
            code,
            product,
            kernel,
            cpu: cpu(),
            cpu_features: cpu_features(),
            host: allocation::host(),
            job: allocation::job(&allocation::variable),
        }
    }

    /// The record of a run that starts, which has yet to get its name.
    pub(crate) fn pending(self, path: &Path) -> Result<Pending> {
        let start = vec![self];
        pending(path, &File { start, took: None })
    }

    /// What this start computes with.
    fn computer(&self) -> Computer {
        Computer {
            code: self.code.clone(),
            product: self.product.clone(),
            kernel: self.kernel.clone(),
        }
    }

    /// Adds to the record of a run that is resumed. True if something else has computed a part of the run before: then
    /// its bits may differ from those of an uninterrupted run.
    pub(crate) fn append(self, path: &Path) -> Result<bool> {
        let mut file: File = read_toml(path)?;
        let here = self.computer();
        let differs = file.start.iter().any(|start| start.computer() != here);
        file.start.push(self);
        write(path, &file)?;
        Ok(differs)
    }
}

/// Where the run with this environment.toml was computed, by name, of a run of several starts all of it: what changes no
/// number, at least not by itself. All of it is unknown where there is no such file.
pub(crate) fn machines(path: &Path) -> Result<[(&'static str, String); 6]> {
    let starts = match path.exists() {
        true => read_toml::<File>(path)?.start,
        false => Vec::new(),
    };
    let fact = |of: fn(&Environment) -> String| match distinct(starts.iter().map(of)) {
        none if none.is_empty() => unknown(),
        values => values.join(" + "),
    };
    Ok([
        ("commit", fact(|start| start.git_commit.clone())),
        ("compiler", fact(|start| start.rustc.clone())),
        ("CPU", fact(|start| start.cpu.clone())),
        ("threads", fact(|start| start.threads.to_string())),
        ("host", fact(|start| told(&start.host))),
        ("job", fact(|start| told(&start.job))),
    ])
}

fn told(fact: &Option<String>) -> String {
    fact.clone().unwrap_or_else(unknown)
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

    fn current(from_step: usize, seed: u64, threads: usize) -> Environment {
        Environment::current(from_step, seed, threads, Product::Matrixmultiply)
    }

    #[test]
    fn every_start_is_recorded_and_a_change_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("environment.toml");
        let first = current(0, 42, 2).pending(&path);
        first.unwrap().place().unwrap();
        assert!(!current(10, 42, 1).append(&path).unwrap());
        let before = fs::read(&path).unwrap();
        let here = || current(20, 42, 1);
        // Another compiler or another CPU with the same instructions computes the same.
        let alike = Environment {
            rustc: "rustc 1.89.0".into(),
            git_commit: "1a2b3c-dirty".into(),
            cpu: "another".into(),
            ..here()
        };
        assert!(!alike.append(&path).unwrap());
        let other = || "other".to_string();
        for elsewhere in [
            Environment {
                code: other(),
                ..here()
            },
            Environment {
                product: other(),
                ..here()
            },
            Environment {
                kernel: other(),
                ..here()
            },
        ] {
            fs::write(&path, &before).unwrap();
            assert!(elsewhere.append(&path).unwrap());
            let computers = Computer::of_starts(&path).unwrap();
            assert_eq!(computers.len(), 2);
            assert_eq!(computers[0], Computer::here(Product::Matrixmultiply));
            let differing = Computer::facts(&computers)
                .into_iter()
                .filter(|(_, values)| values.ends_with(" + other"));
            assert_eq!(differing.count(), 1);
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
    fn what_computed_an_older_run_is_unknown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("environment.toml");
        let unknown = Computer {
            code: "unknown".into(),
            product: "unknown".into(),
            kernel: "unknown".into(),
        };
        let both = [unknown, Computer::here(Product::Matrixmultiply)];
        assert_eq!(Computer::of_run(None, &path).unwrap(), both[..1]);
        let older = "[[start]]\nfrom_step = 0\nseed = 1\nthreads = 2\ngit_commit = \"1a\"\nrustc = \"rustc\"\n\
                     engine = \"0.1.0\"\nmatrixmultiply = \"0.3.11\"\navx512_product = false\n\
                     cpu = \"a\"\ncpu_features = []\n";
        fs::write(&path, older).unwrap();
        assert_eq!(Computer::of_run(None, &path).unwrap(), both[..1]);
        // Resumed by this program, it is of both.
        assert!(current(9, 1, 2).append(&path).unwrap());
        assert_eq!(Computer::of_run(None, &path).unwrap(), both);
        assert_eq!(Computer::of_run(Some(&both[1..]), &path).unwrap().len(), 2);
    }

    #[test]
    fn what_the_steps_took_is_added_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("environment.toml");
        let first = current(0, 42, 2).pending(&path);
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
        let here = current(0, 42, 2);
        assert!(here.rustc.starts_with("rustc 1."), "{}", here.rustc);
        assert!(
            here.matrixmultiply.starts_with("0."),
            "{}",
            here.matrixmultiply
        );
        assert!(!here.cpu.is_empty() && !here.git_commit.is_empty());
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        assert_eq!(here.code, source::hash(&root).unwrap());
    }
}
