//! From a run folder to ONNX models, with what a user of one must know in their metadata.
//!
//! | key | |
//! |---|---|
//! | `outputs` | JSON: for each output its name, task, title, kind, classes in order, mean and deviation; of the data the SHA-256 of the file, the release and the licence; and `known_answer`, what Medley answers for the known image, whatever the precision of the model |
//! | `known_image` | how to compute the known image |
//! | `pixels` | what the input is: `bytes`, `unit` or `normalised` |
//! | `channels`, `image_size`, `input_size` | of the input, its sides, and the sides that the network sees after resizing |
//! | `backbone`, `precision` | the network, and `float32` or `float16` |
//! | `run`, `seed`, `epoch`, `config_sha256`, `medley` | where it comes from |
//! | `notice` | what it is not for |
//! | `synthetic` | only if it was trained on synthetic images |

use std::collections::BTreeMap;
use std::path::Path;

use medley_core::RunLayout;
use medley_core::record::{DataRecord, Manifest};
use medley_data::registry::Registry;
use medley_models::MultiTaskNet;
use medley_models::onnx::{self, Answer, Export, Pixels, TaskExport};
use medley_onnx::Information;
use serde_json::json;

use super::{best_network, not_in_run};
use crate::TrainError;
use crate::config::Experiment;

/// What is open about a model of a run. The default is what most want: bytes in, probabilities out, a file per task.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// What the model is given.
    pub pixels: Pixels,
    /// Logits rather than probabilities.
    pub logits: bool,
    /// Whether the trunk computes with 16-bit floats.
    pub half: bool,
    /// The number of images in a batch; left out, any.
    pub batch: Option<usize>,
    /// All tasks as outputs of one file.
    pub together: bool,
}

/// One model.
#[derive(Debug, Clone)]
pub struct ExportedModel {
    /// Its tasks, in the order of its outputs.
    pub tasks: Vec<String>,
    /// Names of its outputs.
    pub outputs: Vec<String>,
    /// Epochs that the network was trained for.
    pub epoch: usize,
    /// An ONNX file.
    pub bytes: Vec<u8>,
}

/// The best network of one seed as ONNX, one model for each of `tasks` (all, if there are none), or one for all of them. It needs the
/// run folder alone, whose manifest and experiment are given, and a user's entry in the data folder, if it is there, for the licence. The
/// known answers in it are computed here: they may differ in the last digits between processors.
///
/// # Errors
/// [`TrainError::NotInRun`] for a seed or task that the run does not have; what [`best_network`] and
/// [`medley_models::onnx::export`] say.
pub fn export(
    (run, data): (&RunLayout, &Path),
    manifest: &Manifest,
    experiment: &Experiment,
    seed: u64,
    tasks: &[String],
    options: Options,
) -> Result<Vec<ExportedModel>, TrainError> {
    let names = || manifest.data.iter().map(|data| data.task.name.clone());
    if let Some(unknown) = tasks.iter().find(|&task| names().all(|name| name != *task)) {
        return Err(not_in_run("task", unknown.clone(), names()));
    }
    let wanted = names().enumerate().filter(|(_, name)| tasks.is_empty() || tasks.contains(name));
    let wanted: Vec<usize> = wanted.map(|(index, _)| index).collect();
    let groups: Vec<&[usize]> = if options.together { vec![&wanted] } else { wanted.chunks(1).collect() };
    let group = |tasks: &[usize]| {
        let names: Vec<&str> = tasks.iter().map(|&task| manifest.data[task].task.name.as_str()).collect();
        let (net, epoch) = best_network(run, manifest, experiment, seed, &names)?;
        model((manifest, data), &net, (seed, epoch), tasks, options)
    };
    groups.into_iter().map(group).collect()
}

fn model(
    (manifest, data): (&Manifest, &Path),
    net: &MultiTaskNet,
    (seed, epoch): (u64, usize),
    tasks: &[usize],
    options: Options,
) -> Result<ExportedModel, TrainError> {
    let outputs: Vec<TaskExport> = tasks
        .iter()
        .map(|&task| {
            let spec = &manifest.data[task].task;
            let answer = if options.logits { Answer::Logits } else { Answer::probabilities(spec.kind) };
            TaskExport { task, answer, normalisation: manifest.normalisation.get(&spec.name).cloned() }
        })
        .collect();
    // Grey pictures are given as they are, unless colours are asked for beside them.
    let grey = tasks.iter().all(|&task| manifest.data[task].task.shape.channels == 1);
    let channels = if grey { 1 } else { net.options().input_channels };
    let Options { pixels, half, batch, .. } = options;
    let wanted = Export { tasks: outputs, pixels, channels, half, batch };
    let information = information((manifest, data), net, (seed, epoch), &wanted)?;
    let spec = |output: &TaskExport| &manifest.data[output.task].task;
    Ok(ExportedModel {
        tasks: wanted.tasks.iter().map(|output| spec(output).name.clone()).collect(),
        outputs: wanted.tasks.iter().map(|output| output_name(manifest, output)).collect(),
        epoch,
        bytes: onnx::export(net, &wanted, &information)?,
    })
}

fn output_name(manifest: &Manifest, output: &TaskExport) -> String {
    format!("{}_{}", manifest.data[output.task].task.name, output.answer.name())
}

/// The licence of a set, as far as it is known here.
fn licence(folder: &Path, data: &DataRecord) -> String {
    Registry::find_in(folder, &data.task.name).map_or_else(|_| "not stated".to_owned(), |entry| entry.licence)
}

fn information(
    (manifest, folder): (&Manifest, &Path),
    net: &MultiTaskNet,
    (seed, epoch): (u64, usize),
    wanted: &Export,
) -> Result<Information, TrainError> {
    const NOTICE: &str = "Not for clinical use.";
    let known_answers = onnx::known_answers(net, wanted)?;
    let outputs: Vec<_> = wanted
        .tasks
        .iter()
        .zip(known_answers)
        .map(|(output, known_answer)| {
            let data = &manifest.data[output.task];
            let normalisation = output.normalisation.as_ref();
            json!({
                "name": output_name(manifest, output),
                "task": data.task.name,
                "title": data.task.title,
                "kind": data.task.kind,
                "classes": data.task.classes,
                "mean": normalisation.map(|statistics| &statistics.mean),
                "std": normalisation.map(|statistics| &statistics.std),
                "data_sha256": data.sha256,
                "data_release": data.release,
                "licence": licence(folder, data),
                "known_answer": known_answer,
            })
        })
        .collect();
    let backbone = serde_json::to_value(&net.config().config().backbone).unwrap_or_default();
    let mut metadata = BTreeMap::from([
        ("outputs", json!(outputs).to_string()),
        ("known_image", onnx::known_image_rule(wanted.pixels)),
        ("pixels", wanted.pixels.name().to_owned()),
        ("channels", wanted.channels.to_string()),
        ("image_size", net.options().input_size.to_string()),
        ("input_size", net.input_size().to_string()),
        ("backbone", backbone.to_string()),
        ("precision", if wanted.half { "float16" } else { "float32" }.to_owned()),
        ("run", manifest.run.clone()),
        ("seed", seed.to_string()),
        ("epoch", epoch.to_string()),
        ("config_sha256", manifest.config_sha256.clone()),
        ("medley", manifest.environment.medley.clone()),
        ("notice", NOTICE.to_owned()),
    ]);
    if manifest.is_synthetic() {
        metadata.insert("synthetic", "trained on synthetic images".to_owned());
    }
    let names: Vec<String> = wanted.tasks.iter().map(|output| manifest.data[output.task].task.name.clone()).collect();
    let doc = format!("{} of run {}, seed {seed}. {NOTICE}", names.join(", "), manifest.run);
    Ok(Information {
        producer: ("medley".to_owned(), manifest.environment.medley.clone()),
        doc,
        metadata: metadata.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
    })
}
