//! `medley data`: one file per subcommand.

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

use medley_core::{OpenedTask, ScoringToken};
use medley_data::{DataError, Entry, Registry};

use crate::args::data::{DataArguments, DataSubcommand};

pub(crate) fn run(arguments: &DataArguments) -> anyhow::Result<ExitCode> {
    match &arguments.subcommand {
        DataSubcommand::List { data, json } => list::run(&data.data, *json),
        DataSubcommand::Info(arguments) => info::run(arguments),
        DataSubcommand::Stats(arguments) => stats::run(arguments),
        DataSubcommand::Audit(arguments) => audit::run(arguments),
        DataSubcommand::Clean(arguments) => clean::run(arguments),
        DataSubcommand::Verify(arguments) => verify::run(arguments),
        DataSubcommand::Fetch(arguments) => fetch::run(arguments),
        DataSubcommand::Synth(arguments) => synth::run(arguments),
        DataSubcommand::Datasheet(arguments) => datasheet::run(arguments),
        DataSubcommand::Export(arguments) => export::run(arguments),
        DataSubcommand::Import(arguments) => import::run(arguments),
        DataSubcommand::Montage(arguments) => montage::run(arguments),
    }
}

/// An error and its cause, in one line.
fn describe(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

/// What opens the test labels of a set: there where a person asked for them with `--open-test-labels`, and nowhere else.
fn test_token(asked_for: bool, task: &OpenedTask) -> Option<ScoringToken> {
    asked_for.then(|| ScoringToken::on_request(task.spec.name.as_str(), task.test.labels.rows()))
}

/// A published set, and the size that its name may say, as that of its file does: `pathmnist`, `pathmnist_64`.
fn published(name: &str) -> Result<(&'static Entry, Option<usize>), DataError> {
    let registry = Registry::builtin();
    if let Some(entry) = registry.get(name) {
        return Ok((entry, None));
    }
    let (entry, size) = registry.by_file_name(&format!("{name}.npz")).ok_or_else(|| registry.unknown(name))?;
    Ok((entry, Some(size)))
}
