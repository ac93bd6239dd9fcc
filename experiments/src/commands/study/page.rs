//! The files of the page. They lie in the repository as they are served: plain modules, no bundler, no network. Those
//! that reports have, too, are in [`script`].

use crate::show::script;

/// Names and texts of files in `page/`.
macro_rules! files {
    ($($name:literal,)*) => { [$(($name, include_str!(concat!("page/", $name)))),*] };
}

/// Every file of its own.
const FILES: [(&str, &str); 37] = files![
    "index.html",
    "all_draws.js",
    "ask.js",
    "cells.js",
    "check.js",
    "controls.js",
    "derivation.js",
    "details.js",
    "dom.js",
    "draws.js",
    "engine.js",
    "entry.js",
    "example.js",
    "graph.js",
    "grid.js",
    "heat.js",
    "judged.js",
    "live.js",
    "main.js",
    "matrix.js",
    "method.js",
    "node.js",
    "operator.css",
    "operator.js",
    "operator_controls.js",
    "operator_state.js",
    "redraws.js",
    "run.js",
    "runs.css",
    "runs.js",
    "scan.js",
    "scene.js",
    "source.js",
    "state.js",
    "style.css",
    "tape.js",
    "work.js",
];

/// Kind and text of the file at `path`.
pub(super) fn file(path: &str) -> Option<(&'static str, &'static str)> {
    let name = match path.strip_prefix('/')? {
        "" => "index.html",
        name => name,
    };
    let (name, text) = all().find(|(known, _)| *known == name)?;
    let kind = match name.rsplit('.').next()? {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        _ => "text/javascript; charset=utf-8",
    };
    Some((kind, text))
}

fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    FILES.into_iter().chain(script::FILES)
}

/// Names and texts of all modules.
pub(super) fn modules() -> impl Iterator<Item = (&'static str, &'static str)> {
    all().filter(|(name, _)| name.ends_with(".js"))
}

/// The page itself.
pub(super) fn index() -> &'static str {
    FILES[0].1
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn every_file_is_served_and_loads_nothing_from_elsewhere() {
        let folder = |place| Path::new(env!("CARGO_MANIFEST_DIR")).join(place);
        let files = ["src/commands/study/page", "src/show/page"]
            .into_iter()
            .flat_map(|place| std::fs::read_dir(folder(place)).unwrap())
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|end| end != "rs"));
        let mut count = 0;
        for path in files {
            count += 1;
            let name = path.file_name().unwrap().to_str().unwrap();
            let path = match name {
                "index.html" => "/".to_string(),
                name => format!("/{name}"),
            };
            let (_, text) = file(&path).unwrap_or_else(|| panic!("{name} is not served"));
            let foreign = text.matches("://").count();
            // The names of SVG's elements are no address.
            let names = text.matches("http://www.w3.org/2000/svg").count();
            assert_eq!(foreign, names, "{name}");
        }
        assert_eq!(count, FILES.len() + script::FILES.len());
        assert_eq!(file("/../Cargo.toml"), None);
    }
}
