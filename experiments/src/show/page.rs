//! Pages about runs: one file each that needs nothing else, opened from disk. Templates escape whatever comes from a run;
//! charts are pictures, which the script makes alive from the numbers beside them; nothing comes from elsewhere, and no
//! other script may run.
//!
//! 1. `parts`: tables, settings, bars;
//! 2. `figures`: charts, as pictures and as numbers for the script;
//! 3. `one`: the report of a run; `several`: runs compared.

mod figures;
mod one;
mod parts;
mod several;

pub(crate) use one::one;
pub(crate) use several::several;

use super::record::Record;
use super::script;
use crate::files::whole_file;
use crate::terminal::error::Result;
use crate::terminal::output::tell;
use figures::Figures;
use maud::{Markup, PreEscaped, html};
use std::path::Path;

/// How every page begins, with the words of version 0.1.0: what a report may replace.
pub(crate) const START: &str = "<!doctype html>\n<!-- a report of exp_* runs -->\n";

/// A page; `figures` are those that stand in it, unless they are empty.
fn whole(title: &str, about: &Markup, body: &Markup, figures: &[&Figures]) -> String {
    let script = script::joined();
    let policy = format!(
        "default-src 'none'; style-src 'unsafe-inline'; script-src '{}'",
        script::hash(&script)
    );
    let shown: Vec<_> = figures
        .iter()
        .filter(|figures| !figures.is_empty())
        .collect();
    // Numbers that are finite, and names: nothing that JSON cannot hold.
    let numbers = serde_json::to_string(&shown).unwrap_or_default();
    let page = html! {
        (PreEscaped(START))
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content=(policy);
                title { (title) }
                style { (PreEscaped(script::style())) }
            }
            body {
                div.head {
                    div { (about) }
                    button #theme type="button" hidden {}
                }
                (body)
                footer {
                    "Made by the report of version " (env!("CARGO_PKG_VERSION"))
                    ". The file is complete: it loads nothing."
                }
                script type="application/json" id="numbers" { (PreEscaped(script::json_inside(&numbers))) }
                script type="module" { (PreEscaped(script)) }
            }
        }
    };
    page.into_string() + "\n"
}

/// Writes report.html into the folder of a run.
pub(crate) fn write(folder: &Path) -> Result<()> {
    let page = one(&Record::read(folder)?);
    whole_file::write(&folder.join("report.html"), &[page.as_bytes()])
}

/// The same when the run has just ended: that it cannot be written leaves a run that has ended all the same.
pub(crate) fn write_at_end(folder: &Path) {
    if let Err(error) = write(folder) {
        tell(&format!("note: the run has ended, but {error}"));
    }
}
