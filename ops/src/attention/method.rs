//! The contract of a method: what it sees of an example ([`Inputs`]), what it does ([`Attention`]), what it claims
//! ([`Laws`], [`Cost`]), and the [`Entry`] under which it is known.

use engine::{Draws, Real, Stream, Tensor, Var};

use crate::dropout::Dropout;
use std::ops::Range;

/// The place of an attention in a model; the names of its draws say it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place {
    /// 0, or 1 for the second document of a pair.
    pub document: usize,
    /// The layer, from 0.
    pub layer: usize,
}

impl Place {
    /// The name of a draw of one head, for example `pilot.doc0.layer1.head0`.
    pub fn draw(&self, what: &str, head: usize) -> String {
        format!("{what}.doc{}.layer{}.head{head}", self.document, self.layer)
    }
}

/// What a method sees of one example: n >= 1 real tokens, no padding, no batch.
pub struct Inputs<'a, 't, T: Real> {
    /// Queries (n, heads p); `None` for a method that does not read them (see [`Attention::reads`]).
    pub q: Option<&'a Var<'t, T>>,
    /// Keys (n, heads p); `None` likewise.
    pub k: Option<&'a Var<'t, T>>,
    /// Values (n, heads p).
    pub v: &'a Var<'t, T>,
    /// The number of heads, at least 1; head h is columns h p .. (h + 1) p.
    pub heads: usize,
    /// The position of every token, rising: 0, 1, 2, ... unless some positions hold no token.
    pub positions: &'a [u32],
    /// The length to which the released code would pad, rows of the position table: no position
    /// reaches it. For the released behaviours that depend on it; nothing is padded here.
    pub padded_length: usize,
    /// The method's own parameters on this tape, as [`Attention::parameters`] listed them.
    pub parameters: &'a [Var<'t, T>],
    /// Where random choices come from.
    pub draws: &'a Draws,
    /// Where in the model this is.
    pub place: Place,
    /// The stream of dropout masks while training, `None` in evaluation.
    pub dropout: Option<Stream>,
}

impl<'a, 't, T: Real> Inputs<'a, 't, T> {
    /// The queries.
    ///
    /// # Panics
    /// If the method's [`Attention::reads`] said that it does not read them.
    pub fn q(&self) -> &'a Var<'t, T> {
        self.q.expect("this method said it reads no queries")
    }

    /// The keys.
    ///
    /// # Panics
    /// If the method's [`Attention::reads`] said that it does not read them.
    pub fn k(&self) -> &'a Var<'t, T> {
        self.k.expect("this method said it reads no keys")
    }

    /// Stops where they do not fit together.
    #[track_caller]
    fn check(&self, reads: Reads) {
        let (n, width) = self.v.shape();
        assert!(n > 0, "attention: there is no token");
        assert!(
            self.heads > 0 && width.is_multiple_of(self.heads),
            "attention: {width} columns are no {} heads",
            self.heads
        );
        for (what, x, read) in [
            ("queries", self.q, reads.queries),
            ("keys", self.k, reads.keys),
        ] {
            let shape = x.map(Var::shape);
            assert!(
                !read || shape == Some((n, width)),
                "attention: {what} are {shape:?}, values ({n}, {width})"
            );
        }
        assert!(
            self.positions.len() == n
                && self.positions.is_sorted_by(|a, b| a < b)
                && (self.positions[n - 1] as usize) < self.padded_length,
            "attention: {} positions for {n} tokens, which have to rise and stay below {}",
            self.positions.len(),
            self.padded_length
        );
    }

    /// The columns of head `h`.
    pub fn head(&self, h: usize) -> Range<usize> {
        let p = self.v.cols() / self.heads;
        h * p..(h + 1) * p
    }

    /// The columns of every head, with its dropout of probabilities: none in evaluation, nor at rate 0.
    pub(crate) fn heads_with_dropout(&self, rate: f64) -> Vec<(Range<usize>, Option<Dropout>)> {
        let stream = self.dropout.filter(|_| rate > 0.0);
        let dropout = |h: usize| stream.map(|stream| Dropout::new(rate, stream.at(h).key()));
        (0..self.heads)
            .map(|h| (self.head(h), dropout(h)))
            .collect()
    }
}

/// Which projections a method reads besides the values; those it does not read are not computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reads {
    /// The queries.
    pub queries: bool,
    /// The keys.
    pub keys: bool,
}

/// The shape of an attention layer, for methods with parameters of their own.
#[derive(Clone, Copy, Debug)]
pub struct LayerShape {
    /// Rows of the position table: no position reaches it.
    pub positions: usize,
    /// The number of heads.
    pub heads: usize,
    /// Columns of a head, p.
    pub head_width: usize,
}

/// An attention method.
pub trait Attention<T: Real>: Send + Sync {
    /// Which projections it reads besides the values.
    fn reads(&self) -> Reads {
        Reads {
            queries: true,
            keys: true,
        }
    }

    /// The names and shapes of [`Attention::parameters`], before these are made.
    fn shapes(&self, shape: LayerShape) -> Vec<(&'static str, [usize; 2])> {
        let _ = shape;
        Vec::new()
    }

    /// Its own parameters for one layer, by name below the layer's attention, at their initial values.
    fn parameters(&self, shape: LayerShape, stream: Stream) -> Vec<(&'static str, Tensor<T>)> {
        let _ = (shape, stream);
        Vec::new()
    }

    /// Whether its own parameter of this name is trained. One that is not is a constant: drawn with the model and
    /// stored with its weights, but no parent of its node, and never changed by the optimiser. Choices that are made
    /// once for a layer, also of indices, are such constants.
    fn trains(&self, parameter: &str) -> bool {
        let _ = parameter;
        true
    }

    /// Whether it turns queries and keys by their positions itself, where a model would do so before it
    /// ([`rotary`](mod@crate::rotary)).
    fn rotates(&self) -> bool {
        false
    }

    /// Whether the features suffice for an example of `n` tokens: whatever is drawn, the output is that of softmax
    /// attention. Never true without the law [`Laws::exact_at_full_budget`].
    fn reaches(&self, n: usize, padded_length: usize) -> bool {
        let _ = (n, padded_length);
        false
    }

    /// The output (n, heads p).
    ///
    /// # Panics
    /// If the inputs are not as the fields of [`Inputs`] say.
    #[track_caller]
    fn forward<'t>(&self, x: &Inputs<'_, 't, T>) -> Var<'t, T> {
        x.check(self.reads());
        self.node(x)
    }

    /// What [`Attention::forward`] puts on the tape, of inputs that fit together.
    fn node<'t>(&self, x: &Inputs<'_, 't, T>) -> Var<'t, T>;
}

/// The settings from which every method takes what it needs.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// d >= 1: samples, landmarks, projected rows or random features.
    pub features: usize,
    /// The rate of dropout on attention probabilities, from 0 to below 1: for softmax and s3, and for
    /// kernelized as it was released.
    pub dropout: f64,
    /// Follow the released code where it differs from the method within one example (protocol `paper`).
    pub released: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            features: 256,
            dropout: 0.0,
            released: false,
        }
    }
}

/// What a method claims; the suite checks it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Laws {
    /// Every output row is a weighted mean of value rows: equal values come out as they are.
    pub rows_sum_to_one: bool,
    /// With as many features as tokens it equals softmax attention, and says so ([`Attention::reaches`]). Not of
    /// softmax itself, which has no features.
    pub exact_at_full_budget: bool,
    /// Memory of forward and backward grows like n.
    pub linear_memory: bool,
    /// Time of forward and backward grows like n.
    pub linear_time: bool,
    /// Two evaluations with different draws differ.
    pub random: bool,
}

/// What one head costs, as a function of the tokens n, the head's columns p and d.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// Multiply-adds of forward: matrix products and sampled dots, not exponentials. Backward takes
    /// two to three times as many.
    pub multiply_adds: f64,
    /// The peak of bytes in f32 during forward and backward, without q, k, v and dy and tiles of a fixed size. Holds for
    /// d far above n, too.
    pub bytes: f64,
}

impl Cost {
    /// From multiply-adds and the count of numbers held.
    pub(super) fn new(multiply_adds: f64, numbers: f64) -> Cost {
        Cost {
            multiply_adds,
            bytes: 4.0 * numbers,
        }
    }
}

/// One line of the registry.
pub struct Entry<T: Real> {
    /// The name for `--attn`.
    pub name: &'static str,
    /// One line for lists and help.
    pub about: &'static str,
    /// Paper and equation.
    pub cites: &'static str,
    /// What it claims.
    pub laws: Laws,
    /// How its time grows, leading terms.
    pub time: &'static str,
    /// What one head costs with these options, n tokens and p columns: `cost(options, n, p)`.
    pub cost: fn(&Options, f64, f64) -> Cost,
    /// Makes the method; called by [`Entry::method`].
    pub build: fn(&Options) -> Box<dyn Attention<T>>,
}

impl<T: Real> Entry<T> {
    /// The method with these options.
    ///
    /// # Panics
    /// If there are no features, or the rate of dropout is not from 0 to below 1.
    #[track_caller]
    pub fn method(&self, options: &Options) -> Box<dyn Attention<T>> {
        assert!(options.features > 0, "{}: at least 1 feature", self.name);
        assert!(
            (0.0..1.0).contains(&options.dropout),
            "{}: a rate of dropout from 0 to below 1, not {}",
            self.name,
            options.dropout
        );
        (self.build)(options)
    }

    /// The bytes of f32 that one head of n tokens and p columns takes, forward and backward: those of its cost, and its
    /// own parameters with their gradient.
    ///
    /// # Panics
    /// As [`Entry::method`].
    pub fn bytes(&self, options: &Options, n: usize, p: usize) -> f64 {
        let shapes = self.method(options).shapes(LayerShape {
            positions: n,
            heads: 1,
            head_width: p,
        });
        let size = |[rows, cols]: [usize; 2]| rows as f64 * cols as f64;
        let own: f64 = shapes.iter().map(|(_, shape)| size(*shape)).sum();
        (self.cost)(options, n as f64, p as f64).bytes + 8.0 * own
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attention::find;
    use engine::{Seed, Tape};

    /// Softmax over q, k and v of these shapes.
    fn softmax_of(shapes: [(usize, usize); 3], heads: usize, positions: &[u32]) {
        let tape = Tape::<f64>::new();
        let [q, k, v] = shapes.map(|(n, cols)| tape.leaf("x", Tensor::zeros(n, cols)));
        let method = find("softmax").unwrap().method(&Options::default());
        method.forward(&Inputs {
            q: Some(&q),
            k: Some(&k),
            v: &v,
            heads,
            positions,
            padded_length: 8,
            parameters: &[],
            draws: &Draws::live(Seed(1).stream("draws")),
            place: Place::default(),
            dropout: None,
        });
    }

    #[test]
    #[should_panic(expected = "attention: 7 columns are no 2 heads")]
    fn columns_that_are_no_heads() {
        softmax_of([(3, 7); 3], 2, &[0, 1, 2]);
    }

    #[test]
    #[should_panic(expected = "attention: keys are Some((2, 6)), values (3, 6)")]
    fn keys_of_another_length() {
        softmax_of([(3, 6), (2, 6), (3, 6)], 2, &[0, 1, 2]);
    }

    #[test]
    #[should_panic(expected = "attention: there is no token")]
    fn no_token() {
        softmax_of([(0, 6); 3], 2, &[]);
    }

    #[test]
    #[should_panic(expected = "attention: 3 positions for 3 tokens, which have to rise")]
    fn positions_beyond_the_padded_length() {
        softmax_of([(3, 6); 3], 2, &[0, 1, 8]);
    }

    #[test]
    #[should_panic(expected = "skein: at least 1 feature")]
    fn no_features() {
        find::<f32>("skein").unwrap().method(&Options {
            features: 0,
            ..Options::default()
        });
    }
}
