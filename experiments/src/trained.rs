//! The folder of a run read back: its configuration, and one of its sets of weights for a model of exactly that
//! configuration. Called by [`evaluate`](crate::evaluate), [`predict`](crate::predict) and
//! [`approx`](crate::approx); nothing in the folder is changed.

use crate::checkpoint;
use crate::config::{Config, Protocol};
use crate::error::{Error, Result};
use crate::experiment::{Checkpoint, other_best, refuse_other_config};
use crate::trainer::State;
use crate::whole_file;
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

impl Trained {
    /// The run in `folder`.
    pub(crate) fn open(folder: &Path) -> Result<Trained> {
        let config = Config::of_run(folder)?;
        let task = config.task;
        Ok(Trained {
            folder: folder.to_path_buf(),
            config: config.checked(task)?,
        })
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
                    false => error,
                }
            })?;
        refuse_other_config(&self.config, &checkpoint.config)?;
        Ok((step, checkpoint))
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
    /// If they are not there, or not of this model; then `params` is as it was.
    pub(crate) fn load(
        &self,
        weights: Option<&Weights>,
        params: &mut Params<f32>,
    ) -> Result<String> {
        let tested = match self.config.protocol {
            Protocol::Clean => Weights::Best,
            Protocol::Paper => Weights::Last,
        };
        match weights.unwrap_or(&tested) {
            Weights::File(path) => {
                // Nor does a file of weights; without checkpoints nothing can be compared.
                if let Some(checkpoint) = self.readable() {
                    refuse_other_config(&self.config, &checkpoint.config)?;
                }
                let bytes = whole_file::read(path)?;
                load_safetensors(params, &bytes)
                    .map_err(|error| Error::from(error).at(&path.display().to_string()))?;
                Ok(format!("those in {}", path.display()))
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
