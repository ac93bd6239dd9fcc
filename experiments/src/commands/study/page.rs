//! The files of the page. They lie in the repository as they are served: plain modules, no bundler, no network. Those
//! that reports have, too, are in [`script`].

use crate::show::script;

const HTML: &str = "text/html; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Path on the server, kind and text of every file of its own.
const FILES: [(&str, &str, &str); 28] = [
    ("/", HTML, include_str!("page/index.html")),
    ("/style.css", STYLE, include_str!("page/style.css")),
    ("/ask.js", SCRIPT, include_str!("page/ask.js")),
    ("/check.js", SCRIPT, include_str!("page/check.js")),
    ("/controls.js", SCRIPT, include_str!("page/controls.js")),
    ("/details.js", SCRIPT, include_str!("page/details.js")),
    ("/dom.js", SCRIPT, include_str!("page/dom.js")),
    ("/draws.js", SCRIPT, include_str!("page/draws.js")),
    ("/entry.js", SCRIPT, include_str!("page/entry.js")),
    ("/example.js", SCRIPT, include_str!("page/example.js")),
    ("/graph.js", SCRIPT, include_str!("page/graph.js")),
    ("/heat.js", SCRIPT, include_str!("page/heat.js")),
    ("/judged.js", SCRIPT, include_str!("page/judged.js")),
    ("/live.js", SCRIPT, include_str!("page/live.js")),
    ("/main.js", SCRIPT, include_str!("page/main.js")),
    ("/matrix.js", SCRIPT, include_str!("page/matrix.js")),
    ("/method.js", SCRIPT, include_str!("page/method.js")),
    ("/node.js", SCRIPT, include_str!("page/node.js")),
    ("/redraws.js", SCRIPT, include_str!("page/redraws.js")),
    ("/run.js", SCRIPT, include_str!("page/run.js")),
    ("/runs.css", STYLE, include_str!("page/runs.css")),
    ("/runs.js", SCRIPT, include_str!("page/runs.js")),
    ("/scan.js", SCRIPT, include_str!("page/scan.js")),
    ("/scene.js", SCRIPT, include_str!("page/scene.js")),
    ("/source.js", SCRIPT, include_str!("page/source.js")),
    ("/state.js", SCRIPT, include_str!("page/state.js")),
    ("/tape.js", SCRIPT, include_str!("page/tape.js")),
    ("/work.js", SCRIPT, include_str!("page/work.js")),
];

/// Kind and text of the file at `path`.
pub(super) fn file(path: &str) -> Option<(&'static str, &'static str)> {
    let own = FILES.iter().find(|(name, ..)| *name == path);
    let shared = || {
        let name = path.strip_prefix('/')?;
        let (_, text) = script::FILES.iter().find(|(shared, _)| *shared == name)?;
        let kind = if name.ends_with(".css") {
            STYLE
        } else {
            SCRIPT
        };
        Some((kind, *text))
    };
    own.map(|(_, kind, text)| (*kind, *text)).or_else(shared)
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
