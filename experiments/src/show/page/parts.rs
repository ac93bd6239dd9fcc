//! What pages are made of: tables, settings, bars, and how numbers are written in them.

use crate::run::environment::Computer;
use crate::settings::config::Config;
use crate::show::record::Record;
use maud::{Markup, html};

/// Names and values.
pub(super) type Rows = Vec<(String, String)>;

/// A heading.
pub(super) fn section(title: &str) -> Markup {
    html! { h2 { (title) } }
}

/// A paragraph in small print.
pub(super) fn remark(text: &str) -> Markup {
    html! { p.soft { (text) } }
}

/// What may be wider than the page, and is scrolled then.
pub(super) fn wide(label: &str, content: &Markup) -> Markup {
    html! { div.wide tabindex="0" role="region" aria-label=(label) { (content) } }
}

/// A table; columns after the first `texts` hold numbers.
pub(super) fn table(label: &str, head: &[&str], rows: &[Vec<String>], texts: usize) -> Markup {
    let class = |column| if column < texts { "text" } else { "n" };
    wide(
        label,
        &html! {
            table {
                thead { tr {
                    @for (column, cell) in head.iter().enumerate() {
                        th class=(class(column)) scope="col" { (cell) }
                    }
                } }
                tbody {
                    @for row in rows {
                        tr {
                            @for (column, cell) in row.iter().enumerate() {
                                td class=(class(column)) { (cell) }
                            }
                        }
                    }
                }
            }
        },
    )
}

/// Names and values, in columns.
pub(super) fn settings(rows: &[(String, String)]) -> Markup {
    html! {
        div.settings {
            @for (name, value) in rows {
                div { span { (name) } " " span { (value) } }
            }
        }
    }
}

/// A bar of a share of the full length; `own` is what the page is about.
pub(super) fn share(share: f64, own: bool) -> Markup {
    let width = format!("width:{:.2}%", (100.0 * share).clamp(0.0, 100.0));
    html! { div.share { i.own[own] style=(width) {} } }
}

/// Every setting as config.toml has it.
pub(super) fn settings_of(config: &Config) -> Rows {
    let table = config.to_toml().parse::<toml::Table>().unwrap_or_default();
    let text = config.to_toml();
    // In the order of the file, which a table does not keep.
    let names = text
        .lines()
        .filter_map(|line| Some(line.split_once(" = ")?.0));
    names
        .filter_map(|name| Some((name.replace('_', " "), plain(table.get(name)?))))
        .collect()
}

/// Every setting, then what the run was computed from and by.
pub(super) fn settings_and_origin(run: &Record) -> Rows {
    let mut rows = settings_of(&run.config);
    let data = run.data_sha256().unwrap_or("unknown");
    rows.push(("SHA-256 of the data".to_string(), data.to_string()));
    for (name, value) in Computer::facts(&run.computed_by) {
        rows.push((name.to_string(), value));
    }
    rows
}

/// A value as people write it.
pub(super) fn plain(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(", "),
        value => value.to_string(),
    }
}

pub(super) fn percent1(share: f64) -> String {
    format!("{:.1}%", 100.0 * share)
}

pub(super) fn thousands(number: usize) -> String {
    indicatif::HumanCount(number as u64).to_string()
}
