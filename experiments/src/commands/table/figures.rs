//! Figures 2 and 3 of the paper from the same runs: dev loss while training, and what learning rate and
//! batch do. Averages are over seeds, error bars standard errors of these means.

use super::{Column, Run, rank};
use crate::commands::paper;
use crate::numbers::statistics::{mean, standard_error};
use crate::run::folder::timings;
use crate::settings::config::Config;
use crate::show::chart::{Chart, Point, Scale, Series, svg};
use crate::show::record::{self, Dev};
use crate::terminal::error::{Error, Result};
use crate::terminal::parse::distinct;
use datasets::shown;

/// Figure 2: dev loss against the seconds of the steps so far, evaluations apart, and against steps; two
/// panels a column, a line a method. Runs without timings are in the second only, with a remark.
///
/// # Errors
/// If a run has no metrics.
pub(super) fn curves(columns: &[Column], remarks: &mut Vec<String>) -> Result<String> {
    let mut charts = Vec::new();
    let mut untimed = Vec::new();
    for column in columns {
        let attns = distinct(column.runs.iter().map(|run| run.config.attn.clone()));
        let mut by_seconds = Vec::new();
        let mut by_steps = Vec::new();
        for name in attns {
            let runs = column.of(&name);
            let curves = runs
                .iter()
                .map(|run| losses(run))
                .collect::<Result<Vec<_>>>()?;
            let has_no_time = |curve: &Vec<Loss>| curve.iter().any(|loss| loss.seconds.is_none());
            for (run, curve) in runs.iter().zip(&curves) {
                if has_no_time(curve) {
                    untimed.push(shown::name(&run.folder));
                }
            }
            let line = |curves: &[&Vec<Loss>], x: fn(&Loss) -> Option<f64>| {
                // Runs that stopped early end the line of their method.
                let length = curves.iter().map(|curve| curve.len()).min().unwrap_or(0);
                let point = |i: usize| {
                    let xs: Vec<f64> = curves.iter().filter_map(|curve| x(&curve[i])).collect();
                    let dev: Vec<f64> = curves.iter().map(|curve| curve[i].dev).collect();
                    Some(Point {
                        x: mean(&xs)?,
                        y: mean(&dev)?,
                        error: standard_error(&dev).unwrap_or(0.0),
                    })
                };
                Series {
                    name: name.clone(),
                    points: (0..length).filter_map(point).collect(),
                }
            };
            let all: Vec<&Vec<Loss>> = curves.iter().collect();
            let timed: Vec<&Vec<Loss>> =
                curves.iter().filter(|curve| !has_no_time(curve)).collect();
            if !timed.is_empty() {
                by_seconds.push(line(&timed, |loss| loss.seconds));
            }
            by_steps.push(line(&all, |loss| Some(loss.step as f64)));
        }
        for (x, series) in [
            ("training, s (evaluations apart)", by_seconds),
            ("steps", by_steps),
        ] {
            if series.is_empty() {
                continue;
            }
            charts.push(Chart {
                title: column.title.clone(),
                x: x.into(),
                y: "dev loss, nats".into(),
                scales: [Scale::Logarithmic, Scale::Linear],
                series,
            });
        }
    }
    if !untimed.is_empty() {
        remarks.push(format!(
            "Not drawn against seconds, without a timings.jsonl: {}",
            untimed.join(", ")
        ));
    }
    Ok(svg(&charts))
}

/// The dev loss after a step.
struct Loss {
    step: usize,
    /// Of all steps so far; none in a run without timings.
    seconds: Option<f64>,
    /// In nats.
    dev: f64,
}

/// The dev losses of a run in their order.
fn losses(run: &Run) -> Result<Vec<Loss>> {
    let path = run.folder.join("metrics.jsonl");
    let (steps, evaluations) = record::metrics(&path)?;
    if let Some(last) = steps.last() {
        run.outcome.refuse_other_steps(last.step, &run.folder)?;
    }
    let until = timings(&run.folder)?.map(|timings| {
        let mut sum = 0.0;
        let sums = timings.iter().map(|timing| {
            sum += timing.seconds;
            sum
        });
        [0.0].into_iter().chain(sums).collect::<Vec<f64>>()
    });
    let loss = |(step, line): (usize, Dev)| {
        let seconds = until.as_ref().map(|until| {
            until.get(step).copied().ok_or_else(|| {
                let timings = run.folder.join("timings.jsonl");
                Error::failure(format!(
                    "{}: expected a line for step {step}",
                    timings.display()
                ))
            })
        });
        Ok(Loss {
            step,
            seconds: seconds.transpose()?,
            dev: line.dev.loss,
        })
    };
    evaluations.into_iter().map(loss).collect()
}

/// Figure 3: test accuracy and training time against the learning rate, a line for every method and
/// batch; two panels for all runs that agree in everything else, in data and what computed them, too, unless a mixture
/// is asked for.
///
/// # Errors
/// If no two runs differ in learning rate only.
pub(super) fn sensitivity(columns: &[Column], mix: bool) -> Result<String> {
    let but_for_both = |column: &Column| {
        let run = column.runs.first()?;
        let neutral = Config {
            learning_rate: 1.0,
            batch: 1,
            ..run.common()
        };
        Some((neutral.to_toml(), (!mix).then(|| run.origin())))
    };
    let mut charts = Vec::new();
    for group in distinct(columns.iter().map(but_for_both)) {
        let of_group = columns
            .iter()
            .filter(|column| but_for_both(column) == group);
        let runs: Vec<&Run> = of_group.flat_map(|column| &column.runs).collect();
        let Some(task) = runs.first().map(|run| run.config.task) else {
            continue;
        };
        let mut lines = distinct(runs.iter().map(|r| (r.config.attn.clone(), r.config.batch)));
        lines.sort_by_key(|(attn, batch)| (rank(attn), *batch));
        let mut rates = distinct(runs.iter().map(|run| run.config.learning_rate));
        rates.sort_by(f64::total_cmp);
        if rates.len() < 2 {
            continue;
        }
        let line = |attn: &str, batch: usize, y: fn(&Run) -> Option<f64>| {
            let point = |&rate: &f64| {
                let here = runs.iter().filter(|run| {
                    let c = &run.config;
                    (c.attn.as_str(), c.batch, c.learning_rate) == (attn, batch, rate)
                });
                let values: Vec<f64> = here.filter_map(|run| y(run)).collect();
                Some(Point {
                    x: rate,
                    y: mean(&values)?,
                    error: standard_error(&values).unwrap_or(0.0),
                })
            };
            Series {
                name: format!("{attn}, batch {batch}"),
                points: rates.iter().filter_map(point).collect(),
            }
        };
        let all = |y: fn(&Run) -> Option<f64>| -> Vec<Series> {
            let lines = lines.iter();
            lines.map(|(attn, batch)| line(attn, *batch, y)).collect()
        };
        let mut accuracies = all(|run| Some(run.accuracy()));
        for (attn, batch) in &lines {
            let points = paper::sensitivity(attn, task, *batch).iter();
            let points = points.map(|&(x, y)| Point { x, y, error: 0.0 });
            accuracies.push(Series {
                name: format!("paper, batch {batch}"),
                points: points.collect(),
            });
        }
        accuracies.retain(|series| !series.points.is_empty());
        let title = format!("{task:?}");
        charts.push(Chart {
            title: title.clone(),
            x: "highest learning rate".into(),
            y: "test accuracy, %".into(),
            scales: [Scale::Logarithmic, Scale::Linear],
            series: accuracies,
        });
        charts.push(Chart {
            title,
            x: "highest learning rate".into(),
            y: "training, s (evaluations apart)".into(),
            scales: [Scale::Logarithmic; 2],
            series: all(|run| run.took.map(|took| took.seconds)),
        });
    }
    match charts.is_empty() {
        false => Ok(svg(&charts)),
        true => Err(Error::usage(
            "no runs differ in nothing but learning rate, batch, method and seed",
        )
        .hint("skein sweep --preset sensitivity makes such runs")),
    }
}
