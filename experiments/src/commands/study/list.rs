//! The runs below the folders that were named. The page knows a run by its name in this list, and a name is only ever
//! looked up in it: no path is made of what a question says.

use super::asked::Refusal;
use crate::run::measured::Evaluation;
use crate::run::outcome::Outcome;
use crate::settings::config::Config;
use crate::show::record::{Dev, Line, Step};
use datasets::shown;
use serde::Serialize;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Folders of folders of runs are looked into so far.
const DEPTH: usize = 3;
/// Bytes at the end of metrics.jsonl in which the latest lines are looked for.
const TAIL: u64 = 1 << 18;
/// A run whose metrics have grown within this time is under way, whoever may hold the file.
const LATELY: Duration = Duration::from_secs(15);
/// The same where the system does not tell who holds a file.
const LATELY_UNKNOWN: Duration = Duration::from_secs(120);

/// The folders that may hold runs.
pub(super) struct Runs {
    folders: Vec<PathBuf>,
}

/// A folder that is one of a run, or was.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) name: String,
    pub(super) folder: PathBuf,
    /// Whether the folder that it is in may be read, too: not that of a run that was named itself.
    pub(super) is_below: bool,
}

/// Whether a run is under way.
#[derive(Serialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// Some process adds to it.
    Running,
    /// It has a result.
    Ended,
    /// Neither.
    Stopped,
}

/// A line of the list.
#[derive(Serialize)]
pub(super) struct Listed {
    name: String,
    state: State,
    /// What is wrong with its folder, if anything is; then only the name is known.
    broken: Option<String>,
    #[serde(flatten)]
    of: Option<Summary>,
}

/// What a run is of and how far it has come.
#[derive(Serialize)]
pub(super) struct Summary {
    task: &'static str,
    attn: String,
    seed: u64,
    features: usize,
    /// That were done, and that it is to do.
    pub(super) done: usize,
    steps: usize,
    /// Of the latest step.
    loss: Option<f64>,
    /// The latest evaluation on dev.
    pub(super) dev: Option<Evaluation>,
    pub(super) test: Option<Evaluation>,
}

impl Runs {
    pub(super) fn new(folders: Vec<PathBuf>) -> Self {
        Runs { folders }
    }

    /// What there is now, by name.
    pub(super) fn all(&self) -> Vec<Found> {
        let mut found = Vec::new();
        for folder in &self.folders {
            add(folder, DEPTH, false, &mut found);
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found.dedup_by(|a, b| a.name == b.name);
        found
    }

    /// The run of a name.
    pub(super) fn find(&self, name: &str) -> Result<Found, Refusal> {
        let found = self.all().into_iter().find(|found| found.name == name);
        found.ok_or_else(|| {
            Refusal::missing(format!(
                "{}: there is no such run in the list",
                shown::name(name)
            ))
        })
    }

    /// All of them.
    pub(super) fn list(&self) -> Vec<Listed> {
        self.all().into_iter().map(Listed::of).collect()
    }
}

fn add(folder: &Path, depth: usize, is_below: bool, all: &mut Vec<Found>) {
    let has = |name| folder.join(name).is_file();
    if ["config.toml", "metrics.jsonl", "result.json"]
        .into_iter()
        .any(has)
    {
        all.push(Found {
            name: shown::name(folder).replace('\\', "/"),
            folder: folder.to_path_buf(),
            is_below,
        });
        return;
    }
    // What cannot be listed holds no runs that could be read.
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if depth > 0 && !hidden && entry.path().is_dir() {
            add(&entry.path(), depth - 1, true, all);
        }
    }
}

impl Listed {
    fn of(found: Found) -> Self {
        let state = State::of(&found.folder);
        let folder = &found.folder;
        let config = Config::of_run(folder).map_err(Refusal::from);
        let read = config.and_then(|config| Summary::of(&config, folder));
        let (of, broken) = match read {
            Ok(summary) => (Some(summary), None),
            Err(refused) => (None, Some(refused.sentence)),
        };
        Listed {
            name: found.name,
            state,
            broken,
            of,
        }
    }
}

impl Summary {
    /// Of the run with this configuration in `folder`.
    pub(super) fn of(config: &Config, folder: &Path) -> Result<Self, Refusal> {
        let outcome = Outcome::read(folder)?;
        let (step, dev) = latest(&folder.join("metrics.jsonl"));
        Ok(Summary {
            task: config.task.name(),
            attn: config.attn.clone(),
            seed: config.seed,
            features: config.features,
            done: match (&step, &outcome) {
                (Some(step), _) => step.step,
                (None, Some(outcome)) => outcome.steps,
                (None, None) => 0,
            },
            steps: config.steps,
            loss: step.map(|step| step.loss),
            dev: dev.map(|dev| dev.dev),
            test: outcome.map(|outcome| outcome.test),
        })
    }
}

/// So many bytes at the end of a file.
pub(super) fn tail(path: &Path, most: u64) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let from = file.metadata()?.len().saturating_sub(most);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The last whole lines of a step and of an evaluation, as far as they are near the end.
fn latest(path: &Path) -> (Option<Step>, Option<Dev>) {
    let bytes = tail(path, TAIL).unwrap_or_default();
    let end = bytes.iter().rposition(|&byte| byte == b'\n').unwrap_or(0);
    let (mut step, mut dev) = (None, None);
    for line in bytes[..end].rsplit(|&byte| byte == b'\n') {
        match serde_json::from_slice::<Line>(line) {
            Ok(read) if read.is_dev() && dev.is_none() => dev = serde_json::from_slice(line).ok(),
            Ok(read) if !read.is_dev() && step.is_none() => {
                step = serde_json::from_slice(line).ok();
            }
            _ => {}
        }
        if step.is_some() && dev.is_some() {
            break;
        }
    }
    (step, dev)
}

impl State {
    /// Of the run in `folder`.
    pub(super) fn of(folder: &Path) -> Self {
        if folder.join("result.json").is_file() {
            return State::Ended;
        }
        let Ok(metrics) = fs::metadata(folder.join("metrics.jsonl")) else {
            return State::Stopped;
        };
        let age = metrics.modified().ok().and_then(|at| at.elapsed().ok());
        let within = |time| age.is_some_and(|age| age < time);
        let is_running = match is_locked(&metrics) {
            Some(locked) => locked || within(LATELY),
            None => within(LATELY_UNKNOWN),
        };
        match is_running {
            true => State::Running,
            false => State::Stopped,
        }
    }
}

/// Whether a process holds a lock on the file, as that of a run does; none where the system does not tell. To try the lock
/// would be in the way of a run that begins at that moment.
#[cfg(target_os = "linux")]
fn is_locked(file: &fs::Metadata) -> Option<bool> {
    use std::os::unix::fs::MetadataExt;
    let locks = fs::read_to_string("/proc/locks").ok()?;
    let inode = format!(":{}", file.ino());
    let mut fields = locks.lines().flat_map(str::split_whitespace);
    Some(fields.any(|field| field.ends_with(&inode)))
}

#[cfg(not(target_os = "linux"))]
fn is_locked(_: &fs::Metadata) -> Option<bool> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_looked_up_and_never_joined() {
        let folder = tempfile::tempdir().unwrap();
        let (runs, beside) = (folder.path().join("runs"), folder.path().join("beside"));
        for run in [runs.join("grid/a"), runs.join("b"), beside.clone()] {
            fs::create_dir_all(&run).unwrap();
            fs::write(run.join("config.toml"), "").unwrap();
        }
        let known = Runs::new(vec![runs.clone()]);
        let names: Vec<String> = known.all().into_iter().map(|found| found.name).collect();
        let name = |tail: &str| format!("{}/{tail}", shown::name(&runs));
        assert_eq!(names, [name("b"), name("grid/a")]);
        assert!(known.find(&name("b")).is_ok());
        for wrong in [
            name("../beside"),
            name("b/../../beside"),
            name("b/"),
            shown::name(&beside),
            "../beside".into(),
            String::new(),
        ] {
            let refused = known.find(&wrong).unwrap_err();
            assert!(refused.is_missing, "{wrong}");
        }
    }

    #[test]
    fn a_file_that_is_locked_is_one_of_a_run_under_way() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let file = File::create(&path).unwrap();
        let age = std::time::SystemTime::now() - 2 * LATELY_UNKNOWN;
        file.set_modified(age).unwrap();
        assert_eq!(State::of(folder.path()), State::Stopped);
        file.try_lock().unwrap();
        if cfg!(target_os = "linux") && Path::new("/proc/locks").exists() {
            assert_eq!(State::of(folder.path()), State::Running);
        }
        fs::write(folder.path().join("result.json"), "{}").unwrap();
        assert_eq!(State::of(folder.path()), State::Ended);
    }
}
