//! `medley models export --format onnx`.

use std::path::{Path, PathBuf};

use medley_core::RunLayout;
use medley_core::record::Manifest;
use medley_models::onnx::Pixels;
use medley_storage::ConfinedFolder;
use medley_train::config::Experiment;
use medley_train::export::onnx::{ExportedModel, Options, export};
use serde::Serialize;

use medley_cli::args::models::{ExportArguments, ExportFormat, OnnxArguments};
use medley_cli::failure::Usage;
use medley_cli::output;

use super::write_all;

/// What was written, for scripts.
#[derive(Serialize)]
struct Written {
    tasks: Vec<String>,
    outputs: Vec<String>,
    seed: u64,
    epoch: usize,
    path: PathBuf,
    bytes: usize,
}

pub(crate) const ONNX_OPTIONS: &str = "--pixels, --logits, --half, --batch and --together";

/// Whether models are to be written, or weights. Options of the other are a mistake.
pub(super) fn are_wanted(arguments: &ExportArguments) -> Result<bool, Usage> {
    options(&arguments.onnx)?;
    match arguments.format {
        Some(ExportFormat::Onnx) => Ok(true),
        Some(ExportFormat::Fp32 | ExportFormat::Bf16 | ExportFormat::Fp16) => {
            Err(Usage("formats fp32, bf16 and fp16 are for packages; add --to DIR".to_owned()))
        }
        None | Some(ExportFormat::Safetensors) if arguments.onnx == OnnxArguments::default() => Ok(false),
        None | Some(ExportFormat::Safetensors) => {
            Err(Usage(format!("{ONNX_OPTIONS} are for models; add --format onnx")))
        }
    }
}

fn options(arguments: &OnnxArguments) -> Result<Options, Usage> {
    let OnnxArguments { pixels, logits, half, batch, together } = arguments;
    let pixels: Option<Pixels> = crate::commands::models::word("--pixels", pixels.as_deref())?;
    Ok(Options {
        pixels: pixels.unwrap_or_default(),
        logits: *logits,
        half: *half,
        batch: batch.map(|images| images as usize),
        together: *together,
    })
}

pub(super) fn run(
    arguments: &ExportArguments,
    (layout, data): (&RunLayout, &Path),
    manifest: &Manifest,
    experiment: &Experiment,
    seed: u64,
    folder: &Path,
) -> anyhow::Result<()> {
    let exported = export((layout, data), manifest, experiment, seed, &arguments.task, options(&arguments.onnx)?)?;
    let confined = ConfinedFolder::new(arguments.out.as_ref().unwrap_or(&arguments.run));
    confined.create_folder(folder)?;
    let mut files = Vec::new();
    let mut written = Vec::new();
    for ExportedModel { tasks, outputs, epoch, bytes } in exported {
        let name = if arguments.onnx.together { "tasks" } else { tasks.first().map_or("tasks", String::as_str) };
        let path = folder.join(format!("{name}-seed{seed}.onnx"));
        written.push(Written { tasks, outputs, seed, epoch, bytes: bytes.len(), path: path.clone() });
        files.push((path, bytes));
    }
    write_all(&confined, files, "models")?;
    if arguments.json {
        return output::json(&written);
    }
    for file in &written {
        let outputs = file.outputs.join(", ");
        output::line(&format!("{} ({}): {outputs}", file.path.display(), output::bytes(file.bytes as u64)))?;
    }
    output::line("\nfor onnxruntime and others: see \"ONNX\" in crates/medley-models/README.md. Not for clinical use.")
}
