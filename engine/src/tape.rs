//! The tape: reverse-mode automatic differentiation.
//!
//! While a computation runs, every operator calls [`Tape::record`] with its value, its parents and
//! a closure, the *pullback*, that turns the cotangent of the value into the cotangents of the
//! parents. [`Tape::backward`] calls the pullbacks in reverse order. That is the whole method:
//!
//! * a node is a closure: what is saved for backward is what the closure captures, and nothing else
//!   is kept;
//! * the first cotangent to arrive at a node is moved in, later ones are added;
//! * a tape runs backward once, and frees each node's memory on the way.
//!
//! What has no gradient (indices, labels, random draws) is not a parent. One tape holds one
//! example: no batch axis, no padding, no sharing between threads.

use std::cell::{Cell, RefCell};
use std::panic::Location;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::arithmetic::Var;
use crate::gradients::Gradients;
use crate::keep::Notes;
use crate::real::Real;
use crate::tensor::Tensor;
use crate::trace::{Record, Trace};

type Pullback<T> = Box<dyn FnOnce(Tensor<T>) -> Vec<Tensor<T>>>;

/// A record of operators, to be run backward once.
pub struct Tape<T: Real> {
    /// No other tape of the process has it.
    serial: u64,
    /// If not, pullbacks are dropped as they come.
    runs_backward: bool,
    ran_backward: Cell<bool>,
    /// One a node, in the order they were recorded.
    links: RefCell<Vec<Link<T>>>,
    trace: Trace,
    pub(crate) notes: Notes<T>,
}

struct Link<T: Real> {
    name: &'static str,
    location: &'static Location<'static>,
    shape: (usize, usize),
    parents: Vec<usize>,
    /// None of a leaf.
    pullback: Option<Pullback<T>>,
}

/// A place on a tape: how [`Tape::record`] is told its parents.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    /// Of its tape.
    pub(crate) serial: u64,
    pub(crate) id: usize,
}

impl<T: Real> Default for Tape<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Real> Tape<T> {
    pub(crate) fn with(runs_backward: bool, trace: Trace) -> Self {
        static TAPES: AtomicU64 = AtomicU64::new(0);
        Tape {
            serial: TAPES.fetch_add(1, Ordering::Relaxed),
            runs_backward,
            ran_backward: Cell::new(false),
            links: RefCell::new(Vec::new()),
            trace,
            notes: Notes::none(),
        }
    }

    /// An empty tape.
    pub fn new() -> Self {
        Self::with(true, Trace::none())
    }

    /// An empty tape that keeps no pullbacks: for evaluation.
    pub fn forward_only() -> Self {
        Self::with(false, Trace::none())
    }

    /// An empty tape that keeps [`Record`]s of what its nodes take. It panics where there is no clock (wasm32).
    pub fn timed() -> Self {
        Self::with(true, Trace::new(true, false))
    }

    /// As [`Tape::timed`], with norms and saved bytes (a pass over every value and cotangent).
    pub fn traced() -> Self {
        Self::with(true, Trace::new(true, true))
    }

    /// A variable that is not computed: an input or a parameter.
    #[track_caller]
    pub fn leaf(&self, name: &'static str, value: Tensor<T>) -> Var<'_, T> {
        self.push(name, Vec::new(), value, None)
    }

    /// A computed variable.
    ///
    /// `pullback` takes the cotangent of `value` (same shape) and returns one cotangent a parent, of the parent's
    /// shape, or shorter by rows of zeros at its end. List a variable twice if it is used twice: each place is one term
    /// of its gradient.
    ///
    /// # Panics
    /// If a parent stands on another tape.
    #[track_caller]
    pub fn record<const N: usize>(
        &self,
        name: &'static str,
        parents: [Node; N],
        value: Tensor<T>,
        pullback: impl FnOnce(Tensor<T>) -> [Tensor<T>; N] + 'static,
    ) -> Var<'_, T> {
        let own = parents.iter().all(|parent| parent.serial == self.serial);
        assert!(own, "this variable stands on another tape");
        let parents = parents.iter().map(|parent| parent.id).collect();
        let pullback = move |dy| pullback(dy).into();
        self.push(name, parents, value, Some(Box::new(pullback)))
    }

    #[track_caller]
    fn push(
        &self,
        name: &'static str,
        parents: Vec<usize>,
        value: Tensor<T>,
        pullback: Option<Pullback<T>>,
    ) -> Var<'_, T> {
        let location = Location::caller();
        self.trace.forward(name, &parents, &value, location);
        self.notes.forward(&value);
        let mut links = self.links.borrow_mut();
        let id = links.len();
        links.push(Link {
            name,
            location,
            shape: value.shape(),
            parents,
            pullback: pullback.filter(|_| self.runs_backward),
        });
        let (tape, serial) = (self, self.serial);
        let node = Node { serial, id };
        Var { tape, node, value }
    }

    /// Notes that the node to be recorded next keeps `tensor` for its pullback, and returns a
    /// handle to move into it.
    pub fn save(&self, tensor: &Tensor<T>) -> Tensor<T> {
        self.trace.save(tensor);
        tensor.clone()
    }

    /// The gradient of a `1 x 1` variable with respect to every leaf.
    ///
    /// # Panics
    /// If `loss` is not `1 x 1`, or as [`Tape::backward_from`] does.
    #[track_caller]
    pub fn backward(&self, loss: &Var<'_, T>) -> Gradients<T> {
        let (rows, cols) = loss.shape();
        assert!(
            (rows, cols) == (1, 1),
            "backward: starts from a 1 x 1 loss, not from {rows} x {cols} (backward_from takes a cotangent of any shape)"
        );
        self.backward_from(loss, Tensor::scalar(T::ONE))
    }

    /// The gradient of sum(output * cotangent) with respect to every leaf.
    ///
    /// # Panics
    /// If the shapes differ, `output` stands on another tape, this tape is [`Tape::forward_only`] or has run backward
    /// before (its nodes are gone then), or a pullback returns a cotangent that does not fit its parent.
    #[track_caller]
    pub fn backward_from(&self, output: &Var<'_, T>, cotangent: Tensor<T>) -> Gradients<T> {
        self.check_start(output, &cotangent);
        let links = &mut *self.links.borrow_mut();
        let keeps = self.notes.keeps();
        let is_kept = |link: &Link<T>| keeps || link.pullback.is_none();
        let kept = links.iter().map(is_kept).collect();
        let mut of_node: Vec<Option<Tensor<T>>> = vec![None; links.len()];
        of_node[output.node.id] = Some(cotangent);
        for id in (0..=output.node.id).rev() {
            let _watch = self.trace.backward(id, of_node[id].as_ref());
            self.notes.backward(id);
            // Moved out, so that what it captured is freed when it returns.
            let Some(pullback) = links[id].pullback.take() else {
                continue; // a leaf
            };
            let Some(dy) = self.notes.spent(&mut of_node[id]) else {
                continue; // nothing of it reached the output
            };
            let gradients = pullback(dy.of_height(links[id].shape.0));
            for (&parent, gradient) in links[id].parents.iter().zip(gradients) {
                links[id].check(&links[parent], gradient.shape());
                of_node[parent] = Some(match of_node[parent].take() {
                    None => gradient,
                    Some(sum) => sum.add_rows(gradient),
                });
            }
        }
        Gradients {
            serial: self.serial,
            of_node,
            kept,
        }
    }

    /// Stops where backward cannot start.
    #[track_caller]
    fn check_start(&self, output: &Var<'_, T>, cotangent: &Tensor<T>) {
        assert!(
            output.node.serial == self.serial,
            "backward: this variable stands on another tape"
        );
        assert_eq!(
            output.shape(),
            cotangent.shape(),
            "backward: shapes of {} and its cotangent",
            self.name(output)
        );
        assert!(
            self.runs_backward,
            "backward: a forward_only tape keeps no pullbacks; use Tape::new()"
        );
        assert!(
            !self.ran_backward.replace(true),
            "backward: this tape has run backward already and is empty; record a new one"
        );
    }

    pub(crate) fn name(&self, x: &Var<'_, T>) -> &'static str {
        self.links.borrow()[x.node.id].name
    }

    /// A record of every node, in the order in which they were recorded, before backward or after it.
    ///
    /// # Panics
    /// If it is neither [`Tape::timed`] nor [`Tape::traced`] nor [`Tape::keeping`].
    #[track_caller]
    pub fn records(&self) -> Vec<Record> {
        let records = self.trace.records();
        records.expect(
            "a plain tape keeps no records; use Tape::timed(), Tape::traced() or Tape::keeping()",
        )
    }
}

impl<T: Real> Link<T> {
    /// Stops where what the pullback returned cannot be a cotangent of `parent`.
    fn check(&self, parent: &Link<T>, got: (usize, usize)) {
        let ((rows, cols), wanted) = (got, parent.shape);
        assert!(
            cols == wanted.1 && rows <= wanted.0,
            "backward: the pullback of {} ({}) returned {got:?} for {}, which is {wanted:?}",
            self.name,
            self.location,
            parent.name
        );
    }
}
