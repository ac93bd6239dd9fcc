//! The encoder: embeddings, pre-norm layers around an attention, a last norm.
//!
//! One document, n real tokens, no padding:
//!
//! ```text
//! X = drop(words[tokens] + places[positions])                          (n, dim), places if there is a table
//! X = X + drop(attention(smooth(norm(X))) W_oᵀ + b_o)                  every layer, smooth if there is a smoother
//! X = X + drop(drop(gelu(norm(X) W_1ᵀ + b_1)) W_2ᵀ + b_2)
//! X = norm(X)
//! ```
//!
//! Parameters have the reference's names, `model.transformer_0.mha.W_q.weight` and so on. The queries and keys of a
//! method that reads none (V-Mean) are not computed; their parameters are there all the same, as in the reference.

use engine::{Bound, Draws, ParamId, Real, Stream, Var};
use ops::Dropout;
use ops::attention::{Attention, Inputs, Place};

use crate::config::{ModelConfig, Places};
use crate::document::Document;
use crate::parts::{Initialiser, Linear, Norm};
use crate::smoother::Smoother;

/// The handles of an encoder's parameters.
pub(crate) struct Encoder {
    words: ParamId,
    /// None where no table says where tokens stand.
    places: Option<ParamId>,
    layers: Vec<Layer>,
    norm: Norm,
}

struct Layer {
    norm1: Norm,
    smoother: Option<Smoother>,
    query: Linear,
    key: Linear,
    value: Linear,
    /// The method's own.
    own: Vec<ParamId>,
    output: Linear,
    norm2: Norm,
    widen: Linear,
    narrow: Linear,
}

/// What one pass of one document needs beside the numbers.
pub(crate) struct Pass<'a, 't, T: Real> {
    pub(crate) config: &'a ModelConfig,
    pub(crate) method: &'a dyn Attention<T>,
    pub(crate) bound: &'a Bound<'t, T>,
    pub(crate) draws: &'a Draws,
    /// 0, or 1 for the second document of a pair.
    pub(crate) which: usize,
    /// The document's stream of dropout masks while training.
    pub(crate) dropout: Option<Stream>,
}

impl<'t, T: Real> Pass<'_, 't, T> {
    /// Dropout at the place called `site` below `stream`.
    fn drop(&self, x: Var<'t, T>, stream: Option<Stream>, site: &str) -> Var<'t, T> {
        let rate = self.config.dropout;
        let stream = stream.filter(|_| rate > 0.0);
        ops::dropout(
            x,
            stream.map(|stream| Dropout::new(rate, stream.stream(site).key())),
        )
    }
}

impl Encoder {
    pub(crate) fn start<T: Real>(
        start: &mut Initialiser<'_, T>,
        config: &ModelConfig,
        method: &dyn Attention<T>,
    ) -> Encoder {
        let dim = config.dim;
        Encoder {
            words: start.table(
                "model.embeddings.word_embeddings.weight",
                config.vocabulary,
                dim,
            ),
            places: {
                let name = "model.embeddings.position_embeddings.weight";
                let positions = config.positions;
                match config.places {
                    Places::Learned => Some(start.table(name, positions, dim)),
                    Places::Sines => Some(start.sines(name, positions, 1, dim)),
                    Places::Sines2d => Some(start.sines(name, positions.isqrt(), 2, dim)),
                    Places::Rotary | Places::None => None,
                }
            },
            layers: (0..config.layers)
                .map(|layer| {
                    Layer::start(start, &format!("model.transformer_{layer}"), config, method)
                })
                .collect(),
            norm: start.norm("model.norm", dim),
        }
    }

    /// The vectors of the tokens, (n, dim).
    pub(crate) fn forward<'t, T: Real>(
        &self,
        pass: &Pass<'_, 't, T>,
        document: &Document,
    ) -> Var<'t, T> {
        let words = &pass.bound[self.words];
        let (tokens, positions) = (&document.tokens, &document.positions);
        let x = match self.places {
            Some(places) => ops::embedding(tokens, positions, words, &pass.bound[places]),
            None => ops::gather(words, tokens),
        }; // (n, dim)
        let mut x = pass.drop(x, pass.dropout, "embedding");
        for (number, layer) in self.layers.iter().enumerate() {
            x = layer.forward(pass, &document.positions, number, x);
        }
        self.norm.apply(pass.bound, &x)
    }
}

impl Layer {
    fn start<T: Real>(
        start: &mut Initialiser<'_, T>,
        name: &str,
        config: &ModelConfig,
        method: &dyn Attention<T>,
    ) -> Layer {
        let dim = config.dim;
        let shape = config.layer_shape();
        let attention = format!("{name}.mha.attn");
        Layer {
            norm1: start.norm(&format!("{name}.norm1"), dim),
            smoother: config.smoother.map(|form| {
                let name = format!("{name}.mha.smoother");
                Smoother::start(start, &name, form, config.positions, dim)
            }),
            query: start.linear(&format!("{name}.mha.W_q"), dim, dim),
            key: start.linear(&format!("{name}.mha.W_k"), dim, dim),
            value: start.linear(&format!("{name}.mha.W_v"), dim, dim),
            own: method
                .parameters(shape, start.stream.stream(&attention))
                .into_iter()
                .map(|(own, value)| {
                    let id = start.params.add(format!("{attention}.{own}"), value);
                    if !method.trains(own) {
                        start.params.freeze(id);
                    }
                    id
                })
                .collect(),
            output: start.linear(&format!("{name}.mha.ff"), dim, dim),
            norm2: start.norm(&format!("{name}.norm2"), dim),
            widen: start.linear(&format!("{name}.mlpblock.0"), dim, config.hidden),
            narrow: start.linear(&format!("{name}.mlpblock.3"), config.hidden, dim),
        }
    }

    fn forward<'t, T: Real>(
        &self,
        pass: &Pass<'_, 't, T>,
        positions: &[u32],
        number: usize,
        x: Var<'t, T>,
    ) -> Var<'t, T> {
        let dropout = pass.dropout.map(|document| document.at(number));
        // The branch's memory takes the sum: `branch + &x` writes into it.
        let branch = self.attend(pass, positions, number, &x, dropout); // (n, dim)
        let x = pass.drop(branch, dropout, "attention-output") + &x;

        let hidden = self
            .widen
            .apply(pass.bound, &self.norm2.apply(pass.bound, &x)); // (n, hidden)
        let hidden = pass.drop(ops::gelu(hidden), dropout, "hidden");
        let branch = self.narrow.apply(pass.bound, &hidden); // (n, dim)
        pass.drop(branch, dropout, "feed-forward-output") + &x
    }

    fn attend<'t, T: Real>(
        &self,
        pass: &Pass<'_, 't, T>,
        positions: &[u32],
        number: usize,
        x: &Var<'t, T>,
        dropout: Option<Stream>,
    ) -> Var<'t, T> {
        let bound = pass.bound;
        let mut x = self.norm1.apply(bound, x); // (n, dim)
        if let Some(smoother) = &self.smoother {
            x = pass.drop(smoother.apply(bound, positions, &x), dropout, "smoother");
        }
        let reads = pass.method.reads();
        let turns = pass.config.places == Places::Rotary && !pass.method.rotates();
        let projected = |by: Linear| match (by.apply(bound, &x), turns) {
            (x, true) => ops::rotary(&x, pass.config.heads, positions),
            (x, false) => x,
        };
        let q = reads.queries.then(|| projected(self.query)); // (n, heads p)
        let k = reads.keys.then(|| projected(self.key)); // (n, heads p)
        let v = self.value.apply(bound, &x); // (n, heads p)
        let own: Vec<Var<'t, T>> = self.own.iter().map(|&id| bound[id].clone()).collect();
        let mixed = pass.method.forward(&Inputs {
            q: q.as_ref(),
            k: k.as_ref(),
            v: &v,
            heads: pass.config.heads,
            positions,
            padded_length: pass.config.positions,
            parameters: &own,
            draws: pass.draws,
            place: Place {
                document: pass.which,
                layer: number,
            },
            dropout: dropout.map(|layer| layer.stream("attention-probabilities")),
        }); // (n, heads p)
        self.output.apply(bound, &mixed)
    }
}
