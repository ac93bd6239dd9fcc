//! Charts as SVG: panels with linear or logarithmic axes and error bars; side by side with one legend
//! beside them all ([`svg`]), or each alone ([`figure`]) with the keys of a legend that the page has once ([`key`]).
//!
//! Series are told apart twice, by colours that colour-blind readers can tell apart (Okabe and Ito
//! 2008, without their yellow, which white swallows) and by markers, a few on a long line; the eighth
//! begins the colours again with dashes and other markers. A name has the same look in every panel.

use std::f64::consts::TAU;
use std::fmt::Write;

/// One panel.
pub(crate) struct Chart {
    pub(crate) title: String,
    /// What the axes mean, with units.
    pub(crate) x: String,
    pub(crate) y: String,
    /// Of x and y.
    pub(crate) scales: [Scale; 2],
    pub(crate) series: Vec<Series>,
}

/// How numbers become places on an axis.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Scale {
    Linear,
    Logarithmic,
}

/// A line of points.
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) points: Vec<Point>,
}

/// A point with its standard error in y. Numbers that an axis has no place for, on a logarithmic one 0
/// among them, are left out.
#[derive(Clone, Copy)]
pub(crate) struct Point {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) error: f64,
}

const COLOURS: [&str; 7] = [
    "#000000", "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9",
];
const PANELS_A_ROW: usize = 2;
/// The area of data.
const WIDTH: f64 = 330.0;
const HEIGHT: f64 = 270.0;
const LEFT: f64 = 76.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 50.0;
/// Pixels between lines of the legend.
const LINE: f64 = 20.0;

/// Of a line with more points than this, not every one has a marker.
const MARKED: usize = 24;
/// Pixels of a letter in the legend, about.
const LETTER: f64 = 6.6;

/// An axis: numbers to pixels.
struct Axis {
    scale: Scale,
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Scale {
    fn has(self, x: f64) -> bool {
        x.is_finite() && (self == Scale::Linear || x > 0.0)
    }
}

impl Axis {
    fn at(&self, x: f64) -> f64 {
        let part = match self.scale {
            Scale::Linear => (x - self.low) / (self.high - self.low),
            Scale::Logarithmic => (x / self.low).ln() / (self.high / self.low).ln(),
        };
        self.from + part * (self.to - self.from)
    }
}

/// What a picture begins with, its sizes in between.
pub(super) const START: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\"";
pub(super) const LOOK: &str = " font-family=\"sans-serif\" font-size=\"12\">\n\
                    <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n";

/// Whether this is the beginning of a picture by [`svg`].
pub(crate) fn is_svg(text: &str) -> bool {
    let tag = text.find('>').unwrap_or(0);
    text.starts_with(START)
        && LOOK
            .find('>')
            .is_some_and(|end| text[..tag].ends_with(&LOOK[..end]))
}

/// The charts as one SVG.
pub(crate) fn svg(charts: &[Chart]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for series in charts.iter().flat_map(|chart| &chart.series) {
        if !names.contains(&series.name.as_str()) {
            names.push(&series.name);
        }
    }
    let columns = charts.len().clamp(1, PANELS_A_ROW);
    let rows = charts.len().div_ceil(columns);
    let (panel_width, panel_height) = (LEFT + WIDTH + RIGHT, TOP + HEIGHT + BOTTOM);
    let legend_height = TOP + LINE * names.len() as f64 + 10.0;
    let longest = names.iter().map(|name| name.chars().count()).max();
    // More than most fonts need: nothing goes on where the picture ends.
    let legend_width = 54.0 + 1.15 * LETTER * longest.unwrap_or(0) as f64;
    let width = columns as f64 * panel_width + legend_width;
    let height = (rows as f64 * panel_height).max(legend_height);
    let mut svg = format!(
        "{START} width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\"{LOOK}"
    );
    for (i, chart) in charts.iter().enumerate() {
        let (x, y) = (
            (i % columns) as f64 * panel_width,
            (i / columns) as f64 * panel_height,
        );
        let _ = writeln!(svg, "<g transform=\"translate({x} {y})\">");
        panel(&mut svg, chart, &names);
        svg.push_str("</g>\n");
    }
    let x = columns as f64 * panel_width + 8.0;
    for (i, name) in names.iter().enumerate() {
        let y = TOP + LINE * (i as f64 + 0.5);
        line(&mut svg, i, &[(x, y), (x + 30.0, y)]);
        marker(&mut svg, i, x + 15.0, y);
        text(&mut svg, x + 38.0, y + 4.0, "start", "", name);
    }
    svg.push_str("</svg>\n");
    svg
}

/// One chart as an SVG for a page; `names` are all that have a look on that page, and have a [`key`].
pub(crate) fn figure(chart: &Chart, names: &[&str]) -> String {
    let (width, height) = (LEFT + WIDTH + RIGHT, TOP + HEIGHT + BOTTOM);
    let title = escaped(&chart.title);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{title}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n"
    );
    panel(&mut svg, chart, names);
    svg.push_str("</svg>");
    svg
}

/// How a name looks in the figures of a page, for its legend.
pub(crate) fn key(name: &str, names: &[&str]) -> String {
    let look = look(names, name);
    let mut svg = "<svg viewBox=\"0 0 34 14\" aria-hidden=\"true\">\n".to_string();
    line(&mut svg, look, &[(2.0, 7.0), (32.0, 7.0)]);
    marker(&mut svg, look, 17.0, 7.0);
    svg.push_str("</svg>");
    svg
}

/// The place of a name among those that have a look.
fn look(names: &[&str], name: &str) -> usize {
    names.iter().position(|known| *known == name).unwrap_or(0)
}

fn panel(svg: &mut String, chart: &Chart, names: &[&str]) {
    let [x_scale, y_scale] = chart.scales;
    let shown = |point: &&Point| x_scale.has(point.x) && y_scale.has(point.y);
    let bar = |point: &Point| bar(point, y_scale);
    let points = || {
        chart
            .series
            .iter()
            .flat_map(|series| &series.points)
            .filter(shown)
    };
    let tops = points().flat_map(|point| [point.y, point.y + bar(point), point.y - bar(point)]);
    let ((left, right), (low, high)) = (
        bounds(points().map(|point| point.x), x_scale, 2f64.powf(0.25)),
        bounds(tops, y_scale, 1.15),
    );
    let x = Axis {
        scale: x_scale,
        low: left,
        high: right,
        from: LEFT,
        to: LEFT + WIDTH,
    };
    let y = Axis {
        scale: y_scale,
        low,
        high,
        from: TOP + HEIGHT,
        to: TOP,
    };
    let (bottom, end) = (TOP + HEIGHT, LEFT + WIDTH);
    let x_ticks = match x_scale {
        Scale::Linear => linear_ticks(left, right),
        Scale::Logarithmic => two_at_least(x_ticks(left, right), left, right),
    };
    let y_ticks = match y_scale {
        Scale::Linear => linear_ticks(low, high),
        // Within a factor of two, round numbers are as good at even distances.
        Scale::Logarithmic if high < 2.0 * low => linear_ticks(low, high),
        Scale::Logarithmic => two_at_least(y_ticks(low, high), low, high),
    };
    for tick in x_ticks {
        let at = x.at(tick);
        grid(svg, at, TOP, at, bottom);
        text(svg, at, bottom + 18.0, "middle", "", &number(tick));
    }
    for tick in y_ticks {
        let at = y.at(tick);
        grid(svg, LEFT, at, end, at);
        text(svg, LEFT - 6.0, at + 4.0, "end", "", &number(tick));
    }
    let _ = writeln!(
        svg,
        "<rect x=\"{LEFT}\" y=\"{TOP}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" \
         fill=\"none\" stroke=\"#444\"/>"
    );
    let middle = LEFT + WIDTH / 2.0;
    text(
        svg,
        middle,
        TOP - 12.0,
        "middle",
        " font-size=\"14\"",
        &chart.title,
    );
    text(svg, middle, bottom + 38.0, "middle", "", &chart.x);
    let turned = format!(" transform=\"rotate(-90 18 {})\"", TOP + HEIGHT / 2.0);
    text(svg, 18.0, TOP + HEIGHT / 2.0, "middle", &turned, &chart.y);
    for series in &chart.series {
        let look = look(names, &series.name);
        let points: Vec<&Point> = series.points.iter().filter(shown).collect();
        let place = |point: &&Point| (x.at(point.x), y.at(point.y));
        line(svg, look, &points.iter().map(place).collect::<Vec<_>>());
        let stride = match points.len() {
            ..=MARKED => 1,
            many => many.div_ceil(MARKED / 3),
        };
        // The last is marked; of several lines not all at the same places.
        for point in points
            .iter()
            .rev()
            .skip(stride * (look % 7) / 7)
            .step_by(stride)
        {
            let (px, py) = (x.at(point.x), y.at(point.y));
            let (up, down) = (y.at(point.y + bar(point)), y.at(point.y - bar(point)));
            if down - up > 1.0 {
                let colour = COLOURS[look % COLOURS.len()];
                let _ = writeln!(
                    svg,
                    "<path d=\"M{px:.1} {up:.1}V{down:.1}M{:.1} {up:.1}h6M{:.1} {down:.1}h6\" \
                     stroke=\"{colour}\" fill=\"none\"/>",
                    px - 3.0,
                    px - 3.0
                );
            }
            marker(svg, look, px, py);
        }
    }
}

/// Half the length of an error bar, short of zero where a logarithmic axis has no end.
fn bar(point: &Point, scale: Scale) -> f64 {
    match (point.error.is_finite(), scale) {
        (false, _) => 0.0,
        (true, Scale::Linear) => point.error,
        (true, Scale::Logarithmic) => point.error.min(0.9 * point.y),
    }
}

/// The smallest and the largest number with some room around: a factor, or a twentieth of the range.
fn bounds(numbers: impl Iterator<Item = f64>, scale: Scale, room: f64) -> (f64, f64) {
    let (low, high) = numbers.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| {
        (low.min(x), high.max(x))
    });
    match (low <= high, scale) {
        (true, Scale::Logarithmic) => (low / room, high * room),
        (true, Scale::Linear) if low < high => {
            let room = 0.05 * (high - low);
            // What is never negative is not shown as if it could be.
            let floor = if low >= 0.0 { 0.0 } else { f64::NEG_INFINITY };
            ((low - room).max(floor), high + room)
        }
        (true, Scale::Linear) => {
            // Half a unit would be nothing beside a huge number, and all beside a rate.
            let room = match low {
                0.0 => 0.5,
                low => 0.5 * low.abs(),
            };
            (low - room, high + room)
        }
        (false, _) => (0.5, 2.0),
    }
}

/// Round numbers, three to eight of them: more would not have room for their digits.
fn linear_ticks(low: f64, high: f64) -> Vec<f64> {
    let least = (high - low) / 7.0;
    let exponent = least.log10().floor() as i32;
    let long_enough = |digit: &f64| digit * 10f64.powi(exponent) >= least;
    let digit = [1.0, 2.0, 5.0]
        .into_iter()
        .find(long_enough)
        .unwrap_or(10.0);
    let step = digit * 10f64.powi(exponent);
    let (first, last) = ((low / step).ceil() as i64, (high / step).floor() as i64);
    // Through the decimal form, which is exact where a product would not be.
    let tick = |k: i64| format!("{}e{exponent}", k * digit as i64).parse::<f64>();
    (first..=last).filter_map(|k| tick(k).ok()).collect()
}

/// One number alone says nothing of a scale: round numbers at even distances, then.
fn two_at_least(ticks: Vec<f64>, low: f64, high: f64) -> Vec<f64> {
    match ticks.len() {
        0 | 1 => linear_ticks(low, high),
        _ => ticks,
    }
}

/// Powers of two; where they are too many to be read, and for numbers some of which are below 1,
/// such as learning rates and milliseconds, powers of ten and some between.
fn x_ticks(low: f64, high: f64) -> Vec<f64> {
    if low < 0.5 || high > 512.0 * low {
        return y_ticks(low, high);
    }
    let exponents = low.log2().ceil() as i32..=high.log2().floor() as i32;
    exponents.map(|exponent| 2f64.powi(exponent)).collect()
}

/// Powers of ten; over few decades also the twice and five times, over very few every one.
fn y_ticks(low: f64, high: f64) -> Vec<f64> {
    let decades = (high / low).log10();
    let digits: &[f64] = match decades {
        ..0.5 => &[1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0],
        ..3.5 => &[1.0, 2.0, 5.0],
        _ => &[1.0],
    };
    let exponents = low.log10().floor() as i32..=high.log10().ceil() as i32;
    let all = exponents.flat_map(|exponent| digits.iter().map(move |&digit| (digit, exponent)));
    // Through its decimal form, which is exact where a product would not be.
    all.map(|(digit, exponent)| format!("{digit}e{exponent}").parse::<f64>().unwrap_or(1.0))
        .filter(|tick| (low..=high).contains(tick))
        .collect()
}

pub(super) fn number(x: f64) -> String {
    match x.abs() {
        0.0 | 1e-3..1e6 => x.to_string(),
        _ => format!("{x:e}"),
    }
}

fn grid(svg: &mut String, x1: f64, y1: f64, x2: f64, y2: f64) {
    let _ = writeln!(
        svg,
        "<path d=\"M{x1:.1} {y1:.1}L{x2:.1} {y2:.1}\" stroke=\"#ddd\"/>"
    );
}

pub(super) fn text(svg: &mut String, x: f64, y: f64, anchor: &str, more: &str, text: &str) {
    let text = escaped(text);
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\"{more}>{text}</text>"
    );
}

/// The text as it may stand between tags and in quoted attributes.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // No control character may stand in XML or HTML.
            letter if letter.is_control() => out.push('\u{fffd}'),
            letter => out.push(letter),
        }
    }
    out
}

fn line(svg: &mut String, look: usize, points: &[(f64, f64)]) {
    let colour = COLOURS[look % COLOURS.len()];
    let dashes = match look / COLOURS.len() {
        0 => "",
        1 => " stroke-dasharray=\"6 3\"",
        _ => " stroke-dasharray=\"2 3\"",
    };
    let points: Vec<String> = points
        .iter()
        .map(|(x, y)| format!("{x:.1},{y:.1}"))
        .collect();
    let _ = writeln!(
        svg,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.6\"{dashes}/>",
        points.join(" ")
    );
}

/// Filled for the first seven series, hollow for the next, then hollow with a dot in the middle, then
/// filled with a white one.
fn marker(svg: &mut String, look: usize, x: f64, y: f64) {
    let colour = COLOURS[look % COLOURS.len()];
    let (fill, dot) = match look / COLOURS.len() {
        0 => (colour, None),
        1 => ("white", None),
        2 => ("white", Some(colour)),
        _ => (colour, Some("white")),
    };
    let corners = |count: usize, radius: f64, turn: f64| -> String {
        let corner = |i: usize| {
            let angle = TAU * (i as f64 / count as f64 + turn);
            format!(
                "{:.1},{:.1}",
                x + radius * angle.sin(),
                y - radius * angle.cos()
            )
        };
        (0..count).map(corner).collect::<Vec<_>>().join(" ")
    };
    let shape = match look % COLOURS.len() {
        0 => format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\""),
        1 => format!("<polygon points=\"{}\"", corners(4, 5.2, 0.125)),
        2 => format!("<polygon points=\"{}\"", corners(3, 5.4, 0.0)),
        3 => format!("<polygon points=\"{}\"", corners(4, 5.2, 0.0)),
        4 => format!("<polygon points=\"{}\"", corners(3, 5.4, 0.5)),
        5 => format!("<polygon points=\"{}\"", corners(5, 5.0, 0.0)),
        _ => format!("<polygon points=\"{}\"", corners(6, 4.8, 0.0)),
    };
    let _ = writeln!(
        svg,
        "{shape} fill=\"{fill}\" stroke=\"{colour}\" stroke-width=\"1.2\"/>"
    );
    if let Some(dot) = dot {
        let _ = writeln!(
            svg,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"1.5\" fill=\"{dot}\"/>"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(points: &[(f64, f64, f64)]) -> Chart {
        let point = |&(x, y, error): &(f64, f64, f64)| Point { x, y, error };
        Chart {
            title: "a < b".to_string(),
            x: "features d".to_string(),
            y: "error".to_string(),
            scales: [Scale::Logarithmic; 2],
            series: vec![Series {
                name: "skein".to_string(),
                points: points.iter().map(point).collect(),
            }],
        }
    }

    #[test]
    fn points_without_a_place_on_logarithmic_axes_are_left_out() {
        let with = chart(&[(16.0, 1.0, 0.1), (32.0, 0.0, 0.1), (64.0, f64::NAN, 0.1)]);
        let without = chart(&[(16.0, 1.0, 0.1)]);
        assert_eq!(svg(&[with]), svg(&[without]));
        assert!(!svg(&[chart(&[])]).contains("NaN"));
        let large = svg(&[chart(&[(16.0, 1.0, 5.0), (32.0, 1.0, f64::INFINITY)])]);
        assert!(!large.contains("NaN") && !large.contains("inf"));
    }

    #[test]
    fn every_point_of_many_series_has_a_marker_and_no_two_series_look_alike() {
        let mut many = chart(&[]);
        many.series = (0..28)
            .map(|i| Series {
                name: format!("method {i}"),
                points: vec![Point {
                    x: 1.0,
                    y: 1.0,
                    error: 0.0,
                }],
            })
            .collect();
        let svg = svg(&[many]);
        let (panel, legend) = svg.split_once("</g>").unwrap();
        for part in [panel, legend] {
            // Those of the first of seven are circles; the last two rounds have a dot each.
            assert_eq!(part.matches("<polygon").count(), 4 * 6);
            assert_eq!(part.matches("<circle").count(), 4 + 2 * 7);
        }
        let mut looks: Vec<String> = Vec::new();
        for look in 0..28 {
            let mut one = String::new();
            marker(&mut one, look, 0.0, 0.0);
            assert!(!looks.contains(&one), "{look}");
            looks.push(one);
        }
    }

    #[test]
    fn names_are_escaped_and_stand_in_the_legend_once() {
        let points = [(16.0, 1.0, 0.1), (32.0, 0.5, 0.0)];
        let svg = svg(&[chart(&points), chart(&points)]);
        assert_eq!(svg.matches(">skein<").count(), 1);
        assert_eq!(svg.matches(">a &lt; b<").count(), 2);
        assert_eq!(svg.matches("<g ").count(), svg.matches("</g>").count());
    }

    #[test]
    fn the_legend_has_room_for_its_longest_name() {
        let width = |name: &str| -> f64 {
            let mut chart = chart(&[(16.0, 1.0, 0.1)]);
            chart.series[0].name = name.to_string();
            let svg = svg(&[chart]);
            let (_, rest) = svg.split_once("width=\"").unwrap();
            rest.split_once('"').unwrap().0.parse().unwrap()
        };
        let name = "softmax-with-a-rather-long-name, batch 128";
        assert!(width(name) >= LEFT + WIDTH + RIGHT + 46.0 + LETTER * name.len() as f64);
        assert!(width(name) > width("skein"));
    }

    #[test]
    fn linear_axes_have_round_ticks_within_them() {
        assert_eq!(linear_ticks(0.0, 1.0), [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
        assert_eq!(linear_ticks(-0.13, 0.31), [-0.1, 0.0, 0.1, 0.2, 0.3]);
        assert_eq!(
            linear_ticks(0.0, 52_500.0),
            [0.0, 10_000.0, 20_000.0, 30_000.0, 40_000.0, 50_000.0]
        );
        for range in [3e-7, 0.17, 1.0, 2.3, 9.9, 12_345.0] {
            let ticks = linear_ticks(5.0, 5.0 + range);
            assert!((3..=8).contains(&ticks.len()), "{range}: {ticks:?}");
        }
        let linear = Chart {
            scales: [Scale::Linear; 2],
            ..chart(&[(0.0, -1.0, 0.0), (1.0, 0.0, 0.0), (2.0, f64::NAN, 0.0)])
        };
        let svg = figure(&linear, &["skein"]);
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        assert_eq!(svg.matches("<circle").count(), 2);
        let one = Chart {
            scales: [Scale::Linear; 2],
            ..chart(&[(1.0, 1.0, 0.0)])
        };
        assert!(!figure(&one, &["skein"]).contains("NaN"));
        for y in [1e31, -1e31, 1e300, 1e-4] {
            let huge = Chart {
                scales: [Scale::Linear; 2],
                ..chart(&[(1.0, y, 0.0), (2.0, y, 0.0)])
            };
            let svg = figure(&huge, &["skein"]);
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        }
    }

    #[test]
    fn long_lines_have_few_markers() {
        let points: Vec<_> = (1..=300).map(|i| (f64::from(i), 1.0, 0.0)).collect();
        let svg = figure(&chart(&points), &["skein"]);
        assert!((6..14).contains(&svg.matches("<circle").count()), "{svg}");
    }

    #[test]
    fn a_name_looks_in_the_legend_as_in_the_figure() {
        let points = [(16.0, 1.0, 0.1), (32.0, 0.5, 0.0)];
        let names = ["other", "skein"];
        let [figure, key] = [figure(&chart(&points), &names), key("skein", &names)];
        for svg in [&figure, &key] {
            assert!(
                svg.contains("<polygon") && svg.contains(COLOURS[1]),
                "{svg}"
            );
        }
        assert!(!figure.contains(">skein<"));
    }

    #[test]
    fn no_axis_has_a_single_tick() {
        for (x, y) in [(1.0, 1.0), (1.0, 3.1), (700.0, 0.013), (48.0, 9e-7)] {
            let svg = figure(&chart(&[(x, y, 0.0)]), &["skein"]);
            for anchor in ["middle", "end"] {
                let label = format!("text-anchor=\"{anchor}\">");
                let texts = svg
                    .split(&label)
                    .skip(1)
                    .filter_map(|rest| rest.split('<').next());
                let ticks = texts.filter(|text| text.parse::<f64>().is_ok());
                assert!(ticks.count() >= 2, "{x}, {y}: {svg}");
            }
        }
    }

    #[test]
    fn ticks_lie_within_the_axis() {
        assert_eq!(x_ticks(13.4, 304.0), [16.0, 32.0, 64.0, 128.0, 256.0]);
        assert_eq!(x_ticks(0.4, 5.0), [0.5, 1.0, 2.0, 5.0]);
        assert_eq!(x_ticks(0.84, 5.0), [1.0, 2.0, 4.0]);
        assert_eq!(x_ticks(0.04, 900.0), [0.1, 1.0, 10.0, 100.0]);
        assert_eq!(
            x_ticks(0.9e-5, 1.1e-3),
            [1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3]
        );
        assert_eq!(y_ticks(0.3, 12.0), [0.5, 1.0, 2.0, 5.0, 10.0]);
        assert_eq!(y_ticks(1e-5, 1e3).len(), 9);
        assert!(y_ticks(1.3, 2.1).len() >= 2);
    }
}
