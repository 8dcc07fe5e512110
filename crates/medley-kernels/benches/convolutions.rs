//! Forward, input gradient and weight gradient of the layers of a ResNet-18 on 28-pixel images.

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use medley_kernels::{Convolution, Kernel, Number, bf16};

fn layers(criterion: &mut Criterion) {
    for (inputs, outputs, side) in
        [(16, 32, 28), (64, 64, 28), (128, 128, 14), (256, 256, 7), (512, 512, 4), (256, 256, 3)]
    {
        let layer = Convolution { images: 128, height: side, width: side, inputs, outputs, threads: 1 };
        directions(criterion, "fp32", layer, |value| value);
        directions(criterion, "bf16", layer, bf16::from_f32);
    }
}

/// Forward and both gradients of a layer.
fn directions<N: Number>(criterion: &mut Criterion, name: &str, layer: Convolution, number: impl Fn(f32) -> N) {
    let Convolution { height: side, inputs, outputs, .. } = layer;
    let numbers = |len: usize| (0..len).map(|index| number((index as f32).sin())).collect::<Vec<_>>();
    let (mut x, y) = (numbers(128 * side * side * inputs), numbers(128 * side * side * outputs));
    let w: Vec<f32> = (0..inputs * outputs * 9).map(|index| (index as f32).sin()).collect();
    let (mut result, mut dw) = (y.clone(), vec![0.0; w.len()]);
    let mut group = criterion.benchmark_group(format!("{name}, {inputs} to {outputs} at {side}"));
    // The operations of the sum as it is written, so that the rates compare with those of other algorithms.
    group.throughput(Throughput::Elements((2 * y.len() * inputs * 9) as u64)).sample_size(10);
    group.bench_function(BenchmarkId::from_parameter("forward"), |bencher| {
        bencher.iter(|| layer.forward(&x, Kernel::contiguous(&w), None, &mut result).unwrap());
    });
    group.bench_function(BenchmarkId::from_parameter("weight gradient"), |bencher| {
        bencher.iter(|| layer.weight_gradient(&x, &y, &mut dw).unwrap());
    });
    group.bench_function(BenchmarkId::from_parameter("input gradient"), |bencher| {
        bencher.iter(|| layer.input_gradient(&y, Kernel::contiguous(&w), &mut x).unwrap());
    });
    group.finish();
}

criterion_group!(benches, layers);
criterion_main!(benches);
