//! A run is a folder: config.toml, environment.toml, metrics.jsonl, timings.jsonl, checkpoints, result.json.
//!
//! metrics.jsonl holds no clock and no machine, so that equal runs have equal files, whatever the number of threads
//! and interruptions; what the clock says goes to timings.jsonl. Lines are appended as they come; every other file is
//! whole under its name. A folder that exists is never written to unasked.
//!
//! A run begins with all it needs to go on, on the disk before any of it has its name. So one that takes the place of
//! another, in the folder of that, which may be a link, a mount point or in a folder that nobody may write to, removes
//! nothing before it is known that the new files can be there.

use crate::files::whole_file::{self, Pending};
use crate::run::checkpoint;
use crate::run::environment::{Computer, Environment, Took};
use crate::run::events;
use crate::run::measured::Timing;
use crate::settings::config::Config;
use crate::terminal::error::{Error, MISSING, Result};
use crate::terminal::output::tell;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// An open run; no other process has it open.
pub struct Run {
    folder: PathBuf,
    metrics: Lines,
    timings: Lines,
    /// The metrics whose place these took. Whoever has opened them before must not find them free.
    _replaced: Option<Lines>,
}

impl Run {
    /// Begins a run in a folder of its own, with `first`, the state before its first step: in `out`, which must not
    /// exist unless `overwrite`, else in the next free `runs/<task>-<attn>-s<seed>[-n]`, the one without a number if
    /// `overwrite`.
    ///
    /// Call it last before the first step: what can be wrong with data and method should be known before a folder is
    /// made or a run replaced. Whatever stops it, a signal that no process survives included, leaves the old run, the
    /// new one, or a folder that `overwrite` takes.
    pub fn create(
        config: &Config,
        out: Option<&Path>,
        overwrite: bool,
        threads: usize,
        first: &impl Serialize,
    ) -> Result<Self> {
        let wanted = wanted(config, out);
        if overwrite && wanted.is_dir() {
            let old = Replaced::find(&wanted)?;
            return Self::begin(&wanted, config, threads, first, old);
        }
        if let Some(parent) = wanted.parent() {
            fs::create_dir_all(parent)
                .map_err(|cause| Error::file("cannot create", parent, &cause))?;
        }
        let mut folder = wanted.clone();
        let mut number = 1;
        while let Err(cause) = fs::create_dir(&folder) {
            if cause.kind() != io::ErrorKind::AlreadyExists {
                return Err(Error::file("cannot create", &folder, &cause));
            }
            if overwrite {
                Replaced::find(&folder)?; // It says what is in the way.
            }
            if out.is_some() {
                return Err(exists(&folder));
            }
            number += 1;
            folder = format!("{}-{number}", wanted.display()).into();
        }
        Self::begin(&folder, config, threads, first, Replaced::default()).inspect_err(|_| {
            // It holds nothing but the beginnings of this run.
            let _ = fs::remove_dir_all(&folder);
        })
    }

    /// Refuses at once what [`Run::create`] will refuse, while reading data and building a model are
    /// still ahead.
    pub fn refuse_existing(config: &Config, out: Option<&Path>, overwrite: bool) -> Result<()> {
        match (out, overwrite) {
            (_, true) => Replaced::find(&wanted(config, out)).map(drop),
            (Some(folder), false) if folder.symlink_metadata().is_ok() => Err(exists(folder)),
            _ => Ok(()),
        }
    }

    fn begin(
        folder: &Path,
        config: &Config,
        threads: usize,
        first: &impl Serialize,
        old: Replaced,
    ) -> Result<Self> {
        let path = |name| folder.join(name);
        let settings = Pending::with(&path("config.toml"), &[config.to_toml().as_bytes()])?;
        let environment = Environment::current(0, config.seed, threads, config.product);
        let environment = environment.pending(&path("environment.toml"))?;
        let (pending_metrics, metrics) = Lines::pending(path("metrics.jsonl"))?;
        let (pending_timings, timings) = Lines::pending(path("timings.jsonl"))?;
        let checkpoint = checkpoint::pending(&checkpoint::numbered_path(folder, 0), 0, first)?;

        // All of it is on the disk. While there is an old run, it has its settings and lines; without its checkpoints,
        // nobody goes on with it, nor with the new one before that has its own.
        old.remove(folder)?;
        environment.place()?;
        pending_timings.place()?;
        pending_metrics.place()?;
        settings.place()?;
        checkpoint.place()?;
        Ok(Self {
            folder: folder.to_path_buf(),
            metrics,
            timings,
            _replaced: old.metrics,
        })
    }

    /// Continues the run in `folder` from its newest checkpoint: the run, its metrics cut back to there, the steps that
    /// are behind it, and what `accept` makes of the state that was saved; it also says whether an evaluation is due
    /// after the last of them, which then comes anew. Nothing is changed if that refuses it.
    pub fn resume<S: DeserializeOwned, A>(
        folder: &Path,
        config: &Config,
        threads: usize,
        accept: impl FnOnce(S) -> Result<(A, bool)>,
    ) -> Result<(Self, usize, A)> {
        let mut metrics = Lines::open(folder.join("metrics.jsonl"))?;
        let mut timings = Lines::open(folder.join("timings.jsonl"))?;
        let (step, state) = checkpoint::newest(folder)?;
        let (accepted, is_due) = accept(state)?;
        let kept = [metrics.up_to(step, is_due)?, timings.up_to(step, is_due)?];
        metrics.cut_back(kept[0])?;
        timings.cut_back(kept[1])?;
        // Whoever has left these was killed: no other process has the run open.
        for name in entries(folder)?.0 {
            if whole_file::of_temporary(&name).is_some() {
                let _ = fs::remove_file(folder.join(name)); // They are no use, nor harm.
            }
        }
        let here = Environment::current(step, config.seed, threads, config.product);
        let environment = here.append(&folder.join("environment.toml"));
        if environment.map_err(|error| error.hint_if(MISSING, LOST))? {
            tell(
                "note:   this run began with other code, another product or another kind of CPU (see environment.toml): \
                 its numbers may differ from those of an uninterrupted run",
            );
        }
        let run = Self {
            folder: folder.to_path_buf(),
            metrics,
            timings,
            _replaced: None,
        };
        Ok((run, step, accepted))
    }

    /// Where the run is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Appends a line to metrics.jsonl: `step`, the number of steps done, then the fields of `record`, in which the
    /// same seed must give the same numbers.
    pub fn log(&mut self, step: usize, record: &impl Serialize) -> Result<()> {
        self.metrics.push(step, record)
    }

    /// Appends a line to timings.jsonl: `step`, then the fields of `record`.
    pub fn log_timing(&mut self, step: usize, record: &impl Serialize) -> Result<()> {
        self.timings.push(step, record)
    }

    /// Writes the checkpoint from which the run can continue after `step`; the newest two are kept.
    pub fn save(&mut self, step: usize, state: &impl Serialize) -> Result<()> {
        // A checkpoint must not survive a loss of power that the lines before it do not.
        self.metrics.sync()?;
        self.timings.sync()?;
        checkpoint::save(&self.folder, step, state)
    }

    /// Writes a checkpoint that is kept for good, to go back to this step; nobody resumes from it.
    pub(crate) fn keep(&self, step: usize, state: &impl Serialize) -> Result<()> {
        checkpoint::write(&checkpoint::kept_path(&self.folder, step), step, state)
    }

    /// Writes best.bin, in place of an earlier one.
    pub fn save_best(&self, step: usize, state: &impl Serialize) -> Result<()> {
        checkpoint::write(&self.folder.join("best.bin"), step, state)
    }

    /// Step and state of best.bin.
    pub fn best<S: DeserializeOwned>(&self) -> Result<(usize, S)> {
        checkpoint::read(&self.folder.join("best.bin"))
    }

    /// Writes a file of the run, whole or not at all.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        whole_file::write(&self.folder.join(name), &[bytes])
    }

    /// What has computed the run so far.
    pub(crate) fn computed_by(&self) -> Result<Vec<Computer>> {
        Computer::of_starts(&self.folder.join("environment.toml"))
    }

    /// Writes what the steps took into environment.toml, then result.json, the end of a run.
    pub fn finish(&self, result: &impl Serialize) -> Result<()> {
        if let Some(took) = timings(&self.folder)?.as_deref().and_then(Took::of) {
            took.write(&self.folder.join("environment.toml"))?;
        }
        let mut text = serde_json::to_string_pretty(result)?;
        text.push('\n');
        whole_file::write(&self.folder.join("result.json"), &[text.as_bytes()])
    }
}

/// A line of metrics.jsonl or timings.jsonl, without its end: `step`, the number of steps done, then the fields of
/// `record`.
pub(crate) fn line(step: usize, record: &impl Serialize) -> Result<Vec<u8>> {
    #[derive(Serialize)]
    struct Line<'a, R> {
        step: usize,
        #[serde(flatten)]
        record: &'a R,
    }
    Ok(serde_json::to_vec(&Line { step, record })?)
}

/// The timings of the run in `folder`, a step each; none where the file is not there, as a run may be kept for its
/// numbers, without its clock.
pub(crate) fn timings(folder: &Path) -> Result<Option<Vec<Timing>>> {
    let path = folder.join("timings.jsonl");
    if !path.exists() {
        return Ok(None);
    }
    let text = whole_file::read_text(&path)?;
    let lines = text.lines().enumerate();
    let timings = lines.map(|(i, line)| {
        serde_json::from_str(line).map_err(|error| {
            let place = format!("{}:{}", path.display(), i + 1);
            Error::failure(format!("{place}: expected the seconds of a step: {error}"))
        })
    });
    timings.collect::<Result<_>>().map(Some)
}

/// What to do about a file of a run that is not there.
pub(crate) const LOST: &str =
    "the folder of the run has lost it: restore it, or start the run again";

/// Where a run is to be: `out`, or what its settings say.
fn wanted(config: &Config, out: Option<&Path>) -> PathBuf {
    let default = || {
        let (task, attn, seed) = (config.task.name(), &config.attn, config.seed);
        format!("runs/{task}-{attn}-s{seed}").into()
    };
    out.map_or_else(default, Path::to_path_buf)
}

fn exists(folder: &Path) -> Error {
    let message = format!(
        "{} exists: expected the name of a new folder",
        folder.display()
    );
    let has = |name| folder.join(name).is_file();
    let is_empty = || fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none());
    Error::usage(message).hint(match (has("config.toml"), has("result.json")) {
        (true, false) => "--overwrite replaces the run in it, --resume FOLDER continues it",
        (true, true) => "--overwrite replaces the run in it, which has ended",
        (false, _) if is_empty() => "--overwrite begins the run in it, as it is empty",
        (false, _) => "choose another --out",
    })
}

/// The files of a run that has no checkpoint yet, in the order in which they come.
const BEGINNINGS: [&str; 4] = [
    "config.toml",
    "environment.toml",
    "metrics.jsonl",
    "timings.jsonl",
];

/// The others that have one name; checkpoints and events have many.
const LATER: [&str; 9] = [
    "best.bin",
    "data.json",
    "not-finite.json",
    "not-finite.safetensors",
    "operators.json",
    "report.html",
    "result.json",
    "scores.safetensors",
    "weights.safetensors",
];

/// Whether a file of this name is one of a run, or what a killed process has left of one.
fn is_own(name: &str) -> bool {
    let name = whole_file::of_temporary(name).unwrap_or(name);
    BEGINNINGS.contains(&name)
        || LATER.contains(&name)
        || checkpoint::step_of(name).is_some()
        || checkpoint::kept_step_of(name).is_some()
        || name.starts_with(events::NAME)
}

/// Whether what a file holds is of a run, too, where other programs have files of that name; what a killed process has
/// left under a temporary name may be any part.
fn begins_like(folder: &Path, name: &str) -> bool {
    const ENOUGH: u64 = 4096;
    let mut bytes = Vec::new();
    let read = File::open(folder.join(name))
        .and_then(|file| file.take(ENOUGH).read_to_end(&mut bytes))
        .is_ok();
    let text = String::from_utf8_lossy(&bytes);
    let is_own = match name {
        "config.toml" => text.contains("task = \"") && text.contains("attn = \""),
        "environment.toml" => text.starts_with("[[start]]\n"),
        "metrics.jsonl" | "timings.jsonl" => text.starts_with("{\"step\":"),
        _ => return true,
    };
    read && (is_own || text.is_empty())
}

/// What is in `folder`: the names of a run's files, and the first of whatever else there is.
fn entries(folder: &Path) -> Result<(Vec<String>, Option<String>)> {
    let cannot_list = |cause| Error::file("cannot list", folder, &cause);
    let (mut own, mut foreign) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(folder).map_err(cannot_list)? {
        let entry = entry.map_err(cannot_list)?;
        let is_folder = entry.file_type().map_err(cannot_list)?.is_dir();
        match entry.file_name().into_string() {
            Ok(name) if is_own(&name) && !is_folder && begins_like(folder, &name) => own.push(name),
            Ok(name) => foreign.push(name),
            Err(name) => foreign.push(name.display().to_string()),
        }
    }
    own.sort();
    foreign.sort();
    Ok((own, foreign.into_iter().next()))
}

/// Whether a file of this name is one of a run without a checkpoint, or what a killed process has left of one.
fn is_beginning(name: &str) -> bool {
    BEGINNINGS.contains(&name) || whole_file::of_temporary(name).is_some()
}

/// The name of the first entry of `folder` that is no file of a run without a checkpoint: where there is none, a
/// process was killed before its first, or there is no folder.
pub(crate) fn beyond_beginnings(folder: &Path) -> Result<Option<String>> {
    if folder.symlink_metadata().is_err() {
        return Ok(None);
    }
    let (own, foreign) = entries(folder)?;
    Ok(foreign.or_else(|| own.into_iter().find(|name| !is_beginning(name))))
}

/// A run that a new one takes the place of.
#[derive(Default)]
struct Replaced {
    /// The files that go, in this order; the new run has all others.
    files: Vec<String>,
    /// Held, so that no process writes to them meanwhile.
    metrics: Option<Lines>,
}

impl Replaced {
    /// The run in `folder`, of which there may be nothing; anything else there, or beside its files, is refused.
    fn find(folder: &Path) -> Result<Self> {
        let no_run = |why: &str| {
            let message = format!(
                "cannot overwrite {}: it is not the folder of a run{why}",
                folder.display()
            );
            Error::usage(message).hint("choose another --out")
        };
        match fs::metadata(folder) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Err(no_run(", but a file")),
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
                return Err(Error::file("cannot look at", folder, &cause));
            }
            Err(_) if folder.is_symlink() => return Err(no_run(", but a link that leads nowhere")),
            Err(_) => return Ok(Self::default()),
        }
        let (mut files, foreign) = entries(folder)?;
        let has = |name: &str| files.iter().any(|file| file == name);
        let is_run = has("config.toml") && has("metrics.jsonl");
        let is_begun = foreign.is_none() && files.iter().all(|name| is_beginning(name));
        if !is_run && !is_begun {
            return Err(no_run(""));
        }
        if let Some(foreign) = foreign {
            let message = format!(
                "cannot overwrite {}: {foreign} is no file of the run in it",
                folder.display()
            );
            return Err(Error::usage(message).hint("move it away, or choose another --out"));
        }
        let metrics = match has("metrics.jsonl") {
            // Not under the feet of a process that is still writing to it.
            true => Some(Lines::with(
                OpenOptions::new().read(true),
                "cannot open",
                folder.join("metrics.jsonl"),
            )?),
            false => None,
        };
        // First what says that the run has ended; and it can go on for as long as what it goes on from is there.
        files.retain(|name| {
            let of = whole_file::of_temporary(name);
            !BEGINNINGS.contains(&of.unwrap_or(name)) && of != Some("checkpoint-0.bin")
        });
        files.sort_by_key(|name| match checkpoint::step_of(name) {
            _ if name == "result.json" => (0, 0),
            None if name != "best.bin" => (1, 0),
            None => (2, 0),
            Some(step) => (3, usize::MAX - step),
        });
        Ok(Self { files, metrics })
    }

    fn remove(&self, folder: &Path) -> Result<()> {
        for name in &self.files {
            let path = folder.join(name);
            fs::remove_file(&path).map_err(|cause| Error::file("cannot remove", &path, &cause))?;
        }
        Ok(())
    }
}

/// A file of JSON lines that each begin with the step they belong to. The handle holds a lock on the file.
struct Lines {
    path: PathBuf,
    file: File,
}

impl Lines {
    /// No lines, in a file that has yet to get its name.
    fn pending(path: PathBuf) -> Result<(Pending, Self)> {
        let mut options = OpenOptions::new();
        let options = options.append(true).create(true);
        let lines = Self::with(options, "cannot create", whole_file::temporary(&path))?;
        let pending = Pending::made(&path);
        lines.cut_back(0)?; // A killed process may have left it.
        Ok((pending, Self { path, ..lines }))
    }

    fn open(path: PathBuf) -> Result<Self> {
        let mut options = OpenOptions::new();
        Self::with(options.append(true).read(true), "cannot open", path)
            .map_err(|error| error.hint_if(MISSING, LOST))
    }

    fn with(options: &OpenOptions, doing: &str, path: PathBuf) -> Result<Self> {
        let file = options
            .open(&path)
            .map_err(|cause| Error::file(doing, &path, &cause))?;
        // File systems without locks exist; there the lock protects nobody and stops nobody.
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            let message = format!(
                "{} is in use: another process is running this run",
                path.display()
            );
            return Err(Error::usage(message).hint("wait until it has ended, or stop it"));
        }
        Ok(Self { path, file })
    }

    fn push(&mut self, step: usize, record: &impl Serialize) -> Result<()> {
        let mut line = line(step, record)?;
        line.push(b'\n');
        self.file
            .write_all(&line)
            .map_err(|cause| Error::file("cannot write", &self.path, &cause))
    }

    fn sync(&mut self) -> Result<()> {
        self.file
            .sync_data()
            .map_err(|cause| Error::file("cannot write", &self.path, &cause))
    }

    /// The length in bytes of the lines up to `step`: one for every step from the first on, those of its evaluation
    /// after it, but for one that `is_due` after `step`. What a killed process may have left of a last line is no line.
    fn up_to(&mut self, step: usize, is_due: bool) -> Result<u64> {
        #[derive(Deserialize)]
        struct Line {
            step: usize,
            dev: Option<IgnoredAny>,
        }
        let mut bytes = Vec::new();
        self.file
            .read_to_end(&mut bytes)
            .map_err(|cause| Error::file("cannot read", &self.path, &cause))?;
        let path = self.path.display();
        let altered = |message: String| {
            Error::failure(message).hint("the file was altered: restore it, or start again")
        };
        let (mut kept, mut last, mut number) = (0, 0, 1);
        for bytes in bytes.split_inclusive(|&byte| byte == b'\n') {
            if bytes.last() != Some(&b'\n') {
                break;
            }
            let line: Line = serde_json::from_slice(bytes).map_err(|error| {
                altered(format!(
                    "{path}:{number}: expected a line of JSON with its step: {error}"
                ))
            })?;
            if line.step > step || (line.step == step && is_due && line.dev.is_some()) {
                break;
            }
            let due = last + usize::from(line.dev.is_none());
            if line.step != due {
                let found = line.step;
                return Err(altered(format!(
                    "{path}:{number}: expected a line of step {due}, found one of step {found}"
                )));
            }
            (kept, last, number) = (kept + bytes.len(), line.step, number + 1);
        }
        if last < step {
            let due = last + 1;
            return Err(altered(format!(
                "{path}:{number}: expected the line of step {due}; the checkpoint is of step {step}"
            )));
        }
        Ok(kept as u64)
    }

    /// Removes what is after the first `length` bytes.
    fn cut_back(&self, length: u64) -> Result<()> {
        self.file
            .set_len(length)
            .map_err(|cause| Error::file("cannot write", &self.path, &cause))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::choices::{Budget, Task};
    use crate::terminal::asserts::has;

    #[derive(Serialize)]
    struct Loss {
        loss: f32,
    }

    fn config() -> Config {
        Task::Text.preset(Budget::Smoke)
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string();
        let mut names: Vec<String> = entries.map(|entry| name(entry).unwrap()).collect();
        names.sort();
        names
    }

    /// Nothing is due.
    fn accept(state: String) -> Result<(String, bool)> {
        Ok((state, false))
    }

    fn create(out: &Path, overwrite: bool) -> Result<Run> {
        Run::create(&config(), Some(out), overwrite, 2, &"0")
    }

    /// What a new run consists of.
    const NEW: [&str; 5] = [
        "checkpoint-0.bin",
        "config.toml",
        "environment.toml",
        "metrics.jsonl",
        "timings.jsonl",
    ];

    /// Steps up to `to` after `done`, a checkpoint every five.
    fn train(run: &mut Run, done: usize, to: usize) {
        for step in done + 1..=to {
            run.log(
                step,
                &Loss {
                    loss: 1.0 / step as f32,
                },
            )
            .unwrap();
            let timing = Timing {
                seconds: 0.5,
                tokens_per_second: Some(64.0),
                peak_mib: None,
            };
            run.log_timing(step, &timing).unwrap();
            if step % 5 == 0 {
                run.save(step, &step.to_string()).unwrap();
            }
        }
    }

    #[test]
    fn a_new_run_has_its_records_and_lines() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("runs/mine");
        let mut run = create(&out, false).unwrap();
        train(&mut run, 0, 12);
        run.save_best(10, &"ten").unwrap();
        assert_eq!(run.best::<String>().unwrap(), (10, "ten".to_string()));
        run.finish(&Loss { loss: 0.25 }).unwrap();
        assert_eq!(run.folder(), out);
        let expected = [
            "best.bin",
            "checkpoint-10.bin",
            "checkpoint-5.bin",
            "config.toml",
            "environment.toml",
            "metrics.jsonl",
            "result.json",
            "timings.jsonl",
        ];
        assert_eq!(names(&out), expected);
        let metrics = fs::read_to_string(out.join("metrics.jsonl")).unwrap();
        assert!(
            metrics.starts_with("{\"step\":1,\"loss\":1.0}\n{\"step\":2,\"loss\":0.5}\n"),
            "{metrics}"
        );
        assert_eq!(
            fs::read_to_string(out.join("result.json")).unwrap(),
            "{\n  \"loss\": 0.25\n}\n"
        );
    }

    #[test]
    fn an_interrupted_run_has_the_lines_of_an_uninterrupted_one() {
        let folder = tempfile::tempdir().unwrap();
        let (whole, halves) = (folder.path().join("whole"), folder.path().join("halves"));
        train(&mut create(&whole, false).unwrap(), 0, 12);
        for killed_after in [5, 8, 9] {
            let mut run = create(&halves, true).unwrap();
            train(&mut run, 0, killed_after);
            run.metrics.file.write_all(b"{\"step\":1").unwrap();
            drop(run);
            let (mut run, step, state) = Run::resume(&halves, &config(), 1, accept).unwrap();
            assert_eq!((step, state.as_str()), (5, "5"));
            train(&mut run, step, 12);
            for file in ["metrics.jsonl", "timings.jsonl", "checkpoint-10.bin"] {
                assert_eq!(
                    fs::read(whole.join(file)).unwrap(),
                    fs::read(halves.join(file)).unwrap(),
                    "{file}"
                );
            }
        }
    }

    #[test]
    fn an_existing_folder_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let error = |out: &Path, overwrite| create(out, overwrite).err().unwrap().to_string();
        fs::write(folder.path().join("thesis.tex"), "years of work").unwrap();
        assert!(error(folder.path(), false).contains("exists: expected the name of a new folder"));
        assert!(error(folder.path(), true).contains("it is not the folder of a run"));
        has(
            error(&folder.path().join("thesis.tex"), true),
            "it is not the folder of a run",
        );
        assert!(error(&folder.path().join("thesis.tex/run"), false).contains("cannot create"));
        assert!(error(Path::new(""), false).contains("cannot create"));
        assert_eq!(names(folder.path()), ["thesis.tex"]);
    }

    #[test]
    fn overwrite_leaves_nothing_of_the_old_run() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("mine");
        train(&mut create(&out, true).unwrap(), 0, 12);
        fs::write(out.join(".best.bin.tmp"), "half of it").unwrap();
        create(&out, true).unwrap();
        assert_eq!(names(&out), NEW);
        assert_eq!(fs::read(out.join("metrics.jsonl")).unwrap(), b"");
        let (_, step, state) = Run::resume(&out, &config(), 1, accept).unwrap();
        assert_eq!((step, state.as_str()), (0, "0"));
    }

    #[cfg(unix)]
    #[test]
    fn a_run_behind_a_link_is_replaced_there() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let [disk, link] = ["disk", "link"].map(|name| folder.path().join(name));
        symlink(&disk, &link).unwrap();
        let error = create(&link, true).err().unwrap().to_string();
        assert!(error.contains("a link that leads nowhere"), "{error}");
        // An empty folder will do; it is not removed on the way, which it may not be.
        fs::create_dir(&disk).unwrap();
        for steps in [12, 7] {
            train(&mut create(&link, true).unwrap(), 0, steps);
            assert!(link.is_symlink());
        }
        let expected = [&["checkpoint-0.bin", "checkpoint-5.bin"], &NEW[1..]].concat();
        assert_eq!(names(&disk), expected);
    }

    /// What is wrong with the new run: it has no state.
    struct Unwritable;

    impl Serialize for Unwritable {
        fn serialize<S: serde::Serializer>(&self, _: S) -> std::result::Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("no room"))
        }
    }

    #[test]
    fn a_run_that_cannot_begin_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("mine");
        let fail = || Run::create(&config(), Some(&out), true, 2, &Unwritable).err();
        assert!(fail().unwrap().to_string().contains("no room"));
        assert!(!out.exists());
        fs::create_dir(&out).unwrap();
        assert!(fail().is_some());
        assert!(names(&out).is_empty());
        train(&mut create(&out, true).unwrap(), 0, 12);
        let all = || {
            names(&out)
                .into_iter()
                .map(|name| (fs::read(out.join(&name)).unwrap(), name))
        };
        let before: Vec<_> = all().collect();
        assert!(fail().is_some());
        assert!(all().eq(before));
    }

    #[test]
    fn a_process_killed_while_it_replaces_a_run_leaves_what_can_be_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("mine");
        let old = || {
            let mut run = create(&out, true).unwrap();
            train(&mut run, 0, 12);
            run.save_best(10, &"10").unwrap();
            run.finish(&Loss { loss: 0.25 }).unwrap();
        };
        old();
        let files = Replaced::find(&out).unwrap().files;
        let expected = [
            "result.json",
            "best.bin",
            "checkpoint-10.bin",
            "checkpoint-5.bin",
        ];
        assert_eq!(files, expected);
        for gone in 0..=files.len() {
            old();
            for name in NEW {
                fs::write(out.join(format!(".{name}.tmp")), "").unwrap();
            }
            for name in &files[..gone] {
                fs::remove_file(out.join(name)).unwrap();
            }
            // The old run goes on where it has a checkpoint, and is not taken for ended.
            let resumed = Run::resume(&out, &config(), 2, accept);
            assert_eq!(resumed.is_ok(), gone < files.len());
            drop(resumed);
            create(&out, true).unwrap();
            assert_eq!(names(&out), NEW);
        }
        // The files of the new run come after that, the one that it goes on from last.
        old();
        for name in &files {
            fs::remove_file(out.join(name)).unwrap();
        }
        for name in [
            "environment.toml",
            "timings.jsonl",
            "metrics.jsonl",
            "config.toml",
        ] {
            fs::write(out.join(name), "").unwrap();
            assert!(Run::resume(&out, &config(), 2, accept).is_err());
            assert!(Replaced::find(&out).is_ok());
        }
        create(&out, true).unwrap();
        assert_eq!(names(&out), NEW);
    }

    #[test]
    fn overwrite_removes_no_file_that_is_not_the_run_s() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("mine");
        train(&mut create(&out, false).unwrap(), 0, 5);
        let before = names(&out);
        for foreign in [
            "notes.txt",
            "checkpoint-5.bin.old",
            ".notes.tmp",
            "zero.tmp",
        ] {
            fs::write(out.join(foreign), "mine").unwrap();
            let refused = create(&out, true).err().unwrap();
            let expected = format!("{foreign} is no file of the run in it");
            assert!(refused.to_string().contains(&expected), "{refused}");
            fs::remove_file(out.join(foreign)).unwrap();
            assert_eq!(names(&out), before);
        }
        for own in [
            "best.bin",
            "events.out.tfevents.1.0",
            ".checkpoint-10.bin.tmp",
            ".result.json.tmp",
        ] {
            fs::write(out.join(own), "").unwrap();
        }
        create(&out, true).unwrap();
        assert_eq!(names(&out), NEW);
        // Nor a folder, whatever its name is.
        fs::create_dir(out.join("report.html")).unwrap();
        let refused = create(&out, true).err().unwrap().to_string();
        has(&refused, "report.html is no file of the run");
    }

    #[test]
    fn what_a_killed_process_has_left_goes_when_the_run_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("mine");
        train(&mut create(&out, false).unwrap(), 0, 5);
        let before = names(&out);
        for left in [".checkpoint-10.bin.tmp", ".best.bin.tmp", ".mine.tmp"] {
            fs::write(out.join(left), "half of it").unwrap();
        }
        Run::resume(&out, &config(), 2, |_: String| {
            Err::<((), bool), _>(Error::failure("not that one"))
        })
        .err()
        .unwrap();
        assert_eq!(names(&out).len(), before.len() + 3);
        Run::resume(&out, &config(), 2, accept).unwrap();
        assert_eq!(
            names(&out),
            [&[".mine.tmp".to_string()], &before[..]].concat()
        );
    }

    #[test]
    fn a_run_that_was_killed_at_its_start_can_be_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("run");
        // In the order in which they get their names.
        let order = [
            "environment.toml",
            "timings.jsonl",
            "metrics.jsonl",
            "config.toml",
            "checkpoint-0.bin",
        ];
        for named in 0..=order.len() {
            create(&out, true).unwrap();
            for name in &order[named..] {
                let temporary = whole_file::temporary(&out.join(name));
                fs::rename(out.join(name), temporary).unwrap();
            }
            create(&out, true).unwrap();
            assert_eq!(names(&out), NEW);
        }
        // What has a file of somebody else is no run.
        fs::remove_file(out.join("metrics.jsonl")).unwrap();
        fs::write(out.join("thesis.tex"), "").unwrap();
        let refused = create(&out, true).err().unwrap();
        assert!(refused.to_string().contains("not the folder of a run"));
        assert!(out.join("thesis.tex").exists());
    }

    #[test]
    fn a_run_in_use_is_neither_resumed_nor_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("mine");
        let mut run = create(&out, false).unwrap();
        train(&mut run, 0, 5);
        let resumed = Run::resume(&out, &config(), 2, accept)
            .err()
            .unwrap()
            .to_string();
        assert!(resumed.contains("is in use"), "{resumed}");
        let overwritten = create(&out, true).err().unwrap().to_string();
        assert!(overwritten.contains("is in use"), "{overwritten}");
        drop(run);
        assert!(Run::resume(&out, &config(), 2, accept).is_ok());
    }

    #[test]
    fn altered_and_missing_lines_stop_a_resume_before_anything_is_cut() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("mine");
        train(&mut create(&out, false).unwrap(), 0, 5);
        let error = || {
            Run::resume(&out, &config(), 2, accept)
                .err()
                .unwrap()
                .to_string()
        };
        fs::write(out.join("metrics.jsonl"), "{\"step\":1}\nfive\n").unwrap();
        has(error(), "metrics.jsonl:2: expected a line of JSON");
        assert_eq!(
            fs::read(out.join("metrics.jsonl")).unwrap(),
            b"{\"step\":1}\nfive\n"
        );
        fs::remove_file(out.join("metrics.jsonl")).unwrap();
        assert!(error().contains("cannot open"), "{}", error());
    }

    #[test]
    fn lost_lines_stop_a_resume_before_anything_is_cut() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("mine");
        train(&mut create(&out, false).unwrap(), 0, 7);
        let read = |name: &str| fs::read_to_string(out.join(name)).unwrap();
        let whole = ["metrics.jsonl", "timings.jsonl"].map(read);
        let without = |text: &str, lost: &[usize]| -> String {
            let lines = text.split_inclusive('\n').enumerate();
            let kept = lines.filter(|(i, _)| !lost.contains(&(i + 1)));
            kept.map(|(_, line)| line).collect()
        };
        let wrong = |i: usize, lines: &str| {
            let names = ["metrics.jsonl", "timings.jsonl"];
            fs::write(out.join(names[i]), lines).unwrap();
            let before = names.map(read);
            let error = Run::resume(&out, &config(), 2, accept)
                .err()
                .unwrap()
                .to_string();
            assert_eq!(names.map(read), before, "{error}");
            fs::write(out.join(names[i]), &whole[i]).unwrap();
            error
        };
        for (i, name) in [(0, "metrics.jsonl"), (1, "timings.jsonl")] {
            for (lost, said) in [
                (
                    &[2, 3][..],
                    ":2: expected a line of step 2, found one of step 4",
                ),
                (&[1], ":1: expected a line of step 1, found one of step 2"),
                (
                    &[5],
                    ":5: expected the line of step 5; the checkpoint is of",
                ),
                (
                    &[4, 5, 6, 7],
                    ":4: expected the line of step 4; the checkpoint is of",
                ),
            ] {
                let error = wrong(i, &without(&whole[i], lost));
                assert!(error.contains(&format!("{name}{said}")), "{error}");
            }
        }
        let twice = whole[0].replacen("\"step\":3", "\"step\":2", 1);
        let error = wrong(0, &twice);
        assert!(error.contains(":3: expected a line of step 3, found one of step 2"));
        let elsewhere = whole[0].replacen("}\n", "}\n{\"step\":4,\"dev\":{}}\n", 1);
        let error = wrong(0, &elsewhere);
        assert!(error.contains(":2: expected a line of step 1, found one of step 4"));
        // An evaluation comes after its step.
        let evaluated = whole[0].replacen("}\n", "}\n{\"step\":1,\"dev\":{}}\n", 1);
        fs::write(out.join("metrics.jsonl"), &evaluated).unwrap();
        Run::resume(&out, &config(), 2, accept).unwrap();
        assert_eq!(read("metrics.jsonl"), without(&evaluated, &[7, 8]));
        // One that is due after the last step comes anew.
        for is_due in [false, true] {
            let evaluated =
                whole[0].replacen("{\"step\":6", "{\"step\":5,\"dev\":{}}\n{\"step\":6", 1);
            fs::write(out.join("metrics.jsonl"), &evaluated).unwrap();
            Run::resume(&out, &config(), 2, |state: String| Ok((state, is_due))).unwrap();
            let gone = if is_due { &[6, 7, 8][..] } else { &[7, 8] };
            assert_eq!(read("metrics.jsonl"), without(&evaluated, gone));
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_stops_the_lines() {
        let mut lines = Lines::open("/dev/full".into()).unwrap();
        let error = lines.push(1, &Loss { loss: 0.5 }).unwrap_err().to_string();
        has(&error, "cannot write /dev/full: No space left on device");
    }
}
