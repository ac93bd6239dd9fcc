//! One reference case: a safetensors file with its settings in the metadata.
//!
//! Numbers are F64, indices I64. Errors say what is wrong with the file, in words.

use engine::{Draw, Real, Tensor};
use safetensors::{Dtype, SafeTensors};
use std::collections::{BTreeSet, HashMap};
use std::fmt::Display;
use std::str::FromStr;

/// A case, borrowing the bytes of its file.
pub(super) struct Case<'a> {
    file: SafeTensors<'a>,
    settings: HashMap<String, String>,
}

impl<'a> Case<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Case<'a>, String> {
        let damaged = |error| format!("not a safetensors file, or a damaged one: {error}");
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
        let settings = header.metadata().clone().unwrap_or_default();
        let file = SafeTensors::deserialize(bytes).map_err(damaged)?;
        if !["attn", "module"]
            .iter()
            .any(|name| settings.contains_key(*name))
        {
            return Err("no reference case: its metadata do not say `attn`".to_string());
        }
        Ok(Case { file, settings })
    }

    /// A whole model, not one head of an attention.
    pub(super) fn is_model(&self) -> bool {
        self.settings.contains_key("layers")
    }

    /// The piece of a model that the case is about, if it is about one.
    pub(super) fn module(&self) -> Option<&str> {
        self.settings.get("module").map(String::as_str)
    }

    /// The names of all tensors, in alphabetical order.
    pub(super) fn names(&self) -> BTreeSet<&str> {
        self.file.names().into_iter().collect()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.file.tensor(name).is_ok()
    }

    pub(super) fn holds_numbers(&self, name: &str) -> bool {
        let tensor = self.file.tensor(name);
        tensor.is_ok_and(|tensor| tensor.dtype() == Dtype::F64)
    }

    pub(super) fn text(&self, name: &str) -> Result<&str, String> {
        let text = self.settings.get(name).map(String::as_str);
        text.ok_or_else(|| format!("the metadata do not say `{name}`"))
    }

    pub(super) fn setting<S: FromStr<Err: Display>>(&self, name: &str) -> Result<S, String> {
        let text = self.text(name)?;
        text.parse()
            .map_err(|error| format!("{name} is {text:?} in the metadata: {error}"))
    }

    /// A setting that a case may leave out.
    pub(super) fn setting_or<S: FromStr<Err: Display>>(
        &self,
        name: &str,
        default: S,
    ) -> Result<S, String> {
        match self.settings.contains_key(name) {
            true => self.setting(name),
            false => Ok(default),
        }
    }

    /// How many numbers the tensors hold whose names begin with `prefix`.
    pub(super) fn held(&self, prefix: &str) -> usize {
        let tensors = self.file.iter();
        tensors
            .filter(|(name, _)| name.starts_with(prefix))
            .map(|(_, tensor)| tensor.shape().iter().product::<usize>())
            .sum()
    }

    pub(super) fn shape(&self, name: &str) -> Result<Vec<usize>, String> {
        Ok(self.tensor(name, None)?.0)
    }

    pub(super) fn numbers(&self, name: &str) -> Result<Vec<f64>, String> {
        let (_, chunks) = self.tensor(name, Some(Dtype::F64))?;
        Ok(chunks
            .iter()
            .map(|&bytes| f64::from_le_bytes(bytes))
            .collect())
    }

    pub(super) fn indices(&self, name: &str) -> Result<Vec<u32>, String> {
        let (_, chunks) = self.tensor(name, Some(Dtype::I64))?;
        let index = |&bytes: &[u8; 8]| {
            let index = i64::from_le_bytes(bytes);
            u32::try_from(index).map_err(|_| format!("{name} holds {index}, expected indices"))
        };
        chunks.iter().map(index).collect()
    }

    /// A matrix of the expected shape.
    pub(super) fn matrix<T: Real>(
        &self,
        name: &str,
        (rows, cols): (usize, usize),
    ) -> Result<Tensor<T>, String> {
        let shape = self.shape(name)?;
        if shape != [rows, cols] {
            return Err(format!(
                "{name} has shape {shape:?}, expected [{rows}, {cols}]"
            ));
        }
        let numbers: Vec<T> = self.numbers(name)?.into_iter().map(T::of).collect();
        Ok(Tensor::from_slice(rows, cols, &numbers))
    }

    /// The numbers of a matrix of this shape that is expected.
    pub(super) fn expected(
        &self,
        name: &str,
        (rows, cols): (usize, usize),
    ) -> Result<Vec<f64>, String> {
        match &self.shape(name)?[..] {
            [r, c] if (*r, *c) == (rows, cols) => self.numbers(name),
            shape => Err(format!(
                "{name} has shape {shape:?}, expected [{rows}, {cols}]"
            )),
        }
    }

    /// What was drawn: indices, or numbers row by row.
    pub(super) fn draw(&self, name: &str) -> Result<Draw, String> {
        match self.file.tensor(name).map(|tensor| tensor.dtype()) {
            Ok(Dtype::I64) => Ok(Draw::Indices(self.indices(name)?)),
            _ => Ok(Draw::Numbers(self.numbers(name)?)),
        }
    }

    /// The tensors whose names begin with `prefix`, as a file of their own, without it.
    pub(super) fn extract(&self, prefix: &str) -> Result<Vec<u8>, String> {
        let all = self.file.iter();
        let tensors = all.filter_map(|(name, tensor)| Some((name.strip_prefix(prefix)?, tensor)));
        safetensors::serialize(tensors, None).map_err(|error| error.to_string())
    }

    /// The shape and the numbers, eight bytes each.
    fn tensor(
        &self,
        name: &str,
        expected: Option<Dtype>,
    ) -> Result<(Vec<usize>, &[[u8; 8]]), String> {
        let tensor = self.file.tensor(name);
        let tensor = tensor.map_err(|_| format!("tensor {name} is missing"))?;
        let dtype = tensor.dtype();
        if expected.is_some_and(|expected| dtype != expected) || dtype.bitsize() != 64 {
            let expected = expected.map_or("F64 or I64".to_string(), |dtype| dtype.to_string());
            return Err(format!("tensor {name} holds {dtype}, expected {expected}"));
        }
        Ok((tensor.shape().to_vec(), tensor.data().as_chunks().0))
    }
}
