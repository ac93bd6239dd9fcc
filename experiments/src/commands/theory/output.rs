//! What came of both experiments, as tables, CSV and a chart.

use super::{Block, Columns, Flags, Lemma, Proposition, promised, relative, required};
use crate::commands::approx::input::Setting;
use crate::numbers::statistics::Mean;
use crate::show::chart::{Chart, Point, Scale, Series, svg};
use crate::show::grid::{Grid, cells, left, right};
use crate::show::number::{complement, exact, short, with_error};
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
        let mut grid = Grid::new([
            left("columns", 9),
            right("beta", 7).gap(0),
            right("d", 7).gap(0),
            right("mean/bound", 13).gap(0),
        ]);
        for delta in &flags.delta {
            let title = format!("delta {delta}");
            grid.columns
                .extend([right(title, 13).gap(0), right("viol", 6).gap(0)]);
        }
        for row in &block.propositions {
            let part = Mean {
                mean: row.mean.mean / row.expected,
                error: row.mean.error / row.expected,
            };
            let mut cells = cells![row.columns.name(), short(row.beta), row.d, with_error(part)];
            for bound in &row.bounds {
                cells.extend(cells![
                    short(bound.quantile / bound.bound),
                    bound.violations
                ]);
            }
            grid.rows.push(cells);
        }
        text += &grid.text();

        let _ = writeln!(text, "{}: Lemma 1, beta of p̂ from d pilots", block.setting);
        let mut grid = Grid::new([
            left("d", 9),
            right("mean", 14).gap(0),
            right("least", 9).gap(0),
            right(">= sqrt(1/3)", 16).gap(0),
        ]);
        for row in &block.lemmas {
            let share = format!("{:.1} %", 100.0 * row.kept as f64 / flags.trials as f64);
            grid.rows
                .push(cells![row.d, with_error(row.beta), short(row.least), share]);
        }
        text += &grid.text();

        let _ = writeln!(
            text,
            "d it asks for, n = {n}: C = {:.1e} / n here, kappa = {:.0}",
            block.c * n as f64,
            block.kappa
        );
        let mut grid = Grid::new([
            left("delta", 9),
            right("with this C", 14).gap(0),
            right("C = 1 / n", 14).gap(0),
            right("12 kappa ln(..)", 18).gap(0),
        ]);
        for &delta in &flags.delta {
            grid.rows.push(cells![
                delta,
                short(required(n, block.c, delta)),
                short(required(n, 1.0 / n as f64, delta)),
                short(relative(n, block.kappa, delta)),
            ]);
        }
        text += &grid.text();
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
    let mut grid = Grid::of_csv(PROPOSITION);
    for block in blocks {
        for row in &block.propositions {
            for bound in &row.bounds {
                let mut cells = place(&block.setting);
                cells.extend(cells![
                    row.columns.name(),
                    row.beta,
                    row.d,
                    flags.trials,
                    row.mean.mean,
                    row.mean.error,
                    row.expected,
                    bound.delta,
                    bound.quantile,
                    bound.bound,
                    bound.violations,
                ]);
                grid.rows.push(cells);
            }
        }
    }
    grid.csv()
}

/// A line for every d and delta.
pub(super) fn lemma_csv(flags: &Flags, blocks: &[Block]) -> String {
    let mut grid = Grid::of_csv(LEMMA);
    for block in blocks {
        let n = block.setting.n;
        for row in &block.lemmas {
            for &delta in &flags.delta {
                let mut cells = place(&block.setting);
                cells.extend(cells![
                    row.d,
                    flags.trials,
                    row.beta.mean,
                    row.beta.error,
                    row.least,
                    row.kept,
                    block.c,
                    block.kappa,
                    delta,
                    required(n, block.c, delta),
                    required(n, 1.0 / n as f64, delta),
                    relative(n, block.kappa, delta),
                ]);
                grid.rows.push(cells);
            }
        }
    }
    grid.csv()
}

fn place(setting: &Setting) -> Vec<String> {
    cells![setting.input.name(), exact(setting.scale), setting.n]
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
