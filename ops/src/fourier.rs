//! A learned filter over frequencies: every column is convolved with a kernel as long as the sequence (the Fourier half
//! of S3Attention, Wang et al. 2024, algorithm 2).
//!
//! The rows stand at their positions on a ring of N places, N a power of two, with zeros elsewhere. x (n, H) has r
//! segments of s = H / r columns; L, N / 2 + 1 rows of H complex numbers, is learned:
//!
//! ```text
//! u_j = mean of the columns of segment j (n, r)     U = rFFT(u on the ring)
//! M = irFFT(P),   P_fh = L_fh U_fj, j = ⌊h / s⌋     y = the rows of M at the positions (n, H)
//! ```
//!
//! Backwards, with G = rFFT(dy on the ring) and * the conjugate: the transform is linear, and the adjoint of a filter is
//! the filter of the conjugate:
//!
//! ```text
//! dL_fh = (c_f / N) U*_fj G_fh                      c = 1 where f = 0 or N / 2, else 2
//! du_j = irFFT(sum over the segment of L*_fh G_fh), at the positions      dx = du / s in every column of its segment
//! ```
//!
//! c_f counts that a row of the half spectrum stands for two of the whole one. At f = 0 and N / 2 a spectrum of real
//! columns is real: the imaginary part of L does nothing there, and gets no gradient.
//!
//! M is dense, so a short example costs as much as a long one: N log N.

mod ring;

use engine::check::{Case, check, normal};
use engine::{Real, Tensor, Var, lanes};

use ring::{Ring, Spectrum};

/// How rows lie on a ring, and in how many segments their columns are averaged before the filter.
#[derive(Clone, Debug)]
pub struct OnRing<'a> {
    /// N, a power of two above every position.
    pub places: usize,
    /// The position of every row, rising.
    pub positions: &'a [u32],
    /// r, which divides the columns.
    pub segments: usize,
}

/// The rows of x (n, H) filtered by L = `re` + i `im`, (N / 2 + 1, H) each, to (n, H).
///
/// # Panics
/// If the shapes are not these, N is no power of two, a position is not below it, or the segments do not divide H.
#[track_caller]
pub fn fourier_filter<'t, T: Real>(
    x: &Var<'t, T>,
    [re, im]: [&Var<'t, T>; 2],
    on: &OnRing<'_>,
) -> Var<'t, T> {
    let (n, columns) = x.shape();
    let OnRing {
        places,
        positions,
        segments,
    } = *on;
    assert!(
        places.is_power_of_two()
            && positions.len() == n
            && positions.is_sorted_by(|a, b| a < b)
            && positions
                .last()
                .is_none_or(|&last| (last as usize) < places),
        "fourier_filter: {n} rows at {} positions, which have to rise below the {places} places, a power of two",
        positions.len()
    );
    assert!(
        segments > 0 && columns.is_multiple_of(segments),
        "fourier_filter: {columns} columns are no {segments} segments"
    );
    let shape = (places / 2 + 1, columns);
    assert!(
        re.shape() == shape && im.shape() == shape,
        "fourier_filter: the filter is {:?} and {:?}, expected {shape:?}",
        re.shape(),
        im.shape()
    );
    node(x, [re, im], on)
}

/// Saved: L and U.
fn node<'t, T: Real>(x: &Var<'t, T>, [re, im]: [&Var<'t, T>; 2], on: &OnRing<'_>) -> Var<'t, T> {
    let ring = Ring::new(on.places);
    let (columns, r) = (x.cols(), on.segments);
    let positions = on.positions.to_vec();
    let mut u = Tensor::zeros(on.places, r); // on the ring
    for (i, &position) in positions.iter().enumerate() {
        means(x.value().row(i), u.row_mut(position as usize));
    }
    let u = ring.spectrum(&u); // (N / 2 + 1, r)
    let [mut of_re, mut of_im] = [0; 2].map(|_| Tensor::stale(ring.frequencies(), columns));
    let mut repeated = [0; 2].map(|_| vec![T::ZERO; columns]); // a row of U for the columns of the segments
    for f in 0..ring.frequencies() {
        let l = [re, im].map(|l| l.value().row(f));
        repeat(&u, f, &mut repeated);
        let u = repeated.each_ref().map(|u| &u[..]);
        filter(l, u, of_re.row_mut(f), of_im.row_mut(f));
        if ring.is_real(f) {
            of_im.row_mut(f).fill(T::ZERO);
        }
    }
    let m = ring.signal(&[of_re, of_im]);
    let y = at(&m, &positions); // (n, H)

    let tape = x.tape();
    let parents = [x, re, im].map(Var::node);
    let (u, l) = (u.map(|u| tape.save(&u)), [re.save(), im.save()]);
    tape.record("fourier_filter", parents, y, move |dy| {
        let mut dm = Tensor::zeros(ring.places(), columns); // on the ring
        for (i, &position) in positions.iter().enumerate() {
            dm.row_mut(position as usize).copy_from_slice(dy.row(i));
        }
        let g = ring.spectrum(&dm); // (N / 2 + 1, H)
        let [mut dre, mut dim] = [0; 2].map(|_| Tensor::stale(ring.frequencies(), columns));
        let mut du: Spectrum<T> = [0; 2].map(|_| Tensor::zeros(ring.frequencies(), r));
        let mut repeated = [0; 2].map(|_| vec![T::ZERO; columns]);
        for f in 0..ring.frequencies() {
            let g = [0, 1].map(|part: usize| g[part].row(f));
            let weight = if ring.is_real(f) { 1.0 } else { 2.0 } / ring.places() as f64;
            repeat(&u, f, &mut repeated);
            let of_u = repeated.each_ref().map(|u| &u[..]);
            unfilter(of_u, g, T::of(weight), dre.row_mut(f), dim.row_mut(f));
            let of_l = [0, 1].map(|part: usize| l[part].row(f));
            let [through_re, through_im] = &mut repeated;
            unfilter(of_l, g, T::ONE, through_re, through_im);
            for (through, du) in repeated.iter().zip(&mut du) {
                for (segment, du) in through.chunks_exact(columns / r).zip(du.row_mut(f)) {
                    *du = lanes::sum(segment);
                }
            }
            if ring.is_real(f) {
                dim.row_mut(f).fill(T::ZERO);
                // What L*'s imaginary part would add to the real one is 0: there G is real.
                du[1].row_mut(f).fill(T::ZERO);
            }
        }
        let du = at(&ring.signal(&du), &positions); // (n, r)
        let share = T::ONE / T::of((columns / r) as f64);
        let dx = Tensor::from_fn(du.rows(), columns, |i, h| {
            share * du.row(i)[h / (columns / r)]
        });
        [dx, dre, dim]
    })
}

/// The rows at these positions.
fn at<T: Real>(on_ring: &Tensor<T>, positions: &[u32]) -> Tensor<T> {
    let mut rows = Tensor::stale(positions.len(), on_ring.cols());
    for (i, &position) in positions.iter().enumerate() {
        rows.row_mut(i)
            .copy_from_slice(on_ring.row(position as usize));
    }
    rows
}

/// The means of as many segments as there is room for.
fn means<T: Real>(x: &[T], means: &mut [T]) {
    let size = x.len() / means.len();
    let share = T::ONE / T::of(size as f64);
    for (mean, segment) in means.iter_mut().zip(x.chunks_exact(size)) {
        *mean = share * lanes::sum(segment);
    }
}

/// Row f of the spectrum of the segments, for every column of a segment.
fn repeat<T: Real>(u: &Spectrum<T>, f: usize, repeated: &mut [Vec<T>; 2]) {
    for (u, repeated) in u.iter().zip(repeated) {
        let u = u.row(f);
        let size = repeated.len() / u.len();
        for (segment, &u) in repeated.chunks_exact_mut(size).zip(u) {
            segment.fill(u);
        }
    }
}

lanes! {
    /// P = L U, a row of a spectrum: real and imaginary parts.
    fn filter<T>(l: [&[T]; 2], u: [&[T]; 2], re: &mut [T], im: &mut [T]) {
        let ([lr, li], [ur, ui]) = (l, u);
        for (h, (re, im)) in re.iter_mut().zip(im).enumerate() {
            *re = lr[h].mul_add(ur[h], -(li[h] * ui[h]));
            *im = lr[h].mul_add(ui[h], li[h] * ur[h]);
        }
    }

    /// weight X* G, a row: the gradient of one factor of a filter from the other one.
    fn unfilter<T>(x: [&[T]; 2], g: [&[T]; 2], weight: T, re: &mut [T], im: &mut [T]) {
        let ([xr, xi], [gr, gi]) = (x, g);
        for (h, (re, im)) in re.iter_mut().zip(im).enumerate() {
            *re = weight * xr[h].mul_add(gr[h], xi[h] * gi[h]);
            *im = weight * xr[h].mul_add(gi[h], -(xi[h] * gr[h]));
        }
    }
}

/// The gradient checks of this file.
pub fn cases() -> Vec<Case> {
    vec![Case::new("fourier_filter", |stream| {
        let mut checked = Vec::new();
        // All places, gaps; one segment, some, all columns. (Up to two places the imaginary part does nothing.)
        for (places, positions, columns, segments) in [
            (4, &[0, 1, 2, 3][..], 6, 3),
            (8, &[1, 2, 7], 4, 1),
            (16, &[0, 1, 2, 5, 8, 13], 3, 3),
        ] {
            let stream = stream.at(places);
            let inputs = [
                ("x", normal(stream.stream("x"), positions.len(), columns)),
                ("re", normal(stream.stream("re"), places / 2 + 1, columns)),
                ("im", normal(stream.stream("im"), places / 2 + 1, columns)),
            ];
            let on = OnRing {
                places,
                positions,
                segments,
            };
            checked.extend(check("fourier_filter", stream, &inputs, |_, v| {
                fourier_filter(&v[0], [&v[1], &v[2]], &on)
            })?);
        }
        Ok(checked)
    })]
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::Tape;

    /// With the filter e^(-2 π i f / N) every row moves on by one place, around the ring.
    #[test]
    fn a_shift_is_a_filter() {
        let (places, columns) = (8, 2);
        let tape = Tape::<f64>::new();
        let x = Tensor::from_fn(places, columns, |t, h| (10 * h + t) as f64);
        let angle = |f: usize| std::f64::consts::TAU * f as f64 / places as f64;
        let re = Tensor::from_fn(places / 2 + 1, columns, |f, _| angle(f).cos());
        let im = Tensor::from_fn(places / 2 + 1, columns, |f, _| -angle(f).sin());
        let [x, re, im] = [x, re, im].map(|x| tape.leaf("leaf", x));
        let on = OnRing {
            places,
            positions: &[0, 1, 2, 3, 4, 5, 6, 7],
            segments: columns,
        };
        let y = fourier_filter(&x, [&re, &im], &on);
        for t in 0..places {
            for h in 0..columns {
                let want = x.value().row((t + places - 1) % places)[h];
                assert!((y.value().row(t)[h] - want).abs() < 1e-14);
            }
        }
    }

    #[test]
    fn a_ring_of_one_place_is_a_product() {
        let tape = Tape::<f64>::new();
        let leaf = |x: &[f64]| tape.leaf("leaf", Tensor::from_slice(1, 4, x));
        let x = leaf(&[1.0, 3.0, 10.0, 20.0]); // segment means 2 and 15
        let (re, im) = (leaf(&[1.0, 2.0, 3.0, 4.0]), leaf(&[7.0; 4]));
        let on = OnRing {
            places: 1,
            positions: &[0],
            segments: 2,
        };
        let y = fourier_filter(&x, [&re, &im], &on);
        assert_eq!(y.value().data(), [2.0, 4.0, 45.0, 60.0]);
        let gradients = tape.backward_from(&y, Tensor::filled(1, 4, 1.0));
        assert_eq!(gradients.of(&x).data(), [1.5, 1.5, 3.5, 3.5]);
        assert_eq!(gradients.of(&re).data(), [2.0, 2.0, 15.0, 15.0]);
        assert_eq!(gradients.of(&im).data(), [0.0; 4]);
    }

    #[test]
    #[should_panic(expected = "fourier_filter: 4 columns are no 3 segments")]
    fn segments_that_do_not_divide() {
        let tape = Tape::<f32>::new();
        let leaf = |n, c| tape.leaf("leaf", Tensor::zeros(n, c));
        let on = OnRing {
            places: 4,
            positions: &[0, 3],
            segments: 3,
        };
        fourier_filter(&leaf(2, 4), [&leaf(3, 4), &leaf(3, 4)], &on);
    }

    #[test]
    #[should_panic(expected = "which have to rise below the 6 places, a power of two")]
    fn a_ring_that_is_no_power_of_two() {
        let tape = Tape::<f32>::new();
        let leaf = |n, c| tape.leaf("leaf", Tensor::zeros(n, c));
        let on = OnRing {
            places: 6,
            positions: &[0, 3],
            segments: 1,
        };
        fourier_filter(&leaf(2, 4), [&leaf(4, 4), &leaf(4, 4)], &on);
    }
}
