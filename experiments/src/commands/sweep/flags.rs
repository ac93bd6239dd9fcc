//! The flags of `skein sweep`, and whether they fit together: what is compared, each setting with one list of values or one
//! value.

use super::axis::{Axis, Set, flag, parse_axis, parse_set, parse_tune};
use super::preset::{Compared, Preset, presets};
use super::shard::{Shard, parse_shard};
use super::tune::TRIAL_SEED;
use crate::settings::choices::Task;
use crate::settings::config::Settings;
use crate::terminal::command_line::HINT;
use crate::terminal::error::{Error, Result};
use crate::terminal::output::tell;
use crate::terminal::parse::{
    distinct, parse_count, parse_number, parse_seed, parse_threads, whole,
};
use clap::{ArgMatches, Args, FromArgMatches};
use std::path::{Path, PathBuf};

/// More take years; and lists of more entries than this take long to be compared with themselves.
pub(super) const MOST_RUNS: usize = 100_000;

/// Trains and tests a grid: tasks x methods x seeds. The same command goes on with a
/// grid that was interrupted; several may work on one grid at the same time.
#[derive(clap::Args, Debug)]
pub(super) struct SweepFlags {
    /// Tasks and methods and what else is compared, where the flags below say nothing else
    #[arg(long, value_enum, value_name = "NAME", hide_possible_values = true)]
    #[arg(help_heading = "Grid")]
    pub(super) preset: Option<Preset>,
    /// Tasks: text, listops, retrieval, pathfinder, image
    #[arg(long, value_enum, value_name = "NAME,...", value_delimiter = ',')]
    #[arg(hide_possible_values = true, help_heading = "Grid")]
    pub(super) tasks: Vec<Task>,
    /// Attention methods; skein text --list shows them
    #[arg(
        long,
        value_name = "NAME,...",
        value_delimiter = ',',
        help_heading = "Grid"
    )]
    pub(super) methods: Vec<String>,
    /// Seeds [default: 1,2,3]
    #[arg(long, value_name = "N,...", value_delimiter = ',', value_parser = parse_seed)]
    #[arg(help_heading = "Grid")]
    pub(super) seeds: Vec<u64>,
    /// Highest learning rates to compare, in place of one for all
    #[arg(long, value_name = "RATE,...", value_delimiter = ',', value_parser = parse_number)]
    #[arg(help_heading = "Grid", conflicts_with = "learning_rate")]
    pub(super) rates: Vec<f64>,
    /// Examples a step to compare, in place of one number for all
    #[arg(
        long,
        value_name = "N,...",
        value_delimiter = ',',
        value_parser = parse_count,
        help_heading = "Grid"
    )]
    #[arg(conflicts_with = "batch")]
    pub(super) batches: Vec<usize>,
    /// Values of any setting to compare, such as features=16,32, or of one task's,
    /// text.features=16,32; any number of these
    #[arg(long, value_name = "SETTING=VALUE,...", value_parser = parse_axis)]
    #[arg(help_heading = "Grid")]
    pub(super) axis: Vec<Axis>,
    /// A setting of one task, such as text.max-len=1000; any number of these
    #[arg(long, value_name = "TASK.SETTING=VALUE", value_parser = parse_set)]
    #[arg(help_heading = "Grid")]
    pub(super) set: Vec<Set>,
    /// Before its seeds, every method tries these values on dev, and then has the best,
    /// such as learning-rate=1e-4,3e-4,1e-3
    #[arg(long, value_name = "SETTING=VALUE,...", value_parser = parse_tune)]
    #[arg(help_heading = "Grid")]
    pub(super) tune: Option<Axis>,
    /// Steps of such a trial [default: those of the runs]
    #[arg(long, value_name = "N", value_parser = whole(1..=u32::MAX as usize), requires = "tune")]
    #[arg(help_heading = "Grid")]
    pub(super) tune_steps: Option<usize>,

    /// Those of every cell.
    #[command(flatten)]
    pub(super) settings: Settings,

    /// Folder of the grid [default: runs/PRESET, else runs/sweep]
    #[arg(long, value_name = "FOLDER", help_heading = "Run")]
    pub(super) out: Option<PathBuf>,
    /// Only the cells I, I + K, I + 2K, ... of the list, for the Ith of K machines; auto
    /// or auto/K takes I from the array of jobs that this is one of
    #[arg(long, value_name = "I/K", value_parser = parse_shard, help_heading = "Run")]
    pub(super) shard: Option<Shard>,
    /// Print the cells, how far they are and how long their data, and stop
    #[arg(long, help_heading = "Run")]
    pub(super) list: bool,
    /// Print what is left to do, the hours and the memory that it takes, and how many
    /// seeds a difference of one point needs, and stop
    #[arg(long, help_heading = "Run", conflicts_with = "list")]
    pub(super) plan: bool,
    /// Try cells again that have failed; without it, they are left alone
    #[arg(long, help_heading = "Run")]
    pub(super) retry_failed: bool,
    /// Write the job array that trains this grid under Slurm, and stop
    #[arg(long, value_name = "FILE.sbatch", help_heading = "Run")]
    #[arg(conflicts_with_all = ["list", "plan", "shard"])]
    pub(super) slurm: Option<PathBuf>,
    /// Jobs of that array [default: as many as cells, at most 8]
    #[arg(long, value_name = "N", value_parser = whole(1..=MOST_RUNS), requires = "slurm")]
    #[arg(help_heading = "Run")]
    pub(super) array: Option<usize>,
    /// Nodes of that array: a feature of Slurm's that names one kind of CPU
    #[arg(long, value_name = "FEATURE", value_parser = one_word, requires = "slurm")]
    #[arg(help_heading = "Run")]
    pub(super) constraint: Option<String>,
    /// Replace that file, although others have written it
    #[arg(long, requires = "slurm", help_heading = "Run")]
    pub(super) overwrite: bool,
    /// Threads that share the work; the results do not depend on it [default: all cores]
    #[arg(long, value_name = "N", value_parser = parse_threads, help_heading = "Run")]
    pub(super) threads: Option<usize>,
    /// Also write events for TensorBoard into the folder of every run
    #[arg(long, help_heading = "Run")]
    pub(super) tensorboard: bool,
    /// Settings from a TOML file for every cell; flags win
    #[arg(long, value_name = "FILE", help_heading = "Run")]
    pub(super) config: Option<PathBuf>,
}

/// The flag that an axis came with.
pub(super) fn told(axis: &Axis, set: &[Axis]) -> String {
    let own = !set.contains(axis);
    match axis.setting {
        "learning_rate" if own => "--rates".to_string(),
        "batch" if own => "--batches".to_string(),
        _ => format!("--axis {}", axis.name()),
    }
}

impl SweepFlags {
    pub(super) fn command() -> clap::Command {
        // Their lists take their place.
        let hidden = |arg: clap::Arg| arg.hide(true);
        Self::augment_args(clap::Command::new("sweep"))
            .mut_arg("attn", hidden)
            .mut_arg("seed", hidden)
            .after_help(format!("Presets:\n{}", presets()))
    }

    pub(super) fn of(matches: &ArgMatches) -> Result<Self> {
        Self::from_arg_matches(matches).map_err(|error| Error::flags(&error, HINT))
    }

    /// The lists that were given, and else those of the preset.
    pub(super) fn compared(&self) -> Result<Compared> {
        for (given, one, many) in [
            (self.settings.attn.is_some(), "attn", "methods"),
            (self.settings.seed.is_some(), "seed", "seeds"),
        ] {
            if given {
                let message = format!("--{one} is for one run: expected --{many}");
                return Err(Error::usage(message).hint("a list may have one entry"));
            }
        }
        let preset = self.preset.map_or(Compared::default(), Preset::compared);
        fn given<X: PartialEq + Clone>(flag: &[X], preset: Vec<X>) -> Vec<X> {
            match flag {
                [] => preset,
                // Refused anyway.
                _ if flag.len() > MOST_RUNS => flag.to_vec(),
                _ => distinct(flag.iter().cloned()),
            }
        }
        let compared = Compared {
            axes: self.axes(preset.axes)?,
            tasks: given(&self.tasks, preset.tasks),
            methods: given(&self.methods, preset.methods),
            seeds: given(&self.seeds, vec![1, 2, 3]),
        };
        for (missing, what) in [
            (compared.tasks.is_empty(), "--tasks text,listops"),
            (compared.methods.is_empty(), "--methods softmax,skein"),
        ] {
            if missing {
                let message = format!("the grid is not described: expected {what} or a --preset");
                return Err(Error::usage(message).hint(HINT));
            }
        }
        self.refuse_foreign(&compared)?;
        Ok(compared)
    }

    /// The axes, no setting of a task twice: those that were given, and those of a preset of which nothing is said.
    fn axes(&self, preset: Vec<Axis>) -> Result<Vec<Axis>> {
        let value = |count: usize| toml::Value::Integer(i64::try_from(count).unwrap_or(i64::MAX));
        let rates = distinct(self.rates.iter().copied()).into_iter();
        let batches = distinct(self.batches.iter().copied()).into_iter();
        let mut axes = vec![
            Axis::new("learning_rate", rates.map(toml::Value::Float).collect()),
            Axis::new("batch", batches.map(value).collect()),
        ];
        axes.retain(|axis| !axis.values.is_empty());
        axes.extend(self.axis.iter().cloned());
        for (i, axis) in axes.iter().enumerate() {
            let name = told(axis, &self.axis);
            if let Some(other) = axes[..i].iter().find(|other| other.meets(axis)) {
                let message = format!(
                    "{name}: {} is there, too: expected one axis for a setting",
                    told(other, &self.axis)
                );
                return Err(Error::usage(message).hint("one list may have all values"));
            }
            if self.settings.has(axis.setting) {
                let message = format!(
                    "{name}: --{} is there, too: expected one of the two",
                    flag(axis.setting)
                );
                return Err(Error::usage(message).hint("an axis has the values of all cells"));
            }
            if self.tune.as_ref().is_some_and(|tune| tune.meets(axis)) {
                let message = format!("{name}: --tune is to choose it: expected one of the two");
                return Err(Error::usage(message).hint("an axis has the values of all cells"));
            }
        }
        // A flag for all cells stands against the list of a preset, too.
        let open = |axis: &Axis| {
            let said = axes.iter().chain(&self.tune);
            !self.settings.has(axis.setting) && !said.clone().any(|other| other.meets(axis))
        };
        let preset: Vec<Axis> = preset.into_iter().filter(open).collect();
        axes.extend(preset);
        axes.sort_by_key(Axis::place);
        Ok(axes)
    }

    /// Refuses what is said of a task that the grid does not have, or of a setting that has several values.
    fn refuse_foreign(&self, compared: &Compared) -> Result<()> {
        let has = |task: Task| compared.tasks.contains(&task);
        let without = |what: String| {
            let message = format!("{what}: the grid does not have this task");
            Err(Error::usage(message).hint("see --tasks"))
        };
        if let Some(set) = self.set.iter().find(|set| !has(set.task)) {
            return without(format!("--set {}.{}", set.task.name(), set.setting));
        }
        let is_foreign = |axis: &&Axis| axis.task.is_some_and(|task| !has(task));
        if let Some(axis) = compared.axes.iter().find(is_foreign) {
            return without(told(axis, &self.axis));
        }
        for set in &self.set {
            let is_of = |axis: &&Axis| axis.setting == set.setting && axis.is_of(set.task);
            let what = || format!("--set {}.{}", set.task.name(), set.setting);
            if let Some(axis) = compared.axes.iter().find(is_of) {
                let message = format!("{}: the grid compares several of these", what());
                let hint = format!("see {}", told(axis, &self.axis));
                return Err(Error::usage(message).hint(hint));
            }
            if self.tune.as_ref().filter(is_of).is_some() {
                let message = format!("{}: --tune is to choose it", what());
                return Err(Error::usage(message).hint("leave one of the two out"));
            }
        }
        let Some(tune) = &self.tune else {
            return Ok(());
        };
        let name = flag(tune.setting);
        if self.settings.has(tune.setting) {
            let message = format!("--tune {name}: --{name} is there, too: expected one of the two");
            return Err(Error::usage(message).hint("leave one of the two out"));
        }
        // Of these it is the relation to the steps that matters.
        if ["steps", "warmup", "eval-every"].contains(&name.as_str()) && self.tune_steps.is_some() {
            let message = format!("--tune {name}: with --tune-steps, trials say nothing of it");
            return Err(Error::usage(message).hint("leave --tune-steps out"));
        }
        if ["init", "scores"].contains(&tune.setting) {
            let message = format!("--tune {name}: expected a setting, not a file");
            return Err(Error::usage(message).hint(format!("--axis {name} compares files")));
        }
        if compared.seeds.contains(&TRIAL_SEED) {
            let message = format!("--seeds {TRIAL_SEED}: that is the seed of the trials of --tune");
            return Err(Error::usage(message).hint("choose another"));
        }
        Ok(())
    }

    /// What is compared does not come from a file, such as the config.toml of a run, and that is said.
    pub(super) fn tell_of_axes(&self, compared: &Compared, file: &Settings, path: &Path) {
        let mut lists = vec![
            ("attn", "--methods".to_string()),
            ("seed", "--seeds".to_string()),
        ];
        let axes = compared.axes.iter();
        lists.extend(axes.map(|axis| (axis.setting, told(axis, &self.axis))));
        let tune = self.tune.iter();
        lists.extend(tune.map(|tune| (tune.setting, "--tune".to_string())));
        let said: Vec<String> = lists
            .into_iter()
            .filter(|(setting, _)| file.has(setting))
            .map(|(setting, flag)| format!("{setting} ({flag} has those of the grid)"))
            .collect();
        if !said.is_empty() {
            let said = said.join(", ");
            tell(&format!(
                "note:   not taken from {}: {said}",
                path.display()
            ));
        }
    }

    /// Whether cells are compared for what their sketches do, so that one without a sketch is a mistake.
    pub(super) fn compares_sketches(&self) -> bool {
        self.preset.is_some_and(Preset::compares_sketches)
    }

    pub(super) fn folder(&self) -> PathBuf {
        let name = self.preset.map_or("sweep".to_string(), Preset::name);
        let default = Path::new("runs").join(name);
        self.out.clone().unwrap_or(default)
    }
}

/// What may stand in a line for Slurm.
fn one_word(text: &str) -> std::result::Result<String, String> {
    match text.is_empty() || text.contains(char::is_whitespace) {
        true => Err("expected one word, such as zen3 or 'zen3|zen4'".to_string()),
        false => Ok(text.to_string()),
    }
}
