//! Which matrix product of `f32` a command computes with: a setting of runs, a flag of other commands. A process has one.

use crate::terminal::error::{Error, Result};
use engine::cpu::{Product, ProductError};
use serde::{Deserialize, Deserializer, Serializer};

/// Of a run that says nothing: the one that needs no kind of CPU.
pub(crate) fn default() -> Product {
    Product::Matrixmultiply
}

/// As `--product` says it.
pub(crate) fn parse(text: &str) -> std::result::Result<Product, String> {
    Product::find(text).map_err(|error| error.to_string())
}

/// As a settings file says it.
pub(crate) fn serialize<S: Serializer>(
    product: &Product,
    to: S,
) -> std::result::Result<S::Ok, S::Error> {
    to.serialize_str(product.name())
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    from: D,
) -> std::result::Result<Product, D::Error> {
    parse(&String::deserialize(from)?).map_err(serde::de::Error::custom)
}

/// As a settings file says it that need not.
pub(crate) fn given<'de, D: Deserializer<'de>>(
    from: D,
) -> std::result::Result<Option<Product>, D::Error> {
    deserialize(from).map(Some)
}

/// Settles the product of this process.
///
/// # Errors
/// If the CPU lacks what it needs, or the process has another.
pub(crate) fn choose(product: Product) -> Result<()> {
    product.choose().map_err(|error| {
        let hint = match error {
            ProductError::Unknown(_) => "--product says which",
            ProductError::Lacking(_) => "--product matrixmultiply, in a new run",
            ProductError::Chosen { .. } => "use one process for each",
        };
        Error::usage(error.to_string()).hint(hint)
    })
}

/// For the commands that have no settings of a run, or those of one that has ended.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct ProductFlag {
    /// Matrix product of f32: matrixmultiply, or fixed-order (AVX2 or AVX-512)
    /// [default: that of the run, else matrixmultiply]
    #[arg(long, value_name = "NAME", value_parser = parse)]
    product: Option<Product>,
}

impl ProductFlag {
    /// The one that was asked for, else the default.
    pub(crate) fn get(&self) -> Product {
        self.product.unwrap_or_else(default)
    }

    /// Whether one was asked for.
    pub(crate) fn is_given(&self) -> bool {
        self.product.is_some()
    }

    /// Puts the one that was asked for in the place of a run's.
    pub(crate) fn over(&self, of_run: &mut Product) {
        *of_run = self.product.unwrap_or(*of_run);
    }
}
