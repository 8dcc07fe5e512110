//! `medley models export`.

mod onnx;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use medley_core::RunLayout;
use medley_predictions::record::read_manifest;
use medley_storage::{ConfinedFolder, ConfinedFs, RealFs, StorageError, write_new};
use medley_train::export::{self, ExportedWeights};
use serde::Serialize;

use medley_cli::args::models::ExportArguments;
use medley_cli::data_folder;

use crate::commands::config;

pub(crate) use onnx::ONNX_OPTIONS;

use medley_cli::output;

/// What was written, for scripts.
#[derive(Serialize)]
struct Written {
    task: String,
    seed: u64,
    epoch: usize,
    model: Option<&'static str>,
    path: PathBuf,
    bytes: usize,
}

pub(crate) fn run(arguments: &ExportArguments) -> anyhow::Result<()> {
    let models = onnx::are_wanted(arguments)?;
    let layout = RunLayout::new(&arguments.run);
    let manifest = read_manifest(&layout)?;
    let data = data_folder::of_run(&arguments.run, Some(&manifest), &arguments.data);
    let experiment = config::read_recorded(&layout, &manifest, &data)?;
    let seed = arguments.seed.unwrap_or_else(|| export::best_seed(&layout, &manifest));
    let folder = arguments.out.clone().unwrap_or_else(|| arguments.run.join("weights"));
    if models {
        return onnx::run(arguments, (&layout, &data), &manifest, &experiment, seed, &folder);
    }
    let exported = export::export(&layout, &manifest, &experiment, seed, &arguments.task)?;
    // The folder of the run is not left through a link; one that was named may be reached through any.
    let confined = ConfinedFolder::new(arguments.out.as_ref().unwrap_or(&arguments.run));
    confined.create_folder(&folder)?;
    let written = write(&confined, &folder, seed, exported)?;
    if arguments.json {
        return output::json(&written);
    }
    for file in &written {
        output::line(&format!("{} ({})", file.path.display(), output::bytes(file.bytes as u64)))?;
    }
    let model = written.first().and_then(|file| file.model);
    let loader =
        model.map_or("a network of the same form, which is in the metadata".to_owned(), |model| format!("`{model}`"));
    output::line(&format!(
        "\nfor {loader}: see \"In PyTorch\" in crates/medley-models/README.md. Not for clinical use."
    ))
}

/// Nothing is overwritten; the same bytes may be there already. If others are, nothing is written at all.
fn write(
    confined: &ConfinedFolder,
    folder: &Path,
    seed: u64,
    exported: Vec<ExportedWeights>,
) -> anyhow::Result<Vec<Written>> {
    let mut files = Vec::new();
    let mut written = Vec::new();
    for ExportedWeights { task, model, epoch, bytes } in exported {
        let path = folder.join(format!("{task}-seed{seed}.safetensors"));
        written.push(Written { task, seed, epoch, model, bytes: bytes.len(), path: path.clone() });
        files.push((path, bytes));
    }
    write_all(confined, files, "weights")?;
    Ok(written)
}

/// Writes the files that are not there with the same bytes.
fn write_all(confined: &ConfinedFolder, files: Vec<(PathBuf, Vec<u8>)>, what: &str) -> anyhow::Result<()> {
    let storage = ConfinedFs::new(confined.clone(), RealFs);
    let mut missing = Vec::new();
    for (path, bytes) in files {
        if path.symlink_metadata().is_err() {
            missing.push((path, bytes));
        } else if confined.read_file(&path, bytes.len() as u64).ok().as_ref() != Some(&bytes) {
            return Err(StorageError::Exists { path }).with_context(|| {
                format!("other {what} are there, perhaps of an earlier epoch; choose another folder with --out")
            });
        }
    }
    for (path, bytes) in missing {
        write_new(&storage, &path, &bytes)?;
    }
    Ok(())
}
