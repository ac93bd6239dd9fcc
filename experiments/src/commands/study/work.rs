//! What takes time: the tape of an example at a step, norms over steps, a trained model judged again. What is told of a tape
//! is what `skein explain` prints, of the same function.

use super::asked::{Refusal, written};
use super::list::Found;
use super::tiles::Tiles;
use crate::commands::explain::{Scan, Steps, Studied, Subject, Which, arrive};
use crate::settings::choices::Task;
use crate::terminal::error::Result;
use crate::terminal::parse::threads;
use crate::train::replay::{Replay, Watch};
use datasets::Example;
use engine::{Note, Tape};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Steps of a scan at most.
const MOST_STEPS: usize = 500;
/// Letters of a text that are shown.
const LETTERS: usize = 2000;
/// Rows and columns of a picture.
const SIDE: usize = 32;

/// Some work, by which it is known again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Work {
    folder: PathBuf,
    /// When its config.toml was written: another run may take its place.
    of: Option<SystemTime>,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Tape {
        step: usize,
        which: Which,
    },
    Scan {
        first: usize,
        last: usize,
        which: Which,
    },
    Judge {
        split: Split,
        examples: usize,
        /// When its weights were written.
        weights: Option<SystemTime>,
    },
}

/// A part of the data.
#[derive(Deserialize, Serialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Split {
    Train,
    Dev,
    Test,
}

/// A tape is asked for, or a node of it with its numbers.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OfTape {
    pub(super) run: String,
    /// From 1, before it is taken.
    step: usize,
    /// The place in the batch, from 0.
    example: Option<usize>,
    /// Or the number in the train split.
    id: Option<usize>,
    pub(super) node: Option<usize>,
    #[serde(default)]
    pub(super) stop: bool,
}

/// Norms are asked for, of the steps from `first` to `last`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OfScan {
    pub(super) run: String,
    first: usize,
    last: usize,
    example: Option<usize>,
    id: Option<usize>,
    #[serde(default)]
    pub(super) stop: bool,
}

/// How a trained model judges its data is asked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OfJudge {
    pub(super) run: String,
    split: Split,
    /// So many, 0 for all.
    examples: usize,
    #[serde(default)]
    pub(super) stop: bool,
}

fn written_at(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|found| found.modified()).ok()
}

fn which(example: Option<usize>, id: Option<usize>) -> std::result::Result<Which, Refusal> {
    match (example, id) {
        (Some(_), Some(_)) => Err(Refusal::wrong("expected one of example and id, not both")),
        (_, Some(id)) => Ok(Which::Id(id)),
        (place, None) => Ok(Which::Place(place.unwrap_or(0))),
    }
}

impl Work {
    fn new(found: &Found, what: What) -> Self {
        Work {
            folder: found.folder.clone(),
            of: written_at(&found.folder.join("config.toml")),
            what,
        }
    }
}

impl OfTape {
    pub(super) fn work(&self, found: &Found) -> std::result::Result<Work, Refusal> {
        if self.step == 0 {
            return Err(Refusal::wrong("expected a step from 1"));
        }
        let (step, which) = (self.step, which(self.example, self.id)?);
        Ok(Work::new(found, What::Tape { step, which }))
    }
}

impl OfScan {
    pub(super) fn work(&self, found: &Found) -> std::result::Result<Work, Refusal> {
        let (first, last) = (self.first, self.last);
        if first == 0 || last < first || last - first >= MOST_STEPS {
            let sentence =
                format!("expected two steps from 1, at most {MOST_STEPS} with both ends");
            return Err(Refusal::wrong(sentence));
        }
        let which = which(self.example, self.id)?;
        Ok(Work::new(found, What::Scan { first, last, which }))
    }
}

impl OfJudge {
    pub(super) fn work(&self, found: &Found) -> std::result::Result<Work, Refusal> {
        let what = What::Judge {
            split: self.split,
            examples: self.examples,
            weights: written_at(&found.folder.join("best.bin")),
        };
        Ok(Work::new(found, what))
    }
}

/// What has come of some work.
pub(super) struct Done {
    came: Came,
    remarks: Vec<String>,
}

enum Came {
    Tape(Box<Held>),
    /// JSON that is told as it is.
    Told(serde_json::Value),
}

/// A tape with all its numbers.
struct Held {
    studied: Studied,
    notes: Vec<Note<f32>>,
    /// The numbers of the examples of its batch, and the steps that the run had taken.
    batch: Vec<usize>,
    taken: usize,
    shown: Vec<Shown>,
}

/// A document for people.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Shown {
    Text(String),
    Pixels(Vec<Vec<u8>>),
}

impl Shown {
    /// The documents of an example.
    pub(super) fn of(example: &Example, task: Task) -> Vec<Self> {
        let show = |document: &[u8]| match task.entry().has_pictures() {
            true => Shown::Pixels(document.chunks(SIDE).map(<[u8]>::to_vec).collect()),
            false => {
                let text = (task.entry().readable.1)(document);
                Shown::Text(text.chars().take(LETTERS).collect())
            }
        };
        let documents = example.documents.iter();
        documents.map(|document| show(document)).collect()
    }
}

impl Done {
    /// The same with what was remarked on the way.
    pub(super) fn with(self, remarks: Vec<String>) -> Self {
        Done { remarks, ..self }
    }

    pub(super) fn is_tape(&self) -> bool {
        matches!(self.came, Came::Tape(_))
    }

    /// The tape, or one node with its numbers.
    pub(super) fn tape(&self, node: Option<usize>) -> std::result::Result<String, Refusal> {
        #[derive(Serialize)]
        struct Tape<'a, W: Serialize> {
            state: &'static str,
            tape: &'a W,
            remarks: &'a [String],
            batch: &'a [usize],
            taken: usize,
            shown: &'a [Shown],
        }
        #[derive(Serialize)]
        struct Node<'a> {
            state: &'static str,
            node: usize,
            value: Tiles,
            gradient: Option<Tiles>,
            notes: Vec<(&'a str, Tiles)>,
        }
        let Came::Tape(held) = &self.came else {
            return Err(Refusal::wrong("this is no tape"));
        };
        let Some(number) = node else {
            return written(&Tape {
                state: "done",
                tape: &held.studied.whole,
                remarks: &self.remarks,
                batch: &held.batch,
                taken: held.taken,
                shown: &held.shown,
            });
        };
        let Some(value) = held.studied.values.get(number) else {
            let last = held.studied.values.len() - 1;
            return Err(Refusal::missing(format!(
                "expected a node from 0 to {last}"
            )));
        };
        let gradient = held.studied.gradients.all()[number].as_ref();
        let notes = held.notes.iter().filter(|note| note.node == number);
        written(&Node {
            state: "done",
            node: number,
            value: Tiles::of(value, value.rows()),
            gradient: gradient.map(|gradient| Tiles::of(gradient, value.rows())),
            notes: notes
                .map(|note| (&*note.name, Tiles::of(&note.value, note.value.rows())))
                .collect(),
        })
    }

    /// Norms over steps.
    pub(super) fn scan(&self) -> std::result::Result<String, Refusal> {
        self.told("scan")
    }

    /// What a trained model has made of its data.
    pub(super) fn judged(&self) -> std::result::Result<String, Refusal> {
        self.told("judged")
    }

    fn told(&self, name: &str) -> std::result::Result<String, Refusal> {
        let Came::Told(value) = &self.came else {
            return Err(Refusal::wrong("this is a tape"));
        };
        let remarks = &self.remarks;
        written(&serde_json::json!({ "state": "done", name: value, "remarks": remarks }))
    }
}

/// Whoever does the work. The last replay stays where it was, so that the next question about its run is near.
#[derive(Default)]
pub(super) struct Worker {
    last: Option<(PathBuf, Option<SystemTime>, Replay)>,
}

impl Worker {
    pub(super) fn work(&mut self, work: &Work, watch: &mut dyn Watch) -> Result<Done> {
        let came = match &work.what {
            What::Tape { step, which } => {
                let mut replay = self.replay(work, *step - 1, watch)?;
                let arrival = match arrive(&mut replay, *step, *which, watch) {
                    Ok(arrival) => arrival,
                    Err(error) => {
                        self.keep(work, replay);
                        return Err(error);
                    }
                };
                let batch = arrival.batch.clone();
                let taken = replay.taken();
                let example = &replay.trainer.data().train.examples[arrival.example()];
                let shown = Shown::of(example, replay.config.task);
                let subject = Subject::of_run(replay, arrival);
                let tape = Tape::keeping();
                let studied = Studied::of(&subject, &tape);
                let notes = tape.noted();
                if let Some(replay) = subject.into_replay() {
                    self.keep(work, replay);
                }
                Came::Tape(Box::new(Held {
                    studied,
                    notes,
                    batch,
                    taken,
                    shown,
                }))
            }
            What::Scan { first, last, which } => {
                let mut replay = self.replay(work, *first - 1, watch)?;
                let (first, last) = (*first, *last);
                let scan = Scan::of(&mut replay, Steps { first, last }, *which, watch);
                self.keep(work, replay);
                Came::Told(serde_json::to_value(scan?)?)
            }
            What::Judge {
                split, examples, ..
            } => {
                self.last = None; // It has its own model and data, and memory is for one.
                let judged = super::judge::judge(&work.folder, *split, *examples, watch)?;
                Came::Told(serde_json::to_value(judged)?)
            }
        };
        Ok(Done {
            came,
            remarks: Vec::new(),
        })
    }

    /// The replay of a run, which may be the last one.
    fn replay(&mut self, work: &Work, done: usize, watch: &mut dyn Watch) -> Result<Replay> {
        match self.last.take() {
            Some((folder, of, replay)) if (&folder, of) == (&work.folder, work.of) => Ok(replay),
            other => {
                drop(other); // Before there is another.
                Replay::open(&work.folder, done, threads(None), watch)
            }
        }
    }

    fn keep(&mut self, work: &Work, replay: Replay) {
        self.last = Some((work.folder.clone(), work.of, replay));
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The tape of a step of a run.
    pub(in crate::commands::study) fn some(folder: &str, step: usize) -> Work {
        let which = Which::Place(0);
        Work {
            folder: folder.into(),
            of: None,
            what: What::Tape { step, which },
        }
    }

    #[test]
    fn questions_have_limits() {
        let found = Found {
            name: "run".into(),
            folder: "run".into(),
            is_below: false,
        };
        let tape = |text: &str| {
            let asked: OfTape = serde_json::from_str(text).unwrap();
            asked.work(&found).map_err(|refused| refused.sentence)
        };
        assert!(tape(r#"{"run": "run", "step": 1}"#).is_ok());
        let refused = tape(r#"{"run": "run", "step": 0}"#).unwrap_err();
        assert_eq!(refused, "expected a step from 1");
        assert!(tape(r#"{"run": "run", "step": 1, "example": 0, "id": 0}"#).is_err());
        let scan = |first, last| {
            let run = String::new();
            let (example, id, stop) = (None, None, false);
            let asked = OfScan {
                run,
                first,
                last,
                example,
                id,
                stop,
            };
            asked.work(&found).is_ok()
        };
        assert!(scan(1, 1) && scan(1000, 1499));
        assert!(!scan(0, 1) && !scan(2, 1) && !scan(1, 501) && !scan(1, usize::MAX));
    }
}
