//! What a run folder says, in the terms of MLflow.

use std::collections::BTreeMap;

use medley_core::RunLayout;
use medley_core::record::{Manifest, RunResults, ScoreSet};
use medley_predictions::record::{read_manifest, read_results};
use medley_storage::{ConfinedFolder, if_present};
use serde::Deserialize;

use crate::MlflowError;

/// Most bytes of `events.jsonl`, of the config, and of a file that becomes an artifact.
const LARGEST_EVENTS: u64 = 1 << 30;
const LARGEST_CONFIG: u64 = 1 << 20;
const LARGEST_ARTIFACT: u64 = 256 << 20;
/// What MLflow takes of the value of a parameter, and of a tag.
const LONGEST_PARAM: usize = 6_000;
const LONGEST_TAG: usize = 5_000;
/// Files that are sent, where they are there.
const ARTIFACTS: [&str; 6] =
    ["report.html", "config.toml", "manifest.json", "results.json", "decisions.json", "submission.csv"];

/// A value of a metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Epochs finished.
    pub step: usize,
    /// Milliseconds since 1970, UTC.
    pub time: i64,
    /// Finite.
    pub value: f64,
}

/// Metrics by name.
pub type Series = BTreeMap<String, Vec<Point>>;

/// What is said of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct LoggedRun {
    /// Its name.
    pub name: String,
    /// SHA-256 of its config: with the name and the time, what it is found by.
    pub config_sha256: String,
    /// When it was made, as it says.
    pub created: String,
    /// When it began, in milliseconds since 1970, UTC.
    pub begun: i64,
    /// When it finished, if it did.
    pub ended: Option<i64>,
    /// Keys of the config, dotted, with their values.
    pub params: Vec<(String, String)>,
    /// About data, versions and machine.
    pub tags: Vec<(String, String)>,
    /// Curves and scores of each seed.
    pub seeds: BTreeMap<u64, Series>,
    /// Means over the seeds; empty of one.
    pub means: Series,
    /// Files, by their names.
    pub artifacts: Vec<(String, Vec<u8>)>,
}

/// A line of `events.jsonl`, as far as it is needed.
#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Line {
    EpochFinished {
        time: f64,
        seed: u64,
        epoch: usize,
        train_loss: Option<f64>,
        learning_rate: Option<f64>,
        #[serde(default)]
        validation: Vec<TaskLine>,
        harmonic_mean: Option<f64>,
    },
    RunFinished {
        time: f64,
    },
    #[serde(other)]
    Other,
}

/// When an epoch ended, in milliseconds, and its values.
type Epoch = (i64, Vec<(String, f64)>);

#[derive(Deserialize)]
struct TaskLine {
    task: String,
    loss: Option<f64>,
    auc: Option<f64>,
    accuracy: Option<f64>,
    macro_f1: Option<f64>,
}

impl LoggedRun {
    /// Reads a run folder: finished, interrupted or running.
    ///
    /// # Errors
    /// A folder that is no run, and files of it that cannot be read.
    pub fn read(run: &RunLayout) -> Result<Self, MlflowError> {
        let manifest = read_manifest(run)?;
        let folder = ConfinedFolder::new(run.root());
        let config = folder.read_text(&run.config(), LARGEST_CONFIG)?;
        let results = read_results(run, &manifest)?;
        let begun = milliseconds(&manifest.created);
        let mut read = Self {
            name: manifest.run.clone(),
            config_sha256: manifest.config_sha256.clone(),
            created: manifest.created.clone(),
            begun,
            ended: None,
            params: params(&config),
            tags: tags(&manifest, results.as_ref()),
            seeds: manifest.seeds.iter().map(|&seed| (seed, Series::new())).collect(),
            means: Series::new(),
            artifacts: Vec::new(),
        };
        if let Some(bytes) = if_present(folder.read_file(&run.events(), LARGEST_EVENTS))? {
            read.add_events(&bytes);
        }
        if results.is_none() {
            // Something of it goes on, or was interrupted.
            read.ended = None;
        }
        if let Some(results) = &results {
            read.add_results(results);
        }
        for name in ARTIFACTS {
            if let Some(bytes) = if_present(folder.read_file(&run.root().join(name), LARGEST_ARTIFACT))? {
                read.artifacts.push((name.to_owned(), bytes));
            }
        }
        Ok(read)
    }

    /// Curves. Of an epoch that was trained again after an interruption, the last time counts; a line that is cut off does not.
    fn add_events(&mut self, bytes: &[u8]) {
        let mut epochs: BTreeMap<(u64, usize), Epoch> = BTreeMap::new();
        for line in bytes.split(|&byte| byte == b'\n') {
            match serde_json::from_slice(line) {
                Ok(Line::EpochFinished { time, seed, epoch, train_loss, learning_rate, validation, harmonic_mean }) => {
                    let mut values = vec![
                        ("train_loss".to_owned(), train_loss),
                        ("learning_rate".to_owned(), learning_rate),
                        ("val_harmonic_mean".to_owned(), harmonic_mean),
                    ];
                    for one in validation {
                        let name = |metric: &str| format!("{}/val_{metric}", one.task);
                        values.push((name("loss"), one.loss));
                        values.push((name("auc"), one.auc));
                        values.push((name("accuracy"), one.accuracy));
                        values.push((name("macro_f1"), one.macro_f1));
                    }
                    let values = values.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
                    epochs.insert((seed, epoch + 1), ((time * 1_000.0) as i64, values));
                }
                Ok(Line::RunFinished { time }) => self.ended = Some((time * 1_000.0) as i64),
                Ok(Line::Other) | Err(_) => {}
            }
        }
        for ((seed, step), (time, values)) in epochs {
            let series = self.seeds.entry(seed).or_default();
            for (name, value) in values.into_iter().filter(|(_, value)| value.is_finite()) {
                series.entry(name).or_default().push(Point { step, time, value });
            }
        }
    }

    /// Scores of the best networks, and their means over the seeds.
    fn add_results(&mut self, results: &RunResults) {
        let time = self.ended.unwrap_or(self.begun);
        let mut all: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for seed in &results.seeds {
            let series = self.seeds.entry(seed.seed).or_default();
            let mut scores = scored("best_val", &seed.validation);
            scores.extend(seed.test.iter().flat_map(|test| scored("test", test)));
            scores.push(("best_epoch".to_owned(), seed.best_epoch as f64));
            for (name, value) in scores.into_iter().filter(|(_, value)| value.is_finite()) {
                series.insert(name.clone(), vec![Point { step: seed.best_epoch, time, value }]);
                all.entry(name).or_default().push(value);
            }
        }
        if results.seeds.len() > 1 {
            let point = |value: f64| vec![Point { step: 0, time, value }];
            for (name, values) in all {
                self.means.insert(name, point(values.iter().sum::<f64>() / values.len() as f64));
            }
            for (name, value) in results.ensemble.iter().flat_map(|set| scored("ensemble_test", set)) {
                self.means.insert(name, point(value));
            }
        }
    }
}

/// The scores of a split, each by its task.
fn scored(split: &str, set: &ScoreSet) -> Vec<(String, f64)> {
    let mut scores = vec![(format!("{split}_harmonic_mean"), set.harmonic_mean)];
    for task in &set.tasks {
        let mut add = |metric: &str, value: f64| scores.push((format!("{}/{split}_{metric}", task.task), value));
        add("accuracy", task.accuracy);
        add("macro_f1", task.macro_f1);
        if let Some(auc) = task.auc {
            add("auc", auc);
        }
    }
    scores
}

/// RFC 3339 as milliseconds; what is none, as 1970.
fn milliseconds(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().map_or(0, jiff::Timestamp::as_millisecond)
}

fn tags(manifest: &Manifest, results: Option<&RunResults>) -> Vec<(String, String)> {
    let environment = &manifest.environment;
    let tasks: Vec<&str> = manifest.data.iter().map(|data| data.task.name.as_str()).collect();
    let mut tags = vec![
        ("medley.run".to_owned(), manifest.run.clone()),
        ("medley.config_sha256".to_owned(), manifest.config_sha256.clone()),
        ("medley.created".to_owned(), manifest.created.clone()),
        ("medley.version".to_owned(), environment.medley.clone()),
        ("medley.libtorch".to_owned(), environment.libtorch.clone()),
        ("medley.device".to_owned(), environment.device.clone()),
        ("medley.tasks".to_owned(), tasks.join(", ")),
        ("medley.synthetic".to_owned(), manifest.is_synthetic().to_string()),
        (
            "medley.test".to_owned(),
            if results.is_some_and(RunResults::is_tested) { "scored" } else { "shut" }.to_owned(),
        ),
        ("medley.notice".to_owned(), "Not for clinical use".to_owned()),
    ];
    for data in &manifest.data {
        tags.push((format!("medley.data.{}.sha256", data.task.name), data.sha256.clone()));
    }
    tags.extend(manifest.git_revision.iter().map(|git| ("mlflow.source.git.commit".to_owned(), git.clone())));
    for (_, value) in &mut tags {
        cut(value, LONGEST_TAG);
    }
    tags
}

/// The keys of a config, dotted; arrays by their text.
fn params(config: &str) -> Vec<(String, String)> {
    fn add(at: &str, value: &toml::Value, found: &mut Vec<(String, String)>) {
        match value {
            toml::Value::Table(table) => {
                for (key, value) in table {
                    add(&if at.is_empty() { key.clone() } else { format!("{at}.{key}") }, value, found);
                }
            }
            toml::Value::String(text) => found.push((at.to_owned(), text.clone())),
            value => found.push((at.to_owned(), value.to_string())),
        }
    }
    let mut found = Vec::new();
    if let Ok(table) = config.parse::<toml::Table>() {
        add("", &toml::Value::Table(table), &mut found);
    }
    for (_, value) in &mut found {
        cut(value, LONGEST_PARAM);
    }
    found
}

/// At most so many bytes, between characters.
fn cut(text: &mut String, most: usize) {
    if text.len() > most {
        let end = (0..=most).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        text.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_dotted_and_values_cut() {
        let long = "x".repeat(7_000);
        let found =
            params(&format!("name = 'a'\nseeds = [0, 1]\n[train]\nepochs = 3\n[train.deep]\nnote = '{long}'\n"));
        let of = |key: &str| found.iter().find(|(one, _)| one == key).map(|(_, value)| value.as_str());
        assert_eq!((of("name"), of("seeds"), of("train.epochs")), (Some("a"), Some("[0, 1]"), Some("3")));
        assert_eq!(of("train.deep.note").map(str::len), Some(LONGEST_PARAM));
        let mut text = "ü".repeat(4);
        cut(&mut text, 3);
        assert_eq!(text, "ü");
    }

    #[test]
    fn times_are_milliseconds() {
        assert_eq!(milliseconds("1970-01-01T00:00:01Z"), 1_000);
        assert_eq!(milliseconds("yesterday"), 0);
    }

    #[test]
    fn lines_that_are_cut_off_or_trained_again_do_no_harm() {
        let mut run = LoggedRun {
            name: String::new(),
            config_sha256: String::new(),
            created: String::new(),
            begun: 0,
            ended: None,
            params: Vec::new(),
            tags: Vec::new(),
            seeds: BTreeMap::new(),
            means: Series::new(),
            artifacts: Vec::new(),
        };
        let line = |time: f64, epoch: usize, loss: f64| {
            format!(
                "{{\"time\":{time},\"event\":\"epoch_finished\",\"seed\":3,\"epoch\":{epoch},\"train_loss\":{loss},\
                 \"learning_rate\":0.1,\"validation\":[],\"harmonic_mean\":0.5}}\n"
            )
        };
        let text = line(1.0, 0, 0.9)
            + "{\"time\":1.5,\"event\":\"step\",\"seed\":3}\n"
            + &line(2.0, 1, 0.8)
            + &line(5.0, 1, 0.7)
            + "{\"time";
        run.add_events(text.as_bytes());
        let losses: Vec<(usize, i64, f64)> =
            run.seeds[&3]["train_loss"].iter().map(|point| (point.step, point.time, point.value)).collect();
        assert_eq!(losses, [(1, 1_000, 0.9), (2, 5_000, 0.7)]);
    }
}
