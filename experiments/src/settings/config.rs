//! All settings of a run in one flat struct, and how it is put together: the preset of the task and the budget, then
//! the `--config` file, then the flags. Whatever is in a [`Config`] has been checked. How many threads do the work is
//! not a setting: it changes no number.

use crate::files::read::read_toml;
use crate::settings::flags::{Flags, Settings, method};
use crate::settings::product;
use crate::settings::task::Task;
use crate::terminal::error::{Error, Result};
use datasets::Black;
use engine::cpu::Product;
use models::ModelConfig;
use ops::Dropout;
use ops::attention::Options;
use serde::{Deserialize, Serialize};
use std::path::{self, Path};

/// Beyond this a batch is a mistake of typing, and its lists alone would fill the memory.
const LARGEST_BATCH: usize = 1 << 20;
/// Any other count; TOML's integers are signed, so not every `usize` could be written down.
const LARGEST: usize = u32::MAX as usize;

/// The settings of a run, complete. `--print-config` prints it, config.toml in the run's folder keeps it.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What is learnt.
    pub task: Task,
    /// Attention method, by its name in the registry.
    pub attn: String,
    /// Features d: how many keys, rows, landmarks or projections the method may use; at most n of them are used. The
    /// budget has its own number of them, below the lengths of its examples.
    pub features: usize,
    /// Every random number is a function of this seed and of what it is for.
    pub seed: u64,
    /// "builtin", or the absolute path of the data set. "auto" is settled before a run begins: it is what has been fetched, or
    /// builtin.
    pub data: String,
    /// Whose choices: a careful experimenter's or the released code's.
    pub protocol: Protocol,
    /// The preset that the settings below started from.
    pub budget: Budget,

    /// Steps of the schedule; early stopping may use fewer.
    pub steps: usize,
    /// Examples a step.
    pub batch: usize,
    /// Highest learning rate of the one-cycle schedule.
    pub learning_rate: f64,
    /// Steps until the highest learning rate.
    pub warmup: usize,
    /// Steps between evaluations on the dev split.
    pub eval_every: usize,
    /// Dev examples an evaluation; 0: all.
    pub eval_examples: usize,
    /// Test examples at the end; 0: all.
    pub test_examples: usize,
    /// Evaluations in a row without a lower dev loss that stop the run; 0: none do.
    pub patience: usize,
    /// Tokens of an example; the rest is cut off.
    pub max_len: usize,
    /// Probability of dropout, wherever the model drops.
    pub dropout: f64,
    /// Padding is rows of its own (token 0 at its position) for the attention to see, as in the
    /// released code; the pooling still counts real tokens.
    pub pad: bool,
    /// Black pixels are no tokens, as protocol paper always has it. Runs older than the setting kept them.
    #[serde(default)]
    pub skip_black: bool,
    /// Standard deviation of the embedding tables at the start. Runs older than the setting had the reference's.
    #[serde(default = "embedding_std")]
    pub embedding_std: f64,
    /// The position table of pictures begins as sines and cosines of row and column. Runs older than the setting drew
    /// it.
    #[serde(default)]
    pub sincos2d: bool,
    /// Groups that a batch is spread over; their gradients are added in a fixed order, so this may change rounding.
    pub groups: usize,
    /// The matrix product of f32, by its name: they round differently. Runs older than the setting had the default.
    #[serde(default = "product::default", with = "product")]
    pub product: Product,
}

fn embedding_std() -> f64 {
    ModelConfig::EMBEDDING_STD
}

/// Whose choices a run follows where the paper's released code departs from a careful experiment.
#[derive(Serialize, Deserialize, clap::ValueEnum, Clone, Copy, Debug, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// A dev split of its own, the best weights tested, mean over real tokens, constant beta1
    Clean,
    /// As released: dev = test on Text, last weights, mean over the padded length, cycled beta1
    Paper,
}

/// How much to train.
#[derive(Serialize, Deserialize, clap::ValueEnum, Clone, Copy, Debug, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Budget {
    /// Seconds: does everything work?
    Smoke,
    /// About 5 minutes on two cores: does it learn?
    Quick,
    /// The paper's settings: hours to days
    Paper,
}

impl Protocol {
    /// As on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Protocol::Clean => "clean",
            Protocol::Paper => "paper",
        }
    }
}

impl Budget {
    /// As on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Budget::Smoke => "smoke",
            Budget::Quick => "quick",
            Budget::Paper => "paper",
        }
    }
}

impl From<Protocol> for datasets::Protocol {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Clean => datasets::Protocol::Clean,
            Protocol::Paper => datasets::Protocol::Paper,
        }
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

    /// The configuration of the run in `folder`.
    pub(crate) fn of_run(folder: &Path) -> Result<Self> {
        if !folder.join("config.toml").exists() {
            let message = format!(
                "{} is not the folder of a run: it has no config.toml",
                folder.display()
            );
            return Err(Error::usage(message).hint("expected a folder such as runs/text-skein-s42"));
        }
        read_toml(&folder.join("config.toml")).map_err(|error: Error| {
            error.hint("restore it, or take the version that environment.toml names")
        })
    }

    /// These settings with those that `given` has in their place. `budget` is settled already: it chose the preset.
    fn overlaid(self, given: &Settings) -> Self {
        Config {
            task: given.task.unwrap_or(self.task),
            attn: given.attn.clone().unwrap_or(self.attn),
            features: given.features.unwrap_or(self.features),
            seed: given.seed.unwrap_or(self.seed),
            data: given.data.clone().unwrap_or(self.data),
            protocol: given.protocol.unwrap_or(self.protocol),
            budget: self.budget,
            steps: given.steps.unwrap_or(self.steps),
            batch: given.batch.unwrap_or(self.batch),
            learning_rate: given.learning_rate.unwrap_or(self.learning_rate),
            warmup: given.warmup.unwrap_or(self.warmup),
            eval_every: given.eval_every.unwrap_or(self.eval_every),
            eval_examples: given.eval_examples.unwrap_or(self.eval_examples),
            test_examples: given.test_examples.unwrap_or(self.test_examples),
            patience: given.patience.unwrap_or(self.patience),
            max_len: given.max_len.unwrap_or(self.max_len),
            dropout: given.dropout.unwrap_or(self.dropout),
            pad: given.pad.unwrap_or(self.pad),
            skip_black: given.skip_black.unwrap_or(self.skip_black),
            embedding_std: given.embedding_std.unwrap_or(self.embedding_std),
            sincos2d: given.sincos2d.unwrap_or(self.sincos2d),
            groups: given.groups.unwrap_or(self.groups),
            product: given.product.unwrap_or(self.product),
        }
    }

    /// This configuration if every setting is one that the run can honour; the first that is not, otherwise.
    pub(crate) fn checked(mut self, task: Task) -> Result<Self> {
        let wrong = |setting: &str, value: &dyn std::fmt::Display, expected: &str| {
            let flag = setting.replace('_', "-");
            Error::usage(format!("{setting} = {value}: expected {expected}")).hint(format!(
                "set it with --{flag}, or as {setting} in the --config file"
            ))
        };
        let within = |setting: &str, value: usize, least: usize, most: usize| match value {
            _ if value < least => Err(wrong(setting, &value, &format!("at least {least}"))),
            _ if value > most => Err(wrong(setting, &value, &format!("at most {most}"))),
            _ => Ok(()),
        };
        if self.task != task {
            let message = format!(
                "the configuration is of the task {}: expected {}",
                self.task.name(),
                task.name()
            );
            return Err(
                Error::usage(message).hint(format!("give it to skein {}", self.task.name()))
            );
        }
        method(&self.attn)?;
        within("features", self.features, 1, LARGEST)?;
        if i64::try_from(self.seed).is_err() {
            return Err(wrong("seed", &self.seed, &format!("at most {}", i64::MAX)));
        }
        within("steps", self.steps, 1, LARGEST)?;
        within("batch", self.batch, 1, LARGEST_BATCH)?;
        // Training is in f32: what is lost on the way there is no learning rate.
        let rate = self.learning_rate as f32;
        if !(rate > 0.0 && rate.is_finite()) {
            return Err(wrong(
                "learning_rate",
                &format!("{:?}", self.learning_rate),
                "a positive number such as 1e-4",
            ));
        }
        if self.warmup > self.steps {
            let expected = format!("at most the number of steps, {}", self.steps);
            return Err(wrong("warmup", &self.warmup, &expected));
        }
        within("eval_every", self.eval_every, 1, LARGEST)?;
        within("eval_examples", self.eval_examples, 0, LARGEST)?;
        within("test_examples", self.test_examples, 0, LARGEST)?;
        within("patience", self.patience, 0, LARGEST)?;
        let lengths = self.task.lengths();
        within("max_len", self.max_len, *lengths.start(), *lengths.end())?;
        if !ModelConfig::takes_dropout(self.dropout) {
            let (least, most) = (Dropout::LEAST, ModelConfig::MOST_DROPOUT);
            let expected =
                format!("a probability from 0 to {most}; below {least:e}, none is dropped");
            return Err(wrong("dropout", &format!("{:?}", self.dropout), &expected));
        }
        if !ModelConfig::takes_embedding_std(self.embedding_std) {
            return Err(wrong(
                "embedding_std",
                &format!("{:?}", self.embedding_std),
                "a positive number of f32, up to 10, such as 0.02",
            ));
        }
        for (setting, on) in [("skip_black", self.skip_black), ("sincos2d", self.sincos2d)] {
            if on && !task.has_pictures() {
                let expected = "false, since the task has no pictures";
                return Err(wrong(setting, &on, expected));
            }
        }
        within("groups", self.groups, 1, LARGEST_BATCH)?;
        if !["auto", "builtin"].contains(&&*self.data) {
            // A run may be resumed from another working directory.
            let absolute = path::absolute(&self.data).map_err(|_| {
                wrong(
                    "data",
                    &format!("{:?}", self.data),
                    "auto, builtin or the path of a folder",
                )
            })?;
            self.data = absolute.into_os_string().into_string().map_err(|path| {
                wrong(
                    "data",
                    &path.display(),
                    "a path that is UTF-8 from the root on, so that TOML can hold it",
                )
            })?;
        }
        if self.data == "builtin" && self.max_len < task.least_builtin() {
            let expected = format!(
                "at least {}, for enough built-in examples to be there",
                task.least_builtin()
            );
            return Err(wrong("max_len", &self.max_len, &expected));
        }
        Ok(self)
    }

    /// The same for the configuration of a run, which nobody can give anew.
    pub(crate) fn checked_of_run(self, task: Task) -> Result<Self> {
        let is_of_task = self.task == task;
        self.checked(task).map_err(|error| match is_of_task {
            true => error.hint("config.toml was altered, or is of another version: restore it"),
            false => error,
        })
    }

    /// The folder of the data set; none for the built-in corpus.
    pub fn data_folder(&self) -> Option<&Path> {
        (self.data != "builtin").then(|| Path::new(&self.data))
    }

    /// What the attention method takes from these settings.
    pub(crate) fn options(&self) -> Options {
        Options {
            features: self.features,
            dropout: self.dropout,
            released: self.protocol == Protocol::Paper,
        }
    }

    /// Whether loading gives the same data.
    pub(crate) fn same_data(&self, other: &Config) -> bool {
        let of = |c: &Config| {
            let data = c.data.clone();
            (c.task, data, c.protocol, c.budget, c.max_len, c.skip_black)
        };
        of(self) == of(other)
    }

    /// What black pixels are.
    pub(crate) fn black(&self) -> Black {
        match self.protocol {
            Protocol::Clean if !self.skip_black => Black::Kept,
            _ => Black::Skipped,
        }
    }

    /// Rows of the position table: the next power of two of `max_len`.
    pub fn position_rows(&self) -> usize {
        self.max_len.next_power_of_two()
    }

    /// The configuration as TOML, a setting a line. 0 and -0 are one setting.
    pub fn to_toml(&self) -> String {
        let config = Config {
            dropout: self.dropout + 0.0,
            ..self.clone()
        };
        toml::to_string(&config).expect("numbers that TOML can hold, and strings")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

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

    #[test]
    fn every_flag_reaches_its_setting() {
        let every = [
            "--attn=vmean",
            "--features=2",
            "--seed=3",
            "--data=/data",
            "--protocol=paper",
            "--budget=smoke",
            "--steps=4",
            "--batch=5",
            "--lr=0.6",
            "--warmup=1",
            "--eval-every=8",
            "--eval-examples=9",
            "--test-examples=10",
            "--patience=11",
            "--max-len=12",
            "--dropout=0.13",
            "--pad",
            "--embedding-std=0.15",
            "--groups=14",
            "--product=fixed-order",
        ];
        let expected = Config {
            task: Task::Text,
            attn: "vmean".into(),
            features: 2,
            seed: 3,
            data: "/data".into(),
            protocol: Protocol::Paper,
            budget: Budget::Smoke,
            steps: 4,
            batch: 5,
            learning_rate: 0.6,
            warmup: 1,
            eval_every: 8,
            eval_examples: 9,
            test_examples: 10,
            patience: 11,
            max_len: 12,
            dropout: 0.13,
            pad: true,
            skip_black: false,
            embedding_std: 0.15,
            sincos2d: false,
            groups: 14,
            product: Product::FixedOrder,
        };
        assert_eq!(resolve(&every).unwrap(), expected);

        let args = ["image", "--data=builtin", "--skip-black", "--sincos2d"];
        let flags = Flags::parse_from(Task::Image, &args).unwrap();
        let expected = Config {
            data: "builtin".into(),
            skip_black: true,
            sincos2d: true,
            ..Task::Image.preset(Budget::Quick)
        };
        assert_eq!(Config::resolve(Task::Image, &flags).unwrap(), expected);
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
        let cases: [(&[&str], &str); 28] = [
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
                "sincos2d = true: expected false, since the task has no pictures",
            ),
            (&["--groups", "0"], "groups = 0: expected at least 1"),
        ];
        for (args, expected) in cases {
            let error = error(args);
            assert!(error.starts_with(&format!("error: {expected}")), "{error}");
            assert_eq!(error.lines().count(), 2, "{error}");
        }
        assert!(error(&["--data", ""]).contains("expected auto, builtin or the path of a folder"));
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
                ":2: invalid type: string \"many\", expected usize",
            ),
            (
                "\n\nbatch = -3\n",
                ":3: invalid value: integer `-3`, expected usize",
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
        assert!(
            large.contains("expected at most 9223372036854775807"),
            "{large}"
        );
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
