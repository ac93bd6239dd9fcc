//! Texts or pictures in, labels and probabilities out, a line each.
//!
//! Reads files, or a pipe as it fills: what can be had without waiting is judged together, on all threads, and printed
//! at once. Example i, counted from 0 over all inputs, has the draws that evaluation gives the example whose id is i:
//! the files of a test split whose ids begin at 0 (those of Text do, those of ListOps and Pathfinder run on from train
//! and dev) get here what they got in the run's test.

use crate::run::data_report::DataReport;
use crate::settings::config::Config;
use crate::settings::product::ProductFlag;
use crate::show::grid::{cells, csv_line};
use crate::terminal::error::{Error, Result};
use crate::terminal::output::{json, offer, tell};
use crate::terminal::parse::{parse_threads, threads};
use crate::train::data::wish;
use crate::train::trained::{Trained, Weights};
use crate::train::trainer::{documents, evaluation, model};
use clap::Args;
use datasets::lines::{Fault, Line, Lines};
use datasets::{DataError, Documents, Encoding, Example, Input, shown};
use engine::{Draws, Params, Seed, Tape};
use models::Model;
use rayon::prelude::*;
use serde::{Serialize, Serializer};
use std::fmt::Write;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Examples that are judged together at most.
const TOGETHER: usize = 256;
/// Bytes of the longest line; the benchmark's are a hundred times shorter.
const LONGEST: usize = 16 << 20;
/// What `-` is called where it is named.
const STDIN: &str = "standard input";

/// Below the flags.
const HELP: &str = "\
A line of input is one example:
  text                a text
  listops             an expression, [MAX 2 9 [MIN 4 7 ] 0 ], with parentheses as
                      in the benchmark's files or without
  retrieval           two texts with a tab between them
  image, pathfinder   the path of a PNG of 32 x 32 pixels
Inputs that are longer than the run's max_len are cut, as in training. A method
that draws at random draws by the number of the line, over all files: in
another order the same lines meet other draws (other pilots and columns of
skein), so that probabilities change, and labels that are close to another may.
Lines end in LF or CRLF; a byte order mark and empty lines at the end are passed
over, as in training. A line of output is the label, then every class with its
probability, between tabs.";

/// Predicts labels with the model of a run
#[derive(Args, Debug)]
#[command(after_help = HELP)]
struct Flags {
    /// Folder of the run, such as runs/text-skein-s42
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// Files of lines, - for standard input; for image and pathfinder, pictures
    /// [default: standard input]
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Each file is one text, with its line breaks (text only)
    #[arg(long)]
    whole: bool,
    /// plain; csv: a table with a header; jsonl: a JSON object a line
    #[arg(
        long,
        value_name = "NAME",
        value_enum,
        default_value = "plain",
        hide_possible_values = true
    )]
    format: Format,
    /// best, last, or the path of a .safetensors file [default: those of the test]
    #[arg(long, value_name = "best|last|FILE", value_parser = Weights::parse)]
    weights: Option<Weights>,
    /// Threads that share the work; the results do not depend on it [default: all cores]
    #[arg(long, value_name = "N", value_parser = parse_threads)]
    threads: Option<usize>,
    #[command(flatten)]
    product: ProductFlag,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug)]
enum Format {
    Plain,
    Csv,
    Jsonl,
}

/// A model that is not trained any more.
struct Predictor {
    config: Config,
    encoding: Encoding,
    classes: Vec<String>,
    model: Model<f32>,
    params: Params<f32>,
    threads: rayon::ThreadPool,
    format: Format,
    /// Examples so far.
    seen: usize,
}

/// An input, or what is wrong with it, and the name it is printed under.
type Named = (String, Result<Documents>);

/// What reads a picture.
type ReadPicture = fn(&Path) -> std::result::Result<Box<[u8]>, DataError>;

/// One line of JSON.
#[derive(Serialize)]
struct Answer<'a> {
    input: &'a str,
    label: &'a str,
    probabilities: Probabilities<'a>,
}

/// An object of names and numbers, in the order of labels.
struct Probabilities<'a>(&'a [String], &'a [f64]);

impl Serialize for Probabilities<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().zip(self.1))
    }
}

/// `skein predict`.
pub(super) fn command() -> super::Command {
    let example = "head -3 reviews.txt | skein predict runs/text-skein-s42";
    super::Command::new("predict", example, |flags: Flags| predict(&flags))
}

fn predict(flags: &Flags) -> Result<ExitCode> {
    let run = Trained::open(&flags.run)?;
    let mut config = run.config.clone();
    flags.product.over(&mut config.product);
    let task = config.task;
    if flags.whole && !task.entry().takes_files {
        let message = format!("--whole: this is a run of {}, expected text", task.name());
        return Err(Error::usage(message).hint("--help says what the inputs of a task are"));
    }
    if has_learnt_made_data(&flags.run, &config) {
        tell(&format!(
            "note: this model has learnt {}",
            task.entry().made.teaches
        ));
    }
    let encoding = task.encoding(config.black());
    let classes = run.classes();
    let (model, mut params) = model(&config, &encoding, classes.len())?;
    run.load(flags.weights.as_ref(), &mut params)?;
    let mut predictor = Predictor {
        config,
        encoding,
        classes,
        model,
        params,
        threads: rayon::ThreadPoolBuilder::new()
            .num_threads(threads(flags.threads))
            .build()?,
        format: flags.format,
        seen: 0,
    };
    if let Format::Csv = flags.format {
        let titles = ["input", "label"].map(str::to_string).into_iter();
        let titles: Vec<String> = titles.chain(predictor.classes.iter().cloned()).collect();
        offer(&csv_line(&titles))?;
    }
    let from_stdin = [PathBuf::from("-")];
    let files = match flags.files.is_empty() {
        true => &from_stdin[..],
        false => &flags.files,
    };
    let is_stdin = |path: &Path| path == Path::new("-");
    if let Input::Picture(read) = task.entry().input {
        // Pictures that are named here are judged together; standard input names others.
        for files in files.chunk_by(|one, next| !is_stdin(one) && !is_stdin(next)) {
            let go_on = match is_stdin(&files[0]) {
                true => predictor.lines(io::stdin(), STDIN, true),
                false => predictor.pictures(files, read),
            };
            if !go_on? {
                break;
            }
        }
        return Ok(ExitCode::SUCCESS);
    }
    for path in files {
        let stdin = is_stdin(path);
        let source: Box<dyn Read> = match stdin {
            true => Box::new(io::stdin()),
            false => Box::new(
                File::open(path).map_err(|cause| Error::file("cannot read", path, &cause))?,
            ),
        };
        let name = match stdin {
            true => STDIN.to_string(),
            false => path.display().to_string(),
        };
        let go_on = match flags.whole {
            true => predictor.whole(source, &name),
            false => predictor.lines(source, &name, stdin),
        };
        if !go_on? {
            break;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether this program has made the data of the run in `folder`.
fn has_learnt_made_data(folder: &Path, config: &Config) -> bool {
    match DataReport::read(folder) {
        Ok(Some(data)) => data.builtin,
        // An older run; and whatever is wrong with that file, the model is sound.
        _ => config.data_folder().is_none(),
    }
}

impl Predictor {
    /// Files that are a picture each. False if nobody reads the answers any more.
    fn pictures(&mut self, files: &[PathBuf], read: ReadPicture) -> Result<bool> {
        let picture = |path: &PathBuf| (path.display().to_string(), picture(path, read));
        for files in files.chunks(TOGETHER) {
            if !self.answer(files.iter().map(picture).collect())? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// A source as one text. False if nobody reads the answers any more.
    fn whole(&mut self, source: impl Read, name: &str) -> Result<bool> {
        let mut text = Vec::new();
        let mut limited = source.take(LONGEST as u64 + 1);
        limited
            .read_to_end(&mut text)
            .map_err(|cause| Error::file("cannot read", Path::new(name), &cause))?;
        let document = self.documents(&text).map_err(|error| error.at(name));
        self.answer(vec![(name.to_string(), document)])
    }

    /// A source line by line. False if nobody reads the answers any more.
    fn lines(&mut self, source: impl Read, name: &str, stdin: bool) -> Result<bool> {
        let mut lines = Lines::new(source, LONGEST);
        loop {
            let mut inputs = Vec::new();
            while inputs.is_empty() || (inputs.len() < TOGETHER && lines.is_ready()) {
                let place = |number| match stdin {
                    true => format!("{number}"),
                    false => format!("{name}:{number}"),
                };
                let at = |error: Error, number| error.at(&format!("{name}, line {number}"));
                let (input, documents) = match lines.next() {
                    Ok(None) => break,
                    Ok(Some(Line { number, bytes })) => {
                        let documents = self.documents(bytes);
                        (place(number), documents.map_err(|error| at(error, number)))
                    }
                    Err(Fault::Line(number, what)) => {
                        (place(number), Err(at(self.wrong(what), number)))
                    }
                    Err(Fault::Unreadable(cause)) => {
                        let error = Error::file("cannot read", Path::new(name), &cause);
                        (name.to_string(), Err(error))
                    }
                };
                let broken = documents.is_err();
                inputs.push((input, documents));
                if broken {
                    break; // No line after it is looked at.
                }
            }
            if inputs.is_empty() {
                return Ok(true);
            }
            if !self.answer(inputs)? {
                return Ok(false);
            }
        }
    }

    /// An input that the task cannot take.
    fn wrong(&self, what: String) -> Error {
        let task = self.config.task.name();
        Error::failure(what).hint(format!("skein predict --help says what {task} takes"))
    }

    /// The documents of an example.
    fn documents(&self, line: &[u8]) -> Result<Documents> {
        let wrong = |what: String| self.wrong(what);
        if line.len() > LONGEST {
            return Err(wrong(format!("more than {LONGEST} bytes")));
        }
        if line.is_empty() {
            return Err(wrong("it is empty".to_string()));
        }
        match self.config.task.entry().input {
            Input::Line(read) => read(line, &wish(&self.config)).map_err(wrong),
            Input::Picture(read) => match std::str::from_utf8(line) {
                Ok(path) => picture(Path::new(path), read),
                Err(_) => Err(wrong("it is no path in UTF-8".to_string())),
            },
        }
    }

    /// Judges and prints. At the first input that is wrong, those before it have been answered. False if nobody reads
    /// the answers any more.
    fn answer(&mut self, inputs: Vec<Named>) -> Result<bool> {
        let mut error = None;
        let mut right = Vec::new();
        for (name, documents) in inputs {
            match documents {
                Ok(documents) => right.push((name, documents)),
                Err(wrong) => {
                    error = Some(wrong);
                    break;
                }
            }
        }
        let first = self.seen;
        self.seen += right.len();
        let judge = |(i, (_, documents)): (usize, &(String, Documents))| {
            self.probabilities(first + i, documents)
        };
        let judged: Vec<Vec<f64>> = self.threads.install(|| {
            let inputs = right.par_iter().enumerate().with_max_len(1);
            inputs.map(judge).collect()
        });
        let mut text = String::new();
        for ((name, _), probabilities) in right.iter().zip(judged) {
            if !probabilities.iter().all(|p| p.is_finite()) {
                let message = format!("{name}: the probabilities are not finite");
                let hint = "the weights are too large; --weights names others";
                error = Some(Error::failure(message).hint(hint));
                break;
            }
            text.push_str(&self.line(name, &probabilities)?);
        }
        let go_on = offer(&text)?;
        match error {
            Some(error) if go_on => Err(error),
            _ => Ok(go_on),
        }
    }

    /// The probability of each class for example `id`.
    fn probabilities(&self, id: usize, text: &[Box<[u8]>]) -> Vec<f64> {
        let example = Example {
            id,
            label: 0, // Not looked at.
            documents: text.to_vec(),
        };
        let stream = evaluation(Seed(self.config.seed), "test");
        let tape = Tape::forward_only();
        let bound = self.params.bind(&tape);
        let draws = Draws::live(stream.at(id));
        let documents = documents(&example, &self.encoding);
        let logits = self.model.logits(&bound, &documents, &draws, None);
        let logits: Vec<f64> = logits.value().data().iter().map(|&x| x.into()).collect();
        let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let parts: Vec<f64> = logits.iter().map(|x| (x - most).exp()).collect();
        let sum: f64 = parts.iter().sum();
        parts.iter().map(|part| part / sum).collect()
    }

    fn line(&self, input: &str, probabilities: &[f64]) -> Result<String> {
        let best = (0..probabilities.len()).fold(0, |best, class| {
            match probabilities[class] > probabilities[best] {
                true => class,
                false => best,
            }
        });
        let label = &self.classes[best];
        let mut text = String::new();
        // A string takes all that is written.
        match self.format {
            Format::Plain => {
                text.push_str(label);
                for (name, p) in self.classes.iter().zip(probabilities) {
                    let _ = write!(text, "\t{name} {p:.4}");
                }
            }
            Format::Csv => {
                let mut row = cells![shown::name(input), label];
                row.extend(probabilities.iter().map(|p| format!("{p:e}")));
                return Ok(csv_line(&row));
            }
            Format::Jsonl => {
                let line = Answer {
                    input,
                    label,
                    probabilities: Probabilities(&self.classes, probabilities),
                };
                return json(&line, false);
            }
        }
        text.push('\n');
        Ok(text)
    }
}

/// The document of one picture.
fn picture(path: &Path, read: ReadPicture) -> Result<Documents> {
    Ok(vec![read(path).map_err(Error::data)?])
}
