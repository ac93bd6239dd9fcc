//! ListOps as its users see it: what is grown, what is read, and what is refused with which words.

use crate::support::{fingerprint, has, unpacked};
use datasets::listops::{self, Shape};
use datasets::{DataError, Dataset, Protocol};
use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use tempfile::TempDir;

/// The benchmark's limits, 2,000 trees.
const SMALL: Shape = Shape {
    train: 1600,
    dev: 200,
    test: 200,
    ..Shape::LRA
};
static CLEAN: LazyLock<Dataset> = LazyLock::new(|| grown(7, &SMALL, Protocol::Clean));

fn grown(seed: u64, shape: &Shape, protocol: Protocol) -> Dataset {
    listops::builtin(seed, shape, protocol).unwrap_or_else(|e| panic!("{e}"))
}

/// If this test fails, every number measured on generated ListOps has lost its meaning.
#[test]
fn the_trees_of_a_seed_are_pinned() {
    assert_eq!(fingerprint(&CLEAN, b"")[..16], *"364fe07e71cd39cf");
    let paper = grown(7, &SMALL, Protocol::Paper);
    assert_eq!(fingerprint(&paper, b"")[..16], *"8eb09cba4cc7c28b");
    assert_ne!(grown(8, &SMALL, Protocol::Clean), *CLEAN);
}

#[test]
fn the_number_of_threads_changes_nothing() {
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        let found = pool.install(|| grown(7, &SMALL, Protocol::Clean));
        assert_eq!(found, *CLEAN, "{threads} threads");
    }
}

#[test]
fn trees_are_distinct_within_the_limits_and_their_splits_nest_in_the_order_of_candidates() {
    let all = || [&CLEAN.train, &CLEAN.dev, &CLEAN.test].map(|s| s.examples.iter());
    let examples: Vec<_> = all().into_iter().flatten().collect();
    let distinct: HashSet<&[u8]> = examples.iter().map(|e| &*e.documents[0]).collect();
    assert_eq!(distinct.len(), 2000);
    assert!(examples.iter().enumerate().all(|(i, e)| e.id == i));
    assert!(
        examples
            .iter()
            .all(|e| (501..2000).contains(&e.documents[0].len()))
    );
    let sizes = [&CLEAN.train, &CLEAN.dev, &CLEAN.test].map(|s| (s.name, s.examples.len()));
    assert_eq!(sizes, [("train", 1600), ("dev", 200), ("test", 200)]);
    assert!(CLEAN.builtin && CLEAN.name.contains("not its files"));
    // A larger set of the same seed begins with the same trees.
    let longer = Shape {
        train: 1700,
        ..SMALL
    };
    let longer = grown(7, &longer, Protocol::Clean);
    assert_eq!(longer.train.examples[..1600], CLEAN.train.examples[..]);
}

#[test]
fn the_two_tokenisations_differ_by_the_closing_bracket() {
    let paper = grown(7, &SMALL, Protocol::Paper);
    for (with, without) in CLEAN.train.examples.iter().zip(&paper.train.examples) {
        let (_, with) = with.tokens(0, &CLEAN.encoding);
        let (_, without) = without.tokens(0, &paper.encoding);
        assert!(with.iter().all(|id| (1..=15).contains(id)));
        assert_eq!(with.last(), Some(&15), "the root closes last");
        let dropped: Vec<u32> = with.into_iter().filter(|&id| id != 15).collect();
        assert_eq!(dropped, without);
    }
    assert_eq!(CLEAN.encoding.vocabulary, 32);
}

#[test]
fn shorter_trees_can_be_had() {
    let shape = Shape {
        train: 3000,
        dev: 300,
        test: 300,
        min_length: 50,
        max_length: 200,
        ..Shape::LRA
    };
    let short = grown(0, &shape, Protocol::Clean);
    let lengths: Vec<usize> = short
        .train
        .examples
        .iter()
        .map(|e| e.documents[0].len())
        .collect();
    assert_eq!(
        (lengths.iter().min(), lengths.iter().max()),
        (Some(&51), Some(&199))
    );
}

#[test]
fn absurd_shapes_are_refused_in_words() {
    let refused = |shape: Shape, words: &str| match listops::builtin(0, &shape, Protocol::Clean) {
        Err(e) => assert!(e.to_string().contains(words), "{e}"),
        Ok(_) => panic!("{shape:?} was taken"),
    };
    let refused_with = |alter: fn(&mut Shape), words: &str| {
        let mut shape = SMALL;
        alter(&mut shape);
        refused(shape, words);
    };
    refused_with(|s| s.dev = 0, "empty");
    refused_with(|s| s.train = usize::MAX, "4 GiB");
    refused_with(|s| s.train = 1 << 40, "4 GiB");
    refused_with(|s| s.max_depth = 0, "levels");
    refused_with(|s| s.max_depth = 101, "levels");
    refused_with(|s| s.max_args = 1, "arguments");
    let none = "no tree is longer than min_length 500 and shorter than max_length 501";
    refused_with(|s| s.max_length = 501, none);
    let long = "max_length is 65536; expected 32768 words at most";
    refused_with(|s| s.max_length = 1 << 16, long);
    refused_with(|s| s.min_length = usize::MAX, "between");
    let few = Shape {
        min_length: 0,
        max_length: 3,
        ..SMALL
    };
    refused(few, "10 distinct trees");
}

#[test]
fn what_is_written_is_read_back_and_confirmed() {
    let folder = tempfile::tempdir().unwrap();
    let shape = Shape {
        train: 60,
        dev: 20,
        test: 20,
        ..Shape::LRA
    };
    listops::write(folder.path(), 3, &shape).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    for protocol in [Protocol::Clean, Protocol::Paper] {
        let read = listops::load(folder.path(), listops::MAX_LEN, protocol).unwrap();
        let made = grown(3, &shape, protocol);
        assert_eq!(read.train, made.train);
        assert_eq!(read.dev, made.dev);
        assert_eq!(read.test, made.test);
        assert!(!read.builtin);
        has(
            &read.notes[0],
            "basic_train.tsv: 60 of 60 Targets confirmed",
        );
    }
    // With LF the same.
    let file = folder.path().join("basic_test.tsv");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("Source\tTarget\r\n( "));
    let before = listops::verify(&file).unwrap();
    fs::write(&file, text.replace("\r\n", "\n")).unwrap();
    assert_eq!(listops::verify(&file).unwrap(), before);
    assert_eq!(
        before.facts[0],
        "basic_test.tsv: 20 of 20 Targets confirmed"
    );
    let missing = listops::write(&folder.path().join("none"), 3, &shape).unwrap_err();
    assert!(missing.to_string().contains("cannot be written"));
}

/// Blanks and line ends make no other expression, and neither does what is cut off.
#[test]
fn an_expression_is_the_same_however_it_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    for (name, lines) in [
        (
            "train",
            "(  ( ( [MAX 2 )  9 ) ] )\t9\n( ( ( [MAX 2 ) 8 ) ] )\t8\n( ( ( [MIN 2 ) 9 ) ] )\t2\n",
        ),
        ("val", "( ( ( [MIN 2 ) 9  ) ] )\t2\r\n7\t7\r\n"),
        ("test", "( ( ( [MAX 2 ) 9 ) ] )\t9\n"),
    ] {
        let file = folder.path().join(format!("basic_{name}.tsv"));
        fs::write(file, format!("Source\tTarget\n{lines}")).unwrap();
    }
    let data = listops::load(folder.path(), 1, Protocol::Clean).unwrap();
    let ids: Vec<usize> = data.train.examples.iter().map(|e| e.id).collect();
    assert_eq!((ids, data.dev.examples.len()), (vec![1], 2));
}

#[test]
fn a_single_file_is_divided_and_copies_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let shape = Shape {
        train: 200,
        dev: 1,
        test: 1,
        min_length: 10,
        max_length: 100,
        ..Shape::LRA
    };
    listops::write(folder.path(), 3, &shape).unwrap();
    let file = folder.path().join("basic_train.tsv");
    let whole = listops::load(&file, listops::MAX_LEN, Protocol::Clean).unwrap();
    let sizes = [&whole.train, &whole.dev, &whole.test].map(|s| s.examples.len());
    assert_eq!(sizes.iter().sum::<usize>(), 200);
    // Four standard deviations of a binomial(200, 1/10) are 17.
    assert!(sizes[1].abs_diff(20) <= 17 && sizes[2].abs_diff(20) <= 17);
    // The whole train file as test file: everything is in both.
    fs::copy(&file, folder.path().join("basic_test.tsv")).unwrap();
    let paper = listops::load(folder.path(), listops::MAX_LEN, Protocol::Paper).unwrap();
    assert_eq!(paper.train.examples.len(), 200);
    assert!(
        paper
            .notes
            .iter()
            .any(|n| n.contains("200 also in a later split (none removed)"))
    );
    let clean = listops::load(folder.path(), listops::MAX_LEN, Protocol::Clean).unwrap_err();
    has(
        clean.to_string(),
        "no expression is left for the train split",
    );
    // Cut at 20 words.
    let cut = listops::load(&file, 20, Protocol::Clean).unwrap();
    assert!(
        cut.train
            .examples
            .iter()
            .all(|e| e.documents[0].len() <= 20)
    );
    assert!(listops::load(&file, 0, Protocol::Clean).is_err());
}

#[test]
fn a_wrong_target_is_told_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("some.tsv");
    let text = "Source\tTarget\n( ( ( [MED 2 ) 1 ) ] )\t1\n( ( ( [MED 2 ) 1 ) ] )\t2\n7\t7\n7\t0\n";
    fs::write(&file, text).unwrap();
    let found = listops::verify(&file).unwrap();
    let faults = [
        "some.tsv, line 3: the Target is 2, the value of the expression 1",
        "some.tsv, line 5: the Target is 0, the value of the expression 7",
    ];
    assert_eq!(found.faults, faults);
    assert_eq!(
        found.facts[0],
        "some.tsv: 2 of 4 Targets confirmed; wrong: line 3 (expected 1, got 2), line 5 (expected 7, got 0)"
    );
}

#[test]
fn a_byte_order_mark_and_empty_lines_at_the_end_are_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("basic_train.tsv");
    let plain = "Source\tTarget\r\n7\t7\r\n8\t0\r\n";
    fs::write(&file, plain).unwrap();
    let found = listops::verify(&file).unwrap();
    assert!(found.facts[0].contains(": 1 of 2 Targets confirmed"));
    // More than are read at once.
    for end in ["\r\n", "\n\r\n", &"\n".repeat(1 << 15)] {
        fs::write(&file, format!("\u{feff}{plain}{end}")).unwrap();
        assert_eq!(listops::verify(&file).unwrap(), found);
    }
}

fn malformed(bytes: &[u8]) -> (TempDir, DataError) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("basic_train.tsv");
    fs::write(&file, bytes).unwrap();
    let error =
        listops::verify(&file).expect_err(&bytes[..bytes.len().min(80)].escape_ascii().to_string());
    assert_eq!(error.path, file);
    let line = error.to_string();
    assert!(!line.contains('\n') && line.len() < 600, "{line}");
    assert!(listops::load(&file, 2000, Protocol::Clean).is_err());
    (folder, error)
}

#[test]
fn malformed_files_are_refused_with_file_and_line() {
    let good = "( ( ( [MAX 2 ) 9 ) ] )";
    let after = |rest: &str| format!("Source\tTarget\n{good}\t9\n{rest}");
    let whole = [
        (String::new(), "the file is empty"),
        (format!("{good}\t9\n"), "line 1: the header is"),
        ("\n".into(), "the file is empty"),
        ("\n7\t7\n".into(), "line 1: the line is empty"),
        (
            format!("\"Source\"\t\"Target\"\n{good}\t9\n"),
            "line 1: the header is",
        ),
        (
            format!("Source\tTarget{}", " ".repeat(1 << 24)),
            "line 1: more than 262144 bytes long",
        ),
    ];
    // What follows a good line, and what is said of line 3.
    let lines = [
        ("\"GOOD\"\t9\n", "byte 1: no word: \"\"(\""),
        ("7\t\"7\"\n", "the Target is \"\"7\"\", not a digit"),
        ("GOOD", "columns: 1, not 2"),
        ("\r\n\n7\t7\n", "the line is empty"),
        ("\nx", "the line is empty"),
        ("GOOD\t9\t1\n", "columns: 3, not 2"),
        ("GOOD\t10\n", "the Target is \"10\", not a digit"),
        ("GOOD\t\n", "the Target is \"\", not a digit"),
        (
            "( ( ( [MAX 2 ) 9 ) ]\t9\n",
            "byte 20: the expression ends with parentheses open: 1",
        ),
        (
            "( ( ( [MAX 2 ) 9 ) ] ) )\t9\n",
            "byte 24: this parenthesis does not close",
        ),
        ("( ( ( [MAX 2 ) x ) ] )\t9\n", "byte 16: no word: \"x\""),
        ("( ( ( [MAX 2 ) \0 ) ] )\t9\n", "a NUL at byte 16"),
        ("\t9\n", "byte 1: there is no expression"),
        ("( ( ( [MA", "columns: 1, not 2"),
        (
            &format!("{}\t9\n", "( ".repeat(1 << 18)),
            "more than 262144 bytes long",
        ),
        (
            &format!("{}\t9\n", "( ".repeat(1 << 16)),
            "byte 131072: the expression ends with parentheses open: 65536",
        ),
    ];
    let lines = lines.map(|(rest, words)| {
        (
            after(&rest.replace("GOOD", good)),
            format!("line 3: {words}"),
        )
    });
    let whole = whole.map(|(text, words)| (text, words.to_string()));
    for (text, words) in whole.into_iter().chain(lines) {
        let (_folder, error) = malformed(text.as_bytes());
        let line = error.to_string();
        assert!(line.contains(&words), "{words:?} is not in {line}");
    }
    let folder = tempfile::tempdir().unwrap();
    let told = |path: &Path| {
        listops::load(path, 2000, Protocol::Clean)
            .unwrap_err()
            .to_string()
    };
    assert!(told(folder.path()).contains("basic_train.tsv\": there is no such file"));
    assert!(told(&folder.path().join("none.tsv")).contains("there is no such file"));
    fs::create_dir_all(folder.path().join("listops-1000")).unwrap();
    assert!(told(folder.path()).contains("did you mean"));
}

// 8,000 trees beside 1,500 that the benchmark's own program has made.

/// What is compared.
#[derive(Default)]
struct Frequencies {
    lengths: Vec<f64>,
    /// Of each tree, the mean level of its operators.
    levels: Vec<f64>,
    depths: HashMap<usize, f64>,
    labels: HashMap<usize, f64>,
    operators: HashMap<usize, f64>,
    digits: HashMap<usize, f64>,
    arguments: HashMap<usize, f64>,
}

impl Frequencies {
    fn of(datasets: &[Dataset]) -> Self {
        let mut found = Frequencies::default();
        let splits = datasets.iter().flat_map(|d| [&d.train, &d.dev, &d.test]);
        for example in splits.flat_map(|split| &split.examples) {
            let codes = &example.documents[0];
            found.lengths.push(codes.len() as f64);
            *found.labels.entry(example.label).or_default() += 1.0;
            let (mut open, mut deepest) = (vec![0], 0);
            let (mut operators, mut levels) = (0, 0);
            for &code in codes {
                if code == 14 {
                    let arguments = open.pop().unwrap();
                    *found.arguments.entry(arguments).or_default() += 1.0;
                    continue;
                }
                *open.last_mut().unwrap() += 1;
                if code < 4 {
                    *found.operators.entry(usize::from(code)).or_default() += 1.0;
                    open.push(0);
                    deepest = deepest.max(open.len() - 1);
                    operators += 1;
                    levels += open.len() - 1;
                } else {
                    *found.digits.entry(usize::from(code)).or_default() += 1.0;
                }
            }
            found.levels.push(levels as f64 / f64::from(operators));
            *found.depths.entry(deepest).or_default() += 1.0;
        }
        found
    }

    fn tables(&self) -> [(&'static str, HashMap<usize, f64>); 4] {
        [
            ("label", self.labels.clone()),
            ("operator", self.operators.clone()),
            ("digit", self.digits.clone()),
            ("arguments", self.arguments.clone()),
        ]
    }
}

/// The mean and the standard deviation.
fn moments(row: &[f64]) -> (f64, f64) {
    let n = row.len() as f64;
    let mean = row.iter().sum::<f64>() / n;
    let squares: f64 = row.iter().map(|x| (x - mean).powi(2)).sum();
    (mean, (squares / (n - 1.0)).sqrt())
}

/// What is known of the benchmark's trees where their files are not at hand.
struct Sample {
    trees: f64,
    /// Mean and standard deviation.
    length: (f64, f64),
    /// The same of the mean level of a tree's operators.
    level: (f64, f64),
    /// How many trees have the value 0, 1 and so on.
    labels: [u32; 10],
    /// MIN, MAX, MED, SM.
    operators: [u32; 4],
    /// 0, 1 and so on.
    digits: [u32; 10],
    /// Operators of 2, 3 and so on arguments.
    arguments: [u32; 9],
}

/// Of `listops.py` of the Long Range Arena with its defaults, 1,000 and 500 trees of two seeds. Every one of them is 9
/// operators deep.
const BENCHMARK: Sample = Sample {
    trees: 1500.0,
    length: (1038.438, 391.250),
    level: (7.316555, 0.251443),
    labels: [231, 139, 118, 134, 127, 139, 115, 117, 114, 266],
    operators: [55201, 55718, 55388, 55320],
    digits: [
        111859, 111234, 111455, 111757, 111730, 111327, 111140, 111310, 111295, 111296,
    ],
    arguments: [
        24461, 24168, 24433, 24547, 24890, 24601, 24647, 24886, 24994,
    ],
};

impl Sample {
    /// As [`Frequencies::tables`].
    fn tables(&self) -> [HashMap<usize, f64>; 4] {
        let table = |first: usize, counts: &[u32]| -> HashMap<usize, f64> {
            (first..)
                .zip(counts.iter().map(|&n| f64::from(n)))
                .collect()
        };
        [
            table(0, &self.labels),
            table(0, &self.operators),
            table(4, &self.digits),
            table(2, &self.arguments),
        ]
    }
}

const OURS: Shape = Shape {
    train: 7000,
    dev: 500,
    test: 500,
    ..Shape::LRA
};
static GROWN: LazyLock<Frequencies> =
    LazyLock::new(|| Frequencies::of(&[grown(1, &OURS, Protocol::Clean)]));

/// Two-sample chi-squared over the cells with at least 10 counts in all, the rest pooled: (statistic, degrees of
/// freedom).
fn chi_squared(a: &HashMap<usize, f64>, b: &HashMap<usize, f64>) -> (f64, f64) {
    let keys: HashSet<usize> = a.keys().chain(b.keys()).copied().collect();
    let get = |m: &HashMap<usize, f64>, k| m.get(&k).copied().unwrap_or(0.0);
    let mut cells = Vec::new();
    let mut rest = (0.0, 0.0);
    for key in keys {
        let cell = (get(a, key), get(b, key));
        if cell.0 + cell.1 < 10.0 {
            rest = (rest.0 + cell.0, rest.1 + cell.1);
        } else {
            cells.push(cell);
        }
    }
    if rest.0 + rest.1 > 0.0 {
        cells.push(rest);
    }
    let (m, n): (f64, f64) = (a.values().sum(), b.values().sum());
    let statistic = cells
        .iter()
        .map(|(x, y)| (x * (n / m).sqrt() - y * (m / n).sqrt()).powi(2) / (x + y))
        .sum();
    (statistic, cells.len() as f64 - 1.0)
}

/// Two-sample Kolmogorov-Smirnov: the statistic times sqrt(mn/(m+n)), whose 0.1% point is 1.95.
fn kolmogorov(a: &[f64], b: &[f64]) -> f64 {
    let (mut a, mut b) = (a.to_vec(), b.to_vec());
    a.sort_unstable_by(f64::total_cmp);
    b.sort_unstable_by(f64::total_cmp);
    let (m, n) = (a.len() as f64, b.len() as f64);
    let below = |row: &[f64], x: f64| row.partition_point(|&v| v <= x) as f64;
    let gap = a
        .iter()
        .chain(&b)
        .map(|&x| (below(&a, x) / m - below(&b, x) / n).abs());
    gap.fold(0.0, f64::max) * (m * n / (m + n)).sqrt()
}

#[test]
fn generated_trees_have_the_frequencies_of_the_benchmarks_program() {
    for (name, ours, (mean, deviation)) in [
        ("length", moments(&GROWN.lengths), BENCHMARK.length),
        (
            "mean level of operators",
            moments(&GROWN.levels),
            BENCHMARK.level,
        ),
    ] {
        let n = GROWN.lengths.len() as f64;
        let error = |ours: f64, theirs: f64| {
            let variances = ours.powi(2) / n + theirs.powi(2) / BENCHMARK.trees;
            variances.sqrt()
        };
        let z = (ours.0 - mean) / error(ours.1, deviation);
        // The error of a normal law's deviation is that of its mean by the root of 2. 3.29 is the 0.1% point, both
        // sides.
        let spread = (ours.1 - deviation) / error(ours.1, deviation) * 2f64.sqrt();
        println!(
            "{name}: {:.3} +- {:.3} and {mean:.3} +- {deviation:.3}: z = {z:+.2}, {spread:+.2}",
            ours.0, ours.1
        );
        assert!(z.abs() < 3.29 && spread.abs() < 3.29, "{name}");
    }
    // Trees of this length reach the last level but one: deeper than nine operators they cannot be.
    assert!(GROWN.depths.keys().all(|&depth| (8..=9).contains(&depth)));
    let share = GROWN.depths[&9] / GROWN.lengths.len() as f64;
    println!("share of depth 9: {share:.4}");
    assert!(share > 0.999);
    for ((name, ours), theirs) in GROWN.tables().iter().zip(BENCHMARK.tables()) {
        let (statistic, freedom) = chi_squared(ours, &theirs);
        // Wilson and Hilferty: the cube root of chi-squared / k is nearly normal. 3.09 is the 0.1% point.
        let v = 2.0 / (9.0 * freedom);
        let z = ((statistic / freedom).cbrt() - (1.0 - v)) / v.sqrt();
        println!(
            "{name}: chi-squared {statistic:.1} with {freedom} degrees of freedom, z = {z:.2}"
        );
        assert!(z < 3.09, "{name}");
    }
    // The tests can fail: trees of nine arguments at most are told apart.
    let fewer = Shape {
        max_args: 9,
        ..OURS
    };
    let fewer = Frequencies::of(&[grown(1, &fewer, Protocol::Clean)]);
    let [.., theirs] = BENCHMARK.tables();
    assert!(chi_squared(&fewer.arguments, &theirs).0 > 1000.0);
    let error = BENCHMARK.length.1 / BENCHMARK.trees.sqrt();
    let z = (moments(&fewer.lengths).0 - BENCHMARK.length.0) / error;
    assert!(z < -10.0, "{z}");
}

/// The constants are those of the files, and what takes the files themselves: the laws of length and level as a whole.
#[test]
fn generated_trees_have_the_distributions_of_the_benchmarks_program() {
    let Some((_folder, files)) = sample() else {
        return;
    };
    let theirs: Vec<Dataset> = files
        .iter()
        .map(|file| {
            let found = listops::verify(file).unwrap();
            println!("{found}");
            assert_eq!(found.faults, [""; 0]);
            listops::load(file, listops::MAX_LEN, Protocol::Clean).unwrap()
        })
        .collect();
    let theirs = Frequencies::of(&theirs);
    assert_eq!(theirs.lengths.len() as f64, BENCHMARK.trees);
    assert_eq!(theirs.depths, HashMap::from([(9, BENCHMARK.trees)]));
    assert_eq!(theirs.tables().map(|(_, table)| table), BENCHMARK.tables());
    for (name, ours, theirs, known) in [
        ("length", &GROWN.lengths, &theirs.lengths, BENCHMARK.length),
        (
            "mean level of operators",
            &GROWN.levels,
            &theirs.levels,
            BENCHMARK.level,
        ),
    ] {
        let found = moments(theirs);
        let same = |found: f64, known: f64| (found / known - 1.0).abs() < 1e-5;
        assert!(
            same(found.0, known.0) && same(found.1, known.1),
            "{found:?}"
        );
        let statistic = kolmogorov(ours, theirs);
        println!("{name}: Kolmogorov-Smirnov {statistic:.3}");
        assert!(statistic < 1.95, "{name}");
    }
}

/// The unpacked sample: `basic_test.tsv` and `basic_val.tsv`.
fn sample() -> Option<(TempDir, [PathBuf; 2])> {
    let (folder, inner) = unpacked("listops-generated-sample.tar.gz", "listops-generated")?;
    let files = ["basic_test.tsv", "basic_val.tsv"].map(|file| inner.join(file));
    Some((folder, files))
}
