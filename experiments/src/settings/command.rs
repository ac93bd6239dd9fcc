//! The command that makes a run anew.

use crate::settings::config::Config;
use crate::terminal::output::shell_word;
use std::path::Path;

/// What is said even where it is the default: a default may become another, and `auto` is what a cache holds.
const ALWAYS: [&str; 5] = ["attn", "data", "seed", "budget", "protocol"];

impl Config {
    /// The command that makes a run with these settings, to be pasted: flags for all that the budget has otherwise.
    pub(crate) fn command(&self) -> String {
        let table = |config: &Config| -> toml::Table {
            config.to_toml().parse().unwrap_or_default() // It was written as such.
        };
        let usual = table(&self.task.preset(self.budget));
        let own = table(self);
        // In the order of the file, which a table does not keep.
        let text = self.to_toml();
        let names = text
            .lines()
            .filter_map(|line| Some(line.split_once(" = ")?.0));
        let mut command = format!("skein {}", self.task.name());
        for name in names.filter(|name| *name != "task") {
            let Some(value) = own.get(name) else {
                continue;
            };
            if ALWAYS.contains(&name) || usual.get(name) != Some(value) {
                let value = match value {
                    toml::Value::String(text) => shell_word(Path::new(text)),
                    value => value.to_string(),
                };
                command += &format!(" --{} {value}", name.replace('_', "-"));
            }
        }
        command
    }
}

#[cfg(test)]
mod tests {
    use crate::settings::choices::{Budget, Positions, Protocol, Task};
    use crate::settings::config::Config;
    use crate::settings::given::Flags;
    use crate::settings::source::Source;

    /// The settings that a command without quotes asks for.
    fn asked(task: Task, command: &str) -> Config {
        let words: Vec<&str> = command.split(' ').skip(1).collect();
        let flags = Flags::parse_from(task, &words).unwrap();
        Config::resolve(task, &flags).unwrap()
    }

    #[test]
    fn the_command_gives_the_same_settings() {
        let short = Config {
            data: "builtin".into(),
            ..Task::Text.preset(Budget::Quick)
        };
        let expected =
            "skein text --attn skein --seed 42 --data builtin --protocol clean --budget quick";
        assert_eq!(short.command(), expected);
        for task in [Task::Text, Task::Image] {
            for budget in [Budget::Smoke, Budget::Quick, Budget::Paper] {
                let usual = task.preset(budget);
                let other = Config {
                    attn: "spex-static".into(),
                    features: 7,
                    seed: 9,
                    data: "/data".into(),
                    protocol: Protocol::Paper,
                    steps: 77,
                    learning_rate: 3.25e-5,
                    warmup: 3,
                    pad: true,
                    positions: Positions::Rotary,
                    init: Source::File {
                        file: "/w.safetensors".into(),
                        sha256: Some("0123456789abcdef".repeat(4)),
                    },
                    weight_decay: 1e-7,
                    ..usual.clone()
                };
                for config in [usual, other] {
                    let config = Config {
                        data: config.data.replace("auto", "builtin"),
                        ..config
                    };
                    let command = config.command();
                    assert_eq!(asked(task, &command), config, "{command}");
                }
            }
        }
    }

    #[test]
    fn a_path_is_one_word() {
        let config = Config {
            data: "/my reviews/it's".into(),
            ..Task::Text.preset(Budget::Quick)
        };
        let command = config.command();
        assert!(
            command.contains(r" --data '/my reviews/it'\''s' "),
            "{command}"
        );
    }
}
