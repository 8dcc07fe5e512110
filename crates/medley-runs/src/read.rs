//! Reads of a run what a list shows.

use std::path::Path;

use medley_core::RunLayout;
use medley_core::record::{Manifest, SCHEMA_VERSION, SeedRecord, SeedResult};
use medley_predictions::RecordError;
use medley_predictions::record::{read_json, read_manifest, read_results};
use medley_storage::ConfinedFolder;
use serde::Deserialize;

use crate::error::with_causes;
use crate::overview::{Mean, Model, Overview, SeedEpochs, State, TestScore};
use crate::settings::Settings;
use crate::validation::{Selection, ValidationScore, mean};
use crate::{Tags, find, lock, progress, settings, size};

/// Largest `results.json` of which the scores are taken without looking at the rest, as `medley_predictions` reads at most.
const RESULTS: u64 = 256 << 20;
/// Largest file of the results of a seed that is read.
const SEED_RESULTS: u64 = 64 << 20;

/// What a list needs of `results.json`: a hundredth of what is in it.
#[derive(Debug, Deserialize)]
struct Scores {
    schema_version: u32,
    seeds: Vec<SeedScores>,
}

/// One seed of it, finished.
#[derive(Debug, Deserialize)]
struct SeedScores {
    seed: u64,
    best_epoch: usize,
    validation: SetScores,
    #[serde(default)]
    test: Option<SetScores>,
}

#[derive(Debug, Deserialize)]
struct SetScores {
    tasks: Vec<TaskScores>,
    harmonic_mean: f64,
}

#[derive(Debug, Deserialize)]
struct TaskScores {
    auc: Option<f64>,
    accuracy: f64,
}

/// The overview of a run; `None` of a folder that is not one, or that has gone meanwhile.
pub(crate) fn overview(root: &Path, with_size: bool) -> Option<Overview> {
    if !find::looks_like_one(root) {
        return None;
    }
    let run = RunLayout::new(root);
    let mut overview = Overview {
        path: root.to_owned(),
        name: run.name(),
        state: State::Damaged,
        problem: None,
        tasks: Vec::new(),
        synthetic: false,
        parent: None,
        model: None,
        seeds: Vec::new(),
        epochs: None,
        validation: None,
        test: TestScore::Unknown,
        created: None,
        bytes: with_size.then(|| size::of_folder(root)),
        tags: Vec::new(),
        note: None,
    };
    let problems = fill(&mut overview, &run);
    // Removed while it was read: whatever went wrong is no news.
    if root.symlink_metadata().is_err() {
        return None;
    }
    overview.problem = (!problems.is_empty()).then(|| problems.join("; "));
    Some(overview)
}

/// Adds what can be read, and returns what cannot.
fn fill(overview: &mut Overview, run: &RunLayout) -> Vec<String> {
    let mut problems = Vec::new();
    match Tags::read(run) {
        Ok(tags) => (overview.tags, overview.note) = (tags.tags.into_iter().collect(), tags.note),
        Err(error) => problems.push(with_causes(&error)),
    }
    let manifest = match read_manifest(run) {
        Ok(manifest) => manifest,
        Err(error) => {
            problems.push(with_causes(&error));
            return problems;
        }
    };
    overview.tasks = manifest.data.iter().map(|data| data.task.name.clone()).collect();
    overview.synthetic = manifest.is_synthetic();
    overview.created = Some(manifest.created.clone());
    overview.parent = manifest.parent.as_ref().map(|parent| parent.run.clone());
    let config = settings::read(run);
    let settings = config.as_ref().map(Settings::of).unwrap_or_default();
    overview.model = settings.backbone.clone().map(|backbone| Model { backbone, width: settings.width });
    overview.epochs = settings.epochs;
    let selection = settings.select.as_deref().map_or(Some(Selection::MacroF1), Selection::by_name);
    match finished(run, &manifest) {
        Ok(Some(seeds)) => {
            overview.state = State::Finished;
            add_scores(overview, &seeds, selection, run);
        }
        Ok(None) => {
            overview.state = State::Interrupted;
            add_progress(overview, &manifest, selection, run);
        }
        Err(error) => problems.push(with_causes(&error)),
    }
    if let Err(error) = config {
        // Without it the run can neither be resumed nor used.
        problems.push(with_causes(&error));
        overview.state = State::Damaged;
    }
    overview.test = test_score(overview, &manifest);
    if overview.state != State::Damaged && lock::is_held(run) {
        overview.state = State::Running;
    }
    problems
}

/// The seeds of a run that has its results; `None` while it has none.
fn finished(run: &RunLayout, manifest: &Manifest) -> Result<Option<Vec<SeedScores>>, RecordError> {
    let read = ConfinedFolder::new(run.root()).read_file(&run.results(), RESULTS);
    if let Some(scores) = read.ok().and_then(|json| serde_json::from_slice::<Scores>(&json).ok())
        && scores.schema_version == SCHEMA_VERSION
        && are_plausible(&scores.seeds, manifest)
    {
        return Ok(Some(scores.seeds));
    }
    // Read strictly, it says what is wrong.
    let results = read_results(run, manifest)?;
    Ok(results.map(|results| results.seeds.into_iter().map(SeedScores::from).collect()))
}

fn are_plausible(seeds: &[SeedScores], manifest: &Manifest) -> bool {
    let share = |value: f64| (0.0..=1.0).contains(&value);
    let set = |set: &SetScores| {
        share(set.harmonic_mean)
            && set.tasks.len() == manifest.data.len()
            && set.tasks.iter().all(|task| share(task.accuracy) && task.auc.is_none_or(share))
    };
    !seeds.is_empty()
        && seeds.iter().all(|seed| set(&seed.validation) && seed.test.as_ref().is_none_or(set))
        && seeds.iter().all(|seed| seed.test.is_some() == seeds[0].test.is_some())
}

impl From<SeedResult> for SeedScores {
    fn from(result: SeedResult) -> Self {
        let set = |set: medley_core::record::ScoreSet| SetScores {
            harmonic_mean: set.harmonic_mean,
            tasks: set.tasks.iter().map(|task| TaskScores { auc: task.auc, accuracy: task.accuracy }).collect(),
        };
        let SeedResult { seed, best_epoch, validation, test, stopped: _, fine_tuned: _ } = result;
        Self { seed, best_epoch, validation: set(validation), test: test.map(set) }
    }
}

/// The results of seeds that are kept until all are finished.
pub(crate) fn kept(run: &RunLayout, seeds: &[u64]) -> Vec<SeedRecord> {
    let read = |&seed: &u64| read_json(run, &run.seed_results(seed), SEED_RESULTS).ok().flatten();
    seeds.iter().filter_map(read).collect()
}

fn add_scores(overview: &mut Overview, seeds: &[SeedScores], selection: Option<Selection>, run: &RunLayout) {
    let finished = |seed: &SeedScores| SeedEpochs { seed: seed.seed, epochs: None, finished: true };
    overview.seeds = seeds.iter().map(finished).collect();
    overview.validation = selection.and_then(|selection| validation(seeds, selection, run));
    if let Some(sets) = seeds.iter().map(|seed| seed.test.as_ref()).collect::<Option<Vec<_>>>() {
        let scores: Vec<f64> = sets.iter().map(|set| set.harmonic_mean).collect();
        overview.test = Mean::of(&scores).map_or(TestScore::Unknown, TestScore::Scored);
    }
}

/// What the best epochs of the seeds were selected by.
fn validation(seeds: &[SeedScores], selection: Selection, run: &RunLayout) -> Option<ValidationScore> {
    // Results have no losses.
    let epochs = if selection == Selection::Loss { progress::all_epochs(run) } else { Vec::new() };
    let score = |seed: &SeedScores| match selection {
        Selection::MacroF1 => seed.validation.harmonic_mean,
        Selection::Auc => mean(seed.validation.tasks.iter().filter_map(|task| task.auc)),
        Selection::Accuracy => mean(seed.validation.tasks.iter().map(|task| task.accuracy)),
        Selection::Loss => {
            let is_best = |epoch: &&medley_core::record::EpochMetrics| {
                epoch.seed == seed.seed && epoch.epoch.saturating_add(1) == seed.best_epoch
            };
            epochs.iter().find(is_best).map_or(f64::NAN, |epoch| selection.of_epoch(epoch))
        }
    };
    let mean = Mean::of(&seeds.iter().map(score).collect::<Vec<_>>())?;
    Some(ValidationScore { selection, mean, epoch: None })
}

fn add_progress(overview: &mut Overview, manifest: &Manifest, selection: Option<Selection>, run: &RunLayout) {
    let kept: Vec<SeedScores> =
        kept(run, &manifest.seeds).into_iter().map(|record| SeedScores::from(record.result)).collect();
    let epochs = progress::last_epochs(run);
    let of_seed = |&seed: &u64| {
        let finished = kept.iter().any(|kept| kept.seed == seed);
        let last = epochs.iter().filter(|epoch| epoch.seed == seed).map(|epoch| epoch.epoch.saturating_add(1)).max();
        SeedEpochs { seed, epochs: (!finished).then_some(last.unwrap_or(0)), finished }
    };
    overview.seeds = manifest.seeds.iter().map(of_seed).collect();
    let Some(selection) = selection else { return };
    overview.validation = if kept.is_empty() {
        let last = epochs.last().filter(|epoch| manifest.seeds.contains(&epoch.seed));
        last.and_then(|epoch| {
            let mean = Mean::of(&[selection.of_epoch(epoch)])?;
            Some(ValidationScore { selection, mean, epoch: Some(epoch.epoch.saturating_add(1)) })
        })
    } else {
        validation(&kept, selection, run)
    };
}

/// Where no score was found, what is known of the labels.
fn test_score(overview: &Overview, manifest: &Manifest) -> TestScore {
    match overview.test {
        TestScore::Unknown if overview.state == State::Damaged => TestScore::Unknown,
        TestScore::Unknown if manifest.test_openings.is_empty() => TestScore::NotOpened,
        TestScore::Unknown => TestScore::Opened,
        scored => scored,
    }
}
