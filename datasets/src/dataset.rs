//! What every task is once it is loaded: examples of bytes with labels, in three splits.
//!
//! Bytes are kept, not token ids: a quarter of the memory, and the encoding of all five tasks is "byte + offset".

use crate::{DataError, shown};
use std::path::Path;

/// How the bytes of a document become token ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoding {
    /// Token id = byte + offset: 1 where the reference keeps id 0 for padding (text), 0 for pixels.
    pub offset: u16,
    /// Rows of the model's token table; at least the largest id + 1.
    pub vocabulary: usize,
    /// Id 0 is no token and is left out ([`Black::Skipped`]).
    pub mask_zero: bool,
}

/// What the black pixels of a picture are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Black {
    /// Tokens like all others.
    Kept,
    /// No tokens, as in the reference, whose padding has the same id 0.
    Skipped,
}

impl std::fmt::Display for Black {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Black::Kept => "tokens like all others",
            Black::Skipped => "no tokens",
        })
    }
}

/// One example: a label and one document, or two for the pair task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// The example's number in the source of its split (for a folder: in the order of sorted paths). It names the
    /// example's random draws, so it never depends on the protocol, the epoch or the slot in a batch. Splits that are
    /// parts of one source, as train and dev of Text or the files of ListOps, have no id in common; splits with a
    /// source each, as the files of Retrieval or the streams of built-in pictures, all count from 0.
    pub id: usize,
    /// Index into [`Dataset::classes`].
    pub label: usize,
    /// The bytes, already cut to the maximal length.
    pub documents: Vec<Box<[u8]>>,
}

impl Example {
    /// Positions and token ids of one document, in the order of positions. Positions have gaps where a masked zero is.
    pub fn tokens(&self, document: usize, encoding: &Encoding) -> (Vec<u32>, Vec<u32>) {
        (0u32..)
            .zip(&self.documents[document])
            .map(|(position, &byte)| (position, u32::from(byte) + u32::from(encoding.offset)))
            .filter(|&(_, id)| !(encoding.mask_zero && id == 0))
            .unzip()
    }

    /// The number of tokens of all documents together: what an example costs, for [`groups`](crate::groups::groups).
    pub fn len(&self, encoding: &Encoding) -> usize {
        self.lengths(encoding).sum()
    }

    /// The number of tokens of every document.
    pub fn lengths(&self, encoding: &Encoding) -> impl Iterator<Item = usize> {
        let masked = encoding.mask_zero && encoding.offset == 0;
        self.documents.iter().map(move |document| match masked {
            true => document.iter().filter(|&&byte| byte != 0).count(),
            false => document.len(),
        })
    }
}

/// A named list of examples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// "train", "dev" or "test".
    pub name: &'static str,
    /// The examples, in the order of their ids.
    pub examples: Vec<Example>,
}

/// A task's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// Says what it is and where it came from; every report prints it.
    pub name: String,
    /// Made by this program, when it is loaded or before ([`MADE`]): a number measured on it is no result on the
    /// published task.
    pub builtin: bool,
    /// How bytes become token ids.
    pub encoding: Encoding,
    /// Names of the classes, by label.
    pub classes: Vec<String>,
    /// What the model learns from.
    pub train: Split,
    /// What decides about stopping and the best weights; the same as `test` under
    /// [`Protocol::Paper`](crate::Protocol::Paper) on Text.
    pub dev: Split,
    /// What the reported accuracy is measured on.
    pub test: Split,
    /// The data report, a line each: counts, cut texts, duplicates, the rule of the dev split.
    pub notes: Vec<String>,
}

impl Dataset {
    /// A set of these examples of train, dev and test.
    pub fn of(
        name: String,
        builtin: bool,
        encoding: Encoding,
        classes: Vec<String>,
        [train, dev, test]: [Vec<Example>; 3],
        notes: Vec<String>,
    ) -> Dataset {
        let split = |name, examples| Split { name, examples };
        Dataset {
            name,
            builtin,
            encoding,
            classes,
            train: split("train", train),
            dev: split("dev", dev),
            test: split("test", test),
            notes,
        }
    }
}

/// The file that `skein data make` writes beside a set, to tell it from the published one.
pub const MADE: &str = "made.toml";

/// What the set `what` at `path` is called, and whether `skein data make` has made it; `path` is the set's folder, or a file
/// or folder in it.
pub(crate) fn name(what: &str, path: &Path) -> (String, bool) {
    let made = |folder: &Path| folder.join(MADE).is_file();
    let made = made(path) || path.parent().is_some_and(made);
    let by = if made { " made by data make," } else { "" };
    (format!("{what}{by} at {}", shown::name(path)), made)
}

/// Refuses a maximal length that keeps no `unit` of a document of the set at `path`; the reference keeps `reference`.
pub(crate) fn refuse_zero_length(
    path: &Path,
    max_len: usize,
    unit: &str,
    reference: usize,
) -> Result<(), DataError> {
    if max_len > 0 {
        return Ok(());
    }
    Err(DataError::new(
        path,
        format!("no {unit} would be kept"),
        "a maximal length of at least 1",
        format!("the reference keeps {reference}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(documents: &[&[u8]]) -> Example {
        Example {
            id: 0,
            label: 0,
            documents: documents.iter().map(|d| (*d).into()).collect(),
        }
    }

    #[test]
    fn text_is_byte_plus_one_at_every_position() {
        let encoding = Encoding {
            offset: 1,
            vocabulary: 512,
            mask_zero: false,
        };
        let example = example(&[&[0, 97, 255]]);
        assert_eq!(
            example.tokens(0, &encoding),
            (vec![0, 1, 2], vec![1, 98, 256])
        );
        assert_eq!(example.len(&encoding), 3);
    }

    #[test]
    fn masked_zeros_leave_gaps_and_only_where_the_id_is_zero() {
        let pixels = Encoding {
            offset: 0,
            vocabulary: 256,
            mask_zero: true,
        };
        let example = example(&[&[0, 7, 0, 9], &[0, 0]]);
        assert_eq!(example.tokens(0, &pixels), (vec![1, 3], vec![7, 9]));
        assert_eq!(example.tokens(1, &pixels), (vec![], vec![]));
        assert_eq!(example.len(&pixels), 2);
        assert!(example.lengths(&pixels).eq([2, 0]));
        let shifted = Encoding {
            offset: 1,
            ..pixels
        };
        assert_eq!(example.tokens(1, &shifted), (vec![0, 1], vec![1, 1]));
        assert_eq!(example.len(&shifted), 6);
    }
}
