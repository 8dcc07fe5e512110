//! A server on loopback: it stops without losing what it has accepted, and waits for nobody for ever.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use medley_serve::{Ended, ServeOptions, Stop};

use crate::client::server;
use crate::fake::{Fake, Kind, Log, model};

struct Running {
    address: SocketAddr,
    stop: Stop,
    log: Arc<Log>,
    thread: JoinHandle<Ended>,
}

fn run(options: ServeOptions) -> Running {
    let (fake, log) = Fake::new(model("breast", Kind::Binary));
    let bound = server(fake, options).bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let (address, stop) = (bound.address(), Stop::default());
    let asked = stop.clone();
    Running { address, stop, log, thread: thread::spawn(move || bound.run(&asked)) }
}

/// Sends bytes, and reads until the connection ends.
fn exchange(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request).unwrap();
    read(stream)
}

fn read(mut stream: TcpStream) -> String {
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut answer = Vec::new();
    // A reset after the answer is no matter.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn infer(pixel: u8) -> Vec<u8> {
    let head = "POST /v2/models/breast/infer HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
                Inference-Header-Content-Length: 0\r\nContent-Length: 784\r\n\r\n";
    [head.as_bytes(), &[pixel; 784]].concat()
}

fn until(what: impl Fn() -> bool) {
    for _ in 0..10_000 {
        if what() {
            return;
        }
        thread::sleep(Duration::from_millis(1));
    }
    panic!("it did not come within ten seconds");
}

fn status(address: SocketAddr, path: &str) -> String {
    let answer = exchange(address, format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes());
    answer.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn what_was_accepted_is_answered() {
    let mut options = ServeOptions::default();
    options.batching.max_batch = 4;
    let Running { address, stop, log, thread } = run(options);
    assert_eq!(status(address, "/v2/health/ready"), "HTTP/1.1 200 OK");
    Log::set(&log.held, true);
    // Some are computed, some wait, and some may have been read by the system alone.
    let asked: Vec<_> = (0..40)
        .map(|pixel| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(&infer(pixel)).unwrap();
            stream
        })
        .collect();
    until(|| log.batches().len() == 1);
    // An idle connection does not hold it up.
    let idle = TcpStream::connect(address).unwrap();
    stop.request();
    until(|| TcpStream::connect(address).is_err());
    Log::set(&log.held, false);
    for stream in asked {
        let answer = read(stream);
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    }
    assert_eq!(thread.join().unwrap(), Ended { complete: true });
    assert_eq!(log.batches().iter().sum::<usize>(), 40);
    drop(idle);
}

#[test]
fn asked_twice_it_ends_at_once_and_says_that_something_was_lost() {
    let Running { address, stop, log, thread } = run(ServeOptions::default());
    Log::set(&log.held, true);
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(&infer(1)).unwrap();
    until(|| log.batches().len() == 1);
    stop.request();
    stop.request();
    assert_eq!(thread.join().unwrap(), Ended { complete: false });
    assert_eq!(read(stream), "");
    Log::set(&log.held, false);
}

#[test]
fn the_time_for_what_was_accepted_is_limited() {
    let mut options = ServeOptions::default();
    options.limits.grace = Duration::from_millis(50);
    let Running { address, stop, log, thread } = run(options);
    Log::set(&log.held, true);
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(&infer(1)).unwrap();
    until(|| log.batches().len() == 1);
    stop.request();
    assert_eq!(thread.join().unwrap(), Ended { complete: false });
    Log::set(&log.held, false);
}

#[test]
fn clients_that_send_slowly_are_told() {
    let mut options = ServeOptions::default();
    options.limits.body_timeout = Duration::from_millis(50);
    options.limits.header_timeout = Duration::from_millis(200);
    let Running { address, stop, thread, .. } = run(options);
    let answer = exchange(address, b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf");
    assert!(answer.starts_with("HTTP/1.1 408 Request Timeout"), "{answer}");
    assert!(answer.contains("{\"error\":\"the body was not there after 0.05 s\"}"), "{answer}");
    // Headers that never end; nothing is answered, but the connection is free again.
    let answer = exchange(address, b"POST /predict HTTP/1.1\r\nHost: x\r\n");
    assert!(!answer.contains("200"), "{answer}");
    stop.request();
    assert!(thread.join().unwrap().complete);
}

/// Clients that hold on to connections without an end give them back, and whoever waits to be let in is answered.
#[test]
fn connections_that_nothing_comes_of_are_free_again() {
    let mut options = ServeOptions::default();
    options.limits.connections = 6;
    options.limits.header_timeout = Duration::from_millis(300);
    options.limits.body_timeout = Duration::from_millis(300);
    options.limits.write_timeout = Duration::from_millis(300);
    let Running { address, stop, thread, .. } = run(options);
    let connect = |bytes: &[u8]| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(5))).unwrap();
        let _ = stream.write_all(bytes);
        stream
    };
    // Headers and a body that never end, byte by byte; nothing at all; half a connection; and one that asks and never reads.
    let dripping = |head: &'static [u8]| {
        let mut stream = connect(head);
        thread::spawn(move || {
            while stream.write_all(b"x").is_ok() {
                thread::sleep(Duration::from_millis(20));
            }
        })
    };
    let dripping =
        [dripping(b"GET /models HTTP/1.1\r\nX: "), dripping(b"POST /predict HTTP/1.1\r\nContent-Length: 9999\r\n\r\n")];
    let idle = [connect(b""), connect(b"")];
    let half = connect(&infer(1)[..200]);
    half.shutdown(std::net::Shutdown::Write).unwrap();
    let deaf = connect(&b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n".repeat(2000));
    // There is no place for it until others are gone.
    assert_eq!(status(address, "/v2/health/live"), "HTTP/1.1 200 OK");
    for stream in dripping {
        stream.join().unwrap();
    }
    until(|| {
        let metrics = exchange(address, b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        metrics.lines().any(|line| line == "medley_connections 1")
    });
    drop((idle, half, deaf));
    stop.request();
    assert!(thread.join().unwrap().complete);
}

#[test]
fn a_body_that_is_too_large_is_told_to_who_sends_all_of_it_first() {
    let mut options = ServeOptions::default();
    options.limits.max_body = 1 << 20;
    let Running { address, stop, thread, .. } = run(options);
    let head = b"POST /predict HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3000000\r\n\r\n";
    let answer = exchange(address, &[&head[..], &vec![7; 3_000_000]].concat());
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    stop.request();
    assert!(thread.join().unwrap().complete);
}

#[test]
fn an_address_that_is_taken_is_named() {
    let Running { address, stop, thread, .. } = run(ServeOptions::default());
    let other = server(Fake::new(model("breast", Kind::Binary)).0, ServeOptions::default());
    let error = other.bind(address).unwrap_err().to_string();
    assert!(error.contains(&address.to_string()) && error.contains("choose another --port"), "{error}");
    stop.request();
    assert!(thread.join().unwrap().complete);
}
