use std::path::Path;
use std::process::ExitCode;

use medley_core::RunLayout;
use medley_core::record::Manifest;
use medley_data::Registry;
use medley_train::config::{Experiment, RawExperiment, document};
use medley_train::parent::ParentError;

use medley_cli::args::{ConfigArguments, ConfigSubcommand};
use medley_cli::failure::Usage;
use medley_cli::output;

pub(crate) fn run(arguments: &ConfigArguments) -> anyhow::Result<ExitCode> {
    match &arguments.subcommand {
        ConfigSubcommand::Show { config, set, data, json } => {
            let (experiment, text) = read(config, set, &data.data)?;
            for warning in experiment.warnings() {
                output::note(&format!("warning: {warning}"));
            }
            if *json { output::json(&*experiment)? } else { output::document(text.trim_end())? }
        }
        ConfigSubcommand::Keys { prefix, json } => {
            let keys = document::keys(prefix.as_deref().unwrap_or_default());
            if keys.is_empty() {
                let prefix = prefix.as_deref().unwrap_or_default();
                return Err(
                    Usage(format!("no key starts with {prefix:?}; `medley config keys` prints all keys")).into()
                );
            }
            if *json { output::json(&keys)? } else { output::line(document::text(&keys).trim_end())? }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads and checks a config. Tasks are published sets, or a user's own whose entries lie in the data folder.
pub(crate) fn read(path: &Path, set: &[String], folder: &Path) -> anyhow::Result<(Experiment, String)> {
    let experiment = Experiment::load(path, set, &Registry::of_folder(folder)?)?;
    // Every key, defaults too, so that a run folder says all.
    let text = experiment.to_toml();
    Ok((experiment, text))
}

/// The experiment of a finished run with more epochs.
pub(crate) fn longer(finished: &Experiment, epochs: usize, folder: &Path, run: &Path) -> anyhow::Result<Experiment> {
    if epochs <= finished.train.epochs {
        let (run, finished) = (run.to_owned(), finished.train.epochs);
        return Err(ParentError::NotLonger { run, finished, wanted: epochs }.into());
    }
    changed(finished, folder, |raw| {
        // It was for fewer epochs.
        raw.train.budget = None;
        raw.train.epochs = epochs;
    })
}

/// An experiment with some keys changed, checked anew.
pub(crate) fn changed(
    experiment: &Experiment,
    folder: &Path,
    change: impl FnOnce(&mut RawExperiment),
) -> anyhow::Result<Experiment> {
    let mut raw = RawExperiment::clone(experiment);
    change(&mut raw);
    Ok(raw.check(&Registry::of_folder(folder)?)?)
}

/// Reads the config of a run folder with this manifest.
pub(crate) fn read_recorded(layout: &RunLayout, manifest: &Manifest, folder: &Path) -> anyhow::Result<Experiment> {
    let begun_by = &manifest.environment.medley;
    Ok(Experiment::load_recorded(&layout.config(), begun_by, &Registry::of_folder(folder)?)?)
}
