//! Trains or predicts on images in memory and says how fast. `scripts/compare/models` runs it beside PyTorch.
//!
//! ```text
//! cargo run --release -p medley-train --example throughput -- train backbone=resnet18 precision=bf16 replicas=2
//! ```
//!
//! It reads a number of seconds per line from standard input, works that long, and answers with a line of JSON: images per
//! second of wall time and of CPU time (user and system, all threads), the multiplication rate in GFLOP/s of CPU time, and
//! the peak memory so far. `matmul` in place of `train` or `predict` measures the machine's matrix product; `calibrate` prints
//! what a calibration with that many threads measures and chooses, and ends.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a program for a script")]

use std::io::BufRead as _;
use std::time::{Duration, Instant};

use medley_core::TaskSpec;
use medley_models::calibration::{ComputeChoices, Workload, calibrate};
use medley_models::conformance::task;
use medley_models::{
    BackboneConfig, BatchNormScope, BuildOptions, ComputePlan, MultiTaskNet, NetConfig, Segment, environment,
    image_batch, volume_batch,
};
use medley_train::components::optimizers::{AdamW, Build as _, Parameter};
use tch::{Device, Kind, Tensor};

struct Arguments {
    mode: String,
    config: NetConfig,
    options: BuildOptions,
    batch: i64,
    tasks: usize,
}

impl Arguments {
    fn parse() -> Self {
        let mut words = std::env::args().skip(1);
        let mut arguments = Self {
            mode: words.next().unwrap_or_else(|| "train".into()),
            config: NetConfig::default(),
            options: BuildOptions::default(),
            batch: 128,
            tasks: 1,
        };
        for word in words {
            let (key, value) = word.split_once('=').unwrap_or_else(|| panic!("`{word}` is no key=value"));
            arguments.set(key, value);
        }
        arguments
    }

    fn set(&mut self, key: &str, value: &str) {
        let number = || value.parse::<usize>().unwrap_or_else(|_| panic!("`{key}` needs a number"));
        let quoted = format!("\"{value}\"");
        match key {
            "backbone" => self.config.backbone = BackboneConfig::named(value),
            "convolution" => self.config.backbone.convolution = Some(serde_json::from_str(&quoted).unwrap()),
            "width" => self.config.backbone.width = Some(number()),
            "batch_norm" => self.config.batch_norm = serde_json::from_str::<BatchNormScope>(&quoted).unwrap(),
            "precision" => self.options.plan.precision = serde_json::from_str(&quoted).unwrap(),
            "layout" => self.options.plan.memory_layout = serde_json::from_str(&quoted).unwrap(),
            "convolutions" => self.options.plan.convolutions = serde_json::from_str(&quoted).unwrap(),
            "size" => self.options.input_size = number() as i64,
            "batch" => self.batch = number() as i64,
            "tasks" => self.tasks = number(),
            "device" => self.options.plan.device = medley_models::device::parse(value).unwrap(),
            "threads" => self.options.plan.threads = number(),
            "replicas" => self.options.plan.replicas = number(),
            _ => panic!("no key `{key}`"),
        }
    }
}

fn main() {
    let arguments = Arguments::parse();
    environment::keep_freed_memory();
    environment::set_threads(arguments.options.plan.threads);
    if arguments.mode == "calibrate" {
        return print_calibration(&arguments);
    }
    let mut work = Work::new(&arguments);
    for _ in 0..3 {
        work.step(); // buffers are allocated and kernels chosen
    }
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        let seconds: f64 = line.unwrap().trim().parse().unwrap();
        let (start, cpu) = (Instant::now(), cpu_seconds());
        let mut steps = 0_u32;
        while start.elapsed() < Duration::from_secs_f64(seconds) {
            work.step();
            steps += 1;
        }
        let images = f64::from(steps) * work.images;
        let (wall, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds() - cpu);
        let result = serde_json::json!({
            "images_per_second": images / wall,
            "images_per_cpu_second": images / cpu,
            "gflops_per_cpu": images * work.flop_per_image / cpu / 1e9,
            "peak_mib": peak_mib(),
        });
        println!("{result}");
    }
}

fn print_calibration(arguments: &Arguments) {
    let BuildOptions { plan, input_channels, input_size, .. } = arguments.options;
    let workload = Workload {
        net: &arguments.config.validated().unwrap(),
        tasks: &tasks(arguments),
        input_channels,
        input_size,
        batch_size: arguments.batch as usize,
    };
    let (device, cores) = (plan.device, plan.threads);
    let choices = ComputeChoices::open(device, cores);
    let start = Instant::now();
    let calibration = calibrate(&workload, &choices, Duration::from_secs(2)).unwrap();
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{}",
        serde_json::json!({ "chosen": calibration.plan, "measured": calibration.trials(), "seconds": seconds })
    );
}

fn tasks(arguments: &Arguments) -> Vec<TaskSpec> {
    (0..arguments.tasks).map(|index| task(&format!("task{index}"), 9)).collect()
}

struct Work {
    images: f64,
    flop_per_image: f64,
    step: Box<dyn FnMut()>,
}

impl Work {
    fn new(arguments: &Arguments) -> Self {
        match arguments.mode.as_str() {
            "matmul" => matmul(&arguments.options.plan),
            "predict" => predict(arguments),
            _ => train(arguments),
        }
    }

    fn step(&mut self) {
        (self.step)();
    }
}

/// A square product that fits the caches as convolutions do.
fn matmul(plan: &ComputePlan) -> Work {
    const SIDE: i64 = 2048;
    let (a, b) = (
        Tensor::rand([SIDE, SIDE], (Kind::Float, Device::Cpu)),
        Tensor::rand([SIDE, SIDE], (Kind::Float, Device::Cpu)),
    );
    let (a, b) = (a.to_kind(plan.kind()), b.to_kind(plan.kind()));
    let step = move || drop(a.matmul(&b));
    Work { images: 1.0, flop_per_image: 2.0 * (SIDE * SIDE * SIDE) as f64, step: Box::new(step) }
}

fn build(arguments: &Arguments) -> (MultiTaskNet, Vec<Segment>) {
    let net =
        MultiTaskNet::build(&arguments.config.validated().unwrap(), &tasks(arguments), &arguments.options).unwrap();
    let each = arguments.batch / arguments.tasks as i64;
    let segments = (0..arguments.tasks).map(|task| Segment { task, start: task as i64 * each, len: each }).collect();
    (net, segments)
}

/// Bytes in memory, drawn in some order, normalised into the batch buffer: what a training loop does but for augmentation.
struct Images {
    bytes: Vec<u8>,
    pixels: Vec<f32>,
    shape: Vec<i64>,
    next: usize,
    device: Device,
}

impl Images {
    fn new(arguments: &Arguments) -> Self {
        const STORED: usize = 2048;
        let volumes = arguments.config.backbone.name.ends_with("_3d");
        let one = vec![arguments.options.input_size; if volumes { 3 } else { 2 }];
        let shape = [&[arguments.batch], &one[..], &[3]].concat();
        let len = shape[1..].iter().product::<i64>() as usize;
        let bytes = (0..STORED * len).map(|index| (index.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let pixels = vec![0.0; shape.iter().product::<i64>() as usize];
        Self { bytes, pixels, shape, next: 0, device: arguments.options.plan.device }
    }

    fn batch(&mut self) -> Tensor {
        let len = self.pixels.len() / self.shape[0] as usize;
        let stored = self.bytes.len() / len;
        for pixels in self.pixels.chunks_exact_mut(len) {
            self.next = (self.next + 1237) % stored;
            let bytes = &self.bytes[self.next * len..(self.next + 1) * len];
            for (pixel, &byte) in pixels.iter_mut().zip(bytes) {
                *pixel = (f32::from(byte) / 255.0 - 0.5) / 0.5;
            }
        }
        let pixels = &self.pixels;
        let batch = if let &[n, d, h, w, _] = &self.shape[..] {
            volume_batch(pixels, n, d, h, w, 3).unwrap()
        } else {
            image_batch(pixels, self.shape[0], self.shape[1], self.shape[2], 3).unwrap()
        };
        batch.to_device(self.device)
    }
}

fn train(arguments: &Arguments) -> Work {
    let (net, segments) = build(arguments);
    let flop = 6.0 * net.work().unwrap().macs as f64;
    let mut images = Images::new(arguments);
    let kind = (Kind::Int64, arguments.options.plan.device);
    let labels: Vec<Tensor> = segments.iter().map(|segment| Tensor::arange(segment.len, kind).remainder(9)).collect();
    // Adam at its published settings.
    let adam = AdamW { beta2: 0.999, ..AdamW::default() };
    let parameters = net.parameters().iter().map(|(name, tensor)| Parameter::plain(name, tensor, 0.0)).collect();
    let mut optimizer = adam.build(parameters, arguments.options.plan.cores(), arguments.options.plan.kind()).unwrap();
    let step = move || {
        let logits = net.forward(&images.batch(), &segments, true).unwrap();
        let losses = logits.iter().zip(&labels).map(|(logits, labels)| logits.cross_entropy_for_logits(labels));
        let loss: Tensor = losses.sum();
        optimizer.step(&net.gradients(&loss).unwrap(), 1.0, 1e-3).unwrap();
        assert!(loss.double_value(&[]).is_finite());
    };
    Work { images: arguments.batch as f64, flop_per_image: flop, step: Box::new(step) }
}

fn predict(arguments: &Arguments) -> Work {
    let (net, segments) = build(arguments);
    let flop = 2.0 * net.work().unwrap().macs as f64;
    let mut images = Images::new(arguments);
    // The network lives as long as the program.
    let net: &'static MultiTaskNet = Box::leak(Box::new(net));
    let inference = net.inference();
    let step = move || {
        let logits = inference.forward(&images.batch(), &segments).unwrap();
        assert!(logits[0].softmax(1, Kind::Float).double_value(&[0, 0]).is_finite());
    };
    Work { images: arguments.batch as f64, flop_per_image: flop, step: Box::new(step) }
}

/// User and system time of all threads.
fn cpu_seconds() -> f64 {
    let text = fs_err::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = text.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    ticks / 100.0
}

fn peak_mib() -> f64 {
    let text = fs_err::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}
