//! What the entry of a setting in [`config`](super::config) becomes, and how the flag of each type of setting reads its
//! words.

use crate::settings::choices::{Budget, Form, Positions, Protocol, Smoother};
use crate::settings::product;
use crate::settings::source::Source;
use crate::terminal::parse::{parse_count, parse_number, parse_seed};
use clap::builder::{BoolishValueParser, EnumValueParser, ValueParser};
use engine::cpu::Product;

/// A type that a setting can have.
pub(super) trait Value {
    /// What a flag without a word after it means, for those that may stand so.
    const ALONE: &'static [&'static str] = &[];

    /// How the word after its flag is read.
    fn parser() -> ValueParser;
}

impl Value for usize {
    fn parser() -> ValueParser {
        ValueParser::new(parse_count)
    }
}

impl Value for u64 {
    fn parser() -> ValueParser {
        ValueParser::new(parse_seed)
    }
}

impl Value for f64 {
    fn parser() -> ValueParser {
        ValueParser::new(parse_number)
    }
}

impl Value for bool {
    const ALONE: &'static [&'static str] = &["true"];

    fn parser() -> ValueParser {
        ValueParser::new(BoolishValueParser::new())
    }
}

impl Value for String {
    fn parser() -> ValueParser {
        ValueParser::string()
    }
}

impl Value for Protocol {
    fn parser() -> ValueParser {
        EnumValueParser::<Protocol>::new().into()
    }
}

impl Value for Budget {
    fn parser() -> ValueParser {
        EnumValueParser::<Budget>::new().into()
    }
}

impl Value for Smoother {
    fn parser() -> ValueParser {
        EnumValueParser::<Smoother>::new().into()
    }
}

impl Value for Positions {
    fn parser() -> ValueParser {
        EnumValueParser::<Positions>::new().into()
    }
}

impl Value for Form {
    fn parser() -> ValueParser {
        EnumValueParser::<Form>::new().into()
    }
}

impl Value for Product {
    fn parser() -> ValueParser {
        ValueParser::new(product::parse)
    }
}

impl Value for Source {
    fn parser() -> ValueParser {
        ValueParser::new(Source::parse)
    }
}

/// Makes of a list of entries `Config`, in which every setting has a value, and `Settings`, those that a file or flags
/// give; and what can be done with all settings alike. `task` stands before them: it has no flag.
///
/// An entry is `/// words` for help and documents, the name, the type, and
/// * `flag`: what stands for its value in help, under which heading, and what else clap takes;
/// * `default`: what the presets begin with, where `preset.rs` has nothing else;
/// * `older`: what runs had that are older than the setting. Without it, config.toml must have it;
/// * `check`: whether a value can be honoured, else what was expected.
macro_rules! settings {
    (
        for ($task:ident, $budget:ident);
        $(
            $(#[$about:meta])*
            $name:ident: $type:ty {
                flag $value:literal in $heading:literal $(with ($($clap:tt)+))?;
                default $default:expr;
                $(older $older:expr;)?
                $(check $check:expr;)?
            }
        )*
    ) => {
        /// The settings of a run, complete. `--print-config` prints it, config.toml in the run's folder keeps it.
        #[derive(serde::Serialize, Clone, Debug, PartialEq)]
        pub struct Config {
            /// What is learnt.
            pub task: Task,
            $($(#[$about])* pub $name: $type,)*
        }

        /// The settings that were given, by flags or by a file; what is absent keeps the value of the layer below.
        #[derive(clap::Args, serde::Deserialize, Debug, Default)]
        #[serde(deny_unknown_fields)]
        pub struct Settings {
            /// Only in files: the config.toml of a run says which task it is of.
            #[arg(skip)]
            pub task: Option<Task>,
            /// Another name of `--positions sincos2d`, and of `learned` where it is false.
            #[arg(long, value_name = "true|false", help_heading = "Budget", hide = true)]
            #[arg(value_parser = <bool as Value>::parser(), num_args = 0..=1, default_missing_value = "true")]
            pub sincos2d: Option<bool>,
            $(
                $(#[$about])*
                #[arg(
                    long,
                    value_name = $value,
                    help_heading = $heading,
                    value_parser = <$type as Value>::parser(),
                    num_args = usize::from(<$type as Value>::ALONE.is_empty())..=1,
                    default_missing_values = <$type as Value>::ALONE,
                    // The words say them, but for those of a switch.
                    hide_possible_values = <$type as Value>::ALONE.is_empty(),
                    $($($clap)+)?
                )]
                pub $name: Option<$type>,
            )*
        }

        impl Settings {
            /// The names of all settings but the task, as config.toml has them, in the order of the list.
            pub(crate) const NAMES: &'static [&'static str] = &[$(stringify!($name),)*];

            /// Whether something is given of the setting of this name.
            pub(crate) fn has(&self, name: &str) -> bool {
                match name {
                    $(stringify!($name) if self.$name.is_some() => true,)*
                    "positions" => self.sincos2d.is_some(),
                    _ => false,
                }
            }
        }

        impl Config {
            /// What the presets of all tasks begin with.
            pub(super) fn common($task: Task, $budget: Budget) -> Config {
                Config { task: $task, $($name: $default,)* }
            }

            /// These settings with those that `given` has in their place.
            pub(crate) fn overlaid(self, given: &Settings) -> Config {
                let renamed = given.positions_by_another_name();
                let config = Config {
                    task: given.task.unwrap_or(self.task),
                    $($name: Clone::clone(&given.$name).unwrap_or(self.$name),)*
                };
                Config {
                    positions: renamed.unwrap_or(config.positions),
                    ..config
                }
            }

            /// Refuses the first setting that no run can honour.
            fn refuse_wrong(&self) -> Result<()> {
                $($(judge(self, stringify!($name), &self.$name, $check)?;)?)*
                Ok(())
            }
        }

        impl<'de> serde::Deserialize<'de> for Config {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> std::result::Result<Config, D::Error> {
                let mut given = Settings::deserialize(from)?;
                given.positions = given.positions_by_another_name().or(given.positions);
                let missing = <D::Error as serde::de::Error>::missing_field;
                Ok(Config {
                    task: given.task.ok_or_else(|| missing("task"))?,
                    $($name: given.$name$(.or_else(|| Some($older)))?.ok_or_else(|| missing(stringify!($name)))?,)*
                })
            }
        }
    };
}

pub(super) use settings;
