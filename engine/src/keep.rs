//! What a tape keeps that is to be studied: the value of every node, and parts of the inside of operators.
//!
//! An operator of several steps (attention) is one node, and what happens between its inputs and its output stands in
//! no value of the tape. It may note such a part by name, forward or backward: through [`Tape::notes`], of which a
//! pullback takes a copy with it. On a tape that does not keep, nothing is computed for it.
//!
//! ```
//! use engine::{Tape, Tensor};
//!
//! let tape = Tape::keeping();
//! let x = tape.leaf("x", Tensor::scalar(3.0));
//! let (notes, value) = (tape.notes(), x.item());
//! let y = tape.record("square", [x.node()], Tensor::scalar(value * value), move |dy| {
//!     notes.add(|| ("slope".into(), Tensor::scalar(2.0 * value)));
//!     [Tensor::scalar(2.0 * value * dy.item())]
//! });
//! let z = y.clone().scale(10.0);
//! let gradients = tape.backward(&z);
//! assert_eq!(gradients.of(&y).item(), 10.0); // also of what is computed
//! assert_eq!((tape.values()[1].item(), tape.noted()[0].value.item()), (9.0, 6.0));
//! ```

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::real::Real;
use crate::tape::Tape;
use crate::tensor::Tensor;
use crate::trace::Trace;

/// A part of the inside of an operator.
#[derive(Clone, Debug)]
pub struct Note<T: Real> {
    /// The node that was about to be recorded, or whose pullback ran: an index into [`Tape::records`].
    pub node: usize,
    /// What the operator calls it.
    pub name: String,
    /// The part.
    pub value: Tensor<T>,
}

/// Where an operator notes parts of its inside.
#[derive(Clone)]
pub struct Notes<T: Real>(Option<Rc<Kept<T>>>);

struct Kept<T: Real> {
    /// The node that is at work.
    node: Cell<usize>,
    values: RefCell<Vec<Tensor<T>>>,
    notes: RefCell<Vec<Note<T>>>,
}

impl<T: Real> Notes<T> {
    /// Of a tape that keeps nothing.
    pub(crate) fn none() -> Self {
        Notes(None)
    }

    /// Of one that keeps everything.
    pub(crate) fn new() -> Self {
        Notes(Some(Rc::new(Kept {
            node: Cell::new(0),
            values: RefCell::default(),
            notes: RefCell::default(),
        })))
    }

    /// Whether what is noted is kept.
    pub fn keeps(&self) -> bool {
        self.0.is_some()
    }

    /// The cotangent of a node whose pullback is to run: a copy where cotangents are kept.
    pub(crate) fn spent(&self, cotangent: &mut Option<Tensor<T>>) -> Option<Tensor<T>> {
        match self.keeps() {
            true => cotangent.clone(),
            false => cotangent.take(),
        }
    }

    /// Notes a name and a value, on a tape that keeps; else `part` is not called.
    pub fn add(&self, part: impl FnOnce() -> (String, Tensor<T>)) {
        let Some(kept) = &self.0 else { return };
        let (name, value) = part();
        let node = kept.node.get();
        kept.notes.borrow_mut().push(Note { node, name, value });
    }

    /// A node is recorded.
    pub(crate) fn forward(&self, value: &Tensor<T>) {
        let Some(kept) = &self.0 else { return };
        let mut values = kept.values.borrow_mut();
        values.push(value.clone());
        kept.node.set(values.len());
    }

    /// The pullback of a node begins.
    pub(crate) fn backward(&self, node: usize) {
        if let Some(kept) = &self.0 {
            kept.node.set(node);
        }
    }
}

impl<T: Real> Tape<T> {
    /// An empty tape that keeps the value and the cotangent of every node, and [`Note`]s: one to be studied. Its
    /// [`Tape::records`] are those of a traced tape, without times: it reads no clock.
    pub fn keeping() -> Self {
        let mut tape = Self::with(true, Trace::new(false, true));
        tape.notes = Notes::new();
        tape
    }

    /// Where the operator at work notes parts of its inside.
    pub fn notes(&self) -> Notes<T> {
        self.notes.clone()
    }

    #[track_caller]
    fn kept(&self) -> &Kept<T> {
        let kept = self.notes.0.as_deref();
        kept.expect("this tape keeps neither values nor notes; use Tape::keeping()")
    }

    /// The value of every node, in the order in which they were recorded.
    ///
    /// # Panics
    /// If it is not [`Tape::keeping`].
    #[track_caller]
    pub fn values(&self) -> Vec<Tensor<T>> {
        self.kept().values.borrow().clone()
    }

    /// The notes, in the order in which they were made.
    ///
    /// # Panics
    /// If it is not [`Tape::keeping`].
    #[track_caller]
    pub fn noted(&self) -> Vec<Note<T>> {
        self.kept().notes.borrow().clone()
    }
}
