//! Charts as SVG: panels side by side with logarithmic axes, error bars, and one legend beside them
//! all, so that it hides nothing.
//!
//! Series are told apart twice, by colours that colour-blind readers can tell apart (Okabe and Ito
//! 2008, without their yellow, which white swallows) and by markers; the eighth begins the colours
//! again with dashes and other markers. A name has the same look in every panel.

use std::f64::consts::TAU;
use std::fmt::Write;

/// One panel.
pub(crate) struct Chart {
    pub(crate) title: String,
    /// What the axes mean, with units.
    pub(crate) x: String,
    pub(crate) y: String,
    pub(crate) series: Vec<Series>,
}

/// A line of points.
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) points: Vec<Point>,
}

/// A point with its standard error in y. Numbers that a logarithmic axis has no place for, 0 among
/// them, are left out.
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
const LEGEND: f64 = 180.0;
/// Pixels between lines of the legend.
const LINE: f64 = 20.0;

/// A logarithmic axis: numbers to pixels.
struct Axis {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Axis {
    fn at(&self, x: f64) -> f64 {
        let part = (x / self.low).ln() / (self.high / self.low).ln();
        self.from + part * (self.to - self.from)
    }
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
    let width = columns as f64 * panel_width + LEGEND;
    let height = (rows as f64 * panel_height).max(legend_height);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
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

fn panel(svg: &mut String, chart: &Chart, names: &[&str]) {
    let shown = |point: &&Point| {
        let positive = |x: f64| x > 0.0 && x.is_finite();
        positive(point.x) && positive(point.y)
    };
    let points = || {
        chart
            .series
            .iter()
            .flat_map(|series| &series.points)
            .filter(shown)
    };
    let (left, right) = bounds(points().map(|point| point.x), 2f64.powf(0.25));
    let tops = points().flat_map(|point| [point.y, point.y + bar(point), point.y - bar(point)]);
    let (low, high) = bounds(tops, 1.15);
    let x = Axis {
        low: left,
        high: right,
        from: LEFT,
        to: LEFT + WIDTH,
    };
    let y = Axis {
        low,
        high,
        from: TOP + HEIGHT,
        to: TOP,
    };
    let (bottom, end) = (TOP + HEIGHT, LEFT + WIDTH);
    for tick in x_ticks(left, right) {
        let at = x.at(tick);
        grid(svg, at, TOP, at, bottom);
        text(svg, at, bottom + 18.0, "middle", "", &number(tick));
    }
    for tick in y_ticks(low, high) {
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
        let look = names
            .iter()
            .position(|name| *name == series.name)
            .unwrap_or(0);
        let points: Vec<&Point> = series.points.iter().filter(shown).collect();
        let place = |point: &&Point| (x.at(point.x), y.at(point.y));
        line(svg, look, &points.iter().map(place).collect::<Vec<_>>());
        for point in points {
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

/// Half the length of an error bar, short of zero, where a logarithmic axis has no end.
fn bar(point: &Point) -> f64 {
    match point.error.is_finite() {
        true => point.error.min(0.9 * point.y),
        false => 0.0,
    }
}

/// The smallest and the largest number with some room around.
fn bounds(numbers: impl Iterator<Item = f64>, room: f64) -> (f64, f64) {
    let (low, high) = numbers.fold((f64::INFINITY, 0.0f64), |(low, high), x| {
        (low.min(x), high.max(x))
    });
    match low <= high {
        true => (low / room, high * room),
        false => (0.5, 2.0),
    }
}

/// Powers of two.
fn x_ticks(low: f64, high: f64) -> Vec<f64> {
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

fn number(x: f64) -> String {
    match x {
        1e-3..1e6 => x.to_string(),
        _ => format!("{x:e}"),
    }
}

fn grid(svg: &mut String, x1: f64, y1: f64, x2: f64, y2: f64) {
    let _ = writeln!(
        svg,
        "<path d=\"M{x1:.1} {y1:.1}L{x2:.1} {y2:.1}\" stroke=\"#ddd\"/>"
    );
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, more: &str, text: &str) {
    let text = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\"{more}>{text}</text>"
    );
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

/// Filled for the first seven series, hollow from then on.
fn marker(svg: &mut String, look: usize, x: f64, y: f64) {
    let colour = COLOURS[look % COLOURS.len()];
    let fill = if look < COLOURS.len() {
        colour
    } else {
        "white"
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
    fn names_are_escaped_and_stand_in_the_legend_once() {
        let points = [(16.0, 1.0, 0.1), (32.0, 0.5, 0.0)];
        let svg = svg(&[chart(&points), chart(&points)]);
        assert_eq!(svg.matches(">skein<").count(), 1);
        assert_eq!(svg.matches(">a &lt; b<").count(), 2);
        assert_eq!(svg.matches("<g ").count(), svg.matches("</g>").count());
    }

    #[test]
    fn ticks_lie_within_the_axis() {
        assert_eq!(x_ticks(13.4, 304.0), [16.0, 32.0, 64.0, 128.0, 256.0]);
        assert_eq!(y_ticks(0.3, 12.0), [0.5, 1.0, 2.0, 5.0, 10.0]);
        assert_eq!(y_ticks(1e-5, 1e3).len(), 9);
        assert!(y_ticks(1.3, 2.1).len() >= 2);
    }
}
