//! What came of both experiments, as tables, CSV and a chart.

use super::{Block, Columns, Flags, Lemma, Proposition, promised, relative, required};
use crate::commands::approx::cell;
use crate::commands::approx::input::Setting;
use crate::numbers::statistics::Mean;
use crate::show::chart::{Chart, Point, Scale, Series, svg};
use std::fmt::Write;

impl Columns {
    fn title(self) -> String {
        match self {
            Columns::Beta(beta) => format!("beta = {beta}"),
            other => other.name(),
        }
    }

    fn name(self) -> String {
        match self {
            Columns::Beta(_) => "beta".to_string(),
            Columns::Uniform => "uniform".to_string(),
            Columns::Pilots => "pilots".to_string(),
        }
    }
}

/// 1 - delta, with as many places as delta has: 0.93 of 0.07, where the subtraction leaves
/// 0.9299999999999999.
fn complement(delta: f64) -> String {
    let delta_text = delta.to_string();
    let places = delta_text
        .split_once('.')
        .map_or(0, |(_, places)| places.len());
    format!("{:.places$}", 1.0 - delta)
}

/// Four digits that matter, short where they are many.
fn short(x: f64) -> String {
    match x {
        1e-3..10.0 => format!("{x:.4}"),
        10.0..1e5 => format!("{x:.0}"),
        _ => format!("{x:.1e}"),
    }
}

/// What is printed.
pub(super) fn tables(flags: &Flags, blocks: &[Block]) -> String {
    let mut text = String::new();
    for block in blocks {
        let n = block.setting.n;
        let _ = writeln!(
            text,
            "{}: Proposition 1, {} trials",
            block.setting, flags.trials
        );
        let _ = write!(
            text,
            "{:9}{:>7}{:>7}{:>13}",
            "columns", "beta", "d", "mean/bound"
        );
        for delta in &flags.delta {
            let title = format!("delta {delta}");
            let _ = write!(text, "{title:>13}{:>6}", "viol");
        }
        text.push('\n');
        for row in &block.propositions {
            let part = Mean {
                mean: row.mean.mean / row.expected,
                error: row.mean.error / row.expected,
            };
            let (name, beta) = (row.columns.name(), short(row.beta));
            let _ = write!(text, "{name:9}{beta:>7}{:>7}{:>13}", row.d, cell(part));
            for bound in &row.bounds {
                let part = short(bound.quantile / bound.bound);
                let _ = write!(text, "{part:>13}{:>6}", bound.violations);
            }
            text.push('\n');
        }
        let _ = writeln!(text, "{}: Lemma 1, beta of p̂ from d pilots", block.setting);
        let _ = writeln!(
            text,
            "{:9}{:>14}{:>9}{:>16}",
            "d", "mean", "least", ">= sqrt(1/3)"
        );
        for row in &block.lemmas {
            let share = format!("{:.1} %", 100.0 * row.kept as f64 / flags.trials as f64);
            let beta = cell(row.beta);
            let _ = writeln!(
                text,
                "{:<9}{beta:>14}{:>9}{share:>16}",
                row.d,
                short(row.least)
            );
        }
        let _ = writeln!(
            text,
            "d it asks for, n = {n}: C = {:.1e} / n here, kappa = {:.0}",
            block.c * n as f64,
            block.kappa
        );
        let _ = writeln!(
            text,
            "{:9}{:>14}{:>14}{:>18}",
            "delta", "with this C", "C = 1 / n", "12 kappa ln(..)"
        );
        for &delta in &flags.delta {
            let _ = writeln!(
                text,
                "{delta:<9}{:>14}{:>14}{:>18}",
                short(required(n, block.c, delta)),
                short(required(n, 1.0 / n as f64, delta)),
                short(relative(n, block.kappa, delta))
            );
        }
        text.push('\n');
    }
    text
}

/// The first line of proposition1.csv.
pub(super) const PROPOSITION: &str = "input,scale,n,columns,beta,d,trials,error,error_se,\
                                      expectation_bound,delta,quantile,bound,violations\n";
/// The first line of lemma1.csv.
pub(super) const LEMMA: &str = "input,scale,n,d,trials,beta,beta_se,beta_least,at_least_promised,c,kappa,\
                                delta,required,required_at_most_c,relative\n";

/// A line for every law, d and delta; errors are squared Frobenius norms over ||B||_F² ||V||_F².
pub(super) fn proposition_csv(flags: &Flags, blocks: &[Block]) -> String {
    let mut text = PROPOSITION.to_string();
    for block in blocks {
        for row in &block.propositions {
            for bound in &row.bounds {
                let _ = writeln!(
                    text,
                    "{},{},{},{},{},{},{},{},{},{},{}",
                    place(&block.setting),
                    row.columns.name(),
                    row.beta,
                    row.d,
                    flags.trials,
                    format_args!("{},{}", row.mean.mean, row.mean.error),
                    row.expected,
                    bound.delta,
                    bound.quantile,
                    bound.bound,
                    bound.violations
                );
            }
        }
    }
    text
}

/// A line for every d and delta.
pub(super) fn lemma_csv(flags: &Flags, blocks: &[Block]) -> String {
    let mut text = LEMMA.to_string();
    for block in blocks {
        let n = block.setting.n;
        for row in &block.lemmas {
            for &delta in &flags.delta {
                let _ = writeln!(
                    text,
                    "{},{},{},{},{},{},{},{},{},{delta},{},{},{}",
                    place(&block.setting),
                    row.d,
                    flags.trials,
                    row.beta.mean,
                    row.beta.error,
                    row.least,
                    row.kept,
                    block.c,
                    block.kappa,
                    required(n, block.c, delta),
                    required(n, 1.0 / n as f64, delta),
                    relative(n, block.kappa, delta)
                );
            }
        }
    }
    text
}

fn place(setting: &Setting) -> String {
    let scale = setting
        .scale
        .map_or(String::new(), |scale| scale.to_string());
    format!("{},{scale},{}", setting.input.name(), setting.n)
}

/// Two panels for every setting: Proposition 1 with its largest beta, and Lemma 1.
pub(super) fn chart(blocks: &[Block]) -> String {
    let plain = |x: usize, y: f64| Point {
        x: x as f64,
        y,
        error: 0.0,
    };
    let series = |name: String, points: Vec<Point>| Series { name, points };
    let mut charts = Vec::new();
    for block in blocks {
        let first = block.propositions[0].columns;
        let rows: Vec<&Proposition> = block
            .propositions
            .iter()
            .filter(|row| row.columns == first)
            .collect();
        let mean = |row: &&Proposition| Point {
            error: row.mean.error,
            ..plain(row.d, row.mean.mean)
        };
        let mut lines = vec![
            series("mean error".to_string(), rows.iter().map(mean).collect()),
            series(
                "bound of the mean".to_string(),
                rows.iter().map(|row| plain(row.d, row.expected)).collect(),
            ),
        ];
        for i in 0..rows[0].bounds.len() {
            let delta = rows[0].bounds[i].delta;
            let quantiles = rows.iter().map(|row| plain(row.d, row.bounds[i].quantile));
            lines.push(series(
                format!("quantile {}", complement(delta)),
                quantiles.collect(),
            ));
            let bounds = rows.iter().map(|row| plain(row.d, row.bounds[i].bound));
            lines.push(series(format!("bound, delta {delta}"), bounds.collect()));
        }
        charts.push(Chart {
            title: format!("{}: Proposition 1, {}", block.setting, first.title()),
            x: "columns drawn d (count)".to_string(),
            y: "||BV - BSSᵀV||² / (||B||² ||V||²), Frobenius".to_string(),
            scales: [Scale::Logarithmic; 2],
            series: lines,
        });
        let mean = |row: &Lemma| Point {
            error: row.beta.error,
            ..plain(row.d, row.beta.mean)
        };
        let of = |value: &dyn Fn(&Lemma) -> f64| {
            let points = block.lemmas.iter().map(|row| plain(row.d, value(row)));
            points.collect::<Vec<_>>()
        };
        charts.push(Chart {
            title: format!("{}: Lemma 1", block.setting),
            x: "pilot rows drawn d (count)".to_string(),
            y: "beta = min p̂ / p".to_string(),
            scales: [Scale::Logarithmic; 2],
            series: vec![
                series(
                    "mean beta".to_string(),
                    block.lemmas.iter().map(mean).collect(),
                ),
                series("least beta".to_string(), of(&|row| row.least)),
                series("sqrt(1/3)".to_string(), of(&|_| promised())),
            ],
        });
    }
    svg(&charts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_has_the_places_of_its_delta() {
        for (delta, expected) in [
            (0.07, "0.93"),
            (0.1, "0.9"),
            (0.05, "0.95"),
            (0.001, "0.999"),
            (1e-9, "0.999999999"),
        ] {
            assert_eq!(complement(delta), expected);
        }
    }
}
