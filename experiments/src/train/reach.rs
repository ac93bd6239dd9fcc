//! How far features reach: where they leave nothing of an example out, a method is exact attention there, and a
//! comparison says nothing about sketching.
//!
//! `experiment` notes it at the start of a run and keeps it in result.json, `skein sweep` shows it in its plan, `skein table` marks
//! it. What a method leaves out is known to the method ([`Attention::reaches`](ops::attention::Attention::reaches)).

use crate::run::measured::Lengths;
use crate::settings::config::Config;
use crate::terminal::error::Result;
use datasets::{Dataset, Split};
use indicatif::HumanCount;
use ops::attention::find;

/// The length of every document.
#[derive(Clone)]
pub(crate) struct Sizes {
    /// Whose they are, as in "all 30,000 examples".
    pub(crate) whose: String,
    /// Those of an example one behind the other.
    tokens: Vec<usize>,
    /// Documents of an example.
    documents: usize,
}

/// Examples that the features of a method leave nothing out of, and how long the documents are for the attention.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Reach {
    pub(crate) exact: usize,
    pub(crate) lengths: Lengths,
    features: usize,
}

impl Sizes {
    /// Of train, dev and test together.
    pub(crate) fn of(data: &Dataset) -> Self {
        let splits = [&data.train, &data.dev, &data.test];
        let examples: usize = splits.iter().map(|split| split.examples.len()).sum();
        let whose = format!("all {} examples", HumanCount(examples as u64));
        Self::of_splits(whose, data, &splits)
    }

    /// Of the training examples, which are the first of many.
    pub(crate) fn of_first(data: &Dataset) -> Self {
        let examples = data.train.examples.len();
        let whose = format!("the first {} train examples", HumanCount(examples as u64));
        Self::of_splits(whose, data, &[&data.train])
    }

    /// Of examples that are all alike.
    pub(crate) fn all_of(whose: &str, tokens: usize) -> Self {
        Self {
            whose: whose.to_string(),
            tokens: vec![tokens],
            documents: 1,
        }
    }

    fn of_splits(whose: String, data: &Dataset, splits: &[&Split]) -> Self {
        let examples = splits.iter().flat_map(|split| &split.examples);
        let tokens: Vec<usize> = examples
            .clone()
            .flat_map(|example| example.lengths(&data.encoding))
            .collect();
        Self {
            whose,
            documents: tokens.len() / examples.count().max(1),
            tokens,
        }
    }

    /// Of the real tokens.
    pub(crate) fn lengths(&self) -> Lengths {
        self.summary(&self.tokens)
    }

    fn summary(&self, tokens: &[usize]) -> Lengths {
        let mut rising = tokens.to_vec();
        rising.sort_unstable();
        let at = |place: usize| rising.get(place).copied().unwrap_or(0);
        let count = rising.len();
        Lengths {
            examples: count / self.documents.max(1),
            shortest: at(0),
            first_quartile: at(count / 4),
            median: at(count / 2),
            longest: at(count.saturating_sub(1)),
        }
    }

    /// How far the features of a configuration reach; none where no number of features makes the method exact
    /// attention, and of exact attention itself.
    pub(crate) fn reach(&self, config: &Config) -> Result<Option<Reach>> {
        let entry = find::<f32>(&config.attn)?;
        if !entry.laws.exact_at_full_budget {
            return Ok(None);
        }
        let method = entry.method(&config.options());
        let rows = config.position_rows();
        // A document without tokens never meets the attention, padded or not.
        let seen = |&n: &usize| if config.pad && n > 0 { rows } else { n };
        let seen: Vec<usize> = self.tokens.iter().map(seen).collect();
        let lengths = self.summary(&seen);
        let reached: Vec<bool> = (0..=lengths.longest)
            .map(|n| n == 0 || method.reaches(n, rows))
            .collect();
        let of_examples = seen.chunks(self.documents.max(1));
        Ok(Some(Reach {
            exact: of_examples
                .filter(|documents| documents.iter().all(|&n| reached[n]))
                .count(),
            lengths,
            features: config.features,
        }))
    }
}

impl std::fmt::Display for Lengths {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "shortest {}, first quartile {}, median {}, longest {}",
            self.shortest, self.first_quartile, self.median, self.longest
        )
    }
}

impl Reach {
    /// Nothing is sketched.
    pub(crate) fn is_whole(&self) -> bool {
        self.exact == self.lengths.examples
    }

    /// What there is to say before a run; nothing where everything is sketched.
    pub(crate) fn note(&self) -> Option<String> {
        let (all, longest) = (self.lengths.examples, self.lengths.longest);
        match self.exact {
            0 => None,
            _ if self.is_whole() => Some(format!(
                "nothing is sketched: {} (longest example {longest} tokens), so that this is exact attention",
                match longest <= self.features {
                    true => "n <= features",
                    false => "the features leave no token out",
                }
            )),
            exact => Some(format!(
                "features reach n in {} of {} examples ({}): these are exact",
                HumanCount(exact as u64),
                HumanCount(all as u64),
                share(exact, all)
            )),
        }
    }

    /// Beside a run that is planned, where the features reach a quarter of the examples.
    pub(crate) fn plan(&self) -> Option<String> {
        let all = self.lengths.examples;
        let (features, quartile) = (self.features, self.lengths.first_quartile);
        let compared = match features < quartile {
            true if 4 * self.exact < all => return None,
            // Of a method that sees more than its features.
            true => String::new(),
            false => format!("features {features} >= first quartile {quartile}, "),
        };
        Some(format!("{compared}exact in {}", share(self.exact, all)))
    }
}

/// What a configuration computes under another name: without dropout, `softmax` is `softmax-nodrop`.
pub(crate) fn twin(config: &Config) -> Option<String> {
    let same = config.attn == "softmax" && config.dropout == 0.0;
    same.then(|| "dropout is 0: the same as softmax-nodrop".to_string())
}

/// What there is to say before a run: what it computes under another name.
pub(crate) fn note(config: &Config, sizes: &Sizes) -> Result<Option<String>> {
    let reach = sizes.reach(config)?;
    Ok(reach
        .and_then(|reach| reach.note())
        .or_else(|| twin(config)))
}

/// In percent; all is 100%, and one less is not.
pub(crate) fn share(some: usize, all: usize) -> String {
    match some == all {
        true => "100%".to_string(),
        false => format!("{:.1}%", (100.0 * some as f64 / all as f64).min(99.9)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::choices::{Budget, Protocol, Task};

    fn sizes(tokens: &[usize], documents: usize) -> Sizes {
        Sizes {
            whose: String::new(),
            tokens: tokens.to_vec(),
            documents,
        }
    }

    fn config(attn: &str, features: usize) -> Config {
        Config {
            attn: attn.into(),
            features,
            data: "builtin".into(),
            ..Task::Text.preset(Budget::Quick)
        }
    }

    fn note(sizes: &Sizes, config: &Config) -> Option<String> {
        sizes.reach(config).unwrap().and_then(|reach| reach.note())
    }

    #[test]
    fn a_note_says_how_many_examples_are_exact() {
        let some = sizes(&[3, 5, 8, 9], 1);
        let lengths = "shortest 3, first quartile 5, median 8, longest 9";
        assert_eq!(some.lengths().to_string(), lengths);
        assert_eq!(note(&some, &config("skein", 2)), None);
        let part = "features reach n in 2 of 4 examples (50.0%): these are exact";
        assert_eq!(note(&some, &config("skein", 7)).as_deref(), Some(part));
        let whole = "nothing is sketched: n <= features (longest example 9 tokens), so that this is exact attention";
        assert_eq!(note(&some, &config("skein", 9)).as_deref(), Some(whole));
        // Seven blocks of 2 tokens are all seen.
        let blocks = "nothing is sketched: the features leave no token out (longest example 9 tokens), so that this \
                      is exact attention";
        assert_eq!(note(&some, &config("bigbird", 8)).as_deref(), Some(blocks));
        for attn in [
            "softmax",
            "softmax-nodrop",
            "vmean",
            "linformer",
            "performer",
        ] {
            assert_eq!(some.reach(&config(attn, 999)).unwrap(), None, "{attn}");
        }
        // Of a pair both documents.
        let pairs = sizes(&[3, 5, 8, 9], 2);
        let part = "features reach n in 1 of 2 examples (50.0%): these are exact";
        assert_eq!(note(&pairs, &config("skein", 8)).as_deref(), Some(part));
    }

    #[test]
    fn softmax_without_dropout_is_called_what_it_is() {
        let softmax = |dropout| Config {
            dropout,
            ..config("softmax", 8)
        };
        let note = |config: &Config| super::note(config, &sizes(&[9], 1)).unwrap();
        let same = "dropout is 0: the same as softmax-nodrop";
        assert_eq!(note(&softmax(0.0)).as_deref(), Some(same));
        assert_eq!(note(&softmax(0.1)), None);
        assert_eq!(note(&config("softmax-nodrop", 8)), None);
    }

    #[test]
    fn padding_is_rows_for_features_to_reach_and_an_empty_document_has_none() {
        let padded = Config {
            pad: true,
            ..config("skein", 1023)
        };
        let reach = sizes(&[0, 5], 1).reach(&padded).unwrap().unwrap();
        assert_eq!((reach.exact, reach.lengths.longest), (1, 1024));
        // The released landmarks are means over the padded length.
        let released = |features| Config {
            protocol: Protocol::Paper,
            ..config("nystrom", features)
        };
        let exact = |features| {
            sizes(&[9], 1)
                .reach(&released(features))
                .unwrap()
                .unwrap()
                .exact
        };
        assert_eq!((exact(1023), exact(1024)), (0, 1));
    }

    #[test]
    fn a_plan_shows_features_that_reach_the_first_quartile() {
        let some = sizes(&[3, 5, 8, 9, 9], 1);
        let plan = |attn, features| {
            let reach = some.reach(&config(attn, features)).unwrap();
            reach.unwrap().plan()
        };
        assert_eq!(plan("skein", 4), None);
        let part = "features 5 >= first quartile 5, exact in 40.0%";
        assert_eq!(plan("skein", 5).as_deref(), Some(part));
        let whole = "features 9 >= first quartile 5, exact in 100%";
        assert_eq!(plan("skein", 9).as_deref(), Some(whole));
        // Seven blocks of one token.
        assert_eq!(plan("bigbird", 4).as_deref(), Some("exact in 40.0%"));
        assert_eq!(share(9999, 10000), "99.9%");
    }
}
