//! From a run folder to the weights of one task as a plain network, under published names.
//!
//! The file says in its metadata what a user of it must know: the classes in order, what pixels are normalised by, and which
//! network loads it.

pub mod onnx;

use std::collections::BTreeMap;

use medley_core::RunLayout;
use medley_core::record::Manifest;
use medley_models::{ComputePlan, MultiTaskNet, published, weights};

use crate::TrainError;
use crate::checkpoint::CheckpointFolder;
use crate::config::Experiment;
use crate::engine::build_network;

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
    let names = || manifest.data.iter().map(|data| data.task.name.clone());
    if let Some(unknown) = tasks.iter().find(|&task| names().all(|name| name != *task)) {
        return Err(not_in_run("task", unknown.clone(), names()));
    }
    let (net, epoch) = best_network(run, manifest, experiment, seed)?;
    let model = net.config().backbone().published_model(&experiment.net.backbone, net.input_size());
    let wanted = names().enumerate().filter(|(_, name)| tasks.is_empty() || tasks.contains(name));
    wanted
        .map(|(index, task)| {
            let metadata = metadata(manifest, &net, model, index, seed, epoch);
            Ok(ExportedWeights {
                task,
                model,
                epoch,
                bytes: weights::to_bytes(&published::export(&net, index)?, &metadata)?,
            })
        })
        .collect()
}

/// The network that validation chose, of one seed, with all tasks of the run, and the epochs that it was trained for. On the CPU.
///
/// # Errors
/// [`TrainError::NotInRun`] for a seed that the run does not have; what the checkpoint says.
pub fn best_network(
    run: &RunLayout,
    manifest: &Manifest,
    experiment: &Experiment,
    seed: u64,
) -> Result<(MultiTaskNet, usize), TrainError> {
    if !manifest.seeds.contains(&seed) {
        return Err(not_in_run("seed", seed.to_string(), manifest.seeds.iter().map(u64::to_string)));
    }
    let specs: Vec<_> = manifest.data.iter().map(|data| data.task.clone()).collect();
    let net = build_network(experiment, &specs, seed, ComputePlan::default())?;
    let state = net.parameters().into_iter().chain(net.buffers()).collect();
    let checkpoints = CheckpointFolder::new(run, seed);
    let groups = [("model", state)];
    let load =
        || checkpoints.load_best(checkpoints.newest().and_then(|last| last.best).map(|best| best.epoch), &groups);
    // While the run goes on, a better one may take its place between listing and reading.
    let progress = load().or_else(|_| load())?;
    Ok((net, progress.epoch))
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
