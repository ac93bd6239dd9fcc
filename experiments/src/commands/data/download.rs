//! One file from the network into the cache folder: it comes as `NAME.part`, which a later call
//! goes on with, and has its name only when its size and checksums are the published ones. Called
//! by [`get`](super::get()).
//!
//! An address that fails is left for the next one. A connection that breaks is made again, from the
//! byte after the last that has come: `Range` asks for the rest, `If-Range` for the rest of the
//! same file. What comes instead of the rest (a server may ignore both) is taken from its start, if
//! it is said to be as long as the file: no page of an error costs what has come.
//!
//! Where neither size nor checksum is published, the answer has to say how long the file is: a
//! connection that is closed early would else look like the end.
//!
//! Without a checksum, all bytes of a file are of one address. The one that what is here came from
//! is tried first, and goes on with it; any other begins again, once it has answered.

use super::background::{self, GLANCE, Next};
use super::gauge::Gauge;
use super::manifest::Archive;
use crate::files::whole_file;
use crate::terminal::error::{Error, FULL, Result};
use crate::terminal::output::{hex, tell};
use datasets::shown;
use indicatif::DecimalBytes;
use md5::Md5;
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;
use ureq::http::header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG, IF_RANGE, LAST_MODIFIED, RANGE};
use ureq::http::{HeaderMap, HeaderName, StatusCode};
use ureq::{Agent, ResponseExt};

/// For a name to be found, a connection to be made, and an answer to begin.
const ANSWER: Duration = Duration::from_secs(30);
/// Without a byte for so long, a connection is given up.
const SILENCE: Duration = Duration::from_secs(20);
/// Pieces of 64 KiB that may have come before they are written.
const PIECES: usize = 16;
/// Connections in a row that bring nothing new before an address is given up.
const TRIES: u32 = 4;

/// What to download, and where from and to.
pub(super) struct Download<'a> {
    pub(super) archive: &'a Archive,
    pub(super) cache: &'a Path,
    /// In the order in which they are tried.
    pub(super) urls: Vec<String>,
    /// Before the second connection to an address; doubled before each that follows in vain.
    pub(super) pause: Duration,
    pub(super) stop: &'a dyn Fn() -> bool,
}

/// How a connection ended.
enum End {
    /// The file is there.
    Whole,
    /// Somebody has asked to stop.
    Stopped,
    /// More may come when it is tried again.
    Broken(String),
    /// No use in trying again.
    Refused(String),
}

/// Where the bytes of a `.part` come from, beside it in `.part.from`: address, validator, size (""
/// where unknown).
#[derive(Default)]
struct Origin {
    url: String,
    validator: String,
    total: String,
}

/// The size of the `.part` of an archive, 0 if there is none.
pub(super) fn part_size(archive: &Archive, cache: &Path) -> u64 {
    let part = cache.join(format!("{}.part", archive.file));
    fs::metadata(part).map_or(0, |found| found.len())
}

impl Download<'_> {
    /// Downloads the file if it is not there yet. `None`: it was stopped, and what has come is
    /// kept.
    pub(super) fn run(&self) -> Result<Option<PathBuf>> {
        let path = self.cache.join(&self.archive.file);
        if path.exists() {
            return self.present(path);
        }
        let part = self.path("part");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&part)
            .map_err(|cause| Error::file("cannot write", &part, &cause))?;
        hold(&file, &part, "writing")?;
        let mut reasons = Vec::new();
        let mut urls: Vec<&str> = self.urls.iter().map(String::as_str).collect();
        urls.sort_by_cached_key(|url| !self.can_go_on(url));
        for url in urls {
            match self.persist(url, &mut file)? {
                End::Whole => {
                    self.finish(&file, &part, &path)?;
                    return Ok(Some(path));
                }
                End::Stopped => {
                    tell(&match size(&file, &part)? {
                        0 => "stopped: nothing has come yet".to_string(),
                        here => format!(
                            "stopped: {} are in {}; the same command goes on from there",
                            DecimalBytes(here),
                            shown::name(&part)
                        ),
                    });
                    self.remove_empty(&file, &part)?;
                    return Ok(None);
                }
                End::Broken(reason) | End::Refused(reason) => {
                    reasons.push(format!("{url}: {reason}"));
                }
            }
        }
        self.remove_empty(&file, &part)?;
        let message = format!("cannot get {}: {}", self.archive.file, reasons.join("; "));
        Err(Error::failure(message).hint(format!(
            "--mirror URL names another copy of it; or put the file into {} yourself",
            self.cache.display()
        )))
    }

    fn remove_empty(&self, file: &File, part: &Path) -> Result<()> {
        if size(file, part)? == 0 {
            for path in [part, &self.path("part.from")] {
                let _ = fs::remove_file(path); // It is no use, nor harm.
            }
        }
        Ok(())
    }

    fn path(&self, extension: &str) -> PathBuf {
        self.cache
            .join(format!("{}.{extension}", self.archive.file))
    }

    /// A file that is there already, perhaps put there by hand.
    fn present(&self, path: PathBuf) -> Result<Option<PathBuf>> {
        let mut file =
            File::open(&path).map_err(|cause| Error::file("cannot read", &path, &cause))?;
        match self.check(&mut file, &path)? {
            End::Whole => Ok(Some(path)),
            End::Stopped => Ok(None),
            End::Broken(reason) | End::Refused(reason) => {
                let error = Error::failure(format!("{}: {reason}", path.display()));
                Err(error.hint("remove the file to get it again"))
            }
        }
    }

    /// Connects until the file is there and right, or until it is no use.
    fn persist(&self, url: &str, file: &mut File) -> Result<End> {
        let part = self.path("part");
        let mut most = match self.can_go_on(url) {
            true => size(file, &part)?,
            false => 0,
        };
        // Whether all bytes are from this call: then there is no use in beginning again.
        let mut fresh = most == 0;
        let mut in_vain = 0;
        let agent = agent();
        let mut gauge = Gauge::new(self.archive.file.clone(), Some(self.archive.size()));
        loop {
            let reason = match self.connect(&agent, url, file, &mut gauge)? {
                End::Whole => match self.check(file, &part)? {
                    End::Refused(reason) => {
                        // It is as long as it should be, so no later call could make it right.
                        self.cut(file, 0)?;
                        if fresh {
                            return Ok(End::Refused(reason));
                        }
                        (fresh, most, in_vain) = (true, 0, 0);
                        reason
                    }
                    end => return Ok(end),
                },
                End::Broken(reason) => reason,
                end => return Ok(end),
            };
            let here = size(file, &part)?;
            in_vain = if here > most { 1 } else { in_vain + 1 };
            most = most.max(here);
            if in_vain == TRIES {
                return Ok(End::Refused(reason));
            }
            let (host, here) = (url.split('/').nth(2).unwrap_or(url), DecimalBytes(here));
            gauge.note(&format!("{host}: {reason}; trying again, {here} are here"));
            if self.wait(self.pause * 2u32.pow(in_vain - 1)) {
                return Ok(End::Stopped);
            }
        }
    }

    /// Waits; true if it was told to stop.
    fn wait(&self, pause: Duration) -> bool {
        let mut left = pause;
        while !left.is_zero() && !(self.stop)() {
            let nap = left.min(GLANCE);
            thread::sleep(nap);
            left -= nap;
        }
        (self.stop)()
    }

    /// Keeps so many bytes of what has come.
    fn cut(&self, file: &File, bytes: u64) -> Result<()> {
        if bytes == 0 {
            let _ = fs::remove_file(self.path("part.from")); // It may not exist.
        }
        file.set_len(bytes)
            .map_err(|cause| Error::file("cannot shorten", &self.path("part"), &cause))
    }

    /// One request, and what comes of it appended to the file.
    fn connect(&self, agent: &Agent, url: &str, file: &mut File, gauge: &mut Gauge) -> Result<End> {
        let part = self.path("part");
        let mut here = size(file, &part)?;
        if (self.stop)() {
            return Ok(End::Stopped);
        }
        if self.archive.bytes.is_some_and(|bytes| here == bytes) {
            return Ok(End::Whole);
        }
        if here > self.most() {
            self.cut(file, 0)?;
            here = 0;
        }
        let origin = self.origin(url);
        let go_on = here > 0 && self.can_go_on(url);
        let mut request = agent.get(url);
        if go_on {
            request = request.header(RANGE, format!("bytes={here}-"));
            if let Some(origin) = origin
                .as_ref()
                .filter(|origin| !origin.validator.is_empty())
            {
                request = request.header(IF_RANGE, &origin.validator);
            }
        }
        let answer = background::begin_one(move || request.call());
        let response = match background::next(&answer, self.stop) {
            Next::Came(Ok(response)) => response,
            Next::Came(Err(error)) => return Ok(ended(&error)),
            Next::Ended => return Ok(End::Broken("no answer".into())),
            Next::Stopped => return Ok(End::Stopped),
        };
        let status = response.status();
        let headers = response.headers();
        let total = match status {
            StatusCode::OK => number(headers, CONTENT_LENGTH),
            StatusCode::PARTIAL_CONTENT if go_on => match content_range(headers) {
                Some((start, total)) if start == here => total,
                range => {
                    let got = range.map_or("nothing".to_string(), |(start, _)| start.to_string());
                    let reason = format!("asked for bytes from {here}, it says to send from {got}");
                    return Ok(End::Refused(reason));
                }
            },
            StatusCode::RANGE_NOT_SATISFIABLE if go_on => {
                let total = content_range(headers).and_then(|(_, total)| total);
                let reason = format!("it has no byte {here}");
                return Ok(match total.filter(|&total| self.archive.can_have(total)) {
                    Some(total) if total == here => End::Whole,
                    // It is another file than before.
                    Some(total) if total < here => {
                        self.cut(file, 0)?;
                        End::Broken(reason)
                    }
                    _ => End::Refused(reason),
                });
            }
            _ => {
                let reason = status.to_string();
                let passing = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
                return Ok(
                    match status.is_server_error() || passing.contains(&status) {
                        true => End::Broken(reason),
                        false => End::Refused(reason),
                    },
                );
            }
        };
        if let Some(total) = total.filter(|&total| !self.archive.can_have(total)) {
            return Ok(End::Refused(self.wrong_size(total)));
        }
        if total.or(self.archive.bytes).is_none() && !self.archive.has_checksum() {
            let reason = "it does not say how long the file is, and no checksum could tell the whole of it from a part";
            return Ok(End::Refused(reason.into()));
        }
        if here > 0 && total.is_none() && (status == StatusCode::OK || self.archive.bytes.is_none())
        {
            let reason = format!(
                "it does not say how long the file is, so the {} in {} are kept: remove that to begin again",
                DecimalBytes(here),
                part.display()
            );
            return Ok(End::Refused(reason));
        }
        if status == StatusCode::OK {
            if here > 0 {
                gauge.note(match go_on {
                    true => "the server sends the file from its start",
                    false => "what is here is of another address: the file comes from its start",
                });
            }
            self.cut(file, 0)?;
            here = 0;
            let validator = [ETAG, LAST_MODIFIED]
                .into_iter()
                .filter_map(|name| headers.get(name)?.to_str().ok())
                // A weak one does not say that the bytes are the same.
                .find(|validator| !validator.starts_with("W/"));
            self.keep_origin(url, validator, total)?;
        } else if let (Some(origin), Some(total)) = (origin, total)
            && !origin.total.is_empty()
            && origin.total != total.to_string()
        {
            self.cut(file, 0)?;
            return Ok(End::Broken("it is another file than before".into()));
        }
        if !same(url, &response.get_uri().to_string()) {
            gauge.note(&format!("redirected to {}", response.get_uri()));
        }

        let most = total.unwrap_or(self.most());
        let failed = |cause: io::Error| {
            let hint = "free some space; the same command then goes on from there";
            Error::file("cannot write", &part, &cause).hint_if(FULL, hint)
        };
        file.seek(SeekFrom::Start(here)).map_err(failed)?;
        let mut body = response.into_body().into_reader();
        let pieces = background::begin(PIECES, move |pieces| {
            loop {
                let mut bytes = vec![0; 1 << 16];
                let piece = match body.read(&mut bytes) {
                    Ok(0) => return,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Ok(count) => {
                        bytes.truncate(count);
                        Ok(bytes)
                    }
                    Err(error) => Err(error),
                };
                let last = piece.is_err();
                if pieces.send(piece).is_err() || last {
                    return;
                }
            }
        });
        let begun = here;
        gauge.begin(here, total);
        loop {
            gauge.set(here);
            let bytes = match background::next(&pieces, self.stop) {
                Next::Came(Ok(bytes)) => bytes,
                Next::Came(Err(error)) => {
                    return Ok(End::Broken(format!("broke off at byte {here} ({error})")));
                }
                Next::Ended => break,
                Next::Stopped => return Ok(End::Stopped),
            };
            if here + bytes.len() as u64 > most {
                self.cut(file, begun)?;
                return Ok(End::Refused(format!("it goes on after byte {most}")));
            }
            file.write_all(&bytes).map_err(failed)?;
            here += bytes.len() as u64;
        }
        Ok(match total.or(self.archive.bytes) {
            Some(total) if here < total => End::Broken(format!("ended at byte {here} of {total}")),
            _ => End::Whole,
        })
    }

    /// More bytes than this are not taken.
    fn most(&self) -> u64 {
        let about = self.archive.about_bytes.unwrap_or(0).saturating_mul(2);
        self.archive.bytes.unwrap_or(about)
    }

    fn wrong_size(&self, bytes: u64) -> String {
        let about = if self.archive.bytes.is_some() {
            ""
        } else {
            "about "
        };
        format!(
            "it has {bytes} bytes, published: {about}{}",
            self.archive.size()
        )
    }

    /// Whether the rest of the `.part` may come from `url`.
    fn can_go_on(&self, url: &str) -> bool {
        self.archive.has_checksum() || self.origin(url).is_some()
    }

    /// Where the bytes of the `.part` come from, if it is from `url`.
    fn origin(&self, url: &str) -> Option<Origin> {
        let text = fs::read_to_string(self.path("part.from")).ok()?;
        let mut lines = text.lines().map(str::to_string);
        let mut next = || lines.next().unwrap_or_default();
        let origin = Origin {
            url: next(),
            validator: next(),
            total: next(),
        };
        (origin.url == url).then_some(origin)
    }

    fn keep_origin(&self, url: &str, validator: Option<&str>, total: Option<u64>) -> Result<()> {
        let total = total.map_or(String::new(), |total| total.to_string());
        let text = format!("{url}\n{}\n{total}\n", validator.unwrap_or_default());
        whole_file::write(&self.path("part.from"), &[text.as_bytes()])
    }

    /// Size and checksums of a file. [`End::Whole`]: they are right.
    fn check(&self, file: &mut File, path: &Path) -> Result<End> {
        let unreadable = |cause: io::Error| Error::file("cannot read", path, &cause);
        let bytes = size(file, path)?;
        if !self.archive.can_have(bytes) {
            return Ok(End::Refused(self.wrong_size(bytes)));
        }
        let Archive { md5, sha256, .. } = self.archive;
        if !self.archive.has_checksum() {
            tell(&format!(
                "{}: {bytes} bytes; no checksum of it is published: its contents are checked instead",
                self.archive.file
            ));
            return Ok(End::Whole);
        }
        let (mut md5_found, mut sha256_found) = (Md5::new(), Sha256::new());
        let mut gauge = Gauge::new(format!("checking {}", self.archive.file), Some(bytes));
        file.seek(SeekFrom::Start(0)).map_err(unreadable)?;
        let (mut buffer, mut done) = (vec![0; 1 << 20], 0);
        loop {
            if (self.stop)() {
                return Ok(End::Stopped);
            }
            let count = file.read(&mut buffer).map_err(unreadable)?;
            if count == 0 {
                break;
            }
            if md5.is_some() {
                md5_found.update(&buffer[..count]);
            }
            if sha256.is_some() {
                sha256_found.update(&buffer[..count]);
            }
            done += count as u64;
            gauge.set(done);
        }
        let found = [
            ("MD5", md5, hex(&md5_found.finalize())),
            ("SHA-256", sha256, hex(&sha256_found.finalize())),
        ];
        for (name, published, found) in found {
            if let Some(published) = published.as_ref().filter(|sum| **sum != found) {
                return Ok(End::Refused(format!(
                    "its {name} is {found}, published: {published}"
                )));
            }
        }
        Ok(End::Whole)
    }

    /// Gives the file its name, once its bytes are on the disk.
    fn finish(&self, file: &File, part: &Path, path: &Path) -> Result<()> {
        file.sync_all()
            .and_then(|()| whole_file::rename(part, path))
            .map_err(|cause| Error::file("cannot write", path, &cause))?;
        let _ = fs::remove_file(self.path("part.from")); // It is no use any more, nor harm.
        Ok(())
    }
}

fn agent() -> Agent {
    let config = Agent::config_builder()
        .timeout_resolve(Some(ANSWER))
        .timeout_connect(Some(ANSWER))
        .timeout_recv_response(Some(ANSWER))
        .timeout_per_read(Some(SILENCE))
        .timeout_per_write(Some(SILENCE))
        .http_status_as_error(false)
        .user_agent(concat!("skein-lab/", env!("CARGO_PKG_VERSION")))
        .build();
    Agent::new_with_config(config)
}

/// What an error before the answer means.
fn ended(error: &ureq::Error) -> End {
    let reason = error.to_string();
    match error {
        ureq::Error::Io(_)
        | ureq::Error::Timeout(_)
        | ureq::Error::Protocol(_)
        | ureq::Error::ConnectionFailed => End::Broken(reason),
        _ => End::Refused(reason),
    }
}

fn size(file: &File, path: &Path) -> Result<u64> {
    let found = file.metadata();
    found
        .map(|found| found.len())
        .map_err(|cause| Error::file("cannot read", path, &cause))
}

fn number(headers: &HeaderMap, name: HeaderName) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

/// The first byte and the size of the whole file, of `bytes 5-9/10`, `bytes 5-9/*` or `bytes */10`
/// (the first byte is 0).
fn content_range(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let value = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    let (range, total) = value.strip_prefix("bytes ")?.split_once('/')?;
    let start = match range.split_once('-') {
        Some((start, _)) => start.trim().parse().ok()?,
        None => 0,
    };
    Some((start, total.trim().parse().ok()))
}

/// Whether two addresses are the same but for a default port or an empty path.
fn same(one: &str, other: &str) -> bool {
    one.trim_end_matches('/') == other.trim_end_matches('/')
}

/// Sees to it that this process is the only one that is `doing` something to the file at `path`, until `file` is
/// closed. Waits a moment: whoever has just started a program holds the locks of this one until that program runs.
pub(super) fn hold(file: &File, path: &Path, doing: &str) -> Result<()> {
    const TRIES: usize = 20;
    for tried in 1.. {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if tried < TRIES => {
                thread::sleep(Duration::from_millis(50));
            }
            Err(TryLockError::WouldBlock) => {
                let message = format!("another process is {doing} {}", path.display());
                return Err(Error::failure(message).hint("wait until it has ended"));
            }
            Err(TryLockError::Error(cause)) => {
                return Err(Error::file("cannot lock", path, &cause));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_are_read() {
        let read = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_RANGE, value.parse().unwrap());
            content_range(&headers)
        };
        assert_eq!(read("bytes 5-9/10"), Some((5, Some(10))));
        assert_eq!(read("bytes 5-9/*"), Some((5, None)));
        assert_eq!(read("bytes */10"), Some((0, Some(10))));
        for wrong in ["bytes", "5-9/10", "bytes x-9/10", "bytes 5-9"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
