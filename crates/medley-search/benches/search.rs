//! Proposing after a thousand trials, and reading a study of ten thousand.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, missing_docs, reason = "a benchmark")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use medley_search::{
    Ask, Direction, Evaluation, Objective, Observation, Outcome, Sampler as _, SamplerConfig, Space, Study, Trial,
    Verdict, WorkOptions, work,
};

const SPACE: &str = r#"
    [space]
    "optimizer.learning_rate" = { log = [1e-5, 1e-1] }
    "optimizer.weight_decay" = { log = [1e-6, 1e-1] }
    "train.batch_size" = { int = [8, 128], step = 8 }
    "train.label_smoothing" = { uniform = [0.0, 0.3] }
    "net.width" = { int = [4, 512], log = true }
    "loss.name" = { choice = ["cross_entropy", "focal", "ldam"] }
    "loss.gamma" = { uniform = [0.5, 5.0], when = { "loss.name" = "focal" } }
    "augment.strength" = { uniform = [0.0, 1.0] }
"#;

/// Finished trials of a Sobol sequence, with a smooth loss.
fn finished(space: &Space, count: u64) -> Vec<Observation> {
    let sobol: SamplerConfig = toml::from_str("name = \"sobol\"").unwrap();
    let trial = |number: u64| {
        let ask = Ask { space, direction: Direction::Minimize, seed: 1, number, seen: &[] };
        let cube = space.encode(&sobol.propose(&ask).unwrap()).unwrap();
        let loss = cube.iter().flatten().map(|at| (at - 0.4).powi(2)).sum();
        Observation { number, cube, outcome: Outcome::Finished(loss) }
    };
    (0..count).map(trial).collect()
}

fn proposals(criterion: &mut Criterion) {
    let space = Space::parse("space.toml".as_ref(), SPACE).unwrap();
    let mut group = criterion.benchmark_group("propose after trials");
    group.sample_size(20);
    for count in [100, 1_000] {
        let seen = finished(&space, count);
        for name in ["random", "sobol", "tpe", "gp"] {
            let sampler: SamplerConfig = toml::from_str(&format!("name = {name:?}")).unwrap();
            group.bench_function(format!("{name} {count}"), |bencher| {
                bencher.iter(|| {
                    let ask =
                        Ask { space: &space, direction: Direction::Minimize, seed: 1, number: count, seen: &seen };
                    black_box(sampler.propose(&ask))
                });
            });
        }
    }
    group.finish();
}

/// Evaluates in no time.
struct Nothing;

impl Objective for Nothing {
    fn evaluate(&mut self, trial: &Trial, report: &mut dyn FnMut(u64, f64) -> Verdict) -> Result<Evaluation, String> {
        let value = (trial.seed % 1_000) as f64;
        report(1, value);
        Ok(Evaluation::Finished(value))
    }
}

fn folders(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let text = |trials: u64, sampler: &str| {
        format!("direction = \"minimize\"\n[budget]\ntrials = {trials}\n[sampler]\nname = {sampler:?}\n{SPACE}")
    };
    let study = Study::create(folder.path(), "large", "s.toml".as_ref(), &text(10, "sobol")).unwrap();
    work(&study, &mut Nothing, WorkOptions::default()).unwrap();
    // Copies of the first, as making them takes long on a disk that flushes.
    let trials = study.folder().join("trials");
    for number in 10..10_000 {
        let (from, to) = (trials.join((number % 10).to_string()), trials.join(number.to_string()));
        std::fs::create_dir_all(to.join("rungs")).unwrap();
        for name in ["proposal.json", "outcome.json", "rungs/1.json"] {
            std::fs::copy(from.join(name), to.join(name)).unwrap();
        }
    }
    let mut group = criterion.benchmark_group("folder");
    group.sample_size(10);
    group.bench_function("status of 10,000 trials", |bencher| bencher.iter(|| black_box(study.status().unwrap())));
    let mut turn = 0;
    group.bench_function("100 trials of TPE that take no time, with one rung", |bencher| {
        bencher.iter(|| {
            turn += 1;
            let study =
                Study::create(folder.path(), &format!("s{turn}"), "s.toml".as_ref(), &text(100, "tpe")).unwrap();
            work(&study, &mut Nothing, WorkOptions::default()).unwrap()
        });
    });
    group.finish();
}

criterion_group!(benches, proposals, folders);
criterion_main!(benches);
