//! Pathfinder as its users see it: what is drawn, beside pictures of the original generator; what
//! is read; and what is refused with which words.

use crate::support::{fingerprint, has, unpacked};
use datasets::pathfinder::{self, PIXELS, SIDE, Settings};
use datasets::{Black, Dataset, Example, Protocol};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use tempfile::TempDir;

const COUNTS: [usize; 3] = [160, 20, 20];

fn drawn(seed: u64, settings: &Settings, counts: [usize; 3]) -> Dataset {
    pathfinder::builtin(seed, settings, counts, Black::Kept).unwrap_or_else(|e| panic!("{e}"))
}

static LRA: LazyLock<Dataset> = LazyLock::new(|| drawn(7, &Settings::LRA, COUNTS));
static SAMPLE: LazyLock<Dataset> = LazyLock::new(|| drawn(7, &Settings::SAMPLE, [1000, 1, 1]));

/// If this test fails, every number measured on generated Pathfinder has lost its meaning.
#[test]
fn the_pictures_of_a_seed_are_pinned() {
    let found = Settings::NAMED.map(|(name, settings)| {
        let dataset = drawn(7, &settings, [20, 3, 3]);
        (name, fingerprint(&dataset, b""))
    });
    let found = found.each_ref().map(|(name, print)| (*name, &print[..16]));
    assert_eq!(found, GOLDEN);
    assert_ne!(drawn(8, &Settings::LRA, COUNTS), *LRA);
}
const GOLDEN: [(&str, &str); 5] = [
    ("lra", "7bbe2727f991f2a1"),
    ("lra-9", "ac5a34bae2c0ee34"),
    ("lra-6", "edecb584493ffcf9"),
    ("sample", "7ea090ddcc316a7d"),
    ("easy", "5e25f3c044d1f4d9"),
];

#[test]
fn the_benchmarks_settings_follow_the_rule_of_its_script() {
    for settings in [Settings::LRA, Settings::LRA_9, Settings::LRA_6] {
        let length = settings.contour_length / 3;
        let found = (settings.distractor_length, settings.distractors);
        assert_eq!(found, (length, 20 / length), "{settings:?}");
    }
}

#[test]
fn the_number_of_threads_changes_nothing_and_a_larger_set_begins_with_a_smaller() {
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        let found = pool.install(|| drawn(7, &Settings::LRA, COUNTS));
        assert_eq!(found, *LRA, "{threads} threads");
    }
    let small = drawn(7, &Settings::LRA, [30, 5, 20]);
    assert_eq!(small.train.examples, LRA.train.examples[..30]);
    assert_eq!(small.dev.examples, LRA.dev.examples[..5]);
    assert_eq!(small.test.examples, LRA.test.examples);
}

#[test]
fn a_few_pictures_are_the_first_ones_and_of_each_class() {
    for each in [1, 8, 20] {
        let few = pathfinder::few(7, &Settings::LRA, each, Black::Kept).unwrap();
        for (few, all) in [(&few.train, &LRA.train), (&few.dev, &LRA.dev)] {
            let count = few.examples.len().min(all.examples.len());
            assert_eq!(few.examples[..count], all.examples[..count]);
        }
        for split in [&few.train, &few.dev, &few.test] {
            assert!(split.examples.len() < 200);
            for label in [0, 1] {
                let of_class = split.examples.iter().filter(|e| e.label == label);
                assert!(of_class.count() >= each);
            }
        }
    }
    let refused = pathfinder::few(7, &Settings::LRA, usize::MAX, Black::Kept);
    assert!(refused.unwrap_err().to_string().contains("pictures"));
}

#[test]
fn a_set_says_what_it_is() {
    assert!(LRA.builtin && LRA.name.contains("not its files"));
    assert_eq!(LRA.classes, ["not connected", "connected"]);
    assert_eq!((LRA.encoding.offset, LRA.encoding.vocabulary), (0, 512));
    assert!(!LRA.encoding.mask_zero);
    let skipped = pathfinder::builtin(7, &Settings::LRA, COUNTS, Black::Skipped).unwrap();
    assert!(skipped.encoding.mask_zero);
    assert_eq!(skipped.train, LRA.train);
    assert!(skipped.notes.join("\n").contains("are no tokens"));
    for example in &LRA.train.examples {
        let pixels = &example.documents[0];
        assert_eq!(pixels.len(), PIXELS);
        assert_eq!(
            (pixels.iter().min(), pixels.iter().max()),
            (Some(&0), Some(&255))
        );
    }
}

#[test]
fn labels_are_even_and_brightness_does_not_tell_them() {
    let examples = &SAMPLE.train.examples;
    let connected = examples.iter().filter(|e| e.label == 1).count();
    // Four standard deviations of a binomial(1000, 1/2).
    assert!(connected.abs_diff(500) <= 63, "{connected} of 1000");
    let ink = |label| {
        let of_class = examples.iter().filter(|e| e.label == label);
        moments(of_class.map(|e| measures(&e.documents[0])[1]))
    };
    let z = (ink(0).mean - ink(1).mean) / ink(0).error().hypot(ink(1).error());
    assert!(z.abs() < 4.0, "{z} standard errors");
}

#[test]
fn settings_without_sense_are_refused() {
    let lra = Settings::LRA;
    type Alter = fn(&mut Settings);
    let cases: [(Alter, [usize; 3], &str); 8] = [
        (|s| s.contour_length = 0, COUNTS, "targets of 0 dashes"),
        (|s| s.contour_length = 17, COUNTS, "targets of 17 dashes"),
        (
            |s| s.distractor_length = 0,
            COUNTS,
            "distractors of 0 dashes",
        ),
        (|s| s.distractors = 101, COUNTS, "101 distractors"),
        (|s| s.target_contrast = f32::NAN, COUNTS, "contrasts"),
        (|s| s.distractor_contrast = 0.0, COUNTS, "contrasts"),
        (|_| {}, [1, 0, 1], "[1, 0, 1] pictures"),
        (|_| {}, [usize::MAX, 1, 1], "pictures"),
    ];
    for (alter, counts, problem) in cases {
        let mut settings = lra;
        alter(&mut settings);
        let refused = pathfinder::builtin(0, &settings, counts, Black::Kept);
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains(problem), "{refused}");
    }
    assert_eq!(Settings::named("easy"), Ok(Settings::EASY));
    assert!(Settings::named("hard").unwrap_err().contains("lra-9"));
    // The extremes end.
    for contour_length in [1, 16] {
        drawn(
            0,
            &Settings {
                contour_length,
                ..lra
            },
            [4, 1, 1],
        );
    }
}

/// What is measured of a picture: pixels that are not black, the sum of grey values, pixels of
/// dashes (64 and brighter, which is all but their faint sides), and those of them in the middle
/// quarter.
fn measures(pixels: &[u8]) -> [f64; 4] {
    let dashes = |place: &usize| pixels[*place] >= 64;
    let middle = |place: &usize| {
        [place / SIDE, place % SIDE]
            .iter()
            .all(|i| (8..24).contains(i))
    };
    [
        pixels.iter().filter(|&&p| p > 0).count() as f64,
        pixels.iter().map(|&p| f64::from(p)).sum(),
        (0..PIXELS).filter(dashes).count() as f64,
        (0..PIXELS).filter(dashes).filter(middle).count() as f64,
    ]
}
const MEASURES: [&str; 4] = ["not black", "ink", "dashes", "dashes in the middle"];

#[derive(Clone, Copy, Debug)]
struct Moments {
    count: f64,
    mean: f64,
    deviation: f64,
}

impl Moments {
    /// Standard error of the mean.
    fn error(self) -> f64 {
        self.deviation / self.count.sqrt()
    }
}

fn moments(values: impl Iterator<Item = f64> + Clone) -> Moments {
    let count = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / count;
    let squares: f64 = values.map(|value| (value - mean).powi(2)).sum();
    Moments {
        count,
        mean,
        deviation: (squares / (count - 1.0)).sqrt(),
    }
}

fn all_moments(examples: &[&Example]) -> [Moments; 4] {
    let measured: Vec<[f64; 4]> = examples.iter().map(|e| measures(&e.documents[0])).collect();
    std::array::from_fn(|i| moments(measured.iter().map(move |m| m[i])))
}

/// Mean and standard deviation of [`measures`] over 100 pictures of the original generator (Linsley
/// et al. 2018, of the settings called `sample`).
///
/// The generator's rule for where distractors can begin was chosen by these very pictures, so that
/// the agreement of the means shows that nothing has changed since, and no more; the spread was not
/// chosen, and does differ.
const ORIGINAL: [(f64, f64); 4] = [
    (342.12, 40.18),
    (15091.38, 1321.85),
    (117.71, 12.08),
    (41.97, 10.12),
];

/// Means of 1,000 pictures: within 5% of the original's, and not further from them than three
/// standard errors of the difference. The farthest is the last, by 4.5% or 1.75 standard errors;
/// the others are within 1.2%.
fn compare(original: [Moments; 4]) {
    let examples: Vec<&Example> = SAMPLE.train.examples.iter().collect();
    for ((name, drawn), original) in MEASURES.iter().zip(all_moments(&examples)).zip(original) {
        let z = (drawn.mean - original.mean) / drawn.error().hypot(original.error());
        println!(
            "{name}: {:.1} +- {:.1}, the original {:.1} +- {:.1}: {z:+.2} standard errors",
            drawn.mean, drawn.deviation, original.mean, original.deviation
        );
        assert!(z.abs() < 3.0, "{name}: {z} standard errors");
        assert!((drawn.mean / original.mean - 1.0).abs() < 0.05, "{name}");
    }
}

#[test]
fn pictures_are_like_those_of_the_original_generator() {
    compare(ORIGINAL.map(|(mean, deviation)| Moments {
        count: 100.0,
        mean,
        deviation,
    }));
}

/// Pictures of the original generator, where they are at hand.
fn original() -> Option<(TempDir, PathBuf)> {
    unpacked("pathfinder32-generated.tar.gz", "pathfinder32-generated")
}

#[test]
fn the_originals_pictures_are_read_and_have_their_known_moments() {
    let Some((_root, path)) = original() else {
        return;
    };
    let dataset = pathfinder::load(&path, Black::Skipped, Protocol::Clean).unwrap();
    let sizes = [&dataset.train, &dataset.dev, &dataset.test].map(|s| s.examples.len());
    assert_eq!(sizes, [80, 10, 10]);
    let splits = [&dataset.train, &dataset.dev, &dataset.test];
    let examples: Vec<&Example> = splits.iter().flat_map(|s| s.examples.iter()).collect();
    assert!(examples.iter().enumerate().all(|(i, e)| e.id == i));
    assert_eq!(examples.iter().filter(|e| e.label == 1).count(), 51);
    let found = all_moments(&examples);
    for (found, (mean, deviation)) in found.iter().zip(ORIGINAL) {
        assert!((found.mean - mean).abs() < 0.01, "{found:?}");
        assert!(
            (found.deviation / deviation - 1.0).abs() < 0.01,
            "{found:?}"
        );
    }
    compare(found);
    // The laws as a whole, not the means only: Kolmogorov and Smirnov's distance of two samples. It
    // exceeds 1.63 (1/100 + 1/1000)^(1/2) = 0.171 once in a hundred times if the laws are the same.
    let made: Vec<&Example> = SAMPLE.train.examples.iter().collect();
    for (i, name) in MEASURES.iter().enumerate() {
        let of = |examples: &[&Example]| -> Vec<f64> {
            let measures = examples.iter().map(|e| measures(&e.documents[0])[i]);
            measures.collect()
        };
        let distance = distance(&of(&examples), &of(&made));
        println!("{name}: distance {distance:.3}");
        assert!(distance < 0.171, "{name}: {distance}");
    }
    // It can fail: pictures of another setting are found out by every measure.
    let easy = drawn(7, &Settings::EASY, [100, 1, 1]);
    let easy: Vec<&Example> = easy.train.examples.iter().collect();
    for (name, (one, other)) in MEASURES.iter().zip(found.iter().zip(all_moments(&easy))) {
        let z = (one.mean - other.mean) / one.error().hypot(other.error());
        assert!(z.abs() > 10.0, "{name}: {z}");
    }
    let report = pathfinder::verify(&path).unwrap();
    println!("{report}");
    let page = report.to_string();
    has(&page, "100 pictures, 51 connected (51.0%), 100 distinct");
    assert_eq!(report.faults, [""; 0], "{page}");
}

/// The largest difference of the shares of two samples that are at most as large as some number.
fn distance(one: &[f64], other: &[f64]) -> f64 {
    let share = |sample: &[f64], x: f64| {
        sample.iter().filter(|&&value| value <= x).count() as f64 / sample.len() as f64
    };
    let all = one.iter().chain(other);
    all.map(|&x| (share(one, x) - share(other, x)).abs())
        .fold(0.0, f64::max)
}

/// A folder of the benchmark's layout: two batches, of 12 and 8 pictures.
fn layout() -> (TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let whole = pathfinder::write(root.path(), 7, &Settings::EASY, [16, 2, 2]).unwrap();
    let lines = fs::read_to_string(whole.join("metadata/0.npy")).unwrap();
    let (mut first, mut tenth) = (String::new(), String::new());
    fs::create_dir(whole.join("imgs/10")).unwrap();
    for (i, line) in lines.lines().enumerate() {
        if i < 12 {
            first += &format!("{line}\n");
        } else {
            let name = format!("sample_{i}.png");
            let from = whole.join("imgs/0").join(&name);
            fs::rename(from, whole.join("imgs/10").join(&name)).unwrap();
            tenth += &format!("{}\n", line.replace("imgs/0", "imgs/10"));
        }
    }
    fs::write(whole.join("metadata/0.npy"), first).unwrap();
    fs::write(whole.join("metadata/10.npy"), tenth).unwrap();
    (root, whole)
}

#[test]
fn what_is_written_is_read_again() {
    let root = tempfile::tempdir().unwrap();
    let counts = [880, 110, 110];
    let whole = pathfinder::write(root.path(), 7, &Settings::EASY, counts).unwrap();
    assert!(whole.ends_with("curv_baseline"));
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    let built = drawn(7, &Settings::EASY, counts);
    // From the folder around it as well.
    for path in [root.path(), &whole] {
        let read = pathfinder::load(path, Black::Kept, Protocol::Clean).unwrap();
        assert!(!read.builtin && read.name.contains("curv_baseline"));
        for (read, built, first) in [
            (&read.train, &built.train, 0),
            (&read.dev, &built.dev, 880),
            (&read.test, &built.test, 990),
        ] {
            assert_eq!(read.examples.len(), built.examples.len());
            for (i, (read, built)) in read.examples.iter().zip(&built.examples).enumerate() {
                assert_eq!((read.id, read.label), (first + i, built.label));
                assert_eq!(read.documents, built.documents);
            }
        }
    }
    let line = fs::read_to_string(whole.join("metadata/1.npy")).unwrap();
    let label = built.test.examples[10].label;
    let wanted = format!("imgs/1 sample_0.png 0 {label} 1.0 6 2 2 0.5 1 1\n");
    assert!(line.starts_with(&wanted), "{line}");
    // Nothing that is there is overwritten.
    let again = pathfinder::write(root.path(), 7, &Settings::EASY, counts);
    has(again.unwrap_err().to_string(), "it is there already");
    let nowhere = pathfinder::write(&root.path().join("none"), 7, &Settings::EASY, [1, 1, 1]);
    has(nowhere.unwrap_err().to_string(), "cannot be written");
}

/// The first 100 lines of the benchmark's own `metadata/0.npy`, under which our pictures are put: its pictures are not
/// at hand.
#[test]
fn the_benchmarks_own_lines_of_metadata_are_read() {
    let Some((_unpacked, path)) = original() else {
        return;
    };
    let lines = fs::read_to_string(path.join("lra-metadata-sample/0.first100.npy")).unwrap();
    let root = tempfile::tempdir().unwrap();
    let whole = pathfinder::write(root.path(), 7, &Settings::EASY, [80, 10, 10]).unwrap();
    let ours = pathfinder::load(&whole, Black::Kept, Protocol::Clean).unwrap();
    fs::write(whole.join("metadata/0.npy"), &lines).unwrap();
    let theirs = pathfinder::load(&whole, Black::Kept, Protocol::Clean).unwrap();
    // The label is the fourth of the words.
    let labels = lines.lines().map(|line| line.split(' ').nth(3).unwrap());
    let labels: Vec<usize> = labels.map(|label| label.parse().unwrap()).collect();
    assert_eq!((labels.len(), labels.iter().sum()), (100, 40));
    let examples = |dataset: &Dataset| -> Vec<Example> {
        let splits = [&dataset.train, &dataset.dev, &dataset.test];
        splits
            .into_iter()
            .flat_map(|s| s.examples.clone())
            .collect()
    };
    let (ours, theirs) = (examples(&ours), examples(&theirs));
    assert_eq!((ours.len(), theirs.len()), (100, 100));
    for ((ours, theirs), label) in ours.iter().zip(&theirs).zip(labels) {
        assert_eq!((theirs.id, theirs.label), (ours.id, label));
        assert_eq!(theirs.documents, ours.documents);
    }
}

fn refusal(path: &Path) -> String {
    match pathfinder::load(path, Black::Kept, Protocol::Clean) {
        Err(error) => {
            let line = error.to_string();
            assert!(!line.contains('\n') && line.contains("; hint: "), "{line}");
            line
        }
        Ok(dataset) => panic!("{} was taken", dataset.name),
    }
}

#[test]
fn batches_come_in_the_order_of_their_numbers_and_empty_files_are_passed_over() {
    let (_root, whole) = layout();
    // 2 comes before 10; other files are not looked at.
    fs::rename(whole.join("metadata/0.npy"), whole.join("metadata/2.npy")).unwrap();
    for left in ["README", "._0.npy", "Thumbs.db", ".DS_Store"] {
        fs::write(whole.join("metadata").join(left), "nothing").unwrap();
    }
    fs::write(whole.join("imgs/0/sample_5.png"), "").unwrap();
    let read = pathfinder::load(&whole, Black::Kept, Protocol::Clean).unwrap();
    assert!(read.notes[0].contains("2 batches, 20 lines; empty files passed over: 1"));
    // 19 pictures: 15, 2 and 2.
    let ids = |split: &datasets::Split| split.examples.iter().map(|e| e.id).collect::<Vec<_>>();
    let train = [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
    assert_eq!(ids(&read.train), train);
    assert_eq!(
        (ids(&read.dev), ids(&read.test)),
        (vec![16, 17], vec![18, 19])
    );
    // Lines may end as on Windows, and begin with a byte order mark.
    let text = fs::read_to_string(whole.join("metadata/2.npy")).unwrap();
    let text = format!("\u{feff}{}\r\n", text.replace('\n', "\r\n"));
    fs::write(whole.join("metadata/2.npy"), text).unwrap();
    assert_eq!(
        pathfinder::load(&whole, Black::Kept, Protocol::Clean).unwrap(),
        read
    );
    let page = pathfinder::verify(&whole).unwrap().to_string();
    for line in [
        "19 pictures",
        "empty files: 1",
        "not as published:",
        "batches: 2, published: 200",
    ] {
        assert!(page.contains(line), "{line:?} is not in\n{page}");
    }
}

#[test]
fn what_is_wrong_with_a_folder_is_said() {
    let root = tempfile::tempdir().unwrap();
    assert!(refusal(&root.path().join("none")).contains("there is no such folder"));
    assert!(refusal(root.path()).contains("there is no folder metadata in it"));
    let inner = root.path().join("pathfinder32");
    fs::create_dir(&inner).unwrap();
    for (i, settings) in [Settings::EASY, Settings::LRA_9].iter().enumerate() {
        let whole = pathfinder::write(&inner, 7, settings, [8, 1, 1]).unwrap();
        let name = whole.file_name().unwrap().to_str().unwrap();
        let refused = refusal(root.path());
        assert!(
            refused.contains("did you mean") && refused.contains(name),
            "{refused}"
        );
        match i {
            0 => assert_eq!(
                pathfinder::load(&inner, Black::Kept, Protocol::Clean)
                    .unwrap()
                    .train
                    .examples
                    .len(),
                8
            ),
            _ => assert!(refusal(&inner).contains("more than one difficulty")),
        }
    }
    let hard = inner.join("curv_contour_length_9");
    assert!(refusal(&hard.join("metadata/0.npy")).contains("a file, not a folder"));
    fs::remove_file(hard.join("metadata/0.npy")).unwrap();
    assert!(refusal(&hard).contains("there is no file of metadata"));
    fs::write(hard.join("metadata/0.npy"), "").unwrap();
    assert!(refusal(&hard).contains("0 pictures cannot be divided"));
}

/// The same pictures would be in train and in test.
#[test]
fn two_files_of_one_number_are_refused() {
    let (_root, whole) = layout();
    let metadata = whole.join("metadata");
    for other in ["00.npy", "+0.npy", "000000000000000000000000000.npy"] {
        fs::copy(metadata.join("0.npy"), metadata.join(other)).unwrap();
        for refused in [
            refusal(&whole),
            pathfinder::verify(&whole).unwrap_err().to_string(),
        ] {
            let both = refused.contains("0.npy\"") && refused.contains(other);
            assert!(both && refused.contains("this is batch 0"), "{refused}");
        }
        fs::remove_file(metadata.join(other)).unwrap();
    }
    assert!(pathfinder::load(&whole, Black::Kept, Protocol::Clean).is_ok());
}

/// Batch 11 names the pictures of batch 10 again, and file 12 has the pixels of file 0 under the other label.
#[test]
fn pictures_named_twice_and_copies_are_said_and_leave_train() {
    let (_root, whole) = layout();
    let metadata = whole.join("metadata");
    fs::copy(metadata.join("10.npy"), metadata.join("11.npy")).unwrap();
    let line = fs::read_to_string(metadata.join("0.npy")).unwrap();
    let label = line.split(' ').nth(3).unwrap();
    let other = if label == "0" { "1" } else { "0" };
    fs::create_dir(whole.join("imgs/12")).unwrap();
    fs::copy(
        whole.join("imgs/0/sample_0.png"),
        whole.join("imgs/12/sample_0.png"),
    )
    .unwrap();
    let line = format!("imgs/12 sample_0.png 0 {other} 1.0 6 2 2 0.5 1 1\n");
    fs::write(metadata.join("12.npy"), line).unwrap();
    // Train has pictures 0 to 22, batch 10 being 12 to 19; dev has copies of 15, 16 and 17, test of 18, 19 and 0.
    let ids = |split: &datasets::Split| split.examples.iter().map(|e| e.id).collect::<Vec<_>>();
    let load = |protocol| pathfinder::load(&whole, Black::Kept, protocol).unwrap();
    let (clean, paper) = (load(Protocol::Clean), load(Protocol::Paper));
    assert_eq!(ids(&paper.train), (0..23).collect::<Vec<_>>());
    assert_eq!(ids(&paper.dev), [23, 24, 25]);
    assert_eq!(ids(&paper.test), [26, 27, 28]);
    let left: Vec<usize> = (1..15).chain([20, 21, 22]).collect();
    assert_eq!(ids(&clean.train), left);
    assert_eq!((&clean.dev, &clean.test), (&paper.dev, &paper.test));
    let page = pathfinder::verify(&whole).unwrap();
    let faults = [
        "lines that name a picture of an earlier line: 8",
        "pictures with both labels: 1",
    ];
    assert_eq!(page.faults, faults);
    for (data, kept) in [(&clean, "all"), (&paper, "none")] {
        let copies = format!("pictures with a copy in a later split: 6 ({kept} removed)");
        assert!(data.notes.contains(&copies), "{:?}", data.notes);
        for fault in faults {
            let note = format!("warning: {fault}");
            assert!(data.notes.contains(&note), "{:?}", data.notes);
        }
    }
    // Nothing is left to learn from.
    let line = format!("imgs/0 sample_0.png 0 {label} 1.0 6 2 2 0.5 1 1\n");
    for other in ["10.npy", "11.npy", "12.npy"] {
        fs::remove_file(metadata.join(other)).unwrap();
    }
    fs::write(metadata.join("0.npy"), line.repeat(10)).unwrap();
    let refused = refusal(&whole);
    has(&refused, "no picture is left for the train split");
    let page = pathfinder::verify(&whole).unwrap();
    assert!(page.faults.contains(&refused), "{page}");
}

#[test]
fn what_is_wrong_with_metadata_is_said_with_its_line() {
    let (_root, whole) = layout();
    let file = whole.join("metadata/0.npy");
    let good = "imgs/0 sample_0.png 0 1 1.0 6 2 2 0.5 1 1\n";
    // The rest of a line is that of the good one where there are dots.
    let out = "line 2 leads out of the folder";
    for (line, problem) in [
        ("imgs/0 sample_1.png 1 1", "line 2 has 4 of 11 words"),
        ("imgs/0", "line 2 has 1 of 11 words"),
        ("imgs/0 sample_1.png 1 2...", "line 2 has the label \"2\""),
        ("imgs/0 a.png 1 1.0...", "line 2 has the label \"1.0\""),
        ("imgs/0 a.png 1 1... 1", "line 2 has 12 of 11 words"),
        ("imgs/0 sample_\0.png 1 1...", "line 2: a NUL at byte 15"),
        ("../0 sample_1.png 1 1...", out),
        ("imgs/../../.. a.png 1 1...", out),
        ("/etc passwd 1 1...", out),
        ("imgs/0 /etc/passwd 1 1...", out),
        ("..\\x a.png 1 1...", out),
        (
            "imgs/0 sample_99.png 1 1...",
            "sample_99.png\": there is no such file; line 2 of metadata/0.npy names it",
        ),
        (
            "\nimgs 0 1 1...",
            "imgs/0\": cannot be read; line 3 of metadata/0.npy names it (this is not a file)",
        ),
    ] {
        let line = line.replace("...", " 1.0 6 2 2 0.5 1 1") + "\n";
        fs::write(&file, format!("{good}{line}")).unwrap();
        let refused = refusal(&whole);
        assert!(refused.contains(problem), "{line:?}: {refused}");
    }
    let long = "x".repeat(1 << 22); // as much as a file may have
    for (bytes, problem) in [
        (
            &b"imgs/0 \xff 0 1 1.0 6 2 2 0.5 1 1\n"[..],
            "line 1 is not UTF-8",
        ),
        (b"\x93NUMPY\x01\0v\0", "a binary numpy array"),
        (
            b"imgs/0\rsample_0.png 0 1 1.0 6 2 2 0.5 1 1\n",
            "line 1: \\r at byte 7, and no line break follows",
        ),
        (long.as_bytes(), "line 1: more than 4096 bytes long"),
        (&[b'\n'; (1 << 22) + 1][..], "it has 4194305 bytes"),
    ] {
        fs::write(&file, bytes).unwrap();
        let refused = refusal(&whole);
        assert!(refused.contains(problem), "{refused}");
    }
}

/// A PNG with other numbers in its header than its pixels have.
fn png(side: u32, colour: png::ColorType, depth: png::BitDepth) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, side, side);
    encoder.set_color(colour);
    encoder.set_depth(depth);
    // The header alone; a writer that is dropped ends the file.
    drop(encoder.write_header().unwrap());
    bytes
}

#[test]
fn what_is_wrong_with_a_picture_is_said() {
    use png::{BitDepth, ColorType};
    let (_root, whole) = layout();
    let file = whole.join("imgs/10/sample_13.png");
    let good = fs::read(&file).unwrap();
    let mut changed = good.clone();
    let middle = good.len() / 2;
    changed[middle] ^= 0x55;
    let magic = [b"\x89PNH", &good[4..]].concat();
    let (side, huge) = (SIDE as u32, (1 << 31) - 1);
    let grey = |side, depth| png(side, ColorType::Grayscale, depth);
    for (bytes, problem) in [
        (good[..middle].to_vec(), "no PNG"),
        (good[..20].to_vec(), "no PNG"),
        (good[..3].to_vec(), "no PNG"),
        (good[..good.len() - 12].to_vec(), "no PNG"),
        (changed, "no PNG"),
        (magic, "no PNG"),
        (b"GIF89a".to_vec(), "no PNG"),
        (vec![0; 1 << 17], "it has 131072 bytes"),
        (grey(side, BitDepth::Eight), "no PNG"),
        (grey(side + 1, BitDepth::Eight), "it has 33 x 33 pixels"),
        (
            grey(huge, BitDepth::Eight),
            "it has 2147483647 x 2147483647 pixels",
        ),
        (
            png(side, ColorType::Rgb, BitDepth::Eight),
            "its pixels are Rgb of 8 bits",
        ),
        (grey(side, BitDepth::Sixteen), "Grayscale of 16 bits"),
        (grey(side, BitDepth::One), "Grayscale of 1 bits"),
    ] {
        fs::write(&file, &bytes).unwrap();
        let refused = refusal(&whole);
        let line = "line 2 of metadata/10.npy names it";
        let named = ["sample_13.png", "a PNG of 32 x 32", line];
        let named = named.iter().all(|word| refused.contains(word));
        assert!(named && refused.contains(problem), "{problem}: {refused}");
    }
    fs::write(&file, good).unwrap();
    assert!(pathfinder::load(&whole, Black::Kept, Protocol::Clean).is_ok());
}

#[test]
fn the_contact_sheet_has_a_row_a_class() {
    let sheet = datasets::image::contact_sheet(&LRA.train, &LRA.classes, 8).unwrap();
    let decoder = png::Decoder::new(std::io::Cursor::new(&sheet));
    let info = decoder.read_info().unwrap().info().size();
    assert_eq!(info, (8 * 98, 2 * 122));
}
