//! Forward, forward and backward, and folded inference, in each precision and layout, alone and in replicas.

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark")]

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use medley_models::conformance::{noise, task};
use medley_models::{
    BackboneConfig, BatchNormScope, BuildOptions, ComputePlan, MemoryLayout, MultiTaskNet, NetConfig, Precision,
    Segment, environment,
};
use tch::{Kind, Tensor};

const BATCH: i64 = 64;

fn build(backbone: &BackboneConfig, plan: ComputePlan) -> MultiTaskNet {
    let config = NetConfig { backbone: backbone.clone(), ..NetConfig::default() };
    let options = BuildOptions { plan, ..BuildOptions::default() };
    MultiTaskNet::build(&config.validated().unwrap(), &[task("a", 9)], &options).unwrap()
}

fn train(net: &MultiTaskNet, images: &Tensor, segments: &[Segment]) {
    let logits = net.forward(images, segments, true).unwrap();
    let loss: Tensor = logits.iter().map(|logits| logits.square().mean(Kind::Float)).sum();
    black_box(net.gradients(&loss).unwrap());
}

/// One thread: what an operation costs, not how well threads meet.
fn passes(criterion: &mut Criterion) {
    environment::set_threads(1);
    let images = noise(0, BATCH, 3, 28).unwrap();
    let segments = [Segment { task: 0, start: 0, len: BATCH }];
    for backbone in [BackboneConfig::with_width("resnet9", 16), BackboneConfig::with_width("resnet18", 16)] {
        let mut group = criterion.benchmark_group(&backbone.name);
        group.throughput(Throughput::Elements(BATCH as u64)).sample_size(10).measurement_time(Duration::from_secs(3));
        for precision in [Precision::Fp32, Precision::Bf16] {
            for memory_layout in [MemoryLayout::Contiguous, MemoryLayout::ChannelsLast] {
                let net = build(&backbone, ComputePlan { precision, memory_layout, ..ComputePlan::default() });
                let plan = format!("{precision} {memory_layout}");
                group.bench_function(BenchmarkId::new("forward", &plan), |bencher| {
                    let _guard = tch::no_grad_guard();
                    bencher.iter(|| black_box(net.forward(&images, &segments, false).unwrap()));
                });
                let inference = net.inference();
                group.bench_function(BenchmarkId::new("folded", &plan), |bencher| {
                    bencher.iter(|| black_box(inference.forward(&images, &segments).unwrap()));
                });
                group.bench_function(BenchmarkId::new("forward and backward", &plan), |bencher| {
                    bencher.iter(|| train(&net, &images, &segments));
                });
            }
        }
        group.finish();
    }
}

/// What each multi-task option costs in time, in a batch of four tasks.
fn options(criterion: &mut Criterion) {
    environment::set_threads(1);
    let images = noise(0, BATCH, 3, 28).unwrap();
    let tasks: Vec<_> = (0..4).map(|index| task(&format!("t{index}"), 5)).collect();
    let each = BATCH / 4;
    let segments: Vec<_> = (0..4).map(|task| Segment { task, start: task as i64 * each, len: each }).collect();
    let plain = NetConfig { backbone: BackboneConfig::with_width("resnet9", 16), ..NetConfig::default() };
    let mut group = criterion.benchmark_group("multi-task options");
    group.throughput(Throughput::Elements(BATCH as u64)).sample_size(10).measurement_time(Duration::from_secs(3));
    for (name, config) in [
        ("shared", plain.clone()),
        ("batch norm per task", NetConfig { batch_norm: BatchNormScope::PerTask, ..plain.clone() }),
        ("adapters", NetConfig { adapters: true, ..plain.clone() }),
        ("task embedding", NetConfig { task_embedding: 16, ..plain }),
    ] {
        let bf16 = ComputePlan { precision: Precision::Bf16, ..ComputePlan::default() };
        let options = BuildOptions { plan: bf16, ..BuildOptions::default() };
        let net = MultiTaskNet::build(&config.validated().unwrap(), &tasks, &options).unwrap();
        group.bench_function(name, |bencher| bencher.iter(|| train(&net, &images, &segments)));
    }
    group.finish();
}

criterion_group!(benches, passes, options);
criterion_main!(benches);
