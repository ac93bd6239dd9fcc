//! Sketching: a random S (n, d) with E[S Sᵀ] = I, put into a product in the place of I
//! (docs/paper.md 1.2).
//!
//! [`Family`] says which law S has, as a value; [`Family::draw`] draws one; what comes back is a
//! [`Sketch`], constant from then on, that is applied to matrices from either side. Where S has
//! structure, no n x d matrix is ever made. Nothing here differentiates through a draw: for that
//! see [`crate::sample`].
//!
//! Reading order:
//!
//! 1. this page: the trait and the list of families;
//! 2. [`apply`]: the four products as operators on variables, two adjoint pairs;
//! 3. [`product`]: B S Sᵀ V in the place of B V, and Proposition 1;
//! 4. the families: [`gaussian`], [`rademacher`] (also very sparse), [`count_sketch`], [`srht`]
//!    with its transform [`hadamard`], [`sampling`] (uniform and by importance);
//! 5. underneath: [`entries`], an S of which only the entries that are not 0 are held.
//!
//! ```
//! use engine::{Draws, Seed, Tape, Tensor};
//! use ops::sketch::{Family, sketched_product};
//!
//! let draws = Draws::live(Seed(7).stream("sketch"));
//! let s = Family::Srht.draw::<f64>(100, 16, &draws, "example"); // (100, 16)
//! let tape = Tape::new();
//! let b = tape.leaf("b", Tensor::filled(3, 100, 0.01));
//! let v = tape.leaf("v", Tensor::filled(100, 2, 1.0));
//! let y = sketched_product(&b, &v, &s); // about b v, which is 1 everywhere
//! assert_eq!(y.shape(), (3, 2));
//! assert_eq!(tape.backward(&y.sum()).of(&v).shape(), (100, 2));
//! ```

pub mod apply;
pub mod count_sketch;
pub mod entries;
pub mod gaussian;
pub mod hadamard;
#[cfg(test)]
mod laws;
pub mod product;
pub mod rademacher;
pub mod sampling;
pub mod srht;

use engine::check::Case;
use engine::{Draws, MatMut, MatRef, Real};
use std::fmt;
use std::sync::Arc;

pub use apply::{lift_cols, lift_rows, sketch_cols, sketch_rows};
pub use product::sketched_product;
pub use sampling::Scheme;

/// A drawn S of shape (n, d), as its products with a matrix from either side.
///
/// Sᵀ X and S Y are adjoint, <Sᵀ X, Y> = <X, S Y>, and so are X S and Y Sᵀ: each is the backward of
/// the other. Outputs may be stale; every element is written. Views must have adjacent columns (a
/// block of columns, but no transpose); shapes that do not fit panic.
pub trait Sketch<T: Real>: Send + Sync {
    /// (n, d)
    fn shape(&self) -> (usize, usize);
    /// out = Sᵀ X: x (n, c), out (d, c).
    fn st_x(&self, x: MatRef<'_, T>, out: MatMut<'_, T>);
    /// out = S Y: y (d, c), out (n, c).
    fn s_y(&self, y: MatRef<'_, T>, out: MatMut<'_, T>);
    /// out = X S: x (r, n), out (r, d).
    fn x_s(&self, x: MatRef<'_, T>, out: MatMut<'_, T>);
    /// out = Y Sᵀ: y (r, d), out (r, n).
    fn y_st(&self, y: MatRef<'_, T>, out: MatMut<'_, T>);
}

/// The law of S.
#[derive(Clone, Debug, PartialEq)]
pub enum Family {
    /// Independent N(0, 1/d) entries. S is held; see [`gaussian`].
    Gaussian,
    /// Independent entries 0 with probability 1 - 1/`sparsity`, else +-sqrt(`sparsity` / d). 1 is
    /// Rademacher, 3 Achlioptas 2003, sqrt(n) very sparse (Li 2006). See [`rademacher`].
    Rademacher {
        /// s >= 1: one entry in s is not 0.
        sparsity: f64,
    },
    /// In every row of S `per_row` entries +-1/sqrt(`per_row`) at random columns, one in each of as
    /// many blocks of columns: 1 is CountSketch, more is OSNAP. See [`count_sketch`].
    CountSketch {
        /// 1 ..= d.
        per_row: usize,
    },
    /// The subsampled randomised Hadamard transform; d is at most the next power of two. See
    /// [`srht`].
    Srht,
    /// Every column of S is sqrt(n/d) at one row, all rows equally likely. See [`sampling`].
    Uniform {
        /// Draw rows with replacement; without, d is at most n.
        replacement: bool,
    },
    /// The same with rows drawn by their weight. See [`sampling`].
    Importance {
        /// n numbers, proportional to the probabilities p.
        weights: Arc<[f64]>,
        /// How often a row may be drawn, and what it then weighs.
        scheme: Scheme,
    },
}

impl Family {
    /// Very sparse signs as Li, Hastie and Church 2006 recommend them: one entry in sqrt(n).
    pub fn very_sparse(n: usize) -> Family {
        Family::Rademacher {
            sparsity: (n as f64).sqrt(),
        }
    }

    /// Whether the family has an S of shape (n, d).
    pub fn has_shape(&self, n: usize, d: usize) -> bool {
        let (n_fits, d_fits) = match self {
            Family::Gaussian | Family::Rademacher { .. } => (true, true),
            Family::CountSketch { per_row } => (true, *per_row <= d),
            Family::Srht => (true, d <= n.next_power_of_two()),
            Family::Uniform { replacement } => (true, *replacement || d <= n),
            Family::Importance { weights, scheme } => {
                (weights.len() == n, *scheme == Scheme::Replacement || d <= n)
            }
        };
        n > 0 && d > 0 && n_fits && d_fits
    }

    /// An S of shape (n, d); its draws are called `name`, or `name.something` where there are two.
    ///
    /// # Panics
    /// If the family has no such S ([`Family::has_shape`]), if its own settings are out of range
    /// (see the variants), or if `draws` replays what was recorded for another shape.
    #[track_caller]
    pub fn draw<T: Real>(
        &self,
        n: usize,
        d: usize,
        draws: &Draws,
        name: &str,
    ) -> Arc<dyn Sketch<T>> {
        assert!(
            self.has_shape(n, d),
            "sketch {name}: no S of {n} x {d} is {self}"
        );
        match self {
            Family::Gaussian => gaussian::draw(n, d, draws, name),
            Family::Rademacher { sparsity } => rademacher::draw(n, d, *sparsity, draws, name),
            Family::CountSketch { per_row } => count_sketch::draw(n, d, *per_row, draws, name),
            Family::Srht => srht::draw(n, d, draws, name),
            Family::Uniform { replacement } => sampling::uniform(n, d, *replacement, draws, name),
            Family::Importance { weights, scheme } => {
                sampling::importance(weights, d, *scheme, draws, name)
            }
        }
    }
}

/// As in its definition, without the n weights.
impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Family::Importance { weights, scheme } => {
                write!(f, "Importance by {} weights, {scheme:?}", weights.len())
            }
            other => write!(f, "{other:?}"),
        }
    }
}

/// What was drawn has the length the shape asks for (else it was replayed from another one).
#[track_caller]
fn assert_count(name: &str, got: usize, want: usize) {
    assert!(
        got == want,
        "draw {name}: {got} numbers where the shape asks for {want}"
    );
}

/// Every family, for S of n rows: for gradient checks and laws.
fn families(n: usize) -> Vec<Family> {
    let weights: Arc<[f64]> = (0..n).map(|i| 1.0 + (i % 5) as f64).collect();
    let importance = |scheme| Family::Importance {
        weights: Arc::clone(&weights),
        scheme,
    };
    vec![
        Family::Gaussian,
        Family::Rademacher { sparsity: 1.0 },
        Family::Rademacher { sparsity: 3.0 },
        Family::very_sparse(n),
        Family::CountSketch { per_row: 1 },
        Family::CountSketch { per_row: 2 },
        Family::Srht,
        Family::Uniform { replacement: true },
        Family::Uniform { replacement: false },
        importance(Scheme::Replacement),
        importance(Scheme::Distinct),
        importance(Scheme::DistinctBiased),
    ]
}

/// The gradient checks of this folder.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(apply::cases());
    cases.extend(product::cases());
    cases
}
