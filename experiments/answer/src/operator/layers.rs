//! The layers of an encoder, what leads from tokens to a loss, and what moves rows: one operator a file of ops.

use engine::{Tape, Tensor};
use ops::Dropout;
use ops::fourier::OnRing;

use super::asked::{Making, Ready};
use super::catalogue::{Kind, MOST, Operator, Setting, Size, whole, word};
use super::derivation::file;
use super::sums;
use crate::question::{Refused, refuse};

const LAYERS: &str = "Layers";
const LOSS: &str = "From tokens to a loss";
const ROWS: &str = "Rows and positions";

/// An operator of matrices of any size.
const fn of_matrix(
    name: &'static str,
    group: &'static str,
    settings: &'static [Setting],
    make: fn(&Making<'_>) -> Result<Ready, Refused>,
) -> Operator {
    Operator {
        name,
        node: None,
        group,
        rows: Size::of(4),
        columns: Size::of(3),
        settings,
        make,
    }
}

/// One of a single row.
const fn of_row(
    name: &'static str,
    settings: &'static [Setting],
    make: fn(&Making<'_>) -> Result<Ready, Refused>,
) -> Operator {
    Operator {
        rows: Size::only(1),
        ..of_matrix(name, LOSS, settings, make)
    }
}

const RATE: Setting = Setting {
    name: "rate",
    kind: Kind::Number {
        least: 0.0,
        most: 0.99,
        usual: 0.3,
    },
};
pub(super) const TEMPERATURE: Setting = Setting {
    name: "temperature",
    kind: Kind::Number {
        least: 0.05,
        most: 20.0,
        usual: 1.0,
    },
};
const LABEL: Setting = Setting {
    name: "label",
    kind: Kind::Whole {
        least: 0,
        most: MOST - 1,
        usual: |_, _| 0,
    },
};
/// From 1: a matrix may be taken for one of a longer text.
const DIVISOR: Setting = whole("divisor", 4096, |rows, _| rows);

pub(super) fn operators() -> Vec<Operator> {
    vec![
        of_matrix("layer_norm", LAYERS, &[], layer_norm),
        of_matrix(
            "linear",
            LAYERS,
            const { &[whole("outputs", MOST, |_, _| 2)] },
            linear,
        ),
        of_matrix("gelu", LAYERS, &[], gelu),
        of_matrix("relu", LAYERS, &[], relu),
        of_matrix("elu", LAYERS, &[], elu),
        Operator {
            node: Some("gumbel_softmax"),
            ..of_matrix("softmax", LAYERS, &[], softmax)
        },
        of_matrix("dropout", LAYERS, const { &[RATE] }, dropout),
        of_matrix(
            "convolution",
            LAYERS,
            const {
                &[
                    word("taps", &["3", "1", "5", "7"]),
                    whole("outputs", MOST, |_, _| 2),
                ]
            },
            convolution,
        ),
        of_matrix(
            "embedding",
            LOSS,
            const { &[whole("vocabulary", MOST, |_, _| 5)] },
            embedding,
        ),
        of_matrix("pool", LOSS, const { &[DIVISOR] }, pool),
        of_row("pair", &[], pair),
        of_row("cross_entropy", const { &[LABEL] }, cross_entropy),
        of_matrix(
            "gather",
            ROWS,
            const { &[whole("picks", MOST, |rows, _| rows + 1)] },
            gather,
        ),
        of_matrix(
            "scatter",
            ROWS,
            const { &[whole("places", MOST, |rows, _| rows)] },
            scatter,
        ),
        of_matrix(
            "beside",
            ROWS,
            const { &[whole("more", MOST, |_, _| 2)] },
            beside,
        ),
        of_matrix("position_norm", ROWS, &[], position_norm),
        Operator {
            columns: Size::of(4),
            ..of_matrix(
                "rotary",
                ROWS,
                const { &[whole("heads", MOST, |_, _| 1)] },
                rotary,
            )
        },
        of_matrix(
            "fourier_filter",
            ROWS,
            const { &[whole("segments", MOST, |_, _| 1)] },
            fourier_filter,
        ),
    ]
}

fn layer_norm(making: &Making<'_>) -> Result<Ready, Refused> {
    let (n, c) = (making.rows, making.columns);
    let inputs = vec![
        making.input("x", (n, c))?,
        making.input("gain", (1, c))?,
        making.input("bias", (1, c))?,
    ];
    let ready = Ready::new(file!("layer_norm.rs", "layer_norm"), inputs, |_, v| {
        ops::layer_norm(&v[0], &v[1], &v[2])
    });
    Ok(ready.with_sums(|x, dy| {
        let gain = |_, j: usize| x[1].row(0)[j];
        vec![sums::normalised(&x[0], dy, gain)]
    }))
}

fn linear(making: &Making<'_>) -> Result<Ready, Refused> {
    let (n, i, o) = (making.rows, making.columns, making.whole("outputs"));
    let inputs = vec![
        making.input("x", (n, i))?,
        making.input("W", (o, i))?,
        making.input("b", (1, o))?,
    ];
    Ok(Ready::new(file!("linear.rs", "linear"), inputs, |_, v| {
        ops::linear(&v[0], &v[1], &v[2])
    }))
}

fn gelu(making: &Making<'_>) -> Result<Ready, Refused> {
    let inputs = vec![making.input("x", (making.rows, making.columns))?];
    let ready = Ready::new(file!("gelu.rs", "gelu"), inputs, |_, v| {
        ops::gelu(v[0].clone())
    });
    Ok(ready.with_sums(|x, dy| vec![sums::gelu(&x[0], dy)]))
}

fn relu(making: &Making<'_>) -> Result<Ready, Refused> {
    let inputs = vec![making.input("x", (making.rows, making.columns))?];
    Ok(Ready::new(file!("relu.rs", "relu"), inputs, |_, v| {
        ops::relu(v[0].clone())
    }))
}

fn elu(making: &Making<'_>) -> Result<Ready, Refused> {
    let inputs = vec![making.input("x", (making.rows, making.columns))?];
    Ok(Ready::new(file!("elu.rs", "elu"), inputs, |_, v| {
        ops::elu(v[0].clone())
    }))
}

/// The softmax of every row, of numbers: what its file calls the one with noise 0 and temperature 1.
pub(super) fn softmax_of(logits: &Tensor<f64>) -> Tensor<f64> {
    let tape = Tape::forward_only();
    let noise = Tensor::zeros(logits.rows(), logits.cols());
    let y = ops::sample::gumbel_softmax(&tape.leaf("logits", logits.clone()), &noise, 1.0);
    y.value().clone()
}

fn softmax(making: &Making<'_>) -> Result<Ready, Refused> {
    let (n, c) = (making.rows, making.columns);
    let inputs = vec![making.input("logits", (n, c))?];
    let file = file!("sample/gumbel_softmax.rs", "gumbel_softmax");
    let ready = Ready::new(file, inputs, move |_, v| {
        ops::sample::gumbel_softmax(&v[0], &Tensor::zeros(n, c), 1.0)
    });
    Ok(ready.with_sums(|x, dy| vec![sums::softmax(&softmax_of(&x[0]), dy, 1.0)]))
}

fn dropout(making: &Making<'_>) -> Result<Ready, Refused> {
    let (n, c) = (making.rows, making.columns);
    let inputs = vec![making.input("x", (n, c))?];
    // A mask is made from a key; the draws have it as numbers of 32 bits.
    let words = making.draws.numbers("key", |generator| {
        let word = generator.word();
        [word >> 32, word & 0xffff_ffff]
            .map(|half| half as f64)
            .to_vec()
    });
    let key = (words[0] as u64) << 32 | words[1] as u64;
    let mask = Dropout::new(making.number("rate"), key);
    let mut ready = Ready::new(file!("dropout.rs", "dropout"), inputs, move |_, v| {
        ops::dropout(v[0].clone(), Some(mask))
    });
    let tape = Tape::forward_only();
    let ones = tape.leaf("ones", Tensor::filled(n, c, 1.0));
    let m = ops::dropout(ones, Some(mask)).value().clone();
    ready.shown.push(("m", m));
    Ok(ready)
}

fn convolution(making: &Making<'_>) -> Result<Ready, Refused> {
    let (n, c, o) = (making.rows, making.columns, making.whole("outputs"));
    let taps: usize = making.word("taps").parse().unwrap_or(1);
    if taps * c > MOST {
        return refuse(format!(
            "taps = {taps}: W has {} rows, expected at most {MOST}",
            taps * c
        ));
    }
    let inputs = vec![
        making.input("x", (n, c))?,
        making.input("W", (taps * c, o))?,
        making.input("b", (1, o))?,
    ];
    Ok(Ready::new(
        file!("convolution.rs", "convolution"),
        inputs,
        |_, v| ops::convolution(&v[0], &v[1], &v[2]),
    ))
}

fn embedding(making: &Making<'_>) -> Result<Ready, Refused> {
    let (n, c, words) = (making.rows, making.columns, making.whole("vocabulary"));
    let inputs = vec![
        making.input("words", (words, c))?,
        making.input("places", (n, c))?,
    ];
    let tokens = making.indices("tokens", n, words);
    let positions: Vec<u32> = (0..n as u32).collect();
    Ok(Ready::new(
        file!("embedding.rs", "embedding"),
        inputs,
        move |_, v| ops::embedding(&tokens, &positions, &v[0], &v[1]),
    ))
}

fn pool(making: &Making<'_>) -> Result<Ready, Refused> {
    let inputs = vec![making.input("x", (making.rows, making.columns))?];
    let divisor = making.whole("divisor");
    Ok(Ready::new(
        file!("pooling.rs", "pool"),
        inputs,
        move |_, v| ops::pool(&v[0], divisor),
    ))
}

fn pair(making: &Making<'_>) -> Result<Ready, Refused> {
    let row = (1, making.columns);
    let inputs = vec![making.input("u", row)?, making.input("v", row)?];
    Ok(Ready::new(file!("pair.rs", "pair"), inputs, |_, v| {
        ops::pair(&v[0], &v[1])
    }))
}

fn cross_entropy(making: &Making<'_>) -> Result<Ready, Refused> {
    let (classes, label) = (making.columns, making.whole("label"));
    if label >= classes {
        return refuse(format!(
            "label = {label}: expected one below the {classes} columns"
        ));
    }
    let inputs = vec![making.input("logits", (1, classes))?];
    let ready = Ready::new(
        file!("cross_entropy.rs", "cross_entropy"),
        inputs,
        move |_, v| ops::cross_entropy(&v[0], label),
    );
    Ok(ready
        .with_sums(move |x, dy| vec![sums::cross_entropy(&softmax_of(&x[0]), label, dy.item())]))
}

fn gather(making: &Making<'_>) -> Result<Ready, Refused> {
    let inputs = vec![making.input("x", (making.rows, making.columns))?];
    let rows = making.indices("rows", making.whole("picks"), making.rows);
    Ok(Ready::new(
        file!("gather.rs", "gather"),
        inputs,
        move |_, v| ops::gather(&v[0], &rows),
    ))
}

fn scatter(making: &Making<'_>) -> Result<Ready, Refused> {
    let inputs = vec![making.input("x", (making.rows, making.columns))?];
    let places = making.whole("places");
    let rows = making.indices("rows", making.rows, places);
    Ok(Ready::new(
        file!("gather.rs", "scatter"),
        inputs,
        move |_, v| ops::scatter(&v[0], &rows, places),
    ))
}

fn beside(making: &Making<'_>) -> Result<Ready, Refused> {
    let (n, more) = (making.rows, making.whole("more"));
    let inputs = vec![
        making.input("a", (n, making.columns))?,
        making.input("b", (n, more))?,
    ];
    Ok(Ready::new(file!("beside.rs", "beside"), inputs, |_, v| {
        ops::beside(&v[0], &v[1])
    }))
}

fn position_norm(making: &Making<'_>) -> Result<Ready, Refused> {
    let (n, c) = (making.rows, making.columns);
    let inputs = vec![
        making.input("x", (n, c))?,
        making.input("gain", (n, 1))?,
        making.input("bias", (n, 1))?,
    ];
    let positions: Vec<u32> = (0..n as u32).collect();
    let ready = Ready::new(
        file!("position_norm.rs", "position_norm"),
        inputs,
        move |_, v| ops::position_norm(&v[0], &v[1], &v[2], &positions),
    );
    Ok(ready.with_sums(|x, dy| {
        let gain = |i: usize, _| x[1].row(i)[0];
        vec![sums::normalised(&x[0], dy, gain)]
    }))
}

fn rotary(making: &Making<'_>) -> Result<Ready, Refused> {
    let (n, width, heads) = (making.rows, making.columns, making.whole("heads"));
    divides("heads", heads, width)?;
    let inputs = vec![making.input("x", (n, width))?];
    let positions: Vec<u32> = (0..n as u32).collect();
    Ok(Ready::new(
        file!("rotary.rs", "rotary"),
        inputs,
        move |_, v| ops::rotary(&v[0], heads, &positions),
    ))
}

fn fourier_filter(making: &Making<'_>) -> Result<Ready, Refused> {
    let (n, columns, segments) = (making.rows, making.columns, making.whole("segments"));
    divides("segments", segments, columns)?;
    let places = n.next_power_of_two().max(2);
    let spectrum = (places / 2 + 1, columns);
    let inputs = vec![
        making.input("x", (n, columns))?,
        making.input("re", spectrum)?,
        making.input("im", spectrum)?,
    ];
    let positions: Vec<u32> = (0..n as u32).collect();
    Ok(Ready::new(
        file!("fourier.rs", "fourier_filter"),
        inputs,
        move |_, v| {
            let on = OnRing {
                places,
                positions: &positions,
                segments,
            };
            ops::fourier_filter(&v[0], [&v[1], &v[2]], &on)
        },
    ))
}

fn divides(name: &str, x: usize, columns: usize) -> Result<(), Refused> {
    match columns.is_multiple_of(x) {
        true => Ok(()),
        false => refuse(format!(
            "{name} = {x}: expected a divisor of the {columns} columns"
        )),
    }
}
