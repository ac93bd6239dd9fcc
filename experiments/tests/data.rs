//! The binary `data`: downloads from a server in this file, with everything that can go wrong on
//! the way, and processes that verify, make and show.

use crate::support::{has, names};
use datasets::verify::Report;
use datasets::{Black, Protocol, image, text};
use experiments::commands::data::{Fetched, Get, Manifest};
use experiments::settings::choices::Task;
use flate2::Compression;
use flate2::write::GzEncoder;
use md5::{Digest, Md5};
use std::cell::Cell;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;

// A server.

/// What was asked for.
#[derive(Clone, Debug, Default)]
struct Request {
    path: String,
    /// First byte of the range.
    range: Option<usize>,
    if_range: Option<String>,
}

struct Server {
    /// `http://127.0.0.1:PORT`.
    url: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Answers every request by the bytes that `reply` makes of its number and itself, then closes
    /// the connection.
    fn new(reply: impl Fn(usize, &Request) -> Vec<u8> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests: Arc<Mutex<Vec<Request>>> = Arc::default();
        let seen = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let request = read_request(&stream);
                let number = seen.lock().unwrap().len();
                seen.lock().unwrap().push(request.clone());
                // The client may have enough before the end.
                let _ = stream.write_all(&reply(number, &request));
            }
        });
        Self { url, requests }
    }

    fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

fn read_request(stream: &TcpStream) -> Request {
    let mut request = Request::default();
    for line in BufReader::new(stream).lines() {
        let line = line.unwrap();
        if line.is_empty() {
            break;
        }
        if let Some(rest) = line.strip_prefix("GET ") {
            request.path = rest.split(' ').next().unwrap().to_string();
        } else if let Some((name, value)) = line.split_once(": ") {
            match name.to_lowercase().as_str() {
                "range" => {
                    let start = value.strip_prefix("bytes=").unwrap();
                    request.range = Some(start.strip_suffix('-').unwrap().parse().unwrap());
                }
                "if-range" => request.if_range = Some(value.to_string()),
                _ => {}
            }
        }
    }
    request
}

fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\n{headers}\r\n");
    [head.as_bytes(), body].concat()
}

/// The whole file.
fn whole(body: &[u8]) -> Vec<u8> {
    let headers = format!("Content-Length: {}\r\nETag: \"one\"\r\n", body.len());
    answer("200 OK", &headers, body)
}

/// What was asked for: the whole file, or its end.
fn wanted(request: &Request, body: &[u8]) -> Vec<u8> {
    let Some(start) = request.range else {
        return whole(body);
    };
    let headers = format!(
        "Content-Range: bytes {start}-{}/{}\r\nContent-Length: {}\r\n",
        body.len() - 1,
        body.len(),
        body.len() - start
    );
    answer("206 Partial Content", &headers, &body[start..])
}

/// An answer that breaks off after so many bytes of its body.
fn cut(mut answer: Vec<u8>, bytes: usize) -> Vec<u8> {
    let body = answer.windows(4).position(|end| end == b"\r\n\r\n");
    answer.truncate(body.unwrap() + 4 + bytes);
    answer
}

// A cache that is filled from it.

/// Bytes that look like nothing, by a linear congruential generator.
fn content() -> Vec<u8> {
    let mut state: u32 = 1;
    let mut byte = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..300_000).map(|_| byte()).collect()
}

fn md5(bytes: &[u8]) -> String {
    Md5::digest(bytes)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect()
}

/// `file.bin` at the address, as the data of the task image; of these bytes.
fn manifest(url: &str, bytes: &[u8]) -> Manifest {
    Manifest::parse(&format!(
        "[[archive]]\nfile = 'file.bin'\nurl = '{url}'\nbytes = {}\nmd5 = '{}'\n\
         [[set]]\ntask = 'image'\narchive = 'file.bin'\nplace = 'file.bin'\n",
        bytes.len(),
        md5(bytes)
    ))
    .unwrap()
}

fn get(manifest: Manifest, cache: &TempDir) -> Get {
    Get {
        manifest,
        cache: cache.path().join("cache"),
        mirrors: vec![],
        pause: Duration::from_millis(1),
        verify: |_, place| Ok(report(place, &[])),
    }
}

/// [`content`] on a server that makes replies of it, and a folder for a cache.
fn serve(
    reply: impl Fn(&[u8], usize, &Request) -> Vec<u8> + Send + 'static,
) -> (Server, Vec<u8>, TempDir) {
    let body = content();
    let server = Server::new(move |number, request| reply(&body, number, request));
    (server, content(), tempfile::tempdir().unwrap())
}

/// A report about what is there.
fn report(place: &Path, differences: &[&str]) -> Report {
    Report {
        title: format!("data at {}", place.display()),
        facts: vec![],
        differences: differences.iter().map(|line| line.to_string()).collect(),
        faults: vec![],
        checksums: true,
    }
}

/// What a call that is to end well and is not stopped has fetched.
fn fetch(get: &Get, task: Task) -> Fetched {
    get.run(task, &never).unwrap().expect("not stopped")
}

/// The error of a call that is to fail.
fn failure(get: &Get, task: Task) -> String {
    match get.run(task, &never) {
        Ok(_) => panic!("it has not failed"),
        Err(error) => error.to_string(),
    }
}

fn never() -> bool {
    false
}

/// The file has come, and nothing else is left.
fn assert_there(get: &Get, bytes: &[u8]) {
    let path = fetch(get, Task::Image).place;
    assert_eq!(path, get.cache.join("file.bin"));
    assert!(fs::read(path).unwrap() == bytes);
    assert_eq!(names(&get.cache), ["file.bin"]);
}

/// It has not come, and nothing is left; the error and its hint.
fn assert_refused(get: &Get) -> String {
    let error = failure(get, Task::Image);
    assert_eq!(names(&get.cache), [""; 0], "{error}");
    error
}

#[test]
fn a_file_comes_once() {
    let (server, bytes, cache) = serve(|body, _, request| wanted(request, body));
    let get = get(
        manifest(&format!("{}/a/file.bin", server.url), &bytes),
        &cache,
    );
    assert_there(&get, &bytes);
    assert_there(&get, &bytes);
    assert_eq!(server.requests().len(), 1);
    assert_eq!(server.requests()[0].path, "/a/file.bin");
    // What is there is looked at again.
    fs::write(get.cache.join("file.bin"), &bytes[1..]).unwrap();
    let error = failure(&get, Task::Image);
    has(&error, "it has 299999 bytes, published: 300000");
    has(&error, "hint: remove the file to get it again");
}

#[test]
fn a_connection_that_breaks_is_made_again_from_where_it_was() {
    let (server, bytes, cache) = serve(|body, number, request| match number {
        0 => cut(whole(body), 100_000),
        1 => cut(wanted(request, body), 50_000),
        _ => wanted(request, body),
    });
    assert_there(&get(manifest(&server.url, &bytes), &cache), &bytes);
    let ranges: Vec<_> = server.requests().iter().map(|r| r.range).collect();
    assert_eq!(ranges, [None, Some(100_000), Some(150_000)]);
    let validator = server.requests()[1].if_range.clone();
    assert_eq!(validator.as_deref(), Some("\"one\""));
}

#[test]
fn a_later_call_goes_on_where_an_earlier_one_was_stopped() {
    let (server, bytes, cache) = serve(|body, _, request| wanted(request, body));
    let get = get(manifest(&server.url, &bytes), &cache);
    let part = get.cache.join("file.bin.part");
    let here = || fs::metadata(&part).map_or(0, |found| found.len());
    assert!(get.run(Task::Image, &|| here() > 0).unwrap().is_none());
    let stopped = here();
    assert!((1..300_000).contains(&stopped), "{stopped}");
    assert_eq!(names(&get.cache), ["file.bin.part", "file.bin.part.from"]);
    assert_there(&get, &bytes);
    let last = server.requests().pop().unwrap();
    assert_eq!(last.range, Some(stopped as usize));
    assert_eq!(last.if_range.as_deref(), Some("\"one\""));
}

#[test]
fn what_an_earlier_call_has_left_is_no_obstacle_if_it_is_wrong() {
    let bytes = content();
    for left in [1000, 300_000, 300_001] {
        let body = bytes.clone();
        let server = Server::new(move |_, request| wanted(request, &body));
        let cache = tempfile::tempdir().unwrap();
        let get = get(manifest(&server.url, &bytes), &cache);
        fs::create_dir_all(&get.cache).unwrap();
        fs::write(get.cache.join("file.bin.part"), vec![b'x'; left]).unwrap();
        assert_there(&get, &bytes);
        let last = server.requests().pop().unwrap();
        assert_eq!((last.range, last.if_range), (None, None));
    }
}

#[test]
fn a_server_that_ignores_ranges_begins_again() {
    let (server, bytes, cache) = serve(|body, number, _| match number {
        0 => cut(whole(body), 100_000),
        _ => whole(body),
    });
    assert_there(&get(manifest(&server.url, &bytes), &cache), &bytes);
    assert_eq!(server.requests()[1].range, Some(100_000));
}

#[test]
fn a_server_that_always_breaks_off_is_given_up() {
    let (server, bytes, cache) = serve(|body, _, _| cut(whole(body), 100_000));
    let get = get(manifest(&server.url, &bytes), &cache);
    let error = failure(&get, Task::Image);
    assert!(error.contains("broke off at byte 100000"), "{error}");
    assert!(server.requests().len() <= 5, "{:?}", server.requests());
    // What has come may be of use to a later call.
    assert_eq!(names(&get.cache), ["file.bin.part", "file.bin.part.from"]);
}

#[test]
fn another_range_than_the_one_asked_for_is_not_taken() {
    let (server, bytes, cache) = serve(|body, number, request| match number {
        0 => cut(whole(body), 100_000),
        _ => {
            let range = request.range.map(|start| start - 1);
            wanted(
                &Request {
                    range,
                    ..request.clone()
                },
                body,
            )
        }
    });
    let get = get(manifest(&server.url, &bytes), &cache);
    let error = failure(&get, Task::Image);
    let reason = "asked for bytes from 100000, it says to send from 99999";
    assert!(error.contains(reason), "{error}");
    assert!(!get.cache.join("file.bin").exists());
}

#[test]
fn a_wrong_byte_is_found_and_another_address_helps() {
    let bytes = content();
    let (good, mut bad) = (bytes.clone(), bytes.clone());
    bad[123_456] ^= 1;
    let server = Server::new(move |_, request| {
        wanted(
            request,
            if request.path.ends_with("bad") {
                &bad
            } else {
                &good
            },
        )
    });
    let cache = tempfile::tempdir().unwrap();
    let mut get = get(manifest(&format!("{}/bad", server.url), &bytes), &cache);
    let error = assert_refused(&get);
    assert!(error.contains("its MD5 is "), "{error}");
    has(&error, format!(", published: {}", md5(&bytes)));
    get.mirrors = vec![
        format!("{}/bad", server.url),
        format!("{}/good/", server.url),
    ];
    assert_there(&get, &bytes);
    assert_eq!(server.requests().pop().unwrap().path, "/good/file.bin");
}

#[test]
fn a_wrong_length_is_refused_before_the_first_byte() {
    let bytes = content();
    let body = [&bytes[..], b"more"].concat();
    let server = Server::new(move |_, _| whole(&body));
    let cache = tempfile::tempdir().unwrap();
    let error = assert_refused(&get(manifest(&server.url, &bytes), &cache));
    has(&error, "it has 300004 bytes, published: 300000");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_length_that_nobody_states_is_counted() {
    let bytes = content();
    let longer = [&bytes[..], b"more"].concat();
    let server = Server::new(move |_, _| answer("200 OK", "", &longer));
    let cache = tempfile::tempdir().unwrap();
    let error = assert_refused(&get(manifest(&server.url, &bytes), &cache));
    assert!(error.contains("it goes on after byte 300000"), "{error}");

    let shorter = bytes[1..].to_vec();
    let server = Server::new(move |_, _| answer("200 OK", "", &shorter));
    let cache = tempfile::tempdir().unwrap();
    let get = get(manifest(&server.url, &bytes), &cache);
    let error = failure(&get, Task::Image);
    // What has come is not given up for an answer that may be no file at all.
    let reason = "it does not say how long the file is, so the 300.00 kB in ";
    assert!(error.contains(reason), "{error}");
    assert_eq!(names(&get.cache), ["file.bin.part", "file.bin.part.from"]);
}

/// Neither a page that says "200 OK", nor a server of another file, costs what has come.
#[test]
fn what_is_here_outlasts_an_address_that_has_something_else() {
    let bytes = content();
    let body = bytes.clone();
    let server = Server::new(move |number, request| match number {
        0 => cut(whole(&body), 100_000),
        1 => answer("404 Not Found", "Content-Length: 0\r\n", b""),
        _ => wanted(request, &body),
    });
    let longer = vec![b'x'; 200_001];
    let other = Server::new(move |_, request| match request.path.as_str() {
        "/page" => answer("200 OK", "", b"<html>out of order</html>"),
        "/short" => answer(
            "416 Range Not Satisfiable",
            "Content-Range: bytes */5\r\n",
            b"",
        ),
        _ => {
            let headers = "Content-Range: bytes 100000-299999/300000\r\n";
            answer("206 Partial Content", headers, &longer)
        }
    });
    let cache = tempfile::tempdir().unwrap();
    let mut get = get(manifest(&server.url, &bytes), &cache);
    failure(&get, Task::Image);
    let part = get.cache.join("file.bin.part");
    assert!(fs::read(part).unwrap() == bytes[..100_000]);
    get.mirrors = ["page", "short", "long"]
        .map(|name| format!("{}/{name}", other.url))
        .to_vec();
    assert_there(&get, &bytes);
    let ranges: Vec<_> = other.requests().iter().map(|r| r.range).collect();
    assert_eq!(ranges, [Some(100_000); 3]);
    assert_eq!(server.requests().pop().unwrap().range, Some(100_000));
}

#[test]
fn a_redirect_is_followed_with_the_range() {
    let (server, bytes, cache) = serve(|body, number, request| match request.path.as_str() {
        "/real" if number < 2 => cut(whole(body), 100_000),
        "/real" => wanted(request, body),
        _ => answer("302 Found", "Location: /real\r\nContent-Length: 0\r\n", b""),
    });
    assert_there(&get(manifest(&server.url, &bytes), &cache), &bytes);
    let last = server.requests().pop().unwrap();
    assert_eq!((last.path.as_str(), last.range), ("/real", Some(100_000)));
}

#[test]
fn what_is_not_there_names_its_address_and_says_what_helps() {
    let bytes = content();
    let server = Server::new(|_, _| answer("404 Not Found", "Content-Length: 0\r\n", b""));
    let cache = tempfile::tempdir().unwrap();
    let url = format!("{}/file.bin", server.url);
    let mut get = get(manifest(&url, &bytes), &cache);
    let error = assert_refused(&get);
    let expected = format!("error: cannot get file.bin: {url}: 404 Not Found\nhint: --mirror URL");
    assert!(error.starts_with(&expected), "{error}");
    assert_eq!(server.requests().len(), 1);
    // Nobody listens there; it may be a passing thing, so it is tried again, then the next address.
    let unencrypted = url.replace("http", "https");
    get.mirrors = vec![
        "http://127.0.0.1:9/file.bin".into(),
        unencrypted.clone(),
        "nonsense".into(),
    ];
    let error = assert_refused(&get);
    let closed = "http://127.0.0.1:9/file.bin: ";
    for address in [closed, &unencrypted, "nonsense: ", &url] {
        assert!(error.contains(address), "{error}");
    }
}

#[test]
fn an_error_of_the_server_may_pass() {
    let (server, bytes, cache) = serve(|body, number, request| match number {
        0 | 1 => answer("503 Service Unavailable", "Content-Length: 0\r\n", b""),
        _ => wanted(request, body),
    });
    assert_there(&get(manifest(&server.url, &bytes), &cache), &bytes);
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn a_full_disk_is_found_before_the_first_request() {
    let server = Server::new(|_, _| vec![]);
    let cache = tempfile::tempdir().unwrap();
    let mut manifest = manifest(&server.url, b"");
    manifest.archives[0].bytes = Some(1 << 60);
    let error = assert_refused(&get(manifest, &cache));
    has(&error, "image needs about 1.15 EB more in ");
    has(&error, "hint: free some space, or choose");
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn two_processes_do_not_write_one_file() {
    let server = Server::new(|_, _| vec![]);
    let cache = tempfile::tempdir().unwrap();
    let get = get(manifest(&server.url, b"x"), &cache);
    fs::create_dir_all(&get.cache).unwrap();
    let other = fs::File::create(get.cache.join("file.bin.part")).unwrap();
    other.lock().unwrap();
    let error = failure(&get, Task::Image);
    assert!(error.contains("another process is writing"), "{error}");
    assert_eq!(server.requests().len(), 0);
}

// Archives.

/// A `.tar.gz` of these files.
fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, content) in members {
        let mut header = tar::Header::new_ustar();
        // As it is given: `set_path` refuses what is to be refused here.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append(&header, *content).unwrap();
    }
    let mut link = tar::Header::new_ustar();
    link.set_entry_type(tar::EntryType::Symlink);
    link.set_size(0);
    tar.append_link(&mut link, "reviews/train/pos/9_9.txt", "/etc/passwd")
        .unwrap();
    tar.into_inner().unwrap().finish().unwrap()
}

/// The folder `reviews` out of an archive without a published checksum.
fn reviews(url: &str, bytes: usize) -> Manifest {
    Manifest::parse(&format!(
        "[[archive]]\nfile = 'reviews.tar.gz'\nurl = '{url}'\nabout_bytes = {bytes}\n\
         [[set]]\ntask = 'text'\narchive = 'reviews.tar.gz'\nplace = 'reviews'\n\
         files = ['train/neg/*.txt', 'train/pos/*.txt', 'test/neg/*.txt', 'test/pos/*.txt']\n\
         unpacked_bytes = 1000\n"
    ))
    .unwrap()
}

const MEMBERS: [(&str, &[u8]); 7] = [
    ("release/reviews/train/neg/0_1.txt", b"bad"),
    ("release/reviews/train/pos/0_9.txt", b"good"),
    ("release/reviews/train/unsup/0_0.txt", b"neither"),
    ("release/reviews/test/neg/0_1.txt", b"worse"),
    ("release/reviews/test/pos/0_9.txt", b"better"),
    ("../reviews/test/pos/1_9.txt", b"outside"),
    ("release/README", b"read me"),
];

/// What comes of an archive: the error, or else the names of the files in its folder.
fn unpacked(bytes: Vec<u8>) -> Result<Vec<String>, String> {
    let manifest = |server: &Server| reviews(&server.url, bytes.len());
    let body = bytes.clone();
    let server = Server::new(move |_, request| wanted(request, &body));
    let cache = tempfile::tempdir().unwrap();
    let get = get(manifest(&server), &cache);
    let fetched = get.run(Task::Text, &never);
    assert!(names(cache.path()) == ["cache"], "something is outside");
    match fetched {
        Ok(fetched) => {
            let Fetched { place, report } = fetched.expect("not stopped");
            assert_eq!(place, get.cache.join("reviews"));
            assert_eq!(report.title, format!("data at {}", place.display()));
            assert_eq!(names(&get.cache), ["reviews", "reviews.tar.gz"]);
            // It is there: no second look.
            fetch(&get, Task::Text);
            assert_eq!(server.requests().len(), 1);
            let data = text::load(&place, 100, Protocol::Paper).unwrap();
            assert_eq!(data.train.examples.len(), 2);
            let folders = [
                "train/neg",
                "train/pos",
                "train/unsup",
                "test/neg",
                "test/pos",
            ];
            let names = folders.map(|folder| names(&place.join(folder)));
            Ok(names.concat())
        }
        Err(error) => {
            let error = error.to_string();
            let is_damaged = error.contains("reviews.tar.gz.damaged now");
            let left = ["reviews.tar.gz", "reviews.tar.gz.damaged"][usize::from(is_damaged)];
            assert_eq!(names(&get.cache), [left], "{error}");
            Err(error)
        }
    }
}

#[test]
fn of_an_archive_the_members_that_are_wanted_come_and_no_others() {
    let files = unpacked(archive(&MEMBERS)).unwrap();
    assert_eq!(files, ["0_1.txt", "0_9.txt", "0_1.txt", "0_9.txt"]);
}

/// Long names as GNU and pax write them, what is said about all files, and what macOS leaves; what would change the
/// contents is refused by its name, and the archive is not called damaged.
#[test]
fn archives_of_all_kinds_are_unpacked_or_refused_by_their_kind() {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let typed = |tar: &mut tar::Builder<_>, kind: u8, name: &str, content: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::new(kind));
        header.set_size(content.len() as u64);
        header.set_path(name).unwrap();
        header.set_cksum();
        tar.append(&header, content).unwrap();
    };
    let deep = format!("{}/reviews", "deep".repeat(40));
    typed(&mut tar, b'g', "pax_global_header", b"18 comment=of git\n");
    typed(&mut tar, b'0', "reviews/train/neg/._0_1.txt", b"Mac OS X");
    typed(
        &mut tar,
        b'0',
        "__MACOSX/reviews/train/neg/0_1.txt",
        b"Mac OS X",
    );
    for (place, content) in &MEMBERS[..5] {
        let place = place.strip_prefix("release/reviews/").unwrap();
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        match place.contains("neg") {
            true => tar
                .append_data(&mut header, format!("{deep}/{place}"), *content)
                .unwrap(),
            false => {
                let path = format!("{deep}/{place}");
                tar.append_pax_extensions([("mtime", &b"1.5"[..]), ("path", path.as_bytes())])
                    .unwrap();
                typed(&mut tar, b'0', "cut", content);
            }
        }
    }
    let files = unpacked(tar.into_inner().unwrap().finish().unwrap()).unwrap();
    assert_eq!(files, ["0_1.txt", "0_9.txt", "0_1.txt", "0_9.txt"]);

    for (kind, says, words) in [
        (b'S', &b""[..], "a sparse file"),
        (b'x', b"22 GNU.sparse.major=1\n", "a sparse file"),
        (
            b'g',
            b"10 size=1\n",
            "a pax header gives all files one name or size",
        ),
    ] {
        let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        typed(&mut tar, kind, "reviews/train/neg/0_1.txt", says);
        let error = unpacked(tar.into_inner().unwrap().finish().unwrap()).unwrap_err();
        assert!(
            error.contains(words) && !error.contains("damaged"),
            "{error}"
        );
    }
}

#[test]
fn an_archive_that_is_damaged_or_not_as_expected_leaves_no_folder() {
    let missing = unpacked(archive(&MEMBERS[1..])).unwrap_err();
    has(&missing, "there is no reviews/train/neg/*.txt in it");
    // Other tasks may use the same archive, which is intact.
    has(&missing, "hint: remove the file to get it again");
    let twice = unpacked(archive(&[MEMBERS, MEMBERS].concat())).unwrap_err();
    assert!(twice.contains("0_1.txt is in it twice"), "{twice}");
    let huge = [0; 3000];
    let more = unpacked(archive(
        &[&MEMBERS[..], &[("reviews/test/pos/2.txt", &huge)]].concat(),
    ));
    let more = more.unwrap_err();
    has(&more, "there is far more in it than expected");

    let good = archive(&MEMBERS);
    let end = good.len();
    // The four bytes before the last four are the checksum.
    let mut bad = good.clone();
    bad[end - 6] ^= 1;
    for damaged in [
        bad,
        good[..end - 20].to_vec(),
        b"no archive at all".to_vec(),
    ] {
        let error = unpacked(damaged).unwrap_err();
        assert!(error.contains("cannot unpack"), "{error}");
        has(
            &error,
            "reviews.tar.gz.damaged now\nhint: the same command gets it again",
        );
    }
}

#[test]
fn after_a_damaged_archive_the_next_call_gets_another() {
    let good = archive(&MEMBERS);
    let bytes = good.len();
    let server = Server::new(move |number, _| match number {
        0 => whole(&good[..good.len() - 20]),
        _ => whole(&good),
    });
    let cache = tempfile::tempdir().unwrap();
    let get = get(reviews(&server.url, bytes), &cache);
    failure(&get, Task::Text);
    assert_eq!(fetch(&get, Task::Text).place, get.cache.join("reviews"));
    let left = ["reviews", "reviews.tar.gz", "reviews.tar.gz.damaged"];
    assert_eq!(names(&get.cache), left);
}

#[test]
fn a_set_has_its_name_only_when_it_is_as_published() {
    let bytes = archive(&MEMBERS);
    let body = bytes.clone();
    let server = Server::new(move |_, _| whole(&body));
    let cache = tempfile::tempdir().unwrap();
    let mut get = get(reviews(&server.url, bytes.len()), &cache);
    let unverified = get.cache.join("reviews.unverified");
    get.verify = |_, place| Ok(report(place, &["one text too many"]));
    // Looked at twice, it is what it was.
    for _ in 0..2 {
        let Fetched { place, report } = fetch(&get, Task::Text);
        assert!(place == unverified && !report.as_published());
        assert_eq!(report.title, format!("data at {}", unverified.display()));
        assert_eq!(names(&get.cache), ["reviews.tar.gz", "reviews.unverified"]);
    }
    get.verify = |_, _| {
        "no number"
            .parse::<u8>()
            .map(|_| unreachable!())
            .map_err(Into::into)
    };
    assert!(failure(&get, Task::Text).contains("invalid digit"));
    assert!(!get.cache.join("reviews").exists());
    get.verify = |_, place| Ok(report(place, &[]));
    fetch(&get, Task::Text);
    assert_eq!(names(&get.cache), ["reviews", "reviews.tar.gz"]);
    // Whoever asks to stop does not wait for a look that takes long.
    let place = get.cache.join("reviews");
    get.verify = |_, place| {
        std::thread::sleep(Duration::from_secs(60));
        Ok(report(place, &[]))
    };
    let asked = Cell::new(0);
    let stop = || asked.replace(asked.get() + 1) > 2;
    assert!(get.run(Task::Text, &stop).unwrap().is_none());
    get.verify = |_, place| Ok(report(place, &[]));
    assert_eq!(fetch(&get, Task::Text).place, place);
}

#[test]
fn a_length_that_nobody_knows_is_refused_where_no_checksum_is() {
    let bytes = archive(&MEMBERS);
    let half = bytes[..bytes.len() * 3 / 4].to_vec();
    // A connection that is closed early looks like this.
    let server = Server::new(move |_, _| answer("200 OK", "", &half));
    let cache = tempfile::tempdir().unwrap();
    let get = get(reviews(&server.url, bytes.len()), &cache);
    let error = failure(&get, Task::Text);
    let reason = "it does not say how long the file is, and no checksum could tell the whole of it";
    assert!(error.contains(reason), "{error}");
    assert_eq!(names(&get.cache), [""; 0]);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn without_a_checksum_a_file_is_of_one_address() {
    let good = archive(&MEMBERS);
    let [bytes, half] = [good.len(), good.len() / 2];
    for first_comes_back in [true, false] {
        let body = vec![b'x'; bytes];
        let ours = good.clone();
        let first = Server::new(move |number, request| match number {
            0 => cut(whole(&body), half),
            2 if first_comes_back => wanted(request, &ours),
            _ => answer("404 Not Found", "Content-Length: 0\r\n", b""),
        });
        let body = good.clone();
        let second = Server::new(move |number, request| match number {
            0 => cut(whole(&body), 10),
            _ => wanted(request, &body),
        });
        let cache = tempfile::tempdir().unwrap();
        let mut get = get(reviews(&first.url, bytes), &cache);
        failure(&get, Task::Text);
        get.mirrors = vec![second.url.clone()];
        let outcome = get.run(Task::Text, &never);
        // Its own address goes on with what is here, before any other.
        assert_eq!(first.requests()[2].range, Some(half));
        let ranges: Vec<_> = second.requests().iter().map(|r| r.range).collect();
        if first_comes_back {
            assert!(ranges.is_empty());
            assert!(outcome.is_err()); // The two halves of what that address has sent.
        } else {
            assert_eq!(ranges, [None, Some(10)]);
            assert_eq!(outcome.unwrap().unwrap().place, get.cache.join("reviews"));
        }
    }
}

/// Six files of 10,000 black pictures each, as CIFAR-10 has them but for what is to be seen.
#[test]
fn pictures_are_read_inside_their_archive() {
    let file = vec![0; 10_000 * (1 + 3 * image::PIXELS)];
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for name in ["1", "2", "3", "4", "5"].map(|n| format!("data_batch_{n}.bin")) {
        append(&mut tar, &name, &file);
    }
    append(&mut tar, "test_batch.bin", &file);
    let bytes = tar.into_inner().unwrap().finish().unwrap();
    let body = bytes.clone();
    let server = Server::new(move |_, request| wanted(request, &body));
    let cache = tempfile::tempdir().unwrap();
    let get = get(manifest(&server.url, &bytes), &cache);
    assert_there(&get, &bytes);
    let place = fetch(&get, Task::Image).place;
    let data = image::load(&place, Black::Kept).unwrap();
    assert_eq!(data.train.examples.len(), 45_000);
    // All are the same, which is said, and changes no split.
    let copies = "pictures with a copy in a later split: 50000 (none removed)";
    assert!(
        data.notes.iter().any(|note| note == copies),
        "{:?}",
        data.notes
    );
}

fn append(tar: &mut tar::Builder<GzEncoder<Vec<u8>>>, name: &str, content: &[u8]) {
    let mut header = tar::Header::new_ustar();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    let path = format!("cifar-10-batches-bin/{name}");
    tar.append_data(&mut header, path, content).unwrap();
}

// Processes.

fn data(args: &str) -> Command {
    let mut command = crate::skein("data");
    command
        .args(args.split_whitespace())
        // Nobody's cache.
        .env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Ctrl-C, and what there is when the program has ended.
fn interrupted(child: Child) -> Output {
    let id = child.id().to_string();
    let sent = Command::new("kill").args(["-INT", &id]).status().unwrap();
    assert!(sent.success());
    child.wait_with_output().unwrap()
}

fn printed(output: &Output) -> [String; 2] {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8(bytes.clone()).unwrap())
}

/// Runs a command in a folder; standard output of what is to end well.
fn succeed(folder: &Path, args: &str) -> String {
    let output = data(args).current_dir(folder).output().unwrap();
    let [stdout, stderr] = printed(&output);
    assert_eq!(output.status.code(), Some(0), "{args}: {stderr}");
    assert!(!stderr.contains("error: "), "{args}: {stderr}");
    stdout
}

/// Runs a command in a folder; standard output and the error of what is to fail.
fn refuse(folder: &Path, args: &str, code: i32) -> [String; 2] {
    let output = data(args).current_dir(folder).output().unwrap();
    let [stdout, stderr] = printed(&output);
    assert_eq!(output.status.code(), Some(code), "{args}: {stderr}");
    assert!(!stderr.contains("panicked"), "{args}: {stderr}");
    assert!(stderr.starts_with("error: "), "{args}: {stderr}");
    assert!(stderr.contains("\nhint: "), "{args}: {stderr}");
    assert_eq!(stderr.lines().count(), 2, "{args}: {stderr}");
    [stdout, stderr]
}

#[test]
fn wrong_flags_are_one_error_and_a_hint() {
    let root = tempfile::tempdir().unwrap();
    for (args, expected) in [
        (
            "",
            "skein data: which command? expected one of get, make, verify, show",
        ),
        (
            "fetch text",
            "unknown command `skein data fetch`: expected one of get,",
        ),
        (
            "get speech",
            "invalid value 'speech' for '<TASK>' [possible values: text, listops, retrieval, pathfinder, image]",
        ),
        (
            "verify text",
            "the following required arguments were not provided: <PATH>",
        ),
        (
            "verify speech x",
            "invalid value 'speech' for '<TASK>' [possible values: text, listops,",
        ),
        (
            "make listops --count 0,1,1",
            "invalid value '0' for '--count",
        ),
        (
            "make retrieval --count 1000000000,1,1",
            "invalid value '1000000000' for '--count <N,N,N>': expected a whole number from 1 to 1000000",
        ),
        (
            "make listops --count 5",
            "--count has 1 numbers, expected 3 for listops",
        ),
        (
            "make text --count 5,1",
            "--count 5,1: expected 2 to 25000 and 2 to 5000 for text",
        ),
        (
            "make listops --settings easy",
            "--settings: listops has none",
        ),
        (
            "make pathfinder --settings hard",
            "no Pathfinder settings \"hard\": there are lra, lra-9,",
        ),
        ("make listops --out ..", "..: expected the name of a folder"),
        ("make image", "image: there is nothing to write: "),
        (
            "show text --out x.png",
            "--out draws pictures; text has none",
        ),
        (
            "show text --split dve",
            "invalid value 'dve' for '--split <NAME>'",
        ),
        (
            "show text --overwrit",
            "unexpected argument '--overwrit' found",
        ),
    ] {
        let [_, stderr] = refuse(root.path(), args, 2);
        assert!(
            stderr.starts_with(&format!("error: {expected}")),
            "{args}: {stderr}"
        );
    }
    assert_eq!(names(root.path()), [""; 0]);
}

#[test]
fn a_closed_pipe_is_no_error() {
    for args in ["--help", "get --help", "show image --count 200"] {
        let mut child = data(args).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{args}");
        assert_eq!(printed(&output)[1], "", "{args}");
    }
}

#[test]
fn made_expressions_verify_until_a_target_is_wrong() {
    let root = tempfile::tempdir().unwrap();
    let said = succeed(root.path(), "make listops --count 30,10,10 --seed 5");
    assert_eq!(
        said,
        "made/listops-s5: 30 + 10 + 10 examples of listops, seed 5\n"
    );
    let set = root.path().join("made/listops-s5");
    let files = [
        "basic_test.tsv",
        "basic_train.tsv",
        "basic_val.tsv",
        "made.toml",
    ];
    assert_eq!(names(&set), files);
    assert_eq!(names(&root.path().join("made")), ["listops-s5"]);

    let page = succeed(root.path(), "verify listops made/listops-s5");
    has(&page, "basic_train.tsv: 30 of 30 Targets confirmed");
    assert!(page.contains("not as published:"), "{page}");
    let [_, stderr] = refuse(root.path(), "verify listops made/listops-s5 --published", 1);
    has(&stderr, "4 differences from the published data");

    let file = set.join("basic_val.tsv");
    let text = fs::read_to_string(&file).unwrap();
    let mut lines: Vec<&str> = text.split("\r\n").collect();
    let (expression, target) = lines[3].split_once('\t').unwrap();
    let other = (target.parse::<u8>().unwrap() + 1) % 10;
    let changed = format!("{expression}\t{other}");
    lines[3] = &changed;
    fs::write(&file, lines.join("\r\n")).unwrap();
    let [page, stderr] = refuse(root.path(), "verify listops made/listops-s5", 1);
    let fault = format!(
        "wrong:\n  basic_val.tsv, line 4: the Target is {other}, the value of the expression {target}\n"
    );
    assert!(page.contains(&fault), "{page}");
    has(&stderr, "made/listops-s5: 1 thing in it is wrong");

    lines[3] = "no expression\t3";
    fs::write(&file, lines.join("\r\n")).unwrap();
    let [page, stderr] = refuse(root.path(), "verify listops made/listops-s5", 1);
    assert!(
        page.is_empty() && stderr.contains("line 4"),
        "{page}{stderr}"
    );
    let [_, stderr] = refuse(root.path(), "verify listops none", 1);
    assert!(stderr.contains("there is no such"), "{stderr}");
}

#[test]
fn made_sets_are_shown_and_replaced_only_when_asked() {
    let root = tempfile::tempdir().unwrap();
    for (task, count, examples) in [
        ("text", "60,20", "train 0, neg: "),
        ("retrieval", "6,4,4", "train 0, unrelated: "),
        ("listops", "6,4,4", "train 0, "),
        ("pathfinder", "80,10,10", "train 0, "),
    ] {
        let make = format!("make {task} --out sets/{task} --count {count}");
        succeed(root.path(), &make);
        let record = fs::read_to_string(root.path().join(format!("sets/{task}/made.toml")));
        let record = record.unwrap();
        has(&record, format!("task = \"{task}\"\nseed = 2022\n"));
        let page = succeed(root.path(), &format!("verify {task} sets/{task}"));
        has(&page, "not as published:\n  made by data make\n");
        let shown = succeed(
            root.path(),
            &format!("show {task} --data sets/{task} --count 2"),
        );
        assert!(shown.contains(examples), "{shown}");
        assert!(shown.contains(" made by data make, at "), "{shown}");
        assert!(
            shown.lines().skip(1).all(|line| line.chars().count() <= 80),
            "{shown}"
        );
        assert_eq!(shown.matches("\ntrain ").count(), 2, "{shown}");

        let [_, stderr] = refuse(root.path(), &make, 2);
        assert!(stderr.contains("exists: nothing was written"), "{stderr}");
        succeed(root.path(), &format!("{make} --overwrite --seed 3"));
        let record = fs::read_to_string(root.path().join(format!("sets/{task}/made.toml")));
        assert!(record.unwrap().contains("seed = 3\n"));
    }
    assert_eq!(
        names(&root.path().join("sets")),
        ["listops", "pathfinder", "retrieval", "text"]
    );
    // What it has not made, it does not remove.
    fs::create_dir(root.path().join("mine")).unwrap();
    fs::write(root.path().join("mine/letter.txt"), "dear").unwrap();
    let [_, stderr] = refuse(root.path(), "make text --out mine --overwrite", 2);
    assert!(stderr.contains("there is no made.toml in it"), "{stderr}");
    assert_eq!(names(&root.path().join("mine")), ["letter.txt"]);
}

#[test]
fn a_made_set_is_replaced_without_a_file_of_anybody_else() {
    let root = tempfile::tempdir().unwrap();
    let set = root.path().join("set");
    let make = "--out set --overwrite";
    // Each takes the place of the one before.
    for (task, count, foreign) in [
        ("listops", "20,5,5", "mine.txt"),
        ("text", "60,20", "train/neg/00060.txt"),
        ("text", "70,30", "train/notes"),
        ("retrieval", "5,5,5", "basic_train.tsv"),
        (
            "pathfinder",
            "8,1,1",
            "curv_contour_length_14/imgs/0/sample_0.png.txt",
        ),
        (
            "pathfinder --settings easy",
            "8,1,1",
            "curv_baseline/imgs/1",
        ),
        ("listops", "5,20,5", "test"),
    ] {
        let make = format!("make {task} --count {count} {make}");
        succeed(root.path(), &make);
        let verified = task.split(' ').next().unwrap();
        succeed(root.path(), &format!("verify {verified} set"));
        let is_folder = !foreign.contains('.') || foreign.ends_with("imgs/1");
        match is_folder {
            true => fs::create_dir(set.join(foreign)).unwrap(),
            false => fs::write(set.join(foreign), "mine").unwrap(),
        }
        let before = names(&set);
        let [_, stderr] = refuse(root.path(), &make, 2);
        let expected = format!("{foreign} is no file of the set in it");
        assert!(stderr.contains(&expected), "{stderr}");
        assert_eq!(names(&set), before);
        match is_folder {
            true => fs::remove_dir(set.join(foreign)).unwrap(),
            false => fs::remove_file(set.join(foreign)).unwrap(),
        }
    }
    let expected = [
        "basic_test.tsv",
        "basic_train.tsv",
        "basic_val.tsv",
        "made.toml",
    ];
    assert_eq!(names(&set), expected);

    // What a killed process has left, at any moment, is replaced.
    for gone in [&expected[..0], &expected[..1], &expected[..3]] {
        for name in gone {
            fs::remove_file(set.join(name)).unwrap();
        }
        fs::create_dir_all(set.join(".made.tmp/basic_val.tsv.part")).unwrap();
        succeed(root.path(), &format!("make listops --count 5,5,5 {make}"));
        assert_eq!(names(&set), expected);
    }
}

#[cfg(unix)]
#[test]
fn a_made_set_behind_a_link_is_replaced_there() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("disk")).unwrap();
    std::os::unix::fs::symlink("disk", root.path().join("set")).unwrap();
    // An empty folder will do.
    for task in ["retrieval", "listops"] {
        succeed(
            root.path(),
            &format!("make {task} --count 5,5,5 --out set --overwrite"),
        );
        assert!(root.path().join("set").is_symlink());
        succeed(root.path(), &format!("verify {task} disk"));
    }
    fs::remove_dir_all(root.path().join("disk")).unwrap();
    let [_, stderr] = refuse(root.path(), "make listops --out set --overwrite", 2);
    assert!(stderr.contains("it is no folder"), "{stderr}");
}

#[test]
fn pictures_are_drawn_in_characters_and_as_a_png() {
    let root = tempfile::tempdir().unwrap();
    let shown = succeed(
        root.path(),
        "show image --data builtin --count 2 --split test",
    );
    assert_eq!(shown.matches("\ntest ").count(), 2, "{shown}");
    assert_eq!(
        shown.lines().filter(|line| line.starts_with("  |")).count(),
        32
    );
    let said = succeed(
        root.path(),
        "show image --data builtin --out sheet.png --count 4",
    );
    assert!(said.starts_with("sheet.png: built-in drawings"), "{said}");
    assert!(said.contains("\n  row 10: "), "{said}");
    let png = fs::read(root.path().join("sheet.png")).unwrap();
    assert!(png.starts_with(b"\x89PNG\r\n\x1a\n"));
    let [_, stderr] = refuse(root.path(), "show image --out sheet.png", 2);
    has(&stderr, "sheet.png exists: nothing was written");
    succeed(
        root.path(),
        "show image --data builtin --out sheet.png --overwrite",
    );
}

#[test]
fn what_is_in_the_cache_is_found() {
    let root = tempfile::tempdir().unwrap();
    let made = "make text --out skein-lab/aclImdb --count 60,20";
    succeed(root.path(), made);
    // A name alone is in the current folder.
    succeed(root.path(), "make text --out texts --count 2,2");
    let with_cache = |args: &str| {
        let mut command = data(args);
        command.env("XDG_CACHE_HOME", root.path());
        printed(&command.output().unwrap())
    };
    let [stdout, _] = with_cache("show text");
    assert!(
        stdout.starts_with("aclImdb made by data make, at "),
        "{stdout}"
    );
    let [stdout, _] = with_cache("show text --data builtin");
    assert!(stdout.starts_with("built-in reviews"), "{stdout}");
    // It is there, so nothing is downloaded; it is looked at, and it is not what was published.
    let [stdout, stderr] = with_cache("get text");
    has(&stdout, "train texts: 60, published: 25000");
    has(&stderr, "aclImdb is not as published\nhint: remove it");
    // A cache that is no folder.
    let [_, stderr] = refuse(
        root.path(),
        "get image --cache skein-lab/aclImdb/made.toml",
        1,
    );
    has(&stderr, "cannot create skein-lab/aclImdb/made.toml: ");
}

/// A mirror that has begun to send what it says to be the published reviews, and sends a byte now
/// and then.
#[cfg(unix)]
#[test]
fn a_signal_stops_a_download_and_leaves_what_has_come() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mirror = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            read_request(&stream);
            let begun = answer("200 OK", "Content-Length: 84125825\r\n", &[7; 10_000]);
            let mut sent = stream.write_all(&begun);
            while sent.is_ok() {
                std::thread::sleep(Duration::from_millis(20));
                sent = stream.write_all(b"x");
            }
        }
    });
    let cache = tempfile::tempdir().unwrap();
    let mut get = data(&format!("get text --mirror {mirror}"));
    let child = get.arg("--cache").arg(cache.path()).spawn().unwrap();
    let part = cache.path().join("aclImdb_v1.tar.gz.part");
    let here = || fs::metadata(&part).map_or(0, |found| found.len());
    for _ in 0..1000 {
        if here() >= 10_000 {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let output = interrupted(child);
    let [stdout, stderr] = printed(&output);
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    assert_eq!(stdout, "");
    has(&stderr, "aclImdb_v1.tar.gz: 0 B of 84.13 MB (0%)");
    let last = stderr.lines().last().unwrap();
    assert!(last.starts_with("stopped: 10."), "{stderr}");
    assert!(
        last.ends_with("the same command goes on from there"),
        "{stderr}"
    );
    assert!(here() >= 10_000);
    let expected = ["aclImdb_v1.tar.gz.part", "aclImdb_v1.tar.gz.part.from"];
    assert_eq!(names(cache.path()), expected);
}

/// A mirror that accepts connections and says nothing, or falls silent within the file.
#[cfg(unix)]
#[test]
fn a_signal_is_answered_at_once_where_the_network_is_silent() {
    for (said, kept) in [(0, 0), (10_000, 2)] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mirror = format!("http://{}/", listener.local_addr().unwrap());
        let (connected, wait) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            read_request(&stream);
            if said > 0 {
                let headers = "Content-Length: 84125825\r\n";
                let begun = answer("200 OK", headers, &vec![7; said]);
                stream.write_all(&begun).unwrap();
            }
            connected.send(()).unwrap();
            std::thread::sleep(Duration::from_secs(60));
        });
        let cache = tempfile::tempdir().unwrap();
        let mut get = data(&format!("get text --mirror {mirror}"));
        let child = get.arg("--cache").arg(cache.path()).spawn().unwrap();
        wait.recv().unwrap();
        let part = cache.path().join("aclImdb_v1.tar.gz.part");
        while fs::metadata(&part).unwrap().len() < said as u64 {
            std::thread::sleep(Duration::from_millis(10));
        }
        let asked = std::time::Instant::now();
        let output = interrupted(child);
        assert!(asked.elapsed() < Duration::from_secs(5));
        let [_, stderr] = printed(&output);
        assert_eq!(output.status.code(), Some(130), "{stderr}");
        let last = stderr.lines().last().unwrap();
        assert!(last.starts_with("stopped: "), "{stderr}");
        // Nothing is left of a file of which nothing has come.
        assert_eq!(names(cache.path()).len(), kept, "{stderr}");
    }
}

/// The full set of pictures takes minutes.
#[cfg(unix)]
#[test]
fn a_signal_stops_make_and_nothing_is_left() {
    let root = tempfile::tempdir().unwrap();
    let mut make = data("make pathfinder");
    let child = make.current_dir(root.path()).spawn().unwrap();
    let set = root.path().join("made/.pathfinder-s2022.tmp");
    let begun = set.join("curv_contour_length_14.part/imgs/0");
    while !begun.exists() {
        std::thread::sleep(Duration::from_millis(10));
    }
    let output = interrupted(child);
    let [stdout, stderr] = printed(&output);
    assert_eq!(
        (output.status.code(), stdout.as_str()),
        (Some(130), ""),
        "{stderr}"
    );
    assert!(names(&root.path().join("made")).is_empty());
}

// The published data, where they are at hand.

/// Unpacks an archive of `../../shared/data`, seen from this crate; where it is missing, says so
/// and returns `None`.
fn published(archive: &str) -> Option<TempDir> {
    let archive = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../shared/data")
        .join(archive);
    let folder = tempfile::tempdir().unwrap();
    let tar = Command::new("tar")
        .arg("xf")
        .arg(&archive)
        .arg("-C")
        .arg(folder.path())
        .stderr(Stdio::null())
        .status();
    if archive.is_file() && tar.is_ok_and(|status| status.success()) {
        return Some(folder);
    }
    // To the terminal itself: what a passing test prints by the macros is not shown.
    let _ = writeln!(std::io::stderr(), "SKIPPED {}", archive.display());
    None
}

#[test]
fn published_data_are_verified() {
    for (archive, task, path, line) in [
        ("aclImdb.tar.gz", "text", "aclImdb", "as published: yes"),
        (
            "cifar-10-batches-bin.tar.xz",
            "image",
            "cifar-10-batches-bin",
            "as published: yes",
        ),
        (
            "aan-citation-pairs.tar.xz",
            "retrieval",
            "aan-citation-pairs/lra_release_format",
            "new_aan_pairs.train.tsv: 12724 pairs",
        ),
        (
            "listops-generated-sample.tar.gz",
            "listops",
            "listops-generated",
            "basic_test.tsv: 1000 of 1000 Targets confirmed",
        ),
        (
            "pathfinder32-generated.tar.gz",
            "pathfinder",
            "pathfinder32-generated",
            "100 pictures, 51 connected",
        ),
    ] {
        if let Some(folder) = published(archive) {
            let page = succeed(folder.path(), &format!("verify {task} {path}"));
            assert!(page.contains(line), "{page}");
        }
    }
}
