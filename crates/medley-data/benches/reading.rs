//! Decoding, opening and hashing, on a synthetic set. `cargo bench -p medley-data`.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a benchmark may panic, and criterion's macros write no documentation"
)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use medley_data::{CacheUse, OpenOptions, decode_arrays, hash_file, open_path};
use medley_storage::RealFs;
use medley_synth::{Rows, SynthOptions, write_set};

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

criterion_group!(benches, reading);
criterion_main!(benches);
