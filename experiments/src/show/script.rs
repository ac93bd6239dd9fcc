//! The modules and the style sheet that all pages share: `skein study` serves them as they are, a report has them inside
//! it, joined to one script.

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
