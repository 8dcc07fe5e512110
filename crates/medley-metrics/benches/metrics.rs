//! One pass over a TissueMNIST-sized file, and a hundred resamples of it.

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use medley_core::{ImageShape, Labels, Modality, Origin, Scores, TaskKind, TaskSpec};
use medley_metrics::bootstrap::{Resampling, bootstrap, permute};
use medley_metrics::metrics::{ALL, HEADLINE};
use medley_metrics::{Sample, metric};

const ROWS: usize = 47_280;
const CLASSES: usize = 8;

fn sample(seed: u64) -> Sample {
    let mut state = seed;
    let mut next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    let labels: Vec<u16> = (0..ROWS).map(|row| (row % CLASSES) as u16).collect();
    let mut values = Vec::with_capacity(ROWS * CLASSES);
    for &label in &labels {
        let raw: Vec<f64> =
            (0..CLASSES).map(|class| next() + if class == usize::from(label) { 0.4 } else { 0.0 }).collect();
        let sum: f64 = raw.iter().sum();
        values.extend(raw.iter().map(|value| value / sum));
    }
    let spec = TaskSpec {
        name: "tissuemnist".into(),
        title: "TissueMNIST".into(),
        kind: TaskKind::MultiClass,
        modality: Modality::KidneyMicroscope,
        classes: (0..CLASSES).map(|class| class.to_string()).collect(),
        shape: ImageShape::flat(28, 28, 1),
        origin: Origin::Synthetic,
    };
    Sample::new(&spec, Labels::single(labels).unwrap(), Scores::new(values, ROWS, CLASSES).unwrap()).unwrap()
}

fn headline(criterion: &mut Criterion) {
    let (one, two) = (sample(1), sample(2));
    let mut group = criterion.benchmark_group("tissuemnist");
    group.throughput(Throughput::Elements(ROWS as u64)).sample_size(10);
    group.bench_function("prepare and value all", |bencher| {
        bencher.iter(|| {
            let fresh = Sample::new(one.spec(), one.labels().clone(), one.scores().unwrap().clone()).unwrap();
            ALL.iter().map(|metric| metric::value(*metric, &fresh)).collect::<Vec<_>>()
        });
    });
    let options = Resampling { resamples: 100, ..Resampling::default() };
    group.bench_function("bootstrap 100, headline", |bencher| {
        bencher.iter(|| black_box(bootstrap(&one, HEADLINE, &options)));
    });
    group.bench_function("bootstrap 100, all", |bencher| {
        bencher.iter(|| black_box(bootstrap(&one, ALL, &options)));
    });
    group.bench_function("permute 100, headline", |bencher| {
        bencher.iter(|| black_box(permute(&one, &two, HEADLINE, &options).unwrap()));
    });
    group.finish();
}

criterion_group!(benches, headline);
criterion_main!(benches);
