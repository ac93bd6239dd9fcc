//! The modules and the style sheet that all pages share: `skein study` serves them as they are, a report has them inside
//! it, joined to one script.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// Name and text of every module and style sheet in `page/`, each after those that it needs.
pub(crate) const FILES: [(&str, &str); 7] = [
    ("page.css", include_str!("page/page.css")),
    ("number.js", include_str!("page/number.js")),
    ("elements.js", include_str!("page/elements.js")),
    ("theme.js", include_str!("page/theme.js")),
    ("lines.js", include_str!("page/lines.js")),
    ("board.js", include_str!("page/board.js")),
    ("curves.js", include_str!("page/curves.js")),
];

/// The style sheets of a report, one after the other.
pub(crate) fn style() -> String {
    let (_, shared) = FILES[0];
    format!("{shared}\n{}", include_str!("report.css"))
}

/// The script of a report: the shared modules and `report.js` as one. Their names do not collide; were they to, the
/// script would not begin, which is tested in a browser.
pub(crate) fn joined() -> String {
    let modules = FILES.iter().filter(|(name, _)| name.ends_with(".js"));
    let texts = modules.map(|(_, text)| *text);
    texts
        .chain([include_str!("report.js")])
        .map(without_imports)
        .collect()
}

/// A module without what ties it to others: its imports, each of one line or more, and the word export.
fn without_imports(module: &str) -> String {
    let mut text = String::with_capacity(module.len());
    let mut within = false;
    for line in module.lines() {
        within |= line.starts_with("import ");
        if !within {
            text.push_str(line.strip_prefix("export ").unwrap_or(line));
            text.push('\n');
        }
        within &= !line.ends_with(';');
    }
    text
}

/// What a policy calls a script by: it and no other may run.
pub(crate) fn hash(script: &str) -> String {
    format!(
        "sha256-{}",
        STANDARD.encode(Sha256::digest(script.as_bytes()))
    )
}

/// JSON as it may stand inside a script element: nothing in it ends the element or begins a comment.
pub(crate) fn json_inside(text: &str) -> String {
    let text = text.replace('<', "\\u003c").replace('>', "\\u003e");
    text.replace('&', "\\u0026")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_loses_its_imports_and_nothing_else() {
        let module = "// One.\nimport { a } from \"./a.js\";\nimport {\n  b,\n} from \"./b.js\";\n\nexport const c = 1;\nf();\n";
        assert_eq!(without_imports(module), "// One.\n\nconst c = 1;\nf();\n");
        let script = joined();
        assert!(!script.contains("import ") && !script.contains("export "));
        // What would end the element that it stands in.
        assert!(!script.contains("</script") && !script.contains("<!--"));
    }

    #[test]
    fn the_first_paint_in_the_dark_has_the_colours_of_the_dark_theme() {
        let (_, style) = FILES[0];
        let of = |selector: &str| -> Vec<&str> {
            let (_, rest) = style.split_once(&format!("{selector} {{")).unwrap();
            let (block, _) = rest.split_once('}').unwrap();
            block
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty())
                .collect()
        };
        let dark = of(":root[data-theme=\"dark\"]");
        assert!(dark.contains(&"color-scheme: dark;"), "{dark:?}");
        assert_eq!(of(":root:not([data-theme])"), dark);
    }

    #[test]
    fn json_cannot_end_its_element() {
        let inside = json_inside("{\"name\":\"</script><!--&\"}");
        assert_eq!(
            inside,
            "{\"name\":\"\\u003c/script\\u003e\\u003c!--\\u0026\"}"
        );
        let read: serde_json::Value = serde_json::from_str(&inside).unwrap();
        assert_eq!(read["name"], "</script><!--&");
    }
}
