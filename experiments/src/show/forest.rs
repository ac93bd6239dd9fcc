//! A forest plot as SVG: rows of effects with their intervals beside a line at no effect, in groups, with the numbers in
//! words beside them. Whether an effect is told from none is seen twice, by a filled marker and by its word, so that
//! it survives a printer without colours.

use crate::show::chart::{LOOK, START, number, text};
use std::fmt::Write;

/// The whole picture.
pub(crate) struct Forest {
    /// What the axis means.
    pub(crate) x: String,
    /// What a filled marker and a hollow one mean.
    pub(crate) said: String,
    pub(crate) open: String,
    pub(crate) groups: Vec<Group>,
}

/// Rows under a title.
pub(crate) struct Group {
    pub(crate) title: String,
    pub(crate) effects: Vec<Effect>,
}

/// A row.
pub(crate) struct Effect {
    pub(crate) name: String,
    pub(crate) mean: f64,
    pub(crate) interval: Option<[f64; 2]>,
    /// Whether it is told from none.
    pub(crate) is_said: bool,
    /// The mean and the interval, for people.
    pub(crate) numbers: String,
    pub(crate) words: String,
    pub(crate) pairs: usize,
}

const ROW: f64 = 20.0;
const TITLE: f64 = 26.0;
const PLOT: f64 = 360.0;
const MARGIN: f64 = 12.0;
const TOP: f64 = 14.0;
/// What stands over the columns.
const HEAD: f64 = 14.0;
/// Below the rows: ticks, the meaning of the axis, the legend.
const BOTTOM: f64 = 74.0;
/// Pixels of a letter, with room for wide fonts.
const LETTER: f64 = 7.2;
/// What is on neither side, and the sides.
const INK: &str = "#222222";
const BETTER: &str = "#0072B2";
const WORSE: &str = "#D55E00";
/// Intervals that are longer than so many times the largest effect end in an arrow.
const LONGEST: f64 = 3.0;

/// Numbers to pixels.
struct Axis {
    low: f64,
    high: f64,
    left: f64,
}

impl Axis {
    fn at(&self, x: f64) -> f64 {
        self.left + PLOT * (x - self.low) / (self.high - self.low)
    }
}

impl Forest {
    /// As an SVG.
    pub(crate) fn svg(&self) -> String {
        let effects = || self.groups.iter().flat_map(|group| &group.effects);
        let widest =
            |of: fn(&Effect) -> usize| effects().map(of).max().unwrap_or(0) as f64 * LETTER;
        let names = widest(|effect| effect.name.chars().count());
        let titles = self.groups.iter().map(|group| group.title.chars().count());
        let titles = titles.max().unwrap_or(0) as f64 * LETTER;
        let numbers = widest(|effect| effect.numbers.chars().count());
        let words = widest(|effect| effect.words.chars().count());
        let left = MARGIN + (names + 10.0).max(titles) + 12.0;
        let right = left + PLOT + 16.0;
        let width = right + numbers + 44.0 + words + MARGIN;
        let heights = self.groups.iter();
        let heights = heights.map(|group| TITLE + ROW * group.effects.len() as f64);
        let bottom = TOP + HEAD + heights.sum::<f64>();
        let height = bottom + BOTTOM;
        let axis = self.axis(left);
        let mut svg = format!(
            "{START} width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\"{LOOK}"
        );
        for tick in ticks(axis.low, axis.high) {
            let at = axis.at(tick);
            vertical(&mut svg, at, TOP + HEAD, bottom, "stroke=\"#ddd\"");
            let label = match tick > 0.0 {
                true => format!("+{}", number(tick)),
                false => number(tick).replace('-', "\u{2212}"),
            };
            text(&mut svg, at, bottom + 16.0, "middle", "", &label);
        }
        let zero = axis.at(0.0);
        vertical(
            &mut svg,
            zero,
            TOP + HEAD,
            bottom,
            &format!("stroke=\"{INK}\" stroke-width=\"1.2\""),
        );
        let _ = writeln!(
            svg,
            "<path d=\"M{left:.1} {bottom:.1}h{PLOT:.1}\" stroke=\"{INK}\"/>"
        );
        for (x, anchor, words, colour) in [
            (left, "start", "\u{2190} worse", WORSE),
            (left + PLOT, "end", "better \u{2192}", BETTER),
        ] {
            let look = format!(" fill=\"{colour}\"");
            text(&mut svg, x, TOP + 8.0, anchor, &look, words);
        }
        let heads = [(right, "difference (95 %)"), (right + numbers + 8.0, "n")];
        for (x, head) in heads {
            text(&mut svg, x, TOP + 8.0, "start", " fill=\"#555\"", head);
        }
        let mut y = TOP + HEAD;
        for group in &self.groups {
            y += TITLE;
            text(
                &mut svg,
                MARGIN,
                y - 6.0,
                "start",
                " font-weight=\"bold\"",
                &group.title,
            );
            for effect in &group.effects {
                let middle = y + ROW / 2.0;
                text(
                    &mut svg,
                    MARGIN + 10.0,
                    middle + 4.0,
                    "start",
                    "",
                    &effect.name,
                );
                draw(&mut svg, effect, &axis, middle);
                let numbers_of = effect.numbers.replace('-', "\u{2212}");
                text(&mut svg, right, middle + 4.0, "start", "", &numbers_of);
                let x = right + numbers + 8.0;
                text(
                    &mut svg,
                    x,
                    middle + 4.0,
                    "start",
                    "",
                    &effect.pairs.to_string(),
                );
                text(&mut svg, x + 36.0, middle + 4.0, "start", "", &effect.words);
                y += ROW;
            }
        }
        let middle = left + PLOT / 2.0;
        text(&mut svg, middle, bottom + 36.0, "middle", "", &self.x);
        let y = bottom + 58.0;
        let second = left + 24.0 + LETTER * self.said.chars().count() as f64;
        for (x, is_filled, words) in [(left, true, &self.said), (second, false, &self.open)] {
            marker(&mut svg, x + 6.0, y - 4.0, INK, is_filled);
            text(&mut svg, x + 16.0, y, "start", "", words);
        }
        svg.push_str("</svg>\n");
        svg
    }

    /// All effects and their intervals, but for the ends of those that are much longer than the effects; and nothing.
    fn axis(&self, left: f64) -> Axis {
        let effects = || self.groups.iter().flat_map(|group| &group.effects);
        let largest = effects().map(|effect| effect.mean.abs());
        let most = LONGEST * largest.fold(0.5, f64::max);
        let ends = effects().flat_map(|effect| {
            let [low, high] = effect.interval.unwrap_or([effect.mean; 2]);
            [effect.mean, low.max(-most), high.min(most)]
        });
        let ends = ends.filter(|x| x.is_finite());
        let (low, high) = ends.fold((0.0f64, 0.0f64), |(low, high), x| (low.min(x), high.max(x)));
        let room = 0.05 * (high - low).max(0.1);
        Axis {
            low: low - room,
            high: high + room,
            left,
        }
    }
}

/// Round numbers, four to ten of them.
fn ticks(low: f64, high: f64) -> Vec<f64> {
    let least = (high - low) / 10.0;
    let exponent = least.log10().floor() as i32;
    let long_enough = |digit: &i64| *digit as f64 * 10f64.powi(exponent) >= least;
    let digit = [1, 2, 5].into_iter().find(long_enough).unwrap_or(10);
    let step = digit as f64 * 10f64.powi(exponent);
    let all = (low / step).ceil() as i64..=(high / step).floor() as i64;
    // Through the decimal form, which is exact where a product would not be.
    let tick = |k: i64| format!("{}e{exponent}", k * digit).parse().ok();
    all.filter_map(tick).collect()
}

fn draw(svg: &mut String, effect: &Effect, axis: &Axis, y: f64) {
    let colour = match (effect.is_said, effect.mean > 0.0) {
        (false, _) => INK,
        (true, true) => BETTER,
        (true, false) => WORSE,
    };
    if let Some([low, high]) = effect.interval {
        let (from, to) = (axis.at(low.max(axis.low)), axis.at(high.min(axis.high)));
        let mut path = format!("M{from:.1} {y:.1}H{to:.1}");
        for (end, is_cut, inwards) in [(from, low < axis.low, 5.0), (to, high > axis.high, -5.0)] {
            path += &match is_cut {
                true => format!(
                    "M{:.1} {:.1}L{end:.1} {y:.1}L{:.1} {:.1}",
                    end + inwards,
                    y - 4.0,
                    end + inwards,
                    y + 4.0
                ),
                false => format!("M{end:.1} {:.1}v8", y - 4.0),
            };
        }
        let _ = writeln!(
            svg,
            "<path d=\"{path}\" stroke=\"{colour}\" stroke-width=\"1.4\" fill=\"none\"/>"
        );
    }
    marker(svg, axis.at(effect.mean), y, colour, effect.is_said);
}

fn marker(svg: &mut String, x: f64, y: f64, colour: &str, is_filled: bool) {
    let fill = if is_filled { colour } else { "white" };
    let _ = writeln!(
        svg,
        "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.2\" fill=\"{fill}\" stroke=\"{colour}\" stroke-width=\"1.4\"/>"
    );
}

fn vertical(svg: &mut String, x: f64, from: f64, to: f64, look: &str) {
    let _ = writeln!(svg, "<path d=\"M{x:.1} {from:.1}V{to:.1}\" {look}/>");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::chart::is_svg;
    use crate::terminal::asserts::has;

    fn effect(mean: f64, interval: Option<[f64; 2]>, is_said: bool) -> Effect {
        Effect {
            name: "a<b".into(),
            mean,
            interval,
            is_said,
            numbers: format!("{mean:+.2}"),
            words: if is_said { "better" } else { "cannot tell" }.into(),
            pairs: 3,
        }
    }

    fn forest(effects: Vec<Effect>) -> String {
        let forest = Forest {
            x: "points".into(),
            said: "told".into(),
            open: "not told".into(),
            groups: vec![Group {
                title: "Text".into(),
                effects,
            }],
        };
        forest.svg()
    }

    /// The places of the line at 0 and of the markers of the rows, from left to right.
    fn places(svg: &str) -> (f64, Vec<f64>) {
        let numbers = |start: &str, end: &str| -> Vec<f64> {
            let parts = svg.split(start).skip(1);
            let number = |part: &str| part.split(end).next().unwrap().parse().unwrap();
            parts.map(number).collect()
        };
        let zero = svg
            .lines()
            .find(|line| line.contains("stroke-width=\"1.2\""));
        let zero = zero.unwrap().split(['M', ' ']).nth(2).unwrap();
        let mut markers = numbers("<circle cx=\"", "\"");
        markers.truncate(markers.len() - 2);
        (zero.parse().unwrap(), markers)
    }

    #[test]
    fn markers_stand_on_their_side_of_the_line_and_say_whether_they_are_told() {
        let svg = forest(vec![
            effect(2.0, Some([1.0, 3.0]), true),
            effect(-1.0, Some([-3.0, 1.0]), false),
            effect(0.0, None, false),
        ]);
        assert!(is_svg(&svg), "{svg}");
        let (zero, markers) = places(&svg);
        assert!(markers[0] > zero && markers[1] < zero, "{svg}");
        assert!((markers[2] - zero).abs() < 0.11, "{svg}");
        // A point is as long everywhere.
        assert!((markers[0] - zero + 2.0 * (markers[1] - zero)).abs() < 0.4);
        let fills: Vec<bool> = (svg.lines().filter(|line| line.starts_with("<circle")))
            .map(|line| line.contains("fill=\"white\""))
            .collect();
        assert_eq!(fills, [false, true, true, false, true]);
        has(&svg, ">a&lt;b</text>");
        has(&svg, ">\u{2212}1.00</text>");
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }

    #[test]
    fn ticks_are_round_and_neither_few_nor_many() {
        assert_eq!(ticks(-9.9, 4.3), [-8.0, -6.0, -4.0, -2.0, 0.0, 2.0, 4.0]);
        assert_eq!(
            ticks(-0.1, 0.31),
            [-0.1, -0.05, 0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3]
        );
        for i in 1..500 {
            let high = 1.023f64.powi(i);
            let count = ticks(-0.3 * high, high).len();
            assert!((4..=11).contains(&count), "{high}: {count}");
        }
    }

    #[test]
    fn a_huge_interval_ends_in_an_arrow_and_leaves_the_others_their_room() {
        let svg = forest(vec![
            effect(1.0, Some([-60.0, 62.0]), false),
            effect(1.5, Some([1.0, 2.0]), true),
        ]);
        let (zero, markers) = places(&svg);
        assert!(markers[1] - zero > 40.0, "{svg}");
        let arrows = svg.lines().filter(|line| line.matches('L').count() == 4);
        assert_eq!(arrows.count(), 1, "{svg}");
        // One number alone, or nothing, has room as well.
        for mean in [0.0, 7.5, -1e-9] {
            let svg = forest(vec![effect(mean, None, false)]);
            assert!(
                !svg.contains("NaN") && svg.matches("<text").count() > 6,
                "{svg}"
            );
        }
    }
}
