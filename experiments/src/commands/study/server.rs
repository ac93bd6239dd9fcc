//! HTTP on the loopback address: files of the page, and questions.
//!
//! A page of another site that is open in the same browser can reach this port, too. So a request is answered only if
//! its `Host` is this server, its `Origin`, where there is one, is the page's, and a question comes as JSON, which no
//! form of another site can send unasked. Connections, the length of a question and the time it takes to come are
//! bounded, and what it asks for by the limits of [`answer`](::answer::answer); a question that is asked is answered,
//! even if whoever asked has gone.

use super::asked::{Desk, Refusal};
use super::page;
use crate::terminal::error::{Error, Result};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Bytes of the longest question: Q, K, V and dy of 64 x 64 numbers take about 400 kB.
const LONGEST: usize = 1 << 20;
/// Connections at a time; more wait until one ends.
const CONNECTIONS: usize = 256;
/// How long the lines before a request, or the question, may take to come.
const PATIENCE: Duration = Duration::from_secs(10);
/// Questions that are worked on at a time; more wait.
const WORKERS: usize = 2;
/// What the page may load: its own files.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

type Answer = Response<Full<Bytes>>;

/// Serves until the process ends.
pub(super) fn serve(listener: TcpListener, port: u16, desk: Desk) -> Result<()> {
    let desk = Arc::new(desk);
    let failed = |cause: std::io::Error| Error::failure(format!("cannot serve the page: {cause}"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(WORKERS)
        .build()
        .map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener).map_err(failed)?;
        let free = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let Ok(place) = Arc::clone(&free).acquire_owned().await else {
                return Ok(());
            };
            let Ok((stream, _)) = listener.accept().await else {
                // Too many open files, or a connection that has gone already: the next may do.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let desk = Arc::clone(&desk);
            tokio::spawn(async move {
                let service = service_fn(|request| {
                    let desk = Arc::clone(&desk);
                    async move { Ok::<_, Infallible>(respond(request, port, desk).await) }
                });
                let served = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(PATIENCE)
                    .serve_connection(TokioIo::new(stream), service);
                let _ = served.await; // Whoever has gone does not want to know.
                drop(place);
            });
        }
    })
}

/// The answer to one request.
async fn respond(request: Request<Incoming>, port: u16, desk: Arc<Desk>) -> Answer {
    if let Err(why) = refuse_foreign(request.headers(), port) {
        return told(StatusCode::FORBIDDEN, why);
    }
    let path = request.uri().path().to_string();
    match (request.method(), &*path) {
        (&Method::POST, "/answer") => {
            let answer = |question: String| {
                answer::answer(&question).map_err(|refused| Refusal::wrong(refused.0))
            };
            question(request, answer).await
        }
        (&Method::POST, asked) if Desk::has(asked) => {
            let to = path.clone();
            question(request, move |question| desk.answer(&to, &question)).await
        }
        (_, asked) if asked == "/answer" || Desk::has(asked) => {
            told(StatusCode::METHOD_NOT_ALLOWED, "questions come as POST")
        }
        (&Method::GET | &Method::HEAD, _) => match page::file(&path) {
            Some((kind, text)) => whole(StatusCode::OK, kind, text.into()),
            None => told(StatusCode::NOT_FOUND, "there is no such page"),
        },
        _ => told(
            StatusCode::METHOD_NOT_ALLOWED,
            "files of the page come by GET",
        ),
    }
}

/// Only the page of this server may ask.
fn refuse_foreign(headers: &HeaderMap, port: u16) -> std::result::Result<(), &'static str> {
    let own = ["127.0.0.1", "localhost"].map(|name| match port {
        80 => name.to_string(), // Browsers leave this one out.
        port => format!("{name}:{port}"),
    });
    let text = |name| {
        headers
            .get(name)
            .map(|value: &HeaderValue| value.to_str().unwrap_or(""))
    };
    let host = text(header::HOST).unwrap_or("");
    if !own.iter().any(|own| own == host) {
        return Err("expected this server's own name as Host");
    }
    match text(header::ORIGIN) {
        Some(origin) if !own.iter().any(|own| origin == format!("http://{own}")) => {
            Err("only the page of this server may ask")
        }
        _ => Ok(()),
    }
}

async fn question(
    request: Request<Incoming>,
    answer: impl FnOnce(String) -> std::result::Result<String, Refusal> + Send + 'static,
) -> Answer {
    let kind = request.headers().get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or("");
    if kind.split(';').next() != Some("application/json") {
        return told(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "expected a question in application/json",
        );
    }
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let too_long = || {
        told(
            StatusCode::PAYLOAD_TOO_LARGE,
            "expected a question of at most 1 MiB",
        )
    };
    if length.is_some_and(|length| length > LONGEST) {
        return too_long();
    }
    let body = Limited::new(request.into_body(), LONGEST).collect();
    let Ok(body) = timeout(PATIENCE, body).await else {
        return told(StatusCode::REQUEST_TIMEOUT, "the question did not come");
    };
    let body = match body {
        Ok(body) => body,
        Err(error) if error.is::<LengthLimitError>() => return too_long(),
        Err(_) => return told(StatusCode::BAD_REQUEST, "the question broke off"),
    };
    let Ok(question) = String::from_utf8(body.to_bytes().into()) else {
        return told(StatusCode::BAD_REQUEST, "expected a question in UTF-8");
    };
    // Others are served meanwhile.
    match tokio::task::spawn_blocking(move || answer(question)).await {
        Ok(Ok(text)) => whole(StatusCode::OK, "application/json", text.into()),
        Ok(Err(refused)) => {
            let status = match refused.is_missing {
                true => StatusCode::NOT_FOUND,
                false => StatusCode::BAD_REQUEST,
            };
            told(status, refused.sentence)
        }
        Err(_) => told(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the engine has stopped at this question; the terminal says where",
        ),
    }
}

/// A sentence.
fn told(status: StatusCode, sentence: impl Into<String>) -> Answer {
    let sentence: String = sentence.into();
    whole(status, "text/plain; charset=utf-8", sentence.into())
}

fn whole(status: StatusCode, kind: &'static str, bytes: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(bytes));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        // What is still to come is not read.
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}
