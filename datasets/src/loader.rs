//! The order of the training examples: a pure function of (seed, epoch, position).
//!
//! Every epoch is a shuffled order of its own. Step s takes the places s*batch .. (s+1)*batch of the endless row of
//! epochs; a batch runs across the border of two epochs, so nobody is dropped and every batch is full. There is no
//! state: resuming at any step needs the step only.

use engine::rng::{Seed, Stream};

/// The order of a run.
#[derive(Clone, Debug)]
pub struct Loader {
    order: Stream,
    examples: usize,
    batch: usize,
}

/// The examples of one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// As many as the batch size, in the order of the epochs.
    pub places: Vec<Place>,
}

/// One visit to one example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The epoch it belongs to; with the example's id it keys the draws of this visit, so that an example that falls
    /// twice into a batch (at the border of two epochs) is drawn for twice.
    pub epoch: usize,
    /// Index into the examples of the training split.
    pub example: usize,
}

impl Loader {
    /// The order of `examples` examples in batches of `batch` under `seed`.
    ///
    /// # Panics
    /// If there are no examples or the batch is empty.
    pub fn new(seed: Seed, examples: usize, batch: usize) -> Self {
        assert!(examples > 0, "Loader: there are no examples");
        assert!(batch > 0, "Loader: the batch is empty");
        Loader {
            order: seed.stream("order"),
            examples,
            batch,
        }
    }

    /// The batch of step `step`, counted from 0.
    ///
    /// The epoch's order is shuffled anew at every call: 25,000 examples cost 0.06 ms, a step hundreds.
    pub fn batch(&self, step: usize) -> Batch {
        let (from, to) = (step * self.batch, (step + 1) * self.batch);
        let mut places = Vec::with_capacity(self.batch);
        for epoch in from / self.examples..to.div_ceil(self.examples) {
            let first = epoch * self.examples;
            let within =
                from.saturating_sub(first).min(self.examples)..(to - first).min(self.examples);
            let order = self.epoch(epoch);
            places.extend(
                order[within]
                    .iter()
                    .map(|&example| Place { epoch, example }),
            );
        }
        Batch { places }
    }

    /// All examples, in the order of epoch `epoch`.
    fn epoch(&self, epoch: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.examples).collect();
        self.order.at(epoch).generator().shuffle(&mut order);
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_epoch_visits_every_example_once_whatever_the_batch_size() {
        for (examples, batch) in [(1, 1), (1, 5), (7, 3), (10, 10), (10, 4), (5, 12), (97, 16)] {
            let loader = Loader::new(Seed(3), examples, batch);
            let epochs = 6;
            let steps = (epochs * examples).div_ceil(batch);
            let places: Vec<Place> = (0..steps)
                .flat_map(|step| {
                    let places = loader.batch(step).places;
                    assert_eq!(places.len(), batch);
                    places
                })
                .collect();
            for (epoch, visits) in places.chunks_exact(examples).take(epochs).enumerate() {
                assert!(visits.iter().all(|place| place.epoch == epoch));
                let mut seen: Vec<usize> = visits.iter().map(|place| place.example).collect();
                seen.sort_unstable();
                assert!(
                    seen.into_iter().eq(0..examples),
                    "{examples} by {batch}, epoch {epoch}"
                );
            }
        }
    }

    #[test]
    fn a_batch_is_a_function_of_the_seed_and_the_step_alone() {
        let loader = Loader::new(Seed(5), 50, 8);
        let ahead = loader.batch(1000);
        for step in 0..20 {
            loader.batch(step);
        }
        assert_eq!(loader.batch(1000), ahead);
        assert_eq!(Loader::new(Seed(5), 50, 8).batch(1000), ahead);
        assert_ne!(Loader::new(Seed(6), 50, 8).batch(1000), ahead);
    }

    /// The place of an example in the endless row does not depend on the batch size.
    #[test]
    fn batches_cut_one_row_of_places() {
        let row = |batch: usize| -> Vec<Place> {
            let loader = Loader::new(Seed(1), 13, batch);
            (0..120 / batch)
                .flat_map(|step| loader.batch(step).places)
                .collect()
        };
        assert_eq!(row(4), row(15));
        assert_eq!(row(1), row(40));
    }

    #[test]
    fn epochs_have_orders_of_their_own() {
        let loader = Loader::new(Seed(1), 100, 100);
        let order = |step: usize| -> Vec<usize> {
            let places = loader.batch(step).places;
            places.iter().map(|place| place.example).collect()
        };
        assert_ne!(order(0), order(1));
        assert!(!order(0).is_sorted());
    }
}
