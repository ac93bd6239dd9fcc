//! The files of the page. They lie in the repository as they are served: plain modules, no bundler, no network.

const HTML: &str = "text/html; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Path on the server, kind and text of every file.
const FILES: [(&str, &str, &str); 21] = [
    ("/", HTML, include_str!("page/index.html")),
    ("/style.css", STYLE, include_str!("page/style.css")),
    ("/operator.css", STYLE, include_str!("page/operator.css")),
    ("/all_draws.js", SCRIPT, include_str!("page/all_draws.js")),
    ("/ask.js", SCRIPT, include_str!("page/ask.js")),
    ("/check.js", SCRIPT, include_str!("page/check.js")),
    ("/controls.js", SCRIPT, include_str!("page/controls.js")),
    ("/derivation.js", SCRIPT, include_str!("page/derivation.js")),
    ("/dom.js", SCRIPT, include_str!("page/dom.js")),
    ("/draws.js", SCRIPT, include_str!("page/draws.js")),
    ("/entry.js", SCRIPT, include_str!("page/entry.js")),
    ("/main.js", SCRIPT, include_str!("page/main.js")),
    ("/matrix.js", SCRIPT, include_str!("page/matrix.js")),
    ("/method.js", SCRIPT, include_str!("page/method.js")),
    ("/number.js", SCRIPT, include_str!("page/number.js")),
    ("/operator.js", SCRIPT, include_str!("page/operator.js")),
    (
        "/operator_controls.js",
        SCRIPT,
        include_str!("page/operator_controls.js"),
    ),
    (
        "/operator_state.js",
        SCRIPT,
        include_str!("page/operator_state.js"),
    ),
    ("/redraws.js", SCRIPT, include_str!("page/redraws.js")),
    ("/scene.js", SCRIPT, include_str!("page/scene.js")),
    ("/state.js", SCRIPT, include_str!("page/state.js")),
];

/// Kind and text of the file at `path`.
pub(super) fn file(path: &str) -> Option<(&'static str, &'static str)> {
    let found = FILES.iter().find(|(name, ..)| *name == path)?;
    Some((found.1, found.2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn every_file_is_served_and_loads_nothing_from_elsewhere() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/commands/study/page");
        for entry in std::fs::read_dir(folder).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let path = match &*name {
                "index.html" => "/".to_string(),
                name => format!("/{name}"),
            };
            let (_, text) = file(&path).unwrap_or_else(|| panic!("{name} is not served"));
            let foreign = text.matches("://").count();
            // The names of SVG's elements are no address.
            let names = text.matches("http://www.w3.org/2000/svg").count();
            assert_eq!(foreign, names, "{name}");
        }
        assert_eq!(file("/../Cargo.toml"), None);
    }
}
