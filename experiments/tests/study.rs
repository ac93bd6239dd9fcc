//! The server of `skein study`: what it serves, what it refuses, and that it goes on.

use crate::support::{has, printed, refused, stderr, stdout};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server, which ends with the test.
pub(crate) struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start() -> Self {
        Self::of(&[])
    }

    /// One that may read below these folders.
    pub(crate) fn of(runs: &[&Path]) -> Self {
        let mut study = crate::skein("study");
        study.args(["--port", "0"]).args(runs);
        let mut child = study
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let out = child.stdout.take().unwrap();
        BufReader::new(out).read_line(&mut line).unwrap();
        let port = line.trim().strip_prefix("http://127.0.0.1:").unwrap();
        let port = port.trim_end_matches('/').parse().unwrap();
        Server { child, port }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream
    }

    /// Status and body of the answer to `first`, a line such as "GET /", with these headers, and a body.
    fn ask(&self, first: &str, headers: &str, body: &str) -> (u16, String) {
        let mut stream = self.connect();
        let length = body.len();
        let request = format!(
            "{first} HTTP/1.1\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        );
        // Whoever is refused early may find the connection closed.
        let _ = stream.write_all(request.as_bytes());
        answer(stream)
    }

    fn host(&self) -> String {
        format!("Host: 127.0.0.1:{}\r\n", self.port)
    }

    fn question(&self, question: &str) -> (u16, String) {
        self.post("/answer", question)
    }

    /// The answer to a question in JSON at a path.
    pub(crate) fn post(&self, path: &str, question: &str) -> (u16, String) {
        let headers = self.host() + "Content-Type: application/json\r\n";
        self.ask(&format!("POST {path}"), &headers, question)
    }

    /// What a browser makes of the page at `hash`, if there is one, and that it has no complaint.
    pub(crate) fn opened(&self, hash: &str) -> Option<String> {
        opened(&format!("http://127.0.0.1:{}/{hash}", self.port))
    }
}

/// What a browser makes of this address, if there is one, and that it has no complaint.
fn opened(address: &str) -> Option<String> {
    let Some(browser) = crate::report::browser() else {
        assert!(
            std::env::var_os("CI").is_none(),
            "there is no chromium: CI needs one"
        );
        println!("SKIPPED the browser: there is no chromium");
        return None;
    };
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"])
        .args(["--enable-logging=stderr", "--virtual-time-budget=20000"])
        .arg(format!(
            "--user-data-dir={}",
            folder.path().join("profile").display()
        ))
        .arg(address)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let complaints: Vec<&str> = told
        .lines()
        .filter(|line| line.contains("CONSOLE"))
        .collect();
    assert!(complaints.is_empty(), "{complaints:?}");
    Some(stdout(&output))
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn answer(mut stream: TcpStream) -> (u16, String) {
    let mut text = Vec::new();
    let _ = stream.read_to_end(&mut text);
    let text = String::from_utf8_lossy(&text).into_owned();
    let status = text
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status.unwrap_or(0), body.to_string())
}

#[test]
fn the_page_and_its_answers_are_served() {
    let server = Server::start();
    let (status, page) = server.ask("GET /", &server.host(), "");
    assert_eq!(status, 200);
    has(&page, "<!doctype html>");
    for name in page
        .split(['"', '\''])
        .filter(|name| name.ends_with(".js") || name.ends_with(".css"))
    {
        let (status, _) = server.ask(&format!("GET /{name}"), &server.host(), "");
        assert_eq!(status, 200, "{name}");
    }
    let question = r#"{"ask": "method", "attn": "skein", "n": 5}"#;
    let (status, text) = server.question(question);
    assert_eq!(status, 200);
    let printed = printed(
        &crate::skein("explain")
            .args(["--ask", question])
            .output()
            .unwrap(),
    );
    assert_eq!(text, printed.trim_end());
    let localhost = format!("Host: localhost:{}\r\n", server.port);
    assert_eq!(server.ask("GET /", &localhost, "").0, 200);
}

#[test]
fn what_is_not_the_page_s_is_refused_in_a_sentence_and_it_goes_on() {
    let server = Server::start();
    let host = server.host();
    let json = "Content-Type: application/json\r\n";
    let method = r#"{"ask": "methods"}"#;
    for (first, headers, body, status) in [
        ("GET /", "Host: evil.example\r\n".to_string(), "", 403),
        ("GET /", String::new(), "", 403),
        (
            "GET /",
            format!("{host}Origin: http://evil.example\r\n"),
            "",
            403,
        ),
        (
            "POST /answer",
            format!("{host}{json}Origin: null\r\n"),
            method,
            403,
        ),
        (
            "POST /answer",
            format!("{host}Content-Type: text/plain\r\n"),
            method,
            415,
        ),
        ("POST /answer", format!("{host}{json}"), "{", 400),
        (
            "POST /answer",
            format!("{host}{json}"),
            r#"{"ask": "method", "attn": "no"}"#,
            400,
        ),
        ("GET /answer", host.clone(), "", 405),
        ("DELETE /", host.clone(), "", 405),
        ("GET /../Cargo.toml", host.clone(), "", 404),
        ("GET /%2e%2e/Cargo.toml", host.clone(), "", 404),
        ("GET /nothing", host.clone(), "", 404),
    ] {
        let (got, told) = server.ask(first, &headers, body);
        assert_eq!(got, status, "{first} {headers} {body}: {told}");
        assert!(
            !told.contains('\n') && !told.is_empty(),
            "{first}: {told:?}"
        );
    }
    let origin = format!("{host}{json}Origin: http://127.0.0.1:{}\r\n", server.port);
    assert_eq!(server.ask("POST /answer", &origin, method).0, 200);
}

#[test]
fn a_question_of_a_gigabyte_is_refused() {
    let server = Server::start();
    let head = |length: &str| {
        format!(
            "POST /answer HTTP/1.1\r\n{}Content-Type: application/json\r\n{length}\r\n",
            server.host()
        )
    };
    // Said beforehand.
    let mut stream = server.connect();
    stream
        .write_all(head("Content-Length: 1073741824\r\n").as_bytes())
        .unwrap();
    assert_eq!(answer(stream).0, 413);
    // Sent in pieces, without saying how long it is.
    let mut stream = server.connect();
    stream
        .write_all(head("Transfer-Encoding: chunked\r\n").as_bytes())
        .unwrap();
    let piece = vec![b' '; 65536];
    let mut sent = 0;
    while sent < 1 << 30 {
        let written = stream
            .write_all(b"10000\r\n")
            .and_then(|()| stream.write_all(&piece))
            .and_then(|()| stream.write_all(b"\r\n"));
        if written.is_err() {
            break;
        }
        sent += piece.len();
    }
    assert!(sent < 64 << 20, "{sent} bytes were taken");
    assert_eq!(server.question(r#"{"ask": "methods"}"#).0, 200);
}

#[test]
fn a_thousand_connections_that_say_nothing_do_not_stop_it() {
    let server = Server::start();
    let open: Vec<TcpStream> = (0..1000)
        .map_while(|_| TcpStream::connect(("127.0.0.1", server.port)).ok())
        .collect();
    let start = Instant::now();
    // Those that say nothing are let go after ten seconds; at worst all places have to become free several times.
    let mut status = 0;
    while status != 200 && start.elapsed() < Duration::from_secs(60) {
        status = server.question(r#"{"ask": "methods"}"#).0;
    }
    assert_eq!(status, 200, "after {:?}", start.elapsed());
    drop(open);
    assert_eq!(server.question(r#"{"ask": "methods"}"#).0, 200);
}

#[test]
fn a_port_that_is_taken_is_said_and_a_signal_ends_it() {
    let mut server = Server::start();
    let taken = server.port.to_string();
    let output = crate::skein("study")
        .args(["--port", &taken])
        .output()
        .unwrap();
    has(
        refused(&output, 1),
        format!("cannot listen on port {taken}"),
    );
    has(
        String::from_utf8_lossy(&output.stderr),
        "--port 0 takes any that is free",
    );
    let id = server.child.id().to_string();
    let kill = Command::new("kill").args(["-INT", &id]).status().unwrap();
    assert!(kill.success());
    assert!(!server.child.wait().unwrap().success());
}

/// All digits of the number on which the keyboard stands in the matrix called `name`: that of row 0, column 0.
fn first_number(shown: &str, name: &str) -> Option<f64> {
    let figure = format!("data-matrix=\"{name}\"");
    let (_, figure) = shown
        .split_once(&figure)
        .unwrap_or_else(|| panic!("no {name}: {shown}"));
    let (_, cell) = figure.split_once("data-value=\"").unwrap();
    let (number, _) = cell.split_once('"').unwrap();
    number.parse().ok()
}

/// The page in a browser: what it shows are the numbers of the answer, and it has no complaint.
#[test]
fn a_browser_shows_the_numbers_of_the_answer() {
    let server = Server::start();
    let Some(shown) = server.opened("#method&n=4") else {
        return;
    };
    let (_, text) = server.question(r#"{"ask": "method", "attn": "skein", "n": 4}"#);
    let answer: Value = serde_json::from_str(&text).unwrap();
    let method = &answer["method"];
    for (name, matrix) in [
        ("q", &answer["q"]),
        ("v", &answer["v"]),
        ("a.weights", &method["weights"]),
        ("a.y", &method["y"]),
        ("a.dk", &method["dk"]),
        ("exact.dv", &answer["exact"]["dv"]),
    ] {
        assert_eq!(first_number(&shown, name), matrix[0][0].as_f64(), "{name}");
    }
}

/// The room of an operator: its numbers, one of them changed in the address, and its derivation.
#[test]
fn a_browser_shows_an_operator_with_its_parts_and_its_derivation() {
    let server = Server::start();
    let hash = "operator&op.name=layer_norm&op.rows=2&op.in.dy=0.0:2.5";
    let Some(shown) = server.opened(&format!("#{hash}")) else {
        return;
    };
    let drawn = r#"{"ask": "operator", "name": "layer_norm", "rows": 2}"#;
    let drawn: Value = serde_json::from_str(&server.question(drawn).1).unwrap();
    let mut dy = drawn["dy"].clone();
    dy[0][0] = 2.5.into();
    let question = format!(r#"{{"ask": "operator", "name": "layer_norm", "rows": 2, "dy": {dy}}}"#);
    let answer: Value = serde_json::from_str(&server.question(&question).1).unwrap();
    assert_ne!(answer["gradients"], drawn["gradients"]);
    let dx = &answer["gradients"][0];
    let sum = &answer["sums"][0];
    for (name, matrix) in [
        ("in.x", &answer["inputs"][0]["rows"]),
        ("in.dy", &dy),
        ("value", &answer["y"]),
        ("gradient.x", &dx["rows"]),
        ("differences.x", &dx["finite"]["differences"]),
        ("gradient.bias", &answer["gradients"][2]["rows"]),
        ("part.dx̂ / σ", &sum["parts"][0]["rows"]),
        ("part.−x̂ mean(dx̂ * x̂) / σ", &sum["parts"][2]["rows"]),
        ("part.their sum", &sum["sum"]),
    ] {
        assert_eq!(first_number(&shown, name), matrix[0][0].as_f64(), "{name}");
    }
    has(&shown, "✓ All 12 numbers agree with finite differences");
    has(&shown, "dx = (dx̂ - mean(dx̂) - x̂ mean(dx̂ * x̂)) / σ");
    for mark in [" ◂ forward", " ◂ backward"] {
        assert_eq!(shown.matches(mark).count(), 1, "{mark}");
    }
}

#[test]
fn a_browser_shows_all_draws_of_an_estimate() {
    let server = Server::start();
    let hash = "operator&op.name=importance-sampling&op.draw=1";
    let Some(shown) = server.opened(&format!("#{hash}")) else {
        return;
    };
    let question = r#"{"ask": "operator", "name": "importance-sampling"}"#;
    let answer: Value = serde_json::from_str(&server.question(question).1).unwrap();
    let all = &answer["all_draws"];
    let draw = &all["draws"][1];
    assert_eq!(shown.matches(", show\"").count(), 16);
    for (name, matrix) in [
        ("all.one.y", &draw["quantities"][0]["rows"]),
        ("all.one.logits", &draw["quantities"][2]["rows"]),
        ("all.mean.f", &all["means"][1]["mean"]),
        ("all.truth.y", &all["means"][0]["truth"]),
        (
            "all.term.through the draw",
            &all["terms"]["terms"][1]["mean"],
        ),
        ("all.term.sum", &all["terms"]["complete"]["mean"]),
    ] {
        assert_eq!(first_number(&shown, name), matrix[0][0].as_f64(), "{name}");
    }
    has(&shown, "✗ Biased: ");
    has(&shown, "✓ With all terms the mean gradient is the truth");
}

/// A page of one file that answers `question`'s scene, in a browser: row 0, column 0 of dK.
fn dk_on(page: &Path, hash: &str) -> Option<(String, f64)> {
    let shown = opened(&format!("file://{}{hash}", page.display()))?;
    let number = first_number(&shown, "a.dk").unwrap();
    Some((shown, number))
}

/// The same of `skein explain`.
fn dk_of(question: &str) -> f64 {
    let mut explain = crate::skein("explain");
    let told = printed(&explain.args(["--ask", question]).output().unwrap());
    let answer: Value = serde_json::from_str(&told).unwrap();
    answer["method"]["dk"][0][0].as_f64().unwrap()
}

#[test]
fn a_page_of_one_file_has_its_first_answers_where_rust_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.html");
    let write = || {
        let mut study = crate::skein("study");
        study.args(["--n", "5", "--d", "2", "--out"]).arg(&page);
        study.env("PATH", folder.path()).output().unwrap()
    };
    let output = write();
    let told = stderr(&output);
    assert!(output.status.success(), "{told}");
    has(&told, "warning: cannot run rustc: ");
    has(&told, "\nhint: install Rust");
    // Its own page is replaced; another file is not.
    assert!(write().status.success());
    if let Some((shown, dk)) = dk_on(&page, "") {
        let question = r#"{"ask": "method", "attn": "skein", "n": 5, "features": 2}"#;
        assert_eq!(dk, dk_of(question));
        has(&shown, "This page has recorded answers only");
        let other = format!("file://{}#method&n=5&features=2&k=0.0:1", page.display());
        let shown = opened(&other).unwrap();
        has(&shown, "This page was written without the engine");
    }
    std::fs::write(&page, "a letter").unwrap();
    let refused = write();
    assert_eq!(refused.status.code(), Some(2));
    has(stderr(&refused), "exists and is no page of skein study");
    assert_eq!(std::fs::read(&page).unwrap(), b"a letter");
}
