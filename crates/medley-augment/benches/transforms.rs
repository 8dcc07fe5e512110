//! Each transform alone, and whole pipelines, on batches of 128 images of 28x28x3 (volumes: 16 of 28x28x28), normalised.
//! The throughput is in images per second of one thread.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, missing_docs, reason = "a bench may panic")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use medley_augment::resize::{ResizeMethod, Resizer};
use medley_augment::{
    AssemblerOptions, BatchAssembler, BatchRequest, Normalisation, PolicyConfig, SampleRef, TaskSource,
};
use medley_core::{ImageShape, Images, Modality};

/// Steps as in TOML; each always acts, so that the time is that of the transform and not of its probability.
const STEPS: &[&str] = &[
    "type = 'flip', axis = 'horizontal', probability = 1.0",
    "type = 'dihedral'",
    "type = 'shift', pixels = 2",
    "type = 'affine', degrees = 10.0, translate = 0.1, scale = [0.9, 1.1], shear = 5.0",
    "type = 'elastic', deviation = 0.02, probability = 1.0",
    "type = 'brightness', amount = 0.2",
    "type = 'contrast', amount = 0.2",
    "type = 'gamma', exponent = [0.8, 1.2]",
    "type = 'saturation', amount = 0.2",
    "type = 'hue', turn = 0.1",
    "type = 'colour_jitter', brightness = 0.2, contrast = 0.2, saturation = 0.2, hue = 0.05",
    "type = 'channel_jitter', scale = 0.1, shift = 0.1",
    "type = 'intensity'",
    "type = 'gaussian_blur', deviation = [0.1, 1.5], probability = 1.0",
    "type = 'sharpness', factor = [0.5, 2.0], probability = 1.0",
    "type = 'gaussian_noise', deviation = [0.0, 0.1]",
    "type = 'poisson_noise', photons = [50.0, 500.0], probability = 1.0",
    "type = 'speckle_noise', deviation = [0.0, 0.1]",
    "type = 'cutout', size = 8",
    "type = 'random_erasing', fill = 'noise', probability = 1.0",
    "type = 'rand_augment'",
    "type = 'trivial_augment'",
    "type = 'augmix'",
    "type = 'random_corruption', modality = 'pathology'",
];

const VOLUME_STEPS: &[&str] = &[
    "type = 'right_angle_turns'",
    "type = 'affine', degrees = 10.0",
    "type = 'flip', axis = 'depth', probability = 1.0",
];

fn policy(step: &str) -> PolicyConfig {
    toml::from_str(&format!("steps = [{{ {step} }}]")).unwrap()
}

fn assembler(shape: ImageShape, count: usize, policy: PolicyConfig) -> BatchAssembler {
    let bytes = (0..shape.len() * count).map(|i| (i.wrapping_mul(0x9e37_79b9) >> 13) as u8).collect();
    let images = Arc::new(Images::new(shape, count, bytes).unwrap());
    let source = TaskSource { images, policy, normalisation: Normalisation::half(shape.channels) };
    let options = AssemblerOptions { seed: 0, workers: 0, prefetch: 1, channels: 3 };
    BatchAssembler::new(vec![source], options).unwrap()
}

fn measure(criterion: &mut Criterion, group: &str, name: &str, shape: ImageShape, count: usize, policy: PolicyConfig) {
    let assembler = assembler(shape, count, policy);
    let samples: Vec<_> = (0..count).map(|index| SampleRef { task: 0, index }).collect();
    let mut pixels = Vec::new();
    let mut epoch = 0;
    let mut group = criterion.benchmark_group(group);
    group.throughput(Throughput::Elements(count as u64));
    group.bench_function(name, |bencher| {
        bencher.iter(|| {
            epoch += 1;
            assembler.assemble(&BatchRequest { epoch, samples: samples.clone() }, true, &mut pixels);
            black_box(pixels.first());
        });
    });
    group.finish();
}

/// The name in `type = '…'`.
fn name(step: &str) -> &str {
    step.split('\'').nth(1).unwrap()
}

fn transforms(criterion: &mut Criterion) {
    let flat = ImageShape::flat(28, 28, 3);
    measure(criterion, "28x28x3", "nothing", flat, 128, PolicyConfig::none());
    for step in STEPS {
        measure(criterion, "28x28x3", name(step), flat, 128, policy(step));
    }
    for (name, modality) in
        [("builtin pathology", Modality::Pathology), ("builtin abdominal CT", Modality::AbdominalCt)]
    {
        measure(criterion, "28x28x3", name, flat, 128, PolicyConfig::builtin(modality));
    }
    let volume = ImageShape::volume(28, 28, 28, 1);
    for step in VOLUME_STEPS {
        measure(criterion, "28x28x28", name(step), volume, 16, policy(step));
    }
}

fn resizing(criterion: &mut Criterion) {
    let (from, to) = (ImageShape::flat(28, 28, 3), ImageShape::flat(224, 224, 3));
    let image = vec![100; from.len()];
    let mut out = vec![0; to.len()];
    let mut group = criterion.benchmark_group("28x28x3 to 224x224x3");
    group.throughput(Throughput::Elements(1));
    for (name, method) in [
        ("nearest", ResizeMethod::Nearest),
        ("bilinear", ResizeMethod::Bilinear),
        ("bicubic_antialias", ResizeMethod::BicubicAntialias),
    ] {
        let resizer = Resizer::new(from, to, method).unwrap();
        group.bench_function(name, |bencher| bencher.iter(|| resizer.resize(black_box(&image), &mut out)));
    }
    group.finish();
}

criterion_group!(benches, transforms, resizing);
criterion_main!(benches);
