//! Sketches: the four products with a drawn S, and B S Sᵀ V in the place of B V, for every family.

use std::sync::Arc;

use engine::{Tensor, Var};
use ops::sketch::{Family, Scheme, Sketch};

use super::asked::{Called, Making, Ready};
use super::catalogue::{MOST, Operator, Setting, Size, whole, word};
use super::derivation::{File, file};
use crate::question::{Refused, refuse};

const GROUP: &str = "Sketches";

/// The names of the families, with what belongs to each.
const FAMILIES: &[&str] = &[
    "gaussian",
    "rademacher",
    "achlioptas",
    "very sparse",
    "count sketch",
    "osnap",
    "srht",
    "uniform",
    "uniform, distinct",
    "importance",
    "importance, distinct",
    "importance, distinct, biased",
];
const FAMILY: Setting = word("family", FAMILIES);
/// Columns of S.
const D: Setting = whole("d", MOST, |_, _| 3);
/// Rows of S.
const N: Setting = whole("n", MOST, |_, _| 6);

const fn operator(
    name: &'static str,
    (rows, columns): (usize, usize),
    settings: &'static [Setting],
    make: fn(&Making<'_>) -> Result<Ready, Refused>,
) -> Operator {
    Operator {
        name,
        node: None,
        group: GROUP,
        rows: Size::of(rows),
        columns: Size::of(columns),
        settings,
        make,
    }
}

pub(super) fn operators() -> Vec<Operator> {
    vec![
        operator(
            "sketched_product",
            (4, 3),
            const { &[FAMILY, N, D] },
            sketched_product,
        ),
        operator("sketch_rows", (6, 3), const { &[FAMILY, D] }, sketch_rows),
        operator("lift_rows", (3, 3), const { &[FAMILY, N] }, lift_rows),
        operator("sketch_cols", (3, 6), const { &[FAMILY, D] }, sketch_cols),
        operator("lift_cols", (3, 3), const { &[FAMILY, N] }, lift_cols),
    ]
}

/// The family of a name, for S of n rows, and its file. Where rows are drawn by weight, those rise from 1 to n.
fn family(name: &str, n: usize, d: usize) -> (Family, File) {
    let importance = |scheme| Family::Importance {
        weights: (1..=n).map(|weight| weight as f64).collect(),
        scheme,
    };
    let signs = file!("sketch/rademacher.rs", "draw");
    let count = file!("sketch/count_sketch.rs", "draw");
    let sampling = file!("sketch/sampling.rs", "importance");
    match name {
        "rademacher" => (Family::Rademacher { sparsity: 1.0 }, signs),
        "achlioptas" => (Family::Rademacher { sparsity: 3.0 }, signs),
        "very sparse" => (Family::very_sparse(n), signs),
        "count sketch" => (Family::CountSketch { per_row: 1 }, count),
        "osnap" => (Family::CountSketch { per_row: 2.min(d) }, count),
        "srht" => (Family::Srht, file!("sketch/srht.rs", "draw")),
        "uniform" => (Family::Uniform { replacement: true }, sampling),
        "uniform, distinct" => (Family::Uniform { replacement: false }, sampling),
        "importance" => (importance(Scheme::Replacement), sampling),
        "importance, distinct" => (importance(Scheme::Distinct), sampling),
        "importance, distinct, biased" => (importance(Scheme::DistinctBiased), sampling),
        _ => (Family::Gaussian, file!("sketch/gaussian.rs", "draw")),
    }
}

type S = Arc<dyn Sketch<f64>>;

/// S (n, d) of the question's family, drawn.
fn drawn(making: &Making<'_>, n: usize, d: usize) -> Result<(S, File), Refused> {
    let name = making.word("family");
    let (family, file) = family(name, n, d);
    if !family.has_shape(n, d) {
        let most = match family {
            Family::Srht => n.next_power_of_two(),
            _ => n,
        };
        return refuse(format!(
            "S ({n}, {d}): of {name} expected at most {most} columns"
        ));
    }
    Ok((family.draw(n, d, &making.draws, "s"), file))
}

/// S as a matrix, and S Sᵀ, which is I on average (but for the family that says it is not).
fn shown(s: &S) -> Vec<Called<'static>> {
    let (n, d) = s.shape();
    let identity = |n: usize| Tensor::from_fn(n, n, |i, j| f64::from(u8::from(i == j)));
    let mut dense = Tensor::zeros(n, d);
    s.x_s(identity(n).view(), dense.view_mut());
    let square = Tensor::product(1.0, dense.view(), dense.view().t());
    vec![("S", dense), ("S Sᵀ", square)]
}

/// An operator of S and one input.
fn ready(
    file: File,
    input: Called<'static>,
    (s, of_family): (S, File),
    operator: for<'t> fn(&Var<'t, f64>, &S) -> Var<'t, f64>,
) -> Ready {
    let shown = shown(&s);
    let mut ready = Ready::new(file, vec![input], move |_, v| operator(&v[0], &s));
    ready.shown = shown;
    ready.files.push(of_family);
    ready
}

fn sketch_rows(making: &Making<'_>) -> Result<Ready, Refused> {
    let (n, c) = (making.rows, making.columns);
    let s = drawn(making, n, making.whole("d"))?;
    let file = file!("sketch/apply.rs", "sketch_rows");
    Ok(ready(
        file,
        making.input("x", (n, c))?,
        s,
        ops::sketch::sketch_rows,
    ))
}

fn lift_rows(making: &Making<'_>) -> Result<Ready, Refused> {
    let (d, c) = (making.rows, making.columns);
    let s = drawn(making, making.whole("n"), d)?;
    let file = file!("sketch/apply.rs", "lift_rows");
    Ok(ready(
        file,
        making.input("y", (d, c))?,
        s,
        ops::sketch::lift_rows,
    ))
}

fn sketch_cols(making: &Making<'_>) -> Result<Ready, Refused> {
    let (r, n) = (making.rows, making.columns);
    let s = drawn(making, n, making.whole("d"))?;
    let file = file!("sketch/apply.rs", "sketch_cols");
    Ok(ready(
        file,
        making.input("x", (r, n))?,
        s,
        ops::sketch::sketch_cols,
    ))
}

fn lift_cols(making: &Making<'_>) -> Result<Ready, Refused> {
    let (r, d) = (making.rows, making.columns);
    let s = drawn(making, making.whole("n"), d)?;
    let file = file!("sketch/apply.rs", "lift_cols");
    Ok(ready(
        file,
        making.input("y", (r, d))?,
        s,
        ops::sketch::lift_cols,
    ))
}

fn sketched_product(making: &Making<'_>) -> Result<Ready, Refused> {
    let (m, p, n) = (making.rows, making.columns, making.whole("n"));
    let (s, of_family) = drawn(making, n, making.whole("d"))?;
    let inputs = vec![making.input("B", (m, n))?, making.input("V", (n, p))?];
    let shown = shown(&s);
    let file = file!("sketch/product.rs", "sketched_product");
    let mut ready = Ready::new(file, inputs, move |_, v| {
        ops::sketch::sketched_product(&v[0], &v[1], &s)
    });
    ready.shown = shown;
    ready.files.push(of_family);
    Ok(ready)
}
