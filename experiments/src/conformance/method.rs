//! The registered methods that a case is about, and the options it gives them.

use super::case::Case;
use ops::attention::Options;

/// A method under which a case is run.
pub(super) struct Method {
    /// Its name in the registry, whether it is there or not.
    pub(super) name: String,
    /// Tensors of the case that it has no use for.
    pub(super) unread: &'static [&'static str],
}

/// The methods of a case: what it calls `attn`, with settings that tell ablations apart, under the
/// registry's names. Several where one formula serves several: they differ in how they draw, and
/// draws are given.
pub(super) fn methods(case: &Case<'_>) -> Result<Vec<Method>, String> {
    let setting = |name, default| case.text(name).unwrap_or(default);
    let names: &[&str] = match case.text("attn")? {
        // Evaluation drops no probability.
        "softmax" => &["softmax-nodrop", "softmax"],
        "skein" => match (setting("norm", "adaptive"), setting("reuse", "true")) {
            ("adaptive", "true") => &["skein"],
            ("adaptive", "false") => &["skein-nopilot", "skein-uniform"],
            ("simple", "false") => &["skein-simplenorm"],
            ("none", "false") => &["skein-nonorm"],
            (norm, reuse) => return Err(format!("no skein has norm={norm} and reuse={reuse}")),
        },
        "linformer" => &["linformer", "linformer-fixed"],
        "informer" => &["informer", "informer-mask"],
        other => &[&other.replace('_', "-")],
    };
    let unread = |name: &str| -> &'static [&'static str] {
        match name {
            "skein-uniform" => &["pilot", "probabilities"],
            _ => &[],
        }
    };
    Ok(names
        .iter()
        .map(|name| Method {
            name: name.to_string(),
            unread: unread(name),
        })
        .collect())
}

/// The options of a case: what `--features` has to be for the sizes of its draws.
pub(super) fn options(case: &Case<'_>) -> Result<Options, String> {
    let size = |tensor: &str, axis: usize| {
        let shape = case.shape(tensor)?;
        let size = shape.get(axis).copied();
        size.ok_or_else(|| format!("{tensor} has shape {shape:?}: too few dimensions"))
    };
    let features = match case.text("attn")? {
        _ if case.is_model() => case.setting("d")?,
        // Both have to be there: a draw that a case lacks would be drawn anew.
        "skein" => size("pilot", 0).and(size("columns", 0))?,
        "linformer" => size("e", 0)?,
        "linformer_jlt" => size("s", 1)?,
        "performer" => size("w", 0)?,
        "nystrom" => case.setting("landmarks")?,
        "informer" => case.setting("u")?,
        // Blocks and chunks are a quarter of the budget, Skyformer's samples half of it.
        "bigbird" => 4 * case.setting::<usize>("block")?,
        "reformer" => 4 * case.setting::<usize>("chunk")?,
        "skyformer" => 2 * size("sampled", 0)?,
        _ => size("q", 0)?,
    };
    Ok(Options {
        features,
        // A rate that would be noticed: cases are evaluations.
        dropout: 0.5,
        ..Options::default()
    })
}
