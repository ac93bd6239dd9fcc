//! An axis of a grid: a setting and the values of it that are compared; and a setting of one task.
//!
//! Whatever a run has can be an axis, as there is one list of settings. What a value means is what a `--config` file
//! says with it; a value that is no such setting is refused here, one that no run can honour where the cells are made.

use crate::files::read::plain;
use crate::run::tuned::said;
use crate::settings::choices::{Budget, Task};
use crate::settings::config::Settings;
use crate::terminal::error::nearest;
use crate::terminal::output::hex;
use clap::ValueEnum;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::HashSet;

/// What has lists of its own.
const OWN_LISTS: [(&str, &str); 3] = [
    ("task", "--tasks"),
    ("attn", "--methods"),
    ("seed", "--seeds"),
];

/// `--axis`, `--tune`: a setting, and the values of it that are compared.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axis {
    /// Only of this task.
    pub(super) task: Option<Task>,
    /// As config.toml has it.
    pub(super) setting: &'static str,
    /// No value twice.
    pub(super) values: Vec<toml::Value>,
}

/// `--set`: a setting of one task.
#[derive(Clone, Debug)]
pub(super) struct Set {
    pub(super) task: Task,
    pub(super) setting: String,
    pub(super) value: toml::Value,
}

impl Axis {
    /// One for all tasks.
    pub(super) fn new(setting: &'static str, values: Vec<toml::Value>) -> Self {
        Self {
            task: None,
            setting,
            values,
        }
    }

    /// Whether it is one of this task.
    pub(super) fn is_of(&self, task: Task) -> bool {
        self.task.is_none_or(|of| of == task)
    }

    /// Whether both say something of a setting of one task.
    pub(super) fn meets(&self, other: &Axis) -> bool {
        let same_task = match (self.task, other.task) {
            (Some(one), Some(two)) => one == two,
            _ => true,
        };
        same_task && self.setting == other.setting
    }

    /// As it is said on the command line, such as `text.max-len`.
    pub(super) fn name(&self) -> String {
        let task = self.task.map(|task| format!("{}.", task.name()));
        task.unwrap_or_default() + &flag(self.setting)
    }

    /// The place in the list of settings, by which axes are put in order: a name does not depend on who was first on the
    /// command line. The two that the first grids had come first, as they did in these.
    pub(super) fn place(&self) -> usize {
        let known = Settings::NAMES;
        let own = ["learning_rate", "batch"].into_iter();
        let mut all = own.chain(known.iter().copied());
        let place = all.position(|name| name == self.setting);
        place.unwrap_or(usize::MAX)
    }

    /// What stands for a value in the name of a cell.
    pub(super) fn piece(&self, value: &toml::Value) -> String {
        match (self.setting, value) {
            ("learning_rate", toml::Value::Float(rate)) => format!("-lr{rate:e}"),
            ("batch", batch) => format!("-b{batch}"),
            _ => format!("-{}={}", flag(self.setting), word(value)),
        }
    }
}

/// The name of a setting as its flag has it.
pub(super) fn flag(setting: &str) -> String {
    setting.replace('_', "-")
}

/// A value in the name of a folder: what a file system may not take, or take for something else, becomes `_`, with the
/// beginning of a hash behind it, so that no two values have one name.
fn word(value: &toml::Value) -> String {
    let text = said(value);
    let plain =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '.';
    // Signs of numbers and the dash within a word of a list, such as fixed-order.
    let may = |letter: char| plain(letter) || letter == '-' || letter == '+';
    if !text.is_empty() && text.len() <= 40 && text.chars().all(may) {
        return text;
    }
    let last = text.rsplit(['/', '\\']).next().unwrap_or_default();
    let kept = last.chars().take(24);
    let kept: String = kept
        .map(|letter| if may(letter) { letter } else { '_' })
        .collect();
    let hash = hex(&Sha256::digest(text.as_bytes()));
    format!("{kept}~{}", &hash[..8])
}

/// `SETTING=VALUE,...` or `TASK.SETTING=VALUE,...`.
pub(super) fn parse_axis(text: &str) -> Result<Axis, String> {
    let expected = || {
        "expected SETTING=VALUE,VALUE such as features=16,32, or TASK.SETTING=VALUE,VALUE"
            .to_string()
    };
    let (place, list) = text.split_once('=').ok_or_else(expected)?;
    let (task, name) = match place.split_once('.') {
        Some((task, name)) => (Some(task_named(task)?), name),
        None => (None, place),
    };
    let setting = setting_named(name)?;
    let mut values: Vec<toml::Value> = Vec::new();
    let mut known = HashSet::new();
    for word in list.split(',') {
        let value = canonical(setting, read(word)).map_err(|wrong| format!("{word:?}: {wrong}"))?;
        if !known.insert(said(&value)) {
            return Err(format!(
                "{} is there twice, expected every value once",
                said(&value)
            ));
        }
        values.push(value);
    }
    Ok(Axis {
        task,
        setting,
        values,
    })
}

/// The same without a task.
pub(super) fn parse_tune(text: &str) -> Result<Axis, String> {
    let axis = parse_axis(text)?;
    match (axis.task, axis.values.len()) {
        (None, 2..) => Ok(axis),
        (None, _) => Err("expected several values to choose from".to_string()),
        (Some(_), _) => Err("expected a setting without a task before it".to_string()),
    }
}

/// `TASK.SETTING=VALUE`.
pub(super) fn parse_set(text: &str) -> Result<Set, String> {
    let expected = || "expected TASK.SETTING=VALUE such as text.max-len=1000".to_string();
    let (place, value) = text.split_once('=').ok_or_else(expected)?;
    let (task, setting) = place.split_once('.').ok_or_else(expected)?;
    Ok(Set {
        task: task_named(task)?,
        setting: setting.replace('-', "_"),
        value: read(value),
    })
}

fn task_named(task: &str) -> Result<Task, String> {
    Task::from_str(task, false).map_err(|_| {
        let names = Task::ALL.map(Task::name);
        let meant = nearest(task, names).map(|name| format!("; did you mean {name}?"));
        let meant = meant.unwrap_or_default();
        format!("expected one of {} before the dot{meant}", names.join(", "))
    })
}

/// The setting of this name, or of this flag.
fn setting_named(text: &str) -> Result<&'static str, String> {
    let name = match text {
        "lr" => "learning_rate".to_string(),
        _ => text.replace('-', "_"),
    };
    if let Some((_, list)) = OWN_LISTS.iter().find(|(own, _)| *own == name) {
        return Err(format!(
            "expected a setting without a list of its own, {list}"
        ));
    }
    let known = || Settings::NAMES.iter().copied();
    known().find(|known| *known == name).ok_or_else(|| {
        let meant = nearest(&name, known()).map(|name| format!("did you mean {}? ", flag(name)));
        format!(
            "no setting is called {text}: {}skein text --print-config shows them",
            meant.unwrap_or_default()
        )
    })
}

/// A number or true or false as TOML has them; whatever is none of these is a word.
fn read(text: &str) -> toml::Value {
    let table = toml::from_str::<toml::Table>(&format!("value = {text}"));
    let known = table.ok().and_then(|mut table| table.remove("value"));
    known.unwrap_or(toml::Value::String(text.to_string()))
}

/// What config.toml would have for this value of a setting, such as 0.0 for 0.
fn canonical(setting: &str, value: toml::Value) -> Result<toml::Value, String> {
    let table = toml::Table::from_iter([(setting.to_string(), value)]);
    let settings = Settings::deserialize(table).map_err(|error| {
        let message = plain(error.message()).replace('`', "");
        message.trim_end().to_string()
    })?;
    Ok(Task::Text
        .preset(Budget::Quick)
        .overlaid(&settings)
        .value(setting))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::asserts::has;

    #[test]
    fn a_value_has_one_name_however_it_is_written() {
        let pieces = |text: &str| -> Vec<String> {
            let axis = parse_axis(text).unwrap();
            axis.values.iter().map(|value| axis.piece(value)).collect()
        };
        assert_eq!(pieces("features=16,32"), ["-features=16", "-features=32"]);
        assert_eq!(pieces("dropout=0,0.10"), ["-dropout=0", "-dropout=0.1"]);
        assert_eq!(pieces("text.max-len=1000"), ["-max-len=1000"]);
        assert_eq!(pieces("max_len=1000"), ["-max-len=1000"]);
        // As the first grids had them.
        assert_eq!(pieces("lr=0.001,1e-4"), ["-lr1e-3", "-lr1e-4"]);
        assert_eq!(pieces("batch=64"), ["-b64"]);
        assert_eq!(pieces("weight-decay=1e-5"), ["-weight-decay=1e-5"]);
        assert_eq!(pieces("product=fixed-order"), ["-product=fixed-order"]);
        assert_eq!(pieces("skip-black=true"), ["-skip-black=true"]);
        assert_eq!(
            parse_axis("text.max-len=9,8").unwrap().name(),
            "text.max-len"
        );
    }

    /// Paths of one last name, and what differs in capitals only, which some file systems do not tell apart.
    #[test]
    fn no_two_values_have_one_name() {
        let axis = parse_axis("data=/a/b c,/d/b c,B,b").unwrap();
        let mut names: Vec<String> = axis.values.iter().map(|v| axis.piece(v)).collect();
        assert!(names[0].starts_with("-data=b_c~"), "{names:?}");
        for name in &mut names {
            *name = name.to_lowercase();
            assert!(!name.contains(['/', ' ', '\\']), "{name}");
        }
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 4, "{names:?}");
    }

    #[test]
    fn what_is_no_setting_is_refused_with_the_nearest() {
        for (text, expected) in [
            ("features", "expected SETTING=VALUE,VALUE"),
            (
                "featurs=1,2",
                "no setting is called featurs: did you mean features?",
            ),
            (
                "zebra=1,2",
                "no setting is called zebra: skein text --print-config",
            ),
            ("texts.features=1", "expected one of text, "),
            ("attn=skein,vmean", "without a list of its own, --methods"),
            ("seed=1", "without a list of its own, --seeds"),
            ("task=text", "without a list of its own, --tasks"),
            ("features=16,x", "\"x\": invalid type: string"),
            ("features=16,", "\"\": invalid type: string"),
            ("features=16,-1", "\"-1\": invalid value: integer -1"),
            ("features=16,32,16", "16 is there twice"),
            ("dropout=0,0.0", "0 is there twice"),
            (
                "positions=learned,sinus",
                "\"sinus\": unknown variant sinus",
            ),
        ] {
            has(parse_axis(text).unwrap_err(), expected);
        }
        has(parse_tune("text.lr=1,2").unwrap_err(), "without a task");
        has(parse_tune("lr=1").unwrap_err(), "several values");
    }

    #[test]
    fn axes_meet_where_one_cell_would_have_both() {
        let axis = |text: &str| parse_axis(text).unwrap();
        let [all, text, listops, other] = [
            "features=1",
            "text.features=2",
            "listops.features=3",
            "steps=4",
        ]
        .map(axis);
        assert!(all.meets(&text) && text.meets(&all) && all.meets(&all));
        assert!(!text.meets(&listops) && !all.meets(&other));
    }
}
