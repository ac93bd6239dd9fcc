//! What the two tasks of pictures have in common: their size, their black pixels, and one picture as a PNG file.
//! Whatever the file says, it can ask for a MB of memory and no more.
//!
//! Called by `image` and `pathfinder`.

use crate::{Black, DataError, Example, file};
use png::{BitDepth, ColorType};
use std::io::{self, Read};
use std::path::Path;

/// Width and height of a picture.
pub const SIDE: usize = 32;
/// Pixels of a picture, which are its tokens.
pub const PIXELS: usize = SIDE * SIDE;

/// No picture's file is larger; 32 x 32 pixels that cannot be compressed take 1.2 kB, three times that in colour.
const FILE: u64 = 1 << 16;
/// Memory for decoding one.
const DECODER: usize = 1 << 20;

const AGAIN: &str = "the file is damaged or of another set; get it again";

/// A picture.
pub(crate) struct Picture {
    /// One of those that were asked for.
    pub(crate) colour: ColorType,
    /// Row by row, pixel by pixel, colour by colour.
    pub(crate) values: Box<[u8]>,
}

/// Reads the picture `path`, whose pixels have one of `colours`; `None` if the file is empty.
pub(crate) fn read(path: &Path, colours: &[ColorType]) -> Result<Option<Picture>, DataError> {
    let colour = if colours.contains(&ColorType::Rgb) {
        "8 bits of grey, or of red, green and blue, each"
    } else {
        "8 bits of grey each"
    };
    let expected = format!("a PNG of {SIDE} x {SIDE} pixels, {colour}");
    let wrong = |problem: String| DataError::new(path, problem, expected.clone(), AGAIN);
    let unreadable = |e| DataError::unreadable(path, &expected, e);
    let open = file::open(path).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => wrong("there is no such file".into()),
        _ => unreadable(e),
    })?;
    match open.metadata().map_err(unreadable)?.len() {
        0 => return Ok(None),
        size if size > FILE => return Err(wrong(format!("it has {size} bytes"))),
        _ => {}
    }
    let mut bytes = Vec::new();
    open.take(FILE)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    let size = bytes.len();
    let broken = |e: png::DecodingError| wrong(format!("its {size} bytes are no PNG: {e}"));
    let limits = png::Limits { bytes: DECODER };
    let mut decoder = png::Decoder::new_with_limits(io::Cursor::new(bytes), limits);
    // The header comes first: what is of another size is not decoded.
    let info = decoder.read_header_info().map_err(broken)?;
    let (width, height) = (info.width, info.height);
    if [width, height] != [SIDE as u32; 2] {
        return Err(wrong(format!("it has {width} x {height} pixels")));
    }
    let (colour, depth) = (info.color_type, info.bit_depth);
    if !colours.contains(&colour) || depth != BitDepth::Eight {
        return Err(wrong(format!(
            "its pixels are {colour:?} of {} bits",
            depth as u8
        )));
    }
    let mut reader = decoder.read_info().map_err(broken)?;
    let mut values = vec![0; PIXELS * colour.samples()];
    reader.next_frame(&mut values).map_err(broken)?;
    reader.finish().map_err(broken)?;
    Ok(Some(Picture {
        colour,
        values: values.into(),
    }))
}

/// From black to white.
const GREYS: &[u8; 10] = b" .:-=+*#%@";

/// A picture in characters, two rows of pixels a line: letters are about twice as high as they are wide.
pub(crate) fn in_letters(pixels: &[u8]) -> String {
    let mut lines = Vec::new();
    for rows in pixels.chunks_exact(2 * SIDE) {
        let grey = |column: usize| {
            let sum = usize::from(rows[column]) + usize::from(rows[SIDE + column]);
            char::from(GREYS[sum * (GREYS.len() - 1) / 510])
        };
        let line: String = (0..SIDE).map(grey).collect();
        lines.push(format!("  |{line}|"));
    }
    lines.join("\n")
}

/// A line on how many pixels are black, and what they are.
pub(crate) fn black_pixels(splits: &[Vec<Example>; 3], black: Black) -> String {
    let pictures = splits.iter().flatten();
    let pixels = (PIXELS * pictures.clone().count()) as f64;
    let black_pixels = pictures.map(|e| e.documents[0].iter().filter(|&&pixel| pixel == 0).count());
    let share = 100.0 * black_pixels.sum::<usize>() as f64 / pixels;
    format!("black pixels ({share:.2}%) are {black}")
}

/// The same for a picture that was asked for by its name: an empty file is none.
pub(crate) fn read_one(path: &Path, colours: &[ColorType]) -> Result<Picture, DataError> {
    read(path, colours)?.ok_or_else(|| {
        DataError::new(
            path,
            "the file is empty",
            format!("a PNG of {SIDE} x {SIDE} pixels"),
            AGAIN,
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_have_half_as_many_lines_as_rows() {
        let mut pixels = vec![0; PIXELS];
        pixels[..64].fill(255);
        let shown = in_letters(&pixels);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines.len(), 16);
        assert_eq!(lines[0], format!("  |{}|", "@".repeat(32)));
        assert_eq!(lines[15], format!("  |{}|", " ".repeat(32)));
    }
}
