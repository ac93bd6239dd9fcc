//! What is explained: a made-up text, an example of a task, or an example of a step of a run; and one pass of it through
//! its model.

use crate::settings::choices::{Budget, Task, method};
use crate::settings::config::Config;
use crate::terminal::error::{Error, Result, refuse_more};
use crate::train::data::load;
use crate::train::replay::{Replay, Watch};
use crate::train::trainer::{Traced, Trainer};
use datasets::loader::Place;
use engine::{Draw, Draws, Gradients, Params, Seed, Tape};
use models::{Document, Model, ModelConfig};
use ops::attention::Options;
use std::collections::BTreeMap;

/// What the made-up example says, over and over, until it is long enough.
const TEXT: &[u8] =
    b"Every gradient stands in one file, at once below what it is the gradient of. ";
/// The rate of dropout of the paper's models.
const DROPOUT: f64 = 0.1;

/// Which example of a batch or of its set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// By its place in the batch, from 0.
    Place(usize),
    /// By its number in the set.
    Id(usize),
}

/// What is explained.
pub(crate) enum Subject {
    MadeUp(Box<MadeUp>),
    /// An example of a batch of so many.
    Visit(Box<Visit>),
}

/// A made-up text.
pub(crate) struct MadeUp {
    attn: String,
    seed: u64,
    features: usize,
    model: Model<f32>,
    params: Params<f32>,
    document: [Document; 1],
}

/// A visit to an example of a train split.
pub(crate) struct Visit {
    /// What is said of it before its numbers.
    told: String,
    attn: String,
    at: At,
    place: Place,
    count: usize,
}

/// Where a visitor is.
enum At {
    /// At the start of a new run.
    Start(Box<Trainer>),
    /// Before a step of a run.
    Step(Box<Replay>),
}

/// A step of a run at which a replay has arrived, and an example of its batch.
pub(crate) struct Arrival {
    told: String,
    place: Place,
    /// The numbers of the examples of the batch in their set.
    pub(crate) batch: Vec<usize>,
}

/// What one pass gives beside what its tape keeps.
pub(crate) struct Passed {
    pub(crate) loss: f64,
    pub(crate) gradients: Gradients<f32>,
    pub(crate) draws: BTreeMap<String, Draw>,
    /// What was passed through.
    pub(crate) example: String,
}

impl Subject {
    /// A made-up text of so many tokens.
    pub(crate) fn made_up(attn: &str, features: usize, tokens: usize, seed: u64) -> Result<Self> {
        let entry = method(attn)?;
        let options = Options {
            features,
            dropout: DROPOUT,
            ..Options::default()
        };
        let method = entry.method(&options);
        let config = ModelConfig {
            dropout: DROPOUT,
            ..ModelConfig::new(512, tokens.next_power_of_two(), 2, 1)
        };
        // The parameters, their gradient, and one head at work.
        let numbers = Model::numbers(&config, &*method);
        let bytes = 8.0 * numbers + entry.bytes(&options, tokens, config.head_width());
        let what = format!("{attn} with {features} features and {tokens} tokens");
        refuse_more(&what, bytes, "smaller --features or --tokens take less")?;
        let (model, params) = Model::new(config, method, Seed(seed));
        let text = TEXT.iter().cycle().take(tokens);
        let document = [Document::text(
            text.map(|&byte| u32::from(byte) + 1).collect(),
        )];
        Ok(Subject::MadeUp(Box::new(MadeUp {
            attn: entry.name.to_string(),
            seed,
            features,
            model,
            params,
            document,
        })))
    }

    /// The first step of a new run of a task on small data that are built in.
    pub(super) fn of_task(
        task: Task,
        attn: &str,
        (features, tokens): (Option<usize>, Option<usize>),
        seed: u64,
        which: Which,
    ) -> Result<Self> {
        let preset = task.preset(Budget::Smoke);
        let config = Config {
            attn: method(attn)?.name.to_string(),
            data: "builtin".into(),
            features: features.unwrap_or(preset.features),
            max_len: tokens.unwrap_or(preset.max_len),
            seed,
            ..preset
        };
        let config = config.checked(task)?;
        let data = load(&config).map_err(Error::data)?;
        let trainer = Trainer::new(&config, data, 1)?;
        let told = format!(
            "{}, {} features, seed {seed}, as in the first step of a new run",
            task.name(),
            config.features
        );
        Self::visit(told, &config, trainer, 0, which)
    }

    /// The example at which the replay of a run has arrived.
    pub(crate) fn of_run(replay: Replay, arrival: Arrival) -> Self {
        Subject::Visit(Box::new(Visit {
            told: arrival.told,
            attn: replay.config.attn.clone(),
            place: arrival.place,
            count: arrival.batch.len(),
            at: At::Step(Box::new(replay)),
        }))
    }

    /// The replay of its run, to go on with.
    pub(crate) fn into_replay(self) -> Option<Replay> {
        match self {
            Subject::Visit(visit) => match visit.at {
                At::Step(replay) => Some(*replay),
                At::Start(_) => None,
            },
            Subject::MadeUp(_) => None,
        }
    }

    fn visit(
        told: String,
        config: &Config,
        mut trainer: Trainer,
        step: usize,
        which: Which,
    ) -> Result<Self> {
        let batch = trainer.begin(step);
        Ok(Subject::Visit(Box::new(Visit {
            place: placed(&trainer, &batch, which)?,
            count: batch.len(),
            told,
            attn: config.attn.clone(),
            at: At::Start(Box::new(trainer)),
        })))
    }

    /// The name of its method.
    pub(crate) fn attn(&self) -> &str {
        match self {
            Subject::MadeUp(made_up) => &made_up.attn,
            Subject::Visit(visit) => &visit.attn,
        }
    }

    /// Its parameters.
    pub(crate) fn params(&self) -> &Params<f32> {
        match self {
            Subject::MadeUp(made_up) => &made_up.params,
            Subject::Visit(visit) => visit.trainer().params(),
        }
    }

    /// The same parameters, to be written (shapes must stay).
    pub(super) fn params_mut(&mut self) -> &mut Params<f32> {
        match self {
            Subject::MadeUp(made_up) => &mut made_up.params,
            Subject::Visit(visit) => match &mut visit.at {
                At::Start(trainer) => trainer.params_mut(),
                At::Step(replay) => replay.trainer.params_mut(),
            },
        }
    }

    /// Forward and backward on a tape.
    pub(crate) fn pass(&self, tape: &Tape<f32>) -> Passed {
        match self {
            Subject::MadeUp(made_up) => made_up.pass(tape),
            Subject::Visit(visit) => {
                let traced = visit.trainer().trace(visit.place, visit.count, tape);
                visit.passed(traced)
            }
        }
    }
}

impl MadeUp {
    fn pass(&self, tape: &Tape<f32>) -> Passed {
        let seed = Seed(self.seed);
        let bound = self.params.bind(tape);
        let draws = Draws::recording(seed.stream("draws"));
        let dropout = Some(seed.stream("dropout"));
        let loss = self.model.loss(&bound, &self.document, 1, &draws, dropout);
        let gradients = tape.backward(&loss);
        Passed {
            loss: f64::from(loss.item()),
            gradients,
            draws: draws.recorded(),
            example: format!(
                "{} tokens, {} features, seed {}, dropout {DROPOUT}, f32",
                self.document[0].tokens.len(),
                self.features,
                self.seed
            ),
        }
    }
}

impl Visit {
    fn trainer(&self) -> &Trainer {
        match &self.at {
            At::Start(trainer) => trainer,
            At::Step(replay) => &replay.trainer,
        }
    }

    fn passed(&self, traced: Traced) -> Passed {
        let classes = &self.trainer().data().classes;
        let example = format!(
            "{}: train example {} of {} tokens, {} (taken for {}), share 1/{} of the batch",
            self.told,
            traced.id,
            traced.tokens,
            classes[traced.label],
            classes[traced.predicted],
            self.count
        );
        Passed {
            loss: traced.loss,
            gradients: traced.gradients,
            draws: traced.draws,
            example,
        }
    }
}

impl Arrival {
    /// The example's place in the train split.
    pub(crate) fn example(&self) -> usize {
        self.place.example
    }
}

/// Takes a run to before its step `step`, counted from 1, to an example of it.
///
/// # Errors
/// As of [`Replay::go_back`] and of its steps; if there is no such example.
pub(crate) fn arrive(
    replay: &mut Replay,
    step: usize,
    which: Which,
    watch: &mut dyn Watch,
) -> Result<Arrival> {
    replay.go_back(step - 1, watch)?;
    replay.go_to(step - 1, step, watch)?;
    let batch = replay.trainer.begin(step - 1);
    let place = placed(&replay.trainer, &batch, which)?;
    replay.compare(watch)?;
    let folder = replay.folder();
    let lines = folder.join("metrics.jsonl");
    watch.remark(match replay.differs() {
        None => format!(
            "step {step} replayed: its line is that of {}",
            lines.display()
        ),
        Some(first) => format!(
            "note: from step {first} on, lines are others than in {}",
            lines.display()
        ),
    });
    let config = &replay.config;
    let all = &replay.trainer.data().train.examples;
    Ok(Arrival {
        told: format!(
            "{}, {} features, seed {}, step {step} of {}",
            config.task.name(),
            config.features,
            config.seed,
            folder.display()
        ),
        place,
        batch: batch.iter().map(|place| all[place.example].id).collect(),
    })
}

/// Where an example is visited.
pub(super) fn placed(trainer: &Trainer, batch: &[Place], which: Which) -> Result<Place> {
    let all = &trainer.data().train.examples;
    match which {
        Which::Place(place) => batch.get(place).copied().ok_or_else(|| {
            let message = format!("--example {place}: expected 0 to {}", batch.len() - 1);
            Error::usage(message)
                .hint("it is the place in the batch of that step; --id takes the example's number")
        }),
        Which::Id(id) => {
            let example = all.iter().position(|example| example.id == id);
            let example = example.ok_or_else(|| {
                let message = format!("--id {id}: there is no train example of this number");
                Error::usage(message).hint(format!("there are {} of them", all.len()))
            })?;
            let of_batch = batch.iter().find(|place| place.example == example);
            Ok(of_batch.copied().unwrap_or(Place {
                epoch: batch[0].epoch,
                example,
            }))
        }
    }
}
