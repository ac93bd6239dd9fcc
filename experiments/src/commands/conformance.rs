//! Reference cases: does every method compute what an independent program computed, values and
//! gradients?
//!
//! A case is a safetensors file: inputs, frozen random draws and expected numbers in f64, its
//! settings in the metadata. Read in this order:
//!
//! 1. here: a folder of cases, a line for each, the count at the end;
//! 2. `case`: one file;
//! 3. `method`: the registered methods that a case is about, and their options;
//! 4. `operator`: one attention; `module`: a piece of a model; `model`: a whole one and forty steps of training;
//! 5. `error`: how far a tensor is off.
//!
//! A damaged or foreign file, a missing tensor, sizes beyond memory and a panic of the method are failures of their
//! case; the others still run. Nothing expected is skipped because a file lacks it.

mod case;
mod error;
mod method;
mod model;
mod module;
mod operator;

use crate::files::whole_file;
use crate::settings::product::{self, ProductFlag};
use crate::show::grid::{Grid, cells, left, right};
use crate::terminal::error::{Error, Result};

use case::Case;
use clap::Args;
use datasets::shown;
use error::Measure;
use method::Method;
use ops::attention;
use std::io::{self, Write};
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{fmt, fs};

/// Compares methods with the reference cases of a folder
#[derive(Args, Debug)]
#[command(after_help = COLUMNS)]
struct Flags {
    /// Fail too when a case is about a method that is not registered
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    product: ProductFlag,
    /// Folder of the cases, *.safetensors
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

/// Below the flags in the help text.
const COLUMNS: &str = "\
Prints a line for every case and method: the largest error among the outputs
(out), among the gradients (grad) and, for whole models, along forty steps of
training (train), computed in f64 and in f32. Errors are relative to the
expected tensor. Below a line that fails stands every tensor that is off. Exit
code 1 if anything failed.";

/// What came of a case under one method.
enum Outcome {
    Measured(Vec<Measure>),
    NotRegistered,
    /// It could not be computed, or not be compared.
    Broken(String),
}

/// How many runs, one a case and method, ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Files.
    pub cases: usize,
    /// Every error within its tolerance.
    pub passed: usize,
    /// At least one error above its tolerance, or nothing that could be compared.
    pub failed: usize,
    /// The method is not in the registry.
    pub not_registered: usize,
}

impl Counts {
    /// With `all`, a method that is not registered is a failure too.
    fn exit_code(self, all: bool) -> ExitCode {
        match self.failed > 0 || (all && self.not_registered > 0) {
            true => ExitCode::FAILURE,
            false => ExitCode::SUCCESS,
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (passed, failed, missing) = (self.passed, self.failed, self.not_registered);
        let (runs, cases) = (passed + failed + missing, self.cases);
        write!(f, "{runs} runs of {cases} cases: ")?;
        write!(
            f,
            "{passed} passed, {failed} failed, {missing} not registered"
        )
    }
}

/// `skein conformance`.
pub(super) fn command() -> super::Command {
    let example = "skein conformance experiments/tests/reference";
    super::Command::new("conformance", example, |flags: Flags| conformance(&flags))
}

fn conformance(flags: &Flags) -> Result<ExitCode> {
    product::choose(flags.product.get())?;
    let files = files(&flags.folder)?;
    // What a case makes panic is said in its line.
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| ()));
    let counts = run(&files, &mut io::stdout().lock());
    panic::set_hook(hook);
    match counts {
        Ok(counts) => Ok(counts.exit_code(flags.all)),
        // The reader of a pipe has seen enough; nobody can say that all cases pass.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::FAILURE),
        Err(error) => Err(Error::failure(format!("cannot print: {error}"))),
    }
}

/// The cases of a folder, in the order of their names.
///
/// # Errors
/// If the folder cannot be read, or has none.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let cannot = |error: io::Error| Error::file("cannot read the folder", folder, &error);
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(cannot)? {
        let path = entry.map_err(cannot)?.path();
        if path.extension().is_some_and(|kind| kind == "safetensors") {
            files.push(path);
        }
    }
    if files.is_empty() {
        let message = format!("no reference case in {}", folder.display());
        return Err(Error::failure(message).hint("expected files called *.safetensors"));
    }
    files.sort();
    Ok(files)
}

/// Runs the cases in `files` and writes a line for each, the counts last.
///
/// # Errors
/// If `out` cannot be written; whatever is wrong with a case is part of its line.
pub fn run(files: &[PathBuf], out: &mut impl Write) -> io::Result<Counts> {
    let width = files.iter().map(|file| name(file).chars().count()).max();
    let width = width.unwrap_or(0).max("case".len());
    let mut counts = Counts {
        cases: files.len(),
        ..Counts::default()
    };
    let frame = |title: &str| right(title, 21).gap(0);
    let frames = [frame("-------- f64 -------"), frame("-------- f32 -------")];
    let frames = [left("", width), left("", 16).gap(2)]
        .into_iter()
        .chain(frames);
    let mut grid = Grid::new([left("case", width), left("method", 16).gap(2)]);
    let kinds = ["out", "grad", "train"].repeat(2).into_iter();
    grid.columns.extend(kinds.map(|kind| right(kind, 7).gap(0)));
    grid.columns.push(left("", 0).gap(2));
    write!(out, "{}{}", Grid::new(frames).text(), grid.text())?;
    for file in files {
        for (method, outcome) in outcomes(file) {
            let mut row = cells![name(file), method];
            let (rest, off) = report(&outcome, &mut counts);
            row.extend(rest);
            out.write_all(grid.line(&row).as_bytes())?;
            for what in off {
                writeln!(out, "    {what}")?;
            }
        }
    }
    writeln!(out, "{counts}")?;
    Ok(counts)
}

/// The rest of a line, and what was off.
fn report(outcome: &Outcome, counts: &mut Counts) -> (Vec<String>, Vec<String>) {
    let with = |mut cells: Vec<String>, verdict: &str| {
        cells.push(verdict.to_string());
        cells
    };
    match outcome {
        Outcome::NotRegistered => {
            counts.not_registered += 1;
            (cells!["  not registered"], Vec::new())
        }
        Outcome::Broken(why) => {
            counts.failed += 1;
            let why = shown::name(why.replace('\n', " "));
            (with(vec![String::new(); 6], "FAIL"), vec![why])
        }
        Outcome::Measured(measures) => {
            let off = measures.iter().filter(|measure| !measure.passes());
            let off: Vec<String> = off.map(Measure::to_string).collect();
            let verdict = match off.is_empty() {
                true => "ok",
                false => "FAIL",
            };
            match off.is_empty() {
                true => counts.passed += 1,
                false => counts.failed += 1,
            }
            (with(error::cells(measures), verdict), off)
        }
    }
}

/// The name of a case: its file's, without folder and ending.
fn name(file: &Path) -> String {
    let stem = file.file_stem().unwrap_or_default();
    shown::name(stem)
}

/// What comes of a case under every method it is about.
fn outcomes(file: &Path) -> Vec<(String, Outcome)> {
    let broken = |why: String| vec![("-".to_string(), Outcome::Broken(why))];
    let bytes = match whole_file::read(file) {
        Ok(bytes) => bytes,
        Err(error) => {
            let why = error.to_string();
            return broken(why.trim_start_matches("error: ").to_string());
        }
    };
    let case = match Case::read(&bytes) {
        Ok(case) => case,
        Err(why) => return broken(why),
    };
    if let Some(module) = case.module() {
        let case = &case;
        let checks = [module::check::<f64>, module::check::<f32>];
        let checks = checks.map(|check| move || check(case));
        let known = module::NAMES.contains(&module);
        return vec![(module.to_string(), outcome(known, checks))];
    }
    let of_method = |method: Method| {
        let checks = match case.is_model() {
            true => [model::check::<f64> as Check, model::check::<f32>],
            false => [operator::check::<f64> as Check, operator::check::<f32>],
        };
        let of = (&case, &method);
        let checks = checks.map(|check| move || check(of.0, of.1));
        let known = attention::find::<f64>(&method.name).is_ok();
        let outcome = outcome(known, checks);
        (method.name, outcome)
    };
    match method::methods(&case) {
        Ok(methods) => methods.into_iter().map(of_method).collect(),
        Err(why) => broken(why),
    }
}

/// What two checks measure, in f64 and in f32, of something that may be known here.
fn outcome(
    known: bool,
    checks: [impl Fn() -> std::result::Result<Vec<Measure>, String>; 2],
) -> Outcome {
    if !known {
        return Outcome::NotRegistered;
    }
    let measures = || {
        let mut measures = Vec::new();
        for check in &checks {
            measures.extend(check()?);
        }
        Ok(measures)
    };
    // A damaged case may hold indices that no method survives, and a method may have its faults.
    match catch_unwind(AssertUnwindSafe(measures)) {
        Ok(Ok(measures)) => Outcome::Measured(measures),
        Ok(Err(why)) => Outcome::Broken(why),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Outcome::Broken(format!("panicked: {}", text.unwrap_or("no message")))
        }
    }
}

type Check = fn(&Case<'_>, &Method) -> std::result::Result<Vec<Measure>, String>;
