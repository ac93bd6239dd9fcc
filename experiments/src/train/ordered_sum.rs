//! The sum over the groups of a batch, added in the order of the groups, whoever finishes first.
//!
//! A thread takes zeros, adds the gradients of a group to them and gives them back with the number
//! of the group. The total grows by one group after the other; a group that is early waits. So the
//! bits are those of one thread, and memory holds the groups being worked on and those that wait,
//! not all of them.

use engine::GradientSums;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

type Sums = GradientSums<f32>;

/// A sum in the making.
pub(crate) struct OrderedSum(Mutex<State>);

struct State {
    /// `None` while a thread adds to it.
    total: Option<Sums>,
    /// The group to be added next.
    turn: usize,
    early: BTreeMap<usize, Sums>,
    /// For groups to come.
    free: Vec<Sums>,
}

impl OrderedSum {
    /// An empty sum. `total` has the shapes of the parameters, and `free` is memory for groups, if there is any:
    /// numbers in them do not matter.
    pub(crate) fn new(total: Sums, free: Vec<Sums>) -> OrderedSum {
        OrderedSum(Mutex::new(State {
            total: Some(total),
            turn: 0,
            early: BTreeMap::new(),
            free,
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no thread panics while it holds this")
    }

    /// Zeros for a group; `fresh` makes them where there is no memory to be used again.
    pub(crate) fn zeros(&self, fresh: impl FnOnce() -> Sums) -> Sums {
        let free = self.state().free.pop();
        let Some(mut sums) = free else {
            return fresh();
        };
        sums.clear();
        sums
    }

    /// Adds the sums of `group`, now or when its turn comes.
    pub(crate) fn give(&self, group: usize, sums: Sums) {
        let mut state = self.state();
        state.early.insert(group, sums);
        // If another thread has the total, it will find this group.
        let Some(mut total) = state.total.take() else {
            return;
        };
        while let Some(mut sums) = {
            let turn = state.turn;
            state.early.remove(&turn)
        } {
            let first = state.turn == 0;
            state.turn += 1;
            drop(state);
            if first {
                std::mem::swap(&mut total, &mut sums);
            } else {
                total.add(&sums);
            }
            state = self.state();
            state.free.push(sums);
        }
        state.total = Some(total);
    }

    /// The sum of all groups, and the memory of groups, for the next sum.
    pub(crate) fn end(self) -> (Sums, Vec<Sums>) {
        let state = self.0.into_inner().expect("no thread has panicked");
        assert!(
            state.turn > 0 && state.early.is_empty(),
            "the sum is not whole: a group is missing"
        );
        (state.total.expect("nobody adds any more"), state.free)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::{Params, Seed, Tape, Tensor};

    fn params() -> Params<f32> {
        let mut params = Params::default();
        params.add("weight", Tensor::zeros(1, 3));
        params.add("table", Tensor::zeros(4, 2));
        params
    }

    fn zeros() -> Sums {
        params().zeros()
    }

    /// The sums of a group: numbers whose sum depends on the order, of the table's rows not all.
    fn group(group: usize, mut sums: Sums) -> Sums {
        let params = params();
        let tape = Tape::new();
        let bound = params.bind(&tape);
        let parents = ["weight", "table"].map(|name| bound[params.find(name).unwrap()].node());
        let y = tape.record("numbers", parents, Tensor::scalar(0.0), move |_| {
            let mut generator = Seed(4).stream("group").at(group).generator();
            let scale = 10f32.powi(group as i32 % 7);
            [(1, 3), (1 + group % 4, 2)].map(|(rows, cols)| {
                Tensor::from_fn(rows, cols, |_, _| generator.normal() as f32 * scale)
            })
        });
        bound.accumulate(tape.backward(&y), &mut sums);
        sums
    }

    fn bits(sums: &Sums) -> Vec<u32> {
        let numbers = sums.iter().flat_map(|sum| sum.data());
        numbers.map(|x| x.to_bits()).collect()
    }

    #[test]
    fn every_order_of_arrival_gives_the_same_bits() {
        const GROUPS: usize = 16;
        let mut want = group(0, zeros());
        for i in 1..GROUPS {
            want.add(&group(i, zeros()));
        }
        let mut kept = (zeros(), Vec::new());
        for seed in 0..50 {
            let mut order: Vec<usize> = (0..GROUPS).collect();
            Seed(seed).stream("order").generator().shuffle(&mut order);
            let sum = OrderedSum::new(kept.0, kept.1);
            for i in order {
                sum.give(i, group(i, sum.zeros(zeros)));
            }
            kept = sum.end();
            assert_eq!(bits(&kept.0), bits(&want), "order {seed}");
        }
    }

    #[test]
    fn threads_together_give_them_too() {
        let alone = OrderedSum::new(zeros(), Vec::new());
        for i in 0..64 {
            alone.give(i, group(i, alone.zeros(zeros)));
        }
        let (want, free) = alone.end();
        assert_eq!(free.len(), 1, "one group at a time needs memory for one");

        let together = OrderedSum::new(zeros(), Vec::new());
        std::thread::scope(|threads| {
            for thread in 0..4 {
                let together = &together;
                threads.spawn(move || {
                    for i in (thread..64).step_by(4) {
                        together.give(i, group(i, together.zeros(zeros)));
                    }
                });
            }
        });
        assert_eq!(bits(&together.end().0), bits(&want));
    }

    #[test]
    #[should_panic(expected = "a group is missing")]
    fn a_group_that_never_came() {
        let sum = OrderedSum::new(zeros(), Vec::new());
        sum.give(1, zeros());
        sum.end();
    }
}
