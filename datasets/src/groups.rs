//! The fixed groups in which a batch is spread over threads.
//!
//! The gradients of a group are added example by example, those of the groups in group order; so the sum is the same
//! for every number of threads if the groups are. They are a pure function of the lengths: longest first, each onto the
//! group that is lightest so far (Graham 1969: at most a third above the best balance).

use std::cmp::Reverse;

/// Spreads examples of the given lengths over `min(count, lengths.len())` groups; each group lists indices into
/// `lengths`, longest first. Ties go to the smaller index, of examples and of groups.
///
/// # Panics
/// If `count` is 0.
pub fn groups(lengths: &[usize], count: usize) -> Vec<Vec<usize>> {
    assert!(count > 0, "groups: there must be at least one group");
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|&example| (Reverse(lengths[example]), example));
    let mut groups = vec![Vec::new(); count.min(lengths.len())];
    // Load, then members, so that examples of length 0 spread too and no group stays empty.
    let mut loads = vec![(0, 0); groups.len()];
    for example in order {
        let Some(lightest) = (0..loads.len()).min_by_key(|&group| (loads[group], group)) else {
            break;
        };
        loads[lightest].0 += lengths[example];
        loads[lightest].1 += 1;
        groups[lightest].push(example);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::rng::Seed;

    #[test]
    fn the_longest_go_first_onto_the_lightest() {
        // 9 | 7 | then 5 onto 7, 5 onto 9, 3 onto 12 (the first of two at 12 and 14), 1 onto 14.
        assert_eq!(
            groups(&[5, 9, 1, 7, 5, 3], 2),
            [vec![1, 4, 2], vec![3, 0, 5]]
        );
    }

    #[test]
    fn ties_go_to_the_smaller_index() {
        assert_eq!(groups(&[4, 4, 4, 4], 3), [vec![0, 3], vec![1], vec![2]]);
    }

    #[test]
    fn every_example_is_in_one_group_and_no_group_is_empty() {
        let mut generator = Seed(2).stream("groups").generator();
        for (examples, count) in [(0, 4), (1, 16), (5, 5), (16, 16), (33, 16), (128, 16)] {
            for bound in [1, 3, 4000] {
                let lengths: Vec<usize> = (0..examples).map(|_| generator.below(bound)).collect();
                let groups = groups(&lengths, count);
                assert_eq!(groups.len(), count.min(examples));
                assert!(groups.iter().all(|group| !group.is_empty()));
                let mut all = groups.concat();
                all.sort_unstable();
                assert!(all.into_iter().eq(0..examples));
            }
        }
    }

    #[test]
    fn review_like_lengths_are_balanced() {
        let mut generator = Seed(2).stream("balance").generator();
        let lengths: Vec<usize> = (0..128)
            .map(|_| libm::exp(6.9 + 0.8 * generator.normal()).min(4000.0) as usize)
            .collect();
        let load = |group: &Vec<usize>| group.iter().map(|&i| lengths[i]).sum::<usize>();
        let loads: Vec<usize> = groups(&lengths, 16).iter().map(load).collect();
        let (lightest, heaviest) = (loads.iter().min().unwrap(), loads.iter().max().unwrap());
        assert!(
            (*heaviest as f64) < 1.1 * *lightest as f64,
            "loads from {lightest} to {heaviest}"
        );
    }
}
