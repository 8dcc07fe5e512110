use medley_core::Split;
use medley_core::record::{ScoreSet, Spread};

use crate::RunRecord;
use medley_core::record::{Interval, ScoreIntervals};

const HEADER: [&str; 14] = [
    "run",
    "synthetic",
    "split",
    "predictor",
    "seed",
    "task",
    "rows",
    "auc",
    "accuracy",
    "macro_f1",
    "accuracy_low",
    "accuracy_high",
    "macro_f1_low",
    "macro_f1_high",
];

/// Every metric of a run as a tidy CSV with full precision: one row per predictor, split and task.
///
/// `predictor` is `seed`, `mean` (over seeds, test split) or `ensemble`. In rows with
/// the task `all`, `macro_f1` is the harmonic mean. Empty cells are metrics that are not defined. A run that is not tested
/// has the rows of the validation split alone, an unfinished one the header.
pub fn csv(run: &RunRecord) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut rows = vec![HEADER.map(str::to_owned).to_vec()];
    let table = Table { run };
    for seed in &run.seeds {
        let number = seed.seed.to_string();
        rows.extend(table.set("seed", &number, Split::Val, &seed.validation, None));
        rows.extend(seed.test.iter().flat_map(|test| table.set("seed", &number, Split::Test, test, None)));
    }
    if let Some(results) = &run.results {
        let uncertainty = run.uncertainty();
        rows.extend(table.mean(uncertainty.map(|all| &all.mean)));
        if let Some(ensemble) = &results.ensemble {
            let intervals = uncertainty.and_then(|all| all.ensemble.as_ref());
            rows.extend(table.set("ensemble", "", Split::Test, ensemble, intervals));
        }
    }
    for row in rows {
        // Writing to memory, with equal lengths, cannot fail.
        let _ = writer.write_record(row);
    }
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
}

struct Table<'a> {
    run: &'a RunRecord,
}

impl Table<'_> {
    fn start(&self, split: Split, predictor: &str, seed: &str, task: &str, rows: Option<usize>) -> Vec<String> {
        vec![
            self.run.name().to_owned(),
            self.run.is_synthetic().to_string(),
            split.to_string(),
            predictor.to_owned(),
            seed.to_owned(),
            task.to_owned(),
            rows.map_or_else(String::new, |rows| rows.to_string()),
        ]
    }

    fn set(
        &self,
        predictor: &str,
        seed: &str,
        split: Split,
        set: &ScoreSet,
        intervals: Option<&ScoreIntervals>,
    ) -> Vec<Vec<String>> {
        let mut rows = Vec::new();
        for (index, task) in set.tasks.iter().enumerate() {
            let mut row = self.start(split, predictor, seed, &task.task, Some(task.rows));
            row.extend([number(task.auc), number(Some(task.accuracy)), number(Some(task.macro_f1))]);
            row.extend(bounds(intervals.and_then(|all| all.tasks[index].accuracy.as_ref())));
            row.extend(bounds(intervals.and_then(|all| all.tasks[index].macro_f1.as_ref())));
            rows.push(row);
        }
        let total = set.tasks.iter().map(|task| task.rows).sum();
        let mut row = self.start(split, predictor, seed, "all", Some(total));
        row.extend([String::new(), String::new(), number(Some(set.harmonic_mean))]);
        row.extend(bounds(None));
        row.extend(bounds(intervals.and_then(|all| all.harmonic_mean.as_ref())));
        rows.push(row);
        rows
    }

    fn mean(&self, intervals: Option<&ScoreIntervals>) -> Vec<Vec<String>> {
        let mean = |task: &str, metric: &str| number(self.run.spread(task, metric).map(|spread: &Spread| spread.mean));
        let mut rows = Vec::new();
        for (index, data) in self.run.data().iter().enumerate() {
            let task = &data.task.name;
            let mut row = self.start(Split::Test, "mean", "", task, self.run.rows(task, Split::Test));
            row.extend([mean(task, "auc"), mean(task, "accuracy"), mean(task, "macro_f1")]);
            row.extend(bounds(intervals.and_then(|all| all.tasks[index].accuracy.as_ref())));
            row.extend(bounds(intervals.and_then(|all| all.tasks[index].macro_f1.as_ref())));
            rows.push(row);
        }
        let mut row = self.start(Split::Test, "mean", "", "all", None);
        row.extend([String::new(), String::new(), mean("all", "harmonic_mean")]);
        row.extend(bounds(None));
        row.extend(bounds(intervals.and_then(|all| all.harmonic_mean.as_ref())));
        rows.push(row);
        rows
    }
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

fn bounds(interval: Option<&Interval>) -> [String; 2] {
    [number(interval.map(|interval| interval.low)), number(interval.map(|interval| interval.high))]
}
