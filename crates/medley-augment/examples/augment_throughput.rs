//! Images per CPU-second of one policy on 28x28x3, a contender of `scripts/compare/augment`. Linux only.
//!
//! `augment_throughput POLICY.toml` prints `ready`; for every line with a number of seconds on standard input it works that long
//! on batches of 128 in one thread, and prints a JSON object.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement, not a library"
)]

use std::io::BufRead as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use medley_augment::{
    AssemblerOptions, BatchAssembler, BatchRequest, Normalisation, PolicyConfig, SampleRef, TaskSource,
};
use medley_core::{ImageShape, Images};

const IMAGES: usize = 2048;
const BATCH: usize = 128;

/// Time this thread has been on a processor.
fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split_whitespace().next().unwrap().parse().unwrap())
}

fn assembler(policy: PolicyConfig) -> BatchAssembler {
    let shape = ImageShape::flat(28, 28, 3);
    let bytes = (0..shape.len() * IMAGES).map(|i| (i.wrapping_mul(0x9e37_79b9) >> 13) as u8).collect();
    let images = Arc::new(Images::new(shape, IMAGES, bytes).unwrap());
    let source = TaskSource { images, policy, normalisation: Normalisation::half(3) };
    let options = AssemblerOptions { seed: 0, workers: 0, prefetch: 1, channels: 3 };
    BatchAssembler::new(vec![source], options).unwrap()
}

fn main() {
    let path = std::env::args().nth(1).expect("usage: augment_throughput POLICY.toml");
    let assembler = assembler(toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap());
    let mut pixels = Vec::new();
    let mut batches = 0;
    let mut step = || {
        let first = batches * BATCH % IMAGES;
        let samples = (first..first + BATCH).map(|index| SampleRef { task: 0, index }).collect();
        assembler.assemble(&BatchRequest { epoch: batches as u64, samples }, true, &mut pixels);
        batches += 1;
    };
    step();
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        let seconds = Duration::from_secs_f64(line.unwrap().trim().parse().unwrap());
        let (start, cpu, mut images) = (Instant::now(), cpu_time(), 0_usize);
        while start.elapsed() < seconds {
            step();
            images += BATCH;
        }
        let (wall, cpu) = (start.elapsed(), cpu_time().saturating_sub(cpu));
        let images = images as f64;
        let rates = [images / wall.as_secs_f64(), images / cpu.as_secs_f64()];
        println!("{{\"images_per_second\": {:.0}, \"images_per_cpu_second\": {:.0}}}", rates[0], rates[1]);
    }
}
