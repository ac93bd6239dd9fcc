//! A program that is stopped on its way.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

/// What is in the file `path` as soon as it is there; then the program is stopped.
pub(crate) fn first_kept(command: &mut Command, path: &Path) -> String {
    let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = quiet.spawn().unwrap();
    let text = loop {
        match fs::read_to_string(path) {
            Ok(text) => break text,
            Err(_) => thread::sleep(Duration::from_millis(2)),
        }
        assert!(child.try_wait().unwrap().is_none(), "it has ended");
    };
    child.kill().unwrap();
    child.wait().unwrap();
    text
}
