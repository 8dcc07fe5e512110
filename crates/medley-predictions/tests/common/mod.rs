//! Run folders made by hand: predictions of a pretended network, scored by definition, in every file that a run leaves.
#![allow(dead_code, unused_imports, reason = "each test binary uses its own part")]

mod tasks;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use medley_core::record::{
    ClassResult, DataRecord, Environment, EpochMetrics, Event, EventLine, Manifest, RunResults, SCHEMA_VERSION,
    ScoreSet, SeedResult, Spread, TaskMetrics, TaskResult,
};
use medley_core::seed::{Purpose, stream};
use medley_core::{MemoryLayout, Origin, Precision, RunLayout, Split, TaskKind, TaskSpec};
use rand::Rng as _;
use tempfile::TempDir;

pub(crate) use tasks::{Task, adrenal, eleven_official, eleven_synthetic, three};

/// A run folder that goes away with it.
pub(crate) struct Fixture {
    pub(crate) folder: TempDir,
    pub(crate) layout: RunLayout,
    pub(crate) manifest: Manifest,
    pub(crate) results: RunResults,
}

/// A finished run of three tasks and three seeds.
pub(crate) fn small_three() -> Fixture {
    finished("small-three-1", &three(), &[0, 1, 2], 20)
}

/// A finished run of one seed.
pub(crate) fn one_seed() -> Fixture {
    finished("one-seed-1", &three(), &[7], 4)
}

/// A finished run of the eleven tasks on drawn data.
pub(crate) fn tensor_reloaded() -> Fixture {
    finished("tensor-reloaded-1", &eleven_synthetic(), &[0], 1)
}

/// Writes a whole run folder.
pub(crate) fn finished(name: &str, tasks: &[Task], seeds: &[u64], epochs: usize) -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let layout = RunLayout::new(folder.path().join(name));
    std::fs::create_dir_all(layout.predictions()).unwrap();
    let manifest = manifest(name, tasks, seeds);
    let results = results(name, tasks, seeds, epochs, &layout);
    let fixture = Fixture { folder, layout, manifest, results };
    fixture.write_manifest();
    fixture.write_results();
    let config = format!(
        "name = \"{name}\"\ntasks = {:?}\nseeds = {seeds:?}\n\n[net]\nbackbone = {{ name = \"resnet9\", width = 32 }}\n\n[train]\nepochs = {epochs}\n",
        tasks.iter().map(|task| &task.spec.name).collect::<Vec<_>>()
    );
    std::fs::write(fixture.layout.config(), config).unwrap();
    write_history(&fixture, epochs);
    fixture
}

impl Fixture {
    pub(crate) fn write_manifest(&self) {
        write_json(&self.layout.manifest(), &self.manifest);
    }

    pub(crate) fn write_results(&self) {
        write_json(&self.layout.results(), &self.results);
    }

    /// As it was before the last seed was scored.
    pub(crate) fn make_unfinished(&self) {
        std::fs::remove_file(self.layout.results()).unwrap();
        let events = std::fs::read_to_string(self.layout.events()).unwrap();
        let kept: Vec<&str> = events.lines().filter(|line| !line.contains("\"run_finished\"")).collect();
        std::fs::write(self.layout.events(), kept[..kept.len() * 2 / 3].join("\n")).unwrap();
        let metrics = std::fs::read_to_string(self.layout.metrics()).unwrap();
        let kept: Vec<&str> = metrics.lines().collect();
        std::fs::write(self.layout.metrics(), format!("{}\n", kept[..kept.len() * 2 / 3].join("\n"))).unwrap();
    }
}

fn write_json(path: &Path, value: &impl serde::Serialize) {
    std::fs::write(path, serde_json::to_vec_pretty(value).unwrap()).unwrap();
}

fn manifest(name: &str, tasks: &[Task], seeds: &[u64]) -> Manifest {
    let data = tasks
        .iter()
        .enumerate()
        .map(|(index, task)| {
            let rows = |counts: &[u64]| counts.iter().sum::<u64>() as usize;
            let official = task.spec.origin == Origin::Official;
            DataRecord {
                task: task.spec.clone(),
                file: format!("{}.npz", task.spec.name),
                md5: format!("{:032x}", 0x7506_01b1_f35b_a330_u128 * (index as u128 + 1)),
                sha256: format!("{:064x}", 0x1c32_7ab4_91ff_u128 * (index as u128 + 3)),
                release: official.then(|| "any".to_owned()),
                rows: BTreeMap::from([
                    (Split::Train, rows(&task.train)),
                    (Split::Val, rows(&task.val)),
                    (Split::Test, rows(&task.test)),
                ]),
                class_counts: BTreeMap::from([(Split::Train, task.train.clone()), (Split::Val, task.val.clone())]),
            }
        })
        .collect();
    Manifest {
        schema_version: SCHEMA_VERSION,
        run: name.into(),
        created: "2026-11-23T10:26:05Z".into(),
        seeds: seeds.to_vec(),
        environment: Environment {
            medley: "0.1.0".into(),
            libtorch: "2.11.0".into(),
            device: "cpu".into(),
            cpu_capability: "avx512".into(),
            threads: 2,
            precision: Precision::Bf16,
            memory_layout: MemoryLayout::ChannelsLast,
            convolutions: medley_core::Convolutions::Libtorch,
            replicas: 1,
            platform: "linux-x86_64".into(),
            kernel_instructions: None,
            mkl_cbwr: None,
        },
        calibration: Vec::new(),
        data,
        config_sha256: "5e".repeat(32),
        normalisation: BTreeMap::new(),
        pretrained: None,
        git_revision: Some(format!("{}-dirty", "ab12".repeat(10))),
        parent: None,
        teachers: Vec::new(),
        folds: None,
        no_test: false,
        test_openings: Vec::new(),
        data_folder: None,
    }
}

/// Probabilities `[rows][classes]` and labels of one task, split and seed.
struct Predicted {
    labels: Vec<usize>,
    scores: Vec<Vec<f64>>,
}

fn predict(task: &Task, counts: &[u64], split: Split, seed: u64) -> Predicted {
    let classes = counts.len();
    let mut labels: Vec<usize> =
        counts.iter().enumerate().flat_map(|(class, &count)| std::iter::repeat_n(class, count as usize)).collect();
    let place: u64 = task.spec.name.bytes().map(u64::from).sum::<u64>() * 10 + split as u64;
    let mut order = stream(11, Purpose::Synthetic, &[place]);
    for last in (1..labels.len()).rev() {
        labels.swap(last, (order.next_u64() % (last as u64 + 1)) as usize);
    }
    let optimism = if split == Split::Val { 1.12 } else { 1.0 };
    let mut shared = stream(12, Purpose::Synthetic, &[place]);
    let mut own = stream(13, Purpose::Synthetic, &[place, seed]);
    let scores = labels
        .iter()
        .map(|&label| {
            let logits: Vec<f64> = (0..classes)
                .map(|class| {
                    let distance = label.abs_diff(class) as f64;
                    let closeness =
                        if task.spec.kind == TaskKind::Ordinal { (2.0 - distance).max(0.0) * 0.5 } else { 0.0 };
                    let truth = if class == label { task.skill * optimism } else { closeness };
                    // Frequent classes are preferred, as by a network that was not weighted.
                    let prior = (counts[class] as f64 / counts.iter().sum::<u64>() as f64).ln() * 0.45;
                    let unseen = if task.blind && class + 1 == classes { -20.0 } else { 0.0 };
                    unseen + truth + prior + normal(&mut shared) * 0.85 + normal(&mut own) * 0.6
                })
                .collect();
            let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = logits.iter().map(|logit| (logit - most).exp()).sum();
            logits.iter().map(|logit| ((logit - most).exp() / sum * 1e6).round() / 1e6).collect()
        })
        .collect();
    Predicted { labels, scores }
}

/// Nearly normal: twelve uniform draws (Irwin-Hall), as bits are then the same everywhere.
fn normal(rng: &mut impl rand::Rng) -> f64 {
    (0..12).map(|_| f64::from(rng.next_u32()) / f64::from(u32::MAX)).sum::<f64>() - 6.0
}

/// The label of one row, as the official evaluator reads it.
pub(crate) fn decide(kind: TaskKind, row: &[f64]) -> usize {
    if kind == TaskKind::Binary {
        return usize::from(row[row.len() - 1] > 0.5);
    }
    (1..row.len()).fold(0, |best, class| if row[class] > row[best] { class } else { best })
}

fn score(task: &TaskSpec, split: Split, predicted: &Predicted) -> TaskResult {
    let classes = task.classes.len();
    let mut confusion = vec![vec![0_u64; classes]; classes];
    for (&label, row) in predicted.labels.iter().zip(&predicted.scores) {
        confusion[label][decide(task.kind, row)] += 1;
    }
    let per_class: Vec<ClassResult> = (0..classes)
        .map(|class| {
            let support: u64 = confusion[class].iter().sum();
            let named: u64 = confusion.iter().map(|row| row[class]).sum();
            let hits = confusion[class][class] as f64;
            let share = |of: u64| if of == 0 { 0.0 } else { hits / of as f64 };
            let f1 = if support + named == 0 { 0.0 } else { 2.0 * hits / (support + named) as f64 };
            let name = task.classes[class].clone();
            ClassResult { name, support, predicted: named, precision: share(named), recall: share(support), f1 }
        })
        .collect();
    let hits: u64 = (0..classes).map(|class| confusion[class][class]).sum();
    let rows = predicted.labels.len();
    TaskResult {
        task: task.name.clone(),
        split,
        rows,
        auc: Some(mean((0..classes).map(|class| auc(predicted, class)))),
        accuracy: hits as f64 / rows as f64,
        macro_f1: mean(per_class.iter().map(|class| class.f1)),
        per_class,
        confusion,
    }
}

/// One-vs-rest area under the curve, by ranks (ties counted half).
fn auc(predicted: &Predicted, class: usize) -> f64 {
    let mut rows: Vec<(f64, bool)> =
        predicted.scores.iter().zip(&predicted.labels).map(|(row, &label)| (row[class], label == class)).collect();
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut sum, mut at) = (0.0, 0);
    while at < rows.len() {
        let end = rows[at..].iter().position(|row| row.0 != rows[at].0).map_or(rows.len(), |offset| at + offset);
        let rank = (at + end + 1) as f64 / 2.0;
        sum += rank * rows[at..end].iter().filter(|row| row.1).count() as f64;
        at = end;
    }
    let positive = rows.iter().filter(|row| row.1).count() as f64;
    let negative = rows.len() as f64 - positive;
    (sum - positive * (positive + 1.0) / 2.0) / (positive * negative)
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.collect();
    values.iter().sum::<f64>() / values.len() as f64
}

fn set(tasks: Vec<TaskResult>) -> ScoreSet {
    let harmonic_mean = tasks.len() as f64 / tasks.iter().map(|task| 1.0 / task.macro_f1).sum::<f64>();
    ScoreSet { tasks, harmonic_mean, intervals: None }
}

fn results(name: &str, tasks: &[Task], seeds: &[u64], epochs: usize, layout: &RunLayout) -> RunResults {
    let mut sums: Vec<Option<Predicted>> = tasks.iter().map(|_| None).collect();
    let seed_results: Vec<SeedResult> = seeds
        .iter()
        .map(|&seed| {
            let run = format!("{name}-seed{seed}");
            let (mut validation, mut test) = (Vec::new(), Vec::new());
            for (task, sum) in tasks.iter().zip(&mut sums) {
                validation.push(score(&task.spec, Split::Val, &predict(task, &task.val, Split::Val, seed)));
                let predicted = predict(task, &task.test, Split::Test, seed);
                let result = score(&task.spec, Split::Test, &predicted);
                write_predictions(layout, &result, &predicted, &run);
                test.push(result);
                match sum {
                    None => *sum = Some(predicted),
                    Some(sum) => add(sum, &predicted),
                }
            }
            let best_epoch = (epochs * 4 / 5 + seed as usize % 3).clamp(1, epochs);
            SeedResult {
                seed,
                best_epoch,
                validation: set(validation),
                test: Some(set(test)),
                stopped: None,
                fine_tuned: BTreeMap::new(),
            }
        })
        .collect();
    let ensemble = (seeds.len() > 1).then(|| {
        let results = tasks.iter().zip(sums).map(|(task, sum)| {
            let mut mean = sum.unwrap();
            for row in &mut mean.scores {
                for score in row {
                    *score /= seeds.len() as f64;
                }
            }
            let result = score(&task.spec, Split::Test, &mean);
            write_predictions(layout, &result, &mean, &format!("{name}-ensemble"));
            result
        });
        set(results.collect())
    });
    RunResults {
        schema_version: SCHEMA_VERSION,
        run: name.into(),
        synthetic: tasks.iter().any(|task| task.spec.origin == Origin::Synthetic),
        summary: summary(tasks, &seed_results),
        mean_intervals: None,
        seeds: seed_results,
        ensemble,
    }
}

fn add(sum: &mut Predicted, other: &Predicted) {
    for (into, from) in sum.scores.iter_mut().zip(&other.scores) {
        into.iter_mut().zip(from).for_each(|(into, from)| *into += from);
    }
}

fn summary(tasks: &[Task], seeds: &[SeedResult]) -> Vec<Spread> {
    let mut all = Vec::new();
    for (index, task) in tasks.iter().enumerate() {
        let values =
            |metric: fn(&TaskResult) -> f64| seeds.iter().map(|seed| metric(&test_of(seed).tasks[index])).collect();
        all.push(spread(&task.spec.name, "auc", values(|task| task.auc.unwrap())));
        all.push(spread(&task.spec.name, "accuracy", values(|task| task.accuracy)));
        all.push(spread(&task.spec.name, "macro_f1", values(|task| task.macro_f1)));
    }
    all.push(spread("all", "harmonic_mean", seeds.iter().map(|seed| test_of(seed).harmonic_mean).collect()));
    all
}

fn spread(task: &str, metric: &str, values: Vec<f64>) -> Spread {
    let mean = mean(values.iter().copied());
    let square = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
    Spread {
        task: task.into(),
        metric: metric.into(),
        mean,
        standard_deviation: (values.len() > 1).then(|| (square / (values.len() - 1) as f64).sqrt()),
        min: values.iter().copied().fold(f64::INFINITY, f64::min),
        max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
    }
}

fn write_predictions(layout: &RunLayout, result: &TaskResult, predicted: &Predicted, run: &str) {
    let mut text = String::new();
    for (index, row) in predicted.scores.iter().enumerate() {
        let _ = write!(text, "{index}");
        for score in row {
            let _ = write!(text, ",{score}");
        }
        text.push('\n');
    }
    let path = layout.prediction_file(&result.task, result.split, result.auc, result.accuracy, run);
    std::fs::write(path, text).unwrap();
}

fn write_history(fixture: &Fixture, epochs: usize) {
    let (results, layout) = (&fixture.results, &fixture.layout);
    let steps = 46;
    let mut time = 1_795_429_565.0;
    let mut lines = String::new();
    let mut write = |event: Event| {
        time += 0.75;
        lines.push_str(&serde_json::to_string(&EventLine { time, event }).unwrap());
        lines.push('\n');
    };
    let mut metrics = csv::Writer::from_writer(Vec::new());
    write(Event::RunStarted {
        run: results.run.clone(),
        tasks: test_of(&results.seeds[0]).tasks.iter().map(|task| task.task.clone()).collect(),
        seeds: results.seeds.iter().map(|seed| seed.seed).collect(),
        epochs,
        steps_per_epoch: steps,
        resumed: false,
    });
    for _ in 0..2 {
        write(Event::Warning { message: "`retinamnist.npz` is no published file of RetinaMNIST".into() });
    }
    for seed in &results.seeds {
        write(Event::SeedStarted { seed: seed.seed, parameters: 1_652_812 });
        let mut noise = stream(14, Purpose::Synthetic, &[seed.seed]);
        for epoch in 0..epochs {
            let progress = (epoch + 1) as f64 / epochs as f64;
            let learning_rate = 3e-3 * (1.0 + (progress * std::f64::consts::PI).cos()) / 2.0;
            let loss = 0.35 + 1.2 * (-3.0 * progress).exp();
            for step in (0..steps).step_by(10) {
                let loss = loss + normal(&mut noise) * 0.03;
                write(Event::Step {
                    seed: seed.seed,
                    epoch,
                    step,
                    loss,
                    learning_rate,
                    gradient_norm: 1.0,
                    images: 128,
                });
            }
            let learnt = 1.0 - 0.7 * (-4.0 * progress).exp();
            let metrics_of_tasks: Vec<TaskMetrics> = (seed.validation.tasks.iter())
                .map(|task| TaskMetrics {
                    task: task.task.clone(),
                    loss: loss + 0.1,
                    auc: task.auc.map(|auc| 0.5 + (auc - 0.5) * learnt),
                    accuracy: task.accuracy * learnt,
                    macro_f1: (task.macro_f1 * learnt + normal(&mut noise) * 0.012).clamp(0.0, 1.0),
                })
                .collect();
            let harmonic_mean =
                metrics_of_tasks.len() as f64 / metrics_of_tasks.iter().map(|task| 1.0 / task.macro_f1).sum::<f64>();
            let of_epoch = EpochMetrics {
                seed: seed.seed,
                epoch,
                train_loss: loss,
                learning_rate,
                validation: metrics_of_tasks,
                harmonic_mean,
            };
            of_epoch.rows().for_each(|row| metrics.serialize(row).unwrap());
            write(Event::EpochFinished {
                metrics: of_epoch,
                best: epoch + 1 == seed.best_epoch,
                images_per_second: Some(812.0 + epoch as f64),
                data_wait: Some(0.01),
            });
        }
        write(Event::SeedScored { seed: seed.seed, result: seed.clone() });
    }
    write(Event::RunFinished { harmonic_mean: Some(test_of(&results.seeds[0]).harmonic_mean), seconds: 251.0 });
    std::fs::write(layout.events(), lines).unwrap();
    std::fs::write(layout.metrics(), metrics.into_inner().unwrap()).unwrap();
}

/// The test results of a seed.
pub(crate) fn test_of(seed: &SeedResult) -> &ScoreSet {
    seed.test.as_ref().expect("the seeds of fixtures are tested")
}
