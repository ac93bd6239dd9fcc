//! KL-Transformer (Chowdhury et al. 2022, "Learning the Transformer Kernel"): the kernel's spectrum is learned,
//! linear time.
//!
//! A kernel of the difference of x' = p^-¼ x and y' is a mean over frequencies w that are drawn from its spectrum
//! (Bochner's theorem). So m frequencies, the rows of W, make a kernel, and attention by its features
//! ([`super::features`]); and where W is a function of noise and of parameters, the kernel is learned. Three such
//! functions are [`super::kl_gmm`], [`super::kl_fastfood`] and [`super::kl_generator`]: each records a node W, this
//! file the node of the attention. Two kinds of features are made of W:
//!
//! ```text
//! "-prf"  φ(x) = (exp(w_t · x' - |x'|²))_t                     positive random features
//! "-rks"  φ(x) = (√(κ/m) cos w_t · x', √(κ/m) sin w_t · x')_t, s     random kitchen sinks
//! ```
//!
//! for t = 1, ..., m. The weights of the second are κ/m sum_t cos w_t · (q' - k') + s², with the smoothing s that
//! keeps their sum from 0: the cosines alone reach from -κ to κ. κ is 1, and 2 for the pairs ±mean of
//! `kl_gmm`.
//!
//! *Positive features, stable.* exp(-|q'|²) is in all weights of a query and cancels. Any factor can move from a
//! feature of the keys to the same feature of the queries. So, with the largest exponent of each feature, and then of
//! each query,
//!
//! ```text
//! e_jt = w_t · k'_j - |k'_j|²             c_t = max_j e_jt          φ_t(k_j) = exp(e_jt - c_t)
//! f_it = w_t · q'_i + c_t                                           φ_t(q_i) = exp(f_it - max_t f_it)
//! ```
//!
//! and every denominator is at least 1: the largest feature of a query is 1, and so is that of some key. The maxima
//! cancel, and are constants of the backward pass. Where keys lie far from zero together, |k'|² is large and loses the
//! digits of their differences; so the mean u of the keys is first taken from the keys and added to the queries, which
//! leaves all w_t · (q' + k') as they are:
//!
//! ```text
//! e_jt = w_t · (k - u)' - (k - u)' · (k + u)'         f_it = w_t · (q + u)' + c_t
//! ```
//!
//! where |u'|², which all weights have in common, is left out.
//!
//! *Backward*, from dφ: with E the products of all x' and w_t,
//!
//! ```text
//! prf   dE = dφ * φ                                    rks   dE = cos * d sin - sin * d cos
//! dx' = dE W    (for the keys of prf: - 2 k' sum_t dE_t)     dW = dE_qᵀ q' + dE_kᵀ k'
//! ```
//!
//! What is not as in the released code: it adds 1e-6 to the denominators, which ends where exponents are scaled; it
//! takes running means of the generator in evaluation. As there, noise is drawn anew for every example and layer,
//! also in evaluation, and one for all heads. Nothing couples an example to its batch mates.

use std::ops::Range;

use engine::gemm::pieces;
use engine::{MatMut, MatRef, Real, Stream, Tensor, Var, gemm, lanes};

use super::attend::{TILE_ROWS, Tile};
use super::features::{Features, context, context_backward, outputs, outputs_backward};
use super::{Attention, Cost, Inputs, Laws, LayerShape};

/// Attention by features of learned frequencies.
#[derive(Clone, Copy, Debug)]
pub struct Kl<F> {
    /// The name of its nodes.
    pub name: &'static str,
    /// How W is made.
    pub frequencies: F,
    /// What is made of W.
    pub map: Map,
}

/// The features of a frequency.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Map {
    /// exp(w · x' - |x'|²)
    Positive,
    /// cos w · x' and sin w · x', and once s: random kitchen sinks.
    Waves {
        /// s. It adds s² to all weights: 1 but for Text in the paper's kl-gmm-rks, which has 0.36.
        smoothing: f64,
    },
}

impl Map {
    /// The s of the paper, but for one of its runs.
    pub const SMOOTHING: f64 = 1.0;

    /// Features of m frequencies.
    fn count(self, m: usize) -> usize {
        match self {
            Map::Positive => m,
            Map::Waves { .. } => 2 * m + 1,
        }
    }
}

/// The laws of all of them.
pub(super) const LAWS: Laws = Laws {
    rows_sum_to_one: true,
    exact_at_full_budget: false,
    linear_memory: true,
    linear_time: true,
    random: true,
};

/// A way to make W from noise and parameters.
pub trait Frequencies<T: Real>: Send + Sync + Copy + 'static {
    /// Whether every head has its own: W is (heads m, p) then, else (m, p) for all.
    const OF_HEADS: bool;
    /// κ: the weight of a key that equals the query, before s² is added; of waves alone.
    const KAPPA: f64 = 1.0;

    /// As [`Attention::shapes`].
    fn shapes(&self, shape: LayerShape) -> Vec<(&'static str, [usize; 2])>;

    /// As [`Attention::parameters`].
    fn parameters(&self, shape: LayerShape, stream: Stream) -> Vec<(&'static str, Tensor<T>)>;

    /// The nodes up to W, all called `name`.
    fn node<'t>(&self, name: &'static str, x: &Inputs<'_, 't, T>) -> Var<'t, T>;
}

/// Numbers uniform from -bound to bound.
pub(super) fn uniform<T: Real>(
    [rows, cols]: [usize; 2],
    bound: f64,
    name: &'static str,
    stream: Stream,
) -> (&'static str, Tensor<T>) {
    let mut generator = stream.stream(name).generator();
    let mut number = |_, _| T::of(bound * (2.0 * generator.uniform() - 1.0));
    (name, Tensor::from_fn(rows, cols, &mut number))
}

/// Standard normal noise (m, cols), one for all heads.
///
/// # Panics
/// If another number of them was given.
pub(super) fn noise<T: Real>(x: &Inputs<'_, '_, T>, m: usize, cols: usize) -> Tensor<T> {
    let name = x.place.draw("noise", 0);
    let numbers = x.draws.numbers(&name, |generator| {
        (0..m * cols).map(|_| generator.normal()).collect()
    });
    assert!(
        numbers.len() == m * cols,
        "draw {name}: {} numbers are no noise ({m}, {cols})",
        numbers.len()
    );
    Tensor::from_fn(m, cols, |i, j| T::of(numbers[i * cols + j]))
}

/// Queries or keys of one head, of which features are made.
struct Rows<'a, T: Real> {
    /// (n, p)
    x: MatRef<'a, T>,
    /// (m, p)
    w: MatRef<'a, T>,
    /// p^-¼
    scale: T,
    kind: Kind<'a, T>,
    /// The tile's rows of x: queries of `Positive` plus the mean of the keys, its keys less it.
    moved: Tensor<T>,
}

/// Which features.
#[derive(Clone, Copy)]
enum Kind<'a, T> {
    /// exp(w · (q + u)' + c - max), of the mean u and the maxima c of the keys.
    Queries { u: &'a [T], c: &'a [T] },
    /// exp(w · (k - u)' - (k - u)' · (k + u)' - c)
    Keys { u: &'a [T], c: &'a [T] },
    /// Cosines, sines, both times `height`, and `smoothing`.
    Waves { height: T, smoothing: T },
}

impl<'a, T: Real> Rows<'a, T> {
    fn new(x: MatRef<'a, T>, w: MatRef<'a, T>, kind: Kind<'a, T>) -> Self {
        let scale = T::ONE / T::of(x.cols() as f64).sqrt().sqrt();
        let moved = Tensor::stale(TILE_ROWS.min(x.rows()), x.cols());
        Rows {
            x,
            w,
            scale,
            kind,
            moved,
        }
    }

    /// E of a tile of rows, to the first m columns; for keys e, for queries f.
    fn exponents(&mut self, rows: &Range<usize>, tile: &mut Tile<T>) {
        let (height, m) = (rows.len(), self.w.rows());
        for (r, i) in rows.clone().enumerate() {
            let row = self.moved.row_mut(r);
            row.copy_from_slice(self.x.row(i));
            match self.kind {
                Kind::Queries { u, .. } => lanes::add(u, row),
                Kind::Keys { u, .. } => lanes::subtract(u, row),
                Kind::Waves { .. } => {}
            }
        }
        let moved = self.moved.view().rows_in(0..height);
        gemm(
            self.scale,
            moved,
            self.w.t(),
            T::ZERO,
            tile.view_mut(height, m),
        );
        for (r, e) in tile
            .s
            .chunks_exact_mut(tile.stride)
            .take(height)
            .enumerate()
        {
            let (x, e) = (self.moved.row(r), &mut e[..m]);
            match self.kind {
                Kind::Queries { c, .. } => lanes::add(c, e),
                Kind::Keys { u, .. } => {
                    let product = lanes::dot(x, x) + T::of(2.0) * lanes::dot(x, u); // (k - u) · (k + u)
                    subtract_from_all(self.scale * self.scale * product, e);
                }
                Kind::Waves { .. } => {}
            }
        }
    }

    /// c (m): the largest exponent of each feature.
    fn maxima(&mut self) -> Vec<T> {
        let (n, m) = (self.x.rows(), self.w.rows());
        let mut tile = Tile::new(TILE_ROWS.min(n), m);
        let mut maxima = vec![T::NEG_INFINITY; m];
        for rows in pieces(n, TILE_ROWS) {
            self.exponents(&rows, &mut tile);
            for e in tile.s.chunks_exact(tile.stride).take(rows.len()) {
                larger_of_each(&e[..m], &mut maxima);
            }
        }
        maxima
    }
}

impl<T: Real> Features<T> for Rows<'_, T> {
    /// dW (m, p)
    type Gradient = Tensor<T>;

    fn count(&self) -> usize {
        match self.kind {
            Kind::Waves { .. } => 2 * self.w.rows() + 1,
            Kind::Queries { .. } | Kind::Keys { .. } => self.w.rows(),
        }
    }

    fn forward(&mut self, rows: &Range<usize>, f: &mut Tile<T>) {
        self.exponents(rows, f);
        let m = self.w.rows();
        for f in f.s.chunks_exact_mut(f.stride).take(rows.len()) {
            match self.kind {
                Kind::Queries { .. } => exponentials_of_row(&mut f[..m]),
                Kind::Keys { c, .. } => exponentials(c, &mut f[..m]),
                Kind::Waves { height, smoothing } => {
                    let (cos, rest) = f.split_at_mut(m);
                    waves(height, cos, &mut rest[..m]);
                    rest[m] = smoothing;
                }
            }
        }
    }

    fn backward(
        &mut self,
        rows: &Range<usize>,
        f: &mut Tile<T>,
        df: &mut Tile<T>,
        mut dx: MatMut<'_, T>,
        dw: &mut Tensor<T>,
    ) {
        let (height, m) = (rows.len(), self.w.rows());
        // dE to the first m columns of dF.
        let tiles =
            df.s.chunks_exact_mut(df.stride)
                .zip(f.s.chunks_exact(f.stride));
        for (df, f) in tiles.take(height) {
            match self.kind {
                Kind::Queries { .. } | Kind::Keys { .. } => lanes::multiply(&f[..m], &mut df[..m]),
                Kind::Waves { .. } => {
                    let ((cos, sin), (dcos, dsin)) = (f.split_at(m), df.split_at_mut(m));
                    waves_backward(cos, &sin[..m], dcos, &dsin[..m]);
                }
            }
        }
        let de = df.view(height, m);
        let moved = self.moved.view().rows_in(0..height);
        gemm(self.scale, de, self.w, T::ZERO, dx.reborrow());
        gemm(self.scale, de.t(), moved, T::ONE, dw.view_mut());
        if let Kind::Keys { .. } = self.kind {
            let minus_two = T::of(-2.0) * self.scale * self.scale;
            for (r, i) in rows.clone().enumerate() {
                let sum = lanes::sum(&df.s[r * df.stride..][..m]);
                lanes::add_scaled(minus_two * sum, self.x.row(i), dx.row(r));
            }
        }
    }
}

lanes! {
    fn subtract_from_all<T>(a: T, x: &mut [T]) {
        for x in x {
            *x -= a;
        }
    }

    fn larger_of_each<T>(x: &[T], maxima: &mut [T]) {
        for (max, &x) in maxima.iter_mut().zip(x) {
            *max = max.larger(x);
        }
    }

    /// f becomes exp(f - its largest).
    fn exponentials_of_row<T>(f: &mut [T]) {
        let max = lanes::fold(f, T::NEG_INFINITY, |a, b| a.larger(b), |f| f);
        for f in f {
            *f = (*f - max).exp();
        }
    }

    /// e becomes exp(e - c).
    fn exponentials<T>(c: &[T], e: &mut [T]) {
        for (e, &c) in e.iter_mut().zip(c) {
            *e = (*e - c).exp();
        }
    }

    /// E in `cos` becomes height cos E, and height sin E is written.
    fn waves<T>(height: T, cos: &mut [T], sin: &mut [T]) {
        for (cos, sin) in cos.iter_mut().zip(sin) {
            let (s, c) = cos.sin_cos();
            *cos = height * c;
            *sin = height * s;
        }
    }

    /// d cos becomes dE = cos * d sin - sin * d cos.
    fn waves_backward<T>(cos: &[T], sin: &[T], dcos: &mut [T], dsin: &[T]) {
        for (((&cos, &sin), dcos), &dsin) in cos.iter().zip(sin).zip(dcos).zip(dsin) {
            *dcos = cos * dsin - sin * *dcos;
        }
    }
}

/// What backward needs of one head.
struct Head<T: Real> {
    columns: Range<usize>,
    /// Its rows of W.
    w: Range<usize>,
    /// The mean and the maxima of the keys; empty for waves.
    u: Vec<T>,
    c: Vec<T>,
}

impl<T: Real> Head<T> {
    /// The features of its queries and keys.
    fn features<'a>(
        &'a self,
        map: Map,
        kappa: f64,
        [q, k]: [MatRef<'a, T>; 2],
        w: MatRef<'a, T>,
    ) -> [Rows<'a, T>; 2] {
        let (u, c) = (&self.u[..], &self.c[..]);
        let kinds = match map {
            Map::Positive => [Kind::Queries { u, c }, Kind::Keys { u, c }],
            Map::Waves { smoothing } => {
                let height = T::of((kappa / w.rows() as f64).sqrt());
                let smoothing = T::of(smoothing);
                [Kind::Waves { height, smoothing }; 2]
            }
        };
        [Rows::new(q, w, kinds[0]), Rows::new(k, w, kinds[1])]
    }
}

/// The mean of the rows.
fn mean<T: Real>(x: MatRef<'_, T>) -> Vec<T> {
    let mut mean = vec![T::ZERO; x.cols()];
    lanes::add_up(x, &mut mean);
    lanes::scale(T::ONE / T::of(x.rows() as f64), &mut mean);
    mean
}

impl<T: Real, F: Frequencies<T>> Attention<T> for Kl<F> {
    fn shapes(&self, shape: LayerShape) -> Vec<(&'static str, [usize; 2])> {
        self.frequencies.shapes(shape)
    }

    fn parameters(&self, shape: LayerShape, stream: Stream) -> Vec<(&'static str, Tensor<T>)> {
        self.frequencies.parameters(shape, stream)
    }

    fn node<'t>(&self, x: &Inputs<'_, 't, T>) -> Var<'t, T> {
        let w = self.frequencies.node(self.name, x);
        let (tape, map) = (x.v.tape(), self.map);
        let parents = [x.q().node(), x.k().node(), x.v.node(), w.node()];
        let [q, k, v, w] = [x.q(), x.k(), x.v, &w].map(Var::save);
        let m = w.rows() / if F::OF_HEADS { x.heads } else { 1 };
        let mut y = Tensor::stale(v.rows(), v.cols()); // (n, heads p)
        let mut denominators = Tensor::stale(x.heads, v.rows());
        let mut heads = Vec::with_capacity(x.heads);
        for h in 0..x.heads {
            let mut head = Head {
                columns: x.head(h),
                w: if F::OF_HEADS {
                    h * m..(h + 1) * m
                } else {
                    0..m
                },
                u: Vec::new(),
                c: Vec::new(),
            };
            let [q, k, v] = [&q, &k, &v].map(|x| x.cols_in(head.columns.clone())); // (n, p)
            let w = w.view().rows_in(head.w.clone()); // (m, p)
            if map == Map::Positive {
                head.u = mean(k);
                head.c = Rows::new(k, w, Kind::Keys { u: &head.u, c: &[] }).maxima();
            }
            let [mut queries, mut keys] = head.features(map, F::KAPPA, [q, k], w);
            let a = context(&mut keys, v); // (features, p + 1)
            let y = y.view_mut().cols_in(head.columns.clone());
            outputs(&mut queries, &a, y, denominators.row_mut(h));
            heads.push((head, tape.save(&a)));
        }
        let (saved_y, denominators) = (tape.save(&y), tape.save(&denominators));

        tape.record(self.name, parents, y, move |dy| {
            let [mut dq, mut dk, mut dv] = [0; 3].map(|_| Tensor::stale(dy.rows(), dy.cols()));
            let mut dw = Tensor::zeros(w.rows(), w.cols());
            for (h, (head, a)) in heads.into_iter().enumerate() {
                let [q, k, v, y, dy] =
                    [&q, &k, &v, &saved_y, &dy].map(|x| x.cols_in(head.columns.clone()));
                let [dq, dk, dv] =
                    [&mut dq, &mut dk, &mut dv].map(|x| x.view_mut().cols_in(head.columns.clone()));
                let w = w.view().rows_in(head.w.clone());
                let [mut queries, mut keys] = head.features(map, F::KAPPA, [q, k], w);
                let mut dw_of_head = Tensor::zeros(m, w.cols());
                let denominators = denominators.row(h);
                let da =
                    outputs_backward(&mut queries, &a, [y, dy], denominators, dq, &mut dw_of_head);
                context_backward(&mut keys, v, &da, [dk, dv], &mut dw_of_head);
                let p = w.cols();
                lanes::add(
                    dw_of_head.data(),
                    &mut dw.data_mut()[head.w.start * p..head.w.end * p],
                );
            }
            [dq, dk, dv, dw]
        })
    }
}

/// What attention with m frequencies for n tokens and p columns costs, W and what it is made of apart.
pub(super) fn cost(map: Map, m: f64, n: f64, p: f64) -> Cost {
    let features = map.count(m as usize) as f64;
    // The maxima take the products of the keys once more.
    let products = match map {
        Map::Positive => 3.0,
        Map::Waves { .. } => 2.0,
    };
    // y, dq, dk, dv and denominators; W and its gradient, twice; A and its gradient; F and its gradient.
    let numbers = 4.0 * n * p
        + n
        + 3.0 * m * p
        + 2.0 * features * (p + 1.0)
        + 2.0 * features * n.min(TILE_ROWS as f64);
    Cost::new(
        products * n * m * p + 2.0 * n * features * (p + 1.0),
        numbers,
    )
}
