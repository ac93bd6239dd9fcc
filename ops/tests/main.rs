//! The tests of ops but those of memory, as one program (see Cargo.toml).

mod dense;
mod dense_citing_blocks;
mod dense_features;
mod dense_projected;
mod dense_random;
mod dense_sparse;
mod elementary;
mod far_from_zero;
mod plain;
mod spread;
mod suite;
