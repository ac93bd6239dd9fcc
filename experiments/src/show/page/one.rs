//! The report of one run: outcome, curves, norms by layer, time by operator, configuration, environment, data.

use super::figures::{Curves, Figures, Line, over_steps, wide as points};
use super::parts::{
    percent1, plain, remark, section, settings, settings_of, share, thousands, wide,
};
use crate::run::environment::{Computer, Took};
use crate::run::measured::{Evaluation, Norms, Operators};
use crate::run::outcome::Outcome;
use crate::show::chart::Scale;
use crate::show::curve::{self, Steps};
use crate::show::record::{Record, Step};
use crate::terminal::output::percent;
use maud::{Markup, html};

/// Steps whose every number is in the page, about 40 bytes each; of longer runs it has the extremes.
const MOST_STEPS: usize = 100_000;

/// The report of one run.
pub(crate) fn one(run: &Record) -> String {
    let config = &run.config;
    let task = format!("{:?}", config.task);
    let about = html! {
        h1 { (task) " with " (config.attn) }
        p.soft {
            (run.name()) " · " (config.features) " features, seed " (config.seed) ", protocol "
            (config.protocol.name()) ", budget " (config.budget.name()) " · " (state(run))
        }
    };
    let window = curve::window(run.steps.len());
    let curves = Figures::new("curves", window, curves(run));
    let norms = Figures::new("norms", 1, norms(run));
    let body = html! {
        (section("Outcome"))
        (outcome(run))
        (section("Curves"))
        @if !curves.is_empty() { (curves.show()) }
        (about_curves(run, window))
        @if !norms.is_empty() {
            (section("Norms by layer"))
            (norms.show())
            (remark(
                "Euclidean norms at each evaluation: of a layer's parameters, and of the gradient of the step before \
                 it. Layers are called as in weights.safetensors."
            ))
        }
        (section("Time by operator"))
        @match &run.operators {
            Some(measured) => (operators(measured)),
            None => (remark("Measured when a run ends; operators.json is not there.")),
        }
        (section("Configuration"))
        (settings(&settings_of(config)))
        p { "The command that makes this run again:" }
        code.command { (config.command()) }
        (remark(
            "To the same bits by the same code, product and kernel path, from the same data; their hashes stand above \
             and below."
        ))
        (section("Environment"))
        (remark("One entry for every start."))
        @for start in &run.starts {
            (settings(&start.iter().map(|(name, value)| (name.replace('_', " "), plain(value))).collect::<Vec<_>>()))
        }
        (section("Data"))
        (data(run))
    };
    let title = format!("{task} with {}: {}", config.attn, run.name());
    super::whole(&title, &about, &body, &[&curves, &norms])
}

fn state(run: &Record) -> String {
    match run.result {
        Some(_) => "the run has ended".to_string(),
        None => format!(
            "after step {} of {}",
            thousands(run.done()),
            thousands(run.config.steps)
        ),
    }
}

/// What was done to the numbers of the curves.
fn about_curves(run: &Record, window: usize) -> Markup {
    if !run.has_metrics {
        return remark("metrics.jsonl is not there: the run was kept for its outcome.");
    }
    let (steps, evaluations) = (run.steps.len(), run.evaluations.len());
    let mut still = format!("Train is the mean of the last {window} steps");
    let mut also = String::new();
    let stride = curve::stride(steps);
    if stride > 1 {
        also = format!(" Of {} steps, one in {stride} is drawn.", thousands(steps));
    }
    if evaluations > curve::MOST_POINTS {
        also += &format!(
            " Of {} evaluations, the lowest and the highest of each part are.",
            thousands(evaluations)
        );
    }
    still += &format!(".{also} With scripts, the curves can be zoomed and tell their numbers.");
    html! {
        noscript { (remark(&still)) }
        p.soft {
            "Train is with dropout on"
            @if !run.evaluations.is_empty() { "; dev is a whole evaluation" }
            "."
            @if steps > MOST_STEPS {
                " Of " (thousands(steps)) " steps, the lowest and the highest of each part are in this page."
            }
            @if run.timings.is_none() {
                " timings.jsonl is not there: what the steps took is not known."
            }
        }
    }
}

fn outcome(run: &Record) -> Markup {
    let Some(result) = &run.result else {
        return html! {
            p { "The run has not ended: there is no test yet." }
            @if let Some((step, dev)) = run.evaluations.last() {
                p {
                    "Dev after step " (step) ": accuracy " (percent(dev.dev.accuracy)) " of "
                    (thousands(dev.dev.examples)) " examples, loss " (format!("{:.4}", dev.dev.loss)) "."
                }
            }
        };
    };
    let bars = [
        ("this model", result.test.accuracy, true),
        ("token frequencies", result.token_frequency_accuracy, false),
        ("majority class", result.majority_accuracy, false),
    ];
    html! {
        div.outcome {
            div {
                p.big { (percent(result.test.accuracy)) }
                p.soft {
                    "test accuracy, " (thousands(result.test.examples)) " examples, loss "
                    (format!("{:.4}", result.test.loss))
                }
            }
            table.bars { tbody {
                @for (name, accuracy, own) in bars {
                    tr { td { (name) } td.n { (percent(accuracy)) } td.b { (share(accuracy, own)) } }
                }
            } }
        }
        (settings(&facts(run, result)))
        (remark(
            "Token frequencies: logistic regression on how often each token occurs, same data. Majority class: the most \
             frequent label of train."
        ))
        @if let Some(rows) = &result.confusion {
            (confusion(rows, run.data.as_ref().map(|data| &data.classes[..])))
        }
    }
}

/// What the test says beside its accuracy.
fn facts(run: &Record, result: &Outcome) -> Vec<(String, String)> {
    let mut rows = vec![
        ("data".to_string(), result.data.clone()),
        ("weights tested".to_string(), tested(result)),
    ];
    if let Some(dev) = result.best_dev {
        rows.push(("best on dev".to_string(), evaluation(&dev)));
    }
    if let Some(part) = result.exact().filter(|&part| part > 0.0) {
        let value = format!(
            "in {} of the examples, of which nothing is sketched",
            percent(part)
        );
        rows.push(("exact attention".to_string(), value));
    }
    for (name, value) in Computer::facts(&run.computed_by) {
        rows.push((name.to_string(), value));
    }
    rows.push(("parameters".to_string(), thousands(result.parameters)));
    rows.push(("steps".to_string(), thousands(result.steps)));
    if let Some(took) = run.took() {
        rows.push(("training time".to_string(), time(&took)));
        if let Some(peak) = took.peak_mib {
            rows.push((
                "most memory".to_string(),
                format!("{peak:.0} MiB, data included"),
            ));
        }
    }
    rows
}

/// For each class, what its examples were taken for: shares of the row, and how many.
fn confusion(rows: &[Vec<usize>], classes: Option<&[String]>) -> Markup {
    let name = |class: usize| match classes.and_then(|classes| classes.get(class)) {
        Some(name) => name.clone(),
        None => format!("class {class}"),
    };
    let field = |count: usize, of: usize| {
        let part = count as f64 / of.max(1) as f64;
        let style = format!("--part:{}", percent(part));
        html! {
            td.field.deep[part > 0.5] style=(style) {
                (if of > 0 { percent1(part) } else { "–".to_string() }) small { (thousands(count)) }
            }
        }
    };
    html! {
        h3 { "What was taken for what" }
        (wide("What was taken for what", &html! {
            table.confusion {
                thead { tr {
                    th scope="col" { "is ↓  taken for →" }
                    @for class in 0..rows.len() { th scope="col" { (name(class)) } }
                    th scope="col" { "examples" }
                } }
                tbody {
                    @for (class, row) in rows.iter().enumerate() {
                        tr {
                            th scope="row" { (name(class)) }
                            @for &count in row { (field(count, row.iter().sum())) }
                            td.n { (thousands(row.iter().sum())) }
                        }
                    }
                }
            }
        }))
        (remark("Test examples of each class: the part of them that was taken for each, and how many these are."))
    }
}

fn tested(result: &Outcome) -> String {
    let step = thousands(result.tested_weights_of_step);
    match result.tested_weights_of_step == result.steps {
        true => format!("after step {step}, the last"),
        false => format!("after step {step}, lowest dev loss"),
    }
}

fn evaluation(dev: &Evaluation) -> String {
    format!("{}, loss {:.4}", percent(dev.accuracy), dev.loss)
}

fn time(took: &Took) -> String {
    let whole = took.seconds.round() as u64;
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    let rate = took.tokens_per_second.map_or(String::new(), |rate| {
        format!(", {} tokens a second", thousands(rate as usize))
    });
    format!(
        "{hours} h {minutes:02} min {seconds:02} s, {:.3} s a step (median){rate}",
        took.seconds_per_step
    )
}

/// Loss, accuracy, the whole gradient and the rate, over steps.
fn curves(run: &Record) -> Vec<Curves> {
    let steps = |of: fn(&Step) -> f64, still: fn(&[(usize, f64)]) -> Steps| {
        let all = run.over_steps(of);
        let kept = points(&curve::extremes(&all, MOST_STEPS));
        Line::new("train", &kept, points(&still(&all)))
    };
    let train = |of| steps(of, curve::smooth);
    let dev = |of: fn(&Evaluation) -> f64| {
        let all = run
            .evaluations
            .iter()
            .map(|(step, dev)| (*step, of(&dev.dev)));
        let all: Steps = all.collect();
        Line::new("dev", &points(&all), points(&curve::thin(&all))).dotted()
    };
    vec![
        over_steps(
            "Loss",
            "cross-entropy (nats)",
            Scale::Linear,
            vec![train(|step| step.loss), dev(|dev| dev.loss)],
        ),
        over_steps(
            "Accuracy",
            "accuracy (%)",
            Scale::Linear,
            vec![
                train(|step| 100.0 * step.accuracy),
                dev(|dev| 100.0 * dev.accuracy),
            ],
        ),
        over_steps(
            "Whole gradient",
            "Euclidean norm",
            Scale::Logarithmic,
            vec![train(|step| step.gradient_norm)],
        ),
        over_steps(
            "Learning rate",
            "learning rate",
            Scale::Linear,
            vec![steps(|step| step.learning_rate, curve::thin).dotted()],
        ),
    ]
}

/// Norms of parameters and gradients, a line a layer; nothing if the run has none.
fn norms(run: &Record) -> Vec<Curves> {
    let mut with_norms = run.evaluations.iter().map(|(_, dev)| &dev.norms);
    let Some(first) = with_norms.find(|norms| !norms.is_empty()) else {
        return Vec::new();
    };
    let lines = |of: fn(&Norms) -> f64| {
        let line = |(place, layer): (usize, &Norms)| {
            let norms = run.evaluations.iter().filter_map(|(step, dev)| {
                let norms = dev.norms.get(place)?;
                Some((*step, of(norms)))
            });
            let norms: Steps = norms.collect();
            Line::new(&layer.layer, &points(&norms), points(&curve::thin(&norms)))
        };
        first.iter().enumerate().map(line).collect()
    };
    let chart = |title, series| over_steps(title, "Euclidean norm", Scale::Logarithmic, series);
    vec![
        chart("Parameters", lines(|norms| norms.parameters)),
        chart("Gradient", lines(|norms| norms.gradient)),
    ]
}

fn operators(measured: &Operators) -> Markup {
    let times = || measured.operators.iter().map(|one| one.milliseconds());
    // Where a clock stood, nothing took any time.
    let total = times().sum::<f64>().max(f64::MIN_POSITIVE);
    let most = times().fold(f64::MIN_POSITIVE, f64::max);
    html! {
        (wide("Time by operator", &html! {
            table.bars {
                thead { tr {
                    th { "operator" } th.n { "share" } th {} th.n { "forward ms" } th.n { "backward ms" } th.n { "calls" }
                } }
                tbody {
                    @for one in &measured.operators {
                        tr {
                            td { (one.name) }
                            td.n { (percent1(one.milliseconds() / total)) }
                            td.b { (share(one.milliseconds() / most, true)) }
                            td.n { (format!("{:.2}", one.forward_ms)) }
                            td.n { (format!("{:.2}", one.backward_ms)) }
                            td.n { (one.calls) }
                        }
                    }
                }
            }
        }))
        (remark(&format!(
            "Forward and backward of {} training examples, {} tokens, with the tested model on one thread when the run \
             ended: {:.1} ms in operators of {:.1} ms in all. What a clock says differs from time to time.",
            measured.examples,
            thousands(measured.tokens),
            total,
            measured.wall_ms
        )))
    }
}

fn data(run: &Record) -> Markup {
    let Some(data) = &run.data else {
        return remark("The run was begun by a program that did not keep its data report.");
    };
    let [train, dev, test] = data.examples.map(thousands);
    let kind = match data.builtin {
        true => "made by this program: no number here is a result on the published data",
        false => "read from files",
    };
    let rows = [
        ("name".to_string(), data.name.clone()),
        ("source".to_string(), kind.to_string()),
        (
            "examples".to_string(),
            format!("train {train}, dev {dev}, test {test}"),
        ),
        ("classes".to_string(), data.classes.join(", ")),
    ];
    html! {
        (settings(&rows))
        ul {
            @for note in &data.notes { li { (note) } }
            li { "SHA-256 of all examples: " code { (data.sha256) } }
        }
    }
}
