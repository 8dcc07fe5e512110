//! Statistics and the search for equal images, on synthetic sets. `cargo bench -p medley-audit`.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a benchmark may panic, and criterion's macros write no documentation"
)]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use medley_audit::audit::{AuditedSet, Options, audit};
use medley_audit::stats::statistics;
use medley_core::Origin;
use medley_data::Registry;
use medley_synth::generate;

fn looking(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("looking");
    group.sample_size(10);
    for rows in [2_000, 8_000] {
        let spec = Registry::builtin().get("organamnist").unwrap().spec(28, Origin::Synthetic);
        let task = generate(&spec, [rows, 500, 500], 1).unwrap().into_task(spec).unwrap();
        group.throughput(Throughput::Elements(rows as u64 + 1_000));
        for (name, near) in [("equal", None), ("equal and nearly equal", Some(0.995))] {
            let options = Options { near, ..Options::default() };
            let set = AuditedSet { task: &task, test_labels: None };
            group.bench_with_input(BenchmarkId::new(name, rows), &set, |bencher, &set| {
                bencher.iter(|| audit(&[set], &options));
            });
        }
        group.bench_with_input(BenchmarkId::new("statistics", rows), &task, |bencher, task| {
            bencher.iter(|| statistics(task, None).unwrap());
        });
    }
}

criterion_group!(benches, looking);
criterion_main!(benches);
