//! What is said on the command line, the same for every task, and what it comes to: the preset of the task
//! and the budget, then the `--config` file, then the flags.
//!
//! [`Settings`] are the flags that change a number of the run; each is also a key of a `--config` file. The rest of
//! [`Flags`] says where the run is written, when it pauses and what is printed.

use crate::files::read::read_toml;
use crate::settings::choices::{Budget, Task};
use crate::settings::config::{Config, Settings};
use crate::settings::help::{budgets, costs, unused};
use crate::terminal::command_line::{HINT, shared};
use crate::terminal::error::{Error, Result};
use crate::terminal::parse::{parse_threads, threads, whole};
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches};
use std::path::PathBuf;

/// What `--resume` may stand with, by the names of the fields.
const WITH_RESUME: [&str; 9] = [
    "resume",
    "data",
    "threads",
    "stop_after",
    "keep_every",
    "profile",
    "tensorboard",
    "print_config",
    "list",
];

/// Trains one attention method on one task and tests it.
#[derive(clap::Parser, Debug, Default)]
pub struct Flags {
    /// Those that change a number of the run.
    #[command(flatten)]
    pub settings: Settings,

    /// Threads that share the work; the results do not depend on it [default: all cores]
    #[arg(long, value_name = "N", value_parser = parse_threads, help_heading = "Run")]
    pub threads: Option<usize>,
    /// Folder of the run, new [default: the next free runs/TASK-ATTN-sSEED[-N]]
    #[arg(long, value_name = "FOLDER", help_heading = "Run")]
    pub out: Option<PathBuf>,
    /// Replace the run in that folder
    #[arg(long, help_heading = "Run")]
    pub overwrite: bool,
    /// Write a checkpoint after step N and stop; --steps still sets the schedule
    #[arg(long, value_name = "N", value_parser = whole(1..=usize::MAX), help_heading = "Run")]
    pub stop_after: Option<usize>,
    /// Keep a checkpoint every N steps, to go back to with `skein explain --run`
    #[arg(long, value_name = "N", value_parser = whole(1..=usize::MAX), help_heading = "Run")]
    pub keep_every: Option<usize>,
    /// Continue the run in FOLDER; only --threads, --stop-after, --keep-every, what is
    /// printed and --data, where its data are now, may be given with it
    #[arg(long, value_name = "FOLDER", help_heading = "Run")]
    pub resume: Option<PathBuf>,
    /// Settings from a TOML file, such as the config.toml of a run; flags win
    #[arg(long, value_name = "FILE", help_heading = "Run")]
    pub config: Option<PathBuf>,
    /// Print at the end where the time of the steps went, by operator
    #[arg(long, help_heading = "Run")]
    pub profile: bool,
    /// Also write events for TensorBoard into the folder of the run
    #[arg(long, help_heading = "Run")]
    pub tensorboard: bool,
    /// Print all settings as TOML and stop
    #[arg(long, help_heading = "Run")]
    pub print_config: bool,
    /// Print the methods, a line each, and stop
    #[arg(long, help_heading = "Run")]
    pub list: bool,
}

impl Flags {
    /// What was said, and that it fits together.
    pub(crate) fn of(matches: &ArgMatches) -> Result<Self> {
        let flags = Self::from_arg_matches(matches).map_err(|error| Error::flags(&error, HINT))?;
        if flags.resume.is_some() {
            let given = |arg: &&clap::Arg| {
                matches.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine)
            };
            let fixed = |arg: &&clap::Arg| !WITH_RESUME.contains(&arg.get_id().as_str());
            let command = Self::command();
            if let Some(arg) = command.get_arguments().filter(given).find(fixed) {
                let flag = arg.get_long().expect("every flag has a long name");
                let message = format!(
                    "--{flag} cannot be given with --resume: a run keeps its configuration"
                );
                return Err(Error::usage(message).hint("leave one of the two out"));
            }
        }
        Ok(flags)
    }

    /// The command that trains on this task.
    pub(crate) fn command_for(task: Task) -> clap::Command {
        let command = Self::augment_args(clap::Command::new(task.name()))
            .about(format!("Trains on {}", task.entry().about))
            .after_help(format!("{}\n{}", budgets(task), costs()))
            .mut_args(|arg| {
                let unused = unused(task, arg.get_id().as_str());
                arg.hide(unused)
            });
        shared(command)
    }

    #[cfg(test)]
    pub(crate) fn parse_from(task: Task, args: &[&str]) -> Result<Self> {
        Self::of(&crate::terminal::command_line::parse(
            Self::command_for(task),
            args,
        )?)
    }

    /// How many threads to use: `--threads`, or as many as the machine offers.
    pub fn threads(&self) -> usize {
        threads(self.threads)
    }
}

impl Config {
    /// The configuration that the flags ask for: that of the folder under `--resume`, with the data where `--data` says
    /// they are now, else preset, then file, then flags.
    pub fn resolve(task: Task, flags: &Flags) -> Result<Self> {
        let config = match &flags.resume {
            Some(folder) => Self::of_run(folder)?.overlaid(&flags.settings),
            None => {
                let file: Settings = match &flags.config {
                    Some(file) => read_toml(file)?,
                    None => Settings::default(),
                };
                Self::layered(task, &[&file, &flags.settings])
            }
        };
        match flags.resume {
            Some(_) => config.checked_of_run(task),
            None => config.checked(task),
        }
    }

    /// The configuration of a task with `layers` over its preset, each over those before it.
    pub(crate) fn of(task: Task, layers: &[&Settings]) -> Result<Self> {
        Self::layered(task, layers).checked(task)
    }

    fn layered(task: Task, layers: &[&Settings]) -> Self {
        let budget = layers.iter().rev().find_map(|settings| settings.budget);
        let preset = task.preset(budget.unwrap_or(Budget::Quick));
        layers
            .iter()
            .fold(preset, |config, settings| config.overlaid(settings))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::choices::{Form, Positions, Protocol, Smoother};
    use crate::settings::source::Source;
    use crate::terminal::asserts::has;
    use engine::cpu::Product;
    use std::fs;

    fn parse(args: &[&str]) -> Result<Flags> {
        Flags::parse_from(Task::Text, &[&["text"], args].concat())
    }

    /// Whatever is in the cache of the machine, without `--data` the data are built in.
    fn resolve(args: &[&str]) -> Result<Config> {
        let mut flags = Flags::parse_from(Task::Text, &[&["text"], args].concat())?;
        if flags.resume.is_none() && flags.config.is_none() {
            flags.settings.data.get_or_insert("builtin".into());
        }
        Config::resolve(Task::Text, &flags)
    }

    fn error(args: &[&str]) -> String {
        resolve(args).unwrap_err().to_string()
    }

    #[test]
    fn the_command_is_sound() {
        Flags::command_for(Task::Text).debug_assert();
    }

    #[test]
    fn help_fits_eighty_columns_and_is_one_text() {
        for task in Task::ALL {
            let printed = |flag| {
                let error = Flags::command_for(task)
                    .try_get_matches_from(["text", flag])
                    .unwrap_err();
                error.render().to_string()
            };
            let help = printed("--help");
            assert_eq!(help, printed("-h"));
            for line in help.lines() {
                assert!(line.chars().count() <= 80, "{line}");
            }
            for (flag, pictures) in [("--skip-black", true), ("--max-len", false)] {
                let told = help.contains(&format!("      {flag} "));
                assert_eq!(told, task.has_pictures() == pictures, "{task:?} {flag}");
            }
            for heading in ["What:", "Budget:", "Run:", "Budgets:"] {
                let headings = help.lines().filter(|line| line.starts_with(heading));
                assert_eq!(headings.count(), 1, "{heading}");
            }
        }
    }

    /// Whatever is in the config.toml of a run can be said by a flag, and help tells the default where the budget has
    /// no say in it; of features, that it has.
    #[test]
    fn every_setting_has_a_flag_with_its_default() {
        let command = Flags::command_for(Task::Text);
        let quick = Task::Text.preset(Budget::Quick);
        let table: toml::Table = quick.to_toml().parse().unwrap();
        for (name, value) in table.iter().filter(|(name, _)| *name != "task") {
            let arg = command
                .get_arguments()
                .find(|arg| arg.get_id() == name.as_str())
                .expect(name);
            assert_eq!(arg.get_long(), Some(name.replace('_', "-").as_str()));
            let help = arg.get_help().unwrap().to_string();
            match arg.get_help_heading() {
                Some("Budget") if name != "budget" => assert!(!help.contains("[default"), "{help}"),
                _ => {
                    let value = match name.as_str() {
                        "features" => "of the budget".to_string(),
                        _ => value.as_str().map_or(value.to_string(), str::to_string),
                    };
                    assert!(help.ends_with(&format!("[default: {value}]")), "{help}");
                }
            }
        }
    }

    /// `sweep` has these flags as well, and no tables of these.
    #[test]
    fn no_setting_points_to_a_table_of_one_command() {
        let settings = <Settings as Args>::augment_args(clap::Command::new("any"));
        for arg in settings.get_arguments() {
            let help = arg.get_help().unwrap().to_string();
            assert!(!help.contains("below") && !help.contains("above"), "{help}");
        }
    }

    #[test]
    fn a_wrong_flag_is_one_line_that_says_what_was_expected() {
        let cases: [(&[&str], &str); 10] = [
            (
                &["--step", "3"],
                "error: unexpected argument '--step' found\nhint: a similar argument exists: '--steps'",
            ),
            (
                &["extra"],
                "error: unexpected argument 'extra' found\nhint: --help lists the flags",
            ),
            (
                &["--features", "-1"],
                "error: invalid value '-1' for '--features <N>': expected a whole number such as",
            ),
            (
                &["--seed", "9223372036854775808"],
                "error: invalid value '9223372036854775808' for '--seed <N>': expected a whole number below 2^63",
            ),
            (
                &["--batch", "many"],
                "error: invalid value 'many' for '--batch <N>': expected a whole number such as",
            ),
            (
                &["--lr", "fast"],
                "error: invalid value 'fast' for '--learning-rate <RATE>': expected a number such as",
            ),
            (
                &["--budget", "big"],
                "error: invalid value 'big' for '--budget <NAME>' [possible values: smoke, quick, paper]",
            ),
            (
                &["--threads", "0"],
                "error: invalid value '0' for '--threads <N>': expected a whole number from 1 to 1024",
            ),
            (
                &["--stop-after", "0"],
                "error: invalid value '0' for '--stop-after <N>': expected a whole number from 1",
            ),
            (
                &["--out"],
                "error: a value is required for '--out <FOLDER>' but none was supplied",
            ),
        ];
        for (args, expected) in cases {
            let error = error(args);
            assert!(error.starts_with(expected), "{error}");
            assert_eq!(error.lines().count(), 2, "{error}");
        }
    }

    #[test]
    fn resume_stands_with_what_changes_no_number_and_with_nothing_else() {
        let flags = parse(&[
            "--resume",
            "x",
            "--threads",
            "1",
            "--stop-after",
            "9",
            "--print-config",
            "--list",
        ])
        .unwrap();
        assert_eq!((flags.threads(), flags.stop_after), (1, Some(9)));
        let command = Flags::command_for(Task::Text);
        let others: Vec<&clap::Arg> = command
            .get_arguments()
            .filter(|arg| !WITH_RESUME.contains(&arg.get_id().as_str()))
            .collect();
        assert!(others.len() > 25, "{}", others.len());
        for arg in others {
            let flag = format!("--{}", arg.get_long().unwrap());
            let value = match (arg.get_action().takes_values(), flag.as_str()) {
                (true, "--protocol" | "--budget") => &["paper"][..],
                (true, "--product") => &["fixed-order"],
                (true, "--init" | "--scores") => &["random"],
                (true, "--positions" | "--smoother") => &["none"],
                (true, "--s3") => &["released"],
                (true, _) => &["1"],
                (false, _) => &[],
            };
            let args = [&["--resume", "x", &flag], value].concat();
            assert!(
                error(&args).starts_with(&format!("error: {flag} cannot be given with --resume")),
                "{flag}"
            );
        }
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_the_preset() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.toml");
        fs::write(
            &path,
            "data = \"builtin\"\nbudget = \"smoke\"\nbatch = 3 # three\nsteps = 70\n",
        )
        .unwrap();
        let file = path.to_str().unwrap();

        let smoke = Config {
            data: "builtin".into(),
            ..Task::Text.preset(Budget::Smoke)
        };
        let expected = Config {
            steps: 90,
            batch: 3,
            attn: "vmean".into(),
            ..smoke
        };
        assert_eq!(
            resolve(&["--config", file, "--steps", "90", "--attn", "vmean"]).unwrap(),
            expected
        );

        let paper = Config {
            data: "builtin".into(),
            ..Task::Text.preset(Budget::Paper)
        };
        let expected = Config {
            steps: 70,
            batch: 3,
            warmup: 60,
            ..paper
        };
        assert_eq!(
            resolve(&["--warmup", "60", "--budget", "paper", "--config", file]).unwrap(),
            expected
        );

        let quick = Config {
            data: "builtin".into(),
            ..Task::Text.preset(Budget::Quick)
        };
        assert_eq!(resolve(&[]).unwrap(), quick);
    }

    /// Each alone changes the line of its name, and no other.
    #[test]
    fn every_flag_reaches_its_setting() {
        for task in [Task::Text, Task::Image] {
            let toml = |args: &[&str]| -> toml::Table {
                let args = [&["task"], args].concat();
                let flags = Flags::parse_from(task, &args).unwrap();
                let config = Config::resolve(task, &flags).unwrap();
                config.to_toml().parse().unwrap()
            };
            let quick = toml(&["--data=builtin"]);
            let of_task =
                |name: &str| !unused(task, name) && !["task", "data", "budget"].contains(&name);
            for (name, value) in quick.iter().filter(|(name, _)| of_task(name)) {
                let (said, expected) = match (name.as_str(), value) {
                    ("attn", _) => ("=vmean".into(), "vmean".into()),
                    ("protocol", _) => ("=paper".into(), "paper".into()),
                    ("product", _) => ("=fixed-order".into(), "fixed-order".into()),
                    ("positions" | "smoother", _) => ("=none".into(), "none".into()),
                    ("s3", _) => ("=released".into(), "released".into()),
                    ("init", _) => ("=/w.safetensors".into(), "/w.safetensors".into()),
                    // With the one method that has a use for them.
                    ("scores", _) => continue,
                    (_, toml::Value::Boolean(false)) => (String::new(), true.into()),
                    (_, toml::Value::Integer(count)) => {
                        let other = (2 * count).max(1);
                        (format!("={other}"), other.into())
                    }
                    (_, toml::Value::Float(number)) => {
                        let other = if *number == 0.0 { 0.5 } else { number / 2.0 };
                        (format!("={other}"), other.into())
                    }
                    _ => panic!("{name} = {value}: say here what else it can be"),
                };
                let flag = format!("--{}{said}", name.replace('_', "-"));
                let with = toml(&["--data=builtin", &flag]);
                let mut changed = quick.clone();
                changed.insert(name.clone(), expected);
                assert_eq!(with, changed, "{name}");
            }
            let smoke = Config {
                data: "/data".into(),
                ..task.preset(Budget::Smoke)
            };
            let smoke: toml::Table = smoke.to_toml().parse().unwrap();
            assert_eq!(toml(&["--budget=smoke", "--data=/data"]), smoke);
        }
    }

    /// Each alone, and all together.
    #[test]
    fn the_command_of_any_settings_gives_them_again() {
        let hash = "0123456789abcdef".repeat(4);
        let source = |name: &str| Source::File {
            file: format!("/of-other/{name}.safetensors"),
            sha256: Some(hash.clone()),
        };
        let again = |config: &Config| {
            let command = config.command();
            let words: Vec<&str> = command.split(' ').skip(1).collect();
            let flags =
                Flags::parse_from(config.task, &words).unwrap_or_else(|e| panic!("{command}: {e}"));
            Config::resolve(config.task, &flags).unwrap_or_else(|e| panic!("{command}: {e}"))
        };
        for task in Task::ALL {
            for budget in [Budget::Smoke, Budget::Quick, Budget::Paper] {
                let usual = Config {
                    data: "builtin".into(),
                    ..task.preset(budget)
                };
                assert_eq!(again(&usual), usual);
                let other = Config {
                    task,
                    attn: "spex-static".into(),
                    features: 17,
                    seed: (1 << 63) - 1,
                    data: "/data/of-mine".into(),
                    protocol: Protocol::Paper,
                    budget,
                    steps: usual.steps + 1,
                    batch: 33,
                    learning_rate: 1.0 / 3.0e4,
                    warmup: usual.warmup - 1,
                    eval_every: 123,
                    eval_examples: 77,
                    test_examples: 99,
                    patience: 0,
                    max_len: *task.lengths().start().max(&(task.lengths().end() / 2)),
                    dropout: 0.25,
                    pad: true,
                    skip_black: task.has_pictures() && !usual.skip_black,
                    embedding_std: 0.125,
                    positions: Positions::Rotary,
                    groups: 8,
                    product: Product::FixedOrder,
                    layers: 3,
                    dim: 96,
                    hidden: 100,
                    heads: 3,
                    smoother: Smoother::Fourier,
                    s3: Form::Released,
                    init: source("weights"),
                    scores: source("scores"),
                    weight_decay: 1e-300,
                };
                assert_eq!(again(&other), other);
                let command = other.command();
                let count = command.matches(" --").count();
                assert!(count >= 29, "{count} of them: {command}");
                let all: toml::Table = other.to_toml().parse().unwrap();
                for (name, value) in all {
                    let mut one: toml::Table = usual.to_toml().parse().unwrap();
                    // What only one method takes, or only a wider model.
                    let fits = name != "scores" && name != "heads";
                    if fits && (one.insert(name.clone(), value.clone()) != Some(value)) {
                        let one: Config = toml::from_str(&one.to_string()).unwrap();
                        let one = one.checked(task).unwrap_or_else(|e| panic!("{name}: {e}"));
                        assert_eq!(again(&one), one, "{name}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_printed_is_a_file_that_gives_the_same_run() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        let config = resolve(&[
            "--lr",
            "3e-4",
            "--data",
            "reviews",
            "--seed",
            "9223372036854775807",
        ])
        .unwrap();
        fs::write(&path, config.to_toml()).unwrap();
        assert_eq!(
            resolve(&["--config", path.to_str().unwrap()]).unwrap(),
            config
        );
        assert_eq!(
            resolve(&["--resume", folder.path().to_str().unwrap()]).unwrap(),
            config
        );
    }

    #[test]
    fn minus_zero_is_zero() {
        let zero = resolve(&["--dropout", "0"]).unwrap().to_toml();
        let minus = resolve(&["--dropout", "-0.0"]).unwrap().to_toml();
        assert!(minus.contains("dropout = 0.0\n"), "{minus}");
        assert_eq!(minus, zero);
        assert!(error(&["--lr", "-0"]).contains("expected a positive number"));
    }

    #[test]
    fn data_is_builtin_or_an_absolute_path() {
        assert_eq!(resolve(&[]).unwrap().data_folder(), None);
        let config = resolve(&["--data", "reviews"]).unwrap();
        let here = std::env::current_dir().unwrap();
        assert_eq!(config.data_folder(), Some(here.join("reviews").as_path()));
    }

    #[test]
    fn the_presets_are_valid_and_the_paper_budget_is_the_paper_s() {
        for budget in ["smoke", "quick", "paper"] {
            resolve(&["--budget", budget]).unwrap();
        }
        let paper = resolve(&["--budget", "paper"]).unwrap();
        assert_eq!(
            (paper.batch, paper.warmup, paper.eval_every),
            (128, 80, 500)
        );
        assert_eq!(
            (paper.steps, paper.patience, paper.max_len),
            (50_000, 10, 4000)
        );
        assert_eq!((paper.learning_rate, paper.dropout), (1e-4, 0.1));
        assert_eq!(paper.position_rows(), 4096);
    }

    #[test]
    fn a_wrong_setting_is_one_line_that_says_what_was_expected() {
        let cases: [(&[&str], &str); 36] = [
            (
                &["--attn", "skin"],
                "unknown attention method `skin`: expected one of softmax, softmax-nodrop, vmean, ",
            ),
            (&["--features", "0"], "features = 0: expected at least 1"),
            (
                &["--features", "5000000000"],
                "features = 5000000000: expected at most 4294967295",
            ),
            (&["--steps", "0"], "steps = 0: expected at least 1"),
            (&["--batch", "0"], "batch = 0: expected at least 1"),
            (
                &["--batch", "1048577"],
                "batch = 1048577: expected at most 1048576",
            ),
            (
                &["--lr", "nan"],
                "learning_rate = NaN: expected a positive number",
            ),
            (
                &["--lr", "inf"],
                "learning_rate = inf: expected a positive number",
            ),
            (
                &["--lr", "-0.001"],
                "learning_rate = -0.001: expected a positive number",
            ),
            (
                &["--lr", "0"],
                "learning_rate = 0.0: expected a positive number",
            ),
            (
                &["--lr", "1e-50"],
                "learning_rate = 1e-50: expected a positive number",
            ),
            (
                &["--lr", "1e40"],
                "learning_rate = 1e40: expected a positive number",
            ),
            (
                &["--steps", "99"],
                "warmup = 100: expected at most the number of steps, 99",
            ),
            (
                &["--eval-every", "0"],
                "eval_every = 0: expected at least 1",
            ),
            (&["--max-len", "0"], "max_len = 0: expected at least 1"),
            (
                &["--max-len", "4001"],
                "max_len = 4001: expected at most 4000",
            ),
            (
                &["--dropout", "1"],
                "dropout = 1.0: expected a probability from 0 to 0.99",
            ),
            (
                &["--dropout", "1e-300"],
                "dropout = 1e-300: expected a probability from 0 to 0.99; below 7.62939453125e-6,",
            ),
            (
                &["--dropout", "0.995"],
                "dropout = 0.995: expected a probability from 0 to 0.99",
            ),
            (
                &["--dropout", "-0.1"],
                "dropout = -0.1: expected a probability",
            ),
            (
                &["--dropout", "nan"],
                "dropout = NaN: expected a probability",
            ),
            (
                &["--embedding-std", "0"],
                "embedding_std = 0.0: expected a positive number",
            ),
            (
                &["--embedding-std", "1e-300"],
                "embedding_std = 1e-300: expected a positive number of f32, up to 10,",
            ),
            (
                &["--embedding-std", "1e-45"],
                "embedding_std = 1e-45: expected a positive number of f32, up to 10,",
            ),
            (
                &["--embedding-std", "nan"],
                "embedding_std = NaN: expected a positive number",
            ),
            (
                &["--skip-black"],
                "skip_black = true: expected false, since the task has no pictures",
            ),
            (
                &["--sincos2d"],
                "positions = sincos2d: expected learned, sincos, rotary or none, since the task has no",
            ),
            (&["--groups", "0"], "groups = 0: expected at least 1"),
            (
                &["--layers", "1025"],
                "layers = 1025: expected at most 1024",
            ),
            (&["--dim", "0"], "dim = 0: expected at least 1"),
            (
                &["--hidden", "65537"],
                "hidden = 65537: expected at most 65536",
            ),
            (
                &["--heads", "0"],
                "heads = 0: expected a number that divides dim, 64, without a rest",
            ),
            (
                &["--heads", "3"],
                "heads = 3: expected a number that divides dim, 64, without a rest",
            ),
            (
                &["--dim", "63"],
                "heads = 2: expected a number that divides dim, 63, without a rest",
            ),
            (
                &["--weight-decay", "-0.1"],
                "weight_decay = -0.1: expected a number from 0 to 10, such as 0.01",
            ),
            (
                &["--weight-decay", "nan"],
                "weight_decay = NaN: expected a number from 0 to 10",
            ),
        ];
        for (args, expected) in cases {
            let error = error(args);
            assert!(error.starts_with(&format!("error: {expected}")), "{error}");
            assert_eq!(error.lines().count(), 2, "{error}");
        }
        assert!(error(&["--data", ""]).contains("expected auto, builtin or the path of a folder"));
        let told = error(&["--scores", "s.safetensors"]);
        has(
            &told,
            "scores = s.safetensors: expected random, since skein draws nothing by scores: spex-static does",
        );
        let config = resolve(&["--attn", "spex-static", "--scores", "/s.safetensors"]).unwrap();
        has(config.to_toml(), "scores = \"/s.safetensors\"\n");
        let told = error(&["--init", "weights.bin"]);
        has(
            &told,
            "for '--init <random|FILE>': expected random or the path of a .safetensors",
        );
        assert!(
            error(&["--product", "mkl"]).contains("expected matrixmultiply or fixed-order"),
            "{}",
            error(&["--product", "mkl"])
        );
    }

    #[test]
    fn a_wrong_file_is_named_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.toml");
        let cases = [
            (
                "batch = 3\nlerning_rate = 1\n",
                ":2: unknown field `lerning_rate`, expected one of",
            ),
            ("threads = 2\n", ":1: unknown field `threads`"),
            (
                "batch = 3\nsteps = \"many\"\n",
                ":2: invalid type: string \"many\", expected a whole number",
            ),
            (
                "\n\nbatch = -3\n",
                ":3: invalid value: integer `-3`, expected a whole number",
            ),
            ("batch = 3\nbatch = 4\n", ":2: duplicate key"),
            ("task = \"chess\"\n", ":1: unknown variant `chess`"),
            ("batch = \n", ":1: "),
        ];
        for (text, expected) in cases {
            fs::write(&path, text).unwrap();
            let error = error(&["--config", path.to_str().unwrap()]);
            assert!(error.contains(&format!("mine.toml{expected}")), "{error}");
            assert!(error.lines().count() <= 2, "{error}");
        }
        // Not every reader of TOML takes it.
        fs::write(&path, "seed = 9223372036854775808").unwrap();
        let large = error(&["--config", path.to_str().unwrap()]);
        has(&large, "expected at most 9223372036854775807");
        fs::write(&path, b"attn = \"\xff\"").unwrap();
        let error_of = |path: &str| error(&["--config", path]);
        assert!(error_of(path.to_str().unwrap()).contains("valid UTF-8"));
        assert!(error_of("missing.toml").contains("cannot read missing.toml"));
        assert!(error_of(folder.path().to_str().unwrap()).contains("cannot read"));
    }

    #[test]
    fn only_the_folder_of_a_run_can_be_resumed() {
        let folder = tempfile::tempdir().unwrap();
        let name = folder.path().to_str().unwrap();
        assert!(error(&["--resume", name]).contains("is not the folder of a run"));
        fs::write(folder.path().join("config.toml"), "task = \"text\"\n").unwrap();
        assert!(error(&["--resume", name]).contains("config.toml:1: missing field"));
    }
}
