//! The estimator of Spexphormer (Shirzad et al. 2024, stage 1) on a sequence: attention along all edges of a sparse
//! graph whose scores a wide network is to sample from.
//!
//! Row i has edges to the keys j of a list N_i, in which a key may come more than once, each edge with a type τ: 0, the
//! window |i - j| <= w without i; 1, the ends π(i) and π⁻¹(i) of e random permutations (which may be loops); 2, i itself.
//! With numbers σ_τ and β_τ of each type, a temperature θ and u_j = v_j / |v_j|,
//!
//! ```text
//! l_ij = q_i · k_j / √p        x = (σ_τ l + β_τ) / θ        a_ij = exp(x clamped to ±8)
//! z_i  = sum over N_i of a_ij + 1e-6                        y_i  = sum over N_i of (a_ij / z_i) ν u_j
//! ```
//!
//! Values are normalised, so that a small value cannot hide behind a large weight, and have one learned length ν: what
//! is seen of a key is its weight. Learned, of the layer: `v_scale` ν, which starts at 0.25, `edge_scale` σ and
//! `edge_bias` β. Backwards, per edge,
//!
//! ```text
//! da = (dy_i · ν u_j - dy_i · y_i) / z_i        dx = a da where |x| <= 8, else 0        dl = dx σ_τ / θ
//! dσ_τ += dx l / θ        dβ_τ += dx / θ        dq_i += dl k_j / √p        dk_j += dl q_i / √p
//! dU_j += (a / z_i) dy_i        dν = sum_j dU_j · u_j        dv_j = ν (dU_j - (dU_j · u_j) u_j) / |v_j|
//! ```
//!
//! A value that is 0 has u = 0 and no gradient. Rows sum to ν at most, not to one.
//!
//! `spex-estimator` has a graph of its own for every example, of its tokens: draw `permutations` (e, n), one for all
//! heads. `spex-estimator-fixed` has one of the N positions, the same for all examples: the layer's constant
//! `permutations` (e, N), and the window, join positions, and edges to those that hold no token in an example do not
//! exist there. Of such a graph scores can be averaged over examples, for the second stage to draw from
//! ([`super::spexphormer`]): noted are `scores` (n, c) for each head, the shares a_ij / z_i, whose columns
//! [`SpexEstimator::keys`] names; 0 where there is no edge.
//!
//! *What is adapted.* The original runs on one given graph, whose edges are type 0: the window takes their place. Its
//! network has 1 head of width 4: `--dim 4 --heads 1`, where the maps between the layers stay as wide as `--hidden` says.
//! Its σ_τ is the sum of a type's learned embedding; here that number is learned itself and starts at 1, β at 0. It
//! cools θ from 1 to 0.05 over the epochs; here θ is a field of the method, 1.
//!
//! w = d/4, e = d/8, as in [`super::spexphormer`].

use std::ops::Range;

use engine::gemm::count_multiply_adds;
use engine::lanes::{fold, short_inner, short_sum};
use engine::{MatMut, MatRef, Real, Stream, Tensor, Var, lanes};

use super::graph::{Expander, NONE, dots, mix, near, permutations, spread, window_edges};
use super::{Attention, Cost, Entry, Inputs, Laws, LayerShape, Options};

/// Exponents are clamped to plus and minus this.
const CLAMP: f64 = 8.0;
/// Added to the sum of weights.
const EPSILON: f64 = 1e-6;
/// Types of edges: window, expander, loop.
const TYPES: usize = 3;

/// Attention along all edges of window, expander and loops.
#[derive(Clone, Copy, Debug)]
pub struct SpexEstimator {
    /// w: keys of the window to either side.
    pub window: usize,
    /// e: random permutations.
    pub permutations: usize,
    /// θ > 0.
    pub temperature: f64,
    /// Whether the graph is one of positions, the same for all examples.
    pub fixed: bool,
}

/// Who sees whom in an example of n tokens.
struct Graph {
    n: usize,
    /// Of the tokens, in a graph of positions; else their numbers.
    positions: Vec<u32>,
    window: usize,
    expander: Expander,
}

/// The edges of one row.
#[derive(Default)]
struct Edges {
    keys: Vec<u32>,
    /// Where the edges of each type are.
    types: [Range<usize>; TYPES],
}

impl Graph {
    fn of<T: Real>(method: &SpexEstimator, x: &Inputs<'_, '_, T>) -> Graph {
        let n = x.v.rows();
        let (positions, expander, length) = if method.fixed {
            let permutations = x.parameters[3].value(); // (e, N)
            let expander = Expander::fixed(permutations, x.positions);
            (x.positions.to_vec(), expander, permutations.cols())
        } else {
            let positions = (0..n as u32).collect();
            (positions, Expander::draw(x, method.permutations), n)
        };
        Graph {
            n,
            positions,
            window: method.reach(length),
            expander,
        }
    }

    /// All edges. (That of the window from a row to itself is the loop.)
    fn count(&self) -> u64 {
        let near = (0..self.n).map(|i| near(&self.positions, i, self.window).len() as u64);
        near.sum::<u64>() + self.expander.edges() as u64
    }

    /// c, columns of the noted scores: the window with the loop in its middle, then the ends.
    fn columns(&self) -> usize {
        2 * self.window + 1 + self.expander.most_ends()
    }

    /// The columns of the edges of row i, in the order of [`Graph::edges`].
    fn columns_of(&self, i: usize) -> impl Iterator<Item = usize> {
        let (w, at) = (self.window, |i: usize| self.positions[i] as usize);
        let near = near(&self.positions, i, w).map(|j| j as usize);
        let near = near.filter(move |&j| j != i);
        let near = near.map(move |j| w + at(j) - at(i));
        let ends = self.expander.numbered_ends(i);
        let ends = ends.map(move |(number, _)| 2 * w + 1 + number);
        near.chain(ends).chain([w])
    }

    /// Those of row i, whose ends are given.
    fn edges(&self, i: usize, ends: &[u32], edges: &mut Edges) {
        let keys = &mut edges.keys;
        let near = near(&self.positions, i, self.window);
        keys.clear();
        keys.extend(near.start..i as u32);
        keys.extend(i as u32 + 1..near.end);
        let window = keys.len();
        keys.extend(ends.iter().filter(|&&end| end != NONE));
        let ends = keys.len();
        keys.push(i as u32);
        edges.types = [0..window, window..ends, ends..ends + 1];
    }
}

/// σ / θ and β / θ by type.
#[derive(Clone, Copy)]
struct Types<T> {
    scale: [T; TYPES],
    bias: [T; TYPES],
}

impl SpexEstimator {
    /// With a budget of d.
    pub fn new(features: usize, fixed: bool) -> SpexEstimator {
        SpexEstimator {
            window: features / 4,
            permutations: (features / 8).max(1),
            temperature: 1.0,
            fixed,
        }
    }

    /// w, as far as it reaches among so many positions.
    fn reach(&self, length: usize) -> usize {
        self.window.min(length - 1)
    }

    /// The positions of the keys whose scores are noted, (N, c), in a graph with the constants `permutations` (e, N); a
    /// key may come more than once in a row. Where a window ends at the first or last position there is no edge, and in
    /// place of a key the position of the row.
    pub fn keys<T: Real>(&self, permutations: &Tensor<T>) -> Vec<u32> {
        let length = permutations.cols();
        let positions: Vec<u32> = (0..length as u32).collect();
        let graph = Graph {
            n: length,
            window: self.reach(length),
            expander: Expander::fixed(permutations, &positions),
            positions,
        };
        let columns = graph.columns();
        let (mut ends, mut edges) = (graph.expander.ends(), Edges::default());
        let mut keys = Vec::with_capacity(length * columns);
        for i in 0..length {
            let start = keys.len();
            keys.resize(start + columns, i as u32);
            graph.edges(i, ends.of(i), &mut edges);
            for (column, &key) in graph.columns_of(i).zip(&edges.keys) {
                keys[start + column] = key;
            }
        }
        keys
    }

    fn types<T: Real>(&self, [scale, bias]: [&Tensor<T>; 2]) -> Types<T> {
        let by_type =
            |x: &Tensor<T>| std::array::from_fn(|t| x.data()[t] / T::of(self.temperature));
        Types {
            scale: by_type(scale),
            bias: by_type(bias),
        }
    }
}

/// The values of one head as u (n, p), and 1 / |v| of each; both 0 for a value that is 0.
fn directions<T: Real>(v: MatRef<'_, T>) -> (Tensor<T>, Vec<T>) {
    let mut u = Tensor::from_view(v);
    let mut inverses = Vec::with_capacity(v.rows());
    for j in 0..v.rows() {
        let length = lanes::dot(v.row(j), v.row(j)).sqrt();
        let inverse = if length > T::ZERO {
            T::ONE / length
        } else {
            T::ZERO
        };
        lanes::scale(inverse, u.row_mut(j));
        inverses.push(inverse);
    }
    (u, inverses)
}

/// l, x and a of the edges of one row.
#[derive(Default)]
struct Row<T> {
    l: Vec<T>,
    x: Vec<T>,
    a: Vec<T>,
}

impl<T: Real> Row<T> {
    /// Fills them in; the result is z.
    #[inline(always)]
    fn weigh(&mut self, edges: &Edges, types: &Types<T>, q: &[T], k: MatRef<'_, T>) -> T {
        let scale = T::ONE / T::of(q.len() as f64).sqrt();
        for x in [&mut self.l, &mut self.x, &mut self.a] {
            x.resize(edges.keys.len(), T::ZERO);
        }
        dots(scale, q, k, &edges.keys, &mut self.l);
        for (range, (&scale, &bias)) in edges.types.iter().zip(types.scale.iter().zip(&types.bias))
        {
            for (x, &l) in self.x[range.clone()].iter_mut().zip(&self.l[range.clone()]) {
                *x = scale * l + bias;
            }
        }
        for (a, &x) in self.a.iter_mut().zip(&self.x) {
            let x = x.larger(T::of(-CLAMP));
            *a = (if x > T::of(CLAMP) { T::of(CLAMP) } else { x }).exp();
        }
        fold(&self.a, T::ZERO, |a, b| a + b, |a| a) + T::of(EPSILON)
    }
}

lanes! {
    /// Writes a / z of every edge of one head to its column, (n, c).
    fn shares<T>(graph: &Graph, types: &Types<T>, q: MatRef<'_, T>, k: MatRef<'_, T>, out: &mut [f64]) {
        let (mut ends, mut edges, mut row) = (graph.expander.ends(), Edges::default(), Row::default());
        for (i, out) in out.chunks_exact_mut(graph.columns()).enumerate() {
            graph.edges(i, ends.of(i), &mut edges);
            let share = T::ONE / row.weigh(&edges, types, q.row(i), k);
            for (column, &a) in graph.columns_of(i).zip(&row.a) {
                out[column] = (a * share).f64();
            }
        }
    }

    /// Writes y (n, p) of one head; x is (q, k, u).
    fn attend<T>(graph: &Graph, types: &Types<T>, length: T, x: [MatRef<'_, T>; 3], y: MatMut<'_, T>) {
        let ([q, k, u], mut y) = (x, y);
        let (mut ends, mut edges, mut row) = (graph.expander.ends(), Edges::default(), Row::default());
        for i in 0..graph.n {
            graph.edges(i, ends.of(i), &mut edges);
            let share = length / row.weigh(&edges, types, q.row(i), k);
            for a in row.a.iter_mut() {
                *a *= share;
            }
            mix(&row.a, u, &edges.keys, y.row(i));
        }
    }

    /// Writes dq, adds to dk and to dU (n, p), and to dσ and dβ by type.
    fn attend_backward<T>(
        graph: &Graph,
        types: &Types<T>,
        length: T,
        x: [MatRef<'_, T>; 3],
        output: [MatRef<'_, T>; 2],
        gradients: [MatMut<'_, T>; 3],
        by_type: &mut [[f64; TYPES]; 2],
    ) {
        let ([q, k, u], [y, dy], [mut dq, mut dk, mut du]) = (x, output, gradients);
        let scale = T::ONE / T::of(q.cols() as f64).sqrt();
        let (mut ends, mut edges) = (graph.expander.ends(), Edges::default());
        let (mut row, mut d) = (Row::default(), Vec::new());
        for i in 0..graph.n {
            graph.edges(i, ends.of(i), &mut edges);
            let (keys, q, dy) = (&edges.keys, q.row(i), dy.row(i));
            let share = T::ONE / row.weigh(&edges, types, q, k);
            d.resize(keys.len(), T::ZERO);
            dots(length, dy, u, keys, &mut d);
            let inner = short_inner(dy, y.row(i));
            for ((d, a), &x) in d.iter_mut().zip(&mut row.a).zip(&row.x) {
                *a *= share; // a / z
                let slope = if x.abs() <= T::of(CLAMP) { *a } else { T::ZERO };
                *d = slope * (*d - inner); // dx
            }
            spread(&row.a, dy, keys, &mut du);
            for (t, range) in edges.types.iter().enumerate() {
                let (d, l) = (&mut d[range.clone()], &row.l[range.clone()]);
                by_type[0][t] += short_inner(d, l).f64();
                by_type[1][t] += short_sum(d).f64();
                for d in d {
                    *d *= types.scale[t] * scale; // dl / √p
                }
            }
            mix(&d, k, keys, dq.row(i));
            spread(&d, q, keys, &mut dk);
        }
    }

    /// dU becomes dv; the result is dν.
    fn directions_backward<T>(length: T, u: &Tensor<T>, inverses: &[T], d: MatMut<'_, T>) -> T {
        let (mut d, mut sum) = (d, T::ZERO);
        for (j, &inverse) in inverses.iter().enumerate() {
            let (u, d) = (u.row(j), d.row(j));
            let along = short_inner(u, d);
            sum += along;
            for (d, &u) in d.iter_mut().zip(u) {
                *d = length * inverse * (*d - along * u);
            }
        }
        sum
    }
}

impl<T: Real> Attention<T> for SpexEstimator {
    fn shapes(&self, shape: LayerShape) -> Vec<(&'static str, [usize; 2])> {
        let mut shapes = vec![
            ("v_scale", [1, 1]),
            ("edge_scale", [1, TYPES]),
            ("edge_bias", [1, TYPES]),
        ];
        if self.fixed {
            shapes.push(("permutations", [self.permutations, shape.positions]));
        }
        shapes
    }

    fn parameters(&self, shape: LayerShape, stream: Stream) -> Vec<(&'static str, Tensor<T>)> {
        let mut parameters = vec![
            ("v_scale", Tensor::scalar(T::of(0.25))),
            ("edge_scale", Tensor::filled(1, TYPES, T::ONE)),
            ("edge_bias", Tensor::zeros(1, TYPES)),
        ];
        if self.fixed {
            let generator = &mut stream.stream("permutations").generator();
            let numbers = permutations(self.permutations, shape.positions, generator);
            let numbers: Vec<T> = numbers.into_iter().map(|p| T::of(p.into())).collect();
            let numbers = Tensor::from_slice(self.permutations, shape.positions, &numbers);
            parameters.push(("permutations", numbers));
        }
        parameters
    }

    fn trains(&self, parameter: &str) -> bool {
        parameter != "permutations"
    }

    fn node<'t>(&self, x: &Inputs<'_, 't, T>) -> Var<'t, T> {
        let [v_scale, edge_scale, edge_bias] = [0, 1, 2].map(|i| &x.parameters[i]);
        let parents = [x.q(), x.k(), x.v, v_scale, edge_scale, edge_bias].map(Var::node);
        let tape = x.v.tape();
        let [q, k, v] = [x.q(), x.k(), x.v].map(Var::save);
        let types = self.types([edge_scale.value(), edge_bias.value()]);
        let length = v_scale.value().item();
        let heads: Vec<_> = (0..x.heads).map(|h| x.head(h)).collect();
        let (n, width) = v.shape();
        let graph = Graph::of(self, x);

        let mut y = Tensor::stale(n, width); // (n, heads p)
        for (h, head) in heads.iter().enumerate() {
            let [q, k, v] = [&q, &k, &v].map(|x| x.cols_in(head.clone())); // (n, p)
            x.draws.note(&x.place.draw("scores", h), || {
                let mut scores = vec![0.0; n * graph.columns()];
                shares(&graph, &types, q, k, &mut scores);
                scores
            });
            let (u, _) = directions(v); // (n, p)
            attend(
                &graph,
                &types,
                length,
                [q, k, u.view()],
                y.view_mut().cols_in(head.clone()),
            );
            count_multiply_adds(2 * graph.count() * head.len() as u64);
        }
        let saved_y = tape.save(&y);

        let temperature = self.temperature;
        tape.record("spex-estimator", parents, y, move |dy| {
            let mut dq = Tensor::stale(n, width);
            let [mut dk, mut dv] = [0; 2].map(|_| Tensor::zeros(n, width));
            let (mut dlength, mut by_type) = (T::ZERO, [[0.0; TYPES]; 2]);
            for head in heads {
                let [q, k, v, y, dy] = [&q, &k, &v, &saved_y, &dy].map(|x| x.cols_in(head.clone()));
                let [dq, dk, mut dv] =
                    [&mut dq, &mut dk, &mut dv].map(|x| x.view_mut().cols_in(head.clone()));
                let (u, inverses) = directions(v);
                let (x, gradients) = ([q, k, u.view()], [dq, dk, dv.reborrow()]); // dU, to begin with
                attend_backward(&graph, &types, length, x, [y, dy], gradients, &mut by_type);
                count_multiply_adds(5 * graph.count() * head.len() as u64);
                dlength += directions_backward(length, &u, &inverses, dv);
            }
            let [dscale, dbias] = by_type.map(|by_type| {
                let d = by_type.map(|d| T::of(d / temperature));
                Tensor::from_slice(1, TYPES, &d)
            });
            [dq, dk, dv, Tensor::scalar(dlength), dscale, dbias]
        })
    }
}

const LAWS: Laws = Laws {
    rows_sum_to_one: false,
    exact_at_full_budget: false,
    linear_memory: true,
    linear_time: true,
    random: true,
};

/// Of all edges, whichever graph they are of.
fn cost(options: &Options, n: f64, p: f64) -> Cost {
    let method = SpexEstimator::new(options.features, false);
    let ends = 2.0 * n * method.permutations as f64;
    let edges = window_edges(n, method.window as f64) + ends;
    Cost::new(2.0 * edges * p, ends + n * (5.0 * p + 2.0))
}

/// `spex-estimator`.
pub fn entry<T: Real>() -> Entry<T> {
    Entry {
        name: "spex-estimator",
        about: "clamped scores along all edges of a window and an expander",
        cites: "Shirzad et al. 2024 (Spexphormer), the network that estimates",
        laws: LAWS,
        time: "n d p",
        cost,
        build: |options| Box::new(SpexEstimator::new(options.features, false)),
    }
}

/// `spex-estimator-fixed`.
pub fn entry_fixed<T: Real>() -> Entry<T> {
    Entry {
        name: "spex-estimator-fixed",
        about: "clamped scores on one graph of the positions, for spex-static",
        laws: Laws {
            random: false,
            ..LAWS
        },
        build: |options| Box::new(SpexEstimator::new(options.features, true)),
        ..entry()
    }
}
