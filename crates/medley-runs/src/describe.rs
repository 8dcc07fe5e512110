//! Everything about one run.

use std::path::{Path, PathBuf};

use medley_core::RunLayout;
use medley_core::record::{DataRecord, Environment, Manifest, Parent, ScoreSet, TestOpening, WeightsRecord};
use medley_predictions::RunFiles;
use serde::Serialize;

use crate::checkpoints::{self, Checkpoint};
use crate::error::with_causes;
use crate::overview::Overview;
use crate::settings::{self, flatten};
use crate::{RunsError, read};

/// Keys of a config that say most about a run: single ones, and all below some.
const MAIN_KEYS: [&str; 17] = [
    "augment.policy",
    "data.size",
    "loss.name",
    "net.backbone",
    "net.batch_norm",
    "net.input_size",
    "net.pretrained",
    "optimizer.learning_rate",
    "optimizer.name",
    "optimizer.weight_decay",
    "sampler.samples_per_epoch",
    "schedule.name",
    "select.name",
    "stop",
    "train.batch_size",
    "train.ema_decay",
    "train.epochs",
];

/// A run at a glance.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Described {
    /// What lists say of it.
    pub overview: Overview,
    /// The name that it was made with, that of its folder unless that was renamed.
    pub run: String,
    /// The main keys of its config by name, each as in TOML.
    pub config: Vec<(String, String)>,
    /// Its data files.
    pub data: Vec<DataRecord>,
    /// Where they lay.
    pub data_folder: Option<String>,
    /// What computed.
    pub environment: Environment,
    /// The revision of the repository that it was started in.
    pub git_revision: Option<String>,
    /// The weights that it started from.
    pub pretrained: Option<WeightsRecord>,
    /// The run that it began from, and what it took over.
    pub parent: Option<Parent>,
    /// One per seed.
    pub seeds: Vec<SeedState>,
    /// Test metrics of the mean of all seeds' probabilities.
    pub ensemble: Option<ScoreSet>,
    /// Every time that test labels were opened.
    pub test_openings: Vec<TestOpening>,
    /// Checkpoints on disk.
    pub checkpoints: Vec<Checkpoint>,
    /// What could not be read, one sentence each.
    pub problems: Vec<String>,
}

/// One seed of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SeedState {
    /// The seed.
    pub seed: u64,
    /// Epochs that are trained, of a seed that is not finished.
    pub epochs: Option<usize>,
    /// Epochs finished at the best checkpoint.
    pub best_epoch: Option<usize>,
    /// Why training ended before its last epoch.
    pub stopped: Option<String>,
    /// Validation metrics of the best checkpoint.
    pub validation: Option<ScoreSet>,
    /// Test metrics of the best checkpoint.
    pub test: Option<ScoreSet>,
}

/// A run with all of its files that this crate reads, for describing and comparing.
pub(crate) struct Opened {
    pub(crate) manifest: Manifest,
    pub(crate) seeds: Vec<SeedState>,
    pub(crate) ensemble: Option<ScoreSet>,
    pub(crate) config: Option<toml::Table>,
    pub(crate) problems: Vec<String>,
}

/// Describes a run. Its manifest and results are read strictly; what else cannot be read is among the problems.
///
/// # Errors
/// [`RunsError::Missing`], [`RunsError::Record`].
pub fn describe(path: &Path) -> Result<Described, RunsError> {
    let run = RunLayout::new(path.components().collect::<PathBuf>());
    let opened = open(&run)?;
    let mut problems = opened.problems;
    let overview = read::overview(run.root(), true).ok_or_else(|| RunsError::Missing { path: path.to_owned() })?;
    let checkpoints = checkpoints::of_seeds(&run, &opened.manifest.seeds).unwrap_or_else(|error| {
        problems.push(with_causes(&error));
        Vec::new()
    });
    if let Some(problem) = overview.problem.clone().filter(|problem| !problems.contains(problem)) {
        problems.push(problem);
    }
    let config = opened.config.as_ref().map(main_keys).unwrap_or_default();
    let Manifest { run: name, data, data_folder, environment, git_revision, pretrained, parent, test_openings, .. } =
        opened.manifest;
    Ok(Described {
        overview,
        run: name,
        config,
        data,
        data_folder,
        environment,
        git_revision,
        pretrained,
        parent,
        seeds: opened.seeds,
        ensemble: opened.ensemble,
        test_openings,
        checkpoints,
        problems,
    })
}

/// Reads a run.
///
/// # Errors
/// [`RunsError::Missing`], [`RunsError::Record`].
pub(crate) fn open(run: &RunLayout) -> Result<Opened, RunsError> {
    if !run.root().exists() {
        return Err(RunsError::Missing { path: run.root().to_owned() });
    }
    let RunFiles { manifest, results, .. } = RunFiles::read(run)?;
    let mut problems = Vec::new();
    let config = settings::read(run).map_err(|error| problems.push(with_causes(&error))).ok();
    let (results, ensemble) = match results {
        Some(results) => (results.seeds, results.ensemble),
        None => (read::kept(run, &manifest.seeds).into_iter().map(|record| record.result).collect(), None),
    };
    let last = crate::progress::last_epochs(run);
    let mut seeds: Vec<SeedState> = manifest.seeds.iter().map(|&seed| SeedState::unfinished(seed, &last)).collect();
    for result in results {
        let state = SeedState {
            seed: result.seed,
            epochs: None,
            best_epoch: Some(result.best_epoch),
            stopped: result.stopped,
            validation: Some(result.validation),
            test: result.test,
        };
        match seeds.iter_mut().find(|known| known.seed == state.seed) {
            Some(known) => *known = state,
            None => seeds.push(state),
        }
    }
    Ok(Opened { manifest, seeds, ensemble, config, problems })
}

impl SeedState {
    fn unfinished(seed: u64, last: &[medley_core::record::EpochMetrics]) -> Self {
        let epochs = last.iter().filter(|epoch| epoch.seed == seed).map(|epoch| epoch.epoch.saturating_add(1)).max();
        Self { seed, epochs: Some(epochs.unwrap_or(0)), best_epoch: None, stopped: None, validation: None, test: None }
    }
}

fn main_keys(config: &toml::Table) -> Vec<(String, String)> {
    let is_main = |key: &str| {
        let below = |main: &str| key.strip_prefix(main).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        MAIN_KEYS.iter().any(|main| below(main))
    };
    flatten(config).into_iter().filter(|(key, _)| is_main(key)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn main_keys_are_found_by_themselves_and_below() {
        let config =
            "[net]\ndropout = 0.1\nbatch_norm = 'shared'\n[net.backbone]\nname = 'a'\nwidth = 8\n[stop]\nstopper = 1\n";
        let keys: Vec<String> = main_keys(&config.parse().unwrap()).into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["net.backbone.name", "net.backbone.width", "net.batch_norm", "stop.stopper"]);
    }
}
