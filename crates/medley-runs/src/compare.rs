//! What differs between runs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use medley_core::record::{DataRecord, TaskResult};
use medley_core::{Origin, RunLayout, Split};
use medley_storage::Shown;
use serde::Serialize;

use crate::RunsError;
use crate::describe::{self, Opened};
use crate::overview::Mean;
use crate::settings::flatten;

/// Two runs or more, side by side: every list of values is in their order.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Their folders.
    pub runs: Vec<PathBuf>,
    /// Keys of the config whose values differ.
    pub config: Vec<Differing>,
    /// What computed, where it differs.
    pub environment: Vec<Differing>,
    /// Data files that differ, by task.
    pub data: Vec<Differing>,
    /// Metrics by task.
    pub metrics: Vec<MetricRow>,
    /// What to heed when reading them, one sentence each.
    pub remarks: Vec<String>,
}

/// A key whose values differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Differing {
    /// Its name, with dots.
    pub key: String,
    /// Of each run; `None` where a run does not have it.
    pub values: Vec<Option<String>>,
}

/// One metric of one task, as the mean over the seeds of each run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MetricRow {
    /// The task, or `all` for the harmonic mean.
    pub task: String,
    /// `auc`, `accuracy`, `macro_f1` or `harmonic_mean`.
    pub metric: &'static str,
    /// The split that it is of.
    pub split: Split,
    /// Of each run; `None` where it has none.
    pub values: Vec<Option<Mean>>,
    /// Of each run but the first, how much higher it is than that one.
    pub differences: Vec<Option<f64>>,
}

/// Compares runs. Scores of the test split are among the metrics only if every run has scored it.
///
/// # Errors
/// [`RunsError::Missing`], [`RunsError::Record`] of the first run that cannot be read.
pub fn compare(paths: &[PathBuf]) -> Result<Comparison, RunsError> {
    let runs: Vec<PathBuf> = paths.iter().map(|path| path.components().collect()).collect();
    let opened = runs.iter().map(|path| describe::open(&RunLayout::new(path))).collect::<Result<Vec<_>, _>>()?;
    let mut remarks: Vec<String> = opened.iter().flat_map(|run| run.problems.clone()).collect();
    let configs: Vec<_> = opened.iter().map(|run| run.config.as_ref().map(flatten).unwrap_or_default()).collect();
    let data = differing(&opened.iter().map(data_by_task).collect::<Vec<_>>());
    let environment = differing(&opened.iter().map(environment_by_key).collect::<Vec<_>>());
    let mut metrics = metrics(&opened, Split::Val);
    let tested = |run: &Opened| run.seeds.iter().all(|seed| seed.test.is_some());
    match opened.iter().filter(|run| tested(run)).count() {
        count if count == opened.len() => metrics.extend(self::metrics(&opened, Split::Test)),
        0 => {}
        _ => remarks.push("the test split is not compared: not every run has scored it".to_owned()),
    }
    if !data.is_empty() {
        remarks.push("the data differ, so metrics of those tasks are not of the same images".to_owned());
    }
    for (path, run) in runs.iter().zip(&opened) {
        if run.manifest.is_synthetic() {
            remarks.push(format!("`{}` is of SYNTHETIC data: its scores say nothing about medicine", Shown(path)));
        }
        let finished = run.seeds.iter().filter(|seed| seed.validation.is_some()).count();
        if finished < run.seeds.len() {
            let path = Shown(path);
            remarks.push(format!("`{path}` is not finished: {finished} of its {} seeds have results", run.seeds.len()));
        }
    }
    Ok(Comparison { config: differing(&configs), environment, data, metrics, remarks, runs })
}

/// Keys whose values are not the same in all, in alphabetical order.
fn differing(runs: &[BTreeMap<String, String>]) -> Vec<Differing> {
    let keys: std::collections::BTreeSet<&String> = runs.iter().flat_map(BTreeMap::keys).collect();
    let values = |key: &String| runs.iter().map(|run| run.get(key).cloned()).collect::<Vec<_>>();
    let rows = keys.into_iter().map(|key| Differing { key: key.clone(), values: values(key) });
    rows.filter(|row| row.values.iter().any(|value| *value != row.values[0])).collect()
}

fn environment_by_key(run: &Opened) -> BTreeMap<String, String> {
    let json = serde_json::to_value(&run.manifest.environment).unwrap_or_default();
    let text = |value: serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let keys = json.as_object().cloned().unwrap_or_default().into_iter();
    let git = run.manifest.git_revision.iter().map(|revision| ("git_revision".to_owned(), revision.clone()));
    keys.map(|(key, value)| (key, text(value))).chain(git).collect()
}

fn data_by_task(run: &Opened) -> BTreeMap<String, String> {
    let file = |data: &DataRecord| format!("{}{}", data.sha256, if is_synthetic(data) { " SYNTHETIC" } else { "" });
    run.manifest.data.iter().map(|data| (data.task.name.clone(), file(data))).collect()
}

fn is_synthetic(data: &DataRecord) -> bool {
    data.task.origin == Origin::Synthetic
}

type Value = fn(&TaskResult) -> Option<f64>;

/// Rows for every task that any run has, in the order in which they come, and one for the harmonic mean.
fn metrics(runs: &[Opened], split: Split) -> Vec<MetricRow> {
    let mut tasks: Vec<&str> = Vec::new();
    for data in runs.iter().flat_map(|run| &run.manifest.data) {
        if !tasks.contains(&data.task.name.as_str()) {
            tasks.push(&data.task.name);
        }
    }
    let of_task: [(&'static str, Value); 3] =
        [("auc", |task| task.auc), ("accuracy", |task| Some(task.accuracy)), ("macro_f1", |task| Some(task.macro_f1))];
    let mut rows = Vec::new();
    for name in tasks {
        for (metric, value) in of_task {
            let find = |set: &medley_core::record::ScoreSet| value(set.tasks.iter().find(|task| task.task == name)?);
            rows.push(row(runs, split, name, metric, find));
        }
    }
    rows.push(row(runs, split, "all", "harmonic_mean", |set| Some(set.harmonic_mean)));
    rows.retain(|row| row.values.iter().any(Option::is_some));
    rows
}

fn row(
    runs: &[Opened],
    split: Split,
    task: &str,
    metric: &'static str,
    value: impl Fn(&medley_core::record::ScoreSet) -> Option<f64>,
) -> MetricRow {
    let of_run = |run: &Opened| {
        let set = |seed: &'_ describe::SeedState| {
            if split == Split::Test { seed.test.clone() } else { seed.validation.clone() }
        };
        let values: Option<Vec<f64>> = run.seeds.iter().filter_map(set).map(|set| value(&set)).collect();
        Mean::of(&values?)
    };
    let values: Vec<Option<Mean>> = runs.iter().map(of_run).collect();
    let difference = |other: &Option<Mean>| Some(other.as_ref()?.mean - values[0].as_ref()?.mean);
    let differences = values[1..].iter().map(difference).collect();
    MetricRow { task: task.to_owned(), metric, split, values, differences }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_no_difference() {
        let run = |entries: &[(&str, &str)]| {
            entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>()
        };
        let found = differing(&[run(&[("a", "1"), ("b", "2")]), run(&[("a", "1"), ("b", "3"), ("c", "4")])]);
        let shown: Vec<_> = found.iter().map(|row| (row.key.as_str(), row.values.clone())).collect();
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(shown, [("b", vec![some("2"), some("3")]), ("c", vec![None, some("4")])]);
        assert!(differing(&[]).is_empty());
    }
}
