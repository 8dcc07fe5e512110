//! Networks on a GPU agree with the CPU. Without a GPU these tests are left out, and say so; see `conformance::cuda_or_skip`.
//! A program of its own: calibration measures time, and sets the number of threads of the whole process.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::time::Duration;

use medley_models::calibration::{ComputeChoices, Workload, calibrate};
use medley_models::conformance::{cuda_or_skip, noise, task};
use medley_models::{
    BackboneConfig, BatchNormScope, BuildOptions, ComputePlan, MemoryLayout, MultiTaskNet, NetConfig, Precision,
    Segment, ValidatedNet,
};
use tch::{Device, Kind, Tensor};

const SEGMENTS: [Segment; 2] = [Segment { task: 0, start: 0, len: 20 }, Segment { task: 1, start: 20, len: 28 }];

/// Every multi-task option at once.
fn config() -> ValidatedNet {
    let config = NetConfig {
        backbone: BackboneConfig::with_width("resnet9", 8),
        batch_norm: BatchNormScope::PerTask,
        adapters: true,
        task_embedding: 4,
        dropout: 0.2,
        ..NetConfig::default()
    };
    config.validated().unwrap()
}

fn build(plan: ComputePlan) -> MultiTaskNet {
    let options = BuildOptions { plan, seed: 3, ..BuildOptions::default() };
    MultiTaskNet::build(&config(), &[task("a", 3), task("b", 2)], &options).unwrap()
}

/// What a network computes, joined by kind, on the CPU: logits in training, gradients, running statistics, logits in evaluation
/// and of folded inference.
fn results(net: &MultiTaskNet) -> [(&'static str, Tensor); 5] {
    let images = noise(1, 48, 3, 28).unwrap();
    let logits = net.forward_with_noise(&images, &SEGMENTS, 7).unwrap();
    let loss: Tensor = logits.iter().map(|logits| logits.square().sum(Kind::Float)).sum();
    let gradients = net.gradients(&loss).unwrap().into_iter().map(Option::unwrap).collect();
    let statistics = net.buffers().into_iter().map(|(_, tensor)| tensor).collect();
    let evaluated = tch::no_grad(|| net.forward(&images, &SEGMENTS, false)).unwrap();
    let folded = net.inference().forward(&images, &SEGMENTS).unwrap();
    [
        ("training logits", joined(logits)),
        ("gradients", joined(gradients)),
        ("running statistics", joined(statistics)),
        ("evaluation logits", joined(evaluated)),
        ("folded logits", joined(folded)),
    ]
}

fn joined(tensors: Vec<Tensor>) -> Tensor {
    Tensor::cat(&tensors.iter().map(|tensor| tensor.flatten(0, -1)).collect::<Vec<_>>(), 0)
        .detach()
        .to_device(Device::Cpu)
}

/// How far a device and number format are from fp32 on the CPU, as a share of the norm, by kind. In fp32 a GPU is not exact either:
/// cuDNN rounds the factors of convolutions to 10 bits (TF32), and bf16 to 7.
fn differences(device: Device, precision: Precision) -> Vec<(String, f64)> {
    let mut differences = Vec::new();
    for memory_layout in [MemoryLayout::Contiguous, MemoryLayout::ChannelsLast] {
        let expected = results(&build(ComputePlan { memory_layout, ..ComputePlan::default() }));
        let net = build(ComputePlan { device, precision, memory_layout, ..ComputePlan::default() });
        assert!(net.parameters().iter().all(|(_, tensor)| tensor.device() == device));
        for ((kind, ours), (_, theirs)) in results(&net).iter().zip(&expected) {
            let off = (ours - theirs).norm().double_value(&[]) / theirs.norm().double_value(&[]);
            differences.push((format!("{kind} in {precision}, {memory_layout}"), off));
        }
    }
    differences
}

/// Gradients, which normalisation over few rows amplifies, to `limit`, and all else to a tenth of it.
fn assert_close(device: Device, precision: Precision, limit: f64) {
    for (what, off) in differences(device, precision) {
        let limit = if what.starts_with("gradients") { limit } else { limit / 10.0 };
        assert!(off < limit, "{what}: off by {off} of the norm");
    }
}

#[test]
fn passes_agree_with_the_cpu() {
    if let Some(device) = cuda_or_skip("passes_agree_with_the_cpu") {
        assert_close(device, Precision::Fp32, 0.05);
        assert_close(device, Precision::Bf16, 0.3);
    }
}

#[test]
fn calibration_measures_a_gpu() {
    let Some(device) = cuda_or_skip("calibration_measures_a_gpu") else { return };
    let tasks = [task("a", 3), task("b", 2)];
    let workload = Workload { net: &config(), tasks: &tasks, input_channels: 3, input_size: 28, batch_size: 64 };
    let choices = ComputeChoices::open(device, 4);
    let calibration = calibrate(&workload, &choices, Duration::from_secs(1)).unwrap();
    assert_eq!(calibration.measured.len(), 4, "two number formats in two layouts");
    for measured in &calibration.measured {
        let plan = measured.plan;
        assert_eq!((plan.device, plan.threads, plan.replicas), (device, 1, 1));
        assert!(measured.images_per_second > 0.0);
    }
    assert!(calibration.measured.iter().any(|measured| measured.plan == calibration.plan));
}

/// The comparison itself, where there is no GPU: the CPU agrees with itself to the bit, and what bf16 rounds away is seen.
#[test]
fn the_comparison_sees_rounding() {
    let exact = differences(Device::Cpu, Precision::Fp32);
    assert!(exact.iter().all(|(_, off)| *off == 0.0), "{exact:?}");
    let rounded = differences(Device::Cpu, Precision::Bf16);
    assert!(rounded.iter().all(|(_, off)| *off > 1e-6), "{rounded:?}");
    assert_close(Device::Cpu, Precision::Bf16, 0.3);
}
