//! The data of a run: read from a folder, or made; their lengths, their fingerprint, and what token frequencies alone
//! can do with them.

use crate::settings::choices::{BUILTIN, Budget, Task};
use crate::settings::config::Config;
use crate::terminal::error::{Error, Result};
use crate::terminal::output::{hex, tell};
use crate::train::reach::Sizes;
use datasets::baseline::{self, Baseline};
use datasets::{Black, DataError, Dataset, Making, Size, Wish, image};
use sha2::{Digest, Sha256};
use std::cell::RefCell;
use std::sync::Arc;

/// So many lengths tell a quartile of thousands to about a hundredth.
const FIRST: usize = 2000;

/// The data of a run: read from its folder, or made.
///
/// # Errors
/// What is wrong with the folder, and what was expected there.
pub fn load(config: &Config) -> std::result::Result<Dataset, DataError> {
    let mut data = read(config, usize::MAX)?;
    let warnings = [cut_short(config, &data), one_class(&data)];
    data.notes.splice(0..0, warnings.into_iter().flatten());
    Ok(data)
}

/// The data of a run that is there already.
///
/// # Errors
/// As of [`load`]; that they have gone, if they have.
pub(crate) fn load_of_run(config: &Config) -> Result<Dataset> {
    load(config).map_err(|error| {
        let gone = config.data_folder().is_some_and(|folder| !folder.exists());
        let error = Error::data(error);
        match gone {
            true => error.hint("the data of the run have gone: restore them"),
            false => error,
        }
    })
}

/// A warning if there is nothing to learn.
fn one_class(data: &Dataset) -> Option<String> {
    let examples = &data.train.examples;
    let (first, rest) = examples.split_first()?;
    let others = rest.iter().any(|example| example.label != first.label);
    (!others).then(|| {
        let (all, class) = (examples.len(), &data.classes[first.label]);
        format!("warning: all {all} train examples are {class}: nothing can be learnt from them")
    })
}

/// A warning if a length that nobody has chosen, that of the budget, cuts most examples of a
/// folder: the presets are sized for the built-in sets.
fn cut_short(config: &Config, data: &Dataset) -> Option<String> {
    let Config {
        task,
        max_len,
        budget,
        ..
    } = *config;
    let longest = *task.lengths().end();
    let built_in = config.data_folder().is_none();
    if built_in || max_len == longest || max_len != task.preset(budget).max_len {
        return None;
    }
    let examples = &data.train.examples;
    let mut reached = 0;
    for example in examples {
        let mut documents = example.documents.iter();
        reached += usize::from(documents.any(|document| document.len() >= max_len));
    }
    let all = examples.len();
    let why = task.entry().cut;
    (2 * reached > all).then(|| {
        format!(
            "warning: budget {} cuts at {max_len} tokens, which {reached} of {all} train examples reach{why}: \
             --max-len {longest} or --budget paper keeps them",
            budget.name()
        )
    })
}

/// The lengths of the data of a run, without the time that making or reading all of them takes: of trees and
/// pictures that are made the first train examples, and none where all pictures have all their pixels.
///
/// # Errors
/// As of [`load`].
pub(crate) fn sizes(config: &Config) -> std::result::Result<Sizes, DataError> {
    if config.task.has_pictures() && config.black() == Black::Kept {
        return Ok(Sizes::all_of("every picture", image::PIXELS));
    }
    let first = config.task.entry().made.first && config.data_folder().is_none();
    Ok(match first {
        true => Sizes::of_first(&read(config, FIRST)?),
        false => Sizes::of(&read(config, usize::MAX)?),
    })
}

/// With at most so many examples a split of a set that is made, where the first can be made alone.
fn read(config: &Config, most: usize) -> std::result::Result<Dataset, DataError> {
    let (entry, wish) = (config.task.entry(), wish(config));
    if let Some(path) = config.data_folder() {
        return (entry.load)(path, &wish);
    }
    let making = Making {
        seed: BUILTIN,
        size: match config.budget {
            Budget::Paper => Size::Whole,
            Budget::Quick => Size::Quick,
            Budget::Smoke => Size::Smoke,
        },
        most,
    };
    (entry.builtin)(&wish, &making)
}

/// How a run wants its examples.
pub(crate) fn wish(config: &Config) -> Wish {
    Wish {
        max_len: config.max_len,
        protocol: config.protocol.into(),
        black: config.black(),
    }
}

/// The data of one run or of several, and what is known of them.
pub(crate) struct Data {
    pub(super) set: Arc<Dataset>,
    pub(crate) sha256: String,
    pub(super) sizes: Sizes,
    /// Fitted when a run has ended; on the test examples in these places.
    baseline: RefCell<Option<(Vec<usize>, Baseline)>>,
}

impl Data {
    /// The data that `config` asks for.
    pub(crate) fn load(config: &Config) -> Result<Self> {
        let set = load(config).map_err(Error::data)?;
        Ok(Self {
            sha256: fingerprint(&set),
            sizes: Sizes::of(&set),
            set: Arc::new(set),
            baseline: RefCell::default(),
        })
    }

    /// Says what they are.
    pub(crate) fn introduce(&self, task: Task) {
        tell(&self.introduction(task));
    }

    pub(super) fn introduction(&self, task: Task) -> String {
        let mut text = format!("data:   {}", self.set.name);
        for note in &self.set.notes {
            text += &format!("\n        {note}");
        }
        if self.set.builtin {
            text += &format!(
                "\n        (`skein data get {}` fetches the published data, --data PATH names your own)",
                task.name()
            );
        }
        text
    }

    /// What token frequencies alone can do on the test examples in `places`; none if somebody wants to `stop`.
    pub(super) fn baseline(&self, places: Vec<usize>, stop: impl Fn() -> bool) -> Option<Baseline> {
        if let Some((of, baseline)) = &*self.baseline.borrow()
            && *of == places
        {
            return Some(*baseline);
        }
        let examples = &self.set.test.examples;
        let baseline = if places.len() == examples.len() {
            baseline::token_frequencies_until(&self.set, stop)?
        } else {
            let mut judged = Dataset::clone(&self.set);
            judged.test.examples = places.iter().map(|&i| examples[i].clone()).collect();
            baseline::token_frequencies_until(&judged, stop)?
        };
        self.baseline.replace(Some((places, baseline)));
        Some(baseline)
    }
}

/// SHA-256 of every example in its place, cut as it is.
pub(crate) fn fingerprint(data: &Dataset) -> String {
    let mut hash = Sha256::new();
    let number = |hash: &mut Sha256, n: usize| hash.update((n as u64).to_le_bytes());
    for split in [&data.train, &data.dev, &data.test] {
        number(&mut hash, split.examples.len());
        for example in &split.examples {
            for n in [example.id, example.label, example.documents.len()] {
                number(&mut hash, n);
            }
            for document in &example.documents {
                number(&mut hash, document.len());
                hash.update(document);
            }
        }
    }
    hex(&hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::asserts::has;
    use datasets::listops;

    #[test]
    fn built_in_trees_that_are_too_short_are_refused_at_once() {
        let config = |max_len| Config {
            data: "builtin".into(),
            max_len,
            ..Task::ListOps.preset(Budget::Smoke)
        };
        let error = config(7).checked(Task::ListOps).unwrap_err().to_string();
        has(&error, "max_len = 7: expected at least 8");
        assert!(error.contains("--max-len"), "{error}");
        let shortest = config(8).checked(Task::ListOps).unwrap();
        let notes = load(&shortest).unwrap().notes.join("\n");
        // The length of this run, not of the benchmark.
        assert!(notes.contains("longest 7; cut at 8: 0"), "{notes}");
        assert!(load(&config(7)).is_err());
        // Files may hold any.
        let of_files = Config {
            data: "trees".into(),
            ..config(7)
        };
        assert!(of_files.checked(Task::ListOps).is_ok());
    }

    /// As many features as tokens make every method of a table the same.
    #[test]
    fn features_are_below_the_lengths_but_in_the_paper_s_budget() {
        for task in Task::ALL {
            for budget in [Budget::Smoke, Budget::Quick] {
                let config = Config {
                    data: "builtin".into(),
                    ..task.preset(budget)
                };
                let lengths = sizes(&config).unwrap().lengths();
                let features = config.features;
                let told = format!("{task:?}, {budget:?}: {features} features; {lengths}");
                assert!(features < lengths.first_quartile, "{told}");
                let part = lengths.median as f64 / features as f64;
                assert!((4.0..=8.0).contains(&part), "{told}");
            }
            assert_eq!(task.preset(Budget::Paper).features, 256);
        }
    }

    #[test]
    fn a_budget_that_cuts_most_of_a_folder_is_warned_of() {
        let folder = tempfile::tempdir().unwrap();
        let shape = listops::Shape {
            train: 20,
            dev: 5,
            test: 5,
            ..listops::Shape::LRA
        };
        listops::write(folder.path(), 1, &shape).unwrap();
        // The sets of `skein data make` are no exception.
        std::fs::write(folder.path().join(datasets::MADE), "").unwrap();
        let note = |budget, max_len: Option<usize>| {
            let preset = Task::ListOps.preset(budget);
            let config = Config {
                data: folder.path().to_str().unwrap().into(),
                max_len: max_len.unwrap_or(preset.max_len),
                ..preset
            };
            load(&config).unwrap().notes.remove(0)
        };
        assert_eq!(
            note(Budget::Quick, None),
            "warning: budget quick cuts at 200 tokens, which 20 of 20 train examples reach, so that their values \
             cannot be known: --max-len 2000 or --budget paper keeps them"
        );
        for (budget, max_len) in [
            (Budget::Paper, None),
            (Budget::Quick, Some(2000)),
            (Budget::Quick, Some(100)), // Somebody has chosen that.
        ] {
            let note = note(budget, max_len);
            assert!(!note.contains("warning"), "{note}");
        }
    }

    #[test]
    fn baselines_are_of_the_examples_that_the_model_is_judged_on() {
        let config = Config {
            data: "builtin".into(),
            ..Task::ListOps.preset(Budget::Smoke)
        };
        let data = Data::load(&config).unwrap();
        let baseline = |places| data.baseline(places, || false).unwrap();
        assert_eq!(data.baseline(vec![0], || true), None);
        let all = data.set.test.examples.len();
        let whole = baseline((0..all).collect());
        assert_eq!(whole, baseline::token_frequencies(&data.set));
        // Of the most frequent label of train, which most of these have.
        let mut train = vec![0; data.set.classes.len()];
        for example in &data.set.train.examples {
            train[example.label] += 1;
        }
        let most = (0..train.len()).max_by_key(|&label| train[label]).unwrap();
        let is_most = |&place: &usize| data.set.test.examples[place].label == most;
        let right: Vec<usize> = (0..all).filter(is_most).take(3).collect();
        let wrong = (0..all).find(|place| !is_most(place)).unwrap();
        let drawn = baseline([&right[..], &[wrong]].concat());
        assert_eq!(drawn.majority, 0.75);
        assert_eq!(baseline(right).majority, 1.0);
        assert_eq!(baseline((0..all).collect()), whole);
    }
}
