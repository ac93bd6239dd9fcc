//! The Fourier half of S3Attention (Wang et al. 2024, algorithm 2): what every row passes before it is projected to
//! queries, keys and values, so that one layer sees the whole sequence.
//!
//! x (n, H), on a ring of N places, N the power of two that holds the padded length:
//!
//! ```text
//! m = fourier_filter(x; L)                        r segments of columns, L learned            (n, H)
//! z = convolution([m, x]; stem)                   k neighbouring tokens, 2 H to H columns     (n, H)
//! h = drop(f(position_norm(z; gain, bias)))                                                   (n, H)
//! ```
//!
//! | | as in the paper | as released |
//! | --- | --- | --- |
//! | r | 8 | H: no segments |
//! | k | 3 | 1 |
//! | f | ReLU | ELU |
//! | L starts from | N(0, 1 / H) | U(-a, a), a = √(3 / H) |
//!
//! The norm is the batch norm of the original, with a channel a position, for a batch of one: examples do not see each
//! other here, and evaluation does what training does. "Neighbouring" is by token, not by position.

use engine::{Bound, ParamId, Real, Tensor, Var};
use ops::fourier::OnRing;

use crate::parts::Initialiser;

/// The two forms of the smoother, which differ as the table of the module's page says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As in the paper.
    Paper,
    /// As in the code that was released with it.
    Released,
}

impl Form {
    /// r, of `columns` columns.
    fn segments(self, columns: usize) -> usize {
        match self {
            Form::Paper => (1..=8)
                .rev()
                .find(|r| columns.is_multiple_of(*r))
                .unwrap_or(1),
            Form::Released => columns,
        }
    }

    /// k.
    fn taps(self) -> usize {
        match self {
            Form::Paper => 3,
            Form::Released => 1,
        }
    }
}

/// The handles of a smoother's parameters.
pub(crate) struct Smoother {
    form: Form,
    /// N.
    places: usize,
    filter: [ParamId; 2],
    stem: ParamId,
    stem_bias: ParamId,
    gain: ParamId,
    bias: ParamId,
}

/// N for so many positions.
fn places(positions: usize) -> usize {
    positions.next_power_of_two()
}

/// How many numbers the parameters of one hold, for so many positions and columns.
pub(crate) fn numbers(form: Form, positions: f64, columns: f64) -> f64 {
    // The next power of two, in f64, since the count may not fit into an integer.
    let places = positions.log2().ceil().exp2();
    let stem = 2.0 * form.taps() as f64 * columns * columns + columns;
    (places + 2.0) * columns + stem + 2.0 * places
}

impl Smoother {
    pub(crate) fn start<T: Real>(
        start: &mut Initialiser<'_, T>,
        name: &str,
        form: Form,
        positions: usize,
        columns: usize,
    ) -> Self {
        let places = places(positions);
        let frequencies = places / 2 + 1;
        let deviation = (columns as f64).sqrt().recip();
        let mut filter = |part: &str| {
            let name = format!("{name}.filter_{part}");
            match form {
                Form::Paper => start.normal(name, frequencies, columns, deviation),
                Form::Released => {
                    start.uniform(name, frequencies, columns, 3f64.sqrt() * deviation)
                }
            }
        };
        let filter = [filter("re"), filter("im")];
        let inputs = 2 * columns * form.taps();
        let bound = (inputs as f64).sqrt().recip();
        Smoother {
            form,
            places,
            filter,
            stem: start.uniform(format!("{name}.stem"), inputs, columns, bound),
            stem_bias: start.uniform(format!("{name}.stem_bias"), 1, columns, bound),
            gain: start
                .params
                .add(format!("{name}.gain"), Tensor::filled(places, 1, T::ONE)),
            bias: start
                .params
                .add(format!("{name}.bias"), Tensor::zeros(places, 1)),
        }
    }

    /// h before dropout.
    pub(crate) fn apply<'t, T: Real>(
        &self,
        bound: &Bound<'t, T>,
        positions: &[u32],
        x: &Var<'t, T>,
    ) -> Var<'t, T> {
        let on = OnRing {
            places: self.places,
            positions,
            segments: self.form.segments(x.cols()),
        };
        let filter = self.filter.map(|id| &bound[id]);
        let [stem, stem_bias, gain, bias] =
            [self.stem, self.stem_bias, self.gain, self.bias].map(|id| &bound[id]);
        smooth(self.form, x, filter, [stem, stem_bias], [gain, bias], &on)
    }
}

/// h before dropout, from the parameters: the filter (N / 2 + 1, H) twice, the stem (2 k H, H) and its bias (1, H), gain
/// and bias (N, 1) of the positions. What the form says of r and k stands in `on` and in the shapes.
///
/// # Panics
/// If the shapes are not these.
pub fn smooth<'t, T: Real>(
    form: Form,
    x: &Var<'t, T>,
    filter: [&Var<'t, T>; 2],
    [stem, stem_bias]: [&Var<'t, T>; 2],
    [gain, bias]: [&Var<'t, T>; 2],
    on: &OnRing<'_>,
) -> Var<'t, T> {
    let m = ops::fourier_filter(x, filter, on); // (n, H)
    let z = ops::convolution(&ops::beside(&m, x), stem, stem_bias); // (n, H)
    let h = ops::position_norm(&z, gain, bias, on.positions);
    match form {
        Form::Paper => ops::relu(h),
        Form::Released => ops::elu(h),
    }
}
