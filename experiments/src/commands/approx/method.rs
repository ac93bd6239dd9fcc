//! What is compared: registered methods at a budget d, and estimators of this experiment alone.

use super::input::WIDTH;
use crate::settings::choices::method;
use crate::terminal::error::Result;
use engine::{Draws, Tensor, Var};
use ops::attention::attend::Attend;
use ops::attention::softmax::Softmax;
use ops::attention::{Attention, Inputs, Options, find};
use ops::gather_rows;
use ops::sample::uniform;
use ops::sketch::{Family, Scheme, lift_rows, sketch_rows};

/// The methods of Figure 1, then all others that approximate softmax attention of the Q, K and V
/// they are given. Not among them: reformer, which has no keys of its own; skyformer and
/// kernelized, which approximate and are another kernel, as kl- and race; linformer, whose start is
/// linformer-fixed with smaller entries, and fma, whose start is random sums; lm-infinite, s3 and
/// the spex-estimators, which turn or normalise what they are given; spex-static, whose keys are of a position, not of
/// an example.
pub(super) const DEFAULT: [&str; 19] = [
    "skein",
    "informer",
    "vmean",
    "linformer-fixed",
    "linformer-jlt",
    "informer-mask",
    "skein-uniform",
    "skein-nonorm",
    "skein-simplenorm",
    "skein-nopilot",
    "bigbird",
    "performer",
    "nystrom",
    "lambda-mask",
    "spexphormer",
    "fma-average",
    "hyper",
    "kdeformer",
    "hyper-pilots",
];

/// Estimators B S Sᵀ V with the exact B, and methods in the form in which the released code ran
/// them.
pub(super) fn variants() -> Vec<Method> {
    let sketch = |name: &str, law| Method {
        name: name.to_string(),
        kind: Kind::Sketch(law),
    };
    let released = |name: &str, registered: &str| Method {
        name: name.to_string(),
        kind: Kind::Registered {
            name: registered.to_string(),
            released: true,
            halved: false,
        },
    };
    vec![
        sketch("columns-best", Law::Columns(Columns::Best)),
        sketch("columns-pilot", Law::Columns(Columns::Pilots)),
        sketch("columns-uniform", Law::Columns(Columns::Uniform)),
        sketch(
            "count-sketch",
            Law::Oblivious(Family::CountSketch { per_row: 1 }),
        ),
        sketch("srht", Law::Oblivious(Family::Srht)),
        released("linformer-0.02", "linformer-fixed"),
        released("performer-twice", "performer"),
    ]
}

/// A row of the table.
#[derive(Clone, Debug)]
pub(super) struct Method {
    /// Its name there.
    pub(super) name: String,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// A method of the registry.
    Registered {
        name: String,
        /// As released.
        released: bool,
        /// It gets d/2 features.
        halved: bool,
    },
    /// B S Sᵀ V.
    Sketch(Law),
}

/// The law of S.
#[derive(Clone, Debug)]
pub(super) enum Law {
    /// One that does not look at B and V.
    Oblivious(Family),
    /// Definition 3.1: independent columns, weights 1 / (d p).
    Columns(Columns),
}

/// The probabilities p of columns.
#[derive(Clone, Copy, Debug)]
pub(super) enum Columns {
    /// ||B^(i)|| ||V_(i)||, those of the smallest expected error (Drineas, Kannan, Mahoney 2006).
    Best,
    /// Their estimate from d pilot rows (equation 5).
    Pilots,
    /// All the same.
    Uniform,
}

impl Method {
    /// The registered method of this name, at --features d.
    ///
    /// # Errors
    /// If there is none; the message lists those there are.
    pub(super) fn registered(name: &str) -> Result<Method> {
        method(name)?;
        Ok(Method {
            name: name.to_string(),
            kind: Kind::Registered {
                name: name.to_string(),
                released: false,
                halved: false,
            },
        })
    }

    /// The bytes that one head of n tokens takes at least.
    pub(super) fn bytes(&self, n: usize, d: usize) -> f64 {
        match &self.kind {
            Kind::Registered { name, .. } => {
                let entry = find::<f32>(name).expect("looked up when the flags were read");
                entry.bytes(&self.options(d), n, WIDTH)
            }
            // Every column of S has one entry, or a row has; y and W.
            Kind::Sketch(_) => (8 * n * WIDTH) as f64,
        }
    }

    fn options(&self, d: usize) -> Options {
        match self.kind {
            Kind::Registered {
                released, halved, ..
            } => Options {
                features: if halved { (d / 2).max(1) } else { d },
                released,
                ..Options::default()
            },
            Kind::Sketch(_) => Options {
                features: d,
                ..Options::default()
            },
        }
    }

    /// The method with d features.
    pub(super) fn build(&self, d: usize) -> Box<dyn Attention<f32>> {
        match &self.kind {
            Kind::Registered { name, .. } => {
                let entry = find::<f32>(name).expect("looked up when the flags were read");
                entry.method(&self.options(d))
            }
            Kind::Sketch(law) => Box::new(Sketched {
                law: law.clone(),
                d,
            }),
        }
    }

    /// Whether it has any use for a budget, so that another one makes another result.
    pub(super) fn has_budget(&self) -> bool {
        let without = [
            "vmean",
            "softmax",
            "softmax-nodrop",
            "kernelized",
            "kl-fastfood-prf",
            "kl-fastfood-rks",
        ];
        !matches!(&self.kind, Kind::Registered { name, .. } if without.contains(&name.as_str()))
    }
}

/// R = B S Sᵀ V with B = softmax(Q Kᵀ / √p): softmax attention over the values S Sᵀ V, which costs
/// n² p and is the estimator of Proposition 1. S is a constant of the backward pass.
struct Sketched {
    law: Law,
    d: usize,
}

impl Attention<f32> for Sketched {
    fn node<'t>(&self, x: &Inputs<'_, 't, f32>) -> Var<'t, f32> {
        assert_eq!(x.heads, 1, "this experiment looks at one head at a time");
        let n = x.v.rows();
        let family = match &self.law {
            Law::Oblivious(family) => family.clone(),
            Law::Columns(columns) => Family::Importance {
                weights: columns.weights(x, self.d).into(),
                scheme: Scheme::Replacement,
            },
        };
        let d = match family {
            Family::Srht => self.d.min(n.next_power_of_two()),
            _ => self.d,
        };
        let s = family.draw(n, d, x.draws, &x.place.draw("s", 0)); // (n, d)
        let w = lift_rows(&sketch_rows(x.v, &s), &s); // (n, p)
        Softmax { dropout: 0.0 }.forward(&Inputs { v: &w, ..*x })
    }
}

impl Columns {
    /// Numbers proportional to p.
    fn weights(self, x: &Inputs<'_, '_, f32>, d: usize) -> Vec<f64> {
        let n = x.v.rows();
        let rows: Vec<u32> = match self {
            Columns::Uniform => return vec![1.0; n],
            Columns::Best => (0..n as u32).collect(),
            Columns::Pilots => pilots(x.draws, &x.place.draw("pilot", 0), n, d),
        };
        let q = x.q().value();
        let mut pilot_q = Tensor::stale(rows.len(), q.cols());
        gather_rows(q.view(), &rows, pilot_q.view_mut());
        let mut energies = vec![0.0; n];
        let mut lse = vec![0.0; rows.len()];
        Attend::new(pilot_q.view(), x.k().value().view(), None).forward_with_energies(
            &vec![1.0; rows.len()],
            None,
            &mut lse,
            &mut energies,
        );
        let norm = |i: usize| {
            x.v.value()
                .row(i)
                .iter()
                .map(|&v| f64::from(v).powi(2))
                .sum::<f64>()
        };
        let weight = |i: usize| (f64::from(energies[i]) * norm(i)).sqrt();
        (0..n).map(weight).collect()
    }
}

/// d rows, uniform with replacement.
fn pilots(draws: &Draws, name: &str, n: usize, d: usize) -> Vec<u32> {
    draws.indices(name, n, |generator| {
        uniform::with_replacement(n, d, generator)
    })
}
