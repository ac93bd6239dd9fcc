//! The registered methods that a case is about, and the options it gives them.

use super::case::Case;
use crate::machine::memory::lacking;
use engine::Real;
use ops::attention::fma::{Fma, Pool};
use ops::attention::kl::{Kl, Map};
use ops::attention::lm_infinite::LmInfinite;
use ops::attention::spex_estimator::SpexEstimator;
use ops::attention::{Attention, Options, find};

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
        "lm_infinite" if setting("rotary", "true") == "false" => &["lambda-mask"],
        "fma" => match case.text("pool")? {
            "average" => &["fma-average"],
            _ => &["fma"],
        },
        "race" => match setting("average", "sum") {
            "sum" => &["race"],
            "bucket" => &["race-bucket"],
            average => return Err(format!("no race has average={average}")),
        },
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

/// The method of a case in `T`, if one head of its sizes fits into memory: n tokens, p columns.
pub(super) fn build<T: Real>(
    case: &Case<'_>,
    method: &Method,
    [n, p]: [usize; 2],
) -> Result<Box<dyn Attention<T>>, String> {
    let options = options(case)?;
    if options.features == 0 {
        return Err("the sizes of the case leave the method no feature".to_string());
    }
    let entry = find::<T>(&method.name).map_err(|error| error.to_string())?;
    // Bytes are reckoned for f32.
    let bytes = entry.bytes(&options, n, p) * size_of::<T>() as f64 / size_of::<f32>() as f64;
    let what = format!(
        "{} with {} features and {n} tokens",
        method.name, options.features
    );
    match lacking(&what, bytes) {
        None => Ok(of_settings(case, &options)?.unwrap_or_else(|| entry.method(&options))),
        Some(message) => Err(message),
    }
}

/// The methods of which a case says more than a number of features.
fn of_settings<T: Real>(
    case: &Case<'_>,
    options: &Options,
) -> Result<Option<Box<dyn Attention<T>>>, String> {
    let smoothing = case.setting_or("smoothing", Map::SMOOTHING);
    Ok(match case.text("attn")? {
        "fma" => {
            let pool = match case.text("pool")? {
                "average" => Pool::Average,
                _ => Pool::Learned,
            };
            Some(Box::new(Fma {
                scale_by_size: case.setting_or("scale_by_size", false)?,
                ..Fma::new(options.features, pool)
            }))
        }
        "lm_infinite" => {
            let [window, globals, ceiling] =
                ["window", "globals", "ceiling"].map(|name| case.setting(name));
            let (window, ceiling) = (window?, ceiling?);
            if window == 0 || ![window, window - 1].contains(&ceiling) {
                return Err(format!(
                    "a window of {window} and a ceiling of {ceiling}: expected 1 or more, and as many or one less"
                ));
            }
            Some(Box::new(LmInfinite {
                window,
                globals: globals?,
                ceiling,
                rotary: case.setting("rotary")?,
            }))
        }
        "spex_estimator" => Some(Box::new(SpexEstimator {
            window: case.setting("window")?,
            // As many as are given.
            permutations: 0,
            temperature: case.setting("temperature")?,
            fixed: false,
        })),
        "kl_gmm_rks" => Some(Box::new(Kl::gmm_rks(options.features, smoothing?))),
        "kl_fastfood_rks" => Some(Box::new(Kl::fastfood_rks(smoothing?))),
        "kl_generator_rks" => Some(Box::new(Kl::generator_rks(options.features, smoothing?))),
        _ => None,
    })
}

/// The options of a case: what `--features` has to be for the sizes of its draws.
fn options(case: &Case<'_>) -> Result<Options, String> {
    let size = |tensor: &str, axis: usize| {
        let shape = case.shape(tensor)?;
        let size = shape.get(axis).copied();
        size.ok_or_else(|| format!("{tensor} has shape {shape:?}: too few dimensions"))
    };
    let times = |factor: usize, size: usize| {
        let product = size.checked_mul(factor);
        product.ok_or_else(|| format!("{factor} times {size} is no number of features"))
    };
    let features = match case.text("attn")? {
        _ if case.is_model() => case.setting("d")?,
        _ if case.text("features").is_ok() => case.setting("features")?,
        // Both have to be there: a draw that a case lacks would be drawn anew.
        "skein" => size("pilot", 0).and(size("columns", 0))?,
        "linformer" => size("e", 0)?,
        "linformer_jlt" => size("s", 1)?,
        "performer" => size("w", 0)?,
        "nystrom" => case.setting("landmarks")?,
        "informer" => case.setting("u")?,
        // Blocks and chunks are a quarter of the budget, Skyformer's samples half of it.
        "bigbird" => times(4, case.setting("block")?)?,
        "reformer" => times(4, case.setting("chunk")?)?,
        "skyformer" => times(2, size("sampled", 0)?)?,
        _ => size("q", 0)?,
    };
    Ok(Options {
        features,
        // A rate that would be noticed: cases are evaluations.
        dropout: 0.5,
        ..Options::default()
    })
}
