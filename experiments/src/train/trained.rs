//! The folder of a run read back: its configuration, and one of its sets of weights for a model of exactly that
//! configuration. Nothing in the folder is changed.

use crate::files::whole_file;
use crate::run::checkpoint;
use crate::run::data_report::DataReport;
use crate::settings::choices::Protocol;
use crate::settings::config::Config;
use crate::terminal::error::{Error, Result};
use crate::terminal::output::tell;
use crate::train::experiment::{Checkpoint, other_best, other_data, refuse_other_config};
use crate::train::trainer::{State, refuse_not_finite};
use datasets::{Dataset, shown};
use engine::Params;
use models::load_safetensors;
use std::path::{Path, PathBuf};

/// Which weights.
#[derive(Clone, Debug)]
pub(crate) enum Weights {
    /// Those with the lowest dev loss.
    Best,
    /// Those after the last step.
    Last,
    /// Those in a safetensors file.
    File(PathBuf),
}

/// A run.
pub(crate) struct Trained {
    folder: PathBuf,
    /// As its config.toml has it.
    pub(crate) config: Config,
    /// What it has learnt from; none if an older program began it.
    data: Option<DataReport>,
}

impl Weights {
    /// As `--weights` says it.
    pub(crate) fn parse(text: &str) -> std::result::Result<Self, String> {
        match text {
            "best" => Ok(Weights::Best),
            "last" => Ok(Weights::Last),
            file if file.ends_with(".safetensors") => Ok(Weights::File(file.into())),
            _ => Err("expected best, last or the path of a .safetensors file".to_string()),
        }
    }
}

fn tell_of_unknown(classes: &[String]) {
    let classes = classes.join(", ");
    tell(&format!(
        "note: unknown which classes the run has learnt: taken to be {classes}"
    ));
}

impl Trained {
    /// The run in `folder`.
    pub(crate) fn open(folder: &Path) -> Result<Trained> {
        let config = Config::of_run(folder)?;
        let task = config.task;
        Ok(Trained {
            folder: folder.to_path_buf(),
            config: config.checked_of_run(task)?,
            data: DataReport::read(folder)?,
        })
    }

    /// The names of the classes that it has learnt, by label; of an older run, those that its task has in this program.
    pub(crate) fn classes(&self) -> Vec<String> {
        match &self.data {
            Some(data) => data.classes.clone(),
            None => {
                let builtin = self.config.data_folder().is_none();
                let classes = self.config.task.classes(builtin);
                tell_of_unknown(&classes);
                classes
            }
        }
    }

    /// The SHA-256 of what it has learnt from, as data.json has it.
    pub(crate) fn data_sha256(&self) -> Option<String> {
        self.data.as_ref().map(|data| data.sha256.clone())
    }

    /// Refuses data of other classes than it has learnt.
    pub(crate) fn refuse_other_classes(&self, data: &Dataset) -> Result<()> {
        match &self.data {
            Some(learnt) => learnt.refuse_other_classes(data),
            None => {
                tell_of_unknown(&data.classes);
                Ok(())
            }
        }
    }

    /// Refuses other data than the run's, as its checkpoint has them, or data.json where there is none.
    pub(crate) fn refuse_other_data(&self, sha256: &str) -> Result<()> {
        let checkpoint = self.readable().map(|checkpoint| checkpoint.data);
        match checkpoint.or_else(|| self.data_sha256()) {
            Some(learnt) if learnt != sha256 => {
                let instead = match self.config.data_folder() {
                    Some(_) => "name these with --data PATH",
                    None => "judge it on these with --data builtin",
                };
                let hashes = [sha256, &learnt];
                Err(other_data(&self.config, &self.folder, hashes, instead))
            }
            Some(_) => Ok(()),
            None => {
                tell(
                    "note: without its checkpoints it is not known whether the data are the run's",
                );
                Ok(())
            }
        }
    }

    /// The checkpoint of the newest state, if it is one of this configuration.
    pub(crate) fn newest(&self) -> Result<(usize, Checkpoint)> {
        let tested = self.folder.join("weights.safetensors");
        let (step, checkpoint) =
            checkpoint::newest::<Checkpoint>(&self.folder).map_err(|error| {
                match tested.exists() {
                    true => error.hint(format!(
                        "--weights {} has those of the test",
                        tested.display()
                    )),
                    false => error.hint("--weights FILE names others, of a safetensors file"),
                }
            })?;
        self.refuse_other(&checkpoint)?;
        Ok((step, checkpoint))
    }

    /// Refuses a checkpoint of another configuration.
    fn refuse_other(&self, checkpoint: &Checkpoint) -> Result<()> {
        refuse_other_config(&self.config, &checkpoint.config)
            .map_err(|error| error.hint("restore that line"))
    }

    /// The newest checkpoint, if it is there and sound; its configuration is not compared.
    pub(crate) fn readable(&self) -> Option<Checkpoint> {
        let newest = checkpoint::newest::<Checkpoint>(&self.folder);
        newest.ok().map(|(_, checkpoint)| checkpoint)
    }

    /// Sets `params` to the weights that are asked for, if not to those that the run's test is about: the best under
    /// protocol `clean`, the last under `paper`. Returns which they are.
    ///
    /// # Errors
    /// If they are not there, not of this model, or not finite.
    pub(crate) fn load(
        &self,
        weights: Option<&Weights>,
        params: &mut Params<f32>,
    ) -> Result<String> {
        let which = self.read(weights, params)?;
        refuse_not_finite(params).map_err(|error| {
            let place = format!("{}, {which}", self.folder.display());
            error
                .at(&place)
                .hint("--weights names others: best, last or a file")
        })?;
        Ok(which)
    }

    fn read(&self, weights: Option<&Weights>, params: &mut Params<f32>) -> Result<String> {
        let tested = match self.config.protocol {
            Protocol::Clean => Weights::Best,
            Protocol::Paper => Weights::Last,
        };
        match weights.unwrap_or(&tested) {
            Weights::File(path) => {
                // Nor does a file of weights; without checkpoints nothing can be compared.
                if let Some(checkpoint) = self.readable() {
                    self.refuse_other(&checkpoint)?;
                }
                let bytes = whole_file::read(path)?;
                load_safetensors(params, &bytes).map_err(|error| {
                    let error = Error::from(error).at(&path.display().to_string());
                    error.hint("--weights names others: best, last or a file")
                })?;
                Ok(format!("those in {}", shown::name(path)))
            }
            Weights::Last => {
                let (step, checkpoint) = self.newest()?;
                checkpoint.trainer.write_to(params)?;
                Ok(format!("the last, after step {step}"))
            }
            Weights::Best => {
                // best.bin knows no configuration: that of the checkpoint beside it is compared.
                let (done, checkpoint) = self.newest()?;
                let path = self.folder.join("best.bin");
                if !path.exists() {
                    let message = format!("{} is not there yet", path.display());
                    return Err(Error::failure(message)
                        .hint("it comes with the first evaluation; --weights last is there"));
                }
                let (step, state) = checkpoint::read::<State>(&path)?;
                // Killed right after a checkpoint, a run has left an older best.bin beside it.
                let (step, state) = match checkpoint.best_step() {
                    Some(best) if best == done && step < done => (done, checkpoint.trainer),
                    Some(best) if step != best && step <= done => {
                        let hint =
                            "--weights last is there, and --resume mends it in a run that goes on";
                        return Err(other_best(step, best).hint(hint));
                    }
                    _ => (step, state),
                };
                state.write_to(params)?;
                Ok(format!("the best on dev, after step {step}"))
            }
        }
    }
}
