//! The benchmark's layout on disk: `imgs/K/sample_I.png` and `metadata/K.npy`, read and written.
//!
//! A line of metadata has 11 words: the folder of the picture (`imgs/K`), its file, its number, the
//! label, continuity, dashes of a target, dashes of a distractor, length and thickness of a dash,
//! margin, number of contrasts. Only the first two and the label are used. Whatever a file says, it
//! can ask for a few MB of memory and no more.

use super::paddle::{LENGTH, MARGIN};
use super::{SIDE, Settings};
use crate::file::{self, did_you_mean};
use crate::lines::{Fault, Line, Lines};
use crate::shown::{self, quoted};
use crate::task::below;
use crate::{DataError, picture};
use rayon::prelude::*;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Component, Path, PathBuf};

/// Folders of the benchmark's three difficulties.
const DIFFICULTIES: [&str; 3] = [
    "curv_baseline",
    "curv_contour_length_9",
    "curv_contour_length_14",
];
/// Words of a line.
const COLUMNS: usize = 11;
/// No line is longer; those of the benchmark have 61 bytes.
const LINE: usize = 4096;
/// No name of a picture or its folder is longer: no file system has such files, and error messages
/// quote the path.
const NAME: usize = 255;
/// No file of metadata is larger; those of the benchmark have 61 kB.
const METADATA: u64 = 4 << 20;
/// Pictures of a batch, as in the benchmark.
pub const BATCH: usize = 1000;

const LAYOUT: &str = "a folder such as curv_contour_length_14, with imgs and metadata in it";
pub(super) const GET: &str =
    "take pathfinder32 of lra_release.gz, or use the generated pictures, which need no data";
const AGAIN: &str = "the file is damaged or of another set; get it again";

/// A file of metadata.
pub(crate) struct Batch {
    /// The K of `metadata/K.npy`.
    pub(crate) number: u64,
    file: PathBuf,
}

/// A line of metadata.
pub(crate) struct Row {
    /// Counted from 1.
    line: usize,
    /// The picture.
    pub(crate) file: PathBuf,
    pub(crate) label: usize,
}

/// The folder of the one difficulty at `path`.
pub(crate) fn locate(path: &Path) -> Result<PathBuf, DataError> {
    let wrong = |problem: &str, hint: String| Err(DataError::new(path, problem, LAYOUT, hint));
    file::refuse_no_folder(path, LAYOUT, GET)?;
    if path.join("metadata").is_dir() {
        return Ok(path.to_path_buf());
    }
    let here = |parent: &Path| -> Vec<PathBuf> {
        let inner = DIFFICULTIES.iter().map(|name| parent.join(name));
        inner.filter(|i| i.join("metadata").is_dir()).collect()
    };
    match &here(path)[..] {
        [] => {
            let inner = here(&path.join("pathfinder32"));
            let hint = inner.last().map_or(GET.into(), |hard| did_you_mean(hard));
            wrong("there is no folder metadata in it", hint)
        }
        [only] => Ok(only.clone()),
        [.., hard] => wrong(
            "there is more than one difficulty in it",
            format!(
                "{} The benchmark's tables are about that one",
                did_you_mean(hard)
            ),
        ),
    }
}

/// The files of metadata, in the order of their numbers. Other files are not looked at.
pub(crate) fn batches(folder: &Path) -> Result<Vec<Batch>, DataError> {
    let expected = "files metadata/0.npy, metadata/1.npy and so on";
    let metadata = folder.join("metadata");
    let mut batches = Vec::new();
    for file in file::list(&metadata, expected)? {
        let name = file.file_name().and_then(|name| name.to_str());
        let number = name.and_then(|name| name.strip_suffix(".npy")?.parse::<u64>().ok());
        batches.extend(number.map(|number| Batch { number, file }));
    }
    if batches.is_empty() {
        let problem = "there is no file of metadata in it";
        return Err(DataError::new(&metadata, problem, expected, GET));
    }
    batches.sort_by(|a, b| (a.number, &a.file).cmp(&(b.number, &b.file)));
    // `00.npy` beside `0.npy` would be the same pictures twice, in train and in test.
    let twice = batches.windows(2).find(|w| w[0].number == w[1].number);
    if let Some([one, other]) = twice {
        let number = one.number;
        let name = one.file.file_name().unwrap_or_default();
        return Err(DataError::new(
            &other.file,
            format!(
                "this is batch {number}, and so is {} beside it",
                shown::quoted_name(name)
            ),
            expected,
            "remove one of the two, if they name the same pictures, or give it a number of its own",
        ));
    }
    Ok(batches)
}

/// The lines of a batch.
pub(crate) fn rows(folder: &Path, batch: &Batch) -> Result<Vec<Row>, DataError> {
    let path = &batch.file;
    let expected = format!("{COLUMNS} words a line: imgs/0 sample_0.png 0 LABEL and seven numbers");
    let unreadable = |e| DataError::unreadable(path, &expected, e);
    let open = file::open(path).map_err(unreadable)?;
    let size = open.metadata().map_err(unreadable)?.len();
    if size > METADATA {
        let problem = format!("it has {size} bytes");
        let expected = format!("a batch of about {BATCH} lines, {METADATA} bytes at most");
        return Err(DataError::new(path, problem, expected, AGAIN));
    }
    let mut lines = Lines::new(open.take(METADATA), LINE);
    let failed = |fault: Fault| fault.at(path, &expected, AGAIN);
    if lines.begins_with(b"\x93NUMPY").map_err(failed)? {
        return Err(DataError::new(
            path,
            "line 1: this is a binary numpy array",
            "text, as the benchmark has it in spite of the file's name",
            "write its rows as lines of words between spaces",
        ));
    }
    let mut rows = Vec::new();
    while let Some(Line { number, bytes }) = lines.next_or_empty().map_err(failed)? {
        let wrong = |problem: String| {
            let problem = format!("line {number} {problem}");
            DataError::new(path, problem, expected.clone(), AGAIN)
        };
        let Ok(text) = std::str::from_utf8(bytes) else {
            return Err(wrong("is not UTF-8".into()));
        };
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        if words.is_empty() {
            continue;
        }
        let (&[inner, name, _, label, ..], COLUMNS) = (&words[..], words.len()) else {
            return Err(wrong(format!("has {} of {COLUMNS} words", words.len())));
        };
        let label = match label {
            "0" => 0,
            "1" => 1,
            _ => {
                let label = quoted(label.as_bytes());
                return Err(wrong(format!("has the label {label}, which is not 0 or 1")));
            }
        };
        let place = Path::new(inner).join(name);
        let inside = |c: Component| matches!(c, Component::Normal(_));
        if !place.components().all(inside) || [inner, name].iter().any(|w| w.contains('\\')) {
            let [inner, name] = [inner, name].map(|word| quoted(word.as_bytes()));
            return Err(wrong(format!("leads out of the folder: {inner} {name}")));
        }
        if let Some(long) = [inner, name].iter().find(|word| word.len() > NAME) {
            return Err(wrong(format!("has a name of {} bytes", long.len())));
        }
        rows.push(Row {
            line: number,
            file: folder.join(place),
            label,
        });
    }
    Ok(rows)
}

/// The grey values of a picture that the batch names; `None` if its file is empty.
pub(crate) fn image(batch: &Batch, row: &Row) -> Result<Option<Box<[u8]>>, DataError> {
    let picture = picture::read(&row.file, &[png::ColorType::Grayscale]).map_err(|mut error| {
        // The name may be what is wrong.
        let name = shown::name(batch.file.file_name().unwrap_or_default());
        error.problem += &format!("; line {} of metadata/{name} names it", row.line);
        error
    })?;
    Ok(picture.map(|picture| picture.values))
}

/// The folder of pictures with targets of so many dashes.
pub(super) fn name(contour_length: usize) -> String {
    match contour_length {
        6 => DIFFICULTIES[0].to_string(),
        length => format!("curv_contour_length_{length}"),
    }
}

/// A picture as a PNG.
fn png(pixels: &[u8]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut png = png::Encoder::new(&mut bytes, SIDE as u32, SIDE as u32);
    png.set_color(png::ColorType::Grayscale);
    png.set_depth(png::BitDepth::Eight);
    png.write_header()?.write_image_data(pixels)?;
    Ok(bytes)
}

/// Writes `count` pictures, the labels and pixels of which `picture` tells, as a new folder in
/// `parent`. Of so many small files none is waited for until it is on the disk.
pub(super) fn write(
    parent: &Path,
    settings: &Settings,
    count: usize,
    picture: &(dyn Fn(usize) -> (usize, Box<[u8]>) + Sync),
) -> Result<PathBuf, DataError> {
    let name = settings.folder();
    let (part, whole) = (parent.join(format!("{name}.part")), parent.join(&name));
    let expected = "a folder that can be written to, with room for about 4 kB a picture";
    file::refuse_existing(&whole)?;
    file::made(&part, expected, fs::create_dir(&part))?;
    let written =
        write_batches(&part, settings, count, picture).and_then(|()| fs::rename(&part, &whole));
    if written.is_err() {
        let _ = fs::remove_dir_all(&part); // What went wrong first is the error worth telling.
    }
    file::made(&whole, expected, written)?;
    Ok(whole)
}

fn write_batches(
    folder: &Path,
    settings: &Settings,
    count: usize,
    picture: &(dyn Fn(usize) -> (usize, Box<[u8]>) + Sync),
) -> io::Result<()> {
    let metadata = folder.join("metadata");
    fs::create_dir(&metadata)?;
    let (target, distractor) = (settings.contour_length, settings.distractor_length);
    for (batch, first) in (0..count).step_by(BATCH).enumerate() {
        let imgs = folder.join(format!("imgs/{batch}"));
        fs::create_dir_all(&imgs)?;
        let labels: Vec<usize> = (first..count.min(first + BATCH))
            .into_par_iter()
            .map(|i| {
                let (label, pixels) = picture(i);
                fs::write(
                    imgs.join(format!("sample_{}.png", i - first)),
                    png(&pixels)?,
                )?;
                Ok(label)
            })
            .collect::<io::Result<_>>()?;
        let mut out = BufWriter::new(File::create(metadata.join(format!("{batch}.npy")))?);
        for (i, label) in labels.iter().enumerate() {
            writeln!(
                out,
                "imgs/{batch} sample_{i}.png {i} {label} 1.0 {target} {distractor} {LENGTH} 0.5 {MARGIN} 1"
            )?;
        }
        out.flush()?;
    }
    Ok(())
}

/// Whether a set of such settings and counts has a file, or a folder, with this path.
pub(super) fn has(settings: &str, counts: &[usize], path: &[&str], is_folder: bool) -> bool {
    let [folder, path @ ..] = path else {
        return false;
    };
    let batches = counts.iter().sum::<usize>().div_ceil(BATCH);
    Settings::named(settings).is_ok_and(|settings| settings.folder() == *folder)
        && match (path, is_folder) {
            ([] | ["imgs" | "metadata"], true) => true,
            (["metadata", name], false) => below(name.strip_suffix(".npy"), batches),
            (["imgs", batch], true) => below(Some(batch), batches),
            (["imgs", batch, name], false) => {
                let number = name.strip_prefix("sample_");
                let number = number.and_then(|name| name.strip_suffix(".png"));
                below(Some(batch), batches) && below(number, BATCH)
            }
            _ => false,
        }
}
