//! Downloads from a server of our own: interrupted, resumed, changed, refused, wrong.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests look at files as they are")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use medley_data::fetch::{FetchOptions, Fetched, fetch};
use medley_data::registry::{PublishedFile, Release};
use medley_data::{DataError, Entry, Registry, hash_file};

/// What the server does with one request.
#[derive(Debug, Clone, Copy)]
enum Answer {
    /// The whole body, or the range asked for if the tag fits.
    Serve,
    /// Half of what is left, then the connection breaks.
    Break,
    /// The whole body whatever was asked for: a server without ranges.
    NoRanges,
    /// Only this status.
    Status(u16),
}

struct Server {
    address: String,
    requests: Arc<Mutex<Vec<String>>>,
}

/// Serves `body` under the tag, one answer per request; the last answer repeats.
fn serve(body: &[u8], tag: &str, answers: &[Answer]) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let requests = Arc::new(Mutex::new(Vec::new()));
    let (log, body, tag, answers) = (Arc::clone(&requests), body.to_vec(), tag.to_owned(), answers.to_vec());
    std::thread::spawn(move || {
        for (index, stream) in listener.incoming().enumerate().take(20) {
            let mut stream = stream.unwrap();
            let mut request = String::new();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            while reader.read_line(&mut request).unwrap() > 2 {}
            let lower = request.to_lowercase();
            log.lock().unwrap().push(lower.clone());
            let answer = answers[index.min(answers.len() - 1)];
            let from = lower
                .split("range: bytes=")
                .nth(1)
                .and_then(|rest| rest.split('-').next()?.parse::<usize>().ok())
                .filter(|_| lower.contains(&format!("if-range: {}", tag.to_lowercase())))
                .filter(|_| !matches!(answer, Answer::NoRanges))
                .unwrap_or(0);
            let rest = &body[from..];
            let status = match answer {
                Answer::Status(status) => status,
                _ if from > 0 => 206,
                _ => 200,
            };
            if let Answer::Status(status) = answer {
                let _ = write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                continue;
            }
            let _ = write!(
                stream,
                "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nETag: {tag}\r\nConnection: close\r\n\r\n",
                rest.len()
            );
            let sent = if matches!(answer, Answer::Break) { rest.len() / 2 } else { rest.len() };
            let _ = stream.write_all(&rest[..sent]);
        }
    });
    Server { address, requests }
}

/// A set whose published file has the MD5 of `body`.
fn entry(folder: &Path, body: &[u8]) -> Entry {
    let probe = folder.join("probe");
    std::fs::write(&probe, body).unwrap();
    let (md5, _) = hash_file(&probe).unwrap();
    std::fs::remove_file(&probe).unwrap();
    let file = PublishedFile { size: 28, md5, url: "https://example.invalid/breastmnist.npz".into() };
    let mut entry = Registry::builtin().get("breastmnist").unwrap().clone();
    entry.releases = vec![Release { name: "any".into(), rows: [1, 1, 1], files: vec![file] }];
    entry
}

fn options(server: &Server) -> FetchOptions {
    FetchOptions {
        base_url: Some(server.address.clone()),
        timeout: Duration::from_secs(5),
        attempts: 3,
        backoff: Duration::from_millis(1),
        ..FetchOptions::default()
    }
}

fn body() -> Vec<u8> {
    (0..200_000_u32).flat_map(|i| (i * 7).to_le_bytes()).collect()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_file_arrives_whole_and_is_not_fetched_twice() {
    let (folder, body) = (tempfile::tempdir().unwrap(), body());
    let entry = entry(folder.path(), &body);
    let server = serve(&body, "\"a\"", &[Answer::Serve]);
    let seen = AtomicU64::new(0);
    let progress = |done: u64, total: Option<u64>| {
        assert_eq!(total, Some(body.len() as u64));
        seen.store(done, Ordering::SeqCst);
    };
    assert_eq!(fetch(&entry, 28, folder.path(), &options(&server), &progress).unwrap(), Fetched::Downloaded);
    assert_eq!(seen.load(Ordering::SeqCst), body.len() as u64);
    assert_eq!(names(folder.path()), ["breastmnist.npz"]);
    assert_eq!(std::fs::read(folder.path().join("breastmnist.npz")).unwrap(), body);
    assert_eq!(fetch(&entry, 28, folder.path(), &options(&server), &|_, _| {}).unwrap(), Fetched::Present);
    assert_eq!(server.requests.lock().unwrap().len(), 1);
}

#[test]
fn a_broken_connection_is_resumed_where_it_broke() {
    let (folder, body) = (tempfile::tempdir().unwrap(), body());
    let entry = entry(folder.path(), &body);
    let server = serve(&body, "\"a\"", &[Answer::Break, Answer::Break, Answer::Serve]);
    fetch(&entry, 28, folder.path(), &options(&server), &|_, _| {}).unwrap();
    assert_eq!(std::fs::read(folder.path().join("breastmnist.npz")).unwrap(), body);
    let requests = server.requests.lock().unwrap();
    assert!(!requests[0].contains("range:"));
    assert!(requests[1].contains(&format!("range: bytes={}-", body.len() / 2)), "{}", requests[1]);
    assert_eq!(names(folder.path()), ["breastmnist.npz"]);
}

#[test]
fn a_file_that_changed_meanwhile_is_fetched_anew() {
    let (folder, body) = (tempfile::tempdir().unwrap(), body());
    let entry = entry(folder.path(), &body);
    // What was begun under another tag, and of other content.
    std::fs::write(folder.path().join("breastmnist.npz.part"), b"older content").unwrap();
    std::fs::write(folder.path().join("breastmnist.npz.part.etag"), "\"old\"").unwrap();
    let server = serve(&body, "\"new\"", &[Answer::Serve]);
    fetch(&entry, 28, folder.path(), &options(&server), &|_, _| {}).unwrap();
    assert_eq!(std::fs::read(folder.path().join("breastmnist.npz")).unwrap(), body);
}

#[test]
fn a_server_without_ranges_sends_all_again() {
    let (folder, body) = (tempfile::tempdir().unwrap(), body());
    let entry = entry(folder.path(), &body);
    let server = serve(&body, "\"a\"", &[Answer::Break, Answer::NoRanges]);
    fetch(&entry, 28, folder.path(), &options(&server), &|_, _| {}).unwrap();
    assert_eq!(std::fs::read(folder.path().join("breastmnist.npz")).unwrap(), body);
}

#[test]
fn another_content_is_kept_aside_and_never_used() {
    let (folder, body) = (tempfile::tempdir().unwrap(), body());
    let entry = entry(folder.path(), b"what was published");
    let server = serve(&body, "\"a\"", &[Answer::Serve]);
    let error = fetch(&entry, 28, folder.path(), &options(&server), &|_, _| {}).unwrap_err();
    assert!(matches!(error, DataError::WrongHash { .. }), "{error}");
    assert!(error.to_string().contains("breastmnist.npz.rejected"), "{error}");
    assert_eq!(names(folder.path()), ["breastmnist.npz.rejected"]);
}

#[test]
fn refusals_are_tried_again_only_where_that_helps() {
    for (status, requests) in [(404, 1), (403, 1), (503, 3), (429, 3)] {
        let folder = tempfile::tempdir().unwrap();
        let entry = entry(folder.path(), b"x");
        let server = serve(b"x", "\"a\"", &[Answer::Status(status)]);
        let error = fetch(&entry, 28, folder.path(), &options(&server), &|_, _| {}).unwrap_err().to_string();
        assert!(error.contains(&status.to_string()) && error.contains(&server.address), "{error}");
        assert_eq!(server.requests.lock().unwrap().len(), requests, "status {status}");
        assert!(names(folder.path()).is_empty());
    }
}

#[test]
fn nobody_listening_is_said_and_nothing_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let entry = entry(folder.path(), b"x");
    let server = Server { address: "http://127.0.0.1:1".into(), requests: Arc::default() };
    let error = fetch(&entry, 28, folder.path(), &options(&server), &|_, _| {}).unwrap_err();
    assert!(matches!(error, DataError::Fetch { .. }), "{error}");
    assert!(names(folder.path()).is_empty());
}

#[test]
fn a_file_of_the_user_is_not_touched() {
    let (folder, body) = (tempfile::tempdir().unwrap(), body());
    let entry = entry(folder.path(), &body);
    let path = folder.path().join("breastmnist.npz");
    std::fs::write(&path, b"mine").unwrap();
    let server = serve(&body, "\"a\"", &[Answer::Serve]);
    let error = fetch(&entry, 28, folder.path(), &options(&server), &|_, _| {}).unwrap_err();
    assert!(matches!(error, DataError::InTheWay { .. }), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"mine");
}
