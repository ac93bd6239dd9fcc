//! The parameters of a model: how many, their names, and how they start.

use engine::{Params, Real, Seed, Stream, Tensor, Var};
use models::smoother::Form;
use models::{Model, ModelConfig, Places, load_safetensors, to_safetensors};
use ops::attention::{Attention, Inputs, LayerShape, Options, find, registry};

fn start<T: Real>(config: ModelConfig, attn: &str) -> Params<T> {
    let options = Options {
        features: 256,
        dropout: 0.1,
        ..Options::default()
    };
    let method = find::<T>(attn).unwrap().method(&options);
    Model::new(config, method, Seed(42)).1
}

/// dim 16, hidden 32, as the reference cases have them.
fn small(layers: usize) -> ModelConfig {
    ModelConfig {
        dim: 16,
        hidden: 32,
        head_hidden: 32,
        layers,
        ..ModelConfig::new(20, 48, 3, 1)
    }
}

/// The counts of the released code, instantiated; dead parameters of V-Mean included.
#[test]
fn counts_of_the_five_tasks() {
    for (task, vocabulary, positions, classes, documents, count) in [
        ("text", 512, 4096, 2, 1, 370_562),
        ("retrieval", 512, 4096, 2, 2, 395_138),
        ("listops", 32, 2048, 10, 1, 209_802),
        ("pathfinder", 512, 1024, 2, 1, 173_954),
        ("image", 256, 1024, 10, 1, 158_602),
    ] {
        for attn in ["softmax", "vmean", "skein"] {
            let config = ModelConfig::new(vocabulary, positions, classes, documents);
            assert_eq!(start::<f32>(config, attn).count(), count, "{task} {attn}");
        }
    }
}

#[test]
fn their_number_is_known_before_they_are_made() {
    for entry in registry::<f32>() {
        for (released, documents, layers, places, smoother) in [
            (false, 1, 2, Places::Learned, None),
            (true, 2, 1, Places::Rotary, Some(Form::Paper)),
            (false, 2, 0, Places::Sines, Some(Form::Released)),
            (false, 1, 1, Places::None, Some(Form::Released)),
        ] {
            let options = Options {
                features: 6,
                released,
                ..Options::default()
            };
            let config = ModelConfig {
                documents,
                head_hidden: 24,
                places,
                smoother,
                ..small(layers)
            };
            let known = Model::numbers(&config, &*entry.method(&options));
            let start = |seed| Model::new(config.clone(), entry.method(&options), Seed(seed)).1;
            let (params, mut others) = (start(1), start(2));
            assert_eq!(known, params.count() as f64, "{}", entry.name);
            // And a file of them is read back.
            load_safetensors(&mut others, &to_safetensors(&params)).unwrap();
            let same = |((name, x), (other, y)): ((&str, &Tensor<_>), (&str, &Tensor<_>))| {
                name == other && x.data() == y.data()
            };
            assert!(params.iter().zip(others.iter()).all(same), "{}", entry.name);
        }
    }
    let options = Options {
        features: usize::MAX,
        ..Options::default()
    };
    let method = find::<f32>("linformer").unwrap().method(&options);
    let config = ModelConfig {
        vocabulary: usize::MAX,
        ..small(usize::MAX)
    };
    let known = Model::numbers(&config, &*method);
    assert!(known > 1e40 && known.is_finite(), "{known}");
}

#[test]
fn names_and_shapes_are_those_of_the_reference() {
    let layer = [
        ("norm1.weight", (1, 16)),
        ("norm1.bias", (1, 16)),
        ("mha.W_q.weight", (16, 16)),
        ("mha.W_q.bias", (1, 16)),
        ("mha.W_k.weight", (16, 16)),
        ("mha.W_k.bias", (1, 16)),
        ("mha.W_v.weight", (16, 16)),
        ("mha.W_v.bias", (1, 16)),
        ("mha.ff.weight", (16, 16)),
        ("mha.ff.bias", (1, 16)),
        ("norm2.weight", (1, 16)),
        ("norm2.bias", (1, 16)),
        ("mlpblock.0.weight", (32, 16)),
        ("mlpblock.0.bias", (1, 32)),
        ("mlpblock.3.weight", (16, 32)),
        ("mlpblock.3.bias", (1, 16)),
    ];
    let mut want = vec![
        (
            "model.embeddings.word_embeddings.weight".to_string(),
            (20, 16),
        ),
        (
            "model.embeddings.position_embeddings.weight".to_string(),
            (48, 16),
        ),
    ];
    for number in 0..2 {
        want.extend(
            layer.map(|(name, shape)| (format!("model.transformer_{number}.{name}"), shape)),
        );
    }
    want.extend(
        [
            ("model.norm.weight", (1, 16)),
            ("model.norm.bias", (1, 16)),
            ("seq_classifer.mlpblock.0.weight", (32, 16)),
            ("seq_classifer.mlpblock.0.bias", (1, 32)),
            ("seq_classifer.mlpblock.2.weight", (3, 32)),
            ("seq_classifer.mlpblock.2.bias", (1, 3)),
        ]
        .map(|(name, shape)| (name.to_string(), shape)),
    );
    let got: Vec<_> = start::<f32>(small(2), "softmax")
        .iter()
        .map(|(name, value)| (name.to_string(), value.shape()))
        .collect();
    assert_eq!(got, want);
}

#[test]
fn starts_follow_their_laws() {
    let params = start::<f64>(ModelConfig::new(512, 4096, 2, 1), "softmax");
    for (name, value) in params.iter() {
        let data = value.data();
        let n = data.len() as f64;
        let mean = data.iter().sum::<f64>() / n;
        let deviation = (data.iter().map(|x| x * x).sum::<f64>() / n).sqrt();
        let largest = data
            .iter()
            .fold(0.0, |largest: f64, x| largest.max(x.abs()));
        // Five standard errors of a mean and of a deviation.
        let near = |want: f64| {
            mean.abs() < 5.0 * want / n.sqrt()
                && (deviation / want - 1.0).abs() < 5.0 / (2.0 * n).sqrt()
        };
        if name.contains("embeddings") {
            assert!(near(0.02), "{name}: {mean} {deviation}");
            assert!(largest > 0.06, "{name}: {largest} is no normal law's");
        } else if name.contains("norm") {
            let constant = f64::from(name.ends_with("weight"));
            assert!(data.iter().all(|&x| x == constant), "{name}");
        } else {
            let inputs = if name.contains("mlpblock.3") || name.contains("mlpblock.2") {
                128.0
            } else {
                64.0
            };
            let bound = f64::sqrt(1.0 / inputs);
            assert!(near(bound / 3f64.sqrt()), "{name}: {mean} {deviation}");
            assert!(largest < bound, "{name}: {largest} reaches {bound}");
        }
    }
}

/// The waves of a line: the nearer two places are, the larger the product of their rows.
#[test]
fn positions_can_start_as_waves_of_a_line() {
    let config = ModelConfig {
        places: Places::Sines,
        ..ModelConfig::new(16, 64, 2, 1)
    };
    let params = start::<f64>(config, "skein");
    let table = params.find("model.embeddings.position_embeddings.weight");
    let table = &params[table.unwrap()];
    let product = |i: usize, j: usize| -> f64 {
        let pairs = table.row(i).iter().zip(table.row(j));
        pairs.map(|(x, y)| x * y).sum()
    };
    assert!((product(7, 7) - 64.0 * 0.02 * 0.02).abs() < 1e-12);
    assert!((product(7, 9) - product(40, 38)).abs() < 1e-12);
    assert!(product(7, 7) > product(7, 8) && product(7, 8) > product(7, 12));
}

/// With sines and cosines, the inner product of two pixels is a function of how far apart they are, largest at 0; the
/// tables' standard deviation scales both of them and nothing else.
#[test]
fn tables_can_start_larger_and_positions_as_waves() {
    let config = ModelConfig::new(512, 1024, 2, 1);
    let larger = ModelConfig {
        embedding_std: 0.5,
        places: Places::Sines2d,
        ..config.clone()
    };
    let (small, large) = (start::<f64>(config, "skein"), start::<f64>(larger, "skein"));
    for (name, value) in small.iter() {
        let other = large[large.find(name).unwrap()].data();
        if name.contains("word_embeddings") {
            let scaled = value.data().iter().map(|x| 25.0 * x);
            assert!(scaled.zip(other).all(|(x, y)| (x - y).abs() < 1e-12));
        } else if !name.contains("position_embeddings") {
            assert_eq!(value.data(), other, "{name}");
        }
    }
    let table = &large[large
        .find("model.embeddings.position_embeddings.weight")
        .unwrap()];
    let product = |(row, col): (usize, usize), (other_row, other_col): (usize, usize)| -> f64 {
        let vector = |position: usize| &table.data()[position * 64..(position + 1) * 64];
        let pair = vector(32 * row + col)
            .iter()
            .zip(vector(32 * other_row + other_col));
        pair.map(|(x, y)| x * y).sum()
    };
    let itself = product((3, 5), (3, 5));
    assert!((itself - 64.0 * 0.25).abs() < 1e-9, "{itself}");
    for (down, right) in [(0, 1), (1, 0), (2, 3), (11, 7)] {
        let here = product((3, 5), (3 + down, 5 + right));
        let there = product((20, 24), (20 - down, 24 - right));
        assert!((here - there).abs() < 1e-9, "{down} {right}");
    }
    let near = product((3, 5), (3, 6));
    let far = product((3, 5), (3, 13));
    assert!(itself > near && near > far + 2.0, "{itself} {near} {far}");
}

#[test]
fn a_start_depends_on_seed_and_name_alone() {
    let two = start::<f64>(small(2), "softmax");
    // One more layer moves nobody, another attention neither.
    let three = start::<f64>(small(3), "vmean");
    for (name, value) in two.iter() {
        let other = &three[three.find(name).unwrap()];
        assert_eq!(value.data(), other.data(), "{name}");
    }
    let single = start::<f32>(small(2), "softmax");
    for ((name, double), single) in two.iter().zip(single.values()) {
        let rounded = double.data().iter().map(|&x| x as f32);
        assert!(rounded.eq(single.data().iter().copied()), "{name}");
    }
    let tables: Vec<_> = two
        .values()
        .iter()
        .filter(|value| value.rows() == 16)
        .collect();
    for (i, a) in tables.iter().enumerate() {
        for b in &tables[..i] {
            assert_ne!(a.data()[0], b.data()[0], "two parameters start alike");
        }
    }
}

/// Adds a learned row to the values.
struct Shifted;

impl<T: Real> Attention<T> for Shifted {
    fn parameters(&self, shape: LayerShape, stream: Stream) -> Vec<(&'static str, Tensor<T>)> {
        let cols = shape.heads * shape.head_width;
        let number = T::of(stream.generator().uniform());
        vec![("E", Tensor::filled(shape.positions, cols, number))]
    }

    fn node<'t>(&self, x: &Inputs<'_, 't, T>) -> Var<'t, T> {
        let rows = Tensor::from_fn(x.v.rows(), x.parameters[0].rows(), |i, j| {
            if x.positions[i] as usize == j {
                T::ONE
            } else {
                T::ZERO
            }
        });
        x.v + x.v.tape().leaf("input", rows).matmul(&x.parameters[0])
    }
}

#[test]
fn a_methods_own_parameters_are_named_below_its_layer() {
    let (model, params) = Model::<f64>::new(small(2), Box::new(Shifted), Seed(1));
    let own: Vec<_> = (0..2)
        .map(|layer| {
            params
                .find(&format!("model.transformer_{layer}.mha.attn.E"))
                .unwrap()
        })
        .collect();
    assert_eq!(
        params.count(),
        start::<f64>(small(2), "softmax").count() + 2 * 48 * 16
    );
    assert_eq!(params[own[0]].shape(), (48, 16));
    assert_ne!(
        params[own[0]].data()[0],
        params[own[1]].data()[0],
        "layers draw apart"
    );

    let tape = engine::Tape::new();
    let bound = params.bind(&tape);
    let document = models::Document::text(vec![3, 1, 4]);
    let draws = engine::Draws::live(Seed(1).stream("draws"));
    let loss = model.loss(&bound, &[document], 2, &draws, None);
    let gradients = tape.backward(&loss);
    for id in own {
        let gradient = gradients.of(&bound[id]);
        assert!(gradient.row(2).iter().any(|&x| x != 0.0));
        assert!(
            gradient.row(3).iter().all(|&x| x == 0.0),
            "there is no fourth token"
        );
    }
}

#[test]
fn the_parameters_of_a_method_that_does_not_train_them_are_frozen() {
    for (attn, constant, trains) in [
        ("linformer", "e", true),
        ("linformer-fixed", "e", false),
        ("spex-static", "neighbours", false),
        ("spex-estimator-fixed", "permutations", false),
    ] {
        let params = start::<f64>(small(2), attn);
        let mut own = 0;
        for ((name, _), &frozen) in params.iter().zip(params.frozen()) {
            let is_own = name.ends_with(&format!(".mha.attn.{constant}"));
            assert_eq!(frozen, is_own && !trains, "{attn}: {name}");
            own += usize::from(is_own);
        }
        assert_eq!(own, 2);
    }
}
