//! Load on a server: single images over many connections, as fast as they are answered or at a rate.
//!
//! `cargo run --release -p medley-serve --example load -- http://127.0.0.1:8080 --model breast --connections 64 --seconds 10`
//!
//! With `--rate 1500`, requests begin at that rate whatever becomes of those before them, and the time of each counts from when it should
//! have begun, so that waiting for a free connection counts, too. With `--picture FILE`, the file is sent to `/models/MODEL/predict`;
//! otherwise the bytes of one image to `/v2/models/MODEL/infer`.

use std::error::Error;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Builder;

struct Options {
    address: SocketAddr,
    model: String,
    connections: usize,
    seconds: f64,
    rate: Option<f64>,
    picture: Option<String>,
    bytes: usize,
}

fn options() -> Result<Options, Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().ok_or("name the address, such as http://127.0.0.1:8080")?;
    let address = address.trim_start_matches("http://").trim_end_matches('/').parse()?;
    let mut options = Options {
        address,
        model: "breast".into(),
        connections: 64,
        seconds: 10.0,
        rate: None,
        picture: None,
        bytes: 784,
    };
    while let Some(option) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{option} needs a value"))?;
        match option.as_str() {
            "--model" => options.model = value,
            "--connections" => options.connections = value.parse()?,
            "--seconds" => options.seconds = value.parse()?,
            "--rate" => options.rate = Some(value.parse()?),
            "--picture" => options.picture = Some(value),
            "--bytes" => options.bytes = value.parse()?,
            other => return Err(format!("unknown option {other}").into()),
        }
    }
    Ok(options)
}

/// The bytes of a request.
fn request(options: &Options) -> Result<Vec<u8>, Box<dyn Error>> {
    let model = &options.model;
    let (path, header, body) = if let Some(file) = &options.picture {
        (format!("/models/{model}/predict"), "", fs_err::read(file)?)
    } else {
        let body = (0..options.bytes).map(|index| (index * 31) as u8).collect();
        (format!("/v2/models/{model}/infer"), "Inference-Header-Content-Length: 0\r\n", body)
    };
    let length = body.len();
    let head = format!("POST {path} HTTP/1.1\r\nHost: load\r\nContent-Length: {length}\r\n{header}\r\n");
    Ok([head.into_bytes(), body].concat())
}

/// What the connections found.
#[derive(Default)]
struct Found {
    milliseconds: Vec<f64>,
    refused: u64,
    failed: u64,
}

/// One answer: its status. The body is read and forgotten.
async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<u16, Box<dyn Error + Send + Sync>> {
    buffer.clear();
    loop {
        if stream.read_buf(buffer).await? == 0 {
            return Err("the connection ended".into());
        }
        let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = std::str::from_utf8(&buffer[..end])?.to_ascii_lowercase();
        let length = head.split("content-length:").nth(1).and_then(|rest| rest.split("\r\n").next());
        let length: usize = length.ok_or("no length")?.trim().parse()?;
        while buffer.len() < end + 4 + length {
            if stream.read_buf(buffer).await? == 0 {
                return Err("the connection ended".into());
            }
        }
        return Ok(head.split(' ').nth(1).ok_or("no status")?.parse()?);
    }
}

async fn connection(options: Arc<Options>, request: Arc<Vec<u8>>, next: Arc<AtomicU64>, begun: Instant) -> Found {
    let mut found = Found::default();
    let Ok(mut stream) = TcpStream::connect(options.address).await else {
        found.failed += 1;
        return found;
    };
    let _ = stream.set_nodelay(true);
    let (end, mut buffer) = (begun + Duration::from_secs_f64(options.seconds), Vec::with_capacity(8192));
    while Instant::now() < end {
        let due = match options.rate {
            Some(rate) => begun + Duration::from_secs_f64(next.fetch_add(1, Ordering::Relaxed) as f64 / rate),
            None => Instant::now(),
        };
        if due >= end {
            break;
        }
        tokio::time::sleep_until(due.into()).await;
        let answered = match stream.write_all(&request).await {
            Ok(()) => answer(&mut stream, &mut buffer).await,
            Err(error) => Err(error.into()),
        };
        match answered {
            Ok(200) => found.milliseconds.push(due.elapsed().as_secs_f64() * 1e3),
            Ok(429) => found.refused += 1,
            Ok(_) => found.failed += 1,
            Err(_) => {
                found.failed += 1;
                break;
            }
        }
    }
    found
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Arc::new(options()?);
    let request = Arc::new(request(&options)?);
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let (found, seconds) = runtime.block_on(async {
        let (begun, next) = (Instant::now(), Arc::new(AtomicU64::new(0)));
        let start = |_| tokio::spawn(connection(Arc::clone(&options), Arc::clone(&request), Arc::clone(&next), begun));
        let tasks: Vec<_> = (0..options.connections).map(start).collect();
        let mut all = Found::default();
        for task in tasks {
            let found = task.await?;
            all.milliseconds.extend(found.milliseconds);
            (all.refused, all.failed) = (all.refused + found.refused, all.failed + found.failed);
        }
        Ok::<_, Box<dyn Error>>((all, begun.elapsed().as_secs_f64()))
    })?;
    let Found { mut milliseconds, refused, failed } = found;
    milliseconds.sort_by(f64::total_cmp);
    let quantile = |share: f64| {
        let at = (share * milliseconds.len() as f64) as usize;
        milliseconds.get(at.min(milliseconds.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
    };
    let rate = milliseconds.len() as f64 / seconds;
    let line = format!(
        "{rate:.0} images/s over {} connections; p50 {:.2} ms, p99 {:.2} ms, most {:.2} ms; {} answered, {refused} refused, {failed} failed",
        options.connections,
        quantile(0.50),
        quantile(0.99),
        quantile(1.0),
        milliseconds.len(),
    );
    writeln!(std::io::stdout(), "{line}")?;
    Ok(())
}
