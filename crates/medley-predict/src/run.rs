//! From a run folder to a network with its description.

use std::collections::BTreeMap;
use std::path::Path;

use medley_core::record::{ChannelStatistics, DataRecord, Manifest, RunResults, ScoreSet, TaskResult};
use medley_core::text::hex;
use medley_core::{Origin, RunLayout, TaskSpec};
use medley_data::Registry;
use medley_data::registry::user::UserEntry;
use medley_decisions::record::DecisionRecord;
use medley_models::{ModelError, MultiTaskNet, NetConfig};
use medley_package::{
    Compute, DataKeys, Decision, Document, Lineage, NumberFormat, OverSeeds, PictureKeys, Task, TaskMetrics, Weights,
};
use medley_pictures::Fit;
use medley_predictions::record::{read_json, read_manifest, read_results};
use medley_train::config::Experiment;
use medley_train::engine::predict_batch_size;
use medley_train::export::{best_network, best_seed};
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use tch::Tensor;

use crate::bundle::stored;
use crate::network::described;
use crate::{Bundle, PredictError};

/// The vectors of all tasks, `[tasks, length]`.
const EMBEDDING: &str = "task_embedding.weight";

/// Which network of which run.
#[derive(Debug, Clone, Copy)]
pub struct RunSource<'a> {
    /// The run folder.
    pub run: &'a Path,
    /// Where its data lie; only the entries of a user's own sets are read.
    pub data_folder: &'a Path,
    /// One of its seeds; by default [`best_seed`].
    pub seed: Option<u64>,
    /// What the weights are written in.
    pub format: NumberFormat,
}

/// Which tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskChoice {
    /// All of the run, with one trunk.
    All,
    /// One of them.
    One(String),
}

/// A run, opened.
pub(crate) struct OpenedRun {
    pub(crate) layout: RunLayout,
    pub(crate) manifest: Manifest,
    pub(crate) experiment: Experiment,
    pub(crate) seed: u64,
}

impl OpenedRun {
    pub(crate) fn read(source: &RunSource<'_>) -> Result<Self, PredictError> {
        let layout = RunLayout::new(source.run);
        let manifest = read_manifest(&layout)?;
        let registry = Registry::of_folder(source.data_folder)?;
        let experiment = Experiment::load_recorded(&layout.config(), &manifest.environment.medley, &registry)?;
        let seed = source.seed.unwrap_or_else(|| best_seed(&layout, &manifest));
        Ok(Self { layout, manifest, experiment, seed })
    }
}

impl Bundle {
    /// The network that validation chose. Decisions are those of `decisions.json`, if there is one, else plain.
    ///
    /// # Errors
    /// What the run folder lacks, or has damaged.
    pub fn of_run(source: &RunSource<'_>, choice: &TaskChoice) -> Result<Self, PredictError> {
        let run = OpenedRun::read(source)?;
        let data = chosen(&run.manifest, choice)?;
        let names: Vec<&str> = data.iter().map(|data| data.task.name.as_str()).collect();
        let (net, epoch) = best_network(&run.layout, &run.manifest, &run.experiment, run.seed, &names)?;
        let results = read_results(&run.layout, &run.manifest)?;
        let decisions =
            read_json::<DecisionRecord>(&run.layout, &run.layout.decisions(), DecisionRecord::LARGEST_FILE)?;
        let tasks = data
            .iter()
            .map(|data| task(&run, source.data_folder, data, results.as_ref(), decisions.as_ref()))
            .collect::<Result<Vec<_>, PredictError>>()?;
        let name = match choice {
            TaskChoice::All => run.manifest.run.clone(),
            TaskChoice::One(task) => format!("{}.{task}", run.manifest.run),
        };
        let table = net_table(&run.experiment.net, &data.iter().map(|data| &data.task).collect::<Vec<_>>());
        let mut document = Document::new(
            name,
            Weights { file: "model.safetensors".into(), sha256: "0".repeat(64), bytes: 0, format: source.format },
            lineage(&run, epoch),
            compute(&run, &net),
            table.map_err(|problem| PredictError::Weights { path: source.run.to_owned(), problem })?,
            tasks,
        );
        let state = state_of(&document, &net, source.run)?;
        let bytes = stored(&state, source.format, &metadata(&document))?;
        document.weights.bytes = bytes.len() as u64;
        document.weights.sha256 = hex(&Sha256::digest(&bytes));
        Self::new(document, bytes, source.run)?.with_known_answers(source.run)
    }
}

fn chosen<'a>(manifest: &'a Manifest, choice: &TaskChoice) -> Result<Vec<&'a DataRecord>, PredictError> {
    let TaskChoice::One(name) = choice else { return Ok(manifest.data.iter().collect()) };
    let found = manifest.data.iter().find(|data| data.task.name == *name);
    let known = || manifest.data.iter().map(|data| data.task.name.as_str()).collect::<Vec<_>>().join(", ");
    let what = || format!("the run has no task `{name}`");
    Ok(vec![found.ok_or_else(|| PredictError::Task { what: what(), known: known() })?])
}

/// The config of a network of these tasks.
fn net_table(config: &NetConfig, tasks: &[&TaskSpec]) -> Result<toml::Table, String> {
    let mut shared_heads = config.shared_heads.clone();
    for heads in shared_heads.values_mut() {
        heads.retain(|task| tasks.iter().any(|spec| spec.name == *task));
    }
    shared_heads.retain(|_, heads| !heads.is_empty());
    let config = NetConfig { shared_heads, pretrained: None, ..config.clone() };
    toml::Table::try_from(&config).map_err(|error| error.to_string())
}

/// The tensors that the described network has, of the one that the run trained.
fn state_of(document: &Document, net: &MultiTaskNet, run: &Path) -> Result<Vec<(String, Tensor)>, PredictError> {
    let package = document.clone().check().map_err(|error| PredictError::Package { path: run.to_owned(), error })?;
    let outline = described(&package, None)?;
    let all: BTreeMap<String, Tensor> = net.parameters().into_iter().chain(net.buffers()).collect();
    let wanted = outline.parameters().into_iter().chain(outline.buffers());
    let rows: Vec<i64> = (0..)
        .zip(net.task_names())
        .filter(|(_, name)| document.tasks.iter().any(|task| task.task.name == **name))
        .map(|(row, _)| row)
        .collect();
    wanted
        .map(|(name, outline)| match all.get(&name) {
            Some(tensor) if outline.size() == tensor.size() => Ok((name, tensor.shallow_clone())),
            // What all tasks have in one tensor, a row for each.
            Some(tensor) if name == EMBEDDING => {
                let own = tensor.f_index_select(0, &Tensor::from_slice(&rows)).map_err(ModelError::from)?;
                Ok((name, own))
            }
            _ => {
                let problem =
                    format!("the network of the run has no such tensor `{name}`; export it with all its tasks");
                Err(PredictError::Weights { path: run.to_owned(), problem })
            }
        })
        .collect()
}

fn lineage(run: &OpenedRun, epoch: usize) -> Lineage {
    let Manifest { run: name, config_sha256, environment, git_revision, .. } = &run.manifest;
    Lineage {
        run: name.clone(),
        seed: run.seed,
        epoch,
        config_sha256: config_sha256.clone(),
        medley: environment.medley.clone(),
        git_revision: git_revision.clone(),
    }
}

fn compute(run: &OpenedRun, net: &MultiTaskNet) -> Compute {
    let environment = &run.manifest.environment;
    Compute {
        libtorch: environment.libtorch.clone(),
        device: environment.device.clone(),
        precision: environment.precision,
        memory_layout: environment.memory_layout,
        convolutions: environment.convolutions.of_predictions(),
        threads: environment.threads,
        replicas: environment.replicas,
        batch_size: predict_batch_size(&run.experiment, net.input_values()),
    }
}

/// What readers of the weights alone should know.
fn metadata(document: &Document) -> BTreeMap<String, String> {
    BTreeMap::from([
        // Readers of transformers refuse files that do not say so.
        ("format".to_owned(), "pt".to_owned()),
        ("medley_model".to_owned(), document.name.clone()),
        ("notice".to_owned(), medley_package::NOTICE.to_owned()),
    ])
}

fn task(
    run: &OpenedRun,
    data_folder: &Path,
    data: &DataRecord,
    results: Option<&RunResults>,
    decisions: Option<&DecisionRecord>,
) -> Result<Task, PredictError> {
    let spec = &data.task;
    let statistics = run.manifest.normalisation.get(&spec.name);
    let normalisation: ChannelStatistics =
        statistics.cloned().ok_or_else(|| PredictError::NoNormalisation { run: run.manifest.run.clone() })?;
    let (picture, licence) = picture_keys(data_folder, spec)?;
    Ok(Task {
        task: spec.clone(),
        picture,
        normalisation,
        views: run.experiment.test_time_views(spec),
        decision: decision(run.seed, spec, decisions)?,
        unlike: None,
        data: DataKeys {
            file: data.file.clone(),
            sha256: data.sha256.clone(),
            md5: data.md5.clone(),
            release: data.release.clone(),
            licence,
        },
        metrics: metrics(run.seed, spec, results),
        over_seeds: over_seeds(spec, results),
        known_answer: None,
    })
}

/// The rule that `medley decide` accepted for a seed.
fn decision(seed: u64, spec: &TaskSpec, decisions: Option<&DecisionRecord>) -> Result<Decision, PredictError> {
    let task = decisions.and_then(|record| record.tasks.iter().find(|task| task.task == spec.name));
    let fitted = task.map(|task| {
        let own = task.seeds.iter().find(|one| one.seed == seed);
        own.map_or(&task.predictor, |own| &own.fitted)
    });
    Ok(match fitted {
        Some(fitted) => fitted.decision(spec)?,
        None => Decision::plain(spec.kind, spec.outputs())?,
    })
}

/// How pictures become images of a set, and its licence.
fn picture_keys(data_folder: &Path, spec: &TaskSpec) -> Result<(PictureKeys, String), PredictError> {
    if let Some(entry) = Registry::builtin().entries().iter().find(|entry| entry.name == spec.name) {
        return Ok((published(&spec.name), entry.licence.clone()));
    }
    let path = data_folder.join(format!("{}.toml", spec.name));
    if spec.origin != Origin::User || path.symlink_metadata().is_err() {
        return Ok((PictureKeys::default(), "not stated".to_owned()));
    }
    let entry = UserEntry::read(&path)?;
    let keys = PictureKeys {
        fit: said(&entry.import, "fit"),
        filter: said(&entry.import, "filter"),
        sixteen_bit: said(&entry.import, "sixteen_bit"),
        alpha: said(&entry.import, "alpha"),
    };
    Ok((keys, entry.licence))
}

/// What an entry says of how its images were made; where it says nothing, as by default.
fn said<T: Default + DeserializeOwned>(table: &toml::Table, key: &str) -> T {
    table.get(key).cloned().and_then(|value| value.try_into().ok()).unwrap_or_default()
}

/// How MedMNIST made its images, as far as pictures of any size can be treated alike: cut to the square in the middle and resized by
/// cubic interpolation; those of DermaMNIST, which are 600x450, were resized as they are (Yang et al., *MedMNIST v2*, Scientific Data
/// 10, 41, 2023, Methods).
fn published(name: &str) -> PictureKeys {
    let fit = if name == "dermamnist" { Fit::Stretch } else { Fit::Crop };
    PictureKeys { fit, ..PictureKeys::default() }
}

fn metrics(seed: u64, spec: &TaskSpec, results: Option<&RunResults>) -> BTreeMap<String, TaskMetrics> {
    let Some(result) = results.and_then(|all| all.seeds.iter().find(|one| one.seed == seed)) else {
        return BTreeMap::new();
    };
    let sets = [("val", Some(&result.validation)), ("test", result.test.as_ref())];
    let found = sets.into_iter().filter_map(|(split, set)| Some((split.to_owned(), metrics_of(spec, set?)?)));
    found.collect()
}

fn metrics_of(spec: &TaskSpec, set: &ScoreSet) -> Option<TaskMetrics> {
    let of = |task: &TaskResult| TaskMetrics { auc: task.auc, accuracy: task.accuracy, macro_f1: task.macro_f1 };
    set.tasks.iter().find(|task| task.task == spec.name).map(of)
}

/// Mean and spread, where there are several seeds: on the test split if all are scored on it.
fn over_seeds(spec: &TaskSpec, results: Option<&RunResults>) -> BTreeMap<String, OverSeeds> {
    let Some(results) = results else { return BTreeMap::new() };
    let val = results.seeds.iter().map(|seed| &seed.validation).collect();
    let test = if results.is_tested() { results.test_sets().collect() } else { Vec::new() };
    let spread = |(split, sets): (&str, Vec<&ScoreSet>)| {
        let metrics: Vec<TaskMetrics> = sets.into_iter().filter_map(|set| metrics_of(spec, set)).collect();
        Some((split.to_owned(), spread(&metrics)?))
    };
    [("val", val), ("test", test)].into_iter().filter_map(spread).collect()
}

fn spread(all: &[TaskMetrics]) -> Option<OverSeeds> {
    if all.len() < 2 {
        return None;
    }
    let count = all.len() as f64;
    let of = |value: fn(&TaskMetrics) -> Option<f64>| {
        let values: Vec<f64> = all.iter().filter_map(value).collect();
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        (values.len() == all.len()).then(|| (mean, (squares / (count - 1.0)).sqrt()))
    };
    let auc = of(|one| one.auc);
    let (accuracy, macro_f1) = (of(|one| Some(one.accuracy))?, of(|one| Some(one.macro_f1))?);
    Some(OverSeeds {
        seeds: all.len(),
        mean: TaskMetrics { auc: auc.map(|auc| auc.0), accuracy: accuracy.0, macro_f1: macro_f1.0 },
        standard_deviation: TaskMetrics { auc: auc.map(|auc| auc.1), accuracy: accuracy.1, macro_f1: macro_f1.1 },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_is_that_of_a_sample() {
        let of = |value: f64| TaskMetrics { auc: None, accuracy: value, macro_f1: 1.0 - value };
        assert_eq!(spread(&[of(0.5)]), None);
        let spread = spread(&[of(0.25), of(0.5), of(0.75)]).unwrap();
        assert_eq!((spread.seeds, spread.mean), (3, of(0.5)));
        assert_eq!(spread.standard_deviation, TaskMetrics { auc: None, accuracy: 0.25, macro_f1: 0.25 });
    }
}
