//! `medley data`: one file per verb.

mod audit;
mod clean;
mod datasheet;
mod fetch;
mod fetch_progress;
mod info;
mod list;
mod stats;
mod synth;
mod verify;

use std::path::Path;
use std::process::ExitCode;

use medley_core::COMPETITION_TASKS;
use medley_data::inspect::verify;
use medley_data::{DataError, Entry, OpenOptions, OpenedFile, Registry, open_file, open_task};

use crate::args::data::{DataArguments, DataVerb};

pub(crate) fn run(arguments: &DataArguments) -> anyhow::Result<ExitCode> {
    match &arguments.verb {
        DataVerb::List { data, json } => list::run(&data.data, *json),
        DataVerb::Info(arguments) => info::run(arguments),
        DataVerb::Stats(arguments) => stats::run(arguments),
        DataVerb::Audit(arguments) => audit::run(arguments),
        DataVerb::Clean(arguments) => clean::run(arguments),
        DataVerb::Verify { files, data, json } => verify::run(files, &data.data, *json),
        DataVerb::Fetch(arguments) => fetch::run(arguments),
        DataVerb::Synth(arguments) => synth::run(arguments),
        DataVerb::Datasheet(arguments) => datasheet::run(arguments),
    }
}

/// An error and its cause, in one line.
fn describe(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

/// Opens what a person names: a set in the data folder, `pathmnist` or `pathmnist_64`, or a file, whatever it is called.
fn open_named(named: &Path, folder: &Path, options: &OpenOptions) -> anyhow::Result<OpenedFile> {
    let registry = Registry::builtin();
    let text = named.to_string_lossy();
    if named.extension().is_some_and(|extension| extension == "npz") {
        if registry.by_file_name(&named.file_name().unwrap_or_default().to_string_lossy()).is_some() {
            return Ok(medley_data::open_path(named, options)?);
        }
        let record = verify(named, options)?.record;
        let entry = registry.get(&record.task.name).ok_or_else(|| unknown(&record.task.name))?;
        return Ok(open_file(named, entry, record.task.shape.height, options)?);
    }
    match registry.by_file_name(&format!("{text}.npz")) {
        Some((entry, size)) => Ok(open_task(folder, &entry.name, size, options)?),
        None => Err(unknown(&text).into()),
    }
}

fn unknown(name: &str) -> DataError {
    DataError::UnknownSet { name: name.to_owned(), suggestion: Registry::builtin().suggest(name).map(str::to_owned) }
}

/// The sets that names stand for, each once.
fn wanted(names: &[String]) -> anyhow::Result<Vec<&'static Entry>> {
    let registry = Registry::builtin();
    let mut entries: Vec<&'static Entry> = Vec::new();
    for name in names {
        if name == "competition" {
            entries.extend(COMPETITION_TASKS.iter().filter_map(|task| registry.get(task)));
            continue;
        }
        entries.push(registry.get(name).ok_or_else(|| unknown(name))?);
    }
    let mut seen = std::collections::BTreeSet::new();
    entries.retain(|entry| seen.insert(entry.name.as_str()));
    Ok(entries)
}
