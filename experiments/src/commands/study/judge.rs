//! A trained model on some examples of its own data: how it confuses the classes, and which it takes for others.

use super::work::{Shown, Split};
use crate::run::measured::Evaluation;
use crate::terminal::error::{Error, Result};
use crate::terminal::parse::threads;
use crate::train::data::{fingerprint, load_of_run};
use crate::train::replay::Watch;
use crate::train::trained::Trained;
use crate::train::trainer::Trainer;
use serde::Serialize;
use std::path::Path;

/// Wrong examples that are shown.
const WRONG: usize = 40;

/// What came of it: the numbers of `skein evaluate`.
#[derive(Serialize)]
pub(super) struct Judged {
    split: Split,
    /// Which weights.
    weights: String,
    #[serde(flatten)]
    evaluation: Evaluation,
    classes: Vec<String>,
    /// For each class, how many of its examples were taken for each.
    confusion: Vec<Vec<usize>>,
    /// The first ones.
    wrong: Vec<Wrong>,
}

/// An example that was taken for another class.
#[derive(Serialize)]
struct Wrong {
    id: usize,
    label: usize,
    predicted: usize,
    shown: Vec<Shown>,
}

/// Judges `count` examples of a split (0: all), drawn as in the run.
pub(super) fn judge(
    folder: &Path,
    which: Split,
    count: usize,
    watch: &mut dyn Watch,
) -> Result<Judged> {
    let run = Trained::open(folder)?;
    let data = load_of_run(&run.config)?;
    run.refuse_other_data(&fingerprint(&data))?;
    run.refuse_other_classes(&data)?;
    let mut trainer = Trainer::new(&run.config, data, threads(None))?;
    let weights = run.load(None, trainer.params_mut())?;
    let data = trainer.data();
    let split = match which {
        Split::Train => &data.train,
        Split::Dev => &data.dev,
        Split::Test => &data.test,
    };
    let classes = data.classes.clone();
    let mut confusion = vec![vec![0; classes.len()]; classes.len()];
    let mut wrong = Vec::new();
    let judged = trainer.judge(
        split,
        count,
        |seen, all| watch.at(seen, all),
        |example, predicted| {
            confusion[example.label][predicted] += 1;
            if predicted != example.label && wrong.len() < WRONG {
                wrong.push(Wrong {
                    id: example.id,
                    label: example.label,
                    predicted,
                    shown: Shown::of(example, run.config.task),
                });
            }
        },
    );
    Ok(Judged {
        split: which,
        weights,
        evaluation: judged?.ok_or_else(|| Error::failure("the evaluation was broken off"))?,
        classes,
        confusion,
        wrong,
    })
}
