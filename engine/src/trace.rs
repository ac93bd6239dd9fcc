//! Records of a tape: for every node a [`Record`] of its time, memory and norms.
//!
//! A plain tape keeps none and reads no clock. A timed one ([`Tape::timed`](crate::Tape::timed)) notes what every
//! node took, a traced one ([`Tape::traced`](crate::Tape::traced)) also the norms of values and cotangents and the bytes
//! that are kept for backward, a keeping one ([`Tape::keeping`](crate::Tape::keeping)) all of it but times. The tape
//! calls `Trace::forward` when a node is recorded and `Trace::backward` before its pullback runs.

use std::cell::RefCell;
use std::collections::HashSet;
use std::panic::Location;
use std::time::{Duration, Instant};

use crate::buffer::allocated_bytes;
use crate::gemm::multiply_adds;
use crate::real::Real;
use crate::tensor::Tensor;

/// What one node of a tape is and took.
#[derive(Clone, Debug)]
pub struct Record {
    /// The operator.
    pub name: &'static str,
    /// Shape of the value.
    pub shape: (usize, usize),
    /// The nodes it was computed from, as indices into [`Tape::records`](crate::Tape::records); none of a leaf.
    pub parents: Vec<usize>,
    /// Where the operator, and so its gradient, is written.
    pub location: &'static Location<'static>,
    /// Time since the node before it was recorded; 0 on a keeping tape.
    pub forward: Duration,
    /// Time of its pullback and of adding up what it returned; 0 on a keeping tape.
    pub backward: Duration,
    /// Multiply-adds of matrix products since the node before it was recorded.
    pub forward_multiply_adds: u64,
    /// Multiply-adds of matrix products in its pullback.
    pub backward_multiply_adds: u64,
    /// Bytes of tensors that both asked for, whether fresh or from the free list.
    pub allocated_bytes: u64,
    /// Bytes of tensors kept for backward; those that an earlier node keeps are not counted again. Traced and keeping
    /// tapes only.
    pub saved_bytes: usize,
    /// Euclidean norm of the value. Traced and keeping tapes only.
    pub value_norm: Option<f64>,
    /// Euclidean norm of the cotangent, once backward has passed. Traced and keeping tapes only.
    pub gradient_norm: Option<f64>,
}

/// The records of a tape; none of a plain one.
pub(crate) struct Trace(Option<RefCell<Story>>);

struct Story {
    /// Whether there is a time.
    clock: bool,
    /// Whether norms and saved bytes are noted, too.
    norms: bool,
    records: Vec<Record>,
    /// Addresses of the buffers that some node has saved.
    saved: HashSet<usize>,
    /// Bytes saved for the node to be recorded next.
    unclaimed_bytes: usize,
    /// When the newest node was recorded.
    last: Meter,
}

/// What this thread has spent until some moment.
#[derive(Clone, Copy)]
struct Meter {
    time: Option<Instant>,
    multiply_adds: u64,
    bytes: u64,
}

impl Meter {
    fn now(clock: bool) -> Meter {
        Meter {
            time: clock.then(Instant::now),
            multiply_adds: multiply_adds(),
            bytes: allocated_bytes(),
        }
    }

    /// Nothing without a clock.
    fn since(&self, earlier: &Meter) -> Duration {
        let times = self.time.zip(earlier.time);
        times.map_or(Duration::ZERO, |(time, earlier)| time - earlier)
    }
}

impl Trace {
    /// Of a plain tape.
    pub(crate) fn none() -> Trace {
        Trace(None)
    }

    /// Of a tape that notes times, or norms and saved bytes, or both.
    pub(crate) fn new(clock: bool, norms: bool) -> Trace {
        Trace(Some(RefCell::new(Story {
            clock,
            norms,
            records: Vec::new(),
            saved: HashSet::new(),
            unclaimed_bytes: 0,
            last: Meter::now(clock),
        })))
    }

    /// Notes a new node.
    pub(crate) fn forward<T: Real>(
        &self,
        name: &'static str,
        parents: &[usize],
        value: &Tensor<T>,
        location: &'static Location<'static>,
    ) {
        let Some(story) = &self.0 else { return };
        let mut story = story.borrow_mut();
        let (now, then) = (Meter::now(story.clock), story.last);
        let saved_bytes = std::mem::take(&mut story.unclaimed_bytes);
        let value_norm = story.norms.then(|| value.norm());
        story.records.push(Record {
            name,
            shape: value.shape(),
            parents: parents.to_vec(),
            location,
            forward: now.since(&then),
            backward: Duration::ZERO,
            forward_multiply_adds: now.multiply_adds - then.multiply_adds,
            backward_multiply_adds: 0,
            allocated_bytes: now.bytes - then.bytes,
            saved_bytes,
            value_norm,
            gradient_norm: None,
        });
        // The norm is not the next node's time.
        story.last = if story.norms {
            Meter::now(story.clock)
        } else {
            now
        };
    }

    /// Notes the cotangent that has reached node `id`, and what passes until the watch is dropped as spent on it.
    pub(crate) fn backward<T: Real>(
        &self,
        id: usize,
        cotangent: Option<&Tensor<T>>,
    ) -> Option<Watch<'_>> {
        let (story, cotangent) = (self.0.as_ref()?, cotangent?);
        let mut now = story.borrow_mut();
        let norm = now.norms.then(|| cotangent.norm());
        let clock = now.clock;
        let record = &mut now.records[id];
        record.gradient_norm = norm;
        let start = (!record.parents.is_empty()).then(|| Meter::now(clock))?;
        Some(Watch { story, id, start })
    }

    /// Notes that the node to be recorded next keeps `tensor`.
    pub(crate) fn save<T: Real>(&self, tensor: &Tensor<T>) {
        if let Some(story) = &self.0 {
            let mut story = story.borrow_mut();
            if story.norms && story.saved.insert(tensor.address()) {
                story.unclaimed_bytes += tensor.bytes();
            }
        }
    }

    /// The records so far, if any are kept.
    pub(crate) fn records(&self) -> Option<Vec<Record>> {
        let story = self.0.as_ref()?;
        Some(story.borrow().records.clone())
    }
}

/// Runs while a pullback does.
pub(crate) struct Watch<'a> {
    story: &'a RefCell<Story>,
    id: usize,
    start: Meter,
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        let end = Meter::now(self.start.time.is_some());
        let record = &mut self.story.borrow_mut().records[self.id];
        record.backward = end.since(&self.start);
        record.backward_multiply_adds = end.multiply_adds - self.start.multiply_adds;
        record.allocated_bytes += end.bytes - self.start.bytes;
    }
}
