//! Curves of few points out of runs of many steps: pictures stay light however long the run was.

use crate::numbers::statistics::mean;
use std::collections::BTreeMap;

/// Points of a curve that are drawn at most, but for the last.
pub(crate) const MOST_POINTS: usize = 300;
/// A running mean is over one of so many parts of the run,
const PARTS: usize = 50;
/// and over so many steps at least, in short runs over a tenth.
const LEAST: usize = 20;

/// Steps, and a number of each.
pub(crate) type Steps = Vec<(usize, f64)>;

/// Of how many points every last one is drawn.
pub(crate) fn stride(count: usize) -> usize {
    count.div_ceil(MOST_POINTS).max(1)
}

/// Over how many steps the mean is taken: no fewer than lie between two points, so that each step counts.
pub(crate) fn window(count: usize) -> usize {
    (count / PARTS)
        .max(LEAST.min(count / 10))
        .max(stride(count))
}

/// Running means of the values of steps, each with the last step it is over.
pub(crate) fn smooth(values: &[(usize, f64)]) -> Steps {
    let window = window(values.len());
    let mean = |last: usize| {
        let part = &values[last.saturating_sub(window)..last];
        let sum: f64 = part.iter().map(|(_, value)| value).sum();
        (values[last - 1].0, sum / part.len() as f64)
    };
    ends(values.len()).map(mean).collect()
}

/// As many points at most as are drawn.
pub(crate) fn thin(points: &[(usize, f64)]) -> Steps {
    extremes(points, MOST_POINTS)
}

/// The points; of more than `most` the first, the last, and the lowest and the highest of each of equal parts, so that no
/// peak is lost.
pub(crate) fn extremes(points: &[(usize, f64)], most: usize) -> Steps {
    if points.len() <= most {
        return points.to_vec();
    }
    let inner = &points[1..points.len() - 1];
    let part = inner.len().div_ceil((most / 2).saturating_sub(1).max(1));
    let mut kept = vec![points[0]];
    for part in inner.chunks(part) {
        let at = |better: fn(f64, f64) -> bool| {
            let best = |best: usize, next: usize| match better(part[next].1, part[best].1) {
                true => next,
                false => best,
            };
            (1..part.len()).fold(0, best)
        };
        let (low, high) = (at(|a, b| a < b), at(|a, b| a > b));
        kept.push(part[low.min(high)]);
        if low != high {
            kept.push(part[low.max(high)]);
        }
    }
    kept.push(points[points.len() - 1]);
    kept
}

/// Every so many of the items, the last among them.
pub(crate) fn every<T: Copy>(items: &[T]) -> Vec<T> {
    ends(items.len()).map(|last| items[last - 1]).collect()
}

/// What runs that differ in nothing but their seed have at one place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Together {
    pub(crate) x: f64,
    pub(crate) mean: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// The curves of some runs, which have as many points each, as one: their mean, the lowest and the highest.
pub(crate) fn together(runs: &[Vec<(f64, f64)>]) -> Vec<Together> {
    let count = runs.first().map_or(0, Vec::len);
    let at = |place: usize| {
        let of = |number: fn(&(f64, f64)) -> f64| -> Vec<f64> {
            runs.iter().map(|run| number(&run[place])).collect()
        };
        let (xs, ys) = (of(|point| point.0), of(|point| point.1));
        let middle = |numbers: &[f64]| mean(numbers).unwrap_or(f64::NAN);
        let end = |pick: fn(f64, f64) -> f64| ys.iter().copied().reduce(pick).unwrap_or(f64::NAN);
        Together {
            x: middle(&xs),
            mean: middle(&ys),
            low: end(f64::min),
            high: end(f64::max),
        }
    };
    (0..count).map(at).collect()
}

/// The points at the steps that all curves have, as many at most as are drawn: each mean of them is over the same runs.
pub(crate) fn shared(curves: &[Steps]) -> Vec<Vec<(f64, f64)>> {
    let all: Vec<BTreeMap<usize, f64>> = curves
        .iter()
        .map(|curve| curve.iter().copied().collect())
        .collect();
    let of_all = |step: &usize| all.iter().all(|curve| curve.contains_key(step));
    let steps = all.first().into_iter().flat_map(BTreeMap::keys).copied();
    let steps = every(&steps.filter(of_all).collect::<Vec<_>>());
    let points = |curve: &BTreeMap<usize, f64>| {
        let points = steps
            .iter()
            .filter_map(|step| Some((*step as f64, *curve.get(step)?)));
        points.collect()
    };
    all.iter().map(points).collect()
}

/// The numbers, from 1 to `count`, of the points that are drawn.
fn ends(count: usize) -> impl Iterator<Item = usize> {
    let stride = stride(count);
    let first = (count + stride - 1) % stride + 1;
    (first..=count).step_by(stride)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_runs_have_few_points_and_short_ones_all() {
        assert_eq!(smooth(&[]), []);
        // Where the steps are, whatever is missing between them.
        assert_eq!(smooth(&[(5, 1.0), (9, 3.0)]), [(5, 1.0), (9, 3.0)]);
        let line: Vec<(usize, f64)> = (1..=50_000).map(|i| (i, i as f64)).collect();
        let points = smooth(&line);
        assert_eq!((points.len(), window(50_000)), (300, 1000));
        assert_eq!(points.last(), Some(&(50_000, 49_500.5)));
        let points: Vec<(usize, f64)> = (0..1001).map(|i| (50 * i, 0.0)).collect();
        let thinned = thin(&points);
        assert!(thinned.len() <= MOST_POINTS && thinned.last() == Some(&(50_000, 0.0)));
        let few = every(&points);
        assert!(few.len() <= MOST_POINTS && few.last() == points.last());
    }

    #[test]
    fn no_peak_is_lost() {
        for place in [1, 2, 499, 500, 998] {
            let mut line: Vec<(usize, f64)> = (0..1000).map(|i| (i, (i % 7) as f64)).collect();
            line[place].1 = 50.0;
            line[1000 - place].1 = -50.0;
            let thinned = extremes(&line, 100);
            assert!(thinned.len() <= 100, "{}", thinned.len());
            assert!(thinned.is_sorted_by(|a, b| a.0 < b.0));
            for kept in [0, place, 1000 - place, 999] {
                assert!(thinned.contains(&line[kept]), "{kept}");
            }
        }
        assert_eq!(extremes(&[(1, 2.0)], 100), [(1, 2.0)]);
    }

    #[test]
    fn every_step_counts() {
        // A single spike of a run is in a mean, wherever it is.
        for place in 0..1000 {
            let mut values: Vec<(usize, f64)> = (1..=1000).map(|step| (step, 0.0)).collect();
            values[place].1 = 1.0;
            assert!(smooth(&values).iter().any(|(_, y)| *y > 0.0), "{place}");
        }
    }
}
