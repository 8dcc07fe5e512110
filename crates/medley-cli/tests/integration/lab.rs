//! Run folders on generated data, with predictions of every seed of both splits by pretended networks.

use std::collections::BTreeMap;
use std::path::Path;

use medley_core::record::{
    DataRecord, FoldsRecord, Manifest, PredictionRecord, RunResults, SCHEMA_VERSION, SeedRecord, SeedResult,
    TestOpening,
};
use medley_core::seed::{Purpose, stream};
use medley_core::{Labels, Origin, RunLayout, Scores, ScoringToken, Split};
use medley_data::{Registry, hash_file, read_labels};
use medley_metrics::{evaluate, score_set};
use medley_predictions::result_file;
use rand::Rng as _;
use tempfile::TempDir;

use crate::common;
use crate::program::must;

pub(crate) const TASKS: [&str; 3] = ["breastmnist", "retinamnist", "dermamnist"];

/// A folder with generated sets of so many rows per split, and runs.
pub(crate) struct Lab {
    folder: TempDir,
}

/// What a pretended run is like.
#[derive(Clone, Copy)]
pub(crate) struct Recipe<'a> {
    pub(crate) name: &'a str,
    pub(crate) tasks: &'a [&'a str],
    pub(crate) seeds: &'a [u64],
    /// How well its networks know the truth.
    pub(crate) skill: f64,
    /// How much they prefer class 0: an offset to its logit.
    pub(crate) preference: f64,
    /// Whether the test split is predicted and scored.
    pub(crate) tested: bool,
    /// The fold that it is validated on.
    pub(crate) fold: Option<Fold>,
}

/// A fold of `count`: the rows whose number, divided by one more than the repeat, has the remainder `index`.
#[derive(Clone, Copy)]
pub(crate) struct Fold {
    pub(crate) count: usize,
    pub(crate) index: usize,
    pub(crate) repeat: u64,
}

impl Fold {
    fn has(self, row: usize) -> bool {
        row / (self.repeat as usize + 1) % self.count == self.index
    }
}

impl Lab {
    pub(crate) fn new(rows: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let lab = Self { folder };
        let rows = rows.to_string();
        let arguments = [&["data", "synth"], &TASKS[..], &["--rows", &rows]].concat();
        must(lab.path(), &arguments);
        lab
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn run(&self, recipe: Recipe<'_>) -> RunLayout {
        let layout = RunLayout::new(self.path().join("runs").join(recipe.name));
        std::fs::create_dir_all(layout.predictions()).unwrap();
        std::fs::create_dir_all(layout.results_folder()).unwrap();
        let data: Vec<DataRecord> = recipe.tasks.iter().map(|task| self.data(task, recipe)).collect();
        let seeds: Vec<SeedResult> = recipe.seeds.iter().map(|&seed| self.seed(&layout, &data, recipe, seed)).collect();
        let ensemble = (recipe.tested && seeds.len() > 1).then(|| self.ensemble(&layout, &data, recipe));
        let results = RunResults {
            schema_version: SCHEMA_VERSION,
            run: recipe.name.into(),
            synthetic: true,
            summary: Vec::new(),
            mean_intervals: None,
            seeds,
            ensemble,
        };
        let opening = TestOpening {
            when: "2026-11-27T10:00:00Z".into(),
            by: "train".into(),
            predictor: "ensemble".into(),
            sha256: BTreeMap::new(),
        };
        let manifest = Manifest {
            run: recipe.name.into(),
            seeds: recipe.seeds.to_vec(),
            data,
            data_folder: Some(self.path().join("data").display().to_string()),
            no_test: !recipe.tested,
            test_openings: if recipe.tested { vec![opening] } else { Vec::new() },
            folds: recipe.fold.map(|fold| FoldsRecord {
                count: fold.count,
                index: fold.index,
                repeat: fold.repeat,
                groups: BTreeMap::new(),
            }),
            ..common::one_seed().manifest
        };
        write(&layout.manifest(), &manifest);
        write(&layout.results(), &results);
        let mut config = "[train]\nepochs = 3\n".to_owned();
        if let Some(Fold { count, index, repeat }) = recipe.fold {
            let stem = recipe.name.split("-fold").next().unwrap();
            let folds = format!("[folds]\ncount = {count}\nindex = {index}\nrepeat = {repeat}\n");
            config = format!("{config}[net.backbone]\nname = '{stem}'\n{folds}");
            let rows: BTreeMap<String, Vec<usize>> =
                manifest.data.iter().map(|data| (data.task.name.clone(), self.fold_rows(data, recipe))).collect();
            write(&layout.fold_rows(), &rows);
        }
        std::fs::write(layout.config(), config).unwrap();
        layout
    }

    fn file(&self, task: &str) -> std::path::PathBuf {
        self.path().join("data").join(format!("{task}.npz"))
    }

    /// The rows of the fold, through both parts.
    fn fold_rows(&self, data: &DataRecord, recipe: Recipe<'_>) -> Vec<usize> {
        let all = self.of_file(data, Split::Train).rows() + self.of_file(data, Split::Val).rows();
        (0..all).filter(|&row| recipe.fold.is_some_and(|fold| fold.has(row))).collect()
    }

    fn labels(&self, data: &DataRecord, split: Split, recipe: Recipe<'_>) -> Labels {
        let Some(fold) = recipe.fold.filter(|_| split != Split::Test) else { return self.of_file(data, split) };
        let all = [Split::Train, Split::Val].map(|split| self.of_file(data, split).values().to_vec()).concat();
        let chosen = all.into_iter().enumerate().filter(|(row, _)| fold.has(*row) == (split == Split::Val));
        Labels::single(chosen.map(|(_, label)| label).collect()).unwrap()
    }

    fn of_file(&self, data: &DataRecord, split: Split) -> Labels {
        let found = read_labels(&self.file(&data.task.name), &data.task, split).unwrap();
        let token = ScoringToken::for_written(&data.task.name, found.labels.rows(), [0; 32]);
        found.labels.open(&token).unwrap().clone()
    }

    fn data(&self, task: &str, recipe: Recipe<'_>) -> DataRecord {
        let spec = Registry::builtin().get(task).unwrap().spec(28, Origin::Synthetic);
        let (md5, sha256) = hash_file(&self.file(task)).unwrap();
        let mut data = DataRecord {
            task: spec,
            file: format!("{task}.npz"),
            md5,
            sha256,
            release: None,
            rows: BTreeMap::new(),
            class_counts: BTreeMap::new(),
        };
        for split in Split::ALL {
            let labels = self.labels(&data, split, recipe);
            data.rows.insert(split, labels.rows());
            if split != Split::Test {
                let counts = labels.class_counts(data.task.outputs()).into_iter().map(|count| count as u64);
                data.class_counts.insert(split, counts.collect());
            }
        }
        data
    }

    fn seed(&self, layout: &RunLayout, data: &[DataRecord], recipe: Recipe<'_>, seed: u64) -> SeedResult {
        let mut predictions = Vec::new();
        let mut set = |split: Split| {
            let results = data.iter().map(|data| {
                let labels = self.labels(data, split, recipe);
                let scores = predict(data, &labels, recipe, split, seed);
                let result = evaluate(&data.task, split, &labels, &scores).unwrap();
                let name = format!("{}-seed{seed}", recipe.name);
                let path = layout.prediction_file(&result.task, split, result.auc, result.accuracy, &name);
                std::fs::write(&path, result_file::render(&scores)).unwrap();
                predictions.push(PredictionRecord {
                    task: result.task.clone(),
                    split,
                    file: path.file_name().unwrap().to_str().unwrap().to_owned(),
                    sha256: hash_file(&path).unwrap().1,
                });
                result
            });
            score_set(results.collect())
        };
        let (validation, test) = (set(Split::Val), recipe.tested.then(|| set(Split::Test)));
        let result = SeedResult { seed, best_epoch: 2, validation, test, stopped: None, fine_tuned: BTreeMap::new() };
        let record = SeedRecord { schema_version: SCHEMA_VERSION, result, predictions };
        write(&layout.seed_results(seed), &record);
        record.result
    }

    fn ensemble(&self, layout: &RunLayout, data: &[DataRecord], recipe: Recipe<'_>) -> medley_core::record::ScoreSet {
        let results = data.iter().map(|data| {
            let labels = self.labels(data, Split::Test, recipe);
            let all: Vec<Scores> =
                recipe.seeds.iter().map(|&seed| predict(data, &labels, recipe, Split::Test, seed)).collect();
            let mean = Scores::mean(&all).unwrap();
            let result = evaluate(&data.task, Split::Test, &labels, &mean).unwrap();
            let name = format!("{}-ensemble", recipe.name);
            let path = layout.prediction_file(&result.task, Split::Test, result.auc, result.accuracy, &name);
            std::fs::write(path, result_file::render(&mean)).unwrap();
            result
        });
        score_set(results.collect())
    }
}

fn predict(data: &DataRecord, labels: &Labels, recipe: Recipe<'_>, split: Split, seed: u64) -> Scores {
    let name: u64 = format!("{}{}", data.task.name, recipe.name).bytes().map(u64::from).sum();
    let mut rng = stream(seed, Purpose::Synthetic, &[name, split as u64]);
    let mut normal = || (0..12).map(|_| f64::from(rng.next_u32()) / f64::from(u32::MAX)).sum::<f64>() - 6.0;
    let classes = data.task.outputs();
    let mut values = Vec::new();
    for &label in labels.values() {
        let logits = (0..classes).map(|class| {
            let truth = if class == usize::from(label) { recipe.skill } else { 0.0 };
            truth + normal() + if class == 0 { recipe.preference } else { 0.0 }
        });
        let shares: Vec<f64> = logits.map(f64::exp).collect();
        let sum: f64 = shares.iter().sum();
        values.extend(shares.into_iter().map(|share| share / sum));
    }
    Scores::new(values, labels.rows(), classes).unwrap()
}

pub(crate) fn write(path: &Path, value: &impl serde::Serialize) {
    std::fs::write(path, serde_json::to_vec_pretty(value).unwrap()).unwrap();
}
