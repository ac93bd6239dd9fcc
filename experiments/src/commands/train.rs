//! `skein TASK`, and `exp_TASK`, which does nothing else: flags, data, a run to its end, and what is said of it.
//!
//! What can be wrong with flags, data and folders is found before anything is written.

use super::next::next;
use super::program::{Command, main_of};
use crate::commands::data::found;
use crate::run::checkpoint;
use crate::run::folder::Run;
use crate::settings::choices::Task;
use crate::settings::config::Config;
use crate::settings::given::Flags;
use crate::settings::help;
use crate::settings::product;
use crate::show::page;
use crate::terminal::error::{Error, Result};
use crate::terminal::interrupt::{INTERRUPTED, Interrupt};
use crate::terminal::output::{answer, escaped, fitted};
use crate::terminal::ranks::refuse_several;
use crate::train::data::Data;
use crate::train::experiment::{End, Sitting, Start, introduce, run};
use crate::train::source::settled;
use crate::train::trainer::refuse_too_large;
use std::path::Path;
use std::process::ExitCode;

/// The `main` of `exp_TASK`.
pub fn main(task: Task) -> ExitCode {
    main_of(command(task), format!("exp_{}", task.name()))
}

/// `skein TASK`.
pub(super) fn command(task: Task) -> Command {
    let example = format!("skein {} --attn skein --data builtin", task.name());
    Command::with(Flags::command_for(task), &example, move |matches| {
        experiment(task, &Flags::of(matches)?)
    })
}

fn experiment(task: Task, flags: &Flags) -> Result<ExitCode> {
    if flags.list {
        answer(&fitted(&help::list()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let config = settled(found(Config::resolve(task, flags)?)?)?;
    if flags.print_config {
        answer(&escaped(&config.to_toml()))?;
        return Ok(ExitCode::SUCCESS);
    }
    refuse_several(
        "start one; `skein sweep --shard auto` shares a grid out among the jobs of an array",
    )?;
    product::choose(config.product)?;
    match &flags.resume {
        Some(folder) => {
            refuse_ended(folder)?;
            refuse_behind(folder, flags.stop_after)?;
        }
        None => Run::refuse_existing(&config, flags.out.as_deref(), flags.overwrite)?,
    }
    refuse_too_large(&config, flags.threads())?;
    let data = Data::load(&config).map_err(|error| {
        let gone = config.data_folder().is_some_and(|path| !path.exists());
        match gone && flags.resume.is_some() {
            true => {
                error.hint("if the data of the run have moved, --data PATH says where they are")
            }
            false => error,
        }
    })?;
    introduce(&config);
    data.introduce(task);

    let start = match &flags.resume {
        Some(folder) => Start::Resumed(folder),
        None => Start::New {
            out: flags.out.as_deref(),
            overwrite: flags.overwrite,
        },
    };
    let interrupt = Interrupt::install()?;
    match run(
        &config,
        start,
        &data,
        &Sitting {
            threads: flags.threads(),
            stop_after: flags.stop_after,
            keep_every: flags.keep_every,
            profile: flags.profile,
            tensorboard: flags.tensorboard,
        },
        &interrupt,
    )? {
        End::Finished(ended) => {
            page::write_at_end(&ended.folder);
            let hint = format!(
                "the run is complete, its outcome is in {}",
                ended.folder.join("result.json").display()
            );
            let text = fitted(&ended.table()) + &next(task, &ended.folder);
            answer(&text).map_err(|error| error.hint(hint))?;
            Ok(ExitCode::SUCCESS)
        }
        End::Paused => Ok(ExitCode::SUCCESS),
        End::Interrupted => Ok(ExitCode::from(INTERRUPTED)),
    }
}

fn refuse_ended(folder: &Path) -> Result<()> {
    if !folder.join("result.json").exists() {
        return Ok(());
    }
    let message = format!(
        "the run in {} has ended: expected one that can go on",
        folder.display()
    );
    Err(Error::usage(message).hint("its outcome is in result.json"))
}

/// Nobody can stop where the run has already been.
fn refuse_behind(folder: &Path, stop_after: Option<usize>) -> Result<()> {
    let newest = checkpoint::newest_step(folder)?;
    match (newest, stop_after) {
        (Some(done), Some(stop)) if stop < done => {
            let message = format!(
                "--stop-after {stop}: the run in {} is at step {done} already, expected {done} or more",
                folder.display()
            );
            Err(Error::usage(message).hint("leave --stop-after out to go on to the end"))
        }
        _ => Ok(()),
    }
}
