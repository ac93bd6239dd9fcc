//! What can be said on the command line: the same for the binary of every task.
//!
//! [`Settings`] are the flags that change a number of the run. Each is also a key of a `--config` file, under the name
//! of the field: one struct serves both, and `config` lays one over the other. The rest of [`Flags`] says where the run
//! is written, when it pauses and what is printed.

use crate::settings::config::{Budget, Config, Protocol};
use crate::settings::product;
use crate::settings::task::Task;
use crate::terminal::error::{Error, Result};
use crate::terminal::parse::{HINT, shared};
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches};
use engine::cpu::Product;
use ops::attention::{Entry, LayerShape, Options, find, names, registry};
use serde::Deserialize;
use std::fmt::Write;
use std::num::NonZero;
use std::ops::RangeInclusive;
use std::path::PathBuf;

/// More threads than any one machine has.
const MOST_THREADS: usize = 1024;

/// For which a layer is counted in the list of methods: those of Text at full length.
const POSITIONS: usize = 4096;

/// What `--resume` may stand with, by the names of the fields.
const WITH_RESUME: [&str; 8] = [
    "resume",
    "data",
    "threads",
    "stop_after",
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
    /// Continue the run in FOLDER; only --threads, --stop-after, what is printed and
    /// --data, where its data are now, may be given with it
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

/// The settings that were given, by flags or by a file; what is absent keeps the value of the budget's preset.
///
/// What each means is said at the field of the same name in [`Config`].
#[derive(clap::Args, Deserialize, Debug, Default)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Only in files: the config.toml of a run says which task it is of.
    #[arg(skip)]
    pub task: Option<Task>,

    /// Attention method; --list shows them [default: skein]
    #[arg(long, value_name = "NAME", help_heading = "What")]
    pub attn: Option<String>,
    /// Features: how many keys, rows or projections a method may use
    /// [default: of the budget]
    #[arg(long, value_name = "N", value_parser = parse_count, help_heading = "What")]
    pub features: Option<usize>,
    /// Seed of every random number [default: 42]
    #[arg(long, value_name = "N", value_parser = parse_seed, help_heading = "What")]
    pub seed: Option<u64>,
    /// `builtin`; the path of the data set; or auto: what `skein data get` has put into
    /// the
    /// cache, else builtin [default: auto]
    #[arg(long, value_name = "auto|builtin|PATH", help_heading = "What")]
    pub data: Option<String>,
    /// clean: a careful experiment; paper: the released code's choices [default: clean]
    #[arg(
        long,
        value_enum,
        value_name = "NAME",
        hide_possible_values = true,
        help_heading = "What"
    )]
    pub protocol: Option<Protocol>,

    /// smoke, quick or paper: skein TASK --help has a table of them [default: quick]
    #[arg(
        long,
        value_enum,
        value_name = "NAME",
        hide_possible_values = true,
        help_heading = "Budget"
    )]
    pub budget: Option<Budget>,
    /// Steps of the schedule
    #[arg(long, value_name = "N", value_parser = parse_count, help_heading = "Budget")]
    pub steps: Option<usize>,
    /// Examples a step
    #[arg(long, value_name = "N", value_parser = parse_count, help_heading = "Budget")]
    pub batch: Option<usize>,
    /// Highest learning rate of the schedule [also: --lr]
    #[arg(long, alias = "lr", value_name = "RATE", value_parser = parse_number, help_heading = "Budget")]
    pub learning_rate: Option<f64>,
    /// Steps until the highest learning rate
    #[arg(long, value_name = "N", value_parser = parse_count, help_heading = "Budget")]
    pub warmup: Option<usize>,
    /// Steps between evaluations on the dev split
    #[arg(long, value_name = "N", value_parser = parse_count, help_heading = "Budget")]
    pub eval_every: Option<usize>,
    /// Dev examples an evaluation; 0: all
    #[arg(long, value_name = "N", value_parser = parse_count, help_heading = "Budget")]
    pub eval_examples: Option<usize>,
    /// Test examples at the end; 0: all
    #[arg(long, value_name = "N", value_parser = parse_count, help_heading = "Budget")]
    pub test_examples: Option<usize>,
    /// Stop after N evaluations without a lower dev loss; 0: never
    #[arg(long, value_name = "N", value_parser = parse_count, help_heading = "Budget")]
    pub patience: Option<usize>,
    /// Tokens of an example; the rest is cut off
    #[arg(long, value_name = "N", value_parser = parse_count, help_heading = "Budget")]
    pub max_len: Option<usize>,
    /// Probability of dropout
    #[arg(long, value_name = "P", value_parser = parse_number, help_heading = "Budget")]
    pub dropout: Option<f64>,
    /// Give padded positions to the attention as rows, as the released code did
    /// [default: false]
    #[arg(
        long,
        value_name = "true|false",
        num_args = 0..=1,
        default_missing_value = "true",
        value_parser = clap::builder::BoolishValueParser::new(),
        help_heading = "What"
    )]
    pub pad: Option<bool>,
    /// Black pixels are no tokens, as always under protocol paper
    #[arg(
        long,
        value_name = "true|false",
        num_args = 0..=1,
        default_missing_value = "true",
        value_parser = clap::builder::BoolishValueParser::new(),
        help_heading = "Budget"
    )]
    pub skip_black: Option<bool>,
    /// Standard deviation of the embedding tables at the start
    #[arg(long, value_name = "STD", value_parser = parse_number, help_heading = "Budget")]
    pub embedding_std: Option<f64>,
    /// The position table of pictures begins as sines and cosines of row and column
    #[arg(
        long,
        value_name = "true|false",
        num_args = 0..=1,
        default_missing_value = "true",
        value_parser = clap::builder::BoolishValueParser::new(),
        help_heading = "Budget"
    )]
    pub sincos2d: Option<bool>,
    /// Groups of examples whose gradients are added in a fixed order
    #[arg(long, value_name = "N", value_parser = parse_count, help_heading = "Budget")]
    pub groups: Option<usize>,
    /// Matrix product of f32: matrixmultiply, or fixed-order (AVX2 or AVX-512)
    /// [default: matrixmultiply]
    #[arg(long, value_name = "NAME", value_parser = product::parse, help_heading = "Budget")]
    #[serde(default, deserialize_with = "product::given")]
    pub product: Option<Product>,
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
            .about(format!("Trains on {}", task.about()))
            .after_help(format!("{}\n{}", budgets(task), costs()))
            .mut_args(|arg| {
                let unused = unused(task, arg.get_id().as_str());
                arg.hide(unused)
            });
        shared(command)
    }

    #[cfg(test)]
    pub(crate) fn parse_from(task: Task, args: &[&str]) -> Result<Self> {
        Self::of(&crate::terminal::parse::parse(
            Self::command_for(task),
            args,
        )?)
    }

    /// How many threads to use: `--threads`, or as many as the machine offers.
    pub fn threads(&self) -> usize {
        threads(self.threads)
    }
}

/// Whether there is only one value that a task can take of a setting, so that help does not speak of it.
fn unused(task: Task, setting: &str) -> bool {
    match setting {
        "skip_black" | "sincos2d" => !task.has_pictures(),
        "max_len" => task.lengths().count() == 1,
        _ => false,
    }
}

/// As many threads as were asked for, else as the machine offers.
pub(crate) fn threads(asked: Option<usize>) -> usize {
    let offered = || std::thread::available_parallelism().map_or(1, NonZero::get);
    asked.unwrap_or_else(offered)
}

/// The methods of `--list` and of docs/methods.md, a line each, from the registry: how time grows with
/// n tokens, p columns of a head and d features; learned parameters of a layer of its own at
/// d = 256 and 4,096 positions; whether it draws random numbers when it is evaluated.
pub fn methods() -> String {
    let shape = LayerShape {
        positions: POSITIONS,
        heads: 2,
        head_width: 32,
    };
    let mut table = format!(
        "{:17} {:16} {:>9}  {:6}  {}\n",
        "method", "time", "learned", "random", "what it is"
    );
    for entry in registry::<f32>() {
        let method = entry.method(&Options::default());
        let shapes = method.shapes(shape);
        let numbers: usize = shapes.iter().map(|(_, [rows, cols])| rows * cols).sum();
        let learned = if method.trains() { numbers } else { 0 };
        let random = if entry.laws.random { "yes" } else { "no" };
        let (name, time, about) = (entry.name, entry.time, entry.about);
        writeln!(
            table,
            "{name:17} {time:16} {learned:9}  {random:6}  {about}"
        )
        .expect("writing to a string");
    }
    table
}

/// The method of this name.
pub(crate) fn method(name: &str) -> Result<Entry<f32>> {
    find::<f32>(name).map_err(|error| {
        Error::usage(error.to_string())
            .hint("skein text --list says what each is")
            .did_you_mean(name, names())
    })
}

/// What `--list` prints: the methods, and what the columns are.
pub(crate) fn list() -> String {
    let Options { features, .. } = Options::default();
    methods()
        + &format!(
            "n tokens, p columns a head, d = --features; learned: numbers of a layer at d = {features} and {POSITIONS} \
             positions; random: draws when it is evaluated, too\n"
        )
}

/// Methods and how their time grows, for `--help`.
fn costs() -> String {
    let mut text =
        "Methods, and how their time grows with n tokens, p columns a head, d features:\n"
            .to_string();
    for pair in registry::<f32>().chunks(2) {
        let cells = pair
            .iter()
            .map(|entry| format!("{:17} {:16}", entry.name, entry.time));
        let line = cells.collect::<Vec<_>>().join("  ");
        writeln!(text, "  {}", line.trim_end()).expect("writing to a string");
    }
    text
}

/// The presets of `--budget`: a table of what differs between them, and what else they have.
fn budgets(task: Task) -> String {
    let mut table =
        "Budgets:    steps  batch  learning rate  warm-up  eval every  max-len  features\n"
            .to_string();
    for budget in [Budget::Smoke, Budget::Quick, Budget::Paper] {
        let c = task.preset(budget);
        let budget = budget.name();
        writeln!(
            table,
            "  {budget:8}  {:5}  {:5}  {:13}  {:7}  {:10}  {:7}  {:8}",
            c.steps, c.batch, c.learning_rate, c.warmup, c.eval_every, c.max_len, c.features
        )
        .expect("writing to a string");
    }
    table += "On 2 cores smoke takes seconds, quick about 5 minutes, paper hours to days.\n";
    let [smoke, quick, paper] =
        [Budget::Smoke, Budget::Quick, Budget::Paper].map(|budget| others(&task.preset(budget)));
    let (of_all, of_paper): (Vec<_>, Vec<_>) = paper
        .into_iter()
        .partition(|setting| smoke.contains(setting) && quick.contains(setting));
    let own = |all: Vec<String>| -> Vec<String> {
        let own = all.into_iter().filter(|setting| !of_all.contains(setting));
        own.collect()
    };
    for (whose, settings) in [
        ("smoke", own(smoke)),
        ("quick", own(quick)),
        ("paper", of_paper),
        ("each", of_all.clone()),
    ] {
        if !settings.is_empty() {
            writeln!(table, "{whose}: {}", settings.join(", ")).expect("writing to a string");
        }
    }
    table
}

/// The settings of a budget that the table has no column for; what is off, or all, is not said.
fn others(config: &Config) -> Vec<String> {
    let named = [
        ("eval-examples", config.eval_examples as f64),
        ("test-examples", config.test_examples as f64),
        ("patience", config.patience as f64),
        ("groups", config.groups as f64),
    ];
    let counts = named.into_iter().filter(|&(_, n)| n > 0.0);
    let shares = [
        ("dropout", config.dropout),
        ("embedding-std", config.embedding_std),
    ];
    let mut text: Vec<String> = counts
        .chain(shares)
        .map(|(name, value)| format!("{name} {value}"))
        .collect();
    for (name, on) in [
        ("skip-black", config.skip_black),
        ("sincos2d", config.sincos2d),
    ] {
        text.extend(on.then(|| name.to_string()));
    }
    text
}

fn parse_count(text: &str) -> std::result::Result<usize, String> {
    text.parse()
        .map_err(|_| "expected a whole number such as 256".to_string())
}

pub(crate) fn parse_seed(text: &str) -> std::result::Result<u64, String> {
    // Not every reader of TOML takes a larger one.
    let seed = text.parse().ok().filter(|&seed| seed < 1 << 63);
    seed.ok_or_else(|| "expected a whole number below 2^63".to_string())
}

pub(crate) fn parse_number(text: &str) -> std::result::Result<f64, String> {
    text.parse()
        .map_err(|_| "expected a number such as 0.1 or 1e-4".to_string())
}

pub(crate) fn parse_threads(text: &str) -> std::result::Result<usize, String> {
    whole(1..=MOST_THREADS)(text)
}

/// A parser of the whole numbers in `range`; one that ends at `usize::MAX` has no end to speak of.
pub(crate) fn whole(
    range: RangeInclusive<usize>,
) -> impl Fn(&str) -> std::result::Result<usize, String> + Clone {
    move |text| {
        let number = text.parse().ok().filter(|n| range.contains(n));
        number.ok_or_else(|| match (range.start(), range.end()) {
            (least, &usize::MAX) => format!("expected a whole number from {least}"),
            (least, most) => format!("expected a whole number from {least} to {most}"),
        })
    }
}

/// Each once, in the order of their first places.
pub(crate) fn distinct<X: PartialEq>(all: impl IntoIterator<Item = X>) -> Vec<X> {
    let mut distinct = Vec::new();
    for x in all {
        if !distinct.contains(&x) {
            distinct.push(x);
        }
    }
    distinct
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Flags> {
        Flags::parse_from(Task::Text, &[&["text"], args].concat())
    }

    fn error(args: &[&str]) -> String {
        parse(args).unwrap_err().to_string()
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
                    .try_get_matches_from(["exp_text", flag])
                    .unwrap_err();
                error.render().to_string()
            };
            let help = printed("--help");
            assert_eq!(help, printed("-h"));
            for line in help.lines() {
                assert!(line.chars().count() <= 80, "{line}");
            }
            for (flag, pictures) in [
                ("--skip-black", true),
                ("--sincos2d", true),
                ("--max-len", false),
            ] {
                let told = help.contains(&format!("      {flag} "));
                assert_eq!(told, task.has_pictures() == pictures, "{task:?} {flag}");
            }
            for heading in ["What:", "Budget:", "Run:", "Budgets:"] {
                let headings = help.lines().filter(|line| line.starts_with(heading));
                assert_eq!(headings.count(), 1, "{heading}");
            }
        }
    }

    #[test]
    fn help_says_what_the_table_of_budgets_has_no_column_for() {
        let end = "\
            On 2 cores smoke takes seconds, quick about 5 minutes, paper hours to days.\n\
            smoke: eval-examples 64, test-examples 256, dropout 0.1, embedding-std 0.02\n\
            quick: eval-examples 1000, dropout 0, embedding-std 0.5, skip-black, sincos2d\n\
            paper: dropout 0.1, embedding-std 0.02\n\
            each: patience 10, groups 16\n";
        let table = budgets(Task::Pathfinder);
        assert!(table.ends_with(end), "{table}");
        let end = "\
            quick: eval-examples 1000\n\
            each: patience 10, groups 16, dropout 0.1, embedding-std 0.02\n";
        let table = budgets(Task::Text);
        assert!(table.ends_with(end), "{table}");
    }

    /// Where each setting of a budget is told, so that a new one is not forgotten.
    #[test]
    fn every_setting_of_a_budget_is_in_its_table_or_below() {
        let command = Flags::command_for(Task::Text);
        let loud = Config {
            eval_examples: 1,
            test_examples: 1,
            skip_black: true,
            sincos2d: true,
            ..Task::Text.preset(Budget::Quick)
        };
        let below = others(&loud).join(", ");
        let columns = [
            "budget",
            "steps",
            "batch",
            "learning-rate",
            "warmup",
            "eval-every",
            "max-len",
        ];
        for arg in command.get_arguments() {
            let name = arg.get_long().unwrap_or_default();
            if arg.get_help_heading() == Some("Budget") && !columns.contains(&name) {
                assert!(below.contains(name), "{name}: {below}");
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

    /// `skein sweep` has these flags as well, and no tables of these.
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
        assert_eq!(others.len(), 20 + 3); // The settings but --data; --out, --overwrite, --config.
        for arg in others {
            let flag = format!("--{}", arg.get_long().unwrap());
            // "paper" and "1" are right for whatever takes a value.
            let value = match arg.get_action().takes_values() {
                true if ["--protocol", "--budget"].contains(&flag.as_str()) => &["paper"][..],
                true => &["1"][..],
                false => &[][..],
            };
            let args = [&["--resume", "x", &flag], value].concat();
            assert!(
                error(&args).starts_with(&format!("error: {flag} cannot be given with --resume")),
                "{flag}"
            );
        }
    }

    #[test]
    fn methods_are_listed_a_line_each() {
        let table = methods();
        assert_eq!(table.lines().count(), registry::<f32>().len() + 1);
        for line in table.lines() {
            assert!(line.chars().count() <= 120, "{line}");
        }
        let linformer = table.lines().find(|line| line.starts_with("linformer "));
        let words: Vec<_> = linformer.unwrap().split_whitespace().collect();
        assert_eq!(words[..6], ["linformer", "n", "d", "p", "2097152", "no"]);
    }
}
