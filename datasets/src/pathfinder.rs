//! The Pathfinder task: do two marked ends belong to one path of dashes, or to two?
//!
//! [`load`] reads the pictures of the Long Range Arena (made by the generator of Linsley et al.
//! 2018) from their folder; [`builtin`] draws pictures by the same process
//! (`pathfinder/generator.rs`, its dashes in `pathfinder/paddle.rs`), so these are the task and not
//! a stand-in, though not the benchmark's files; [`write()`] writes them in the benchmark's layout.
//! A picture becomes the 1,024 grey values of its rows.
//!
//! # Format
//! A folder for each difficulty, named by the number of dashes in a target
//! (`curv_contour_length_14` is the one in use), with `imgs/K/sample_I.png`, 32 x 32 pixels of 8
//! bits of grey, and `metadata/K.npy`, which is text in spite of its name: a line a picture, 11
//! words (`pathfinder/folder.rs`). Files of pictures that are empty, as the benchmark has one, are
//! passed over and counted.
//!
//! # Splits
//! The pictures in the order of their batches and lines: the first 80% are for training, then 10%
//! for development and 10% for testing, under both protocols. The release that the paper used
//! shuffles them without a seed first, which nobody can do again; the pictures are independent of
//! each other, so that any such division has the same law. Under `clean`, a picture of train or dev
//! of which a later split has a copy, the same grey values under whatever name, is removed.

mod folder;
mod generator;
mod paddle;
mod verify;

pub use crate::picture::{PIXELS, SIDE};
use crate::protocol::{Digest, Protocol, copies, copies_line, digest};
use crate::task::{Files, Input, Made, Size, Task};
use crate::{Black, DataError, Dataset, Encoding, Example, dataset, picture};
use engine::rng::Seed;
pub use folder::BATCH;
use folder::Row;
pub(crate) use folder::{batches, image, locate, rows};
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
pub use verify::verify;

/// Pictures of the train, dev and test splits of the benchmark, about: 200 batches of 1,000.
pub const COUNTS: [usize; 3] = [160_000, 20_000, 20_000];

/// The names of the classes, by label.
pub(crate) const CLASSES: [&str; 2] = ["not connected", "connected"];

/// How pictures are drawn. At 32 x 32 pixels everything else is fixed: dashes of 2 pixels with a
/// margin of 1, half a pixel thick, ends of radius 1.5.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Dashes of each of the two targets: 6, 9 or 14 in the benchmark.
    pub contour_length: usize,
    /// Paths that are none of the targets; fewer where they have no room.
    pub distractors: usize,
    /// Dashes of each of these, at most.
    pub distractor_length: usize,
    /// Brightness of the targets, where that of the marked ends is 1.
    pub target_contrast: f32,
    /// Brightness of the distractors.
    pub distractor_contrast: f32,
}

impl Settings {
    /// The benchmark's hard pictures, those in use. As in its script, distractors are a third as
    /// long as targets, and 20 divided by their length many, both in whole numbers, rounded down.
    pub const LRA: Settings = Settings {
        contour_length: 14,
        distractors: 5,
        distractor_length: 4,
        target_contrast: 1.5,
        distractor_contrast: 2.0,
    };
    /// The benchmark's pictures of middle difficulty.
    pub const LRA_9: Settings = Settings {
        contour_length: 9,
        distractors: 6,
        distractor_length: 3,
        ..Settings::LRA
    };
    /// The benchmark's easy pictures.
    pub const LRA_6: Settings = Settings {
        contour_length: 6,
        distractors: 10,
        distractor_length: 2,
        ..Settings::LRA
    };
    /// Hard pictures of one brightness with one distractor less, for comparison with pictures of
    /// the original generator.
    pub const SAMPLE: Settings = Settings {
        distractors: 4,
        target_contrast: 1.0,
        distractor_contrast: 1.0,
        ..Settings::LRA
    };
    /// Easier than anything in the benchmark, for short training: short targets, little else, one
    /// brightness.
    pub const EASY: Settings = Settings {
        contour_length: 6,
        distractors: 2,
        distractor_length: 2,
        ..Settings::SAMPLE
    };

    /// The settings with a name, for flags and files.
    pub const NAMED: [(&str, Settings); 5] = [
        ("lra", Settings::LRA),
        ("lra-9", Settings::LRA_9),
        ("lra-6", Settings::LRA_6),
        ("sample", Settings::SAMPLE),
        ("easy", Settings::EASY),
    ];

    /// The settings called `name`, or which names there are.
    pub fn named(name: &str) -> Result<Settings, String> {
        let found = Settings::NAMED.iter().find(|(known, _)| *known == name);
        found.map(|(_, settings)| *settings).ok_or_else(|| {
            let names = Settings::NAMED.map(|(name, _)| name).join(", ");
            format!("no Pathfinder settings {name:?}: there are {names}")
        })
    }

    /// The folder of such pictures, beside those of the other difficulties.
    pub fn folder(&self) -> String {
        folder::name(self.contour_length)
    }

    /// What is wrong with the numbers, if anything is: (problem, expected).
    fn fault(&self, counts: [usize; 3]) -> Option<(String, &'static str)> {
        let total = counts.iter().try_fold(0usize, |sum, &n| sum.checked_add(n));
        let contrasts = [self.target_contrast, self.distractor_contrast];
        if counts.contains(&0) || total.is_none_or(|n| n > 4_000_000) {
            let problem = format!("{counts:?} pictures");
            Some((problem, "at least 1 a split, and 4000000 in all at most"))
        } else if !(1..=16).contains(&self.contour_length) {
            let problem = format!("targets of {} dashes", self.contour_length);
            Some((problem, "1 to 16, which have room"))
        } else if self.distractors > 100 || !(1..=16).contains(&self.distractor_length) {
            let (many, length) = (self.distractors, self.distractor_length);
            let problem = format!("{many} distractors of {length} dashes");
            Some((problem, "100 at most, of 1 to 16 dashes"))
        } else if !contrasts.iter().all(|c| (0.1..=10.0).contains(c)) {
            Some((format!("contrasts of {contrasts:?}"), "0.1 to 10"))
        } else {
            None
        }
    }

    fn check(&self, counts: [usize; 3]) -> Result<(), DataError> {
        let hint = "the benchmark's hard pictures have 14 dashes, 5 distractors of 4, and contrasts of 1.5 and 2";
        let place = Path::new("generated Pathfinder");
        self.fault(counts).map_or(Ok(()), |(problem, expected)| {
            Err(DataError::new(place, problem, expected, hint))
        })
    }
}

/// The task.
pub static TASK: Task = Task {
    name: "pathfinder",
    about: "Pathfinder (are two ends joined, pixel by pixel)",
    lengths: PIXELS..=PIXELS,
    least_builtin: PIXELS,
    documents: 1,
    classes: |_| classes(),
    encoding,
    load: |path, wish| load(path, wish.black, wish.protocol),
    // The benchmark's hard set, or an easy one for short training.
    builtin: |wish, making| {
        let (settings, counts) = match making.size {
            Size::Whole => (Settings::LRA, COUNTS),
            Size::Quick => (Settings::EASY, [100_000, 2_000, 5_000]),
            Size::Smoke => (Settings::EASY, [20_000, 2_000, 5_000]),
        };
        let counts = counts.map(|count| count.min(making.most));
        builtin(making.seed, &settings, counts, wish.black)
    },
    made: Made {
        teaches: "generated pictures: other lengths of paths, other clutter and brightness are new to it",
        first: true,
        fills: false,
        few: Some(|seed, each, black| few(seed, &Settings::EASY, each, black)),
    },
    verify,
    files: Ok(Files {
        counts: &COUNTS,
        limited: false,
        bytes: 4200, // A file takes a block of 4,096 bytes, however short it is.
        kinds: &KINDS,
        write: |folder, seed, kind, counts| {
            let count = |split: usize| counts.get(split).copied().unwrap_or(0);
            let settings = Settings::named(kind).unwrap_or(Settings::LRA);
            write(folder, seed, &settings, [0, 1, 2].map(count)).map(drop)
        },
        has: folder::has,
    }),
    input: Input::Picture(read_picture),
    takes_files: false,
    readable: ("pixels", picture::in_letters),
    cut: "",
    example: None,
};

/// The names of the settings, the benchmark's first.
const KINDS: [&str; 5] = {
    let named = Settings::NAMED;
    [named[0].0, named[1].0, named[2].0, named[3].0, named[4].0]
};

/// Reads the pictures of one difficulty: `path` is its folder, or that around it if there is no
/// other difficulty in it.
///
/// The ids are the places of the pictures in the order of batches and lines, those passed over
/// included. What contradicts itself in the set is told in the notes.
pub fn load(path: &Path, black: Black, protocol: Protocol) -> Result<Dataset, DataError> {
    let folder = locate(path)?;
    let mut pictures = Vec::new();
    let mut known = Known::default();
    let (mut empty, mut id) = (0, 0);
    let batches = batches(&folder)?;
    for batch in &batches {
        // Not more at once than a batch has, so that not all of a million that are missing become errors.
        for rows in rows(&folder, batch)?.chunks(BATCH) {
            let read: Vec<Result<Option<Box<[u8]>>, DataError>> =
                rows.par_iter().map(|row| image(batch, row)).collect();
            // In order, so that among several faults the first is told.
            for (row, pixels) in rows.iter().zip(read) {
                let pixels = pixels?;
                match (known.take(row, pixels.as_deref()), pixels) {
                    (Some(digest), Some(pixels)) => {
                        let example = Example {
                            id,
                            label: row.label,
                            documents: vec![pixels],
                        };
                        pictures.push((example, digest));
                    }
                    _ => empty += 1,
                }
                id += 1;
            }
        }
    }
    let (splits, copies) = divide(&folder, pictures, |(_, digest)| *digest, protocol)?;
    let mut notes = vec![
        format!(
            "{} batches, {id} lines; empty files passed over: {empty}",
            batches.len()
        ),
        "in the order of batches and lines, the first 80% are train, then 10% dev and 10% test"
            .into(),
        "(the split behind the published numbers was shuffled without a seed and cannot be had)"
            .into(),
        copies,
    ];
    let faults = known.faults().into_iter();
    notes.extend(faults.map(|fault| format!("warning: {fault}")));
    let (name, made) = dataset::name("Pathfinder", &folder);
    let examples =
        |pictures: Vec<(Example, Digest)>| pictures.into_iter().map(|(e, _)| e).collect();
    Ok(assembled(name, made, splits.map(examples), notes, black))
}

/// What is known of the pictures of a set: of each of them where it was before, and under which label.
#[derive(Default)]
pub(crate) struct Known {
    /// Files that have been named.
    named: HashSet<PathBuf>,
    /// Lines that name one of these again.
    again: usize,
    labels: HashMap<Digest, usize>,
    contradictory: HashSet<Digest>,
}

impl Known {
    /// Takes in a line and its picture, if its file is not empty; the digest is that of the picture.
    pub(crate) fn take(&mut self, row: &Row, pixels: Option<&[u8]>) -> Option<Digest> {
        self.again += usize::from(!self.named.insert(row.file.clone()));
        let digest = digest(pixels?);
        if *self.labels.entry(digest).or_insert(row.label) != row.label {
            self.contradictory.insert(digest);
        }
        Some(digest)
    }

    /// How many different pictures there are.
    pub(crate) fn distinct(&self) -> usize {
        self.labels.len()
    }

    /// How many of these have both labels.
    pub(crate) fn contradictory(&self) -> usize {
        self.contradictory.len()
    }

    /// What contradicts itself, a line each.
    pub(crate) fn faults(&self) -> Vec<String> {
        let found = [
            ("lines that name a picture of an earlier line", self.again),
            ("pictures with both labels", self.contradictory()),
        ];
        let found = found.into_iter().filter(|(_, count)| *count > 0);
        found
            .map(|(what, count)| format!("{what}: {count}"))
            .collect()
    }
}

/// The pictures of train, dev and test, of all in their order, and a line about copies: pictures with the same digest,
/// which `digest` tells. Fewer than three splits need are refused.
pub(crate) fn divide<P>(
    folder: &Path,
    mut pictures: Vec<P>,
    digest: impl Fn(&P) -> Digest,
    protocol: Protocol,
) -> Result<([Vec<P>; 3], String), DataError> {
    let count = pictures.len();
    let refused = |problem: String, expected: &str| {
        Err(DataError::new(folder, problem, expected, folder::GET))
    };
    if count < 10 {
        let problem = format!("{count} pictures cannot be divided into three splits");
        return refused(problem, "at least 10 pictures that are not empty");
    }
    let test = pictures.split_off(count * 9 / 10);
    let dev = pictures.split_off(count * 8 / 10);
    let mut splits = [pictures, dev, test];
    let found = copies(&mut splits, digest, protocol);
    for (name, split) in ["train", "dev"].iter().zip(&splits) {
        if split.is_empty() {
            let problem = format!("no picture is left for the {name} split");
            return refused(problem, "pictures of which no later split has a copy");
        }
    }
    let line = copies_line("picture", found, protocol == Protocol::Clean);
    Ok((splits, line))
}

/// Draws the pictures of `seed`, so many for train, dev and test (the benchmark has [`COUNTS`]).
///
/// Picture i of a split is a function of the seed, the split, i and the settings: of nothing else,
/// so that a larger set begins with the pictures of a smaller one. An error says what is wrong with
/// the settings.
pub fn builtin(
    seed: u64,
    settings: &Settings,
    counts: [usize; 3],
    black: Black,
) -> Result<Dataset, DataError> {
    settings.check(counts)?;
    let mut splits = ["train", "dev", "test"].iter().zip(counts);
    let splits = std::array::from_fn(|_| {
        let (split, count) = splits.next().unwrap_or((&"", 0));
        (0..count)
            .into_par_iter()
            .map(|id| {
                let (label, pixels) = picture(seed, settings, split, id);
                Example {
                    id,
                    label,
                    documents: vec![pixels],
                }
            })
            .collect()
    });
    let Settings {
        contour_length,
        distractors,
        distractor_length,
        target_contrast,
        distractor_contrast,
    } = settings;
    let name = format!(
        "generated Pathfinder (the benchmark's process, not its files), targets of {contour_length} dashes, seed {seed}"
    );
    let notes = vec![
        format!(
            "targets: 2 of {contour_length} dashes, contrast {target_contrast}; distractors: up to {distractors} of up to \
             {distractor_length}, contrast {distractor_contrast}"
        ),
        "the three splits are drawn from streams of their own".into(),
    ];
    Ok(assembled(name, true, splits, notes, black))
}

/// The first pictures of [`builtin`], for the eye: of every split, so many that `each` of each class are among them.
pub fn few(
    seed: u64,
    settings: &Settings,
    each: usize,
    black: Black,
) -> Result<Dataset, DataError> {
    // The label is a fair coin: fewer than n heads in 4 n + 64 throws have a probability below 1e-17.
    let count = each.saturating_mul(4).saturating_add(64);
    builtin(seed, settings, [count; 3], black)
}

/// Label and pixels of picture `id` of a split.
fn picture(seed: u64, settings: &Settings, split: &str, id: usize) -> (usize, Box<[u8]>) {
    let stream = Seed(seed).stream("pathfinder").stream(split).at(id);
    let picture = generator::draw(settings, stream);
    (picture.label, picture.pixels)
}

/// Writes the pictures of `seed` in the benchmark's layout, as a new folder in `parent` that is
/// named by the difficulty, and returns its path. It has that name only once it is whole.
///
/// Train comes first, then dev, then test, in batches of 1,000: with 8 pictures of train to 1 of
/// dev and 1 of test, [`load`] finds the splits of [`builtin`] again.
pub fn write(
    parent: &Path,
    seed: u64,
    settings: &Settings,
    counts: [usize; 3],
) -> Result<PathBuf, DataError> {
    settings.check(counts)?;
    let [train, dev, test] = counts;
    folder::write(parent, settings, train + dev + test, &|i| {
        let (split, id) = match i {
            _ if i < train => ("train", i),
            _ if i < train + dev => ("dev", i - train),
            _ => ("test", i - train - dev),
        };
        picture(seed, settings, split, id)
    })
}

/// The names of the classes, by label.
pub fn classes() -> Vec<String> {
    CLASSES.map(String::from).to_vec()
}

/// How grey values become token ids.
pub fn encoding(black: Black) -> Encoding {
    Encoding {
        offset: 0,
        vocabulary: 512,
        mask_zero: black == Black::Skipped,
    }
}

/// The grey values of a picture file, a PNG of 32 x 32 pixels of grey.
pub fn read_picture(path: &Path) -> Result<Box<[u8]>, DataError> {
    Ok(picture::read_one(path, &[png::ColorType::Grayscale])?.values)
}

fn assembled(
    name: String,
    builtin: bool,
    splits: [Vec<Example>; 3],
    mut notes: Vec<String>,
    black: Black,
) -> Dataset {
    let [train_count, dev_count, test_count] = splits.each_ref().map(|split| split.len());
    let pictures = train_count + dev_count + test_count;
    let connected: usize = splits.iter().flatten().map(|example| example.label).sum();
    notes.push(format!(
        "train {train_count}, dev {dev_count}, test {test_count} pictures of {SIDE} x {SIDE} grey values; {:.1}% connected",
        100.0 * connected as f64 / pictures as f64
    ));
    notes.push(picture::black_pixels(&splits, black));
    Dataset::of(name, builtin, encoding(black), classes(), splits, notes)
}
