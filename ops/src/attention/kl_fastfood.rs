//! `kl-fastfood-prf` and `kl-fastfood-rks`: frequencies of [`super::kl`] by FastFood (Le et al. 2013), one set for all
//! heads.
//!
//! With the Walsh-Hadamard matrix H of the next power of two P >= p, a permutation Π and learned diagonals `flip` B,
//! `gauss` G and `scale` S, x' padded with zeros,
//!
//! ```text
//! W x' = P^-½ S H G Π H B x'          (Π u)_i = u_{permutation_i}
//! ```
//!
//! so that P frequencies, as many as columns whatever --features is, have 3 P parameters; with B = G = S = 1 and no
//! permutation W is √P I. W is made by transforming the columns of B in place of x, P log P additions for each of p
//! columns and not of n tokens; the products with W, small as it is, are faster than transforms.
//!
//! ```text
//! U = H B,  R = Π U,  Z = H G R,  W = P^-½ S Z        (first p columns, as B has no others for x')
//!
//! dscale_i = P^-½ dw_i · z_i          dZ = P^-½ S dW
//! dgauss_i = r_i · (H dZ)_i           dU = Πᵀ G H dZ          dflip_c = (H dU)_cc
//! ```
//!
//! `flip`, `gauss` and `scale` start from N(0, 1/P) as released, where W is small and the kernel nearly constant. The
//! permutation is drawn for every example, as there; their class for positive features cannot be constructed, so that
//! `kl-fastfood-prf` follows the formula alone. Entries of `flip` from p on meet the zeros of x' and have no gradient.

use engine::{Real, Stream, Tensor, Var, lanes};

use super::kl::{Frequencies, Kl, LAWS, Map, cost};
use super::{Cost, Entry, Inputs, LayerShape};
use crate::gather::{gathered, scatter_add_rows};
use crate::sketch::hadamard::walsh_hadamard;

/// Three diagonals and a permutation between Hadamard matrices.
#[derive(Clone, Copy, Debug)]
pub struct FastFood;

/// x_i *= d_i for the rows of x and the numbers of d (1, rows).
fn scale_rows<T: Real>(d: &Tensor<T>, x: &mut Tensor<T>) {
    for (i, &d) in d.data().iter().enumerate() {
        lanes::scale(d, x.row_mut(i));
    }
}

/// The products of the rows of a and b, (1, rows).
fn products_of_rows<T: Real>(a: &Tensor<T>, b: &Tensor<T>) -> Tensor<T> {
    Tensor::from_fn(1, a.rows(), |_, i| lanes::dot(a.row(i), b.row(i)))
}

impl<T: Real> Frequencies<T> for FastFood {
    const OF_HEADS: bool = false;

    fn shapes(&self, shape: LayerShape) -> Vec<(&'static str, [usize; 2])> {
        let diagonal = [1, shape.head_width.next_power_of_two()];
        ["flip", "gauss", "scale"]
            .map(|name| (name, diagonal))
            .into()
    }

    fn parameters(&self, shape: LayerShape, stream: Stream) -> Vec<(&'static str, Tensor<T>)> {
        let size = shape.head_width.next_power_of_two();
        let deviation = 1.0 / (size as f64).sqrt();
        let diagonal = |name| {
            let mut generator = stream.stream(name).generator();
            let mut number = |_, _| T::of(deviation * generator.normal());
            (name, Tensor::from_fn(1, size, &mut number))
        };
        ["flip", "gauss", "scale"].map(diagonal).into()
    }

    fn node<'t>(&self, name: &'static str, x: &Inputs<'_, 't, T>) -> Var<'t, T> {
        let [flip, gauss, scale] = [0, 1, 2].map(|i| &x.parameters[i]);
        let (tape, parents) = (x.v.tape(), [flip, gauss, scale].map(Var::node));
        let (size, p) = (flip.cols(), x.head(0).len());
        let draw = x.place.draw("permutation", 0);
        let permutation = x.draws.distinct_indices(&draw, size, |generator| {
            let mut order: Vec<u32> = (0..size as u32).collect();
            generator.shuffle(&mut order);
            order
        });
        assert!(
            permutation.len() == size,
            "draw {draw}: {} indices are no permutation of {size}",
            permutation.len()
        );

        let flip = flip.value();
        let mut u = Tensor::from_fn(
            size,
            p,
            |i, c| if i == c { flip.data()[c] } else { T::ZERO },
        );
        walsh_hadamard(u.data_mut(), p);
        let r = gathered(u.view(), &permutation); // (P, p)
        let gauss = gauss.save();
        let mut z = r.clone();
        scale_rows(&gauss, &mut z);
        walsh_hadamard(z.data_mut(), p); // (P, p)
        let mut scale = scale.save();
        lanes::scale(T::ONE / T::of(size as f64).sqrt(), scale.data_mut()); // P^-½ S
        let mut w = z.clone();
        scale_rows(&scale, &mut w);

        let [r, z] = [&r, &z].map(|x| tape.save(x));
        tape.record(name, parents, w, move |dw| {
            // W = P^-½ S Z
            let mut dscale = products_of_rows(&dw, &z);
            lanes::scale(T::ONE / T::of(size as f64).sqrt(), dscale.data_mut());
            let mut d = dw.into_owned();
            scale_rows(&scale, &mut d);
            // Z = H G R
            walsh_hadamard(d.data_mut(), p);
            let dgauss = products_of_rows(&d, &r);
            scale_rows(&gauss, &mut d);
            // R = Π U,  U = H B
            let mut du = Tensor::zeros(size, p);
            scatter_add_rows(d.view(), &permutation, du.view_mut());
            walsh_hadamard(du.data_mut(), p);
            let diagonal = |_, c| if c < p { du.row(c)[c] } else { T::ZERO };
            [Tensor::from_fn(1, size, diagonal), dgauss, dscale]
        })
    }
}

impl Kl<FastFood> {
    /// `kl-fastfood-prf`.
    pub fn fastfood_prf() -> Self {
        Kl {
            name: "kl-fastfood-prf",
            frequencies: FastFood,
            map: Map::Positive,
        }
    }

    /// `kl-fastfood-rks`.
    pub fn fastfood_rks(smoothing: f64) -> Self {
        Kl {
            name: "kl-fastfood-rks",
            frequencies: FastFood,
            map: Map::Waves { smoothing },
        }
    }
}

/// What W (P, p) and what is kept of it cost: R, Z, and transforms of additions alone.
fn cost_with_w(map: Map, n: f64, p: f64) -> Cost {
    let size = (p as usize).next_power_of_two() as f64;
    let attention = cost(map, size, n, p);
    Cost {
        bytes: attention.bytes + 4.0 * 2.0 * size * p,
        ..attention
    }
}

/// `kl-fastfood-prf`.
pub fn entry<T: Real>() -> Entry<T> {
    Entry {
        name: "kl-fastfood-prf",
        about: "p positive features of learned diagonals and Hadamard matrices",
        cites: "Chowdhury et al. 2022, FastFood-PRF",
        laws: LAWS,
        time: "n p²",
        cost: |_, n, p| cost_with_w(Map::Positive, n, p),
        build: |_| Box::new(Kl::fastfood_prf()),
    }
}

/// `kl-fastfood-rks`.
pub fn entry_rks<T: Real>() -> Entry<T> {
    Entry {
        name: "kl-fastfood-rks",
        about: "waves of p learned diagonals and Hadamard matrices",
        cites: "Chowdhury et al. 2022, FastFood-RKS",
        laws: LAWS,
        time: "n p²",
        cost: |_, n, p| {
            cost_with_w(
                Map::Waves {
                    smoothing: Map::SMOOTHING,
                },
                n,
                p,
            )
        },
        build: |_| Box::new(Kl::fastfood_rks(Map::SMOOTHING)),
    }
}
