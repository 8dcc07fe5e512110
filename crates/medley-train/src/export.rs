//! From a run folder to the weights of one task as a plain network, under published names.
//!
//! The file says in its metadata what a user of it must know: the classes in order, what pixels are normalised by, and which
//! network loads it.

pub mod onnx;

use std::collections::{BTreeMap, BTreeSet};

use medley_core::record::{FineTuned, Manifest};
use medley_core::{RunLayout, TaskKind, TaskSpec};
use medley_models::{ComputePlan, MultiTaskNet, published, weights};
use medley_predictions::record::read_results;

use crate::TrainError;
use crate::checkpoint::CheckpointFolder;
use crate::config::Experiment;
use crate::engine::build_network;

/// The seed whose networks are a run's where none is named: [`RunResults::best_seed`](medley_core::record::RunResults::best_seed) of
/// those that have results, else its first. Results that cannot be read choose none: whoever needs them says what is wrong.
pub fn best_seed(run: &RunLayout, manifest: &Manifest) -> u64 {
    let results = read_results(run, manifest).ok().flatten();
    let best = results.and_then(|results| results.best_seed());
    best.or_else(|| manifest.seeds.first().copied()).unwrap_or_default()
}

/// One task of the network that validation chose, as a file.
#[derive(Debug, Clone)]
pub struct ExportedWeights {
    /// Name of the task.
    pub task: String,
    /// The library's model that loads it as it is, such as `torchvision resnet18`.
    pub model: Option<&'static str>,
    /// Epochs that the network was trained for.
    pub epoch: usize,
    /// A safetensors file.
    pub bytes: Vec<u8>,
}

/// The best network of one seed, one file for each of `tasks` (all, if there are none). It needs the run folder alone, whose manifest
/// and experiment are given.
///
/// # Errors
/// [`TrainError::NotInRun`] for a seed or task that the run does not have; what the checkpoint says.
pub fn export(
    run: &RunLayout,
    manifest: &Manifest,
    experiment: &Experiment,
    seed: u64,
    tasks: &[String],
) -> Result<Vec<ExportedWeights>, TrainError> {
    let specs: Vec<_> = manifest.data.iter().map(|data| data.task.clone()).collect();
    let names = || specs.iter().map(|spec| spec.name.clone());
    if let Some(unknown) = tasks.iter().find(|&task| names().all(|name| name != *task)) {
        return Err(not_in_run("task", unknown.clone(), names()));
    }
    check_seed(manifest, seed)?;
    let net = build_network(experiment, &specs, seed, ComputePlan::default())?;
    let model = net.config().backbone().published_model(&experiment.net.backbone, net.input_size());
    let fine_tuned = fine_tuned(run, manifest, seed)?;
    let wanted = names().enumerate().filter(|(_, name)| tasks.is_empty() || tasks.contains(name));
    let mut at_present = None;
    wanted
        .map(|(index, task)| {
            let stage = fine_tuned.get(&task).map(|one| one.stage.clone());
            if at_present.as_ref().is_none_or(|(before, _)| *before != stage) {
                let epoch = load(&net, run, seed, stage.as_deref())?;
                at_present = Some((stage, epoch));
            }
            let epoch = at_present.as_ref().map_or(0, |(_, epoch)| *epoch);
            let mut metadata = metadata(manifest, &net, model, index, seed, epoch);
            if let Some(how) = reads_logits(experiment, &specs[index]) {
                metadata.insert("probabilities".to_owned(), how.to_owned());
            }
            if let Some((Some(stage), _)) = &at_present {
                metadata.insert("phase".to_owned(), stage.clone());
            }
            let bytes = weights::to_bytes(&published::export(&net, index)?, &metadata)?;
            Ok(ExportedWeights { task, model, epoch, bytes })
        })
        .collect()
}

/// The network that validation chose for some tasks, of one seed, with all tasks of the run, and the epochs that it was trained for. On
/// the CPU.
///
/// # Errors
/// [`TrainError::NotInRun`] for a seed that the run does not have; [`TrainError::NotOneNetwork`] for tasks that different networks
/// predict; [`TrainError::OtherProbabilities`] for those whose probabilities are not the softmax of the outputs; what the checkpoint says.
pub fn best_network(
    run: &RunLayout,
    manifest: &Manifest,
    experiment: &Experiment,
    seed: u64,
    tasks: &[&str],
) -> Result<(MultiTaskNet, usize), TrainError> {
    check_seed(manifest, seed)?;
    let specs: Vec<_> = manifest.data.iter().map(|data| data.task.clone()).collect();
    for spec in specs.iter().filter(|spec| tasks.contains(&spec.name.as_str())) {
        if reads_logits(experiment, spec).is_some() {
            let loss = experiment.loss.of(&spec.name).name();
            return Err(TrainError::OtherProbabilities { task: spec.name.clone(), loss });
        }
    }
    let fine_tuned = fine_tuned(run, manifest, seed)?;
    let stages: BTreeSet<Option<&str>> =
        tasks.iter().map(|task| fine_tuned.get(*task).map(|one| one.stage.as_str())).collect();
    if stages.len() > 1 {
        return Err(TrainError::NotOneNetwork { tasks: fine_tuned.into_keys().collect::<Vec<_>>().join(", ") });
    }
    let net = build_network(experiment, &specs, seed, ComputePlan::default())?;
    let epoch = load(&net, run, seed, stages.into_iter().next().flatten())?;
    Ok((net, epoch))
}

fn check_seed(manifest: &Manifest, seed: u64) -> Result<(), TrainError> {
    if manifest.seeds.contains(&seed) {
        return Ok(());
    }
    Err(not_in_run("seed", seed.to_string(), manifest.seeds.iter().map(u64::to_string)))
}

/// How probabilities of a task follow from outputs, if not by softmax or sigmoid.
fn reads_logits(experiment: &Experiment, task: &TaskSpec) -> Option<&'static str> {
    experiment.loss.of(&task.name).choice.reads_logits().filter(|_| task.kind != TaskKind::MultiLabel)
}

/// The tasks whose best network is one of a later phase.
fn fine_tuned(run: &RunLayout, manifest: &Manifest, seed: u64) -> Result<BTreeMap<String, FineTuned>, TrainError> {
    let results = read_results(run, manifest).map_err(TrainError::Results)?;
    let of_seed = results.and_then(|results| results.seeds.into_iter().find(|result| result.seed == seed));
    Ok(of_seed.map(|result| result.fine_tuned).unwrap_or_default())
}

/// Loads the best network of a stage, and says after how many epochs it was.
fn load(net: &MultiTaskNet, run: &RunLayout, seed: u64, stage: Option<&str>) -> Result<usize, TrainError> {
    let tensors = net.parameters().into_iter().chain(net.buffers()).collect();
    let checkpoints = CheckpointFolder::of_stage(run, seed, stage);
    let groups = [("model", tensors)];
    let load =
        || checkpoints.load_best(checkpoints.newest().and_then(|last| last.best).map(|best| best.epoch), &groups);
    // While the run goes on, a better one may take its place between listing and reading.
    let progress = load().or_else(|_| load())?;
    Ok(progress.epoch)
}

fn not_in_run(what: &'static str, name: String, known: impl Iterator<Item = String>) -> TrainError {
    TrainError::NotInRun { what, name, known: known.collect::<Vec<_>>().join(", ") }
}

fn metadata(
    manifest: &Manifest,
    net: &MultiTaskNet,
    model: Option<&str>,
    task: usize,
    seed: u64,
    epoch: usize,
) -> BTreeMap<String, String> {
    let spec = &manifest.data[task].task;
    let json = |values: serde_json::Value| values.to_string();
    let backbone = serde_json::to_value(&net.config().config().backbone).unwrap_or_default();
    let mut metadata = BTreeMap::from([
        // Readers of transformers refuse files that do not say so.
        ("format".to_owned(), "pt".to_owned()),
        ("task".to_owned(), spec.name.clone()),
        ("classes".to_owned(), json(spec.classes.clone().into())),
        ("backbone".to_owned(), json(backbone)),
        ("input_size".to_owned(), net.input_size().to_string()),
        ("run".to_owned(), manifest.run.clone()),
        ("seed".to_owned(), seed.to_string()),
        ("epoch".to_owned(), epoch.to_string()),
        ("medley".to_owned(), manifest.environment.medley.clone()),
        ("notice".to_owned(), "Not for clinical use.".to_owned()),
    ]);
    if net.input_size() != net.options().input_size {
        let size = net.options().input_size;
        let resized = format!("from {size}, after normalisation, bilinear (trilinear) with align_corners=False");
        metadata.insert("resized".to_owned(), resized);
    }
    if let Some(statistics) = manifest.normalisation.get(&spec.name) {
        // Grey images are replicated: the network sees three channels of one.
        let three = |values: &[f32]| if let [one] = values { vec![*one; 3] } else { values.to_vec() };
        metadata.insert("mean".to_owned(), json(three(&statistics.mean).into()));
        metadata.insert("std".to_owned(), json(three(&statistics.std).into()));
    }
    metadata.extend(model.map(|model| ("model".to_owned(), model.to_owned())));
    if manifest.is_synthetic() {
        metadata.insert("synthetic".to_owned(), "trained on synthetic images".to_owned());
    }
    metadata
}
