//! The cells of a grid, from the command line.

use crate::commands::data::found;
use crate::commands::paper;
use crate::files::read::read_toml;
use crate::settings::choices::Task;
use crate::settings::config::{Config, Settings};
use crate::settings::source::Source;
use crate::terminal::command_line::HINT;
use crate::terminal::error::{Error, Result, nearest};
use crate::terminal::output::tell;
use crate::terminal::parse::{distinct, parse_count, parse_number, parse_seed, parse_threads};
use crate::train::source::settle;
use clap::{ArgMatches, Args, FromArgMatches, ValueEnum};
use ops::attention;
use serde::Deserialize;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// More take years; and lists of more entries than this take long to be compared with themselves.
const MOST_RUNS: usize = 100_000;

/// Trains and tests a grid: tasks x methods x seeds. The same command goes on with a
/// grid that was interrupted; several may work on one grid at the same time.
#[derive(clap::Args, Debug)]
pub(super) struct SweepFlags {
    /// Tasks and methods and what else is compared, where the flags below say nothing else
    #[arg(long, value_enum, value_name = "NAME", hide_possible_values = true)]
    #[arg(help_heading = "Grid")]
    preset: Option<Preset>,
    /// Tasks: text, listops, retrieval, pathfinder, image
    #[arg(long, value_enum, value_name = "NAME,...", value_delimiter = ',')]
    #[arg(hide_possible_values = true, help_heading = "Grid")]
    tasks: Vec<Task>,
    /// Attention methods; skein text --list shows them
    #[arg(
        long,
        value_name = "NAME,...",
        value_delimiter = ',',
        help_heading = "Grid"
    )]
    methods: Vec<String>,
    /// Seeds [default: 1,2,3]
    #[arg(long, value_name = "N,...", value_delimiter = ',', value_parser = parse_seed)]
    #[arg(help_heading = "Grid")]
    seeds: Vec<u64>,
    /// Highest learning rates to compare, in place of one for all
    #[arg(long, value_name = "RATE,...", value_delimiter = ',', value_parser = parse_number)]
    #[arg(help_heading = "Grid", conflicts_with = "learning_rate")]
    rates: Vec<f64>,
    /// Examples a step to compare, in place of one number for all
    #[arg(
        long,
        value_name = "N,...",
        value_delimiter = ',',
        value_parser = parse_count,
        help_heading = "Grid"
    )]
    #[arg(conflicts_with = "batch")]
    batches: Vec<usize>,
    /// A setting of one task, such as text.max-len=1000; any number of these
    #[arg(long, value_name = "TASK.SETTING=VALUE", value_parser = parse_set)]
    #[arg(help_heading = "Grid")]
    set: Vec<Set>,

    /// Those of every cell.
    #[command(flatten)]
    settings: Settings,

    /// Folder of the grid [default: runs/PRESET, else runs/sweep]
    #[arg(long, value_name = "FOLDER", help_heading = "Run")]
    out: Option<PathBuf>,
    /// Only the cells I, I + K, I + 2K, ... of the list, for the Ith of K machines
    #[arg(long, value_name = "I/K", value_parser = parse_shard, help_heading = "Run")]
    pub(super) shard: Option<Shard>,
    /// Print the cells, how far they are and how long their data, and stop
    #[arg(long, help_heading = "Run")]
    pub(super) list: bool,
    /// Threads that share the work; the results do not depend on it [default: all cores]
    #[arg(long, value_name = "N", value_parser = parse_threads, help_heading = "Run")]
    pub(super) threads: Option<usize>,
    /// Also write events for TensorBoard into the folder of every run
    #[arg(long, help_heading = "Run")]
    pub(super) tensorboard: bool,
    /// Settings from a TOML file for every cell; flags win
    #[arg(long, value_name = "FILE", help_heading = "Run")]
    config: Option<PathBuf>,
}

/// A comparison of the paper.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq)]
enum Preset {
    /// Table 1: every method on every task
    Table1,
    /// The ablations of Table 1, and the same one factor at a time
    Ablation,
    /// Figure 3: skein on Text, learning rates x batches
    Sensitivity,
    /// Every method that is registered, on every task
    Field,
}

/// `--set`: a setting of one task.
#[derive(Clone, Debug)]
struct Set {
    task: Task,
    setting: String,
    value: toml::Value,
}

/// `--shard`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shard {
    /// From 1.
    pub(super) number: usize,
    pub(super) of: usize,
}

/// What is compared with what.
struct Axes {
    tasks: Vec<Task>,
    methods: Vec<String>,
    seeds: Vec<u64>,
    /// Empty: the one of the settings.
    rates: Vec<f64>,
    /// Likewise.
    batches: Vec<usize>,
}

impl Axes {
    /// A plan holds every run, and a grid is for people to wait for.
    fn refuse_too_many(&self) -> Result<()> {
        let count = |list: usize| list.max(1) as f64;
        let runs = count(self.tasks.len())
            * count(self.methods.len())
            * count(self.seeds.len())
            * count(self.rates.len())
            * count(self.batches.len());
        if runs <= MOST_RUNS as f64 {
            return Ok(());
        }
        let message = format!("a grid of {runs:.0} runs: expected at most {MOST_RUNS}");
        Err(Error::usage(message).hint("shorter lists, or several grids"))
    }
}

/// A run of the grid.
pub(super) struct Cell {
    /// Of its folder within the grid.
    pub(super) name: String,
    pub(super) config: Config,
}

impl Axes {
    /// Settings of a run are those of its task.
    fn refuse_other_task(&self, file: &Settings, path: &Path) -> Result<()> {
        let Some(task) = file.task else {
            return Ok(());
        };
        if self.tasks == [task] {
            return Ok(());
        }
        let tasks: Vec<&str> = self.tasks.iter().map(|task| task.name()).collect();
        let message = format!(
            "--config {}: the configuration is of the task {}: expected {}",
            path.display(),
            task.name(),
            match tasks[..] {
                [one] => one.to_string(),
                _ => format!("none, since the grid has {}", tasks.join(", ")),
            }
        );
        Err(Error::usage(message).hint(format!(
            "skein sweep --tasks {}, or remove the line `task` if its settings are meant for these",
            task.name()
        )))
    }

    /// What is compared does not come from a file, such as the config.toml of a run, and that is said.
    fn tell_of_axes(&self, file: &Settings, path: &Path) {
        let said: Vec<String> = [
            (file.attn.is_some(), "attn", "--methods"),
            (file.seed.is_some(), "seed", "--seeds"),
            (
                file.learning_rate.is_some() && !self.rates.is_empty(),
                "learning_rate",
                "--rates",
            ),
            (
                file.batch.is_some() && !self.batches.is_empty(),
                "batch",
                "--batches",
            ),
        ]
        .into_iter()
        .filter(|(is_there, ..)| *is_there)
        .map(|(_, setting, flag)| format!("{setting} ({flag} has those of the grid)"))
        .collect();
        if !said.is_empty() {
            let said = said.join(", ");
            tell(&format!(
                "note:   not taken from {}: {said}",
                path.display()
            ));
        }
    }
}

impl Preset {
    fn axes(self) -> Axes {
        // `softmax` drops probabilities, and no other of these does: `softmax-nodrop` differs from skein by sketching
        // alone.
        let ablation = [
            "softmax",
            "softmax-nodrop",
            "skein",
            "skein-uniform",
            "skein-nonorm",
            "skein-simplenorm",
            "skein-nopilot",
            "skein-one-uniform",
            "skein-one-nonorm",
            "skein-one-simple",
        ];
        let methods: &[&str] = match self {
            Preset::Table1 => &paper::methods(),
            Preset::Ablation => &ablation,
            Preset::Sensitivity => &["skein"],
            Preset::Field => &attention::names(),
        };
        let tasks: &[Task] = match self {
            Preset::Sensitivity => &[Task::Text],
            _ => &Task::ALL,
        };
        let (rates, batches) = match self {
            Preset::Sensitivity => (vec![1e-5, 1e-4, 1e-3], vec![64, 128]),
            _ => (Vec::new(), Vec::new()),
        };
        Axes {
            tasks: tasks.to_vec(),
            methods: methods.iter().map(|name| name.to_string()).collect(),
            seeds: Vec::new(),
            rates,
            batches,
        }
    }

    fn name(self) -> String {
        format!("{self:?}").to_lowercase()
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
    fn axes(&self) -> Result<Axes> {
        for (given, one, many) in [
            (self.settings.attn.is_some(), "attn", "methods"),
            (self.settings.seed.is_some(), "seed", "seeds"),
        ] {
            if given {
                let message = format!("--{one} is for one run: expected --{many}");
                return Err(Error::usage(message).hint("a list may have one entry"));
            }
        }
        let none = Axes {
            tasks: Vec::new(),
            methods: Vec::new(),
            seeds: Vec::new(),
            rates: Vec::new(),
            batches: Vec::new(),
        };
        let preset = self.preset.map_or(none, Preset::axes);
        fn given<X: PartialEq + Clone>(flag: &[X], preset: Vec<X>) -> Vec<X> {
            match flag {
                [] => preset,
                // Refused anyway.
                _ if flag.len() > MOST_RUNS => flag.to_vec(),
                _ => distinct(flag.iter().cloned()),
            }
        }
        // A flag for all cells stands against the list of a preset, too.
        let rates = match self.settings.learning_rate {
            Some(_) => Vec::new(),
            None => preset.rates,
        };
        let batches = match self.settings.batch {
            Some(_) => Vec::new(),
            None => preset.batches,
        };
        let axes = Axes {
            tasks: given(&self.tasks, preset.tasks),
            methods: given(&self.methods, preset.methods),
            seeds: given(&self.seeds, vec![1, 2, 3]),
            rates: given(&self.rates, rates),
            batches: given(&self.batches, batches),
        };
        for (missing, what) in [
            (axes.tasks.is_empty(), "--tasks text,listops"),
            (axes.methods.is_empty(), "--methods softmax,skein"),
        ] {
            if missing {
                let message = format!("the grid is not described: expected {what} or a --preset");
                return Err(Error::usage(message).hint(HINT));
            }
        }
        Ok(axes)
    }

    /// All cells, those of one task together, and of a task those of one seed.
    pub(super) fn plan(&self) -> Result<Vec<Cell>> {
        let axes = self.axes()?;
        let file: Settings = match &self.config {
            Some(path) => {
                let file = read_toml(path)?;
                axes.refuse_other_task(&file, path)?;
                axes.tell_of_axes(&file, path);
                file
            }
            None => Settings::default(),
        };
        // Without a list, the one value of the settings, whose place the name does not mention.
        fn or_one<X: Copy>(list: &[X]) -> Vec<Option<X>> {
            match list {
                [] => vec![None],
                _ => list.iter().copied().map(Some).collect(),
            }
        }
        if let Some(set) = self.set.iter().find(|set| !axes.tasks.contains(&set.task)) {
            let message = format!(
                "--set {}.{}: the grid does not have this task",
                set.task.name(),
                set.setting
            );
            return Err(Error::usage(message).hint("see --tasks"));
        }
        axes.refuse_too_many()?;
        let mut cells = Vec::new();
        let mut known: Vec<(Source, Source)> = Vec::new();
        for &task in &axes.tasks {
            let of_task = self.set_of(task)?;
            for (axis, compared) in [
                ("learning_rate", !axes.rates.is_empty()),
                ("batch", !axes.batches.is_empty()),
            ] {
                let set = |set: &&Set| set.task == task && set.setting == axis;
                if let (true, Some(set)) = (compared, self.set.iter().find(set)) {
                    let message = format!(
                        "--set {}.{}: the grid compares several of these",
                        task.name(),
                        set.setting
                    );
                    return Err(Error::usage(message).hint("see --rates and --batches"));
                }
            }
            for &seed in &axes.seeds {
                for rate in or_one(&axes.rates) {
                    for batch in or_one(&axes.batches) {
                        for attn in &axes.methods {
                            let cell = Settings {
                                task: Some(task),
                                attn: Some(attn.clone()),
                                seed: Some(seed),
                                learning_rate: rate,
                                batch,
                                ..Settings::default()
                            };
                            let layers = [&file, &self.settings, &of_task, &cell];
                            let mut name = format!("{}-{attn}", task.name());
                            let _ = rate.map(|rate| write!(name, "-lr{rate:e}"));
                            let _ = batch.map(|batch| write!(name, "-b{batch}"));
                            let _ = write!(name, "-s{seed}");
                            let config = Config::of(task, &layers).and_then(found);
                            let mut config = config.map_err(|error| error.at(&name))?;
                            // Each file is read once.
                            for source in [&mut config.init, &mut config.scores] {
                                let given = source.clone();
                                match known.iter().find(|(known, _)| *known == given) {
                                    Some((_, settled)) => *source = settled.clone(),
                                    None => {
                                        settle(source)?;
                                        known.push((given, source.clone()));
                                    }
                                }
                            }
                            cells.push(Cell { name, config });
                        }
                    }
                }
            }
        }
        Ok(cells)
    }

    /// What `--set` says of a task.
    fn set_of(&self, task: Task) -> Result<Settings> {
        let of_task = self.set.iter().filter(|set| set.task == task);
        let table: toml::Table = of_task
            .map(|set| (set.setting.clone(), set.value.clone()))
            .collect();
        let wrong = |what: String| Error::usage(format!("--set {}{what}", task.name()));
        for axis in ["task", "attn", "seed"] {
            if table.contains_key(axis) {
                let message = format!(".{axis}: expected a setting that is no axis of the grid");
                return Err(wrong(message).hint("see --tasks, --methods and --seeds"));
            }
        }
        Settings::deserialize(table).map_err(|error| {
            let message = error.message().replace('`', "").replace('\n', " ");
            wrong(format!(": {message}"))
                .hint("skein text --print-config shows the settings")
                .meant_in(error.message())
        })
    }

    /// Whether cells are compared for what their sketches do, so that one without a sketch is a mistake.
    pub(super) fn compares_sketches(&self) -> bool {
        self.preset == Some(Preset::Ablation)
    }

    pub(super) fn folder(&self) -> PathBuf {
        let name = self.preset.map_or("sweep".to_string(), Preset::name);
        let default = Path::new("runs").join(name);
        self.out.clone().unwrap_or(default)
    }
}

/// The presets as a table.
fn presets() -> String {
    let mut table = String::new();
    for preset in Preset::value_variants() {
        let value = preset.to_possible_value().expect("none is skipped");
        let help = value.get_help().map(ToString::to_string);
        let help = help.unwrap_or_default();
        writeln!(table, "  {:12} {help}", value.get_name()).expect("writing to a string");
    }
    table
}

fn parse_set(text: &str) -> std::result::Result<Set, String> {
    let expected = || "expected TASK.SETTING=VALUE such as text.max-len=1000".to_string();
    let (place, value) = text.split_once('=').ok_or_else(expected)?;
    let (task, setting) = place.split_once('.').ok_or_else(expected)?;
    let task = Task::from_str(task, false).map_err(|_| {
        let names = Task::ALL.map(Task::name);
        let meant = nearest(task, names).map(|name| format!("; did you mean {name}?"));
        let meant = meant.unwrap_or_default();
        format!("expected one of {} before the dot{meant}", names.join(", "))
    })?;
    // A number or true or false as TOML has them; whatever is none of these is a word.
    let table = toml::from_str::<toml::Table>(&format!("value = {value}"));
    let known = table.ok().and_then(|mut table| table.remove("value"));
    Ok(Set {
        task,
        setting: setting.replace('-', "_"),
        value: known.unwrap_or(toml::Value::String(value.to_string())),
    })
}

fn parse_shard(text: &str) -> std::result::Result<Shard, String> {
    let numbers = text
        .split_once('/')
        .and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
    match numbers {
        Some((number, of)) if (1..=of).contains(&number) => Ok(Shard { number, of }),
        _ => Err("expected I/K such as 1/3, with I from 1 to K".to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::choices::Budget;
    use crate::terminal::asserts::has;
    use crate::terminal::command_line::{parse, shared};
    use std::fs;

    fn flags(args: &str) -> Result<SweepFlags> {
        let args = args.split_whitespace();
        let args = ["sweep", "--data", "builtin"].into_iter().chain(args);
        SweepFlags::of(&parse(shared(SweepFlags::command()), args)?)
    }

    fn plan(args: &str) -> Vec<Cell> {
        flags(args).unwrap().plan().unwrap()
    }

    fn names(args: &str) -> Vec<String> {
        plan(args).into_iter().map(|cell| cell.name).collect()
    }

    fn error(args: &str) -> String {
        let planned = flags(args).and_then(|flags| flags.plan());
        planned.err().expect(args).to_string()
    }

    #[test]
    fn help_has_the_presets_and_no_setting_of_one_run() {
        let help = SweepFlags::command().render_help().to_string();
        assert!(
            !help.contains("--attn") && !help.contains("--seed "),
            "{help}"
        );
        has(&help, "  table1       Table 1: every method on every task");
    }

    #[test]
    fn a_plan_is_all_combinations_and_a_name_says_what_differs() {
        let expected = [
            "text-vmean-s1",
            "text-skein-s1",
            "text-vmean-s7",
            "text-skein-s7",
            "image-vmean-s1",
            "image-skein-s1",
            "image-vmean-s7",
            "image-skein-s7",
        ];
        assert_eq!(
            names("--tasks text,image --methods vmean,skein --seeds 1,7,1"),
            expected
        );
        let expected = [
            "text-skein-lr1e-5-b64-s3",
            "text-skein-lr1e-5-b128-s3",
            "text-skein-lr1e-4-b64-s3",
            "text-skein-lr1e-4-b128-s3",
            "text-skein-lr1e-3-b64-s3",
            "text-skein-lr1e-3-b128-s3",
        ];
        assert_eq!(names("--preset sensitivity --seeds 3"), expected);
        let expected = ["text-skein-b64-s3", "text-skein-b128-s3"];
        assert_eq!(names("--preset sensitivity --seeds 3 --lr 3e-4"), expected);
        assert_eq!(names("--preset table1").len(), 5 * 17 * 3);
        let ablation = names("--preset ablation");
        assert_eq!(ablation.len(), 5 * 10 * 3);
        let expected = ["text-softmax-s1", "text-softmax-nodrop-s1", "text-skein-s1"];
        assert_eq!(ablation[..3], expected);
    }

    #[test]
    fn settings_come_from_the_preset_then_the_file_then_flags_then_set() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("grid.toml");
        // The config.toml of a run will do: what is an axis is not taken from it.
        fs::write(
            &file,
            "seed = 9\nattn = \"skein\"\nsteps = 50\nbatch = 3\ngroups = 2\n",
        )
        .unwrap();
        let cells = plan(&format!(
            "--tasks text,listops --methods vmean --seeds 5 --budget smoke --config {} \
             --batch 4 --set text.steps=60 --set text.data=some/reviews --set listops.dropout=0",
            file.display()
        ));
        let [text, listops] = [&cells[0].config, &cells[1].config];
        let here = std::env::current_dir().unwrap();
        let expected = Config {
            attn: "vmean".into(),
            seed: 5,
            steps: 60,
            batch: 4,
            groups: 2,
            data: here.join("some/reviews").to_str().unwrap().into(),
            ..Task::Text.preset(Budget::Smoke)
        };
        assert_eq!(*text, expected);
        let expected = Config {
            attn: "vmean".into(),
            seed: 5,
            steps: 50,
            batch: 4,
            groups: 2,
            dropout: 0.0,
            data: "builtin".into(),
            ..Task::ListOps.preset(Budget::Smoke)
        };
        assert_eq!(*listops, expected);
    }

    #[test]
    fn a_file_of_another_task_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("c.toml");
        let run = "task = \"text\"\nattn = \"skein\"\nseed = 42\nsteps = 777\nbatch = 3\n";
        fs::write(&file, run).unwrap();
        let with = |tasks: &str| {
            format!(
                "--tasks {tasks} --methods vmean --config {}",
                file.display()
            )
        };
        for (tasks, expected) in [
            ("listops", "expected listops\n"),
            (
                "listops,image",
                "expected none, since the grid has listops, image\n",
            ),
            (
                "text,image",
                "expected none, since the grid has text, image\n",
            ),
        ] {
            let told = error(&with(tasks));
            let expected = format!("c.toml: the configuration is of the task text: {expected}");
            assert!(told.contains(&expected), "{told}");
            assert!(told.contains("hint: skein sweep --tasks text"), "{told}");
        }
        let cells = plan(&with("text"));
        let config = &cells[0].config;
        assert_eq!((config.steps, config.batch), (777, 3));
        assert_eq!((config.attn.as_str(), config.seed), ("vmean", 1));
    }

    #[test]
    fn what_is_wrong_is_one_line_that_says_what_was_expected() {
        let grid = "--tasks text --methods vmean";
        for (args, expected) in [
            (
                "--methods vmean",
                "error: the grid is not described: expected --tasks text,listops",
            ),
            (
                "--tasks text",
                "error: the grid is not described: expected --methods softmax,skein",
            ),
            (
                "--tasks texts --methods vmean",
                "error: invalid value 'texts' for '--tasks <NAME,...>'",
            ),
            (
                "--tasks text --methods vmeen",
                "error: text-vmeen-s1: unknown attention method `vmeen`: expected one",
            ),
            (
                "--preset table2",
                "error: invalid value 'table2' for '--preset <NAME>'",
            ),
            (
                &format!("{grid} --attn vmean"),
                "error: --attn is for one run: expected --methods",
            ),
            (
                &format!("{grid} --seed 3"),
                "error: --seed is for one run: expected --seeds",
            ),
            (
                &format!("{grid} --seeds one"),
                "error: invalid value 'one' for '--seeds <N,...>'",
            ),
            (
                &format!("{grid} --lr 1e-3 --rates 1e-4"),
                "error: the argument '--learning-rate <RATE>' cannot",
            ),
            (
                &format!("{grid} --shard 3/2"),
                "error: invalid value '3/2' for '--shard <I/K>': expected I/K",
            ),
            (
                &format!("{grid} --shard 0/2"),
                "error: invalid value '0/2' for '--shard <I/K>': expected I/K",
            ),
            (
                &format!("{grid} --set steps=3"),
                "error: invalid value 'steps=3' for '--set <TASK.SETTING=VALUE>'",
            ),
            (
                &format!("{grid} --set texts.steps=3"),
                "error: invalid value 'texts.steps=3' for '--set",
            ),
            (
                &format!("{grid} --set text.step=3"),
                "error: --set text: unknown field step, expected",
            ),
            (
                &format!("{grid} --set text.steps=x"),
                "error: --set text: invalid type: string",
            ),
            (
                "--tasks text,listops --methods vmean --seeds 4 --budget smoke --set listops.warmup=90",
                "error: listops-vmean-s4: warmup = 90: expected at most the number of steps, 30",
            ),
            (
                &format!("{grid} --set text.seed=3"),
                "error: --set text.seed: expected a setting that is",
            ),
            (
                &format!("{grid} --set listops.steps=3"),
                "error: --set listops.steps: the grid does not have this task",
            ),
            (
                &format!("{grid} --batches 2,4 --set text.batch=3"),
                "error: --set text.batch: the grid compares several of these",
            ),
            (
                &format!("{grid} --rates 1e-3 --set text.learning-rate=3e-4"),
                "error: --set text.learning_rate: the grid compares several",
            ),
            (
                &format!("{grid} --steps 0"),
                "error: text-vmean-s1: steps = 0: expected at least 1",
            ),
        ] {
            let error = error(args);
            assert!(error.starts_with(expected), "{args}: {error}");
            assert_eq!(error.lines().count(), 2, "{error}");
        }
    }
}
