//! The page: HTML written by hand, one style sheet inside it, charts as SVG, no script, nothing from elsewhere.
//! Whatever comes from a run passes through [`escaped`].

use super::curve::{self, MOST_POINTS};
use super::record::{Record, Step};
use crate::files::whole_file;
use crate::run::environment::{Computer, Took};
use crate::run::measured::{Evaluation, Norms, Operators};
use crate::run::outcome::Outcome;
use crate::settings::config::Config;
use crate::show::chart::{Chart, Point, Scale, Series, escaped, figure};
use crate::terminal::error::Result;
use crate::terminal::output::{percent, tell};
use std::collections::HashMap;
use std::fmt::{Display, Write};
use std::path::Path;

/// How every page begins, with the words of version 0.1.0: what a report may replace.
pub(crate) const START: &str = "<!doctype html>\n<!-- a report of exp_* runs -->\n";

/// A page under way. Writing to a string cannot fail.
struct Page(String);

impl Page {
    fn new(title: &str) -> Page {
        let title = escaped(title);
        let style = include_str!("style.css");
        Page(format!(
            "{START}<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta http-equiv=\"Content-Security-Policy\" \
             content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
             <title>{title}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        ))
    }

    /// A piece of HTML.
    fn put(&mut self, html: impl Display) {
        let _ = writeln!(self.0, "{html}");
    }

    fn section(&mut self, title: &str) {
        self.put(format_args!("<h2>{}</h2>", escaped(title)));
    }

    /// A paragraph in small print.
    fn remark(&mut self, text: &str) {
        self.put(format_args!("<p class=\"soft\">{}</p>", escaped(text)));
    }

    /// Charts side by side where there is room; charts without a point are left out.
    fn figures(&mut self, charts: &[Chart], names: &[&str]) {
        self.put("<div class=\"figures\">");
        for chart in charts {
            if chart.series.iter().any(|series| !series.points.is_empty()) {
                self.put(format_args!("<figure>{}</figure>", figure(chart, names)));
            }
        }
        self.put("</div>");
    }

    /// Names and values, in columns.
    fn settings(&mut self, rows: &[(String, String)]) {
        self.put("<div class=\"settings\">");
        for (name, value) in rows {
            let (name, value) = (escaped(name), escaped(value));
            self.put(format_args!(
                "<div><span>{name}</span> <span>{value}</span></div>"
            ));
        }
        self.put("</div>");
    }

    /// A table; columns after the first `texts` hold numbers.
    fn table(&mut self, head: &[&str], rows: &[Vec<String>], texts: usize) {
        let class = |column| if column < texts { "text" } else { "n" };
        self.put("<div class=\"wide\"><table>\n<thead><tr>");
        for (column, cell) in head.iter().enumerate() {
            self.put(format_args!(
                "<th class=\"{}\">{}</th>",
                class(column),
                escaped(cell)
            ));
        }
        self.put("</tr></thead>\n<tbody>");
        for row in rows {
            let cells = row.iter().enumerate().map(|(column, cell)| {
                format!("<td class=\"{}\">{}</td>", class(column), escaped(cell))
            });
            self.put(format_args!("<tr>{}</tr>", cells.collect::<String>()));
        }
        self.put("</tbody></table></div>");
    }

    /// Numbers with bars: name, number as it is shown, share of the full length, whether it is what the page is about.
    fn bars(&mut self, rows: &[(String, String, f64, bool)]) {
        self.put("<table class=\"bars\"><tbody>");
        for (name, value, share, own) in rows {
            let width = (100.0 * share).clamp(0.0, 100.0);
            let own = if *own { " class=\"own\"" } else { "" };
            self.put(format_args!(
                "<tr><td>{}</td><td class=\"n\">{}</td>\
                 <td class=\"b\"><div class=\"bar\"><i{own} style=\"width:{width:.2}%\"></i></div></td></tr>",
                escaped(name),
                escaped(value)
            ));
        }
        self.put("</tbody></table>");
    }

    fn end(mut self) -> String {
        self.put(format_args!(
            "<footer>Made by the report of version {}. The file is complete: it loads nothing and runs no \
             script.</footer>\n</body>\n</html>",
            env!("CARGO_PKG_VERSION")
        ));
        self.0
    }
}

/// The report of one run.
pub(crate) fn one(run: &Record) -> String {
    let config = &run.config;
    let task = format!("{:?}", config.task);
    let mut page = Page::new(&format!("{task} with {}: {}", config.attn, run.name()));
    page.put(format_args!(
        "<h1>{task} with {}</h1>",
        escaped(&config.attn)
    ));
    page.put(format_args!(
        "<p class=\"soft\">{} &middot; {} features, seed {}, protocol {}, budget {} &middot; {}</p>",
        escaped(&run.name()),
        config.features,
        config.seed,
        config.protocol.name(),
        config.budget.name(),
        escaped(&state(run))
    ));
    page.section("Outcome");
    outcome(&mut page, run);

    page.section("Curves");
    let stride = curve::stride(run.steps.len());
    let window = curve::window(run.steps.len());
    page.figures(&curves(run), &["train", "dev"]);
    let mut remark = format!(
        "Train is the mean of the last {window} steps, with dropout on; dev is a whole evaluation."
    );
    if stride > 1 {
        let _ = write!(
            remark,
            " Of {} steps, one in {} is drawn.",
            thousands(run.steps.len()),
            stride
        );
    }
    let evaluations = run.evaluations.len();
    if evaluations > MOST_POINTS {
        let stride = curve::stride(evaluations);
        let _ = write!(remark, " Of {evaluations} evaluations, one in {stride} is.");
    }
    if run.timings.is_none() {
        remark += " timings.jsonl is not there: what the steps took is not known.";
    }
    if !run.has_metrics {
        remark = "metrics.jsonl is not there: the run was kept for its outcome.".into();
    }
    page.remark(&remark);

    let charts = norms(run);
    if !charts.is_empty() {
        page.section("Norms by layer");
        let layers: Vec<&str> = charts[0].series.iter().map(|s| s.name.as_str()).collect();
        page.figures(&charts, &layers);
        page.remark(
            "Euclidean norms at each evaluation: of a layer's parameters, and of the gradient of the step before it. \
             Layers are called as in weights.safetensors.",
        );
    }
    page.section("Time by operator");
    match &run.operators {
        Some(measured) => operators(&mut page, measured),
        None => page.remark("Measured when a run ends; operators.json is not there."),
    }
    page.section("Configuration");
    page.settings(&settings(config));
    page.section("Environment");
    page.remark("One entry for every start.");
    for start in &run.starts {
        let rows: Vec<(String, String)> = start
            .iter()
            .map(|(name, value)| (name.replace('_', " "), plain(value)))
            .collect();
        page.settings(&rows);
    }
    page.section("Data");
    data(&mut page, run);
    page.end()
}

fn outcome(page: &mut Page, run: &Record) {
    let Some(result) = &run.result else {
        page.put("<p>The run has not ended: there is no test yet.</p>");
        if let Some((step, dev)) = run.evaluations.last() {
            page.put(format_args!(
                "<p>Dev after step {step}: accuracy {} of {} examples, loss {:.4}.</p>",
                percent(dev.dev.accuracy),
                thousands(dev.dev.examples),
                dev.dev.loss
            ));
        }
        return;
    };
    page.put("<div class=\"outcome\">\n<div>");
    page.put(format_args!(
        "<p class=\"big\">{}</p>\n<p class=\"soft\">test accuracy, {} examples, loss {:.4}</p>",
        percent(result.test.accuracy),
        thousands(result.test.examples),
        result.test.loss
    ));
    page.put("</div>");
    page.bars(&[
        bar("this model", result.test.accuracy, true),
        bar("token frequencies", result.token_frequency_accuracy, false),
        bar("majority class", result.majority_accuracy, false),
    ]);
    page.put("</div>");
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
    page.settings(&rows);
    page.remark(
        "Token frequencies: logistic regression on how often each token occurs, same data. Majority class: the most \
         frequent label of train.",
    );
}

fn bar(name: &str, accuracy: f64, own: bool) -> (String, String, f64, bool) {
    (name.to_string(), percent(accuracy), accuracy, own)
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

/// Loss, accuracy, the whole gradient and the rate, over steps.
fn curves(run: &Record) -> Vec<Chart> {
    let train = |of: fn(&Step) -> f64| series("train", curve::smooth(&run.over_steps(of)));
    let dev = |of: fn(&Evaluation) -> f64| series("dev", evaluations(run, of));
    let rates = curve::thin(&run.over_steps(|step| step.learning_rate));
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
            vec![series("train", rates)],
        ),
    ]
}

fn evaluations(run: &Record, of: fn(&Evaluation) -> f64) -> Vec<(usize, f64)> {
    let all = run
        .evaluations
        .iter()
        .map(|(step, dev)| (*step, of(&dev.dev)));
    curve::thin(&all.collect::<Vec<_>>())
}

fn over_steps(title: &str, y: &str, scale: Scale, series: Vec<Series>) -> Chart {
    Chart {
        title: title.to_string(),
        x: "steps (count)".to_string(),
        y: y.to_string(),
        scales: [Scale::Linear, scale],
        series,
    }
}

fn series(name: &str, points: Vec<(usize, f64)>) -> Series {
    Series {
        name: name.to_string(),
        points: points
            .into_iter()
            .map(|(step, y)| Point {
                x: step as f64,
                y,
                error: 0.0,
            })
            .collect(),
    }
}

/// Norms of parameters and gradients, a line a layer; nothing if the run has none.
fn norms(run: &Record) -> Vec<Chart> {
    let Some((_, first)) = run
        .evaluations
        .iter()
        .find(|(_, dev)| !dev.norms.is_empty())
    else {
        return Vec::new();
    };
    let lines = |of: fn(&Norms) -> f64| {
        let line = |(place, layer): (usize, &Norms)| {
            let points = run.evaluations.iter().filter_map(|(step, dev)| {
                let norms = dev.norms.get(place)?;
                Some((*step, of(norms)))
            });
            series(&layer.layer, curve::thin(&points.collect::<Vec<_>>()))
        };
        first.norms.iter().enumerate().map(line).collect()
    };
    let chart = |title, series| over_steps(title, "Euclidean norm", Scale::Logarithmic, series);
    vec![
        chart("Parameters", lines(|norms| norms.parameters)),
        chart("Gradient", lines(|norms| norms.gradient)),
    ]
}

fn operators(page: &mut Page, measured: &Operators) {
    // Where a clock stood, nothing took any time.
    let total: f64 = measured.operators.iter().map(|o| o.milliseconds()).sum();
    let total = total.max(f64::MIN_POSITIVE);
    let most = measured.operators.iter().map(|o| o.milliseconds());
    let most = most.fold(0.0, f64::max);
    page.put(
        "<div class=\"wide\"><table class=\"bars\">\n<thead><tr><th>operator</th><th class=\"n\">share</th><th></th>\
         <th class=\"n\">forward ms</th><th class=\"n\">backward ms</th><th class=\"n\">calls</th></tr></thead>\n<tbody>",
    );
    for operator in &measured.operators {
        let length = operator.milliseconds() / most.max(f64::MIN_POSITIVE);
        page.put(format_args!(
            "<tr><td>{}</td><td class=\"n\">{}</td>\
             <td class=\"b\"><div class=\"bar\"><i class=\"own\" style=\"width:{:.2}%\"></i></div></td>\
             <td class=\"n\">{:.2}</td><td class=\"n\">{:.2}</td><td class=\"n\">{}</td></tr>",
            escaped(&operator.name),
            percent1(operator.milliseconds() / total),
            100.0 * length,
            operator.forward_ms,
            operator.backward_ms,
            operator.calls,
        ));
    }
    page.put("</tbody></table></div>");
    page.remark(&format!(
        "Forward and backward of {} training examples, {} tokens, with the tested model on one thread when the run \
         ended: {:.1} ms in operators of {:.1} ms in all. What a clock says differs from time to time.",
        measured.examples,
        thousands(measured.tokens),
        total,
        measured.wall_ms
    ));
}

fn data(page: &mut Page, run: &Record) {
    let Some(data) = &run.data else {
        page.remark("The run was begun by a program that did not keep its data report.");
        return;
    };
    let [train, dev, test] = data.examples.map(thousands);
    let kind = match data.builtin {
        true => "made by this program: no number here is a result on the published data",
        false => "read from files",
    };
    page.settings(&[
        ("name".to_string(), data.name.clone()),
        ("source".to_string(), kind.to_string()),
        (
            "examples".to_string(),
            format!("train {train}, dev {dev}, test {test}"),
        ),
        ("classes".to_string(), data.classes.join(", ")),
    ]);
    page.put("<ul>");
    for note in &data.notes {
        page.put(format_args!("<li>{}</li>", escaped(note)));
    }
    page.put(format_args!(
        "<li>SHA-256 of all examples: <code>{}</code></li>\n</ul>",
        escaped(&data.sha256)
    ));
}

/// Runs side by side; `names` tells them apart.
pub(crate) fn several(runs: &[Record], names: &[String]) -> String {
    let mut page = Page::new(&format!("{} runs compared", runs.len()));
    page.put(format_args!("<h1>{} runs compared</h1>", runs.len()));
    page.section("Outcome");
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
    let absent = || "–".to_string();
    let exact = |result: Option<&Outcome>| result.and_then(Outcome::exact) == Some(1.0);
    let rows: Vec<Vec<String>> = runs
        .iter()
        .zip(names)
        .map(|(run, name)| {
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
        })
        .collect();
    page.table(&head, &rows, 2);
    page.remark(
        "A dash: the run has not ended. Best dev: accuracy of the evaluation with the lowest loss. s/step: the median.",
    );
    if runs.iter().any(|run| exact(run.result.as_ref())) {
        page.remark(
            "Exact: nothing was sketched, since the features leave nothing out of the longest example: this is exact \
             attention under another name.",
        );
    }
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
    for remark in remarks.iter().flatten() {
        page.remark(remark);
    }

    page.section("Curves");
    let looks: Vec<&str> = names.iter().map(String::as_str).collect();
    let lines = |of: &dyn Fn(&Record) -> Vec<(usize, f64)>| -> Vec<Series> {
        let line = |(run, name): (&Record, &String)| series(name, of(run));
        runs.iter().zip(names).map(line).collect()
    };
    let smooth = |of: fn(&Step) -> f64| lines(&|run| curve::smooth(&run.over_steps(of)));
    let nats = "cross-entropy (nats)";
    let longest = runs.iter().filter_map(Record::took);
    let longest = longest.map(|took| took.seconds);
    let (unit, unit_name) = match longest.fold(0.0, f64::max) {
        ..300.0 => (1.0, "seconds"),
        ..18_000.0 => (60.0, "minutes"),
        _ => (3600.0, "hours"),
    };
    let over_time = Chart {
        x: format!("training time ({unit_name})"),
        series: runs
            .iter()
            .zip(names)
            .map(|(run, name)| over_time(run, name, unit))
            .collect(),
        ..over_steps("Train loss over time", nats, Scale::Linear, Vec::new())
    };
    page.figures(
        &[
            over_steps(
                "Dev loss",
                nats,
                Scale::Linear,
                lines(&|run| evaluations(run, |dev| dev.loss)),
            ),
            over_steps(
                "Dev accuracy",
                "accuracy (%)",
                Scale::Linear,
                lines(&|run| evaluations(run, |dev| 100.0 * dev.accuracy)),
            ),
            over_steps("Train loss", nats, Scale::Linear, smooth(|step| step.loss)),
            over_time,
            over_steps(
                "Whole gradient",
                "Euclidean norm",
                Scale::Logarithmic,
                smooth(|step| step.gradient_norm),
            ),
        ],
        &looks,
    );
    page.remark(&format!(
        "Train is the mean of the last fiftieth of a run's steps, of 20 at least where there are 200; of each curve at most \
         {MOST_POINTS} points are drawn, evenly chosen."
    ));

    page.section("Settings that differ");
    let all: Vec<Vec<(String, String)>> = runs.iter().map(settings_and_origin).collect();
    let differ: Vec<usize> = (0..all[0].len())
        .filter(|&place| all.iter().any(|one| one[place] != all[0][place]))
        .collect();
    if differ.is_empty() {
        page.remark("None.");
    } else {
        let mut head = vec!["run"];
        head.extend(differ.iter().map(|&place| all[0][place].0.as_str()));
        let rows: Vec<Vec<String>> = all
            .iter()
            .zip(names)
            .map(|(settings, name)| {
                let values = differ.iter().map(|&place| settings[place].1.clone());
                [name.clone()].into_iter().chain(values).collect()
            })
            .collect();
        page.table(&head, &rows, head.len());
    }
    let shared: Vec<(String, String)> = all[0]
        .iter()
        .enumerate()
        .filter(|(place, _)| !differ.contains(place))
        .map(|(_, setting)| setting.clone())
        .collect();
    page.section("Settings of all");
    page.settings(&shared);
    page.end()
}

/// Smoothed train loss over the time that the steps took, evaluations not counted: seconds divided by `unit`.
fn over_time(run: &Record, name: &str, unit: f64) -> Series {
    let mut times = HashMap::new();
    let mut sum = 0.0;
    for (step, timing) in run.timings.iter().flatten() {
        sum += timing.seconds / unit;
        times.insert(*step, sum);
    }
    let losses = curve::smooth(&run.over_steps(|step| step.loss));
    let timed = losses.into_iter().filter_map(|(step, loss)| {
        Some(Point {
            x: *times.get(&step)?,
            y: loss,
            error: 0.0,
        })
    });
    Series {
        name: name.to_string(),
        points: timed.collect(),
    }
}

/// Every setting, then what the run was computed from and by.
fn settings_and_origin(run: &Record) -> Vec<(String, String)> {
    let mut rows = settings(&run.config);
    let data = run.data_sha256().unwrap_or("unknown");
    rows.push(("SHA-256 of the data".to_string(), data.to_string()));
    for (name, value) in Computer::facts(&run.computed_by) {
        rows.push((name.to_string(), value));
    }
    rows
}

/// Every setting as config.toml has it.
fn settings(config: &Config) -> Vec<(String, String)> {
    let table = config.to_toml().parse::<toml::Table>().unwrap_or_default();
    let text = config.to_toml();
    // In the order of the file, which a table does not keep.
    let names = text
        .lines()
        .filter_map(|line| Some(line.split_once(" = ")?.0));
    names
        .filter_map(|name| Some((name.replace('_', " "), plain(table.get(name)?))))
        .collect()
}

/// A value as people write it.
fn plain(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(", "),
        value => value.to_string(),
    }
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

fn percent1(share: f64) -> String {
    format!("{:.1}%", 100.0 * share)
}

fn thousands(number: usize) -> String {
    indicatif::HumanCount(number as u64).to_string()
}

/// Writes report.html into the folder of a run.
pub(crate) fn write(folder: &Path) -> Result<()> {
    let page = one(&Record::read(folder)?);
    whole_file::write(&folder.join("report.html"), &[page.as_bytes()])
}

/// The same when the run has just ended: that it cannot be written leaves a run that has ended all the same.
pub(crate) fn write_at_end(folder: &Path) {
    if let Err(error) = write(folder) {
        tell(&format!("note: the run has ended, but {error}"));
    }
}
