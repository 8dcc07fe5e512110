//! Reading a run folder.
//!
//! What results rest on (`manifest.json`, `results.json`) is read strictly, by [`medley_predictions::record`]. What only illustrates (`events.jsonl`, `metrics.csv`, `config.toml`)
//! is read as far as it can be, and the report says what could not be read: a run that was killed in the middle of a line
//! deserves its report all the same.

mod gallery;
mod history;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::OnceLock;

use medley_core::record::{
    DataRecord, Gallery, Manifest, RelatedRecord, RobustnessRecord, RunResults, ScoreSet, SeedResult, Spread,
};
use medley_core::{RunLayout, Split};
use medley_decisions::record::DecisionRecord;
use medley_predictions::record::read_json;
use medley_predictions::{RecordError, RunFiles};
use medley_storage::{ConfinedFolder, Shown};
use serde::de::DeserializeOwned;

use crate::ReportError;
use crate::uncertainty::Uncertainty;
pub use history::{Epoch, History, SeedHistory, StepPoint};

/// Largest `config.toml` that is read.
const CONFIG_FILE: u64 = 16 << 20;

/// A run folder in memory.
#[derive(Debug)]
pub struct RunRecord {
    /// Where it lies.
    pub layout: RunLayout,
    /// What the run depends on.
    pub manifest: Manifest,
    /// The results; `None` while the run is unfinished or its test split is not scored.
    pub results: Option<RunResults>,
    /// What is known of each finished seed, of an untested run too.
    pub seeds: Vec<SeedResult>,
    /// Whether it is finished but for the test split, which `medley test` scores.
    pub untested: bool,
    /// What happened on the way.
    pub history: History,
    /// Decision rules, if they were fitted and written.
    pub decisions: Option<DecisionRecord>,
    /// How it fares without test images that are related to those of other splits, if that was measured.
    pub related: Option<RelatedRecord>,
    /// How it fares on corrupted images, if that was measured.
    pub robustness: Option<RobustnessRecord>,
    /// Images worth looking at, with their maps, if `medley explain --gallery` was asked for them.
    pub gallery: Option<Gallery>,
    /// `config.toml` as it stands.
    pub config_text: Option<String>,
    /// The same, parsed.
    pub config: Option<toml::Table>,
    /// What could not be read, one sentence each.
    pub notes: Vec<String>,
    uncertainty: OnceLock<Option<Uncertainty>>,
    /// Position of each task in the manifest, and of its lines in the summary: a run may have thousands.
    positions: BTreeMap<String, usize>,
    summaries: BTreeMap<String, Vec<usize>>,
}

/// Reads a run folder, finished or not.
///
/// # Errors
/// [`medley_predictions::RecordError`]: it is no run folder, or `manifest.json` or `results.json` is wrong, with the place.
pub fn load_run(run: &RunLayout) -> Result<RunRecord, ReportError> {
    let RunFiles { layout, manifest, results } = RunFiles::read(run)?;
    let untested = results.as_ref().is_some_and(|results| !results.is_tested());
    let seeds = results.as_ref().map(|results| results.seeds.clone()).unwrap_or_default();
    let results = results.filter(RunResults::is_tested);
    let mut notes = Vec::new();
    let (config_text, config) = read_config(run, &mut notes);
    let history = history::read(run, &mut notes);
    let decisions = read_json(run, &run.decisions(), DecisionRecord::LARGEST_FILE);
    let decisions: Option<DecisionRecord> = shown("decisions.json", decisions, &mut notes);
    let related = read_checked(run, run.related(), RelatedRecord::LARGEST_FILE, RelatedRecord::problem);
    let related = shown("related.json", related, &mut notes);
    let robustness = shown("robustness.json", crate::robustness::read(run), &mut notes);
    let gallery = gallery::read(run, &manifest, &mut notes);
    let positions = manifest.data.iter().enumerate().map(|(index, data)| (data.task.name.clone(), index)).collect();
    let mut summaries: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, spread) in results.iter().flat_map(|results| &results.summary).enumerate() {
        summaries.entry(spread.task.clone()).or_default().push(index);
    }
    Ok(RunRecord {
        layout,
        manifest,
        results,
        seeds,
        untested,
        history,
        decisions,
        related,
        robustness,
        gallery,
        config_text,
        config,
        notes,
        uncertainty: OnceLock::new(),
        positions,
        summaries,
    })
}

/// What `file` holds. What cannot be used is not shown, and said.
fn shown<T>(file: &str, read: Result<Option<T>, RecordError>, notes: &mut Vec<String>) -> Option<T> {
    read.map_err(|problem| notes.push(format!("{file} is not shown: {problem}"))).ok().flatten()
}

/// A record whose tasks were checked by `problem`, which says what cannot be true of them.
pub(crate) fn read_checked<T: DeserializeOwned>(
    run: &RunLayout,
    path: PathBuf,
    largest: u64,
    problem: fn(&T) -> Option<String>,
) -> Result<Option<T>, RecordError> {
    let record: Option<T> = read_json(run, &path, largest)?;
    match record.as_ref().and_then(problem) {
        Some(message) => Err(RecordError::Inconsistent { path, key: "tasks".to_owned(), message }),
        None => Ok(record),
    }
}

fn read_config(run: &RunLayout, notes: &mut Vec<String>) -> (Option<String>, Option<toml::Table>) {
    match ConfinedFolder::new(run.root()).read_text(&run.config(), CONFIG_FILE) {
        Ok(text) => {
            let table = text.parse::<toml::Table>().map_err(|error| {
                notes.push(format!("config.toml is not TOML: {}", error.message()));
            });
            (Some(text), table.ok())
        }
        Err(error) => {
            let reason = history::reason(&error);
            notes.push(format!("config.toml {reason}: the run cannot be repeated from its folder"));
            (None, None)
        }
    }
}

impl RunRecord {
    /// The name under which it was run.
    pub fn name(&self) -> &str {
        &self.manifest.run
    }

    /// The subcommand that does what is left of it, with the folder as it was named; `None` of a run that is finished and tested.
    pub fn next_command(&self) -> Option<String> {
        let subcommand = match (&self.results, self.untested) {
            (Some(_), _) => return None,
            (None, true) => "test",
            (None, false) => "resume",
        };
        Some(format!("medley {subcommand} {}", Shown(self.layout.root())))
    }

    /// The data sets, in the order of the tasks.
    pub fn data(&self) -> &[DataRecord] {
        &self.manifest.data
    }

    /// The data set of a task.
    pub fn data_of(&self, task: &str) -> Option<&DataRecord> {
        self.manifest.data.get(*self.positions.get(task)?)
    }

    /// The name people write for a task, or the task's own if it is unknown.
    pub fn title_of<'a>(&'a self, task: &'a str) -> &'a str {
        self.data_of(task).map_or(task, |data| &data.task.title)
    }

    /// Images in a split, as the manifest states.
    pub fn rows(&self, task: &str, split: Split) -> Option<usize> {
        self.data_of(task)?.rows.get(&split).copied()
    }

    /// Whether any data set is synthetic, as the manifest or the results say.
    pub fn is_synthetic(&self) -> bool {
        self.manifest.is_synthetic() || self.results.as_ref().is_some_and(|results| results.synthetic)
    }

    /// Mean and spread of a test metric over seeds. `task` may be `all`.
    pub fn spread(&self, task: &str, metric: &str) -> Option<&Spread> {
        let summary = &self.results.as_ref()?.summary;
        self.summaries.get(task)?.iter().filter_map(|&index| summary.get(index)).find(|spread| spread.metric == metric)
    }

    /// The test results of the run's final predictor: the ensemble of all seeds, or the only seed.
    pub fn final_scores(&self) -> Option<&ScoreSet> {
        let results = self.results.as_ref()?;
        results.ensemble.as_ref().or_else(|| results.test_sets().next())
    }

    /// What that predictor is, in words.
    pub fn final_predictor(&self) -> String {
        match &self.results {
            Some(results) if results.ensemble.is_some() => format!("the ensemble of {} seeds", results.seeds.len()),
            Some(results) => results.seeds.first().map_or_else(String::new, |seed| format!("seed {}", seed.seed)),
            None => String::new(),
        }
    }

    /// Why the training of a seed ended before its last epoch, if it did: as the results say, else as the events do.
    pub fn stopped(&self, seed: u64) -> Option<&str> {
        let of_results =
            self.seeds.iter().find(|result| result.seed == seed).and_then(|result| result.stopped.as_ref());
        of_results.or_else(|| self.history.seed(seed)?.stopped.as_ref()).map(String::as_str)
    }

    /// Intervals of the test results; computed once, when first asked for. `None` while the run is unfinished.
    pub fn uncertainty(&self) -> Option<&Uncertainty> {
        self.uncertainty
            .get_or_init(|| self.results.as_ref().map(|results| Uncertainty::of(&self.manifest, results)))
            .as_ref()
    }

    /// Whether the network began from weights learnt before: `yes` where the manifest names them, `from a run` where it names a run that it began from; else `no` where the config has
    /// no such key, `see config` where it has one, a dash where there is no config.
    pub(crate) fn pretrained(&self) -> &'static str {
        fn mentions(table: &toml::Table) -> bool {
            table.iter().any(|(key, value)| {
                key.contains("pretrain") || key == "weights" || value.as_table().is_some_and(mentions)
            })
        }
        if self.manifest.pretrained.is_some() {
            return "yes";
        }
        if self.manifest.parent.is_some() {
            return "from a run";
        }
        match &self.config {
            Some(table) if mentions(table) => "see config",
            Some(_) => "no",
            None => crate::format::NONE,
        }
    }

    /// Whether the network of a seed is that of its last epoch, whatever the validation split said.
    pub(crate) fn keeps_last_epoch(&self) -> bool {
        self.setting("select.name").as_deref() == Some("last")
    }

    /// A value of the config by its dotted key, as it would be printed.
    pub fn setting(&self, key: &str) -> Option<String> {
        let mut parts = key.split('.');
        let mut value = self.config.as_ref()?.get(parts.next()?)?;
        for part in parts {
            value = value.as_table()?.get(part)?;
        }
        Some(match value {
            toml::Value::String(text) => text.clone(),
            other => other.to_string(),
        })
    }
}

/// A run of which nothing is known but a manifest, for tests.
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
pub(crate) fn empty(folder: &std::path::Path) -> RunRecord {
    let manifest = serde_json::json!({
        "schema_version": 1, "run": "run-1", "created": "2026-11-27T10:00:00Z", "seeds": [0], "data": [],
        "environment": {
            "medley": "0.2.0", "libtorch": "2.11.0", "device": "cpu", "cpu_capability": "avx2", "threads": 1, "precision": "fp32",
            "memory_layout": "contiguous", "platform": "linux-x86_64"
        },
        "config_sha256": "", "git_revision": null
    });
    RunRecord {
        layout: RunLayout::new(folder),
        manifest: serde_json::from_value(manifest).unwrap(),
        results: None,
        seeds: Vec::new(),
        untested: false,
        history: History::default(),
        decisions: None,
        related: None,
        robustness: None,
        gallery: None,
        config_text: None,
        config: None,
        notes: Vec::new(),
        uncertainty: OnceLock::new(),
        positions: BTreeMap::new(),
        summaries: BTreeMap::new(),
    }
}
