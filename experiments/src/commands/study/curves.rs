//! The curves of a run: what metrics.jsonl has of a range of steps, thinned out to what a screen can show. A file that
//! grows is read on from where it was left, so that a page can ask every second.

use super::asked::{Refusal, written};
use super::list::{Found, State};
use crate::show::record::{Dev, Lines, Step};
use crate::terminal::error::{Error, MISSING};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Points of a curve at most; of longer ones the means, and the least and the largest, of half as many parts.
const MOST: usize = 2000;
/// Files that are remembered: the runs of a grid are asked for together.
const FILES: usize = 64;

/// What is asked: the steps from `from` to `to`, or those after `since` as they are.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    pub(super) run: String,
    from: Option<usize>,
    to: Option<usize>,
    since: Option<usize>,
}

/// A point: a step and a number.
type Point = (usize, f64);
/// A step, and the least and the largest number of those before it that it stands for.
type Part = (usize, f64, f64);

/// A curve.
#[derive(Serialize)]
struct Curve {
    name: &'static str,
    /// Every number, or the means of every few steps at the last of them.
    points: Vec<Point>,
    /// Then the least and the largest of these steps, at the same places.
    band: Option<Vec<Part>>,
}

/// The answer.
#[derive(Serialize)]
struct Told {
    state: State,
    /// Steps and evaluations that there are.
    done: usize,
    evaluations: usize,
    /// Whether there are more new steps than are sent so: then the range is to be asked for.
    too_many: bool,
    curves: Vec<Curve>,
    /// Norms of the gradients of layers, at evaluations.
    layers: Vec<Layer>,
}

#[derive(Serialize)]
struct Layer {
    name: String,
    gradient: Vec<Point>,
    parameters: Vec<Point>,
}

/// A metrics.jsonl as far as it was read.
#[derive(Default)]
pub(super) struct Growing {
    /// Where its last whole line ends, and that line: if another stands there now, it is another file.
    end: u64,
    last: Vec<u8>,
    lines: Lines,
    pub(super) steps: Vec<Step>,
    pub(super) evaluations: Vec<(usize, Dev)>,
}

/// What was read of several files, the latest last.
#[derive(Default)]
pub(super) struct Curves(Mutex<(HashMap<PathBuf, Growing>, Vec<PathBuf>)>);

impl Curves {
    /// The answer about a run, as JSON.
    pub(super) fn answer(&self, found: &Found, asked: &Asked) -> Result<String, Refusal> {
        let state = State::of(&found.folder);
        written(&self.read(&found.folder, |file| file.told(state, asked))?)
    }

    /// What `take` makes of the lines of the run in `folder` so far.
    pub(super) fn read<T>(
        &self,
        folder: &Path,
        take: impl FnOnce(&Growing) -> T,
    ) -> Result<T, Refusal> {
        let path = folder.join("metrics.jsonl");
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (files, order) = &mut *known;
        let mut file = files.remove(&path).unwrap_or_default();
        order.retain(|other| *other != path);
        file.read_on(&path)?; // What has failed is read anew next time.
        let taken = take(&file);
        order.push(path.clone());
        files.insert(path, file);
        if order.len() > FILES {
            let oldest = order.remove(0);
            files.remove(&oldest);
        }
        Ok(taken)
    }
}

impl Growing {
    /// Reads what has come since.
    fn read_on(&mut self, path: &Path) -> Result<(), Error> {
        let cannot = |cause: io::Error| {
            let error = Error::file("cannot read", path, &cause);
            error.hint_if(MISSING, "the run has no numbers yet, or has lost them")
        };
        let mut file = File::open(path).map_err(cannot)?;
        let mut rest = |from: u64| -> io::Result<Vec<u8>> {
            let mut bytes = Vec::new();
            file.seek(SeekFrom::Start(from))?;
            file.read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let last = self.end - self.last.len() as u64;
        let mut bytes = rest(last).map_err(cannot)?;
        if bytes.starts_with(&self.last) {
            bytes.drain(..self.last.len());
        } else {
            // Cut back, or another run in its place.
            *self = Growing::default();
            bytes = rest(0).map_err(cannot)?;
        }
        let whole = bytes.iter().rposition(|&byte| byte == b'\n');
        let whole = &bytes[..whole.map_or(0, |end| end + 1)];
        if whole.is_empty() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(whole);
        let (steps, evaluations) = (&mut self.steps, &mut self.evaluations);
        self.lines.take(path, &text, |line, text| {
            match line.is_dev() {
                true => evaluations.push((line.step, serde_json::from_str(text)?)),
                false => steps.push(serde_json::from_str(text)?),
            }
            Ok(())
        })?;
        let line = whole[..whole.len() - 1]
            .iter()
            .rposition(|&byte| byte == b'\n');
        self.last = whole[line.map_or(0, |end| end + 1)..].to_vec();
        self.end += whole.len() as u64;
        Ok(())
    }

    fn told(&self, state: State, asked: &Asked) -> Told {
        let done = self.steps.len();
        let from = asked
            .since
            .map(|since| since.saturating_add(1))
            .or(asked.from)
            .unwrap_or(1)
            .max(1);
        let to = asked
            .to
            .filter(|_| asked.since.is_none())
            .unwrap_or(usize::MAX);
        // Steps have no gaps.
        let range = (from - 1).min(done)..to.min(done).max((from - 1).min(done));
        let steps = &self.steps[range];
        let too_many = asked.since.is_some() && steps.len() > MOST;
        let steps = if too_many { &[] } else { steps };
        let is_within = |step: usize| from <= step && step <= to && !too_many;
        let evaluations = || self.evaluations.iter().filter(|(step, _)| is_within(*step));
        let of_steps = |name, of: fn(&Step) -> f64| {
            let all: Vec<Point> = steps.iter().map(|step| (step.step, of(step))).collect();
            let (points, band) = thin(&all);
            Curve { name, points, band }
        };
        let of_dev = |name, of: fn(&Dev) -> f64| {
            let all: Vec<Point> = evaluations().map(|(step, dev)| (*step, of(dev))).collect();
            let (points, band) = thin(&all);
            Curve { name, points, band }
        };
        let mut layers: Vec<Layer> = Vec::new();
        for (step, dev) in evaluations() {
            for norms in &dev.norms {
                let place = layers.iter().position(|layer| layer.name == norms.layer);
                let place = place.unwrap_or_else(|| {
                    layers.push(Layer {
                        name: norms.layer.clone(),
                        gradient: Vec::new(),
                        parameters: Vec::new(),
                    });
                    layers.len() - 1
                });
                layers[place].gradient.push((*step, norms.gradient));
                layers[place].parameters.push((*step, norms.parameters));
            }
        }
        for layer in &mut layers {
            for points in [&mut layer.gradient, &mut layer.parameters] {
                *points = thin(points).0;
            }
        }
        Told {
            state,
            done,
            evaluations: self.evaluations.len(),
            too_many,
            curves: vec![
                of_steps("loss", |step| step.loss),
                of_dev("dev loss", |dev| dev.dev.loss),
                of_steps("accuracy", |step| step.accuracy),
                of_dev("dev accuracy", |dev| dev.dev.accuracy),
                of_steps("gradient norm", |step| step.gradient_norm),
                of_steps("learning rate", |step| step.learning_rate),
            ],
            layers,
        }
    }
}

/// What is drawn of so many points: of every few of them the mean, and the least and the largest, so that no peak is lost.
fn thin(points: &[Point]) -> (Vec<Point>, Option<Vec<Part>>) {
    let all = points.len();
    if all <= MOST {
        return (points.to_vec(), None);
    }
    let parts = MOST / 2;
    let part = |i: usize| &points[i * all / parts..(i + 1) * all / parts];
    let told = (0..parts).map(part).map(|part| {
        let values = part.iter().map(|point| point.1);
        let last = part[part.len() - 1].0;
        let mean = values.clone().sum::<f64>() / part.len() as f64;
        let least = values.clone().fold(f64::INFINITY, f64::min);
        let largest = values.fold(f64::NEG_INFINITY, f64::max);
        ((last, mean), (last, least, largest))
    });
    let (means, band) = told.unzip();
    (means, Some(band))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write;

    fn line(step: usize, loss: f64) -> String {
        let rest = "\"accuracy\":0.5,\"learning_rate\":0.001,\"gradient_norm\":1.5,\"tokens\":8";
        format!("{{\"step\":{step},\"loss\":{loss},{rest}}}\n")
    }

    #[test]
    fn thinning_keeps_every_peak_and_the_mean() {
        let mut points: Vec<Point> = (1..=50_000).map(|step| (step, 1.0)).collect();
        points[31_415].1 = 9.0;
        points[27_182].1 = -3.0;
        let (means, band) = thin(&points);
        let band = band.unwrap();
        assert_eq!(
            (means.len(), band.len(), means[999].0),
            (MOST / 2, MOST / 2, 50_000)
        );
        assert_eq!(band.iter().map(|part| part.2).fold(0.0, f64::max), 9.0);
        assert_eq!(band.iter().map(|part| part.1).fold(0.0, f64::min), -3.0);
        let peak = band.iter().find(|part| part.2 == 9.0).unwrap().0;
        assert!((31_416..31_466).contains(&peak), "{peak}");
        let sum: f64 = means.iter().map(|mean| mean.1 * 50.0).sum();
        assert!((sum - (50_000.0 + 8.0 - 4.0)).abs() < 1e-6, "{sum}");
        let few = &points[..MOST];
        assert_eq!(thin(few), (few.to_vec(), None));
    }

    #[test]
    fn a_file_that_grows_is_read_on_and_half_a_line_waits() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let mut file = File::create(&path).unwrap();
        let mut growing = Growing::default();
        growing.read_on(&path).unwrap();
        assert_eq!(growing.steps.len(), 0);
        let (first, second) = (line(1, 0.5), line(2, 0.25));
        file.write_all(first.as_bytes()).unwrap();
        file.write_all(&second.as_bytes()[..20]).unwrap();
        growing.read_on(&path).unwrap();
        assert_eq!(growing.steps.len(), 1);
        file.write_all(&second.as_bytes()[20..]).unwrap();
        growing.read_on(&path).unwrap();
        growing.read_on(&path).unwrap();
        let losses: Vec<f64> = growing.steps.iter().map(|step| step.loss).collect();
        assert_eq!(losses, [0.5, 0.25]);
        // A run that was resumed from an earlier step, and one in its place.
        fs::write(&path, line(1, 0.5)).unwrap();
        growing.read_on(&path).unwrap();
        assert_eq!(growing.steps.len(), 1);
        fs::write(&path, line(1, 0.75) + &line(2, 0.5) + &line(3, 0.5)).unwrap();
        growing.read_on(&path).unwrap();
        let losses: Vec<f64> = growing.steps.iter().map(|step| step.loss).collect();
        assert_eq!(losses, [0.75, 0.5, 0.5]);
        // What is no line is said with its place.
        fs::write(&path, line(1, 0.75) + &line(2, 0.5) + &line(3, 0.5) + "x\n").unwrap();
        let said = growing.read_on(&path).unwrap_err().to_string();
        assert!(
            said.contains("metrics.jsonl:4: expected a line of the run"),
            "{said}"
        );
    }

    #[test]
    fn a_range_and_what_is_new_are_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let text: String = (1..=3000).map(|step| line(step, step as f64)).collect();
        fs::write(&path, text).unwrap();
        let mut growing = Growing::default();
        growing.read_on(&path).unwrap();
        let asked = |from, to, since| {
            let run = String::new();
            growing.told(
                State::Stopped,
                &Asked {
                    run,
                    from,
                    to,
                    since,
                },
            )
        };
        let points = |told: &Told| {
            let points = &told.curves[0].points;
            (
                points.len(),
                points.first().copied(),
                points.last().copied(),
            )
        };
        let ends = |count, first: usize, last: usize| {
            (
                count,
                Some((first, first as f64)),
                Some((last, last as f64)),
            )
        };
        assert_eq!(points(&asked(None, None, None)).0, MOST / 2);
        assert_eq!(
            points(&asked(Some(100), Some(200), None)),
            ends(101, 100, 200)
        );
        assert_eq!(
            points(&asked(Some(2990), Some(9999), None)),
            ends(11, 2990, 3000)
        );
        assert_eq!(points(&asked(Some(0), Some(1), None)), ends(1, 1, 1));
        assert_eq!(points(&asked(None, None, Some(2998))), ends(2, 2999, 3000));
        for (from, to, since) in [
            (Some(9000), None, None),
            (Some(20), Some(10), None),
            (None, None, Some(3000)),
            (None, None, Some(9000)),
        ] {
            assert_eq!(points(&asked(from, to, since)).0, 0);
        }
        let told = asked(None, None, Some(10));
        assert!(told.too_many && points(&told).0 == 0);
    }
}
