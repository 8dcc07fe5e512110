//! A network to be used, be it in a run folder or in a package.

use std::path::Path;

use medley_cli::args::RunDataFolder;
use medley_cli::data_folder;
use medley_cli::failure::Usage;
use medley_core::RunLayout;
use medley_package::NumberFormat;
use medley_predict::{Bundle, Ensemble, MODEL, PredictError, Predictor, RunSource, TaskChoice, ensemble_folder};
use medley_predictions::record::read_manifest;

/// Which network is meant.
pub(crate) struct Source<'a> {
    /// Run folder or package.
    pub(crate) model: &'a Path,
    /// The only task that is needed; all, where none is named.
    pub(crate) task: Option<&'a str>,
    /// Seed of a run; the first, where none is named.
    pub(crate) seed: Option<u64>,
    /// Where the data of a run lie.
    pub(crate) data: &'a RunDataFolder,
}

/// Reads it.
pub(crate) fn open(source: &Source<'_>) -> anyhow::Result<Predictor> {
    let folder = source.model;
    if let Some(folder) = ensemble_folder(folder) {
        if source.seed.is_some() {
            return Err(Usage("--seed is for run folders; an ensemble averages its networks".to_owned()).into());
        }
        return Ok(Predictor::Mean(Box::new(Ensemble::read(&folder)?)));
    }
    if folder.join(MODEL).symlink_metadata().is_ok() {
        if source.seed.is_some() {
            return Err(Usage("--seed is for run folders; a package has one network".to_owned()).into());
        }
        return Ok(Predictor::One(Box::new(Bundle::read(folder)?)));
    }
    let layout = RunLayout::new(folder);
    if layout.manifest().symlink_metadata().is_err() {
        return Err(PredictError::Neither { path: folder.to_owned() }.into());
    }
    let manifest = read_manifest(&layout)?;
    let data_folder = &data_folder::of_run(folder, Some(&manifest), source.data);
    // A network of all tasks is not needed for one.
    let choice = match source.task {
        Some(task) if manifest.data.len() > 1 => TaskChoice::One(task.to_owned()),
        _ => TaskChoice::All,
    };
    let source = RunSource { run: folder, data_folder, seed: source.seed, format: NumberFormat::Fp32 };
    Ok(Predictor::One(Box::new(Bundle::of_run(&source, &choice)?)))
}
