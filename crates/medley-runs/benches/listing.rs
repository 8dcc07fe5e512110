//! Listing five thousand finished runs, without and with the sizes of their files.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, missing_docs, reason = "a benchmark")]

#[path = "../../medley-predictions/tests/common/mod.rs"]
mod common;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use medley_core::RunLayout;
use medley_runs::{ListOptions, list};
use rand as _;

const RUNS: usize = 5_000;

fn listing(criterion: &mut Criterion) {
    let fixture = common::small_three();
    let folder = tempfile::tempdir().unwrap();
    for number in 0..RUNS {
        let run = RunLayout::new(folder.path().join(format!("run-{number}")));
        std::fs::create_dir_all(run.predictions()).unwrap();
        for (from, to) in [
            (fixture.layout.manifest(), run.manifest()),
            (fixture.layout.config(), run.config()),
            (fixture.layout.results(), run.results()),
            (fixture.layout.metrics(), run.metrics()),
        ] {
            std::fs::copy(from, to).unwrap();
        }
        for file in 0..12 {
            std::fs::write(run.predictions().join(format!("{file}.csv")), "0,1\n").unwrap();
        }
    }
    let folders = [folder.path().to_owned()];
    let mut group = criterion.benchmark_group("list 5,000 runs");
    group.sample_size(10);
    for sizes in [false, true] {
        let name = if sizes { "with sizes" } else { "without sizes" };
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let listing = list(black_box(&folders), ListOptions { sizes }).unwrap();
                assert_eq!(listing.runs.len(), RUNS);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, listing);
criterion_main!(benches);
