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

use std::cell::RefCell;
use std::collections::HashSet;
use std::panic::Location;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::buffer::allocated_bytes;
use crate::gemm::multiply_adds;
use crate::real::Real;
use crate::tensor::Tensor;

type Pullback<T> = Box<dyn FnOnce(Tensor<T>) -> Vec<Tensor<T>>>;

/// A record of operators, to be run backward once.
pub struct Tape<T: Real> {
    /// No other tape of the process has it.
    serial: u64,
    mode: Mode,
    nodes: RefCell<Nodes<T>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    /// Values only: pullbacks are dropped as they come.
    Forward,
    Gradient,
    /// As `Gradient`, and every node notes its norms and the bytes it saves.
    Traced,
}

struct Nodes<T: Real> {
    /// One entry a node, emptied by `backward`.
    links: Vec<Link<T>>,
    /// The tape's record of itself, which survives `backward`.
    records: Vec<Record>,
    /// Addresses of the buffers that some node of a traced tape has saved.
    saved: HashSet<usize>,
    unclaimed_bytes: usize,
    /// When the newest node was recorded.
    last: Meter,
    ran_backward: bool,
}

/// What this thread has spent until some moment.
#[derive(Clone, Copy)]
struct Meter {
    time: Instant,
    multiply_adds: u64,
    bytes: u64,
}

impl Meter {
    fn now() -> Meter {
        Meter {
            time: Instant::now(),
            multiply_adds: multiply_adds(),
            bytes: allocated_bytes(),
        }
    }
}

struct Link<T: Real> {
    parents: Vec<usize>,
    pullback: Option<Pullback<T>>,
}

/// What a tape tells about one of its nodes.
#[derive(Clone, Debug)]
pub struct Record {
    /// The operator.
    pub name: &'static str,
    /// Shape of the value.
    pub shape: (usize, usize),
    /// The nodes it was computed from, as indices into [`Tape::records`].
    pub parents: Vec<usize>,
    /// Where the operator, and so its gradient, is written.
    pub location: &'static Location<'static>,
    /// Time since the node before it was recorded.
    pub forward: Duration,
    /// Time of its pullback and of adding up what it returned.
    pub backward: Duration,
    /// Multiply-adds of matrix products since the node before it was recorded.
    pub forward_multiply_adds: u64,
    /// Multiply-adds of matrix products in its pullback.
    pub backward_multiply_adds: u64,
    /// Bytes of tensors that both asked for, whether fresh or from the free list.
    pub allocated_bytes: u64,
    /// Bytes of tensors kept for backward, those that an earlier node keeps already not counted.
    /// Traced tapes only.
    pub saved_bytes: usize,
    /// Euclidean norm of the value. Traced tapes only.
    pub value_norm: Option<f64>,
    /// Euclidean norm of the cotangent, once backward has passed. Traced tapes only.
    pub gradient_norm: Option<f64>,
}

/// A place on a tape: what [`Tape::record`] wants to know of a parent.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    /// The tape's serial number.
    tape: u64,
    id: usize,
}

/// A value on a tape.
#[derive(Clone)]
pub struct Var<'t, T: Real> {
    tape: &'t Tape<T>,
    id: usize,
    value: Tensor<T>,
}

/// The cotangents of the leaves, as [`Tape::backward`] returns them.
pub struct Gradients<T: Real> {
    /// The tape's serial number.
    tape: u64,
    of_node: Vec<Option<Tensor<T>>>,
    is_leaf: Vec<bool>,
}

impl<T: Real> Default for Tape<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Real> Tape<T> {
    fn with(mode: Mode) -> Self {
        static TAPES: AtomicU64 = AtomicU64::new(0);
        Tape {
            serial: TAPES.fetch_add(1, Ordering::Relaxed),
            mode,
            nodes: RefCell::new(Nodes {
                links: Vec::new(),
                records: Vec::new(),
                saved: HashSet::new(),
                unclaimed_bytes: 0,
                last: Meter::now(),
                ran_backward: false,
            }),
        }
    }

    /// An empty tape.
    pub fn new() -> Self {
        Self::with(Mode::Gradient)
    }

    /// An empty tape whose records also hold norms and saved bytes (a pass over every value and
    /// cotangent).
    pub fn traced() -> Self {
        Self::with(Mode::Traced)
    }

    /// An empty tape that keeps no pullbacks: for evaluation.
    pub fn forward_only() -> Self {
        Self::with(Mode::Forward)
    }

    /// A variable that is not computed: an input or a parameter.
    #[track_caller]
    pub fn leaf(&self, name: &'static str, value: Tensor<T>) -> Var<'_, T> {
        self.push(name, Vec::new(), value, None)
    }

    /// A computed variable.
    ///
    /// `pullback` takes the cotangent of `value` (same shape) and returns one cotangent a parent, of
    /// the parent's shape; rows at its end may be left out where they are zero, as those of a table
    /// that was not read so far. Each occurrence of a variable among the parents is one term of its gradient, so a
    /// variable that is used twice just stands there twice.
    #[track_caller]
    pub fn record<const N: usize>(
        &self,
        name: &'static str,
        parents: [Node; N],
        value: Tensor<T>,
        pullback: impl FnOnce(Tensor<T>) -> [Tensor<T>; N] + 'static,
    ) -> Var<'_, T> {
        self.push(
            name,
            parents.iter().map(|parent| self.own(*parent)).collect(),
            value,
            Some(Box::new(move |dy| pullback(dy).into())),
        )
    }

    #[track_caller]
    fn push(
        &self,
        name: &'static str,
        parents: Vec<usize>,
        value: Tensor<T>,
        pullback: Option<Pullback<T>>,
    ) -> Var<'_, T> {
        let mut nodes = self.nodes.borrow_mut();
        let (now, then) = (Meter::now(), nodes.last);
        let saved_bytes = std::mem::take(&mut nodes.unclaimed_bytes);
        nodes.records.push(Record {
            name,
            shape: value.shape(),
            parents: parents.clone(),
            location: Location::caller(),
            forward: now.time - then.time,
            backward: Duration::ZERO,
            forward_multiply_adds: now.multiply_adds - then.multiply_adds,
            backward_multiply_adds: 0,
            allocated_bytes: now.bytes - then.bytes,
            saved_bytes,
            value_norm: (self.mode == Mode::Traced).then(|| value.norm()),
            gradient_norm: None,
        });
        let id = nodes.links.len();
        nodes.links.push(Link {
            parents,
            pullback: pullback.filter(|_| self.mode != Mode::Forward),
        });
        // The norms of a traced tape are not the next node's time.
        nodes.last = match self.mode {
            Mode::Traced => Meter::now(),
            _ => now,
        };
        Var {
            tape: self,
            id,
            value,
        }
    }

    /// The index of a node of this tape.
    #[track_caller]
    fn own(&self, node: Node) -> usize {
        assert!(
            node.tape == self.serial,
            "this variable stands on another tape"
        );
        node.id
    }

    /// Notes that the node to be recorded next keeps `tensor` for its pullback, and returns a
    /// handle to move into it.
    pub fn save(&self, tensor: &Tensor<T>) -> Tensor<T> {
        if self.mode == Mode::Traced {
            let mut nodes = self.nodes.borrow_mut();
            if nodes.saved.insert(tensor.address()) {
                nodes.unclaimed_bytes += tensor.bytes();
            }
        }
        tensor.clone()
    }

    /// The gradient of a `1 x 1` variable with respect to every leaf.
    ///
    /// # Panics
    /// If `loss` is not `1 x 1`, or this tape has run backward before: its nodes are gone then.
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
    /// If the shapes differ, `output` stands on another tape, or this tape has run backward before.
    #[track_caller]
    pub fn backward_from(&self, output: &Var<'_, T>, cotangent: Tensor<T>) -> Gradients<T> {
        assert!(
            std::ptr::eq(self, output.tape),
            "backward: this variable stands on another tape"
        );
        assert_eq!(
            output.shape(),
            cotangent.shape(),
            "backward: shapes of {} and its cotangent",
            output.name()
        );
        assert!(
            self.mode != Mode::Forward,
            "backward: a forward_only tape keeps no pullbacks; use Tape::new()"
        );
        {
            let mut nodes = self.nodes.borrow_mut();
            assert!(
                !nodes.ran_backward,
                "backward: this tape has run backward already and is empty; record a new one"
            );
            nodes.ran_backward = true;
        }
        let is_leaf = |link: &Link<T>| link.pullback.is_none();
        let is_leaf: Vec<bool> = self.nodes.borrow().links.iter().map(is_leaf).collect();
        let mut of_node: Vec<Option<Tensor<T>>> = vec![None; is_leaf.len()];
        of_node[output.id] = Some(cotangent);
        for id in (0..=output.id).rev() {
            // Taken out before the call, so that what it captured is freed when it returns.
            let (parents, pullback) = {
                let link = &mut self.nodes.borrow_mut().links[id];
                (std::mem::take(&mut link.parents), link.pullback.take())
            };
            if self.mode == Mode::Traced {
                self.nodes.borrow_mut().records[id].gradient_norm =
                    of_node[id].as_ref().map(Tensor::norm);
            }
            let Some(pullback) = pullback else { continue }; // a leaf
            let Some(dy) = of_node[id].take() else {
                continue;
            }; // nothing of it reached the output
            let start = Meter::now();
            let dy = self.of_full_height(id, dy);
            for (parent, gradient) in parents.into_iter().zip(pullback(dy)) {
                self.check_gradient(id, parent, &gradient);
                of_node[parent] = Some(match of_node[parent].take() {
                    None => gradient,
                    Some(sum) => sum.add_rows(gradient),
                });
            }
            let record = &mut self.nodes.borrow_mut().records[id];
            let end = Meter::now();
            record.backward = end.time - start.time;
            record.backward_multiply_adds = end.multiply_adds - start.multiply_adds;
            record.allocated_bytes += end.bytes - start.bytes;
        }
        Gradients {
            tape: self.serial,
            of_node,
            is_leaf,
        }
    }

    /// A cotangent of a node with the zero rows that were left out at its end.
    fn of_full_height(&self, id: usize, gradient: Tensor<T>) -> Tensor<T> {
        let (rows, cols) = self.nodes.borrow().records[id].shape;
        if gradient.rows() < rows {
            Tensor::zeros(rows, cols).add_rows(gradient)
        } else {
            gradient
        }
    }

    /// That the pullback of node `id` returned something that can be a cotangent of `parent`.
    fn check_gradient(&self, id: usize, parent: usize, gradient: &Tensor<T>) {
        let records = &self.nodes.borrow().records;
        let ((rows, cols), parent) = (records[parent].shape, records[parent].name);
        assert!(
            gradient.cols() == cols && gradient.rows() <= rows,
            "backward: the pullback of {} ({}) returned {:?} for {parent}, which is ({rows}, {cols})",
            records[id].name,
            records[id].location,
            gradient.shape()
        );
    }

    /// What the tape tells about its nodes, in the order they were recorded.
    pub fn records(&self) -> Vec<Record> {
        self.nodes.borrow().records.clone()
    }
}

impl<'t, T: Real> Var<'t, T> {
    /// The tape it stands on.
    pub fn tape(&self) -> &'t Tape<T> {
        self.tape
    }

    /// Its place on the tape.
    pub fn node(&self) -> Node {
        Node {
            tape: self.tape.serial,
            id: self.id,
        }
    }

    /// Its value.
    pub fn value(&self) -> &Tensor<T> {
        &self.value
    }

    /// Its value, given up: operators that work in place take a variable by value and reuse its
    /// memory through this when nobody else holds it.
    pub fn into_value(self) -> Tensor<T> {
        self.value
    }

    /// Its value, noted as saved for backward; see [`Tape::save`].
    pub fn save(&self) -> Tensor<T> {
        self.tape.save(&self.value)
    }

    /// (rows, cols)
    pub fn shape(&self) -> (usize, usize) {
        self.value.shape()
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.value.rows()
    }

    /// The number of columns.
    pub fn cols(&self) -> usize {
        self.value.cols()
    }

    /// The only element of a `1 x 1` variable.
    #[track_caller]
    pub fn item(&self) -> T {
        self.value.item()
    }

    fn name(&self) -> &'static str {
        self.tape.nodes.borrow().records[self.id].name
    }
}

impl<T: Real> Gradients<T> {
    /// The gradient with respect to a leaf, taken out; `None` if the output does not depend on it
    /// (or it was taken before).
    ///
    /// # Panics
    /// If it is no leaf of the tape that ran backward: the cotangents of computed variables are not
    /// kept.
    #[track_caller]
    pub fn take(&mut self, leaf: &Var<'_, T>) -> Option<Tensor<T>> {
        let id = self.leaf(leaf);
        self.of_node[id].take()
    }

    #[track_caller]
    fn leaf(&self, leaf: &Var<'_, T>) -> usize {
        assert!(
            leaf.tape.serial == self.tape && self.is_leaf.get(leaf.id) == Some(&true),
            "gradients are those of the leaves of the tape that ran backward, and {} is none",
            leaf.name()
        );
        leaf.id
    }

    /// The gradient with respect to a leaf; zeros if the output does not depend on it.
    ///
    /// # Panics
    /// As [`Gradients::take`].
    #[track_caller]
    pub fn of(&self, leaf: &Var<'_, T>) -> Tensor<T> {
        let id = self.leaf(leaf);
        let gradient = self.of_node[id].clone();
        let gradient = gradient.unwrap_or_else(|| Tensor::zeros(0, leaf.cols()));
        leaf.tape.of_full_height(id, gradient)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn double<'t>(x: &Var<'t, f64>) -> Var<'t, f64> {
        let value = Tensor::from_fn(x.rows(), x.cols(), |i, j| 2.0 * x.value().row(i)[j]);
        x.tape().record("double", [x.node()], value, |dy| {
            [Tensor::from_fn(dy.rows(), dy.cols(), |i, j| {
                2.0 * dy.row(i)[j]
            })]
        })
    }

    #[test]
    fn cotangents_of_a_variable_used_twice_are_added() {
        let tape = Tape::new();
        let x = tape.leaf("x", Tensor::scalar(3.0));
        let y = double(&x);
        let z = tape.record(
            "both",
            [x.node(), y.node()],
            Tensor::scalar(x.item() * y.item()),
            {
                let (x, y) = (x.item(), y.item());
                move |dz| [Tensor::scalar(dz.item() * y), Tensor::scalar(dz.item() * x)]
            },
        );
        assert_eq!(z.item(), 18.0);
        assert_eq!(tape.backward(&z).of(&x).item(), 12.0);
    }

    #[test]
    fn what_the_output_does_not_depend_on_has_gradient_zero() {
        let tape = Tape::new();
        let x = tape.leaf("x", Tensor::scalar(3.0));
        let unused = tape.leaf("unused", Tensor::<f64>::zeros(2, 2));
        let y = double(&x);
        let mut gradients = tape.backward(&y);
        assert_eq!(gradients.of(&unused).data(), [0.0; 4]);
        assert!(gradients.take(&unused).is_none());
        assert_eq!(gradients.take(&x).map(|g| g.item()), Some(2.0));
    }

    #[test]
    #[should_panic(expected = "and double is none")]
    fn a_computed_variable_has_no_gradient_to_ask_for() {
        let tape = Tape::new();
        let y = double(&tape.leaf("x", Tensor::scalar(1.0)));
        tape.backward(&y).of(&y);
    }

    /// A sum of the first row alone, as a table's gradient may end early.
    fn sum_of_first_row<'t>(x: &Var<'t, f64>) -> Var<'t, f64> {
        let (cols, sum) = (x.cols(), x.value().row(0).iter().sum());
        x.tape()
            .record("first", [x.node()], Tensor::scalar(sum), move |dy| {
                [Tensor::filled(1, cols, dy.item())]
            })
    }

    #[test]
    fn a_gradient_that_ends_early_reaches_a_pullback_whole() {
        let tape = Tape::new();
        let x = tape.leaf("x", Tensor::from_fn(3, 2, |i, j| (2 * i + j) as f64));
        // Its pullback returns as many rows as it is given.
        let y = sum_of_first_row(&double(&x));
        let mut gradients = tape.backward(&y);
        assert_eq!(gradients.of(&x).data(), [2.0, 2.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(gradients.take(&x).map(|g| g.rows()), Some(3));
    }

    #[test]
    #[should_panic(expected = "returned (2, 1) for x, which is (1, 1)")]
    fn a_pullback_that_returns_another_shape() {
        let tape = Tape::new();
        let x = tape.leaf("x", Tensor::scalar(1.0));
        let y = tape.record("wrong", [x.node()], Tensor::<f64>::scalar(1.0), |_| {
            [Tensor::zeros(2, 1)]
        });
        tape.backward(&y);
    }

    #[test]
    #[should_panic(expected = "and x is none")]
    fn gradients_are_those_of_one_tape_even_where_another_stood() {
        let mut earlier = None;
        for _ in 0..2 {
            let tape = Tape::new(); // at the same address each time
            let x = tape.leaf("x", Tensor::<f64>::scalar(1.0));
            if let Some(gradients) = earlier.replace(tape.backward(&double(&x))) {
                Gradients::of(&gradients, &x);
            }
        }
    }

    #[test]
    #[should_panic(expected = "this variable stands on another tape")]
    fn variables_of_two_tapes_do_not_mix() {
        let (one, other) = (Tape::new(), Tape::new());
        let x = one.leaf("x", Tensor::<f64>::scalar(1.0));
        let y = other.leaf("y", Tensor::scalar(1.0));
        let _ = &x + &y;
    }

    #[test]
    #[should_panic(expected = "this tape has run backward already")]
    fn a_tape_runs_backward_once() {
        let tape = Tape::new();
        let y = double(&tape.leaf("x", Tensor::scalar(1.0)));
        tape.backward(&y);
        tape.backward(&y);
    }

    #[test]
    fn the_record_survives_backward() {
        let tape = Tape::traced();
        let x = tape.leaf("x", Tensor::filled(1, 2, 3.0));
        let kept = tape.save(x.value());
        let y = tape.record("sum", [x.node()], Tensor::scalar(6.0), move |dy| {
            [Tensor::filled(1, kept.cols(), dy.item())]
        });
        tape.backward(&y);
        let records = tape.records();
        assert_eq!((records[0].name, records[1].name), ("x", "sum"));
        assert_eq!(records[1].parents, [0]);
        assert_eq!(records[1].saved_bytes, 16);
        // Its scalar value and the gradient of `x`: 1 and 2 numbers; `kept` shares the memory of x.
        assert_eq!(records[1].allocated_bytes, 8 + 16);
        assert_eq!(records[0].value_norm, Some(18f64.sqrt()));
        assert_eq!(records[0].gradient_norm, Some(2f64.sqrt()));
        assert!(records[1].location.file().ends_with("tape.rs"));
    }
}
