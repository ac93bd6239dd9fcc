//! The tests of ops but those of memory, as one program (see Cargo.toml).

mod bigbird_performer_reformer_informer;
mod dense;
mod dense_projected;
mod elementary;
mod spread;
mod suite;
