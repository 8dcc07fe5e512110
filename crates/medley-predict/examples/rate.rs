//! How fast a package answers without a server, in batches of several sizes and in several threads at once.
//!
//! `cargo run --release -p medley-predict --example rate -- packages/breastmnist --threads 2 --seconds 2`

use std::error::Error;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use medley_package::Classifier as _;
use medley_predict::{Bundle, ComputeOptions, PredictError};

struct Options {
    package: PathBuf,
    threads: usize,
    seconds: f64,
    batches: Vec<usize>,
}

fn options() -> Result<Options, Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let package = arguments.next().ok_or("name the folder of a package")?.into();
    let mut options = Options { package, threads: 1, seconds: 2.0, batches: vec![1, 8, 16, 32, 64, 128, 512] };
    while let Some(option) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{option} needs a value"))?;
        match option.as_str() {
            "--threads" => options.threads = value.parse()?,
            "--seconds" => options.seconds = value.parse()?,
            "--batch" => options.batches = vec![value.parse()?],
            other => return Err(format!("unknown option {other}").into()),
        }
    }
    Ok(options)
}

/// Images that one thread classified in that time, per second.
fn rate(bundle: &Bundle, batch: usize, length: Duration, start: &Barrier) -> Result<f64, PredictError> {
    let classifier = bundle.classifier(0, ComputeOptions::default());
    start.wait();
    let mut classifier = classifier?;
    let size = classifier.model().input().len();
    let images: Vec<u8> = (0..batch * size).map(|index| (index * 31 % 251) as u8).collect();
    // What is computed once.
    classifier.classify(&images)?;
    let (begun, mut count) = (Instant::now(), 0);
    while begun.elapsed() < length {
        count += classifier.classify(&images)?.len();
    }
    Ok(count as f64 / begun.elapsed().as_secs_f64())
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = options()?;
    let (bundle, length) = (Bundle::read(&options.package)?, Duration::from_secs_f64(options.seconds));
    for &batch in &options.batches {
        let start = Barrier::new(options.threads);
        let rates = thread::scope(|scope| {
            let begin = |_| scope.spawn(|| rate(&bundle, batch, length, &start));
            let threads: Vec<_> = (0..options.threads).map(begin).collect();
            threads.into_iter().filter_map(|thread| thread.join().ok()).collect::<Result<Vec<_>, _>>()
        })?;
        writeln!(std::io::stdout(), "batches of {batch}: {:.0} images/s", rates.iter().sum::<f64>())?;
    }
    Ok(())
}
