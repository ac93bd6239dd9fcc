//! Tables of an independent program, the paper's released code: mean and standard deviation of the
//! relative error over twenty trials, `method,n,d,scale,mean,std`.

use super::input::{Input, Setting};
use super::method::{Kind, Method};
use crate::numbers::statistics::Mean;
use crate::show::grid::{Grid, cells, left, right};
use crate::show::number::places;
use crate::terminal::error::{Error, Result};
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// Trials behind every row.
const TRIALS: f64 = 20.0;
/// Standard errors beyond which a cell is printed, and the share that may be.
const PRINTED: f64 = 3.0;
const SHARE: f64 = 0.98;
/// Standard errors beyond which a cell is wrong.
const WRONG: f64 = 5.0;

/// One cell.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) method: String,
    pub(super) setting: Setting,
    /// 0 for a method without a budget.
    pub(super) d: usize,
    mean: f64,
    deviation: f64,
}

/// The name in the tables, and what it is here. One head and no padding: of what
/// [`released`](ops::attention::Options) changes only what is said below can be noticed.
const NAMES: [(&str, &str, bool, bool); 14] = [
    // Shared pilots and a d for the whole batch make no difference to one head alone.
    ("skeinformer", "skein", false, false),
    ("skein_best_torch", "skein", false, false),
    ("skein_uniform", "skein-uniform", false, false),
    ("skein_nopilot", "skein-nopilot", false, false),
    ("skein_simplenorm", "skein-simplenorm", false, false),
    ("skein_nonorm", "skein-nonorm", false, false),
    ("vmean", "vmean", false, false),
    // u = U = min(n, ⌈d / ln n⌉ ⌈ln n⌉) in both; the released n of the budget is the padded one.
    ("informer", "informer", false, false),
    // The released features are scaled twice; without that they are those of the method.
    ("performer", "performer", true, false),
    ("performer_singlenorm", "performer", false, false),
    // One head: the largest column sum of all heads is its own.
    ("nystrom", "nystrom", false, false),
    // Blocks of d/8 there, so that a row sees 8 of them, d keys; here blocks are a quarter of the
    // features: half of d. The released plan draws random blocks from the first 1024 tokens only,
    // fewer distinct ones at n = 4096. Its numbers are NumPy's and not reproduced, only its law.
    ("bigbird", "bigbird", true, true),
    // N(0, 0.02²), where the method has N(0, 1/d).
    ("linformer", "linformer-fixed", true, false),
    ("linformer_jl", "linformer-fixed", false, false),
];

/// The method behind a name of the tables, under that name.
fn method(name: &str) -> Option<Method> {
    let (_, registered, released, halved) = NAMES.into_iter().find(|known| known.0 == name)?;
    Some(Method {
        name: name.to_string(),
        kind: Kind::Registered {
            name: registered.to_string(),
            released,
            halved,
        },
    })
}

/// The rows of the two tables in `folder` that the request does not leave out.
pub(super) fn read(folder: &Path, inputs: &[Input]) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for &input in inputs {
        let path = folder.join(format!("approx_{}.csv", input.name()));
        let text =
            fs::read_to_string(&path).map_err(|cause| Error::file("cannot read", &path, &cause))?;
        let mut lines = text.lines().enumerate();
        let title = lines.next().map(|(_, line)| line.trim());
        if title != Some("method,n,d,scale,mean,std") {
            let message = format!("{}: no table method,n,d,scale,mean,std", path.display());
            return Err(Error::failure(message));
        }
        for (i, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
            rows.push(row(input, line).ok_or_else(|| {
                let place = format!("{}:{}", path.display(), i + 1);
                Error::failure(format!("{place}: {line:?} is no row of a known method"))
            })?);
        }
    }
    Ok(rows)
}

fn row(input: Input, line: &str) -> Option<Row> {
    let [name, n, d, scale, mean, deviation] = line.trim().split(',').collect::<Vec<_>>()[..]
    else {
        return None;
    };
    method(name)?;
    let number = |text: &str| text.parse::<f64>().ok().filter(|x| x.is_finite());
    Some(Row {
        method: name.to_string(),
        setting: Setting {
            input,
            scale: Some(number(scale)?),
            n: n.parse().ok().filter(|&n| n > 0)?,
        },
        d: d.parse().ok()?,
        mean: number(mean)?,
        deviation: number(deviation)?,
    })
}

/// Methods, lengths, scales and budgets of the rows: what has to be measured.
pub(super) fn methods(rows: &[Row]) -> Vec<Method> {
    let named = |name: &str| rows.iter().any(|row| row.method == name);
    let known = NAMES.into_iter().filter(|known| named(known.0));
    known.filter_map(|known| method(known.0)).collect()
}

/// How one cell compares.
struct Difference<'a> {
    row: &'a Row,
    here: Mean,
    /// In units of the combined standard error.
    z: f64,
}

/// The comparison in words, and whether it holds.
pub(super) fn compare(rows: &[Row], got: impl Fn(&Row) -> Mean) -> (String, bool) {
    let differences: Vec<Difference<'_>> = rows
        .iter()
        .map(|row| {
            let here = got(row);
            let error = (row.deviation / TRIALS.sqrt()).hypot(here.error);
            Difference {
                row,
                here,
                z: (here.mean - row.mean) / error,
            }
        })
        .collect();
    verdict(&differences)
}

impl Difference<'_> {
    /// What is not a number is not.
    fn within(&self, limit: f64) -> bool {
        self.z.abs() <= limit
    }
}

fn verdict(differences: &[Difference<'_>]) -> (String, bool) {
    let mut text = String::new();
    let cells = differences.len();
    let within = |limit: f64| {
        let within = differences.iter().filter(|cell| cell.within(limit));
        within.count()
    };
    let mut far: Vec<&Difference<'_>> = differences
        .iter()
        .filter(|cell| !cell.within(PRINTED))
        .collect();
    far.sort_by(|a, b| b.z.abs().total_cmp(&a.z.abs()));
    let mut grid = Grid::new([
        left("beyond 3 errors", 22),
        left("", 20),
        right("d", 5),
        right("reference", 9),
        right("here", 9),
        right("errors", 8),
    ]);
    for Difference { row, here, z } in far {
        grid.rows.push(cells![
            row.method,
            row.setting,
            row.d,
            places(5)(row.mean),
            places(5)(here.mean),
            format!("{z:+.2}"),
        ]);
    }
    if !grid.rows.is_empty() {
        text += &grid.text();
    }
    let share = |limit: f64| 100.0 * within(limit) as f64 / cells.max(1) as f64;
    let holds = share(PRINTED) >= 100.0 * SHARE && within(WRONG) == cells;
    let _ = writeln!(
        text,
        "{cells} cells against the reference: {} within 3 standard errors ({:.2} %),\n\
         {} within 5 ({:.2} %): {}",
        within(PRINTED),
        share(PRINTED),
        within(WRONG),
        share(WRONG),
        if holds {
            "agrees"
        } else {
            "DISAGREES, 98 % and all were expected"
        },
    );
    (text, holds)
}
