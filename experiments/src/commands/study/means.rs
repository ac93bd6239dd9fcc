//! The curves of a column of a grid: for every method the mean over its seeds, with the lowest and the highest beside it.
//! Each mean is over the same runs from its first point to its last, as in `skein report`.

use super::asked::Refusal;
use super::curves::{Curves, Growing};
use super::grid::{Cell, Grid, Row, Stage};
use super::list::Runs;
use crate::run::measured::Evaluation;
use crate::show::curve::{self, Steps, Together};
use serde::{Deserialize, Serialize};

/// What is asked: a column of a grid by its title, and whether runs that have not ended count where others have.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    grid: String,
    column: String,
    #[serde(default)]
    begun: bool,
}

/// The answer.
#[derive(Serialize)]
struct Told {
    methods: Vec<Method>,
    /// What could not be read, a sentence each.
    broken: Vec<String>,
}

/// A method over its seeds.
#[derive(Serialize)]
struct Method {
    attn: String,
    /// Those of the runs that the means are over.
    seeds: Vec<u64>,
    /// Whether all of these have ended.
    ended: bool,
    /// Running means of the train loss.
    train_loss: Curve,
    dev_loss: Curve,
    dev_accuracy: Curve,
    /// Accuracy on the test, over those that have ended: mean, lowest and highest.
    test_accuracy: Option<[f64; 3]>,
}

/// A curve: steps with the mean, and steps with the lowest and the highest.
#[derive(Serialize, Debug, PartialEq)]
struct Curve {
    points: Vec<(usize, f64)>,
    /// None of one run.
    band: Option<Vec<(usize, f64, f64)>>,
}

/// What is drawn of a run.
struct Drawn {
    seed: u64,
    train_loss: Steps,
    dev_loss: Steps,
    dev_accuracy: Steps,
}

/// The answer, as it is written.
pub(super) fn told(
    runs: &Runs,
    curves: &Curves,
    asked: &Asked,
) -> Result<impl Serialize + use<>, Refusal> {
    let grid = Grid::find(runs, &asked.grid)?;
    let mut columns = grid.columns.into_iter();
    let column = columns.find(|column| column.title == asked.column);
    let column = column.ok_or_else(|| {
        Refusal::missing(format!("{}: the grid has no such column", asked.column))
    })?;
    let mut broken = Vec::new();
    let mut methods = Vec::new();
    for Row { attn, cells } in column.rows {
        let counted = counted(&cells, asked.begun);
        let mut drawn = Vec::new();
        for cell in &counted {
            let Some(found) = &cell.found else { continue };
            match curves.read(&found.folder, |file| Drawn::of(cell.seed, file)) {
                Ok(of) => drawn.push(of),
                Err(refused) => broken.push(format!("{}: {}", found.name, refused.sentence)),
            }
        }
        let tests = counted.iter().filter_map(|cell| cell.test);
        let tests: Vec<Vec<(f64, f64)>> = tests.map(|test| vec![(0.0, test.accuracy)]).collect();
        methods.push(Method {
            attn,
            seeds: drawn.iter().map(|of| of.seed).collect(),
            ended: counted.iter().all(|cell| cell.stage == Stage::Ended),
            train_loss: Curve::of(&cut(&drawn)),
            dev_loss: mean(&drawn, |of| &of.dev_loss),
            dev_accuracy: mean(&drawn, |of| &of.dev_accuracy),
            test_accuracy: curve::together(&tests)
                .first()
                .map(|of| [of.mean, of.low, of.high]),
        });
    }
    Ok(Told { methods, broken })
}

/// The cells that a mean is over: those that have ended; with `begun`, or where none has, those that have begun.
fn counted(cells: &[Cell], begun: bool) -> Vec<&Cell> {
    let has_ended = |cell: &Cell| cell.stage == Stage::Ended;
    let has_begun = |cell: &Cell| {
        has_ended(cell) || (matches!(cell.stage, Stage::Running | Stage::Stopped) && cell.done > 0)
    };
    let only_ended = !begun && cells.iter().any(has_ended);
    let counts = |cell: &&Cell| {
        if only_ended {
            has_ended(cell)
        } else {
            has_begun(cell)
        }
    };
    cells.iter().filter(counts).collect()
}

impl Drawn {
    fn of(seed: u64, file: &Growing) -> Self {
        let of_dev = |number: fn(&Evaluation) -> f64| -> Steps {
            let all = file.evaluations.iter();
            all.map(|(step, dev)| (*step, number(&dev.dev))).collect()
        };
        Drawn {
            seed,
            train_loss: file
                .steps
                .iter()
                .map(|step| (step.step, step.loss))
                .collect(),
            dev_loss: of_dev(|dev| dev.loss),
            dev_accuracy: of_dev(|dev| dev.accuracy),
        }
    }
}

/// The running means of the train losses over the steps that all runs have.
fn cut(drawn: &[Drawn]) -> Vec<Vec<(f64, f64)>> {
    let steps = drawn.iter().map(|of| of.train_loss.len());
    let steps = steps.min().unwrap_or(0);
    let smooth = |of: &Drawn| {
        let points = curve::smooth(&of.train_loss[..steps]).into_iter();
        points.map(|(step, loss)| (step as f64, loss)).collect()
    };
    drawn.iter().map(smooth).collect()
}

fn mean(drawn: &[Drawn], of: fn(&Drawn) -> &Steps) -> Curve {
    let all: Vec<Steps> = drawn.iter().map(|drawn| of(drawn).clone()).collect();
    Curve::of(&curve::shared(&all))
}

impl Curve {
    /// Of runs that have as many points each.
    fn of(runs: &[Vec<(f64, f64)>]) -> Self {
        let points = curve::together(runs);
        let step = |point: &Together| point.x as usize;
        let ends = |point: &Together| (step(point), point.low, point.high);
        Curve {
            points: points
                .iter()
                .map(|point| (step(point), point.mean))
                .collect(),
            band: (runs.len() > 1).then(|| points.iter().map(ends).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(seed: u64, losses: &[f64]) -> Drawn {
        let steps: Steps = losses
            .iter()
            .copied()
            .enumerate()
            .map(|(i, loss)| (i + 1, loss))
            .collect();
        Drawn {
            seed,
            train_loss: steps.clone(),
            dev_loss: steps.clone(),
            dev_accuracy: steps,
        }
    }

    #[test]
    fn a_mean_is_over_the_steps_that_all_runs_have() {
        let runs = [drawn(1, &[1.0, 2.0, 6.0]), drawn(2, &[3.0, 1.0])];
        let expected = Curve {
            points: vec![(1, 2.0), (2, 1.5)],
            band: Some(vec![(1, 1.0, 3.0), (2, 1.0, 2.0)]),
        };
        assert_eq!(mean(&runs, |of| &of.dev_loss), expected);
        assert_eq!(Curve::of(&cut(&runs)), expected);
        let alone = mean(&runs[..1], |of| &of.dev_loss);
        assert_eq!((alone.points.len(), alone.band), (3, None));
        assert_eq!(mean(&[], |of| &of.dev_loss).points, []);
    }
}
