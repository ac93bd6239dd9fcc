//! What decides the output of a model: its parameters, the documents and the two streams, and nothing else.

use engine::{Draws, Params, Real, Seed, Stream, Tape, Tensor};
use models::{Document, Model, ModelConfig, Pooling};
use ops::attention::{Options, find, registry};

const OPTIONS: Options = Options {
    features: 3,
    dropout: 0.1,
    released: false,
};

fn small(documents: usize) -> ModelConfig {
    ModelConfig {
        dim: 16,
        hidden: 32,
        head_hidden: 32,
        ..ModelConfig::new(20, 48, 3, documents)
    }
}

fn model<T: Real>(attn: &str, config: ModelConfig) -> (Model<T>, Params<T>) {
    Model::new(config, find(attn).unwrap().method(&OPTIONS), Seed(3))
}

fn document(stream: Stream, n: usize) -> Document {
    let mut generator = stream.generator();
    Document::text((0..n).map(|_| generator.below(20) as u32).collect())
}

/// The logits in evaluation.
fn evaluated<T: Real>(model: &Model<T>, params: &Params<T>, documents: &[Document]) -> Vec<T> {
    let tape = Tape::forward_only();
    let draws = Draws::live(Seed(3).stream("draws"));
    let logits = model.logits(&params.bind(&tape), documents, &draws, None);
    assert_eq!(logits.shape(), (1, model.config().classes));
    logits.value().data().to_vec()
}

/// The loss and the gradients in training, as bits.
fn trained(model: &Model<f32>, params: &Params<f32>, documents: &[Document]) -> Vec<u32> {
    let tape = Tape::new();
    let bound = params.bind(&tape);
    let stream = Seed(3).stream("training");
    let draws = Draws::live(stream.stream("draws"));
    let loss = model.loss(&bound, documents, 1, &draws, Some(stream.stream("dropout")));
    let mut sums = params.zeros();
    bound.accumulate(tape.backward(&loss), &mut sums);
    let gradients = sums.iter().flat_map(|sum| sum.data());
    std::iter::once(&loss.item())
        .chain(gradients)
        .map(|x| x.to_bits())
        .collect()
}

#[test]
fn an_example_alone_and_after_another_gives_the_same_bits() {
    let stream = Seed(3).stream("documents");
    for attn in registry::<f32>().iter().map(|entry| entry.name) {
        for count in [1, 2] {
            let (model, params) = model(attn, small(count));
            let example = |n: usize| -> Vec<Document> {
                (0..count)
                    .map(|which| document(stream.at(n).at(which), n + which))
                    .collect()
            };
            let alone = trained(&model, &params, &example(11));
            for n in [1, 40] {
                // Other lengths leave other stale buffers behind.
                trained(&model, &params, &example(n));
                assert_eq!(
                    trained(&model, &params, &example(11)),
                    alone,
                    "{attn} after {n}"
                );
            }
            let elsewhere = std::thread::scope(|scope| {
                let thread = scope.spawn(|| trained(&model, &params, &example(11)));
                thread.join().unwrap()
            });
            assert_eq!(elsewhere, alone, "{attn} on another thread");
        }
    }
}

#[test]
fn dropout_masks_differ_by_place_and_follow_their_stream() {
    let (model, params) = model::<f64>("softmax-nodrop", small(2));
    let twins = [
        document(Seed(3).stream("twins"), 9),
        document(Seed(3).stream("twins"), 9),
    ];
    let run = |dropout| {
        let tape = Tape::traced();
        let draws = Draws::live(Seed(3).stream("draws"));
        let logits = model.logits(&params.bind(&tape), &twins, &draws, dropout);
        let pair = tape
            .records()
            .into_iter()
            .find(|record| record.name == "pool");
        (logits.value().data().to_vec(), pair.unwrap().value_norm)
    };
    let stream = |index| Some(Seed(3).stream("dropout").at(index));
    assert_eq!(run(stream(0)), run(stream(0)));
    assert_ne!(run(stream(0)).0, run(stream(1)).0);
    assert_ne!(run(stream(0)).0, run(None).0);

    // Every mask of an example is another one: two documents, and in each an embedding and two layers of three.
    let tape = Tape::traced();
    let draws = Draws::live(Seed(3).stream("draws"));
    model.logits(&params.bind(&tape), &twins, &draws, stream(0));
    let records = tape.records();
    let dropped = records.iter().filter(|record| record.name == "dropout");
    assert_eq!(dropped.count(), 2 * (1 + 2 * 3));
    let pooled: Vec<_> = records
        .iter()
        .filter(|record| record.name == "pool")
        .collect();
    assert_ne!(
        pooled[0].value_norm, pooled[1].value_norm,
        "the twins were masked alike"
    );

    // In evaluation the twins are equal, and a rate of 0 is an evaluation.
    let undropped = ModelConfig {
        dropout: 0.0,
        ..small(2)
    };
    let (undropped, _) = self::model::<f64>("softmax-nodrop", undropped);
    let tape = Tape::traced();
    let logits = undropped.logits(&params.bind(&tape), &twins, &draws, stream(0));
    assert_eq!(logits.value().data(), run(None).0);
    assert!(tape.records().iter().all(|record| record.name != "dropout"));
}

#[test]
fn draws_are_named_by_document_layer_and_head() {
    let (model, params) = model::<f64>("skein", small(2));
    let documents = [8, 9].map(|n| document(Seed(3).stream("drawn").at(n), n));
    let draws = Draws::recording(Seed(3).stream("draws"));
    model.logits(&params.bind(&Tape::new()), &documents, &draws, None);
    let recorded = draws.recorded();
    for document in 0..2 {
        for layer in 0..2 {
            for head in 0..2 {
                let name = format!("columns.doc{document}.layer{layer}.head{head}");
                assert!(recorded.contains_key(&name), "{name}");
            }
        }
    }
}

#[test]
fn pooling_divides_by_tokens_or_by_positions() {
    let documents = [document(Seed(3).stream("pooled"), 12)]; // 12 of 48 positions
    let norms = [Pooling::Mean, Pooling::Padded].map(|pooling| {
        let config = ModelConfig {
            pooling,
            ..small(1)
        };
        let (model, params) = model::<f64>("softmax", config);
        let tape = Tape::traced();
        let draws = Draws::live(Seed(3).stream("draws"));
        model.logits(&params.bind(&tape), &documents, &draws, None);
        let records = tape.records();
        records
            .iter()
            .find(|record| record.name == "pool")
            .unwrap()
            .value_norm
            .unwrap()
    });
    assert!((norms[0] / norms[1] - 4.0).abs() < 1e-12, "{norms:?}");
}

#[test]
fn a_document_without_tokens_pools_to_zeros() {
    let (model, params) = model::<f64>("skein", small(1));
    let empty = Document::default();
    // relu(b_1) W_2ᵀ + b_2
    let find = |name: &str| {
        &params[params
            .find(&format!("seq_classifer.mlpblock.{name}"))
            .unwrap()]
    };
    let hidden: Vec<f64> = find("0.bias").data().iter().map(|x| x.max(0.0)).collect();
    let got = evaluated(&model, &params, std::slice::from_ref(&empty));
    for (class, &got) in got.iter().enumerate() {
        let products = find("2.weight")
            .row(class)
            .iter()
            .zip(&hidden)
            .map(|(w, h)| w * h);
        let want = products.sum::<f64>() + find("2.bias").data()[class];
        assert!((got - want).abs() < 1e-14, "{got} {want}");
    }

    // It trains the head, and in a pair its partner.
    let (model, params) = self::model::<f32>("skein", small(2));
    let word = params
        .find("model.embeddings.word_embeddings.weight")
        .unwrap();
    for documents in [
        [empty.clone(), empty.clone()],
        [empty.clone(), Document::text(vec![7])],
        [Document::text(vec![7]), empty],
    ] {
        let tape = Tape::new();
        let bound = params.bind(&tape);
        let draws = Draws::live(Seed(3).stream("draws"));
        let dropout = Some(Seed(3).stream("dropout"));
        let loss = model.loss(&bound, &documents, 1, &draws, dropout);
        let gradients = tape.backward(&loss);
        let some = documents.iter().any(|document| !document.tokens.is_empty());
        let norm = gradients.of(&bound[word]).norm();
        assert_eq!(norm > 0.0, some, "{documents:?}");
        assert!(norm.is_finite());
    }
}

#[test]
fn what_a_method_does_not_read_is_not_computed() {
    let count = |attn| {
        let (model, params) = model::<f64>(attn, small(1));
        let tape = Tape::traced();
        let draws = Draws::live(Seed(3).stream("draws"));
        model.logits(
            &params.bind(&tape),
            &[Document::text(vec![1, 2])],
            &draws,
            None,
        );
        let records = tape.records();
        records
            .iter()
            .filter(|record| record.name == "linear")
            .count()
    };
    assert_eq!(count("softmax"), 2 * 6 + 2);
    assert_eq!(count("vmean"), 2 * 4 + 2);
}

fn refuse(documents: &[Document]) {
    let (model, params) = model::<f32>("vmean", small(1));
    evaluated(&model, &params, documents);
}

/// What the model says of one document, without and with padding.
fn refusals(positions: Vec<u32>, tokens: Vec<u32>) -> [String; 2] {
    let document = Document { positions, tokens };
    [false, true].map(|pad| {
        let (model, params) = model::<f32>("vmean", ModelConfig { pad, ..small(1) });
        let evaluate = || evaluated(&model, &params, std::slice::from_ref(&document));
        let refused = std::panic::catch_unwind(std::panic::AssertUnwindSafe(evaluate));
        *refused.unwrap_err().downcast::<String>().unwrap()
    })
}

#[test]
#[should_panic(expected = "an example of 2 document(s), this model reads 1")]
fn a_pair_for_a_model_of_one() {
    refuse(&[Document::text(vec![1]), Document::text(vec![1])]);
}

#[test]
#[should_panic(expected = "embedding: token 20 in a table of 20 rows")]
fn a_token_beyond_the_vocabulary() {
    refuse(&[Document::text(vec![1, 20])]);
}

#[test]
fn positions_that_no_document_has_are_refused_with_and_without_padding() {
    for (positions, tokens, message) in [
        (
            (0..49).collect(),
            vec![1; 49],
            "document 0 has position 48, expected positions below 48",
        ),
        (vec![3, 48], vec![1, 1], "document 0 has position 48"),
        (
            vec![1, 0],
            vec![1, 1],
            "positions of document 0 do not rise",
        ),
        (
            vec![2, 2],
            vec![1, 1],
            "positions of document 0 do not rise",
        ),
        (
            vec![0, 1],
            vec![1],
            "document 0 has 1 tokens at 2 positions, expected one position a token",
        ),
        (vec![], vec![1], "1 tokens at 0 positions"),
        (vec![0], vec![], "0 tokens at 1 positions"),
    ] {
        for refused in refusals(positions, tokens) {
            assert!(refused.contains(message), "{refused}");
        }
    }
}

#[test]
#[should_panic(expected = "model configuration: dim 16 does not divide into 3 heads")]
fn an_impossible_configuration() {
    let config = ModelConfig {
        heads: 3,
        ..small(1)
    };
    model::<f32>("vmean", config);
}

#[test]
fn ten_steps_of_training_learn_four_examples() {
    let (model, mut params) = model::<f32>("skein", small(1));
    let schedule = models::OneCycle::new(0.01, 3, 10, true).unwrap();
    let mut adamw = models::AdamW::new(&params, 0.01);
    let examples: Vec<_> = (0..4)
        .map(|id| (document(Seed(3).stream("learned").at(id), 9 + id), id % 3))
        .collect();
    let mut losses = Vec::new();
    for step in 0..10 {
        let mut sums = params.zeros();
        let mut loss_sum = 0.0;
        for (id, (document, label)) in examples.iter().enumerate() {
            let tape = Tape::new();
            let bound = params.bind(&tape);
            let draws = Draws::live(Seed(3).stream("draws").at(step).at(id));
            let loss = model.loss(&bound, std::slice::from_ref(document), *label, &draws, None);
            loss_sum += loss.item() / 4.0;
            bound.accumulate(tape.backward_from(&loss, Tensor::scalar(0.25)), &mut sums);
        }
        losses.push(loss_sum);
        adamw
            .step(
                &mut params,
                &sums,
                schedule.rate(step),
                schedule.beta1(step),
            )
            .unwrap();
    }
    assert!(losses[9] < 0.5 * losses[0], "{losses:?}");
}

#[test]
fn padding_rows_are_seen_by_attention_and_left_out_of_the_mean() {
    let stream = Seed(3).stream("pad");
    let padded = |attn, positions| {
        let config = ModelConfig {
            pad: true,
            positions,
            ..small(1)
        };
        model::<f64>(attn, config)
    };
    // As many tokens as positions: there is no padding.
    let full = document(stream, 48);
    for attn in ["softmax-nodrop", "vmean"] {
        let (plain, params) = model::<f64>(attn, small(1));
        let (with_pad, _) = padded(attn, 48);
        let logits = evaluated(&plain, &params, std::slice::from_ref(&full));
        assert_eq!(
            evaluated(&with_pad, &params, std::slice::from_ref(&full)),
            logits
        );

        // Fewer: as an example of 48 tokens whose last ones are 0 and not counted by the pooling.
        let short = document(stream, 30);
        let unpadded = evaluated(&plain, &params, std::slice::from_ref(&short));
        let seen = evaluated(&with_pad, &params, std::slice::from_ref(&short));
        assert_ne!(seen, unpadded, "{attn}: padding changes the output");
    }
    // Without layers nothing mixes rows, so the padding cannot be seen at all.
    let config = |pad| ModelConfig {
        pad,
        layers: 0,
        ..small(1)
    };
    let gaps = Document {
        positions: vec![3, 4, 40],
        tokens: vec![7, 1, 19],
    };
    let [without, with] = [false, true].map(|pad| {
        let (model, params) = model::<f64>("vmean", config(pad));
        evaluated(&model, &params, std::slice::from_ref(&gaps))
    });
    assert_eq!(without, with);
}
