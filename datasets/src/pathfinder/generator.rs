//! The generator of Pathfinder pictures, after that of Linsley et al. 2018 (J. Kim's), at 32 x 32
//! pixels.
//!
//! Two paths of dashes ("paddles"), the targets, begin [`SEEDS`] pixels apart and grow in turns. A
//! paddle turns freely about a pivot just behind its predecessor's end; among the ends it can have,
//! one is drawn with a probability that falls with the square of the cosine of the turn and
//! vanishes where another paddle is. Shorter paths, the distractors, fill what is left. Then two
//! ends are marked: the beginning of one target and the far end of the same one (label 1,
//! connected) or of the other (label 0). The paths, and each marked end by itself, have the same
//! law under both labels: what tells them is how the ends are joined (and, as in the original, to a
//! small part how they lie to each other).
//!
//! The process is that of the original, drawn from other random numbers. Three details were settled
//! by what its pictures show: ends are rounded down, everything else up; all paddles but the first
//! of a path are drawn from their far end; the first target begins in one of nine pixels in the
//! middle. Not reproduced are steps of one pixel aside that rounding errors cause there in paths
//! along an axis, nor the whole spread of the distractors: there is as much of them as in the
//! original's pictures, but from picture to picture their amount varies less (the pixels of dashes
//! by 9 instead of 12; `tests/pathfinder.rs` compares).

use super::paddle::{LENGTH, MARGIN, Paddle, Stamp, away, marker, paddle};
use super::{PIXELS, SIDE, Settings};
use engine::rng::{Generator, Stream};
use std::f64::consts::PI;
use std::sync::LazyLock;

/// From the beginning of one target to that of the other, in pixels.
const SEEDS: f64 = 7.0;
/// Rows and columns in which the first target may begin.
const MIDDLE: (usize, usize) = (14, 16);
/// Pixels along the border that are never free.
const PADDING: usize = 1;
/// After so many more draws of a paddle that overlaps another, the path ends there.
const RETRIES: usize = 2;
/// Two masks overlap where their sum reaches this: 1.8 of a whole one.
const OVERLAP: u16 = 459;
/// No distractor begins once fewer pixels than this are free: a hundredth.
const FREE: usize = PIXELS / 100;

/// What is drawn, and how.
pub(super) struct Picture {
    /// 1 if the marked ends are those of one path.
    pub(super) label: usize,
    /// Row by row.
    pub(super) pixels: Box<[u8]>,
    /// Far ends of the paddles of the two targets, in their order, the beginning first.
    #[cfg_attr(not(test), expect(dead_code, reason = "what tests look at"))]
    pub(super) targets: [Vec<Place>; 2],
    /// Which target's beginning is marked, and which one's far end.
    #[cfg_attr(not(test), expect(dead_code, reason = "what tests look at"))]
    pub(super) marked: [usize; 2],
}

/// Row and column; may be outside of the picture.
type Place = (i32, i32);

/// The picture of `stream`.
pub(super) fn draw(settings: &Settings, stream: Stream) -> Picture {
    let mut g = stream.generator();
    let label = g.below(2);
    // The whole is begun again until both targets are complete. It depends on no label.
    let (mut canvas, targets) = loop {
        if let Some(drawn) = targets(settings, &mut g) {
            break drawn;
        }
    };
    for _ in 0..settings.distractors {
        if !distractor(&mut canvas, settings, &mut g) {
            break;
        }
    }
    let first = g.below(2);
    let marked = [first, if label == 1 { first } else { 1 - first }];
    let ends = [targets[marked[0]].first(), targets[marked[1]].last()];
    for &end in ends.into_iter().flatten() {
        ink(&mut canvas.light, marker(), end, 1.0);
    }
    Picture {
        label,
        pixels: grey(&canvas.light),
        targets,
        marked,
    }
}

/// The least light becomes 0, the most 255.
fn grey(light: &[f32; PIXELS]) -> Box<[u8]> {
    let least = light.iter().copied().fold(f32::INFINITY, f32::min);
    let most = light.iter().copied().fold(0.0, f32::max);
    let scale = 255.0 / (most - least);
    let pixel = |&light: &f32| ((light - least) * scale + 0.5) as u8;
    light.iter().map(pixel).collect()
}

/// What has been drawn and what is occupied.
struct Canvas {
    light: [f32; PIXELS],
    /// 255 where wholly occupied. The last paddle of a growing path is not in it yet.
    mask: [u8; PIXELS],
}

/// A path that is growing.
struct Path {
    /// About which the last paddle has turned.
    pivot: Place,
    /// Of the last paddle, as a unit vector, down and right.
    direction: (f64, f64),
    /// The angle of it.
    angle: f64,
    /// Of the last paddle.
    mask: &'static Stamp,
    /// Where `mask` lies.
    place: Place,
}

fn index((y, x): Place) -> Option<usize> {
    let side = 0..SIDE as i32;
    (side.contains(&y) && side.contains(&x)).then(|| y as usize * SIDE + x as usize)
}

fn sum(a: Place, b: Place) -> Place {
    (a.0 + b.0, a.1 + b.1)
}

/// Keeps the brighter of the two.
fn ink(light: &mut [f32; PIXELS], stamp: &Stamp, at: Place, contrast: f32) {
    for &(y, x, grey) in stamp {
        if let Some(i) = index(sum(at, (y, x))) {
            light[i] = light[i].max(contrast * f32::from(grey));
        }
    }
}

impl Canvas {
    fn new() -> Self {
        let edge = |i: usize| !(PADDING..SIDE - PADDING).contains(&i);
        let mut mask = [0; PIXELS];
        for (i, mask) in mask.iter_mut().enumerate() {
            if edge(i / SIDE) || edge(i % SIDE) {
                *mask = 255;
            }
        }
        Canvas {
            light: [0.0; PIXELS],
            mask,
        }
    }

    fn occupy(&mut self, stamp: &Stamp, at: Place) {
        for &(y, x, grey) in stamp {
            if let Some(i) = index(sum(at, (y, x))) {
                self.mask[i] = self.mask[i].max(grey);
            }
        }
    }

    fn is_free(&self, stamp: &Stamp, at: Place) -> bool {
        stamp.iter().all(|&(y, x, grey)| {
            index(sum(at, (y, x)))
                .is_none_or(|i| u16::from(self.mask[i]) + u16::from(grey) < OVERLAP)
        })
    }

    /// How free a pixel and its four neighbours are, 0 to 1: the least of them.
    fn freedom(&self, at: Place) -> f64 {
        let near = [(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)];
        let most = near
            .iter()
            .filter_map(|&step| index(sum(at, step)))
            .map(|i| self.mask[i])
            .max();
        f64::from(255 - most.unwrap_or(255)) / 255.0
    }

    /// A new path whose first paddle begins at `tail`.
    fn begin(&mut self, tail: Place, angle: f64, contrast: f32) -> Option<(Path, Place)> {
        let head = sum(tail, away(angle, LENGTH as f64));
        let pivot = sum(head, away(angle + PI, (LENGTH + MARGIN) as f64));
        index(head).and(index(pivot))?;
        let Paddle { line, mask } = paddle(angle);
        if !self.is_free(mask, tail) {
            return None;
        }
        ink(&mut self.light, line, tail, contrast);
        let path = Path {
            pivot,
            direction: (libm::sin(angle), libm::cos(angle)),
            angle,
            mask,
            place: tail,
        };
        Some((path, head))
    }

    /// One more paddle; its far end.
    fn extend(&mut self, path: &mut Path, contrast: f32, g: &mut Generator) -> Option<Place> {
        let pivot = sum(path.pivot, away(path.angle, (LENGTH + 2 * MARGIN) as f64));
        let turns: &[Turn] = &TURNS;
        let mut weights = [0.0; MOST_TURNS];
        let mut total = 0.0;
        for (weight, turn) in weights.iter_mut().zip(turns) {
            let at = sum(pivot, turn.end);
            let cosine = path.direction.0 * turn.direction.0 + path.direction.1 * turn.direction.1;
            if cosine > 0.0 && index(at).is_some() {
                total += cosine * cosine * self.freedom(at);
            }
            *weight = total;
        }
        if total <= 0.0 {
            return None;
        }
        for _ in 0..=RETRIES {
            let drawn = g.uniform() * total;
            let turn = &turns[weights[..turns.len() - 1].partition_point(|&w| w < drawn)];
            let head = sum(pivot, turn.end);
            let Paddle { line, mask } = turn.paddle;
            if self.is_free(mask, head) {
                ink(&mut self.light, line, head, contrast);
                self.occupy(path.mask, path.place);
                *path = Path {
                    pivot,
                    direction: turn.direction,
                    angle: turn.angle,
                    mask,
                    place: head,
                };
                return Some(head);
            }
        }
        None
    }
}

/// Where a paddle can end.
struct Turn {
    /// Down and right of the pivot.
    end: Place,
    /// From the pivot to there.
    angle: f64,
    direction: (f64, f64),
    /// From there back.
    paddle: &'static Paddle,
}

/// A circle is cut into so many ends at most, a pixel of arc each.
const MOST_TURNS: usize = 19; // 2 pi 3

/// The pixels on the circle about a pivot.
static TURNS: LazyLock<Vec<Turn>> = LazyLock::new(|| {
    let radius = (LENGTH + MARGIN) as f64;
    let mut turns: Vec<Turn> = Vec::with_capacity(MOST_TURNS);
    for i in 0..MOST_TURNS {
        let angle = i as f64 / radius;
        let (down, right) = (radius * libm::sin(angle), radius * libm::cos(angle));
        let end = (down.floor() as i32, right.floor() as i32);
        if turns.iter().all(|turn| turn.end != end) {
            let angle = libm::atan2(f64::from(end.0), f64::from(end.1));
            turns.push(Turn {
                end,
                angle,
                direction: (libm::sin(angle), libm::cos(angle)),
                paddle: paddle(angle + PI),
            });
        }
    }
    turns
});

fn degrees(g: &mut Generator) -> f64 {
    (g.below(360) as f64 - 180.0).to_radians()
}

/// Both targets, or `None` where one has no room.
fn targets(settings: &Settings, g: &mut Generator) -> Option<(Canvas, [Vec<Place>; 2])> {
    let contrast = settings.target_contrast;
    let mut canvas = Canvas::new();
    let mut middle = || (MIDDLE.0 + g.below(MIDDLE.1 - MIDDLE.0 + 1)) as i32;
    let tail = (middle(), middle());
    let (first, head) = (0..=RETRIES).find_map(|_| canvas.begin(tail, degrees(g), contrast))?;
    let first_places = vec![tail, head];
    // Nothing is settled yet but the padding; the second must not touch the first.
    let settled = canvas.mask;
    canvas.occupy(first.mask, first.place);
    let (second, second_places) = (0..=RETRIES).find_map(|_| {
        let tail = sum(tail, away(degrees(g), SEEDS));
        let (path, head) = canvas.begin(tail, degrees(g), contrast)?;
        Some((path, vec![tail, head]))
    })?;
    canvas.mask = settled;
    let mut paths = [first, second];
    let mut places = [first_places, second_places];
    for _ in 1..settings.contour_length {
        for i in 0..2 {
            // The other path's last paddle is in the way; its own is not.
            let settled = canvas.mask;
            let (last, other) = (&paths[i], &paths[1 - i]);
            let (mask, place) = (last.mask, last.place);
            canvas.occupy(other.mask, other.place);
            let head = canvas.extend(&mut paths[i], contrast, g)?;
            places[i].push(head);
            canvas.mask = settled;
            canvas.occupy(mask, place);
        }
    }
    for path in &paths {
        canvas.occupy(path.mask, path.place);
    }
    Some((canvas, places))
}

/// One more distractor, cut short where it has no room; `false` if there is no room for any.
fn distractor(canvas: &mut Canvas, settings: &Settings, g: &mut Generator) -> bool {
    let contrast = settings.distractor_contrast;
    let begun = (0..=RETRIES).find_map(|_| {
        let angle = degrees(g);
        let tails = free(canvas, &paddle(angle).mask);
        if tails.len() < FREE {
            return None;
        }
        let tail = tails[g.below(tails.len())];
        canvas.begin(tail, angle, contrast)
    });
    let Some((mut path, _)) = begun else {
        return false;
    };
    for _ in 1..settings.distractor_length {
        if canvas.extend(&mut path, contrast, g).is_none() {
            break;
        }
    }
    canvas.occupy(path.mask, path.place);
    true
}

/// Where a paddle with this mask can begin: nothing of it is on an occupied pixel. Here even the
/// faint ringing of the filter counts, on both sides. That was chosen by the ink of 100 pictures of
/// the original: with thresholds of 5, 16, 64 and 128 there was a fifth to a quarter more of it.
fn free(canvas: &Canvas, mask: &Stamp) -> Vec<Place> {
    let mut rows = [0u32; SIDE];
    for (row, line) in rows.iter_mut().zip(canvas.mask.chunks_exact(SIDE)) {
        *row = (0..SIDE).map(|x| u32::from(line[x] > 0) << x).sum();
    }
    let mut taken = [0u32; SIDE];
    for &(y, x, _) in mask {
        for (at, taken) in (0..).zip(&mut taken) {
            // Outside of the picture everything is taken.
            let row = usize::try_from(at + y).ok().and_then(|i| rows.get(i));
            let free = !row.copied().unwrap_or(u32::MAX);
            *taken |= match x {
                0.. => !(free >> x),
                _ => !(free << -x),
            };
        }
    }
    let places = (0..).zip(&taken).flat_map(|(y, row)| {
        let free = (0..SIDE as i32).filter(move |x| row >> x & 1 == 0);
        free.map(move |x| (y, x))
    });
    places.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::rng::Seed;

    fn pictures(settings: &Settings, count: usize) -> Vec<Picture> {
        let stream = Seed(3).stream("test");
        (0..count).map(|i| draw(settings, stream.at(i))).collect()
    }

    /// From the stamp of a place: is it among the brightest?
    fn lit(picture: &Picture, place: Place) -> bool {
        index(place).is_some_and(|i| picture.pixels[i] > 200)
    }

    #[test]
    fn the_label_is_whether_the_marked_ends_are_those_of_one_path() {
        for settings in [Settings::LRA, Settings::SAMPLE, Settings::EASY] {
            for picture in pictures(&settings, 60) {
                let [begins, ends] = picture.marked;
                assert_eq!(picture.label, usize::from(begins == ends));
                for target in &picture.targets {
                    // The beginning, and the far end of every paddle.
                    assert_eq!(target.len(), 1 + settings.contour_length);
                    for step in target.windows(2) {
                        let (down, right) = (step[1].0 - step[0].0, step[1].1 - step[0].1);
                        let length = f64::from(down * down + right * right).sqrt();
                        // 4 along a straight path, and each rounding moves an end by less than a
                        // pixel.
                        assert!((1.0..8.0).contains(&length), "{target:?}");
                    }
                }
                let last = picture.targets[ends][settings.contour_length];
                assert!(lit(&picture, picture.targets[begins][0]) && lit(&picture, last));
            }
        }
    }

    #[test]
    fn paddles_turn_by_less_than_a_right_angle() {
        for picture in pictures(&Settings::SAMPLE, 40) {
            for target in &picture.targets {
                for ends in target[1..].windows(3) {
                    // Ends of three paddles in a row: the path does not come back to the first.
                    let (down, right) = (ends[2].0 - ends[0].0, ends[2].1 - ends[0].1);
                    assert!(down * down + right * right >= 9, "{target:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_free_is_free() {
        let mut canvas = Canvas::new();
        let mask = &paddle(0.5).mask;
        let before = free(&canvas, mask);
        assert!(before.iter().all(|&at| canvas.is_free(mask, at)));
        canvas.occupy(mask, (16, 16));
        let after = free(&canvas, mask);
        assert!(after.len() < before.len() && !after.contains(&(16, 16)));
    }

    #[test]
    fn ends_on_the_circle_are_those_of_the_original() {
        let ends: Vec<Place> = TURNS.iter().map(|turn| turn.end).collect();
        let mut angles: Vec<f64> = TURNS.iter().map(|turn| turn.angle).collect();
        angles.sort_unstable_by(f64::total_cmp);
        angles.dedup();
        // Two of them lie straight to the right.
        assert_eq!((ends.len(), angles.len()), (18, 17));
        // Rounded down: further to the upper left than to the lower right.
        assert!(
            ends.contains(&(-3, -2)) && !ends.contains(&(3, 2)),
            "{ends:?}"
        );
    }
}
