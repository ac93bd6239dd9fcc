//! Weights as safetensors, to be exchanged with PyTorch.
//!
//! Names are the parameters' own, which are the reference's. Numbers keep their type on the way out (F32 or F64) and
//! may have either on the way in. A parameter is a matrix here; those that PyTorch holds as vectors (biases, and the
//! gains and shifts of norms) go out and come in with one dimension, `[o]` for `(1, o)`.

use engine::{Params, Real, Tensor};
use safetensors::SafeTensorError;
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};

/// The shape of a parameter in a file: as in PyTorch, biases and gains that are a row are vectors.
fn shape_in_file<T: Real>(name: &str, value: &Tensor<T>) -> Vec<usize> {
    let (owner, end) = name.rsplit_once('.').unwrap_or(("", name));
    let owner = owner.rsplit('.').next().unwrap_or("");
    if value.rows() == 1 && (end == "bias" || owner.starts_with("norm")) {
        vec![value.cols()]
    } else {
        vec![value.rows(), value.cols()]
    }
}

/// All parameters as the bytes of a safetensors file.
///
/// # Panics
/// If the header, names and shapes, takes 100 MB or more.
pub fn to_safetensors<T: Real>(params: &Params<T>) -> Vec<u8> {
    let single = T::NAME == f32::NAME;
    let dtype = if single { Dtype::F32 } else { Dtype::F64 };
    let bytes = |value: &Tensor<T>| -> Vec<u8> {
        let numbers = value.data().iter().map(|x| x.f64());
        if single {
            numbers.flat_map(|x| (x as f32).to_le_bytes()).collect()
        } else {
            numbers.flat_map(f64::to_le_bytes).collect()
        }
    };
    let stored: Vec<(&str, Vec<usize>, Vec<u8>)> = params
        .iter()
        .map(|(name, value)| (name, shape_in_file(name, value), bytes(value)))
        .collect();
    let views = stored.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(dtype, shape.clone(), bytes);
        (*name, view.expect("as many bytes as the shape asks for"))
    });
    serialize(views, None).expect("a header of less than 100 MB")
}

/// Sets all parameters from the bytes of a safetensors file; on an error none is changed.
///
/// # Errors
/// If the bytes are not a safetensors file, its tensors are not exactly these parameters in name and shape, one is of
/// neither F32 nor F64, or a number is not finite in `T`.
pub fn load_safetensors<T: Real>(params: &mut Params<T>, bytes: &[u8]) -> Result<(), WeightsError> {
    let unreadable = |error: SafeTensorError| WeightsError::Unreadable(error.to_string());
    let file = SafeTensors::deserialize(bytes).map_err(unreadable)?;
    let mut unexpected: Vec<String> = file
        .names()
        .into_iter()
        .filter(|name| params.find(name).is_none())
        .map(str::to_string)
        .collect();
    let missing: Vec<String> = params
        .iter()
        .map(|(name, _)| name)
        .filter(|name| file.tensor(name).is_err())
        .map(str::to_string)
        .collect();
    if !(missing.is_empty() && unexpected.is_empty()) {
        unexpected.sort(); // the file's order is that of a hash table
        return Err(WeightsError::Names {
            missing,
            unexpected,
        });
    }
    let mut loaded = Vec::new();
    for (name, value) in params.iter() {
        let view = file.tensor(name).map_err(unreadable)?;
        let expected = shape_in_file(name, value);
        if view.shape() != expected {
            return Err(WeightsError::Shape {
                name: name.to_string(),
                expected,
                got: view.shape().to_vec(),
            });
        }
        let numbers: Vec<T> = match view.dtype() {
            Dtype::F32 => numbers(view.data(), |bytes| f64::from(f32::from_le_bytes(bytes))),
            Dtype::F64 => numbers(view.data(), f64::from_le_bytes),
            other => {
                return Err(WeightsError::Type {
                    name: name.to_string(),
                    got: other.to_string(),
                });
            }
        };
        if let Some(place) = numbers.iter().position(|x| !x.is_finite()) {
            return Err(WeightsError::Number {
                name: name.to_string(),
                place,
                precision: T::NAME,
            });
        }
        loaded.push(Tensor::from_slice(value.rows(), value.cols(), &numbers));
    }
    for (value, loaded) in params.values_mut().iter_mut().zip(loaded) {
        *value = loaded;
    }
    Ok(())
}

/// The numbers in `bytes`, which start anywhere: a file's tensors are not aligned.
fn numbers<T: Real, const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> f64) -> Vec<T> {
    let (chunks, _) = bytes.as_chunks::<N>();
    chunks.iter().map(|&chunk| T::of(read(chunk))).collect()
}

/// Bytes that are not the weights of this model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WeightsError {
    /// No safetensors file, or a damaged one.
    Unreadable(String),
    /// The file's tensors are not the model's parameters.
    Names {
        /// Parameters the file lacks, in the model's order.
        missing: Vec<String>,
        /// Tensors the model lacks, sorted.
        unexpected: Vec<String>,
    },
    /// A tensor has another shape.
    Shape {
        /// The parameter.
        name: String,
        /// Its shape in a file of this model.
        expected: Vec<usize>,
        /// Its shape in this file.
        got: Vec<usize>,
    },
    /// A tensor holds other numbers than F32 or F64.
    Type {
        /// The parameter.
        name: String,
        /// Its type in this file.
        got: String,
    },
    /// A number is not finite, or not in the model's precision.
    Number {
        /// The parameter.
        name: String,
        /// Which of its numbers, from 0.
        place: usize,
        /// The precision.
        precision: &'static str,
    },
}

impl std::fmt::Display for WeightsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        /// The first few of many names.
        fn some(names: &[String]) -> String {
            let shown = names[..names.len().min(3)].join(", ");
            match names.len() {
                0..=3 => shown,
                more => format!("{shown} and {} more", more - 3),
            }
        }
        match self {
            WeightsError::Unreadable(why) => write!(f, "not a safetensors file: {why}"),
            WeightsError::Names {
                missing,
                unexpected,
            } => {
                write!(f, "these weights are of another model:")?;
                if !missing.is_empty() {
                    write!(f, " {} missing ({})", missing.len(), some(missing))?;
                }
                if !unexpected.is_empty() {
                    let comma = if missing.is_empty() { "" } else { "," };
                    let count = unexpected.len();
                    write!(f, "{comma} {count} unexpected ({})", some(unexpected))?;
                }
                Ok(())
            }
            WeightsError::Shape {
                name,
                expected,
                got,
            } => write!(
                f,
                "these weights are of another model: {name} has shape {got:?}, expected {expected:?}"
            ),
            WeightsError::Type { name, got } => {
                write!(f, "{name} holds {got} numbers, expected F32 or F64")
            }
            WeightsError::Number {
                name,
                place,
                precision,
            } => write!(
                f,
                "number {place} of {name} is not finite in {precision}: expected weights that are"
            ),
        }
    }
}

impl std::error::Error for WeightsError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn params<T: Real>(scale: f64) -> Params<T> {
        let mut params = Params::default();
        let value =
            |rows, cols| Tensor::from_fn(rows, cols, |i, j| T::of(scale / (i + 2 * j + 3) as f64));
        params.add("model.norm.weight", value(1, 3));
        params.add("a.W.weight", value(2, 3));
        params.add("a.W.bias", value(1, 2));
        params.add("a.attn.E", value(1, 4));
        params
    }

    fn data<T: Real>(params: &Params<T>) -> Vec<T> {
        let values = params.values().iter();
        values.flat_map(|value| value.data().to_vec()).collect()
    }

    #[test]
    fn a_round_trip_keeps_every_bit_and_pytorchs_shapes() {
        let bytes = to_safetensors(&params::<f32>(1.0));
        assert_eq!(bytes, to_safetensors(&params::<f32>(1.0)));
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let shape = |name: &str| file.tensor(name).unwrap().shape().to_vec();
        assert_eq!(shape("model.norm.weight"), [3]);
        assert_eq!(shape("a.W.weight"), [2, 3]);
        assert_eq!(shape("a.W.bias"), [2]);
        assert_eq!(shape("a.attn.E"), [1, 4]);

        let mut loaded = params::<f32>(2.0);
        load_safetensors(&mut loaded, &bytes).unwrap();
        assert_eq!(data(&loaded), data(&params::<f32>(1.0)));

        let double = to_safetensors(&params::<f64>(1.0));
        let mut loaded = params::<f64>(2.0);
        load_safetensors(&mut loaded, &double).unwrap();
        assert_eq!(data(&loaded), data(&params::<f64>(1.0)));
    }

    #[test]
    fn the_other_type_is_converted() {
        let mut single = params::<f32>(2.0);
        load_safetensors(&mut single, &to_safetensors(&params::<f64>(1.0))).unwrap();
        assert_eq!(data(&single), data(&params::<f32>(1.0)));
        let mut double = params::<f64>(2.0);
        load_safetensors(&mut double, &to_safetensors(&single)).unwrap();
        assert!(
            data(&double).iter().eq(data(&single)
                .iter()
                .map(|&x| f64::from(x))
                .collect::<Vec<_>>()
                .iter())
        );
    }

    #[test]
    fn numbers_that_the_model_cannot_hold_are_refused() {
        for (number, refused) in [
            (1e300, true),
            (f64::NAN, true),
            (f64::from(f32::MAX), false),
        ] {
            let mut wide = params::<f64>(1.0);
            wide.values_mut()[1].data_mut()[4] = number;
            let bytes = to_safetensors(&wide);
            let mut single = params::<f32>(2.0);
            let before = data(&single);
            match load_safetensors(&mut single, &bytes) {
                Ok(()) => assert!(!refused, "{number}"),
                Err(error) => {
                    assert!(refused, "{number}");
                    let told =
                        "number 4 of a.W.weight is not finite in f32: expected weights that are";
                    assert_eq!(error.to_string(), told);
                    assert_eq!(data(&single), before);
                }
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_named_and_changes_nothing() {
        let mut target = params::<f32>(1.0);
        let refuse = |target: &mut Params<f32>, bytes: &[u8]| {
            let before = data(target);
            let error = load_safetensors(target, bytes).unwrap_err();
            assert_eq!(data(target), before);
            error.to_string()
        };
        let right = to_safetensors(&target);

        assert!(refuse(&mut target, b"").contains("not a safetensors file"));
        let cut = refuse(&mut target, &right[..right.len() - 1]);
        assert!(cut.contains("not a safetensors file"), "{cut}");

        let mut other = Params::<f32>::default();
        other.add("model.norm.weight", Tensor::zeros(1, 3));
        other.add("b", Tensor::zeros(1, 3));
        assert_eq!(
            refuse(&mut target, &to_safetensors(&other)),
            "these weights are of another model: 3 missing (a.W.weight, a.W.bias, a.attn.E), 1 unexpected (b)"
        );

        let mut other = params::<f32>(2.0);
        other.values_mut()[1] = Tensor::zeros(3, 2);
        assert_eq!(
            refuse(&mut target, &to_safetensors(&other)),
            "these weights are of another model: a.W.weight has shape [3, 2], expected [2, 3]"
        );

        let view = |name, shape: &[usize], bytes| {
            (
                name,
                TensorView::new(Dtype::U16, shape.to_vec(), bytes).unwrap(),
            )
        };
        let zeros = [0; 12];
        let integers = serialize(
            [
                view("model.norm.weight", &[3], &zeros[..6]),
                view("a.W.weight", &[2, 3], &zeros),
                view("a.W.bias", &[2], &zeros[..4]),
                view("a.attn.E", &[1, 4], &zeros[..8]),
            ],
            None,
        );
        assert_eq!(
            refuse(&mut target, &integers.unwrap()),
            "model.norm.weight holds U16 numbers, expected F32 or F64"
        );
    }
}
