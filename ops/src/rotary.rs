//! Rotary positions (Su et al. 2021): queries and keys turned by their positions, so that their products depend on how
//! far apart two tokens are and not on where they stand.
//!
//! With h = ⌊p / 2⌋, R_t turns the columns c and c + h of a head by the angle t 10000^(-c / h); of an odd p the last
//! column stays:
//!
//! ```text
//! y_i = R_t x_i, t the position of row i          dx_i = R_tᵀ dy_i, the turn back
//! (R_s q) · (R_t k) = q · R_(t - s) k
//! ```
//!
//! R_t is R_64a R_b with t = 64 a + b: two short tables of angles in place of a row for every position, from `libm`,
//! whose sines have the same bits everywhere.

use engine::check::{Case, check, normal};
use engine::{MatMut, Real, Tensor, Var, lanes};

/// Turns of the near table: positions are taken as a multiple of it and a rest.
const NEAR: usize = 64;

/// y as on the module's page: every one of `heads` heads of x (n, heads p) turned by the rows' positions.
///
/// # Panics
/// If the columns are no such heads, or there are not as many positions as rows.
#[track_caller]
pub fn rotary<'t, T: Real>(x: &Var<'t, T>, heads: usize, positions: &[u32]) -> Var<'t, T> {
    let (n, width) = x.shape();
    assert!(
        heads > 0 && width.is_multiple_of(heads) && positions.len() == n,
        "rotary: x {:?} is no {heads} heads at {} positions",
        x.shape(),
        positions.len()
    );
    node(x, heads, positions)
}

/// Saved: the positions and the tables of angles.
fn node<'t, T: Real>(x: &Var<'t, T>, heads: usize, positions: &[u32]) -> Var<'t, T> {
    let p = x.cols() / heads;
    let last = positions.iter().max().copied().unwrap_or(0);
    let (angles, positions) = (Angles::new(last, p), positions.to_vec());
    let turn_heads = move |turn: Turn, mut x: MatMut<'_, T>| {
        for h in 0..heads {
            angles.turn(turn, &positions, x.reborrow().cols_in(h * p..(h + 1) * p));
        }
    };
    let mut y = Tensor::from_view(x.value().view());
    turn_heads(Turn::Forth, y.view_mut());
    x.tape().record("rotary", [x.node()], y, move |dy| {
        let mut dx = dy.into_owned();
        turn_heads(Turn::Back, dx.view_mut());
        [dx]
    })
}

/// The angles of R_t, for t up to the last one asked for.
pub(crate) struct Angles<T: Real> {
    /// t = 0 .. 63.
    near: Tensor<T>,
    /// t = 0, 64, 128, ...
    far: Tensor<T>,
}

/// Which way.
#[derive(Clone, Copy)]
pub(crate) enum Turn {
    /// R.
    Forth,
    /// Rᵀ, which is R of the opposite angle.
    Back,
}

impl Turn {
    /// The other way.
    pub(crate) fn inverse(self) -> Turn {
        match self {
            Turn::Forth => Turn::Back,
            Turn::Back => Turn::Forth,
        }
    }

    /// What sines are multiplied by.
    fn sign<T: Real>(self) -> T {
        match self {
            Turn::Forth => T::ONE,
            Turn::Back => -T::ONE,
        }
    }
}

impl<T: Real> Angles<T> {
    /// For positions up to `last`, and heads of p columns.
    pub(crate) fn new(last: u32, p: usize) -> Self {
        let far = last as usize / NEAR + 1;
        Angles {
            near: angles(0..NEAR, p),
            far: angles((0..far).map(|a| NEAR * a), p),
        }
    }

    /// Row i of one head becomes R_t x_i, t its position.
    pub(crate) fn turn(&self, turn: Turn, positions: &[u32], mut x: MatMut<'_, T>) {
        for (i, &t) in positions.iter().enumerate() {
            let t = t as usize;
            for angles in [self.near.row(t % NEAR), self.far.row(t / NEAR)] {
                rotate(turn, angles, x.row(i));
            }
        }
    }
}

/// For each of `times` a row of cosines, then sines, for heads of p columns.
pub(crate) fn angles<T: Real>(times: impl ExactSizeIterator<Item = usize>, p: usize) -> Tensor<T> {
    let half = p / 2;
    let speed = |c: usize| libm::pow(10000.0, -(c as f64) / half as f64);
    let speeds: Vec<f64> = (0..half).map(speed).collect();
    let mut table = Tensor::stale(times.len(), 2 * half);
    for (row, t) in times.enumerate() {
        let (cosines, sines) = table.row_mut(row).split_at_mut(half);
        for ((cosine, sine), speed) in cosines.iter_mut().zip(sines).zip(&speeds) {
            let angle = t as f64 * speed;
            (*cosine, *sine) = (T::of(libm::cos(angle)), T::of(libm::sin(angle)));
        }
    }
    table
}

/// x becomes R x, or the turn back, by a row of angles.
pub(crate) fn rotate<T: Real>(turn: Turn, angles: &[T], x: &mut [T]) {
    rotate_by(turn.sign(), angles, x);
}

lanes! {
    /// Sines times `sign`.
    fn rotate_by<T>(sign: T, angles: &[T], x: &mut [T]) {
        let half = angles.len() / 2;
        let (cosines, sines) = angles.split_at(half);
        let (low, high) = x.split_at_mut(half);
        for (((low, high), &cosine), &sine) in low.iter_mut().zip(high).zip(cosines).zip(sines) {
            let (a, b, sine) = (*low, *high, sign * sine);
            *low = cosine * a - sine * b;
            *high = sine * a + cosine * b;
        }
    }
}

/// The gradient checks of this file.
pub fn cases() -> Vec<Case> {
    vec![Case::new("rotary", |stream| {
        let mut checked = Vec::new();
        // An odd head, gaps, positions of both tables.
        for (positions, heads, p) in [(&[3][..], 1, 2), (&[0, 1, 9], 2, 3), (&[5, 64, 200], 2, 4)] {
            let stream = stream.at(positions.len()).at(p);
            let x = normal(stream.stream("x"), positions.len(), heads * p);
            checked.extend(check("rotary", stream, &[("x", x)], |_, v| {
                rotary(&v[0], heads, positions)
            })?);
        }
        Ok(checked)
    })]
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::{Seed, Tape};

    #[test]
    fn a_turn_by_hand() {
        let tape = Tape::<f64>::forward_only();
        let x = Tensor::from_slice(1, 5, &[1.0, 2.0, 3.0, 4.0, 5.0]);
        let y = rotary(&tape.leaf("x", x), 1, &[130]);
        let (t, slow) = (130f64, 130f64 * 0.01);
        let want = [
            t.cos() - 3.0 * t.sin(),
            2.0 * slow.cos() - 4.0 * slow.sin(),
            t.sin() + 3.0 * t.cos(),
            2.0 * slow.sin() + 4.0 * slow.cos(),
            5.0,
        ];
        for (y, want) in y.value().data().iter().zip(want) {
            assert!((y - want).abs() < 1e-13, "{y} {want}");
        }
    }

    #[test]
    fn products_depend_on_the_distance() {
        let tape = Tape::<f64>::forward_only();
        let x = |name| tape.leaf("x", normal(Seed(1).stream(name), 1, 8));
        let (q, k) = (x("q"), x("k"));
        let product = |s: u32, t: u32| {
            let [q, k] = [rotary(&q, 2, &[s]), rotary(&k, 2, &[t])];
            lanes::dot(q.value().data(), k.value().data())
        };
        assert!((product(3, 10) - product(1003, 1010)).abs() < 1e-12);
        assert!((product(3, 10) - product(10, 3)).abs() > 0.1);
    }

    #[test]
    #[should_panic(expected = "rotary: x (2, 6) is no 4 heads at 2 positions")]
    fn columns_that_are_no_heads() {
        let tape = Tape::<f32>::new();
        rotary(&tape.leaf("x", Tensor::zeros(2, 6)), 4, &[0, 1]);
    }
}
