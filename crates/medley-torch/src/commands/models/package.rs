//! `medley models export --to` and `medley models verify`.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use medley_core::RunLayout;
use medley_core::text::plural;
use medley_package::{NOTICE, NumberFormat};
use medley_predict::{Bundle, ComputeOptions, Ensemble, RunSource, TaskChoice, calibrate};
use medley_predictions::record::read_manifest;
use medley_storage::{RealFs, StorageError, create_folder};
use serde::Serialize;

use medley_cli::args::models::{ExportArguments, ExportFormat, OnnxArguments, VerifyArguments};
use medley_cli::failure::Usage;
use medley_cli::{data_folder, output};

use crate::commands::bundle::{self, Found};

/// What was written, for scripts.
#[derive(Serialize)]
struct Written {
    name: String,
    path: PathBuf,
    tasks: Vec<String>,
    bytes: u64,
    calibrated: bool,
}

pub(crate) fn export(arguments: &ExportArguments, folder: &Path) -> anyhow::Result<()> {
    let format = numbers(arguments)?;
    let manifest = read_manifest(&RunLayout::new(&arguments.run))?;
    let data = data_folder::of_run(&arguments.run, Some(&manifest), &arguments.data);
    let source = RunSource { run: &arguments.run, data_folder: &data, seed: arguments.seed, format };
    let all = manifest.data.iter().map(|data| data.task.name.clone());
    let choices: Vec<(TaskChoice, PathBuf)> = if arguments.all_tasks {
        vec![(TaskChoice::All, folder.to_owned())]
    } else {
        let tasks = if arguments.task.is_empty() { all.collect() } else { arguments.task.clone() };
        tasks.into_iter().map(|task| (TaskChoice::One(task.clone()), folder.join(task))).collect()
    };
    if arguments.name.is_some() && choices.len() > 1 {
        return Err(Usage(format!(
            "--name is for one package, and these are {}: choose one with --task",
            choices.len()
        ))
        .into());
    }
    // What is in the way is said before anything is computed.
    if let Some((_, path)) = choices.iter().find(|(_, path)| path.symlink_metadata().is_ok()) {
        return Err(StorageError::Exists { path: path.clone() }.into());
    }
    let mut bundles = Vec::new();
    for (choice, path) in choices {
        let bundle = Bundle::of_run(&source, &choice)?;
        let bundle = arguments.name.as_deref().map_or_else(|| Ok(bundle.clone()), |name| bundle.clone().named(name))?;
        let bundle = if arguments.no_calibration { bundle } else { calibrate(bundle, &source, &RealFs)? };
        bundles.push((bundle, path));
    }
    let mut written = Vec::new();
    for (bundle, path) in bundles {
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            create_folder(parent)?;
        }
        bundle.write(&RealFs, &path)?;
        let package = bundle.package();
        written.push(Written {
            name: package.name().to_owned(),
            tasks: package.models().iter().map(|model| model.task().name.clone()).collect(),
            bytes: package.weights().bytes,
            calibrated: !arguments.no_calibration,
            path,
        });
    }
    if arguments.json {
        return output::json(&written);
    }
    for package in &written {
        let (path, bytes) = (package.path.display(), output::bytes(package.bytes));
        output::line(&format!("{path}: {} ({bytes})", package.tasks.join(", ")))?;
    }
    let first = written.first().map(|package| package.path.display().to_string()).unwrap_or_default();
    output::line(&format!("\n`medley predict PICTURE --model {first}` uses it. {NOTICE}."))
}

/// The numbers of a package; what is for files alone is a mistake.
fn numbers(arguments: &ExportArguments) -> Result<NumberFormat, Usage> {
    if arguments.onnx != OnnxArguments::default() {
        return Err(Usage(format!("{} are for models; replace --to by --format onnx", super::export::ONNX_OPTIONS)));
    }
    match arguments.format {
        None | Some(ExportFormat::Fp32) => Ok(NumberFormat::Fp32),
        Some(ExportFormat::Bf16) => Ok(NumberFormat::Bf16),
        Some(ExportFormat::Fp16) => Ok(NumberFormat::Fp16),
        Some(ExportFormat::Safetensors | ExportFormat::Onnx) => Err(Usage(
            "a package is of format fp32, bf16 or fp16; for safetensors or onnx, replace --to by --out".to_owned(),
        )),
    }
}

/// What was found, for scripts.
#[derive(Serialize)]
struct Report<'a> {
    name: &'a str,
    tasks: Vec<&'a str>,
    tensors: usize,
    /// Of a probability of the test image, now and when the package was made.
    largest_difference: Option<f32>,
}

pub(crate) fn verify(arguments: &VerifyArguments) -> anyhow::Result<()> {
    let bundle = match bundle::find(&arguments.package)? {
        Found::Ensemble(folder) => return verify_ensemble(&Ensemble::read(&folder)?, arguments.json),
        Found::BuiltIn(model) => bundle::of_program(model)?,
        Found::Run | Found::Package => Bundle::read(&arguments.package)?,
    };
    let verified = bundle.verify(ComputeOptions::default())?;
    let package = bundle.package();
    let tasks: Vec<&str> = package.models().iter().map(|model| model.task().name.as_str()).collect();
    if arguments.json {
        let (tensors, largest_difference) = (verified.tensors, verified.difference);
        return output::json(&Report { name: package.name(), tasks, tensors, largest_difference });
    }
    output::line(&format!("{}: {}", package.name(), tasks.join(", ")))?;
    output::line(&format!("  {} tensors, as model.toml says, all finite", verified.tensors))?;
    output::line(&match verified.difference {
        Some(0.0) => "  the test image gets the bits that it got when the package was made".to_owned(),
        Some(most) => format!("  the test image gets the probabilities that it got then, to {most:.1e}"),
        None => "  the package does not say what the test image got".to_owned(),
    })
}

/// Each member of an ensemble by itself.
fn verify_ensemble(ensemble: &Ensemble, json: bool) -> anyhow::Result<()> {
    let mut reports = Vec::new();
    for (bundle, folder) in ensemble.members() {
        let verified = bundle.verify(ComputeOptions::default()).with_context(|| format!("member `{folder}`"))?;
        let package = bundle.package();
        let tasks = package.models().iter().map(|model| model.task().name.as_str()).collect();
        let (tensors, largest_difference) = (verified.tensors, verified.difference);
        reports.push(Report { name: folder, tasks, tensors, largest_difference });
    }
    if json {
        return output::json(&reports);
    }
    let most = reports.iter().filter_map(|report| report.largest_difference).fold(0.0, f32::max);
    output::line(&format!("an ensemble of {}, each as its model.toml says", plural(reports.len(), "network")))?;
    output::line(&format!("  test images get the probabilities that they got then, to {most:.1e}"))
}
