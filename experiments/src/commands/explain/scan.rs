//! The norms of gradients by node, over some steps of a run.

use super::subject::{Which, placed};
use crate::show::chart::{escaped, is_svg};
use crate::show::grid::{Grid, cells, csv_line, left, right};
use crate::show::number::three_digits;
use crate::terminal::error::{Error, Result};
use crate::train::replay::{Replay, Watch};
use answer::tape::{Node, nodes};
use engine::Tape;
use serde::Serialize;
use std::fmt::Write;
use std::path::Path;

/// Characters of a row that show its course.
const WIDTH: usize = 32;
/// From the least to the most.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The first line of a file of numbers.
const TITLES: &str = "node,name,step,gradient_norm\n";

/// The steps from the first to the last, from 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Steps {
    pub(crate) first: usize,
    pub(crate) last: usize,
}

impl Steps {
    /// `650..750`, both ends included.
    pub(super) fn parse(text: &str) -> std::result::Result<Self, String> {
        let steps = text.split_once("..").and_then(|(first, last)| {
            let (first, last) = (first.parse().ok()?, last.parse().ok()?);
            (1 <= first && first <= last).then_some(Steps { first, last })
        });
        steps.ok_or_else(|| "expected two steps such as 650..750".to_string())
    }
}

/// |dy| of every node at every step.
#[derive(Serialize)]
pub(crate) struct Scan {
    first: usize,
    last: usize,
    /// A node's place and its name: that of a parameter, or an operator after its layer.
    nodes: Vec<(usize, String)>,
    /// By node, then by step; 0 where nothing reached the node.
    norms: Vec<Vec<f64>>,
}

impl Scan {
    /// The example in some place of each batch, or one and the same.
    pub(crate) fn of(
        replay: &mut Replay,
        steps: Steps,
        which: Which,
        watch: &mut dyn Watch,
    ) -> Result<Self> {
        replay.go_back(steps.first - 1, watch)?;
        replay.refuse_beyond(steps.last)?;
        replay.go_to(steps.first - 1, steps.last, watch)?;
        let (mut names, mut norms) = (Vec::new(), Vec::<Vec<f64>>::new());
        for step in steps.first..=steps.last {
            let tape = Tape::keeping();
            let batch = replay.trainer.begin(step - 1);
            let place = placed(&replay.trainer, &batch, which)?;
            replay.trainer.trace(place, batch.len(), &tape);
            let params = replay.trainer.params();
            let nodes = nodes(&tape.records(), params.iter().map(|(name, _)| name));
            if names.is_empty() {
                names = named(&nodes);
                norms = vec![Vec::new(); nodes.len()];
            }
            if nodes.len() != names.len() {
                let message = format!(
                    "step {step}: its tape has {} nodes, that of step {} has {}",
                    nodes.len(),
                    steps.first,
                    names.len()
                );
                return Err(Error::failure(message)
                    .hint("an example without tokens has fewer: --example or --id names others"));
            }
            for (norms, node) in norms.iter_mut().zip(&nodes) {
                norms.push(node.gradient_norm.unwrap_or(0.0));
            }
            replay.step(steps.last, watch)?;
        }
        let lines = replay.folder().join("metrics.jsonl");
        watch.remark(match replay.differs() {
            None => format!(
                "steps {} to {} replayed: their lines are those of {}",
                steps.first,
                steps.last,
                lines.display()
            ),
            Some(first) => format!(
                "note: from step {first} on, lines are others than in {}",
                lines.display()
            ),
        });
        Ok(Scan {
            first: steps.first,
            last: steps.last,
            nodes: names,
            norms,
        })
    }

    /// A row a node: the median, the largest and its step, and the course, of which a character is the largest of some
    /// steps on a logarithmic scale from the row's least to its largest.
    pub(super) fn table(&self) -> String {
        let mut table = Grid::new([
            right("#", 0),
            left("|dy| of", 0),
            right("median", 0),
            right("largest", 0),
            right("at step", 0),
            left(format!("{} to {}", self.first, self.last), 0),
        ]);
        for ((number, name), norms) in self.nodes.iter().zip(&self.norms) {
            let mut sorted = norms.clone();
            sorted.sort_by(f64::total_cmp);
            let largest = sorted[sorted.len() - 1];
            let at = norms.iter().position(|norm| *norm == largest);
            table.rows.push(cells![
                number,
                name,
                three_digits(sorted[sorted.len() / 2]),
                three_digits(largest),
                self.first + at.unwrap_or(0),
                course(norms),
            ]);
        }
        table.text()
    }

    /// A line a node and step.
    fn csv(&self) -> String {
        let mut text = String::from(TITLES);
        for ((number, name), norms) in self.nodes.iter().zip(&self.norms) {
            for (step, norm) in (self.first..).zip(norms) {
                let row = [
                    number.to_string(),
                    name.clone(),
                    step.to_string(),
                    norm.to_string(),
                ];
                text += &csv_line(&row);
            }
        }
        text
    }

    /// A heat map: a row a node, a column a step, colour by the logarithm over all of them.
    fn svg(&self) -> String {
        const NAMES: usize = 360;
        const ROW: usize = 12;
        let steps = self.last - self.first + 1;
        let wide = (960 / steps).clamp(2, 24);
        let (width, height) = (NAMES + wide * steps + 20, ROW * self.nodes.len() + 70);
        let all = self.norms.iter().flatten().filter(|norm| **norm > 0.0);
        let logarithms: Vec<f64> = all.map(|norm| norm.log10()).collect();
        let least = logarithms.iter().copied().fold(f64::INFINITY, f64::min);
        let most = logarithms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"10\">\n\
             <title>Norms of gradients by node, steps {} to {}</title>\n\
             <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
            self.first, self.last
        );
        for (row, ((number, name), norms)) in self.nodes.iter().zip(&self.norms).enumerate() {
            let y = 10 + ROW * row;
            let _ = writeln!(
                svg,
                "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{number} {}</text>",
                NAMES - 6,
                y + ROW - 3,
                escaped(name)
            );
            for (column, &norm) in norms.iter().enumerate() {
                let share = (norm.log10() - least) / (most - least).max(f64::MIN_POSITIVE);
                let fill = match norm > 0.0 {
                    true => colour(share),
                    false => "#eeeeee".to_string(),
                };
                let _ = writeln!(
                    svg,
                    "<rect x=\"{}\" y=\"{y}\" width=\"{wide}\" height=\"{ROW}\" fill=\"{fill}\">\
                     <title>{number} {}, step {}: {norm:.3e}</title></rect>",
                    NAMES + wide * column,
                    escaped(name),
                    self.first + column
                );
            }
        }
        let y = 10 + ROW * self.nodes.len() + 16;
        let ends = [(self.first, NAMES), (self.last, NAMES + wide * (steps - 1))];
        for (step, x) in ends {
            let _ = writeln!(svg, "<text x=\"{x}\" y=\"{y}\">{step}</text>");
        }
        for tenth in 0..=10 {
            let _ = writeln!(
                svg,
                "<rect x=\"{}\" y=\"{}\" width=\"20\" height=\"10\" fill=\"{}\"/>",
                NAMES + 20 * tenth,
                y + 8,
                colour(tenth as f64 / 10.0)
            );
        }
        let _ = writeln!(
            svg,
            "<text x=\"{NAMES}\" y=\"{}\">|dy| from 1e{least:.1} to 1e{most:.1}; grey: 0</text>\n</svg>",
            y + 30
        );
        svg
    }

    /// As a file of this kind.
    pub(super) fn file(&self, kind: Kind) -> String {
        match kind {
            Kind::Csv => self.csv(),
            Kind::Svg => self.svg(),
        }
    }
}

/// What a file of a scan is, by the end of its name.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// Every number.
    Csv,
    /// A heat map.
    Svg,
}

impl Kind {
    pub(super) fn of(path: &Path) -> Result<Self> {
        match path.extension().and_then(|end| end.to_str()) {
            Some("csv") => Ok(Kind::Csv),
            Some("svg") => Ok(Kind::Svg),
            _ => {
                let path = path.display();
                let message = format!("--out {path}: expected a name that ends in .csv or .svg");
                Err(Error::usage(message).hint(".csv has every number, .svg is a heat map"))
            }
        }
    }

    /// How such a file is recognised.
    pub(super) fn begins(self) -> fn(&str) -> bool {
        match self {
            Kind::Csv => |text| text.starts_with(TITLES),
            Kind::Svg => is_svg,
        }
    }
}

/// Places and names of nodes. An operator is of the layer of its parameters, or else of the latest layer that it was
/// computed from, as on the page of `skein study`; what comes before all of them is of the inputs.
fn named(nodes: &[Node]) -> Vec<(usize, String)> {
    // By the first appearance of a parameter; 0 is the inputs.
    let mut layers = vec!["inputs".to_string()];
    let mut of: Vec<usize> = Vec::new();
    let mut names = Vec::new();
    for node in nodes {
        if let Some(name) = &node.parameter {
            let inner = name.strip_prefix("model.").unwrap_or(name);
            let layer = inner.split('.').next().unwrap_or(inner);
            let known = layers.iter().position(|known| known == layer);
            of.push(known.unwrap_or(layers.len()));
            if known.is_none() {
                layers.push(layer.to_string());
            }
            names.push((node.number, name.clone()));
            continue;
        }
        let own = node.parents.iter().copied();
        let own: Vec<usize> = own
            .filter(|parent| nodes[*parent].parameter.is_some())
            .collect();
        let before = if own.is_empty() { &node.parents } else { &own };
        let layer = before.iter().map(|parent| of[*parent]).max().unwrap_or(0);
        of.push(layer);
        names.push((node.number, format!("{} {}", layers[layer], node.operator)));
    }
    names
}

/// The largest of each share of the steps, on a logarithmic scale.
fn course(norms: &[f64]) -> String {
    let columns = WIDTH.min(norms.len());
    let share = |column: usize| {
        let ends = [column, column + 1].map(|end| end * norms.len() / columns);
        norms[ends[0]..ends[1]].iter().copied().fold(0.0, f64::max)
    };
    let shares: Vec<f64> = (0..columns).map(share).collect();
    let positive = || shares.iter().copied().filter(|x| *x > 0.0);
    let least = positive().fold(f64::INFINITY, f64::min).ln();
    let most = positive().fold(0.0, f64::max).ln();
    let bar = |&x: &f64| match x > 0.0 {
        true => {
            let height = (x.ln() - least) / (most - least).max(f64::MIN_POSITIVE);
            BARS[(height * 7.0).round().clamp(0.0, 7.0) as usize]
        }
        false => ' ',
    };
    shares.iter().map(bar).collect()
}

/// From dark blue over green to yellow, even to the eye and to those who see fewer colours.
fn colour(share: f64) -> String {
    const STOPS: [[f64; 3]; 5] = [
        [68.0, 1.0, 84.0],
        [59.0, 82.0, 139.0],
        [33.0, 145.0, 140.0],
        [94.0, 201.0, 98.0],
        [253.0, 231.0, 37.0],
    ];
    let at = share.clamp(0.0, 1.0) * 4.0;
    let below = (at as usize).min(3);
    let part = at - below as f64;
    let mix = |i: usize| STOPS[below][i] + part * (STOPS[below + 1][i] - STOPS[below][i]);
    let [r, g, b] = [0, 1, 2].map(|i| mix(i).round() as u8);
    format!("#{r:02x}{g:02x}{b:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use answer::tape::Place;

    #[test]
    fn an_operator_is_named_after_its_layer() {
        let node = |number, operator, parameter: Option<&str>, parents: &[usize]| Node {
            number,
            operator,
            parameter: parameter.map(String::from),
            shape: (1, 1),
            parents: parents.to_vec(),
            saved_bytes: 0,
            multiply_adds: [0, 0],
            value_norm: None,
            gradient_norm: None,
            written: Place {
                file: String::new(),
                line: 1,
            },
        };
        let nodes = [
            node(0, "leaf", Some("model.embeddings.word"), &[]),
            node(1, "leaf", Some("model.transformer_0.ff.weight"), &[]),
            node(2, "leaf", None, &[]),
            node(3, "gather", None, &[0]),
            node(4, "linear", None, &[3, 1]),
            node(5, "add", None, &[3, 4]),
            node(6, "gather", None, &[0, 5]),
        ];
        let names: Vec<String> = named(&nodes).into_iter().map(|(_, name)| name).collect();
        let expected = [
            "model.embeddings.word",
            "model.transformer_0.ff.weight",
            "inputs leaf",
            "embeddings gather",
            "transformer_0 linear",
            "transformer_0 add",
            // Its parameter decides.
            "embeddings gather",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn steps_are_two_rising_numbers() {
        assert!(Steps::parse("1..1").is_ok() && Steps::parse("650..750").is_ok());
        for wrong in [
            "", "5", "5..", "..5", "0..5", "6..5", "1...5", "a..b", "-1..5",
        ] {
            assert!(Steps::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_course_keeps_a_peak_of_one_step() {
        let mut norms = vec![1.0; 1000];
        norms[700] = 1e6;
        let course = course(&norms);
        assert_eq!(course.chars().count(), WIDTH);
        assert_eq!(
            course.chars().position(|c| c == '█'),
            Some(700 * WIDTH / 1000)
        );
        assert!(super::course(&[0.0, 0.0]).trim().is_empty());
    }
}
