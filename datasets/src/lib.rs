//! The data of the experiments: bytes with labels, their split, and the order in which they are visited.
//!
//! This crate knows bytes and seeds, never tensors; of `engine` it uses the named streams of randomness only. Called by
//! `experiments`. Whatever comes from outside (paths, files) can only fail as a [`DataError`], which names the path,
//! what was expected there, and what to do; [`shown`] quotes from files in it. `file` opens files, lists folders and
//! writes files whole; [`lines`] are read by one set of rules, and so are the members of an [`archive`].
//!
//! Reading order:
//! 1. [`dataset`](crate::Dataset): the types every task fills, an example as bytes, and how bytes become tokens;
//! 2. `protocol`: which examples are for training, development and testing;
//! 3. [`TASKS`]: the tasks, what each is and can do, an entry each in the modules that follow;
//! 4. [`text`]: the Text task, from a folder of reviews, or built in (`text/reviews.rs`, its grammar in
//!    `text/reviews.grammar`, the expansion of grammars in `text/grammar.rs`);
//! 5. [`listops`]: the ListOps task, from the benchmark's TSV files (`listops/tsv.rs`), or grown
//!    (`listops/generator.rs`), each checked by the other's means (`listops/evaluator.rs`);
//! 6. [`retrieval`]: the Retrieval task, pairs of papers from the benchmark's TSV files (`retrieval/row.rs`), or made
//!    up (`retrieval/papers.rs`);
//! 7. [`image`]: the Image task, CIFAR-10 in grey, or drawings (`image/drawings.rs`);
//! 8. [`pathfinder`]: the Pathfinder task, from the benchmark's folder (`pathfinder/folder.rs`), or drawn by its
//!    process (`pathfinder/generator.rs`, the dashes in `pathfinder/paddle.rs`); `picture` reads the files of single
//!    pictures;
//! 9. [`loader`]: the order of the training examples, a pure function of (seed, epoch, position);
//! 10. [`groups`](mod@groups): the fixed groups in which a batch is spread over threads;
//! 11. [`baseline`]: what can be had from token frequencies alone, to be printed beside a model's accuracy;
//! 12. [`verify`]: what is in files on disk, and whether it is what was published.

pub mod archive;
pub mod baseline;
mod dataset;
mod error;
mod file;
pub mod groups;
pub mod image;
pub mod lines;
pub mod listops;
pub mod loader;
pub mod pathfinder;
mod picture;
mod protocol;
pub mod retrieval;
pub mod shown;
mod task;
pub mod text;
pub mod verify;

pub use dataset::{Black, Dataset, Encoding, Example, MADE, Split};
pub use error::DataError;
pub use protocol::Protocol;
pub use task::{Documents, Few, Files, Input, Made, Making, Size, Task, Wish};

/// All tasks, in the order of the paper's tables.
pub static TASKS: [&Task; 5] = [
    &text::TASK,
    &listops::TASK,
    &retrieval::TASK,
    &pathfinder::TASK,
    &image::TASK,
];
