//! `medley data`: one file per verb.

mod audit;
mod clean;
mod datasheet;
mod export;
mod fetch;
mod fetch_progress;
mod import;
mod info;
mod list;
mod montage;
mod stats;
mod synth;
mod verify;

use std::process::ExitCode;

use medley_core::COMPETITION_TASKS;
use medley_data::{Entry, Registry};

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
        DataVerb::Export(arguments) => export::run(arguments),
        DataVerb::Import(arguments) => import::run(arguments),
        DataVerb::Montage(arguments) => montage::run(arguments),
    }
}

/// An error and its cause, in one line.
fn describe(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
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
        entries.push(registry.find(name)?);
    }
    let mut seen = std::collections::BTreeSet::new();
    entries.retain(|entry| seen.insert(entry.name.as_str()));
    Ok(entries)
}
