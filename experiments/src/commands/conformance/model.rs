//! A whole model on a batch: logits, loss, the gradient of every parameter, and the losses and
//! weights of training.
//!
//! Rows are examples of their own here: the loss of a batch is the mean of theirs, and so is its
//! gradient. Token 0 is no token; a real token keeps its position.

use super::case::Case;
use super::error::{Comparison, Kind, Measure, norm};
use super::method::{Method, build};
use engine::{Draw, Draws, GradientSums, Params, Real, Seed, Tape, Tensor};
use models::{AdamW, Document, Model, ModelConfig, OneCycle, Pooling, load_safetensors};
use std::collections::{BTreeMap, BTreeSet};

/// Steps of training that are compared in f32: later ones have left the path of f64.
const STEPS_F32: usize = 10;

/// One row of the batch.
struct Row {
    documents: Vec<Document>,
    label: usize,
    draws: BTreeMap<String, Draw>,
}

/// What a batch gives.
struct Batch<T: Real> {
    logits: Vec<T>,
    loss: T,
    gradients: GradientSums<T>,
}

/// Runs the case in `T`.
pub(super) fn check<T: Real>(case: &Case<'_>, method: &Method) -> Result<Vec<Measure>, String> {
    let config = config(case)?;
    let attention = build::<T>(case, method, [config.positions, config.head_width()])?;
    // Its parameters come from the file. Not less than all of them: of a few that are missing the names are told below.
    let (numbers, held) = (Model::numbers(&config, &*attention), case.held("param."));
    if numbers > 2.0 * held as f64 {
        return Err(format!(
            "the metadata are of a model with {numbers:.0} parameters, param.* hold {held}"
        ));
    }
    let (model, mut params) = Model::new(config, attention, Seed(0));
    load_safetensors(&mut params, &case.extract("param.")?)
        .map_err(|error| format!("param.*: {error}"))?;
    let rows = rows(case, model.config())?;
    refuse_strangers(case, &params, &rows)?;

    let names = || params.iter().map(|(name, _)| format!("grad.{name}"));
    let gradients: Vec<Vec<f64>> = names()
        .map(|name| case.numbers(&name))
        .collect::<Result<_, _>>()?;
    let largest = gradients.iter().map(|x| norm(x)).fold(0.0, f64::max);
    let tolerance = if T::NAME == f64::NAME { 1e-8 } else { 1e-3 };
    let mut comparison = Comparison::new::<T>(tolerance, largest, largest);

    let batch = run(&model, &params, &rows)?;
    let (logits, loss) = (case.numbers("logits")?, case.numbers("loss")?);
    comparison.tensor(Kind::Output, "logits", &batch.logits, &logits)?;
    comparison.tensor(Kind::Output, "loss", &[batch.loss], &loss)?;
    for ((name, want), got) in names().zip(&gradients).zip(&*batch.gradients) {
        comparison.tensor(Kind::Gradient, &name, got.data(), want)?;
    }
    for cycled in [false, true] {
        train(case, &model, params.clone(), &rows, cycled, &mut comparison)?;
    }
    Ok(comparison.measures())
}

/// Trains on the batch: the schedule and the loss of every step, and the last weights.
fn train<T: Real>(
    case: &Case<'_>,
    model: &Model<T>,
    mut params: Params<T>,
    rows: &[Row],
    cycled: bool,
    comparison: &mut Comparison,
) -> Result<(), String> {
    let steps: usize = case.setting("steps")?;
    let (peak, warmup) = (case.setting("lr")?, case.setting("warmup")?);
    let schedule = OneCycle::new(peak, warmup, steps, cycled).map_err(|error| error.to_string())?;
    let sequence = |name: &str| match case.numbers(name)? {
        numbers if numbers.len() == steps => Ok(numbers),
        other => Err(format!(
            "{name} has {} numbers, expected {steps}",
            other.len()
        )),
    };
    let rates = sequence("lrs")?.into_iter().enumerate();
    comparison.sequence("lrs", rates.map(|(step, want)| (schedule.rate(step), want)));
    if cycled {
        let betas = sequence("beta1_cycled")?.into_iter().enumerate();
        let betas = betas.map(|(step, want)| (schedule.beta1(step), want));
        comparison.sequence("beta1_cycled", betas);
    }

    let losses = if cycled { "losses_cycled" } else { "losses" };
    let double = T::NAME == f64::NAME;
    let compared = if double { steps } else { STEPS_F32 };
    let mut adamw = AdamW::new(&params, case.setting("weight_decay")?);
    let mut pairs = Vec::new();
    for (step, want) in sequence(losses)?.into_iter().enumerate().take(compared) {
        let batch = run(model, &params, rows)?;
        pairs.push((batch.loss.f64(), want));
        let (rate, beta1) = (schedule.rate(step), schedule.beta1(step));
        adamw
            .step(&mut params, &batch.gradients, rate, beta1)
            .map_err(|error| error.to_string())?;
    }
    comparison.sequence(losses, pairs);
    if double && !cycled {
        for (name, got) in params.iter() {
            let name = format!("final.{name}");
            comparison.tensor(Kind::Training, &name, got.data(), &case.numbers(&name)?)?;
        }
    }
    Ok(())
}

fn config(case: &Case<'_>) -> Result<ModelConfig, String> {
    let hidden = case.setting("hidden")?;
    let config = ModelConfig {
        dim: case.setting("dim")?,
        hidden,
        head_hidden: hidden,
        heads: case.setting("heads")?,
        layers: case.setting("layers")?,
        pooling: match case.text("pool")? {
            "padded" => Pooling::Padded,
            "mean" => Pooling::Mean,
            other => return Err(format!("pool is {other:?}, expected padded or mean")),
        },
        dropout: 0.0,
        ..ModelConfig::new(
            case.setting("vocab")?,
            case.setting("length")?,
            case.setting("classes")?,
            1 + usize::from(case.setting::<bool>("dual")?),
        )
    };
    config.validate().map_err(|error| error.to_string())?;
    Ok(config)
}

/// The documents, the label and the draws of every row.
fn rows(case: &Case<'_>, config: &ModelConfig) -> Result<Vec<Row>, String> {
    let length = config.positions;
    let labels = case.indices("labels")?;
    let mut tokens = Vec::new();
    for which in 0..config.documents {
        let name = format!("tokens_{which}");
        let (got, expected) = (case.shape(&name)?, [labels.len(), length]);
        if got != expected {
            return Err(format!("{name} has shape {got:?}, expected {expected:?}"));
        }
        tokens.push(case.indices(&name)?);
    }
    let document = |tokens: &Vec<u32>, row: usize| {
        let places = (0..).zip(tokens[row * length..][..length].iter().copied());
        let (positions, tokens) = places.filter(|&(_, token)| token != 0).unzip();
        Document { positions, tokens }
    };
    let row = |(row, &label): (usize, &u32)| {
        let mut draws = BTreeMap::new();
        for name in case.names() {
            // `pilot.doc0.row2.layer1.head0` is what row 2 calls `pilot.doc0.layer1.head0`.
            if let Some((before, after)) = name.split_once(&format!(".row{row}.")) {
                draws.insert(format!("{before}.{after}"), case.draw(name)?);
            }
        }
        Ok(Row {
            documents: tokens.iter().map(|tokens| document(tokens, row)).collect(),
            label: label as usize,
            draws,
        })
    };
    labels.iter().enumerate().map(row).collect()
}

/// A tensor that nothing here reads is a sign that the case means something else.
fn refuse_strangers<T: Real>(
    case: &Case<'_>,
    params: &Params<T>,
    rows: &[Row],
) -> Result<(), String> {
    let documents = rows.first().map_or(0, |row| row.documents.len());
    let mut known: BTreeSet<String> = (0..documents).map(|d| format!("tokens_{d}")).collect();
    known.extend(["labels", "logits", "loss", "lrs", "losses"].map(String::from));
    known.extend(["beta1_cycled", "losses_cycled"].map(String::from));
    for (name, _) in params.iter() {
        known.extend(["param.", "grad.", "final."].map(|prefix| format!("{prefix}{name}")));
    }
    let of_a_row = |name: &str| (0..rows.len()).any(|row| name.contains(&format!(".row{row}.")));
    let read = |name: &&str| known.contains(*name) || of_a_row(name);
    match case.names().into_iter().find(|name| !read(name)) {
        Some(name) => Err(format!(
            "tensor {name} has no meaning in a case of this model"
        )),
        None => Ok(()),
    }
}

/// Logits, mean loss and its gradients.
fn run<T: Real>(model: &Model<T>, params: &Params<T>, rows: &[Row]) -> Result<Batch<T>, String> {
    let mut batch = Batch {
        logits: Vec::new(),
        loss: T::ZERO,
        gradients: params.zeros(),
    };
    let share = T::ONE / T::of(rows.len() as f64);
    let kind = |name: &str| name.split('.').next().map(str::to_string);
    let kinds: BTreeSet<_> = rows
        .iter()
        .flat_map(|row| row.draws.keys().map(|name| kind(name)))
        .collect();
    for row in rows {
        let tape = Tape::new();
        let bound = params.bind(&tape);
        let draws = Draws::replay(Seed(0).stream("not in the case"), row.draws.clone());
        let logits = model.logits(&bound, &row.documents, &draws, None);
        let recorded = draws.recorded();
        if let Some(name) = row.draws.keys().find(|name| !recorded.contains_key(*name)) {
            return Err(format!("the method never asked for the draw {name}"));
        }
        // What the file gives elsewhere must not be drawn anew here.
        let anew = |name: &&String| kinds.contains(&kind(name)) && !row.draws.contains_key(*name);
        if let Some(name) = recorded.keys().find(anew) {
            return Err(format!("the draw {name} of a row is missing"));
        }
        batch.logits.extend(logits.value().data());
        let loss = ops::cross_entropy(&logits, row.label);
        batch.loss += loss.item() * share;
        let gradients = tape.backward_from(&loss, Tensor::scalar(share));
        bound.accumulate(gradients, &mut batch.gradients);
    }
    Ok(batch)
}
