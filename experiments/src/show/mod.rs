//! How results are shown:
//!
//! 1. `number` and `grid`: the one table, as text, Markdown, LaTeX and CSV;
//! 2. `chart`, and `curve`, which keeps it light; `forest`, effects with their intervals;
//! 3. `record`: what the folder of a run says; `page`: the page about it; `script`: what its curves have in common with
//!    those of `skein study`.

pub(crate) mod chart;
pub(crate) mod curve;
pub(crate) mod forest;
pub(crate) mod grid;
pub(crate) mod number;
pub(crate) mod page;
pub(crate) mod record;
pub(crate) mod script;
