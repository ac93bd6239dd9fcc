//! The stamps of the drawings: one dash ("paddle") in every direction, and the round marker.
//!
//! A stamp is drawn at twice the size, without smoothing, then reduced by Lanczos' filter of radius
//! 3 (Duchon 1979) the way the imaging library of the original generator does it: first along the
//! rows, then along the columns, with a rounding to 8 bits after each. So the stamps have the grey
//! values of the original's pictures, overshoot of the filter included.

use super::SIDE;
use std::sync::LazyLock;

/// Pixels of a paddle from end to end.
pub(super) const LENGTH: usize = 2;
/// Pixels kept free around a paddle.
pub(super) const MARGIN: usize = 1;
/// Radius of a marker, in pixels.
const RADIUS: f64 = 1.5;
/// Stamps are drawn so many times as large.
const SCALE: usize = 2;
/// A stamp reaches so far from its middle: the length, the thickness (rounded up) and the margin.
const REACH: usize = LENGTH + 1 + MARGIN;
/// Side of a stamp.
const STAMP: usize = 2 * REACH + 1;
/// Side of a large stamp: the middle and `SCALE * REACH` on both sides, so the reduction is by
/// 17/9, not by 2.
const LARGE: usize = 2 * SCALE * REACH + 1;
/// Directions of a large paddle: its far end is so many steps from the middle at most, down and to
/// the right.
const STEPS: i32 = (SCALE * LENGTH) as i32;

/// The pixels of a stamp that are not 0: down and right of its middle, and the grey value.
pub(super) type Stamp = Vec<(i32, i32, u8)>;

/// A paddle that begins in the middle of its stamp.
pub(super) struct Paddle {
    /// What is seen.
    pub(super) line: Stamp,
    /// What is occupied: the line and its margin, 255 where wholly.
    pub(super) mask: Stamp,
}

/// The offset `distance` pixels away in direction `angle`, down and right, rounded up; a value within
/// 1e-9 above a whole number counts as that number.
pub(super) fn away(angle: f64, distance: f64) -> (i32, i32) {
    let up = |x: f64| (x - 1e-9).ceil() as i32;
    (
        up(distance * libm::sin(angle)),
        up(distance * libm::cos(angle)),
    )
}

/// The paddle that leaves the middle of its stamp at `angle`.
pub(super) fn paddle(angle: f64) -> &'static Paddle {
    static PADDLES: LazyLock<Vec<Paddle>> = LazyLock::new(|| {
        let ends = (-STEPS..=STEPS).flat_map(|y| (-STEPS..=STEPS).map(move |x| (y, x)));
        ends.map(|end| draw(&line(end))).collect()
    });
    let (y, x) = away(angle, f64::from(STEPS));
    &PADDLES[((y + STEPS) * (2 * STEPS + 1) + x + STEPS) as usize]
}

/// The marker: a disc whose middle pixel is that of the stamp.
pub(super) fn marker() -> &'static Stamp {
    static MARKER: LazyLock<Stamp> = LazyLock::new(|| {
        let (middle, radius) = (SIDE as i32, SCALE as f64 * RADIUS);
        let disc = |y: i32, x: i32| f64::from(y * y + x * x) <= radius * radius;
        let large = bitmap(SCALE * SIDE, |y, x| disc(y - middle, x - middle));
        stamp(&reduce(&large, SCALE * SIDE, SIDE), SIDE)
    });
    &MARKER
}

/// The steps of a digital line from (0, 0) to `end`: one a pixel along its longer axis, halves
/// rounded away from 0.
fn line((y, x): (i32, i32)) -> Vec<(i32, i32)> {
    let steps = y.abs().max(x.abs());
    let part = |i: i32, of: i32| match steps {
        0 => 0,
        _ => of.signum() * ((2 * i * of.abs() + steps) / (2 * steps)),
    };
    (0..=steps).map(|i| (part(i, y), part(i, x))).collect()
}

fn draw(line: &[(i32, i32)]) -> Paddle {
    let middle = (SCALE * REACH) as i32;
    let margin = (SCALE * MARGIN) as i32;
    let within = |radius: i32| {
        let large = bitmap(LARGE, |y, x| {
            line.iter().any(|(down, right)| {
                let (y, x) = (y - middle - down, x - middle - right);
                y * y + x * x <= radius * radius
            })
        });
        stamp(&reduce(&large, LARGE, STAMP), STAMP)
    };
    Paddle {
        line: within(0),
        mask: within(margin),
    }
}

fn bitmap(side: usize, inked: impl Fn(i32, i32) -> bool) -> Vec<u8> {
    let places = (0..side as i32).flat_map(|y| (0..side as i32).map(move |x| (y, x)));
    places.map(|(y, x)| 255 * u8::from(inked(y, x))).collect()
}

fn stamp(pixels: &[u8], side: usize) -> Stamp {
    let middle = (side / 2) as i32;
    let rows = (-middle..).zip(pixels.chunks_exact(side));
    rows.flat_map(|(y, row)| (-middle..).zip(row).map(move |(x, &grey)| (y, x, grey)))
        .filter(|&(_, _, grey)| grey > 0)
        .collect()
}

/// A square picture of side `from` at side `to`.
fn reduce(picture: &[u8], from: usize, to: usize) -> Vec<u8> {
    let weights: Vec<Vec<(usize, i32)>> = (0..to).map(|i| weights(i, from, to)).collect();
    let sum = |weights: &[(usize, i32)], pixel: &dyn Fn(usize) -> u8| {
        let sum = |(place, weight): &(usize, i32)| weight * i32::from(pixel(*place));
        let sum: i32 = weights.iter().map(sum).sum();
        ((sum + (1 << (BITS - 1))) >> BITS).clamp(0, 255) as u8
    };
    let mut narrow = Vec::with_capacity(from * to);
    for row in picture.chunks_exact(from) {
        narrow.extend(weights.iter().map(|w| sum(w, &|x| row[x])));
    }
    let mut small = Vec::with_capacity(to * to);
    for w in &weights {
        small.extend((0..to).map(|x| sum(w, &|y| narrow[y * to + x])));
    }
    small
}

/// Weights are whole numbers of 2^-22: with 8 bits of grey and a sign, and overshoot, they fill 32
/// bits.
const BITS: u32 = 22;

/// What the pixels of the large picture weigh in pixel `i` of the small one.
fn weights(i: usize, from: usize, to: usize) -> Vec<(usize, i32)> {
    const RADIUS: f64 = 3.0;
    let scale = from as f64 / to as f64;
    let (centre, support) = ((i as f64 + 0.5) * scale, RADIUS * scale);
    let first = (centre - support + 0.5).max(0.0) as usize;
    let last = ((centre + support + 0.5) as usize).min(from);
    let sinc = |x: f64| match std::f64::consts::PI * x {
        0.0 => 1.0,
        x => libm::sin(x) / x,
    };
    let weight = |place: usize| {
        let x = (place as f64 + 0.5 - centre) / scale;
        match (-RADIUS..RADIUS).contains(&x) {
            true => sinc(x) * sinc(x / RADIUS),
            false => 0.0,
        }
    };
    let sum: f64 = (first..last).map(weight).sum();
    (first..last)
        .map(|place| {
            let weight = weight(place) / sum * f64::from(1 << BITS);
            (place, weight.round() as i32)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::{FRAC_PI_2, PI};

    /// The bright pixels of a stamp, from left to right in each row, with the place of the first.
    fn bright(stamp: &Stamp) -> Vec<(i32, i32, u8)> {
        stamp.iter().copied().filter(|&(_, _, v)| v > 15).collect()
    }

    /// The values are those in pictures of the original generator.
    #[test]
    fn stamps_have_the_grey_values_of_the_original() {
        let right = bright(&paddle(0.0).line);
        assert_eq!(right, [(0, 0, 102), (0, 1, 135), (0, 2, 116)]);
        let left = bright(&paddle(PI).line);
        assert_eq!(left, [(0, -2, 116), (0, -1, 135), (0, 0, 102)]);
        // The columns are summed after the rows have been cut to 0..255: upright lines overshoot,
        // lying ones cannot.
        let down = bright(&paddle(FRAC_PI_2).line);
        assert_eq!(down, [(0, 0, 102), (1, 0, 147), (2, 0, 116)]);
        let slanted = bright(&paddle(0.588).line);
        let wanted = [
            (0, 0, 95),
            (0, 1, 22),
            (1, 0, 27),
            (1, 1, 136),
            (1, 2, 90),
            (2, 2, 54),
        ];
        assert_eq!(slanted, wanted);
        let disc: Vec<u8> = bright(marker()).iter().map(|&(_, _, v)| v).collect();
        let wanted = [28, 65, 28, 228, 254, 133, 66, 255, 255, 190, 132, 178, 55];
        assert_eq!(disc, wanted);
    }

    #[test]
    fn a_paddle_lies_within_its_mask() {
        for degrees in -180..180 {
            let paddle = paddle(f64::from(degrees).to_radians());
            for (y, x, _) in bright(&paddle.line) {
                let mask = paddle.mask.iter().find(|m| (m.0, m.1) == (y, x));
                assert!(mask.is_some_and(|m| m.2 > 100), "{degrees}: {y} {x}");
            }
        }
    }

    #[test]
    fn rounding_up_spares_whole_numbers() {
        assert_eq!(away(FRAC_PI_2, 4.0), (4, 0));
        assert_eq!(away(-PI, 4.0), (0, -4));
        assert_eq!(away(0.1, 4.0), (1, 4));
        assert_eq!(away(-0.1, 4.0), (0, 4));
    }
}
