//! The cells of a grid, from what the command line describes.
//!
//! The folder of a cell is `TASK-METHOD`, then what is compared beside these, then `-sSEED`: `text-skein-s1`,
//! `text-skein-lr1e-4-b64-s1` with axes of learning rates and batches, which the first grids had,
//! `text-skein-features=16-dropout=0.1-s1` with any others. Pieces stand in the order of the list of settings, whatever
//! the order on the command line, and are made of values as they are, however they are written; so a grid is found
//! again, and one that is given more values or seeds keeps its cells.

use super::axis::Axis;
use super::flags::{MOST_RUNS, SweepFlags, told};
use super::preset::Compared;
use super::tune::Group;
use crate::commands::data::found;
use crate::files::read::read_toml;
use crate::run::tuned::said;
use crate::settings::choices::Task;
use crate::settings::config::{Config, Settings};
use crate::settings::source::Source;
use crate::terminal::error::{Error, Result};
use crate::train::source::settle;
use serde::Deserialize;
use std::collections::HashSet;
use std::path::Path;

/// A run of the grid, or a trial before it.
pub(super) struct Cell {
    /// Of its folder within the grid.
    pub(super) name: String,
    /// What its name has of axes.
    pub(super) pieces: String,
    /// Without what is still to be chosen.
    pub(super) config: Config,
    /// Whose trials choose for it, if there are any.
    pub(super) group: Option<usize>,
}

/// What a command line describes.
pub(super) struct Plan {
    /// Those of one task together, and of a task those of one seed.
    pub(super) cells: Vec<Cell>,
    pub(super) groups: Vec<Group>,
}

/// A value of each of some axes.
type Values<'a> = Vec<(&'a Axis, &'a toml::Value)>;

impl Compared {
    /// A plan holds every run, and a grid is for people to wait for.
    fn refuse_too_many(&self, trials: usize) -> Result<()> {
        let count = |list: usize| list.max(1) as f64;
        let of_task = |task: &Task| {
            let axes = self.axes.iter().filter(|axis| axis.is_of(*task));
            axes.map(|axis| count(axis.values.len())).product::<f64>()
        };
        let places: f64 = self.tasks.iter().map(of_task).sum();
        let each = self.seeds.len() + trials;
        let runs = places * count(self.methods.len()) * count(each);
        if runs <= MOST_RUNS as f64 {
            return Ok(());
        }
        let message = format!("a grid of {runs:.0} runs: expected at most {MOST_RUNS}");
        Err(Error::usage(message).hint("shorter lists, or several grids"))
    }

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

    /// The combinations of the axes of a task, the last axis fastest; one of nothing where there are none.
    fn combinations(&self, task: Task) -> Vec<Values<'_>> {
        let mut all: Vec<Values> = vec![Vec::new()];
        for axis in self.axes.iter().filter(|axis| axis.is_of(task)) {
            let before = std::mem::take(&mut all);
            for values in before {
                let with = |value| [&values[..], &[(axis, value)]].concat();
                all.extend(axis.values.iter().map(with));
            }
        }
        all
    }
}

impl SweepFlags {
    /// All cells, and the trials before them.
    pub(super) fn plan(&self) -> Result<Plan> {
        let compared = self.compared()?;
        let file: Settings = match &self.config {
            Some(path) => {
                let file = read_toml(path)?;
                compared.refuse_other_task(&file, path)?;
                self.tell_of_axes(&compared, &file, path);
                file
            }
            None => Settings::default(),
        };
        compared.refuse_too_many(self.tune.as_ref().map_or(0, |tune| tune.values.len()))?;
        let mut files = Files::default();
        let mut plan = Plan {
            cells: Vec::new(),
            groups: Vec::new(),
        };
        for &task in &compared.tasks {
            let of_task = self.set_of(task)?;
            let combinations = compared.combinations(task);
            let first = plan.groups.len();
            for &seed in &compared.seeds {
                let mut row = 0;
                for values in &combinations {
                    let pieces: String = values
                        .iter()
                        .map(|(axis, value)| axis.piece(value))
                        .collect();
                    for attn in &compared.methods {
                        let cells = format!("{}-{attn}{pieces}", task.name());
                        let name = format!("{cells}-s{seed}");
                        let table = values.iter();
                        let table =
                            table.map(|(axis, value)| (axis.setting.to_string(), (*value).clone()));
                        let of_axes = Settings::deserialize(toml::Table::from_iter(table));
                        let cell = Settings {
                            task: Some(task),
                            attn: Some(attn.clone()),
                            seed: Some(seed),
                            ..of_axes.map_err(|error| Error::from(error).at(&name))?
                        };
                        let layers = [&file, &self.settings, &of_task, &cell];
                        let config = Config::of(task, &layers).and_then(found);
                        let named = |error: Error| self.of_axis(error, values).at(&name);
                        let mut config = config.map_err(named)?;
                        files.settle(&mut config)?;
                        let group = match &self.tune {
                            None => None,
                            Some(tune) if plan.groups.len() == first + row => {
                                let group = Group::new(cells, &config, tune, self.tune_steps);
                                let mut group = group?;
                                for trial in &mut group.trials {
                                    files.settle(&mut trial.config)?;
                                }
                                plan.groups.push(group);
                                Some(first + row)
                            }
                            Some(_) => Some(first + row),
                        };
                        row += 1;
                        plan.cells.push(Cell {
                            name,
                            pieces: pieces.clone(),
                            config,
                            group,
                        });
                    }
                }
            }
        }
        refuse_equal_names(&plan.cells)?;
        Ok(plan)
    }

    /// An error about a setting that is an axis, with the name of that.
    fn of_axis(&self, error: Error, values: &[(&Axis, &toml::Value)]) -> Error {
        let (message, _) = error.parts();
        let of = |(axis, _): &&(&Axis, &toml::Value)| {
            message.starts_with(&format!("{} = ", axis.setting))
        };
        match values.iter().find(of) {
            Some((axis, value)) => {
                let hint = format!("leave {} out", said(value));
                error.at(&told(axis, &self.axis)).hint(hint)
            }
            None => error,
        }
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
}

/// The files that settings name, each read once.
#[derive(Default)]
struct Files {
    known: Vec<(Source, Source)>,
}

impl Files {
    fn settle(&mut self, config: &mut Config) -> Result<()> {
        for source in [&mut config.init, &mut config.scores] {
            let given = source.clone();
            match self.known.iter().find(|(known, _)| *known == given) {
                Some((_, settled)) => *source = settled.clone(),
                None => {
                    settle(source)?;
                    self.known.push((given, source.clone()));
                }
            }
        }
        Ok(())
    }
}

/// No two cells have one folder, on a file system that does not tell capitals from small letters either.
fn refuse_equal_names(cells: &[Cell]) -> Result<()> {
    let mut names = HashSet::new();
    let twice = |cell: &&Cell| !names.insert(cell.name.to_lowercase());
    match { cells }.iter().find(twice) {
        None => Ok(()),
        Some(cell) => {
            let message = format!("two cells of the grid would have the folder {}", cell.name);
            Err(Error::usage(message).hint("make two grids of it, with an --out each"))
        }
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
        flags(args).unwrap().plan().unwrap().cells
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
