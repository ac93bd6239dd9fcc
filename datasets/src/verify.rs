//! One page about files on disk: what is in them, and whether it is what was published.
//!
//! Every function here reads a set as its loader does, so that a file that the loader cannot read is the same
//! [`DataError`], and counts what the loader does not look at. A set may be in perfect form and still not be the
//! published one: that is said line by line under "not as published", and is no error. What contradicts itself, such as
//! a Target that is not the value of its expression, is said under "wrong", and so is, in the loader's words, what
//! leaves one of the splits of [`Protocol::Clean`] without an example. All of it comes out of the loader's own code: it
//! refuses the latter, and says the former in its notes. Parts of ListOps are verified as well ([`listops()`]). Called
//! by `skein data verify`, and by whoever wants to know before training.

use crate::protocol::{Digest, Source, copies, digest, divide, half_report, in_both, text_digest};
use crate::{DataError, Protocol, dataset, image, listops, pathfinder, retrieval, shown, text};
use md5::{Digest as _, Md5};
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// What was found. It prints as one page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What was read.
    pub title: String,
    /// What is in it, a line each.
    pub facts: Vec<String>,
    /// What differs from the published set, a line each; empty for the published one.
    pub differences: Vec<String>,
    /// What contradicts itself or cannot be divided into splits, a line each, whoever has made it.
    pub faults: Vec<String>,
    /// Whether checksums of the files are published, and were compared; if not, counts were.
    pub checksums: bool,
}

impl Report {
    /// Whether it is the published set, as far as counts and checksums tell.
    pub fn as_published(&self) -> bool {
        self.differences.is_empty() && self.faults.is_empty()
    }

    /// About a set of this name, which `skein data make` may have made.
    fn new((title, made): (String, bool)) -> Self {
        let made = made.then(|| "made by data make".to_string());
        Report {
            title,
            facts: vec![],
            differences: made.into_iter().collect(),
            faults: vec![],
            checksums: false,
        }
    }

    /// Notes what the loader refuses, in its words.
    fn refused(&mut self, checked: Result<(), DataError>) {
        self.faults
            .extend(checked.err().map(|error| error.to_string()));
    }

    fn fact(&mut self, line: impl Into<String>) {
        self.facts.push(line.into());
    }

    /// Notes a difference if `found` is not `published`.
    fn compare<V: PartialEq + fmt::Display>(&mut self, what: &str, found: V, published: V) {
        if found != published {
            let line = format!("{what}: {found}, published: {published}");
            self.differences.push(line);
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.title)?;
        for fact in &self.facts {
            writeln!(f, "  {fact}")?;
        }
        if self.as_published() {
            let how_far = if self.checksums {
                ""
            } else {
                ", as far as counts tell"
            };
            return writeln!(f, "as published: yes{how_far}");
        }
        for (heading, lines) in [
            ("wrong:", &self.faults),
            ("not as published:", &self.differences),
        ] {
            if !lines.is_empty() {
                writeln!(f, "{heading}")?;
            }
            for line in lines {
                writeln!(f, "  {line}")?;
            }
        }
        Ok(())
    }
}

/// Counts of bytes that tell an encoding.
#[derive(Default)]
struct Encodings {
    texts: usize,
    ascii: usize,
    utf8: usize,
    /// Texts with U+FFFD, the trace of an earlier wrong decoding.
    replaced: usize,
    empty: usize,
    nul: usize,
}

impl Encodings {
    fn add(&mut self, text: &[u8]) {
        self.texts += 1;
        self.ascii += usize::from(text.is_ascii());
        self.empty += usize::from(text.is_empty());
        self.nul += usize::from(text.contains(&0));
        if let Ok(text) = std::str::from_utf8(text) {
            self.utf8 += 1;
            self.replaced += usize::from(text.contains('\u{fffd}'));
        }
    }
}

impl fmt::Display for Encodings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} texts: {} ASCII, {} more UTF-8, {} neither; {} hold U+FFFD, {} hold NUL, {} are empty",
            self.texts,
            self.ascii,
            self.utf8 - self.ascii,
            self.texts - self.utf8,
            self.replaced,
            self.nul,
            self.empty
        )
    }
}

/// The folder of the IMDb reviews (see [`text::load`]).
pub fn text(path: &Path) -> Result<Report, DataError> {
    let mut halves: [Vec<Source>; 2] = Default::default();
    let mut encodings: [Encodings; 2] = Default::default();
    let mut seen: [HashSet<Digest>; 2] = Default::default();
    let mut labels = [[0usize; 2]; 2];
    text::texts(path, &mut |half, label, text| {
        let digest = text_digest(text);
        encodings[half].add(text);
        seen[half].insert(digest);
        labels[half][label] += 1;
        // No byte is kept: all that is told of a text from here on is its digest and its length.
        let id = halves[half].len();
        halves[half].push(Source::new(id, label, text, digest, 0));
    })?;
    let classes = text::classes();
    let mut report = Report::new(text::name(path));
    let found = [("train", 24_904), ("test", 24_801)];
    for ((name, _), sources) in found.iter().zip(&halves) {
        report.fact(half_report(name, sources, &classes, None));
    }
    report.fact(in_both(&halves[0], &seen[1]).1);
    for (half, (name, distinct)) in found.into_iter().enumerate() {
        report.fact(format!("{name}: {}", encodings[half]));
        let name = |what: &str| format!("{name} {what}");
        report.compare(&name("texts"), halves[half].len(), 25_000);
        for (class, of_class) in classes.iter().zip(labels[half]) {
            report.compare(&name(&format!("texts of class {class}")), of_class, 12_500);
        }
        report.compare(&name("distinct texts"), seen[half].len(), distinct);
    }
    let both = seen[0].intersection(&seen[1]).count();
    report.compare("texts in both halves", both, 123);
    let [train, test] = halves;
    let division = divide(train, test, &classes, text::MAX_LEN, Protocol::Clean);
    report.refused(text::refuse_empty(path, &division));
    Ok(report)
}

/// MD5 of the six files of CIFAR-10, as public loaders have them.
const CIFAR_MD5: [&str; 6] = [
    "5dd7e06a14cb22eb9f671a540d1b7c25",
    "5ea93a67294ea407fff1d09f752e9692",
    "942cd6a4bcdd0dd3c604fbe906cb4421",
    "ae636b3ba5c66a11e91e8cb52e771fcb",
    "53f37980c15c3d472c316c40844f3f0d",
    "803d5f7f4d78ea53de84dbe85f74fb6d",
];

/// The folder or the archive of CIFAR-10 (see [`image::load`]).
pub fn image(path: &Path) -> Result<Report, DataError> {
    let mut report = Report::new(dataset::name("CIFAR-10", path));
    report.checksums = true;
    let mut sums: [Md5; 6] = Default::default();
    let mut labels = [[0usize; 10]; 6];
    let (mut colour, mut grey) = (HashSet::<Digest>::new(), HashSet::<Digest>::new());
    let (mut planes, mut black, mut pictures) = ([0u64; 3], 0, 0usize);
    image::records(path, &mut |file, record| {
        sums[file].update(record);
        labels[file][usize::from(record[0])] += 1;
        colour.insert(digest(&record[1..]));
        let pixels = image::grey(&record[1..]);
        black += pixels.iter().filter(|&&pixel| pixel == 0).count();
        grey.insert(digest(&pixels));
        for (sum, plane) in planes
            .iter_mut()
            .zip(record[1..].chunks_exact(image::PIXELS))
        {
            *sum += plane.iter().map(|&value| u64::from(value)).sum::<u64>();
        }
        pictures += 1;
    })?;
    for (((name, sum), labels), published) in
        image::FILES.iter().zip(sums).zip(labels).zip(CIFAR_MD5)
    {
        let sum: String = sum.finalize().iter().map(|b| format!("{b:02x}")).collect();
        report.fact(format!("{name}: md5 {sum}; of each class {labels:?}"));
        report.compare(&format!("md5 of {name}"), sum.as_str(), published);
    }
    let mean = |sum: u64| sum as f64 / (255 * image::PIXELS * pictures.max(1)) as f64;
    let [r, g, b] = planes.map(mean);
    report.fact(format!("mean of R, G, B over all: {r:.5} {g:.5} {b:.5}"));
    report.fact(format!(
        "{pictures} pictures: {} distinct in colour, {} in grey",
        colour.len(),
        grey.len()
    ));
    let share = 100.0 * black as f64 / (image::PIXELS * pictures.max(1)) as f64;
    report.fact(format!("black pixels, in grey: {share:.2}%"));
    report.compare("distinct pictures", colour.len(), 60_000);
    Ok(report)
}

/// Said of sets whose files nobody has published the checksums of.
const COUNTS_ONLY: &str =
    "no checksums of these files are published: nothing but counts is compared with them";

/// The folder of the ListOps files, whole or in part, or one of them (see [`listops::load`]).
///
/// The value of every expression is computed anew; a Target that is another is a fault, with its line. Counts are
/// compared with those of the Long Range Arena's own files. A folder without the file of train, and a single file that
/// is too small to be divided, are parts of a set: what the loader says of them is a difference, no fault.
pub fn listops(path: &Path) -> Result<Report, DataError> {
    let mut report = Report::new(dataset::name("ListOps", path));
    let whole = path.is_dir();
    // What is there and cannot be reached is read like the others, and that says why not.
    let missing = |file: &Path| {
        let found = file.symlink_metadata();
        found.is_err_and(|e| e.kind() == io::ErrorKind::NotFound)
    };
    let here: Vec<(PathBuf, Option<usize>)> = match whole {
        false => {
            let known = |file| Path::new(file) == Path::new(path.file_name().unwrap_or_default());
            vec![(
                path.to_path_buf(),
                listops::FILES.into_iter().position(known),
            )]
        }
        true => {
            let all = (0..)
                .zip(listops::FILES)
                .map(|(i, f)| (path.join(f), Some(i)));
            all.filter(|(file, _)| !missing(file)).collect()
        }
    };
    if here.is_empty() {
        // The loader says what is missing, and where it may be.
        listops::load(path, listops::MAX_LEN, Protocol::Paper)?;
    }
    let published = [96_000, 2_000, 2_000];
    let mut earlier: Vec<(String, HashSet<Digest>)> = vec![];
    // As the loader divides them.
    let mut splits: [Vec<Digest>; 3] = Default::default();
    for (file, place) in &here {
        let name = shown::name(file.file_name().unwrap_or_default());
        let (mut labels, mut words, mut longest) = ([0usize; 10], 0, 0);
        let mut shortest = usize::MAX;
        let mut distinct = HashSet::new();
        let found = listops::expressions(file, &mut |codes, target| {
            labels[usize::from(target)] += 1;
            words += codes.len();
            longest = longest.max(codes.len());
            shortest = shortest.min(codes.len());
            let digest = digest(codes);
            distinct.insert(digest);
            let split = match *place {
                Some(place) if whole => place,
                _ => listops::place(&digest),
            };
            splits[split].push(digest);
        })?;
        report.fact(found.to_string());
        report.fact(format!(
            "  {} distinct; words: mean {}, {} to {longest}; Targets 0..9: {labels:?}",
            distinct.len(),
            words / found.expressions.max(1),
            shortest.min(longest)
        ));
        for (before, seen) in &earlier {
            let both = distinct.intersection(seen).count();
            report.fact(format!("  in common with {before}: {both}"));
        }
        for wrong in &found.mismatches {
            report.faults.push(format!(
                "{name}, line {}: the Target is {}, the value of the expression {}",
                wrong.line, wrong.got, wrong.expected
            ));
        }
        let more = found.wrong - found.mismatches.len();
        if more > 0 {
            report
                .faults
                .push(format!("{name}: {more} more such lines"));
        }
        if let Some(place) = *place {
            let what = format!("expressions in {name}");
            report.compare(&what, found.expressions, published[place]);
        } else {
            report
                .differences
                .push(format!("{name} is none of the published files"));
        }
        earlier.push((name, distinct));
    }
    for (file, count) in listops::FILES.iter().zip(published) {
        if !earlier.iter().any(|(name, _)| name == file) {
            report.compare(&format!("expressions in {file}"), 0, count);
        }
    }
    let empty = splits.iter().all(Vec::is_empty);
    copies(&mut splits, |digest| *digest, Protocol::Clean);
    for (place, split) in ["train", "dev", "test"].into_iter().enumerate() {
        let file = path.join(listops::FILES[place]);
        let absent = whole && missing(&file);
        let refused = if absent {
            listops::expressions(&file, &mut |_, _| ()).map(drop)
        } else if splits[place].is_empty() {
            Err(listops::none_left(path, split))
        } else {
            Ok(())
        };
        let part = match whole {
            true => absent && place == 0,
            false => !empty,
        };
        match (refused, part) {
            (Err(error), true) => report.differences.push(error.to_string()),
            (refused, _) => report.refused(refused),
        }
    }
    report.fact(COUNTS_ONLY);
    Ok(report)
}

/// The folder of the Retrieval pairs (see [`retrieval::load`]).
///
/// Counts are compared with those of the Long Range Arena's own files.
pub fn retrieval(path: &Path) -> Result<Report, DataError> {
    retrieval::check_folder(path)?;
    let mut report = Report::new(dataset::name("pairs of papers", path));
    struct Earlier {
        file: &'static str,
        pairs: HashSet<retrieval::Key>,
        documents: HashSet<Digest>,
    }
    let mut earlier: Vec<Earlier> = vec![];
    // By the digest of the id. The same id with another text is a mistake of whoever made the pairs.
    let mut texts_of: HashMap<Digest, Digest> = HashMap::new();
    let mut two_texts: HashSet<Digest> = HashSet::new();
    for (file, published) in retrieval::FILES.iter().zip([147_086, 18_090, 17_437]) {
        let mut encodings = Encodings::default();
        let (mut labels, mut literals, mut longest, mut over) = ([0usize; 2], 0, 0, 0);
        let mut pairs: HashMap<retrieval::Key, usize> = HashMap::new();
        let mut contradictory = HashSet::new();
        let mut documents = HashSet::new();
        retrieval::rows(&path.join(file), &mut |row| {
            labels[row.label] += 1;
            literals += row.literals;
            let digests = row.texts.each_ref().map(|text| text_digest(text));
            let key = retrieval::key(digests);
            if *pairs.entry(key).or_insert(row.label) != row.label {
                contradictory.insert(key);
            }
            let ids = row.ids.map(|id| digest(id.as_bytes()));
            for ((text, digest), id) in row.texts.iter().zip(digests).zip(ids) {
                encodings.add(text);
                longest = longest.max(text.len());
                over += usize::from(text.len() > retrieval::MAX_LEN);
                documents.insert(digest);
                if *texts_of.entry(id).or_insert(digest) != digest {
                    two_texts.insert(id);
                }
            }
        })?;
        let rows: usize = labels.iter().sum();
        let [unrelated, related] = labels;
        report.fact(format!(
            "{file}: {rows} pairs, {related} related, {unrelated} unrelated; {} distinct, {} of them with both labels",
            pairs.len(),
            contradictory.len()
        ));
        report.fact(format!(
            "  {} distinct documents, longest {longest} bytes; {:.1}% of the texts are over {} bytes; {literals} bytes \
             literals",
            documents.len(),
            100.0 * over as f64 / (2 * rows).max(1) as f64,
            retrieval::MAX_LEN
        ));
        report.fact(format!("  {encodings}"));
        let pairs: HashSet<retrieval::Key> = pairs.into_keys().collect();
        for before in &earlier {
            report.fact(format!(
                "  in common with {}: {} pairs, {} documents",
                before.file,
                pairs.intersection(&before.pairs).count(),
                documents.intersection(&before.documents).count()
            ));
        }
        report.compare(&format!("pairs in {file}"), rows, published);
        earlier.push(Earlier {
            file,
            pairs,
            documents,
        });
    }
    let split = |place: usize| {
        let earlier: &Earlier = &earlier[place];
        earlier.pairs.iter().copied().collect()
    };
    let mut splits: [Vec<retrieval::Key>; 3] = [0, 1, 2].map(split);
    copies(&mut splits, |key| *key, Protocol::Clean);
    for (file, pairs) in retrieval::FILES.iter().zip(splits) {
        if pairs.is_empty() {
            report.refused(Err(retrieval::none_left(&path.join(file))));
        }
    }
    report.fact(format!(
        "{} papers by id; with more than one text: {}",
        texts_of.len(),
        two_texts.len()
    ));
    report.fact(COUNTS_ONLY);
    Ok(report)
}

/// The folder of the Pathfinder pictures (see [`pathfinder::load`]).
///
/// Counts are compared with those of the Long Range Arena's own files: 200 batches of 1,000, one of them with an empty
/// file.
pub fn pathfinder(path: &Path) -> Result<Report, DataError> {
    let folder = pathfinder::locate(path)?;
    let mut report = Report::new(dataset::name("Pathfinder", &folder));
    let batches = pathfinder::batches(&folder)?;
    let (mut lines, mut empty, mut uneven) = (0usize, vec![], 0);
    let mut labels = [0usize; 2];
    let mut known = pathfinder::Known::default();
    let mut digests = vec![];
    let (mut lit, mut least, mut most, mut grey) = (0, usize::MAX, 0, 0u64);
    for batch in &batches {
        let rows = pathfinder::rows(&folder, batch)?;
        uneven += usize::from(rows.len() != 1000);
        lines += rows.len();
        for row in rows {
            let pixels = pathfinder::image(batch, &row)?;
            digests.extend(known.take(&row, pixels.as_deref()));
            match pixels {
                None => empty.push(row.file),
                Some(pixels) => {
                    labels[row.label] += 1;
                    let here = pixels.iter().filter(|&&pixel| pixel > 0).count();
                    (lit, least, most) = (lit + here, least.min(here), most.max(here));
                    grey += pixels.iter().map(|&pixel| u64::from(pixel)).sum::<u64>();
                }
            }
        }
    }
    let pictures = labels[0] + labels[1];
    let share = |part: f64| part / pictures.max(1) as f64;
    report.fact(format!(
        "{} batches, {} to {}; {lines} lines; batches of more or less than 1000: {uneven}",
        batches.len(),
        batches[0].number,
        batches[batches.len() - 1].number
    ));
    report.fact(format!(
        "{pictures} pictures, {} connected ({:.1}%), {} distinct; with both labels: {}; empty files: {}",
        labels[1],
        100.0 * share(labels[1] as f64),
        known.distinct(),
        known.contradictory(),
        empty.len()
    ));
    report.fact(format!(
        "pixels that are not black: mean {:.1}, {} to {most}; mean of all grey values: {:.2}",
        share(lit as f64),
        least.min(most),
        share(grey as f64) / pathfinder::PIXELS as f64
    ));
    for file in empty.iter().take(5) {
        report.fact(format!("empty: {}", shown::name(file)));
    }
    report.faults.extend(known.faults());
    match pathfinder::divide(&folder, digests, |digest| *digest, Protocol::Clean) {
        Ok((_, copies)) => report.fact(copies),
        refused => report.refused(refused.map(drop)),
    }
    report.fact(COUNTS_ONLY);
    report.compare("batches", batches.len(), 200);
    report.compare("lines", lines, 200_000);
    report.compare("empty files", empty.len(), 1);
    Ok(report)
}
