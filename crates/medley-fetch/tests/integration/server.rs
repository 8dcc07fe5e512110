//! A server that answers as it is told, once per request.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What the server does with one request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Answer {
    /// The whole body, or the range asked for if the tag fits.
    Serve,
    /// Half of what is left, then the connection breaks.
    Break,
    /// The whole body whatever was asked for: a server without ranges.
    NoRanges,
    /// Only this status.
    Status(u16),
    /// Too busy; come back after so many seconds.
    Busy(u64),
    /// Half of what is left, then silence.
    Silence,
    /// A range, but not the one that was asked for.
    OtherRange,
    /// More bytes than the head says.
    TooMuch,
    /// The whole body, slowly: some tenths of a second.
    Slow,
    /// Cuts off at the same byte; for the rest the answer is that there is none.
    NoRest,
    /// Cuts off at the same byte; the rest comes without saying which range it is.
    UnnamedRest,
    /// A few bytes, then the connection breaks.
    Drip,
    /// Bytes without end, and no word of how many.
    Endless,
}

pub(crate) struct Server {
    pub(crate) address: String,
    /// Heads of requests, in lower case.
    pub(crate) requests: Arc<Mutex<Vec<String>>>,
}

/// Serves `body` under the tag, one answer per request; the last answer repeats.
pub(crate) fn serve(body: &[u8], tag: &str, answers: &[Answer]) -> Server {
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
            let mut head = |status: u16, more: &str, length: usize| {
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n{more}Connection: close\r\n\r\n"
                );
            };
            let ranged = |from: usize| {
                format!("ETag: {tag}\r\nContent-Range: bytes {from}-{}/{}\r\n", body.len() - 1, body.len())
            };
            match answer {
                Answer::Status(status) => head(status, "", 0),
                Answer::Busy(seconds) => head(503, &format!("Retry-After: {seconds}\r\n"), 0),
                Answer::OtherRange => head(206, &ranged(from + 1), rest.len() - 1),
                Answer::TooMuch => head(200, &format!("ETag: {tag}\r\n"), rest.len() / 3),
                Answer::NoRest if from > 0 => head(416, "", 0),
                Answer::UnnamedRest if from > 0 => head(206, &format!("ETag: {tag}\r\n"), rest.len()),
                Answer::Endless => drop(write!(stream, "HTTP/1.1 200 X\r\nConnection: close\r\n\r\n")),
                _ if from > 0 => head(206, &ranged(from), rest.len()),
                _ => head(200, &format!("ETag: {tag}\r\n"), rest.len()),
            }
            match answer {
                Answer::Status(_) | Answer::Busy(_) => {}
                Answer::NoRest | Answer::UnnamedRest if from > 0 => {}
                Answer::NoRest | Answer::UnnamedRest | Answer::Break => drop(stream.write_all(&rest[..rest.len() / 2])),
                Answer::Drip => drop(stream.write_all(&rest[..100])),
                Answer::Endless => while stream.write_all(&vec![7; 1 << 16]).is_ok() {},
                Answer::Silence => {
                    let _ = stream.write_all(&rest[..rest.len() / 2]);
                    // Held open, while the next connection is served.
                    std::thread::spawn(move || {
                        std::thread::sleep(Duration::from_secs(20));
                        drop(stream);
                    });
                }
                Answer::OtherRange => drop(stream.write_all(&rest[1..])),
                Answer::Slow => rest.chunks(rest.len() / 8).for_each(|piece| {
                    let _ = stream.write_all(piece);
                    std::thread::sleep(Duration::from_millis(40));
                }),
                Answer::Serve | Answer::NoRanges | Answer::TooMuch => drop(stream.write_all(rest)),
            }
        }
    });
    Server { address, requests }
}
