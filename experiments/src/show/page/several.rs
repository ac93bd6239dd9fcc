//! Runs side by side: a table of what came of each, curves, and in which settings they differ. Runs that differ in nothing
//! but their seed are one curve: their mean, in a band from the lowest to the highest.

use super::figures::{Curves, Figures, Line, Numbers, Points, over_steps, wide as points};
use super::parts::{Rows, remark, section, settings, settings_and_origin, table, thousands};
use crate::run::environment::Took;
use crate::run::measured::Evaluation;
use crate::run::outcome::Outcome;
use crate::show::chart::Scale;
use crate::show::curve::{self, MOST_POINTS};
use crate::show::record::{Record, Step};
use crate::terminal::output::percent;
use maud::{Markup, html};
use std::collections::HashMap;

/// The setting that the runs of a group may differ in, as pages write it, and those that name a group.
const SEED: &str = "seed";
const NAMING: [&str; 2] = ["task", "attn"];

/// Runs that differ in nothing but their seed.
struct Group<'a> {
    name: String,
    runs: Vec<&'a Record>,
}

/// Runs side by side; `names` tells them apart.
pub(crate) fn several(runs: &[Record], names: &[String]) -> String {
    let all: Vec<Rows> = runs.iter().map(settings_and_origin).collect();
    let groups = groups(runs, names, &all);
    let figures = Figures::new("curves", 1, curves(&groups));
    let (differ, shared): (Vec<usize>, Vec<usize>) =
        (0..all[0].len()).partition(|&place| all.iter().any(|one| one[place] != all[0][place]));
    let title = format!("{} runs compared", runs.len());
    let shared: Rows = shared.iter().map(|&place| all[0][place].clone()).collect();
    let body = html! {
        (section("Outcome"))
        (outcomes(runs, names))
        (section("Curves"))
        @if figures.is_empty() {
            (remark("No run has a metrics.jsonl: there are none."))
        } @else {
            (figures.show())
            (about_curves(&groups))
        }
        (section("Settings that differ"))
        @if differ.is_empty() {
            (remark("None."))
        } @else {
            (differing(names, &all, &differ))
        }
        (section("Settings of all"))
        (settings(&shared))
    };
    super::whole(&title, &html! { h1 { (title) } }, &body, &[&figures])
}

fn outcomes(runs: &[Record], names: &[String]) -> Markup {
    let head = [
        "run",
        "method",
        "test accuracy",
        "test loss",
        "best dev",
        "token freq.",
        "majority",
        "parameters",
        "steps",
        "s/step",
    ];
    let rows: Vec<Vec<String>> = runs.iter().zip(names).map(row).collect();
    let without = |lacks: fn(&Record) -> bool, what: &str| {
        let lacking = runs.iter().zip(names).filter(|(run, _)| lacks(run));
        let lacking: Vec<&str> = lacking.map(|(_, name)| name.as_str()).collect();
        (!lacking.is_empty()).then(|| format!("{what}: {}.", lacking.join(", ")))
    };
    let remarks = [
        without(
            |run| run.timings.is_none(),
            "No timings.jsonl, so no time a step and no curve over time",
        ),
        without(|run| !run.has_metrics, "No metrics.jsonl, so no curves"),
    ];
    html! {
        (table("Outcome", &head, &rows, 2))
        (remark(
            "A dash: the run has not ended. Best dev: accuracy of the evaluation with the lowest loss. s/step: the median."
        ))
        @if runs.iter().any(|run| exact(run.result.as_ref())) {
            (remark(
                "Exact: nothing was sketched, since the features leave nothing out of the longest example: this is exact \
                 attention under another name."
            ))
        }
        @for text in remarks.iter().flatten() { (remark(text)) }
    }
}

fn exact(result: Option<&Outcome>) -> bool {
    result.and_then(Outcome::exact) == Some(1.0)
}

fn row((run, name): (&Record, &String)) -> Vec<String> {
    let absent = || "–".to_string();
    let result = run.result.as_ref();
    let of = |show: &dyn Fn(&Outcome) -> String| result.map_or_else(absent, show);
    let best = run.evaluations.iter().map(|(_, dev)| dev.dev);
    let best = best.min_by(|a, b| a.loss.total_cmp(&b.loss));
    let best = best.or(result.and_then(|result| result.best_dev));
    vec![
        name.clone(),
        run.config.attn.clone() + if exact(result) { " (exact)" } else { "" },
        of(&|result| percent(result.test.accuracy)),
        of(&|result| format!("{:.4}", result.test.loss)),
        best.map_or_else(absent, |dev| percent(dev.accuracy)),
        of(&|result| percent(result.token_frequency_accuracy)),
        of(&|result| percent(result.majority_accuracy)),
        of(&|result| thousands(result.parameters)),
        thousands(run.done()),
        run.took()
            .map_or_else(absent, |took| format!("{:.3}", took.seconds_per_step)),
    ]
}

fn differing(names: &[String], all: &[Rows], differ: &[usize]) -> Markup {
    let mut head = vec!["run"];
    head.extend(differ.iter().map(|&place| all[0][place].0.as_str()));
    let row = |(settings, name): (&Rows, &String)| {
        let values = differ.iter().map(|&place| settings[place].1.clone());
        [name.clone()].into_iter().chain(values).collect()
    };
    let rows: Vec<Vec<String>> = all.iter().zip(names).map(row).collect();
    table("Settings that differ", &head, &rows, head.len())
}

/// The runs by their settings, in the order of their first; a run alone keeps its name.
fn groups<'a>(runs: &'a [Record], names: &[String], all: &[Rows]) -> Vec<Group<'a>> {
    let but_seed = |settings: &[(String, String)]| -> Rows {
        let settings = settings.iter().filter(|(name, _)| name != SEED);
        settings.cloned().collect()
    };
    let mut found: Vec<(Rows, Vec<usize>)> = Vec::new();
    for (place, settings) in all.iter().enumerate() {
        let key = but_seed(settings);
        match found.iter_mut().find(|(known, _)| *known == key) {
            Some((_, places)) => places.push(place),
            None => found.push((key, vec![place])),
        }
    }
    // Method, with the task if there are several, and what else tells those apart that share it.
    let differ = |keys: &[&Rows], place: usize| keys.iter().any(|key| key[place] != keys[0][place]);
    let keys: Vec<&Rows> = found.iter().map(|(key, _)| key).collect();
    let naming = |key: &Rows| -> Vec<String> {
        let named = NAMING
            .iter()
            .filter_map(|name| key.iter().position(|(known, _)| known == name));
        let told = named.filter(|&place| key[place].0 == "attn" || differ(&keys, place));
        told.map(|place| key[place].1.clone()).collect()
    };
    let name = |(key, places): &(Rows, Vec<usize>)| {
        if let [one] = places[..] {
            return names[one].clone();
        }
        let alike = found
            .iter()
            .filter(|(other, places)| places.len() > 1 && naming(other) == naming(key));
        let alike: Vec<&Rows> = alike.map(|(other, _)| other).collect();
        let told = (0..key.len()).filter(|&place| differ(&alike, place));
        let told: Vec<String> = told
            .map(|place| format!("{} {}", key[place].0, key[place].1))
            .collect();
        let words = [vec![naming(key).join(" ")], told].concat();
        format!("{} ({} runs)", words.join(", "), places.len())
    };
    let group = |one: &(Rows, Vec<usize>)| Group {
        name: name(one),
        runs: one.1.iter().map(|&place| &runs[place]).collect(),
    };
    found.iter().map(group).collect()
}

impl Group<'_> {
    /// How many steps all of its runs have done.
    fn steps(&self) -> usize {
        let steps = self.runs.iter().map(|run| run.steps.len());
        steps.min().unwrap_or(0)
    }

    /// A smoothed number of the steps: of one run all, of several those that all have, so that each mean is over the same
    /// runs.
    fn smooth(&self, of: fn(&Step) -> f64) -> Vec<Points> {
        let steps = self.steps();
        let smooth = |run: &&Record| points(&curve::smooth(&run.over_steps(of)[..steps]));
        self.runs.iter().map(smooth).collect()
    }

    /// A number of the evaluations that all runs have.
    fn evaluations(&self, of: fn(&Evaluation) -> f64) -> Vec<Points> {
        let all = |run: &&Record| -> curve::Steps {
            let all = run.evaluations.iter();
            all.map(|(step, dev)| (*step, of(&dev.dev))).collect()
        };
        curve::shared(&self.runs.iter().map(all).collect::<Vec<_>>())
    }

    /// Smoothed train loss over the time that the steps took, evaluations not counted: seconds divided by `unit`.
    fn over_time(&self, unit: f64) -> Vec<Points> {
        let timed = |run: &&Record| {
            let mut times = HashMap::new();
            let mut sum = 0.0;
            for (step, timing) in run.timings.iter().flatten() {
                sum += timing.seconds / unit;
                times.insert(*step, sum);
            }
            let losses = curve::smooth(&run.over_steps(|step| step.loss)[..self.steps()]);
            let at = |(step, loss): (usize, f64)| Some((*times.get(&step)?, loss));
            losses.into_iter().filter_map(at).collect()
        };
        let timed: Vec<Points> = self.runs.iter().map(timed).collect();
        // Without the clock of one, the others tell nothing of their mean.
        match timed.iter().all(|run| run.len() == timed[0].len()) {
            true => timed,
            false => Vec::new(),
        }
    }

    /// One line of all runs: their mean, and the lowest and the highest beside it.
    fn line(&self, runs: &[Points]) -> Line {
        let points = curve::together(runs);
        let mean: Points = points.iter().map(|point| (point.x, point.mean)).collect();
        let line = Line::new(&self.name, &mean, mean.clone());
        if runs.len() < 2 {
            return line;
        }
        Line {
            low: Some(Numbers(points.iter().map(|point| point.low).collect())),
            high: Some(Numbers(points.iter().map(|point| point.high).collect())),
            ..line
        }
    }
}

fn curves(groups: &[Group]) -> Vec<Curves> {
    let lines = |of: &dyn Fn(&Group) -> Vec<Points>| -> Vec<Line> {
        groups.iter().map(|group| group.line(&of(group))).collect()
    };
    let dev = |of: fn(&Evaluation) -> f64| {
        let lines = lines(&|group| group.evaluations(of));
        lines.into_iter().map(Line::dotted).collect()
    };
    let train = |of: fn(&Step) -> f64| lines(&|group| group.smooth(of));
    let longest = groups.iter().flat_map(|group| &group.runs);
    let longest = longest
        .filter_map(|run| run.took())
        .map(|took: Took| took.seconds);
    let (unit, unit_name) = match longest.fold(0.0, f64::max) {
        ..300.0 => (1.0, "seconds"),
        ..18_000.0 => (60.0, "minutes"),
        _ => (3600.0, "hours"),
    };
    let nats = "cross-entropy (nats)";
    vec![
        over_steps("Dev loss", nats, Scale::Linear, dev(|dev| dev.loss)),
        over_steps(
            "Dev accuracy",
            "accuracy (%)",
            Scale::Linear,
            dev(|dev| 100.0 * dev.accuracy),
        ),
        over_steps("Train loss", nats, Scale::Linear, train(|step| step.loss)),
        Curves {
            x: format!("training time ({unit_name})"),
            ..over_steps(
                "Train loss over time",
                nats,
                Scale::Linear,
                lines(&|group| group.over_time(unit)),
            )
        },
        over_steps(
            "Whole gradient",
            "Euclidean norm",
            Scale::Logarithmic,
            train(|step| step.gradient_norm),
        ),
    ]
}

fn about_curves(groups: &[Group]) -> Markup {
    html! {
        p.soft {
            "Train is the mean of the last fiftieth of a run's steps, of 20 at least where there are 200; of each curve at \
             most " (MOST_POINTS) " points are drawn, evenly chosen."
            @if groups.iter().any(|group| group.runs.len() > 1) {
                " Runs that differ in nothing but their seed are one curve: their mean over the steps that all of them \
                 have, and where scripts run, a band from the lowest to the highest."
            }
        }
    }
}
