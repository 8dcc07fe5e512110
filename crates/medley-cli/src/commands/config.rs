use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use medley_data::Registry;
use medley_train::config::{Experiment, RawExperiment, load};

use crate::args::{ConfigArguments, ConfigVerb};
use crate::output;

pub(crate) fn run(arguments: &ConfigArguments) -> anyhow::Result<ExitCode> {
    match &arguments.verb {
        ConfigVerb::Show { config, set, data, json } => {
            let (experiment, text) = read(config, set, &data.data)?;
            if *json { output::json(&*experiment)? } else { output::line(text.trim_end())? }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads, checks and renders a config. Tasks are published sets, or a user's own whose entries lie in the data folder. The text holds every key, defaults too, so that a run folder says all.
pub(crate) fn read(path: &Path, set: &[String], folder: &Path) -> anyhow::Result<(Experiment, String)> {
    let loaded = load::load::<RawExperiment>(path, set)?;
    let registry = Registry::of_folder(folder)?;
    let experiment = loaded.value.check(&registry).with_context(|| format!("config `{}`", path.display()))?;
    let table = toml::Table::try_from::<&RawExperiment>(&experiment).context("rendering the config")?;
    Ok((experiment, load::render(&table)))
}
