//! Opens one file and says how long that took: what `scripts/compare/load` runs against NumPy.
//!
//! `decode FILE [--cache DIR] [--hash] [--repeat N]`: by default every array is decoded as `numpy.load` does, without the file's
//! MD5 and SHA-256; `--hash` opens it as a run does. Prints the seconds of each repetition, one a line, then the peak memory
//! in bytes and the bytes decoded.
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::path::PathBuf;
use std::time::Instant;

use medley_data::{CacheUse, OpenOptions, decode_arrays, open_path};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (mut file, mut cache, mut hash, mut repeat) = (None, CacheUse::Never, false, 1_usize);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--cache" => cache = CacheUse::Always(arguments.next().ok_or("--cache needs a folder")?.into()),
            "--hash" => hash = true,
            "--repeat" => repeat = arguments.next().ok_or("--repeat needs a number")?.parse()?,
            path => file = Some(PathBuf::from(path)),
        }
    }
    let file = file.ok_or("name an .npz file")?;
    let mut bytes = 0;
    for _ in 0..repeat {
        let start = Instant::now();
        if hash || matches!(cache, CacheUse::Always(_)) {
            let opened = open_path(&file, &OpenOptions { memory_limit: u64::MAX, cache: cache.clone() })?;
            let images: usize = opened.rows().iter().sum();
            bytes = images * opened.task.spec.shape.len();
        } else {
            bytes = decode_arrays(&file)?.iter().map(|(_, bytes)| bytes.len()).sum();
        }
        println!("{:.6}", start.elapsed().as_secs_f64());
    }
    println!("{} {bytes}", peak_memory());
    Ok(())
}

/// `VmHWM` of the kernel, bytes.
fn peak_memory() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|number| number.parse::<u64>().ok()).unwrap_or_default() * 1_024
}
