//! The Image task: what does a small picture show, pixel by pixel?
//!
//! [`load`] reads CIFAR-10 (Krizhevsky 2009) in its binary version, <https://www.cs.toronto.edu/~kriz/cifar.html>, from
//! the folder `cifar-10-batches-bin` or from inside the published `cifar-10-binary.tar.gz`; [`builtin`] draws pictures
//! of its own where there is no data (`image/drawings.rs`). A picture becomes the 1,024 grey values of its rows.
//!
//! # Format
//! Six files, `data_batch_1.bin` to `data_batch_5.bin` and `test_batch.bin`, of 10,000 records each. A record is 3,073
//! bytes: the label (0 to 9), then the planes R, G and B, 32 rows of 32 bytes each. There is no header and no checksum.
//!
//! # Splits
//! Train is the first 45,000 records of the five files in their order, dev the last 5,000, test the sixth file, under
//! both protocols. The reference takes the first nine tenths as well, but of TensorFlow Datasets' order, which is
//! another one: same sizes, other pictures. Copies, pictures of the same grey values, are counted and said, and stay
//! under both protocols: the published set has none, and its splits are told by their sizes.

mod drawings;
mod verify;

use crate::file::{self, did_you_mean};
pub use crate::picture::{PIXELS, SIDE};
use crate::protocol::{Digest, Protocol, copies, copies_line, digest};
use crate::task::{Input, Made, Task};
use crate::{Black, DataError, Dataset, Encoding, Example, Split, archive, picture, shown};
use engine::rng::Seed;
use font8x8::legacy::BASIC_LEGACY;
use png::ColorType;
use std::fs;
use std::io::{self, BufReader, Read};
use std::path::Path;
pub use verify::verify;

/// The names of the classes, by label, as `batches.meta.txt` has them.
const CLASSES: [&str; 10] = [
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
];

/// The files in the order of their records; the last is the test set.
pub(crate) const FILES: [&str; 6] = [
    "data_batch_1.bin",
    "data_batch_2.bin",
    "data_batch_3.bin",
    "data_batch_4.bin",
    "data_batch_5.bin",
    "test_batch.bin",
];
/// Bytes of a record: the label and three planes.
pub(crate) const RECORD: usize = 1 + 3 * PIXELS;
/// Records of a file.
const RECORDS: usize = 10_000;
/// Bytes of a file.
const FILE: u64 = (RECORDS * RECORD) as u64;
/// The first so many of the 50,000 records are for training, the others for development.
const TRAIN: usize = 45_000;
/// No more is unpacked of an archive; the published one holds 184 MB.
const UNPACKED: u64 = 256 << 20;

const LAYOUT: &str = "the folder cifar-10-batches-bin of six .bin files, or cifar-10-binary.tar.gz";
const GET: &str = "get cifar-10-binary.tar.gz, or use the built-in drawings, which need no data";
const AGAIN: &str = "the file is damaged or incomplete; get it again";
/// For a file of which nothing could be made.
const BINARY: &str =
    "is it the binary version, as .tar.gz (not the Python version, no other compression)?";

/// The task.
pub static TASK: Task = Task {
    name: "image",
    about: "Image (small pictures, pixel by pixel)",
    lengths: PIXELS..=PIXELS,
    least_builtin: PIXELS,
    documents: 1,
    classes,
    encoding,
    load: |path, wish| load(path, wish.black),
    builtin: |wish, making| Ok(builtin(making.seed, wish.black)),
    made: Made {
        teaches: "drawings of ten shapes: it sees one of these in every picture, and no photograph",
        first: false,
        fills: false,
        few: None,
    },
    verify,
    files: Err(
        "the built-in drawings are grey and have classes of their own, so CIFAR-10's files cannot hold them",
    ),
    input: Input::Picture(read_picture),
    takes_files: false,
    readable: ("pixels", picture::in_letters),
    cut: "",
    example: None,
};

/// Reads CIFAR-10 from the folder of its binary files or from the published archive.
///
/// The ids are the places of the records in the five files of train, and in the file of test.
pub fn load(path: &Path, black: Black) -> Result<Dataset, DataError> {
    let mut batches: [Vec<(usize, Box<[u8]>)>; FILES.len()] = Default::default();
    records(path, &mut |file, record| {
        batches[file].push((usize::from(record[0]), grey(&record[1..])));
    })?;
    let [.., test] = &mut batches;
    let test = std::mem::take(test);
    let mut train = examples(batches.into_iter().flatten());
    let dev = train.split_off(TRAIN);
    let splits = [train, dev, examples(test.into_iter())];
    let digests = |split: &Vec<Example>| -> Vec<Digest> {
        let pixels = split.iter().map(|example| &example.documents[0]);
        pixels.map(|pixels| digest(pixels)).collect()
    };
    let mut digests = splits.each_ref().map(digests);
    let found = copies(&mut digests, |digest| *digest, Protocol::Paper);
    let name = format!("CIFAR-10 in grey at {}", shown::name(path));
    let classes = CLASSES.map(String::from).to_vec();
    let rule = "train is the first 45000 records of the training files, dev the last 5000";
    let notes = vec![rule.into(), copies_line("picture", found, false)];
    Ok(assembled(name, false, classes, splits, notes, black))
}

/// Makes the built-in drawings of `seed`: 20,000 + 2,000 + 5,000 pictures of ten shapes among litter
/// (`image/drawings.rs` says how, and why the frequencies of grey values do not tell the shape).
pub fn builtin(seed: u64, black: Black) -> Dataset {
    let split = |name, count| examples((0..count).map(|id| drawings::draw(Seed(seed), name, id)));
    let splits = [
        split("train", drawings::TRAIN),
        split("dev", drawings::DEV),
        split("test", drawings::TEST),
    ];
    let name = format!("built-in drawings (seeded, not CIFAR-10), seed {seed}");
    let classes = classes(true);
    let notes = vec!["the three splits are drawn from streams of their own".into()];
    assembled(name, true, classes, splits, notes, black)
}

/// The names of the classes, by label: of the drawings, or of CIFAR-10.
pub fn classes(builtin: bool) -> Vec<String> {
    let names = if builtin { drawings::SHAPES } else { CLASSES };
    names.map(String::from).to_vec()
}

/// How grey values become token ids.
pub fn encoding(black: Black) -> Encoding {
    Encoding {
        offset: 0,
        vocabulary: 256,
        mask_zero: black == Black::Skipped,
    }
}

/// The grey values of a picture file, a PNG of 32 x 32 pixels in grey or in colour, which becomes grey as CIFAR-10
/// does.
pub fn read_picture(path: &Path) -> Result<Box<[u8]>, DataError> {
    let picture = picture::read_one(path, &[ColorType::Grayscale, ColorType::Rgb])?;
    Ok(match picture.colour {
        ColorType::Grayscale => picture.values,
        _ => {
            // From pixel by pixel to plane by plane.
            let plane = |colour| picture.values.iter().skip(colour).step_by(3);
            grey(&(0..3).flat_map(plane).copied().collect::<Vec<u8>>())
        }
    })
}

fn examples(pictures: impl Iterator<Item = (usize, Box<[u8]>)>) -> Vec<Example> {
    let example = |(id, (label, pixels))| Example {
        id,
        label,
        documents: vec![pixels],
    };
    (0..).zip(pictures).map(example).collect()
}

fn assembled(
    name: String,
    builtin: bool,
    classes: Vec<String>,
    splits: [Vec<Example>; 3],
    mut notes: Vec<String>,
    black: Black,
) -> Dataset {
    let [train_count, dev_count, test_count] = splits.each_ref().map(|examples| examples.len());
    let counts = format!(
        "train {train_count}, dev {dev_count}, test {test_count} pictures of {SIDE} x {SIDE} grey values"
    );
    notes.insert(0, counts);
    notes.push(picture::black_pixels(&splits, black));
    Dataset::of(name, builtin, encoding(black), classes, splits, notes)
}

/// The grey values of three planes: floor(255.5 (0.2989 R + 0.5870 G + 0.1140 B) / 255), in whole numbers.
///
/// It is `tf.image.rgb_to_grayscale` of bytes: to [0, 1], the weights (their sum is 0.9999), and back by 255.5 and
/// truncation. TensorFlow rounds to f32 on the way; no colour is a whole number of greys but black, so that only values
/// within 2e-5 of one can come out differently.
pub(crate) fn grey(planes: &[u8]) -> Box<[u8]> {
    let (red, rest) = planes.split_at(PIXELS);
    let (green, blue) = rest.split_at(PIXELS);
    let pixel = |((&r, &g), &b): ((&u8, &u8), &u8)| {
        let [r, g, b] = [r, g, b].map(u64::from);
        // 255.5/255 = 511/510; at most 255.47.
        (511 * (2989 * r + 5870 * g + 1140 * b) / 5_100_000) as u8
    };
    red.iter().zip(green).zip(blue).map(pixel).collect()
}

/// Calls `each` with every record and the number of its file in [`FILES`]; in an archive, files come in its own order.
/// A record's label has been checked.
pub(crate) fn records(path: &Path, each: &mut dyn FnMut(usize, &[u8])) -> Result<(), DataError> {
    let found = fs::metadata(path).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => {
            DataError::new(path, "there is no such file or folder", LAYOUT, GET)
        }
        _ => DataError::unreadable(path, LAYOUT, e),
    })?;
    match found.is_dir() {
        true => folder(path, each),
        false => archive(path, each),
    }
}

fn folder(path: &Path, each: &mut dyn FnMut(usize, &[u8])) -> Result<(), DataError> {
    // All sizes first: what is wrong is found before 180 MB have been read.
    for name in FILES {
        let file = path.join(name);
        let found = match fs::metadata(&file) {
            Ok(found) => found,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let hint = ["cifar-10-batches-bin", "cifar-10-binary.tar.gz"]
                    .iter()
                    .map(|inner| path.join(inner))
                    .find(|inner| inner.exists())
                    .map_or(GET.to_string(), |inner| did_you_mean(&inner));
                return Err(DataError::new(&file, "there is no such file", LAYOUT, hint));
            }
            Err(e) => return Err(DataError::unreadable(&file, LAYOUT, e)),
        };
        if !found.is_file() {
            return Err(DataError::new(&file, "this is not a file", LAYOUT, GET));
        }
        check_size(&file, name, found.len())?;
    }
    for (number, name) in FILES.iter().enumerate() {
        let file = path.join(name);
        let open = file::open(&file).map_err(|e| DataError::unreadable(&file, LAYOUT, e))?;
        read_batch(BufReader::new(open), &file, name, &mut |record| {
            each(number, record);
        })?;
    }
    Ok(())
}

/// The files inside the archive, in whatever folders of it.
fn archive(path: &Path, each: &mut dyn FnMut(usize, &[u8])) -> Result<(), DataError> {
    let broken = |number: usize, e: io::Error| {
        let problem = format!("cannot be unpacked from its entry {number} on");
        let hint = match e.kind() {
            io::ErrorKind::Unsupported => "pack the six files anew, with plain `tar -cz`",
            _ if number == 1 => BINARY,
            _ => AGAIN,
        };
        DataError::new(path, problem, LAYOUT, hint).caused_by(e)
    };
    let file = file::open(path).map_err(|e| DataError::unreadable(path, LAYOUT, e))?;
    let unpacked = archive::unzipped(BufReader::new(file)).take(UNPACKED);
    let mut found = [false; FILES.len()];
    let mut rest = archive::members(unpacked, broken, |member| {
        let name = member.path.rsplit(|&b| b == b'/').next();
        let name = name.unwrap_or_default();
        let Some(number) = FILES.iter().position(|file| file.as_bytes() == name) else {
            return Ok(());
        };
        let name = FILES[number];
        if found[number] || member.is_link {
            let what = ["stands in it twice", "is a link in it"][usize::from(member.is_link)];
            let problem = format!("{name} {what}");
            return Err(DataError::new(path, problem, "six different files", AGAIN));
        }
        found[number] = true;
        check_size(path, name, member.size)?;
        read_batch(member.contents, path, name, &mut |record| {
            each(number, record);
        })
    })?;
    match found.iter().position(|&found| !found) {
        // The checksum of everything stands at the end, behind what has been read.
        None => match io::copy(&mut rest, &mut io::sink()) {
            Ok(_) => Ok(()),
            Err(e) => Err(DataError::new(path, "is damaged", LAYOUT, AGAIN).caused_by(e)),
        },
        Some(number) => {
            let problem = format!("{} is not in it", FILES[number]);
            let hint = if found.contains(&true) { AGAIN } else { BINARY };
            Err(DataError::new(path, problem, LAYOUT, hint))
        }
    }
}

fn size_expected() -> String {
    format!("{FILE} bytes: {RECORDS} records of {RECORD}")
}

fn check_size(path: &Path, name: &str, size: u64) -> Result<(), DataError> {
    if size == FILE {
        return Ok(());
    }
    let problem = match size < FILE {
        true => {
            let record = size / RECORD as u64;
            format!("{name} ends at byte {size}, in record {record}")
        }
        false => format!("{name} goes on after byte {FILE}: it has {size}"),
    };
    Err(DataError::new(path, problem, size_expected(), AGAIN))
}

/// Calls `each` with every record of one file; `path` is the file itself or the archive around it.
fn read_batch(
    mut bytes: impl Read,
    path: &Path,
    name: &str,
    each: &mut dyn FnMut(&[u8]),
) -> Result<(), DataError> {
    let mut record = [0; RECORD];
    for number in 0..RECORDS {
        let offset = number * RECORD;
        bytes.read_exact(&mut record).map_err(|e| {
            let problem = format!("{name} cannot be read in record {number}, from byte {offset}");
            DataError::new(path, problem, size_expected(), AGAIN).caused_by(e)
        })?;
        if usize::from(record[0]) >= CLASSES.len() {
            let label = record[0];
            return Err(DataError::new(
                path,
                format!("{name} has the label {label} at byte {offset} (record {number})"),
                format!("a label from 0 to {}", CLASSES.len() - 1),
                "is it the binary version of CIFAR-10 (not of CIFAR-100, whose records have two labels)?",
            ));
        }
        each(&record);
    }
    Ok(())
}

/// A PNG of the first `columns` pictures of each class: under the name of the class, a row of pictures, each pixel
/// three by three.
pub fn contact_sheet(split: &Split, classes: &[String], columns: usize) -> io::Result<Vec<u8>> {
    const GAP: usize = 2;
    const ZOOM: usize = 3;
    const STEP: usize = ZOOM * SIDE + GAP;
    const DOT: usize = 2;
    const LETTER: usize = DOT * 8;
    // Above and below a name.
    const MARGIN: usize = 2 * DOT;
    const ROW: usize = LETTER + 2 * MARGIN + STEP;
    // Pixels; all 10,000 pictures of CIFAR-10's test set make 120 million.
    const LARGEST: usize = 1 << 30;
    let names = classes.iter().map(|name| name.chars().count());
    // One picture is narrower than most names.
    let width = STEP.saturating_mul(columns.max(1));
    let width = width.max(LETTER * names.max().unwrap_or(0));
    let height = ROW * classes.len().max(1);
    let pixels = width
        .checked_mul(height)
        .filter(|&pixels| pixels <= LARGEST);
    let sides = (u32::try_from(width), u32::try_from(height));
    let (Some(pixels), (Ok(png_width), Ok(png_height))) = (pixels, sides) else {
        return Err(io::Error::other("the contact sheet is too large"));
    };
    let mut sheet = vec![255; pixels];
    let mut square = |left: usize, top: usize, side: usize, grey: u8| {
        for line in top..top + side {
            sheet[line * width + left..][..side].fill(grey);
        }
    };
    for (class, name) in classes.iter().enumerate() {
        let top = class * ROW + MARGIN;
        for (place, letter) in name.chars().enumerate() {
            let known = BASIC_LEGACY.get(letter as usize);
            // A byte is a line of dots, its lowest bit the leftmost.
            let lines = known.unwrap_or(&BASIC_LEGACY[usize::from(b'?')]);
            for (y, line) in lines.iter().enumerate() {
                for x in (0..8).filter(|x| line >> x & 1 == 1) {
                    square(place * LETTER + x * DOT, top + y * DOT, DOT, 0);
                }
            }
        }
        let top = top + LETTER + MARGIN;
        let pictures = split.examples.iter().filter(|e| e.label == class);
        for (column, picture) in pictures.take(columns).enumerate() {
            let pixels = picture.documents[0].iter().take(PIXELS);
            for (place, &pixel) in pixels.enumerate() {
                let (x, y) = (place % SIDE, place / SIDE);
                square(column * STEP + x * ZOOM, top + y * ZOOM, ZOOM, pixel);
            }
        }
    }
    let mut bytes = Vec::new();
    let mut png = png::Encoder::new(&mut bytes, png_width, png_height);
    png.set_color(ColorType::Grayscale);
    png.set_depth(png::BitDepth::Eight);
    png.write_header()?.write_image_data(&sheet)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_file_is_grey_or_becomes_so_as_cifar_does() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, side: usize, colour: ColorType, values: &[u8]| {
            let path = folder.path().join(name);
            let file = fs::File::create(&path).unwrap();
            let mut png = png::Encoder::new(file, side as u32, side as u32);
            png.set_color(colour);
            png.set_depth(png::BitDepth::Eight);
            let mut png = png.write_header().unwrap();
            png.write_image_data(values).unwrap();
            path
        };
        let values: Vec<u8> = (0..3 * PIXELS).map(|i| (i * 7 % 256) as u8).collect();
        let grey_file = write("grey.png", SIDE, ColorType::Grayscale, &values[..PIXELS]);
        assert_eq!(read_picture(&grey_file).unwrap()[..], values[..PIXELS]);
        let colour_file = write("colour.png", SIDE, ColorType::Rgb, &values);
        let planes: Vec<u8> = (0..3)
            .flat_map(|c| (0..PIXELS).map(move |i| 3 * i + c))
            .map(|place| values[place])
            .collect();
        assert_eq!(read_picture(&colour_file).unwrap(), grey(&planes));

        let small = write("small.png", 8, ColorType::Grayscale, &values[..64]);
        let error = read_picture(&small).unwrap_err().to_string();
        assert!(
            error.contains("it has 8 x 8 pixels; expected a PNG of 32 x 32"),
            "{error}"
        );
        fs::write(&small, b"").unwrap();
        let error = read_picture(&small).unwrap_err().to_string();
        assert!(error.contains("the file is empty"), "{error}");
        let error = crate::pathfinder::read_picture(&colour_file).unwrap_err();
        assert!(
            error.to_string().contains("its pixels are Rgb of 8 bits"),
            "{error}"
        );
    }

    /// Against the formula in f64, which is exact enough: no colour but black is a whole number of greys.
    #[test]
    fn grey_is_the_formula() {
        for r in (0..=255u8).step_by(5) {
            for g in (0..=255u8).step_by(3) {
                // A plane of 1,024 blues holds each value four times.
                let mut planes = vec![r; PIXELS];
                planes.extend([g; PIXELS]);
                planes.extend((0..PIXELS).map(|place| place as u8));
                for (place, &value) in grey(&planes).iter().enumerate() {
                    let [r, g, b] = [r, g, place as u8].map(f64::from);
                    let wanted = 255.5 * (0.2989 * r + 0.587 * g + 0.114 * b) / 255.0;
                    assert_eq!(value, wanted as u8, "{r} {g} {b}");
                }
            }
        }
    }
}
