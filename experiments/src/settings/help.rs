//! What help says beyond the flags themselves: the table of the budgets, the methods and their costs.

use crate::settings::choices::{Budget, Positions, Task};
use crate::settings::config::Config;
use ops::attention::{LayerShape, Options, registry};
use std::fmt::Write;

/// For which a layer is counted in the list of methods: those of Text at full length.
const POSITIONS: usize = 4096;

/// Whether there is only one value that a task can take of a setting, so that help does not speak of it.
pub(super) fn unused(task: Task, setting: &str) -> bool {
    match setting {
        "skip_black" => !task.has_pictures(),
        "sincos2d" => true,
        "max_len" => task.lengths().count() == 1,
        _ => false,
    }
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
        "{:20} {:16} {:>7}  {:6}  {}\n",
        "method", "time", "learned", "random", "what it is"
    );
    for entry in registry::<f32>() {
        let method = entry.method(&Options::default());
        let shapes = method.shapes(shape);
        let trained = shapes.iter().filter(|(name, _)| method.trains(name));
        let learned: usize = trained.map(|(_, [rows, cols])| rows * cols).sum();
        let random = if entry.laws.random { "yes" } else { "no" };
        let (name, time, about) = (entry.name, entry.time, entry.about);
        writeln!(
            table,
            "{name:20} {time:16} {learned:7}  {random:6}  {about}"
        )
        .expect("writing to a string");
    }
    table
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
pub(super) fn costs() -> String {
    let mut text =
        "Methods, and how their time grows with n tokens, p columns a head, d features:\n"
            .to_string();
    for pair in registry::<f32>().chunks(2) {
        let cells = pair
            .iter()
            .map(|entry| format!("{:20} {:16}", entry.name, entry.time));
        let line = cells.collect::<Vec<_>>().join("  ");
        writeln!(text, "  {}", line.trim_end()).expect("writing to a string");
    }
    text
}

/// The presets of `--budget`: a table of what differs between them, and what else they have.
pub(super) fn budgets(task: Task) -> String {
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
    text.extend(config.skip_black.then(|| "skip-black".to_string()));
    if config.positions != Positions::Learned {
        text.push(format!("positions {:?}", config.positions));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::given::Flags;

    #[test]
    fn help_says_what_the_table_of_budgets_has_no_column_for() {
        let end = "\
            On 2 cores smoke takes seconds, quick about 5 minutes, paper hours to days.\n\
            smoke: eval-examples 64, test-examples 256, dropout 0.1, embedding-std 0.02\n\
            quick: eval-examples 1000, dropout 0, embedding-std 0.5, skip-black, positions sincos2d\n\
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
            positions: Positions::Sincos2d,
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
