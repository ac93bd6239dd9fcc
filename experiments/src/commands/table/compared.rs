//! What the differences of a table say: intervals and p values of every method and column against one method, all of them
//! one family, and how to read them.

use super::runs::Column;
use super::{MISSING, grid, mark};
use crate::numbers::paired::{
    LEVEL, MOST_SEEDS, POWER, Paired, Verdict, holm, least_sign_flip, seeds_needed,
};
use crate::show::grid::{Grid, left, right};
use crate::show::number::exact;
use crate::terminal::parse::distinct;

/// Of a table of statistics, the columns that stay together where it is too wide.
pub(super) const TOGETHER: usize = 4;

/// A method in a column, compared with the one that all are compared with.
pub(super) struct Compared {
    /// Its place among the columns.
    pub(super) column: usize,
    pub(super) attn: String,
    pub(super) paired: Paired,
    /// The p value that decides, adjusted for all comparisons of the table; none of one pair.
    holm: Option<f64>,
}

/// Every comparison that has pairs, in the order of columns and methods.
pub(super) fn family(columns: &[Column], methods: &[String], against: &str) -> Vec<Compared> {
    let mut family = Vec::new();
    for (place, column) in columns.iter().enumerate() {
        for attn in methods.iter().filter(|attn| *attn != against) {
            let paired = Paired::of(&column.differences(attn, against));
            family.extend(paired.map(|paired| Compared {
                column: place,
                attn: attn.clone(),
                paired,
                holm: None,
            }));
        }
    }
    let decisive = |one: &Compared| one.paired.decisive();
    let adjusted = holm(&family.iter().filter_map(decisive).collect::<Vec<f64>>());
    let tested = family.iter_mut().filter(|one| decisive(one).is_some());
    for (one, p) in tested.zip(adjusted) {
        one.holm = Some(p);
    }
    family
}

impl Compared {
    pub(super) fn verdict(&self) -> Verdict {
        self.paired.verdict(self.holm)
    }

    /// The mean difference with its sign.
    pub(super) fn mean(&self) -> String {
        format!("{:+.2}", self.paired.mean)
    }

    /// "+1.57 to +4.43".
    pub(super) fn interval(&self) -> Option<String> {
        let [low, high] = self.paired.interval?;
        Some(format!("{low:+.2} to {high:+.2}"))
    }

    /// Pairs that a difference of one point takes; none without a spread, else none if they are too many.
    fn seeds_for_a_point(&self) -> Option<Option<usize>> {
        let spread = self.paired.spread.filter(|spread| *spread > 0.0)?;
        Some(seeds_needed(1.0, spread))
    }

    fn row(&self, column: &Column) -> Vec<String> {
        let or_missing = |text: Option<String>| text.unwrap_or(MISSING.into());
        let seeds = self.seeds_for_a_point().map(|seeds| match seeds {
            Some(seeds) => seeds.to_string(),
            None => format!(">{MOST_SEEDS}"),
        });
        vec![
            self.attn.clone(),
            self.mean() + mark(column, &self.attn),
            or_missing(self.interval()),
            self.paired.pairs.to_string(),
            self.verdict().words().into(),
            or_missing(self.paired.p.map(probability)),
            or_missing(self.holm.map(probability)),
            or_missing(self.paired.sign_flip.map(probability)),
            or_missing(seeds),
        ]
    }

    /// What a line of CSV has of it, under [`FIELDS`].
    pub(super) fn fields(&self) -> Vec<String> {
        let [low, high] = match self.paired.interval {
            Some(ends) => ends.map(Some),
            None => [None; 2],
        };
        let seeds = self.seeds_for_a_point().map(|seeds| match seeds {
            Some(seeds) => seeds.to_string(),
            None => format!(">{MOST_SEEDS}"),
        });
        vec![
            exact(low),
            exact(high),
            exact(self.paired.p),
            exact(self.holm),
            exact(self.paired.sign_flip),
            self.verdict().words().into(),
            seeds.unwrap_or_default(),
        ]
    }
}

/// Of a comparison, in CSV.
pub(super) const FIELDS: [&str; 7] = [
    "interval_low",
    "interval_high",
    "p_t",
    "p_holm",
    "p_sign_flip",
    "verdict",
    "seeds_for_one_point",
];

/// The comparisons of a column; none where all are of one pair, or there are none.
pub(super) fn statistics(
    family: &[Compared],
    place: usize,
    column: &Column,
    against: &str,
) -> Option<Grid> {
    let of_column = || family.iter().filter(|one| one.column == place);
    if !of_column().any(|one| one.holm.is_some()) {
        return None;
    }
    let title = format!(
        "{}: difference to {against} over the same seeds, points",
        column.title
    );
    let mut grid = grid(title);
    let number = |title: &str| right(title, 0);
    grid.columns.extend([
        number("difference"),
        number("95 % interval"),
        number("pairs"),
        left("verdict", 0),
        number("p (t)"),
        number("p (Holm)"),
        number("p (sign-flip)"),
        number("seeds for 1 point"),
    ]);
    grid.rows = of_column().map(|one| one.row(column)).collect();
    Some(grid)
}

/// How to read them.
pub(super) fn notes(family: &[Compared], columns: &[Column]) -> Vec<String> {
    let mut notes = Vec::new();
    let (tested, single): (Vec<&Compared>, Vec<&Compared>) =
        family.iter().partition(|one| one.holm.is_some());
    if !single.is_empty() {
        let of_place = |(place, column): (usize, &Column)| {
            let methods = single.iter().filter(|one| one.column == place);
            let methods: Vec<&str> = methods.map(|one| one.attn.as_str()).collect();
            (!methods.is_empty()).then(|| format!("{}: {}", column.title, methods.join(", ")))
        };
        let places: Vec<String> = columns.iter().enumerate().filter_map(of_place).collect();
        notes.push(format!(
            "One seed: no interval and no p value, since one difference has no spread: {}.",
            places.join("; ")
        ));
    }
    if tested.is_empty() {
        return notes;
    }
    let mut few = distinct(tested.iter().map(|one| one.paired.pairs));
    few.retain(|&pairs| least_sign_flip(pairs) > LEVEL);
    few.sort_unstable();
    let least = few.iter().map(|&pairs| {
        let least = least_sign_flip(pairs);
        format!("of {pairs} pairs it cannot be below {least}")
    });
    let least = least.collect::<Vec<String>>().join(", ");
    let least = match least.is_empty() {
        true => least,
        false => format!("; {least}, so that it cannot speak at 5 %"),
    };
    let comparisons = match tested.len() {
        1 => "the one comparison".to_string(),
        count => format!("all {count} comparisons"),
    };
    notes.push(format!(
        "Intervals are 95 % t intervals of the mean difference. p (t) is that of Student's t test, p (Holm) the same \
         adjusted for {comparisons} of this table: where it is at most {:.0} %, a method is called better or worse, \
         elsewhere the runs cannot tell. p (sign-flip) supposes no distribution{least}. Seeds for 1 point: pairs of \
         which one t test at 5 % sees a true difference of one point with a power of {:.0} %, if these pairs show the \
         true spread; a verdict among several comparisons takes more.",
        100.0 * LEVEL,
        100.0 * POWER
    ));
    let equal = |one: &&&Compared| one.paired.spread == Some(0.0) && one.verdict() != Verdict::Same;
    if tested.iter().filter(equal).count() > 0 {
        notes.push(
            "Where the differences of all pairs are equal, there is no spread and no interval: p (Holm) is made of p \
             (sign-flip) there."
                .into(),
        );
    }
    notes
}

/// Four places of a probability.
fn probability(p: f64) -> String {
    match p {
        ..0.0001 => "<0.0001".into(),
        p => format!("{p:.4}"),
    }
}
