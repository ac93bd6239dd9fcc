//! `kl-gmm-prf` and `kl-gmm-rks`: frequencies of [`super::kl`] from a Gaussian for every head, a mixture over the
//! heads.
//!
//! Their GMM has one component a head and no weights: what the heads give is mixed by the layer's last projection.
//! (The release has a class of several components a head, too, which is not among the paper's methods.) Noise N (m,
//! p) is standard normal, drawn for every example and shared by the heads; mean and deviation are learned.
//!
//! *Positive features*, m = d, a variance for each column:
//!
//! ```text
//! w_t = mean + exp(log_var / 2) * n_t
//!
//! dmean = sum_t dw_t                   dlog_var = sum_t dw_t * (w_t - mean) / 2
//! ```
//!
//! With mean 0 and variance 1 the mean over noise is the Gaussian kernel exp(-|q' - k'|² / 2), attention by which is
//! softmax of q · k / √p - |k|² / (2 √p); learned, it is another kernel.
//!
//! *Random kitchen sinks*, a whole matrix Sigma (p, p) a head, 2m frequencies in pairs, so that the kernel is real
//! for any mean, for noise of m = max(p, d / 4) rows:
//!
//! ```text
//! W₊ = N Sigma + mean        W₋ = N Sigma - mean
//!
//! dSigma = Nᵀ (dW₊ + dW₋)    dmean = sum_t dw₊_t - sum_t dw₋_t
//! ```
//!
//! A pair counts as one: κ = 2. Below p rows of noise the kernel is singular here and there, hence the least m; the
//! paper has d / 4 alone, with d 128 to 1,024.

use std::ops::Range;

use engine::{Real, Stream, Tensor, Var, gemm, lanes};

use super::kl::{Frequencies, Kl, LAWS, Map, cost, noise, uniform};
use super::{Cost, Entry, Inputs, LayerShape};

/// One variance a column.
#[derive(Clone, Copy, Debug)]
pub struct Diagonal {
    /// m
    pub rows: usize,
}

impl<T: Real> Frequencies<T> for Diagonal {
    const OF_HEADS: bool = true;

    fn shapes(&self, shape: LayerShape) -> Vec<(&'static str, [usize; 2])> {
        let each = [shape.heads, shape.head_width];
        vec![("mean", each), ("log_var", each)]
    }

    fn parameters(&self, shape: LayerShape, stream: Stream) -> Vec<(&'static str, Tensor<T>)> {
        let (each, p) = ([shape.heads, shape.head_width], shape.head_width as f64);
        let xavier = (6.0 / (shape.heads as f64 + p)).sqrt();
        vec![
            uniform(each, 1.0 / p.sqrt(), "mean", stream),
            uniform(each, xavier, "log_var", stream),
        ]
    }

    fn node<'t>(&self, name: &'static str, x: &Inputs<'_, 't, T>) -> Var<'t, T> {
        let m = self.rows;
        let [mean, log_var] = [&x.parameters[0], &x.parameters[1]];
        let (tape, parents) = (x.v.tape(), [mean.node(), log_var.node()]);
        let (heads, p) = mean.shape();
        let n = noise::<T>(x, m, p); // (m, p)
        let half = T::of(0.5);
        let deviation = Tensor::from_fn(heads, p, |h, c| (half * log_var.value().row(h)[c]).exp());
        let mean = mean.value();
        let w = Tensor::from_fn(heads * m, p, |row, c| {
            let (h, t) = (row / m, row % m);
            deviation.row(h)[c].mul_add(n.row(t)[c], mean.row(h)[c])
        });
        let [n, deviation] = [&n, &deviation].map(|x| tape.save(x));
        tape.record(name, parents, w, move |dw| {
            let [mut dmean, mut dlog_var] = [0; 2].map(|_| Tensor::zeros(heads, p));
            for h in 0..heads {
                let dw = dw.view().rows_in(h * m..(h + 1) * m);
                lanes::add_up(dw, dmean.row_mut(h));
                let dlog_var = dlog_var.row_mut(h);
                for t in 0..m {
                    for ((sum, &dw), &n) in dlog_var.iter_mut().zip(dw.row(t)).zip(n.row(t)) {
                        *sum = dw.mul_add(n, *sum);
                    }
                }
                // w - mean = deviation * n
                lanes::multiply(deviation.row(h), dlog_var);
                lanes::scale(half, dlog_var);
            }
            [dmean, dlog_var]
        })
    }
}

/// A whole matrix, and pairs of frequencies.
#[derive(Clone, Copy, Debug)]
pub struct Pairs {
    /// d, of which m = max(p, d / 4) pairs are made.
    pub features: usize,
}

impl Pairs {
    fn rows(self, p: usize) -> usize {
        p.max(self.features / 4)
    }
}

/// The rows of W with the mean added, and those with it subtracted, of head h.
fn pair(h: usize, m: usize) -> [Range<usize>; 2] {
    let start = 2 * h * m;
    [start..start + m, start + m..start + 2 * m]
}

impl<T: Real> Frequencies<T> for Pairs {
    const OF_HEADS: bool = true;
    const KAPPA: f64 = 2.0;

    fn shapes(&self, shape: LayerShape) -> Vec<(&'static str, [usize; 2])> {
        let (heads, p) = (shape.heads, shape.head_width);
        vec![("mean", [heads, p]), ("sigma", [heads * p, p])]
    }

    fn parameters(&self, shape: LayerShape, stream: Stream) -> Vec<(&'static str, Tensor<T>)> {
        let (heads, p) = (shape.heads, shape.head_width);
        // Xavier's bound for a tensor [heads, p, p], as their library reckons it.
        let xavier = (6.0 / (p * p + heads * p) as f64).sqrt();
        vec![
            uniform([heads, p], 1.0 / p as f64, "mean", stream),
            uniform([heads * p, p], xavier, "sigma", stream),
        ]
    }

    fn node<'t>(&self, name: &'static str, x: &Inputs<'_, 't, T>) -> Var<'t, T> {
        let [mean, sigma] = [&x.parameters[0], &x.parameters[1]];
        let (tape, parents) = (x.v.tape(), [mean.node(), sigma.node()]);
        let (heads, p) = mean.shape();
        let m = self.rows(p);
        let n = noise::<T>(x, m, p); // (m, p)
        let mut w = Tensor::stale(heads * 2 * m, p);
        for h in 0..heads {
            let sigma = sigma.value().view().rows_in(h * p..(h + 1) * p); // (p, p)
            for (rows, sign) in pair(h, m).into_iter().zip([T::ONE, -T::ONE]) {
                for row in rows.clone() {
                    w.row_mut(row).copy_from_slice(mean.value().row(h));
                }
                gemm(T::ONE, n.view(), sigma, sign, w.view_mut().rows_in(rows));
            }
        }
        let n = tape.save(&n);
        tape.record(name, parents, w, move |dw| {
            let [mut dmean, mut dsigma] = [heads, heads * p].map(|rows| Tensor::zeros(rows, p));
            for h in 0..heads {
                for (rows, sign) in pair(h, m).into_iter().zip([T::ONE, -T::ONE]) {
                    let dw = dw.view().rows_in(rows);
                    for t in 0..m {
                        lanes::add_scaled(sign, dw.row(t), dmean.row_mut(h));
                    }
                    let dsigma = dsigma.view_mut().rows_in(h * p..(h + 1) * p);
                    gemm(T::ONE, n.view().t(), dw, T::ONE, dsigma);
                }
            }
            [dmean, dsigma]
        })
    }
}

impl Kl<Diagonal> {
    /// `kl-gmm-prf` with m frequencies.
    pub fn gmm_prf(m: usize) -> Self {
        Kl {
            name: "kl-gmm-prf",
            frequencies: Diagonal { rows: m },
            map: Map::Positive,
        }
    }
}

impl Kl<Pairs> {
    /// `kl-gmm-rks` with d features.
    pub fn gmm_rks(features: usize, smoothing: f64) -> Self {
        Kl {
            name: "kl-gmm-rks",
            frequencies: Pairs { features },
            map: Map::Waves { smoothing },
        }
    }
}

/// `kl-gmm-prf`.
pub fn entry<T: Real>() -> Entry<T> {
    Entry {
        name: "kl-gmm-prf",
        about: "d positive features of a learned Gaussian spectrum a head",
        cites: "Chowdhury et al. 2022, GMM-PRF",
        laws: LAWS,
        time: "n d p",
        cost: |options, n, p| {
            let m = options.features as f64;
            let attention = cost(Map::Positive, m, n, p);
            Cost {
                // Noise.
                bytes: attention.bytes + 4.0 * m * p,
                ..attention
            }
        },
        build: |options| Box::new(Kl::gmm_prf(options.features)),
    }
}

/// `kl-gmm-rks`.
pub fn entry_rks<T: Real>() -> Entry<T> {
    Entry {
        name: "kl-gmm-rks",
        about: "waves of d/4 pairs of a learned Gaussian spectrum a head",
        cites: "Chowdhury et al. 2022, GMM-RKS",
        laws: LAWS,
        time: "n d p",
        cost: |options, n, p| {
            let m = Pairs {
                features: options.features,
            }
            .rows(p as usize) as f64;
            let smoothing = Map::SMOOTHING;
            let attention = cost(Map::Waves { smoothing }, 2.0 * m, n, p);
            Cost {
                multiply_adds: attention.multiply_adds + 2.0 * m * p * p,
                bytes: attention.bytes + 4.0 * m * p,
            }
        },
        build: |options| Box::new(Kl::gmm_rks(options.features, Map::SMOOTHING)),
    }
}
