//! The settings of each budget of each task, with the reasons. What all have in common are the defaults of the
//! entries in [`config`](super::config); here is what differs.
//!
//! The `paper` budgets are the released configurations (Skeinformer, `lra_config.py`), and 256
//! features for every method as in the paper; steps are a bound that early stopping hardly ever
//! reaches. `quick` is sized by the clock, about five minutes of two cores, on the set that is built
//! in; `smoke` only shows that everything works.
//!
//! A method with as many features as tokens is exact attention, and methods that are exact cannot be
//! told apart. So the two short budgets, whose examples are shorter, have fewer features: the power
//! of two from an eighth to a quarter of the median length, below the first quartile too.

use crate::settings::choices::{Budget, Positions, Smoother, Task};
use crate::settings::config::Config;

impl Config {
    /// What model and start have else than the preset, in words; empty if nothing.
    pub(crate) fn unusual(&self) -> String {
        let usual = self.task.preset(self.budget);
        let mut words: Vec<String> = [
            ("layers", self.layers, usual.layers),
            ("dim", self.dim, usual.dim),
            ("hidden", self.hidden, usual.hidden),
            ("heads", self.heads, usual.heads),
        ]
        .into_iter()
        .filter(|(_, size, usual)| size != usual)
        .map(|(name, size, _)| format!("{name} {size}"))
        .collect();
        if self.weight_decay != usual.weight_decay {
            words.push(format!("weight decay {:?}", self.weight_decay));
        }
        if self.smoother() != Smoother::of(&self.attn) {
            let smoother = match self.smoother {
                Smoother::Fourier => "with the Fourier smoother",
                _ => "without a smoother",
            };
            words.push(smoother.to_string());
        }
        if self.positions != usual.positions {
            words.push(format!("positions {:?}", self.positions));
        }
        if self.s3 != usual.s3 {
            words.push("smoother as released".to_string());
        }
        if self.init != usual.init {
            words.push(format!("begun at {}", self.init));
        }
        if self.scores != usual.scores {
            words.push(format!("neighbours by {}", self.scores));
        }
        words.join(", ")
    }
}

impl Task {
    /// The settings of a budget, before files and flags.
    pub fn preset(self, budget: Budget) -> Config {
        let common = Config::common(self, budget);
        let paper = match self {
            Task::Text => common,
            // The plateau ends after some 1,100 steps, so the warm-up may take 1,000.
            Task::ListOps => Config {
                steps: 20_000,
                batch: 256,
                warmup: 1000,
                ..common
            },
            // Two documents an example: half the batch of Text costs the same.
            Task::Retrieval => Config {
                steps: 60_000,
                batch: 64,
                warmup: 800,
                eval_every: 300,
                ..common
            },
            // 312 batches are one epoch of 160,000.
            Task::Pathfinder => Config {
                steps: 31_200,
                batch: 512,
                learning_rate: 2e-4,
                warmup: 312,
                eval_every: 312,
                ..common
            },
            // 175 batches are one epoch of 45,000; over-fits early, so evaluated often.
            Task::Image => Config {
                batch: 256,
                warmup: 175,
                eval_every: 50,
                ..common
            },
        };
        match budget {
            Budget::Paper => paper,
            Budget::Quick => self.quick(paper),
            // Seconds, one for Text: with ten times the paper's learning rate, thirty small steps are enough
            // for a loss that falls; three evaluations, for a best one among them; few examples of short
            // texts, since accuracy is not what this is for.
            Budget::Smoke => Config {
                features: match self {
                    // An eighth of the 256 bytes that nearly every document has.
                    Task::Text | Task::Retrieval => 32,
                    // Trees of 64 to 256 words: median 164, first quartile 115.
                    Task::ListOps => 32,
                    // An eighth of 1,024 pixels.
                    Task::Pathfinder | Task::Image => 128,
                },
                steps: 30,
                batch: 8,
                learning_rate: 1e-3,
                warmup: 10,
                eval_every: 10,
                eval_examples: 64,
                test_examples: 256,
                max_len: 256.clamp(*self.lengths().start(), *self.lengths().end()),
                ..paper
            },
        }
    }

    /// Ten times the paper's learning rate, since there are some thousand steps and not some ten
    /// thousand; batches as small as that allows, with a warm-up of at most a tenth of the steps. Five
    /// evaluations at least, since the best is tested; 1,000 examples tell an accuracy to 1.6 points.
    fn quick(self, paper: Config) -> Config {
        let quick = Config {
            learning_rate: 1e-3,
            warmup: 100,
            eval_every: 200,
            eval_examples: 1000,
            ..paper
        };
        match self {
            // 38,400 of 22,427 built-in reviews, half of which are no longer: median 982 bytes, first
            // quartile 661.
            Task::Text => Config {
                features: 128,
                steps: 1200,
                batch: 32,
                max_len: 1024,
                ..quick
            },
            // Trees of 50 to 200 words, a tenth of the benchmark's, leave time for the most steps: what
            // is learnt comes late. Median 124 words, first quartile 82.
            Task::ListOps => Config {
                features: 16,
                steps: 4000,
                batch: 64,
                max_len: 200,
                ..quick
            },
            // The built-in papers are shorter: median 260 bytes, first quartile 256; 32,000 of their
            // 20,000 pairs.
            Task::Retrieval => Config {
                features: 64,
                steps: 1000,
                batch: 32,
                max_len: 512,
                ..quick
            },
            // Which pixels are neighbours is hard to find out from labels: with the paper's start nothing is learnt in
            // 200,000 pictures (docs/curves.md). With black pixels, a picture would have 5 times the tokens. Two visits
            // of each of 100,000 pictures are too few to over-fit, so nothing is dropped; twelve evaluations. Pixels
            // that are not black: median 208, first quartile 197.
            Task::Pathfinder => Config {
                features: 32,
                steps: 6000,
                batch: 32,
                eval_every: 500,
                dropout: 0.0,
                skip_black: true,
                embedding_std: 0.5,
                positions: Positions::Sincos2d,
                ..quick
            },
            // The longest examples of the five, 1,024 tokens each: more steps would take more time.
            Task::Image => Config {
                features: 128,
                steps: 1000,
                batch: 32,
                ..quick
            },
        }
    }
}
