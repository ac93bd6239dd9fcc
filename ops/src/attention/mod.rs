//! Attention: what a method is, and the list of them all.
//!
//! A method is a struct with its options and an implementation of [`Attention`]: one node on the
//! tape over all heads of a layer. It stands in one file with its derivation and one [`Entry`]; one
//! line in [`registry`] makes it known to the flags, the tables, the reference cases and the suite
//! of laws. An ablation is another value of the same struct.
//!
//! Reading order:
//!
//! 1. [`method`], the contract; [`registry`], the list;
//! 2. [`attend`], the kernel that nearly everything is made of;
//! 3. [`softmax`] and [`vmean`], exact attention and none;
//! 4. [`skein`], the method of the paper, and its ablations;
//! 5. fewer keys or rows through the same kernel: [`linformer`], [`linformer_jlt`], [`informer`],
//!    [`bigbird`], [`reformer`], [`nystrom`], [`s3`], [`lm_infinite`], [`fma`], [`hyper`];
//! 6. keys of its own for every row: [`spexphormer`], [`spex_estimator`] (on `graph`);
//! 7. kernels of their own: [`kernelized`] and [`skyformer`] (on `gaussian`); the iteration
//!    `pseudo_inverse` serves nystrom and skyformer;
//! 8. products of features (on `features`): [`performer`]; [`kl`] with its three kinds of
//!    frequencies, [`kl_gmm`], [`kl_fastfood`], [`kl_generator`]; [`race`];
//! 9. [`suite`], the checks of every entry.

pub mod attend;
pub mod bigbird;
pub mod features;
pub mod fma;
pub mod gaussian;
mod graph;
pub mod hyper;
pub mod informer;
pub mod kernelized;
pub mod kl;
pub mod kl_fastfood;
pub mod kl_generator;
pub mod kl_gmm;
pub mod linformer;
pub mod linformer_jlt;
pub mod lm_infinite;
pub mod method;
pub mod nystrom;
pub mod performer;
pub mod pseudo_inverse;
pub mod race;
pub mod reformer;
pub mod s3;
pub mod skein;
pub mod skyformer;
pub mod softmax;
pub mod spex_estimator;
pub mod spexphormer;
pub mod suite;
pub mod vmean;

pub use method::{Attention, Cost, Entry, Inputs, Laws, LayerShape, Options, Place, Reads};

use engine::Real;
use std::any::Any;

/// All methods, in the order of the paper's table: one line each.
fn all<T: Real>() -> Vec<Entry<T>> {
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
        s3::entry(),
        s3::entry_rows(),
        s3::entry_columns(),
        lm_infinite::entry(),
        lm_infinite::entry_mask(),
        spexphormer::entry(),
        spexphormer::entry_static(),
        spex_estimator::entry(),
        spex_estimator::entry_fixed(),
        fma::entry(),
        fma::entry_average(),
        hyper::entry(),
        hyper::entry_kdeformer(),
        hyper::entry_pilots(),
        kl_gmm::entry(),
        kl_gmm::entry_rks(),
        kl_fastfood::entry(),
        kl_fastfood::entry_rks(),
        kl_generator::entry(),
        kl_generator::entry_rks(),
        race::entry(),
        race::entry_bucket(),
    ]
}

/// All methods, in the order of the paper's table.
pub fn registry<T: Real>() -> Vec<Entry<T>> {
    let mut entries: Vec<Entry<T>> = Vec::new();
    // Of one type or the other: in this way this crate compiles every method, once, and no crate that calls it does.
    let list: &mut dyn Any = &mut entries;
    if let Some(list) = list.downcast_mut() {
        *list = all_in_f32();
    } else if let Some(list) = list.downcast_mut() {
        *list = all_in_f64();
    }
    entries
}

#[inline(never)]
fn all_in_f32() -> Vec<Entry<f32>> {
    all()
}

#[inline(never)]
fn all_in_f64() -> Vec<Entry<f64>> {
    all()
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
