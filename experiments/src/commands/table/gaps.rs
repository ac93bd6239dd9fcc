//! What a table cannot say: which methods are no better than a constant answer, and which runs others have that are not
//! there.

use super::MAJORITY;
use super::runs::Column;
use crate::numbers::statistics::mean;
use crate::terminal::parse::distinct;

/// Standard errors of the test examples by which an accuracy must be above that of the majority class.
const ERRORS: f64 = 2.0;

/// A sentence for every column in which methods do not beat the most frequent class: by more than what drawing other
/// test examples would do.
pub(super) fn at_majority(columns: &[Column]) -> Vec<String> {
    columns.iter().filter_map(column_at_majority).collect()
}

fn column_at_majority(column: &Column) -> Option<String> {
    let majority = column.baseline(MAJORITY)?;
    let methods = distinct(column.runs.iter().map(|run| run.config.attn.as_str()));
    let mut largest = 0.0f64;
    let beaten = |attn: &&str| {
        let runs = column.of(attn);
        let accuracies: Vec<f64> = runs.iter().map(|run| run.accuracy()).collect();
        let fewest = runs.iter().map(|run| run.outcome.test.examples).min();
        let (Some(accuracy), Some(examples)) = (mean(&accuracies), fewest) else {
            return false;
        };
        let error = (accuracy * (100.0 - accuracy) / examples as f64).sqrt();
        largest = largest.max(error);
        accuracy - majority <= ERRORS * error
    };
    let (low, others): (Vec<&str>, Vec<&str>) = methods.into_iter().partition(beaten);
    if low.is_empty() {
        return None;
    }
    let by = format!(
        "by more than two standard errors of the test examples ({:.2} points)",
        ERRORS * largest
    );
    let title = &column.title;
    Some(match (others.is_empty(), low.len()) {
        (true, _) => format!(
            "{title}: no method beats the majority class, {majority:.2} %, {by}: differences between methods say nothing \
             there."
        ),
        (false, 1) => format!(
            "{title}: {} does not beat the majority class, {majority:.2} %, {by}.",
            low[0]
        ),
        (false, _) => format!(
            "{title}: these do not beat the majority class, {majority:.2} %, {by}: {}.",
            low.join(", ")
        ),
    })
}

/// The runs that are missing of the grid of all columns, methods and seeds.
pub(super) fn missing(columns: &[Column], methods: &[String]) -> Option<String> {
    let all = columns.iter().flat_map(|column| &column.runs);
    let mut seeds = distinct(all.map(|run| run.config.seed));
    seeds.sort_unstable();
    let mut count = 0;
    let mut of_column = Vec::new();
    for column in columns {
        let mut of_method = Vec::new();
        for attn in methods {
            let runs = column.of(attn);
            let there = |seed: &&u64| runs.iter().any(|run| run.config.seed == **seed);
            let gone: Vec<&u64> = seeds.iter().filter(|seed| !there(seed)).collect();
            count += gone.len();
            let words: Vec<String> = gone.iter().map(|seed| seed.to_string()).collect();
            match gone.len() {
                0 => {}
                all if all == seeds.len() => of_method.push(attn.clone()),
                1 => of_method.push(format!("{attn} (seed {})", words[0])),
                _ => of_method.push(format!("{attn} (seeds {})", words.join(" "))),
            }
        }
        if !of_method.is_empty() {
            of_column.push(format!("{}: {}", column.title, of_method.join(", ")));
        }
    }
    let runs = match count {
        0 => return None,
        1 => "run",
        _ => "runs",
    };
    Some(format!(
        "{count} {runs} missing of the grid of {} columns, {} methods and {} seeds: {}.",
        columns.len(),
        methods.len(),
        seeds.len(),
        of_column.join("; ")
    ))
}
