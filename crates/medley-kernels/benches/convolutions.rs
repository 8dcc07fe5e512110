//! Forward, input gradient and weight gradient of the layers of a ResNet-18 on 28-pixel images, and of volumes with filters in three planes.

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use medley_kernels::{Convolution, DirectConvolution, Filters, Geometry, Kernel, Number, bf16};

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

/// Strides, small images and planes of volumes.
fn direct_layers(criterion: &mut Criterion) {
    for (inputs, outputs, side, kernel, stride) in
        [(64, 128, 28, 3, 2), (128, 256, 14, 3, 2), (256, 512, 7, 3, 2), (256, 512, 7, 1, 2), (256, 256, 3, 3, 1)]
    {
        let padding = kernel / 2;
        let filters = vec![Filters { outputs, kernel: [1, kernel, kernel], padding: [0, padding, padding] }];
        let geometry = Geometry { images: 128, size: [1, side, side], inputs, filters, stride, threads: 1 };
        direct(criterion, &format!("{inputs} to {outputs} at {side}, {kernel}x{kernel}, stride {stride}"), geometry);
    }
    for (channels, side) in [(16, 28), (32, 14), (64, 7), (128, 4)] {
        let plane = |plane: usize| {
            let (mut kernel, mut padding) = ([3; 3], [1; 3]);
            (kernel[plane], padding[plane]) = (1, 0);
            Filters { outputs: (channels + 2 - plane) / 3, kernel, padding }
        };
        let filters = (0..3).map(plane).collect();
        let geometry = Geometry { images: 32, size: [side; 3], inputs: channels, filters, stride: 1, threads: 1 };
        direct(criterion, &format!("{channels} to {channels} at {side}, planes of volumes"), geometry);
    }
}

/// Forward and both gradients of a layer as it is written.
fn direct(criterion: &mut Criterion, name: &str, geometry: Geometry) {
    let layer = DirectConvolution::new(geometry.clone()).unwrap();
    let outputs: usize = geometry.filters.iter().map(|filters| filters.outputs).sum();
    let taps: usize = geometry.filters[0].kernel.iter().product();
    let numbers = |size: [usize; 3], channels: usize| {
        let len = geometry.images * size.iter().product::<usize>() * channels;
        (0..len).map(|index| bf16::from_f32((index as f32).sin())).collect::<Vec<_>>()
    };
    let (mut x, y) = (numbers(geometry.size, geometry.inputs), numbers(layer.output_size(), outputs));
    let w: Vec<f32> = (0..geometry.inputs * outputs * taps).map(|index| (index as f32).sin()).collect();
    let (mut result, mut dw) = (y.clone(), vec![0.0; w.len()]);
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements((2 * y.len() * geometry.inputs * taps) as u64)).sample_size(10);
    group.bench_function(BenchmarkId::from_parameter("forward"), |bencher| {
        bencher.iter(|| layer.forward(&x, Kernel::channels_last(&w), None, &mut result).unwrap());
    });
    group.bench_function(BenchmarkId::from_parameter("weight gradient"), |bencher| {
        bencher.iter(|| layer.weight_gradient(&x, &y, &mut dw).unwrap());
    });
    group.bench_function(BenchmarkId::from_parameter("input gradient"), |bencher| {
        bencher.iter(|| layer.input_gradient(&y, Kernel::channels_last(&w), &mut x).unwrap());
    });
    group.finish();
}

criterion_group!(benches, layers, direct_layers);
criterion_main!(benches);
