//! The built-in pictures: one of ten shapes among litter, for a machine without data.
//!
//! A shape is a gauge: a function of the place that is small inside and grows outwards. A drawing inks the pixels where
//! the gauge is smallest, a number of them that is drawn before the shape is chosen. So every shape has the same
//! distribution of ink, to the pixel, and, as nothing is smoothed, of grey values: their frequencies do not tell the
//! shape (what they can tell is how much litter a compact shape hides beside a spread one). Place, size, litter and
//! noise are drawn for every picture.
//!
//! The design is balanced: picture i has label i mod 10; everything else comes from the stream (seed, split, i).

use super::{PIXELS, SIDE};
use engine::rng::{Generator, Seed};

/// Number of training pictures.
pub(super) const TRAIN: usize = 20_000;
/// Number of pictures for development.
pub(super) const DEV: usize = 2_000;
/// Number of test pictures.
pub(super) const TEST: usize = 5_000;

/// The shapes, by label.
pub(super) const SHAPES: [&str; 10] = [
    "disc",
    "ring",
    "cross",
    "saltire",
    "lying bar",
    "standing bar",
    "rising bar",
    "falling bar",
    "triangle",
    "inverted triangle",
];

// What follows sets how hard the pictures are. Grey values come in 16 tones, 0 (black) to 15 (white). The model learns
// a row for each of them and does not know that one is brighter than the next; with one tone for all backgrounds and
// one for all shapes, it finds them within a few hundred steps of 32, with several for each it did not within a
// thousand. More shift, litter or noise: harder.

/// Pixels of the shape, at least and at most.
const INK: (usize, usize) = (110, 190);
/// The centre is off the middle of the picture by at most so many pixels, in both directions.
const SHIFT: f64 = 2.5;
/// Tone of the background.
const BACKGROUND: usize = 3;
/// Tone of the shape.
const FIGURE: usize = 12;
/// Pieces of litter under the shape: rectangles of tones of their own.
const PIECES: usize = 10;
/// Sides of a piece, at least and at most.
const PIECE: (usize, usize) = (2, 6);
/// Tones of the pieces, at least and at most: also the shape's.
const LITTER: (usize, usize) = (7, 12);
/// Share of pixels that have any tone, on top of everything.
const NOISE: f64 = 0.1;

/// Grey value of a tone: 15 is 255.
const TONE: u8 = 17;

/// Label and pixels of picture `id` of a split.
pub(super) fn draw(seed: Seed, split: &str, id: usize) -> (usize, Box<[u8]>) {
    let label = id % SHAPES.len();
    let mut g = seed.stream("drawings").stream(split).at(id).generator();
    let mut pixels = [grey(BACKGROUND); PIXELS];
    for _ in 0..PIECES {
        let (width, height) = (between(&mut g, PIECE), between(&mut g, PIECE));
        let left = g.below(SIDE - width + 1);
        let top = g.below(SIDE - height + 1);
        let litter = grey(between(&mut g, LITTER));
        for row in pixels.chunks_exact_mut(SIDE).skip(top).take(height) {
            row[left..left + width].fill(litter);
        }
    }
    let ink = between(&mut g, INK);
    let mut centre = || (SIDE - 1) as f64 / 2.0 + SHIFT * (2.0 * g.uniform() - 1.0);
    let (cx, cy) = (centre(), centre());
    for place in inside(label, cx, cy, ink) {
        pixels[place] = grey(FIGURE);
    }
    for pixel in &mut pixels {
        if g.uniform() < NOISE {
            *pixel = grey(between(&mut g, (0, 15)));
        }
    }
    (label, Box::new(pixels))
}

fn between(g: &mut Generator, (least, most): (usize, usize)) -> usize {
    least + g.below(most - least + 1)
}

fn grey(tone: usize) -> u8 {
    TONE * tone as u8
}

/// The `ink` places where the gauge of the shape is smallest.
fn inside(shape: usize, cx: f64, cy: f64, ink: usize) -> Vec<usize> {
    let size = (ink as f64).sqrt();
    let mut places: Vec<(f64, usize)> = (0..PIXELS)
        .map(|place| {
            let (x, y) = ((place % SIDE) as f64 - cx, (place / SIDE) as f64 - cy);
            (gauge(shape, x / size, y / size), place)
        })
        .collect();
    places.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    places.truncate(ink);
    places.into_iter().map(|(_, place)| place).collect()
}

/// How far (x, y) is outside the shape; y points down, and the shape inked has area 1. No function here but the square
/// root, which is the same everywhere.
fn gauge(shape: usize, x: f64, y: f64) -> f64 {
    let bar = |along: f64, across: f64, ratio: f64| (along.abs() / ratio).max(across.abs());
    let cross = |x: f64, y: f64| bar(x, y, 4.0).min(bar(y, x, 4.0));
    // Turned by an eighth; the root of 2 is left out of both, which scales the gauge and changes no drawing.
    let (rising, falling) = (x - y, x + y);
    let triangle = |y: f64| y.max(0.866 * x.abs() - 0.5 * y);
    match shape {
        0 => (x * x + y * y).sqrt(),
        1 => ((x * x + y * y).sqrt() - 0.75).abs(),
        2 => cross(x, y),
        3 => cross(rising, falling),
        4 => bar(x, y, 3.0),
        5 => bar(y, x, 3.0),
        6 => bar(rising, falling, 3.0),
        7 => bar(falling, rising, 3.0),
        8 => triangle(y),
        _ => triangle(-y),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_has_its_ink_and_no_two_are_the_same() {
        for ink in [INK.0, 150, INK.1] {
            let drawn: Vec<Vec<usize>> = (0..SHAPES.len())
                .map(|shape| {
                    let mut places = inside(shape, 15.5, 15.5, ink);
                    places.sort_unstable();
                    places
                })
                .collect();
            for (a, places) in drawn.iter().enumerate() {
                assert_eq!(places.len(), ink, "{}", SHAPES[a]);
                for (b, others) in drawn.iter().enumerate().skip(a + 1) {
                    let common = places.iter().filter(|p| others.contains(p)).count();
                    assert!(
                        common * 10 < ink * 9,
                        "{} and {} share {common} of {ink}",
                        SHAPES[a],
                        SHAPES[b]
                    );
                }
            }
        }
    }

    #[test]
    fn a_rising_bar_rises() {
        // To the right, rows get smaller.
        let places = inside(6, 15.5, 15.5, 150);
        let right = places.iter().filter(|&&p| p % SIDE > 20);
        assert!(right.clone().count() > 0);
        assert!(right.clone().all(|p| p / SIDE < 16));
    }
}
