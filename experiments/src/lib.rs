//! experiments.
