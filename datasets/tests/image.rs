//! The Image task as its users see it: the drawings, files in the published form, and what is refused with which words.

use crate::support::{fingerprint, unpacked};
use datasets::{Black, DataError, Dataset, baseline, image};
use flate2::{Compression, write::GzEncoder};
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

const RECORD: usize = 3073;
const FILE: usize = 10_000 * RECORD;
const FILES: [&str; 6] = [
    "data_batch_1.bin",
    "data_batch_2.bin",
    "data_batch_3.bin",
    "data_batch_4.bin",
    "data_batch_5.bin",
    "test_batch.bin",
];

static DRAWINGS: LazyLock<Dataset> = LazyLock::new(|| image::builtin(0, Black::Kept));

#[test]
fn the_drawings_keep_their_bits() {
    let golden = "a9721efc2c21d1e5227e7e9a4a05133c38d5dba065390e56db52560b973aec72";
    assert_eq!(fingerprint(&DRAWINGS, b""), golden);
    assert_eq!(fingerprint(&image::builtin(0, Black::Skipped), b""), golden);
    assert_ne!(fingerprint(&image::builtin(1, Black::Kept), b""), golden);
}

#[test]
fn the_drawings_are_balanced_and_frequencies_do_not_tell_them() {
    let splits = [&DRAWINGS.train, &DRAWINGS.dev, &DRAWINGS.test];
    assert_eq!(
        splits.map(|split| split.examples.len()),
        [20_000, 2_000, 5_000]
    );
    for split in splits {
        for label in 0..10 {
            let of_class = split.examples.iter().filter(|e| e.label == label).count();
            assert_eq!(10 * of_class, split.examples.len());
        }
        assert!(
            split
                .examples
                .iter()
                .all(|e| e.documents[0].len() == image::PIXELS)
        );
    }
    let found = baseline::token_frequencies(&DRAWINGS);
    println!("{found}");
    // 9.6% when this was written; four standard errors of a tenth, 5,000 times, are 1.7 points.
    assert!(found.logistic < 0.12, "{found}");
}

#[test]
fn black_pixels_can_be_left_out() {
    assert!(!DRAWINGS.encoding.mask_zero);
    let skipped = image::builtin(0, Black::Skipped);
    assert!(skipped.encoding.mask_zero);
    let (offset, vocabulary) = (skipped.encoding.offset, skipped.encoding.vocabulary);
    assert_eq!((offset, vocabulary), (0, 256));
    assert!(skipped.notes.join("\n").contains("are no tokens"));
}

/// Six files; the label of record i is i mod 10, its first pixel has red i mod 251 and its file in blue.
fn batches() -> Vec<Vec<u8>> {
    let file = |number: usize| {
        let mut bytes = vec![0; FILE];
        for (i, record) in bytes.chunks_exact_mut(RECORD).enumerate() {
            record[0] = (i % 10) as u8;
            record[1] = (i % 251) as u8;
            record[1 + 2048] = number as u8;
            record[1 + 1023] = 255; // the last pixel is red
            record[1 + 1024 + 1] = 255; // the second green
        }
        bytes
    };
    (0..6).map(file).collect()
}

fn write_folder(folder: &Path, batches: &[Vec<u8>]) {
    for (name, bytes) in FILES.iter().zip(batches) {
        fs::write(folder.join(name), bytes).unwrap();
    }
}

fn write_archive(path: &Path, files: &[(&str, &[u8])]) {
    let gzip = GzEncoder::new(fs::File::create(path).unwrap(), Compression::fast());
    let mut tar = tar::Builder::new(gzip);
    for (name, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        let name = format!("cifar-10-batches-bin/{name}");
        tar.append_data(&mut header, name, *bytes).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap();
}

fn refusal(path: &Path) -> String {
    match image::load(path, Black::Kept) {
        Err(error) => line(&error),
        Ok(dataset) => panic!("{} was taken", dataset.name),
    }
}

fn line(error: &DataError) -> String {
    let line = error.to_string();
    assert!(!line.contains('\n') && line.contains("; hint: "), "{line}");
    line
}

#[test]
fn a_folder_and_an_archive_give_the_same_examples_in_the_order_of_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let batches = batches();
    write_folder(folder.path(), &batches);
    let dataset = image::load(folder.path(), Black::Kept).unwrap();
    let sizes = [&dataset.train, &dataset.dev, &dataset.test].map(|s| s.examples.len());
    assert_eq!(sizes, [45_000, 5_000, 10_000]);
    assert_eq!(dataset.dev.examples[7].id, 45_007);
    assert_eq!(dataset.test.examples[7].id, 7);
    // Red 7 and blue 0: 255.5 * 0.2989 * 7 / 255 = 2.09; the last pixel 76.3, the second 149.97.
    let first = &dataset.train.examples[7];
    assert_eq!((first.id, first.label), (7, 7));
    let pixels = &first.documents[0];
    assert_eq!(
        (pixels[0], pixels[1], pixels[2], pixels[1023]),
        (2, 149, 0, 76)
    );
    // The second file begins at 10,000, with red 0 and blue 1: 0.11.
    assert_eq!(dataset.train.examples[10_000].documents[0][0], 0);
    // Record 250 of the fifth file (dev begins in its middle): red 250 and blue 4.
    assert_eq!(dataset.dev.examples[20].id % 10_000 % 10, 0);

    let path = folder.path().join("cifar-10-binary.tar.gz");
    // In another order, as in the published archive, and among other files.
    let mut files: Vec<(&str, &[u8])> = vec![("batches.meta.txt", b"airplane\n")];
    for number in [2, 1, 0, 5, 3, 4] {
        files.push((FILES[number], &batches[number]));
    }
    write_archive(&path, &files);
    let archived = image::load(&path, Black::Kept).unwrap();
    assert_eq!(archived.train, dataset.train);
    assert_eq!(archived.dev, dataset.dev);
    assert_eq!(archived.test, dataset.test);

    // Cut in the middle: the gzip stream ends within some record.
    let bytes = fs::read(&path).unwrap();
    let cut = folder.path().join("cut.tar.gz");
    fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    let refused = refusal(&cut);
    assert!(refused.contains("cannot be read in record"), "{refused}");
    // A file too short, one missing, one twice.
    for (change, problem) in [
        (0, "test_batch.bin ends at byte 30729999, in record 9999"),
        (
            1,
            "test_batch.bin goes on after byte 30730000: it has 30730001",
        ),
    ] {
        // The size stands in front of the bytes, which are not read.
        let bytes = vec![0; FILE - 1 + 2 * change];
        write_archive(&cut, &[("test_batch.bin", &bytes)]);
        let refused = refusal(&cut);
        assert!(refused.contains(problem), "{refused}");
    }
    // Without its last file it is damaged; the Python version has none of the files.
    let binary = "is it the binary version, as .tar.gz (not the Python version,";
    for (files, problem, hint) in [
        (&files[..6], "data_batch_5.bin is not in it", "get it again"),
        (
            &[("data_batch_1", &b"\x80\x02}"[..])],
            "data_batch_1.bin is not in it",
            binary,
        ),
    ] {
        write_archive(&cut, files);
        let refused = refusal(&cut);
        assert!(refused.contains(problem), "{refused}");
        assert!(refused.contains(hint), "{refused}");
    }
    // A single file of the six among them.
    for bytes in [&b""[..], b"no gzip at all", &bytes[..10], &batches[0]] {
        fs::write(&cut, bytes).unwrap();
        let refused = refusal(&cut);
        assert!(refused.contains("cannot be unpacked"), "{refused}");
        assert!(refused.contains(binary), "{refused}");
    }
}

#[test]
fn what_is_wrong_in_a_folder_is_said_with_file_and_byte() {
    let root = tempfile::tempdir().unwrap();
    let inner = root.path().join("cifar-10-batches-bin");
    fs::create_dir(&inner).unwrap();
    let refused = refusal(root.path());
    assert!(
        refused.contains("did you mean") && refused.contains("batches-bin"),
        "{refused}"
    );
    assert!(refusal(&root.path().join("none")).contains("there is no such file or folder"));
    assert!(refusal(&inner).contains("data_batch_1.bin\": there is no such file"));

    // Sparse files: nothing of them is read before all sizes are right.
    for name in FILES {
        fs::File::create(inner.join(name))
            .unwrap()
            .set_len(FILE as u64)
            .unwrap();
    }
    let third = inner.join(FILES[2]);
    for (size, problem) in [
        (0, "data_batch_3.bin ends at byte 0, in record 0"),
        (
            2 * RECORD as u64 + 5,
            "data_batch_3.bin ends at byte 6151, in record 2",
        ),
        (1 << 40, "goes on after byte 30730000: it has 1099511627776"),
    ] {
        fs::File::create(&third).unwrap().set_len(size).unwrap();
        let refused = refusal(&inner);
        assert!(refused.contains(problem), "{refused}");
    }
    let mut bytes = vec![0; FILE];
    bytes[12 * RECORD] = 10;
    fs::write(&third, &bytes).unwrap();
    let refused = refusal(&inner);
    let problem = "data_batch_3.bin has the label 10 at byte 36876 (record 12)";
    assert!(refused.contains(problem), "{refused}");
    fs::remove_file(&third).unwrap();
    fs::create_dir(&third).unwrap();
    assert!(refusal(&inner).contains("this is not a file"));
}

/// The width and the grey values of a contact sheet.
fn decoded(sheet: &[u8]) -> (usize, Vec<u8>) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(sheet))
        .read_info()
        .unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    (info.width as usize, pixels)
}

#[test]
fn a_contact_sheet_has_for_each_class_its_name_and_a_row_of_pictures() {
    let sheet = image::contact_sheet(&DRAWINGS.test, &DRAWINGS.classes, 4).unwrap();
    let (width, sheet) = decoded(&sheet);
    // Of a class: the name, 16 pixels high between margins of 4, then pictures of 96 and a gap.
    let row = 4 + 16 + 4 + 96 + 2;
    assert_eq!((width, sheet.len()), (4 * 98, 4 * 98 * 10 * row));
    // Picture 13 is the second of class 3.
    let pixels = &DRAWINGS.test.examples[13].documents[0];
    for (x, y) in [(0, 0), (31, 31), (5, 17)] {
        let place = (3 * row + 24 + 3 * y + 1) * width + 98 + 3 * x + 1;
        assert_eq!(sheet[place], pixels[y * 32 + x]);
    }
    // "saltire" begins with an s; its dots are two by two.
    let dots: Vec<String> = (0..8)
        .map(|y| {
            let dark = |x: usize| sheet[(3 * row + 4 + 2 * y) * width + 2 * x] == 0;
            (0..8).map(|x| if dark(x) { '#' } else { '.' }).collect()
        })
        .collect();
    let s = [
        "........", "........", ".#####..", "##......", ".####...", "....##..", "#####...",
        "........",
    ];
    assert_eq!(dots, s);
}

#[test]
fn a_contact_sheet_has_room_for_every_name() {
    let sheet = |classes: &[String], columns| {
        decoded(&image::contact_sheet(&DRAWINGS.test, classes, columns).unwrap())
    };
    let (width, _) = sheet(&DRAWINGS.classes, 1);
    assert_eq!(width, 16 * "inverted triangle".len());
    // What is no ASCII is shown as question marks.
    let [odd, plain] = ["caf\u{e9}", "caf?"].map(|name| sheet(&[name.to_string()], 1));
    assert_eq!(odd, plain);
    assert_eq!(sheet(&[], 0).0, 98);
    for columns in [1 << 25, usize::MAX] {
        let refused = image::contact_sheet(&DRAWINGS.test, &DRAWINGS.classes, columns);
        assert!(refused.unwrap_err().to_string().contains("too large"));
    }
}

/// The published files, where they are at hand: `../../shared/data` seen from this crate.
#[test]
fn the_published_pictures_have_their_known_counts() {
    let (archive, folder) = ("cifar-10-batches-bin.tar.xz", "cifar-10-batches-bin");
    let Some((_root, path)) = unpacked(archive, folder) else {
        return;
    };
    let dataset = image::load(&path, Black::Kept).unwrap();
    for (split, each) in [
        (&dataset.train, 4500),
        (&dataset.dev, 500),
        (&dataset.test, 1000),
    ] {
        assert_eq!(split.examples.len(), 10 * each);
    }
    for label in 0..10 {
        let of_class =
            |split: &datasets::Split| split.examples.iter().filter(|e| e.label == label).count();
        assert_eq!(of_class(&dataset.train) + of_class(&dataset.dev), 5_000);
        assert_eq!(of_class(&dataset.test), 1_000);
    }
}
