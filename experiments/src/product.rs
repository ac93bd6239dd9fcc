//! Which matrix product of `f32` a command computes with: a setting of runs, a flag of other commands. A process has one.

use crate::config::Config;
use crate::error::{Error, Result};
use engine::cpu::{Product, ProductError};

/// As settings say it: the one that needs no kind of CPU.
pub(crate) fn default() -> String {
    Product::ALL[0].name().to_string()
}

/// As `--product` says it.
pub(crate) fn parse(text: &str) -> std::result::Result<String, String> {
    match Product::find(text) {
        Ok(product) => Ok(product.name().to_string()),
        Err(error) => Err(error.to_string()),
    }
}

/// Settles the product of this process.
///
/// # Errors
/// If there is none of this name, the CPU lacks what it needs, or the process has another.
pub(crate) fn choose(name: &str) -> Result<()> {
    Product::find(name)
        .and_then(Product::choose)
        .map_err(|error| {
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
    product: Option<String>,
}

impl ProductFlag {
    /// The one that was asked for, else the default.
    pub(crate) fn name(&self) -> String {
        self.product.clone().unwrap_or_else(default)
    }

    /// Puts the one that was asked for in the place of a run's.
    pub(crate) fn over(&self, config: &mut Config) {
        if let Some(product) = &self.product {
            config.product.clone_from(product);
        }
    }
}
