//! A microscope for gradients in a browser: a small server on this machine alone, and the page that it serves.
//!
//! The server answers questions with [`answer`](::answer::answer) and holds no state: what a page shows stands in its
//! address. `server` speaks HTTP, `page` has the files, `alone` makes one file of them that needs no server. What the rooms of runs and tapes ask comes to `asked`: which runs
//! there are (`list`), what their files say (`run`, `curves`), what those of a folder are together (`grid`, `means`), the source of nodes (`source`), and what takes time
//! (`jobs`): replays and evaluations (`work`, `judge`), numbers as pictures (`tiles`).

mod alone;
mod asked;
mod curves;
mod grid;
mod jobs;
mod judge;
mod list;
mod means;
mod page;
mod run;
mod server;
mod source;
mod tiles;
mod work;

use crate::files::out_file::{OutFile, Own};
use crate::settings::product::{self, ProductFlag};
use crate::terminal::error::{Error, Result};
use crate::terminal::output::{answer, tell};
use alone::First;
use asked::Desk;
use clap::Args;
use datasets::shown;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Where it is unless somebody says otherwise.
const PORT: &str = "7117";
/// Below the flags.
const HELP: &str = "\
Prints the address of a page that looks into any method: what it does to Q, K
and V, its gradients beside those of exact attention, every number opened term
by term. A second room has operators, with their derivations. Numbers can be
changed on the page, and all else follows. It also shows the runs below the
folders that are named: their curves, live while they train, the tape of any
example at any of their steps, and all runs of a folder as a grid.

Only this machine can reach it, and nothing is sent elsewhere or written.
Ctrl-C ends it. With --out, there is no server: the page is one file that opens
from disk and has the engine in it, as WebAssembly.";

/// Looks into methods, runs and tapes in the browser
#[derive(Args, Debug)]
#[command(after_help = HELP)]
struct Flags {
    /// Folders of runs, or that hold runs, which the page may read [default: runs, if it
    /// is there]
    #[arg(value_name = "RUNS")]
    runs: Vec<PathBuf>,
    /// Port of the page; 0 takes any that is free
    #[arg(long, value_name = "N", default_value = PORT)]
    port: u16,
    #[command(flatten)]
    first: First,
    /// Write the page as one file, and serve nothing
    #[arg(long, value_name = "FILE.html", conflicts_with = "port")]
    out: Option<PathBuf>,
    /// Replace that file, although it is no such page
    #[arg(long, requires = "out")]
    overwrite: bool,
    #[command(flatten)]
    product: ProductFlag,
}

/// `skein study`.
pub(super) fn command() -> super::Command {
    super::Command::new("study", "skein study", |flags: Flags| study(&flags))
}

fn study(flags: &Flags) -> Result<ExitCode> {
    let folders = folders(&flags.runs)?;
    product::choose(flags.product.get())?;
    let first = &flags.first;
    let answers = first.answers()?;
    if let Some(out) = &flags.out {
        let file = OutFile::new(out, flags.overwrite, Some(&PAGE))?;
        return write(first, &answers, &file, out);
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, flags.port)).map_err(|cause| {
        let message = format!(
            "cannot listen on port {} of this machine: {cause}",
            flags.port
        );
        Error::failure(message).hint("--port 0 takes any that is free")
    })?;
    let port = listener
        .local_addr()
        .map_err(|cause| Error::failure(format!("cannot listen: {cause}")))?
        .port();
    answer(&format!("http://127.0.0.1:{port}/{}\n", first.hash()))?;
    tell("open it in a browser on this machine; Ctrl-C ends it");
    server::serve(listener, port, Desk::new(folders))?;
    Ok(ExitCode::SUCCESS)
}

/// The folders that the page may read.
fn folders(named: &[PathBuf]) -> Result<Vec<PathBuf>> {
    if named.is_empty() {
        let usual = Path::new("runs");
        return Ok(usual
            .is_dir()
            .then(|| usual.to_path_buf())
            .into_iter()
            .collect());
    }
    match named.iter().find(|folder| !folder.is_dir()) {
        None => Ok(named.to_vec()),
        Some(folder) => {
            let message = format!("{}: expected a folder", folder.display());
            Err(Error::usage(message).hint("one such as runs, or runs/text-skein-s42"))
        }
    }
}

/// How such a page is known.
const PAGE: Own = Own {
    what: "no page of skein study",
    is: alone::is_page,
};

/// Writes the page as one file.
fn write(
    first: &First,
    answers: &[(String, String)],
    file: &OutFile,
    out: &Path,
) -> Result<ExitCode> {
    tell("compiling the engine for the page: this may take a minute the first time");
    let engine = alone::engine();
    if let Err((why, help)) = &engine {
        tell(&format!(
            "warning: {why}: the page has its first answers alone\nhint: {help}"
        ));
    }
    let engine = engine.ok();
    file.write(alone::html(first, answers, engine.as_deref()).as_bytes())?;
    tell(&format!("page: {}", shown::name(out)));
    Ok(ExitCode::SUCCESS)
}
