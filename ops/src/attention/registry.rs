//! The methods there are, and how one is found by its name.

use engine::Real;

use super::{
    Entry, bigbird, informer, kernelized, linformer, linformer_jlt, nystrom, performer, reformer,
    skein, skyformer, softmax, vmean,
};

/// All methods, in the order of the paper's table: one line each.
pub fn registry<T: Real>() -> Vec<Entry<T>> {
    vec![
        softmax::entry(),
        softmax::entry_nodrop(),
        vmean::entry(),
        bigbird::entry(),
        performer::entry(),
        nystrom::entry(),
        reformer::entry(),
        linformer::entry(),
        linformer::entry_fixed(),
        linformer_jlt::entry(),
        informer::entry(),
        informer::entry_mask(),
        skein::entry(),
        skein::entry_uniform(),
        skein::entry_nonorm(),
        skein::entry_simplenorm(),
        skein::entry_nopilot(),
        skein::entry_one_uniform(),
        skein::entry_one_simple(),
        skein::entry_one_nonorm(),
        skyformer::entry(),
        kernelized::entry(),
    ]
}

/// The names of all methods, in the order of [`registry`].
pub fn names() -> Vec<&'static str> {
    registry::<f32>().iter().map(|entry| entry.name).collect()
}

/// The method called `name`.
///
/// # Errors
/// If there is no method of this name; the message lists all names.
pub fn find<T: Real>(name: &str) -> Result<Entry<T>, UnknownMethod> {
    let entry = registry().into_iter().find(|entry| entry.name == name);
    entry.ok_or_else(|| UnknownMethod {
        name: name.to_string(),
    })
}

/// A name that is not in the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownMethod {
    name: String,
}

impl std::fmt::Display for UnknownMethod {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (name, names) = (&self.name, names().join(", "));
        write!(
            f,
            "unknown attention method `{name}`: expected one of {names}"
        )
    }
}

impl std::error::Error for UnknownMethod {}
