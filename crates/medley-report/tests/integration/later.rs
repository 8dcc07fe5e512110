//! What subcommands add to a finished run: decision rules, figures without related images, and errors on corrupted images.

use medley_core::record::{
    CorruptionErrors, Estimate, Interval, RelatedRecord, RelatedScore, RelatedTask, Resampling, RobustnessRecord,
    SCHEMA_VERSION, TaskRobustness,
};
use medley_core::{Labels, Scores, Split};
use medley_decisions::curves::curves;
use medley_decisions::record::{DecisionRecord, TaskDecisions};
use medley_decisions::{Decisions, FitOptions, Rows, fit};

use crate::common::Fixture;

/// Rules fitted on sixty rows of a network that likes the first class too much.
pub(crate) fn decide(fixture: &Fixture) {
    let options = FitOptions { resamples: 50, ..FitOptions::default() };
    let (mut tasks, mut decide_by) = (Vec::new(), Decisions::default());
    for data in &fixture.manifest.data {
        let (spec, classes) = (&data.task, data.task.outputs());
        let truth: Vec<u16> = (0..60).map(|row| (row % classes) as u16).collect();
        let values = (0..60).flat_map(|row| {
            let raw = (0..classes).map(move |class| {
                let right = if class == row % classes && row % 7 != 0 { 3.0 } else { 1.0 };
                right + if class == 0 { 2.5 } else { 0.0 } + (row * 13 % 10) as f64 / 10.0
            });
            let sum: f64 = raw.clone().sum();
            raw.map(move |value| value / sum)
        });
        let (scores, labels) = (Scores::new(values.collect(), 60, classes).unwrap(), Labels::single(truth).unwrap());
        let predictor = fit(&Rows::new(spec, &labels), &scores, None, &options).unwrap();
        decide_by.insert(spec.name.clone(), predictor.decision(spec).unwrap());
        tasks.push(TaskDecisions {
            task: spec.name.clone(),
            kind: spec.kind,
            predictor,
            curves: curves(spec.kind, &scores, &labels),
            seeds: Vec::new(),
            test: None,
        });
    }
    let run = fixture.manifest.run.clone();
    let record = DecisionRecord { schema_version: SCHEMA_VERSION, run, decide_by, options, tasks };
    std::fs::write(fixture.layout.decisions(), serde_json::to_vec(&record).unwrap()).unwrap();
}

/// Errors that grow with the severity.
pub(crate) fn corrupt(fixture: &Fixture) {
    let of_task = |data: &medley_core::record::DataRecord| TaskRobustness {
        task: data.task.name.clone(),
        sha256: data.sha256.clone(),
        rows: data.rows[&Split::Val],
        clean: 0.25,
        corruptions: ["pixelate", "gaussian_noise"]
            .map(|name| CorruptionErrors { name: name.into(), balanced_error: [0.3, 0.35, 0.4, 0.45, 0.5] })
            .to_vec(),
    };
    let record = RobustnessRecord {
        schema_version: SCHEMA_VERSION,
        run: fixture.manifest.run.clone(),
        split: Split::Val,
        seeds: fixture.manifest.seeds.clone(),
        tasks: fixture.manifest.data.iter().map(of_task).collect(),
    };
    std::fs::write(fixture.layout.robustness(), serde_json::to_vec(&record).unwrap()).unwrap();
}

/// Figures without a fifth of the images of the first task.
pub(crate) fn relate(fixture: &Fixture) {
    let data = &fixture.manifest.data[0];
    let images = data.rows[&Split::Test];
    let estimate =
        |value| Estimate { value: Some(value), interval: Some(Interval { low: value - 0.05, high: value + 0.05 }) };
    let score = |predictor: &str, metric: &str, all, apart| RelatedScore {
        predictor: predictor.into(),
        metric: metric.into(),
        all: estimate(all),
        apart: estimate(apart),
    };
    let undefined = Estimate { value: None, interval: None };
    let task = RelatedTask {
        task: data.task.name.clone(),
        groups: "near <duplicates>.csv".into(),
        groups_sha256: "0".repeat(64),
        images,
        apart: images - images / 5,
        scores: vec![
            score("mean of 2 seeds", "macro-F1", 0.8, 0.75),
            RelatedScore { apart: undefined, ..score("ensemble", "AUC", 0.9, 0.9) },
        ],
    };
    let run = fixture.manifest.run.clone();
    let record =
        RelatedRecord { schema_version: SCHEMA_VERSION, run, resampling: Resampling::default(), tasks: vec![task] };
    std::fs::write(fixture.layout.related(), serde_json::to_vec(&record).unwrap()).unwrap();
}
