//! The matrices that the kernel never holds, whole: for a tape that is studied.

use engine::{MatRef, Notes, Real, Tensor, lanes};

use super::Attend;

/// Numbers of the largest matrix that is noted.
const MOST: usize = 1 << 20;

impl<T: Real> Attend<'_, T> {
    /// Notes P and ds of backward, given the same, as those of some rows of a head, if they are not too large.
    pub(in crate::attention) fn note(
        &self,
        notes: &Notes<T>,
        (rows, head): (&str, usize),
        lse: &[T],
        dlse: &[T],
        output: Option<[MatRef<'_, T>; 2]>,
    ) {
        if notes.keeps() && self.queries() * self.k.rows() <= MOST {
            let (p, ds) = self.whole(lse, dlse, output);
            notes.add(|| (format!("P of {rows}.head{head}"), p));
            notes.add(|| (format!("ds of {rows}.head{head}"), ds));
        }
    }

    /// P, with the masks of dropout where there are some, and ds, each (n, m): what `backward`, given the same, computes
    /// tile by tile, so that dq = scale ds k, dk = scale dsᵀ q and dv = Pᵀ dy.
    fn whole(
        &self,
        lse: &[T],
        dlse: &[T],
        output: Option<[MatRef<'_, T>; 2]>,
    ) -> (Tensor<T>, Tensor<T>) {
        let (n, m) = (self.queries(), self.k.rows());
        let [mut probabilities, mut ds] = [(); 2].map(|()| Tensor::zeros(n, m));
        for i in 0..n {
            let mut mask = vec![T::ONE; m];
            if let Some(dropout) = self.dropout {
                dropout.apply(i, 0, &mut mask);
            }
            let row = self.row(i);
            let mut d = -dlse.get(i).copied().unwrap_or(T::ZERO); // D
            if let Some([y, dy]) = output {
                d += lanes::dot(dy.row(row), y.row(row));
            }
            for (j, &mask) in mask.iter().enumerate() {
                let sees = |seen: &[std::ops::Range<u32>]| seen[i].contains(&(j as u32));
                if !self.seen.is_none_or(sees) {
                    continue;
                }
                let own = self.own.filter(|own| own.queries[i] == own.keys[j]);
                let s = match own {
                    Some(own) => own.logit,
                    None => self.scale * lanes::dot(self.q.row(row), self.k.row(j)),
                };
                let bias = self.bias.get(j).copied().unwrap_or(T::ZERO);
                let p = (s + bias - lse[i]).exp();
                probabilities.row_mut(i)[j] = p * mask;
                let dp = match (output, self.v) {
                    (Some([_, dy]), Some(v)) => lanes::dot(dy.row(row), v.row(j)) * mask,
                    _ => T::ZERO,
                };
                if own.is_none() {
                    ds.row_mut(i)[j] = p * (dp - d);
                }
            }
        }
        (probabilities, ds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attention::attend::SelfLogit;
    use crate::dropout::Dropout;
    use engine::Seed;
    use engine::check::normal;

    /// The whole matrices give the gradients of the tiles.
    #[test]
    fn the_matrices_are_those_of_backward() {
        let stream = Seed(3).stream("whole");
        let (n, m, p, w) = (7, 5, 3, 2);
        let matrix = |name, rows, cols| normal(stream.stream(name), rows, cols);
        let [q, k, v] = [("q", n, p), ("k", m, p), ("v", m, w)].map(|(x, n, p)| matrix(x, n, p));
        let dy = matrix("dy", n, w);
        let bias = [0.0, 0.5, -0.5, 1.0, 0.0];
        let (rows, dlse) = ([0, 2, 3, 6], [0.1, 0.0, -0.2, 0.3]);
        let seen = [0..5, 1..4, 2..3, 0..2];
        let names = [[10, 11, 12, 13].as_slice(), &[11, 20, 13, 21, 22]];
        let plain = Attend {
            rows: Some(&rows),
            bias: &bias,
            ..Attend::new(q.view(), k.view(), Some(v.view()))
        };
        for attend in [
            plain,
            Attend {
                dropout: Some(Dropout::new(0.3, stream.stream("mask").key())),
                ..plain
            },
            Attend {
                seen: Some(&seen),
                own: Some(SelfLogit {
                    queries: names[0],
                    keys: names[1],
                    logit: -1.0,
                }),
                ..plain
            },
        ] {
            let (mut y, mut lse) = (Tensor::zeros(n, w), [0.0; 4]);
            attend.forward(Some(y.view_mut()), &mut lse);
            let [mut dq, mut dk, mut dv] =
                [(n, p), (m, p), (m, w)].map(|(n, p)| Tensor::zeros(n, p));
            let output = Some((y.view(), dy.view(), dv.view_mut()));
            attend.backward(&lse, &dlse, output, dq.view_mut(), dk.view_mut());

            let (probabilities, ds) = attend.whole(&lse, &dlse, Some([y.view(), dy.view()]));
            let chosen =
                |x: &Tensor<f64>| Tensor::from_fn(4, x.cols(), |i, j| x.row(rows[i] as usize)[j]);
            let product = |a: MatRef<'_, f64>, b: MatRef<'_, f64>| Tensor::product(1.0, a, b);
            for (got, expected) in [
                (product(probabilities.view(), v.view()), chosen(&y)),
                (product(probabilities.view().t(), chosen(&dy).view()), dv),
                (
                    Tensor::product(attend.scale, ds.view(), k.view()),
                    chosen(&dq),
                ),
                (
                    Tensor::product(attend.scale, ds.view().t(), chosen(&q).view()),
                    dk,
                ),
            ] {
                let worst = got
                    .data()
                    .iter()
                    .zip(expected.data())
                    .map(|(a, b)| (a - b).abs());
                let worst = worst.fold(0.0, f64::max);
                // A query that sees nothing would be an exception; here each sees something. Rounding is 1e-15.
                assert!(worst < 1e-14, "{worst:e}");
            }
        }
    }
}
