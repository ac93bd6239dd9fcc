//! Charts of a page: pictures, which are there without scripts and on paper, and the numbers from which the script makes
//! them anew, to be asked and zoomed. Numbers are doubles to the last bit, in base64: half as long as their digits.

use crate::show::chart::{Chart, Point, Scale, Series, figure, key};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, PreEscaped, html};
use serde::{Serialize, Serializer};

/// Places on a chart.
pub(super) type Points = Vec<(f64, f64)>;

/// Charts that share a legend and smoothing.
#[derive(Serialize)]
pub(super) struct Figures {
    /// Of the element that holds them.
    pub(super) id: &'static str,
    /// Over how many points the script smooths at first.
    pub(super) span: usize,
    charts: Vec<Curves>,
}

/// One chart.
#[derive(Serialize)]
pub(super) struct Curves {
    pub(super) title: &'static str,
    pub(super) x: String,
    pub(super) y: &'static str,
    #[serde(rename = "log", serialize_with = "is_logarithmic")]
    pub(super) scale: Scale,
    pub(super) series: Vec<Line>,
}

/// A line of a chart.
#[derive(Serialize)]
pub(super) struct Line {
    pub(super) name: String,
    /// Points that stand for themselves, not to be smoothed.
    pub(super) dots: bool,
    pub(super) x: Numbers,
    pub(super) y: Numbers,
    /// The ends of a band around it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) low: Option<Numbers>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) high: Option<Numbers>,
    /// What the picture has of it.
    #[serde(skip)]
    pub(super) still: Points,
}

/// Numbers of a line.
pub(super) struct Numbers(pub(super) Vec<f64>);

impl Serialize for Numbers {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Counted {
            from: f64,
            count: usize,
        }
        let numbers = &self.0;
        let rise = |pair: &[f64]| pair[1] == pair[0] + 1.0;
        match numbers.first() {
            Some(&from) if numbers.windows(2).all(rise) => Counted {
                from,
                count: numbers.len(),
            }
            .serialize(to),
            _ => {
                let bytes: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
                STANDARD.encode(&bytes).serialize(to)
            }
        }
    }
}

fn is_logarithmic<S: Serializer>(scale: &Scale, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_bool(*scale == Scale::Logarithmic)
}

/// Steps as numbers.
pub(super) fn wide(points: &[(usize, f64)]) -> Points {
    points.iter().map(|&(step, y)| (step as f64, y)).collect()
}

impl Line {
    /// A line through `points`; the picture has `still` of it.
    pub(super) fn new(name: &str, points: &[(f64, f64)], still: Points) -> Line {
        Line {
            name: name.to_string(),
            dots: false,
            x: Numbers(points.iter().map(|point| point.0).collect()),
            y: Numbers(points.iter().map(|point| point.1).collect()),
            low: None,
            high: None,
            still,
        }
    }

    /// The same with a dot at each of its points.
    pub(super) fn dotted(self) -> Line {
        Line { dots: true, ..self }
    }
}

/// A chart over steps.
pub(super) fn over_steps(
    title: &'static str,
    y: &'static str,
    scale: Scale,
    series: Vec<Line>,
) -> Curves {
    Curves {
        title,
        x: "step".to_string(),
        y,
        scale,
        series,
    }
}

impl Figures {
    /// Charts, but for those without a point, and lines, but for those that have none.
    pub(super) fn new(id: &'static str, span: usize, charts: Vec<Curves>) -> Figures {
        let with_points = |mut chart: Curves| {
            chart.series.retain(|line| !line.x.0.is_empty());
            (!chart.series.is_empty()).then_some(chart)
        };
        let charts = charts.into_iter().filter_map(with_points).collect();
        Figures { id, span, charts }
    }

    /// Whether there is no chart.
    pub(super) fn is_empty(&self) -> bool {
        self.charts.is_empty()
    }

    /// The names of the lines, each once.
    fn names(&self) -> Vec<&str> {
        let mut names = Vec::new();
        for line in self.charts.iter().flat_map(|chart| &chart.series) {
            if !names.contains(&line.name.as_str()) {
                names.push(&line.name);
            }
        }
        names
    }

    /// One legend, and the pictures side by side where there is room.
    pub(super) fn show(&self) -> Markup {
        let names = self.names();
        html! {
            div id=(self.id) {
                ul.stills {
                    @for name in &names {
                        li { (PreEscaped(key(name, &names))) (name) }
                    }
                }
                div.figures {
                    @for chart in &self.charts {
                        figure.still { (PreEscaped(figure(&chart.still(), &names))) }
                    }
                }
            }
        }
    }
}

impl Curves {
    fn still(&self) -> Chart {
        let point = |&(x, y): &(f64, f64)| Point { x, y, error: 0.0 };
        let series = |line: &Line| Series {
            name: line.name.clone(),
            points: line.still.iter().map(point).collect(),
        };
        Chart {
            title: self.title.to_string(),
            x: match self.x.as_str() {
                "step" => "steps (count)".to_string(),
                x => x.to_string(),
            },
            y: self.y.to_string(),
            scales: [Scale::Linear, self.scale],
            series: self.series.iter().map(series).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_to_the_last_bit() {
        let json = |numbers: &[f64]| serde_json::to_string(&Numbers(numbers.to_vec())).unwrap();
        assert_eq!(json(&[3.0, 4.0, 5.0]), "{\"from\":3.0,\"count\":3}");
        assert_eq!(json(&[]), "\"\"");
        // As Python's base64.b64encode(struct.pack("<2d", 0.1, 3)) says.
        assert_eq!(json(&[0.1, 3.0]), "\"mpmZmZmZuT8AAAAAAAAIQA==\"");
    }

    #[test]
    fn what_has_no_points_is_not_there() {
        let chart = |title, points: &[(f64, f64)]| {
            let line = |name| Line::new(name, points, points.to_vec());
            let none = Line::new("dev", &[], Vec::new());
            over_steps(title, "nats", Scale::Linear, vec![line("train"), none])
        };
        let charts = vec![chart("Loss", &[(1.0, 2.0)]), chart("Accuracy", &[])];
        let figures = Figures::new("curves", 1, charts);
        let html = figures.show().into_string();
        assert!(html.contains("aria-label=\"Loss\"") && !html.contains("Accuracy"));
        assert!(html.contains("train</li>") && !html.contains("dev"));
    }
}
