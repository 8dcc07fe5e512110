//! Decoding, opening, hashing and searching, on drawn sets. `cargo bench -p medley-data`.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a benchmark may panic, and criterion's macros write no documentation"
)]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use medley_core::Origin;
use medley_data::audit::{Options, Subject, audit};
use medley_data::stats::statistics;
use medley_data::synth::{Rows, SynthOptions, generate, write_set};
use medley_data::{CacheUse, OpenOptions, Registry, decode_arrays, hash_file, open_path};
use medley_storage::RealFs;

fn reading(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let options = SynthOptions { rows: Rows::AtMost(20_000), ..SynthOptions::default() };
    let path = write_set(folder.path(), "bloodmnist", &options, &RealFs).unwrap();
    let decoded: usize = decode_arrays(&path).unwrap().iter().map(|(_, bytes)| bytes.len()).sum();
    let mut group = criterion.benchmark_group("reading");
    group.throughput(Throughput::Bytes(decoded as u64)).sample_size(20);
    group.bench_function("decode every array", |bencher| bencher.iter(|| decode_arrays(&path).unwrap()));
    group.bench_function("MD5 and SHA-256", |bencher| bencher.iter(|| hash_file(&path).unwrap()));
    let limits = OpenOptions { memory_limit: 1 << 30, cache: CacheUse::Never };
    group.bench_function("open", |bencher| bencher.iter(|| open_path(&path, &limits).unwrap()));
    let cached = OpenOptions { cache: CacheUse::Always(folder.path().join("cache")), ..limits };
    group.bench_function("open through the cache", |bencher| bencher.iter(|| open_path(&path, &cached).unwrap()));
}

fn looking(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("looking");
    group.sample_size(10);
    for rows in [2_000, 8_000] {
        let spec = Registry::builtin().get("organamnist").unwrap().spec(28, Origin::Synthetic);
        let task = generate(&spec, [rows, 500, 500], 1).unwrap().into_task(spec).unwrap();
        group.throughput(Throughput::Elements(rows as u64 + 1_000));
        for (name, near) in [("equal", None), ("equal and nearly equal", Some(0.995))] {
            let options = Options { near, ..Options::default() };
            let subject = Subject { task: &task, test_labels: None };
            group.bench_with_input(BenchmarkId::new(name, rows), &subject, |bencher, &subject| {
                bencher.iter(|| audit(&[subject], &options));
            });
        }
        group.bench_with_input(BenchmarkId::new("statistics", rows), &task, |bencher, task| {
            bencher.iter(|| statistics(task, None).unwrap());
        });
    }
}

criterion_group!(benches, reading, looking);
criterion_main!(benches);
