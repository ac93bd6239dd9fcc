//! A microscope for gradients in a browser: a small server on this machine alone, and the page that it serves.
//!
//! The server answers questions with [`answer`](::answer::answer) and holds no state: what a page shows stands in its
//! address. `server` speaks HTTP, `page` has the files.

mod page;
mod server;

use crate::settings::product::{self, ProductFlag};
use crate::terminal::error::{Error, Result};
use crate::terminal::output::{answer, tell};
use clap::Args;
use std::net::{Ipv4Addr, TcpListener};
use std::process::ExitCode;

/// Where it is unless somebody says otherwise.
const PORT: &str = "7117";
/// Below the flags.
const HELP: &str = "\
Prints the address of a page that looks into any method: what it does to Q, K
and V, its gradients beside those of exact attention, every number opened term
by term. A second room has operators, with their derivations. Numbers can be
changed on the page, and all else follows.

Only this machine can reach it, and nothing is sent elsewhere or written.
Ctrl-C ends it.";

/// Looks into a method in the browser
#[derive(Args, Debug)]
#[command(after_help = HELP)]
struct Flags {
    /// Port of the page; 0 takes any that is free
    #[arg(long, value_name = "N", default_value = PORT)]
    port: u16,
    #[command(flatten)]
    product: ProductFlag,
}

/// `skein study`.
pub(super) fn command() -> super::Command {
    super::Command::new("study", "skein study", |flags: Flags| study(&flags))
}

fn study(flags: &Flags) -> Result<ExitCode> {
    product::choose(flags.product.get())?;
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
    answer(&format!("http://127.0.0.1:{port}/\n"))?;
    tell("open it in a browser on this machine; Ctrl-C ends it");
    server::serve(listener, port)?;
    Ok(ExitCode::SUCCESS)
}
