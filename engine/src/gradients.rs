//! What the backward pass returns.

use crate::arithmetic::Var;
use crate::real::Real;
use crate::tensor::Tensor;

/// The cotangents of the leaves, as [`Tape::backward`](crate::Tape::backward) returns them; of all nodes, if the tape is
/// [keeping](crate::Tape::keeping).
pub struct Gradients<T: Real> {
    /// Of the tape.
    pub(crate) serial: u64,
    pub(crate) of_node: Vec<Option<Tensor<T>>>,
    /// Whose cotangents are here, or would be if the output depended on them.
    pub(crate) kept: Vec<bool>,
}

impl<T: Real> Gradients<T> {
    /// The gradient with respect to a leaf, taken out; `None` if the output does not depend on it
    /// (or it was taken before).
    ///
    /// # Panics
    /// If it is no leaf of the tape that ran backward, and that is not keeping: then only leaves keep their cotangents.
    #[track_caller]
    pub fn take(&mut self, leaf: &Var<'_, T>) -> Option<Tensor<T>> {
        let id = self.id(leaf);
        self.of_node[id].take()
    }

    /// The gradient with respect to a leaf; zeros if the output does not depend on it.
    ///
    /// # Panics
    /// As [`Gradients::take`].
    #[track_caller]
    pub fn of(&self, leaf: &Var<'_, T>) -> Tensor<T> {
        let gradient = self.of_node[self.id(leaf)].clone();
        let gradient = gradient.unwrap_or_else(|| Tensor::zeros(0, leaf.cols()));
        gradient.of_height(leaf.rows())
    }

    #[track_caller]
    fn id(&self, x: &Var<'_, T>) -> usize {
        let node = x.node();
        assert!(
            node.serial == self.serial && self.kept.get(node.id) == Some(&true),
            "gradients are those of the leaves of the tape that ran backward, and {} is none",
            x.tape().name(x)
        );
        node.id
    }

    /// The cotangents of a tape's nodes in the order of its [`records`](crate::Tape::records), `None` where nothing
    /// reached the output or only leaves keep theirs. One may be shorter than its value by rows of zeros at its end.
    pub fn all(&self) -> &[Option<Tensor<T>>] {
        &self.of_node
    }
}
